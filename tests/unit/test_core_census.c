/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of the state that differ: who starts over, and what happens meanwhile. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/core_private.h"
#include "tests/trace/world.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

/* Two checks lie less than this apart. */
enum { LONG_MS = 130000 };

static const char outvoted[] = "daemon ends: this node's copy of the cluster's state differs from "
			       "that of a majority at the same index\n";

static const char *disputed_on(struct world *world, unsigned node)
{
	struct core_standing standing;

	core_standing(world_core(world, node), &standing);
	return standing.disputed;
}

static struct world *with_guest(unsigned nodes)
{
	struct world *world = world_new(nodes);

	world_add_vm(world, "web1", 512);
	world_settle(world, 2000);
	CU_ASSERT_STRING_EQUAL(world_story(world), "n1: web1 starts\n");
	return world;
}

/* What is wrong shows at the next change, wherever that is made. */
static void spoil(struct world *world, unsigned node)
{
	world_spoil(world, node);
	world_want(world, "web1", WIRE__VM__WANTED__RUNNING);
}

/* Whoever it is, its guest runs on, and it has the others' copy afterwards. */
static void expect_one_to_start_over(unsigned nodes, unsigned wrong)
{
	struct world *world = with_guest(nodes);
	char expected[200];

	snprintf(expected, sizeof(expected), "n%u: %s", wrong, outvoted);
	spoil(world, wrong);
	CU_ASSERT_TRUE(world_until(world, "daemon ends"));
	CU_ASSERT_STRING_EQUAL(world_story(world), expected);
	world_settle(world, 10);
	world_start_daemon(world, wrong);
	world_settle(world, LONG_MS);
	CU_ASSERT_STRING_EQUAL(world_story(world), "");
	CU_ASSERT_EQUAL(world_runs(world, "web1"), 1);
	CU_ASSERT_EQUAL(world_events(world, 1, "what never happened"), 0);
	CU_ASSERT_TRUE(world_events(world, 1, "differs from that of a majority") > 0);
	for (unsigned n = 1; n <= nodes; n++)
		CU_ASSERT_PTR_NULL(disputed_on(world, n));
	/* It votes with its new disk as it did with the old one. */
	world_kill_node(world, wrong == 3 ? 2 : 3);
	world_settle(world, 5000);
	world_want(world, "web1", WIRE__VM__WANTED__PAUSED);
	world_settle(world, 2000);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_story(world), "n1: web1 paused\n"));
	world_free(world);
}

static void test_member(void)
{
	expect_one_to_start_over(3, 2);
	expect_one_to_start_over(3, 3);
	expect_one_to_start_over(5, 4);
}

static void test_leader(void)
{
	expect_one_to_start_over(3, 1);
}

/* A node without a vote is judged, and judges nobody. */
static void test_learner(void)
{
	expect_one_to_start_over(4, 4);
}

