/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/local_socket.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

enum { BACKLOG = 128, GROUPS_MAX = 1024 };

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

/*
 * Both files are read directly: the system's own lookups may ask a directory server, and
 * the loop must not wait for one.
 */
long local_group(const char *name)
{
	_cleanup_(close_file) FILE *file = fopen("/etc/group", "re");
	const struct group *group;

	while (file && (group = fgetgrent(file)))
		if (strcmp(group->gr_name, name) == 0)
			return (long)group->gr_gid;
	return LOCAL_GROUP_NONE;
}

static void name_user(struct local_peer *peer)
{
	_cleanup_(close_file) FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *user;

	snprintf(peer->name, sizeof(peer->name), "uid(%u)", peer->uid);
	while (file && (user = fgetpwent(file)))
		if (user->pw_uid == peer->uid) {
			snprintf(peer->name, sizeof(peer->name), "%.24s(%u)", user->pw_name,
				 peer->uid);
			return;
		}
}

static int bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode, long group)
{
	/* Nobody can connect before listen(), so the mode is right from the first moment. */
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (group != LOCAL_GROUP_NONE && chown(address->sun_path, (uid_t)-1, (gid_t)group) < 0)
		return -errno;
	if (chmod(address->sun_path, mode) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

/*
 * A socket that somebody listens on cannot be told from one that was left behind but by knocking.
 * A full backlog and another kind of socket are somebody, too.
 */
static bool is_served(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served;

	if (fd < 0)
		return false;
	served = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		 errno == EAGAIN || errno == EPROTOTYPE;
	close(fd);
	return served;
}

int local_listen(const char *path, mode_t mode, long group, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, error;

	error = text_copy(address.sun_path, sizeof(address.sun_path), path);
	if (error)
		return error;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (is_served(&address))
		return -EADDRINUSE;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = bind_and_listen(fd, &address, mode, group);
	if (error) {
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

static bool in_group(int fd, gid_t own, long group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);

	if (group == LOCAL_GROUP_NONE)
		return false;
	if (own == (gid_t)group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == (gid_t)group)
			return true;
	return false;
}

int local_accept(int listener, long group, struct local_peer *ret_peer, int *ret_fd)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) {
		close(fd);
		return -EAGAIN;
	}
	*ret_peer = (struct local_peer){ .uid = credentials.uid };
	ret_peer->trusted = credentials.uid == 0 || in_group(fd, credentials.gid, group);
	name_user(ret_peer);
	*ret_fd = fd;
	return 0;
}
