/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/trace/twin.h"

#include <stdio.h>
#include <string.h>

#include "wire/message.h"

static char difference[200];

/* The n-th of the things that are so called, or how many there are. */
static const char *differs(const char *what, size_t n)
{
	snprintf(difference, sizeof(difference), "%s %zu", what, n);
	return difference;
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static const char *compare_frames(const struct update *a, const struct update *b)
{
	for (size_t i = 0; i < a->frames_n && i < b->frames_n; i++)
		if (!same_bytes(&a->frames[i], &b->frames[i]))
			return differs("frame", i);
	return a->frames_n == b->frames_n ? NULL : differs("number of frames, not", b->frames_n);
}

static bool same_persist(const struct persist *a, const struct persist *b)
{
	return a->kind == b->kind && a->table == b->table && a->id == b->id &&
	       a->value == b->value && a->index == b->index && a->epoch == b->epoch &&
	       same_bytes(&a->data, &b->data);
}

static const char *compare_persists(const struct update *a, const struct update *b)
{
	for (size_t i = 0; i < a->persists_n && i < b->persists_n; i++)
		if (!same_persist(&a->persists[i], &b->persists[i]))
			return differs("persist", i);
	if (a->persist_seq != b->persist_seq)
		return "the number of the batch";
	return a->persists_n == b->persists_n ? NULL
					      : differs("number of persists, not", b->persists_n);
}

static bool same_sealed(const struct ask *a, const struct ask *b)
{
	const ProtobufCBinaryData *x = a->sealed, *y = b->sealed;

	if (!x || !y)
		return x == y;
	return x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0) &&
	       strcmp(a->sealed_name, b->sealed_name) == 0;
}

static bool same_ask(const struct ask *a, const struct ask *b)
{
	return a->id == b->id && a->agent == b->agent && a->deadline_ms == b->deadline_ms &&
	       wire_equal(&a->request->base, &b->request->base) && same_sealed(a, b);
}

static const char *compare_asks(const struct update *a, const struct update *b)
{
	for (size_t i = 0; i < a->asks_n && i < b->asks_n; i++)
		if (!same_ask(&a->asks[i], &b->asks[i]))
			return differs("ask", i);
	if (a->cancels_n != b->cancels_n ||
	    (a->cancels_n &&
	     memcmp(a->cancels, b->cancels, a->cancels_n * sizeof(*a->cancels)) != 0))
		return "asks to be ended";
	return a->asks_n == b->asks_n ? NULL : differs("number of asks, not", b->asks_n);
}

static const char *compare_answers(const struct update *a, const struct update *b)
{
	for (size_t i = 0; i < a->answers_n && i < b->answers_n; i++)
		if (a->answers[i].tag != b->answers[i].tag ||
		    !wire_equal(&a->answers[i].verdict->base, &b->answers[i].verdict->base))
			return differs("answer", i);
	return a->answers_n == b->answers_n ? NULL
					    : differs("number of answers, not", b->answers_n);
}

static const char *compare_rest(const struct update *a, const struct update *b)
{
	if (a->deadline_ms != b->deadline_ms) {
		snprintf(difference, sizeof(difference), "deadline %llu ms, not %llu ms",
			 (unsigned long long)a->deadline_ms, (unsigned long long)b->deadline_ms);
		return difference;
	}
	if (a->leave != b->leave || !a->leave_why != !b->leave_why ||
	    (a->leave_why && strcmp(a->leave_why, b->leave_why) != 0))
		return "whether and why to leave";
	return a->opened == b->opened ? NULL : "whether an epoch was opened";
}

const char *twin_differs(struct core *twin, twin_step *step, const struct event *event,
			 const struct update *update)
{
	static const char *(*const compare[])(const struct update *, const struct update *) = {
		compare_frames, compare_persists, compare_asks, compare_answers, compare_rest,
	};
	const char *what = NULL;
	struct update eager;

	update_init(&eager);
	step(twin, event, &eager);
	for (size_t i = 0; !what && i < sizeof(compare) / sizeof(compare[0]); i++)
		what = compare[i](update, &eager);
	update_reset(&eager);
	return what;
}
