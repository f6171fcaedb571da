/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/nearest.h"

#include <string.h>

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

size_t nearest_distance(const char *a, const char *b)
{
	/*
	 * Three rows of the usual matrix: the one in work, the last one, and the one before for
	 * swaps.
	 */
	size_t rows[3][NEAREST_WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > NEAREST_WORD_MAX || b_len > NEAREST_WORD_MAX)
		return NEAREST_WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *oldest = before;

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			now[j] = min3(last[j] + 1, now[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[b_len];
}

const char *nearest_word(const char *typed, const char *const *words, size_t words_n)
{
	const char *best = NULL;
	size_t third = strlen(typed) / 3, best_distance = (third ? third : 1) + 1;

	for (size_t i = 0; i < words_n; i++) {
		size_t distance = nearest_distance(typed, words[i]);

		if (distance < best_distance && distance < strlen(words[i])) {
			best = words[i];
			best_distance = distance;
		}
	}
	return best;
}

void nearest_explain(const char *what, const char *typed, const char *const *words, size_t words_n,
		     struct buf *out)
{
	const char *near = nearest_word(typed, words, words_n);

	buf_printf(out, "%s is ", what);
	for (size_t i = 0; i < words_n; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == words_n ? " or " : ", ", words[i]);
	buf_printf(out, ", not '%s'", typed);
	if (near)
		buf_printf(out, "; did you mean '%s'?", near);
}
