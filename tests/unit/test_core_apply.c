/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of apply that decide about double running, one by one, on a bare state. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/record.h"
#include "tests/unit/unit.h"
#include "wire/check.h"
#include "wire/command.h"
#include "wire/message.h"

struct bench {
	struct state *state;
	uint64_t index;
	uint64_t passed_ms;		/* since the first node booted */
	uint64_t booted_ms[4];		/* when, of each node */
	int64_t wrong_ms[4];		/* its wall clock */
	char text[1100];
};

#define WALL_MS UINT64_C(1700000000000)
enum { DAY_MS = 86400 * 1000, WINDOW_MS = 600 * 1000 };

/* Applies a command as from a node's daemon; the verdict's code. */
static int apply(struct bench *bench, uint32_t node, uint64_t boot_id, Wire__Command *command)
{
	Wire__Entry entry = WIRE__ENTRY__INIT;
	struct buf packed = { 0 };
	struct update update;
	Wire__Verdict *verdict;
	uint64_t request;
	int code;

	command->node = node;
	command->boot_id = boot_id;
	command->time_ms = WALL_MS + bench->passed_ms + (uint64_t)bench->wrong_ms[node];
	command->up_ms = 1 + bench->passed_ms - bench->booted_ms[node];
	CU_ASSERT_EQUAL(wire_command_pack(command, &packed, NULL), 0);
	entry.index = ++bench->index;
	entry.epoch = 1;
	entry.command.data = packed.data;
	entry.command.len = packed.len;
	update_init(&update);
	apply_entry(bench->state, &entry, &update, &verdict, &request);
	code = (int)verdict->code;
	snprintf(bench->text, sizeof(bench->text), "%s", verdict->text);
	wire_free(verdict);
	update_reset(&update);
	buf_free(&packed);
	return code;
}

static void report_node(struct bench *bench, uint32_t node, uint64_t boot_id, const char *kernel)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;

	report.kernel_boot_id = (char *)kernel;
	report.disk_id = node;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	CU_ASSERT_EQUAL(apply(bench, node, boot_id, &command), 0);
}

static int report_vm(struct bench *bench, uint32_t node, uint64_t boot_id, uint64_t generation,
		     Wire__VmReport__What what)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmReport report = WIRE__VM_REPORT__INIT;

	report.vm = state_vm_named(bench->state, "a")->id;
	report.generation = generation;
	report.what = what;
	report.look = state_vm_named(bench->state, "a")->look;
	command.body_case = WIRE__COMMAND__BODY_VM_REPORT;
	command.vm_report = &report;
	return apply(bench, node, boot_id, &command);
}

/* The node has looked for the VM, and it is not there. */
static int look(struct bench *bench, uint32_t node)
{
	return report_vm(bench, node, state_node(bench->state, node)->boot_id,
			 state_vm_named(bench->state, "a")->generation,
			 WIRE__VM_REPORT__WHAT__ABSENT);
}

static int step_vm(struct bench *bench, Wire__Vm__Phase next, uint32_t node)
{
	const Wire__Vm *vm = state_vm_named(bench->state, "a");
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmStep step = WIRE__VM_STEP__INIT;

	step.vm = vm->id;
	step.generation = vm->generation;
	step.phase = vm->phase;
	step.next = next;
	step.node = node;
	command.body_case = WIRE__COMMAND__BODY_VM_STEP;
	command.vm_step = &step;
	return apply(bench, 1, 101, &command);
}

static int verdict(struct bench *bench, uint32_t node, Wire__Node__State state)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeVerdict body = WIRE__NODE_VERDICT__INIT;

	body.node = node;
	body.incarnation = state_node(bench->state, node)->incarnation;
	body.state = state;
	body.reason = (char *)"it left the totem ring";
	command.body_case = WIRE__COMMAND__BODY_NODE_VERDICT;
	command.node_verdict = &body;
	return apply(bench, 1, 101, &command);
}

static uint64_t begin_fence(struct bench *bench, uint32_t node)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceBegin begin = WIRE__FENCE_BEGIN__INIT;
	size_t n;

	begin.node = node;
	begin.incarnation = state_node(bench->state, node)->incarnation;
	begin.device =
		((const Wire__Fence *)state_at(bench->state, WIRE__TABLE__TABLE_FENCE, 0))->id;
	begin.executor = 1;
	command.body_case = WIRE__COMMAND__BODY_FENCE_BEGIN;
	command.fence_begin = &begin;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), 0);
	n = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	return ((const Wire__Operation *)state_at(bench->state, WIRE__TABLE__TABLE_OPERATION,
						  n - 1))
		->id;
}

static int end_fence_saying(struct bench *bench, uint64_t op, bool off, const char *text)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	result.op = op;
	result.off = result.ok = off;
	result.text = (char *)text;
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	return apply(bench, 1, 101, &command);
}

