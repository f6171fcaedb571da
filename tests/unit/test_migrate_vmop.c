/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/vmop.h"
#include "tests/unit/unit.h"

#define BIT(n) (UINT64_C(1) << ((n)-1))
#define BOTH (BIT(1) | BIT(2))

static void test_table(void)
{
	unsigned state;

	CU_ASSERT_PTR_NULL(sm_check_table(vmop_phases, VMOP_PHASES, SM_BIT(VMOP_OFF), &state));
}

/* Every phase, every node that may go, and what becomes of it. */
static void test_gone(void)
{
	static const struct {
		struct vmop op;
		uint32_t node;
		bool handed_over;
		enum vmop_gone gone;
		enum vmop_phase phase;
		uint32_t owner;
	} cases[] = {
		{ { VMOP_OFF, 0, 0, 0, BIT(1) }, 1, false, VMOP_GONE_NOTHING, VMOP_OFF, 0 },
		{ { VMOP_STARTING, 1, 0, 1, BIT(1) }, 1, false, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_STARTING, 1, 0, 1, BIT(1) },
		  2,
		  false,
		  VMOP_GONE_NOTHING,
		  VMOP_STARTING,
		  1 },
		{ { VMOP_RUN, 1, 0, 0, BIT(1) }, 1, false, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_RUN, 1, 0, 0, BOTH }, 2, false, VMOP_GONE_NOTHING, VMOP_RUN, 1 },
		{ { VMOP_STOPPING, 1, 0, 0, BIT(1) }, 1, false, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_COPYING, 1, 1, 2, BOTH }, 1, true, VMOP_GONE_WAIT, VMOP_COPYING, 0 },
		{ { VMOP_COPYING, 1, 1, 2, BOTH }, 1, false, VMOP_GONE_GIVE_UP, VMOP_ABORTING, 0 },
		{ { VMOP_COPYING, 1, 1, 2, BOTH }, 2, false, VMOP_GONE_BACK, VMOP_RUN, 1 },
		{ { VMOP_COPYING, 0, 1, 2, BIT(2) }, 2, false, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_GO, 2, 1, 2, BOTH }, 1, true, VMOP_GONE_GO_ON, VMOP_RESUMING, 2 },
		{ { VMOP_GO, 2, 1, 2, BOTH }, 1, false, VMOP_GONE_GIVE_UP, VMOP_ABORTING, 0 },
		{ { VMOP_GO, 2, 1, 2, BOTH }, 2, false, VMOP_GONE_BACK, VMOP_RUN, 1 },
		{ { VMOP_RESUMING, 2, 1, 2, BIT(2) }, 2, false, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_ABORTING, 1, 1, 2, BOTH }, 2, false, VMOP_GONE_BACK, VMOP_RUN, 1 },
		{ { VMOP_ABORTING, 1, 1, 2, BOTH }, 1, false, VMOP_GONE_GIVE_UP, VMOP_ABORTING, 0 },
		/* It was to stay, and the copy is being destroyed: the word comes too late. */
		{ { VMOP_ABORTING, 1, 1, 2, BOTH }, 1, true, VMOP_GONE_GIVE_UP, VMOP_ABORTING, 0 },
		{ { VMOP_ABORTING, 0, 1, 2, BIT(2) }, 2, false, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_SAVING, 1, 1, 2, BIT(1) }, 1, false, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_RESTORING, 2, 0, 2, BIT(2) }, 2, false, VMOP_GONE_IMAGE, VMOP_SAVED, 0 },
		{ { VMOP_CONSUMED, 2, 0, 2, BIT(2) }, 2, false, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_GO, 2, 1, 2, BOTH }, 3, false, VMOP_GONE_NOTHING, VMOP_GO, 2 },
		/* Nobody but the source can hand over. */
		{ { VMOP_RUN, 1, 0, 0, BIT(1) }, 1, true, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
		{ { VMOP_GO, 2, 1, 2, BOTH }, 2, true, VMOP_GONE_BACK, VMOP_RUN, 1 },
		{ { VMOP_SAVING, 1, 1, 2, BIT(1) }, 1, true, VMOP_GONE_STOPPED, VMOP_OFF, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vmop op = cases[i].op;

		CU_ASSERT_PTR_NULL(vmop_broken(&op));
		CU_ASSERT_EQUAL(vmop_node_gone(&op, cases[i].node, cases[i].handed_over),
				cases[i].gone);
		CU_ASSERT_EQUAL(op.phase, cases[i].phase);
		CU_ASSERT_EQUAL(op.owner, cases[i].owner);
		CU_ASSERT_EQUAL(op.maybe & BIT(cases[i].node), 0);
		CU_ASSERT_PTR_NULL(vmop_broken(&op));
	}
}

