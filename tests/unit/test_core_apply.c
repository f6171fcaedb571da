/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of apply that decide about double running, one by one, on a bare state. */
#include <string.h>

#include "tests/unit/bench.h"
#include "tests/unit/unit.h"

#define WAITING WIRE__VM_ACCEPT__WHAT__WAITING
#define CHANGED WIRE__VM_ACCEPT__WHAT__CHANGED
#define NOT_RUNNING WIRE__VM_ACCEPT__WHAT__NOT_RUNNING

static void test_old_daemon(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 99, 1, WIRE__VM_REPORT__WHAT__ABSENT), STALE);
	CU_ASSERT(vm_holds(bench_vm(bench), 2));
	bench_report_node(bench, 2, 202,
			  "first boot"); /* the daemon was restarted, the kernel not */
	CU_ASSERT(vm_holds(bench_vm(bench), 2));
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), STALE);
	CU_ASSERT(vm_holds(bench_vm(bench), 2));
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 202, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_FALSE(vm_holds(bench_vm(bench), 2));
	bench_free(bench);
}

/* Until when a node was up stays known, through all that is found out about it later. */
static void test_last_up(void)
{
	struct bench *bench = bench_new();
	uint64_t up_ms, op;

	CU_ASSERT_EQUAL(state_node(bench->state, 2)->last_up_ms, 0);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	up_ms = state_node(bench->state, 2)->last_up_ms;
	CU_ASSERT_EQUAL(up_ms, state_node(bench->state, 2)->since_ms);
	CU_ASSERT_NOT_EQUAL(up_ms, 0);
	bench->passed_ms += 60000;
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->last_up_ms, up_ms);
	op = bench_begin_fence(bench, 2);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), 0);
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->state, WIRE__NODE__STATE__OFF);
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->last_up_ms, up_ms);
	CU_ASSERT_NOT_EQUAL(state_node(bench->state, 2)->since_ms, up_ms);
	bench_report_node(bench, 2, 202, "second boot");
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->last_up_ms, 0);
	bench_free(bench);
}

static size_t unclean_ends(const struct bench *bench)
{
	size_t n = 0;

	for (size_t i = 0; i < state_count(bench->state, WIRE__TABLE__TABLE_EVENT); i++) {
		const Wire__Event *event = state_at(bench->state, WIRE__TABLE__TABLE_EVENT, i);

		if (!strstr(event->text, "ended without taking leave"))
			continue;
		CU_ASSERT_STRING_EQUAL(event->subject, "node n2");
		CU_ASSERT_EQUAL(event->severity, WIRE__EVENT__SEVERITY__WARNING);
		n++;
	}
	return n;
}

static void leave(struct bench *bench, uint64_t boot_id)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeFreeze freeze = WIRE__NODE_FREEZE__INIT;

	freeze.freeze_ms = 1000;
	command.body_case = WIRE__COMMAND__BODY_NODE_FREEZE;
	command.node_freeze = &freeze;
	CU_ASSERT_EQUAL(bench_apply(bench, 2, boot_id, &command), 0);
}

/* A daemon that comes back without having taken leave is told of, once for each. */
static void test_unclean_end(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(unclean_ends(bench), 0); /* all are new */
	bench_report_node(bench, 2, 202, "first boot");
	CU_ASSERT_EQUAL(unclean_ends(bench), 1); /* back before anybody noticed */
	bench_report_node(bench, 2, 202, "first boot");
	CU_ASSERT_EQUAL(unclean_ends(bench), 1); /* new facts */
	bench_verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN);
	bench_report_node(bench, 2, 302, "first boot");
	CU_ASSERT_EQUAL(unclean_ends(bench), 2);
	bench_verdict(bench, 2, WIRE__NODE__STATE__LOST);
	bench_report_node(bench, 2, 302, "first boot");
	CU_ASSERT_EQUAL(unclean_ends(bench), 2); /* it was cut off, and ran on */
	leave(bench, 302);
	bench_report_node(bench, 2, 402, "first boot");
	CU_ASSERT_EQUAL(unclean_ends(bench), 2);
	leave(bench, 402);
	bench_verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN);
	bench_report_node(bench, 2, 502, "first boot");
	CU_ASSERT_EQUAL(unclean_ends(bench), 2); /* long ago, but it did */
	bench_report_node(bench, 2, 602, "second boot");
	CU_ASSERT_EQUAL(unclean_ends(bench), 2); /* power came back */
	bench_report_node(bench, 2, 702, "second boot");
	CU_ASSERT_EQUAL(unclean_ends(bench), 3); /* the leaves before were others' */
	bench_free(bench);
}

