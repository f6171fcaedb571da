/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_LEFTOVER_H
#define CLUSTERD_CORE_LEFTOVER_H

/*
 * A leftover is a file of saved memory that no VM's record names any more. It stands in the record
 * of its volume until a node has removed it, or no node that reaches the volume finds it there:
 * that one of them does not is no evidence, for what is mounted there may be something else.
 *
 * It can be removed at any time and by any node, however late. Its name has the log entry in it
 * that began the save, so no record will ever name it again. And the phase SAVING ends only when
 * nothing is being saved any more, so nobody makes the file anew. A restore that comes too late
 * fails without it; it had no right to run the guest anyway.
 */

#include <stdint.h>

#include "clusterd/core/state.h"

/* The volume whose directory for saved memory the file is in, and its name there; else NULL. */
const Wire__Volume *leftover_volume(const struct state *state, const char *path,
				    const char **ret_name);
/* Of a file with that name; the caller frees it. */
char *leftover_path(const Wire__Volume *volume, const char *name);

/* Nodes that can be asked to remove files from the volume, bit n-1. */
uint64_t leftover_nodes(const struct state *state, const Wire__Volume *volume);
/*
 * Which of these nodes is to remove it now; 0: none of none. Who has not been asked comes first,
 * then who failed, in turn, then whoever there is.
 */
uint32_t leftover_turn(uint64_t nodes, const Wire__Leftover *leftover);
/* Has every one of them looked for it in vain? */
bool leftover_is_gone(uint64_t nodes, const Wire__Leftover *leftover);

#endif
