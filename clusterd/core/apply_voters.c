/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands do to the set of voters: see voters.h. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/voters.h"

static void put_voters(struct apply *apply, const struct voters *voters)
{
	Wire__Cluster *cluster = record_copy(&state_cluster(apply->state)->base);

	cluster->voters_index = voters->index;
	record_nodes(&cluster->n_voters, &cluster->voters, voters->nodes, voters->n);
	free(cluster->voter_disks);
	cluster->voter_disks = mem_dup(voters->disks, voters->n * sizeof(voters->disks[0]));
	cluster->n_voter_disks = voters->n;
	state_put(apply->state, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster->base, apply->update);
	record_free(cluster);
}

/* "n1, n2 and n3" */
static void say_voters(const struct apply *apply, const struct voters *voters, struct buf *text)
{
	for (size_t i = 0; i < voters->n; i++)
		buf_printf(text, "%s%s", i == 0 ? "" : i + 1 < voters->n ? ", " : " and ",
			   node_name(apply->state, voters->nodes[i]));
}

void apply_voter_joins(struct apply *apply, uint32_t node, uint64_t disk)
{
	struct voters voters;

	state_voters(apply->state, &voters);
	for (size_t i = 0; i < voters.n; i++)
		if (voters.nodes[i] == node && voters.disks[i] == 0) {
			voters.disks[i] = disk;
			put_voters(apply, &voters);
			return;
		}
}

void apply_voters_set(struct apply *apply)
{
	const Wire__VotersSet *set = apply->command->voters_set;
	_cleanup_(buf_free) struct buf text = { 0 };
	struct voters voters, present;

	state_voters(apply->state, &present);
	if (apply->command->request ||
	    !voters_fill(&voters, apply->index, set->voters, set->n_voters, set->disks,
			 set->n_disks) || !voters_known(&voters)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "these are no voters");
		return;
	}
	/* The replica has judged the entry by these two alone, and counts by it already. */
	if (set->after != present.index || present.n == 0) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE,
			     "the voters have changed since: entry %" PRIu64 " chose them",
			     present.index);
		return;
	}
	put_voters(apply, &voters);
	say_voters(apply, &voters, &text);
	apply_event(apply, WIRE__EVENT__SEVERITY__INFO, 0, "cluster", "%s %s now%s%s",
		    buf_str(&text), voters.n == 1 ? "votes alone" : "vote",
		    set->reason[0] ? ": " : "", set->reason);
	apply_leaving_finish(apply);
}