/* What a node told before it booted says nothing about what it has now. */
static void test_old_facts(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;

	facts.agent_ok = true;
	report.facts = &facts;
	report.kernel_boot_id = (char *)"first boot";
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	CU_ASSERT_EQUAL(bench_apply(bench, 3, 103, &command), 0);
	bench_report_node(bench, 3, 203, "first boot");
	CU_ASSERT(state_node(bench->state, 3)->facts->agent_ok);
	bench_report_node(bench, 3, 303, "second boot");
	CU_ASSERT_FALSE(state_node(bench->state, 3)->facts->agent_ok);
	bench_free(bench);
}

/* A second, late "absent" about the run before must not take away the right to this one. */
static void test_old_generation(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->generation, 2);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), STALE);
	CU_ASSERT(vm_holds(bench_vm(bench), 2));
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__STARTING);
	bench_free(bench);
}

static void test_held(void)
{
	struct bench *bench = bench_new();

	/* A stray copy on node 3 while the VM goes down on node 2. */
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, 1, WIRE__VM_REPORT__WHAT__PRESENT), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), 0);
	bench_free(bench);
}

static void test_requests(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant want = WIRE__VM_WANT__INIT;
	uint64_t op;

	want.name = (char *)"a";
	want.action = WIRE__VM__ACTION__RESET;
	command.request = 77;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &want;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	op = bench_vm(bench)->op;
	CU_ASSERT_EQUAL(bench_apply(bench, 3, 103, &command), 0); /* asked again, done once */
	CU_ASSERT_EQUAL(bench_vm(bench)->op, op);
	bench_free(bench);
}

/* A reset is for the run it was asked for; it is never made up for later. */
static void test_old_action(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, WIRE__VM__ACTION__RESET), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->action, WIRE__VM__ACTION__RESET);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 3), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, 2, WIRE__VM_REPORT__WHAT__RUNNING), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->action, WIRE__VM__ACTION__NO_ACTION);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, WIRE__VM__ACTION__RESET), 0);
	CU_ASSERT_EQUAL(bench_move(bench, 2, WIRE__VM_MOVE__HOW__LIVE, ""), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->action, WIRE__VM__ACTION__NO_ACTION);
	bench_free(bench);
}

/* Nobody carries it out any more, so nobody would ever end it. */
static void test_unmanaged(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__STOPPED, WIRE__VM__ACTION__NO_ACTION),
			0);
	op = bench_vm(bench)->op;
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	bench_free(bench);
}

/* Its device is asked, and no more. */
static int ask_off(struct bench *bench, uint32_t node, bool off)
{
	const Wire__Operation *op;
	int r = bench_try_fence(bench, node, true);

	op = state_at(bench->state, WIRE__TABLE__TABLE_OPERATION,
		      state_count(bench->state, WIRE__TABLE__TABLE_OPERATION) - 1);
	return r ? r : bench_end_fence(bench, op->id, off);
}

