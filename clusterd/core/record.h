/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_RECORD_H
#define CLUSTERD_CORE_RECORD_H

/*
 * Editing records: a private copy is opened, changed with these helpers, and put back into
 * the state by apply. Also the small questions that everybody asks of a record.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clusterd/core/state.h"
#include "migrate/vmop.h"

/* A deep copy that the caller owns (free with record_free). */
void *record_copy(const ProtobufCMessage *record);
void record_free(void *record);

/* Replaces a text field; the value is copied, cut to the field's limit, cleaned. */
void record_text(char **field, const char *value);
void record_textf(char **field, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * Text that was put together, perhaps from what came from outside, and may have been cut in the
 * middle of a character becomes one clean line, as a record keeps it: else no command could
 * carry it, or it would never be equal to what is on record. size: of the array.
 */
void record_line(char *text, size_t size);
/* Replaces a message field by a copy of value, or by nothing. */
void record_message(ProtobufCMessage **field, const ProtobufCMessage *value);
/* Replaces a list of node numbers. */
void record_nodes(size_t *n, uint32_t **field, const uint32_t *nodes, size_t nodes_n);

/* Who may hold a VM. */
bool vm_holds(const Wire__Vm *vm, uint32_t node);
uint64_t vm_holders(const Wire__Vm *vm);			/* bit n-1 = node n */
void vm_hold(Wire__Vm *vm, uint32_t node, uint64_t incarnation);
void vm_release(Wire__Vm *vm, uint32_t node);

/* The VM operation machine's view of a record, and back. */
void vm_to_op(const Wire__Vm *vm, struct vmop *ret_op);
void vm_from_op(Wire__Vm *vm, const struct vmop *op);

/* Name of a node for a text: "n2", or "node 7" when there is no record. Static rotation of 4. */
const char *node_name(const struct state *state, uint32_t node);

/*
 * Only a lost node is powered off. One that left, was never here or was off may at least be asked
 * for: that it is off proves what it proves of any other.
 */
bool node_may_be_fenced(const Wire__Node *node, bool status_only);

/* Was its last test for that node good, and is it not another machine's? */
bool fence_is_tested(const Wire__Fence *fence, uint32_t node);

/*
 * A device by which the node's death can be proven: its last test for that node was good, and it
 * was not found to switch another machine. NULL: there is none.
 */
const Wire__Fence *node_proving_device(const struct state *state, uint32_t node);

/*
 * Nothing was heard of it since a new cluster was forced (force.h): what it has, nobody knows.
 */
bool node_is_unheard(const struct state *state, uint32_t node);

/* The first fence device that has the node among its targets; NULL if none has. */
const Wire__Fence *node_device(const struct state *state, uint64_t node);

/*
 * Half of the cluster or more, gone for one cause: then the cause is not those nodes, and they
 * are not fenced. Looks at the ring (bit n-1 = node n) as well, because verdicts are committed
 * one by one, and the first of them must not be acted on as if it were alone.
 */
bool half_is_lost(const struct state *state, uint64_t ring);

/*
 * May a VM be there that would be started elsewhere? One that the cluster leaves alone would not:
 * for it no power is cut.
 */
bool node_may_hold_managed(const struct state *state, uint32_t node);

/* Nodes that may ever run this VM by the administrator's will. */
bool vm_allows_node(const Wire__Vm *vm, uint32_t node);

/*
 * The budget of fencing counts the power-offs that were begun within its window before now, by
 * the cluster's clock (elapsed.h), and succeeded or are under way.
 */
struct fence_budget {
	uint64_t allowed, used, window_ms;
	/* The one by whose age the next is allowed again; NULL: one is now, or none ever is. */
	const Wire__Operation *frees;
	/* If none is left: when, by the cluster's clock, fewer are used; 0 = never. */
	uint64_t changes_ms;
};
struct fence_budget fence_budget(const struct state *state, uint64_t now_ms);
bool fence_budget_left(const struct fence_budget *budget);
/* How much of it is used, and when the next is free: by a wall clock, for people. */
void fence_budget_say(const struct fence_budget *budget, char *ret, size_t size);

#endif
