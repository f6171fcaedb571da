/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vm: what the parts of the vm agent share. For the files vm_*.c alone.
 *
 * Threads: the main one reads requests and keeps the time (vm_agent.c); libvirt's event loop calls
 * back (vm_link.c) and may not block; the keeper opens the connection that events come from;
 * workers (pool.h) do the rest. Nobody waits for another but through the pool and the locks below.
 *
 * Locks, in this order: guest->order, agent->lock. Neither is held while libvirt is called, except
 * guest->order around a look, so that what is told of one domain is in order.
 */
#ifndef AGENTS_VM_H
#define AGENTS_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <libvirt/libvirt.h>

#include "agents/channel.h"
#include "agents/pool.h"
#include "domain/metadata.h"
#include "migrate/driver/outcome.h"
#include "migrate/driver/process.h"
#include "migrate/driver/sight.h"
#include "wire/schema.pb-c.h"

enum {
	VM_DOMAINS_MAX = 16384, /* more than a cluster has VMs */
	VM_WHY_SIZE = 300,
	VM_LOOK_MS = 30000, /* a look that takes longer is stuck */
};

/* What the event loop saw of a move away from here; decides the hand-over. */
struct vm_move {
	bool active; /* libvirt's job is ours and has not returned */
	bool paused_before, suspended, resumed;
	pid_t pid;
	uint64_t suspended_ms;
	struct process_vcpus vcpus; /* when they were stopped, or else when it began */
	unsigned life; /* agent->life when it began; another one: events were missed */
};

struct guest {
	char uuid[DOMAIN_UUID_SIZE];
	pthread_mutex_t order; /* of looks and of what they tell */

	/* under agent->lock */
	uint64_t vm, generation;
	char *name;
	bool listed; /* by the last Watch */
	bool look_queued, look_forced, look_live, look_settle;
	int stopped;   /* VIR_DOMAIN_EVENT_STOPPED_..., -1: none since it last appeared */
	bool ending;   /* its end was ordered by us */
	bool handed_over; /* since its last move stopped it, it has not run here, nor will it */
	unsigned jobs; /* moves and saves of ours on it */
	unsigned making; /* starts and restores of ours that have not come back */
	atomic_bool cancel;
	struct vm_move move;
	enum sight_state state; /* as told last */
	pthread_cond_t changed; /* state did */

	/* under order */
	bool told;
	struct sight last;
	Wire__VmReport__Cause cause;
	int present_id; /* libvirt_id of its last life; -1: none */
	int arrived_id; /* see sight.h */
	int ran_id;     /* libvirt_id of the life in which it was last seen to run; -1: none */
	int torn_id;    /* of one that stood still after a live move failed, and has since */
	bool live_told;
	uint64_t live_digest; /* of what was told */
	uint64_t live_raw;    /* of the XML it was read from: most often nothing has changed */
};

struct vm_volume {
	char *name, *path;
	uint64_t there_ms; /* when it was last seen to be there; 0: never */
	bool looking, looked; /* at this moment; ever */
};

struct agent {
	const char *uri;
	struct channel *channel;
	struct pool *pool;
	int bell; /* eventfd: the main thread has something to look at */

	pthread_mutex_t lock;
	/* under lock */
	struct guest *guests[VM_DOMAINS_MAX];
	size_t guests_n;
	unsigned drops; /* images that are being removed */
	bool connected;
	unsigned life;         /* of the connection; +1 with each */
	char why[VM_WHY_SIZE]; /* not connected: why */
	bool lost;             /* the event connection broke */
	pthread_cond_t lost_cond;

	pthread_mutex_t watch_lock; /* one Watch at a time */
	struct vm_facts *facts;
};

/* ---- vm.c */

/* Ends the process when the daemon cannot be told any more; r is what channel_send() gave. */
void agent_sent(const struct agent *agent, int r);
void agent_send_news(struct agent *agent, const Wire__AgentNews *news);

/* The worker's connection; -ENOTCONN and why when libvirtd does not answer. */
int agent_connect(struct agent *agent, struct link *link, virConnectPtr *ret_conn,
		  char why[VM_WHY_SIZE]);

/* Text as the schema wants it. */
void vm_set_text(char **field, const char *text);

/* ---- vm_agent.c */

/* Serves the daemon until it is gone. */
int agent_run(const char *uri);

/* ---- vm_link.c */

/* Starts the thread that keeps the event connection. */
int vm_link_start(struct agent *agent);

/* ---- vm_guest.c: a domain that is known */

/* The domain with that uuid; NULL if it is unknown. */
struct guest *guest_find(struct agent *agent, const char *uuid);
/*
 * The same, made known if it is not; its ids are those of ref. NULL: its uuid is none. When there
 * is no place for another one, full of those that are long gone, the agent ends: the next one
 * begins with none.
 */
struct guest *guest_of(struct agent *agent, const Wire__DomainRef *ref);

