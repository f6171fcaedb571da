/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{ "K", UINT64_C(1) << 10 },   { "M", UINT64_C(1) << 20 },   { "G", UINT64_C(1) << 30 },
	{ "T", UINT64_C(1) << 40 },   { "KiB", UINT64_C(1) << 10 }, { "MiB", UINT64_C(1) << 20 },
	{ "GiB", UINT64_C(1) << 30 }, { "TiB", UINT64_C(1) << 40 },
};

enum {
	SECOND_MS = 1000,
	MINUTE_MS = 60 * SECOND_MS,
	HOUR_MS = 60 * MINUTE_MS,
	DAY_MS = 24 * HOUR_MS,

	KIB_BYTES = 1 << 10,
	MIB_BYTES = 1 << 20,
	GIB_BYTES = 1 << 30,
	GIB_MIB = 1 << 10,
	TIB_MIB = 1 << 20,

	/* RFC 1123 */
	HOST_NAME_BYTES = 253,
	LABEL_BYTES = 63,
};

static const struct unit duration_units[] = {
	{ "ms", 1 }, { "s", SECOND_MS }, { "m", MINUTE_MS }, { "h", HOUR_MS }, { "d", DAY_MS },
};

/* isalnum() and isdigit() ask the locale; a name must be good on every node or on none. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool text_valid_name(const char *s, size_t max)
{
	size_t len = 0;

	if (!is_alnum(s[0]))
		return false;
	for (; s[len]; len++)
		if (len == max || !(is_alnum(s[len]) || strchr("._-", s[len])))
			return false;
	return true;
}

/* Four numbers up to 255, as inet_pton(3) reads them: without leading zeros. */
static bool is_ipv4(const char *s)
{
	for (size_t i = 0; i < 4; i++) {
		unsigned number = 0;
		size_t len = 0;

		if (i > 0 && *s++ != '.')
			return false;
		for (; is_digit(s[len]) && len < 3; len++)
			number = number * 10 + (unsigned)(s[len] - '0');
		if (len == 0 || number > 255 || (len > 1 && s[0] == '0'))
			return false;
		s += len;
	}
	return *s == '\0';
}

/* Eight groups of hex digits, the last two also as IPv4; one "::" stands for those left out. */
static bool is_ipv6(const char *s)
{
	bool left_out = s[0] == ':' && s[1] == ':';
	size_t groups = 0;

	if (left_out)
		s += 2;
	while (*s) {
		size_t len = strspn(s, "0123456789abcdefABCDEF");

		if (s[len] == '.' && is_ipv4(s)) {
			groups += 2;
			break;
		}
		if (len == 0 || len > 4)
			return false;
		groups++;
		s += len;
		if (*s == '\0')
			break;
		if (*s++ != ':')
			return false;
		if (*s == ':' && !left_out) {
			left_out = true;
			s++;
		} else if (!*s || *s == ':') {
			return false;
		}
	}
	return left_out ? groups < 8 : groups == 8;
}

static bool is_host_name(const char *s)
{
	size_t total = strlen(s);

	if (total > HOST_NAME_BYTES)
		return false;
	for (;;) {
		size_t len = 0;

		while (is_alnum(s[len]) || s[len] == '-')
			len++;
		if (len == 0 || len > LABEL_BYTES || s[0] == '-' || s[len - 1] == '-')
			return false;
		if (s[len] == '\0')
			return true;
		if (s[len] != '.')
			return false;
		s += len + 1;
	}
}

bool text_valid_address(const char *s)
{
	if (strchr(s, ':'))
		return is_ipv6(s);
	if (s[strspn(s, "0123456789.")] == '\0')
		return is_ipv4(s);
	return is_host_name(s);
}

enum { IPV6_BYTES = 16, IPV4_AT = 12 };

static const uint8_t mapped[IPV4_AT] = { [10] = 0xff, [11] = 0xff };

/* IPv4 as it is mapped into IPv6. false: a host name. */
static bool address_bytes(const char *s, uint8_t bytes[IPV6_BYTES])
{
	memcpy(bytes, mapped, sizeof(mapped));
	return inet_pton(AF_INET, s, bytes + IPV4_AT) == 1 || inet_pton(AF_INET6, s, bytes) == 1;
}

static const char *ipv4_flaw(const uint8_t ip[4])
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (ip[0] == 0)
		return "the address of no machine";
	if (ip[0] == 127)
		return "a loopback address";
	if (ip[0] >= 224 && ip[0] < 240)
		return "a multicast address";
	return memcmp(ip, broadcast, 4) == 0 ? "the broadcast address" : NULL;
}

/* RFC 6761, and what distributions write into /etc/hosts. */
static const char *name_flaw(const char *s)
{
	static const char end[] = ".localhost";
	size_t len = strlen(s), end_len = strlen(end);

	if (strcasecmp(s, "localhost") == 0 || strcasecmp(s, "localhost.localdomain") == 0 ||
	    (len > end_len && strcasecmp(s + len - end_len, end) == 0))
		return "a loopback address";
	return NULL;
}

const char *text_address_flaw(const char *s)
{
	static const uint8_t none[IPV6_BYTES] = { 0 };
	uint8_t ip[IPV6_BYTES];

	if (!address_bytes(s, ip))
		return name_flaw(s);
	if (memcmp(ip, mapped, sizeof(mapped)) == 0)
		return ipv4_flaw(ip + IPV4_AT);
	if (ip[0] == 0xff)
		return "a multicast address";
	if (memcmp(ip, none, IPV6_BYTES - 1) != 0 || ip[IPV6_BYTES - 1] > 1)
		return NULL;
	return ip[IPV6_BYTES - 1] ? "a loopback address" : "the address of no machine";
}

