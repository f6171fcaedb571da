/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/crc32c.h"

uint64_t store_disk_id(const struct store *store)
{
	return store_meta(store, "disk_id");
}

uint64_t store_promised(const struct store *store)
{
	return store_meta(store, "promised");
}

void store_applied(const struct store *store, uint64_t *ret_index, uint64_t *ret_epoch)
{
	*ret_index = store_meta(store, "applied_index");
	*ret_epoch = store_meta(store, "applied_epoch");
}

uint32_t store_node(const struct store *store)
{
	return (uint32_t)store_meta(store, "node");
}

int store_set_node(struct store *store, uint32_t node)
{
	char sql[100];

	assert(!store->started);
	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO meta (key, value) VALUES ('node', %u)",
		 node);
	return store_run(store, sql);
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
	error = store_error_of(sqlite3_prepare_v2(store->db, sql, -1, &rows, NULL));
	while (!error && (result = sqlite3_step(rows)) != SQLITE_DONE) {
		const void *data = sqlite3_column_blob(rows, 2);
		size_t size = (size_t)sqlite3_column_bytes(rows, 2);

		error = store_error_of(result);
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
	error = store_error_of(sqlite3_prepare_v2(store->db,
						  "SELECT idx, epoch, crc, command FROM log "
						  "ORDER BY idx", -1, &rows, NULL));
	while (!error && (result = sqlite3_step(rows)) != SQLITE_DONE) {
		uint64_t index = (uint64_t)sqlite3_column_int64(rows, 0);
		uint64_t epoch = (uint64_t)sqlite3_column_int64(rows, 1);
		const void *data = sqlite3_column_blob(rows, 3);
		size_t size = (size_t)sqlite3_column_bytes(rows, 3);

		error = store_error_of(result);
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
