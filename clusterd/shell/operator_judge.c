/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/operator_judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/conductor.h"
#include "clusterd/core/look.h"
#include "clusterd/core/record.h"

/* Longer than any epoch takes to give way to the next one. */
enum { PASSING_MS = 30000 };

const char *judge_name(const struct state *state, uint32_t node)
{
	const Wire__Node *record = node ? state_node(state, node) : NULL;

	return record ? record->name : "";
}

static bool has_bit(uint64_t set, uint64_t node)
{
	return node >= 1 && node <= 64 && (set >> (node - 1) & 1);
}

uint64_t judge_as_of(const struct view_source *source)
{
	size_t events = state_count(source->state, WIRE__TABLE__TABLE_EVENT);

	if (source->standing.open)
		return 0;
	if (source->closed_ms || events == 0)
		return source->closed_ms;
	/* Closed since this daemon began: what it read from its disk is at least of then. */
	return ((const Wire__Event *)state_at(source->state, WIRE__TABLE__TABLE_EVENT, events - 1))
		->time_ms;
}

/* ---------------------------------------------------------------- nodes */

/* Nobody has said of it yet that it is gone; that its daemon is not here, all see. */
static bool is_unseen(const struct view_source *source, const Wire__Node *node)
{
	return node->id != source->node && !has_bit(source->standing.members, node->id);
}

uint64_t judge_node_unseen(const struct view_source *source, const Wire__Node *node)
{
	if (!source->unseen_ms || !is_unseen(source, node) || node->id > JUDGE_NODES)
		return 0;
	return source->unseen_ms[node->id - 1];
}

bool judge_node_here(const struct view_source *source, const Wire__Node *node)
{
	return node->state == WIRE__NODE__STATE__UP && !is_unseen(source, node);
}

const char *judge_node_state(const struct view_source *source, const Wire__Node *node)
{
	switch (node->state) {
	case WIRE__NODE__STATE__NEW:
		return "new";
	case WIRE__NODE__STATE__UP:
		if (is_unseen(source, node))
			return "not seen";
		if (node->witness)
			return "up, witness";
		if (!node->facts || !node->facts->agent_ok)
			return "up, libvirt not ready";
		return node->drained ? "up, drained" : "up";
	case WIRE__NODE__STATE__DAEMON_DOWN:
		return "daemon-down";
	case WIRE__NODE__STATE__LEFT:
		return "left";
	case WIRE__NODE__STATE__LOST:
		return "lost";
	case WIRE__NODE__STATE__OFF:
		return "off";
	default:
		return "unknown";
	}
}

/* The last call of a device against this life of a node; NULL if there was none. */
static const Wire__Operation *last_fencing(const struct state *state, const Wire__Node *node)
{
	for (size_t i = state_count(state, WIRE__TABLE__TABLE_OPERATION); i-- > 0;) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == node->id &&
		    op->incarnation == node->incarnation)
			return op;
	}
	return NULL;
}

/*
 * How it stands with the proof that a lost node is dead. Returns what an administrator can do
 * about it; NULL: nothing, it goes on by itself.
 */
static const char *say_fencing(const struct view_source *source, const Wire__Node *node, char *ret,
			       size_t size)
{
	const Wire__Fence *device = node_device(source->state, node->id), *used = NULL;
	const Wire__Cluster *cluster = state_cluster(source->state);
	const Wire__Operation *op = last_fencing(source->state, node);
	bool half = half_is_lost(source->state, source->standing.ring);

	if (!source->standing.open) {
		snprintf(ret, size, "not fenced yet: no quorum");
		return cluster && cluster->n_voters == 2
			       ? "status tells whether this node goes on alone"
			       : "bring voters back, until a majority is there";
	}
	if (op)
		used = state_get(source->state, WIRE__TABLE__TABLE_FENCE, op->device);
	if (op && op->outcome == WIRE__OPERATION__OUTCOME__RUNNING && !(half && op->status_only)) {
		snprintf(ret, size, "being %s through %s",
			 op->status_only ? "asked for its power" : "fenced",
			 used ? used->name : "a device");
		return NULL;
	}
	if (!device) {
		snprintf(ret, size, "not fenced yet: no fence device");
		return "bring it back, or clusterctl fence add";
	}
	if (half) {
		snprintf(ret, size, "not powered off: half of the cluster or more is lost at once");
		return "bring nodes back, or switch off those that are dead: that is seen";
	}
	if (node->held_back[0]) {
		snprintf(ret, size, "%s", node->held_back);
		return NULL;
	}
	if (op) {
		snprintf(ret, size, "not fenced yet, it is tried again: %s: %s",
			 used ? used->name : "a device", op->text);
		return "bring it back, or put that right; clusterctl fence test asks the device";
	}
	snprintf(ret, size, "about to be fenced through %s", device->name);
	return NULL;
}

