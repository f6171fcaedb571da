/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

/* libvirt's command lines are some KiB long; the uuid stands near the beginning. */
enum { CMDLINE_MAX = 64 * 1024, PATH_SIZE = 64, STAT_SIZE = 1024 };

/* A thread of TCG sets itself up in less than a millisecond, and rests while it is stopped. */
enum { TCG_RAN_NS = 10 * 1000 * 1000 };

/*
 * What each stopped virtual CPU may use: KVM has the thread itself read out its registers. Seen
 * under TCG: nothing at all, over 1.5 s; a guest that ran for 20 ms used more than 10.
 */
enum { VCPU_SLACK_NS = 500 * 1000 };

DEFINE_CLEANUP(DIR *, closedir);

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

uint64_t process_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void process_pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

bool process_cmdline_matches(const char *cmdline, size_t len, const char *uuid)
{
	bool named = false, ours = false, is_uuid = false;

	for (size_t at = 0; at < len;) {
		size_t n = strnlen(cmdline + at, len - at);

		if (is_uuid)
			ours = n == strlen(uuid) && strncasecmp(cmdline + at, uuid, n) == 0;
		is_uuid = n == 5 && memcmp(cmdline + at, "-uuid", 5) == 0;
		named |= n == 5 && memcmp(cmdline + at, "-name", 5) == 0;
		if (ours && named)
			return true;
		at += n + 1;
	}
	return false;
}

bool process_cmdline_waits(const char *cmdline, size_t len)
{
	static const char option[] = "-incoming";

	for (size_t at = 0; at < len;) {
		size_t n = strnlen(cmdline + at, len - at);

		if (n == sizeof(option) - 1 && memcmp(cmdline + at, option, n) == 0)
			return true;
		at += n + 1;
	}
	return false;
}

