/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wanted of a VM: that it runs, stops, pauses, or runs elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/leftover.h"
#include "clusterd/core/look.h"
#include "wire/check.h"

/* What stands against any request for a VM's state; refuses with a sentence. */
static bool may_want(struct apply *apply, const Wire__Vm *vm)
{
	if (vm->unmanaged) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s is set managed=no, so the cluster leaves it alone: use virsh, or "
			     "clusterctl vm set %s managed=yes",
			     vm->name, vm->name);
		return false;
	}
	if (vmop_moving((enum vmop_phase)vm->phase)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__BUSY,
			     vm->phase == WIRE__VM__PHASE__SAVED
				     ? "%s is saved and waits for room on %s or elsewhere; to give "
				       "its memory up: clusterctl vm stop --force %s"
				     : "%s is being moved to %s; wait, or clusterctl vm cancel %s",
			     vm->name, node_name(apply->state, vm->to), vm->name);
		return false;
	}
	return true;
}

static void new_op(struct apply *apply, Wire__Vm *vm, Wire__Operation__Kind kind)
{
	bool move = kind == WIRE__OPERATION__KIND__LIVE || kind == WIRE__OPERATION__KIND__QUICK;

	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__CANCELLED,
			"another request took its place");
	vm->action = WIRE__VM__ACTION__NO_ACTION;
	vm->op = apply->op = apply_op_begin(apply, kind, vm, vm->owner, move ? vm->to : 0,
					    apply->command->who);
}

/* The node that has it cannot do anything with it now: nor can anybody else before its death. */
static bool is_away(struct apply *apply, const Wire__Vm *vm)
{
	const Wire__Node *owner = vm->owner ? state_node(apply->state, vm->owner) : NULL;

	return owner && owner->state != WIRE__NODE__STATE__UP;
}

/* It is wanted to run already, and whether it does nobody knows. */
static void refuse_unknown(struct apply *apply, const Wire__Vm *vm)
{
	apply_refuse(apply, WIRE__VERDICT__CODE__NOT_READY,
		     "whether %s runs is not known, for %s, where it was last, is not up: it runs "
		     "on there, or is started elsewhere by itself once that node is proven dead; "
		     "clusterctl status says what that waits for",
		     vm->name, node_name(apply->state, vm->owner));
}

static void want_running(struct apply *apply, Wire__Vm *vm, const Wire__VmWant *want)
{
	bool was_paused =
		vm->wanted == WIRE__VM__WANTED__PAUSED ||
		(vm->phase == WIRE__VM__PHASE__RUN && vm->seen == WIRE__VM__SEEN__SUSPENDED);

	if (vm->phase == WIRE__VM__PHASE__RUN && !was_paused && is_away(apply, vm) &&
	    vm->wanted == WIRE__VM__WANTED__RUNNING) {
		refuse_unknown(apply, vm);
		return;
	}
	/* A stop that has not begun, for its node was away, is none any more. */
	if (vm->phase == WIRE__VM__PHASE__RUN && vm->wanted == WIRE__VM__WANTED__STOPPED)
		apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__CANCELLED,
				"another request took its place");
	vm->wanted = WIRE__VM__WANTED__RUNNING;
	if (vm->phase == WIRE__VM__PHASE__RUN && !was_paused && is_away(apply, vm)) {
		snprintf(apply->text, sizeof(apply->text),
			 "noted: it is not stopped when %s, where it is, is back",
			 node_name(apply->state, vm->owner));
		return;
	}
	if (vm->phase == WIRE__VM__PHASE__RUN && !was_paused) {
		snprintf(apply->text, sizeof(apply->text), "%s runs on %s already", vm->name,
			 node_name(apply->state, vm->owner));
		return;
	}
	if (vm->phase == WIRE__VM__PHASE__RUN) {
		vm->unpause = true;
		new_op(apply, vm, WIRE__OPERATION__KIND__RESUME);
		return;
	}
	new_op(apply, vm, WIRE__OPERATION__KIND__START);
	/* What was found out for an earlier start may be long ago. */
	if (vm->look)
		look_begin(vm, apply->index);
	if (vm->phase == WIRE__VM__PHASE__FAILED) {
		bool image = vm->image[0] && !want->cold;

		if (!image)
			apply_image_unused(apply, vm);
		apply_vm_move_to(apply, vm, image ? VMOP_SAVED : VMOP_OFF);
	}
	vm->tries = 0;
	vm->tried_nodes = 0;
	record_text(&vm->detail, "");
}

