/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Started: what is told of a start that failed. The operation ends with the last node's words;
 * what each node said stands in the events.
 */
#ifndef CLUSTERCTL_STARTED_H
#define CLUSTERCTL_STARTED_H

#include "clusterctl/ctl.h"

#include <jansson.h>
#include <stdbool.h>

bool started_is_failed(const json_t *operation);

/*
 * "n1: no such disk", one text for each node and cause, oldest first, and what the operation
 * ended with. The caller frees it.
 */
json_t *started_causes(struct ctl *ctl, const json_t *operation);

/* Says whether the VM is in the cluster, what each node said, and what to do next. */
void started_say(struct ctl *ctl, const json_t *operation, const json_t *causes, bool is_new);

#endif
