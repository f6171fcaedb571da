/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Argv: the arguments of a program to be run, built one by one.
 *
 * What is run is never written as a line for a shell: no quoting to get wrong, no name that becomes
 * a command. A value type: { 0 } is an empty one that owns nothing. Owns copies of its arguments.
 */
#ifndef BASE_ARGV_H
#define BASE_ARGV_H

#include <stddef.h>

struct argv {
	char **items; /* count arguments and a NULL; NULL itself until the first one */
	size_t count;
	size_t cap;
};

/* Adds one argument, given or formatted as by printf. */
void argv_add(struct argv *a, const char *argument);
void argv_addf(struct argv *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds several; the last one is NULL. */
void argv_add_all(struct argv *a, ...) __attribute__((sentinel));

/* What execv() and posix_spawn() want, ended by NULL. Belongs to a, good until it changes. */
char *const *argv_items(const struct argv *a);

/*
 * All arguments in one line, for people to read; the caller frees it. Those with odd characters are
 * quoted.
 */
char *argv_text(const struct argv *a);

void argv_free(struct argv *a);

#endif
