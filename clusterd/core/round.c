/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/round.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sm.h"
#include "wire/check.h"

/*
 * A round, as one member goes through it:
 *
 *	IDLE ---SYNC_START--> HELLO ---CLOSE--> WAIT	no majority, or no cluster known
 *	                                  |---> OUT	closed without this member's HELLO, or
 *	                                  |		its version cannot take part (decide.c)
 *	                                  |---> SYNC	behind the source
 *	                                  |       |
 *	                                  '---> STORE	the log is the source's: on its way to disk
 *	                                          |
 *	                                        READY	on disk, together with the promise
 *
 * A new view leads back to IDLE from everywhere, a SYNC_START to HELLO. Whether the epoch is
 * open is another matter: it opens for all members at the same point of the total order.
 *
 * All that is decided at CLOSE follows from the HELLOs alone, which every member has seen in
 * the same order, and not from what a member knows besides.
 *
 * Whoever's view is no longer that of the others is harmless: it waits for frames of a round
 * that it does not get, and sends none that counts.
 */

enum {
	LATE_MS = 2000,			/* for HELLO, after a majority answered */
	RESTART_MS = 2000,		/* between rounds in one view that somebody asks for */
	TAKEOVER_MS = 3000,		/* times the rank: nobody starts or closes a round */
	REJOIN_MS = 5000,		/* left out: ask for a new round */
	STALL_MS = 10000,		/* nothing moves on between CLOSE and OPEN */
	RETRY_MAX_MS = 60000,
	ASKS_MAX = 3,			/* REJOINs without an answer, then start a round */
};

static const struct sm_state phases[] = {
	[PHASE_IDLE] = { "idle", .next = SM_BIT(PHASE_IDLE) | SM_BIT(PHASE_HELLO) },
	[PHASE_HELLO] = { "hello",
			  .next = SM_BIT(PHASE_IDLE) | SM_BIT(PHASE_HELLO) | SM_BIT(PHASE_WAIT) |
				  SM_BIT(PHASE_OUT) | SM_BIT(PHASE_SYNC) | SM_BIT(PHASE_STORE) },
	[PHASE_WAIT] = { "wait", .next = SM_BIT(PHASE_IDLE) | SM_BIT(PHASE_HELLO) },
	[PHASE_OUT] = { "out", .next = SM_BIT(PHASE_IDLE) | SM_BIT(PHASE_HELLO) },
	[PHASE_SYNC] = { "sync",
			 .next = SM_BIT(PHASE_IDLE) | SM_BIT(PHASE_HELLO) | SM_BIT(PHASE_STORE) },
	[PHASE_STORE] = { "store",
			  .next = SM_BIT(PHASE_IDLE) | SM_BIT(PHASE_HELLO) | SM_BIT(PHASE_READY) },
	[PHASE_READY] = { "ready", .next = SM_BIT(PHASE_IDLE) | SM_BIT(PHASE_HELLO) },
};
_Static_assert(ARRAY_SIZE(phases) == PHASE_READY + 1, "a row for each phase");

/* What holds in every phase. */
static void invariant(const struct replica *replica)
{
	const struct round *round = &replica->round;
	const struct rlog *log = &replica->log;
	uint64_t self = node_bit(replica->config.node);
	bool in_epoch = round->phase >= PHASE_SYNC;

	assert((round->phase == PHASE_IDLE) == (round->id.sequence == 0));
	assert(!round->open || in_epoch);
	assert(in_epoch == (round->epoch != 0));
	if (!in_epoch)
		return;
	assert(round->nodes & self);
	assert(!(round->electorate.counted[0] & ~round->nodes) && !(round->ready & ~round->nodes));
	assert(nodes_count(round->electorate.counted[0]) >= round->electorate.needed[0] &&
	       round->electorate.needed[0] > 0 && round->electorate.n > 0);
	if (round->phase == PHASE_SYNC)
		return;
	assert(replica->promised == round->epoch && rlog_last(log) >= round->base);
	assert(rlog_epoch(log, rlog_last(log)) ==
	       (rlog_last(log) == round->base ? round->base_epoch : round->epoch));
}

static void move(struct replica *replica, enum phase next, uint64_t now_ms)
{
	assert(sm_may_move(phases, ARRAY_SIZE(phases), replica->round.phase, next));
	replica->round.phase = next;
	round_progress(replica, now_ms);
	invariant(replica);
}

