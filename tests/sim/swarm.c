/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/swarm.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/round.h"
#include "tests/sim/oracle.h"
#include "wire/command.h"

static const struct evs_ops evs_ops;

void swarm_fail(struct swarm *swarm, const char *format, ...)
{
	va_list args;

	if (swarm->wrong[0])
		return;
	va_start(args, format);
	vsnprintf(swarm->wrong, sizeof(swarm->wrong), format, args);
	va_end(args);
}

static void tell(struct swarm *swarm, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(struct swarm *swarm, const char *format, ...)
{
	va_list args;

	if (!swarm->trace)
		return;
	buf_printf(swarm->trace, "%5" PRIu64 " ", swarm->now_ms);
	va_start(args, format);
	buf_vprintf(swarm->trace, format, args);
	va_end(args);
	buf_append_byte(swarm->trace, '\n');
}

/* ---------------------------------------------------------------- life */

void swarm_init(struct swarm *swarm, uint64_t seed, uint32_t nodes, uint32_t voters)
{
	*swarm = (struct swarm){ .rng = { seed }, .now_ms = 1, .nodes_n = nodes,
				 .voters_n = voters };
	swarm->evs = evs_new(nodes, &swarm->rng, &evs_ops, swarm);
	for (uint32_t id = 1; id <= nodes; id++) {
		struct swarm_node *node = swarm_node(swarm, id);

		node->swarm = swarm;
		node->id = id;
		node->disk = disk_new(swarm_new_id(swarm));
	}
}

static void daemon_free(struct swarm_node *node)
{
	replica_free(node->replica);
	toy_free(node->toy);
	node->replica = NULL;
	node->toy = NULL;
	node->up = false;
}

void swarm_free(struct swarm *swarm)
{
	for (uint32_t id = 1; id <= swarm->nodes_n; id++) {
		daemon_free(swarm_node(swarm, id));
		disk_free(swarm_node(swarm, id)->disk);
	}
	evs_free(swarm->evs);
	idmap_free(&swarm->epochs, free);
	free(swarm->changes);
	free(swarm->truth);
}

struct swarm_node *swarm_node(struct swarm *swarm, uint32_t node)
{
	assert(node >= 1 && node <= swarm->nodes_n);
	return &swarm->nodes[node - 1];
}

uint64_t swarm_new_id(struct swarm *swarm)
{
	return ++swarm->last_id;
}

/* ---------------------------------------------------------------- the story */

static void tell_frame(struct swarm_node *node, const struct buf *frame)
{
	struct frame_header header;
	ProtobufCMessage *body;

	if (!node->swarm->trace || frame_decode(frame->data, frame->len, &header, &body) < 0)
		return;
	if (header.type == FRAME_ACK)
		tell(node->swarm, "n%u sends ack %" PRIu64, node->id,
		     ((const Wire__Ack *)body)->index);
	else if (header.type == FRAME_HELLO)
		tell(node->swarm, "n%u sends hello: promised %" PRIu64 ", log %" PRIu64
		     ":%" PRIu64 ", applied %" PRIu64, node->id,
		     ((const Wire__Hello *)body)->promised,
		     ((const Wire__Hello *)body)->last_epoch,
		     ((const Wire__Hello *)body)->last_index, ((const Wire__Hello *)body)->applied);
	else
		tell(node->swarm, "n%u sends %s", node->id, frame_type_name(header.type));
	frame_body_free(body);
}

static void tell_standing(struct swarm_node *node)
{
	struct replica_standing standing;

	if (!node->swarm->trace)
		return;
	replica_standing(node->replica, &standing);
	if (standing.ready && standing.epoch != node->told_epoch) {
		node->told_epoch = standing.epoch;
		tell(node->swarm, "n%u is in epoch %" PRIu64 ", leader n%u", node->id,
		     standing.epoch, standing.leader);
	}
	if (!standing.ready)
		node->told_epoch = 0;
	if (standing.committed != node->told_commit) {
		node->told_commit = standing.committed;
		tell(node->swarm, "n%u knows %" PRIu64 " committed", node->id, standing.committed);
	}
}

static void count(struct swarm *swarm, const struct update *update)
{
	for (size_t i = 0; i < update->persists_n; i++) {
		swarm->counts.snapshots += update->persists[i].kind == PERSIST_WIPE;
		swarm->counts.cuts += update->persists[i].kind == PERSIST_CUT;
	}
}

/* ---------------------------------------------------------------- events and updates */

static void carry_out(struct swarm_node *node, struct update *update)
{
	struct swarm *swarm = node->swarm;

	count(swarm, update);
	disk_submit(node->disk, update);
	for (size_t i = 0; i < update->frames_n; i++) {
		tell_frame(node, &update->frames[i]);
		evs_send(swarm->evs, node->id, &update->frames[i]);
	}
	node->deadline_ms = update->deadline_ms;
	if (update->leave != LEAVE_NO)
		swarm_fail(swarm, "n%u leaves: %s", node->id, update->leave_why);
}

static void happen(struct swarm_node *node, struct event *event)
{
	struct swarm *swarm = node->swarm;
	struct update update;

	swarm->counts.steps++;
	event->now_ms = event->wall_ms = swarm->now_ms;
	update_init(&update);
	if (event->kind == EVENT_VIEW)
		replica_view(node->replica, event, &update);
	else if (event->kind == EVENT_FRAME)
		replica_frame(node->replica, event, &update);
	else if (event->kind == EVENT_PERSISTED)
		replica_persisted(node->replica, event, &update);
	replica_tick(node->replica, event, &update);
	replica_finish(node->replica, &update);
	carry_out(node, &update);
	update_reset(&update);
	tell_standing(node);
	oracle_check(swarm, node);
}

static void on_deliver(void *context, uint32_t id, struct evs_message *message)
{
	struct event event = { .kind = EVENT_FRAME };

	event.frame = (struct event_frame){ message->sender, &message->header, message->body };
	happen(swarm_node(context, id), &event);
}

static size_t list(uint64_t nodes, uint32_t *ret_list)
{
	size_t n = 0;

	for (uint32_t id = 1; id <= SWARM_NODES_MAX; id++)
		if (nodes >> (id - 1) & 1)
			ret_list[n++] = id;
	return n;
}

static void tell_view(struct swarm *swarm, uint32_t id, uint64_t members, uint64_t ring,
		      bool ring_only)
{
	uint32_t member_list[SWARM_NODES_MAX], ring_list[SWARM_NODES_MAX];
	struct event event = { .kind = EVENT_VIEW };

	event.view.members = member_list;
	event.view.members_n = list(members, member_list);
	event.view.ring = ring_list;
	event.view.ring_n = list(ring, ring_list);
	event.view.ring_only = ring_only;
	if (swarm->trace) {
		_cleanup_(buf_free) struct buf text = { 0 };

		for (size_t i = 0; i < event.view.members_n; i++)
			buf_printf(&text, " n%u", member_list[i]);
		tell(swarm, "n%u sees%s%s", id, buf_str(&text), ring_only ? " as before" : "");
	}
	happen(swarm_node(swarm, id), &event);
}

static void on_view(void *context, uint32_t id, uint64_t members, uint64_t ring)
{
	tell_view(context, id, members, ring, false);
}

static const struct evs_ops evs_ops = { on_deliver, on_view };

/* ---------------------------------------------------------------- what can happen */

void swarm_genesis(struct swarm *swarm, uint64_t nodes, bool known)
{
	_cleanup_(buf_free) struct buf command = { 0 };
	uint64_t disks[SWARM_NODES_MAX];
	struct toy *toy = toy_new();

	for (uint32_t id = 1; id <= swarm->voters_n; id++)
		disks[id - 1] = swarm_node(swarm, id)->disk->id;
	toy_genesis(swarm->voters_n, known ? disks : NULL, &command);
	for (uint32_t id = 1; id <= swarm->nodes_n; id++)
		if (nodes >> (id - 1) & 1) {
			toy_install(swarm_node(swarm, id)->disk, &command);
			toy_free(toy);
			toy = toy_new();
			toy_load(toy, swarm_node(swarm, id)->disk);
		}
	swarm->voters = toy->voters;
	oracle_learn(swarm, (struct swarm_truth){ 1, toy_digest(&command), toy->digest });
	toy_free(toy);
}

void swarm_boot(struct swarm *swarm, uint32_t id)
{
	struct swarm_node *node = swarm_node(swarm, id);
	struct replica_config config = {
		.node = id,
		.boot_id = swarm_new_id(swarm),
		.disk_id = node->disk->id,
		.keep = swarm->keep,
		.ops = &toy_ops,
	};
	const struct disk_entry *entry;
	int r;

	assert(!node->up);
	config.above = node->toy = toy_new();
	toy_load(node->toy, node->disk);
	node->toy->behind = swarm->behind;
	node->toy->applied = oracle_applied;
	node->toy->context = node;
	node->replica = replica_new(&config);
	replica_load_promise(node->replica, node->disk->promised);
	replica_load_alone(node->replica, node->disk->alone, node->disk->alone_voters);
	replica_load_together(node->replica, node->disk->together, node->disk->together_voters);
	idmap_each(&node->disk->log, i, entry) {
		r = replica_load_entry(node->replica, entry->index, entry->epoch,
				       entry->command.data, entry->command.len);
		assert(r == 0);
	}
	r = replica_load_done(node->replica);
	if (r < 0)
		swarm_fail(swarm, "n%u: its disk does not fit together", id);
	node->up = true;
	node->boot_id = config.boot_id;
	node->deadline_ms = node->told_epoch = node->checked_epoch = 0;
	node->told_commit = node->disk->applied;
	evs_start(swarm->evs, id);
	tell(swarm, "n%u starts", id);
}

void swarm_crash(struct swarm *swarm, uint32_t id, size_t durable)
{
	struct swarm_node *node = swarm_node(swarm, id);

	assert(node->up);
	swarm->counts.crashes++;
	evs_crash(swarm->evs, id);
	disk_sync(node->disk, durable);
	oracle_synced(node);
	disk_crash(node->disk);
	swarm->counts.refused += node->replica->refused;
	daemon_free(node);
	tell(swarm, "n%u crashes", id);
}

void swarm_wipe(struct swarm *swarm, uint32_t id)
{
	struct swarm_node *node = swarm_node(swarm, id);

	assert(!node->up);
	swarm->counts.wipes++;
	swarm->disks_may_vanish = true;
	node->lost = true;
	disk_free(node->disk);
	node->disk = disk_new(swarm_new_id(swarm));
	tell(swarm, "n%u gets an empty disk", id);
}

bool swarm_sync(struct swarm *swarm, uint32_t id, size_t batches)
{
	struct swarm_node *node = swarm_node(swarm, id);
	struct event event = { .kind = EVENT_PERSISTED };

	if (!node->up || node->disk->queued == 0 || batches == 0)
		return false;
	event.persisted = disk_sync(node->disk, batches);
	oracle_synced(node);
	happen(node, &event);
	return true;
}

bool swarm_tick(struct swarm *swarm, uint32_t id)
{
	struct swarm_node *node = swarm_node(swarm, id);
	struct event event = { .kind = EVENT_TICK };

	if (!node->up || node->deadline_ms == 0 || swarm->now_ms < node->deadline_ms)
		return false;
	happen(node, &event);
	return true;
}

bool swarm_ring(struct swarm *swarm, uint32_t id)
{
	uint64_t ring = 0;

	if (!swarm_node(swarm, id)->up || !swarm_node(swarm, id)->replica->members)
		return false;
	for (uint32_t i = 0; i < swarm->nodes_n; i++)
		if (swarm->nodes[i].up)
			ring |= UINT64_C(1) << i;
	tell_view(swarm, id, evs_members(swarm->evs, id), ring, true);
	return true;
}

static bool propose(struct swarm_node *node, Wire__Command *command)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	struct update update;
	int r;

	if (!node->up)
		return false;
	update_init(&update);
	command->request = command->voters_set ? 0 : swarm_new_id(node->swarm);
	command->node = node->id;
	r = wire_command_pack(command, &packed, NULL);
	assert(r == 0);
	r = replica_propose(node->replica, &packed, command->request, &update);
	replica_finish(node->replica, &update);
	carry_out(node, &update);
	update_reset(&update);
	return r == 0;
}

