/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The domains the agent knows, looking at them, telling what is true about them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <libvirt/virterror.h>

#include "agents/vm.h"
#include "base/mem.h"
#include "domain/essence.h"
#include "domain/xml.h"
#include "migrate/driver/process.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	SETTLE_TRIES = 200,	/* of a millisecond */
	STOPPED_TRIES = 20,	/* of 5 ms: the event with the reason is on its way */
};

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* ---------------------------------------------------------------- the table */

static struct dom *find_locked(struct agent *agent, const char *uuid)
{
	for (size_t i = 0; i < agent->doms_n; i++) {
		if (strcasecmp(agent->doms[i]->uuid, uuid) == 0)
			return agent->doms[i];
	}
	return NULL;
}

struct dom *dom_find(struct agent *agent, const char *uuid)
{
	struct dom *dom;

	pthread_mutex_lock(&agent->lock);
	dom = find_locked(agent, uuid);
	pthread_mutex_unlock(&agent->lock);
	return dom;
}

static struct dom *new_dom(const char *uuid)
{
	struct dom *dom = mem_new(struct dom);
	pthread_condattr_t clock;

	snprintf(dom->uuid, sizeof(dom->uuid), "%s", uuid);
	pthread_mutex_init(&dom->order, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&dom->changed, &clock);
	pthread_condattr_destroy(&clock);
	dom->stopped = -1;
	dom->present_id = dom->arrived_id = -1;
	dom->state = SIGHT_UNKNOWN;
	return dom;
}

struct dom *dom_of(struct agent *agent, const Wire__DomainRef *ref)
{
	struct dom *dom;

	if (strlen(ref->uuid) != DOMAIN_UUID_SIZE - 1)
		return NULL;
	pthread_mutex_lock(&agent->lock);
	dom = find_locked(agent, ref->uuid);
	if (!dom && agent->doms_n < VM_DOMAINS_MAX)
		dom = agent->doms[agent->doms_n++] = new_dom(ref->uuid);
	if (dom) {
		dom->vm = ref->vm;
		dom->generation = ref->generation;
		free(dom->name);
		dom->name = mem_strdup(ref->name);
	}
	pthread_mutex_unlock(&agent->lock);
	return dom;
}

/* ---------------------------------------------------------------- looking */

int dom_lock(struct dom *dom, uint64_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(timeout_ms / 1000);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_mutex_clocklock(&dom->order, CLOCK_MONOTONIC, &until) == 0 ? 0 : -EBUSY;
}

void dom_unlock(struct dom *dom)
{
	pthread_mutex_unlock(&dom->order);
}

