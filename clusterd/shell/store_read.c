/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/digest.h"

uint64_t store_disk_id(const struct store *store)
{
	return store_writer_number(store->writer, STORE_DISK_ID);
}

uint64_t store_promised(const struct store *store)
{
	return store_writer_number(store->writer, STORE_PROMISED);
}

void store_applied(const struct store *store, uint64_t *ret_index, uint64_t *ret_epoch)
{
	*ret_index = store_writer_number(store->writer, STORE_APPLIED_INDEX);
	*ret_epoch = store_writer_number(store->writer, STORE_APPLIED_EPOCH);
}

void store_alone(const struct store *store, uint64_t *ret_epoch, uint64_t *ret_voters)
{
	*ret_epoch = store_writer_number(store->writer, STORE_ALONE);
	*ret_voters = store_writer_number(store->writer, STORE_ALONE_VOTERS);
}

void store_together(const struct store *store, uint64_t *ret_boot, uint64_t *ret_voters)
{
	*ret_boot = store_writer_number(store->writer, STORE_TOGETHER);
	*ret_voters = store_writer_number(store->writer, STORE_TOGETHER_VOTERS);
}

uint32_t store_node(const struct store *store)
{
	return (uint32_t)store_writer_number(store->writer, STORE_NODE);
}

int store_set_node(struct store *store, uint32_t node)
{
	assert(!store->started);
	return store_error_of(store_writer_set_node(store->writer, node));
}

int store_renew_disk_id(struct store *store)
{
	assert(!store->started);
	return store_error_of(store_writer_set_disk_id(store->writer, store_random_id()));
}

typedef int each_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size);
typedef int each_entry(void *context, uint64_t index, uint64_t epoch, const void *data,
		       size_t size);

static int walk_table(struct store *store, uint32_t table, each_record *each, void *context,
		      uint64_t *sum)
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
		uint64_t id = (uint64_t)sqlite3_column_int64(rows, 0);
		uint32_t crc = crc32c(data, size);

		error = store_error_of(result);
		if (!error && sqlite3_column_int64(rows, 1) != crc)
			error = -EBADMSG;
		*sum = digest_set_add(*sum, store_row_digest(table, id, crc));
		if (!error)
			error = each(context, table, id, data, size);
	}
	sqlite3_finalize(rows);
	return error;
}

static int walk_records(struct store *store, each_record *each, void *context, uint64_t *ret_sum)
{
	int error = 0;

	*ret_sum = 0;
	for (uint32_t table = 1; !error && table < store_tables_end(); table++)
		error = walk_table(store, table, each, context, ret_sum);
	return error;
}

static int walk_entries(struct store *store, each_entry *each, void *context, uint64_t *ret_sum)
{
	sqlite3_stmt *rows = NULL;
	uint64_t last = 0;
	int result, error;

	*ret_sum = 0;
	error = store_error_of(sqlite3_prepare_v2(store->db,
						  "SELECT idx, epoch, crc, command FROM log "
						  "ORDER BY idx", -1, &rows, NULL));
	while (!error && (result = sqlite3_step(rows)) != SQLITE_DONE) {
		uint64_t index = (uint64_t)sqlite3_column_int64(rows, 0);
		uint64_t epoch = (uint64_t)sqlite3_column_int64(rows, 1);
		const void *data = sqlite3_column_blob(rows, 3);
		size_t size = (size_t)sqlite3_column_bytes(rows, 3);
		uint32_t crc = store_entry_crc(index, epoch, data, size);

		error = store_error_of(result);
		if (!error && (sqlite3_column_int64(rows, 2) != crc ||
			       (last != 0 && index != last + 1)))
			error = -EBADMSG;
		last = index;
		*ret_sum = digest_set_add(*ret_sum, store_row_digest(0, index, crc));
		if (!error)
			error = each(context, index, epoch, data, size);
	}
	sqlite3_finalize(rows);
	return error;
}

int store_each_record(struct store *store, each_record *each, void *context)
{
	uint64_t sum;
	int error;

	assert(!store->started);
	error = walk_records(store, each, context, &sum);
	if (!error && sum != store_writer_number(store->writer, STORE_RECORDS))
		error = -EBADMSG;
	return error;
}

int store_each_entry(struct store *store, each_entry *each, void *context)
{
	uint64_t sum;
	int error;

	assert(!store->started);
	error = walk_entries(store, each, context, &sum);
	if (!error && sum != store_writer_number(store->writer, STORE_ENTRIES))
		error = -EBADMSG;
	return error;
}

/* ---------------------------------------------------------------- new tables */

static int pass_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	return 0;
}

static int pass_entry(void *context, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	return 0;
}

int store_seal_all(struct store *store, uint64_t disk_id)
{
	uint64_t records, entries;
	int error = walk_records(store, pass_record, NULL, &records);

	if (!error)
		error = walk_entries(store, pass_entry, NULL, &entries);
	if (!error)
		error = store_seal_numbers(store->db, disk_id, records, entries);
	return error;
}
