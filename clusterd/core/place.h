/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_PLACE_H
#define CLUSTERD_CORE_PLACE_H

/*
 * From records to the planner and back: which nodes a VM may run on, with the reason for
 * each that it may not, and where the planner puts it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/state.h"

/* NULL, or why the VM cannot run on the node, in words: every hard filter but capacity. */
const char *place_blocked(const struct state *state, uint64_t ready, const Wire__Vm *vm,
			  const Wire__Node *node, char *room, size_t size);

struct placing {
	uint64_t vm;
	uint32_t node;			/* 0: nowhere, and why says so */
	char why[600];
};

/*
 * Places VMs that nobody holds. ready: nodes whose daemons are in the open epoch (bit n-1);
 * shun[i]: nodes to avoid for the i-th VM while another will do; stay[i]: node to prefer.
 */
void place_vms(const struct state *state, uint64_t ready, const Wire__Vm *const *vms, size_t n,
	       const uint64_t *shun, const uint32_t *stay, struct placing *ret_places);

/* One VM, away from the nodes of `not`. 0 and why if there is no place. */
uint32_t place_one(const struct state *state, uint64_t ready, const Wire__Vm *vm, uint64_t not,
		   char *ret_why, size_t size);
/* Has this one node room for the VM, and no filter against it? */
bool place_fits(const struct state *state, uint64_t ready, const Wire__Vm *vm, uint32_t node,
		char *ret_why, size_t size);

#endif
