/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an administrator's commands about VMs do to the state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/look.h"
#include "domain/essence.h"
#include "wire/check.h"

enum {
	STOP_TIMEOUT_MAX_S = 86400,
	DEFINITION_MAX = 52 * 1024, /* the rest of a record has room, too */
};

/* ------------------------------------------------------------------ set */

typedef bool set_fn(struct apply *apply, Wire__Vm *vm, const char *value);

static bool set_priority(struct apply *apply, Wire__Vm *vm, const char *value)
{
	if (strcmp(value, "high") == 0)
		vm->priority = WIRE__VM__PRIORITY__HIGH;
	else if (strcmp(value, "medium") == 0)
		vm->priority = WIRE__VM__PRIORITY__MEDIUM;
	else if (strcmp(value, "low") == 0)
		vm->priority = WIRE__VM__PRIORITY__LOW;
	else {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "priority is high, medium or low, not '%s'", value);
		return false;
	}
	return true;
}

static bool yes_no(struct apply *apply, const char *key, const char *value, bool *ret)
{
	if (text_parse_bool(value, ret) == 0)
		return true;
	apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "%s is yes or no, not '%s'", key, value);
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
	if (!yes)
		apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__CANCELLED,
				"the VM was set managed=no");
	/* Whatever was done to it meanwhile, nobody told the cluster. */
	if (yes && vm->unmanaged)
		look_begin(vm, apply->index);
	vm->unmanaged = !yes;
	return true;
}

static bool set_shutdown(struct apply *apply, Wire__Vm *vm, const char *value)
{
	if (strcmp(value, "stop") != 0 && strcmp(value, "restart") != 0) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "on_guest_shutdown is stop or restart, not '%s'", value);
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
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (strcmp(sets[i].key, param->key) == 0)
			return sets[i].set(apply, vm, param->value);
	apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
		     "a VM has no setting '%s'; there are priority, ha, managed, owners, prefer, "
		     "stop_timeout, on_guest_shutdown and cold_start_on_lost_save",
		     param->key);
	return false;
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
	for (size_t i = 0; i < set->n_changes; i++)
		apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "%s=%s, by %s",
			       set->changes[i]->key, set->changes[i]->value, apply->command->who);
	apply_vm_close(apply, vm);
}

/* ------------------------------------------------------------------ add, edit, remove */

static size_t definition_size(const char *xml, const Wire__Essence *essence)
{
	size_t size = strlen(xml);

	return essence ? size + protobuf_c_message_get_packed_size(&essence->base) : size;
}

/* Whether XML and essence leave room in the record for all else, and in the state for others. */
static bool definition_fits(struct apply *apply, const Wire__Vm *instead, const char *xml,
			    const Wire__Essence *essence)
{
	size_t size = definition_size(xml, essence), all;

	all = state_bytes(apply->state, WIRE__TABLE__TABLE_VM) + size;
	if (instead)
		all -= definition_size(instead->xml, instead->essence);
	return size <= DEFINITION_MAX &&
	       (all <= STATE_VMS_BYTES ||
		(instead && size <= definition_size(instead->xml, instead->essence)));
}

static void refuse_large(struct apply *apply, const char *name, size_t size)
{
	if (size > DEFINITION_MAX)
		apply_refuse(apply, WIRE__VERDICT__CODE__LIMIT,
			     "the definition of %s is too large: the cluster keeps at most %d KiB; "
			     "remove descriptions, metadata or devices",
			     name, DEFINITION_MAX / 1024);
	else
		apply_refuse(apply, WIRE__VERDICT__CODE__LIMIT,
			     "there is no room for the definition of %s: all of them together may "
			     "have %d MiB; remove VMs, or descriptions and metadata of others",
			     name, STATE_VMS_BYTES / 1024 / 1024);
}

/* A disk has one writer, unless all who have it say that it is shared. */
static bool clash(const Wire__Disk *a, const Wire__Disk *b)
{
	if (!a->source[0] || strcmp(a->source, b->source) != 0 || a->cdrom || b->cdrom)
		return false;
	return !(a->readonly && b->readonly) && !(a->shareable && b->shareable);
}

