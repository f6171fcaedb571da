/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * repsim: the replicated log under random faults, one seed after the other.
 *
 *	repsim [-v] [-n VOTERS] [-s STEPS] [-f FIRST] [SEEDS]
 *
 * Without -n: clusters of 1, 2, 3, 5 and 7 voters, so many seeds each. Each seed has its own mix
 * of faults. After so many steps they stop, and then all nodes must
 * come together and commit a new command. Ends with one line; exit status 1 and the first bad
 * seed if anything was wrong. `repsim -v -f SEED 1` tells the story of one.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "clusterd/core/round.h"
#include "tests/sim/swarm.h"

enum {
	HEALED_MS = 60000,		/* until all are ready again in one new view */
	UNAIDED_MS = 400000,		/* the same without a new view */
	COMMIT_MS = 5000,
};

/* How often what happens, per mille of steps. */
struct mix {
	uint32_t view, crash, blackout, start, propose, change, sync, lose, wipe, ghost, jump, ring;
};

struct sim {
	struct swarm swarm;
	struct mix mix;
	bool aided;			/* faults end with a new view */
};

static uint32_t some_node(struct sim *sim)
{
	return 1 + rng_below(&sim->swarm.rng, sim->swarm.nodes_n);
}

static uint64_t all_nodes(const struct swarm *swarm)
{
	return (UINT64_C(1) << swarm->nodes_n) - 1;
}

/* ---------------------------------------------------------------- one seed */

static void mix_choose(struct sim *sim)
{
	struct rng *rng = &sim->swarm.rng;
	struct mix *mix = &sim->mix;

	mix->view = 1 + rng_below(rng, rng_below(rng, 3) ? 8 : 40);
	mix->crash = rng_below(rng, rng_below(rng, 3) ? 8 : 25);
	mix->blackout = rng_below(rng, 3) ? 0 : 1 + rng_below(rng, 8);
	mix->start = 2 + 2 * mix->crash + 6 * mix->blackout;
	mix->propose = 10 + rng_below(rng, 100);
	mix->change = rng_below(rng, 3) ? 1 + rng_below(rng, 30) : 0;
	mix->sync = rng_below(rng, 3) ? 20 + rng_below(rng, 300) : 1 + rng_below(rng, 30);
	mix->jump = rng_below(rng, 6);
	mix->ring = rng_below(rng, 4);
	mix->lose = rng_below(rng, 3) ? 0 : 1 + rng_below(rng, 15);
	mix->ghost = rng_below(rng, 3) ? 0 : 200;
	mix->wipe = rng_below(rng, 3) ? 0 : 300;
	sim->aided = mix->lose == 0 || rng_below(rng, 2);
	sim->swarm.keep = rng_below(rng, 2) ? 0 : 2 + rng_below(rng, 20);
	sim->swarm.behind = rng_below(rng, 4);
}

/* Either a young cluster, of which but one node knows, or one that has been running. */
static void begin(struct sim *sim)
{
	struct swarm *swarm = &sim->swarm;
	if (rng_below(&swarm->rng, 4) == 0) {
		swarm_genesis(swarm, UINT64_C(1) << rng_below(&swarm->rng, swarm->voters_n),
			      false);
		/* The loss of a disk is most dangerous before anybody knows whose it was. */
		sim->mix.wipe *= 2;
	} else {
		swarm_genesis(swarm, all_nodes(swarm), true);
	}
	for (uint32_t node = 1; node <= swarm->nodes_n; node++)
		swarm_boot(swarm, node);
}

static void change_views(struct sim *sim)
{
	struct swarm *swarm = &sim->swarm;
	struct rng *rng = &swarm->rng;
	uint32_t of[SWARM_NODES_MAX], parts = 1 + (rng_below(rng, 3) ? 0 : rng_below(rng, 3));
	uint64_t ghosts = 0;

	swarm->counts.views++;
	for (uint32_t i = 0; i < swarm->nodes_n; i++) {
		of[i] = rng_below(rng, parts);
		if (!swarm->nodes[i].up && rng_permille(rng, sim->mix.ghost))
			ghosts |= UINT64_C(1) << i;
	}
	evs_regroup(swarm->evs, of, rng_below(rng, 2), ghosts, rng_next(rng) & all_nodes(swarm));
}

static void crash(struct sim *sim, uint32_t node)
{
	struct swarm *swarm = &sim->swarm;

	if (!swarm->nodes[node - 1].up)
		return;
	swarm_crash(swarm, node, rng_below(&swarm->rng, 3));
	if (rng_permille(&swarm->rng, sim->mix.wipe) && swarm_may_wipe(swarm, node))
		swarm_wipe(swarm, node);
}

/* The mains fail: most nodes lose what was not synced, all at once. */
static void black_out(struct sim *sim)
{
	struct swarm *swarm = &sim->swarm;

	for (uint32_t node = 1; node <= swarm->nodes_n; node++)
		if (swarm->nodes[node - 1].up && rng_below(&swarm->rng, 4))
			swarm_crash(swarm, node, rng_below(&swarm->rng, 4) ? 0 : 1);
}

