/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes that are added, removed, replaced, or become witnesses; and who votes then. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/record.h"
#include "clusterd/core/state.h"
#include "tests/trace/world_private.h"
#include "tests/unit/bench.h"
#include "tests/unit/unit.h"

#define EXISTS WIRE__VERDICT__CODE__EXISTS
#define INVALID WIRE__VERDICT__CODE__INVALID
#define NO_SUCH WIRE__VERDICT__CODE__NO_SUCH
#define LIMIT WIRE__VERDICT__CODE__LIMIT
#define DENIED WIRE__VERDICT__CODE__DENIED

/* ---------------------------------------------------------------- apply, on a bench */

static Wire__Command *adding(const char *name, const char *address, uint32_t id)
{
	static Wire__NodeAdd add;
	static Wire__Command command;

	wire__node_add__init(&add);
	wire__command__init(&command);
	add.name = (char *)name;
	add.address = (char *)address;
	add.id = id;
	command.body_case = WIRE__COMMAND__BODY_NODE_ADD;
	command.node_add = &add;
	return &command;
}

static Wire__Command *removing(const char *name)
{
	static Wire__NodeRemove remove;
	static Wire__Command command;

	wire__node_remove__init(&remove);
	wire__command__init(&command);
	remove.name = (char *)name;
	command.body_case = WIRE__COMMAND__BODY_NODE_REMOVE;
	command.node_remove = &remove;
	return &command;
}

static Wire__Command *setting(const char *name, const char *key, const char *value)
{
	static Wire__Param change, *changes[] = { &change };
	static Wire__NodeSet set;
	static Wire__Command command;

	wire__param__init(&change);
	wire__node_set__init(&set);
	wire__command__init(&command);
	change.key = (char *)key;
	change.value = (char *)value;
	set.name = (char *)name;
	set.changes = changes;
	set.n_changes = 1;
	command.body_case = WIRE__COMMAND__BODY_NODE_SET;
	command.node_set = &set;
	return &command;
}

static int bench_voters(struct bench *bench, const uint32_t *nodes, size_t n)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VotersSet set = WIRE__VOTERS_SET__INIT;
	uint64_t disks[VOTERS_MAX] = { 11, 12, 13, 14 };
	struct voters present;

	state_voters(bench->state, &present);
	set.after = present.index;
	set.voters = (uint32_t *)nodes;
	set.disks = disks;
	set.n_voters = set.n_disks = n;
	set.reason = (char *)"so it is";
	command.body_case = WIRE__COMMAND__BODY_VOTERS_SET;
	command.voters_set = &set;
	return bench_apply(bench, 1, 101, &command);
}

static bool tells(const struct bench *bench, const char *text)
{
	for (size_t i = 0; i < state_count(bench->state, WIRE__TABLE__TABLE_EVENT); i++) {
		const Wire__Event *event = state_at(bench->state, WIRE__TABLE__TABLE_EVENT, i);

		if (strstr(event->text, text))
			return true;
	}
	return false;
}

static int try(struct bench *bench, Wire__Command *command, const char *text)
{
	int code = bench_apply(bench, 1, 101, command);

	if (!strstr(bench->text, text))
		fprintf(stderr, "verdict: '%s', not '%s'\n", bench->text, text);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, text));
	return code;
}

