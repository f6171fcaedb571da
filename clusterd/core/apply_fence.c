/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of fence devices and fencing by them do to the state: who is proven dead. */
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/voters.h"

enum {
	TOLD_MAX = 4,			/* reasons of a device that are remembered */
	WHY_SIZE = 200,
};

static Wire__FenceTarget *target_of(const Wire__Fence *fence, uint32_t node)
{
	for (size_t i = 0; i < fence->n_targets; i++)
		if (fence->targets[i]->node == node)
			return fence->targets[i];
	return NULL;
}

/* Of a node that is up; 0: it is not. */
static uint64_t up_incarnation(struct apply *apply, uint32_t id)
{
	const Wire__Node *node = state_node(apply->state, id);

	return node && node->state == WIRE__NODE__STATE__UP ? node->incarnation : 0;
}

/* Asks a device for its state; changes nothing in the world. */
void apply_fence_test(struct apply *apply)
{
	const Wire__FenceTest *test = apply->command->fence_test;
	const Wire__Fence *fence = state_fence_named(apply->state, test->name);
	uint32_t node = test->node;
	Wire__Operation *op;

	if (!fence) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
			     "there is no fence device '%s'; clusterctl fence list shows all",
			     test->name);
		return;
	}
	if (node == 0)
		node = fence->targets[0]->node;
	if (!target_of(fence, node)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "fence device %s does not fence %s", fence->name,
			     node_name(apply->state, node));
		return;
	}
	apply->id = fence->id;
	apply->op = apply_op_begin(apply, WIRE__OPERATION__KIND__FENCE_TEST, NULL, node,
				   apply->command->node, apply->command->who);
	op = record_copy(&state_operation(apply->state, apply->op)->base);
	op->device = fence->id;
	op->status_only = true;
	op->incarnation = up_incarnation(apply, node);
	state_put(apply->state, WIRE__TABLE__TABLE_OPERATION, op->id, &op->base, apply->update);
	record_free(op);
}

static bool fencing(struct apply *apply, uint32_t node)
{
	for (size_t i = 0; i < state_running_count(apply->state); i++) {
		const Wire__Operation *op = state_running_at(apply->state, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == node)
			return true;
	}
	return false;
}

/* Looked at here because a leader may ask for several at once, none of them begun yet. */
static bool budget_left(struct apply *apply)
{
	struct fence_budget budget = fence_budget(apply->state, apply->clock_ms);

	return fence_budget_left(&budget);
}

/* Has the device's silence been told of, and is this no other kind of attempt? */
static bool is_repeat(const Wire__FenceTarget *target, bool status_only)
{
	return target->n_told > 0 && target->told_asked == status_only;
}

/* What kept it from being fenced does so no more. */
static void not_held_back(struct apply *apply, const Wire__Node *record)
{
	Wire__Node *node;

	if (!record->held_back[0])
		return;
	node = record_copy(&record->base);
	record_text(&node->held_back, "");
	state_put(apply->state, WIRE__TABLE__TABLE_NODE, node->id, &node->base, apply->update);
	record_free(node);
}

