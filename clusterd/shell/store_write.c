/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_write.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
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
	sqlite3_stmt *put, *del, *wipe;
	const ProtobufCFieldDescriptor *fields[COLUMNS_MAX];
	size_t fields_n;
};

struct store_writer {
	sqlite3 *db;
	sqlite3_stmt *meta, *append, *cut, *trim, *wipe_log;
	struct table tables[ARRAY_SIZE(names)];
};

const char *store_table_name(uint32_t table)
{
	return table < ARRAY_SIZE(names) ? names[table] : NULL;
}

uint32_t store_tables_end(void)
{
	return ARRAY_SIZE(names);
}

uint32_t store_entry_crc(uint64_t index, uint64_t epoch, const void *command, size_t size)
{
	uint8_t head[16];

	for (size_t i = 0; i < 8; i++) {
		head[i] = (uint8_t)(index >> (8 * i));
		head[8 + i] = (uint8_t)(epoch >> (8 * i));
	}
	return crc32c_extend(crc32c(head, sizeof(head)), command, size);
}

/* ---------------------------------------------------------------- statements */

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
	return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) == SQLITE_OK
		? 0 : -EBADMSG;
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
	buf_printf(&sql, "DELETE FROM %s WHERE id = ?", names[number]);
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
		{ "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", &writer->meta },
		{ "INSERT OR REPLACE INTO log (idx, epoch, crc, command) VALUES (?, ?, ?, ?)",
		  &writer->append },
		{ "DELETE FROM log WHERE idx > ?", &writer->cut },
		{ "DELETE FROM log WHERE idx < ?", &writer->trim },
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
	sqlite3_finalize(writer->append);
	sqlite3_finalize(writer->cut);
	sqlite3_finalize(writer->trim);
	sqlite3_finalize(writer->wipe_log);
	for (size_t i = 0; i < ARRAY_SIZE(writer->tables); i++) {
		sqlite3_finalize(writer->tables[i].put);
		sqlite3_finalize(writer->tables[i].del);
		sqlite3_finalize(writer->tables[i].wipe);
	}
	free(writer);
}

/* ---------------------------------------------------------------- carrying over */

static int run(sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int run_number(sqlite3_stmt *statement, uint64_t number)
{
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)number);
	return run(statement);
}

static int put_meta(struct store_writer *writer, const char *key, uint64_t value)
{
	sqlite3_bind_text(writer->meta, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(writer->meta, 2, (sqlite3_int64)value);
	return run(writer->meta);
}

static int append(struct store_writer *writer, const struct persist *persist)
{
	sqlite3_stmt *statement = writer->append;

	sqlite3_bind_int64(statement, 1, (sqlite3_int64)persist->index);
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)persist->epoch);
	sqlite3_bind_int64(statement, 3,
			   store_entry_crc(persist->index, persist->epoch, persist->data.data,
					   persist->data.len));
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

static int put(struct table *table, uint32_t number, const struct persist *persist)
{
	const ProtobufCMessageDescriptor *type = state_table_descriptor(number);
	_cleanup_(wire_freep) ProtobufCMessage *record = NULL;

	if (type && table->fields_n > 0)
		record = protobuf_c_message_unpack(type, NULL, persist->data.len,
						   persist->data.data);
	for (size_t i = 0; record && i < table->fields_n; i++)
		bind_field(table->put, (int)i + 4, table->fields[i], record);
	sqlite3_bind_int64(table->put, 1, (sqlite3_int64)persist->id);
	sqlite3_bind_int64(table->put, 2, crc32c(persist->data.data, persist->data.len));
	sqlite3_bind_blob64(table->put, 3, persist->data.data ? persist->data.data : (void *)"",
			    persist->data.len, SQLITE_STATIC);
	return run(table->put);
}

static int wipe(struct store_writer *writer)
{
	int result = run(writer->wipe_log);

	for (size_t i = 1; result == SQLITE_OK && i < ARRAY_SIZE(writer->tables); i++)
		result = run(writer->tables[i].wipe);
	if (result == SQLITE_OK)
		result = put_meta(writer, "applied_index", 0);
	return result == SQLITE_OK ? put_meta(writer, "applied_epoch", 0) : result;
}

static int applied(struct store_writer *writer, const struct persist *persist)
{
	int result = put_meta(writer, "applied_index", persist->value);

	return result == SQLITE_OK ? put_meta(writer, "applied_epoch", persist->epoch) : result;
}

int store_writer_persist(struct store_writer *writer, const struct persist *persist)
{
	uint32_t table = persist->table;

	switch (persist->kind) {
	case PERSIST_PROMISE:
		return put_meta(writer, "promised", persist->value);
	case PERSIST_CUT:
		return run_number(writer->cut, persist->value);
	case PERSIST_APPEND:
		return append(writer, persist);
	case PERSIST_TRIM:
		return run_number(writer->trim, persist->value);
	case PERSIST_PUT:
		assert(table > 0 && table < ARRAY_SIZE(names));
		return put(&writer->tables[table], table, persist);
	case PERSIST_DEL:
		assert(table > 0 && table < ARRAY_SIZE(names));
		return run_number(writer->tables[table].del, persist->id);
	case PERSIST_APPLIED:
		return applied(writer, persist);
	case PERSIST_WIPE:
		return wipe(writer);
	}
	assert(!"a known kind of persist");
	return SQLITE_MISUSE;
}
