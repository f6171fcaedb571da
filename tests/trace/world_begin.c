/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a world begins, with a cluster in it that is ready for guests; and how it ends. */
#include "tests/trace/world_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "wire/message.h"

static void genesis(struct world *world, unsigned witness)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Genesis genesis = WIRE__GENESIS__INIT;
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	Wire__Node nodes[WORLD_NODES], *list[WORLD_NODES];
	uint32_t voters[] = { 1, 2, 3, 4, 5 };
	char names[WORLD_NODES][16];
	struct update update;

	cluster.id = 1;
	cluster.name = (char *)"story";
	cluster.uuid = (char *)"12345678-9abc-4def-8123-456789abcdef";
	cluster.voters = voters;
	cluster.n_voters = world->nodes >= 5 ? 5 : world->nodes >= 3 ? 3 : 1;
	for (unsigned n = 0; n < world->nodes; n++) {
		wire__node__init(&nodes[n]);
		snprintf(names[n], sizeof(names[n]), "n%u", n + 1);
		nodes[n].id = n + 1;
		nodes[n].name = names[n];
		nodes[n].address = names[n];
		nodes[n].witness = n + 1 == witness;
		list[n] = &nodes[n];
	}
	genesis.cluster = &cluster;
	genesis.nodes = list;
	genesis.n_nodes = world->nodes;
	command.body_case = WIRE__COMMAND__BODY_GENESIS;
	command.genesis = &genesis;
	update_init(&update);
	core_genesis(&command, &update);
	for (size_t i = 0; i < update.persists_n; i++)
		disk_write(&world->machines[1].disk, &update.persists[i]);
	update_reset(&update);
}

static void add_fences(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++) {
		Wire__Command command = WIRE__COMMAND__INIT;
		Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
		Wire__Fence fence = WIRE__FENCE__INIT;
		Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;
		char name[16];

		snprintf(name, sizeof(name), "bmc-n%u", n);
		fence.name = name;
		fence.agent = (char *)"fence_test";
		fence.targets = &targets;
		fence.n_targets = 1;
		target.node = n;
		add.fence = &fence;
		command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
		command.fence_add = &add;
		world_ask(world, 1, &command);
	}
}

/* Each from the other node, which is the one that may have to use it. */
static void test_fences(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++) {
		Wire__Command command = WIRE__COMMAND__INIT;
		Wire__FenceTest test = WIRE__FENCE_TEST__INIT;
		char name[16];

		snprintf(name, sizeof(name), "bmc-n%u", n);
		test.name = name;
		command.body_case = WIRE__COMMAND__BODY_FENCE_TEST;
		command.fence_test = &test;
		world_ask(world, n == 1 ? 2 : 1, &command);
	}
}

static void add_volume(struct world *world)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VolumeAdd add = WIRE__VOLUME_ADD__INIT;
	Wire__Volume volume = WIRE__VOLUME__INIT;

	volume.name = (char *)"shared";
	volume.driver = (char *)"dir";
	volume.target = (char *)"/clusterstorage/shared";
	volume.declared_shared = true;
	add.volume = &volume;
	command.body_case = WIRE__COMMAND__BODY_VOLUME_ADD;
	command.volume_add = &add;
	world_ask(world, 1, &command);
}

static struct world *begin(unsigned nodes, unsigned witness)
{
	struct world *world = mem_new(struct world);

	assert(nodes >= 2 && nodes <= WORLD_NODES);
	world->nodes = nodes;
	world->now_ms = 1000;
	for (unsigned n = 1; n <= nodes; n++) {
		world->machines[n].host = host_new(world, n);
		world->machines[n].disk.id = 500 + n;
		world->machines[n].build = &build_this;
	}
	for (unsigned n = 1; n <= nodes; n++)
		for (unsigned m = 1; m <= nodes; m++)
			host_meet(world->machines[n].host, m, world->machines[m].host);
	genesis(world, witness);
	for (unsigned n = 1; n <= nodes; n++)
		world_start_node(world, n);
	world_settle(world, 10000);
	add_fences(world);
	if (nodes == 2)
		test_fences(world);
	add_volume(world);
	world_settle(world, 10000);
	world_story(world);
	return world;
}

struct world *world_new(unsigned nodes)
{
	return begin(nodes, 0);
}

struct world *world_new_led_by_witness(unsigned nodes)
{
	return begin(nodes, 1);
}

void world_free(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++) {
		world_end_core(world, n);
		world_drop_held(world, n);
		disk_wipe(&world->machines[n].disk);
		disk_wipe(&world->machines[n].copy);
		host_free(world->machines[n].host);
	}
	for (size_t i = world->first; i < world->last; i++)
		buf_free(&world->flights[i].frame);
	wire_free(world->verdict);
	buf_free(&world->story);
	buf_free(&world->told);
	free(world);
}
