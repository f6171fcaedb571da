/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz: what a fuzz target looks like.
 *
 * A target is one file with LLVMFuzzerTestOneInput(), which aborts when a property does not
 * hold, and fuzz_seed(). With libFuzzer it is linked as it is:
 *
 *	clang -fsanitize=fuzzer,address,undefined … tests/fuzz/fuzz_frame.c … -o fuzz_frame
 *
 * With tests/fuzz/driver.c it is a plain program, run shortly by make check: `fuzz_frame
 * [ROUNDS [SEED]]` feeds it the seeds and then random changes of them. The same numbers give
 * the same inputs.
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

#endif
