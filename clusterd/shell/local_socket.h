/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_LOCAL_SOCKET_H
#define CLUSTERD_SHELL_LOCAL_SOCKET_H

/*
 * A local socket is where programs of this machine reach the daemon: AF_UNIX,
 * SOCK_SEQPACKET, one record a message, and the kernel says who is at the other end.
 */

#include <stdbool.h>
#include <sys/types.h>

enum { LOCAL_GROUP_NONE = -1 };

struct local_peer {
	uid_t uid;
	bool trusted;		/* root, or in the group */
	char name[40];		/* "root(0)" */
};

/* The id of a group in /etc/group, LOCAL_GROUP_NONE if there is none. Never asks a server. */
long local_group(const char *name);

/*
 * Listens at path, after removing a socket that a daemon before left there. group: who
 * shall own it, or LOCAL_GROUP_NONE. -EADDRINUSE: somebody listens there, and goes on to.
 */
int local_listen(const char *path, mode_t mode, long group, int *ret_fd);

/* Accepts one connection, non-blocking. -EAGAIN: there is none. */
int local_accept(int listener, long group, struct local_peer *ret_peer, int *ret_fd);

#endif