static void why_up(const struct view_source *source, const Wire__Node *node, char *ret_why,
		   size_t size)
{
	const Wire__NodeFacts *facts = node->facts;

	if (is_unseen(source, node))
		snprintf(ret_why, size, "not seen by this node now%s; %s",
			 has_bit(source->standing.ring, node->id) ? ", though its corosync is"
								  : "",
			 source->standing.open ? "it is waited for" : "it was up");
	else if (!node->witness && (!facts || !facts->agent_ok))
		snprintf(ret_why, size, "%s",
			 facts && facts->agent_reason[0] ? facts->agent_reason
							 : "its VM agent does not answer");
	else if (node->drained)
		snprintf(ret_why, size, "takes no VMs (placement=no)");
	if (node->leaving[0])
		snprintf(ret_why, size, "is removed as soon as it votes no more");
}

static void why_node_lost(const struct view_source *source, const Wire__Node *node, char *ret_why,
			  size_t size)
{
	bool unheard = node_is_unheard(source->state, (uint32_t)node->id);
	const char *fenced = "not fenced, because it holds no managed VM";
	char fencing[JUDGE_WHY_SIZE];

	say_fencing(source, node, fencing, sizeof(fencing));
	if (node_may_hold_managed(source->state, (uint32_t)node->id))
		fenced = fencing;
	else if (unheard && !node->witness)
		fenced = "not fenced, only asked whether it is off: which VMs it has is not known";
	else if (node->witness)
		fenced = "not fenced, because it is a witness";
	snprintf(ret_why, size, "%s; %s", node->reason, fenced);
}

/* One of the cluster before a forced one does not come by itself. */
static void add_way_back(const Wire__Node *node, char *why, size_t size)
{
	snprintf(why + strlen(why), size - strlen(why), "%sto have it back, stop clusterd there, "
		 "move its cluster.db away and start it; if it is gone for good, clusterctl node "
		 "remove %s", *why ? "; " : "", node->name);
}

void judge_node_why(const struct view_source *source, const Wire__Node *node, char *ret_why,
		    size_t size)
{
	snprintf(ret_why, size, "%s", node->reason);
	if (node->state == WIRE__NODE__STATE__UP) {
		ret_why[0] = '\0';
		why_up(source, node, ret_why, size);
	} else if (node->state == WIRE__NODE__STATE__NEW && !node->reason[0]) {
		snprintf(ret_why, size, "its clusterd has never reported");
	} else if (node->state == WIRE__NODE__STATE__LOST) {
		why_node_lost(source, node, ret_why, size);
	}
	if (node->state != WIRE__NODE__STATE__UP &&
	    node_is_unheard(source->state, (uint32_t)node->id))
		add_way_back(node, ret_why, size);
	if (node->left_out[0] && node->state != WIRE__NODE__STATE__UP)
		snprintf(ret_why, size, "takes no part: %s", node->left_out);
}

bool judge_facts_current(const struct view_source *source, const Wire__Node *node)
{
	return node->facts && source->standing.open && judge_node_here(source, node);
}

uint64_t judge_facts_as_of(const struct view_source *source, const Wire__Node *node)
{
	if (!node->facts || judge_facts_current(source, node))
		return 0;
	return node->state == WIRE__NODE__STATE__UP ? judge_as_of(source) : node->last_up_ms;
}

/* ---------------------------------------------------------------- sizes */

static uint64_t memory_of(const Wire__NodeFacts *facts)
{
	return facts->memory_mib;
}

static uint64_t cpus_of(const Wire__NodeFacts *facts)
{
	return facts->cpus;
}

static uint64_t max_vcpus_of(const Wire__NodeFacts *facts)
{
	return facts->max_vcpus;
}

/* The most that any node has that can run VMs, up or not; 0 if one of them has not told. */
static uint64_t most(const struct state *state, uint64_t (*of)(const Wire__NodeFacts *facts))
{
	uint64_t found = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		uint64_t has = node->facts ? of(node->facts) : 0;

		if (node->witness)
			continue;
		if (!has)
			return 0;
		found = has > found ? has : found;
	}
	return found;
}

