/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plugs, daemons, agents, the network, and hypervisors that fail. */
#include "tests/trace/world_private.h"

#include <assert.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "clusterd/core/force.h"
#include "clusterd/core/state.h"

void world_install(struct world *world, unsigned node, const struct build *build)
{
	world->machines[node].build = build;
}

void world_start_daemon(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];
	struct core_config config = {
		.node = node,
		.boot_id = node * 1000 + ++machine->starts,
		.disk_id = machine->disk.id,
		.kernel_boot_id = machine->boot_id,
		.memory_mib = 4096,
		.random = node * 7919u + machine->starts,
		.version = machine->build->name,
	};
	struct event up;

	assert(machine->power && !machine->daemon && !machine->core);
	machine->runs = machine->build;
	machine->core = machine->runs->core_new(&config);
	disk_load(&machine->disk, machine->runs, machine->core);
	config.eager = true;
	machine->twin = machine->runs->core_new(&config);
	disk_load(&machine->disk, machine->runs, machine->twin);
	machine->daemon = true;
	machine->persisted = machine->to_persist = 0;
	machine->deadline_ms = 0;
	host_agent_begins(machine->host);
	up = world_event(world, EVENT_AGENT_UP);
	world_take(world, node, &up);
	host_agent_up(machine->host);
	world_new_view(world);
}

void world_end_core(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	if (!machine->core)
		return;
	machine->runs->core_free(steal_ptr(machine->core));
	machine->runs->core_free(steal_ptr(machine->twin));
}

void world_kill_daemon(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	if (!machine->core)
		return;
	machine->daemon = false;
	world_end_core(world, node);
	host_agent_down(machine->host);
	world_new_view(world);
}

void world_stop_daemon(struct world *world, unsigned node)
{
	struct event event = world_event(world, EVENT_LEAVE);

	world_take(world, node, &event);
}

void world_stop_agent(struct world *world, unsigned node)
{
	struct event event = world_event(world, EVENT_AGENT_DOWN);

	host_agent_down(world->machines[node].host);
	world_take(world, node, &event);
}

void world_start_agent(struct world *world, unsigned node)
{
	struct event event = world_event(world, EVENT_AGENT_UP);

	host_agent_begins(world->machines[node].host);
	world_take(world, node, &event);
	host_agent_up(world->machines[node].host);
}

void world_silence_agent(struct world *world, unsigned node, bool yes)
{
	world->machines[node].silent = yes;
}

void world_kill_agent(struct world *world, unsigned node)
{
	world_stop_agent(world, node);
	world_start_agent(world, node);
}

void world_kill_node(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	machine->power = false;
	for (size_t i = 0; i < world->fences_n; i++)
		if (world->fences[i].node == node)
			world->fences[i--] = world->fences[--world->fences_n];
	host_power_off(machine->host);
	for (unsigned n = 1; n <= world->nodes; n++)
		host_peer_gone(world->machines[n].host, node);
	machine->daemon = false;
	world_end_core(world, node);
	world_new_view(world);
}

void world_start_node(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	machine->power = true;
	snprintf(machine->boot_id, sizeof(machine->boot_id), "boot-%u-%u", node, ++machine->boots);
	world_start_daemon(world, node);
}

static void spoil(const struct core *core)
{
	struct state *state = (struct state *)core_state(core);
	size_t n = state_count(state, WIRE__TABLE__TABLE_EVENT);
	Wire__Event event = WIRE__EVENT__INIT;
	struct update update;

	/* The newest, so that it is not soon forgotten. */
	event.id = ((const Wire__Event *)state_at(state, WIRE__TABLE__TABLE_EVENT, n - 1))->id;
	event.text = (char *)"what never happened";
	update_init(&update);
	state_put(state, WIRE__TABLE__TABLE_EVENT, event.id, &event.base, &update);
	update_reset(&update);
}

void world_spoil(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	spoil(machine->core);
	spoil(machine->twin);
	machine->spoiled = true;
}

void world_copy_disk(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	disk_wipe(&machine->copy);
	machine->copy = disk_copy(&machine->disk);
}

void world_turn_back_disk(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	assert(!machine->core && machine->copy.id);
	disk_wipe(&machine->disk);
	machine->disk = machine->copy;
	machine->copy = (struct disk){ 0 };
}

void world_new_disk(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	assert(!machine->core);
	disk_wipe(&machine->disk);
	disk_forget(&machine->disk);
	machine->disk.id += 100;
}

const char *world_force(struct world *world, unsigned node, bool restore)
{
	struct machine *machine = &world->machines[node];
	const struct force_order order = {
		.cluster = restore ? "20000000-0000-4000-8000-000000000000"
				   : "10000000-0000-4000-8000-000000000000",
		.who = "root",
		.wall_ms = world->now_ms + 1700000000000,
		.random = 99,
		.restore = restore,
	};
	struct core_config config = { .node = node, .boot_id = 99, .kernel_boot_id = "" };
	static char why[300];
	struct update update;
	struct core *core;

	assert(!machine->core);
	if (restore) {
		world_turn_back_disk(world, node);
		machine->disk.id += 100;
	}
	config.disk_id = machine->disk.id;
	core = core_new(&config);
	disk_load(&machine->disk, &build_this, core);
	update_init(&update);
	why[0] = '\0';
	if (core_force(core, &order, &update, why, sizeof(why)) == 0) {
		for (unsigned n = 1; n <= world->nodes; n++)
			host_all_outside(world->machines[n].host);
		for (size_t i = 0; i < update.persists_n; i++)
			disk_write(&machine->disk, &update.persists[i]);
	}
	update_reset(&update);
	core_free(core);
	return why;
}

void world_expect_other_state(struct world *world, unsigned node)
{
	world->machines[node].spoiled = true;
}

void world_split(struct world *world, unsigned side)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		world->machines[n].side = (side >> (n - 1)) & 1;
	world_new_view(world);
}

void world_scatter(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		world->machines[n].side = 10 + n;
	world_new_view(world);
}

void world_fail_starts(struct world *world, unsigned node, const char *why)
{
	host_fail(world->machines[node].host, HOST_START, why);
}

void world_fail_moves(struct world *world, const char *why)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		host_fail(world->machines[n].host, HOST_MOVE, why);
}

void world_fail_saves(struct world *world, const char *why)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		host_fail(world->machines[n].host, HOST_SAVE, why);
}

void world_fail_restores(struct world *world, unsigned node, const char *why)
{
	host_fail(world->machines[node].host, HOST_RESTORE, why);
}

void world_miswire(struct world *world, unsigned node, bool yes)
{
	world->machines[node].miswired = yes;
}

void world_fence_fails(struct world *world, const char *why)
{
	world->fence_fails = why;
}

void world_run_by_hand(struct world *world, unsigned node, const char *vm, bool marked)
{
	const Wire__Vm *record = world_vm(world, vm);
	char uuid[40];

	world_uuid(vm, uuid);
	host_run_outside(world->machines[node].host, record ? record->id : 0, uuid, vm,
			 marked);
}

void world_pause_by_hand(struct world *world, unsigned node, const char *vm)
{
	host_pause_outside(world->machines[node].host, world_vm(world, vm)->id);
}

void world_copy_ends(struct world *world, const char *vm, unsigned node,
		     Wire__VmReport__Cause cause)
{
	host_guest_ends(world->machines[node].host, world_vm(world, vm)->id, cause);
}

void world_guest_dies(struct world *world, const char *vm, Wire__VmReport__Cause cause)
{
	unsigned node = world_runs(world, vm);

	assert(node);
	world_copy_ends(world, vm, node, cause);
}
