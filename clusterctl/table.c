/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/table.h"

#include "base/buf.h"
#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

enum { COLUMNS_MAX = 16, GAP = 2, CUT_LEAST = 8 };

struct cell {
	char *text;
	enum table_tone tone;
};

struct table {
	size_t columns_n;
	bool right[COLUMNS_MAX];
	struct cell *cells; /* row by row; the headings are the first row */
	size_t cells_n, cells_cap;
};

/* ---- text on a terminal ---- */

/*
 * The character at s and how many bytes it has; 0 for bytes that are no UTF-8 (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF).
 */
static size_t decode(const char *s, uint32_t *ret)
{
	const unsigned char *b = (const unsigned char *)s;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = b[0] < 0x80 ? 1 : b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : b[0] >= 0xc2 ? 2 : 0;
	uint32_t c;

	if (len == 0)
		return 0;
	c = len == 1 ? b[0] : b[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (b[i] & 0x3fu);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

static bool in_ranges(uint32_t c, const uint32_t (*ranges)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

/*
 * Unicode's combining marks and East Asian wide blocks, as far as names and messages are likely
 * to use them.
 */
static size_t width_of(uint32_t c)
{
	static const uint32_t none[][2] = {
		{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x0610, 0x061a },
		{ 0x064b, 0x065f }, { 0x0900, 0x0902 }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },
		{ 0x200b, 0x200f }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
		{ 0xfeff, 0xfeff },
	};
	static const uint32_t wide[][2] = {
		{ 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0x33ff },
		{ 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xa000, 0xa4cf },
		{ 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f },
		{ 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
	};

	if (in_ranges(c, none, ARRAY_SIZE(none)))
		return 0;
	return in_ranges(c, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

size_t table_text_width(const char *text)
{
	size_t width = 0;

	while (*text) {
		uint32_t c = 0;
		size_t len = decode(text, &c);

		width += len ? width_of(c) : 1;
		text += len ? len : 1;
	}
	return width;
}

/*
 * C0, DEL and C1 controls drive terminals; the bidirectional overrides let a name pose as
 * another one.
 */
static bool is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

char *table_clean(const char *text)
{
	struct buf out = { 0 };

	while (*text) {
		uint32_t c = 0;
		size_t len = decode(text, &c);

		if (len && !is_harmful(c))
			buf_append(&out, text, len);
		else
			buf_append_byte(&out, *text == '\n' || *text == '\t' ? ' ' : '?');
		text += len ? len : 1;
	}
	return buf_steal_str(&out);
}

/* ---- the table ---- */

struct table *table_new_plain(size_t columns_n)
{
	struct table *table = mem_new(struct table);

	assert(columns_n > 0 && columns_n <= COLUMNS_MAX);
	table->columns_n = columns_n;
	return table;
}

struct table *table_new(const char *const *columns)
{
	struct table *table;
	size_t n = 0;

	while (columns[n])
		n++;
	table = table_new_plain(n);
	for (size_t i = 0; i < n; i++)
		table_cell(table, columns[i]);
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->cells_n; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

void table_align_right(struct table *table, size_t column)
{
	assert(column < table->columns_n);
	table->right[column] = true;
}

void table_cell_toned(struct table *table, enum table_tone tone, const char *text)
{
	if (table->cells_n == table->cells_cap) {
		table->cells_cap = table->cells_cap ? table->cells_cap * 2 : 64;
		table->cells = mem_resize(table->cells, table->cells_cap, sizeof(*table->cells));
	}
	table->cells[table->cells_n++] = (struct cell){
		.text = text && *text ? table_clean(text) : mem_strdup("-"),
		.tone = tone,
	};
}

void table_cell(struct table *table, const char *text)
{
	table_cell_toned(table, TABLE_PLAIN, text);
}

void table_cellf(struct table *table, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	text = mem_vprintf(format, args);
	va_end(args);
	table_cell(table, text);
}

static void measure(const struct table *table, size_t widths[COLUMNS_MAX])
{
	memset(widths, 0, COLUMNS_MAX * sizeof(*widths));
	for (size_t i = 0; i < table->cells_n; i++) {
		size_t width = table_text_width(table->cells[i].text);

		if (width > widths[i % table->columns_n])
			widths[i % table->columns_n] = width;
	}
}

/* Ends a text that is wider with "…", which is one column wide. */
static void cut_text(char **text, size_t width)
{
	size_t taken = 0, at = 0;
	char *cut;

	if (table_text_width(*text) <= width)
		return;
	for (;;) {
		uint32_t c = 0;
		size_t len = decode(*text + at, &c);

		taken += len ? width_of(c) : 1;
		if (taken + 1 > width)
			break;
		at += len ? len : 1;
	}
	cut = mem_printf("%.*s…", (int)at, *text);
	free(*text);
	*text = cut;
}

void table_fit(struct table *table, size_t width)
{
	size_t widths[COLUMNS_MAX], total = GAP * (table->columns_n - 1);

	measure(table, widths);
	for (size_t column = 0; column < table->columns_n; column++)
		total += widths[column];
	for (size_t column = table->columns_n; width && --column > 0 && total > width;) {
		size_t least = table_text_width(table->cells[column].text), room;

		if (least < CUT_LEAST)
			least = CUT_LEAST;
		if (table->right[column] || widths[column] <= least)
			continue;
		room = widths[column] - least < total - width ? least
							      : widths[column] - (total - width);
		total -= widths[column] - room;
		for (size_t i = column; i < table->cells_n; i += table->columns_n)
			cut_text(&table->cells[i].text, room);
	}
}

static void write_blanks(FILE *out, size_t n)
{
	while (n-- > 0)
		fputc(' ', out);
}

static void write_cell(const struct cell *cell, size_t room, bool right, FILE *out, bool colour)
{
	static const char *const codes[] = {
		[TABLE_GOOD] = "\033[32m", [TABLE_WARN] = "\033[33m", [TABLE_BAD] = "\033[31m"
	};
	size_t width = table_text_width(cell->text);
	bool coloured = colour && cell->tone != TABLE_PLAIN;

	if (right && room > width)
		write_blanks(out, room - width);
	fprintf(out, "%s%s%s", coloured ? codes[cell->tone] : "", cell->text,
		coloured ? "\033[0m" : "");
	if (!right && room > width)
		write_blanks(out, room - width);
}

void table_write(const struct table *table, FILE *out, bool colour)
{
	size_t widths[COLUMNS_MAX];

	measure(table, widths);
	for (size_t i = 0; i < table->cells_n; i++) {
		size_t column = i % table->columns_n;
		bool last = column + 1 == table->columns_n || i + 1 == table->cells_n;
		bool right = table->right[column];

		/* Nothing behind the last column: a line that needs no room takes none. */
		write_cell(&table->cells[i], last && !right ? 0 : widths[column], right, out,
			   colour);
		if (last)
			fputc('\n', out);
		else
			write_blanks(out, GAP);
	}
}
