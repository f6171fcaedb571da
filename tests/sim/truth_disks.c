/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the disks hold, if everything else were gone. */
#include "tests/sim/truth_private.h"

#include <inttypes.h>

#include "clusterd/core/elect.h"
#include "clusterd/core/round.h"

static const struct disk *disk_of(const struct truth *truth, uint32_t node)
{
	return truth->world->machines[node].disk;
}

/* Those of them that have the disk they became voters with. */
static uint64_t with_their_disks(const struct truth *truth, const struct voters *voters)
{
	uint64_t nodes = 0;

	for (size_t i = 0; i < voters->n; i++)
		if (!voters->disks[i] || voters->disks[i] == disk_of(truth, voters->nodes[i])->id)
			nodes |= node_bit(voters->nodes[i]);
	return nodes;
}

uint64_t truth_countable(const struct truth *truth)
{
	struct voters voters;

	state_voters(truth->state, &voters);
	return with_their_disks(truth, &voters);
}

static bool newer(const struct disk *a, const struct disk *b)
{
	uint64_t epoch_a = disk_last_epoch(a), epoch_b = disk_last_epoch(b);

	return epoch_a > epoch_b || (epoch_a == epoch_b && disk_last(a) > disk_last(b));
}

/* Just these are back: do they know that entry, and that this epoch was open? */
static bool enough(const struct truth *truth, uint64_t back, uint64_t index, uint64_t epoch)
{
	const struct disk *newest = NULL;
	uint64_t promised = 0;

	for (uint64_t left = back; left; left &= left - 1) {
		const struct disk *disk = disk_of(truth, nodes_lowest(left));

		if (!newest || newer(disk, newest))
			newest = disk;
		if (disk->promised > promised)
			promised = disk->promised;
	}
	return promised >= epoch &&
	       (newest->applied >= index ||
		disk_epoch(newest, index) == truth->entries[index - 1].epoch);
}

static size_t lost_voters(const struct truth *truth)
{
	const Wire__Cluster *cluster = state_cluster(truth->state);
	size_t n = 0;

	for (size_t i = 0; i < cluster->n_voters; i++)
		n += truth->world->machines[cluster->voters[i]].lost;
	return n;
}

/* The next larger number with as many bits (Hacker's Delight, 2-1). */
static uint64_t next_subset(uint64_t set)
{
	uint64_t low = set & -set, high = set + low;

	return high | (((set ^ high) >> 2) / low);
}

/* Bit i of `choice` stands for the i-th node of the set. */
static uint64_t choose(uint64_t set, uint64_t choice)
{
	uint64_t chosen = 0;

	for (; set; set &= set - 1, choice >>= 1)
		if (choice & 1)
			chosen |= set & -set;
	return chosen;
}

/* Whichever majority of them comes back. */
static bool all_majorities(const struct truth *truth, const struct voters *voters, uint64_t index,
			   uint64_t epoch)
{
	uint64_t there = with_their_disks(truth, voters);
	size_t n = nodes_count(there), majority = voters_majority(voters);

	if (n < majority)
		return true;
	for (uint64_t choice = (UINT64_C(1) << majority) - 1; choice < UINT64_C(1) << n;
	     choice = next_subset(choice))
		if (!enough(truth, choose(there, choice), index, epoch))
			return false;
	return true;
}

bool truth_survives(struct truth *truth)
{
	const Wire__Cluster *cluster = state_cluster(truth->state);
	struct voters voters;

	state_voters(truth->state, &voters);
	if (!cluster || nodes_count(truth_countable(truth)) < voters_majority(&voters) ||
	    lost_voters(truth) > voters.n - voters_majority(&voters))
		return false;
	return all_majorities(truth, &voters, truth->n, truth->last_epoch) &&
	       /* Those before must know that they are none any more. */
	       (truth->voters_before.n == 0 ||
		all_majorities(truth, &truth->voters_before, voters.index, 0));
}

/* A change of voters that is not committed: could it ever be, with the disks that are there? */
static bool could_agree(const struct truth *truth, const struct buf *command)
{
	struct voters voters;
	uint64_t base, there;

	if (!voters_read(command->data, command->len, &voters, &base))
		return true;
	there = with_their_disks(truth, &voters);
	for (uint64_t left = there; left; left &= left - 1)
		if (truth->world->machines[nodes_lowest(left)].lost)
			there &= ~(left & -left);
	return nodes_count(there) >= voters_majority(&voters);
}

static bool pending_could_agree(const struct truth *truth, const struct disk *disk)
{
	const struct disk_entry *entry;

	idmap_each(&disk->log, i, entry)
		if (entry->index > truth->n && !could_agree(truth, &entry->command))
			return false;
	for (size_t i = 0; i < disk->queued; i++)
		for (size_t k = 0; k < disk->queue[i].n; k++) {
			const struct persist *persist = &disk->queue[i].persists[k];

			if (persist->kind == PERSIST_APPEND && persist->index > truth->n &&
			    !could_agree(truth, &persist->data))
				return false;
		}
	return true;
}

bool truth_may_lose(const struct truth *truth)
{
	const struct world *world = truth->world;
	size_t lost = 0, least = elect_wanted(truth->state);
	struct voters voters;

	state_voters(truth->state, &voters);
	if (voters.n < least)
		least = voters.n;
	for (uint32_t id = 1; id <= world->nodes; id++) {
		lost += world->machines[id].lost;
		if (!pending_could_agree(truth, world->machines[id].disk))
			return false;
	}
	return lost <= (least - 1) / 2;
}

bool truth_is_settled(const struct truth *truth, const struct disk *disk)
{
	return disk_last(disk) <= truth->n && disk->promised <= truth->last_epoch;
}

bool truth_knows_voters(const struct truth *truth, const struct disk *disk)
{
	struct voters voters;

	state_voters(truth->state, &voters);
	return !voters.index || disk->applied >= voters.index ||
	       disk_epoch(disk, voters.index) == truth->entries[voters.index - 1].epoch;
}

bool truth_voters_stand(const struct truth *truth)
{
	struct voters voters;
	size_t n = 0;

	state_voters(truth->state, &voters);
	for (size_t i = 0; i < voters.n; i++)
		n += disk_of(truth, voters.nodes[i])->applied >= voters.index;
	return n >= voters_majority(&voters);
}

void truth_check_disks(struct truth *truth)
{
	if (truth->n > 1 && !truth->world->hopeless && !truth_survives(truth))
		world_fail(truth->world, "a majority of voters could come back without entry %zu, "
			   "or without knowing of epoch %" PRIu64, truth->n, truth->last_epoch);
}

void truth_disk_changed(struct truth *truth, const struct machine *machine)
{
	/* More on a disk is never wrong. */
	if (machine->disk->removed)
		truth_check_disks(truth);
	machine->disk->removed = false;
}
