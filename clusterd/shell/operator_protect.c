/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/operator_protect.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/place.h"
#include "clusterd/core/record.h"
#include "domain/path.h"

/* Nobody wants it started elsewhere. */
static const char *not_meant(const Wire__Vm *vm)
{
	bool is_off = vm->phase == WIRE__VM__PHASE__OFF || vm->phase == WIRE__VM__PHASE__FAILED;

	if (vm->unmanaged)
		return "managed=no";
	if (vm->no_ha)
		return "ha=no: bound to its node";
	return vm->wanted == WIRE__VM__WANTED__STOPPED && is_off ? "off, as it is wanted" : NULL;
}

/* What is in its own way: its node's death would not be followed by a start. */
static const char *not_running(const struct view_source *source, const Wire__Vm *vm)
{
	if (vm->wanted == WIRE__VM__WANTED__STOPPED)
		return "not wanted running";
	if (vm->phase == WIRE__VM__PHASE__FAILED)
		return "it does not run: given up";
	if (vm->phase == WIRE__VM__PHASE__SAVED)
		return "it does not run: saved";
	if (judge_vm_sought(source, vm))
		return "whether it runs is not known";
	if (vm->phase == WIRE__VM__PHASE__OFF || !state_node(source->state, vm->owner))
		return "it does not run";
	return source->standing.open ? NULL : "no quorum";
}

/* What is in the way of a proof through this device. */
static void say_device(const struct state *state, const Wire__Fence *fence, uint32_t node,
		       bool has_failed, char *ret_why, size_t size)
{
	bool has_others = fence->n_targets > 1;

	snprintf(ret_why, size, "no proof possible for %s: %s fence device %s %s (clusterctl fence "
		 "test %s%s%s)", node_name(state, node), has_failed ? "the last test of" : "its",
		 fence->name, has_failed ? "failed" : "was never tested", fence->name,
		 has_others ? " " : "", has_others ? node_name(state, node) : "");
}

/* One of the devices for the node was good in its last test; an untested one proves nothing. */
static bool has_device(const struct state *state, uint32_t node, char *ret_why, size_t size)
{
	const Wire__Fence *failed = NULL, *untested = NULL;

	if (node_proving_device(state, node))
		return true;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *fence = state_at(state, WIRE__TABLE__TABLE_FENCE, i);

		for (size_t t = 0; t < fence->n_targets; t++) {
			const Wire__FenceTarget *target = fence->targets[t];

			if (target->node != node)
				continue;
			if (target->failed_ms || target->wrong_ms)
				failed = failed ? failed : fence;
			else
				untested = untested ? untested : fence;
		}
	}
	if (failed || untested)
		say_device(state, failed ? failed : untested, node, failed, ret_why, size);
	else
		snprintf(ret_why, size, "no proof possible for %s: no fence device",
			 node_name(state, node));
	return false;
}

static void say_budget(const struct fence_budget *budget, char *ret, size_t size)
{
	char used[150];

	fence_budget_say(budget, used, sizeof(used));
	snprintf(ret, size, "%s: no lost node is powered off", used);
}

/* Can the death of its node be proven, now and if it came now? */
static bool death_is_provable(const struct view_source *source, const Wire__Node *owner,
			      char *ret_why, size_t size)
{
	struct fence_budget budget = fence_budget(source->state, source->standing.clock_ms);

	if (owner->state == WIRE__NODE__STATE__LEFT)
		snprintf(ret_why, size, "%s has left: nobody would notice its death soon",
			 owner->name);
	else if (owner->state != WIRE__NODE__STATE__DAEMON_DOWN && !judge_node_here(source, owner))
		snprintf(ret_why, size, "%s is %s and not proven off", owner->name,
			 judge_node_state(source, owner));
	else if (!fence_budget_left(&budget))
		say_budget(&budget, ret_why, size);
	else
		return has_device(source->state, (uint32_t)owner->id, ret_why, size);
	return false;
}

static size_t voters_present(const struct view_source *source, uint64_t among)
{
	const Wire__Cluster *cluster = state_cluster(source->state);
	size_t n = 0;

	for (size_t i = 0; i < cluster->n_voters; i++)
		n += (source->standing.members & among & vmop_bit(cluster->voters[i])) != 0;
	return n;
}

