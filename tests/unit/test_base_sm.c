/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sm.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

enum { OFF, ON, BROKEN };

static const struct sm_state lamp[] = {
	[OFF] = { "off", .next = SM_BIT(ON) },
	[ON] = { "on", .next = SM_BIT(OFF) | SM_BIT(BROKEN) },
	[BROKEN] = { "broken", .final = true },
};

static void test_may_move(void)
{
	static const struct {
		unsigned from, to;
		bool may;
	} cases[] = {
		{ OFF, ON, true },    { OFF, OFF, false },    { OFF, BROKEN, false },
		{ ON, BROKEN, true }, { BROKEN, OFF, false }, { OFF, 3, false },
		{ 3, OFF, false },    { OFF, 64, false },     { 1000, 1000, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_EQUAL(sm_may_move(lamp, ARRAY_SIZE(lamp), cases[i].from, cases[i].to),
				cases[i].may);
}

static void test_names(void)
{
	unsigned state = 99;

	CU_ASSERT_STRING_EQUAL(sm_name(lamp, ARRAY_SIZE(lamp), ON), "on");
	CU_ASSERT_STRING_EQUAL(sm_name(lamp, ARRAY_SIZE(lamp), 3), "?");
	CU_ASSERT_EQUAL(sm_find(lamp, ARRAY_SIZE(lamp), "dim", &state), -ENOENT);
	CU_ASSERT_EQUAL(state, 99);
	CU_ASSERT_EQUAL(sm_find(lamp, ARRAY_SIZE(lamp), "broken", &state), 0);
	CU_ASSERT_EQUAL(state, BROKEN);
}

static void test_sound_tables(void)
{
	static const struct sm_state endless[] = {
		{ "left", .next = SM_BIT(1) },
		{ "right", .next = SM_BIT(0) | SM_BIT(1) },
	};
	struct sm_state largest[64];
	static char names[64][3];
	unsigned at;

	CU_ASSERT_PTR_NULL(sm_check_table(lamp, ARRAY_SIZE(lamp), SM_BIT(OFF), &at));
	CU_ASSERT_PTR_NULL(sm_check_table(endless, ARRAY_SIZE(endless), SM_BIT(0), &at));
	for (unsigned i = 0; i < 64; i++) {
		names[i][0] = (char)('a' + i / 26);
		names[i][1] = (char)('a' + i % 26);
		largest[i] = (struct sm_state){ .name = names[i],
						.next = i < 63 ? SM_BIT(i + 1) : 0,
						.final = i == 63 };
	}
	CU_ASSERT_PTR_NULL(sm_check_table(largest, 64, SM_BIT(0), &at));
}

static void test_unsound_tables(void)
{
	static const struct {
		struct sm_state table[3];
		size_t n;
		uint64_t starts;
		unsigned at;
		const char *wrong;
	} cases[] = {
		{ { { NULL } }, 0, 1, 0, "has fewer than 1 or more than 64 states" },
		{ { { NULL } }, 65, 1, 0, "has fewer than 1 or more than 64 states" },
		{ { { "a", SM_BIT(1) }, { "b", 0, true } },
		  2,
		  0,
		  0,
		  "starts in none or in what is no state" },
		{ { { "a", SM_BIT(1) }, { "b", 0, true } },
		  2,
		  SM_BIT(2),
		  0,
		  "starts in none or in what is no state" },
		{ { { "a", SM_BIT(1) }, { NULL, 0, true } }, 2, 1, 1, "has no name" },
		{ { { "a", SM_BIT(1) }, { "", 0, true } }, 2, 1, 1, "has no name" },
		{ { { "a", SM_BIT(1) }, { "a", 0, true } },
		  2,
		  1,
		  1,
		  "has the name of another state" },
		{ { { "a", SM_BIT(2) }, { "b", 0, true } }, 2, 1, 0, "leads to what is no state" },
		{ { { "a", SM_BIT(1) }, { "b", SM_BIT(0), true } },
		  2,
		  1,
		  1,
		  "is final but has a way out" },
		{ { { "a", SM_BIT(1) }, { "b" } }, 2, 1, 1, "is not final but has no way out" },
		{ { { "a", SM_BIT(1) }, { "b", SM_BIT(1) } },
		  2,
		  1,
		  1,
		  "is not final but has no way out" },
		{ { { "a", SM_BIT(1) }, { "b", 0, true }, { "c", SM_BIT(1) } },
		  3,
		  1,
		  2,
		  "is never reached" },
		{ { { "a", SM_BIT(1) | SM_BIT(2) }, { "b", SM_BIT(0) }, { "c", 0, true } },
		  3,
		  2,
		  9,
		  NULL },
		{ { { "a", SM_BIT(1) }, { "b", SM_BIT(0) }, { "c", 0, true } },
		  3,
		  5,
		  0,
		  "never comes to a final state" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned at = 77;
		const char *wrong =
			sm_check_table(cases[i].table, cases[i].n, cases[i].starts, &at);

		if (!cases[i].wrong) {
			CU_ASSERT_PTR_NULL(wrong);
			continue;
		}
		CU_ASSERT_PTR_NOT_NULL_FATAL(wrong);
		CU_ASSERT_STRING_EQUAL(wrong, cases[i].wrong);
		CU_ASSERT_EQUAL(at, cases[i].at);
	}
}

UNIT_MAIN("base/sm", { "may move", test_may_move }, { "names", test_names },
	  { "sound tables", test_sound_tables }, { "unsound tables", test_unsound_tables })
