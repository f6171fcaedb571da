/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// Frames of rounds, of the log and of snapshots, views, time and disks, given to a real core in any
// order, by members and strangers; then it must still find together with honest ones. An input is
// a script (fuzz.h): how it begins, then one thing after the other.
//
// Covers: clusterd/core/replica.c clusterd/core/round.c clusterd/core/sync.c clusterd/core/commit.c
// clusterd/core/decide.c clusterd/core/machine.c clusterd/core/census.c clusterd/core/log.c
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "tests/fuzz/commands.h"
#include "tests/fuzz/member.h"
#include "wire/check.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 300;

enum { THINGS_MAX = 120, SUPERSEDED = 0xe0 };

/* ---------------------------------------------------------------- frames */

static uint32_t some_sender(struct fuzz_in *in)
{
	static const uint8_t known[] = { 1, 3, 1, 3, 2, 4, 3 };
	uint32_t which = fuzz_below(in, 8);

	return which < 7 ? known[which] : (uint32_t)fuzz_number(in);
}

static uint64_t near(struct fuzz_in *in, uint64_t number)
{
	uint8_t how = fuzz_byte(in);

	if (how < 0x80)
		return number + how % 8 - 2;
	return fuzz_number(in);
}

static uint64_t last_index(const struct member *member)
{
	struct core_standing standing;

	core_standing(member->core, &standing);
	return standing.index;
}

static ProtobufCMessage *make_hello(struct member *member, struct fuzz_in *in, uint32_t sender)
{
	struct commands_position position = commands_position();
	Wire__Hello *hello = wire_new(&wire__hello__descriptor);
	size_t voters = fuzz_below(in, 5);

	hello->proto_min = fuzz_below(in, 16) == 0 ? (uint32_t)fuzz_number(in) : 1;
	hello->proto_max = fuzz_below(in, 16) == 0 ? (uint32_t)fuzz_number(in) : 1;
	hello->promised = near(in, position.epoch + 2);
	hello->last_epoch = near(in, position.epoch + 2);
	hello->last_index = near(in, position.index + 2);
	hello->applied = near(in, position.index + 2);
	hello->first_index = near(in, position.index + 1);
	hello->disk_id = fuzz_below(in, 8) == 0 ? fuzz_number(in) : sender;
	hello->against = fuzz_below(in, 4) == 0 ? fuzz_number(in) : 0;
	hello->voters = mem_new_array(uint32_t, voters);
	hello->voter_disks = mem_new_array(uint64_t, voters);
	for (size_t i = 0; i < voters; i++) {
		hello->voters[i] = fuzz_below(in, 8) == 0 ? (uint32_t)fuzz_number(in) :
							    (uint32_t)i + 1;
		hello->voter_disks[i] = fuzz_below(in, 8) == 0 ? fuzz_number(in) : i + 1;
	}
	hello->n_voters = hello->n_voter_disks = voters;
	return &hello->base;
}

static void fill_bytes(struct fuzz_in *in, ProtobufCBinaryData *out)
{
	struct fuzz_in block = fuzz_block(in);

	out->data = mem_dup(block.data, block.size);
	out->len = block.size;
}

static ProtobufCMessage *make_log(struct member *member, struct fuzz_in *in)
{
	struct commands_position position = commands_position();
	Wire__LogChunk *chunk = wire_new(&wire__log_chunk__descriptor);
	size_t n = fuzz_below(in, 4);

	chunk->seq = fuzz_below(in, 4);
	chunk->last = fuzz_below(in, 2);
	chunk->entries = mem_new_array(Wire__Entry *, n);
	while (chunk->n_entries < n) {
		Wire__Entry *entry = wire_new(&wire__entry__descriptor);

		entry->index = near(in, position.index + 3);
		entry->epoch = near(in, position.epoch + 2);
		fill_bytes(in, &entry->command);
		chunk->entries[chunk->n_entries++] = entry;
	}
	return &chunk->base;
}

struct filling {
	Wire__SnapChunk *chunk;
	struct fuzz_in *in;
	unsigned int without;	/* the record with this number is another or none */
	unsigned int n;
};

static void add_record(void *context, uint32_t table, uint64_t id, const struct buf *data)
{
	struct filling *filling = context;
	Wire__SnapChunk *chunk = filling->chunk;
	Wire__Record *record;

	record = wire_new(&wire__record__descriptor);
	record->table = (Wire__Table)table;
	record->id = id;
	if (filling->n++ == filling->without) {
		record->id = near(filling->in, id + 2);
		fill_bytes(filling->in, &record->body);
	} else {
		record->body.data = mem_dup(data->data, data->len);
		record->body.len = data->len;
	}
	chunk->records = mem_resize(chunk->records, chunk->n_records + 1,
				    sizeof(*chunk->records));
	chunk->records[chunk->n_records++] = record;
}

