/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The domains the agent knows, looking at them, telling what is true about them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "agents/vm.h"
#include "base/digest.h"
#include "base/mem.h"
#include "domain/essence.h"
#include "domain/xml.h"
#include "migrate/driver/process.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	SETTLE_TRIES = 200, /* of a millisecond */
	STOPPED_TRIES = 20, /* of 5 ms: the event with the reason is on its way */
	WATCH_LOOK_MS = 3000, /* for another look to end: the other guests wait, too */
};

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

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
	guest->present_id = guest->arrived_id = -1;
	guest->state = SIGHT_UNKNOWN;
	guest->last = (struct sight){ .state = SIGHT_UNKNOWN, .reason = "", .libvirt_id = -1 };
	return guest;
}

struct guest *guest_of(struct agent *agent, const Wire__DomainRef *ref)
{
	struct guest *guest;

	if (strlen(ref->uuid) != DOMAIN_UUID_SIZE - 1)
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
	guest->name = mem_strdup(ref->name);
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

static int read_stopped(struct agent *agent, struct guest *guest, bool *ret_ending)
{
	int stopped;

	pthread_mutex_lock(&agent->lock);
	stopped = guest->stopped;
	*ret_ending = guest->ending;
	pthread_mutex_unlock(&agent->lock);
	return stopped;
}

/* Why it is gone, from libvirt's last word about it and from what we ordered. */
static Wire__VmReport__Cause judge_cause(int stopped, bool ending)
{
	if (ending)
		return WIRE__VM_REPORT__CAUSE__KILLED;
	switch (stopped) {
	case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
		return WIRE__VM_REPORT__CAUSE__GUEST_SHUTDOWN;
	case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
		return WIRE__VM_REPORT__CAUSE__OUTSIDE;
	case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
	case VIR_DOMAIN_EVENT_STOPPED_FAILED:
		return WIRE__VM_REPORT__CAUSE__CRASHED;
	case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
	case VIR_DOMAIN_EVENT_STOPPED_SAVED:
		return WIRE__VM_REPORT__CAUSE__KILLED;
	default:
		return WIRE__VM_REPORT__CAUSE__UNKNOWN;
	}
}

/* It is gone. The event that says why may be some milliseconds behind. */
static void note_absent(struct agent *agent, struct guest *guest)
{
	bool ending, fresh = guest->told && guest->last.state != SIGHT_ABSENT &&
			     guest->last.state != SIGHT_UNKNOWN;
	int stopped = read_stopped(agent, guest, &ending);

	for (int i = 0; i < STOPPED_TRIES && fresh && stopped < 0 && !ending; i++) {
		pause_ms(5);
		stopped = read_stopped(agent, guest, &ending);
	}
	guest->cause = judge_cause(stopped, ending);
	guest->present_id = guest->arrived_id = -1;
	guest->live_told = false;
}

static void note_present(struct agent *agent, struct guest *guest, const struct sight *sight)
{
	if (sight->libvirt_id != guest->present_id) {
		/* Another life: what is known of the last one's end says nothing about it. */
		pthread_mutex_lock(&agent->lock);
		guest->stopped = -1;
		guest->ending = false;
		guest->look_live = true;
		pthread_mutex_unlock(&agent->lock);
		guest->present_id = sight->libvirt_id;
		guest->live_told = false;
	}
	if (sight->state == SIGHT_INCOMING)
		guest->arrived_id = sight->libvirt_id;
	else if (sight->state == SIGHT_RUNNING)
		guest->arrived_id = -1;
	guest->cause = WIRE__VM_REPORT__CAUSE__UNKNOWN;
}

static void take_sight(struct agent *agent, struct guest *guest, struct link *link,
		       struct sight *ret)
{
	struct sight_hint hint = { .arrived_id = guest->arrived_id };
	char why[VM_WHY_SIZE];
	virConnectPtr conn = NULL;

