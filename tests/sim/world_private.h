/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_WORLD_PRIVATE_H
#define TESTS_SIM_WORLD_PRIVATE_H

/*
 * What the files of a world share:
 *
 *	world.c		what is due, one thing after the other; the daemon's side of it
 *	world_begin.c	how a world begins
 *	world_faults.c	what is done to it
 *	world_heal.c	how it heals
 *	machine.c	power, daemons, agents, clocks, disks
 *	machine_memory.c	what does not keep what was put there
 *	medium*.c	what a disk is kept in
 *	net.c		who reaches whom, and when Corosync finds out
 *	host*.c		libvirt, QEMU and the vm agent of a node (host_private.h)
 *	bmc.c		power devices
 *	admin*.c	administrators (admin_private.h)
 *	truth*.c	what must hold after every event
 */

#include "clusterd/core/core.h"
#include "tests/sim/bmc.h"
#include "tests/sim/disk.h"
#include "tests/sim/evs.h"
#include "tests/sim/host.h"
#include "tests/sim/medium.h"
#include "tests/sim/queue.h"
#include "tests/sim/truth.h"
#include "tests/sim/version.h"
#include "tests/sim/world.h"

/* Something for a daemon that stands still: it is taken when it goes on. */
struct input {
	enum event_kind kind;
	struct evs_message *message;
	uint64_t members, ring;
	bool ring_only;
	uint64_t number;		/* PERSISTED: which batch; AGENT_REPLY: which ask */
	ProtobufCMessage *body;		/* AGENT_NEWS, AGENT_REPLY, CLIENT; owned */
};

struct machine {
	struct world *world;
	uint32_t id;

	bool power;
	uint64_t on_us;			/* since when */
	uint64_t power_life;		/* changes whenever power goes or comes */
	uint32_t boots;
	char boot_id[40];
	uint64_t booted_us, clock_ms;	/* its clock showed that then: at its boot 1 */
	uint32_t rate;			/* of that clock: millionths of a second in a second */
	int64_t wall_ms;		/* of its wall clock, against the true one */
	uint64_t frozen_us;		/* the daemon stands still until then */
	uint64_t suspended_us;		/* and so does everything else here */
	uint64_t ringless_us;		/* its Corosync does not run until then */

	const struct version *version;	/* that is installed */
	const struct version *runs;	/* of the daemon */
	struct core *core;		/* NULL: the daemon does not run */
	uint64_t daemon_life;
	uint64_t tick_us;		/* the tick that is due; 0 = none */
	uint64_t deadline_ms;
	uint64_t freed_ms;		/* when its last daemon ended */
	struct input *inbox;
	size_t inbox_n, inbox_cap;
	bool leaving;

	struct disk *disk, *copy;
	struct medium *medium;		/* which has to hold what the disk holds */
	struct disk *other;		/* what may be there instead of the disk; NULL: nothing */
	bool other_lost;		/* what `lost` is then */
	bool flipped;			/* a bit of it: the daemon may find it damaged */
	uint64_t fault_ms, fault_draw;	/* of the next fault of the medium */
	uint64_t synced_us;
	bool rested;			/* nothing was written for a while, before what is now */
	bool lost;			/* it was lost, or turned back, and is not up to date yet */
	uint64_t turn_draw;		/* a bit of a record is to turn in its memory; 0: none is */
	bool turned;			/* one has, and its state is not that of the others */
	uint64_t turned_epoch;		/* of the history, in that epoch: it may act there */
	uint64_t spoil_draw;		/* so is one of the next snapshot that it sends */
	bool spare;			/* it was never switched on */
	size_t syncing;			/* batches that are being synced */
	uint64_t sync_us, slow_us;	/* how long that takes; until when it takes slow_ms */
	uint32_t slow_ms;

	uint32_t side;			/* of the network */
	bool stalled;			/* the token is lost: nobody there can send */
	uint64_t told_ring, ring_us;	/* since when it is that */
	uint64_t lag_us, lag_until_us;	/* messages reach it that much later, until then */
	uint64_t next_delivery_us;
	bool ghost;

	struct host *host;
	bool agent;
	uint64_t agent_life;
};

struct world {
	struct world_config config;
	struct rng rng;			/* for everything but the list of faults */
	uint64_t now_us;
	uint64_t last_id;
	struct queue queue;
	uint32_t nodes, founders, voters;	/* machines; of these, nodes at the beginning */
	struct machine machines[WORLD_NODES + 1];	/* by node; 0 is nobody */
	struct evs *evs;
	uint64_t regroup_us;		/* when views change next; 0 = they do not */
	uint32_t storm_n;
	uint64_t storm_ms;
	uint32_t lose;			/* per mille of messages */
	uint64_t lose_until_us;
	struct bmc *bmc;
	struct admin *admin;
	struct truth *truth;
	const struct fault_source *faults;
	size_t fault_next;
	struct fault fault;		/* the one that is due next */
	bool faulty;			/* there is one */
	uint64_t digest;
	uint64_t turned_us;		/* when a state that differs so was seen last */
	bool hopeless;			/* too many have such: nobody knows the right one */
	bool healed;			/* no chance of failures any more */
	uint64_t log_keep;		/* entries that logs keep; 0: as the daemon has it */
	uint32_t place_us, sync_us, job_ms;	/* how fast things are here */
	struct world_counts counts;
	char wrong[512];
};

/* ---------------------------------------------------------------- world.c */

