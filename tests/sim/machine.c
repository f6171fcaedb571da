/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power, daemons, agents, clocks, disks. */
#include "tests/sim/world_private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/round.h"

enum {
	WALL_2026 = 1767225600,		/* s */
	BOOT_MS = 5000,			/* a machine takes so long, at least */
	REFUSED_MS = 5000,		/* and after one that could not begin */
	RESTART_MS = 100,		/* so does systemd, after a daemon ended */
	REST_US = 1000000,		/* the store uses a pause that is longer */
};

void machine_init(struct world *world, uint32_t id)
{
	struct machine *machine = &world->machines[id];

	machine->world = world;
	machine->id = id;
	machine->rate = 1000000;
	machine->disk = disk_new(world_new_id(world));
	machine->medium = world->config.medium->create(id, world->config.seed);
	machine->version = machine->runs = &version_this;
	machine->host = host_new(world, id);
}

static void empty_inbox(struct machine *machine)
{
	for (size_t i = 0; i < machine->inbox_n; i++)
		input_free(&machine->inbox[i]);
	machine->inbox_n = 0;
}

void machine_free(struct machine *machine)
{
	machine->runs->build->core_free(machine->core);
	empty_inbox(machine);
	free(machine->inbox);
	machine->medium->kind->free(machine->medium);
	disk_free(machine->disk);
	disk_free(machine->other);
	disk_free(machine->copy);
	host_free(machine->host);
}

/* ---------------------------------------------------------------- clocks */

uint64_t machine_boot_ms(const struct machine *machine)
{
	uint64_t up_us = machine->world->now_us - machine->booted_us;

	return machine->clock_ms + up_us * machine->rate / 1000000 / 1000;
}

void machine_set_rate(struct machine *machine, uint32_t rate)
{
	machine->clock_ms = machine_boot_ms(machine);
	machine->booted_us = machine->world->now_us;
	machine->rate = rate;
}

uint64_t machine_wall_ms(const struct machine *machine)
{
	return (uint64_t)((int64_t)(UINT64_C(1000) * WALL_2026 + machine->world->now_us / 1000) +
			  machine->wall_ms);
}

uint64_t machine_us_until(const struct machine *machine, uint64_t boot_ms)
{
	uint64_t up_us = machine->world->now_us - machine->booted_us, then_us;

	if (machine_boot_ms(machine) >= boot_ms)
		return 0;
	then_us = ((boot_ms - machine->clock_ms) * 1000 * 1000000 + machine->rate - 1) /
		  machine->rate;
	return then_us > up_us ? then_us - up_us : 1;
}

bool machine_frozen(const struct machine *machine)
{
	uint64_t now_us = machine->world->now_us;

	return now_us < machine->frozen_us || now_us < machine->suspended_us;
}

/* ---------------------------------------------------------------- daemons */

/* The other one was it. */
static void take_other(struct machine *machine)
{
	disk_free(machine->disk);
	machine->disk = steal_ptr(machine->other);
	machine->lost = machine->other_lost;
}

static enum medium_found open_disk(struct machine *machine)
{
	struct medium *medium = machine->medium;
	enum medium_found found = medium->kind->open(medium, machine->disk, machine->other,
						     machine->flipped);

	if (found == MEDIUM_WRONG)
		world_fail(machine->world, "n%u: %s", machine->id, medium->why);
	if (found == MEDIUM_OTHER)
		take_other(machine);
	if (found == MEDIUM_DAMAGED)
		world_tell(machine->world, "n%u: the store is damaged, and set aside", machine->id);
	if (found != MEDIUM_FAILED) {
		disk_free(steal_ptr(machine->other));
		machine->flipped = false;
	}
	return found;
}