	pthread_mutex_lock(&agent->lock);
	hint.job = guest->jobs > 0;
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

void guest_look_locked(struct agent *agent, struct guest *guest, struct link *link)
{
	Wire__VmReport__Cause cause = guest->cause;
	struct sight sight;

	take_sight(agent, guest, link, &sight);
	if (sight.state == SIGHT_ABSENT)
		note_absent(agent, guest);
	else if (sight.state != SIGHT_UNKNOWN)
		note_present(agent, guest, &sight);
	if (!same_sight(&sight, &guest->last) || cause != guest->cause)
		guest->told = false;
	guest->last = sight;
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
		return stopped == VIR_DOMAIN_EVENT_STOPPED_MIGRATED ? "moved away"
		       : stopped == VIR_DOMAIN_EVENT_STOPPED_SAVED  ? "saved"
								    : "";
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

Wire__DomainNews *guest_news_locked(struct agent *agent, struct guest *guest)
{
	Wire__DomainNews *news = wire_new(&wire__domain_news__descriptor);
	int stopped;

	news->domain = wire_new(&wire__domain_ref__descriptor);
	wire_set(&news->domain->uuid, guest->uuid);
	pthread_mutex_lock(&agent->lock);
	news->domain->vm = guest->vm;
	news->domain->generation = guest->generation;
	wire_set(&news->domain->name, guest->name);
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

static void send_news(struct agent *agent, Wire__DomainNews *domain)
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
	send_news(agent, news);
}

/* Nothing of it can be read: another thread has it. */
static void tell_unknown(struct agent *agent, struct guest *guest)
{
	_cleanup_(wire_freep) Wire__DomainNews *news = wire_new(&wire__domain_news__descriptor);

	news->domain = wire_new(&wire__domain_ref__descriptor);
	wire_set(&news->domain->uuid, guest->uuid);
	pthread_mutex_lock(&agent->lock);
	news->domain->vm = guest->vm;
	news->domain->generation = guest->generation;
	wire_set(&news->domain->name, guest->name);
	pthread_mutex_unlock(&agent->lock);
	news->state = WIRE__DOMAIN_NEWS__STATE__UNKNOWN;
	wire_set(&news->text, "libvirt hung when it was asked about it");
	send_news(agent, news);
}

void guest_tell_watch(struct agent *agent, struct guest *guest, uint64_t watch, struct link *link)
{
	_cleanup_(wire_freep) Wire__DomainNews *news = NULL;

	if (guest_lock(guest, WATCH_LOOK_MS) < 0) {
		tell_unknown(agent, guest);
		return;
	}
	guest_look_locked(agent, guest, link);
	news = guest_news_locked(agent, guest);
	news->watch = watch;
	send_news(agent, news);
	guest_unlock(guest);
	/* What it runs as is told again, too. */
	guest_queue_look(agent, guest, (struct guest_look){ .live = true });
}

/* The canonical form of what would be started again; the raw one if it is none of the cluster's. */
static char *inactive_xml(virDomainPtr domain)
{
	_cleanup_(freep) char *xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
	_cleanup_(domain_freep) struct domain *parsed = NULL;
	struct domain_rules rules = { 0 };
	char why[DOMAIN_WHY_SIZE];
	struct buf out = { 0 };

	if (!xml)
		return NULL;
	if (domain_read(xml, strlen(xml), &rules, &parsed, why, sizeof(why)) < 0)
		return strlen(xml) <= WIRE_XML_MAX ? steal_ptr(xml) : NULL;
	domain_canonical(parsed, &out);
	return buf_steal_str(&out);
}

/* Digest of the definition and of the images below its disks. */
static uint64_t live_digest(const Wire__Essence *live)
{
	char chain[DOMAIN_CHAIN_DIGEST_SIZE];

	domain_chain_digest(live->disks, live->n_disks, chain);
	return live->digest ^ strtoull(chain, NULL, 16);
}

/* Tells the essence of what runs, if it is another than was told last. */
static void tell_live_locked(struct agent *agent, struct guest *guest, struct link *link)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	_cleanup_(freep) char *xml = NULL;
	_cleanup_(wire_freep) Wire__Essence *live = NULL;
	_cleanup_(wire_freep) Wire__DomainNews *news = NULL;
	char why[DOMAIN_WHY_SIZE];
	virConnectPtr conn;
	uint64_t raw;

	if (guest->last.state != SIGHT_RUNNING && guest->last.state != SIGHT_PAUSED)
		return;
	if (agent_connect(agent, link, &conn, why) < 0 ||
	    link_domain(conn, guest->uuid, &domain) < 0)
		return;
	xml = virDomainGetXMLDesc(domain, 0);
	if (!xml)
		return;
	raw = digest_bytes(xml, strlen(xml));
	if (guest->live_told && guest->live_raw == raw)
		return;
	if (domain_essence_read(xml, strlen(xml), NULL, &live, why, sizeof(why)) < 0)
		return;
	guest->live_raw = raw;
	if (guest->live_told && guest->live_digest == live_digest(live))
		return;
	guest->live_told = true;
	guest->live_digest = live_digest(live);
	news = guest_news_locked(agent, guest);
	news->live = steal_ptr(live);
	xml = (free(xml), inactive_xml(domain));
	if (xml)
		wire_set(&news->live_xml, xml);
	send_news(agent, news);
}

/* ---------------------------------------------------------------- queued looks */

struct look_job {
	struct job job;
	struct agent *agent;
	struct guest *guest;
};

static struct guest_look take_wishes(struct agent *agent, struct guest *guest)
{
	struct guest_look how;

