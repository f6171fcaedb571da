/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An administrator's word for what the cluster cannot find out by itself. */
#include <stdio.h>

#include "clusterd/core/apply_context.h"
#include "clusterd/core/look.h"

/* "n2, n3" */
static void name_nodes(struct apply *apply, uint64_t nodes, char *ret_text, size_t size)
{
	size_t len = 0;

	ret_text[0] = '\0';
	for (uint32_t node = 1; node <= 64 && len < size; node++)
		if (nodes & vmop_bit(node))
			len += (size_t)snprintf(ret_text + len, size - len, "%s%s", len ? ", " : "",
						node_name(apply->state, node));
}

static bool changed(const Wire__Vm *vm)
{
	return vm->chain_seen[0] || vm->changed_outside[0];
}

/* The disks as found at the last refused start, or the definition that runs, are right. */
static void accept_changed(struct apply *apply, Wire__Vm *vm)
{
	record_text(&vm->chain_accepted, vm->chain_seen);
	record_text(&vm->chain_seen, "");
	record_text(&vm->changed_outside, "");
	snprintf(apply->text, sizeof(apply->text),
		 "%s: what was changed outside of the cluster is taken as right", vm->name);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
		       "disks and definition as found are accepted by %s", apply->command->who);
}

static void accept_not_running(struct apply *apply, Wire__Vm *vm)
{
	char nodes[256];

	name_nodes(apply, look_missing(apply->state, vm), nodes, sizeof(nodes));
	look_begin(vm, 0);
	snprintf(apply->text, sizeof(apply->text),
		 "%s: taken not to run on %s, where nobody has looked", vm->name,
		 nodes[0] ? nodes : "any node");
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
		       "%s vouches that it does not run on %s, where nobody has looked",
		       apply->command->who, nodes[0] ? nodes : "any node");
}

/* What is accepted must be clear: the word for one thing is none for another. */
static bool take_word(struct apply *apply, Wire__Vm *vm, Wire__VmAccept__What what)
{
	bool change = changed(vm) && what != WIRE__VM_ACCEPT__WHAT__NOT_RUNNING;
	bool look = look_awaited(vm) && what != WIRE__VM_ACCEPT__WHAT__CHANGED;

	if (change && look)
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "two things about %s wait to be accepted: what was changed outside "
			     "of the cluster (clusterctl vm accept --changed %s), and that it "
			     "does not run where nobody has looked (clusterctl vm accept "
			     "--not-running %s)",
			     vm->name, vm->name, vm->name);
	else if (change)
		accept_changed(apply, vm);
	else if (look)
		accept_not_running(apply, vm);
	else
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     what == WIRE__VM_ACCEPT__WHAT__CHANGED
				     ? "nothing that was changed about %s waits to be accepted"
			     : what == WIRE__VM_ACCEPT__WHAT__NOT_RUNNING
				     ? "%s waits for no node to look for it"
				     : "nothing about %s waits to be accepted",
			     vm->name);
	return change != look;
}

void apply_vm_accept(struct apply *apply)
{
	const Wire__VmAccept *given = apply->command->vm_accept;
	Wire__Vm *vm = apply_vm_open_named(apply, given->name);

	if (!vm)
		return;
	if (!take_word(apply, vm, given->what)) {
		record_free(vm);
		return;
	}
	apply->id = vm->id;
	apply_vm_close(apply, vm);
}
