/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of apply about fencing: what proves a death, what the budget allows, what is told. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/voters.h"
#include "tests/unit/bench.h"
#include "tests/unit/unit.h"

enum { WINDOW_MS = 600 * 1000 };

static void test_fence(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__OFF), STALE); /* not by decree */
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT(vm_holds(bench_vm(bench), 2)); /* lost is not dead */
	op = bench_begin_fence(bench, 2);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, false), 0);
	CU_ASSERT(vm_holds(bench_vm(bench), 2)); /* tried is not off */
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), STALE);
	op = bench_begin_fence(bench, 2);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), 0);
	CU_ASSERT_FALSE(vm_holds(bench_vm(bench), 2));
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__OFF);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), STALE);
	/* What the dead daemon had on its way counts no more. */
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__PRESENT), STALE);
	bench_free(bench);
}

/* The proof is about an incarnation: the node was back, as another one, before it came. */
static void test_fence_late(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	op = bench_begin_fence(bench, 2);
	bench_report_node(bench, 2, 202, "second boot");
	CU_ASSERT_FALSE(vm_holds(bench_vm(bench), 2)); /* a new kernel has no old guests */
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), STALE);
	CU_ASSERT(vm_holds(bench_vm(bench), 2));
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__LOST);
	CU_ASSERT_STRING_EQUAL(state_operation(bench->state, op)->text,
			       "the node came back before it was fenced");
	bench_free(bench);
}

static int set_budget(struct bench *bench, const char *value)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__SettingSet set = WIRE__SETTING_SET__INIT;

	set.name = (char *)"fence.budget";
	set.value = (char *)value;
	command.body_case = WIRE__COMMAND__BODY_SETTING_SET;
	command.setting_set = &set;
	return bench_apply(bench, 1, 101, &command);
}

/* Asked for at once by a leader for which none of them had begun yet. */
static void test_fence_budget(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(set_budget(bench, "0"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "no lost node is powered off"));
	CU_ASSERT_EQUAL(set_budget(bench, "1"), 0);
	CU_ASSERT_STRING_EQUAL(bench->text, "");
	bench_add_fence(bench, "bmc3", 3);
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	bench_verdict(bench, 3, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, false), 0);
	CU_ASSERT_EQUAL(bench_try_device(bench, "bmc3", 3, false), STALE);
	CU_ASSERT_EQUAL(bench_try_device(bench, "bmc3", 3, true), 0);
	bench_free(bench);
}

/* A device has nothing to say about a node that it does not fence, nor a node about itself. */
static void test_other_device(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceBegin begin = WIRE__FENCE_BEGIN__INIT;

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	bench_verdict(bench, 3, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 3, false), STALE);
	begin.node = 2;
	begin.incarnation = state_node(bench->state, 2)->incarnation;
	begin.device = state_fence_named(bench->state, "bmc")->id;
	command.body_case = WIRE__COMMAND__BODY_FENCE_BEGIN;
	command.fence_begin = &begin;
	begin.executor = 2;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), STALE);
	begin.executor = 9;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), STALE);
	begin.executor = 3;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	bench_free(bench);
}

/* One attempt that fails; how many events that makes. */
static size_t fail_fence(struct bench *bench, bool status_only, const char *text)
{
	size_t before = state_count(bench->state, WIRE__TABLE__TABLE_EVENT), n;
	const Wire__Operation *op;

	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, status_only), 0);
	n = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	op = state_at(bench->state, WIRE__TABLE__TABLE_OPERATION, n - 1);
	CU_ASSERT_EQUAL(bench_end_fence_saying(bench, op->id, false, text), 0);
	return state_count(bench->state, WIRE__TABLE__TABLE_EVENT) - before;
}

