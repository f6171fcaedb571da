/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rounds of members whose versions differ: who takes part, who is left out, and what is said. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/round.h"
#include "tests/sim/rig.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

struct version {
	uint32_t proto_min, proto_max, feature_max, feature_level;
};

static void answer(struct rig *rig, uint32_t node, const struct version *version)
{
	Wire__Hello body = rig_hello(1, 1, 1, 10 + node);

	body.applied = 1;
	body.proto_min = version->proto_min;
	body.proto_max = version->proto_max;
	body.feature_max = version->feature_max;
	body.feature_level = version->feature_level;
	body.version = (char *)(node == 1 ? "1.4" : "1.6");
	rig_frame(rig, node, FRAME_HELLO, 0, &body.base);
}

/* This node is node 2. It speaks protocol 1 alone, and knows feature level 1. */
static void test_who_takes_part(void)
{
	static const struct {
		const char *what;
		struct version one, three;
		enum phase phase;
		uint64_t nodes;
		unsigned protocol;
		const char *why;
	} cases[] = {
		{ "all the same", { 1, 1, 1, 1 }, { 1, 1, 1, 1 }, PHASE_STORE, 7, 1,
		  "waiting for the disk of this node" },
		{ "newer ones that speak it, too", { 1, 2, 2, 1 }, { 1, 3, 4, 1 }, PHASE_STORE, 7,
		  1, "waiting for the disk of this node" },
		{ "one that does not", { 1, 1, 1, 1 }, { 2, 3, 1, 1 }, PHASE_STORE, 3, 1,
		  "waiting for the disk of this node" },
		{ "a majority that does not", { 2, 3, 1, 1 }, { 2, 2, 1, 1 }, PHASE_OUT, 5, 2,
		  "left out: the clusterd here (9.9) speaks protocols 1 to 1, but the others speak "
		  "2: install a version here that speaks it; until then its guests run on, and "
		  "nothing is changed here" },
		{ "three that cannot meet", { 2, 2, 1, 1 }, { 3, 3, 1, 1 }, PHASE_WAIT, 4, 3,
		  "no quorum: of the voters, nodes 1, 2 and 3, only node 3 is here; node 1 cannot "
		  "take part: the clusterd there (1.4) speaks protocols 2 to 2, but the others "
		  "speak 3: install a version there that speaks it; node 2 cannot take part: the "
		  "clusterd there (9.9) speaks protocols 1 to 1, but the others speak 3: install a "
		  "version there that speaks it" },
		{ "a level that this one does not know", { 1, 1, 2, 2 }, { 1, 1, 2, 1 }, PHASE_OUT,
		  5, 1,
		  "left out: the clusterd here (9.9) knows feature levels up to 1, but the cluster "
		  "is at 2: install a newer version here; until then its guests run on, and "
		  "nothing is changed here" },
		{ "a level that too many do not know", { 1, 1, 2, 2 }, { 1, 1, 1, 1 }, PHASE_WAIT,
		  1, 1,
		  "no quorum: of the voters, nodes 1, 2 and 3, only node 1 is here; node 2 cannot "
		  "take part: the clusterd there (9.9) knows feature levels up to 1, but the "
		  "cluster is at 2: install a newer version there; node 3 cannot take part: the "
		  "clusterd there (1.6) knows feature levels up to 1, but the cluster is at 2: "
		  "install a newer version there" },
		{ "a daemon that tells of no level knows the first", { 1, 1, 0, 1 },
		  { 1, 1, 0, 0 }, PHASE_STORE, 7, 1, "waiting for the disk of this node" },
		{ "who does not know the level is not asked what it speaks", { 1, 1, 3, 1 },
		  { 2, 2, 1, 1 }, PHASE_STORE, 3, 1, "waiting for the disk of this node" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct round *round;
		struct rig rig;

		rig_init(&rig, false);
		rig_meet(&rig);
		snprintf(rig.replica->round.hello[1].version,
			 sizeof(rig.replica->round.hello[1].version), "9.9");
		answer(&rig, 1, &cases[i].one);
		answer(&rig, 3, &cases[i].three);
		rig_simple(&rig, 1, FRAME_CLOSE, 0);
		round = &rig.replica->round;
		if (round->phase != cases[i].phase || strcmp(rig_why_not(&rig), cases[i].why) != 0)
			fprintf(stderr, "versions: %s: %s\n", cases[i].what, rig_why_not(&rig));
		CU_ASSERT_EQUAL(round->phase, cases[i].phase);
		CU_ASSERT_EQUAL(round->able.nodes, cases[i].nodes);
		CU_ASSERT_EQUAL(round->able.protocol, cases[i].protocol);
		CU_ASSERT_STRING_EQUAL(rig_why_not(&rig), cases[i].why);
		rig_free(&rig);
	}
}

/* Its rounds would only close the epoch of the others, again and again. */
static void test_left_out_is_quiet(void)
{
	static const struct version newer = { 1, 1, 2, 2 };
	struct rig rig;

	rig_init(&rig, false);
	rig_meet(&rig);
	answer(&rig, 1, &newer);
	answer(&rig, 3, &newer);
	rig_simple(&rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_EQUAL(rig.replica->round.phase, PHASE_OUT);
	CU_ASSERT_EQUAL(rig.update.persists_n, 0);
	CU_ASSERT_EQUAL(rig.update.deadline_ms, 0);
	for (unsigned i = 0; i < 20; i++) {
		rig_tick(&rig, 60000);
		CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "");
	}
	/* The others go on without it, and what they say is nothing to it. */
	rig_simple(&rig, 1, FRAME_READY, 2);
	rig_simple(&rig, 3, FRAME_READY, 2);
	CU_ASSERT_FALSE(rig.replica->round.open);
	CU_ASSERT_EQUAL(rig.toy->index, 1);
	/* Another view is another chance. */
	rig.round.sequence++;
	rig_view(&rig, rig_everybody, 3);
	rig_simple(&rig, 1, FRAME_SYNC_START, 0);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "hello");
	rig_free(&rig);
}

