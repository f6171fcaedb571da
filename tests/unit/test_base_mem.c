/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "tests/unit/unit.h"

#include <stdint.h>
#include <string.h>

struct budget {
	unsigned asked;
	unsigned allowed;
};

static bool within_budget(void *context, size_t bytes)
{
	struct budget *b = context;

	return b->asked++ < b->allowed;
}

static void test_new_is_zeroed(void)
{
	_cleanup_(freep) uint64_t *one = mem_new(uint64_t);
	_cleanup_(freep) uint32_t *many = mem_new_array(uint32_t, 100);

	CU_ASSERT_EQUAL(*one, 0);
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(many[i], 0);
}

static void test_nothing_is_something(void)
{
	_cleanup_(freep) void *none = mem_array(0, 8);
	_cleanup_(freep) void *empty = mem_dup(NULL, 0);

	CU_ASSERT_PTR_NOT_NULL(none);
	CU_ASSERT_PTR_NOT_NULL(empty);
	CU_ASSERT_PTR_NULL(mem_strdup(NULL));
}

static void test_resize_keeps_content(void)
{
	_cleanup_(freep) char *p = mem_strdup("abc");

	p = mem_resize(p, 1000, 1);
	CU_ASSERT_STRING_EQUAL(p, "abc");
}

static void test_strings(void)
{
	_cleanup_(freep) char *copy = mem_strdup("web1");
	_cleanup_(freep) char *part = mem_strndup("web1", 3);
	_cleanup_(freep) char *whole = mem_strndup("web1", 30);
	_cleanup_(freep) char *printed = mem_printf("%s-%d", "node", 3);
	_cleanup_(freep) char *nothing = mem_printf("%s", "");

	CU_ASSERT_STRING_EQUAL(copy, "web1");
	CU_ASSERT_STRING_EQUAL(part, "web");
	CU_ASSERT_STRING_EQUAL(whole, "web1");
	CU_ASSERT_STRING_EQUAL(printed, "node-3");
	CU_ASSERT_STRING_EQUAL(nothing, "");
}

static void use_all(void *context)
{
	_cleanup_(freep) char *a = NULL;
	_cleanup_(freep) char *b = NULL;
	_cleanup_(freep) char *c = NULL;

	mem_set_hook(within_budget, context);
	a = mem_strdup("a");
	b = mem_printf("%d", 1);
	c = mem_new_array(char, 10);
	c = mem_resize(c, 20, 1);
	mem_set_hook(NULL, NULL);
}

/* Fails the first, second, ... allocation until there is none left to fail. */
static void test_every_failure_aborts(void)
{
	for (unsigned i = 0; i < 4; i++) {
		struct budget b = { .allowed = i };

		CU_ASSERT_TRUE(unit_aborts(use_all, &b));
	}
	struct budget enough = { .allowed = 4 };

	CU_ASSERT_FALSE(unit_aborts(use_all, &enough));
}

static void overflow_array(void *context)
{
	size_t half = SIZE_MAX / 2 + 1;
	void *volatile p = mem_array(half, 2);

	free(p);
}

static void test_overflow_aborts(void)
{
	CU_ASSERT_TRUE(unit_aborts(overflow_array, NULL));
}

UNIT_MAIN("base/mem", { "new is zeroed", test_new_is_zeroed },
	  { "nothing is something", test_nothing_is_something },
	  { "resize keeps content", test_resize_keeps_content }, { "strings", test_strings },
	  { "every failure aborts", test_every_failure_aborts },
	  { "overflow aborts", test_overflow_aborts })
