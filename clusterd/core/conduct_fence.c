/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/conduct.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/record.h"

static bool being_fenced(const struct core *core, uint32_t node, const Wire__Operation **ret_op)
{
	for (size_t i = 0; i < state_running_count(core->state); i++) {
		const Wire__Operation *op = state_running_at(core->state, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == node) {
			*ret_op = op;
			return true;
		}
	}
	return false;
}

static void note_held_back(struct core *core, const Wire__Node *node, struct watched_node *watched,
			   const char *why, struct update *update)
{
	if (strcmp(node->held_back, why) != 0)
		conduct_verdict(core, node, watched, node->state, node->reason, why,
				node->left_out, update);
}

/* A fence call whose executor is gone has no result; somebody else repeats it. */
static void bury_orphan(struct core *core, const Wire__Operation *op, struct watched_node *watched,
			struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	if (conduct_acts(core, op->to) ||
	    conduct_proposed_lately(core, &watched->proposed_ms, update))
		return;
	result.op = op->id;
	result.text = (char *)"the node that was to fence it is gone";
	result.unasked = true;
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	core_propose(core, &command, update);
}

/*
 * Does a VM wait for this node, and for nobody who is here? Returns the last log entry that has
 * to do with it: a look that began or that another node made; 0 if none waits.
 */
static uint64_t holds_up_since(const struct core *core, uint32_t node)
{
	const struct idmap *waiting = &core->conductor->waiting;
	uint64_t since = 0;

	for (size_t i = 0; i < idmap_count(waiting); i++) {
		const Wire__Vm *vm;
		uint64_t missing, last, id;

		idmap_at(waiting, i, &id);
		vm = state_vm(core->state, id);
		last = vm->look > vm->looked_at ? vm->look : vm->looked_at;
		if (!look_awaited(vm) || last <= since)
			continue;
		missing = look_missing_now(core->state, conduct_sight(core), vm);
		if ((missing & vmop_bit(node)) && !(missing & core->standing.ring))
			since = last;
	}
	return since;
}

/* Could another node vote in the place of this one, if it were proven dead? */
static bool holds_up_vote(const struct core *core, const Wire__Node *node)
{
	return node->state == WIRE__NODE__STATE__LOST &&
	       state_voter(core->state, (uint32_t)node->id) &&
	       state_count(core->state, WIRE__TABLE__TABLE_NODE) >
		       state_cluster(core->state)->n_voters;
}

/*
 * A node that is not here cannot look. If it is off, nothing runs there: its device is asked,
 * and no more than that, for that a new VM could run there is no reason to cut its power; and
 * neither is a vote that another node could have. It is asked at once for each new reason, a
 * device that was added among them; from then on seldom, as whoever is only asked costs nothing
 * but lines in the history by waiting.
 */
static void ask_whether_off(struct core *core, const Wire__Node *node, struct watched_node *watched,
			    struct update *update)
{
	static const uint64_t delays[] = { 0,	  2000,	  5000,	  10000, 30000,
					   60000, 120000, 300000, 600000 };
	uint64_t since = holds_up_since(core, (uint32_t)node->id);
	struct attempt attempt;

	/* A proof that has grown old since it was asked for is a reason, too. */
	if (watched->too_old > since)
		since = watched->too_old;
	if (!since && holds_up_vote(core, node))
		since = 1;
	if (!since || !node_may_be_fenced(node, true))
		return;
	since = conduct_newest_device(core, (uint32_t)node->id, since);
	if (watched->asked_for != since) {
		watched->asked_for = since;
		watched->attempts = watched->retry_ms = 0;
	}
	attempt = conduct_attempt(core, node, watched);
	/* It may just be on its way back. */
	if (attempt.device &&
	    (node->state == WIRE__NODE__STATE__OFF ||
	     conduct_lasted(core, watched->since_ms, LOOK_PATIENCE_MS, update)) &&
	    conduct_lasted(core, watched->retry_ms, 0, update) &&
	    conduct_begin_attempt(core, node, watched, &attempt, true, update))
		watched->retry_ms = core->now_ms + conduct_delay_ms(delays, ARRAY_SIZE(delays),
								    watched->attempts);
}

