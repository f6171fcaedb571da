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

static const char *name_of(const char *path)
{
	assert(strncmp(path, CRASHFS_DIR "/", strlen(CRASHFS_DIR) + 1) == 0);
	return path + strlen(CRASHFS_DIR) + 1;
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
	int error = 0;

	memset(handle, 0, sizeof(*handle));
	nth_paused++;
	if (!path)
		handle->inode = crashfs_temporary();
	else
		error = crashfs_open(name_of(path), flags & SQLITE_OPEN_CREATE,
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
	int error = crashfs_remove(name_of(path));

	if (error == ENOENT)
		return SQLITE_IOERR_DELETE_NOENT;
	if (!error && sync_dir)
		error = crashfs_sync_dir();
	return result_of(error, SQLITE_IOERR_DELETE);
}

static int x_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
	const struct inode *inode = crashfs_find(name_of(path));

	if (crashfs_is_off())
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
	sqlite3_vfs_register(&vfs, 1);
}
