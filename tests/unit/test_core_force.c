/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One node goes on alone: what is left of each kind of record, and stories of what comes then. */
#include "clusterd/core/force.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clusterd/core/record.h"
#include "tests/trace/world.h"
#include "tests/unit/bench.h"
#include "tests/unit/story.h"
#include "tests/unit/unit.h"

#define SAYS(x) WIRE__VM_REPORT__WHAT__##x
#define PHASE(x) WIRE__VM__PHASE__##x
#define NODE(x) WIRE__NODE__STATE__##x
#define WANTED(x) WIRE__VM__WANTED__##x
#define NONE WIRE__VM__ACTION__NO_ACTION

enum { LONG_MS = 3600 * 1000 };

static const char uuid[] = "10000000-0000-4000-8000-000000000000";

/* ---------------------------------------------------------------- apply, on a bench */

static int force_as(struct bench *bench, uint64_t leap, const char *before, uint32_t node)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Force force = WIRE__FORCE__INIT;

	force.cluster = (char *)uuid;
	force.before = (char *)before;
	force.node = node;
	force.disk_id = 77;
	force.last_ms = 5;
	command.body_case = WIRE__COMMAND__BODY_FORCE;
	command.force = &force;
	command.who = (char *)"root";
	bench->index += leap - 1;
	return bench_apply(bench, 1, 999, &command);
}

/* n1 goes on. */
static void force(struct bench *bench)
{
	CU_ASSERT_EQUAL(force_as(bench, FORCE_JUMP, "", 1), 0);
}

static const Wire__Node *node_of(const struct bench *bench, uint32_t node)
{
	return state_node(bench->state, node);
}

static const Wire__Operation *last_op(const struct bench *bench)
{
	return state_at(bench->state, WIRE__TABLE__TABLE_OPERATION,
			state_count(bench->state, WIRE__TABLE__TABLE_OPERATION) - 1);
}

static bool has_event(const struct bench *bench, const char *text)
{
	for (size_t i = 0; i < state_count(bench->state, WIRE__TABLE__TABLE_EVENT); i++) {
		const Wire__Event *event = state_at(bench->state, WIRE__TABLE__TABLE_EVENT, i);

		if (strstr(event->text, text))
			return true;
	}
	return false;
}

static void test_cluster(void)
{
	struct bench *bench = bench_new();
	uint64_t last = bench->index, clock_ms = state_cluster(bench->state)->clock_ms;
	const Wire__Cluster *cluster;

	force(bench);
	cluster = state_cluster(bench->state);
	CU_ASSERT_STRING_EQUAL(cluster->uuid, uuid);
	CU_ASSERT_EQUAL(cluster->n_voters, 1);
	CU_ASSERT_EQUAL(cluster->voters[0], 1);
	CU_ASSERT_EQUAL(cluster->n_voter_disks, 1);
	CU_ASSERT_EQUAL(cluster->voter_disks[0], 77);
	CU_ASSERT_EQUAL(cluster->voters_index, bench->index);
	CU_ASSERT(cluster->clock_ms > clock_ms + DAY_MS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cluster->forced);
	CU_ASSERT_EQUAL(cluster->forced->index, bench->index);
	CU_ASSERT_EQUAL(cluster->forced->last, last);
	CU_ASSERT_EQUAL(cluster->forced->last_ms, 5);
	CU_ASSERT_EQUAL(cluster->forced->unheard, 6);
	CU_ASSERT_EQUAL(cluster->forced->node, 1);
	CU_ASSERT_STRING_EQUAL(cluster->forced->who, "root");
	CU_ASSERT(has_event(bench, "a new cluster was forced on n1 by root: it goes on from"));
	bench_free(bench);
}

