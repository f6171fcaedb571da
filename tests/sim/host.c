/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/host.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/world_private.h"
#include "wire/message.h"

#define STATE(x) WIRE__DOMAIN_NEWS__STATE__##x
#define CODE(x) WIRE__AGENT_REPLY__CODE__##x
#define CAUSE(x) WIRE__VM_REPORT__CAUSE__##x
#define BODY(x) WIRE__AGENT_REQUEST__BODY_##x

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
};

/* Something that the agent was asked for; libvirt may go on with it when the agent is gone. */
struct job {
	uint64_t number, ask;		/* ask 0: nobody waits for an answer */
	Wire__AgentRequest *request;
	unsigned step;
	uint64_t life;			/* of the guest's process */
	bool cancelled;
	uint64_t memory;		/* of an image */
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
	uint64_t stuck_us;		/* nor does the agent */
};

struct host *host_new(struct world *world, uint32_t node)
{
	struct host *host = mem_new(struct host);

	host->world = world;
	host->machine = &world->machines[node];
	host->node = node;
	return host;
}

static void job_free(void *value)
{
	struct job *job = value;

	if (job)
		wire_free(job->request);
	free(job);
}

void host_free(struct host *host)
{
	if (!host)
		return;
	idmap_free(&host->jobs, job_free);
	free(host);
}

static bool hung(const struct host *host)
{
	return host->world->now_us < host->hung_us;
}

static bool stuck(const struct host *host)
{
	return host->world->now_us < host->stuck_us;
}

/* Told to fail at it, and it does, mostly. */
static bool refuses(struct host *host, unsigned what)
{
	return host->world->now_us < host->failing_us && (host->failures & what) &&
	       world_permille(host->world, 700);
}

/* ---------------------------------------------------------------- guests */

static struct guest *find(struct host *host, const char *uuid)
{
	for (size_t i = 0; i < host->guests_n; i++)
		if (strcmp(host->guests[i].uuid, uuid) == 0)
			return &host->guests[i];
	return NULL;
}

static struct guest *know(struct host *host, const Wire__DomainRef *ref)
{
	struct guest *guest = find(host, ref->uuid);

	if (!guest) {
		assert(host->guests_n < WORLD_VMS);
		guest = &host->guests[host->guests_n++];
		*guest = (struct guest){ .reason = "" };
		snprintf(guest->uuid, sizeof(guest->uuid), "%s", ref->uuid);
		snprintf(guest->name, sizeof(guest->name), "%s", ref->name);
	}
	guest->vm = ref->vm;
	return guest;
}

static bool is_here(const struct guest *guest)
{
	return guest && guest->state != STATE(ABSENT);
}

bool host_has(const struct host *host, const char *uuid)
{
	return is_here(find((struct host *)host, uuid));
}

bool host_runs(const struct host *host, const char *uuid)
{
	const struct guest *guest = find((struct host *)host, uuid);

	return guest && guest->state == STATE(RUNNING);
}

static uint64_t slot_of(const struct host *host, const struct guest *guest)
{
	return (uint64_t)(guest - host->guests);
}

/* libvirt tells at once, mostly; what it does not tell is seen when the agent looks again. */
static void look_soon(struct host *host, const struct guest *guest)
{
	uint64_t in_us = world_permille(host->world, 20)
				 ? world_some(host->world, 1000000, LOOK_US)
				 : world_some(host->world, 1000, 15000);

	world_due(host->world, DUE_LOOK, host->node, in_us, host->machine->power_life,
		  slot_of(host, guest));
	if (world_permille(host->world, 20))
		world_due(host->world, DUE_LOOK, host->node, 2 * in_us, host->machine->power_life,
			  slot_of(host, guest));
}

static void become(struct host *host, struct guest *guest, Wire__DomainNews__State state,
		   const char *reason)
{
	bool ran = guest->state == STATE(RUNNING), runs = state == STATE(RUNNING);

	guest->state = state;
	guest->reason = reason;
	if (ran && !runs)
		truth_rests(host->world->truth, host->node, guest->uuid);
	if (runs && !ran)
		guest->memory = truth_runs(host->world->truth, host->node, guest->uuid,
					   guest->memory);
	look_soon(host, guest);
}

