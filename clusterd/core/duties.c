/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/duties.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/duty.h"
#include "wire/message.h"

struct duties *duties_new(void)
{
	return mem_new(struct duties);
}

void duties_free(struct duties *duties)
{
	if (!duties)
		return;
	idmap_free(&duties->vms, duty_free);
	idmap_free(&duties->fences, duty_fence_free);
	idmap_free(&duties->leftovers, duty_leftover_free);
	duty_watch_free(duties);
	wire_free(duties->facts);
	free(duties);
}

bool duties_agent_ok(const struct core *core)
{
	const struct duties *duties = core->duties;

	return duties->agent_up && duties->facts && duties->facts->agent_ok;
}

/* ------------------------------------------------------------------ the agent's life */

/* What a dead agent was asked may or may not have happened: the inventory will tell. */
static void forget_agent(struct core *core)
{
	struct duties *duties = core->duties;
	struct duty *duty;

	agenda_hear(&core->agenda, TOPIC_HERE | TOPIC_VM);
	duties->inventory = duties->whole = false;
	duties->watch = 0;
	duties->watch_again_ms = 0;
	duties->starting = 0;
	duty_forget_leftovers(duties);
	idmap_each(&duties->vms, i, duty) {
		duty->known = false;
		duty->watch = duty->watch_look = duty->looked = 0;
		memset(duty->slots, 0, sizeof(duty->slots));
		memset(duty->quiet_ms, 0, sizeof(duty->quiet_ms));
	}
}

void duties_agent_up(struct core *core)
{
	forget_agent(core);
	core->duties->agent_up = true;
}

void duties_agent_down(struct core *core)
{
	struct duties *duties = core->duties;

	forget_agent(core);
	duties->agent_up = false;
	if (duties->facts) {
		duties->facts->agent_ok = false;
		wire_set(&duties->facts->agent_reason, "the vm agent is being restarted");
	}
}

/* ------------------------------------------------------------------ news */

static const Wire__Vm *vm_of(const struct core *core, const Wire__DomainRef *ref)
{
	const Wire__Vm *vm = state_vm(core->state, ref->vm);

	if (vm && strcmp(vm->uuid, ref->uuid) == 0)
		return vm;
	return *ref->uuid ? state_vm_named(core->state, ref->uuid) : NULL;
}

static void replace(char **field, const char *value)
{
	free(*field);
	*field = mem_strdup(value);
}

static void learn_domain(struct core *core, const Wire__DomainNews *news)
{
	const Wire__Vm *vm = news->domain ? vm_of(core, news->domain) : NULL;
	struct duty *duty;

	if (!vm)
		return;
	agenda_hear_vm(&core->agenda, vm->id);
	duty = duties_vm(core->duties, vm->id);
	if (!duty->known || duty->state != news->state)
		duty->state_ms = core->now_ms;
	if (news->watch && news->watch == duty->watch)
		duty->looked = duty->watch_look;
	duty->known = true;
	duty->state = news->state;
	duty->cause = news->cause;
	duty->job = news->job;
	replace(&duty->reason, news->reason);
	replace(&duty->text, news->text);
	if (news->state == WIRE__DOMAIN_NEWS__STATE__ABSENT) {
		wire_free(steal_ptr(duty->live));
		duty->live_reported = 0;
	}
	if (news->live) {
		wire_free(duty->live);
		duty->live = wire_dup(&news->live->base);
		replace(&duty->live_xml, news->live_xml);
	}
}

static void learn_progress(struct core *core, const Wire__Progress *progress,
			   struct update *update)
{
	const Wire__Vm *vm = progress->domain ? vm_of(core, progress->domain) : NULL;
	Wire__Progress *copy;

	(void)update;
	if (!vm)
		return;
	copy = wire_dup(&progress->base);
	copy->domain->vm = vm->id;
	wire_free(idmap_put(&core->progress, vm->id, copy));
}

static void take_inventory(struct core *core)
{
	core->duties->inventory |= duty_watched_held(core);
	agenda_hear(&core->agenda, TOPIC_HERE | TOPIC_VM);
}

void duties_news(struct core *core, const Wire__AgentNews *news, struct update *update)
{
	struct duties *duties = core->duties;

	switch (news->body_case) {
	case WIRE__AGENT_NEWS__BODY_FACTS:
		agenda_hear(&core->agenda, TOPIC_HERE);
		/* libvirt answers now: a Watch that failed for want of it need not wait. */
		if (news->facts->agent_ok && !duties_agent_ok(core) && !duties->watch)
			duties->watch_again_ms = 0;
		wire_free(duties->facts);
		duties->facts = wire_dup(&news->facts->base);
		if (core->memory_mib)
			duties->facts->memory_mib = core->memory_mib;
		/* Everybody waits for this one: it need not wait for the pause after the last. */
		if (news->whole && !duties->whole)
			duties->report_ms = 0;
		duties->whole |= news->whole;
		break;
	case WIRE__AGENT_NEWS__BODY_DOMAIN:
		learn_domain(core, news->domain);
		break;
	case WIRE__AGENT_NEWS__BODY_INVENTORY:
		if (duties->watch && news->inventory->watch == duties->watch)
			take_inventory(core);
		break;
	case WIRE__AGENT_NEWS__BODY_PROGRESS:
		learn_progress(core, news->progress, update);
		break;
	default:
		break;
	}
}

