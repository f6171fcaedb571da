/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/conductor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/look.h"
#include "clusterd/core/place.h"
#include "clusterd/core/record.h"

enum { REPEAT_MS = 1000 };
/* A node that could look has answered by then: it is asked about, and whoever waits is told. */
enum { LOOK_PATIENCE_MS = 5000 };
/* The longest that a node whose power was cut is still taken for a member of the ring. */
enum { GHOST_MS = 60000 };
/* Placing many takes long, and each frame that is delivered would make it happen again. */
enum { PLACE_FEW = 16, PLACE_PAUSE_MS = 200 };

/* What the leader remembers of a node, on its own clock. */
struct watched_node {
	Wire__Node__State state;
	bool in_ring, ready;
	uint64_t since_ms;		/* these three are as they are */
	bool was_out;			/* of the ring, in this state */
	unsigned attempts;		/* fence calls for this incarnation */
	uint64_t incarnation, retry_ms;
	uint64_t asked_for;		/* log entry of what its device was last asked for */
	uint64_t proposed_ms;
};

struct watched_vm {
	uint64_t generation;
	Wire__Vm__Phase phase;
	uint32_t tries;
	uint64_t since_ms, proposed_ms;
	uint64_t look;			/* the one that is waited for */
	uint64_t look_ms;		/* since when; 0 = none is */
};

struct conductor {
	bool leading;
	uint64_t epoch;
	struct watched_node nodes[65];
	struct idmap vms;
	uint64_t placed_ms;		/* VMs were given their places last */
	uint64_t tests_ms;		/* a fence test without an executor was ended last */
};

struct conductor *conductor_new(void)
{
	return mem_new(struct conductor);
}

void conductor_free(struct conductor *conductor)
{
	if (!conductor)
		return;
	idmap_free(&conductor->vms, free);
	free(conductor);
}

/* ------------------------------------------------------------------ nodes */

static struct watched_node *watch_node(struct core *core, const Wire__Node *node)
{
	struct watched_node *watched = &core->conductor->nodes[node->id];
	bool in_ring = core_in_ring(core, (uint32_t)node->id);
	bool ready = core_is_ready(core, (uint32_t)node->id);

	if (watched->state != node->state) {
		watched->attempts = watched->retry_ms = 0;
		watched->was_out = false;
	}
	watched->was_out |= !in_ring;
	if (!watched->since_ms || watched->state != node->state || watched->in_ring != in_ring ||
	    watched->ready != ready) {
		watched->state = node->state;
		watched->in_ring = in_ring;
		watched->ready = ready;
		watched->since_ms = core->now_ms;
		watched->proposed_ms = 0;
	}
	if (watched->incarnation != node->incarnation) {
		watched->incarnation = node->incarnation;
		watched->attempts = 0;
		watched->retry_ms = 0;
	}
	return watched;
}

static bool proposed_lately(struct core *core, uint64_t *proposed_ms, struct update *update)
{
	if (*proposed_ms && core->now_ms < *proposed_ms + REPEAT_MS) {
		update_wake(update, *proposed_ms + REPEAT_MS);
		return true;
	}
	*proposed_ms = core->now_ms;
	return false;
}

static void propose_verdict_as(struct core *core, const Wire__Node *node,
			       struct watched_node *watched, Wire__Node__State state,
			       const char *reason, const char *held_back, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeVerdict verdict = WIRE__NODE_VERDICT__INIT;

	if (proposed_lately(core, &watched->proposed_ms, update))
		return;
	verdict.node = (uint32_t)node->id;
	verdict.incarnation = node->incarnation;
	verdict.state = state;
	verdict.reason = (char *)reason;
	verdict.held_back = (char *)held_back;
	command.body_case = WIRE__COMMAND__BODY_NODE_VERDICT;
	command.node_verdict = &verdict;
	core_propose(core, &command, update);
}

static void propose_verdict(struct core *core, const Wire__Node *node, struct watched_node *watched,
			    Wire__Node__State state, const char *reason, struct update *update)
{
	propose_verdict_as(core, node, watched, state, reason, "", update);
}

