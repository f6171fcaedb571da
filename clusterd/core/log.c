/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void rlog_init(struct rlog *log, size_t keep)
{
	*log = (struct rlog){ .keep = keep ? keep : RLOG_KEEP };
}

static struct rlog_entry *held(const struct rlog *log, size_t position)
{
	assert(position < log->n);
	return &log->entries[log->head + position];
}

static void drop_front(struct rlog *log)
{
	struct rlog_entry *entry = held(log, 0);

	log->bytes -= entry->command.len;
	log->below++;
	log->below_epoch = entry->epoch;
	buf_free(&entry->command);
	log->head++;
	log->n--;
}

static void drop_back(struct rlog *log)
{
	struct rlog_entry *entry = held(log, log->n - 1);

	log->bytes -= entry->command.len;
	buf_free(&entry->command);
	log->n--;
}

void rlog_free(struct rlog *log)
{
	while (log->n > 0)
		drop_back(log);
	free(log->entries);
	rlog_init(log, log->keep);
}

void rlog_stand(struct rlog *log, uint64_t below, uint64_t epoch)
{
	assert(log->n == 0);
	log->below = below;
	log->below_epoch = epoch;
}

/* ---------------------------------------------------------------- reading */

uint64_t rlog_first(const struct rlog *log)
{
	return log->below + 1;
}

uint64_t rlog_last(const struct rlog *log)
{
	return log->below + log->n;
}

const struct rlog_entry *rlog_at(const struct rlog *log, uint64_t index)
{
	if (index <= log->below || index > rlog_last(log))
		return NULL;
	return held(log, index - log->below - 1);
}

uint64_t rlog_epoch(const struct rlog *log, uint64_t index)
{
	const struct rlog_entry *entry = rlog_at(log, index);

	if (entry)
		return entry->epoch;
	return index == log->below ? log->below_epoch : 0;
}

uint64_t rlog_durable(const struct rlog *log, uint64_t batch)
{
	size_t n = log->n;

	/* Batches rise with the index, and what is not on disk yet is a short end. */
	while (n > 0 && held(log, n - 1)->batch > batch)
		n--;
	return log->below + n;
}

/* ---------------------------------------------------------------- changing */

/* Room behind the last entry; the room in front, left by trims, is used first. */
static void make_room(struct rlog *log)
{
	if (log->head + log->n < log->cap)
		return;
	if (log->head > log->cap / 2) {
		memmove(log->entries, log->entries + log->head, log->n * sizeof(*log->entries));
		log->head = 0;
		return;
	}
	log->cap = log->cap ? log->cap * 2 : 64;
	log->entries = mem_resize(log->entries, log->cap, sizeof(*log->entries));
}

static void add(struct rlog *log, uint64_t epoch, const void *command, size_t size, uint64_t batch)
{
	struct rlog_entry *entry;

	make_room(log);
	log->n++;
	entry = held(log, log->n - 1);
	*entry = (struct rlog_entry){ .epoch = epoch, .batch = batch };
	buf_append(&entry->command, command, size);
	log->bytes += size;
}

static void persist_entry(const struct rlog *log, uint64_t index, struct update *update)
{
	const struct rlog_entry *entry = rlog_at(log, index);
	struct persist *persist = update_persist(update, PERSIST_APPEND);

	persist->index = index;
	persist->epoch = entry->epoch;
	buf_append(&persist->data, entry->command.data, entry->command.len);
}

void rlog_load(struct rlog *log, uint64_t epoch, const void *command, size_t size)
{
	add(log, epoch, command, size, 0);
}

void rlog_append(struct rlog *log, uint64_t epoch, const void *command, size_t size,
		 uint64_t batch, struct update *update)
{
	assert(log->n == 0 || held(log, log->n - 1)->batch <= batch);
	assert(epoch >= rlog_epoch(log, rlog_last(log)));
	add(log, epoch, command, size, batch);
	persist_entry(log, rlog_last(log), update);
}

void rlog_cut(struct rlog *log, uint64_t above, struct update *update)
{
	assert(above >= log->below);
	if (above >= rlog_last(log))
		return;
	while (rlog_last(log) > above)
		drop_back(log);
	update_persist(update, PERSIST_CUT)->value = above;
}

static bool beyond(const struct rlog *log, size_t keep, size_t keep_bytes)
{
	return log->n > keep || log->bytes > keep_bytes;
}

void rlog_trim(struct rlog *log, uint64_t applied, struct update *update)
{
	uint64_t below = log->below;

	if (!beyond(log, log->keep + log->keep / 8, RLOG_KEEP_BYTES + RLOG_KEEP_BYTES / 8))
		return;
	while (beyond(log, log->keep, RLOG_KEEP_BYTES) && log->below < applied)
		drop_front(log);
	if (log->below != below)
		update_persist(update, PERSIST_TRIM)->value = rlog_first(log);
}

void rlog_restart(struct rlog *log, uint64_t index, uint64_t epoch, uint64_t batch,
		  struct update *update)
{
	if (index < rlog_last(log) && rlog_epoch(log, index) == epoch) {
		while (log->below < index)
			drop_front(log);
	} else {
		while (log->n > 0)
			drop_back(log);
		rlog_stand(log, index, epoch);
	}
	for (size_t i = 0; i < log->n; i++) {
		held(log, i)->batch = batch;
		persist_entry(log, rlog_first(log) + i, update);
	}
}
