/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everyn lets each allocation fail, in turn, of the step in which a core first does something:
 * applies a command of each kind, takes a frame or an event of each kind, a snapshot among them.
 * The process ends there and nowhere else. What it had said or asked for in that step never was;
 * what is on its disk is that of the steps before. It is started again, and held is that
 *
 *  - the cluster comes together, all states at one index are the same, and nothing happens twice
 *    (the world looks after every event, tests/trace);
 *  - what was acknowledged is there.
 *
 * The story is the same for each of them: where it has come to the step, a child process goes on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "tests/fault/nth.h"
#include "tests/trace/world_private.h"
#include "wire/command.h"
#include "wire/json.h"
#include "wire/message.h"

enum { NODES = 3, SAMPLES = 12, CHILD_S = 120 };

/* Numbers of what a step does. */
enum { COMMAND = 0, FRAME = 100, EVENT = 200, KEYS = 300 };

static struct {
	struct world *world;
	bool looking;			/* for the first step of each kind; else at one of them */
	bool all;			/* every n, not a sample */
	unsigned step;			/* core_step calls of the story */
	unsigned first[KEYS];		/* the step; 0: none */
	struct core *core;		/* that steps now */
	bool child, died;
	unsigned node;
	uint64_t acked;			/* log index that everything acknowledged is below */
	unsigned tried;
} test;

static _Noreturn void wrong(const char *what, unsigned key, unsigned n)
{
	printf("everyn: kind %u, allocation %u: %s\n", key, n, what);
	exit(1);
}

/* ---------------------------------------------------------------- the cores */

void __real_core_step(struct core *core, const struct event *event, struct update *update);
void __wrap_core_step(struct core *core, const struct event *event, struct update *update);
void __real_apply_command(struct state *state, const Wire__Command *command, uint64_t index,
			  uint64_t epoch, struct update *update, Wire__Verdict **ret_verdict,
			  uint64_t *ret_request);
void __wrap_apply_command(struct state *state, const Wire__Command *command, uint64_t index,
			  uint64_t epoch, struct update *update, Wire__Verdict **ret_verdict,
			  uint64_t *ret_request);

/* Twins prove something else, and one of a core that died would not know. */
const char *__wrap_twin_differs(struct core *twin, const struct event *event,
				const struct update *update);
const char *__wrap_twin_differs(struct core *twin, const struct event *event,
				const struct update *update)
{
	return NULL;
}

static void note(unsigned key)
{
	if (test.looking && !test.first[key])
		test.first[key] = test.step;
}

void __wrap_apply_command(struct state *state, const Wire__Command *command, uint64_t index,
			  uint64_t epoch, struct update *update, Wire__Verdict **ret_verdict,
			  uint64_t *ret_request)
{
	if (test.looking && command)
		note(COMMAND + command->body_case);
	__real_apply_command(state, command, index, epoch, update, ret_verdict, ret_request);
}

struct step {
	struct core *core;
	const struct event *event;
	struct update *update;
};

static void run_step(void *context)
{
	struct step *step = context;

	__real_core_step(step->core, step->event, step->update);
}

static unsigned node_of(const struct core *core)
{
	for (unsigned n = 1; n <= NODES; n++)
		if (test.world->machines[n].core == core)
			return n;
	return 0;
}

/* The process is gone. In its place is one that knows nothing and is about to end. */
static void die(struct step *step)
{
	const struct core_config config = { .node = test.node, .boot_id = 1, .disk_id = 1,
					    .kernel_boot_id = "" };

	test.died = true;
	test.world->machines[test.node].core = core_new(&config);
	update_init(step->update);
	step->update->leave = LEAVE_CLEAN;
	step->update->leave_why = "out of memory";
}

/* In the child. What comes of it is seen when the story goes on. */
static void fail_in_step(struct step *step, unsigned key, unsigned n)
{
	unsigned count;

	test.child = true;
	alarm(CHILD_S);
	switch (nth_try(n, run_step, step, &count)) {
	case NTH_THROUGH:
		_exit(0);
	case NTH_BORNE:
		wrong("the core goes on without memory", key, n);
	case NTH_DIED:
		die(step);
	}
}

static unsigned count_in_step(struct step *step)
{
	unsigned count = 0;
	int pipes[2], status;
	pid_t pid;

	if (pipe(pipes) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		nth_try(0, run_step, step, &count);
		_exit(write(pipes[1], &count, sizeof(count)) != sizeof(count));
	}
	close(pipes[1]);
	if (read(pipes[0], &count, sizeof(count)) != sizeof(count))
		wrong("the step cannot be counted", 0, 0);
	close(pipes[0]);
	waitpid(pid, &status, 0);
	return count;
}

/* True in the child. */
static bool fail_each(struct step *step, unsigned key)
{
	unsigned count = count_in_step(step), by = test.all || count <= SAMPLES ? 1
										: count / SAMPLES;

	for (unsigned n = 1; n <= count; n += n < 3 ? 1 : by) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			fail_in_step(step, key, n);
			return true;
		}
		waitpid(pid, &status, 0);
		if (!WIFEXITED(status))
			wrong("it did not end as it should", key, n);
		if (WEXITSTATUS(status) != 0)
			exit(1);
		test.tried++;
	}
	return false;
}

