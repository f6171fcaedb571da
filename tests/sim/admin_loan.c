/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Administrators who take a guest from the cluster, run it by hand, and give it back. */
#include <stdlib.h>

#include "base/mem.h"
#include "tests/sim/admin_private.h"
#include "tests/sim/host.h"

struct loan {
	uint32_t node;
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

void admin_loan_due(struct world *world, uint64_t number)
{
	struct loan *loan = idmap_get(&world->admin->loans, number);
	const Wire__Vm *vm = loan ? state_vm(truth_state(world->truth), loan->vm) : NULL;

	if (!loan)
		return;
	if (!vm || loan->step == 2) {
		if (vm)
			admin_command(world, 0, admin_set_vm(vm->name, "managed", "yes"), false);
		free(idmap_remove(&world->admin->loans, number));
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
