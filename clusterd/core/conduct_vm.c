/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/conduct.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/place.h"
#include "clusterd/core/record.h"

/* Placing many takes long, and each frame that is delivered would make it happen again. */
enum { PLACE_FEW = 16, PLACE_PAUSE_MS = 200 };

static struct watched_vm *watch_vm(struct core *core, const Wire__Vm *vm)
{
	struct watched_vm *watched = idmap_get(&core->conductor->vms, vm->id);

	if (!watched) {
		watched = mem_new(struct watched_vm);
		idmap_put(&core->conductor->vms, vm->id, watched);
	}
	if (!watched->since_ms || watched->generation != vm->generation ||
	    watched->phase != vm->phase || watched->tries != vm->tries) {
		*watched = (struct watched_vm){
			.generation = vm->generation,
			.phase = vm->phase,
			.tries = vm->tries,
			.since_ms = core->now_ms,
		};
	}
	return watched;
}

static void propose_step(struct core *core, const Wire__Vm *vm, Wire__Vm__Phase next, uint32_t node,
			 const char *detail, bool settled, struct update *update)
{
	struct watched_vm *watched = watch_vm(core, vm);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmStep step = WIRE__VM_STEP__INIT;

	if (conduct_proposed_lately(core, &watched->proposed_ms, update))
		return;
	step.vm = vm->id;
	step.generation = vm->generation;
	step.phase = vm->phase;
	step.next = next;
	step.node = node;
	step.detail = (char *)detail;
	step.settled = settled;
	command.body_case = WIRE__COMMAND__BODY_VM_STEP;
	command.vm_step = &step;
	core_propose(core, &command, update);
}

uint64_t conductor_pause_ms(uint32_t tries)
{
	static const uint64_t pauses[] = { 0, 0, 10000, 60000 };

	return pauses[tries < 3 ? tries : 3];
}

/* By what is seen, is somebody's word missing? Says for whom it waits, after a while. */
static bool waits_for_look(struct core *core, const Wire__Vm *vm, struct look_sight sight,
			   uint64_t *since_ms, struct update *update)
{
	struct watched_vm *watched = watch_vm(core, vm);
	char why[600];

	if (watched->look != vm->look)
		watched->look_ms = watched->proof_ms = 0;
	watched->look = vm->look;
	if (!look_missing_now(core->state, sight, vm)) {
		*since_ms = 0;
		return false;
	}
	if (!*since_ms)
		*since_ms = core->now_ms;
	if (!conduct_lasted(core, *since_ms, LOOK_PATIENCE_MS, update))
		return true;
	look_why(core->state, sight, vm, why, sizeof(why));
	if (strcmp(vm->detail, why) != 0)
		propose_step(core, vm, vm->phase, 0, why, false, update);
	return true;
}

/* Has every node looked for it that could have it? */
static bool looked_for(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct look_sight sight = { 0 };

	if (vm->look)
		sight = conduct_sight(core);
	return !waits_for_look(core, vm, sight, &watch_vm(core, vm)->look_ms, update);
}

/*
 * Right before it is started: are the nodes that are off for it, off now? There was no room,
 * or something else to wait for, since that was proven: then their devices are asked once more.
 */
static bool still_off(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct look_sight sight = { 0 };
	uint64_t missing;

	if (vm->look)
		sight = conduct_strict_sight(core, update);
	missing = look_missing_now(core->state, sight, vm);
	for (uint32_t id = 1; id <= 64; id++) {
		struct watched_node *node = &core->conductor->nodes[id];

		if (missing & vmop_bit(id))
			node->too_old = node->proven;
	}
	return !waits_for_look(core, vm, sight, &watch_vm(core, vm)->proof_ms, update);
}

static void propose_on(struct core *core, const Wire__Vm *vm, Wire__Vm__Phase next, uint32_t node,
		       struct update *update)
{
	if (still_off(core, vm, update))
		propose_step(core, vm, next, node, "", false, update);
}

/* Nobody waits for its nodes any more; the next one who does is given his time. */
static void forget_look(struct core *core, const Wire__Vm *vm)
{
	struct watched_vm *watched = vm->look ? idmap_get(&core->conductor->vms, vm->id) : NULL;

	if (watched)
		watched->look_ms = watched->proof_ms = 0;
}

static bool is_to_start(const Wire__Vm *vm)
{
	return vm->phase == WIRE__VM__PHASE__OFF && vm->wanted != WIRE__VM__WANTED__STOPPED &&
	       !vm->n_maybe && !vm->unmanaged;
}

static bool is_restored(const Wire__Vm *vm)
{
	return vm->phase == WIRE__VM__PHASE__SAVED && !vm->unmanaged;
}