static bool disks_free(struct apply *apply, const char *name, const Wire__Essence *essence)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *other = state_at(apply->state, WIRE__TABLE__TABLE_VM, i);
		bool own = !other->essence || strcmp(other->name, name) == 0;
		size_t pairs = own ? 0 : essence->n_disks * other->essence->n_disks;

		for (size_t p = 0; p < pairs; p++) {
			const Wire__Disk *disk = essence->disks[p % essence->n_disks];

			if (!clash(disk, other->essence->disks[p / essence->n_disks]))
				continue;
			apply_refuse(
				apply, WIRE__VERDICT__CODE__INVALID,
				"disk %s is VM %s's: two guests that write to one disk destroy "
				"it. Give %s a disk of its own (or, for a cluster file system "
				"inside the guests, <shareable/> in both definitions)",
				disk->source, other->name, name);
			return false;
		}
	}
	return true;
}

static bool vm_ok(struct apply *apply, const Wire__Vm *vm)
{
	const Wire__Vm *other;

	if (!text_valid_name(vm->name, WIRE_NAME_MAX) || strlen(vm->uuid) != 36 || !vm->xml[0] ||
	    !vm->essence || vm->essence->memory_mib == 0) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "not a whole VM");
		return false;
	}
	if (!definition_fits(apply, NULL, vm->xml, vm->essence)) {
		refuse_large(apply, vm->name, definition_size(vm->xml, vm->essence));
		return false;
	}
	if (vm->stop_timeout_s > STOP_TIMEOUT_MAX_S) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "the stop timeout of %s may be at most %d s", vm->name,
			     STOP_TIMEOUT_MAX_S);
		return false;
	}
	other = state_vm_named(apply->state, vm->name);
	if (other) {
		apply_refuse(apply, WIRE__VERDICT__CODE__EXISTS,
			     "there is a VM '%s' already: take another name, or clusterctl vm edit "
			     "%s",
			     vm->name, vm->name);
		return false;
	}
	other = state_vm_named(apply->state, vm->uuid);
	if (other) {
		apply_refuse(apply, WIRE__VERDICT__CODE__EXISTS,
			     "VM '%s' has the uuid %s already: remove <uuid> from the definition "
			     "and a new one is made",
			     other->name, vm->uuid);
		return false;
	}
	if (!disks_free(apply, vm->name, vm->essence))
		return false;
	if (state_count(apply->state, WIRE__TABLE__TABLE_VM) >= STATE_VMS_MAX) {
		apply_refuse(apply, WIRE__VERDICT__CODE__LIMIT, "there are %d VMs already",
			     STATE_VMS_MAX);
		return false;
	}
	return true;
}

/* Takes over what an administrator may give; everything else starts from nothing. */
void apply_vm_add(struct apply *apply)
{
	const Wire__Vm *given = apply->command->vm_add->vm;
	Wire__Vm vm = WIRE__VM__INIT;

	if (!given || !vm_ok(apply, given))
		return;
	vm.id = apply->id = apply->index;
	vm.name = given->name;
	vm.uuid = given->uuid;
	vm.xml = given->xml;
	vm.essence = given->essence;
	vm.wanted = given->wanted;
	vm.priority = given->priority;
	vm.unmanaged = given->unmanaged;
	vm.no_ha = given->no_ha;
	vm.possible_owners = given->possible_owners;
	vm.n_possible_owners = given->n_possible_owners;
	vm.preferred_owners = given->preferred_owners;
	vm.n_preferred_owners = given->n_preferred_owners;
	vm.stop_timeout_s = given->stop_timeout_s;
	vm.restart_on_shutdown = given->restart_on_shutdown;
	vm.cold_start_on_lost_save = given->cold_start_on_lost_save;
	vm.since_ms = apply->command->time_ms;
	look_begin(&vm, apply->index);
	if (vm.wanted != WIRE__VM__WANTED__STOPPED)
		vm.op = apply->op = apply_op_begin(apply, WIRE__OPERATION__KIND__START, vm.id, 0, 0,
						   apply->command->who);
	state_put(apply->state, WIRE__TABLE__TABLE_VM, vm.id, &vm.base, apply->update);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, state_vm(apply->state, vm.id),
		       "added by %s", apply->command->who);
}