static void start(struct sim *sim, uint32_t node)
{
	if (sim->swarm.nodes[node - 1].up)
		return;
	swarm_boot(&sim->swarm, node);
	change_views(sim);
}

static bool work(struct sim *sim, uint32_t node)
{
	struct swarm *swarm = &sim->swarm;
	struct rng *rng = &swarm->rng;
	bool lost = rng_permille(rng, sim->mix.lose);

	if (swarm_tick(swarm, node))
		return true;
	if (rng_permille(rng, sim->mix.sync))
		return swarm_sync(swarm, node, 1 + rng_below(rng, 3));
	if (rng_below(rng, 2))
		return evs_place(swarm->evs, node, lost) || evs_deliver(swarm->evs, node);
	return evs_deliver(swarm->evs, node) || evs_place(swarm->evs, node, lost);
}

static void some_work(struct sim *sim, uint32_t node)
{
	for (uint32_t i = 0; i < sim->swarm.nodes_n; i++)
		if (work(sim, 1 + (node + i) % sim->swarm.nodes_n))
			return;
}

/* As a leader would who replaces a node or its disk; or as nobody in his senses would. */
static bool change_voters(struct sim *sim, uint32_t node)
{
	struct swarm *swarm = &sim->swarm;
	struct rng *rng = &swarm->rng;
	uint64_t voters = voters_nodes(&swarm->voters);
	uint32_t what = rng_below(rng, 6);

	if (what == 0)
		voters = rng_next(rng) & all_nodes(swarm);
	if (what == 1 || what == 2)
		voters |= node_bit(some_node(sim));
	if (what == 2 || what == 3)
		voters &= ~node_bit(some_node(sim));
	return swarm_change(swarm, node, voters);
}

static void step(struct sim *sim)
{
	const struct mix *mix = &sim->mix;
	struct swarm *swarm = &sim->swarm;
	uint32_t what = rng_below(&swarm->rng, 1000), node = some_node(sim);

	swarm->now_ms += rng_below(&swarm->rng, 4);
	if (what < mix->view)
		change_views(sim);
	else if ((what -= mix->view) < mix->crash)
		crash(sim, node);
	else if ((what -= mix->crash) < mix->blackout)
		black_out(sim);
	else if ((what -= mix->blackout) < mix->start)
		start(sim, node);
	else if ((what -= mix->start) < mix->jump)
		swarm->now_ms += rng_below(&swarm->rng, 6000);
	else if ((what -= mix->jump) < mix->ring)
		swarm_ring(swarm, node);
	else if ((what -= mix->ring) < mix->change)
		change_voters(sim, node);
	else if ((what -= mix->change) >= mix->propose)
		some_work(sim, node);
	else if (rng_below(&swarm->rng, 4) || !swarm_report(swarm, node))
		swarm_propose(swarm, node);
}

/* ---------------------------------------------------------------- after the faults */

static bool all_together(struct swarm *swarm)
{
	struct replica_standing first, other;

	swarm_standing(swarm, 1, &first);
	for (uint32_t node = 1; node <= swarm->nodes_n; node++) {
		swarm_standing(swarm, node, &other);
		if (!other.ready || other.epoch != first.epoch || other.leader != first.leader ||
		    other.applied != first.applied || other.applied != other.last_index)
			return false;
	}
	return true;
}

static void run_until_together(struct swarm *swarm, uint64_t within_ms)
{
	uint64_t until_ms = swarm->now_ms + within_ms;

	while (!swarm->wrong[0] && !all_together(swarm) && swarm->now_ms < until_ms)
		swarm_run(swarm, swarm->now_ms + 100);
}

static void say_who_is_missing(struct swarm *swarm, const char *what)
{
	for (uint32_t node = 1; node <= swarm->nodes_n; node++) {
		struct replica_standing standing;

		swarm_standing(swarm, node, &standing);
		if (standing.why_not)
			swarm_fail(swarm, "%s: n%u: %s", what, node, standing.why_not);
	}
	swarm_fail(swarm, "%s: the nodes differ", what);
}

/* A new command, and other voters: neither may be stuck. */
static void try_all(struct sim *sim)
{
	struct swarm *swarm = &sim->swarm;
	size_t before = swarm->truth_n;
	uint64_t changes = swarm->counts.changes;

	if (!swarm_propose(swarm, some_node(sim)))
		swarm_fail(swarm, "a ready node takes no proposal");
	swarm_run(swarm, swarm->now_ms + COMMIT_MS);
	if (swarm->truth_n <= before || !all_together(swarm))
		say_who_is_missing(swarm, "a new command is not committed everywhere");
	if (!change_voters(sim, some_node(sim)))
		return;
	swarm_run(swarm, swarm->now_ms + COMMIT_MS);
	if (swarm->counts.changes == changes || !all_together(swarm))
		say_who_is_missing(swarm, "new voters are not committed everywhere");
}

