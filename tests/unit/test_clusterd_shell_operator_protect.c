// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a VM would be started elsewhere if its node died, and why not. */
#include "clusterd/shell/operator_protect.h"
#include "tests/unit/small.h"
#include "tests/unit/unit.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void load_tested_fence(struct core *core, uint32_t target, const char *result)
{
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget aim = WIRE__FENCE_TARGET__INIT, *aims[] = { &aim };

	aim.node = target;
	fence.id = 90;
	fence.name = (char *)"bmc1";
	fence.test_result = (char *)result;
	fence.targets = aims;
	fence.n_targets = 1;
	small_load(core, WIRE__TABLE__TABLE_FENCE, fence.id, &fence.base);
}

#define WANTED .wanted = WIRE__VM__WANTED__RUNNING
#define RUNS WANTED, .phase = WIRE__VM__PHASE__RUN
#define STATE(x) WIRE__NODE__STATE__##x
#define UP_BOTH STATE(UP), STATE(UP)

/* What differs from a VM that runs well on n1, in a cluster of three that are all up. */
struct protection_case {
	Wire__Vm vm;
	Wire__Node__State n1, n2;
	bool n2_drained, closed, device_failed;
	uint64_t gone;		/* neither members nor in the ring, bit n-1 */
	size_t voters;
	enum protection protection;
	const char *why;
};

static void check_protection(const struct protection_case *c)
{
	struct core *core = small_core(0, 0);
	struct view_source source;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Vm vm = c->vm;
	char why[JUDGE_WHY_SIZE];

	small_voters(core, c->voters);
	small_host(core, 1, c->n1, false);
	small_host(core, 2, c->n2, c->n2_drained);
	if (c->device_failed)
		load_tested_fence(core, 1, "no route");
	source = small_source(core);
	source.standing.open = !c->closed;
	source.standing.members &= ~c->gone;
	source.standing.ring &= ~c->gone;
	source.standing.ready &= ~c->gone;
	essence.virt_type = (char *)"qemu";
	vm.essence = &essence;
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), c->protection);
	CU_ASSERT_STRING_EQUAL(why, c->why);
	core_free(core);
}

static void test_protected(void)
{
	static uint32_t only_n1[] = { 1 };
	static const struct protection_case cases[] = {
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 0, 0, 3, PROTECTED, "" },
		{ { WANTED, .phase = WIRE__VM__PHASE__COPYING, .owner = 1 }, UP_BOTH, 0, 0, 0, 0,
		  3, PROTECTED, "" },
		/* Its death would still be seen. */
		{ { RUNS, .owner = 1 }, STATE(DAEMON_DOWN), STATE(UP), 0, 0, 0, 0, 3, PROTECTED,
		  "" },
		/* Not meant to be. */
		{ { .wanted = WIRE__VM__WANTED__STOPPED }, UP_BOTH, 0, 0, 0, 0, 3,
		  PROTECTION_NOT_MEANT, "off, as it is wanted" },
		{ { RUNS, .owner = 1, .unmanaged = 1 }, UP_BOTH, 0, 0, 0, 0, 3,
		  PROTECTION_NOT_MEANT, "managed=no" },
		{ { RUNS, .owner = 1, .no_ha = 1 }, UP_BOTH, 0, 0, 0, 0, 3, PROTECTION_NOT_MEANT,
		  "ha=no: bound to its node" },
		/* It runs nowhere. */
		{ { .wanted = WIRE__VM__WANTED__STOPPED, .phase = WIRE__VM__PHASE__RUN,
		    .owner = 1 }, UP_BOTH, 0, 0, 0, 0, 3, NOT_PROTECTED, "not wanted running" },
		{ { WANTED }, UP_BOTH, 0, 0, 0, 0, 3, NOT_PROTECTED, "it does not run" },
		{ { WANTED, .phase = WIRE__VM__PHASE__FAILED }, UP_BOTH, 0, 0, 0, 0, 3,
		  NOT_PROTECTED, "it does not run: given up" },
		{ { WANTED, .phase = WIRE__VM__PHASE__SAVED }, UP_BOTH, 0, 0, 0, 0, 3,
		  NOT_PROTECTED, "it does not run: saved" },
		/* No proof of its node's death. */
		{ { RUNS, .owner = 2 }, UP_BOTH, 0, 0, 0, 0, 3, NOT_PROTECTED,
		  "no proof possible for n2: no fence device" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 1, 0, 3, NOT_PROTECTED,
		  "no proof possible for n1: the last test of fence device bmc1 failed" },
		{ { RUNS, .owner = 1 }, STATE(LOST), STATE(UP), 0, 0, 0, 1, 3, NOT_PROTECTED,
		  "n1 is lost and not proven off" },
		{ { RUNS, .owner = 1 }, STATE(LEFT), STATE(UP), 0, 0, 0, 0, 3, NOT_PROTECTED,
		  "n1 has left: nobody would notice its death soon" },
		/* Nobody to take it, or to decide it. */
		{ { RUNS, .owner = 1, .possible_owners = only_n1, .n_possible_owners = 1 }, UP_BOTH,
		  0, 0, 0, 0, 3, NOT_PROTECTED, "only one node may run it" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 1, 0, 0, 0, 3, NOT_PROTECTED,
		  "no other node could take it: n2 takes no VMs (placement=no)" },
		{ { RUNS, .owner = 1 }, STATE(UP), STATE(LOST), 0, 0, 0, 2, 3, NOT_PROTECTED,
		  "no other node could take it: n2 is not up" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 1, 0, 0, 3, NOT_PROTECTED, "no quorum" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 0, 4, 3, NOT_PROTECTED,
		  "without n1 there would be no quorum" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 0, 4, 1, NOT_PROTECTED,
		  "without n1 there would be no quorum" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_protection(&cases[i]);
}

/* With five voters a second loss leaves a quorum, and with four nodes it is half of them. */
static void test_protected_of_half(void)
{
	struct core *core = small_core(0, 0);
	struct view_source source = small_source(core);
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Vm vm = WIRE__VM__INIT;
	char why[JUDGE_WHY_SIZE];

	for (uint32_t id = 1; id <= 4; id++)
		small_host(core, id, id == 4 ? STATE(LOST) : STATE(UP), false);
	vm.phase = WIRE__VM__PHASE__RUN;
	vm.wanted = WIRE__VM__WANTED__RUNNING;
	vm.owner = 1;
	vm.essence = &essence;
	essence.virt_type = (char *)"qemu";
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), NOT_PROTECTED);
	CU_ASSERT_STRING_EQUAL(why, "with n1 half of the cluster would be lost, and nothing "
				    "fenced");
	small_host(core, 5, STATE(UP), false);
	source.standing.ring |= 1 << 4;
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), PROTECTED);
	source.standing.disputed = "two copies";
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), NOT_PROTECTED);
	CU_ASSERT_STRING_EQUAL(why, "the nodes' copies of the state differ, so nothing would be "
				    "done about it");
	core_free(core);
}

UNIT_MAIN("clusterd/shell/operator_protect", { "protected", test_protected },
	  { "protected of half", test_protected_of_half })
