/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the nodes' reports about a VM do to its record. Each kind has a handler. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/look.h"
#include "wire/check.h"

#define PHASE(x) WIRE__VM__PHASE__##x

/* Failed starts, the last of them on another node: from then on there are pauses between. */
enum { TRIES_BEFORE_TOLD = 2 };

/* A report in its place: which node, about which copy of the record. */
struct report {
	const Wire__VmReport *r;
	const Wire__Node *node;
	uint32_t id; /* of the node */
	Wire__Vm *vm;
	bool owner, from, to;
};

/* A move that ended elsewhere than it was to, on the way back, did not succeed. */
static void op_end_running(struct apply *apply, Wire__Vm *vm, uint32_t node, const char *why)
{
	const Wire__Operation *op = vm->op ? state_operation(apply->state, vm->op) : NULL;
	char text[WIRE_TEXT_MAX + 1];

	if (!op || op->kind != WIRE__OPERATION__KIND__QUICK || op->to == node) {
		apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__DONE, "");
		return;
	}
	snprintf(text, sizeof(text), "it runs on %s, not on %s: %s", node_name(apply->state, node),
		 node_name(apply->state, op->to), why);
	text[wire_text_fit(text, WIRE_TEXT_MAX)] = '\0';
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__FAILED, text);
}

static void now_running(struct apply *apply, const struct report *report)
{
	_cleanup_(freep) char *detail = mem_strdup(report->vm->detail);
	Wire__Vm *vm = report->vm;

	apply_op_mark(apply, vm->op, "running", report->id, apply->command->time_ms);
	vm->from = vm->to = 0;
	vm->seen = WIRE__VM__SEEN__ACTIVE;
	vm->cancel = false;
	vm->last_node = report->id;
	record_text(&vm->seen_reason, "");
	record_text(&vm->detail, "");
	apply_image_unused(apply, vm);
	apply_vm_move_to(apply, vm, VMOP_RUN);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "runs on %s",
		       node_name(apply->state, report->id));
	if (vm->wanted == WIRE__VM__WANTED__RUNNING)
		op_end_running(apply, vm, report->id, detail);
}

/* The owner has looked and has it: that is where it is. */
static void found_at_owner(const struct report *report)
{
	if (report->r->look == report->vm->look)
		look_begin(report->vm, 0);
}

static bool on_running(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!report->owner)
		return false;
	found_at_owner(report);
	if (vm->phase == PHASE(STARTING) || vm->phase == PHASE(RESUMING) ||
	    vm->phase == PHASE(CONSUMED)) {
		now_running(apply, report);
		return true;
	}
	if (vm->phase != PHASE(RUN))
		return false;
	vm->seen = WIRE__VM__SEEN__ACTIVE;
	record_text(&vm->seen_reason, "");
	if (vm->wanted == WIRE__VM__WANTED__RUNNING && vm->action == WIRE__VM__ACTION__NO_ACTION) {
		vm->unpause = false;
		apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__DONE, "");
	}
	return true;
}

static bool on_paused(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!report->owner || vm->phase != PHASE(RUN))
		return false;
	found_at_owner(report);
	vm->seen = WIRE__VM__SEEN__SUSPENDED;
	record_text(&vm->seen_reason, report->r->pause_reason);
	if (vm->wanted == WIRE__VM__WANTED__PAUSED)
		apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__DONE, "");
	else
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm, "is paused on %s: %s",
			       node_name(apply->state, report->id), report->r->pause_reason);
	return true;
}

static const char *text_of(const Wire__VmReport *r)
{
	return r->text[0] ? r->text : "the cause is not known";
}

/* The guest ended while it was to run: by itself, or against everybody's will. */
static void ended(struct apply *apply, Wire__Vm *vm, const struct report *report)
{
	const Wire__VmReport *r = report->r;

	if (r->cause == WIRE__VM_REPORT__CAUSE__GUEST_SHUTDOWN && !vm->restart_on_shutdown) {
		vm->wanted = WIRE__VM__WANTED__STOPPED;
		record_text(&vm->detail, "the guest shut itself down");
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm,
			       "shut down from inside; it stays stopped");
		return;
	}
	if (r->cause != WIRE__VM_REPORT__CAUSE__GUEST_SHUTDOWN)
		vm->tries++;
	record_textf(&vm->detail, "ended on %s: %s", node_name(apply->state, report->id),
		     text_of(r));
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm, "ended on %s: %s",
		       node_name(apply->state, report->id), text_of(r));
}

