/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/agenda.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/state.h"

/*
 * What the chores read. Cluster is the list of voters, which the census counts; all else that is
 * in it changes nothing for those that do not name it.
 */
static const uint64_t topics_of[CHORES] = {
	/* The index of the state with everything that was ever told is in each entry. */
	[CHORE_CENSUS] = TOPIC_APPLIED | TOPIC_STANDING | TOPIC_OWN,
	[CHORE_CONDUCT] = TOPIC_TABLE(CLUSTER) | TOPIC_TABLE(SETTING) | TOPIC_TABLE(NODE) |
			  TOPIC_TABLE(VM) | TOPIC_TABLE(FENCE) | TOPIC_TABLE(VOLUME) |
			  TOPIC_TABLE(OPERATION) | TOPIC_STANDING | TOPIC_OWN | TOPIC_VM,
	/* Of the cluster, the feature level: what it has no place for is not told. */
	[CHORE_SELF] = TOPIC_TABLE(CLUSTER) | TOPIC_TABLE(NODE) | TOPIC_HERE | TOPIC_OWN,
	[CHORE_WATCH] = TOPIC_TABLE(VOLUME) | TOPIC_HERE | TOPIC_OWN | TOPIC_VM,
	/* Nodes, devices and VMs are looked at when a call begins, which is an operation. */
	[CHORE_FENCES] = TOPIC_TABLE(OPERATION) | TOPIC_STANDING | TOPIC_HERE | TOPIC_OWN,
	[CHORE_VMS] = TOPIC_OWN | TOPIC_VM,
	[CHORE_LEFTOVERS] = TOPIC_TABLE(VOLUME) | TOPIC_TABLE(NODE) | TOPIC_STANDING | TOPIC_HERE |
			    TOPIC_OWN,
};

/* Those that go through VMs, and which topics concern each of these. */
static const uint64_t topics_of_vms[CHORES] = {
	[CHORE_CONDUCT] = TOPIC_TABLE(SETTING) | TOPIC_STANDING,
	[CHORE_WATCH] = TOPIC_VM,
	[CHORE_VMS] = TOPIC_TABLE(SETTING) | TOPIC_STANDING | TOPIC_VM,
};

void agenda_init(struct agenda *agenda)
{
	*agenda = (struct agenda){ 0 };
	agenda_hear(agenda, TOPIC_ALL);
}

void agenda_free(struct agenda *agenda)
{
	for (size_t i = 0; i < CHORES; i++) {
		timers_clear(&agenda->chores[i].roll.timers);
		free(agenda->chores[i].roll.ids);
	}
}

/* ------------------------------------------------------------------ what has changed */

static void call_all(struct chore *chore)
{
	struct roll *roll = &chore->roll;

	chore->news |= TOPIC_VM;
	if (roll->all)
		return;
	roll->all = true;
	roll->n = 0;
	timers_clear(&roll->timers);
}

static void add(struct roll *roll, uint64_t vm)
{
	if (roll->all || (roll->n && roll->ids[roll->n - 1] == vm))
		return;
	if (roll->n == roll->cap) {
		roll->cap = roll->cap ? roll->cap * 2 : 16;
		roll->ids = mem_resize(roll->ids, roll->cap, sizeof(*roll->ids));
	}
	roll->ids[roll->n++] = vm;
}

static void call(struct chore *chore, uint64_t vm)
{
	chore->news |= TOPIC_VM;
	add(&chore->roll, vm);
}

void agenda_hear(struct agenda *agenda, uint64_t topics)
{
	for (size_t i = 0; topics && i < CHORES; i++) {
		agenda->chores[i].news |= topics & topics_of[i];
		if (topics & topics_of_vms[i])
			call_all(&agenda->chores[i]);
	}
}

void agenda_hear_record(struct agenda *agenda, uint64_t vm)
{
	for (size_t i = 0; i < CHORES; i++)
		if (topics_of_vms[i])
			call(&agenda->chores[i], vm);
}

