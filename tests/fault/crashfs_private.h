/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FAULT_CRASHFS_PRIVATE_H
#define TESTS_FAULT_CRASHFS_PRIVATE_H

/* What the parts of the crashfs share: files (crashfs.c), SQLite's view of them (crashfs_vfs.c),
 * the store's own calls and its thread (crashfs_wrap.c). */

#include "base/buf.h"
#include "tests/fault/crashfs.h"
#include "tests/sim/rng.h"

struct change {
	bool truncate;
	size_t at;			/* of a truncate: the new size */
	struct buf data;
};

struct inode {
	struct crashfs *fs;
	struct inode *next;
	struct buf now, durable;
	struct change *changes;		/* of now, not synced, in order */
	size_t changes_n, changes_cap;
	bool fresh;			/* its first sync syncs the folder, as unixSync does */
};

enum { NAME_BYTES = 160 };

/* The one that such a path is in, and what is behind its folder there, or ""; NULL: in none. */
struct crashfs *crashfs_of(const char *path, const char **ret_name);

/* All return 0 or an errno. name: without the folder. make: if it is not there. */
int crashfs_open(struct crashfs *fs, const char *name, bool make, bool fresh, struct inode **ret);
struct inode *crashfs_find(struct crashfs *fs, const char *name);
int crashfs_read(struct inode *inode, void *data, size_t size, size_t at, size_t *ret_read);
int crashfs_write(struct inode *inode, const void *data, size_t size, size_t at);
int crashfs_truncate(struct inode *inode, size_t size);
int crashfs_sync(struct inode *inode);
int crashfs_sync_dir(struct crashfs *fs);
int crashfs_rename(struct crashfs *fs, const char *from, const char *to);
int crashfs_remove(struct crashfs *fs, const char *name);
int crashfs_room(struct crashfs *fs);

/* One that has no name. */
struct inode *crashfs_temporary(struct crashfs *fs);

void crashfs_register_vfs(void);
void crashfs_draw(void *ret, size_t size);
/* Waits at the gate, if that is the thread for it. */
void crashfs_at_sync(void);

#endif
