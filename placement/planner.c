/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "placement/planner.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

static int by_turn(const void *a, const void *b)
{
	const struct planner_vm *x = *(const struct planner_vm *const *)a;
	const struct planner_vm *y = *(const struct planner_vm *const *)b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->memory_mib != y->memory_mib)
		return x->memory_mib > y->memory_mib ? -1 : 1;
	return x->vm < y->vm ? -1 : x->vm > y->vm;
}

static bool allowed(const struct planner_vm *vm, uint32_t node)
{
	return node >= 1 && node <= PLANNER_NODES && (vm->allowed >> (node - 1) & 1);
}

static int64_t free_mib(const struct planner_input *input, const int64_t *used, size_t i)
{
	return input->nodes[i].memory_mib - used[i];
}

/* Index of the preferred node with room that comes first; nodes_n if there is none. */
static size_t first_preferred(const struct planner_input *input, const int64_t *used,
			      const struct planner_vm *vm)
{
	for (size_t p = 0; p < PLANNER_PREFERRED && vm->preferred[p]; p++)
		for (size_t i = 0; i < input->nodes_n; i++)
			if (input->nodes[i].node == vm->preferred[p] &&
			    allowed(vm, input->nodes[i].node) &&
			    free_mib(input, used, i) >= vm->memory_mib)
				return i;
	return input->nodes_n;
}

static size_t most_free(const struct planner_input *input, const int64_t *used,
			const struct planner_vm *vm)
{
	size_t best = input->nodes_n;

	for (size_t i = 0; i < input->nodes_n; i++)
		if (allowed(vm, input->nodes[i].node) &&
		    (best == input->nodes_n ||
		     free_mib(input, used, i) > free_mib(input, used, best)))
			best = i;
	return best;
}

static void place_one(const struct planner_input *input, int64_t *used,
		      const struct planner_vm *vm, struct planner_place *ret_place)
{
	size_t best = most_free(input, used, vm);
	size_t preferred = first_preferred(input, used, vm);

	*ret_place = (struct planner_place){ .vm = vm->vm };
	if (best < input->nodes_n)
		ret_place->largest_free_mib = free_mib(input, used, best);
	if (preferred < input->nodes_n)
		best = preferred;
	if (best == input->nodes_n || free_mib(input, used, best) < vm->memory_mib)
		return;
	ret_place->node = input->nodes[best].node;
	used[best] += vm->memory_mib;
}

void planner_restart(const struct planner_input *input, struct planner_place *ret_places)
{
	const struct planner_vm **order;
	int64_t used[PLANNER_NODES];

	assert(input->nodes_n <= PLANNER_NODES);
	if (input->vms_n == 0)
		return;
	for (size_t i = 0; i < input->nodes_n; i++)
		used[i] = input->nodes[i].used_mib;
	order = mem_array(input->vms_n, sizeof(*order));
	for (size_t i = 0; i < input->vms_n; i++)
		order[i] = &input->vms[i];
	qsort(order, input->vms_n, sizeof(*order), by_turn);
	for (size_t i = 0; i < input->vms_n; i++)
		place_one(input, used, order[i], &ret_places[i]);
	free(order);
}