bool swarm_propose(struct swarm *swarm, uint32_t id)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Note note = WIRE__NOTE__INIT;

	command.body_case = WIRE__COMMAND__BODY_NOTE;
	command.note = &note;
	return propose(swarm_node(swarm, id), &command);
}

bool swarm_report(struct swarm *swarm, uint32_t id)
{
	struct swarm_node *node = swarm_node(swarm, id);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;

	if (!node->up)
		return false;
	report.disk_id = node->disk->id;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	return propose(node, &command);
}

static uint64_t known_disk(const struct voters *voters, uint32_t node)
{
	for (size_t i = 0; i < voters->n; i++)
		if (voters->nodes[i] == node)
			return voters->disks[i];
	return 0;
}

/* More disks of them are lost by now than they can spare, and the proposer cannot know. */
static bool beyond_help(struct swarm *swarm, const struct voters *voters)
{
	size_t lost = 0;

	for (size_t i = 0; i < voters->n; i++)
		lost += voters->disks[i] != swarm_node(swarm, voters->nodes[i])->disk->id;
	return lost > voters->n - voters_majority(voters);
}

static void remember_change(struct swarm *swarm, uint64_t base, const struct voters *voters)
{
	if (swarm->changes_n == swarm->changes_cap) {
		swarm->changes_cap = swarm->changes_cap ? swarm->changes_cap * 2 : 16;
		swarm->changes = mem_resize(swarm->changes, swarm->changes_cap,
					    sizeof(*swarm->changes));
	}
	swarm->changes[swarm->changes_n++] = (struct swarm_change){ base, *voters };
}

