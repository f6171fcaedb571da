/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disk itself: nothing is to be done for it, and what fails is what was asked to. */
#include "tests/sim/medium.h"

#include <stdlib.h>

#include "base/mem.h"

int medium_load(const struct disk *disk, const struct build *build, struct core *core)
{
	const struct disk_entry *entry;
	int r = 0;

	build->load_promise(core, disk->promised);
	build->load_alone(core, disk->alone, disk->alone_voters);
	build->load_together(core, disk->together, disk->together_voters);
	build->load_applied(core, disk->applied, disk->applied_epoch);
	/* One that cannot be read is counted, and told of at the end. */
	for (uint32_t table = 0; table < DISK_TABLES; table++)
		for (size_t i = 0; i < idmap_count(&disk->records[table]); i++) {
			uint64_t id;
			const struct buf *record = idmap_at(&disk->records[table], i, &id);

			build->load_record(core, table, id, record->data, record->len);
		}
	idmap_each(&disk->log, i, entry)
		if (r == 0)
			r = build->load_entry(core, entry->index, entry->epoch,
					      entry->command.data, entry->command.len);
	return r ? r : build->load_done(core);
}

static void model_begin(uint64_t seed)
{
}

static struct medium *model_create(uint32_t node, uint64_t seed)
{
	struct medium *medium = mem_new(struct medium);

	medium->kind = &medium_model;
	medium->node = node;
	return medium;
}

static void model_free(struct medium *medium)
{
	free(medium);
}

static bool model_found(struct medium *medium, uint64_t id, const struct persist *persists,
			size_t n)
{
	return true;
}

static enum medium_found model_open(struct medium *medium, const struct disk *disk,
				    const struct disk *other, bool may_lose)
{
	if (medium->fault == MEDIUM_READ) {
		medium->fault = MEDIUM_WELL;
		return MEDIUM_FAILED;
	}
	return may_lose ? MEDIUM_DAMAGED : MEDIUM_AS_IT_IS;
}

static enum medium_found model_write(struct medium *medium, const struct disk *disk, size_t n,
				     bool rested)
{
	return medium->fault == MEDIUM_WELL || medium->fault == MEDIUM_READ
		? MEDIUM_AS_IT_IS : MEDIUM_FAILED;
}

static bool model_end(struct medium *medium, const struct disk *disk, size_t n,
		      enum medium_end how)
{
	return true;
}

static void model_nothing(struct medium *medium)
{
}

static bool model_set_aside(struct medium *medium)
{
	return true;
}

static bool model_flip(struct medium *medium, uint64_t draw)
{
	return true;
}

const struct medium_kind medium_model = {
	.name = "model",
	.begin = model_begin,
	.create = model_create,
	.free = model_free,
	.found = model_found,
	.open = model_open,
	.write = model_write,
	.end = model_end,
	.copy = model_nothing,
	.turn_back = model_nothing,
	.wipe = model_nothing,
	.set_aside = model_set_aside,
	.flip = model_flip,
};
