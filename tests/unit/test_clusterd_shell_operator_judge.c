/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators are told of a node or a VM that no record says by itself: states, and why. */
#include "tests/unit/small.h"
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "clusterd/core/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WANTED .wanted = WIRE__VM__WANTED__RUNNING

static void test_vm_state(void)
{
	static const struct {
		Wire__Vm__Phase phase;
		Wire__Vm__Seen seen;
		uint32_t owner;
		const char *state;
	} cases[] = {
		{ WIRE__VM__PHASE__OFF, 0, 0, "stopped" },
		{ WIRE__VM__PHASE__RUN, WIRE__VM__SEEN__ACTIVE, 1, "running" },
		{ WIRE__VM__PHASE__RUN, WIRE__VM__SEEN__SUSPENDED, 1, "paused" },
		{ WIRE__VM__PHASE__GO, WIRE__VM__SEEN__ACTIVE, 1, "migrating" },
		{ WIRE__VM__PHASE__RUN, WIRE__VM__SEEN__ACTIVE, 4, "unknown" },
		{ WIRE__VM__PHASE__FAILED, 0, 4, "failed" },
		{ (Wire__Vm__Phase)77, 0, 1, "unknown" },
	};
	struct core *core = small_core(0, 0);
	struct view_source source = small_source(core);

	small_silent(core, 4, WIRE__NODE__STATE__LOST);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Wire__Vm vm = WIRE__VM__INIT;

		vm.phase = cases[i].phase;
		vm.seen = cases[i].seen;
		vm.owner = cases[i].owner;
		CU_ASSERT_STRING_EQUAL(judge_vm_state(&source, &vm), cases[i].state);
	}
	core_free(core);
}

static void load_fencing(struct core *core, Wire__Operation__Outcome outcome, const char *text)
{
	Wire__Operation op = WIRE__OPERATION__INIT;

	op.id = 200;
	op.kind = WIRE__OPERATION__KIND__FENCE;
	op.node = 4;
	op.device = 91;
	op.outcome = outcome;
	op.text = (char *)text;
	small_load(core, WIRE__TABLE__TABLE_OPERATION, op.id, &op.base);
}

enum device { NO_DEVICE, UNUSED, ACTS, FAILED };