/* A device that cannot be reached is told of once, and again when that changes. */
static void test_fence_silence(void)
{
	struct bench *bench = bench_new();
	size_t operations;
	uint64_t op;

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(fail_fence(bench, false, "no route to host"), 2);
	operations = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	for (unsigned i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(fail_fence(bench, false, "no route to host"), 0);
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_OPERATION), operations);
	CU_ASSERT_EQUAL(fail_fence(bench, false, "wrong password"), 1);
	/* Two nodes ask by turns, with two stories. */
	for (unsigned i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(
			fail_fence(bench, false, i % 2 ? "no route to host" : "wrong password"), 0);
	/* Only asked now; and then told to act again. */
	CU_ASSERT_EQUAL(fail_fence(bench, true, "no route to host"), 1);
	CU_ASSERT_EQUAL(fail_fence(bench, true, "no route to host"), 0);
	CU_ASSERT_EQUAL(fail_fence(bench, false, "no route to host"), 1);
	/* It is back and lost anew: all of that is news. */
	bench_report_node(bench, 2, 202, "first boot");
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(fail_fence(bench, false, "no route to host"), 2);
	op = bench_begin_fence(bench, 2);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), 0);
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->targets[0]->n_told, 0);
	bench_free(bench);
}

/* The leader of the moment has node 2 powered off; it comes back. What the leader was told. */
static int fence_by(struct bench *bench, uint32_t leader)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceBegin begin = WIRE__FENCE_BEGIN__INIT;
	uint64_t boot_id = state_node(bench->state, leader)->boot_id;
	char kernel[20];
	int code;

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	begin.node = 2;
	begin.incarnation = state_node(bench->state, 2)->incarnation;
	begin.device = state_fence_named(bench->state, "bmc")->id;
	begin.executor = 1;
	command.body_case = WIRE__COMMAND__BODY_FENCE_BEGIN;
	command.fence_begin = &begin;
	code = bench_apply(bench, leader, boot_id, &command);
	if (code == 0)
		bench_end_fence(bench, state_count(bench->state, WIRE__TABLE__TABLE_OPERATION),
				true);
	snprintf(kernel, sizeof(kernel), "boot %u", (unsigned)bench->index);
	bench_report_node(bench, 2, 1000 + bench->index, kernel);
	return code;
}

/* The window of the budget passes for all alike, whatever the leader takes the day to be. */
static void test_wrong_clock(void)
{
	static const int64_t wrongs[] = { 0, 3LL * DAY_MS, -3LL * DAY_MS };

	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++)
		for (size_t k = 0; k < ARRAY_SIZE(wrongs); k++) {
			struct bench *bench = bench_new();

			CU_ASSERT_EQUAL(set_budget(bench, "1"), 0);
			bench->passed_ms = 7200 * 1000;
			bench->wrong_ms[1] = wrongs[i];
			bench->wrong_ms[3] = wrongs[k];
			CU_ASSERT_EQUAL(fence_by(bench, 1), 0);
			bench->passed_ms += WINDOW_MS / 2;
			CU_ASSERT_EQUAL(fence_by(bench, 1), STALE);
			CU_ASSERT_EQUAL(fence_by(bench, 3), STALE);
			bench->wrong_ms[1] = wrongs[k]; /* somebody set it */
			CU_ASSERT_EQUAL(fence_by(bench, 1), STALE);
			bench->passed_ms += WINDOW_MS / 2;
			CU_ASSERT_EQUAL(fence_by(bench, 3), 0);
			CU_ASSERT_EQUAL(fence_by(bench, 1), STALE);
			/* Nothing is said for a day; it has passed all the same. */
			bench->passed_ms += DAY_MS;
			CU_ASSERT_EQUAL(fence_by(bench, 1), 0);
			bench_free(bench);
		}
}

static uint64_t last_fencing(const struct bench *bench)
{
	size_t n = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	const Wire__Operation *op;

	do
		op = state_at(bench->state, WIRE__TABLE__TABLE_OPERATION, --n);
	while (op->kind != WIRE__OPERATION__KIND__FENCE);
	return op->id;
}

