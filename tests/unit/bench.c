/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/bench.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "wire/command.h"
#include "wire/message.h"

#define WALL_MS UINT64_C(1700000000000)

int bench_apply(struct bench *bench, uint32_t node, uint64_t boot_id, Wire__Command *command)
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

void bench_report_node(struct bench *bench, uint32_t node, uint64_t boot_id, const char *kernel)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;

	report.kernel_boot_id = (char *)kernel;
	report.disk_id = node;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	CU_ASSERT_EQUAL(bench_apply(bench, node, boot_id, &command), 0);
}

int bench_report_vm(struct bench *bench, uint32_t node, uint64_t boot_id, uint64_t generation,
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
	return bench_apply(bench, node, boot_id, &command);
}

int bench_look(struct bench *bench, uint32_t node)
{
	return bench_report_vm(bench, node, state_node(bench->state, node)->boot_id,
			       state_vm_named(bench->state, "a")->generation,
			       WIRE__VM_REPORT__WHAT__ABSENT);
}

int bench_step_vm(struct bench *bench, Wire__Vm__Phase next, uint32_t node)
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
	return bench_apply(bench, 1, 101, &command);
}

int bench_verdict(struct bench *bench, uint32_t node, Wire__Node__State state)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeVerdict body = WIRE__NODE_VERDICT__INIT;

	body.node = node;
	body.incarnation = state_node(bench->state, node)->incarnation;
	body.state = state;
	body.reason = (char *)"it left the totem ring";
	command.body_case = WIRE__COMMAND__BODY_NODE_VERDICT;
	command.node_verdict = &body;
	return bench_apply(bench, 1, 101, &command);
}

uint64_t bench_begin_fence(struct bench *bench, uint32_t node)
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
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	n = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	return ((const Wire__Operation *)state_at(bench->state, WIRE__TABLE__TABLE_OPERATION,
						  n - 1))
		->id;
}

int bench_end_fence_saying(struct bench *bench, uint64_t op, bool off, const char *text)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	result.op = op;
	result.off = result.ok = off;
	result.text = (char *)text;
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	return bench_apply(bench, 1, 101, &command);
}

int bench_end_fence(struct bench *bench, uint64_t op, bool off)
{
	return bench_end_fence_saying(bench, op, off, "said the device");
}

void bench_add_fence(struct bench *bench, const char *name, uint32_t node)
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
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
}

void bench_remove_fence(struct bench *bench, const char *name)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceRemove remove = WIRE__FENCE_REMOVE__INIT;

	remove.name = (char *)name;
	command.body_case = WIRE__COMMAND__BODY_FENCE_REMOVE;
	command.fence_remove = &remove;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
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
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
}

struct bench *bench_new(void)
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
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	for (uint32_t node = 1; node <= 3; node++)
		bench_report_node(bench, node, 100 + node, "first boot");
	bench_add_fence(bench, "bmc", 2);
	add_vm(bench);
	for (uint32_t node = 1; node <= 3; node++)
		CU_ASSERT_EQUAL(bench_look(bench, node), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__RUNNING), 0);
	CU_ASSERT_EQUAL(state_vm_named(bench->state, "a")->phase, WIRE__VM__PHASE__RUN);
	return bench;
}

void bench_free(struct bench *bench)
{
	state_free(bench->state);
	free(bench);
}

const Wire__Vm *bench_vm(const struct bench *bench)
{
	return state_vm_named(bench->state, "a");
}

int bench_try_device(struct bench *bench, const char *device, uint32_t node, bool status_only)
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
	return bench_apply(bench, 1, 101, &command);
}

int bench_try_fence(struct bench *bench, uint32_t node, bool status_only)
{
	return bench_try_device(bench, "bmc", node, status_only);
}

int bench_want(struct bench *bench, Wire__Vm__Wanted wanted, Wire__Vm__Action action)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant body = WIRE__VM_WANT__INIT;

	body.name = (char *)"a";
	body.wanted = wanted;
	body.action = action;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &body;
	return bench_apply(bench, 1, 101, &command);
}

int bench_move(struct bench *bench, uint32_t to, Wire__VmMove__How how, const char *image)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmMove move = WIRE__VM_MOVE__INIT;

	move.name = (char *)"a";
	move.to = to;
	move.how = how;
	move.image = (char *)image;
	command.body_case = WIRE__COMMAND__BODY_VM_MOVE;
	command.vm_move = &move;
	return bench_apply(bench, 1, 101, &command);
}

int bench_set_managed(struct bench *bench, const char *value)
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
	return bench_apply(bench, 1, 101, &command);
}

bool bench_has_event(const struct bench *bench, const char *text)
{
	for (size_t i = 0; i < state_count(bench->state, WIRE__TABLE__TABLE_EVENT); i++) {
		const Wire__Event *event = state_at(bench->state, WIRE__TABLE__TABLE_EVENT, i);

		if (strcmp(event->text, text) == 0)
			return true;
	}
	return false;
}

int bench_add_volume(struct bench *bench, const char *name, const char *target)
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
	return bench_apply(bench, 1, 101, &command);
}

void bench_tell_volume(struct bench *bench, uint32_t node, const char *volume)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	char *volumes[] = { (char *)volume };

	facts.agent_ok = true;
	facts.volumes = volumes;
	facts.n_volumes = 1;
	report.facts = &facts;
	report.kernel_boot_id = (char *)"first boot";
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	CU_ASSERT_EQUAL(bench_apply(bench, node, 100 + node, &command), 0);
}
