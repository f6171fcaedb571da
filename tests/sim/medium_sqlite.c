/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's own store as a medium: each machine has a crashfs, and SQLite with the store above
 * it. What the store's thread does is done here when the world's clock says that it is done.
 */
#include "tests/sim/medium.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/store_private.h"
#include "tests/fault/crashfs.h"

struct real {
	struct medium base;
	struct crashfs *fs;
	struct crashfs_copy *copy;	/* NULL: none */
	struct store *store;		/* NULL: no daemon */
	uint64_t durable;		/* as the store has told */
	bool failed;			/* so it has told */
};

static struct real *real_of(struct medium *medium)
{
	return (struct real *)medium;
}

static bool wrong(struct medium *medium, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool wrong(struct medium *medium, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(medium->why, sizeof(medium->why), format, args);
	va_end(args);
	return false;
}

/* ---------------------------------------------------------------- life */

static void real_begin(uint64_t seed)
{
	crashfs_same_chance(seed);
}

static struct medium *real_create(uint32_t node, uint64_t seed)
{
	struct real *real = mem_new(struct real);

	real->base.kind = &medium_sqlite;
	real->base.node = node;
	real->base.rng.state = seed + node;
	real->fs = crashfs_new(rng_next(&real->base.rng));
	return &real->base;
}

static void real_free(struct medium *medium)
{
	struct real *real = real_of(medium);

	if (!real)
		return;
	store_close(real->store);
	crashfs_copy_free(real->copy);
	crashfs_free(real->fs);
	free(real);
}

static int open_store(struct real *real, uint64_t id, char *why, size_t size)
{
	int error;

	crashfs_next_id(id);
	error = store_open(crashfs_dir(real->fs), &real->store, why, size);
	crashfs_next_id(0);
	return error;
}

static bool real_found(struct medium *medium, uint64_t id, const struct persist *persists,
		       size_t n)
{
	struct real *real = real_of(medium);
	char why[300];

	if (open_store(real, id, why, sizeof(why)) < 0)
		return wrong(medium, "no store to begin with: %s", why);
	if (store_write_now(real->store, persists, n) < 0)
		return wrong(medium, "the first entry cannot be written");
	store_close(steal_ptr(real->store));
	return true;
}

/* ---------------------------------------------------------------- is it the same? */

struct walk {
	const struct disk *disk;
	size_t records, entries;
};

static bool same_bytes(const struct buf *buf, const void *data, size_t size)
{
	return buf->len == size && (size == 0 || memcmp(buf->data, data, size) == 0);
}

static int same_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	struct walk *walk = context;
	const struct buf *record = idmap_get(&walk->disk->records[table % DISK_TABLES], id);

	walk->records++;
	return record && same_bytes(record, data, size) ? 0 : -ESTALE;
}

static int same_entry(void *context, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	struct walk *walk = context;
	const struct disk_entry *entry = idmap_get(&walk->disk->log, index);

	walk->entries++;
	return entry && entry->epoch == epoch && same_bytes(&entry->command, data, size)
		? 0 : -ESTALE;
}

static size_t records_of(const struct disk *disk)
{
	size_t n = 0;

	for (size_t table = 0; table < DISK_TABLES; table++)
		n += idmap_count(&disk->records[table]);
	return n;
}

static bool same_numbers(const struct store *store, const struct disk *disk)
{
	uint64_t index, epoch, alone, alone_voters, together, together_voters;

	store_applied(store, &index, &epoch);
	store_alone(store, &alone, &alone_voters);
	store_together(store, &together, &together_voters);
	return index == disk->applied && epoch == disk->applied_epoch &&
	       store_promised(store) == disk->promised && store_disk_id(store) == disk->id &&
	       alone == disk->alone && alone_voters == disk->alone_voters &&
	       together == disk->together && together_voters == disk->together_voters;
}

/* 0: it is that disk; -ESTALE: it is not; or what reading said. */
static int compare(struct store *store, const struct disk *disk)
{
	struct walk walk = { .disk = disk };
	int error = store_each_record(store, same_record, &walk);

	if (!error)
		error = store_each_entry(store, same_entry, &walk);
	if (!error && (walk.records != records_of(disk) ||
		       walk.entries != idmap_count(&disk->log) || !same_numbers(store, disk)))
		error = -ESTALE;
	return error;
}

/* ---------------------------------------------------------------- a daemon begins */