static void test_add(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(try(bench, adding("n 4", "10.0.0.4", 0), "no name for a node"), INVALID);
	CU_ASSERT_EQUAL(try(bench, adding("n4", "10.0.0.4/24", 0), "no address"), INVALID);
	CU_ASSERT_EQUAL(try(bench, adding("n4", "300.1.2.3", 0), "no address"), INVALID);
	CU_ASSERT_EQUAL(try(bench, adding("n3", "10.0.0.4", 0), "a node n3 already"), EXISTS);
	CU_ASSERT_EQUAL(try(bench, adding("n4", "10.0.0.4", 2), "n2 has the id 2"), EXISTS);
	CU_ASSERT_EQUAL(try(bench, adding("n4", "10.0.0.4", 65), "from 1 to 64"), LIMIT);
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_NODE), 3);
	CU_ASSERT_EQUAL(try(bench, adding("n4", "10.0.0.4", 0), "n4 is added with id 4"), 0);
	CU_ASSERT_EQUAL(try(bench, adding("n5", "10.0.0.4", 0), "n4 has the address"), EXISTS);
	CU_ASSERT_EQUAL(try(bench, adding("n9", "10.0.0.9", 9), "n9 is added with id 9"), 0);
	CU_ASSERT_EQUAL(try(bench, adding("n5", "10.0.0.5", 0), "n5 is added with id 5"), 0);
	CU_ASSERT_EQUAL(state_node(bench->state, 9)->state, WIRE__NODE__STATE__NEW);
	CU_ASSERT_STRING_EQUAL(state_node(bench->state, 5)->address, "10.0.0.5");
	CU_ASSERT_EQUAL(try(bench, setting("n5", "address", "10.0.0.400"), "no address"), INVALID);
	CU_ASSERT_EQUAL(try(bench, setting("n5", "address", "127.0.0.1"), "is a loopback"),
			INVALID);
	CU_ASSERT_EQUAL(try(bench, setting("n5", "address", "::"), "of no machine"), INVALID);
	CU_ASSERT_EQUAL(try(bench, adding("n6", "255.255.255.255", 0), "broadcast"), INVALID);
	CU_ASSERT_EQUAL(try(bench, setting("n5", "address", "::ffff:10.0.0.4"),
			    "n4 has the address 10.0.0.4"), EXISTS);
	CU_ASSERT_EQUAL(try(bench, setting("n5", "address", "10.0.0.4"), "n4 has the address"),
			EXISTS);
	CU_ASSERT_EQUAL(try(bench, setting("n5", "address", "10.0.0.5"), ""), 0);
	CU_ASSERT_EQUAL(try(bench, setting("n5", "address", "n5.example"), ""), 0);
	CU_ASSERT_STRING_EQUAL(state_node(bench->state, 5)->address, "n5.example");
	CU_ASSERT_FALSE(state_voter(bench->state, 5));
	bench_free(bench);
}

/* VM a runs on n2, the device "bmc" is for it, and all three are voters. */
static void test_remove_refused(void)
{
	struct bench *bench = bench_new();
	uint32_t n3[] = { 3 };
	Wire__Vm *vm;
	struct update update;

	CU_ASSERT_EQUAL(try(bench, removing("n7"), "there is no node 'n7'"), NO_SUCH);
	CU_ASSERT_EQUAL(try(bench, removing("n2"), "up and takes VMs"), WRONG_STATE);
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, setting("n2", "placement", "no")), 0);
	CU_ASSERT_EQUAL(try(bench, removing("n2"), "VM a is there or may be: move it"),
			WRONG_STATE);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(try(bench, removing("n2"), "VM a may run there: the node must come back"),
			WRONG_STATE);
	bench_report_node(bench, 2, 202, "second boot");
	CU_ASSERT_EQUAL(try(bench, removing("n2"), "fence device bmc is for it"), WRONG_STATE);

	/* A VM names its nodes. */
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, setting("n3", "placement", "no")), 0);
	vm = record_copy(&bench_vm(bench)->base);
	record_nodes(&vm->n_possible_owners, &vm->possible_owners, n3, 1);
	update_init(&update);
	state_put(bench->state, WIRE__TABLE__TABLE_VM, vm->id, &vm->base, &update);
	CU_ASSERT_EQUAL(try(bench, removing("n3"), "VM a names it among its owners"), WRONG_STATE);
	record_nodes(&vm->n_possible_owners, &vm->possible_owners, NULL, 0);
	record_nodes(&vm->n_preferred_owners, &vm->preferred_owners, n3, 1);
	state_put(bench->state, WIRE__TABLE__TABLE_VM, vm->id, &vm->base, &update);
	CU_ASSERT_EQUAL(try(bench, removing("n3"), "VM a prefers it"), WRONG_STATE);
	record_nodes(&vm->n_preferred_owners, &vm->preferred_owners, NULL, 0);
	vm->look = bench->index;
	vm->looked = 0;
	state_put(bench->state, WIRE__TABLE__TABLE_VM, vm->id, &vm->base, &update);
	CU_ASSERT_EQUAL(try(bench, removing("n3"), "was not looked for yet"), WRONG_STATE);
	CU_ASSERT_EQUAL(try(bench, setting("n3", "witness", "yes"), "cannot become a witness"),
			WRONG_STATE);
	CU_ASSERT_FALSE(state_node(bench->state, 3)->witness);

	/* One that is not the cluster's runs there, perhaps, and nobody would look later. */
	vm->look = 0;
	vm->unmanaged = true;
	state_put(bench->state, WIRE__TABLE__TABLE_VM, vm->id, &vm->base, &update);
	CU_ASSERT_EQUAL(try(bench, removing("n3"), "VM a is managed=no and may run there"),
			WRONG_STATE);
	CU_ASSERT_EQUAL(try(bench, setting("n3", "witness", "yes"), "VM a is managed=no"),
			WRONG_STATE);
	CU_ASSERT_EQUAL(try(bench, adding("n4", "10.0.0.4", 0), "with id 4"), 0);
	CU_ASSERT_EQUAL(try(bench, removing("n4"), ""), 0);
	update_reset(&update);
	record_free(vm);
	CU_ASSERT_EQUAL(state_count(bench->state, WIRE__TABLE__TABLE_NODE), 3);
	CU_ASSERT_STRING_EQUAL(state_node(bench->state, 3)->leaving, "");
	bench_free(bench);
}