void machine_daemon_due(struct machine *machine, uint64_t life)
{
	struct world *world = machine->world;
	struct core_config config;
	enum medium_found found;
	int r;

	if (!machine->power || machine->core || life != machine->daemon_life)
		return;
	found = open_disk(machine);
	if (found == MEDIUM_FAILED) {
		world_tell(world, "n%u: daemon cannot open its store", machine->id);
		world_due(world, DUE_DAEMON, machine->id, RESTART_MS * 1000, life, 0);
	}
	if (found == MEDIUM_FAILED || found == MEDIUM_WRONG)
		return;
	config = (struct core_config){
		.node = machine->id,
		.boot_id = world_new_id(world),
		.disk_id = machine->disk->id,
		.kernel_boot_id = machine->boot_id,
		.random = rng_next(&world->rng),
		.eager = world->config.eager,
		.version = machine->version->build->name,
	};
	machine->runs = machine->version;
	machine->core = machine->runs->build->core_new(&config);
	if (world->log_keep)
		machine->core->replica->log.keep = world->log_keep;
	machine->daemon_life++;
	machine->deadline_ms = machine->tick_us = machine->told_ring = 0;
	machine->leaving = false;
	r = medium_load(machine->disk, machine->runs->build, machine->core);
	if (r == -EPROTO && machine_is_too_old(machine)) {
		world_tell(world, "n%u: its store is of a newer version", machine->id);
		machine->runs->build->core_free(steal_ptr(machine->core));
		world_due(world, DUE_DAEMON, machine->id, REFUSED_MS * 1000,
			  machine->daemon_life, 0);
		return;
	}
	if (r < 0)
		world_fail(world, "n%u: what its disk holds does not fit together", machine->id);
	if (world->wrong[0])
		return;
	world_tell(world, "n%u: daemon begins", machine->id);
	truth_daemon_started(world->truth, machine);
	evs_start(world->evs, machine->id);
	net_changed(world, world_some(world, 5000, 300000));
	world_due(world, DUE_AGENT, machine->id, world_some(world, 50000, 500000),
		  machine->daemon_life, 0);
}

/* So many batches are on disk then, and no others. */
static void end_disk(struct machine *machine, size_t durable, enum medium_end how)
{
	struct medium *medium = machine->medium;

	if (durable > machine->disk->queued)
		durable = machine->disk->queued;
	if (!medium->kind->end(medium, machine->disk, durable, how))
		world_fail(machine->world, "n%u: %s", machine->id, medium->why);
	disk_sync(machine->disk, durable);
	truth_disk_changed(machine->world->truth, machine);
	disk_crash(machine->disk);
	machine->syncing = 0;
}

static void daemon_ends(struct machine *machine, size_t durable, enum medium_end how,
			uint64_t again_ms)
{
	struct world *world = machine->world;

	machine_kill_agent(machine, 0);
	bmc_daemon_gone(world->bmc, machine->id);
	admin_daemon_gone(world, machine->id);
	evs_crash(world->evs, machine->id);
	end_disk(machine, durable, how);
	empty_inbox(machine);
	machine->runs->build->core_free(steal_ptr(machine->core));
	machine->daemon_life++;
	machine->tick_us = machine->deadline_ms = 0;
	machine->frozen_us = 0;
	net_changed(world, world_some(world, 2500, 60000));
	if (again_ms)
		world_due(world, DUE_DAEMON, machine->id, again_ms * 1000, machine->daemon_life,
			  0);
}

static void kill_daemon(struct machine *machine, enum medium_end how, uint64_t again_ms)
{
	world_tell(machine->world, "n%u: daemon killed", machine->id);
	/* One transaction after the other; the one under way may just have made it. */
	daemon_ends(machine, rng_below(&machine->world->rng, (uint32_t)machine->syncing + 1), how,
		    again_ms);
}

void machine_kill_daemon(struct machine *machine, uint64_t again_ms)
{
	if (machine->core)
		kill_daemon(machine, MEDIUM_KILLED, again_ms);
}

void machine_daemon_left(struct machine *machine, enum leave leave, const char *why)
{
	struct world *world = machine->world;
	bool back = !machine->leaving;

	world_tell(world, "n%u: daemon ends: %s", machine->id, why);
	if (leave == LEAVE_CLEAN)
		daemon_ends(machine, SIZE_MAX, MEDIUM_CLOSED, machine->freed_ms);
	else
		daemon_ends(machine, SIZE_MAX, MEDIUM_CLOSED,
			    back ? RESTART_MS : machine->freed_ms);
	machine->leaving = false;
	if (leave != LEAVE_DAMAGED)
		return;
	machine->lost = true;
	disk_free(machine->disk);
	machine->disk = disk_new(world_new_id(world));
	if (!machine->medium->kind->set_aside(machine->medium))
		world_fail(world, "n%u: %s", machine->id, machine->medium->why);
	truth_disk_changed(world->truth, machine);
}

/* ---------------------------------------------------------------- versions */

void machine_install(struct machine *machine, const struct version *version, uint64_t for_ms)
{
	struct input input = { .kind = EVENT_LEAVE };

	if (machine->version != version)
		world_tell(machine->world, "n%u: %s is installed", machine->id,
			   version->build->name);
	machine->version = version;
	if (!machine->core || machine->runs == version)
		return;
	machine->leaving = true;
	machine->freed_ms = for_ms + 1;
	world_input(machine, &input);
}

bool machine_is_too_old(const struct machine *machine)
{
	const struct state *state = truth_state(machine->world->truth);

	return state && feature_level(state) > machine->runs->level;
}

