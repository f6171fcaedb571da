/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/round.h"
#include "wire/command.h"

static const struct group_ops group_ops;

void world_fail(struct world *world, const char *format, ...)
{
	va_list args;

	if (world->wrong[0])
		return;
	va_start(args, format);
	vsnprintf(world->wrong, sizeof(world->wrong), format, args);
	va_end(args);
}

static void tell(struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(struct world *world, const char *format, ...)
{
	va_list args;

	if (!world->trace)
		return;
	buf_printf(world->trace, "%5" PRIu64 " ", world->now_ms);
	va_start(args, format);
	buf_vprintf(world->trace, format, args);
	va_end(args);
	buf_append_byte(world->trace, '\n');
}

/* ---------------------------------------------------------------- life */

void world_init(struct world *world, uint64_t seed, uint32_t nodes, uint32_t voters)
{
	*world = (struct world){ .rng = { seed }, .now_ms = 1, .nodes_n = nodes,
				 .voters_n = voters };
	world->group = group_new(nodes, &world->rng, &group_ops, world);
	for (uint32_t id = 1; id <= nodes; id++) {
		struct world_node *node = world_node(world, id);

		node->world = world;
		node->id = id;
		node->disk = disk_new(world_new_id(world));
	}
}

static void daemon_free(struct world_node *node)
{
	replica_free(node->replica);
	toy_free(node->toy);
	node->replica = NULL;
	node->toy = NULL;
	node->up = false;
}

void world_free(struct world *world)
{
	for (uint32_t id = 1; id <= world->nodes_n; id++) {
		daemon_free(world_node(world, id));
		disk_free(world_node(world, id)->disk);
	}
	group_free(world->group);
	idmap_free(&world->epochs, free);
	free(world->truth);
}

struct world_node *world_node(struct world *world, uint32_t node)
{
	assert(node >= 1 && node <= world->nodes_n);
	return &world->nodes[node - 1];
}

uint64_t world_new_id(struct world *world)
{
	return ++world->last_id;
}

/* ---------------------------------------------------------------- the truth */

/* Voters whose disk, as it is now, has the entry. */
static size_t disks_with(struct world *world, uint64_t index, uint64_t epoch)
{
	size_t n = 0;

	for (uint32_t id = 1; id <= world->voters_n; id++) {
		const struct disk *disk = world_node(world, id)->disk;

		n += disk->applied >= index || disk_epoch(disk, index) == epoch;
	}
	return n;
}

static void learn(struct world *world, uint64_t index, struct world_truth truth)
{
	if (world->truth_n == world->truth_cap) {
		world->truth_cap = world->truth_cap ? world->truth_cap * 2 : 64;
		world->truth = mem_resize(world->truth, world->truth_cap, sizeof(*world->truth));
	}
	world->truth[world->truth_n++] = truth;
	world->counts.committed++;
	if (!world->disks_may_vanish && index > 1 &&
	    disks_with(world, index, truth.epoch) < world->voters_n / 2 + 1)
		world_fail(world, "entry %" PRIu64 " is committed and on %zu disks only", index,
			   disks_with(world, index, truth.epoch));
}

static void on_applied(void *context, const struct toy *toy, uint64_t index, uint64_t epoch,
		       uint64_t digest)
{
	struct world_node *node = context;
	struct world *world = node->world;
	const struct world_truth *truth;

	if (index == world->truth_n + 1)
		learn(world, index, (struct world_truth){ epoch, digest, toy->digest });
	if (index > world->truth_n) {
		world_fail(world, "n%u applied %" PRIu64 " before anybody applied %zu", node->id,
			   index, world->truth_n + 1);
		return;
	}
	truth = &world->truth[index - 1];
	if (truth->epoch != epoch || truth->digest != digest)
		world_fail(world, "n%u: committed entry %" PRIu64 " is another one", node->id,
			   index);
}

static void check_state(struct world *world, struct world_node *node)
{
	uint64_t index = node->toy->index;

	if (index > world->truth_n)
		world_fail(world, "n%u has a state nobody has reached", node->id);
	else if (index > 0 && world->truth[index - 1].state != node->toy->digest)
		world_fail(world, "n%u: another state at %" PRIu64, node->id, index);
}

/* What was committed before this epoch is in the log of a node that is ready in it. */
static void check_log(struct world *world, struct world_node *node, uint64_t epoch)
{
	const struct rlog *log = &node->replica->log;

	for (uint64_t index = rlog_first(log); index <= world->truth_n; index++) {
		const struct world_truth *truth = &world->truth[index - 1];
		const struct rlog_entry *entry = rlog_at(log, index);

		if (truth->epoch >= epoch)
			return;
		if (!entry || entry->epoch != truth->epoch ||
		    toy_digest(&entry->command) != truth->digest) {
			world_fail(world, "n%u: epoch %" PRIu64 " %s entry %" PRIu64, node->id,
				   epoch, entry ? "has another" : "lacks", index);
			return;
		}
	}
}

static void check_epoch(struct world *world, struct world_node *node)
{
	const struct round *round = &node->replica->round;
	struct frame_round *opener;

	if (!round->open)
		return;
	opener = idmap_get(&world->epochs, round->epoch);
	if (!opener) {
		opener = mem_dup(&round->id, sizeof(round->id));
		idmap_put(&world->epochs, round->epoch, opener);
		world->counts.opened++;
	}
	if (!round_same(opener, &round->id))
		world_fail(world, "epoch %" PRIu64 " was opened twice", round->epoch);
	if (round->phase != PHASE_READY || node->checked_epoch == round->epoch)
		return;
	node->checked_epoch = round->epoch;
	check_log(world, node, round->epoch);
}

static void check(struct world *world, struct world_node *node)
{
	check_state(world, node);
	check_epoch(world, node);
	if (node->disk->wrong)
		world_fail(world, "n%u: the disk was asked for %s", node->id, node->disk->wrong);
}

/* ---------------------------------------------------------------- the story */

static void tell_frame(struct world_node *node, const struct buf *frame)
{
	struct frame_header header;
	ProtobufCMessage *body;

	if (!node->world->trace || frame_decode(frame->data, frame->len, &header, &body) < 0)
		return;
	if (header.type == FRAME_ACK)
		tell(node->world, "n%u sends ack %" PRIu64, node->id,
		     ((const Wire__Ack *)body)->index);
	else if (header.type == FRAME_HELLO)
		tell(node->world, "n%u sends hello: promised %" PRIu64 ", log %" PRIu64
		     ":%" PRIu64 ", applied %" PRIu64, node->id,
		     ((const Wire__Hello *)body)->promised,
		     ((const Wire__Hello *)body)->last_epoch,
		     ((const Wire__Hello *)body)->last_index, ((const Wire__Hello *)body)->applied);
	else
		tell(node->world, "n%u sends %s", node->id, frame_type_name(header.type));
	frame_body_free(body);
}

static void tell_standing(struct world_node *node)
{
	struct replica_standing standing;

	if (!node->world->trace)
		return;
	replica_standing(node->replica, &standing);
	if (standing.ready && standing.epoch != node->told_epoch) {
		node->told_epoch = standing.epoch;
		tell(node->world, "n%u is in epoch %" PRIu64 ", leader n%u", node->id,
		     standing.epoch, standing.leader);
	}
	if (!standing.ready)
		node->told_epoch = 0;
	if (standing.committed != node->told_commit) {
		node->told_commit = standing.committed;
		tell(node->world, "n%u knows %" PRIu64 " committed", node->id, standing.committed);
	}
}

static void count(struct world *world, const struct update *update)
{
	for (size_t i = 0; i < update->persists_n; i++) {
		world->counts.snapshots += update->persists[i].kind == PERSIST_WIPE;
		world->counts.cuts += update->persists[i].kind == PERSIST_CUT;
	}
}

/* ---------------------------------------------------------------- events and updates */

static void carry_out(struct world_node *node, struct update *update)
{
	struct world *world = node->world;

	count(world, update);
	disk_submit(node->disk, update);
	for (size_t i = 0; i < update->frames_n; i++) {
		tell_frame(node, &update->frames[i]);
		group_send(world->group, node->id, &update->frames[i]);
	}
	node->deadline_ms = update->deadline_ms;
	if (update->leave != LEAVE_NO)
		world_fail(world, "n%u leaves: %s", node->id, update->leave_why);
}

static void happen(struct world_node *node, struct event *event)
{
	struct world *world = node->world;
	struct update update;

	world->counts.steps++;
	event->now_ms = event->wall_ms = world->now_ms;
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
	check(world, node);
}

static void on_deliver(void *context, uint32_t id, uint32_t sender, const struct buf *frame)
{
	struct world *world = context;
	struct frame_header header;
	ProtobufCMessage *body = NULL;
	struct event event = { .kind = EVENT_FRAME };
	int r = frame_decode(frame->data, frame->len, &header, &body);

	assert(r == 0);
	event.frame = (struct event_frame){ sender, &header, body };
	happen(world_node(world, id), &event);
	frame_body_free(body);
}

static size_t list(uint64_t nodes, uint32_t *ret_list)
{
	size_t n = 0;

	for (uint32_t id = 1; id <= WORLD_NODES_MAX; id++)
		if (nodes >> (id - 1) & 1)
			ret_list[n++] = id;
	return n;
}

static void tell_view(struct world *world, uint32_t id, uint64_t members, uint64_t ring,
		      bool ring_only)
{
	uint32_t member_list[WORLD_NODES_MAX], ring_list[WORLD_NODES_MAX];
	struct event event = { .kind = EVENT_VIEW };

	event.view.members = member_list;
	event.view.members_n = list(members, member_list);
	event.view.ring = ring_list;
	event.view.ring_n = list(ring, ring_list);
	event.view.ring_only = ring_only;
	if (world->trace) {
		_cleanup_(buf_free) struct buf text = { 0 };

		for (size_t i = 0; i < event.view.members_n; i++)
			buf_printf(&text, " n%u", member_list[i]);
		tell(world, "n%u sees%s%s", id, buf_str(&text), ring_only ? " as before" : "");
	}
	happen(world_node(world, id), &event);
}

static void on_view(void *context, uint32_t id, uint64_t members, uint64_t ring)
{
	tell_view(context, id, members, ring, false);
}

static const struct group_ops group_ops = { on_deliver, on_view };

/* ---------------------------------------------------------------- what can happen */

void world_genesis(struct world *world, uint64_t nodes, bool known)
{
	_cleanup_(buf_free) struct buf command = { 0 };
	uint64_t disks[WORLD_NODES_MAX];
	struct toy *toy = toy_new();

	for (uint32_t id = 1; id <= world->voters_n; id++)
		disks[id - 1] = world_node(world, id)->disk->id;
	toy_genesis(world->voters_n, known ? disks : NULL, &command);
	for (uint32_t id = 1; id <= world->nodes_n; id++)
		if (nodes >> (id - 1) & 1) {
			toy_install(world_node(world, id)->disk, &command);
			toy_free(toy);
			toy = toy_new();
			toy_load(toy, world_node(world, id)->disk);
		}
	learn(world, 1, (struct world_truth){ 1, toy_digest(&command), toy->digest });
	toy_free(toy);
}

void world_boot(struct world *world, uint32_t id)
{
	struct world_node *node = world_node(world, id);
	struct replica_config config = {
		.node = id,
		.boot_id = world_new_id(world),
		.disk_id = node->disk->id,
		.keep = world->keep,
		.ops = &toy_ops,
	};
	const struct disk_entry *entry;
	int r;

	assert(!node->up);
	config.above = node->toy = toy_new();
	toy_load(node->toy, node->disk);
	node->toy->applied = on_applied;
	node->toy->world = node;
	node->replica = replica_new(&config);
	replica_load_promise(node->replica, node->disk->promised);
	idmap_each(&node->disk->log, i, entry) {
		r = replica_load_entry(node->replica, entry->index, entry->epoch,
				       entry->command.data, entry->command.len);
		assert(r == 0);
	}
	r = replica_load_done(node->replica);
	if (r < 0)
		world_fail(world, "n%u: its disk does not fit together", id);
	node->up = true;
	node->boot_id = config.boot_id;
	node->deadline_ms = node->told_epoch = node->checked_epoch = 0;
	node->told_commit = node->disk->applied;
	group_start(world->group, id);
	tell(world, "n%u starts", id);
}

void world_crash(struct world *world, uint32_t id, size_t durable)
{
	struct world_node *node = world_node(world, id);

	assert(node->up);
	world->counts.crashes++;
	group_crash(world->group, id);
	disk_sync(node->disk, durable);
	disk_crash(node->disk);
	world->counts.refused += node->replica->refused;
	daemon_free(node);
	tell(world, "n%u crashes", id);
}

void world_wipe(struct world *world, uint32_t id)
{
	struct world_node *node = world_node(world, id);

	assert(!node->up);
	world->counts.wipes++;
	world->disks_may_vanish = true;
	disk_free(node->disk);
	node->disk = disk_new(world_new_id(world));
	tell(world, "n%u gets an empty disk", id);
}

bool world_sync(struct world *world, uint32_t id, size_t batches)
{
	struct world_node *node = world_node(world, id);
	struct event event = { .kind = EVENT_PERSISTED };

	if (!node->up || node->disk->queued == 0 || batches == 0)
		return false;
	event.persisted = disk_sync(node->disk, batches);
	happen(node, &event);
	return true;
}

bool world_tick(struct world *world, uint32_t id)
{
	struct world_node *node = world_node(world, id);
	struct event event = { .kind = EVENT_TICK };

	if (!node->up || node->deadline_ms == 0 || world->now_ms < node->deadline_ms)
		return false;
	happen(node, &event);
	return true;
}

bool world_ring(struct world *world, uint32_t id)
{
	uint64_t ring = 0;

	if (!world_node(world, id)->up || !world_node(world, id)->replica->members)
		return false;
	for (uint32_t i = 0; i < world->nodes_n; i++)
		if (world->nodes[i].up)
			ring |= UINT64_C(1) << i;
	tell_view(world, id, group_members(world->group, id), ring, true);
	return true;
}

static bool propose(struct world_node *node, Wire__Command *command)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	struct update update;
	int r;

	if (!node->up)
		return false;
	update_init(&update);
	command->request = world_new_id(node->world);
	command->node = node->id;
	r = wire_command_pack(command, &packed, NULL);
	assert(r == 0);
	r = replica_propose(node->replica, &packed, command->request, &update);
	replica_finish(node->replica, &update);
	carry_out(node, &update);
	update_reset(&update);
	return r == 0;
}

