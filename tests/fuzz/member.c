/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/member.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/behind.h"
#include "clusterd/core/core.h"
#include "tests/fuzz/commands.h"
#include "tests/fuzz/fuzz.h"
#include "wire/check.h"
#include "wire/message.h"

enum { STANDING_MAX = 700, LEAVE_WHY_MAX = 300, VIEW_NODES = 5 };

/* ---------------------------------------------------------------- life */

static void onto_disk(void *context, uint32_t table, uint64_t id, const struct buf *data)
{
	struct persist put = { .kind = PERSIST_PUT, .table = table, .id = id, .data = *data };

	disk_write(context, &put);
}

void member_init(struct member *member, uint32_t node, bool empty)
{
	struct commands_position position = commands_position();

	*member = (struct member){ .node = node, .now_ms = 1000,
				   .boot_id = COMMANDS_BOOT + node };
	member->disk.id = node;
	update_init(&member->update);
	if (empty)
		return;
	commands_each(onto_disk, &member->disk);
	member->disk.index = position.index;
	member->disk.epoch = position.epoch;
	member->disk.promised = position.epoch;
}

void member_free(struct member *member)
{
	core_free(member->core);
	update_reset(&member->update);
	disk_wipe(&member->disk);
}

static int load(const struct disk *disk, struct core *core)
{
	int r = 0;

	core_load_promise(core, disk->promised);
	core_load_alone(core, disk->alone, disk->alone_voters);
	core_load_together(core, disk->together, disk->together_voters);
	core_load_applied(core, disk->index, disk->epoch);
	for (uint32_t table = 0; table < DISK_TABLES && r == 0; table++)
		for (size_t i = 0; i < idmap_count(&disk->records[table]) && r == 0; i++) {
			uint64_t id;
			const struct buf *record = idmap_at(&disk->records[table], i, &id);

			r = core_load_record(core, table, id, record->data, record->len);
		}
	for (size_t i = 0; i < idmap_count(&disk->entries) && r == 0; i++) {
		const struct persist *e = idmap_at(&disk->entries, i, NULL);

		r = core_load_entry(core, e->index, e->epoch, e->data.data, e->data.len);
	}
	return r < 0 ? r : core_load_done(core);
}

int member_start(struct member *member)
{
	const struct core_config config = {
		.node = member->node, .boot_id = member->boot_id, .disk_id = member->disk.id,
		.kernel_boot_id = "kernel", .random = 7, .eager = member->eager,
	};

	core_free(member->core);
	update_reset(&member->update);
	member->core = core_new(&config);
	member->gone = member->stepped = false;
	member->deadline_ms = member->handed_out = member->persisted = 0;
	return load(&member->disk, member->core);
}

/* ---------------------------------------------------------------- what it wants */

static void look_at_frame(struct member *member, const struct buf *frame)
{
	struct frame_header header;
	ProtobufCMessage *body;

	fuzz_must(frame_decode(frame->data, frame->len, &header, &body) == 0,
		  "a frame that nobody can read");
	fuzz_must(header.boot_id == member->boot_id, "a frame in another's name");
	if (header.type != FRAME_PROGRESS) {
		member->round = header.round;
		member->epoch = header.epoch;
	}
	frame_body_free(body);
}

static void look_at_ask(struct member *member, const struct ask *ask)
{
	static const uint8_t none[16];
	struct frame_header header = { .type = FRAME_AGENT_REQUEST, .request = ask->id };
	struct buf frame = { 0 };

	memcpy(header.cluster, none, sizeof(none));
	for (size_t i = 0; i < member->asks_n && i < MEMBER_ASKS_MAX; i++)
		fuzz_must(member->asks[i] != ask->id, "two asks of one id");
	fuzz_must(frame_encode(&header, &ask->request->base, &frame) == 0,
		  "an ask that cannot be sent");
	fuzz_must(ask->deadline_ms > 0, "an ask without a deadline");
	member->asks[member->asks_n++ % MEMBER_ASKS_MAX] = ask->id;
	buf_free(&frame);
}

static void look_at_answer(const struct member *member, const struct answer *answer)
{
	fuzz_must(answer->tag >= 1 && answer->tag <= member->tags, "an answer to nobody");
	fuzz_must(wire_check(&answer->verdict->base, NULL) == 0, "a verdict beyond a limit");
	if (answer->verdict->code != WIRE__VERDICT__CODE__OK)
		fuzz_sentence(answer->verdict->text, WIRE_TEXT_MAX, "a refusal");
}

