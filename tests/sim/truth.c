/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log and the states: what was applied once stays, and is the same everywhere. */
#include "tests/sim/truth_private.h"

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
#include "wire/command.h"
#include "wire/message.h"

struct truth *truth_new(struct world *world)
{
	struct truth *truth = mem_new(struct truth);

	truth->world = world;
	truth->version = world->config.next ? world->config.next : &version_this;
	truth->state = truth->version->state_new();
	return truth;
}

void truth_free(struct truth *truth)
{
	truth->version->state_free(truth->state);
	for (size_t i = 0; i < truth->n; i++)
		buf_free(&truth->entries[i].command);
	free(truth->entries);
	free(truth->said);
	idmap_free(&truth->requests, NULL);
	idmap_free(&truth->epochs, free);
	free(truth);
}

const struct state *truth_state(const struct truth *truth)
{
	return truth->n ? truth->state : NULL;
}

static bool is_entry(const struct entry *known, const struct rlog_entry *own)
{
	return known->epoch == own->epoch && known->command.len == own->command.len &&
	       memcmp(known->command.data, own->command.data, own->command.len) == 0;
}

/* Real power-offs that were begun within the window before this one, by the true time. */
static void check_budget(struct truth *truth, uint64_t begun)
{
	const struct state *state = truth->state;
	const Wire__Operation *this = begun ? state_operation(state, begun) : NULL;
	uint64_t window_us = state_setting_number(state, SET_FENCE_BUDGET_WINDOW_S) * 1000000;
	uint64_t budget = state_setting_number(state, SET_FENCE_BUDGET), used = 0;

	/* One that is over as it is begun was none of the conductor's: a voter was alone. */
	if (!this || this->kind != WIRE__OPERATION__KIND__FENCE || this->status_only ||
	    this->index != truth->n || this->outcome == WIRE__OPERATION__OUTCOME__DONE)
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

/* Who may have a guest is a node. */
static void check_holders(struct truth *truth)
{
	const struct state *state = truth->state;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		for (size_t k = 0; k < vm->n_maybe; k++)
			if (!state_node(state, vm->maybe[k]->node))
				world_fail(truth->world, "%s may be on n%u, which is no node",
					   vm->name, vm->maybe[k]->node);
	}
}

static void note_voters(struct truth *truth, const struct voters *before)
{
	struct voters voters;

	state_voters(truth->state, &voters);
	if (voters.index == before->index)
		return;
	truth->voters_before = *before;
	truth->world->counts.elections++;
}

/*
 * The leader has seen for a while that half of the nodes are gone: then the cause is elsewhere.
 * What an epoch before this one left in the log, it could not know.
 */
static void check_half(struct truth *truth, uint64_t begun, uint64_t epoch, uint32_t learner)
{
	const Wire__Operation *op = begun ? state_operation(truth->state, begun) : NULL;
	const struct core *core = truth->world->machines[learner].core;
	uint32_t leader = core ? core->standing.leader : 0;
	const struct machine *machine = &truth->world->machines[leader];

	/* One that is over at once tells what one of two voters did, who does not ask for that. */
	if (!op || op->kind != WIRE__OPERATION__KIND__FENCE || op->status_only ||
	    op->outcome != WIRE__OPERATION__OUTCOME__RUNNING || op->index != truth->n ||
	    !leader || !machine->core ||
	    machine->core->standing.epoch != epoch ||
	    truth->world->now_us < machine->ring_us + LONG_US)
		return;
	if (half_is_lost(core_state(machine->core), machine->told_ring))
		world_fail(truth->world, "n%u has power cut although half of the nodes are gone",
			   leader);
}

/* Refused as a whole, for its handler would have left a record that no rule allows. */
static void check_refused(struct truth *truth, const Wire__Verdict *verdict)
{
	if (strstr(verdict->text, "this is a fault of clusterd"))
		world_fail(truth->world, "%s", verdict->text);
}

