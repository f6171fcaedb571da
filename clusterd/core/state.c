/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/names.h"
#include "wire/check.h"
#include "wire/message.h"

enum { TABLES = WIRE__TABLE__TABLE_REQUEST + 1 };

/* A record in both of its forms; the bytes are what is digested, stored and sent. */
struct row {
	ProtobufCMessage *record;
	struct buf packed;
	uint64_t digest;
	uint64_t since;			/* so many snapshots had begun when it was added */
};

/* What was not read of it: rows of the state that are older than it is, and those kept. */
struct snap {
	bool on;
	uint64_t number;		/* how many there were, with this one */
	uint64_t index, epoch, digest;
	uint32_t table;			/* what is below this table and id was read */
	uint64_t id;
	struct idmap kept[TABLES];	/* rows that the state no longer has, no records */
	size_t kept_bytes;
};

/* A row as it was before it was written to. */
struct past {
	uint32_t table;
	uint64_t id;
	bool was;
	struct buf packed;
};

struct state {
	struct idmap tables[TABLES];
	size_t bytes[TABLES];
	struct names names[TABLES];
	struct idmap running;		/* operations under way: of their rows */
	struct idmap requests;		/* those remembered by the entry that each was: rows */
	uint64_t numbers[SETTINGS];
	uint64_t index, epoch, digest;

	uint64_t changed;		/* tables, since somebody asked; and which VMs */
	uint64_t *vms;
	size_t vms_n, vms_cap;

	bool beyond;			/* since begin a record beyond a limit was put: which */
	const char *beyond_table, *beyond_field;
	bool whole;			/* between begin and end: what was before, in order */
	struct past *pasts;
	size_t pasts_n, pasts_cap;

	struct snap snap;
	struct state *below;		/* on a pile */
};

const ProtobufCMessageDescriptor *state_table_descriptor(uint32_t table)
{
	static const ProtobufCMessageDescriptor *const of[TABLES] = {
		[WIRE__TABLE__TABLE_CLUSTER] = &wire__cluster__descriptor,
		[WIRE__TABLE__TABLE_SETTING] = &wire__setting__descriptor,
		[WIRE__TABLE__TABLE_NODE] = &wire__node__descriptor,
		[WIRE__TABLE__TABLE_VM] = &wire__vm__descriptor,
		[WIRE__TABLE__TABLE_FENCE] = &wire__fence__descriptor,
		[WIRE__TABLE__TABLE_VOLUME] = &wire__volume__descriptor,
		[WIRE__TABLE__TABLE_OPERATION] = &wire__operation__descriptor,
		[WIRE__TABLE__TABLE_EVENT] = &wire__event__descriptor,
		[WIRE__TABLE__TABLE_REQUEST] = &wire__request__descriptor,
	};

	return table < TABLES ? of[table] : NULL;
}

static void row_free(void *value)
{
	struct row *row = value;

	wire_free(row->record);
	buf_free(&row->packed);
	free(row);
}

/* What a setting is as a number, so that whoever asks need not read it. */
static void note_setting(struct state *state, uint64_t id)
{
	if (id >= 1 && id <= SETTINGS)
		state->numbers[id - 1] =
			setting_number(state_setting(state, (enum setting_id)(id - 1)));
}

struct state *state_new(void)
{
	struct state *state = mem_new(struct state);

	for (uint64_t id = 1; id <= SETTINGS; id++)
		note_setting(state, id);
	return state;
}

void state_free(struct state *state)
{
	if (!state)
		return;
	state_snap_end(state);
	for (uint32_t table = 0; table < TABLES; table++) {
		names_free(&state->names[table]);
		idmap_free(&state->tables[table], row_free);
	}
	idmap_free(&state->running, NULL);
	idmap_free(&state->requests, NULL);
	state_end(state, false);
	free(state->pasts);
	free(state->vms);
	free(state);
}

uint64_t state_index(const struct state *state)
{
	return state->index;
}

uint64_t state_epoch(const struct state *state)
{
	return state->epoch;
}

uint64_t state_digest(const struct state *state)
{
	return state->digest;
}

/* ------------------------------------------------------------------ readers */

const void *state_get(const struct state *state, uint32_t table, uint64_t id)
{
	const struct row *row = table < TABLES ? idmap_get(&state->tables[table], id) : NULL;

	return row ? row->record : NULL;
}

