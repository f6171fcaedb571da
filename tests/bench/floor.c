/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nothing on this machine can be faster than: a message of Corosync's that comes back to its
 * sender, and an fdatasync. One line for each, in microseconds. See tests/bench/README.md.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <corosync/cpg.h>

enum { PAGE = 4096, PAGES = 3 };	/* that a small transaction of SQLite appends */

static unsigned delivered;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void say(uint64_t begun)
{
	printf("%.1f\n", (double)(now_ns() - begun) / 1e3);
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t node,
		       uint32_t pid, void *message, size_t size)
{
	uint32_t own = 0;

	if (cpg_local_get(handle, &own) == CS_OK && node == own && pid == (uint32_t)getpid())
		delivered++;
}

static void on_change(cpg_handle_t handle, const struct cpg_name *group,
		      const struct cpg_address *members, size_t members_n,
		      const struct cpg_address *left, size_t left_n,
		      const struct cpg_address *joined, size_t joined_n)
{
}

static int measure_cpg(unsigned times)
{
	static const struct cpg_name group = { .length = 14, .value = "clusterd-bench" };
	cpg_callbacks_t callbacks = { .cpg_deliver_fn = on_deliver,
				      .cpg_confchg_fn = on_change };
	char bytes[200] = "";
	struct iovec message = { bytes, sizeof(bytes) };
	cpg_handle_t handle;

	if (cpg_initialize(&handle, &callbacks) != CS_OK || cpg_join(handle, &group) != CS_OK)
		return -1;
	for (unsigned i = 0; i < times; i++) {
		unsigned before = delivered;
		uint64_t begun = now_ns();

		if (cpg_mcast_joined(handle, CPG_TYPE_AGREED, &message, 1) != CS_OK)
			return -1;
		while (delivered == before)
			if (cpg_dispatch(handle, CS_DISPATCH_ONE) != CS_OK)
				return -1;
		say(begun);
	}
	return cpg_finalize(handle) == CS_OK ? 0 : -1;
}

/* Appends, as into a write-ahead log. */
static int measure_sync(const char *path, unsigned times)
{
	static char bytes[PAGES * PAGE];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	for (unsigned i = 0; i < times; i++) {
		uint64_t begun = now_ns();

		memset(bytes, (int)i, sizeof(bytes));
		if (pwrite(fd, bytes, sizeof(bytes), (off_t)(i * sizeof(bytes))) !=
			    (ssize_t)sizeof(bytes) ||
		    fdatasync(fd) < 0)
			return -1;
		say(begun);
	}
	close(fd);
	return unlink(path);
}

int main(int argc, char **argv)
{
	int r = -1;

	if (argc == 3 && strcmp(argv[1], "cpg") == 0)
		r = measure_cpg((unsigned)strtoul(argv[2], NULL, 10));
	else if (argc == 4 && strcmp(argv[1], "sync") == 0)
		r = measure_sync(argv[3], (unsigned)strtoul(argv[2], NULL, 10));
	else
		fprintf(stderr, "usage: floor cpg TIMES\n       floor sync TIMES FILE\n");
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
