/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/trace/host.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/message.h"

#define STATE(x) WIRE__DOMAIN_NEWS__STATE__##x
#define CODE(x) WIRE__AGENT_REPLY__CODE__##x

enum { DOMAINS = 64, ASKS = 256, PEERS = 8 };
/* What is not the cluster's has an id that no record has. */
#define NOBODYS (UINT64_C(1) << 62)

struct domain_here {
	uint64_t vm; /* 0 = free */
	char uuid[40], name[64];
	Wire__DomainNews__State state;
	Wire__VmReport__Cause cause;
	const char *reason;
	unsigned from; /* of an incoming one */
	bool outside;  /* started by other tools */
	char saving[160]; /* where to, if that takes too long; "" = it is not */
	bool strange;  /* and without a mark: the agent sees it when a Watch names it */
};

struct waiting {
	uint64_t id; /* 0 = free */
	unsigned step;
	Wire__AgentRequest *request;
};

struct host {
	void *world;
	unsigned node;
	bool agent;
	bool slow_saves, no_volume;
	struct domain_here domains[DOMAINS];
	struct waiting asks[ASKS];
	struct host *peers[PEERS];
	const char *fails[HOST_ACTS];
};

struct host *host_new(void *world, unsigned node)
{
	struct host *host = mem_new(struct host);

	host->world = world;
	host->node = node;
	return host;
}

static void drop_asks(struct host *host)
{
	for (size_t i = 0; i < ASKS; i++) {
		wire_free(host->asks[i].request);
		host->asks[i] = (struct waiting){ 0 };
	}
}

void host_free(struct host *host)
{
	drop_asks(host);
	free(host);
}

void host_meet(struct host *host, unsigned node, struct host *peer)
{
	host->peers[node] = peer;
}

void host_fail(struct host *host, enum host_act_kind kind, const char *why)
{
	host->fails[kind] = why;
}

void host_save_slowly(struct host *host, bool yes)
{
	host->slow_saves = yes;
}

void host_lose_volume(struct host *host, bool yes)
{
	host->no_volume = yes;
}

static void tell(struct host *host, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct host *host, const char *format, ...)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "n%u: ", host->node);
	va_list args;

	va_start(args, format);
	vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	world_tell(host->world, line);
}

/* ------------------------------------------------------------------ domains */

static struct domain_here *find(struct host *host, uint64_t vm)
{
	for (size_t i = 0; i < DOMAINS; i++)
		if (host->domains[i].vm == vm)
			return &host->domains[i];
	return NULL;
}

static struct domain_here *take(struct host *host, const Wire__DomainRef *ref)
{
	struct domain_here *domain = find(host, ref->vm);

	if (!domain)
		domain = find(host, 0);
	assert(domain);
	domain->vm = ref->vm;
	snprintf(domain->uuid, sizeof(domain->uuid), "%s", ref->uuid);
	snprintf(domain->name, sizeof(domain->name), "%s", ref->name);
	domain->cause = WIRE__VM_REPORT__CAUSE__UNKNOWN;
	domain->reason = "";
	return domain;
}

static bool exists(const struct domain_here *domain)
{
	return domain && domain->state != STATE(ABSENT);
}

static void fill(const struct domain_here *domain, Wire__DomainRef *ref, Wire__DomainNews *news)
{
	wire__domain_ref__init(ref);
	wire__domain_news__init(news);
	ref->vm = domain->vm;
	ref->uuid = (char *)domain->uuid;
	ref->name = (char *)domain->name;
	news->domain = ref;
	news->state = domain->state;
	news->job = domain->saving[0] != '\0';
	news->cause = domain->cause;
	news->reason = (char *)(domain->reason ? domain->reason : "");
	news->text = (char *)(domain->state == STATE(ABSENT) ? "its process ended" : "");
}

static void send_domain(struct host *host, const struct domain_here *domain, uint64_t watch)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__DomainNews body;
	Wire__DomainRef ref;

	if (!host->agent || domain->strange)
		return;
	fill(domain, &ref, &body);
	body.watch = watch;
	news.body_case = WIRE__AGENT_NEWS__BODY_DOMAIN;
	news.domain = &body;
	world_news(host->world, host->node, &news);
}

