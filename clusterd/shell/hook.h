/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_HOOK_H
#define CLUSTERD_SHELL_HOOK_H

/*
 * The hook socket is where libvirt's qemu hook asks whether a guest may come to life on
 * this node (doc/operator.md). One question, one answer, at once: libvirt waits for it.
 * Root only.
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

/* The answer to one record, whatever is in it; returns its size. core may be NULL. */
size_t hook_answer(const struct core *core, const void *data, size_t size,
		   char ret_reply[HOOK_REPLY_MAX]);

#endif