/* Has it been like this for so long? Arms a wake-up for when it will have been. */
static bool lasted(struct core *core, uint64_t since_ms, uint64_t wait_ms, struct update *update)
{
	if (core->now_ms >= since_ms + wait_ms)
		return true;
	update_wake(update, since_ms + wait_ms);
	return false;
}

/*
 * When power comes back everywhere, nodes are not equally fast. One that this leader has not
 * seen yet is given time to boot: cutting its power in the middle would help nobody.
 */
static bool joined_or_late(struct core *core, uint32_t node, struct update *update)
{
	return (core->seen_ring & vmop_bit(node)) || lasted(core, core->grace_ms, 0, update);
}

/* It came into the ring after its power was cut, and is not only on its way out of it. */
static bool is_on_again(struct core *core, const struct watched_node *watched,
			struct update *update)
{
	return watched->was_out || lasted(core, watched->since_ms, GHOST_MS, update);
}

/*
 * Suspected is a node that left the totem ring, and that only now, in an open epoch without
 * it. One in the ring whose daemon is gone is daemon-down; one that left cleanly is left
 * alone while its freeze lasts.
 */
static void judge_node(struct core *core, const Wire__Node *node, struct watched_node *watched,
		       struct update *update)
{
	uint64_t grace_ms = state_setting_number(core->state, "daemon.grace_ms");
	bool in_ring = watched->in_ring;

	switch (node->state) {
	case WIRE__NODE__STATE__UP:
		if (!in_ring && joined_or_late(core, (uint32_t)node->id, update))
			propose_verdict(core, node, watched, WIRE__NODE__STATE__LOST,
					"it left the totem ring", update);
		else if (!in_ring)
			break;
		else if (lasted(core, watched->since_ms, grace_ms, update))
			propose_verdict(core, node, watched, WIRE__NODE__STATE__DAEMON_DOWN,
					"corosync answers, clusterd does not", update);
		break;
	case WIRE__NODE__STATE__DAEMON_DOWN:
		if (!in_ring)
			propose_verdict(core, node, watched, WIRE__NODE__STATE__LOST,
					"it left the totem ring", update);
		break;
	case WIRE__NODE__STATE__LEFT:
		if (!lasted(core, watched->since_ms, node->freeze_ms, update))
			break;
		propose_verdict(core, node, watched,
				in_ring ? WIRE__NODE__STATE__DAEMON_DOWN
					: WIRE__NODE__STATE__LOST,
				"it left cleanly and did not come back in time", update);
		break;
	case WIRE__NODE__STATE__LOST:
		if (in_ring)
			propose_verdict(core, node, watched, WIRE__NODE__STATE__DAEMON_DOWN,
					"back in the totem ring", update);
		break;
	case WIRE__NODE__STATE__OFF:
		if (in_ring && is_on_again(core, watched, update) &&
		    lasted(core, watched->since_ms, grace_ms, update))
			propose_verdict(core, node, watched, WIRE__NODE__STATE__DAEMON_DOWN,
					"it was switched on again, clusterd does not run there",
					update);
		break;
	default:
		break;
	}
}

/* ------------------------------------------------------------------ fencing */

static bool holds_anything(const struct core *core, uint32_t node)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_VM); i++)
		if (vm_holds(state_at(core->state, WIRE__TABLE__TABLE_VM, i), node))
			return true;
	return false;
}

static bool being_fenced(const struct core *core, uint32_t node, const Wire__Operation **ret_op)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op =
			state_at(core->state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == node &&
		    op->outcome == WIRE__OPERATION__OUTCOME__RUNNING) {
			*ret_op = op;
			return true;
		}
	}
	return false;
}

/* The device for the n-th attempt: all that fence the node, in turn. */
static const Wire__Fence *device_for(const struct core *core, uint32_t node, unsigned attempt)
{
	const Wire__Fence *found[64];
	size_t n = 0;

	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_FENCE) && n < 64; i++) {
		const Wire__Fence *fence = state_at(core->state, WIRE__TABLE__TABLE_FENCE, i);

		for (size_t t = 0; t < fence->n_targets; t++)
			if (fence->targets[t]->node == node) {
				found[n++] = fence;
				break;
			}
	}
	return n ? found[attempt % n] : NULL;
}