size_t state_bytes(const struct state *state, uint32_t table)
{
	return table < TABLES ? state->bytes[table] : 0;
}

size_t state_count(const struct state *state, uint32_t table)
{
	return table < TABLES ? idmap_count(&state->tables[table]) : 0;
}

const void *state_at(const struct state *state, uint32_t table, size_t position)
{
	const struct row *row = idmap_at(&state->tables[table], position, NULL);

	return row->record;
}

size_t state_lower(const struct state *state, uint32_t table, uint64_t id)
{
	return table < TABLES ? idmap_lower_bound(&state->tables[table], id) : 0;
}

const struct buf *state_packed(const struct state *state, uint32_t table, size_t position,
			       uint64_t *ret_id)
{
	const struct row *row;

	if (position >= state_count(state, table))
		return NULL;
	row = idmap_at(&state->tables[table], position, ret_id);
	return &row->packed;
}

const Wire__Cluster *state_cluster(const struct state *state)
{
	return state_get(state, WIRE__TABLE__TABLE_CLUSTER, 1);
}

const Wire__Node *state_node(const struct state *state, uint32_t node)
{
	return state_get(state, WIRE__TABLE__TABLE_NODE, node);
}

static const void *get_named(const struct state *state, uint32_t table, const char *name)
{
	uint64_t id;

	return names_find(&state->names[table], name, &id) ? state_get(state, table, id) : NULL;
}

const Wire__Node *state_node_named(const struct state *state, const char *name)
{
	return get_named(state, WIRE__TABLE__TABLE_NODE, name);
}

const Wire__Vm *state_vm(const struct state *state, uint64_t vm)
{
	return state_get(state, WIRE__TABLE__TABLE_VM, vm);
}

const Wire__Vm *state_vm_named(const struct state *state, const char *name_or_uuid)
{
	return get_named(state, WIRE__TABLE__TABLE_VM, name_or_uuid);
}

const Wire__Fence *state_fence_named(const struct state *state, const char *name)
{
	return get_named(state, WIRE__TABLE__TABLE_FENCE, name);
}

const Wire__Volume *state_volume_named(const struct state *state, const char *name)
{
	return get_named(state, WIRE__TABLE__TABLE_VOLUME, name);
}

const Wire__Operation *state_operation(const struct state *state, uint64_t operation)
{
	return state_get(state, WIRE__TABLE__TABLE_OPERATION, operation);
}

size_t state_running_count(const struct state *state)
{
	return idmap_count(&state->running);
}

const Wire__Operation *state_running_at(const struct state *state, size_t position)
{
	const struct row *row = idmap_at(&state->running, position, NULL);

	return (const Wire__Operation *)row->record;
}

size_t state_request_count(const struct state *state)
{
	return idmap_count(&state->requests);
}

const Wire__Request *state_request_oldest(const struct state *state)
{
	const struct row *row =
		idmap_count(&state->requests) ? idmap_at(&state->requests, 0, NULL) : NULL;

	return row ? (const Wire__Request *)row->record : NULL;
}

const char *state_setting(const struct state *state, enum setting_id setting)
{
	const Wire__Setting *record =
		state_get(state, WIRE__TABLE__TABLE_SETTING, (uint64_t)setting + 1);

	return record ? record->value : settings[setting].value;
}

uint64_t state_setting_number(const struct state *state, enum setting_id setting)
{
	return state->numbers[setting];
}

bool state_voter(const struct state *state, uint32_t node)
{
	const Wire__Cluster *cluster = state_cluster(state);

	for (size_t i = 0; cluster && i < cluster->n_voters; i++)
		if (cluster->voters[i] == node)
			return true;
	return false;
}

void state_voters(const struct state *state, struct voters *ret_voters)
{
	const Wire__Cluster *cluster = state_cluster(state);
	uint64_t disks[VOTERS_MAX] = { 0 };
	size_t n = cluster ? cluster->n_voters : 0;

	*ret_voters = (struct voters){ 0 };
	if (n > VOTERS_MAX)
		return;
	/* A cluster that began before their disks were on record has them with its nodes. */
	for (size_t i = 0; i < n; i++) {
		const Wire__Node *node = state_node(state, cluster->voters[i]);

		disks[i] = cluster->n_voter_disks == n ? cluster->voter_disks[i] :
			   node			       ? node->disk_id :
							 0;
	}
	if (n)
		voters_fill(ret_voters, cluster->voters_index, cluster->voters, n, disks, n);
}

