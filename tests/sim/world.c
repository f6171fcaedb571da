/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is due, one thing after the other; and what a daemon takes and wants. */
#include "tests/sim/world_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/round.h"
#include "wire/message.h"

void world_fail(struct world *world, const char *format, ...)
{
	va_list args;

	if (world->wrong[0])
		return;
	va_start(args, format);
	vsnprintf(world->wrong, sizeof(world->wrong), format, args);
	va_end(args);
	world_tell(world, "WRONG: %s", world->wrong);
}

void world_tell(struct world *world, const char *format, ...)
{
	struct buf *story = world->config.story;
	va_list args;

	if (!story)
		return;
	buf_printf(story, "%9" PRIu64 ".%03" PRIu64 " ", world->now_us / 1000000,
		   world->now_us / 1000 % 1000);
	va_start(args, format);
	buf_vprintf(story, format, args);
	va_end(args);
	buf_append_byte(story, '\n');
}

uint64_t world_new_id(struct world *world)
{
	return ++world->last_id;
}

void world_due(struct world *world, enum due_kind kind, uint32_t node, uint64_t in_us,
	       uint64_t life, uint64_t number)
{
	struct due due = { .at_us = world->now_us + in_us, .kind = kind, .node = node,
			   .life = life, .number = number };

	queue_put(&world->queue, &due);
}

uint64_t world_some(struct world *world, uint64_t low, uint64_t high)
{
	return high > low ? low + rng_next(&world->rng) % (high - low) : low;
}

const char *world_wrong(const struct world *world)
{
	return world->wrong[0] ? world->wrong : NULL;
}

uint64_t world_digest(const struct world *world)
{
	return digest_finish(world->digest);
}

const struct world_counts *world_counts(const struct world *world)
{
	return &world->counts;
}

uint64_t world_now_ms(const struct world *world)
{
	return world->now_us / 1000;
}

/* ---------------------------------------------------------------- what a daemon wants */

static void arm(struct machine *machine, uint64_t deadline_ms)
{
	struct world *world = machine->world;
	uint64_t in_us;

	machine->deadline_ms = deadline_ms;
	if (!deadline_ms)
		return;
	in_us = machine_us_until(machine, deadline_ms);
	/* One tick is enough; if it comes too early, the next is armed then. */
	if (machine->tick_us && machine->tick_us <= world->now_us + in_us)
		return;
	machine->tick_us = world->now_us + in_us;
	world_due(world, DUE_TICK, machine->id, in_us, machine->daemon_life, 0);
}

static void ask_agents(struct machine *machine, struct update *update)
{
	for (size_t i = 0; i < update->cancels_n; i++)
		bmc_cancel(machine->world->bmc, machine->id, update->cancels[i]);
	for (size_t i = 0; i < update->asks_n; i++) {
		truth_asked(machine->world->truth, machine, &update->asks[i]);
		if (update->asks[i].agent == AGENT_FENCE)
			bmc_call(machine->world->bmc, machine->id, &update->asks[i]);
		else
			host_ask(machine->host, &update->asks[i]);
	}
}

static void answer(struct machine *machine, const struct answer *answer)
{
	const Wire__Verdict *verdict = answer->verdict;

	if (answer->tag & HOST_BARRIER)
		host_barrier(machine->host, answer->tag,
			     verdict->code == WIRE__VERDICT__CODE__OK);
	else
		admin_answer(machine->world, machine->id, answer->tag, verdict);
}

static void note(struct machine *machine, const struct event *event, const struct update *update)
{
	struct world *world = machine->world;
	uint64_t digest = world->digest;

	world->counts.events++;
	digest = digest_add_u64(digest, world->now_us * 16 + event->kind);
	digest = digest_add_u64(digest, machine->id + update->frames_n * 100 +
				update->persists_n * 10000 + update->asks_n * 1000000);
	digest = digest_add_u64(digest, state_digest(core_state(machine->core)));
	for (size_t i = 0; i < update->frames_n; i++)
		digest = digest_add_u64(digest, update->frames[i].len);
	world->digest = digest;
}

