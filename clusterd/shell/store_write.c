/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_write.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/state.h"
#include "wire/message.h"

enum { COLUMNS_MAX = 16, SQL_MAX = 400 };

static const char *const names[] = {
	[WIRE__TABLE__TABLE_CLUSTER] = "cluster",     [WIRE__TABLE__TABLE_SETTING] = "setting",
	[WIRE__TABLE__TABLE_NODE] = "node",	      [WIRE__TABLE__TABLE_VM] = "vm",
	[WIRE__TABLE__TABLE_FENCE] = "fence",	      [WIRE__TABLE__TABLE_VOLUME] = "volume",
	[WIRE__TABLE__TABLE_OPERATION] = "operation", [WIRE__TABLE__TABLE_EVENT] = "event",
	[WIRE__TABLE__TABLE_REQUEST] = "request",
};

/* A table's statements, and for each column of put after id, crc and record its field. */
struct table {
	sqlite3_stmt *get, *put, *del, *wipe;
	const ProtobufCFieldDescriptor *fields[COLUMNS_MAX];
	size_t fields_n;
};

struct store_writer {
	sqlite3 *db;
	sqlite3_stmt *meta, *get, *append, *cut, *trim, *wipe_log;
	struct table tables[ARRAY_SIZE(names)];
	uint64_t numbers[STORE_NUMBERS], sealed[STORE_NUMBERS];
};

static const char *const keys[STORE_NUMBERS] = {
	[STORE_PROMISED] = "promised",
	[STORE_APPLIED_INDEX] = "applied_index",
	[STORE_APPLIED_EPOCH] = "applied_epoch",
	[STORE_DISK_ID] = "disk_id",
	[STORE_NODE] = "node",
	[STORE_ALONE] = "alone",
	[STORE_ALONE_VOTERS] = "alone_voters",
	[STORE_TOGETHER] = "together",
	[STORE_TOGETHER_VOTERS] = "together_voters",
	[STORE_RECORDS] = "records",
	[STORE_ENTRIES] = "entries",
};

#define PUT_NUMBER "INSERT OR REPLACE INTO meta (key, value, crc) VALUES (?, ?, ?)"

const char *store_table_name(uint32_t table)
{
	return table < ARRAY_SIZE(names) ? names[table] : NULL;
}

uint32_t store_tables_end(void)
{
	return ARRAY_SIZE(names);
}

static uint32_t number_crc(uint32_t crc, uint64_t number)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(number >> (8 * i));
	return crc32c_extend(crc, bytes, sizeof(bytes));
}

uint32_t store_entry_crc(uint64_t index, uint64_t epoch, const void *command, size_t size)
{
	return crc32c_extend(number_crc(number_crc(0, index), epoch), command, size);
}

uint64_t store_row_digest(uint32_t table, uint64_t id, uint32_t crc)
{
	return digest_finish(digest_add_u64(
		digest_add_u64(digest_add_u64(digest_start(), table), id), crc));
}

/* ---------------------------------------------------------------- statements */

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
	return store_error_of(sqlite3_prepare_v3(db, sql, -1,
						 SQLITE_PREPARE_PERSISTENT, ret, NULL));
}

/* The columns of a table that are fields of its record, as "a, b, c". */
static int find_fields(sqlite3 *db, uint32_t number, struct table *table, struct buf *columns)
{
	const ProtobufCMessageDescriptor *type = state_table_descriptor(number);
	char sql[SQL_MAX];
	sqlite3_stmt *all = NULL;
	int error;

	snprintf(sql, sizeof(sql), "SELECT * FROM %s LIMIT 0", names[number]);
	error = prepare(db, sql, &all);
	for (int i = 0; !error && type && i < sqlite3_column_count(all); i++) {
		const char *name = sqlite3_column_name(all, i);
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field_by_name(type, name);

		if (!field || strcmp(name, "id") == 0 || table->fields_n == COLUMNS_MAX)
			continue;
		table->fields[table->fields_n++] = field;
		buf_printf(columns, ", %s", name);
	}
	sqlite3_finalize(all);
	return error;
}