int judge_size(const struct state *state, const char *name, const Wire__Essence *essence,
	       struct buf *out)
{
	uint64_t memory_mib = most(state, memory_of), cpus = most(state, cpus_of);
	uint64_t max_vcpus = most(state, max_vcpus_of);

	if (max_vcpus && essence->vcpus > max_vcpus) {
		buf_printf(out, "%s cannot have %" PRIu32 " vCPUs: libvirt and QEMU give one guest "
			   "at most %" PRIu64 " on any node of this cluster; write fewer in <vcpu>",
			   name, essence->vcpus, max_vcpus);
		return -ENOSPC;
	}
	if (memory_mib && essence->memory_mib > memory_mib) {
		buf_printf(out, "it has %" PRIu64 " MiB of memory, and no node has more than "
			   "%" PRIu64 " MiB: it cannot start; give it less (clusterctl vm edit)",
			   essence->memory_mib, memory_mib);
		return -EDOM;
	}
	if (cpus && essence->vcpus > cpus) {
		buf_printf(out, "it has %" PRIu32 " vCPUs, and no node has more than %" PRIu64
			   " CPUs: it is slower than with fewer (clusterctl vm edit)",
			   essence->vcpus, cpus);
		return -EDOM;
	}
	return 0;
}

/* ---------------------------------------------------------------- VMs */

/* Nobody can say how a VM is while the node that has it is silent. */
static const Wire__Node *silent_owner(const struct view_source *source, const Wire__Vm *vm)
{
	const Wire__Node *owner = vm->owner ? state_node(source->state, vm->owner) : NULL;

	if (!owner || judge_node_here(source, owner))
		return NULL;
	return owner;
}

bool judge_vm_at_rest(const Wire__Vm *vm)
{
	return vm->phase == WIRE__VM__PHASE__OFF || vm->phase == WIRE__VM__PHASE__SAVED ||
	       vm->phase == WIRE__VM__PHASE__FAILED;
}

static size_t voters_here(const struct view_source *source, const Wire__Cluster *cluster)
{
	size_t n = 0;

	for (size_t i = 0; i < cluster->n_voters; i++)
		n += has_bit(source->standing.members & ~source->standing.left_out,
			     cluster->voters[i]);
	return n;
}

bool judge_knows(const struct view_source *source)
{
	const Wire__Cluster *cluster = state_cluster(source->state);

	if (source->standing.open)
		return true;
	return cluster && source->closed_ms && source->wall_ms < source->closed_ms + PASSING_MS &&
	       voters_here(source, cluster) >= cluster->n_voters / 2 + 1;
}

/* As the record has it. */
static const char *recorded_state(const Wire__Vm *vm)
{
	static const char *const words[] = {
		[WIRE__VM__PHASE__OFF] = "stopped",
		[WIRE__VM__PHASE__STARTING] = "starting",
		[WIRE__VM__PHASE__RUN] = "running",
		[WIRE__VM__PHASE__STOPPING] = "stopping",
		[WIRE__VM__PHASE__COPYING] = "migrating",
		[WIRE__VM__PHASE__GO] = "migrating",
		[WIRE__VM__PHASE__RESUMING] = "migrating",
		[WIRE__VM__PHASE__ABORTING] = "migrating",
		[WIRE__VM__PHASE__SAVING] = "saving",
		[WIRE__VM__PHASE__SAVED] = "saved",
		[WIRE__VM__PHASE__RESTORING] = "restoring",
		[WIRE__VM__PHASE__CONSUMED] = "restoring",
		[WIRE__VM__PHASE__FAILED] = "failed",
	};
	size_t phase = (size_t)vm->phase;

	if (phase >= ARRAY_SIZE(words) || !words[phase])
		return "unknown";
	if (vm->phase == WIRE__VM__PHASE__RUN && vm->seen == WIRE__VM__SEEN__SUSPENDED)
		return "paused";
	return words[phase];
}

uint64_t judge_vm_not_looked(const struct view_source *source, const Wire__Vm *vm)
{
	if (vm->phase != WIRE__VM__PHASE__OFF || !look_awaited(vm))
		return 0;
	return source->standing.open ? look_missing_now(source->state, source->sight, vm)
				     : look_missing(source->state, vm);
}

bool judge_vm_sought(const struct view_source *source, const Wire__Vm *vm)
{
	return judge_vm_not_looked(source, vm) != 0;
}

const char *judge_vm_state(const struct view_source *source, const Wire__Vm *vm)
{
	bool is_silent = !judge_vm_at_rest(vm) && silent_owner(source, vm);

	if (is_silent || judge_vm_sought(source, vm) || !judge_knows(source))
		return "unknown";
	return recorded_state(vm);
}

