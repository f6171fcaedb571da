/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "migrate/driver/disk_fault.h"
#include "migrate/driver/link.h"
#include "migrate/driver/process.h"
#include "migrate/driver/sight.h"

/* As libvirt writes it when all is written (qemu_saveimage.h); before, it is LibvirtQemudPart. */
static const char magic_complete[] = "LibvirtQemudSave";
enum {
	MAGIC_SIZE = 16,
	PATH_SIZE = PATH_MAX,
	END_MS = 5000, /* for the process of a guest that has been saved */
};

static const char state_dir[] = "/.clusterd/state/";

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

bool image_path_ok(const char *path)
{
	const char *at = strstr(path, state_dir), *name;

	if (path[0] != '/' || !at || at == path || strlen(path) >= PATH_SIZE - sizeof(".consumed"))
		return false;
	name = at + strlen(state_dir);
	return *name && !strchr(name, '/') && name[0] != '.' && !strstr(path, "/../") &&
	       !strstr(path, "/./");
}

int image_look(const char *path, enum image_state *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char magic[MAGIC_SIZE];
	ssize_t n;

	if (fd < 0 && errno == ENOENT) {
		*ret = IMAGE_NONE;
		return 0;
	}
	n = fd < 0 ? -1 : pread(fd, magic, sizeof(magic), 0);
	if (n < 0)
		return -errno;
	*ret = n == MAGIC_SIZE && memcmp(magic, magic_complete, MAGIC_SIZE) == 0 ? IMAGE_COMPLETE
										 : IMAGE_PARTIAL;
	return 0;
}

/* The directory that path is in. */
static void parent_of(const char *path, char *out)
{
	snprintf(out, PATH_SIZE, "%.*s", (int)(strrchr(path, '/') - path), path);
}

static int sync_path(const char *path, int flags)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int sync_parent(const char *path)
{
	char dir[PATH_SIZE];

	parent_of(path, dir);
	return sync_path(dir, O_DIRECTORY);
}

/* Durable, as what is in it will have to be. */
static int make_dir(const char *dir)
{
	if (mkdir(dir, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	return sync_parent(dir);
}

/* The two directories of ours on the volume; not the volume's own, or we would fill a mount point.
 */
static int make_dirs(const char *path)
{
	char dir[PATH_SIZE], above[PATH_SIZE];
	int r;

	parent_of(path, dir);
	parent_of(dir, above);
	r = make_dir(above);
	return r < 0 ? r : make_dir(dir);
}

/* Not every file system can be written past the page cache; libvirt fails where one cannot. */
static bool can_write_direct(const char *path)
{
	char probe[PATH_SIZE];
	int fd;

	snprintf(probe, sizeof(probe), "%.*s.direct", PATH_SIZE - 16, path);
	unlink(probe);
	fd = open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT, 0600);
	if (fd >= 0)
		close(fd);
	unlink(probe);
	return fd >= 0;
}

/* 0: it is there; -ENOENT: nothing of it is; -EIO: cannot be told. */
static int is_there(virConnectPtr conn, const char *uuid)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	pid_t pid;
	int r = link_domain(conn, uuid, &domain), active = r == 0 ? virDomainIsActive(domain) : 0;

	if (r == -EIO || active < 0)
		return -EIO;
	if (active == 1)
		return 0;
	r = process_find(uuid, &pid);
	return r == -ESRCH ? -ENOENT : r == 0 ? 0 : -EIO;
}

