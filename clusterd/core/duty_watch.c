/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Watch: tells the vm agent which domains and volumes are the cluster's. */
#include "clusterd/core/duty.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/look.h"
#include "wire/message.h"

enum {
	WATCH_MS = 30000,
	WATCH_PAUSE_MS = 200,			/* between two Watches */
	WATCH_MAX = 1024,
	FIELD_BYTES = 4,			/* tag and length of one in a list */
	WATCH_BYTES = 24 * 1024,		/* of domains; and of volumes: a frame has 60 KiB */
};

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

bool duty_watched_held(const struct core *core)
{
	return first_rank(core) != RANK_HELD;
}

void duty_forget_watch(struct core *core)
{
	struct duties *duties = core->duties;
	struct duty *duty;

	idmap_each(&duties->vms, i, duty)
		if (duty->watch == duties->watch)
			duty->watch = duty->watch_look = 0;
	duties->watch = 0;
	duties->watch_again_ms = core->now_ms + UNANSWERED_MS;
}

/* Of what makes a new Watch necessary: other volumes, other VMs that are the cluster's. */
static uint64_t watch_digest(const struct state *state)
{
	uint64_t set = digest_start(), ids = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VOLUME); i++) {
		const Wire__Volume *volume = state_at(state, WIRE__TABLE__TABLE_VOLUME, i);

		set = digest_add_u64(set, volume->id);
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
		duty = duties_vm(core->duties, vm->id);
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
		Wire__Volume volume = *(const Wire__Volume *)state_at(
			core->state, WIRE__TABLE__TABLE_VOLUME, i);

		volume.n_leftovers = 0;
		bytes += protobuf_c_message_get_packed_size(&volume.base) + FIELD_BYTES;
		watch->volumes[watch->n_volumes++] = wire_dup(&volume.base);
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

void duty_run_watch(struct core *core, struct update *update)
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
