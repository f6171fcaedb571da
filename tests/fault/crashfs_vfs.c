/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fault/crashfs_private.h"
#include "tests/fault/nth.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

struct handle {
	sqlite3_file base;
	struct inode *inode;
};

/* Files without a name are in the one that was used last: nobody sees them but who made them. */
static struct crashfs *used_last;

static struct crashfs *fs_of(const char *path, const char **ret_name)
{
	used_last = crashfs_of(path, ret_name);
	assert(used_last);
	return used_last;
}

static struct inode *of(sqlite3_file *file)
{
	return ((struct handle *)file)->inode;
}

static int result_of(int error, int if_io)
{
	return error == 0 ? SQLITE_OK : error == ENOSPC ? SQLITE_FULL : if_io;
}

/* ---------------------------------------------------------------- a file */

static int x_close(sqlite3_file *file)
{
	return SQLITE_OK;
}

static int x_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
	size_t have;
	int error;

	nth_paused++;
	error = crashfs_read(of(file), data, (size_t)size, (size_t)at, &have);
	nth_paused--;
	if (error)
		return SQLITE_IOERR_READ;
	if (have == (size_t)size)
		return SQLITE_OK;
	memset((char *)data + have, 0, (size_t)size - have);
	return SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	int error;

	nth_paused++;
	error = crashfs_write(of(file), data, (size_t)size, (size_t)at);
	nth_paused--;
	return result_of(error, SQLITE_IOERR_WRITE);
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int error;

	nth_paused++;
	error = crashfs_truncate(of(file), (size_t)size);
	nth_paused--;
	return result_of(error, SQLITE_IOERR_TRUNCATE);
}

static int x_sync(sqlite3_file *file, int flags)
{
	int error;

	crashfs_at_sync();
	nth_paused++;
	error = crashfs_sync(of(file));
	nth_paused--;
	return result_of(error, SQLITE_IOERR_FSYNC);
}

static int x_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)of(file)->now.len;
	return SQLITE_OK;
}

static int x_lock(sqlite3_file *file, int level)
{
	return SQLITE_OK;
}

static int x_check_lock(sqlite3_file *file, int *ret)
{
	*ret = 0;
	return SQLITE_OK;
}

static int x_control(sqlite3_file *file, int op, void *argument)
{
	return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *file)
{
	return 4096;
}

/* As the real one: a write leaves the bytes beside it alone. */
static int x_traits(sqlite3_file *file)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = x_close,
	.xRead = x_read,
	.xWrite = x_write,
	.xTruncate = x_truncate,
	.xSync = x_sync,
	.xFileSize = x_size,
	.xLock = x_lock,
	.xUnlock = x_lock,
	.xCheckReservedLock = x_check_lock,
	.xFileControl = x_control,
	.xSectorSize = x_sector,
	.xDeviceCharacteristics = x_traits,
};

/* ---------------------------------------------------------------- all of them */

static int x_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
		  int *ret_flags)
{
	struct handle *handle = (struct handle *)file;
	const char *name = NULL;
	struct crashfs *fs = path ? fs_of(path, &name) : used_last;
	int error = 0;

	memset(handle, 0, sizeof(*handle));
	nth_paused++;
	if (!path)
		handle->inode = crashfs_temporary(fs);
	else
		error = crashfs_open(fs, name, flags & SQLITE_OPEN_CREATE,
				     !(flags & SQLITE_OPEN_MAIN_DB), &handle->inode);
	nth_paused--;
	if (error)
		return SQLITE_CANTOPEN;
	handle->base.pMethods = &methods;
	if (ret_flags)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
	const char *name;
	struct crashfs *fs = fs_of(path, &name);
	int error = crashfs_remove(fs, name);

	if (error == ENOENT)
		return SQLITE_IOERR_DELETE_NOENT;
	if (!error && sync_dir)
		error = crashfs_sync_dir(fs);
	return result_of(error, SQLITE_IOERR_DELETE);
}

static int x_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
	const char *name;
	struct crashfs *fs = fs_of(path, &name);
	const struct inode *inode = crashfs_find(fs, name);

	if (crashfs_is_off(fs))
		return SQLITE_IOERR_ACCESS;
	/* As unixAccess: an empty file is none. */
	*ret = inode && (flags != SQLITE_ACCESS_EXISTS || inode->now.len > 0);
	return SQLITE_OK;
}

static int x_full(sqlite3_vfs *vfs, const char *path, int size, char *ret)
{
	snprintf(ret, (size_t)size, "%s", path);
	return SQLITE_OK;
}

static struct rng chance;

void crashfs_draw(void *ret, size_t size)
{
	uint8_t *bytes = ret;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)rng_next(&chance);
}

/* SQLite asks once, and then goes on by itself. */
static int x_randomness(sqlite3_vfs *vfs, int size, char *ret)
{
	crashfs_draw(ret, (size_t)size);
	return size;
}

static int x_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	/* 2026-01-01, in ms of the Julian calendar. */
	*ret = INT64_C(212633899200000);
	return SQLITE_OK;
}

void crashfs_same_chance(uint64_t seed)
{
	chance.state = seed;
	sqlite3_randomness(0, NULL);
}

void crashfs_register_vfs(void)
{
	static sqlite3_vfs vfs;
	sqlite3_vfs *real;

	if (vfs.zName)
		return;
	real = sqlite3_vfs_find(NULL);
	vfs = *real;
	vfs.szOsFile = sizeof(struct handle);
	vfs.zName = "crashfs";
	vfs.pNext = NULL;
	vfs.pAppData = NULL;
	vfs.xOpen = x_open;
	vfs.xDelete = x_delete;
	vfs.xAccess = x_access;
	vfs.xFullPathname = x_full;
	vfs.xRandomness = x_randomness;
	vfs.xCurrentTimeInt64 = x_time;
	sqlite3_vfs_register(&vfs, 1);
}
