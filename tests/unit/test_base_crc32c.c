/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/crc32c.h"
#include "tests/unit/unit.h"

#include <string.h>

/*
 * RFC 3720 appendix B.4, which writes the bytes in the order they are sent, and the usual check
 * value.
 */
static void test_published_vectors(void)
{
	uint8_t zeros[32] = { 0 }, ones[32], up[32], down[32];

	memset(ones, 0xff, sizeof(ones));
	for (unsigned i = 0; i < 32; i++) {
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	CU_ASSERT_EQUAL(crc32c(zeros, 32), 0x8a9136aa);
	CU_ASSERT_EQUAL(crc32c(ones, 32), 0x62a8ab43);
	CU_ASSERT_EQUAL(crc32c(up, 32), 0x46dd794e);
	CU_ASSERT_EQUAL(crc32c(down, 32), 0x113fdb5c);
	CU_ASSERT_EQUAL(crc32c("123456789", 9), 0xe3069283);
	CU_ASSERT_EQUAL(crc32c(NULL, 0), 0);
}

/* The RFC's iSCSI read command. */
static void test_scsi_read(void)
{
	static const uint8_t pdu[48] = {
		0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
		0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};

	CU_ASSERT_EQUAL(crc32c(pdu, sizeof(pdu)), 0xd9963a56);
}

static uint32_t bit_by_bit(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static void test_every_byte(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i;

		CU_ASSERT_EQUAL(crc32c(&byte, 1), bit_by_bit(&byte, 1));
	}
}

static void test_extend(void)
{
	static const char text[] = "a frame arrives in pieces";

	for (size_t cut = 0; cut <= sizeof(text); cut++)
		CU_ASSERT_EQUAL(crc32c_extend(crc32c(text, cut), text + cut, sizeof(text) - cut),
				crc32c(text, sizeof(text)));
}

static void test_every_flipped_bit_is_seen(void)
{
	uint8_t data[64] = { 1, 2, 3 };
	uint32_t good = crc32c(data, sizeof(data));

	for (unsigned bit = 0; bit < 8 * sizeof(data); bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CU_ASSERT_NOT_EQUAL(crc32c(data, sizeof(data)), good);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

UNIT_MAIN("base/crc32c", { "published vectors", test_published_vectors },
	  { "scsi read", test_scsi_read }, { "every byte", test_every_byte },
	  { "extend", test_extend },
	  { "every flipped bit is seen", test_every_flipped_bit_is_seen })
