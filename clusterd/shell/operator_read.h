/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_OPERATOR_READ_H
#define CLUSTERD_SHELL_OPERATOR_READ_H

/*
 * A reading is a request of an operator that changes nothing, on its way: it hands out the
 * core's state as JSON, a page at a time, so that neither a long list nor a slow client
 * holds anything up. Between two pages it remembers only where it was.
 */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "clusterd/core/core.h"

enum { PAGE_MAX = 58 * 1024, REFUSAL_SIZE = 600 };

/* Why a request is not carried out: a code of doc/operator.md and a sentence. */
struct refusal {
	const char *code;
	char text[REFUSAL_SIZE];
};
void refuse(struct refusal *refusal, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* There is no such VM, in the words of the core. Returns -ENOENT. */
int refuse_vm(struct refusal *refusal, const char *name);

/* What is read. */
struct reading_source {
	const struct core *core;
	uint32_t node;		/* own id */
	uint64_t wall_ms;	/* now */
	uint64_t closed_ms;	/* as in operator_judge.h */
	const uint64_t *unseen_ms;
};

struct reading;

bool reading_knows(const char *verb);

/* -EINVAL with a refusal: keys that are missing, unknown or of a wrong type. */
int reading_new(const char *verb, const json_t *request, struct reading **ret,
		struct refusal *ret_refusal);
void reading_free(struct reading *reading);

/*
 * The next page. 0: ret_data (owned by the caller) and whether it is the last one; -EAGAIN:
 * nothing new yet (of events that are followed); -ENOENT: a refusal.
 */
int reading_page(struct reading *reading, const struct reading_source *source, json_t **ret_data,
		 bool *ret_last, struct refusal *ret_refusal);

#endif