/* The base's state, whole and right, or not. */
static ProtobufCMessage *make_snap(struct member *member, struct fuzz_in *in)
{
	struct commands_position position = commands_position();
	Wire__SnapChunk *chunk = wire_new(&wire__snap_chunk__descriptor);
	struct filling filling = { chunk, in, UINT32_MAX, 0 };
	uint8_t how = fuzz_byte(in);

	chunk->seq = how & 1 ? fuzz_below(in, 4) : 0;
	chunk->last = !(how & 2);
	chunk->index = how & 4 ? near(in, position.index + 2) : position.index;
	chunk->epoch = how & 8 ? near(in, position.epoch + 2) : position.epoch;
	chunk->digest = how & 16 ? fuzz_number(in) : position.digest;
	if (how & 32)
		filling.without = fuzz_byte(in);
	if (!(how & 64))
		commands_each(add_record, &filling);
	return &chunk->base;
}

/* As its protobuf, whatever that is; NULL if it is none. */
static ProtobufCMessage *make_any(uint16_t type, struct fuzz_in *in)
{
	struct fuzz_in block = fuzz_block(in);
	ProtobufCMessage *body = NULL;

	return wire_unpack(frame_body_descriptor(type), block.data, block.size, &body) == 0 ?
		       body : NULL;
}

static ProtobufCMessage *make_body(struct member *member, uint16_t type, uint32_t sender,
				   struct fuzz_in *in)
{
	Wire__Append *append;
	Wire__Ack *ack;

	if (fuzz_below(in, 8) == 7)
		return make_any(type, in);
	switch (type) {
	case FRAME_HELLO:
		return make_hello(member, in, sender);
	case FRAME_LOG_CHUNK:
		return make_log(member, in);
	case FRAME_SNAP_CHUNK:
		return make_snap(member, in);
	case FRAME_APPEND:
		append = wire_new(&wire__append__descriptor);
		fill_bytes(in, &append->command);
		return &append->base;
	case FRAME_ACK:
		ack = wire_new(&wire__ack__descriptor);
		ack->index = near(in, last_index(member) + 3);
		return &ack->base;
	case FRAME_PROGRESS:
		return make_any(type, in);
	default:
		return wire_new(frame_body_descriptor(type));
	}
}

static uint16_t some_type(struct fuzz_in *in)
{
	uint8_t which = fuzz_byte(in);

	return which >= SUPERSEDED ? FRAME_SUPERSEDED
				   : (uint16_t)(FRAME_SYNC_START + which % FRAME_REJOIN);
}

static void do_frame(struct member *member, struct fuzz_in *in)
{
	uint16_t type = some_type(in);
	uint32_t sender = some_sender(in);
	uint8_t how = fuzz_byte(in);
	struct frame_header header = { .protocol = FRAME_PROTOCOL_ALWAYS, .type = type,
				       .round = member->round, .epoch = member->epoch,
				       .boot_id = COMMANDS_BOOT + sender };
	struct event event = { .kind = EVENT_FRAME };
	ProtobufCMessage *body;

	/* Of this cluster, of none and of another. */
	if (how % 16 == 1)
		header.cluster[0] = 0x99;
	else if (how % 16 > 1)
		memcpy(header.cluster, "\x12\x34\x56\x78\x9a\xbc\x4d\xef\x81\x23\x45\x67\x89\xab"
		       "\xcd\xef", 16);
	if (how & 0x80)
		header.epoch = near(in, member->epoch + 2);
	if (type == FRAME_SYNC_START && !(how & 0x40))
		header.round = (struct frame_round){ sender, 1 + fuzz_below(in, 8),
						     header.boot_id };
	else if (how & 0x40)
		header.round = (struct frame_round){ (uint32_t)fuzz_number(in),
						     (uint32_t)fuzz_number(in), fuzz_number(in) };
	if ((how & 0x30) == 0x30)
		header.boot_id = fuzz_number(in);
	body = make_body(member, type, sender, in);
	if (!body)
		return;
	/* What is beyond a limit the decoder has refused. */
	if (wire_check(body, NULL) == 0) {
		event.frame = (struct event_frame){ sender, &header, body };
		member_take(member, &event);
		if (type == FRAME_SYNC_START && sender != MEMBER_SELF)
			member->round = header.round;
	}
	wire_free(body);
}

