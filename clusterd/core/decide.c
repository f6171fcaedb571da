/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "clusterd/core/round.h"

/*
 * What follows from the HELLOs of a round, and from nothing else: every member has seen the
 * same ones, so every member decides the same.
 */

/* Epochs and indices beyond this are nonsense; sums of two are still numbers. */
static const uint64_t number_max = UINT64_C(1) << 62;

static bool voters_fit(const Wire__Hello *body)
{
	if (body->n_voters > REPLICA_NODE_MAX || body->n_voters != body->n_voter_disks)
		return false;
	for (size_t i = 0; i < body->n_voters; i++)
		if (body->voters[i] == 0 || body->voters[i] > REPLICA_NODE_MAX ||
		    (i > 0 && body->voters[i] <= body->voters[i - 1]))
			return false;
	return true;
}

bool round_hello_fits(const Wire__Hello *body)
{
	if (body->proto_min == 0 || body->proto_min > body->proto_max ||
	    body->proto_max > UINT16_MAX)
		return false;
	if (body->promised > number_max || body->last_epoch > number_max ||
	    body->last_index > number_max)
		return false;
	if ((body->last_index == 0) != (body->last_epoch == 0) || body->disk_id == 0)
		return false;
	/* The log reaches from the state, or from below it, to the last entry. */
	if (body->first_index == 0 || body->first_index - 1 > body->applied ||
	    body->applied > body->last_index)
		return false;
	/* Who has applied nothing knows of no level. */
	if (body->feature_level != 0 && body->applied == 0)
		return false;
	return voters_fit(body);
}

void round_learn_voters(struct round *round, uint32_t node, const Wire__Hello *body)
{
	struct voters *voters = &round->voters;

	if (body->n_voters == 0)
		return;
	if (voters->told_by &&
	    (body->applied < voters->applied ||
	     (body->applied == voters->applied && node > voters->told_by)))
		return;
	*voters = (struct voters){
		.applied = body->applied, .told_by = node, .n = body->n_voters,
	};
	memcpy(voters->nodes, body->voters, body->n_voters * sizeof(voters->nodes[0]));
	memcpy(voters->disks, body->voter_disks, body->n_voters * sizeof(voters->disks[0]));
}

static bool all_voters_in(const struct voters *voters, uint64_t nodes)
{
	for (size_t i = 0; i < voters->n; i++)
		if (!(nodes & node_bit(voters->nodes[i])))
			return false;
	return true;
}

/*
 * Voters of these nodes, with the disk they are known to have joined with. One that lost its
 * disk has forgotten what it acknowledged: it only learns until its new disk is committed.
 *
 * In a young cluster no disk is known yet. Whether an empty one is new or was lost cannot be
 * told then, so it counts only while all voters are here: whatever any disk still holds is
 * heard of.
 */
static uint64_t counted_of(const struct round *round, uint64_t able)
{
	const struct voters *voters = &round->voters;
	bool all = all_voters_in(voters, able);
	uint64_t nodes = 0;

	for (size_t i = 0; i < voters->n; i++) {
		uint64_t bit = node_bit(voters->nodes[i]);
		const struct hello *hello = &round->hello[voters->nodes[i] - 1];

		if ((able & bit) &&
		    (voters->disks[i] ? voters->disks[i] == hello->disk_id : all))
			nodes |= bit;
	}
	return nodes;
}

/* ---------------------------------------------------------------- versions */

/* The cluster's feature level: what anybody here has applied. It never falls. */
static uint32_t level_of(const struct round *round)
{
	uint32_t level = 0;

	for (uint64_t left = round->heard; left; left &= left - 1)
		if (round->hello[nodes_lowest(left) - 1].feature_level > level)
			level = round->hello[nodes_lowest(left) - 1].feature_level;
	return level;
}

static uint64_t who_know(const struct round *round, uint32_t level)
{
	uint64_t nodes = 0;

	for (uint64_t left = round->heard; left; left &= left - 1)
		if (round->hello[nodes_lowest(left) - 1].feature_max >= level)
			nodes |= node_bit(nodes_lowest(left));
	return nodes;
}

