/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/apply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/feature.h"
#include "wire/check.h"
#include "wire/command.h"
#include "wire/message.h"

/* What is kept of the past. Deterministic: every member forgets the same at the same index. */
enum { EVENTS_MAX = 5000, OPERATIONS_MAX = 1000, REQUESTS_MAX = 4096, MARKS_MAX = 32 };
enum { BUDGET_WINDOW_MAX_MS = 86400 * 1000 };	/* of the setting fence.budget_window_s */

static apply_fn *const handlers[] = {
	[WIRE__COMMAND__BODY_GENESIS] = apply_genesis,
	[WIRE__COMMAND__BODY_NODE_REPORT] = apply_node_report,
	[WIRE__COMMAND__BODY_NODE_VERDICT] = apply_node_verdict,
	[WIRE__COMMAND__BODY_NODE_FREEZE] = apply_node_freeze,
	[WIRE__COMMAND__BODY_NODE_SET] = apply_node_set,
	[WIRE__COMMAND__BODY_VM_ADD] = apply_vm_add,
	[WIRE__COMMAND__BODY_VM_EDIT] = apply_vm_edit,
	[WIRE__COMMAND__BODY_VM_REMOVE] = apply_vm_remove,
	[WIRE__COMMAND__BODY_VM_SET] = apply_vm_set,
	[WIRE__COMMAND__BODY_VM_WANT] = apply_vm_want,
	[WIRE__COMMAND__BODY_VM_MOVE] = apply_vm_move,
	[WIRE__COMMAND__BODY_VM_CANCEL] = apply_vm_cancel,
	[WIRE__COMMAND__BODY_VM_ACCEPT] = apply_vm_accept,
	[WIRE__COMMAND__BODY_VM_LIVE] = apply_vm_live,
	[WIRE__COMMAND__BODY_VM_STEP] = apply_vm_step,
	[WIRE__COMMAND__BODY_VM_REPORT] = apply_vm_report,
	[WIRE__COMMAND__BODY_FENCE_ADD] = apply_fence_add,
	[WIRE__COMMAND__BODY_FENCE_REMOVE] = apply_fence_remove,
	[WIRE__COMMAND__BODY_FENCE_TEST] = apply_fence_test,
	[WIRE__COMMAND__BODY_FENCE_BEGIN] = apply_fence_begin,
	[WIRE__COMMAND__BODY_FENCE_RESULT] = apply_fence_result,
	[WIRE__COMMAND__BODY_VOLUME_ADD] = apply_volume_add,
	[WIRE__COMMAND__BODY_VOLUME_REMOVE] = apply_volume_remove,
	[WIRE__COMMAND__BODY_LEFTOVER_REPORT] = apply_leftover_report,
	[WIRE__COMMAND__BODY_SETTING_SET] = apply_setting_set,
	[WIRE__COMMAND__BODY_NOTE] = apply_note,
	[WIRE__COMMAND__BODY_FEATURE_RAISE] = apply_feature_raise,
	[WIRE__COMMAND__BODY_VOTERS_SET] = apply_voters_set,
	[WIRE__COMMAND__BODY_WENT_ALONE] = apply_went_alone,
	[WIRE__COMMAND__BODY_NODE_ADD] = apply_node_add,
	[WIRE__COMMAND__BODY_NODE_REMOVE] = apply_node_remove,
	[WIRE__COMMAND__BODY_FORCE] = apply_force,
};

void apply_refuse(struct apply *apply, Wire__Verdict__Code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(apply->text, sizeof(apply->text), format, args);
	va_end(args);
	apply->code = code;
}

void apply_refuse_word(struct apply *apply, const char *key, const char *value,
		       const char *const *words, size_t words_n)
{
	_cleanup_(buf_free) struct buf why = { 0 };

	nearest_explain(key, value, words, words_n, &why);
	apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "%s", buf_str(&why));
}