static void become(struct host *host, struct domain_here *domain, Wire__DomainNews__State state,
		   const char *reason)
{
	domain->state = state;
	domain->reason = reason;
	send_domain(host, domain, 0);
}

static void end(struct host *host, struct domain_here *domain, Wire__VmReport__Cause cause)
{
	domain->cause = cause;
	become(host, domain, STATE(ABSENT), "");
}

void host_guest_ends(struct host *host, uint64_t vm, Wire__VmReport__Cause cause)
{
	struct domain_here *domain = find(host, vm);

	assert(exists(domain));
	tell(host, "%s ends", domain->name);
	end(host, domain, cause);
}

void host_save_ends(struct host *host, uint64_t vm)
{
	struct domain_here *domain = find(host, vm);

	assert(exists(domain) && domain->saving[0]);
	domain->saving[0] = '\0';
	tell(host, "%s saved", domain->name);
	end(host, domain, WIRE__VM_REPORT__CAUSE__KILLED);
}

bool host_is_saving(const struct host *host, uint64_t vm)
{
	const struct domain_here *domain = find((struct host *)host, vm);

	return exists(domain) && domain->saving[0];
}

static struct domain_here *find_uuid(struct host *host, const char *uuid)
{
	for (size_t i = 0; i < DOMAINS; i++)
		if (host->domains[i].vm && strcmp(host->domains[i].uuid, uuid) == 0)
			return &host->domains[i];
	return NULL;
}

void host_run_outside(struct host *host, uint64_t vm, const char *uuid, const char *name,
		      bool marked)
{
	Wire__DomainRef ref = WIRE__DOMAIN_REF__INIT;
	struct domain_here *domain;

	ref.vm = vm ? vm : NOBODYS + host->node;
	ref.uuid = (char *)uuid;
	ref.name = (char *)name;
	domain = take(host, &ref);
	domain->outside = true;
	domain->strange = !marked;
	tell(host, "%s started by hand", name);
	become(host, domain, STATE(RUNNING), "");
}

void host_all_outside(struct host *host)
{
	for (size_t i = 0; i < DOMAINS; i++)
		host->domains[i].outside = true;
}

void host_pause_outside(struct host *host, uint64_t vm)
{
	struct domain_here *domain = find(host, vm);

	assert(exists(domain));
	tell(host, "%s paused by hand", domain->name);
	become(host, domain, STATE(PAUSED), "user");
}

const char *host_uuid(const struct host *host, uint64_t vm)
{
	const struct domain_here *domain = find((struct host *)host, vm);

	return domain ? domain->uuid : "";
}

bool host_is_outside(const struct host *host, uint64_t vm)
{
	const struct domain_here *domain = find((struct host *)host, vm);

	return domain && domain->outside;
}

size_t host_running(const struct host *host, uint64_t *ret_vms, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < DOMAINS && n < max; i++)
		if (host->domains[i].vm && host->domains[i].state == STATE(RUNNING))
			ret_vms[n++] = host->domains[i].vm;
	return n;
}

bool host_runs(const struct host *host, uint64_t vm)
{
	for (size_t i = 0; i < DOMAINS; i++)
		if (host->domains[i].vm == vm && host->domains[i].state == STATE(RUNNING))
			return true;
	return false;
}

void host_power_off(struct host *host)
{
	host->agent = false;
	drop_asks(host);
	memset(host->domains, 0, sizeof(host->domains));
}

/* libvirt destroys what was coming in from a peer that is gone, unless it was complete. */
void host_peer_gone(struct host *host, unsigned node)
{
	for (size_t i = 0; i < DOMAINS; i++)
		if (host->domains[i].vm && host->domains[i].state == STATE(INCOMING) &&
		    host->domains[i].from == node)
			end(host, &host->domains[i], WIRE__VM_REPORT__CAUSE__INCOMING_LOST);
}

/* ------------------------------------------------------------------ the agent */

