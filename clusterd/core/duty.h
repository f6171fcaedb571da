/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_DUTY_H
#define CLUSTERD_CORE_DUTY_H

/*
 * One VM as this node's duties see it: what the agent says of it, what was asked of the
 * agent and how that ended, what was reported. For the files duties.c and duty*.c alone.
 */

#include "clusterd/core/core_private.h"
#include "clusterd/core/record.h"

enum duty_ask {
	ASK_NOTHING, ASK_START, ASK_STOP, ASK_KILL, ASK_PAUSE, ASK_RESUME, ASK_ACTION,
	ASK_MIGRATE, ASK_CANCEL, ASK_HAND_OVER, ASK_SAVE, ASK_RESTORE,
};

/* Two asks at a time: the long one, and one that may overtake it (cancel, kill, hand-over). */
enum { SLOT_MAIN, SLOT_SIDE, SLOTS };

struct duty_slot {
	uint64_t id;			/* 0 = free */
	enum duty_ask kind;
	uint64_t generation;
	uint64_t op;			/* of an action: which one */
};

/* How the last ask of the main or side slot ended. */
struct duty_done {
	enum duty_ask kind;
	uint64_t generation, op;
	Wire__AgentReply__Code code;
	char *text, *chain;
	uint64_t at_ms;
};

struct duty {
	uint64_t vm;
	uint64_t moves_generation, moved_ms;	/* of the last ask for a move, and when */
	unsigned moves;				/* asks for that generation */
	uint64_t alone_generation, alone_ms;	/* it comes in and its source is gone: since when */
	bool known;			/* since the agent's last inventory */
	uint64_t watch;			/* the last Watch that named it; 0 = none of this agent */
	uint64_t watch_look;		/* the VM's look at that time */
	uint64_t looked;		/* look that the agent has answered since; 0 = none */
	Wire__DomainNews__State state;
	Wire__VmReport__Cause cause;
	char *reason, *text;
	bool job;
	uint64_t state_ms;		/* when state changed last */
	Wire__Essence *live;
	char *live_xml;
	uint64_t live_reported, live_epoch;	/* digest that was told last, in which epoch */
	uint64_t live_ms;			/* and when */

	struct duty_slot slots[SLOTS];
	struct duty_done done[SLOTS];
	uint64_t quiet_ms[SLOTS];		/* an ask had no answer: no other until then */

	Wire__VmReport__What report;	/* last one proposed */
	uint64_t report_generation, report_epoch, report_ms;
	uint64_t dropped;		/* generation whose right was given up; 0 = none */
};

/* A fence call of this node, until the cluster has its result. */
struct fence_duty {
	uint64_t op, ask;		/* ask 0: nothing was asked */
	uint32_t node;			/* whose power it is about */
	bool over;
	uint64_t over_ms;		/* since when */
	Wire__AgentReply *reply;	/* once over; NULL: no answer */
	const char *instead;		/* why nothing was asked, or NULL */
	uint64_t said_ms, said_epoch;
};

/* What this node removes from a volume, one file after the other. */
struct leftover_duty {
	uint64_t volume, ask;		/* ask 0: nothing is under way */
	Wire__Leftover *about;		/* what was asked for, as it stood then; NULL: nothing */
	Wire__AgentReply *reply;	/* once it is over; NULL: no answer */
	uint64_t over_ms;		/* when the last one was over; 0 = never */
	uint64_t said_ms, said_epoch;
};

/* An ask without an answer is not repeated before that. */
enum { UNANSWERED_MS = 1000 };

/*
 * In which order VMs are named when one Watch cannot name all of them. What this node holds
 * comes first: unnamed, it would be taken to be gone. RANK_AGAIN was asked for and not told.
 */
enum { RANK_HELD, RANK_LOOK, RANK_AGAIN, RANK_REST, RANKS };

