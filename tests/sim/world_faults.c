/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a world begins, what is done to it, and how it heals. */
#include "tests/sim/world_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/elect.h"
#include "clusterd/core/record.h"
#include "clusterd/core/round.h"

enum {
	GRACE_MS = 30000,	/* after the last fault of a list */
	GATHER_S = 120,		/* until all are ready again, and alike */
	RESTORE_S = 3600,	/* until every guest is where it is to be */
	REST_S = 300,		/* then nothing more may happen for so long */
};

/* ---------------------------------------------------------------- the beginning */

static void genesis(struct world *world, uint64_t knowing, bool known)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Genesis body = WIRE__GENESIS__INIT;
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	Wire__Node nodes[WORLD_NODES], *list[WORLD_NODES];
	uint32_t voters[WORLD_NODES];
	char names[WORLD_NODES][16];
	struct update update;

	cluster.id = 1;
	cluster.name = (char *)"sim";
	cluster.uuid = (char *)"12345678-9abc-4def-8123-456789abcdef";
	cluster.voters = voters;
	cluster.n_voters = world->voters;
	for (uint32_t i = 0; i < world->founders; i++) {
		wire__node__init(&nodes[i]);
		snprintf(names[i], sizeof(names[i]), "n%u", i + 1);
		voters[i] = i + 1;
		nodes[i].id = i + 1;
		nodes[i].name = nodes[i].address = names[i];
		nodes[i].disk_id = known ? world->machines[i + 1].disk->id : 0;
		list[i] = &nodes[i];
	}
	body.cluster = &cluster;
	body.nodes = list;
	body.n_nodes = world->founders;
	command.body_case = WIRE__COMMAND__BODY_GENESIS;
	command.genesis = &body;
	for (uint64_t left = knowing; left; left &= left - 1) {
		update_init(&update);
		if (core_genesis(&command, &update) < 0)
			world_fail(world, "genesis is refused");
		if (left == knowing)
			truth_genesis(world->truth, &update);
		machine_found(&world->machines[nodes_lowest(left)], &update);
		update_reset(&update);
	}
}

/* Machines that may become nodes; drawn apart, so that all else is the same without them. */
static uint32_t some_spares(const struct world_config *config)
{
	struct rng rng = { config->seed ^ UINT64_C(0x5ba7e5) };
	uint32_t n = rng_below(&rng, 2) ? 1 + rng_below(&rng, WORLD_SPARES) : 0;

	return config->nodes + n <= WORLD_NODES ? n : 0;
}

struct world *world_new(const struct world_config *config)
{
	struct world *world = mem_new(struct world);

	world->config = *config;
	world->founders = config->nodes;
	world->nodes = config->nodes + some_spares(config);
	world->voters = config->nodes >= 5 ? 5 : config->nodes >= 3 ? 3 : 1;
	world->rng.state = config->seed;
	world->now_us = 1000000;
	world->place_us = 100 << rng_below(&world->rng, 6);
	world->sync_us = 100 << rng_below(&world->rng, 9);
	world->job_ms = 1 << rng_below(&world->rng, 7);
	config->medium->begin(config->seed);
	net_init(world);
	world->truth = truth_new(world);
	world->bmc = bmc_new(world);
	world->admin = admin_new(world);
	for (uint32_t id = 1; id <= world->nodes; id++) {
		machine_init(world, id);
		world->machines[id].spare = id > world->founders;
		world->machines[id].sync_us = world->sync_us << rng_below(&world->rng, 3);
		world->machines[id].rate = 990000 + rng_below(&world->rng, 20000);
	}
	/* Either a young cluster, of which but one node knows; or all of them do. */
	if (rng_below(&world->rng, 4) == 0)
		genesis(world, node_bit(1 + rng_below(&world->rng, world->voters)), false);
	else
		genesis(world, (UINT64_C(2) << (world->founders - 1)) - 1, true);
	for (uint32_t id = 1; id <= world->founders; id++)
		machine_power_on(&world->machines[id], rng_below(&world->rng, 5000));
	world_due(world, DUE_FAULT, 0, 0, 0, 0);
	return world;
}

void world_free(struct world *world)
{
	for (uint32_t id = 1; id <= world->nodes; id++)
		machine_free(&world->machines[id]);
	evs_free(world->evs);
	admin_free(world->admin);
	bmc_free(world->bmc);
	truth_free(world->truth);
	queue_free(&world->queue);
	free(world);
}

/* ---------------------------------------------------------------- faults */

static void split(struct world *world, uint64_t a, uint64_t b)
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

