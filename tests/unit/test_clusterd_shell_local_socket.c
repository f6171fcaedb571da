/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/local_socket.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64], path[80];

static void open_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/clusterd-socket-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/operator.sock", dir);
}

static void close_dir(void)
{
	unlink(path);
	rmdir(dir);
}

static int knock(int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, path, strlen(path) + 1);
	CU_ASSERT_FATAL(fd >= 0);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* What a daemon left behind is in nobody's way. */
static void test_left_behind(void)
{
	int first = -1, second = -1, client;

	open_dir();
	CU_ASSERT_EQUAL_FATAL(local_listen(path, 0600, LOCAL_GROUP_NONE, &first), 0);
	close(first);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	CU_ASSERT_EQUAL_FATAL(local_listen(path, 0600, LOCAL_GROUP_NONE, &second), 0);
	client = knock(SOCK_SEQPACKET);
	CU_ASSERT_TRUE(client >= 0);
	close(client);
	close(second);
	close_dir();
}

/* Who listens keeps the socket, and is still reached through it. */
static void test_served(void)
{
	struct local_peer peer;
	int first = -1, second = -1, client, accepted = -1;

	open_dir();
	CU_ASSERT_EQUAL_FATAL(local_listen(path, 0600, LOCAL_GROUP_NONE, &first), 0);
	CU_ASSERT_EQUAL(local_listen(path, 0600, LOCAL_GROUP_NONE, &second), -EADDRINUSE);
	CU_ASSERT_EQUAL(second, -1);
	/* The knock that looked, and one of ours. */
	CU_ASSERT_EQUAL(local_accept(first, LOCAL_GROUP_NONE, &peer, &accepted), 0);
	close(accepted);
	client = knock(SOCK_SEQPACKET);
	CU_ASSERT_TRUE(client >= 0);
	CU_ASSERT_EQUAL(local_accept(first, LOCAL_GROUP_NONE, &peer, &accepted), 0);
	close(accepted);
	close(client);
	close(first);
	close_dir();
}

/* One that has no time to accept, or speaks in another way, is there all the same. */
static void test_served_otherwise(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), clients[8], n = 0, other = -1;

	open_dir();
	memcpy(address.sun_path, path, strlen(path) + 1);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(fd, 1), 0);
	while (n < 8 && (clients[n] = knock(SOCK_SEQPACKET)) >= 0)
		n++;
	CU_ASSERT_TRUE(n < 8);
	CU_ASSERT_EQUAL(local_listen(path, 0600, LOCAL_GROUP_NONE, &other), -EADDRINUSE);
	while (n > 0)
		close(clients[--n]);
	close(fd);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(fd, 1), 0);
	CU_ASSERT_EQUAL(local_listen(path, 0600, LOCAL_GROUP_NONE, &other), -EADDRINUSE);
	close(fd);
	close_dir();
}

/* A file that is no socket is nobody's to remove. */
static void test_no_socket(void)
{
	FILE *file;
	int fd = -1;

	open_dir();
	file = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fclose(file);
	CU_ASSERT_EQUAL(local_listen(path, 0600, LOCAL_GROUP_NONE, &fd), -EEXIST);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	close_dir();
}

UNIT_MAIN("clusterd/shell/local_socket", { "left behind", test_left_behind },
	  { "served", test_served }, { "served otherwise", test_served_otherwise },
	  { "no socket", test_no_socket })
