/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/truth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/record.h"
#include "clusterd/core/round.h"
#include "tests/sim/world_private.h"
#include "wire/command.h"
#include "wire/message.h"

enum {
	IMAGES = 256,
	LONG_US = 5000000,	/* a node that belongs to an epoch for so long is not fenced */
};

/* An entry that was applied somewhere. */
struct entry {
	uint64_t epoch, digest, state;
	uint64_t learned_us;
	Wire__Verdict__Code verdict;
};

struct guest_truth {
	char uuid[40];
	uint64_t disk;		/* stamp of what was written last */
	uint64_t runs;		/* bit n-1: on node n */
	uint64_t outside;	/* of those, the ones that were not the cluster's meanwhile */
};

struct image {
	char path[200];
	uint64_t memory;
	bool consumed;
};

struct truth {
	struct world *world;
	struct state *state;
	struct entry *entries;	/* entry i has index i + 1 */
	size_t n, cap;
	struct idmap requests;	/* by request: index of its entry */
	struct idmap epochs;	/* by epoch: struct frame_round of who opened it */
	uint64_t last_epoch;
	uint64_t seen_index[WORLD_NODES + 1], seen_epoch[WORLD_NODES + 1];
	uint64_t ready_us[WORLD_NODES + 1];	/* since when it is READY; 0 = it is not */
	struct guest_truth guests[WORLD_VMS];
	size_t guests_n;
	uint64_t last_stamp;
	struct image images[IMAGES];
	uint64_t looked;	/* events at the last look at everything */
};

struct truth *truth_new(struct world *world)
{
	struct truth *truth = mem_new(struct truth);

	truth->world = world;
	truth->state = state_new();
	return truth;
}

void truth_free(struct truth *truth)
{
	state_free(truth->state);
	free(truth->entries);
	idmap_free(&truth->requests, NULL);
	idmap_free(&truth->epochs, free);
	free(truth);
}

const struct state *truth_state(const struct truth *truth)
{
	return truth->n ? truth->state : NULL;
}

/* ---------------------------------------------------------------- disks */

static const struct disk *disk_of(const struct truth *truth, uint32_t node)
{
	return truth->world->machines[node].disk;
}

/* A voter counts with the disk that it became one with. */
static uint64_t countable(const struct truth *truth)
{
	struct voters voters;
	uint64_t nodes = 0;

	state_voters(truth->state, &voters);
	for (size_t i = 0; i < voters.n; i++)
		if (!voters.disks[i] || voters.disks[i] == disk_of(truth, voters.nodes[i])->id)
			nodes |= node_bit(voters.nodes[i]);
	return nodes;
}

static bool newer(const struct disk *a, const struct disk *b)
{
	uint64_t epoch_a = disk_last_epoch(a), epoch_b = disk_last_epoch(b);

	return epoch_a > epoch_b || (epoch_a == epoch_b && disk_last(a) > disk_last(b));
}

/* Just these are back: do they know what was committed last, and which epoch was open last? */
static bool enough(const struct truth *truth, uint64_t back)
{
	const struct disk *newest = NULL;
	uint64_t promised = 0;

	for (uint64_t left = back; left; left &= left - 1) {
		const struct disk *disk = disk_of(truth, nodes_lowest(left));

		if (!newest || newer(disk, newest))
			newest = disk;
		if (disk->promised > promised)
			promised = disk->promised;
	}
	return promised >= truth->last_epoch &&
	       (newest->applied >= truth->n ||
		disk_epoch(newest, truth->n) == truth->entries[truth->n - 1].epoch);
}

static size_t lost_voters(const struct truth *truth)
{
	const Wire__Cluster *cluster = state_cluster(truth->state);
	size_t n = 0;

	for (size_t i = 0; i < cluster->n_voters; i++)
		n += truth->world->machines[cluster->voters[i]].lost;
	return n;
}

/* The next larger number with as many bits (Hacker's Delight, 2-1). */
static uint64_t next_subset(uint64_t set)
{
	uint64_t low = set & -set, high = set + low;

	return high | (((set ^ high) >> 2) / low);
}

