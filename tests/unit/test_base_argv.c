/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/argv.h"
#include "tests/unit/unit.h"

static void test_empty(void)
{
	struct argv a = { 0 };
	_cleanup_(freep) char *text = argv_text(&a);

	CU_ASSERT_PTR_NULL(argv_items(&a)[0]);
	CU_ASSERT_STRING_EQUAL(text, "");
	argv_free(&a);
}

static void test_built_in_order(void)
{
	static const char *const expected[] = { "fence_ipmilan", "--ip", "10.77.0.3",
						"--ipport=623", "" };
	_cleanup_(argv_free) struct argv a = { 0 };

	argv_add(&a, "fence_ipmilan");
	argv_add_all(&a, "--ip", "10.77.0.3", NULL);
	argv_addf(&a, "--ipport=%d", 623);
	argv_add(&a, "");
	CU_ASSERT_EQUAL_FATAL(a.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < a.count; i++)
		CU_ASSERT_STRING_EQUAL(argv_items(&a)[i], expected[i]);
	CU_ASSERT_PTR_NULL(argv_items(&a)[a.count]);
}

static void test_grows(void)
{
	_cleanup_(argv_free) struct argv a = { 0 };

	for (int i = 0; i < 1000; i++) {
		argv_addf(&a, "%d", i);
		CU_ASSERT_PTR_NULL_FATAL(argv_items(&a)[a.count]);
	}
	CU_ASSERT_EQUAL(a.count, 1000);
	CU_ASSERT_STRING_EQUAL(a.items[999], "999");
}

static void test_text(void)
{
	static const struct {
		const char *argument;
		const char *text;
	} cases[] = {
		{ "plain", "plain" },           { "/usr/sbin/x", "/usr/sbin/x" },
		{ "--a=b,c:d", "--a=b,c:d" },   { "", "''" },
		{ "two words", "'two words'" }, { "$HOME", "'$HOME'" },
		{ "it's", "'it'\\''s'" },       { "a\nb", "'a\\x0ab'" },
		{ "b\x7f", "'b\\x7f'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(argv_free) struct argv a = { 0 };
		_cleanup_(freep) char *text = NULL;

		argv_add(&a, cases[i].argument);
		text = argv_text(&a);
		CU_ASSERT_STRING_EQUAL(text, cases[i].text);
	}
}

UNIT_MAIN("base/argv", { "empty", test_empty }, { "built in order", test_built_in_order },
	  { "grows", test_grows }, { "text", test_text })
