/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/trace/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/idmap.h"
#include "base/mem.h"
#include "clusterd/core/record.h"
#include "tests/trace/host.h"
#include "wire/command.h"
#include "wire/message.h"

/* A frame on its way; those of an older view never arrive. */
struct flight {
	struct buf frame;
	unsigned sender;
	unsigned side; /* of the split it was sent in */
};

struct disk {
	uint64_t promised, index, epoch, id;
	struct idmap entries;     /* by index: struct persist */
	struct idmap records[16]; /* by table, by id: struct buf */
};

struct machine {
	bool power, daemon;
	unsigned boots, starts;
	struct core *core;
	struct disk disk;
	struct host *host;
	uint64_t deadline_ms;
	uint64_t persisted, to_persist;
	unsigned side;
	char boot_id[40];
};

struct world {
	unsigned nodes;
	struct machine machines[WORLD_NODES + 1];
	struct flight flights[8192];
	size_t first, last;
	uint64_t now_ms, tag, request;
	struct buf story, told;
	Wire__Verdict *verdict;
	uint64_t verdict_tag;
	const char *fence_fails;
	struct {
		unsigned node;
		uint64_t ask;
		unsigned target;
		bool status;
	} fences[64];
	size_t fences_n;
};

static void carry_out(struct world *world, unsigned node, struct update *update);

/* ------------------------------------------------------------------ disks */

static void disk_entry_free(void *value)
{
	struct persist *entry = value;

	buf_free(&entry->data);
	free(entry);
}

static void disk_record_free(void *value)
{
	buf_free(value);
	free(value);
}

static void disk_wipe(struct disk *disk)
{
	idmap_free(&disk->entries, disk_entry_free);
	for (unsigned t = 0; t < 16; t++)
		idmap_free(&disk->records[t], disk_record_free);
	disk->index = disk->epoch = 0;
}

static void drop_entries(struct disk *disk, uint64_t below, uint64_t above)
{
	for (size_t i = idmap_count(&disk->entries); i-- > 0;) {
		uint64_t index;

		idmap_at(&disk->entries, i, &index);
		if (index < below || index > above)
			disk_entry_free(idmap_remove(&disk->entries, index));
	}
}

static void disk_put(struct disk *disk, const struct persist *p)
{
	struct buf *record = mem_new(struct buf);
	void *old;

	buf_append(record, p->data.data, p->data.len);
	old = idmap_put(&disk->records[p->table], p->id, record);
	if (old)
		disk_record_free(old);
}

static void disk_append(struct disk *disk, const struct persist *p)
{
	struct persist *entry = mem_new(struct persist);
	void *old;

	*entry = *p;
	entry->data = (struct buf){ 0 };
	buf_append(&entry->data, p->data.data, p->data.len);
	old = idmap_put(&disk->entries, p->index, entry);
	if (old)
		disk_entry_free(old);
}

static void disk_write(struct disk *disk, const struct persist *p)
{
	void *old;

	switch (p->kind) {
	case PERSIST_PROMISE:
		disk->promised = p->value;
		break;
	case PERSIST_CUT:
		drop_entries(disk, 0, p->value);
		break;
	case PERSIST_TRIM:
		drop_entries(disk, p->value, UINT64_MAX);
		break;
	case PERSIST_APPEND:
		disk_append(disk, p);
		break;
	case PERSIST_PUT:
		disk_put(disk, p);
		break;
	case PERSIST_DEL:
		old = idmap_remove(&disk->records[p->table], p->id);
		if (old)
			disk_record_free(old);
		break;
	case PERSIST_APPLIED:
		disk->index = p->value;
		disk->epoch = p->epoch;
		break;
	case PERSIST_WIPE:
		disk_wipe(disk);
		break;
	}
}

