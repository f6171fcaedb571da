/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was proposed by what is no longer so, or by somebody who has no say any more, changes
 * nothing, whatever its proposer knew: two commands may have been on their way at once.
 */
#include "clusterd/core/record.h"
#include "tests/unit/bench.h"
#include "tests/unit/unit.h"

#define PHASE(x) WIRE__VM__PHASE__##x
#define SAYS(x) WIRE__VM_REPORT__WHAT__##x

/* A stray copy is on that node as well. */
static void stray(struct bench *bench, uint32_t node)
{
	CU_ASSERT_EQUAL(bench_report_vm(bench, node, 100 + node, bench_vm(bench)->generation,
					SAYS(PRESENT)), 0);
	CU_ASSERT_TRUE(vm_holds(bench_vm(bench), node));
}

static int report(struct bench *bench, uint32_t node, Wire__VmReport__What what)
{
	return bench_report_vm(bench, node, 100 + node, bench_vm(bench)->generation, what);
}

static void test_node_not_up(void)
{
	static const Wire__Node__State states[] = { WIRE__NODE__STATE__LOST,
						    WIRE__NODE__STATE__DAEMON_DOWN };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct bench *bench = bench_new();

		CU_ASSERT_EQUAL(bench_verdict(bench, 2, states[i]), 0);
		CU_ASSERT_EQUAL(report(bench, 2, SAYS(ABSENT)), STALE);
		CU_ASSERT_TRUE(vm_holds(bench_vm(bench), 2));
		bench_free(bench);
	}
}

/* Decided about the stop before the last one. */
static void test_old_step(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmStep step = WIRE__VM_STEP__INIT;

	CU_ASSERT_EQUAL(report(bench, 2, SAYS(ABSENT)), 0);
	step.vm = bench_vm(bench)->id;
	step.generation = bench_vm(bench)->generation;
	step.phase = PHASE(OFF);
	step.next = PHASE(STARTING);
	step.node = 3;
	command.body_case = WIRE__COMMAND__BODY_VM_STEP;
	command.vm_step = &step;
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 1), 0);
	CU_ASSERT_EQUAL(report(bench, 1, SAYS(ABSENT)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(OFF));
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), STALE);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(OFF));
	bench_free(bench);
}

static void test_start_held(void)
{
	struct bench *bench = bench_new();

	stray(bench, 3);
	CU_ASSERT_EQUAL(report(bench, 2, SAYS(ABSENT)), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 1), STALE);
	CU_ASSERT_EQUAL(report(bench, 3, SAYS(ABSENT)), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 1), 0);
	bench_free(bench);
}

static void test_restore_held(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_add_volume(bench, "one", "/v/one"), 0);
	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__QUICK,
				   "/v/one/.clusterd/state/a.1.sav"), 0);
	CU_ASSERT_EQUAL(report(bench, 2, SAYS(SAVED)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(SAVED));
	stray(bench, 1);
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(RESTORING), 3), STALE);
	CU_ASSERT_EQUAL(report(bench, 1, SAYS(ABSENT)), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(RESTORING), 3), 0);
	bench_free(bench);
}

/* It runs where nobody may have it, and perhaps on another node, too. */
static void test_found_held(void)
{
	struct bench *bench = bench_new();

	stray(bench, 3);
	CU_ASSERT_EQUAL(report(bench, 2, SAYS(ABSENT)), 0);
	stray(bench, 1);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(OFF));
	CU_ASSERT_EQUAL(bench_vm(bench)->owner, 0);
	bench_free(bench);
}

static void test_move_held(void)
{
	struct bench *bench = bench_new();

	stray(bench, 3);
	CU_ASSERT_NOT_EQUAL(bench_move(bench, 1, WIRE__VM_MOVE__HOW__LIVE, NULL), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(RUN));
	CU_ASSERT_EQUAL(report(bench, 3, SAYS(ABSENT)), 0);
	CU_ASSERT_EQUAL(bench_move(bench, 1, WIRE__VM_MOVE__HOW__LIVE, NULL), 0);
	bench_free(bench);
}

/* What was decided about a node before it booted anew says nothing about it. */
static void test_old_incarnation(void)
{
	struct bench *bench = bench_new();
	uint64_t before = state_node(bench->state, 3)->incarnation;
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeVerdict verdict = WIRE__NODE_VERDICT__INIT;

	verdict.node = 3;
	verdict.incarnation = before;
	verdict.state = WIRE__NODE__STATE__LOST;
	command.body_case = WIRE__COMMAND__BODY_NODE_VERDICT;
	command.node_verdict = &verdict;
	bench_report_node(bench, 3, 203, "second boot");
	CU_ASSERT_EQUAL(state_node(bench->state, 3)->incarnation, before + 1);
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), STALE);
	CU_ASSERT_EQUAL(state_node(bench->state, 3)->state, WIRE__NODE__STATE__UP);
	bench_free(bench);
}

/* A device's answer about a node that was heard of since it was asked. */
static void test_old_proof(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	op = bench_begin_fence(bench, 2);
	bench_report_node(bench, 2, 202, "second boot");
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), STALE);
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__UP);
	bench_free(bench);
}

UNIT_MAIN("core/apply_late", { "node_not_up", test_node_not_up }, { "old_step", test_old_step },
	  { "start_held", test_start_held }, { "restore_held", test_restore_held },
	  { "found_held", test_found_held }, { "move_held", test_move_held },
	  { "old_incarnation", test_old_incarnation }, { "old_proof", test_old_proof })