/* Ids of events and operations count on from the newest one kept. */
static uint64_t next_id(const struct state *state, uint32_t table)
{
	size_t count = state_count(state, table);
	uint64_t id = 0;

	if (count)
		state_packed(state, table, count - 1, &id);
	return id + 1;
}

static void forget_oldest(struct apply *apply, uint32_t table, size_t max)
{
	while (state_count(apply->state, table) > max) {
		uint64_t id;

		state_packed(apply->state, table, 0, &id);
		state_del(apply->state, table, id, apply->update);
	}
}

/* ------------------------------------------------------------------ events */

__attribute__((format(printf, 5, 0)))
static void put_event(struct apply *apply, Wire__Event__Severity severity, uint64_t op,
		      const char *subject, const char *format, va_list args)
{
	Wire__Event event = WIRE__EVENT__INIT;
	char *text = mem_vprintf(format, args);

	text[wire_text_fit(text, WIRE_TEXT_MAX)] = '\0';
	wire_text_mend(text);
	event.id = next_id(apply->state, WIRE__TABLE__TABLE_EVENT);
	event.time_ms = apply->command->time_ms;
	event.severity = severity;
	event.subject = (char *)subject;
	event.text = text;
	event.op = op;
	state_put(apply->state, WIRE__TABLE__TABLE_EVENT, event.id, &event.base, apply->update);
	forget_oldest(apply, WIRE__TABLE__TABLE_EVENT, EVENTS_MAX);
	free(text);
}

void apply_event(struct apply *apply, Wire__Event__Severity severity, uint64_t op,
		 const char *subject, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_event(apply, severity, op, subject, format, args);
	va_end(args);
}

void apply_event_vm(struct apply *apply, Wire__Event__Severity severity, const Wire__Vm *vm,
		    const char *format, ...)
{
	char subject[WIRE_NAME_MAX + 8];
	va_list args;

	snprintf(subject, sizeof(subject), "vm %s", vm->name);
	va_start(args, format);
	put_event(apply, severity, vm->op, subject, format, args);
	va_end(args);
}

void apply_event_node(struct apply *apply, Wire__Event__Severity severity, uint32_t node,
		      const char *format, ...)
{
	char subject[WIRE_NAME_MAX + 8];
	va_list args;

	snprintf(subject, sizeof(subject), "node %s", node_name(apply->state, node));
	va_start(args, format);
	put_event(apply, severity, 0, subject, format, args);
	va_end(args);
}

/* ------------------------------------------------------------------ operations */

/* A power-off that the budget of fencing still counts: other operations may be many. */
static bool counted_fence(const struct apply *apply, const Wire__Operation *op)
{
	return op->kind == WIRE__OPERATION__KIND__FENCE && !op->status_only &&
	       op->outcome == WIRE__OPERATION__OUTCOME__DONE &&
	       op->clock_ms + BUDGET_WINDOW_MAX_MS > apply->clock_ms;
}

/* The oldest finished one goes; those under way stay, however old. */
static void forget_operation(struct apply *apply)
{
	size_t count = state_count(apply->state, WIRE__TABLE__TABLE_OPERATION);

	if (count <= OPERATIONS_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		const Wire__Operation *op =
			state_at(apply->state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->outcome == WIRE__OPERATION__OUTCOME__RUNNING || counted_fence(apply, op))
			continue;
		state_del(apply->state, WIRE__TABLE__TABLE_OPERATION, op->id, apply->update);
		return;
	}
}

uint64_t apply_op_begin(struct apply *apply, Wire__Operation__Kind kind, const Wire__Vm *vm,
			uint32_t node, uint32_t to, const char *reason)
{
	Wire__Operation op = WIRE__OPERATION__INIT;

	op.id = next_id(apply->state, WIRE__TABLE__TABLE_OPERATION);
	op.kind = kind;
	if (vm) {
		op.vm = vm->id;
		op.vm_name = vm->name;
	}
	op.node = node;
	op.to = to;
	op.reason = (char *)reason;
	op.begun_ms = apply->command->time_ms;
	state_put(apply->state, WIRE__TABLE__TABLE_OPERATION, op.id, &op.base, apply->update);
	forget_operation(apply);
	return op.id;
}

