/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_STORE_WRITE_H
#define CLUSTERD_SHELL_STORE_WRITE_H

/*
 * A store writer carries persists over into an open SQLite database, as prepared
 * statements. It knows tables and columns, nothing about transactions or threads.
 */

#include <stdint.h>

#include <sqlite3.h>

#include "clusterd/core/update.h"

struct store_writer;

/* -EBADMSG: the tables are not those of sql/schema.sql. */
int store_writer_new(sqlite3 *db, struct store_writer **ret);
void store_writer_free(struct store_writer *writer);

/* SQLITE_OK or SQLite's error. */
int store_writer_persist(struct store_writer *writer, const struct persist *persist);

/* Name of a table of records, by WIRE__TABLE__; NULL for none. */
const char *store_table_name(uint32_t table);
/* One more than the highest table number. */
uint32_t store_tables_end(void);

/* What the column crc holds. */
uint32_t store_entry_crc(uint64_t index, uint64_t epoch, const void *command, size_t size);

#endif
