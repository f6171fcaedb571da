/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may run a VM: what the conductor's steps, a node's death and its word that a VM is not there
 * do to owner, maybe and phase. maybe grows here by commit before a node may act, and shrinks only
 * by that node's own report or by proof of death of that incarnation.
 */
#include <stdio.h>

#include "clusterd/core/apply_context.h"
#include "clusterd/core/look.h"

#define PHASE(x) WIRE__VM__PHASE__##x

/* ------------------------------------------------------------------ a node is out of it */

/* Opens the operation under which the VM comes back, so that its time is on record. */
static void begin_restart(struct apply *apply, Wire__Vm *vm, const char *why)
{
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__FAILED, why);
	if (vm->wanted == WIRE__VM__WANTED__STOPPED || vm->unmanaged)
		return;
	vm->op = apply_op_begin(apply, WIRE__OPERATION__KIND__RESTART, vm, vm->last_node, 0, why);
}

/*
 * The source of a live move is gone and has not said that the guest stood still there since it was
 * copied: what is at the destination may be older than the disks.
 */
static void memory_lost(struct apply *apply, Wire__Vm *vm, enum vmop_phase before, const char *why)
{
	const char *from = node_name(apply->state, vm->from), *to = node_name(apply->state, vm->to);

	/* A right that the destination had is taken back. */
	vm->generation++;
	record_textf(&vm->detail, "ended on %s while it was being moved to %s: %s", from, to, why);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__ERROR, vm, "%s%s%s%s", vm->detail,
		       before == VMOP_GO ? "; it may have run on there after it was copied, so the "
					   "copy on " : "",
		       before == VMOP_GO ? to : "",
		       before == VMOP_GO ? ", which may be older than its disks, is given up" : "");
}

static void stopped(struct apply *apply, Wire__Vm *vm, enum vmop_phase before, bool death,
		    const char *why)
{
	apply_image_unused(apply, vm);
	vm->seen = WIRE__VM__SEEN__NOTHING;
	vm->force = vm->cancel = false;
	/* A reset that was asked of the run before must not strike the next one. */
	vm->action = WIRE__VM__ACTION__NO_ACTION;
	if (vm->wanted == WIRE__VM__WANTED__STOPPED &&
	    (before == VMOP_STOPPING || before == VMOP_RUN || before == VMOP_STARTING)) {
		apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__DONE, why);
		return;
	}
	/* A start that was asked for meanwhile begins only now. */
	if (before == VMOP_STOPPING && vm->op)
		return;
	/* It ran: what kept it from starting before that is over. */
	if (death && before == VMOP_RUN)
		vm->tries = vm->tried_nodes = 0;
	if (death || before != VMOP_STARTING)
		begin_restart(apply, vm, before == VMOP_ABORTING && vm->detail[0] ? vm->detail
										   : why);
}

static void after_gone(struct apply *apply, Wire__Vm *vm, enum vmop_gone gone,
		       enum vmop_phase before, bool death, const char *why)
{
	switch (gone) {
	case VMOP_GONE_NOTHING:
	case VMOP_GONE_WAIT:
		return;
	case VMOP_GONE_STOPPED:
		stopped(apply, vm, before, death, why);
		return;
	case VMOP_GONE_GIVE_UP:
		memory_lost(apply, vm, before, why);
		return;
	case VMOP_GONE_GO_ON:
		apply_op_mark(apply, vm->op, "source gone", vm->from, apply->command->time_ms);
		return;
	case VMOP_GONE_BACK:
		/* A new right: what the source said before does not count for it. */
		vm->generation++;
		apply_vm_op_end(apply, vm,
				vm->cancel ? WIRE__OPERATION__OUTCOME__CANCELLED
					   : WIRE__OPERATION__OUTCOME__FAILED,
				vm->detail[0] ? vm->detail : why);
		record_text(&vm->detail, "");
		vm->cancel = false;
		vm->from = vm->to = 0;
		return;
	case VMOP_GONE_IMAGE:
		vm->generation++;
		vm->tries++;
		return;
	}
}

