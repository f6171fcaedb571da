/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands about the cluster's nodes do to the state. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/elapsed.h"
#include "clusterd/core/feature.h"
#include "wire/check.h"

static Wire__Node *node_open(struct apply *apply, uint32_t node)
{
	Wire__Node *record = state_open(apply->state, WIRE__TABLE__TABLE_NODE, node);

	if (record)
		return record;
	apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH, "node %u is not of this cluster", node);
	return NULL;
}

static void node_close(struct apply *apply, Wire__Node *node)
{
	state_put(apply->state, WIRE__TABLE__TABLE_NODE, node->id, &node->base, apply->update);
	record_free(node);
}

static void node_move(struct apply *apply, Wire__Node *node, Wire__Node__State next,
		      const char *reason)
{
	if (next == WIRE__NODE__STATE__UP)
		node->last_up_ms = 0;
	else if (node->state == WIRE__NODE__STATE__UP)
		node->last_up_ms = apply->command->time_ms;
	node->state = next;
	node->since_ms = apply->command->time_ms;
	record_text(&node->reason, reason);
	record_text(&node->held_back, "");
	record_text(&node->left_out, "");
	if (next != WIRE__NODE__STATE__UP) {
		apply_looks_forget(apply, (uint32_t)node->id);
		elapsed_untie(node);
	}
	/* It was heard of again: nobody is to cut its power any more. */
	if (next != WIRE__NODE__STATE__LOST)
		apply_fencing_over(apply, (uint32_t)node->id);
}

static bool voters_fit(const Wire__Cluster *cluster)
{
	for (size_t i = 0; i < cluster->n_voters; i++)
		if (cluster->voters[i] == 0 || cluster->voters[i] > 64 ||
		    (i > 0 && cluster->voters[i] <= cluster->voters[i - 1]))
			return false;
	return cluster->n_voters > 0;
}

void apply_genesis(struct apply *apply)
{
	const Wire__Genesis *genesis = apply->command->genesis;

	if (state_cluster(apply->state)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__EXISTS, "the cluster has begun already");
		return;
	}
	if (!genesis->cluster || genesis->cluster->id != 1 || !voters_fit(genesis->cluster)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "genesis without voters, or with some that cannot be");
		return;
	}
	state_put(apply->state, WIRE__TABLE__TABLE_CLUSTER, 1, &genesis->cluster->base,
		  apply->update);
	for (size_t i = 0; i < genesis->n_nodes; i++)
		if (genesis->nodes[i]->id >= 1 && genesis->nodes[i]->id <= 64)
			state_put(apply->state, WIRE__TABLE__TABLE_NODE, genesis->nodes[i]->id,
				  &genesis->nodes[i]->base, apply->update);
	apply_event(apply, WIRE__EVENT__SEVERITY__INFO, 0, "cluster", "cluster %s begins",
		    genesis->cluster->name);
}

/*
 * A kernel that booted anew has none of the QEMU processes of the one before: the report
 * itself is the proof that the incarnation before it is dead.
 */
static void new_kernel(struct apply *apply, Wire__Node *node)
{
	uint32_t id = (uint32_t)node->id;
	bool first = node->kernel_boot_id[0] == '\0';

	node->incarnation++;
	elapsed_untie(node);
	if (!first)
		apply_node_gone(apply, id, "restarted");
	/* What it told before it went down says nothing about what it has now. */
	if (node->facts) {
		node->facts->agent_ok = false;
		record_text(&node->facts->agent_reason, "it has just booted");
	}
}

/*
 * Another daemon than the one whose reports counted speaks for the node. Where the kernel is the
 * same, the one before ended; that it would, it has said, or else something went wrong there.
 */
static void new_daemon(struct apply *apply, Wire__Node *node, bool same_kernel)
{
	apply_looks_forget(apply, (uint32_t)node->id);
	if (same_kernel && node->boot_id && !node->freeze_ms)
		apply_event_node(apply, WIRE__EVENT__SEVERITY__WARNING, (uint32_t)node->id,
				 "its clusterd was restarted: it had ended without taking leave, "
				 "so it crashed, was killed, or nobody could hear it; its log "
				 "says which");
	node->freeze_ms = 0;
}