static void end(struct host *host, struct guest *guest, Wire__VmReport__Cause cause)
{
	guest->cause = cause;
	guest->job = 0;
	become(host, guest, STATE(ABSENT), "");
}

/* A new process of it. */
static void begin(struct host *host, struct guest *guest, Wire__DomainNews__State state,
		  const char *reason)
{
	guest->life = world_new_id(host->world);
	guest->cause = CAUSE(UNKNOWN);
	guest->job = guest->handed = 0;
	become(host, guest, state, reason);
}

/* ---------------------------------------------------------------- what the agent says */

static void tell(struct host *host, Wire__AgentNews *news)
{
	struct input input = { .kind = EVENT_AGENT_NEWS };

	if (!host->machine->agent)
		return;
	input.body = wire_dup(&news->base);
	world_input(host->machine, &input);
}

static void describe(const struct host *host, const struct guest *guest, Wire__DomainRef *ref,
		     Wire__DomainNews *ret)
{
	wire__domain_ref__init(ref);
	wire__domain_news__init(ret);
	ref->vm = guest->vm;
	ref->uuid = (char *)guest->uuid;
	ref->name = (char *)guest->name;
	ret->domain = ref;
	ret->state = hung(host) ? STATE(UNKNOWN) : guest->state;
	ret->job = guest->job != 0;
	ret->cause = guest->cause;
	ret->reason = (char *)(ret->state == STATE(PAUSED) || ret->state == STATE(COMPLETE)
				       ? guest->reason : "");
	ret->text = (char *)(ret->state == STATE(ABSENT) ? "its process ended" : "");
}

/* What could not be told is looked at again as soon as it can. */
static void look_when_it_answers(struct host *host, const struct guest *guest)
{
	if (hung(host))
		world_due(host->world, DUE_LOOK, host->node,
			  host->hung_us - host->world->now_us + 1000, host->machine->power_life,
			  slot_of(host, guest));
}

static void tell_guest(struct host *host, const struct guest *guest, uint64_t watch)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__DomainNews body;
	Wire__DomainRef ref;

	describe(host, guest, &ref, &body);
	body.watch = watch;
	look_when_it_answers(host, guest);
	news.body_case = WIRE__AGENT_NEWS__BODY_DOMAIN;
	news.domain = &body;
	tell(host, &news);
}

static void tell_facts(struct host *host, bool whole)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	char *volumes[] = { (char *)"shared" };

	facts.memory_mib = 8192;
	facts.cpus = 4;
	facts.agent_ok = !host->told_hung;
	facts.agent_reason = (char *)(host->told_hung ? "libvirt hung" : "");
	facts.volumes = volumes;
	facts.n_volumes = whole;
	news.body_case = WIRE__AGENT_NEWS__BODY_FACTS;
	news.facts = &facts;
	news.whole = whole;
	tell(host, &news);
}

void host_look_due(struct host *host, uint64_t number)
{
	const struct guest *guest = &host->guests[number];

	if (!host->machine->agent || !guest->vm)
		return;
	if (stuck(host))
		world_due(host->world, DUE_LOOK, host->node,
			  host->stuck_us - host->world->now_us + 1000, host->machine->power_life,
			  number);
	else
		tell_guest(host, guest, 0);
}

static void look_at_all(struct host *host)
{
	for (size_t i = 0; i < host->guests_n; i++)
		if (host->guests[i].vm)
			look_soon(host, &host->guests[i]);
}

void host_libvirt_due(struct host *host)
{
	bool hangs = hung(host);

	if (hangs == host->told_hung)
		return;
	host->told_hung = hangs;
	if (!host->machine->agent)
		return;
	tell_facts(host, !hangs);
	look_at_all(host);
}

void host_hang(struct host *host, uint64_t for_us)
{
	uint64_t life = host->machine->power_life;

	if (!host->machine->power)
		return;
	if (host->world->now_us + for_us > host->hung_us)
		host->hung_us = host->world->now_us + for_us;
	world_due(host->world, DUE_LIBVIRT, host->node, NOTICED_US, life, 0);
	world_due(host->world, DUE_LIBVIRT, host->node,
		  host->hung_us - host->world->now_us + 1000, life, 0);
}

void host_agent_hang(struct host *host, uint64_t for_us)
{
	host->stuck_us = host->world->now_us + for_us;
}