/* Two against each other: nobody starts over, nobody decides, until a third one tells. */
static void test_dispute(unsigned wrong)
{
	struct world *world = with_guest(3);
	char why[300];

	world_kill_node(world, 3);
	world_settle(world, 5000);
	world_story(world);
	CU_ASSERT_TRUE(core_in_step(world_core(world, 1), why, sizeof(why)));
	spoil(world, wrong);
	world_settle(world, LONG_MS);
	CU_ASSERT_PTR_NOT_NULL(disputed_on(world, 1));
	CU_ASSERT_PTR_NOT_NULL(disputed_on(world, 2));
	/* What else may run there by hand, nobody can tell. */
	CU_ASSERT_FALSE(core_in_step(world_core(world, 1), why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(why, "the nodes' copies of the cluster's state differ");
	CU_ASSERT_EQUAL(world_events(world, 1, "copies of the cluster's state differ"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_add_vm(world, "web2", 512), "copies of the cluster's"));
	CU_ASSERT_PTR_NOT_NULL(strstr(world_move(world, "web1", 2, WIRE__VM_MOVE__HOW__LIVE),
				      "copies of the cluster's"));
	world_guest_dies(world, "web1", WIRE__VM_REPORT__CAUSE__CRASHED);
	world_settle(world, LONG_MS);
	CU_ASSERT_EQUAL(world_runs(world, "web1"), 0);
	world_story(world);
	world_start_node(world, 3);
	CU_ASSERT_TRUE(world_until(world, "daemon ends"));
	CU_ASSERT_PTR_NOT_NULL(strstr(world_story(world), outvoted));
	world_settle(world, 10);
	CU_ASSERT_PTR_NULL(world_core(world, wrong));
	world_start_daemon(world, wrong);
	world_settle(world, LONG_MS);
	CU_ASSERT_NOT_EQUAL(world_runs(world, "web1"), 0);
	CU_ASSERT_PTR_NULL(disputed_on(world, 1));
	CU_ASSERT_EQUAL(world_events(world, 1, "what never happened"), 0);
	world_free(world);
}

static void test_two_against_each_other(void)
{
	test_dispute(1);
	test_dispute(2);
}

/* Those that are right lead on while the wrong one is on its way out. */
static void test_all_but_one_are_wrong(void)
{
	struct world *world = with_guest(5);

	/* Each in its own way would be three ways; here two of five agree in error. */
	spoil(world, 1);
	spoil(world, 2);
	CU_ASSERT_TRUE(world_until(world, "n1: daemon ends"));
	CU_ASSERT_TRUE(world_until(world, "n2: daemon ends") ||
		       strstr(world_story(world), "n2: daemon ends"));
	CU_ASSERT_PTR_NOT_NULL(world_core(world, 3));
	CU_ASSERT_PTR_NOT_NULL(world_core(world, 4));
	CU_ASSERT_PTR_NOT_NULL(world_core(world, 5));
	world_free(world);
}

static void restart(struct world *world, unsigned node)
{
	world_kill_daemon(world, node);
	world_settle(world, 100);
	world_start_daemon(world, node);
	world_settle(world, 2000);
}

/*
 * n2 and n3, whose disks were put back to an older copy, go on without n1, which has applied what
 * they never had. ahead: epochs of n1's of which they know nothing; later: theirs, before n1
 * comes back. Then n1 must not act on what it has: they are the majority.
 */
static void turn_two_back(unsigned ahead, unsigned later)
{
	struct world *world = with_guest(3);

	world_move(world, "web1", 2, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 5000);
	world_copy_disk(world, 2);
	world_copy_disk(world, 3);
	for (unsigned i = 0; i < ahead; i++)
		restart(world, 3);
	world_want(world, "web1", WIRE__VM__WANTED__STOPPED);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_runs(world, "web1"), 0);
	for (unsigned n = 1; n <= 3; n++)
		world_kill_daemon(world, n);
	world_turn_back_disk(world, 2);
	world_turn_back_disk(world, 3);
	world_start_daemon(world, 2);
	world_start_daemon(world, 3);
	world_settle(world, 2000);
	for (unsigned i = 0; i < later; i++)
		restart(world, 3);
	world_settle(world, 20000);
	CU_ASSERT_TRUE(world_runs(world, "web1") > 1);
	world_story(world);
	world_expect_other_state(world, 1);
	world_start_daemon(world, 1);
	CU_ASSERT_TRUE(world_until(world, "n1: daemon ends"));
	world_settle(world, 10);
	CU_ASSERT_PTR_NULL(world_core(world, 1));
	CU_ASSERT_PTR_NULL(strstr(world_story(world), "web1"));
	world_start_daemon(world, 1);
	world_settle(world, 5000);
	CU_ASSERT_TRUE(world_runs(world, "web1") > 1);
	CU_ASSERT_STRING_EQUAL(world_want(world, "web1", WIRE__VM__WANTED__PAUSED), "");
	world_settle(world, 5000);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_story(world), "web1 paused\n"));
	world_free(world);
}

static void test_old_copies(void)
{
	turn_two_back(0, 0);
	turn_two_back(0, 4);
	turn_two_back(6, 0);
	turn_two_back(6, 3);
}

/*
 * The same with a fourth node, which has no vote, and the log of n1: a majority contradicts both of
 * them, and while one was passed over the other one must not be the source again.
 */
