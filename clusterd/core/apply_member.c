/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which nodes the cluster has: one is added, removed, or becomes a witness. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/look.h"
#include "wire/check.h"

enum { NODE_MAX = 64, GONE_MAX = 64 };

/* ---------------------------------------------------------------- what binds a node */

static bool names(const uint32_t *nodes, size_t n, uint64_t node)
{
	for (size_t i = 0; i < n; i++)
		if (nodes[i] == node)
			return true;
	return false;
}

static const char *bound_by(const struct state *state, const Wire__Vm *vm, const Wire__Node *node)
{
	if (vm_holds(vm, (uint32_t)node->id))
		return node->state == WIRE__NODE__STATE__UP
			       ? "is there or may be: move it to another node or stop it"
			       : "may run there: the node must come back, or be proven off";
	/* When it is managed again, nobody would look for it on a node that is gone. */
	if (vm->unmanaged && node->state != WIRE__NODE__STATE__NEW)
		return "is managed=no and may run there: have it looked for with clusterctl vm set "
		       "VM managed=yes, or remove the VM";
	if (look_missing(state, vm) & vmop_bit((uint32_t)node->id))
		return "may run there already and was not looked for yet: bring the node back, or "
		       "vouch for it with clusterctl vm accept --not-running VM";
	if (names(vm->possible_owners, vm->n_possible_owners, node->id))
		return "names it among its owners: change them with clusterctl vm set VM owners=";
	if (names(vm->preferred_owners, vm->n_preferred_owners, node->id))
		return "prefers it: change that with clusterctl vm set VM prefer=";
	if (vm->no_ha && vm->last_node == node->id)
		return "is bound to it (ha=no): set ha=yes, or remove the VM";
	return NULL;
}

bool apply_node_unbound(struct apply *apply, const Wire__Node *node, const char *what,
			char *ret_why, size_t size)
{
	const Wire__Vm *first = NULL;
	const char *why = NULL;
	unsigned more = 0;
	char others[32] = "";

	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(apply->state, WIRE__TABLE__TABLE_VM, i);
		const char *bound = bound_by(apply->state, vm, node);

		if (bound && first)
			more++;
		if (bound && !first) {
			first = vm;
			why = bound;
		}
	}
	if (!first)
		return true;
	if (more)
		snprintf(others, sizeof(others), " (and %u more)", more);
	snprintf(ret_why, size, "%s %s: VM %s%s %s", node->name, what, first->name, others, why);
	return false;
}

/* Whether nothing would be lost with it, by the records. */
static bool may_go(struct apply *apply, const Wire__Node *node, char *ret_why, size_t size)
{
	const Wire__Fence *fence = node_device(apply->state, node->id);

	if (node->state == WIRE__NODE__STATE__UP && !node->witness && !node->drained) {
		snprintf(ret_why, size, "%s is up and takes VMs: first let it take no more, with "
			 "clusterctl node set %s placement=no", node->name, node->name);
		return false;
	}
	if (!apply_node_unbound(apply, node, "cannot be removed", ret_why, size))
		return false;
	if (fence) {
		snprintf(ret_why, size, "%s cannot be removed: fence device %s is for it; remove "
			 "that first, with clusterctl fence remove %s", node->name, fence->name,
			 fence->name);
		return false;
	}
	return true;
}

/* ---------------------------------------------------------------- removing */

/* What it said or did is not said or done by another node that gets its id. */
static void forget_marks(struct apply *apply, uint32_t node)
{
	uint64_t bit = vmop_bit(node);

	apply_looks_forget(apply, node);
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(apply->state, WIRE__TABLE__TABLE_VM, i);
		Wire__Vm *copy;

		if (!(vm->tried_nodes & bit) && vm->last_node != node)
			continue;
		copy = apply_vm_open(apply, vm->id);
		copy->tried_nodes &= ~bit;
		if (copy->last_node == node)
			copy->last_node = 0;
		apply_vm_close(apply, copy);
	}
}

static void remember_gone(struct apply *apply, const Wire__Node *node, const char *who)
{
	Wire__Cluster *cluster = record_copy(&state_cluster(apply->state)->base);
	Wire__NodeGone *gone = mem_new(Wire__NodeGone);

	wire__node_gone__init(gone);
	gone->id = (uint32_t)node->id;
	gone->disk_id = node->disk_id;
	gone->removed_ms = apply->command->time_ms;
	record_text(&gone->name, node->name);
	record_text(&gone->who, who);
	if (cluster->n_gone == GONE_MAX) {
		record_free(cluster->gone[0]);
		memmove(cluster->gone, cluster->gone + 1,
			--cluster->n_gone * sizeof(*cluster->gone));
	}
	cluster->gone = mem_resize(cluster->gone, cluster->n_gone + 1, sizeof(*cluster->gone));
	cluster->gone[cluster->n_gone++] = gone;
	state_put(apply->state, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster->base, apply->update);
	record_free(cluster);
}

static void remove_node(struct apply *apply, const Wire__Node *node, const char *who)
{
	uint32_t id = (uint32_t)node->id;

	apply_fencing_over(apply, id);
	apply_force_heard(apply, id);
	forget_marks(apply, id);
	remember_gone(apply, node, who);
	apply_event_node(apply, WIRE__EVENT__SEVERITY__INFO, id,
			 "is removed from the cluster by %s", who);
	state_del(apply->state, WIRE__TABLE__TABLE_NODE, id, apply->update);
}

