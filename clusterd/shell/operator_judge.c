// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterd/shell/operator_judge.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/conductor.h"
#include "clusterd/core/place.h"
#include "clusterd/core/record.h"

const char *judge_name(const struct state *state, uint32_t node)
{
	const Wire__Node *record = node ? state_node(state, node) : NULL;

	return record ? record->name : "";
}

static bool has_bit(uint64_t set, uint64_t node)
{
	return node >= 1 && node <= 64 && (set >> (node - 1) & 1);
}

uint64_t judge_as_of(const struct view_source *source)
{
	size_t events = state_count(source->state, WIRE__TABLE__TABLE_EVENT);

	if (source->standing.open)
		return 0;
	if (source->closed_ms || events == 0)
		return source->closed_ms;
	/* Closed since this daemon began: what it read from its disk is at least of then. */
	return ((const Wire__Event *)state_at(source->state, WIRE__TABLE__TABLE_EVENT, events - 1))
		->time_ms;
}

/* ---------------------------------------------------------------- nodes */

/* Without an open epoch nobody says of a node that it is gone; that its daemon is here, all see. */
static bool is_unseen(const struct view_source *source, const Wire__Node *node)
{
	return !source->standing.open && node->id != source->node &&
	       !has_bit(source->standing.members, node->id);
}

const char *judge_node_state(const struct view_source *source, const Wire__Node *node)
{
	switch (node->state) {
	case WIRE__NODE__STATE__NEW:
		return "new";
	case WIRE__NODE__STATE__UP:
		if (is_unseen(source, node))
			return "not seen";
		if (node->witness)
			return "up, witness";
		if (!node->facts || !node->facts->agent_ok)
			return "up, libvirt not ready";
		return node->drained ? "up, drained" : "up";
	case WIRE__NODE__STATE__DAEMON_DOWN:
		return "daemon-down";
	case WIRE__NODE__STATE__LEFT:
		return "left";
	case WIRE__NODE__STATE__LOST:
		return "lost";
	case WIRE__NODE__STATE__OFF:
		return "off";
	default:
		return "unknown";
	}
}

static const Wire__Fence *device_of(const struct state *state, uint64_t node)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *fence = state_at(state, WIRE__TABLE__TABLE_FENCE, i);

		for (size_t t = 0; t < fence->n_targets; t++)
			if (fence->targets[t]->node == node)
				return fence;
	}
	return NULL;
}

/* The last call of a device against this life of a node; NULL if there was none. */
static const Wire__Operation *last_fencing(const struct state *state, const Wire__Node *node)
{
	for (size_t i = state_count(state, WIRE__TABLE__TABLE_OPERATION); i-- > 0;) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == node->id &&
		    op->incarnation == node->incarnation)
			return op;
	}
	return NULL;
}

/*
 * How it stands with the proof that a lost node is dead. Returns what an administrator can do
 * about it; NULL: nothing, it goes on by itself.
 */
static const char *say_fencing(const struct view_source *source, const Wire__Node *node, char *ret,
			       size_t size)
{
	const Wire__Fence *device = device_of(source->state, node->id), *used = NULL;
	const Wire__Operation *op = last_fencing(source->state, node);

	if (!source->standing.open) {
		snprintf(ret, size, "not fenced yet: no quorum");
		return "bring voters back, until a majority is there";
	}
	if (op)
		used = state_get(source->state, WIRE__TABLE__TABLE_FENCE, op->device);
	if (op && op->outcome == WIRE__OPERATION__OUTCOME__RUNNING) {
		snprintf(ret, size, "being %s through %s",
			 op->status_only ? "asked for its power" : "fenced",
			 used ? used->name : "a device");
		return NULL;
	}
	if (!device) {
		snprintf(ret, size, "not fenced yet: no fence device");
		return "bring it back, or clusterctl fence add";
	}
	if (half_is_lost(source->state, source->standing.ring)) {
		snprintf(ret, size, "not fenced: half of the cluster or more is lost at once");
		return "bring nodes back";
	}
	if (node->held_back[0]) {
		snprintf(ret, size, "%s", node->held_back);
		return NULL;
	}
	if (op) {
		snprintf(ret, size, "not fenced yet, it is tried again: %s: %s",
			 used ? used->name : "a device", op->text);
		return "bring it back, or mend the device";
	}
	snprintf(ret, size, "about to be fenced through %s", device->name);
	return NULL;
}