/* In the log of a running cluster, or about another one, it changes nothing. */
static void test_refused(void)
{
	struct bench *bench = bench_new();
	uint64_t digest = state_digest(bench->state);

	CU_ASSERT_EQUAL(force_as(bench, 1, "", 1), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_EQUAL(force_as(bench, FORCE_JUMP, "other", 1), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_EQUAL(force_as(bench, FORCE_JUMP, "", 9), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_EQUAL(state_digest(bench->state), digest);
	bench_free(bench);
}

static void test_nodes(void)
{
	struct bench *bench = bench_new();
	uint64_t incarnation = node_of(bench, 2)->incarnation;

	bench_report_node(bench, 3, 103, "first boot");
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, NODE(LOST)), 0);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	CU_ASSERT_EQUAL(node_of(bench, 2)->state, NODE(OFF));
	force(bench);
	/* It is proven off no more: others may have switched it on. */
	CU_ASSERT_EQUAL(node_of(bench, 2)->state, NODE(LOST));
	CU_ASSERT_EQUAL(node_of(bench, 2)->proven, 0);
	CU_ASSERT_EQUAL(node_of(bench, 3)->state, NODE(LOST));
	CU_ASSERT_EQUAL(node_of(bench, 3)->last_up_ms, 5);
	CU_ASSERT_EQUAL(node_of(bench, 1)->state, NODE(DAEMON_DOWN));
	CU_ASSERT_EQUAL(node_of(bench, 1)->disk_id, 77);
	for (uint32_t node = 1; node <= 3; node++) {
		CU_ASSERT(node_of(bench, node)->incarnation >= incarnation + FORCE_JUMP);
		CU_ASSERT_EQUAL(node_of(bench, node)->boot_id, 0);
		CU_ASSERT_STRING_EQUAL(node_of(bench, node)->kernel_boot_id, "");
		CU_ASSERT_EQUAL(node_of(bench, node)->clock_up_ms, 0);
	}
	CU_ASSERT_EQUAL(node_of(bench, 3)->disk_id, 0);
	CU_ASSERT(node_is_unheard(bench->state, 3) && !node_is_unheard(bench->state, 1));
	/* The same kernel is no lie of a fence device, and a new one frees nothing. */
	bench_report_node(bench, 2, 202, "first boot");
	CU_ASSERT_FALSE(has_event(bench, "but ran on"));
	CU_ASSERT(!node_is_unheard(bench->state, 2) && node_is_unheard(bench->state, 3));
	bench_report_node(bench, 3, 203, "other boot");
	CU_ASSERT(bench_has_event(bench, "all nodes have joined the cluster that was forced, or "
					 "were removed"));
	bench_free(bench);
}

/* Whoever spoke before has no say any more. */
static void test_old_words(void)
{
	struct bench *bench = bench_new();
	uint64_t generation = bench_vm(bench)->generation;

	force(bench);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, generation, SAYS(RUNNING)), STALE);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, bench_vm(bench)->generation, SAYS(ABSENT)),
			STALE);
	bench_report_node(bench, 2, 202, "first boot");
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 202, generation, SAYS(ABSENT)), STALE);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, bench_vm(bench)->generation, SAYS(PRESENT)),
			STALE);
	bench_free(bench);
}

static void test_vm_runs(void)
{
	struct bench *bench = bench_new();
	uint64_t generation = bench_vm(bench)->generation;

	force(bench);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(OFF));
	CU_ASSERT_EQUAL(bench_vm(bench)->owner, 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->n_maybe, 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->last_node, 2);
	CU_ASSERT(bench_vm(bench)->generation >= generation + FORCE_JUMP);
	CU_ASSERT_EQUAL(bench_vm(bench)->look, bench->index);
	CU_ASSERT_EQUAL(bench_vm(bench)->looked, 0);
	/* All must look, by whatever way they come. */
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 1), STALE);
	bench_report_node(bench, 1, 201, "first boot");
	CU_ASSERT_EQUAL(bench_look(bench, 1), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 1), STALE);
	bench_report_node(bench, 2, 202, "second boot");
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 1), STALE);
	CU_ASSERT_EQUAL(bench_look(bench, 2), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 1), STALE);
	bench_report_node(bench, 3, 203, "first boot");
	CU_ASSERT_EQUAL(bench_look(bench, 3), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 1), 0);
	bench_free(bench);
}