static void disk_load(const struct disk *disk, struct core *core)
{
	int r = 0;

	core_load_promise(core, disk->promised);
	core_load_applied(core, disk->index, disk->epoch);
	for (uint32_t t = 0; t < 16; t++)
		for (size_t i = 0; i < idmap_count(&disk->records[t]); i++) {
			uint64_t id;
			struct buf *record = idmap_at(&disk->records[t], i, &id);

			r |= core_load_record(core, t, id, record->data, record->len);
		}
	for (size_t i = 0; i < idmap_count(&disk->entries); i++) {
		struct persist *e = idmap_at(&disk->entries, i, NULL);

		r |= core_load_entry(core, e->index, e->epoch, e->data.data, e->data.len);
	}
	r |= core_load_done(core);
	assert(r == 0);
}

/* ------------------------------------------------------------------ what must never be */

static const Wire__Vm *any_record(struct world *world, uint64_t vm)
{
	const Wire__Vm *newest = NULL;
	uint64_t index = 0;

	for (unsigned n = 1; n <= world->nodes; n++) {
		const struct core *core = world->machines[n].core;

		if (core && state_index(core_state(core)) >= index &&
		    state_vm(core_state(core), vm)) {
			index = state_index(core_state(core));
			newest = state_vm(core_state(core), vm);
		}
	}
	return newest;
}

static void never(const struct world *world, const char *what)
{
	fprintf(stderr, "at %llu ms: %s\nstory so far:\n%s\n", (unsigned long long)world->now_ms,
		what, buf_str(&world->story));
	abort();
}

static void check_guests(struct world *world)
{
	uint64_t vms[256];
	unsigned where[256];
	size_t n = 0;

	for (unsigned node = 1; node <= world->nodes; node++) {
		uint64_t running[256];
		size_t count = host_running(world->machines[node].host, running, 256);

		for (size_t i = 0; i < count; i++) {
			const Wire__Vm *record = any_record(world, running[i]);

			for (size_t k = 0; k < n; k++)
				if (vms[k] == running[i])
					never(world, "one VM runs on two nodes");
			if (record && !vm_holds(record, node))
				never(world, "a VM runs where it may not be held");
			vms[n] = running[i];
			where[n++] = node;
		}
	}
	(void)where;
}

static void check_states(struct world *world)
{
	for (unsigned a = 1; a <= world->nodes; a++)
		for (unsigned b = a + 1; b <= world->nodes; b++) {
			const struct core *x = world->machines[a].core,
					  *y = world->machines[b].core;

			if (x && y && state_index(core_state(x)) == state_index(core_state(y)) &&
			    state_digest(core_state(x)) != state_digest(core_state(y)))
				never(world, "two states differ at one index");
		}
}

/* ------------------------------------------------------------------ events */

static struct event at(struct world *world, enum event_kind kind)
{
	return (struct event){ .kind = kind,
			       .now_ms = world->now_ms,
			       .wall_ms = 1700000000000ull + world->now_ms };
}

static void step_core(struct world *world, unsigned node, const struct event *event)
{
	struct machine *machine = &world->machines[node];
	struct update update;

	if (!machine->core)
		return;
	update_init(&update);
	core_step(machine->core, event, &update);
	carry_out(world, node, &update);
	update_reset(&update);
	check_guests(world);
	check_states(world);
}

static void send_view(struct world *world, unsigned node)
{
	uint32_t members[WORLD_NODES], ring[WORLD_NODES];
	struct event event = at(world, EVENT_VIEW);
	size_t m = 0, r = 0;

	for (unsigned n = 1; n <= world->nodes; n++) {
		if (world->machines[n].side != world->machines[node].side ||
		    !world->machines[n].power)
			continue;
		ring[r++] = n;
		if (world->machines[n].daemon)
			members[m++] = n;
	}
	event.view = (struct event_view){ members, m, ring, r };
	step_core(world, node, &event);
}

static void new_view(struct world *world)
{
	for (size_t i = world->first; i < world->last; i++)
		buf_free(&world->flights[i].frame);
	world->first = world->last = 0;
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].daemon)
			send_view(world, n);
}

void world_news(void *context, unsigned node, const Wire__AgentNews *news)
{
	struct event event = at(context, EVENT_AGENT_NEWS);

	event.news = news;
	step_core(context, node, &event);
}

void world_reply(void *context, unsigned node, uint64_t ask, const Wire__AgentReply *reply)
{
	struct event event = at(context, EVENT_AGENT_REPLY);

	event.reply = (struct event_reply){ ask, reply };
	step_core(context, node, &event);
}