/* ---------------------------------------------------------------- power */

void machine_power_off(struct machine *machine)
{
	struct world *world = machine->world;

	if (!machine->power)
		return;
	if (machine->core)
		kill_daemon(machine, MEDIUM_DARK, 0);
	else
		end_disk(machine, 0, MEDIUM_DARK);
	machine->power = false;
	truth_power_off(world->truth, machine->id);
	machine->power_life++;
	machine->frozen_us = machine->suspended_us = machine->ringless_us = 0;
	host_power_off(machine->host);
	for (uint32_t id = 1; id <= world->nodes; id++)
		host_link_changed(world->machines[id].host);
	world->counts.crashes++;
	world_tell(world, "n%u has no power", machine->id);
	net_broken(machine);
}

void machine_power_on(struct machine *machine, uint64_t in_ms)
{
	if (!machine->power)
		world_due(machine->world, DUE_POWER, machine->id, in_ms * 1000,
			  machine->power_life, 0);
}

void machine_power_due(struct machine *machine, uint64_t life)
{
	struct world *world = machine->world;

	if (machine->power || life != machine->power_life)
		return;
	machine->power = true;
	machine->power_life++;
	machine->booted_us = machine->on_us = world->now_us;
	machine->clock_ms = 1;
	snprintf(machine->boot_id, sizeof(machine->boot_id), "boot-%u-%u", machine->id,
		 ++machine->boots);
	world_tell(world, "n%u has power", machine->id);
	net_changed(world, world_some(world, 1000000, 3000000));
	world_due(world, DUE_DAEMON, machine->id, world_some(world, BOOT_MS, 4 * BOOT_MS) * 1000,
		  machine->daemon_life, 0);
}

/* ---------------------------------------------------------------- agents */

void machine_agent_due(struct machine *machine, uint64_t life)
{
	struct input input = { .kind = EVENT_AGENT_UP };

	if (!machine->core || machine->agent || life != machine->daemon_life)
		return;
	machine->agent = true;
	machine->agent_life++;
	world_tell(machine->world, "n%u: agent begins", machine->id);
	world_input(machine, &input);
	host_agent_up(machine->host);
}

void machine_kill_agent(struct machine *machine, uint64_t again_ms)
{
	struct input input = { .kind = EVENT_AGENT_DOWN };

	if (!machine->agent)
		return;
	machine->agent = false;
	machine->agent_life++;
	host_agent_down(machine->host);
	if (!again_ms)
		return;
	world_tell(machine->world, "n%u: agent killed", machine->id);
	world_due(machine->world, DUE_AGENT, machine->id, again_ms * 1000, machine->daemon_life, 0);
	world_input(machine, &input);
}

/* ---------------------------------------------------------------- disks */

static void sync_next(struct machine *machine)
{
	struct world *world = machine->world;
	uint64_t in_us = world_some(world, machine->sync_us / 2, machine->sync_us * 2);

	if (machine->syncing || machine->disk->queued == 0)
		return;
	if (world->now_us < machine->slow_us)
		in_us = machine->slow_ms * UINT64_C(1000);
	else if (world_permille(world, 2))
		in_us *= 100;
	machine->syncing = machine->disk->queued;
	machine->rested = world->now_us > machine->synced_us + REST_US;
	world_due(world, DUE_SYNC, machine->id, in_us, machine->daemon_life, 0);
}

void machine_found(struct machine *machine, struct update *update)
{
	struct medium *medium = machine->medium;
	struct disk *disk = machine->disk;

	if (!medium->kind->found(medium, disk->id, update->persists, update->persists_n))
		world_fail(machine->world, "n%u: %s", machine->id, medium->why);
	update->persist_seq = 1;
	disk_submit(disk, update);
	disk_sync(disk, SIZE_MAX);
	disk->removed = false;
}

void machine_persist(struct machine *machine, struct update *update)
{
	disk_submit(machine->disk, update);
	sync_next(machine);
}

/*
 * What failed is perhaps there, and perhaps not, as a whole. The daemon ends, and systemd starts it
 * again; or power is gone.
 */
static void disk_failed(struct machine *machine, enum medium_fault fault)
{
	machine->other = disk_copy_with(machine->disk, machine->syncing);
	machine->other_lost = machine->lost;
	machine->syncing = 0;
	world_tell(machine->world, "n%u: the store has failed", machine->id);
	if (fault == MEDIUM_POWER) {
		machine_power_off(machine);
		machine_power_on(machine, machine->fault_ms);
	} else
		daemon_ends(machine, 0, MEDIUM_CLOSED, RESTART_MS);
}