static bool is_held(const struct state *state, uint64_t node)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		for (size_t h = 0; h < vm->n_maybe; h++)
			if (vm->maybe[h]->node == node)
				return true;
	}
	return false;
}

static void why_up(const struct view_source *source, const Wire__Node *node, char *ret_why,
		   size_t size)
{
	const Wire__NodeFacts *facts = node->facts;

	if (is_unseen(source, node))
		snprintf(ret_why, size, "not seen by this node now%s; it was up",
			 has_bit(source->standing.ring, node->id) ? ", though its corosync is"
								  : "");
	else if (!node->witness && (!facts || !facts->agent_ok))
		snprintf(ret_why, size, "%s",
			 facts && facts->agent_reason[0] ? facts->agent_reason
							 : "its VM agent does not answer");
	else if (node->drained)
		snprintf(ret_why, size, "takes no VMs (placement=no)");
}

void judge_node_why(const struct view_source *source, const Wire__Node *node, char *ret_why,
		    size_t size)
{
	char fencing[JUDGE_WHY_SIZE];

	snprintf(ret_why, size, "%s", node->reason);
	if (node->state == WIRE__NODE__STATE__UP) {
		ret_why[0] = '\0';
		why_up(source, node, ret_why, size);
	} else if (node->state == WIRE__NODE__STATE__NEW) {
		snprintf(ret_why, size, "its clusterd has never reported");
	} else if (node->state == WIRE__NODE__STATE__LOST) {
		say_fencing(source, node, fencing, sizeof(fencing));
		snprintf(ret_why, size, "%s; %s", node->reason,
			 is_held(source->state, node->id) ? fencing
							  : "not fenced, because it holds no VM");
	}
}

/* ---------------------------------------------------------------- VMs */

/* Nobody can say how a VM is while the node that has it is silent. */
static const Wire__Node *silent_owner(const struct view_source *source, const Wire__Vm *vm)
{
	const Wire__Node *owner = vm->owner ? state_node(source->state, vm->owner) : NULL;

	if (!owner || (owner->state == WIRE__NODE__STATE__UP && !is_unseen(source, owner)))
		return NULL;
	return owner;
}

static bool is_at_rest(const Wire__Vm *vm)
{
	return vm->phase == WIRE__VM__PHASE__OFF || vm->phase == WIRE__VM__PHASE__SAVED ||
	       vm->phase == WIRE__VM__PHASE__FAILED;
}

const char *judge_vm_state(const struct view_source *source, const Wire__Vm *vm)
{
	static const char *const words[] = {
		[WIRE__VM__PHASE__OFF] = "stopped",
		[WIRE__VM__PHASE__STARTING] = "starting",
		[WIRE__VM__PHASE__RUN] = "running",
		[WIRE__VM__PHASE__STOPPING] = "stopping",
		[WIRE__VM__PHASE__COPYING] = "migrating",
		[WIRE__VM__PHASE__GO] = "migrating",
		[WIRE__VM__PHASE__RESUMING] = "migrating",
		[WIRE__VM__PHASE__ABORTING] = "migrating",
		[WIRE__VM__PHASE__SAVING] = "saving",
		[WIRE__VM__PHASE__SAVED] = "saved",
		[WIRE__VM__PHASE__RESTORING] = "restoring",
		[WIRE__VM__PHASE__CONSUMED] = "restoring",
		[WIRE__VM__PHASE__FAILED] = "failed",
	};
	size_t phase = (size_t)vm->phase;

	if (phase >= ARRAY_SIZE(words) || !words[phase])
		return "unknown";
	if (!is_at_rest(vm) && silent_owner(source, vm))
		return "unknown";
	if (vm->phase == WIRE__VM__PHASE__RUN && vm->seen == WIRE__VM__SEEN__SUSPENDED)
		return "paused";
	return words[phase];
}

