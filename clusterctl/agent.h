/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Agent: what clusterd's program for fence calls says of a fence agent of this node.
 */
#ifndef CLUSTERCTL_AGENT_H
#define CLUSTERCTL_AGENT_H

#include "base/argv.h"

#include <stdbool.h>

/* What is not known is empty: a test of the device tells. */
struct agent {
	char *proves_nothing;	/* a sentence: it switches no power; NULL: not known to */
	struct argv params;	/* the parameters that its metadata name */
};

/* Asks the program in the directory; the caller frees what it said by agent_free(). */
void agent_look(const char *dir, const char *name, struct agent *ret);
void agent_free(struct agent *agent);

/*
 * Whether it takes a parameter of that name, for all that is known. *ret_near: if not, the one
 * that may have been meant, borrowed from the agent, or NULL.
 */
bool agent_takes(const struct agent *agent, const char *key, const char **ret_near);

#endif