void apply_vm_gone(struct apply *apply, Wire__Vm *vm, uint32_t node, enum vm_end end,
		   const char *why)
{
	enum vmop_phase before = (enum vmop_phase)vm->phase;
	enum vmop_gone gone;
	struct vmop op;

	/* A failed restore leaves the way back to where it was saved. */
	if (vm->owner == node && before != VMOP_RESTORING)
		vm->last_node = node;
	vm_to_op(vm, &op);
	if (vmop_broken(&op)) {
		apply_broken(apply, vm, vmop_broken(&op));
		return;
	}
	gone = vmop_node_gone(&op, node, end == VM_END_HANDED_OVER);
	vm_from_op(vm, &op);
	if (op.phase != before)
		vm->since_ms = apply->command->time_ms;
	after_gone(apply, vm, gone, before, end == VM_END_DEATH, why);
	if (end == VM_END_DEATH && gone == VMOP_GONE_STOPPED)
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm, "was on %s: %s",
			       node_name(apply->state, node), why);
}

bool apply_vm_two_places(struct apply *apply, Wire__Vm *vm, const Wire__Node *node)
{
	const char *from = node_name(apply->state, vm->from), *to = node_name(apply->state, vm->to);
	struct vmop op;

	vm_to_op(vm, &op);
	vm_hold(vm, (uint32_t)node->id, node->incarnation);
	if (!vmop_node_found(&op, (uint32_t)node->id))
		return false;
	vm_from_op(vm, &op);
	vm->since_ms = apply->command->time_ms;
	/* A right that the destination had is taken back. */
	vm->generation++;
	vm->from = vm->to = 0;
	record_textf(&vm->detail,
		     "a copy that the cluster did not start is on %s, from where it was moved to "
		     "%s: both are removed, and it is not started before each of them is gone",
		     from, to);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__ERROR, vm, "%s", vm->detail);
	stopped(apply, vm, VMOP_ABORTING, false, vm->detail);
	return true;
}

void apply_node_gone(struct apply *apply, uint32_t node, const char *why)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *record = state_at(apply->state, WIRE__TABLE__TABLE_VM, i);
		char text[256];
		Wire__Vm *vm;

		if (!vm_holds(record, node))
			continue;
		vm = state_open(apply->state, WIRE__TABLE__TABLE_VM, record->id);
		snprintf(text, sizeof(text), "%s %s", node_name(apply->state, node), why);
		apply_vm_gone(apply, vm, node, VM_END_DEATH, text);
		apply_vm_close(apply, vm);
	}
}

void apply_looks_forget(struct apply *apply, uint32_t node)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *record = state_at(apply->state, WIRE__TABLE__TABLE_VM, i);
		Wire__Vm *vm;

		if (!(record->looked & vmop_bit(node)))
			continue;
		vm = state_open(apply->state, WIRE__TABLE__TABLE_VM, record->id);
		vm->looked &= ~vmop_bit(node);
		apply_vm_close(apply, vm);
	}
}

/* ------------------------------------------------------------------ the conductor's steps */

/* Also one that became a witness since it was chosen: nobody looks for VMs there. */
static const char *not_fit(const Wire__Node *node)
{
	if (!node || node->state != WIRE__NODE__STATE__UP)
		return "the node is not up";
	return node->witness ? "the node is a witness" : NULL;
}

static const char *step_start(struct apply *apply, Wire__Vm *vm, const Wire__VmStep *step)
{
	const Wire__Node *node = state_node(apply->state, step->node);

	if (not_fit(node))
		return not_fit(node);
	if (vm->n_maybe || vm->wanted == WIRE__VM__WANTED__STOPPED)
		return "it is held or not wanted";
	if (look_missing(apply->state, vm))
		return "not every node has looked for it yet";
	look_begin(vm, 0);
	vm->generation++;
	vm->owner = vm->to = step->node;
	vm->from = 0;
	vm->last_node = step->node;
	vm->pending_restart = false;
	vm->unpause = false;
	record_message((ProtobufCMessage **)&vm->live, NULL);
	record_text(&vm->changed_outside, "");
	/* Memory that was saved before this start would be older than the disks from now on. */
	apply_image_unused(apply, vm);
	vm_hold(vm, step->node, node->incarnation);
	if (!apply_op_running(apply, vm->op))
		vm->op = apply_op_begin(apply, WIRE__OPERATION__KIND__RESTART, vm, step->node, 0,
					vm->detail);
	apply_op_mark(apply, vm->op, "placed", step->node, apply->command->time_ms);
	apply_vm_move_to(apply, vm, VMOP_STARTING);
	return NULL;
}

