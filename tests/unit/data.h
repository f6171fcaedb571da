/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data: files that belong to a unit test, from tests/unit/data.
 */
#ifndef TESTS_UNIT_DATA_H
#define TESTS_UNIT_DATA_H

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

/* Reads a file; aborts without. make check says where the sources are, else we are there. */
static inline void data_read(const char *name, struct buf *out)
{
	const char *top = getenv("srcdir");
	struct buf path = { 0 };
	FILE *file;
	size_t n;

	buf_printf(&path, "%s/tests/unit/data/%s", top ? top : ".", name);
	file = fopen(buf_str(&path), "re");
	if (!file) {
		perror(buf_str(&path));
		abort();
	}
	while ((n = fread(buf_reserve(out, 4096), 1, 4096, file)) > 0)
		out->len += n;
	buf_reserve(out, 0);
	fclose(file);
	buf_free(&path);
}

#endif
