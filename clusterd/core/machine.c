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

enum { CLEAR_BYTES = 1024 * 1024 };	/* of records that are freed in a step */

/* The state machine above the replicated log: committed entries and snapshots become records. */

static void on_apply(void *above, const Wire__Entry *entry, struct update *update)
{
	struct core *core = above;
	Wire__Verdict *verdict;
	Wire__Command *command = wire_parse(&wire__command__descriptor, entry->command.data,
					    entry->command.len);
	uint64_t request;

	apply_command(core->state, command, entry->index, entry->epoch, &core->behind.changes,
		      &verdict, &request);
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

static uint64_t on_written(void *above)
{
	struct core *core = above;

	return core->behind.written;
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

static bool read_uuid(const char *text, uint8_t ret_uuid[16])
{
	size_t n = 0;

	for (const char *c = text; c[0] && c[1] && n < 16;) {
		if (*c == '-') {
			c++;
			continue;
		}
		ret_uuid[n++] = (uint8_t)((hex(c[0]) & 15) << 4 | (hex(c[1]) & 15));
		c += 2;
	}
	return n == 16;
}

bool machine_cluster(void *above, uint8_t ret_uuid[16])
{
	struct core *core = above;
	const Wire__Cluster *cluster = state_cluster(core->state);

	return cluster && read_uuid(cluster->uuid, ret_uuid);
}

static bool on_before(void *above, size_t i, uint8_t ret_uuid[16])
{
	struct core *core = above;
	const Wire__Cluster *cluster = state_cluster(core->state);
	const Wire__Forced *forced = cluster ? cluster->forced : NULL;

	if (!forced || i > forced->n_earlier)
		return false;
	return read_uuid(i == forced->n_earlier ? forced->before : forced->earlier[i], ret_uuid);
}

static void on_snap_begin(void *above)
{
	struct core *core = above;

	state_snap_begin(core->state);
}

static bool on_snap_fill(void *above, Wire__SnapChunk *chunk, size_t room)
{
	struct core *core = above;
	const struct buf *packed;
	uint32_t table;
	uint64_t id;

	state_snap_position(core->state, &chunk->index, &chunk->epoch, &chunk->digest);
	while ((packed = state_snap_at(core->state, &table, &id))) {
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
		state_snap_next(core->state);
	}
	state_snap_end(core->state);
	return false;
}

static void drop_incoming(struct core *core)
{
	state_discard(&core->pile, steal_ptr(core->incoming));
	update_reset(&core->incoming_puts);
}

static void on_snap_drop(void *above)
{
	struct core *core = above;

	state_snap_end(core->state);
	drop_incoming(core);
}

static int take_record(struct core *core, const Wire__Record *record)
{
	struct persist *persist;
	int r = state_load(core->incoming, record->table, record->id, record->body.data,
			   record->body.len);

	if (r < 0)
		return r;
	persist = update_persist(&core->incoming_puts, PERSIST_PUT);
	persist->table = record->table;
	persist->id = record->id;
	buf_append(&persist->data, record->body.data, record->body.len);
	return 0;
}

static int on_snap_chunk(void *above, const Wire__SnapChunk *chunk)
{
	struct core *core = above;
	int r = 0;

	if (chunk->seq == 0) {
		drop_incoming(core);
		core->incoming = state_new();
	}
	if (!core->incoming)
		return -EBADMSG;
	for (size_t i = 0; i < chunk->n_records && r == 0; i++)
		r = take_record(core, chunk->records[i]);
	return r;
}

static int on_snap_end(void *above, uint64_t index, uint64_t epoch, uint64_t digest,
		       struct update *update)
{
	struct core *core = above;
	struct persist *applied;

	if (!core->incoming || state_digest(core->incoming) != digest ||
	    state_unsound(core->incoming)) {
		drop_incoming(core);
		return -EBADMSG;
	}
	state_discard(&core->pile, core->state);
	core->state = steal_ptr(core->incoming);
	state_set_position(core->state, index, epoch);
	census_copied(&core->census, index, digest);
	agenda_hear(&core->agenda, TOPIC_ALL);
	behind_stand(&core->behind, index);
	update_persist_all(update, &core->incoming_puts);
	applied = update_persist(update, PERSIST_APPLIED);
	applied->value = applied->index = index;
	applied->epoch = epoch;
	return 0;
}

void machine_clear_away(struct core *core, struct update *update)
{
	if (!state_clear_away(&core->pile, CLEAR_BYTES))
		update_wake(update, core->now_ms);
}

const struct replica_ops machine_ops = {
	.apply = on_apply,
	.voters = on_voters,
	.position = on_position,
	.written = on_written,
	.level = on_level,
	.cluster = machine_cluster,
	.before = on_before,
	.snap_begin = on_snap_begin,
	.snap_fill = on_snap_fill,
	.snap_chunk = on_snap_chunk,
	.snap_end = on_snap_end,
	.snap_drop = on_snap_drop,
};
