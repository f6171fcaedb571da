/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/nearest.h"
#include "base/cleanup.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static void test_distance(void)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} cases[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "abc", "", 3 },
		{ "list", "list", 0 },
		{ "lsit", "list", 1 },
		{ "lst", "list", 1 },
		{ "liist", "list", 1 },
		{ "lint", "list", 1 },
		{ "ab", "ba", 1 },
		{ "kitten", "sitting", 3 },
		{ "migrat", "migrate", 1 },
		{ "abcd", "badc", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t distance = nearest_distance(cases[i].a, cases[i].b);

		if (distance != cases[i].distance)
			printf("%s %s: %zu\n", cases[i].a, cases[i].b, distance);
		CU_ASSERT_EQUAL(distance, cases[i].distance);
		CU_ASSERT_EQUAL(nearest_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
}

static void test_long_words(void)
{
	char longest[NEAREST_WORD_MAX + 1] = { 0 }, longer[NEAREST_WORD_MAX + 2] = { 0 };

	memset(longest, 'a', NEAREST_WORD_MAX);
	memset(longer, 'a', NEAREST_WORD_MAX + 1);
	CU_ASSERT_EQUAL(nearest_distance(longest, longest), 0);
	CU_ASSERT_EQUAL(nearest_distance(longest, longer), NEAREST_WORD_MAX);
	CU_ASSERT_EQUAL(nearest_distance(longer, longer), NEAREST_WORD_MAX);
}

static void test_word(void)
{
	static const char *const words[] = { "start", "stop", "status", "list", "migrate", "n1" };
	static const struct {
		const char *typed, *near;
	} cases[] = {
		{ "strat", "start" },   { "stpo", "stop" },
		{ "statsu", "status" }, { "migrrate", "migrate" },
		{ "ls", NULL },         { "completely", NULL },
		{ "x", NULL },          { "", NULL },
		{ "lists", "list" },    { "n2", "n1" },
		{ "lost", "list" },     { "fast", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *near = nearest_word(cases[i].typed, words, ARRAY_SIZE(words));

		if (near != cases[i].near &&
		    (!near || !cases[i].near || strcmp(near, cases[i].near) != 0)) {
			printf("%s: %s\n", cases[i].typed, near ? near : "nothing");
			CU_FAIL("nearest");
		}
	}
	CU_ASSERT_PTR_NULL(nearest_word("a", words, 0));
}

static void test_explain(void)
{
	static const char *const words[] = { "high", "medium", "low" };
	_cleanup_(buf_free) struct buf near = { 0 }, far = { 0 }, two = { 0 };

	nearest_explain("priority", "hihg", words, 3, &near);
	CU_ASSERT_STRING_EQUAL(buf_str(&near),
			       "priority is high, medium or low, not 'hihg'; did you mean 'high'?");
	nearest_explain("priority", "urgent", words, 3, &far);
	CU_ASSERT_STRING_EQUAL(buf_str(&far), "priority is high, medium or low, not 'urgent'");
	nearest_explain("it", "", words, 2, &two);
	CU_ASSERT_STRING_EQUAL(buf_str(&two), "it is high or medium, not ''");
}

UNIT_MAIN("base/nearest", { "distance", test_distance }, { "long-words", test_long_words },
	  { "word", test_word }, { "explain", test_explain })
