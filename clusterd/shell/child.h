/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_CHILD_H
#define CLUSTERD_SHELL_CHILD_H

/*
 * A child is one agent process and the socket to it: frames of wire/frame.h, one each
 * record, on descriptor 3 of the agent. It has a process group of its own, a small
 * environment and none of our descriptors, and ends when the daemon does.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/argv.h"
#include "clusterd/shell/shell.h"
#include "wire/frame.h"

struct child;

enum { CHILD_OUTBOX_MAX = 16 * 1024 * 1024 };

struct child_ops {
	/* A frame came. Borrowed. The child must not be freed in here. */
	void (*frame)(void *context, const struct frame_header *header,
		      const ProtobufCMessage *body);
	/* It is dead and reaped; how is a sentence. It may be freed in here. */
	void (*dead)(void *context, const char *how);
};

/* -errno when no process could be made. A program that is not there dies with status 127. */
int child_spawn(const struct shell *shell, const struct argv *argv, const struct child_ops *ops,
		void *context, struct child **ret);
/* Kills it unless it is dead, without telling. NULL is fine. */
void child_free(struct child *child);

pid_t child_pid(const struct child *child);

/* -EPIPE: it takes nothing any more; -EMSGSIZE; -ENOBUFS: too much waits already. */
int child_send(struct child *child, uint16_t type, uint64_t request, const ProtobufCMessage *body);

/* To its whole process group. */
void child_signal(struct child *child, int number);

#endif
