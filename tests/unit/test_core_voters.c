/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who votes: what counts as a change, whose majorities decide, and who should be chosen. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/elect.h"
#include "clusterd/core/record.h"
#include "clusterd/core/settings.h"
#include "tests/sim/rig.h"
#include "tests/unit/unit.h"
#include "wire/command.h"
#include "wire/message.h"

/* ---------------------------------------------------------------- the command */

static struct buf pack_change(uint64_t after, const uint32_t *nodes, const uint64_t *disks,
			      size_t n, uint64_t request)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VotersSet set = WIRE__VOTERS_SET__INIT;
	struct buf packed = { 0 };

	set.after = after;
	set.n_voters = set.n_disks = n;
	set.voters = (uint32_t *)nodes;
	set.disks = (uint64_t *)disks;
	command.request = request;
	command.body_case = WIRE__COMMAND__BODY_VOTERS_SET;
	command.voters_set = &set;
	CU_ASSERT_EQUAL(wire_command_pack(&command, &packed, NULL), 0);
	return packed;
}

static void test_read(void)
{
	static const struct {
		const char *what;
		bool is;
		uint64_t request;
		size_t n;
		uint32_t nodes[3];
		uint64_t disks[3];
	} cases[] = {
		{ "three voters", true, 0, 3, { 1, 2, 64 }, { 11, 12, 13 } },
		{ "one", true, 0, 1, { 5 }, { 11 } },
		{ "nobody", false, 0, 0, { 0 }, { 0 } },
		{ "one that never took part", false, 0, 2, { 1, 2 }, { 11, 0 } },
		{ "node 0", false, 0, 1, { 0 }, { 11 } },
		{ "node 65", false, 0, 1, { 65 }, { 11 } },
		{ "one of them twice", false, 0, 2, { 2, 2 }, { 11, 12 } },
		{ "not ascending", false, 0, 2, { 2, 1 }, { 11, 12 } },
		{ "a request that may be a repeat", false, 7, 1, { 1 }, { 11 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_free) struct buf packed = pack_change(
			9, cases[i].nodes, cases[i].disks, cases[i].n, cases[i].request);
		struct voters voters = { .n = 99 };
		uint64_t after = 0;
		bool is = voters_read(packed.data, packed.len, &voters, &after);

		if (is != cases[i].is)
			fprintf(stderr, "voters: %s\n", cases[i].what);
		CU_ASSERT_EQUAL(is, cases[i].is);
		CU_ASSERT_EQUAL(voters.n, is ? cases[i].n : 99);
		CU_ASSERT_EQUAL(after, is ? 9 : 0);
	}
}

/* ---------------------------------------------------------------- whose majorities decide */

struct told {
	uint64_t applied, last, index;	/* of the voters that were applied */
	size_t pending_n;
	uint64_t pending[2];		/* {1, 2, 4} and {1, 4, 5}, in this order */
};

/* voters: how many it has applied, 3 or none. */
static void tell_of(struct rig *rig, uint32_t node, const struct told *told, size_t voters)
{
	static uint32_t first[] = { 1, 2, 3 }, second[] = { 1, 2, 4 }, third[] = { 1, 4, 5 };
	static uint64_t disks_first[] = { 11, 12, 13 }, disks_second[] = { 11, 12, 14 },
			disks_third[] = { 11, 14, 15 };
	Wire__Hello body = rig_hello(1, 1, told->last, 10 + node);
	Wire__Voters wire[2] = { WIRE__VOTERS__INIT, WIRE__VOTERS__INIT };
	Wire__Voters *list[] = { &wire[0], &wire[1] };

	body.applied = told->applied;
	body.voters_index = told->index;
	body.n_voters = body.n_voter_disks = voters;
	body.voters = told->index == 0 ? first : told->index == 6 ? second : third;
	body.voter_disks = told->index == 0   ? disks_first
			   : told->index == 6 ? disks_second
					      : disks_third;
	for (size_t i = 0; i < told->pending_n; i++) {
		wire[i].index = told->pending[i];
		wire[i].n_nodes = wire[i].n_disks = 3;
		wire[i].nodes = wire[i].index == 6 ? second : third;
		wire[i].disks = wire[i].index == 6 ? disks_second : disks_third;
	}
	body.n_pending = told->pending_n;
	body.pending = list;
	rig_frame(rig, node, FRAME_HELLO, 0, &body.base);
}

static void tell(struct rig *rig, uint32_t node, const struct told *told)
{
	tell_of(rig, node, told, 3);
}

/*
 * The voters are 1, 2 and 3. Entry 6 makes them 1, 2 and 4, entry 8 makes them 1, 4 and 5. The rig
 * is node 2, which has nothing but entry 1, and plays no part.
 */
static void test_electorate(void)
{
	static const struct {
		const char *what;
		struct told one, four;		/* node 1, and node 4 or nobody */
		size_t n;
		uint64_t old, new;
		bool decides;
	} cases[] = {
		{ "nothing is under way", { 5, 5, 0, 0, { 0 } }, { 5, 5, 0, 0, { 0 } }, 1, 7, 0,
		  true },
		{ "a change in the newest log", { 5, 6, 0, 1, { 6 } }, { 5, 5, 0, 0, { 0 } }, 2, 7,
		  11, true },
		{ "a change in an older log", { 5, 6, 0, 1, { 6 } }, { 5, 7, 0, 0, { 0 } }, 1, 7, 0,
		  true },
		{ "a change that somebody has applied", { 5, 7, 0, 1, { 6 } },
		  { 6, 6, 6, 0, { 0 } }, 1, 11, 0, true },
		{ "the second proves the first", { 5, 9, 0, 2, { 6, 8 } }, { 5, 5, 0, 0, { 0 } }, 2,
		  11, 25, true },
		{ "the second, the first applied", { 5, 9, 0, 2, { 6, 8 } }, { 6, 6, 6, 0, { 0 } },
		  2, 11, 25, true },
		{ "both applied", { 5, 9, 0, 2, { 6, 8 } }, { 9, 9, 8, 0, { 0 } }, 1, 25, 0, true },
		{ "the new ones have no majority", { 7, 8, 6, 1, { 8 } }, { 0 }, 2, 11, 25, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		static const uint32_t members[] = { 1, 2, 4 };
		struct rig rig;
		struct electorate electorate;

		rig_init(&rig, false);
		rig_view(&rig, members, 3);
		rig_simple(&rig, 1, FRAME_SYNC_START, 0);
		rig_echo(&rig);
		tell(&rig, 1, &cases[i].one);
		if (cases[i].four.last)
			tell(&rig, 4, &cases[i].four);
		CU_ASSERT_EQUAL(rig.replica->refused, 0);
		round_electorate_so_far(&rig.replica->round, &electorate);
		if (electorate.n != cases[i].n ||
		    voters_nodes(&electorate.voters[0]) != cases[i].old)
			fprintf(stderr, "electorate: %s\n", cases[i].what);
		CU_ASSERT_EQUAL(electorate.n, cases[i].n);
		CU_ASSERT_EQUAL(voters_nodes(&electorate.voters[0]), cases[i].old);
		if (electorate.n == 2)
			CU_ASSERT_EQUAL(voters_nodes(&electorate.voters[1]), cases[i].new);
		CU_ASSERT_EQUAL(round_quorate(&rig.replica->round), cases[i].decides);
		rig_simple(&rig, 1, FRAME_CLOSE, 0);
		CU_ASSERT_EQUAL(rig.replica->round.phase,
				cases[i].decides ? PHASE_SYNC : PHASE_WAIT);
		if (!cases[i].decides)
			CU_ASSERT_STRING_EQUAL(
				rig_why_not(&rig),
				"no quorum: of the new voters, nodes 1, 4 and 5, only node 1 is "
				"here; a change of voters is under way and needs both");
		rig_free(&rig);
	}
}

/*
 * Nobody here has applied even the first entry: of two members whose logs hold a change to them
 * and one more, nobody knows whom it replaces, and whether these would have agreed.
 */
static void test_unknown_predecessors(void)
{
	static const struct told told = { 0, 6, 0, 1, { 6 } };

	for (unsigned known = 0; known < 2; known++) {
		struct rig rig;
		struct electorate electorate;

		rig_init(&rig, !known);
		rig_meet(&rig);
		tell_of(&rig, 1, &told, 0);
		round_electorate_so_far(&rig.replica->round, &electorate);
		CU_ASSERT_EQUAL(electorate.n, known ? 2 : 0);
		rig_simple(&rig, 1, FRAME_CLOSE, 0);
		CU_ASSERT_EQUAL(rig.replica->round.phase, known ? PHASE_SYNC : PHASE_WAIT);
		rig_free(&rig);
	}
}

static void load_change(struct rig *rig, uint64_t index, uint64_t after)
{
	static const uint32_t nodes[] = { 1, 2, 4 };
	static const uint64_t disks[] = { 11, 12, 14 };
	_cleanup_(buf_free) struct buf packed = pack_change(after, nodes, disks, 3, 0);

	CU_ASSERT_EQUAL(replica_load_entry(rig->replica, index, 1, packed.data, packed.len), 0);
}

/* Of the changes in its log that it has not applied a member tells the last two. */
static void test_pending_told(void)
{
	_cleanup_(buf_free) struct buf genesis = { 0 };
	static const uint64_t disks[] = { 11, 12, 13 };
	struct rig rig;
	struct frame_header header;
	ProtobufCMessage *body;
	const Wire__Hello *hello;

	rig_init(&rig, false);
	replica_free(rig.replica);
	rig.replica = rig_make(&rig);
	toy_genesis(3, disks, &genesis);
	replica_load_entry(rig.replica, 1, 1, genesis.data, genesis.len);
	load_change(&rig, 2, 0);
	load_change(&rig, 3, 0);		/* void */
	load_change(&rig, 4, 2);
	load_change(&rig, 5, 4);
	CU_ASSERT_EQUAL(replica_load_done(rig.replica), 0);
	rig_view(&rig, rig_everybody, 3);
	rig_simple(&rig, 1, FRAME_SYNC_START, 0);
	CU_ASSERT_EQUAL_FATAL(rig.update.frames_n, 1);
	CU_ASSERT_EQUAL_FATAL(frame_decode(rig.update.frames[0].data, rig.update.frames[0].len,
					   &header, &body), 0);
	hello = (const Wire__Hello *)body;
	CU_ASSERT_EQUAL(hello->voters_index, 0);
	CU_ASSERT_EQUAL(hello->voters[2], 3);
	CU_ASSERT_EQUAL_FATAL(hello->n_pending, 2);
	CU_ASSERT_EQUAL(hello->pending[0]->index, 4);
	CU_ASSERT_EQUAL(hello->pending[1]->index, 5);
	CU_ASSERT_EQUAL(hello->pending[1]->nodes[2], 4);
	CU_ASSERT_EQUAL(hello->pending[1]->disks[2], 14);
	frame_body_free(body);
	rig_free(&rig);
}

static void test_pending_that_cannot_be(void)
{
	static const struct told cases[] = {
		{ 6, 6, 0, 1, { 6 } },		/* applied already */
		{ 5, 5, 0, 1, { 6 } },		/* beyond the log */
		{ 5, 9, 0, 2, { 8, 6 } },	/* not in order */
		{ 5, 9, 6, 0, { 0 } },		/* voters of what is not applied */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;

		rig_init(&rig, false);
		rig_meet(&rig);
		tell(&rig, 1, &cases[i]);
		CU_ASSERT_EQUAL(rig.replica->refused, 1);
		CU_ASSERT_EQUAL(rig.replica->round.heard & 1, 0);
		rig_free(&rig);
	}
}

/* ---------------------------------------------------------------- an open epoch */

static int propose(struct rig *rig, uint64_t after, const uint32_t *nodes, const uint64_t *disks,
		   size_t n)
{
	_cleanup_(buf_free) struct buf packed = pack_change(after, nodes, disks, n, 0);
	struct update update;
	int r;

	update_init(&update);
	r = replica_propose(rig->replica, &packed, 0, &update);
	update_reset(&update);
	return r;
}

/* Nodes 1 and 2 are ready, node 3 takes part but is not. */
static void test_timely(void)
{
	static const uint32_t all[] = { 1, 2, 3 }, pair[] = { 1, 3 }, far[] = { 1, 4, 5 };
	static const uint64_t disks[] = { 11, 12, 13 }, wrong[] = { 21, 12, 13 };
	static const uint64_t pair_disks[] = { 11, 13 };
	struct rig rig;

	rig_init(&rig, false);
	CU_ASSERT_EQUAL(propose(&rig, 0, all, disks, 3), -EAGAIN);
	rig_open_epoch(&rig);
	CU_ASSERT_EQUAL(replica_disk_id(rig.replica, 3), 13);
	CU_ASSERT_EQUAL(replica_disk_id(rig.replica, 4), 0);
	CU_ASSERT_EQUAL(propose(&rig, 0, all, disks, 3), 0);
	CU_ASSERT_EQUAL(propose(&rig, 1, all, disks, 3), -ESTALE);
	CU_ASSERT_EQUAL(propose(&rig, 0, all, wrong, 3), -ESTALE);
	CU_ASSERT_EQUAL(propose(&rig, 0, pair, pair_disks, 2), -ESTALE);
	CU_ASSERT_EQUAL(propose(&rig, 0, far, disks, 3), -ESTALE);
	rig_free(&rig);
}

static void append(struct rig *rig, uint64_t after, const uint32_t *nodes, const uint64_t *disks,
		   size_t n)
{
	_cleanup_(buf_free) struct buf packed = pack_change(after, nodes, disks, n, 0);
	Wire__Append body = WIRE__APPEND__INIT;

	body.command.data = packed.data;
	body.command.len = packed.len;
	rig_frame(rig, 1, FRAME_APPEND, 2, &body.base);
	rig_persisted(rig);
	rig_echo(rig);
}

static void ack(struct rig *rig, uint32_t node, uint64_t index)
{
	Wire__Ack body = WIRE__ACK__INIT;

	body.index = index;
	rig_frame(rig, node, FRAME_ACK, 2, &body.base);
}

/* From the log on the change counts; and once both have it, the new voters are alone. */
static void test_both_majorities(void)
{
	static const uint32_t pair[] = { 2, 3 };
	static const uint64_t disks[] = { 12, 13 };
	struct rig rig;
	struct replica_standing standing;

	rig_init(&rig, false);
	rig_open_epoch(&rig);
	rig_simple(&rig, 3, FRAME_READY, 2);
	append(&rig, 0, pair, disks, 2);		/* entry 3; 2 is the NOOP */
	CU_ASSERT_EQUAL(rig.replica->round.electorate.n, 2);
	ack(&rig, 1, 3);
	CU_ASSERT_EQUAL(rig.replica->committed, 2);	/* of the new ones only node 2 has it */
	replica_standing(rig.replica, &standing);
	CU_ASSERT_EQUAL(standing.leader, 1);
	append(&rig, 99, pair, disks, 2);		/* entry 4 is none: nobody chose it */
	CU_ASSERT_EQUAL(rig.replica->round.electorate.n, 2);
	ack(&rig, 3, 3);
	CU_ASSERT_EQUAL(rig.replica->committed, 3);
	CU_ASSERT_EQUAL(rig.replica->round.electorate.n, 1);
	CU_ASSERT_EQUAL(rig.toy->voters.index, 3);
	ack(&rig, 1, 4);
	CU_ASSERT_EQUAL(rig.replica->committed, 3);	/* node 1 votes no more */
	ack(&rig, 3, 4);
	CU_ASSERT_EQUAL(rig.replica->committed, 4);
	replica_standing(rig.replica, &standing);
	CU_ASSERT_EQUAL(standing.leader, 2);
	rig_free(&rig);
}

/* ---------------------------------------------------------------- who should vote */

static void put(struct state *state, uint32_t table, uint64_t id, const ProtobufCMessage *record)
{
	struct update update;

	update_init(&update);
	state_put(state, table, id, record, &update);
	update_reset(&update);
}

/*
 * Of the voters 1 and 2, chosen by entry 7, node 1 is here with node 3, which does not vote, and
 * says that the other one is off.
 */
static void test_left_alone(void)
{
	static const struct {
		const char *what;
		uint32_t other_off;
		uint64_t index, disk, heard;
		bool change, decides;
	} cases[] = {
		{ "it is off", 2, 7, 11, 5, false, true },
		{ "nobody says so", 0, 7, 11, 5, false, false },
		{ "another one is", 3, 7, 11, 5, false, false },
		{ "by other voters than these", 2, 6, 11, 5, false, false },
		{ "with another disk", 2, 7, 12, 5, false, false },
		{ "it was heard all the same", 2, 7, 11, 7, false, false },
		{ "a change of voters is under way", 2, 7, 11, 5, true, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct round round = { .voters_by = 1, .heard = cases[i].heard };
		struct electorate electorate;

		round.voters = (struct voters){ 7, 2, { 1, 2 }, { 11, 22 } };
		round.able = (struct able){ .nodes = 5, .protocol = 1, .level = 1 };
		round.hello[0] = (struct hello){ .disk_id = cases[i].disk,
						 .voters_index = cases[i].index,
						 .other_off = cases[i].other_off };
		if (cases[i].change) {
			round.hello[0].pending_n = 1;
			round.hello[0].pending[0] =
				(struct voters){ 9, 2, { 1, 3 }, { 11, 33 } };
			round.hello[2].disk_id = 33;
		}
		round_electorate(&round, 1, &electorate);
		if (electorate_has(&electorate, 5) != cases[i].decides)
			fprintf(stderr, "left alone: %s\n", cases[i].what);
		CU_ASSERT_EQUAL(electorate_has(&electorate, 5), cases[i].decides);
		CU_ASSERT_EQUAL(electorate.needed[0], cases[i].decides ? 1 : 2);
		CU_ASSERT(!electorate_has(&electorate, 4));
	}
}

static void say_two(void *above, struct voters *ret_voters)
{
	*ret_voters = (struct voters){ 7, 2, { 1, 2 }, { 11, 22 } };
}

static uint64_t say_nothing_written(void *above)
{
	return 0;
}

static void say_nothing_applied(void *above, uint64_t *ret_index, uint64_t *ret_epoch)
{
	*ret_index = *ret_epoch = 0;
}

static void drop_nothing(void *above)
{
}

/* Node 1 of the voters 1 and 2, chosen by entry 7, with one entry in its log. */
static void test_entitled(void)
{
	static const struct {
		const char *what;
		uint64_t last, promised, alone, alone_voters, together, together_voters;
		uint64_t boot, disk;
		bool entitled;
	} cases[] = {
		{ "it was alone last", 5, 5, 5, 7, 0, 0, 3, 11, true },
		{ "and has promised a later epoch", 5, 6, 5, 7, 0, 0, 3, 11, false },
		{ "alone before, and with the other since", 6, 6, 5, 7, 0, 0, 3, 11, false },
		{ "alone, and nothing of that is in its log", 4, 5, 5, 7, 0, 0, 3, 11, false },
		{ "it was alone by other voters", 5, 5, 5, 6, 0, 0, 3, 11, false },
		{ "it was alone, with another disk", 5, 5, 5, 7, 0, 0, 3, 12, false },
		{ "with the other since it was switched on", 5, 6, 0, 0, 3, 7, 3, 11, true },
		{ "before it was switched on", 5, 6, 0, 0, 2, 7, 3, 11, false },
		{ "as two other voters", 5, 6, 0, 0, 3, 6, 3, 11, false },
		{ "with the other, with another disk", 5, 6, 0, 0, 3, 7, 3, 12, false },
		{ "nobody knows which boot this is", 5, 6, 0, 0, 0, 7, 0, 11, false },
		{ "nothing is on record", 5, 6, 0, 0, 0, 0, 3, 11, false },
	};
	static const struct replica_ops ops = { .voters = say_two,
						.position = say_nothing_applied,
						.written = say_nothing_written,
						.snap_drop = drop_nothing };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct replica_config config = { .node = 1, .boot_id = 1, .ops = &ops,
						 .disk_id = cases[i].disk,
						 .machine_boot = cases[i].boot };
		struct replica *replica = replica_new(&config);

		replica_load_promise(replica, cases[i].promised);
		replica_load_alone(replica, cases[i].alone, cases[i].alone_voters);
		replica_load_together(replica, cases[i].together, cases[i].together_voters);
		CU_ASSERT_EQUAL(replica_load_entry(replica, 1, cases[i].last, "x", 1), 0);
		CU_ASSERT_EQUAL(replica_load_done(replica), 0);
		if (alone_entitled(replica) != cases[i].entitled)
			fprintf(stderr, "entitled: %s\n", cases[i].what);
		CU_ASSERT_EQUAL(alone_entitled(replica), cases[i].entitled);
		replica_free(replica);
	}
}

struct elect_case {
	const char *what;
	const char *setting;			/* cluster.voters; NULL = the default */
	/*
	 * A letter each, the failure domain, or '-' for none; then '!': to be removed, '~': not
	 * here, '+': with a new disk, 'x': proven dead for long; '*': with a fence device that was
	 * tested, '?': with one whose test failed.
	 */
	const char *nodes;
	const char *voters;
	const char *next;			/* "" = none */
	bool alone;				/* of two voters one is */
};

static void add_device(struct state *state, uint32_t node, bool tested)
{
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;

	target.node = node;
	target.tested_ms = tested;
	target.failed_ms = !tested;
	fence.id = node;
	fence.targets = &targets;
	fence.n_targets = 1;
	put(state, WIRE__TABLE__TABLE_FENCE, fence.id, &fence.base);
}

static void make_nodes(struct state *state, const char *nodes, struct elect_sight *sight)
{
	uint32_t id = 1;

	for (; *nodes; nodes++) {
		Wire__Node node = WIRE__NODE__INIT;
		char domain[] = { *nodes == '-' ? 0 : *nodes, 0 }, name[8];
		uint64_t disk = 10 + id;

		if (*nodes == ' ')
			continue;
		snprintf(name, sizeof(name), "n%u", id);
		node.id = id;
		node.name = name;
		node.failure_domain = domain;
		node.state = WIRE__NODE__STATE__UP;
		sight->ready |= vmop_bit(id);
		for (; strchr("!~+x*?", nodes[1]) && nodes[1]; nodes++) {
			if (nodes[1] == '*' || nodes[1] == '?')
				add_device(state, id, nodes[1] == '*');
			if (nodes[1] == '!')
				node.leaving = (char *)"root";
			if (nodes[1] == '+')
				disk += 100;
			if (nodes[1] == '~' || nodes[1] == 'x')
				sight->ready &= ~vmop_bit(id);
			if (nodes[1] == 'x') {
				node.state = WIRE__NODE__STATE__OFF;
				sight->dead |= vmop_bit(id);
			}
		}
		node.disk_id = disk;
		sight->disks[id] = sight->ready & vmop_bit(id) ? disk : 0;
		put(state, WIRE__TABLE__TABLE_NODE, id, &node.base);
		id++;
	}
}

static void make_voters(struct state *state, const char *voters)
{
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	uint32_t nodes[VOTERS_MAX];
	uint64_t disks[VOTERS_MAX];

	cluster.id = 1;
	cluster.voters = nodes;
	cluster.voter_disks = disks;
	cluster.voters_index = 40;
	for (; *voters; voters++) {
		nodes[cluster.n_voters] = (uint32_t)(*voters - '0');
		disks[cluster.n_voters++] = 10u + (uint32_t)(*voters - '0');
	}
	cluster.n_voter_disks = cluster.n_voters;
	put(state, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster.base);
}

static void check_election(const struct elect_case *c)
{
	struct state *state = state_new();
	struct elect_sight sight = { .alone = c->alone };
	struct voters next;
	char why[200] = "", got[VOTERS_MAX + 1] = "";
	size_t n = 0;

	make_nodes(state, c->nodes, &sight);
	make_voters(state, c->voters);
	if (c->setting) {
		Wire__Setting setting = WIRE__SETTING__INIT;

		setting.name = (char *)"cluster.voters";
		setting.value = (char *)c->setting;
		setting_named(setting.name, &setting.id);
		put(state, WIRE__TABLE__TABLE_SETTING, setting.id, &setting.base);
	}
	if (elect_next(state, &sight, &next, why, sizeof(why))) {
		CU_ASSERT_EQUAL(next.index, 40);
		CU_ASSERT_STRING_NOT_EQUAL(why, "");
		for (; n < next.n; n++)
			got[n] = (char)('0' + next.nodes[n]);
		CU_ASSERT_TRUE(voters_known(&next));
	}
	if (strcmp(got, c->next) != 0)
		fprintf(stderr, "elect: %s: '%s', not '%s' (%s)\n", c->what, got, c->next, why);
	CU_ASSERT_STRING_EQUAL(got, c->next);
	state_free(state);
}

static void test_elect(void)
{
	static const struct elect_case cases[] = {
		{ "three nodes", NULL, "- - -", "123", "" },
		{ "a fourth node learns", NULL, "- - - -", "123", "" },
		{ "from five nodes on there are five", NULL, "- - - - -", "123", "12345" },
		{ "unless three are wanted", "3", "- - - - -", "123", "" },
		{ "or there were five", "3", "- - - - -", "12345", "123" },
		{ "five wanted of four nodes are three", "5", "- - - -", "123", "" },
		{ "of two nodes one votes", NULL, "- -", "1", "" },
		{ "with the third all do", NULL, "- - -", "1", "123" },
		{ "but only those that are ready", NULL, "- - -~", "1", "" },
		{ "a voter that is away keeps its vote", NULL, "- - -~ -", "123", "" },
		{ "one that is dead for long does not", NULL, "- - -x -", "123", "124" },
		{ "if a node is there for it", NULL, "- - -x -~", "123", "" },
		{ "a new disk is no longer the old voter", NULL, "- -+ -", "123", "123" },
		{ "not while it is not here", NULL, "- -+~ -", "123", "" },
		{ "one that is removed makes room", NULL, "- -! - -", "123", "134" },
		{ "and if there are too few, two go", NULL, "- -! -", "123", "1" },
		{ "one that is to go and cannot yet counts with its new disk", NULL, "- -!+ - -~",
		  "123", "123" },
		{ "but it goes if it can", NULL, "- -!+ - -", "123", "134" },
		{ "the one that is away rather", NULL, "-~ -! -", "123", "3" },
		{ "a learner that is removed changes nothing", NULL, "- - - -!", "123", "" },
		{ "one that is removed is not chosen", NULL, "- - -x -!", "123", "" },
		{ "of five the removed one goes, and one more", NULL, "- - - -! -", "12345",
		  "123" },
		{ "a domain for each", NULL, "a a a b c", "123", "12345" },
		{ "three spread over three domains", "3", "a a a b c", "123", "124" },
		{ "a step later", "3", "a a a b c", "124", "145" },
		{ "and then rest", "3", "a a a b c", "145", "" },
		{ "not while one is away", "3", "a a a b~ c", "124", "" },
		{ "two domains are two domains", "3", "a a b b", "123", "" },
		{ "a dead one goes before more come", NULL, "a b -x a c", "123", "125" },
		{ "who takes over, takes care of three", "3", "a b cx a c", "123", "125" },
		{ "two that can be powered off vote both", NULL, "-* -*", "1", "12" },
		{ "not if one of them cannot", NULL, "-* -", "1", "" },
		{ "nor before its device was tested", NULL, "-* -?", "1", "" },
		{ "nor while one is not here", NULL, "-* -*~", "1", "" },
		{ "then a test that fails is no reason", NULL, "-* -?", "12", "" },
		{ "a device that was removed is", NULL, "-* -", "12", "1" },
		{ "and one of the two that is removed", NULL, "-*! -*", "12", "2" },
		{ "a third node makes three", NULL, "-* -* -", "12", "123" },
		{ "when it is ready", NULL, "-* -* -~", "12", "" },
		{ "and two again without it", NULL, "-* -* -!", "123", "12" },
		{ "from one to three at once", NULL, "-* -* -*", "1", "123" },
		{ "alone, devices are no reason", NULL, "-* -~", "12", "", true },
		{ "alone, a dead one makes room", NULL, "-* -*x -", "12", "13", true },
		{ "alone, one that is removed goes", NULL, "-* -*x!", "12", "1", true },
		{ "nodes without a domain are alone", NULL, "- - - -", "234", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_election(&cases[i]);
}

UNIT_MAIN("core/voters", { "what is a change of voters", test_read },
	  { "whose majorities decide", test_electorate },
	  { "whom the first change replaces", test_unknown_predecessors },
	  { "changes in a log are told", test_pending_told },
	  { "changes in a log that cannot be", test_pending_that_cannot_be },
	  { "when a change may be proposed", test_timely },
	  { "both majorities, then the new one", test_both_majorities },
	  { "who may go on alone", test_entitled },
	  { "one of two is left alone", test_left_alone }, { "who should vote", test_elect })
