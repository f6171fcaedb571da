/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ---------------------------------------------------------------- small SQL */

int store_error_of(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:	/* of SQL that never changes: the tables are others */
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

int store_run(struct store *store, const char *sql)
{
	return store_error_of(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

int store_ask_text(struct store *store, const char *sql, char *ret, size_t size)
{
	sqlite3_stmt *statement = NULL;
	const unsigned char *text;
	int result;

	result = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW) {
		text = sqlite3_column_text(statement, 0);
		if (!text && (sqlite3_errcode(store->db) & 0xff) == SQLITE_NOMEM)
			result = SQLITE_NOMEM;
		else
			snprintf(ret, size, "%s", text ? (const char *)text : "");
	}
	sqlite3_finalize(statement);
	return result == SQLITE_DONE ? -ENOENT : store_error_of(result);
}

int store_ask(struct store *store, const char *sql, uint64_t *ret)
{
	char text[32];
	int error = store_ask_text(store, sql, text, sizeof(text));

	if (!error)
		*ret = (uint64_t)strtoll(text, NULL, 10);
	return error;
}

/* ---------------------------------------------------------------- opening */

void store_describe(struct store *store, int error, const char *found, char *ret_why, size_t size)
{
	const char *remedy = "look at the disk, then start clusterd again";
	bool told = store->db && sqlite3_errcode(store->db) != SQLITE_OK;

	if (error == -EBUSY)
		remedy = "another process has it open: end that one";
	else if (error == -ENOSPC || error == -EDQUOT)
		remedy = "the file system is full: make room";
	else if (error == -EBADMSG)
		remedy = "it is damaged";
	else if (error == -ENOMEM)
		remedy = "there is no memory left: make room, then start clusterd again";
	else if (error == -EPROTO)
		remedy = "it was written by a newer clusterd: install that version again";
	else if (error == -ENOTSUP)
		remedy = "install the clusterd again that wrote it";
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
	char path[STORE_PATH_BYTES + 16];
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
	return store_error_of(result);
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
		"PRAGMA synchronous = FULL",
		"PRAGMA journal_mode = WAL",
		"PRAGMA wal_autocheckpoint = 0",
	};
	char mode[16];
	int error = 0;

	sqlite3_extended_result_codes(store->db, 1);
	for (size_t i = 0; !error && i < ARRAY_SIZE(pragmas); i++)
		error = store_run(store, pragmas[i]);
	if (!error)
		error = store_ask_text(store, "PRAGMA journal_mode", mode, sizeof(mode));
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

void store_freeze(struct store *store, bool yes)
{
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, yes, NULL);
}

/*
 * What was read is not on disk yet for that: a daemon that was killed, or whose fsync failed, may
 * have left a transaction that only the page cache knows. Nobody has been told of it, but who
 * reads it takes it for durable. Moved out of the log and synced it is. The log is written anew
 * before, because a later fsync does not bring back what one that failed has lost, and without it
 * a database that is half brought up would be nothing.
 */
int store_settle(struct store *store)
{
	int error = store_wal_renew(store);

	if (!error)
		error = store_error_of(sqlite3_wal_checkpoint_v2(
			store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
	/* An old log that came back could take the database back to its time. */
	if (!error)
		error = store_wal_sync(store);
	return error ? error : sync_dir(store->dir);
}

/*
 * Is there room for what is to come? A node that joins and ends at its first write, again and
 * again, would make the others begin a new epoch each time; without room it does not join.
 */
static int check_room(struct store *store)
{
	char path[STORE_PATH_BYTES + 8];
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

static int prepare_file(struct store *store, const struct store_schema *schema, char *ret_found,
			size_t size)
{
	bool empty = false;
	int error = check_room(store);

	if (!error)
		error = open_file(store);
	if (error)
		return error;
	/* A file that is wrong is kept as it was found, together with its log. */
	store_freeze(store, true);
	error = prepare_connection(store);
	if (!error)
		error = store_wal_check(store, &empty);
	if (error == -EBADMSG)
		snprintf(ret_found, size, "its header or its log is wrong");
	store_freeze(store, !empty);
	if (!error)
		error = store_schema_bring(store, schema, ret_found, size);
	if (!error)
		error = store_writer_new(store->db, &store->writer);
	if (!error)
		error = store_settle(store);
	if (!error)
		store_freeze(store, false);
	return error;
}

int store_open_file(struct store *store, const struct store_schema *schema, char *ret_why,
		    size_t size)
{
	char found[STORE_WHY_BYTES / 2] = "";
	int error = prepare_file(store, schema, found, sizeof(found));

	if (error)
		store_describe(store, error, found[0] ? found : NULL, ret_why, size);
	return error;
}

/* ---------------------------------------------------------------- setting aside */

#define ASIDE "cluster.db.damaged-"
#define ASIDE_TIME "dddddddd" "T" "dddddd" "." "ddddddddd"	/* d: a digit */

enum { ASIDE_SIZE = sizeof(ASIDE ASIDE_TIME) - 1 };

static int move_file(const char *dir, const char *suffix, const char *to)
{
	char from[STORE_PATH_BYTES + 32], whole[STORE_PATH_BYTES + 80];

	snprintf(from, sizeof(from), "%s/cluster.db%s", dir, suffix);
	snprintf(whole, sizeof(whole), "%s%s", to, suffix);
	if (rename(from, whole) < 0 && errno != ENOENT)
		return -errno;
	return sync_dir(dir);
}

/*
 * The database goes first: without its log it could pass for an older one that is whole. A log
 * that is left alone is removed by SQLite. "-shm" is not there with exclusive locking, but may be
 * left by somebody's sqlite3 shell.
 */
int store_set_aside(const char *dir, char *ret_name, size_t size)
{
	static const char *const suffixes[] = { "", "-wal", "-journal", "-shm" };
	char to[STORE_PATH_BYTES + 64], stamp[32];
	struct timespec now;
	struct tm tm;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
	snprintf(to, sizeof(to), "%s/" ASIDE "%s.%09ld", dir, stamp, now.tv_nsec);
	for (size_t i = 0; !error && i < ARRAY_SIZE(suffixes); i++)
		error = move_file(dir, suffixes[i], to);
	if (!error)
		snprintf(ret_name, size, "%s", to);
	return error;
}

static int is_aside(const struct dirent *entry)
{
	const char *at = entry->d_name + strlen(ASIDE);

	if (strncmp(entry->d_name, ASIDE, strlen(ASIDE)) != 0)
		return 0;
	for (const char *form = ASIDE_TIME; *form; form++, at++)
		if (*form == 'd' ? *at < '0' || *at > '9' : *at != *form)
			return 0;
	return *at == '\0' || *at == '-';
}

void store_thin_out(const char *dir, const char *kept,
		    void (*removed)(void *context, const char *name), void *context)
{
	const char *slash = strrchr(kept, '/'), *own = slash ? slash + 1 : kept, *last = "";
	char path[STORE_PATH_BYTES + 300];
	struct dirent **entries;
	int n = scandir(dir, &entries, is_aside, alphasort), stores = 0;

	if (n < 0)
		return;
	/* From the newest on; the files of one store are beside each other. */
	for (int i = n; i-- > 0;) {
		const char *name = entries[i]->d_name;

		stores += strncmp(name, last, ASIDE_SIZE) != 0;
		last = name;
		if (stores <= STORE_ASIDE_KEPT || strncmp(name, own, ASIDE_SIZE) == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (unlink(path) == 0)
			removed(context, name);
	}
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
}
