/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/check.h"
#include "wire/message.h"

void *record_copy(const ProtobufCMessage *record)
{
	return wire_dup(record);
}

void record_free(void *record)
{
	wire_free(record);
}

void record_text(char **field, const char *value)
{
	char *copy = NULL;

	if (value && *value) {
		copy = mem_strndup(value, wire_text_fit(value, WIRE_TEXT_MAX - 4));
		wire_text_mend(copy);
		for (char *c = copy; *c; c++)
			if ((unsigned char)*c < ' ' && *c != '\n')
				*c = ' ';
	}
	if (*field && *field != (char *)protobuf_c_empty_string)
		free(*field);
	*field = copy ? copy : (char *)protobuf_c_empty_string;
}

void record_textf(char **field, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = mem_vprintf(format, args);
	va_end(args);
	record_text(field, text);
	free(text);
}

void record_line(char *text, size_t size)
{
	text[wire_text_fit(text, size - 2)] = '\0';
	wire_text_line(text);
}

void record_message(ProtobufCMessage **field, const ProtobufCMessage *value)
{
	ProtobufCMessage *copy = value ? record_copy(value) : NULL;

	record_free(*field);
	*field = copy;
}

void record_nodes(size_t *n, uint32_t **field, const uint32_t *nodes, size_t nodes_n)
{
	uint32_t *copy = nodes_n ? mem_dup(nodes, nodes_n * sizeof(*nodes)) : NULL;

	free(*field);
	*field = copy;
	*n = nodes_n;
}

bool vm_holds(const Wire__Vm *vm, uint32_t node)
{
	for (size_t i = 0; i < vm->n_maybe; i++)
		if (vm->maybe[i]->node == node)
			return true;
	return false;
}

uint64_t vm_holders(const Wire__Vm *vm)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < vm->n_maybe; i++)
		mask |= vmop_bit(vm->maybe[i]->node);
	return mask;
}

void vm_hold(Wire__Vm *vm, uint32_t node, uint64_t incarnation)
{
	size_t at = 0;
	Wire__Holder *holder;

	while (at < vm->n_maybe && vm->maybe[at]->node < node)
		at++;
	if (at < vm->n_maybe && vm->maybe[at]->node == node) {
		vm->maybe[at]->incarnation = incarnation;
		vm->maybe[at]->walled = false;
		return;
	}
	vm->maybe = mem_resize(vm->maybe, vm->n_maybe + 1, sizeof(*vm->maybe));
	memmove(&vm->maybe[at + 1], &vm->maybe[at], (vm->n_maybe - at) * sizeof(*vm->maybe));
	holder = mem_new(Wire__Holder);
	wire__holder__init(holder);
	holder->node = node;
	holder->incarnation = incarnation;
	vm->maybe[at] = holder;
	vm->n_maybe++;
}

void vm_release(Wire__Vm *vm, uint32_t node)
{
	for (size_t at = 0; at < vm->n_maybe; at++)
		if (vm->maybe[at]->node == node) {
			record_free(vm->maybe[at]);
			memmove(&vm->maybe[at], &vm->maybe[at + 1],
				(vm->n_maybe - at - 1) * sizeof(*vm->maybe));
			vm->n_maybe--;
			return;
		}
}

_Static_assert((int)VMOP_FAILED == (int)WIRE__VM__PHASE__FAILED, "phases have one numbering");
_Static_assert((int)VMOP_GO == (int)WIRE__VM__PHASE__GO, "phases have one numbering");
_Static_assert((int)VMOP_CONSUMED == (int)WIRE__VM__PHASE__CONSUMED, "phases have one numbering");

void vm_to_op(const Wire__Vm *vm, struct vmop *ret_op)
{
	*ret_op = (struct vmop){
		.phase = (enum vmop_phase)vm->phase,
		.owner = vm->owner,
		.from = vm->from,
		.to = vm->to,
		.maybe = vm_holders(vm),
	};
}

void vm_from_op(Wire__Vm *vm, const struct vmop *op)
{
	for (uint32_t node = 1; node <= 64; node++)
		if (vm_holds(vm, node) && !(op->maybe & vmop_bit(node)))
			vm_release(vm, node);
	vm->phase = (Wire__Vm__Phase)op->phase;
	vm->owner = op->owner;
	vm->from = op->from;
	vm->to = op->to;
}

const char *node_name(const struct state *state, uint32_t node)
{
	static char texts[4][24];
	static unsigned turn;
	const Wire__Node *record = state_node(state, node);

	if (record)
		return record->name;
	turn = (turn + 1) % 4;
	snprintf(texts[turn], sizeof(texts[turn]), "node %u", node);
	return texts[turn];
}

bool vm_allows_node(const Wire__Vm *vm, uint32_t node)
{
	if (vm->no_ha && vm->last_node)
		return vm->last_node == node;
	if (vm->n_possible_owners == 0)
		return true;
	for (size_t i = 0; i < vm->n_possible_owners; i++)
		if (vm->possible_owners[i] == node)
			return true;
	return false;
}