/* Without the word of each node that could have it, no leader starts it, whatever it believes. */
static void test_look(void)
{
	struct bench *bench = bench_new();
	uint64_t op, old, incarnation;

	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->look, 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "yes"), 0); /* it is already */
	CU_ASSERT_EQUAL(bench_vm(bench)->look, 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "yes"), 0);
	old = bench_vm(bench)->look;
	CU_ASSERT_NOT_EQUAL(old, 0);
	CU_ASSERT_EQUAL(bench_look(bench, 1), 0);
	CU_ASSERT_EQUAL(bench_look(bench, 1), STALE); /* said once */
	CU_ASSERT_EQUAL(bench_look(bench, 3), 0);
	/* Not the node's daemon any more; and about an earlier time. */
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 99, 1, WIRE__VM_REPORT__WHAT__ABSENT), STALE);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "yes"), 0);
	CU_ASSERT_NOT_EQUAL(bench_vm(bench)->look, old);
	CU_ASSERT_EQUAL(bench_vm(bench)->looked, 0);
	CU_ASSERT_EQUAL(bench_look(bench, 1), 0);
	CU_ASSERT_EQUAL(bench_look(bench, 3), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	/* Lost is not looked; off is as good. */
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	op = bench_begin_fence(bench, 2);
	CU_ASSERT_EQUAL(bench_end_fence(bench, op, true), 0);
	/* But what the other one saw before it booted anew is of no use. */
	bench_report_node(bench, 3, 203, "second boot");
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(bench_look(bench, 3), 0);
	/* Nor what a daemon saw that is there no more to forbid a start. */
	bench_report_node(bench, 3, 303, "second boot");
	CU_ASSERT_EQUAL(bench_vm(bench)->looked, 1);
	CU_ASSERT_EQUAL(bench_look(bench, 3), 0);
	CU_ASSERT_EQUAL(bench_verdict(bench, 3, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->looked, 1);
	bench_report_node(bench, 3, 303, "second boot");
	CU_ASSERT_EQUAL(bench_look(bench, 3), 0);
	/* It was off before these looked: by now it may be on. */
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(bench_try_fence(bench, 2, false), STALE);
	CU_ASSERT_EQUAL(ask_off(bench, 2, false), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(ask_off(bench, 2, true), 0);
	incarnation = state_node(bench->state, 2)->incarnation;
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), STALE);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), STALE);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(ask_off(bench, 2, true), 0);
	CU_ASSERT_EQUAL(state_node(bench->state, 2)->incarnation, incarnation + 1);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->look, 0);
	bench_free(bench);
}

static int accept(struct bench *bench, Wire__VmAccept__What what)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAccept accept = WIRE__VM_ACCEPT__INIT;

	accept.name = (char *)"a";
	accept.what = what;
	command.body_case = WIRE__COMMAND__BODY_VM_ACCEPT;
	command.vm_accept = &accept;
	return bench_apply(bench, 1, 101, &command);
}

/* The word that its disks are right is none that it runs nowhere, nor the other way round. */
static void test_accept(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmLive live = WIRE__VM_LIVE__INIT;

	live.vm = bench_vm(bench)->id;
	live.generation = bench_vm(bench)->generation;
	live.difference = (char *)"disk vda";
	command.body_case = WIRE__COMMAND__BODY_VM_LIVE;
	command.vm_live = &live;
	CU_ASSERT_EQUAL(
		bench_apply(bench, bench_vm(bench)->owner, 100 + bench_vm(bench)->owner, &command),
		0);
	CU_ASSERT_EQUAL(accept(bench, NOT_RUNNING), WRONG_STATE);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "yes"), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, bench_vm(bench)->owner, 100 + bench_vm(bench)->owner,
					bench_vm(bench)->generation, WIRE__VM_REPORT__WHAT__ABSENT),
			0);
	CU_ASSERT_STRING_EQUAL(bench_vm(bench)->changed_outside, "disk vda");
	/* Two things wait, and neither is meant until it is said. */
	CU_ASSERT_EQUAL(accept(bench, WAITING), WRONG_STATE);
	CU_ASSERT_STRING_EQUAL(bench_vm(bench)->changed_outside, "disk vda");
	CU_ASSERT_NOT_EQUAL(bench_vm(bench)->look, 0);
	CU_ASSERT_EQUAL(accept(bench, CHANGED), 0);
	CU_ASSERT_STRING_EQUAL(bench_vm(bench)->changed_outside, "");
	CU_ASSERT_NOT_EQUAL(bench_vm(bench)->look, 0);
	CU_ASSERT_EQUAL(accept(bench, CHANGED), WRONG_STATE);
	CU_ASSERT_EQUAL(accept(bench, WAITING), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->look, 0);
	CU_ASSERT_EQUAL(accept(bench, WAITING), WRONG_STATE);
	bench_free(bench);
}

