/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/replica.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/sm.h"
#include "clusterd/core/round.h"

enum { WHY_MAX = 512 };

/* ---------------------------------------------------------------- life */

struct replica *replica_new(const struct replica_config *config)
{
	struct replica *replica = mem_new(struct replica);

	assert(config->node >= 1 && config->node <= REPLICA_NODE_MAX);
	assert(config->boot_id != 0 && config->disk_id != 0);
	replica->config = *config;
	replica->batch = 1;
	replica->why = mem_array(1, WHY_MAX);
	rlog_init(&replica->log, config->keep);
	return replica;
}

void replica_free(struct replica *replica)
{
	if (!replica)
		return;
	sync_end(replica);
	commit_forget(replica);
	rlog_free(&replica->log);
	free(replica->waiting.commands);
	free(replica->why);
	free(replica);
}

void replica_load_promise(struct replica *replica, uint64_t promised)
{
	replica->promised = promised;
}

void replica_load_alone(struct replica *replica, uint64_t epoch, uint64_t voters)
{
	replica->alone = epoch;
	replica->alone_voters = voters;
}

void replica_load_together(struct replica *replica, uint64_t boot, uint64_t voters)
{
	replica->together = boot;
	replica->together_voters = voters;
}

int replica_load_entry(struct replica *replica, uint64_t index, uint64_t epoch,
		       const void *command, size_t size)
{
	struct rlog *log = &replica->log;

	if (index == 0 || epoch == 0 || size == 0)
		return -EBADMSG;
	if (log->n == 0)
		rlog_stand(log, index - 1, 0);
	if (index != rlog_last(log) + 1 || epoch < rlog_epoch(log, rlog_last(log)))
		return -EBADMSG;
	rlog_load(log, epoch, command, size);
	return 0;
}

int replica_load_done(struct replica *replica)
{
	struct rlog *log = &replica->log;
	uint64_t index, epoch;

	replica->config.ops->position(replica->config.above, &index, &epoch);
	if (log->n == 0)
		rlog_stand(log, index, epoch);
	/* With such numbers nobody would take its HELLO. */
	if (replica->promised > ROUND_NUMBER_MAX || epoch > ROUND_NUMBER_MAX ||
	    rlog_last(log) > ROUND_NUMBER_MAX ||
	    rlog_epoch(log, rlog_last(log)) > ROUND_NUMBER_MAX)
		return -EBADMSG;
	/* The state may lag behind the log, and the log may have been trimmed below it. */
	if (index < log->below || index > rlog_last(log) || (index == 0) != (epoch == 0))
		return -EBADMSG;
	if (index == log->below)
		log->below_epoch = epoch;
	if (rlog_epoch(log, index) != epoch)
		return -EBADMSG;
	replica->committed = index;
	return 0;
}

void replica_finish(struct replica *replica, struct update *update)
{
	uint64_t wake_ms = round_wake_ms(replica);

	assert(update->persist_seq == 0);
	if (update->persists_n > 0)
		update->persist_seq = replica->batch++;
	if (wake_ms && !replica->gone)
		update_wake(update, wake_ms);
}

void replica_leave(struct replica *replica, enum leave leave, const char *why,
		   struct update *update)
{
	replica->gone = true;
	if (update->leave != LEAVE_NO)
		return;
	update->leave = leave;
	update->leave_why = why;
}

uint64_t replica_promised(const struct replica *replica)
{
	return replica->promised;
}

uint64_t replica_last(const struct replica *replica, uint64_t *ret_epoch)
{
	uint64_t last = rlog_last(&replica->log);

	*ret_epoch = rlog_epoch(&replica->log, last);
	return last;
}

const struct buf *replica_command(const struct replica *replica, uint64_t index,
				  uint64_t *ret_epoch)
{
	const struct rlog_entry *entry = rlog_at(&replica->log, index);

	if (!entry)
		return NULL;
	*ret_epoch = entry->epoch;
	return &entry->command;
}

uint64_t replica_first(const struct replica *replica)
{
	return rlog_first(&replica->log);
}

uint64_t replica_applied(const struct replica *replica)
{
	uint64_t index, epoch;

	replica->config.ops->position(replica->config.above, &index, &epoch);
	return index;
}

/* ---------------------------------------------------------------- frames out */

