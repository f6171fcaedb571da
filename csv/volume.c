/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "csv/volume.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* "/a/b": absolute, no empty, "." or ".." component. */
static bool shortest_form(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; *p == '/';) {
		const char *name = ++p;
		size_t n = strcspn(name, "/");

		if (n == 0 || (n == 1 && name[0] == '.') ||
		    (n == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		p += n;
	}
	return true;
}

int volume_check(const char *name, const char *driver, const char *target, bool declared_shared,
		 char *ret_why, size_t size)
{
	if (!text_valid_name(name, 63)) {
		snprintf(ret_why, size,
			 "'%s' is no name for a volume: use letters, digits, '.', "
			 "'_' and '-'",
			 name);
		return -EINVAL;
	}
	if (strcmp(driver, "dir") != 0) {
		snprintf(ret_why, size, "there is no volume driver '%s'; there is dir:PATH",
			 driver);
		return -EINVAL;
	}
	if (!shortest_form(target) || strlen(target) > 512) {
		snprintf(ret_why, size,
			 "'%.100s' is no path for a volume: give an absolute one "
			 "without '..', '.' or a '/' at the end",
			 target);
		return -EINVAL;
	}
	if (!declared_shared) {
		snprintf(ret_why, size,
			 "nothing proves that %.100s is the same on every node: if "
			 "it is, say so with --declared-shared",
			 target);
		return -EINVAL;
	}
	return 0;
}

bool volume_holds(const char *target, const char *path)
{
	size_t n = strlen(target);

	return shortest_form(path) && strncmp(path, target, n) == 0 && path[n] == '/';
}