static void put_node(struct apply *apply, const Wire__Node *node)
{
	state_put(apply->state, WIRE__TABLE__TABLE_NODE, node->id, &node->base, apply->update);
}

void apply_leaving_finish(struct apply *apply)
{
	for (uint32_t id = 1; id <= NODE_MAX; id++) {
		const Wire__Node *record = state_node(apply->state, id);
		Wire__Node *node;
		char why[WIRE_TEXT_MAX];

		if (!record || !record->leaving[0] || state_voter(apply->state, id))
			continue;
		node = record_copy(&record->base);
		if (may_go(apply, node, why, sizeof(why))) {
			remove_node(apply, node, node->leaving);
		} else {
			record_text(&node->leaving, "");
			put_node(apply, node);
			apply_event_node(apply, WIRE__EVENT__SEVERITY__WARNING, id,
					 "is not removed: %s", why);
		}
		record_free(node);
	}
}

static bool is_last(const struct state *state, uint64_t node)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *other = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		if (other->id != node && !other->leaving[0])
			return false;
	}
	return true;
}

void apply_node_remove(struct apply *apply)
{
	const char *name = apply->command->node_remove->name;
	const Wire__Node *record = state_node_named(apply->state, name);
	const char *who = apply->command->who[0] ? apply->command->who : "clusterd";
	char why[WIRE_TEXT_MAX];
	Wire__Node *node;

	if (!record) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
			     "there is no node '%s'; clusterctl node list shows all", name);
		return;
	}
	if (is_last(apply->state, record->id)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
			     "%s cannot be removed: no other node would be left", name);
		return;
	}
	if (!may_go(apply, record, why, sizeof(why))) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE, "%s", why);
		return;
	}
	node = record_copy(&record->base);
	apply->id = node->id;
	if (!state_voter(apply->state, (uint32_t)node->id)) {
		remove_node(apply, node, who);
	} else {
		/* It must not get VMs while it waits. */
		node->drained = true;
		if (!node->leaving[0])
			apply_event_node(apply, WIRE__EVENT__SEVERITY__INFO, (uint32_t)node->id,
					 "is to be removed, by %s: as soon as it votes no more",
					 who);
		record_text(&node->leaving, who);
		put_node(apply, node);
		snprintf(apply->text, sizeof(apply->text),
			 "%s is a voter: it is removed as soon as the others go on without its "
			 "vote, which takes a moment, or waits for a node to take its place "
			 "(clusterctl node list); clusterctl node set %s placement=yes calls it "
			 "off", name, name);
	}
	record_free(node);
}

/* ---------------------------------------------------------------- adding */

static bool was_there(const Wire__Cluster *cluster, uint32_t id)
{
	for (size_t i = 0; i < cluster->n_gone; i++)
		if (cluster->gone[i]->id == id)
			return true;
	return false;
}

/* The lowest that no node has, and if possible none had. */
static uint32_t free_id(const struct state *state)
{
	uint32_t had = 0;

	for (uint32_t id = 1; id <= NODE_MAX; id++) {
		if (state_node(state, id))
			continue;
		if (!was_there(state_cluster(state), id))
			return id;
		if (!had)
			had = id;
	}
	return had;
}

static bool add_fits(struct apply *apply, const Wire__NodeAdd *add)
{
	const struct state *state = apply->state;

	if (!text_valid_name(add->name, WIRE_NAME_MAX)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "'%s' is no name for a node: letters, digits, '.', '_' and '-', at "
			     "most %d", add->name, WIRE_NAME_MAX);
		return false;
	}
	if (state_node_named(state, add->name)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__EXISTS, "there is a node %s already",
			     add->name);
		return false;
	}
	if (!apply_address_ok(apply, 0, add->address))
		return false;
	if (add->id > NODE_MAX || (add->id == 0 && free_id(state) == 0)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__LIMIT, "node ids go from 1 to %d",
			     NODE_MAX);
		return false;
	}
	if (add->id && state_node(state, add->id)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__EXISTS,
			     "%s has the id %u: each node needs its own",
			     node_name(state, add->id), add->id);
		return false;
	}
	return true;
}

void apply_node_add(struct apply *apply)
{
	const Wire__NodeAdd *add = apply->command->node_add;
	Wire__Node node = WIRE__NODE__INIT;

	if (!add_fits(apply, add))
		return;
	node.id = apply->id = add->id ? add->id : free_id(apply->state);
	node.name = add->name;
	node.address = add->address;
	node.failure_domain = add->domain;
	node.witness = add->witness;
	node.no_vote = add->no_vote;
	node.since_ms = apply->command->time_ms;
	put_node(apply, &node);
	apply_event_node(apply, WIRE__EVENT__SEVERITY__INFO, (uint32_t)node.id,
			 "is added with id %u and address %s%s, by %s", (unsigned)node.id,
			 node.address, node.witness ? ", as a witness" : "", apply->command->who);
	snprintf(apply->text, sizeof(apply->text),
		 "%s is added with id %u: give it that nodeid in the corosync.conf of all nodes, "
		 "then start corosync and clusterd there", node.name, (unsigned)node.id);
}