static void heal(struct sim *sim)
{
	struct swarm *swarm = &sim->swarm;
	bool all_up = true;

	for (uint32_t node = 1; node <= swarm->nodes_n; node++)
		all_up &= swarm->nodes[node - 1].up;
	for (uint32_t node = 1; node <= swarm->nodes_n; node++)
		if (!swarm->nodes[node - 1].up)
			swarm_boot(swarm, node);
	if (sim->aided || !all_up ||
	    nodes_count(evs_members(swarm->evs, 1)) != swarm->nodes_n) {
		swarm_gather(swarm);
		run_until_together(swarm, HEALED_MS);
	} else {
		run_until_together(swarm, UNAIDED_MS);
	}
	if (!all_together(swarm)) {
		say_who_is_missing(swarm, "not together again");
		return;
	}
	try_all(sim);
}

static void run(struct sim *sim, uint64_t seed, uint32_t voters, uint64_t steps, struct buf *trace)
{
	struct swarm *swarm = &sim->swarm;
	struct rng first = { seed };

	/* Most clusters have some nodes more, that only learn until they are chosen. */
	swarm_init(swarm, seed, voters + rng_below(&first, 4), voters);
	swarm->trace = trace;
	mix_choose(sim);
	begin(sim);
	change_views(sim);
	for (uint64_t i = 0; i < steps && !swarm->wrong[0]; i++)
		step(sim);
	if (!swarm->wrong[0])
		heal(sim);
}

/* ---------------------------------------------------------------- all seeds */

struct options {
	uint64_t seeds, first, steps, voters;
	bool verbose;
};

static int usage(void)
{
	fputs("usage: repsim [-v] [-n VOTERS] [-s STEPS] [-f FIRST] [SEEDS]\n", stderr);
	return 2;
}

static int parse(int argc, char **argv, struct options *options)
{
	int c, r = 0;

	while (r == 0 && (c = getopt(argc, argv, "vn:s:f:")) != -1) {
		if (c == 'v')
			options->verbose = true;
		else if (c == 'n')
			r = text_parse_uint(optarg, 1, SWARM_NODES_MAX - 3, &options->voters);
		else if (c == 's')
			r = text_parse_uint(optarg, 1, 1000000, &options->steps);
		else if (c == 'f')
			r = text_parse_uint(optarg, 0, UINT64_MAX / 2, &options->first);
		else
			r = -1;
	}
	if (r == 0 && optind < argc)
		r = text_parse_uint(argv[optind++], 1, UINT64_MAX / 2, &options->seeds);
	return r < 0 || optind < argc ? -1 : 0;
}

static void counts_add(struct swarm_counts *sum, const struct swarm_counts *counts)
{
	const uint64_t *from = (const uint64_t *)counts;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

static void report(const struct options *options, uint32_t voters,
		   const struct swarm_counts *sum, uint64_t bad)
{
	printf("repsim: voters=%" PRIu32 " seeds=%" PRIu64 " events=%" PRIu64 " views=%" PRIu64
	       " crashes=%" PRIu64 " wipes=%" PRIu64 " epochs=%" PRIu64 " committed=%" PRIu64
	       " changes=%" PRIu64 " snapshots=%" PRIu64 " cuts=%" PRIu64 " bad=%" PRIu64 "\n",
	       voters, options->seeds, sum->steps, sum->views, sum->crashes, sum->wipes,
	       sum->opened, sum->committed, sum->changes, sum->snapshots, sum->cuts, bad);
}

/* Returns how many seeds went wrong. */
static uint64_t run_all(const struct options *options, uint32_t voters)
{
	struct swarm_counts sum = { 0 };
	uint64_t bad = 0;

	for (uint64_t i = 0; i < options->seeds; i++) {
		struct sim sim = { 0 };
		struct buf trace = { 0 };
		uint64_t seed = options->first + i;

		run(&sim, seed, voters, options->steps, options->verbose ? &trace : NULL);
		fputs(buf_str(&trace), stdout);
		if (sim.swarm.wrong[0] && bad++ < 10)
			printf("voters %" PRIu32 ", seed %" PRIu64 ": %s\n", voters, seed,
			       sim.swarm.wrong);
		counts_add(&sum, &sim.swarm.counts);
		swarm_free(&sim.swarm);
		buf_free(&trace);
	}
	report(options, voters, &sum, bad);
	return bad;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = { 1, 2, 3, 5, 7 };
	struct options options = { .seeds = 500, .first = 1, .steps = 2000 };
	uint64_t bad = 0;

	if (parse(argc, argv, &options) < 0)
		return usage();
	if (options.voters)
		return run_all(&options, (uint32_t)options.voters) > 0;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		bad += run_all(&options, sizes[i]);
	return bad > 0;
}