/* Bit i of `choice` stands for the i-th node of the set. */
static uint64_t choose(uint64_t set, uint64_t choice)
{
	uint64_t chosen = 0;

	for (; set; set &= set - 1, choice >>= 1)
		if (choice & 1)
			chosen |= set & -set;
	return chosen;
}

bool truth_survives(struct truth *truth)
{
	const Wire__Cluster *cluster = state_cluster(truth->state);
	size_t majority = cluster ? cluster->n_voters / 2 + 1 : 1;
	uint64_t voters = countable(truth);
	size_t n = nodes_count(voters);

	if (!cluster || n < majority || lost_voters(truth) > cluster->n_voters - majority)
		return false;
	for (uint64_t choice = (UINT64_C(1) << majority) - 1; choice < UINT64_C(1) << n;
	     choice = next_subset(choice))
		if (!enough(truth, choose(voters, choice)))
			return false;
	return true;
}

bool truth_is_settled(const struct truth *truth, const struct disk *disk)
{
	return disk_last(disk) <= truth->n && disk->promised <= truth->last_epoch;
}

static void check_disks(struct truth *truth)
{
	if (truth->n > 1 && !truth_survives(truth))
		world_fail(truth->world, "a majority of voters could come back without entry %zu, "
			   "or without knowing of epoch %" PRIu64, truth->n, truth->last_epoch);
}

void truth_disk_changed(struct truth *truth, const struct machine *machine)
{
	/* More on a disk is never wrong. */
	if (machine->disk->removed)
		check_disks(truth);
	machine->disk->removed = false;
}

/* ---------------------------------------------------------------- the log */

static uint64_t entry_digest(const struct buf *command)
{
	return digest_bytes(command->data, command->len);
}

/* Real power-offs that were begun within the window before this one, by the true time. */
static void check_budget(struct truth *truth, uint64_t begun)
{
	const struct state *state = truth->state;
	const Wire__Operation *this = begun ? state_operation(state, begun) : NULL;
	uint64_t window_us = state_setting_number(state, SET_FENCE_BUDGET_WINDOW_S) * 1000000;
	uint64_t budget = state_setting_number(state, SET_FENCE_BUDGET), used = 0;

	if (!this || this->kind != WIRE__OPERATION__KIND__FENCE || this->status_only ||
	    this->index != truth->n)
		return;
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		/* Clocks may be a hundredth too fast, and are read in steps of ten seconds. */
		if (op->kind == WIRE__OPERATION__KIND__FENCE && !op->status_only &&
		    (op->outcome == WIRE__OPERATION__OUTCOME__RUNNING ||
		     op->outcome == WIRE__OPERATION__OUTCOME__DONE) &&
		    truth->entries[op->index - 1].learned_us + window_us * 96 / 100 >
			    truth->world->now_us + 10000000)
			used++;
	}
	if (used > budget)
		world_fail(truth->world, "%" PRIu64 " nodes are powered off within the window, %"
			   PRIu64 " are allowed", used, budget);
}

static void check_held(struct truth *truth, struct guest_truth *guest)
{
	const Wire__Vm *vm = state_vm_named(truth->state, guest->uuid);

	if (!vm || vm->unmanaged)
		guest->outside |= guest->runs;
	for (uint64_t left = guest->runs; left; left &= left - 1)
		if (vm && vm_holds(vm, nodes_lowest(left)))
			guest->outside &= ~(left & -left);
		else if (!(guest->outside & left & -left))
			world_fail(truth->world, "%s runs on n%u, and the log does not know that "
				   "it may", vm->name, nodes_lowest(left));
}

static void check_all_held(struct truth *truth)
{
	for (size_t i = 0; i < truth->guests_n; i++)
		if (truth->guests[i].runs)
			check_held(truth, &truth->guests[i]);
}

