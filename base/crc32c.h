/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crc32c: the checksum of frames and of what is stored.
 *
 * CRC-32C (Castagnoli) as iSCSI uses it, RFC 3720 section 12.1: polynomial 0x1EDC6F41, bits
 * reflected, all ones before and inverted after. Finds damage, not intent. The bytes "123456789"
 * give 0xE3069283.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of len bytes; 0 for none. */
uint32_t crc32c(const void *data, size_t len);

/* The checksum of what gave crc, followed by len more bytes. */
uint32_t crc32c_extend(uint32_t crc, const void *data, size_t len);

#endif
