/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/round.h"

/*
 * Of two voters, one goes on without the other: who may, and what is on disk about it. The rule
 * stands in replica.h, and is checked in tests/models/solo.pml. Whether a round goes on by it
 * follows from its HELLOs (decide.c); that the other is off, the core finds out (solo.c).
 */

/* The other of the two present voters; 0: this node is none of two, or not with its disk. */
static uint32_t other_of(const struct replica *replica, struct voters *ret_voters)
{
	const struct replica_config *config = &replica->config;

	config->ops->voters(config->above, ret_voters);
	for (size_t i = 0; i < ret_voters->n; i++)
		if (ret_voters->nodes[i] == config->node &&
		    ret_voters->disks[i] != config->disk_id)
			return 0;
	return voters_known(ret_voters) ? voters_other(ret_voters, config->node) : 0;
}

/* It has seen an epoch of both open since its machine was switched on. */
static bool is_together(const struct replica *replica, const struct voters *voters)
{
	return replica->config.machine_boot && replica->together == replica->config.machine_boot &&
	       replica->together_voters == voters->index;
}

/* It was alone last, and the other cannot have been in an open epoch since. */
static bool is_holder(const struct replica *replica, const struct voters *voters)
{
	return replica->alone && replica->alone_voters == voters->index &&
	       replica->alone == rlog_epoch(&replica->log, rlog_last(&replica->log)) &&
	       replica->alone == replica->promised;
}

bool alone_entitled(const struct replica *replica)
{
	struct voters voters, pending[2];

	/* A log that excludes another's is one of two, and nobody can tell which is right. */
	if (replica->against)
		return false;
	/* Most nodes have noted neither, and need not look further. */
	if (!replica->together && !replica->alone)
		return false;
	if (!other_of(replica, &voters) || change_pending(replica, pending))
		return false;
	return is_together(replica, &voters) || is_holder(replica, &voters);
}

bool alone_in(const struct round *round)
{
	const struct electorate *electorate = &round->electorate;

	return electorate->n > 0 && electorate->needed[0] < voters_majority(&electorate->voters[0]);
}

void alone_promised(struct replica *replica, struct update *update)
{
	const struct round *round = &replica->round;
	struct persist *persist;

	if (!alone_in(round) || !(round->electorate.counted[0] & node_bit(replica->config.node)))
		return;
	replica->alone = round->epoch;
	replica->alone_voters = round->electorate.voters[0].index;
	persist = update_persist(update, PERSIST_ALONE);
	persist->value = replica->alone;
	persist->index = replica->alone_voters;
}

static void put_together(struct replica *replica, uint64_t boot, uint64_t voters,
			 struct update *update)
{
	struct persist *persist = update_persist(update, PERSIST_TOGETHER);

	replica->together = persist->value = boot;
	replica->together_voters = persist->index = voters;
}

/*
 * READY is not enough: as long as the epoch is not open, the other need not have promised it, and
 * may have gone on without this node before.
 */
void alone_note_together(struct replica *replica, struct update *update)
{
	const struct round *round = &replica->round;
	const struct voters *voters = &round->electorate.voters[0];
	uint64_t both = round->electorate.counted[0] & round->ready;

	if (!round->open || round->electorate.n != 1 || alone_in(round) ||
	    !voters_other(voters, replica->config.node) || nodes_count(both) != 2 ||
	    !replica->config.machine_boot || is_together(replica, voters))
		return;
	put_together(replica, replica->config.machine_boot, voters->index, update);
}

void alone_forget(struct replica *replica, struct update *update)
{
	if (replica->together)
		put_together(replica, 0, 0, update);
}

uint32_t alone_awaited(const struct replica *replica)
{
	const struct round *round = &replica->round;
	struct electorate electorate;
	uint32_t other;

	if (round->phase != PHASE_WAIT)
		return 0;
	round_electorate_so_far(round, &electorate);
	if (electorate.n != 1 || electorate.counted[0] != node_bit(replica->config.node))
		return 0;
	other = voters_other(&electorate.voters[0], replica->config.node);
	return other && !(round->heard & node_bit(other)) ? other : 0;
}

void alone_start_again(struct replica *replica, struct update *update)
{
	const struct round *round = &replica->round;

	if (!replica->other_off || replica->other_off != alone_awaited(replica) ||
	    !alone_entitled(replica) || round->starting ||
	    round->hello[replica->config.node - 1].other_off == replica->other_off)
		return;
	round_start(replica, update);
}

void replica_other_is_off(struct replica *replica, uint32_t other, struct update *update)
{
	if (replica->gone || (other && (replica->members & node_bit(other))))
		other = 0;
	replica->other_off = other;
	alone_start_again(replica, update);
}
