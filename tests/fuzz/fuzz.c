/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "wire/check.h"

void fuzz_must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

/* The helpers of the unit tests assert by CUnit, which is not running here. */
CU_BOOL CU_assertImplementation(CU_BOOL holds, unsigned int line, const char *condition,
				const char *file, const char *function, CU_BOOL fatal)
{
	if (holds)
		return CU_TRUE;
	fprintf(stderr, "fuzz: %s:%u: %s\n", file, line, condition);
	abort();
}

void fuzz_clean(const char *text, size_t max, const char *what)
{
	size_t len = strlen(text);

	if (len <= max && wire_text_ok(text, len, false))
		return;
	fprintf(stderr, "fuzz: %s: %zu bytes, %s: %s\n", what, len,
		len > max ? "too long" : "not clean", text);
	abort();
}

void fuzz_sentence(const char *text, size_t max, const char *what)
{
	fuzz_must(*text, what);
	fuzz_clean(text, max, what);
}

static void write_file(const char *path, const struct buf *content)
{
	FILE *file = fopen(path, "we");

	if (!file || fwrite(buf_str(content), 1, content->len, file) != content->len ||
	    fclose(file) != 0) {
		perror(path);
		exit(2);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *directory = getenv("FUZZ_SEEDS");
	bool more = directory;

	for (unsigned int n = 0; more; n++) {
		_cleanup_(freep) char *path = mem_printf("%s/seed-%02u", directory, n);
		_cleanup_(buf_free) struct buf seed = { 0 };

		more = fuzz_seed(n, &seed);
		if (more)
			write_file(path, &seed);
	}
	return 0;
}

/* ---------------------------------------------------------------- scripts */

/* From here on a byte stands for one of these, below it for itself. */
enum { EDGES_FROM = 0xc0, ANY_NUMBER = 0xff };

static const uint64_t edges[] = {
	UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1, UINT64_C(1) << 62,
	UINT32_MAX, UINT64_C(1) << 32, UINT64_C(1) << 31, (UINT64_C(1) << 31) - 1,
	1000, 5000, 10000, 60000, 255, 256, 4096, 65535, 65536,
};

uint8_t fuzz_byte(struct fuzz_in *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

uint32_t fuzz_below(struct fuzz_in *in, uint32_t n)
{
	return fuzz_byte(in) % n;
}

uint64_t fuzz_number(struct fuzz_in *in)
{
	uint8_t first = fuzz_byte(in);
	uint64_t number = 0;

	if (first < EDGES_FROM)
		return first;
	if (first != ANY_NUMBER)
		return edges[(first - EDGES_FROM) % ARRAY_SIZE(edges)];
	for (unsigned int i = 0; i < sizeof(number); i++)
		number |= (uint64_t)fuzz_byte(in) << 8 * i;
	return number;
}

struct fuzz_in fuzz_block(struct fuzz_in *in)
{
	size_t size = fuzz_byte(in);
	struct fuzz_in block = { in->data, 0 };

	size |= (size_t)fuzz_byte(in) << 8;
	block.data = in->data;
	block.size = size < in->size ? size : in->size;
	in->data += block.size;
	in->size -= block.size;
	return block;
}

char *fuzz_string(struct fuzz_in *in)
{
	struct fuzz_in block = fuzz_block(in);

	return mem_strndup(block.size ? (const char *)block.data : "", block.size);
}

void fuzz_put_number(struct buf *out, uint64_t number)
{
	if (number < EDGES_FROM) {
		buf_append_byte(out, (uint8_t)number);
		return;
	}
	buf_append_byte(out, ANY_NUMBER);
	for (unsigned int i = 0; i < sizeof(number); i++)
		buf_append_byte(out, (uint8_t)(number >> 8 * i));
}

void fuzz_put_block(struct buf *out, const void *data, size_t size)
{
	fuzz_must(size <= UINT16_MAX, "a seed's block is too large");
	buf_append_byte(out, (uint8_t)size);
	buf_append_byte(out, (uint8_t)(size >> 8));
	buf_append(out, data, size);
}
