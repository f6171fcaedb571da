/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PLACEMENT_PLANNER_H
#define PLACEMENT_PLANNER_H

/*
 * The planner says on which node each of a set of VMs should run: capacity, hard filters
 * and preferences in, an ordered list of placements out. Pure and deterministic: integers,
 * nodes and VMs in id order, ties by id. It knows nothing of records; the caller turns
 * every rule it holds into masks and numbers.
 *
 * Nodes have numbers 1..64; bit n-1 of a mask stands for node n.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLANNER_NODES = 64, PLANNER_PREFERRED = 8 };

struct planner_node {
	uint32_t node;			/* ascending */
	int64_t memory_mib;		/* that VMs may use */
	int64_t used_mib;		/* by VMs that are, or may be, there */
};

struct planner_vm {
	uint64_t vm;
	int64_t memory_mib;
	int priority;			/* higher first */
	uint64_t allowed;		/* nodes that pass every hard filter but capacity */
	uint32_t preferred[PLANNER_PREFERRED];	/* in order; 0 ends it */
};

struct planner_input {
	const struct planner_node *nodes;
	size_t nodes_n;
	const struct planner_vm *vms;	/* to be placed */
	size_t vms_n;
};

struct planner_place {
	uint64_t vm;
	uint32_t node;			/* 0: nowhere */
	int64_t largest_free_mib;	/* among the allowed nodes, when it was its turn */
};

/*
 * Places the VMs in the order (priority, memory, both descending, id), each on a preferred
 * node if one has room, else where most memory is left free. ret_places has room for
 * vms_n and is filled in that order. Every prefix of it is legal.
 */
void planner_restart(const struct planner_input *input, struct planner_place *ret_places);

#endif
