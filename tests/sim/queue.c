/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/queue.h"

#include <stdlib.h>

#include "base/mem.h"

/* A binary heap: each is before both of those below it. */

static bool before(const struct due *a, const struct due *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

void queue_put(struct queue *queue, const struct due *due)
{
	struct due put = *due;
	size_t at = queue->n++;

	if (at == queue->cap) {
		queue->cap = queue->cap ? queue->cap * 2 : 256;
		queue->heap = mem_resize(queue->heap, queue->cap, sizeof(*queue->heap));
	}
	put.seq = ++queue->last_seq;
	for (; at > 0 && before(&put, &queue->heap[(at - 1) / 2]); at = (at - 1) / 2)
		queue->heap[at] = queue->heap[(at - 1) / 2];
	queue->heap[at] = put;
}

const struct due *queue_first(const struct queue *queue)
{
	return queue->n ? queue->heap : NULL;
}

bool queue_take(struct queue *queue, struct due *ret_due)
{
	struct due last;
	size_t at = 0, child;

	if (queue->n == 0)
		return false;
	*ret_due = queue->heap[0];
	last = queue->heap[--queue->n];
	while ((child = 2 * at + 1) < queue->n) {
		if (child + 1 < queue->n && before(&queue->heap[child + 1], &queue->heap[child]))
			child++;
		if (!before(&queue->heap[child], &last))
			break;
		queue->heap[at] = queue->heap[child];
		at = child;
	}
	if (queue->n)
		queue->heap[at] = last;
	return true;
}

void queue_free(struct queue *queue)
{
	free(queue->heap);
	*queue = (struct queue){ 0 };
}