/* ------------------------------------------------------------------ replies */

/* There is room for another one, whichever waits for it. */
static void start_over(struct core *core)
{
	struct duties *duties = core->duties;

	if (duties->starting)
		duties->starting--;
	if (duties->crowded)
		agenda_hear_vms(&core->agenda);
	duties->crowded = false;
}

static void ask_over(struct core *core, struct duty *duty, unsigned slot,
		     const Wire__AgentReply *reply)
{
	struct duty_slot was = duty->slots[slot];
	struct duty_done *done = &duty->done[slot];

	agenda_hear_vm(&core->agenda, duty->vm);
	duty->slots[slot] = (struct duty_slot){ 0 };
	if (was.kind == ASK_START)
		start_over(core);
	if (!reply) {
		/* Perhaps it could not even be sent: asking at once would go round for ever. */
		duty->quiet_ms[slot] = core->now_ms + UNANSWERED_MS;
		return;
	}
	done->kind = was.kind;
	done->generation = was.generation;
	done->op = was.op;
	done->code = reply->code;
	done->at_ms = core->now_ms;
	replace(&done->text, reply->text);
	replace(&done->chain, reply->chain);
	if (reply->domain)
		learn_domain(core, reply->domain);
}

static bool vm_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply)
{
	struct duty *duty;

	idmap_each(&core->duties->vms, i, duty)
		for (unsigned slot = 0; slot < SLOTS; slot++)
			if (duty->slots[slot].id == ask) {
				ask_over(core, duty, slot, reply);
				return true;
			}
	return false;
}

static void fence_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply)
{
	struct fence_duty *fence;

	agenda_hear(&core->agenda, TOPIC_HERE);
	idmap_each(&core->duties->fences, i, fence)
		if (fence->ask == ask && !fence->over) {
			fence->over = true;
			fence->over_ms = core->now_ms;
			fence->reply = reply ? wire_dup(&reply->base) : NULL;
		}
}

void duties_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply)
{
	if (ask == core->duties->watch) {
		agenda_hear(&core->agenda, TOPIC_HERE);
		core->duties->watch_over = true;
		if (!reply || reply->code != WIRE__AGENT_REPLY__CODE__OK)
			duty_forget_watch(core);
	} else if (!vm_reply(core, ask, reply) && !duty_leftover_reply(core, ask, reply))
		fence_reply(core, ask, reply);
}

/* ------------------------------------------------------------------ run */

static void run_vm(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct duty *duty = idmap_get(&core->duties->vms, vm->id);
	bool part = vm_holds(vm, core->node);
	struct turn turn = { .core = core, .update = update, .vm = vm };

	if (!part && !duty)
		return;
	duty = duties_vm(core->duties, vm->id);
	if (!duty->known) {
		/* After the inventory, what was not told of is not there. */
		duty->known = true;
		duty->state = WIRE__DOMAIN_NEWS__STATE__ABSENT;
		duty->cause = WIRE__VM_REPORT__CAUSE__UNKNOWN;
		duty->state_ms = core->now_ms;
		duty->job = false;
		replace(&duty->text, "its process is gone");
		replace(&duty->reason, "");
	}
	turn.duty = duty;
	duty_run(&turn);
}

/* Those of VMs that were removed; what is still under way is waited for. */
static void forget_removed(struct core *core)
{
	struct idmap *vms = &core->duties->vms, *progress = &core->progress;
	size_t count = state_count(core->state, WIRE__TABLE__TABLE_VM);
	uint64_t id;

	for (size_t i = idmap_count(vms); idmap_count(vms) > count && i-- > 0;) {
		const struct duty *duty = idmap_at(vms, i, &id);

		if (!state_vm(core->state, id) && !duty->slots[SLOT_MAIN].id &&
		    !duty->slots[SLOT_SIDE].id)
			duty_free(idmap_remove(vms, id));
	}
	for (size_t i = idmap_count(progress); idmap_count(progress) > count && i-- > 0;) {
		idmap_at(progress, i, &id);
		if (!state_vm(core->state, id))
			wire_free(idmap_remove(progress, id));
	}
}

