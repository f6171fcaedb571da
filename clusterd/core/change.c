/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/round.h"

/*
 * Whose acknowledgements count, as the log changes the voters. All of it follows from the log and
 * from what CLOSE has decided, so every READY member finds the same at the same point of the order.
 *
 * No entry has to wait for a change: those above it need both majorities like the change itself.
 */

/* ---------------------------------------------------------------- what the log holds */

/* The change in this command, if its base is the entry that chose the voters below it. */
static bool find_change(uint64_t base, uint64_t index, const void *command, size_t size,
			struct voters *ret_voters)
{
	struct voters voters;
	uint64_t wanted;

	if (!voters_read(command, size, &voters, &wanted) || wanted != base)
		return false;
	*ret_voters = voters;
	ret_voters->index = index;
	return true;
}

size_t change_pending(const struct replica *replica, struct voters ret_pending[2])
{
	const struct rlog *log = &replica->log;
	struct voters voters;
	uint64_t base, first = replica_applied(replica) + 1;
	size_t n = 0;

	replica->config.ops->voters(replica->config.above, &voters);
	base = voters.index;
	for (uint64_t index = first; index <= rlog_last(log); index++) {
		const struct rlog_entry *entry = rlog_at(log, index);

		if (!find_change(base, index, entry->command.data, entry->command.len, &voters))
			continue;
		base = index;
		if (n == 2)
			ret_pending[0] = ret_pending[--n];
		ret_pending[n++] = voters;
	}
	return n;
}

/* ---------------------------------------------------------------- in an open epoch */

/* The change is committed: its voters are the only ones. */
static void change_over(struct electorate *electorate)
{
	electorate->voters[0] = electorate->voters[1];
	electorate->counted[0] = electorate->counted[1];
	electorate->needed[0] = electorate->needed[1];
	electorate->n = 1;
}

void change_appended(struct replica *replica, uint64_t index, const void *command, size_t size)
{
	struct electorate *electorate = &replica->round.electorate;
	struct voters voters;

	if (!find_change(electorate->voters[electorate->n - 1].index, index, command, size,
			 &voters))
		return;
	/* Who proposed this one had applied the other. */
	if (electorate->n == 2)
		change_over(electorate);
	electorate->voters[1] = voters;
	electorate->counted[1] = round_counted(&replica->round, &voters);
	electorate->needed[1] = voters_majority(&voters);
	electorate->n = 2;
}

/* The highest index that as many of these voters as are needed have on disk. */
static uint64_t enough_have(const struct round *round, size_t set)
{
	size_t needed = round->electorate.needed[set];
	uint64_t sorted[REPLICA_NODE_MAX];
	size_t n = 0;

	for (uint64_t left = round->electorate.counted[set]; left; left &= left - 1) {
		uint64_t acked = round->acked[nodes_lowest(left) - 1];
		size_t at = n++;

		for (; at > 0 && sorted[at - 1] < acked; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = acked;
	}
	return n >= needed ? sorted[needed - 1] : 0;
}

uint64_t change_committable(const struct round *round)
{
	const struct electorate *electorate = &round->electorate;
	uint64_t old = enough_have(round, 0), both, below;

	if (electorate->n == 1)
		return old;
	both = enough_have(round, 1);
	if (both > old)
		both = old;
	/* What is below the change is the old voters' matter. */
	below = electorate->voters[1].index - 1;
	if (below > old)
		below = old;
	return both > below ? both : below;
}

bool change_settle(struct round *round, uint64_t committed)
{
	struct electorate *electorate = &round->electorate;

	if (electorate->n < 2 || committed < electorate->voters[1].index)
		return false;
	change_over(electorate);
	return true;
}

bool change_timely(const struct replica *replica, const struct buf *command)
{
	const struct round *round = &replica->round;
	struct voters present, voters;
	uint64_t base;

	if (!voters_read(command->data, command->len, &voters, &base))
		return true;
	replica->config.ops->voters(replica->config.above, &present);
	return round->electorate.n == 1 && base == present.index &&
	       nodes_count(round_counted(round, &voters) & round->ready) >=
		       voters_majority(&voters);
}
