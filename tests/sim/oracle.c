/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/oracle.h"

#include <inttypes.h>

#include "base/mem.h"
#include "clusterd/core/round.h"

static bool disk_has(const struct disk *disk, uint64_t index, uint64_t epoch)
{
	return disk->applied >= index || disk_epoch(disk, index) == epoch;
}

static bool disk_newer(const struct disk *a, const struct disk *b)
{
	uint64_t last_a = disk_last(a), last_b = disk_last(b);
	uint64_t epoch_a = disk_last_epoch(a), epoch_b = disk_last_epoch(b);

	return epoch_a > epoch_b || (epoch_a == epoch_b && last_a > last_b);
}

/* Whichever majority of these voters comes back: has the newest log among their disks the entry? */
static void check_majorities(struct swarm *swarm, const struct voters *voters, uint64_t index)
{
	for (uint64_t back = 1; back < UINT64_C(1) << voters->n; back++) {
		const struct disk *newest = NULL;

		if (nodes_count(back) != voters_majority(voters))
			continue;
		for (uint64_t left = back; left; left &= left - 1) {
			uint32_t node = voters->nodes[nodes_lowest(left) - 1];
			const struct disk *disk = swarm_node(swarm, node)->disk;

			if (!newest || disk_newer(disk, newest))
				newest = disk;
		}
		if (!disk_has(newest, index, swarm->truth[index - 1].epoch)) {
			swarm_fail(swarm, "entry %" PRIu64 " would be lost to voters %" PRIx64
				   " of %" PRIx64, index, back, voters_nodes(voters));
			return;
		}
	}
}

/*
 * If the mains failed now: the voters would have to hold the last entry that was ever committed,
 * and with it all others; and those before them, that they are voters no more.
 */
static void check_disks(struct swarm *swarm)
{
	if (swarm->disks_may_vanish || swarm->truth_n < 2)
		return;
	check_majorities(swarm, &swarm->voters, swarm->truth_n);
	if (swarm->voters_before.n > 0)
		check_majorities(swarm, &swarm->voters_before, swarm->voters.index);
}

void oracle_learn(struct swarm *swarm, struct swarm_truth truth)
{
	if (swarm->truth_n == swarm->truth_cap) {
		swarm->truth_cap = swarm->truth_cap ? swarm->truth_cap * 2 : 64;
		swarm->truth = mem_resize(swarm->truth, swarm->truth_cap, sizeof(*swarm->truth));
	}
	swarm->truth[swarm->truth_n++] = truth;
	swarm->counts.committed++;
	check_disks(swarm);
}

/* Only a disk from which something was removed can make a difference. */
void oracle_synced(struct swarm_node *node)
{
	if (node->disk->removed)
		check_disks(node->swarm);
	node->disk->removed = false;
}

void oracle_applied(void *context, const struct toy *toy, uint64_t index, uint64_t epoch,
		       uint64_t digest)
{
	struct swarm_node *node = context;
	struct swarm *swarm = node->swarm;
	const struct swarm_truth *truth;

	if (index == swarm->truth_n + 1) {
		if (toy->voters.index == index) {
			swarm->voters_before = swarm->voters;
			swarm->counts.changes++;
		}
		swarm->voters = toy->voters;
		oracle_learn(swarm, (struct swarm_truth){ epoch, digest, toy->digest });
	}
	if (index > swarm->truth_n) {
		swarm_fail(swarm, "n%u applied %" PRIu64 " before anybody applied %zu", node->id,
			   index, swarm->truth_n + 1);
		return;
	}
	truth = &swarm->truth[index - 1];
	if (truth->epoch != epoch || truth->digest != digest)
		swarm_fail(swarm, "n%u: committed entry %" PRIu64 " is another one", node->id,
			   index);
}

static void check_state(struct swarm *swarm, struct swarm_node *node)
{
	uint64_t index = node->toy->index;

	if (index > swarm->truth_n)
		swarm_fail(swarm, "n%u has a state nobody has reached", node->id);
	else if (index > 0 && swarm->truth[index - 1].state != node->toy->digest)
		swarm_fail(swarm, "n%u: another state at %" PRIu64, node->id, index);
}

/* What was committed before this epoch is in the log of a node that is ready in it. */
static void check_log(struct swarm *swarm, struct swarm_node *node, uint64_t epoch)
{
	const struct rlog *log = &node->replica->log;

	for (uint64_t index = rlog_first(log); index <= swarm->truth_n; index++) {
		const struct swarm_truth *truth = &swarm->truth[index - 1];
		const struct rlog_entry *entry = rlog_at(log, index);

		if (truth->epoch >= epoch)
			return;
		if (!entry || entry->epoch != truth->epoch ||
		    toy_digest(&entry->command) != truth->digest) {
			swarm_fail(swarm, "n%u: epoch %" PRIu64 " %s entry %" PRIu64, node->id,
				   epoch, entry ? "has another" : "lacks", index);
			return;
		}
	}
}

static void check_epoch(struct swarm *swarm, struct swarm_node *node)
{
	const struct round *round = &node->replica->round;
	struct frame_round *opener;

	if (!round->open)
		return;
	opener = idmap_get(&swarm->epochs, round->epoch);
	if (!opener) {
		opener = mem_dup(&round->id, sizeof(round->id));
		idmap_put(&swarm->epochs, round->epoch, opener);
		swarm->counts.opened++;
	}
	if (!round_same(opener, &round->id))
		swarm_fail(swarm, "epoch %" PRIu64 " was opened twice", round->epoch);
	if (round->phase != PHASE_READY)
		return;
	/* What it has not applied yet it may know from others. */
	if (node->toy->voters.index > round->electorate.voters[0].index ||
	    (node->toy->voters.index < round->electorate.voters[0].index &&
	     node->replica->committed >= round->electorate.voters[0].index))
		swarm_fail(swarm, "n%u: entry %" PRIu64 " chose the voters, not %" PRIu64, node->id,
			   node->toy->voters.index, round->electorate.voters[0].index);
	if (node->checked_epoch == round->epoch)
		return;
	node->checked_epoch = round->epoch;
	check_log(swarm, node, round->epoch);
}

void oracle_check(struct swarm *swarm, struct swarm_node *node)
{
	check_state(swarm, node);
	check_epoch(swarm, node);
	if (node->disk->wrong)
		swarm_fail(swarm, "n%u: the disk was asked for %s", node->id, node->disk->wrong);
}
