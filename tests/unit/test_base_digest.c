/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest.h"
#include "tests/unit/unit.h"

#include <string.h>

/* From the tables published with FNV. */
static void test_fnv_vectors(void)
{
	static const struct {
		const char *text;
		uint64_t fnv1a;
	} cases[] = {
		{ "", 0xcbf29ce484222325 },
		{ "a", 0xaf63dc4c8601ec8c },
		{ "b", 0xaf63df4c8601f1a5 },
		{ "foobar", 0x85944171f73967e8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_EQUAL(digest_add(digest_start(), cases[i].text, strlen(cases[i].text)),
				cases[i].fnv1a);
}

static void test_finish(void)
{
	CU_ASSERT_EQUAL(digest_finish(0), 0);
	CU_ASSERT_EQUAL(digest_finish(1), 0xb456bcfc34c2cb2c);
	CU_ASSERT_EQUAL(digest_bytes("a", 1), digest_finish(0xaf63dc4c8601ec8c));
}

static void test_pieces(void)
{
	static const char text[] = "records";
	uint64_t running = digest_start();

	running = digest_add(running, text, 3);
	running = digest_add(running, NULL, 0);
	running = digest_add(running, text + 3, 4);
	CU_ASSERT_EQUAL(digest_finish(running), digest_bytes(text, 7));
}

static void test_numbers_are_little_endian(void)
{
	static const uint8_t bytes[8] = { 8, 7, 6, 5, 4, 3, 2, 1 };

	CU_ASSERT_EQUAL(digest_add_u64(digest_start(), 0x0102030405060708),
			digest_add(digest_start(), bytes, 8));
	/* Zeros at the end, in the middle, and nothing else. */
	for (unsigned set = 0; set < 256; set++) {
		uint8_t some[8] = { 0 };
		uint64_t number = 0;

		for (unsigned i = 0; i < 8; i++)
			if (set & (1u << i)) {
				some[i] = (uint8_t)(0x81 + i);
				number |= (uint64_t)some[i] << (8 * i);
			}
		CU_ASSERT_EQUAL(digest_add_u64(digest_start(), number),
				digest_add(digest_start(), some, 8));
	}
}

static void test_set(void)
{
	uint64_t a = digest_bytes("a", 1), b = digest_bytes("b", 1), c = digest_bytes("c", 1);
	uint64_t abc = digest_set_add(digest_set_add(digest_set_add(0, a), b), c);
	uint64_t cab = digest_set_add(digest_set_add(digest_set_add(0, c), a), b);

	CU_ASSERT_EQUAL(abc, cab);
	CU_ASSERT_EQUAL(digest_set_remove(abc, b), digest_set_add(digest_set_add(0, a), c));
	CU_ASSERT_EQUAL(digest_set_remove(digest_set_add(0, a), a), 0);
	/* Unlike with exclusive or, a member that is there twice does not cancel itself. */
	CU_ASSERT_NOT_EQUAL(digest_set_add(digest_set_add(0, a), a), 0);
}

static void test_one_bit_changes_many(void)
{
	uint8_t data[32] = { 0 };
	uint64_t before = digest_bytes(data, sizeof(data));

	for (unsigned bit = 0; bit < 8 * sizeof(data); bit++) {
		int changed;

		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		changed = __builtin_popcountll(before ^ digest_bytes(data, sizeof(data)));
		CU_ASSERT_TRUE(changed >= 12 && changed <= 52);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

UNIT_MAIN("base/digest", { "fnv vectors", test_fnv_vectors }, { "finish", test_finish },
	  { "pieces", test_pieces },
	  { "numbers are little-endian", test_numbers_are_little_endian }, { "set", test_set },
	  { "one bit changes many", test_one_bit_changes_many })
