/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One replica among members played by the test. Stories of whole clusters: test_core_rounds.c. */
#include "clusterd/core/replica.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clusterd/core/round.h"
#include "tests/sim/rng.h"
#include "tests/sim/toy.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

enum { SELF = 2, BOOT = 100 };		/* boot ids: 100 + node; disk ids: 10 + node */

static const uint32_t everybody[] = { 1, 2, 3 };

struct rig {
	struct disk *disk;
	struct toy *toy;
	struct replica *replica;
	struct update update;		/* of the last step */
	struct frame_round round;
	uint64_t now_ms;
};

/* ---------------------------------------------------------------- the rig */

static struct replica *make(struct rig *rig)
{
	struct replica_config config = {
		.node = SELF, .boot_id = BOOT + SELF, .disk_id = 10 + SELF,
		.ops = &toy_ops, .above = rig->toy,
	};

	return replica_new(&config);
}

/* Node 2 of three, with entry 1 applied; or with nothing. */
static void rig_init(struct rig *rig, bool empty)
{
	static const uint64_t disks[] = { 11, 12, 13 };
	_cleanup_(buf_free) struct buf genesis = { 0 };

	*rig = (struct rig){ .disk = disk_new(12), .toy = toy_new(), .now_ms = 1000 };
	rig->round = (struct frame_round){ 1, 1, BOOT + 1 };
	update_init(&rig->update);
	toy_genesis(3, disks, &genesis);
	if (!empty)
		toy_install(rig->disk, &genesis);
	toy_load(rig->toy, rig->disk);
	rig->replica = make(rig);
	if (!empty)
		CU_ASSERT_EQUAL(replica_load_entry(rig->replica, 1, 1, genesis.data, genesis.len),
				0);
	CU_ASSERT_EQUAL(replica_load_done(rig->replica), 0);
}

static void rig_free(struct rig *rig)
{
	update_reset(&rig->update);
	replica_free(rig->replica);
	toy_free(rig->toy);
	disk_free(rig->disk);
}

static void happen(struct rig *rig, struct event *event)
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

static void view(struct rig *rig, const uint32_t *members, size_t n)
{
	struct event event = { .kind = EVENT_VIEW };

	event.view = (struct event_view){ members, n, members, n, false };
	happen(rig, &event);
}

static void tick(struct rig *rig, uint64_t after_ms)
{
	struct event event = { .kind = EVENT_TICK };

	rig->now_ms += after_ms;
	happen(rig, &event);
}

/* Everything handed out so far is on disk. */
static void persisted(struct rig *rig)
{
	struct event event = { .kind = EVENT_PERSISTED };

	event.persisted = rig->replica->batch - 1;
	happen(rig, &event);
}

static void frame(struct rig *rig, uint32_t sender, uint16_t type, uint64_t epoch,
		  const ProtobufCMessage *body)
{
	struct frame_header header = {
		.type = type, .round = rig->round, .epoch = epoch, .boot_id = BOOT + sender,
	};
	struct event event = { .kind = EVENT_FRAME };

	event.frame = (struct event_frame){ sender, &header, body };
	happen(rig, &event);
}

static void simple(struct rig *rig, uint32_t sender, uint16_t type, uint64_t epoch)
{
	ProtobufCMessage *body = wire_new(frame_body_descriptor(type));

	frame(rig, sender, type, epoch, body);
	wire_free(body);
}

/* The types of the frames in the last update, "hello ready". */
static const char *sent(const struct rig *rig)
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

/* Hands the only frame of the last update back to the replica, as the group does. */
static void echo(struct rig *rig)
{
	struct frame_header header;
	ProtobufCMessage *body;
	struct event event = { .kind = EVENT_FRAME };
	int r;

	CU_ASSERT_EQUAL_FATAL(rig->update.frames_n, 1);
	r = frame_decode(rig->update.frames[0].data, rig->update.frames[0].len, &header, &body);
	CU_ASSERT_EQUAL_FATAL(r, 0);
	event.frame = (struct event_frame){ SELF, &header, body };
	happen(rig, &event);
	frame_body_free(body);
}