static int read_stopped(struct agent *agent, struct dom *dom, bool *ret_ending)
{
	int stopped;

	pthread_mutex_lock(&agent->lock);
	stopped = dom->stopped;
	*ret_ending = dom->ending;
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
static void note_absent(struct agent *agent, struct dom *dom)
{
	bool ending, fresh = dom->told && dom->last.state != SIGHT_ABSENT &&
			     dom->last.state != SIGHT_UNKNOWN;
	int stopped = read_stopped(agent, dom, &ending);

	for (int i = 0; i < STOPPED_TRIES && fresh && stopped < 0 && !ending; i++) {
		pause_ms(5);
		stopped = read_stopped(agent, dom, &ending);
	}
	dom->cause = judge_cause(stopped, ending);
	dom->present_id = dom->arrived_id = -1;
	dom->live_told = false;
}

static void note_present(struct agent *agent, struct dom *dom, const struct sight *sight)
{
	if (sight->libvirt_id != dom->present_id) {
		/* Another life: what is known of the last one's end says nothing about it. */
		pthread_mutex_lock(&agent->lock);
		dom->stopped = -1;
		dom->ending = false;
		dom->look_live = true;
		pthread_mutex_unlock(&agent->lock);
		dom->present_id = sight->libvirt_id;
		dom->live_told = false;
	}
	if (sight->state == SIGHT_INCOMING)
		dom->arrived_id = sight->libvirt_id;
	else if (sight->state == SIGHT_RUNNING)
		dom->arrived_id = -1;
	dom->cause = WIRE__VM_REPORT__CAUSE__UNKNOWN;
}

static void take_sight(struct agent *agent, struct dom *dom, struct link *link, struct sight *ret)
{
	struct sight_hint hint = { .arrived_id = dom->arrived_id };
	char why[VM_WHY_SIZE];
	virConnectPtr conn = NULL;

	pthread_mutex_lock(&agent->lock);
	hint.job = dom->jobs > 0;
	pthread_mutex_unlock(&agent->lock);
	if (agent_connect(agent, link, &conn, why) < 0)
		conn = NULL;
	sight_take(conn, why, dom->uuid, &hint, ret);
}

static bool same_sight(const struct sight *a, const struct sight *b)
{
	return a->state == b->state && a->job == b->job && strcmp(a->reason, b->reason) == 0 &&
	       strcmp(a->text, b->text) == 0;
}

void dom_look_locked(struct agent *agent, struct dom *dom, struct link *link)
{
	Wire__VmReport__Cause cause = dom->cause;
	struct sight sight;

	take_sight(agent, dom, link, &sight);
	if (sight.state == SIGHT_ABSENT)
		note_absent(agent, dom);
	else if (sight.state != SIGHT_UNKNOWN)
		note_present(agent, dom, &sight);
	if (!same_sight(&sight, &dom->last) || cause != dom->cause)
		dom->told = false;
	dom->last = sight;
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

static const char *absent_text(const struct dom *dom, int stopped)
{
	switch (dom->cause) {
	case WIRE__VM_REPORT__CAUSE__GUEST_SHUTDOWN:
		return "the guest shut down";
	case WIRE__VM_REPORT__CAUSE__CRASHED:
		return stopped == VIR_DOMAIN_EVENT_STOPPED_CRASHED ? "the guest crashed"
								   : "its QEMU process died";
	case WIRE__VM_REPORT__CAUSE__OUTSIDE:
		return "it was destroyed by other tools than clusterd";
	case WIRE__VM_REPORT__CAUSE__KILLED:
		return stopped == VIR_DOMAIN_EVENT_STOPPED_MIGRATED ? "moved away"
		       : stopped == VIR_DOMAIN_EVENT_STOPPED_SAVED ? "saved" : "";
	default:
		return "";
	}
}

static void note_told(struct agent *agent, struct dom *dom)
{
	dom->told = true;
	pthread_mutex_lock(&agent->lock);
	dom->state = dom->last.state;
	pthread_cond_broadcast(&dom->changed);
	pthread_mutex_unlock(&agent->lock);
}

Wire__DomainNews *dom_news_locked(struct agent *agent, struct dom *dom)
{
	Wire__DomainNews *news = wire_new(&wire__domain_news__descriptor);
	int stopped;

	news->domain = wire_new(&wire__domain_ref__descriptor);
	wire_set(&news->domain->uuid, dom->uuid);
	pthread_mutex_lock(&agent->lock);
	news->domain->vm = dom->vm;
	news->domain->generation = dom->generation;
	wire_set(&news->domain->name, dom->name);
	stopped = dom->stopped;
	pthread_mutex_unlock(&agent->lock);
	news->state = states[dom->last.state];
	news->job = dom->last.job;
	wire_set(&news->reason, dom->last.reason);
	if (dom->last.state == SIGHT_ABSENT) {
		news->cause = dom->cause;
		vm_set_text(&news->text, absent_text(dom, stopped));
	} else {
		vm_set_text(&news->text, dom->last.text);
	}
	note_told(agent, dom);
	return news;
}

static void send_news(struct agent *agent, Wire__DomainNews *domain)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;

	news.body_case = WIRE__AGENT_NEWS__BODY_DOMAIN;
	news.domain = domain;
	agent_send_news(agent, &news);
}

void dom_tell_locked(struct agent *agent, struct dom *dom, bool forced)
{
	_cleanup_(wire_freep) Wire__DomainNews *news = NULL;

	if (dom->told && !forced)
		return;
	news = dom_news_locked(agent, dom);
	send_news(agent, news);
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
static void tell_live_locked(struct agent *agent, struct dom *dom, struct link *link)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	_cleanup_(freep) char *xml = NULL;
	_cleanup_(wire_freep) Wire__Essence *live = NULL;
	_cleanup_(wire_freep) Wire__DomainNews *news = NULL;
	char why[DOMAIN_WHY_SIZE];
	virConnectPtr conn;

	if (dom->last.state != SIGHT_RUNNING && dom->last.state != SIGHT_PAUSED)
		return;
	if (agent_connect(agent, link, &conn, why) < 0 || link_domain(conn, dom->uuid, &domain) < 0)
		return;
	xml = virDomainGetXMLDesc(domain, 0);
	if (!xml || domain_essence_read(xml, strlen(xml), NULL, &live, why, sizeof(why)) < 0)
		return;
	if (dom->live_told && dom->live_digest == live_digest(live))
		return;
	dom->live_told = true;
	dom->live_digest = live_digest(live);
	news = dom_news_locked(agent, dom);
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
	struct dom *dom;
};

static struct dom_look take_wishes(struct agent *agent, struct dom *dom)
{
	struct dom_look how;

	pthread_mutex_lock(&agent->lock);
	how = (struct dom_look){ dom->look_forced, dom->look_live, dom->look_settle };
	/* From here on an event queues another look: this one may be too early for it. */
	dom->look_queued = dom->look_forced = dom->look_live = dom->look_settle = false;
	pthread_mutex_unlock(&agent->lock);
	return how;
}

static void run_look(struct job *job, struct link *link)
{
	struct look_job *look = (struct look_job *)job;
	struct agent *agent = look->agent;
	struct dom *dom = look->dom;
	struct dom_look how = take_wishes(agent, dom);

	if (dom_lock(dom, VM_LOOK_MS) < 0) {
		dom_queue_look(agent, dom, how);
		return;
	}
	dom_look_locked(agent, dom, link);
	/* "Suspended" at the destination comes before libvirt has ended its job. */
	for (int i = 0; i < SETTLE_TRIES && how.settle && dom->last.state == SIGHT_INCOMING; i++) {
		pause_ms(1);
		dom_look_locked(agent, dom, link);
	}
	dom_tell_locked(agent, dom, how.forced);
	pthread_mutex_lock(&agent->lock);
	how.live |= dom->look_live;
	dom->look_live = false;
	pthread_mutex_unlock(&agent->lock);
	if (how.live || !dom->live_told)
		tell_live_locked(agent, dom, link);
	dom_unlock(dom);
}

/* What is hung says nothing; the facts tell that. It may never have begun. */
static void look_is_late(struct job *job)
{
	struct look_job *look = (struct look_job *)job;

	take_wishes(look->agent, look->dom);
}

static void free_look(struct job *job)
{
	free(job);
}

void dom_queue_look(struct agent *agent, struct dom *dom, struct dom_look how)
{
	struct look_job *look;
	bool queued;

	pthread_mutex_lock(&agent->lock);
	queued = dom->look_queued;
	dom->look_queued = true;
	dom->look_forced |= how.forced;
	dom->look_live |= how.live;
	dom->look_settle |= how.settle;
	pthread_mutex_unlock(&agent->lock);
	if (queued)
		return;
	look = mem_new(struct look_job);
	*look = (struct look_job){
		.job = { .due_ms = process_now_ms() + VM_LOOK_MS, .run = run_look,
			 .late = look_is_late, .free = free_look },
		.agent = agent,
		.dom = dom,
	};
	if (pool_submit(agent->pool, POOL_SHORT, &look->job) < 0) {
		free(look);
		take_wishes(agent, dom);
	}
}

static bool is_unsure(const struct dom *dom)
{
	return dom->state == SIGHT_UNKNOWN || dom->state == SIGHT_SHUTTING;
}

/* Those that a filter takes. The table only grows, so it can be walked without the lock. */
static void queue_some(struct agent *agent, bool (*filter)(const struct dom *), struct dom_look how)
{
	for (size_t i = 0;; i++) {
		struct dom *dom = NULL;
		bool wanted = false;

		pthread_mutex_lock(&agent->lock);
		if (i < agent->doms_n) {
			dom = agent->doms[i];
			wanted = filter(dom);
		}
		pthread_mutex_unlock(&agent->lock);
		if (!dom)
			return;
		if (wanted)
			dom_queue_look(agent, dom, how);
	}
}

static bool any(const struct dom *dom)
{
	return true;
}

static bool unsure_or_listed(const struct dom *dom)
{
	return is_unsure(dom) || dom->listed || dom->state != SIGHT_ABSENT;
}

void dom_queue_all(struct agent *agent, struct dom_look how)
{
	queue_some(agent, any, how);
}

void dom_queue_unsure(struct agent *agent, bool listed)
{
	queue_some(agent, listed ? unsure_or_listed : is_unsure, (struct dom_look){ 0 });
}

bool dom_wait_absent(struct agent *agent, struct dom *dom, uint64_t until_ms)
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
	while (dom->state != SIGHT_ABSENT && r == 0)
		r = pthread_cond_timedwait(&dom->changed, &agent->lock, &until);
	absent = dom->state == SIGHT_ABSENT;
	pthread_mutex_unlock(&agent->lock);
	return absent;
}