static void power(struct machine *machine, uint64_t for_ms)
{
	if (!machine->power)
		return;
	machine_power_off(machine);
	machine_power_on(machine, for_ms + 1);
}

static void stop(struct machine *machine, uint64_t for_ms)
{
	struct input input = { .kind = EVENT_LEAVE };

	if (!machine->core)
		return;
	world_tell(machine->world, "n%u: daemon is asked to stop", machine->id);
	machine->leaving = true;
	machine->freed_ms = for_ms + 1;
	world_input(machine, &input);
}

static void freeze(struct machine *machine, uint64_t for_ms)
{
	struct world *world = machine->world;

	if (!machine->core || machine_frozen(machine))
		return;
	machine->frozen_us = world->now_us + for_ms * 1000;
	world_due(world, DUE_THAW, machine->id, for_ms * 1000, 0, 0);
}

static void suspend(struct machine *machine, uint64_t for_ms)
{
	struct world *world = machine->world;

	if (!machine->power || machine_frozen(machine))
		return;
	machine->suspended_us = world->now_us + for_ms * 1000;
	world_due(world, DUE_THAW, machine->id, for_ms * 1000, 0, 0);
	if (for_ms < 1000)
		return;
	net_broken(machine);
	for (uint32_t id = 1; id <= world->nodes; id++)
		host_link_changed(world->machines[id].host);
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

static const Wire__Vm *some_vm(const struct world *world, uint64_t draw)
{
	const struct state *state = truth_state(world->truth);
	size_t n = state_count(state, WIRE__TABLE__TABLE_VM);

	return n ? state_at(state, WIRE__TABLE__TABLE_VM, draw % n) : NULL;
}

static void some_guest(struct world *world, uint64_t draw, bool shutdown)
{
	const Wire__Vm *vm = some_vm(world, draw);

	for (uint32_t id = 1; vm && id <= world->nodes; id++)
		if (host_guest_ends(world->machines[id].host, vm->uuid, shutdown))
			return;
}

static void do_fault(struct world *world, const struct fault *fault)
{
	struct machine *machine = &world->machines[fault->node];
	uint64_t a = fault->a, b = fault->b;

	/* A list may name a machine that the seed has not. */
	if (fault->node > world->nodes || machine->spare > (fault->kind == FAULT_ADD))
		return;
	switch (fault->kind) {
	case FAULT_SPLIT:
		split(world, a, b);
		break;
	case FAULT_HEAL:
		split(world, 0, 0);
		break;
	case FAULT_STORM:
		world->storm_n = (uint32_t)a;
		world->storm_ms = b;
		net_changed(world, 1000);
		break;
	case FAULT_GHOST:
		machine->ghost = a % 3 != 0;
		break;
	case FAULT_LOSE:
		world->lose = (uint32_t)a;
		world->lose_until_us = world->now_us + b * 1000;
		break;
	case FAULT_LAG:
		machine->lag_us = a * 1000;
		machine->lag_until_us = world->now_us + (5000 + b) * 1000;
		break;
	case FAULT_POWER:
		if (b == 1)
			bmc_set(world->bmc, fault->node, BMC_FAILS, a * 1000);
		power(machine, a);
		break;
	case FAULT_BLACKOUT:
		for (uint32_t id = 1; id <= world->nodes; id++)
			if (a >> (id - 1) & 1)
				power(&world->machines[id], b + id * 100);
		break;
	case FAULT_KILL:
		machine_kill_daemon(machine, a + 1);
		break;
	case FAULT_STOP:
		stop(machine, a);
		break;
	case FAULT_COROSYNC:
		lose_corosync(machine, a);
		break;
	case FAULT_FREEZE:
		freeze(machine, a);
		break;
	case FAULT_SUSPEND:
		suspend(machine, a);
		break;
	case FAULT_AGENT:
		if (a % 3 == 0)
			host_agent_hang(machine->host, a * 1000);
		else
			machine_kill_agent(machine, a + 1);
		break;
	case FAULT_LIBVIRT:
		host_hang(machine->host, a * 1000);
		break;
	case FAULT_RESTART:
		host_restart(machine->host);
		break;
	case FAULT_GUEST:
		some_guest(world, a, b != 0);
		break;
	case FAULT_HAND:
		if (some_vm(world, a))
			host_by_hand(machine->host, (enum host_hand)(b % HANDS),
				     some_vm(world, a));
		break;
	case FAULT_REFUSE:
		host_refuse(machine->host, (unsigned)a, b * 1000);
		break;
	case FAULT_DEVICE:
		bmc_set(world->bmc, fault->node, (enum bmc_mode)(a % BMC_MODES), b * 1000);
		break;
	case FAULT_WIRING:
		bmc_miswire(world->bmc, fault->node, 1 + (uint32_t)(a % world->nodes), b * 64000);
		break;
	case FAULT_TURN:
		machine->turn_draw = a + 1;
		break;
	case FAULT_SPOIL:
		machine->spoil_draw = a + 1;
		break;
	case FAULT_SLOW:
		machine->slow_ms = (uint32_t)a;
		machine->slow_us = world->now_us + b * 1000;
		break;
	case FAULT_FULL:
		machine_kill_daemon(machine, a + 1);
		break;
	case FAULT_WIPE:
		with_disk(machine, machine_wipe, a);
		break;
	case FAULT_COPY:
		machine_copy_disk(machine);
		break;
	case FAULT_BACK:
		with_disk(machine, machine_turn_back, a);
		break;
	case FAULT_RATE:
		machine_set_rate(machine, 990000 + (uint32_t)a);
		break;
	case FAULT_WALL:
		machine->wall_ms = (int64_t)(a % 1000000000) - 500000000;
		break;
	case FAULT_ADMIN:
		admin_ask(world, fault->node, a);
		break;
	case FAULT_INSTALL:
		if (world->config.next)
			machine_install(machine, b ? world->config.next : &version_this, a);
		break;
	case FAULT_UPGRADE:
		if (world->config.next)
			admin_upgrade(world, fault->node, a);
		break;
	case FAULT_DISK:
		machine->medium->fault = (enum medium_fault)(1 + b % (MEDIUM_FAULTS - 1));
		machine->fault_ms = a + 1;
		break;
	case FAULT_FLIP:
		machine->fault_draw = b;
		with_disk(machine, machine_flip, a);
		break;
	case FAULT_ADD:
		admin_add_node(world, fault->node, a);
		break;
	case FAULT_REMOVE:
		admin_remove_node(world, fault->node, a, b);
		break;
	case FAULT_LEND:
		if (some_vm(world, a))
			admin_lend(world, fault->node, some_vm(world, a), b);
		break;
	case FAULT_MEMBER:
		admin_change_node(world, fault->node, a);
		break;
	case FAULT_KINDS:
		break;
	}
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

/* ---------------------------------------------------------------- after the faults */

static void mend(struct world *world)
{
	world->storm_n = 0;
	world->lose = 0;
	split(world, 0, 0);
	net_changed(world, 1000000);
	for (uint32_t id = 1; id <= world->nodes; id++) {
		struct machine *machine = &world->machines[id];

		machine->ghost = false;
		machine->lag_until_us = machine->slow_us = 0;
		if (machine_frozen(machine)) {
			machine->frozen_us = machine->suspended_us = world->now_us;
			world_thaw(machine);
		}
		machine->ringless_us = 0;
		bmc_set(world->bmc, id, BMC_WORKS, 0);
		bmc_miswire(world->bmc, id, id, 0);
		machine->turn_draw = machine->spoil_draw = 0;
		host_refuse(machine->host, 0, 0);
		host_agent_hang(machine->host, 0);
		if (!machine->spare)
			machine_power_on(machine, 1000);
		/* A daemon that is to come in an hour comes now. */
		if (machine->power && !machine->core)
			world_due(world, DUE_DAEMON, id, 1000000, machine->daemon_life, 0);
	}
}

/* Whose version is too old takes no part, and says so; then it gets another one. */
static void renew_version(struct machine *machine)
{
	struct core_standing standing;

	if (!machine_is_too_old(machine) || machine->version != machine->runs)
		return;
	if (machine->core) {
		core_standing(machine->core, &standing);
		if (!standing.why_not || !strstr(standing.why_not, "feature level"))
			return;
	}
	machine_install(machine, machine->world->config.next, 1000);
}

/* A node whose record came while everything was mended, or that has the store of another. */
static void tend_nodes(struct world *world, const struct state *state)
{
	for (uint32_t id = 1; id <= world->nodes; id++) {
		struct machine *machine = &world->machines[id];

		if (!state_node(state, id))
			continue;
		if (state_node_gone(state, id, machine->disk->id))
			machine_replace_disk(machine);
		machine->spare = false;
		if (!machine->power)
			machine_power_on(machine, 1000);
		renew_version(machine);
	}
}

/* All nodes, that is; what other machines do is of no interest. */
static bool together(struct world *world)
{
	const struct state *state = truth_state(world->truth);
	struct core_standing first = { 0 }, other;

	tend_nodes(world, state);
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		const struct machine *machine = &world->machines[node->id];

		if (!machine->core || !machine->agent || machine_is_too_old(machine))
			return false;
		core_standing(machine->core, &other);
		if (i == 0)
			first = other;
		if (!other.open || other.epoch != first.epoch || other.index != first.index ||
		    !other.agent_ok || other.disputed || other.outside)
			return false;
	}
	return true;
}

static void say_who_is_missing(struct world *world)
{
	const struct state *state = truth_state(world->truth);

	for (uint32_t id = 1; id <= world->nodes; id++) {
		const struct machine *machine = &world->machines[id];
		struct core_standing standing;

		if (!state_node(state, id))
			continue;
		if (!machine->core || !machine->agent) {
			world_fail(world, "never together again: n%u has no daemon or no agent",
				   id);
			return;
		}
		core_standing(machine->core, &standing);
		if (!standing.open || standing.disputed || !standing.agent_ok || standing.outside)
			world_fail(world, "never together again: n%u: %s", id,
				   standing.why_not ? standing.why_not
				   : standing.disputed ? standing.disputed
				   : standing.outside ? standing.outside : "no agent");
	}
	world_fail(world, "never together again: the nodes differ");
}

/* As many as there should be, and none that is not wanted. */
static bool voters_follow(struct world *world)
{
	const struct state *state = truth_state(world->truth);
	struct voters voters;
	size_t able = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		able += !node->no_vote;
	}
	state_voters(state, &voters);
	for (size_t i = 0; i < voters.n && able; i++) {
		const Wire__Node *node = state_node(state, voters.nodes[i]);

		if (!node || node->no_vote ||
		    voters.disks[i] != world->machines[voters.nodes[i]].disk->id)
			return false;
	}
	return !able || voters.n == elect_wanted(state);
}

