/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_STORE_COPY_H
#define CLUSTERD_SHELL_STORE_COPY_H

/*
 * A copy of a store that is being written: whole, as it was at one moment, and checked. The store's
 * thread makes it by SQLite's backup API between its batches, a few milliseconds a turn, over the
 * connection that writes, so that what is written meanwhile is in it as well. Then a thread of its
 * own reads it from end to end as if it were a store.
 *
 * It is a file in the store's directory that has no name any more when the first byte is written:
 * whatever happens, nothing is left of it.
 */

#include <stddef.h>
#include <stdint.h>

#include "clusterd/shell/store.h"

enum {
	STORE_COPY_MAX = 1024 * 1024 * 1024,	/* bytes of a store that can be copied */
	STORE_COPY_ROOM = 64 * 1024 * 1024,	/* that stay free for the store itself */
};

struct store_copy {
	int fd;				/* for reading, at its beginning; the caller's */
	uint64_t size;			/* bytes */
	uint64_t index, epoch;		/* of the last entry that is applied in it */
};

/* Of a store that was started. -EBUSY: one is being made. */
int store_copy_begin(struct store *store);
/*
 * What has become of it; asked when store_fd is readable. -EAGAIN: it is being made; -ENOENT: there
 * is none; else 0, or -errno with a sentence, and it is over.
 */
int store_copy_poll(struct store *store, struct store_copy *ret, char *ret_why, size_t size);
/* Nobody waits for it any more. It ends by itself, and the next one can be begun after that. */
void store_copy_cancel(struct store *store);

#endif
