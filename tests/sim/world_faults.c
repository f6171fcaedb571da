/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to a world from outside: a function for each kind, by what they are about. */
#include "tests/sim/world_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

enum { GRACE_MS = 30000 };	/* after the last fault of a list */

/* ---------------------------------------------------------------- the network */

void world_split(struct world *world, uint64_t a, uint64_t b)
{
	bool changed = false;

	for (uint32_t id = 1; id <= world->nodes; id++) {
		struct machine *machine = &world->machines[id];
		uint32_t side = (uint32_t)((a >> (id - 1) & 1) | (b >> (id - 1) & 1) << 1);

		changed |= side != machine->side;
		machine->side = side;
	}
	for (uint32_t id = 1; changed && id <= world->nodes; id++) {
		world->machines[id].stalled = true;
		host_link_changed(world->machines[id].host);
	}
	if (changed)
		net_changed(world, world_some(world, 2000000, 2600000));
}

static void do_split(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	world_split(world, a, b);
}

static void do_heal(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	world_split(world, 0, 0);
}

static void do_storm(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	world->storm_n = (uint32_t)a;
	world->storm_ms = b;
	net_changed(world, 1000);
}

static void do_ghost(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine->ghost = a % 3 != 0;
}

static void do_lose(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	world->lose = (uint32_t)a;
	world->lose_until_us = world->now_us + b * 1000;
}

static void do_lag(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine->lag_us = a * 1000;
	machine->lag_until_us = world->now_us + (5000 + b) * 1000;
}

/* The daemon does not outlive it; systemd starts both again. */
static void lose_corosync(struct machine *machine, uint64_t for_ms)
{
	struct world *world = machine->world;

	if (!machine->power || world->now_us < machine->ringless_us)
		return;
	world_tell(world, "n%u: Corosync dies", machine->id);
	machine->ringless_us = world->now_us + for_ms * 1000;
	machine_kill_daemon(machine, for_ms + 1);
	net_broken(machine);
	world_due(world, DUE_THAW, machine->id, for_ms * 1000, 0, 0);
}

static void do_corosync(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	lose_corosync(machine, a);
}

/* ---------------------------------------------------------------- machines and daemons */

static void power(struct machine *machine, uint64_t for_ms)
{
	if (!machine->power)
		return;
	machine_power_off(machine);
	machine_power_on(machine, for_ms + 1);
}

static void do_power(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	if (b == 1)
		bmc_set(world->bmc, machine->id, BMC_FAILS, a * 1000);
	power(machine, a);
}

static void do_blackout(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	for (uint32_t id = 1; id <= world->nodes; id++)
		if (a >> (id - 1) & 1)
			power(&world->machines[id], b + id * 100);
}

static void do_kill(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine_kill_daemon(machine, a + 1);
}

static void do_stop(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	struct input input = { .kind = EVENT_LEAVE };

	if (!machine->core)
		return;
	world_tell(machine->world, "n%u: daemon is asked to stop", machine->id);
	machine->leaving = true;
	machine->freed_ms = a + 1;
	world_input(machine, &input);
}

static void do_freeze(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	if (!machine->core || machine_frozen(machine))
		return;
	machine->frozen_us = world->now_us + a * 1000;
	world_due(world, DUE_THAW, machine->id, a * 1000, 0, 0);
}

static void do_suspend(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	if (!machine->power || machine_frozen(machine))
		return;
	machine->suspended_us = world->now_us + a * 1000;
	world_due(world, DUE_THAW, machine->id, a * 1000, 0, 0);
	if (a < 1000)
		return;
	net_broken(machine);
	for (uint32_t id = 1; id <= world->nodes; id++)
		host_link_changed(world->machines[id].host);
}

static void do_rate(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine_set_rate(machine, 990000 + (uint32_t)a);
}

static void do_wall(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine->wall_ms = (int64_t)(a % 1000000000) - 500000000;
}

