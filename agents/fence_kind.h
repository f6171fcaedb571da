/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence kind: whether a fence agent switches power, by what it says of itself.
 *
 * Only a machine without power is proven dead. Agents like fence_scsi or fence_brocade cut a node
 * off from storage or the network, and their `status` says off while all its guests run on. Source:
 * fencing.py of fence-agents: the metadata of these (fabric_fencing) name no action reboot, and an
 * action on that is automatic, for the node comes back without it to nothing.
 */
#ifndef AGENTS_FENCE_KIND_H
#define AGENTS_FENCE_KIND_H

#include <stddef.h>

enum fence_kind {
	FENCE_KIND_POWER,
	FENCE_KIND_OTHER,   /* what it says proves nothing */
	FENCE_KIND_UNKNOWN, /* neither does this, until its metadata can be read */
};

enum {
	FENCE_KIND_METADATA_MAX = 256 * 1024, /* bytes; ten times what the longest ones have */
};

/*
 * Of the agent of that name, which wrote that when it was asked for its metadata. ret_why is a
 * sentence, which the caller frees, unless it is of FENCE_KIND_POWER.
 */
enum fence_kind fence_kind(const char *agent, const char *metadata, size_t size, char **ret_why);

/* The parameters that the metadata name, each a line; "" if they name none. The caller frees it. */
char *fence_kind_params(const char *metadata, size_t size);

#endif
