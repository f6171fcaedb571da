/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One node goes on alone (force.h): what is on record is what was so at some time before, and what
 * is so now nobody knows. Each kind of record is left as what this one log can vouch for.
 *
 * Why no VM runs twice for it. Before, a VM could be only where Vm.maybe said, and that was true as
 * long as nobody could add to it without this log. Now others can have: so maybe, which says who
 * may hold a VM *and that all others do not*, would claim what is not known, and it is emptied.
 * Nobody is let off by that. In its place the VM is looked for as one that was not the cluster's
 * (look.h), and it is started only when each node on record but witnesses, those of the old maybe
 * among them, has said since by commit, from its present daemon, that it is not there, or has been
 * proven off after that. These are the two proofs by which a node leaves maybe, asked of more
 * nodes, and later. A right that was given before does not count any more, by its generation, nor
 * does any word of a daemon from before, by its boot id; a kernel that boots anew proves nothing
 * about VMs, as nobody knows any more which one it follows. The one other way is an administrator's
 * vm accept. What the records cannot tell of is a node that was added, or was a witness and is none
 * now, after this log ended: clusterd(8) says what to do about those.
 *
 * A VM that is found is taken over as it is, and never shut down for being unwanted by records that
 * may be days old. For a VM that may be out there, no power is cut: devices are asked, not told.
 *
 * Saved memory is void, as the VM may have run since. Its file stays: others may need it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/force.h"
#include "clusterd/core/look.h"

#define PHASE(x) WIRE__VM__PHASE__##x

#define LOST_TRACK "a new cluster was forced, and what became of it is not known"

/* More than the longest window of the budget of fencing. */
enum { CLOCK_LEAP_MS = 2 * 86400 * 1000, EARLIER_MAX = 8 };

/* ------------------------------------------------------------------ nodes */

static void void_facts(Wire__Node *node, const char *why)
{
	if (!node->facts)
		return;
	node->facts->agent_ok = false;
	record_text(&node->facts->agent_reason, why);
}

/*
 * Neither its kernel nor its daemon are known: the next ones it reports with are the first. It is
 * never OFF: that was proven of a time that is over.
 */
static void void_node(struct apply *apply, const Wire__Node *record)
{
	const Wire__Force *force = apply->command->force;
	Wire__Node *node = record_copy(&record->base);
	bool self = node->id == force->node;

	node->last_up_ms = node->state == WIRE__NODE__STATE__UP ? force->last_ms
								: node->last_up_ms;
	node->state = self ? WIRE__NODE__STATE__DAEMON_DOWN : WIRE__NODE__STATE__LOST;
	node->since_ms = apply->command->time_ms;
	node->incarnation += FORCE_JUMP;
	record_text(&node->kernel_boot_id, "");
	node->boot_id = 0;
	node->disk_id = self ? force->disk_id : 0;
	node->freeze_ms = node->proven = 0;
	node->told_agent = false;
	elapsed_untie(node);
	record_text(&node->reason, self ? "its clusterd has not been started since a new cluster "
					  "was forced here"
					: "not heard of since a new cluster was forced");
	record_text(&node->held_back, "");
	record_text(&node->left_out, "");
	record_text(&node->leaving, "");
	void_facts(node, "it has not told since a new cluster was forced");
	state_put(apply->state, WIRE__TABLE__TABLE_NODE, node->id, &node->base, apply->update);
	record_free(node);
}

/* ------------------------------------------------------------------ VMs */

/* Its memory was in a file, or on the way into one or out of it. */
static bool was_saved(const Wire__Vm *vm)
{
	return vm->phase == PHASE(SAVING) || vm->phase == PHASE(SAVED) ||
	       vm->phase == PHASE(RESTORING);
}

/*
 * Given up, it is looked for and taken over where it runs, but not started: without its memory only
 * an administrator may want that.
 */
static bool is_given_up(const Wire__Vm *vm)
{
	return vm->phase == PHASE(FAILED) ||
	       (was_saved(vm) && vm->wanted != WIRE__VM__WANTED__STOPPED &&
		!vm->cold_start_on_lost_save);
}

static void void_image(struct apply *apply, Wire__Vm *vm, bool given_up)
{
	if (!vm->image[0])
		return;
	if (given_up)
		record_textf(&vm->detail, "its saved memory may be older than its disks since a "
			     "new cluster was forced, and is not used: clusterctl vm start %s "
			     "starts it without", vm->name);
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
		       "its saved memory in %s is not used any more, and may be older than its "
		       "disks: remove the file by hand when no node of the cluster before needs it",
		       vm->image);
	record_text(&vm->image, "");
}

