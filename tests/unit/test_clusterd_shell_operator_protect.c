/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a VM would be started elsewhere if its node died, and why not. */
#include "clusterd/shell/operator_protect.h"
#include "tests/unit/small.h"
#include "tests/unit/unit.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* How the last tests of a device for n1 and for n2 went. */
enum test { NO_TARGET, UNTESTED, GOOD, FAILED, ANOTHER };

static void load_fence(struct core *core, uint64_t id, const char *name, const enum test tests[2])
{
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget aims[2], *targets[2];

	fence.id = id;
	fence.name = (char *)name;
	fence.targets = targets;
	for (uint32_t i = 0; i < 2; i++) {
		Wire__FenceTarget *aim = &aims[i];

		wire__fence_target__init(aim);
		aim->node = i + 1;
		aim->tested_ms = tests[i] == GOOD ? 4000 : 0;
		aim->failed_ms = tests[i] == FAILED || tests[i] == ANOTHER ? 4000 : 0;
		aim->wrong_ms = tests[i] == ANOTHER ? 4000 : 0;
		if (tests[i] != NO_TARGET)
			targets[fence.n_targets++] = aim;
	}
	small_load(core, WIRE__TABLE__TABLE_FENCE, fence.id, &fence.base);
}

static void load_learner(struct core *core, uint32_t id)
{
	_cleanup_(freep) char *name = mem_printf("n%u", id);
	Wire__Node node = WIRE__NODE__INIT;

	node.id = id;
	node.name = name;
	node.no_vote = true;
	node.state = WIRE__NODE__STATE__UP;
	small_load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

#define WANTED .wanted = WIRE__VM__WANTED__RUNNING
#define RUNS WANTED, .phase = WIRE__VM__PHASE__RUN
#define STATE(x) WIRE__NODE__STATE__##x
#define UP_BOTH STATE(UP), STATE(UP)

/* What differs from a VM that runs well on n1, in a cluster of three that are all up. */
struct protection_case {
	Wire__Vm vm;
	Wire__Node__State n1, n2;
	bool n2_drained, closed;
	enum test tested;	/* bmc1, for n1 */
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
	if (c->tested)
		load_fence(core, 90, "bmc1", (enum test[]){ c->tested, NO_TARGET });
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
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, FAILED, 0, 3, NOT_PROTECTED,
		  "no proof possible for n1: the last test of fence device bmc1 failed (clusterctl "
		  "fence test bmc1)" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, UNTESTED, 0, 3, NOT_PROTECTED,
		  "no proof possible for n1: its fence device bmc1 was never tested (clusterctl "
		  "fence test bmc1)" },
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
		  "no further node may fail: 2 of 3 voters up, 2 needed" },
		{ { RUNS, .owner = 1 }, STATE(UP), STATE(NEW), 0, 0, 0, 0, 3, NOT_PROTECTED,
		  "no other node could take it: n2 is not up" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 1, 0, 0, 3, NOT_PROTECTED, "no quorum" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 0, 4, 3, NOT_PROTECTED,
		  "no further node may fail: 2 of 3 voters up, 2 needed" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 0, 4, 1, NOT_PROTECTED,
		  "no further node may fail: 1 of 1 voters up, 1 needed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_protection(&cases[i]);
}

/*
 * One device whose last test was good will do, and nothing else: neither a second one that nobody
 * has tested, nor the test of another plug of the same device.
 */
