/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"
#include "base/mem.h"
#include "clusterctl/secret.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_keys(void)
{
	static const struct {
		const char *key;
		bool secret;
	} cases[] = {
		{ "password", true },
		{ "passwd", true },
		{ "Password", true },
		{ "pass", true },
		{ "pw", true },
		{ "snmp_auth_passwd", true },
		{ "secret", true },
		{ "client_secret", true },
		{ "token", true },
		{ "apikey", true },
		{ "kg", true },
		{ "passphrase", true },
		{ "password_script", false },
		{ "passwd-script", false },
		{ "identity_file", false },
		{ "secret_file", false },
		{ "username", false },
		{ "ip", false },
		{ "port", false },
		{ "compass", false },
		{ "pacing", false },
		{ "community", true },
		{ "plug", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (secret_is_key(cases[i].key, strlen(cases[i].key)) != cases[i].secret)
			printf("%s\n", cases[i].key);
		CU_ASSERT_EQUAL(secret_is_key(cases[i].key, strlen(cases[i].key)), cases[i].secret);
	}
}

/* What is read when somebody pipes in len bytes. */
static int read_text(const char *text, size_t len, struct buf *lines, unsigned *line)
{
	int fds[2], r;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	CU_ASSERT_EQUAL_FATAL(write(fds[1], text, len), (ssize_t)len);
	close(fds[1]);
	r = secret_read(fds[0], lines, line);
	close(fds[0]);
	return r;
}

static void test_read(void)
{
	static const struct {
		const char *text;
		int r;
		const char *lines;
		unsigned line;
	} cases[] = {
		{ "password=x\n", 0, "password=x\n", 0 },
		{ "password=x", 0, "password=x\n", 0 },
		{ "password=a=b c \n", 0, "password=a=b c \n", 0 },
		{ "a=1\nb=2\n", 0, "a=1\nb=2\n", 0 },
		{ "password=\n", 0, "password=\n", 0 },
		{ "", -ENODATA, NULL, 0 },
		{ "\n\n", -ENODATA, NULL, 0 },
		{ "hunter2\n", -EINVAL, NULL, 1 },
		{ "a=1\nhunter2\n", -EINVAL, NULL, 2 },
		{ "=x\n", -EINVAL, NULL, 1 },
		{ "pass word=x\n", -EINVAL, NULL, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(secret_wipe) struct buf lines = { 0 };
		unsigned line = 0;
		int r = read_text(cases[i].text, strlen(cases[i].text), &lines, &line);

		if (r != cases[i].r)
			printf("case %zu: %d\n", i, r);
		CU_ASSERT_EQUAL(r, cases[i].r);
		CU_ASSERT_EQUAL(line, cases[i].line);
		CU_ASSERT_EQUAL(lines.data != NULL, cases[i].lines != NULL);
		CU_ASSERT_STRING_EQUAL(buf_str(&lines), cases[i].lines ? cases[i].lines : "");
	}
}

static void test_read_odd(void)
{
	static const char zero[] = "password=a\0b\n";
	_cleanup_(secret_wipe) struct buf lines = { 0 };
	_cleanup_(freep) char *large = mem_array(1, SECRET_MAX + 1);
	unsigned line = 0;

	CU_ASSERT_EQUAL(read_text(zero, sizeof(zero) - 1, &lines, &line), -EINVAL);
	memset(large, 'x', SECRET_MAX + 1);
	memcpy(large, "a=", 2);
	CU_ASSERT_EQUAL(read_text(large, SECRET_MAX + 1, &lines, &line), -E2BIG);
	CU_ASSERT_PTR_NULL(lines.data);
	CU_ASSERT_EQUAL(read_text(large, SECRET_MAX, &lines, &line), 0);
	CU_ASSERT_EQUAL(lines.len, SECRET_MAX + 1);
	CU_ASSERT_EQUAL(secret_read(-1, &lines, &line), -EBADF);
}

UNIT_MAIN("clusterctl/secret", { "keys", test_keys }, { "read", test_read },
	  { "read-odd", test_read_odd })
