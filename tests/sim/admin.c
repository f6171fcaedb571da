/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Administrators: they furnish a cluster, ask for things at random, ask again when nobody answers,
 * at another node and with the same request, and sometimes although somebody did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "tests/sim/admin_private.h"
#include "wire/message.h"

enum {
	PATIENCE_US = 40000000,		/* the daemon gives up before that */
	AGAIN_US = 2000000,
	TRIES = 3,			/* of what need not be */
};

struct request {
	uint64_t number;		/* of this one; also its request id */
	uint64_t tag;			/* of the last try that is under way; 0 = none */
	uint32_t node;			/* where that is */
	Wire__Command *command;
	bool must;			/* until it is done */
	bool told, seen;		/* it is done, as was said; and was asked again */
	uint64_t turn;			/* of what is due the last counts */
	unsigned tries;
};

struct admin *admin_new(struct world *world)
{
	struct admin *admin = mem_new(struct admin);

	admin->world = world;
	admin->vms = 1 + rng_below(&world->rng, 8);
	return admin;
}

static void request_free(void *value)
{
	struct request *request = value;

	wire_free(request->command);
	free(request);
}

void admin_free(struct admin *admin)
{
	admin_end_loans(admin);
	idmap_free(&admin->loans, NULL);
	idmap_free(&admin->tags, NULL);
	idmap_free(&admin->requests, request_free);
	free(admin);
}

/* ---------------------------------------------------------------- asking */

static void forget(struct admin *admin, struct request *request)
{
	if (request->tag)
		idmap_remove(&admin->tags, request->tag);
	admin->musts -= request->must;
	request_free(idmap_remove(&admin->requests, request->number));
}

/* One that runs a daemon; the given one if it does. 0: none does. */
static uint32_t some_node(struct world *world, uint32_t node)
{
	uint32_t from = node ? node : 1 + rng_below(&world->rng, world->nodes);

	for (uint32_t i = 0; i < world->nodes; i++) {
		uint32_t id = 1 + (from - 1 + i) % world->nodes;

		if (world->machines[id].core)
			return id;
	}
	return 0;
}

static void later(struct world *world, struct request *request, uint64_t in_us)
{
	world_due(world, DUE_ASK, 0, in_us, ++request->turn, request->number);
}

static void send(struct admin *admin, struct request *request, uint32_t node)
{
	struct world *world = admin->world;
	struct input input = { .kind = EVENT_CLIENT };

	later(world, request, PATIENCE_US);
	request->node = some_node(world, node);
	if (!request->node)
		return;
	if (request->tag)
		idmap_remove(&admin->tags, request->tag);
	input.number = request->tag = world_new_id(world);
	idmap_put(&admin->tags, request->tag, request);
	input.body = wire_dup(&request->command->base);
	world_input(&world->machines[request->node], &input);
}

void admin_command(struct world *world, uint32_t node, Wire__Command *command, bool must)
{
	struct request *request = mem_new(struct request);

	request->number = world_new_id(world);
	request->command = command;
	request->must = must;
	world->admin->musts += must;
	command->request = request->number;
	command->time_ms = world->now_us / 1000;
	wire_set(&command->who, "admin");
	idmap_put(&world->admin->requests, request->number, request);
	send(world->admin, request, node);
}

void admin_due(struct world *world, uint64_t number, uint64_t turn)
{
	struct request *request = idmap_get(&world->admin->requests, number);

	if (!request || request->turn != turn)
		return;
	/* One that is done was only asked again to see. */
	if ((request->told && request->seen) || (!request->must && ++request->tries == TRIES))
		forget(world->admin, request);
	else {
		request->seen = request->told;
		send(world->admin, request, 0);
	}
}

void admin_daemon_gone(struct world *world, uint32_t node)
{
	struct request *request;

	idmap_each(&world->admin->requests, i, request)
		if (request->tag && request->node == node) {
			idmap_remove(&world->admin->tags, request->tag);
			request->tag = 0;
			later(world, request, AGAIN_US);
		}
}

