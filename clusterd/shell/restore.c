/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/core/state.h"
#include "clusterd/shell/shell.h"
#include "clusterd/shell/store_copy.h"
#include "wire/check.h"
#include "wire/message.h"

enum { PATH_BYTES = 300, COPY_BYTES = 64 * 1024, WHY_BYTES = 600 };

struct restore {
	char state_dir[200];
	char dir[PATH_BYTES];		/* where it is made */
	struct store *store;
	struct forcing *forcing;
};

/* All that a store may have beside it. */
static const char *const files[] = { "cluster.db", "cluster.db-wal", "cluster.db-journal",
				     "cluster.db-shm", "cluster.db.copy", "room" };

/* ---------------------------------------------------------------- files */

static void remove_dir(const char *dir)
{
	char path[PATH_BYTES + 40];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

static int sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int copy_bytes(int from, int to)
{
	_cleanup_(freep) uint8_t *bytes = mem_array(1, COPY_BYTES);
	uint64_t total = 0;
	ssize_t size;

	while ((size = read(from, bytes, COPY_BYTES)) > 0) {
		for (ssize_t done = 0, n; done < size; done += n) {
			n = write(to, bytes + done, (size_t)(size - done));
			if (n < 0)
				return -errno;
		}
		total += (uint64_t)size;
		if (total > STORE_COPY_MAX)
			return -EFBIG;
	}
	return size < 0 ? -errno : fsync(to) < 0 ? -errno : 0;
}

static int copy_file(const char *path, const char *to_path, char *ret_why, size_t size)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to = -1, error = 0;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		error = -errno;
	else if (!S_ISREG(st.st_mode))
		error = -EINVAL;
	if (error)
		snprintf(ret_why, size, "The backup %s cannot be read: %s", path,
			 error == -EINVAL ? "it is no file" : strerror(-error));
	if (!error) {
		to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		error = to < 0 ? -errno : copy_bytes(from, to);
		if (error)
			snprintf(ret_why, size, "The backup %s cannot be copied to %s: %s", path,
				 to_path, strerror(-error));
	}
	shell_close_fd(&from);
	shell_close_fd(&to);
	return error;
}

/* SQLite would take an empty file for a new database. */
static int check_head(const char *file, const char *path, char *ret_why, size_t size)
{
	static const char magic[] = "SQLite format 3";
	char head[sizeof(magic)] = "";
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	shell_close_fd(&fd);
	if (n == (ssize_t)sizeof(head) && memcmp(head, magic, sizeof(magic)) == 0)
		return 0;
	snprintf(ret_why, size, "%s is no backup of a cluster: make one with clusterctl backup",
		 path);
	return -EBADMSG;
}

/* ---------------------------------------------------------------- what is in it */

struct nodes {
	const char *as;			/* looked for; NULL: nobody */
	uint32_t as_id, here_id, made_on_id;
	char here[WIRE_NAME_MAX + 1], made_on[WIRE_NAME_MAX + 1];
	struct buf list;		/* "n1 (1), n2 (2)" */
};

static int take_node(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	struct nodes *nodes = context;
	Wire__Node *node;

	if (table != WIRE__TABLE__TABLE_NODE)
		return 0;
	node = wire_parse(&wire__node__descriptor, data, size);
	if (!node)
		return 0;
	if (nodes->as && strcmp(node->name, nodes->as) == 0)
		nodes->as_id = (uint32_t)id;
	if (id == nodes->here_id)
		snprintf(nodes->here, sizeof(nodes->here), "%s", node->name);
	if (id == nodes->made_on_id)
		snprintf(nodes->made_on, sizeof(nodes->made_on), "%s", node->name);
	buf_printf(&nodes->list, "%s%s (%" PRIu64 ")", nodes->list.len ? ", " : "", node->name, id);
	wire_free(node);
	return 0;
}

/* With or without a domain. */
static bool is_host(const char *name, const char *host)
{
	size_t len = strcspn(host, ".");

	return strcmp(name, host) == 0 || (strlen(name) == len && memcmp(name, host, len) == 0);
}

/* A store of another node than Corosync takes this one for would only end the daemon. */
static int check_place(struct nodes *nodes, const struct restore_here *here, char *ret_why,
		       size_t size)
{
	uint32_t id = nodes->as ? nodes->as_id : nodes->made_on_id;
	const char *list = buf_str(&nodes->list);

	if (nodes->as && !id) {
		snprintf(ret_why, size, "There is no node '%s' in it; there are %s", nodes->as,
			 list);
		return -ENODATA;
	}
	if (here->node == id || (!here->node && (nodes->as || is_host(nodes->made_on, here->host))))
		return 0;
	if (!here->node)
		snprintf(ret_why, size, "It was made on %s, and nothing tells that this is that "
			 "node, as Corosync does not run: start Corosync, or say which node it is "
			 "to be with --as NODE; there are %s", nodes->made_on, list);
	else if (!nodes->here[0])
		snprintf(ret_why, size, "Corosync calls this node %" PRIu32 ", which is none of "
			 "its nodes: restore it on one of them, or set the nodeid in "
			 "corosync.conf; there are %s", here->node, list);
	else if (nodes->as)
		snprintf(ret_why, size, "Corosync calls this node %" PRIu32 ", and %s is %" PRIu32
			 ": give --as %s, or restore it there; there are %s", here->node, nodes->as,
			 id, nodes->here, list);
	else
		snprintf(ret_why, size, "It was made on %s (%" PRIu32 "), and Corosync calls this "
			 "node %" PRIu32 ": give --as %s, or restore it there; there are %s",
			 nodes->made_on, id, here->node, nodes->here, list);
	return -EXDEV;
}

