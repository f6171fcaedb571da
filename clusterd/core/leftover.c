/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/leftover.h"

#include <string.h>

#include "base/mem.h"
#include "clusterd/core/record.h"

static const char directory[] = "/.clusterd/state/";

const Wire__Volume *leftover_volume(const struct state *state, const char *path,
				    const char **ret_name)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VOLUME); i++) {
		const Wire__Volume *volume = state_at(state, WIRE__TABLE__TABLE_VOLUME, i);
		size_t len = strlen(volume->target);

		if (strncmp(path, volume->target, len) != 0 ||
		    strncmp(path + len, directory, strlen(directory)) != 0 ||
		    strchr(path + len + strlen(directory), '/'))
			continue;
		if (ret_name)
			*ret_name = path + len + strlen(directory);
		return volume;
	}
	return NULL;
}

char *leftover_path(const Wire__Volume *volume, const char *name)
{
	return mem_printf("%s%s%s", volume->target, directory, name);
}

static bool reaches(const Wire__Node *node, const Wire__Volume *volume)
{
	const Wire__NodeFacts *facts = node->facts;

	if (node->state != WIRE__NODE__STATE__UP || node->witness || !facts || !facts->agent_ok)
		return false;
	for (size_t i = 0; i < facts->n_volumes; i++)
		if (strcmp(facts->volumes[i], volume->name) == 0)
			return true;
	return false;
}

uint64_t leftover_nodes(const struct state *state, const Wire__Volume *volume)
{
	uint64_t nodes = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		if (reaches(node, volume))
			nodes |= vmop_bit((uint32_t)node->id);
	}
	return nodes;
}

/* The first of them after so many others, going round. */
static uint32_t pick(uint64_t nodes, uint32_t after)
{
	if (!nodes)
		return 0;
	for (uint32_t id = 1;; id = id % 64 + 1)
		if ((nodes & vmop_bit(id)) && after-- == 0)
			return id;
}

uint32_t leftover_turn(uint64_t nodes, const Wire__Leftover *leftover)
{
	uint64_t fresh = nodes & ~(leftover->absent | leftover->failed);
	uint64_t again = nodes & leftover->failed;

	if (fresh)
		return pick(fresh, 0);
	if (again)
		return pick(again, leftover->failures % (uint32_t)__builtin_popcountll(again));
	return pick(nodes, 0);
}

bool leftover_is_gone(uint64_t nodes, const Wire__Leftover *leftover)
{
	return nodes && !(nodes & ~leftover->absent);
}
