/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was found out about a guest that was not the cluster's does not hold for ever. */
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"
#include "tests/unit/story.h"
#include "tests/unit/unit.h"

enum { HOUR_MS = 3600 * 1000, HOUR_ENTRIES = 100 };

/* The lowest node whose daemon runs. */
static const struct state *state_of(struct world *world)
{
	unsigned n = 1;

	while (!world_core(world, n))
		n++;
	return core_state(world_core(world, n));
}

static Wire__Node__State node_state(struct world *world, unsigned n)
{
	return state_node(state_of(world), n)->state;
}

static size_t count(struct world *world, Wire__Table table)
{
	return state_count(state_of(world), table);
}

/* Three nodes; b runs, and n3 is proven off. */
static struct world *world_with_one_off(void)
{
	struct world *world = world_new(3);

	world_kill_node(world, 3);
	world_settle(world, 10000);
	world_add_vm(world, "b", 512);
	world_settle(world, 10000);
	STORY(world, "n1: b starts\n");
	CU_ASSERT_EQUAL(node_state(world, 3), WIRE__NODE__STATE__OFF);
	return world;
}

/* ------------------------------------------------------------------ off */

/* Its device says that it still is: so the next VM starts at once, and nothing is told twice. */
static void test_still_off(void)
{
	struct world *world = world_with_one_off();
	size_t operations = count(world, WIRE__TABLE__TABLE_OPERATION);

	world_settle(world, HOUR_MS);
	for (unsigned i = 0; i < 8; i++) {
		char name[8], expected[40];

		snprintf(name, sizeof(name), "c%u", i);
		snprintf(expected, sizeof(expected), "n2: %s starts\n", name);
		world_add_vm(world, name, 64);
		world_settle(world, 2500);
		STORY(world, expected);
	}
	CU_ASSERT_EQUAL(node_state(world, 3), WIRE__NODE__STATE__OFF);
	/* One start each; of what the device said, the last is left. */
	CU_ASSERT_EQUAL(count(world, WIRE__TABLE__TABLE_OPERATION), operations + 8);
	world_free(world);
}

/* Corosync begins at boot, clusterd after libvirt or not at all: a guest may run by then. */
static void test_off_is_on(void)
{
	struct world *world = world_with_one_off();

	world_start_node(world, 3);
	world_kill_daemon(world, 3);
	world_settle(world, HOUR_MS);
	CU_ASSERT_EQUAL(node_state(world, 3), WIRE__NODE__STATE__DAEMON_DOWN);
	world_run_by_hand(world, 3, "a", false);
	world_add_vm(world, "a", 512);
	world_settle(world, HOUR_MS);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_waits_for(world, "a", "n3 has looked"));
	world_start_daemon(world, 3);
	world_settle(world, 10000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "a", 3));
	world_free(world);
}

/* At once: before anybody has said that the node is not off any more. */
static void test_off_is_on_now(void)
{
	struct world *world = world_with_one_off();

	world_run_by_hand(world, 3, "a", false);
	world_start_node(world, 3);
	world_kill_daemon(world, 3);
	world_add_vm(world, "a", 512);
	world_settle(world, 2000);
	CU_ASSERT_EQUAL(node_state(world, 3), WIRE__NODE__STATE__OFF);
	world_settle(world, HOUR_MS);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_waits_for(world, "a", "n3 has looked"));
	world_free(world);
}

/* Who leads from now on has never seen it out of the ring: that takes longer, and is as safe. */
static void test_off_is_on_new_leader(void)
{
	struct world *world = world_with_one_off();

	world_run_by_hand(world, 3, "a", false);
	world_start_node(world, 3);
	world_kill_daemon(world, 3);
	world_kill_daemon(world, 1);
	world_start_daemon(world, 1);
	world_add_vm(world, "a", 512);
	world_settle(world, 20000);
	CU_ASSERT_EQUAL(node_state(world, 3), WIRE__NODE__STATE__OFF);
	CU_ASSERT(world_waits_for(world, "a", "n3 has looked"));
	CU_ASSERT(world_waits_for(world, "a", "is on again without clusterd"));
	world_settle(world, 60000);
	CU_ASSERT_EQUAL(node_state(world, 3), WIRE__NODE__STATE__DAEMON_DOWN);
	STORY(world, "n3: a started by hand\n");
	world_free(world);
}

