/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Watch: tells the vm agent which domains and volumes are the cluster's. */
#include "clusterd/core/duty.h"

#include <stdlib.h>
#include <string.h>

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

/* What a VM counts for in the next Watch. */
struct watch_rank {
	unsigned rank;
	uint64_t id;			/* its part in watched_ids */
};

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

static void forget_rank(struct duties *duties, uint64_t vm)
{
	struct watch_rank *rank = idmap_remove(&duties->ranks, vm);

	if (!rank)
		return;
	duties->rank_n[rank->rank]--;
	duties->watched_ids = digest_set_remove(duties->watched_ids, rank->id);
	free(rank);
}

static void note_rank(struct core *core, uint64_t id)
{
	struct duties *duties = core->duties;
	const Wire__Vm *vm = state_vm(core->state, id);
	struct watch_rank *rank;

	forget_rank(duties, id);
	if (!vm)
		return;
	rank = mem_new(struct watch_rank);
	rank->rank = watch_rank(core, vm);
	rank->id = vm->unmanaged ? 0 : id * UINT64_C(0x9e3779b97f4a7c15);
	duties->rank_n[rank->rank]++;
	duties->watched_ids = digest_set_add(duties->watched_ids, rank->id);
	idmap_put(&duties->ranks, id, rank);
}

void duty_watch_free(struct duties *duties)
{
	idmap_free(&duties->ranks, free);
	memset(duties->rank_n, 0, sizeof(duties->rank_n));
	duties->watched_ids = 0;
}

static void rank_vms(struct core *core)
{
	size_t n;
	bool all;
	uint64_t *ids = agenda_take_vms(core, CHORE_WATCH, &n, &all);

	if (all)
		duty_watch_free(core->duties);
	for (size_t i = 0; i < n; i++)
		note_rank(core, ids[i]);
	free(ids);
}

/* The first rank that some VM has. */
static unsigned first_rank(const struct core *core)
{
	unsigned rank = 0;

	while (rank < RANKS && core->duties->rank_n[rank] == 0)
		rank++;
	return rank;
}

bool duty_watched_held(struct core *core)
{
	rank_vms(core);
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
	agenda_hear_vms(&core->agenda);
}

/* Of what makes a new Watch necessary: other volumes, other VMs that are the cluster's. */
static uint64_t watch_digest(const struct core *core)
{
	const struct state *state = core->state;
	uint64_t set = digest_start();

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VOLUME); i++) {
		const Wire__Volume *volume = state_at(state, WIRE__TABLE__TABLE_VOLUME, i);

		set = digest_add_u64(set, volume->id);
	}
	set = digest_add_u64(set, core->duties->watched_ids);
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
		agenda_hear_vm(&core->agenda, vm->id);
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

static void ask_watch(struct core *core, uint64_t digest, struct update *update)
{
	struct duties *duties = core->duties;
	struct ask *ask = core_ask(core, AGENT_VM, WATCH_MS, update);
	Wire__AgentRequest *request = wire_new(&wire__agent_request__descriptor);

	duties->watch = ask->id;
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

void duty_run_watch(struct core *core, struct update *update)
{
	uint64_t digest, due_ms;

	if (!agenda_begin(core, CHORE_WATCH, update))
		return;
	rank_vms(core);
	digest = watch_digest(core);
	due_ms = watch_due_ms(core, digest);
	if (due_ms && core->now_ms >= due_ms)
		ask_watch(core, digest, update);
	else if (due_ms)
		update_wake(update, due_ms);
	agenda_end(core, CHORE_WATCH, update);
}