void apply_vm_edit(struct apply *apply)
{
	const Wire__VmEdit *edit = apply->command->vm_edit;
	Wire__Vm *vm = apply_vm_open_named(apply, edit->name);
	bool off;

	if (!vm)
		return;
	if (edit->digest && edit->digest != digest_bytes(vm->xml, strlen(vm->xml))) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE,
			     "the definition of %s was changed by somebody else meanwhile: edit "
			     "again, from the new one",
			     vm->name);
		record_free(vm);
		return;
	}
	if (!edit->essence || vmop_moving((enum vmop_phase)vm->phase)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__BUSY,
			     "%s is being moved; edit it when that is over", vm->name);
		record_free(vm);
		return;
	}
	if (!definition_fits(apply, vm, edit->xml, edit->essence)) {
		refuse_large(apply, vm->name, definition_size(edit->xml, edit->essence));
		record_free(vm);
		return;
	}
	if (!disks_free(apply, vm->name, edit->essence)) {
		record_free(vm);
		return;
	}
	off = vm->phase == WIRE__VM__PHASE__OFF || vm->phase == WIRE__VM__PHASE__FAILED;
	if (!off && !vm->live && vm->essence)
		record_message((ProtobufCMessage **)&vm->live, &vm->essence->base);
	record_text(&vm->chain_last, "");
	if (off)
		record_text(&vm->detail, "");
	free(vm->xml == (char *)protobuf_c_empty_string ? NULL : vm->xml);
	vm->xml = mem_strdup(edit->xml);
	vm->pending_restart = !off && edit->essence->digest != (vm->live ? vm->live->digest : 0);
	record_message((ProtobufCMessage **)&vm->essence, &edit->essence->base);
	if (!vm->pending_restart)
		record_message((ProtobufCMessage **)&vm->live, NULL);
	apply->id = vm->id;
	if (vm->pending_restart)
		snprintf(apply->text, sizeof(apply->text),
			 "%s is changed; it runs on as it was until it is stopped and started: "
			 "clusterctl vm stop %s, then clusterctl vm start %s",
			 vm->name, vm->name, vm->name);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "definition changed by %s%s",
		       apply->command->who, vm->pending_restart ? "; waits for a restart" : "");
	apply_vm_close(apply, vm);
}

void apply_vm_remove(struct apply *apply)
{
	const Wire__VmRemove *remove = apply->command->vm_remove;
	Wire__Vm *vm = apply_vm_open_named(apply, remove->name);
	bool held;

	if (!vm)
		return;
	held = vm->n_maybe > 0 || vm->phase == WIRE__VM__PHASE__SAVED;
	if (held && !(remove->force && vm->unmanaged)) {
		apply_refuse(
			apply, WIRE__VERDICT__CODE__WRONG_STATE,
			vm->phase == WIRE__VM__PHASE__SAVED
				? "%s is saved in %s: start it and stop it first"
				: "%s is not off: clusterctl vm stop %s first (or, to leave it "
				  "running outside of the cluster, set managed=no and remove "
				  "it with --force)",
			vm->name, vm->phase == WIRE__VM__PHASE__SAVED ? vm->image : vm->name);
		record_free(vm);
		return;
	}
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__CANCELLED, "the VM was removed");
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "removed by %s; its disks stay",
		       apply->command->who);
	apply->id = vm->id;
	state_del(apply->state, WIRE__TABLE__TABLE_VM, vm->id, apply->update);
	record_free(vm);
}

/* ------------------------------------------------------------------ want */

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
	vm->op = apply->op = apply_op_begin(apply, kind, vm->id, vm->owner, move ? vm->to : 0,
					    apply->command->who);
}

