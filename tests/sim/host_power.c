/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests that are started, stopped, paused, and resumed; by the agent, or by hand. */
#include "tests/sim/host_private.h"

#include <stdio.h>
#include <string.h>

#include "clusterd/core/record.h"
#include "wire/message.h"

static void start_by_hand(struct host *host, const Wire__Vm *vm);

/* Somebody is impatient. */
static void try_by_hand(struct host *host, uint64_t vm)
{
	const Wire__Vm *record = state_vm(truth_state(host->world->truth), vm);

	if (record && world_permille(host->world, 100))
		start_by_hand(host, record);
}

void job_start(struct host *host, struct job *job)
{
	struct guest *guest = guest_know(host, job->request->domain);
	uint64_t vm = guest->vm;

	if (job->step == 0) {
		if (guest_is_here(guest) || host_refuses(host, HOST_STARTS)) {
			job_done(host, job, CODE(FAILED),
				 guest_is_here(guest) ? "it is here already" : "out of memory");
			try_by_hand(host, vm);
			return;
		}
		if (!host_hook_allows(host, guest->uuid, RIGHT_START)) {
			job_done(host, job, CODE(FAILED), "the hook says no");
			return;
		}
		guest_begin(host, guest, STATE(UNKNOWN), "");
		job->life = guest->life;
		job_next(host, job, 1000 * host->world->job_ms, 5000 * host->world->job_ms);
		return;
	}
	if (!job_subject(host, job)) {
		job_done(host, job, CODE(FAILED), "it was killed");
		return;
	}
	if (job->step == 1) {
		world_tell(host->world, "n%u: %s starts", host->node, guest->name);
		host->world->counts.starts++;
		guest->memory = truth_disk(host->world->truth, guest->uuid);
		guest_become(host, guest, STATE(RUNNING), "");
		job_next(host, job, 1000, 20000);
		return;
	}
	job_done(host, job, CODE(OK), "");
}

void guest_power_off(struct host *host, struct guest *guest, const char *how)
{
	if (!guest_is_here(guest))
		return;
	world_tell(host->world, "n%u: %s %s", host->node, guest->name, how);
	guest_end(host, guest, CAUSE(KILLED));
}

void job_stop(struct host *host, struct job *job)
{
	const Wire__DomStop *stop = job->request->stop;
	struct guest *guest = guest_find(host, job->request->domain->uuid);
	bool deaf = !guest_is_here(guest) || guest->state != STATE(RUNNING) ||
		    world_permille(host->world, 200);

	if (job->step == 0) {
		uint64_t grace_us = stop->force ? 1000 : stop->grace_ms * UINT64_C(1000) + 1000;

		job->life = guest_is_here(guest) ? guest->life : 0;
		job_next(host, job, deaf ? grace_us : 200000,
			 deaf ? grace_us + 1 : grace_us < 20000000 ? grace_us : 20000000);
		return;
	}
	if (guest_is_here(guest) && guest->life == job->life)
		guest_power_off(host, guest, "is stopped");
	job_done(host, job, guest_is_here(guest) ? CODE(FAILED) : CODE(OK), "");
}

void job_kill(struct host *host, struct job *job)
{
	guest_power_off(host, guest_find(host, job->request->domain->uuid), "is killed");
	job_done(host, job, CODE(OK), "");
}

void job_pause(struct host *host, struct job *job)
{
	struct guest *guest = guest_find(host, job->request->domain->uuid);

	if (!guest_is_here(guest) || guest->job || guest->state != STATE(RUNNING)) {
		job_done(host, job, CODE(FAILED), "it does not run");
		return;
	}
	guest_become(host, guest, STATE(PAUSED), "user");
	job_done(host, job, CODE(OK), "");
}

void job_resume(struct host *host, struct job *job)
{
	struct guest *guest = guest_find(host, job->request->domain->uuid);

	if (!guest_is_here(guest) || guest->job || guest->state == STATE(INCOMING) ||
	    guest->state == STATE(UNKNOWN)) {
		job_done(host, job, CODE(FAILED), "it cannot run now");
		return;
	}
	if (guest->state != STATE(RUNNING))
		world_tell(host->world, "n%u: %s goes on", host->node, guest->name);
	guest_become(host, guest, STATE(RUNNING), "");
	job_done(host, job, CODE(OK), "");
}

static bool is_anywhere(const struct world *world, const char *uuid)
{
	for (uint32_t id = 1; id <= world->nodes; id++)
		if (host_has(world->machines[id].host, uuid))
			return true;
	return false;
}