/* Switched on where nobody sees it, while another node is waited for. */
static void test_off_is_on_unseen(void)
{
	struct world *world = world_with_one_off();

	world_stop_agent(world, 2);
	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	CU_ASSERT(world_waits_for(world, "a", "n2"));
	world_split(world, 4);
	world_start_node(world, 3);
	world_kill_daemon(world, 3);
	world_run_by_hand(world, 3, "a", false);
	world_start_agent(world, 2);
	world_settle(world, HOUR_MS);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_waits_for(world, "a", "n3 has looked"));
	CU_ASSERT(world_waits_for(world, "a", "no fence device says that it still is"));
	world_split(world, 0);
	world_start_daemon(world, 3);
	world_settle(world, 10000);
	CU_ASSERT(world_has(world, "a", 3));
	world_free(world);
}

/*
 * n5 has just been proven off, for a; n4 is waited for, cut off and on. Then n5 is switched on,
 * with n4's part of the network or with the others', and a is started there.
 */
static struct world *world_with_one_on_again(unsigned side)
{
	struct world *world = world_new(5);

	world_kill_node(world, 5);
	world_split(world, 8);
	world_settle(world, 10000);
	world_add_vm(world, "a", 512);
	world_settle(world, 1000);
	CU_ASSERT_EQUAL(node_state(world, 4), WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(node_state(world, 5), WIRE__NODE__STATE__OFF);
	world_split(world, 8 + side);
	world_start_node(world, 5);
	world_kill_daemon(world, 5);
	world_run_by_hand(world, 5, "a", false);
	STORY(world, "n5: a started by hand\n");
	return world;
}

static void test_off_before_others_looked(void)
{
	struct world *world = world_with_one_on_again(16);

	world_split(world, 16);
	world_settle(world, HOUR_MS);
	STORY(world, "");
	CU_ASSERT(world_waits_for(world, "a", "n5 has looked"));
	CU_ASSERT(world_waits_for(world, "a", "no fence device says that it still is"));
	world_free(world);
}

/* n4 is proven off in its turn, and nobody has yet said that n5 is not off any more. */
static void test_off_before_others_were_off(void)
{
	struct world *world = world_with_one_on_again(0);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__SettingSet set = WIRE__SETTING_SET__INIT;

	set.name = (char *)"daemon.grace_ms";
	set.value = (char *)"600000";
	command.body_case = WIRE__COMMAND__BODY_SETTING_SET;
	command.setting_set = &set;
	CU_ASSERT_STRING_EQUAL(world_ask(world, 1, &command), "");
	world_kill_node(world, 4);
	world_settle(world, 500000);
	STORY(world, "");
	CU_ASSERT_EQUAL(node_state(world, 5), WIRE__NODE__STATE__OFF);
	CU_ASSERT(world_waits_for(world, "a", "n5 (and 1 more) has looked"));
	CU_ASSERT(world_waits_for(world, "a", "is on again without clusterd"));
	world_settle(world, HOUR_MS);
	STORY(world, "");
	CU_ASSERT(world_waits_for(world, "a", "n5 (and 1 more) has looked"));
	world_free(world);
}

/* Its device cannot say any more that it is off: an administrator may. */
static void test_off_vouched(void)
{
	struct world *world = world_with_one_off();

	world_fence_fails(world, "no route to host");
	world_add_vm(world, "a", 512);
	world_settle(world, HOUR_MS);
	STORY(world, "");
	CU_ASSERT(world_waits_for(world, "a", "no fence device says that it still is"));
	CU_ASSERT(world_waits_for(world, "a", "clusterctl vm accept --not-running a"));
	world_accept(world, "a", WIRE__VM_ACCEPT__WHAT__NOT_RUNNING);
	world_settle(world, 2000);
	STORY(world, "n2: a starts\n");
	world_free(world);
}

/* ------------------------------------------------------------------ looked */

enum end { END_CLEAN, END_KILL };

/* n3 has looked; then its clusterd ends, and the guest is started there before n2 has looked. */
static void looked_long_ago(enum end end, bool reboot, uint64_t after_ms)
{
	struct world *world = world_new(3);

	world_stop_agent(world, 2);
	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	if (end == END_CLEAN)
		world_stop_daemon(world, 3);
	else
		world_kill_daemon(world, 3);
	world_settle(world, after_ms);
	if (reboot) {
		world_kill_node(world, 3);
		world_settle(world, 1000);
		world_start_node(world, 3);
		world_kill_daemon(world, 3);
	}
	world_run_by_hand(world, 3, "a", false);
	world_settle(world, after_ms);
	world_story(world);
	world_start_agent(world, 2);
	world_settle(world, HOUR_MS);
	STORY(world, "");
	CU_ASSERT(world_waits_for(world, "a", "n3 has looked"));
	world_start_daemon(world, 3);
	world_settle(world, 10000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "a", 3));
	world_free(world);
}

