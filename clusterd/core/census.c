/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/census.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/record.h"
#include "clusterd/core/state.h"

enum { TELL_AGAIN_MS = 1000, NODE_MAX = 64 };
enum { CHECK_MS = 60000, CHECK_DISPUTED_MS = 5000, CHECK_ENTRIES = 1000 };

void census_note(struct census *census, uint64_t index, uint64_t digest, bool anew)
{
	if (anew)
		memset(census->own, 0, sizeof(census->own));
	census->own[index % CENSUS_KEPT] = digest;
}

/* A digest, and of what came before it. */
static bool check_fits(const Wire__Command *command, uint64_t index)
{
	const Wire__CheckDigest *check = command->check;

	return command->node >= 1 && command->node <= NODE_MAX && check->index > 0 &&
	       check->index < index && check->digest != 0;
}

void census_hear(struct census *census, const Wire__Command *command, uint64_t index,
		 uint64_t epoch)
{
	const Wire__CheckDigest *check = command->check;

	if (!check_fits(command, index) || check->index < census->index)
		return;
	if (check->index > census->index) {
		census->index = check->index;
		census->index_epoch = epoch;
		census->told = census->entries = 0;
		census->proposed_ms = 0;
		/* A dispute goes on over many checks. */
		census->noted = census->disputed ? census->noted : 0;
	}
	census->entries++;
	census->told |= vmop_bit(command->node);
	census->digests[command->node] = check->digest;
}

/* 0: not known, or no longer. */
static uint64_t own_digest(const struct core *core)
{
	const struct census *census = &core->census;
	uint64_t now = state_index(core->state);

	if (census->index == 0 || census->index > now || census->index + CENSUS_KEPT <= now)
		return 0;
	return census->own[census->index % CENSUS_KEPT];
}

/* What more than half of all voters have told; false if there is no such thing. */
static bool find_majority(const struct core *core, uint64_t *ret_digest)
{
	const struct census *census = &core->census;
	const Wire__Cluster *cluster = state_cluster(core->state);

	for (size_t i = 0; cluster && i < cluster->n_voters; i++) {
		uint64_t digest = census->digests[cluster->voters[i]];
		size_t n = 0;

		for (size_t k = 0; k < cluster->n_voters; k++)
			n += (census->told & vmop_bit(cluster->voters[k])) &&
			     census->digests[cluster->voters[k]] == digest;
		if ((census->told & vmop_bit(cluster->voters[i])) && n > cluster->n_voters / 2) {
			*ret_digest = digest;
			return true;
		}
	}
	return false;
}

/* Nodes that have told another digest than this one. */
static uint64_t others_than(const struct census *census, uint64_t digest)
{
	uint64_t nodes = 0;

	for (uint32_t node = 1; node <= NODE_MAX; node++)
		if ((census->told & vmop_bit(node)) && census->digests[node] != digest)
			nodes |= vmop_bit(node);
	return nodes;
}

static void propose(struct core *core, uint64_t index, uint64_t digest, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__CheckDigest check = WIRE__CHECK_DIGEST__INIT;

	check.index = index;
	check.digest = digest;
	command.body_case = WIRE__COMMAND__BODY_CHECK;
	command.check = &check;
	core_propose(core, &command, update);
}

/* When the leader is to ask again; 0 = now. */
static uint64_t ask_at_ms(const struct core *core, uint64_t index)
{
	const struct census *census = &core->census;

	if (census->asked_epoch != core->standing.epoch)
		return 0;
	if (census->disputed)
		return census->asked_ms + CHECK_DISPUTED_MS;
	if (census->agreed != core->standing.epoch)
		return census->asked_ms + TELL_AGAIN_MS;
	/* What is told are entries too: without others after them there is no need to ask again. */
	if (index <= census->asked_index + census->entries)
		return UINT64_MAX;
	return index >= census->asked_index + CHECK_ENTRIES ? 0 : census->asked_ms + CHECK_MS;
}

/* The leader asks everybody by telling its own, in an epoch of which everybody has an entry. */
static void ask(struct core *core, struct update *update)
{
	struct census *census = &core->census;
	uint64_t index = state_index(core->state), at_ms = ask_at_ms(core, index);

	if (!core->standing.open || !core->standing.ready || core->standing.leader != core->node ||
	    state_epoch(core->state) != core->standing.epoch || at_ms == UINT64_MAX)
		return;
	if (core->now_ms < at_ms) {
		update_wake(update, at_ms);
		return;
	}
	census->asked_ms = core->now_ms;
	census->asked_index = index;
	census->asked_epoch = core->standing.epoch;
	update_wake(update, core->now_ms + TELL_AGAIN_MS);
	propose(core, index, state_digest(core->state), update);
}