bool text_same_address(const char *a, const char *b)
{
	uint8_t a_ip[IPV6_BYTES], b_ip[IPV6_BYTES];

	if (address_bytes(a, a_ip) && address_bytes(b, b_ip))
		return memcmp(a_ip, b_ip, IPV6_BYTES) == 0;
	return strcasecmp(a, b) == 0;
}

/* The number a string starts with, and where the rest begins. */
static int parse_digits(const char *s, uint64_t *ret, const char **ret_rest)
{
	uint64_t value = 0;
	const char *p = s;

	if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
		return -EINVAL;
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	*ret = value;
	*ret_rest = p;
	return 0;
}

int text_parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	const char *rest;
	int r;

	r = parse_digits(s, &value, &rest);
	if (r < 0)
		return r;
	if (*rest)
		return -EINVAL;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* A number and one of the units, or a bare 0. */
static int parse_quantity(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
	uint64_t value;
	const char *rest;
	int r;

	r = parse_digits(s, &value, &rest);
	if (r < 0)
		return r;
	if (value == 0 && !*rest) {
		*ret = 0;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rest, units[i].suffix) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return -ERANGE;
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

int text_parse_size(const char *s, uint64_t *ret_bytes)
{
	return parse_quantity(s, size_units, ARRAY_SIZE(size_units), ret_bytes);
}

int text_parse_mib(const char *s, uint64_t *ret_mib)
{
	uint64_t bytes;
	int r;

	r = text_parse_size(s, &bytes);
	if (r < 0)
		return r;
	if (bytes % MIB_BYTES)
		return -EINVAL;
	*ret_mib = bytes / MIB_BYTES;
	return 0;
}

int text_parse_duration(const char *s, uint64_t *ret_ms)
{
	return parse_quantity(s, duration_units, ARRAY_SIZE(duration_units), ret_ms);
}

int text_parse_bool(const char *s, bool *ret)
{
	if (strcmp(s, "yes") == 0)
		*ret = true;
	else if (strcmp(s, "no") == 0)
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

char *text_join(const char *const *items, size_t n, const char *separator)
{
	struct buf out = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_append_str(&out, separator);
		buf_append_str(&out, items[i]);
	}
	return buf_steal_str(&out);
}

int text_copy(char *to, size_t size, const char *s)
{
	size_t len = strlen(s);

	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(to, s, len + 1);
	return 0;
}

/* "2 h 5 min", and without the second part where that is 0. */
static void format_pair(char *out, uint64_t ms, uint64_t large, const char *large_name,
			uint64_t small, const char *small_name)
{
	uint64_t whole = ms / large, part = ms % large / small;

	if (part == 0)
		snprintf(out, TEXT_QUANTITY_SIZE, "%" PRIu64 " %s", whole, large_name);
	else
		snprintf(out, TEXT_QUANTITY_SIZE, "%" PRIu64 " %s %" PRIu64 " %s", whole,
			 large_name, part, small_name);
}

/*
 * "1.5 GiB", and without the tenth where that is 0. Rounds down: 1023.99 of a unit is not yet the
 * next.
 */
static void format_tenths(char *out, uint64_t value, uint64_t unit, const char *name)
{
	uint64_t whole = value / unit, tenth = value % unit * 10 / unit;

	if (tenth == 0)
		snprintf(out, TEXT_QUANTITY_SIZE, "%" PRIu64 " %s", whole, name);
	else
		snprintf(out, TEXT_QUANTITY_SIZE, "%" PRIu64 ".%" PRIu64 " %s", whole, tenth, name);
}

char *text_format_ms(char out[TEXT_QUANTITY_SIZE], uint64_t ms)
{
	if (ms < SECOND_MS)
		snprintf(out, TEXT_QUANTITY_SIZE, "%" PRIu64 " ms", ms);
	else if (ms < MINUTE_MS)
		format_tenths(out, ms, SECOND_MS, "s");
	else if (ms < HOUR_MS)
		format_pair(out, ms, MINUTE_MS, "min", SECOND_MS, "s");
	else if (ms < DAY_MS)
		format_pair(out, ms, HOUR_MS, "h", MINUTE_MS, "min");
	else
		format_pair(out, ms, DAY_MS, "d", HOUR_MS, "h");
	return out;
}

char *text_format_mib(char out[TEXT_QUANTITY_SIZE], uint64_t mib)
{
	if (mib < GIB_MIB)
		snprintf(out, TEXT_QUANTITY_SIZE, "%" PRIu64 " MiB", mib);
	else if (mib < TIB_MIB)
		format_tenths(out, mib, GIB_MIB, "GiB");
	else
		format_tenths(out, mib, TIB_MIB, "TiB");
	return out;
}

char *text_format_bytes(char out[TEXT_QUANTITY_SIZE], uint64_t bytes)
{
	if (bytes < KIB_BYTES)
		snprintf(out, TEXT_QUANTITY_SIZE, "%" PRIu64 " B", bytes);
	else if (bytes < MIB_BYTES)
		snprintf(out, TEXT_QUANTITY_SIZE, "%" PRIu64 " KiB",
			 (bytes + KIB_BYTES - 1) / KIB_BYTES);
	else if (bytes < GIB_BYTES)
		format_tenths(out, bytes, MIB_BYTES, "MiB");
	else
		format_tenths(out, bytes, GIB_BYTES, "GiB");
	return out;
}
