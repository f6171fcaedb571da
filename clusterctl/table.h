/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Table: rows of text with aligned columns, for people.
 *
 * Widths are counted as a terminal shows UTF-8: wide East Asian characters take two columns,
 * combining marks none. What comes from guests and other programs is made harmless: control
 * characters and bytes that are no UTF-8 become '?'.
 */
#ifndef CLUSTERCTL_TABLE_H
#define CLUSTERCTL_TABLE_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

enum table_tone { TABLE_PLAIN, TABLE_GOOD, TABLE_WARN, TABLE_BAD };

/* columns: the headings, ended by NULL; or only how many columns there are, without headings. */
struct table *table_new(const char *const *columns);
struct table *table_new_plain(size_t columns_n);
void table_free(struct table *table);
DEFINE_CLEANUP(struct table *, table_free);

/* Numbers are easier to compare when they end in the same column. */
void table_align_right(struct table *table, size_t column);

/*
 * Adds the next cell, from left to right; a full row is followed by a new one. NULL and "" show
 * as '-'.
 */
void table_cell(struct table *table, const char *text);
void table_cellf(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void table_cell_toned(struct table *table, enum table_tone tone, const char *text);

/*
 * Makes a table with headings fit into so many columns of a terminal, as far as that goes: texts
 * are cut with "…", in the last column first, never below the width of the heading. Names in
 * the first column and numbers stay whole. width 0: no limit.
 */
void table_fit(struct table *table, size_t width);

/* Cells that are missing in the last row stay empty. colour: write tones as terminal colours. */
void table_write(const struct table *table, FILE *out, bool colour);

/* How many columns of a terminal a text takes. */
size_t table_text_width(const char *text);

/*
 * A copy in which everything that could drive a terminal is '?' and line ends are blanks. The
 * caller frees it.
 */
char *table_clean(const char *text);

#endif