static void learn(struct truth *truth, const Wire__Entry *entry, uint32_t by)
{
	uint64_t before = state_digest(truth->state);
	struct voters voters;
	struct update update;
	Wire__Verdict *verdict = NULL;
	uint64_t request = 0;

	state_voters(truth->state, &voters);
	truth->version->build->update_init(&update);
	truth->version->apply_entry(truth->state, entry, &update, &verdict, &request);
	if (truth->n == truth->cap) {
		truth->cap = truth->cap ? truth->cap * 2 : 256;
		truth->entries = mem_resize(truth->entries, truth->cap, sizeof(*truth->entries));
	}
	truth->entries[truth->n++] = (struct entry){
		.epoch = entry->epoch, .state = state_digest(truth->state),
		.learned_us = truth->world->now_us, .verdict = verdict->code,
	};
	buf_append(&truth->entries[truth->n - 1].command, entry->command.data, entry->command.len);
	if (request && !idmap_get(&truth->requests, request))
		idmap_put(&truth->requests, request, (void *)(uintptr_t)entry->index);
	else if (request && before != state_digest(truth->state))
		world_fail(truth->world, "entry %" PRIu64 " carries out a request once more",
			   entry->index);
	tell_entry(truth, entry, verdict);
	check_refused(truth, verdict);
	note_voters(truth, &voters);
	check_holders(truth);
	check_budget(truth, verdict->op);
	check_half(truth, verdict->op, entry->epoch, by);
	truth_check_proofs(truth);
	truth_check_records(truth, entry, verdict);
	wire_free(verdict);
	truth->version->build->update_reset(&update);
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
		learn(truth, &entry, 0);
	}
}

static void check_entry(struct truth *truth, const struct machine *machine,
			const struct rlog_entry *own, uint64_t index)
{
	Wire__Entry entry = WIRE__ENTRY__INIT;

	if (index <= truth->n) {
		if (!is_entry(&truth->entries[index - 1], own))
			world_fail(truth->world, "n%u: applied entry %" PRIu64 " is another one",
				   machine->id, index);
		return;
	}
	entry.index = index;
	entry.epoch = own->epoch;
	entry.command.data = own->command.data;
	entry.command.len = own->command.len;
	learn(truth, &entry, machine->id);
}

/*
 * A bit has turned in its memory, or in that of whoever had one turned and sent a snapshot. Nothing
 * of it may survive, so that node is as good as lost; with too many of those, nobody knows what is
 * right.
 */
static void differs(struct machine *machine, uint64_t index)
{
	struct world *world = machine->world;

	if (!machine->turned && (!world->turned_us || world->now_us > world->turned_us + TURNED_US))
		world_fail(world, "n%u: another state at %" PRIu64, machine->id, index);
	machine->turned = machine->lost = true;
	world->turned_us = world->now_us;
	if (!truth_survives(world->truth) || !truth_may_lose(world->truth))
		world->hopeless = true;
}

static void check_state(struct truth *truth, struct machine *machine)
{
	const struct state *state = core_state(machine->core);
	uint64_t index = state_index(state);

	if (index > truth->n)
		world_fail(truth->world, "n%u has a state that nobody has reached", machine->id);
	else if (index && truth->entries[index - 1].state != state_digest(state))
		differs(machine, index);
	else
		machine->turned = false;
}

/* What was applied in this step, wherever it is in the log still. */
static void check_applied(struct truth *truth, struct machine *machine)
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
	truth_check_disks(truth);
	truth_check_guests(truth);
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
		if (!own || !is_entry(known, own)) {
			world_fail(truth->world, "n%u: epoch %" PRIu64 " %s entry %" PRIu64,
				   machine->id, epoch, own ? "has another" : "lacks", i);
			return;
		}
	}
}

/* The log that it is READY with, and its promise. */
static bool is_durable(const struct disk *disk, const struct round *round)
{
	return disk->promised >= round->epoch && disk_last(disk) >= round->base &&
	       (disk->applied >= round->base ||
		disk_epoch(disk, round->base) == round->base_epoch);
}

