/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event connection: kept open by a thread of its own, opened anew when it breaks.
 *
 * An event only says where to look: what is told is always what a look finds afterwards. The one
 * exception is what cannot be found out later: why a guest stopped, and the moment at which a move
 * suspended it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "agents/vm.h"
#include "migrate/driver/process.h"

enum { BACKOFF_MIN_MS = 200, BACKOFF_MAX_MS = 2000, CALLBACKS_MAX = 8 };

/* ---------------------------------------------------------------- callbacks */

/* The move has stopped its virtual CPUs: from here on they must not have run. */
static void note_suspended(struct agent *agent, struct guest *guest)
{
	uint64_t now_ms = process_now_ms();
	struct process_vcpus vcpus = { 0 };
	pid_t pid;
	bool active;

	pthread_mutex_lock(&agent->lock);
	active = guest->move.active;
	pid = guest->move.pid;
	pthread_mutex_unlock(&agent->lock);
	if (!active || process_vcpus_read(pid, &vcpus) < 0)
		return;
	pthread_mutex_lock(&agent->lock);
	guest->move.suspended = true;
	guest->move.suspended_ms = now_ms;
	guest->move.vcpus = vcpus;
	pthread_mutex_unlock(&agent->lock);
}

static void note_event(struct agent *agent, struct guest *guest, int event, int detail)
{
	if (event == VIR_DOMAIN_EVENT_SUSPENDED && detail == VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED)
		note_suspended(agent, guest);
	pthread_mutex_lock(&agent->lock);
	if (event == VIR_DOMAIN_EVENT_STOPPED)
		guest->stopped = detail;
	if (event == VIR_DOMAIN_EVENT_STARTED || event == VIR_DOMAIN_EVENT_RESUMED) {
		guest->stopped = -1; /* told late, that was an earlier life's */
		guest->handed_over = false;
	}
	if (event == VIR_DOMAIN_EVENT_RESUMED)
		guest->move.resumed = true;
	pthread_mutex_unlock(&agent->lock);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail,
			void *context)
{
	struct agent *agent = context;
	struct guest_look how = {
		.settle = event == VIR_DOMAIN_EVENT_SUSPENDED,
		.live = event == VIR_DOMAIN_EVENT_RESUMED,
	};
	char uuid[VIR_UUID_STRING_BUFLEN];
	struct guest *guest;

	if (virDomainGetUUIDString(domain, uuid) < 0)
		return 0;
	guest = guest_find(agent, uuid);
	if (guest) {
		note_event(agent, guest, event, detail);
		guest_queue_look(agent, guest, how);
	} else if (event != VIR_DOMAIN_EVENT_STOPPED && event != VIR_DOMAIN_EVENT_UNDEFINED) {
		guest_queue_stranger(agent, uuid);
	}
	return 0;
}

/* The definition of a guest that runs may have changed. */
static void look_at_live(struct agent *agent, virDomainPtr domain)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	struct guest *guest =
		virDomainGetUUIDString(domain, uuid) < 0 ? NULL : guest_find(agent, uuid);

	if (guest)
		guest_queue_look(agent, guest, (struct guest_look){ .live = true });
}

static void on_device(virConnectPtr conn, virDomainPtr domain, const char *alias, void *context)
{
	look_at_live(context, domain);
}

static void on_block_job(virConnectPtr conn, virDomainPtr domain, const char *disk, int type,
			 int status, void *context)
{
	look_at_live(context, domain);
}

static void on_balloon(virConnectPtr conn, virDomainPtr domain, unsigned long long actual,
		       void *context)
{
	look_at_live(context, domain);
}

static void on_metadata(virConnectPtr conn, virDomainPtr domain, int type, const char *uri,
			void *context)
{
	look_at_live(context, domain);
}