static const char *step_restore(struct apply *apply, Wire__Vm *vm, const Wire__VmStep *step)
{
	const Wire__Node *node = state_node(apply->state, step->node);

	if (not_fit(node))
		return not_fit(node);
	if (vm->n_maybe)
		return "it is held";
	if (look_missing(apply->state, vm))
		return "not every node has looked for it yet";
	look_begin(vm, 0);
	vm->generation++;
	vm->owner = vm->to = step->node;
	vm->from = 0;
	vm_hold(vm, step->node, node->incarnation);
	apply_op_mark(apply, vm->op, "restore", step->node, apply->command->time_ms);
	apply_vm_move_to(apply, vm, VMOP_RESTORING);
	return NULL;
}

static const char *step_failed(struct apply *apply, Wire__Vm *vm, const Wire__VmStep *step)
{
	apply_vm_move_to(apply, vm, VMOP_FAILED);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__ERROR, vm, "given up: %s", step->detail);
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__FAILED, step->detail);
	return NULL;
}

static const char *step_cold(struct apply *apply, Wire__Vm *vm, const Wire__VmStep *step)
{
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__ERROR, vm,
		       "saved memory is lost, cold start as set: %s", step->detail);
	apply_image_unused(apply, vm);
	apply_vm_move_to(apply, vm, VMOP_OFF);
	return NULL;
}

static const char *step_stop(struct apply *apply, Wire__Vm *vm)
{
	if (vm->wanted != WIRE__VM__WANTED__STOPPED)
		return "it is wanted";
	apply_vm_move_to(apply, vm, VMOP_STOPPING);
	return NULL;
}

void apply_vm_tell_waiting(struct apply *apply, Wire__Vm *vm)
{
	const Wire__Operation *op = vm->op ? state_operation(apply->state, vm->op) : NULL;

	if (op && op->kind == WIRE__OPERATION__KIND__START && vm->detail[0])
		apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__FAILED, vm->detail);
}

static const char *step(struct apply *apply, Wire__Vm *vm, const Wire__VmStep *s)
{
	if (s->settled) {
		vm->tries = 0;
		vm->tried_nodes = 0;
		return NULL;
	}
	if (s->detail[0] || s->next == s->phase)
		record_text(&vm->detail, s->detail);
	if (s->next == s->phase) {
		apply_vm_tell_waiting(apply, vm);
		return NULL;
	}
	if (s->phase == PHASE(OFF) && s->next == PHASE(STARTING))
		return step_start(apply, vm, s);
	if (s->phase == PHASE(SAVED) && s->next == PHASE(RESTORING))
		return step_restore(apply, vm, s);
	if ((s->phase == PHASE(OFF) || s->phase == PHASE(SAVED)) && s->next == PHASE(FAILED))
		return step_failed(apply, vm, s);
	if (s->phase == PHASE(SAVED) && s->next == PHASE(OFF))
		return step_cold(apply, vm, s);
	if (s->phase == PHASE(RUN) && s->next == PHASE(STOPPING))
		return step_stop(apply, vm);
	return "no such step";
}

void apply_vm_step(struct apply *apply)
{
	const Wire__VmStep *s = apply->command->vm_step;
	Wire__Vm *vm = apply_vm_open(apply, s->vm);
	const char *why;

	if (!vm)
		return;
	if (vm->generation != s->generation || vm->phase != s->phase || vm->unmanaged) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "the VM has moved on");
		record_free(vm);
		return;
	}
	why = step(apply, vm, s);
	if (why) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "%s", why);
		record_free(vm);
		return;
	}
	apply_vm_close(apply, vm);
}
