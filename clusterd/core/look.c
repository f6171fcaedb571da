/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/look.h"

#include <stdio.h>
#include <string.h>

#include "clusterd/core/record.h"

#define LOOK_WORDS "waits until "

void look_begin(Wire__Vm *vm, uint64_t index)
{
	vm->look = index;
	vm->looked = vm->looked_at = 0;
}

/* Asked after all that could look had looked: what was off before may have been on since. */
static bool still_off(const Wire__Node *node, const Wire__Vm *vm)
{
	return node->state == WIRE__NODE__STATE__OFF && node->proven > vm->look &&
	       node->proven > vm->looked_at;
}

uint64_t look_missing(const struct state *state, const Wire__Vm *vm)
{
	uint64_t missing = 0;

	for (size_t i = 0; vm->look && i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		if (!node->witness && !still_off(node, vm))
			missing |= vmop_bit((uint32_t)node->id) & ~vm->looked;
	}
	return missing;
}

uint64_t look_missing_now(const struct state *state, struct look_sight sight, const Wire__Vm *vm)
{
	uint64_t missing = look_missing(state, vm);

	for (size_t i = 0; vm->look && i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		uint64_t bit = vmop_bit((uint32_t)node->id);

		missing |= vm->looked & bit & ~sight.said;
		if (!node->witness && node->state == WIRE__NODE__STATE__OFF)
			missing |= bit & (sight.ring | sight.too_old);
	}
	return missing;
}

bool look_sought(const Wire__Vm *vm)
{
	return vm->look && !vm->unmanaged && vm->n_maybe == 0 &&
	       vm->wanted != WIRE__VM__WANTED__STOPPED;
}

bool look_awaited(const Wire__Vm *vm)
{
	return look_sought(vm) && vm->phase != WIRE__VM__PHASE__FAILED;
}

bool look_due(const Wire__Vm *vm, uint32_t node)
{
	if (!vm->look || vm->unmanaged || (vm->looked & vmop_bit(node)))
		return false;
	return look_sought(vm) || vm_holds(vm, node);
}

static bool no_libvirt(const Wire__Node *node)
{
	return node->state == WIRE__NODE__STATE__UP && node->facts && !node->facts->agent_ok;
}

/* What keeps a node from looking, and what to do about it. */
static void why_not(struct look_sight sight, const Wire__Node *node, char *ret_why, size_t size)
{
	uint64_t bit = vmop_bit((uint32_t)node->id);
	char reason[200] = "";

	if (node->facts)
		snprintf(reason, sizeof(reason), "%s", node->facts->agent_reason);
	record_line(reason, sizeof(reason));
	switch (node->state) {
	case WIRE__NODE__STATE__NEW:
		snprintf(ret_why, size, "it has never joined, start clusterd there");
		break;
	case WIRE__NODE__STATE__LEFT:
		snprintf(ret_why, size, "its clusterd was stopped, start it");
		break;
	case WIRE__NODE__STATE__LOST:
		snprintf(ret_why, size, "it is lost and not proven off, bring it back");
		break;
	case WIRE__NODE__STATE__OFF:
		snprintf(ret_why, size, "%s", sight.ring & bit
			 ? "it was off and is on again without clusterd, start that"
			 : "it was off, and no fence device says that it still is, repair its "
			   "device or start it");
		break;
	default:
		if (!(sight.ready & bit))
			snprintf(ret_why, size, "its clusterd does not run, start it");
		else if (no_libvirt(node))
			snprintf(ret_why, size, "it has no working libvirt (%s), repair that",
				 reason);
		else
			snprintf(ret_why, size, "it has not answered yet, as its clusterd has just "
				 "begun or its libvirt is slow");
		break;
	}
}

void look_why(const struct state *state, struct look_sight sight, const Wire__Vm *vm,
	      char *ret_why, size_t size)
{
	uint64_t missing = look_missing_now(state, sight, vm);
	/* Devices are asked about the others once these have answered. */
	uint64_t here = missing & sight.ring;
	const Wire__Node *first = NULL;
	char why[300] = "", more[40] = "";
	unsigned n = 0;

	for (uint32_t node = 64; node >= 1; node--)
		if (missing & vmop_bit(node)) {
			if (!here || (here & vmop_bit(node)))
				first = state_node(state, node);
			n++;
		}
	if (first)
		why_not(sight, first, why, sizeof(why));
	if (n > 1)
		snprintf(more, sizeof(more), " (and %u more)", n - 1);
	snprintf(ret_why, size,
		 LOOK_WORDS "%s%s has looked whether it runs there already: %s; or vouch that it "
		 "runs nowhere: clusterctl vm accept --not-running %s",
		 first ? first->name : "nobody", more, why, vm->name);
	record_line(ret_why, size);
}

bool look_is_why(const char *detail)
{
	return strncmp(detail, LOOK_WORDS, strlen(LOOK_WORDS)) == 0 &&
	       strstr(detail, " has looked whether it runs there already: ");
}

bool look_hangs(const struct state *state, struct look_sight sight, const Wire__Vm *vm)
{
	uint64_t missing = look_missing_now(state, sight, vm);

	for (uint32_t id = 1; id <= 64; id++) {
		const Wire__Node *node = missing & vmop_bit(id) ? state_node(state, id) : NULL;

		if (node && (node->state != WIRE__NODE__STATE__UP ||
			     !(sight.ready & vmop_bit(id)) || no_libvirt(node)))
			return true;
	}
	return false;
}