/* A VM nobody can say anything about is told with the cause, and with what helps. */
static void test_vm_unknown(void)
{
	static const struct {
		Wire__Node__State state;
		enum device device;
		bool closed, alone;
		const char *why;
	} cases[] = {
		{ WIRE__NODE__STATE__UP, NO_DEVICE, false, false, "" },
		{ WIRE__NODE__STATE__UP, NO_DEVICE, false, true,
		  "n4 is not seen by this node now; it is waited for" },
		{ WIRE__NODE__STATE__UP, NO_DEVICE, true, false,
		  "last known: running on n4; no quorum, and n4 is not seen by this node now; "
		  "bring voters back, until a majority is there" },
		{ WIRE__NODE__STATE__DAEMON_DOWN, NO_DEVICE, false, false,
		  "n4 is daemon-down: because; as far as is known it runs on there; start clusterd "
		  "on n4" },
		{ WIRE__NODE__STATE__LEFT, NO_DEVICE, false, false,
		  "n4 has left: because; as far as is known it runs on there; start clusterd on "
		  "n4" },
		{ WIRE__NODE__STATE__LOST, NO_DEVICE, false, false,
		  "n4 is lost and not fenced yet: no fence device; bring it back, or clusterctl "
		  "fence add" },
		{ WIRE__NODE__STATE__LOST, UNUSED, false, false,
		  "n4 is lost and about to be fenced through bmc4" },
		{ WIRE__NODE__STATE__LOST, ACTS, false, false,
		  "n4 is lost and being fenced through bmc4" },
		{ WIRE__NODE__STATE__LOST, FAILED, false, false,
		  "n4 is lost and not fenced yet, it is tried again: bmc4: no route; bring it "
		  "back, or put that right; clusterctl fence test asks the device" },
		{ WIRE__NODE__STATE__LOST, UNUSED, true, false,
		  "last known: running on n4; n4 is lost and not fenced yet: no quorum; bring "
		  "voters back, until a majority is there" },
		{ WIRE__NODE__STATE__LOST, UNUSED, false, true,
		  "n4 is lost and not powered off: half of the cluster or more is lost at once; "
		  "bring nodes back, or switch off those that are dead: that is seen" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct core *core = small_core(0, 0);
		struct view_source source = small_source(core);
		char why[JUDGE_WHY_SIZE], node_why[JUDGE_WHY_SIZE];
		Wire__Vm vm = WIRE__VM__INIT;

		small_silent(core, 4, cases[i].state);
		if (cases[i].device != NO_DEVICE)
			small_fence(core, 91, "bmc4", 4);
		if (cases[i].device == ACTS)
			load_fencing(core, WIRE__OPERATION__OUTCOME__RUNNING, "");
		if (cases[i].device == FAILED)
			load_fencing(core, WIRE__OPERATION__OUTCOME__FAILED, "no route");
		source.standing.open = !cases[i].closed;
		source.standing.members |= cases[i].closed || cases[i].alone ? 0 : 1 << 3;
		if (cases[i].alone)
			source.standing.ring = 1;
		vm.phase = WIRE__VM__PHASE__RUN;
		vm.owner = 4;
		judge_vm_why(&source, &vm, why, sizeof(why));
		CU_ASSERT_STRING_EQUAL(why, cases[i].why);
		CU_ASSERT_EQUAL(strcmp(judge_vm_state(&source, &vm), "unknown") == 0, *why != 0);
		vm.phase = WIRE__VM__PHASE__FAILED;
		judge_vm_why(&source, &vm, why, sizeof(why));
		CU_ASSERT_STRING_EQUAL(why, cases[i].closed ? "last known: failed; no quorum" : "");
		/* Nothing of it can run there: nobody fences it, whatever there is. */
		judge_node_why(&source, state_node(core_state(core), 4), node_why,
			       sizeof(node_why));
		if (cases[i].state == WIRE__NODE__STATE__LOST)
			CU_ASSERT_STRING_EQUAL(node_why, "because; not fenced, because it holds no "
							 "managed VM");
		core_free(core);
	}
}

/*
 * A node without quorum knows nothing but what was: least of all one that has just booted, whose
 * own record says that a VM runs here. An epoch that gives way to the next one is no such thing.
 */
static void test_vm_last_known(void)
{
	static const struct {
		bool open;
		uint64_t closed_ms, members;
		bool knows;
	} cases[] = {
		{ true, 0, 7, true },
		{ false, 0, 7, false },		/* since this daemon began */
		{ false, 999000, 7, true },
		{ false, 999000, 1, false },
		{ false, 900000, 7, false },
	};
	static const struct {
		Wire__Vm__Phase phase;
		const char *state, *why;
	} vms[] = {
		{ WIRE__VM__PHASE__RUN, "running", "last known: running on n1; no quorum" },
		{ WIRE__VM__PHASE__OFF, "stopped", "last known: stopped; no quorum" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases) * ARRAY_SIZE(vms); i++) {
		size_t c = i / ARRAY_SIZE(vms), v = i % ARRAY_SIZE(vms);
		struct core *core = small_core(0, 0);
		struct view_source source = small_source(core);
		Wire__Vm vm = WIRE__VM__INIT;
		json_t *view;

		small_voters(core, 3);
		source.standing.open = cases[c].open;
		source.standing.members = cases[c].members;
		source.closed_ms = cases[c].closed_ms;
		vm.phase = vms[v].phase;
		vm.owner = vm.phase == WIRE__VM__PHASE__RUN;
		view = view_vm(&source, &vm, false);
		CU_ASSERT_EQUAL(judge_knows(&source), cases[c].knows);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(view, "state")),
				       cases[c].knows ? vms[v].state : "unknown");
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(view, "last_known")),
				       cases[c].knows ? "" : vms[v].state);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(view, "why")),
				       cases[c].knows ? "" : vms[v].why);
		json_decref(view);
		core_free(core);
	}
}

