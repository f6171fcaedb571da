/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/sound.h"
#include "wire/message.h"

/* The state machine above the replicated log: committed entries and snapshots become records. */

static void on_apply(void *above, const Wire__Entry *entry, struct update *update)
{
	struct core *core = above;
	Wire__Verdict *verdict;
	Wire__Command *command = wire_parse(&wire__command__descriptor, entry->command.data,
					    entry->command.len);
	uint64_t request;

	apply_command(core->state, command, entry->index, entry->epoch, update, &verdict,
		      &request);
	if (command && command->body_case == WIRE__COMMAND__BODY_CHECK)
		census_hear(core, command, entry->index, entry->epoch);
	census_note(&core->census, entry->index, state_digest(core->state));
	/* What comes next would be applied otherwise than by the others. */
	if (feature_level(core->state) > feature_table.max && update->leave == LEAVE_NO) {
		update->leave = LEAVE_RESYNC;
		update->leave_why = "the cluster's feature level was raised, and this clusterd "
				    "does not know the new one: install a newer version here";
	}
	clients_answer(core, request, verdict, update);
	wire_free(command);
	wire_free(verdict);
}

static void on_voters(void *above, struct voters *ret_voters)
{
	struct core *core = above;

	state_voters(core->state, ret_voters);
}

static void on_position(void *above, uint64_t *ret_index, uint64_t *ret_epoch)
{
	struct core *core = above;

	*ret_index = state_index(core->state);
	*ret_epoch = state_epoch(core->state);
}

static uint32_t on_level(void *above)
{
	struct core *core = above;

	return feature_level(core->state);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool machine_cluster(void *above, uint8_t ret_uuid[16])
{
	struct core *core = above;
	const Wire__Cluster *cluster = state_cluster(core->state);
	size_t n = 0;

	if (!cluster)
		return false;
	for (const char *c = cluster->uuid; c[0] && c[1] && n < 16;) {
		if (*c == '-') {
			c++;
			continue;
		}
		ret_uuid[n++] = (uint8_t)((hex(c[0]) & 15) << 4 | (hex(c[1]) & 15));
		c += 2;
	}
	return n == 16;
}

/* The cursor counts records over all tables, in order. */
static bool on_snap_fill(void *above, Wire__SnapChunk *chunk, uint64_t *cursor, size_t room)
{
	struct core *core = above;
	uint64_t skip = *cursor;

	chunk->index = state_index(core->state);
	chunk->epoch = state_epoch(core->state);
	chunk->digest = state_digest(core->state);
	for (uint32_t table = 1; state_table_descriptor(table); table++) {
		size_t count = state_count(core->state, table);

		for (size_t i = skip < count ? skip : count; i < count; i++) {
			uint64_t id;
			const struct buf *packed = state_packed(core->state, table, i, &id);
			Wire__Record *record;

			if (packed->len + 32 > room)
				return true;
			room -= packed->len + 32;
			record = wire_new(&wire__record__descriptor);
			record->table = (Wire__Table)table;
			record->id = id;
			record->body.data = mem_dup(packed->data, packed->len);
			record->body.len = packed->len;
			chunk->records = mem_resize(chunk->records, chunk->n_records + 1,
						    sizeof(*chunk->records));
			chunk->records[chunk->n_records++] = record;
			++*cursor;
		}
		skip = skip < count ? 0 : skip - count;
	}
	return false;
}

static void on_snap_begin(void *above)
{
	struct core *core = above;

	state_free(core->incoming);
	core->incoming = state_new();
}

static int on_snap_chunk(void *above, const Wire__SnapChunk *chunk)
{
	struct core *core = above;
	int r = 0;

	if (!core->incoming)
		return -EBADMSG;
	for (size_t i = 0; i < chunk->n_records && r == 0; i++)
		r = state_load(core->incoming, chunk->records[i]->table, chunk->records[i]->id,
			       chunk->records[i]->body.data, chunk->records[i]->body.len);
	return r;
}

/* Puts the whole new state into the batch that wipes the old one. */
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

static int on_snap_end(void *above, uint64_t index, uint64_t epoch, uint64_t digest,
		       struct update *update)
{
	struct core *core = above;
	struct persist *applied;

	if (!core->incoming || state_digest(core->incoming) != digest ||
	    state_unsound(core->incoming)) {
		state_free(steal_ptr(core->incoming));
		return -EBADMSG;
	}
	state_free(core->state);
	core->state = steal_ptr(core->incoming);
	state_set_position(core->state, index, epoch);
	census_copied(&core->census, index, digest);
	agenda_hear(&core->agenda, TOPIC_ALL);
	persist_all(core->state, update);
	applied = update_persist(update, PERSIST_APPLIED);
	applied->value = applied->index = index;
	applied->epoch = epoch;
	return 0;
}

const struct replica_ops machine_ops = {
	.apply = on_apply,
	.voters = on_voters,
	.position = on_position,
	.level = on_level,
	.cluster = machine_cluster,
	.snap_fill = on_snap_fill,
	.snap_begin = on_snap_begin,
	.snap_chunk = on_snap_chunk,
	.snap_end = on_snap_end,
};