/* What a report or a step says. */
static const char *detail_of(const Wire__Command *command, char ret[80])
{
	const ProtobufCEnumValue *what = NULL;
	uint64_t vm = 0;

	*ret = '\0';
	if (command->body_case == WIRE__COMMAND__BODY_VM_REPORT) {
		what = protobuf_c_enum_descriptor_get_value(&wire__vm_report__what__descriptor,
							    (int)command->vm_report->what);
		vm = command->vm_report->vm;
	} else if (command->body_case == WIRE__COMMAND__BODY_VM_STEP) {
		what = protobuf_c_enum_descriptor_get_value(&wire__vm__phase__descriptor,
							    (int)command->vm_step->next);
		vm = command->vm_step->vm;
	}
	if (what)
		snprintf(ret, 80, " %s vm %" PRIu64, what->name, vm);
	return ret;
}

static void tell_entry(struct truth *truth, const Wire__Entry *entry, const Wire__Verdict *verdict)
{
	const ProtobufCFieldDescriptor *field = NULL;
	Wire__Command *command = NULL;
	char detail[80];

	if (!truth->world->config.story ||
	    wire_command_unpack(entry->command.data, entry->command.len, &command) < 0)
		return;
	field = protobuf_c_message_descriptor_get_field(&wire__command__descriptor,
							command->body_case);
	world_tell(truth->world, "%" PRIu64 ":%" PRIu64 " %s of n%u%s%s%s", entry->epoch,
		   entry->index, field ? field->name : "nothing", command->node,
		   detail_of(command, detail), *verdict->text ? ": " : "", verdict->text);
	wire_free(command);
}

static void learn(struct truth *truth, const Wire__Entry *entry, uint64_t digest)
{
	uint64_t before = state_digest(truth->state);
	struct update update;
	Wire__Verdict *verdict = NULL;
	uint64_t request = 0;

	update_init(&update);
	apply_entry(truth->state, entry, &update, &verdict, &request);
	if (truth->n == truth->cap) {
		truth->cap = truth->cap ? truth->cap * 2 : 256;
		truth->entries = mem_resize(truth->entries, truth->cap, sizeof(*truth->entries));
	}
	truth->entries[truth->n++] = (struct entry){
		.epoch = entry->epoch, .digest = digest, .state = state_digest(truth->state),
		.learned_us = truth->world->now_us, .verdict = verdict->code,
	};
	if (request && !idmap_get(&truth->requests, request))
		idmap_put(&truth->requests, request, (void *)(uintptr_t)entry->index);
	else if (request && before != state_digest(truth->state))
		world_fail(truth->world, "entry %" PRIu64 " carries out a request once more",
			   entry->index);
	tell_entry(truth, entry, verdict);
	check_budget(truth, verdict->op);
	wire_free(verdict);
	update_reset(&update);
	truth->world->counts.commits++;
}

void truth_genesis(struct truth *truth, const struct update *update)
{
	Wire__Entry entry = WIRE__ENTRY__INIT;

	for (size_t i = 0; i < update->persists_n; i++) {
		const struct persist *persist = &update->persists[i];

		if (persist->kind != PERSIST_APPEND)
			continue;
		entry.index = persist->index;
		entry.epoch = truth->last_epoch = persist->epoch;
		entry.command.data = persist->data.data;
		entry.command.len = persist->data.len;
		learn(truth, &entry, entry_digest(&persist->data));
	}
}

static void check_entry(struct truth *truth, const struct machine *machine,
			const struct rlog_entry *own, uint64_t index)
{
	Wire__Entry entry = WIRE__ENTRY__INIT;
	uint64_t digest = entry_digest(&own->command);

	if (index <= truth->n) {
		const struct entry *known = &truth->entries[index - 1];

		if (known->epoch != own->epoch || known->digest != digest)
			world_fail(truth->world, "n%u: applied entry %" PRIu64 " is another one",
				   machine->id, index);
		return;
	}
	entry.index = index;
	entry.epoch = own->epoch;
	entry.command.data = own->command.data;
	entry.command.len = own->command.len;
	learn(truth, &entry, digest);
}