static void test_two_old_sources(void)
{
	struct world *world = with_guest(4);
	struct core_standing standing;

	world_copy_disk(world, 2);
	world_copy_disk(world, 3);
	for (unsigned i = 0; i < 6; i++)
		restart(world, 3);
	world_want(world, "web1", WIRE__VM__WANTED__PAUSED);
	world_settle(world, 5000);
	for (unsigned n = 1; n <= 4; n++)
		world_kill_daemon(world, n);
	world_turn_back_disk(world, 2);
	world_turn_back_disk(world, 3);
	world_start_daemon(world, 2);
	world_start_daemon(world, 3);
	world_settle(world, 20000);
	world_story(world);
	world_expect_other_state(world, 1);
	world_expect_other_state(world, 4);
	world_split(world, 1 + 8);
	world_start_daemon(world, 1);
	world_start_daemon(world, 4);
	world_settle(world, 1000);
	world_split(world, 0);
	CU_ASSERT_TRUE(world_until(world, "n1: daemon ends: a majority goes on with a log"));
	CU_ASSERT_TRUE(world_until(world, "n4: daemon ends") ||
		       strstr(world_story(world), "n4: daemon ends"));
	world_settle(world, 1000);
	core_standing(world_core(world, 2), &standing);
	CU_ASSERT_TRUE(standing.open);
	world_free(world);
}

/* A CHECK about an entry that is still to come says nothing, and must not silence all others. */
static void test_check_of_the_future(void)
{
	struct world *world = with_guest(3);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__CheckDigest check = WIRE__CHECK_DIGEST__INIT;

	check.index = UINT64_C(1) << 40;
	check.digest = 1;
	command.body_case = WIRE__COMMAND__BODY_CHECK;
	command.check = &check;
	world_ask(world, 2, &command);
	restart(world, 3);
	world_guest_dies(world, "web1", WIRE__VM_REPORT__CAUSE__CRASHED);
	world_settle(world, LONG_MS);
	CU_ASSERT_NOT_EQUAL(world_runs(world, "web1"), 0);
	world_free(world);
}

/* ---------------------------------------------------------------- copies */

/* So many entries that the oldest are gone from the logs: whoever needs them gets a snapshot. */
static void trim_logs(struct world *world)
{
	while (state_index(core_state(world_core(world, 1))) < 11500) {
		world_want(world, "web1", WIRE__VM__WANTED__PAUSED);
		world_settle(world, 10);
		world_want(world, "web1", WIRE__VM__WANTED__RUNNING);
		world_settle(world, 10);
		world_story(world);
	}
}

static struct world *with_one_far_behind(void)
{
	struct world *world = with_guest(3);

	world_kill_daemon(world, 3);
	trim_logs(world);
	return world;
}

static void expect_dispute(struct world *world)
{
	world_settle(world, LONG_MS);
	CU_ASSERT_STRING_EQUAL(world_story(world), "");
	for (unsigned n = 1; n <= 3; n++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(world_core(world, n));
		CU_ASSERT_PTR_NOT_NULL(disputed_on(world, n));
	}
}

/*
 * n1 and the one that is right are against each other when the third comes with nothing of its
 * own, or comes with it. What that has then is a copy of n1's wrong one: the right one is not
 * outvoted by it.
 */
static void dispute_with_a_copy(struct world *world, unsigned right, unsigned copy, bool at_once)
{
	if (at_once) {
		world_kill_daemon(world, right);
		world_spoil(world, 1);
		world_start_daemon(world, right);
	} else {
		spoil(world, 1);
		world_settle(world, LONG_MS);
		CU_ASSERT_PTR_NOT_NULL(disputed_on(world, 1));
		CU_ASSERT_PTR_NOT_NULL(disputed_on(world, right));
	}
	world_expect_other_state(world, copy);
	world_start_daemon(world, copy);
	expect_dispute(world);
	CU_ASSERT_EQUAL(world_events(world, right, "what never happened"), 0);
	CU_ASSERT_EQUAL(world_events(world, copy, "what never happened"), 1);
	/* A daemon that begins anew does not turn the copy into anything else. */
	restart(world, copy);
	expect_dispute(world);
	/* Nor is anything settled while the right one is away, though the copy never saw it. */
	world_kill_daemon(world, right);
	restart(world, copy);
	world_settle(world, LONG_MS);
	world_start_daemon(world, right);
	expect_dispute(world);
	/* What n1 has on disk is right. It speaks for itself, though its log has no beginning. */
	restart(world, 1);
	CU_ASSERT_TRUE(world_until(world, "daemon ends"));
	world_settle(world, 2000);
	CU_ASSERT_PTR_NULL(world_core(world, copy));
	CU_ASSERT_PTR_NULL(disputed_on(world, 1));
	CU_ASSERT_PTR_NULL(disputed_on(world, right));
	CU_ASSERT_EQUAL(world_events(world, 1, "what never happened"), 0);
	world_story(world);
}

