/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text: names and quantities as people write and read them.
 *
 * Parsers take the whole string or nothing: no blanks, no signs, no leading zeros. They answer
 * -EINVAL for what is not of the form and -ERANGE for what is too large or outside of the limits,
 * and leave *ret alone then. A size or a duration needs its unit, because "timeout=5" has been
 * misread too often. What text_format_... writes is for people and rounded; do not parse it.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A name of 1 to max characters [A-Za-z0-9._-], the first one a letter or a digit. */
bool text_valid_name(const char *s, size_t max);

/*
 * An IPv4 address, an IPv6 address, or a host name of letters, digits, '-' and dots (RFC 1123).
 * What has digits and dots only is an IPv4 address or nothing: no resolver takes it for a name.
 */
bool text_valid_address(const char *s);

/*
 * Of a valid address, what keeps other machines from reaching one machine by it: "a loopback
 * address", "a multicast address", …; NULL if nothing does. An IPv4 address may be written as
 * IPv6 (::ffff:10.0.0.1).
 */
const char *text_address_flaw(const char *s);

/* Whether two valid addresses are one, however they are written. */
bool text_same_address(const char *a, const char *b);

/* Digits only; min and max included. */
int text_parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/*
 * "512M", "20G": a number and K, M, G or T, which are powers of 1024; also written "20GiB". "0"
 * needs no unit.
 */
int text_parse_size(const char *s, uint64_t *ret_bytes);

/* The same in MiB; -EINVAL for what is not whole MiB. */
int text_parse_mib(const char *s, uint64_t *ret_mib);

/* "500ms", "30s", "10m", "2h", "1d". "0" needs no unit. */
int text_parse_duration(const char *s, uint64_t *ret_ms);

/* "yes" or "no". */
int text_parse_bool(const char *s, bool *ret);

/* The n strings with separator between them, for the caller to free. */
char *text_join(const char *const *items, size_t n, const char *separator);

/* Copies s into an array of size bytes, whole or, with -ENAMETOOLONG, not at all. */
int text_copy(char *to, size_t size, const char *s);

/*
 * "850 ms", "2.5 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"; "512 MiB", "1.5 GiB"; "900 B",
 * "112 KiB". Returns out.
 */
enum { TEXT_QUANTITY_SIZE = 32 };
char *text_format_ms(char out[TEXT_QUANTITY_SIZE], uint64_t ms);
char *text_format_mib(char out[TEXT_QUANTITY_SIZE], uint64_t mib);
char *text_format_bytes(char out[TEXT_QUANTITY_SIZE], uint64_t bytes);

#endif
