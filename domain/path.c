/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/path.h"

#include <string.h>

/* The next component of *path, which moves behind it; its length, 0 at the end. */
static size_t component(const char **path, const char **ret)
{
	const char *at = *path;
	size_t n;

	for (;;) {
		at += strspn(at, "/");
		n = strcspn(at, "/");
		if (n != 1 || at[0] != '.')
			break;
		at++;
	}
	*ret = at;
	*path = at + n;
	return n;
}

static bool is_plain(const char *path)
{
	const char *part;
	size_t n;

	if (path[0] != '/')
		return false;
	while ((n = component(&path, &part)) > 0)
		if (n == 2 && part[0] == '.' && part[1] == '.')
			return false;
	return true;
}

/* How many components path and volume share if path is below volume, else 0. */
static size_t depth_below(const char *path, const char *volume)
{
	const char *of_path, *of_volume;
	size_t n, m, depth = 0;

	while ((m = component(&volume, &of_volume)) > 0) {
		n = component(&path, &of_path);
		if (n != m || memcmp(of_path, of_volume, n) != 0)
			return 0;
		depth++;
	}
	return component(&path, &of_path) > 0 ? depth : 0;
}

bool domain_path_on_volume(const char *path, const char *const *volumes, size_t n,
			   size_t *ret_volume)
{
	size_t best = 0, which = 0;

	if (!is_plain(path))
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t depth = is_plain(volumes[i]) ? depth_below(path, volumes[i]) : 0;

		if (depth > best) {
			best = depth;
			which = i;
		}
	}
	if (best > 0 && ret_volume)
		*ret_volume = which;
	return best > 0;
}