/* For whom a VM waits is told as it is now, whatever was written down when. */
static void test_vm_waits(void)
{
	static const char old[] = "waits until n9 has looked whether it runs there already: it is "
				  "lost; or vouch";
	static const char now[] = "waits until n4 has looked whether it runs there already: it is "
				  "lost and not proven off, bring it back; or vouch that it runs "
				  "nowhere: clusterctl vm accept --not-running web";
	static const struct {
		const char *detail;
		bool closed;
		uint64_t looked;
		Wire__Vm__Wanted wanted;
		const char *told;
	} cases[] = {
		{ "", false, 7, WIRE__VM__WANTED__RUNNING, now },
		{ old, false, 7, WIRE__VM__WANTED__RUNNING, now },
		{ old, true, 7, WIRE__VM__WANTED__RUNNING, old },
		/* They only have yet to answer: that takes no time, unless it is said to. */
		{ "", false, 8 | 1, WIRE__VM__WANTED__RUNNING, "" },
		{ old, false, 8 | 4 | 1, WIRE__VM__WANTED__RUNNING,
		  "waits until n2 has looked whether it runs there already: it has not answered "
		  "yet" },
		{ old, false, 15, WIRE__VM__WANTED__RUNNING, "" },
		{ old, false, 7, WIRE__VM__WANTED__STOPPED, "" },
		{ "n1: no disk", false, 15, WIRE__VM__WANTED__RUNNING, "n1: no disk" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct core *core = small_core(0, 0);
		struct view_source source = small_source(core);
		char detail[JUDGE_WHY_SIZE];
		Wire__Vm vm = WIRE__VM__INIT;

		small_host(core, 1, WIRE__NODE__STATE__UP, false);
		small_host(core, 2, WIRE__NODE__STATE__UP, false);
		small_silent(core, 4, WIRE__NODE__STATE__LOST);
		source.standing.open = !cases[i].closed;
		source.sight = (struct look_sight){ .ready = 7, .said = 15, .ring = 7 };
		vm.name = (char *)"web";
		vm.wanted = cases[i].wanted;
		vm.look = 1;
		vm.looked = cases[i].looked;
		vm.detail = (char *)cases[i].detail;
		judge_vm_detail(&source, &vm, detail, sizeof(detail));
		if (*cases[i].told ? !strstr(detail, cases[i].told) : *detail) {
			printf("%zu: %s\n", i, detail);
			CU_FAIL("detail");
		}
		core_free(core);
	}
}

/* Stopped is only what nobody runs; where nobody has looked, that is not known. */
static void test_vm_sought(void)
{
	static const struct {
		uint64_t looked;
		Wire__Vm__Wanted wanted;
		bool hangs;
		const char *state, *why;
	} cases[] = {
		{ 1, WIRE__VM__WANTED__RUNNING, false, "unknown", "nodes are being asked" },
		{ 1, WIRE__VM__WANTED__RUNNING, true, "unknown", "" },
		{ 3, WIRE__VM__WANTED__RUNNING, false, "stopped", "" },
		{ 1, WIRE__VM__WANTED__STOPPED, false, "stopped", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct core *core = small_core(0, 0);
		struct view_source source = small_source(core);
		char why[JUDGE_WHY_SIZE];
		Wire__Vm vm = WIRE__VM__INIT;

		small_host(core, 1, WIRE__NODE__STATE__UP, false);
		small_host(core, 2, WIRE__NODE__STATE__UP, false);
		source.sight = (struct look_sight){ .ready = cases[i].hangs ? 1 : 7, .said = 15,
						    .ring = 7 };
		vm.name = (char *)"web";
		vm.phase = WIRE__VM__PHASE__OFF;
		vm.wanted = cases[i].wanted;
		vm.look = 1;
		vm.looked = cases[i].looked | 4;
		judge_vm_why(&source, &vm, why, sizeof(why));
		CU_ASSERT_STRING_EQUAL(judge_vm_state(&source, &vm), cases[i].state);
		CU_ASSERT_EQUAL(judge_vm_not_looked(&source, &vm),
				strcmp(cases[i].state, "unknown") == 0 ? 2 : 0);
		CU_ASSERT(*cases[i].why ? strstr(why, cases[i].why) != NULL : !*why);
		core_free(core);
	}
}

/* A witness, too, does not come back by itself after another node was forced. */
static void test_node_unheard(void)
{
	struct core *core = small_core(0, 0);
	struct view_source source = small_source(core);
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	Wire__Forced forced = WIRE__FORCED__INIT;
	Wire__Node node = WIRE__NODE__INIT;
	char why[JUDGE_WHY_SIZE];

	forced.unheard = 4;
	cluster.id = 1;
	cluster.forced = &forced;
	small_load(core, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster.base);
	node.id = 3;
	node.name = (char *)"n3";
	node.reason = (char *)"not heard of";
	node.witness = true;
	node.state = WIRE__NODE__STATE__LOST;
	judge_node_why(&source, &node, why, sizeof(why));
	CU_ASSERT_STRING_EQUAL(why, "not heard of; not fenced, because it is a witness; to have it "
			       "back, stop clusterd there, move its cluster.db away and start it; "
			       "if it is gone for good, clusterctl node remove n3");
	node.state = WIRE__NODE__STATE__DAEMON_DOWN;
	judge_node_why(&source, &node, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "not heard of; to have it back"));
	node.state = WIRE__NODE__STATE__UP;
	judge_node_why(&source, &node, why, sizeof(why));
	CU_ASSERT_PTR_NULL(strstr(why, "to have it back"));
	core_free(core);
}

/* Since when a node is not seen is no matter of its record, which says since when it was up. */
static void test_node_unseen(void)
{
	uint64_t unseen_ms[JUDGE_NODES] = { 0, 777 };
	struct core *core = small_core(0, 0);
	struct view_source source = small_source(core);
	const Wire__Node *node = state_node(core_state(core), 2);

	CU_ASSERT_EQUAL(judge_node_unseen(&source, node), 0);
	source.unseen_ms = unseen_ms;
	CU_ASSERT_EQUAL(judge_node_unseen(&source, node), 0);
	source.standing.members = 1;
	CU_ASSERT_EQUAL(judge_node_unseen(&source, node), 777);
	core_free(core);
}

/* Which try comes next, and when; none of what is not to be tried, or is given up. */
static void test_vm_retry(void)
{
	static const struct {
		Wire__Vm vm;
		bool closed, retry;
		uint64_t try, in_ms;
	} cases[] = {
		{ { WANTED }, false, false, 0, 0 },
		{ { WANTED, .tries = 1, .since_ms = 999999 }, false, true,
		  2, 0 },
		{ { WANTED, .tries = 2, .since_ms = 998000 }, false, true,
		  3, 8000 },
		{ { WANTED, .tries = 3, .since_ms = 990000 }, false, true,
		  4, 50000 },
		{ { WANTED, .tries = 3, .since_ms = 900000 }, false, true,
		  4, 0 },
		/* The clock of who wrote it down is ahead of ours. */
		{ { WANTED, .tries = 2, .since_ms = 1005000 }, false, true,
		  3, 10000 },
		{ { WANTED, .tries = 4, .since_ms = 1000000 }, false,
		  false, 0, 0 },
		{ { WANTED, .tries = 2, .since_ms = 998000 }, true, false,
		  0, 0 },
		{ { WANTED, .tries = 2, .unmanaged = 1 }, false, false, 0,
		  0 },
		{ { .wanted = WIRE__VM__WANTED__STOPPED, .tries = 2 }, false, false,
		  0, 0 },
		{ { WANTED, .phase = WIRE__VM__PHASE__STARTING, .tries = 2 }, false,
		  false, 0, 0 },
	};
	struct core *core = small_core(0, 0);

	small_setting(core, "restart.tries_total", "4");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct view_source source = small_source(core);
		struct judge_retry retry = { 0 };

		source.standing.open = !cases[i].closed;
		CU_ASSERT_EQUAL(judge_vm_retry(&source, &cases[i].vm, &retry), cases[i].retry);
		CU_ASSERT_EQUAL(retry.try, cases[i].try);
		CU_ASSERT_EQUAL(retry.in_ms, cases[i].in_ms);
		CU_ASSERT_EQUAL(retry.of, cases[i].retry ? 4 : 0);
	}
	core_free(core);
}