static int prepare_table(sqlite3 *db, uint32_t number, struct table *table)
{
	_cleanup_(buf_free) struct buf columns = { 0 }, sql = { 0 };
	int error;

	error = find_fields(db, number, table, &columns);
	if (error)
		return error;
	buf_printf(&sql, "INSERT OR REPLACE INTO %s (id, crc, record%s) VALUES (?, ?, ?",
		   names[number], buf_str(&columns));
	for (size_t i = 0; i < table->fields_n; i++)
		buf_append_str(&sql, ", ?");
	buf_append_byte(&sql, ')');
	error = prepare(db, buf_str(&sql), &table->put);
	if (error)
		return error;
	buf_reset(&sql);
	buf_printf(&sql, "SELECT id, crc FROM %s WHERE id = ?", names[number]);
	error = prepare(db, buf_str(&sql), &table->get);
	if (error)
		return error;
	buf_reset(&sql);
	buf_printf(&sql, "DELETE FROM %s WHERE id = ? RETURNING id, crc", names[number]);
	error = prepare(db, buf_str(&sql), &table->del);
	if (error)
		return error;
	buf_reset(&sql);
	buf_printf(&sql, "DELETE FROM %s", names[number]);
	return prepare(db, buf_str(&sql), &table->wipe);
}

static int prepare_all(struct store_writer *writer)
{
	const struct {
		const char *sql;
		sqlite3_stmt **statement;
	} statements[] = {
		{ PUT_NUMBER, &writer->meta },
		{ "SELECT idx, crc FROM log WHERE idx = ?", &writer->get },
		{ "INSERT OR REPLACE INTO log (idx, epoch, crc, command) VALUES (?, ?, ?, ?)",
		  &writer->append },
		{ "DELETE FROM log WHERE idx > ? RETURNING idx, crc", &writer->cut },
		{ "DELETE FROM log WHERE idx < ? RETURNING idx, crc", &writer->trim },
		{ "DELETE FROM log", &writer->wipe_log },
	};
	int error = 0;

	for (size_t i = 0; !error && i < ARRAY_SIZE(statements); i++)
		error = prepare(writer->db, statements[i].sql, statements[i].statement);
	for (uint32_t i = 1; !error && i < ARRAY_SIZE(names); i++)
		error = prepare_table(writer->db, i, &writer->tables[i]);
	return error;
}

int store_writer_new(sqlite3 *db, struct store_writer **ret)
{
	struct store_writer *writer = mem_new(struct store_writer);
	int error;

	writer->db = db;
	error = prepare_all(writer);
	if (!error)
		error = store_writer_reload(writer);
	if (error) {
		store_writer_free(writer);
		return error;
	}
	*ret = writer;
	return 0;
}

void store_writer_free(struct store_writer *writer)
{
	if (!writer)
		return;
	sqlite3_finalize(writer->meta);
	sqlite3_finalize(writer->get);
	sqlite3_finalize(writer->append);
	sqlite3_finalize(writer->cut);
	sqlite3_finalize(writer->trim);
	sqlite3_finalize(writer->wipe_log);
	for (size_t i = 0; i < ARRAY_SIZE(writer->tables); i++) {
		sqlite3_finalize(writer->tables[i].get);
		sqlite3_finalize(writer->tables[i].put);
		sqlite3_finalize(writer->tables[i].del);
		sqlite3_finalize(writer->tables[i].wipe);
	}
	free(writer);
}

static int run(sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* ---------------------------------------------------------------- numbers */

static uint32_t crc_of_number(enum store_number which, uint64_t value)
{
	return number_crc(crc32c(keys[which], strlen(keys[which])), value);
}

static int write_number(sqlite3_stmt *statement, enum store_number which, uint64_t value)
{
	sqlite3_bind_text(statement, 1, keys[which], -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)value);
	sqlite3_bind_int64(statement, 3, crc_of_number(which, value));
	return run(statement);
}

static int put_number(struct store_writer *writer, enum store_number which, uint64_t value)
{
	int result = write_number(writer->meta, which, value);

	if (result == SQLITE_OK)
		writer->numbers[which] = writer->sealed[which] = value;
	return result;
}

/* One row of meta; which have been found is a bit each. crc may be NULL where nothing is sealed. */
static int take_number(sqlite3_stmt *row, bool sealed, uint64_t *numbers, unsigned *found)
{
	/* A key of the same bytes that is no text would not be found when its number changes. */
	bool is_text = sqlite3_column_type(row, 0) == SQLITE_TEXT;
	const char *key = (const char *)sqlite3_column_text(row, 0);
	uint64_t value = (uint64_t)sqlite3_column_int64(row, 1);
	bool bare = !sealed && sqlite3_column_type(row, 2) == SQLITE_NULL;

	if (!is_text || !key)
		return is_text ? -ENOMEM : -EBADMSG;
	for (enum store_number which = 0; which < STORE_NUMBERS; which++)
		if (strcmp(key, keys[which]) == 0) {
			if (!bare && sqlite3_column_int64(row, 2) != crc_of_number(which, value))
				return -EBADMSG;
			numbers[which] = value;
			*found |= 1u << which;
			return 0;
		}
	return -EBADMSG;
}