static int cancel(struct bench *bench)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmCancel body = WIRE__VM_CANCEL__INIT;

	body.name = (char *)"a";
	command.body_case = WIRE__COMMAND__BODY_VM_CANCEL;
	command.vm_cancel = &body;
	return bench_apply(bench, 1, 101, &command);
}

/* Who cannot hear of it does not keep anybody waiting. */
static void test_source_is_away(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__LIVE, ""), 0);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(cancel(bench), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "as soon as n2, where it is, is back"));
	CU_ASSERT_TRUE(bench_vm(bench)->cancel);
	bench_free(bench);

	bench = bench_new();
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__DAEMON_DOWN), 0);
	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__LIVE, ""),
			WIRE__VERDICT__CODE__NOT_READY);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "n2, where it is, is not up"));
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__RUN);
	bench_free(bench);
}

#define SAYS(part) CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, part))

/* What is asked of a VM whose node is away is noted, and may be taken back; or it is refused. */
static void test_owner_is_away(void)
{
	static const Wire__Vm__Wanted running = WIRE__VM__WANTED__RUNNING;
	static const Wire__Vm__Action none = WIRE__VM__ACTION__NO_ACTION;
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(bench_want(bench, running, none), WIRE__VERDICT__CODE__NOT_READY);
	SAYS("whether a runs is not known, for n2");
	CU_ASSERT_EQUAL(bench_want(bench, running, WIRE__VM__ACTION__RESET),
			WIRE__VERDICT__CODE__NOT_READY);
	SAYS("n2, where it is, is not up");
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__STOPPED, none), 0);
	SAYS("noted: it takes effect as soon as n2");
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__RUN);
	op = bench_vm(bench)->op;
	CU_ASSERT_EQUAL(bench_want(bench, running, none), 0);
	SAYS("noted: it is not stopped when n2");
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	CU_ASSERT_EQUAL(bench_vm(bench)->wanted, running);
	/* A stop that is still wanted when the node is dead has been done. */
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__STOPPED, none), 0);
	op = bench_vm(bench)->op;
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome, WIRE__OPERATION__OUTCOME__DONE);
	bench_free(bench);
}

/*
 * A guest is stopped before the image of its last quick migration was dropped. It must never be
 * restored from that: its disks have changed since.
 */
static void test_old_image(void)
{
	static const Wire__Vm__Action none = WIRE__VM__ACTION__NO_ACTION;
	struct bench *bench = bench_new();
	uint64_t generation;

	CU_ASSERT_EQUAL(bench_add_volume(bench, "one", "/v/one"), 0);
	CU_ASSERT_EQUAL(
		bench_move(bench, 3, WIRE__VM_MOVE__HOW__QUICK, "/v/one/.clusterd/state/a.1.sav"),
		0);
	generation = bench_vm(bench)->generation;
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, generation, WIRE__VM_REPORT__WHAT__SAVED),
			0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__RESTORING, 3), 0);
	generation = bench_vm(bench)->generation;
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, generation, WIRE__VM_REPORT__WHAT__RESTORED),
			0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, generation, WIRE__VM_REPORT__WHAT__RUNNING),
			0);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__STOPPED, none), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, generation, WIRE__VM_REPORT__WHAT__ABSENT),
			0);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, none), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 3), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, bench_vm(bench)->generation,
					WIRE__VM_REPORT__WHAT__ABSENT),
			0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__FAILED, 0), 0);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, none), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	bench_free(bench);
}