static void test_daemon_ended(void)
{
	for (unsigned i = 0; i < 8; i++)
		looked_long_ago(i & 1 ? END_CLEAN : END_KILL, (i & 2) != 0, i & 4 ? 5000 : 10);
}

/* clusterd on n3 is back, on the same kernel; its libvirt is not. */
static void restarted(uint64_t after_ms)
{
	struct world *world = world_new(3);

	world_stop_agent(world, 2);
	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	world_kill_daemon(world, 3);
	world_settle(world, after_ms);
	world_run_by_hand(world, 3, "a", false);
	world_start_daemon(world, 3);
	world_stop_agent(world, 3);
	world_settle(world, 5000);
	world_story(world);
	world_start_agent(world, 2);
	world_settle(world, HOUR_MS);
	STORY(world, "");
	CU_ASSERT(world_waits_for(world, "a", "n3 has looked"));
	world_start_agent(world, 3);
	world_settle(world, 10000);
	CU_ASSERT(world_has(world, "a", 3));
	world_free(world);
}

static void test_daemon_restarted(void)
{
	restarted(5000);
	restarted(0);
}

/* Stopped, perhaps for months, and asked for again: all look again. */
static void test_asked_again(void)
{
	struct world *world = world_new(3);

	world_stop_agent(world, 2);
	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	world_want(world, "a", WIRE__VM__WANTED__STOPPED);
	world_settle(world, HOUR_MS);
	world_stop_agent(world, 3);
	world_run_by_hand(world, 3, "a", false);
	world_want(world, "a", WIRE__VM__WANTED__RUNNING);
	world_start_agent(world, 2);
	world_settle(world, HOUR_MS);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_waits_for(world, "a", "n3 has looked"));
	world_start_agent(world, 3);
	world_settle(world, 10000);
	CU_ASSERT(world_has(world, "a", 3));
	world_free(world);
}

/* Whoever saved it had it: nobody has to look for it any more. */
static void test_saved(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 5000);
	world_set(world, "a", "managed", "no");
	world_settle(world, 5000);
	world_stop_agent(world, 3);
	world_set(world, "a", "managed", "yes");
	CU_ASSERT_NOT_EQUAL(world_vm(world, "a")->look, 0);
	CU_ASSERT_STRING_EQUAL(world_move(world, "a", 2, WIRE__VM_MOVE__HOW__QUICK), "");
	CU_ASSERT_NOT_EQUAL(world_vm(world, "a")->look, 0);
	world_settle(world, 20000);
	CU_ASSERT(world_has(world, "a", 2));
	world_free(world);
}

/* ------------------------------------------------------------------ growth */

static uint64_t entries_of_an_hour(struct world *world)
{
	uint64_t before = state_index(state_of(world));

	world_settle(world, HOUR_MS);
	return state_index(state_of(world)) - before;
}

/* The holder's daemon is down; the guest was moved by hand while managed=no. */
static void test_present_elsewhere(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 5000);
	world_set(world, "a", "managed", "no");
	world_settle(world, 5000);
	world_guest_dies(world, "a", WIRE__VM_REPORT__CAUSE__OUTSIDE);
	world_run_by_hand(world, 2, "a", true);
	world_kill_daemon(world, 1);
	world_settle(world, 5000);
	world_set(world, "a", "managed", "yes");
	world_settle(world, 10000);
	CU_ASSERT(entries_of_an_hour(world) < HOUR_ENTRIES);
	world_start_daemon(world, 1);
	world_settle(world, 20000);
	CU_ASSERT(world_has(world, "a", 2));
	world_free(world);
}

