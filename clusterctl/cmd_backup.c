/* SPDX-License-Identifier: GPL-2.0-or-later */
/* backup: the daemon hands out a copy of its store that it has checked; it becomes a file. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/commands.h"
#include "clusterctl/ctl.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"

enum { BLOCK = 64 * 1024 };

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int copy(int from, int to, json_int_t *ret_size)
{
	_cleanup_(freep) uint8_t *block = mem_array(BLOCK, 1);
	json_int_t total = 0;
	int error = 0;

	while (!error) {
		ssize_t n = pread(from, block, BLOCK, (off_t)total);

		if (n == 0)
			break;
		error = n < 0 ? -errno : write_all(to, block, (size_t)n);
		total += n > 0 ? n : 0;
	}
	if (!error && fsync(to) < 0)
		error = -errno;
	*ret_size = total;
	return error;
}

/* What the disk has, as far as the system lets it be asked. */
static int compare(int from, int to, json_int_t size)
{
	_cleanup_(freep) uint8_t *one = mem_array(BLOCK, 1), *other = mem_array(BLOCK, 1);

	posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED);
	for (json_int_t at = 0; at < size; at += BLOCK) {
		ssize_t n = pread(from, one, BLOCK, (off_t)at);

		if (n < 0 || pread(to, other, BLOCK, (off_t)at) != n ||
		    memcmp(one, other, (size_t)n) != 0)
			return -EIO;
	}
	return 0;
}

static int sync_dir(const char *path)
{
	_cleanup_(freep) char *copy_of = mem_strdup(path);
	int fd = open(dirname(copy_of), O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* A file that came there meanwhile is not lost either. */
static int give_name(const char *from, const char *path, bool replace)
{
	if (replace ? rename(from, path) < 0 : link(from, path) < 0)
		return -errno;
	if (!replace)
		unlink(from);
	return sync_dir(path);
}

static int save(int file, json_int_t size, const char *path, bool replace)
{
	_cleanup_(freep) char *part = mem_printf("%s.tmp", path);
	json_int_t copied = 0;
	int to, error;

	unlink(part);
	to = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return -errno;
	error = fchmod(to, 0600) < 0 ? -errno : copy(file, to, &copied);
	if (!error && copied != size)
		error = -EIO;
	if (!error)
		error = compare(file, to, size);
	close(to);
	if (!error)
		error = give_name(part, path, replace);
	if (error)
		unlink(part);
	return error;
}

static int tell(struct ctl *ctl, json_t *data, const char *path)
{
	char time[SHOW_TIME_SIZE], size[TEXT_QUANTITY_SIZE];

	if (ctl->json) {
		json_object_set_new(data, "file", json_string(path));
		return ctl_print_json(json_incref(data));
	}
	printf("%s: cluster %s up to entry %" JSON_INTEGER_FORMAT ", as %s had it at %s; %s, "
	       "checked\n",
	       path, field_text(data, "cluster"), field_number(data, "index"),
	       field_text(data, "node"), show_time(time, field_number(data, "time_ms")),
	       text_format_bytes(size, (uint64_t)field_number(data, "size")));
	printf("Not in it: the key file that opens its secrets (secret_key of clusterd.conf), "
	       "clusterd.conf, corosync.conf,\ndisks, saved memory. Keep the key file apart from "
	       "it.\n");
	return EXIT_OK;
}

int cmd_backup(struct ctl *ctl, const struct cli_call *call)
{
	const char *path = call->words[0];
	bool replace = cli_has(call, "force");
	struct ctl_error error = { 0 };
	json_t *data = NULL;
	struct stat st;
	int file = -1, exit, r;

	if (!replace && lstat(path, &st) == 0) {
		error = ctl_error_make(EXIT_FAILED, "exists", "%s is there already: choose another "
				       "name, or --force to replace it", path);
		return ctl_fail(ctl, &error);
	}
	if (!ctl_ask_file(ctl, ctl_request("backup"), &data, &file, &error))
		return ctl_fail(ctl, &error);
	r = save(file, field_number(data, "size"), path, replace);
	close(file);
	if (r < 0) {
		json_decref(data);
		error = ctl_error_make(EXIT_FAILED, "failed", "the backup cannot be written to "
				       "%s: %s", path, strerror(-r));
		return ctl_fail(ctl, &error);
	}
	exit = tell(ctl, data, path);
	json_decref(data);
	return exit;
}
