/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/conf.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static int read_text(const char *text, struct conf *conf, char *why, size_t size)
{
	char path[] = "/tmp/clusterd-test-conf-XXXXXX";
	int fd = mkstemp(path), result;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	conf_init(conf);
	why[0] = '\0';
	result = conf_read(conf, path, why, size);
	/* The path is random; what follows it counts. */
	if (strncmp(why, path, strlen(path)) == 0)
		memmove(why, why + strlen(path), strlen(why + strlen(path)) + 1);
	unlink(path);
	return result;
}

static void test_defaults(void)
{
	_cleanup_(conf_free) struct conf conf = { 0 };
	char why[300];

	CU_ASSERT_EQUAL(read_text("", &conf, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(conf.state_dir, CLUSTERD_STATE_DIR);
	CU_ASSERT_STRING_EQUAL(conf.run_dir, CLUSTERD_RUN_DIR);
	CU_ASSERT_STRING_EQUAL(conf.libvirt_uri, "qemu:///system");
	CU_ASSERT_EQUAL(conf.memory_mib, 0);
	CU_ASSERT_EQUAL(conf.log_level, LOG_INFO);
	CU_ASSERT_TRUE(conf.read_all);
}

/* A text that is told to be what holds is what was built: directories are those of configure. */
static void test_sample(void)
{
	_cleanup_(conf_free) struct conf conf = { 0 }, sample = { 0 };
	char why[300] = "";

	conf_init(&conf);
	CU_ASSERT_EQUAL_FATAL(conf_read(&sample, "doc/clusterd.conf", why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(sample.state_dir, conf.state_dir);
	CU_ASSERT_STRING_EQUAL(sample.run_dir, conf.run_dir);
	CU_ASSERT_STRING_EQUAL(sample.agent_dir, conf.agent_dir);
	CU_ASSERT_STRING_EQUAL(sample.libvirt_uri, conf.libvirt_uri);
	CU_ASSERT_STRING_EQUAL(sample.secret_key, conf.secret_key);
	CU_ASSERT_EQUAL(sample.memory_mib, conf.memory_mib);
	CU_ASSERT_EQUAL(sample.log_level, conf.log_level);
	CU_ASSERT_EQUAL(sample.read_all, conf.read_all);
}

static void test_all_keys(void)
{
	_cleanup_(conf_free) struct conf conf = { 0 };
	char why[300];
	int result = read_text("# a comment\n"
			       "[clusterd]\n"
			       "state_dir = /a#1/state\n"
			       "run_dir=/a/run\n"
			       "  agent_dir =  /a/agents \n"
			       "libvirt_uri = qemu+unix:///system?socket=/x;y\n"
			       "\n"
			       "; another\n"
			       "memory_mib = 4096\n"
			       "secret_key = /a/key\n"
			       "log_level = debug\n"
			       "read_access = group\n",
			       &conf, why, sizeof(why));

	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT_STRING_EQUAL(why, "");
	CU_ASSERT_STRING_EQUAL(conf.state_dir, "/a#1/state");
	CU_ASSERT_STRING_EQUAL(conf.run_dir, "/a/run");
	CU_ASSERT_STRING_EQUAL(conf.agent_dir, "/a/agents");
	CU_ASSERT_STRING_EQUAL(conf.libvirt_uri, "qemu+unix:///system?socket=/x;y");
	CU_ASSERT_EQUAL(conf.memory_mib, 4096);
	CU_ASSERT_STRING_EQUAL(conf.secret_key, "/a/key");
	CU_ASSERT_EQUAL(conf.log_level, LOG_DEBUG);
	CU_ASSERT_FALSE(conf.read_all);
}

static void test_refusals(void)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "[clusterd]\n\nstate_dirr = /a\n", ":3: there is no key 'state_dirr': " },
		{ "state_dir = /a\n", ":1: 'state_dir' stands in no section: " },
		{ "[cluster]\nstate_dir = /a\n", ":1: there is no section [cluster]: " },
		{ "[clusterd]\n\n [other] # x\n", ":3: there is no section [other]: " },
		{ "[]\n", ":1: there is no section []: " },
		{ "\xef\xbb\xbf[other]\n", ":1: there is no section [other]: " },
		{ "[clusterd]\nstate_dir = /a # x\n",
		  ":2: state_dir = /a # x is not possible: a comment may not follow a value" },
		{ "[clusterd]\nrun_dir = /a\t;x\n",
		  ":2: run_dir = /a ;x is not possible: a comment" },
		{ "[clusterd]\nlibvirt_uri = # a://b\n",
		  ":2: libvirt_uri = # a://b is not possible" },
		{ "[clusterd]\nrun_dir = /a\nlog_level = info\nrun_dir = /b\n",
		  ":4: run_dir was given in line 2 already: " },
		{ "[clusterd]\nrun_dir = /a\n[clusterd]\nrun_dir = /a\n",
		  ":4: run_dir was given in line 2 already: " },
		{ "[clusterd]\nstate_dir = a\n", ":2: state_dir = a is not possible: " },
		{ "[clusterd]\nmemory_mib = 4G\n", ":2: memory_mib = 4G is not possible: " },
		{ "[clusterd]\nmemory_mib = -1\n", ":2: memory_mib = -1 is not possible: " },
		{ "[clusterd]\nlog_level = loud\n", ":2: log_level = loud is not possible: " },
		{ "[clusterd]\nread_access =\n", ":2: read_access =  is not possible: " },
		{ "[clusterd]\nlibvirt_uri = x\n", ":2: libvirt_uri = x is not possible: " },
		{ "[clusterd]\nmemory_mib = 1\n  2\n", ":3: not understood: " },
		{ "[clusterd]\nlog_level = \x1b[2J\xff\n", ":2: log_level =  [2J  is not " },
		{ "[a\tb]\nstate_dir = /a\n", ":1: there is no section [a b]: " },
		{ "[clusterd\n", ":1: not understood: " },
	};
	char why[300];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(conf_free) struct conf conf = { 0 };

		CU_ASSERT_EQUAL(read_text(cases[i].text, &conf, why, sizeof(why)), -EINVAL);
		CU_ASSERT_EQUAL(strncmp(why, cases[i].why, strlen(cases[i].why)), 0);
		if (strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
			printf("case %zu: %s\n", i, why);
	}
}

static void test_long_line(void)
{
	_cleanup_(conf_free) struct conf conf = { 0 };
	char text[400], why[300];

	snprintf(text, sizeof(text), "[clusterd]\nagent_dir = /%0250d\n", 0);
	CU_ASSERT_EQUAL(read_text(text, &conf, why, sizeof(why)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, ":2: the line is too long"));
}

static void test_no_file(void)
{
	_cleanup_(conf_free) struct conf conf = { 0 };
	char why[100];

	conf_init(&conf);
	CU_ASSERT_EQUAL(conf_read(&conf, "/nowhere/clusterd.conf", why, sizeof(why)), -ENOENT);
}

UNIT_MAIN("clusterd/shell/conf", { "defaults", test_defaults }, { "sample", test_sample },
	  { "all keys", test_all_keys }, { "refusals", test_refusals },
	  { "long line", test_long_line },
	  { "no file", test_no_file })