bool round_same(const struct frame_round *a, const struct frame_round *b)
{
	return a->node == b->node && a->sequence == b->sequence && a->boot_id == b->boot_id;
}

/* ---------------------------------------------------------------- waiting no longer */

uint64_t round_awaited(const struct replica *replica)
{
	uint64_t both = replica->members & replica->ring;

	return both & node_bit(replica->config.node) ? both : replica->members;
}

/* How many others start a round rather than this node. */
static unsigned int rank(const struct replica *replica)
{
	uint64_t lower = node_bit(replica->config.node) - 1;

	return (unsigned int)nodes_count(round_awaited(replica) & lower);
}

/* For how long a phase may stand still; 0 = for ever. */
static uint64_t patience_ms(const struct replica *replica)
{
	const struct round *round = &replica->round;
	bool settled;

	switch (round->phase) {
	case PHASE_IDLE:
	case PHASE_HELLO:
		return (uint64_t)TAKEOVER_MS * (1 + rank(replica));
	case PHASE_OUT:
		/* Its version keeps it out. Only another daemon, here or there, changes that. */
		if (round->able.nodes)
			return 0;
		/* As long as the disk is what it waits for, a new round would be as useless. */
		return round->said_hello ? REJOIN_MS : 0;
	case PHASE_SYNC:
		return replica->sync.lost || round->contradicted ? REJOIN_MS : STALL_MS;
	case PHASE_READY:
		settled = round->open && (round->ready & node_bit(replica->config.node));
		return settled ? 0 : STALL_MS;
	case PHASE_WAIT:
	case PHASE_STORE:
		break;
	}
	return 0;
}

void round_progress(struct replica *replica, uint64_t now_ms)
{
	uint64_t patience = patience_ms(replica);
	unsigned int doublings = replica->retries < 4 ? replica->retries : 4;

	patience <<= doublings;
	if (patience > RETRY_MAX_MS && doublings > 0)
		patience = RETRY_MAX_MS;
	replica->retry_at_ms = patience ? now_ms + patience : 0;
	if (replica->round.phase == PHASE_READY && patience == 0)
		replica->retries = 0;
}

/* ---------------------------------------------------------------- starting */

static void forget_round(struct replica *replica)
{
	sync_end(replica);
	commit_forget(replica);
	replica->round = (struct round){ .phase = replica->round.phase };
}

void round_start(struct replica *replica, struct update *update)
{
	Wire__SyncStart body = WIRE__SYNC_START__INIT;
	struct frame_round id = {
		replica->config.node, ++replica->sequence, replica->config.boot_id,
	};

	replica->restart_at_ms = 0;
	replica->round.starting = true;
	replica_send_as(replica, FRAME_SYNC_START, &id, &body.base, update);
}

/* Whoever has come back from the cluster before must hear of it before an epoch is open there. */
static void tell_superseded(struct replica *replica, struct update *update)
{
	const struct replica_config *config = &replica->config;
	Wire__Superseded body = WIRE__SUPERSEDED__INIT;
	struct frame_header header = {
		.type = FRAME_SUPERSEDED,
		.boot_id = replica->config.boot_id,
	};

	for (size_t i = 0; config->ops->before &&
			   config->ops->before(config->above, i, header.cluster); i++) {
		struct buf frame = { 0 };
		int r = frame_encode(&header, &body.base, &frame);

		assert(r == 0);
		update_frame(update, &frame);
	}
}

static void idle(struct replica *replica, uint64_t now_ms, struct update *update)
{
	forget_round(replica);
	replica->restart_at_ms = 0;
	move(replica, PHASE_IDLE, now_ms);
	if (!(replica->members & node_bit(replica->config.node)) || replica->superseders)
		replica->retry_at_ms = 0;
	else if (rank(replica) == 0)
		round_start(replica, update);
}

static uint64_t nodes_of(struct replica *replica, const uint32_t *list, size_t n)
{
	uint64_t nodes = 0;

	for (size_t i = 0; i < n; i++)
		if (list[i] >= 1 && list[i] <= REPLICA_NODE_MAX)
			nodes |= node_bit(list[i]);
		else
			replica->stranger = list[i];
	return nodes;
}

