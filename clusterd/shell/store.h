/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_STORE_H
#define CLUSTERD_SHELL_STORE_H

/*
 * The store is this node's disk: promise, log and records of the core in one SQLite file.
 * A batch that was reported durable survives the loss of power; batches are durable in
 * the order they were submitted, each whole or not at all.
 *
 * One thread of its own writes: it takes everything submitted since its last commit as one
 * transaction (WAL, synchronous=FULL: one fsync) and reports through a descriptor, so a
 * slow disk never stops the loop.
 * Anything that goes wrong while writing is final: an fsync that failed is never tried again,
 * because what it lost nobody knows.
 *
 * Life: store_open, then store_write_now or reading, then store_start; after that only
 * store_submit, store_poll and store_close.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "clusterd/core/update.h"

struct store;

enum {
	STORE_SCHEMA_VERSION = 3,
	STORE_QUEUE_MAX = 256 * 1024 * 1024,
	STORE_ROOM = 8 * 1024 * 1024,	/* bytes that are free when it is opened */
};

/*
 * Opens cluster.db in dir or makes an empty one; one of an older version is brought to this one.
 * What can be read from it afterwards is durable. -EBADMSG: damaged (quick_check, tables and their
 * columns, checksums); set it aside with store_set_aside and open again. -EPROTO: made by a newer
 * version. -ENOTSUP: a migration of ours does not fit it; it is as it was.
 * -EBUSY: another process has it. -ENOSPC: less than STORE_ROOM is free there. -EIO, -ENOMEM: says
 * nothing of the store. ret_why is a sentence for each failure.
 */
int store_open(const char *dir, struct store **ret, char *ret_why, size_t size);
/* Waits for what was submitted. NULL is fine. */
void store_close(struct store *store);

/* Renames cluster.db and what belongs to it to cluster.db.damaged-TIME. */
int store_set_aside(const char *dir, char *ret_name, size_t size);
enum { STORE_ASIDE_KEPT = 3 };
/*
 * Removes what was set aside before the newest STORE_ASIDE_KEPT, by the times in their names;
 * `kept`, a path, is none of those that go. Other files stay. `removed` is told the name of each.
 */
void store_thin_out(const char *dir, const char *kept,
		    void (*removed)(void *context, const char *name), void *context);

/* ---- before store_start */

uint64_t store_disk_id(const struct store *store);	/* random, of this file; never 0 */
uint64_t store_promised(const struct store *store);
/* What PERSIST_ALONE and PERSIST_TOGETHER wrote last; 0, 0: nothing. */
void store_alone(const struct store *store, uint64_t *ret_epoch, uint64_t *ret_voters);
void store_together(const struct store *store, uint64_t *ret_boot, uint64_t *ret_voters);
void store_applied(const struct store *store, uint64_t *ret_index, uint64_t *ret_epoch);
/* The node id this store belongs to; 0 = not known yet. */
uint32_t store_node(const struct store *store);
int store_set_node(struct store *store, uint32_t node);
/* Another random one: what this store holds was never the store of the disk with the old one. */
int store_renew_disk_id(struct store *store);

/*
 * Walks all records by table and id, or the log in ascending order. The callback's error
 * ends the walk and is returned; -EBADMSG: a checksum is wrong, the log has a gap, or what was
 * walked is not all that was written: only the end of the walk tells.
 */
int store_each_record(struct store *store,
		      int (*each)(void *context, uint32_t table, uint64_t id, const void *data,
				  size_t size),
		      void *context);
int store_each_entry(struct store *store,
		     int (*each)(void *context, uint64_t index, uint64_t epoch, const void *data,
				 size_t size),
		     void *context);

/* One durable transaction at once, for genesis; none of it on failure. */
int store_write_now(struct store *store, const struct persist *persists, size_t n);

/* ---- the writing thread */

int store_start(struct store *store);
/* Readable when store_poll has something to tell. */
int store_fd(const struct store *store);

/*
 * Takes the array and what it owns. seq ascends. -ENOSPC: more than STORE_QUEUE_MAX waits
 * for a disk that does not keep up; the store can take nothing more.
 */
int store_submit(struct store *store, struct persist *persists, size_t n, uint64_t seq);

/* The highest durable seq so far. -EIO with a sentence: writing failed, for ever. */
int store_poll(struct store *store, uint64_t *ret_durable, char *ret_why, size_t size);

#endif
