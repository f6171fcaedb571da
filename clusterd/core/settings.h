/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_SETTINGS_H
#define CLUSTERD_CORE_SETTINGS_H

/*
 * The settings of a cluster: one table of what can be set, with default and limits. Values
 * live in the replicated state; this says what they mean.
 */

#include <stddef.h>
#include <stdint.h>

enum setting_kind { SETTING_NUMBER, SETTING_BOOL, SETTING_URI };

struct setting {
	const char *name;
	enum setting_kind kind;
	const char *value;		/* the default */
	uint64_t min, max;		/* of a number */
	const char *unit;
	const char *help;
};

extern const struct setting settings[];
extern const size_t settings_n;

/* NULL if there is no such setting. Its id in the table of records is its position + 1. */
const struct setting *setting_named(const char *name, uint64_t *ret_id);
/* The one that somebody meant who wrote another name, or only a part of it; NULL: nobody knows. */
const struct setting *setting_near(const char *name);
/* 0, or -EINVAL and a sentence. */
int setting_check(const struct setting *setting, const char *value, char *ret_why, size_t size);

#endif
