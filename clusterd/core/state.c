/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/core/settings.h"
#include "wire/check.h"

enum { TABLES = WIRE__TABLE__TABLE_REQUEST + 1 };

/* A record in both of its forms; the bytes are what is digested, stored and sent. */
struct row {
	ProtobufCMessage *record;
	struct buf packed;
	uint64_t digest;
};

struct state {
	struct idmap tables[TABLES];
	size_t bytes[TABLES];
	uint64_t index, epoch, digest;
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

	protobuf_c_message_free_unpacked(row->record, NULL);
	buf_free(&row->packed);
	free(row);
}

struct state *state_new(void)
{
	return mem_new(struct state);
}

void state_free(struct state *state)
{
	if (!state)
		return;
	for (uint32_t table = 0; table < TABLES; table++)
		idmap_free(&state->tables[table], row_free);
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

const Wire__Node *state_node_named(const struct state *state, const char *name)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		if (strcmp(node->name, name) == 0)
			return node;
	}
	return NULL;
}

const Wire__Vm *state_vm(const struct state *state, uint64_t vm)
{
	return state_get(state, WIRE__TABLE__TABLE_VM, vm);
}

const Wire__Vm *state_vm_named(const struct state *state, const char *name_or_uuid)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		if (strcmp(vm->name, name_or_uuid) == 0 || strcmp(vm->uuid, name_or_uuid) == 0)
			return vm;
	}
	return NULL;
}

const Wire__Fence *state_fence_named(const struct state *state, const char *name)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_FENCE); i++) {
		const Wire__Fence *fence = state_at(state, WIRE__TABLE__TABLE_FENCE, i);

		if (strcmp(fence->name, name) == 0)
			return fence;
	}
	return NULL;
}

const Wire__Volume *state_volume_named(const struct state *state, const char *name)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VOLUME); i++) {
		const Wire__Volume *volume = state_at(state, WIRE__TABLE__TABLE_VOLUME, i);

		if (strcmp(volume->name, name) == 0)
			return volume;
	}
	return NULL;
}

const Wire__Operation *state_operation(const struct state *state, uint64_t operation)
{
	return state_get(state, WIRE__TABLE__TABLE_OPERATION, operation);
}

const char *state_setting(const struct state *state, const char *name)
{
	uint64_t id;
	const struct setting *setting = setting_named(name, &id);
	const Wire__Setting *record;

	if (!setting)
		return NULL;
	record = state_get(state, WIRE__TABLE__TABLE_SETTING, id);
	return record ? record->value : setting->value;
}

uint64_t state_setting_number(const struct state *state, const char *name)
{
	const char *value = state_setting(state, name);
	uint64_t number;
	bool yes;

	assert(value);
	if (text_parse_uint(value, 0, UINT64_MAX, &number) == 0)
		return number;
	return text_parse_bool(value, &yes) == 0 && yes;
}

bool state_voter(const struct state *state, uint32_t node)
{
	const Wire__Cluster *cluster = state_cluster(state);

	for (size_t i = 0; cluster && i < cluster->n_voters; i++)
		if (cluster->voters[i] == node)
			return true;
	return false;
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

static void remove_row(struct state *state, uint32_t table, uint64_t id)
{
	struct row *row = idmap_remove(&state->tables[table], id);

	if (!row)
		return;
	state->digest = digest_set_remove(state->digest, row->digest);
	state->bytes[table] -= row->packed.len;
	row_free(row);
}

int state_load(struct state *state, uint32_t table, uint64_t id, const void *data, size_t size)
{
	const ProtobufCMessageDescriptor *descriptor = state_table_descriptor(table);
	ProtobufCMessage *record;
	struct row *row;

	record = descriptor ? protobuf_c_message_unpack(descriptor, NULL, size, data) : NULL;
	if (!record)
		return -EBADMSG;
	if (wire_check(record, NULL) < 0) {
		protobuf_c_message_free_unpacked(record, NULL);
		return -EBADMSG;
	}
	remove_row(state, table, id);
	row = mem_new(struct row);
	row->record = record;
	buf_append(&row->packed, data, size);
	row->digest = row_digest(table, id, &row->packed);
	state->digest = digest_set_add(state->digest, row->digest);
	state->bytes[table] += size;
	idmap_put(&state->tables[table], id, row);
	return 0;
}

void state_put(struct state *state, uint32_t table, uint64_t id, const ProtobufCMessage *record,
	       struct update *update)
{
	struct persist *persist = update_persist(update, PERSIST_PUT);
	size_t size = protobuf_c_message_get_packed_size(record);
	int r;

	persist->table = table;
	persist->id = id;
	persist->data.len += protobuf_c_message_pack(record, buf_reserve(&persist->data, size));
	r = state_load(state, table, id, persist->data.data, persist->data.len);
	/* Apply validates before it writes: a record beyond the limits is our own mistake. */
	assert(r == 0);
}

void state_del(struct state *state, uint32_t table, uint64_t id, struct update *update)
{
	struct persist *persist;

	if (!state_get(state, table, id))
		return;
	persist = update_persist(update, PERSIST_DEL);
	persist->table = table;
	persist->id = id;
	remove_row(state, table, id);
}

void state_set_position(struct state *state, uint64_t index, uint64_t epoch)
{
	state->index = index;
	state->epoch = epoch;
}