static void take(struct machine *machine, struct event *event)
{
	const struct build *build = machine->runs->build;
	struct world *world = machine->world;
	struct update update;

	event->now_ms = machine_boot_ms(machine);
	event->wall_ms = machine_wall_ms(machine);
	build->update_init(&update);
	build->core_step(machine->core, event, &update);
	note(machine, event, &update);
	/* Before its disk and its messages are given away. */
	truth_step(world->truth, machine);
	machine_persist(machine, &update);
	net_send(machine, &update);
	ask_agents(machine, &update);
	for (size_t i = 0; i < update.answers_n; i++)
		answer(machine, &update.answers[i]);
	arm(machine, update.deadline_ms);
	if (machine->turn_draw)
		machine_turn(machine);
	if (update.leave != LEAVE_NO)
		machine_daemon_left(machine, update.leave, update.leave_why);
	build->update_reset(&update);
}

/* ---------------------------------------------------------------- what a daemon takes */

void input_free(struct input *input)
{
	evs_message_unref(input->message);
	wire_free(input->body);
	*input = (struct input){ 0 };
}

static size_t list_nodes(uint64_t nodes, uint32_t *ret_list)
{
	size_t n = 0;

	for (; nodes; nodes &= nodes - 1)
		ret_list[n++] = nodes_lowest(nodes);
	return n;
}

static void tell_view(const struct machine *machine, const struct input *input)
{
	char members[WORLD_NODES * 4 + 1] = "";
	size_t at = 0;

	if (!machine->world->config.story)
		return;
	for (uint64_t left = input->members; left; left &= left - 1)
		at += (size_t)snprintf(members + at, sizeof(members) - at, " n%u",
				       nodes_lowest(left));
	world_tell(machine->world, "n%u sees%s%s", machine->id, members,
		   input->ring_only ? " as before" : "");
}

/* False: it is of a protocol that this daemon does not speak, and nothing to it. */
static bool read_frame(const struct machine *machine, struct evs_message *message,
		       struct event_frame *ret_frame)
{
	const struct build *build = machine->runs->build;

	*ret_frame = (struct event_frame){ message->sender, &message->header, message->body };
	if (machine->runs == &version_this)
		return message->body;
	/* There is but one other. */
	if (!message->other &&
	    build->frame_decode(message->frame.data, message->frame.len, &message->other_header,
				&message->other) < 0)
		return false;
	*ret_frame = (struct event_frame){ message->sender, &message->other_header,
					   message->other };
	return true;
}

/* As a daemon of another version reads what was said, if it is one. */
static void read_body(const struct machine *machine, struct input *input,
		      const ProtobufCMessageDescriptor *type)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	ProtobufCMessage *read;

	if (machine->runs == &version_this || !input->body)
		return;
	wire_pack(input->body, &packed);
	if (machine->runs->build->wire_unpack(type, packed.data, packed.len, &read) < 0) {
		world_fail(machine->world, "another version cannot read what was said");
		return;
	}
	wire_free(input->body);
	input->body = read;
}

static void take_input(struct machine *machine, struct input *input)
{
	const struct build *build = machine->runs->build;
	uint32_t members[WORLD_NODES], ring[WORLD_NODES];
	struct event event = { .kind = input->kind };

	switch (input->kind) {
	case EVENT_FRAME:
		if (!read_frame(machine, input->message, &event.frame))
			return;
		break;
	case EVENT_VIEW:
		event.view = (struct event_view){
			members, list_nodes(input->members, members),
			ring, list_nodes(input->ring, ring), input->ring_only };
		tell_view(machine, input);
		break;
	case EVENT_PERSISTED:
		event.persisted = input->number;
		break;
	case EVENT_AGENT_NEWS:
		read_body(machine, input, build->news);
		event.news = (const Wire__AgentNews *)input->body;
		break;
	case EVENT_AGENT_REPLY:
		read_body(machine, input, build->reply);
		event.reply = (struct event_reply){ input->number,
						    (const Wire__AgentReply *)input->body };
		break;
	case EVENT_CLIENT:
		read_body(machine, input, build->command);
		event.client = (struct event_client){ input->number,
						      (const Wire__Command *)input->body };
		break;
	default:
		break;
	}
	take(machine, &event);
}

void world_input(struct machine *machine, struct input *input)
{
	if (machine->core && machine_frozen(machine)) {
		if (machine->inbox_n == machine->inbox_cap) {
			machine->inbox_cap = machine->inbox_cap ? machine->inbox_cap * 2 : 16;
			machine->inbox = mem_resize(machine->inbox, machine->inbox_cap,
						    sizeof(*machine->inbox));
		}
		machine->inbox[machine->inbox_n++] = *input;
		*input = (struct input){ 0 };
		return;
	}
	if (machine->core)
		take_input(machine, input);
	input_free(input);
}

