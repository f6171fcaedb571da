/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/record.h"
#include "csv/volume.h"
#include "placement/planner.h"

static bool listed(char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* The first bridge or network of the VM that the node lacks. */
static const char *missing_net(const Wire__Essence *essence, const Wire__NodeFacts *facts,
			       char *room, size_t size)
{
	for (size_t i = 0; i < essence->n_nics; i++) {
		const Wire__Nic *nic = essence->nics[i];
		bool bridge = strcmp(nic->kind, "bridge") == 0;
		bool network = strcmp(nic->kind, "network") == 0;

		if ((bridge && !listed(facts->bridges, facts->n_bridges, nic->source)) ||
		    (network && !listed(facts->networks, facts->n_networks, nic->source))) {
			snprintf(room, size, "has no %s '%s'", nic->kind, nic->source);
			return room;
		}
	}
	return NULL;
}

/* The first volume under the VM's disks that the node does not reach. */
static const char *missing_volume(const struct state *state, const Wire__Essence *essence,
				  const Wire__NodeFacts *facts, char *room, size_t size)
{
	for (size_t v = 0; v < state_count(state, WIRE__TABLE__TABLE_VOLUME); v++) {
		const Wire__Volume *volume = state_at(state, WIRE__TABLE__TABLE_VOLUME, v);

		if (listed(facts->volumes, facts->n_volumes, volume->name))
			continue;
		for (size_t d = 0; d < essence->n_disks; d++)
			if (volume_holds(volume->target, essence->disks[d]->source)) {
				snprintf(room, size, "does not reach volume %s (%s)", volume->name,
					 volume->target);
				return room;
			}
	}
	return NULL;
}

static const char *node_unfit(uint64_t ready, const Wire__Node *node, char *room, size_t size)
{
	if (node->witness)
		return "is a witness and runs no VMs";
	if (node->state != WIRE__NODE__STATE__UP || !(ready & vmop_bit((uint32_t)node->id)))
		return "is not up";
	if (node->drained)
		return "takes no VMs (placement=no)";
	if (!node->facts || !node->facts->agent_ok) {
		snprintf(room, size, "has no working libvirt: %s",
			 node->facts ? node->facts->agent_reason : "not heard of yet");
		record_line(room, size);
		return room;
	}
	return NULL;
}

const char *place_blocked(const struct state *state, uint64_t ready, const Wire__Vm *vm,
			  const Wire__Node *node, char *room, size_t size)
{
	const char *why = node_unfit(ready, node, room, size);
	const Wire__NodeFacts *facts = node->facts;

	if (why)
		return why;
	if (!vm_allows_node(vm, (uint32_t)node->id))
		return vm->no_ha ? "is not the node it is bound to (ha=no)"
				 : "is not among its owners";
	if (!vm->essence)
		return "cannot be judged: the VM has no definition";
	if (strcmp(vm->essence->virt_type, "kvm") == 0 && !facts->kvm)
		return "has no KVM";
	why = missing_net(vm->essence, facts, room, size);
	return why ? why : missing_volume(state, vm->essence, facts, room, size);
}

/* An agent may tell any number: more than there can be counts as that, and sums stay numbers. */
static int64_t mib_of(uint64_t told)
{
	static const uint64_t most = UINT64_C(1) << 40;

	return (int64_t)(told < most ? told : most);
}

/*
 * What it needs on a node. After an edit its process still has what it was started with: room for
 * that is needed as long as it runs or is saved, and room for the edit from its next start on.
 */
static int64_t memory_needed(const Wire__Vm *vm)
{
	uint64_t wanted = vm->essence ? vm->essence->memory_mib : 0;
	bool starts = vm->phase == WIRE__VM__PHASE__OFF && vm->n_maybe == 0;
	uint64_t live = vm->live && !starts ? vm->live->memory_mib : 0;

	return mib_of(live > wanted ? live : wanted);
}

/* Of every VM that is, or may be, on a node: in MiB, by node. */
struct used {
	int64_t mib[65];
};

static struct used memory_used(const struct state *state)
{
	struct used used = { 0 };

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		for (size_t h = 0; h < vm->n_maybe; h++)
			if (vm->maybe[h]->node < ARRAY_SIZE(used.mib))
				used.mib[vm->maybe[h]->node] += memory_needed(vm);
	}
	return used;
}

static int64_t used_on(const struct used *used, uint64_t node)
{
	return node < ARRAY_SIZE(used->mib) ? used->mib[node] : 0;
}

static size_t planner_nodes(const struct state *state, const struct used *used,
			    struct planner_node *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE) && n < 64; i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		ret[n++] = (struct planner_node){
			.node = (uint32_t)node->id,
			.memory_mib = node->facts ? mib_of(node->facts->memory_mib) : 0,
			.used_mib = used_on(used, node->id),
		};
	}
	return n;
}

static int priority_rank(Wire__Vm__Priority priority)
{
	return priority == WIRE__VM__PRIORITY__HIGH  ? 2
	       : priority == WIRE__VM__PRIORITY__LOW ? 0
						     : 1;
}