static void do_install(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	if (world->config.next)
		machine_install(machine, b ? world->config.next : &version_this, a);
}

/* ---------------------------------------------------------------- hypervisors and devices */

static void do_agent(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	if (a % 3 == 0)
		host_agent_hang(machine->host, a * 1000);
	else
		machine_kill_agent(machine, a + 1);
}

static void do_libvirt(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	host_hang(machine->host, a * 1000);
}

static void do_restart(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	host_restart(machine->host);
}

static void do_refuse(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	host_refuse(machine->host, (unsigned)a, b * 1000);
}

static const Wire__Vm *some_vm(const struct world *world, uint64_t draw)
{
	const struct state *state = truth_state(world->truth);
	size_t n = state_count(state, WIRE__TABLE__TABLE_VM);

	return n ? state_at(state, WIRE__TABLE__TABLE_VM, draw % n) : NULL;
}

static void do_guest(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	const Wire__Vm *vm = some_vm(world, a);

	for (uint32_t id = 1; vm && id <= world->nodes; id++)
		if (host_guest_ends(world->machines[id].host, vm->uuid, b != 0))
			return;
}

static void do_hand(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	const Wire__Vm *vm = some_vm(world, a);

	if (vm)
		host_by_hand(machine->host, (enum host_hand)(b % HANDS), vm);
}

static void do_device(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	bmc_set(world->bmc, machine->id, (enum bmc_mode)(a % BMC_MODES), b * 1000);
}

static void do_wiring(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	bmc_miswire(world->bmc, machine->id, 1 + (uint32_t)(a % world->nodes), b * 64000);
}

/* ---------------------------------------------------------------- disks and memory */

/* A disk is changed while the machine is off; its power is off for so long. */
static void with_disk(struct machine *machine, bool (*change)(struct machine *machine),
		      uint64_t for_ms)
{
	if (!machine->power || !machine_disks_known(machine->world))
		return;
	machine_power_off(machine);
	change(machine);
	machine_power_on(machine, for_ms + 1);
}

static void do_slow(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine->slow_ms = (uint32_t)a;
	machine->slow_us = world->now_us + b * 1000;
}

static void do_wipe(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	with_disk(machine, machine_wipe, a);
}

static void do_copy(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine_copy_disk(machine);
}

static void do_back(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	with_disk(machine, machine_turn_back, a);
}

static void do_disk(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine->medium->fault = (enum medium_fault)(1 + b % (MEDIUM_FAULTS - 1));
	machine->fault_ms = a + 1;
}

static void do_flip(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine->fault_draw = b;
	with_disk(machine, machine_flip, a);
}

static void do_turn(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine->turn_draw = a + 1;
}

static void do_spoil(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	machine->spoil_draw = a + 1;
}

/* ---------------------------------------------------------------- administrators */

static void do_admin(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	admin_ask(world, machine->id, a);
}

static void do_add(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	admin_add_node(world, machine->id, a);
}

static void do_remove(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	admin_remove_node(world, machine->id, a, b);
}

static void do_member(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	admin_change_node(world, machine->id, a);
}

static void do_lend(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	const Wire__Vm *vm = some_vm(world, a);

	if (vm)
		admin_lend(world, machine->id, vm, b);
}

static void do_upgrade(struct world *world, struct machine *machine, uint64_t a, uint64_t b)
{
	if (world->config.next)
		admin_upgrade(world, machine->id, a);
}

/* ---------------------------------------------------------------- all of them */

/* machine: the one that the fault names; or nobody. */
typedef void do_fn(struct world *world, struct machine *machine, uint64_t a, uint64_t b);

