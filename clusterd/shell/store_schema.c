/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/shell/store_private.h"

static const char create_sql[] =
#include "sql/schema.sql.h"
	;

static const char *const migrations[] = {
#include "sql/migrations.h"
};

_Static_assert(ARRAY_SIZE(migrations) == STORE_SCHEMA_VERSION - 1, "a migration to each version");

const struct store_schema store_schema = { STORE_SCHEMA_VERSION, create_sql, migrations };

/* ---------------------------------------------------------------- which version it is */

/* Both stand in the file's header, which has no checksum: a version is believed with its mark. */
uint64_t store_schema_mark(uint64_t version)
{
	return version < 2 ? 0 : 0x636c7500 | (version & 0xff);
}

static int set_version(struct store *store, unsigned version)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %u; PRAGMA application_id = %" PRIu64,
		 version, store_schema_mark(version));
	return store_run(store, sql);
}

static int read_version(struct store *store, uint64_t *ret_version, bool *ret_empty,
			char *ret_found, size_t size)
{
	uint64_t mark = 0, version = 0, tables = 0;
	int error = store_ask(store, "PRAGMA user_version", &version);

	if (!error)
		error = store_ask(store, "PRAGMA application_id", &mark);
	if (!error)
		error = store_ask(store, "SELECT count(*) FROM sqlite_schema", &tables);
	if (error)
		return error;
	*ret_version = version;
	*ret_empty = version == 0 && mark == 0 && tables == 0;
	/* One that only newer SQLites may write is none of ours, whose file can be written. */
	if (!sqlite3_db_readonly(store->db, "main") &&
	    (*ret_empty || (version > 0 && version <= 255 && mark == store_schema_mark(version))))
		return 0;
	snprintf(ret_found, size, "its header is wrong");
	return -EBADMSG;
}

/* ---------------------------------------------------------------- what its tables are */

static int digest_columns(sqlite3 *db, uint64_t *ret_digest)
{
	static const char sql[] =
		"SELECT t.name || '|' || c.name || '|' || c.type || '|' || c.\"notnull\" || '|' || "
		"c.pk FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' "
		"AND substr(t.name, 1, 7) <> 'sqlite_' ORDER BY t.name, c.name";
	sqlite3_stmt *rows = NULL;
	uint64_t digest = digest_start();
	int result, error = store_error_of(sqlite3_prepare_v2(db, sql, -1, &rows, NULL));

	while (!error && (result = sqlite3_step(rows)) != SQLITE_DONE) {
		const unsigned char *column = sqlite3_column_text(rows, 0);

		error = store_error_of(result);
		if (!error && !column)
			error = -ENOMEM;
		if (!error)
			digest = digest_add(digest, column, strlen((const char *)column) + 1);
	}
	sqlite3_finalize(rows);
	*ret_digest = digest_finish(digest);
	return error;
}

static int digest_expected(const struct store_schema *schema, uint64_t *ret_digest)
{
	sqlite3 *db = NULL;
	int error = store_error_of(sqlite3_open(":memory:", &db));

	if (!error)
		error = store_error_of(sqlite3_exec(db, schema->create, NULL, NULL, NULL));
	if (!error)
		error = digest_columns(db, ret_digest);
	sqlite3_close(db);
	return error;
}

/*
 * SQLite keeps tables as the text that made them, without a checksum, and takes "INTEGER xRIMARY
 * KEY" for a type: rows that are replaced would then be there twice. Tables of SQLite's own are
 * there once somebody has let it ANALYZE, and no damage.
 */
static int check_columns(struct store *store, const struct store_schema *schema, char *ret_found,
			 size_t size)
{
	uint64_t expected, found;
	int error = digest_expected(schema, &expected);

	if (!error)
		error = digest_columns(store->db, &found);
	if (!error && found != expected) {
		snprintf(ret_found, size, "its tables are not those of schema %u", schema->version);
		error = -EBADMSG;
	}
	return error;
}

/* ---------------------------------------------------------------- making and bringing up */