/* Whoever knows of the newest log, but cannot take part, is not the source of it. */
static void test_source_is_able(void)
{
	struct rig rig;
	Wire__Hello one = rig_hello(5, 5, 9, 11), three = rig_hello(1, 1, 1, 13);

	one.proto_min = one.proto_max = 2;
	rig_init(&rig, false);
	rig_meet(&rig);
	rig_frame(&rig, 1, FRAME_HELLO, 0, &one.base);
	rig_frame(&rig, 3, FRAME_HELLO, 0, &three.base);
	rig_simple(&rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_EQUAL(rig.replica->round.source, 2);
	CU_ASSERT_EQUAL(rig.replica->round.nodes, 6);
	/* Its promise counts all the same. */
	CU_ASSERT_EQUAL(rig.replica->round.epoch, 6);
	rig_free(&rig);
}

/* What members meet by is the same in all versions; the rest is of the round's protocol. */
static void test_frames_carry_the_protocol(void)
{
	struct rig rig;
	struct frame_header header;
	ProtobufCMessage *body;
	static const uint16_t meeting[] = { FRAME_SYNC_START, FRAME_HELLO, FRAME_CLOSE,
					    FRAME_REJOIN };

	for (size_t i = 0; i < ARRAY_SIZE(meeting); i++)
		CU_ASSERT_TRUE(frame_type_is_always(meeting[i]));
	CU_ASSERT_FALSE(frame_type_is_always(FRAME_APPEND));
	rig_init(&rig, false);
	rig_open_epoch(&rig);
	rig.replica->round.able.protocol = frame_protocols.max + 1;
	{
		Wire__Ack ack = WIRE__ACK__INIT;
		_cleanup_(buf_free) struct buf frame = { 0 };

		CU_ASSERT_EQUAL(replica_encode(rig.replica, FRAME_ACK, 0, &ack.base, &frame), 0);
		CU_ASSERT_EQUAL(frame.data[4], frame_protocols.max + 1);
		CU_ASSERT_EQUAL(frame_decode(frame.data, frame.len, &header, &body),
				-EPROTONOSUPPORT);
	}
	rig_free(&rig);
}

UNIT_MAIN("core/rolling", { "who takes part", test_who_takes_part },
	  { "left out is quiet", test_left_out_is_quiet },
	  { "source is able", test_source_is_able },
	  { "frames carry the protocol", test_frames_carry_the_protocol })