/* Each record of three nodes that the machine allows. */
static size_t each_allowed(void (*check)(const struct vmop *op))
{
	size_t n = 0;

	for (unsigned i = 0; i < VMOP_PHASES * 4 * 4 * 4 * 8; i++) {
		struct vmop op = { (enum vmop_phase)(i / 512), i % 4, i / 4 % 4, i / 16 % 4,
				   i / 64 % 8 };

		if (vmop_broken(&op))
			continue;
		check(&op);
		n++;
	}
	return n;
}

static void go_and_turn_up(const struct vmop *op)
{
	for (uint32_t node = 1; node <= 3; node++)
		for (int handed_over = 0; handed_over < 2; handed_over++) {
			struct vmop gone = *op, found = *op;
			bool back;

			vmop_node_gone(&gone, node, handed_over);
			CU_ASSERT_PTR_NULL(vmop_broken(&gone));
			CU_ASSERT_EQUAL(gone.maybe, op->maybe & ~BIT(node));
			back = vmop_node_found(&found, node);
			CU_ASSERT_PTR_NULL(vmop_broken(&found));
			CU_ASSERT_EQUAL(found.maybe, op->maybe | BIT(node));
			CU_ASSERT_EQUAL(found.phase, back ? VMOP_OFF : op->phase);
			CU_ASSERT_EQUAL(found.owner, back ? 0 : op->owner);
			/* Whoever holds it by the record is no news. */
			CU_ASSERT_FALSE(back && (op->maybe & BIT(node)));
		}
}

static void test_each(void)
{
	CU_ASSERT(each_allowed(go_and_turn_up) > 1000);
}

/* What is not allowed changes nothing. */
static void test_try(void)
{
	struct vmop op = { VMOP_OFF, 0, 0, 0, 0 };

	CU_ASSERT_STRING_EQUAL(vmop_try(&op, VMOP_GO), "no such change of phase");
	CU_ASSERT_STRING_EQUAL(vmop_try(&op, VMOP_STARTING),
			       "the owner is one of those who may hold it");
	CU_ASSERT_EQUAL(op.phase, VMOP_OFF);
	op.owner = 1;
	op.maybe = BIT(1);
	CU_ASSERT_PTR_NULL(vmop_try(&op, VMOP_STARTING));
	CU_ASSERT_EQUAL(op.phase, VMOP_STARTING);
}

/* Nobody runs it while the right changes hands. */
static void test_runner(void)
{
	CU_ASSERT_EQUAL(vmop_runner(&(struct vmop){ VMOP_COPYING, 1, 1, 2, BIT(1) | BIT(2) }), 1);
	CU_ASSERT_EQUAL(vmop_runner(&(struct vmop){ VMOP_GO, 2, 1, 2, BIT(1) | BIT(2) }), 0);
	CU_ASSERT_EQUAL(vmop_runner(&(struct vmop){ VMOP_RESUMING, 2, 1, 2, BIT(2) }), 2);
	CU_ASSERT_EQUAL(vmop_runner(&(struct vmop){ VMOP_SAVED, 0, 1, 2, 0 }), 0);
	CU_ASSERT_EQUAL(vmop_runner(&(struct vmop){ VMOP_RESTORING, 2, 0, 2, BIT(2) }), 0);
}

static void forbidden(void *context)
{
	struct vmop op = { VMOP_SAVED, 0, 1, 2, 0 };

	(void)context;
	op.owner = 2;
	op.maybe = BIT(2);
	vmop_move(&op, VMOP_CONSUMED); /* an image nobody restored cannot be consumed */
}

static void unowned(void *context)
{
	struct vmop op = { VMOP_OFF, 0, 0, 0, 0 };

	(void)context;
	vmop_move(&op, VMOP_STARTING); /* without an owner */
}

static void test_asserts(void)
{
	CU_ASSERT(unit_aborts(forbidden, NULL));
	CU_ASSERT(unit_aborts(unowned, NULL));
}

UNIT_MAIN("migrate/vmop", { "table", test_table }, { "gone", test_gone }, { "each", test_each },
	  { "try", test_try }, { "runner", test_runner }, { "asserts", test_asserts })