static void find(struct bench *bench, const char *pause_reason)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmReport report = WIRE__VM_REPORT__INIT;

	bench_report_node(bench, 3, 203, "first boot");
	report.vm = bench_vm(bench)->id;
	report.what = SAYS(PRESENT);
	report.pause_reason = (char *)pause_reason;
	command.body_case = WIRE__COMMAND__BODY_VM_REPORT;
	command.vm_report = &report;
	CU_ASSERT_EQUAL(bench_apply(bench, 3, 203, &command), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(RUN));
	CU_ASSERT_EQUAL(bench_vm(bench)->owner, 3);
}

/* Old records do not shut down what runs, nor pause it. */
static void test_vm_unwanted(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_want(bench, WANTED(STOPPED), NONE), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(STOPPING));
	force(bench);
	CU_ASSERT_EQUAL(last_op(bench)->outcome, WIRE__OPERATION__OUTCOME__FAILED);
	CU_ASSERT_EQUAL(bench_vm(bench)->op, 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->wanted, WANTED(STOPPED));
	find(bench, "");
	CU_ASSERT_EQUAL(bench_vm(bench)->wanted, WANTED(RUNNING));
	CU_ASSERT(has_event(bench, "is left as it was found, running"));
	bench_free(bench);

	bench = bench_new();
	CU_ASSERT_EQUAL(bench_want(bench, WANTED(PAUSED), NONE), 0);
	force(bench);
	find(bench, "");
	CU_ASSERT_EQUAL(bench_vm(bench)->wanted, WANTED(RUNNING));
	bench_free(bench);

	bench = bench_new();
	CU_ASSERT_EQUAL(bench_want(bench, WANTED(STOPPED), NONE), 0);
	force(bench);
	find(bench, "user");
	CU_ASSERT_EQUAL(bench_vm(bench)->wanted, WANTED(PAUSED));
	bench_free(bench);
}

/* But what was asked for since then holds. */
static void test_vm_stopped_since(void)
{
	struct bench *bench = bench_new();

	force(bench);
	CU_ASSERT_EQUAL(bench_want(bench, WANTED(STOPPED), NONE), 0);
	find(bench, "");
	CU_ASSERT_EQUAL(bench_vm(bench)->wanted, WANTED(STOPPED));
	bench_free(bench);
}

static struct bench *begin_saved(bool saved)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_add_volume(bench, "one", "/v/one"), 0);
	for (uint32_t node = 1; node <= 3; node++)
		bench_tell_volume(bench, node, "one");
	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__QUICK,
				   "/v/one/.clusterd/state/a"), 0);
	if (saved)
		CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, bench_vm(bench)->generation,
						SAYS(SAVED)), 0);
	return bench;
}

/* Memory from before is never restored, its file is nobody's to remove, and nothing starts. */
static void test_vm_saved(void)
{
	for (unsigned saved = 0; saved < 2; saved++) {
		struct bench *bench = begin_saved(saved);

		CU_ASSERT_EQUAL(bench_vm(bench)->phase, saved ? PHASE(SAVED) : PHASE(SAVING));
		force(bench);
		CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(FAILED));
		CU_ASSERT_STRING_EQUAL(bench_vm(bench)->image, "");
		CU_ASSERT_PTR_NOT_NULL(strstr(bench_vm(bench)->detail, "clusterctl vm start a"));
		CU_ASSERT_EQUAL(state_volume_named(bench->state, "one")->n_leftovers, 0);
		CU_ASSERT(has_event(bench, "its saved memory in /v/one/.clusterd/state/"));
		CU_ASSERT_EQUAL(last_op(bench)->outcome, WIRE__OPERATION__OUTCOME__FAILED);
		CU_ASSERT_EQUAL(node_of(bench, 2)->facts->agent_ok, false);
		/* Where somebody restored it, it is found. */
		if (saved)
			find(bench, "");
		bench_free(bench);
	}
}

static void test_vm_moves(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__LIVE, ""), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(COPYING));
	force(bench);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(OFF));
	CU_ASSERT_EQUAL(bench_vm(bench)->n_maybe, 0);
	CU_ASSERT(bench_vm(bench)->from == 0 && bench_vm(bench)->to == 0);
	CU_ASSERT_EQUAL(last_op(bench)->outcome, WIRE__OPERATION__OUTCOME__FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_op(bench)->text, "a new cluster was forced"));
	bench_free(bench);
}