/* More used than allowed: it is not the oldest by whose age the next is allowed. */
static void test_budget_lowered(void)
{
	static const char *const budgets[] = { "4", "3", "2", "1", "0" };
	static const uint64_t frees[] = { 0, 1, 2, 3, 0 }; /* which power-off */
	struct bench *bench = bench_new();
	uint64_t ids[4] = { 0 };

	for (size_t i = 1; i <= 3; i++) {
		CU_ASSERT_EQUAL(fence_by(bench, 1), 0);
		ids[i] = last_fencing(bench);
		bench->passed_ms += 1000;
	}
	for (size_t i = 0; i < ARRAY_SIZE(budgets); i++) {
		struct fence_budget budget;

		CU_ASSERT_EQUAL(set_budget(bench, budgets[i]), 0);
		budget = fence_budget(bench->state, bench->passed_ms);
		CU_ASSERT_EQUAL(budget.used, 3);
		CU_ASSERT_EQUAL(fence_budget_left(&budget), i == 0);
		CU_ASSERT_EQUAL(budget.frees ? budget.frees->id : 0, ids[frees[i]]);
	}
	bench_free(bench);
}

/* Uptimes begin anew with each boot, and a leader that has just booted counts on with the rest. */
static void test_booted_leader(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(set_budget(bench, "1"), 0);
	bench->passed_ms = DAY_MS;
	CU_ASSERT_EQUAL(fence_by(bench, 1), 0);
	bench->booted_ms[3] = bench->passed_ms;
	bench_report_node(bench, 3, 303, "second boot");
	CU_ASSERT_EQUAL(fence_by(bench, 3), STALE);
	bench->passed_ms += WINDOW_MS + ELAPSED_STEP_MS;
	/* By its own word alone. */
	CU_ASSERT(elapsed_now(bench->state, 3, 303, 1 + WINDOW_MS + ELAPSED_STEP_MS) >=
		  DAY_MS + WINDOW_MS);
	CU_ASSERT_EQUAL(fence_by(bench, 3), 0);
	/* What an older daemon of it says proves nothing: it may be of the kernel before. */
	CU_ASSERT_EQUAL(elapsed_now(bench->state, 3, 103, DAY_MS),
			state_cluster(bench->state)->clock_ms);
	bench_free(bench);
}

/*
 * What passed before a power-off does not count as if it had passed since: not when it is told by
 * one who was away at that time, and whose uptime reaches further back than those of the others.
 */
static void test_told_later(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(set_budget(bench, "1"), 0);
	bench->passed_ms = DAY_MS;
	/* All were down for a day but node 3, which nobody could hear. */
	bench->booted_ms[1] = bench->booted_ms[2] = bench->passed_ms;
	bench_report_node(bench, 1, 301, "second boot of 1");
	bench_report_node(bench, 2, 302, "second boot of 2");
	CU_ASSERT_EQUAL(bench_verdict(bench, 3, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(fence_by(bench, 1), 0);
	bench_report_node(bench, 3, 103, "boot 3");
	CU_ASSERT_EQUAL(fence_by(bench, 1), STALE);
	CU_ASSERT_EQUAL(fence_by(bench, 3), STALE);
	bench->passed_ms += WINDOW_MS + ELAPSED_STEP_MS;
	CU_ASSERT_EQUAL(fence_by(bench, 3), 0);
	bench_free(bench);
}

static void two_vote(struct bench *bench)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VotersSet set = WIRE__VOTERS_SET__INIT;
	uint32_t voters[] = { 1, 2 };
	uint64_t disks[] = { 11, 12 };
	struct voters now;

	state_voters(bench->state, &now);
	set.after = now.index;
	set.voters = voters;
	set.disks = disks;
	set.n_voters = set.n_disks = ARRAY_SIZE(voters);
	command.body_case = WIRE__COMMAND__BODY_VOTERS_SET;
	command.voters_set = &set;
	CU_ASSERT_EQUAL_FATAL(bench_apply(bench, 1, 101, &command), 0);
}

static int go_alone(struct bench *bench, uint64_t boot_id)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__WentAlone went = WIRE__WENT_ALONE__INIT;

	went.node = 2;
	went.incarnation = state_node(bench->state, 2)->incarnation;
	went.device = state_fence_named(bench->state, "bmc")->id;
	went.text = (char *)"off";
	command.body_case = WIRE__COMMAND__BODY_WENT_ALONE;
	command.went_alone = &went;
	return bench_apply(bench, 1, boot_id, &command);
}

