/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/move.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

#include <libvirt/virterror.h>

#include "base/mem.h"
#include "domain/essence.h"
#include "domain/path.h"
#include "migrate/driver/disk_fault.h"
#include "migrate/driver/link.h"
#include "migrate/driver/process.h"
#include "wire/message.h"

enum {
	PUT_AWAY_MS = 1500,
	POLL_MS = 250,
	LAST_WORD_MS = 1000, /* the abort comes this long before the deadline */
	MAX_PARAMS = 8,
};

/* Why the watcher aborted the job; libvirt does not tell. */
enum abort_reason { ABORT_NONE, ABORT_CANCEL, ABORT_STALL, ABORT_LATE };

struct watcher {
	const struct move *move;
	struct link link;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended_cond;
	bool ended;

	enum abort_reason aborted;
	uint64_t aborted_ms; /* when the job was last told */
	uint64_t moved_ms;   /* when the figures last changed */
	uint64_t processed, remaining;
};

/* The file systems that libvirt itself takes for shared between hosts. */
static bool is_shared_fs(const char *path)
{
	static const unsigned long magics[] = {
		NFS_SUPER_MAGIC,       SMB_SUPER_MAGIC,
		SMB2_SUPER_MAGIC,      CIFS_SUPER_MAGIC,
		CEPH_SUPER_MAGIC,      AFS_SUPER_MAGIC,
		OCFS2_SUPER_MAGIC,     0x01161970 /* GFS2 */,
		0x47504653 /* GPFS */, 0x7461636f /* OCFS2, as libvirt has it */,
	};
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		if ((unsigned long)fs.f_type == magics[i])
			return true;
	}
	return false;
}

static bool lies_on_shared_path(const char *source, const char *const *paths, size_t n)
{
	_cleanup_(freep) char *real = realpath(source, NULL);

	for (size_t i = 0; real && i < n; i++) {
		_cleanup_(freep) char *volume = realpath(paths[i], NULL);
		const char *one = volume;

		if (volume && domain_path_on_volume(real, &one, 1, NULL))
			return true;
	}
	return false;
}

static bool skips_page_cache(const Wire__Disk *disk)
{
	return strcmp(disk->cache, "none") == 0 || strcmp(disk->cache, "directsync") == 0;
}

/* The one thing against a live move that is none against a quick one, which ends the process. */
static const char cached[] =
	"does not have cache='none', so that what the other node reads may be stale";

/* What stands against moving this disk; NULL: nothing. */
static const char *judge_disk(const Wire__Disk *disk, const char *const *paths, size_t n)
{
	bool file = strcmp(disk->kind, "file") == 0;

	if (!disk->source[0] || disk->readonly || disk->cdrom || strcmp(disk->kind, "network") == 0)
		return NULL;
	if (!file && strcmp(disk->kind, "block") != 0)
		return "is of a kind that cannot be on two nodes at once";
	if (file && !is_shared_fs(disk->source) && !lies_on_shared_path(disk->source, paths, n))
		return "is a file on no volume that is declared shared";
	return skips_page_cache(disk) || disk->shareable ? NULL : cached;
}

/* "disk vda (/v/a.raw) does not …", and the ways out if there are any. */
static void say_against(const char *name, const Wire__Disk *disk, const char *against,
			char *ret_why, size_t size)
{
	int used = snprintf(ret_why, size, "disk %s (%s) %s", disk->target, disk->source, against);

	if (against == cached && used > 0 && (size_t)used < size)
		snprintf(ret_why + used, size - (size_t)used,
			 "; clusterctl vm migrate %s --quick moves it all the same, or write "
			 "cache='none' in the disk's <driver> (clusterctl vm edit %s), which holds "
			 "from its next start", name, name);
}

int move_judge_unsafe(const char *name, const char *live_xml, const char *const *shared_paths,
		      size_t n, char *ret_why, size_t why_size)
{
	_cleanup_(wire_freep) Wire__Essence *essence = NULL;
	int r = domain_essence_read(live_xml, strlen(live_xml), NULL, &essence, ret_why, why_size);

	if (r < 0)
		return r;
	for (size_t i = 0; i < essence->n_disks; i++) {
		const char *against = judge_disk(essence->disks[i], shared_paths, n);

		if (against) {
			say_against(name, essence->disks[i], against, ret_why, why_size);
			return -EPERM;
		}
	}
	return 0;
}

void move_abort(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	int r = link_domain(conn, uuid, &domain);

	if (r == -ENOENT)
		outcome_set(ret, OUTCOME_ABSENT, "libvirt knows no such domain");
	else if (r < 0)
		outcome_set(ret, OUTCOME_FAILED, "%s", link_error());
	else if (virDomainAbortJob(domain) == 0)
		outcome_set(ret, OUTCOME_OK, "%s", "");
	else if (link_error_code() == VIR_ERR_OPERATION_INVALID)
		outcome_set(ret, OUTCOME_OK, "no job was under way");
	else
		outcome_set(ret, OUTCOME_FAILED, "%s", link_error());
}

