/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/duties.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/duty.h"
#include "clusterd/core/look.h"
#include "wire/message.h"

enum {
	SELF_REPORT_MS = 1000,
	FIRST_REPORT_MS = 3000,
	UNANSWERED_MS = 1000,
	WATCH_MS = 30000,
	WATCH_PAUSE_MS = 200,			/* between two Watches */
	WATCH_MAX = 1024,
	FIELD_BYTES = 4,			/* tag and length of one in a list */
	WATCH_BYTES = 24 * 1024,		/* of domains; and of volumes: a frame has 60 KiB */
};

static void duty_free(void *value)
{
	struct duty *duty = value;

	free(duty->reason);
	free(duty->text);
	wire_free(duty->live);
	free(duty->live_xml);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		free(duty->done[slot].text);
		free(duty->done[slot].chain);
	}
	free(duty);
}

static void fence_duty_free(void *value)
{
	struct fence_duty *fence = value;

	wire_free(fence->reply);
	free(fence);
}

struct duties *duties_new(void)
{
	return mem_new(struct duties);
}

void duties_free(struct duties *duties)
{
	if (!duties)
		return;
	idmap_free(&duties->vms, duty_free);
	idmap_free(&duties->fences, fence_duty_free);
	wire_free(duties->facts);
	free(duties);
}

static struct duty *duty_of(struct duties *duties, uint64_t vm)
{
	struct duty *duty = idmap_get(&duties->vms, vm);

	if (duty)
		return duty;
	duty = mem_new(struct duty);
	duty->vm = vm;
	idmap_put(&duties->vms, vm, duty);
	return duty;
}

bool duties_agent_ok(const struct core *core)
{
	const struct duties *duties = core->duties;

	return duties->agent_up && duties->facts && duties->facts->agent_ok;
}

/* ------------------------------------------------------------------ the agent's life */

/* What a dead agent was asked may or may not have happened: the inventory will tell. */
static void forget_agent(struct duties *duties)
{
	struct duty *duty;

	duties->inventory = duties->whole = false;
	duties->watch = 0;
	duties->watch_again_ms = 0;
	duties->starting = 0;
	idmap_each(&duties->vms, i, duty) {
		duty->known = false;
		duty->watch = duty->watch_look = duty->looked = 0;
		memset(duty->slots, 0, sizeof(duty->slots));
		memset(duty->quiet_ms, 0, sizeof(duty->quiet_ms));
	}
}

void duties_agent_up(struct core *core)
{
	forget_agent(core->duties);
	core->duties->agent_up = true;
}

void duties_agent_down(struct core *core)
{
	struct duties *duties = core->duties;

	forget_agent(duties);
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
	duty = duty_of(core->duties, vm->id);
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

/*
 * In which order VMs are named when one Watch cannot name all of them. What this node holds
 * comes first: unnamed, it would be taken to be gone. RANK_AGAIN was asked for and not told.
 */
enum { RANK_HELD, RANK_LOOK, RANK_AGAIN, RANK_REST, RANKS };

static unsigned watch_rank(const struct core *core, const Wire__Vm *vm)
{
	const struct duty *duty = idmap_get(&core->duties->vms, vm->id);
	bool held = vm_holds(vm, core->node), look = look_due(vm, core->node);

	if (held && !core->duties->inventory && (!duty || !duty->watch))
		return RANK_HELD;
	if (look && (!duty || duty->watch_look != vm->look))
		return RANK_LOOK;
	if (look && duty->looked != vm->look)
		return RANK_AGAIN;
	/* Those that are to start, too: they may run already. */
	if (held || look_sought(vm) ||
	    (vm->phase == WIRE__VM__PHASE__OFF && vm->n_maybe == 0 && !vm->unmanaged &&
	     vm->wanted != WIRE__VM__WANTED__STOPPED))
		return RANK_REST;
	return RANKS;
}

/* The first rank that some VM has. */
static unsigned first_rank(const struct core *core)
{
	unsigned first = RANKS;

	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_VM); i++) {
		unsigned rank =
			watch_rank(core, state_at(core->state, WIRE__TABLE__TABLE_VM, i));

		if (rank < first)
			first = rank;
	}
	return first;
}

