/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a world begins. */
#include "tests/sim/world_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusterd/core/round.h"

static void genesis(struct world *world, uint64_t knowing, bool known)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Genesis body = WIRE__GENESIS__INIT;
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	Wire__Node nodes[WORLD_NODES], *list[WORLD_NODES];
	uint32_t voters[WORLD_NODES];
	char names[WORLD_NODES][16];
	struct update update;

	cluster.id = 1;
	cluster.name = (char *)"sim";
	cluster.uuid = (char *)"12345678-9abc-4def-8123-456789abcdef";
	cluster.voters = voters;
	cluster.n_voters = world->voters;
	for (uint32_t i = 0; i < world->founders; i++) {
		wire__node__init(&nodes[i]);
		snprintf(names[i], sizeof(names[i]), "n%u", i + 1);
		voters[i] = i + 1;
		nodes[i].id = i + 1;
		nodes[i].name = nodes[i].address = names[i];
		nodes[i].disk_id = known ? world->machines[i + 1].disk->id : 0;
		list[i] = &nodes[i];
	}
	body.cluster = &cluster;
	body.nodes = list;
	body.n_nodes = world->founders;
	command.body_case = WIRE__COMMAND__BODY_GENESIS;
	command.genesis = &body;
	for (uint64_t left = knowing; left; left &= left - 1) {
		update_init(&update);
		if (core_genesis(&command, &update) < 0)
			world_fail(world, "genesis is refused");
		if (left == knowing)
			truth_genesis(world->truth, &update);
		machine_found(&world->machines[nodes_lowest(left)], &update);
		update_reset(&update);
	}
}

/* Machines that may become nodes; drawn apart, so that all else is the same without them. */
static uint32_t some_spares(const struct world_config *config)
{
	struct rng rng = { config->seed ^ UINT64_C(0x5ba7e5) };
	uint32_t n = rng_below(&rng, 2) ? 1 + rng_below(&rng, WORLD_SPARES) : 0;

	return config->nodes + n <= WORLD_NODES ? n : 0;
}

/* As few that who is behind gets a snapshot, in half of the worlds; drawn apart, too. */
static uint64_t some_log(const struct world_config *config)
{
	struct rng rng = { config->seed ^ UINT64_C(0x10941) };

	return rng_below(&rng, 2) ? 64 << rng_below(&rng, 3) : 0;
}

struct world *world_new(const struct world_config *config)
{
	struct world *world = mem_new(struct world);

	world->config = *config;
	world->founders = config->nodes;
	world->nodes = config->nodes + some_spares(config);
	world->voters = config->nodes >= 5 ? 5 : config->nodes >= 3 ? 3 : 1;
	world->rng.state = config->seed;
	world->now_us = 1000000;
	world->place_us = 100 << rng_below(&world->rng, 6);
	world->sync_us = 100 << rng_below(&world->rng, 9);
	world->job_ms = 1 << rng_below(&world->rng, 7);
	world->log_keep = some_log(config);
	config->medium->begin(config->seed);
	net_init(world);
	world->truth = truth_new(world);
	world->bmc = bmc_new(world);
	world->admin = admin_new(world);
	for (uint32_t id = 1; id <= world->nodes; id++) {
		machine_init(world, id);
		world->machines[id].spare = id > world->founders;
		world->machines[id].sync_us = world->sync_us << rng_below(&world->rng, 3);
		world->machines[id].rate = 990000 + rng_below(&world->rng, 20000);
	}
	/* Either a young cluster, of which but one node knows; or all of them do. */
	if (rng_below(&world->rng, 4) == 0)
		genesis(world, node_bit(1 + rng_below(&world->rng, world->voters)), false);
	else
		genesis(world, (UINT64_C(2) << (world->founders - 1)) - 1, true);
	for (uint32_t id = 1; id <= world->founders; id++)
		machine_power_on(&world->machines[id], rng_below(&world->rng, 5000));
	world_due(world, DUE_FAULT, 0, 0, 0, 0);
	return world;
}

void world_free(struct world *world)
{
	for (uint32_t id = 1; id <= world->nodes; id++)
		machine_free(&world->machines[id]);
	evs_free(world->evs);
	admin_free(world->admin);
	bmc_free(world->bmc);
	truth_free(world->truth);
	queue_free(&world->queue);
	free(world);
}
