/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Complete: what a shell may offer for the last word of a command line that is not finished.
 *
 * One candidate a line. A line that ends in '=' wants something behind it, so the shell adds no
 * blank there. The line ":files" asks the shell to offer names of files itself.
 */
#ifndef CLUSTERCTL_COMPLETE_H
#define CLUSTERCTL_COMPLETE_H

#include "clusterctl/cli.h"

#include <jansson.h>

/*
 * Names of the things of a kind; NULL if they are not known. Takes no long time. The caller
 * releases them.
 */
typedef json_t *(*complete_names)(void *context, enum cli_kind kind);

/*
 * words: those behind the program's name, the last of them being the one to complete, perhaps
 * "".
 */
void complete_write(const struct cli *cli, const char *const *words, size_t words_n,
		    complete_names names, void *context, FILE *out);

#endif
