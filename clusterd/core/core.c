/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/core.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "clusterd/core/conduct.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/record.h"
#include "clusterd/core/sound.h"
#include "wire/command.h"
#include "wire/message.h"

enum {
	LONG_CLOSED_MS = 5000,		/* without an open epoch: more than a failure takes */
	REJOIN_GRACE_MS = 15000,	/* then the others have so long to come back, too */
	FREEZE_AGAIN_MS = 1000, /* peers that may not have heard are told again */
	LEAVE_MS = 4000,        /* a clean leave is tried for so long */
};

/* ------------------------------------------------------------------ life */

/* 0: not known. */
static uint64_t machine_boot(const char *kernel_boot_id)
{
	return kernel_boot_id && *kernel_boot_id
		       ? digest_bytes(kernel_boot_id, strlen(kernel_boot_id)) : 0;
}

struct core *core_new(const struct core_config *config)
{
	struct core *core = mem_new(struct core);
	struct replica_config replica = {
		.node = config->node,
		.boot_id = config->boot_id,
		.disk_id = config->disk_id,
		.machine_boot = machine_boot(config->kernel_boot_id),
		.feature_max = feature_table.max,
		.version = config->version,
		.ops = &machine_ops,
		.above = core,
	};

	assert(config->node && config->boot_id && config->disk_id);
	core->node = config->node;
	core->boot_id = config->boot_id;
	core->disk_id = config->disk_id;
	core->memory_mib = config->memory_mib;
	core->random = config->random;
	core->eager = config->eager;
	core->kernel_boot_id = mem_strdup(config->kernel_boot_id);
	core->next_ask = 1;
	core->state = state_new();
	core->replica = replica_new(&replica);
	core->duties = duties_new();
	core->conductor = conductor_new();
	agenda_init(&core->agenda);
	return core;
}

void core_free(struct core *core)
{
	if (!core)
		return;
	clients_free(core);
	agenda_free(&core->agenda);
	behind_free(&core->behind);
	solo_free(&core->solo);
	idmap_free(&core->progress, wire_free);
	conductor_free(core->conductor);
	duties_free(core->duties);
	replica_free(core->replica);
	state_clear_away(&core->pile, SIZE_MAX);
	state_free(core->state);
	free(core->kernel_boot_id);
	free(core);
}

void core_load_promise(struct core *core, uint64_t promised)
{
	replica_load_promise(core->replica, promised);
}

void core_load_alone(struct core *core, uint64_t epoch, uint64_t voters)
{
	replica_load_alone(core->replica, epoch, voters);
}

void core_load_together(struct core *core, uint64_t boot, uint64_t voters)
{
	replica_load_together(core->replica, boot, voters);
}

void core_load_applied(struct core *core, uint64_t index, uint64_t epoch)
{
	state_set_position(core->state, index, epoch);
}

int core_load_record(struct core *core, uint32_t table, uint64_t id, const void *data, size_t size)
{
	int r = state_load(core->state, table, id, data, size);

	core->unread |= r < 0;
	return r;
}

int core_load_entry(struct core *core, uint64_t index, uint64_t epoch, const void *data,
		    size_t size)
{
	return replica_load_entry(core->replica, index, epoch, data, size);
}

int core_load_done(struct core *core)
{
	int r = replica_load_done(core->replica);

	if (r == 0 && (core->unread || state_unsound(core->state)))
		r = feature_level(core->state) > feature_table.max ? -EPROTO : -EBADMSG;
	if (r == 0)
		census_load_done(core);
	behind_stand(&core->behind, state_index(core->state));
	return r;
}

int core_genesis(const Wire__Command *genesis, struct update *update)
{
	struct state *state;
	struct persist *persist;
	Wire__Verdict *verdict;
	Wire__Entry entry = WIRE__ENTRY__INIT;
	_cleanup_(buf_free) struct buf packed = { 0 };
	uint64_t request;
	int r = 0;

	if (genesis->body_case != WIRE__COMMAND__BODY_GENESIS ||
	    wire_command_pack(genesis, &packed, NULL) < 0)
		return -EINVAL;
	update_persist(update, PERSIST_PROMISE)->value = 1;
	persist = update_persist(update, PERSIST_APPEND);
	persist->index = persist->epoch = 1;
	buf_append(&persist->data, packed.data, packed.len);
	entry.index = entry.epoch = 1;
	entry.command.data = packed.data;
	entry.command.len = packed.len;
	state = state_new();
	apply_entry(state, &entry, update, &verdict, &request);
	if (verdict->code != WIRE__VERDICT__CODE__OK)
		r = -EINVAL;
	wire_free(verdict);
	state_free(state);
	return r;
}

/* ------------------------------------------------------------------ progress */

/* Goes to everybody, is kept by nobody: it only feeds what people look at. */
static void send_progress(struct core *core, const Wire__AgentNews *news, struct update *update)
{
	struct frame_header header = { .protocol = core->standing.protocol,
				       .type = FRAME_PROGRESS,
				       .epoch = core->standing.epoch,
				       .boot_id = core->boot_id };
	struct buf frame = { 0 };

	if (news->body_case != WIRE__AGENT_NEWS__BODY_PROGRESS || !core->standing.open ||
	    !machine_cluster(core, header.cluster))
		return;
	if (frame_encode(&header, &news->progress->base, &frame) == 0)
		update_frame(update, &frame);
	else
		buf_free(&frame);
}