void world_tell(void *context, const char *line)
{
	struct world *world = context;

	buf_printf(&world->story, "%s\n", line);
}

/* ------------------------------------------------------------------ carrying out */

static void fence_later(struct world *world, unsigned node, const struct ask *ask)
{
	const Wire__FenceCall *call = ask->request->fence;
	size_t n = world->fences_n++;

	assert(n < 64);
	world->fences[n].node = node;
	world->fences[n].ask = ask->id;
	world->fences[n].target = (unsigned)(call->node_name[1] - '0');
	world->fences[n].status = call->action == WIRE__FENCE_CALL__ACTION__STATUS;
}

static void carry_out(struct world *world, unsigned node, struct update *update)
{
	struct machine *machine = &world->machines[node];

	for (size_t i = 0; i < update->persists_n; i++)
		disk_write(&machine->disk, &update->persists[i]);
	if (update->persists_n)
		machine->to_persist = update->persist_seq;
	for (size_t i = 0; i < update->frames_n; i++) {
		struct flight *flight = &world->flights[world->last++];

		assert(world->last < sizeof(world->flights) / sizeof(world->flights[0]));
		*flight = (struct flight){ .sender = node, .side = machine->side };
		buf_append(&flight->frame, update->frames[i].data, update->frames[i].len);
	}
	for (size_t i = 0; i < update->asks_n; i++) {
		if (update->asks[i].agent == AGENT_FENCE)
			fence_later(world, node, &update->asks[i]);
		else
			host_ask(machine->host, update->asks[i].id, update->asks[i].request);
	}
	for (size_t i = 0; i < update->answers_n; i++)
		if (update->answers[i].tag == world->verdict_tag) {
			wire_free(world->verdict);
			world->verdict = wire_dup(&update->answers[i].verdict->base);
		}
	machine->deadline_ms = update->deadline_ms;
	if (update->leave != LEAVE_NO && machine->daemon) {
		char line[200];

		snprintf(line, sizeof(line), "n%u: daemon ends: %s", node, update->leave_why);
		world_tell(world, line);
		machine->daemon = false;
	}
}

static void bury_daemons(struct world *world)
{
	bool changed = false;

	for (unsigned n = 1; n <= world->nodes; n++)
		if (!world->machines[n].daemon && world->machines[n].core) {
			core_free(steal_ptr(world->machines[n].core));
			host_agent_down(world->machines[n].host);
			changed = true;
		}
	if (changed)
		new_view(world);
}

/* ------------------------------------------------------------------ time */

static bool deliver(struct world *world)
{
	struct flight flight;
	struct frame_header header;
	ProtobufCMessage *body;
	int r;

	if (world->first == world->last)
		return false;
	flight = world->flights[world->first++];
	if (world->first == world->last)
		world->first = world->last = 0;
	r = frame_decode(flight.frame.data, flight.frame.len, &header, &body);
	assert(r == 0);
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].daemon && world->machines[n].side == flight.side) {
			struct event event = at(world, EVENT_FRAME);

			event.frame = (struct event_frame){ flight.sender, &header, body };
			step_core(world, n, &event);
		}
	frame_body_free(body);
	buf_free(&flight.frame);
	return true;
}

static bool sync_disks(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++) {
		struct machine *machine = &world->machines[n];
		struct event event = at(world, EVENT_PERSISTED);

		if (!machine->core || machine->persisted == machine->to_persist)
			continue;
		machine->persisted = event.persisted = machine->to_persist;
		step_core(world, n, &event);
		return true;
	}
	return false;
}

static bool fence_now(struct world *world)
{
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;
	unsigned node, target;
	bool status;
	uint64_t ask;

	if (!world->fences_n)
		return false;
	node = world->fences[0].node;
	ask = world->fences[0].ask;
	target = world->fences[0].target;
	status = world->fences[0].status;
	world->fences_n--;
	memmove(&world->fences[0], &world->fences[1], world->fences_n * sizeof(world->fences[0]));
	if (!status && !world->fence_fails) {
		char line[80];

		snprintf(line, sizeof(line), "power of n%u off, by n%u", target, node);
		world_tell(world, line);
		if (world->machines[target].power)
			world_kill_node(world, target);
	}
	reply.code = world->fence_fails              ? WIRE__AGENT_REPLY__CODE__FAILED
		     : world->machines[target].power ? WIRE__AGENT_REPLY__CODE__ON
						     : WIRE__AGENT_REPLY__CODE__OFF;
	reply.text = (char *)(world->fence_fails ? world->fence_fails : "power is off");
	world_reply(world, node, ask, &reply);
	return true;
}