const char *judge_vm_last_known(const struct view_source *source, const Wire__Vm *vm)
{
	if (judge_knows(source))
		return "";
	return judge_vm_sought(source, vm) ? "unknown" : recorded_state(vm);
}

static void why_lost(const struct view_source *source, const Wire__Node *owner, char *ret_why,
		     size_t size)
{
	char fencing[JUDGE_WHY_SIZE];
	const char *cure = say_fencing(source, owner, fencing, sizeof(fencing));

	snprintf(ret_why, size, "%s is lost and %s%s%s", owner->name, fencing, cure ? "; " : "",
		 cure ? cure : "");
}

static void why_silent(const struct view_source *source, const Wire__Node *owner, char *ret_why,
		       size_t size)
{
	if (owner->state == WIRE__NODE__STATE__LOST)
		why_lost(source, owner, ret_why, size);
	else if (owner->state == WIRE__NODE__STATE__UP && source->standing.open)
		snprintf(ret_why, size, "%s is not seen by this node now; it is waited for",
			 owner->name);
	else if (owner->state == WIRE__NODE__STATE__UP)
		snprintf(ret_why, size, "no quorum, and %s is not seen by this node now; bring "
			 "voters back, until a majority is there", owner->name);
	else if (owner->state == WIRE__NODE__STATE__DAEMON_DOWN ||
		 owner->state == WIRE__NODE__STATE__LEFT)
		snprintf(ret_why, size, "%s %s: %s; as far as is known it runs on there; start "
			 "clusterd on %s", owner->name,
			 owner->state == WIRE__NODE__STATE__LEFT ? "has left" : "is daemon-down",
			 owner->reason, owner->name);
	else
		snprintf(ret_why, size, "%s is %s", owner->name, judge_node_state(source, owner));
}

/* Nodes that can look do so in a moment; one that waits for more has that said as its detail. */
static bool waits_long(const struct view_source *source, const Wire__Vm *vm)
{
	return look_is_why(vm->detail) || look_hangs(source->state, source->sight, vm);
}

void judge_vm_why(const struct view_source *source, const Wire__Vm *vm, char *ret_why, size_t size)
{
	const Wire__Node *silent = judge_vm_at_rest(vm) ? NULL : silent_owner(source, vm);
	const char *known = judge_vm_last_known(source, vm);
	const char *owner = judge_vm_at_rest(vm) ? "" : judge_name(source->state, vm->owner);
	size_t len;

	ret_why[0] = '\0';
	if (*known)
		snprintf(ret_why, size, "last known: %s%s%s; %s", known, *owner ? " on " : "",
			 owner, silent ? "" : "no quorum");
	len = strlen(ret_why);
	if (silent)
		why_silent(source, silent, ret_why + len, size - len);
	else if (source->standing.open && judge_vm_sought(source, vm) && !waits_long(source, vm))
		snprintf(ret_why, size, "the nodes are being asked whether it runs there already");
}

void judge_vm_detail(const struct view_source *source, const Wire__Vm *vm, char *ret_detail,
		     size_t size)
{
	bool on_record = look_is_why(vm->detail);

	snprintf(ret_detail, size, "%s", vm->detail);
	if (!source->standing.open)
		return;
	if (look_awaited(vm) && look_missing_now(source->state, source->sight, vm) &&
	    waits_long(source, vm))
		look_why(source->state, source->sight, vm, ret_detail, size);
	else if (on_record)
		ret_detail[0] = '\0';
}

bool judge_vm_retry(const struct view_source *source, const Wire__Vm *vm,
		    struct judge_retry *ret_retry)
{
	uint64_t of = state_setting_number(source->state, SET_RESTART_TRIES_TOTAL);
	uint64_t pause_ms = conductor_pause_ms(vm->tries), waited_ms = 0;

	if (!source->standing.open || vm->phase != WIRE__VM__PHASE__OFF || vm->unmanaged ||
	    vm->wanted == WIRE__VM__WANTED__STOPPED || vm->tries == 0 || vm->tries >= of)
		return false;
	if (source->wall_ms > vm->since_ms)
		waited_ms = source->wall_ms - vm->since_ms;
	*ret_retry = (struct judge_retry){
		.try = vm->tries + 1, .of = of,
		.in_ms = waited_ms < pause_ms ? pause_ms - waited_ms : 0,
	};
	return true;
}