const Wire__NodeGone *state_node_gone(const struct state *state, uint32_t node, uint64_t disk)
{
	const Wire__Cluster *cluster = state_cluster(state);

	for (size_t i = cluster ? cluster->n_gone : 0; i-- > 0;)
		if (cluster->gone[i]->id == node && cluster->gone[i]->disk_id &&
		    cluster->gone[i]->disk_id == disk)
			return cluster->gone[i];
	return NULL;
}

/* ------------------------------------------------------------------ writers */

/* A record's share in the digest: what tells it apart, and its bytes. */
static uint64_t row_digest(uint32_t table, uint64_t id, const struct buf *packed)
{
	uint64_t d = digest_start();

	d = digest_add_u64(d, table);
	d = digest_add_u64(d, id);
	d = digest_add(d, packed->data, packed->len);
	return digest_finish(d);
}

/* What is known of a record besides its table. */
static void note_names(struct state *state, uint32_t table, uint64_t id, const void *record,
		       void (*note)(struct names *names, const char *text, uint64_t id))
{
	struct names *names = &state->names[table];

	switch (table) {
	case WIRE__TABLE__TABLE_NODE:
		note(names, ((const Wire__Node *)record)->name, id);
		break;
	case WIRE__TABLE__TABLE_VM:
		note(names, ((const Wire__Vm *)record)->name, id);
		note(names, ((const Wire__Vm *)record)->uuid, id);
		break;
	case WIRE__TABLE__TABLE_FENCE:
		note(names, ((const Wire__Fence *)record)->name, id);
		break;
	case WIRE__TABLE__TABLE_VOLUME:
		note(names, ((const Wire__Volume *)record)->name, id);
		break;
	default:
		break;
	}
}

static void note_change(struct state *state, uint32_t table, uint64_t id)
{
	state->changed |= UINT64_C(1) << table;
	if (table != WIRE__TABLE__TABLE_VM)
		return;
	if (state->vms_n == state->vms_cap) {
		state->vms_cap = state->vms_cap ? state->vms_cap * 2 : 16;
		state->vms = mem_resize(state->vms, state->vms_cap, sizeof(*state->vms));
	}
	state->vms[state->vms_n++] = id;
}

/* Whether a row that goes is to be read yet. */
static bool snap_needs(const struct snap *snap, const struct row *row, uint32_t table, uint64_t id)
{
	return snap->on && row->since != snap->number &&
	       (table > snap->table || (table == snap->table && id >= snap->id));
}

static void snap_keep(struct snap *snap, struct row *row, uint32_t table, uint64_t id)
{
	wire_free(steal_ptr(row->record));
	snap->kept_bytes += row->packed.len;
	idmap_put(&snap->kept[table], id, row);
}

/* Of two at the same place, which a sound state does not have, one is found. */
static void forget_place(struct state *state, const struct row *row)
{
	uint64_t index = ((const Wire__Request *)row->record)->index;

	if (idmap_get(&state->requests, index) == row)
		idmap_remove(&state->requests, index);
}

static void remove_row(struct state *state, uint32_t table, uint64_t id)
{
	struct row *row = idmap_remove(&state->tables[table], id);

	if (!row)
		return;
	state->digest = digest_set_remove(state->digest, row->digest);
	state->bytes[table] -= row->packed.len;
	note_names(state, table, id, row->record, names_remove);
	if (table == WIRE__TABLE__TABLE_OPERATION)
		idmap_remove(&state->running, id);
	if (table == WIRE__TABLE__TABLE_REQUEST)
		forget_place(state, row);
	if (snap_needs(&state->snap, row, table, id))
		snap_keep(&state->snap, row, table, id);
	else
		row_free(row);
}

static void add_row(struct state *state, uint32_t table, uint64_t id, struct row *row)
{
	state->digest = digest_set_add(state->digest, row->digest);
	state->bytes[table] += row->packed.len;
	idmap_put(&state->tables[table], id, row);
	note_names(state, table, id, row->record, names_add);
	if (table == WIRE__TABLE__TABLE_OPERATION &&
	    ((const Wire__Operation *)row->record)->outcome == WIRE__OPERATION__OUTCOME__RUNNING)
		idmap_put(&state->running, id, row);
	if (table == WIRE__TABLE__TABLE_REQUEST)
		idmap_put(&state->requests, ((const Wire__Request *)row->record)->index, row);
	if (table == WIRE__TABLE__TABLE_SETTING)
		note_setting(state, id);
	note_change(state, table, id);
}