static int read_numbers(sqlite3 *db, bool sealed, uint64_t numbers[STORE_NUMBERS], unsigned *found)
{
	sqlite3_stmt *rows = NULL;
	int result, error = prepare(db, "SELECT key, value, crc FROM meta", &rows);

	while (!error && (result = sqlite3_step(rows)) != SQLITE_DONE) {
		error = store_error_of(result);
		if (!error)
			error = take_number(rows, sealed, numbers, found);
	}
	sqlite3_finalize(rows);
	return error;
}

int store_writer_reload(struct store_writer *writer)
{
	unsigned found = 0;
	int error = read_numbers(writer->db, true, writer->numbers, &found);

	if (error)
		return error;
	memcpy(writer->sealed, writer->numbers, sizeof(writer->sealed));
	return found == (1u << STORE_NUMBERS) - 1 && writer->numbers[STORE_DISK_ID] != 0
		? 0 : -EBADMSG;
}

uint64_t store_writer_number(const struct store_writer *writer, enum store_number which)
{
	return writer->numbers[which];
}

int store_writer_set_node(struct store_writer *writer, uint32_t node)
{
	return put_number(writer, STORE_NODE, node);
}

int store_writer_set_disk_id(struct store_writer *writer, uint64_t disk_id)
{
	return put_number(writer, STORE_DISK_ID, disk_id);
}

int store_writer_seal(struct store_writer *writer)
{
	int result = SQLITE_OK;

	for (enum store_number which = 0; result == SQLITE_OK && which < STORE_NUMBERS; which++)
		if (writer->numbers[which] != writer->sealed[which])
			result = put_number(writer, which, writer->numbers[which]);
	return result;
}

int store_seal_numbers(sqlite3 *db, uint64_t disk_id, uint64_t records, uint64_t entries)
{
	const uint64_t sums[STORE_NUMBERS] = { [STORE_RECORDS] = records,
					       [STORE_ENTRIES] = entries };
	uint64_t numbers[STORE_NUMBERS] = { [STORE_DISK_ID] = disk_id };
	sqlite3_stmt *statement = NULL;
	unsigned found = 0;
	int error = read_numbers(db, false, numbers, &found);

	for (enum store_number which = STORE_RECORDS; !error && which < STORE_NUMBERS; which++) {
		if (found & 1u << which && numbers[which] != sums[which])
			error = -EBADMSG;
		numbers[which] = sums[which];
	}
	if (!error)
		error = prepare(db, PUT_NUMBER, &statement);
	for (enum store_number which = 0; !error && which < STORE_NUMBERS; which++)
		error = store_error_of(write_number(statement, which, numbers[which]));
	sqlite3_finalize(statement);
	return error;
}

/* ---------------------------------------------------------------- carrying over */

/* The rows that it finds or removes are taken out of the sum. */
static int take_out(sqlite3_stmt *statement, uint64_t number, uint32_t table, uint64_t *sum)
{
	int result;

	sqlite3_bind_int64(statement, 1, (sqlite3_int64)number);
	while ((result = sqlite3_step(statement)) == SQLITE_ROW)
		*sum = digest_set_remove(
			*sum, store_row_digest(table, (uint64_t)sqlite3_column_int64(statement, 0),
					       (uint32_t)sqlite3_column_int64(statement, 1)));
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int append(struct store_writer *writer, const struct persist *persist)
{
	uint64_t *sum = &writer->numbers[STORE_ENTRIES];
	sqlite3_stmt *statement = writer->append;
	uint32_t crc = store_entry_crc(persist->index, persist->epoch, persist->data.data,
				       persist->data.len);
	int result = take_out(writer->get, persist->index, 0, sum);

	if (result != SQLITE_OK)
		return result;
	*sum = digest_set_add(*sum, store_row_digest(0, persist->index, crc));
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)persist->index);
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)persist->epoch);
	sqlite3_bind_int64(statement, 3, crc);
	sqlite3_bind_blob64(statement, 4, persist->data.data ? persist->data.data : (void *)"",
			    persist->data.len, SQLITE_STATIC);
	return run(statement);
}

static void bind_enum(sqlite3_stmt *statement, int at, const ProtobufCFieldDescriptor *field,
		      int number)
{
	const ProtobufCEnumValue *value =
		protobuf_c_enum_descriptor_get_value(field->descriptor, number);

	if (value)
		sqlite3_bind_text(statement, at, value->name, -1, SQLITE_STATIC);
	else
		sqlite3_bind_int(statement, at, number);
}