static void why_lost(const struct view_source *source, const Wire__Node *owner, char *ret_why,
		     size_t size)
{
	char fencing[JUDGE_WHY_SIZE];
	const char *cure = say_fencing(source, owner, fencing, sizeof(fencing));

	snprintf(ret_why, size, "%s is lost and %s%s%s", owner->name, fencing, cure ? "; " : "",
		 cure ? cure : "");
}

void judge_vm_why(const struct view_source *source, const Wire__Vm *vm, char *ret_why, size_t size)
{
	const Wire__Node *owner = is_at_rest(vm) ? NULL : silent_owner(source, vm);

	ret_why[0] = '\0';
	if (!owner)
		return;
	if (owner->state == WIRE__NODE__STATE__LOST)
		why_lost(source, owner, ret_why, size);
	else if (owner->state == WIRE__NODE__STATE__UP)
		snprintf(ret_why, size, "no quorum, and %s is not seen by this node now; bring "
			 "voters back, until a majority is there", owner->name);
	else if (owner->state == WIRE__NODE__STATE__DAEMON_DOWN ||
		 owner->state == WIRE__NODE__STATE__LEFT)
		snprintf(ret_why, size, "%s %s: %s; as far as is known it runs on there; start "
			 "clusterd on %s", owner->name,
			 owner->state == WIRE__NODE__STATE__LEFT ? "has left" : "is daemon-down",
			 owner->reason, owner->name);
	else
		snprintf(ret_why, size, "%s is %s", owner->name, judge_node_state(source, owner));
}

bool judge_vm_retry(const struct view_source *source, const Wire__Vm *vm,
		    struct judge_retry *ret_retry)
{
	uint64_t of = state_setting_number(source->state, "restart.tries_total");
	uint64_t pause_ms = conductor_pause_ms(vm->tries), waited_ms = 0;

	if (!source->standing.open || vm->phase != WIRE__VM__PHASE__OFF || vm->unmanaged ||
	    vm->wanted == WIRE__VM__WANTED__STOPPED || vm->tries == 0 || vm->tries >= of)
		return false;
	if (source->wall_ms > vm->since_ms)
		waited_ms = source->wall_ms - vm->since_ms;
	*ret_retry = (struct judge_retry){
		.try = vm->tries + 1, .of = of,
		.in_ms = waited_ms < pause_ms ? pause_ms - waited_ms : 0,
	};
	return true;
}

/* ---------------------------------------------------------------- protection */

/* Nobody wants it started elsewhere. */
static const char *not_meant(const Wire__Vm *vm)
{
	bool is_off = vm->phase == WIRE__VM__PHASE__OFF || vm->phase == WIRE__VM__PHASE__FAILED;

	if (vm->unmanaged)
		return "managed=no";
	if (vm->no_ha)
		return "ha=no: bound to its node";
	return vm->wanted == WIRE__VM__WANTED__STOPPED && is_off ? "off, as it is wanted" : NULL;
}

/* What is in its own way: its node's death would not be followed by a start. */
static const char *not_running(const struct view_source *source, const Wire__Vm *vm)
{
	if (vm->wanted == WIRE__VM__WANTED__STOPPED)
		return "not wanted running";
	if (vm->phase == WIRE__VM__PHASE__FAILED)
		return "it does not run: given up";
	if (vm->phase == WIRE__VM__PHASE__SAVED)
		return "it does not run: saved";
	if (vm->phase == WIRE__VM__PHASE__OFF || !state_node(source->state, vm->owner))
		return "it does not run";
	return source->standing.open ? NULL : "no quorum";
}

