/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/version.h"

#include "clusterd/core/feature.h"

static const struct build build = BUILD(, "this version");

const struct version version_this = {
	.build = &build,
	.level = FEATURE_FIRST,
	.state_new = state_new,
	.state_free = state_free,
	.apply_entry = apply_entry,
};