static const char *why_not(const struct rig *rig)
{
	struct replica_standing standing;

	replica_standing(rig->replica, &standing);
	return standing.why_not ? standing.why_not : "";
}

static Wire__Hello hello(uint64_t promised, uint64_t epoch, uint64_t index, uint64_t disk)
{
	Wire__Hello body = WIRE__HELLO__INIT;

	body.proto_min = body.proto_max = FRAME_PROTOCOL;
	body.promised = promised;
	body.last_epoch = epoch;
	body.last_index = index;
	body.first_index = 1;
	body.disk_id = disk;
	return body;
}

/* Up to the point where all but CLOSE is there; the others are like this node. */
static void meet(struct rig *rig)
{
	view(rig, everybody, 3);
	simple(rig, 1, FRAME_SYNC_START, 0);
	CU_ASSERT_STRING_EQUAL(sent(rig), "hello");
	echo(rig);
}

static void open_epoch(struct rig *rig)
{
	Wire__Hello body = hello(1, 1, 1, 11);

	meet(rig);
	frame(rig, 1, FRAME_HELLO, 0, &body.base);
	body.disk_id = 13;
	frame(rig, 3, FRAME_HELLO, 0, &body.base);
	simple(rig, 1, FRAME_CLOSE, 0);
	persisted(rig);
	CU_ASSERT_STRING_EQUAL(sent(rig), "ready");
	echo(rig);
	simple(rig, 1, FRAME_READY, 2);
	CU_ASSERT_TRUE(rig->update.opened);
	persisted(rig);
	CU_ASSERT_STRING_EQUAL(sent(rig), "ack");
	echo(rig);
}

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
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig = { .toy = toy_new() };
		int r = 0;

		rig.toy->index = cases[i].applied;
		rig.toy->epoch = cases[i].applied_epoch;
		rig.replica = make(&rig);
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
		{ "as it should be", true, hello(4, 3, 9, 11) },
		{ "empty", true, hello(0, 0, 0, 11) },
		{ "with voters", true, hello(4, 3, 9, 11) },
		{ "voters and disks differ in number", false, hello(4, 3, 9, 11) },
		{ "voters without order", false, hello(4, 3, 9, 11) },
		{ "a voter out of range", false, hello(4, 3, 9, 11) },
		{ "no disk id", false, hello(4, 3, 9, 0) },
		{ "an index without an epoch", false, hello(4, 0, 9, 11) },
		{ "an epoch without an index", false, hello(4, 3, 0, 11) },
		{ "a promise without end", false, hello(UINT64_MAX, 3, 9, 11) },
		{ "an epoch without end", false, hello(4, UINT64_MAX, 9, 11) },
		{ "an index without end", false, hello(4, 3, UINT64_MAX, 11) },
		{ "applied beyond the log", false, hello(4, 3, 9, 11) },
		{ "a hole between state and log", false, hello(4, 3, 9, 11) },
		{ "no first entry", false, hello(4, 3, 9, 11) },
		{ "a newer protocol only", false, hello(4, 3, 9, 11) },
		{ "an older protocol only", false, hello(4, 3, 9, 11) },
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
	cases[15].body.proto_min = cases[15].body.proto_max = FRAME_PROTOCOL + 1;
	cases[16].body.proto_min = cases[16].body.proto_max = 0;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;

		rig_init(&rig, false);
		meet(&rig);
		frame(&rig, 1, FRAME_HELLO, 0, &cases[i].body.base);
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
	open_epoch(&rig);
	simple(&rig, 1, FRAME_ACK, 2);
	/* Committed by one more ACK: applied, and that on its way to disk. */
	{
		Wire__Ack ack = WIRE__ACK__INIT;

		ack.index = 2;
		frame(&rig, 1, FRAME_ACK, 2, &ack.base);
	}
	CU_ASSERT_EQUAL(rig.toy->index, 2);
	CU_ASSERT_TRUE(rig.update.persists_n > 0);
	rig.round.sequence++;
	simple(&rig, 1, FRAME_SYNC_START, 0);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "");
	CU_ASSERT_STRING_EQUAL(why_not(&rig), "waiting for the disk of this node");
	persisted(&rig);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "hello");
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
		meet(&rig);
		for (uint32_t node = 1; node <= 3; node += 2) {
			const struct answer_of *answer = answers[node - 1];
			Wire__Hello body = hello(answer->promised, answer->epoch, answer->index,
						 answer->disk);

			body.applied = answer->applied;
			if (answer->disk)
				frame(&rig, node, FRAME_HELLO, 0, &body.base);
		}
		simple(&rig, 1, FRAME_CLOSE, 0);
		round = &rig.replica->round;
		if (round->phase != cases[i].phase || strcmp(why_not(&rig), cases[i].why) != 0)
			fprintf(stderr, "close: %s: %s\n", cases[i].what, why_not(&rig));
		CU_ASSERT_EQUAL(round->phase, cases[i].phase);
		CU_ASSERT_EQUAL(round->source, cases[i].source);
		CU_ASSERT_EQUAL(round->epoch, cases[i].epoch);
		CU_ASSERT_STRING_EQUAL(why_not(&rig), cases[i].why);
		rig_free(&rig);
	}
}