/* The word and the reason for each state that a node can be in. */
static void test_node_state(void)
{
	static const struct {
		Wire__Node node;
		bool agent, closed, ring;
		const char *word, *why;
	} cases[] = {
		{ { .state = WIRE__NODE__STATE__UP }, true, false, true, "up", "" },
		{ { .state = WIRE__NODE__STATE__UP, .drained = 1 }, true, false, true,
		  "up, drained", "takes no VMs (placement=no)" },
		{ { .state = WIRE__NODE__STATE__UP, .drained = 1, .leaving = (char *)"root" }, true,
		  false, true, "up, drained", "is removed as soon as it votes no more" },
		{ { .state = WIRE__NODE__STATE__UP, .witness = 1 }, false, false, true,
		  "up, witness", "" },
		{ { .state = WIRE__NODE__STATE__UP }, false, false, true, "up, libvirt not ready",
		  "no socket" },
		{ { .state = WIRE__NODE__STATE__UP }, true, true, false, "not seen",
		  "not seen by this node now; it was up" },
		{ { .state = WIRE__NODE__STATE__UP }, true, true, true, "not seen",
		  "not seen by this node now, though its corosync is; it was up" },
		{ { .state = WIRE__NODE__STATE__UP }, true, false, false, "not seen",
		  "not seen by this node now; it is waited for" },
		{ { .state = WIRE__NODE__STATE__NEW, .reason = (char *)"" }, false, false, false,
		  "new", "its clusterd has never reported" },
		{ { .state = WIRE__NODE__STATE__NEW }, false, false, false, "new", "because" },
		{ { .state = WIRE__NODE__STATE__DAEMON_DOWN }, true, false, true, "daemon-down",
		  "because" },
		{ { .state = WIRE__NODE__STATE__DAEMON_DOWN, .left_out = (char *)"too old" }, true,
		  false, true, "daemon-down", "takes no part: too old" },
		{ { .state = WIRE__NODE__STATE__LEFT }, true, false, true, "left", "because" },
		{ { .state = WIRE__NODE__STATE__OFF }, true, false, false, "off", "because" },
	};
	struct core *core = small_core(0, 0);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct view_source source = small_source(core);
		Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
		Wire__Node node = cases[i].node;
		char why[JUDGE_WHY_SIZE];

		facts.agent_ok = cases[i].agent;
		facts.agent_reason = (char *)"no socket";
		node.id = 5;
		node.leaving = node.leaving ? node.leaving : (char *)"";
		node.facts = &facts;
		node.reason = node.reason ? node.reason : (char *)"because";
		node.left_out = node.left_out ? node.left_out : (char *)"";
		source.standing.open = !cases[i].closed;
		source.standing.ring |= cases[i].ring ? 1 << 4 : 0;
		source.standing.members |= cases[i].ring && !cases[i].closed ? 1 << 4 : 0;
		judge_node_why(&source, &node, why, sizeof(why));
		CU_ASSERT_STRING_EQUAL(judge_node_state(&source, &node), cases[i].word);
		CU_ASSERT_STRING_EQUAL(why, cases[i].why);
		/* One sees oneself. */
		source.node = 5;
		if (cases[i].closed)
			CU_ASSERT_STRING_EQUAL(judge_node_state(&source, &node), "up");
	}
	core_free(core);
}

