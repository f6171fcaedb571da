/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Administrators at a node: what they ask for, and what they see. */
#include "tests/trace/world_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "wire/command.h"
#include "wire/message.h"

const char *world_ask(struct world *world, unsigned node, Wire__Command *command)
{
	struct event event;

	command->request = ++world->request;
	command->time_ms = 1700000000000ull + world->now_ms;
	command->who = (char *)"admin";
	wire_free(steal_ptr(world->verdict));
	world->verdict_tag = ++world->tag;
	event = world_event(world, EVENT_CLIENT);
	event.client = (struct event_client){ world->verdict_tag, command };
	world_take(world, node, &event);
	for (unsigned turns = 0; !world->verdict && turns < 100000; turns++) {
		if (!world->machines[node].core)
			return "nobody answers: the daemon has ended";
		if (!world_step(world))
			world_pass_time(world, world_next_deadline(world));
	}
	assert(world->verdict);
	return world->verdict->text;
}

static unsigned any_node(const struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].core) {
			struct core_standing standing;

			core_standing(world->machines[n].core, &standing);
			if (standing.open)
				return n;
		}
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].core)
			return n;
	return 1;
}

void world_uuid(const char *name, char ret_uuid[40])
{
	unsigned long long sum = 0;

	for (const char *c = name; *c; c++)
		sum = sum * 31 + (unsigned char)*c;
	snprintf(ret_uuid, 40, "00000000-0000-4000-8000-%012llx", sum & 0xffffffffffffULL);
}

const char *world_add_vm(struct world *world, const char *name, unsigned memory_mib)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	char uuid[40];

	world_uuid(name, uuid);
	essence.memory_mib = memory_mib;
	essence.vcpus = 1;
	essence.virt_type = (char *)"qemu";
	essence.digest = 1;
	vm.name = (char *)name;
	vm.uuid = uuid;
	vm.xml = (char *)"<domain/>";
	vm.essence = &essence;
	vm.wanted = WIRE__VM__WANTED__RUNNING;
	add.vm = &vm;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	return world_ask(world, any_node(world), &command);
}

const char *world_remove_vm(struct world *world, const char *vm)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmRemove remove = WIRE__VM_REMOVE__INIT;

	remove.name = (char *)vm;
	command.body_case = WIRE__COMMAND__BODY_VM_REMOVE;
	command.vm_remove = &remove;
	return world_ask(world, any_node(world), &command);
}

const char *world_set(struct world *world, const char *vm, const char *key, const char *value)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmSet set = WIRE__VM_SET__INIT;
	Wire__Param change = WIRE__PARAM__INIT, *changes = &change;

	change.key = (char *)key;
	change.value = (char *)value;
	set.name = (char *)vm;
	set.changes = &changes;
	set.n_changes = 1;
	command.body_case = WIRE__COMMAND__BODY_VM_SET;
	command.vm_set = &set;
	return world_ask(world, any_node(world), &command);
}

const char *world_accept(struct world *world, const char *vm, Wire__VmAccept__What what)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAccept accept = WIRE__VM_ACCEPT__INIT;

	accept.name = (char *)vm;
	accept.what = what;
	command.body_case = WIRE__COMMAND__BODY_VM_ACCEPT;
	command.vm_accept = &accept;
	return world_ask(world, any_node(world), &command);
}

const char *world_want(struct world *world, const char *vm, Wire__Vm__Wanted wanted)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant want = WIRE__VM_WANT__INIT;

	want.name = (char *)vm;
	want.wanted = wanted;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &want;
	return world_ask(world, any_node(world), &command);
}

const char *world_move(struct world *world, const char *vm, unsigned to, Wire__VmMove__How how)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmMove move = WIRE__VM_MOVE__INIT;

	move.name = (char *)vm;
	move.to = to;
	move.how = how;
	command.body_case = WIRE__COMMAND__BODY_VM_MOVE;
	command.vm_move = &move;
	return world_ask(world, any_node(world), &command);
}

const char *world_story(struct world *world)
{
	buf_reset(&world->told);
	buf_append(&world->told, world->story.data, world->story.len);
	buf_reset(&world->story);
	return buf_str(&world->told);
}

size_t world_events(struct world *world, unsigned node, const char *text)
{
	const struct state *state = core_state(world_core(world, node));
	size_t n = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_EVENT); i++) {
		const Wire__Event *event = state_at(state, WIRE__TABLE__TABLE_EVENT, i);

		n += strstr(event->text, text) != NULL;
	}
	return n;
}

const Wire__Vm *world_vm(struct world *world, const char *vm)
{
	const Wire__Vm *record =
		state_vm_named(core_state(world->machines[any_node(world)].core), vm);

	return record;
}

unsigned world_runs(struct world *world, const char *vm)
{
	const Wire__Vm *record = world_vm(world, vm);

	for (unsigned n = 1; record && n <= world->nodes; n++)
		if (host_runs(world->machines[n].host, record->id))
			return n;
	return 0;
}

bool world_has(struct world *world, const char *vm, unsigned node)
{
	const Wire__Vm *record = world_vm(world, vm);

	return record->phase == WIRE__VM__PHASE__RUN && record->owner == node &&
	       record->n_maybe == 1 && world_runs(world, vm) == node;
}

bool world_waits_for(struct world *world, const char *vm, const char *text)
{
	const Wire__Vm *record = world_vm(world, vm);

	if (record->phase == WIRE__VM__PHASE__OFF && strstr(record->detail, text))
		return true;
	fprintf(stderr, "phase %d: %s\n", record->phase, record->detail);
	return false;
}

const struct core *world_core(struct world *world, unsigned node)
{
	return world->machines[node].core;
}

bool world_has_power(const struct world *world, unsigned node)
{
	return world->machines[node].power;
}

uint64_t world_now(struct world *world)
{
	return world->now_ms;
}