static bool hosts_act(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		if (host_act(world->machines[n].host))
			return true;
	return false;
}

bool world_step(struct world *world)
{
	bool did = deliver(world) || sync_disks(world) || hosts_act(world) || fence_now(world);

	bury_daemons(world);
	return did;
}

static uint64_t next_deadline(const struct world *world)
{
	uint64_t next = UINT64_MAX;

	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].core && world->machines[n].deadline_ms &&
		    world->machines[n].deadline_ms < next)
			next = world->machines[n].deadline_ms;
	return next;
}

static void pass_time(struct world *world, uint64_t to_ms)
{
	world->now_ms = to_ms > world->now_ms ? to_ms : world->now_ms + 1;
	for (unsigned n = 1; n <= world->nodes; n++) {
		struct machine *machine = &world->machines[n];

		if (machine->core && machine->deadline_ms &&
		    machine->deadline_ms <= world->now_ms) {
			struct event event = at(world, EVENT_TICK);

			machine->deadline_ms = 0;
			step_core(world, n, &event);
		}
	}
}

void world_settle(struct world *world, uint64_t idle_ms)
{
	uint64_t end_ms = world->now_ms + idle_ms;

	for (unsigned turns = 0;; turns++) {
		uint64_t next;

		assert(turns < 2000000);
		if (world_step(world))
			continue;
		next = next_deadline(world);
		if (next > end_ms)
			break;
		pass_time(world, next);
	}
	world->now_ms = end_ms;
}

bool world_until(struct world *world, const char *text)
{
	for (unsigned turns = 0; turns < 200000; turns++) {
		uint64_t next;

		if (strstr(buf_str(&world->story), text))
			return true;
		if (world_step(world))
			continue;
		next = next_deadline(world);
		if (next == UINT64_MAX || next > world->now_ms + 1000000)
			return false;
		pass_time(world, next);
	}
	return false;
}

/* ------------------------------------------------------------------ faults */

void world_start_daemon(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];
	struct core_config config = {
		.node = node,
		.boot_id = node * 1000 + ++machine->starts,
		.disk_id = machine->disk.id,
		.kernel_boot_id = machine->boot_id,
		.memory_mib = 4096,
		.random = node * 7919u + machine->starts,
	};
	struct event up;

	assert(machine->power && !machine->daemon && !machine->core);
	machine->core = core_new(&config);
	disk_load(&machine->disk, machine->core);
	machine->daemon = true;
	machine->persisted = machine->to_persist = 0;
	machine->deadline_ms = 0;
	host_agent_begins(machine->host);
	up = at(world, EVENT_AGENT_UP);
	step_core(world, node, &up);
	host_agent_up(machine->host);
	new_view(world);
}

void world_kill_daemon(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	if (!machine->core)
		return;
	machine->daemon = false;
	core_free(steal_ptr(machine->core));
	host_agent_down(machine->host);
	new_view(world);
}

void world_stop_daemon(struct world *world, unsigned node)
{
	struct event event = at(world, EVENT_LEAVE);

	step_core(world, node, &event);
}

void world_kill_agent(struct world *world, unsigned node)
{
	struct event event = at(world, EVENT_AGENT_DOWN);

	host_agent_down(world->machines[node].host);
	step_core(world, node, &event);
	host_agent_begins(world->machines[node].host);
	event = at(world, EVENT_AGENT_UP);
	step_core(world, node, &event);
	host_agent_up(world->machines[node].host);
}

void world_kill_node(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	machine->power = false;
	host_power_off(machine->host);
	for (unsigned n = 1; n <= world->nodes; n++)
		host_peer_gone(world->machines[n].host, node);
	machine->daemon = false;
	core_free(steal_ptr(machine->core));
	new_view(world);
}