static void add_u64(struct member *member, uint64_t number)
{
	member->digest = digest_add_u64(member->digest, number);
}

static void look_at(struct member *member)
{
	const struct update *update = &member->update;

	for (size_t i = 0; i < update->frames_n; i++) {
		look_at_frame(member, &update->frames[i]);
		member->digest = digest_add(member->digest, update->frames[i].data,
					    update->frames[i].len);
	}
	for (size_t i = 0; i < update->persists_n; i++) {
		disk_write(&member->disk, &update->persists[i]);
		add_u64(member, update->persists[i].kind + update->persists[i].index);
		member->digest = digest_add(member->digest, update->persists[i].data.data,
					    update->persists[i].data.len);
	}
	if (update->persists_n) {
		fuzz_must(update->persist_seq > member->handed_out, "batches out of order");
		member->handed_out = update->persist_seq;
	}
	for (size_t i = 0; i < update->asks_n; i++)
		look_at_ask(member, &update->asks[i]);
	for (size_t i = 0; i < update->answers_n; i++)
		look_at_answer(member, &update->answers[i]);
	add_u64(member, update->asks_n + update->answers_n + update->cancels_n);
	member->deadline_ms = update->deadline_ms;
	if (update->leave != LEAVE_NO) {
		fuzz_sentence(update->leave_why, LEAVE_WHY_MAX, "why it leaves");
		member->gone = true;
	}
}

/* ---------------------------------------------------------------- what happens to it */

void member_take(struct member *member, struct event *event)
{
	if (member->gone)
		return;
	event->now_ms = member->now_ms;
	event->wall_ms = 1700000000000u + member->now_ms;
	update_reset(&member->update);
	core_step(member->core, event, &member->update);
	member->stepped = true;
	look_at(member);
}

void member_tick(struct member *member, uint64_t after_ms)
{
	struct event event = { .kind = EVENT_TICK };

	/* A clock that would overflow has no meaning. */
	if (after_ms > UINT32_MAX)
		after_ms = UINT32_MAX;
	member->now_ms += after_ms;
	member_take(member, &event);
}

void member_persist(struct member *member)
{
	struct event event = { .kind = EVENT_PERSISTED, .persisted = member->handed_out };

	if (member->persisted == member->handed_out)
		return;
	member->persisted = member->handed_out;
	member_take(member, &event);
}

static size_t nodes_of(uint32_t set, uint32_t list[VIEW_NODES])
{
	size_t n = 0;

	for (uint32_t node = 1; node <= VIEW_NODES; node++)
		if (set >> (node - 1) & 1)
			list[n++] = node;
	return n;
}

void member_view(struct member *member, uint32_t members, uint32_t ring, bool ring_only)
{
	uint32_t of_group[VIEW_NODES], of_ring[VIEW_NODES];
	struct event event = { .kind = EVENT_VIEW };

	event.view.members = of_group;
	event.view.members_n = nodes_of(members, of_group);
	event.view.ring = of_ring;
	event.view.ring_n = nodes_of(ring, of_ring);
	event.view.ring_only = ring_only;
	member_take(member, &event);
}

static void cluster_uuid(uint8_t uuid[16])
{
	static const uint8_t bytes[16] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef,
					   0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

	memcpy(uuid, bytes, sizeof(bytes));
}

void member_hear(struct member *member, uint32_t sender, uint16_t type, uint64_t epoch,
		 const ProtobufCMessage *body)
{
	struct frame_header header = { .protocol = FRAME_PROTOCOL_ALWAYS, .type = type,
				       .round = member->round, .epoch = epoch,
				       .boot_id = COMMANDS_BOOT + sender };
	struct event event = { .kind = EVENT_FRAME };

	cluster_uuid(header.cluster);
	event.frame = (struct event_frame){ sender, &header, body };
	member_take(member, &event);
}

/* They outlive the update that they stand in. */
static void move_frames(struct update *from, struct update *to)
{
	for (size_t i = 0; i < from->frames_n; i++)
		update_frame(to, &from->frames[i]);
	from->frames_n = 0;
}

