/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One replica that is behind: what it takes from the log of the source, and when. */
#include "clusterd/core/sync.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/rig.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

/* Behind node 1, whose log ends with entry 4 of epoch 3; own: 1:1 applied, then 2:2 and 2:3. */
static void fall_behind(struct rig *rig)
{
	Wire__Hello body = rig_hello(3, 3, 4, 11);

	rig_init(rig, false);
	rlog_append(&rig->replica->log, 2, "b", 1, 1, &rig->update);
	rlog_append(&rig->replica->log, 2, "c", 1, 1, &rig->update);
	replica_finish(rig->replica, &rig->update);
	rig_persisted(rig);
	rig_meet(rig);
	body.applied = 1;
	rig_frame(rig, 1, FRAME_HELLO, 0, &body.base);
	body.disk_id = 13;
	rig_frame(rig, 3, FRAME_HELLO, 0, &body.base);
	rig_simple(rig, 1, FRAME_CLOSE, 0);
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
	rig_frame(rig, 1, FRAME_LOG_CHUNK, rig->replica->round.epoch, &chunk->base);
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
	send_log(&rig, 0, false, (Wire__Entry *[]){ rig_entry(2, 2, "b") }, 1);
	CU_ASSERT_STRING_EQUAL(persists(&rig), "");
	send_log(&rig, 1, true, (Wire__Entry *[]){ rig_entry(3, 3, "C"), rig_entry(4, 3, "D") }, 2);
	CU_ASSERT_STRING_EQUAL(persists(&rig), "cut 2, append 3, append 4, promise 4");
	rig_persisted(&rig);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "ready");
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
			 (Wire__Entry *[]){ rig_entry(cases[i].index, cases[i].epoch,
						      cases[i].text) },
			 1);
		if (!rig.replica->sync.lost ||
		    (rig.replica->round.contradicted != NULL) != cases[i].contradicts)
			fprintf(stderr, "chunk: %s\n", cases[i].what);
		CU_ASSERT_TRUE(rig.replica->sync.lost);
		CU_ASSERT_EQUAL(rig.replica->round.contradicted != NULL, cases[i].contradicts);
		CU_ASSERT_EQUAL(rig.replica->round.phase, PHASE_SYNC);
		CU_ASSERT_EQUAL(rig.update.leave, LEAVE_NO);
		rig_tick(&rig, 5000);
		CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "rejoin");
		rig_simple(&rig, 1, FRAME_READY, 4);
		rig_simple(&rig, 3, FRAME_READY, 4);
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
	rig.replica->round.electorate.counted[0] |= 4;
	rig.replica->round.hello[2].boot_id = RIG_BOOT + 3;
	rig_simple(&rig, 1, FRAME_READY, 4);
	rig_simple(&rig, 3, FRAME_READY, 4);
	CU_ASSERT_TRUE(rig.replica->round.open);
	append.command.data = (uint8_t *)"x";
	append.command.len = 1;
	rig_frame(&rig, 3, FRAME_APPEND, 4, &append.base);
	ack.index = 6;
	rig_frame(&rig, 1, FRAME_ACK, 4, &ack.base);
	rig_frame(&rig, 3, FRAME_ACK, 4, &ack.base);
	CU_ASSERT_EQUAL(rig.replica->refused, 0);
	CU_ASSERT_EQUAL(rig.replica->committed, 1);
	send_log(&rig, 0, true, (Wire__Entry *[]){ rig_entry(2, 2, "b"), rig_entry(3, 3, "C"),
						   rig_entry(4, 3, "D") }, 3);
	CU_ASSERT_STRING_EQUAL(persists(&rig),
			       "cut 2, append 3, append 4, promise 4, append 5, append 6");
	CU_ASSERT_EQUAL(rig.replica->committed, 1);
	rig_persisted(&rig);
	CU_ASSERT_STRING_EQUAL(rig_sent(&rig), "ready ack");
	CU_ASSERT_EQUAL(rig.replica->committed, 6);
	CU_ASSERT_EQUAL(rig.toy->index, 6);
	rig_free(&rig);
}

UNIT_MAIN("core/sync", { "cut at the difference", test_cut_at_the_difference },
	  { "bad chunks", test_bad_chunks }, { "late member", test_late_member })
