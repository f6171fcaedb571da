/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/next/next.h"

/* The schema is that of tests/next/schema.sed only where it is compiled anew. */
#ifdef WITH_NEXT_SCHEMA
static const struct feature_field fields[] = {
	{ &wire__vm__descriptor, 900, FEATURE_NEXT },
	{ &wire__node_facts__descriptor, 900, FEATURE_NEXT },
	{ &wire__command__descriptor, 900, FEATURE_NEXT },
};
static const struct feature_value values[] = {
	{ &wire__vm__priority__descriptor, 9, FEATURE_NEXT },
};

const struct feature_table feature_table = {
	.max = FEATURE_NEXT, .fields = fields, .fields_n = 3, .values = values, .values_n = 1,
};
#else
const struct feature_table feature_table = { .max = FEATURE_NEXT };
#endif