void host_refuse(struct host *host, unsigned failures, uint64_t for_us)
{
	host->failures = failures;
	host->failing_us = host->world->now_us + for_us;
}

void host_agent_up(struct host *host)
{
	host->stuck_us = 0;
	host->told_hung = false;
	/* Why something ended, only who saw it knows. */
	for (size_t i = 0; i < host->guests_n; i++)
		host->guests[i].cause = CAUSE(UNKNOWN);
	if (hung(host))
		world_due(host->world, DUE_LIBVIRT, host->node, NOTICED_US,
			  host->machine->power_life, 0);
	tell_facts(host, false);
}

/* ---------------------------------------------------------------- jobs */

static void again(struct host *host, const struct job *job, uint64_t in_us)
{
	world_due(host->world, DUE_JOB, host->node, in_us, host->machine->power_life, job->number);
}

static void next(struct host *host, struct job *job, uint64_t low_us, uint64_t high_us)
{
	job->step++;
	again(host, job, world_some(host->world, low_us, high_us));
}

static void reply(struct host *host, struct job *job, Wire__AgentReply__Code code, const char *text)
{
	struct input input = { .kind = EVENT_AGENT_REPLY, .number = job->ask };
	const struct guest *guest = job->request->domain ? find(host, job->request->domain->uuid)
							 : NULL;
	Wire__AgentReply body = WIRE__AGENT_REPLY__INIT;
	Wire__DomainNews news;
	Wire__DomainRef ref;

	if (!job->ask || !host->machine->agent)
		return;
	job->ask = 0;
	body.code = code;
	body.text = (char *)text;
	if (guest) {
		describe(host, guest, &ref, &news);
		look_when_it_answers(host, guest);
		body.domain = &news;
	}
	input.body = wire_dup(&body.base);
	world_input(host->machine, &input);
}

/* Whatever libvirt did is over; the job is gone after that. */
static void done(struct host *host, struct job *job, Wire__AgentReply__Code code, const char *text)
{
	struct guest *guest = job->request->domain ? find(host, job->request->domain->uuid) : NULL;

	if (guest && guest->job == job->number)
		guest->job = 0;
	idmap_remove(&host->jobs, job->number);
	reply(host, job, code, text);
	job_free(job);
}

/* The process that the job is about; NULL when it is gone. */
static struct guest *subject(struct host *host, const struct job *job)
{
	struct guest *guest = find(host, job->request->domain->uuid);

	return is_here(guest) && guest->life == job->life ? guest : NULL;
}

static bool hook_allows(struct host *host, const char *uuid, enum core_right right)
{
	const struct core *core = host->machine->core;
	struct core_standing standing;
	char why[300];
	int r;

	/* It waits for two seconds, and then a guest with the cluster's mark is refused. */
	if (!core || machine_frozen(host->machine))
		return false;
	core_standing(core, &standing);
	r = core_may_run(core, uuid, right, why, sizeof(why));
	/* All of our guests have the mark: shell/hook.c, judge_stranger(). */
	return r == 1 || (r == -ENOENT && (standing.open ||
					   state_vm_named(core_state(core), uuid)));
}

static void do_watch(struct host *host, struct job *job)
{
	const Wire__Watch *watch = job->request->watch;
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__InventoryDone inventory = WIRE__INVENTORY_DONE__INIT;
	uint64_t ask = job->ask;

	if (hung(host)) {
		done(host, job, CODE(FAILED), "libvirt does not answer");
		return;
	}
	/* What is told may be the end of the daemon, and of its asks. */
	idmap_remove(&host->jobs, job->number);
	for (size_t i = 0; i < watch->n_domains; i++)
		know(host, watch->domains[i]);
	for (size_t i = 0; i < host->guests_n; i++)
		if (host->guests[i].vm)
			tell_guest(host, &host->guests[i], ask);
	tell_facts(host, true);
	inventory.watch = ask;
	news.body_case = WIRE__AGENT_NEWS__BODY_INVENTORY;
	news.inventory = &inventory;
	tell(host, &news);
	done(host, job, CODE(OK), "");
}