static void void_vm(struct apply *apply, const Wire__Vm *record)
{
	Wire__Vm *vm = record_copy(&record->base);
	bool given_up = is_given_up(vm);

	apply_vm_op_end(apply, vm, WIRE__OPERATION__OUTCOME__FAILED,
			LOST_TRACK);
	if (vm->phase != PHASE(FAILED))
		record_text(&vm->detail, "");
	void_image(apply, vm, given_up);
	if (vm->owner && !was_saved(vm))
		vm->last_node = vm->owner;
	vm->owner = vm->from = vm->to = 0;
	while (vm->n_maybe)
		vm_release(vm, vm->maybe[0]->node);
	vm->generation += FORCE_JUMP;
	vm->phase = given_up ? PHASE(FAILED) : PHASE(OFF);
	vm->since_ms = apply->command->time_ms;
	vm->force = vm->cancel = vm->unpause = false;
	vm->action = WIRE__VM__ACTION__NO_ACTION;
	vm->action_op = 0;
	vm->tries = 0;
	vm->tried_nodes = 0;
	vm->seen = WIRE__VM__SEEN__NOTHING;
	record_text(&vm->seen_reason, "");
	look_begin(vm, apply->index);
	apply_vm_close(apply, vm);
}

void apply_force_found(struct apply *apply, Wire__Vm *vm)
{
	const Wire__Forced *forced = state_cluster(apply->state)->forced;
	bool paused = apply->command->vm_report->pause_reason[0] != '\0';
	Wire__Vm__Wanted wanted = paused ? WIRE__VM__WANTED__PAUSED : WIRE__VM__WANTED__RUNNING;

	/* Somebody has asked for something since, and that holds. */
	if (!forced || vm->look != forced->index)
		return;
	if (vm->wanted == wanted || (paused && vm->wanted != WIRE__VM__WANTED__STOPPED))
		return;
	vm->wanted = wanted;
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__WARNING, vm,
		       "is left as it was found, %s: what was wanted of it before a new cluster "
		       "was forced may be out of date", paused ? "paused" : "running");
}

/* ------------------------------------------------------------------ the rest */

/* Those of VMs have been ended with them. */
static void void_operations(struct apply *apply)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_OPERATION); i++) {
		const Wire__Operation *op = state_at(apply->state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->outcome == WIRE__OPERATION__OUTCOME__RUNNING)
			apply_op_end(apply, op->id, WIRE__OPERATION__OUTCOME__FAILED,
				     LOST_TRACK);
	}
}

/* That a device switches another machine stays known: it must be tested to be believed. */
static void void_fence(struct apply *apply, const Wire__Fence *record)
{
	Wire__Fence *fence = record_copy(&record->base);

	fence->tested_ms = 0;
	fence->test_node = 0;
	record_text(&fence->test_result, "");
	for (size_t i = 0; i < fence->n_targets; i++) {
		Wire__FenceTarget *target = fence->targets[i];

		target->n_told = 0;
		target->told_asked = false;
		target->tested_ms = target->failed_ms = 0;
	}
	state_put(apply->state, WIRE__TABLE__TABLE_FENCE, fence->id, &fence->base, apply->update);
	record_free(fence);
}

/* No record named these files when the log ended: they stay leftovers, but are looked for anew. */
static void void_volume(struct apply *apply, const Wire__Volume *record)
{
	Wire__Volume *volume = record_copy(&record->base);

	for (size_t i = 0; i < volume->n_leftovers; i++)
		volume->leftovers[i]->absent = volume->leftovers[i]->failed = 0;
	state_put(apply->state, WIRE__TABLE__TABLE_VOLUME, volume->id, &volume->base,
		  apply->update);
	record_free(volume);
}

static uint64_t other_nodes(struct apply *apply)
{
	uint64_t nodes = 0;

	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(apply->state, WIRE__TABLE__TABLE_NODE, i);

		nodes |= vmop_bit((uint32_t)node->id);
	}
	return nodes & ~vmop_bit(apply->command->force->node);
}

