/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The domains the agent knows: looking at one, telling what is true about it. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "agents/vm.h"
#include "base/mem.h"
#include "domain/xml.h"
#include "migrate/driver/process.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	STOPPED_TRIES = 60, /* of 5 ms: the event with the reason is on its way */
	MAKING_LOOK_MS = 1000, /* for a look of another thread to end */
};

/* ---------------------------------------------------------------- the table */

static struct guest *find_locked(struct agent *agent, const char *uuid)
{
	for (size_t i = 0; i < agent->guests_n; i++) {
		if (strcasecmp(agent->guests[i]->uuid, uuid) == 0)
			return agent->guests[i];
	}
	return NULL;
}

struct guest *guest_find(struct agent *agent, const char *uuid)
{
	struct guest *guest;

	pthread_mutex_lock(&agent->lock);
	guest = find_locked(agent, uuid);
	pthread_mutex_unlock(&agent->lock);
	return guest;
}

static struct guest *new_guest(const char *uuid)
{
	struct guest *guest = mem_new(struct guest);
	pthread_condattr_t clock;

	snprintf(guest->uuid, sizeof(guest->uuid), "%s", uuid);
	pthread_mutex_init(&guest->order, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&guest->changed, &clock);
	pthread_condattr_destroy(&clock);
	guest->stopped = -1;
	guest->present_id = guest->arrived_id = guest->ran_id = guest->torn_id = -1;
	guest->state = SIGHT_UNKNOWN;
	guest->last = (struct sight){ .state = SIGHT_UNKNOWN, .reason = "", .libvirt_id = -1 };
	return guest;
}

static bool uuid_ok(const char *uuid)
{
	static const char form[] = "00000000-0000-0000-0000-000000000000";
	size_t n = 0;

	static_assert(sizeof(form) == DOMAIN_UUID_SIZE, "a uuid");
	while (form[n] && (form[n] == '0' ? isxdigit((unsigned char)uuid[n]) : uuid[n] == '-'))
		n++;
	return !form[n] && !uuid[n];
}

/* Of one that others made out of a guest of ours it may be longer than news can be. */
static char *fit_name(const char *name)
{
	char *fit = mem_strndup(name, wire_text_fit(name, WIRE_NAME_MAX));

	wire_text_line(fit);
	return fit;
}

struct guest *guest_of(struct agent *agent, const Wire__DomainRef *ref)
{
	struct guest *guest;

	if (!uuid_ok(ref->uuid))
		return NULL;
	pthread_mutex_lock(&agent->lock);
	guest = find_locked(agent, ref->uuid);
	if (!guest && agent->guests_n == VM_DOMAINS_MAX) {
		fprintf(stderr, "agent kind=vm ended reason=\"it has seen %d guests\"\n",
			VM_DOMAINS_MAX);
		_exit(1);
	}
	if (!guest)
		guest = agent->guests[agent->guests_n++] = new_guest(ref->uuid);
	guest->vm = ref->vm;
	guest->generation = ref->generation;
	free(guest->name);
	guest->name = fit_name(ref->name);
	pthread_mutex_unlock(&agent->lock);
	return guest;
}

/* ---------------------------------------------------------------- looking */

int guest_lock(struct guest *guest, uint64_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(timeout_ms / 1000);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_mutex_clocklock(&guest->order, CLOCK_MONOTONIC, &until) == 0 ? 0 : -EBUSY;
}

void guest_unlock(struct guest *guest)
{
	pthread_mutex_unlock(&guest->order);
}

/* What is known of its end: libvirt's last word about it, and what we did. */
struct ending {
	int stopped;
	bool ordered, handed_over;
};

static struct ending read_ending(struct agent *agent, struct guest *guest)
{
	struct ending ending;

	pthread_mutex_lock(&agent->lock);
	ending = (struct ending){ guest->stopped, guest->ending, guest->handed_over };
	pthread_mutex_unlock(&agent->lock);
	return ending;
}

static bool is_explained(const struct ending *ending)
{
	return ending->stopped >= 0 || ending->ordered || ending->handed_over;
}

/*
 * libvirt says MIGRATED of a source only when it confirms a move that the destination has finished.
 * It ends it then without having let it run.
 */
static Wire__VmReport__Cause judge_cause(const struct ending *ending)
{
	if (ending->handed_over || ending->stopped == VIR_DOMAIN_EVENT_STOPPED_MIGRATED)
		return WIRE__VM_REPORT__CAUSE__HANDED_OVER;
	if (ending->ordered)
		return WIRE__VM_REPORT__CAUSE__KILLED;
	switch (ending->stopped) {
	case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
		return WIRE__VM_REPORT__CAUSE__GUEST_SHUTDOWN;
	case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
		return WIRE__VM_REPORT__CAUSE__OUTSIDE;
	case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
	case VIR_DOMAIN_EVENT_STOPPED_FAILED:
		return WIRE__VM_REPORT__CAUSE__CRASHED;
	case VIR_DOMAIN_EVENT_STOPPED_SAVED:
		return WIRE__VM_REPORT__CAUSE__KILLED;
	default:
		return WIRE__VM_REPORT__CAUSE__UNKNOWN;
	}
}

