/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vm agent of a host: what it is asked, what becomes of that, and what it says. */
#include "tests/sim/host_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/message.h"

#define BODY(x) WIRE__AGENT_REQUEST__BODY_##x

/* ---------------------------------------------------------------- what the agent says */

static void host_tell(struct host *host, Wire__AgentNews *news)
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
	ret->state = host_is_hung(host) ? STATE(UNKNOWN) : guest->state;
	ret->job = guest->job != 0;
	ret->cause = guest->cause;
	ret->reason = (char *)(ret->state == STATE(PAUSED) || ret->state == STATE(COMPLETE)
				       ? guest->reason : "");
	ret->text = (char *)(ret->state == STATE(ABSENT) ? "its process ended" : "");
}

/* What could not be told is looked at again as soon as it can. */
static void look_when_it_answers(struct host *host, const struct guest *guest)
{
	if (host_is_hung(host))
		world_due(host->world, DUE_LOOK, host->node,
			  host->hung_us - host->world->now_us + 1000, host->machine->power_life,
			  host_slot_of(host, guest));
}

/* What a daemon that stands still is told it takes in later. */
static void note_told(struct host *host, const struct guest *guest, const Wire__DomainNews *news)
{
	struct guest *known = &host->guests[host_slot_of(host, guest)];

	if (!host->machine->agent || machine_frozen(host->machine))
		return;
	known->told = news->state;
	known->told_life = guest->life;
	known->told_ms = machine_boot_ms(host->machine);
}

static void host_tell_guest(struct host *host, const struct guest *guest, uint64_t watch)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__DomainNews body;
	Wire__DomainRef ref;

	describe(host, guest, &ref, &body);
	body.watch = watch;
	note_told(host, guest, &body);
	look_when_it_answers(host, guest);
	news.body_case = WIRE__AGENT_NEWS__BODY_DOMAIN;
	news.domain = &body;
	host_tell(host, &news);
}

static void host_tell_facts(struct host *host, bool whole)
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
	host_tell(host, &news);
}

void host_look_due(struct host *host, uint64_t number)
{
	const struct guest *guest = &host->guests[number];

	if (!host->machine->agent || !guest->vm)
		return;
	if (host_is_stuck(host))
		world_due(host->world, DUE_LOOK, host->node,
			  host->stuck_us - host->world->now_us + 1000, host->machine->power_life,
			  number);
	else
		host_tell_guest(host, guest, 0);
}

static void host_look_at_all(struct host *host)
{
	for (size_t i = 0; i < host->guests_n; i++)
		if (host->guests[i].vm)
			host_look_soon(host, &host->guests[i]);
}

void host_libvirt_due(struct host *host)
{
	bool hangs = host_is_hung(host);

	if (hangs == host->told_hung)
		return;
	host->told_hung = hangs;
	if (!host->machine->agent)
		return;
	host_tell_facts(host, !hangs);
	host_look_at_all(host);
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
	if (host_is_hung(host))
		world_due(host->world, DUE_LIBVIRT, host->node, NOTICED_US,
			  host->machine->power_life, 0);
	host_tell_facts(host, false);
}

/* ---------------------------------------------------------------- jobs */

void job_free(void *value)
{
	struct job *job = value;

	if (job)
		wire_free(job->request);
	free(job);
}

void job_again(struct host *host, const struct job *job, uint64_t in_us)
{
	world_due(host->world, DUE_JOB, host->node, in_us, host->machine->power_life, job->number);
}

void job_next(struct host *host, struct job *job, uint64_t low_us, uint64_t high_us)
{
	job->step++;
	job_again(host, job, world_some(host->world, low_us, high_us));
}

static void reply(struct host *host, struct job *job, Wire__AgentReply__Code code, const char *text)
{
	struct input input = { .kind = EVENT_AGENT_REPLY, .number = job->ask };
	const Wire__DomainRef *domain = job->request->domain;
	const struct guest *guest = domain ? guest_find(host, domain->uuid) : NULL;
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
		note_told(host, guest, &news);
		look_when_it_answers(host, guest);
		body.domain = &news;
	}
	input.body = wire_dup(&body.base);
	world_input(host->machine, &input);
}

/* The same without a word about the guest: nobody has looked at it. */
static void reply_bare(struct host *host, struct job *job, Wire__AgentReply__Code code,
		       const char *text)
{
	struct input input = { .kind = EVENT_AGENT_REPLY, .number = job->ask };
	Wire__AgentReply body = WIRE__AGENT_REPLY__INIT;

	if (!host->machine->agent)
		return;
	job->ask = 0;
	body.code = code;
	body.text = (char *)text;
	input.body = wire_dup(&body.base);
	world_input(host->machine, &input);
}

/* Whatever libvirt did is over; the job is gone after that. */
void job_done(struct host *host, struct job *job, Wire__AgentReply__Code code, const char *text)
{
	const Wire__DomainRef *domain = job->request->domain;
	struct guest *guest = domain ? guest_find(host, domain->uuid) : NULL;

	if (guest && guest->job == job->number)
		guest->job = 0;
	idmap_remove(&host->jobs, job->number);
	reply(host, job, code, text);
	job_free(job);
}

/* The process that the job is about; NULL when it is gone. */
struct guest *job_subject(struct host *host, const struct job *job)
{
	struct guest *guest = guest_find(host, job->request->domain->uuid);

	return guest_is_here(guest) && guest->life == job->life ? guest : NULL;
}

enum hook_word host_hook_asks(struct host *host, const char *uuid, enum core_right right)
{
	const struct core *core = host->machine->core;
	char why[300];
	int r;