/* ---------------------------------------------------------------- everything else */

static void do_echo(struct member *member, struct fuzz_in *in)
{
	member_echo(member);
}

static void do_persist(struct member *member, struct fuzz_in *in)
{
	member_persist(member);
}

static void do_tick(struct member *member, struct fuzz_in *in)
{
	uint64_t after_ms = fuzz_number(in);

	if (after_ms == 0 && member->deadline_ms > member->now_ms)
		after_ms = member->deadline_ms - member->now_ms;
	member_tick(member, after_ms);
}

static void do_view(struct member *member, struct fuzz_in *in)
{
	uint8_t members = fuzz_byte(in), ring = fuzz_byte(in);

	member_view(member, members, ring, members & 0x80);
}

static void do_open(struct member *member, struct fuzz_in *in)
{
	uint8_t how = fuzz_byte(in);

	member_open(member, how & 1);
	if (how & 2)
		member_agree(member);
}

static void do_commit(struct member *member, struct fuzz_in *in)
{
	struct fuzz_in block = fuzz_block(in);

	member_commit(member, block.data, block.size);
}

static void do_client(struct member *member, struct fuzz_in *in)
{
	struct event event = { .kind = EVENT_CLIENT };
	struct fuzz_in block = fuzz_block(in);
	ProtobufCMessage *command = NULL;

	if (wire_unpack(&wire__command__descriptor, block.data, block.size, &command) < 0)
		return;
	event.client.tag = ++member->tags;
	event.client.command = (const Wire__Command *)(const void *)command;
	member_take(member, &event);
	wire_free(command);
}

static void do_leave(struct member *member, struct fuzz_in *in)
{
	struct event event = { .kind = EVENT_LEAVE };

	member_take(member, &event);
}

static void (*const things[])(struct member *member, struct fuzz_in *in) = {
	do_frame, do_frame, do_frame, do_frame, do_echo, do_persist, do_tick, do_view, do_open,
	do_commit, do_client, do_leave,
};

static void play(struct member *member, struct fuzz_in in, bool eager)
{
	uint8_t how = fuzz_byte(&in);

	member_init(member, MEMBER_SELF, how % 4 == 3);
	member->eager = eager;
	fuzz_must(member_start(member) == 0, "the base cannot be loaded");
	if (how % 4 == 1 || how % 4 == 2)
		member_open(member, how % 4 == 2);
	if (how & 4)
		member_agree(member);
	for (int i = 0; i < THINGS_MAX && in.size > 0 && !member->gone; i++)
		things[fuzz_below(&in, ARRAY_SIZE(things))](member, &in);
	member_check(member);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct member member, same;

	play(&member, in, false);
	/* What it does not look at again would have come to the same. */
	if (size % 4 == 0) {
		play(&same, in, size % 8);
		fuzz_must(same.digest == member.digest, "the same events, another outcome");
		member_free(&same);
	}
	member_rejoin(&member);
	member_free(&member);
	return 0;
}

/* ---------------------------------------------------------------- seeds */

enum { FRAME = 0, ECHO = 4, PERSIST, TICK, VIEW, OPEN, COMMIT, CLIENT, LEAVE };

/* A frame of the present round and epoch, without anything odd; what it holds follows. */
static void put_frame(struct buf *out, uint16_t type, uint8_t sender)
{
	const uint8_t start[] = { FRAME, type == FRAME_SUPERSEDED ? SUPERSEDED :
						 (uint8_t)(type - FRAME_SYNC_START), sender, 2 };

	buf_append(out, start, sizeof(start));
	if (type == FRAME_SYNC_START)
		buf_append_byte(out, 0);
	buf_append_byte(out, 0);
}

/* The same, of epoch 2, to a node that has sent nothing in it yet. */
static void put_early(struct buf *out, uint16_t type, uint8_t sender)
{
	const uint8_t start[] = { FRAME, (uint8_t)(type - FRAME_SYNC_START), sender, 0x82, 2, 0 };

	buf_append(out, start, sizeof(start));
}

static void put_round(struct buf *out)
{
	static const uint8_t hello[] = { 3, 1, 1, 0, 0, 0, 0, 2, 1, 1, 1, 1, 1, 1, 1, 1 };

	buf_append(out, (const uint8_t[]){ VIEW, 7, 7 }, 3);
	put_frame(out, FRAME_SYNC_START, 0);
	buf_append_byte(out, ECHO);
	put_frame(out, FRAME_HELLO, 0);
	buf_append(out, hello, sizeof(hello));
	put_frame(out, FRAME_HELLO, 1);
	buf_append(out, hello, sizeof(hello));
	put_frame(out, FRAME_CLOSE, 0);
	buf_append_byte(out, PERSIST);
	buf_append_byte(out, ECHO);
}

