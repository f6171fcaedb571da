/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fence calls that this node is to make. */
#include "clusterd/core/duty.h"

#include <stdlib.h>

#include "base/mem.h"
#include "wire/message.h"

enum { REPEAT_MS = 1000 };

void duty_fence_free(void *value)
{
	struct fence_duty *fence = value;

	wire_free(fence->reply);
	free(fence);
}

static const char *plug_of(const Wire__Fence *fence, uint32_t node)
{
	for (size_t i = 0; i < fence->n_targets; i++)
		if (fence->targets[i]->node == node)
			return fence->targets[i]->plug;
	return "";
}

uint64_t core_ask_fence(struct core *core, const Wire__Fence *fence, uint32_t node,
			bool status_only, struct update *update)
{
	uint32_t timeout_s = fence->timeout_s ? fence->timeout_s
		: (uint32_t)state_setting_number(core->state, SET_FENCE_TIMEOUT_S);
	struct ask *ask = core_ask(core, AGENT_FENCE, timeout_s * 2000 + 5000, update);
	Wire__AgentRequest *request = wire_new(&wire__agent_request__descriptor);
	Wire__FenceCall *call = wire_new(&wire__fence_call__descriptor);

	call->action = status_only ? WIRE__FENCE_CALL__ACTION__STATUS
				   : WIRE__FENCE_CALL__ACTION__OFF_VERIFIED;
	wire_set(&call->agent, fence->agent);
	wire_set(&call->plug, plug_of(fence, node));
	wire_set(&call->node_name, node_name(core->state, node));
	call->timeout_ms = timeout_s * 1000;
	call->params = mem_new_array(Wire__Param *, fence->n_params);
	for (size_t i = 0; i < fence->n_params; i++)
		call->params[call->n_params++] = wire_dup(&fence->params[i]->base);
	request->deadline_ms = ask->deadline_ms;
	request->body_case = WIRE__AGENT_REQUEST__BODY_FENCE;
	request->fence = call;
	ask->request = request;
	ask->sealed = &fence->secret;
	ask->sealed_name = fence->name;
	return ask->id;
}

/* Only OFF proves anything; ON is a good answer to a mere question. */
static void tell_fence(struct core *core, struct fence_duty *duty, const Wire__Operation *op,
		       struct update *update)
{
	const Wire__AgentReply *reply = duty->reply;
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	if (duty->said_epoch == core->standing.epoch &&
	    core->now_ms < duty->said_ms + REPEAT_MS) {
		update_wake(update, duty->said_ms + REPEAT_MS);
		return;
	}
	duty->said_epoch = core->standing.epoch;
	duty->said_ms = core->now_ms;
	result.op = op->id;
	result.off = reply && reply->code == WIRE__AGENT_REPLY__CODE__OFF;
	result.ok = result.off || (reply && reply->code == WIRE__AGENT_REPLY__CODE__ON &&
				   op->kind == WIRE__OPERATION__KIND__FENCE_TEST);
	result.unasked = duty->instead != NULL;
	result.text = (char *)(duty->instead ? duty->instead : reply ? reply->text
		: "the fence agent gave no answer in time, which proves nothing");
	result.marks = reply ? reply->marks : NULL;
	result.n_marks = reply ? reply->n_marks : 0;
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	core_propose(core, &command, update);
}

/* Why the device is not to be asked, NULL if it is. Looked at once more, right before that. */
static const char *reason_not_to(const struct core *core, const Wire__Operation *op)
{
	const Wire__Node *node = state_node(core->state, op->node);

	if (!state_get(core->state, WIRE__TABLE__TABLE_FENCE, op->device))
		return "the fence device was removed";
	if (op->kind != WIRE__OPERATION__KIND__FENCE)
		return NULL;
	if (core_in_ring(core, op->node))
		return "the node came back before it was fenced";
	if (!node || node->incarnation != op->incarnation ||
	    !node_may_be_fenced(node, op->status_only))
		return "the node is another one by now";
	if (!op->status_only && !node_may_hold_managed(core->state, op->node))
		return "none of the VMs that may be there is managed any more";
	if (!op->status_only && half_is_lost(core->state, core->standing.ring))
		return "half of the cluster or more was lost at once, before it was fenced";
	return NULL;
}