/* It has no answer, or a bad one: what it named was not told. */
static void forget_watch(struct core *core)
{
	struct duties *duties = core->duties;
	struct duty *duty;

	idmap_each(&duties->vms, i, duty)
		if (duty->watch == duties->watch)
			duty->watch = duty->watch_look = 0;
	duties->watch = 0;
	duties->watch_again_ms = core->now_ms + UNANSWERED_MS;
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

void duties_news(struct core *core, const Wire__AgentNews *news, struct update *update)
{
	struct duties *duties = core->duties;

	switch (news->body_case) {
	case WIRE__AGENT_NEWS__BODY_FACTS:
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
			duties->inventory |= first_rank(core) != RANK_HELD;
		break;
	case WIRE__AGENT_NEWS__BODY_PROGRESS:
		learn_progress(core, news->progress, update);
		break;
	default:
		break;
	}
}

/* ------------------------------------------------------------------ replies */

static void ask_over(struct core *core, struct duty *duty, unsigned slot,
		     const Wire__AgentReply *reply)
{
	struct duty_slot was = duty->slots[slot];
	struct duty_done *done = &duty->done[slot];

	duty->slots[slot] = (struct duty_slot){ 0 };
	if (was.kind == ASK_START && core->duties->starting)
		core->duties->starting--;
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

	idmap_each(&core->duties->fences, i, fence)
		if (fence->ask == ask && !fence->over) {
			fence->over = true;
			fence->reply = reply ? wire_dup(&reply->base) : NULL;
		}
}

void duties_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply)
{
	if (ask == core->duties->watch) {
		core->duties->watch_over = true;
		if (!reply || reply->code != WIRE__AGENT_REPLY__CODE__OK)
			forget_watch(core);
	} else if (!vm_reply(core, ask, reply))
		fence_reply(core, ask, reply);
}

/* ------------------------------------------------------------------ about itself */

/*
 * A node whose libvirt works is a place for guests, and must not look like one before all that
 * decides about it is known: facts without the volumes are kept back.
 */
static Wire__NodeFacts *facts_to_tell(const struct core *core)
{
	const struct duties *duties = core->duties;

	return duties->facts && duties->facts->agent_ok && !duties->whole ? NULL : duties->facts;
}

static bool facts_stale(const struct core *core, const Wire__Node *self)
{
	const Wire__NodeFacts *facts = facts_to_tell(core);

	return facts && (!self->facts || !wire_equal(&self->facts->base, &facts->base));
}

/*
 * The first word of a node that has just booted frees the VMs that it had. It says at once
 * what the node can take, so that they need not all go elsewhere; but it does not wait long.
 */
static bool facts_are_near(struct core *core, const Wire__Node *self, struct update *update)
{
	struct duties *duties = core->duties;

	if (strcmp(self->kernel_boot_id, core->kernel_boot_id) == 0 || facts_to_tell(core))
		return false;
	if (!duties->first_ms)
		duties->first_ms = core->now_ms;
	if (core->now_ms >= duties->first_ms + FIRST_REPORT_MS)
		return false;
	update_wake(update, duties->first_ms + FIRST_REPORT_MS);
	return true;
}

static void report_self(struct core *core, struct update *update)
{
	const Wire__Node *self = state_node(core->state, core->node);
	struct duties *duties = core->duties;
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;

	if (!self || core->leave_ms || facts_are_near(core, self, update))
		return;
	if (core_self(core) && strcmp(self->kernel_boot_id, core->kernel_boot_id) == 0 &&
	    self->disk_id == core->disk_id && !facts_stale(core, self))
		return;
	if (duties->report_ms && core->now_ms < duties->report_ms + SELF_REPORT_MS) {
		update_wake(update, duties->report_ms + SELF_REPORT_MS);
		return;
	}
	duties->report_ms = core->now_ms;
	report.facts = facts_to_tell(core);
	report.kernel_boot_id = core->kernel_boot_id;
	report.disk_id = core->disk_id;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	core_propose(core, &command, update);
}