void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of the story, if one is told. */
void world_tell(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t world_new_id(struct world *world);
/* In so many microseconds. */
void world_due(struct world *world, enum due_kind kind, uint32_t node, uint64_t in_us,
	       uint64_t life, uint64_t number);
/* One that is at least low and below high. */
uint64_t world_some(struct world *world, uint64_t low, uint64_t high);
static inline bool world_permille(struct world *world, uint32_t n)
{
	return !world->healed && rng_permille(&world->rng, n);
}
/* Takes over what is in it. A daemon that does not run never gets it. */
void world_input(struct machine *machine, struct input *input);
/* What waited for a daemon that stood still. */
void world_thaw(struct machine *machine);
void input_free(struct input *input);
bool world_step(struct world *world);
/* Steps until that time, or something is wrong. */
void world_until(struct world *world, uint64_t until_us);

/* ---------------------------------------------------------------- world_faults.c */

void world_fault_due(struct world *world);
void world_next_fault(struct world *world);
/* Each node is apart from those that are not in the same of these sets, or in the same none. */
void world_split(struct world *world, uint64_t a, uint64_t b);

/* ---------------------------------------------------------------- machine.c */

void machine_init(struct world *world, uint32_t id);
void machine_free(struct machine *machine);
/* Of its own clock. */
uint64_t machine_boot_ms(const struct machine *machine);
uint64_t machine_wall_ms(const struct machine *machine);
/* How long until its clock shows that; 0 if it does already. */
uint64_t machine_us_until(const struct machine *machine, uint64_t boot_ms);
bool machine_frozen(const struct machine *machine);
void machine_power_off(struct machine *machine);
void machine_power_on(struct machine *machine, uint64_t in_ms);
void machine_power_due(struct machine *machine, uint64_t life);
void machine_daemon_due(struct machine *machine, uint64_t life);
void machine_agent_due(struct machine *machine, uint64_t life);
/* The daemon's process ends at once, and is started again after that time. */
void machine_kill_daemon(struct machine *machine, uint64_t again_ms);
void machine_kill_agent(struct machine *machine, uint64_t again_ms);
/* The daemon ends by itself, for that reason. */
void machine_daemon_left(struct machine *machine, enum leave leave, const char *why);
/* The first entry is written, before any daemon runs. */
void machine_found(struct machine *machine, struct update *update);
void machine_persist(struct machine *machine, struct update *update);
void machine_sync_due(struct machine *machine, uint64_t life);
/* Only if what was committed survives that; false: nothing was done. Its power is off. */
bool machine_wipe(struct machine *machine);
bool machine_turn_back(struct machine *machine);
bool machine_flip(struct machine *machine);
void machine_copy_disk(struct machine *machine);
/* Its power is off then, and it has an empty disk, whatever was on the one it had. */
void machine_replace_disk(struct machine *machine);
/* Each voter's disk is on record: before that, an empty one may be new or lost. */
bool machine_disks_known(const struct world *world);
/* Its next daemon is of that one; one of another ends as when a package is installed. */
void machine_install(struct machine *machine, const struct version *version, uint64_t for_ms);
/* Does its daemon not know the cluster's feature level? */
bool machine_is_too_old(const struct machine *machine);
/* A bit is to turn in its state, and does when it may; and in a frame that it sends. */
void machine_turn(struct machine *machine);
void machine_spoil(struct machine *machine, struct buf *frame);
/* Its clock goes on from what it shows, at that rate. */
void machine_set_rate(struct machine *machine, uint32_t rate);

/* ---------------------------------------------------------------- net.c */

void net_init(struct world *world);
/* Messages of an update. */
void net_send(struct machine *machine, struct update *update);
void net_place_due(struct machine *machine, uint64_t life);
void net_deliver_due(struct machine *machine, uint64_t life);
/* Who is there has changed: Corosync finds out after that time, if not before. */
void net_changed(struct world *world, uint64_t in_us);
/* The same, and until then the token is lost for all on that machine's side. */
void net_broken(struct machine *machine);
void net_regroup_due(struct world *world);
bool net_reaches(const struct world *world, uint32_t a, uint32_t b);
uint64_t net_members(const struct world *world, uint32_t node);

/* ---------------------------------------------------------------- admin.c */

struct admin *admin_new(struct world *world);
void admin_free(struct admin *admin);
/* Asks for something at random, at that node. */
void admin_ask(struct world *world, uint32_t node, uint64_t draw);
void admin_answer(struct world *world, uint32_t node, uint64_t tag, const Wire__Verdict *verdict);
void admin_due(struct world *world, uint64_t number, uint64_t turn);
/* Adds, changes, removes a node, as the numbers of its fault say. */
void admin_add_node(struct world *world, uint32_t id, uint64_t draw);
void admin_change_node(struct world *world, uint32_t id, uint64_t draw);
void admin_remove_node(struct world *world, uint32_t id, uint64_t patience_ms, uint64_t how);
void admin_removal_due(struct world *world, uint32_t id);
/* Takes a guest from the cluster for so long, and runs it on that node. */
void admin_lend(struct world *world, uint32_t node, const Wire__Vm *vm, uint64_t for_ms);
void admin_loan_due(struct world *world, uint64_t number);
/* Raises the feature level, or asks for what only a higher one knows. */
void admin_upgrade(struct world *world, uint32_t node, uint64_t draw);
/* A daemon is gone, and with it what it was to answer. */
void admin_daemon_gone(struct world *world, uint32_t node);
/* Asks for what a cluster needs to begin with: devices, a volume, guests. */
void admin_furnish(struct world *world);
/* What is not done yet, nobody wants any more. */
void admin_give_up(struct world *world);
/* Asks for what is so already: an entry more. */
void admin_touch(struct world *world);
/* After all faults: every guest is to run, or to be off if nobody wants it. False: not yet. */
bool admin_restore(struct world *world);

#endif
