/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that was not the cluster's may run somewhere already: stories of how that is found. */
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"
#include "tests/unit/story.h"
#include "tests/unit/unit.h"

#define WAITING WIRE__VM_ACCEPT__WHAT__WAITING
#define CHANGED WIRE__VM_ACCEPT__WHAT__CHANGED
#define NOT_RUNNING WIRE__VM_ACCEPT__WHAT__NOT_RUNNING

/* Longer than any patience. */
enum { LONG_MS = 3600 * 1000, STEPS_MAX = 400 };

static const Wire__Operation *last_op(struct world *world)
{
	const struct state *state = core_state(world_core(world, 1));

	return state_at(state, WIRE__TABLE__TABLE_OPERATION,
			state_count(state, WIRE__TABLE__TABLE_OPERATION) - 1);
}

/* Wherever it is looked for and is not, nothing is waited for. */
static void test_nowhere(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 500);
	STORY(world, "n1: a starts\n");
	CU_ASSERT_EQUAL(world_vm(world, "a")->look, 0);
	world_free(world);
}

static void test_runs_there(void)
{
	struct world *world = world_new(3);

	world_run_by_hand(world, 3, "a", false);
	world_add_vm(world, "a", 512);
	world_settle(world, 5000);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_has(world, "a", 3));
	CU_ASSERT_EQUAL(last_op(world)->outcome, WIRE__OPERATION__OUTCOME__DONE);
	world_free(world);
}

/* The one node that has it cannot say so. However long that takes, it is started nowhere. */
static void test_agent_down(void)
{
	struct world *world = world_new(3);

	world_run_by_hand(world, 3, "a", false);
	world_stop_agent(world, 3);
	world_add_vm(world, "a", 512);
	world_settle(world, LONG_MS);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_waits_for(world, "a",
				  "waits until n3 has looked whether it runs there already"));
	CU_ASSERT(world_waits_for(world, "a", "the vm agent is being restarted"));
	CU_ASSERT_EQUAL(last_op(world)->outcome, WIRE__OPERATION__OUTCOME__FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_op(world)->text, "waits until n3"));
	/* Asked for again: it is told again, and nothing starts. */
	world_want(world, "a", WIRE__VM__WANTED__RUNNING);
	world_settle(world, 10000);
	CU_ASSERT_EQUAL(last_op(world)->kind, WIRE__OPERATION__KIND__START);
	CU_ASSERT_EQUAL(last_op(world)->outcome, WIRE__OPERATION__OUTCOME__FAILED);
	world_start_agent(world, 3);
	world_settle(world, 5000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "a", 3));
	CU_ASSERT_STRING_EQUAL(world_vm(world, "a")->detail, "");
	world_free(world);
}

static void test_agent_back(void)
{
	struct world *world = world_new(3);

	world_stop_agent(world, 3);
	world_add_vm(world, "a", 512);
	world_settle(world, LONG_MS);
	STORY(world, "");
	world_start_agent(world, 3);
	world_settle(world, 2000);
	STORY(world, "n1: a starts\n");
	world_free(world);
}

static void test_daemon_down(void)
{
	struct world *world = world_new(3);

	world_kill_daemon(world, 3);
	world_settle(world, 10000);
	world_add_vm(world, "a", 512);
	world_settle(world, LONG_MS);
	STORY(world, "");
	CU_ASSERT(world_waits_for(world, "a", "n3 has looked"));
	CU_ASSERT(world_waits_for(world, "a", "its clusterd does not run, start it"));
	world_start_daemon(world, 3);
	world_settle(world, 2000);
	STORY(world, "n1: a starts\n");
	world_free(world);
}

/* A node that is off runs nothing, and its device can say so; nobody cuts its power for it. */
static void test_off(void)
{
	struct world *world = world_new(3);

	world_kill_node(world, 3);
	world_settle(world, 10000);
	CU_ASSERT_EQUAL(state_node(core_state(world_core(world, 1)), 3)->state,
			WIRE__NODE__STATE__LOST);
	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	STORY(world, "n1: a starts\n");
	CU_ASSERT_EQUAL(state_node(core_state(world_core(world, 1)), 3)->state,
			WIRE__NODE__STATE__OFF);
	world_free(world);
}