/* All that may run it have failed: from now on each of them is tried once more. */
static uint64_t next_round(struct apply *apply, const Wire__Vm *vm)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(apply->state, WIRE__TABLE__TABLE_NODE, i);
		uint32_t id = (uint32_t)node->id;

		if (node->state == WIRE__NODE__STATE__UP && !node->witness && !node->drained &&
		    vm_allows_node(vm, id) && !(vm->tried_nodes & vmop_bit(id)))
			return vm->tried_nodes;
	}
	return 0;
}

static void start_failed(struct apply *apply, Wire__Vm *vm, const struct report *report)
{
	const Wire__VmReport *r = report->r;

	vm->tries++;
	vm->tried_nodes |= vmop_bit(report->id);
	/* A saved one is given up when all have failed. */
	if (!vm->image[0])
		vm->tried_nodes = next_round(apply, vm);
	record_textf(&vm->detail, "%s: %s", node_name(apply->state, report->id), text_of(r));
	if (r->cause == WIRE__VM_REPORT__CAUSE__CHAIN_CHANGED)
		record_textf(&vm->detail,
			     "%s: %s; if they are right as they are now: "
			     "clusterctl vm accept --changed %s",
			     node_name(apply->state, report->id), r->text, vm->name);
	record_text(&vm->chain_seen, r->chain);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__ERROR, vm, "not started on %s: %s",
		       node_name(apply->state, report->id), text_of(r));
}

/* No other node would fare better: leave it to the administrator. */
static void hopeless(struct apply *apply, Wire__Vm *vm)
{
	if (vm->phase != PHASE(OFF))
		return;
	apply_vm_move_to(apply, vm, VMOP_FAILED);
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__FAILED, vm->detail);
}

/* A node that has no right to it has looked, and it is not there. */
static bool looked(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!vm->look || report->r->look != vm->look || (vm->looked & vmop_bit(report->id)))
		return false;
	vm->looked |= vmop_bit(report->id);
	vm->looked_at = apply->index;
	return true;
}

static bool on_absent(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;
	Wire__Vm__Phase before = vm->phase;
	bool owner = report->owner;
	bool handed_over = report->from && report->r->cause == WIRE__VM_REPORT__CAUSE__HANDED_OVER;
	char why[1200];

	if (!vm_holds(vm, report->id))
		return looked(apply, report);
	if (owner && before == PHASE(RUN))
		ended(apply, vm, report);
	if (report->from && before == PHASE(SAVING))
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__ERROR, vm,
			       "ended on %s while it was being moved to %s: %s",
			       node_name(apply->state, report->id),
			       node_name(apply->state, vm->to), text_of(report->r));
	if (owner && (before == PHASE(STARTING) || before == PHASE(RESTORING)))
		start_failed(apply, vm, report);
	snprintf(why, sizeof(why), "%s", report->r->text[0] ? report->r->text : "ended");
	apply_vm_gone(apply, vm, report->id, handed_over ? VM_END_HANDED_OVER : VM_END_TOLD, why);
	if (vm->phase == PHASE(OFF) && vm->tries >= TRIES_BEFORE_TOLD)
		apply_vm_tell_waiting(apply, vm);
	if (before == PHASE(STARTING) &&
	    (report->r->cause == WIRE__VM_REPORT__CAUSE__CHAIN_CHANGED ||
	     report->r->cause == WIRE__VM_REPORT__CAUSE__REFUSED))
		hopeless(apply, vm);
	return true;
}

/* A copy that some move left behind, in the words of migrate/driver/sight.h. */
static bool is_remains(const char *pause_reason)
{
	static const char *const reasons[] = { "user", "ioerror", "watchdog", "shutdown",
					       "snapshot", "crashed", "dump" };

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (strcmp(reasons[i], pause_reason) == 0)
			return false;
	return pause_reason[0] != '\0';
}

