/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz: what a fuzz target looks like.
 *
 * A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput(), which aborts when a property
 * does not hold, and what is declared below. It is linked with libFuzzer (tests/fuzz/run), or
 * with tests/fuzz/driver.c for make check (README.md). It must not remember anything from one
 * input to the next: what is found must be found again by the same input alone.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends the n-th seed to out; false if there are no more. */
bool fuzz_seed(unsigned int n, struct buf *out);

/*
 * libFuzzer begins with this: writes the seeds into the directory $FUZZ_SEEDS, if there is such a
 * variable, where it then finds them.
 */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* How many changed inputs the driver tries: as many as take some tenths of a second. */
extern const unsigned int fuzz_rounds;

/* Aborts, and says what is not so. */
void fuzz_must(bool holds, const char *what);

/* For people, or to be stored: clean UTF-8, something, and at most max bytes. */
void fuzz_sentence(const char *text, size_t max, const char *what);
/* The same, and it may be empty. */
void fuzz_clean(const char *text, size_t max, const char *what);

/* ---- an input as a script: read from the front, zeros and nothing behind its end */

struct fuzz_in {
	const uint8_t *data;
	size_t size;
};

uint8_t fuzz_byte(struct fuzz_in *in);
/* Below n, which is not 0. */
uint32_t fuzz_below(struct fuzz_in *in, uint32_t n);
/* One byte for a small number or one at which things end; up to eight more for any other. */
uint64_t fuzz_number(struct fuzz_in *in);
/* Two bytes of length, and as many as that of the rest, as they are in the input. */
struct fuzz_in fuzz_block(struct fuzz_in *in);
/* A block as a string, cut at a zero byte; the caller frees it. */
char *fuzz_string(struct fuzz_in *in);

/* The other direction, for seeds. */
void fuzz_put_number(struct buf *out, uint64_t number);
void fuzz_put_block(struct buf *out, const void *data, size_t size);

#endif