void agenda_hear_vm(struct agenda *agenda, uint64_t vm)
{
	for (size_t i = 0; i < CHORES; i++)
		if (topics_of_vms[i] & TOPIC_VM)
			call(&agenda->chores[i], vm);
}

void agenda_hear_vms(struct agenda *agenda)
{
	agenda_hear(agenda, TOPIC_VM);
}

/* ------------------------------------------------------------------ runs */

bool agenda_begin(struct core *core, enum chore_id id, struct update *update)
{
	struct chore *chore = &core->agenda.chores[id];

	chore->due = chore->news || (chore->wake_ms && core->now_ms >= chore->wake_ms);
	if (!chore->due && !core->eager) {
		if (chore->wake_ms)
			update_wake(update, chore->wake_ms);
		return false;
	}
	chore->heard = chore->news;
	chore->news = 0;
	chore->acts = core->agenda.acts;
	chore->outer_ms = update_wakes_apart(update);
	return true;
}

void agenda_end(struct core *core, enum chore_id id, struct update *update)
{
	struct chore *chore = &core->agenda.chores[id];
	uint64_t next_ms = timers_next_ms(&chore->roll.timers);

	if (next_ms)
		update_wake(update, next_ms);
	chore->wake_ms = update_wakes_together(update, chore->outer_ms);
	if (core->agenda.acts != chore->acts)
		chore->news |= TOPIC_OWN;
}

void agenda_rest(struct core *core, enum chore_id id)
{
	struct chore *chore = &core->agenda.chores[id];

	chore->wake_ms = 0;
	chore->news |= topics_of[id];
	if (topics_of_vms[id])
		call_all(chore);
}

/* ------------------------------------------------------------------ VMs */

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t *all_vms(const struct state *state, size_t *ret_n)
{
	size_t n = state_count(state, WIRE__TABLE__TABLE_VM);
	uint64_t *ids = mem_new_array(uint64_t, n);

	for (size_t i = 0; i < n; i++)
		state_packed(state, WIRE__TABLE__TABLE_VM, i, &ids[i]);
	*ret_n = n;
	return ids;
}

static size_t sort_once_each(uint64_t *ids, size_t n)
{
	size_t kept = 0;

	if (n > 1)
		qsort(ids, n, sizeof(*ids), compare_ids);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || ids[i] != ids[i - 1])
			ids[kept++] = ids[i];
	return kept;
}

uint64_t *agenda_take_vms(struct core *core, enum chore_id id, size_t *ret_n, bool *ret_all)
{
	struct chore *chore = &core->agenda.chores[id];
	struct roll *roll = &chore->roll;
	uint64_t *ids, vm;

	*ret_all = roll->all || core->eager;
	if (*ret_all) {
		roll->all = false;
		roll->n = 0;
		timers_clear(&roll->timers);
		return all_vms(core->state, ret_n);
	}
	while (timers_take(&roll->timers, core->now_ms, &vm))
		add(roll, vm);
	*ret_n = sort_once_each(roll->ids, roll->n);
	ids = roll->ids;
	for (size_t i = 0; i < *ret_n; i++)
		timers_set(&roll->timers, ids[i], 0);
	roll->ids = NULL;
	roll->n = roll->cap = 0;
	return ids;
}

struct vm_turn agenda_begin_vm(struct core *core, uint64_t vm, struct update *update)
{
	return (struct vm_turn){ vm, core->agenda.acts, update_wakes_apart(update) };
}

void agenda_end_vm(struct core *core, enum chore_id id, const struct vm_turn *turn,
		   struct update *update)
{
	struct chore *chore = &core->agenda.chores[id];

	timers_set(&chore->roll.timers, turn->vm, update_wakes_together(update, turn->outer_ms));
	if (core->agenda.acts != turn->acts)
		call(chore, turn->vm);
}