static void check_close(struct replica *replica, uint64_t now_ms, struct update *update);

void round_view(struct replica *replica, const struct event *event, struct update *update)
{
	uint64_t before = replica->members;

	replica->stranger = 0;
	replica->members = nodes_of(replica, event->view.members, event->view.members_n);
	replica->ring = nodes_of(replica, event->view.ring, event->view.ring_n);
	/* What its device said of it before says nothing any more. */
	if (replica->other_off && (replica->members & node_bit(replica->other_off)))
		replica->other_off = 0;
	/* The round goes on, though there may be fewer to wait for. */
	if (event->view.ring_only && replica->members == before) {
		if (replica->round.phase == PHASE_IDLE && !replica->round.starting &&
		    !replica->superseders && rank(replica) == 0)
			round_start(replica, update);
		check_close(replica, event->now_ms, update);
		return;
	}
	replica->retries = 0;
	replica->foreigners = 0;
	replica->superseders &= replica->members;
	idle(replica, event->now_ms, update);
	tell_superseded(replica, update);
}

static void say_hello(struct replica *replica, struct update *update);

void round_take_start(struct replica *replica, const struct delivery *delivery)
{
	const struct frame_header *header = delivery->header;
	struct round *round = &replica->round;

	if (header->round.node != delivery->sender || header->round.sequence == 0 ||
	    header->round.boot_id != header->boot_id) {
		replica->refused++;
		return;
	}
	/*
	 * Usually the lowest member's. Whoever's it is: names are unique, and all members see
	 * the same one last.
	 */
	if (round_same(&header->round, &round->id))
		return;
	forget_round(replica);
	round->id = header->round;
	round->begun_ms = delivery->now_ms;
	move(replica, PHASE_HELLO, delivery->now_ms);
	/* What is on its way to disk by now counts, this very step included. */
	round->hello_batch = replica->batch - 1 + (delivery->update->persists_n > 0);
	if (replica->durable >= round->hello_batch)
		say_hello(replica, delivery->update);
}

/* ---------------------------------------------------------------- HELLO */

/* Log and state cannot change between here and CLOSE: no epoch is open. */
static void say_hello(struct replica *replica, struct update *update)
{
	const struct replica_config *config = &replica->config;
	const struct rlog *log = &replica->log;
	Wire__Hello body = WIRE__HELLO__INIT;
	struct voters voters, pending[2];
	Wire__Voters wire[2], *list[2] = { &wire[0], &wire[1] };

	body.proto_min = frame_protocols.min;
	body.proto_max = frame_protocols.max;
	body.feature_max = config->feature_max;
	body.feature_level = config->ops->level(config->above);
	body.version = (char *)(config->version ? config->version : "");
	body.promised = replica->promised;
	body.last_index = rlog_last(log);
	body.last_epoch = rlog_epoch(log, body.last_index);
	body.first_index = rlog_first(log);
	body.applied = replica_applied(replica);
	body.disk_id = config->disk_id;
	body.against = replica->against;
	body.other_off = alone_entitled(replica) ? replica->other_off : 0;
	config->ops->voters(config->above, &voters);
	body.voters_index = voters.index;
	body.n_voters = body.n_voter_disks = voters.n;
	body.voters = voters.nodes;
	body.voter_disks = voters.disks;
	body.n_pending = change_pending(replica, pending);
	body.pending = list;
	for (size_t i = 0; i < body.n_pending; i++) {
		wire__voters__init(&wire[i]);
		wire[i].index = pending[i].index;
		wire[i].n_nodes = wire[i].n_disks = pending[i].n;
		wire[i].nodes = pending[i].nodes;
		wire[i].disks = pending[i].disks;
	}
	replica_send(replica, FRAME_HELLO, &body.base, update);
	replica->round.said_hello = true;
}

static void note_hello(struct round *round, const struct delivery *delivery)
{
	const Wire__Hello *body = (const Wire__Hello *)delivery->body;
	struct hello *hello = &round->hello[delivery->sender - 1];

	*hello = (struct hello){
		.boot_id = delivery->header->boot_id,
		.disk_id = body->disk_id,
		.promised = body->promised,
		.last_epoch = body->last_epoch,
		.last_index = body->last_index,
		.applied = body->applied,
		.first_index = body->first_index,
		.against = body->against,
		.voters_index = body->voters_index,
		.other_off = body->other_off,
		.proto_min = (uint16_t)body->proto_min,
		.proto_max = (uint16_t)body->proto_max,
		.feature_max = body->feature_max ? body->feature_max : 1,
		.feature_level = body->feature_level,
	};
	memcpy(hello->version, body->version,
	       wire_text_fit(body->version, sizeof(hello->version) - 1));
}

