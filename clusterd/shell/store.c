// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterd/shell/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "clusterd/core/state.h"
#include "clusterd/shell/store_write.h"

static const char schema[] =
#include "sql/schema.sql.h"
	;

_Static_assert(STORE_QUEUE_MAX >= STATE_BYTES_MAX + 16 * 1024 * 1024, "a snapshot is a batch");

enum {
	PATH_MAX_BYTES = 256,
	WHY_BYTES = 300,
	WAL_PAGES_MAX = 4096,	/* 16 MiB: then a checkpoint whatever waits */
	WAL_PAGES_IDLE = 64,	/* worth one when nothing waits */
	IDLE_S = 1,
};

struct batch {
	struct batch *next;
	struct persist *persists;
	size_t n, bytes;
	uint64_t seq;
};

struct store {
	sqlite3 *db;
	struct store_writer *writer;
	char dir[PATH_MAX_BYTES];
	int event;
	int wal_pages;		/* writing thread, and before it is there */

	pthread_t thread;
	bool started;
	pthread_mutex_t lock;	/* of all below */
	pthread_cond_t work;
	struct batch *head, **tail;
	size_t queued;
	bool closing, failed;
	uint64_t durable;
	char why[WHY_BYTES];
};

/* ---------------------------------------------------------------- small SQL */

