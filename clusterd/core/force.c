/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/force.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "clusterd/core/apply.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/round.h"
#include "wire/command.h"
#include "wire/message.h"

/* ---------------------------------------------------------------- what there is */

/* The log's newest time; an event's, of one that was trimmed to nothing. */
static uint64_t last_ms(const struct core *core, uint64_t last)
{
	const struct state *state = core->state;
	size_t events = state_count(state, WIRE__TABLE__TABLE_EVENT);
	const Wire__Event *event;
	uint64_t epoch;

	for (uint64_t index = last; index >= replica_first(core->replica) && index > 0; index--) {
		const struct buf *packed = replica_command(core->replica, index, &epoch);
		Wire__Command *command =
			wire_parse(&wire__command__descriptor, packed->data, packed->len);
		uint64_t time_ms = command ? command->time_ms : 0;

		wire_free(command);
		if (time_ms)
			return time_ms;
	}
	event = events ? state_at(state, WIRE__TABLE__TABLE_EVENT, events - 1) : NULL;
	return event ? event->time_ms : 0;
}

/* What comes of it is written anew as a whole, so of each entry the state alone is of use. */
static void apply_logged(struct core *core, uint64_t index)
{
	Wire__Entry entry = WIRE__ENTRY__INIT;
	Wire__Verdict *verdict;
	struct update update;
	const struct buf *command;
	uint64_t request;

	command = replica_command(core->replica, index, &entry.epoch);
	entry.index = index;
	entry.command.data = command->data;
	entry.command.len = command->len;
	update_init(&update);
	apply_entry(core->state, &entry, &update, &verdict, &request);
	wire_free(verdict);
	update_reset(&update);
}

static bool too_new(const struct core *core)
{
	return feature_level(core->state) > feature_table.max;
}

int core_force_load(struct core *core, struct force_end *ret_end, char *ret_why, size_t size)
{
	uint64_t epoch, last = replica_last(core->replica, &epoch);

	while (state_index(core->state) < last && !too_new(core))
		apply_logged(core, state_index(core->state) + 1);
	if (too_new(core)) {
		snprintf(ret_why, size, "The cluster's feature level is %u, and this clusterd "
			 "knows %u: install a newer version first", feature_level(core->state),
			 feature_table.max);
		return -EPROTO;
	}
	if (!state_cluster(core->state)) {
		snprintf(ret_why, size, "There is nothing to go on with: this node has not learnt "
			 "of any cluster");
		return -ENOENT;
	}
	if (!state_node(core->state, core->node)) {
		snprintf(ret_why, size, "Node %u is none of cluster %s as it is on record here: "
			 "choose another node to go on with", core->node,
			 state_cluster(core->state)->name);
		return -ENODEV;
	}
	*ret_end = (struct force_end){ last, last_ms(core, last) };
	return 0;
}

/* ---------------------------------------------------------------- going on with it */

/* Above all that anybody can have promised, or called an epoch. */
static uint64_t next_epoch(const struct core *core)
{
	uint64_t promised = replica_promised(core->replica), epoch;

	replica_last(core->replica, &epoch);
	return (promised > epoch ? promised : epoch) + FORCE_JUMP;
}

static int pack(const struct core *core, const struct force_order *order,
		const struct force_end *end, struct buf *ret_packed)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Force force = WIRE__FORCE__INIT;

	force.cluster = (char *)order->cluster;
	force.before = state_cluster(core->state)->uuid;
	force.node = core->node;
	force.disk_id = core->disk_id;
	force.restore = order->restore;
	force.last_ms = end->wall_ms;
	command.body_case = WIRE__COMMAND__BODY_FORCE;
	command.force = &force;
	command.time_ms = order->wall_ms;
	command.node = core->node;
	command.boot_id = order->random;
	command.who = (char *)order->who;
	return wire_command_pack(&command, ret_packed, NULL);
}

static void persist_all(const struct state *state, struct update *update)
{
	for (uint32_t table = 1; state_table_descriptor(table); table++)
		for (size_t i = 0; i < state_count(state, table); i++) {
			struct persist *persist = update_persist(update, PERSIST_PUT);
			const struct buf *packed = state_packed(state, table, i, &persist->id);

			persist->table = table;
			buf_append(&persist->data, packed->data, packed->len);
		}
}

/* A store that was read from its beginning: nothing of it stays but what is written here. */
static void persist(const struct core *core, const Wire__Entry *entry, struct update *update)
{
	struct persist *persist;

	update_persist(update, PERSIST_WIPE);
	update_persist(update, PERSIST_PROMISE)->value = entry->epoch;
	/* What it knew of another voter's absence was of other voters. */
	update_persist(update, PERSIST_ALONE);
	update_persist(update, PERSIST_TOGETHER);
	persist = update_persist(update, PERSIST_APPEND);
	persist->index = entry->index;
	persist->epoch = entry->epoch;
	buf_append(&persist->data, entry->command.data, entry->command.len);
	persist_all(core->state, update);
	persist = update_persist(update, PERSIST_APPLIED);
	persist->value = persist->index = entry->index;
	persist->epoch = entry->epoch;
}

int core_force(struct core *core, const struct force_order *order, struct update *update,
	       char *ret_why, size_t size)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Entry entry = WIRE__ENTRY__INIT;
	Wire__Verdict *verdict;
	struct force_end end;
	struct update changes;
	uint64_t request;
	int r = core_force_load(core, &end, ret_why, size);

	if (r)
		return r;
	entry.index = end.index + FORCE_JUMP;
	entry.epoch = next_epoch(core);
	if (pack(core, order, &end, &packed) < 0 || entry.index > ROUND_NUMBER_MAX ||
	    entry.epoch > ROUND_NUMBER_MAX) {
		snprintf(ret_why, size, "The first entry of the new cluster cannot be made");
		return -EINVAL;
	}
	entry.command.data = packed.data;
	entry.command.len = packed.len;
	update_init(&changes);
	apply_entry(core->state, &entry, &changes, &verdict, &request);
	update_reset(&changes);
	if (verdict->code != WIRE__VERDICT__CODE__OK) {
		snprintf(ret_why, size, "The cluster cannot be forced: %s", verdict->text);
		r = -EINVAL;
	}
	wire_free(verdict);
	if (!r)
		persist(core, &entry, update);
	return r;
}
