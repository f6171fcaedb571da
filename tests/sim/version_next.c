/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/next/build.h"
#include "tests/next/next.h"
#include "tests/sim/version.h"

const struct version version_next = {
	.build = &build_next,
	.level = FEATURE_NEXT,
	.state_new = next_state_new,
	.state_free = next_state_free,
	.apply_entry = next_apply_entry,
};
