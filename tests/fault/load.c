/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fault/load.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/mem.h"
#include "wire/message.h"

enum { PERSISTS_MAX = 64, ENTRIES_KEPT = 40, IDS = 24 };

struct batch {
	struct rng *rng;
	struct disk *model;
	struct persist *persists;
	size_t n;
	bool big;
};

static struct persist *add(struct batch *batch, enum persist_kind kind)
{
	struct persist *persist = &batch->persists[batch->n++];

	persist->kind = kind;
	return persist;
}

static void done(struct batch *batch, const struct persist *persist)
{
	disk_write(batch->model, persist);
}

static void noise(struct batch *batch, struct buf *out)
{
	size_t n = rng_below(batch->rng, batch->big ? 30000 : 300);
	uint64_t *words = (uint64_t *)(void *)buf_reserve(out, n + 8);

	for (size_t i = 0; i <= n / 8; i++)
		words[i] = rng_next(batch->rng);
	out->len = n;
}

/* ---------------------------------------------------------------- kinds */

static uint64_t first_entry(const struct disk *disk)
{
	uint64_t first = 0;

	if (idmap_count(&disk->entries))
		idmap_at(&disk->entries, 0, &first);
	return first;
}

static uint64_t last_entry(const struct disk *disk)
{
	size_t n = idmap_count(&disk->entries);
	uint64_t last = disk->index;

	if (n)
		idmap_at(&disk->entries, n - 1, &last);
	return last;
}

static void promise(struct batch *batch)
{
	struct persist *persist = add(batch, PERSIST_PROMISE);

	persist->value = batch->model->promised + 1 + rng_below(batch->rng, 3);
	done(batch, persist);
}

/* Of a cluster of two: one goes on alone, and they are together again. */
static void part(struct batch *batch)
{
	struct persist *persist = add(batch, PERSIST_ALONE);

	persist->value = batch->model->promised;
	persist->index = rng_next(batch->rng) >> 1;
	done(batch, persist);
	persist = add(batch, PERSIST_TOGETHER);
	persist->value = rng_next(batch->rng) >> 1;
	persist->index = 1 + rng_below(batch->rng, 63);
	done(batch, persist);
}

static void append(struct batch *batch)
{
	for (uint32_t n = 1 + rng_below(batch->rng, 6); n > 0; n--) {
		struct persist *persist = add(batch, PERSIST_APPEND);

		persist->index = last_entry(batch->model) + 1;
		persist->epoch = batch->model->promised;
		noise(batch, &persist->data);
		done(batch, persist);
	}
}

static void cut(struct batch *batch)
{
	uint64_t last = last_entry(batch->model), back = rng_below(batch->rng, 4);
	struct persist *persist = add(batch, PERSIST_CUT);

	persist->value = back < last ? last - back : 0;
	done(batch, persist);
	append(batch);
}

static void trim(struct batch *batch)
{
	uint64_t first = first_entry(batch->model);
	size_t n = idmap_count(&batch->model->entries);
	struct persist *persist = add(batch, PERSIST_TRIM);

	persist->value = first + rng_below(batch->rng, (uint32_t)n + 1);
	done(batch, persist);
}

static void put(struct batch *batch, uint32_t table)
{
	struct persist *persist = add(batch, PERSIST_PUT);

	persist->table = table;
	persist->id = 1 + rng_below(batch->rng, IDS);
	if (table == WIRE__TABLE__TABLE_VM) {
		Wire__Vm vm = WIRE__VM__INIT;
		char name[40];

		snprintf(name, sizeof(name), "vm%u", rng_below(batch->rng, 100000));
		vm.id = persist->id;
		vm.name = name;
		vm.generation = rng_next(batch->rng);
		wire_pack(&vm.base, &persist->data);
	} else
		noise(batch, &persist->data);
	done(batch, persist);
}