void apply_fence_begin(struct apply *apply)
{
	const Wire__FenceBegin *begin = apply->command->fence_begin;
	const Wire__Node *node = state_node(apply->state, begin->node);
	const Wire__Fence *fence = state_get(apply->state, WIRE__TABLE__TABLE_FENCE, begin->device);
	const Wire__FenceTarget *target = fence ? target_of(fence, begin->node) : NULL;
	Wire__Operation *op;

	if (!node || !target || target->wrong_ms || begin->executor == begin->node ||
	    !state_node(apply->state, begin->executor) ||
	    !node_may_be_fenced(node, begin->status_only) ||
	    node->incarnation != begin->incarnation || fencing(apply, begin->node)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "not to be fenced any more");
		return;
	}
	if (!begin->status_only && !budget_left(apply)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "the budget of fencing is used up");
		return;
	}
	apply->op = apply_op_begin(apply, WIRE__OPERATION__KIND__FENCE, NULL, begin->node,
				   begin->executor, node->reason);
	op = record_copy(&state_operation(apply->state, apply->op)->base);
	op->device = begin->device;
	op->incarnation = begin->incarnation;
	op->status_only = begin->status_only;
	op->clock_ms = apply->clock_ms;
	op->index = apply->index;
	state_put(apply->state, WIRE__TABLE__TABLE_OPERATION, op->id, &op->base, apply->update);
	if (node->state != WIRE__NODE__STATE__OFF && !is_repeat(target, begin->status_only))
		apply_event_node(apply, WIRE__EVENT__SEVERITY__WARNING, begin->node,
				 "%s through %s, from %s",
				 begin->status_only ? "is it off? Asked" : "being fenced",
				 fence->name, node_name(apply->state, begin->executor));
	record_free(op);
	/* The last thing: it puts another record into the place of this one. */
	if (!begin->status_only)
		not_held_back(apply, node);
}

/* Power is back, or known to be off: what the devices say the next time is news again. */
void apply_fences_forget(struct apply *apply, uint32_t node)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *record = state_at(apply->state, WIRE__TABLE__TABLE_FENCE, i);
		const Wire__FenceTarget *target = target_of(record, node);
		Wire__Fence *fence;

		if (!target || target->n_told == 0)
			continue;
		fence = record_copy(&record->base);
		target_of(fence, node)->n_told = 0;
		state_put(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, &fence->base,
			  apply->update);
		record_free(fence);
	}
}

/* Remembers why the device gave no proof; false: that has been told, and nothing has changed. */
static bool is_news(struct apply *apply, const Wire__Operation *op, const char *text)
{
	const Wire__Fence *record = state_get(apply->state, WIRE__TABLE__TABLE_FENCE, op->device);
	uint64_t digest = digest_bytes(text, strlen(text));
	Wire__FenceTarget *target = record ? target_of(record, op->node) : NULL;
	bool news = true;
	Wire__Fence *fence;

	for (size_t i = 0; target && i < target->n_told; i++)
		news &= target->told[i] != digest;
	if (!target || (!news && target->told_asked == op->status_only))
		return news;
	fence = record_copy(&record->base);
	target = target_of(fence, op->node);
	target->told_asked = op->status_only;
	if (news && target->n_told == TOLD_MAX)
		memmove(target->told, target->told + 1, --target->n_told * sizeof(digest));
	if (news) {
		target->told = mem_resize(target->told, target->n_told + 1, sizeof(digest));
		target->told[target->n_told++] = digest;
	}
	state_put(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, &fence->base, apply->update);
	record_free(fence);
	return news;
}

/*
 * Attempts that ended the same way would push all else out of the list of operations. Never
 * one that did cut power: the budget of fencing counts it.
 */
static void forget_likes(struct apply *apply, const Wire__Operation *op,
			 Wire__Operation__Outcome outcome, const char *text)
{
	for (size_t i = state_count(apply->state, WIRE__TABLE__TABLE_OPERATION); i-- > 0;) {
		const Wire__Operation *like =
			state_at(apply->state, WIRE__TABLE__TABLE_OPERATION, i);

		if (like->id < op->id && like->kind == WIRE__OPERATION__KIND__FENCE &&
		    like->node == op->node && like->device == op->device &&
		    like->outcome == outcome &&
		    (like->status_only || outcome == WIRE__OPERATION__OUTCOME__FAILED) &&
		    strcmp(like->text, text) == 0)
			state_del(apply->state, WIRE__TABLE__TABLE_OPERATION, like->id,
				  apply->update);
	}
}

static void note_test(struct apply *apply, Wire__Fence *fence, uint32_t node, bool good,
		      const char *text)
{
	Wire__FenceTarget *target = target_of(fence, node);

	fence->tested_ms = target->tested_ms = good ? apply->command->time_ms : 0;
	target->failed_ms = good ? 0 : apply->command->time_ms;
	fence->test_node = node;
	record_text(&fence->test_result, text);
}