static void check_state(struct truth *truth, const struct machine *machine)
{
	const struct state *state = core_state(machine->core);
	uint64_t index = state_index(state);

	if (index > truth->n)
		world_fail(truth->world, "n%u has a state that nobody has reached", machine->id);
	else if (index && truth->entries[index - 1].state != state_digest(state))
		world_fail(truth->world, "n%u: another state at %" PRIu64, machine->id, index);
}

/* What was applied in this step, wherever it is in the log still. */
static void check_applied(struct truth *truth, const struct machine *machine)
{
	const struct rlog *log = &machine->core->replica->log;
	uint64_t index = state_index(core_state(machine->core));
	uint64_t *seen = &truth->seen_index[machine->id];
	size_t before = truth->n;

	if (index == *seen)
		return;
	for (uint64_t i = *seen + 1; i <= index; i++) {
		const struct rlog_entry *own = rlog_at(log, i);

		if (own && i <= truth->n + 1)
			check_entry(truth, machine, own, i);
	}
	*seen = index;
	check_state(truth, machine);
	if (truth->n == before)
		return;
	check_disks(truth);
	check_all_held(truth);
}

/* What was committed before this epoch is in the log of a node that is ready in it. */
static void check_log(struct truth *truth, const struct machine *machine, uint64_t epoch)
{
	const struct rlog *log = &machine->core->replica->log;

	for (uint64_t i = rlog_first(log); i <= truth->n; i++) {
		const struct entry *known = &truth->entries[i - 1];
		const struct rlog_entry *own = rlog_at(log, i);

		if (known->epoch >= epoch)
			return;
		if (!own || own->epoch != known->epoch ||
		    entry_digest(&own->command) != known->digest) {
			world_fail(truth->world, "n%u: epoch %" PRIu64 " %s entry %" PRIu64,
				   machine->id, epoch, own ? "has another" : "lacks", i);
			return;
		}
	}
}

static void check_epoch(struct truth *truth, const struct machine *machine)
{
	const struct round *round = &machine->core->replica->round;
	bool ready = round->open && round->phase == PHASE_READY;
	struct frame_round *opener;

	if (!ready)
		truth->ready_us[machine->id] = 0;
	else if (!truth->ready_us[machine->id])
		truth->ready_us[machine->id] = truth->world->now_us;
	if (!round->open)
		return;
	if (round->epoch > truth->last_epoch || !idmap_get(&truth->epochs, round->epoch)) {
		idmap_put(&truth->epochs, round->epoch, mem_dup(&round->id, sizeof(round->id)));
		truth->world->counts.epochs++;
		if (round->epoch > truth->last_epoch)
			truth->last_epoch = round->epoch;
	}
	opener = idmap_get(&truth->epochs, round->epoch);
	if (!round_same(opener, &round->id))
		world_fail(truth->world, "epoch %" PRIu64 " was opened twice", round->epoch);
	if (!ready || truth->seen_epoch[machine->id] == round->epoch)
		return;
	truth->seen_epoch[machine->id] = round->epoch;
	check_log(truth, machine, round->epoch);
}

/* It has all that was committed, and if it votes, then with this disk. */
static void find_disk(struct truth *truth, struct machine *machine)
{
	const Wire__Node *node = state_node(truth->state, machine->id);
	bool counts = !state_voter(truth->state, machine->id) ||
		      (countable(truth) & node_bit(machine->id));

	if (truth->ready_us[machine->id] && node && node->disk_id == machine->disk->id && counts &&
	    machine->disk->promised >= truth->last_epoch)
		machine->lost = false;
}

void truth_step(struct truth *truth, struct machine *machine)
{
	check_applied(truth, machine);
	check_epoch(truth, machine);
	if (machine->lost)
		find_disk(truth, machine);
	if (truth->world->counts.events >= truth->looked + 1000)
		truth_all(truth);
}