/* What a node told of itself is as old as the last that was heard of it. */
static void test_facts(void)
{
	static const struct {
		Wire__Node__State state;
		bool told, closed, current;
		json_int_t as_of_ms;
	} cases[] = {
		{ WIRE__NODE__STATE__UP, true, false, true, 0 },
		{ WIRE__NODE__STATE__UP, true, true, false, 900 },
		{ WIRE__NODE__STATE__UP, false, false, false, 0 },
		{ WIRE__NODE__STATE__LEFT, true, false, false, 700 },
		{ WIRE__NODE__STATE__DAEMON_DOWN, true, true, false, 700 },
		{ WIRE__NODE__STATE__LOST, true, false, false, 700 },
		{ WIRE__NODE__STATE__OFF, true, false, false, 700 },
		{ WIRE__NODE__STATE__NEW, false, false, false, 0 },
	};
	struct core *core = small_core(0, 0);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct view_source source = small_source(core);
		Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
		Wire__Node node = WIRE__NODE__INIT;
		json_t *view;

		node.id = 2;
		node.state = cases[i].state;
		node.facts = cases[i].told ? &facts : NULL;
		node.last_up_ms = node.state != WIRE__NODE__STATE__UP && node.facts ? 700 : 0;
		source.standing.open = !cases[i].closed;
		source.closed_ms = 900;
		view = view_node(&source, &node);
		CU_ASSERT_EQUAL(json_is_true(json_object_get(view, "facts_current")),
				cases[i].current);
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(view, "facts_as_of_ms")),
				cases[i].as_of_ms);
		json_decref(view);
	}
	core_free(core);
}