/* known: this daemon has told facts before, so that what is another now has changed. */
static void take_facts(struct apply *apply, Wire__Node *node, const Wire__NodeFacts *facts,
		       bool known)
{
	bool was_ok = node->facts && node->facts->agent_ok;

	if (known && was_ok && !facts->agent_ok) {
		node->told_agent = true;
		apply_event_node(apply, WIRE__EVENT__SEVERITY__WARNING, (uint32_t)node->id,
				 "its libvirt does not answer: %s; its VMs run on, but nothing can "
				 "be done to them", facts->agent_reason);
	} else if (facts->agent_ok && node->told_agent) {
		node->told_agent = false;
		apply_event_node(apply, WIRE__EVENT__SEVERITY__INFO, (uint32_t)node->id,
				 "its libvirt answers again");
	}
	record_message((ProtobufCMessage **)&node->facts, &facts->base);
}

/* Another node had the id, and was removed: nothing on that disk is this one's. */
static bool gone_disk(struct apply *apply, Wire__Node *node, uint64_t disk)
{
	const Wire__NodeGone *gone = state_node_gone(apply->state, (uint32_t)node->id, disk);

	if (!gone)
		return false;
	apply_refuse(apply, WIRE__VERDICT__CODE__DENIED,
		     "it came with the store of %s, which was removed: stop clusterd there, move "
		     "the store away and start it again", gone->name);
	if (strcmp(node->reason, apply->text) != 0) {
		record_text(&node->reason, apply->text);
		apply_event_node(apply, WIRE__EVENT__SEVERITY__ERROR, (uint32_t)node->id, "%s",
				 apply->text);
		node_close(apply, node);
	} else {
		record_free(node);
	}
	return true;
}

void apply_node_report(struct apply *apply)
{
	const Wire__NodeReport *report = apply->command->node_report;
	Wire__Node *node = node_open(apply, apply->command->node);
	bool was_up, same_kernel, same_daemon;

	if (!node)
		return;
	if (apply->command->boot_id == 0 || !report->kernel_boot_id[0]) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "a report without a boot id");
		record_free(node);
		return;
	}
	if (gone_disk(apply, node, report->disk_id))
		return;
	was_up = node->state == WIRE__NODE__STATE__UP;
	same_kernel = strcmp(node->kernel_boot_id, report->kernel_boot_id) == 0;
	if (!same_kernel)
		new_kernel(apply, node);
	else if (!node->boot_id) /* as a proof of its death left it, whatever was seen since */
		apply_fence_lied(apply, node);
	same_daemon = node->boot_id == apply->command->boot_id;
	if (!same_daemon)
		new_daemon(apply, node, same_kernel);
	if (!node->clock_up_ms)
		elapsed_tie(apply->state, node, apply->command->up_ms);
	record_text(&node->kernel_boot_id, report->kernel_boot_id);
	node->boot_id = apply->command->boot_id;
	apply_voter_joins(apply, (uint32_t)node->id, report->disk_id);
	apply_force_heard(apply, (uint32_t)node->id);
	node->disk_id = report->disk_id;
	node->feature_max = report->feature_max ? report->feature_max : FEATURE_FIRST;
	if (report->facts)
		take_facts(apply, node, report->facts, was_up && same_daemon);
	if (!was_up) {
		node_move(apply, node, WIRE__NODE__STATE__UP, "");
		apply_fences_forget(apply, (uint32_t)node->id);
		apply_event_node(apply, WIRE__EVENT__SEVERITY__INFO, (uint32_t)node->id, "is up");
	}
	node_close(apply, node);
}

