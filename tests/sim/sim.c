/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim: whole clusters under faults, one seed after the other.
 *
 *	sim [--seeds N] [--first S] [--nodes K] [--events E] [--store S] [--twice] [--shrink RUNS]
 *	    [--json] [--story]
 *	sim [--store S] [--twice] [--shrink RUNS] [--story] FILE...
 *
 * Without --nodes: clusters of 2, 3, 5, 7 and 16 nodes, so many seeds each. After so many events
 * faults stop, and the cluster has to come together and do what it is there for. --twice runs each
 * seed again, with cores that look at everything at each step (core.h), and compares. --store model
 * (that is the default), or sqlite: the daemon's own, and faults of stores are drawn as well; or
 * both: each seed with the daemon's and then with the model, which must be the same run. Exit
 * status 1 if anything was wrong, with a line that shows it again; with --shrink also the few
 * faults that do it, found in so many runs, and their story. A FILE has such faults.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/sim/medium.h"
#include "tests/sim/play.h"
#include "tests/sim/version.h"

/* A mutant (tests/sim/mutants) has no next version: none of its rules would be gone there. */
#ifdef SIM_ALONE
#define NEXT NULL
#else
#define NEXT (&version_next)
#endif

#define DIFFERS "the same seed gave two different runs"

enum { SHOWN = 20 };			/* seeds that went wrong, of each size */

enum store { STORE_MODEL, STORE_SQLITE, STORE_BOTH };

static const char *const stores[] = { "model", "sqlite", "both" };

