/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/round.h"
#include "wire/check.h"
#include "wire/command.h"

/*
 * An open epoch. The index of an entry is its place in the delivery order, so every member
 * finds the same one; none is sent. What is delivered between OPEN and the end of a member's
 * own sync waits in memory and is appended then.
 */

enum {
	WAITING_MAX = 4096,
	WAITING_BYTES_MAX = 32 * 1024 * 1024,
	UNCOMMITTED_MAX = 4096,			/* entries; beyond, proposals are refused here */
	ACK_AGAIN_MS = 2000,			/* the group may lose a message under load */
};

/* ---------------------------------------------------------------- appending */

static void wait_in_line(struct replica *replica, const void *command, size_t size,
			 struct update *update)
{
	struct waiting *waiting = &replica->waiting;

	if (waiting->n >= WAITING_MAX || waiting->bytes + size > WAITING_BYTES_MAX) {
		replica_leave(replica, LEAVE_RESYNC,
			      "too many changes came in while the log was being copied", update);
		return;
	}
	if (waiting->n == waiting->cap) {
		waiting->cap = waiting->cap ? waiting->cap * 2 : 64;
		waiting->commands = mem_resize(waiting->commands, waiting->cap,
					       sizeof(*waiting->commands));
	}
	waiting->commands[waiting->n] = (struct buf){ 0 };
	buf_append(&waiting->commands[waiting->n++], command, size);
	waiting->bytes += size;
}

static void append(struct replica *replica, const void *command, size_t size,
		   struct update *update)
{
	if (replica->round.phase == PHASE_SYNC) {
		wait_in_line(replica, command, size, update);
		return;
	}
	rlog_append(&replica->log, replica->round.epoch, command, size, replica->batch, update);
	change_appended(replica, rlog_last(&replica->log), command, size);
}

void commit_open(struct replica *replica, struct update *update)
{
	Wire__Noop noop = WIRE__NOOP__INIT;
	Wire__Command command = WIRE__COMMAND__INIT;
	_cleanup_(buf_free) struct buf packed = { 0 };

	noop.epoch = replica->round.epoch;
	command.body_case = WIRE__COMMAND__BODY_NOOP;
	command.noop = &noop;
	wire_pack(&command.base, &packed);
	append(replica, packed.data, packed.len, update);
}

void commit_forget(struct replica *replica)
{
	struct waiting *waiting = &replica->waiting;

	for (size_t i = 0; i < waiting->n; i++)
		buf_free(&waiting->commands[i]);
	waiting->n = 0;
	waiting->bytes = 0;
}

void commit_flush(struct replica *replica, struct update *update)
{
	struct waiting *waiting = &replica->waiting;

	assert(replica->round.phase != PHASE_SYNC);
	for (size_t i = 0; i < waiting->n; i++)
		append(replica, waiting->commands[i].data, waiting->commands[i].len, update);
	commit_forget(replica);
}

/* The index of the last entry delivered in this epoch, whether it waits or is in the log. */
static uint64_t tail(const struct replica *replica)
{
	if (replica->round.phase == PHASE_SYNC)
		return replica->round.base + replica->waiting.n;
	return rlog_last(&replica->log);
}

int replica_propose(struct replica *replica, const struct buf *command, uint64_t request,
		    struct update *update)
{
	Wire__Append body = WIRE__APPEND__INIT;
	struct buf frame = { 0 };
	int r;

	if (!replica->round.open || replica->round.phase != PHASE_READY || replica->gone)
		return -EAGAIN;
	if (rlog_last(&replica->log) - replica->committed >= UNCOMMITTED_MAX)
		return -EBUSY;
	if (command->len == 0)
		return -EINVAL;
	if (!change_timely(replica, command))
		return -ESTALE;
	body.command.data = command->data;
	body.command.len = command->len;
	r = replica_encode(replica, FRAME_APPEND, request, &body.base, &frame);
	if (r < 0)
		return r;
	update_frame(update, &frame);
	return 0;
}

