/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proofs of death: who is proven off was off since its device was asked, unless that device is
 * another machine's. Then nobody can know better, and VMs may run twice, until the node is heard of
 * again. From then on the device proves nothing any more, what the node has from before goes, or is
 * taken over where nobody else runs it, and each guest runs once again.
 */
#include "tests/sim/truth_private.h"

#include <inttypes.h>
#include <string.h>

#include "clusterd/core/round.h"
#include "tests/sim/host.h"

static bool is_deceived(const struct truth *truth, uint32_t node)
{
	const struct core *core = truth->world->machines[node].core;
	const struct lie *lie = &truth->lies[node];

	/* It may act by what it knew until it knows better. */
	return lie->told && (!lie->heard || !core || state_index(core_state(core)) < lie->heard);
}

static void disown(struct truth *truth, struct guest_truth *guest, uint32_t node)
{
	if (!host_has(truth->world->machines[node].host, guest->uuid))
		return;
	guest->stray |= node_bit(node);
	guest->runs &= ~node_bit(node);
	guest->outside &= ~node_bit(node);
}

static void deceived(struct truth *truth, uint32_t node, uint64_t device)
{
	const struct state *state = truth->state;

	world_tell(truth->world, "n%u is called off, and runs on", node);
	truth->world->counts.lies++;
	truth->lies[node].told = true;
	truth->lies[node].heard = 0;
	truth->lies[node].by = device;
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		disown(truth, truth_guest(truth, vm->uuid), node);
	}
}

static const Wire__FenceTarget *target_of(const struct truth *truth, uint64_t device, uint32_t node)
{
	const Wire__Fence *fence = state_get(truth->state, WIRE__TABLE__TABLE_FENCE, device);

	for (size_t i = 0; fence && i < fence->n_targets; i++)
		if (fence->targets[i]->node == node)
			return fence->targets[i];
	return NULL;
}

static const Wire__Operation *proof_of(const struct truth *truth, const Wire__Node *node)
{
	const struct state *state = truth->state;

	for (size_t i = state_count(state, WIRE__TABLE__TABLE_OPERATION); i-- > 0;) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->index == node->proven)
			return op;
	}
	return NULL;
}

static void check_proof(struct truth *truth, const Wire__Node *node)
{
	const struct machine *machine = &truth->world->machines[node->id];
	const Wire__Operation *op = proof_of(truth, node);
	struct lie *lie = &truth->lies[node->id];
	uint64_t asked_us;

	if (!op || !target_of(truth, op->device, machine->id)) {
		world_fail(truth->world, "n%u is proven off by a device that is not its own",
			   machine->id);
		return;
	}
	if (lie->known && lie->by == op->device)
		world_fail(truth->world, "n%u is proven off by a device that called it off while "
			   "it ran", machine->id);
	if (lie->up && op->index != truth->n)
		world_fail(truth->world, "n%u is proven off, and is up", machine->id);
	asked_us = truth->entries[op->index - 1].learned_us;
	/* One of two voters that goes on alone asked before that. */
	if (op->index == truth->n || !machine->power || machine->on_us >= asked_us)
		return;
	if (lie->answered_us < asked_us)
		world_fail(truth->world, "n%u is proven off, and was on since its device was asked",
			   machine->id);
	else if (strcmp(node->kernel_boot_id, machine->boot_id) == 0)
		deceived(truth, machine->id, op->device);
	/* Else the kernel that is on record has ended, and the one after it was not heard of. */
}

static void heard(struct truth *truth, const Wire__Node *node)
{
	struct lie *lie = &truth->lies[node->id];
	const Wire__FenceTarget *target = target_of(truth, lie->by, (uint32_t)node->id);

	lie->heard = truth->n;
	lie->known = true;
	if (target && !target->wrong_ms && proof_of(truth, node))
		world_fail(truth->world, "n%" PRIu64 " was called off and ran on, and nobody "
			   "blames its device", node->id);
}

/* Somebody has removed it, or a test has found it right. */
static bool is_cleared(const struct truth *truth, uint32_t node)
{
	const Wire__FenceTarget *target = target_of(truth, truth->lies[node].by, node);

	return !target || !target->wrong_ms;
}

/* The cluster has what ran there all the time. */
static void take_over(struct truth *truth, struct guest_truth *guest)
{
	const Wire__Vm *vm = state_vm_named(truth->state, guest->uuid);
	const struct host *host = vm ? truth->world->machines[vm->owner].host : NULL;

	if (!vm || !(guest->stray & node_bit(vm->owner)) || vm->phase != WIRE__VM__PHASE__RUN ||
	    is_deceived(truth, vm->owner))
		return;
	guest->stray &= ~node_bit(vm->owner);
	guest->disk = host_memory(host, guest->uuid);
	if (!host_runs(host, guest->uuid))
		return;
	if (guest->runs)
		world_fail(truth->world, "%s is taken over on n%u and runs on n%u", vm->name,
			   vm->owner, nodes_lowest(guest->runs));
	guest->runs |= node_bit(vm->owner);
}

void truth_check_proofs(struct truth *truth)
{
	const struct state *state = truth->state;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		struct lie *lie = &truth->lies[node->id];

		if (node->proven && node->proven != lie->proven)
			check_proof(truth, node);
		lie->proven = node->proven;
		lie->up = node->state == WIRE__NODE__STATE__UP;
		if (lie->told && !lie->heard && node->state == WIRE__NODE__STATE__UP)
			heard(truth, node);
		else if (lie->known && is_cleared(truth, (uint32_t)node->id))
			lie->known = false;
	}
	for (size_t i = 0; truth->world->counts.lies && i < truth->guests_n; i++)
		if (truth->guests[i].stray)
			take_over(truth, &truth->guests[i]);
}

void truth_called_off(struct truth *truth, uint32_t node)
{
	truth->lies[node].answered_us = truth->world->now_us;
}

void truth_begins(struct truth *truth, uint32_t node, const char *uuid)
{
	if (is_deceived(truth, node))
		truth_guest(truth, uuid)->stray |= node_bit(node);
}

void truth_ends(struct truth *truth, uint32_t node, const char *uuid)
{
	if (truth->world->counts.lies)
		truth_guest(truth, uuid)->stray &= ~node_bit(node);
}

void truth_power_off(struct truth *truth, uint32_t node)
{
	truth->lies[node].told = false;
}

void truth_check_strays(struct truth *truth)
{
	for (size_t i = 0; i < truth->guests_n; i++) {
		const struct guest_truth *guest = &truth->guests[i];
		uint32_t node = guest->stray ? nodes_lowest(guest->stray) : 0;

		if (node && state_vm_named(truth->state, guest->uuid) &&
		    state_node(truth->state, node))
			world_fail(truth->world, "%s is still on n%u, from before that was called "
				   "off", guest->uuid, node);
	}
}
