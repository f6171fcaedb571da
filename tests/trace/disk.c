/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/trace/disk.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

static void disk_entry_free(void *value)
{
	struct persist *entry = value;

	buf_free(&entry->data);
	free(entry);
}

static void disk_record_free(void *value)
{
	buf_free(value);
	free(value);
}

void disk_wipe(struct disk *disk)
{
	idmap_free(&disk->entries, disk_entry_free);
	for (unsigned t = 0; t < DISK_TABLES; t++)
		idmap_free(&disk->records[t], disk_record_free);
	disk->index = disk->epoch = 0;
}

void disk_forget(struct disk *disk)
{
	disk->promised = disk->index = disk->epoch = 0;
	disk->alone = disk->alone_voters = disk->together = disk->together_voters = 0;
}

static void drop_entries(struct disk *disk, uint64_t below, uint64_t above)
{
	for (size_t i = idmap_count(&disk->entries); i-- > 0;) {
		uint64_t index;

		idmap_at(&disk->entries, i, &index);
		if (index < below || index > above)
			disk_entry_free(idmap_remove(&disk->entries, index));
	}
}

static void disk_put(struct disk *disk, const struct persist *p)
{
	struct buf *record = mem_new(struct buf);
	void *old;

	buf_append(record, p->data.data, p->data.len);
	old = idmap_put(&disk->records[p->table], p->id, record);
	if (old)
		disk_record_free(old);
}

static void disk_append(struct disk *disk, const struct persist *p)
{
	struct persist *entry = mem_new(struct persist);
	void *old;

	*entry = *p;
	entry->data = (struct buf){ 0 };
	buf_append(&entry->data, p->data.data, p->data.len);
	old = idmap_put(&disk->entries, p->index, entry);
	if (old)
		disk_entry_free(old);
}

void disk_write(struct disk *disk, const struct persist *p)
{
	void *old;

	switch (p->kind) {
	case PERSIST_PROMISE:
		disk->promised = p->value;
		break;
	case PERSIST_ALONE:
		disk->alone = p->value;
		disk->alone_voters = p->index;
		break;
	case PERSIST_TOGETHER:
		disk->together = p->value;
		disk->together_voters = p->index;
		break;
	case PERSIST_CUT:
		drop_entries(disk, 0, p->value);
		break;
	case PERSIST_TRIM:
		drop_entries(disk, p->value, UINT64_MAX);
		break;
	case PERSIST_APPEND:
		disk_append(disk, p);
		break;
	case PERSIST_PUT:
		disk_put(disk, p);
		break;
	case PERSIST_DEL:
		old = idmap_remove(&disk->records[p->table], p->id);
		if (old)
			disk_record_free(old);
		break;
	case PERSIST_APPLIED:
		disk->index = p->value;
		disk->epoch = p->epoch;
		break;
	case PERSIST_WIPE:
		disk_wipe(disk);
		break;
	}
}

struct disk disk_copy(const struct disk *disk)
{
	struct disk copy = { .promised = disk->promised, .id = disk->id };

	for (unsigned table = 0; table < DISK_TABLES; table++)
		for (size_t i = 0; i < idmap_count(&disk->records[table]); i++) {
			struct persist put = { .kind = PERSIST_PUT, .table = table };
			const struct buf *record = idmap_at(&disk->records[table], i, &put.id);

			buf_append(&put.data, record->data, record->len);
			disk_write(&copy, &put);
			buf_free(&put.data);
		}
	for (size_t i = 0; i < idmap_count(&disk->entries); i++)
		disk_write(&copy, idmap_at(&disk->entries, i, NULL));
	copy.alone = disk->alone;
	copy.alone_voters = disk->alone_voters;
	copy.together = disk->together;
	copy.together_voters = disk->together_voters;
	copy.index = disk->index;
	copy.epoch = disk->epoch;
	return copy;
}

void disk_load(const struct disk *disk, const struct build *build, struct core *core)
{
	int r = 0;

	build->load_promise(core, disk->promised);
	build->load_alone(core, disk->alone, disk->alone_voters);
	build->load_together(core, disk->together, disk->together_voters);
	build->load_applied(core, disk->index, disk->epoch);
	for (uint32_t t = 0; t < DISK_TABLES; t++)
		for (size_t i = 0; i < idmap_count(&disk->records[t]); i++) {
			uint64_t id;
			struct buf *record = idmap_at(&disk->records[t], i, &id);

			r |= build->load_record(core, t, id, record->data, record->len);
		}
	for (size_t i = 0; i < idmap_count(&disk->entries); i++) {
		struct persist *e = idmap_at(&disk->entries, i, NULL);

		r |= build->load_entry(core, e->index, e->epoch, e->data.data, e->data.len);
	}
	r |= build->load_done(core);
	assert(r == 0);
}