/* Whether it was done is not known: the same request again. */
static bool is_open(Wire__Verdict__Code code)
{
	return code == WIRE__VERDICT__CODE__UNKNOWN_OUTCOME ||
	       code == WIRE__VERDICT__CODE__NO_QUORUM;
}

/* What was refused is asked for anew, if it must be. */
static void refused(struct world *world, uint32_t node, struct request *request,
		    Wire__Verdict__Code code)
{
	Wire__Command *command = request->command;
	bool must = request->must && code != WIRE__VERDICT__CODE__EXISTS &&
		    code != WIRE__VERDICT__CODE__NO_SUCH;

	if (request->told && truth_is_known(world->truth, node, request->number))
		world_fail(world, "n%u refuses a request that is done, as it knows", node);
	if (!must) {
		forget(world->admin, request);
		return;
	}
	request->command = NULL;
	forget(world->admin, request);
	request = mem_new(struct request);
	request->number = command->request = world_new_id(world);
	request->command = command;
	request->must = true;
	world->admin->musts++;
	idmap_put(&world->admin->requests, request->number, request);
	later(world, request, AGAIN_US);
}

void admin_answer(struct world *world, uint32_t node, uint64_t tag, const Wire__Verdict *verdict)
{
	struct request *request = idmap_remove(&world->admin->tags, tag);

	if (!request)
		return;
	request->tag = 0;
	if (world->config.story)
		world_tell(world, "n%u answers: %d %s", node, verdict->code, verdict->text);
	if (is_open(verdict->code)) {
		later(world, request, AGAIN_US);
	} else if (verdict->code != WIRE__VERDICT__CODE__OK) {
		refused(world, node, request, verdict->code);
	} else {
		truth_acknowledged(world->truth, &world->machines[node], request->number, verdict);
		if (request->told || !world_permille(world, 100)) {
			forget(world->admin, request);
			return;
		}
		world->admin->musts -= request->must;
		request->must = false;
		request->told = true;
		/* Not at once: the daemon that answers is in the midst of a step. */
		later(world, request, 1000);
	}
}

/* ---------------------------------------------------------------- commands */

Wire__Command *admin_new_command(Wire__Command__BodyCase body, ProtobufCMessage *message)
{
	Wire__Command *command = wire_new(&wire__command__descriptor);

	command->body_case = body;
	/* All bodies are pointers of one union. */
	command->noop = (Wire__Noop *)message;
	return command;
}

Wire__Command *admin_add_fence(uint32_t node)
{
	Wire__FenceAdd *add = wire_new(&wire__fence_add__descriptor);
	char name[24];

	snprintf(name, sizeof(name), "bmc-n%u", node);
	add->fence = wire_new(&wire__fence__descriptor);
	wire_set(&add->fence->name, name);
	wire_set(&add->fence->agent, "fence_test");
	add->fence->targets = mem_new_array(Wire__FenceTarget *, 1);
	add->fence->n_targets = 1;
	add->fence->targets[0] = wire_new(&wire__fence_target__descriptor);
	add->fence->targets[0]->node = node;
	return COMMAND(FENCE_ADD, add);
}

static Wire__Command *add_volume(void)
{
	Wire__VolumeAdd *add = wire_new(&wire__volume_add__descriptor);

	add->volume = wire_new(&wire__volume__descriptor);
	wire_set(&add->volume->name, "shared");
	wire_set(&add->volume->driver, "dir");
	wire_set(&add->volume->target, "/clusterstorage/shared");
	add->volume->declared_shared = true;
	return COMMAND(VOLUME_ADD, add);
}

static void name_vm(char ret_name[16], uint32_t vm)
{
	snprintf(ret_name, 16, "vm%u", vm);
}

