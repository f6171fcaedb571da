/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_private.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "clusterd/core/state.h"

_Static_assert(STORE_QUEUE_MAX >= STATE_BYTES_MAX + 16 * 1024 * 1024, "a snapshot is a batch");

enum {
	WAL_PAGES_MAX = 4096,	/* 16 MiB: then a checkpoint whatever waits */
	WAL_PAGES_IDLE = 64,	/* worth one when nothing waits */
	IDLE_MS = 1000,
};

struct batch {
	struct batch *next;
	struct persist *persists;
	size_t n, bytes;
	uint64_t seq;
};

/* ---------------------------------------------------------------- writing */

static int write_batches(struct store *store, const struct batch *batches)
{
	int result = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (const struct batch *batch = batches; batch; batch = batch->next)
		for (size_t i = 0; result == SQLITE_OK && i < batch->n; i++)
			result = store_writer_persist(store->writer, &batch->persists[i]);
	if (result == SQLITE_OK)
		result = store_writer_seal(store->writer);
	if (result == SQLITE_OK)
		result = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
	return store_error_of(result);
}

int store_write_now(struct store *store, const struct persist *persists, size_t n)
{
	const struct batch batch = { .persists = (struct persist *)persists, .n = n };

	int error, again;

	assert(!store->started);
	error = write_batches(store, &batch);
	if (!error)
		return 0;
	/* SQLite may have rolled back by itself. */
	if (!sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	again = store_writer_reload(store->writer);
	return again ? again : error;
}

/*
 * The WAL is empty then: one that was only carried over would be written from its start, over
 * frames that may be nearly the same, and where power cut that off it looks like damage
 * (store_wal.c).
 */
static int checkpoint(struct store *store)
{
	int result = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
					       NULL);

	store->wal_pages = 0;
	return (result & 0xff) == SQLITE_BUSY ? 0 : store_error_of(result);
}

static void free_batches(struct batch *batches)
{
	while (batches) {
		struct batch *batch = batches;

		batches = batch->next;
		for (size_t i = 0; i < batch->n; i++)
			buf_free(&batch->persists[i].data);
		free(batch->persists);
		free(batch);
	}
}

void store_tell(struct store *store)
{
	const uint64_t one = 1;

	/* Only full when the loop has not read it, which is just as good. */
	if (write(store->event, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

/* Everything that waits. Called with the lock held. */
static struct batch *take_all(struct store *store)
{
	struct batch *batches = store->head;

	store->head = NULL;
	store->tail = &store->head;
	store->queued = 0;
	return batches;
}

/* The same; waits for it. NULL: nothing came for a while, or a copy has its turn. */
static struct batch *take(struct store *store)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_MS / 1000;
	while (!store->head && !store->closing && !store_copy_is_due(store)) {
		if (store->wal_pages < WAL_PAGES_IDLE)
			pthread_cond_wait(&store->work, &store->lock);
		else if (pthread_cond_timedwait(&store->work, &store->lock, &until) == ETIMEDOUT)
			break;
	}
	return take_all(store);
}

static void finish(struct store *store, const struct batch *batches, int error)
{
	if (error)
		store_freeze(store, true);
	pthread_mutex_lock(&store->lock);
	if (error) {
		store->failed = true;
		store_describe(store, error, NULL, store->why, sizeof(store->why));
	} else
		for (; batches; batches = batches->next)
			store->durable = batches->seq;
	pthread_mutex_unlock(&store->lock);
	store_tell(store);
}

/* busy: there is something else to do, so that nothing is done in advance. */
static int write_round(struct store *store, struct batch *batches, bool busy)
{
	bool idle = !batches && !busy;
	int error = 0;

	if (batches) {
		error = write_batches(store, batches);
		finish(store, batches, error);
		free_batches(batches);
	}
	if (!error && (store->wal_pages >= WAL_PAGES_MAX ||
		       (idle && store->wal_pages >= WAL_PAGES_IDLE)))
		error = checkpoint(store);
	if (error)
		finish(store, NULL, error);
	return error;
}

static void *write_for_ever(void *context)
{
	struct store *store = context;
	struct batch *batches;
	bool last = false, copy;
	int error = 0;

	while (!error && !last) {
		pthread_mutex_lock(&store->lock);
		batches = take(store);
		last = store->closing && !batches;
		copy = store_copy_is_due(store);
		pthread_mutex_unlock(&store->lock);
		error = write_round(store, batches, copy);
		if (!error && copy)
			store_copy_turn(store);
	}
	return NULL;
}

int store_write_round(struct store *store)
{
	struct batch *batches;

	assert(!store->started && !store->failed);
	pthread_mutex_lock(&store->lock);
	batches = take_all(store);
	pthread_mutex_unlock(&store->lock);
	return write_round(store, batches, false);
}

/* ---------------------------------------------------------------- the loop's side */

int store_open_schema(const char *dir, const struct store_schema *schema, struct store **ret,
		      char *ret_why, size_t size)
{
	struct store *store = mem_new(struct store);
	pthread_condattr_t clock;
	int error;

	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->work, &clock);
	pthread_condattr_destroy(&clock);
	store->tail = &store->head;
	snprintf(store->dir, sizeof(store->dir), "%s", dir);
	store->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = store->event < 0 ? -errno : store_open_file(store, schema, ret_why,
								     size);
	if (error) {
		store_close(store);
		return error;
	}
	*ret = store;
	return 0;
}

int store_open(const char *dir, struct store **ret, char *ret_why, size_t size)
{
	return store_open_schema(dir, &store_schema, ret, ret_why, size);
}

int store_start(struct store *store)
{
	sigset_t all, before;
	int error;

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&store->thread, NULL, write_for_ever, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	store->started = error == 0;
	return -error;
}

int store_fd(const struct store *store)
{
	return store->event;
}

int store_submit(struct store *store, struct persist *persists, size_t n, uint64_t seq)
{
	struct batch *batch = mem_new(struct batch);
	int error = 0;

	*batch = (struct batch){ .persists = persists, .n = n, .seq = seq };
	for (size_t i = 0; i < n; i++)
		batch->bytes += sizeof(*persists) + persists[i].data.len;
	pthread_mutex_lock(&store->lock);
	if (store->queued + batch->bytes > STORE_QUEUE_MAX)
		error = -ENOSPC;
	else {
		*store->tail = batch;
		store->tail = &batch->next;
		store->queued += batch->bytes;
		pthread_cond_signal(&store->work);
	}
	pthread_mutex_unlock(&store->lock);
	if (error)
		free_batches(batch);
	return error;
}

int store_poll(struct store *store, uint64_t *ret_durable, char *ret_why, size_t size)
{
	uint64_t count;
	bool failed;

	if (read(store->event, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
	pthread_mutex_lock(&store->lock);
	*ret_durable = store->durable;
	failed = store->failed;
	if (failed)
		snprintf(ret_why, size, "%s", store->why);
	pthread_mutex_unlock(&store->lock);
	return failed ? -EIO : 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->started) {
		pthread_mutex_lock(&store->lock);
		store->closing = true;
		pthread_cond_signal(&store->work);
		pthread_mutex_unlock(&store->lock);
		pthread_join(store->thread, NULL);
	}
	store_copy_free(store);
	free_batches(store->head);
	store_writer_free(store->writer);
	sqlite3_close(store->db);
	if (store->event >= 0)
		close(store->event);
	pthread_cond_destroy(&store->work);
	pthread_mutex_destroy(&store->lock);
	free(store);
}
