/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One replica and how a round begins: who says HELLO, and what CLOSE decides of it. */
#include "clusterd/core/round.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/rig.h"
#include "tests/unit/unit.h"

/* ---------------------------------------------------------------- HELLO */

static void test_hello_is_checked(void)
{
	static uint32_t voters[] = { 1, 2, 3 }, unsorted[] = { 1, 3, 2 }, far[] = { 1, 65 };
	static uint64_t disks[] = { 11, 12, 13 };
	struct {
		const char *what;
		bool taken;
		Wire__Hello body;
	} cases[] = {
		{ "as it should be", true, rig_hello(4, 3, 9, 11) },
		{ "empty", true, rig_hello(0, 0, 0, 11) },
		{ "with voters", true, rig_hello(4, 3, 9, 11) },
		{ "voters and disks differ in number", false, rig_hello(4, 3, 9, 11) },
		{ "voters without order", false, rig_hello(4, 3, 9, 11) },
		{ "a voter out of range", false, rig_hello(4, 3, 9, 11) },
		{ "no disk id", false, rig_hello(4, 3, 9, 0) },
		{ "an index without an epoch", false, rig_hello(4, 0, 9, 11) },
		{ "an epoch without an index", false, rig_hello(4, 3, 0, 11) },
		{ "a promise without end", false, rig_hello(UINT64_MAX, 3, 9, 11) },
		{ "an epoch without end", false, rig_hello(4, UINT64_MAX, 9, 11) },
		{ "an index without end", false, rig_hello(4, 3, UINT64_MAX, 11) },
		{ "applied beyond the log", false, rig_hello(4, 3, 9, 11) },
		{ "a hole between state and log", false, rig_hello(4, 3, 9, 11) },
		{ "no first entry", false, rig_hello(4, 3, 9, 11) },
		{ "a newer protocol only", true, rig_hello(4, 3, 9, 11) },
		{ "no protocol", false, rig_hello(4, 3, 9, 11) },
		{ "against all others", true, rig_hello(4, 3, 9, 11) },
		{ "against itself", false, rig_hello(4, 3, 9, 11) },
		{ "against itself and all others", false, rig_hello(4, 3, 9, 11) },
	};

	for (size_t i = 2; i < 6; i++) {
		cases[i].body.voters = i == 4 ? unsorted : i == 5 ? far : voters;
		cases[i].body.n_voters = i == 5 ? 2 : 3;
		cases[i].body.voter_disks = disks;
		cases[i].body.n_voter_disks = i == 3 ? 2 : cases[i].body.n_voters;
	}
	cases[12].body.applied = 10;
	cases[13].body.first_index = 5;
	cases[13].body.applied = 3;
	cases[14].body.first_index = 0;
	cases[15].body.proto_min = cases[15].body.proto_max = frame_protocols.max + 1;
	cases[16].body.proto_min = cases[16].body.proto_max = 0;
	cases[17].body.against = ~node_bit(1);
	cases[18].body.against = node_bit(1);
	cases[19].body.against = UINT64_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;

		rig_init(&rig, false);
		rig_meet(&rig);
		rig_frame(&rig, 1, FRAME_HELLO, 0, &cases[i].body.base);
		if ((rig.replica->refused == 0) != cases[i].taken)
			fprintf(stderr, "hello: %s\n", cases[i].what);
		CU_ASSERT_EQUAL(rig.replica->refused, cases[i].taken ? 0 : 1);
		CU_ASSERT_EQUAL(rig.replica->round.heard & 1, cases[i].taken);
		rig_free(&rig);
	}
}

static void test_hello_waits_for_the_disk(void)
{
	struct rig rig;

	rig_init(&rig, false);
	rig_open_epoch(&rig);
	rig_simple(&rig, 1, FRAME_ACK, 2);
	/* Committed by one more ACK: applied, and that on its way to disk. */
	{
		Wire__Ack ack = WIRE__ACK__INIT;

		ack.index = 2;
		rig_frame(&rig, 1, FRAME_ACK, 2, &ack.base);
	}
	CU_ASSERT_EQUAL(rig.toy->index, 2);
	CU_ASSERT_TRUE(rig.update.persists_n > 0);
	rig.round.sequence++;
	rig_simple(&rig, 1, FRAME_SYNC_START, 0);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "");
	CU_ASSERT_STRING_EQUAL(rig_why_not(&rig), "waiting for the disk of this node");
	rig_persisted(&rig);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "hello");
	rig_free(&rig);
}

/* ---------------------------------------------------------------- CLOSE */

struct answer_of {
	uint64_t promised, epoch, index, disk;	/* disk 0: it did not answer */
	uint64_t applied;
};