/* Bytes read; 0 for what is empty or gone meanwhile. */
static size_t read_proc(const char *path, char *to, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	while (fd >= 0 && len < size) {
		ssize_t n = read(fd, to + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return len;
}

struct stat_line {
	char state;
	long threads;
	unsigned long long guest; /* clock ticks in which KVM ran a guest */
};

/* The name, in parentheses, may hold anything. */
static bool read_stat(const char *path, struct stat_line *ret)
{
	char text[STAT_SIZE];
	size_t len = read_proc(path, text, sizeof(text) - 1);
	const char *end;

	text[len] = '\0';
	end = strrchr(text, ')');
	return end &&
	       sscanf(end + 1,
		      " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld %*s"
		      " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
		      " %*s %*s %*s %llu",
		      &ret->state, &ret->threads, &ret->guest) == 3;
}

static bool is_number(const char *name)
{
	return isdigit((unsigned char)name[0]);
}

/* A leader that ends has no command line any more, but its threads have. */
static bool thread_matches(const char *pid, const char *uuid, char *text)
{
	char path[PATH_SIZE];
	struct stat_line stat;
	struct dirent *entry;
	_cleanup_(closedirp) DIR *tasks = NULL;

	/* Whatever its state: it has given up its memory before it is a zombie. */
	snprintf(path, sizeof(path), "/proc/%.12s/stat", pid);
	if (!read_stat(path, &stat) || stat.threads < 2)
		return false;
	snprintf(path, sizeof(path), "/proc/%.12s/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		if (!is_number(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%.12s/task/%.12s/cmdline", pid, entry->d_name);
		if (process_cmdline_matches(text, read_proc(path, text, CMDLINE_MAX), uuid))
			return true;
	}
	return false;
}

static bool pid_matches(const char *pid, const char *uuid, char *text)
{
	char path[PATH_SIZE];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%.12s/cmdline", pid);
	len = read_proc(path, text, CMDLINE_MAX);
	return len ? process_cmdline_matches(text, len, uuid) : thread_matches(pid, uuid, text);
}

int process_find(const char *uuid, pid_t *ret_pid)
{
	_cleanup_(closedirp) DIR *proc = opendir("/proc");
	_cleanup_(freep) char *text = mem_array(1, CMDLINE_MAX);
	struct dirent *entry;

	if (!proc)
		return -errno;
	for (;;) {
		errno = 0;
		entry = readdir(proc);
		if (!entry)
			return errno ? -errno : -ESRCH;
		if (is_number(entry->d_name) && pid_matches(entry->d_name, uuid, text)) {
			*ret_pid = (pid_t)strtol(entry->d_name, NULL, 10);
			return 0;
		}
	}
}

int process_open(const char *uuid, int *ret_pidfd, pid_t *ret_pid)
{
	_cleanup_(freep) char *text = mem_array(1, CMDLINE_MAX);

	for (;;) {
		char number[16];
		pid_t pid;
		int fd, r = process_find(uuid, &pid);

		if (r < 0)
			return r;
		fd = pidfd_open(pid, 0);
		if (fd < 0 && errno != ESRCH)
			return -errno;
		snprintf(number, sizeof(number), "%d", (int)pid);
		/* Between the two looks the number may have become another's. */
		if (fd >= 0 && pid_matches(number, uuid, text)) {
			*ret_pidfd = fd;
			*ret_pid = pid;
			return 0;
		}
		if (fd >= 0)
			close(fd);
	}
}

int process_wait(int pidfd, uint64_t timeout_ms)
{
	uint64_t end = process_now_ms() + timeout_ms, now;

	while ((now = process_now_ms()) <= end) {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		int n = poll(&p, 1, (int)(end - now));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return -ETIMEDOUT;
}

int process_kill(const char *uuid, uint64_t timeout_ms)
{
	uint64_t end = process_now_ms() + timeout_ms, now;
	int r;

	do {
		int fd = -1;
		pid_t pid;

		r = process_open(uuid, &fd, &pid);
		if (r < 0)
			return r == -ESRCH ? 0 : r;
		if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
			r = -errno;
		now = process_now_ms();
		if (r == 0)
			r = process_wait(fd, end > now ? end - now : 0);
		close(fd);
	} while (r == 0);
	return r;
}

static bool is_vcpu(const char *comm)
{
	return strncmp(comm, "CPU ", 4) == 0 || strncmp(comm, "ALL CPUs", 8) == 0;
}

struct vcpu {
	uint64_t ns;
	bool ran, stopped;
};

/*
 * One thread's books; false if it is no virtual CPU. KVM has a stopped one read out its registers
 * and counters, as often as somebody asks for them: only time within the guest proves anything.
 */
static bool read_vcpu(pid_t pid, const char *task, struct vcpu *ret)
{
	char path[PATH_SIZE], text[STAT_SIZE];
	struct stat_line stat;
	unsigned long long ns;
	size_t len;
	bool kvm;

	snprintf(path, sizeof(path), "/proc/%d/task/%.12s/comm", (int)pid, task);
	len = read_proc(path, text, sizeof(text) - 1);
	text[len] = '\0';
	if (!is_vcpu(text))
		return false;
	kvm = strstr(text, "/KVM") != NULL;
	snprintf(path, sizeof(path), "/proc/%d/task/%.12s/stat", (int)pid, task);
	if (!read_stat(path, &stat))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%.12s/schedstat", (int)pid, task);
	len = read_proc(path, text, sizeof(text) - 1);
	text[len] = '\0';
	if (sscanf(text, "%llu", &ns) != 1)
		return false;
	*ret = (struct vcpu){
		.ns = ns,
		.ran = kvm ? stat.guest > 0 : ns >= TCG_RAN_NS,
		.stopped = stat.state == 'T',
	};
	return true;
}

int process_vcpus_read(pid_t pid, struct process_vcpus *ret)
{
	struct process_vcpus sum = { .stopped = true };
	_cleanup_(closedirp) DIR *tasks = NULL;
	struct dirent *entry;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		struct vcpu vcpu;

		if (!is_number(entry->d_name) || !read_vcpu(pid, entry->d_name, &vcpu))
			continue;
		sum.count++;
		sum.total_ns += vcpu.ns;
		sum.most_ns = vcpu.ns > sum.most_ns ? vcpu.ns : sum.most_ns;
		sum.ran |= vcpu.ran;
		sum.stopped &= vcpu.stopped;
	}
	if (sum.count == 0)
		return -ESRCH;
	*ret = sum;
	return 0;
}

bool process_vcpus_stood(const struct process_vcpus *before, const struct process_vcpus *now)
{
	return now->total_ns <= before->total_ns + VCPU_SLACK_NS * now->count;
}

bool process_is_arrival(pid_t pid)
{
	_cleanup_(freep) char *text = mem_array(1, CMDLINE_MAX);
	char path[PATH_SIZE];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	len = read_proc(path, text, CMDLINE_MAX);
	/* It stands near the end, unlike the uuid. */
	return len == 0 || len == CMDLINE_MAX || process_cmdline_waits(text, len);
}

int process_freeze(int pidfd, pid_t pid, uint64_t timeout_ms)
{
	uint64_t end = process_now_ms() + timeout_ms;
	struct process_vcpus vcpus;
	int r;

	if (pidfd_send_signal(pidfd, SIGSTOP, NULL, 0) < 0)
		return -errno;
	for (;;) {
		r = process_vcpus_read(pid, &vcpus);
		if (r == 0 && vcpus.stopped)
			return 0;
		if (r < 0 || process_now_ms() > end)
			break;
		process_pause_ms(1);
	}
	process_thaw(pidfd);
	return r < 0 ? r : -ETIMEDOUT;
}

int process_thaw(int pidfd)
{
	return pidfd_send_signal(pidfd, SIGCONT, NULL, 0) < 0 ? -errno : 0;
}