static int end_fence(struct bench *bench, uint64_t op, bool off)
{
	return end_fence_saying(bench, op, off, "said the device");
}

static void add_fence_of(struct bench *bench, const char *name, uint32_t node)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;

	fence.name = (char *)name;
	fence.agent = (char *)"fence_ipmilan";
	fence.targets = &targets;
	fence.n_targets = 1;
	target.node = node;
	add.fence = &fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.fence_add = &add;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), 0);
}

static void add_fence(struct bench *bench)
{
	add_fence_of(bench, "bmc", 2);
}

static void add_vm(struct bench *bench)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;

	essence.memory_mib = 512;
	essence.virt_type = (char *)"qemu";
	vm.name = (char *)"a";
	vm.uuid = (char *)"00000000-0000-4000-8000-000000000001";
	vm.xml = (char *)"<domain/>";
	vm.essence = &essence;
	vm.wanted = WIRE__VM__WANTED__RUNNING;
	add.vm = &vm;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), 0);
}

/* Nodes 1 to 3 up, with boot ids 101 to 103; VM a runs on node 2; a device fences node 2. */
static struct bench *bench_new(void)
{
	struct bench *bench = mem_new(struct bench);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Genesis genesis = WIRE__GENESIS__INIT;
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	Wire__Node nodes[3], *list[3];
	uint32_t voters[] = { 1, 2, 3 };
	char names[3][4] = { "n1", "n2", "n3" };

	bench->state = state_new();
	bench->booted_ms[3] = 0 - 5ULL * DAY_MS; /* before it had a daemon */
	cluster.id = 1;
	cluster.voters = voters;
	cluster.n_voters = 3;
	for (unsigned i = 0; i < 3; i++) {
		wire__node__init(&nodes[i]);
		nodes[i].id = i + 1;
		nodes[i].name = names[i];
		list[i] = &nodes[i];
	}
	genesis.cluster = &cluster;
	genesis.nodes = list;
	genesis.n_nodes = 3;
	command.body_case = WIRE__COMMAND__BODY_GENESIS;
	command.genesis = &genesis;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), 0);
	for (uint32_t node = 1; node <= 3; node++)
		report_node(bench, node, 100 + node, "first boot");
	add_fence(bench);
	add_vm(bench);
	for (uint32_t node = 1; node <= 3; node++)
		CU_ASSERT_EQUAL(look(bench, node), 0);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__RUNNING), 0);
	CU_ASSERT_EQUAL(state_vm_named(bench->state, "a")->phase, WIRE__VM__PHASE__RUN);
	return bench;
}

static void bench_free(struct bench *bench)
{
	state_free(bench->state);
	free(bench);
}

static const Wire__Vm *vm(const struct bench *bench)
{
	return state_vm_named(bench->state, "a");
}

#define STALE WIRE__VERDICT__CODE__STALE
#define WRONG_STATE WIRE__VERDICT__CODE__WRONG_STATE
#define WAITING WIRE__VM_ACCEPT__WHAT__WAITING
#define CHANGED WIRE__VM_ACCEPT__WHAT__CHANGED
#define NOT_RUNNING WIRE__VM_ACCEPT__WHAT__NOT_RUNNING

static void test_old_daemon(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(report_vm(bench, 2, 99, 1, WIRE__VM_REPORT__WHAT__ABSENT), STALE);
	CU_ASSERT(vm_holds(vm(bench), 2));
	report_node(bench, 2, 202, "first boot"); /* the daemon was restarted, the kernel not */
	CU_ASSERT(vm_holds(vm(bench), 2));
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), STALE);
	CU_ASSERT(vm_holds(vm(bench), 2));
	CU_ASSERT_EQUAL(report_vm(bench, 2, 202, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_FALSE(vm_holds(vm(bench), 2));
	bench_free(bench);
}

/* What a node told before it booted says nothing about what it has now. */
static void test_old_facts(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;

	facts.agent_ok = true;
	report.facts = &facts;
	report.kernel_boot_id = (char *)"first boot";
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	CU_ASSERT_EQUAL(apply(bench, 3, 103, &command), 0);
	report_node(bench, 3, 203, "first boot");
	CU_ASSERT(state_node(bench->state, 3)->facts->agent_ok);
	report_node(bench, 3, 303, "second boot");
	CU_ASSERT_FALSE(state_node(bench->state, 3)->facts->agent_ok);
	bench_free(bench);
}

/* A second, late "absent" about the run before must not take away the right to this one. */
static void test_old_generation(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
	CU_ASSERT_EQUAL(vm(bench)->generation, 2);
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), STALE);
	CU_ASSERT(vm_holds(vm(bench), 2));
	CU_ASSERT_EQUAL(vm(bench)->phase, WIRE__VM__PHASE__STARTING);
	bench_free(bench);
}