static void want_stopped(struct apply *apply, Wire__Vm *vm, const Wire__VmWant *want)
{
	vm->wanted = WIRE__VM__WANTED__STOPPED;
	vm->force = want->force;
	if (vm->phase == WIRE__VM__PHASE__OFF || vm->phase == WIRE__VM__PHASE__FAILED) {
		apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__CANCELLED,
				"it was asked to stop");
		/* A look from now on: if it is found, this is what is wanted of it. */
		if (vm->look)
			look_begin(vm, apply->index);
		if (vm->phase == WIRE__VM__PHASE__FAILED && !vm->image[0])
			apply_vm_move_to(apply, vm, VMOP_OFF);
		record_text(&vm->detail, "");
		snprintf(apply->text, sizeof(apply->text), "%s is off already", vm->name);
		return;
	}
	new_op(apply, vm, WIRE__OPERATION__KIND__STOP);
	/* Until its node can do it, it may be asked to run on. */
	if (vm->phase == WIRE__VM__PHASE__RUN && !is_away(apply, vm))
		apply_vm_move_to(apply, vm, VMOP_STOPPING);
}

static bool is_stopping(const Wire__Vm *vm)
{
	return vm->phase == WIRE__VM__PHASE__STOPPING;
}

static void want_paused(struct apply *apply, Wire__Vm *vm)
{
	if (vm->phase != WIRE__VM__PHASE__RUN) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     is_stopping(vm) ? "%s is being stopped, so it cannot be paused"
					     : "%s does not run, so it cannot be paused", vm->name);
		return;
	}
	vm->wanted = WIRE__VM__WANTED__PAUSED;
	vm->unpause = false;
	if (vm->seen == WIRE__VM__SEEN__SUSPENDED) {
		snprintf(apply->text, sizeof(apply->text), "%s is paused already", vm->name);
		return;
	}
	new_op(apply, vm, WIRE__OPERATION__KIND__PAUSE);
}

static void want_action(struct apply *apply, Wire__Vm *vm, Wire__Vm__Action action)
{
	if (is_stopping(vm)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s is being stopped: clusterctl vm stop --force %s does not wait for "
			     "the guest", vm->name, vm->name);
		return;
	}
	if (vm->phase != WIRE__VM__PHASE__RUN) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s does not run: clusterctl vm start %s", vm->name, vm->name);
		return;
	}
	if (is_away(apply, vm)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NOT_READY,
			     "%s cannot be reset or rebooted now: %s, where it is, is not up; "
			     "bring that node or its clusterd back",
			     vm->name, node_name(apply->state, vm->owner));
		return;
	}
	if (vm->wanted == WIRE__VM__WANTED__PAUSED || vm->seen == WIRE__VM__SEEN__SUSPENDED) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s is paused: clusterctl vm resume %s first", vm->name, vm->name);
		return;
	}
	new_op(apply, vm,
	       action == WIRE__VM__ACTION__RESET ? WIRE__OPERATION__KIND__RESET
						 : WIRE__OPERATION__KIND__REBOOT);
	vm->action = action;
	vm->action_op = vm->op;
}

/* A saved VM has nobody who could stop it: what is given up is its memory. */
static void discard_image(struct apply *apply, Wire__Vm *vm)
{
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
		       "stopped by %s while it was saved; the image %s is of no use any more",
		       apply->command->who, vm->image);
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__CANCELLED, "it was stopped");
	vm->wanted = WIRE__VM__WANTED__STOPPED;
	apply_image_unused(apply, vm);
	record_text(&vm->detail, "");
	apply_vm_move_to(apply, vm, VMOP_OFF);
}

