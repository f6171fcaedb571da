/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_CELLAR_H
#define TESTS_UNIT_CELLAR_H

/* A cellar is a folder with a store in it, for tests of what is left there. */

#include <stddef.h>

#include "clusterd/shell/store.h"

/* How many files there are in it, without those whose names begin with a dot. */
size_t cellar_count(const char *dir);
/* Removes them, and folders that are empty; the folder itself stays. One that is none is fine. */
void cellar_empty(const char *dir);

/* The store in it, which can be opened; the caller closes it. */
struct store *cellar_open(const char *dir);

#endif
