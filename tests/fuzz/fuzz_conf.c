/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// clusterd.conf, as the daemon and as clusterctl read it.
//
// Covers: clusterd/shell/conf.c clusterctl/conf.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clusterctl/conf.h"
#include "clusterd/shell/conf.h"

const unsigned int fuzz_rounds = 4000;

enum { WHY_SIZE = 400 };

static void check_value(const char *value, bool path)
{
	fuzz_must(value && *value && strlen(value) < 200, "a value that cannot be");
	fuzz_must(!path || value[0] == '/', "a path that is not absolute");
	fuzz_must(!strchr(value, '\n'), "a value of two lines");
}

static void check_taken(const struct conf *conf)
{
	check_value(conf->state_dir, true);
	check_value(conf->run_dir, true);
	check_value(conf->agent_dir, true);
	check_value(conf->secret_key, true);
	check_value(conf->libvirt_uri, false);
	/* A socket address has no place for more. */
	fuzz_must(strlen(conf->run_dir) <= 90, "a path too long for a socket");
	fuzz_must(conf->log_level >= 0 && conf->log_level <= 7, "no level");
	fuzz_must(conf->memory_mib <= UINT64_C(1) << 30, "more memory than there can be");
}

static bool same(const struct conf *a, const struct conf *b)
{
	return strcmp(a->state_dir, b->state_dir) == 0 && strcmp(a->run_dir, b->run_dir) == 0 &&
	       strcmp(a->agent_dir, b->agent_dir) == 0 &&
	       strcmp(a->libvirt_uri, b->libvirt_uri) == 0 &&
	       strcmp(a->secret_key, b->secret_key) == 0 && a->memory_mib == b->memory_mib &&
	       a->log_level == b->log_level && a->read_all == b->read_all;
}

static int read_once(const char *path, struct conf *conf, char why[WHY_SIZE])
{
	conf_init(conf);
	return conf_read(conf, path, why, WHY_SIZE);
}

static void check_daemon(const char *path)
{
	char why[WHY_SIZE] = "", again[WHY_SIZE] = "";
	struct conf one, two;
	int r = read_once(path, &one, why);

	fuzz_must(r == read_once(path, &two, again), "another result the second time");
	fuzz_must(r == 0 || r == -EINVAL, "another error than promised");
	if (r == 0) {
		check_taken(&one);
		fuzz_must(same(&one, &two), "another configuration the second time");
	} else {
		fuzz_must(strncmp(why, path, strlen(path)) == 0 && why[strlen(path)] == ':',
			  "a complaint without its place");
		fuzz_sentence(why, WHY_SIZE - 1, "a complaint");
		fuzz_must(strcmp(why, again) == 0, "another complaint the second time");
	}
	conf_free(&one);
	conf_free(&two);
}

/* It may say nothing, but takes no nonsense either. */
static void check_ctl(const char *path)
{
	struct ctl_conf conf;

	ctl_conf_read(path, &conf);
	check_value(conf.run_dir, false);
	check_value(conf.libvirt_uri, false);
	check_value(conf.agent_dir, false);
	ctl_conf_free(&conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[40];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("fuzz_conf", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	fuzz_must(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size,
		  "the file cannot be written");
	check_daemon(path);
	check_ctl(path);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
	static const char *const seeds[] = {
		"[clusterd]\nstate_dir = /var/lib/x\nrun_dir=/run/x\nagent_dir = /usr/lib/x\n"
		"libvirt_uri = qemu:///system\nmemory_mib = 4096\nlog_level = debug\n"
		"secret_key = /etc/x\nread_access = group\n; a comment\n# another\n",
		"[other]\nrun_dir = /run/x\n",
		"[clusterd]\nlog_level = loud\n",
		"[clusterd]\nmemory_mib = 1073741825\n",
		"[clusterd]\nno_such = 1\n",
		"run_dir = /run/x\n",
		"[clusterd\n",
		"[clusterd]\nrun_dir = relative\n  state_dir = /a\n",
		"\xef\xbb\xbf[clusterd]\nread_access: all ; x\n",
	};

	if (n >= sizeof(seeds) / sizeof(seeds[0]))
		return false;
	buf_append_str(out, seeds[n]);
	return true;
}