bool apply_op_running(struct apply *apply, uint64_t op)
{
	const Wire__Operation *record = op ? state_operation(apply->state, op) : NULL;

	return record && record->outcome == WIRE__OPERATION__OUTCOME__RUNNING;
}

static Wire__Operation *op_open(struct apply *apply, uint64_t op)
{
	return op ? state_open(apply->state, WIRE__TABLE__TABLE_OPERATION, op) : NULL;
}

static void op_close(struct apply *apply, Wire__Operation *op)
{
	state_put(apply->state, WIRE__TABLE__TABLE_OPERATION, op->id, &op->base, apply->update);
	record_free(op);
}

static void add_mark(Wire__Operation *op, const char *what, uint32_t node, uint64_t at_ms)
{
	Wire__Mark *mark;

	if (op->n_marks >= MARKS_MAX)
		return;
	mark = mem_new(Wire__Mark);
	wire__mark__init(mark);
	record_text(&mark->what, what);
	mark->node = node;
	mark->at_ms = at_ms;
	op->marks = mem_resize(op->marks, op->n_marks + 1, sizeof(*op->marks));
	op->marks[op->n_marks++] = mark;
}

void apply_op_mark(struct apply *apply, uint64_t id, const char *what, uint32_t node,
		   uint64_t at_ms)
{
	Wire__Operation *op = op_open(apply, id);

	if (!op)
		return;
	add_mark(op, what, node, at_ms);
	op_close(apply, op);
}

void apply_op_marks(struct apply *apply, uint64_t id, Wire__Mark **marks, size_t marks_n)
{
	Wire__Operation *op = marks_n ? op_open(apply, id) : NULL;

	if (!op)
		return;
	for (size_t i = 0; i < marks_n; i++)
		add_mark(op, marks[i]->what, marks[i]->node, marks[i]->at_ms);
	op_close(apply, op);
}

void apply_op_end(struct apply *apply, uint64_t id, Wire__Operation__Outcome outcome,
		  const char *format, ...)
{
	Wire__Operation *op = op_open(apply, id);
	va_list args;
	char *text;

	if (!op)
		return;
	va_start(args, format);
	text = mem_vprintf(format, args);
	va_end(args);
	op->outcome = outcome;
	op->ended_ms = apply->command->time_ms;
	record_text(&op->text, text);
	free(text);
	op_close(apply, op);
}

/* ------------------------------------------------------------------ VMs */

Wire__Vm *apply_vm_open(struct apply *apply, uint64_t id)
{
	Wire__Vm *vm = state_open(apply->state, WIRE__TABLE__TABLE_VM, id);

	if (vm)
		return vm;
	apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH, "there is no VM with id %llu",
		     (unsigned long long)id);
	return NULL;
}

Wire__Vm *apply_vm_open_named(struct apply *apply, const char *name)
{
	const Wire__Vm *vm = state_vm_named(apply->state, name);

	if (vm)
		return state_open(apply->state, WIRE__TABLE__TABLE_VM, vm->id);
	apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
		     "there is no VM '%s' in this cluster; clusterctl vm list shows all", name);
	return NULL;
}

void apply_broken(struct apply *apply, const Wire__Vm *vm, const char *why)
{
	bool known = (unsigned)vm->phase < VMOP_PHASES;

	if (apply->broken[0])
		return;
	snprintf(apply->broken, sizeof(apply->broken),
		 "VM %s in phase %s against the rule \"%s\"", vm->name,
		 known ? vmop_phases[vm->phase].name : "unknown", why);
}

