/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/elect.h"

#include <stdio.h>
#include <string.h>

#include "clusterd/core/record.h"

enum { NODE_MAX = 64, FIVE_FROM = 5 };

/* ---------------------------------------------------------------- what is there */

/* Is it wanted as a voter? */
static bool stays(const Wire__Node *node)
{
	return !node->leaving[0] && !node->no_vote;
}

static bool is_wanted_voter(const struct state *state, uint32_t id)
{
	const Wire__Node *node = state_node(state, id);

	return node && stays(node);
}

/* Can each of the nodes that may vote be switched off? Who votes already only needs a device. */
static bool all_have_devices(const struct state *state)
{
	bool both_vote = state_cluster(state)->n_voters == 2;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		if (stays(node) && !(both_vote ? node_device(state, node->id)
					       : node_proving_device(state, (uint32_t)node->id)))
			return false;
	}
	return true;
}

size_t elect_wanted(const struct state *state)
{
	uint64_t wanted = state_setting_number(state, SET_CLUSTER_VOTERS);
	size_t nodes = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++)
		nodes += stays(state_at(state, WIRE__TABLE__TABLE_NODE, i));
	if (!wanted)
		wanted = nodes >= FIVE_FROM ? 5 : 3;
	if (nodes >= 3)
		return nodes >= wanted ? (size_t)wanted : 3;
	return nodes == 2 && all_have_devices(state) ? 2 : 1;
}

/* Its log is that of the others, and its disk the one that it reported with. */
static bool here(const struct state *state, const struct elect_sight *sight, uint32_t id)
{
	const Wire__Node *node = state_node(state, id);

	return node && node->state == WIRE__NODE__STATE__UP && (sight->ready & vmop_bit(id)) &&
	       sight->disks[id] && sight->disks[id] == node->disk_id;
}

/* Could it vote? */
static bool able(const struct state *state, const struct elect_sight *sight, uint32_t id)
{
	return here(state, sight, id) && stays(state_node(state, id));
}

/* How many of the nodes are in the domain of this one, itself included. One without is alone. */
static size_t crowd(const struct state *state, uint64_t nodes, uint32_t id)
{
	const Wire__Node *node = state_node(state, id);
	size_t n = 1;

	for (uint32_t other = 1; node && node->failure_domain[0] && other <= NODE_MAX; other++) {
		const Wire__Node *record = state_node(state, other);

		n += other != id && (nodes & vmop_bit(other)) && record &&
		     strcmp(record->failure_domain, node->failure_domain) == 0;
	}
	return n;
}

/* The node outside of these that would stand least in a crowd among them; 0 = none is able. */
static uint32_t choose_new(const struct state *state, const struct elect_sight *sight,
			   uint64_t voters, uint64_t stay)
{
	uint32_t best = 0;

	for (uint32_t id = 1; id <= NODE_MAX; id++)
		if (!(voters & vmop_bit(id)) && able(state, sight, id) &&
		    (!best || crowd(state, stay, id) < crowd(state, stay, best)))
			best = id;
	return best;
}

/* How little a voter is worth, the most significant reason first. */
static unsigned worth_less(const struct state *state, const struct elect_sight *sight,
			   uint64_t voters, uint32_t id)
{
	const Wire__Node *node = state_node(state, id);

	return (unsigned)((!node || !stays(node)) << 10 | ((sight->dead & vmop_bit(id)) != 0) << 9 |
			  !able(state, sight, id) << 8) +
	       (unsigned)crowd(state, voters, id);
}

static uint32_t choose_worst(const struct state *state, const struct elect_sight *sight,
			     uint64_t voters)
{
	uint32_t worst = 0;

	for (uint32_t id = NODE_MAX; id >= 1; id--)
		if ((voters & vmop_bit(id)) &&
		    (!worst || worth_less(state, sight, voters, id) >
				       worth_less(state, sight, voters, worst)))
			worst = id;
	return worst;
}

/* ---------------------------------------------------------------- the steps */

/* These nodes, those that vote already with the disks they have now on record. */
static bool make(const struct voters *present, const struct elect_sight *sight, uint64_t nodes,
		 struct voters *ret)
{
	*ret = (struct voters){ .index = present->index };
	for (uint32_t id = 1; id <= NODE_MAX; id++) {
		uint64_t disk = sight->disks[id];

		if (!(nodes & vmop_bit(id)))
			continue;
		for (size_t i = 0; i < present->n; i++)
			if (present->nodes[i] == id)
				disk = present->disks[i];
		if (!disk || ret->n == VOTERS_MAX)
			return false;
		ret->nodes[ret->n] = id;
		ret->disks[ret->n++] = disk;
	}
	return ret->n > 0;
}