/* Voters are what the one knows that has applied most, whoever is the source. */
static void test_voters_of_the_most_applied(void)
{
	static uint32_t old[] = { 1, 2, 3 }, new[] = { 2, 3 };
	static uint64_t disks[] = { 0, 0, 0 };
	struct rig rig;
	Wire__Hello body = hello(1, 1, 5, 13);

	rig_init(&rig, true);
	meet(&rig);
	body.voters = new;
	body.voter_disks = disks;
	body.n_voters = body.n_voter_disks = 2;
	body.applied = 5;
	frame(&rig, 3, FRAME_HELLO, 0, &body.base);
	body = hello(2, 2, 6, 11);
	body.voters = old;
	body.voter_disks = disks;
	body.n_voters = body.n_voter_disks = 3;
	body.applied = 1;
	frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	simple(&rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_EQUAL(rig.replica->round.source, 1);
	CU_ASSERT_EQUAL(rig.replica->round.counted, 6);
	CU_ASSERT_EQUAL(rig.replica->round.majority, 2);
	rig_free(&rig);
}

static void test_no_cluster(void)
{
	struct rig rig;
	Wire__Hello body = hello(0, 0, 0, 11);

	rig_init(&rig, true);
	CU_ASSERT_STRING_EQUAL(why_not(&rig), "not in the group yet");
	meet(&rig);
	frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	simple(&rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_STRING_EQUAL(why_not(&rig),
			       "no cluster yet: this node waits to learn of one");
	rig_free(&rig);
}

static void test_old_copy(void)
{
	struct rig rig;
	Wire__Hello body = hello(1, 1, 1, 11);

	/* Node 2 has applied entry 2; the others have a newer epoch without it. */
	rig_init(&rig, false);
	open_epoch(&rig);
	rig.replica->round.acked[0] = 2;
	commit_advance(rig.replica, &rig.update);
	CU_ASSERT_EQUAL(rig.toy->index, 2);
	rig.round.sequence++;
	persisted(&rig);
	simple(&rig, 1, FRAME_SYNC_START, 0);
	echo(&rig);
	body = hello(5, 5, 1, 11);
	frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	body = hello(5, 5, 1, 13);
	frame(&rig, 3, FRAME_HELLO, 0, &body.base);
	simple(&rig, 1, FRAME_CLOSE, 0);
	/* As long as no majority goes on without this node, it may be the others that are wrong. */
	CU_ASSERT_EQUAL(rig.update.leave, LEAVE_NO);
	CU_ASSERT_PTR_NOT_NULL(strstr(why_not(&rig), "exclude each other"));
	tick(&rig, 100000);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "");
	simple(&rig, 1, FRAME_READY, 6);
	CU_ASSERT_EQUAL(rig.update.leave, LEAVE_NO);
	simple(&rig, 3, FRAME_READY, 6);
	CU_ASSERT_EQUAL(rig.update.leave, LEAVE_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.update.leave_why, "an old copy"));
	CU_ASSERT_STRING_EQUAL(why_not(&rig), "this node is about to leave");
	rig_free(&rig);
}

