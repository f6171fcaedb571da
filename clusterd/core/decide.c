/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "clusterd/core/round.h"

/*
 * What follows from the HELLOs of a round, and from nothing else: every member has seen the
 * same ones, so every member decides the same.
 */

static bool pending_fit(const Wire__Hello *body)
{
	uint64_t below = body->applied;
	struct voters voters;

	if (body->n_pending > 2)
		return false;
	for (size_t i = 0; i < body->n_pending; i++) {
		const Wire__Voters *pending = body->pending[i];

		if (pending->index <= below || pending->index > body->last_index ||
		    !voters_fill(&voters, pending->index, pending->nodes, pending->n_nodes,
				 pending->disks, pending->n_disks) || !voters_known(&voters))
			return false;
		below = pending->index;
	}
	return true;
}

static bool voters_fit(const Wire__Hello *body)
{
	struct voters voters;

	return voters_fill(&voters, body->voters_index, body->voters, body->n_voters,
			   body->voter_disks, body->n_voter_disks) &&
	       body->voters_index <= body->applied && pending_fit(body);
}

bool round_hello_fits(const Wire__Hello *body)
{
	if (body->proto_min == 0 || body->proto_min > body->proto_max ||
	    body->proto_max > UINT16_MAX)
		return false;
	if (body->promised > ROUND_NUMBER_MAX || body->last_epoch > ROUND_NUMBER_MAX ||
	    body->last_index > ROUND_NUMBER_MAX)
		return false;
	if (body->other_off > REPLICA_NODE_MAX)
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
	struct hello *hello = &round->hello[node - 1];

	for (size_t i = 0; i < body->n_pending; i++)
		voters_fill(&hello->pending[hello->pending_n++], body->pending[i]->index,
			    body->pending[i]->nodes, body->pending[i]->n_nodes,
			    body->pending[i]->disks, body->pending[i]->n_disks);
	if (body->n_voters == 0)
		return;
	if (round->voters_by && (body->applied < round->voters_applied ||
				 (body->applied == round->voters_applied &&
				  node > round->voters_by)))
		return;
	voters_fill(&round->voters, body->voters_index, body->voters, body->n_voters,
		    body->voter_disks, body->n_voter_disks);
	round->voters_applied = body->applied;
	round->voters_by = node;
}

/*
 * Voters of these nodes, with the disk they became voters with. One that lost its disk has
 * forgotten what it acknowledged: it only learns until a change of voters names its new one.
 *
 * In a young cluster no disk is known yet. Whether an empty one is new or was lost cannot be
 * told then, so it counts only while all voters are here: whatever any disk still holds is
 * heard of.
 */
static uint64_t counted_of(const struct round *round, const struct voters *voters, uint64_t able)
{
	bool all = (voters_nodes(voters) & ~able) == 0;
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
	size_t votes_a = nodes_count(counted_of(round, &round->voters, a->nodes));
	size_t votes_b = nodes_count(counted_of(round, &round->voters, b->nodes));

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

/* Who can take part: by CLOSE that is settled. */
static uint64_t able_nodes(const struct round *round)
{
	return round->able.nodes ? round->able.nodes : round_able(round).nodes;
}

uint64_t round_counted(const struct round *round, const struct voters *voters)
{
	return counted_of(round, voters, able_nodes(round));
}

static void electorate_add(struct electorate *electorate, const struct round *round,
			   const struct voters *voters)
{
	if (electorate->n == 2) {
		electorate->voters[0] = electorate->voters[1];
		electorate->counted[0] = electorate->counted[1];
		electorate->needed[0] = electorate->needed[1];
		electorate->n = 1;
	}
	electorate->voters[electorate->n] = *voters;
	electorate->needed[electorate->n] = voters_majority(voters);
	electorate->counted[electorate->n++] = round_counted(round, voters);
}

/*
 * Of just two voters one is here, and it has told that it may go on without the other one, which is
 * off (replica.h). If that one was heard in this round all the same, it lives. With a change of
 * voters under way there is more than these two, and the rule is not about that.
 */
static bool is_left_alone(const struct round *round, const struct electorate *electorate)
{
	const struct voters *voters = &electorate->voters[0];
	uint32_t one = nodes_lowest(electorate->counted[0]), other;

	if (electorate->n != 1 || nodes_count(electorate->counted[0]) != 1)
		return false;
	other = voters_other(voters, one);
	return other && voters_known(voters) && !(round->heard & node_bit(other)) &&
	       round->hello[one - 1].other_off == other &&
	       round->hello[one - 1].voters_index == voters->index;
}

/*
 * What anybody has applied is committed. A change in the source's log that nobody has applied may
 * be committed or not: the old voters must agree that nothing else was, and the new ones will have
 * to go on with it. Of changes in other logs nothing follows: if they were committed, they are in
 * the source's as well.
 */
void round_electorate(const struct round *round, uint32_t source, struct electorate *ret)
{
	const struct hello *hello = source ? &round->hello[source - 1] : NULL;

	*ret = (struct electorate){ 0 };
	if (round->voters_by)
		electorate_add(ret, round, &round->voters);
	/* The first change of all is in a log, and those who voted before it are here unknown. */
	else if (!hello || hello->pending_n < 2)
		return;
	for (size_t i = 0; hello && i < hello->pending_n; i++)
		if (!round->voters_by || hello->pending[i].index > round->voters.index)
			electorate_add(ret, round, &hello->pending[i]);
	if (is_left_alone(round, ret))
		ret->needed[0] = 1;
}

bool electorate_has(const struct electorate *electorate, uint64_t nodes)
{
	for (size_t i = 0; i < electorate->n; i++)
		if (nodes_count(nodes & electorate->counted[i]) < electorate->needed[i])
			return false;
	return electorate->n > 0;
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
static bool outvoted(const struct round *round, const struct electorate *electorate, uint32_t node)
{
	uint64_t against = 0;

	for (uint64_t left = round->heard; left; left &= left - 1)
		if (round->hello[nodes_lowest(left) - 1].against & node_bit(node))
			against |= node_bit(nodes_lowest(left));
	return electorate_has(electorate, against);
}

void round_electorate_so_far(const struct round *round, struct electorate *ret)
{
	round_electorate(round, choose_source(round, able_nodes(round)), ret);
}

bool round_quorate(const struct round *round)
{
	struct electorate electorate;

	round_electorate_so_far(round, &electorate);
	return electorate_has(&electorate, able_nodes(round));
}

/*
 * The newest log has all that was ever committed, if no disk was turned back. Where one was, those
 * who hold what a majority excludes must not keep all others from going on. If that is everybody,
 * no log is better than the newest one.
 */
static uint32_t decide_source(const struct round *round)
{
	uint64_t candidates = round->able.nodes;
	struct electorate electorate;

	round_electorate_so_far(round, &electorate);
	for (uint64_t left = round->able.nodes; left; left &= left - 1)
		if (outvoted(round, &electorate, nodes_lowest(left)))
			candidates &= ~node_bit(nodes_lowest(left));
	return choose_source(round, candidates ? candidates : round->able.nodes);
}

bool round_decide(struct round *round)
{
	uint32_t source_node = round_quorate(round) ? decide_source(round) : 0;
	const struct hello *source = source_node ? &round->hello[source_node - 1] : NULL;
	struct electorate electorate;

	round_electorate(round, source_node, &electorate);
	if (!source || !electorate_has(&electorate, round->able.nodes))
		return false;
	round->electorate = electorate;
	round->nodes = round->able.nodes;
	round->source = source_node;
	round->base = source->last_index;
	round->base_epoch = source->last_epoch;
	round->epoch = next_epoch(round);
	return true;
}
