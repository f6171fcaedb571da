/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nearest: which known word somebody meant who typed another one.
 *
 * The distance counts inserted, dropped, changed and swapped letters (Damerau-Levenshtein,
 * optimal string alignment). A word is only suggested when it is near enough that the guess is
 * no nuisance: a third of the letters may differ, of a short word one.
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/buf.h"

#include <stddef.h>

enum { NEAREST_WORD_MAX = 64 }; /* longer words are never near to anything */

/* How many edits lead from a to b; NEAREST_WORD_MAX where one of them is longer than that. */
size_t nearest_distance(const char *a, const char *b);

/* The word next to what was typed; of equals the first. NULL if none is near enough. */
const char *nearest_word(const char *typed, const char *const *words, size_t words_n);

/*
 * Appends what is wrong with a word that must be one of a few: "priority is high, medium or low,
 * not 'hihg'; did you mean 'high'?"
 */
void nearest_explain(const char *what, const char *typed, const char *const *words, size_t words_n,
		     struct buf *out);

#endif
