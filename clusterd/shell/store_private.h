/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_STORE_PRIVATE_H
#define CLUSTERD_SHELL_STORE_PRIVATE_H

/* What the files of the store share: the file (store_file.c), reading it (store_read.c), and the
 * thread that writes (store.c). */

#include <pthread.h>
#include <stdbool.h>

#include <sqlite3.h>

#include "clusterd/shell/store.h"
#include "clusterd/shell/store_write.h"

enum { STORE_PATH_BYTES = 256, STORE_WHY_BYTES = 300 };

struct batch;

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
	uint64_t durable;
	char why[STORE_WHY_BYTES];
};

/* The errno of an SQLite result; damage is told apart from a disk that fails. */
int store_error_of(int result);
int store_run(struct store *store, const char *sql);
/* A number of the table meta; 0: it is not there. */
uint64_t store_meta(const struct store *store, const char *key);

/* Opens or makes the file in store->dir and its writer. Errors as store_open. */
int store_open_file(struct store *store, char *ret_why, size_t size);
/* A sentence for an error. found: what is damaged, by SQLite's own words; NULL: not known. */
void store_describe(struct store *store, int error, const char *found, char *ret_why, size_t size);

#endif
