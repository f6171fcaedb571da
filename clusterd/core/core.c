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
#include "clusterd/core/core_private.h"
#include "clusterd/core/place.h"
#include "clusterd/core/record.h"
#include "wire/command.h"
#include "wire/message.h"

enum {
	PENDINGS_MAX = 1024,
	NO_EPOCH_MS = 5000,     /* a client waits so long for an epoch to open */
	OUTCOME_MS = 20000,     /* and so long for its command to be applied */
	LONG_CLOSED_MS = 5000,		/* without an open epoch: more than a failure takes */
	REJOIN_GRACE_MS = 15000,	/* then the others have so long to come back, too */
	FREEZE_AGAIN_MS = 1000, /* peers that may not have heard are told again */
	LEAVE_MS = 4000,        /* a clean leave is tried for so long */
};

/* ------------------------------------------------------------------ what is below: replica */

static void check_digest(struct core *core, const Wire__CheckDigest *check)
{
	uint64_t index = state_index(core->state);

	if (check->index + DIGESTS_KEPT <= index || check->index > index ||
	    !core->digests[check->index % DIGESTS_KEPT])
		return;
	if (core->digests[check->index % DIGESTS_KEPT] != check->digest)
		core->doubt = "this node's state differs from the leader's at the same index";
}

static void answer_pending(struct core *core, uint64_t request, const Wire__Verdict *verdict,
			   struct update *update)
{
	struct pending *pending = request ? idmap_remove(&core->pendings, request) : NULL;

	if (!pending)
		return;
	update_answer(update, pending->tag, wire_dup(&verdict->base));
	buf_free(&pending->command);
	free(pending);
}

static void on_apply(void *above, const Wire__Entry *entry, struct update *update)
{
	struct core *core = above;
	Wire__Verdict *verdict;
	Wire__Command *command;
	uint64_t request;

	apply_entry(core->state, entry, update, &verdict, &request);
	command = wire__command__unpack(NULL, entry->command.len, entry->command.data);
	if (command && command->body_case == WIRE__COMMAND__BODY_CHECK)
		check_digest(core, command->check);
	core->digests[entry->index % DIGESTS_KEPT] = state_digest(core->state);
	answer_pending(core, request, verdict, update);
	wire_free(command);
	wire_free(verdict);
}

static size_t on_voters(void *above, uint32_t *ret_voters, size_t max)
{
	struct core *core = above;
	const Wire__Cluster *cluster = state_cluster(core->state);
	size_t n = cluster ? cluster->n_voters : 0;

	if (n > max)
		n = max;
	if (n)
		memcpy(ret_voters, cluster->voters, n * sizeof(*ret_voters));
	return n;
}

static uint64_t on_disk_of(void *above, uint32_t node)
{
	struct core *core = above;
	const Wire__Node *record = state_node(core->state, node);

	return record ? record->disk_id : 0;
}