static void do_start(struct host *host, struct job *job)
{
	struct guest *guest = know(host, job->request->domain);

	if (job->step == 0) {
		if (is_here(guest) || refuses(host, HOST_STARTS)) {
			done(host, job, CODE(FAILED), is_here(guest) ? "it is here already"
								     : "out of memory");
			return;
		}
		if (!hook_allows(host, guest->uuid, RIGHT_START)) {
			done(host, job, CODE(FAILED), "the hook says no");
			return;
		}
		begin(host, guest, STATE(UNKNOWN), "");
		job->life = guest->life;
		next(host, job, 1000 * host->world->job_ms, 5000 * host->world->job_ms);
		return;
	}
	if (!subject(host, job)) {
		done(host, job, CODE(FAILED), "it was killed");
		return;
	}
	if (job->step == 1) {
		world_tell(host->world, "n%u: %s starts", host->node, guest->name);
		host->world->counts.starts++;
		guest->memory = truth_disk(host->world->truth, guest->uuid);
		become(host, guest, STATE(RUNNING), "");
		next(host, job, 1000, 20000);
		return;
	}
	done(host, job, CODE(OK), "");
}

static void power_off(struct host *host, struct guest *guest, const char *how)
{
	if (!is_here(guest))
		return;
	world_tell(host->world, "n%u: %s %s", host->node, guest->name, how);
	end(host, guest, CAUSE(KILLED));
}

static void do_stop(struct host *host, struct job *job)
{
	const Wire__DomStop *stop = job->request->stop;
	struct guest *guest = find(host, job->request->domain->uuid);
	bool deaf = !is_here(guest) || guest->state != STATE(RUNNING) ||
		    world_permille(host->world, 200);

	if (job->step == 0) {
		uint64_t grace_us = stop->force ? 1000 : stop->grace_ms * UINT64_C(1000) + 1000;

		job->life = is_here(guest) ? guest->life : 0;
		next(host, job, deaf ? grace_us : 200000,
		     deaf ? grace_us + 1 : grace_us < 20000000 ? grace_us : 20000000);
		return;
	}
	if (is_here(guest) && guest->life == job->life)
		power_off(host, guest, "is stopped");
	done(host, job, is_here(guest) ? CODE(FAILED) : CODE(OK), "");
}

static void do_kill(struct host *host, struct job *job)
{
	power_off(host, find(host, job->request->domain->uuid), "is killed");
	done(host, job, CODE(OK), "");
}

static void do_pause(struct host *host, struct job *job)
{
	struct guest *guest = find(host, job->request->domain->uuid);

	if (!is_here(guest) || guest->job || guest->state != STATE(RUNNING)) {
		done(host, job, CODE(FAILED), "it does not run");
		return;
	}
	become(host, guest, STATE(PAUSED), "user");
	done(host, job, CODE(OK), "");
}

static void do_resume(struct host *host, struct job *job)
{
	struct guest *guest = find(host, job->request->domain->uuid);

	if (!is_here(guest) || guest->job || guest->state == STATE(INCOMING) ||
	    guest->state == STATE(UNKNOWN)) {
		done(host, job, CODE(FAILED), "it cannot run now");
		return;
	}
	if (guest->state != STATE(RUNNING))
		world_tell(host->world, "n%u: %s goes on", host->node, guest->name);
	become(host, guest, STATE(RUNNING), "");
	done(host, job, CODE(OK), "");
}

/* ---------------------------------------------------------------- moves */

static struct host *destination(struct host *host, const struct job *job)
{
	const char *at = strrchr(job->request->migrate->data_uri, 'n');
	unsigned long node = at ? strtoul(at + 1, NULL, 10) : 0;

	return node >= 1 && node <= host->world->nodes ? host->world->machines[node].host : NULL;
}

static bool linked(const struct host *host, const struct host *to)
{
	return to && net_reaches(host->world, host->node, to->node);
}

static struct guest *arriving(struct host *host, struct host *to, const struct job *job)
{
	struct guest *guest = to ? find(to, job->request->domain->uuid) : NULL;

	return is_here(guest) && guest->from == host->node ? guest : NULL;
}