bool world_propose(struct world *world, uint32_t id)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Note note = WIRE__NOTE__INIT;

	command.body_case = WIRE__COMMAND__BODY_NOTE;
	command.note = &note;
	return propose(world_node(world, id), &command);
}

bool world_report(struct world *world, uint32_t id)
{
	struct world_node *node = world_node(world, id);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;

	if (!node->up || node->toy->disks[id - 1] == node->disk->id)
		return false;
	report.disk_id = node->disk->id;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	return propose(node, &command);
}

/* ---------------------------------------------------------------- looking and running */

void world_standing(struct world *world, uint32_t id, struct replica_standing *ret_standing)
{
	replica_standing(world_node(world, id)->replica, ret_standing);
}

uint64_t world_deadline(const struct world *world)
{
	uint64_t first = 0;

	for (uint32_t i = 0; i < world->nodes_n; i++) {
		const struct world_node *node = &world->nodes[i];

		if (node->up && node->deadline_ms && (!first || node->deadline_ms < first))
			first = node->deadline_ms;
	}
	return first;
}

static bool run_once(struct world *world)
{
	bool busy = false;

	for (uint32_t id = 1; id <= world->nodes_n; id++) {
		busy |= group_place(world->group, id, false);
		busy |= group_deliver(world->group, id);
	}
	for (uint32_t id = 1; id <= world->nodes_n; id++) {
		busy |= world_sync(world, id, SIZE_MAX);
		busy |= world_tick(world, id);
	}
	return busy;
}

void world_run(struct world *world, uint64_t until_ms)
{
	while (!world->wrong[0]) {
		uint64_t next;

		if (run_once(world))
			continue;
		next = world_deadline(world);
		if (next == 0 || next >= until_ms)
			break;
		world->now_ms = next > world->now_ms ? next : world->now_ms + 1;
	}
	if (world->now_ms < until_ms)
		world->now_ms = until_ms;
}

void world_gather(struct world *world)
{
	uint32_t of[WORLD_NODES_MAX] = { 0 };

	group_regroup(world->group, of, false, 0, false);
}

bool world_disks_known(const struct world *world)
{
	struct toy *toy;
	bool known = true;

	for (uint32_t i = 0; i < world->voters_n && known; i++) {
		toy = toy_new();
		toy_load(toy, world->nodes[i].disk);
		for (uint32_t k = 0; k < world->voters_n; k++)
			known &= toy->disks[k] == world->nodes[k].disk->id;
		toy_free(toy);
	}
	return known;
}