static void note_no_device(struct core *core, const Wire__Node *node, struct watched_node *watched,
			   const Wire__Fence *wrong, struct update *update)
{
	char why[300];

	if (wrong)
		snprintf(why, sizeof(why),
			 "no proof of its death is possible: its device %s called it off while it "
			 "was up, so that switches another machine; its VMs stay down until it "
			 "returns (clusterctl fence remove, fence add)",
			 wrong->name);
	else
		snprintf(why, sizeof(why),
			 "no proof of its death is possible: no fence device is set for it; its "
			 "VMs stay down until it returns (clusterctl fence add)");
	note_held_back(core, node, watched, why, update);
}

/* The same text for as long as nothing else is counted: each new one becomes an event. */
static void note_budget(struct core *core, const Wire__Node *node, struct watched_node *watched,
			const struct fence_budget *budget, struct update *update)
{
	char why[300], used[150];

	fence_budget_say(budget, used, sizeof(used));
	snprintf(why, sizeof(why),
		 "not powered off: %s, so its device is only asked; its VMs wait (clusterctl "
		 "settings set fence.budget N allows more)", used);
	note_held_back(core, node, watched, why, update);
}

/*
 * Is its power to be cut, or its device only to be asked, because it may be off? Beyond the budget
 * that is until there is room again. Apply has the last word about the budget.
 */
static bool may_power_off(struct core *core, const Wire__Node *node, struct watched_node *watched,
			  struct update *update)
{
	uint64_t clock_ms = elapsed_now(core->state, core->node, core->boot_id, core->now_ms);
	struct fence_budget budget = fence_budget(core->state, clock_ms);
	uint64_t wake_ms = 0;

	if (half_is_lost(core->state, core->standing.ring)) {
		note_held_back(core, node, watched,
			       "not powered off: half of the cluster or more is lost at once, so "
			       "the cause is elsewhere and its device is only asked; its VMs wait",
			       update);
		return false;
	}
	if (fence_budget_left(&budget))
		return true;
	/* Then fewer are counted: there is room, or what is said of it is another text. */
	if (budget.changes_ms)
		wake_ms = elapsed_until(core->state, core->node, core->boot_id, budget.changes_ms);
	if (wake_ms)
		update_wake(update, wake_ms);
	note_budget(core, node, watched, &budget, update);
	return false;
}

/* Once it may be, its power is cut, however long the pauses between the questions have become. */
static void power_off(struct core *core, const Wire__Node *node, struct watched_node *watched,
		      const struct attempt *attempt, struct update *update)
{
	bool allowed = may_power_off(core, node, watched, update);

	if (allowed && watched->only_asked)
		watched->attempts = watched->retry_ms = 0;
	watched->only_asked = !allowed;
	if (conduct_lasted(core, watched->retry_ms, 0, update))
		conduct_begin_attempt(core, node, watched, attempt, !allowed, update);
}

void conduct_fence(struct core *core, const Wire__Node *node, struct watched_node *watched,
		   struct update *update)
{
	const Wire__Operation *op;
	struct attempt attempt;

	if (being_fenced(core, (uint32_t)node->id, &op)) {
		bury_orphan(core, op, watched, update);
		return;
	}
	if (watched->in_ring)
		return;
	/* Nothing of the cluster's can be running there: no reason to cut its power. */
	if (node->state != WIRE__NODE__STATE__LOST ||
	    !node_may_hold_managed(core->state, (uint32_t)node->id)) {
		ask_whether_off(core, node, watched, update);
		return;
	}
	attempt = conduct_attempt(core, node, watched);
	if (!attempt.device)
		note_no_device(core, node, watched, attempt.wrong, update);
	else
		power_off(core, node, watched, &attempt, update);
}

/*
 * A test whose executor is gone has no result either; whoever asked for it may ask again. One that
 * is ready and has not told yet that it is up, as when a cluster was just founded, is not gone.
 */
void conduct_tests(struct core *core, struct update *update)
{
	for (size_t i = 0; i < state_running_count(core->state); i++) {
		const Wire__Operation *op = state_running_at(core->state, i);
		Wire__Command command = WIRE__COMMAND__INIT;
		Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

		if (op->kind != WIRE__OPERATION__KIND__FENCE_TEST ||
		    (core_is_ready(core, op->to) && state_node(core->state, op->to)))
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
