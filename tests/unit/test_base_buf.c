/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"
#include "tests/unit/unit.h"

#include <string.h>

static void test_empty(void)
{
	_cleanup_(buf_free) struct buf b = { 0 };

	CU_ASSERT_STRING_EQUAL(buf_str(&b), "");
	buf_reset(&b);
	buf_consume(&b, 0);
	buf_append(&b, NULL, 0);
	CU_ASSERT_EQUAL(b.len, 0);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "");
}

static void test_grows(void)
{
	_cleanup_(buf_free) struct buf b = { 0 };

	for (unsigned i = 0; i < 10000; i++) {
		buf_append_byte(&b, (uint8_t)i);
		CU_ASSERT_EQUAL_FATAL(b.data[b.len], 0);
	}
	CU_ASSERT_EQUAL(b.len, 10000);
	for (unsigned i = 0; i < 10000; i++)
		CU_ASSERT_EQUAL_FATAL(b.data[i], (uint8_t)i);
}

static void test_reserve_then_fill(void)
{
	_cleanup_(buf_free) struct buf b = { 0 };
	uint8_t *room;

	buf_append_str(&b, "ab");
	room = buf_reserve(&b, 500);
	CU_ASSERT_PTR_EQUAL(room, b.data + 2);
	CU_ASSERT_EQUAL(b.len, 2);
	CU_ASSERT_TRUE(b.cap > 502);
	memset(room, 'x', 500);
	b.len += 500;
	CU_ASSERT_EQUAL(b.data[501], 'x');
}

static void test_printf(void)
{
	_cleanup_(buf_free) struct buf b = { 0 };

	buf_printf(&b, "vm=%s node=%d", "web1", 3);
	buf_printf(&b, " %0100d", 7);
	CU_ASSERT_EQUAL(b.len, strlen("vm=web1 node=3") + 101);
	CU_ASSERT_EQUAL(strncmp(buf_str(&b), "vm=web1 node=3 0", 16), 0);
}

static void test_consume(void)
{
	static const struct {
		size_t n;
		const char *left;
	} cases[] = { { 0, "abcdef" }, { 1, "bcdef" }, { 5, "f" }, { 6, "" } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_free) struct buf b = { 0 };

		buf_append_str(&b, "abcdef");
		buf_consume(&b, cases[i].n);
		CU_ASSERT_STRING_EQUAL(buf_str(&b), cases[i].left);
		CU_ASSERT_EQUAL(b.len, strlen(cases[i].left));
	}
}

static void test_truncate_and_reset(void)
{
	_cleanup_(buf_free) struct buf b = { 0 };
	size_t cap;

	buf_append_str(&b, "abcdef");
	cap = b.cap;
	buf_truncate(&b, 2);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "ab");
	buf_reset(&b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "");
	CU_ASSERT_EQUAL(b.cap, cap);
}

static void test_steal(void)
{
	struct buf b = { 0 };
	_cleanup_(freep) char *nothing = buf_steal_str(&b);
	_cleanup_(freep) char *text = NULL;

	CU_ASSERT_STRING_EQUAL(nothing, "");
	buf_append_str(&b, "text");
	text = buf_steal_str(&b);
	CU_ASSERT_STRING_EQUAL(text, "text");
	CU_ASSERT_PTR_NULL(b.data);
	CU_ASSERT_EQUAL(b.len + b.cap, 0);
}

static void consume_too_much(void *context)
{
	buf_consume(context, 2);
}

static void reserve_all(void *context)
{
	buf_reserve(context, SIZE_MAX);
}

static void test_misuse_aborts(void)
{
	_cleanup_(buf_free) struct buf b = { 0 };

	buf_append_byte(&b, 1);
	CU_ASSERT_TRUE(unit_aborts(consume_too_much, &b));
	CU_ASSERT_TRUE(unit_aborts(reserve_all, &b));
}

UNIT_MAIN("base/buf", { "empty", test_empty }, { "grows", test_grows },
	  { "reserve then fill", test_reserve_then_fill }, { "printf", test_printf },
	  { "consume", test_consume }, { "truncate and reset", test_truncate_and_reset },
	  { "steal", test_steal }, { "misuse aborts", test_misuse_aborts })
