/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attempts at a node's power: through which device, from which node, and when again. */
#include "clusterd/core/conduct.h"

#include "base/cleanup.h"

enum { NODES_MAX = 64 };

static const Wire__FenceTarget *target_of(const Wire__Fence *fence, uint32_t node)
{
	for (size_t t = 0; t < fence->n_targets; t++)
		if (fence->targets[t]->node == node)
			return fence->targets[t];
	return NULL;
}

size_t conduct_devices(const struct state *state, uint32_t node,
		       const Wire__Fence *ret_devices[FENCE_DEVICES_MAX],
		       const Wire__Fence **ret_wrong)
{
	size_t count = state_count(state, WIRE__TABLE__TABLE_FENCE), n = 0;

	*ret_wrong = NULL;
	for (size_t i = 0; i < count && n < FENCE_DEVICES_MAX; i++) {
		const Wire__Fence *fence = state_at(state, WIRE__TABLE__TABLE_FENCE, i);
		const Wire__FenceTarget *target = target_of(fence, node);

		if (target && !target->wrong_ms)
			ret_devices[n++] = fence;
		else if (target)
			*ret_wrong = fence;
	}
	return n;
}

static size_t executors_for(const struct core *core, uint32_t node, uint32_t ret_nodes[NODES_MAX])
{
	size_t n = 0;

	for (uint32_t i = 1; i <= NODES_MAX; i++)
		if (i != node && conduct_acts(core, i))
			ret_nodes[n++] = i;
	return n;
}

struct attempt conduct_attempt(const struct core *core, const Wire__Node *node,
			       const struct watched_node *watched)
{
	const Wire__Fence *devices[FENCE_DEVICES_MAX];
	uint32_t executors[NODES_MAX];
	struct attempt attempt = { 0 };
	size_t devices_n = conduct_devices(core->state, (uint32_t)node->id, devices,
					     &attempt.wrong);
	size_t executors_n = executors_for(core, (uint32_t)node->id, executors);
	size_t a = devices_n, b = executors_n;
	unsigned n = watched->attempts;

	if (!devices_n || !executors_n)
		return attempt;
	while (b) {
		size_t rest = a % b;

		a = b;
		b = rest;
	}
	attempt.device = devices[n % devices_n];
	attempt.executor = executors[(n + n / (devices_n * executors_n / a)) % executors_n];
	return attempt;
}

uint64_t conduct_newest_device(const struct core *core, uint32_t node, uint64_t since)
{
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *fence = state_at(core->state, WIRE__TABLE__TABLE_FENCE, i);

		if (target_of(fence, node) && fence->id > since)
			since = fence->id;
	}
	return since;
}

uint64_t conduct_delay_ms(const uint64_t *delays, size_t n, unsigned attempts)
{
	return delays[attempts < n ? attempts : n - 1];
}

uint64_t conduct_pause_ms(unsigned attempts)
{
	static const uint64_t delays[] = { 0,	  2000,	 5000,	10000, 20000,
					   30000, 30000, 60000, 120000 };

	return conduct_delay_ms(delays, ARRAY_SIZE(delays), attempts);
}

bool conduct_begin_attempt(struct core *core, const Wire__Node *node, struct watched_node *watched,
			   const struct attempt *attempt, bool status_only, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceBegin begin = WIRE__FENCE_BEGIN__INIT;

	if (conduct_proposed_lately(core, &watched->proposed_ms, update))
		return false;
	begin.node = (uint32_t)node->id;
	begin.incarnation = node->incarnation;
	begin.device = attempt->device->id;
	begin.executor = attempt->executor;
	begin.status_only = status_only;
	watched->attempts++;
	watched->retry_ms = core->now_ms + conduct_pause_ms(watched->attempts);
	command.body_case = WIRE__COMMAND__BODY_FENCE_BEGIN;
	command.fence_begin = &begin;
	core_propose(core, &command, update);
	return true;
}
