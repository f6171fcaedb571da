/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Agent: what clusterd's program for fence calls says of a fence agent of this node.
 */
#ifndef CLUSTERCTL_AGENT_H
#define CLUSTERCTL_AGENT_H

#include <stdbool.h>

/*
 * Whether the fence agent proves nothing, because it switches no power; *ret_why is then a
 * sentence, which the caller frees. False also where that is not known: a test of the device
 * tells. dir: where clusterd-agent-fence is.
 */
bool agent_proves_nothing(const char *dir, const char *agent, char **ret_why);

#endif