/* Nothing about the node has changed but why it is left as it is. */
static bool hold_back(struct apply *apply, Wire__Node *node)
{
	const Wire__NodeVerdict *verdict = apply->command->node_verdict;

	if (node->state != WIRE__NODE__STATE__LOST || verdict->state != node->state ||
	    node->incarnation != verdict->incarnation || !verdict->held_back[0] ||
	    strcmp(node->held_back, verdict->held_back) == 0)
		return false;
	record_text(&node->held_back, verdict->held_back);
	apply_event_node(apply, WIRE__EVENT__SEVERITY__ERROR, verdict->node, "%s",
			 verdict->held_back);
	return true;
}

/* Its daemon runs but its version keeps it out, or does so no more. */
static bool leave_out(struct apply *apply, Wire__Node *node)
{
	const Wire__NodeVerdict *verdict = apply->command->node_verdict;

	if (node->state == WIRE__NODE__STATE__UP || verdict->state != node->state ||
	    node->incarnation != verdict->incarnation ||
	    strcmp(node->left_out, verdict->left_out) == 0)
		return false;
	record_text(&node->left_out, verdict->left_out);
	if (*verdict->left_out)
		apply_event_node(apply, WIRE__EVENT__SEVERITY__WARNING, verdict->node,
				 "takes no part, guests run on, nothing is fenced: %s",
				 verdict->left_out);
	return true;
}

/* May the conductor say so? What is off can only be found to be on again. */
static bool may_become(const Wire__Node *node, Wire__Node__State next)
{
	if (node->state == next)
		return false;
	return next == WIRE__NODE__STATE__DAEMON_DOWN ||
	       (next == WIRE__NODE__STATE__LOST && node->state != WIRE__NODE__STATE__OFF);
}

/* The conductor about a node that does not speak: it may only take trust away. */
void apply_node_verdict(struct apply *apply)
{
	const Wire__NodeVerdict *verdict = apply->command->node_verdict;
	Wire__Node *node = node_open(apply, verdict->node);

	if (!node)
		return;
	if (hold_back(apply, node) || leave_out(apply, node)) {
		node_close(apply, node);
		return;
	}
	if (node->incarnation != verdict->incarnation || !may_become(node, verdict->state)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "the node has moved on");
		record_free(node);
		return;
	}
	node_move(apply, node, verdict->state, verdict->reason);
	apply_event_node(apply,
			 verdict->state == WIRE__NODE__STATE__LOST ? WIRE__EVENT__SEVERITY__ERROR
								   : WIRE__EVENT__SEVERITY__WARNING,
			 verdict->node, "%s: %s",
			 verdict->state == WIRE__NODE__STATE__LOST
				 ? "lost"
				 : "its clusterd is down, guests run on, nothing is fenced",
			 verdict->reason);
	node_close(apply, node);
}

void apply_node_freeze(struct apply *apply)
{
	Wire__Node *node = node_open(apply, apply->command->node);
	char text[TEXT_QUANTITY_SIZE];

	if (!node)
		return;
	if (node->boot_id != apply->command->boot_id) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "from an older daemon");
		record_free(node);
		return;
	}
	node->freeze_ms = apply->command->node_freeze->freeze_ms;
	node_move(apply, node, WIRE__NODE__STATE__LEFT, "its clusterd was stopped");
	apply_event_node(apply, WIRE__EVENT__SEVERITY__INFO, (uint32_t)node->id,
			 "leaves cleanly; its guests run on and it is not suspected for %s",
			 text_format_ms(text, node->freeze_ms));
	node_close(apply, node);
}

bool apply_address_ok(struct apply *apply, uint32_t id, const char *value)
{
	const char *flaw;

	if (!text_valid_address(value)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "'%s' is no address: give a host name or an IP address", value);
		return false;
	}
	flaw = text_address_flaw(value);
	if (flaw) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
			     "'%s' is %s: give one by which the other nodes reach this one", value,
			     flaw);
		return false;
	}
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(apply->state, WIRE__TABLE__TABLE_NODE, i);

		if (node->id == id || !text_same_address(node->address, value))
			continue;
		apply_refuse(apply, WIRE__VERDICT__CODE__EXISTS,
			     "%s has the address %s: each node needs its own", node->name,
			     node->address);
		return false;
	}
	return true;
}

