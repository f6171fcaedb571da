/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who reaches whom, and when Corosync finds out. */
#include "tests/sim/world_private.h"

#include "clusterd/core/round.h"

static const struct evs_ops ops;

void net_init(struct world *world)
{
	world->evs = evs_new(world->nodes, &world->rng, &ops, world);
}

/* ---------------------------------------------------------------- messages */

void net_send(struct machine *machine, struct update *update)
{
	struct world *world = machine->world;

	for (size_t i = 0; i < update->frames_n; i++) {
		if (machine->spoil_draw)
			machine_spoil(machine, &update->frames[i]);
		evs_send(world->evs, machine->id, &update->frames[i]);
		world_due(world, DUE_PLACE, machine->id,
			  world_some(world, world->place_us / 2, world->place_us * 2),
			  machine->daemon_life, 0);
	}
}

/* When it reaches that member; never before what was sent before it. */
static void deliver_later(struct machine *machine)
{
	struct world *world = machine->world;
	uint64_t at_us = world->now_us + world_some(world, 20, 2 * world->place_us);

	if (world->now_us < machine->lag_until_us)
		at_us += machine->lag_us;
	if (at_us < machine->next_delivery_us)
		at_us = machine->next_delivery_us;
	machine->next_delivery_us = at_us;
	world_due(world, DUE_DELIVER, machine->id, at_us - world->now_us, machine->daemon_life, 0);
}

void net_place_due(struct machine *machine, uint64_t life)
{
	struct world *world = machine->world;
	bool lost;

	if (life != machine->daemon_life || !machine->core || machine->stalled)
		return;
	lost = world->now_us < world->lose_until_us && world_permille(world, world->lose);
	if (!evs_place(world->evs, machine->id, lost) || lost)
		return;
	for (uint64_t left = evs_members(world->evs, machine->id); left; left &= left - 1) {
		struct machine *member = &world->machines[nodes_lowest(left)];

		if (member->core)
			deliver_later(member);
	}
}

void net_deliver_due(struct machine *machine, uint64_t life)
{
	if (machine->core && life == machine->daemon_life)
		evs_deliver(machine->world->evs, machine->id);
}

static void on_deliver(void *context, uint32_t node, struct evs_message *message)
{
	struct world *world = context;
	struct input input = { .kind = EVENT_FRAME, .message = evs_message_ref(message) };

	world_input(&world->machines[node], &input);
}

/* ---------------------------------------------------------------- views */

static void note_ring(struct machine *machine, uint64_t ring)
{
	if (machine->told_ring != ring)
		machine->ring_us = machine->world->now_us;
	machine->told_ring = ring;
}

static void on_view(void *context, uint32_t node, uint64_t members, uint64_t ring)
{
	struct world *world = context;
	struct input input = { .kind = EVENT_VIEW, .members = members, .ring = ring };

	world->machines[node].next_delivery_us = 0;
	note_ring(&world->machines[node], ring);
	world_input(&world->machines[node], &input);
}

static const struct evs_ops ops = { on_deliver, on_view };

bool net_reaches(const struct world *world, uint32_t a, uint32_t b)
{
	const struct machine *x = &world->machines[a], *y = &world->machines[b];

	return x->power && y->power && x->side == y->side &&
	       world->now_us >= x->suspended_us && world->now_us >= y->suspended_us;
}

uint64_t net_members(const struct world *world, uint32_t node)
{
	return evs_members(world->evs, node);
}

void net_changed(struct world *world, uint64_t in_us)
{
	uint64_t at_us = world->now_us + in_us;

	if (world->regroup_us && world->regroup_us <= at_us)
		return;
	world->regroup_us = at_us;
	world_due(world, DUE_REGROUP, 0, in_us, 0, 0);
}

/* The token is missed after its timeout, and all have to agree then. */
void net_broken(struct machine *machine)
{
	struct world *world = machine->world;

	for (uint32_t id = 1; id <= world->nodes; id++)
		if (world->machines[id].side == machine->side)
			world->machines[id].stalled = true;
	net_changed(world, world_some(world, 2000000, 2600000));
}

/* In a storm, views come apart without any reason, and together again. */
static void spread(struct world *world, uint32_t *ret_of)
{
	for (uint32_t id = 1; id <= world->nodes; id++) {
		const struct machine *machine = &world->machines[id];

		ret_of[id - 1] = machine->side;
		if (world->storm_n && rng_below(&world->rng, 4) == 0)
			ret_of[id - 1] = 100 + rng_below(&world->rng, 2);
		/* Who stands still is missed by all others. */
		if (machine->power && (world->now_us < machine->suspended_us ||
				       world->now_us < machine->ringless_us))
			ret_of[id - 1] = 200 + id;
	}
}

/* A ring that is another one while the group is the same. */
static void tell_ring(struct machine *machine, const uint32_t *of)
{
	struct world *world = machine->world;
	struct input input = { .kind = EVENT_VIEW, .ring_only = true,
			       .members = evs_members(world->evs, machine->id) };

	for (uint32_t id = 1; id <= world->nodes; id++)
		if (world->machines[id].power && of[id - 1] == of[machine->id - 1])
			input.ring |= node_bit(id);
	if (machine->told_ring == input.ring || !machine->told_ring)
		return;
	note_ring(machine, input.ring);
	world_input(machine, &input);
}

/* What waited for a token. */
static void send_again(struct machine *machine)
{
	struct world *world = machine->world;

	machine->stalled = false;
	for (size_t n = evs_queued(world->evs, machine->id); n > 0; n--)
		world_due(world, DUE_PLACE, machine->id, world_some(world, 100, world->place_us),
			  machine->daemon_life, 0);
}

void net_regroup_due(struct world *world)
{
	uint32_t of[WORLD_NODES];
	uint64_t ghosts = 0, ring = 0;

	if (world->regroup_us != world->now_us)
		return;
	world->regroup_us = 0;
	world->counts.views++;
	spread(world, of);
	for (uint32_t id = 1; id <= world->nodes; id++) {
		const struct machine *machine = &world->machines[id];

		if (machine->ghost && !machine->core)
			ghosts |= node_bit(id);
		if (machine->power)
			ring |= node_bit(id);
	}
	evs_regroup(world->evs, of, !world->storm_n, ghosts, ring);
	for (uint32_t id = 1; id <= world->nodes; id++)
		if (world->machines[id].core) {
			tell_ring(&world->machines[id], of);
			if (world->machines[id].core && world->machines[id].stalled)
				send_again(&world->machines[id]);
		}
	for (uint32_t id = 1; id <= world->nodes; id++)
		world->machines[id].stalled = false;
	if (world->storm_n) {
		world->storm_n--;
		net_changed(world, world->storm_ms * 1000 + 1);
	}
}