static void on_close(virConnectPtr conn, int reason, void *context)
{
	struct agent *agent = context;

	pthread_mutex_lock(&agent->lock);
	agent->lost = true;
	pthread_cond_signal(&agent->lost_cond);
	pthread_mutex_unlock(&agent->lock);
}

static const struct {
	int id;
	virConnectDomainEventGenericCallback call;
} callbacks[] = {
	{ VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
	{ VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
	{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
	{ VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, VIR_DOMAIN_EVENT_CALLBACK(on_block_job) },
	{ VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_balloon) },
	{ VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata) },
};

enum { CALLBACKS = sizeof(callbacks) / sizeof(callbacks[0]) };

/* ---------------------------------------------------------------- the keeper */

static int listen_to_events(struct agent *agent, virConnectPtr conn, int ids[CALLBACKS])
{
	for (size_t i = 0; i < CALLBACKS; i++) {
		ids[i] = virConnectDomainEventRegisterAny(conn, NULL, callbacks[i].id,
							  callbacks[i].call, agent, NULL);
		if (ids[i] < 0)
			return -ENOTCONN;
	}
	return virConnectRegisterCloseCallback(conn, on_close, agent, NULL) < 0 ? -ENOTCONN : 0;
}

/* Everything that was known from events is in doubt now: life changes, and all is looked at. */
static void set_connected(struct agent *agent, bool connected, const char *why)
{
	bool before;

	pthread_mutex_lock(&agent->lock);
	before = agent->connected;
	agent->connected = connected;
	agent->life += connected;
	snprintf(agent->why, sizeof(agent->why), "libvirtd does not answer at %.100s: %.150s",
		 agent->uri, why);
	pthread_mutex_unlock(&agent->lock);
	if (before || connected)
		guest_queue_all(agent, (struct guest_look){ .forced = connected });
	vm_facts_queue(agent, connected);
	if (write(agent->bell, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		return; /* the counter is full: it is ringing */
}

static void wait_until_lost(struct agent *agent)
{
	pthread_mutex_lock(&agent->lock);
	while (!agent->lost)
		pthread_cond_wait(&agent->lost_cond, &agent->lock);
	pthread_mutex_unlock(&agent->lock);
}

/* One life of the connection. True if there was one. */
static bool keep_once(struct agent *agent)
{
	struct link link = { .uri = agent->uri };
	int ids[CALLBACKS];
	virConnectPtr conn;

	pthread_mutex_lock(&agent->lock);
	agent->lost = false;
	pthread_mutex_unlock(&agent->lock);
	if (link_get(&link, &conn) < 0) {
		set_connected(agent, false, link_error());
		return false;
	}
	memset(ids, -1, sizeof(ids));
	if (listen_to_events(agent, conn, ids) == 0) {
		set_connected(agent, true, "");
		guest_adopt_all(agent, conn, NULL);
		wait_until_lost(agent);
		set_connected(agent, false, "the connection broke");
	} else {
		set_connected(agent, false, link_error());
	}
	for (size_t i = 0; i < CALLBACKS; i++) {
		if (ids[i] >= 0)
			virConnectDomainEventDeregisterAny(conn, ids[i]);
	}
	virConnectUnregisterCloseCallback(conn, on_close);
	link_close(&link);
	return true;
}

static void *keep(void *context)
{
	long backoff_ms = BACKOFF_MIN_MS;

	for (;;) {
		if (keep_once(context))
			backoff_ms = BACKOFF_MIN_MS;
		else if (backoff_ms < BACKOFF_MAX_MS)
			backoff_ms *= 2;
		if (backoff_ms > BACKOFF_MAX_MS)
			backoff_ms = BACKOFF_MAX_MS;
		process_pause_ms(backoff_ms);
	}
	return NULL;
}

int vm_link_start(struct agent *agent)
{
	pthread_t thread;
	int r = link_loop_start();

	if (r == 0)
		r = -pthread_create(&thread, NULL, keep, agent);
	if (r == 0)
		pthread_detach(thread);
	return r;
}