/* Fencing that is under way has no result any more, and nothing of before counts. */
static void test_fencing(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(bench_verdict(bench, 2, NODE(LOST)), 0);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	bench_report_node(bench, 2, 112, "second boot");
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, NODE(LOST)), 0);
	op = bench_begin_fence(bench, 2);
	CU_ASSERT_EQUAL(fence_budget(bench->state, 0).used, 2);
	force(bench);
	CU_ASSERT_EQUAL(fence_budget(bench->state, state_cluster(bench->state)->clock_ms).used, 0);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), STALE);
	CU_ASSERT_EQUAL(node_of(bench, 2)->state, NODE(LOST));
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->tested_ms, 0);
	CU_ASSERT_EQUAL(state_fence_named(bench->state, "bmc")->targets[0]->tested_ms, 0);
	/* For a VM that may be there no power is cut, but a device that says off is a proof. */
	CU_ASSERT_FALSE(node_may_hold_managed(bench->state, 2));
	bench_report_node(bench, 1, 201, "first boot");
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, true), 0);
	CU_ASSERT_EQUAL(bench_end_fence(bench, last_op(bench)->id, true), 0);
	CU_ASSERT_EQUAL(node_of(bench, 2)->state, NODE(OFF));
	CU_ASSERT(node_of(bench, 2)->proven > bench_vm(bench)->look);
	bench_free(bench);
}

static void test_unmanaged(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	force(bench);
	CU_ASSERT(bench_vm(bench)->unmanaged);
	CU_ASSERT_EQUAL(bench_vm(bench)->n_maybe, 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "yes"), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->look, bench->index);
	bench_free(bench);
}

/* ---------------------------------------------------------------- stories */

/* a runs on n1, b on n2, c on n3. */
static struct world *begin(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 1000);
	world_add_vm(world, "b", 512);
	world_settle(world, 1000);
	world_add_vm(world, "c", 512);
	world_settle(world, 10000);
	CU_ASSERT_EQUAL(world_runs(world, "a"), 1);
	CU_ASSERT_EQUAL(world_runs(world, "b"), 2);
	CU_ASSERT_EQUAL(world_runs(world, "c"), 3);
	world_story(world);
	return world;
}

static const Wire__Node *node_at(struct world *world, unsigned at, uint32_t node)
{
	return state_node(core_state(world_core(world, at)), node);
}

static size_t voters_at(struct world *world, unsigned at)
{
	return state_cluster(core_state(world_core(world, at)))->n_voters;
}

/* n2 and n3 are gone for good; what ran on n1 runs on, the rest when their devices say off. */
static void test_survivor(void)
{
	struct world *world = begin();

	world_kill_node(world, 2);
	world_kill_node(world, 3);
	world_settle(world, 60000);
	STORY(world, "");
	world_kill_daemon(world, 1);
	CU_ASSERT_STRING_EQUAL(world_force(world, 1, false), "");
	world_start_daemon(world, 1);
	world_settle(world, 60000);
	STORY(world, "n1: b starts\nn1: c starts\n");
	CU_ASSERT(world_has(world, "a", 1));
	CU_ASSERT_EQUAL(world_events(world, 1, "a new cluster was forced on n1"), 1);
	CU_ASSERT_EQUAL(voters_at(world, 1), 1);
	/* They come back with other disks. */
	world_new_disk(world, 2);
	world_new_disk(world, 3);
	world_start_node(world, 2);
	world_settle(world, 30000);
	CU_ASSERT_EQUAL(node_at(world, 1, 2)->state, NODE(UP));
	world_start_node(world, 3);
	world_settle(world, 60000);
	CU_ASSERT_EQUAL(node_at(world, 1, 3)->state, NODE(UP));
	CU_ASSERT_EQUAL(voters_at(world, 1), 3);
	CU_ASSERT_EQUAL(voters_at(world, 3), 3);
	CU_ASSERT_EQUAL(state_cluster(core_state(world_core(world, 2)))->forced->unheard, 0);
	STORY(world, "");
	/* It is a cluster as any other. */
	world_kill_node(world, 1);
	world_settle(world, 60000);
	CU_ASSERT(world_runs(world, "a") > 1 && world_runs(world, "b") > 1);
	world_free(world);
}