static void apply(struct batch *batch)
{
	struct persist *persist;

	for (uint32_t n = rng_below(batch->rng, 5); n > 0; n--) {
		uint32_t table = 1 + rng_below(batch->rng, WIRE__TABLE__TABLE_REQUEST);

		if (rng_permille(batch->rng, 250)) {
			persist = add(batch, PERSIST_DEL);
			persist->table = table;
			persist->id = 1 + rng_below(batch->rng, IDS);
			done(batch, persist);
		} else
			put(batch, table);
	}
	persist = add(batch, PERSIST_APPLIED);
	persist->value = persist->index = last_entry(batch->model);
	persist->epoch = batch->model->promised;
	done(batch, persist);
}

static void snapshot(struct batch *batch)
{
	struct persist *persist = add(batch, PERSIST_WIPE);
	uint64_t index = last_entry(batch->model);

	done(batch, persist);
	for (uint32_t n = rng_below(batch->rng, 30); n > 0; n--)
		put(batch, 1 + rng_below(batch->rng, WIRE__TABLE__TABLE_REQUEST));
	persist = add(batch, PERSIST_APPLIED);
	persist->value = persist->index = index + rng_below(batch->rng, 20);
	persist->epoch = batch->model->promised;
	done(batch, persist);
}

struct persist *load_batch(struct rng *rng, struct disk *model, bool big, size_t *ret_n)
{
	struct batch batch = { rng, model, mem_new_array(struct persist, PERSISTS_MAX), 0, big };
	uint32_t dice = rng_below(rng, 100);

	if (dice < 15)
		promise(&batch);
	if (dice < 5)
		part(&batch);
	else if (dice < 20)
		cut(&batch);
	else if (dice < 23)
		snapshot(&batch);
	else if (dice < 80)
		append(&batch);
	if (dice >= 60 || batch.n == 0)
		apply(&batch);
	if (idmap_count(&model->entries) > ENTRIES_KEPT)
		trim(&batch);
	*ret_n = batch.n;
	return batch.persists;
}

void load_free(struct persist *persists, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_free(&persists[i].data);
	free(persists);
}

/* ---------------------------------------------------------------- reading */

static int read_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	struct persist persist = { .kind = PERSIST_PUT, .table = table, .id = id };

	buf_append(&persist.data, data, size);
	disk_write(context, &persist);
	buf_free(&persist.data);
	return 0;
}

static int read_entry(void *context, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	struct persist persist = { .kind = PERSIST_APPEND, .index = index, .epoch = epoch };

	buf_append(&persist.data, data, size);
	disk_write(context, &persist);
	buf_free(&persist.data);
	return 0;
}

int load_read(struct store *store, struct disk *ret)
{
	int error;

	*ret = (struct disk){ .promised = store_promised(store), .id = store_disk_id(store) };
	error = store_each_record(store, read_record, ret);
	if (!error)
		error = store_each_entry(store, read_entry, ret);
	store_applied(store, &ret->index, &ret->epoch);
	store_alone(store, &ret->alone, &ret->alone_voters);
	store_together(store, &ret->together, &ret->together_voters);
	if (error)
		disk_wipe(ret);
	return error;
}

static uint64_t add_bytes(uint64_t digest, const struct buf *data)
{
	return digest_add(digest_add_u64(digest, data->len), data->data, data->len);
}

uint64_t load_digest(const struct disk *disk)
{
	uint64_t digest = digest_add_u64(digest_add_u64(digest_add_u64(
		digest_start(), disk->promised), disk->index), disk->epoch);

	digest = digest_add_u64(digest_add_u64(digest, disk->alone), disk->alone_voters);
	digest = digest_add_u64(digest_add_u64(digest, disk->together), disk->together_voters);

	for (size_t i = 0; i < idmap_count(&disk->entries); i++) {
		const struct persist *entry = idmap_at(&disk->entries, i, NULL);

		digest = digest_add_u64(digest_add_u64(digest, entry->index), entry->epoch);
		digest = add_bytes(digest, &entry->data);
	}
	for (uint32_t table = 1; table < DISK_TABLES; table++)
		for (size_t i = 0; i < idmap_count(&disk->records[table]); i++) {
			uint64_t id;
			const struct buf *record = idmap_at(&disk->records[table], i, &id);

			digest = digest_add_u64(digest_add_u64(digest, table), id);
			digest = add_bytes(digest, record);
		}
	return digest_finish(digest);
}