static struct frame_header header_of(const struct replica *replica, uint16_t type)
{
	struct frame_header header = {
		.protocol = frame_type_is_always(type) ? FRAME_PROTOCOL_ALWAYS :
							 replica->round.able.protocol,
		.type = type,
		.round = replica->round.id,
		.epoch = replica->round.epoch,
		.boot_id = replica->config.boot_id,
	};

	/* An empty node has no uuid yet: zero. */
	if (!replica->config.ops->cluster(replica->config.above, header.cluster))
		memset(header.cluster, 0, sizeof(header.cluster));
	return header;
}

int replica_encode(const struct replica *replica, uint16_t type, uint64_t request,
		   const ProtobufCMessage *body, struct buf *ret_frame)
{
	struct frame_header header = header_of(replica, type);

	header.request = request;
	return frame_encode(&header, body, ret_frame);
}

void replica_send_as(struct replica *replica, uint16_t type, const struct frame_round *round,
		     const ProtobufCMessage *body, struct update *update)
{
	struct frame_header header = header_of(replica, type);
	struct buf frame = { 0 };
	int r;

	if (!round_same(&header.round, round))
		header.epoch = 0;
	header.round = *round;
	r = frame_encode(&header, body, &frame);
	assert(r == 0);
	update_frame(update, &frame);
}

void replica_send(struct replica *replica, uint16_t type, const ProtobufCMessage *body,
		  struct update *update)
{
	replica_send_as(replica, type, &replica->round.id, body, update);
}

/* ---------------------------------------------------------------- frames in */

/* What is asked of a frame before its handler sees it. */
struct handler {
	void (*take)(struct replica *replica, const struct delivery *delivery);
	uint64_t phases;		/* in others it is late or early, and dropped */
	bool in_round;			/* of the present round */
	bool in_epoch;			/* of its epoch, from the daemon start that said HELLO */
};

#define PHASES_IN_EPOCH (SM_BIT(PHASE_SYNC) | SM_BIT(PHASE_STORE) | SM_BIT(PHASE_READY))
#define PHASES_CLOSED (PHASES_IN_EPOCH | SM_BIT(PHASE_WAIT) | SM_BIT(PHASE_OUT))

static const struct handler handlers[] = {
	[FRAME_SYNC_START] = { round_take_start, UINT64_MAX, false, false },
	[FRAME_HELLO] = { round_take_hello, SM_BIT(PHASE_HELLO), true, false },
	[FRAME_CLOSE] = { round_take_close, SM_BIT(PHASE_HELLO), true, false },
	[FRAME_LOG_CHUNK] = { sync_take_log, PHASES_IN_EPOCH, true, true },
	[FRAME_SNAP_CHUNK] = { sync_take_snap, PHASES_IN_EPOCH, true, true },
	[FRAME_READY] = { round_take_ready, PHASES_IN_EPOCH, true, true },
	[FRAME_APPEND] = { commit_take_append, PHASES_IN_EPOCH, true, true },
	[FRAME_ACK] = { commit_take_ack, PHASES_IN_EPOCH, true, true },
	[FRAME_REJOIN] = { round_take_rejoin, PHASES_CLOSED, true, false },
	[FRAME_SUPERSEDED] = { round_take_superseded, UINT64_MAX, false, false },
};

static const struct handler *handler_find(uint16_t type)
{
	if (type >= ARRAY_SIZE(handlers) || !handlers[type].take)
		return NULL;
	return &handlers[type];
}

/* Of another cluster; a node without one speaks to everybody. */
static bool foreign(const struct replica *replica, const struct frame_header *header)
{
	static const uint8_t empty[sizeof(header->cluster)];
	uint8_t own[sizeof(header->cluster)];

	if (!replica->config.ops->cluster(replica->config.above, own) ||
	    memcmp(header->cluster, empty, sizeof(empty)) == 0)
		return false;
	return memcmp(header->cluster, own, sizeof(own)) != 0;
}

/* While this cluster rests for another, nobody is; whoever speaks for this one is of it again. */
static bool may_be_heard(struct replica *replica, const struct event *event)
{
	if (!replica->superseders || event->frame.header->type == FRAME_SUPERSEDED)
		return true;
	replica->superseders &= ~node_bit(event->frame.sender);
	if (!replica->superseders)
		round_progress(replica, event->now_ms);
	return !replica->superseders;
}

static bool of_epoch(const struct replica *replica, const struct delivery *delivery)
{
	const struct round *round = &replica->round;
	uint32_t sender = delivery->sender;

	return delivery->header->epoch == round->epoch && (round->nodes & node_bit(sender)) &&
	       delivery->header->boot_id == round->hello[sender - 1].boot_id;
}

