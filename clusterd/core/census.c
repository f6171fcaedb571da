/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/census.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/record.h"
#include "clusterd/core/state.h"
#include "wire/message.h"

enum { TELL_AGAIN_MS = 1000, NODE_MAX = 64 };
enum { CHECK_MS = 60000, CHECK_DISPUTED_MS = 5000, CHECK_ENTRIES = 1000 };

/* ---------------------------------------------------------------- what is known */

void census_note(struct census *census, uint64_t index, uint64_t digest)
{
	census->own[index % CENSUS_KEPT] = digest;
}

void census_copied(struct census *census, uint64_t index, uint64_t digest)
{
	memset(census->own, 0, sizeof(census->own));
	census_note(census, index, digest);
	census->copied = index;
	census->vouched = 0;
}

static uint64_t voters_of(const struct core *core)
{
	const Wire__Cluster *cluster = state_cluster(core->state);
	uint64_t voters = 0;

	for (size_t i = 0; cluster && i < cluster->n_voters; i++)
		voters |= vmop_bit(cluster->voters[i]);
	return voters;
}

/* A digest, and of what came before it. */
static bool check_fits(const Wire__Command *command, uint64_t index)
{
	const Wire__CheckDigest *check = command->check;

	return command->node >= 1 && command->node <= NODE_MAX && check->index > 0 &&
	       check->index < index && check->digest != 0;
}

/* With another disk this node was another one, whose word says nothing about this state. */
static void vouch(struct core *core, const Wire__Command *command)
{
	struct census *census = &core->census;

	if (command->node == core->node && command->check->disk_id == core->disk_id &&
	    command->check->index > census->vouched)
		census->vouched = command->check->index;
}

static void vouch_by(struct core *core, uint64_t index, const struct buf *packed)
{
	Wire__Command *command = wire_parse(&wire__command__descriptor, packed->data, packed->len);

	if (command && command->body_case == WIRE__COMMAND__BODY_CHECK &&
	    check_fits(command, index))
		vouch(core, command);
	wire_free(command);
}

/* From the newest one on: what is at or below what it has vouched for is about older ones yet. */
static void vouch_by_log(struct core *core)
{
	const struct replica *replica = core->replica;
	uint64_t epoch, index = replica_last(replica, &epoch);

	for (; index >= replica_first(replica) && index > core->census.vouched + 1; index--)
		vouch_by(core, index, replica_command(replica, index, &epoch));
}

void census_load_done(struct core *core)
{
	struct census *census = &core->census;
	uint64_t below = replica_first(core->replica) - 1;

	vouch_by_log(core);
	census->copied = census->vouched >= below ? 0 : below;
	census_note(census, state_index(core->state), state_digest(core->state));
}