static void test_devices(void)
{
	static const struct {
		enum test first[2], second[2];
		const char *why[2];	/* for n1, n2; "": it is protected */
	} cases[] = {
		{ { GOOD, NO_TARGET }, { NO_TARGET, GOOD }, { "", "" } },
		{ { FAILED, GOOD }, { GOOD, FAILED }, { "", "" } },
		{ { ANOTHER, UNTESTED }, { UNTESTED, NO_TARGET },
		  { "no proof possible for n1: the last test of fence device bmc1 failed "
		    "(clusterctl fence test bmc1 n1)",
		    "no proof possible for n2: its fence device bmc1 was never tested (clusterctl "
		    "fence test bmc1 n2)" } },
		{ { UNTESTED, GOOD }, { FAILED, NO_TARGET },
		  { "no proof possible for n1: the last test of fence device bmc2 failed "
		    "(clusterctl fence test bmc2)", "" } },
		{ { NO_TARGET, NO_TARGET }, { UNTESTED, UNTESTED },
		  { "no proof possible for n1: its fence device bmc2 was never tested (clusterctl "
		    "fence test bmc2 n1)",
		    "no proof possible for n2: its fence device bmc2 was never tested (clusterctl "
		    "fence test bmc2 n2)" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct core *core = small_core(0, 0);
		struct view_source source;

		small_voters(core, 3);
		load_fence(core, 90, "bmc1", cases[i].first);
		load_fence(core, 91, "bmc2", cases[i].second);
		source = small_source(core);
		for (uint32_t id = 1; id <= 2; id++)
			small_host(core, id, STATE(UP), false);
		for (uint32_t id = 1; id <= 2; id++) {
			Wire__Essence essence = { .virt_type = (char *)"qemu" };
			Wire__Vm vm = { RUNS, .owner = id, .essence = &essence };
			char why[JUDGE_WHY_SIZE];

			CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)),
					*cases[i].why[id - 1] ? NOT_PROTECTED : PROTECTED);
			CU_ASSERT_STRING_EQUAL(why, cases[i].why[id - 1]);
		}
		core_free(core);
	}
}

/* That was begun then. */
static void load_power_off(struct core *core, uint64_t ms)
{
	Wire__Operation op = WIRE__OPERATION__INIT;

	op.id = 400;
	op.kind = WIRE__OPERATION__KIND__FENCE;
	op.outcome = WIRE__OPERATION__OUTCOME__DONE;
	op.begun_ms = op.clock_ms = ms;
	small_load(core, WIRE__TABLE__TABLE_OPERATION, op.id, &op.base);
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
	CU_ASSERT_STRING_EQUAL(why, "no further node may fail: half of the cluster would be "
				    "lost, and nothing fenced");
	small_host(core, 5, STATE(UP), false);
	source.standing.ring |= 1 << 4;
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), PROTECTED);
	small_setting(core, "fence.budget", "0");
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), NOT_PROTECTED);
	CU_ASSERT_STRING_EQUAL(why, "fence.budget is 0: no lost node is powered off");
	small_setting(core, "fence.budget", "1");
	load_power_off(core, 5000);
	source.standing.clock_ms = 6000;
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), NOT_PROTECTED);
	CU_ASSERT_STRING_EQUAL(why, "1 of 1 power-offs that fence.budget allows in 600 s are used "
				    "(the next one is free at 00:10:05 UTC): no lost node is "
				    "powered off");
	source.standing.clock_ms += 600 * 1000;
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), PROTECTED);
	source.standing.disputed = "two copies";
	CU_ASSERT_EQUAL(protect_judge(&source, &vm, why, sizeof(why)), NOT_PROTECTED);
	CU_ASSERT_STRING_EQUAL(why, "the nodes' copies of the state differ, so nothing would be "
				    "done about it");
	core_free(core);
}

/* ---------------------------------------------------------------- disks */

static void load_volume(struct core *core, const char *target)
{
	Wire__Volume volume = WIRE__VOLUME__INIT;

	volume.id = 95;
	volume.name = (char *)"data";
	volume.target = (char *)target;
	small_load(core, WIRE__TABLE__TABLE_VOLUME, volume.id, &volume.base);
}

/* A VM with two disks, of which the second is well. */
struct disk_case {
	Wire__Disk disk;
	const char *protection;		/* "": it is protected */
	const char *advices[PROTECT_ADVICES];	/* how each begins; NULL: there is none */
	bool no_ha;
};

static Wire__Disk make_disk(Wire__Disk given, const char *target)
{
	Wire__Disk disk = WIRE__DISK__INIT;

	disk.target = (char *)target;
	disk.kind = given.kind ? given.kind : (char *)"file";
	disk.source = given.source ? given.source : (char *)"";
	disk.cache = given.cache ? given.cache : (char *)"none";
	disk.readonly = given.readonly;
	return disk;
}

