/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_LOOP_H
#define CLUSTERD_SHELL_LOOP_H

/*
 * The loop is the running daemon: it hands every event to the core and carries out what
 * the core wants done, in the order of clusterd/core/update.h.
 *
 * The core is made as soon as this node's id is known: from the store, or the first time
 * from Corosync.
 */

#include "clusterd/shell/conf.h"
#include "clusterd/shell/store.h"

/* What the process ends with; systemd starts it again after all but CONFIG, unless told to stop. */
enum loop_exit {
	LOOP_EXIT_CLEAN = 0,
	LOOP_EXIT_CONFIG = 78,	/* EX_CONFIG: an administrator has to act */
	LOOP_EXIT_FAILED = 1,
	LOOP_EXIT_STORE = 74,	/* EX_IOERR: the disk failed */
	LOOP_EXIT_AGAIN = 75,	/* EX_TEMPFAIL: the node has to join anew */
};

/*
 * Opens the store in dir; a damaged one is set aside, which is logged, and an empty one
 * takes its place.
 */
int loop_open_store(const char *dir, struct store **ret, char *ret_why, size_t size);

/* Runs until the daemon has left or cannot go on; takes the store. Returns a loop_exit. */
int loop_run(const struct conf *conf, struct store *store);

#endif