/* A voter is removed by the change that takes its vote; unless it is needed again by then. */
static void test_remove_voter(void)
{
	static const uint32_t others[] = { 1, 2 };

	for (unsigned called_off = 0; called_off < 3; called_off++) {
		struct bench *bench = bench_new();

		bench_apply(bench, 1, 101, setting("n3", "placement", "no"));
		CU_ASSERT_EQUAL(try(bench, removing("n3"), "n3 is a voter"), 0);
		CU_ASSERT_EQUAL(try(bench, removing("n3"), "n3 is a voter"), 0);
		CU_ASSERT_STRING_NOT_EQUAL(state_node(bench->state, 3)->leaving, "");
		if (called_off == 1)
			bench_apply(bench, 1, 101, setting("n3", "placement", "yes"));
		if (called_off == 2)
			bench_add_fence(bench, "bmc3", 3);
		CU_ASSERT_EQUAL(bench_voters(bench, others, 2), 0);
		CU_ASSERT_FALSE(state_voter(bench->state, 3));
		CU_ASSERT_EQUAL(state_node(bench->state, 3) == NULL, called_off == 0);
		CU_ASSERT_EQUAL(tells(bench, "is removed from the cluster"),
				called_off == 0);
		CU_ASSERT_EQUAL(tells(bench, "that was called off"), called_off == 1);
		CU_ASSERT_EQUAL(tells(bench, "is not removed: n3 cannot be removed: "
						       "fence device bmc3"), called_off == 2);
		bench_free(bench);
	}
}

static void report_with_disk(struct bench *bench, uint32_t node, uint64_t disk)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;

	report.kernel_boot_id = (char *)"another";
	report.disk_id = disk;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	bench_apply(bench, node, 900 + node, &command);
}

/* Its name was known when that was asked for: by now its id may be another node's. */
static void test_vm_of_removed_node(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm vm = *bench_vm(bench);
	uint32_t nodes[] = { 1, 9 };

	add.vm = &vm;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	vm.name = (char *)"b";
	vm.uuid = (char *)"00000000-0000-4000-8000-00000000000b";
	for (unsigned preferred = 0; preferred < 2; preferred++) {
		vm.possible_owners = vm.preferred_owners = nodes;
		vm.n_possible_owners = preferred ? 0 : 2;
		vm.n_preferred_owners = preferred ? 2 : 0;
		CU_ASSERT_EQUAL(try(bench, &command, "there is no node 9 any more"), NO_SUCH);
		CU_ASSERT_PTR_NULL(state_vm_named(bench->state, "b"));
	}
	vm.n_preferred_owners = 1;
	CU_ASSERT_EQUAL(try(bench, &command, ""), 0);
	CU_ASSERT_PTR_NOT_NULL(state_vm_named(bench->state, "b"));
	bench_free(bench);
}

/* Whoever gets the id of a removed node does not come with its disk. */
static void test_id_again(void)
{
	static const uint32_t others[] = { 1, 2 };
	struct bench *bench = bench_new();

	report_with_disk(bench, 3, 77);
	bench_voters(bench, others, 2);
	bench_apply(bench, 1, 101, setting("n3", "placement", "no"));
	CU_ASSERT_EQUAL(try(bench, removing("n3"), ""), 0);
	CU_ASSERT_PTR_NULL(state_node(bench->state, 3));
	CU_ASSERT_PTR_NOT_NULL_FATAL(state_node_gone(bench->state, 3, 77));
	CU_ASSERT_STRING_EQUAL(state_node_gone(bench->state, 3, 77)->name, "n3");
	CU_ASSERT_PTR_NULL(state_node_gone(bench->state, 3, 78));
	CU_ASSERT_EQUAL(try(bench, adding("n4", "10.0.0.4", 0), "with id 4"), 0);
	CU_ASSERT_EQUAL(try(bench, adding("n5", "10.0.0.5", 3), "with id 3"), 0);
	report_with_disk(bench, 3, 77);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "store of n3, which was removed"));
	CU_ASSERT_EQUAL(state_node(bench->state, 3)->state, WIRE__NODE__STATE__NEW);
	report_with_disk(bench, 3, 78);
	CU_ASSERT_EQUAL(state_node(bench->state, 3)->state, WIRE__NODE__STATE__UP);
	bench_free(bench);
}