bool swarm_change(struct swarm *swarm, uint32_t id, uint64_t nodes)
{
	struct swarm_node *node = swarm_node(swarm, id);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VotersSet set = WIRE__VOTERS_SET__INIT;
	struct voters present, next = { 0 };

	if (!node->up)
		return false;
	present = node->toy->voters;
	for (uint64_t left = nodes; left; left &= left - 1) {
		uint32_t voter = nodes_lowest(left);
		uint64_t disk = replica_disk_id(node->replica, voter);

		if (!disk)
			disk = known_disk(&present, voter);
		if (!disk || next.n == VOTERS_MAX)
			continue;
		next.nodes[next.n] = voter;
		next.disks[next.n++] = disk;
	}
	if (next.n == present.n &&
	    memcmp(next.nodes, present.nodes, sizeof(next.nodes)) == 0 &&
	    memcmp(next.disks, present.disks, sizeof(next.disks)) == 0)
		return false;
	set.after = present.index;
	set.n_voters = set.n_disks = next.n;
	set.voters = next.nodes;
	set.disks = next.disks;
	command.body_case = WIRE__COMMAND__BODY_VOTERS_SET;
	command.voters_set = &set;
	if (next.n == 0 || beyond_help(swarm, &next) || !propose(node, &command))
		return false;
	remember_change(swarm, set.after, &next);
	tell(swarm, "n%u proposes voters %" PRIx64 " after %" PRIu64, id, voters_nodes(&next),
	     set.after);
	return true;
}