static int open_and_compare(struct real *real, const struct disk *disk, const struct disk *other,
			    enum medium_found *ret_found, char *why, size_t size)
{
	int error = open_store(real, disk->id, why, size);

	*ret_found = MEDIUM_AS_IT_IS;
	if (error)
		return error;
	snprintf(why, size, "what it holds");
	error = compare(real->store, disk);
	if (error == -ESTALE && other) {
		*ret_found = MEDIUM_OTHER;
		error = compare(real->store, other);
	}
	if (error)
		store_close(steal_ptr(real->store));
	return error;
}

static bool real_set_aside(struct medium *medium)
{
	struct real *real = real_of(medium);
	char name[300];

	store_close(steal_ptr(real->store));
	if (store_set_aside(crashfs_dir(real->fs), name, sizeof(name)) < 0)
		return wrong(medium, "the store cannot be set aside");
	crashfs_forget_damaged(real->fs);
	return true;
}

static enum medium_found begin_empty(struct real *real, const struct disk *disk)
{
	enum medium_found found;
	char why[300] = "";

	if (!real_set_aside(&real->base))
		return MEDIUM_WRONG;
	if (open_and_compare(real, disk, NULL, &found, why, sizeof(why)) == 0)
		return MEDIUM_DAMAGED;
	wrong(&real->base, "no store in the place of a damaged one: %s", why);
	return MEDIUM_WRONG;
}

static enum medium_found real_open(struct medium *medium, const struct disk *disk,
				   const struct disk *other, bool may_lose)
{
	struct real *real = real_of(medium);
	enum medium_found found;
	char why[300] = "";
	bool come;
	int error;

	crashfs_boot(real->fs);
	if (medium->fault == MEDIUM_READ) {
		crashfs_plan(real->fs, CRASHFS_READ, 1 + rng_below(&medium->rng, 40), 1);
		medium->fault = MEDIUM_WELL;
	}
	error = open_and_compare(real, disk, other, &found, why, sizeof(why));
	come = crashfs_calm(real->fs);
	if (error == -EBADMSG && may_lose)
		return begin_empty(real, disk);
	if (error && error != -EBADMSG && error != -ESTALE && come)
		return MEDIUM_FAILED;
	if (!error && store_node(real->store) != medium->node)
		error = store_set_node(real->store, medium->node);
	real->durable = 0;
	real->failed = false;
	if (!error)
		return found;
	wrong(medium, "its store %s (%d): %s", error == -ESTALE ? "does not hold what it should"
	      : error == -EBADMSG ? "is called damaged and is not" : "cannot be opened", error,
	      why);
	return MEDIUM_WRONG;
}

/* ---------------------------------------------------------------- writing */

static void submit(struct real *real, const struct disk *disk, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct disk_batch *batch = &disk->queue[i];
		struct persist *persists = mem_new_array(struct persist, batch->n);

		for (size_t k = 0; k < batch->n; k++) {
			persists[k] = batch->persists[k];
			persists[k].data = (struct buf){ 0 };
			buf_append(&persists[k].data, batch->persists[k].data.data,
				   batch->persists[k].data.len);
		}
		store_submit(real->store, persists, batch->n, batch->seq);
	}
}

enum told { TOLD_DONE, TOLD_FAILED, TOLD_BOTH };

/* As the loop hears of it. A store that fails has written nothing: it was one transaction. */
static enum told poll_store(struct real *real, char *why, size_t size)
{
	uint64_t before = real->durable;

	real->failed = store_poll(real->store, &real->durable, why, size) < 0;
	if (real->failed && real->durable != before)
		snprintf(why, size, "a store that failed says that it has written");
	return !real->failed ? TOLD_DONE : real->durable == before ? TOLD_FAILED : TOLD_BOTH;
}

static bool write_well(struct real *real, const struct disk *disk, size_t n)
{
	char why[300] = "";

	submit(real, disk, 0, n);
	store_write_round(real->store);
	if (poll_store(real, why, sizeof(why)) != TOLD_DONE)
		return wrong(&real->base, "its store failed: %s", why);
	if (n && real->durable != disk->queue[n - 1].seq)
		return wrong(&real->base, "its store does not say that it has written");
	return true;
}