/* This node is the source; another one has an old log, or nothing. */
static void put_source(struct buf *out, bool empty)
{
	static const uint8_t old[] = { 3, 1, 1, 0, 0x80, 1, 0x80, 5, 0x80, 5, 0x80, 1, 1, 1,
				       1, 1, 1, 1, 1, 1 };
	static const uint8_t none[] = { 0, 1, 1, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80,
					1, 1, 1 };

	buf_append(out, (const uint8_t[]){ VIEW, 6, 6, ECHO, ECHO }, 5);
	put_frame(out, FRAME_HELLO, 1);
	buf_append(out, empty ? none : old, empty ? sizeof(none) : sizeof(old));
	for (int i = 0; i < 6; i++)
		buf_append(out, (const uint8_t[]){ ECHO, PERSIST, ECHO }, 3);
	put_frame(out, FRAME_READY, 1);
	buf_append(out, (const uint8_t[]){ ECHO, PERSIST, ECHO }, 3);
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
	_cleanup_(buf_free) struct buf command = { 0 };

	commands_pack("{'note':{'severity':'warning','subject':'vm web1','text':'a'}}", &command);
	buf_append_byte(out, n < 4 ? (uint8_t)n : 1);
	switch (n) {
	case 3:
		put_round(out);
		put_early(out, FRAME_SNAP_CHUNK, 0);
		buf_append(out, (const uint8_t[]){ 0, PERSIST, ECHO, PERSIST, ECHO }, 5);
		put_frame(out, FRAME_READY, 0);
		put_frame(out, FRAME_READY, 1);
		buf_append(out, (const uint8_t[]){ PERSIST, ECHO }, 2);
		return true;
	case 0:
		put_round(out);
		put_frame(out, FRAME_SNAP_CHUNK, 0);
		buf_append_byte(out, 0);
		put_frame(out, FRAME_LOG_CHUNK, 0);
		buf_append(out, (const uint8_t[]){ 0, 1, 1 }, 3);
		put_frame(out, FRAME_READY, 0);
		return true;
	case 1:
	case 2:
		buf_append_byte(out, COMMIT);
		fuzz_put_block(out, command.data, command.len);
		put_frame(out, FRAME_APPEND, 1);
		fuzz_put_block(out, command.data, command.len);
		buf_append(out, (const uint8_t[]){ TICK, 0, PERSIST, ECHO }, 4);
		put_frame(out, FRAME_ACK, 0);
		buf_append_byte(out, 1);
		buf_append_byte(out, CLIENT);
		fuzz_put_block(out, command.data, command.len);
		buf_append(out, (const uint8_t[]){ ECHO, PERSIST, LEAVE, TICK, 0 }, 5);
		return true;
	case 4:
		buf_append(out, (const uint8_t[]){ OPEN, 3, TICK, 0, VIEW, 6, 6, OPEN, 2 }, 9);
		put_frame(out, FRAME_REJOIN, 1);
		return true;
	case 5:
	case 6:
		buf_truncate(out, 0);
		buf_append_byte(out, 0);
		put_source(out, n == 6);
		return true;
	case 7:
		/* One is of a cluster forced from this one, until it is of this one again. */
		put_frame(out, FRAME_SUPERSEDED, 1);
		buf_append(out, (const uint8_t[]){ ECHO, TICK, 0, VIEW, 7, 7 }, 6);
		put_frame(out, FRAME_SUPERSEDED, 1);
		put_frame(out, FRAME_SYNC_START, 0);
		buf_append(out, (const uint8_t[]){ TICK, 0, VIEW, 6, 7 | 0x80 }, 5);
		put_frame(out, FRAME_SUPERSEDED, 1);
		put_frame(out, FRAME_SYNC_START, 1);
		buf_append(out, (const uint8_t[]){ ECHO, PERSIST, OPEN, 2 }, 4);
		return true;
	case 8:
		/* Of two voters one is left. */
		buf_append_byte(out, COMMIT);
		commands_put(commands_two_voters, out);
		buf_append(out, (const uint8_t[]){ OPEN, 3, VIEW, 2, 6, ECHO, TICK, 0, VIEW, 2, 2,
						   ECHO, TICK, 0, OPEN, 3 }, 16);
		return true;
	default:
		return commands_story(n - 9, out);
	}
}
