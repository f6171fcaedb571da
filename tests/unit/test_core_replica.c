/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One replica among members played by the test: what it loads, whom it hears, what it commits.
 * Its rounds: test_core_hello.c, test_core_sync.c. Stories of whole clusters: test_core_rounds.c.
 */
#include "clusterd/core/replica.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/rig.h"
#include "tests/unit/unit.h"

/* ---------------------------------------------------------------- loading */

static void test_load(void)
{
	static const struct {
		const char *what;
		uint64_t entries[4][2];		/* index, epoch; 0 ends */
		uint64_t applied, applied_epoch;
		int r;
	} cases[] = {
		{ "nothing", { { 0 } }, 0, 0, 0 },
		{ "a state alone", { { 0 } }, 7, 3, 0 },
		{ "a log alone", { { 1, 1 }, { 2, 1 } }, 0, 0, 0 },
		{ "both", { { 5, 1 }, { 6, 2 }, { 7, 2 } }, 6, 2, 0 },
		{ "all applied", { { 5, 1 }, { 6, 2 } }, 6, 2, 0 },
		{ "trimmed up to the state", { { 7, 2 } }, 6, 2, 0 },
		{ "a gap between", { { 8, 2 } }, 6, 2, -EBADMSG },
		{ "a gap in the log", { { 1, 1 }, { 3, 1 } }, 0, 0, -EBADMSG },
		{ "an epoch that falls", { { 1, 2 }, { 2, 1 } }, 0, 0, -EBADMSG },
		{ "no epoch", { { 1, 0 } }, 0, 0, -EBADMSG },
		{ "state ahead of the log", { { 5, 1 } }, 6, 1, -EBADMSG },
		{ "another epoch at the state", { { 5, 1 }, { 6, 1 } }, 5, 2, -EBADMSG },
		{ "a state of no epoch", { { 0 } }, 7, 0, -EBADMSG },
		{ "a state beyond all numbers", { { 0 } }, UINT64_MAX, 3, -EBADMSG },
		{ "a log beyond all numbers",
		  { { ROUND_NUMBER_MAX, 1 }, { ROUND_NUMBER_MAX + 1, 1 } },
		  ROUND_NUMBER_MAX, 1, -EBADMSG },
		{ "an epoch beyond all numbers", { { 0 } }, 7, ROUND_NUMBER_MAX + 1, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig = { .toy = toy_new() };
		int r = 0;

		rig.toy->index = cases[i].applied;
		rig.toy->epoch = cases[i].applied_epoch;
		rig.replica = rig_make(&rig);
		for (size_t k = 0; r == 0 && k < 4 && cases[i].entries[k][0]; k++)
			r = replica_load_entry(rig.replica, cases[i].entries[k][0],
					       cases[i].entries[k][1], "x", 1);
		if (r == 0)
			r = replica_load_done(rig.replica);
		if (r != cases[i].r)
			fprintf(stderr, "load: %s: %d\n", cases[i].what, r);
		CU_ASSERT_EQUAL(r, cases[i].r);
		replica_free(rig.replica);
		toy_free(rig.toy);
	}
}

/* ---------------------------------------------------------------- who and when */

static void test_strangers(void)
{
	static const uint32_t far[] = { 2, 70 };
	struct rig rig;
	Wire__Hello body = rig_hello(1, 1, 1, 11);
	struct frame_header header = { .type = FRAME_SYNC_START, .boot_id = 9, .cluster = { 1 } };
	struct event event = { .kind = EVENT_FRAME };

	rig_init(&rig, false);
	rig_view(&rig, far, 2);
	CU_ASSERT_EQUAL(rig.replica->members, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig_why_not(&rig),
				      "(node 70 is ignored: ids go from 1 to 64)"));
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "sync-start");
	rig_frame(&rig, 1, FRAME_HELLO, 0, &body.base);	/* no member */
	rig_frame(&rig, 70, FRAME_HELLO, 0, &body.base);
	CU_ASSERT_EQUAL(rig.replica->refused, 2);
	/* A member of another cluster starts a round in vain. */
	rig_view(&rig, rig_everybody, 3);
	header.round = (struct frame_round){ 1, 1, 9 };
	event.frame = (struct event_frame){ 1, &header, &body.base };
	rig_happen(&rig, &event);
	CU_ASSERT_EQUAL(rig.replica->round.phase, PHASE_IDLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig_why_not(&rig),
				      "(node 1 belongs to another cluster; where"));
	/* And this one, next in line, does not wait for it for ever. */
	CU_ASSERT_EQUAL(rig.update.deadline_ms, rig.now_ms + 6000);
	rig_tick(&rig, 6000);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "sync-start");
	rig_free(&rig);
}

/* A node of a cluster that was forced from this one holds it up, until it is of this one again. */
static void test_superseded(void)
{
	struct rig rig;

	rig_init(&rig, false);
	rig_open_epoch(&rig);
	rig_simple(&rig, 2, FRAME_SUPERSEDED, 0); /* by its own word, nothing */
	CU_ASSERT_EQUAL(rig.replica->superseders, 0);
	CU_ASSERT_STRING_EQUAL(rig_why_not(&rig), "");
	rig_simple(&rig, 3, FRAME_SUPERSEDED, 0);
	CU_ASSERT_EQUAL(rig.replica->superseders, 4);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "rejoin");
	CU_ASSERT_PTR_NOT_NULL(strstr(rig_why_not(&rig), "node 3 goes on with a new cluster"));
	rig_simple(&rig, 1, FRAME_SYNC_START, 0);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "");
	rig.round = (struct frame_round){ 3, 1, RIG_BOOT + 3 };
	rig_simple(&rig, 3, FRAME_SYNC_START, 0);
	CU_ASSERT_EQUAL(rig.replica->superseders, 0);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "hello");
	rig_free(&rig);
}

