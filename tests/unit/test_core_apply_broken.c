/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of a VM where none may be, and commands that would leave a record nobody can act on. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "tests/unit/bench.h"
#include "tests/unit/unit.h"
#include "wire/check.h"
#include "wire/command.h"
#include "wire/message.h"

#define SAYS(x) WIRE__VM_REPORT__WHAT__##x
#define CAUSE(x) WIRE__VM_REPORT__CAUSE__##x
#define BOTH (vmop_bit(2) | vmop_bit(3))

/* Of the VM's present generation. */
static int say(struct bench *bench, uint32_t node, Wire__VmReport__What what)
{
	return bench_report_vm(bench, node, 100 + node, bench_vm(bench)->generation, what);
}

static int say_gone(struct bench *bench, uint32_t node, Wire__VmReport__Cause cause)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmReport report = WIRE__VM_REPORT__INIT;

	report.vm = bench_vm(bench)->id;
	report.generation = bench_vm(bench)->generation;
	report.what = SAYS(ABSENT);
	report.cause = cause;
	command.body_case = WIRE__COMMAND__BODY_VM_REPORT;
	command.vm_report = &report;
	return bench_apply(bench, node, 100 + node, &command);
}

/* A live move from node 2 to node 3. */
static struct bench *moving(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__LIVE, ""), 0);
	return bench;
}

static Wire__Event__Severity severity_of(const struct bench *bench, const char *text)
{
	for (size_t i = 0; i < state_count(bench->state, WIRE__TABLE__TABLE_EVENT); i++) {
		const Wire__Event *event = state_at(bench->state, WIRE__TABLE__TABLE_EVENT, i);

		if (strcmp(event->text, text) == 0)
			return event->severity;
	}
	return WIRE__EVENT__SEVERITY__INFO;
}

/*
 * The source has a copy again: nobody may run the VM, and it is started when both have said that
 * they have none.
 */
static void turns_up(struct bench *bench)
{
	const char *text = "a copy that the cluster did not start is on n2, from where it was "
			   "moved to n3: both are removed, and it is not started before each of "
			   "them is gone";
	uint64_t generation = bench_vm(bench)->generation, op = bench_vm(bench)->op;

	CU_ASSERT_EQUAL(say(bench, 2, SAYS(PRESENT)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(bench_vm(bench)->owner, 0);
	CU_ASSERT_EQUAL(vm_holders(bench_vm(bench)), BOTH);
	CU_ASSERT_STRING_EQUAL(bench_vm(bench)->detail, text);
	CU_ASSERT_EQUAL(severity_of(bench, text), WIRE__EVENT__SEVERITY__ERROR);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__FAILED);
	/* What the destination says of the right that it had counts no more. */
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, generation, SAYS(RUNNING)), STALE);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(say(bench, 3, SAYS(ABSENT)), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(say(bench, 2, SAYS(ABSENT)), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), 0);
	bench_free(bench);
}