/* The log entry of the last one that was added for the node, if that is after `since`. */
static uint64_t newest_device(const struct core *core, uint32_t node, uint64_t since)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *fence = state_at(core->state, WIRE__TABLE__TABLE_FENCE, i);

		for (size_t t = 0; t < fence->n_targets; t++)
			if (fence->targets[t]->node == node && fence->id > since)
				since = fence->id;
	}
	return since;
}

static uint32_t executor_for(const struct core *core, uint32_t node, unsigned attempt)
{
	uint32_t ready[64];
	size_t n = 0;

	for (uint32_t i = 1; i <= 64; i++)
		if (i != node && core_is_ready(core, i))
			ready[n++] = i;
	return n ? ready[attempt % n] : 0;
}

/* Beyond the budget devices are only asked. Apply has the last word about it. */
static bool budget_left(const struct core *core)
{
	uint64_t window_ms = state_setting_number(core->state, "fence.budget_window_s") * 1000;
	uint64_t now_ms = elapsed_now(core->state, core->node, core->boot_id, core->now_ms);

	return fences_within(core->state, now_ms, window_ms) <
	       state_setting_number(core->state, "fence.budget");
}

/*
 * Half of the cluster or more, gone for one cause: then the cause is not those nodes. Looks
 * at the ring as well, because verdicts are committed one by one, and the first of them must
 * not be acted on as if it were alone.
 */
static bool too_many_lost(const struct core *core)
{
	size_t nodes = state_count(core->state, WIRE__TABLE__TABLE_NODE), lost = 0;

	for (size_t i = 0; i < nodes; i++) {
		const Wire__Node *node = state_at(core->state, WIRE__TABLE__TABLE_NODE, i);
		bool trusted = node->state == WIRE__NODE__STATE__UP ||
			       node->state == WIRE__NODE__STATE__DAEMON_DOWN;

		lost += node->state == WIRE__NODE__STATE__LOST ||
			(trusted && !core_in_ring(core, (uint32_t)node->id));
	}
	return nodes > 2 && lost * 2 >= nodes;
}

static void note_held_back(struct core *core, const Wire__Node *node, struct watched_node *watched,
			   const char *why, struct update *update)
{
	if (strcmp(node->held_back, why) != 0)
		propose_verdict_as(core, node, watched, node->state, node->reason, why, update);
}

/* A fence call whose executor is gone has no result; somebody else repeats it. */
static void bury_orphan(struct core *core, const Wire__Operation *op, struct watched_node *watched,
			struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	if (core_is_ready(core, op->to) || proposed_lately(core, &watched->proposed_ms, update))
		return;
	result.op = op->id;
	result.text = (char *)"the node that was to fence it is gone";
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	core_propose(core, &command, update);
}

static uint64_t retry_delay_ms(unsigned attempts)
{
	static const uint64_t delays[] = { 0, 2000, 5000, 10000, 20000, 30000, 30000, 60000,
					   120000 };
	unsigned last = sizeof(delays) / sizeof(delays[0]) - 1;

	return delays[attempts < last ? attempts : last];
}

/* Whoever is only asked costs nothing but lines in the history by waiting. */
static uint64_t ask_delay_ms(unsigned attempts)
{
	static const uint64_t delays[] = { 0, 2000, 5000, 10000, 30000, 60000, 120000, 300000,
					   600000 };
	unsigned last = sizeof(delays) / sizeof(delays[0]) - 1;

	return delays[attempts < last ? attempts : last];
}

static bool begin_fence(struct core *core, const Wire__Node *node, struct watched_node *watched,
			const Wire__Fence *device, bool status_only, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceBegin begin = WIRE__FENCE_BEGIN__INIT;

	if (proposed_lately(core, &watched->proposed_ms, update))
		return false;
	begin.node = (uint32_t)node->id;
	begin.incarnation = node->incarnation;
	begin.device = device->id;
	begin.executor = executor_for(core, begin.node, watched->attempts);
	begin.status_only = status_only;
	watched->attempts++;
	watched->retry_ms = core->now_ms + retry_delay_ms(watched->attempts);
	command.body_case = WIRE__COMMAND__BODY_FENCE_BEGIN;
	command.fence_begin = &begin;
	core_propose(core, &command, update);
	return true;
}

static struct look_sight sight(const struct core *core)
{
	return (struct look_sight){ core->standing.ready_nodes, core->standing.ring };
}