struct options {
	enum store store;
	uint64_t seeds, first, nodes, events, shrink;
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

static void add(struct world_counts *sum, const struct world_counts *counts)
{
	const uint64_t *from = (const uint64_t *)counts;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

/* As few faults as do it, and their story. */
static void show_why(const struct options *options, const struct play *play, const char *wrong)
{
	struct outcome outcome;
	struct play small;
	struct buf text = { 0 };

	play_shrink(play, wrong, (unsigned)options->shrink, &small);
	play_run(&small, &text, NULL, &outcome);
	printf("%s", buf_str(&text));
	buf_reset(&text);
	play_write(&small, &text);
	printf("# %s\n%s", outcome.wrong ? outcome.wrong : wrong, buf_str(&text));
	buf_free(&text);
	outcome_free(&outcome);
	play_free(&small);
}

static void say_wrong(const struct options *options, const struct play *play, const char *wrong,
		      struct sum *sum)
{
	if (sum->bad++ >= SHOWN)
		return;
	printf("seed %" PRIu64 ", %" PRIu32 " nodes: %s\n", play->seed, play->nodes, wrong);
	printf("  sim --store %s --nodes %" PRIu32 " --first %" PRIu64 " --seeds 1 --events %"
	       PRIu64 " --story\n", stores[options->store], play->nodes, play->seed,
	       play->events);
	if (options->shrink)
		show_why(options, play, wrong);
	fflush(stdout);
}

static void run_once(const struct options *options, struct play *play, struct buf *story,
		     struct outcome *ret_outcome)
{
	play->medium = options->store == STORE_MODEL ? &medium_model : &medium_sqlite;
	play->of_stores = options->store == STORE_SQLITE;
	play_run(play, story, NULL, ret_outcome);
}

/* Again, if it is to be held against another run: does it differ? */
static bool differs(const struct options *options, struct play *play, uint64_t digest)
{
	struct outcome again;

	if (!options->twice && options->store != STORE_BOTH)
		return false;
	play->eager = options->twice;
	if (options->store == STORE_BOTH)
		play->medium = &medium_model;
	play_run(play, NULL, NULL, &again);
	digest ^= again.digest;
	outcome_free(&again);
	return digest != 0;
}

static void run_seeds(const struct options *options, uint32_t nodes, struct sum *sum)
{
	for (uint64_t i = 0; i < options->seeds; i++) {
		struct play play = { .seed = options->first + i, .nodes = nodes,
				     .events = options->events, .next = NEXT };
		struct outcome outcome;
		struct buf story = { 0 };

		run_once(options, &play, options->story ? &story : NULL, &outcome);
		fputs(buf_str(&story), stdout);
		buf_free(&story);
		add(&sum->counts, &outcome.counts);
		if (outcome.wrong)
			say_wrong(options, &play, outcome.wrong, sum);
		else if (differs(options, &play, outcome.digest))
			say_wrong(options, &play, DIFFERS, sum);
		outcome_free(&outcome);
	}
}

static void report(const struct options *options, const struct sum *sum, uint32_t nodes)
{
	const struct world_counts *c = &sum->counts;

	printf(options->json
	       ? "{\"store\":\"%s\",\"nodes\":%" PRIu32 ",\"seeds\":%" PRIu64
		 ",\"events\":%" PRIu64 ",\"faults\":%" PRIu64 ",\"commits\":%" PRIu64
		 ",\"epochs\":%" PRIu64 ",\"views\":%" PRIu64 ",\"crashes\":%" PRIu64
		 ",\"fences\":%" PRIu64 ",\"starts\":%" PRIu64 ",\"moves\":%" PRIu64
		 ",\"saves\":%" PRIu64 ",\"alone\":%" PRIu64
		 ",\"lies\":%" PRIu64 ",\"turns\":%" PRIu64 ",\"acknowledged\":%" PRIu64
		 ",\"elections\":%" PRIu64 ",\"bad\":%" PRIu64 ",\"events_per_s\":%.0f}\n"
	       : "sim: store=%s nodes=%" PRIu32 " seeds=%" PRIu64 " events=%" PRIu64
		 " faults=%" PRIu64 " commits=%" PRIu64 " epochs=%" PRIu64 " views=%" PRIu64
		 " crashes=%" PRIu64 " fences=%" PRIu64 " starts=%" PRIu64 " moves=%" PRIu64
		 " saves=%" PRIu64 " alone=%" PRIu64
		 " lies=%" PRIu64 " turns=%" PRIu64 " acknowledged=%" PRIu64 " elections=%" PRIu64
		 " bad=%" PRIu64 " events/s=%.0f\n",
	       stores[options->store], nodes, options->seeds, c->events, c->faults, c->commits,
	       c->epochs, c->views, c->crashes, c->fences, c->starts, c->moves, c->saves, c->alone,
	       c->lies, c->turns, c->acks, c->elections, sum->bad,
	       sum->seconds > 0 ? (double)c->events / sum->seconds : 0);
}

static uint64_t replay(const struct options *options, const char *path)
{
	struct outcome outcome;
	struct play play;
	struct buf story = { 0 };
	unsigned line;
	int r = play_read(path, &play, &line);
	uint64_t bad;

	play.next = NEXT;
	if (r < 0) {
		printf("%s:%u: %s\n", path, line, strerror(-r));
		return 1;
	}
	run_once(options, &play, options->story ? &story : NULL, &outcome);
	fputs(buf_str(&story), stdout);
	if (!outcome.wrong && differs(options, &play, outcome.digest))
		outcome.wrong = mem_strdup(DIFFERS);
	printf("%s: %s\n", path, outcome.wrong ? outcome.wrong : "ok");
	if (outcome.wrong && options->shrink)
		show_why(options, &play, outcome.wrong);
	bad = outcome.wrong != NULL;
	buf_free(&story);
	outcome_free(&outcome);
	play_free(&play);
	return bad;
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
	fputs("usage: sim [--seeds N] [--first S] [--nodes K] [--events E] "
	      "[--store model|sqlite|both] [--twice] [--shrink RUNS] [--json] [--story] "
	      "[FILE...]\n", stderr);
	return 2;
}

static int parse_store(const char *text, enum store *ret_store)
{
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++)
		if (strcmp(text, stores[i]) == 0) {
			*ret_store = (enum store)i;
			return 0;
		}
	return -EINVAL;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "seeds", required_argument, NULL, 's' },
		{ "first", required_argument, NULL, 'f' },
		{ "nodes", required_argument, NULL, 'n' },
		{ "events", required_argument, NULL, 'e' },
		{ "store", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "story", no_argument, NULL, 'v' },
		{ "twice", no_argument, NULL, '2' },
		{ "shrink", required_argument, NULL, 'k' },
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
		else if (c == 'k')
			r = text_parse_uint(optarg, 1, 1000000, &options->shrink);
		else if (c == 'd')
			r = parse_store(optarg, &options->store);
		else if (c == 'j')
			options->json = true;
		else if (c == 'v')
			options->story = true;
		else if (c == '2')
			options->twice = true;
		else
			r = -EINVAL;
	}
	return r < 0 ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = { 2, 3, 5, 7, 16 };
	struct options options = { .seeds = 20, .first = 1, .events = 20000 };
	uint64_t bad = 0;

	if (parse(argc, argv, &options) < 0)
		return usage();
	for (int i = optind; i < argc; i++)
		bad += replay(&options, argv[i]);
	if (optind < argc)
		return bad > 0;
	if (options.nodes)
		return run_all(&options, (uint32_t)options.nodes) > 0;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		bad += run_all(&options, sizes[i]);
	return bad > 0;
}