static void load_node(struct core *core, uint32_t id, uint32_t max_vcpus, bool witness)
{
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	Wire__Node node = WIRE__NODE__INIT;

	facts.memory_mib = 1024 * id;
	facts.cpus = 4 * id;
	facts.max_vcpus = max_vcpus;
	node.id = id;
	node.name = (char *)"n";
	node.witness = witness;
	node.state = WIRE__NODE__STATE__OFF;
	node.facts = witness ? NULL : &facts;
	small_load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

/* Refused is only what no node could run; what none has is told; what is not known is neither. */
static void test_size(void)
{
	static const struct {
		uint32_t max_vcpus[2], vcpus;
		uint64_t memory_mib;
		int r;
		const char *text;
	} cases[] = {
		{ { 288, 288 }, 8, 2048, 0, "" },
		{ { 288, 288 }, 288, 2048, -EDOM, "it has 288 vCPUs, and no node has more than 8 "
		  "CPUs: it is slower than with fewer (clusterctl vm edit)" },
		{ { 288, 288 }, 289, 4096, -ENOSPC, "db cannot have 289 vCPUs: libvirt and QEMU "
		  "give one guest at most 288 on any node of this cluster; write fewer in <vcpu>" },
		{ { 288, 4096 }, 700, 512, -EDOM, "it has 700 vCPUs, and no node has more than 8 "
		  "CPUs: it is slower than with fewer (clusterctl vm edit)" },
		{ { 288, 0 }, 700, 2049, -EDOM, "it has 2049 MiB of memory, and no node has more "
		  "than 2048 MiB: it cannot start; give it less (clusterctl vm edit)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct core *core = small_core(0, 0);
		_cleanup_(buf_free) struct buf text = { 0 };
		Wire__Essence essence = WIRE__ESSENCE__INIT;

		load_node(core, 1, cases[i].max_vcpus[0], false);
		load_node(core, 2, cases[i].max_vcpus[1], false);
		load_node(core, 3, 0, true);
		essence.vcpus = cases[i].vcpus;
		essence.memory_mib = cases[i].memory_mib;
		CU_ASSERT_EQUAL(judge_size(core_state(core), "db", &essence, &text), cases[i].r);
		if (strcmp(buf_str(&text), cases[i].text) != 0)
			printf("%s\n", buf_str(&text));
		CU_ASSERT_STRING_EQUAL(buf_str(&text), cases[i].text);
		core_free(core);
	}
}

UNIT_MAIN("clusterd/shell/operator_judge", { "vm last known", test_vm_last_known },
	  { "vm waits", test_vm_waits },
	  { "vm sought", test_vm_sought },
	  { "node unseen", test_node_unseen },
	  { "node unheard", test_node_unheard }, { "vm state", test_vm_state },
	  { "vm unknown", test_vm_unknown }, { "vm retry", test_vm_retry },
	  { "node state", test_node_state }, { "facts", test_facts }, { "size", test_size })