/*
 * Does a VM wait for this node, and for nobody who is here? Returns the last log entry that has
 * to do with it: a look that began or that another node made; 0 if none waits.
 */
static uint64_t holds_up_since(const struct core *core, uint32_t node)
{
	uint64_t since = 0;

	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(core->state, WIRE__TABLE__TABLE_VM, i);
		uint64_t missing, last = vm->look > vm->looked_at ? vm->look : vm->looked_at;

		if (!look_awaited(vm) || last <= since)
			continue;
		missing = look_missing_now(core->state, sight(core), vm);
		if ((missing & vmop_bit(node)) && !(missing & core->standing.ring))
			since = last;
	}
	return since;
}

/*
 * A node that is not here cannot look. If it is off, nothing runs there: its device is asked,
 * and no more than that, for that a new VM could run there is no reason to cut its power. It is
 * asked at once for each new reason, a device that was added among them.
 */
static void ask_whether_off(struct core *core, const Wire__Node *node,
			    struct watched_node *watched, struct update *update)
{
	uint64_t since = holds_up_since(core, (uint32_t)node->id);
	const Wire__Fence *device;

	if (!since || (node->state != WIRE__NODE__STATE__LOST &&
		       node->state != WIRE__NODE__STATE__LEFT &&
		       node->state != WIRE__NODE__STATE__NEW &&
		       node->state != WIRE__NODE__STATE__OFF))
		return;
	since = newest_device(core, (uint32_t)node->id, since);
	if (watched->asked_for != since) {
		watched->asked_for = since;
		watched->attempts = watched->retry_ms = 0;
	}
	device = device_for(core, (uint32_t)node->id, watched->attempts);
	/* It may just be on its way back. */
	if (device && (node->state == WIRE__NODE__STATE__OFF ||
		       lasted(core, watched->since_ms, LOOK_PATIENCE_MS, update)) &&
	    lasted(core, watched->retry_ms, 0, update) &&
	    begin_fence(core, node, watched, device, true, update))
		watched->retry_ms = core->now_ms + ask_delay_ms(watched->attempts);
}

static void fence_node(struct core *core, const Wire__Node *node, struct watched_node *watched,
		       struct update *update)
{
	const Wire__Operation *op;
	const Wire__Fence *device;

	if (being_fenced(core, (uint32_t)node->id, &op)) {
		bury_orphan(core, op, watched, update);
		return;
	}
	if (watched->in_ring)
		return;
	/* Nothing of the cluster's can be running there: no reason to cut its power. */
	if (node->state != WIRE__NODE__STATE__LOST || !holds_anything(core, (uint32_t)node->id)) {
		ask_whether_off(core, node, watched, update);
		return;
	}
	device = device_for(core, (uint32_t)node->id, watched->attempts);
	if (!device)
		note_held_back(core, node, watched,
			       "no proof of its death is possible: no fence device is set for it; "
			       "its VMs stay down until it returns (clusterctl fence add)", update);
	else if (too_many_lost(core))
		note_held_back(core, node, watched,
			       "not fenced: half of the cluster or more is lost at once, so the "
			       "cause is elsewhere; its VMs wait", update);
	else if (lasted(core, watched->retry_ms, 0, update))
		begin_fence(core, node, watched, device, !budget_left(core), update);
}

/* A test whose executor is gone has no result either; whoever asked for it may ask again. */
static void bury_tests(struct core *core, struct update *update)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op =
			state_at(core->state, WIRE__TABLE__TABLE_OPERATION, i);
		Wire__Command command = WIRE__COMMAND__INIT;
		Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

		if (op->kind != WIRE__OPERATION__KIND__FENCE_TEST ||
		    op->outcome != WIRE__OPERATION__OUTCOME__RUNNING || core_is_ready(core, op->to))
			continue;
		if (proposed_lately(core, &core->conductor->tests_ms, update))
			return;
		result.op = op->id;
		result.text = (char *)"the node that was to ask the device is gone: test again";
		command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
		command.fence_result = &result;
		core_propose(core, &command, update);
	}
}

