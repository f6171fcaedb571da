/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_CORE_PRIVATE_H
#define CLUSTERD_CORE_CORE_PRIVATE_H

/* What the files of the core share with each other, and nobody else sees. */

#include "base/idmap.h"
#include "clusterd/core/conductor.h"
#include "clusterd/core/core.h"
#include "clusterd/core/duties.h"
#include "clusterd/core/replica.h"

enum { DIGESTS_KEPT = 4096 };

/* A client's command on its way: proposed again in each epoch until it is applied. */
struct pending {
	uint64_t request, tag;
	struct buf command;
	uint64_t since_ms;
	uint64_t epoch;			/* in which it was proposed last; 0 = never */
};

struct core {
	uint32_t node;
	uint64_t boot_id, disk_id, memory_mib, random;
	char *kernel_boot_id;
	struct state *state;
	struct state *incoming;		/* snapshot being received, else NULL */
	struct replica *replica;
	struct replica_standing standing;
	struct duties *duties;
	struct conductor *conductor;
	struct idmap pendings;		/* by request: struct pending */
	struct idmap progress;		/* by VM: Wire__Progress */
	uint64_t digests[DIGESTS_KEPT];	/* of the state at index i, at i % DIGESTS_KEPT */
	uint64_t next_ask;
	uint64_t now_ms, wall_ms;
	uint64_t leave_ms;		/* when asked to leave; 0 = not */
	uint64_t freeze_epoch, freeze_ms;	/* in which and when that was proposed last */
	uint64_t seen_ring;		/* nodes that were in the ring since this daemon began */
	uint64_t grace_ms;		/* until then, nodes that were not seen may still come */
	uint64_t closed_ms;		/* since when no epoch is open here; 0 = one is */
	bool left;
	const char *doubt;		/* this node's data differ from the others' */
};

/* Fills in proposer and time, packs and multicasts. Nothing waits for the outcome. */
void core_propose(struct core *core, Wire__Command *command, struct update *update);
/* An ask with a fresh id; the caller fills in request. */
struct ask *core_ask(struct core *core, enum agent_kind agent, uint32_t deadline_ms,
		     struct update *update);
/* This node's record, when its reports count now; else NULL. */
const Wire__Node *core_self(const struct core *core);
bool core_in_ring(const struct core *core, uint32_t node);
bool core_is_ready(const struct core *core, uint32_t node);

#endif