/* False: the daemon is no more. */
static bool write_disk(struct machine *machine)
{
	struct medium *medium = machine->medium;
	enum medium_fault fault = medium->fault;
	enum medium_found found = medium->kind->write(medium, machine->disk, machine->syncing,
						      machine->rested);

	if (found == MEDIUM_WRONG)
		world_fail(machine->world, "n%u: %s", machine->id, medium->why);
	if (found == MEDIUM_AS_IT_IS)
		return true;
	medium->fault = MEDIUM_WELL;
	if (found == MEDIUM_FAILED)
		disk_failed(machine, fault);
	return false;
}

void machine_sync_due(struct machine *machine, uint64_t life)
{
	struct input input = { .kind = EVENT_PERSISTED };

	if (!machine->core || life != machine->daemon_life || !machine->syncing)
		return;
	if (!write_disk(machine))
		return;
	machine->synced_us = machine->world->now_us;
	input.number = disk_sync(machine->disk, machine->syncing);
	machine->syncing = 0;
	if (machine->disk->wrong)
		world_fail(machine->world, "n%u: the disk was asked for %s", machine->id,
			   machine->disk->wrong);
	truth_disk_changed(machine->world->truth, machine);
	/* The next transaction takes what has come in the meantime. */
	sync_next(machine);
	world_input(machine, &input);
}

static void forget_other(struct machine *machine)
{
	disk_free(steal_ptr(machine->other));
	machine->flipped = false;
}

bool machine_wipe(struct machine *machine)
{
	struct world *world = machine->world;
	struct disk *old = machine->disk;
	bool was_lost = machine->lost;

	assert(!machine->core);
	machine->disk = disk_new(world_new_id(world));
	machine->lost = true;
	if (!truth_survives(world->truth) || !truth_may_lose(world->truth)) {
		disk_free(machine->disk);
		machine->disk = old;
		machine->lost = was_lost;
		return false;
	}
	disk_free(old);
	forget_other(machine);
	machine->medium->kind->wipe(machine->medium);
	world_tell(world, "n%u gets an empty disk", machine->id);
	return true;
}

void machine_replace_disk(struct machine *machine)
{
	machine_power_off(machine);
	disk_free(machine->disk);
	machine->disk = disk_new(world_new_id(machine->world));
	machine->lost = false;
	forget_other(machine);
	machine->medium->kind->wipe(machine->medium);
	world_tell(machine->world, "n%u gets a new disk", machine->id);
}

bool machine_turn_back(struct machine *machine)
{
	struct world *world = machine->world;
	struct disk *old = machine->disk;
	bool was_lost = machine->lost;

	assert(!machine->core);
	/* Of two voters one alone decides, by what its disk says: with an old one nothing holds. */
	if (world->founders == 2)
		return false;
	if (!machine->copy || !truth_is_settled(world->truth, old) ||
	    !truth_knows_voters(world->truth, machine->copy))
		return false;
	machine->disk = machine->copy;
	machine->lost = true;
	if (!truth_survives(world->truth) || !truth_may_lose(world->truth)) {
		machine->disk = old;
		machine->lost = was_lost;
		return false;
	}
	machine->copy = NULL;
	disk_free(old);
	forget_other(machine);
	machine->medium->kind->turn_back(machine->medium);
	world_tell(world, "n%u gets an old copy of its disk", machine->id);
	return true;
}

bool machine_flip(struct machine *machine)
{
	struct world *world = machine->world;
	struct disk *old = machine->disk;

	assert(!machine->core);
	if (machine->other)
		return false;
	/* It may be noticed, and then nothing is left; or not, because it says nothing. */
	machine->disk = disk_new(world_new_id(world));
	machine->other_lost = machine->lost;
	machine->lost = true;
	if (!truth_survives(world->truth) || !truth_may_lose(world->truth) ||
	    !machine->medium->kind->flip(machine->medium, machine->fault_draw)) {
		disk_free(machine->disk);
		machine->disk = old;
		machine->lost = machine->other_lost;
		return false;
	}
	machine->other = old;
	machine->flipped = true;
	world_tell(world, "n%u: a bit of its disk has turned", machine->id);
	return true;
}

void machine_copy_disk(struct machine *machine)
{
	/* Which of the two would it be a copy of? */
	if (machine->other || machine->turned)
		return;
	disk_free(machine->copy);
	machine->copy = disk_copy(machine->disk);
	machine->medium->kind->copy(machine->medium);
}

bool machine_disks_known(const struct world *world)
{
	struct voters voters;

	state_voters(truth_state(world->truth), &voters);
	return voters_known(&voters);
}