void apply_vm_close(struct apply *apply, Wire__Vm *vm)
{
	struct vmop op;

	vm_to_op(vm, &op);
	if (vmop_broken(&op)) {
		apply_broken(apply, vm, vmop_broken(&op));
		record_free(vm);
		return;
	}
	/* A snapshot must be able to carry it; what runs there the owner can tell again. */
	if (protobuf_c_message_get_packed_size(&vm->base) > WIRE_RECORD_MAX ||
	    state_bytes(apply->state, WIRE__TABLE__TABLE_VM) > STATE_LIVE_BYTES)
		record_message((ProtobufCMessage **)&vm->live, NULL);
	state_put(apply->state, WIRE__TABLE__TABLE_VM, vm->id, &vm->base, apply->update);
	record_free(vm);
}

void apply_vm_move_to(struct apply *apply, Wire__Vm *vm, enum vmop_phase next)
{
	const char *why;
	struct vmop op;

	vm_to_op(vm, &op);
	why = vmop_try(&op, next);
	if (why) {
		apply_broken(apply, vm, why);
		return;
	}
	vm_from_op(vm, &op);
	vm->since_ms = apply->command->time_ms;
}

void apply_vm_op_end(struct apply *apply, Wire__Vm *vm, Wire__Operation__Outcome outcome,
		     const char *text)
{
	if (apply_op_running(apply, vm->op))
		apply_op_end(apply, vm->op, outcome, "%s", text);
	vm->op = 0;
}

/* ------------------------------------------------------------------ entries */

static const Wire__Request *answered(struct state *state, uint64_t request)
{
	return request ? state_get(state, WIRE__TABLE__TABLE_REQUEST, request) : NULL;
}

static void forget_request(struct apply *apply)
{
	if (state_count(apply->state, WIRE__TABLE__TABLE_REQUEST) > REQUESTS_MAX)
		state_del(apply->state, WIRE__TABLE__TABLE_REQUEST,
			  state_request_oldest(apply->state)->id, apply->update);
}

static void remember(struct apply *apply, Wire__Verdict *verdict)
{
	Wire__Request request = WIRE__REQUEST__INIT;

	request.id = apply->command->request;
	request.index = apply->index;
	request.verdict = verdict;
	state_put(apply->state, WIRE__TABLE__TABLE_REQUEST, request.id, &request.base,
		  apply->update);
	forget_request(apply);
}

/*
 * Nothing of it may be above the cluster's level, which some version here knows and another one
 * does not. A cluster begins at a level of its own.
 */
static bool is_of_level(struct apply *apply)
{
	const Wire__Command *command = apply->command;
	uint32_t level = feature_level(apply->state);

	if (level == 0 && command->body_case == WIRE__COMMAND__BODY_GENESIS &&
	    command->genesis->cluster)
		level = command->genesis->cluster->feature_level;
	if (level == 0)
		level = FEATURE_FIRST;
	if (feature_needed(&command->base) <= level)
		return true;
	apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
		     "this needs a higher feature level than %u, which the cluster is at", level);
	return false;
}

static void carry_out(struct apply *apply)
{
	unsigned body = (unsigned)apply->command->body_case;

	if (body == WIRE__COMMAND__BODY_NOOP || body == WIRE__COMMAND__BODY_CHECK)
		return;
	/* By a change of voters the replicas count already, and do not ask what level it is of. */
	if (body != WIRE__COMMAND__BODY_VOTERS_SET && !is_of_level(apply))
		return;
	if (body >= sizeof(handlers) / sizeof(handlers[0]) || !handlers[body]) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "this command is not known at the cluster's feature level");
		return;
	}
	if (body != WIRE__COMMAND__BODY_GENESIS && !state_cluster(apply->state)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NOT_READY, "there is no cluster yet");
		return;
	}
	handlers[body](apply);
}