/* Of two that are in an open epoch together, either may go on alone once the other is off. */
static size_t voters_needed(const struct view_source *source)
{
	size_t n = state_cluster(source->state)->n_voters;
	bool both = n == 2 && source->standing.open && voters_present(source, UINT64_MAX) == 2;

	return both || source->standing.alone ? 1 : n / 2 + 1;
}

/*
 * Would those who are left still decide, and act? Why not is the same for the VMs of all nodes
 * whose loss is too much, so that it is one cause.
 */
static bool others_can_act(const struct view_source *source, const Wire__Node *owner,
			   char *ret_why, size_t size)
{
	const Wire__Cluster *cluster = state_cluster(source->state);
	uint64_t others = ~vmop_bit((uint32_t)owner->id);
	struct view_source after = *source;

	if (source->standing.disputed) {
		snprintf(ret_why, size, "the nodes' copies of the state differ, so nothing would "
			 "be done about it");
		return false;
	}
	if (cluster && voters_present(source, others) < voters_needed(source)) {
		snprintf(ret_why, size,
			 "no further node may fail: %zu of %zu voters up, %zu needed",
			 voters_present(source, UINT64_MAX), cluster->n_voters,
			 voters_needed(source));
		return false;
	}
	after.standing.ring &= others;
	if (half_is_lost(after.state, after.standing.ring)) {
		snprintf(ret_why, size, "no further node may fail: half of the cluster would be "
			 "lost, and nothing fenced");
		return false;
	}
	return true;
}

/* Nodes that vote, or would if there were enough of them. */
static size_t count_able(const struct state *state)
{
	size_t n = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		n += !node->no_vote && !node->leaving[0];
	}
	return n;
}

/* Could the death of one of them not be proven? Why not. */
static bool is_unprovable(const struct state *state, char *ret_why, size_t size)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		if (!node->no_vote && !node->leaving[0] &&
		    !has_device(state, (uint32_t)node->id, ret_why, size))
			return true;
	}
	return false;
}

void protect_voters(const struct view_source *source, char *ret_why, size_t size)
{
	const struct state *state = source->state;
	const Wire__Cluster *cluster = state_cluster(state);
	char why[JUDGE_WHY_SIZE] = "";
	size_t able = count_able(state), voters = cluster ? cluster->n_voters : 0;
	bool unheard = cluster && cluster->forced && cluster->forced->unheard;

	ret_why[0] = '\0';
	if (!source->standing.open || unheard || voters == 0 || voters > 2 || able > 2 ||
	    state_count(state, WIRE__TABLE__TABLE_NODE) < 2)
		return;
	if (able < 2)
		snprintf(ret_why, size, "only %s votes, so nothing is decided without it: let "
			 "another node vote, too (clusterctl node set NODE vote=yes), or add one "
			 "(clusterctl node add)", node_name(state, cluster->voters[0]));
	else if (!is_unprovable(state, why, sizeof(why)))
		return;
	else if (voters == 1)
		snprintf(ret_why, size, "only %s goes on when the other node dies, as it alone "
			 "votes: the other one stands still without it (%s): give each a fence "
			 "device whose test goes well (clusterctl fence add), or add a third node "
			 "that votes (clusterctl node add)", node_name(state, cluster->voters[0]),
			 why);
	else
		snprintf(ret_why, size, "neither of the two nodes goes on alone when the other "
			 "dies (%s): give each a fence device whose test goes well (clusterctl "
			 "fence add), or add a third node that votes (clusterctl node add)", why);
}

/* ---------------------------------------------------------------- disks */

static bool is_kind(const Wire__Disk *disk, const char *kind)
{
	return strcmp(disk->kind, kind) == 0;
}

static bool on_volume(const struct state *state, const char *path)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VOLUME); i++) {
		const Wire__Volume *volume = state_at(state, WIRE__TABLE__TABLE_VOLUME, i);
		const char *target = volume->target;

		if (domain_path_on_volume(path, &target, 1, NULL))
			return true;
	}
	return false;
}

/* A file that no volume vouches for: as far as is known it is only where it was made. */
static bool is_stray(const struct state *state, const Wire__Disk *disk)
{
	return disk->source[0] && (is_kind(disk, "file") || is_kind(disk, "dir")) &&
	       !on_volume(state, disk->source);
}

/* Whether another node has the same device under that name nothing tells. */
static bool is_device(const struct state *state, const Wire__Disk *disk)
{
	return disk->source[0] && is_kind(disk, "block") && !on_volume(state, disk->source);
}