/* ------------------------------------------------------------------ watch */

/* Of what makes a new Watch necessary: other volumes, other VMs that are the cluster's. */
static uint64_t watch_digest(const struct state *state)
{
	uint64_t set = digest_start(), ids = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VOLUME); i++) {
		const struct buf *packed =
			state_packed(state, WIRE__TABLE__TABLE_VOLUME, i, NULL);

		set = digest_add(set, packed->data, packed->len);
	}
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		if (!vm->unmanaged)
			ids += vm->id * UINT64_C(0x9e3779b97f4a7c15);
	}
	set = digest_add_u64(set, ids);
	return digest_finish(set);
}

static Wire__DomainRef *domain_ref(const Wire__Vm *vm)
{
	Wire__DomainRef *ref = wire_new(&wire__domain_ref__descriptor);

	ref->vm = vm->id;
	ref->generation = vm->generation;
	wire_set(&ref->uuid, vm->uuid);
	wire_set(&ref->name, vm->name);
	return ref;
}

/* What does not fit comes with the next one; the agent knows it by its mark if it runs. */
static void watch_domains(struct core *core, Wire__Watch *watch)
{
	size_t n = state_count(core->state, WIRE__TABLE__TABLE_VM), bytes = 0;
	unsigned *ranks = mem_new_array(unsigned, n);

	for (size_t i = 0; i < n; i++)
		ranks[i] = watch_rank(core, state_at(core->state, WIRE__TABLE__TABLE_VM, i));
	watch->domains = mem_new_array(Wire__DomainRef *, WATCH_MAX);
	for (size_t at = 0; at < RANKS * n; at++) {
		const Wire__Vm *vm = state_at(core->state, WIRE__TABLE__TABLE_VM, at % n);
		Wire__DomainRef *ref;
		struct duty *duty;

		if (ranks[at % n] != at / n)
			continue;
		if (watch->n_domains == WATCH_MAX || bytes >= WATCH_BYTES)
			break;
		ref = domain_ref(vm);
		watch->domains[watch->n_domains++] = ref;
		bytes += protobuf_c_message_get_packed_size(&ref->base) + FIELD_BYTES;
		duty = duty_of(core->duties, vm->id);
		duty->watch = core->duties->watch;
		duty->watch_look = vm->look;
	}
	free(ranks);
}

static void watch_volumes(const struct core *core, Wire__Watch *watch)
{
	size_t n = state_count(core->state, WIRE__TABLE__TABLE_VOLUME), bytes = 0;

	watch->volumes = mem_new_array(Wire__Volume *, n);
	for (size_t i = 0; i < n && bytes < WATCH_BYTES; i++) {
		const Wire__Volume *volume = state_at(core->state, WIRE__TABLE__TABLE_VOLUME, i);

		bytes += protobuf_c_message_get_packed_size(&volume->base) + FIELD_BYTES;
		watch->volumes[watch->n_volumes++] = wire_dup(&volume->base);
	}
}

/* When the next Watch is due, 0 for none. */
static uint64_t watch_due_ms(const struct core *core, uint64_t digest)
{
	const struct duties *duties = core->duties;
	unsigned rank;

	if (!duties->agent_up || (duties->watch && !duties->watch_over))
		return 0;
	if (!duties->watch)
		return duties->watch_again_ms ? duties->watch_again_ms : core->now_ms;
	rank = first_rank(core);
	if (duties->watch_digest != digest || rank < RANK_AGAIN)
		return duties->watch_ms + WATCH_PAUSE_MS;
	return rank == RANK_AGAIN ? duties->watch_ms + UNANSWERED_MS : 0;
}

/*
 * Tells a new agent which domains are ours; again when these or the volumes change, and as
 * long as there is one to look for that it has not told of.
 */
