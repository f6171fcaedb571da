/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When domains are looked at: queued looks, the answer to a Watch, domains that turn up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	WATCH_LOOK_MS = 3000, /* for another look to end: the other guests wait, too */
};

/* ---------------------------------------------------------------- what runs */

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
	guest_send_news(agent, news);
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
		process_pause_ms(1);
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

/* ---------------------------------------------------------------- a Watch */

/* Nothing of it can be read: another thread has it. */
static void tell_unknown(struct agent *agent, struct guest *guest)
{
	_cleanup_(wire_freep) Wire__DomainNews *news = guest_news_about(agent, guest);

	news->state = WIRE__DOMAIN_NEWS__STATE__UNKNOWN;
	wire_set(&news->text, "libvirt hung when it was asked about it");
	guest_send_news(agent, news);
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
	guest_send_news(agent, news);
	guest_unlock(guest);
	/* What it runs as is told again, too. */
	guest_queue_look(agent, guest, (struct guest_look){ .live = true });
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
