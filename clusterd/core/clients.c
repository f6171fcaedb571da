/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/leftover.h"
#include "clusterd/core/place.h"
#include "clusterd/core/record.h"
#include "wire/command.h"
#include "wire/message.h"

/*
 * What administrators ask of this node: judged as far as only this node can, then proposed, in
 * every epoch anew, until it was applied; and answered with the verdict.
 */

enum {
	PENDINGS_MAX = 1024,
	NO_EPOCH_MS = 5000,		/* a client waits so long for an epoch to open */
	OUTCOME_MS = 20000,		/* and so long for its command to be applied */
	BARRIER_MS = 1500,		/* libvirt's hook waits for 2 s (agents/qemu_hook.c) */
};

static void pending_free(void *value)
{
	struct pending *pending = value;

	buf_free(&pending->command);
	free(pending);
}

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

/* Whether the node that has the VM can move it at all. */
static bool can_send(struct core *core, const Wire__Vm *vm, char *why, size_t size)
{
	const Wire__Node *owner = state_node(core->state, vm->owner);

	if (!owner || !core_is_ready(core, vm->owner))
		snprintf(why, size,
			 "%s cannot be moved now: the clusterd of %s, where it is, does not "
			 "answer; bring it back",
			 vm->name, node_name(core->state, vm->owner));
	else if (!owner->facts || !owner->facts->agent_ok)
		snprintf(why, size,
			 "%s cannot be moved now: %s, where it is, has no working libvirt: %s",
			 vm->name, owner->name,
			 owner->facts ? owner->facts->agent_reason : "not heard of yet");
	else
		return true;
	return false;
}

static Wire__Verdict__Code prepare_move(struct core *core, const Wire__Vm *vm, Wire__VmMove *move,
					char *why, size_t size)
{
	const Wire__Volume *volume = volume_for_image(core->state, vm);
	uint64_t ready = core->standing.ready_nodes;

	if (vm->phase != WIRE__VM__PHASE__RUN || move->to == vm->owner)
		return WIRE__VERDICT__CODE__OK; /* apply has the sentence for it */
	if (!can_send(core, vm, why, size))
		return WIRE__VERDICT__CODE__NOT_READY;
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
	move->image = leftover_path(volume, vm->uuid);
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

/* An older daemon that has just come back has not told so by commit yet: only that is seen here. */
static Wire__Verdict__Code prepare_raise(struct core *core, const Wire__FeatureRaise *raise,
					 char *why, size_t size)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(core->state, WIRE__TABLE__TABLE_NODE, i);
		uint32_t known = replica_feature_max(core->replica, (uint32_t)node->id);

		if (known == 0 || known >= raise->level || feature_known_by(node) < raise->level)
			continue;
		snprintf(why, size, "%s knows %u: install a newer clusterd there", node->name,
			 known);
		return WIRE__VERDICT__CODE__NOT_READY;
	}
	return WIRE__VERDICT__CODE__OK;
}

/* What cannot be said at the cluster's feature level. */
static bool is_above(const struct core *core, const Wire__Command *command, char *why, size_t size)
{
	uint32_t needed = feature_needed(&command->base), level = feature_level(core->state);

	if (needed <= level)
		return false;
	if (needed == UINT32_MAX)
		snprintf(why, size, "this clusterd does not know all of what is asked for");
	else
		snprintf(why, size, "this needs feature level %u, and the cluster is at %u: when "
			 "all nodes know it, clusterctl cluster upgrade raises it", needed, level);
	return true;
}

/* Refuses before anything is changed. */
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
	case WIRE__COMMAND__BODY_FEATURE_RAISE:
		return prepare_raise(core, command->feature_raise, why, size);
	default:
		return WIRE__VERDICT__CODE__OK;
	}
}

void clients_answer(struct core *core, uint64_t request, const Wire__Verdict *verdict,
			   struct update *update)
{
	struct pending *pending = request ? idmap_remove(&core->pendings, request) : NULL;

	if (!pending)
		return;
	update_answer(update, pending->tag, wire_dup(&verdict->base));
	buf_free(&pending->command);
	free(pending);
}

