/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was applied is written a moment later, each record once, and never after its entries go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/behind.h"
#include "tests/trace/world.h"
#include "tests/unit/unit.h"

enum { VM = WIRE__TABLE__TABLE_VM, EVENT = WIRE__TABLE__TABLE_EVENT };

static void change(struct behind *behind, uint32_t table, uint64_t id, const char *text)
{
	struct persist *persist =
		update_persist(&behind->changes, text ? PERSIST_PUT : PERSIST_DEL);

	persist->table = table;
	persist->id = id;
	if (text)
		buf_append_str(&persist->data, text);
}

static void applied(struct behind *behind, uint64_t index)
{
	struct persist *persist = update_persist(&behind->changes, PERSIST_APPLIED);

	persist->value = persist->index = index;
	persist->epoch = 1;
}

/* What a run at that time writes, as "vm 3 text, vm 4 gone, at 7". */
static const char *run(struct behind *behind, uint64_t index, uint64_t now_ms, bool now)
{
	static char said[400];
	struct update update;
	size_t n = 0;

	update_init(&update);
	behind_run(behind, index, now_ms, now, &update);
	said[0] = '\0';
	for (size_t i = 0; i < update.persists_n; i++) {
		struct persist *persist = &update.persists[i];

		n += (size_t)snprintf(said + n, sizeof(said) - n, "%s", i ? ", " : "");
		if (persist->kind == PERSIST_APPLIED)
			n += (size_t)snprintf(said + n, sizeof(said) - n, "at %d",
					      (int)persist->value);
		else
			n += (size_t)snprintf(said + n, sizeof(said) - n, "%s %d %s",
					      persist->table == VM ? "vm" : "event",
					      (int)persist->id,
					      persist->kind == PERSIST_DEL ? "gone"
					      : buf_str(&persist->data));
	}
	if (update.persists_n == 0 && update.deadline_ms)
		snprintf(said, sizeof(said), "wakes at %d", (int)update.deadline_ms);
	update_reset(&update);
	return said;
}

static void test_each_record_once(void)
{
	struct behind behind = { 0 };

	CU_ASSERT_STRING_EQUAL(run(&behind, 0, 1000, true), "");
	change(&behind, VM, 3, "a");
	change(&behind, EVENT, 1, "x");
	applied(&behind, 1);
	change(&behind, VM, 3, "b");
	change(&behind, VM, 4, "c");
	applied(&behind, 2);
	change(&behind, VM, 4, NULL);
	change(&behind, VM, 5, NULL);
	change(&behind, VM, 5, "again");
	applied(&behind, 3);
	CU_ASSERT_STRING_EQUAL(run(&behind, 3, 1000, true),
			       "vm 3 b, vm 4 gone, vm 5 again, event 1 x, at 3");
	CU_ASSERT_EQUAL(behind.written, 3);
	CU_ASSERT_STRING_EQUAL(run(&behind, 3, 5000, true), "");
	behind_free(&behind);
}

static void test_a_moment_later(void)
{
	struct behind behind = { 0 };

	change(&behind, VM, 3, "a");
	applied(&behind, 1);
	CU_ASSERT_STRING_EQUAL(run(&behind, 1, 1000, false), "wakes at 1100");
	applied(&behind, 2);
	/* From the first one on: what goes on changing is written all the same. */
	CU_ASSERT_STRING_EQUAL(run(&behind, 2, 1099, false), "wakes at 1100");
	CU_ASSERT_EQUAL(behind.written, 0);
	CU_ASSERT_STRING_EQUAL(run(&behind, 2, 1100, false), "vm 3 a, at 2");
	CU_ASSERT_EQUAL(behind.written, 2);
	applied(&behind, 3);
	CU_ASSERT_STRING_EQUAL(run(&behind, 3, 1100, false), "wakes at 1200");
	behind_free(&behind);
}

static void test_much_is_written_at_once(void)
{
	struct behind behind = { 0 };
	char *large = mem_array(BEHIND_BYTES_MAX / 4 + 1, 1);

	memset(large, 'x', BEHIND_BYTES_MAX / 4);
	for (unsigned i = 0; i < 3; i++)
		change(&behind, VM, 1, large);
	CU_ASSERT_STRING_EQUAL(run(&behind, 1, 1000, false), "wakes at 1100");
	change(&behind, VM, 1, large);
	change(&behind, VM, 1, "small");
	CU_ASSERT_STRING_EQUAL(run(&behind, 1, 1000, false), "vm 1 small");
	for (unsigned i = 0; i < BEHIND_MAX; i++)
		change(&behind, VM, 1, "y");
	CU_ASSERT_STRING_EQUAL(run(&behind, 1, 1001, false), "vm 1 y");
	free(large);
	behind_free(&behind);
}

/* Another state takes the place of the one whose changes were held. */
static void test_nothing_of_before_a_snapshot(void)
{
	struct behind behind = { 0 };

	change(&behind, VM, 3, "a");
	applied(&behind, 8);
	behind_stand(&behind, 700);
	CU_ASSERT_EQUAL(behind.written, 700);
	CU_ASSERT_STRING_EQUAL(run(&behind, 700, 5000, true), "");
	behind_free(&behind);
}

/* All of them die at once, before anything that follows from the last entries is on a disk. */
static void test_all_die_before_it_is_written(void)
{
	struct world *world = world_new(3);
	uint64_t index;

	CU_ASSERT_STRING_EQUAL(world_add_vm(world, "web", 512), "");
	world_settle(world, 60000);
	CU_ASSERT_STRING_EQUAL(world_set(world, "web", "priority", "high"), "");
	index = state_index(core_state(world_core(world, 1)));
	for (unsigned node = 1; node <= 3; node++)
		world_kill_daemon(world, node);
	for (unsigned node = 1; node <= 3; node++)
		world_start_daemon(world, node);
	world_settle(world, 60000);
	for (unsigned node = 1; node <= 3; node++)
		CU_ASSERT_TRUE(state_index(core_state(world_core(world, node))) > index);
	CU_ASSERT_EQUAL(world_vm(world, "web")->priority, WIRE__VM__PRIORITY__HIGH);
	world_free(world);
}

UNIT_MAIN("core/behind", { "each_record_once", test_each_record_once },
	  { "a_moment_later", test_a_moment_later },
	  { "much_is_written_at_once", test_much_is_written_at_once },
	  { "nothing_of_before_a_snapshot", test_nothing_of_before_a_snapshot },
	  { "all_die_before_it_is_written", test_all_die_before_it_is_written })