/* Who wanted it is asked later, when the operation is long forgotten. */
static void tell_asked(struct apply *apply, const Wire__Vm *vm, Wire__Operation__Kind kind)
{
	static const char *const verbs[] = {
		[WIRE__OPERATION__KIND__START] = "start",
		[WIRE__OPERATION__KIND__STOP] = "stop",
		[WIRE__OPERATION__KIND__RESET] = "reset",
		[WIRE__OPERATION__KIND__REBOOT] = "reboot",
		[WIRE__OPERATION__KIND__PAUSE] = "pause",
		[WIRE__OPERATION__KIND__RESUME] = "resume",
	};

	if ((size_t)kind < ARRAY_SIZE(verbs) && verbs[kind])
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "%s%s asked by %s",
			       verbs[kind],
			       kind == WIRE__OPERATION__KIND__STOP && vm->force ? " by force" : "",
			       apply->command->who);
}

void apply_vm_want(struct apply *apply)
{
	const Wire__VmWant *want = apply->command->vm_want;
	Wire__Vm *vm = apply_vm_open_named(apply, want->name);

	if (!vm)
		return;
	if (vm->phase == WIRE__VM__PHASE__SAVED && !vm->unmanaged && want->force &&
	    want->wanted == WIRE__VM__WANTED__STOPPED) {
		apply->id = vm->id;
		discard_image(apply, vm);
		apply_vm_close(apply, vm);
		return;
	}
	if (!may_want(apply, vm)) {
		record_free(vm);
		return;
	}
	apply->id = vm->id;
	if (want->action != WIRE__VM__ACTION__NO_ACTION)
		want_action(apply, vm, want->action);
	else if (want->wanted == WIRE__VM__WANTED__STOPPED)
		want_stopped(apply, vm, want);
	else if (want->wanted == WIRE__VM__WANTED__PAUSED)
		want_paused(apply, vm);
	else
		want_running(apply, vm, want);
	if (apply->op)
		tell_asked(apply, vm, state_operation(apply->state, apply->op)->kind);
	/* Whether and when, nobody knows: no operator is to wait for that. */
	if (apply->op && is_away(apply, vm)) {
		apply->op = 0;
		snprintf(apply->text, sizeof(apply->text),
			 "noted: it takes effect as soon as %s, where %s is, is back or proven "
			 "dead",
			 node_name(apply->state, vm->owner), vm->name);
	}
	apply_vm_close(apply, vm);
}

/* ------------------------------------------------------------------ move */

/*
 * The volume is chosen by the proposer, who may have been too early for it; an agent writes there
 * as root, so it is never taken from anywhere else. The file gets a name that no file ever had:
 * what was left of another one may still be on its way to be removed. NULL, or for the caller to
 * free.
 */
static char *new_image(const struct apply *apply, const Wire__Vm *vm, const char *given)
{
	_cleanup_(freep) char *name = mem_printf("%s.%llu.sav", vm->uuid,
						 (unsigned long long)apply->index);
	const Wire__Volume *volume = leftover_volume(apply->state, given, NULL);
	char *image = volume ? leftover_path(volume, name) : NULL;

	if (image && !strchr(name, '/') && strlen(image) < WIRE_TEXT_MAX - 4)
		return image;
	free(image);
	return NULL;
}

static bool image_ok(struct apply *apply, const Wire__Vm *vm, const char *given)
{
	_cleanup_(freep) char *image = new_image(apply, vm, given);

	if (image)
		return true;
	apply_refuse(apply, WIRE__VERDICT__CODE__NOT_READY,
		     "there is no place on a volume yet to save %s to: try again", vm->name);
	return false;
}