static uint64_t param_u64(virTypedParameterPtr params, int n, const char *name)
{
	unsigned long long value = 0;
	int number = 0;

	if (virTypedParamsGetULLong(params, n, name, &value) == 1)
		return value;
	virResetLastError();
	return virTypedParamsGetInt(params, n, name, &number) == 1 ? (uint64_t)number : 0;
}

static void note_progress(struct watcher *w, virTypedParameterPtr params, int n, uint64_t now_ms)
{
	struct move_progress p = {
		.total = param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_TOTAL),
		.rate = param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_BPS),
		.pass = (uint32_t)param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_ITERATION),
	};
	uint64_t remaining = param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_REMAINING);
	uint64_t processed = param_u64(params, n, VIR_DOMAIN_JOB_MEMORY_PROCESSED);

	if (processed != w->processed || remaining != w->remaining)
		w->moved_ms = now_ms;
	w->processed = processed;
	w->remaining = remaining;
	p.done = p.total > remaining ? p.total - remaining : 0;
	p.eta_ms = p.rate ? remaining * 1000 / p.rate : 0;
	if (p.total && w->move->progress)
		w->move->progress(w->move->context, &p);
}

static void look_at_job(struct watcher *w, virDomainPtr domain)
{
	virTypedParameterPtr params = NULL;
	int n = 0, type = VIR_DOMAIN_JOB_NONE;

	/* Up to 1.2 s while QEMU switches over: this thread may wait. */
	if (virDomainGetJobStats(domain, &type, &params, &n, 0) == 0 && type != VIR_DOMAIN_JOB_NONE)
		note_progress(w, params, n, process_now_ms());
	virTypedParamsFree(params, n);
}

static enum abort_reason must_abort(const struct watcher *w, uint64_t now_ms)
{
	const struct move *move = w->move;

	if (w->aborted != ABORT_NONE)
		return w->aborted;
	if (atomic_load(move->cancel))
		return ABORT_CANCEL;
	if (move->due_ms && now_ms + LAST_WORD_MS > move->due_ms)
		return ABORT_LATE;
	if (move->stall_ms && now_ms > w->moved_ms + move->stall_ms)
		return ABORT_STALL;
	return ABORT_NONE;
}

static void watch_once(struct watcher *w)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	virConnectPtr conn;
	uint64_t now_ms;

	if (link_get(&w->link, &conn) < 0 || link_domain(conn, w->move->uuid, &domain) < 0)
		return;
	look_at_job(w, domain);
	now_ms = process_now_ms();
	w->aborted = must_abort(w, now_ms);
	/* Told too early, before the job began, it has no effect: tell again. */
	if (w->aborted != ABORT_NONE && now_ms > w->aborted_ms + 500) {
		virDomainAbortJob(domain);
		w->aborted_ms = now_ms;
	}
}

static bool wait_for_end(struct watcher *w)
{
	struct timespec until;
	bool ended;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += POLL_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&w->lock);
	if (!w->ended)
		pthread_cond_clockwait(&w->ended_cond, &w->lock, CLOCK_MONOTONIC, &until);
	ended = w->ended;
	pthread_mutex_unlock(&w->lock);
	return ended;
}

static void *watch(void *context)
{
	struct watcher *w = context;

	while (!wait_for_end(w))
		watch_once(w);
	link_close(&w->link);
	return NULL;
}

static int watcher_start(struct watcher *w, const struct move *move)
{
	*w = (struct watcher){
		.move = move,
		.link.uri = move->libvirt_uri,
		.moved_ms = process_now_ms(),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ended_cond = PTHREAD_COND_INITIALIZER,
	};
	return -pthread_create(&w->thread, NULL, watch, w);
}

static void watcher_stop(struct watcher *w)
{
	pthread_mutex_lock(&w->lock);
	w->ended = true;
	pthread_cond_signal(&w->ended_cond);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
}

static unsigned move_flags(const struct move *move, bool unsafe)
{
	return VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_PAUSED |
	       VIR_MIGRATE_ABORT_ON_ERROR | (move->tls ? VIR_MIGRATE_TLS : 0) |
	       (unsafe ? VIR_MIGRATE_UNSAFE : 0);
}

static int migrate(virDomainPtr domain, const struct move *move, bool unsafe)
{
	virTypedParameterPtr params = NULL;
	int n = 0, max = 0, r;

	r = virTypedParamsAddString(&params, &n, &max, VIR_MIGRATE_PARAM_URI, move->data_uri);
	if (r == 0 && move->bandwidth_mib_s)
		r = virTypedParamsAddULLong(&params, &n, &max, VIR_MIGRATE_PARAM_BANDWIDTH,
					    move->bandwidth_mib_s);
	if (r == 0)
		r = virDomainMigrateToURI3(domain, move->connect_uri, params, (unsigned)n,
					   move_flags(move, unsafe));
	virTypedParamsFree(params, n);
	return r;
}