/* What could not cut the power when it was to is not trusted with it, until it is tested again. */
static void device_fails(struct apply *apply, const Wire__Operation *op, const char *text)
{
	const Wire__Fence *record = state_get(apply->state, WIRE__TABLE__TABLE_FENCE, op->device);
	Wire__Fence *fence;

	if (!record || !target_of(record, op->node) || target_of(record, op->node)->failed_ms)
		return;
	fence = record_copy(&record->base);
	note_test(apply, fence, op->node, false, text);
	state_put(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, &fence->base, apply->update);
	record_free(fence);
}

static void no_proof(struct apply *apply, const Wire__Operation *op,
		     const Wire__FenceResult *result)
{
	const char *text = result->text;

	if (!op->status_only && !result->unasked)
		device_fails(apply, op, text);
	if (strcmp(text, "on") == 0)
		text = "its device says that it is on";
	if (is_news(apply, op, text))
		apply_event_node(apply, WIRE__EVENT__SEVERITY__ERROR, op->node,
				 "no proof that it is off, asked from %s: %s; it is asked again "
				 "and again", node_name(apply->state, op->to), text);
	else
		forget_likes(apply, op, WIRE__OPERATION__OUTCOME__FAILED, text);
}

/* Power is verified off: this incarnation of the node is dead, and so is all it ran. */
static void proof_of_death(struct apply *apply, const Wire__Node *record,
			   const Wire__Operation *op, const char *text)
{
	/* Of one that was only asked, the bare word of the device would say nothing here. */
	const char *how = strcmp(text, "off") == 0 ? "as its device says" : text;
	uint32_t id = (uint32_t)record->id;
	Wire__Node *node = record_copy(&record->base);

	node->state = WIRE__NODE__STATE__OFF;
	node->since_ms = apply->command->time_ms;
	node->incarnation++;
	node->boot_id = 0;
	elapsed_untie(node);
	node->proven = op->index;
	record_text(&node->held_back, "");
	record_text(&node->reason, how);
	state_put(apply->state, WIRE__TABLE__TABLE_NODE, id, &node->base, apply->update);
	record_free(node);
	apply_event_node(apply, WIRE__EVENT__SEVERITY__WARNING, id, "is off, proven: %s", how);
	apply_fences_forget(apply, id);
	apply_looks_forget(apply, id);
	apply_node_gone(apply, id, "died");
}

/* It was off and is: news to nobody, but whoever waits for it to look need not. */
static void still_off(struct apply *apply, const Wire__Node *record, const Wire__Operation *op,
		      const char *text)
{
	Wire__Node *node = record_copy(&record->base);

	node->proven = op->index;
	state_put(apply->state, WIRE__TABLE__TABLE_NODE, node->id, &node->base, apply->update);
	record_free(node);
	apply_fences_forget(apply, op->node);
	forget_likes(apply, op, WIRE__OPERATION__OUTCOME__DONE, text);
}

/* Tests that end like the one before are no news; `before` is the device as that left it. */
static void tell_test(struct apply *apply, const Wire__Operation *op, const Wire__Fence *before,
		      bool good, const char *text)
{
	const Wire__FenceTarget *target = target_of(before, op->node);
	const char *node = node_name(apply->state, op->node);

	if (good && target->failed_ms)
		apply_event(apply, WIRE__EVENT__SEVERITY__INFO, op->id, "fencing",
			    "device %s can prove again that %s is dead; it answered: %s",
			    before->name, node, text);
	else if (!good && (!target->failed_ms || before->test_node != op->node ||
			   strcmp(before->test_result, text) != 0))
		apply_event(apply, WIRE__EVENT__SEVERITY__ERROR, op->id, "fencing",
			    "device %s cannot prove that %s is dead, its test from %s failed: %s",
			    before->name, node, node_name(apply->state, op->to), text);
}

