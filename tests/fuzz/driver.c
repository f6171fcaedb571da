/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// A fuzz target as a plain program, for any compiler: it feeds it its seeds, what is in
// tests/fuzz/corpus/NAME, and then random changes of both.
//
//	fuzz_NAME [ROUNDS [SEED]]	the same numbers give the same inputs
//	fuzz_NAME FILE...		these alone, as libFuzzer's programs do
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

enum { INPUTS_MAX = 1000, CHANGES_MAX = 6, BLOCK_MAX = 64 };

struct inputs {
	struct buf items[INPUTS_MAX];
	size_t n;
};

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

/* ---------------------------------------------------------------- where inputs are */

static void read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "re");
	size_t n;

	if (!file) {
		perror(path);
		exit(2);
	}
	while ((n = fread(buf_reserve(out, 4096), 1, 4096, file)) > 0)
		out->len += n;
	fclose(file);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In the order of their names, so that the numbers of a run mean the same everywhere. */
static void take_corpus(const char *program, struct inputs *inputs)
{
	const char *top = getenv("srcdir"), *name = strrchr(program, '/');
	_cleanup_(freep) char *path = NULL;
	struct dirent **entries = NULL;
	int n;

	name = name ? name + 1 : program;
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	path = mem_printf("%s/tests/fuzz/corpus/%s", top ? top : ".", name);
	n = scandir(path, &entries, is_input, alphasort);
	for (int i = 0; i < n; i++) {
		_cleanup_(freep) char *file = mem_printf("%s/%s", path, entries[i]->d_name);

		if (inputs->n < INPUTS_MAX)
			read_file(file, &inputs->items[inputs->n++]);
		free(entries[i]);
	}
	free(entries);
}

static void take_seeds(struct inputs *inputs)
{
	for (unsigned int i = 0; inputs->n < INPUTS_MAX; i++) {
		if (!fuzz_seed(i, &inputs->items[inputs->n]))
			return;
		inputs->n++;
	}
}

/* ---------------------------------------------------------------- runs */

static int feed_files(int n, char **paths)
{
	for (int i = 0; i < n; i++) {
		_cleanup_(buf_free) struct buf input = { 0 };

		read_file(paths[i], &input);
		feed(&input);
	}
	printf("%d files\n", n);
	return 0;
}

static int feed_all(const char *program, uint64_t rounds, uint64_t seed)
{
	static struct inputs inputs;

	state = seed;
	take_seeds(&inputs);
	take_corpus(program, &inputs);
	for (size_t i = 0; i < inputs.n; i++)
		feed(&inputs.items[i]);
	for (uint64_t i = 0; inputs.n > 0 && i < rounds; i++) {
		_cleanup_(buf_free) struct buf input = { 0 };
		const struct buf *from = &inputs.items[below(inputs.n)];

		buf_append(&input, from->data, from->len);
		mutate(&input, &inputs.items[below(inputs.n)]);
		feed(&input);
	}
	printf("%zu inputs and %" PRIu64 " changes of them, seed %" PRIu64 "\n", inputs.n, rounds,
	       seed);
	for (size_t i = 0; i < inputs.n; i++)
		buf_free(&inputs.items[i]);
	return inputs.n > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	uint64_t rounds = fuzz_rounds, seed = 1;

	if (argc > 1 && text_parse_uint(argv[1], 0, UINT64_MAX, &rounds) < 0)
		return feed_files(argc - 1, argv + 1);
	if ((argc > 2 && text_parse_uint(argv[2], 1, UINT64_MAX, &seed) < 0) || argc > 3) {
		fprintf(stderr, "usage: %s [ROUNDS [SEED]] | FILE...\n", argv[0]);
		return 2;
	}
	return feed_all(argv[0], rounds, seed);
}