/* High before medium before low: the order in which starts are asked for. */
static void run_vms(struct core *core, struct update *update)
{
	static const Wire__Vm__Priority order[] = { WIRE__VM__PRIORITY__HIGH,
						    WIRE__VM__PRIORITY__MEDIUM,
						    WIRE__VM__PRIORITY__LOW };
	size_t n;
	bool all;
	uint64_t *ids;

	if (!agenda_begin(core, CHORE_VMS, update))
		return;
	ids = agenda_take_vms(core, CHORE_VMS, &n, &all);
	for (size_t p = 0; p < ARRAY_SIZE(order); p++)
		for (size_t i = 0; i < n; i++) {
			const Wire__Vm *vm = state_vm(core->state, ids[i]);
			struct vm_turn turn;

			if (!vm || vm->priority != order[p])
				continue;
			turn = agenda_begin_vm(core, ids[i], update);
			run_vm(core, vm, update);
			agenda_end_vm(core, CHORE_VMS, &turn, update);
		}
	free(ids);
	agenda_end(core, CHORE_VMS, update);
}

/* Without libvirt nothing can be done about VMs. */
static void rest_vms(struct core *core)
{
	agenda_rest(core, CHORE_VMS);
	agenda_rest(core, CHORE_LEFTOVERS);
}

/* Nothing of what only a node does that is up. */
static void rest_without_part(struct core *core, struct update *update)
{
	duty_end_fences(core, update);
	rest_vms(core);
}

/* A guest that is being moved or saved goes on; an order to cut a node's power does not. */
void duties_rest(struct core *core, struct update *update)
{
	agenda_rest(core, CHORE_SELF);
	agenda_rest(core, CHORE_WATCH);
	rest_without_part(core, update);
}

void duties_run(struct core *core, struct update *update)
{
	struct duties *duties = core->duties;

	if (!core->standing.open || !core->standing.ready) {
		duties_rest(core, update);
		return;
	}
	duty_report_self(core, update);
	forget_removed(core);
	duty_run_watch(core, update);
	if (!core_self(core)) {
		rest_without_part(core, update);
		return;
	}
	duty_run_fences(core, update);
	if (!duties->agent_up || !duties->inventory || !duties->facts || !duties->facts->agent_ok) {
		rest_vms(core);
		return;
	}
	run_vms(core, update);
	duty_run_leftovers(core, update);
}

/* ------------------------------------------------------------------ the hook's question */

/*
 * A record alone may be old: on the disk of a node that was away, or where it lags. Who was asked
 * to start the guest was so by this daemon, in an open epoch, and is asked still.
 */
static bool is_asked(const struct duty *duty, const Wire__Vm *vm, enum duty_ask kind)
{
	const struct duty_slot *slot = duty ? &duty->slots[SLOT_MAIN] : NULL;

	return slot && slot->id && slot->kind == kind && slot->generation == vm->generation;
}

static bool has_right(const struct core *core, const Wire__Vm *vm, const struct duty *duty,
		      enum core_right right)
{
	bool owner = vm->owner == core->node;

	if (!vm_holds(vm, core->node))
		return false;
	switch (right) {
	case RIGHT_START:
		/* With a look, that right is from before it was managed=no. */
		return owner && vm->phase == WIRE__VM__PHASE__STARTING && !vm->look &&
		       is_asked(duty, vm, ASK_START);
	case RIGHT_RESTORE:
		return owner && vm->phase == WIRE__VM__PHASE__RESTORING &&
		       is_asked(duty, vm, ASK_RESTORE);
	case RIGHT_INCOMING:
		return vm->to == core->node && vm->phase == WIRE__VM__PHASE__COPYING;
	}
	return false;
}

static void say_why_not(const struct core *core, const Wire__Vm *vm, char *ret_why, size_t size)
{
	if (vm->owner == core->node)
		snprintf(ret_why, size, "%s is managed by clusterd, which has it on this node and "
			 "starts it itself: use clusterctl vm show %s to see how far it is, or "
			 "set it managed=no first", vm->name, vm->name);
	else if (vm->owner)
		snprintf(ret_why, size, "%s is managed by clusterd, which has it on %s: use "
			 "clusterctl vm start|migrate %s, or set it managed=no first", vm->name,
			 node_name(core->state, vm->owner), vm->name);
	else
		snprintf(ret_why, size, "%s is managed by clusterd, which has given nobody the "
			 "right to run it: use clusterctl vm start %s, or set it managed=no first",
			 vm->name, vm->name);
}

int duties_may_run(const struct core *core, const char *uuid, enum core_right right,
		   char *ret_why, size_t size)
{
	const Wire__Vm *vm = state_vm_named(core->state, uuid);
	const struct duty *duty;

	if (!vm || vm->unmanaged || strcmp(vm->uuid, uuid) != 0)
		return -ENOENT;
	duty = idmap_get(&core->duties->vms, vm->id);
	if (has_right(core, vm, duty, right) && !(duty && duty->dropped == vm->generation))
		return 1;
	say_why_not(core, vm, ret_why, size);
	return 0;
}