/* ---------------------------------------------------------------- who and when */

static void test_strangers(void)
{
	static const uint32_t far[] = { 2, 70 };
	struct rig rig;
	Wire__Hello body = hello(1, 1, 1, 11);
	struct frame_header header = { .type = FRAME_SYNC_START, .boot_id = 9, .cluster = { 1 } };
	struct event event = { .kind = EVENT_FRAME };

	rig_init(&rig, false);
	view(&rig, far, 2);
	CU_ASSERT_EQUAL(rig.replica->members, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(why_not(&rig), "(node 70 is ignored: ids go from 1 to 64)"));
	CU_ASSERT_STRING_EQUAL(sent(&rig), "sync-start");
	frame(&rig, 1, FRAME_HELLO, 0, &body.base);	/* no member */
	frame(&rig, 70, FRAME_HELLO, 0, &body.base);
	CU_ASSERT_EQUAL(rig.replica->refused, 2);
	/* A member of another cluster starts a round in vain. */
	view(&rig, everybody, 3);
	header.round = (struct frame_round){ 1, 1, 9 };
	event.frame = (struct event_frame){ 1, &header, &body.base };
	happen(&rig, &event);
	CU_ASSERT_EQUAL(rig.replica->round.phase, PHASE_IDLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why_not(&rig), "(node 1 belongs to another cluster)"));
	/* And this one, next in line, does not wait for it for ever. */
	CU_ASSERT_EQUAL(rig.update.deadline_ms, rig.now_ms + 6000);
	tick(&rig, 6000);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "sync-start");
	rig_free(&rig);
}

static void test_left_out(void)
{
	struct rig rig;
	Wire__Hello body = hello(1, 1, 1, 11);

	rig_init(&rig, false);
	view(&rig, everybody, 3);
	simple(&rig, 1, FRAME_SYNC_START, 0);
	frame(&rig, 1, FRAME_HELLO, 0, &body.base);
	body.disk_id = 13;
	frame(&rig, 3, FRAME_HELLO, 0, &body.base);
	simple(&rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_EQUAL(rig.replica->round.phase, PHASE_OUT);
	simple(&rig, 1, FRAME_READY, 2);
	simple(&rig, 3, FRAME_READY, 2);
	CU_ASSERT_FALSE(rig.replica->round.open);
	tick(&rig, 4999);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "");
	tick(&rig, 1);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "rejoin");
	tick(&rig, 9999);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "");
	tick(&rig, 1);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "rejoin");
	tick(&rig, 20000);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "rejoin");
	tick(&rig, 40000);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "sync-start");
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
	open_epoch(&rig);
	CU_ASSERT_EQUAL(replica_propose(rig.replica, &large, 1, &rig.update), -EMSGSIZE);
	CU_ASSERT_EQUAL(replica_propose(rig.replica, &command, 1, &rig.update), 0);
	view(&rig, everybody, 2);
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
	open_epoch(&rig);
	replica_standing(rig.replica, &standing);
	CU_ASSERT_TRUE(standing.open && standing.ready);
	CU_ASSERT_EQUAL(standing.leader, 1);
	CU_ASSERT_EQUAL(standing.ready_nodes, 3);
	CU_ASSERT_EQUAL(standing.epoch_nodes, 7);
	CU_ASSERT_PTR_NULL(standing.why_not);
	CU_ASSERT_EQUAL(standing.committed, 1);
	/* Nobody can have what was not delivered; node 3 is not READY; an index of 0. */
	ack.index = 3;
	frame(&rig, 1, FRAME_ACK, 2, &ack.base);
	ack.index = 2;
	frame(&rig, 3, FRAME_ACK, 2, &ack.base);
	ack.index = 0;
	frame(&rig, 1, FRAME_ACK, 2, &ack.base);
	CU_ASSERT_EQUAL(rig.replica->refused, 3);
	/* Another epoch. */
	ack.index = 2;
	frame(&rig, 1, FRAME_ACK, 3, &ack.base);
	CU_ASSERT_EQUAL(rig.toy->index, 1);
	frame(&rig, 1, FRAME_ACK, 2, &ack.base);
	CU_ASSERT_EQUAL(rig.toy->index, 2);
	rig_free(&rig);
}