static bool wants_start(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct watched_vm *watched;

	if (is_restored(vm))
		return false;
	if (!is_to_start(vm)) {
		forget_look(core, vm);
		return false;
	}
	watched = watch_vm(core, vm);
	if (!looked_for(core, vm, update))
		return false;
	if (vm->tries >= state_setting_number(core->state, SET_RESTART_TRIES_TOTAL)) {
		propose_step(core, vm, WIRE__VM__PHASE__FAILED, 0,
			     vm->detail[0] ? vm->detail : "too many failures", false, update);
		return false;
	}
	return conduct_lasted(core, watched->since_ms, conductor_pause_ms(vm->tries), update);
}

/* In place first, while that may help; away from where it would not start. */
static uint32_t stay_on(const struct core *core, const Wire__Vm *vm)
{
	const Wire__Node *last = vm->last_node ? state_node(core->state, vm->last_node) : NULL;

	if (!last || last->state != WIRE__NODE__STATE__UP ||
	    (vm->tried_nodes & vmop_bit(vm->last_node)) || vm->tries == 0 ||
	    vm->tries > state_setting_number(core->state, SET_RESTART_TRIES_HERE))
		return 0;
	return vm->last_node;
}

static uint64_t shun(const struct core *core, const Wire__Vm *vm)
{
	uint64_t nodes = vm->tried_nodes;

	if (vm->tries > state_setting_number(core->state, SET_RESTART_TRIES_HERE))
		nodes |= vmop_bit(vm->last_node);
	return nodes;
}

/*
 * Have that many been placed just now? What was proposed then is on its way. Placing them once
 * more when nothing has changed comes to the same, and counts as nothing.
 */
static bool placed_lately(struct core *core, size_t n, struct update *update)
{
	struct conductor *conductor = core->conductor;

	conductor->place_again |= core->agenda.chores[CHORE_CONDUCT].due;
	if (n > PLACE_FEW && conductor->placed_ms &&
	    core->now_ms < conductor->placed_ms + PLACE_PAUSE_MS) {
		if (conductor->place_again)
			update_wake(update, conductor->placed_ms + PLACE_PAUSE_MS);
		else if (conductor->place_wake_ms)
			update_wake(update, conductor->place_wake_ms);
		return true;
	}
	if (conductor->place_again)
		conductor->placed_ms = core->now_ms;
	conductor->place_again = false;
	return false;
}

/* VMs, for each the nodes that it had better not and had better go to. */
struct starts {
	const Wire__Vm **vms;
	uint64_t *shuns;
	uint32_t *stays;
	size_t n;
};

static void place_starts(struct core *core, const struct starts *starts, struct update *update)
{
	struct placing *places = mem_new_array(struct placing, starts->n);
	uint64_t before_ms = update_wakes_apart(update);

	if (starts->n)
		place_vms(core->state, core->standing.ready_nodes, starts->vms, starts->n,
			  starts->shuns, starts->stays, places);
	for (size_t i = 0; i < starts->n; i++) {
		const Wire__Vm *vm = state_vm(core->state, places[i].vm);

		if (places[i].node)
			propose_on(core, vm, WIRE__VM__PHASE__STARTING, places[i].node, update);
		else if (strcmp(vm->detail, places[i].why) != 0)
			propose_step(core, vm, WIRE__VM__PHASE__OFF, 0, places[i].why, false,
				     update);
	}
	core->conductor->place_wake_ms = update_wakes_together(update, before_ms);
	free(places);
}

/* Those that still keep a VM from its start are found again. */
static void forget_old_proofs(struct core *core)
{
	for (uint32_t id = 1; id <= 64; id++)
		core->conductor->nodes[id].too_old = 0;
}

static void start_vms(struct core *core, const uint64_t *ids, size_t count, struct update *update)
{
	struct starts starts = {
		.vms = mem_new_array(const Wire__Vm *, count),
		.shuns = mem_new_array(uint64_t, count),
		.stays = mem_new_array(uint32_t, count),
	};

	for (size_t i = 0; i < count; i++) {
		const Wire__Vm *vm = state_vm(core->state, ids[i]);

		if (!vm || !wants_start(core, vm, update))
			continue;
		starts.vms[starts.n] = vm;
		starts.shuns[starts.n] = shun(core, vm);
		starts.stays[starts.n++] = stay_on(core, vm);
	}
	if (!starts.n || !placed_lately(core, starts.n, update)) {
		forget_old_proofs(core);
		place_starts(core, &starts, update);
	}
	free(starts.vms);
	free(starts.shuns);
	free(starts.stays);
}

