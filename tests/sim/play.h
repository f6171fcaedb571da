/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_PLAY_H
#define TESTS_SIM_PLAY_H

/*
 * A play is one run of a world that can be shown again: a seed, a size, and either the faults that
 * the seed draws or a list of them. As a file:
 *
 *	# what it is about
 *	nodes 3
 *	seed 17
 *	events 20000
 *	12345 power n2 4000 1		a line for each fault (fault.h)
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/world.h"

struct play {
	uint64_t seed, events;
	uint32_t nodes;
	const struct version *next;	/* these three are of the world; not in the file */
	bool eager;
	const struct medium_kind *medium;	/* NULL: the model; not in the file either */
	bool of_stores;			/* faults of stores are drawn, too */
	bool listed;			/* the faults are those of the list */
	struct fault_list faults;
};

struct outcome {
	char *wrong;			/* a sentence; NULL if nothing is */
	uint64_t digest;
	struct world_counts counts;
};

/*
 * Runs it, heals it, and says how it went. story NULL: none is told. Where the faults are drawn
 * they are added to record, if that is not NULL.
 */
void play_run(const struct play *play, struct buf *story, struct fault_list *record,
	      struct outcome *ret_outcome);
void outcome_free(struct outcome *outcome);

void play_free(struct play *play);
void play_write(const struct play *play, struct buf *out);
/* -errno; -EINVAL: ret_line is the number of a line that cannot be read. */
int play_read(const char *path, struct play *ret_play, unsigned *ret_line);

/*
 * Of a play that goes wrong, one that goes wrong in the same way with as few faults as can be found
 * in so many runs. Two ways are the same if the sentences differ in numbers only.
 */
void play_shrink(const struct play *play, const char *wrong, unsigned runs, struct play *ret_play);

#endif
