/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Watch: which domains are the cluster's; each of them is told of. */
#include <stdio.h>
#include <string.h>

#include "agents/vm.h"
#include "base/mem.h"
#include "wire/message.h"

static void set_listed(struct agent *agent, const Wire__Watch *watch)
{
	pthread_mutex_lock(&agent->lock);
	for (size_t i = 0; i < agent->guests_n; i++)
		agent->guests[i]->listed = false;
	pthread_mutex_unlock(&agent->lock);
	for (size_t i = 0; i < watch->n_domains; i++) {
		struct guest *guest = guest_of(agent, watch->domains[i]);

		pthread_mutex_lock(&agent->lock);
		if (guest)
			guest->listed = true;
		pthread_mutex_unlock(&agent->lock);
	}
}

static void tell_inventory(struct agent *agent, uint64_t watch)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__InventoryDone done = WIRE__INVENTORY_DONE__INIT;

	done.watch = watch;
	news.body_case = WIRE__AGENT_NEWS__BODY_INVENTORY;
	news.inventory = &done;
	agent_send_news(agent, &news);
}

/* Each guest that is listed, and each that bears our mark, is told. False: libvirt is silent. */
static bool tell_guests(struct request *request, struct link *link, char why[VM_WHY_SIZE])
{
	struct agent *agent = request->agent;
	const Wire__Watch *watch = request->body->watch;
	virConnectPtr conn;

	if (agent_connect(agent, link, &conn, why) < 0)
		return false;
	for (size_t i = 0; i < watch->n_domains; i++) {
		struct guest *guest = guest_find(agent, watch->domains[i]->uuid);

		if (guest)
			guest_tell_watch(agent, guest, request->id, link);
	}
	if (agent_connect(agent, link, &conn, why) < 0)
		return false;
	if (guest_adopt_all(agent, conn, link) == 0)
		return true;
	snprintf(why, VM_WHY_SIZE, "libvirtd does not say which guests run");
	return false;
}

/*
 * Who is told that the inventory is done takes every guest of ours that was not told of to be
 * gone: it is said only when that is so.
 */
void vm_do_watch(struct request *request, struct link *link)
{
	struct agent *agent = request->agent;
	char why[VM_WHY_SIZE];

	pthread_mutex_lock(&agent->watch_lock);
	vm_facts_watch(agent, request->body->watch);
	set_listed(agent, request->body->watch);
	if (tell_guests(request, link, why)) {
		tell_inventory(agent, request->id);
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__OK, "", NULL);
	} else {
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__FAILED, why, NULL);
	}
	pthread_mutex_unlock(&agent->watch_lock);
}
