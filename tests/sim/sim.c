/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim: whole clusters under faults, one seed after the other.
 *
 *	sim [--seeds N] [--first S] [--nodes K] [--events E] [--twice] [--shrink RUNS] [--json]
 *	    [--story]
 *	sim [--twice] [--shrink RUNS] [--story] FILE...
 *
 * Without --nodes: clusters of 3, 5, 7 and 16 nodes, so many seeds each. After so many events the
 * faults stop, and the cluster has to come together and do what it is there for. --twice runs each
 * seed again, with cores that look at everything at each step (core.h), and compares. Exit status 1
 * if anything was wrong, with a line that shows it again; with --shrink also the few faults that do
 * it, found in so many runs, and their story. A FILE has such faults.
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
#include "tests/sim/play.h"

#define DIFFERS "the same seed gave two different runs"

enum { SHOWN = 20 };			/* seeds that went wrong, of each size */

struct options {
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
	printf("  sim --nodes %" PRIu32 " --first %" PRIu64 " --seeds 1 --events %" PRIu64
	       " --story\n", play->nodes, play->seed, play->events);
	if (options->shrink)
		show_why(options, play, wrong);
	fflush(stdout);
}

static void run_seeds(const struct options *options, uint32_t nodes, struct sum *sum)
{
	for (uint64_t i = 0; i < options->seeds; i++) {
		struct play play = { .seed = options->first + i, .nodes = nodes,
				     .events = options->events };
		struct outcome outcome, again = { 0 };
		struct buf story = { 0 };

		play_run(&play, options->story ? &story : NULL, NULL, &outcome);
		fputs(buf_str(&story), stdout);
		buf_free(&story);
		play.eager = true;
		if (options->twice)
			play_run(&play, NULL, NULL, &again);
		add(&sum->counts, &outcome.counts);
		if (outcome.wrong)
			say_wrong(options, &play, outcome.wrong, sum);
		else if (options->twice && again.digest != outcome.digest)
			say_wrong(options, &play, DIFFERS, sum);
		outcome_free(&outcome);
		outcome_free(&again);
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

static uint64_t replay(const struct options *options, const char *path)
{
	struct outcome outcome, again = { 0 };
	struct play play;
	struct buf story = { 0 };
	unsigned line;
	int r = play_read(path, &play, &line);
	uint64_t bad;

	if (r < 0) {
		printf("%s:%u: %s\n", path, line, strerror(-r));
		return 1;
	}
	play_run(&play, options->story ? &story : NULL, NULL, &outcome);
	fputs(buf_str(&story), stdout);
	play.eager = true;
	if (options->twice)
		play_run(&play, NULL, NULL, &again);
	if (options->twice && !outcome.wrong && again.digest != outcome.digest)
		outcome.wrong = mem_strdup(DIFFERS);
	printf("%s: %s\n", path, outcome.wrong ? outcome.wrong : "ok");
	if (outcome.wrong && options->shrink)
		show_why(options, &play, outcome.wrong);
	bad = outcome.wrong != NULL;
	buf_free(&story);
	outcome_free(&outcome);
	outcome_free(&again);
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
	fputs("usage: sim [--seeds N] [--first S] [--nodes K] [--events E] [--twice] "
	      "[--shrink RUNS] [--json] [--story] [FILE...]\n", stderr);
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
	static const uint32_t sizes[] = { 3, 5, 7, 16 };
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
