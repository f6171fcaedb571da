/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which fence devices there are: what a new one must be, and what goes with one that is removed. */
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "clusterd/core/apply_context.h"
#include "wire/check.h"

enum {
	FENCES_MAX = 256,
	TIMEOUT_MAX_S = 600,
	DEVICE_MAX = 32 * 1024,		/* the rest of a record has room, too */
};

/* Does the parameter say how a device is spoken to, and not which one it is? */
static bool says_how(const char *key)
{
	static const char *const names[] = { "login",  "username", "lanplus", "cipher", "auth",
					     "method", "privlvl",  "verbose", "delay" };
	static const char *const ends[] = { "_timeout", "_delay", "_wait" };
	size_t len = strlen(key);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (len > strlen(ends[i]) && strcmp(key + len - strlen(ends[i]), ends[i]) == 0)
			return true;
	return false;
}

static bool has_param(const Wire__Fence *fence, const Wire__Param *param)
{
	for (size_t i = 0; i < fence->n_params; i++)
		if (strcmp(fence->params[i]->key, param->key) == 0)
			return strcmp(fence->params[i]->value, param->value) == 0;
	return false;
}

/* Are all that say which device a is those of b? The number of them is in ret_n. */
static bool is_told_by(const Wire__Fence *a, const Wire__Fence *b, size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0; i < a->n_params; i++) {
		if (says_how(a->params[i]->key))
			continue;
		if (!has_param(b, a->params[i]))
			return false;
		++*ret_n;
	}
	return true;
}

/* The same device for sure; that two look different proves nothing: an address has many names. */
static bool is_same_device(const Wire__Fence *a, const Wire__Fence *b)
{
	size_t n, m;

	return a == b || (strcmp(a->agent, b->agent) == 0 && is_told_by(a, b, &n) &&
			  is_told_by(b, a, &m) && n > 0);
}

/* The node that another device, or the same, fences by the plug of this target; 0: none. */
static uint32_t other_of_plug(const Wire__Fence *device, const Wire__Fence *fence,
			      const Wire__FenceTarget *target)
{
	for (size_t i = 0; i < device->n_targets; i++)
		if (device->targets[i]->node != target->node &&
		    strcmp(device->targets[i]->plug, target->plug) == 0 &&
		    is_same_device(device, fence))
			return device->targets[i]->node;
	return 0;
}

static bool plug_ok(struct apply *apply, const Wire__Fence *fence, const Wire__Fence *device,
		    const Wire__FenceTarget *target)
{
	uint32_t other = other_of_plug(device, fence, target);

	if (!other)
		return true;
	if (device == fence)
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "fence device %s has one plug for %s and %s, so it would cut the "
			     "power of both: name the plug of each (--node NODE=PLUG), or add a "
			     "device for each",
			     fence->name, node_name(apply->state, target->node),
			     node_name(apply->state, other));
	else
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "fence device %s is to fence %s, but has the address and plug by "
			     "which %s fences %s: one of them is wrong, and would cut the power "
			     "of the wrong node",
			     fence->name, node_name(apply->state, target->node), device->name,
			     node_name(apply->state, other));
	return false;
}

/* A plug is of one node: what another one's says would be taken for the proof of its death. */
static bool plugs_ok(struct apply *apply, const Wire__Fence *fence)
{
	for (size_t t = 0; t < fence->n_targets; t++) {
		if (!plug_ok(apply, fence, fence, fence->targets[t]))
			return false;
		for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_FENCE); i++)
			if (!plug_ok(apply, fence,
				     state_at(apply->state, WIRE__TABLE__TABLE_FENCE, i),
				     fence->targets[t]))
				return false;
	}
	return true;
}

static bool fence_ok(struct apply *apply, const Wire__Fence *fence)
{
	if (!text_valid_name(fence->name, WIRE_NAME_MAX)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "'%s' is no name: use letters, digits, '.', '_' and '-'", fence->name);
		return false;
	}
	if (state_fence_named(apply->state, fence->name)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__EXISTS,
			     "there is a fence device '%s' already; clusterctl fence remove %s "
			     "first, or take another name",
			     fence->name, fence->name);
		return false;
	}
	if (strncmp(fence->agent, "fence_", 6) != 0 || !text_valid_name(fence->agent, 63)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "'%s' is no fence agent: give a name like fence_ipmilan",
			     fence->agent);
		return false;
	}
	if (fence->n_targets == 0) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "fence device %s fences nobody: say which node with --node NODE",
			     fence->name);
		return false;
	}
	if (fence->timeout_s > TIMEOUT_MAX_S) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "a fence call may take at most %d s, not %u", TIMEOUT_MAX_S,
			     fence->timeout_s);
		return false;
	}
	for (size_t i = 0; i < fence->n_targets; i++)
		if (!state_node(apply->state, fence->targets[i]->node)) {
			apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH, "there is no node %u",
				     fence->targets[i]->node);
			return false;
		}
	if (!plugs_ok(apply, fence))
		return false;
	if (protobuf_c_message_get_packed_size(&fence->base) > DEVICE_MAX) {
		apply_refuse(apply, WIRE__VERDICT__CODE__LIMIT,
			     "fence device %s is too large: the cluster keeps at most %d KiB of "
			     "parameters and targets", fence->name, DEVICE_MAX / 1024);
		return false;
	}
	if (state_count(apply->state, WIRE__TABLE__TABLE_FENCE) >= FENCES_MAX) {
		apply_refuse(apply, WIRE__VERDICT__CODE__LIMIT,
			     "there are %d fence devices already", FENCES_MAX);
		return false;
	}
	return true;
}

void apply_fence_add(struct apply *apply)
{
	const Wire__Fence *given = apply->command->fence_add->fence;
	Wire__Fence *fence;

	if (!given || !fence_ok(apply, given))
		return;
	fence = record_copy(&given->base);
	fence->id = apply->id = apply->index;
	fence->tested_ms = 0;
	fence->test_node = 0;
	record_text(&fence->test_result, "");
	for (size_t i = 0; i < fence->n_targets; i++) {
		fence->targets[i]->n_told = 0;
		fence->targets[i]->told_asked = false;
		fence->targets[i]->wrong_ms = 0;
		fence->targets[i]->tested_ms = fence->targets[i]->failed_ms = 0;
	}
	state_put(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, &fence->base, apply->update);
	apply_event(apply, WIRE__EVENT__SEVERITY__INFO, 0, "fencing", "device %s (%s) added by %s",
		    fence->name, fence->agent, apply->command->who);
	record_free(fence);
}

/* Whoever removes a device may do so because it switches another machine. */
static void calls_over(struct apply *apply, uint64_t device)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(apply->state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->device == device && op->outcome == WIRE__OPERATION__OUTCOME__RUNNING)
			apply_op_end(apply, op->id, WIRE__OPERATION__OUTCOME__CANCELLED,
				     "its fence device was removed");
	}
}

void apply_fence_remove(struct apply *apply)
{
	const char *name = apply->command->fence_remove->name;
	const Wire__Fence *fence = state_fence_named(apply->state, name);

	if (!fence) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
			     "there is no fence device '%s'; clusterctl fence list shows all",
			     name);
		return;
	}
	apply_event(apply, WIRE__EVENT__SEVERITY__WARNING, 0, "fencing", "device %s removed by %s",
		    name, apply->command->who);
	calls_over(apply, fence->id);
	state_del(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, apply->update);
}