	/* It waits for two seconds, and then a guest with the cluster's mark is refused. */
	if (!core || machine_frozen(host->machine))
		return HOOK_NO;
	r = core_may_run(core, uuid, right, why, sizeof(why));
	/* All of our guests have the mark: shell/hook.c, judge_stranger(). */
	if (r == -ENOENT && core_in_step(core, why, sizeof(why)))
		return HOOK_BEHIND_BARRIER;
	return r == 1 ? HOOK_YES : HOOK_NO;
}

bool host_hook_allows(struct host *host, const char *uuid, enum core_right right)
{
	enum hook_word word = host_hook_asks(host, uuid, right);

	return word == HOOK_YES ||
	       (word == HOOK_BEHIND_BARRIER &&
		state_index(core_state(host->machine->core)) ==
			state_index(truth_state(host->world->truth)));
}

static void do_watch(struct host *host, struct job *job)
{
	const Wire__Watch *watch = job->request->watch;
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__InventoryDone inventory = WIRE__INVENTORY_DONE__INIT;
	uint64_t ask = job->ask;

	if (host_is_hung(host)) {
		job_done(host, job, CODE(FAILED), "libvirt does not answer");
		return;
	}
	/* What is told may be the end of the daemon, and of its asks. */
	idmap_remove(&host->jobs, job->number);
	for (size_t i = 0; i < watch->n_domains; i++)
		guest_know(host, watch->domains[i]);
	for (size_t i = 0; i < host->guests_n; i++)
		if (host->guests[i].vm)
			host_tell_guest(host, &host->guests[i], ask);
	host_tell_facts(host, true);
	inventory.watch = ask;
	news.body_case = WIRE__AGENT_NEWS__BODY_INVENTORY;
	news.inventory = &inventory;
	host_tell(host, &news);
	job_done(host, job, CODE(OK), "");
}

static void do_nothing(struct host *host, struct job *job)
{
	job_done(host, job, CODE(OK), "");
}

/* ---------------------------------------------------------------- all of them */

static const struct kind {
	void (*step)(struct host *host, struct job *job);
	bool libvirt;		/* does not go on without libvirt */
	bool outlives;		/* once it has begun, the agent is not needed for it */
} kinds[] = {
	[BODY(START)] = { job_start, true, true },
	[BODY(STOP)] = { job_stop, true, false },
	[BODY(KILL)] = { job_kill, false, false },
	[BODY(PAUSE)] = { job_pause, true, false },
	[BODY(RESUME)] = { job_resume, true, false },
	[BODY(ACTION)] = { do_nothing, true, false },
	[BODY(MIGRATE)] = { job_migrate, true, true },
	[BODY(CANCEL)] = { job_cancel, true, false },
	[BODY(HAND_OVER)] = { job_hand_over, true, false },
	[BODY(SAVE)] = { job_save, true, true },
	[BODY(RESTORE)] = { job_restore, true, true },
	[BODY(DROP_IMAGE)] = { job_drop, false, false },
	[BODY(WATCH)] = { do_watch, false, false },
};

void host_job_due(struct host *host, uint64_t number)
{
	struct job *job = idmap_get(&host->jobs, number);
	const struct kind *kind;

	if (!job)
		return;
	kind = &kinds[job->request->body_case];
	if (kind->libvirt && host_is_hung(host))
		job_again(host, job,
			  host->hung_us - host->world->now_us +
				  world_some(host->world, 1000, 500000));
	else if (host_is_stuck(host) && !(kind->outlives && job->step))
		job_again(host, job, host->stuck_us - host->world->now_us + 1000);
	else
		kind->step(host, job);
}

void host_overdue_due(struct host *host, uint64_t number)
{
	struct job *job = idmap_get(&host->jobs, number);
	struct input input = { .kind = EVENT_AGENT_REPLY };

	if (!job || !job->ask)
		return;
	if (!host_is_stuck(host)) {
		reply_bare(host, job, CODE(TIMEOUT), "no result by its deadline");
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
	job_again(host, job, world_some(host->world, 500, 20000));
	world_due(host->world, DUE_OVERDUE, host->node,
		  ask->deadline_ms * UINT64_C(1000) + (host_is_stuck(host) ? OVERDUE_US : 0),
		  host->machine->agent_life, job->number);
}

void host_agent_down(struct host *host)
{
	for (size_t i = idmap_count(&host->jobs); i-- > 0;) {
		struct job *job = idmap_at(&host->jobs, i, NULL);

		job->ask = 0;
		if (!kinds[job->request->body_case].outlives || job->step == 0)
			job_free(idmap_remove(&host->jobs, job->number));
	}
}

/* What libvirt was doing it does no more; what it had given up half done it tidies up. */
static void lose_job(struct host *host, struct job *job)
{
	struct guest *guest = job_subject(host, job);

	switch (job->request->body_case) {
	case BODY(MIGRATE):
		if (job->step)
			job_give_up_move(host, job, "libvirt was restarted");
		else
			job_done(host, job, CODE(FAILED), "libvirt was restarted");
		return;
	case BODY(START):
	case BODY(RESTORE):
		if (guest && guest->state == STATE(UNKNOWN))
			guest_end(host, guest, CAUSE(START_FAILED));
		break;
	case BODY(SAVE):
		if (guest && job->step)
			guest->job = 0;
		/* The image was complete, and only the guest's end was missing. */
		if (guest && job->step && world_permille(host->world, 300))
			truth_image_put(host->world->truth, job->request->save->path,
					guest->memory);
		break;
	default:
		break;
	}
	job_done(host, job, CODE(FAILED), "libvirt was restarted");
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
			guest_end(host, &host->guests[i], CAUSE(INCOMING_LOST));
	host_hang(host, world_some(host->world, 300000, 3000000));
}
