/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/behind.h"

#include <stdlib.h>

#include "base/mem.h"

void behind_free(struct behind *behind)
{
	update_reset(&behind->changes);
}

void behind_stand(struct behind *behind, uint64_t index)
{
	update_reset(&behind->changes);
	behind->since_ms = behind->seen = behind->bytes = 0;
	behind->written = index;
}

/* The position last, which has no table; and of the same record what came later. */
static int by_record(const void *a, const void *b)
{
	const struct persist *x = *(struct persist *const *)a, *y = *(struct persist *const *)b;
	uint32_t table_x = x->table - 1, table_y = y->table - 1;

	if (table_x != table_y)
		return table_x < table_y ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x < y ? -1 : x > y;
}

static bool same_record(const struct persist *a, const struct persist *b)
{
	return a->table == b->table && a->id == b->id;
}

/* Of each record, and of the position, the last one. */
static void write_out(struct update *changes, struct update *update)
{
	size_t n = changes->persists_n;
	struct persist **sorted = mem_new_array(struct persist *, n);

	for (size_t i = 0; i < n; i++)
		sorted[i] = &changes->persists[i];
	qsort(sorted, n, sizeof(*sorted), by_record);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && same_record(sorted[i], sorted[i + 1]))
			continue;
		*update_persist(update, sorted[i]->kind) = *sorted[i];
		sorted[i]->data = (struct buf){ 0 };
	}
	free(sorted);
	update_persist_cut(changes, 0);
}

static bool is_much(struct behind *behind)
{
	const struct update *changes = &behind->changes;

	for (; behind->seen < changes->persists_n; behind->seen++)
		behind->bytes += changes->persists[behind->seen].data.len;
	return behind->seen >= BEHIND_MAX || behind->bytes >= BEHIND_BYTES_MAX;
}

void behind_run(struct behind *behind, uint64_t index, uint64_t now_ms, bool now,
		struct update *update)
{
	if (behind->changes.persists_n == 0)
		return;
	if (!behind->since_ms)
		behind->since_ms = now_ms ? now_ms : 1;
	if (!now && now_ms < behind->since_ms + BEHIND_MS && !is_much(behind)) {
		update_wake(update, behind->since_ms + BEHIND_MS);
		return;
	}
	write_out(&behind->changes, update);
	behind_stand(behind, index);
}