/* Is it the guest itself, so that it is taken over as it is? */
static bool is_found(const Wire__Vm *vm, const struct report *report)
{
	if (vm->n_maybe)
		return false;
	/* Taken over even if it is wanted stopped: then it is shut down, not killed. */
	if (vm->look)
		return (vm->phase == PHASE(OFF) || vm->phase == PHASE(FAILED)) &&
		       !is_remains(report->r->pause_reason);
	return vm->phase == PHASE(OFF) && !report->r->pause_reason[0];
}

/* A copy turned up where none may be: nobody else may start until it is gone. */
static bool on_present(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;
	bool found = is_found(vm, report);

	/* While it was not the cluster's it may have been moved: the holder has yet to say. */
	if (vm_holds(vm, report->id) || (vm->look && vm->n_maybe))
		return false;
	if (apply_vm_two_places(apply, vm, report->node))
		return true;
	if (!found) {
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__ERROR, vm,
			       "a copy that the cluster did not start is on %s; it is removed",
			       node_name(apply->state, report->id));
		return true;
	}
	if (vm->phase == PHASE(FAILED)) {
		apply_image_unused(apply, vm);
		apply_vm_move_to(apply, vm, VMOP_OFF);
	}
	apply_force_found(apply, vm);
	look_begin(vm, 0);
	vm->generation++;
	vm->owner = report->id;
	vm->last_node = report->id;
	vm->seen = report->r->pause_reason[0] ? WIRE__VM__SEEN__SUSPENDED
					      : WIRE__VM__SEEN__ACTIVE;
	record_text(&vm->seen_reason, report->r->pause_reason);
	record_text(&vm->detail, "");
	apply_vm_move_to(apply, vm, VMOP_RUN);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm, "found running on %s, taken over",
		       node_name(apply->state, report->id));
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__DONE, "found running");
	return true;
}

static bool on_ready(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!report->to || vm->phase != PHASE(COPYING))
		return false;
	vm->generation++;
	vm->owner = vm->to;
	apply_op_marks(apply, vm->op, report->r->marks, report->r->n_marks);
	apply_op_mark(apply, vm->op, "ready", report->id, apply->command->time_ms);
	apply_vm_move_to(apply, vm, vm_holds(vm, vm->from) ? VMOP_GO : VMOP_RESUMING);
	return true;
}

/* Whoever cancelled it wants no other cause. */
static void move_ended(struct apply *apply, const Wire__Vm *vm, const char *how, const char *why)
{
	const char *from = node_name(apply->state, vm->from);

	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
		       "%s migration %s -> %s %s; it stays on %s%s%s", how, from,
		       node_name(apply->state, vm->to), vm->cancel ? "was cancelled" : "failed",
		       from, vm->cancel ? "" : ": ", vm->cancel ? "" : why);
}

static bool on_move_failed(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!report->from || vm->phase != PHASE(COPYING))
		return false;
	move_ended(apply, vm, "live", report->r->text);
	record_text(&vm->detail, vm->cancel ? "it was not moved" : report->r->text);
	apply_vm_move_to(apply, vm, VMOP_ABORTING);
	return true;
}

static bool on_go_refused(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!report->from || vm->phase != PHASE(GO))
		return false;
	vm->generation++;
	vm->owner = vm->from;
	record_text(&vm->detail, report->r->text);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
		       "%s keeps it: it ran on there (%s)", node_name(apply->state, vm->from),
		       report->r->text);
	apply_vm_move_to(apply, vm, VMOP_ABORTING);
	return true;
}

static bool on_saved(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!report->from || vm->phase != PHASE(SAVING))
		return false;
	/* The owner had it: that is where it was. */
	look_begin(vm, 0);
	vm_release(vm, report->id);
	vm->owner = 0;
	vm->last_node = report->id;
	vm->cancel = false;
	vm->seen = WIRE__VM__SEEN__NOTHING;
	apply_op_marks(apply, vm->op, report->r->marks, report->r->n_marks);
	apply_op_mark(apply, vm->op, "saved", report->id, apply->command->time_ms);
	apply_vm_move_to(apply, vm, VMOP_SAVED);
	return true;
}