void round_take_hello(struct replica *replica, const struct delivery *delivery)
{
	const Wire__Hello *body = (const Wire__Hello *)delivery->body;
	struct round *round = &replica->round;

	if (round->heard & node_bit(delivery->sender) || !round_hello_fits(body) ||
	    body->against & node_bit(delivery->sender) || body->other_off == delivery->sender) {
		replica->refused++;
		return;
	}
	round->heard |= node_bit(delivery->sender);
	note_hello(round, delivery);
	round_learn_voters(round, delivery->sender, body);
	round_progress(replica, delivery->now_ms);
	check_close(replica, delivery->now_ms, delivery->update);
}

/* ---------------------------------------------------------------- CLOSE */

static bool opened_here(const struct replica *replica)
{
	const struct frame_round *id = &replica->round.id;

	return id->node == replica->config.node && id->boot_id == replica->config.boot_id;
}

static void send_close(struct replica *replica, struct update *update)
{
	Wire__Close body = WIRE__CLOSE__INIT;

	replica->round.closing = true;
	replica->round.close_at_ms = 0;
	replica_send(replica, FRAME_CLOSE, &body.base, update);
}

/* The opener closes when all have answered, or soon after a majority has. */
static void check_close(struct replica *replica, uint64_t now_ms, struct update *update)
{
	struct round *round = &replica->round;

	if (round->phase != PHASE_HELLO || round->closing || !opened_here(replica))
		return;
	if ((round_awaited(replica) & ~round->heard) == 0)
		send_close(replica, update);
	else if (round->close_at_ms == 0 && round_quorate(round))
		round->close_at_ms = now_ms + LATE_MS;
}

void round_take_close(struct replica *replica, const struct delivery *delivery)
{
	struct round *round = &replica->round;
	const struct rlog *log = &replica->log;

	if (delivery->sender != round->id.node ||
	    delivery->header->boot_id != round->id.boot_id) {
		replica->refused++;
		return;
	}
	if (!(round->heard & node_bit(replica->config.node))) {
		move(replica, PHASE_OUT, delivery->now_ms);
		return;
	}
	round->able = round_able(round);
	if (!round_quorate(round)) {
		move(replica, PHASE_WAIT, delivery->now_ms);
		return;
	}
	if (!(round->able.nodes & node_bit(replica->config.node))) {
		move(replica, PHASE_OUT, delivery->now_ms);
		return;
	}
	if (!round_decide(round)) {
		move(replica, PHASE_WAIT, delivery->now_ms);
		return;
	}
	move(replica, PHASE_SYNC, delivery->now_ms);
	if (replica_applied(replica) > round->base) {
		round_contradict(replica, "this node has applied entries that are missing there",
				 delivery);
		return;
	}
	sync_begin(replica, delivery->update);
	if (rlog_last(log) == round->base && rlog_epoch(log, round->base) == round->base_epoch)
		round_synced(replica, delivery->now_ms, delivery->update);
}

/* ---------------------------------------------------------------- READY and OPEN */

/* Outvoted: what a majority has on disk is the truth, and the own store is only evidence. */
static void start_over(struct replica *replica, struct update *update)
{
	replica_leave(replica, LEAVE_DAMAGED,
		      "a majority goes on with a log that contradicts this node's: an old copy of "
		      "a disk was in use, here or there",
		      update);
}

void round_contradict(struct replica *replica, const char *what, const struct delivery *delivery)
{
	assert(replica->round.phase == PHASE_SYNC);
	replica->round.contradicted = what;
	replica->against |= node_bit(replica->round.source);
	round_progress(replica, delivery->now_ms);
	if (replica->round.open)
		start_over(replica, delivery->update);
}

