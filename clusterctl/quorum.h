/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Quorum: what a change waits for while there is none.
 */
#ifndef CLUSTERCTL_QUORUM_H
#define CLUSTERCTL_QUORUM_H

#include "clusterctl/ctl.h"

/* A daemon without quorum holds a change back for so long before it refuses it. */
enum { QUORUM_WAIT_S = 5 };

/*
 * "no quorum: waiting up to 5 s for n2 or n3", from the daemon's status; NULL if nothing has to
 * be waited for. The caller frees it.
 */
char *quorum_awaited(const json_t *status);

/* Asks for the status and says that on stderr. */
void quorum_say_awaited(struct ctl *ctl);

#endif
