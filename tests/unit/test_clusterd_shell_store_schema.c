/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_schema.h"
#include "tests/unit/data.h"
#include "tests/unit/unit.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

static char dir[64], path[100];

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/clusterd-test-schema-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/cluster.db", dir);
}

static void remove_dir(void)
{
	unlink(path);
	rmdir(dir);
}

/* Behind the store's back, which must be closed. Each row as "a|b " to ret. */
static int list_row(void *context, int n, char **values, char **names)
{
	for (int i = 0; i < n; i++)
		buf_printf(context, "%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
	buf_append_byte(context, ' ');
	return 0;
}

static char *sql(const char *statements)
{
	struct buf text = { 0 };
	char *why = NULL;
	sqlite3 *db = NULL;

	CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, statements, list_row, &text, &why) != SQLITE_OK) {
		printf("%s\n", why);
		CU_FAIL("SQL");
	}
	sqlite3_free(why);
	sqlite3_close(db);
	return buf_steal_str(&text);
}

static void expect_sql(const char *statements, const char *expected)
{
	char *got = sql(statements);

	CU_ASSERT_STRING_EQUAL(got, expected);
	free(got);
}

/* A store as an older daemon has left it. */
static void make_old(unsigned version)
{
	_cleanup_(buf_free) struct buf text = { 0 };
	char name[40];

	snprintf(name, sizeof(name), "store-%u.sql", version);
	data_read(name, &text);
	free(sql(buf_str(&text)));
}

static int list_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	buf_printf(context, "%u/%" PRIu64 " ", table, id);
	return 0;
}

static int list_entry(void *context, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	buf_printf(context, "%" PRIu64 "/%" PRIu64 "=%.*s ", index, epoch, (int)size,
		   (const char *)data);
	return 0;
}

/* What is in every old store of the tests. */
static void expect_content(struct store *store)
{
	_cleanup_(buf_free) struct buf text = { 0 };
	uint64_t index, epoch;

	CU_ASSERT_EQUAL(store_promised(store), 5);
	CU_ASSERT_EQUAL(store_disk_id(store), 4711);
	CU_ASSERT_EQUAL(store_node(store), 2);
	store_applied(store, &index, &epoch);
	CU_ASSERT_EQUAL(index, 2);
	CU_ASSERT_EQUAL(epoch, 3);
	CU_ASSERT_EQUAL(store_each_record(store, list_record, &text), 0);
	CU_ASSERT_EQUAL(store_each_entry(store, list_entry, &text), 0);
	CU_ASSERT_STRING_EQUAL(buf_str(&text), "4/1 4/2 1/1=a 2/3=b 3/5= ");
}

/* Tables and columns, in order of their names. */
static const char columns[] =
	"SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m, "
	"pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1, 2";

static char *columns_of_new(void)
{
	struct store *store;
	char why[400], *text;

	make_dir();
	CU_ASSERT_EQUAL_FATAL(store_open(dir, &store, why, sizeof(why)), 0);
	store_close(store);
	text = sql(columns);
	remove_dir();
	return text;
}

static void test_every_version(void)
{
	_cleanup_(freep) char *as_new = columns_of_new();

	for (unsigned version = 1; version < STORE_SCHEMA_VERSION; version++) {
		struct persist promise = { .kind = PERSIST_PROMISE, .value = 6 };
		struct store *store = NULL;
		char why[400] = "";

		make_dir();
		make_old(version);
		CU_ASSERT_EQUAL_FATAL(store_open(dir, &store, why, sizeof(why)), 0);
		expect_content(store);
		CU_ASSERT_EQUAL(store_write_now(store, &promise, 1), 0);
		store_close(store);
		/* And from now on as one that was made by this daemon. */
		expect_sql(columns, as_new);
		CU_ASSERT_EQUAL_FATAL(store_open(dir, &store, why, sizeof(why)), 0);
		CU_ASSERT_EQUAL(store_promised(store), 6);
		store_close(store);
		remove_dir();
	}
}

/* Damage that was there before is not given right checksums. */
static void test_old_and_damaged(void)
{
	static const char *const damages[] = {
		"UPDATE log SET command = 'B' WHERE idx = 2",
		"UPDATE vm SET record = x'0801' WHERE id = 1",
		"DELETE FROM log WHERE idx = 2",
		"UPDATE meta SET key = 'promisee' WHERE key = 'promised'",
		"DROP TABLE event",
	};

	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct store *store = NULL;
		char why[400] = "";

		make_dir();
		make_old(1);
		free(sql(damages[i]));
		CU_ASSERT_EQUAL(store_open(dir, &store, why, sizeof(why)), -EBADMSG);
		expect_sql("PRAGMA user_version", "1 ");
		remove_dir();
	}
}