/* From a member of this cluster alone: whoever is on the network may send frames. */
static void hear_progress(struct core *core, const struct event_frame *frame)
{
	const Wire__Progress *progress = (const Wire__Progress *)frame->body;
	const Wire__Vm *vm = progress->domain ? state_vm(core->state, progress->domain->vm) : NULL;
	uint8_t cluster[16];

	if (!(core->standing.members & vmop_bit(frame->sender)) ||
	    !machine_cluster(core, cluster) ||
	    memcmp(frame->header->cluster, cluster, sizeof(cluster)) != 0)
		return;
	if (vm)
		wire_free(idmap_put(&core->progress, vm->id, wire_dup(&progress->base)));
}

const Wire__Progress *core_progress(const struct core *core, uint64_t vm)
{
	const Wire__Vm *record = state_vm(core->state, vm);
	const Wire__Progress *progress = idmap_get(&core->progress, vm);

	/* What was heard of an earlier move says nothing about this one. */
	if (!record || !vmop_moving((enum vmop_phase)record->phase) || !progress ||
	    progress->domain->generation != record->generation)
		return NULL;
	return progress;
}

/* ------------------------------------------------------------------ leaving */

/* Peers must not take a stop for a death: they are told first, for a bounded time. */
static void run_leave(struct core *core, struct update *update)
{
	const Wire__Node *self = state_node(core->state, core->node);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeFreeze freeze = WIRE__NODE_FREEZE__INIT;
	bool told =
		self && self->state == WIRE__NODE__STATE__LEFT && self->boot_id == core->boot_id;

	if (!core->leave_ms)
		return;
	if (told || core->left || core->now_ms >= core->leave_ms + LEAVE_MS || !self) {
		core->left = true;
		update->leave = LEAVE_CLEAN;
		update->leave_why = told ? "left cleanly" : "left without being heard";
		return;
	}
	update_wake(update, core->leave_ms + LEAVE_MS);
	if (!core->standing.open)
		return;
	if (core->freeze_epoch == core->standing.epoch &&
	    core->now_ms < core->freeze_ms + FREEZE_AGAIN_MS) {
		update_wake(update, core->freeze_ms + FREEZE_AGAIN_MS);
		return;
	}
	core->freeze_epoch = core->standing.epoch;
	core->freeze_ms = core->now_ms;
	freeze.freeze_ms = state_setting_number(core->state, SET_NODE_FREEZE_S) * 1000;
	command.body_case = WIRE__COMMAND__BODY_NODE_FREEZE;
	command.node_freeze = &freeze;
	core_propose(core, &command, update);
}

/* ------------------------------------------------------------------ step */

static void on_event(struct core *core, const struct event *event, struct update *update)
{
	switch (event->kind) {
	case EVENT_TICK:
		break;
	case EVENT_VIEW:
		replica_view(core->replica, event, update);
		break;
	case EVENT_FRAME:
		if (event->frame.header->type == FRAME_PROGRESS)
			hear_progress(core, &event->frame);
		else
			replica_frame(core->replica, event, update);
		break;
	case EVENT_PERSISTED:
		replica_persisted(core->replica, event, update);
		break;
	case EVENT_AGENT_UP:
		duties_agent_up(core);
		break;
	case EVENT_AGENT_DOWN:
		duties_agent_down(core);
		break;
	case EVENT_AGENT_NEWS:
		duties_news(core, event->news, update);
		send_progress(core, event->news, update);
		break;
	case EVENT_AGENT_REPLY:
		if (!solo_reply(core, event->reply.ask, event->reply.reply))
			duties_reply(core, event->reply.ask, event->reply.reply);
		break;
	case EVENT_CLIENT:
		clients_take(core, &event->client, update);
		break;
	case EVENT_LEAVE:
		if (!core->leave_ms)
			core->leave_ms = core->now_ms ? core->now_ms : 1;
		break;
	}
}

/*
 * A cluster that comes together, after a cold start or a long partition, does so one by one.
 * Nodes that are not here yet get time; of an ordinary failure, with an epoch that closes for
 * a moment, none is lost.
 */
static void note_epoch(struct core *core)
{
	bool first = core->grace_ms == 0;

	if (!core->standing.open) {
		if (!core->closed_ms)
			core->closed_ms = core->now_ms;
		return;
	}
	if (first)
		core->grace_ms = core->now_ms +
				 state_setting_number(core->state, SET_NODE_JOIN_GRACE_S) * 1000;
	else if (core->closed_ms && core->now_ms >= core->closed_ms + LONG_CLOSED_MS) {
		core->grace_ms = core->now_ms + REJOIN_GRACE_MS;
		core->seen_ring = 0;
	}
	core->closed_ms = 0;
	core->seen_ring |= core->standing.ring;
}

