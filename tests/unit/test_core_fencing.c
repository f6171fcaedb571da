/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories of fencing: whose power is cut, what proves a death, and why it is not done. */
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"
#include "tests/unit/story.h"
#include "tests/unit/unit.h"

/* Why a node is not fenced is said once, whichever leader said it, and whatever got lost. */
static void test_held_back(void)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceRemove remove = WIRE__FENCE_REMOVE__INIT;

	remove.name = (char *)"bmc-n5";
	command.body_case = WIRE__COMMAND__BODY_FENCE_REMOVE;
	command.fence_remove = &remove;
	for (unsigned steps = 0; steps < 80; steps += 2) {
		struct world *world = world_new(5);

		for (unsigned i = 0; i < 5; i++)
			world_add_vm(world, (const char *[]){ "a", "b", "c", "d", "e" }[i], 512);
		world_settle(world, 5000);
		world_ask(world, 2, &command);
		world_kill_node(world, 5);
		for (unsigned i = 0; i < steps; i++)
			if (!world_step(world))
				world_settle(world, 100);
		world_kill_daemon(world, 1);
		world_settle(world, 2000);
		world_start_daemon(world, 1);
		world_settle(world, 100000);
		CU_ASSERT_EQUAL(world_events(world, 1, "no fence device is set for it"), 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(
			state_node(core_state(world_core(world, 1)), 5)->held_back, "no fence"));
		world_start_node(world, 5);
		world_settle(world, 5000);
		CU_ASSERT_STRING_EQUAL(state_node(core_state(world_core(world, 1)), 5)->held_back,
				       "");
		world_free(world);
	}
}

static void set(struct world *world, const char *name, const char *value)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__SettingSet body = WIRE__SETTING_SET__INIT;

	body.name = (char *)name;
	body.value = (char *)value;
	command.body_case = WIRE__COMMAND__BODY_SETTING_SET;
	command.setting_set = &body;
	world_ask(world, 1, &command);
}

/* Beyond the budget nobody's power is cut; it is said why, and it goes on when that is raised. */
static void test_budget(void)
{
	struct world *world = world_new(3);
	const Wire__Node *node;

	for (unsigned i = 0; i < 3; i++)
		world_add_vm(world, (const char *[]){ "a", "b", "c" }[i], 512);
	world_settle(world, 5000);
	set(world, "fence.budget", "0");
	world_story(world);
	world_split(world, 1 << 2);
	world_settle(world, 20000);
	STORY(world, "");
	node = state_node(core_state(world_core(world, 1)), 3);
	CU_ASSERT_EQUAL(node->state, WIRE__NODE__STATE__LOST);
	CU_ASSERT_PTR_NOT_NULL(strstr(node->held_back, "not powered off: fence.budget is 0, so "
						       "its device is only asked"));
	CU_ASSERT_EQUAL(world_events(world, 1, "fence.budget is 0"), 1);
	world_settle(world, 300000);
	world_story(world);
	/* However long the pauses between the questions are by now. */
	set(world, "fence.budget", "1");
	world_settle(world, 3000);
	STORY(world, "power of n3 off, by n2\nn1: c starts\n");
	node = state_node(core_state(world_core(world, 1)), 3);
	CU_ASSERT_EQUAL(node->state, WIRE__NODE__STATE__OFF);
	CU_ASSERT_STRING_EQUAL(node->held_back, "");
	world_free(world);
}

/* The VM runs on that node, and what led there is told. */
static void have_on(struct world *world, const char *vm, unsigned node)
{
	world_add_vm(world, vm, 512);
	world_settle(world, 5000);
	if (world_runs(world, vm) != node)
		world_move(world, vm, node, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 5000);
	CU_ASSERT(world_has(world, vm, node));
	world_story(world);
}

/* The first order to cut a node's power; NULL: there was none. */
static const Wire__Operation *power_off_of(struct world *world, uint32_t node)
{
	const struct state *state = core_state(world_core(world, 1));

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == node &&
		    !op->status_only)
			return op;
	}
	return NULL;
}

/*
 * One that waits for the budget is told how much of it is used and when the next is free, and
 * is powered off then, neither before nor after the pause of the questions to its device.
 */
