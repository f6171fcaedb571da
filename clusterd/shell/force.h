/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_FORCE_H
#define CLUSTERD_SHELL_FORCE_H

/*
 * Force makes the store of a stopped daemon that of a new cluster with this node as its only voter
 * (clusterd/core/force.h): `clusterd --force-new-cluster`. Before that is meant, it is told what
 * there is to go on with, and what is given up.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "clusterd/core/force.h"
#include "clusterd/shell/store.h"

struct forcing;

/*
 * Reads the whole store, which stays the caller's. restore: it is that of a backup, and has its new
 * disk id. Errors with a sentence: -ENODATA: there is nothing to go on with, or not for this node;
 * -EPROTO; -EBADMSG: it is damaged; else what reading came to.
 */
int forcing_new(struct store *store, bool restore, struct forcing **ret, char *ret_why,
		size_t size);
void forcing_free(struct forcing *forcing);

/* Of the cluster that it goes on from. */
const char *forcing_name(const struct forcing *forcing);
/* For an administrator: what there is, what will be, what is lost. command: how it is done. */
void forcing_tell(const struct forcing *forcing, uint64_t wall_ms, const char *command, FILE *out);

/*
 * Of one that was forced before: that, when and as what, and what it means to do it again. Returns
 * whether there was anything to be said.
 */
bool forcing_tell_again(const struct forcing *forcing, FILE *out);

/* One transaction: does it, or nothing. A sentence for each failure. */
int forcing_write(struct forcing *forcing, const char *who, char *ret_why, size_t size);

#endif
