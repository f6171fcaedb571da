/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FAULT_LOAD_H
#define TESTS_FAULT_LOAD_H

/*
 * A load is what a core could ask of a store, by dice, beside a disk that does the same at once: a
 * model of what the store has to hold.
 */

#include "clusterd/shell/store.h"
#include "tests/sim/rng.h"
#include "tests/trace/disk.h"

/*
 * The next batch; it is carried out on the model. big: so much that the log of the store grows
 * quickly. Free the array and what it holds, unless a store has taken it.
 */
struct persist *load_batch(struct rng *rng, struct disk *model, bool big, size_t *ret_n);
void load_free(struct persist *persists, size_t n);

/* All that the store holds but its disk id. 0 or what reading said. */
int load_read(struct store *store, struct disk *ret);
/* Of everything but the disk id. */
uint64_t load_digest(const struct disk *disk);

#endif
