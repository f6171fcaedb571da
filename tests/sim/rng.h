/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_RNG_H
#define TESTS_SIM_RNG_H

/*
 * A rng is the only source of chance in a simulation: one seed, one run. (splitmix64, Steele,
 * Lea and Flood 2014.)
 */

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 … n - 1; n = 0 gives 0. */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return n ? (uint32_t)(rng_next(rng) >> 32) % n : 0;
}

static inline bool rng_permille(struct rng *rng, uint32_t n)
{
	return rng_below(rng, 1000) < n;
}

#endif
