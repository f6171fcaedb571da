/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { UNTOUCHED = 4711 };

static void test_valid_name(void)
{
	static const struct {
		const char *name;
		bool valid;
	} cases[] = {
		{ "web1", true },     { "a", true },          { "1-2_3.x", true },
		{ "12345678", true }, { "123456789", false }, { "", false },
		{ "-web", false },    { ".", false },         { "_x", false },
		{ "web 1", false },   { "web/1", false },     { "w\xc3\xa9", false },
		{ "web\n", false },   { "..", false },        { "a..b", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_EQUAL(text_valid_name(cases[i].name, 8), cases[i].valid);
	CU_ASSERT_FALSE(text_valid_name("a", 0));
}

static void test_valid_address(void)
{
	static const struct {
		const char *address;
		bool valid;
	} cases[] = {
		{ "10.77.0.1", true },   { "0.0.0.0", true },       { "255.255.255.255", true },
		{ "300.1.2.3", false },  { "10.77.0", false },      { "10.77.0.1.2", false },
		{ "10.77.0.", false },   { "010.1.2.3", false },    { "10.77.0.1 ", false },
		{ "4711", false },       { "", false },             { ".", false },
		{ "::", true },          { "::1", true },           { "fe80::", true },
		{ "2001:db8::7", true }, { "1:2:3:4:5:6:7:8", true }, { "1:2:3:4:5:6:7", false },
		{ "1:2:3:4:5:6:7:8:9", false },                     { "1:2:3:4:5:6:7::", true },
		{ "::2:3:4:5:6:7:8", true },                        { "1:2:3:4:5:6:7:8::", false },
		{ "1::2::3", false },    { ":::", false },          { "1:", false },
		{ ":1", false },         { "1:::2", false },        { "12345::", false },
		{ "::g", false },        { "::ffff:10.0.0.1", true }, { "::ffff:300.0.0.1", false },
		{ "1:2:3:4:5:6:7:10.0.0.1", false },                { "fe80::1%eth0", false },
		{ "foo", true },         { "n1.example.org", true }, { "n1.", false },
		{ "n1..example", false }, { "-n1", false },         { "n1-", false },
		{ "n_1", false },        { "3com", true },          { "n1/2", false },
		{ "12.34.n1", true },    { "n1 ", false },          { "n\xc3\xa9", false },
	};
	char name[256], label[65];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (text_valid_address(cases[i].address) != cases[i].valid)
			printf("%s\n", cases[i].address);
		CU_ASSERT_EQUAL(text_valid_address(cases[i].address), cases[i].valid);
	}
	memset(label, 'a', sizeof(label));
	label[64] = '\0';
	CU_ASSERT_FALSE(text_valid_address(label));
	CU_ASSERT_TRUE(text_valid_address(label + 1));
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 ? '.' : 'a';
	name[253] = '\0';
	CU_ASSERT_TRUE(text_valid_address(name));
	name[253] = '.';
	name[255] = '\0';
	CU_ASSERT_FALSE(text_valid_address(name));
}

static void test_address_flaw(void)
{
	static const struct {
		const char *address, *flaw;
	} cases[] = {
		{ "10.77.0.1", NULL }, { "126.255.255.255", NULL }, { "128.0.0.1", NULL },
		{ "223.1.1.1", NULL }, { "240.0.0.1", NULL }, { "255.255.255.254", NULL },
		{ "::2", NULL }, { "fe80::1", NULL }, { "1::", NULL },
		{ "::ffff:10.0.0.1", NULL }, { "n1", NULL }, { "localhost2", NULL },
		{ "notlocalhost", NULL }, { "0.0.0.0", "no machine" },
		{ "0.1.2.3", "no machine" }, { "::", "no machine" },
		{ "0:0:0:0:0:0:0:0", "no machine" }, { "::ffff:0.0.0.0", "no machine" },
		{ "127.0.0.1", "loopback" }, { "127.9.9.9", "loopback" }, { "::1", "loopback" },
		{ "0::01", "loopback" }, { "::ffff:127.0.0.1", "loopback" },
		{ "localhost", "loopback" }, { "LocalHost", "loopback" },
		{ "n1.localhost", "loopback" }, { "localhost.localdomain", "loopback" },
		{ "224.0.0.1", "multicast" }, { "239.255.255.255", "multicast" },
		{ "ff02::1", "multicast" }, { "::ffff:224.0.0.1", "multicast" },
		{ "255.255.255.255", "broadcast" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *flaw = text_address_flaw(cases[i].address);

		if (!flaw != !cases[i].flaw || (flaw && !strstr(flaw, cases[i].flaw))) {
			printf("%s: %s\n", cases[i].address, flaw ? flaw : "good");
			CU_FAIL("flaw");
		}
	}
}

static void test_same_address(void)
{
	CU_ASSERT_TRUE(text_same_address("10.0.0.1", "10.0.0.1"));
	CU_ASSERT_TRUE(text_same_address("10.0.0.1", "::ffff:10.0.0.1"));
	CU_ASSERT_TRUE(text_same_address("::ffff:a00:1", "10.0.0.1"));
	CU_ASSERT_TRUE(text_same_address("fd00::1", "FD00:0::0001"));
	CU_ASSERT_TRUE(text_same_address("n1.example", "N1.example"));
	CU_ASSERT_FALSE(text_same_address("10.0.0.1", "10.0.0.2"));
	CU_ASSERT_FALSE(text_same_address("10.0.0.1", "::10.0.0.1"));
	CU_ASSERT_FALSE(text_same_address("n1", "n2"));
	CU_ASSERT_FALSE(text_same_address("n1", "10.0.0.1"));
}

struct quantity_case {
	const char *text;
	int r;
	uint64_t value;
};

static void check_quantity(const struct quantity_case *c, int (*parse)(const char *, uint64_t *))
{
	uint64_t value = UNTOUCHED;
	int r = parse(c->text, &value);

	if (r != c->r || value != (r ? UNTOUCHED : c->value))
		printf("case \"%s\": %d %ju\n", c->text, r, (uintmax_t)value);
	CU_ASSERT_EQUAL(r, c->r);
	CU_ASSERT_EQUAL(value, r ? UNTOUCHED : c->value);
}

static int parse_1_to_100(const char *s, uint64_t *ret)
{
	return text_parse_uint(s, 1, 100, ret);
}

static int parse_any(const char *s, uint64_t *ret)
{
	return text_parse_uint(s, 0, UINT64_MAX, ret);
}

static void test_parse_uint(void)
{
	static const struct quantity_case limited[] = {
		{ "1", 0, 1 },      { "100", 0, 100 },  { "0", -ERANGE },  { "101", -ERANGE },
		{ "", -EINVAL },    { "-1", -EINVAL },  { "+1", -EINVAL }, { " 1", -EINVAL },
		{ "1 ", -EINVAL },  { "01", -EINVAL },  { "1x", -EINVAL }, { "0x1", -EINVAL },
		{ "1.0", -EINVAL }, { "1e1", -EINVAL },
	};
	static const struct quantity_case any[] = {
		{ "0", 0, 0 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE },
		{ "99999999999999999999999", -ERANGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limited); i++)
		check_quantity(&limited[i], parse_1_to_100);
	for (size_t i = 0; i < ARRAY_SIZE(any); i++)
		check_quantity(&any[i], parse_any);
}

static void test_parse_size(void)
{
	static const struct quantity_case bytes[] = {
		{ "0", 0, 0 },
		{ "1K", 0, 1024 },
		{ "512M", 0, 512 << 20 },
		{ "20G", 0, UINT64_C(20) << 30 },
		{ "20GiB", 0, UINT64_C(20) << 30 },
		{ "16777215T", 0, UINT64_C(16777215) << 40 },
		{ "16777216T", -ERANGE },
		{ "512", -EINVAL },
		{ "512MB", -EINVAL },
		{ "512m", -EINVAL },
		{ "512 M", -EINVAL },
		{ "M", -EINVAL },
		{ "1.5G", -EINVAL },
		{ "-1G", -EINVAL },
		{ "", -EINVAL },
	};
	static const struct quantity_case mib[] = {
		{ "512M", 0, 512 }, { "2G", 0, 2048 },   { "2048K", 0, 2 },
		{ "0", 0, 0 },      { "100K", -EINVAL }, { "5", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++)
		check_quantity(&bytes[i], text_parse_size);
	for (size_t i = 0; i < ARRAY_SIZE(mib); i++)
		check_quantity(&mib[i], text_parse_mib);
}

static void test_parse_duration(void)
{
	static const struct quantity_case cases[] = {
		{ "0", 0, 0 },        { "500ms", 0, 500 },  { "30s", 0, 30000 },
		{ "10m", 0, 600000 }, { "2h", 0, 7200000 }, { "30d", 0, UINT64_C(2592000000) },
		{ "30", -EINVAL },    { "30sec", -EINVAL }, { "1m30s", -EINVAL },
		{ "-5s", -EINVAL },   { "s", -EINVAL },     { "999999999999999d", -ERANGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_quantity(&cases[i], text_parse_duration);
}

static void test_parse_bool(void)
{
	bool value = true;

	CU_ASSERT_EQUAL(text_parse_bool("no", &value), 0);
	CU_ASSERT_FALSE(value);
	CU_ASSERT_EQUAL(text_parse_bool("yes", &value), 0);
	CU_ASSERT_TRUE(value);
	CU_ASSERT_EQUAL(text_parse_bool("true", &value), -EINVAL);
	CU_ASSERT_EQUAL(text_parse_bool("No", &value), -EINVAL);
	CU_ASSERT_EQUAL(text_parse_bool("", &value), -EINVAL);
	CU_ASSERT_TRUE(value);
}

static void test_join(void)
{
	static const char *const nodes[] = { "node1", "node2", "node3" };
	_cleanup_(freep) char *three = text_join(nodes, 3, ", ");
	_cleanup_(freep) char *one = text_join(nodes, 1, ", ");
	_cleanup_(freep) char *none = text_join(NULL, 0, ", ");

	CU_ASSERT_STRING_EQUAL(three, "node1, node2, node3");
	CU_ASSERT_STRING_EQUAL(one, "node1");
	CU_ASSERT_STRING_EQUAL(none, "");
}

static void test_copy(void)
{
	char to[5] = "old";

	CU_ASSERT_EQUAL(text_copy(to, sizeof(to), "12345"), -ENAMETOOLONG);
	CU_ASSERT_STRING_EQUAL(to, "old");
	CU_ASSERT_EQUAL(text_copy(to, sizeof(to), "1234"), 0);
	CU_ASSERT_STRING_EQUAL(to, "1234");
	CU_ASSERT_EQUAL(text_copy(to, 0, ""), -ENAMETOOLONG);
}

static void test_format(void)
{
	static const struct {
		char *(*format)(char *, uint64_t);
		uint64_t value;
		const char *text;
	} cases[] = {
		{ text_format_ms, 0, "0 ms" },
		{ text_format_ms, 999, "999 ms" },
		{ text_format_ms, 1000, "1 s" },
		{ text_format_ms, 2550, "2.5 s" },
		{ text_format_ms, 59999, "59.9 s" },
		{ text_format_ms, 60000, "1 min" },
		{ text_format_ms, 200000, "3 min 20 s" },
		{ text_format_ms, 7500000, "2 h 5 min" },
		{ text_format_ms, 86400000, "1 d" },
		{ text_format_ms, 273600000, "3 d 4 h" },
		{ text_format_ms, UINT64_MAX, "213503982334 d 14 h" },
		{ text_format_mib, 0, "0 MiB" },
		{ text_format_mib, 1023, "1023 MiB" },
		{ text_format_mib, 1024, "1 GiB" },
		{ text_format_mib, 1536, "1.5 GiB" },
		{ text_format_mib, UINT64_C(3) << 20, "3 TiB" },
		{ text_format_mib, UINT64_MAX, "17592186044415.9 TiB" },
		{ text_format_bytes, 0, "0 B" },
		{ text_format_bytes, 1023, "1023 B" },
		{ text_format_bytes, 112 * 1024, "112 KiB" },
		{ text_format_bytes, 112 * 1024 + 1, "113 KiB" },
		{ text_format_bytes, (1 << 20) * 3 / 2, "1.5 MiB" },
		{ text_format_bytes, UINT64_C(7) << 30, "7 GiB" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[TEXT_QUANTITY_SIZE];

		CU_ASSERT_STRING_EQUAL(cases[i].format(out, cases[i].value), cases[i].text);
	}
}

UNIT_MAIN("base/text", { "valid name", test_valid_name },
	  { "valid address", test_valid_address },
	  { "address flaw", test_address_flaw }, { "same address", test_same_address },
	  { "parse uint", test_parse_uint },
	  { "parse size", test_parse_size }, { "parse duration", test_parse_duration },
	  { "parse bool", test_parse_bool }, { "join", test_join }, { "copy", test_copy },
	  { "format", test_format })