/* The source keeps it, and the copy is given up if the destination hears of that. */
static void give_up_move(struct host *host, struct job *job, const char *why)
{
	struct host *to = destination(host, job);
	struct guest *guest = subject(host, job), *copy = arriving(host, to, job);

	if (copy && copy->state == STATE(INCOMING) && linked(host, to))
		end(to, copy, CAUSE(INCOMING_LOST));
	if (guest && guest->state == STATE(PAUSED) && strcmp(guest->reason, "postmigrate") == 0) {
		guest->job = 0;
		world_tell(host->world, "n%u: libvirt lets %s go on", host->node, guest->name);
		become(host, guest, STATE(RUNNING), "");
	}
	done(host, job, job->cancelled ? CODE(CANCELLED) : guest ? CODE(FAILED) : CODE(ABSENT),
	     why);
}

static void move_begins(struct host *host, struct job *job)
{
	struct host *to = destination(host, job);
	struct guest *guest = find(host, job->request->domain->uuid), *copy;

	if (!is_here(guest) || guest->job || guest->state == STATE(INCOMING) ||
	    guest->state == STATE(UNKNOWN) || refuses(host, HOST_MOVES)) {
		done(host, job, is_here(guest) ? CODE(FAILED) : CODE(ABSENT), "it cannot be moved");
		return;
	}
	/* migrate/driver/inactive.h: QEMU would abort. */
	if (guest->state == STATE(COMPLETE)) {
		done(host, job, CODE(REFUSED), "it has not run since it came here");
		return;
	}
	if (!linked(host, to) || hung(to)) {
		done(host, job, CODE(FAILED), "cannot connect");
		return;
	}
	copy = know(to, job->request->domain);
	if (is_here(copy) || !hook_allows(to, guest->uuid, RIGHT_INCOMING)) {
		done(host, job, CODE(FAILED), "the other side says no");
		return;
	}
	world_tell(host->world, "n%u: %s is copied to n%u", host->node, guest->name, to->node);
	copy->from = host->node;
	begin(to, copy, STATE(INCOMING), "");
	job->life = guest->life;
	guest->job = job->number;
	look_soon(host, guest);
	next(host, job, 20000 * host->world->job_ms, 200000 * host->world->job_ms);
}

static void move_switches(struct host *host, struct job *job, struct guest *guest)
{
	struct guest *copy = arriving(host, destination(host, job), job);

	if (!copy || refuses(host, HOST_MOVES)) {
		give_up_move(host, job, "the copy is lost");
		return;
	}
	if (guest->state == STATE(RUNNING))
		become(host, guest, STATE(PAUSED), "postmigrate");
	copy->memory = guest->handed = guest->memory;
	become(destination(host, job), copy, STATE(COMPLETE), "migration");
	host->world->counts.moves++;
	next(host, job, 2000, 50000);
}

/* The other side has said that it has it, if that is heard; then the source ends it. */
static void move_finishes(struct host *host, struct job *job, struct guest *guest)
{
	struct host *to = destination(host, job);
	bool heard = linked(host, to) && !refuses(host, HOST_REPLIES);

	if (job->step == 2 && !heard) {
		next(host, job, KEEPALIVE_US / 2, KEEPALIVE_US);
	} else if (job->step == 2) {
		world_tell(host->world, "n%u: libvirt ends %s, which is on n%u now", host->node,
			   guest->name, to->node);
		end(host, guest, CAUSE(HANDED_OVER));
		done(host, job, CODE(OK), "");
	} else {
		give_up_move(host, job, "keepalive timeout");
	}
}

static void do_migrate(struct host *host, struct job *job)
{
	struct guest *guest = subject(host, job);

	if (job->step == 0)
		move_begins(host, job);
	else if (!guest)
		give_up_move(host, job, "it is gone");
	else if (job->step == 1 && (job->cancelled || !linked(host, destination(host, job))))
		give_up_move(host, job, job->cancelled ? "cancelled" : "connection lost");
	else if (job->step == 1)
		move_switches(host, job, guest);
	else
		move_finishes(host, job, guest);
}

static void do_hand_over(struct host *host, struct job *job)
{
	struct guest *guest = find(host, job->request->domain->uuid);

	if (is_here(guest) &&
	    (guest->state != STATE(PAUSED) || guest->memory != guest->handed)) {
		done(host, job, CODE(RAN_ON), "it has run since");
		return;
	}
	if (!is_here(guest)) {
		done(host, job, CODE(ABSENT), "the source was gone already");
		return;
	}
	world_tell(host->world, "n%u: %s is handed over", host->node, guest->name);
	end(host, guest, CAUSE(HANDED_OVER));
	done(host, job, CODE(OK), "");
}

