/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Digest: 64 bits by which two nodes see whether they hold the same state.
 *
 * FNV-1a over the bytes, then the finishing mix of MurmurHash3 (fmix64), so that a change anywhere
 * changes half of all bits. Against accident only: whoever can choose the bytes can make two of
 * them equal.
 *
 * A set of things has the sum of their digests, modulo 2^64: order does not matter, and a member
 * that is replaced costs one subtraction and one addition, not a walk over the rest. Digest each
 * member together with what tells it apart (its kind and id), or two that swap their content go
 * unseen.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* The digest of len bytes. */
uint64_t digest_bytes(const void *data, size_t len);

/* The same in pieces: start, add any number, finish. Numbers are added as 8 bytes, lowest first. */
uint64_t digest_start(void);
uint64_t digest_add(uint64_t running, const void *data, size_t len);
uint64_t digest_add_u64(uint64_t running, uint64_t number);
uint64_t digest_finish(uint64_t running);

/* The digest of a set with one member more or less. The empty set has 0. */
uint64_t digest_set_add(uint64_t set, uint64_t member);
uint64_t digest_set_remove(uint64_t set, uint64_t member);

#endif
