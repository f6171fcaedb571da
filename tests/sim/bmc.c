/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/bmc.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tests/sim/world_private.h"
#include "wire/message.h"

/* A fence call: an agent process on the node that makes it. */
struct call {
	uint32_t executor, node;
	uint32_t target;	/* what the node's device switches */
	uint64_t ask;
	bool status;
	bool orphan;		/* nobody waits for it; what the device was told goes on */
	bool acted;		/* the device has done what it does */
	bool seen_off;		/* and saw then that it is off, whatever has become of it since */
	uint64_t deadline_us;
};

struct device {
	enum bmc_mode mode;
	uint64_t until_us;
	uint32_t wired;		/* to that machine, until then */
	uint64_t wired_us;
};

struct bmc {
	struct world *world;
	struct device devices[WORLD_NODES + 1];
	struct idmap calls;	/* by number: struct call */
};

struct bmc *bmc_new(struct world *world)
{
	struct bmc *bmc = mem_new(struct bmc);

	bmc->world = world;
	return bmc;
}

void bmc_free(struct bmc *bmc)
{
	idmap_free(&bmc->calls, free);
	free(bmc);
}

void bmc_set(struct bmc *bmc, uint32_t node, enum bmc_mode mode, uint64_t for_us)
{
	bmc->devices[node].mode = mode;
	bmc->devices[node].until_us = bmc->world->now_us + for_us;
}

void bmc_miswire(struct bmc *bmc, uint32_t node, uint32_t machine, uint64_t for_us)
{
	bmc->devices[node].wired = machine;
	bmc->devices[node].wired_us = bmc->world->now_us + for_us;
}

/*
 * Of two voters without an epoch a device decides who goes on alone: one that speaks of another
 * machine would let both, and there is nothing to hold then. So these have the right cables.
 */
static uint32_t wired_to(const struct bmc *bmc, uint32_t executor, uint32_t node)
{
	const struct device *device = &bmc->devices[node];
	const struct core *core = bmc->world->machines[executor].core;
	struct core_standing standing;

	core_standing(core, &standing);
	return bmc->world->now_us < device->wired_us && standing.open ? device->wired : node;
}

static enum bmc_mode mode_of(const struct bmc *bmc, uint32_t node)
{
	const struct device *device = &bmc->devices[node];

	return bmc->world->now_us < device->until_us ? device->mode : BMC_WORKS;
}

static uint32_t node_named(const struct world *world, const char *name)
{
	const struct state *state = truth_state(world->truth);
	const Wire__Node *node = state ? state_node_named(state, name) : NULL;

	return node ? (uint32_t)node->id : 0;
}

static uint64_t time_to_act(struct bmc *bmc, const struct call *call)
{
	struct world *world = bmc->world;
	uint64_t left_us = call->deadline_us - world->now_us;

	return world_some(world, 50000,
			  call->node && mode_of(bmc, call->node) == BMC_SLOW && left_us > 8000000
				  ? left_us / 4 : 1500000);
}

void bmc_call(struct bmc *bmc, uint32_t executor, const struct ask *ask)
{
	struct world *world = bmc->world;
	const Wire__FenceCall *body = ask->request->fence;
	struct call *call = mem_new(struct call);
	uint64_t number = world_new_id(world);

	call->executor = executor;
	call->ask = ask->id;
	call->node = node_named(world, body->node_name);
	call->target = call->node ? wired_to(bmc, executor, call->node) : 0;
	call->status = body->action == WIRE__FENCE_CALL__ACTION__STATUS;
	call->deadline_us = world->now_us + ask->deadline_ms * UINT64_C(1000);
	idmap_put(&bmc->calls, number, call);
	world_tell(world, "n%u asks the device of n%u to %s", executor, call->node,
		   call->status ? "say" : "cut its power");
	if (call->target != call->node)
		world_tell(world, "which is that of n%u", call->target);
	world_due(world, DUE_DEVICE, executor, time_to_act(bmc, call), 0, number);
}

static void orphan(struct bmc *bmc, uint32_t executor, uint64_t ask)
{
	struct call *call;

	idmap_each(&bmc->calls, i, call)
		if (call->executor == executor && (!ask || call->ask == ask))
			call->orphan = true;
}