static void check_advices(const struct core *core, const Wire__Vm *vm, const struct disk_case *c)
{
	for (size_t i = 0; i < PROTECT_ADVICES; i++) {
		_cleanup_(buf_free) struct buf text = { 0 };
		bool is_given = protect_advise(core_state(core), vm, i, &text);
		const char *begin = c->advices[i];

		CU_ASSERT_EQUAL(is_given, begin != NULL);
		if (begin && strncmp(buf_str(&text), begin, strlen(begin)) != 0) {
			printf("%s\n", buf_str(&text));
			CU_FAIL("advice");
		}
	}
}

static void check_disk(const struct disk_case *c)
{
	struct core *core = small_core(0, 0);
	struct view_source source;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Disk well = { .source = (char *)"/srv/vms/b" };
	Wire__Disk first = make_disk(c->disk, "vda"), second = make_disk(well, "vdb");
	Wire__Disk *disks[] = { &first, &second };
	Wire__Vm vm = WIRE__VM__INIT;
	char why[JUDGE_WHY_SIZE];

	load_volume(core, "/srv/vms");
	small_voters(core, 3);
	for (uint32_t id = 1; id <= 2; id++) {
		Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
		char *volumes[] = { (char *)"data" };
		Wire__Node node = *state_node(core_state(core), id);

		facts.agent_ok = true;
		facts.volumes = volumes;
		facts.n_volumes = 1;
		node.facts = &facts;
		small_load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
	}
	source = small_source(core);
	essence.virt_type = (char *)"qemu";
	essence.disks = disks;
	essence.n_disks = 2;
	vm.essence = &essence;
	vm.phase = WIRE__VM__PHASE__RUN;
	vm.wanted = WIRE__VM__WANTED__RUNNING;
	vm.owner = 1;
	vm.no_ha = c->no_ha;
	protect_judge(&source, &vm, why, sizeof(why));
	CU_ASSERT_STRING_EQUAL(why, c->protection);
	check_advices(core, &vm, c);
	core_free(core);
}