static void do_cancel(struct host *host, struct job *job)
{
	struct guest *guest = find(host, job->request->domain->uuid);
	struct job *other =
		is_here(guest) && guest->job ? idmap_get(&host->jobs, guest->job) : NULL;

	if (other)
		other->cancelled = true;
	done(host, job, CODE(OK), "");
}

/* ---------------------------------------------------------------- by way of a file */

static void do_save(struct host *host, struct job *job)
{
	struct truth *truth = host->world->truth;
	const char *path = job->request->save->path;
	struct guest *guest = find(host, job->request->domain->uuid);
	bool consumed;

	if (job->step > 0)
		guest = subject(host, job);
	if (!is_here(guest)) {
		bool whole = truth_image(truth, path, &consumed) && !consumed;

		done(host, job, whole ? CODE(OK) : CODE(ABSENT), whole ? "" : "it is gone");
	} else if (job->step == 0 && guest->job) {
		done(host, job, CODE(TIMEOUT), "it is being moved or saved still");
	} else if (job->step == 0 && (guest->state == STATE(INCOMING) ||
				      guest->state == STATE(COMPLETE) ||
				      guest->state == STATE(UNKNOWN))) {
		done(host, job, CODE(REFUSED), "it cannot be saved");
	} else if (job->step == 0) {
		job->life = guest->life;
		guest->job = job->number;
		if (guest->state == STATE(RUNNING))
			become(host, guest, STATE(PAUSED), "save");
		next(host, job, 5000 * host->world->job_ms, 100000 * host->world->job_ms);
	} else if (job->cancelled || refuses(host, HOST_SAVES)) {
		guest->job = 0;
		if (strcmp(guest->reason, "save") == 0)
			become(host, guest, STATE(RUNNING), "");
		done(host, job, job->cancelled ? CODE(CANCELLED) : CODE(FAILED), "not saved");
	} else {
		world_tell(host->world, "n%u: %s is saved", host->node, guest->name);
		host->world->counts.saves++;
		truth_image_put(truth, path, guest->memory);
		end(host, guest, CAUSE(KILLED));
		done(host, job, CODE(OK), "");
	}
}

static void do_restore(struct host *host, struct job *job)
{
	struct truth *truth = host->world->truth;
	const char *path = job->request->restore->path;
	struct guest *guest = know(host, job->request->domain);
	bool consumed = false;
	uint64_t memory = truth_image(truth, path, &consumed);

	if (is_here(guest) && guest->state != STATE(UNKNOWN)) {
		done(host, job, consumed && guest->state == STATE(PAUSED) ? CODE(OK) : CODE(FAILED),
		     "it is here already");
	} else if (job->step == 0 && (!memory || refuses(host, HOST_RESTORES))) {
		done(host, job, CODE(FAILED), memory ? "out of memory" : "the image is missing");
	} else if (job->step == 0 && !hook_allows(host, guest->uuid, RIGHT_RESTORE)) {
		done(host, job, CODE(FAILED), "the hook says no");
	} else if (job->step == 0) {
		begin(host, guest, STATE(UNKNOWN), "");
		job->life = guest->life;
		next(host, job, 5000 * host->world->job_ms, 100000 * host->world->job_ms);
	} else if (!subject(host, job) || !memory) {
		done(host, job, CODE(FAILED), "it was killed");
	} else {
		world_tell(host->world, "n%u: %s is restored", host->node, guest->name);
		guest->memory = memory;
		truth_image_consume(truth, path);
		become(host, guest, STATE(PAUSED), "restored");
		done(host, job, CODE(OK), "");
	}
}

static void do_drop(struct host *host, struct job *job)
{
	if (refuses(host, HOST_DROPS)) {
		done(host, job, CODE(FAILED), "permission denied");
		return;
	}
	done(host, job, truth_image_drop(host->world->truth, job->request->drop_image->path)
				? CODE(OK) : CODE(ABSENT), "");
}

static void do_nothing(struct host *host, struct job *job)
{
	done(host, job, CODE(OK), "");
}

/* ---------------------------------------------------------------- all of them */