/* Takes over the record. */
static void set_row(struct state *state, uint32_t table, uint64_t id, ProtobufCMessage *record,
		    const void *data, size_t size)
{
	struct row *row = mem_new(struct row);

	assert(record);
	remove_row(state, table, id);
	row->record = record;
	buf_append(&row->packed, data, size);
	row->digest = row_digest(table, id, &row->packed);
	row->since = state->snap.number;
	add_row(state, table, id, row);
}

/* As it was packed, whatever the limits say; NULL: it is none of that table. */
static ProtobufCMessage *parse(uint32_t table, const void *data, size_t size)
{
	const ProtobufCMessageDescriptor *descriptor = state_table_descriptor(table);

	return descriptor ? wire_parse(descriptor, data, size) : NULL;
}

int state_load(struct state *state, uint32_t table, uint64_t id, const void *data, size_t size)
{
	ProtobufCMessage *record = parse(table, data, size);

	if (!record)
		return -EBADMSG;
	if (wire_check(record, NULL) < 0) {
		wire_free(record);
		return -EBADMSG;
	}
	set_row(state, table, id, record, data, size);
	return 0;
}

static void keep_past(struct state *state, uint32_t table, uint64_t id)
{
	const struct row *row = table < TABLES ? idmap_get(&state->tables[table], id) : NULL;
	struct past *past;

	if (!state->whole)
		return;
	if (state->pasts_n == state->pasts_cap) {
		state->pasts_cap = state->pasts_cap ? state->pasts_cap * 2 : 16;
		state->pasts = mem_resize(state->pasts, state->pasts_cap, sizeof(*state->pasts));
	}
	past = &state->pasts[state->pasts_n++];
	*past = (struct past){ .table = table, .id = id, .was = row != NULL };
	if (row)
		buf_append(&past->packed, row->packed.data, row->packed.len);
}

static void delete_row(struct state *state, uint32_t table, uint64_t id)
{
	remove_row(state, table, id);
	if (table == WIRE__TABLE__TABLE_SETTING)
		note_setting(state, id);
	note_change(state, table, id);
}

/* In the same bytes; what a command put and then put again may have been beyond a limit. */
static void bring_back(struct state *state, const struct past *past)
{
	const struct buf *packed = &past->packed;

	if (past->was)
		set_row(state, past->table, past->id,
			parse(past->table, packed->data, packed->len), packed->data, packed->len);
	else
		delete_row(state, past->table, past->id);
}

void state_begin(struct state *state)
{
	state_end(state, false);
	state->whole = true;
}

void state_end(struct state *state, bool undo)
{
	assert(undo || !state->beyond);
	while (state->pasts_n) {
		struct past *past = &state->pasts[--state->pasts_n];

		if (undo)
			bring_back(state, past);
		buf_free(&past->packed);
	}
	state->whole = state->beyond = false;
}

void state_put(struct state *state, uint32_t table, uint64_t id, const ProtobufCMessage *record,
	       struct update *update)
{
	struct persist *persist = update_persist(update, PERSIST_PUT);
	size_t size = protobuf_c_message_get_packed_size(record);
	ProtobufCMessage *copy;
	const char *field = NULL;

	keep_past(state, table, id);
	persist->table = table;
	persist->id = id;
	persist->data.len += protobuf_c_message_pack(record, buf_reserve(&persist->data, size));
	copy = parse(table, persist->data.data, persist->data.len);
	assert(copy);
	if (wire_check(copy, &field) < 0) {
		/* Our own mistake, which is not to end the daemons of all nodes at this entry. */
		assert(state->whole);
		state->beyond = true;
		state->beyond_table = copy->descriptor->short_name;
		state->beyond_field = field ? field : "?";
	}
	set_row(state, table, id, copy, persist->data.data, persist->data.len);
}

bool state_beyond(const struct state *state, const char **ret_table, const char **ret_field)
{
	if (!state->beyond)
		return false;
	*ret_table = state->beyond_table;
	*ret_field = state->beyond_field;
	return true;
}

