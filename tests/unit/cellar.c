/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/cellar.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static size_t each_file(const char *dir, bool remove)
{
	DIR *all = opendir(dir);
	struct dirent *entry;
	size_t n = 0;
	char path[400];

	while (all && (entry = readdir(all))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (remove && unlink(path) < 0)
			rmdir(path);
		n++;
	}
	if (all)
		closedir(all);
	return n;
}

size_t cellar_count(const char *dir)
{
	return each_file(dir, false);
}

void cellar_empty(const char *dir)
{
	each_file(dir, true);
}

struct store *cellar_open(const char *dir)
{
	struct store *store = NULL;
	char why[600] = "";

	if (store_open(dir, &store, why, sizeof(why)))
		printf("open: %s\n", why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	return store;
}
