/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health: whether all is well with the cluster, as a judgement over what the daemon says.
 *
 * Critical: there is no quorum, or a VM that should run does not. Warning: a node is not up, a
 * VM is not protected, or not where or what it is wanted to be. A VM that was set managed=no is
 * nobody's business here, and ha=no says that a VM need not be protected; of one that is down
 * that is the problem, not its protection. A function of its arguments alone.
 */
#ifndef CLUSTERCTL_HEALTH_H
#define CLUSTERCTL_HEALTH_H

#include "clusterctl/exits.h"

#include <jansson.h>

struct health {
	enum status_exit level;
	char *line;       /* "WARNING: n3 is lost: … (and 2 more)" */
	json_t *problems; /* array of {"level", "subject", "text"}, the worst first */
};

/* Judges the replies of status, nodes and vms. */
void health_judge(const json_t *status, const json_t *nodes, const json_t *vms, struct health *ret);
void health_free(struct health *health);

/* "ok", "warning", "critical", "unknown". */
const char *health_word(enum status_exit level);

#endif