void member_echo(struct member *member)
{
	struct update frames, answers;

	update_init(&frames);
	update_init(&answers);
	move_frames(&member->update, &frames);
	for (size_t i = 0; i < frames.frames_n; i++) {
		struct event event = { .kind = EVENT_FRAME };
		struct frame_header header;
		ProtobufCMessage *body;

		fuzz_must(frame_decode(frames.frames[i].data, frames.frames[i].len, &header,
				       &body) == 0, "a frame that nobody can read");
		event.frame = (struct event_frame){ member->node, &header, body };
		member_take(member, &event);
		move_frames(&member->update, &answers);
		frame_body_free(body);
	}
	move_frames(&answers, &member->update);
	update_reset(&answers);
	update_reset(&frames);
}

/* ---------------------------------------------------------------- an epoch */

static void hear_simple(struct member *member, uint32_t sender, uint16_t type, uint64_t epoch)
{
	ProtobufCMessage *body = wire_new(frame_body_descriptor(type));

	member_hear(member, sender, type, epoch, body);
	wire_free(body);
}

/* What another one says of itself that is as the base has it. */
static void hear_hello(struct member *member, uint32_t sender)
{
	struct commands_position position = commands_position();
	Wire__Hello hello = WIRE__HELLO__INIT;
	uint32_t voters[] = { 1, 2, 3 };
	uint64_t disks[] = { 1, 2, 3 };

	hello.proto_min = hello.proto_max = FRAME_PROTOCOL_ALWAYS;
	hello.promised = hello.last_epoch = position.epoch;
	hello.last_index = hello.applied = position.index;
	hello.first_index = position.index + 1;
	hello.disk_id = sender;
	hello.voters = voters;
	hello.voter_disks = disks;
	hello.n_voters = hello.n_voter_disks = 3;
	member_hear(member, sender, FRAME_HELLO, 0, &hello.base);
}

void member_open(struct member *member, bool leads)
{
	uint32_t others = leads ? 4 : 5, first = leads ? 2 : 1;

	member_view(member, others | 2, others | 2, false);
	if (leads) {
		member_echo(member);	/* its SYNC_START: says HELLO */
	} else {
		member->round = (struct frame_round){ 1, 1, COMMANDS_BOOT + 1 };
		hear_simple(member, 1, FRAME_SYNC_START, 0);
	}
	member_echo(member);
	for (uint32_t node = 1; node <= 3; node++)
		if (others >> (node - 1) & 1)
			hear_hello(member, node);
	if (leads)
		member_echo(member);
	else
		hear_simple(member, first, FRAME_CLOSE, 0);
	member_persist(member);
	member_echo(member);
	for (uint32_t node = 1; node <= 3; node++)
		if (others >> (node - 1) & 1)
			hear_simple(member, node, FRAME_READY, member->epoch);
	member_persist(member);
	member_echo(member);
}

static uint64_t last_index(const struct member *member)
{
	size_t n = idmap_count(&member->disk.entries);
	uint64_t index = member->disk.index;

	if (n > 0)
		idmap_at(&member->disk.entries, n - 1, &index);
	return index;
}

void member_acks(struct member *member)
{
	Wire__Ack ack = WIRE__ACK__INIT;

	ack.index = last_index(member);
	member_hear(member, 1, FRAME_ACK, member->epoch, &ack.base);
	member_hear(member, 3, FRAME_ACK, member->epoch, &ack.base);
	member_persist(member);
}

void member_commit(struct member *member, const void *command, size_t size)
{
	Wire__Append append = WIRE__APPEND__INIT;

	append.command.data = (uint8_t *)command;
	append.command.len = size;
	member_hear(member, 3, FRAME_APPEND, member->epoch, &append.base);
	member_persist(member);
	member_echo(member);
	member_acks(member);
}

static void tell_digest(struct member *member, uint32_t node, uint64_t index, uint64_t digest)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__CheckDigest check = WIRE__CHECK_DIGEST__INIT;

	check.index = index;
	check.digest = digest;
	check.disk_id = node;
	command.node = node;
	command.boot_id = COMMANDS_BOOT + node;
	command.body_case = WIRE__COMMAND__BODY_CHECK;
	command.check = &check;
	wire_pack(&command.base, &packed);
	member_commit(member, packed.data, packed.len);
}