/* A node that left is on, says its device, and cannot be reached: asked now and then. */
static void test_asked_in_vain(void)
{
	struct world *world = world_new(3);
	size_t events;

	world_stop_daemon(world, 3);
	world_settle(world, 5000);
	world_split(world, 4);
	world_settle(world, 5000);
	world_add_vm(world, "a", 512);
	world_settle(world, HOUR_MS);
	events = count(world, WIRE__TABLE__TABLE_EVENT);
	CU_ASSERT(entries_of_an_hour(world) < HOUR_ENTRIES / 4);
	CU_ASSERT_EQUAL(count(world, WIRE__TABLE__TABLE_EVENT), events);
	/* Nobody waits for the next time: there is a new reason to ask. */
	world_kill_node(world, 3);
	world_story(world);
	world_add_vm(world, "b", 512);
	world_settle(world, 10000);
	STORY(world, "n1: a starts\nn2: b starts\n");
	world_free(world);
}

/* One that was given up waits for nobody until it is asked for. */
static void test_given_up(void)
{
	struct world *world = world_new(3);
	size_t operations;

	for (unsigned n = 1; n <= 3; n++)
		world_fail_starts(world, n, "no such file");
	world_add_vm(world, "a", 512);
	world_settle(world, HOUR_MS);
	CU_ASSERT_EQUAL(world_vm(world, "a")->phase, WIRE__VM__PHASE__FAILED);
	world_kill_node(world, 3);
	world_settle(world, 10000);
	world_set(world, "a", "managed", "no");
	world_set(world, "a", "managed", "yes");
	operations = count(world, WIRE__TABLE__TABLE_OPERATION);
	world_settle(world, HOUR_MS);
	CU_ASSERT_EQUAL(count(world, WIRE__TABLE__TABLE_OPERATION), operations);
	CU_ASSERT_EQUAL(node_state(world, 3), WIRE__NODE__STATE__LOST);
	world_free(world);
}

/*
 * The proof that n3 is off came at once, but there is no room for the guest for an hour. Then n3 is
 * switched on where nobody sees it, a is started there, and there is room again.
 */
static void test_off_and_no_room(void)
{
	struct world *world = world_with_one_off();
	char name[8];

	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		world_add_vm(world, name, 1800);
		world_settle(world, 2500);
	}
	world_add_vm(world, "a", 1800);
	world_settle(world, HOUR_MS);
	CU_ASSERT(world_waits_for(world, "a", "no node can take a"));
	world_split(world, 4);
	world_start_node(world, 3);
	world_kill_daemon(world, 3);
	world_run_by_hand(world, 3, "a", false);
	world_settle(world, HOUR_MS);
	world_story(world);
	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		world_want(world, name, WIRE__VM__WANTED__STOPPED);
	}
	world_settle(world, HOUR_MS);
	CU_ASSERT_PTR_NULL(strstr(world_story(world), "a starts"));
	CU_ASSERT(world_waits_for(world, "a", "no fence device says that it still is"));
	/* And once it is off again, a starts. */
	world_kill_node(world, 3);
	world_settle(world, HOUR_MS);
	CU_ASSERT_NOT_EQUAL(world_runs(world, "a"), 0);
	world_free(world);
}

/*
 * n2 has looked. Its clusterd restarts, and the guest is started there while it is away. All others
 * have looked; the new clusterd is READY before it has reported.
 */
static void test_word_of_the_last_daemon(void)
{
	struct world *world = world_new(3);

	world_sync_together(world);
	world_stop_agent(world, 3);
	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	world_kill_daemon(world, 2);
	world_settle(world, 500);
	world_run_by_hand(world, 2, "a", false);
	world_start_agent(world, 3);
	world_settle(world, 2000);
	STORY(world, "n2: a started by hand\n");
	world_start_daemon(world, 2);
	world_settle(world, 10000);
	CU_ASSERT(world_has(world, "a", 2));
	STORY(world, "");
	world_free(world);
}

/*
 * It was given to n1, which had not begun to start it when it was set managed=no. Whoever started
 * it elsewhere meanwhile did so with every right.
 */