void truth_daemon_started(struct truth *truth, struct machine *machine)
{
	truth->seen_epoch[machine->id] = 0;
	truth->ready_us[machine->id] = 0;
	truth->seen_index[machine->id] = state_index(core_state(machine->core));
	check_state(truth, machine);
}

static uint64_t digest_of_records(const struct state *state)
{
	uint64_t set = 0;

	for (uint32_t table = 0; table < DISK_TABLES; table++)
		for (size_t i = 0; i < state_count(state, table); i++) {
			uint64_t id, running = digest_start();
			const struct buf *packed = state_packed(state, table, i, &id);

			running = digest_add_u64(running, table);
			running = digest_add_u64(running, id);
			running = digest_add(running, packed->data, packed->len);
			set = digest_set_add(set, digest_finish(running));
		}
	return set;
}

void truth_all(struct truth *truth)
{
	const struct world *world = truth->world;

	truth->looked = world->counts.events;
	check_disks(truth);
	check_all_held(truth);
	for (uint32_t id = 1; id <= world->nodes; id++)
		if (world->machines[id].core) {
			const struct state *state = core_state(world->machines[id].core);

			check_state(truth, &world->machines[id]);
			if (digest_of_records(state) != state_digest(state))
				world_fail(truth->world, "n%u: its digest is not that of its "
					   "records", id);
		}
}

/* ---------------------------------------------------------------- what is wanted and told */

