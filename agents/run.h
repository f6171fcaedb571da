/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run: one program, run to its end or to a deadline, never by a shell.
 *
 * It gets a process group of its own, an environment of PATH and LC_ALL only, what it shall read on
 * stdin, and no descriptor of ours but three. What it writes is kept up to a bound, the rest is read
 * and dropped, so that it is never stopped by a full pipe.
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
	const struct argv *argv;	/* the first one is an absolute path */
	const void *input;		/* for stdin; it must fit into a pipe: 64 KiB */
	size_t input_len;
	uint64_t timeout_ms;
	size_t output_max, errors_max;	/* bytes kept */
};

struct run_result {
	bool timed_out;			/* it was ended by us */
	bool exited;			/* by itself, with status */
	int status;			/* exit status, or the signal that ended it */
	struct buf output, errors;
	uint64_t took_ms;
};

/* 0: it was started, the result says what became of it. -errno: it could not be. */
int run_program(const struct run *run, struct run_result *ret);
void run_result_free(struct run_result *result);

#endif