/* It is gone. The event that says why may be some milliseconds behind. */
static void note_absent(struct agent *agent, struct guest *guest)
{
	bool fresh = guest->present_id >= 0;
	struct ending ending = read_ending(agent, guest);

	for (int i = 0; i < STOPPED_TRIES && fresh && !is_explained(&ending); i++) {
		process_pause_ms(5);
		ending = read_ending(agent, guest);
	}
	guest->cause = judge_cause(&ending);
	guest->present_id = guest->arrived_id = guest->ran_id = guest->torn_id = -1;
	guest->live_told = false;
}

static void note_present(struct agent *agent, struct guest *guest, const struct sight *sight)
{
	if (sight->libvirt_id != guest->present_id) {
		/* Another life: what is known of the last one's end says nothing about it. */
		pthread_mutex_lock(&agent->lock);
		guest->stopped = -1;
		guest->ending = guest->handed_over = false;
		guest->look_live = true;
		pthread_mutex_unlock(&agent->lock);
		guest->present_id = sight->libvirt_id;
		guest->live_told = false;
	}
	if (sight->state == SIGHT_INCOMING) {
		guest->arrived_id = sight->libvirt_id;
	} else if (sight->state == SIGHT_RUNNING) {
		guest->arrived_id = guest->torn_id = -1;
		guest->ran_id = sight->libvirt_id;
	}
	guest->cause = WIRE__VM_REPORT__CAUSE__UNKNOWN;
}

static bool is_made(struct agent *agent, struct guest *guest)
{
	bool made;

	pthread_mutex_lock(&agent->lock);
	made = guest->making > 0;
	pthread_mutex_unlock(&agent->lock);
	return made;
}

static void take_sight(struct agent *agent, struct guest *guest, struct link *link,
		       struct sight *ret)
{
	struct sight_hint hint = { .arrived_id = guest->arrived_id };
	char why[VM_WHY_SIZE];
	virConnectPtr conn = NULL;

	pthread_mutex_lock(&agent->lock);
	hint.job = guest->jobs > 0 || guest->making > 0;
	pthread_mutex_unlock(&agent->lock);
	if (agent_connect(agent, link, &conn, why) < 0)
		conn = NULL;
	sight_take(conn, why, guest->uuid, &hint, ret);
}

static bool same_sight(const struct sight *a, const struct sight *b)
{
	return a->state == b->state && a->job == b->job && strcmp(a->reason, b->reason) == 0 &&
	       strcmp(a->text, b->text) == 0;
}

/* It may be there in the next moment. */
static struct sight being_made(void)
{
	return (struct sight){ .state = SIGHT_UNKNOWN, .reason = "", .libvirt_id = -1,
			       .text = "libvirt is about to make it" };
}

void guest_look_locked(struct agent *agent, struct guest *guest, struct link *link)
{
	Wire__VmReport__Cause cause = guest->cause;
	bool made = is_made(agent, guest);
	struct sight sight;

	take_sight(agent, guest, link, &sight);
	if (sight.state == SIGHT_ABSENT && (made || is_made(agent, guest)))
		sight = being_made();
	if (sight.state == SIGHT_ABSENT)
		note_absent(agent, guest);
	else if (sight.state != SIGHT_UNKNOWN)
		note_present(agent, guest, &sight);
	if (!same_sight(&sight, &guest->last) || cause != guest->cause)
		guest->told = false;
	guest->last = sight;
}

int guest_making(struct agent *agent, struct guest *guest)
{
	if (guest_lock(guest, MAKING_LOOK_MS) < 0)
		return -EBUSY;
	pthread_mutex_lock(&agent->lock);
	guest->making++;
	pthread_mutex_unlock(&agent->lock);
	if (guest->last.state == SIGHT_ABSENT || guest->last.state == SIGHT_UNKNOWN) {
		guest->last = being_made();
		guest_tell_locked(agent, guest, true);
	}
	guest_unlock(guest);
	return 0;
}

void guest_made(struct agent *agent, struct guest *guest)
{
	pthread_mutex_lock(&agent->lock);
	guest->making--;
	pthread_mutex_unlock(&agent->lock);
}

void guest_gone_locked(struct agent *agent, struct guest *guest)
{
	note_absent(agent, guest);
	guest->last = (struct sight){ .state = SIGHT_ABSENT, .reason = "", .libvirt_id = -1 };
	guest->told = false;
}