/*
 * In a worker: looks, and gives the news to tell; to be sent before guest_unlock(). Between, nobody
 * else tells anything about it. -EBUSY: another look hangs.
 */
int guest_lock(struct guest *guest, uint64_t timeout_ms);
void guest_unlock(struct guest *guest);
void guest_look_locked(struct agent *agent, struct guest *guest, struct link *link);
/* News of that domain that say nothing yet; free with wire_free(). */
Wire__DomainNews *guest_news_about(struct agent *agent, struct guest *guest);
/* What the last look found; free with wire_free(). Notes that it is told. */
Wire__DomainNews *guest_news_locked(struct agent *agent, struct guest *guest);
/*
 * A call that makes it begins: what was told of it holds no more, and until the call is over,
 * which guest_made() says, it is not told that it is not here. -EBUSY: another look hangs.
 */
int guest_making(struct agent *agent, struct guest *guest);
void guest_made(struct agent *agent, struct guest *guest);
/* Its process is known to be gone, whatever libvirt still makes of it. */
void guest_gone_locked(struct agent *agent, struct guest *guest);
/* What was seen last holds no more. */
void guest_doubt_locked(struct guest *guest, const char *why);
void guest_tell_locked(struct agent *agent, struct guest *guest, bool forced);
void guest_send_news(struct agent *agent, Wire__DomainNews *domain);

/* Waits until the state told last is ABSENT; false: not until then. */
bool guest_wait_absent(struct agent *agent, struct guest *guest, uint64_t until_ms);

/* ---- vm_look.c: when domains are looked at */

/*
 * Queues a look: what is true is told if it is news; forced: anyway; live: the essence of the
 * running definition too; settle: something is about to change, look again until it has.
 */
struct guest_look {
	bool forced, live, settle;
};
void guest_queue_look(struct agent *agent, struct guest *guest, struct guest_look how);
/* Looks at every domain that is known. */
void guest_queue_all(struct agent *agent, struct guest_look how);
/* Looks at those whose state does not last: UNKNOWN, SHUTTING; listed: at all that are listed. */
void guest_queue_unsure(struct agent *agent, bool listed);
/* An event about a domain that is not known: it may be ours. */
void guest_queue_stranger(struct agent *agent, const char *uuid);
/*
 * In a worker: makes every running domain known that bears our mark. With a link each of them is
 * told before this returns, without one soon after. -EIO: libvirt does not say which there are.
 */
int guest_adopt_all(struct agent *agent, virConnectPtr conn, struct link *link);
/* Looks and tells, as the answer to a Watch; UNKNOWN when another look hangs. */
void guest_tell_watch(struct agent *agent, struct guest *guest, uint64_t watch, struct link *link);

/* ---- vm_request.c */

/* Takes the request. */
void vm_request(struct agent *agent, uint64_t id, Wire__AgentRequest *request);

struct request {
	struct job job;
	struct agent *agent;
	uint64_t id;
	Wire__AgentRequest *body;
	struct guest *guest; /* NULL: about none */
	atomic_bool answered;
};
/* The one answer; later ones are dropped: false. */
bool request_answer(struct request *request, Wire__AgentReply *reply);
/* Looks at the domain and answers with what is true about it. chain may be NULL. */
void request_finish(struct request *request, struct link *link, Wire__AgentReply__Code code,
		    const char *text, const char *chain);
/*
 * The same without looking, for when libvirt may hang: with what the last look found, or, with a
 * doubt, UNKNOWN and that as the reason.
 */
void request_finish_told(struct request *request, Wire__AgentReply__Code code, const char *text,
			 const char *doubt);
Wire__AgentReply__Code request_code(enum outcome_code code);

/* ---- vm_power.c, vm_move.c, vm_watch.c: one function for each request, called in a worker */
void vm_do_start(struct request *request, struct link *link);
void vm_do_stop(struct request *request, struct link *link);
void vm_do_kill(struct request *request, struct link *link);
void vm_do_pause(struct request *request, struct link *link);
void vm_do_resume(struct request *request, struct link *link);
void vm_do_action(struct request *request, struct link *link);
void vm_do_xml(struct request *request, struct link *link);
void vm_do_migrate(struct request *request, struct link *link);
void vm_do_cancel(struct request *request, struct link *link);
void vm_do_hand_over(struct request *request, struct link *link);
void vm_do_save(struct request *request, struct link *link);
void vm_do_restore(struct request *request, struct link *link);
void vm_do_drop_image(struct request *request, struct link *link);
void vm_do_watch(struct request *request, struct link *link);

/* ---- vm_facts.c */

struct vm_facts *vm_facts_new(void);
/* What a Watch says. */
void vm_facts_watch(struct agent *agent, const Wire__Watch *watch);
/* Queues their gathering; fresh: what libvirt can do may have changed. Told when they differ. */
void vm_facts_queue(struct agent *agent, bool fresh);
/* From the main thread, now and then: tells at once when the agent is no longer, or again, able. */
void vm_facts_check(struct agent *agent, uint64_t now_ms);

#endif
