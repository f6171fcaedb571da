/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_STORE_WRITE_H
#define CLUSTERD_SHELL_STORE_WRITE_H

/*
 * A store writer carries persists over into an open SQLite database, as prepared
 * statements. It knows tables and columns, nothing about transactions or threads.
 *
 * Over all records, and over all entries of the log, it keeps a sum of what each row has as its
 * key and checksum (base/digest.h). So rows that are missing, or are older than the rest, are
 * found, as after a write that the disk said was done and was not.
 */

#include <stdint.h>

#include <sqlite3.h>

#include "clusterd/core/update.h"

struct store_writer;

/* The errno of an SQLite result; damage is told apart from a disk that fails. */
int store_error_of(int result);

/* The rows of the table meta. */
enum store_number {
	STORE_PROMISED,
	STORE_APPLIED_INDEX,
	STORE_APPLIED_EPOCH,
	STORE_DISK_ID,
	STORE_NODE,
	STORE_ALONE,			/* PERSIST_ALONE */
	STORE_ALONE_VOTERS,
	STORE_TOGETHER,			/* PERSIST_TOGETHER */
	STORE_TOGETHER_VOTERS,
	STORE_RECORDS,			/* the sums */
	STORE_ENTRIES,
	STORE_NUMBERS
};

/*
 * -EBADMSG: the tables are not those of sql/schema.sql, or the numbers are not there or not
 * right.
 */
int store_writer_new(sqlite3 *db, struct store_writer **ret);
void store_writer_free(struct store_writer *writer);

/* SQLITE_OK or SQLite's error. */
int store_writer_persist(struct store_writer *writer, const struct persist *persist);
/* The sums, before the transaction is committed. */
int store_writer_seal(struct store_writer *writer);
int store_writer_set_node(struct store_writer *writer, uint32_t node);
int store_writer_set_disk_id(struct store_writer *writer, uint64_t disk_id);

uint64_t store_writer_number(const struct store_writer *writer, enum store_number which);
/* After a rollback: what the file says. 0 or an errno. */
int store_writer_reload(struct store_writer *writer);

/*
 * Writes all numbers and their checksums; those that are there already must be right, and the sums
 * these, or -EBADMSG. disk_id: 0 = is there.
 */
int store_seal_numbers(sqlite3 *db, uint64_t disk_id, uint64_t records, uint64_t entries);

/* Name of a table of records, by WIRE__TABLE__; NULL for none. */
const char *store_table_name(uint32_t table);
/* One more than the highest table number. */
uint32_t store_tables_end(void);

/* What a row adds to its sum. table 0: an entry of the log. */
uint64_t store_row_digest(uint32_t table, uint64_t id, uint32_t crc);

/* What the column crc holds. */
uint32_t store_entry_crc(uint64_t index, uint64_t epoch, const void *command, size_t size);

#endif