uint64_t store_random_id(void)
{
	uint64_t id = 0;

	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = 0;
	/* Kept in a signed column. */
	return id & INT64_MAX ? id & INT64_MAX : 1;
}

static int create(struct store *store, const struct store_schema *schema)
{
	int error = store_run(store, "BEGIN IMMEDIATE");

	if (!error)
		error = store_run(store, schema->create);
	if (!error)
		error = set_version(store, schema->version);
	if (!error)
		error = store_seal_all(store, store_random_id());
	return error ? error : store_run(store, "COMMIT");
}

/* SQL that cannot be carried out is our mistake, not damage: the store is not to be lost for it. */
static int step(struct store *store, const struct store_schema *schema, uint64_t version,
		char *ret_found, size_t size)
{
	int error = store_run(store, schema->migrations[version - 1]);
	int result = sqlite3_errcode(store->db) & 0xff;

	if (!error || (result != SQLITE_ERROR && result != SQLITE_CONSTRAINT))
		return error;
	snprintf(ret_found, size, "it cannot be brought from schema %" PRIu64 " to %" PRIu64 ": %s",
		 version, version + 1, sqlite3_errmsg(store->db));
	return -ENOTSUP;
}

static int migrate(struct store *store, const struct store_schema *schema, uint64_t version,
		   char *ret_found, size_t size)
{
	int error = store_run(store, "BEGIN IMMEDIATE");

	for (uint64_t i = version; !error && i < schema->version; i++)
		error = step(store, schema, i, ret_found, size);
	if (!error)
		error = check_columns(store, schema, ret_found, size);
	if (!error)
		error = set_version(store, schema->version);
	if (!error)
		error = store_seal_all(store, 0);
	return error ? error : store_run(store, "COMMIT");
}

static int read_all(struct store *store)
{
	_cleanup_(freep) uint8_t *page = mem_array(1, STORE_PAGE_BYTES);
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0;
	int result = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (result == SQLITE_OK)
		result = file->pMethods->xFileSize(file, &size);
	for (sqlite3_int64 at = 0; result == SQLITE_OK && at + STORE_PAGE_BYTES <= size;
	     at += STORE_PAGE_BYTES)
		result = file->pMethods->xRead(file, page, STORE_PAGE_BYTES, at);
	return store_error_of(result);
}

/*
 * The structure of every page, at each start: 5 ms for 10,000 entries that are in the page cache,
 * 50 ms from a disk, 1 s for 100 MB. Contents have checksums, which reading compares. Not while the
 * daemon runs: what could be looked at then without stopping the writer is the page cache, which
 * says nothing of the disk, and what the daemon works with is in memory.
 */
static int check(struct store *store, char *ret_found, size_t size)
{
	char again[64] = "";
	int error = store_ask_text(store, "PRAGMA quick_check(1)", ret_found, size);

	if (error || strcmp(ret_found, "ok") == 0) {
		ret_found[0] = '\0';
		return error;
	}
	/* A page that could not be read is told like one that is wrong, and need not be lost. */
	error = read_all(store);
	if (!error)
		error = store_ask_text(store, "PRAGMA quick_check(1)", again, sizeof(again));
	if (!error)
		error = strcmp(again, "ok") == 0 ? -EIO : -EBADMSG;
	return error;
}

int store_schema_bring(struct store *store, const struct store_schema *schema, char *ret_found,
		       size_t size)
{
	uint64_t version = 0;
	bool empty = false;
	int error = read_version(store, &version, &empty, ret_found, size);

	if (error)
		return error;
	/* What power cut off in the log is gone before anything is written behind it. */
	if (empty)
		error = store_settle(store);
	if (empty)
		return error ? error : create(store, schema);
	if (version > schema->version) {
		snprintf(ret_found, size, "its schema is %" PRIu64 ", this clusterd knows %u",
			 version, schema->version);
		return -EPROTO;
	}
	error = check(store, ret_found, size);
	if (!error && version == schema->version)
		error = check_columns(store, schema, ret_found, size);
	if (!error && version < schema->version)
		error = store_settle(store);
	if (!error && version < schema->version)
		error = migrate(store, schema, version, ret_found, size);
	return error;
}