/* What is on its disk now counts; what becomes of it later, those who hear READY cannot know. */
static void note_ready(struct truth *truth, const struct machine *machine)
{
	const struct round *round = &machine->core->replica->round;
	struct frame_round *noted = &truth->ready_round[machine->id];

	if (round_same(noted, &round->id))
		return;
	*noted = round->id;
	if (round->epoch <= truth->last_epoch || !is_durable(machine->disk, round))
		return;
	if (truth->said_n == truth->said_cap) {
		truth->said_cap = truth->said_cap ? truth->said_cap * 2 : 64;
		truth->said = mem_resize(truth->said, truth->said_cap, sizeof(*truth->said));
	}
	truth->said[truth->said_n++] = (struct said_ready){
		.round = round->id, .epoch = round->epoch, .node = machine->id,
		.boot_id = machine->core->replica->config.boot_id, .disk = machine->disk->id,
	};
}

static void forget_ready(struct truth *truth)
{
	size_t kept = 0;

	for (size_t i = 0; i < truth->said_n; i++)
		if (truth->said[i].epoch > truth->last_epoch)
			truth->said[kept++] = truth->said[i];
	truth->said_n = kept;
}

/* The daemon that said HELLO in that round was READY in it, with that disk; 0: with any. */
static bool was_ready(const struct truth *truth, const struct round *round, uint32_t node,
		      uint64_t disk)
{
	for (size_t i = 0; i < truth->said_n; i++) {
		const struct said_ready *said = &truth->said[i];

		if (said->node == node && round_same(&said->round, &round->id) &&
		    said->boot_id == round->hello[node - 1].boot_id &&
		    (!disk || said->disk == disk))
			return true;
	}
	return false;
}

/*
 * Nobody decides without a majority of those who vote, however many others there are; but for one
 * of two, of which truth_alone.c knows.
 */
static void check_opened(struct truth *truth, const struct round *round)
{
	struct voters voters;
	size_t ready = 0;

	if (truth->n <= 1)
		return;
	state_voters(truth->state, &voters);
	for (size_t i = 0; i < voters.n; i++)
		ready += (round->ready & node_bit(voters.nodes[i])) &&
			 was_ready(truth, round, voters.nodes[i], voters.disks[i]);
	if (ready < (alone_in(round) ? 1 : voters_majority(&voters)))
		world_fail(truth->world, "epoch %" PRIu64 " is opened without a majority of voters",
			   round->epoch);
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
	if (round->phase == PHASE_READY)
		note_ready(truth, machine);
	if (!round->open)
		return;
	if (round->epoch > truth->last_epoch || !idmap_get(&truth->epochs, round->epoch)) {
		idmap_put(&truth->epochs, round->epoch, mem_dup(&round->id, sizeof(round->id)));
		truth->world->counts.epochs++;
		if (round->epoch > truth->last_epoch) {
			check_opened(truth, round);
			truth->last_epoch = round->epoch;
			forget_ready(truth);
		}
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
		      (truth_countable(truth) & node_bit(machine->id));

	if (!machine->turned && truth->ready_us[machine->id] && node &&
	    node->disk_id == machine->disk->id && counts &&
	    machine->disk->promised >= truth->last_epoch)
		machine->lost = false;
}

void truth_step(struct truth *truth, struct machine *machine)
{
	check_applied(truth, machine);
	check_epoch(truth, machine);
	truth_check_alone(truth, machine);
	if (machine->lost)
		find_disk(truth, machine);
	if (truth->world->counts.events >= truth->looked + 1000)
		truth_all(truth);
}

void truth_daemon_started(struct truth *truth, struct machine *machine)
{
	truth->seen_epoch[machine->id] = 0;
	truth->ready_us[machine->id] = 0;
	truth->ready_round[machine->id] = (struct frame_round){ 0 };
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
	struct world *world = truth->world;

	truth->looked = world->counts.events;
	truth_check_disks(truth);
	truth_check_guests(truth);
	for (uint32_t id = 1; id <= world->nodes; id++)
		if (world->machines[id].core) {
			const struct state *state = core_state(world->machines[id].core);

			check_state(truth, &world->machines[id]);
			if (digest_of_records(state) != state_digest(state))
				world_fail(truth->world, "n%u: its digest is not that of its "
					   "records", id);
		}
}
