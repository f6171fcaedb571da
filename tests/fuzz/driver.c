/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

enum { ROUNDS = 3000, SEEDS_MAX = 64, CHANGES_MAX = 6, BLOCK_MAX = 64 };

static uint64_t state;

/* Marsaglia 2003, xorshift64*. */
static uint64_t next(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(2685821657736338717);
}

static size_t below(size_t n)
{
	return n ? (size_t)((next() >> 16) % n) : 0;
}

static void change_bit(struct buf *b)
{
	if (b->len)
		b->data[below(b->len)] ^= (uint8_t)(1u << below(8));
}

static void change_byte(struct buf *b)
{
	static const uint8_t telling[] = { 0, 1, 0x7f, 0x80, 0xff, '<', '>', '&', '"', '/', '\n' };

	if (b->len)
		b->data[below(b->len)] = below(2) ? telling[below(ARRAY_SIZE(telling))] :
						    (uint8_t)below(256);
}

static void cut(struct buf *b)
{
	size_t at = below(b->len), n = 1 + below(BLOCK_MAX);

	if (!b->len)
		return;
	if (n > b->len - at)
		n = b->len - at;
	memmove(b->data + at, b->data + at + n, b->len - at - n);
	buf_truncate(b, b->len - n);
}

static void truncate_it(struct buf *b)
{
	buf_truncate(b, below(b->len + 1));
}

/* Puts n bytes from elsewhere at some place. */
static void insert(struct buf *b, const uint8_t *from, size_t n)
{
	size_t at = below(b->len + 1);
	uint8_t block[BLOCK_MAX];

	memcpy(block, from, n);
	buf_reserve(b, n);
	memmove(b->data + at + n, b->data + at, b->len - at);
	memcpy(b->data + at, block, n);
	b->len += n;
	buf_reserve(b, 0);
}

static void repeat(struct buf *b)
{
	size_t at = below(b->len), n = 1 + below(BLOCK_MAX);

	if (b->len)
		insert(b, b->data + at, n < b->len - at ? n : b->len - at);
}

static void noise(struct buf *b)
{
	uint8_t block[8];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)below(256);
	insert(b, block, 1 + below(sizeof(block)));
}

static void splice(struct buf *b, const struct buf *other)
{
	size_t at = below(other->len), n = 1 + below(BLOCK_MAX);

	if (other->len)
		insert(b, other->data + at, n < other->len - at ? n : other->len - at);
}

static void mutate(struct buf *b, const struct buf *other)
{
	static void (*const changes[])(struct buf *) = {
		change_bit, change_byte, cut, repeat, noise, truncate_it,
	};
	size_t n = below(2) ? 1 : 1 + below(CHANGES_MAX);

	while (n-- > 0) {
		size_t which = below(ARRAY_SIZE(changes) + 1);

		if (which == ARRAY_SIZE(changes))
			splice(b, other);
		else if (changes[which] != truncate_it || below(4) == 0)
			changes[which](b);
	}
}

/* From an exact block of the heap, so that a sanitizer sees the first byte read too far. */
static void feed(const struct buf *input)
{
	uint8_t *exact = malloc(input->len ? input->len : 1);

	if (!exact)
		abort();
	if (input->len)
		memcpy(exact, input->data, input->len);
	LLVMFuzzerTestOneInput(exact, input->len);
	free(exact);
}

int main(int argc, char **argv)
{
	static struct buf seeds[SEEDS_MAX];
	uint64_t rounds = ROUNDS, seed = 1;
	size_t n = 0;

	if ((argc > 1 && text_parse_uint(argv[1], 0, UINT64_MAX, &rounds) < 0) ||
	    (argc > 2 && text_parse_uint(argv[2], 1, UINT64_MAX, &seed) < 0) || argc > 3) {
		fprintf(stderr, "usage: %s [ROUNDS [SEED]]\n", argv[0]);
		return 2;
	}
	state = seed;
	while (n < SEEDS_MAX && fuzz_seed((unsigned int)n, &seeds[n]))
		feed(&seeds[n++]);
	for (uint64_t i = 0; n > 0 && i < rounds; i++) {
		_cleanup_(buf_free) struct buf input = { 0 };
		const struct buf *from = &seeds[below(n)];

		buf_append(&input, from->data, from->len);
		mutate(&input, &seeds[below(n)]);
		feed(&input);
	}
	printf("%zu seeds and %" PRIu64 " changes of them, seed %" PRIu64 "\n", n, rounds, seed);
	for (size_t i = 0; i < n; i++)
		buf_free(&seeds[i]);
	return n > 0 ? 0 : 1;
}