static void ask_for_barrier(struct host *host, const char *uuid)
{
	struct input input = { .kind = EVENT_CLIENT };
	Wire__Command *command = wire_new(&wire__command__descriptor);

	host->barrier = HOST_BARRIER | world_new_id(host->world);
	snprintf(host->starting, sizeof(host->starting), "%s", uuid);
	command->request = host->barrier;
	command->body_case = WIRE__COMMAND__BODY_NOOP;
	command->noop = wire_new(&wire__noop__descriptor);
	input.number = host->barrier;
	input.body = &command->base;
	world_input(host->machine, &input);
}

static void begin_by_hand(struct host *host, const Wire__Vm *vm)
{
	Wire__DomainRef ref = WIRE__DOMAIN_REF__INIT;
	struct guest *guest;

	ref.vm = vm->id;
	ref.uuid = vm->uuid;
	ref.name = vm->name;
	guest = guest_know(host, &ref);
	world_tell(host->world, "n%u: %s is started by hand", host->node, guest->name);
	guest->memory = truth_disk(host->world->truth, guest->uuid);
	guest_begin(host, guest, STATE(RUNNING), "");
}

/* Nobody starts by hand what runs already, as far as he may know. */
static bool may_try(const struct host *host, const Wire__Vm *vm)
{
	return !host_has(host, vm->uuid) &&
	       !(vm->unmanaged && is_anywhere(host->world, vm->uuid));
}

static void start_by_hand(struct host *host, const Wire__Vm *vm)
{
	enum hook_word word = may_try(host, vm) ? host_hook_asks(host, vm->uuid, RIGHT_START)
						: HOOK_NO;

	if (word == HOOK_YES)
		begin_by_hand(host, vm);
	else if (word == HOOK_BEHIND_BARRIER)
		ask_for_barrier(host, vm->uuid);
}

void host_barrier(struct host *host, uint64_t barrier, bool passed)
{
	const Wire__Vm *vm;

	if (host->barrier != barrier)
		return;
	host->barrier = 0;
	vm = state_vm_named(truth_state(host->world->truth), host->starting);
	if (passed && vm && host->machine->power && !host_is_hung(host) && may_try(host, vm) &&
	    host_hook_asks(host, vm->uuid, RIGHT_START) != HOOK_NO)
		begin_by_hand(host, vm);
}

/* The move has ended it there, and the copy is all that is left of it. */
static void moved_by_hand(struct host *from, const Wire__Vm *vm)
{
	struct guest *guest = guest_find(from, vm->uuid);

	if (guest && guest->state == STATE(RUNNING) && !guest->job)
		guest_end(from, guest, CAUSE(OUTSIDE));
}

static void copy_by_hand(struct host *host, const Wire__Vm *vm)
{
	Wire__DomainRef ref = WIRE__DOMAIN_REF__INIT;
	struct guest *guest;

	ref.vm = vm->id;
	ref.uuid = vm->uuid;
	ref.name = vm->name;
	if (vm->unmanaged || vm->look || vm_holds(vm, host->node) || host_has(host, vm->uuid))
		return;
	if (vm->owner && world_permille(host->world, 500))
		moved_by_hand(host->world->machines[vm->owner].host, vm);
	guest = guest_know(host, &ref);
	world_tell(host->world, "n%u: a copy of %s is made by hand", host->node, guest->name);
	guest->memory = 0;
	guest_begin(host, guest, STATE(PAUSED), "migration");
	guest->by_hand = true;
}

/* Nobody looks for copies on a witness, or on a machine that is no node. */
static bool runs_guests(const struct host *host)
{
	const Wire__Node *node = state_node(truth_state(host->world->truth), host->node);

	return node && !node->witness;
}

void host_by_hand(struct host *host, enum host_hand what, const Wire__Vm *vm)
{
	struct guest *guest = guest_find(host, vm->uuid);

	if (!host->machine->power || host_is_hung(host) ||
	    (what == HAND_COPY && !runs_guests(host)))
		return;
	if (what == HAND_START || what == HAND_COPY) {
		(what == HAND_START ? start_by_hand : copy_by_hand)(host, vm);
		return;
	}
	/* libvirt says no while it has a job on it. */
	if (!guest_is_here(guest) || guest->job || guest->state == STATE(UNKNOWN) ||
	    guest->state == STATE(INCOMING) || guest->state == STATE(COMPLETE))
		return;
	if (what == HAND_DESTROY) {
		world_tell(host->world, "n%u: %s is destroyed by hand", host->node, guest->name);
		guest_end(host, guest, CAUSE(OUTSIDE));
	} else if (what == HAND_SUSPEND && guest->state == STATE(RUNNING)) {
		guest_become(host, guest, STATE(PAUSED), "user");
	} else if (what == HAND_RESUME && guest->state == STATE(PAUSED) &&
		   strcmp(guest->reason, "user") == 0) {
		guest_become(host, guest, STATE(RUNNING), "");
	}
}
