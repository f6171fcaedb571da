/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"
#include "base/idmap.h"
#include "base/mem.h"
#include "tests/unit/unit.h"

static int things[512];

static void test_empty(void)
{
	struct idmap m = { 0 };

	CU_ASSERT_PTR_NULL(idmap_get(&m, 0));
	CU_ASSERT_PTR_NULL(idmap_remove(&m, 7));
	CU_ASSERT_EQUAL(idmap_count(&m), 0);
	CU_ASSERT_EQUAL(idmap_lower_bound(&m, 0), 0);
	idmap_free(&m, NULL);
}

static void test_put_get_replace_remove(void)
{
	struct idmap m = { 0 };

	CU_ASSERT_PTR_NULL(idmap_put(&m, 5, &things[5]));
	CU_ASSERT_PTR_NULL(idmap_put(&m, UINT64_MAX, &things[6]));
	CU_ASSERT_PTR_NULL(idmap_put(&m, 0, &things[7]));
	CU_ASSERT_EQUAL(idmap_count(&m), 3);
	CU_ASSERT_PTR_EQUAL(idmap_get(&m, 5), &things[5]);
	CU_ASSERT_PTR_EQUAL(idmap_put(&m, 5, &things[8]), &things[5]);
	CU_ASSERT_EQUAL(idmap_count(&m), 3);
	CU_ASSERT_PTR_EQUAL(idmap_remove(&m, 5), &things[8]);
	CU_ASSERT_PTR_NULL(idmap_remove(&m, 5));
	CU_ASSERT_PTR_NULL(idmap_get(&m, 5));
	CU_ASSERT_PTR_EQUAL(idmap_get(&m, 0), &things[7]);
	CU_ASSERT_PTR_EQUAL(idmap_get(&m, UINT64_MAX), &things[6]);
	idmap_free(&m, NULL);
}

static void check_order(const struct idmap *m)
{
	uint64_t id, before = 0;

	for (size_t i = 0; i < idmap_count(m); i++) {
		idmap_at(m, i, &id);
		CU_ASSERT_TRUE(i == 0 || id > before);
		before = id;
	}
}

/* Against a plain array of 512 places, in an order that repeats. */
static void test_against_model(void)
{
	void *model[512] = { 0 };
	struct idmap m = { 0 };
	uint32_t random = 1;
	size_t count = 0;

	for (unsigned step = 0; step < 20000; step++) {
		unsigned id, thing;

		random = random * 1664525 + 1013904223;
		id = random >> 23;
		thing = (random >> 8) % 512;
		if (random & (1 << 20)) {
			CU_ASSERT_PTR_EQUAL_FATAL(idmap_put(&m, id, &things[thing]), model[id]);
			count += !model[id];
			model[id] = &things[thing];
		} else {
			CU_ASSERT_PTR_EQUAL_FATAL(idmap_remove(&m, id), model[id]);
			count -= !!model[id];
			model[id] = NULL;
		}
		CU_ASSERT_EQUAL_FATAL(idmap_count(&m), count);
	}
	check_order(&m);
	for (unsigned id = 0; id < 512; id++)
		CU_ASSERT_PTR_EQUAL(idmap_get(&m, id), model[id]);
	idmap_free(&m, NULL);
}

static void test_lower_bound(void)
{
	static const struct {
		uint64_t id;
		size_t index;
	} cases[] = { { 0, 0 },  { 10, 0 }, { 11, 1 }, { 20, 1 },
		      { 21, 2 }, { 30, 2 }, { 31, 3 }, { UINT64_MAX, 3 } };
	struct idmap m = { 0 };

	idmap_put(&m, 20, &things[0]);
	idmap_put(&m, 10, &things[1]);
	idmap_put(&m, 30, &things[2]);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_EQUAL(idmap_lower_bound(&m, cases[i].id), cases[i].index);
	idmap_free(&m, NULL);
}

static void test_each(void)
{
	struct idmap m = { 0 };
	int *thing;
	int sum = 0;

	idmap_each (&m, i, thing)
		CU_FAIL("an empty map has nothing to walk");
	for (int i = 3; i >= 1; i--) {
		things[i] = i;
		idmap_put(&m, (uint64_t)i, &things[i]);
	}
	idmap_each (&m, i, thing) {
		CU_ASSERT_EQUAL(*thing, (int)i + 1);
		sum += *thing;
	}
	CU_ASSERT_EQUAL(sum, 6);
	idmap_free(&m, NULL);
}

static struct buf order;

static void note_and_free(void *value)
{
	buf_append_str(&order, value);
	free(value);
}

static void test_free_destroys_in_order(void)
{
	struct idmap m = { 0 };

	idmap_put(&m, 3, mem_strdup("c"));
	idmap_put(&m, 1, mem_strdup("a"));
	idmap_put(&m, 2, mem_strdup("b"));
	idmap_free(&m, note_and_free);
	CU_ASSERT_STRING_EQUAL(buf_str(&order), "abc");
	CU_ASSERT_EQUAL(idmap_count(&m), 0);
	idmap_free(&m, note_and_free);
	buf_free(&order);
}

/* What is forgotten in turn: the room of the first is used again, however long that goes on. */
static void test_in_turn(void)
{
	struct idmap m = { 0 };

	for (uint64_t id = 0; id < 10000; id++) {
		CU_ASSERT_PTR_NULL(idmap_put(&m, id, &things[id % 512]));
		if (id >= 20)
			CU_ASSERT_PTR_EQUAL(idmap_remove(&m, id - 20), &things[(id - 20) % 512]);
	}
	CU_ASSERT_EQUAL(idmap_count(&m), 20);
	CU_ASSERT(m.cap <= 64);
	for (uint64_t id = 9980; id < 10000; id++)
		CU_ASSERT_PTR_EQUAL(idmap_get(&m, id), &things[id % 512]);
	CU_ASSERT_PTR_EQUAL(idmap_remove(&m, 9990), &things[9990 % 512]);
	CU_ASSERT_PTR_NULL(idmap_put(&m, 5, &things[5]));
	check_order(&m);
	idmap_free(&m, NULL);
}

UNIT_MAIN("base/idmap", { "empty", test_empty },
	  { "put, get, replace, remove", test_put_get_replace_remove },
	  { "against model", test_against_model }, { "lower bound", test_lower_bound },
	  { "in turn", test_in_turn },
	  { "each", test_each }, { "free destroys in order", test_free_destroys_in_order })
