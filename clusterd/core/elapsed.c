/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/elapsed.h"

#include "clusterd/core/record.h"

static uint64_t kept(const struct state *state)
{
	const Wire__Cluster *cluster = state_cluster(state);

	return cluster ? cluster->clock_ms : 0;
}

/* False: it says nothing, for nobody knows which kernel that is. */
static bool evidence(const struct state *state, uint32_t number, uint64_t boot_id, uint64_t up_ms,
		     uint64_t *ret_ms)
{
	const Wire__Node *node = state_node(state, number);

	if (!node || node->boot_id == 0 || node->boot_id != boot_id || !node->clock_up_ms ||
	    up_ms < node->clock_up_ms)
		return false;
	*ret_ms = node->clock_ms + (up_ms - node->clock_up_ms);
	return true;
}

uint64_t elapsed_now(const struct state *state, uint32_t node, uint64_t boot_id, uint64_t up_ms)
{
	uint64_t clock_ms = kept(state), said_ms;

	if (evidence(state, node, boot_id, up_ms, &said_ms) && said_ms > clock_ms)
		clock_ms = said_ms;
	return clock_ms;
}

uint64_t elapsed_until(const struct state *state, uint32_t number, uint64_t boot_id,
		       uint64_t clock_ms)
{
	const Wire__Node *node = state_node(state, number);
	uint64_t said_ms;

	if (!node || !evidence(state, number, boot_id, node->clock_up_ms, &said_ms) ||
	    clock_ms < said_ms)
		return 0;
	return node->clock_up_ms + (clock_ms - said_ms);
}

void elapsed_tie(const struct state *state, Wire__Node *node, uint64_t up_ms)
{
	node->clock_ms = kept(state);
	node->clock_up_ms = up_ms;
}

void elapsed_untie(Wire__Node *node)
{
	node->clock_up_ms = 0;
}

void elapsed_count_from(struct state *state, const Wire__Command *command, struct update *update)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *known = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		Wire__Node *node;

		if (!known->clock_up_ms ||
		    (known->id == command->node && known->boot_id == command->boot_id))
			continue;
		node = record_copy(&known->base);
		elapsed_untie(node);
		state_put(state, WIRE__TABLE__TABLE_NODE, node->id, &node->base, update);
		record_free(node);
	}
}

static void tie_again(struct state *state, const Wire__Command *command, struct update *update)
{
	Wire__Node *node = record_copy(&state_node(state, command->node)->base);

	elapsed_tie(state, node, command->up_ms);
	state_put(state, WIRE__TABLE__TABLE_NODE, node->id, &node->base, update);
	record_free(node);
}

/* It is the daemon on record of a node that is up. */
static bool is_untied(const struct state *state, const Wire__Command *command)
{
	const Wire__Node *node = state_node(state, command->node);

	return node && node->state == WIRE__NODE__STATE__UP && node->boot_id &&
	       node->boot_id == command->boot_id && !node->clock_up_ms && command->up_ms;
}

void elapsed_hear(struct state *state, const Wire__Command *command, struct update *update)
{
	uint64_t clock_ms = kept(state), said_ms;

	if (!state_cluster(state))
		return;
	/* A client's command may have waited for a while, and would tie it too early. */
	if (is_untied(state, command) && !command->request)
		tie_again(state, command, update);
	if (!evidence(state, command->node, command->boot_id, command->up_ms, &said_ms))
		return;
	if (said_ms >= clock_ms + ELAPSED_STEP_MS) {
		Wire__Cluster *cluster = record_copy(&state_cluster(state)->base);

		cluster->clock_ms = said_ms;
		state_put(state, WIRE__TABLE__TABLE_CLUSTER, cluster->id, &cluster->base, update);
		record_free(cluster);
	} else if (said_ms + ELAPSED_STEP_MS <= clock_ms && !command->request) {
		tie_again(state, command, update);
	}
}
