/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of a VM. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/look.h"

typedef bool set_fn(struct apply *apply, Wire__Vm *vm, const char *value);

static bool set_priority(struct apply *apply, Wire__Vm *vm, const char *value)
{
	static const char *const words[] = { "high", "medium", "low" };
	static const Wire__Vm__Priority priorities[] = {
		WIRE__VM__PRIORITY__HIGH, WIRE__VM__PRIORITY__MEDIUM, WIRE__VM__PRIORITY__LOW
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], value) == 0) {
			vm->priority = priorities[i];
			return true;
		}
	apply_refuse_word(apply, "priority", value, words, ARRAY_SIZE(words));
	return false;
}

static bool yes_no(struct apply *apply, const char *key, const char *value, bool *ret)
{
	static const char *const words[] = { "yes", "no" };

	if (text_parse_bool(value, ret) == 0)
		return true;
	apply_refuse_word(apply, key, value, words, ARRAY_SIZE(words));
	return false;
}

static bool set_ha(struct apply *apply, Wire__Vm *vm, const char *value)
{
	bool yes;

	if (!yes_no(apply, "ha", value, &yes))
		return false;
	if (yes && vm->essence && vm->essence->n_local_state) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "%s keeps state on one node only (%s), so it cannot fail over: keep "
			     "ha=no, or move that state to a volume",
			     vm->name, vm->essence->local_state[0]);
		return false;
	}
	vm->no_ha = !yes;
	return true;
}

static bool set_managed(struct apply *apply, Wire__Vm *vm, const char *value)
{
	bool yes;

	if (!yes_no(apply, "managed", value, &yes))
		return false;
	if (vmop_moving((enum vmop_phase)vm->phase)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__BUSY,
			     "%s is being moved; wait, or clusterctl vm cancel %s", vm->name,
			     vm->name);
		return false;
	}
	vm->unmanaged = !yes;
	return true;
}

static bool set_shutdown(struct apply *apply, Wire__Vm *vm, const char *value)
{
	static const char *const words[] = { "stop", "restart" };

	if (strcmp(value, "stop") != 0 && strcmp(value, "restart") != 0) {
		apply_refuse_word(apply, "on_guest_shutdown", value, words, ARRAY_SIZE(words));
		return false;
	}
	vm->restart_on_shutdown = strcmp(value, "restart") == 0;
	return true;
}

static bool set_cold(struct apply *apply, Wire__Vm *vm, const char *value)
{
	bool yes;

	if (!yes_no(apply, "cold_start_on_lost_save", value, &yes))
		return false;
	vm->cold_start_on_lost_save = yes;
	return true;
}

static bool set_stop_timeout(struct apply *apply, Wire__Vm *vm, const char *value)
{
	uint64_t ms;

	if (text_parse_duration(value, &ms) < 0 || ms > STOP_TIMEOUT_MAX_S * UINT64_C(1000) ||
	    ms % 1000) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "stop_timeout is a time like 90s or 5m, at most 24h, not '%s'", value);
		return false;
	}
	vm->stop_timeout_s = (uint32_t)(ms / 1000);
	return true;
}

/* "n1,n2" as node numbers; "" is none. */
static bool node_list(struct apply *apply, const char *value, uint32_t *ret, size_t *ret_n)
{
	char *copy = mem_strdup(value), *rest = copy, *name;
	size_t n = 0;

	while ((name = strsep(&rest, ",")) != NULL) {
		const Wire__Node *node = *name ? state_node_named(apply->state, name) : NULL;

		if (!*name)
			continue;
		if (!node || n == 64) {
			apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
				     "there is no node '%s'; clusterctl node list shows all", name);
			free(copy);
			return false;
		}
		ret[n++] = (uint32_t)node->id;
	}
	free(copy);
	*ret_n = n;
	return true;
}

static bool set_owners(struct apply *apply, Wire__Vm *vm, const char *value)
{
	uint32_t nodes[64];
	size_t n;

	if (!node_list(apply, value, nodes, &n))
		return false;
	record_nodes(&vm->n_possible_owners, &vm->possible_owners, nodes, n);
	return true;
}

static bool set_prefer(struct apply *apply, Wire__Vm *vm, const char *value)
{
	uint32_t nodes[64];
	size_t n;

	if (!node_list(apply, value, nodes, &n))
		return false;
	record_nodes(&vm->n_preferred_owners, &vm->preferred_owners, nodes, n);
	return true;
}

static const struct {
	const char *key;
	set_fn *set;
} sets[] = {
	{ "priority", set_priority },
	{ "ha", set_ha },
	{ "managed", set_managed },
	{ "owners", set_owners },
	{ "prefer", set_prefer },
	{ "stop_timeout", set_stop_timeout },
	{ "on_guest_shutdown", set_shutdown },
	{ "cold_start_on_lost_save", set_cold },
};

static bool change(struct apply *apply, Wire__Vm *vm, const Wire__Param *param)
{
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		if (strcmp(sets[i].key, param->key) == 0)
			return sets[i].set(apply, vm, param->value);
	apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
		     "a VM has no setting '%s'; there are priority, ha, managed, owners, prefer, "
		     "stop_timeout, on_guest_shutdown and cold_start_on_lost_save",
		     param->key);
	return false;
}

/* Whatever was done to it while it was not the cluster's, nobody told the cluster. */
static void begin_anew(struct apply *apply, Wire__Vm *vm)
{
	look_begin(vm, apply->index);
	if (vm->phase != WIRE__VM__PHASE__FAILED || !vm->image[0])
		return;
	/* If it ran, it has written to its disks: older memory would ruin them. */
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
		       "may have run since it was saved: the image %s is of no use any more",
		       vm->image);
	apply_image_unused(apply, vm);
}

/* What is under way is nobody's any more, and not to be made up for when it is managed again. */
static void let_go(struct apply *apply, Wire__Vm *vm)
{
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__CANCELLED,
			"the VM was set managed=no");
	vm->action = WIRE__VM__ACTION__NO_ACTION;
	vm->unpause = false;
}

/* After all changes: none of them may fail any more. */
static void change_hands(struct apply *apply, Wire__Vm *vm)
{
	if (vm->unmanaged == state_vm(apply->state, vm->id)->unmanaged)
		return;
	if (vm->unmanaged)
		let_go(apply, vm);
	else
		begin_anew(apply, vm);
}

void apply_vm_set(struct apply *apply)
{
	const Wire__VmSet *set = apply->command->vm_set;
	Wire__Vm *vm = apply_vm_open_named(apply, set->name);

	if (!vm)
		return;
	for (size_t i = 0; i < set->n_changes; i++)
		if (!change(apply, vm, set->changes[i])) {
			record_free(vm);
			return;
		}
	apply->id = vm->id;
	change_hands(apply, vm);
	for (size_t i = 0; i < set->n_changes; i++)
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "%s=%s, by %s",
			       set->changes[i]->key, set->changes[i]->value, apply->command->who);
	apply_vm_close(apply, vm);
}