static void send_watch(struct core *core, struct update *update)
{
	struct duties *duties = core->duties;
	uint64_t digest = watch_digest(core->state), due_ms = watch_due_ms(core, digest);
	Wire__AgentRequest *request;
	struct ask *ask;

	if (!due_ms)
		return;
	if (core->now_ms < due_ms) {
		update_wake(update, due_ms);
		return;
	}
	ask = core_ask(core, AGENT_VM, WATCH_MS, update);
	duties->watch = ask->id;
	request = wire_new(&wire__agent_request__descriptor);
	request->deadline_ms = WATCH_MS;
	request->body_case = WIRE__AGENT_REQUEST__BODY_WATCH;
	request->watch = wire_new(&wire__watch__descriptor);
	request->watch->memory_mib = core->memory_mib;
	watch_domains(core, request->watch);
	watch_volumes(core, request->watch);
	ask->request = request;
	duties->watch_ms = core->now_ms;
	duties->watch_over = false;
	duties->watch_digest = digest;
}

/* ------------------------------------------------------------------ fence calls */

static const char *plug_of(const Wire__Fence *fence, uint32_t node)
{
	for (size_t i = 0; i < fence->n_targets; i++)
		if (fence->targets[i]->node == node)
			return fence->targets[i]->plug;
	return "";
}

static void ask_fence(struct core *core, struct fence_duty *duty, const Wire__Operation *op,
		      const Wire__Fence *fence, struct update *update)
{
	uint32_t timeout_s = fence->timeout_s ? fence->timeout_s
		: (uint32_t)state_setting_number(core->state, "fence.timeout_s");
	struct ask *ask = core_ask(core, AGENT_FENCE, timeout_s * 2000 + 5000, update);
	Wire__AgentRequest *request = wire_new(&wire__agent_request__descriptor);
	Wire__FenceCall *call = wire_new(&wire__fence_call__descriptor);

	call->action = op->status_only ? WIRE__FENCE_CALL__ACTION__STATUS
				       : WIRE__FENCE_CALL__ACTION__OFF_VERIFIED;
	wire_set(&call->agent, fence->agent);
	wire_set(&call->plug, plug_of(fence, op->node));
	wire_set(&call->node_name, node_name(core->state, op->node));
	call->timeout_ms = timeout_s * 1000;
	call->params = mem_new_array(Wire__Param *, fence->n_params);
	for (size_t i = 0; i < fence->n_params; i++)
		call->params[call->n_params++] = wire_dup(&fence->params[i]->base);
	request->deadline_ms = ask->deadline_ms;
	request->body_case = WIRE__AGENT_REQUEST__BODY_FENCE;
	request->fence = call;
	ask->request = request;
	ask->sealed = &fence->secret;
	ask->sealed_name = fence->name;
	duty->ask = ask->id;
}

/* Only OFF proves anything; ON is a good answer to a mere question. */
static void tell_fence(struct core *core, struct fence_duty *duty, const Wire__Operation *op,
		       struct update *update)
{
	const Wire__AgentReply *reply = duty->reply;
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceResult result = WIRE__FENCE_RESULT__INIT;

	if (duty->said_epoch == core->standing.epoch &&
	    core->now_ms < duty->said_ms + SELF_REPORT_MS) {
		update_wake(update, duty->said_ms + SELF_REPORT_MS);
		return;
	}
	duty->said_epoch = core->standing.epoch;
	duty->said_ms = core->now_ms;
	result.op = op->id;
	result.off = reply && reply->code == WIRE__AGENT_REPLY__CODE__OFF;
	result.ok = result.off || (reply && reply->code == WIRE__AGENT_REPLY__CODE__ON &&
				   op->kind == WIRE__OPERATION__KIND__FENCE_TEST);
	result.text = (char *)(duty->instead ? duty->instead : reply ? reply->text
		: "the fence agent gave no answer in time, which proves nothing");
	result.marks = reply ? reply->marks : NULL;
	result.n_marks = reply ? reply->n_marks : 0;
	command.body_case = WIRE__COMMAND__BODY_FENCE_RESULT;
	command.fence_result = &result;
	core_propose(core, &command, update);
}