static const struct kind {
	void (*step)(struct host *host, struct job *job);
	bool libvirt;		/* does not go on without libvirt */
	bool outlives;		/* once it has begun, the agent is not needed for it */
} kinds[] = {
	[BODY(START)] = { do_start, true, true },
	[BODY(STOP)] = { do_stop, true, false },
	[BODY(KILL)] = { do_kill, false, false },
	[BODY(PAUSE)] = { do_pause, true, false },
	[BODY(RESUME)] = { do_resume, true, false },
	[BODY(ACTION)] = { do_nothing, true, false },
	[BODY(MIGRATE)] = { do_migrate, true, true },
	[BODY(CANCEL)] = { do_cancel, true, false },
	[BODY(HAND_OVER)] = { do_hand_over, true, false },
	[BODY(SAVE)] = { do_save, true, true },
	[BODY(RESTORE)] = { do_restore, true, true },
	[BODY(DROP_IMAGE)] = { do_drop, false, false },
	[BODY(WATCH)] = { do_watch, false, false },
};

void host_job_due(struct host *host, uint64_t number)
{
	struct job *job = idmap_get(&host->jobs, number);
	const struct kind *kind;

	if (!job)
		return;
	kind = &kinds[job->request->body_case];
	if (kind->libvirt && hung(host))
		again(host, job, host->hung_us - host->world->now_us +
				 world_some(host->world, 1000, 500000));
	else if (stuck(host) && !(kind->outlives && job->step))
		again(host, job, host->stuck_us - host->world->now_us + 1000);
	else
		kind->step(host, job);
}

void host_overdue_due(struct host *host, uint64_t number)
{
	struct job *job = idmap_get(&host->jobs, number);
	struct input input = { .kind = EVENT_AGENT_REPLY };

	if (!job || !job->ask)
		return;
	if (!stuck(host)) {
		reply(host, job, CODE(TIMEOUT), "no result by its deadline");
		return;
	}
	/* The daemon itself answers in its agent's place. */
	input.number = job->ask;
	job->ask = 0;
	world_input(host->machine, &input);
}

void host_ask(struct host *host, const struct ask *ask)
{
	struct job *job;

	/* It has just died, and the daemon hears of that next. */
	if (!host->machine->agent)
		return;
	job = mem_new(struct job);
	job->number = world_new_id(host->world);
	job->ask = ask->id;
	job->request = wire_dup(&ask->request->base);
	assert(job->request->body_case < sizeof(kinds) / sizeof(kinds[0]) &&
	       kinds[job->request->body_case].step);
	idmap_put(&host->jobs, job->number, job);
	again(host, job, world_some(host->world, 500, 20000));
	world_due(host->world, DUE_OVERDUE, host->node,
		  ask->deadline_ms * UINT64_C(1000) + (stuck(host) ? OVERDUE_US : 0),
		  host->machine->agent_life, job->number);
}

/* ---------------------------------------------------------------- ends */

void host_agent_down(struct host *host)
{
	for (size_t i = idmap_count(&host->jobs); i-- > 0;) {
		struct job *job = idmap_at(&host->jobs, i, NULL);

		job->ask = 0;
		if (!kinds[job->request->body_case].outlives || job->step == 0)
			job_free(idmap_remove(&host->jobs, job->number));
	}
}

void host_power_off(struct host *host)
{
	idmap_free(&host->jobs, job_free);
	for (size_t i = 0; i < host->guests_n; i++)
		if (host->guests[i].state == STATE(RUNNING))
			truth_rests(host->world->truth, host->node, host->guests[i].uuid);
	host->guests_n = 0;
	host->hung_us = host->stuck_us = host->failing_us = 0;
	host->told_hung = false;
}

/* What libvirt was doing it does no more; what it had given up half done it tidies up. */
static void lose_job(struct host *host, struct job *job)
{
	struct guest *guest = subject(host, job);

	switch (job->request->body_case) {
	case BODY(MIGRATE):
		if (job->step)
			give_up_move(host, job, "libvirt was restarted");
		else
			done(host, job, CODE(FAILED), "libvirt was restarted");
		return;
	case BODY(START):
	case BODY(RESTORE):
		if (guest && guest->state == STATE(UNKNOWN))
			end(host, guest, CAUSE(START_FAILED));
		break;
	case BODY(SAVE):
		if (guest && job->step) {
			guest->job = 0;
			if (strcmp(guest->reason, "save") == 0)
				become(host, guest, STATE(RUNNING), "");
		}
		break;
	default:
		break;
	}
	done(host, job, CODE(FAILED), "libvirt was restarted");
}