struct duties {
	struct idmap vms;		/* by VM id: struct duty */
	bool agent_up, inventory;
	uint64_t watch;			/* ask id of the last Watch */
	uint64_t watch_again_ms;	/* it had no answer: not before then */
	uint64_t watch_digest;		/* of what that Watch is about */
	uint64_t watch_ms;		/* when it was asked */
	bool watch_over;		/* it was answered */
	Wire__NodeFacts *facts;
	bool whole;			/* facts name the volumes, since the agent came up */
	uint64_t report_ms;		/* last NodeReport */
	uint64_t first_ms;		/* when the first one could be made */
	unsigned starting;		/* start asks under way */
	bool crowded;			/* so many that another one had to wait */
	struct idmap ranks;		/* by VM id: struct watch_rank */
	size_t rank_n[RANKS + 1];	/* how many VMs have it */
	uint64_t watched_ids;		/* of the VMs that are the cluster's: a digest */
	struct idmap fences;		/* by operation: struct fence_duty */
	struct idmap leftovers;		/* by volume: struct leftover_duty */
};

/* One run over one VM. */
struct turn {
	struct core *core;
	struct update *update;
	const Wire__Vm *vm;
	struct duty *duty;
};

/* What is known of the VM here; begun with nothing if there was nothing. */
struct duty *duties_vm(struct duties *duties, uint64_t vm);
void duty_free(void *duty);

/* duty_self.c: the report about this node, when something in it is new. */
void duty_report_self(struct core *core, struct update *update);

/*
 * duty_watch.c: tells a new agent which domains are ours; again when these or the volumes
 * change, and as long as there is one to look for that it has not told of.
 */
void duty_run_watch(struct core *core, struct update *update);
/* The last Watch has no answer, or a bad one: what it named was not told. */
void duty_forget_watch(struct core *core);
/* Was all that this node holds named to the agent? */
bool duty_watched_held(struct core *core);
void duty_watch_free(struct duties *duties);

/* duty_fence.c: the fence calls that the committed operations give to this node. */
void duty_run_fences(struct core *core, struct update *update);
/*
 * Ends those that are under way: a node that may not act cuts nobody's power. What is still to
 * be done is asked for again by duty_run_fences().
 */
void duty_end_fences(struct core *core, struct update *update);
void duty_fence_free(void *value);

/* duty_leftover.c: removes what no VM needs any more from the volumes, as far as it is this node's
 * turn. */
void duty_run_leftovers(struct core *core, struct update *update);
/* The agent's answer, NULL for none; false if it is to another question. */
bool duty_leftover_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply);
/* The agent is gone: what it was asked for may have happened or not. */
void duty_forget_leftovers(struct duties *duties);
void duty_leftover_free(void *value);

/* The handler of the VM's phase, for a node that has a part in it. */
void duty_run(struct turn *turn);

/* Asks (duty_ask.c). Busy: one is under way, or had no answer just now. Arms a wake-up. */
bool duty_busy(const struct turn *turn, unsigned slot);
void duty_ask_start(struct turn *turn);
void duty_ask_stop(struct turn *turn);
void duty_ask_simple(struct turn *turn, unsigned slot, enum duty_ask kind);
void duty_ask_migrate(struct turn *turn);
void duty_ask_hand_over(struct turn *turn);
void duty_ask_save(struct turn *turn);
void duty_ask_restore(struct turn *turn);
/* How an ask of this kind and the VM's present generation ended; NULL if it did not yet. */
const struct duty_done *duty_done(const struct turn *turn, enum duty_ask kind);
/* Has it failed so lately that it should not be repeated yet? Arms a wake-up. */
bool duty_too_soon(struct turn *turn, enum duty_ask kind);

/* Reports. The same one is not proposed twice within a second in one epoch. */
void duty_report(struct turn *turn, Wire__VmReport__What what, Wire__VmReport__Cause cause,
		 const char *text);
void duty_report_action(struct turn *turn, Wire__VmReport__What what, uint64_t op,
			const char *text);
/* ABSENT; gives up the right to run this generation first. */
void duty_report_absent(struct turn *turn, Wire__VmReport__Cause cause, const char *text);

#endif
