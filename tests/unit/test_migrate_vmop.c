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

UNIT_MAIN("migrate/vmop", { "table", test_table }, { "gone", test_gone }, { "runner", test_runner },
	  { "asserts", test_asserts })