static void test_budget_frees(void)
{
	struct world *world = world_new(5);
	const Wire__Operation *first, *second;
	uint64_t end_ms, day_s;
	char next[100];

	set(world, "fence.budget", "1");
	have_on(world, "a", 4);
	have_on(world, "b", 5);
	world_kill_node(world, 4);
	world_settle(world, 20000);
	first = power_off_of(world, 4);
	CU_ASSERT_PTR_NOT_NULL_FATAL(first);
	end_ms = first->clock_ms + 600000;
	day_s = (first->begun_ms + 600000) / 1000 % 86400;
	snprintf(next, sizeof(next), "1 of 1 power-offs that fence.budget allows in 600 s are used "
		 "(the next one is free at %02u:%02u:%02u UTC)", (unsigned)(day_s / 3600),
		 (unsigned)(day_s / 60 % 60), (unsigned)(day_s % 60));
	world_split(world, 1 << 4);
	world_settle(world, 500000);
	CU_ASSERT_EQUAL(state_node(core_state(world_core(world, 1)), 5)->state,
			WIRE__NODE__STATE__LOST);
	CU_ASSERT_PTR_NOT_NULL(strstr(state_node(core_state(world_core(world, 1)), 5)->held_back,
				      next));
	CU_ASSERT_EQUAL(world_events(world, 1, "fence.budget allows"), 1);
	world_settle(world, 120000);
	second = power_off_of(world, 5);
	CU_ASSERT_PTR_NOT_NULL_FATAL(second);
	CU_ASSERT(second->clock_ms >= end_ms && second->clock_ms < end_ms + 2000);
	world_free(world);
}

/* A test of a device ends, even if the node that was to carry it out is gone for good. */
static void test_fence_test(void)
{
	struct world *world = world_new(3);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceTest test = WIRE__FENCE_TEST__INIT;
	const struct state *state;
	const Wire__Operation *op;

	test.name = (char *)"bmc-n1";
	command.body_case = WIRE__COMMAND__BODY_FENCE_TEST;
	command.fence_test = &test;
	world_ask(world, 3, &command);
	world_kill_daemon(world, 3);
	world_settle(world, 20000);
	state = core_state(world_core(world, 1));
	op = state_at(state, WIRE__TABLE__TABLE_OPERATION,
		      state_count(state, WIRE__TABLE__TABLE_OPERATION) - 1);
	CU_ASSERT_EQUAL(op->kind, WIRE__OPERATION__KIND__FENCE_TEST);
	CU_ASSERT_EQUAL(op->outcome, WIRE__OPERATION__OUTCOME__FAILED);
	world_free(world);
}

/* A call that is under way; NULL if there is none. */
static const Wire__Operation *call_under_way(struct world *world)
{
	const struct state *state = core_state(world_core(world, 1));

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE &&
		    op->outcome == WIRE__OPERATION__OUTCOME__RUNNING)
			return op;
	}
	return NULL;
}

static void add_pdu(struct world *world, uint32_t node)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;

	target.node = node;
	target.plug = (char *)"7";
	fence.name = (char *)"pdu";
	fence.agent = (char *)"fence_pdu";
	fence.targets = &targets;
	fence.n_targets = 1;
	add.fence = &fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.fence_add = &add;
	CU_ASSERT_STRING_EQUAL(world_ask(world, 1, &command), "");
}

/* The BMC may be reachable from one node alone, and the PDU from the other: each is to try each. */
static void test_each_device_from_each_node(void)
{
	struct world *world = world_new(3);
	unsigned pairs = 0;

	add_pdu(world, 3);
	have_on(world, "a", 3);
	world_fence_fails(world, "no route to host");
	world_kill_node(world, 3);
	for (uint64_t end_ms = world_now(world) + 600 * 1000; world_now(world) < end_ms;) {
		const Wire__Operation *op = call_under_way(world);
		const Wire__Fence *pdu = state_fence_named(core_state(world_core(world, 1)), "pdu");

		if (op)
			pairs |= 1u << (op->to - 1 + (op->device == pdu->id ? 2 : 0));
		world_tick(world);
	}
	CU_ASSERT_EQUAL(pairs, 0xf);
	world_free(world);
}

/*
 * n1 was to fence n3 and went down before it did; n3 booted by itself and was up again. Much later
 * clusterd and Corosync are stopped on n3, guests run on there, and n1 is repaired: the order that
 * it finds in the log is about a life of n3 that is long over.
 */
