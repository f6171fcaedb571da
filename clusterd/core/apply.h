/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_APPLY_H
#define CLUSTERD_CORE_APPLY_H

/*
 * Apply carries out a committed command on the replicated state, the same on every member.
 * It reads nothing but the state and the command, it cannot fail, and it has no effect but
 * on the state; what it thinks of the command is the verdict, for the proposer.
 */

#include "clusterd/core/state.h"

/*
 * The entry of that index and epoch; NULL is a command that cannot be read, which is refused, the
 * same everywhere. ret_verdict is owned by the caller (wire_free), never NULL.
 */
void apply_command(struct state *state, const Wire__Command *command, uint64_t index,
		   uint64_t epoch, struct update *update, Wire__Verdict **ret_verdict,
		   uint64_t *ret_request);
/* The same, with the command as it is in the log. */
void apply_entry(struct state *state, const Wire__Entry *entry, struct update *update,
		 Wire__Verdict **ret_verdict, uint64_t *ret_request);

#endif
