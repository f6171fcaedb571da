/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health: whether all is well with the cluster, as a judgement over what the daemon says.
 *
 * What is a warning and what is critical stands as a table in clusterctl(8), EXIT STATUS; a unit
 * test holds it against this. In short: critical is what is down or may be, warning what would
 * be with one more fault, or passes by itself. Of a VM that is down that is the problem, not its
 * protection. A function of its arguments alone.
 */
#ifndef CLUSTERCTL_HEALTH_H
#define CLUSTERCTL_HEALTH_H

#include "clusterctl/exits.h"

#include <jansson.h>

struct health {
	enum status_exit level;
	char *line;       /* "WARNING: n3 is lost: … (and 2 more)" */
	json_t *problems; /* array of {"level", "subject", "text"}, the worst first */
	json_t *causes;   /* array of {"level", "text", "subjects"}: one for each reason */
};

/* Judges the replies of status, nodes and vms. */
void health_judge(const json_t *status, const json_t *nodes, const json_t *vms, struct health *ret);
void health_free(struct health *health);

/* "ok", "warning", "critical", "unknown". */
const char *health_word(enum status_exit level);

#endif