void census_hear(struct core *core, const Wire__Command *command, uint64_t index, uint64_t epoch)
{
	struct census *census = &core->census;
	const Wire__CheckDigest *check = command->check;

	if (!check_fits(command, index))
		return;
	vouch(core, command);
	if (check->index < census->index)
		return;
	if (check->index > census->index) {
		census->index = check->index;
		census->index_epoch = epoch;
		census->told = census->independent = census->waiting = census->entries = 0;
		census->proposed_ms = 0;
		/* A dispute goes on over many checks. */
		census->noted = census->disputed ? census->noted : 0;
	}
	census->entries++;
	census->told |= vmop_bit(command->node);
	census->independent &= ~vmop_bit(command->node);
	if (check->disk_id)
		census->independent |= vmop_bit(command->node);
	if (check->waiting)
		census->waiting |= vmop_bit(command->node);
	/* Of what older epochs disputed, nobody knows here whether it was settled since. */
	if (epoch == core->standing.epoch)
		census->disputed |= check->disputed & voters_of(core);
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

/* Of some nodes; there is one. */
static uint32_t lowest(uint64_t nodes)
{
	return (uint32_t)__builtin_ctzll(nodes) + 1;
}

/* Nodes that have told another digest than this one. */
static uint64_t others_than(const struct census *census, uint64_t digest)
{
	uint64_t nodes = 0;

	for (uint64_t left = census->told; left; left &= left - 1)
		if (census->digests[lowest(left)] != digest)
			nodes |= left & -left;
	return nodes;
}

/* Is there a digest that differs from another one, or from this node's? */
static bool differ(const struct census *census, uint64_t own)
{
	uint64_t one = own;

	for (uint64_t left = census->told; left && one == 0; left &= left - 1)
		one = census->digests[lowest(left)];
	return others_than(census, one) != 0;
}

/* Voters whose digests count: copies of another node's only where no voter can object. */
static uint64_t counted(const struct core *core)
{
	const struct census *census = &core->census;
	uint64_t voters = voters_of(core), told = voters & census->told;
	uint64_t missing = (core->standing.epoch_nodes | census->disputed) & voters & ~told;
	bool same = told && !(told & others_than(census, census->digests[lowest(told)]));

	return voters & (missing || !same ? census->independent : census->told);
}

/* How many voters have to say the same: more than half of all, or one of two that is alone. */
static int enough(const struct core *core)
{
	return core->standing.alone ? 1 : __builtin_popcountll(voters_of(core)) / 2 + 1;
}

/* What so many of the voters have told; false if there is no such thing. */
static bool find_majority(const struct core *core, uint64_t *ret_digest)
{
	const struct census *census = &core->census;
	uint64_t nodes = counted(core);

	for (uint64_t left = nodes; left; left &= left - 1) {
		uint64_t digest = census->digests[lowest(left)];
		uint64_t same = nodes & ~others_than(census, digest);

		if (__builtin_popcountll(same) >= enough(core)) {
			*ret_digest = digest;
			return true;
		}
	}
	return false;
}

/* ---------------------------------------------------------------- asking and telling */

static void propose(struct core *core, uint64_t index, uint64_t digest, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__CheckDigest check = WIRE__CHECK_DIGEST__INIT;

	check.index = index;
	check.digest = digest;
	check.disk_id = core->census.copied ? 0 : core->disk_id;
	check.disputed = core->census.disputed;
	check.waiting = core->census.agreed != core->standing.epoch;
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

/* A log that is trimmed must not be without a word of its voter's own. */
static bool must_vouch(const struct core *core)
{
	const struct census *census = &core->census;

	return !census->copied && (voters_of(core) & vmop_bit(core->node)) &&
	       census->index >= census->vouched + CHECK_ENTRIES;
}

/* ---------------------------------------------------------------- judging */

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

static bool all_have_told(const struct core *core)
{
	return (core->standing.ready_nodes & voters_of(core) & ~core->census.told) == 0;
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
	if (own == majority) {
		census->agreed = census->index_epoch;
		census->copied = 0;
	}
	if (census->disputed)
		census->noted = 0;
	census->disputed = 0;
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

/* There may be none: too few have told so far, or copies differ. */
static void look_for_dispute(struct core *core, uint64_t own, struct update *update)
{
	struct census *census = &core->census;

	if (differ(census, own))
		census->disputed |= census->told | vmop_bit(core->node);
	/* Who was not ready when the others agreed needs to hear it from a majority, too. */
	if (census->disputed || census->agreed != core->standing.epoch || census->waiting)
		tell(core, own, update);
	if (census->disputed && all_have_told(core))
		note(core, CENSUS_DISPUTED, update);
}

static void run(struct core *core, struct update *update)
{
	struct census *census = &core->census;
	uint64_t own = own_digest(core), majority;

	ask(core, update);
	/* What was told in older epochs says nothing about who is here now. */
	if (!core->standing.open || census->index == 0 ||
	    census->index_epoch != core->standing.epoch)
		return;
	if (find_majority(core, &majority))
		judge(core, own, majority, update);
	else
		look_for_dispute(core, own, update);
	if (update->leave == LEAVE_NO && must_vouch(core))
		tell(core, own, update);
}

void census_run(struct core *core, struct update *update)
{
	struct chore *chore = &core->agenda.chores[CHORE_CENSUS];

	if (!agenda_begin(core, CHORE_CENSUS, update))
		return;
	run(core, update);
	agenda_end(core, CHORE_CENSUS, update);
	/* Whether to ask again follows from the judgement, which comes after that. */
	if ((chore->heard & ~TOPIC_OWN) || update->leave != LEAVE_NO)
		chore->news |= TOPIC_OWN;
}