static void test_held(void)
{
	struct bench *bench = bench_new();

	/* A stray copy on node 3 while the VM goes down on node 2. */
	CU_ASSERT_EQUAL(report_vm(bench, 3, 103, 1, WIRE__VM_REPORT__WHAT__PRESENT), 0);
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(vm(bench)->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(report_vm(bench, 3, 103, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), 0);
	bench_free(bench);
}

static void test_fence(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__OFF), STALE); /* not by decree */
	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT(vm_holds(vm(bench), 2)); /* lost is not dead */
	op = begin_fence(bench, 2);
	CU_ASSERT_EQUAL(end_fence(bench, op, false), 0);
	CU_ASSERT(vm_holds(vm(bench), 2)); /* tried is not off */
	CU_ASSERT_EQUAL(end_fence(bench, op, true), STALE);
	op = begin_fence(bench, 2);
	CU_ASSERT_EQUAL(end_fence(bench, op, true), 0);
	CU_ASSERT_FALSE(vm_holds(vm(bench), 2));
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__OFF);
	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__LOST), STALE);
	/* What the dead daemon had on its way counts no more. */
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__PRESENT), STALE);
	bench_free(bench);
}

/* The proof is about an incarnation: the node was back, as another one, before it came. */
static void test_fence_late(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	verdict(bench, 2, WIRE__NODE__STATE__LOST);
	op = begin_fence(bench, 2);
	report_node(bench, 2, 202, "second boot");
	CU_ASSERT_FALSE(vm_holds(vm(bench), 2)); /* a new kernel has no old guests */
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
	verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(end_fence(bench, op, true), 0);
	CU_ASSERT(vm_holds(vm(bench), 2));
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__LOST);
	bench_free(bench);
}

static int add_with_disk(struct bench *bench, const char *name, bool shareable)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm record = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Disk disk = WIRE__DISK__INIT, *disks = &disk;
	char uuid[40];

	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012u", (unsigned)bench->index);
	disk.target = (char *)"vda";
	disk.source = (char *)"/srv/one.raw";
	disk.shareable = shareable;
	essence.memory_mib = 64;
	essence.disks = &disks;
	essence.n_disks = 1;
	record.name = (char *)name;
	record.uuid = uuid;
	record.xml = (char *)"<domain/>";
	record.essence = &essence;
	add.vm = &record;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	return apply(bench, 1, 101, &command);
}

/* Two guests on one disk would destroy it, wherever they run. */
static void test_one_disk(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(add_with_disk(bench, "b", false), 0);
	CU_ASSERT_EQUAL(add_with_disk(bench, "c", false), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "/srv/one.raw is VM b's"));
	CU_ASSERT_EQUAL(add_with_disk(bench, "c", true), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_PTR_NULL(state_vm_named(bench->state, "c"));
	bench_free(bench);
	bench = bench_new();
	CU_ASSERT_EQUAL(add_with_disk(bench, "b", true), 0);
	CU_ASSERT_EQUAL(add_with_disk(bench, "c", true), 0);
	bench_free(bench);
}

static void test_requests(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant want = WIRE__VM_WANT__INIT;
	uint64_t op;

	want.name = (char *)"a";
	want.action = WIRE__VM__ACTION__RESET;
	command.request = 77;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &want;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), 0);
	op = vm(bench)->op;
	CU_ASSERT_EQUAL(apply(bench, 3, 103, &command), 0); /* asked again, done once */
	CU_ASSERT_EQUAL(vm(bench)->op, op);
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
	return apply(bench, 1, 101, &command);
}

static int try_device(struct bench *bench, const char *device, uint32_t node, bool status_only)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceBegin begin = WIRE__FENCE_BEGIN__INIT;

	begin.node = node;
	begin.incarnation = state_node(bench->state, node)->incarnation;
	begin.device = state_fence_named(bench->state, device)->id;
	begin.executor = 1;
	begin.status_only = status_only;
	command.body_case = WIRE__COMMAND__BODY_FENCE_BEGIN;
	command.fence_begin = &begin;
	return apply(bench, 1, 101, &command);
}

static int try_fence(struct bench *bench, uint32_t node, bool status_only)
{
	return try_device(bench, "bmc", node, status_only);
}

/* Asked for at once by a leader for which none of them had begun yet. */
static void test_fence_budget(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(set_budget(bench, "1"), 0);
	add_fence_of(bench, "bmc3", 3);
	verdict(bench, 2, WIRE__NODE__STATE__LOST);
	verdict(bench, 3, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(try_fence(bench, 2, false), 0);
	CU_ASSERT_EQUAL(try_device(bench, "bmc3", 3, false), STALE);
	CU_ASSERT_EQUAL(try_device(bench, "bmc3", 3, true), 0);
	bench_free(bench);
}

/* A device has nothing to say about a node that it does not fence, nor a node about itself. */
static void test_other_device(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceBegin begin = WIRE__FENCE_BEGIN__INIT;

	verdict(bench, 2, WIRE__NODE__STATE__LOST);
	verdict(bench, 3, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(try_fence(bench, 3, false), STALE);
	begin.node = 2;
	begin.incarnation = state_node(bench->state, 2)->incarnation;
	begin.device = state_fence_named(bench->state, "bmc")->id;
	command.body_case = WIRE__COMMAND__BODY_FENCE_BEGIN;
	command.fence_begin = &begin;
	begin.executor = 2;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), STALE);
	begin.executor = 9;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), STALE);
	begin.executor = 3;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), 0);
	bench_free(bench);
}