void world_start_node(struct world *world, unsigned node)
{
	struct machine *machine = &world->machines[node];

	machine->power = true;
	snprintf(machine->boot_id, sizeof(machine->boot_id), "boot-%u-%u", node, ++machine->boots);
	world_start_daemon(world, node);
}

void world_split(struct world *world, unsigned side)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		world->machines[n].side = (side >> (n - 1)) & 1;
	new_view(world);
}

void world_scatter(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		world->machines[n].side = 10 + n;
	new_view(world);
}

void world_fail_starts(struct world *world, unsigned node, const char *why)
{
	host_fail(world->machines[node].host, HOST_START, why);
}

void world_fail_moves(struct world *world, const char *why)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		host_fail(world->machines[n].host, HOST_MOVE, why);
}

void world_fail_saves(struct world *world, const char *why)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		host_fail(world->machines[n].host, HOST_SAVE, why);
}

void world_fail_restores(struct world *world, unsigned node, const char *why)
{
	host_fail(world->machines[node].host, HOST_RESTORE, why);
}

void world_fence_fails(struct world *world, const char *why)
{
	world->fence_fails = why;
}

void world_guest_dies(struct world *world, const char *vm, Wire__VmReport__Cause cause)
{
	unsigned node = world_runs(world, vm);

	assert(node);
	host_guest_ends(world->machines[node].host, world_vm(world, vm)->id, cause);
}

/* ------------------------------------------------------------------ administrators */

const char *world_ask(struct world *world, unsigned node, Wire__Command *command)
{
	struct event event;

	command->request = ++world->request;
	command->time_ms = 1700000000000ull + world->now_ms;
	command->who = (char *)"admin";
	wire_free(steal_ptr(world->verdict));
	world->verdict_tag = ++world->tag;
	event = at(world, EVENT_CLIENT);
	event.client = (struct event_client){ world->verdict_tag, command };
	step_core(world, node, &event);
	for (unsigned turns = 0; !world->verdict && turns < 100000; turns++)
		if (!world_step(world))
			pass_time(world, next_deadline(world));
	assert(world->verdict);
	return world->verdict->text;
}

static unsigned any_node(const struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].core) {
			struct core_standing standing;

			core_standing(world->machines[n].core, &standing);
			if (standing.open)
				return n;
		}
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].core)
			return n;
	return 1;
}

const char *world_add_vm(struct world *world, const char *name, unsigned memory_mib)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	char uuid[40];

	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012llu",
		 (unsigned long long)++world->request);
	essence.memory_mib = memory_mib;
	essence.vcpus = 1;
	essence.virt_type = (char *)"qemu";
	essence.digest = 1;
	vm.name = (char *)name;
	vm.uuid = uuid;
	vm.xml = (char *)"<domain/>";
	vm.essence = &essence;
	vm.wanted = WIRE__VM__WANTED__RUNNING;
	add.vm = &vm;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	return world_ask(world, any_node(world), &command);
}

const char *world_want(struct world *world, const char *vm, Wire__Vm__Wanted wanted)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant want = WIRE__VM_WANT__INIT;

	want.name = (char *)vm;
	want.wanted = wanted;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &want;
	return world_ask(world, any_node(world), &command);
}

const char *world_move(struct world *world, const char *vm, unsigned to, Wire__VmMove__How how)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmMove move = WIRE__VM_MOVE__INIT;

	move.name = (char *)vm;
	move.to = to;
	move.how = how;
	command.body_case = WIRE__COMMAND__BODY_VM_MOVE;
	command.vm_move = &move;
	return world_ask(world, any_node(world), &command);
}

/* ------------------------------------------------------------------ looking */

const char *world_story(struct world *world)
{
	buf_reset(&world->told);
	buf_append(&world->told, world->story.data, world->story.len);
	buf_reset(&world->story);
	return buf_str(&world->told);
}

const Wire__Vm *world_vm(struct world *world, const char *vm)
{
	const Wire__Vm *record =
		state_vm_named(core_state(world->machines[any_node(world)].core), vm);

	return record;
}