static Wire__Command *add_vm(uint32_t number)
{
	Wire__VmAdd *add = wire_new(&wire__vm_add__descriptor);
	Wire__Vm *vm = wire_new(&wire__vm__descriptor);
	char name[16], uuid[40];

	name_vm(name, number);
	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012u", number);
	vm->essence = wire_new(&wire__essence__descriptor);
	vm->essence->memory_mib = 64;
	vm->essence->vcpus = 1;
	vm->essence->digest = 1;
	wire_set(&vm->essence->virt_type, "qemu");
	wire_set(&vm->name, name);
	wire_set(&vm->uuid, uuid);
	wire_set(&vm->xml, "<domain/>");
	vm->wanted = WIRE__VM__WANTED__RUNNING;
	add->vm = vm;
	return COMMAND(VM_ADD, add);
}

static Wire__Command *remove_vm(uint32_t vm, bool force)
{
	Wire__VmRemove *remove = wire_new(&wire__vm_remove__descriptor);
	char name[16];

	name_vm(name, vm);
	wire_set(&remove->name, name);
	remove->force = force;
	return COMMAND(VM_REMOVE, remove);
}

static Wire__Command *want(const char *name, Wire__Vm__Wanted wanted, bool force,
			   Wire__Vm__Action action, bool cold)
{
	Wire__VmWant *body = wire_new(&wire__vm_want__descriptor);

	wire_set(&body->name, name);
	body->wanted = wanted;
	body->force = force;
	body->action = action;
	body->cold = cold;
	return COMMAND(VM_WANT, body);
}

Wire__Command *admin_move(const char *name, uint32_t to, bool quick)
{
	Wire__VmMove *body = wire_new(&wire__vm_move__descriptor);

	wire_set(&body->name, name);
	body->to = to;
	body->how = quick ? WIRE__VM_MOVE__HOW__QUICK : WIRE__VM_MOVE__HOW__LIVE;
	return COMMAND(VM_MOVE, body);
}

static Wire__Command *cancel(uint32_t vm)
{
	Wire__VmCancel *body = wire_new(&wire__vm_cancel__descriptor);
	char name[16];

	name_vm(name, vm);
	wire_set(&body->name, name);
	return COMMAND(VM_CANCEL, body);
}

static Wire__Param **one_param(const char *key, const char *value)
{
	Wire__Param **params = mem_new_array(Wire__Param *, 1);

	params[0] = wire_new(&wire__param__descriptor);
	wire_set(&params[0]->key, key);
	wire_set(&params[0]->value, value);
	return params;
}

Wire__Command *admin_set_vm(const char *name, const char *key, const char *value)
{
	Wire__VmSet *body = wire_new(&wire__vm_set__descriptor);

	wire_set(&body->name, name);
	body->changes = one_param(key, value);
	body->n_changes = 1;
	return COMMAND(VM_SET, body);
}

Wire__Command *admin_set_node(uint32_t node, const char *key, const char *value)
{
	Wire__NodeSet *body = wire_new(&wire__node_set__descriptor);
	char name[16];

	snprintf(name, sizeof(name), "n%u", node);
	wire_set(&body->name, name);
	body->changes = one_param(key, value);
	body->n_changes = 1;
	return COMMAND(NODE_SET, body);
}

Wire__Command *admin_set(const char *name, const char *value)
{
	Wire__SettingSet *body = wire_new(&wire__setting_set__descriptor);

	wire_set(&body->name, name);
	wire_set(&body->value, value);
	return COMMAND(SETTING_SET, body);
}

Wire__Command *admin_fence(uint32_t node, bool test)
{
	Wire__FenceTest *body = wire_new(&wire__fence_test__descriptor);
	Wire__FenceRemove *remove;
	char name[24];

	snprintf(name, sizeof(name), "bmc-n%u", node);
	if (test) {
		wire_set(&body->name, name);
		return COMMAND(FENCE_TEST, body);
	}
	wire_free(body);
	remove = wire_new(&wire__fence_remove__descriptor);
	wire_set(&remove->name, name);
	return COMMAND(FENCE_REMOVE, remove);
}

