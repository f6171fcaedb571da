/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/timers.h"
#include "tests/unit/unit.h"

static void test_empty(void)
{
	struct timers t = { 0 };
	uint64_t id;

	CU_ASSERT_EQUAL(timers_next_ms(&t), 0);
	CU_ASSERT_FALSE(timers_take(&t, UINT64_MAX, &id));
	timers_set(&t, 5, 0);
	CU_ASSERT_FALSE(timers_take(&t, UINT64_MAX, &id));
	timers_clear(&t);
}

static void expect(struct timers *t, uint64_t now_ms, uint64_t id)
{
	uint64_t got = 0;

	CU_ASSERT_TRUE(timers_take(t, now_ms, &got));
	CU_ASSERT_EQUAL(got, id);
}

static void test_in_order_of_time_then_id(void)
{
	struct timers t = { 0 };
	uint64_t id;

	timers_set(&t, 7, 300);
	timers_set(&t, 9, 100);
	timers_set(&t, 3, 300);
	timers_set(&t, 5, 200);
	CU_ASSERT_EQUAL(timers_next_ms(&t), 100);
	CU_ASSERT_FALSE(timers_take(&t, 99, &id));
	expect(&t, 200, 9);
	expect(&t, 200, 5);
	CU_ASSERT_FALSE(timers_take(&t, 299, &id));
	expect(&t, 300, 3);
	expect(&t, 300, 7);
	CU_ASSERT_EQUAL(timers_next_ms(&t), 0);
	timers_clear(&t);
}

static void test_one_time_for_an_id(void)
{
	struct timers t = { 0 };
	uint64_t id;

	timers_set(&t, 1, 100);
	timers_set(&t, 2, 200);
	timers_set(&t, 1, 300);
	CU_ASSERT_EQUAL(timers_next_ms(&t), 200);
	timers_set(&t, 2, 0);
	CU_ASSERT_EQUAL(timers_next_ms(&t), 300);
	timers_set(&t, 1, 50);
	expect(&t, 50, 1);
	CU_ASSERT_FALSE(timers_take(&t, UINT64_MAX, &id));
	timers_clear(&t);
}

/* Against a plain array: set, set anew, remove and take, many times. */
static void test_like_a_plain_array(void)
{
	enum { IDS = 40 };
	struct timers t = { 0 };
	uint64_t plain[IDS] = { 0 }, random = 1;

	for (unsigned turn = 0; turn < 20000; turn++) {
		uint64_t id, first = 0, got = 0;

		random = random * 6364136223846793005u + 1442695040888963407u;
		id = (random >> 33) % IDS;
		if ((random >> 60) < 12) {
			plain[id] = (random >> 40) % 8 ? (random >> 45) % 1000 + 1 : 0;
			timers_set(&t, id, plain[id]);
		}
		for (id = 0; id < IDS; id++)
			if (plain[id] && (!plain[first] || plain[id] < plain[first]))
				first = id;
		CU_ASSERT_EQUAL(timers_next_ms(&t), plain[first]);
		if ((random >> 60) < 10)
			continue;
		CU_ASSERT_EQUAL(timers_take(&t, 1000, &got), plain[first] != 0);
		if (plain[first])
			CU_ASSERT_EQUAL(got, first);
		plain[first] = 0;
	}
	timers_clear(&t);
}

UNIT_MAIN("base/timers",
	  { "nothing in it", test_empty },
	  { "in order of time, then of id", test_in_order_of_time_then_id },
	  { "an id has one time", test_one_time_for_an_id },
	  { "as a plain array would have it", test_like_a_plain_array })