/* Node 2 has promised nothing and holds entry 1 of epoch 1, applied. */
static void test_close_decides(void)
{
	static const struct {
		const char *what;
		struct answer_of one, three;
		enum phase phase;
		uint32_t source;
		uint64_t epoch;
		const char *why;
	} cases[] = {
		{ "all equal", { 2, 1, 1, 11, 1 }, { 2, 1, 1, 13, 1 }, PHASE_STORE, 1, 3,
		  "waiting for the disk of this node" },
		{ "two of three", { 0 }, { 1, 1, 1, 13, 1 }, PHASE_STORE, 2, 2,
		  "waiting for the disk of this node" },
		{ "alone", { 0 }, { 0 }, PHASE_WAIT, 0, 0,
		  "no quorum: of the voters, nodes 1, 2 and 3, only node 2 is here" },
		{ "a disk was lost", { 0 }, { 0, 0, 0, 99, 0 }, PHASE_WAIT, 0, 0,
		  "no quorum: of the voters, nodes 1, 2 and 3, only node 2 is here; not with the "
		  "disk it joined with: node 3" },
		{ "the higher epoch, not the longer log", { 2, 2, 5, 11, 1 },
		  { 3, 3, 2, 13, 1 }, PHASE_SYNC, 3, 4, "joining: copying the log from node 3" },
		{ "the longer log of one epoch", { 3, 3, 5, 11, 1 }, { 3, 3, 6, 13, 1 },
		  PHASE_SYNC, 3, 4, "joining: copying the log from node 3" },
		{ "above every promise", { 9, 1, 1, 11, 1 }, { 1, 1, 1, 13, 1 }, PHASE_STORE, 1,
		  10, "waiting for the disk of this node" },
		{ "this node is the source", { 0, 0, 0, 11, 0 }, { 0 }, PHASE_STORE, 2, 2,
		  "waiting for the disk of this node" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct answer_of *answers[] = { &cases[i].one, NULL, &cases[i].three };
		const struct round *round;
		struct rig rig;

		rig_init(&rig, false);
		rig_meet(&rig);
		for (uint32_t node = 1; node <= 3; node += 2) {
			const struct answer_of *answer = answers[node - 1];
			Wire__Hello body = rig_hello(answer->promised, answer->epoch, answer->index,
						 answer->disk);

			body.applied = answer->applied;
			if (answer->disk)
				rig_frame(&rig, node, FRAME_HELLO, 0, &body.base);
		}
		rig_simple(&rig, 1, FRAME_CLOSE, 0);
		round = &rig.replica->round;
		if (round->phase != cases[i].phase || strcmp(rig_why_not(&rig), cases[i].why) != 0)
			fprintf(stderr, "close: %s: %s\n", cases[i].what, rig_why_not(&rig));
		CU_ASSERT_EQUAL(round->phase, cases[i].phase);
		CU_ASSERT_EQUAL(round->source, cases[i].source);
		CU_ASSERT_EQUAL(round->epoch, cases[i].epoch);
		CU_ASSERT_STRING_EQUAL(rig_why_not(&rig), cases[i].why);
		rig_free(&rig);
	}
}

/* The newest log is that of node 1, then that of node 3; who is against whom, bit n-1 = node n. */
static void test_contradicted_sources(void)
{
	static const struct {
		const char *what;
		uint64_t against[3];
		uint32_t source;
	} cases[] = {
		{ "nobody against nobody", { 0, 0, 0 }, 1 },
		{ "one node against another", { 0, 1, 0 }, 1 },
		{ "a majority against the newest", { 0, 1, 1 }, 3 },
		{ "a majority against both of the newest", { 4, 5, 1 }, 2 },
		{ "each against all others", { 6, 5, 3 }, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;
		Wire__Hello one = rig_hello(5, 5, 9, 11), three = rig_hello(4, 4, 9, 13);

		one.against = cases[i].against[0];
		three.against = cases[i].against[2];
		rig_init(&rig, false);
		rig.replica->against = cases[i].against[1];
		rig_meet(&rig);
		rig_frame(&rig, 1, FRAME_HELLO, 0, &one.base);
		rig_frame(&rig, 3, FRAME_HELLO, 0, &three.base);
		rig_simple(&rig, 1, FRAME_CLOSE, 0);
		if (rig.replica->round.source != cases[i].source)
			fprintf(stderr, "contradicted: %s\n", cases[i].what);
		CU_ASSERT_EQUAL(rig.replica->round.source, cases[i].source);
		rig_free(&rig);
	}
}

/* Voters are what the one knows that has applied most, whoever is the source. */
static void test_voters_of_the_most_applied(void)
{
	static uint32_t old[] = { 1, 2, 3 }, new[] = { 2, 3 };
	static uint64_t disks[] = { 0, 0, 0 };
	struct rig rig;
	Wire__Hello body = rig_hello(1, 1, 5, 13);

	rig_init(&rig, true);
	rig_meet(&rig);
	body.voters = new;
	body.voter_disks = disks;
	body.n_voters = body.n_voter_disks = 2;
	body.applied = 5;
	rig_frame(&rig, 3, FRAME_HELLO, 0, &body.base);
	body = rig_hello(2, 2, 6, 11);
	body.voters = old;
	body.voter_disks = disks;
	body.n_voters = body.n_voter_disks = 3;
	body.applied = 1;
	rig_frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	rig_simple(&rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_EQUAL(rig.replica->round.source, 1);
	CU_ASSERT_EQUAL(rig.replica->round.electorate.n, 1);
	CU_ASSERT_EQUAL(rig.replica->round.electorate.counted[0], 6);
	CU_ASSERT_EQUAL(rig.replica->round.electorate.voters[0].n, 2);
	rig_free(&rig);
}

/*
 * Node 1 knows its own disk only. Node 2, with an empty one, may have lost another, on which was
 * what it acknowledged to node 3: without node 3 nobody could tell.
 */
static void test_young_cluster(void)
{
	static uint32_t voters[] = { 1, 2, 3 };
	static uint64_t disks[] = { 11, 0, 0 };

	for (unsigned all = 0; all < 2; all++) {
		struct rig rig;
		Wire__Hello body = rig_hello(2, 2, 3, 11);

		rig_init(&rig, true);
		rig_meet(&rig);
		body.voters = voters;
		body.voter_disks = disks;
		body.n_voters = body.n_voter_disks = 3;
		body.applied = 1;
		rig_frame(&rig, 1, FRAME_HELLO, 0, &body.base);
		body = rig_hello(2, 2, 4, 13);
		if (all)
			rig_frame(&rig, 3, FRAME_HELLO, 0, &body.base);
		rig_simple(&rig, 1, FRAME_CLOSE, 0);
		CU_ASSERT_EQUAL(rig.replica->round.phase, all ? PHASE_SYNC : PHASE_WAIT);
		CU_ASSERT_EQUAL(rig.replica->round.source, all ? 3 : 0);
		CU_ASSERT_EQUAL(strstr(rig_why_not(&rig), "all must be, until nodes 2 and 3 took "
							  "part once") == NULL, all);
		rig_free(&rig);
	}
}

static void test_no_cluster(void)
{
	struct rig rig;
	Wire__Hello body = rig_hello(0, 0, 0, 11);

	rig_init(&rig, true);
	CU_ASSERT_STRING_EQUAL(rig_why_not(&rig), "not in the group yet");
	rig_meet(&rig);
	rig_frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	rig_simple(&rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_STRING_EQUAL(rig_why_not(&rig),
			       "no cluster yet: this node waits to learn of one");
	rig_free(&rig);
}

static void test_old_copy(void)
{
	struct rig rig;
	Wire__Hello body = rig_hello(1, 1, 1, 11);

	/* Node 2 has applied entry 2; the others have a newer epoch without it. */
	rig_init(&rig, false);
	rig_open_epoch(&rig);
	rig.replica->round.acked[0] = 2;
	commit_advance(rig.replica, &rig.update);
	CU_ASSERT_EQUAL(rig.toy->index, 2);
	rig.round.sequence++;
	rig_persisted(&rig);
	rig_simple(&rig, 1, FRAME_SYNC_START, 0);
	rig_echo(&rig);
	body = rig_hello(5, 5, 1, 11);
	rig_frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	body = rig_hello(5, 5, 1, 13);
	rig_frame(&rig, 3, FRAME_HELLO, 0, &body.base);
	/* So it was in an earlier round with another source. */
	rig.replica->against = node_bit(3);
	rig_simple(&rig, 1, FRAME_CLOSE, 0);
	/* As long as no majority goes on without this node, it may be the others that are wrong. */
	CU_ASSERT_EQUAL(rig.update.leave, LEAVE_NO);
	CU_ASSERT_STRING_EQUAL(rig_why_not(&rig),
			       "the logs of this node and of nodes 1 and 3 exclude each other "
			       "(this node has applied entries that are missing there): an old "
			       "copy of a disk is in use, and no majority tells where yet; if "
			       "that lasts, stop clusterd there");
	rig_tick(&rig, 5000);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "rejoin");
	rig_simple(&rig, 1, FRAME_READY, 6);
	CU_ASSERT_EQUAL(rig.update.leave, LEAVE_NO);
	rig_simple(&rig, 3, FRAME_READY, 6);
	CU_ASSERT_EQUAL(rig.update.leave, LEAVE_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.update.leave_why, "an old copy"));
	CU_ASSERT_STRING_EQUAL(rig_why_not(&rig), "this node is about to leave");
	rig_free(&rig);
}

/* Between the last answer and the CLOSE nobody is missing. */
static void test_all_answered(void)
{
	Wire__Hello body = rig_hello(1, 1, 1, 11);
	struct rig rig;

	rig_init(&rig, false);
	rig_meet(&rig);
	rig_frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	CU_ASSERT_STRING_EQUAL(rig_why_not(&rig), "joining: waiting for an answer of node 3");
	body.disk_id = 13;
	rig_frame(&rig, 3, FRAME_HELLO, 0, &body.base);
	CU_ASSERT_STRING_EQUAL(rig_why_not(&rig), "joining: all have answered, node 1 goes on");
	rig_free(&rig);
}

UNIT_MAIN("core/hello", { "all answered", test_all_answered },
	  { "hello is checked", test_hello_is_checked },
	  { "hello waits for the disk", test_hello_waits_for_the_disk },
	  { "close decides", test_close_decides },
	  { "contradicted sources", test_contradicted_sources },
	  { "voters of the most applied", test_voters_of_the_most_applied },
	  { "young cluster", test_young_cluster },
	  { "no cluster", test_no_cluster }, { "old copy", test_old_copy })