/* A voter that took part keeps the disk it did so with, whatever it comes with later. */
static void test_voter_disk(void)
{
	static const uint32_t all[] = { 1, 2, 3 };
	struct bench *bench = bench_new();
	struct voters voters;

	report_with_disk(bench, 3, 78);
	state_voters(bench->state, &voters);
	CU_ASSERT_EQUAL(voters.disks[2], 3);
	CU_ASSERT_EQUAL(state_node(bench->state, 3)->disk_id, 78);
	CU_ASSERT_EQUAL(bench_voters(bench, all, 3), 0);
	state_voters(bench->state, &voters);
	CU_ASSERT_EQUAL(voters.disks[2], 13);
	CU_ASSERT_EQUAL(voters.index, bench->index);
	bench_free(bench);
}

/* A node was chosen to start a VM, and is a witness before the log says so. */
static void test_witness_chosen(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(try(bench, setting("n3", "witness", "yes"), ""), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 3), STALE);
	CU_ASSERT_EQUAL(vm_holders(bench_vm(bench)), 0);
	CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 1), 0);
	bench_free(bench);
}

/* ---------------------------------------------------------------- whole cores */

enum { DEAD_MS = 600000 };

static uint64_t voters_on(struct world *world, unsigned node)
{
	struct voters voters;

	state_voters(core_state(world_core(world, node)), &voters);
	return voters_nodes(&voters);
}

static uint64_t voter_disk(struct world *world, unsigned node, unsigned voter)
{
	struct voters voters;

	state_voters(core_state(world_core(world, node)), &voters);
	for (size_t i = 0; i < voters.n; i++)
		if (voters.nodes[i] == voter)
			return voters.disks[i];
	return 0;
}

static const char *outside(struct world *world, unsigned node)
{
	struct core_standing standing;

	core_standing(world_core(world, node), &standing);
	return standing.outside ? standing.outside : "";
}

static void free_of_fence(struct world *world, const char *name)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceRemove remove = WIRE__FENCE_REMOVE__INIT;

	remove.name = (char *)name;
	command.body_case = WIRE__COMMAND__BODY_FENCE_REMOVE;
	command.fence_remove = &remove;
	CU_ASSERT_STRING_EQUAL(world_ask(world, 2, &command), "");
}