void __wrap_core_step(struct core *core, const struct event *event, struct update *update)
{
	struct step step = { core, event, update };

	if (!test.world || test.child) {
		__real_core_step(core, event, update);
		return;
	}
	test.step++;
	note(EVENT + event->kind);
	if (event->kind == EVENT_FRAME)
		note(FRAME + event->frame.header->type);
	test.node = node_of(core);
	for (unsigned key = 0; !test.looking && key < KEYS; key++)
		if (test.first[key] == test.step) {
			if (fail_each(&step, key))
				return;
			/* Several kinds may be of one step. */
			break;
		}
	__real_core_step(core, event, update);
}

/* ---------------------------------------------------------------- the story */

static void check_end(void)
{
	struct world *world = test.world;
	const struct state *first = core_state(world->machines[1].core);

	for (unsigned n = 1; n <= NODES; n++) {
		struct core_standing standing;
		const struct state *state;

		if (!world->machines[n].core)
			wrong("a daemon has ended", 0, n);
		core_standing(world->machines[n].core, &standing);
		state = core_state(world->machines[n].core);
		if (!standing.open)
			wrong("a node is not back", 0, n);
		if (state_index(state) < test.acked)
			wrong("what was acknowledged is not there", 0, n);
		if (state_index(state) != state_index(first) ||
		    state_digest(state) != state_digest(first))
			wrong("the nodes differ", 0, n);
	}
}

/* Another process on the same disk. It, or all. */
static _Noreturn void come_back(void)
{
	struct world *world = test.world;

	world_settle(world, 3000);
	for (unsigned n = 1; n <= NODES; n++)
		if (!world->machines[n].power)
			world_start_node(world, n);
		else if (!world->machines[n].core)
			world_start_daemon(world, n);
	world_settle(world, 90000);
	check_end();
	_exit(0);
}

/* Time passes; where a process has died, the story ends, and another one begins. */
static void pass(uint64_t ms)
{
	uint64_t until = test.world->now_ms + ms;

	while (test.world->now_ms < until) {
		uint64_t next = world_next_deadline(test.world);

		if (!world_step(test.world))
			world_pass_time(test.world, next < until ? next : until);
		if (test.died)
			come_back();
	}
}

/* What an administrator, or the daemon there, asks at a node, with ' for ". */
static void ask_at(unsigned node, const char *text)
{
	_cleanup_(freep) char *copy = mem_strdup(text);
	struct world *world = test.world;
	Wire__Command *command = NULL;
	struct event event;
	char why[300] = "";
	json_t *json;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(copy, 0, NULL);
	if (!json || wire_from_json(json, &wire__command__descriptor,
				    (ProtobufCMessage **)&command, why, sizeof(why)) < 0) {
		printf("%s: %s\n", text, why);
		exit(1);
	}
	json_decref(json);
	command->request = ++world->request;
	command->time_ms = UINT64_C(1700000000000) + world->now_ms;
	wire_set(&command->who, "admin");
	wire_free(steal_ptr(world->verdict));
	world->verdict_tag = ++world->tag;
	event = world_event(world, EVENT_CLIENT);
	event.client = (struct event_client){ world->verdict_tag, command };
	world_take(world, node, &event);
	wire_free(command);
	for (int i = 0; !world->verdict && i < 100; i++)
		pass(100);
	if (!world->verdict)
		wrong("an administrator has no answer", 0, 0);
	if (world->verdict->code == WIRE__VERDICT__CODE__OK)
		test.acked = state_index(core_state(world->machines[1].core));
}

static void ask(const char *text)
{
	ask_at(1, text);
}

static void kill_daemon(unsigned node)
{
	world_kill_daemon(test.world, node);
	pass(3000);
	world_start_daemon(test.world, node);
	pass(10000);
}

/* It has lost its disk: the others send a snapshot. */
static void lose_disk(unsigned node)
{
	struct machine *machine = &test.world->machines[node];

	world_kill_daemon(test.world, node);
	disk_wipe(&machine->disk);
	machine->disk.promised = 0;
	machine->disk.id += 100;
	pass(3000);
	world_start_daemon(test.world, node);
	pass(30000);
}

#define VM(name)                                                                                   \
	"{'vm_add': {'vm': {'name': '" name "', 'uuid': '00000000-0000-4000-8000-0000000000" name  \
	"', 'xml': '<domain/>', 'wanted': 'running', 'essence': {'memory_mib': 512, 'vcpus': 1, "  \
	"'virt_type': 'qemu', 'digest': 1}}}}"

static const Wire__Vm *vm(const char *name)
{
	return state_vm_named(core_state(test.world->machines[1].core), name);
}