static bool may_move(struct apply *apply, const Wire__Vm *vm, const Wire__VmMove *move)
{
	const Wire__Node *to = state_node(apply->state, move->to);
	const Wire__Node *from = state_node(apply->state, vm->owner);

	if (!may_want(apply, vm))
		return false;
	if (vm->phase != WIRE__VM__PHASE__RUN) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s does not run, so there is nothing to move", vm->name);
		return false;
	}
	if (!to || to->state != WIRE__NODE__STATE__UP || to->witness) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NOT_READY, "%s cannot take %s: %s",
			     node_name(apply->state, move->to), vm->name,
			     !to           ? "no such node"
			     : to->witness ? "it is a witness and runs no VMs"
					   : "it is not up");
		return false;
	}
	if (move->to == vm->owner) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE, "%s runs on %s already",
			     vm->name, to->name);
		return false;
	}
	if (!from || from->state != WIRE__NODE__STATE__UP) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NOT_READY,
			     "%s cannot be moved now: %s, where it is, is not up; bring that node "
			     "or its clusterd back",
			     vm->name, node_name(apply->state, vm->owner));
		return false;
	}
	if (vm->no_ha || !vm_allows_node(vm, move->to)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__DENIED,
			     vm->no_ha ? "%s is set ha=no, so it stays on its node (%s is another)"
				       : "%s may not run on %s by its setting owners",
			     vm->name, to->name);
		return false;
	}
	if (vm->n_maybe != 1) {
		apply_refuse(apply, WIRE__VERDICT__CODE__BUSY,
			     "a second copy of %s is still being cleaned up; try again soon",
			     vm->name);
		return false;
	}
	if (move->how != WIRE__VM_MOVE__HOW__LIVE && !image_ok(apply, vm, move->image))
		return false;
	return true;
}

static void begin_live(struct apply *apply, Wire__Vm *vm, const Wire__Node *to)
{
	vm_hold(vm, (uint32_t)to->id, to->incarnation);
	new_op(apply, vm, WIRE__OPERATION__KIND__LIVE);
	apply_vm_move_to(apply, vm, VMOP_COPYING);
}

static void begin_quick(struct apply *apply, Wire__Vm *vm)
{
	_cleanup_(freep) char *image = new_image(apply, vm, apply->command->vm_move->image);

	new_op(apply, vm, WIRE__OPERATION__KIND__QUICK);
	apply_image_unused(apply, vm);
	record_text(&vm->image, image);
	apply_vm_move_to(apply, vm, VMOP_SAVING);
}

void apply_vm_move(struct apply *apply)
{
	const Wire__VmMove *move = apply->command->vm_move;
	Wire__Vm *vm = apply_vm_open_named(apply, move->name);

	if (!vm)
		return;
	if (!may_move(apply, vm, move)) {
		record_free(vm);
		return;
	}
	apply->id = vm->id;
	vm->from = vm->owner;
	vm->to = move->to;
	vm->cancel = false;
	vm->generation++;
	vm->tried_nodes = 0;
	if (move->how == WIRE__VM_MOVE__HOW__LIVE)
		begin_live(apply, vm, state_node(apply->state, move->to));
	else
		begin_quick(apply, vm);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "%s migration %s -> %s, by %s",
		       move->how == WIRE__VM_MOVE__HOW__LIVE ? "live" : "quick",
		       node_name(apply->state, vm->from), node_name(apply->state, vm->to),
		       apply->command->who);
	apply_vm_close(apply, vm);
}

void apply_vm_cancel(struct apply *apply)
{
	Wire__Vm *vm = apply_vm_open_named(apply, apply->command->vm_cancel->name);
	const Wire__Node *source;

	if (!vm)
		return;
	if (vm->phase != WIRE__VM__PHASE__COPYING && vm->phase != WIRE__VM__PHASE__SAVING) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "nothing is under way with %s that can still be cancelled", vm->name);
		record_free(vm);
		return;
	}
	vm->cancel = true;
	apply->id = vm->id;
	source = state_node(apply->state, vm->from);
	/* Whether it has begun, only that node knows: nobody is to wait for its word now. */
	if (source && source->state == WIRE__NODE__STATE__UP)
		apply->op = vm->op;
	else
		snprintf(apply->text, sizeof(apply->text),
			 "noted: the migration of %s is called off as soon as %s, where it is, is "
			 "back or proven dead",
			 vm->name, node_name(apply->state, vm->from));
	apply_vm_close(apply, vm);
}