/* Corosync's id of the node is that of the record with its name. ret_why comes empty. */
static int become(struct restore *restore, const char *as, const struct restore_here *here,
		  char *ret_why, size_t size)
{
	struct nodes nodes = { .as = as, .here_id = here->node,
			       .made_on_id = store_node(restore->store) };
	int error = store_renew_disk_id(restore->store);

	if (!error)
		error = store_each_record(restore->store, take_node, &nodes);
	if (!error && nodes.list.len) {
		error = check_place(&nodes, here, ret_why, size);
		if (!error && as)
			error = store_set_node(restore->store, nodes.as_id);
	}
	buf_free(&nodes.list);
	/* One that is damaged, or of no cluster, is refused as that by who reads it next. */
	if (error == -EBADMSG)
		return 0;
	if (error && !ret_why[0])
		snprintf(ret_why, size, "It cannot be read or written: %s", strerror(-error));
	return error;
}

static int open_it(struct restore *restore, const char *path, const char *as,
		   const struct restore_here *here, char *ret_why, size_t size)
{
	char file[PATH_BYTES + 40], why[WHY_BYTES] = "";
	int error;

	snprintf(file, sizeof(file), "%s/cluster.db", restore->dir);
	error = copy_file(path, file, ret_why, size);
	if (!error)
		error = check_head(file, path, ret_why, size);
	if (error)
		return error;
	error = store_open(restore->dir, &restore->store, why, sizeof(why));
	if (error) {
		snprintf(ret_why, size, "The backup %s cannot be restored%s: %s", path,
			 error == -EBADMSG ? ", it is damaged or none of a cluster" : "", why);
		return error;
	}
	error = become(restore, as, here, why, sizeof(why));
	if (!error)
		error = forcing_new(restore->store, true, &restore->forcing, why, sizeof(why));
	if (error)
		snprintf(ret_why, size, "The backup %s cannot be restored. %s", path, why);
	return error;
}

/* ---------------------------------------------------------------- life */

/* A log without its database may be what is left of it: neither is to be lost. */
static int expect_none(const char *state_dir, char *ret_why, size_t size)
{
	char path[PATH_BYTES];
	struct stat st;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", state_dir, files[i]);
		if (lstat(path, &st) == 0) {
			snprintf(ret_why, size, "This node has a store, %s, and a backup does not "
				 "take its place. If it is to go, move it away together with what "
				 "begins with its name: mkdir %s/old && mv %s/cluster.db* %s/old/",
				 path, state_dir, state_dir, state_dir);
			return -EEXIST;
		}
	}
	return 0;
}

int restore_open(const char *state_dir, const char *path, const char *as,
		 const struct restore_here *here, struct restore **ret, char *ret_why, size_t size)
{
	struct restore *restore = mem_new(struct restore);
	int error = text_copy(restore->state_dir, sizeof(restore->state_dir), state_dir);

	if (error)
		snprintf(ret_why, size, "The path %s is too long", state_dir);
	else
		error = expect_none(state_dir, ret_why, size);
	if (error) {
		free(restore);
		return error;
	}
	snprintf(restore->dir, sizeof(restore->dir), "%s/restore", state_dir);
	remove_dir(restore->dir);
	if (mkdir(restore->dir, 0700) < 0) {
		error = -errno;
		snprintf(ret_why, size, "%s cannot be made: %s", restore->dir, strerror(errno));
	} else {
		error = open_it(restore, path, as, here, ret_why, size);
	}
	if (error) {
		restore_free(restore);
		return error;
	}
	*ret = restore;
	return 0;
}

void restore_free(struct restore *restore)
{
	if (!restore)
		return;
	forcing_free(restore->forcing);
	store_close(restore->store);
	remove_dir(restore->dir);
	free(restore);
}

struct forcing *restore_forcing(struct restore *restore)
{
	return restore->forcing;
}

/* ---------------------------------------------------------------- into its place */

/* Closed, it is one file: its log was moved into it, or what is in there would be lost. */
static int close_store(struct restore *restore)
{
	char path[PATH_BYTES + 40];
	struct stat st;

	forcing_free(steal_ptr(restore->forcing));
	store_close(steal_ptr(restore->store));
	snprintf(path, sizeof(path), "%s/cluster.db-wal", restore->dir);
	if (lstat(path, &st) == 0 && st.st_size > 0)
		return -EIO;
	snprintf(path, sizeof(path), "%s/cluster.db", restore->dir);
	return sync_path(path);
}

int restore_finish(struct restore *restore, char *ret_why, size_t size)
{
	char from[PATH_BYTES + 40], to[PATH_BYTES];
	int error = close_store(restore);

	snprintf(from, sizeof(from), "%s/cluster.db", restore->dir);
	snprintf(to, sizeof(to), "%s/cluster.db", restore->state_dir);
	if (!error && rename(from, to) < 0)
		error = -errno;
	if (!error)
		error = sync_path(restore->state_dir);
	if (error)
		snprintf(ret_why, size, "The restored store cannot be moved to %s: %s", to,
			 strerror(-error));
	return error;
}