static uint64_t allowed_nodes(const struct state *state, uint64_t ready, const Wire__Vm *vm)
{
	uint64_t mask = 0;
	char room[256];

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		if (!place_blocked(state, ready, vm, node, room, sizeof(room)))
			mask |= vmop_bit((uint32_t)node->id);
	}
	return mask;
}

static struct planner_vm planner_vm(const Wire__Vm *vm, uint64_t allowed, uint32_t stay)
{
	struct planner_vm p = {
		.vm = vm->id,
		.memory_mib = memory_needed(vm),
		.priority = priority_rank(vm->priority),
		.allowed = allowed,
	};
	size_t n = 0;

	if (stay)
		p.preferred[n++] = stay;
	for (size_t i = 0; i < vm->n_preferred_owners && n < PLANNER_PREFERRED; i++)
		p.preferred[n++] = vm->preferred_owners[i];
	return p;
}

/* Every node with the reason it lost, in one sentence. */
static void explain(const struct state *state, const struct used *used, uint64_t ready,
		    const Wire__Vm *vm, uint64_t not, int64_t largest, char *ret_why, size_t size)
{
	size_t len = (size_t)snprintf(ret_why, size, "no node can take %s:", vm->name);
	char room[256];

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE) && len < size; i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		const char *why = place_blocked(state, ready, vm, node, room, sizeof(room));

		if (!why && (not &vmop_bit((uint32_t)node->id)))
			why = "is where it comes from";
		if (!why) {
			int64_t free_mib =
				mib_of(node->facts->memory_mib) - used_on(used, node->id);

			snprintf(room, sizeof(room), "has %lld MiB free of the %lld MiB it needs",
				 (long long)(free_mib < largest ? free_mib : largest),
				 (long long)memory_needed(vm));
			why = room;
		}
		len += (size_t)snprintf(ret_why + len, size - len, "%s %s %s", i ? ";" : "",
					node->name, why);
	}
	record_line(ret_why, size);
}

void place_vms(const struct state *state, uint64_t ready, const Wire__Vm *const *vms, size_t n,
	       const uint64_t *shun, const uint32_t *stay, struct placing *ret_places)
{
	struct planner_node nodes[PLANNER_NODES];
	struct planner_vm *wanted = mem_new_array(struct planner_vm, n);
	struct planner_place *places = mem_new_array(struct planner_place, n);
	struct planner_input input = { .nodes = nodes, .vms = wanted, .vms_n = n };
	struct used used = memory_used(state);

	input.nodes_n = planner_nodes(state, &used, nodes);
	for (size_t i = 0; i < n; i++) {
		uint64_t mask = allowed_nodes(state, ready, vms[i]);

		if (shun && (mask & ~shun[i]))
			mask &= ~shun[i];
		wanted[i] = planner_vm(vms[i], mask, stay ? stay[i] : 0);
	}
	planner_restart(&input, places);
	for (size_t i = 0; i < n; i++) {
		const Wire__Vm *vm = state_vm(state, places[i].vm);

		ret_places[i] = (struct placing){ .vm = places[i].vm, .node = places[i].node };
		if (!places[i].node && vm)
			explain(state, &used, ready, vm, 0, places[i].largest_free_mib,
				ret_places[i].why, sizeof(ret_places[i].why));
	}
	free(wanted);
	free(places);
}

static uint32_t place_among(const struct state *state, uint64_t ready, const Wire__Vm *vm,
			    uint64_t mask, uint64_t not, char *ret_why, size_t size)
{
	struct planner_node nodes[PLANNER_NODES];
	struct planner_vm wanted = planner_vm(vm, mask, 0);
	struct planner_place place;
	struct planner_input input = { .nodes = nodes, .vms = &wanted, .vms_n = 1 };
	struct used used = memory_used(state);

	input.nodes_n = planner_nodes(state, &used, nodes);
	planner_restart(&input, &place);
	if (!place.node)
		explain(state, &used, ready, vm, not, INT64_MAX, ret_why, size);
	return place.node;
}

uint32_t place_one(const struct state *state, uint64_t ready, const Wire__Vm *vm, uint64_t not,
		   char *ret_why, size_t size)
{
	return place_among(state, ready, vm, allowed_nodes(state, ready, vm) & ~not, not, ret_why,
			   size);
}

bool place_fits(const struct state *state, uint64_t ready, const Wire__Vm *vm, uint32_t node,
		char *ret_why, size_t size)
{
	const Wire__Node *record = state_node(state, node);
	char room[256];
	struct used used;
	const char *why;
	int64_t free_mib;

	if (!record) {
		snprintf(ret_why, size, "there is no node %u", node);
		return false;
	}
	why = place_blocked(state, ready, vm, record, room, sizeof(room));
	if (why) {
		snprintf(ret_why, size, "%s cannot take %s: it %s", record->name, vm->name, why);
		return false;
	}
	used = memory_used(state);
	free_mib = mib_of(record->facts->memory_mib) - used_on(&used, node);
	if (free_mib >= memory_needed(vm))
		return true;
	snprintf(ret_why, size,
		 "%s cannot take %s: it has %lld MiB free of the %lld MiB needed; "
		 "stop or move something there, or choose another node",
		 record->name, vm->name, (long long)free_mib, (long long)memory_needed(vm));
	return false;
}