	pthread_mutex_lock(&agent->lock);
	how = (struct guest_look){ guest->look_forced, guest->look_live, guest->look_settle };
	/* From here on an event queues another look: this one may be too early for it. */
	guest->look_queued = guest->look_forced = guest->look_live = guest->look_settle = false;
	pthread_mutex_unlock(&agent->lock);
	return how;
}

static void run_look(struct job *job, struct link *link)
{
	struct look_job *look = (struct look_job *)job;
	struct agent *agent = look->agent;
	struct guest *guest = look->guest;
	struct guest_look how = take_wishes(agent, guest);

	if (guest_lock(guest, VM_LOOK_MS) < 0) {
		guest_queue_look(agent, guest, how);
		return;
	}
	guest_look_locked(agent, guest, link);
	/* "Suspended" at the destination comes before libvirt has ended its job. */
	for (int i = 0; i < SETTLE_TRIES && how.settle && guest->last.state == SIGHT_INCOMING;
	     i++) {
		pause_ms(1);
		guest_look_locked(agent, guest, link);
	}
	guest_tell_locked(agent, guest, how.forced);
	pthread_mutex_lock(&agent->lock);
	how.live |= guest->look_live;
	guest->look_live = false;
	pthread_mutex_unlock(&agent->lock);
	if (how.live || !guest->live_told)
		tell_live_locked(agent, guest, link);
	guest_unlock(guest);
}

/* What is hung says nothing; the facts tell that. It may never have begun. */
static void look_is_late(struct job *job)
{
	struct look_job *look = (struct look_job *)job;

	take_wishes(look->agent, look->guest);
}

static void free_look(struct job *job)
{
	free(job);
}

void guest_queue_look(struct agent *agent, struct guest *guest, struct guest_look how)
{
	struct look_job *look;
	bool queued;

	pthread_mutex_lock(&agent->lock);
	queued = guest->look_queued;
	guest->look_queued = true;
	guest->look_forced |= how.forced;
	guest->look_live |= how.live;
	guest->look_settle |= how.settle;
	pthread_mutex_unlock(&agent->lock);
	if (queued)
		return;
	look = mem_new(struct look_job);
	*look = (struct look_job){
		.job = { .due_ms = process_now_ms() + VM_LOOK_MS,
			 .run = run_look,
			 .late = look_is_late,
			 .free = free_look },
		.agent = agent,
		.guest = guest,
	};
	if (pool_submit(agent->pool, POOL_SHORT, &look->job) < 0) {
		free(look);
		take_wishes(agent, guest);
	}
}

static bool is_unsure(const struct guest *guest)
{
	return guest->state == SIGHT_UNKNOWN || guest->state == SIGHT_SHUTTING;
}

/* Those that a filter takes. The table only grows, so it can be walked without the lock. */
static void queue_some(struct agent *agent, bool (*filter)(const struct guest *),
		       struct guest_look how)
{
	for (size_t i = 0;; i++) {
		struct guest *guest = NULL;
		bool wanted = false;

		pthread_mutex_lock(&agent->lock);
		if (i < agent->guests_n) {
			guest = agent->guests[i];
			wanted = filter(guest);
		}
		pthread_mutex_unlock(&agent->lock);
		if (!guest)
			return;
		if (wanted)
			guest_queue_look(agent, guest, how);
	}
}

static bool any(const struct guest *guest)
{
	return true;
}

static bool unsure_or_listed(const struct guest *guest)
{
	return is_unsure(guest) || guest->listed || guest->state != SIGHT_ABSENT;
}

void guest_queue_all(struct agent *agent, struct guest_look how)
{
	queue_some(agent, any, how);
}

void guest_queue_unsure(struct agent *agent, bool listed)
{
	/* Of an external snapshot libvirt tells no event at all: what runs is compared, too. */
	queue_some(agent, listed ? unsure_or_listed : is_unsure,
		   (struct guest_look){ .live = listed });
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

/* ---------------------------------------------------------------- strangers */

/* Makes a domain known if it bears our mark. */
static struct guest *adopt(struct agent *agent, virDomainPtr domain)
{
	_cleanup_(freep) char *xml = virDomainGetXMLDesc(domain, 0);
	Wire__DomainRef ref = WIRE__DOMAIN_REF__INIT;
	struct domain_mark mark;
	char uuid[VIR_UUID_STRING_BUFLEN];

	if (!xml || domain_metadata(xml, strlen(xml), &mark) < 0 ||
	    virDomainGetUUIDString(domain, uuid) < 0)
		return NULL;
	ref.vm = mark.vm;
	ref.generation = mark.generation;
	ref.uuid = uuid;
	ref.name = (char *)virDomainGetName(domain);
	return guest_of(agent, &ref);
}

int guest_adopt_all(struct agent *agent, virConnectPtr conn, struct link *link)
{
	virDomainPtr *domains = NULL;
	int n = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	for (int i = 0; i < n; i++) {
		char uuid[VIR_UUID_STRING_BUFLEN];
		struct guest *guest = NULL;

		if (virDomainGetUUIDString(domains[i], uuid) == 0 && !guest_find(agent, uuid))
			guest = adopt(agent, domains[i]);
		if (guest && link)
			guest_tell_watch(agent, guest, 0, link);
		else if (guest)
			guest_queue_look(agent, guest, (struct guest_look){ .forced = true });
		virDomainFree(domains[i]);
	}
	free(domains);
	return n < 0 ? -EIO : 0;
}

struct stranger_job {
	struct job job;
	struct agent *agent;
	char uuid[VIR_UUID_STRING_BUFLEN];
};

static void run_stranger(struct job *job, struct link *link)
{
	struct stranger_job *stranger = (struct stranger_job *)job;
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	struct guest *guest = guest_find(stranger->agent, stranger->uuid);
	char why[VM_WHY_SIZE];
	virConnectPtr conn;

	if (!guest && agent_connect(stranger->agent, link, &conn, why) == 0 &&
	    link_domain(conn, stranger->uuid, &domain) == 0)
		guest = adopt(stranger->agent, domain);
	if (guest)
		guest_queue_look(stranger->agent, guest, (struct guest_look){ .settle = true });
}

static void stranger_is_late(struct job *job)
{
}

void guest_queue_stranger(struct agent *agent, const char *uuid)
{
	struct stranger_job *stranger = mem_new(struct stranger_job);

	*stranger = (struct stranger_job){
		.job = { .due_ms = process_now_ms() + VM_LOOK_MS,
			 .run = run_stranger,
			 .late = stranger_is_late,
			 .free = free_look },
		.agent = agent,
	};
	snprintf(stranger->uuid, sizeof(stranger->uuid), "%s", uuid);
	if (pool_submit(agent->pool, POOL_SHORT, &stranger->job) < 0)
		free(stranger);
}