static void conduct_nodes(struct core *core, struct update *update)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(core->state, WIRE__TABLE__TABLE_NODE, i);
		struct watched_node *watched = watch_node(core, node);

		if (core_is_ready(core, (uint32_t)node->id))
			continue;	/* it speaks for itself */
		judge_node(core, node, watched, update);
		fence_node(core, node, watched, update);
	}
}

/* ------------------------------------------------------------------ VMs */

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
			.generation = vm->generation, .phase = vm->phase, .tries = vm->tries,
			.since_ms = core->now_ms,
		};
	}
	return watched;
}

static void propose_step(struct core *core, const Wire__Vm *vm, Wire__Vm__Phase next,
			 uint32_t node, const char *detail, bool settled, struct update *update)
{
	struct watched_vm *watched = watch_vm(core, vm);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmStep step = WIRE__VM_STEP__INIT;

	if (proposed_lately(core, &watched->proposed_ms, update))
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

/* Has every node looked for it that could have it? Says for whom it waits, after a while. */
static bool looked_for(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct watched_vm *watched = watch_vm(core, vm);
	char why[600];

	if (!look_missing_now(core->state, sight(core), vm)) {
		watched->look_ms = 0;
		return true;
	}
	if (!watched->look_ms || watched->look != vm->look)
		watched->look_ms = core->now_ms;
	watched->look = vm->look;
	if (!lasted(core, watched->look_ms, LOOK_PATIENCE_MS, update))
		return false;
	look_why(core->state, sight(core), vm, why, sizeof(why));
	if (strcmp(vm->detail, why) != 0)
		propose_step(core, vm, vm->phase, 0, why, false, update);
	return false;
}

/* Nobody waits for its nodes any more; the next one who does is given his time. */
static void forget_look(struct core *core, const Wire__Vm *vm)
{
	struct watched_vm *watched = vm->look ? idmap_get(&core->conductor->vms, vm->id) : NULL;

	if (watched)
		watched->look_ms = 0;
}

static bool wants_start(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct watched_vm *watched;

	if (vm->phase != WIRE__VM__PHASE__OFF || vm->wanted == WIRE__VM__WANTED__STOPPED ||
	    vm->n_maybe || vm->unmanaged) {
		forget_look(core, vm);
		return false;
	}
	watched = watch_vm(core, vm);
	if (!looked_for(core, vm, update))
		return false;
	if (vm->tries >= state_setting_number(core->state, "restart.tries_total")) {
		propose_step(core, vm, WIRE__VM__PHASE__FAILED, 0,
			     vm->detail[0] ? vm->detail : "too many failures", false, update);
		return false;
	}
	return lasted(core, watched->since_ms, conductor_pause_ms(vm->tries), update);
}

/* In place first, while that may help; away from where it would not start. */
static uint32_t stay_on(const struct core *core, const Wire__Vm *vm)
{
	const Wire__Node *last = vm->last_node ? state_node(core->state, vm->last_node) : NULL;

	if (!last || last->state != WIRE__NODE__STATE__UP ||
	    (vm->tried_nodes & vmop_bit(vm->last_node)) || vm->tries == 0 ||
	    vm->tries > state_setting_number(core->state, "restart.tries_here"))
		return 0;
	return vm->last_node;
}

static uint64_t shun(const struct core *core, const Wire__Vm *vm)
{
	uint64_t nodes = vm->tried_nodes;

	if (vm->tries > state_setting_number(core->state, "restart.tries_here"))
		nodes |= vmop_bit(vm->last_node);
	return nodes;
}

/* Have that many been placed just now? What was proposed then is on its way. */
static bool placed_lately(struct core *core, size_t n, struct update *update)
{
	struct conductor *conductor = core->conductor;

	if (n > PLACE_FEW && conductor->placed_ms &&
	    core->now_ms < conductor->placed_ms + PLACE_PAUSE_MS) {
		update_wake(update, conductor->placed_ms + PLACE_PAUSE_MS);
		return true;
	}
	conductor->placed_ms = core->now_ms;
	return false;
}

static void start_vms(struct core *core, struct update *update)
{
	size_t count = state_count(core->state, WIRE__TABLE__TABLE_VM), n = 0;
	const Wire__Vm **vms = mem_new_array(const Wire__Vm *, count);
	uint64_t *shuns = mem_new_array(uint64_t, count);
	uint32_t *stays = mem_new_array(uint32_t, count);
	struct placing *places;

	for (size_t i = 0; i < count; i++) {
		const Wire__Vm *vm = state_at(core->state, WIRE__TABLE__TABLE_VM, i);

		if (!wants_start(core, vm, update))
			continue;
		vms[n] = vm;
		shuns[n] = shun(core, vm);
		stays[n++] = stay_on(core, vm);
	}
	if (n && placed_lately(core, n, update))
		n = 0;
	places = mem_new_array(struct placing, n);
	if (n)
		place_vms(core->state, core->standing.ready_nodes, vms, n, shuns, stays, places);
	for (size_t i = 0; i < n; i++) {
		const Wire__Vm *vm = state_vm(core->state, places[i].vm);

		if (places[i].node)
			propose_step(core, vm, WIRE__VM__PHASE__STARTING, places[i].node, "", false,
				     update);
		else if (strcmp(vm->detail, places[i].why) != 0)
			propose_step(core, vm, WIRE__VM__PHASE__OFF, 0, places[i].why, false,
				     update);
	}
	free(places);
	free(vms);
	free(shuns);
	free(stays);
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
			propose_step(core, vm, WIRE__VM__PHASE__RESTORING, first[i], "", false,
				     update);
			return;
		}
	node = place_one(core->state, ready, vm, vm->tried_nodes, why, sizeof(why));
	if (node)
		propose_step(core, vm, WIRE__VM__PHASE__RESTORING, node, "", false, update);
	else if (vm->tried_nodes)
		propose_step(core, vm,
			     vm->cold_start_on_lost_save ? WIRE__VM__PHASE__OFF
							 : WIRE__VM__PHASE__FAILED, 0,
			     vm->detail[0] ? vm->detail : why, false, update);
	else if (strcmp(vm->detail, why) != 0)
		propose_step(core, vm, WIRE__VM__PHASE__SAVED, 0, why, false, update);
}