/*
 * A guest that comes back at once to where it just was: libvirt there may still be putting away
 * what it left, and refuses for 200 ms, before anything is copied. No code of its own tells that.
 */
static bool still_put_away(void)
{
	return strstr(link_error(), "is already being removed") ||
	       strstr(link_error(), "is already being started");
}

static int migrate_patiently(virDomainPtr domain, const struct move *move, bool unsafe)
{
	uint64_t end_ms = process_now_ms() + PUT_AWAY_MS;
	int r;

	while ((r = migrate(domain, move, unsafe)) < 0 && still_put_away() &&
	       process_now_ms() < end_ms && !atomic_load(move->cancel))
		process_pause_ms(50);
	return r;
}

/* libvirt refused for want of shared storage: do we know better? */
static int overrule(virDomainPtr domain, const struct move *move, struct outcome *ret)
{
	_cleanup_(freep) char *xml = virDomainGetXMLDesc(domain, 0);
	char why[sizeof(ret->text)];

	if (!xml) {
		outcome_set(ret, OUTCOME_REFUSED, "%s", link_error());
		return -EIO;
	}
	if (move_judge_unsafe(virDomainGetName(domain), xml, move->shared_paths, move->shared_n,
			      why, sizeof(why)) < 0) {
		outcome_set(ret, OUTCOME_REFUSED, "it cannot be moved live: %s", why);
		return -EPERM;
	}
	return 0;
}

const char *move_tls_advice(bool tls, const char *error)
{
	/* What the monitor and the stream say; libvirt's own TLS (connect_uri) says neither. */
	static const char *const signs[] = { "'object-add'", "TLS channel" };

	for (size_t i = 0; tls && i < ARRAY_SIZE(signs); i++) {
		if (strstr(error, signs[i]))
			return "migration.tls wants certificates for QEMU on both nodes, each for "
			       "its node's address (clusterd(8), CERTIFICATES): ";
	}
	return "";
}

/* Here its disks are open: what cannot be opened is so where it was to go. */
static void say_failed(virDomainPtr domain, const struct move *move, const char *error,
		       struct outcome *ret)
{
	_cleanup_(freep) char *xml = virDomainGetXMLDesc(domain, 0);
	char text[sizeof(ret->text)];

	disk_fault_explain_xml(xml, "the destination", error, text, sizeof(text));
	outcome_set(ret, OUTCOME_FAILED, "%s%s", move_tls_advice(move->tls, error), text);
}

/* The API has returned; what is true? */
static void judge_end(virDomainPtr domain, const struct watcher *w, int r, const char *error,
		      struct outcome *ret)
{
	bool active = virDomainIsActive(domain) == 1;
	/* Who wishes it may also have aborted the job, faster than the watcher. */
	bool cancelled = w->aborted == ABORT_CANCEL || atomic_load(w->move->cancel);
	pid_t pid;
	bool process = process_find(w->move->uuid, &pid) != -ESRCH;

	if (!active && !process)
		outcome_set(ret, r == 0 ? OUTCOME_OK : OUTCOME_ABSENT, "%s", error);
	else if (r == 0)
		outcome_set(ret, OUTCOME_FAILED,
			    "libvirt says that it moved, but it is still here as process %d",
			    process ? (int)pid : 0);
	else if (cancelled)
		outcome_set(ret, OUTCOME_CANCELLED, "libvirt's job was cancelled");
	else if (w->aborted == ABORT_STALL)
		outcome_set(ret, OUTCOME_FAILED,
			    "nothing was transferred for %u ms (%.300s)",
			    w->move->stall_ms, error);
	else if (w->aborted == ABORT_LATE)
		outcome_set(ret, OUTCOME_TIMEOUT, "it did not end before its deadline");
	else
		say_failed(domain, w->move, error, ret);
}

void move_run(virConnectPtr conn, const struct move *move, struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	_cleanup_(freep) char *error = NULL;
	struct watcher watcher;
	int r = link_domain(conn, move->uuid, &domain);

	if (r < 0) {
		outcome_set(ret, r == -ENOENT ? OUTCOME_ABSENT : OUTCOME_FAILED, "%s",
			    link_error());
		return;
	}
	if (move->max_downtime_ms)
		virDomainMigrateSetMaxDowntime(domain, move->max_downtime_ms, 0);
	r = watcher_start(&watcher, move);
	if (r < 0) {
		outcome_set(ret, OUTCOME_REFUSED, "no thread for it: %s", strerror(-r));
		return;
	}
	r = migrate_patiently(domain, move, false);
	if (r < 0 && link_error_code() == VIR_ERR_MIGRATE_UNSAFE) {
		if (overrule(domain, move, ret) < 0) {
			watcher_stop(&watcher);
			return;
		}
		r = migrate_patiently(domain, move, true);
	}
	error = mem_strdup(r < 0 ? link_error() : "");
	watcher_stop(&watcher);
	judge_end(domain, &watcher, r, error, ret);
}