/* Volumes are known from a Watch on. */
static void send_facts(struct host *host, bool whole)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	char *volumes[] = { (char *)"shared" };

	facts.memory_mib = 4096;
	facts.cpus = 2;
	facts.agent_ok = true;
	facts.volumes = volumes;
	facts.n_volumes = whole;
	news.body_case = WIRE__AGENT_NEWS__BODY_FACTS;
	news.facts = &facts;
	news.whole = whole;
	world_news(host->world, host->node, &news);
}

void host_agent_begins(struct host *host)
{
	/* Why something ended, only who saw it knows. */
	for (size_t i = 0; i < DOMAINS; i++)
		host->domains[i].cause = WIRE__VM_REPORT__CAUSE__UNKNOWN;
	host->agent = true;
}

void host_agent_up(struct host *host)
{
	send_facts(host, false);
}

void host_agent_down(struct host *host)
{
	host->agent = false;
	drop_asks(host);
}

void host_ask(struct host *host, uint64_t ask, const Wire__AgentRequest *request)
{
	for (size_t i = 0; host->agent && i < ASKS; i++)
		if (!host->asks[i].id) {
			host->asks[i] =
				(struct waiting){ .id = ask, .request = wire_dup(&request->base) };
			return;
		}
	assert(!host->agent);
}

static void answer(struct host *host, struct waiting *waiting, Wire__AgentReply__Code code,
		   const char *text)
{
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;
	struct waiting was = *waiting;
	struct domain_here *domain =
		was.request->domain ? find(host, was.request->domain->vm) : NULL;
	Wire__DomainNews news;
	Wire__DomainRef ref;

	*waiting = (struct waiting){ 0 };
	reply.code = code;
	reply.text = (char *)text;
	if (domain && domain->vm) {
		fill(domain, &ref, &news);
		reply.domain = &news;
	}
	world_reply(host->world, host->node, was.id, &reply);
	wire_free(was.request);
}

static void do_watch(struct host *host, struct waiting *waiting)
{
	const Wire__Watch *watch = waiting->request->watch;
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__InventoryDone done = WIRE__INVENTORY_DONE__INIT;

	for (size_t i = 0; i < watch->n_domains; i++) {
		struct domain_here *domain = find_uuid(host, watch->domains[i]->uuid);

		if (!domain) {
			domain = take(host, watch->domains[i]);
			domain->state = STATE(ABSENT);
		}
		domain->vm = watch->domains[i]->vm;
		domain->strange = false;
	}
	for (size_t i = 0; i < DOMAINS; i++)
		if (host->domains[i].vm)
			send_domain(host, &host->domains[i], waiting->id);
	send_facts(host, true);
	done.watch = waiting->id;
	news.body_case = WIRE__AGENT_NEWS__BODY_INVENTORY;
	news.inventory = &done;
	world_news(host->world, host->node, &news);
	answer(host, waiting, CODE(OK), "");
}

static void do_start(struct host *host, struct waiting *waiting)
{
	struct domain_here *domain = take(host, waiting->request->domain);

	if (host->fails[HOST_START]) {
		domain->state = STATE(ABSENT);
		answer(host, waiting, CODE(FAILED), host->fails[HOST_START]);
		return;
	}
	tell(host, "%s starts", domain->name);
	become(host, domain, STATE(RUNNING), "");
	answer(host, waiting, CODE(OK), "");
}

static void do_end(struct host *host, struct waiting *waiting, const char *how)
{
	struct domain_here *domain = find(host, waiting->request->domain->vm);

	if (exists(domain)) {
		tell(host, "%s %s", domain->name, how);
		end(host, domain, WIRE__VM_REPORT__CAUSE__KILLED);
	}
	answer(host, waiting, CODE(OK), "");
}

static void do_set(struct host *host, struct waiting *waiting, Wire__DomainNews__State state,
		   const char *how)
{
	struct domain_here *domain = find(host, waiting->request->domain->vm);

	if (!exists(domain)) {
		answer(host, waiting, CODE(FAILED), "no such domain");
		return;
	}
	tell(host, "%s %s", domain->name, how);
	become(host, domain, state, state == STATE(PAUSED) ? "user" : "");
	answer(host, waiting, CODE(OK), "");
}

