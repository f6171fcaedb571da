/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct disk *disk_new(uint64_t id)
{
	struct disk *disk = mem_new(struct disk);

	disk->id = id;
	return disk;
}

static void entry_free(void *value)
{
	struct disk_entry *entry = value;

	buf_free(&entry->command);
	free(entry);
}

static void record_free(void *value)
{
	struct buf *record = value;

	if (record)
		buf_free(record);
	free(record);
}

static void batch_free(struct disk_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		buf_free(&batch->persists[i].data);
	free(batch->persists);
}

static void wipe(struct disk *disk)
{
	idmap_free(&disk->log, entry_free);
	for (size_t i = 0; i < DISK_TABLES; i++)
		idmap_free(&disk->records[i], record_free);
}

void disk_free(struct disk *disk)
{
	if (!disk)
		return;
	disk_crash(disk);
	wipe(disk);
	free(disk->queue);
	free(disk);
}

static struct buf copy_bytes(const struct buf *bytes)
{
	struct buf copy = { 0 };

	buf_append(&copy, bytes->data, bytes->len);
	return copy;
}

struct disk *disk_copy(const struct disk *disk)
{
	struct disk *copy = disk_new(disk->id);
	const struct disk_entry *entry;

	copy->promised = disk->promised;
	copy->alone = disk->alone;
	copy->alone_voters = disk->alone_voters;
	copy->together = disk->together;
	copy->together_voters = disk->together_voters;
	copy->applied = disk->applied;
	copy->applied_epoch = disk->applied_epoch;
	idmap_each(&disk->log, i, entry) {
		struct disk_entry *own = mem_new(struct disk_entry);

		*own = *entry;
		own->command = copy_bytes(&entry->command);
		idmap_put(&copy->log, own->index, own);
	}
	for (size_t table = 0; table < DISK_TABLES; table++)
		for (size_t i = 0; i < idmap_count(&disk->records[table]); i++) {
			struct buf *record = mem_new(struct buf);
			uint64_t id;

			*record = copy_bytes(idmap_at(&disk->records[table], i, &id));
			idmap_put(&copy->records[table], id, record);
		}
	return copy;
}

void disk_crash(struct disk *disk)
{
	for (size_t i = 0; i < disk->queued; i++)
		batch_free(&disk->queue[i]);
	disk->queued = 0;
}

void disk_submit(struct disk *disk, struct update *update)
{
	struct disk_batch batch = {
		.seq = update->persist_seq,
		.persists = update->persists,
		.n = update->persists_n,
	};

	if (batch.n == 0)
		return;
	if (disk->queued == disk->queue_cap) {
		disk->queue_cap = disk->queue_cap ? disk->queue_cap * 2 : 16;
		disk->queue = mem_resize(disk->queue, disk->queue_cap, sizeof(*disk->queue));
	}
	if (batch.seq == 0 || (disk->queued && disk->queue[disk->queued - 1].seq >= batch.seq))
		disk->wrong = "batches without order";
	disk->queue[disk->queued++] = batch;
	update->persists = NULL;
	update->persists_n = update->persists_cap = 0;
}

uint64_t disk_last(const struct disk *disk)
{
	const struct disk_entry *entry;

	if (idmap_count(&disk->log) == 0)
		return disk->applied;
	entry = idmap_at(&disk->log, idmap_count(&disk->log) - 1, NULL);
	return entry->index;
}

uint64_t disk_epoch(const struct disk *disk, uint64_t index)
{
	const struct disk_entry *entry = idmap_get(&disk->log, index);

	return entry ? entry->epoch : 0;
}

uint64_t disk_last_epoch(const struct disk *disk)
{
	return idmap_count(&disk->log) ? disk_epoch(disk, disk_last(disk)) : disk->applied_epoch;
}

/* ---------------------------------------------------------------- one persist */

static void do_append(struct disk *disk, struct persist *persist)
{
	struct disk_entry *entry = mem_new(struct disk_entry);

	if (idmap_count(&disk->log) ? persist->index != disk_last(disk) + 1 : persist->index == 0)
		disk->wrong = "a gap in the log";
	entry->index = persist->index;
	entry->epoch = persist->epoch;
	entry->command = persist->data;
	persist->data = (struct buf){ 0 };
	entry = idmap_put(&disk->log, persist->index, entry);
	if (entry)
		entry_free(entry);
}

/* Removes entries below `from` or above `to`. */
static void do_keep(struct disk *disk, uint64_t from, uint64_t to)
{
	for (size_t i = idmap_count(&disk->log); i-- > 0;) {
		uint64_t index;

		idmap_at(&disk->log, i, &index);
		if (index < from || index > to)
			entry_free(idmap_remove(&disk->log, index));
	}
}

static void do_put(struct disk *disk, struct persist *persist)
{
	struct buf *record = mem_new(struct buf);

	*record = persist->data;
	persist->data = (struct buf){ 0 };
	record_free(idmap_put(&disk->records[persist->table % DISK_TABLES], persist->id, record));
}

static void do_persist(struct disk *disk, struct persist *persist)
{
	switch (persist->kind) {
	case PERSIST_PROMISE:
		if (persist->value <= disk->promised)
			disk->wrong = "a promise that is not higher";
		disk->promised = persist->value;
		break;
	case PERSIST_ALONE:
		if (persist->value != disk->promised)
			disk->wrong = "an epoch opened alone that is not the promised one";
		disk->alone = persist->value;
		disk->alone_voters = persist->index;
		break;
	case PERSIST_TOGETHER:
		disk->together = persist->value;
		disk->together_voters = persist->index;
		break;
	case PERSIST_CUT:
		if (persist->value < disk->applied)
			disk->wrong = "an applied entry cut";
		do_keep(disk, 0, persist->value);
		disk->removed = true;
		break;
	case PERSIST_APPEND:
		do_append(disk, persist);
		break;
	case PERSIST_TRIM:
		if (persist->value > disk->applied + 1)
			disk->wrong = "an entry trimmed that is not applied";
		do_keep(disk, persist->value, UINT64_MAX);
		break;
	case PERSIST_PUT:
		do_put(disk, persist);
		break;
	case PERSIST_DEL:
		record_free(idmap_remove(&disk->records[persist->table % DISK_TABLES],
					 persist->id));
		break;
	case PERSIST_APPLIED:
		disk->applied = persist->index;
		disk->applied_epoch = persist->epoch;
		break;
	case PERSIST_WIPE:
		wipe(disk);
		disk->removed = true;
		break;
	}
}

uint64_t disk_sync(struct disk *disk, size_t n)
{
	uint64_t seq = 0;

	if (n > disk->queued)
		n = disk->queued;
	for (size_t i = 0; i < n; i++) {
		struct disk_batch *batch = &disk->queue[i];

		for (size_t k = 0; k < batch->n; k++)
			do_persist(disk, &batch->persists[k]);
		seq = batch->seq;
		batch_free(batch);
		if (disk_last(disk) < disk->applied)
			disk->wrong = "a state that is ahead of the log";
	}
	if (n == 0)
		return 0;
	disk->queued -= n;
	memmove(disk->queue, disk->queue + n, disk->queued * sizeof(*disk->queue));
	return seq;
}

struct disk *disk_copy_with(const struct disk *disk, size_t n)
{
	struct disk *copy = disk_copy(disk);

	for (size_t i = 0; i < n && i < disk->queued; i++)
		for (size_t k = 0; k < disk->queue[i].n; k++) {
			struct persist persist = disk->queue[i].persists[k];

			persist.data = copy_bytes(&persist.data);
			do_persist(copy, &persist);
			buf_free(&persist.data);
		}
	return copy;
}
