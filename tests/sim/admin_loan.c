/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Administrators who take a guest from the cluster, run it by hand, and give it back; and others
 * who have not heard of that, at a node that has not, either.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tests/sim/admin_private.h"
#include "tests/sim/host.h"

enum { LATE_US = 1000000 };

struct loan {
	uint32_t node, late;
	uint64_t vm, for_us;
	unsigned step;
};

void admin_lend(struct world *world, uint32_t node, const Wire__Vm *vm, uint64_t for_ms)
{
	struct loan *loan = mem_new(struct loan);
	uint64_t number = world_new_id(world);

	*loan = (struct loan){ node, vm->id, for_ms * 1000, 0 };
	idmap_put(&world->admin->loans, number, loan);
	admin_command(world, 0, admin_set_vm(vm->name, "managed", "no"), false);
	world_due(world, DUE_LOAN, 0, world_some(world, 10000, 3000000), 0, number);
}

void admin_end_loans(struct admin *admin)
{
	while (idmap_count(&admin->loans) > 0) {
		uint64_t number;

		idmap_at(&admin->loans, 0, &number);
		free(idmap_remove(&admin->loans, number));
	}
}

static void destroy_everywhere(struct world *world, const Wire__Vm *vm)
{
	for (uint32_t id = 1; id <= world->nodes; id++)
		host_by_hand(world->machines[id].host, HAND_DESTROY, vm);
}

/* One that takes part, and is not where the guest is, if there is such a one. */
static uint32_t some_other(struct world *world, uint32_t node)
{
	uint32_t first = (uint32_t)world_some(world, 0, world->nodes);

	for (uint32_t i = 0; i < world->nodes; i++) {
		uint32_t id = 1 + (first + i) % world->nodes;

		if (id != node && world->machines[id].core)
			return id;
	}
	return node;
}

/* For a while nothing reaches one of the others, who does not hear of it in time. */
static void give_back(struct world *world, struct loan *loan, const Wire__Vm *vm, uint64_t number)
{
	struct machine *late;

	loan->step++;
	loan->late = some_other(world, loan->node);
	late = &world->machines[loan->late];
	if (world->now_us >= late->lag_until_us)
		late->lag_us = world_some(world, 1000, 2 * LATE_US);
	late->lag_until_us = world->now_us + LATE_US;
	admin_command(world, loan->node, admin_set_vm(vm->name, "managed", "yes"), false);
	world_due(world, DUE_LOAN, 0, world_some(world, 1000, LATE_US), 0, number);
}

void admin_loan_due(struct world *world, uint64_t number)
{
	struct loan *loan = idmap_get(&world->admin->loans, number);
	const Wire__Vm *vm = loan ? state_vm(truth_state(world->truth), loan->vm) : NULL;

	if (!loan)
		return;
	if (!vm || loan->step == 3) {
		if (vm)
			host_by_hand(world->machines[loan->late].host, HAND_START, vm);
		free(idmap_remove(&world->admin->loans, number));
		return;
	}
	if (loan->step == 2) {
		give_back(world, loan, vm, number);
		return;
	}
	/* Whoever is not told that it is done waits for it no longer than others do. */
	if (loan->step == 0)
		destroy_everywhere(world, vm);
	else
		host_by_hand(world->machines[loan->node].host, HAND_START, vm);
	world_due(world, DUE_LOAN, 0,
		  loan->step++ ? loan->for_us + 1 : world_some(world, 1000, 500000), 0, number);
}