static struct host *destination(struct host *host, const char *uri)
{
	const char *n = strrchr(uri, 'n');

	return n ? host->peers[(n[1] - '0') % PEERS] : NULL;
}

/* Begin, copy, complete: the source stays frozen until it is handed over. */
static void do_migrate(struct host *host, struct waiting *waiting)
{
	struct domain_here *domain = find(host, waiting->request->domain->vm);
	struct host *to = destination(host, waiting->request->migrate->data_uri);
	struct domain_here *there;

	if (!exists(domain)) {
		answer(host, waiting, waiting->step >= 2 ? CODE(OK) : CODE(FAILED), "gone");
		return;
	}
	if (!to || !to->agent || host->fails[HOST_MOVE] || waiting->step == 2) {
		there = to ? find(to, domain->vm) : NULL;
		if (exists(there) && there->state == STATE(INCOMING))
			end(to, there, WIRE__VM_REPORT__CAUSE__INCOMING_LOST);
		answer(host, waiting, CODE(FAILED),
		       host->fails[HOST_MOVE] ? host->fails[HOST_MOVE] : "cannot connect");
		return;
	}
	there = take(to, waiting->request->domain);
	there->from = host->node;
	if (waiting->step == 0) {
		waiting->step = 1;
		tell(host, "%s copies to n%u", domain->name, to->node);
		become(to, there, STATE(INCOMING), "");
	} else if (waiting->step == 1) {
		waiting->step = 2;
		become(host, domain, STATE(PAUSED), "postmigrate");
		become(to, there, STATE(COMPLETE), "migration");
	}
}

static void cancel_save(struct host *host, struct domain_here *domain)
{
	if (!exists(domain) || !domain->saving[0])
		return;
	world_image_drop(host->world, domain->saving);
	domain->saving[0] = '\0';
}

static void do_cancel(struct host *host, struct waiting *waiting)
{
	cancel_save(host, find(host, waiting->request->domain->vm));
	for (size_t i = 0; i < ASKS; i++) {
		struct waiting *other = &host->asks[i];

		if (other->id && other->request->body_case == WIRE__AGENT_REQUEST__BODY_MIGRATE &&
		    other->request->domain->vm == waiting->request->domain->vm && other->step < 2) {
			struct host *to = destination(host, other->request->migrate->data_uri);
			struct domain_here *there =
				to ? find(to, other->request->domain->vm) : NULL;

			if (exists(there))
				end(to, there, WIRE__VM_REPORT__CAUSE__INCOMING_LOST);
			answer(host, other, CODE(CANCELLED), "cancelled");
			break;
		}
	}
	answer(host, waiting, CODE(OK), "");
}

static void do_hand_over(struct host *host, struct waiting *waiting)
{
	struct domain_here *domain = find(host, waiting->request->domain->vm);

	if (exists(domain) && domain->state == STATE(RUNNING)) {
		answer(host, waiting, CODE(RAN_ON), "it runs");
		return;
	}
	if (!exists(domain)) {
		answer(host, waiting, CODE(ABSENT), "the source was gone already");
		return;
	}
	tell(host, "%s handed over", domain->name);
	end(host, domain, WIRE__VM_REPORT__CAUSE__HANDED_OVER);
	answer(host, waiting, CODE(OK), "");
}

static void do_save(struct host *host, struct waiting *waiting)
{
	struct domain_here *domain = find(host, waiting->request->domain->vm);
	const char *path = waiting->request->save->path;

	if (exists(domain) && (host->slow_saves || domain->saving[0])) {
		snprintf(domain->saving, sizeof(domain->saving), "%s", path);
		world_image_put(host->world, path);
	}
	if (host->fails[HOST_SAVE]) {
		answer(host, waiting, CODE(FAILED), host->fails[HOST_SAVE]);
		return;
	}
	if (exists(domain) && domain->saving[0]) {
		answer(host, waiting, CODE(TIMEOUT), "no result by its deadline");
		return;
	}
	if (exists(domain)) {
		world_image_put(host->world, path);
		tell(host, "%s saved", domain->name);
		end(host, domain, WIRE__VM_REPORT__CAUSE__KILLED);
	}
	answer(host, waiting, world_image_has(host->world, path) ? CODE(OK) : CODE(ABSENT), "");
}

