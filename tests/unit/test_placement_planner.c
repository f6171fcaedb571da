/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "placement/planner.h"
#include "tests/unit/unit.h"

static const struct planner_node nodes[] = {
	{ 1, 4096, 1024 }, { 2, 4096, 0 }, { 3, 2048, 0 },
};

static void test_most_free(void)
{
	const struct planner_vm vms[] = {
		{ .vm = 10, .memory_mib = 1024, .allowed = 7 },
		{ .vm = 11, .memory_mib = 1024, .allowed = 7 },
		{ .vm = 12, .memory_mib = 1024, .allowed = 7 },
	};
	const struct planner_input input = { nodes, 3, vms, 3 };
	struct planner_place places[3];

	planner_restart(&input, places);
	CU_ASSERT_EQUAL(places[0].node, 2);	/* 4096 free */
	CU_ASSERT_EQUAL(places[1].node, 1);	/* 3072 and 3072: the lower id */
	CU_ASSERT_EQUAL(places[2].node, 2);
}

static void test_order(void)
{
	const struct planner_vm vms[] = {
		{ .vm = 10, .memory_mib = 512, .priority = 0, .allowed = 4 },
		{ .vm = 11, .memory_mib = 2048, .priority = 2, .allowed = 4 },
		{ .vm = 12, .memory_mib = 1024, .priority = 1, .allowed = 4 },
	};
	const struct planner_input input = { nodes, 3, vms, 3 };
	struct planner_place places[3];

	planner_restart(&input, places);
	CU_ASSERT_EQUAL(places[0].vm, 11);
	CU_ASSERT_EQUAL(places[0].node, 3);
	CU_ASSERT_EQUAL(places[1].vm, 12);
	CU_ASSERT_EQUAL(places[1].node, 0);	/* the important one took the room */
	CU_ASSERT_EQUAL(places[1].largest_free_mib, 0);
	CU_ASSERT_EQUAL(places[2].node, 0);
}

static void test_preferred(void)
{
	const struct planner_vm vms[] = {
		{ .vm = 1, .memory_mib = 512, .allowed = 7, .preferred = { 3, 1 } },
		{ .vm = 2, .memory_mib = 3000, .allowed = 7, .preferred = { 3, 1 } },
		{ .vm = 3, .memory_mib = 512, .allowed = 2, .preferred = { 3 } },
	};
	const struct planner_input input = { nodes, 3, vms, 3 };
	struct planner_place places[3];

	planner_restart(&input, places);
	CU_ASSERT_EQUAL(places[0].vm, 2);
	CU_ASSERT_EQUAL(places[0].node, 1);	/* the first has no room, the second has */
	CU_ASSERT_EQUAL(places[1].node, 3);
	CU_ASSERT_EQUAL(places[2].node, 2);	/* preferred, but not allowed */
}

static void test_nothing(void)
{
	const struct planner_vm vms[] = { { .vm = 1, .memory_mib = 1, .allowed = 0 } };
	const struct planner_input none = { nodes, 3, NULL, 0 };
	const struct planner_input input = { nodes, 3, vms, 1 };
	const struct planner_input empty = { NULL, 0, vms, 1 };
	struct planner_place places[1];

	planner_restart(&none, NULL);
	planner_restart(&input, places);
	CU_ASSERT_EQUAL(places[0].node, 0);
	planner_restart(&empty, places);
	CU_ASSERT_EQUAL(places[0].node, 0);
}

UNIT_MAIN("placement/planner", { "most_free", test_most_free }, { "order", test_order },
	  { "preferred", test_preferred }, { "nothing", test_nothing })