/*
 * One of two voters goes on alone, with a new daemon, which says so before it has reported: for a
 * while no epoch was open. That while is before the power-off, whoever tells of it later.
 */
static void test_told_after_going_alone(void)
{
	static const uint32_t tellers[] = { 1, 3 };

	for (size_t i = 0; i < ARRAY_SIZE(tellers); i++) {
		struct bench *bench = bench_new();
		uint32_t teller = tellers[i];

		CU_ASSERT_EQUAL(set_budget(bench, "1"), 0);
		two_vote(bench);
		bench->passed_ms += WINDOW_MS;
		CU_ASSERT_EQUAL(go_alone(bench, 401), 0);
		bench_report_node(bench, 1, 401, "first boot");
		bench_report_node(bench, 3, 103, "first boot");
		CU_ASSERT_EQUAL(fence_by(bench, teller), STALE);
		bench->passed_ms += WINDOW_MS / 2;
		CU_ASSERT_EQUAL(fence_by(bench, teller), STALE);
		bench->passed_ms += WINDOW_MS / 2 + ELAPSED_STEP_MS;
		CU_ASSERT_EQUAL(fence_by(bench, teller), 0);
		bench_free(bench);
	}
}

/* A kernel whose time jumps takes the clock along, but it does not stand still for the others. */
static void test_jump(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(set_budget(bench, "1"), 0);
	bench->passed_ms = DAY_MS;
	bench->passed_ms += 3LL * DAY_MS;
	CU_ASSERT_EQUAL(fence_by(bench, 3), 0);
	bench->passed_ms -= 3LL * DAY_MS;
	CU_ASSERT_EQUAL(fence_by(bench, 1), STALE);
	bench->passed_ms += WINDOW_MS;
	CU_ASSERT_EQUAL(fence_by(bench, 1), 0);
	bench_free(bench);
}

/* A node that left, or never came, is asked for at most. */
static void test_fence_left(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeFreeze freeze = WIRE__NODE_FREEZE__INIT;

	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, true), STALE); /* it is up */
	freeze.freeze_ms = 1000;
	command.body_case = WIRE__COMMAND__BODY_NODE_FREEZE;
	command.node_freeze = &freeze;
	CU_ASSERT_EQUAL(bench_apply(bench, 2, 102, &command), 0);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, false), STALE);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, true), 0);
	CU_ASSERT(vm_holds(bench_vm(bench), 2));
	CU_ASSERT_EQUAL(bench_end_fence(bench,
					state_count(bench->state, WIRE__TABLE__TABLE_OPERATION),
					true),
			0);
	CU_ASSERT_FALSE(vm_holds(bench_vm(bench), 2));
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__OFF);
	bench_free(bench);
}

static void test_texts_of_fencing(void)
{
	static const struct {
		bool off;
		const char *said, *event;
	} cases[] = {
		{ false, "on",
		  "no proof that it is off, asked from n1: its device says that it is on; it is "
		  "asked again and again" },
		{ false, "no route",
		  "no proof that it is off, asked from n1: no route; it is asked again and again" },
		{ true, "off", "is off, proven: as its device says" },
		{ true, "power cut, verified by status",
		  "is off, proven: power cut, verified by status" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench *bench = bench_new();

		bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
		CU_ASSERT_EQUAL(bench_end_fence_saying(bench, bench_begin_fence(bench, 2),
						       cases[i].off, cases[i].said),
				0);
		CU_ASSERT(bench_has_event(bench, cases[i].event));
		CU_ASSERT_PTR_NULL(strstr(state_node(bench->state, 2)->reason, "off"));
		bench_free(bench);
	}
}

/* Of "bmc"; 0: its first node. Returns the operation. */
static uint64_t begin_test(struct bench *bench, uint32_t node)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceTest test = WIRE__FENCE_TEST__INIT;
	size_t n;

	test.name = (char *)"bmc";
	test.node = node;
	command.body_case = WIRE__COMMAND__BODY_FENCE_TEST;
	command.fence_test = &test;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	n = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	return ((const Wire__Operation *)state_at(bench->state, WIRE__TABLE__TABLE_OPERATION,
						  n - 1))
		->id;
}

