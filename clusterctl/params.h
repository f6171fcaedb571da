/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Params: words of the command line as the daemon wants to have them. */
#ifndef CLUSTERCTL_PARAMS_H
#define CLUSTERCTL_PARAMS_H

#include "clusterctl/ctl.h"

struct buf;

enum { PARAMS_KEY_MAX = 64 };

/*
 * The arguments KEY=VALUE from a position on: [{"key", "value"}, …], or as one object {KEY:
 * VALUE}.
 */
json_t *params_changes(const struct cli_call *call, size_t first);
json_t *params_object(const struct cli_call *call, size_t first);

/* The id of a node by its name. */
bool params_node_id(struct ctl *ctl, const char *name, json_int_t *ret_id,
		    struct ctl_error *ret_error);

/*
 * All of a file, or of stdin for "-"; at most max bytes and UTF-8. -EFBIG, -EILSEQ, or the
 * errno of reading.
 */
int params_read_text(const char *path, size_t max, struct buf *ret);

#endif
