/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DOMAIN_PATH_H
#define DOMAIN_PATH_H

/*
 * A path is judged by its text alone: whether it lies on one of the cluster's volumes.
 * What symbolic links make of it on a node is not known here.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether path lies below one of the n volumes, each an absolute path. "//" and "/./" mean
 * nothing; a path that is not absolute, or has a "..", lies on none; nor does the volume's
 * own directory. ret_volume, if not NULL, is which one: the longest that fits.
 */
bool domain_path_on_volume(const char *path, const char *const *volumes, size_t n,
			   size_t *ret_volume);

#endif