static bool on_save_failed(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!report->from || vm->phase != PHASE(SAVING))
		return false;
	apply_image_unused(apply, vm);
	move_ended(apply, vm, "quick", report->r->text);
	apply_vm_op_end(apply, vm,
			vm->cancel ? WIRE__OPERATION__OUTCOME__CANCELLED
				   : WIRE__OPERATION__OUTCOME__FAILED,
			vm->cancel ? "it was not moved" : report->r->text);
	/* It was paused to be saved, and perhaps nobody was there to let it go on. */
	vm->unpause = vm->wanted == WIRE__VM__WANTED__RUNNING &&
		      vm->seen == WIRE__VM__SEEN__ACTIVE;
	vm->cancel = false;
	vm->generation++;
	vm->from = vm->to = 0;
	apply_vm_move_to(apply, vm, VMOP_RUN);
	return true;
}

static bool on_restored(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;

	if (!report->owner || vm->phase != PHASE(RESTORING))
		return false;
	apply_op_mark(apply, vm->op, "restored", report->id, apply->command->time_ms);
	apply_vm_move_to(apply, vm, VMOP_CONSUMED);
	return true;
}

static bool on_action(struct apply *apply, const struct report *report)
{
	Wire__Vm *vm = report->vm;
	bool done = report->r->what == WIRE__VM_REPORT__WHAT__ACTION_DONE;

	if (!report->owner || vm->phase != PHASE(RUN))
		return false;
	if (vm->action_op != report->r->op || vm->action == WIRE__VM__ACTION__NO_ACTION)
		return false;
	vm->action = WIRE__VM__ACTION__NO_ACTION;
	if (done)
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "restarted inside");
	else
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "not restarted: %s",
			       text_of(report->r));
	apply_vm_op_end(apply, vm,
			done ? WIRE__OPERATION__OUTCOME__DONE : WIRE__OPERATION__OUTCOME__FAILED,
			report->r->text);
	return true;
}

typedef bool report_fn(struct apply *apply, const struct report *report);

static report_fn *const reports[] = {
	[WIRE__VM_REPORT__WHAT__RUNNING] = on_running,
	[WIRE__VM_REPORT__WHAT__PAUSED] = on_paused,
	[WIRE__VM_REPORT__WHAT__ABSENT] = on_absent,
	[WIRE__VM_REPORT__WHAT__PRESENT] = on_present,
	[WIRE__VM_REPORT__WHAT__READY] = on_ready,
	[WIRE__VM_REPORT__WHAT__MOVE_FAILED] = on_move_failed,
	[WIRE__VM_REPORT__WHAT__GO_REFUSED] = on_go_refused,
	[WIRE__VM_REPORT__WHAT__SAVED] = on_saved,
	[WIRE__VM_REPORT__WHAT__SAVE_FAILED] = on_save_failed,
	[WIRE__VM_REPORT__WHAT__RESTORED] = on_restored,
	[WIRE__VM_REPORT__WHAT__ACTION_DONE] = on_action,
	[WIRE__VM_REPORT__WHAT__ACTION_FAILED] = on_action,
};

/* From the node's present daemon, and about the right it holds now? */
static bool counts(struct apply *apply, const struct report *report)
{
	const Wire__VmReport *r = report->r;

	if (!report->node || report->node->boot_id != apply->command->boot_id ||
	    report->node->state != WIRE__NODE__STATE__UP)
		return false;
	return r->what == WIRE__VM_REPORT__WHAT__PRESENT || r->generation == report->vm->generation;
}

void apply_vm_report(struct apply *apply)
{
	const Wire__VmReport *r = apply->command->vm_report;
	uint32_t id = apply->command->node;
	Wire__Vm *vm = apply_vm_open(apply, r->vm);
	struct report report = { .r = r, .id = id, .vm = vm };
	unsigned what = (unsigned)r->what;

	if (!vm)
		return;
	report.node = state_node(apply->state, id);
	report.owner = vm->owner == id;
	report.from = vm->from == id;
	report.to = vm->to == id;
	if (!counts(apply, &report) || what >= sizeof(reports) / sizeof(reports[0]) ||
	    !reports[what] || !reports[what](apply, &report)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "the VM has moved on");
		record_free(vm);
		return;
	}
	apply_vm_close(apply, vm);
}