static void test_ack_once_per_sync(void)
{
	Wire__Append append = WIRE__APPEND__INIT;
	struct rig rig;

	rig_init(&rig, false);
	open_epoch(&rig);
	append.command.data = (uint8_t *)"x";
	append.command.len = 1;
	for (uint32_t i = 0; i < 5; i++) {
		frame(&rig, 1, FRAME_APPEND, 2, &append.base);
		CU_ASSERT_STRING_EQUAL(sent(&rig), "");
		CU_ASSERT_EQUAL(rig.update.persists_n, 1);
	}
	append.command.len = 0;
	frame(&rig, 1, FRAME_APPEND, 2, &append.base);
	CU_ASSERT_EQUAL(rig.replica->refused, 1);
	persisted(&rig);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "ack");
	CU_ASSERT_EQUAL(rig.replica->round.ack_sent, 7);
	/* It comes back, or is said again. */
	tick(&rig, 2000);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "ack");
	echo(&rig);
	tick(&rig, 2000);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "");
	rig_free(&rig);
}

/* ---------------------------------------------------------------- the log behind */

static Wire__Entry *entry(uint64_t index, uint64_t epoch, const char *text)
{
	Wire__Entry *made = wire_new(&wire__entry__descriptor);

	made->index = index;
	made->epoch = epoch;
	made->command.data = (uint8_t *)strdup(text);
	made->command.len = strlen(text);
	return made;
}

/* Behind node 1, whose log ends with entry 4 of epoch 3; own: 1:1 applied, then 2:2 and 2:3. */
static void fall_behind(struct rig *rig)
{
	Wire__Hello body = hello(3, 3, 4, 11);

	rig_init(rig, false);
	rlog_append(&rig->replica->log, 2, "b", 1, 1, &rig->update);
	rlog_append(&rig->replica->log, 2, "c", 1, 1, &rig->update);
	replica_finish(rig->replica, &rig->update);
	persisted(rig);
	meet(rig);
	body.applied = 1;
	frame(rig, 1, FRAME_HELLO, 0, &body.base);
	body.disk_id = 13;
	frame(rig, 3, FRAME_HELLO, 0, &body.base);
	simple(rig, 1, FRAME_CLOSE, 0);
	CU_ASSERT_EQUAL(rig->replica->round.phase, PHASE_SYNC);
}

static void send_log(struct rig *rig, uint32_t seq, bool last, Wire__Entry *const *entries,
		     size_t n)
{
	Wire__LogChunk *chunk = wire_new(&wire__log_chunk__descriptor);

	chunk->seq = seq;
	chunk->last = last;
	chunk->entries = calloc(n + 1, sizeof(*chunk->entries));
	for (size_t i = 0; i < n; i++)
		chunk->entries[chunk->n_entries++] = entries[i];
	frame(rig, 1, FRAME_LOG_CHUNK, rig->replica->round.epoch, &chunk->base);
	wire_free(chunk);
}

static const char *persists(const struct rig *rig)
{
	static const char *const names[] = { "promise", "cut", "append", "trim",
					     "put", "del", "applied", "wipe" };
	static struct buf text;

	buf_reset(&text);
	for (size_t i = 0; i < rig->update.persists_n; i++) {
		const struct persist *persist = &rig->update.persists[i];
		uint64_t number = persist->kind == PERSIST_APPEND ? persist->index :
				  persist->value;

		buf_printf(&text, "%s%s %d", i ? ", " : "", names[persist->kind], (int)number);
	}
	return buf_str(&text);
}