/* A device that gave a proof works, whatever its last test was like. */
static void device_works(struct apply *apply, const Wire__Operation *op, const char *text)
{
	const Wire__Fence *record = state_get(apply->state, WIRE__TABLE__TABLE_FENCE, op->device);
	const Wire__FenceTarget *target = record ? target_of(record, op->node) : NULL;
	Wire__Fence *fence;

	if (!target || target->tested_ms)
		return;
	fence = record_copy(&record->base);
	tell_test(apply, op, record, true, text);
	note_test(apply, fence, op->node, true, text);
	state_put(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, &fence->base, apply->update);
	record_free(fence);
}

static void off(struct apply *apply, const Wire__Node *node, const Wire__Operation *op,
		const char *text)
{
	device_works(apply, op, text);
	if (node->state == WIRE__NODE__STATE__OFF)
		still_off(apply, node, op, text);
	else
		proof_of_death(apply, node, op, text);
}

/* Whatever is off there, the node was up when it was asked, and has been since: so it is not it. */
static uint64_t wrong_since(struct apply *apply, const Wire__Operation *op,
			    const Wire__FenceResult *result, const Wire__FenceTarget *target)
{
	if (!result->ok || !op->incarnation ||
	    op->incarnation != up_incarnation(apply, op->node))
		return target->wrong_ms;
	return result->off ? apply->clock_ms + 1 : 0;
}

static void test_result(struct apply *apply, const Wire__Operation *op,
			const Wire__FenceResult *result)
{
	const Wire__Fence *record = state_get(apply->state, WIRE__TABLE__TABLE_FENCE, op->device);
	const char *text = result->text;
	Wire__FenceTarget *target;
	Wire__Fence *fence;
	char why[WHY_SIZE];

	if (!record || !target_of(record, op->node))
		return;
	fence = record_copy(&record->base);
	target = target_of(fence, op->node);
	target->wrong_ms = wrong_since(apply, op, result, target);
	if (result->ok && target->wrong_ms) {
		snprintf(why, sizeof(why),
			 "it called %s off while that was up: it switches another machine",
			 node_name(apply->state, op->node));
		text = why;
	}
	note_test(apply, fence, op->node, result->ok && !target->wrong_ms, text);
	tell_test(apply, op, record, fence->tested_ms, fence->test_result);
	apply_op_end(apply, op->id,
		     fence->tested_ms ? WIRE__OPERATION__OUTCOME__DONE
				      : WIRE__OPERATION__OUTCOME__FAILED,
		     "%s", fence->test_result);
	state_put(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, &fence->base, apply->update);
	record_free(fence);
}

/* The device was neither taken away since it was asked nor found to be another machine's. */
static bool is_believed(struct apply *apply, const Wire__Operation *op)
{
	const Wire__Fence *fence = state_get(apply->state, WIRE__TABLE__TABLE_FENCE, op->device);
	const Wire__FenceTarget *target = fence ? target_of(fence, op->node) : NULL;

	return target && !target->wrong_ms;
}

/* The call of a device by which a node was found off last; NULL: nobody knows any more. */
static const Wire__Operation *proof_of(struct apply *apply, const Wire__Node *node)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(apply->state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->index == node->proven)
			return op;
	}
	return NULL;
}

/*
 * It was proven off, and is here with the kernel it had: whatever was off there, it was not it.
 */
void apply_fence_lied(struct apply *apply, const Wire__Node *node)
{
	const Wire__Operation *op = proof_of(apply, node);
	const Wire__Fence *record;
	Wire__Fence *fence;

	record = op ? state_get(apply->state, WIRE__TABLE__TABLE_FENCE, op->device) : NULL;
	apply_event_node(apply, WIRE__EVENT__SEVERITY__ERROR, (uint32_t)node->id,
			 "was called off by %s, but ran on: that device switches another machine, "
			 "and VMs may have run twice (clusterctl fence remove, fence add)",
			 record ? record->name : "its fence device");
	if (!record || !target_of(record, (uint32_t)node->id))
		return;
	fence = record_copy(&record->base);
	target_of(fence, (uint32_t)node->id)->wrong_ms = apply->clock_ms + 1;
	note_test(apply, fence, (uint32_t)node->id, false,
		  "it called the node off while that ran on");
	state_put(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, &fence->base, apply->update);
	record_free(fence);
}