static bool stands_the_same(const struct replica_standing *a, const struct replica_standing *b)
{
	return a->open == b->open && a->ready == b->ready && a->epoch == b->epoch &&
	       a->leader == b->leader && a->members == b->members && a->ring == b->ring &&
	       a->epoch_nodes == b->epoch_nodes && a->ready_nodes == b->ready_nodes &&
	       a->left_out == b->left_out && a->alone == b->alone;
}

/* What the event has changed goes on the agenda. */
static void note_changes(struct core *core, const struct replica_standing *was)
{
	struct state_changes changes = state_take_changes(core->state);
	uint64_t topics = changes.tables;

	for (size_t i = 0; i < changes.vms_n; i++)
		agenda_hear_record(&core->agenda, changes.vms[i]);
	if (was->applied != core->standing.applied)
		topics |= TOPIC_APPLIED;
	if (!stands_the_same(was, &core->standing))
		topics |= TOPIC_STANDING;
	agenda_hear(&core->agenda, topics);
}

/* A node that was removed, or was never added, holds the log and does nothing else. */
static void note_outside(struct core *core)
{
	const Wire__Cluster *cluster = state_cluster(core->state);
	const Wire__NodeGone *gone;

	core->outside[0] = '\0';
	if (!cluster || state_node(core->state, core->node))
		return;
	gone = state_node_gone(core->state, core->node, core->disk_id);
	if (gone)
		snprintf(core->outside, sizeof(core->outside),
			 "this node was removed from the cluster by %s, as %s: it does nothing. To "
			 "use it again, stop clusterd here, move its store away, and add the node "
			 "with clusterctl node add on another one", gone->who, gone->name);
	else
		snprintf(core->outside, sizeof(core->outside),
			 "this node is none of the cluster's: it does nothing. Add it with "
			 "clusterctl node add NAME --id %u --address IP on another one",
			 (unsigned)core->node);
}

void core_step(struct core *core, const struct event *event, struct update *update)
{
	struct replica_standing was = core->standing;

	core->now_ms = event->now_ms;
	core->wall_ms = event->wall_ms;
	on_event(core, event, update);
	replica_tick(core->replica, event, update);
	replica_standing(core->replica, &core->standing);
	if (core->standing.open && (!was.open || core->standing.epoch != was.epoch))
		update->opened = true;
	note_epoch(core);
	note_changes(core, &was);
	note_outside(core);
	census_run(core, update);
	clients_run(core, update);
	run_leave(core, update);
	solo_run(core, update);
	/* What follows from a state that may be wrong may be wrong. */
	if (!core->leave_ms && update->leave == LEAVE_NO && census_trusted(core)) {
		conductor_run(core, update);
		duties_run(core, update);
	} else {
		conductor_rest(core);
		duties_rest(core, update);
	}
	machine_clear_away(core, update);
	behind_run(&core->behind, state_index(core->state), core->now_ms,
		   core->leave_ms || update->leave != LEAVE_NO, update);
	replica_finish(core->replica, update);
}

const struct state *core_state(const struct core *core)
{
	return core->state;
}

void core_standing(const struct core *core, struct core_standing *ret_standing)
{
	const struct replica_standing *standing = &core->standing;

	*ret_standing = (struct core_standing){
		.open = standing->open && standing->ready,
		.epoch = standing->epoch,
		.index = standing->applied,
		.committed = standing->committed,
		.clock_ms = elapsed_now(core->state, core->node, core->boot_id, core->now_ms),
		.leader = standing->leader,
		.why_not = core->solo.why[0] ? core->solo.why : standing->why_not,
		.members = standing->members,
		.ring = standing->ring,
		.ready = standing->ready_nodes,
		.left_out = standing->left_out,
		.alone = standing->open && standing->alone,
		.agent_ok = duties_agent_ok(core),
		.disputed = core->census.disputed ? CENSUS_DISPUTED : NULL,
		.outside = core->outside[0] ? core->outside : NULL,
	};
}

struct look_sight core_sight(const struct core *core)
{
	return conduct_sight(core);
}

bool core_in_step(const struct core *core, char *ret_why, size_t size)
{
	const struct replica_standing *standing = &core->standing;
	const Wire__Node *self = core_self(core);
	const char *why = NULL;

	if (!standing->open || !standing->ready)
		why = standing->why_not ? standing->why_not : "no epoch is open";
	else if (state_epoch(core->state) != standing->epoch)
		why = "it is catching up with the others";
	else if (!census_trusted(core))
		why = core->census.disputed ? "the nodes' copies of the cluster's state differ"
					    : "its copy of the cluster's state was not compared "
					      "with those of the others yet";
	else if (!self)
		why = core->outside[0] ? core->outside : "it has not reported yet";
	else if (self->witness)
		why = "it is a witness, and nobody looks for guests there";
	snprintf(ret_why, size, "%s", why ? why : "");
	return why == NULL;
}

int core_may_run(const struct core *core, const char *uuid, enum core_right right, char *ret_why,
		 size_t size)
{
	return duties_may_run(core, uuid, right, ret_why, size);
}