/* n1 votes and leads; n4 takes its place. Then n1 is another machine. */
static void test_replace_voter(void)
{
	struct world *world = world_new(4);
	struct core_standing standing;

	CU_ASSERT_EQUAL(voters_on(world, 2), 7);
	CU_ASSERT_STRING_EQUAL(world_ask(world, 2, setting("n1", "placement", "no")), "");
	CU_ASSERT_STRING_EQUAL(world_add_vm(world, "web1", 64), "");
	free_of_fence(world, "bmc-n1");
	CU_ASSERT_PTR_NOT_NULL(strstr(world_ask(world, 2, removing("n1")),
				      "VM web1 may run there already and was not looked for yet"));
	world_settle(world, 5000);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_ask(world, 2, removing("n1")), "n1 is a voter"));
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(voters_on(world, 2), 14);
	CU_ASSERT_PTR_NULL(state_node(core_state(world_core(world, 2)), 1));
	CU_ASSERT_EQUAL(world_events(world, 2, "n4 takes the place of n1, which is to be removed"),
			1);
	CU_ASSERT_EQUAL(world_events(world, 2, "is removed from the cluster by admin"), 1);

	/* It does nothing any more, whether it stays or comes back, and says so. */
	for (unsigned back = 0; back < 2; back++) {
		CU_ASSERT_PTR_NOT_NULL(strstr(outside(world, 1), "was removed from the cluster by "
								 "admin, as n1"));
		CU_ASSERT_STRING_EQUAL(outside(world, 2), "");
		CU_ASSERT_PTR_NOT_NULL(
			strstr(world_ask(world, 1, setting("n2", "placement", "no")),
			       "nothing was changed: this node was removed"));
		world_kill_daemon(world, 1);
		world_settle(world, 5000);
		world_start_daemon(world, 1);
		world_settle(world, 5000);
	}
	world_settle(world, 5000);
	CU_ASSERT_TRUE(world_runs(world, "web1") >= 2);

	/* With one of three voters it is no majority, as it would have been before. */
	world_fence_fails(world, "no power switch");
	world_split(world, 1 | 2);
	world_settle(world, 5000);
	core_standing(world_core(world, 1), &standing);
	CU_ASSERT_FALSE(standing.open);
	core_standing(world_core(world, 2), &standing);
	CU_ASSERT_FALSE(standing.open);
	CU_ASSERT_PTR_NOT_NULL_FATAL(standing.why_not);
	CU_ASSERT_STRING_EQUAL(standing.why_not, "no quorum: of the voters, nodes 2, 3 and 4, only "
						 "node 2 is here");
	core_standing(world_core(world, 3), &standing);
	CU_ASSERT_TRUE(standing.open);
	world_split(world, 0);
	world_settle(world, 5000);

	world_kill_daemon(world, 1);
	world_new_disk(world, 1);
	world_start_daemon(world, 1);
	world_settle(world, 5000);
	CU_ASSERT_PTR_NOT_NULL(strstr(outside(world, 1), "clusterctl node add NAME --id 1 "
							 "--address IP"));
	world_kill_daemon(world, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_ask(world, 3, adding("new", "10.0.0.9", 1)),
				      "new is added with id 1"));
	world_start_daemon(world, 1);
	world_settle(world, 20000);
	CU_ASSERT_STRING_EQUAL(outside(world, 1), "");
	CU_ASSERT_EQUAL(state_node(core_state(world_core(world, 3)), 1)->state,
			WIRE__NODE__STATE__UP);
	CU_ASSERT_EQUAL(voters_on(world, 3), 14);
	world_free(world);
}

/* A voter whose disk is lost votes with the new one, as soon as it has the log on it. */
static void test_lost_disk(void)
{
	struct world *world = world_new(3);
	uint64_t before = voter_disk(world, 1, 2), after;

	CU_ASSERT_NOT_EQUAL(before, 0);
	world_kill_daemon(world, 2);
	world_settle(world, 1000);
	world_new_disk(world, 2);
	world_start_daemon(world, 2);
	world_settle(world, 10000);
	after = voter_disk(world, 1, 2);
	CU_ASSERT_NOT_EQUAL(after, before);
	CU_ASSERT_EQUAL(world_events(world, 1, "n1, n2 and n3 vote now: n2 has a new disk"), 1);

	/* So one of the others may fail. */
	world_kill_node(world, 1);
	world_settle(world, 10000);
	CU_ASSERT_STRING_EQUAL(world_add_vm(world, "web1", 64), "");
	world_free(world);
}

/* A voter that is proven dead, and stays so, gives its vote to a node that only learnt. */
static void test_dead_voter(void)
{
	struct world *world = world_new(4);

	world_add_vm(world, "web1", 64);
	world_settle(world, 5000);
	CU_ASSERT_EQUAL(world_runs(world, "web1"), 1);
	world_kill_node(world, 1);
	world_settle(world, 60000);
	CU_ASSERT_EQUAL(state_node(core_state(world_core(world, 2)), 1)->state,
			WIRE__NODE__STATE__OFF);
	CU_ASSERT_EQUAL(voters_on(world, 2), 7);
	world_settle(world, DEAD_MS);
	CU_ASSERT_EQUAL(voters_on(world, 2), 14);
	CU_ASSERT_EQUAL(world_events(world, 2, "n4 takes the place of n1, which was proven dead"),
			1);
	/* Now another one may fail, and n1 learns when it comes back. */
	world_kill_node(world, 2);
	world_settle(world, 60000);
	CU_ASSERT_TRUE(world_runs(world, "web1") >= 3);
	world_start_node(world, 1);
	world_start_node(world, 2);
	world_settle(world, 20000);
	CU_ASSERT_EQUAL(voters_on(world, 1), 14);
	world_free(world);
}

/* Nothing runs on it, so its power is not cut: but whether it is off is asked, for its vote. */
static void test_dead_voter_without_guests(void)
{
	struct world *world = world_new(4);

	world_kill_node(world, 3);
	world_settle(world, 60000);
	CU_ASSERT_EQUAL(state_node(core_state(world_core(world, 1)), 3)->state,
			WIRE__NODE__STATE__OFF);
	world_settle(world, DEAD_MS);
	CU_ASSERT_EQUAL(voters_on(world, 1), 11);
	world_free(world);
}