/* One attempt that fails; how many events that makes. */
static size_t fail_fence(struct bench *bench, bool status_only, const char *text)
{
	size_t before = state_count(bench->state, WIRE__TABLE__TABLE_EVENT), n;
	const Wire__Operation *op;

	CU_ASSERT_EQUAL(try_fence(bench, 2, status_only), 0);
	n = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	op = state_at(bench->state, WIRE__TABLE__TABLE_OPERATION, n - 1);
	CU_ASSERT_EQUAL(end_fence_saying(bench, op->id, false, text), 0);
	return state_count(bench->state, WIRE__TABLE__TABLE_EVENT) - before;
}

/* A device that cannot be reached is told of once, and again when that changes. */
static void test_fence_silence(void)
{
	struct bench *bench = bench_new();
	size_t operations;
	uint64_t op;

	verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(fail_fence(bench, false, "no route to host"), 2);
	operations = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	for (unsigned i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(fail_fence(bench, false, "no route to host"), 0);
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_OPERATION), operations);
	CU_ASSERT_EQUAL(fail_fence(bench, false, "wrong password"), 1);
	/* Two nodes ask by turns, with two stories. */
	for (unsigned i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(fail_fence(bench, false, i % 2 ? "no route to host"
							       : "wrong password"), 0);
	/* Only asked now; and then told to act again. */
	CU_ASSERT_EQUAL(fail_fence(bench, true, "no route to host"), 1);
	CU_ASSERT_EQUAL(fail_fence(bench, true, "no route to host"), 0);
	CU_ASSERT_EQUAL(fail_fence(bench, false, "no route to host"), 1);
	/* It is back and lost anew: all of that is news. */
	report_node(bench, 2, 202, "first boot");
	verdict(bench, 2, WIRE__NODE__STATE__LOST);
	CU_ASSERT_EQUAL(fail_fence(bench, false, "no route to host"), 2);
	op = begin_fence(bench, 2);
	CU_ASSERT_EQUAL(end_fence(bench, op, true), 0);
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

	verdict(bench, 2, WIRE__NODE__STATE__LOST);
	begin.node = 2;
	begin.incarnation = state_node(bench->state, 2)->incarnation;
	begin.device = state_fence_named(bench->state, "bmc")->id;
	begin.executor = 1;
	command.body_case = WIRE__COMMAND__BODY_FENCE_BEGIN;
	command.fence_begin = &begin;
	code = apply(bench, leader, boot_id, &command);
	if (code == 0)
		end_fence(bench, state_count(bench->state, WIRE__TABLE__TABLE_OPERATION), true);
	snprintf(kernel, sizeof(kernel), "boot %u", (unsigned)bench->index);
	report_node(bench, 2, 1000 + bench->index, kernel);
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

/* Uptimes begin anew with each boot, and a leader that has just booted counts on with the rest. */
static void test_booted_leader(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(set_budget(bench, "1"), 0);
	bench->passed_ms = DAY_MS;
	CU_ASSERT_EQUAL(fence_by(bench, 1), 0);
	bench->booted_ms[3] = bench->passed_ms;
	report_node(bench, 3, 303, "second boot");
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

static int want(struct bench *bench, Wire__Vm__Wanted wanted, Wire__Vm__Action action)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant body = WIRE__VM_WANT__INIT;

	body.name = (char *)"a";
	body.wanted = wanted;
	body.action = action;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &body;
	return apply(bench, 1, 101, &command);
}

static int move_to(struct bench *bench, uint32_t to, Wire__VmMove__How how, const char *image)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmMove move = WIRE__VM_MOVE__INIT;

	move.name = (char *)"a";
	move.to = to;
	move.how = how;
	move.image = (char *)image;
	command.body_case = WIRE__COMMAND__BODY_VM_MOVE;
	command.vm_move = &move;
	return apply(bench, 1, 101, &command);
}

