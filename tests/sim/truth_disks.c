/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the disks hold, if everything else were gone. */
#include "tests/sim/truth_private.h"

#include <inttypes.h>

#include "clusterd/core/round.h"

static const struct disk *disk_of(const struct truth *truth, uint32_t node)
{
	return truth->world->machines[node].disk;
}

/* A voter counts with the disk that it became one with. */
uint64_t truth_countable(const struct truth *truth)
{
	struct voters voters;
	uint64_t nodes = 0;

	state_voters(truth->state, &voters);
	for (size_t i = 0; i < voters.n; i++)
		if (!voters.disks[i] || voters.disks[i] == disk_of(truth, voters.nodes[i])->id)
			nodes |= node_bit(voters.nodes[i]);
	return nodes;
}

static bool newer(const struct disk *a, const struct disk *b)
{
	uint64_t epoch_a = disk_last_epoch(a), epoch_b = disk_last_epoch(b);

	return epoch_a > epoch_b || (epoch_a == epoch_b && disk_last(a) > disk_last(b));
}

/* Just these are back: do they know what was committed last, and which epoch was open last? */
static bool enough(const struct truth *truth, uint64_t back)
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
	return promised >= truth->last_epoch &&
	       (newest->applied >= truth->n ||
		disk_epoch(newest, truth->n) == truth->entries[truth->n - 1].epoch);
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

bool truth_survives(struct truth *truth)
{
	const Wire__Cluster *cluster = state_cluster(truth->state);
	size_t majority = cluster ? cluster->n_voters / 2 + 1 : 1;
	uint64_t voters = truth_countable(truth);
	size_t n = nodes_count(voters);

	if (!cluster || n < majority || lost_voters(truth) > cluster->n_voters - majority)
		return false;
	for (uint64_t choice = (UINT64_C(1) << majority) - 1; choice < UINT64_C(1) << n;
	     choice = next_subset(choice))
		if (!enough(truth, choose(voters, choice)))
			return false;
	return true;
}

bool truth_is_settled(const struct truth *truth, const struct disk *disk)
{
	return disk_last(disk) <= truth->n && disk->promised <= truth->last_epoch;
}

void truth_check_disks(struct truth *truth)
{
	if (truth->n > 1 && !truth_survives(truth))
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