static void tell_story(void)
{
	_cleanup_(freep) char *live = NULL;

	ask(VM("aa"));
	ask(VM("bb"));
	pass(10000);
	ask("{'vm_set': {'name': 'aa', 'changes': [{'key': 'priority', 'value': 'high'}]}}");
	ask("{'vm_edit': {'name': 'aa', 'xml': '<domain><a/></domain>', 'essence': "
	    "{'memory_mib': 600, 'vcpus': 1, 'virt_type': 'qemu', 'digest': 2}}}");
	ask("{'vm_move': {'name': 'aa', 'to': 3, 'how': 'live'}}");
	pass(5000);
	world_save_slowly(test.world, true);
	ask("{'vm_move': {'name': 'aa', 'to': 2, 'how': 'quick'}}");
	pass(50);
	ask("{'vm_cancel': {'name': 'aa'}}");
	world_save_slowly(test.world, false);
	pass(10000);
	world_fail_drops(test.world, 1, "busy");
	world_fail_drops(test.world, 2, "busy");
	world_fail_drops(test.world, 3, "busy");
	world_fail_restores(test.world, 1, "broken");
	world_fail_restores(test.world, 2, "broken");
	world_fail_restores(test.world, 3, "broken");
	ask("{'vm_move': {'name': 'bb', 'to': 3, 'how': 'quick'}}");
	pass(120000);
	ask("{'vm_want': {'name': 'bb', 'wanted': 'running', 'cold': true}}");
	pass(20000);
	ask("{'vm_accept': {'name': 'aa', 'what': 'waiting'}}");
	live = mem_printf("{'vm_live': {'vm': %" PRIu64 ", 'generation': %" PRIu64 ", "
			  "'difference': 'more memory'}}", vm("aa")->id, vm("aa")->generation);
	ask_at(vm("aa")->owner, live);
	ask("{'fence_add': {'fence': {'name': 'plug', 'agent': 'fence_test', 'targets': "
	    "[{'node': 2}]}}}");
	ask("{'fence_test': {'name': 'plug', 'node': 2}}");
	pass(20000);
	ask("{'fence_remove': {'name': 'plug'}}");
	ask("{'volume_add': {'volume': {'name': 'other', 'driver': 'dir', 'target': "
	    "'/clusterstorage/other', 'declared_shared': true}}}");
	ask("{'volume_remove': {'name': 'other'}}");
	ask("{'setting_set': {'name': 'vm.stop_timeout_s', 'value': '200'}}");
	ask("{'node_set': {'name': 'n3', 'changes': [{'key': 'placement', 'value': 'no'}]}}");
	ask("{'node_add': {'name': 'n9', 'address': '10.0.0.9', 'id': 9}}");
	ask("{'node_remove': {'name': 'n9'}}");
	pass(20000);
	ask("{'note': {'severity': 'info', 'subject': 'cluster', 'text': 'noted'}}");
	ask("{'feature_raise': {'level': 1}}");
	ask("{'node_freeze': {'freeze_ms': 5000}}");
	ask("{'vm_want': {'name': 'bb', 'wanted': 'stopped'}}");
	pass(20000);
	ask("{'vm_remove': {'name': 'bb'}}");
	kill_daemon(2);
	/* The one that aa runs on. */
	world_kill_node(test.world, 3);
	pass(60000);
	world_start_node(test.world, 3);
	pass(60000);
	lose_disk(2);
	pass(90000);
	/* Two vote, and one of them goes on alone. */
	ask_at(2, "{'fence_test': {'name': 'bmc-n1'}}");
	ask("{'fence_test': {'name': 'bmc-n2'}}");
	ask("{'node_set': {'name': 'n3', 'changes': [{'key': 'vote', 'value': 'no'}]}}");
	pass(20000);
	world_kill_node(test.world, 2);
	pass(30000);
	world_start_node(test.world, 2);
	pass(30000);
}

/* Kinds of commands that the story must have; two are written before there is a core. */
static void check_kinds(void)
{
	const ProtobufCMessageDescriptor *type = &wire__command__descriptor;

	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];

		if (field->id < WIRE__COMMAND__BODY_NOOP ||
		    field->id == WIRE__COMMAND__BODY_GENESIS ||
		    field->id == WIRE__COMMAND__BODY_FORCE)
			continue;
		if (!test.first[COMMAND + field->id]) {
			printf("everyn: no %s in the story\n", field->name);
			exit(1);
		}
	}
}

static void tell(bool looking)
{
	test.world = NULL;
	test.looking = looking;
	test.step = 0;
	test.acked = 0;
	test.world = world_new(NODES);
	tell_story();
	check_end();
	world_free(test.world);
}

int main(int argc, char **argv)
{
	unsigned kinds = 0;

	test.all = argc > 1 && strcmp(argv[1], "-a") == 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	tell(true);
	check_kinds();
	for (unsigned key = 0; key < KEYS; key++)
		kinds += test.first[key] != 0;
	tell(false);
	printf("everyn: %u kinds of steps, %u allocations that failed\n", kinds, test.tried);
	return 0;
}