static void check_fence(struct truth *truth, const struct machine *machine, const struct ask *ask)
{
	const Wire__Node *target = state_node_named(truth->state, ask->request->fence->node_name);

	for (size_t i = 0; i < state_count(truth->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op =
			state_at(truth->state, WIRE__TABLE__TABLE_OPERATION, i);

		if ((op->kind == WIRE__OPERATION__KIND__FENCE ||
		     op->kind == WIRE__OPERATION__KIND__FENCE_TEST) &&
		    op->to == machine->id && target && op->node == target->id)
			return;
	}
	world_fail(truth->world, "n%u asks a power device, and no committed operation says so",
		   machine->id);
}

void truth_asked(struct truth *truth, struct machine *machine, const struct ask *ask)
{
	const Wire__DomainRef *ref = ask->request->domain;
	const Wire__Vm *vm = ref ? state_vm(truth->state, ref->vm) : NULL;
	const struct round *round = &machine->core->replica->round;

	if (!round->open || round->phase != PHASE_READY)
		world_fail(truth->world, "n%u wants something done, and takes part in no epoch",
			   machine->id);
	if (ask->agent == AGENT_FENCE) {
		check_fence(truth, machine, ask);
		return;
	}
	switch (ask->request->body_case) {
	case WIRE__AGENT_REQUEST__BODY_START:
	case WIRE__AGENT_REQUEST__BODY_RESTORE:
	case WIRE__AGENT_REQUEST__BODY_RESUME:
	case WIRE__AGENT_REQUEST__BODY_MIGRATE:
	case WIRE__AGENT_REQUEST__BODY_SAVE:
		if (!vm || !vm_holds(vm, machine->id))
			world_fail(truth->world, "n%u wants %s to run, save or move, and the log "
				   "does not know that it may", machine->id, ref->name);
		break;
	default:
		break;
	}
}

void truth_cut(struct truth *truth, const struct machine *executor, uint32_t node)
{
	struct world *world = truth->world;
	const struct machine *target = &world->machines[node];
	struct core_standing standing;

	world->counts.fences++;
	if (!executor->core || machine_frozen(executor))
		return;
	core_standing(executor->core, &standing);
	if (standing.ring & node_bit(node))
		world_fail(world, "n%u cuts the power of n%u, which it sees in the ring",
			   executor->id, node);
	/* What it could not have heard of by now. */
	if (target->core && truth->ready_us[node] &&
	    world->now_us > truth->ready_us[node] + LONG_US &&
	    !machine_frozen(target) && standing.open)
		world_fail(world, "n%u cuts the power of n%u, which belongs to an epoch",
			   executor->id, node);
}

void truth_acknowledged(struct truth *truth, const struct machine *machine, uint64_t request,
			const Wire__Verdict *verdict)
{
	uint64_t index = (uint64_t)(uintptr_t)idmap_get(&truth->requests, request);

	if (verdict->code != WIRE__VERDICT__CODE__OK)
		return;
	truth->world->counts.acks++;
	if (!index || index > state_index(core_state(machine->core)))
		world_fail(truth->world, "n%u says that something is done, but it is not "
			   "committed", machine->id);
	else if (truth->entries[index - 1].verdict != WIRE__VERDICT__CODE__OK)
		world_fail(truth->world, "n%u says that something is done which entry %" PRIu64
			   " was refused", machine->id, index);
}

bool truth_is_known(const struct truth *truth, uint32_t node, uint64_t request)
{
	const struct core *core = truth->world->machines[node].core;
	uint64_t index = (uint64_t)(uintptr_t)idmap_get(&truth->requests, request);

	return core && index && index <= state_index(core_state(core));
}

/* ---------------------------------------------------------------- guests */

static struct guest_truth *guest_of(struct truth *truth, const char *uuid)
{
	struct guest_truth *guest;

	for (size_t i = 0; i < truth->guests_n; i++)
		if (strcmp(truth->guests[i].uuid, uuid) == 0)
			return &truth->guests[i];
	guest = &truth->guests[truth->guests_n++];
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", uuid);
	guest->disk = ++truth->last_stamp;
	return guest;
}

uint64_t truth_disk(struct truth *truth, const char *uuid)
{
	return guest_of(truth, uuid)->disk;
}

uint64_t truth_runs(struct truth *truth, uint32_t node, const char *uuid, uint64_t memory)
{
	struct guest_truth *guest = guest_of(truth, uuid);

	if (guest->runs)
		world_fail(truth->world, "%s runs on n%u and on n%u", uuid,
			   nodes_lowest(guest->runs), node);
	if (memory != guest->disk)
		world_fail(truth->world, "%s runs on n%u with memory that is older than its disk",
			   uuid, node);
	guest->runs |= node_bit(node);
	guest->disk = ++truth->last_stamp;
	check_held(truth, guest);
	return guest->disk;
}

void truth_rests(struct truth *truth, uint32_t node, const char *uuid)
{
	struct guest_truth *guest = guest_of(truth, uuid);

	guest->runs &= ~node_bit(node);
	guest->outside &= ~node_bit(node);
}

/* ---------------------------------------------------------------- images */

static struct image *image_of(const struct truth *truth, const char *path)
{
	for (size_t i = 0; i < IMAGES; i++)
		if (strcmp(truth->images[i].path, path) == 0)
			return (struct image *)&truth->images[i];
	return NULL;
}

void truth_image_put(struct truth *truth, const char *path, uint64_t memory)
{
	struct image *image = image_of(truth, path);

	if (!image)
		image = image_of(truth, "");
	if (!image) {
		world_fail(truth->world, "images are left over on the volume, %d of them", IMAGES);
		return;
	}
	snprintf(image->path, sizeof(image->path), "%s", path);
	image->memory = memory;
	image->consumed = false;
}

uint64_t truth_image(const struct truth *truth, const char *path, bool *ret_consumed)
{
	const struct image *image = *path ? image_of(truth, path) : NULL;

	*ret_consumed = image && image->consumed;
	return image ? image->memory : 0;
}

void truth_image_consume(struct truth *truth, const char *path)
{
	struct image *image = image_of(truth, path);

	if (image)
		image->consumed = true;
}

bool truth_image_drop(struct truth *truth, const char *path)
{
	struct image *image = *path ? image_of(truth, path) : NULL;

	if (image)
		*image = (struct image){ 0 };
	return image;
}

size_t truth_images(const struct truth *truth)
{
	size_t n = 0;

	for (size_t i = 0; i < IMAGES; i++)
		n += truth->images[i].path[0] != '\0';
	return n;
}
