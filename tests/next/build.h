/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_NEXT_BUILD_H
#define TESTS_NEXT_BUILD_H

/* The next version (next.h) in the same process: all of its names begin with next_. */

#include "clusterd/core/apply.h"
#include "tests/trace/build.h"

extern const struct build build_next;

void next_apply_entry(struct state *state, const Wire__Entry *entry, struct update *update,
		      Wire__Verdict **ret_verdict, uint64_t *ret_request);
struct state *next_state_new(void);
void next_state_free(struct state *state);

#endif