void commit_take_append(struct replica *replica, const struct delivery *delivery)
{
	const Wire__Append *body = (const Wire__Append *)delivery->body;

	if (!replica->round.open)
		return;
	if (body->command.len == 0 || body->command.len > WIRE_COMMAND_MAX) {
		replica->refused++;
		return;
	}
	append(replica, body->command.data, body->command.len, delivery->update);
}

/* ---------------------------------------------------------------- acknowledging */

static void send_ack(struct replica *replica, uint64_t index, uint64_t now_ms,
		     struct update *update)
{
	Wire__Ack body = WIRE__ACK__INIT;

	body.index = index;
	replica_send(replica, FRAME_ACK, &body.base, update);
	replica->round.ack_sent = index;
	replica->round.ack_again_ms = now_ms + ACK_AGAIN_MS;
}

void commit_persisted(struct replica *replica, uint64_t now_ms, struct update *update)
{
	struct round *round = &replica->round;
	uint64_t index = rlog_durable(&replica->log, replica->durable);

	if (!round->open || round->phase != PHASE_READY)
		return;
	/* READY has acknowledged the base. */
	if (index > round->base && index > round->ack_sent)
		send_ack(replica, index, now_ms, update);
}

void commit_tick(struct replica *replica, uint64_t now_ms, struct update *update)
{
	struct round *round = &replica->round;

	if (round->ack_again_ms == 0 || now_ms < round->ack_again_ms)
		return;
	if (round->open && round->phase == PHASE_READY)
		send_ack(replica, round->ack_sent, now_ms, update);
}

void commit_take_ack(struct replica *replica, const struct delivery *delivery)
{
	struct round *round = &replica->round;
	uint64_t index = ((const Wire__Ack *)delivery->body)->index;
	uint64_t *acked = &round->acked[delivery->sender - 1];

	/* Nobody can have what was not delivered yet, nor acknowledge before READY. */
	if (!round->open || !(round->ready & node_bit(delivery->sender)) ||
	    index <= round->base || index > tail(replica)) {
		replica->refused++;
		return;
	}
	if (delivery->sender == replica->config.node && index >= round->ack_sent)
		round->ack_again_ms = 0;
	if (index <= *acked)
		return;
	*acked = index;
	commit_advance(replica, delivery->update);
}

/* ---------------------------------------------------------------- committing */

static void apply(struct replica *replica, struct update *update)
{
	const struct replica_config *config = &replica->config;

	for (uint64_t index = replica_applied(replica) + 1; index <= replica->committed; index++) {
		const struct rlog_entry *entry = rlog_at(&replica->log, index);
		Wire__Entry body = WIRE__ENTRY__INIT;

		assert(entry);
		body.index = index;
		body.epoch = entry->epoch;
		body.command.data = entry->command.data;
		body.command.len = entry->command.len;
		config->ops->apply(config->above, &body, update);
		assert(replica_applied(replica) == index);
		if (update->leave != LEAVE_NO) {
			replica->gone = true;
			return;
		}
	}
}

/* What may be trimmed: what came of it is written, and nobody behind is still to be sent it. */
static uint64_t trim_limit(const struct replica *replica)
{
	uint64_t written = replica->config.ops->written(replica->config.above);
	uint64_t needs = sync_needs(replica);

	return needs <= written ? needs - 1 : written;
}

void commit_advance(struct replica *replica, struct update *update)
{
	struct round *round = &replica->round;
	uint64_t index;

	/*
	 * Whose log is not the source's yet must not read the commit index: it would apply
	 * entries of its own that were never committed. And an entry of an earlier epoch is
	 * committed only by one of this epoch above it (Raft, figure 8): the NOOP.
	 */
	if (!round->open || round->phase != PHASE_READY)
		return;
	do {
		index = change_committable(round);
		if (index <= round->base || index <= replica->committed)
			break;
		assert(index <= rlog_last(&replica->log));
		replica->committed = index;
		apply(replica, update);
	} while (!replica->gone && change_settle(round, replica->committed));
	alone_note_together(replica, update);
	rlog_trim(&replica->log, trim_limit(replica), update);
}
