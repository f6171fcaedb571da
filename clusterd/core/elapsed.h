/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_ELAPSED_H
#define CLUSTERD_CORE_ELAPSED_H

/*
 * The cluster's clock counts the milliseconds that have passed, the same on every member, for
 * what nobody's wall clock may decide: the window of the fence budget. Wall clocks may be days
 * ahead or behind and jump; they are for display.
 *
 * Every command says how long its proposer's kernel has been up (CLOCK_BOOTTIME, which nobody
 * can set). The first report of a kernel ties the uptime that it gives to what the clock is
 * then; from there on each command of that node is evidence that so much more has passed:
 *
 *	clock   = the highest evidence in the log, kept in Cluster.clock_ms
 *	evidence = Node.clock_ms + (Command.up_ms - Node.clock_up_ms)
 *
 * So the clock never goes back and is never faster than the fastest kernel's. It may be slow,
 * by what passed while no node was up that is up now. That is the safe side: an older power-off
 * counts for longer, for one window more at the most. It must not catch up later, for then what
 * passed before a power-off would count as if it had passed since; so a node that was away is tied
 * anew when it is up again, whatever its uptime reaches back to.
 *
 * One of two voters goes on alone after a while in which nothing could be on record, and says so
 * before anybody has reported. From that entry on, only its proposer's uptime counts on, if its
 * daemon is the one on record; all others are tied anew by their next word.
 *
 * A node whose evidence lies behind the clock (it was tied too early, or another kernel's clock
 * jumped) is tied anew, so that it does not stand still for everybody while that node leads.
 *
 * The records are touched only when they are ELAPSED_STEP_MS wrong.
 */

#include <stdint.h>

#include "clusterd/core/state.h"

enum { ELAPSED_STEP_MS = 10000 };

/* What the clock is when that daemon of the node says so, its kernel being up for up_ms. */
uint64_t elapsed_now(const struct state *state, uint32_t node, uint64_t boot_id, uint64_t up_ms);

/*
 * How long the node's kernel will have been up when it is evidence that the clock has come to
 * clock_ms; it may come to that before, by an entry of the log. 0: it is no evidence of that.
 */
uint64_t elapsed_until(const struct state *state, uint32_t node, uint64_t boot_id,
		       uint64_t clock_ms);

/* For apply: takes the evidence of a command. */
void elapsed_hear(struct state *state, const Wire__Command *command, struct update *update);
/* Ties a node that reports for a kernel for the first time, or is up again. */
void elapsed_tie(const struct state *state, Wire__Node *node, uint64_t up_ms);
/* It is no evidence until it is tied again. */
void elapsed_untie(Wire__Node *node);
/* For apply: what passed before the command, nobody but its proposer can tell later. */
void elapsed_count_from(struct state *state, const Wire__Command *command, struct update *update);

#endif