/* Without a proof nothing is started, for ever; an administrator may vouch for it. */
static void test_no_proof(void)
{
	struct world *world = begin();

	world_kill_node(world, 2);
	world_kill_node(world, 3);
	world_fence_fails(world, "no answer");
	world_kill_daemon(world, 1);
	CU_ASSERT_STRING_EQUAL(world_force(world, 1, false), "");
	world_start_daemon(world, 1);
	world_settle(world, LONG_MS);
	STORY(world, "");
	CU_ASSERT(world_has(world, "a", 1));
	CU_ASSERT(world_waits_for(world, "b", "waits until n"));
	/* A new one waits as long: the others may run that, too. */
	world_add_vm(world, "d", 512);
	world_settle(world, 30000);
	STORY(world, "");
	world_accept(world, "b", WIRE__VM_ACCEPT__WHAT__NOT_RUNNING);
	world_accept(world, "d", WIRE__VM_ACCEPT__WHAT__NOT_RUNNING);
	world_settle(world, 30000);
	STORY(world, "n1: b starts\nn1: d starts\n");
	CU_ASSERT(world_waits_for(world, "c", "waits until n"));
	world_free(world);
}

/*
 * n2 and n3 were only not seen: they go on as the cluster that they are, until they see n1 again.
 * Neither side takes the other for its own, and what runs there is started nowhere else, until the
 * nodes change over.
 */
static void test_others_live(void)
{
	struct world *world = begin();
	struct core_standing standing;

	world_split(world, 1);
	world_fence_fails(world, "no answer");
	world_settle(world, 30000);
	world_story(world);
	world_kill_daemon(world, 1);
	CU_ASSERT_STRING_EQUAL(world_force(world, 1, false), "");
	world_start_daemon(world, 1);
	world_settle(world, LONG_MS);
	STORY(world, "");
	world_split(world, 0);
	world_settle(world, 60000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "a", 1));
	core_standing(world_core(world, 1), &standing);
	CU_ASSERT(standing.open);
	CU_ASSERT_EQUAL(standing.ready, 1);
	core_standing(world_core(world, 2), &standing);
	CU_ASSERT(!standing.open);
	CU_ASSERT_PTR_NOT_NULL(strstr(standing.why_not, "node 1 goes on with a new cluster that "
							"was forced from this one"));
	CU_ASSERT_PTR_NOT_NULL(strstr(node_at(world, 1, 2)->left_out, "belongs to another"));
	CU_ASSERT_EQUAL(world_runs(world, "b"), 2);
	/* One changes over, and then the other: each keeps what it runs. */
	world_kill_daemon(world, 2);
	world_kill_daemon(world, 3);
	world_new_disk(world, 2);
	world_start_daemon(world, 2);
	world_settle(world, 60000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "b", 2));
	world_new_disk(world, 3);
	world_start_daemon(world, 3);
	world_settle(world, 60000);
	STORY(world, "");
	CU_ASSERT(world_has(world, "a", 1) && world_has(world, "b", 2) && world_has(world, "c", 3));
	CU_ASSERT_EQUAL(voters_at(world, 2), 3);
	world_free(world);
}

/*
 * n2 and n3 were off, and what was to run there was started on n1. As a majority of the cluster
 * before they would start it as well; they wait while n1 is there, and go on when it is not.
 */
static void test_others_boot(void)
{
	struct world *world = begin();
	struct core_standing standing;

	world_kill_node(world, 2);
	world_kill_node(world, 3);
	world_kill_daemon(world, 1);
	CU_ASSERT_STRING_EQUAL(world_force(world, 1, false), "");
	world_start_daemon(world, 1);
	world_settle(world, 60000);
	STORY(world, "n1: b starts\nn1: c starts\n");
	world_start_node(world, 2);
	world_start_node(world, 3);
	world_settle(world, LONG_MS);
	STORY(world, "");
	core_standing(world_core(world, 3), &standing);
	CU_ASSERT(!standing.open);
	/* The administrator goes back to the cluster before, and nobody is in the way. */
	world_kill_node(world, 1);
	world_settle(world, 60000);
	core_standing(world_core(world, 3), &standing);
	CU_ASSERT(standing.open);
	world_free(world);
}