static void flip(const char *table, const char *word)
{
	static char page[4096];
	char *at;
	FILE *file = fopen(path, "r+");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fread(page, sizeof(page), 1, file), 1);
	at = memmem(page, sizeof(page), table, strlen(table));
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	at = memmem(at, (size_t)(page + sizeof(page) - at), word, strlen(word));
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	*at ^= (char)0x80;
	rewind(file);
	CU_ASSERT_EQUAL(fwrite(page, sizeof(page), 1, file), 1);
	fclose(file);
}

/* A bit of the text that made a table: SQLite takes what it is then for a type. */
static void test_tables_damaged(void)
{
	static const char *const words[] = { "PRIMARY", "BLOB" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct store *store = NULL;
		char why[400] = "";

		make_dir();
		CU_ASSERT_EQUAL_FATAL(store_open(dir, &store, why, sizeof(why)), 0);
		store_close(store);
		flip("CREATE TABLE request", words[i]);
		CU_ASSERT_EQUAL(store_open(dir, &store, why, sizeof(why)), -EBADMSG);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "its tables are not those of schema 3"));
		remove_dir();
		make_dir();
		make_old(STORE_SCHEMA_VERSION - 1);
		flip("CREATE TABLE request", words[i]);
		CU_ASSERT_EQUAL(store_open(dir, &store, why, sizeof(why)), -EBADMSG);
		expect_sql("PRAGMA user_version", "2 ");
		remove_dir();
	}
}

/* Somebody looked into it with sqlite3, and SQLite has noted what helps it there. */
static void test_tables_of_sqlite(void)
{
	struct store *store = NULL;
	char why[400] = "";

	make_dir();
	CU_ASSERT_EQUAL_FATAL(store_open(dir, &store, why, sizeof(why)), 0);
	store_close(store);
	expect_sql("ANALYZE; SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'", "1 ");
	CU_ASSERT_EQUAL_FATAL(store_open(dir, &store, why, sizeof(why)), 0);
	store_close(store);
	remove_dir();
}

/* ---------------------------------------------------------------- versions to come */

static const char step_4[] = "CREATE TABLE third (id INTEGER PRIMARY KEY); "
			     "INSERT INTO third SELECT idx FROM log;";
/* Only after step 4. */
static const char step_5[] = "ALTER TABLE third ADD COLUMN name TEXT; "
			     "UPDATE third SET name = 'n' || id;";
static const char wrong_step[] = "UPDATE third SET nowhere = 1;";

static int open_newer(unsigned version, const char *fourth, const char *fifth, char *why,
		      size_t size)
{
	const char *steps[] = { store_schema.migrations[0], store_schema.migrations[1],
				fourth, fifth };
	_cleanup_(freep) char *create = mem_printf("%s;%s%s", store_schema.create, step_4,
						   version > 4 ? step_5 : "");
	struct store_schema schema = { version, create, steps };
	struct store *store = NULL;
	int error;

	_Static_assert(STORE_SCHEMA_VERSION == 3, "the steps above follow the daemon's");
	error = store_open_schema(dir, &schema, &store, why, size);
	if (!error)
		expect_content(store);
	store_close(store);
	return error;
}

static void test_steps_in_order(void)
{
	char why[400] = "";
	struct store *store = NULL;

	make_dir();
	make_old(1);
	CU_ASSERT_EQUAL(open_newer(5, step_4, step_5, why, sizeof(why)), 0);
	expect_sql("PRAGMA user_version; SELECT * FROM third", "5 1|n1 2|n2 3|n3 ");
	/* Once is enough. */
	CU_ASSERT_EQUAL(open_newer(5, wrong_step, wrong_step, why, sizeof(why)), 0);
	/* The daemon of today keeps off, and says what to do. */
	CU_ASSERT_EQUAL(store_open(dir, &store, why, sizeof(why)), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "(its schema is 5, this clusterd knows 3)"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "a newer clusterd: install that version again"));
	expect_sql("PRAGMA user_version", "5 ");
	remove_dir();
}

static void test_step_fails(void)
{
	char why[400] = "";

	make_dir();
	make_old(1);
	CU_ASSERT_EQUAL(open_newer(5, step_4, wrong_step, why, sizeof(why)), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "cannot be brought from schema 4 to 5: no such column"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "install the clusterd again that wrote it"));
	/* Nothing is left of the steps before. */
	expect_sql("PRAGMA user_version; SELECT count(*) FROM sqlite_schema WHERE name = 'third'; "
		   "SELECT count(*) FROM pragma_table_info('meta')", "1 0 2 ");
	CU_ASSERT_EQUAL(open_newer(4, step_4, NULL, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(open_newer(5, wrong_step, step_5, why, sizeof(why)), 0);
	remove_dir();
}

UNIT_MAIN("clusterd/shell/store_schema", { "every version", test_every_version },
	  { "old and damaged", test_old_and_damaged }, { "tables damaged", test_tables_damaged },
	  { "tables of SQLite's", test_tables_of_sqlite },
	  { "steps in order", test_steps_in_order }, { "step fails", test_step_fails })