unsigned world_runs(struct world *world, const char *vm)
{
	const Wire__Vm *record = world_vm(world, vm);

	for (unsigned n = 1; record && n <= world->nodes; n++)
		if (host_runs(world->machines[n].host, record->id))
			return n;
	return 0;
}

const struct core *world_core(struct world *world, unsigned node)
{
	return world->machines[node].core;
}

uint64_t world_now(struct world *world)
{
	return world->now_ms;
}

/* ------------------------------------------------------------------ genesis */

static void genesis(struct world *world)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Genesis genesis = WIRE__GENESIS__INIT;
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	Wire__Node nodes[WORLD_NODES], *list[WORLD_NODES];
	uint32_t voters[] = { 1, 2, 3, 4, 5 };
	char names[WORLD_NODES][16];
	struct update update;

	cluster.id = 1;
	cluster.name = (char *)"story";
	cluster.uuid = (char *)"12345678-9abc-4def-8123-456789abcdef";
	cluster.voters = voters;
	cluster.n_voters = world->nodes >= 5 ? 5 : 3;
	for (unsigned n = 0; n < world->nodes; n++) {
		wire__node__init(&nodes[n]);
		snprintf(names[n], sizeof(names[n]), "n%u", n + 1);
		nodes[n].id = n + 1;
		nodes[n].name = names[n];
		nodes[n].address = names[n];
		list[n] = &nodes[n];
	}
	genesis.cluster = &cluster;
	genesis.nodes = list;
	genesis.n_nodes = world->nodes;
	command.body_case = WIRE__COMMAND__BODY_GENESIS;
	command.genesis = &genesis;
	update_init(&update);
	core_genesis(&command, &update);
	for (size_t i = 0; i < update.persists_n; i++)
		disk_write(&world->machines[1].disk, &update.persists[i]);
	update_reset(&update);
}

static void add_fences(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++) {
		Wire__Command command = WIRE__COMMAND__INIT;
		Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
		Wire__Fence fence = WIRE__FENCE__INIT;
		Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;
		char name[16];

		snprintf(name, sizeof(name), "bmc-n%u", n);
		fence.name = name;
		fence.agent = (char *)"fence_test";
		fence.targets = &targets;
		fence.n_targets = 1;
		target.node = n;
		add.fence = &fence;
		command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
		command.fence_add = &add;
		world_ask(world, 1, &command);
	}
}

static void add_volume(struct world *world)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VolumeAdd add = WIRE__VOLUME_ADD__INIT;
	Wire__Volume volume = WIRE__VOLUME__INIT;

	volume.name = (char *)"shared";
	volume.driver = (char *)"dir";
	volume.target = (char *)"/clusterstorage/shared";
	volume.declared_shared = true;
	add.volume = &volume;
	command.body_case = WIRE__COMMAND__BODY_VOLUME_ADD;
	command.volume_add = &add;
	world_ask(world, 1, &command);
}

struct world *world_new(unsigned nodes)
{
	struct world *world = mem_new(struct world);

	assert(nodes >= 3 && nodes <= WORLD_NODES);
	world->nodes = nodes;
	world->now_ms = 1000;
	for (unsigned n = 1; n <= nodes; n++) {
		world->machines[n].host = host_new(world, n);
		world->machines[n].disk.id = 500 + n;
	}
	for (unsigned n = 1; n <= nodes; n++)
		for (unsigned m = 1; m <= nodes; m++)
			host_meet(world->machines[n].host, m, world->machines[m].host);
	genesis(world);
	for (unsigned n = 1; n <= nodes; n++)
		world_start_node(world, n);
	world_settle(world, 10000);
	add_fences(world);
	add_volume(world);
	world_settle(world, 10000);
	world_story(world);
	return world;
}

void world_free(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++) {
		core_free(world->machines[n].core);
		disk_wipe(&world->machines[n].disk);
		host_free(world->machines[n].host);
	}
	for (size_t i = world->first; i < world->last; i++)
		buf_free(&world->flights[i].frame);
	wire_free(world->verdict);
	buf_free(&world->story);
	buf_free(&world->told);
	free(world);
}