static void begin_fence(struct core *core, struct fence_duty *duty, const Wire__Operation *op,
			struct update *update)
{
	duty->instead = reason_not_to(core, op);
	if (duty->instead) {
		duty->over = true;
		duty->over_ms = core->now_ms;
	} else
		duty->ask = core_ask_fence(
			core, state_get(core->state, WIRE__TABLE__TABLE_FENCE, op->device),
			op->node, op->status_only, update);
}

/* Its device is told nothing more: what it would do from now on, nobody wants any longer. */
static void drop_fence(struct core *core, struct fence_duty *duty, struct update *update)
{
	if (duty->ask && !duty->over)
		update_cancel(update, duty->ask);
	duty_fence_free(idmap_remove(&core->duties->fences, duty->op));
}

/*
 * It is in the ring again, so it lives and reaches us: nobody needs its death any more. What the
 * device was told already it may do all the same.
 */
static void spare(struct core *core, struct fence_duty *duty, struct update *update)
{
	update_cancel(update, duty->ask);
	duty->over = true;
	duty->over_ms = core->now_ms;
	duty->instead = "the node came back while it was being fenced, so the call was ended";
}

static void run_fence(struct core *core, const Wire__Operation *op, struct update *update)
{
	struct fence_duty *duty = idmap_get(&core->duties->fences, op->id);

	/* No epoch was open for long, and the machine may be on again: its device is asked anew. */
	if (duty && duty->over && core->now_ms >= duty->over_ms + CORE_FENCE_ANSWER_MS) {
		drop_fence(core, duty, update);
		duty = NULL;
	}
	if (!duty) {
		duty = mem_new(struct fence_duty);
		duty->op = op->id;
		duty->node = op->node;
		idmap_put(&core->duties->fences, op->id, duty);
		begin_fence(core, duty, op, update);
	}
	if (!duty->over && op->kind == WIRE__OPERATION__KIND__FENCE && !op->status_only &&
	    core_in_ring(core, op->node))
		spare(core, duty, update);
	if (duty->over) {
		update_wake(update, duty->over_ms + CORE_FENCE_ANSWER_MS);
		tell_fence(core, duty, op, update);
	}
}

static bool to_be_made(const struct core *core, const Wire__Operation *op)
{
	return op->outcome == WIRE__OPERATION__OUTCOME__RUNNING && op->to == core->node &&
	       (op->kind == WIRE__OPERATION__KIND__FENCE ||
		op->kind == WIRE__OPERATION__KIND__FENCE_TEST);
}

/*
 * Somebody else may have found the node off meanwhile, and it may have booted and run guests
 * again: an order to cut its power that is still under way would strike it then.
 */
static void forget_fences(struct core *core, struct update *update)
{
	const struct idmap *fences = &core->duties->fences;

	for (size_t i = idmap_count(fences); i-- > 0;) {
		struct fence_duty *duty = idmap_at(fences, i, NULL);
		const Wire__Operation *op = state_operation(core->state, duty->op);

		if (!op || op->node != duty->node || !to_be_made(core, op))
			drop_fence(core, duty, update);
	}
}

void duty_end_fences(struct core *core, struct update *update)
{
	const struct idmap *fences = &core->duties->fences;

	agenda_rest(core, CHORE_FENCES);
	for (size_t i = idmap_count(fences); i-- > 0;) {
		struct fence_duty *duty = idmap_at(fences, i, NULL);

		/* What was answered just now may still be told when the next epoch opens. */
		if (!duty->over)
			drop_fence(core, duty, update);
	}
}

void duty_run_fences(struct core *core, struct update *update)
{
	if (!agenda_begin(core, CHORE_FENCES, update))
		return;
	forget_fences(core, update);
	for (size_t i = 0; i < state_running_count(core->state); i++) {
		const Wire__Operation *op = state_running_at(core->state, i);

		if (to_be_made(core, op))
			run_fence(core, op, update);
	}
	agenda_end(core, CHORE_FENCES, update);
}
