/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char schema[] =
#include "sql/schema.sql.h"
	;

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

int store_run(struct store *store, const char *sql)
{
	return store_error_of(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
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
	return result == SQLITE_DONE ? -ENOENT : store_error_of(result);
}

static int ask_number(struct store *store, const char *sql, uint64_t *ret)
{
	char text[32];
	int error = ask_text(store, sql, text, sizeof(text));

	if (!error)
		*ret = (uint64_t)strtoll(text, NULL, 10);
	return error;
}

uint64_t store_meta(const struct store *store, const char *key)
{
	char sql[80];
	uint64_t value = 0;

	snprintf(sql, sizeof(sql), "SELECT value FROM meta WHERE key = '%s'", key);
	if (ask_number((struct store *)store, sql, &value) < 0)
		return 0;
	return value;
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
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA wal_autocheckpoint = 0",
	};
	char mode[16];
	int error = 0;

	sqlite3_extended_result_codes(store->db, 1);
	for (size_t i = 0; !error && i < ARRAY_SIZE(pragmas); i++)
		error = store_run(store, pragmas[i]);
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
	int error = store_run(store, "BEGIN IMMEDIATE");

	if (!error)
		error = store_run(store, schema);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO meta (key, value) VALUES ('disk_id', %" PRIu64 ");"
		 "PRAGMA user_version = %d; COMMIT", random_id(), STORE_SCHEMA_VERSION);
	if (!error)
		error = store_run(store, sql);
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

int store_open_file(struct store *store, char *ret_why, size_t size)
{
	uint64_t version = 0, tables = 0;
	char found[STORE_WHY_BYTES / 2] = "";
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
	if (!error && store_meta(store, "disk_id") == 0)
		error = -EBADMSG;
	if (error)
		store_describe(store, error, found[0] ? found : NULL, ret_why, size);
	return error;
}

/* ---------------------------------------------------------------- setting aside */

/* "-shm" is not there with exclusive locking, but may be left by somebody's sqlite3 shell. */
int store_set_aside(const char *dir, char *ret_name, size_t size)
{
	static const char *const suffixes[] = { "-shm", "-wal", "" };
	char from[STORE_PATH_BYTES + 32], to[STORE_PATH_BYTES + 64], stamp[32];
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
