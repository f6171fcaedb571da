/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens, in which order, and when. */
#include "tests/trace/world_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "wire/message.h"

/* The n-th is gone from the queue. */
static void take_fence(struct world *world, size_t n)
{
	world->fences_n--;
	memmove(&world->fences[n], &world->fences[n + 1],
		(world->fences_n - n) * sizeof(world->fences[0]));
}

static void cancel_fence(struct world *world, unsigned node, uint64_t ask)
{
	for (size_t i = world->fences_n; i-- > 0;)
		if (world->fences[i].node == node && world->fences[i].ask == ask) {
			char line[80];

			snprintf(line, sizeof(line), "n%u gives up fencing n%u", node,
				 world->fences[i].target);
			world_tell(world, line);
			take_fence(world, i);
		}
}

static void carry_out(struct world *world, unsigned node, struct update *update);

/* ------------------------------------------------------------------ events */

struct event world_event(struct world *world, enum event_kind kind)
{
	return (struct event){ .kind = kind,
			       .now_ms = world->now_ms,
			       .wall_ms = 1700000000000ull + world->now_ms };
}

static void twins_differ(const struct world *world, unsigned node, const char *what)
{
	char text[300];

	snprintf(text, sizeof(text), "the core of n%u and its eager twin differ: %s", node, what);
	world_never(world, text);
}

void world_take(struct world *world, unsigned node, const struct event *event)
{
	struct machine *machine = &world->machines[node];
	struct update update;
	const char *differs;

	if (!machine->core)
		return;
	machine->runs->update_init(&update);
	machine->runs->core_step(machine->core, event, &update);
	differs = twin_differs(machine->twin, machine->runs->core_step, event, &update);
	if (differs)
		twins_differ(world, node, differs);
	carry_out(world, node, &update);
	machine->runs->update_reset(&update);
	world_check(world);
}

static void send_view(struct world *world, unsigned node)
{
	uint32_t members[WORLD_NODES], ring[WORLD_NODES];
	struct event event = world_event(world, EVENT_VIEW);
	size_t m = 0, r = 0;

	for (unsigned n = 1; n <= world->nodes; n++) {
		if (world->machines[n].side != world->machines[node].side ||
		    !world->machines[n].power)
			continue;
		ring[r++] = n;
		if (world->machines[n].daemon)
			members[m++] = n;
	}
	event.view = (struct event_view){ members, m, ring, r };
	world_take(world, node, &event);
}

void world_drop_held(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	for (size_t i = 0; i < machine->held_n; i++)
		buf_free(&machine->held[i].frame);
	free(steal_ptr(machine->held));
	machine->held_n = 0;
	machine->lags_ms = 0;
}

void world_new_view(struct world *world)
{
	for (size_t i = world->first; i < world->last; i++)
		buf_free(&world->flights[i].frame);
	world->first = world->last = 0;
	for (unsigned n = 1; n <= world->nodes; n++)
		world_drop_held(world, n);
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].daemon)
			send_view(world, n);
}

/* What an agent says, as the daemon of that node reads it; NULL if there is none. */
static ProtobufCMessage *as_read(struct world *world, unsigned node, const ProtobufCMessage *said,
				 const ProtobufCMessageDescriptor *type)
{
	const struct machine *machine = &world->machines[node];
	_cleanup_(buf_free) struct buf packed = { 0 };
	ProtobufCMessage *message;
	int r;

	wire_pack(said, &packed);
	r = machine->runs->wire_unpack(type, packed.data, packed.len, &message);
	assert(r == 0);
	return message;
}

void world_news(void *context, unsigned node, const Wire__AgentNews *news)
{
	struct world *world = context;
	struct event event = world_event(world, EVENT_AGENT_NEWS);
	_cleanup_(wire_freep) ProtobufCMessage *read = NULL;

	if (!world->machines[node].core || world->machines[node].silent)
		return;
	read = as_read(world, node, &news->base, world->machines[node].runs->news);
	event.news = (const Wire__AgentNews *)read;
	world_take(world, node, &event);
}

void world_reply(void *context, unsigned node, uint64_t ask, const Wire__AgentReply *reply)
{
	struct world *world = context;
	struct event event = world_event(world, EVENT_AGENT_REPLY);
	_cleanup_(wire_freep) ProtobufCMessage *read = NULL;

	if (!world->machines[node].core)
		return;
	read = as_read(world, node, &reply->base, world->machines[node].runs->reply);
	event.reply = (struct event_reply){ ask, (const Wire__AgentReply *)read };
	world_take(world, node, &event);
}

