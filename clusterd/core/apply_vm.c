/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The definitions of VMs: added, edited, removed, and changed by others. */
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

/* The rest of a record has room, too. */
enum { DEFINITION_MAX = 52 * 1024 };

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

/* Whoever asked knew their names; one may have been removed since. */
static bool nodes_there(struct apply *apply, const uint32_t *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!state_node(apply->state, nodes[i])) {
			apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
				     "there is no node %u any more; clusterctl node list shows all",
				     nodes[i]);
			return false;
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
	if (!disks_free(apply, vm->name, vm->essence) ||
	    !nodes_there(apply, vm->possible_owners, vm->n_possible_owners) ||
	    !nodes_there(apply, vm->preferred_owners, vm->n_preferred_owners))
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
		vm.op = apply->op = apply_op_begin(apply, WIRE__OPERATION__KIND__START, &vm, 0, 0,
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

static void refuse_removal(struct apply *apply, const Wire__Vm *vm)
{
	if (vm->phase == WIRE__VM__PHASE__SAVED)
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s is saved in %s: start it and stop it first", vm->name, vm->image);
	else if (vm->unmanaged)
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s is managed=no, and may run: clusterctl vm remove %s --force "
			     "forgets it and leaves it as it is", vm->name, vm->name);
	else
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s is not off: clusterctl vm stop %s first (or, to leave it running "
			     "outside of the cluster, set managed=no and remove it with --force)",
			     vm->name, vm->name);
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
		refuse_removal(apply, vm);
		record_free(vm);
		return;
	}
	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__CANCELLED, "the VM was removed");
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "removed by %s; its disks stay%s%s",
		       apply->command->who, vm->image[0] ? ", its saved memory does not: " : "",
		       vm->image);
	apply_image_unused(apply, vm);
	apply->id = vm->id;
	state_del(apply->state, WIRE__TABLE__TABLE_VM, vm->id, apply->update);
	record_free(vm);
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