static void want_running(struct apply *apply, Wire__Vm *vm, const Wire__VmWant *want)
{
	bool was_paused =
		vm->wanted == WIRE__VM__WANTED__PAUSED ||
		(vm->phase == WIRE__VM__PHASE__RUN && vm->seen == WIRE__VM__SEEN__SUSPENDED);

	vm->wanted = WIRE__VM__WANTED__RUNNING;
	if (vm->phase == WIRE__VM__PHASE__RUN && !was_paused) {
		snprintf(apply->text, sizeof(apply->text), "%s runs already on %s", vm->name,
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
			record_text(&vm->image, "");
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
		if (vm->phase == WIRE__VM__PHASE__FAILED && !vm->image[0])
			apply_vm_move_to(apply, vm, VMOP_OFF);
		record_text(&vm->detail, "");
		snprintf(apply->text, sizeof(apply->text), "%s is off already", vm->name);
		return;
	}
	new_op(apply, vm, WIRE__OPERATION__KIND__STOP);
	if (vm->phase == WIRE__VM__PHASE__RUN)
		apply_vm_move_to(apply, vm, VMOP_STOPPING);
}

static void want_paused(struct apply *apply, Wire__Vm *vm)
{
	if (vm->phase != WIRE__VM__PHASE__RUN) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s does not run, so it cannot be paused", vm->name);
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
	if (vm->phase != WIRE__VM__PHASE__RUN) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s does not run: clusterctl vm start %s", vm->name, vm->name);
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
	record_text(&vm->image, "");
	record_text(&vm->detail, "");
	apply_vm_move_to(apply, vm, VMOP_OFF);
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
	apply_vm_close(apply, vm);
}

/* ------------------------------------------------------------------ move */

/*
 * Filled in by the proposer, who may have been too early for it; an agent writes there as
 * root, so it is never taken from anywhere else than a volume.
 */
static bool image_ok(struct apply *apply, const Wire__Vm *vm, const char *image)
{
	size_t n = state_count(apply->state, WIRE__TABLE__TABLE_VOLUME);

	for (size_t i = 0; i < n; i++) {
		const Wire__Volume *volume = state_at(apply->state, WIRE__TABLE__TABLE_VOLUME, i);
		size_t len = strlen(volume->target);

		if (strncmp(image, volume->target, len) == 0 &&
		    strncmp(image + len, "/.clusterd/state/", 17) == 0 &&
		    !strchr(image + len + 17, '/') && strlen(image) < WIRE_TEXT_MAX - 4)
			return true;
	}
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
	new_op(apply, vm, WIRE__OPERATION__KIND__QUICK);
	record_text(&vm->image, apply->command->vm_move->image);
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

/* The running definition differs from the record's. */
void apply_vm_live(struct apply *apply)
{
	const Wire__VmLive *live = apply->command->vm_live;
	char chain[DOMAIN_CHAIN_DIGEST_SIZE];
	Wire__Vm *vm = apply_vm_open(apply, live->vm);
	const Wire__Node *node = state_node(apply->state, apply->command->node);

	if (!vm)
		return;
	if (!node || node->boot_id != apply->command->boot_id ||
	    vm->generation != live->generation || vm->owner != apply->command->node) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "the VM has moved on");
		record_free(vm);
		return;
	}
	if (live->live) {
		domain_chain_digest(live->live->disks, live->live->n_disks, chain);
		record_text(&vm->chain_last, chain);
		record_text(&vm->chain_accepted, "");
	}
	if (live->adopt && live->live && live->xml[0] && !vm->pending_restart &&
	    definition_fits(apply, vm, live->xml, live->live)) {
		free(vm->xml == (char *)protobuf_c_empty_string ? NULL : vm->xml);
		vm->xml = mem_strdup(live->xml);
		record_message((ProtobufCMessage **)&vm->essence, &live->live->base);
		record_message((ProtobufCMessage **)&vm->live, NULL);
		record_text(&vm->changed_outside, "");
		if (live->difference[0])
			apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
				       "changed outside of the cluster, taken into the record: %s",
				       live->difference);
	} else {
		record_message((ProtobufCMessage **)&vm->live,
			       live->live ? &live->live->base : NULL);
		record_text(&vm->changed_outside, vm->pending_restart ? "" : live->difference);
		if (live->difference[0] && !vm->pending_restart)
			apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
				       "changed outside: %s", live->difference);
	}
	apply_vm_close(apply, vm);
}
