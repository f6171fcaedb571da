/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TRACE_WORLD_H
#define TESTS_TRACE_WORLD_H

/*
 * A world is a small cluster in one process for trace tests: several real cores, and around
 * them a group that orders messages, disks that keep what was synced, hypervisors that run
 * guests and power switches. Time passes only when nothing else is left to do. What happens
 * outside of the cores is written down, line by line, and compared with the expected story.
 *
 * After every event the world checks what must never happen: two nodes running one VM, a
 * node running what it may not hold, an image to be removed that a record names, two states that
 * differ at one index.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clusterd/core/core.h"
#include "tests/trace/build.h"

enum { WORLD_NODES = 7 };

struct world;

/*
 * n nodes n1..nN; voters: the first 3 or 5, or both of two, whose devices were tested. A cluster
 * has begun and an epoch is open.
 */
struct world *world_new(unsigned nodes);
/* The same, with n1 a witness. */
struct world *world_new_led_by_witness(unsigned nodes);
void world_free(struct world *world);

/* What happened so far; emptied by asking. The text is good until the next call. */
const char *world_story(struct world *world);
/* How many events have this in their text, as that node has them. */
size_t world_events(struct world *world, unsigned node, const char *text);
/* Lets everything happen that is due, then time pass, until nothing changes for idle_ms. */
void world_settle(struct world *world, uint64_t idle_ms);
/* One thing happens; false when nothing is due now. For tests that stop in the middle. */
bool world_step(struct world *world);
/* One step; if there is nothing to do, time passes until there is. */
void world_tick(struct world *world);
/* Steps until the story contains the text; false if that never came. */
bool world_until(struct world *world, const char *text);

/* All disks are equally fast: what is due on each is synced before the next frame. */
void world_sync_together(struct world *world);

/* Until then, from now, nothing that is sent reaches the node; then all of it does. */
void world_lag(struct world *world, unsigned node, uint64_t for_ms);

/* Another version is installed: the node's next daemon is of it. All begin with build_this. */
void world_install(struct world *world, unsigned node, const struct build *build);

/* The plug, the daemon, the agent, the network. */
void world_kill_node(struct world *world, unsigned node);
void world_start_node(struct world *world, unsigned node);
void world_kill_daemon(struct world *world, unsigned node);
void world_start_daemon(struct world *world, unsigned node);
void world_kill_agent(struct world *world, unsigned node);
/* It answers what it is asked, and tells nothing by itself. */
void world_silence_agent(struct world *world, unsigned node, bool yes);
void world_stop_agent(struct world *world, unsigned node);	/* libvirt and all */
void world_start_agent(struct world *world, unsigned node);
void world_stop_daemon(struct world *world, unsigned node);	/* SIGTERM */
/* Bit n-1 = node n: these on one side, the others on the other; 0 heals. */
void world_split(struct world *world, unsigned side);
void world_scatter(struct world *world);	/* every node on a side of its own */

/* A record of the node's state turns into another one, in memory, behind its core's back. */
void world_spoil(struct world *world, unsigned node);
/* A copy is made of a node's disk; later, while its daemon is down, the copy takes its place. */
void world_copy_disk(struct world *world, unsigned node);
void world_turn_back_disk(struct world *world, unsigned node);
/* While its daemon is down, the node gets a new, empty disk. */
void world_new_disk(struct world *world, unsigned node);
/*
 * Its daemon is down: it is made the only voter of a new cluster (clusterd/core/force.h). What runs
 * anywhere is none of that one's until it takes it over. restore: it gets another disk, that is as
 * the copy of its disk was. What refused it, or "".
 */
const char *world_force(struct world *world, unsigned node, bool restore);
/* The node's history is another one than that of the others: their states are not compared. */
void world_expect_other_state(struct world *world, unsigned node);

/* What the hypervisors do when asked. */
void world_fail_starts(struct world *world, unsigned node, const char *why);	/* NULL: works */
void world_fail_moves(struct world *world, const char *why);
void world_fail_saves(struct world *world, const char *why);
void world_fail_restores(struct world *world, unsigned node, const char *why);
void world_fail_drops(struct world *world, unsigned node, const char *why);
/* Saves have no result in time and go on until they are called off, or end late after all. */
void world_save_slowly(struct world *world, bool yes);
void world_save_ends(struct world *world, const char *vm);
bool world_is_saving(struct world *world, const char *vm);
/* What the node has mounted in the volume's place is something else. */
void world_lose_volume(struct world *world, unsigned node, bool yes);
/* How many images of guests there are on the volume. */
size_t world_images(const struct world *world);
void world_fence_fails(struct world *world, const char *why);
/* The node's device switches another machine, which is off. */
void world_miswire(struct world *world, unsigned node, bool yes);
/*
 * Somebody starts a guest with other tools; before it is the cluster's, or while it is not.
 * marked: with the cluster's mark, as after a virsh migrate.
 */
void world_run_by_hand(struct world *world, unsigned node, const char *vm, bool marked);
void world_pause_by_hand(struct world *world, unsigned node, const char *vm);
/* A guest ends by itself. */
void world_guest_dies(struct world *world, const char *vm, Wire__VmReport__Cause cause);
/* What is there of it on that node ends, whether it runs or not. */
void world_copy_ends(struct world *world, const char *vm, unsigned node,
		     Wire__VmReport__Cause cause);

/*
 * An administrator at a node. The verdict's text, "" if it was carried out without a word;
 * something else if the node's daemon ends before.
 */
const char *world_ask(struct world *world, unsigned node, Wire__Command *command);
/* Shorthand for the usual ones. */
const char *world_add_vm(struct world *world, const char *name, unsigned memory_mib);
const char *world_remove_vm(struct world *world, const char *vm);
const char *world_set(struct world *world, const char *vm, const char *key, const char *value);
const char *world_accept(struct world *world, const char *vm, Wire__VmAccept__What what);
const char *world_want(struct world *world, const char *vm, Wire__Vm__Wanted wanted);
const char *world_move(struct world *world, const char *vm, unsigned to, Wire__VmMove__How how);

/* The node that runs the VM, 0 if none; the record as the lowest live node has it. */
unsigned world_runs(struct world *world, const char *vm);
const Wire__Vm *world_vm(struct world *world, const char *vm);
/* It runs on that node and can be nowhere else. */
bool world_has(struct world *world, const char *vm, unsigned node);
/* It is off, for a reason with that text; if not, says what is. */
bool world_waits_for(struct world *world, const char *vm, const char *text);
const struct core *world_core(struct world *world, unsigned node);	/* NULL: no daemon */
bool world_has_power(const struct world *world, unsigned node);
uint64_t world_now(struct world *world);

#endif