/* The guest is gone: was the image finished, and will it survive a power cut? */
static void judge_saved(const char *path, const char *error, struct outcome *ret)
{
	enum image_state state = IMAGE_NONE;
	struct stat st;
	int r = image_look(path, &state);

	if (r == 0 && state == IMAGE_COMPLETE) {
		r = sync_path(path, 0);
		if (r == 0)
			r = sync_parent(path);
		if (r == 0 && stat(path, &st) < 0)
			r = -errno;
		if (r == 0)
			outcome_set(ret, OUTCOME_OK, "%lld MiB",
				    (long long)(st.st_size + (1 << 20) - 1) >> 20);
		else
			outcome_set(ret, OUTCOME_FAILED,
				    "the image is complete, but not durable: %s", strerror(-r));
		return;
	}
	if (r < 0)
		outcome_set(ret, OUTCOME_FAILED,
			    "the guest is gone, and its image cannot be read: %s", strerror(-r));
	else
		outcome_set(ret, OUTCOME_ABSENT, "the guest is gone, and its image is %s: %.400s",
			    state == IMAGE_NONE ? "missing" : "incomplete", error);
}

/* What a user can do something about comes first. */
static void judge_failed(const char *path, const char *error, uint64_t free_before, bool cancelled,
			 struct outcome *ret)
{
	char dir[PATH_SIZE];

	parent_of(path, dir);
	if (cancelled)
		outcome_set(ret, OUTCOME_CANCELLED, "libvirt's job was cancelled");
	else if (strstr(error, strerror(ENOSPC)))
		outcome_set(ret, OUTCOME_FAILED,
			    "no space left in %.300s: %llu MiB were free and its memory needs "
			    "more; the "
			    "guest is still here",
			    dir, (unsigned long long)(free_before >> 20));
	else
		outcome_set(ret, OUTCOME_FAILED, "%s", error);
}

