/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_HOOK_H
#define CLUSTERD_SHELL_HOOK_H

/*
 * The hook socket is where libvirt's qemu hook asks whether a guest may come to life on
 * this node (doc/operator.md). One question, one answer: libvirt waits for it. Where the answer
 * depends on what this node has not applied yet, a barrier goes through the log first. Root only.
 */

#include "clusterd/core/core.h"
#include "clusterd/shell/shell.h"

struct hook;

enum {
	HOOK_CLIENTS_MAX = 32,
	HOOK_REQUEST_MAX = 4096,
	HOOK_REPLY_MAX = 4096,
	HOOK_LIFE_MS = 5000,
};

int hook_new(const struct shell *shell, const char *run_dir, struct hook **ret);
void hook_free(struct hook *hook);

/* Until then nothing may come to life. */
void hook_set_core(struct hook *hook, const struct core *core);

/* False: the tag is of somebody else. Else who waits for that barrier is answered. */
bool hook_take_answer(struct hook *hook, uint64_t tag, const Wire__Verdict *verdict);

/* What is known of the barrier of a question. */
enum hook_barrier {
	HOOK_NOT_ASKED,
	HOOK_PASSED,		/* all is applied here that was committed when it was asked */
	HOOK_HELD,		/* that cannot be told */
};

/*
 * The answer to one record, whatever is in it; returns its size. 0: only behind a barrier there is
 * one. core may be NULL.
 */
size_t hook_answer(const struct core *core, const void *data, size_t size,
		   enum hook_barrier barrier, char ret_reply[HOOK_REPLY_MAX]);

#endif
