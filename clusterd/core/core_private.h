/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_CORE_PRIVATE_H
#define CLUSTERD_CORE_CORE_PRIVATE_H

/* What the files of the core share with each other, and nobody else sees. */

#include "base/idmap.h"
#include "clusterd/core/agenda.h"
#include "clusterd/core/behind.h"
#include "clusterd/core/census.h"
#include "clusterd/core/conductor.h"
#include "clusterd/core/core.h"
#include "clusterd/core/duties.h"
#include "clusterd/core/replica.h"
#include "clusterd/core/solo.h"

/* A client's command on its way: proposed again in each epoch until it is applied. */
struct pending {
	uint64_t request, tag;
	struct buf command;
	uint64_t since_ms;
	uint64_t epoch;			/* in which it was proposed last; 0 = never */
	bool prepared;			/* judged and filled in by what this node knows */
	bool barrier;			/* it changes nothing, and who waits for it is soon gone */
};

struct core {
	uint32_t node;
	uint64_t boot_id, disk_id, memory_mib, random;
	char *kernel_boot_id;
	bool eager;
	bool unread;			/* the store holds a record that cannot be read here */
	struct state *state;
	struct state *incoming;		/* snapshot being received, else NULL */
	struct update incoming_puts;	/* its records, as the store will get them */
	struct behind behind;		/* what was applied and the store does not have yet */
	struct state *pile;		/* states that nobody needs any more */
	struct replica *replica;
	struct replica_standing standing;
	struct duties *duties;
	struct conductor *conductor;
	struct idmap pendings;		/* by request: struct pending */
	struct idmap progress;		/* by VM: Wire__Progress */
	struct census census;
	struct agenda agenda;
	struct solo solo;
	uint64_t next_ask;
	uint64_t now_ms, wall_ms;
	uint64_t leave_ms;		/* when asked to leave; 0 = not */
	uint64_t freeze_epoch, freeze_ms;	/* in which and when that was proposed last */
	uint64_t seen_ring;		/* nodes that were in the ring since this daemon began */
	uint64_t grace_ms;		/* until then, nodes that were not seen may still come */
	uint64_t closed_ms;		/* since when no epoch is open here; 0 = one is */
	bool left;
	char outside[400];		/* why this node is none of the cluster's; "": it is */
};

/* machine.c: what the replica asks for, with the core as `above`. */
extern const struct replica_ops machine_ops;
bool machine_cluster(void *above, uint8_t ret_uuid[16]);
/* A part of what snapshots have left behind is freed; wakes for the rest. */
void machine_clear_away(struct core *core, struct update *update);

/* clients.c */
void clients_take(struct core *core, const struct event_client *client, struct update *update);
/* A request was applied, here or elsewhere: the verdict goes to the client that waits for it. */
void clients_answer(struct core *core, uint64_t request, const Wire__Verdict *verdict,
		    struct update *update);
/* Proposes again and gives up, as time passes. */
void clients_run(struct core *core, struct update *update);
void clients_free(struct core *core);

/*
 * core_private.c: fills in proposer and time, packs and multicasts. Nothing waits for the
 * outcome. What is above the cluster's feature level is left out.
 */
void core_propose(struct core *core, Wire__Command *command, struct update *update);
/* An ask with a fresh id; the caller fills in request. */
struct ask *core_ask(struct core *core, enum agent_kind agent, uint32_t deadline_ms,
		     struct update *update);
/*
 * Asks a fence device for the node's power: whether it is off, or to cut it and to look at that.
 * The id of the ask. duty_fence.c.
 */
uint64_t core_ask_fence(struct core *core, const Wire__Fence *fence, uint32_t node,
			bool status_only, struct update *update);
/* A device's answer is good for so long. */
enum { CORE_FENCE_ANSWER_MS = 10000 };
/* This node's record, when its reports count now; else NULL. */
const Wire__Node *core_self(const struct core *core);
bool core_in_ring(const struct core *core, uint32_t node);
bool core_is_ready(const struct core *core, uint32_t node);

#endif
