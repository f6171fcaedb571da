/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_AGENDA_H
#define CLUSTERD_CORE_AGENDA_H

/*
 * The agenda is what must be looked at again. The parts of a core are level-triggered: each
 * compares what is with what should be, and could be run after every event. Most events change
 * nothing that it reads; then it would find what it found before, and is left out.
 *
 * A chore is one such part. It is due when
 *
 *	something that it reads has changed (the topics of agenda.c),
 *	or it did something in its last run: what it remembers of that is new to it, too,
 *	or a time has come for which it asked with update_wake() in its last run.
 *
 * While it is not due it still waits for that time, so the update of each step asks for it again.
 * A chore that may not be run at all (no epoch is open, for one) rests: it waits for no time, and
 * begins with everything when it may again.
 *
 * There are more VMs than all else, so those chores that go through them have a roll: the VMs
 * that are due, by the same rules for each of them.
 *
 * What a chore owes for this: what it reads besides the time it was given must be a topic of it;
 * where it compares with the time it must ask to be woken when the comparison will turn out
 * differently; and a run that did nothing must leave it such that the next would find the same.
 * An eager core (core.h) runs all chores at each step. That this comes to the same, tests/trace
 * holds in every test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timers.h"
#include "clusterd/core/update.h"

struct core;

enum chore_id {
	CHORE_CENSUS, CHORE_CONDUCT, CHORE_SELF, CHORE_WATCH, CHORE_FENCES, CHORE_VMS,
	CHORE_LEFTOVERS, CHORES
};

/* Tables are topics, too: bit n = table n. */
#define TOPIC_TABLE(name) (UINT64_C(1) << WIRE__TABLE__TABLE_##name)
#define TOPIC_APPLIED (UINT64_C(1) << 32)	/* an entry of the log was */
#define TOPIC_STANDING (UINT64_C(1) << 33)	/* in the epoch, the group and the ring */
#define TOPIC_HERE (UINT64_C(1) << 34)		/* what only this node knows: of its agents */
#define TOPIC_OWN (UINT64_C(1) << 35)		/* what the chore itself did last */
#define TOPIC_VM (UINT64_C(1) << 36)		/* a VM is on its roll */
#define TOPIC_ALL UINT64_MAX

/* Which of the VMs a chore is to look at. */
struct roll {
	bool all;
	uint64_t *ids;			/* in no order; one may be there twice */
	size_t n, cap;
	struct timers timers;		/* what VMs wait for, by id */
};

struct chore {
	uint64_t news;			/* topics, since its last run */
	uint64_t wake_ms;		/* what that run asked for; 0 = nothing */
	bool due;			/* not only run for an eager core: of the present run */
	uint64_t heard;			/* topics that the present run is for */
	uint64_t acts, outer_ms;	/* of the core and of the update, when it began */
	struct roll roll;
};

struct agenda {
	struct chore chores[CHORES];
	uint64_t acts;			/* proposals and asks so far */
};

void agenda_init(struct agenda *agenda);
void agenda_free(struct agenda *agenda);

/* Something of these topics has changed. */
void agenda_hear(struct agenda *agenda, uint64_t topics);
/* That VM's record has changed. */
void agenda_hear_record(struct agenda *agenda, uint64_t vm);
/* What this node alone knows of it has; of all of them. */
void agenda_hear_vm(struct agenda *agenda, uint64_t vm);
void agenda_hear_vms(struct agenda *agenda);

/*
 * True: the chore is to be run, between this and agenda_end(). If not, its wish for a time is
 * repeated.
 */
bool agenda_begin(struct core *core, enum chore_id id, struct update *update);
void agenda_end(struct core *core, enum chore_id id, struct update *update);
/* It cannot be run. */
void agenda_rest(struct core *core, enum chore_id id);

/*
 * The VMs that the chore is to look at in this run, ascending by id, and how many; the caller
 * frees them. Those that were removed are among them, unless ret_all: then it is all there are.
 */
uint64_t *agenda_take_vms(struct core *core, enum chore_id id, size_t *ret_n, bool *ret_all);
/* Around what is done about one of them: its wishes and acts become its own. */
struct vm_turn {
	uint64_t vm, acts, outer_ms;
};
struct vm_turn agenda_begin_vm(struct core *core, uint64_t vm, struct update *update);
void agenda_end_vm(struct core *core, enum chore_id id, const struct vm_turn *turn,
		   struct update *update);

#endif