static void say_what_is_missing(struct world *world)
{
	const struct state *state = truth_state(world->truth);

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		world_tell(world, "%s: phase %d, wanted %d, owner n%u, seen %d, %s", vm->name,
			   vm->phase, vm->wanted, vm->owner, vm->seen, vm->detail);
		if (vm->phase != WIRE__VM__PHASE__RUN && vm->wanted != WIRE__VM__WANTED__STOPPED)
			world_fail(world, "%s is not up again: phase %d, owner n%u, %s", vm->name,
				   vm->phase, vm->owner, vm->detail);
	}
	world_fail(world, "not everything is as it is wanted");
}

static bool reached(struct world *world, bool (*goal)(struct world *world), uint64_t seconds)
{
	uint64_t end_us = world->now_us + seconds * 1000000;

	while (!world->wrong[0] && world->now_us < end_us) {
		world_until(world, world->now_us + 500000);
		if (world->hopeless || (!world->wrong[0] && goal(world)))
			return true;
	}
	return false;
}

/* Copies of the state are compared when there is something new in them. */
static void compare_once_more(struct world *world)
{
	for (uint32_t id = 1; id <= world->nodes; id++)
		if (world->machines[id].turned) {
			admin_touch(world);
			return;
		}
}

static void check_turned(struct world *world)
{
	const struct state *state = truth_state(world->truth);

	for (uint32_t id = 1; id <= world->nodes && !world->hopeless; id++)
		if (world->machines[id].turned && state_node(state, id))
			world_fail(world, "n%u: its state is not that of the others, and nobody "
				   "has found that", id);
}

void world_heal(struct world *world)
{
	uint64_t commits;

	if (world->wrong[0] || world->hopeless)
		return;
	world_tell(world, "everything is mended");
	world->healed = true;
	mend(world);
	if (!reached(world, together, GATHER_S)) {
		say_who_is_missing(world);
		return;
	}
	admin_give_up(world);
	if (!reached(world, admin_restore, RESTORE_S)) {
		say_what_is_missing(world);
		return;
	}
	if (!reached(world, voters_follow, GATHER_S)) {
		world_fail(world, "those who vote are not those who should");
		return;
	}
	compare_once_more(world);
	commits = world->counts.commits;
	world_until(world, world->now_us + REST_S * UINT64_C(1000000));
	/* A CHECK a minute or so; a report of facts; no more. */
	if (world->counts.commits > commits + 40 + 4 * world->nodes)
		world_fail(world, "the cluster does not come to rest: %" PRIu64 " commands in %d s",
			   world->counts.commits - commits, REST_S);
	truth_all(world->truth);
	truth_check_strays(world->truth);
	check_turned(world);
	if (!world->wrong[0] && !reached(world, together, GATHER_S))
		say_who_is_missing(world);
}