void world_tell(void *context, const char *line)
{
	struct world *world = context;

	buf_printf(&world->story, "%s\n", line);
}

/* ------------------------------------------------------------------ carrying out */

static void fence_later(struct world *world, unsigned node, const struct ask *ask)
{
	const Wire__FenceCall *call = ask->request->fence;
	size_t n = world->fences_n++;

	assert(n < WORLD_FENCES);
	world->fences[n].node = node;
	world->fences[n].ask = ask->id;
	world->fences[n].target = (unsigned)(call->node_name[1] - '0');
	world->fences[n].status = call->action == WIRE__FENCE_CALL__ACTION__STATUS;
}

static void carry_out(struct world *world, unsigned node, struct update *update)
{
	struct machine *machine = &world->machines[node];

	for (size_t i = 0; i < update->persists_n; i++)
		disk_write(&machine->disk, &update->persists[i]);
	if (update->persists_n)
		machine->to_persist = update->persist_seq;
	for (size_t i = 0; i < update->frames_n; i++) {
		struct flight *flight = &world->flights[world->last++];

		assert(world->last < WORLD_FLIGHTS);
		*flight = (struct flight){ .sender = node, .side = machine->side };
		buf_append(&flight->frame, update->frames[i].data, update->frames[i].len);
	}
	for (size_t i = 0; i < update->cancels_n; i++)
		cancel_fence(world, node, update->cancels[i]);
	for (size_t i = 0; i < update->asks_n; i++) {
		if (update->asks[i].agent == AGENT_FENCE)
			fence_later(world, node, &update->asks[i]);
		else
			host_ask(machine->host, update->asks[i].id, update->asks[i].request);
	}
	for (size_t i = 0; i < update->answers_n; i++)
		if (update->answers[i].tag == world->verdict_tag) {
			wire_free(world->verdict);
			world->verdict = wire_dup(&update->answers[i].verdict->base);
		}
	machine->deadline_ms = update->deadline_ms;
	if (update->leave != LEAVE_NO && machine->daemon) {
		char line[200];

		snprintf(line, sizeof(line), "n%u: daemon ends: %s", node, update->leave_why);
		world_tell(world, line);
		machine->daemon = false;
		if (update->leave == LEAVE_DAMAGED) {
			disk_wipe(&machine->disk);
			disk_forget(&machine->disk);
			machine->disk.id += 100;
		}
	}
}

static void bury_daemons(struct world *world)
{
	bool changed = false;

	for (unsigned n = 1; n <= world->nodes; n++)
		if (!world->machines[n].daemon && world->machines[n].core) {
			world_end_core(world, n);
			host_agent_down(world->machines[n].host);
			world->machines[n].spoiled = false;
			changed = true;
		}
	if (changed)
		world_new_view(world);
}

/* ------------------------------------------------------------------ time */

/* What is of a protocol that the daemon does not speak is nothing to it. */
static void hand_over(struct world *world, unsigned node, const struct flight *flight)
{
	struct event event = world_event(world, EVENT_FRAME);
	struct frame_header header;
	ProtobufCMessage *body;
	int r = world->machines[node].runs->frame_decode(flight->frame.data, flight->frame.len,
							 &header, &body);

	if (r == -EPROTONOSUPPORT)
		return;
	assert(r == 0);
	event.frame = (struct event_frame){ flight->sender, &header, body };
	world_take(world, node, &event);
	wire_free(body);
}

static void hold(struct machine *machine, const struct flight *flight)
{
	struct flight *held;

	machine->held = mem_resize(machine->held, machine->held_n + 1, sizeof(*machine->held));
	held = &machine->held[machine->held_n++];
	*held = (struct flight){ .sender = flight->sender, .side = flight->side };
	buf_append(&held->frame, flight->frame.data, flight->frame.len);
}

/* In the order in which the others got it. */
static void catch_up(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];
	struct flight *held = steal_ptr(machine->held);
	size_t n = machine->held_n;

	machine->held_n = 0;
	machine->lags_ms = 0;
	for (size_t i = 0; i < n; i++) {
		if (machine->daemon)
			hand_over(world, node, &held[i]);
		buf_free(&held[i].frame);
	}
	free(held);
}

void world_lag(struct world *world, unsigned node, uint64_t for_ms)
{
	world->machines[node].lags_ms = world->now_ms + for_ms;
}

