/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim: whole clusters under faults, one seed after the other.
 *
 *	sim [--seeds N] [--first S] [--nodes K] [--events E] [--json] [--story]
 *
 * Without --nodes: clusters of 3, 5, 7 and 16 nodes, so many seeds each. After so many events the
 * faults stop, and the cluster has to come together and do what it is there for. Exit status 1 if
 * anything was wrong, with a line that shows it again.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "tests/sim/world.h"

struct options {
	uint64_t seeds, first, nodes, events;
	bool json, story, twice;
};

struct sum {
	struct world_counts counts;
	uint64_t bad;
	double seconds;
};

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Returns what is wrong, to be freed; NULL if nothing is. */
static char *run(uint64_t seed, uint32_t nodes, uint64_t events, struct buf *story,
		 struct world_counts *ret_counts, uint64_t *ret_digest)
{
	struct rng rng = { seed ^ UINT64_C(0xfa017) };
	struct world_config config = { .seed = seed, .nodes = nodes, .story = story };
	struct fault_mix mix;
	struct fault_source faults = { .mix = &mix, .rng = &rng };
	struct world *world = world_new(&config);
	char *wrong = NULL;

	fault_mix_draw(&mix, &rng);
	world_run(world, events, &faults);
	world_heal(world);
	if (world_wrong(world))
		wrong = strdup(world_wrong(world));
	*ret_counts = *world_counts(world);
	*ret_digest = world_digest(world);
	world_free(world);
	return wrong;
}

static void add(struct world_counts *sum, const struct world_counts *counts)
{
	const uint64_t *from = (const uint64_t *)counts;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

static void run_seeds(const struct options *options, uint32_t nodes, struct sum *sum)
{
	for (uint64_t i = 0; i < options->seeds; i++) {
		uint64_t seed = options->first + i, digest, again;
		struct world_counts counts;
		struct buf story = { 0 };
		_cleanup_(freep) char *wrong = run(seed, nodes, options->events,
						   options->story ? &story : NULL, &counts,
						   &digest);

		fputs(buf_str(&story), stdout);
		buf_free(&story);
		if (options->twice) {
			free(run(seed, nodes, options->events, NULL, &counts, &again));
			if (again != digest && !wrong)
				wrong = strdup("the same seed gave two different runs");
		}
		add(&sum->counts, &counts);
		if (wrong && sum->bad++ < 20) {
			printf("seed %" PRIu64 ", %" PRIu32 " nodes: %s\n", seed, nodes, wrong);
			printf("  sim --nodes %" PRIu32 " --first %" PRIu64 " --seeds 1 --events %"
			       PRIu64 " --story\n", nodes, seed, options->events);
			fflush(stdout);
		}
	}
}

static void report(const struct options *options, const struct sum *sum, uint32_t nodes)
{
	const struct world_counts *c = &sum->counts;

	printf(options->json
	       ? "{\"nodes\":%" PRIu32 ",\"seeds\":%" PRIu64 ",\"events\":%" PRIu64
		 ",\"faults\":%" PRIu64 ",\"commits\":%" PRIu64 ",\"epochs\":%" PRIu64
		 ",\"views\":%" PRIu64 ",\"crashes\":%" PRIu64 ",\"fences\":%" PRIu64
		 ",\"starts\":%" PRIu64 ",\"moves\":%" PRIu64 ",\"saves\":%" PRIu64
		 ",\"acknowledged\":%" PRIu64 ",\"bad\":%" PRIu64 ",\"events_per_s\":%.0f}\n"
	       : "sim: nodes=%" PRIu32 " seeds=%" PRIu64 " events=%" PRIu64 " faults=%" PRIu64
		 " commits=%" PRIu64 " epochs=%" PRIu64 " views=%" PRIu64 " crashes=%" PRIu64
		 " fences=%" PRIu64 " starts=%" PRIu64 " moves=%" PRIu64 " saves=%" PRIu64
		 " acknowledged=%" PRIu64 " bad=%" PRIu64 " events/s=%.0f\n",
	       nodes, options->seeds, c->events, c->faults, c->commits, c->epochs, c->views,
	       c->crashes, c->fences, c->starts, c->moves, c->saves, c->acks, sum->bad,
	       sum->seconds > 0 ? (double)c->events / sum->seconds : 0);
}

static uint64_t run_all(const struct options *options, uint32_t nodes)
{
	struct sum sum = { .seconds = seconds_now() };

	run_seeds(options, nodes, &sum);
	sum.seconds = seconds_now() - sum.seconds;
	report(options, &sum, nodes);
	return sum.bad;
}

static int usage(void)
{
	fputs("usage: sim [--seeds N] [--first S] [--nodes K] [--events E] [--twice] [--json] "
	      "[--story]\n", stderr);
	return 2;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "seeds", required_argument, NULL, 's' },
		{ "first", required_argument, NULL, 'f' },
		{ "nodes", required_argument, NULL, 'n' },
		{ "events", required_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ "story", no_argument, NULL, 'v' },
		{ "twice", no_argument, NULL, '2' },
		{ 0 },
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 's')
			r = text_parse_uint(optarg, 1, UINT64_MAX / 2, &options->seeds);
		else if (c == 'f')
			r = text_parse_uint(optarg, 0, UINT64_MAX / 2, &options->first);
		else if (c == 'n')
			r = text_parse_uint(optarg, 1, WORLD_NODES, &options->nodes);
		else if (c == 'e')
			r = text_parse_uint(optarg, 1, UINT64_MAX / 2, &options->events);
		else if (c == 'j')
			options->json = true;
		else if (c == 'v')
			options->story = true;
		else if (c == '2')
			options->twice = true;
		else
			r = -EINVAL;
	}
	return r < 0 || optind < argc ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = { 3, 5, 7, 16 };
	struct options options = { .seeds = 20, .first = 1, .events = 20000 };
	uint64_t bad = 0;

	if (parse(argc, argv, &options) < 0)
		return usage();
	if (options.nodes)
		return run_all(&options, (uint32_t)options.nodes) > 0;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		bad += run_all(&options, sizes[i]);
	return bad > 0;
}