static void test_left_and_off(void)
{
	struct world *world = world_new(3);

	world_stop_daemon(world, 3);
	world_settle(world, 5000);
	world_kill_node(world, 3);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(state_node(core_state(world_core(world, 1)), 3)->state,
			WIRE__NODE__STATE__LEFT);
	world_story(world);
	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	STORY(world, "n1: a starts\n");
	world_free(world);
}

/* Cut off and alive: its device says that it is on, so it is waited for, and left on. */
static void test_cut_off(void)
{
	struct world *world = world_new(3);

	world_run_by_hand(world, 3, "a", false);
	world_split(world, 4);
	world_settle(world, 10000);
	world_add_vm(world, "a", 512);
	world_settle(world, LONG_MS);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_waits_for(world, "a", "is lost"));
	world_split(world, 0);
	world_settle(world, 20000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "a", 3));
	world_free(world);
}

/* Nothing can be found out: an administrator's word is taken for what it is. */
static void test_vouched(void)
{
	struct world *world = world_new(3);

	CU_ASSERT_PTR_NOT_NULL(strstr(world_accept(world, "a", WAITING), "there is no VM"));
	world_kill_node(world, 3);
	world_fence_fails(world, "no route to host");
	world_settle(world, 10000);
	world_add_vm(world, "a", 512);
	world_settle(world, LONG_MS);
	STORY(world, "");
	CU_ASSERT(world_waits_for(world, "a", "clusterctl vm accept --not-running a"));
	CU_ASSERT_STRING_EQUAL(world_accept(world, "a", CHANGED),
			       "nothing that was changed about a waits to be accepted");
	CU_ASSERT_STRING_EQUAL(world_accept(world, "a", WAITING),
			       "a: taken not to run on n3, where nobody has looked");
	world_settle(world, 2000);
	STORY(world, "n1: a starts\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(world_accept(world, "a", WAITING), "nothing about a waits"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(world_accept(world, "a", NOT_RUNNING), "waits for no node"));
	world_free(world);
}

/* A node that boots has to look as well: libvirt may have started guests before clusterd. */
static void test_boots_meanwhile(void)
{
	struct world *world = world_new(3);

	world_stop_agent(world, 2);
	world_add_vm(world, "a", 512);
	world_settle(world, 10000);
	CU_ASSERT(world_waits_for(world, "a", "waits until n2 has"));
	world_kill_node(world, 3);
	world_settle(world, 10000);
	world_run_by_hand(world, 3, "a", false);
	world_start_node(world, 3);
	world_stop_agent(world, 3);
	world_settle(world, 10000);
	world_start_agent(world, 2);
	world_settle(world, 10000);
	CU_ASSERT(world_waits_for(world, "a", "waits until n3 has"));
	world_start_agent(world, 3);
	world_settle(world, 10000);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_has(world, "a", 3));
	world_free(world);
}

/* Moved by hand while it was managed=no: taken over where it is, whoever speaks first. */
static void test_moved_by_hand(void)
{
	for (unsigned turn = 0; turn < 6; turn++) {
		struct world *world = world_new(3);
		unsigned late = turn / 2;

		world_add_vm(world, "a", 512);
		world_settle(world, 5000);
		CU_ASSERT_EQUAL(world_runs(world, "a"), 1);
		world_set(world, "a", "managed", "no");
		world_settle(world, 5000);
		if (late)
			world_stop_agent(world, late);
		world_guest_dies(world, "a", WIRE__VM_REPORT__CAUSE__OUTSIDE);
		world_run_by_hand(world, 2, "a", turn % 2);
		world_story(world);
		world_settle(world, 5000);
		world_set(world, "a", "managed", "yes");
		world_settle(world, LONG_MS);
		if (late)
			world_start_agent(world, late);
		world_settle(world, 20000);
		STORY(world, "");
		CU_ASSERT(world_has(world, "a", 2));
		world_free(world);
	}
}

/* Given up by the cluster, repaired and started by hand, given back: it runs on. */
static void test_repaired_by_hand(void)
{
	struct world *world = world_new(3);

	for (unsigned n = 1; n <= 3; n++)
		world_fail_starts(world, n, "no such file");
	world_add_vm(world, "a", 512);
	world_settle(world, LONG_MS);
	CU_ASSERT_EQUAL(world_vm(world, "a")->phase, WIRE__VM__PHASE__FAILED);
	world_set(world, "a", "managed", "no");
	world_settle(world, 5000);
	world_run_by_hand(world, 3, "a", false);
	world_settle(world, 5000);
	world_set(world, "a", "managed", "yes");
	world_settle(world, LONG_MS);
	STORY(world, "n3: a started by hand\n");
	CU_ASSERT(world_has(world, "a", 3));
	world_free(world);
}

