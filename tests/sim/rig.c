/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/rig.h"

#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "base/cleanup.h"
#include "wire/message.h"

const uint32_t rig_everybody[3] = { 1, 2, 3 };

struct replica *rig_make(struct rig *rig)
{
	struct replica_config config = {
		.node = RIG_SELF, .boot_id = RIG_BOOT + RIG_SELF, .disk_id = 10 + RIG_SELF,
		.ops = &toy_ops, .above = rig->toy,
	};

	return replica_new(&config);
}

void rig_init(struct rig *rig, bool empty)
{
	static const uint64_t disks[] = { 11, 12, 13 };
	_cleanup_(buf_free) struct buf genesis = { 0 };

	*rig = (struct rig){ .disk = disk_new(12), .toy = toy_new(), .now_ms = 1000 };
	rig->round = (struct frame_round){ 1, 1, RIG_BOOT + 1 };
	update_init(&rig->update);
	toy_genesis(3, disks, &genesis);
	if (!empty)
		toy_install(rig->disk, &genesis);
	toy_load(rig->toy, rig->disk);
	rig->replica = rig_make(rig);
	if (!empty)
		CU_ASSERT_EQUAL(replica_load_entry(rig->replica, 1, 1, genesis.data, genesis.len),
				0);
	CU_ASSERT_EQUAL(replica_load_done(rig->replica), 0);
}

void rig_free(struct rig *rig)
{
	update_reset(&rig->update);
	replica_free(rig->replica);
	toy_free(rig->toy);
	disk_free(rig->disk);
}

void rig_happen(struct rig *rig, struct event *event)
{
	event->now_ms = rig->now_ms;
	update_reset(&rig->update);
	switch (event->kind) {
	case EVENT_VIEW:
		replica_view(rig->replica, event, &rig->update);
		break;
	case EVENT_FRAME:
		replica_frame(rig->replica, event, &rig->update);
		break;
	case EVENT_PERSISTED:
		replica_persisted(rig->replica, event, &rig->update);
		break;
	default:
		replica_tick(rig->replica, event, &rig->update);
		break;
	}
	replica_finish(rig->replica, &rig->update);
}

void rig_view(struct rig *rig, const uint32_t *members, size_t n)
{
	struct event event = { .kind = EVENT_VIEW };

	event.view = (struct event_view){ members, n, members, n, false };
	rig_happen(rig, &event);
}

void rig_tick(struct rig *rig, uint64_t after_ms)
{
	struct event event = { .kind = EVENT_TICK };

	rig->now_ms += after_ms;
	rig_happen(rig, &event);
}

void rig_persisted(struct rig *rig)
{
	struct event event = { .kind = EVENT_PERSISTED };

	event.persisted = rig->replica->batch - 1;
	rig_happen(rig, &event);
}

void rig_frame(struct rig *rig, uint32_t sender, uint16_t type, uint64_t epoch,
	       const ProtobufCMessage *body)
{
	struct frame_header header = {
		.type = type, .round = rig->round, .epoch = epoch, .boot_id = RIG_BOOT + sender,
	};
	struct event event = { .kind = EVENT_FRAME };

	event.frame = (struct event_frame){ sender, &header, body };
	rig_happen(rig, &event);
}

void rig_simple(struct rig *rig, uint32_t sender, uint16_t type, uint64_t epoch)
{
	ProtobufCMessage *body = wire_new(frame_body_descriptor(type));

	rig_frame(rig, sender, type, epoch, body);
	wire_free(body);
}

const char *rig_sent(const struct rig *rig)
{
	static struct buf text;

	buf_reset(&text);
	for (size_t i = 0; i < rig->update.frames_n; i++) {
		struct frame_header header;
		ProtobufCMessage *body;
		int r = frame_decode(rig->update.frames[i].data, rig->update.frames[i].len,
				     &header, &body);

		CU_ASSERT_EQUAL_FATAL(r, 0);
		buf_printf(&text, "%s%s", i ? " " : "", frame_type_name(header.type));
		frame_body_free(body);
	}
	return buf_str(&text);
}

void rig_echo(struct rig *rig)
{
	struct frame_header header;
	ProtobufCMessage *body;
	struct event event = { .kind = EVENT_FRAME };
	int r;

	CU_ASSERT_EQUAL_FATAL(rig->update.frames_n, 1);
	r = frame_decode(rig->update.frames[0].data, rig->update.frames[0].len, &header, &body);
	CU_ASSERT_EQUAL_FATAL(r, 0);
	event.frame = (struct event_frame){ RIG_SELF, &header, body };
	rig_happen(rig, &event);
	frame_body_free(body);
}

const char *rig_why_not(const struct rig *rig)
{
	struct replica_standing standing;

	replica_standing(rig->replica, &standing);
	return standing.why_not ? standing.why_not : "";
}

Wire__Hello rig_hello(uint64_t promised, uint64_t epoch, uint64_t index, uint64_t disk)
{
	Wire__Hello body = WIRE__HELLO__INIT;

	body.proto_min = frame_protocols.min;
	body.proto_max = frame_protocols.max;
	body.promised = promised;
	body.last_epoch = epoch;
	body.last_index = index;
	body.first_index = 1;
	body.disk_id = disk;
	return body;
}

void rig_meet(struct rig *rig)
{
	rig_view(rig, rig_everybody, 3);
	rig_simple(rig, 1, FRAME_SYNC_START, 0);
	CU_ASSERT_STRING_EQUAL(rig_sent(rig), "hello");
	rig_echo(rig);
}

void rig_open_epoch(struct rig *rig)
{
	Wire__Hello body = rig_hello(1, 1, 1, 11);

	rig_meet(rig);
	rig_frame(rig, 1, FRAME_HELLO, 0, &body.base);
	body.disk_id = 13;
	rig_frame(rig, 3, FRAME_HELLO, 0, &body.base);
	rig_simple(rig, 1, FRAME_CLOSE, 0);
	rig_persisted(rig);
	CU_ASSERT_STRING_EQUAL(rig_sent(rig), "ready");
	rig_echo(rig);
	rig_simple(rig, 1, FRAME_READY, 2);
	CU_ASSERT_TRUE(rig->update.opened);
	rig_persisted(rig);
	CU_ASSERT_STRING_EQUAL(rig_sent(rig), "ack");
	rig_echo(rig);
}

Wire__Entry *rig_entry(uint64_t index, uint64_t epoch, const char *text)
{
	Wire__Entry *made = wire_new(&wire__entry__descriptor);

	made->index = index;
	made->epoch = epoch;
	made->command.data = (uint8_t *)strdup(text);
	made->command.len = strlen(text);
	return made;
}