/* The event is told once for as long as nothing else happens, however often it is tried. */
static void tell_broken(struct apply *apply)
{
	size_t count = state_count(apply->state, WIRE__TABLE__TABLE_EVENT);
	const Wire__Event *last =
		count ? state_at(apply->state, WIRE__TABLE__TABLE_EVENT, count - 1) : NULL;
	char text[sizeof(apply->text)];

	snprintf(text, sizeof(text),
		 "a command of %s (%s) is refused and changes nothing, for it would leave %s: this "
		 "is a fault of clusterd, please report it",
		 node_name(apply->state, apply->command->node), wire_command_name(apply->command),
		 apply->broken);
	if (!last || strcmp(last->text, text) != 0)
		apply_event(apply, WIRE__EVENT__SEVERITY__ERROR, 0, "cluster", "%s", text);
	apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "%s", text);
}

static void note_beyond(struct apply *apply)
{
	const char *table, *field;

	if (!apply->broken[0] && state_beyond(apply->state, &table, &field))
		snprintf(apply->broken, sizeof(apply->broken),
			 "a record (%s) whose %s is beyond its limit", table, field);
}

/* All of it, or nothing. */
static void carry_out_whole(struct apply *apply)
{
	size_t persists_n = apply->update->persists_n;

	state_begin(apply->state);
	carry_out(apply);
	note_beyond(apply);
	state_end(apply->state, apply->broken[0] != '\0');
	if (!apply->broken[0])
		return;
	update_persist_cut(apply->update, persists_n);
	apply->op = apply->id = 0;
	tell_broken(apply);
}

static Wire__Verdict *verdict_of(const struct apply *apply)
{
	Wire__Verdict verdict = WIRE__VERDICT__INIT;
	char text[sizeof(apply->text)];

	memcpy(text, apply->text, sizeof(text));
	text[wire_text_fit(text, WIRE_TEXT_MAX)] = '\0';
	wire_text_mend(text);
	verdict.code = apply->code;
	verdict.text = text;
	verdict.op = apply->op;
	verdict.id = apply->id;
	return record_copy(&verdict.base);
}

void apply_entry(struct state *state, const Wire__Entry *entry, struct update *update,
		 Wire__Verdict **ret_verdict, uint64_t *ret_request)
{
	Wire__Command *command = wire_parse(&wire__command__descriptor, entry->command.data,
					    entry->command.len);

	apply_command(state, command, entry->index, entry->epoch, update, ret_verdict, ret_request);
	record_free(command);
}

static bool is_barrier(const Wire__Command *command)
{
	return command->request && command->body_case == WIRE__COMMAND__BODY_NOOP;
}

void apply_command(struct state *state, const Wire__Command *command, uint64_t index,
		   uint64_t epoch, struct update *update, Wire__Verdict **ret_verdict,
		   uint64_t *ret_request)
{
	struct apply apply = {
		.state = state,
		.update = update,
		.command = command,
		.index = index,
		.code = WIRE__VERDICT__CODE__OK,
	};
	const Wire__Request *before = command ? answered(state, command->request) : NULL;

	*ret_request = command ? command->request : 0;
	if (before && before->verdict) {
		*ret_verdict = record_copy(&before->verdict->base);
	} else if (!command || wire_check(&command->base, NULL) < 0) {
		apply_refuse(&apply, WIRE__VERDICT__CODE__INVALID, "a command nobody can read");
		*ret_verdict = verdict_of(&apply);
	} else {
		/* A client's NOOP changes nothing at all, however often it is proposed. */
		if (!is_barrier(command))
			elapsed_hear(state, command, update);
		apply.clock_ms = elapsed_now(state, command->node, command->boot_id,
					    command->up_ms);
		carry_out_whole(&apply);
		*ret_verdict = verdict_of(&apply);
		if (command->request && !is_barrier(command))
			remember(&apply, *ret_verdict);
	}
	state_set_position(state, index, epoch);
	{
		struct persist *applied = update_persist(update, PERSIST_APPLIED);

		applied->value = applied->index = index;
		applied->epoch = epoch;
	}
}