/* All stores are lost, the guests run on; one is restored from a copy that is older than c. */
static void test_restored(void)
{
	struct world *world = world_new(3);

	world_add_vm(world, "a", 512);
	world_settle(world, 1000);
	world_add_vm(world, "b", 512);
	world_settle(world, 10000);
	world_copy_disk(world, 1);
	world_want(world, "b", WANTED(STOPPED));
	world_settle(world, 10000);
	world_move(world, "a", 3, WIRE__VM_MOVE__HOW__LIVE);
	world_settle(world, 10000);
	CU_ASSERT_EQUAL(world_runs(world, "a"), 3);
	world_story(world);
	for (unsigned node = 1; node <= 3; node++)
		world_kill_daemon(world, node);
	CU_ASSERT_STRING_EQUAL(world_force(world, 1, true), "");
	world_new_disk(world, 2);
	world_new_disk(world, 3);
	world_start_daemon(world, 1);
	world_settle(world, 60000);
	world_start_daemon(world, 2);
	world_settle(world, 60000);
	STORY(world, "");
	world_start_daemon(world, 3);
	world_settle(world, 60000);
	/* By the records it is wanted: it is started once all have looked. */
	STORY(world, "n1: b starts\n");
	CU_ASSERT(world_has(world, "a", 3));
	CU_ASSERT_EQUAL(world_events(world, 1, "from a backup"), 1);
	CU_ASSERT_EQUAL(voters_at(world, 1), 3);
	world_free(world);
}

/* It can be done again, also before anybody came back. */
static void test_twice(void)
{
	struct world *world = begin();
	uint64_t index;

	world_kill_node(world, 2);
	world_kill_node(world, 3);
	world_kill_daemon(world, 1);
	CU_ASSERT_STRING_EQUAL(world_force(world, 1, false), "");
	CU_ASSERT_STRING_EQUAL(world_force(world, 1, false),
			       "The cluster cannot be forced: a cluster cannot be forced by a "
			       "command in its log");
	world_copy_disk(world, 1);
	CU_ASSERT_STRING_EQUAL(world_force(world, 1, true), "");
	world_start_daemon(world, 1);
	world_settle(world, 60000);
	index = state_index(core_state(world_core(world, 1)));
	CU_ASSERT(index > 2 * FORCE_JUMP && index < 3 * FORCE_JUMP);
	CU_ASSERT(world_has(world, "a", 1));
	world_free(world);
}

/* A node that has learnt of no cluster has nothing to go on with. */
static void test_nothing(void)
{
	const struct core_config config = { .node = 1, .boot_id = 1, .disk_id = 1,
					    .kernel_boot_id = "" };
	struct core *core = core_new(&config);
	struct force_end end;
	char why[300];

	CU_ASSERT_EQUAL(core_load_done(core), 0);
	CU_ASSERT_EQUAL(core_force_load(core, &end, why, sizeof(why)), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "There is nothing to go on with"));
	core_free(core);
}

UNIT_MAIN("core/force", { "cluster", test_cluster }, { "refused", test_refused },
	  { "nodes", test_nodes }, { "old_words", test_old_words }, { "vm_runs", test_vm_runs },
	  { "vm_unwanted", test_vm_unwanted }, { "vm_stopped_since", test_vm_stopped_since },
	  { "vm_saved", test_vm_saved }, { "vm_moves", test_vm_moves }, { "fencing", test_fencing },
	  { "unmanaged", test_unmanaged }, { "survivor", test_survivor },
	  { "no_proof", test_no_proof }, { "others_live", test_others_live },
	  { "others_boot", test_others_boot },
	  { "restored", test_restored }, { "twice", test_twice }, { "nothing", test_nothing })