static bool deliver(struct world *world)
{
	struct flight flight;

	if (world->first == world->last)
		return false;
	flight = world->flights[world->first++];
	if (world->first == world->last)
		world->first = world->last = 0;
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].lags_ms)
			hold(&world->machines[n], &flight);
		else if (world->machines[n].daemon && world->machines[n].side == flight.side)
			hand_over(world, n, &flight);
	buf_free(&flight.frame);
	return true;
}

void world_sync_together(struct world *world)
{
	world->sync_together = true;
}

static bool sync_disks(struct world *world)
{
	bool did = false;

	for (unsigned n = 1; n <= world->nodes; n++) {
		struct machine *machine = &world->machines[n];
		struct event event = world_event(world, EVENT_PERSISTED);

		if (!machine->core || machine->persisted == machine->to_persist)
			continue;
		machine->persisted = event.persisted = machine->to_persist;
		world_take(world, n, &event);
		did = true;
		if (!world->sync_together)
			break;
	}
	return did;
}

static bool fence_now(struct world *world)
{
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;
	unsigned node, target;
	bool status, cut, on;
	uint64_t ask;

	if (!world->fences_n)
		return false;
	node = world->fences[0].node;
	ask = world->fences[0].ask;
	target = world->fences[0].target;
	status = world->fences[0].status;
	take_fence(world, 0);
	cut = !status && !world->fence_fails && !world->machines[target].miswired;
	if (cut) {
		char line[80];

		snprintf(line, sizeof(line), "power of n%u off, by n%u", target, node);
		world_tell(world, line);
	}
	on = world->machines[target].power && !world->machines[target].miswired && !cut;
	reply.code = world->fence_fails ? WIRE__AGENT_REPLY__CODE__FAILED
		     : on	       ? WIRE__AGENT_REPLY__CODE__ON
				       : WIRE__AGENT_REPLY__CODE__OFF;
	reply.text = (char *)(world->fence_fails ? world->fence_fails : "power is off");
	/* The device answers long before corosync misses the node. */
	world_reply(world, node, ask, &reply);
	if (cut && world->machines[target].power)
		world_kill_node(world, target);
	return true;
}

static bool hosts_act(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		if (host_act(world->machines[n].host))
			return true;
	return false;
}

bool world_step(struct world *world)
{
	bool did = deliver(world) || sync_disks(world) || hosts_act(world) || fence_now(world);

	bury_daemons(world);
	return did;
}

uint64_t world_next_deadline(const struct world *world)
{
	uint64_t next = UINT64_MAX;

	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].core && world->machines[n].deadline_ms &&
		    world->machines[n].deadline_ms < next)
			next = world->machines[n].deadline_ms;
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].lags_ms && world->machines[n].lags_ms < next)
			next = world->machines[n].lags_ms;
	return next;
}

void world_pass_time(struct world *world, uint64_t to_ms)
{
	world->now_ms = to_ms > world->now_ms ? to_ms : world->now_ms + 1;
	for (unsigned n = 1; n <= world->nodes; n++) {
		struct machine *machine = &world->machines[n];

		if (machine->lags_ms && machine->lags_ms <= world->now_ms)
			catch_up(world, n);
		if (machine->core && machine->deadline_ms &&
		    machine->deadline_ms <= world->now_ms) {
			struct event event = world_event(world, EVENT_TICK);

			machine->deadline_ms = 0;
			world_take(world, n, &event);
		}
	}
}

void world_settle(struct world *world, uint64_t idle_ms)
{
	uint64_t end_ms = world->now_ms + idle_ms;

	for (unsigned turns = 0;; turns++) {
		uint64_t next;

		assert(turns < 2000000);
		if (world_step(world))
			continue;
		next = world_next_deadline(world);
		if (next > end_ms)
			break;
		world_pass_time(world, next);
	}
	world->now_ms = end_ms;
}

void world_tick(struct world *world)
{
	if (!world_step(world))
		world_pass_time(world, world_next_deadline(world));
}

bool world_until(struct world *world, const char *text)
{
	for (unsigned turns = 0; turns < 200000; turns++) {
		uint64_t next;

		if (strstr(buf_str(&world->story), text))
			return true;
		if (world_step(world))
			continue;
		next = world_next_deadline(world);
		if (next == UINT64_MAX || next > world->now_ms + 1000000)
			return false;
		world_pass_time(world, next);
	}
	return false;
}
