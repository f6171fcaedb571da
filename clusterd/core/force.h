/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_FORCE_H
#define CLUSTERD_CORE_FORCE_H

/*
 * A cluster is forced when so many of its voters are gone for good that no majority will ever be,
 * or when all are and there is a backup: one node goes on with what its own store holds, as a
 * cluster with a new uuid and itself as the only voter. It is the administrator's word alone that
 * allows it, for nothing tells a node that is gone from one that is only not seen.
 *
 * What it has is the past. The others may have gone on without it, for days: so they may run any
 * VM, have saved and moved them, and have counted on. The entry Force (apply_force.c) therefore
 *
 *   - lies beyond all that the others can have counted to: index and epoch leap by FORCE_JUMP, and
 *     so do incarnations and generations. Nothing that is numbered by them (rights, records, looks,
 *     files of saved memory) can be taken for something of the cluster before;
 *   - takes away what is known of all nodes and VMs, this node's own included;
 *   - is the only entry of its log: whoever joins gets the state whole, and none of a log that the
 *     cluster before may have continued in another way.
 *
 * The members of the cluster before are foreign to this one by the uuid, as it is to them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/core.h"

/*
 * No cluster counts so far in its life: at 1000 entries a second that were 49 days without a pause,
 * with each node restarted as often. Numbers still end below 2^53, which JSON can hold, after two
 * million leaps.
 */
#define FORCE_JUMP (UINT64_C(1) << 32)

struct force_order {
	const char *cluster;		/* the new uuid */
	const char *who;		/* asked for it */
	uint64_t wall_ms;
	uint64_t random;
	bool restore;			/* the store is that of a backup, with a new disk id */
};

/* Where the log ends that it goes on from. */
struct force_end {
	uint64_t index;
	uint64_t wall_ms;		/* of its last entry; 0 = not known */
};

/*
 * Of a core that was loaded and has taken no step: takes its whole log as committed, for an entry
 * too many is better than one lost. Then core_state tells what there is to go on with. A second
 * call changes nothing. -ENOENT: there is no cluster; -ENODEV: this node is none of it; -EPROTO: a
 * newer clusterd is needed. ret_why is a sentence for each.
 */
int core_force_load(struct core *core, struct force_end *ret_end, char *ret_why, size_t size);

/*
 * The same, and then forces it: the update has what takes the place of all that is in the store, to
 * be written as one transaction. Errors as above; -EINVAL: the order makes no sense.
 */
int core_force(struct core *core, const struct force_order *order, struct update *update,
	       char *ret_why, size_t size);

#endif