/* ---------------------------------------------------------------- looking and running */

void swarm_standing(struct swarm *swarm, uint32_t id, struct replica_standing *ret_standing)
{
	replica_standing(swarm_node(swarm, id)->replica, ret_standing);
}

uint64_t swarm_deadline(const struct swarm *swarm)
{
	uint64_t first = 0;

	for (uint32_t i = 0; i < swarm->nodes_n; i++) {
		const struct swarm_node *node = &swarm->nodes[i];

		if (node->up && node->deadline_ms && (!first || node->deadline_ms < first))
			first = node->deadline_ms;
	}
	return first;
}

static bool run_once(struct swarm *swarm)
{
	bool busy = false;

	for (uint32_t id = 1; id <= swarm->nodes_n; id++) {
		busy |= evs_place(swarm->evs, id, false);
		busy |= evs_deliver(swarm->evs, id);
	}
	for (uint32_t id = 1; id <= swarm->nodes_n; id++) {
		busy |= swarm_sync(swarm, id, SIZE_MAX);
		busy |= swarm_tick(swarm, id);
	}
	return busy;
}

void swarm_run(struct swarm *swarm, uint64_t until_ms)
{
	while (!swarm->wrong[0]) {
		uint64_t next;

		if (run_once(swarm)) {
			swarm->now_ms++;
			continue;
		}
		next = swarm_deadline(swarm);
		if (next == 0 || next >= until_ms)
			break;
		swarm->now_ms = next > swarm->now_ms ? next : swarm->now_ms + 1;
	}
	if (swarm->now_ms < until_ms)
		swarm->now_ms = until_ms;
}

