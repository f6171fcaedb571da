/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/table.h"
#include "tests/unit/unit.h"

#include <string.h>

static char *written(const struct table *table, bool colour)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	table_write(table, out, colour);
	fclose(out);
	return text;
}

static void test_aligned(void)
{
	static const char *const columns[] = { "NAME", "VMS", "REASON", NULL };
	_cleanup_(table_freep) struct table *table = table_new(columns);
	_cleanup_(freep) char *text = NULL;

	table_align_right(table, 1);
	table_cell(table, "n1");
	table_cellf(table, "%d", 12);
	table_cell(table, "a");
	table_cell(table, "node-2");
	table_cell(table, "3");
	table_cell(table, NULL);
	table_cell(table, "n3");
	text = written(table, false);
	CU_ASSERT_STRING_EQUAL(text, "NAME    VMS  REASON\n"
				     "n1       12  a\n"
				     "node-2    3  -\n"
				     "n3\n");
}

static void test_right_at_the_end(void)
{
	static const char *const columns[] = { "A", "SIZE", NULL };
	_cleanup_(table_freep) struct table *table = table_new(columns);
	_cleanup_(freep) char *text = NULL;

	table_align_right(table, 1);
	table_cell(table, "x");
	table_cell(table, "5");
	text = written(table, false);
	CU_ASSERT_STRING_EQUAL(text, "A  SIZE\nx     5\n");
}

static void test_utf8(void)
{
	_cleanup_(table_freep) struct table *table = table_new_plain(2);
	_cleanup_(freep) char *text = NULL;

	table_cell(table, "gr\xc3\xbc\xc3\x9f"
			  "e"); /* grüße: 5 columns, 7 bytes */
	table_cell(table, "1");
	table_cell(table, "\xe6\xbc\xa2\xe5\xad\x97"); /* two wide characters: 4 */
	table_cell(table, "2");
	table_cell(table, "e\xcc\x81"); /* e and a combining accent: 1 */
	table_cell(table, "3");
	text = written(table, false);
	CU_ASSERT_STRING_EQUAL(text, "gr\xc3\xbc\xc3\x9f"
				     "e  1\n"
				     "\xe6\xbc\xa2\xe5\xad\x97   2\n"
				     "e\xcc\x81      3\n");
}

static void test_width(void)
{
	static const struct {
		const char *text;
		size_t width;
	} cases[] = {
		{ "", 0 },
		{ "abc", 3 },
		{ "\xc3\xa4", 1 },
		{ "\xe2\x86\x92", 1 },
		{ "\xed\x95\x9c", 2 },
		{ "\xf0\x9f\x98\x80", 2 },
		{ "\xcc\x81", 0 },
		{ "\xff", 1 },
		{ "\xc3", 1 },
		{ "\xe2\x86", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_EQUAL(table_text_width(cases[i].text), cases[i].width);
}

/* What a guest or an agent says must not drive the terminal of an administrator. */
static void test_clean(void)
{
	static const struct {
		const char *text, *clean;
	} cases[] = {
		{ "plain", "plain" },
		{ "a\nb\tc", "a b c" },
		{ "\033[31mred\033[0m", "?[31mred?[0m" },
		{ "\x7f\r", "??" },
		{ "\xc2\x9b"
		  "31m",
		  "?31m" }, /* CSI as one character */
		{ "\xe2\x80\xae"
		  "gpj.exe",
		  "?gpj.exe" },                 /* right-to-left override */
		{ "\xc0\xaf", "??" },           /* overlong '/' */
		{ "\xed\xa0\x80", "???" },      /* surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* above U+10FFFF */
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "cut\xe2\x86", "cut??" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *clean = table_clean(cases[i].text);

		if (strcmp(clean, cases[i].clean) != 0)
			printf("case %zu: %s\n", i, clean);
		CU_ASSERT_STRING_EQUAL(clean, cases[i].clean);
	}
}

static void test_colour(void)
{
	_cleanup_(table_freep) struct table *table = table_new_plain(2);
	_cleanup_(freep) char *plain = NULL, *coloured = NULL;

	table_cell_toned(table, TABLE_BAD, "lost");
	table_cell(table, "x");
	table_cell_toned(table, TABLE_PLAIN, "up");
	table_cell(table, "\033[5m");
	plain = written(table, false);
	coloured = written(table, true);
	CU_ASSERT_STRING_EQUAL(plain, "lost  x\nup    ?[5m\n");
	CU_ASSERT_STRING_EQUAL(coloured, "\033[31mlost\033[0m  x\nup    ?[5m\n");
}

/* The last column gives way first, then those before it; names, numbers and headings do not. */
static void test_fit(void)
{
	static const struct {
		size_t width;
		const char *text;
	} cases[] = {
		{ 0, "NAME              STATE           VMS  REASON\n"
		     "a-very-long-name  up, not really   12  gr\xc3\xbc\xc3\x9f"
		     "e, many of them\n" },
		{ 58, "NAME              STATE           VMS  REASON\n"
		      "a-very-long-name  up, not really   12  gr\xc3\xbc\xc3\x9f"
		      "e, many of them\n" },
		{ 50, "NAME              STATE           VMS  REASON\n"
		      "a-very-long-name  up, not really   12  gr\xc3\xbc\xc3\x9f"
		      "e, man…\n" },
		{ 44, "NAME              STATE        VMS  REASON\n"
		      "a-very-long-name  up, not re…   12  gr\xc3\xbc\xc3\x9f"
		      "e, …\n" },
		{ 10, "NAME              STATE     VMS  REASON\n"
		      "a-very-long-name  up, not…   12  gr\xc3\xbc\xc3\x9f"
		      "e, …\n" },
	};
	static const char *const columns[] = { "NAME", "STATE", "VMS", "REASON", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(table_freep) struct table *table = table_new(columns);
		_cleanup_(freep) char *text = NULL;

		table_align_right(table, 2);
		table_cell(table, "a-very-long-name");
		table_cell(table, "up, not really");
		table_cell(table, "12");
		table_cell(table, "gr\xc3\xbc\xc3\x9f"
				  "e, many of them");
		table_fit(table, cases[i].width);
		text = written(table, false);
		CU_ASSERT_STRING_EQUAL(text, cases[i].text);
		if (strcmp(text, cases[i].text) != 0)
			printf("%zu:\n%s", cases[i].width, text);
	}
}

UNIT_MAIN("clusterctl/table", { "aligned", test_aligned },
	  { "right-at-the-end", test_right_at_the_end }, { "utf8", test_utf8 },
	  { "width", test_width }, { "clean", test_clean }, { "colour", test_colour },
	  { "fit", test_fit })
