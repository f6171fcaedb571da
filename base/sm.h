/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sm: a state machine written down as a table.
 *
 *	static const struct sm_state lamp_table[] = {
 *		[LAMP_OFF]    = { "off",    .next = SM_BIT(LAMP_ON) },
 *		[LAMP_ON]     = { "on",     .next = SM_BIT(LAMP_OFF) | SM_BIT(LAMP_BROKEN) },
 *		[LAMP_BROKEN] = { "broken", .final = true },
 *	};
 *
 * The machine's own file has the one function that moves it: that one asserts sm_may_move(), sets
 * the state and checks the machine's invariant. A state that stays what it is, is no move; allow it
 * in next where it means something.
 */
#ifndef BASE_SM_H
#define BASE_SM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At most 64 states: next is a bit per state. */
#define SM_BIT(state) (UINT64_C(1) << (state))

struct sm_state {
	const char *name; /* as people, logs and JSON see it */
	uint64_t next;    /* SM_BIT of each state that may follow */
	bool final;       /* the machine ends here; next is 0 */
};

/* Whether the table of n states has the edge. False for a number that is no state of it. */
bool sm_may_move(const struct sm_state *table, size_t n, unsigned from, unsigned to);

/* The name of a state; "?" for a number that is no state: a log line can always be written. */
const char *sm_name(const struct sm_state *table, size_t n, unsigned state);

/* The state of that name. -ENOENT if there is none. */
int sm_find(const struct sm_state *table, size_t n, const char *name, unsigned *ret_state);

/*
 * For tests: what is wrong with a table, NULL if it is sound. Sound means: 1 to 64 states, each
 * with a name of its own; edges lead to states; a final state has no way out, any other has one;
 * every state can be reached from those in starts (SM_BITs); and if there are final states, one can
 * be reached from everywhere. Where it answers something, the state it is about is in *ret_state.
 */
const char *sm_check_table(const struct sm_state *table, size_t n, uint64_t starts,
			   unsigned *ret_state);

#endif
