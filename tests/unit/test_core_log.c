/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/log.h"

#include <inttypes.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct rlog log_under_test;
static struct update update;

static void begin(size_t keep)
{
	rlog_init(&log_under_test, keep);
	update_init(&update);
}

static void end(void)
{
	rlog_free(&log_under_test);
	update_reset(&update);
}

/* Entries up to `last`, one batch each, numbered like the entry. */
static void fill(uint64_t last, uint64_t epoch)
{
	for (uint64_t i = rlog_last(&log_under_test) + 1; i <= last; i++)
		rlog_append(&log_under_test, epoch, "x", 1, i, &update);
}

/* What the disk is asked for, since the last time: "append 1:2 cut 0" */
static const char *asked(void)
{
	static const char *const names[] = { "promise", "cut", "append", "trim" };
	static char text[1000];
	struct buf out = { 0 };

	for (size_t i = 0; i < update.persists_n; i++) {
		const struct persist *persist = &update.persists[i];

		buf_printf(&out, i ? " %s " : "%s ", names[persist->kind]);
		if (persist->kind == PERSIST_APPEND)
			buf_printf(&out, "%" PRIu64 ":%" PRIu64, persist->epoch, persist->index);
		else
			buf_printf(&out, "%" PRIu64, persist->value);
	}
	strncpy(text, buf_str(&out), sizeof(text) - 1);
	buf_free(&out);
	update_reset(&update);
	return text;
}

static void test_append_and_read(void)
{
	begin(0);
	CU_ASSERT_EQUAL(rlog_first(&log_under_test), 1);
	CU_ASSERT_EQUAL(rlog_last(&log_under_test), 0);
	CU_ASSERT_EQUAL(rlog_epoch(&log_under_test, 0), 0);
	fill(2, 1);
	fill(3, 4);
	CU_ASSERT_STRING_EQUAL(asked(), "append 1:1 append 1:2 append 4:3");
	CU_ASSERT_EQUAL(rlog_epoch(&log_under_test, 2), 1);
	CU_ASSERT_EQUAL(rlog_epoch(&log_under_test, 3), 4);
	CU_ASSERT_EQUAL(rlog_epoch(&log_under_test, 4), 0);
	CU_ASSERT_PTR_NULL(rlog_at(&log_under_test, 0));
	CU_ASSERT_PTR_NULL(rlog_at(&log_under_test, 4));
	CU_ASSERT_PTR_NULL(rlog_at(&log_under_test, UINT64_MAX));
	end();
}

static void test_durable(void)
{
	begin(0);
	fill(3, 1);
	for (uint64_t batch = 0; batch < 5; batch++)
		CU_ASSERT_EQUAL(rlog_durable(&log_under_test, batch), batch < 3 ? batch : 3);
	end();
}

static void test_cut(void)
{
	begin(0);
	fill(4, 1);
	asked();
	rlog_cut(&log_under_test, 9, &update);
	CU_ASSERT_STRING_EQUAL(asked(), "");
	rlog_cut(&log_under_test, 2, &update);
	fill(3, 2);
	CU_ASSERT_STRING_EQUAL(asked(), "cut 2 append 2:3");
	CU_ASSERT_EQUAL(rlog_last(&log_under_test), 3);
	rlog_cut(&log_under_test, 0, &update);
	CU_ASSERT_EQUAL(rlog_last(&log_under_test), 0);
	end();
}

static void test_trim(void)
{
	begin(8);
	fill(9, 3);
	asked();
	rlog_trim(&log_under_test, 9, &update);
	CU_ASSERT_STRING_EQUAL(asked(), "");		/* not for each single one */
	fill(10, 3);
	asked();
	rlog_trim(&log_under_test, 0, &update);
	CU_ASSERT_STRING_EQUAL(asked(), "");		/* nothing is applied */
	rlog_trim(&log_under_test, 1, &update);
	CU_ASSERT_STRING_EQUAL(asked(), "trim 2");
	rlog_trim(&log_under_test, 10, &update);
	CU_ASSERT_STRING_EQUAL(asked(), "");
	fill(100, 3);
	asked();
	rlog_trim(&log_under_test, 100, &update);
	CU_ASSERT_STRING_EQUAL(asked(), "trim 93");
	CU_ASSERT_EQUAL(rlog_first(&log_under_test), 93);
	CU_ASSERT_EQUAL(rlog_epoch(&log_under_test, 92), 3);
	CU_ASSERT_EQUAL(rlog_epoch(&log_under_test, 91), 0);
	end();
}

static void test_trim_by_bytes(void)
{
	static char large[32 * 1024];
	uint64_t kept = RLOG_KEEP_BYTES / sizeof(large);

	begin(0);
	for (uint64_t i = 0; i < 2 * kept; i++)
		rlog_append(&log_under_test, 1, large, sizeof(large), 1, &update);
	rlog_trim(&log_under_test, 2 * kept, &update);
	CU_ASSERT_EQUAL(rlog_first(&log_under_test), kept + 1);
	CU_ASSERT_EQUAL(log_under_test.bytes, RLOG_KEEP_BYTES);
	end();
}

static void test_restart(void)
{
	static const struct {
		const char *what;
		uint64_t index, epoch;
		const char *asked;
		uint64_t last, last_epoch;
	} cases[] = {
		{ "what continues it stays", 3, 1, "append 1:4 append 1:5", 5, 1 },
		{ "what continues another goes", 3, 2, "", 3, 2 },
		{ "up to the last", 5, 1, "", 5, 1 },
		{ "beyond the last", 9, 4, "", 9, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(0);
		fill(5, 1);
		asked();
		rlog_restart(&log_under_test, cases[i].index, cases[i].epoch, 77, &update);
		CU_ASSERT_STRING_EQUAL(asked(), cases[i].asked);
		CU_ASSERT_EQUAL(rlog_first(&log_under_test), cases[i].index + 1);
		CU_ASSERT_EQUAL(rlog_last(&log_under_test), cases[i].last);
		CU_ASSERT_EQUAL(rlog_epoch(&log_under_test, cases[i].last), cases[i].last_epoch);
		CU_ASSERT_EQUAL(rlog_durable(&log_under_test, 76), cases[i].index);
		end();
	}
}

/* Room in front and behind, over and over. */
static void test_long_life(void)
{
	begin(16);
	for (uint64_t i = 1; i <= 5000; i++) {
		fill(i, 1 + i / 100);
		rlog_trim(&log_under_test, i, &update);
		if (i % 37 == 0)
			rlog_cut(&log_under_test, i - 3, &update);
		if (i % 37 == 0)
			fill(i, 1 + i / 100);
		update_reset(&update);
	}
	CU_ASSERT_EQUAL(rlog_last(&log_under_test), 5000);
	CU_ASSERT_TRUE(log_under_test.n <= 18 && log_under_test.cap <= 64);
	CU_ASSERT_EQUAL(log_under_test.bytes, log_under_test.n);
	for (uint64_t i = rlog_first(&log_under_test); i < 5000; i++)
		CU_ASSERT_EQUAL(rlog_epoch(&log_under_test, i), 1 + i / 100);
	end();
}

UNIT_MAIN("core/log", { "append and read", test_append_and_read }, { "durable", test_durable },
	  { "cut", test_cut }, { "trim", test_trim }, { "trim by bytes", test_trim_by_bytes },
	  { "restart", test_restart }, { "long life", test_long_life })
