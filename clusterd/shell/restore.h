/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_RESTORE_H
#define CLUSTERD_SHELL_RESTORE_H

/*
 * Restore makes a backup (clusterctl backup) the store of a node that has none: `clusterd
 * --restore`. The backup is copied into a directory beside the store's place, opened there as a
 * store, which checks all of it, given a new disk id, forced (force.h), and moved to its place as
 * the last thing: whatever happens before, there is no store, and none that is half of one.
 */

#include <stddef.h>
#include <stdint.h>

#include "clusterd/shell/force.h"

struct restore;

/* What tells which node this machine is. */
struct restore_here {
	uint32_t node;		/* Corosync's id of it; 0 = Corosync does not run */
	const char *host;	/* its host name; "": not known */
};

/*
 * as: the name of the node that it is to be, as the backup has it; NULL: the one that it was made
 * on. -EEXIST: there is a store; -EXDEV: this machine is another node, or as must say which;
 * -ENODATA, -EBADMSG, -EPROTO: the file is none that can be restored, or not for that node; else
 * -errno. ret_why is a sentence for each.
 */
int restore_open(const char *state_dir, const char *path, const char *as,
		 const struct restore_here *here, struct restore **ret, char *ret_why, size_t size);
/* Without restore_finish nothing is left of it. NULL is fine. */
void restore_free(struct restore *restore);

/* To be told of, and written. The restore's. */
struct forcing *restore_forcing(struct restore *restore);
/* After forcing_write: makes it the store, durably. */
int restore_finish(struct restore *restore, char *ret_why, size_t size);

#endif