/* A guest whose disk only one node may have is not called protected, and its adder is told. */
static void test_disks(void)
{
	static char stray[] = "/var/lib/a.img", on_volume[] = "/srv/vms/a", device[] = "/dev/vg/a",
		    block[] = "block", network[] = "network", none[] = "none",
		    writeback[] = "writeback", by_default[] = "", direct[] = "directsync";
	static const char lies[] =
		"disk vda (/var/lib/a.img) lies on no volume of the cluster: other nodes may not";
	static const char no[] = "its disk vda lies on no volume, so other nodes may not have it";
	static const struct disk_case cases[] = {
		{ { .source = on_volume, .cache = none }, "", { 0 }, false },
		{ { .source = stray, .cache = none }, no, { lies, NULL, NULL }, false },
		{ { .source = stray, .cache = none, .readonly = true }, no, { lies, NULL, NULL },
		  false },
		{ { .source = stray, .cache = none }, "ha=no: bound to its node", { 0 }, true },
		{ { .source = device, .kind = block, .cache = none }, "",
		  { NULL, "disk vda (/dev/vg/a) is a device of its node: make sure", NULL },
		  false },
		{ { .source = on_volume, .cache = writeback }, "",
		  { NULL, NULL, "disk vda (/srv/vms/a) has another cache mode than 'none': live" },
		  false },
		{ { .source = on_volume, .cache = by_default }, "",
		  { NULL, NULL, "disk vda (/srv/vms/a) has another cache mode than 'none': live" },
		  false },
		{ { .source = on_volume, .cache = writeback, .readonly = true }, "", { 0 },
		  false },
		{ { .source = on_volume, .cache = direct }, "", { 0 }, false },
		{ { .source = on_volume, .kind = network, .cache = by_default }, "", { 0 },
		  false },
		{ { .cache = by_default }, "", { 0 }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_disk(&cases[i]);
}

/* Several disks are one sentence, and the view of the VM has it. */
static void test_warnings(void)
{
	struct core *core = small_core(1, 10);
	Wire__Vm vm = *state_vm_named(core_state(core), "web0");
	Wire__Essence essence = *vm.essence;
	Wire__Disk a = make_disk((Wire__Disk){ .source = (char *)"/a" }, "vda");
	Wire__Disk b = make_disk((Wire__Disk){ .source = (char *)"/b" }, "vdb");
	Wire__Disk *disks[] = { &a, &b, &a, &b, &b };
	struct view_source source;
	const json_t *warnings;
	json_t *view;

	essence.disks = disks;
	essence.n_disks = 2;
	vm.essence = &essence;
	small_load(core, WIRE__TABLE__TABLE_VM, vm.id, &vm.base);
	source = small_source(core);
	view = view_vm(&source, state_vm_named(source.state, "web0"), false);
	warnings = json_object_get(view, "warnings");
	CU_ASSERT_EQUAL_FATAL(json_array_size(warnings), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(json_string_value(json_array_get(warnings, 0)),
				      "disks vda (/a), vdb (/b) lie on no volume"));
	json_decref(view);
	/* Of many disks only some are named. */
	vm = *state_vm_named(source.state, "web0");
	essence = *vm.essence;
	essence.disks = disks;
	essence.n_disks = 5;
	vm.essence = &essence;
	view = view_vm(&source, &vm, false);
	warnings = json_object_get(view, "warnings");
	CU_ASSERT_PTR_NOT_NULL(strstr(json_string_value(json_array_get(warnings, 0)),
				      "disks vda (/a), vdb (/b), vda (/a) and 2 more lie on"));
	json_decref(view);
	core_free(core);
}

/* Two nodes: n3 of the small cluster does not vote. */
static void test_two_nodes(void)
{
	static const struct {
		enum test tests[2];
		size_t voters;
		bool one, third, closed;
		const char *why;
	} cases[] = {
		{ { NO_TARGET, NO_TARGET }, 1, 0, 0, 0,
		  "only n1 goes on when the other node dies, as it alone votes: the other one "
		  "stands still without it (no proof possible for n1: no fence device)" },
		{ { NO_TARGET, NO_TARGET }, 2, 0, 0, 0,
		  "neither of the two nodes goes on alone when the other dies (no proof possible "
		  "for n1: no fence device): give each a fence device whose test goes well "
		  "(clusterctl fence add), or add a third node that votes (clusterctl node add)" },
		{ { GOOD, UNTESTED }, 1, 0, 0, 0, "n2: its fence device bmc was never tested" },
		{ { GOOD, FAILED }, 2, 0, 0, 0, "n2: the last test of fence device bmc failed" },
		{ { GOOD, GOOD }, 2, 0, 0, 0, NULL },
		{ { GOOD, GOOD }, 1, 0, 0, 0, NULL },
		{ { GOOD, NO_TARGET }, 1, 1, 0, 0, "only n1 votes, so nothing is decided without" },
		{ { NO_TARGET, NO_TARGET }, 1, 0, 1, 0, NULL },
		{ { NO_TARGET, NO_TARGET }, 3, 0, 1, 0, NULL },
		{ { NO_TARGET, NO_TARGET }, 1, 0, 0, 1, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct core *core = small_core(0, 0);
		struct view_source source;
		char why[JUDGE_WHY_SIZE] = "?";

		small_voters(core, cases[i].voters);
		load_fence(core, 90, "bmc", cases[i].tests);
		if (cases[i].one)
			load_learner(core, 2);
		if (!cases[i].third)
			load_learner(core, 3);
		source = small_source(core);
		source.standing.open = !cases[i].closed;
		protect_voters(&source, why, sizeof(why));
		if (cases[i].why ? !strstr(why, cases[i].why) : *why) {
			printf("%zu: %s\n", i, why);
			CU_FAIL("two nodes");
		}
		core_free(core);
	}
}

UNIT_MAIN("clusterd/shell/operator_protect", { "two nodes", test_two_nodes },
	  { "protected", test_protected },
	  { "devices", test_devices },
	  { "protected of half", test_protected_of_half }, { "disks", test_disks },
	  { "warnings", test_warnings })
