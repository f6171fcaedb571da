/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_SETTINGS_H
#define CLUSTERD_CORE_SETTINGS_H

/*
 * The settings of a cluster: one table of what can be set, with default and limits. Values
 * live in the replicated state; this says what they mean.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* New settings go to the end: the position is the record's id, less 1. */
enum setting_id {
	SET_MIGRATION_CONNECT_URI,
	SET_MIGRATION_DATA_URI,
	SET_MIGRATION_TLS,
	SET_MIGRATION_BANDWIDTH_MIB_S,
	SET_MIGRATION_MAX_DOWNTIME_MS,
	SET_MIGRATION_STALL_MS,
	SET_MIGRATION_GUARD_MS,
	SET_VM_STOP_TIMEOUT_S,
	SET_VM_START_TIMEOUT_S,
	SET_VM_SAVE_TIMEOUT_S,
	SET_VM_STARTS_PER_NODE,
	SET_RESTART_TRIES_HERE,
	SET_RESTART_TRIES_TOTAL,
	SET_RESTART_SETTLE_S,
	SET_FENCE_TIMEOUT_S,
	SET_FENCE_BUDGET,
	SET_FENCE_BUDGET_WINDOW_S,
	SET_NODE_FREEZE_S,
	SET_NODE_JOIN_GRACE_S,
	SET_DAEMON_GRACE_MS,
	SET_CLUSTER_VOTERS,
	SET_VOTERS_REPLACE_S,
	SET_FENCE_DELAY_S,
	SETTINGS
};

enum setting_kind { SETTING_NUMBER, SETTING_BOOL, SETTING_URI, SETTING_WORD };

struct setting {
	const char *name;
	enum setting_kind kind;
	const char *value;		/* the default */
	uint64_t min, max;		/* of a number */
	const char *unit;
	const char *help;
	uint32_t level;			/* feature level from which on it is there; 0 = always */
	const char *const *words;	/* of a word, NULL after the last */
};

extern const struct setting settings[];
extern const size_t settings_n;

/* NULL if there is no such setting. Its id in the table of records is its position + 1. */
const struct setting *setting_named(const char *name, uint64_t *ret_id);
/* What a value is as a number: a bool is 0 or 1, and what is neither is 0. */
uint64_t setting_number(const char *value);
/* Whether it is there at a feature level: below, it has its default, and nobody may set it. */
bool setting_is_there(const struct setting *setting, uint32_t level);
/*
 * The one of that level which somebody meant who wrote another name, or only a part of it; NULL:
 * nobody knows.
 */
const struct setting *setting_near(const char *name, uint32_t level);
/* 0, or -EINVAL and a sentence. */
int setting_check(const struct setting *setting, const char *value, char *ret_why, size_t size);

#endif