/* A reset is for the run it was asked for; it is never made up for later. */
static void test_old_action(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(want(bench, WIRE__VM__WANTED__RUNNING, WIRE__VM__ACTION__RESET), 0);
	CU_ASSERT_EQUAL(vm(bench)->action, WIRE__VM__ACTION__RESET);
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 3), 0);
	CU_ASSERT_EQUAL(report_vm(bench, 3, 103, 2, WIRE__VM_REPORT__WHAT__RUNNING), 0);
	CU_ASSERT_EQUAL(vm(bench)->action, WIRE__VM__ACTION__NO_ACTION);
	CU_ASSERT_EQUAL(want(bench, WIRE__VM__WANTED__RUNNING, WIRE__VM__ACTION__RESET), 0);
	CU_ASSERT_EQUAL(move_to(bench, 2, WIRE__VM_MOVE__HOW__LIVE, ""), 0);
	CU_ASSERT_EQUAL(vm(bench)->action, WIRE__VM__ACTION__NO_ACTION);
	bench_free(bench);
}

static int add_volume(struct bench *bench, const char *name, const char *target)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VolumeAdd add = WIRE__VOLUME_ADD__INIT;
	Wire__Volume volume = WIRE__VOLUME__INIT;

	volume.name = (char *)name;
	volume.driver = (char *)"dir";
	volume.target = (char *)target;
	volume.declared_shared = true;
	add.volume = &volume;
	command.body_case = WIRE__COMMAND__BODY_VOLUME_ADD;
	command.volume_add = &add;
	return apply(bench, 1, 101, &command);
}

/* An agent writes the image as root: nowhere but on a volume, whoever names the place. */
static void test_image(void)
{
	struct bench *bench = bench_new();
	static const char *const bad[] = { "", "/etc/passwd", "/v/one/a.sav",
					   "/v/one/.clusterd/state/../../../../etc/passwd",
					   "/v/one2/.clusterd/state/a.sav" };

	CU_ASSERT_EQUAL(add_volume(bench, "one", "/v/one"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(move_to(bench, 3, WIRE__VM_MOVE__HOW__QUICK, bad[i]),
				WIRE__VERDICT__CODE__NOT_READY);
	CU_ASSERT_EQUAL(vm(bench)->phase, WIRE__VM__PHASE__RUN);
	CU_ASSERT_EQUAL(
		move_to(bench, 3, WIRE__VM_MOVE__HOW__QUICK, "/v/one/.clusterd/state/a.1.sav"), 0);
	CU_ASSERT_EQUAL(vm(bench)->phase, WIRE__VM__PHASE__SAVING);
	bench_free(bench);
}

/* What the lists of the agents' frames cannot hold must not be in the records. */
static void test_volumes(void)
{
	struct bench *bench = bench_new();
	char name[16], target[32];

	for (unsigned i = 0; i < WIRE_LIST_MAX; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		snprintf(target, sizeof(target), "/v/%u", i);
		CU_ASSERT_EQUAL(add_volume(bench, name, target), 0);
	}
	CU_ASSERT_EQUAL(add_volume(bench, "more", "/v/more"), WIRE__VERDICT__CODE__LIMIT);
	bench_free(bench);
}

static int edit(struct bench *bench, size_t xml_size, size_t devices)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmEdit body = WIRE__VM_EDIT__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	char *xml = mem_array(1, xml_size + 1), line[401], **lines = mem_new_array(char *, devices);
	int code;

	memset(xml, 'x', xml_size);
	memset(line, 'd', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (size_t i = 0; i < devices; i++)
		lines[i] = line;
	essence.memory_mib = 512;
	essence.digest = xml_size + devices;
	essence.devices = lines;
	essence.n_devices = devices;
	body.name = (char *)"a";
	body.xml = xml;
	body.essence = &essence;
	command.body_case = WIRE__COMMAND__BODY_VM_EDIT;
	command.vm_edit = &body;
	code = apply(bench, 1, 101, &command);
	free(xml);
	free(lines);
	return code;
}

/* A record that no snapshot can carry would keep a node that lags behind out for ever. */
static void test_large(void)
{
	struct bench *bench = bench_new();
	const struct {
		size_t xml, devices;
		int code;
	} edits[] = {
		{ 20 * 1024, 70, 0 }, /* runs with this from now on */
		{ 48 * 1024, 4, 0 },
		{ 44 * 1024, 25, WIRE__VERDICT__CODE__LIMIT },
	};

	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		const struct buf *packed;

		CU_ASSERT_EQUAL(edit(bench, edits[i].xml, edits[i].devices), edits[i].code);
		packed = state_packed(bench->state, WIRE__TABLE__TABLE_VM, 0, NULL);
		CU_ASSERT(packed->len <= WIRE_RECORD_MAX);
		if (i == 0) {
			CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
			CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 2, WIRE__VM_REPORT__WHAT__RUNNING),
					0);
		}
	}
	bench_free(bench);
}