void member_agree(struct member *member)
{
	uint64_t index = state_index(core_state(member->core));
	uint64_t digest = state_digest(core_state(member->core));

	if (index == 0)
		return;
	tell_digest(member, 1, index, digest);
	tell_digest(member, 3, index, digest);
}

/* ---------------------------------------------------------------- what must hold */

static void check_records(const struct member *member)
{
	const struct state *state = core_state(member->core);
	uint64_t of_all = 0;

	for (uint32_t table = 1; state_table_descriptor(table); table++) {
		fuzz_must(state_count(state, table) ==
				  idmap_count(&member->disk.records[table]),
			  "another number of records on disk");
		for (size_t i = 0; i < state_count(state, table); i++) {
			uint64_t id, on_disk;
			const struct buf *packed = state_packed(state, table, i, &id);
			const struct buf *record = idmap_at(&member->disk.records[table], i,
							    &on_disk);

			fuzz_must(id == on_disk && packed->len == record->len &&
					  memcmp(packed->data, record->data, packed->len) == 0,
				  "another record on disk");
			of_all += packed->len;
		}
	}
	fuzz_must(member->disk.index == state_index(state), "another position on disk");
	fuzz_must(of_all <= STATE_BYTES_MAX, "more records than there may be");
}

static void check_digest(const struct member *member)
{
	const struct state *state = core_state(member->core);
	struct state *copy = state_new();

	for (uint32_t table = 1; state_table_descriptor(table); table++)
		for (size_t i = 0; i < state_count(state, table); i++) {
			uint64_t id;
			const struct buf *packed = state_packed(state, table, i, &id);

			fuzz_must(state_load(copy, table, id, packed->data, packed->len) == 0,
				  "a record that cannot be loaded again");
		}
	fuzz_must(state_digest(copy) == state_digest(state), "a digest of other records");
	state_free(copy);
}