static void test_resuming(void)
{
	struct bench *bench = moving();

	CU_ASSERT_EQUAL(say(bench, 3, SAYS(READY)), 0);
	CU_ASSERT_EQUAL(say_gone(bench, 2, CAUSE(HANDED_OVER)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__RESUMING);
	turns_up(bench);
}

static void test_handed_over_early(void)
{
	struct bench *bench = moving();

	CU_ASSERT_EQUAL(say_gone(bench, 2, CAUSE(HANDED_OVER)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__COPYING);
	turns_up(bench);
}

static void test_given_up(void)
{
	struct bench *bench = moving();

	CU_ASSERT_EQUAL(say_gone(bench, 2, CAUSE(CRASHED)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__ABORTING);
	turns_up(bench);
}

/* A copy on a node that has no part in the move is removed, and the move goes on. */
static void test_third(void)
{
	struct bench *bench = moving();

	CU_ASSERT_EQUAL(say(bench, 3, SAYS(READY)), 0);
	CU_ASSERT_EQUAL(say_gone(bench, 2, CAUSE(HANDED_OVER)), 0);
	CU_ASSERT_EQUAL(say(bench, 1, SAYS(PRESENT)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__RESUMING);
	CU_ASSERT_EQUAL(vm_holders(bench_vm(bench)), vmop_bit(1) | vmop_bit(3));
	CU_ASSERT_EQUAL(say(bench, 3, SAYS(RUNNING)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__RUN);
	bench_free(bench);
}

/* ------------------------------------------------------------------ all or nothing */

/* As no command leaves one: the source has yet to be gone. */
static void load_broken(struct bench *bench)
{
	Wire__Vm *vm = record_copy(&bench_vm(bench)->base);
	struct buf packed = { 0 };
	size_t size;

	vm->id += 1000;
	record_text(&vm->name, "b");
	record_text(&vm->uuid, "00000000-0000-4000-8000-000000000002");
	vm->phase = WIRE__VM__PHASE__RESUMING;
	vm->from = 2;
	vm->owner = vm->to = 3;
	vm_hold(vm, 3, 1);
	size = wire__vm__get_packed_size(vm);
	packed.len += wire__vm__pack(vm, buf_reserve(&packed, size));
	CU_ASSERT_EQUAL(state_load(bench->state, WIRE__TABLE__TABLE_VM, vm->id, packed.data,
				   packed.len), 0);
	buf_free(&packed);
	record_free(vm);
}

static struct state *copy(const struct state *state)
{
	struct state *new = state_new();
	uint64_t id;

	for (uint32_t table = 1; table <= WIRE__TABLE__TABLE_REQUEST; table++)
		for (size_t i = 0; i < state_count(state, table); i++) {
			const struct buf *packed = state_packed(state, table, i, &id);

			CU_ASSERT_EQUAL(state_load(new, table, id, packed->data, packed->len), 0);
		}
	return new;
}

/* What a store has after it. */
static void persist_into(struct state *stored, const struct update *update)
{
	struct update none;

	update_init(&none);
	for (size_t i = 0; i < update->persists_n; i++) {
		const struct persist *persist = &update->persists[i];

		if (persist->kind == PERSIST_PUT)
			CU_ASSERT_EQUAL(state_load(stored, persist->table, persist->id,
						   persist->data.data, persist->data.len), 0);
		if (persist->kind == PERSIST_DEL)
			state_del(stored, persist->table, persist->id, &none);
	}
	update_reset(&none);
}

/* Node 2 reports from another boot: all that it held is gone from there. */
static int boot(struct bench *bench, uint64_t request)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;
	struct state *stored = copy(bench->state);
	struct update update;
	Wire__Verdict *verdict;
	int code;

	report.kernel_boot_id = (char *)"second boot";
	report.disk_id = 2;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	command.node = 2;
	command.boot_id = 202;
	command.request = request;
	update_init(&update);
	apply_command(bench->state, &command, ++bench->index, 1, &update, &verdict, &request);
	code = (int)verdict->code;
	persist_into(stored, &update);
	CU_ASSERT_EQUAL(state_digest(stored), state_digest(bench->state));
	wire_free(verdict);
	update_reset(&update);
	state_free(stored);
	return code;
}

/*
 * A record beyond its limits, which no store could be loaded with: the command that would leave it
 * changes nothing. Here one got it into memory behind everybody's back.
 */
static void test_beyond(void)
{
	struct bench *bench = bench_new();
	size_t most = wire_field_max(&wire__operation__descriptor, "reason");
	char *text = mem_array(1, most + 2);
	size_t events, operations;
	Wire__Node *node;

	memset(text, 'a', most + 1);
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	events = state_count(bench->state, WIRE__TABLE__TABLE_EVENT);
	operations = state_count(bench->state, WIRE__TABLE__TABLE_OPERATION);
	node = (Wire__Node *)state_node(bench->state, 2);
	record_text(&node->reason, "");
	node->reason = text;
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, false), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_OPERATION), operations);
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_EVENT), events + 1);
	CU_ASSERT_EQUAL(severity_of(bench, "a command of n1 (fence_begin) is refused and changes "
				    "nothing, for it would leave a record (Operation) whose reason "
				    "is beyond its limit: this is a fault of clusterd, please "
				    "report it"), WIRE__EVENT__SEVERITY__ERROR);
	record_text(&node->reason, "");
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, false), 0);
	bench_free(bench);
}

/*
 * One of two VMs that a node held cannot be brought to order: nothing comes of the whole command,
 * and no daemon ends.
 */
static void test_all_or_nothing(void)
{
	struct bench *bench = bench_new();
	size_t events;

	load_broken(bench);
	events = state_count(bench->state, WIRE__TABLE__TABLE_EVENT);
	CU_ASSERT_EQUAL(boot(bench, 0), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_STRING_EQUAL(state_node(bench->state, 2)->kernel_boot_id, "first boot");
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__RUN);
	CU_ASSERT(vm_holds(bench_vm(bench), 2));
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_EVENT), events + 1);
	CU_ASSERT_EQUAL(severity_of(bench, "a command of n2 (node_report) is refused and changes "
				    "nothing, for it would leave VM b in phase resuming against "
				    "the rule \"the source is gone\": this is a fault of clusterd, "
				    "please report it"), WIRE__EVENT__SEVERITY__ERROR);
	/* It is tried again and again, and told once. The answer is kept as any other is. */
	CU_ASSERT_EQUAL(boot(bench, 77), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_EVENT), events + 1);
	CU_ASSERT_EQUAL(boot(bench, 77), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_REQUEST), 1);
	bench_free(bench);
}

/* Without the broken one it is carried out: the test above shows something. */
static void test_whole(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(boot(bench, 0), 0);
	CU_ASSERT_STRING_EQUAL(state_node(bench->state, 2)->kernel_boot_id, "second boot");
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	bench_free(bench);
}

UNIT_MAIN("core/apply_broken", { "resuming", test_resuming },
	  { "handed_over_early", test_handed_over_early }, { "given_up", test_given_up },
	  { "third", test_third }, { "all_or_nothing", test_all_or_nothing },
	  { "beyond", test_beyond },
	  { "whole", test_whole })