/* Nodes of any of them may still come back: what this one was forced from, and those before. */
static size_t list_earlier(const Wire__Forced *forced, char *ret_earlier[EARLIER_MAX])
{
	size_t n = 0, skip;

	if (!forced)
		return 0;
	skip = forced->n_earlier == EARLIER_MAX;
	for (size_t i = skip; i < forced->n_earlier; i++)
		ret_earlier[n++] = forced->earlier[i];
	ret_earlier[n++] = forced->before;
	return n;
}

/* The budget of fencing begins anew: the clock goes on where no power-off of before counts. */
static void begin_cluster(struct apply *apply)
{
	const Wire__Force *force = apply->command->force;
	Wire__Cluster *cluster = record_copy(&state_cluster(apply->state)->base);
	Wire__Forced forced = WIRE__FORCED__INIT;
	char *earlier[EARLIER_MAX];

	forced.index = apply->index;
	forced.last = state_index(apply->state);
	forced.last_ms = force->last_ms;
	forced.time_ms = apply->command->time_ms;
	forced.who = apply->command->who;
	forced.before = force->before;
	forced.earlier = earlier;
	forced.n_earlier = list_earlier(cluster->forced, earlier);
	forced.restore = force->restore;
	forced.node = force->node;
	forced.unheard = other_nodes(apply);
	record_message((ProtobufCMessage **)&cluster->forced, &forced.base);
	record_text(&cluster->uuid, force->cluster);
	cluster->voters_index = apply->index;
	record_nodes(&cluster->n_voters, &cluster->voters, &force->node, 1);
	free(cluster->voter_disks);
	cluster->voter_disks = mem_dup(&force->disk_id, sizeof(force->disk_id));
	cluster->n_voter_disks = 1;
	cluster->clock_ms += CLOCK_LEAP_MS;
	state_put(apply->state, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster->base, apply->update);
	record_free(cluster);
}

static void tell(struct apply *apply)
{
	const Wire__Force *force = apply->command->force;

	apply_event(apply, WIRE__EVENT__SEVERITY__ERROR, 0, "cluster",
		    "a new cluster was forced on %s by %s%s: it goes on from entry %" PRIu64
		    " as %s, and was %s; what other nodes did since is not known here, so VMs "
		    "are started when each node has looked for them or is proven off",
		    node_name(apply->state, force->node), apply->command->who,
		    force->restore ? ", from a backup" : "", state_index(apply->state),
		    force->cluster, force->before);
}

/*
 * A log has no gaps. So this is none that a leader could bring into it, but the one that was
 * written into a store while nobody used it.
 */
static bool leaps(const struct apply *apply)
{
	return apply->index >= state_index(apply->state) + FORCE_JUMP;
}

static bool fits(const struct apply *apply)
{
	const Wire__Force *force = apply->command->force;
	const Wire__Cluster *cluster = state_cluster(apply->state);

	return leaps(apply) && force->disk_id && force->cluster[0] &&
	       state_node(apply->state, force->node) &&
	       strcmp(force->before, cluster->uuid) == 0 &&
	       strcmp(force->cluster, cluster->uuid) != 0;
}

void apply_force(struct apply *apply)
{
	if (!fits(apply)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "a cluster cannot be forced by a command in its log");
		return;
	}
	begin_cluster(apply);
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_VM); i++)
		void_vm(apply, state_at(apply->state, WIRE__TABLE__TABLE_VM, i));
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_NODE); i++)
		void_node(apply, state_at(apply->state, WIRE__TABLE__TABLE_NODE, i));
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_FENCE); i++)
		void_fence(apply, state_at(apply->state, WIRE__TABLE__TABLE_FENCE, i));
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_VOLUME); i++)
		void_volume(apply, state_at(apply->state, WIRE__TABLE__TABLE_VOLUME, i));
	void_operations(apply);
	tell(apply);
}

void apply_force_heard(struct apply *apply, uint32_t node)
{
	const Wire__Cluster *record = state_cluster(apply->state);
	Wire__Cluster *cluster;

	if (!record->forced || !(record->forced->unheard & vmop_bit(node)))
		return;
	cluster = record_copy(&record->base);
	cluster->forced->unheard &= ~vmop_bit(node);
	if (!cluster->forced->unheard)
		apply_event(apply, WIRE__EVENT__SEVERITY__INFO, 0, "cluster",
			    "all nodes have joined the cluster that was forced, or were removed");
	state_put(apply->state, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster->base, apply->update);
	record_free(cluster);
}
