/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/conduct.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/record.h"

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
		const Wire__Operation *op = state_at(core->state, WIRE__TABLE__TABLE_OPERATION, i);

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

static void note_held_back(struct core *core, const Wire__Node *node, struct watched_node *watched,
			   const char *why, struct update *update)
{
	if (strcmp(node->held_back, why) != 0)
		conduct_verdict(core, node, watched, node->state, node->reason, why, update);
}

/* A fence call whose executor is gone has no result; somebody else repeats it. */
static void bury_orphan(struct core *core, const Wire__Operation *op, struct watched_node *watched,
			struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	if (core_is_ready(core, op->to) ||
	    conduct_proposed_lately(core, &watched->proposed_ms, update))
		return;
	result.op = op->id;
	result.text = (char *)"the node that was to fence it is gone";
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	core_propose(core, &command, update);
}

/* The n-th of the table, and its last from then on. */
static uint64_t delay_ms(const uint64_t *delays, unsigned last, unsigned n)
{
	return delays[n < last ? n : last];
}

static uint64_t retry_delay_ms(unsigned attempts)
{
	static const uint64_t delays[] = { 0,	  2000,	 5000,	10000, 20000,
					   30000, 30000, 60000, 120000 };

	return delay_ms(delays, ARRAY_SIZE(delays) - 1, attempts);
}

/* Whoever is only asked costs nothing but lines in the history by waiting. */
static uint64_t ask_delay_ms(unsigned attempts)
{
	static const uint64_t delays[] = { 0,	  2000,	  5000,	  10000, 30000,
					   60000, 120000, 300000, 600000 };

	return delay_ms(delays, ARRAY_SIZE(delays) - 1, attempts);
}

static bool begin_fence(struct core *core, const Wire__Node *node, struct watched_node *watched,
			const Wire__Fence *device, bool status_only, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceBegin begin = WIRE__FENCE_BEGIN__INIT;

	if (conduct_proposed_lately(core, &watched->proposed_ms, update))
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
		missing = look_missing_now(core->state, conduct_sight(core), vm);
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
static void ask_whether_off(struct core *core, const Wire__Node *node, struct watched_node *watched,
			    struct update *update)
{
	uint64_t since = holds_up_since(core, (uint32_t)node->id);
	const Wire__Fence *device;

	if (!since ||
	    (node->state != WIRE__NODE__STATE__LOST && node->state != WIRE__NODE__STATE__LEFT &&
	     node->state != WIRE__NODE__STATE__NEW && node->state != WIRE__NODE__STATE__OFF))
		return;
	since = newest_device(core, (uint32_t)node->id, since);
	if (watched->asked_for != since) {
		watched->asked_for = since;
		watched->attempts = watched->retry_ms = 0;
	}
	device = device_for(core, (uint32_t)node->id, watched->attempts);
	/* It may just be on its way back. */
	if (device &&
	    (node->state == WIRE__NODE__STATE__OFF ||
	     conduct_lasted(core, watched->since_ms, LOOK_PATIENCE_MS, update)) &&
	    conduct_lasted(core, watched->retry_ms, 0, update) &&
	    begin_fence(core, node, watched, device, true, update))
		watched->retry_ms = core->now_ms + ask_delay_ms(watched->attempts);
}

static void note_budget(struct core *core, const Wire__Node *node, struct watched_node *watched,
			struct update *update)
{
	char why[250];

	snprintf(why, sizeof(why),
		 "not powered off: fence.budget allows %llu nodes in %llu s and no more, so its "
		 "device is only asked; its VMs wait (clusterctl settings set fence.budget N "
		 "allows more)",
		 (unsigned long long)state_setting_number(core->state, "fence.budget"),
		 (unsigned long long)state_setting_number(core->state, "fence.budget_window_s"));
	note_held_back(core, node, watched, why, update);
}

/* Beyond the budget its device is asked, no more: it may be off. */
static void power_off(struct core *core, const Wire__Node *node, struct watched_node *watched,
		      const Wire__Fence *device, struct update *update)
{
	bool allowed = budget_left(core);

	if (!allowed)
		note_budget(core, node, watched, update);
	begin_fence(core, node, watched, device, !allowed, update);
}

void conduct_fence(struct core *core, const Wire__Node *node, struct watched_node *watched,
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
			       "its VMs stay down until it returns (clusterctl fence add)",
			       update);
	else if (half_is_lost(core->state, core->standing.ring))
		note_held_back(core, node, watched,
			       "not fenced: half of the cluster or more is lost at once, so the "
			       "cause is elsewhere; its VMs wait",
			       update);
	else if (conduct_lasted(core, watched->retry_ms, 0, update))
		power_off(core, node, watched, device, update);
}

/* A test whose executor is gone has no result either; whoever asked for it may ask again. */
void conduct_tests(struct core *core, struct update *update)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(core->state, WIRE__TABLE__TABLE_OPERATION, i);
		Wire__Command command = WIRE__COMMAND__INIT;
		Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

		if (op->kind != WIRE__OPERATION__KIND__FENCE_TEST ||
		    op->outcome != WIRE__OPERATION__OUTCOME__RUNNING || core_is_ready(core, op->to))
			continue;
		if (conduct_proposed_lately(core, &core->conductor->tests_ms, update))
			return;
		result.op = op->id;
		result.text = (char *)"the node that was to ask the device is gone: test again";
		command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
		command.fence_result = &result;
		core_propose(core, &command, update);
	}
}