static void on_position(void *above, uint64_t *ret_index, uint64_t *ret_epoch)
{
	struct core *core = above;

	*ret_index = state_index(core->state);
	*ret_epoch = state_epoch(core->state);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool on_cluster(void *above, uint8_t ret_uuid[16])
{
	struct core *core = above;
	const Wire__Cluster *cluster = state_cluster(core->state);
	size_t n = 0;

	if (!cluster)
		return false;
	for (const char *c = cluster->uuid; c[0] && c[1] && n < 16;) {
		if (*c == '-') {
			c++;
			continue;
		}
		ret_uuid[n++] = (uint8_t)((hex(c[0]) & 15) << 4 | (hex(c[1]) & 15));
		c += 2;
	}
	return n == 16;
}

/* The cursor counts records over all tables, in order. */
static bool on_snap_fill(void *above, Wire__SnapChunk *chunk, uint64_t *cursor, size_t room)
{
	struct core *core = above;
	uint64_t skip = *cursor;

	chunk->index = state_index(core->state);
	chunk->epoch = state_epoch(core->state);
	chunk->digest = state_digest(core->state);
	for (uint32_t table = 1; state_table_descriptor(table); table++) {
		size_t count = state_count(core->state, table);

		for (size_t i = skip < count ? skip : count; i < count; i++) {
			uint64_t id;
			const struct buf *packed = state_packed(core->state, table, i, &id);
			Wire__Record *record;

			if (packed->len + 32 > room)
				return true;
			room -= packed->len + 32;
			record = wire_new(&wire__record__descriptor);
			record->table = (Wire__Table)table;
			record->id = id;
			record->body.data = mem_dup(packed->data, packed->len);
			record->body.len = packed->len;
			chunk->records = mem_resize(chunk->records, chunk->n_records + 1,
						    sizeof(*chunk->records));
			chunk->records[chunk->n_records++] = record;
			++*cursor;
		}
		skip = skip < count ? 0 : skip - count;
	}
	return false;
}

static void on_snap_begin(void *above)
{
	struct core *core = above;

	state_free(core->incoming);
	core->incoming = state_new();
}

static int on_snap_chunk(void *above, const Wire__SnapChunk *chunk)
{
	struct core *core = above;
	int r = 0;

	if (!core->incoming)
		return -EBADMSG;
	for (size_t i = 0; i < chunk->n_records && r == 0; i++)
		r = state_load(core->incoming, chunk->records[i]->table, chunk->records[i]->id,
			       chunk->records[i]->body.data, chunk->records[i]->body.len);
	return r;
}

/* Puts the whole new state into the batch that wipes the old one. */
static void persist_all(const struct state *state, struct update *update)
{
	for (uint32_t table = 1; state_table_descriptor(table); table++)
		for (size_t i = 0; i < state_count(state, table); i++) {
			struct persist *persist = update_persist(update, PERSIST_PUT);
			const struct buf *packed = state_packed(state, table, i, &persist->id);

			persist->table = table;
			buf_append(&persist->data, packed->data, packed->len);
		}
}

static int on_snap_end(void *above, uint64_t index, uint64_t epoch, uint64_t digest,
		       struct update *update)
{
	struct core *core = above;
	struct persist *applied;

	if (!core->incoming || state_digest(core->incoming) != digest) {
		state_free(steal_ptr(core->incoming));
		return -EBADMSG;
	}
	state_free(core->state);
	core->state = steal_ptr(core->incoming);
	state_set_position(core->state, index, epoch);
	memset(core->digests, 0, sizeof(core->digests));
	core->digests[index % DIGESTS_KEPT] = digest;
	persist_all(core->state, update);
	applied = update_persist(update, PERSIST_APPLIED);
	applied->value = applied->index = index;
	applied->epoch = epoch;
	return 0;
}

static const struct replica_ops replica_ops = {
	.apply = on_apply,
	.voters = on_voters,
	.disk_of = on_disk_of,
	.position = on_position,
	.cluster = on_cluster,
	.snap_fill = on_snap_fill,
	.snap_begin = on_snap_begin,
	.snap_chunk = on_snap_chunk,
	.snap_end = on_snap_end,
};

/* ------------------------------------------------------------------ life */

struct core *core_new(const struct core_config *config)
{
	struct core *core = mem_new(struct core);
	struct replica_config replica = {
		.node = config->node,
		.boot_id = config->boot_id,
		.disk_id = config->disk_id,
		.ops = &replica_ops,
		.above = core,
	};

	assert(config->node && config->boot_id && config->disk_id);
	core->node = config->node;
	core->boot_id = config->boot_id;
	core->disk_id = config->disk_id;
	core->memory_mib = config->memory_mib;
	core->random = config->random;
	core->kernel_boot_id = mem_strdup(config->kernel_boot_id);
	core->next_ask = 1;
	core->state = state_new();
	core->replica = replica_new(&replica);
	core->duties = duties_new();
	core->conductor = conductor_new();
	return core;
}

static void pending_free(void *value)
{
	struct pending *pending = value;

	buf_free(&pending->command);
	free(pending);
}

void core_free(struct core *core)
{
	if (!core)
		return;
	idmap_free(&core->pendings, pending_free);
	idmap_free(&core->progress, wire_free);
	conductor_free(core->conductor);
	duties_free(core->duties);
	replica_free(core->replica);
	state_free(core->incoming);
	state_free(core->state);
	free(core->kernel_boot_id);
	free(core);
}

void core_load_promise(struct core *core, uint64_t promised)
{
	replica_load_promise(core->replica, promised);
}

void core_load_applied(struct core *core, uint64_t index, uint64_t epoch)
{
	state_set_position(core->state, index, epoch);
}

int core_load_record(struct core *core, uint32_t table, uint64_t id, const void *data, size_t size)
{
	return state_load(core->state, table, id, data, size);
}

int core_load_entry(struct core *core, uint64_t index, uint64_t epoch, const void *data,
		    size_t size)
{
	return replica_load_entry(core->replica, index, epoch, data, size);
}

int core_load_done(struct core *core)
{
	core->digests[state_index(core->state) % DIGESTS_KEPT] = state_digest(core->state);
	return replica_load_done(core->replica);
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

/* ------------------------------------------------------------------ for the other files */

void core_propose(struct core *core, Wire__Command *command, struct update *update)
{
	_cleanup_(buf_free) struct buf packed = { 0 };

	command->time_ms = core->wall_ms;
	command->node = core->node;
	command->boot_id = core->boot_id;
	if (!command->who || !*command->who)
		command->who = (char *)"clusterd";
	if (wire_command_pack(command, &packed, NULL) == 0)
		replica_propose(core->replica, &packed, 0, update);
}

struct ask *core_ask(struct core *core, enum agent_kind agent, uint32_t deadline_ms,
		     struct update *update)
{
	struct ask *ask = update_ask(update, agent);

	ask->id = core->next_ask++;
	ask->deadline_ms = deadline_ms;
	return ask;
}

const Wire__Node *core_self(const struct core *core)
{
	const Wire__Node *self = state_node(core->state, core->node);

	if (!self || self->boot_id != core->boot_id || self->state != WIRE__NODE__STATE__UP)
		return NULL;
	return self;
}

bool core_in_ring(const struct core *core, uint32_t node)
{
	return (core->standing.ring & vmop_bit(node)) != 0;
}

bool core_is_ready(const struct core *core, uint32_t node)
{
	return (core->standing.ready_nodes & vmop_bit(node)) != 0;
}

/* ------------------------------------------------------------------ clients */

static void refuse(uint64_t tag, Wire__Verdict__Code code, const char *text, struct update *update)
{
	Wire__Verdict *verdict = wire_new(&wire__verdict__descriptor);

	verdict->code = code;
	record_text(&verdict->text, text);
	update_answer(update, tag, verdict);
}

/* Where a saved guest's memory goes: the declared volume under its first disk, else the first. */
static const Wire__Volume *volume_for_image(const struct state *state, const Wire__Vm *vm)
{
	size_t n = state_count(state, WIRE__TABLE__TABLE_VOLUME);

	for (size_t i = 0; i < n; i++) {
		const Wire__Volume *volume = state_at(state, WIRE__TABLE__TABLE_VOLUME, i);
		size_t len = strlen(volume->target);

		for (size_t d = 0; vm->essence && d < vm->essence->n_disks; d++)
			if (strncmp(vm->essence->disks[d]->source, volume->target, len) == 0 &&
			    vm->essence->disks[d]->source[len] == '/')
				return volume;
	}
	return n ? state_at(state, WIRE__TABLE__TABLE_VOLUME, 0) : NULL;
}

static Wire__Verdict__Code prepare_move(struct core *core, const Wire__Vm *vm, Wire__VmMove *move,
					char *why, size_t size)
{
	const Wire__Volume *volume = volume_for_image(core->state, vm);
	uint64_t ready = core->standing.ready_nodes;

	if (vm->phase != WIRE__VM__PHASE__RUN || move->to == vm->owner)
		return WIRE__VERDICT__CODE__OK; /* apply has the sentence for it */
	if (!move->to) {
		move->to = place_one(core->state, ready, vm, vmop_bit(vm->owner), why, size);
		if (!move->to)
			return WIRE__VERDICT__CODE__NO_CAPACITY;
	} else if (!place_fits(core->state, ready, vm, move->to, why, size)) {
		return WIRE__VERDICT__CODE__NO_CAPACITY;
	}
	if (move->how != WIRE__VM_MOVE__HOW__QUICK)
		return WIRE__VERDICT__CODE__OK;
	if (!volume) {
		snprintf(why, size,
			 "there is no volume to save %s on: clusterctl volume add NAME "
			 "dir:PATH --declared-shared",
			 vm->name);
		return WIRE__VERDICT__CODE__WRONG_STATE;
	}
	free(move->image && *move->image ? move->image : NULL);
	move->image = mem_printf("%s/.clusterd/state/%s.%llu.sav", volume->target, vm->uuid,
				 (unsigned long long)vm->generation + 1);
	return WIRE__VERDICT__CODE__OK;
}

static Wire__Verdict__Code prepare_start(struct core *core, const Wire__Vm *vm, char *why,
					 size_t size)
{
	if (vm->phase != WIRE__VM__PHASE__OFF || vm->n_maybe || vm->unmanaged)
		return WIRE__VERDICT__CODE__OK;
	return place_one(core->state, core->standing.ready_nodes, vm, 0, why, size)
		       ? WIRE__VERDICT__CODE__OK
		       : WIRE__VERDICT__CODE__NO_CAPACITY;
}

/* What only the proposer can judge or fill in. Refuses before anything is changed. */
static Wire__Verdict__Code prepare(struct core *core, Wire__Command *command, char *why,
				   size_t size)
{
	const Wire__Vm *vm;

	switch (command->body_case) {
	case WIRE__COMMAND__BODY_VM_MOVE:
		vm = state_vm_named(core->state, command->vm_move->name);
		return vm ? prepare_move(core, vm, command->vm_move, why, size)
			  : WIRE__VERDICT__CODE__OK;
	case WIRE__COMMAND__BODY_VM_WANT:
		vm = state_vm_named(core->state, command->vm_want->name);
		if (!vm || command->vm_want->wanted != WIRE__VM__WANTED__RUNNING ||
		    command->vm_want->action != WIRE__VM__ACTION__NO_ACTION)
			return WIRE__VERDICT__CODE__OK;
		return prepare_start(core, vm, why, size);
	default:
		return WIRE__VERDICT__CODE__OK;
	}
}

static void propose_pending(struct core *core, struct pending *pending, struct update *update)
{
	if (pending->epoch == core->standing.epoch)
		return;
	if (replica_propose(core->replica, &pending->command, pending->request, update) == 0)
		pending->epoch = core->standing.epoch;
}

static void on_client(struct core *core, const struct event_client *client, struct update *update)
{
	Wire__Command *command;
	struct pending *pending;
	const char *field = NULL;
	char why[700] = "";
	Wire__Verdict__Code code;

	if (idmap_count(&core->pendings) >= PENDINGS_MAX || client->command->request == 0 ||
	    idmap_get(&core->pendings, client->command->request)) {
		refuse(client->tag, WIRE__VERDICT__CODE__BUSY,
		       "too many requests at once, or the same one twice: try again", update);
		return;
	}
	command = wire_dup(&client->command->base);
	command->node = core->node;
	command->boot_id = core->boot_id;
	code = core->standing.open ? prepare(core, command, why, sizeof(why))
				   : WIRE__VERDICT__CODE__OK;
	if (code != WIRE__VERDICT__CODE__OK) {
		refuse(client->tag, code, why, update);
		wire_free(command);
		return;
	}
	pending = mem_new(struct pending);
	pending->request = command->request;
	pending->tag = client->tag;
	pending->since_ms = core->now_ms;
	if (wire_command_pack(command, &pending->command, &field) < 0) {
		snprintf(why, sizeof(why), "the request is beyond a limit%s%s", field ? ": " : "",
			 field ? field : "");
		refuse(client->tag, WIRE__VERDICT__CODE__LIMIT, why, update);
		pending_free(pending);
	} else {
		idmap_put(&core->pendings, pending->request, pending);
	}
	wire_free(command);
}

static void give_up(struct core *core, size_t position, struct update *update)
{
	struct pending *pending = idmap_at(&core->pendings, position, NULL);
	char text[600];

	if (pending->epoch)
		snprintf(text, sizeof(text),
			 "the outcome is not known: the request was sent, and may "
			 "still be carried out; look again before you repeat it");
	else
		snprintf(text, sizeof(text), "nothing was changed: %s",
			 core->standing.why_not ? core->standing.why_not
						: "the cluster has no quorum");
	refuse(pending->tag,
	       pending->epoch ? WIRE__VERDICT__CODE__UNKNOWN_OUTCOME
			      : WIRE__VERDICT__CODE__NO_QUORUM,
	       text, update);
	idmap_remove(&core->pendings, pending->request);
	pending_free(pending);
}

static void run_pendings(struct core *core, struct update *update)
{
	for (size_t i = idmap_count(&core->pendings); i-- > 0;) {
		struct pending *pending = idmap_at(&core->pendings, i, NULL);
		uint64_t limit_ms = pending->epoch ? OUTCOME_MS : NO_EPOCH_MS;

		if (core->standing.open)
			propose_pending(core, pending, update);
		if (core->now_ms >= pending->since_ms + limit_ms)
			give_up(core, i, update);
		else
			update_wake(update, pending->since_ms + limit_ms);
	}
}

/* ------------------------------------------------------------------ progress */

/* Goes to everybody, is kept by nobody: it only feeds what people look at. */
static void send_progress(struct core *core, const Wire__AgentNews *news, struct update *update)
{
	struct frame_header header = { .protocol = FRAME_PROTOCOL,
				       .type = FRAME_PROGRESS,
				       .epoch = core->standing.epoch,
				       .boot_id = core->boot_id };
	struct buf frame = { 0 };

	if (news->body_case != WIRE__AGENT_NEWS__BODY_PROGRESS || !core->standing.open ||
	    !on_cluster(core, header.cluster))
		return;
	if (frame_encode(&header, &news->progress->base, &frame) == 0)
		update_frame(update, &frame);
	else
		buf_free(&frame);
}

static void hear_progress(struct core *core, const Wire__Progress *progress)
{
	const Wire__Vm *vm = progress->domain ? state_vm(core->state, progress->domain->vm) : NULL;

	if (vm)
		wire_free(idmap_put(&core->progress, vm->id, wire_dup(&progress->base)));
}

const Wire__Progress *core_progress(const struct core *core, uint64_t vm)
{
	const Wire__Vm *record = state_vm(core->state, vm);

	/* What was heard of an earlier move says nothing about now. */
	if (!record || !vmop_moving((enum vmop_phase)record->phase))
		return NULL;
	return idmap_get(&core->progress, vm);
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
	freeze.freeze_ms = state_setting_number(core->state, "node.freeze_s") * 1000;
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
			hear_progress(core, (const Wire__Progress *)event->frame.body);
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
		duties_reply(core, event->reply.ask, event->reply.reply);
		break;
	case EVENT_CLIENT:
		on_client(core, &event->client, update);
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
				 state_setting_number(core->state, "node.join_grace_s") * 1000;
	else if (core->closed_ms && core->now_ms >= core->closed_ms + LONG_CLOSED_MS) {
		core->grace_ms = core->now_ms + REJOIN_GRACE_MS;
		core->seen_ring = 0;
	}
	core->closed_ms = 0;
	core->seen_ring |= core->standing.ring;
}

void core_step(struct core *core, const struct event *event, struct update *update)
{
	uint64_t epoch = core->standing.open ? core->standing.epoch : 0;

	core->now_ms = event->now_ms;
	core->wall_ms = event->wall_ms;
	on_event(core, event, update);
	replica_tick(core->replica, event, update);
	replica_standing(core->replica, &core->standing);
	if (core->standing.open && core->standing.epoch != epoch)
		update->opened = true;
	note_epoch(core);
	run_pendings(core, update);
	run_leave(core, update);
	if (!core->leave_ms) {
		conductor_run(core, update);
		duties_run(core, update);
	}
	if (core->doubt && update->leave == LEAVE_NO) {
		update->leave = LEAVE_RESYNC;
		update->leave_why = core->doubt;
	}
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
		.leader = standing->leader,
		.why_not = standing->why_not,
		.members = standing->members,
		.ring = standing->ring,
		.ready = standing->ready_nodes,
		.agent_ok = duties_agent_ok(core),
	};
}

int core_may_run(const struct core *core, const char *uuid, enum core_right right, char *ret_why,
		 size_t size)
{
	return duties_may_run(core, uuid, right, ret_why, size);
}
