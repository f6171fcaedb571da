/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sm.h"

#include <errno.h>
#include <string.h>

enum { MOST_STATES = 64 };

bool sm_may_move(const struct sm_state *table, size_t n, unsigned from, unsigned to)
{
	return from < n && to < n && (table[from].next & SM_BIT(to));
}

const char *sm_name(const struct sm_state *table, size_t n, unsigned state)
{
	return state < n && table[state].name ? table[state].name : "?";
}

int sm_find(const struct sm_state *table, size_t n, const char *name, unsigned *ret_state)
{
	for (unsigned i = 0; i < n; i++) {
		if (table[i].name && strcmp(table[i].name, name) == 0) {
			*ret_state = i;
			return 0;
		}
	}
	return -ENOENT;
}

/* What is wrong with one state taken alone. */
static const char *check_state(const struct sm_state *table, size_t n, uint64_t all, unsigned state)
{
	const struct sm_state *s = &table[state];
	unsigned first;

	if (!s->name || !s->name[0])
		return "has no name";
	if (sm_find(table, n, s->name, &first) == 0 && first != state)
		return "has the name of another state";
	if (s->next & ~all)
		return "leads to what is no state";
	if (s->final && s->next)
		return "is final but has a way out";
	if (!s->final && !(s->next & ~SM_BIT(state)))
		return "is not final but has no way out";
	return NULL;
}

/* All states that can be reached from a set, the set included. */
static uint64_t reachable(const struct sm_state *table, size_t n, uint64_t from)
{
	uint64_t seen = from, before;

	do {
		before = seen;
		for (unsigned i = 0; i < n; i++)
			if (seen & SM_BIT(i))
				seen |= table[i].next;
	} while (seen != before);
	return seen;
}

const char *sm_check_table(const struct sm_state *table, size_t n, uint64_t starts,
			   unsigned *ret_state)
{
	uint64_t all, finals = 0, reached;
	const char *wrong;

	*ret_state = 0;
	if (n == 0 || n > MOST_STATES)
		return "has fewer than 1 or more than 64 states";
	all = n == MOST_STATES ? UINT64_MAX : SM_BIT(n) - 1;
	if (starts == 0 || (starts & ~all))
		return "starts in none or in what is no state";

	for (unsigned i = 0; i < n; i++) {
		*ret_state = i;
		wrong = check_state(table, n, all, i);
		if (wrong)
			return wrong;
		if (table[i].final)
			finals |= SM_BIT(i);
	}
	reached = reachable(table, n, starts);
	for (unsigned i = 0; i < n; i++) {
		*ret_state = i;
		if (!(reached & SM_BIT(i)))
			return "is never reached";
		if (finals && !(reachable(table, n, SM_BIT(i)) & finals))
			return "never comes to a final state";
	}
	return NULL;
}
