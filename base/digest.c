/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest.h"

/* http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x00000100000001b3)

/* [n]: the prime, n times multiplied with itself. */
static const uint64_t prime_power[] = {
	UINT64_C(0x0000000000000001), UINT64_C(0x00000100000001b3), UINT64_C(0x000366000002e329),
	UINT64_C(0x08a97b0004e7feab), UINT64_C(0x9ffaac085635bc91), UINT64_C(0x0caee32a7d4f6a63),
	UINT64_C(0xdc966432edf1c639), UINT64_C(0xc5527b8a51d3d2db), UINT64_C(0x1efac7090aef4a21),
};

uint64_t digest_start(void)
{
	return FNV_OFFSET;
}

uint64_t digest_add(uint64_t running, const void *data, size_t len)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i++)
		running = (running ^ byte[i]) * FNV_PRIME;
	return running;
}

uint64_t digest_add_u64(uint64_t running, uint64_t number)
{
	unsigned left = 8;

	/* Most numbers are small, and a zero only multiplies. */
	for (; number; number >>= 8, left--)
		running = (running ^ (number & 0xff)) * FNV_PRIME;
	return running * prime_power[left];
}

/* fmix64 of MurmurHash3. One to one, so nothing is lost here. */
uint64_t digest_finish(uint64_t running)
{
	running ^= running >> 33;
	running *= UINT64_C(0xff51afd7ed558ccd);
	running ^= running >> 33;
	running *= UINT64_C(0xc4ceb9fe1a85ec53);
	running ^= running >> 33;
	return running;
}

uint64_t digest_bytes(const void *data, size_t len)
{
	return digest_finish(digest_add(digest_start(), data, len));
}

uint64_t digest_set_add(uint64_t set, uint64_t member)
{
	return set + member;
}

uint64_t digest_set_remove(uint64_t set, uint64_t member)
{
	return set - member;
}