static void test_copy_of_a_wrong_copy(void)
{
	struct world *world = with_one_far_behind();

	dispute_with_a_copy(world, 2, 3, false);
	world_start_daemon(world, 3);
	world_settle(world, LONG_MS);
	/* The same with an empty disk, and the right one comes with the copy and speaks last. */
	spoil(world, 2);
	CU_ASSERT_TRUE(world_until(world, "n2: daemon ends"));
	world_settle(world, 2000);
	world_story(world);
	dispute_with_a_copy(world, 3, 2, true);
	world_free(world);
}

enum told { NOTHING, THE_SAME, ANOTHER };

struct says {
	enum told told;
	bool copied;
};

static void hear(struct core *core, uint32_t node, const struct says *says)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__CheckDigest check = WIRE__CHECK_DIGEST__INIT;
	uint64_t index = state_index(core->state);

	check.index = index;
	check.digest = state_digest(core->state) + (says->told == ANOTHER);
	check.disk_id = says->copied ? 0 : 500 + node;
	command.node = node;
	command.check = &check;
	if (says->told)
		census_hear(core, &command, index + 1, core->standing.epoch);
}

/* What node 1 makes of what three voters have told, all three of them in the epoch or not. */
static void test_whose_word_counts(void)
{
	static const struct {
		const char *what;
		struct says says[3];
		bool all;
		bool agreed, disputed, left;
	} cases[] = {
		{ "two alike", { { THE_SAME }, { THE_SAME } }, true, true, false, false },
		{ "one alone", { { THE_SAME } }, false, false, false, false },
		{ "one against one", { { THE_SAME }, { ANOTHER } }, true, false, true, false },
		{ "two against one", { { THE_SAME }, { ANOTHER }, { THE_SAME } }, true, true, false,
		  false },
		{ "one against two", { { THE_SAME }, { ANOTHER }, { ANOTHER } }, true, false, false,
		  true },
		{ "with its copy against one",
		  { { THE_SAME }, { ANOTHER }, { THE_SAME, true } }, true, false, true, false },
		{ "against one with its copy",
		  { { THE_SAME }, { ANOTHER, true }, { ANOTHER } }, true, false, true, false },
		{ "two against a copy", { { THE_SAME }, { ANOTHER, true }, { THE_SAME } }, true,
		  true, false, false },
		{ "a copy against two", { { THE_SAME, true }, { ANOTHER }, { ANOTHER } }, true,
		  false, false, true },
		{ "with its copy, before the third", { { THE_SAME }, { THE_SAME, true } }, true,
		  false, false, false },
		{ "with its copy, without the third", { { THE_SAME }, { THE_SAME, true } }, false,
		  true, false, false },
		{ "copies alone", { { THE_SAME, true }, { THE_SAME, true }, { THE_SAME, true } },
		  true, true, false, false },
	};
	struct world *world = with_guest(3);
	struct core *core = (struct core *)world_core(world, 1);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct census *census = &core->census;
		struct update update;

		*census = (struct census){ .asked_epoch = core->standing.epoch };
		census_note(census, state_index(core->state), state_digest(core->state));
		core->standing.epoch_nodes = cases[i].all ? 7 : 3;
		for (uint32_t node = 1; node <= 3; node++)
			hear(core, node, &cases[i].says[node - 1]);
		agenda_hear(&core->agenda, TOPIC_APPLIED);
		update_init(&update);
		census_run(core, &update);
		if (census_trusted(core) != cases[i].agreed)
			fprintf(stderr, "whose word counts: %s\n", cases[i].what);
		CU_ASSERT_EQUAL(census_trusted(core), cases[i].agreed);
		CU_ASSERT_EQUAL(census->disputed != 0, cases[i].disputed);
		CU_ASSERT_EQUAL(update.leave != LEAVE_NO, cases[i].left);
		update_reset(&update);
	}
	world_free(world);
}

static void load(struct core *core, uint64_t index, const Wire__Command *command)
{
	_cleanup_(buf_free) struct buf packed = { 0 };

	wire_pack(&command->base, &packed);
	CU_ASSERT_EQUAL(core_load_entry(core, index, 1, packed.data, packed.len), 0);
}

