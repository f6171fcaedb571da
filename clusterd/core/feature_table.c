/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/feature.h"

/* What this version knows. Nothing in the schema is younger than the first level. */
const struct feature_table feature_table = { .max = FEATURE_FIRST };
