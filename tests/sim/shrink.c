/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a run that goes wrong to the few faults that make it do so: delta debugging (Zeller and
 * Hildebrandt 2002). Parts of the list are left out, from halves down to single faults, as long as
 * the same thing goes wrong; then waits between faults and their numbers are made smaller.
 */
#include "tests/sim/play.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct hunt {
	const char *wrong;
	unsigned runs;			/* that are left */
	struct play best;
};

/* The same sentence, but for its numbers. */
static bool same(const char *a, const char *b)
{
	static const char digits[] = "0123456789abcdef-";

	while (*a && *b) {
		if (strspn(a, "0123456789") && strspn(b, "0123456789")) {
			a += strspn(a, digits);
			b += strspn(b, digits);
		} else if (*a++ != *b++) {
			return false;
		}
	}
	return *a == *b;
}

/* Takes the list if it goes wrong with it; else frees it. */
static bool take_if_wrong(struct hunt *hunt, struct fault_list *list)
{
	struct play play = hunt->best;
	struct outcome outcome;
	bool wrong;

	if (!hunt->runs) {
		fault_list_free(list);
		return false;
	}
	hunt->runs--;
	play.faults = *list;
	play_run(&play, NULL, NULL, &outcome);
	wrong = outcome.wrong && same(outcome.wrong, hunt->wrong);
	outcome_free(&outcome);
	if (wrong) {
		fault_list_free(&hunt->best.faults);
		hunt->best.faults = *list;
	} else {
		fault_list_free(list);
	}
	return wrong;
}

static struct fault_list without(const struct fault_list *list, size_t from, size_t n)
{
	struct fault_list rest = { 0 };

	for (size_t i = 0; i < list->n; i++)
		if (i < from || i >= from + n)
			fault_list_add(&rest, &list->faults[i]);
	return rest;
}

static void leave_out(struct hunt *hunt)
{
	for (size_t part = hunt->best.faults.n / 2; part > 0 && hunt->runs; part /= 2)
		for (size_t at = hunt->best.faults.n; at > 0 && hunt->runs;) {
			struct fault_list rest;

			at = at > part ? at - part : 0;
			rest = without(&hunt->best.faults, at, part);
			take_if_wrong(hunt, &rest);
			if (at > hunt->best.faults.n)
				at = hunt->best.faults.n;
		}
}

/* All from that one on come earlier, by half of the wait before it. */
static void hurry(struct hunt *hunt)
{
	for (size_t i = 0; i < hunt->best.faults.n && hunt->runs; i++) {
		const struct fault_list *best = &hunt->best.faults;
		uint64_t before = i ? best->faults[i - 1].at_ms : 0;
		uint64_t wait = (best->faults[i].at_ms - before) / 2;
		struct fault_list list = without(best, 0, 0);

		for (size_t k = i; k < list.n; k++)
			list.faults[k].at_ms -= wait;
		if (wait >= 100 && take_if_wrong(hunt, &list))
			i--;
		else if (wait < 100)
			fault_list_free(&list);
	}
}

static void make_smaller(struct hunt *hunt)
{
	for (size_t i = 0; i < hunt->best.faults.n && hunt->runs; i++) {
		struct fault_list list = without(&hunt->best.faults, 0, 0);

		/* What an administrator asks for is drawn from it: half is something else. */
		if (list.faults[i].kind == FAULT_ADMIN || list.faults[i].a < 2) {
			fault_list_free(&list);
			continue;
		}
		list.faults[i].a /= 2;
		if (take_if_wrong(hunt, &list))
			i--;
	}
}

void play_shrink(const struct play *play, const char *wrong, unsigned runs, struct play *ret_play)
{
	struct hunt hunt = { .wrong = wrong, .runs = runs, .best = *play };
	struct outcome outcome;
	size_t before;

	hunt.best.faults = (struct fault_list){ 0 };
	hunt.best.listed = true;
	if (play->listed) {
		hunt.best.faults = without(&play->faults, 0, 0);
	} else {
		play_run(play, NULL, &hunt.best.faults, &outcome);
		outcome_free(&outcome);
	}
	do {
		before = hunt.best.faults.n;
		leave_out(&hunt);
	} while (hunt.best.faults.n < before && hunt.runs);
	hurry(&hunt);
	make_smaller(&hunt);
	*ret_play = hunt.best;
}