/* Whatever is not one text, number or enum stays NULL: the columns are only for reading. */
static void bind_field(sqlite3_stmt *statement, int at, const ProtobufCFieldDescriptor *field,
		       const ProtobufCMessage *record)
{
	const void *member = (const uint8_t *)record + field->offset;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		sqlite3_bind_text(statement, at, *(char *const *)member, -1, SQLITE_TRANSIENT);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		sqlite3_bind_int64(statement, at, (sqlite3_int64) * (const uint64_t *)member);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		sqlite3_bind_int64(statement, at, *(const uint32_t *)member);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		sqlite3_bind_int(statement, at, *(const protobuf_c_boolean *)member);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		bind_enum(statement, at, field, *(const int *)member);
		break;
	default:
		break;
	}
}

/* The columns for people. */
static int put_row(struct table *table, uint32_t number, const struct persist *persist,
		   uint32_t crc)
{
	const ProtobufCMessageDescriptor *type = state_table_descriptor(number);
	_cleanup_(wire_freep) ProtobufCMessage *record = NULL;

	if (type && table->fields_n > 0)
		wire_unpack(type, persist->data.data, persist->data.len, &record);
	for (size_t i = 0; record && i < table->fields_n; i++)
		bind_field(table->put, (int)i + 4, table->fields[i], record);
	sqlite3_bind_int64(table->put, 1, (sqlite3_int64)persist->id);
	sqlite3_bind_int64(table->put, 2, crc);
	sqlite3_bind_blob64(table->put, 3, persist->data.data ? persist->data.data : (void *)"",
			    persist->data.len, SQLITE_STATIC);
	return run(table->put);
}

static int put(struct store_writer *writer, const struct persist *persist)
{
	uint64_t *sum = &writer->numbers[STORE_RECORDS];
	struct table *table = &writer->tables[persist->table];
	uint32_t crc = crc32c(persist->data.data, persist->data.len);
	int result = take_out(table->get, persist->id, persist->table, sum);

	if (result != SQLITE_OK)
		return result;
	*sum = digest_set_add(*sum, store_row_digest(persist->table, persist->id, crc));
	return put_row(table, persist->table, persist, crc);
}

static int wipe(struct store_writer *writer)
{
	int result = run(writer->wipe_log);

	for (size_t i = 1; result == SQLITE_OK && i < ARRAY_SIZE(writer->tables); i++)
		result = run(writer->tables[i].wipe);
	writer->numbers[STORE_ENTRIES] = writer->numbers[STORE_RECORDS] = 0;
	writer->numbers[STORE_APPLIED_INDEX] = writer->numbers[STORE_APPLIED_EPOCH] = 0;
	return result;
}

int store_writer_persist(struct store_writer *writer, const struct persist *persist)
{
	uint32_t table = persist->table;

	switch (persist->kind) {
	case PERSIST_PROMISE:
		writer->numbers[STORE_PROMISED] = persist->value;
		return SQLITE_OK;
	case PERSIST_ALONE:
		writer->numbers[STORE_ALONE] = persist->value;
		writer->numbers[STORE_ALONE_VOTERS] = persist->index;
		return SQLITE_OK;
	case PERSIST_TOGETHER:
		writer->numbers[STORE_TOGETHER] = persist->value;
		writer->numbers[STORE_TOGETHER_VOTERS] = persist->index;
		return SQLITE_OK;
	case PERSIST_CUT:
		return take_out(writer->cut, persist->value, 0, &writer->numbers[STORE_ENTRIES]);
	case PERSIST_APPEND:
		return append(writer, persist);
	case PERSIST_TRIM:
		return take_out(writer->trim, persist->value, 0, &writer->numbers[STORE_ENTRIES]);
	case PERSIST_PUT:
		assert(table > 0 && table < ARRAY_SIZE(names));
		return put(writer, persist);
	case PERSIST_DEL:
		assert(table > 0 && table < ARRAY_SIZE(names));
		return take_out(writer->tables[table].del, persist->id, table,
				&writer->numbers[STORE_RECORDS]);
	case PERSIST_APPLIED:
		writer->numbers[STORE_APPLIED_INDEX] = persist->value;
		writer->numbers[STORE_APPLIED_EPOCH] = persist->epoch;
		return SQLITE_OK;
	case PERSIST_WIPE:
		return wipe(writer);
	}
	assert(!"a known kind of persist");
	return SQLITE_MISUSE;
}