/* ---------------------------------------------------------------- at random */

static Wire__Command *some_setting(struct rng *rng)
{
	static const struct {
		const char *name, *values[4];
	} choices[] = {
		{ "fence.budget", { "0", "1", "3", "16" } },
		{ "fence.budget_window_s", { "10", "60", "600", "600" } },
		{ "fence.timeout_s", { "5", "5", "20", "60" } },
		{ "restart.tries_here", { "0", "1", "2", "5" } },
		{ "restart.tries_total", { "1", "6", "20", "1000" } },
		{ "vm.starts_per_node", { "1", "2", "8", "64" } },
		{ "vm.stop_timeout_s", { "0", "1", "10", "180" } },
		{ "vm.save_timeout_s", { "10", "10", "60", "3600" } },
		{ "vm.start_timeout_s", { "5", "5", "20", "120" } },
		{ "node.join_grace_s", { "0", "5", "60", "60" } },
		{ "node.freeze_s", { "10", "20", "60", "600" } },
		{ "daemon.grace_ms", { "0", "500", "3000", "20000" } },
		{ "migration.guard_ms", { "500", "2000", "2000", "20000" } },
	};
	uint32_t i = rng_below(rng, ARRAY_SIZE(choices));

	return admin_set(choices[i].name, choices[i].values[rng_below(rng, 4)]);
}

static Wire__Command *some_vm_setting(struct world *world, struct rng *rng, const char *name)
{
	static const char *const pairs[][2] = {
		{ "priority", "high" }, { "priority", "low" }, { "ha", "no" }, { "ha", "yes" },
		{ "ha", "yes" }, { "on_guest_shutdown", "restart" },
		{ "on_guest_shutdown", "stop" }, { "cold_start_on_lost_save", "yes" },
		{ "stop_timeout", "1s" }, { "owners", "" }, { "managed", "no" },
		{ "managed", "yes" }, { "managed", "yes" },
	};
	uint32_t i = rng_below(rng, ARRAY_SIZE(pairs) + 1);
	char owners[40];

	if (i < ARRAY_SIZE(pairs))
		return admin_set_vm(name, pairs[i][0], pairs[i][1]);
	snprintf(owners, sizeof(owners), "n%u,n%u", 1 + rng_below(rng, world->nodes),
		 1 + rng_below(rng, world->nodes));
	return admin_set_vm(name, "owners", owners);
}

static Wire__Command *some_wish(struct rng *rng, const char *name)
{
	uint32_t what = rng_below(rng, 10);

	if (what < 4)
		return want(name, WIRE__VM__WANTED__RUNNING, false, 0, rng_below(rng, 4) == 0);
	if (what < 7)
		return want(name, WIRE__VM__WANTED__STOPPED, rng_below(rng, 3) == 0, 0, false);
	if (what < 9)
		return want(name, WIRE__VM__WANTED__PAUSED, false, 0, false);
	return want(name, WIRE__VM__WANTED__RUNNING, false, WIRE__VM__ACTION__RESET, false);
}

/* Whose device one would like to be rid of: one that is just being asked, if there is one. */
static uint32_t some_suspect(struct world *world, struct rng *rng)
{
	const struct state *state = truth_state(world->truth);

	for (size_t i = 0; state && i < state_running_count(state); i++) {
		const Wire__Operation *op = state_running_at(state, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE)
			return op->node;
	}
	return 1 + rng_below(rng, world->nodes);
}