/* A test of the device "bmc" for a node; "on" and "off" are good answers. How many events. */
static size_t test_device(struct bench *bench, uint32_t node, const char *text)
{
	size_t before = state_count(bench->state, WIRE__TABLE__TABLE_EVENT);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	result.op = begin_test(bench, node);
	result.off = strcmp(text, "off") == 0;
	result.ok = result.off || strcmp(text, "on") == 0;
	result.text = (char *)text;
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	return state_count(bench->state, WIRE__TABLE__TABLE_EVENT) - before;
}

/* "bmc" in place of the one that is there, for two nodes. */
static void replace_device(struct bench *bench)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
	Wire__Fence *fence = record_copy(&state_fence_named(bench->state, "bmc")->base);
	Wire__FenceTarget second = WIRE__FENCE_TARGET__INIT;
	Wire__FenceTarget *targets[] = { fence->targets[0], &second }, **own = fence->targets;

	bench_remove_fence(bench, "bmc");
	/* It says of itself that it was tested, as a copy of the old record would. */
	second.node = 3;
	second.plug = (char *)"2";
	second.tested_ms = second.failed_ms = 4000;
	fence->targets = targets;
	fence->n_targets = 2;
	add.fence = fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.fence_add = &add;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	fence->targets = own;
	fence->n_targets = 1;
	record_free(fence);
}

static const Wire__FenceTarget *tested(struct bench *bench, size_t i)
{
	return state_fence_named(bench->state, "bmc")->targets[i];
}

/* What is known of a device is known of one plug, and goes with the device. */
static void test_tested(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT(!tested(bench, 0)->tested_ms && !tested(bench, 0)->failed_ms);
	test_device(bench, 0, "on");
	CU_ASSERT(tested(bench, 0)->tested_ms && !tested(bench, 0)->failed_ms);
	test_device(bench, 2, "no route");
	CU_ASSERT(!tested(bench, 0)->tested_ms && tested(bench, 0)->failed_ms);
	test_device(bench, 0, "on");
	replace_device(bench);
	CU_ASSERT(!tested(bench, 0)->tested_ms && !tested(bench, 0)->failed_ms);
	CU_ASSERT(!tested(bench, 1)->tested_ms && !tested(bench, 1)->failed_ms);
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->tested_ms, 0);
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->test_node, 0);
	CU_ASSERT_STRING_EQUAL(state_fence_named(bench->state, "bmc")->test_result, "");
	test_device(bench, 3, "on");
	CU_ASSERT(!tested(bench, 0)->tested_ms && tested(bench, 1)->tested_ms);
	test_device(bench, 2, "no route");
	CU_ASSERT(tested(bench, 0)->failed_ms && tested(bench, 1)->tested_ms);
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->test_node, 2);
	bench_free(bench);
}

/* A test that fails, and the first good one after it, are events; the same again is none. */
static void test_told_tests(void)
{
	struct bench *bench = bench_new();
	static const char *const told[] = {
		"device bmc cannot prove that n2 is dead, its test from n1 failed: no route",
		"device bmc can prove again that n2 is dead; it answered: on",
		("device bmc cannot prove that n2 is dead, its test from n1 failed: it called n2 "
		 "off while that was up: it switches another machine"),
	};

	CU_ASSERT_EQUAL(test_device(bench, 0, "on"), 0);
	CU_ASSERT_EQUAL(test_device(bench, 0, "on"), 0);
	CU_ASSERT_EQUAL(test_device(bench, 0, "no route"), 1);
	CU_ASSERT(bench_has_event(bench, told[0]));
	CU_ASSERT_EQUAL(test_device(bench, 0, "no route"), 0);
	CU_ASSERT_EQUAL(test_device(bench, 0, "wrong password"), 1);
	CU_ASSERT_FALSE(bench_has_event(bench, told[1]));
	CU_ASSERT_EQUAL(test_device(bench, 0, "on"), 1);
	CU_ASSERT(bench_has_event(bench, told[1]));
	CU_ASSERT_EQUAL(test_device(bench, 0, "off"), 1);
	CU_ASSERT(bench_has_event(bench, told[2]));
	/* Of two nodes each has its own story. */
	replace_device(bench);
	CU_ASSERT_EQUAL(test_device(bench, 2, "no route"), 1);
	CU_ASSERT_EQUAL(test_device(bench, 3, "no route"), 1);
	CU_ASSERT_EQUAL(test_device(bench, 3, "no route"), 0);
	bench_free(bench);
}