static uint64_t free_bytes(const char *path)
{
	char dir[PATH_SIZE];
	struct statvfs fs;

	parent_of(path, dir);
	return statvfs(dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

/* Of which life of the guest it is, if it was we who paused it. */
struct halt {
	bool ours;
	unsigned id;
};

/*
 * By an order of its own. libvirtd that dies when the image is complete, and before it has ended
 * the guest, lets it go on when it is back if it was stopped for being saved, and the image would
 * be older than its disks; what was stopped before stays so.
 */
static int pause_first(virDomainPtr domain, struct halt *ret)
{
	int state, reason;

	if (virDomainGetState(domain, &state, &reason, 0) < 0)
		return -EIO;
	if (state != VIR_DOMAIN_RUNNING && state != VIR_DOMAIN_BLOCKED)
		return 0;
	if (virDomainSuspend(domain) < 0)
		return -EIO;
	*ret = (struct halt){ .ours = true, .id = virDomainGetID(domain) };
	return 0;
}

static int save(virDomainPtr domain, const char *path)
{
	virTypedParameterPtr params = NULL;
	int n = 0, max = 0, r;
	unsigned flags = VIR_DOMAIN_SAVE_RUNNING;

	if (can_write_direct(path))
		flags |= VIR_DOMAIN_SAVE_BYPASS_CACHE;
	r = virTypedParamsAddString(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_FILE, path);
	if (r == 0)
		r = virDomainSaveParams(domain, params, n, flags);
	virTypedParamsFree(params, n);
	return r;
}

/* The guest is gone. What a save that failed left behind is of no use, and may be large. */
static void remove_partial(const char *path)
{
	enum image_state state;

	if (image_look(path, &state) == 0 && state == IMAGE_PARTIAL)
		unlink(path);
}

/* Once it is saved, its process only has to end. As is_there(). */
static int await_end(virConnectPtr conn, const char *uuid)
{
	uint64_t end_ms = process_now_ms() + END_MS;
	int r;

	while ((r = is_there(conn, uuid)) == 0 && process_now_ms() < end_ms)
		process_pause_ms(20);
	return r;
}

/*
 * Complete or not, the image must be gone for good before the guest runs on, and its disks with it.
 * If it cannot go on, whoever wants it to run sees that. A save may come back very late: what is
 * here by then may be another life, and another one's to let run.
 */
static void go_on(virConnectPtr conn, const char *uuid, const char *path,
		  const struct halt *halt)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;

	if ((unlink(path) < 0 && errno != ENOENT) || sync_parent(path) < 0 || !halt->ours)
		return;
	if (link_domain(conn, uuid, &domain) == 0 && virDomainGetID(domain) == halt->id)
		virDomainResume(domain);
}

static bool was_begun(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Of the guest, which is here. If it came to nothing, QEMU may not survive another one. */
static void judge_begun(virConnectPtr conn, virDomainPtr domain, const char *uuid,
			const char *path, struct outcome *ret)
{
	virDomainJobInfo job;

	if (virDomainGetJobInfo(domain, &job) < 0 || job.type != VIR_DOMAIN_JOB_NONE) {
		outcome_set(ret, OUTCOME_TIMEOUT, "it is being saved still");
		return;
	}
	go_on(conn, uuid, path, &(struct halt){ .ours = false });
	outcome_set(ret, OUTCOME_FAILED, "saving it before did not end it");
}

void image_save(virConnectPtr conn, const char *uuid, const char *path, const atomic_bool *cancel,
		struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	_cleanup_(freep) char *error = NULL;
	uint64_t free_before;
	struct halt halt = { .ours = false };
	bool saved = false;
	int r;

	if (!image_path_ok(path)) {
		outcome_set(ret, OUTCOME_REFUSED, "%.300s is no place for a saved state", path);
		return;
	}
	r = make_dirs(path);
	if (r < 0) {
		outcome_set(ret, OUTCOME_REFUSED, "the directory of %.300s cannot be made: %s",
			    path, strerror(-r));
		return;
	}
	free_before = free_bytes(path);
	r = link_domain(conn, uuid, &domain);
	if (r == 0 && virDomainIsActive(domain) == 1) {
		if (was_begun(path)) {
			judge_begun(conn, domain, uuid, path, ret);
			return;
		}
		if (!atomic_load(cancel)) {
			r = pause_first(domain, &halt);
			r = r < 0 ? r : save(domain, path);
			saved = r == 0;
		}
	}
	error = mem_strdup(r < 0 ? link_error() : "");
	r = saved ? await_end(conn, uuid) : is_there(conn, uuid);
	if (r == -ENOENT) {
		judge_saved(path, error, ret);
		remove_partial(path);
	} else if (r < 0) {
		outcome_set(ret, OUTCOME_FAILED,
			    "whether the guest is still here cannot be told: %s", link_error());
	} else if (saved) {
		outcome_set(ret, OUTCOME_TIMEOUT,
			    "its memory is saved, but its QEMU process does not end");
	} else {
		judge_failed(path, error, free_before, atomic_load(cancel), ret);
		go_on(conn, uuid, path, &halt);
	}
}

static int restore(virConnectPtr conn, const char *path)
{
	virTypedParameterPtr params = NULL;
	int n = 0, max = 0, r;

	r = virTypedParamsAddString(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_FILE, path);
	if (r == 0)
		r = virDomainRestoreParams(conn, params, n, VIR_DOMAIN_SAVE_PAUSED);
	virTypedParamsFree(params, n);
	return r;
}

/* What libvirt said, and if that is about a disk, which. */
static void say_not_restored(virConnectPtr conn, const char *path, struct outcome *ret)
{
	_cleanup_(freep) char *said = mem_strdup(link_error());
	_cleanup_(freep) char *xml = virDomainSaveImageGetXMLDesc(conn, path, 0);

	ret->code = OUTCOME_FAILED;
	disk_fault_explain_xml(xml, "this node", said, ret->text, sizeof(ret->text));
}

/* Ends what a restore left when it failed half way. */
static void end_remains(virConnectPtr conn, const char *uuid)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;

	if (link_domain(conn, uuid, &domain) == 0)
		virDomainDestroy(domain);
	process_kill(uuid, 5000);
}

/* From here on nobody may take the image for fresh, whatever happens to us. */
static void consume(const char *path, const char *consumed, struct outcome *ret)
{
	int r = 0;

	if (rename(path, consumed) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = sync_parent(path);
	if (r == 0)
		outcome_set(ret, OUTCOME_OK, "%s", "");
	else
		outcome_set(ret, OUTCOME_FAILED, "the image cannot be marked as used: %s",
			    strerror(-r));
}

static int choose_image(const char *path, const char *consumed, const char **ret,
			struct outcome *outcome)
{
	enum image_state state = IMAGE_NONE;
	int r = image_look(path, &state);

	*ret = path;
	if (r == 0 && state == IMAGE_NONE) {
		r = image_look(consumed, &state);
		*ret = consumed;
	}
	if (r < 0)
		outcome_set(outcome, OUTCOME_FAILED, "the image %.300s cannot be read: %s", *ret,
			    strerror(-r));
	else if (state != IMAGE_COMPLETE)
		outcome_set(outcome, OUTCOME_FAILED, "the image %.300s is %s", path,
			    state == IMAGE_NONE ? "missing" : "incomplete");
	return r < 0 ? r : state == IMAGE_COMPLETE ? 0 : -ENODATA;
}

/*
 * It was restored here before. What has run is newer than any image, and must not be ended for one;
 * what has not, and is no restored one, is a copy that some move left behind.
 */
static bool was_restored(virConnectPtr conn, const char *uuid)
{
	const struct sight_hint hint = { .arrived_id = -1 };
	struct process_vcpus vcpus;
	struct sight sight;
	pid_t pid;

	sight_take(conn, "", uuid, &hint, &sight);
	if (sight.state == SIGHT_RUNNING)
		return true;
	if (process_find(uuid, &pid) < 0 || process_vcpus_read(pid, &vcpus) < 0)
		return false;
	return vcpus.ran || (sight.state == SIGHT_PAUSED && !sight.job &&
			     strcmp(sight.reason, "migration") == 0);
}

void image_restore(virConnectPtr conn, const char *uuid, const char *path, struct outcome *ret)
{
	char consumed[PATH_SIZE];
	const char *from;
	int r;

	if (!image_path_ok(path)) {
		outcome_set(ret, OUTCOME_REFUSED, "%.300s is no place for a saved state", path);
		return;
	}
	snprintf(consumed, sizeof(consumed), "%s.consumed", path);
	r = is_there(conn, uuid);
	if (r == -EIO) {
		outcome_set(ret, OUTCOME_FAILED, "whether the guest is here cannot be told: %s",
			    link_error());
		return;
	}
	if (r == -ENOENT) {
		if (choose_image(path, consumed, &from, ret) < 0)
			return;
		if (restore(conn, from) < 0) {
			say_not_restored(conn, from, ret);
			end_remains(conn, uuid);
			return;
		}
	} else if (!was_restored(conn, uuid)) {
		outcome_set(ret, OUTCOME_FAILED, "a copy of it is here that was not restored");
		return;
	}
	consume(path, consumed, ret);
	if (ret->code != OUTCOME_OK)
		end_remains(conn, uuid);
}

/* NAME.direct is the probe of a save that ended while it looked how it may write. */
static const char *const forms[] = { "", ".consumed", ".direct" };

void image_drop(const char *path, struct outcome *ret)
{
	char name[PATH_SIZE + 16];
	bool found = false;
	int r = 0;

	if (!image_path_ok(path)) {
		outcome_set(ret, OUTCOME_REFUSED, "%.300s is no place for a saved state", path);
		return;
	}
	/* In this order: a restore that is late may still rename the first to the second. */
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(name, sizeof(name), "%s%s", path, forms[i]);
		if (unlink(name) == 0)
			found = true;
		else if (errno != ENOENT)
			r = -errno;
	}
	if (r == 0)
		r = sync_parent(path);
	if (r < 0 && (found || r != -ENOENT))
		outcome_set(ret, OUTCOME_FAILED, "%.300s cannot be removed: %s", path,
			    strerror(-r));
	else
		outcome_set(ret, found ? OUTCOME_OK : OUTCOME_ABSENT, "%s", "");
}