/* The cluster's own is started again at once, whoever could not look for it now. */
static void test_failover(void)
{
	struct world *world = world_new(5);

	world_add_vm(world, "a", 512);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_runs(world, "a"), 1);
	/* Managed again and found where it was: it is the cluster's own once more. */
	world_set(world, "a", "managed", "no");
	world_settle(world, 5000);
	world_set(world, "a", "managed", "yes");
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_vm(world, "a")->look, 0);
	world_stop_agent(world, 3);
	world_kill_daemon(world, 4);
	world_settle(world, 10000);
	world_story(world);
	world_kill_node(world, 1);
	world_settle(world, 10000);
	STORY(world, "power of n1 off, by n2\nn2: a starts\n");
	world_free(world);
}

/* ------------------------------------------------------------------ a fault at every step */

typedef void fault_fn(struct world *world, unsigned node);

static void node_dies(struct world *world, unsigned node)
{
	world_kill_node(world, node);
	world_settle(world, 60000);
}

static void daemon_dies(struct world *world, unsigned node)
{
	world_kill_daemon(world, node);
	world_start_daemon(world, node);
}

static void agent_dies(struct world *world, unsigned node)
{
	world_kill_agent(world, node);
}

static void network_splits(struct world *world, unsigned node)
{
	world_split(world, 1u << (node - 1));
	world_settle(world, 60000);
	world_split(world, 0);
}

static bool ends_well(struct world *world, fault_fn *fault, unsigned node)
{
	/* Whoever has it may be fenced once it is the cluster's; nobody who only has to look. */
	if (node == 3 && (fault == node_dies || fault == network_splits))
		return world_runs(world, "a") && world_vm(world, "a")->n_maybe == 1;
	return world_has(world, "a", 3) && !strstr(world_story(world), "power of n3");
}

/*
 * It runs on n3, whose agent is down when it is added and then comes back. Something dies, one
 * step later each time, after the first or after the second of these. The world sees to it
 * that it never runs twice. False once there are no more steps.
 */
static bool run(fault_fn *fault, unsigned node, unsigned steps, bool agent_is_back)
{
	struct world *world = world_new(3);
	bool more = true;

	world_run_by_hand(world, 3, "a", false);
	world_stop_agent(world, 3);
	world_add_vm(world, "a", 512);
	if (agent_is_back) {
		world_settle(world, 20000);
		world_start_agent(world, 3);
	}
	for (unsigned i = 0; i < steps && more; i++)
		more = world_step(world);
	fault(world, node);
	for (unsigned n = 1; n <= 3; n++)
		if (!world_core(world, n))
			world_start_node(world, n);
	world_settle(world, 60000);
	if (!agent_is_back)
		world_kill_agent(world, 3);
	world_settle(world, 150000);
	if (!ends_well(world, fault, node)) {
		fprintf(stderr, "node %u, step %u: phase %d runs %u %s\n%s\n", node, steps,
			world_vm(world, "a")->phase, world_runs(world, "a"),
			world_vm(world, "a")->detail, world_story(world));
		CU_FAIL("the guest is not where it should be");
		more = false;
	}
	world_free(world);
	return more;
}

static void test_faults(void)
{
	static fault_fn *const faults[] = { node_dies, daemon_dies, agent_dies, network_splits };

	for (size_t f = 0; f < 2 * ARRAY_SIZE(faults); f++)
		for (unsigned node = 1; node <= 3; node++)
			for (unsigned steps = 0; steps < STEPS_MAX; steps++)
				if (!run(faults[f / 2], node, steps, f % 2))
					break;
	CU_PASS("every step");
}

UNIT_MAIN("core/look", { "nowhere", test_nowhere }, { "runs_there", test_runs_there },
	  { "agent_down", test_agent_down }, { "agent_back", test_agent_back },
	  { "daemon_down", test_daemon_down }, { "off", test_off },
	  { "left_and_off", test_left_and_off }, { "cut_off", test_cut_off },
	  { "vouched", test_vouched }, { "boots_meanwhile", test_boots_meanwhile },
	  { "moved_by_hand", test_moved_by_hand }, { "repaired_by_hand", test_repaired_by_hand },
	  { "failover", test_failover }, { "faults", test_faults })