static int add_large(struct bench *bench, unsigned number, size_t xml_size)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm given = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	char *xml = mem_array(1, xml_size + 1), name[20], uuid[40];
	int code;

	memset(xml, 'x', xml_size);
	snprintf(name, sizeof(name), "large%u", number);
	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-9000-%012u", number);
	essence.memory_mib = 512;
	given.name = name;
	given.uuid = uuid;
	given.xml = xml;
	given.essence = &essence;
	add.vm = &given;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	code = apply(bench, 1, 101, &command);
	free(xml);
	return code;
}

/* What no node that lags behind could ever be given is not taken. */
static void test_full(void)
{
	struct bench *bench = bench_new();
	unsigned n = 0;

	while (n < STATE_VMS_BYTES / WIRE_XML_MAX + 2 && add_large(bench, n, WIRE_XML_MAX) == 0)
		n++;
	CU_ASSERT(n > STATE_VMS_BYTES / WIRE_XML_MAX - 10);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "all of them together"));
	CU_ASSERT(state_bytes(bench->state, WIRE__TABLE__TABLE_VM) <= STATE_VMS_BYTES);
	/* Nor may what is there grow; but it may become smaller, and make room. */
	CU_ASSERT_EQUAL(edit(bench, WIRE_XML_MAX, 0), WIRE__VERDICT__CODE__LIMIT);
	CU_ASSERT_EQUAL(edit(bench, 5, 0), 0);
	bench_free(bench);
}

/* What is added to a device's record later has room. */
static void test_large_device(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;
	Wire__Param param = WIRE__PARAM__INIT, *params[WIRE_LIST_MAX];
	char value[256];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	param.key = param.value = value;
	for (size_t i = 0; i < WIRE_LIST_MAX; i++)
		params[i] = &param;
	fence.name = (char *)"large";
	fence.agent = (char *)"fence_ipmilan";
	fence.targets = &targets;
	fence.n_targets = 1;
	target.node = 2;
	fence.params = params;
	fence.n_params = WIRE_LIST_MAX;
	add.fence = &fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.fence_add = &add;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__LIMIT);
	fence.n_params = WIRE_LIST_MAX / 2;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), 0);
	bench_free(bench);
}

/* Beyond these, milliseconds would not fit into the fields of an ask. */
static void test_timeouts(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;
	Wire__VmAdd vm_add = WIRE__VM_ADD__INIT;
	Wire__Vm given = *vm(bench);

	fence.name = (char *)"slow";
	fence.agent = (char *)"fence_ipmilan";
	fence.timeout_s = 2147484;
	fence.targets = &targets;
	fence.n_targets = 1;
	target.node = 2;
	add.fence = &fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.fence_add = &add;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__INVALID);
	given.name = (char *)"b";
	given.uuid = (char *)"00000000-0000-4000-8000-000000000002";
	given.stop_timeout_s = 4294968;
	vm_add.vm = &given;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &vm_add;
	CU_ASSERT_EQUAL(apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__INVALID);
	bench_free(bench);
}

static int set_managed(struct bench *bench, const char *value)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmSet set = WIRE__VM_SET__INIT;
	Wire__Param managed = WIRE__PARAM__INIT, *changes = &managed;

	managed.key = (char *)"managed";
	managed.value = (char *)value;
	set.name = (char *)"a";
	set.changes = &changes;
	set.n_changes = 1;
	command.body_case = WIRE__COMMAND__BODY_VM_SET;
	command.vm_set = &set;
	return apply(bench, 1, 101, &command);
}