static enum medium_found real_write(struct medium *medium, const struct disk *disk, size_t n,
				    bool rested)
{
	static const enum crashfs_fault faults[MEDIUM_FAULTS] = {
		[MEDIUM_WRITE] = CRASHFS_WRITE, [MEDIUM_FULL] = CRASHFS_FULL,
		[MEDIUM_SYNC] = CRASHFS_SYNC, [MEDIUM_POWER] = CRASHFS_POWER,
	};
	struct real *real = real_of(medium);
	enum medium_fault fault = medium->fault;
	char why[300] = "";
	enum told told;
	bool come;

	if (rested && !write_well(real, disk, 0))
		return MEDIUM_WRONG;
	if (fault == MEDIUM_WELL || fault == MEDIUM_READ)
		return write_well(real, disk, n) ? MEDIUM_AS_IT_IS : MEDIUM_WRONG;
	/* The second sync is that of a log whose header had to be written. */
	crashfs_plan(real->fs, faults[fault],
		     1 + rng_below(&medium->rng, fault == MEDIUM_SYNC ? 2 : 16), 1);
	submit(real, disk, 0, n);
	store_write_round(real->store);
	come = crashfs_calm(real->fs);
	told = poll_store(real, why, sizeof(why));
	if (come && told == TOLD_FAILED)
		return MEDIUM_FAILED;
	if (!come && told == TOLD_DONE)
		return MEDIUM_AS_IT_IS;
	wrong(medium, "%s", told == TOLD_DONE ? "a store whose disk failed says that it has written"
					      : why);
	return MEDIUM_WRONG;
}

/* ---------------------------------------------------------------- a daemon ends */

/* In the middle of a transaction; or of what is done with the log meanwhile; or of nothing. */
static bool break_off(struct real *real, const struct disk *disk, size_t n, bool power)
{
	char why[300] = "";

	submit(real, disk, n, disk->queued);
	crashfs_plan_end(real->fs, 1 + rng_below(&real->base.rng, 24), power);
	store_write_round(real->store);
	crashfs_calm(real->fs);
	if (crashfs_is_off(real->fs))
		return poll_store(real, why, sizeof(why)) == TOLD_FAILED ||
		       wrong(&real->base, "its store says that it has written without power");
	if (power)
		crashfs_cut(real->fs);
	else
		crashfs_kill(real->fs);
	return true;
}

static bool real_end(struct medium *medium, const struct disk *disk, size_t n,
		     enum medium_end how)
{
	struct real *real = real_of(medium);
	bool fine = true;

	if (real->store && !real->failed) {
		if (n)
			fine = write_well(real, disk, n);
		if (fine && how != MEDIUM_CLOSED)
			fine = break_off(real, disk, n, how == MEDIUM_DARK);
	} else if (how == MEDIUM_DARK && !crashfs_is_off(real->fs))
		crashfs_cut(real->fs);
	store_close(steal_ptr(real->store));
	return fine;
}

/* ---------------------------------------------------------------- files */

static void real_copy(struct medium *medium)
{
	struct real *real = real_of(medium);

	crashfs_copy_free(real->copy);
	real->copy = crashfs_save(real->fs);
}

static void real_turn_back(struct medium *medium)
{
	struct real *real = real_of(medium);

	crashfs_restore(real->fs, real->copy);
	crashfs_copy_free(steal_ptr(real->copy));
}

static void real_wipe(struct medium *medium)
{
	struct real *real = real_of(medium);

	crashfs_reset(real->fs, rng_next(&medium->rng));
}

static bool real_flip(struct medium *medium, uint64_t draw)
{
	struct real *real = real_of(medium);
	struct rng rng = { draw };
	const char *name = rng_below(&rng, 2) && crashfs_size(real->fs, "cluster.db-wal")
		? "cluster.db-wal" : "cluster.db";
	size_t size = crashfs_size(real->fs, name), bit;

	if (size == 0)
		return false;
	bit = 8 * (size_t)(rng_next(&rng) % size) + rng_below(&rng, 8);
	if (crashfs_flip(real->fs, name, bit))
		return true;
	/* The only bit of a sector of the log might never have been written, too. */
	crashfs_flip(real->fs, name, bit);
	return false;
}

const struct medium_kind medium_sqlite = {
	.name = "sqlite",
	.begin = real_begin,
	.create = real_create,
	.free = real_free,
	.found = real_found,
	.open = real_open,
	.write = real_write,
	.end = real_end,
	.copy = real_copy,
	.turn_back = real_turn_back,
	.wipe = real_wipe,
	.set_aside = real_set_aside,
	.flip = real_flip,
};
