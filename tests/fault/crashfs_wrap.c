/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --wrap=NAME takes from the store's own objects to here. */
#include "tests/fault/crashfs_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "tests/fault/nth.h"

enum { FDS_MAX = 1024 };

enum what { NOTHING, FOLDER, FILE_IN_IT };
static enum what what[FDS_MAX];
static struct crashfs *owner[FDS_MAX];

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_fsync(int fd);
int __real_fchmod(int fd, mode_t mode);
int __real_posix_fallocate(int fd, off_t at, off_t size);
int __real_unlink(const char *path);
int __real_rename(const char *from, const char *to);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *context);
int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_fsync(int fd);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_posix_fallocate(int fd, off_t at, off_t size);
int __wrap_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *context);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);

/* ---------------------------------------------------------------- files */

static int fail(int error)
{
	errno = error;
	return error ? -1 : 0;
}

int __wrap_open(const char *path, int flags, ...)
{
	const char *name;
	struct crashfs *fs = crashfs_of(path, &name);
	struct inode *inode;
	mode_t mode = 0;
	va_list args;
	int fd, error = 0;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	if (!fs)
		return __real_open(path, flags, mode);
	if (crashfs_is_off(fs))
		error = EIO;
	/* "room" is there to ask for its space. */
	else if (*name && strcmp(name, "room") != 0) {
		nth_paused++;
		error = crashfs_open(fs, name, flags & O_CREAT, false, &inode);
		nth_paused--;
	}
	if (error)
		return fail(error);
	fd = eventfd(0, EFD_CLOEXEC);
	assert(fd >= 0 && fd < FDS_MAX);
	what[fd] = *name ? FILE_IN_IT : FOLDER;
	owner[fd] = fs;
	return fd;
}

int __wrap_close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX)
		what[fd] = NOTHING;
	return __real_close(fd);
}

int __wrap_fsync(int fd)
{
	if (what[fd] == NOTHING)
		return __real_fsync(fd);
	assert(what[fd] == FOLDER);
	return fail(crashfs_sync_dir(owner[fd]));
}

int __wrap_fchmod(int fd, mode_t mode)
{
	if (what[fd] == NOTHING)
		return __real_fchmod(fd, mode);
	return fail(crashfs_is_off(owner[fd]) ? EIO : 0);
}

int __wrap_posix_fallocate(int fd, off_t at, off_t size)
{
	return what[fd] == NOTHING ? __real_posix_fallocate(fd, at, size) : crashfs_room(owner[fd]);
}

int __wrap_unlink(const char *path)
{
	const char *name;
	struct crashfs *fs = crashfs_of(path, &name);

	if (!fs)
		return __real_unlink(path);
	return strcmp(name, "room") == 0 ? 0 : fail(crashfs_remove(fs, name));
}

int __wrap_rename(const char *from, const char *to)
{
	const char *old, *new;
	struct crashfs *fs = crashfs_of(from, &old);

	if (!fs || crashfs_of(to, &new) != fs)
		return __real_rename(from, to);
	return fail(crashfs_rename(fs, old, new));
}

static uint64_t next_id;

void crashfs_next_id(uint64_t id)
{
	next_id = id;
}

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
	if (next_id && size == sizeof(next_id))
		memcpy(bytes, &next_id, size);
	else
		crashfs_draw(bytes, size);
	return (ssize_t)size;
}

/* ---------------------------------------------------------------- the writing thread */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum crashfs_thread is;
	bool shut, pass, long_enough;
	pthread_cond_t *waits_at;
	pthread_mutex_t *waits_with;
} led = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static _Thread_local bool is_writer;

static void now_is(enum crashfs_thread is)
{
	pthread_mutex_lock(&led.lock);
	led.is = is;
	pthread_cond_broadcast(&led.changed);
	pthread_mutex_unlock(&led.lock);
}

struct start {
	void *(*run)(void *);
	void *context;
};

static void *run_writer(void *context)
{
	struct start start = *(struct start *)context;
	void *result;

	free(context);
	is_writer = true;
	result = start.run(start.context);
	now_is(CRASHFS_ENDED);
	return result;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *context)
{
	struct start *start = mem_new(struct start);

	*start = (struct start){ run, context };
	now_is(CRASHFS_BUSY);
	return __real_pthread_create(thread, attr, run_writer, start);
}

static int wait_for_work(pthread_cond_t *cond, pthread_mutex_t *lock, bool limited)
{
	pthread_mutex_lock(&led.lock);
	led.waits_at = cond;
	led.waits_with = lock;
	led.is = CRASHFS_IDLE;
	pthread_cond_broadcast(&led.changed);
	pthread_mutex_unlock(&led.lock);
	__real_pthread_cond_wait(cond, lock);
	pthread_mutex_lock(&led.lock);
	limited = limited && led.long_enough;
	led.long_enough = false;
	pthread_mutex_unlock(&led.lock);
	return limited ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	return is_writer ? wait_for_work(cond, lock, false) : __real_pthread_cond_wait(cond, lock);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until)
{
	return is_writer ? wait_for_work(cond, lock, true)
			 : __real_pthread_cond_timedwait(cond, lock, until);
}

void crashfs_at_sync(void)
{
	if (!is_writer)
		return;
	pthread_mutex_lock(&led.lock);
	while (led.shut && !led.pass) {
		led.is = CRASHFS_AT_GATE;
		pthread_cond_broadcast(&led.changed);
		__real_pthread_cond_wait(&led.changed, &led.lock);
	}
	led.pass = false;
	led.is = CRASHFS_BUSY;
	pthread_mutex_unlock(&led.lock);
}

void crashfs_shut_gate(bool shut)
{
	pthread_mutex_lock(&led.lock);
	led.shut = shut;
	led.pass = false;
	if (!shut && led.is == CRASHFS_AT_GATE)
		led.is = CRASHFS_BUSY;
	pthread_cond_broadcast(&led.changed);
	pthread_mutex_unlock(&led.lock);
}

void crashfs_work(void)
{
	pthread_mutex_lock(&led.lock);
	if (led.is == CRASHFS_IDLE)
		led.is = CRASHFS_BUSY;
	pthread_mutex_unlock(&led.lock);
}

enum crashfs_thread crashfs_wait(void)
{
	enum crashfs_thread is;

	pthread_mutex_lock(&led.lock);
	while (led.is == CRASHFS_BUSY)
		__real_pthread_cond_wait(&led.changed, &led.lock);
	is = led.is;
	pthread_mutex_unlock(&led.lock);
	return is;
}

void crashfs_pass(void)
{
	pthread_mutex_lock(&led.lock);
	assert(led.is == CRASHFS_AT_GATE);
	led.is = CRASHFS_BUSY;
	led.pass = true;
	pthread_cond_broadcast(&led.changed);
	pthread_mutex_unlock(&led.lock);
}

void crashfs_wait_long(void)
{
	pthread_cond_t *cond;
	pthread_mutex_t *lock;

	pthread_mutex_lock(&led.lock);
	assert(led.is == CRASHFS_IDLE);
	led.is = CRASHFS_BUSY;
	led.long_enough = true;
	cond = led.waits_at;
	lock = led.waits_with;
	pthread_mutex_unlock(&led.lock);
	pthread_mutex_lock(lock);
	pthread_cond_signal(cond);
	pthread_mutex_unlock(lock);
}
