/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One replica among members that say whatever they like. */
#include "clusterd/core/replica.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/rig.h"
#include "tests/sim/rng.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

static uint64_t some(struct rng *rng)
{
	static const uint64_t edges[] = { 0, 1, 2, 3, 4, 5, 11, 12, 13, 101, 102, 103, 4096,
					  UINT32_MAX, UINT64_MAX - 1, UINT64_MAX,
					  UINT64_C(1) << 62 };

	return edges[rng_below(rng, ARRAY_SIZE(edges))];
}

/* Half of them make sense, or nothing would ever come of it. */
static void fill(struct rng *rng, ProtobufCMessage *body, uint16_t type, uint32_t sender)
{
	if (type == FRAME_HELLO && rng_below(rng, 2)) {
		*(Wire__Hello *)body = rig_hello(rng_below(rng, 9), 1 + rng_below(rng, 9),
					     1 + rng_below(rng, 3), 10 + sender);
		((Wire__Hello *)body)->applied = rng_below(rng, 2);
	} else if (type == FRAME_HELLO) {
		Wire__Hello *it = (Wire__Hello *)body;

		*it = rig_hello(some(rng), some(rng), some(rng), some(rng));
		it->applied = some(rng);
		it->first_index = some(rng);
	} else if (type == FRAME_LOG_CHUNK) {
		Wire__LogChunk *it = (Wire__LogChunk *)body;

		it->seq = rng_below(rng, 3);
		it->last = rng_below(rng, 2);
		it->entries = calloc(2, sizeof(*it->entries));
		it->entries[it->n_entries++] = rig_entry(some(rng), some(rng), "x");
		it->entries[it->n_entries++] = rig_entry(some(rng), some(rng), "y");
	} else if (type == FRAME_SNAP_CHUNK) {
		Wire__SnapChunk *it = (Wire__SnapChunk *)body;

		it->seq = rng_below(rng, 3);
		it->last = rng_below(rng, 2);
		it->index = some(rng);
		it->epoch = some(rng);
		it->digest = some(rng);
	} else if (type == FRAME_ACK) {
		((Wire__Ack *)body)->index = some(rng);
	} else if (type == FRAME_APPEND) {
		((Wire__Append *)body)->command.data = (uint8_t *)strdup("z");
		((Wire__Append *)body)->command.len = rng_below(rng, 2);
	}
}

static void hostile_frame(struct rig *rig, struct rng *rng)
{
	/* Not often a new round, so that things come about in one. */
	uint16_t type = (uint16_t)(rng_below(rng, 30) ?
				   FRAME_HELLO + rng_below(rng, FRAME_REJOIN - FRAME_SYNC_START) :
				   FRAME_SYNC_START);
	ProtobufCMessage *body = wire_new(frame_body_descriptor(type));
	struct frame_header header = {
		.type = type, .round = rig->replica->round.id, .epoch = rig->replica->round.epoch,
	};
	struct event event = { .kind = EVENT_FRAME };
	uint32_t sender = rng_below(rng, 8) ? 1 + rng_below(rng, 3) : (uint32_t)some(rng);

	header.boot_id = rng_below(rng, 8) ? RIG_BOOT + sender : some(rng);
	if (type == FRAME_SYNC_START && rng_below(rng, 4))
		header.round = (struct frame_round){ sender, 1 + rng_below(rng, 9),
						     RIG_BOOT + sender };
	if (rng_below(rng, 10) == 0)
		header.epoch = some(rng);
	fill(rng, body, type, sender);
	event.frame = (struct event_frame){ sender, &header, body };
	rig_happen(rig, &event);
	wire_free(body);
}

/* Whatever the others say, this one does not fall over. */
static void test_hostile(void)
{
	size_t opened = 0, left = 0;

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct rng rng = { seed };
		struct rig rig;

		rig_init(&rig, seed % 5 == 0);
		rig_view(&rig, rig_everybody, 3);
		if (seed % 5 && seed % 2)
			rig_open_epoch(&rig);
		for (size_t i = 0; i < 300 && rig.update.leave == LEAVE_NO; i++) {
			if (rig.update.frames_n == 1 && rng_below(&rng, 4))
				rig_echo(&rig);
			else if (rng_below(&rng, 10) == 0)
				rig_persisted(&rig);
			else if (rng_below(&rng, 50) == 0)
				rig_tick(&rig, rng_below(&rng, 20000));
			else
				hostile_frame(&rig, &rng);
			opened += rig.update.opened;
			CU_ASSERT_TRUE(strlen(rig_why_not(&rig)) < 256);
		}
		left += rig.update.leave != LEAVE_NO;
		rig_free(&rig);
	}
	/* The dice reach what they are for. */
	CU_ASSERT_TRUE(opened > 100);
	CU_ASSERT_TRUE(left > 10 && left < 900);
}

UNIT_MAIN("core/hostile", { "hostile", test_hostile })