void world_thaw(struct machine *machine)
{
	uint64_t life = machine->daemon_life;

	for (size_t i = 0; i < machine->inbox_n; i++) {
		if (machine->core && machine->daemon_life == life && !machine->world->wrong[0])
			take_input(machine, &machine->inbox[i]);
		input_free(&machine->inbox[i]);
	}
	machine->inbox_n = 0;
}

/* ---------------------------------------------------------------- what is due */

static void tick_due(struct machine *machine, uint64_t life)
{
	struct input input = { .kind = EVENT_TICK };
	uint64_t now_us = machine->world->now_us;

	if (!machine->core || life != machine->daemon_life || (machine->tick_us != now_us &&
	    machine->suspended_us != now_us))
		return;
	machine->tick_us = 0;
	if (machine->deadline_ms && machine_us_until(machine, machine->deadline_ms) == 0)
		world_input(machine, &input);
	else
		arm(machine, machine->deadline_ms);
}

static void thaw_due(struct machine *machine)
{
	if (machine_frozen(machine))
		return;
	net_changed(machine->world, world_some(machine->world, 50000, 1000000));
	world_thaw(machine);
}

/* What a machine does, a machine that stands still does later. */
static bool put_off(struct machine *machine, const struct due *due)
{
	struct due later = *due;

	if (due->node == 0 || due->kind == DUE_REGROUP || due->kind == DUE_POWER ||
	    due->kind == DUE_DEVICE || due->kind == DUE_ASK || due->kind == DUE_FAULT ||
	    machine->world->now_us >= machine->suspended_us)
		return false;
	later.at_us = machine->suspended_us;
	queue_put(&machine->world->queue, &later);
	return true;
}

static void happen(struct world *world, const struct due *due)
{
	struct machine *machine = &world->machines[due->node];

	if (put_off(machine, due))
		return;
	switch (due->kind) {
	case DUE_PLACE:
		net_place_due(machine, due->life);
		break;
	case DUE_DELIVER:
		net_deliver_due(machine, due->life);
		break;
	case DUE_SYNC:
		machine_sync_due(machine, due->life);
		break;
	case DUE_TICK:
		tick_due(machine, due->life);
		break;
	case DUE_THAW:
		thaw_due(machine);
		break;
	case DUE_REGROUP:
		net_regroup_due(world);
		break;
	case DUE_POWER:
		machine_power_due(machine, due->life);
		break;
	case DUE_DAEMON:
		machine_daemon_due(machine, due->life);
		break;
	case DUE_AGENT:
		machine_agent_due(machine, due->life);
		break;
	case DUE_JOB:
		if (due->life == machine->power_life)
			host_job_due(machine->host, due->number);
		break;
	case DUE_LOOK:
		if (due->life == machine->power_life)
			host_look_due(machine->host, due->number);
		break;
	case DUE_GUEST:
		if (due->life == machine->power_life)
			host_guest_due(machine->host, due->number);
		break;
	case DUE_LIBVIRT:
		if (due->life == machine->power_life)
			host_libvirt_due(machine->host);
		break;
	case DUE_OVERDUE:
		if (due->life == machine->agent_life)
			host_overdue_due(machine->host, due->number);
		break;
	case DUE_DEVICE:
		bmc_due(world->bmc, due->number);
		break;
	case DUE_FAULT:
		world_fault_due(world);
		break;
	case DUE_ASK:
		admin_due(world, due->number, due->life);
		break;
	case DUE_REMOVAL:
		admin_removal_due(world, (uint32_t)due->number);
		break;
	case DUE_LOAN:
		admin_loan_due(world, due->number);
		break;
	case DUE_KINDS:
		break;
	}
}

bool world_step(struct world *world)
{
	struct due due;

	if (world->wrong[0] || !queue_take(&world->queue, &due))
		return false;
	assert(due.at_us >= world->now_us);
	world->now_us = due.at_us;
	happen(world, &due);
	return !world->wrong[0];
}

void world_until(struct world *world, uint64_t until_us)
{
	const struct due *first;

	while ((first = queue_first(&world->queue)) && first->at_us <= until_us)
		if (!world_step(world))
			return;
	if (!world->wrong[0])
		world->now_us = until_us;
}