void member_check(struct member *member)
{
	struct core_standing standing;

	if (member->disk.index != state_index(core_state(member->core)))
		member_tick(member, BEHIND_MS);
	check_digest(member);
	check_records(member);
	core_standing(member->core, &standing);
	if (!standing.open && member->stepped)
		fuzz_sentence(standing.why_not, STANDING_MAX, "why no epoch is open");
	if (standing.disputed)
		fuzz_sentence(standing.disputed, STANDING_MAX, "a dispute");
	for (size_t i = 0; i < state_count(core_state(member->core), WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(core_state(member->core), WIRE__TABLE__TABLE_VM, i);
		char why[600] = "";

		if (core_may_run(member->core, vm->uuid, RIGHT_START, why, sizeof(why)) == 0)
			fuzz_must(*why, "a no without a reason");
		core_progress(member->core, vm->id);
	}
}

/* ---------------------------------------------------------------- together again */

enum { NODES = 3, TURNS_MAX = 4000, STARTS_MAX = 8, REJOIN_MS = 600000 };

struct group {
	struct member others[NODES + 1], *all[NODES + 1]; /* by node */
	struct buf *frames;
	uint32_t *senders;
	size_t first, n, cap;
	size_t starts;
};

static void take_frames(struct group *group, struct member *from)
{
	for (size_t i = 0; i < from->update.frames_n; i++) {
		if (group->n == group->cap) {
			group->cap = group->cap ? group->cap * 2 : 64;
			group->frames = mem_resize(group->frames, group->cap,
						   sizeof(*group->frames));
			group->senders = mem_resize(group->senders, group->cap,
						    sizeof(*group->senders));
		}
		group->frames[group->n] = from->update.frames[i];
		group->senders[group->n++] = from->node;
		from->update.frames[i] = (struct buf){ 0 };
	}
	from->update.frames_n = 0;
}

static void new_view(struct group *group)
{
	for (size_t i = group->first; i < group->n; i++)
		buf_free(&group->frames[i]);
	group->first = group->n;
	for (uint32_t node = 1; node <= NODES; node++) {
		member_view(group->all[node], 7, 7, false);
		take_frames(group, group->all[node]);
	}
}

/* Whoever leaves is started again, with nothing if its store is of no use. */
static bool start_again(struct group *group)
{
	bool any = false;

	for (uint32_t node = 1; node <= NODES; node++) {
		struct member *member = group->all[node];

		if (!member->gone)
			continue;
		fuzz_must(group->starts++ < STARTS_MAX, "it leaves again and again");
		if (member->update.leave == LEAVE_DAMAGED) {
			disk_wipe(&member->disk);
			member->disk.promised = 0;
			member->disk.id += 100;
		}
		member->boot_id += 16;
		fuzz_must(member_start(member) == 0, "it cannot read what it wrote");
		any = true;
	}
	return any;
}

static void deliver(struct group *group)
{
	struct buf frame = group->frames[group->first];
	uint32_t sender = group->senders[group->first++];
	struct frame_header header;
	ProtobufCMessage *body;

	fuzz_must(frame_decode(frame.data, frame.len, &header, &body) == 0, "no frame");
	for (uint32_t node = 1; node <= NODES; node++) {
		struct event event = { .kind = EVENT_FRAME };

		event.frame = (struct event_frame){ sender, &header, body };
		member_take(group->all[node], &event);
		take_frames(group, group->all[node]);
	}
	frame_body_free(body);
	buf_free(&frame);
}

static bool persist_one(struct group *group)
{
	for (uint32_t node = 1; node <= NODES; node++) {
		struct member *member = group->all[node];

		if (member->gone || member->persisted == member->handed_out)
			continue;
		member_persist(member);
		take_frames(group, member);
		return true;
	}
	return false;
}

static void pass_time(struct group *group, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;

	for (uint32_t node = 1; node <= NODES; node++)
		if (group->all[node]->deadline_ms && group->all[node]->deadline_ms < next_ms)
			next_ms = group->all[node]->deadline_ms;
	if (next_ms == UINT64_MAX || next_ms <= now_ms)
		next_ms = now_ms + 100;
	for (uint32_t node = 1; node <= NODES; node++) {
		struct member *member = group->all[node];

		member->now_ms = next_ms;
		if (member->deadline_ms && member->deadline_ms <= next_ms) {
			member_tick(member, 0);
			take_frames(group, member);
		}
	}
}

/* Is a majority of the voters known to have the disks that they have? */
static bool disks_are_known(const struct group *group)
{
	const struct state *state = core_state(group->all[MEMBER_SELF]->core);
	size_t known = 0;

	for (uint32_t node = 1; node <= NODES; node++) {
		const Wire__Node *record = state_node(state, node);

		known += record && record->disk_id == group->all[node]->disk.id;
	}
	return known > NODES / 2;
}

static bool is_open(const struct member *member)
{
	struct core_standing standing;

	core_standing(member->core, &standing);
	return standing.open;
}

static void say_all(const struct group *group)
{
	for (uint32_t node = 1; node <= NODES; node++) {
		struct core_standing standing;

		core_standing(group->all[node]->core, &standing);
		fprintf(stderr, "n%u: epoch %" PRIu64 " index %" PRIu64 " promised %" PRIu64
			": %s\n", node, standing.epoch, standing.index,
			group->all[node]->disk.promised, standing.why_not ? standing.why_not : "");
	}
}

static void play(struct group *group)
{
	struct member *self = group->all[MEMBER_SELF];
	uint64_t end_ms = self->now_ms + REJOIN_MS;
	bool known = disks_are_known(group);

	start_again(group);
	new_view(group);
	for (size_t turns = 0; !is_open(self) || self->gone; turns++) {
		if (start_again(group)) {
			new_view(group);
			continue;
		}
		if (group->first < group->n)
			deliver(group);
		else if (!persist_one(group))
			pass_time(group, self->now_ms);
		if (turns < TURNS_MAX && self->now_ms < end_ms)
			continue;
		if (known)
			say_all(group);
		fuzz_must(!known, "it cannot take part any more");
		break;
	}
}

void member_rejoin(struct member *member)
{
	struct group group = { 0 };

	for (uint32_t node = 1; node <= NODES; node++) {
		if (node == member->node) {
			group.all[node] = member;
			continue;
		}
		group.all[node] = &group.others[node];
		member_init(&group.others[node], node, false);
		group.others[node].boot_id += 8;
		group.others[node].now_ms = member->now_ms;
		fuzz_must(member_start(&group.others[node]) == 0, "the base cannot be loaded");
	}
	play(&group);
	member_check(member);
	for (uint32_t node = 1; node <= NODES; node++)
		if (node != member->node)
			member_free(&group.others[node]);
	for (size_t i = group.first; i < group.n; i++)
		buf_free(&group.frames[i]);
	free(group.frames);
	free(group.senders);
}