static Wire__Command *some_command(struct world *world, struct rng *rng)
{
	uint32_t vm = 1 + rng_below(rng, world->admin->vms), what = rng_below(rng, 100);
	uint32_t to = rng_below(rng, world->nodes + 1);
	char name[16];

	name_vm(name, vm);
	if (what < 40)
		return admin_move(name, to, rng_below(rng, 3) == 0);
	if (what < 65)
		return some_wish(rng, name);
	if (what < 70)
		return cancel(vm);
	if (what < 78)
		return some_vm_setting(world, rng, name);
	if (what < 82)
		return add_vm(vm);
	if (what < 84)
		return remove_vm(vm, rng_below(rng, 2));
	if (what < 88)
		return admin_set_node(1 + rng_below(rng, world->nodes), "placement",
				      rng_below(rng, 2) ? "yes" : "no");
	if (what < 92)
		return some_setting(rng);
	if (what < 96)
		return admin_fence(1 + rng_below(rng, world->nodes), true);
	if (what < 98)
		return admin_fence(some_suspect(world, rng), false);
	return admin_add_fence(1 + rng_below(rng, world->nodes));
}

void admin_ask(struct world *world, uint32_t node, uint64_t draw)
{
	struct rng rng = { draw };

	admin_command(world, node, some_command(world, &rng), false);
}

/* ---------------------------------------------------------------- before and after */

void admin_furnish(struct world *world)
{
	admin_command(world, 0, add_volume(), true);
	for (uint32_t node = 1; node <= world->founders; node++)
		admin_command(world, 0, admin_add_fence(node), true);
	/* Then both vote. */
	for (uint32_t node = 1; world->founders == 2 && node <= 2; node++)
		admin_command(world, 3 - node, admin_fence(node, true), true);
	for (uint32_t vm = 1; vm <= world->admin->vms; vm++)
		admin_command(world, 0, add_vm(vm), true);
}

static bool runs_at(const struct world *world, const Wire__Vm *vm)
{
	const struct machine *machine = &world->machines[vm->owner];

	return vm->owner && vm->n_maybe == 1 && host_has(machine->host, vm->uuid) &&
	       (vm->wanted == WIRE__VM__WANTED__PAUSED || host_runs(machine->host, vm->uuid) ||
		vm->seen == WIRE__VM__SEEN__SUSPENDED);
}

/* What an administrator would do about it now, NULL: nothing; or wait, if it is not well. */
static Wire__Command *remedy(struct world *world, const Wire__Vm *vm, bool *ret_well)
{
	*ret_well = false;
	if (vm->unmanaged)
		return admin_set_vm(vm->name, "managed", "yes");
	if (vm->n_possible_owners)
		return admin_set_vm(vm->name, "owners", "");
	if (vm->phase == WIRE__VM__PHASE__FAILED)
		return want(vm->name, WIRE__VM__WANTED__RUNNING, false, 0, true);
	if (vm->wanted == WIRE__VM__WANTED__STOPPED)
		*ret_well = vm->phase == WIRE__VM__PHASE__OFF && vm->n_maybe == 0;
	else
		*ret_well = vm->phase == WIRE__VM__PHASE__RUN && runs_at(world, vm);
	return NULL;
}

void admin_give_up(struct world *world)
{
	struct idmap *requests = &world->admin->requests;

	world->admin->going = 0;
	admin_end_loans(world->admin);
	for (size_t i = idmap_count(requests); i-- > 0;) {
		struct request *request = idmap_at(requests, i, NULL);

		if (!request->must)
			forget(world->admin, request);
	}
}

void admin_touch(struct world *world)
{
	admin_command(world, 0, admin_set("restart.tries_total", "1000"), true);
}

bool admin_restore(struct world *world)
{
	const struct state *state = truth_state(world->truth);
	bool well;

	if (!state || world->admin->musts)
		return false;
	if (strcmp(state_setting(state, SET_RESTART_TRIES_TOTAL), "1000") != 0) {
		admin_command(world, 0, admin_set("restart.tries_total", "1000"), true);
		return false;
	}
	well = admin_restore_nodes(world, state);
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		bool vm_well;
		Wire__Command *command =
			remedy(world, state_at(state, WIRE__TABLE__TABLE_VM, i), &vm_well);

		if (command)
			admin_command(world, 0, command, true);
		well &= vm_well;
	}
	return well && !world->admin->musts;
}