static void propose_pending(struct core *core, struct pending *pending, struct update *update)
{
	if (pending->epoch == core->standing.epoch)
		return;
	if (replica_propose(core->replica, &pending->command, pending->request, update) == 0)
		pending->epoch = core->standing.epoch;
}

static void refuse_large(uint64_t tag, const char *field, struct update *update)
{
	char why[300];

	snprintf(why, sizeof(why), "the request is beyond a limit%s%s", field ? ": " : "",
		 field ? field : "");
	refuse(tag, WIRE__VERDICT__CODE__LIMIT, why, update);
}

/*
 * What only the proposer can judge or fill in, when that is known: in an open epoch. False: it
 * was answered, and is to be forgotten. What was carried out already is not judged by what has
 * become of it.
 */
static bool prepare_pending(struct core *core, struct pending *pending, struct update *update)
{
	const Wire__Request *done =
		state_get(core->state, WIRE__TABLE__TABLE_REQUEST, pending->request);
	Wire__Verdict__Code code = WIRE__VERDICT__CODE__WRONG_STATE;
	const char *field = NULL;
	Wire__Command *command;
	char why[700] = "";
	int r = 0;

	if (done && done->verdict) {
		update_answer(update, pending->tag, wire_dup(&done->verdict->base));
		return false;
	}
	command = wire_parse(&wire__command__descriptor, pending->command.data,
			     pending->command.len);
	if (core->census.disputed)
		snprintf(why, sizeof(why), "nothing was changed: %s", CENSUS_DISPUTED);
	else if (core->outside[0])
		snprintf(why, sizeof(why), "nothing was changed: %s", core->outside);
	else if (!is_above(core, command, why, sizeof(why)))
		code = prepare(core, command, why, sizeof(why));

	pending->prepared = true;
	buf_reset(&pending->command);
	if (code != WIRE__VERDICT__CODE__OK)
		refuse(pending->tag, code, why, update);
	else
		r = wire_command_pack(command, &pending->command, &field);
	if (r < 0)
		refuse_large(pending->tag, field, update);
	wire_free(command);
	return code == WIRE__VERDICT__CODE__OK && r == 0;
}

void clients_take(struct core *core, const struct event_client *client, struct update *update)
{
	Wire__Command *command;
	struct pending *pending;
	const char *field = NULL;

	if (idmap_count(&core->pendings) >= PENDINGS_MAX || client->command->request == 0 ||
	    idmap_get(&core->pendings, client->command->request)) {
		refuse(client->tag, WIRE__VERDICT__CODE__BUSY,
		       "too many requests at once, or the same one twice: try again", update);
		return;
	}
	command = wire_dup(&client->command->base);
	command->node = core->node;
	command->boot_id = core->boot_id;
	command->up_ms = core->now_ms;
	pending = mem_new(struct pending);
	pending->request = command->request;
	pending->tag = client->tag;
	pending->since_ms = core->now_ms;
	pending->barrier = command->body_case == WIRE__COMMAND__BODY_NOOP;
	if (wire_command_pack(command, &pending->command, &field) < 0) {
		refuse_large(client->tag, field, update);
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

static uint64_t limit_of(const struct pending *pending)
{
	if (pending->barrier)
		return BARRIER_MS;
	return pending->epoch ? OUTCOME_MS : NO_EPOCH_MS;
}

void clients_run(struct core *core, struct update *update)
{
	bool open = core->standing.open && (census_trusted(core) || core->census.disputed);

	for (size_t i = idmap_count(&core->pendings); i-- > 0;) {
		struct pending *pending = idmap_at(&core->pendings, i, NULL);
		uint64_t limit_ms = limit_of(pending);

		if (open && !pending->prepared &&
		    !prepare_pending(core, pending, update)) {
			pending_free(idmap_remove(&core->pendings, pending->request));
			continue;
		}
		if (open)
			propose_pending(core, pending, update);
		if (core->now_ms >= pending->since_ms + limit_ms)
			give_up(core, i, update);
		else
			update_wake(update, pending->since_ms + limit_ms);
	}
}

void clients_free(struct core *core)
{
	idmap_free(&core->pendings, pending_free);
}