static void test_left_out(void)
{
	struct rig rig;
	Wire__Hello body = rig_hello(1, 1, 1, 11);

	rig_init(&rig, false);
	rig_view(&rig, rig_everybody, 3);
	rig_simple(&rig, 1, FRAME_SYNC_START, 0);
	rig_frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	body.disk_id = 13;
	rig_frame(&rig, 3, FRAME_HELLO, 0, &body.base);
	rig_simple(&rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_EQUAL(rig.replica->round.phase, PHASE_OUT);
	rig_simple(&rig, 1, FRAME_READY, 2);
	rig_simple(&rig, 3, FRAME_READY, 2);
	CU_ASSERT_FALSE(rig.replica->round.open);
	rig_tick(&rig, 4999);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "");
	rig_tick(&rig, 1);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "rejoin");
	rig_tick(&rig, 9999);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "");
	rig_tick(&rig, 1);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "rejoin");
	rig_tick(&rig, 20000);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "rejoin");
	rig_tick(&rig, 40000);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "sync-start");
	rig_free(&rig);
}

static void test_propose(void)
{
	struct buf command = { 0 }, large = { 0 };
	struct rig rig;

	rig_init(&rig, false);
	buf_append_str(&command, "x");
	memset(buf_reserve(&large, 57 * 1024), 'x', 57 * 1024);
	large.len = 57 * 1024;
	CU_ASSERT_EQUAL(replica_propose(rig.replica, &command, 1, &rig.update), -EAGAIN);
	rig_open_epoch(&rig);
	CU_ASSERT_EQUAL(replica_propose(rig.replica, &large, 1, &rig.update), -EMSGSIZE);
	CU_ASSERT_EQUAL(replica_propose(rig.replica, &command, 1, &rig.update), 0);
	rig_view(&rig, rig_everybody, 2);
	CU_ASSERT_EQUAL(replica_propose(rig.replica, &command, 1, &rig.update), -EAGAIN);
	buf_free(&command);
	buf_free(&large);
	rig_free(&rig);
}

/* ---------------------------------------------------------------- commit */

static void test_commit(void)
{
	struct rig rig;
	Wire__Ack ack = WIRE__ACK__INIT;
	struct replica_standing standing;

	rig_init(&rig, false);
	rig_open_epoch(&rig);
	replica_standing(rig.replica, &standing);
	CU_ASSERT_TRUE(standing.open && standing.ready);
	CU_ASSERT_EQUAL(standing.leader, 1);
	CU_ASSERT_EQUAL(standing.ready_nodes, 3);
	CU_ASSERT_EQUAL(standing.epoch_nodes, 7);
	CU_ASSERT_PTR_NULL(standing.why_not);
	CU_ASSERT_EQUAL(standing.committed, 1);
	/* Nobody can have what was not delivered; node 3 is not READY; an index of 0. */
	ack.index = 3;
	rig_frame(&rig, 1, FRAME_ACK, 2, &ack.base);
	ack.index = 2;
	rig_frame(&rig, 3, FRAME_ACK, 2, &ack.base);
	ack.index = 0;
	rig_frame(&rig, 1, FRAME_ACK, 2, &ack.base);
	CU_ASSERT_EQUAL(rig.replica->refused, 3);
	/* Another epoch. */
	ack.index = 2;
	rig_frame(&rig, 1, FRAME_ACK, 3, &ack.base);
	CU_ASSERT_EQUAL(rig.toy->index, 1);
	rig_frame(&rig, 1, FRAME_ACK, 2, &ack.base);
	CU_ASSERT_EQUAL(rig.toy->index, 2);
	rig_free(&rig);
}

static void test_ack_once_per_sync(void)
{
	Wire__Append append = WIRE__APPEND__INIT;
	struct rig rig;

	rig_init(&rig, false);
	rig_open_epoch(&rig);
	append.command.data = (uint8_t *)"x";
	append.command.len = 1;
	for (uint32_t i = 0; i < 5; i++) {
		rig_frame(&rig, 1, FRAME_APPEND, 2, &append.base);
		CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "");
		CU_ASSERT_EQUAL(rig.update.persists_n, 1);
	}
	append.command.len = 0;
	rig_frame(&rig, 1, FRAME_APPEND, 2, &append.base);
	CU_ASSERT_EQUAL(rig.replica->refused, 1);
	rig_persisted(&rig);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "ack");
	CU_ASSERT_EQUAL(rig.replica->round.ack_sent, 7);
	/* It comes back, or is said again. */
	rig_tick(&rig, 2000);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "ack");
	rig_echo(&rig);
	rig_tick(&rig, 2000);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "");
	rig_free(&rig);
}

UNIT_MAIN("core/replica", { "load", test_load }, { "strangers", test_strangers },
	  { "superseded", test_superseded }, { "left out", test_left_out },
	  { "propose", test_propose }, { "commit", test_commit },
	  { "ack once per sync", test_ack_once_per_sync })