/* It failed its test, and then it did its work: so it works. */
static void test_device_works(void)
{
	struct bench *bench = bench_new();

	test_device(bench, 0, "no route");
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->tested_ms, 0);
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), false), 0);
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->tested_ms, 0);
	CU_ASSERT_STRING_EQUAL(state_fence_named(bench->state, "bmc")->test_result, "no route");
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	CU_ASSERT_NOT_EQUAL(state_fence_named(bench->state, "bmc")->tested_ms, 0);
	CU_ASSERT(tested(bench, 0)->tested_ms && !tested(bench, 0)->failed_ms);
	CU_ASSERT(bench_has_event(bench, "device bmc can prove again that n2 is dead; it "
					 "answered: said the device"));
	CU_ASSERT_STRING_EQUAL(state_fence_named(bench->state, "bmc")->test_result,
			       "said the device");
	bench_free(bench);
}

/* It called the node off while that was up: what it says soon after is no better. */
static void test_off_before_lost(void)
{
	struct bench *bench = bench_new();

	test_device(bench, 0, "off");
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->tested_ms, 0);
	bench->passed_ms += 1000;
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, false), STALE);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, true), STALE);
	bench_free(bench);
}

/* It is in the ring again: whoever is on the way to cut its power is called back. */
static void test_back_without_clusterd(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	op = bench_begin_fence(bench, 2);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), STALE);
	bench_free(bench);
}

/* Its clusterd is heard again only to say that it goes. */
static void test_back_to_leave(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeFreeze freeze = WIRE__NODE_FREEZE__INIT;
	uint64_t op;

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	op = bench_begin_fence(bench, 2);
	freeze.freeze_ms = 1000;
	command.body_case = WIRE__COMMAND__BODY_NODE_FREEZE;
	command.node_freeze = &freeze;
	CU_ASSERT_EQUAL(bench_apply(bench, 2, 102, &command), 0);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	bench_free(bench);
}

/* A device that was taken away because it switches another machine proves nothing any more. */
static void test_removed_device(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	op = bench_begin_fence(bench, 2);
	bench_remove_fence(bench, "bmc");
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), STALE);
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__LOST);
	CU_ASSERT(vm_holds(bench_vm(bench), 2));
	bench_free(bench);
}

/* Asked while the node was off, answered when it was up again: the device was right. */
static void test_off_before_up(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	op = begin_test(bench, 0);
	bench_report_node(bench, 2, 202, "second boot");
	CU_ASSERT_EQUAL(bench_end_fence_saying(bench, op, true, "off"), 0);
	CU_ASSERT_NOT_EQUAL(state_fence_named(bench->state, "bmc")->tested_ms, 0);
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, false), 0);
	bench_free(bench);
}

static int add_device(struct bench *bench, const char *name, const char *port, uint32_t node,
		      uint32_t other)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget one = WIRE__FENCE_TARGET__INIT, two = WIRE__FENCE_TARGET__INIT;
	Wire__FenceTarget *targets[] = { &one, &two };
	Wire__Param ip = { .base = PROTOBUF_C_MESSAGE_INIT(&wire__param__descriptor),
			   .key = (char *)"ip", .value = (char *)"10.0.0.9" };
	Wire__Param ipport = { .base = PROTOBUF_C_MESSAGE_INIT(&wire__param__descriptor),
			       .key = (char *)"ipport", .value = (char *)port };
	Wire__Param login = { .base = PROTOBUF_C_MESSAGE_INIT(&wire__param__descriptor),
			      .key = (char *)"login", .value = (char *)name };
	Wire__Param *params[] = { &ip, &login, &ipport };

	fence.name = (char *)name;
	fence.agent = (char *)"fence_ipmilan";
	fence.params = params;
	fence.n_params = port ? 3 : 2;
	one.node = node;
	two.node = other;
	fence.targets = targets;
	fence.n_targets = other ? 2 : 1;
	add.fence = &fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.fence_add = &add;
	return bench_apply(bench, 1, 101, &command);
}