void host_restart(struct host *host)
{
	if (!host->machine->power)
		return;
	world_tell(host->world, "n%u: libvirt is restarted", host->node);
	for (size_t i = idmap_count(&host->jobs); i-- > 0;) {
		struct job *job = idmap_at(&host->jobs, i, NULL);

		if (kinds[job->request->body_case].libvirt && job->step)
			lose_job(host, job);
	}
	for (size_t i = 0; i < host->guests_n; i++)
		if (host->guests[i].state == STATE(INCOMING))
			end(host, &host->guests[i], CAUSE(INCOMING_LOST));
	host_hang(host, world_some(host->world, 300000, 3000000));
}

bool host_guest_ends(struct host *host, const char *uuid, bool shutdown)
{
	struct guest *guest = find(host, uuid);

	if (!is_here(guest) || guest->state == STATE(UNKNOWN) ||
	    (shutdown && guest->state != STATE(RUNNING)))
		return false;
	world_tell(host->world, "n%u: %s %s", host->node, guest->name,
		   shutdown ? "shuts down" : "crashes");
	end(host, guest, shutdown ? CAUSE(GUEST_SHUTDOWN) : CAUSE(CRASHED));
	return true;
}

static bool is_anywhere(const struct world *world, const char *uuid)
{
	for (uint32_t id = 1; id <= world->nodes; id++)
		if (host_has(world->machines[id].host, uuid))
			return true;
	return false;
}

static void start_by_hand(struct host *host, const Wire__Vm *vm)
{
	Wire__DomainRef ref = WIRE__DOMAIN_REF__INIT;
	struct guest *guest;

	ref.vm = vm->id;
	ref.uuid = vm->uuid;
	ref.name = vm->name;
	if (is_anywhere(host->world, vm->uuid) || !hook_allows(host, vm->uuid, RIGHT_START))
		return;
	guest = know(host, &ref);
	world_tell(host->world, "n%u: %s is started by hand", host->node, guest->name);
	guest->memory = truth_disk(host->world->truth, guest->uuid);
	begin(host, guest, STATE(RUNNING), "");
}

void host_by_hand(struct host *host, enum host_hand what, const Wire__Vm *vm)
{
	struct guest *guest = find(host, vm->uuid);

	if (!host->machine->power || hung(host))
		return;
	if (what == HAND_START) {
		start_by_hand(host, vm);
		return;
	}
	/* libvirt says no while it has a job on it. */
	if (!is_here(guest) || guest->job || guest->state == STATE(UNKNOWN) ||
	    guest->state == STATE(INCOMING) || guest->state == STATE(COMPLETE))
		return;
	if (what == HAND_DESTROY) {
		world_tell(host->world, "n%u: %s is destroyed by hand", host->node, guest->name);
		end(host, guest, CAUSE(OUTSIDE));
	} else if (what == HAND_SUSPEND && guest->state == STATE(RUNNING)) {
		become(host, guest, STATE(PAUSED), "user");
	} else if (what == HAND_RESUME && guest->state == STATE(PAUSED) &&
		   strcmp(guest->reason, "user") == 0) {
		become(host, guest, STATE(RUNNING), "");
	}
}

/* The destination's libvirt drops what was not complete when its keepalive ends. */
void host_link_changed(struct host *host)
{
	for (size_t i = 0; i < host->guests_n; i++)
		if (host->guests[i].state == STATE(INCOMING) &&
		    !net_reaches(host->world, host->node, host->guests[i].from))
			world_due(host->world, DUE_GUEST, host->node,
				  world_some(host->world, KEEPALIVE_US / 2, KEEPALIVE_US),
				  host->machine->power_life, i);
}

void host_guest_due(struct host *host, uint64_t number)
{
	struct guest *guest = &host->guests[number];

	if (guest->state == STATE(INCOMING) &&
	    !net_reaches(host->world, host->node, guest->from))
		end(host, guest, CAUSE(INCOMING_LOST));
}