static uint64_t who_speak(const struct round *round, uint64_t nodes, uint16_t protocol)
{
	uint64_t speakers = 0;

	for (uint64_t left = nodes; left; left &= left - 1) {
		const struct hello *hello = &round->hello[nodes_lowest(left) - 1];

		if (hello->proto_min <= protocol && protocol <= hello->proto_max)
			speakers |= node_bit(nodes_lowest(left));
	}
	return speakers;
}

/* Most voters; then most nodes; then the higher protocol. */
static bool is_better(const struct round *round, const struct able *a, const struct able *b)
{
	size_t votes_a = nodes_count(counted_of(round, a->nodes));
	size_t votes_b = nodes_count(counted_of(round, b->nodes));

	if (votes_a != votes_b)
		return votes_a > votes_b;
	if (nodes_count(a->nodes) != nodes_count(b->nodes))
		return nodes_count(a->nodes) > nodes_count(b->nodes);
	return a->protocol > b->protocol;
}

/* The best protocol is the highest of somebody: above it there would be fewer, below it no more. */
struct able round_able(const struct round *round)
{
	struct able best = { .level = level_of(round) };
	uint64_t known = who_know(round, best.level);

	for (uint64_t left = known; left; left &= left - 1) {
		struct able able = {
			.level = best.level,
			.protocol = round->hello[nodes_lowest(left) - 1].proto_max,
		};

		able.nodes = who_speak(round, known, able.protocol);
		if (!best.nodes || is_better(round, &able, &best))
			best = able;
	}
	return best;
}

/* ---------------------------------------------------------------- quorum, source, epoch */

uint64_t round_counted(const struct round *round)
{
	return counted_of(round, round_able(round).nodes);
}

static size_t majority(const struct round *round)
{
	return round->voters.n / 2 + 1;
}

bool round_quorate(const struct round *round)
{
	return round->voters.n > 0 && nodes_count(round_counted(round)) >= majority(round);
}

/* The source has the newest log: last epoch, then last index; the lowest of equals. */
static uint32_t choose_source(const struct round *round, uint64_t candidates)
{
	uint32_t best = 0;

	for (uint64_t left = candidates; left; left &= left - 1) {
		uint32_t node = nodes_lowest(left);
		const struct hello *a = &round->hello[node - 1];
		const struct hello *b = best ? &round->hello[best - 1] : NULL;

		if (!b || a->last_epoch > b->last_epoch ||
		    (a->last_epoch == b->last_epoch && a->last_index > b->last_index))
			best = node;
	}
	return best;
}

/* Above every epoch that anybody here has promised or seen. */
static uint64_t next_epoch(const struct round *round)
{
	uint64_t epoch = 0;

	for (uint64_t left = round->heard; left; left &= left - 1) {
		const struct hello *hello = &round->hello[nodes_lowest(left) - 1];

		if (hello->promised > epoch)
			epoch = hello->promised;
		if (hello->last_epoch > epoch)
			epoch = hello->last_epoch;
	}
	return epoch + 1;
}

/* Does a majority hold what this node's log excludes? They found out when it was the source. */
static bool outvoted(const struct round *round, uint32_t node)
{
	size_t n = 0;

	for (uint64_t left = round->counted; left; left &= left - 1)
		n += (round->hello[nodes_lowest(left) - 1].against & node_bit(node)) != 0;
	return n >= round->majority;
}

void round_decide(struct round *round)
{
	uint64_t candidates = round->able.nodes;
	const struct hello *source;

	round->nodes = round->able.nodes;
	round->counted = round_counted(round);
	round->majority = majority(round);
	/*
	 * The newest log has all that was ever committed, if no disk was turned back. Where one
	 * was, those who hold what a majority excludes must not keep all others from going on.
	 * If that is everybody, no log is better than the newest one.
	 */
	for (uint64_t left = round->nodes; left; left &= left - 1)
		if (outvoted(round, nodes_lowest(left)))
			candidates &= ~node_bit(nodes_lowest(left));
	round->source = choose_source(round, candidates ? candidates : round->nodes);
	source = &round->hello[round->source - 1];
	round->base = source->last_index;
	round->base_epoch = source->last_epoch;
	round->epoch = next_epoch(round);
}
