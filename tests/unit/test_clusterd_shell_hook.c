/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libvirt's hook is told: whether a guest may come to life here. */
#include <stdio.h>
#include <string.h>

#include "clusterd/shell/hook.h"
#include "tests/trace/world_private.h"
#include "tests/unit/unit.h"

static bool may_run(struct world *world, unsigned node, const char *vm, bool marked)
{
	char uuid[40], request[200], reply[HOOK_REPLY_MAX];
	int size;

	world_uuid(vm, uuid);
	size = snprintf(request, sizeof(request),
			"{\"do\":\"may-run\",\"uuid\":\"%s\",\"op\":\"start\",\"marked\":%s}", uuid,
			marked ? "true" : "false");
	hook_answer(world_core(world, node), request, (size_t)size, reply);
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

UNIT_MAIN("clusterd/shell/hook", { "a guest that is managed=no", test_unmanaged },
	  { "where nobody looks", test_nobody_looks })