/* What is the source's stays; what is not goes, and only then. */
static void test_cut_at_the_difference(void)
{
	struct rig rig;

	fall_behind(&rig);
	send_log(&rig, 0, false, (Wire__Entry *[]){ entry(2, 2, "b") }, 1);
	CU_ASSERT_STRING_EQUAL(persists(&rig), "");
	send_log(&rig, 1, true, (Wire__Entry *[]){ entry(3, 3, "C"), entry(4, 3, "D") }, 2);
	CU_ASSERT_STRING_EQUAL(persists(&rig), "cut 2, append 3, append 4, promise 4");
	persisted(&rig);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "ready");
	rig_free(&rig);
}

static void test_bad_chunks(void)
{
	static const struct {
		const char *what;
		uint32_t seq;
		uint64_t index, epoch;
		const char *text;
		bool contradicts;
	} cases[] = {
		{ "out of order", 1, 2, 2, "b", false },
		{ "a gap", 0, 5, 3, "e", false },
		{ "index 0", 0, 0, 3, "e", false },
		{ "epoch 0", 0, 3, 0, "e", false },
		{ "beyond the base", 0, UINT64_MAX, 3, "e", false },
		{ "an epoch beyond the source's", 0, 3, 4, "e", false },
		{ "an epoch that falls", 0, 3, 1, "e", false },
		{ "empty", 0, 3, 3, "", false },
		{ "same place, other content", 0, 2, 2, "x", true },
		{ "contradicts what was applied", 0, 1, 3, "x", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;

		fall_behind(&rig);
		send_log(&rig, cases[i].seq, true,
			 (Wire__Entry *[]){ entry(cases[i].index, cases[i].epoch, cases[i].text) },
			 1);
		if (!rig.replica->sync.lost ||
		    (rig.replica->round.contradicted != NULL) != cases[i].contradicts)
			fprintf(stderr, "chunk: %s\n", cases[i].what);
		CU_ASSERT_TRUE(rig.replica->sync.lost);
		CU_ASSERT_EQUAL(rig.replica->round.contradicted != NULL, cases[i].contradicts);
		CU_ASSERT_EQUAL(rig.replica->round.phase, PHASE_SYNC);
		CU_ASSERT_EQUAL(rig.update.leave, LEAVE_NO);
		tick(&rig, 5000);
		CU_ASSERT_STRING_EQUAL(sent(&rig), cases[i].contradicts ? "" : "rejoin");
		simple(&rig, 1, FRAME_READY, 4);
		simple(&rig, 3, FRAME_READY, 4);
		CU_ASSERT_TRUE(rig.replica->round.open);
		CU_ASSERT_EQUAL(rig.update.leave, cases[i].contradicts ? LEAVE_DAMAGED : LEAVE_NO);
		rig_free(&rig);
	}
}

/* APPENDs from OPEN on wait until the log is the source's. */
static void test_late_member(void)
{
	Wire__Append append = WIRE__APPEND__INIT;
	Wire__Ack ack = WIRE__ACK__INIT;
	struct rig rig;

	fall_behind(&rig);
	rig.replica->round.nodes |= 4;		/* node 3 takes part too */
	rig.replica->round.counted |= 4;
	rig.replica->round.hello[2].boot_id = BOOT + 3;
	simple(&rig, 1, FRAME_READY, 4);
	simple(&rig, 3, FRAME_READY, 4);
	CU_ASSERT_TRUE(rig.replica->round.open);
	append.command.data = (uint8_t *)"x";
	append.command.len = 1;
	frame(&rig, 3, FRAME_APPEND, 4, &append.base);
	ack.index = 6;
	frame(&rig, 1, FRAME_ACK, 4, &ack.base);
	frame(&rig, 3, FRAME_ACK, 4, &ack.base);
	CU_ASSERT_EQUAL(rig.replica->refused, 0);
	CU_ASSERT_EQUAL(rig.replica->committed, 1);
	send_log(&rig, 0, true, (Wire__Entry *[]){ entry(2, 2, "b"), entry(3, 3, "C"),
						   entry(4, 3, "D") }, 3);
	CU_ASSERT_STRING_EQUAL(persists(&rig),
			       "cut 2, append 3, append 4, promise 4, append 5, append 6");
	CU_ASSERT_EQUAL(rig.replica->committed, 1);
	persisted(&rig);
	CU_ASSERT_STRING_EQUAL(sent(&rig), "ready ack");
	CU_ASSERT_EQUAL(rig.replica->committed, 6);
	CU_ASSERT_EQUAL(rig.toy->index, 6);
	rig_free(&rig);
}

/* ---------------------------------------------------------------- hostile frames */

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
		*(Wire__Hello *)body = hello(rng_below(rng, 9), 1 + rng_below(rng, 9),
					     1 + rng_below(rng, 3), 10 + sender);
		((Wire__Hello *)body)->applied = rng_below(rng, 2);
	} else if (type == FRAME_HELLO) {
		Wire__Hello *it = (Wire__Hello *)body;

		*it = hello(some(rng), some(rng), some(rng), some(rng));
		it->applied = some(rng);
		it->first_index = some(rng);
	} else if (type == FRAME_LOG_CHUNK) {
		Wire__LogChunk *it = (Wire__LogChunk *)body;

		it->seq = rng_below(rng, 3);
		it->last = rng_below(rng, 2);
		it->entries = calloc(2, sizeof(*it->entries));
		it->entries[it->n_entries++] = entry(some(rng), some(rng), "x");
		it->entries[it->n_entries++] = entry(some(rng), some(rng), "y");
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

	header.boot_id = rng_below(rng, 8) ? BOOT + sender : some(rng);
	if (type == FRAME_SYNC_START && rng_below(rng, 4))
		header.round = (struct frame_round){ sender, 1 + rng_below(rng, 9), BOOT + sender };
	if (rng_below(rng, 10) == 0)
		header.epoch = some(rng);
	fill(rng, body, type, sender);
	event.frame = (struct event_frame){ sender, &header, body };
	happen(rig, &event);
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
		view(&rig, everybody, 3);
		if (seed % 5 && seed % 2)
			open_epoch(&rig);
		for (size_t i = 0; i < 300 && rig.update.leave == LEAVE_NO; i++) {
			if (rig.update.frames_n == 1 && rng_below(&rng, 4))
				echo(&rig);
			else if (rng_below(&rng, 10) == 0)
				persisted(&rig);
			else if (rng_below(&rng, 50) == 0)
				tick(&rig, rng_below(&rng, 20000));
			else
				hostile_frame(&rig, &rng);
			opened += rig.update.opened;
			CU_ASSERT_TRUE(strlen(why_not(&rig)) < 256);
		}
		left += rig.update.leave != LEAVE_NO;
		rig_free(&rig);
	}
	/* The dice reach what they are for. */
	CU_ASSERT_TRUE(opened > 100);
	CU_ASSERT_TRUE(left > 10 && left < 900);
}

UNIT_MAIN("core/replica", { "load", test_load }, { "hello is checked", test_hello_is_checked },
	  { "hello waits for the disk", test_hello_waits_for_the_disk },
	  { "close decides", test_close_decides },
	  { "voters of the most applied", test_voters_of_the_most_applied },
	  { "no cluster", test_no_cluster }, { "old copy", test_old_copy },
	  { "strangers", test_strangers }, { "left out", test_left_out },
	  { "propose", test_propose }, { "commit", test_commit },
	  { "ack once per sync", test_ack_once_per_sync },
	  { "cut at the difference", test_cut_at_the_difference },
	  { "bad chunks", test_bad_chunks }, { "late member", test_late_member },
	  { "hostile", test_hostile })