static void test_order_of_an_earlier_life(void)
{
	struct world *world = world_new(3);

	have_on(world, "a", 3);
	world_kill_node(world, 3);
	while (!call_under_way(world))
		world_tick(world);
	CU_ASSERT_EQUAL(call_under_way(world)->to, 1);
	world_kill_node(world, 1);
	world_start_node(world, 3);
	world_settle(world, 3600 * 1000);
	CU_ASSERT_EQUAL(state_node(core_state(world_core(world, 2)), 3)->state,
			WIRE__NODE__STATE__UP);
	if (world_runs(world, "a") != 3)
		world_move(world, "a", 3, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 20000);
	CU_ASSERT(world_has(world, "a", 3));
	world_stop_daemon(world, 3);
	world_settle(world, 2000);
	world_split(world, 1 << 2);
	world_story(world);
	world_start_node(world, 1);
	world_settle(world, 20000);
	STORY(world, "");
	CU_ASSERT_EQUAL(world_runs(world, "a"), 3);
	world_free(world);
}

static void test_device(struct world *world, const char *name)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceTest test = WIRE__FENCE_TEST__INIT;

	test.name = (char *)name;
	command.body_case = WIRE__COMMAND__BODY_FENCE_TEST;
	command.fence_test = &test;
	world_ask(world, 1, &command);
	world_settle(world, 1000);
}

/* What it calls off, while the node is up, is another machine; so it proves nothing. */
static void test_another_machine(void)
{
	struct world *world = world_new(3);
	const struct state *state = core_state(world_core(world, 1));

	have_on(world, "a", 3);
	world_miswire(world, 3, true);
	test_device(world, "bmc-n3");
	CU_ASSERT_EQUAL(state_fence_named(state, "bmc-n3")->tested_ms, 0);
	CU_ASSERT_STRING_EQUAL(state_fence_named(state, "bmc-n3")->test_result,
			       "it called n3 off while that was up: it switches another machine");
	CU_ASSERT_EQUAL(world_events(world, 1, "device bmc-n3 cannot prove that n3 is dead"), 1);
	world_settle(world, 120000);
	world_split(world, 1 << 2);
	world_settle(world, 300000);
	STORY(world, "");
	CU_ASSERT_PTR_NOT_NULL(strstr(state_node(state, 3)->held_back, "its device bmc-n3 called"));
	/* It is back, and the plug is put right. */
	world_split(world, 0);
	world_settle(world, 20000);
	world_miswire(world, 3, false);
	test_device(world, "bmc-n3");
	CU_ASSERT_NOT_EQUAL(state_fence_named(state, "bmc-n3")->tested_ms, 0);
	world_story(world);
	world_split(world, 1 << 2);
	world_settle(world, 20000);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_story(world), "power of n3 off"));
	world_free(world);
}

/* n1 is cut off with a guest; n2 was told to power it off, and its device has not acted yet. */
static uint64_t begin_to_fence(struct world *world)
{
	const struct state *state = core_state(world_core(world, 2));
	const Wire__Operation *op = NULL;
	size_t n;

	world_add_vm(world, "a", 512);
	world_settle(world, 2000);
	CU_ASSERT_EQUAL_FATAL(world_runs(world, "a"), 1);
	world_split(world, 1);
	world_story(world);
	while (!op || op->kind != WIRE__OPERATION__KIND__FENCE) {
		if (!world_step(world))
			world_settle(world, 1);
		n = state_count(state, WIRE__TABLE__TABLE_OPERATION);
		op = n ? state_at(state, WIRE__TABLE__TABLE_OPERATION, n - 1) : NULL;
	}
	CU_ASSERT_EQUAL_FATAL(op->outcome, WIRE__OPERATION__OUTCOME__RUNNING);
	CU_ASSERT_EQUAL_FATAL(op->to, 2);
	STORY(world, "");
	return op->id;
}

/* Whoever loses its majority cuts nobody's power any more: the others have a say in it now. */
static void test_fence_cut_off(void)
{
	struct world *world = world_new(3);

	begin_to_fence(world);
	world_split(world, 1 << 1);
	STORY(world, "n2 gives up fencing n1\n");
	world_settle(world, 2000);
	world_split(world, 0);
	world_settle(world, 20000);
	STORY(world, "");
	CU_ASSERT_TRUE(world_has(world, "a", 1));
	world_free(world);
}

/* What is still to be done after an epoch that closed is begun anew. */
static void test_fence_again(void)
{
	struct world *world = world_new(3);

	begin_to_fence(world);
	world_split(world, 1);
	world_settle(world, 20000);
	STORY(world, "n2 gives up fencing n1\npower of n1 off, by n2\nn2: a starts\n");
	world_free(world);
}

