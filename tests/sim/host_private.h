/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_HOST_PRIVATE_H
#define TESTS_SIM_HOST_PRIVATE_H

/*
 * What the files of a host share:
 *
 *	host.c		its guests, and how libvirt and they end
 *	host_agent.c	the vm agent: what it is asked, what becomes of that, and what it says
 *	host_power.c	guests that are started, stopped, paused, resumed
 *	host_move.c	guests that are moved, live or by way of a file
 */

#include "tests/sim/host.h"
#include "tests/sim/world_private.h"

#define STATE(x) WIRE__DOMAIN_NEWS__STATE__##x
#define CODE(x) WIRE__AGENT_REPLY__CODE__##x
#define CAUSE(x) WIRE__VM_REPORT__CAUSE__##x

enum {
	KEEPALIVE_US = 4000000,		/* a connection that is cut is noticed after that */
	NOTICED_US = 4000000,		/* the agent says that libvirt hangs */
	OVERDUE_US = 2000000,		/* shell/agents.h: AGENTS_OVERDUE_MS */
	LOOK_US = 10000000,		/* the agent looks at everything that often */
};

/* A QEMU process; or what is remembered of one. STATE(UNKNOWN): libvirt is making it. */
struct guest {
	char uuid[40], name[64];
	uint64_t vm;
	uint64_t life;			/* another one for each process */
	Wire__DomainNews__State state;
	Wire__VmReport__Cause cause;
	const char *reason;
	uint64_t memory;		/* stamp of the disk that it knows */
	uint64_t handed;		/* the stamp of a copy of it that was complete elsewhere */
	uint64_t job;			/* libvirt's job on it, 0 = none */
	uint32_t from;			/* of one that comes in */
	bool by_hand;			/* a copy that nobody asked for */
	Wire__DomainNews__State told;	/* to the daemon, which has taken it in */
	uint64_t told_life, told_ms;	/* of which process, and when by the machine's clock */
};

/* Something that the agent was asked for; libvirt may go on with it when the agent is gone. */
struct job {
	uint64_t number, ask;		/* ask 0: nobody waits for an answer */
	Wire__AgentRequest *request;
	unsigned step;
	uint64_t life;			/* of the guest's process */
	bool cancelled;
	bool paused;			/* by it, before it saved */
};

struct host {
	struct world *world;
	struct machine *machine;
	uint32_t node;
	struct guest guests[WORLD_VMS];
	size_t guests_n;
	struct idmap jobs;		/* by number: struct job */
	unsigned failures;
	uint64_t failing_us;
	uint64_t hung_us;		/* libvirt does not answer until then */
	bool told_hung;
	uint64_t barrier;		/* that somebody who starts a guest waits for; 0: nobody */
	char starting[40];		/* which guest that is */
	uint64_t stuck_us;		/* nor does the agent */
};

/* ---------------------------------------------------------------- host.c */

bool host_is_hung(const struct host *host);
bool host_is_stuck(const struct host *host);
/* Told to fail at it, and it does, mostly. */
bool host_refuses(struct host *host, unsigned what);
struct guest *guest_find(struct host *host, const char *uuid);
/* The same; one that was not known is from now on, and not here. */
struct guest *guest_know(struct host *host, const Wire__DomainRef *ref);
bool guest_is_here(const struct guest *guest);
/* The agent will look at it, sooner or later. */
void host_look_soon(struct host *host, const struct guest *guest);
void guest_become(struct host *host, struct guest *guest, Wire__DomainNews__State state,
		  const char *reason);
void guest_end(struct host *host, struct guest *guest, Wire__VmReport__Cause cause);
/* A new process of it. */
void guest_begin(struct host *host, struct guest *guest, Wire__DomainNews__State state,
		 const char *reason);
static inline uint64_t host_slot_of(const struct host *host, const struct guest *guest)
{
	return (uint64_t)(guest - host->guests);
}

/* ---------------------------------------------------------------- host_agent.c */

void job_free(void *job);
void job_again(struct host *host, const struct job *job, uint64_t in_us);
void job_next(struct host *host, struct job *job, uint64_t low_us, uint64_t high_us);
/* It is over, and gone after that. */
void job_done(struct host *host, struct job *job, Wire__AgentReply__Code code, const char *text);
/* The process that the job is about; NULL when it is gone. */
struct guest *job_subject(struct host *host, const struct job *job);
/* What libvirt's hook asks the daemon, and what that says at once. */
enum hook_word { HOOK_NO, HOOK_YES, HOOK_BEHIND_BARRIER };
enum hook_word host_hook_asks(struct host *host, const char *uuid, enum core_right right);
/* For a job, which is not put off: behind the barrier all is known that is committed by now. */
bool host_hook_allows(struct host *host, const char *uuid, enum core_right right);

/* ---------------------------------------------------------------- one step of a job */

void job_start(struct host *host, struct job *job);
void job_stop(struct host *host, struct job *job);
void job_kill(struct host *host, struct job *job);
void job_pause(struct host *host, struct job *job);
void job_resume(struct host *host, struct job *job);
void job_migrate(struct host *host, struct job *job);
void job_hand_over(struct host *host, struct job *job);
void job_cancel(struct host *host, struct job *job);
void job_save(struct host *host, struct job *job);
void job_restore(struct host *host, struct job *job);
void job_drop(struct host *host, struct job *job);
/* Of a move: the source keeps its guest. */
void job_give_up_move(struct host *host, struct job *job, const char *why);
void guest_power_off(struct host *host, struct guest *guest, const char *how);

#endif