/* Nobody carries it out any more, so nobody would ever end it. */
static void test_unmanaged(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(want(bench, WIRE__VM__WANTED__STOPPED, WIRE__VM__ACTION__NO_ACTION), 0);
	op = vm(bench)->op;
	CU_ASSERT_EQUAL(set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	bench_free(bench);
}

/* Its device is asked, and no more. */
static int ask_off(struct bench *bench, uint32_t node, bool off)
{
	const Wire__Operation *op;
	int r = try_fence(bench, node, true);

	op = state_at(bench->state, WIRE__TABLE__TABLE_OPERATION,
		      state_count(bench->state, WIRE__TABLE__TABLE_OPERATION) - 1);
	return r ? r : end_fence(bench, op->id, off);
}

/* Without the word of each node that could have it, no leader starts it, whatever it believes. */
static void test_look(void)
{
	struct bench *bench = bench_new();
	uint64_t op, old, incarnation;

	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(vm(bench)->look, 0);
	CU_ASSERT_EQUAL(set_managed(bench, "yes"), 0); /* it is already */
	CU_ASSERT_EQUAL(vm(bench)->look, 0);
	CU_ASSERT_EQUAL(set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(set_managed(bench, "yes"), 0);
	old = vm(bench)->look;
	CU_ASSERT_NOT_EQUAL(old, 0);
	CU_ASSERT_EQUAL(look(bench, 1), 0);
	CU_ASSERT_EQUAL(look(bench, 1), STALE); /* said once */
	CU_ASSERT_EQUAL(look(bench, 3), 0);
	/* Not the node's daemon any more; and about an earlier time. */
	CU_ASSERT_EQUAL(report_vm(bench, 2, 99, 1, WIRE__VM_REPORT__WHAT__ABSENT), STALE);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(set_managed(bench, "yes"), 0);
	CU_ASSERT_NOT_EQUAL(vm(bench)->look, old);
	CU_ASSERT_EQUAL(vm(bench)->looked, 0);
	CU_ASSERT_EQUAL(look(bench, 1), 0);
	CU_ASSERT_EQUAL(look(bench, 3), 0);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	/* Lost is not looked; off is as good. */
	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	op = begin_fence(bench, 2);
	CU_ASSERT_EQUAL(end_fence(bench, op, true), 0);
	/* But what the other one saw before it booted anew is of no use. */
	report_node(bench, 3, 203, "second boot");
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(look(bench, 3), 0);
	/* Nor what a daemon saw that is there no more to forbid a start. */
	report_node(bench, 3, 303, "second boot");
	CU_ASSERT_EQUAL(vm(bench)->looked, 1);
	CU_ASSERT_EQUAL(look(bench, 3), 0);
	CU_ASSERT_EQUAL(verdict(bench, 3, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(vm(bench)->looked, 1);
	report_node(bench, 3, 303, "second boot");
	CU_ASSERT_EQUAL(look(bench, 3), 0);
	/* It was off before these looked: by now it may be on. */
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(try_fence(bench, 2, false), STALE);
	CU_ASSERT_EQUAL(ask_off(bench, 2, false), 0);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(ask_off(bench, 2, true), 0);
	incarnation = state_node(bench->state, 2)->incarnation;
	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__LOST), STALE);
	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(ask_off(bench, 2, true), 0);
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->incarnation, incarnation + 1);
	CU_ASSERT_EQUAL(step_vm(bench, WIRE__VM__PHASE__STARTING, 1), 0);
	CU_ASSERT_EQUAL(vm(bench)->look, 0);
	bench_free(bench);
}

static int accept(struct bench *bench, Wire__VmAccept__What what)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAccept accept = WIRE__VM_ACCEPT__INIT;

	accept.name = (char *)"a";
	accept.what = what;
	command.body_case = WIRE__COMMAND__BODY_VM_ACCEPT;
	command.vm_accept = &accept;
	return apply(bench, 1, 101, &command);
}

/* The word that its disks are right is none that it runs nowhere, nor the other way round. */
static void test_accept(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmLive live = WIRE__VM_LIVE__INIT;

	live.vm = vm(bench)->id;
	live.generation = vm(bench)->generation;
	live.difference = (char *)"disk vda";
	command.body_case = WIRE__COMMAND__BODY_VM_LIVE;
	command.vm_live = &live;
	CU_ASSERT_EQUAL(apply(bench, vm(bench)->owner, 100 + vm(bench)->owner, &command), 0);
	CU_ASSERT_EQUAL(accept(bench, NOT_RUNNING), WRONG_STATE);
	CU_ASSERT_EQUAL(set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(set_managed(bench, "yes"), 0);
	CU_ASSERT_EQUAL(report_vm(bench, vm(bench)->owner, 100 + vm(bench)->owner,
				  vm(bench)->generation, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_STRING_EQUAL(vm(bench)->changed_outside, "disk vda");
	/* Two things wait, and neither is meant until it is said. */
	CU_ASSERT_EQUAL(accept(bench, WAITING), WRONG_STATE);
	CU_ASSERT_STRING_EQUAL(vm(bench)->changed_outside, "disk vda");
	CU_ASSERT_NOT_EQUAL(vm(bench)->look, 0);
	CU_ASSERT_EQUAL(accept(bench, CHANGED), 0);
	CU_ASSERT_STRING_EQUAL(vm(bench)->changed_outside, "");
	CU_ASSERT_NOT_EQUAL(vm(bench)->look, 0);
	CU_ASSERT_EQUAL(accept(bench, CHANGED), WRONG_STATE);
	CU_ASSERT_EQUAL(accept(bench, WAITING), 0);
	CU_ASSERT_EQUAL(vm(bench)->look, 0);
	CU_ASSERT_EQUAL(accept(bench, WAITING), WRONG_STATE);
	bench_free(bench);
}

/* A node that left, or never came, is asked for at most. */
static void test_fence_left(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeFreeze freeze = WIRE__NODE_FREEZE__INIT;

	CU_ASSERT_EQUAL(try_fence(bench, 2, true), STALE); /* it is up */
	freeze.freeze_ms = 1000;
	command.body_case = WIRE__COMMAND__BODY_NODE_FREEZE;
	command.node_freeze = &freeze;
	CU_ASSERT_EQUAL(apply(bench, 2, 102, &command), 0);
	CU_ASSERT_EQUAL(try_fence(bench, 2, false), STALE);
	CU_ASSERT_EQUAL(try_fence(bench, 2, true), 0);
	CU_ASSERT(vm_holds(vm(bench), 2));
	CU_ASSERT_EQUAL(end_fence(bench,
				  state_count(bench->state, WIRE__TABLE__TABLE_OPERATION), true),
			0);
	CU_ASSERT_FALSE(vm_holds(vm(bench), 2));
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__OFF);
	bench_free(bench);
}

static bool has_event(const struct bench *bench, const char *text)
{
	for (size_t i = 0; i < state_count(bench->state, WIRE__TABLE__TABLE_EVENT); i++) {
		const Wire__Event *event = state_at(bench->state, WIRE__TABLE__TABLE_EVENT, i);

		if (strcmp(event->text, text) == 0)
			return true;
	}
	return false;
}

static int cancel(struct bench *bench)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmCancel body = WIRE__VM_CANCEL__INIT;

	body.name = (char *)"a";
	command.body_case = WIRE__COMMAND__BODY_VM_CANCEL;
	command.vm_cancel = &body;
	return apply(bench, 1, 101, &command);
}

/* Who cannot hear of it does not keep anybody waiting. */
static void test_source_is_away(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(move_to(bench, 3, WIRE__VM_MOVE__HOW__LIVE, ""), 0);
	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(cancel(bench), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "as soon as n2, where it is, is back"));
	CU_ASSERT_TRUE(vm(bench)->cancel);
	bench_free(bench);

	bench = bench_new();
	CU_ASSERT_EQUAL(verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(move_to(bench, 3, WIRE__VM_MOVE__HOW__LIVE, ""),
			WIRE__VERDICT__CODE__NOT_READY);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "n2, where it is, is not up"));
	CU_ASSERT_EQUAL(vm(bench)->phase, WIRE__VM__PHASE__RUN);
	bench_free(bench);
}