void guest_doubt_locked(struct guest *guest, const char *why)
{
	guest->last = (struct sight){ .state = SIGHT_UNKNOWN, .reason = "", .libvirt_id = -1 };
	snprintf(guest->last.text, sizeof(guest->last.text), "%s", why);
	guest->told = false;
}

/* ---------------------------------------------------------------- telling */

static const Wire__DomainNews__State states[] = {
	[SIGHT_ABSENT] = WIRE__DOMAIN_NEWS__STATE__ABSENT,
	[SIGHT_RUNNING] = WIRE__DOMAIN_NEWS__STATE__RUNNING,
	[SIGHT_PAUSED] = WIRE__DOMAIN_NEWS__STATE__PAUSED,
	[SIGHT_INCOMING] = WIRE__DOMAIN_NEWS__STATE__INCOMING,
	[SIGHT_COMPLETE] = WIRE__DOMAIN_NEWS__STATE__COMPLETE,
	[SIGHT_SHUTTING] = WIRE__DOMAIN_NEWS__STATE__SHUTTING,
	[SIGHT_UNKNOWN] = WIRE__DOMAIN_NEWS__STATE__UNKNOWN,
};

static const char *absent_text(const struct guest *guest, int stopped)
{
	switch (guest->cause) {
	case WIRE__VM_REPORT__CAUSE__GUEST_SHUTDOWN:
		return "the guest shut down";
	case WIRE__VM_REPORT__CAUSE__CRASHED:
		return stopped == VIR_DOMAIN_EVENT_STOPPED_CRASHED ? "the guest crashed"
								   : "its QEMU process died";
	case WIRE__VM_REPORT__CAUSE__OUTSIDE:
		return "it was destroyed by other tools than clusterd";
	case WIRE__VM_REPORT__CAUSE__KILLED:
		return stopped == VIR_DOMAIN_EVENT_STOPPED_SAVED ? "saved" : "";
	case WIRE__VM_REPORT__CAUSE__HANDED_OVER:
		return "handed over";
	default:
		return "";
	}
}

static void note_told(struct agent *agent, struct guest *guest)
{
	guest->told = true;
	pthread_mutex_lock(&agent->lock);
	guest->state = guest->last.state;
	pthread_cond_broadcast(&guest->changed);
	pthread_mutex_unlock(&agent->lock);
}

Wire__DomainNews *guest_news_about(struct agent *agent, struct guest *guest)
{
	Wire__DomainNews *news = wire_new(&wire__domain_news__descriptor);

	news->domain = wire_new(&wire__domain_ref__descriptor);
	wire_set(&news->domain->uuid, guest->uuid);
	pthread_mutex_lock(&agent->lock);
	news->domain->vm = guest->vm;
	news->domain->generation = guest->generation;
	wire_set(&news->domain->name, guest->name);
	pthread_mutex_unlock(&agent->lock);
	return news;
}

Wire__DomainNews *guest_news_locked(struct agent *agent, struct guest *guest)
{
	Wire__DomainNews *news = guest_news_about(agent, guest);
	int stopped;

	pthread_mutex_lock(&agent->lock);
	stopped = guest->stopped;
	pthread_mutex_unlock(&agent->lock);
	news->state = states[guest->last.state];
	news->job = guest->last.job;
	wire_set(&news->reason, guest->last.reason);
	if (guest->last.state == SIGHT_ABSENT) {
		news->cause = guest->cause;
		vm_set_text(&news->text, absent_text(guest, stopped));
	} else {
		vm_set_text(&news->text, guest->last.text);
	}
	note_told(agent, guest);
	return news;
}

void guest_send_news(struct agent *agent, Wire__DomainNews *domain)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;

	news.body_case = WIRE__AGENT_NEWS__BODY_DOMAIN;
	news.domain = domain;
	agent_send_news(agent, &news);
}

void guest_tell_locked(struct agent *agent, struct guest *guest, bool forced)
{
	_cleanup_(wire_freep) Wire__DomainNews *news = NULL;

	if (guest->told && !forced)
		return;
	news = guest_news_locked(agent, guest);
	guest_send_news(agent, news);
}

bool guest_wait_absent(struct agent *agent, struct guest *guest, uint64_t until_ms)
{
	uint64_t now_ms = process_now_ms(), wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
	struct timespec until;
	int r = 0;
	bool absent;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&agent->lock);
	while (guest->state != SIGHT_ABSENT && r == 0)
		r = pthread_cond_timedwait(&guest->changed, &agent->lock, &until);
	absent = guest->state == SIGHT_ABSENT;
	pthread_mutex_unlock(&agent->lock);
	return absent;
}