/* A voter that is here with another disk than it became one with; of those that stay, or go. */
static bool renew(const struct state *state, const struct elect_sight *sight, bool stay,
		  struct voters *voters, char *ret_why, size_t size)
{
	for (size_t i = 0; i < voters->n; i++) {
		uint32_t id = voters->nodes[i];

		if (!here(state, sight, id) || able(state, sight, id) != stay ||
		    sight->disks[id] == voters->disks[i])
			continue;
		voters->disks[i] = sight->disks[id];
		snprintf(ret_why, size, "%s has a new disk", node_name(state, id));
		return true;
	}
	return false;
}

/* One whose vote is to go, and the node that takes it; 0 in ret_new: there is none. */
static uint32_t to_replace(const struct state *state, const struct elect_sight *sight,
			   uint64_t voters, uint32_t *ret_new)
{
	uint32_t id = choose_worst(state, sight, voters);
	const Wire__Node *node = state_node(state, id);

	*ret_new = choose_new(state, sight, voters, voters & ~vmop_bit(id));
	return !node || !stays(node) || (sight->dead & vmop_bit(id)) ? id : 0;
}

static bool replace(const struct state *state, const struct elect_sight *sight, uint64_t *nodes,
		    char *ret_why, size_t size)
{
	uint32_t heir, id = to_replace(state, sight, *nodes, &heir);
	const Wire__Node *node = state_node(state, id);

	if (!id || !heir)
		return false;
	*nodes = (*nodes & ~vmop_bit(id)) | vmop_bit(heir);
	snprintf(ret_why, size, "%s takes the place of %s, which %s", node_name(state, heir),
		 node_name(state, id),
		 !node || node->leaving[0] ? "is to be removed"
		 : node->no_vote	   ? "is to vote no more"
					   : "was proven dead and did not come back");
	return true;
}

static bool grow(const struct state *state, const struct elect_sight *sight, uint64_t *nodes,
		 char *ret_why, size_t size)
{
	size_t n = (size_t)__builtin_popcountll(*nodes), wanted = elect_wanted(state);
	size_t to = n + 1 + n % 2;
	uint64_t more = *nodes;

	/* From an odd number to the next, but for two. */
	if (to > wanted)
		to = wanted;
	for (size_t i = n; i < to; i++) {
		uint32_t id = choose_new(state, sight, more, more);

		if (!id)
			return false;
		more |= vmop_bit(id);
	}
	if (more == *nodes)
		return false;
	*nodes = more;
	if (wanted == 2)
		snprintf(ret_why, size, "each of the two can be powered off by the other");
	else
		snprintf(ret_why, size, "there are nodes for %zu voters", wanted);
	return true;
}

static bool shrink(const struct state *state, const struct elect_sight *sight, uint64_t *nodes,
		   char *ret_why, size_t size)
{
	size_t n = (size_t)__builtin_popcountll(*nodes), wanted = elect_wanted(state);
	uint32_t worst = choose_worst(state, sight, *nodes);

	if (n <= wanted || (sight->alone && is_wanted_voter(state, worst)))
		return false;
	/* From an odd number to the next, but for two. */
	for (size_t i = 0; i < 2 && n > wanted; i++, n--)
		*nodes &= ~vmop_bit(choose_worst(state, sight, *nodes));
	snprintf(ret_why, size, "%zu %s enough", wanted, wanted == 1 ? "is" : "are");
	return true;
}

/* While all are here: one in the largest crowd gives way to a node that is in a smaller one. */
static bool spread(const struct state *state, const struct elect_sight *sight, uint64_t *nodes,
		   char *ret_why, size_t size)
{
	uint32_t id = choose_worst(state, sight, *nodes), heir;
	uint64_t rest = *nodes & ~vmop_bit(id);

	for (uint32_t voter = 1; voter <= NODE_MAX; voter++)
		if ((*nodes & vmop_bit(voter)) && !able(state, sight, voter))
			return false;
	heir = choose_new(state, sight, *nodes, rest);
	if (!heir || crowd(state, rest | vmop_bit(heir), heir) >= crowd(state, *nodes, id))
		return false;
	*nodes = rest | vmop_bit(heir);
	snprintf(ret_why, size, "%s is in another failure domain than %s",
		 node_name(state, heir), node_name(state, id));
	return true;
}

bool elect_next(const struct state *state, const struct elect_sight *sight,
		struct voters *ret_voters, char *ret_why, size_t size)
{
	struct voters present;
	uint64_t nodes;

	state_voters(state, &present);
	/* Until each of them took part once, nobody knows what their disks hold. */
	if (!voters_known(&present))
		return false;
	*ret_voters = present;
	if (renew(state, sight, true, ret_voters, ret_why, size))
		return true;
	nodes = voters_nodes(&present);
	if (!shrink(state, sight, &nodes, ret_why, size) &&
	    !replace(state, sight, &nodes, ret_why, size) &&
	    !grow(state, sight, &nodes, ret_why, size) &&
	    !spread(state, sight, &nodes, ret_why, size))
		/* Nobody takes the place of one that is to go: until then its disk counts. */
		return renew(state, sight, false, ret_voters, ret_why, size);
	return make(&present, sight, nodes, ret_voters);
}