static void test_given_before(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_want(world, "a", WIRE__VM__WANTED__STOPPED);
	world_settle(world, 10000);
	world_story(world);
	CU_ASSERT_EQUAL(world_vm(world, "a")->phase, WIRE__VM__PHASE__OFF);
	world_want(world, "a", WIRE__VM__WANTED__RUNNING);
	while (world_vm(world, "a")->phase != WIRE__VM__PHASE__STARTING)
		world_tick(world);
	CU_ASSERT_EQUAL(world_vm(world, "a")->owner, 1);
	world_stop_agent(world, 1);
	world_set(world, "a", "managed", "no");
	world_settle(world, 5000);
	STORY(world, "");
	world_run_by_hand(world, 2, "a", false);
	world_start_agent(world, 1);
	world_settle(world, 5000);
	world_set(world, "a", "managed", "yes");
	world_settle(world, 60000);
	STORY(world, "n2: a started by hand\n");
	CU_ASSERT(world_has(world, "a", 2));
	world_free(world);
}

/*
 * n1 leads, and runs no VMs, not even a libvirt. While it is cut off, n4 is proven off for a VM
 * that has no room. When n1 leads again, it sees that proof for the first time, an hour old.
 */
static void test_off_by_another_leader(void)
{
	struct world *world = world_new_led_by_witness(4);
	char name[8];

	world_stop_agent(world, 1);
	world_kill_node(world, 4);
	world_settle(world, 10000);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		world_add_vm(world, name, 1800);
		world_settle(world, 2500);
	}
	world_split(world, 1);
	world_settle(world, 10000);
	world_add_vm(world, "a", 1800);
	world_settle(world, HOUR_MS);
	CU_ASSERT(world_waits_for(world, "a", "no node can take a"));
	world_split(world, 8);
	world_start_node(world, 4);
	world_kill_daemon(world, 4);
	world_run_by_hand(world, 4, "a", false);
	world_settle(world, 1000);
	world_want(world, "c0", WIRE__VM__WANTED__STOPPED);
	world_story(world);
	world_settle(world, HOUR_MS);
	STORY(world, "n2: c0 shut down\n");
	CU_ASSERT(world_waits_for(world, "a", "no fence device says that it still is"));
	world_free(world);
}

/* The same, but it runs where it was given to, and somebody has paused it there. */
static void test_paused_before(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	world_want(world, "a", WIRE__VM__WANTED__STOPPED);
	world_settle(world, 10000);
	world_want(world, "a", WIRE__VM__WANTED__RUNNING);
	while (world_vm(world, "a")->phase != WIRE__VM__PHASE__STARTING)
		world_tick(world);
	CU_ASSERT_EQUAL(world_vm(world, "a")->owner, 1);
	world_stop_agent(world, 1);
	world_set(world, "a", "managed", "no");
	world_settle(world, 5000);
	world_start_agent(world, 1);
	world_settle(world, 5000);
	world_run_by_hand(world, 1, "a", true);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_vm(world, "a")->phase, WIRE__VM__PHASE__RUN);
	world_pause_by_hand(world, 1, "a");
	world_settle(world, 5000);
	world_story(world);
	world_set(world, "a", "managed", "yes");
	world_settle(world, 60000);
	STORY(world, "");
	CU_ASSERT_EQUAL(world_vm(world, "a")->phase, WIRE__VM__PHASE__RUN);
	CU_ASSERT_EQUAL(world_vm(world, "a")->seen, WIRE__VM__SEEN__SUSPENDED);
	CU_ASSERT_EQUAL(world_vm(world, "a")->look, 0);
	world_free(world);
}

UNIT_MAIN("core/look_stale", { "off_and_no_room", test_off_and_no_room },
	  { "given_before", test_given_before }, { "paused_before", test_paused_before },
	  { "off_by_another_leader", test_off_by_another_leader },
	  { "word_of_the_last_daemon", test_word_of_the_last_daemon },
	  { "still_off", test_still_off }, { "off_is_on", test_off_is_on },
	  { "off_is_on_now", test_off_is_on_now },
	  { "off_is_on_new_leader", test_off_is_on_new_leader },
	  { "off_is_on_unseen", test_off_is_on_unseen },
	  { "off_before_others_looked", test_off_before_others_looked },
	  { "off_before_others_were_off", test_off_before_others_were_off },
	  { "off_vouched", test_off_vouched },
	  { "daemon_ended", test_daemon_ended }, { "daemon_restarted", test_daemon_restarted },
	  { "asked_again", test_asked_again }, { "saved", test_saved },
	  { "present_elsewhere", test_present_elsewhere },
	  { "asked_in_vain", test_asked_in_vain }, { "given_up", test_given_up })