static void conduct_vm(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct watched_vm *watched;

	if (vm->unmanaged)
		return;
	if (vm->phase == WIRE__VM__PHASE__SAVED)
		restore_vm(core, vm, update);
	if (vm->phase != WIRE__VM__PHASE__RUN)
		return;
	watched = watch_vm(core, vm);
	if (vm->wanted == WIRE__VM__WANTED__STOPPED)
		propose_step(core, vm, WIRE__VM__PHASE__STOPPING, 0, "", false, update);
	else if ((vm->tries || vm->tried_nodes) &&
		 lasted(core, watched->since_ms,
			state_setting_number(core->state, "restart.settle_s") * 1000, update))
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

static void conduct_vms(struct core *core, struct update *update)
{
	forget_removed(core);
	start_vms(core, update);
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_VM); i++)
		conduct_vm(core, state_at(core->state, WIRE__TABLE__TABLE_VM, i), update);
}

/* ------------------------------------------------------------------ leading */

static void forget_all(struct core *core)
{
	struct conductor *conductor = core->conductor;

	idmap_free(&conductor->vms, free);
	memset(conductor->nodes, 0, sizeof(conductor->nodes));
	conductor->placed_ms = 0;
}

/* What was proposed in an older epoch may never have been heard. */
static void forget_proposals(struct conductor *conductor)
{
	struct watched_vm *watched;

	conductor->placed_ms = 0;
	for (size_t i = 0; i < sizeof(conductor->nodes) / sizeof(conductor->nodes[0]); i++)
		conductor->nodes[i].proposed_ms = 0;
	idmap_each(&conductor->vms, i, watched)
		watched->proposed_ms = 0;
}

void conductor_run(struct core *core, struct update *update)
{
	struct conductor *conductor = core->conductor;
	bool leading = core->standing.open && core->standing.ready &&
		       core->standing.leader == core->node && state_cluster(core->state);

	if (!leading || !conductor->leading)
		forget_all(core);
	else if (conductor->epoch != core->standing.epoch)
		forget_proposals(conductor);
	conductor->epoch = core->standing.epoch;
	conductor->leading = leading;
	if (!leading)
		return;
	conduct_nodes(core, update);
	bury_tests(core, update);
	conduct_vms(core, update);
}
