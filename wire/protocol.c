/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/frame.h"

/*
 * A change that another version could not read, or a limit that is raised (check.c), is a new
 * protocol: max grows by one, and min stays until no version is left that needs it. Whatever only
 * changes what apply does is no new protocol but a feature level (clusterd/core/feature.h).
 *
 *	1	since the first version
 */
const struct frame_protocols frame_protocols = { .min = 1, .max = 1 };