/* Sentences are put together of two: none says a thing twice, or ends in a colon. */
static void test_texts(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(move_to(bench, 3, WIRE__VM_MOVE__HOW__LIVE, ""), 0);
	op = vm(bench)->op;
	CU_ASSERT_EQUAL(cancel(bench), 0);
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 2, WIRE__VM_REPORT__WHAT__MOVE_FAILED), 0);
	CU_ASSERT_EQUAL(report_vm(bench, 3, 103, 2, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT(has_event(bench, "live migration n2 -> n3 was cancelled; it stays on n2"));
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	CU_ASSERT_STRING_EQUAL(state_operation(bench->state, op)->text, "it was not moved");
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 3, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT(has_event(bench, "ended on n2: the cause is not known"));
	CU_ASSERT_STRING_EQUAL(vm(bench)->detail, "ended on n2: the cause is not known");
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

		verdict(bench, 2, WIRE__NODE__STATE__LOST);
		CU_ASSERT_EQUAL(
			end_fence_saying(bench, begin_fence(bench, 2), cases[i].off, cases[i].said),
			0);
		CU_ASSERT(has_event(bench, cases[i].event));
		CU_ASSERT_PTR_NULL(strstr(state_node(bench->state, 2)->reason, "off"));
		bench_free(bench);
	}
}

/* Who edits a VM that runs is told that it does not follow at once, and what to do. */
static void test_edit_pending(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(edit(bench, 100, 1), 0);
	CU_ASSERT_STRING_EQUAL(bench->text, "a is changed; it runs on as it was until it is "
					    "stopped and started: clusterctl vm stop a, then "
					    "clusterctl vm start a");
	CU_ASSERT(vm(bench)->pending_restart);
	CU_ASSERT_EQUAL(report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(edit(bench, 200, 1), 0);
	CU_ASSERT_STRING_EQUAL(bench->text, "");
	bench_free(bench);
}

UNIT_MAIN("core/apply", { "old_daemon", test_old_daemon }, { "old_facts", test_old_facts },
	  { "old_generation", test_old_generation }, { "held", test_held }, { "fence", test_fence },
	  { "fence_late", test_fence_late }, { "fence_budget", test_fence_budget },
	  { "other_device", test_other_device }, { "fence_silence", test_fence_silence },
	  { "wrong_clock", test_wrong_clock }, { "booted_leader", test_booted_leader },
	  { "jump", test_jump },
	  { "requests", test_requests }, { "one_disk", test_one_disk },
	  { "old_action", test_old_action }, { "image", test_image }, { "volumes", test_volumes },
	  { "large", test_large },
	  { "full", test_full }, { "large_device", test_large_device },
	  { "timeouts", test_timeouts }, { "unmanaged", test_unmanaged },
	  { "look", test_look }, { "accept", test_accept }, { "fence_left", test_fence_left },
	  { "source_is_away", test_source_is_away },
	  { "texts", test_texts }, { "texts_of_fencing", test_texts_of_fencing },
	  { "edit_pending", test_edit_pending })