/* A saved VM goes where it was sent, else back, else anywhere that has not failed. */
static void restore_vm(struct core *core, const Wire__Vm *vm, struct update *update)
{
	const uint32_t first[] = { vm->to, vm->last_node };
	uint64_t ready = core->standing.ready_nodes;
	char why[600];
	uint32_t node;

	if (vm->n_maybe || !looked_for(core, vm, update))
		return;
	for (size_t i = 0; i < 2; i++)
		if (first[i] && !(vm->tried_nodes & vmop_bit(first[i])) &&
		    place_fits(core->state, ready, vm, first[i], why, sizeof(why))) {
			propose_on(core, vm, WIRE__VM__PHASE__RESTORING, first[i], update);
			return;
		}
	node = place_one(core->state, ready, vm, vm->tried_nodes, why, sizeof(why));
	if (node)
		propose_on(core, vm, WIRE__VM__PHASE__RESTORING, node, update);
	else if (vm->tried_nodes)
		propose_step(core, vm,
			     vm->cold_start_on_lost_save ? WIRE__VM__PHASE__OFF
							 : WIRE__VM__PHASE__FAILED,
			     0, vm->detail[0] ? vm->detail : why, false, update);
	else if (strcmp(vm->detail, why) != 0)
		propose_step(core, vm, WIRE__VM__PHASE__SAVED, 0, why, false, update);
}

static void conduct_vm(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct watched_vm *watched;

	if (is_restored(vm))
		restore_vm(core, vm, update);
	if (vm->unmanaged || vm->phase != WIRE__VM__PHASE__RUN)
		return;
	watched = watch_vm(core, vm);
	if (vm->wanted == WIRE__VM__WANTED__STOPPED && core_is_ready(core, vm->owner))
		propose_step(core, vm, WIRE__VM__PHASE__STOPPING, 0, "", false, update);
	else if ((vm->tries || vm->tried_nodes) &&
		 conduct_lasted(core, watched->since_ms,
				state_setting_number(core->state, SET_RESTART_SETTLE_S) * 1000,
				update))
		propose_step(core, vm, vm->phase, 0, "", true, update);
}

/* Removed ones; asked for only when there must be some. */
static void forget_removed(struct core *core)
{
	struct idmap *vms = &core->conductor->vms;

	if (idmap_count(vms) <= state_count(core->state, WIRE__TABLE__TABLE_VM))
		return;
	for (size_t i = idmap_count(vms); i-- > 0;) {
		uint64_t id;

		idmap_at(vms, i, &id);
		if (!state_vm(core->state, id))
			free(idmap_remove(vms, id));
	}
}

/* Those for which room or somebody's look is waited for: about them everything matters. */
static void note_waiting(struct core *core, uint64_t id)
{
	struct idmap *waiting = &core->conductor->waiting;
	const Wire__Vm *vm = state_vm(core->state, id);

	if (vm && (is_to_start(vm) || is_restored(vm) || look_awaited(vm)))
		idmap_put(waiting, id, waiting);
	else
		idmap_remove(waiting, id);
}

/* Those that are due, and with them all that wait. */
static uint64_t *take_vms(struct core *core, size_t *ret_n)
{
	const struct idmap *waiting = &core->conductor->waiting;
	size_t due_n, w = 0, n = 0;
	bool all;
	uint64_t *due = agenda_take_vms(core, CHORE_CONDUCT, &due_n, &all), *ids;

	if (all)
		idmap_free(&core->conductor->waiting, NULL);
	for (size_t i = 0; i < due_n; i++)
		note_waiting(core, due[i]);
	ids = mem_new_array(uint64_t, due_n + idmap_count(waiting));
	for (size_t d = 0; d < due_n || w < idmap_count(waiting); n++) {
		uint64_t id = UINT64_MAX;

		if (w < idmap_count(waiting))
			idmap_at(waiting, w, &id);
		if (d < due_n && due[d] <= id) {
			w += due[d] == id;
			id = due[d++];
		} else {
			w++;
		}
		ids[n] = id;
	}
	free(due);
	*ret_n = n;
	return ids;
}

void conduct_vms(struct core *core, struct update *update)
{
	size_t n;
	uint64_t *ids = take_vms(core, &n);

	forget_removed(core);
	start_vms(core, ids, n, update);
	for (size_t i = 0; i < n; i++) {
		const Wire__Vm *vm = state_vm(core->state, ids[i]);
		struct vm_turn turn = agenda_begin_vm(core, ids[i], update);

		if (vm)
			conduct_vm(core, vm, update);
		agenda_end_vm(core, CHORE_CONDUCT, &turn, update);
	}
	free(ids);
}