/* It is up: what was to be done to it, or to be found out about it, is no more. */
void apply_fencing_over(struct apply *apply, uint32_t node)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(apply->state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == node &&
		    op->outcome == WIRE__OPERATION__OUTCOME__RUNNING)
			apply_op_end(apply, op->id, WIRE__OPERATION__OUTCOME__CANCELLED,
				     "the node came back before it was fenced");
	}
}

void apply_fence_result(struct apply *apply)
{
	const Wire__FenceResult *result = apply->command->fence_result;
	const Wire__Operation *record = state_operation(apply->state, result->op);
	const Wire__Node *node;
	Wire__Operation *op;

	if (!record || record->outcome != WIRE__OPERATION__OUTCOME__RUNNING) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "this fencing is over");
		return;
	}
	op = record_copy(&record->base);
	apply_op_marks(apply, op->id, result->marks, result->n_marks);
	apply_op_end(apply, op->id,
		     result->ok ? WIRE__OPERATION__OUTCOME__DONE : WIRE__OPERATION__OUTCOME__FAILED,
		     "%s", result->text);
	node = state_node(apply->state, op->node);
	if (op->kind == WIRE__OPERATION__KIND__FENCE_TEST)
		test_result(apply, op, result);
	else if (!result->off)
		no_proof(apply, op, result);
	else if (is_believed(apply, op) && node && node_may_be_fenced(node, op->status_only) &&
		 node->incarnation == op->incarnation)
		off(apply, node, op, result->text);
	record_free(op);
}

/*
 * One of two voters has opened the epoch alone: it cut the other's power, or found it off, without
 * an operation, for there was no epoch to begin one in. It is on record as one all the same, and
 * the budget counts it.
 */
void apply_went_alone(struct apply *apply)
{
	const Wire__WentAlone *went = apply->command->went_alone;
	const Wire__Node *node = state_node(apply->state, went->node);
	const Wire__Fence *fence = state_get(apply->state, WIRE__TABLE__TABLE_FENCE, went->device);
	const char *name = node_name(apply->state, went->node);
	struct voters voters;
	Wire__Operation *op;

	state_voters(apply->state, &voters);
	if (!node || voters_other(&voters, apply->command->node) != went->node ||
	    node->incarnation != went->incarnation ||
	    !state_node(apply->state, apply->command->node)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "%s is another one by now", name);
		return;
	}
	apply->op = apply_op_begin(apply, WIRE__OPERATION__KIND__FENCE, NULL, went->node,
				   apply->command->node, "it left the totem ring");
	op = record_copy(&state_operation(apply->state, apply->op)->base);
	op->device = went->device;
	op->incarnation = went->incarnation;
	op->status_only = went->status_only;
	op->clock_ms = apply->clock_ms;
	op->index = apply->index;
	state_put(apply->state, WIRE__TABLE__TABLE_OPERATION, op->id, &op->base, apply->update);
	apply_event_node(apply, WIRE__EVENT__SEVERITY__WARNING, apply->command->node,
			 "goes on alone: %s was %s %s", name,
			 went->status_only ? "off, as is said by" : "powered off by",
			 fence ? fence->name : "a device that was removed");
	apply_op_marks(apply, op->id, went->marks, went->n_marks);
	apply_op_end(apply, op->id, WIRE__OPERATION__OUTCOME__DONE, "%s", went->text);
	if (went->off && is_believed(apply, op))
		off(apply, node, op, went->text);
	record_free(op);
	elapsed_count_from(apply->state, apply->command, apply->update);
}