void bmc_cancel(struct bmc *bmc, uint32_t executor, uint64_t ask)
{
	orphan(bmc, executor, ask);
}

void bmc_daemon_gone(struct bmc *bmc, uint32_t executor)
{
	orphan(bmc, executor, 0);
}

static void answer(struct bmc *bmc, const struct call *call, Wire__AgentReply__Code code,
		   const char *text)
{
	struct machine *machine = &bmc->world->machines[call->executor];
	struct input input = { .kind = EVENT_AGENT_REPLY, .number = call->ask };
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;

	if (call->orphan)
		return;
	reply.code = code;
	reply.text = (char *)text;
	input.body = wire_dup(&reply.base);
	world_tell(bmc->world, "n%u hears from the device of n%u: %s", call->executor, call->node,
		   text);
	if (code == WIRE__AGENT_REPLY__CODE__OFF && call->target != call->node)
		truth_called_off(bmc->world->truth, call->node);
	world_input(machine, &input);
}

/* Something the device was told already is done, whoever has lost interest; a call is not begun. */
static void act(struct bmc *bmc, struct call *call)
{
	struct world *world = bmc->world;
	struct machine *target = &world->machines[call->target];

	bool slow = mode_of(bmc, call->node) == BMC_SLOW;

	call->acted = true;
	call->seen_off = slow && (!target->power || !call->status);
	if (call->status || !call->target || mode_of(bmc, call->node) == BMC_IDLE)
		return;
	if (target->power && call->target == call->node)
		truth_cut(world->truth, &world->machines[call->executor], call->target);
	machine_power_off(target);
	/* Somebody comes and switches it on again, one day. */
	machine_power_on(target,
			 world->healed || slow ? 5000 : world_some(world, 5000, 120000));
}

static void over(struct bmc *bmc, uint64_t number)
{
	free(idmap_remove(&bmc->calls, number));
}

static void say(struct bmc *bmc, uint64_t number)
{
	struct call call = *(struct call *)idmap_get(&bmc->calls, number);
	bool on = bmc->world->machines[call.target].power && !call.seen_off;

	over(bmc, number);
	if (!call.status && on)
		answer(bmc, &call, WIRE__AGENT_REPLY__CODE__FAILED, "it is still on");
	else
		answer(bmc, &call,
		       on ? WIRE__AGENT_REPLY__CODE__ON : WIRE__AGENT_REPLY__CODE__OFF,
		       on ? "on" : "off");
}

static uint64_t time_to_say(struct bmc *bmc, const struct call *call, enum bmc_mode mode)
{
	struct world *world = bmc->world;
	uint64_t now_us = world->now_us;
	uint64_t left_us = call->deadline_us > now_us ? call->deadline_us - now_us : 0;

	if (mode == BMC_LATE)
		return left_us + 5000000;
	if (mode == BMC_SLOW)
		return world_some(world, left_us / 8, left_us);
	return world_some(world, 50000, 1000000);
}

void bmc_due(struct bmc *bmc, uint64_t number)
{
	struct world *world = bmc->world;
	struct call *call = idmap_get(&bmc->calls, number);
	enum bmc_mode mode = call->target ? mode_of(bmc, call->node) : BMC_FAILS;
	struct call was = *call;

	if (call->orphan && !call->acted) {
		over(bmc, number);
	} else if (call->acted) {
		say(bmc, number);
	} else if (mode == BMC_FAILS) {
		over(bmc, number);
		answer(bmc, &was, WIRE__AGENT_REPLY__CODE__FAILED, "the device refuses");
	} else if (mode == BMC_HANGS && world->now_us < call->deadline_us) {
		world_due(world, DUE_DEVICE, call->executor, call->deadline_us - world->now_us, 0,
			  number);
	} else if (mode == BMC_HANGS) {
		over(bmc, number);
		answer(bmc, &was, WIRE__AGENT_REPLY__CODE__TIMEOUT, "no answer in time");
	} else {
		act(bmc, call);
		world_due(world, DUE_DEVICE, was.executor, time_to_say(bmc, &was, mode), 0,
			  number);
	}
}