/* What the page cache of one node has, another one does not see. */
static bool is_cached(const struct state *state, const Wire__Disk *disk)
{
	return disk->source[0] && !disk->readonly && !is_kind(disk, "network") &&
	       strcmp(disk->cache, "none") != 0 && strcmp(disk->cache, "directsync") != 0;
}

/* With a read-only one it would not start either. */
static bool has_all_disks(const struct view_source *source, const Wire__Vm *vm, char *ret_why,
			  size_t size)
{
	for (size_t i = 0; vm->essence && i < vm->essence->n_disks; i++) {
		if (!is_stray(source->state, vm->essence->disks[i]))
			continue;
		snprintf(ret_why, size, "its disk %s lies on no volume, so other nodes may not "
			 "have it", vm->essence->disks[i]->target);
		return false;
	}
	return true;
}

/* A record is not to be filled with what stands in it already. */
enum { DISKS_NAMED = 3 };

static const struct advice {
	bool (*is_about)(const struct state *state, const Wire__Disk *disk);
	const char *of_one, *of_many, *what_to_do;
} advices[PROTECT_ADVICES] = {
	{ is_stray, "lies on no volume of the cluster", "lie on no volume of the cluster",
	  "other nodes may not have it, and the VM cannot run there then; keep its disks on a "
	  "volume (clusterctl volume list), or add what all nodes share (clusterctl volume add)" },
	{ is_device, "is a device of its node", "are devices of its node",
	  "make sure that every node has the same one under that name" },
	{ is_cached, "has another cache mode than 'none'", "have another cache mode than 'none'",
	  "live migration is not safe then; write cache='none' in its <driver> (clusterctl vm "
	  "edit)" },
};

bool protect_advise(const struct state *state, const Wire__Vm *vm, size_t which, struct buf *out)
{
	const struct advice *advice = &advices[which];
	_cleanup_(buf_free) struct buf names = { 0 };
	size_t n = 0;

	/* One that is bound to its node need not be anywhere else. */
	for (size_t i = 0; vm->essence && !vm->no_ha && i < vm->essence->n_disks; i++) {
		const Wire__Disk *disk = vm->essence->disks[i];

		if (!advice->is_about(state, disk))
			continue;
		if (n++ < DISKS_NAMED)
			buf_printf(&names, "%s%s (%s)", n > 1 ? ", " : "", disk->target,
				   disk->source);
	}
	if (n > DISKS_NAMED)
		buf_printf(&names, " and %zu more", n - DISKS_NAMED);
	if (n)
		buf_printf(out, "disk%s %s %s: %s", n == 1 ? "" : "s", buf_str(&names),
			   n == 1 ? advice->of_one : advice->of_many, advice->what_to_do);
	return n;
}

/* ---------------------------------------------------------------- all of it */

/* A node that would take it, but for want of room. */
static bool has_refuge(const struct view_source *source, const Wire__Vm *vm, char *ret_why,
		       size_t size)
{
	const struct state *state = source->state;
	size_t allowed = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);
		const char *blocked;
		char room[JUDGE_WHY_SIZE];

		if (node->id == vm->owner || node->witness ||
		    !vm_allows_node(vm, (uint32_t)node->id))
			continue;
		blocked = place_blocked(state, source->standing.ready, vm, node, room,
					sizeof(room));
		if (!blocked) {
			ret_why[0] = '\0';
			return true;
		}
		if (allowed++ == 0)
			snprintf(ret_why, size, "no other node could take it: %s %s", node->name,
				 blocked);
	}
	if (allowed == 0)
		snprintf(ret_why, size, "only one node may run it");
	else if (allowed > 1)
		snprintf(ret_why + strlen(ret_why), size - strlen(ret_why), ", …");
	return false;
}

enum protection protect_judge(const struct view_source *source, const Wire__Vm *vm,
			      char *ret_why, size_t size)
{
	const Wire__Node *owner = vm->owner ? state_node(source->state, vm->owner) : NULL;
	const char *meant = not_meant(vm), *why = meant ? meant : not_running(source, vm);

	snprintf(ret_why, size, "%s", why ? why : "");
	if (meant)
		return PROTECTION_NOT_MEANT;
	if (why || !death_is_provable(source, owner, ret_why, size) ||
	    !others_can_act(source, owner, ret_why, size) ||
	    !has_all_disks(source, vm, ret_why, size) ||
	    !has_refuge(source, vm, ret_why, size))
		return NOT_PROTECTED;
	return PROTECTED;
}