/* ---------------------------------------------------------------- strangers */

/* Makes a domain known if it bears our mark. */
static struct dom *adopt(struct agent *agent, virDomainPtr domain)
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
	return dom_of(agent, &ref);
}

void dom_adopt_all(struct agent *agent, virConnectPtr conn)
{
	virDomainPtr *domains = NULL;
	int n = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	for (int i = 0; i < n; i++) {
		char uuid[VIR_UUID_STRING_BUFLEN];
		struct dom *dom;

		if (virDomainGetUUIDString(domains[i], uuid) == 0 && !dom_find(agent, uuid)) {
			dom = adopt(agent, domains[i]);
			if (dom)
				dom_queue_look(agent, dom, (struct dom_look){ .forced = true });
		}
		virDomainFree(domains[i]);
	}
	free(domains);
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
	struct dom *dom = dom_find(stranger->agent, stranger->uuid);
	char why[VM_WHY_SIZE];
	virConnectPtr conn;

	if (!dom && agent_connect(stranger->agent, link, &conn, why) == 0 &&
	    link_domain(conn, stranger->uuid, &domain) == 0)
		dom = adopt(stranger->agent, domain);
	if (dom)
		dom_queue_look(stranger->agent, dom, (struct dom_look){ .settle = true });
}

static void stranger_is_late(struct job *job)
{
}

void dom_queue_stranger(struct agent *agent, const char *uuid)
{
	struct stranger_job *stranger = mem_new(struct stranger_job);

	*stranger = (struct stranger_job){
		.job = { .due_ms = process_now_ms() + VM_LOOK_MS, .run = run_stranger,
			 .late = stranger_is_late, .free = free_look },
		.agent = agent,
	};
	snprintf(stranger->uuid, sizeof(stranger->uuid), "%s", uuid);
	if (pool_submit(agent->pool, POOL_SHORT, &stranger->job) < 0)
		free(stranger);
}