static do_fn *const doers[] = {
	[FAULT_SPLIT] = do_split,
	[FAULT_HEAL] = do_heal,
	[FAULT_STORM] = do_storm,
	[FAULT_GHOST] = do_ghost,
	[FAULT_LOSE] = do_lose,
	[FAULT_LAG] = do_lag,
	[FAULT_POWER] = do_power,
	[FAULT_BLACKOUT] = do_blackout,
	[FAULT_KILL] = do_kill,
	[FAULT_STOP] = do_stop,
	[FAULT_COROSYNC] = do_corosync,
	[FAULT_FREEZE] = do_freeze,
	[FAULT_SUSPEND] = do_suspend,
	[FAULT_AGENT] = do_agent,
	[FAULT_LIBVIRT] = do_libvirt,
	[FAULT_RESTART] = do_restart,
	[FAULT_GUEST] = do_guest,
	[FAULT_HAND] = do_hand,
	[FAULT_REFUSE] = do_refuse,
	[FAULT_DEVICE] = do_device,
	[FAULT_WIRING] = do_wiring,
	[FAULT_SLOW] = do_slow,
	[FAULT_FULL] = do_kill,
	[FAULT_WIPE] = do_wipe,
	[FAULT_COPY] = do_copy,
	[FAULT_BACK] = do_back,
	[FAULT_TURN] = do_turn,
	[FAULT_SPOIL] = do_spoil,
	[FAULT_RATE] = do_rate,
	[FAULT_WALL] = do_wall,
	[FAULT_ADMIN] = do_admin,
	[FAULT_ADD] = do_add,
	[FAULT_REMOVE] = do_remove,
	[FAULT_MEMBER] = do_member,
	[FAULT_LEND] = do_lend,
	[FAULT_INSTALL] = do_install,
	[FAULT_UPGRADE] = do_upgrade,
	[FAULT_DISK] = do_disk,
	[FAULT_FLIP] = do_flip,
};

_Static_assert(ARRAY_SIZE(doers) == FAULT_KINDS, "every kind is done");

static void do_fault(struct world *world, const struct fault *fault)
{
	struct machine *machine = &world->machines[fault->node];

	/* A list may name a machine that the seed has not. */
	if (fault->node <= world->nodes && machine->spare <= (fault->kind == FAULT_ADD))
		doers[fault->kind](world, machine, fault->a, fault->b);
}

static void arm_fault(struct world *world)
{
	uint64_t at_us = world->fault.at_ms * 1000;

	world_due(world, DUE_FAULT, 0, at_us > world->now_us ? at_us - world->now_us : 0, 0, 0);
}

void world_next_fault(struct world *world)
{
	const struct fault_source *source = world->faults;

	if (source->list) {
		if (world->fault_next == source->list->n)
			return;
		world->fault = source->list->faults[world->fault_next++];
	} else {
		fault_draw(source->mix, source->rng, world->nodes, world_now_ms(world),
			   &world->fault);
		if (source->record)
			fault_list_add(source->record, &world->fault);
	}
	world->faulty = true;
	arm_fault(world);
}

void world_fault_due(struct world *world)
{
	if (!world->faults)
		return;
	if (world->faulty) {
		struct fault fault = world->fault;

		world->faulty = false;
		world->counts.faults++;
		if (world->config.story) {
			buf_printf(world->config.story, "%9s     ! ", "");
			fault_write(&fault, world->config.story);
		}
		do_fault(world, &fault);
	}
	if (!world->wrong[0])
		world_next_fault(world);
}

/* A list is at its end, and what follows from its last fault has had some time. */
static bool is_through(const struct world *world)
{
	const struct fault_list *list = world->faults->list;

	return list && !world->faulty && world->fault_next == list->n &&
	       world_now_ms(world) > (list->n ? list->faults[list->n - 1].at_ms : 0) + GRACE_MS;
}

void world_run(struct world *world, uint64_t events, const struct fault_source *faults)
{
	world->faults = faults;
	admin_furnish(world);
	while (world->counts.events < events && !is_through(world) && !world->hopeless &&
	       world_step(world))
		;
	world->faults = NULL;
}