/* Whoever takes VMs is not about to go; a removal that waits is called off. */
static bool set_placement(struct apply *apply, Wire__Node *node, const char *value)
{
	static const char *const words[] = { "yes", "no" };

	node->drained = strcmp(value, "no") == 0;
	if (!node->drained && strcmp(value, "yes") != 0) {
		apply_refuse_word(apply, "placement", value, words, ARRAY_SIZE(words));
		return false;
	}
	if (!node->drained)
		record_text(&node->leaving, "");
	return true;
}

static bool set_vote(struct apply *apply, Wire__Node *node, const char *value)
{
	static const char *const words[] = { "yes", "no" };

	node->no_vote = strcmp(value, "no") == 0;
	if (node->no_vote || strcmp(value, "yes") == 0)
		return true;
	apply_refuse_word(apply, "vote", value, words, ARRAY_SIZE(words));
	return false;
}

static bool set_witness(struct apply *apply, Wire__Node *node, const char *value)
{
	static const char *const words[] = { "yes", "no" };
	bool yes = strcmp(value, "yes") == 0;
	char why[WIRE_TEXT_MAX];

	if (!yes && strcmp(value, "no") != 0) {
		apply_refuse_word(apply, "witness", value, words, ARRAY_SIZE(words));
		return false;
	}
	if (yes && !node->witness &&
	    !apply_node_unbound(apply, node, "cannot become a witness, which runs no VMs", why,
				sizeof(why))) {
		apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE, "%s", why);
		return false;
	}
	node->witness = yes;
	return true;
}

static bool set_address(struct apply *apply, Wire__Node *node, const char *value)
{
	if (!apply_address_ok(apply, (uint32_t)node->id, value))
		return false;
	record_text(&node->address, value);
	return true;
}

static bool node_change(struct apply *apply, Wire__Node *node, const Wire__Param *change)
{
	if (strcmp(change->key, "address") == 0)
		return set_address(apply, node, change->value);
	if (strcmp(change->key, "placement") == 0)
		return set_placement(apply, node, change->value);
	if (strcmp(change->key, "vote") == 0)
		return set_vote(apply, node, change->value);
	if (strcmp(change->key, "witness") == 0)
		return set_witness(apply, node, change->value);
	if (strcmp(change->key, "domain") == 0) {
		record_text(&node->failure_domain, change->value);
		return true;
	}
	apply_refuse(apply, WIRE__VERDICT__CODE__INVALID,
		     "a node has no %s=%s; there are address=ADDR, domain=NAME, "
		     "placement=yes|no (no: takes no VMs), witness=yes|no (yes: never does) and "
		     "vote=yes|no (no: never votes)",
		     change->key, change->value);
	return false;
}

void apply_node_set(struct apply *apply)
{
	const Wire__NodeSet *set = apply->command->node_set;
	const Wire__Node *record = state_node_named(apply->state, set->name);
	Wire__Node *node;
	bool was_leaving;

	if (!record) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
			     "there is no node '%s'; clusterctl node list shows all", set->name);
		return;
	}
	node = record_copy(&record->base);
	was_leaving = node->leaving[0] != '\0';
	for (size_t i = 0; i < set->n_changes; i++)
		if (!node_change(apply, node, set->changes[i])) {
			record_free(node);
			return;
		}
	apply->id = node->id;
	for (size_t i = 0; i < set->n_changes; i++)
		apply_event_node(apply, WIRE__EVENT__SEVERITY__INFO, (uint32_t)node->id,
				 "%s=%s, by %s", set->changes[i]->key, set->changes[i]->value,
				 apply->command->who);
	if (was_leaving && !node->leaving[0])
		apply_event_node(apply, WIRE__EVENT__SEVERITY__INFO, (uint32_t)node->id,
				 "is not removed: that was called off by %s", apply->command->who);
	node_close(apply, node);
}
