/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_OPERATOR_WRITE_H
#define CLUSTERD_SHELL_OPERATOR_WRITE_H

/*
 * Makes a command of the log out of an operator's request: checks who may ask for what,
 * reads definitions, seals secrets. What it refuses it refuses with a sentence; what can
 * only be judged in order (names taken, states) is left to apply.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "clusterd/core/core.h"
#include "clusterd/shell/operator_read.h"

struct writing_source {
	const struct state *state;
	const char *secret_key;	/* path of the key file */
	const char *const *fence_dirs;	/* where fence agents are installed; ends with NULL */
	uint32_t node;		/* own id */
	uint64_t boot_id, wall_ms, random;
	const char *who;	/* "root(0) via n1" */
};

bool writing_knows(const char *verb);

/* -EINVAL with a refusal. The command is freed by wire_free(). */
int writing_command(const char *verb, const json_t *request, const struct writing_source *source,
		    Wire__Command **ret, struct refusal *ret_refusal);

/* A parameter of a fence agent that must not be in clear, by its name. */
bool writing_is_secret(const char *parameter);

#endif