/* What one plug says is about one node. */
static void test_one_plug(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(add_device(bench, "first", "9001", 1, 0), 0);
	CU_ASSERT_EQUAL(add_device(bench, "second", "9001", 3, 0), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "by which first fences n1"));
	CU_ASSERT_PTR_NULL(state_fence_named(bench->state, "second"));
	CU_ASSERT_EQUAL(add_device(bench, "second", "9003", 3, 0), 0);
	/* Another one of the same node is no harm, and no port is another than a port. */
	CU_ASSERT_EQUAL(add_device(bench, "again", "9003", 3, 0), 0);
	CU_ASSERT_EQUAL(add_device(bench, "third", NULL, 2, 0), 0);
	CU_ASSERT_EQUAL(add_device(bench, "both", "9009", 2, 3), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "one plug for n2 and n3"));
	bench_free(bench);
}

/* It was called off and is here with the kernel it had: the device is no proof any more. */
static void test_called_off(void)
{
	struct bench *bench = bench_new();

	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	/* In the ring again, its clusterd takes its time. */
	bench_verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN);
	bench_report_node(bench, 2, 103, "first boot");
	CU_ASSERT(bench_has_event(bench, "was called off by bmc, but ran on: that device switches "
					 "another machine, and VMs may have run twice (clusterctl "
					 "fence remove, fence add)"));
	CU_ASSERT_EQUAL(tested(bench, 0)->tested_ms, 0);
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, false), STALE);
	bench_free(bench);
}

static void end_unasked(struct bench *bench, uint64_t op)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	result.op = op;
	result.unasked = true;
	result.text = (char *)"the node that was to fence it is gone";
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
}

/* Where it could not cut the power when it had to, it is to be tested before it counts again. */
static void test_fails_in_earnest(void)
{
	struct bench *bench = bench_new();

	test_device(bench, 0, "on");
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	end_unasked(bench, bench_begin_fence(bench, 2));
	CU_ASSERT(tested(bench, 0)->tested_ms && !tested(bench, 0)->failed_ms);
	bench_end_fence_saying(bench, bench_begin_fence(bench, 2), false, "no route");
	CU_ASSERT(!tested(bench, 0)->tested_ms && tested(bench, 0)->failed_ms);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	CU_ASSERT(tested(bench, 0)->tested_ms && !tested(bench, 0)->failed_ms);
	bench_free(bench);
}

UNIT_MAIN("core/apply_fence", { "fence", test_fence }, { "fence_late", test_fence_late },
	  { "fence_budget", test_fence_budget }, { "other_device", test_other_device },
	  { "fence_silence", test_fence_silence }, { "wrong_clock", test_wrong_clock },
	  { "budget_lowered", test_budget_lowered },
	  { "booted_leader", test_booted_leader }, { "told_later", test_told_later },
	  { "told_after_going_alone", test_told_after_going_alone }, { "jump", test_jump },
	  { "fence_left", test_fence_left }, { "texts_of_fencing", test_texts_of_fencing },
	  { "tested", test_tested }, { "told_tests", test_told_tests },
	  { "device_works", test_device_works },
	  { "off_before_lost", test_off_before_lost },
	  { "back_without_clusterd", test_back_without_clusterd },
	  { "back_to_leave", test_back_to_leave },
	  { "removed_device", test_removed_device },
	  { "off_before_up", test_off_before_up }, { "one_plug", test_one_plug },
	  { "called_off", test_called_off }, { "fails_in_earnest", test_fails_in_earnest })
