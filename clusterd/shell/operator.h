/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_OPERATOR_H
#define CLUSTERD_SHELL_OPERATOR_H

/*
 * The operator socket is where people and clusterctl reach the daemon (doc/operator.md).
 * Questions are answered from the core's state at once, in pages; changes become
 * EVENT_CLIENT and are answered when the core answers.
 *
 * Clients are bounded in number, in size and in time; whoever does not read is closed.
 */

#include <stdbool.h>

#include "clusterd/core/core.h"
#include "clusterd/shell/shell.h"
#include "clusterd/shell/store.h"

struct operator;

enum {
	OPERATOR_CLIENTS_MAX = 64,
	OPERATOR_STRANGERS_MAX = 48,	/* of them; the rest is kept for those who may change */
	OPERATOR_REQUEST_MAX = 64 * 1024,
	OPERATOR_RECORD_MAX = 60 * 1024,
	OPERATOR_ANSWER_MS = 30000,	/* then the outcome of a change is unknown */
	OPERATOR_UNREAD_MS = 30000,
	OPERATOR_IDLE_MS = 600000,
	OPERATOR_BACKUP_MS = 600000,	/* for a backup to be made */
};

/* Strings are borrowed for the operator's life. */
struct operator_config {
	const char *run_dir;
	const char *secret_key;
	bool read_all;		/* everybody may read */
	uint64_t boot_id;
};

/* Listens. */
int operator_new(const struct shell *shell, const struct operator_config *config,
		 struct operator **ret);
/* Closes all clients. NULL is fine. */
void operator_free(struct operator *operator);

/* Until then every request is answered with not-ready. */
void operator_set_core(struct operator *operator, const struct core *core, uint32_t node);

/* What backups are made of; started, and there until operator_free. */
void operator_set_store(struct operator *operator, struct store *store);
/* After each store_poll: a backup may be made. */
void operator_store_told(struct operator *operator);

/* The core's answer to an EVENT_CLIENT; unknown tags are of clients that went away. */
void operator_answer(struct operator *operator, uint64_t tag, const Wire__Verdict *verdict);

/* After each step of the core: it may have lost touch with the cluster, and when is told. */
void operator_stepped(struct operator *operator);

/* There are new events: for those who follow them. */
void operator_news(struct operator *operator);

#endif