void round_synced(struct replica *replica, uint64_t now_ms, struct update *update)
{
	struct round *round = &replica->round;

	replica->promised = round->epoch;
	replica->against = 0;
	update_persist(update, PERSIST_PROMISE)->value = round->epoch;
	alone_promised(replica, update);
	round->ready_batch = replica->batch;
	move(replica, PHASE_STORE, now_ms);
	commit_flush(replica, update);
}

static void check_open(struct replica *replica, struct update *update)
{
	struct round *round = &replica->round;

	if (round->open || !electorate_has(&round->electorate, round->ready))
		return;
	round->open = true;
	update->opened = true;
	commit_open(replica, update);
	if (round->contradicted)
		start_over(replica, update);
}

void round_take_ready(struct replica *replica, const struct delivery *delivery)
{
	struct round *round = &replica->round;

	round->ready |= node_bit(delivery->sender);
	if (round->acked[delivery->sender - 1] < round->base)
		round->acked[delivery->sender - 1] = round->base;
	check_open(replica, delivery->update);
	alone_note_together(replica, delivery->update);
	round_progress(replica, delivery->now_ms);
	invariant(replica);
}

void round_persisted(struct replica *replica, uint64_t now_ms, struct update *update)
{
	struct round *round = &replica->round;
	Wire__Ready body = WIRE__READY__INIT;

	if (!round->said_hello && replica->durable >= round->hello_batch) {
		if (round->phase == PHASE_HELLO)
			say_hello(replica, update);
		/* Too late for this round, but now another one makes sense. */
		round->said_hello = true;
		if (round->phase == PHASE_OUT)
			round_progress(replica, now_ms);
	}
	if (round->phase == PHASE_STORE && replica->durable >= round->ready_batch) {
		replica_send(replica, FRAME_READY, &body.base, update);
		move(replica, PHASE_READY, now_ms);
		commit_advance(replica, update);
	}
}

/* ---------------------------------------------------------------- once more */

static void ask_again(struct replica *replica, struct update *update)
{
	Wire__Rejoin body = WIRE__REJOIN__INIT;

	if (replica->round.phase == PHASE_IDLE || replica->round.phase == PHASE_HELLO ||
	    replica->retries >= ASKS_MAX)
		round_start(replica, update);
	else
		replica_send(replica, FRAME_REJOIN, &body.base, update);
	replica->retries++;
}

void round_take_rejoin(struct replica *replica, const struct delivery *delivery)
{
	const struct round *round = &replica->round;

	if (!opened_here(replica) || replica->restart_at_ms)
		return;
	if (delivery->now_ms >= round->begun_ms + RESTART_MS)
		round_start(replica, delivery->update);
	else
		replica->restart_at_ms = round->begun_ms + RESTART_MS;
}

void round_take_superseded(struct replica *replica, const struct delivery *delivery)
{
	Wire__Rejoin body = WIRE__REJOIN__INIT;
	uint8_t cluster[16];

	/* An empty node is of no cluster; and by its own word a node would rest for ever. */
	if (!replica->config.ops->cluster(replica->config.above, cluster) ||
	    delivery->sender == replica->config.node)
		return;
	replica->superseders |= node_bit(delivery->sender);
	replica->foreigners |= node_bit(delivery->sender);
	idle(replica, delivery->now_ms, delivery->update);
	/* There it is to be known whose this node is, which says nothing else any more. */
	replica_send(replica, FRAME_REJOIN, &body.base, delivery->update);
}

static bool due(uint64_t at_ms, uint64_t now_ms)
{
	return at_ms != 0 && now_ms >= at_ms;
}

void round_tick(struct replica *replica, uint64_t now_ms, struct update *update)
{
	if (due(replica->round.close_at_ms, now_ms))
		send_close(replica, update);
	if (due(replica->restart_at_ms, now_ms))
		round_start(replica, update);
	if (due(replica->retry_at_ms, now_ms)) {
		ask_again(replica, update);
		round_progress(replica, now_ms);
	}
	alone_start_again(replica, update);
}

uint64_t round_wake_ms(const struct replica *replica)
{
	const uint64_t times[] = {
		replica->round.close_at_ms, replica->restart_at_ms, replica->retry_at_ms,
		replica->round.ack_again_ms,
	};
	uint64_t wake_ms = 0;

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i] && (wake_ms == 0 || times[i] < wake_ms))
			wake_ms = times[i];
	return wake_ms;
}
