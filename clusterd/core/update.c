/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/update.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/message.h"

/* Room for one more element, zeroed; it is the last one. */
static void *grow(void *array, size_t *n, size_t *cap, size_t size)
{
	char *base = array;

	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 8;
		base = mem_resize(array, *cap, size);
	}
	memset(base + *n * size, 0, size);
	(*n)++;
	return base;
}

void update_init(struct update *update)
{
	*update = (struct update){ 0 };
}

void update_reset(struct update *update)
{
	for (size_t i = 0; i < update->frames_n; i++)
		buf_free(&update->frames[i]);
	for (size_t i = 0; i < update->persists_n; i++)
		buf_free(&update->persists[i].data);
	for (size_t i = 0; i < update->asks_n; i++)
		wire_free(update->asks[i].request);
	for (size_t i = 0; i < update->answers_n; i++)
		wire_free(update->answers[i].verdict);
	free(update->frames);
	free(update->persists);
	free(update->cancels);
	free(update->asks);
	free(update->answers);
	update_init(update);
}

void update_frame(struct update *update, struct buf *frame)
{
	update->frames = grow(update->frames, &update->frames_n, &update->frames_cap,
			      sizeof(*update->frames));
	update->frames[update->frames_n - 1] = *frame;
	*frame = (struct buf){ 0 };
}

struct persist *update_persist(struct update *update, enum persist_kind kind)
{
	struct persist *persist;

	update->persists = grow(update->persists, &update->persists_n, &update->persists_cap,
				sizeof(*update->persists));
	persist = &update->persists[update->persists_n - 1];
	persist->kind = kind;
	return persist;
}

void update_persist_cut(struct update *update, size_t n)
{
	while (update->persists_n > n)
		buf_free(&update->persists[--update->persists_n].data);
}

void update_persist_all(struct update *update, struct update *from)
{
	size_t n = update->persists_n + from->persists_n;

	if (from->persists_n == 0)
		return;
	if (n > update->persists_cap) {
		update->persists_cap = n;
		update->persists = mem_resize(update->persists, n, sizeof(*update->persists));
	}
	memcpy(update->persists + update->persists_n, from->persists,
	       from->persists_n * sizeof(*from->persists));
	update->persists_n = n;
	from->persists_n = 0;
}

struct ask *update_ask(struct update *update, enum agent_kind agent)
{
	struct ask *ask;

	update->asks = grow(update->asks, &update->asks_n, &update->asks_cap,
			    sizeof(*update->asks));
	ask = &update->asks[update->asks_n - 1];
	ask->agent = agent;
	return ask;
}

void update_cancel(struct update *update, uint64_t ask)
{
	update->cancels = grow(update->cancels, &update->cancels_n, &update->cancels_cap,
			       sizeof(*update->cancels));
	update->cancels[update->cancels_n - 1] = ask;
}

void update_answer(struct update *update, uint64_t tag, Wire__Verdict *verdict)
{
	update->answers = grow(update->answers, &update->answers_n, &update->answers_cap,
			       sizeof(*update->answers));
	update->answers[update->answers_n - 1] = (struct answer){ .tag = tag, .verdict = verdict };
}

void update_wake(struct update *update, uint64_t at_ms)
{
	if (update->deadline_ms == 0 || at_ms < update->deadline_ms)
		update->deadline_ms = at_ms ? at_ms : 1;
}

uint64_t update_wakes_apart(struct update *update)
{
	uint64_t before_ms = update->deadline_ms;

	update->deadline_ms = 0;
	return before_ms;
}

uint64_t update_wakes_together(struct update *update, uint64_t before_ms)
{
	uint64_t between_ms = update->deadline_ms;

	if (before_ms)
		update_wake(update, before_ms);
	return between_ms;
}