void swarm_gather(struct swarm *swarm)
{
	uint32_t of[SWARM_NODES_MAX] = { 0 };

	evs_regroup(swarm->evs, of, false, 0, 0);
}

/* Of these voters, those on whose disk the node's present one is on record. */
static size_t known_by(struct swarm *swarm, const struct voters *voters, uint32_t id)
{
	size_t n = 0;

	for (size_t i = 0; i < voters->n; i++) {
		struct toy *toy = toy_new();

		toy_load(toy, swarm_node(swarm, voters->nodes[i])->disk);
		n += known_disk(&toy->voters, id) == swarm_node(swarm, id)->disk->id;
		toy_free(toy);
	}
	return n;
}

/* A majority of these voters would be left without the node's disk. */
static bool can_spare(struct swarm *swarm, const struct voters *voters, uint32_t id)
{
	size_t majority = voters_majority(voters), lost = 0;

	if (!(voters_nodes(voters) & node_bit(id)))
		return true;
	for (size_t i = 0; i < voters->n; i++) {
		const struct swarm_node *node = swarm_node(swarm, voters->nodes[i]);
		bool other = voters->disks[i] && voters->disks[i] != node->disk->id;

		lost += node->id == id || other ||
			(node->lost && known_by(swarm, voters, node->id) < majority);
	}
	return lost <= voters->n - majority;
}

/* Voters who may not know yet that others took their place. */
static bool still_believed(struct swarm *swarm)
{
	const struct voters *voters = &swarm->voters;
	size_t n = 0;

	for (size_t i = 0; i < voters->n; i++)
		n += swarm_node(swarm, voters->nodes[i])->disk->applied >= voters->index;
	return n < voters_majority(voters);
}

bool swarm_may_wipe(struct swarm *swarm, uint32_t id)
{
	bool may = can_spare(swarm, &swarm->voters, id), holders = false;

	if (still_believed(swarm))
		may = may && can_spare(swarm, &swarm->voters_before, id);
	for (size_t i = 0; may && i < swarm->changes_n; i++)
		if (swarm->changes[i].base == swarm->voters.index)
			may = can_spare(swarm, &swarm->changes[i].voters, id);
	for (uint32_t i = 1; i <= swarm->nodes_n; i++)
		holders |= i != id && swarm->nodes[i - 1].disk->applied > 0;
	return may && holders;
}
