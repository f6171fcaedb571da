/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_STORE_PRIVATE_H
#define CLUSTERD_SHELL_STORE_PRIVATE_H

/* What the files of the store share: the file (store_file.c), its write-ahead log (store_wal.c),
 * its tables (store_schema.c), reading it (store_read.c), and the thread that writes (store.c). */

#include <pthread.h>
#include <stdbool.h>

#include <sqlite3.h>

#include "clusterd/shell/store.h"
#include "clusterd/shell/store_schema.h"
#include "clusterd/shell/store_write.h"

enum { STORE_PATH_BYTES = 256, STORE_WHY_BYTES = 300, STORE_PAGE_BYTES = 4096 };

struct batch;
struct copying;

#define STORE_COPY_NAME "cluster.db.copy"

struct store {
	sqlite3 *db;
	struct store_writer *writer;
	char dir[STORE_PATH_BYTES];
	int event;
	int wal_pages;		/* writing thread, and before it is there */

	pthread_t thread;
	bool started;
	pthread_mutex_t lock;	/* of all below */
	pthread_cond_t work;
	struct batch *head, **tail;
	size_t queued;
	bool closing, failed;
	struct copying *copying;	/* store_copy.c; NULL: none is asked for */
	uint64_t durable;
	char why[STORE_WHY_BYTES];
};

/*
 * What the thread does with all that was submitted, or, if nothing was, when nothing comes for a
 * while: without a thread, for a simulator. After an error store_poll tells it, and there is no
 * other round.
 */
int store_write_round(struct store *store);

int store_run(struct store *store, const char *sql);
/* The first column of the first row as a text or a number; -ENOENT without a row. */
int store_ask_text(struct store *store, const char *sql, char *ret, size_t size);
int store_ask(struct store *store, const char *sql, uint64_t *ret);

/* Opens or makes the file in store->dir and its writer. Errors as store_open. */
int store_open_file(struct store *store, const struct store_schema *schema, char *ret_why,
		    size_t size);
/* Of a file that is open and not written to: -EBADMSG if its log is spoiled, not cut off. */
int store_wal_check(struct store *store, bool *ret_empty);
/* Writes what is in it once more, and syncs it. */
int store_wal_renew(struct store *store);
int store_wal_sync(struct store *store);
/*
 * Gives everything its checksums that has none yet; those that are there must be right (-EBADMSG).
 * disk_id: of a new store; else 0. Within a transaction of the caller's.
 */
int store_seal_all(struct store *store, uint64_t disk_id);
/* store_copy.c, for the thread that writes: with the lock held; then one turn, without it. */
bool store_copy_is_due(const struct store *store);
void store_copy_turn(struct store *store);
/* After that thread has ended. */
void store_copy_free(struct store *store);
/* Wakes the loop: there is something to poll for. */
void store_tell(struct store *store);
/* Of a disk; never 0. */
uint64_t store_random_id(void);
/* Makes durable what can be read, and the log empty. */
int store_settle(struct store *store);
/* From now on the file is left as it is, also when it is closed. */
void store_freeze(struct store *store, bool yes);
/* A sentence for an error. found: what is damaged, by SQLite's own words; NULL: not known. */
void store_describe(struct store *store, int error, const char *found, char *ret_why, size_t size);

#endif