/* The errno of an SQLite result; damage is told apart from a disk that fails. */
static int error_of(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

static int run(struct store *store, const char *sql)
{
	return error_of(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

/* The first column of the first row as a text or a number; -ENOENT without a row. */
static int ask_text(struct store *store, const char *sql, char *ret, size_t size)
{
	sqlite3_stmt *statement = NULL;
	const unsigned char *text;
	int result;

	result = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW) {
		text = sqlite3_column_text(statement, 0);
		snprintf(ret, size, "%s", text ? (const char *)text : "");
	}
	sqlite3_finalize(statement);
	return result == SQLITE_DONE ? -ENOENT : error_of(result);
}

static int ask_number(struct store *store, const char *sql, uint64_t *ret)
{
	char text[32];
	int error = ask_text(store, sql, text, sizeof(text));

	if (!error)
		*ret = (uint64_t)strtoll(text, NULL, 10);
	return error;
}

static uint64_t meta(const struct store *store, const char *key)
{
	char sql[80];
	uint64_t value = 0;

	snprintf(sql, sizeof(sql), "SELECT value FROM meta WHERE key = '%s'", key);
	if (ask_number((struct store *)store, sql, &value) < 0)
		return 0;
	return value;
}

/* ---------------------------------------------------------------- opening */

/* found: what is damaged, by SQLite's own words; NULL: not known. */
static void describe(struct store *store, int error, const char *found, char *ret_why, size_t size)
{
	const char *remedy = "look at the disk, then start clusterd again";
	bool told = store->db && sqlite3_errcode(store->db) != SQLITE_OK;

	if (error == -EBUSY)
		remedy = "another process has it open: end that one";
	else if (error == -ENOSPC || error == -EDQUOT)
		remedy = "the file system is full: make room";
	else if (error == -EBADMSG)
		remedy = "it is damaged";
	snprintf(ret_why, size, "The store %s/cluster.db cannot be used (%s): %s", store->dir,
		 found ? found : told ? sqlite3_errmsg(store->db) : strerror(-error), remedy);
}

static int count_wal(void *context, sqlite3 *db, const char *name, int pages)
{
	struct store *store = context;

	(void)db;
	(void)name;
	store->wal_pages = pages;
	return SQLITE_OK;
}

/* The file is made here and not by SQLite, because it must never be open for others. */
static int open_file(struct store *store)
{
	char path[PATH_MAX_BYTES + 16];
	int fd, result;

	snprintf(path, sizeof(path), "%s/cluster.db", store->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	result = fchmod(fd, 0600);
	close(fd);
	if (result < 0)
		return -errno;
	result = sqlite3_open_v2(path, &store->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL);
	return error_of(result);
}

static int prepare_connection(struct store *store)
{
	static const char *const pragmas[] = {
		"PRAGMA page_size = 4096",
		"PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA cell_size_check = ON",
		"PRAGMA trusted_schema = OFF",
		"PRAGMA foreign_keys = ON",
		"PRAGMA secure_delete = ON",
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA wal_autocheckpoint = 0",
	};
	char mode[16];
	int error = 0;

	sqlite3_extended_result_codes(store->db, 1);
	for (size_t i = 0; !error && i < ARRAY_SIZE(pragmas); i++)
		error = run(store, pragmas[i]);
	if (!error)
		error = ask_text(store, "PRAGMA journal_mode", mode, sizeof(mode));
	if (!error && strcmp(mode, "wal") != 0)
		error = -EIO;
	sqlite3_wal_hook(store->db, count_wal, store);
	return error;
}

static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		error = -errno;
	close(fd);
	return error;
}

static uint64_t random_id(void)
{
	uint64_t id = 0;

	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = 0;
	/* Kept in a signed column. */
	return id & INT64_MAX ? id & INT64_MAX : 1;
}

static int create(struct store *store)
{
	char sql[200];
	int error = run(store, "BEGIN IMMEDIATE");

	if (!error)
		error = run(store, schema);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO meta (key, value) VALUES ('disk_id', %" PRIu64 ");"
		 "PRAGMA user_version = %d; COMMIT", random_id(), STORE_SCHEMA_VERSION);
	if (!error)
		error = run(store, sql);
	return error ? error : sync_dir(store->dir);
}

/*
 * The structure of every page, at each start: 5 ms for 10,000 entries that are in the page cache,
 * 50 ms from a disk, 1 s for 100 MB. Contents have checksums, which reading compares. Not while the
 * daemon runs: what could be looked at then without stopping the writer is the page cache, which
 * says nothing of the disk, and what the daemon works with is in memory.
 */
static int check(struct store *store, char *ret_found, size_t size)
{
	int error = ask_text(store, "PRAGMA quick_check(1)", ret_found, size);

	if (!error && strcmp(ret_found, "ok") != 0)
		return -EBADMSG;
	if (size)
		ret_found[0] = '\0';
	return error;
}

/*
 * Is there room for what is to come? A node that joins and ends at its first write, again and
 * again, would make the others begin a new epoch each time; without room it does not join.
 */
static int check_room(struct store *store)
{
	char path[PATH_MAX_BYTES + 8];
	int fd, error;

	snprintf(path, sizeof(path), "%s/room", store->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	error = posix_fallocate(fd, 0, STORE_ROOM);
	close(fd);
	unlink(path);
	/* A file system that cannot reserve says so; whether it is full, time will tell. */
	return error == ENOSPC || error == EDQUOT || error == EIO ? -error : 0;
}

static int open_or_create(struct store *store, char *ret_why, size_t size)
{
	uint64_t version = 0, tables = 0;
	char found[WHY_BYTES / 2] = "";
	int error = check_room(store);

	if (!error)
		error = open_file(store);
	if (!error)
		error = prepare_connection(store);
	if (!error)
		error = ask_number(store, "PRAGMA user_version", &version);
	if (!error)
		error = ask_number(store, "SELECT count(*) FROM sqlite_schema", &tables);
	if (!error && version == 0 && tables == 0)
		error = create(store);
	else if (!error && version > STORE_SCHEMA_VERSION) {
		snprintf(ret_why, size, "The store %s/cluster.db was written by a newer clusterd "
			 "(schema %" PRIu64 ", this one knows %d): install that version again",
			 store->dir, version, STORE_SCHEMA_VERSION);
		return -EPROTO;
	} else if (!error)
		error = check(store, found, sizeof(found));
	if (!error)
		error = store_writer_new(store->db, &store->writer);
	if (!error && meta(store, "disk_id") == 0)
		error = -EBADMSG;
	if (error)
		describe(store, error, found[0] ? found : NULL, ret_why, size);
	return error;
}

int store_open(const char *dir, struct store **ret, char *ret_why, size_t size)
{
	struct store *store = mem_new(struct store);
	int error;

	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->work, NULL);
	store->tail = &store->head;
	snprintf(store->dir, sizeof(store->dir), "%s", dir);
	store->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = store->event < 0 ? -errno : open_or_create(store, ret_why, size);
	if (error) {
		store_close(store);
		return error;
	}
	*ret = store;
	return 0;
}

/* ---------------------------------------------------------------- setting aside */

/* "-shm" is not there with exclusive locking, but may be left by somebody's sqlite3 shell. */
int store_set_aside(const char *dir, char *ret_name, size_t size)
{
	static const char *const suffixes[] = { "-shm", "-wal", "" };
	char from[PATH_MAX_BYTES + 32], to[PATH_MAX_BYTES + 64], stamp[32];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(from, sizeof(from), "%s/cluster.db%s", dir, suffixes[i]);
		snprintf(to, sizeof(to), "%s/cluster.db.damaged-%s.%09ld%s", dir, stamp,
			 now.tv_nsec, suffixes[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	snprintf(ret_name, size, "%s", to);
	return sync_dir(dir);
}

/* ---------------------------------------------------------------- reading */

uint64_t store_disk_id(const struct store *store)
{
	return meta(store, "disk_id");
}

uint64_t store_promised(const struct store *store)
{
	return meta(store, "promised");
}

void store_applied(const struct store *store, uint64_t *ret_index, uint64_t *ret_epoch)
{
	*ret_index = meta(store, "applied_index");
	*ret_epoch = meta(store, "applied_epoch");
}

uint32_t store_node(const struct store *store)
{
	return (uint32_t)meta(store, "node");
}

int store_set_node(struct store *store, uint32_t node)
{
	char sql[100];

	assert(!store->started);
	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO meta (key, value) VALUES ('node', %u)",
		 node);
	return run(store, sql);
}

static int each_of_table(struct store *store, uint32_t table,
			 int (*each)(void *context, uint32_t table, uint64_t id, const void *data,
				     size_t size),
			 void *context)
{
	sqlite3_stmt *rows = NULL;
	char sql[80];
	int result, error;

	snprintf(sql, sizeof(sql), "SELECT id, crc, record FROM %s ORDER BY id",
		 store_table_name(table));
	error = error_of(sqlite3_prepare_v2(store->db, sql, -1, &rows, NULL));
	while (!error && (result = sqlite3_step(rows)) != SQLITE_DONE) {
		const void *data = sqlite3_column_blob(rows, 2);
		size_t size = (size_t)sqlite3_column_bytes(rows, 2);

		error = error_of(result);
		if (!error && sqlite3_column_int64(rows, 1) != crc32c(data, size))
			error = -EBADMSG;
		if (!error)
			error = each(context, table, (uint64_t)sqlite3_column_int64(rows, 0), data,
				     size);
	}
	sqlite3_finalize(rows);
	return error;
}

int store_each_record(struct store *store,
		      int (*each)(void *context, uint32_t table, uint64_t id, const void *data,
				  size_t size),
		      void *context)
{
	int error = 0;

	assert(!store->started);
	for (uint32_t table = 1; !error && table < store_tables_end(); table++)
		error = each_of_table(store, table, each, context);
	return error;
}

int store_each_entry(struct store *store,
		     int (*each)(void *context, uint64_t index, uint64_t epoch, const void *data,
				 size_t size),
		     void *context)
{
	sqlite3_stmt *rows = NULL;
	uint64_t last = 0;
	int result, error;

	assert(!store->started);
	error = error_of(sqlite3_prepare_v2(store->db, "SELECT idx, epoch, crc, command FROM log "
					    "ORDER BY idx", -1, &rows, NULL));
	while (!error && (result = sqlite3_step(rows)) != SQLITE_DONE) {
		uint64_t index = (uint64_t)sqlite3_column_int64(rows, 0);
		uint64_t epoch = (uint64_t)sqlite3_column_int64(rows, 1);
		const void *data = sqlite3_column_blob(rows, 3);
		size_t size = (size_t)sqlite3_column_bytes(rows, 3);

		error = error_of(result);
		if (!error && (sqlite3_column_int64(rows, 2) !=
			       store_entry_crc(index, epoch, data, size) ||
			       (last != 0 && index != last + 1)))
			error = -EBADMSG;
		last = index;
		if (!error)
			error = each(context, index, epoch, data, size);
	}
	sqlite3_finalize(rows);
	return error;
}

/* ---------------------------------------------------------------- writing */

static int write_batches(struct store *store, const struct batch *batches)
{
	int result = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (const struct batch *batch = batches; batch; batch = batch->next)
		for (size_t i = 0; result == SQLITE_OK && i < batch->n; i++)
			result = store_writer_persist(store->writer, &batch->persists[i]);
	if (result == SQLITE_OK)
		result = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
	return error_of(result);
}

int store_write_now(struct store *store, const struct persist *persists, size_t n)
{
	const struct batch batch = { .persists = (struct persist *)persists, .n = n };

	assert(!store->started);
	return write_batches(store, &batch);
}

/* An empty WAL is small again; one that only was carried over is used from its start. */
static int checkpoint(struct store *store, int mode)
{
	int result = sqlite3_wal_checkpoint_v2(store->db, NULL, mode, NULL, NULL);

	store->wal_pages = 0;
	return (result & 0xff) == SQLITE_BUSY ? 0 : error_of(result);
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

static void tell(struct store *store)
{
	const uint64_t one = 1;

	/* Only full when the loop has not read it, which is just as good. */
	if (write(store->event, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

/* Everything that waits; NULL: nothing came for a while. Called with the lock held. */
static struct batch *take(struct store *store)
{
	struct batch *batches;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += IDLE_S;
	while (!store->head && !store->closing) {
		if (store->wal_pages < WAL_PAGES_IDLE)
			pthread_cond_wait(&store->work, &store->lock);
		else if (pthread_cond_timedwait(&store->work, &store->lock, &until) == ETIMEDOUT)
			return NULL;
	}
	batches = store->head;
	store->head = NULL;
	store->tail = &store->head;
	store->queued = 0;
	return batches;
}

static void finish(struct store *store, const struct batch *batches, int error)
{
	pthread_mutex_lock(&store->lock);
	if (error) {
		store->failed = true;
		describe(store, error, NULL, store->why, sizeof(store->why));
	} else
		for (; batches; batches = batches->next)
			store->durable = batches->seq;
	pthread_mutex_unlock(&store->lock);
	tell(store);
}

static void *write_for_ever(void *context)
{
	struct store *store = context;
	struct batch *batches;
	bool last = false;
	int error = 0;

	while (!error && !last) {
		pthread_mutex_lock(&store->lock);
		batches = take(store);
		last = store->closing && !batches;
		pthread_mutex_unlock(&store->lock);
		if (batches) {
			error = write_batches(store, batches);
			finish(store, batches, error);
			free_batches(batches);
		}
		if (!error && store->wal_pages >= WAL_PAGES_MAX)
			error = checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE);
		else if (!error && !batches && store->wal_pages >= WAL_PAGES_IDLE)
			error = checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
		if (error)
			finish(store, NULL, error);
	}
	return NULL;
}

/* ---------------------------------------------------------------- the loop's side */

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
	free_batches(store->head);
	store_writer_free(store->writer);
	sqlite3_close(store->db);
	if (store->event >= 0)
		close(store->event);
	pthread_cond_destroy(&store->work);
	pthread_mutex_destroy(&store->lock);
	free(store);
}
