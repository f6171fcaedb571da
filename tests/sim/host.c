/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/host_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct host *host_new(struct world *world, uint32_t node)
{
	struct host *host = mem_new(struct host);

	host->world = world;
	host->machine = &world->machines[node];
	host->node = node;
	return host;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	idmap_free(&host->jobs, job_free);
	free(host);
}

bool host_is_hung(const struct host *host)
{
	return host->world->now_us < host->hung_us;
}

bool host_is_stuck(const struct host *host)
{
	return host->world->now_us < host->stuck_us;
}

/* Told to fail at it, and it does, mostly. */
bool host_refuses(struct host *host, unsigned what)
{
	return host->world->now_us < host->failing_us && (host->failures & what) &&
	       world_permille(host->world, 700);
}

/* ---------------------------------------------------------------- guests */

struct guest *guest_find(struct host *host, const char *uuid)
{
	for (size_t i = 0; i < host->guests_n; i++)
		if (strcmp(host->guests[i].uuid, uuid) == 0)
			return &host->guests[i];
	return NULL;
}

struct guest *guest_know(struct host *host, const Wire__DomainRef *ref)
{
	struct guest *guest = guest_find(host, ref->uuid);

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

bool guest_is_here(const struct guest *guest)
{
	return guest && guest->state != STATE(ABSENT);
}

bool host_has(const struct host *host, const char *uuid)
{
	return guest_is_here(guest_find((struct host *)host, uuid));
}

bool host_runs(const struct host *host, const char *uuid)
{
	const struct guest *guest = guest_find((struct host *)host, uuid);

	return guest && guest->state == STATE(RUNNING);
}

bool host_contradicts(const struct host *host, const char *uuid, Wire__VmReport__What what,
		      uint64_t said_ms)
{
	const struct guest *guest = guest_find((struct host *)host, uuid);
	const struct job *job = guest ? idmap_get(&host->jobs, guest->job) : NULL;
	bool known = guest && guest->told_life == guest->life && guest->told_ms < said_ms;

	if (!guest_is_here(guest) || guest->by_hand)
		return false;
	switch (what) {
	case WIRE__VM_REPORT__WHAT__ABSENT:
	case WIRE__VM_REPORT__WHAT__SAVED:
		return known && guest->told != STATE(ABSENT);
	case WIRE__VM_REPORT__WHAT__READY:
		return known && guest->state == STATE(INCOMING);
	case WIRE__VM_REPORT__WHAT__SAVE_FAILED:
		return job && job->request->body_case == WIRE__AGENT_REQUEST__BODY_SAVE;
	default:
		return false;
	}
}

uint64_t host_memory(const struct host *host, const char *uuid)
{
	const struct guest *guest = guest_find((struct host *)host, uuid);

	return guest ? guest->memory : 0;
}

/* libvirt tells at once, mostly; what it does not tell is seen when the agent looks again. */
void host_look_soon(struct host *host, const struct guest *guest)
{
	uint64_t in_us = world_permille(host->world, 20)
				 ? world_some(host->world, 1000000, LOOK_US)
				 : world_some(host->world, 1000, 15000);

	world_due(host->world, DUE_LOOK, host->node, in_us, host->machine->power_life,
		  host_slot_of(host, guest));
	if (world_permille(host->world, 20))
		world_due(host->world, DUE_LOOK, host->node, 2 * in_us, host->machine->power_life,
			  host_slot_of(host, guest));
}

void guest_become(struct host *host, struct guest *guest, Wire__DomainNews__State state,
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
	host_look_soon(host, guest);
}

void guest_end(struct host *host, struct guest *guest, Wire__VmReport__Cause cause)
{
	guest->cause = cause;
	guest->job = 0;
	guest_become(host, guest, STATE(ABSENT), "");
	truth_ends(host->world->truth, host->node, guest->uuid);
}

/* A new process of it. */
void guest_begin(struct host *host, struct guest *guest, Wire__DomainNews__State state,
		 const char *reason)
{
	guest->life = world_new_id(host->world);
	truth_begins(host->world->truth, host->node, guest->uuid);
	guest->cause = CAUSE(UNKNOWN);
	guest->job = guest->handed = 0;
	guest->by_hand = false;
	guest->told_life = 0;
	guest_become(host, guest, state, reason);
}

/* ---------------------------------------------------------------- ends */

void host_power_off(struct host *host)
{
	idmap_free(&host->jobs, job_free);
	for (size_t i = 0; i < host->guests_n; i++) {
		if (host->guests[i].state == STATE(RUNNING))
			truth_rests(host->world->truth, host->node, host->guests[i].uuid);
		truth_ends(host->world->truth, host->node, host->guests[i].uuid);
	}
	host->guests_n = 0;
	host->hung_us = host->stuck_us = host->failing_us = 0;
	host->told_hung = false;
}

bool host_guest_ends(struct host *host, const char *uuid, bool shutdown)
{
	struct guest *guest = guest_find(host, uuid);

	if (!guest_is_here(guest) || guest->state == STATE(UNKNOWN) ||
	    (shutdown && guest->state != STATE(RUNNING)))
		return false;
	world_tell(host->world, "n%u: %s %s", host->node, guest->name,
		   shutdown ? "shuts down" : "crashes");
	guest_end(host, guest, shutdown ? CAUSE(GUEST_SHUTDOWN) : CAUSE(CRASHED));
	return true;
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
		guest_end(host, guest, CAUSE(INCOMING_LOST));
}
