/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_NAMES_H
#define CLUSTERD_CORE_NAMES_H

/*
 * Names: which record of a table has a name. Hashed, and for that never walked: nothing that a
 * node decides follows from the order in here. Apply sees to it that no two records have the same
 * name; should a store hold such, the one with the lowest id is found, as if all were looked at in
 * order. A value type: { 0 } is empty.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name;

struct names {
	struct name **buckets;
	size_t buckets_n, n;
};

/* The text is borrowed until it is removed. One record may have several. */
void names_add(struct names *names, const char *text, uint64_t id);
void names_remove(struct names *names, const char *text, uint64_t id);
/* False: none has that name. */
bool names_find(const struct names *names, const char *text, uint64_t *ret_id);
void names_free(struct names *names);

#endif