/* Nobody could carry it out before it is resumed. */
static void test_paused_reset(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__PAUSED, WIRE__VM__ACTION__NO_ACTION),
			0);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, WIRE__VM__ACTION__REBOOT),
			WRONG_STATE);
	CU_ASSERT_STRING_EQUAL(bench->text, "a is paused: clusterctl vm resume a first");
	bench_free(bench);
}

/* It ran when its node died: the failures before that are not held against it. */
static void test_death_after_failures(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 3), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, 2, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->tries, 2);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 3, WIRE__VM_REPORT__WHAT__RUNNING), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->tries, 2);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(bench_vm(bench)->tries, 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->tried_nodes, 0);
	bench_free(bench);
}

/* Sentences are put together of two: none says a thing twice, or ends in a colon. */
static void test_texts(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__LIVE, ""), 0);
	op = bench_vm(bench)->op;
	CU_ASSERT_EQUAL(cancel(bench), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 2, WIRE__VM_REPORT__WHAT__MOVE_FAILED), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, 2, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT(bench_has_event(bench, "live migration n2 -> n3 was cancelled; it stays on n2"));
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	CU_ASSERT_STRING_EQUAL(state_operation(bench->state, op)->text, "it was not moved");
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 3, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT(bench_has_event(bench, "ended on n2: the cause is not known"));
	CU_ASSERT_STRING_EQUAL(bench_vm(bench)->detail, "ended on n2: the cause is not known");
	bench_free(bench);
}

/* While it was not the cluster's it may have run, and written to its disks. */
static void test_image_from_before(void)
{
	struct bench *bench = bench_new();
	Wire__Vm__Action none = WIRE__VM__ACTION__NO_ACTION;

	bench_add_volume(bench, "shared", "/shared");
	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__QUICK,
				   "/shared/.clusterd/state/a"),
			0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, bench_vm(bench)->generation,
					WIRE__VM_REPORT__WHAT__SAVED),
			0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__FAILED, 0), 0);
	CU_ASSERT_NOT_EQUAL(bench_vm(bench)->image[0], '\0');
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "yes"), 0);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, none), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_STRING_EQUAL(bench_vm(bench)->image, "");
	bench_free(bench);
}

/* All that is given or none, whatever comes first. */
static void test_unmanaged_refused(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmSet set = WIRE__VM_SET__INIT;
	Wire__Param managed = WIRE__PARAM__INIT, owners = WIRE__PARAM__INIT;
	Wire__Param *changes[] = { &managed, &owners };
	uint64_t op;

	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__STOPPED, WIRE__VM__ACTION__NO_ACTION),
			0);
	op = bench_vm(bench)->op;
	managed.key = (char *)"managed";
	managed.value = (char *)"no";
	owners.key = (char *)"owners";
	owners.value = (char *)"n99";
	set.name = (char *)"a";
	set.changes = changes;
	set.n_changes = 2;
	command.body_case = WIRE__COMMAND__BODY_VM_SET;
	command.vm_set = &set;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__NO_SUCH);
	CU_ASSERT_FALSE(bench_vm(bench)->unmanaged);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__RUNNING);
	bench_free(bench);
}

/* What was asked of it before it was set managed=no does not strike it when it is managed again. */
static void test_action_from_before(void)
{
	struct bench *bench = bench_new();
	uint64_t op;

	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, WIRE__VM__ACTION__RESET), 0);
	op = bench_vm(bench)->op;
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__CANCELLED);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "yes"), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->action, WIRE__VM__ACTION__NO_ACTION);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__PAUSED, WIRE__VM__ACTION__NO_ACTION),
			0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__PAUSED), 0);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, WIRE__VM__ACTION__NO_ACTION),
			0);
	CU_ASSERT(bench_vm(bench)->unpause);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_FALSE(bench_vm(bench)->unpause);
	bench_free(bench);
}