/* An answer that could not be told for an hour says nothing about now: n1 is asked for again. */
static void test_old_answer(void)
{
	struct world *world = world_new(3);

	begin_to_fence(world);
	while (!strstr(world_story(world), "power of n1 off"))
		CU_ASSERT_FATAL(world_step(world));
	world_scatter(world);
	world_settle(world, 3600 * 1000);
	world_story(world);
	world_start_node(world, 1);
	world_kill_daemon(world, 1);
	world_split(world, 1);
	world_settle(world, 20000);
	STORY(world, "power of n1 off, by n2\nn2: a starts\n");
	world_free(world);
}

/* An operation that somebody ended is over for its executor, too, in the midst of an epoch. */
static void test_fence_is_over(void)
{
	struct world *world = world_new(3);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;
	const char *end;

	result.op = begin_to_fence(world);
	result.text = (char *)"buried";
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	world_ask(world, 3, &command);
	end = world_story(world);
	CU_ASSERT_EQUAL(strncmp(end, "n2 gives up fencing n1\n", 23), 0);
	world_settle(world, 20000);
	CU_ASSERT_TRUE(world_has(world, "a", 2));
	world_free(world);
}

/* Nor does one act that is leaving. */
static void test_fence_leaves(void)
{
	struct world *world = world_new(3);
	const char *story;

	begin_to_fence(world);
	world_stop_daemon(world, 2);
	story = world_story(world);
	CU_ASSERT_EQUAL(strncmp(story, "n2 gives up fencing n1\n", 23), 0);
	CU_ASSERT_PTR_NULL(strstr(story, "power of"));
	world_free(world);
}

/* Nobody would start a guest elsewhere that the cluster leaves alone: its node keeps its power. */
static void test_unmanaged_is_left_alone(void)
{
	struct world *world = world_new(3);

	have_on(world, "a", 3);
	world_set(world, "a", "managed", "no");
	world_settle(world, 2000);
	world_split(world, 1 << 2);
	world_settle(world, 60000);
	CU_ASSERT_EQUAL(world_runs(world, "a"), 3);
	world_free(world);
}

/* Of the first event with this text; 0: there is none. */
static uint64_t event_with(struct world *world, const char *text)
{
	const struct state *state = core_state(world_core(world, 1));

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_EVENT); i++) {
		const Wire__Event *event = state_at(state, WIRE__TABLE__TABLE_EVENT, i);

		if (strstr(event->text, text))
			return event->id;
	}
	return 0;
}

/* It is set managed=no while the order to cut its node's power is on its way. */
static void test_unmanaged_meanwhile(void)
{
	unsigned crossed = 0;

	for (unsigned steps = 0; steps < 120; steps++) {
		struct world *world = world_new(3);
		uint64_t fenced, unmanaged;

		have_on(world, "a", 3);
		world_split(world, 1 << 2);
		for (unsigned i = 0; i < steps; i++)
			if (!world_step(world))
				world_tick(world);
		world_set(world, "a", "managed", "no");
		world_settle(world, 60000);
		fenced = event_with(world, "being fenced");
		unmanaged = event_with(world, "managed=no, by");
		CU_ASSERT_NOT_EQUAL(unmanaged, 0);
		if (fenced && unmanaged < fenced) {
			crossed++;
			CU_ASSERT_EQUAL(world_runs(world, "a"), 3);
		}
		world_free(world);
	}
	CU_ASSERT(crossed > 0);
}

/* Half of the nodes are dead: nobody's power is cut, but their devices say that they are off. */
static void test_half_is_off(void)
{
	struct world *world = world_new(4);

	have_on(world, "a", 3);
	world_kill_node(world, 3);
	world_kill_node(world, 4);
	world_settle(world, 3600 * 1000);
	CU_ASSERT_NOT_EQUAL(world_runs(world, "a"), 0);
	CU_ASSERT_EQUAL(world_events(world, 1, "being fenced"), 0);
	world_free(world);
}

UNIT_MAIN("core/fencing", { "unmanaged_is_left_alone", test_unmanaged_is_left_alone },
	  { "unmanaged_meanwhile", test_unmanaged_meanwhile },
	  { "half_is_off", test_half_is_off },
	  { "fence_test", test_fence_test }, { "held_back", test_held_back },
	  { "budget", test_budget }, { "budget_frees", test_budget_frees },
	  { "each_device_from_each_node", test_each_device_from_each_node },
	  { "order_of_an_earlier_life", test_order_of_an_earlier_life },
	  { "another_machine", test_another_machine },
	  { "cut_off", test_fence_cut_off }, { "again", test_fence_again },
	  { "old_answer", test_old_answer },
	  { "is_over", test_fence_is_over }, { "leaves", test_fence_leaves })