/* Membership is looked at once more, right before the power is cut. */
static void begin_fence(struct core *core, struct fence_duty *duty, const Wire__Operation *op,
			struct update *update)
{
	const Wire__Fence *fence =
		state_get(core->state, WIRE__TABLE__TABLE_FENCE, op->device);

	if (!fence)
		duty->instead = "the fence device was removed";
	else if (op->kind == WIRE__OPERATION__KIND__FENCE && core_in_ring(core, op->node))
		duty->instead = "the node came back before it was fenced";
	if (duty->instead)
		duty->over = true;
	else
		ask_fence(core, duty, op, fence, update);
}

static void run_fence(struct core *core, const Wire__Operation *op, struct update *update)
{
	struct fence_duty *duty = idmap_get(&core->duties->fences, op->id);

	if (!duty) {
		duty = mem_new(struct fence_duty);
		duty->op = op->id;
		idmap_put(&core->duties->fences, op->id, duty);
		begin_fence(core, duty, op, update);
	}
	if (duty->over)
		tell_fence(core, duty, op, update);
}

static void forget_fences(struct core *core)
{
	struct idmap *fences = &core->duties->fences;

	for (size_t i = idmap_count(fences); i-- > 0;) {
		uint64_t id;
		const Wire__Operation *op;

		idmap_at(fences, i, &id);
		op = state_operation(core->state, id);
		if (!op || op->outcome != WIRE__OPERATION__OUTCOME__RUNNING)
			fence_duty_free(idmap_remove(fences, id));
	}
}

static void run_fences(struct core *core, struct update *update)
{
	forget_fences(core);
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op =
			state_at(core->state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->outcome == WIRE__OPERATION__OUTCOME__RUNNING && op->to == core->node &&
		    (op->kind == WIRE__OPERATION__KIND__FENCE ||
		     op->kind == WIRE__OPERATION__KIND__FENCE_TEST))
			run_fence(core, op, update);
	}
}

/* ------------------------------------------------------------------ run */

static void run_vm(struct core *core, const Wire__Vm *vm, struct update *update)
{
	struct duty *duty = idmap_get(&core->duties->vms, vm->id);
	bool part = vm_holds(vm, core->node);
	struct turn turn = { .core = core, .update = update, .vm = vm };

	if (!part && !duty)
		return;
	duty = duty_of(core->duties, vm->id);
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

	for (size_t p = 0; p < sizeof(order) / sizeof(order[0]); p++)
		for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_VM); i++) {
			const Wire__Vm *vm = state_at(core->state, WIRE__TABLE__TABLE_VM, i);

			if (vm->priority == order[p])
				run_vm(core, vm, update);
		}
}

void duties_run(struct core *core, struct update *update)
{
	struct duties *duties = core->duties;

	if (!core->standing.open || !core->standing.ready)
		return;
	report_self(core, update);
	forget_removed(core);
	send_watch(core, update);
	if (!core_self(core))
		return;
	run_fences(core, update);
	if (duties->agent_up && duties->inventory && duties->facts && duties->facts->agent_ok)
		run_vms(core, update);
}

/* ------------------------------------------------------------------ the hook's question */

static bool has_right(const struct core *core, const Wire__Vm *vm, enum core_right right)
{
	bool owner = vm->owner == core->node;

	if (!vm_holds(vm, core->node))
		return false;
	switch (right) {
	case RIGHT_START:
		return owner && vm->phase == WIRE__VM__PHASE__STARTING;
	case RIGHT_RESTORE:
		return owner && vm->phase == WIRE__VM__PHASE__RESTORING;
	case RIGHT_INCOMING:
		return vm->to == core->node && vm->phase == WIRE__VM__PHASE__COPYING;
	}
	return false;
}

static void say_why_not(const struct core *core, const Wire__Vm *vm, char *ret_why, size_t size)
{
	if (vm->owner)
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
	if (has_right(core, vm, right) && !(duty && duty->dropped == vm->generation))
		return 1;
	say_why_not(core, vm, ret_why, size);
	return 0;
}
