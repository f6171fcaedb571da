/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_VERSION_H
#define TESTS_SIM_VERSION_H

/*
 * A version is a clusterd as it may be installed on a node of a world: this one, or another that
 * was built with names of its own (tests/next). Of both, whoever only looks at a state or at what
 * a core holds can do so with the functions of this one.
 */

#include "clusterd/core/apply.h"
#include "tests/trace/build.h"

struct version {
	const struct build *build;
	uint32_t level;			/* the highest feature level it knows */
	struct state *(*state_new)(void);
	void (*state_free)(struct state *state);
	void (*apply_entry)(struct state *state, const Wire__Entry *entry, struct update *update,
			    Wire__Verdict **ret_verdict, uint64_t *ret_request);
};

extern const struct version version_this;
/* Only where the next version is linked, which knows of no rule that was taken out (mutants). */
extern const struct version version_next;

#endif
