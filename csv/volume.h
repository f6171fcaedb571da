/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CSV_VOLUME_H
#define CSV_VOLUME_H

/*
 * A volume is storage that every node reaches under the same path. Today there is one
 * driver, `dir`: a directory that the administrator declares to be shared. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * 0, or -EINVAL and a sentence. target is an absolute path in its shortest form (no "..",
 * ".", "//" or trailing "/"), not the root.
 */
int volume_check(const char *name, const char *driver, const char *target, bool declared_shared,
		 char *ret_why, size_t size);

/* Does the path lie below the target? False for a path that is not in its shortest form. */
bool volume_holds(const char *target, const char *path);

#endif