/* A node's log begins above entry 5, with a CHECK: is its state its own? */
static void test_word_in_the_log(void)
{
	static const struct {
		const char *what;
		unsigned node;
		uint64_t disk_id, index;
		bool copied;
	} cases[] = {
		{ "about what is in it", 2, 7, 6, false },
		{ "about where it begins", 2, 7, 5, false },
		{ "about what is below", 2, 7, 4, true },
		{ "of a copy", 2, 0, 6, true },
		{ "of an earlier disk", 2, 8, 6, true },
		{ "of another node", 3, 7, 6, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct core_config config = { 2, 1, 7, "boot", 1024, 1 };
		struct core *core = core_new(&config);
		Wire__Command command = WIRE__COMMAND__INIT, noop = WIRE__COMMAND__INIT;
		Wire__CheckDigest check = WIRE__CHECK_DIGEST__INIT;
		Wire__Noop body = WIRE__NOOP__INIT;

		check.index = cases[i].index;
		check.digest = 1;
		check.disk_id = cases[i].disk_id;
		command.node = cases[i].node;
		command.body_case = WIRE__COMMAND__BODY_CHECK;
		command.check = &check;
		noop.body_case = WIRE__COMMAND__BODY_NOOP;
		noop.noop = &body;
		core_load_applied(core, 7, 1);
		load(core, 6, &noop);
		load(core, 7, &command);
		CU_ASSERT_EQUAL(core_load_done(core), 0);
		if ((core->census.copied != 0) != cases[i].copied)
			fprintf(stderr, "word: %s\n", cases[i].what);
		CU_ASSERT_EQUAL(core->census.copied != 0, cases[i].copied);
		core_free(core);
	}
}

/* A log without a beginning does not make its node a copy: the node's own word is in it. */
static void test_long_logs(void)
{
	struct world *world = with_guest(3);

	trim_logs(world);
	world_spoil(world, 1);
	for (unsigned n = 2; n <= 3; n++)
		world_kill_daemon(world, n);
	for (unsigned n = 2; n <= 3; n++)
		world_start_daemon(world, n);
	CU_ASSERT_TRUE(world_until(world, "daemon ends"));
	CU_ASSERT_PTR_NOT_NULL(world_core(world, 2));
	CU_ASSERT_PTR_NOT_NULL(world_core(world, 3));
	world_settle(world, 2000);
	CU_ASSERT_PTR_NULL(disputed_on(world, 2));
	world_free(world);
}

/* Where nobody objects, a copy is as good as any; and afterwards it votes like all others. */
static void test_copy_votes_again(void)
{
	struct world *world = with_one_far_behind();

	world_kill_node(world, 1);
	world_start_daemon(world, 3);
	world_settle(world, LONG_MS);
	CU_ASSERT_PTR_NULL(disputed_on(world, 3));
	CU_ASSERT_TRUE(world_runs(world, "web1") > 1);
	world_start_node(world, 1);
	world_settle(world, LONG_MS);
	world_story(world);
	spoil(world, 2);
	CU_ASSERT_TRUE(world_until(world, "n2: daemon ends"));
	world_settle(world, 2000);
	CU_ASSERT_PTR_NULL(disputed_on(world, 1));
	CU_ASSERT_PTR_NULL(disputed_on(world, 3));
	world_free(world);
}

/* Whose word is not waited for before a VM is started says nothing about who may run there. */
static void test_in_step(void)
{
	struct world *world = world_new_led_by_witness(3);
	char why[300];

	world_settle(world, 2000);
	CU_ASSERT_TRUE(core_in_step(world_core(world, 2), why, sizeof(why)));
	CU_ASSERT_FALSE(core_in_step(world_core(world, 1), why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "it is a witness"));
	world_kill_daemon(world, 2);
	world_settle(world, 2000);
	world_start_daemon(world, 2);
	while (!core_in_step(world_core(world, 2), why, sizeof(why)) && world_step(world))
		;
	/* It has told that it is there. */
	CU_ASSERT_TRUE(core_in_step(world_core(world, 2), why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(core_self(world_core(world, 2)));
	world_free(world);
}

UNIT_MAIN("core/census", { "a member differs", test_member }, { "the leader differs", test_leader },
	  { "one without a vote differs", test_learner },
	  { "two against each other", test_two_against_each_other },
	  { "two of five", test_all_but_one_are_wrong }, { "old copies", test_old_copies },
	  { "two old sources", test_two_old_sources },
	  { "a copy of a wrong copy", test_copy_of_a_wrong_copy },
	  { "whose word counts", test_whose_word_counts },
	  { "word in the log", test_word_in_the_log }, { "long logs", test_long_logs },
	  { "a copy votes again", test_copy_votes_again },
	  { "of the future", test_check_of_the_future },
	  { "in_step", test_in_step })
