/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_copy.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/shell.h"
#include "clusterd/shell/store_private.h"

enum { PAGES_A_STEP = 8, TURN_MS = 5 };

/*
 *   WANTED --store's thread--> COPYING --all pages--> CHECKING --read--> DONE, FAILED
 *
 * Until COPYING ends all but `state` and `cancelled` is the store's thread's, then the checker's;
 * when it is over it is the loop's. `state` changes with the store's lock held.
 */
struct copying {
	enum copying_state { WANTED, COPYING, CHECKING, DONE, FAILED } state;
	bool cancelled;			/* with the lock held, too */
	bool checker_runs;		/* to be joined */
	pthread_t checker;
	struct store *store;
	sqlite3 *to, *again;		/* written to; read from, when it is whole */
	sqlite3_backup *backup;
	int file;			/* for writing */
	struct store_copy result;
	char why[STORE_WHY_BYTES + STORE_PATH_BYTES];
};

/* ---------------------------------------------------------------- the file */

/* Each on the file itself: it has no name when it is read. */
static int open_connections(struct copying *copying, const char *path)
{
	int result = sqlite3_open_v2(path, &copying->to,
				     SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_open_v2(path, &copying->again,
					 SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(copying->to,
				      "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
				      "PRAGMA cache_size = 64", NULL, NULL, NULL);
	return store_error_of(result);
}

static int open_file(struct copying *copying)
{
	char path[STORE_PATH_BYTES + 24];
	int error;

	snprintf(path, sizeof(path), "%s/" STORE_COPY_NAME, copying->store->dir);
	unlink(path);
	copying->file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (copying->file < 0)
		return -errno;
	error = open_connections(copying, path);
	copying->result.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (!error && copying->result.fd < 0)
		error = -errno;
	unlink(path);
	return error;
}

/*
 * Its header is the store's, and says that there is a write-ahead log. There is none, and whoever
 * looks into the copy is not to make one (sqlite.org/fileformat2.html, 1.3.3).
 */
static int end_log(struct copying *copying)
{
	static const uint8_t none[] = { 1, 1 };

	return pwrite(copying->file, none, sizeof(none), 18) == sizeof(none) ? 0 : -EIO;
}

/* The store ends the daemon when it finds no room: a copy must never be what takes it. */
static int check_room(struct copying *copying)
{
	struct store *store = copying->store;
	uint64_t pages = 0, left;
	struct statvfs room;
	int error;

	if (fstatvfs(copying->result.fd, &room) < 0)
		return -errno;
	if (copying->backup) {
		left = (uint64_t)sqlite3_backup_remaining(copying->backup);
	} else {
		error = store_ask(store, "PRAGMA page_count", &pages);
		if (error)
			return error;
		left = pages;
	}
	if (pages > STORE_COPY_MAX / STORE_PAGE_BYTES) {
		snprintf(copying->why, sizeof(copying->why),
			 "the store is larger than %d MiB, which is the most that is copied",
			 STORE_COPY_MAX / (1024 * 1024));
		return -EFBIG;
	}
	if ((uint64_t)room.f_bavail * room.f_frsize >= left * STORE_PAGE_BYTES + STORE_COPY_ROOM)
		return 0;
	snprintf(copying->why, sizeof(copying->why),
		 "there is not enough room for it in %s: %" PRIu64 " MiB are needed", store->dir,
		 (left * STORE_PAGE_BYTES + STORE_COPY_ROOM) / (1024 * 1024) + 1);
	return -ENOSPC;
}

/* ---------------------------------------------------------------- checking it */

static int pass_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	return 0;
}

static int pass_entry(void *context, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	return 0;
}

static int check_version(struct store *copy)
{
	uint64_t version = 0, mark = 0;
	int error = store_ask(copy, "PRAGMA user_version", &version);

	if (!error)
		error = store_ask(copy, "PRAGMA application_id", &mark);
	if (!error && (version != STORE_SCHEMA_VERSION || mark != store_schema_mark(version)))
		error = -EBADMSG;
	return error;
}

/* As it is opened and read when it is restored: structure, schema, checksums and sums. */
static int check(sqlite3 *db)
{
	struct store copy = { .db = db };
	char found[STORE_WHY_BYTES];
	int error;

	error = store_run(&copy, "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF");
	if (!error)
		error = store_ask_text(&copy, "PRAGMA quick_check(1)", found, sizeof(found));
	if (!error && strcmp(found, "ok") != 0)
		error = -EBADMSG;
	if (!error)
		error = check_version(&copy);
	if (!error)
		error = store_writer_new(db, &copy.writer);
	if (!error)
		error = store_each_record(&copy, pass_record, NULL);
	if (!error)
		error = store_each_entry(&copy, pass_entry, NULL);
	store_writer_free(copy.writer);
	return error;
}

/* ---------------------------------------------------------------- making it */

static void close_all(struct copying *copying)
{
	if (copying->backup)
		sqlite3_backup_finish(steal_ptr(copying->backup));
	sqlite3_close(steal_ptr(copying->to));
	sqlite3_close(steal_ptr(copying->again));
	shell_close_fd(&copying->file);
}

static void copying_free(struct copying *copying)
{
	if (copying->checker_runs)
		pthread_join(copying->checker, NULL);
	close_all(copying);
	shell_close_fd(&copying->result.fd);
	free(copying);
}

/* The last thing that its thread does with it. */
static void over(struct copying *copying, int error)
{
	struct store *store = copying->store;

	close_all(copying);
	if (error && !copying->why[0])
		snprintf(copying->why, sizeof(copying->why), "%s",
			 error == -EBADMSG ? "what was copied is damaged, so the store may be: "
					     "look at the disk of this node"
					   : strerror(-error));
	pthread_mutex_lock(&store->lock);
	copying->state = error ? FAILED : DONE;
	pthread_mutex_unlock(&store->lock);
	store_tell(store);
}

static bool is_cancelled(struct copying *copying)
{
	bool cancelled;

	pthread_mutex_lock(&copying->store->lock);
	cancelled = copying->cancelled || copying->store->closing;
	pthread_mutex_unlock(&copying->store->lock);
	return cancelled;
}

/* Calls that take long look up here, every some thousand steps of SQLite's. */
static int is_to_end(void *context)
{
	return is_cancelled(context);
}

static void *check_copy(void *context)
{
	struct copying *copying = context;
	struct stat st;
	int error;

	sqlite3_progress_handler(copying->again, 10000, is_to_end, copying);
	error = check(copying->again);
	if (!error && fstat(copying->result.fd, &st) < 0)
		error = -errno;
	if (!error)
		copying->result.size = (uint64_t)st.st_size;
	over(copying, error);
	return NULL;
}

static int begin(struct copying *copying)
{
	int error = open_file(copying);

	if (!error)
		error = check_room(copying);
	if (error)
		return error;
	copying->backup = sqlite3_backup_init(copying->to, "main", copying->store->db, "main");
	return copying->backup ? 0 : store_error_of(sqlite3_errcode(copying->to));
}

/* -EAGAIN: there is more. */
static int step(struct copying *copying)
{
	uint64_t until_ms = shell_boot_ms() + TURN_MS;
	int result, error = check_room(copying);

	if (error)
		return error;
	do
		result = sqlite3_backup_step(copying->backup, PAGES_A_STEP);
	while (result == SQLITE_OK && shell_boot_ms() < until_ms);
	return result == SQLITE_OK ? -EAGAIN : store_error_of(result);
}

/* All pages are there: no batch comes between that and what is said of them. */
static int finish(struct copying *copying)
{
	const struct store_writer *writer = copying->store->writer;
	int error = store_error_of(sqlite3_backup_finish(steal_ptr(copying->backup)));

	sqlite3_close(steal_ptr(copying->to));
	if (!error)
		error = end_log(copying);
	copying->result.index = store_writer_number(writer, STORE_APPLIED_INDEX);
	copying->result.epoch = store_writer_number(writer, STORE_APPLIED_EPOCH);
	pthread_mutex_lock(&copying->store->lock);
	copying->state = CHECKING;
	pthread_mutex_unlock(&copying->store->lock);
	if (!error)
		error = -pthread_create(&copying->checker, NULL, check_copy, copying);
	copying->checker_runs = !error;
	return error;
}

void store_copy_turn(struct store *store)
{
	struct copying *copying = store->copying;
	int error = is_cancelled(copying) ? -ECANCELED : 0;

	if (!error && copying->state == WANTED) {
		error = begin(copying);
		pthread_mutex_lock(&store->lock);
		copying->state = COPYING;
		pthread_mutex_unlock(&store->lock);
	}
	if (!error)
		error = step(copying);
	if (error == -EAGAIN)
		return;
	if (!error)
		error = finish(copying);
	if (error)
		over(copying, error);
}

bool store_copy_is_due(const struct store *store)
{
	return store->copying &&
	       (store->copying->state == WANTED || store->copying->state == COPYING);
}

void store_copy_free(struct store *store)
{
	if (store->copying)
		copying_free(steal_ptr(store->copying));
}

/* ---------------------------------------------------------------- the loop's side */

static bool is_over(const struct copying *copying)
{
	return copying->state == DONE || copying->state == FAILED;
}

/* One that was cancelled and has ended is taken away when somebody looks. */
static void sweep(struct store *store)
{
	struct copying *copying = NULL;

	pthread_mutex_lock(&store->lock);
	if (store->copying && store->copying->cancelled && is_over(store->copying))
		copying = steal_ptr(store->copying);
	pthread_mutex_unlock(&store->lock);
	if (copying)
		copying_free(copying);
}

int store_copy_begin(struct store *store)
{
	struct copying *copying;

	assert(store->started);
	sweep(store);
	if (store->copying)
		return -EBUSY;
	copying = mem_new(struct copying);
	copying->store = store;
	copying->file = copying->result.fd = -1;
	pthread_mutex_lock(&store->lock);
	store->copying = copying;
	pthread_cond_signal(&store->work);
	pthread_mutex_unlock(&store->lock);
	return 0;
}

int store_copy_poll(struct store *store, struct store_copy *ret, char *ret_why, size_t size)
{
	struct copying *copying;
	int error = 0;

	sweep(store);
	pthread_mutex_lock(&store->lock);
	copying = store->copying;
	if (!copying || copying->cancelled)
		error = -ENOENT;
	else if (!is_over(copying))
		error = -EAGAIN;
	else
		store->copying = NULL;
	pthread_mutex_unlock(&store->lock);
	if (error)
		return error;
	if (copying->state == FAILED) {
		snprintf(ret_why, size, "%s", copying->why);
		error = -EIO;
	} else {
		*ret = copying->result;
		copying->result.fd = -1;
	}
	copying_free(copying);
	return error;
}

void store_copy_cancel(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	if (store->copying)
		store->copying->cancelled = true;
	pthread_mutex_unlock(&store->lock);
	sweep(store);
}
