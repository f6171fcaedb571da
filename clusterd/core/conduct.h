/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_CONDUCT_H
#define CLUSTERD_CORE_CONDUCT_H

/* What the files of the conductor share: what it remembers, and how it proposes. */

#include "base/idmap.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/look.h"

/* What the leader remembers of a node, on its own clock. */
struct watched_node {
	Wire__Node__State state;
	uint64_t state_ms;		/* of the record: when it came into it */
	bool in_ring, ready;
	uint64_t since_ms;		/* these four are as they are */
	bool was_out;			/* of the ring, in this state */
	unsigned attempts;		/* fence calls for this incarnation */
	bool only_asked;		/* its device is: its power may not be cut yet */
	uint64_t incarnation, retry_ms;
	uint64_t asked_for;		/* log entry of what its device was last asked for */
	uint64_t proven, proven_ms;	/* of OFF: by which entry, and when that was seen to come */
	uint64_t too_old;		/* the proof that is too old for a start; 0 = none */
	uint64_t proposed_ms;
};

struct watched_vm {
	uint64_t generation;
	Wire__Vm__Phase phase;
	uint32_t tries;
	uint64_t since_ms, proposed_ms;
	uint64_t look;			/* the one that is waited for */
	uint64_t look_ms;		/* since when; 0 = none is */
	uint64_t proof_ms;		/* the same of newer proofs that nodes are off */
};

struct conductor {
	bool watching;			/* it has led since the step before this one, at least */
	uint64_t epoch;
	struct watched_node nodes[65];
	struct idmap vms;
	struct idmap waiting;		/* by VM id: of those that are to start, or be looked for */
	uint64_t placed_ms;		/* VMs were given their places last */
	bool place_again;		/* something has changed since */
	uint64_t place_wake_ms;		/* if not, this is when they are to be placed again */
	uint64_t voters_ms;		/* other voters were proposed last */
	uint64_t tests_ms;		/* a fence test without an executor was ended last */
};

/* A node that could look has answered by then: it is asked about, and whoever waits is told. */
enum { LOOK_PATIENCE_MS = 5000 };

/* conduct.c: was it proposed a moment ago? Else takes note that it is now. */
bool conduct_proposed_lately(struct core *core, uint64_t *proposed_ms, struct update *update);
/* Has it been like this for so long? Arms a wake-up for when it will have been. */
bool conduct_lasted(struct core *core, uint64_t since_ms, uint64_t wait_ms, struct update *update);
/*
 * Does a node do what the log asks of it? Not if its daemon is away, nor if that is none of the
 * cluster's, for the node was removed or came with the store of one that was.
 */
bool conduct_acts(const struct core *core, uint32_t node);
/*
 * What this leader sees of the nodes now; and with proofs of some age taken for none. The second
 * arms a wake-up for when the next one comes to that age.
 */
struct look_sight conduct_sight(const struct core *core);
struct look_sight conduct_strict_sight(const struct core *core, struct update *update);
/*
 * The state of a node is to become this one; `held_back`: why no more is done, or "". If it is in
 * that state, `left_out` is why its daemon takes no part though it runs, or "".
 */
void conduct_verdict(struct core *core, const Wire__Node *node, struct watched_node *watched,
		     Wire__Node__State state, const char *reason, const char *held_back,
		     const char *left_out, struct update *update);

/* conduct_node.c: what membership says of a node that does not speak for itself. */
void conduct_watch_node(struct core *core, const Wire__Node *node);
void conduct_node(struct core *core, const Wire__Node *node, struct watched_node *watched,
		  struct update *update);

/*
 * conduct_attempt.c: the next attempt at its power. Device and executor change each time, since
 * either may be why it failed, and in the end each node has tried each device. No device: there
 * is none, or only `wrong`, which switches another machine; or nobody is here to ask it.
 */
enum { FENCE_DEVICES_MAX = 64 };
struct attempt {
	const Wire__Fence *device, *wrong;
	uint32_t executor;
};
struct attempt conduct_attempt(const struct core *core, const Wire__Node *node,
			       const struct watched_node *watched);
/* All devices of the node, but those that switch another machine; ret_wrong: one of these. */
size_t conduct_devices(const struct state *state, uint32_t node,
		       const Wire__Fence *ret_devices[FENCE_DEVICES_MAX],
		       const Wire__Fence **ret_wrong);
/* The pause after so many power-offs that failed. */
uint64_t conduct_pause_ms(unsigned attempts);
/* Proposes it, and says when the next may follow; false: it was proposed a moment ago. */
bool conduct_begin_attempt(struct core *core, const Wire__Node *node, struct watched_node *watched,
			   const struct attempt *attempt, bool status_only, struct update *update);
/* The log entry of the last device that was added for the node, if that is after `since`. */
uint64_t conduct_newest_device(const struct core *core, uint32_t node, uint64_t since);
/* The n-th of a table, and its last from then on. */
uint64_t conduct_delay_ms(const uint64_t *delays, size_t n, unsigned attempts);

/* conduct_fence.c: proof of its death, if it is lost with VMs or a look waits for it. */
void conduct_fence(struct core *core, const Wire__Node *node, struct watched_node *watched,
		   struct update *update);
/* Fence tests whose executors are gone. */
void conduct_tests(struct core *core, struct update *update);

/* conduct_voters.c: other voters, when there should be. */
void conduct_voters(struct core *core, struct update *update);

/* conduct_vm.c: starts, restores, stops; of those VMs for which something may be to be done. */
void conduct_vms(struct core *core, struct update *update);

#endif
