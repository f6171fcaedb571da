/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libvirt's hook is told: whether a guest may come to life here. */
#include <stdio.h>
#include <string.h>

#include "clusterd/shell/hook.h"
#include "tests/trace/world_private.h"
#include "tests/unit/unit.h"

static enum hook_barrier pass_barrier(struct world *world, unsigned node)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Noop noop = WIRE__NOOP__INIT;

	command.body_case = WIRE__COMMAND__BODY_NOOP;
	command.noop = &noop;
	world_ask(world, node, &command);
	return world->verdict->code == WIRE__VERDICT__CODE__OK ? HOOK_PASSED : HOOK_HELD;
}

static bool may_run(struct world *world, unsigned node, const char *vm, bool marked)
{
	char uuid[40], request[200], reply[HOOK_REPLY_MAX + 1];
	int size;
	size_t n;

	world_uuid(vm, uuid);
	size = snprintf(request, sizeof(request),
			"{\"do\":\"may-run\",\"uuid\":\"%s\",\"op\":\"start\",\"marked\":%s}", uuid,
			marked ? "true" : "false");
	n = hook_answer(world_core(world, node), request, (size_t)size, HOOK_NOT_ASKED, reply);
	if (n == 0)
		n = hook_answer(world_core(world, node), request, (size_t)size,
				pass_barrier(world, node), reply);
	reply[n] = '\0';
	return strstr(reply, "\"ok\":true") != NULL;
}

/*
 * A guest of nobody's may be started by hand, but where it is out of step a node cannot know that
 * it is nobody's still: it may be managed and run elsewhere by now.
 */
static void test_unmanaged(void)
{
	struct world *world = world_new(3);

	CU_ASSERT_STRING_EQUAL(world_add_vm(world, "web1", 64), "");
	world_settle(world, 5000);
	CU_ASSERT_FALSE(may_run(world, 3, "web1", true));
	CU_ASSERT_STRING_EQUAL(world_set(world, "web1", "managed", "no"), "");
	world_settle(world, 5000);
	CU_ASSERT_TRUE(may_run(world, 3, "web1", true));
	world_split(world, 4);
	world_settle(world, 60000);
	CU_ASSERT_TRUE(may_run(world, 1, "web1", true));
	CU_ASSERT_STRING_EQUAL(world_set(world, "web1", "managed", "yes"), "");
	CU_ASSERT_FALSE(may_run(world, 3, "web1", true));
	/* Without the mark it is none of ours. */
	CU_ASSERT_TRUE(may_run(world, 3, "web1", false));
	world_split(world, 0);
	world_settle(world, 60000);
	CU_ASSERT_FALSE(may_run(world, 3, "web1", true));
	world_free(world);
}

/*
 * It is in the open epoch and knows no better than that the guest is managed=no; the others know
 * that it is managed again.
 */
static void test_lagging(void)
{
	/* Shorter and longer than the hook waits. */
	static const uint64_t lags_ms[] = { 500, 60000 };

	for (size_t i = 0; i < ARRAY_SIZE(lags_ms); i++) {
		struct world *world = world_new(3);
		size_t entries;

		CU_ASSERT_STRING_EQUAL(world_add_vm(world, "web1", 64), "");
		world_settle(world, 5000);
		CU_ASSERT_STRING_EQUAL(world_set(world, "web1", "managed", "no"), "");
		world_settle(world, 5000);
		entries = state_count(core_state(world_core(world, 3)),
				      WIRE__TABLE__TABLE_REQUEST);
		CU_ASSERT_TRUE(may_run(world, 3, "web1", true));
		/* That asked for nothing which is to be remembered. */
		CU_ASSERT_EQUAL(state_count(core_state(world_core(world, 3)),
					    WIRE__TABLE__TABLE_REQUEST), entries);
		world_lag(world, 3, lags_ms[i]);
		CU_ASSERT_STRING_EQUAL(world_set(world, "web1", "managed", "yes"), "");
		CU_ASSERT_FALSE(may_run(world, 3, "web1", true));
		CU_ASSERT_TRUE(may_run(world, 3, "web1", false) == (lags_ms[i] > 1500));
		world_free(world);
	}
}

/* Nobody waits for the word of a witness. */
static void test_nobody_looks(void)
{
	struct world *world = world_new_led_by_witness(3);

	CU_ASSERT_STRING_EQUAL(world_add_vm(world, "web1", 64), "");
	world_settle(world, 5000);
	CU_ASSERT_STRING_EQUAL(world_set(world, "web1", "managed", "no"), "");
	world_settle(world, 5000);
	CU_ASSERT_TRUE(may_run(world, 2, "web1", true));
	CU_ASSERT_FALSE(may_run(world, 1, "web1", true));
	CU_ASSERT_TRUE(may_run(world, 1, "web1", false));
	world_free(world);
}

/*
 * A node died while it was to start a guest, and another one runs that since. By what is on its
 * disk it has the right to start it still: that counts for nothing before it is asked to anew.
 */
static void test_right_of_before(void)
{
	struct world *world = world_new(3);
	const Wire__Vm *vm;
	unsigned owner;

	CU_ASSERT_STRING_EQUAL(world_add_vm(world, "web1", 64), "");
	for (int i = 0; i < 2000 && (vm = world_vm(world, "web1"))->phase !=
				    WIRE__VM__PHASE__STARTING; i++)
		world_tick(world);
	owner = vm->owner;
	world_stop_agent(world, owner);
	for (uint64_t until = world_now(world) + 500; world_now(world) < until;)
		world_tick(world);
	CU_ASSERT_EQUAL(world_vm(world, "web1")->phase, WIRE__VM__PHASE__STARTING);
	world_kill_node(world, owner);
	world_settle(world, 60000);
	CU_ASSERT_TRUE(world_runs(world, "web1") != 0);
	CU_ASSERT_TRUE(world_runs(world, "web1") != owner);
	world_split(world, 1u << (owner - 1));
	world_start_node(world, owner);
	world_settle(world, 5000);
	CU_ASSERT_FALSE(may_run(world, owner, "web1", true));
	world_split(world, 0);
	world_settle(world, 60000);
	CU_ASSERT_FALSE(may_run(world, owner, "web1", true));
	world_free(world);
}

UNIT_MAIN("clusterd/shell/hook", { "a guest that is managed=no", test_unmanaged },
	  { "a node that lags", test_lagging }, { "where nobody looks", test_nobody_looks },
	  { "a right of before", test_right_of_before })