/*
 * Four of seven members, with two of the five voters: they decide nothing and do nothing. What
 * runs there runs on, what was on the others stays down, and nobody's power is cut.
 */
static void test_members_without_voters(void)
{
	static const char *const vms[] = { "a", "b", "c", "d", "e", "f", "g" };
	struct world *world = world_new(7);
	struct core_standing standing;
	unsigned was[ARRAY_SIZE(vms)];

	for (size_t i = 0; i < ARRAY_SIZE(vms); i++)
		world_add_vm(world, vms[i], 64);
	world_settle(world, 10000);
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++)
		was[i] = world_runs(world, vms[i]);
	for (unsigned node = 3; node <= 5; node++)
		world_kill_node(world, node);
	world_story(world);
	world_settle(world, 3600000);
	CU_ASSERT_STRING_EQUAL(world_story(world), "");
	for (unsigned node = 1; node <= 7; node += node == 2 ? 4 : 1) {
		core_standing(world_core(world, node), &standing);
		CU_ASSERT_FALSE(standing.open);
		CU_ASSERT_STRING_EQUAL(standing.why_not,
				       "no quorum: of the voters, nodes 1, 2, 3, 4 and 5, only "
				       "nodes 1 and 2 are here");
	}
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++)
		CU_ASSERT_EQUAL(world_runs(world, vms[i]), was[i] < 3 || was[i] > 5 ? was[i] : 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_ask(world, 6, setting("n6", "placement", "no")),
				      "nothing was changed: no quorum"));

	/* With one more voter they are a majority, and what was down starts. */
	world_start_node(world, 3);
	world_settle(world, 120000);
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++) {
		CU_ASSERT_NOT_EQUAL(world_runs(world, vms[i]), 0);
		if (was[i] < 3 || was[i] > 5)
			CU_ASSERT_EQUAL(world_runs(world, vms[i]), was[i]);
	}
	world_free(world);
}

/* Steps until node n4 is asked to cut power; its device does not answer, ever. */
static bool wait_for_n4(struct world *world)
{
	for (unsigned i = 0; i < 100000; i++) {
		world_tick(world);
		if (world->fences_n && world->fences[0].node == 4) {
			world->fences_n = 0;
			return true;
		}
	}
	return false;
}

/*
 * Whoever was to prove a node's death is removed, or has never been of the cluster: somebody else
 * does it, though its daemon is here.
 */
static void test_executor_removed(void)
{
	static const char *const vms[] = { "a", "b", "c" };
	struct world *world = world_new(4);
	const char *lost = NULL;

	CU_ASSERT_STRING_EQUAL(world_ask(world, 1, setting("n4", "placement", "no")), "");
	free_of_fence(world, "bmc-n4");
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++)
		world_add_vm(world, vms[i], 64);
	world_settle(world, 10000);
	for (size_t i = 0; i < ARRAY_SIZE(vms); i++)
		if (world_runs(world, vms[i]) == 3)
			lost = vms[i];
	CU_ASSERT_PTR_NOT_NULL_FATAL(lost);
	world_fence_fails(world, "no answer");
	world_kill_node(world, 3);
	CU_ASSERT_TRUE_FATAL(wait_for_n4(world));
	world_fence_fails(world, NULL);
	CU_ASSERT_STRING_EQUAL(world_ask(world, 1, removing("n4")), "");
	CU_ASSERT_PTR_NULL(state_node(core_state(world_core(world, 1)), 4));
	world_settle(world, 300000);
	CU_ASSERT_NOT_EQUAL(world_runs(world, lost), 0);
	CU_ASSERT_NOT_EQUAL(world_runs(world, lost), 3);
	world_free(world);
}

UNIT_MAIN("core/member", { "a node is added", test_add },
	  { "a node that has something stays", test_remove_refused },
	  { "a voter is removed", test_remove_voter }, { "an id again", test_id_again },
	  { "a VM of a removed node", test_vm_of_removed_node },
	  { "the disk of a voter", test_voter_disk },
	  { "a witness was chosen", test_witness_chosen },
	  { "a voter is replaced", test_replace_voter },
	  { "a voter loses its disk", test_lost_disk },
	  { "a voter is dead", test_dead_voter },
	  { "a voter without guests is dead", test_dead_voter_without_guests },
	  { "members without voters", test_members_without_voters },
	  { "who is to fence is removed", test_executor_removed })
