/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run: one program, run to its end or to a deadline, never by a shell.
 *
 * It gets a process group of its own, an environment of PATH and LC_ALL only, what it shall read on
 * stdin, and no descriptor of ours but three. What it writes is kept up to a bound, the rest is
 * read and dropped, so that it is never stopped by a full pipe.
 */
#ifndef AGENTS_RUN_H
#define AGENTS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/argv.h"
#include "base/buf.h"

enum {
	RUN_TERM_MS = 500, /* between SIGTERM and SIGKILL to the group */
};

struct run {
	const struct argv *argv;       /* the first one is an absolute path */
	size_t output_max, errors_max; /* bytes kept */
	/* Descriptors that end it when they hang up or become readable; -1: none. */
	int stop_fds[2];
};

struct run_result {
	bool timed_out; /* it was ended by us */
	bool exited;    /* by itself, with status */
	int status;     /* exit status, or the signal that ended it */
	struct buf output, errors;
	uint64_t took_ms; /* since it got its input */
};

/* 0: it was started, the result says what became of it. -errno: it could not be. */
int run_program(const struct run *run, const void *input, size_t len, uint64_t timeout_ms,
		struct run_result *ret);
void run_result_free(struct run_result *result);

/*
 * The same in two steps, for a program that is slow to begin (an interpreter) and does so while
 * something else goes on: it waits for its input. At most RUN_INPUT_MAX bytes of that.
 */
enum { RUN_INPUT_MAX = 64 * 1024 };
struct running;
int run_start(const struct run *run, struct running **ret);
/*
 * Gives it its input, waits for its end, and ends all that is left of its group. Frees running,
 * whatever happens. One that does not read its input is no error, and raises no SIGPIPE.
 */
int run_finish(struct running *running, const void *input, size_t len, uint64_t timeout_ms,
	       struct run_result *ret);
/* Ends it. NULL is fine. */
void run_drop(struct running *running);

#endif
