/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/play.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/medium.h"

void play_run(const struct play *play, struct buf *story, struct fault_list *record,
	      struct outcome *ret_outcome)
{
	struct rng rng = { play->seed ^ UINT64_C(0xfa017) };
	struct world_config config = { .seed = play->seed, .nodes = play->nodes,
				       .eager = play->eager, .next = play->next, .story = story,
				       .medium = play->medium ? play->medium : &medium_model };
	struct fault_mix mix;
	struct fault_source faults = { 0 };
	struct world *world = world_new(&config);

	if (play->listed) {
		faults.list = &play->faults;
	} else {
		fault_mix_draw(&mix, &rng, play->of_stores);
		faults = (struct fault_source){ .mix = &mix, .rng = &rng, .record = record };
	}
	world_run(world, play->events, &faults);
	world_heal(world);
	*ret_outcome = (struct outcome){
		.wrong = mem_strdup(world_wrong(world)),
		.digest = world_digest(world),
		.counts = *world_counts(world),
	};
	world_free(world);
}

void outcome_free(struct outcome *outcome)
{
	free(outcome->wrong);
	*outcome = (struct outcome){ 0 };
}

void play_free(struct play *play)
{
	fault_list_free(&play->faults);
}

/* ---------------------------------------------------------------- files */

void play_write(const struct play *play, struct buf *out)
{
	buf_printf(out, "nodes %" PRIu32 "\nseed %" PRIu64 "\nevents %" PRIu64 "\n", play->nodes,
		   play->seed, play->events);
	for (size_t i = 0; i < play->faults.n; i++)
		fault_write(&play->faults.faults[i], out);
}

static int read_line(const char *line, struct play *play)
{
	struct fault fault;
	int r;

	if (sscanf(line, "nodes %" SCNu32, &play->nodes) == 1)
		return play->nodes >= 1 && play->nodes <= WORLD_NODES ? 0 : -EINVAL;
	if (sscanf(line, "seed %" SCNu64, &play->seed) == 1 ||
	    sscanf(line, "events %" SCNu64, &play->events) == 1)
		return 0;
	r = fault_read(line, &fault);
	if (r < 0 || r > 0)
		return r < 0 ? r : 0;
	if (fault.node > play->nodes + WORLD_SPARES)
		return -EINVAL;
	fault_list_add(&play->faults, &fault);
	return 0;
}

int play_read(const char *path, struct play *ret_play, unsigned *ret_line)
{
	struct play play = { .listed = true };
	FILE *file = fopen(path, "re");
	char line[256];
	int r = 0;

	*ret_line = 0;
	if (!file)
		return -errno;
	while (r == 0 && fgets(line, sizeof(line), file)) {
		++*ret_line;
		r = read_line(line, &play);
	}
	fclose(file);
	if (r == 0 && (!play.nodes || !play.events))
		r = -EINVAL;
	if (r < 0)
		play_free(&play);
	else
		*ret_play = play;
	return r;
}