uint64_t replica_boot_id(const struct replica *replica, uint32_t node)
{
	const struct round *round = &replica->round;

	return round->nodes & node_bit(node) ? round->hello[node - 1].boot_id : 0;
}

uint32_t replica_feature_max(const struct replica *replica, uint32_t node)
{
	const struct round *round = &replica->round;

	return round->open && round->nodes & node_bit(node) ? round->hello[node - 1].feature_max
							     : 0;
}

uint64_t replica_disk_id(const struct replica *replica, uint32_t node)
{
	const struct round *round = &replica->round;

	return round->nodes & node_bit(node) ? round->hello[node - 1].disk_id : 0;
}

void replica_frame(struct replica *replica, const struct event *event, struct update *update)
{
	const struct event_frame *frame = &event->frame;
	const struct handler *handler = handler_find(frame->header->type);
	struct delivery delivery = {
		event->now_ms, frame->sender, frame->header, frame->body, update,
	};

	if (!handler || replica->gone)
		return;
	if (frame->sender < 1 || frame->sender > REPLICA_NODE_MAX ||
	    !(replica->members & node_bit(frame->sender)) || frame->header->boot_id == 0) {
		replica->refused++;
		return;
	}
	if (foreign(replica, frame->header)) {
		/* This one names another cluster than the sender's. */
		if (frame->header->type != FRAME_SUPERSEDED)
			replica->foreigners |= node_bit(frame->sender);
		return;
	}
	if (!may_be_heard(replica, event))
		return;
	/* What is left over from an earlier view or round comes often and means nothing. */
	if (!(handler->phases & SM_BIT(replica->round.phase)))
		return;
	if (handler->in_round && !round_same(&frame->header->round, &replica->round.id))
		return;
	if (handler->in_epoch && !of_epoch(replica, &delivery))
		return;
	assert(frame->body->descriptor == frame_body_descriptor(frame->header->type));
	handler->take(replica, &delivery);
}

/* ---------------------------------------------------------------- other events */

void replica_view(struct replica *replica, const struct event *event, struct update *update)
{
	if (!replica->gone)
		round_view(replica, event, update);
}

void replica_persisted(struct replica *replica, const struct event *event, struct update *update)
{
	assert(event->persisted < replica->batch);
	if (event->persisted <= replica->durable)
		return;
	replica->durable = event->persisted;
	if (replica->gone)
		return;
	round_persisted(replica, event->now_ms, update);
	commit_persisted(replica, event->now_ms, update);
}

void replica_tick(struct replica *replica, const struct event *event, struct update *update)
{
	if (replica->gone)
		return;
	round_tick(replica, event->now_ms, update);
	commit_tick(replica, event->now_ms, update);
}

/* ---------------------------------------------------------------- standing */

void replica_say_left_out(const struct replica *replica, uint32_t node, struct buf *text)
{
	if (replica->foreigners & node_bit(node))
		buf_append_str(text, "its clusterd belongs to another cluster; if the node is to "
				     "be part of this one: stop clusterd there, move its "
				     "cluster.db away and start it again, and it joins with an "
				     "empty disk");
	else
		round_say_left_out(&replica->round, node, "there", text);
}

void replica_standing(const struct replica *replica, struct replica_standing *ret_standing)
{
	const struct round *round = &replica->round;
	bool open = round->open && !replica->gone;

	*ret_standing = (struct replica_standing){
		.open = open,
		.ready = open && round->phase == PHASE_READY,
		.epoch = open ? round->epoch : 0,
		.last_index = rlog_last(&replica->log),
		.committed = replica->committed,
		.applied = replica_applied(replica),
		.members = replica->members,
		.ring = replica->ring,
		.epoch_nodes = open ? round->nodes : 0,
		.ready_nodes = open ? round->ready : 0,
		.left_out = (round->able.nodes ? round->heard & ~round->able.nodes : 0) |
			    replica->foreigners,
		.foreign = replica->foreigners,
		.protocol = open ? round->able.protocol : 0,
		.refused = replica->refused,
		.awaited = alone_awaited(replica),
		.entitled = alone_entitled(replica),
		.alone = open && alone_in(round),
	};
	if (ret_standing->ready) {
		ret_standing->leader = nodes_lowest(round->ready & round->electorate.counted[0]);
		return;
	}
	round_why(replica, replica->why, WHY_MAX);
	ret_standing->why_not = replica->why;
}