void state_del(struct state *state, uint32_t table, uint64_t id, struct update *update)
{
	struct persist *persist;

	if (!state_get(state, table, id))
		return;
	keep_past(state, table, id);
	persist = update_persist(update, PERSIST_DEL);
	persist->table = table;
	persist->id = id;
	delete_row(state, table, id);
}

void *state_open(const struct state *state, uint32_t table, uint64_t id)
{
	const struct row *row = table < TABLES ? idmap_get(&state->tables[table], id) : NULL;

	return row ? wire_open(row->record->descriptor, row->packed.data, row->packed.len) : NULL;
}

struct state_changes state_take_changes(struct state *state)
{
	struct state_changes changes = { state->changed, state->vms, state->vms_n };

	state->changed = 0;
	state->vms_n = 0;
	return changes;
}

void state_set_position(struct state *state, uint64_t index, uint64_t epoch)
{
	state->index = index;
	state->epoch = epoch;
}

/* ------------------------------------------------------------------ snapshots */

void state_snap_begin(struct state *state)
{
	state_snap_end(state);
	state->snap = (struct snap){
		.on = true,
		.number = state->snap.number + 1,
		.index = state->index,
		.epoch = state->epoch,
		.digest = state->digest,
	};
}

void state_snap_end(struct state *state)
{
	struct snap *snap = &state->snap;

	for (uint32_t table = 0; table < TABLES; table++)
		idmap_free(&snap->kept[table], row_free);
	snap->kept_bytes = 0;
	snap->on = false;
}

/* The first row of its table that is of the snapshot and was not read; NULL if there is none. */
static const struct row *snap_row(const struct state *state, uint64_t *ret_id)
{
	const struct snap *snap = &state->snap;
	const struct idmap *rows = &state->tables[snap->table], *kept = &snap->kept[snap->table];
	const struct row *first = idmap_count(kept) ? idmap_at(kept, 0, ret_id) : NULL;

	for (size_t at = idmap_lower_bound(rows, snap->id); at < idmap_count(rows); at++) {
		uint64_t id;
		const struct row *row = idmap_at(rows, at, &id);

		if (first && *ret_id <= id)
			break;
		if (row->since == snap->number)
			continue;
		*ret_id = id;
		return row;
	}
	return first;
}

const struct buf *state_snap_at(struct state *state, uint32_t *ret_table, uint64_t *ret_id)
{
	struct snap *snap = &state->snap;

	for (; snap->on && snap->table < TABLES; snap->table++, snap->id = 0) {
		uint64_t id;
		const struct row *row = snap_row(state, &id);

		if (!row)
			continue;
		snap->id = *ret_id = id;
		*ret_table = snap->table;
		return &row->packed;
	}
	return NULL;
}

void state_snap_next(struct state *state)
{
	struct snap *snap = &state->snap;
	struct row *kept;

	assert(snap->on && snap->table < TABLES);
	kept = idmap_remove(&snap->kept[snap->table], snap->id);
	if (kept) {
		snap->kept_bytes -= kept->packed.len;
		row_free(kept);
	}
	/* Above the highest id there is none. */
	if (++snap->id == 0)
		snap->table++;
}

void state_snap_position(const struct state *state, uint64_t *ret_index, uint64_t *ret_epoch,
			 uint64_t *ret_digest)
{
	*ret_index = state->snap.index;
	*ret_epoch = state->snap.epoch;
	*ret_digest = state->snap.digest;
}

size_t state_snap_kept(const struct state *state)
{
	return state->snap.kept_bytes;
}

/* ------------------------------------------------------------------ the pile */

void state_discard(struct state **pile, struct state *state)
{
	if (!state)
		return;
	state->below = *pile;
	*pile = state;
}

static size_t clear_last(struct idmap *rows)
{
	struct row *row;
	uint64_t id;
	size_t bytes;

	row = idmap_at(rows, idmap_count(rows) - 1, &id);
	bytes = sizeof(*row) + row->packed.len;
	idmap_remove(rows, id);
	row_free(row);
	return bytes;
}

bool state_clear_away(struct state **pile, size_t bytes)
{
	size_t cleared = 0;

	while (*pile) {
		struct state *state = *pile;

		for (uint32_t table = 0; table < TABLES; table++)
			while (idmap_count(&state->tables[table]) > 0) {
				if (cleared >= bytes)
					return false;
				cleared += clear_last(&state->tables[table]);
			}
		*pile = state->below;
		state_free(state);
	}
	return true;
}
