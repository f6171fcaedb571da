/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/timers.h"

#include "base/mem.h"

#include <stdlib.h>

enum { SMALLEST_CAP = 8 };

struct timer {
	uint64_t id, at_ms;
	size_t place; /* in the heap */
};

static bool is_before(const struct timer *a, const struct timer *b)
{
	return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->id < b->id);
}

static void put_at(struct timers *timers, size_t place, struct timer *timer)
{
	timers->heap[place] = timer;
	timer->place = place;
}

/* To where it belongs, from a place whose surroundings are in order but for this one. */
static void settle(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	while (place > 0 && is_before(timer, timers->heap[(place - 1) / 2])) {
		put_at(timers, place, timers->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	for (;;) {
		size_t next = 2 * place + 1;

		if (next + 1 < timers->count &&
		    is_before(timers->heap[next + 1], timers->heap[next]))
			next++;
		if (next >= timers->count || !is_before(timers->heap[next], timer))
			break;
		put_at(timers, place, timers->heap[next]);
		place = next;
	}
	put_at(timers, place, timer);
}

static void drop(struct timers *timers, struct timer *timer)
{
	struct timer *last = timers->heap[--timers->count];

	if (last != timer) {
		put_at(timers, timer->place, last);
		settle(timers, last);
	}
	free(idmap_remove(&timers->ids, timer->id));
}

static struct timer *add(struct timers *timers, uint64_t id)
{
	struct timer *timer = mem_new(struct timer);

	if (timers->count == timers->cap) {
		timers->cap = timers->cap ? timers->cap * 2 : SMALLEST_CAP;
		timers->heap = mem_resize(timers->heap, timers->cap, sizeof(struct timer *));
	}
	timer->id = id;
	idmap_put(&timers->ids, id, timer);
	put_at(timers, timers->count++, timer);
	return timer;
}

void timers_set(struct timers *timers, uint64_t id, uint64_t at_ms)
{
	struct timer *timer = idmap_get(&timers->ids, id);

	if (!at_ms) {
		if (timer)
			drop(timers, timer);
		return;
	}
	if (!timer)
		timer = add(timers, id);
	timer->at_ms = at_ms;
	settle(timers, timer);
}

uint64_t timers_next_ms(const struct timers *timers)
{
	return timers->count ? timers->heap[0]->at_ms : 0;
}

bool timers_take(struct timers *timers, uint64_t now_ms, uint64_t *ret_id)
{
	if (!timers->count || timers->heap[0]->at_ms > now_ms)
		return false;
	*ret_id = timers->heap[0]->id;
	drop(timers, timers->heap[0]);
	return true;
}

void timers_clear(struct timers *timers)
{
	idmap_free(&timers->ids, free);
	free(timers->heap);
	*timers = (struct timers){ 0 };
}