/* One of the devices for the node that did not fail its last test; one never tested will do. */
static bool has_device(const struct state *state, uint32_t node, const char **ret_failed)
{
	*ret_failed = NULL;
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *fence = state_at(state, WIRE__TABLE__TABLE_FENCE, i);

		for (size_t t = 0; t < fence->n_targets; t++) {
			if (fence->targets[t]->node != node)
				continue;
			if (fence->tested_ms || !fence->test_result[0])
				return true;
			*ret_failed = fence->name;
		}
	}
	return false;
}

/* Can the death of its node be proven, now and if it came now? */
static bool death_is_provable(const struct view_source *source, const Wire__Node *owner,
			      char *ret_why, size_t size)
{
	const char *failed;

	if (owner->state == WIRE__NODE__STATE__LEFT)
		snprintf(ret_why, size, "%s has left: nobody would notice its death soon",
			 owner->name);
	else if (owner->state != WIRE__NODE__STATE__UP &&
		 owner->state != WIRE__NODE__STATE__DAEMON_DOWN)
		snprintf(ret_why, size, "%s is %s and not proven off", owner->name,
			 judge_node_state(source, owner));
	else if (has_device(source->state, (uint32_t)owner->id, &failed))
		return true;
	else if (failed)
		snprintf(ret_why, size, "no proof possible for %s: the last test of fence device "
			 "%s failed", owner->name, failed);
	else
		snprintf(ret_why, size, "no proof possible for %s: no fence device", owner->name);
	return false;
}

/* Would those who are left still decide, and act? */
static bool others_can_act(const struct view_source *source, const Wire__Node *owner,
			   char *ret_why, size_t size)
{
	const Wire__Cluster *cluster = state_cluster(source->state);
	uint64_t others = ~vmop_bit((uint32_t)owner->id);
	struct view_source after = *source;
	size_t present = 0;

	if (source->standing.disputed) {
		snprintf(ret_why, size, "the nodes' copies of the state differ, so nothing would "
			 "be done about it");
		return false;
	}
	for (size_t i = 0; cluster && i < cluster->n_voters; i++)
		present += has_bit(source->standing.members & others, cluster->voters[i]);
	if (cluster && present < cluster->n_voters / 2 + 1) {
		snprintf(ret_why, size, "without %s there would be no quorum", owner->name);
		return false;
	}
	after.standing.ring &= others;
	if (half_is_lost(after.state, after.standing.ring)) {
		snprintf(ret_why, size, "with %s half of the cluster would be lost, and nothing "
			 "fenced", owner->name);
		return false;
	}
	return true;
}

/* A node that would take it, but for want of room. */
static bool has_refuge(const struct view_source *source, const Wire__Vm *vm, char *ret_why,
		       size_t size)
{
	const struct state *state = source->state;
	size_t allowed = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		const char *blocked;
		char room[JUDGE_WHY_SIZE];

		if (node->id == vm->owner || node->witness ||
		    !vm_allows_node(vm, (uint32_t)node->id))
			continue;
		blocked = place_blocked(state, source->standing.ready, vm, node, room,
					sizeof(room));
		if (!blocked) {
			ret_why[0] = '\0';
			return true;
		}
		if (allowed++ == 0)
			snprintf(ret_why, size, "no other node could take it: %s %s", node->name,
				 blocked);
	}
	if (allowed == 0)
		snprintf(ret_why, size, "only one node may run it");
	else if (allowed > 1)
		snprintf(ret_why + strlen(ret_why), size - strlen(ret_why), ", …");
	return false;
}

enum judge_protection judge_vm_protection(const struct view_source *source, const Wire__Vm *vm,
					  char *ret_why, size_t size)
{
	const Wire__Node *owner = vm->owner ? state_node(source->state, vm->owner) : NULL;
	const char *meant = not_meant(vm), *why = meant ? meant : not_running(source, vm);

	snprintf(ret_why, size, "%s", why ? why : "");
	if (meant)
		return PROTECTION_NOT_MEANT;
	if (why || !death_is_provable(source, owner, ret_why, size) ||
	    !has_refuge(source, vm, ret_why, size) ||
	    !others_can_act(source, owner, ret_why, size))
		return NOT_PROTECTED;
	return PROTECTED;
}