static void do_drop(struct host *host, struct waiting *waiting)
{
	bool removed;

	if (host->fails[HOST_DROP]) {
		answer(host, waiting, CODE(FAILED), host->fails[HOST_DROP]);
		return;
	}
	removed = !host->no_volume &&
		  world_image_drop(host->world, waiting->request->drop_image->path);
	answer(host, waiting, removed ? CODE(OK) : CODE(ABSENT), "");
}

static void do_restore(struct host *host, struct waiting *waiting)
{
	struct domain_here *domain = take(host, waiting->request->domain);
	const char *why = host->fails[HOST_RESTORE];

	if (!why && (host->no_volume ||
		     !world_image_has(host->world, waiting->request->restore->path)))
		why = "the image is missing";
	if (why) {
		domain->state = STATE(ABSENT);
		answer(host, waiting, CODE(FAILED), why);
		return;
	}
	tell(host, "%s restored", domain->name);
	become(host, domain, STATE(PAUSED), "restored");
	answer(host, waiting, CODE(OK), "");
}

static void act_on(struct host *host, struct waiting *waiting)
{
	struct domain_here *domain =
		waiting->request->domain ? find(host, waiting->request->domain->vm) : NULL;

	if (domain)
		domain->outside = domain->strange = false;
	switch (waiting->request->body_case) {
	case WIRE__AGENT_REQUEST__BODY_WATCH:
		do_watch(host, waiting);
		break;
	case WIRE__AGENT_REQUEST__BODY_START:
		do_start(host, waiting);
		break;
	case WIRE__AGENT_REQUEST__BODY_STOP:
		do_end(host, waiting, "shut down");
		break;
	case WIRE__AGENT_REQUEST__BODY_KILL:
		do_end(host, waiting, "killed");
		break;
	case WIRE__AGENT_REQUEST__BODY_PAUSE:
		do_set(host, waiting, STATE(PAUSED), "paused");
		break;
	case WIRE__AGENT_REQUEST__BODY_RESUME:
		do_set(host, waiting, STATE(RUNNING), "runs");
		break;
	case WIRE__AGENT_REQUEST__BODY_MIGRATE:
		do_migrate(host, waiting);
		break;
	case WIRE__AGENT_REQUEST__BODY_CANCEL:
		do_cancel(host, waiting);
		break;
	case WIRE__AGENT_REQUEST__BODY_HAND_OVER:
		do_hand_over(host, waiting);
		break;
	case WIRE__AGENT_REQUEST__BODY_SAVE:
		do_save(host, waiting);
		break;
	case WIRE__AGENT_REQUEST__BODY_RESTORE:
		do_restore(host, waiting);
		break;
	case WIRE__AGENT_REQUEST__BODY_DROP_IMAGE:
		do_drop(host, waiting);
		break;
	default:
		answer(host, waiting, CODE(OK), "");
		break;
	}
}

/* A migration that is complete waits for the hand-over; everything else can go on. */
static bool can_act(struct host *host, const struct waiting *waiting)
{
	struct host *to;

	if (!waiting->id)
		return false;
	if (waiting->request->body_case != WIRE__AGENT_REQUEST__BODY_MIGRATE || waiting->step < 2)
		return true;
	to = destination(host, waiting->request->migrate->data_uri);
	return !exists(find(host, waiting->request->domain->vm)) || !to ||
	       !exists(find(to, waiting->request->domain->vm));
}

bool host_act(struct host *host)
{
	for (size_t i = 0; host->agent && i < ASKS; i++)
		if (can_act(host, &host->asks[i])) {
			act_on(host, &host->asks[i]);
			return true;
		}
	return false;
}