/* Nobody who asked for a start is told that it is done by the end of the run before. */
static void test_start_while_stopping(void)
{
	struct bench *bench = bench_new();
	Wire__Vm__Action none = WIRE__VM__ACTION__NO_ACTION;
	uint64_t op;

	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__STOPPED, none), 0);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__RUNNING, none), 0);
	op = bench_vm(bench)->op;
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->kind, WIRE__OPERATION__KIND__START);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__RUNNING);
	bench_free(bench);
}

/* A stop that was waited for is done when its node is dead, whatever the VM was about to do. */
static void test_stop_of_a_start(void)
{
	struct bench *bench = bench_new();
	Wire__Vm__Action none = WIRE__VM__ACTION__NO_ACTION;
	uint64_t op;

	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__STOPPED, none), 0);
	op = bench_vm(bench)->op;
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(state_operation(bench->state, op)->outcome,
			WIRE__OPERATION__OUTCOME__DONE);
	bench_free(bench);
}

/* What is no more in use keeps no volume. */
static void test_image_of_a_stopped(void)
{
	struct bench *bench = bench_new();
	Wire__Vm__Action none = WIRE__VM__ACTION__NO_ACTION;
	uint64_t generation;

	bench_add_volume(bench, "shared", "/shared");
	CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__QUICK,
				   "/shared/.clusterd/state/a"),
			0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, bench_vm(bench)->generation,
					WIRE__VM_REPORT__WHAT__SAVED),
			0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__RESTORING, 3), 0);
	generation = bench_vm(bench)->generation;
	bench_report_vm(bench, 3, 103, generation, WIRE__VM_REPORT__WHAT__RESTORED);
	bench_report_vm(bench, 3, 103, generation, WIRE__VM_REPORT__WHAT__RUNNING);
	CU_ASSERT_EQUAL(bench_want(bench, WIRE__VM__WANTED__STOPPED, none), 0);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 3, 103, generation, WIRE__VM_REPORT__WHAT__ABSENT),
			0);
	CU_ASSERT_STRING_EQUAL(bench_vm(bench)->image, "");
	bench_free(bench);
}

/* What is said to do can be done. */
static void test_remove_unmanaged(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmRemove remove = WIRE__VM_REMOVE__INIT;

	remove.name = (char *)"a";
	command.body_case = WIRE__COMMAND__BODY_VM_REMOVE;
	command.vm_remove = &remove;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WRONG_STATE);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "clusterctl vm stop a first"));
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WRONG_STATE);
	CU_ASSERT_PTR_NULL(strstr(bench->text, "vm stop"));
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "clusterctl vm remove a --force"));
	remove.force = true;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	bench_free(bench);
}

UNIT_MAIN("core/apply", { "old_daemon", test_old_daemon },
	  { "unclean_end", test_unclean_end }, { "last_up", test_last_up },
	  { "old_facts", test_old_facts },
	  { "old_generation", test_old_generation }, { "held", test_held },
	  { "requests", test_requests }, { "old_action", test_old_action },
	  { "unmanaged", test_unmanaged }, { "look", test_look }, { "accept", test_accept },
	  { "source_is_away", test_source_is_away }, { "owner_is_away", test_owner_is_away },
	  { "old_image", test_old_image }, { "paused_reset", test_paused_reset },
	  { "death_after_failures", test_death_after_failures }, { "texts", test_texts },
	  { "image_from_before", test_image_from_before },
	  { "unmanaged_refused", test_unmanaged_refused },
	  { "action_from_before", test_action_from_before },
	  { "start_while_stopping", test_start_while_stopping },
	  { "stop_of_a_start", test_stop_of_a_start },
	  { "image_of_a_stopped", test_image_of_a_stopped },
	  { "remove_unmanaged", test_remove_unmanaged })
