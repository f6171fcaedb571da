/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/seal.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/clusterd-test-seal-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct seal *load(const char *name)
{
	struct seal *seal = NULL;
	char why[400];

	CU_ASSERT_EQUAL_FATAL(seal_load(path_of(name), &seal, why, sizeof(why)), 0);
	return seal;
}

static void test_key_file(void)
{
	char why[400];
	struct seal *seal = NULL;
	struct stat st;

	CU_ASSERT_EQUAL(seal_make_key(path_of("k")), 0);
	CU_ASSERT_EQUAL(seal_make_key(path_of("k")), -EEXIST);
	CU_ASSERT_EQUAL(stat(path_of("k"), &st), 0);
	CU_ASSERT_EQUAL(st.st_size, SEAL_KEY_SIZE);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0400);
	CU_ASSERT_EQUAL(seal_load(path_of("none"), &seal, why, sizeof(why)), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "copy it from another node"));
	CU_ASSERT_PTR_NULL(seal);
}

static void test_modes(void)
{
	static const struct {
		mode_t mode;
		int result;
	} cases[] = { { 0400, 0 },	{ 0600, 0 },	  { 0440, -EPERM }, { 0644, -EPERM },
		      { 0404, -EPERM }, { 0700, -EPERM }, { 04400, -EPERM } };
	char why[400];

	CU_ASSERT_EQUAL(seal_make_key(path_of("m")), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(seal_freep) struct seal *seal = NULL;

		chmod(path_of("m"), cases[i].mode);
		CU_ASSERT_EQUAL(seal_load(path_of("m"), &seal, why, sizeof(why)), cases[i].result);
	}
}

static void test_wrong_size(void)
{
	struct seal *seal = NULL;
	char why[400];
	int fd = open(path_of("s"), O_CREAT | O_WRONLY, 0400);

	CU_ASSERT_EQUAL(write(fd, "0123456789012345678901234567890", 31), 31);
	CU_ASSERT_EQUAL(seal_load(path_of("s"), &seal, why, sizeof(why)), -EINVAL);
	CU_ASSERT_EQUAL(write(fd, "01", 2), 2);
	close(fd);
	CU_ASSERT_EQUAL(seal_load(path_of("s"), &seal, why, sizeof(why)), -EINVAL);
}

static void test_round_trip(void)
{
	static const char *const texts[] = { "", "password=x\n", "password=ünïcode\nlogin=a" };

	seal_make_key(path_of("r"));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(seal_freep) struct seal *seal = load("r");
		_cleanup_(buf_free) struct buf out = { 0 }, again = { 0 };
		uint8_t *clear = NULL;
		size_t size = 0;

		CU_ASSERT_EQUAL(seal_close(seal, "bmc", texts[i], strlen(texts[i]), &out), 0);
		CU_ASSERT_EQUAL(out.len, strlen(texts[i]) + SEAL_OVERHEAD);
		CU_ASSERT_EQUAL(seal_close(seal, "bmc", texts[i], strlen(texts[i]), &again), 0);
		/* A nonce is never used twice. */
		CU_ASSERT_NOT_EQUAL(memcmp(out.data, again.data, out.len), 0);
		CU_ASSERT_EQUAL_FATAL(seal_open(seal, "bmc", out.data, out.len, &clear, &size), 0);
		CU_ASSERT_EQUAL(size, strlen(texts[i]));
		CU_ASSERT_EQUAL(memcmp(clear, texts[i], size), 0);
		seal_wipe(clear, size);
	}
}

static void test_refuses(void)
{
	_cleanup_(seal_freep) struct seal *seal = NULL, *other = NULL;
	_cleanup_(buf_free) struct buf out = { 0 };
	uint8_t *clear = NULL;
	size_t size;
	char big[SEAL_CLEAR_MAX + 1] = "";

	seal_make_key(path_of("a"));
	seal_make_key(path_of("b"));
	seal = load("a");
	other = load("b");
	CU_ASSERT_EQUAL(seal_close(seal, "bmc", big, sizeof(big), &out), -EMSGSIZE);
	CU_ASSERT_EQUAL(seal_close(seal, "bmc", "password=x", 10, &out), 0);
	CU_ASSERT_EQUAL(seal_open(seal, "bmc2", out.data, out.len, &clear, &size), -EBADMSG);
	CU_ASSERT_EQUAL(seal_open(other, "bmc", out.data, out.len, &clear, &size), -EBADMSG);
	for (size_t n = 0; n < out.len; n++)
		CU_ASSERT_EQUAL(seal_open(seal, "bmc", out.data, n, &clear, &size), -EBADMSG);
	for (size_t n = 0; n < out.len; n++) {
		out.data[n] ^= 1;
		CU_ASSERT_EQUAL(seal_open(seal, "bmc", out.data, out.len, &clear, &size), -EBADMSG);
		out.data[n] ^= 1;
	}
	CU_ASSERT_PTR_NULL(clear);
}

static void test_cleanup(void)
{
	static const char *const names[] = { "k", "m", "s", "r", "a", "b" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(path_of(names[i]));
	rmdir(dir);
}

static void test_directory(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

UNIT_MAIN("clusterd/shell/seal", { "directory", test_directory }, { "key file", test_key_file },
	  { "modes", test_modes }, { "wrong size", test_wrong_size },
	  { "round trip", test_round_trip }, { "refuses", test_refuses },
	  { "cleanup", test_cleanup })