bool fence_is_tested(const Wire__Fence *fence, uint32_t node)
{
	for (size_t t = 0; t < fence->n_targets; t++)
		if (fence->targets[t]->node == node && fence->targets[t]->tested_ms &&
		    !fence->targets[t]->wrong_ms)
			return true;
	return false;
}

const Wire__Fence *node_proving_device(const struct state *state, uint32_t node)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *fence = state_at(state, WIRE__TABLE__TABLE_FENCE, i);

		if (fence_is_tested(fence, node))
			return fence;
	}
	return NULL;
}

const Wire__Fence *node_device(const struct state *state, uint64_t node)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *fence = state_at(state, WIRE__TABLE__TABLE_FENCE, i);

		for (size_t t = 0; t < fence->n_targets; t++)
			if (fence->targets[t]->node == node)
				return fence;
	}
	return NULL;
}

bool node_is_unheard(const struct state *state, uint32_t node)
{
	const Wire__Cluster *cluster = state_cluster(state);

	return cluster && cluster->forced && (cluster->forced->unheard & vmop_bit(node));
}

bool node_may_be_fenced(const Wire__Node *node, bool status_only)
{
	return node->state == WIRE__NODE__STATE__LOST ||
	       (status_only && (node->state == WIRE__NODE__STATE__LEFT ||
				node->state == WIRE__NODE__STATE__NEW ||
				node->state == WIRE__NODE__STATE__OFF));
}

bool half_is_lost(const struct state *state, uint64_t ring)
{
	size_t nodes = state_count(state, WIRE__TABLE__TABLE_NODE), lost = 0;

	for (size_t i = 0; i < nodes; i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		bool trusted = node->state == WIRE__NODE__STATE__UP ||
			       node->state == WIRE__NODE__STATE__DAEMON_DOWN;

		lost += node->state == WIRE__NODE__STATE__LOST ||
			(trusted && !(ring & vmop_bit((uint32_t)node->id)));
	}
	return nodes > 2 && lost * 2 >= nodes;
}

bool node_may_hold_managed(const struct state *state, uint32_t node)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		if (!vm->unmanaged && vm_holds(vm, node))
			return true;
	}
	return false;
}

static bool is_counted(const Wire__Operation *op, uint64_t now_ms, uint64_t window_ms)
{
	return op->kind == WIRE__OPERATION__KIND__FENCE && !op->status_only &&
	       (op->outcome == WIRE__OPERATION__OUTCOME__DONE ||
		op->outcome == WIRE__OPERATION__OUTCOME__RUNNING) &&
	       op->clock_ms + window_ms > now_ms;
}

/* How many are counted that are not younger than this one. */
static size_t counted_until(const struct state *state, uint64_t now_ms, uint64_t window_ms,
			    const Wire__Operation *last)
{
	size_t n = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (is_counted(op, now_ms, window_ms))
			n += !last || op->clock_ms < last->clock_ms ||
			     (op->clock_ms == last->clock_ms && op->id <= last->id);
	}
	return n;
}

struct fence_budget fence_budget(const struct state *state, uint64_t now_ms)
{
	uint64_t window_ms = state_setting_number(state, SET_FENCE_BUDGET_WINDOW_S) * 1000;
	struct fence_budget budget = {
		.allowed = state_setting_number(state, SET_FENCE_BUDGET),
		.used = counted_until(state, now_ms, window_ms, NULL),
		.window_ms = window_ms,
	};

	if (!budget.allowed || fence_budget_left(&budget))
		return budget;
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (!is_counted(op, now_ms, window_ms))
			continue;
		if (!budget.changes_ms || op->clock_ms + window_ms < budget.changes_ms)
			budget.changes_ms = op->clock_ms + window_ms;
		if (counted_until(state, now_ms, window_ms, op) ==
		    budget.used - budget.allowed + 1)
			budget.frees = op;
	}
	return budget;
}

bool fence_budget_left(const struct fence_budget *budget)
{
	return budget->used < budget->allowed;
}

void fence_budget_say(const struct fence_budget *budget, char *ret, size_t size)
{
	const Wire__Operation *frees = budget->frees;
	unsigned long long day_s;

	if (!frees) {
		snprintf(ret, size, "fence.budget is 0");
		return;
	}
	day_s = (frees->begun_ms + budget->window_ms) / 1000 % 86400;
	snprintf(ret, size, "%llu of %llu power-offs that fence.budget allows in %llu s are used ",
		 (unsigned long long)budget->used, (unsigned long long)budget->allowed,
		 (unsigned long long)budget->window_ms / 1000);
	if (frees->outcome == WIRE__OPERATION__OUTCOME__RUNNING)
		snprintf(ret + strlen(ret), size - strlen(ret), "(one of them is under way)");
	else
		snprintf(ret + strlen(ret), size - strlen(ret),
			 "(the next one is free at %02llu:%02llu:%02llu UTC)", day_s / 3600,
			 day_s / 60 % 60, day_s % 60);
}
