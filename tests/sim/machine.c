/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power, daemons, agents, clocks, disks. */
#include "tests/sim/world_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

enum {
	WALL_2026 = 1767225600,		/* s */
	BOOT_MS = 5000,			/* a machine takes so long, at least */
	RESTART_MS = 100,		/* so does systemd, after a daemon ended */
};

void machine_init(struct world *world, uint32_t id)
{
	struct machine *machine = &world->machines[id];

	machine->world = world;
	machine->id = id;
	machine->rate = 1000000;
	machine->disk = disk_new(world_new_id(world));
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
	core_free(machine->core);
	empty_inbox(machine);
	free(machine->inbox);
	disk_free(machine->disk);
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

/* ---------------------------------------------------------------- power */

void machine_power_off(struct machine *machine)
{
	struct world *world = machine->world;

	if (!machine->power)
		return;
	machine_kill_daemon(machine, 0);
	machine->power = false;
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
	machine->booted_us = world->now_us;
	machine->clock_ms = 1;
	snprintf(machine->boot_id, sizeof(machine->boot_id), "boot-%u-%u", machine->id,
		 ++machine->boots);
	world_tell(world, "n%u has power", machine->id);
	net_changed(world, world_some(world, 1000000, 3000000));
	world_due(world, DUE_DAEMON, machine->id, world_some(world, BOOT_MS, 4 * BOOT_MS) * 1000,
		  machine->daemon_life, 0);
}

/* ---------------------------------------------------------------- daemons */

static void load(struct machine *machine)
{
	const struct disk *disk = machine->disk;
	const struct disk_entry *entry;
	struct core *core = machine->core;
	int r = 0;

	core_load_promise(core, disk->promised);
	core_load_applied(core, disk->applied, disk->applied_epoch);
	for (uint32_t table = 0; table < DISK_TABLES; table++)
		for (size_t i = 0; i < idmap_count(&disk->records[table]); i++) {
			uint64_t id;
			const struct buf *record = idmap_at(&disk->records[table], i, &id);

			r |= core_load_record(core, table, id, record->data, record->len);
		}
	idmap_each(&disk->log, i, entry)
		r |= core_load_entry(core, entry->index, entry->epoch, entry->command.data,
				     entry->command.len);
	r |= core_load_done(core);
	if (r < 0)
		world_fail(machine->world, "n%u: what its disk holds does not fit together",
			   machine->id);
}

void machine_daemon_due(struct machine *machine, uint64_t life)
{
	struct world *world = machine->world;
	struct core_config config;

	if (!machine->power || machine->core || life != machine->daemon_life)
		return;
	config = (struct core_config){
		.node = machine->id,
		.boot_id = world_new_id(world),
		.disk_id = machine->disk->id,
		.kernel_boot_id = machine->boot_id,
		.random = rng_next(&world->rng),
		.eager = world->config.eager,
	};
	machine->core = core_new(&config);
	machine->daemon_life++;
	machine->deadline_ms = machine->tick_us = machine->told_ring = 0;
	machine->leaving = false;
	load(machine);
	if (world->wrong[0])
		return;
	world_tell(world, "n%u: daemon begins", machine->id);
	truth_daemon_started(world->truth, machine);
	evs_start(world->evs, machine->id);
	net_changed(world, world_some(world, 5000, 300000));
	world_due(world, DUE_AGENT, machine->id, world_some(world, 50000, 500000),
		  machine->daemon_life, 0);
}

static void daemon_ends(struct machine *machine, size_t durable, uint64_t again_ms)
{
	struct world *world = machine->world;

	machine_kill_agent(machine, 0);
	bmc_daemon_gone(world->bmc, machine->id);
	admin_daemon_gone(world, machine->id);
	evs_crash(world->evs, machine->id);
	disk_sync(machine->disk, durable);
	truth_disk_changed(world->truth, machine);
	disk_crash(machine->disk);
	machine->syncing = 0;
	empty_inbox(machine);
	core_free(steal_ptr(machine->core));
	machine->daemon_life++;
	machine->tick_us = machine->deadline_ms = 0;
	machine->frozen_us = 0;
	net_changed(world, world_some(world, 2500, 60000));
	if (again_ms)
		world_due(world, DUE_DAEMON, machine->id, again_ms * 1000, machine->daemon_life,
			  0);
}

void machine_kill_daemon(struct machine *machine, uint64_t again_ms)
{
	if (!machine->core)
		return;
	world_tell(machine->world, "n%u: daemon killed", machine->id);
	/* One transaction after the other; the one under way may just have made it. */
	daemon_ends(machine, rng_below(&machine->world->rng, (uint32_t)machine->syncing + 1),
		    again_ms);
}

void machine_daemon_left(struct machine *machine, enum leave leave, const char *why)
{
	struct world *world = machine->world;
	bool back = !machine->leaving;

	world_tell(world, "n%u: daemon ends: %s", machine->id, why);
	if (leave == LEAVE_CLEAN)
		daemon_ends(machine, SIZE_MAX, machine->freed_ms);
	else
		daemon_ends(machine, leave == LEAVE_DAMAGED ? 0 : SIZE_MAX,
			    back ? RESTART_MS : machine->freed_ms);
	machine->leaving = false;
	if (leave != LEAVE_DAMAGED)
		return;
	machine->lost = true;
	disk_free(machine->disk);
	machine->disk = disk_new(world_new_id(world));
	truth_disk_changed(world->truth, machine);
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
	world_due(world, DUE_SYNC, machine->id, in_us, machine->daemon_life, 0);
}

void machine_persist(struct machine *machine, struct update *update)
{
	disk_submit(machine->disk, update);
	sync_next(machine);
}

void machine_sync_due(struct machine *machine, uint64_t life)
{
	struct input input = { .kind = EVENT_PERSISTED };

	if (!machine->core || life != machine->daemon_life || !machine->syncing)
		return;
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

bool machine_wipe(struct machine *machine)
{
	struct world *world = machine->world;
	struct disk *old = machine->disk;
	bool was_lost = machine->lost;

	assert(!machine->core);
	machine->disk = disk_new(world_new_id(world));
	machine->lost = true;
	if (!truth_survives(world->truth)) {
		disk_free(machine->disk);
		machine->disk = old;
		machine->lost = was_lost;
		return false;
	}
	disk_free(old);
	world_tell(world, "n%u gets an empty disk", machine->id);
	return true;
}

bool machine_turn_back(struct machine *machine)
{
	struct world *world = machine->world;
	struct disk *old = machine->disk;
	bool was_lost = machine->lost;

	assert(!machine->core);
	if (!machine->copy || !truth_is_settled(world->truth, old))
		return false;
	machine->disk = machine->copy;
	machine->lost = true;
	if (!truth_survives(world->truth)) {
		machine->disk = old;
		machine->lost = was_lost;
		return false;
	}
	machine->copy = NULL;
	disk_free(old);
	world_tell(world, "n%u gets an old copy of its disk", machine->id);
	return true;
}

void machine_copy_disk(struct machine *machine)
{
	disk_free(machine->copy);
	machine->copy = disk_copy(machine->disk);
}

bool machine_disks_known(const struct world *world)
{
	struct voters voters;

	state_voters(truth_state(world->truth), &voters);
	return voters_known(&voters);
}