static void tell(struct core *core, uint64_t own, struct update *update)
{
	struct census *census = &core->census;

	if (!core->standing.open || !core->standing.ready || own == 0 ||
	    (census->told & vmop_bit(core->node)))
		return;
	if (census->proposed_ms && census->epoch == core->standing.epoch &&
	    core->now_ms < census->proposed_ms + TELL_AGAIN_MS) {
		update_wake(update, census->proposed_ms + TELL_AGAIN_MS);
		return;
	}
	census->proposed_ms = core->now_ms;
	census->epoch = core->standing.epoch;
	update_wake(update, core->now_ms + TELL_AGAIN_MS);
	propose(core, census->index, own, update);
}

static void append_names(const struct core *core, uint64_t nodes, struct buf *text)
{
	for (uint32_t node = 1; node <= NODE_MAX; node++)
		if (nodes & vmop_bit(node))
			buf_printf(text, "%s%s", text->len ? ", " : "",
				   node_name(core->state, node));
	buf_append_byte(text, 0);
}

/* The leader says it for all, once an epoch: what was proposed in an older one may be lost. */
static void note(struct core *core, const char *text, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Note body = WIRE__NOTE__INIT;

	if (!core->standing.ready || core->standing.leader != core->node ||
	    core->census.noted == core->standing.epoch)
		return;
	core->census.noted = core->standing.epoch;
	body.severity = WIRE__EVENT__SEVERITY__ERROR;
	body.subject = (char *)"cluster";
	body.text = (char *)text;
	command.body_case = WIRE__COMMAND__BODY_NOTE;
	command.note = &body;
	core_propose(core, &command, update);
}

static void note_outvoted(struct core *core, uint64_t nodes, struct update *update)
{
	_cleanup_(buf_free) struct buf names = { 0 };
	char text[400];

	append_names(core, nodes, &names);
	snprintf(text, sizeof(text),
		 "the copy of the cluster's state on %.200s differs from that of a majority: it is "
		 "set aside there, and a new one is fetched",
		 (const char *)names.data);
	note(core, text, update);
}

/* Is there a digest that differs from another one, or from this node's? */
static bool differ(const struct census *census, uint64_t own)
{
	uint64_t one = own;

	for (uint32_t node = 1; node <= NODE_MAX && one == 0; node++)
		if (census->told & vmop_bit(node))
			one = census->digests[node];
	return others_than(census, one) != 0;
}

static bool all_have_told(const struct core *core)
{
	const Wire__Cluster *cluster = state_cluster(core->state);
	uint64_t voters = 0;

	for (size_t i = 0; cluster && i < cluster->n_voters; i++)
		voters |= vmop_bit(cluster->voters[i]);
	return (core->standing.ready_nodes & voters & ~core->census.told) == 0;
}

bool census_trusted(const struct core *core)
{
	const struct census *census = &core->census;

	if (census->disputed)
		return false;
	return core->standing.open ? census->agreed == core->standing.epoch : census->agreed != 0;
}

/* What a majority of voters has told is known. */
static void judge(struct core *core, uint64_t own, uint64_t majority, struct update *update)
{
	struct census *census = &core->census;

	if (own && own != majority && update->leave == LEAVE_NO) {
		update->leave = LEAVE_DAMAGED;
		update->leave_why = "this node's copy of the cluster's state differs from that of "
				    "a majority at the same index";
		return;
	}
	if (own == majority)
		census->agreed = census->index_epoch;
	if (census->disputed)
		census->noted = 0;
	census->disputed = false;
	if (others_than(census, majority)) {
		census->outvoted = others_than(census, majority);
		census->outvoted_epoch = census->index_epoch;
	}
	if (census->outvoted)
		note_outvoted(core, census->outvoted, update);
	/* Its leave ends the epoch, and perhaps the note with it: once more in the next one. */
	if (census->outvoted_epoch != census->index_epoch)
		census->outvoted = 0;
}

void census_run(struct core *core, struct update *update)
{
	struct census *census = &core->census;
	uint64_t own = own_digest(core), majority;

	ask(core, update);
	/* What was told in older epochs says nothing about who is here now. */
	if (!core->standing.open || census->index == 0 ||
	    census->index_epoch != core->standing.epoch)
		return;
	if (!find_majority(core, &majority)) {
		census->disputed |= differ(census, own);
		if (census->disputed || census->agreed != core->standing.epoch)
			tell(core, own, update);
		if (census->disputed && all_have_told(core))
			note(core, CENSUS_DISPUTED, update);
		return;
	}
	judge(core, own, majority, update);
}
