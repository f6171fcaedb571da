/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Meant: which command or key somebody had in mind who typed a word that is none: a word that
 * ends another command, or one that other tools have for the same thing.
 */
#ifndef CLUSTERCTL_MEANT_H
#define CLUSTERCTL_MEANT_H

#include "clusterctl/cli.h"

/*
 * Commands that begin with the words understood so far and end with what was typed, or with
 * what that means here; of words typed in a wrong way only if one is nearest. Returns how many
 * there are, of which at most max are written.
 */
size_t meant_commands(const struct cli *cli, const char *const *words, size_t words_n,
		      const char *typed, const struct cli_command **ret, size_t max);

/* The key of a command that other tools call so; NULL if there is none. */
const struct cli_key *meant_key(const struct cli_command *command, const char *typed);

#endif
