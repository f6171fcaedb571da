/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ticking guest's only work: it says again and again that it lives, so
 * that an observer outside sees every pause, every restart and every second
 * copy of it.
 *
 *   ticker   a line on the virtio console every tick.interval_ms
 *   canary   each second writes what only this boot can have written into the
 *            first block of the disk, after reading back what is there: bytes
 *            that it did not write itself are the trace of another writer
 *   dirtier  touches memory at a given rate, to make migration work for it
 *
 * A tick is one line: NAME BOOT UPTIME_S SEQ STRANGE
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, PAGE = 4096, CANARY_MS = 1000, DIRTY_SLICE_MS = 10 };

struct guest {
	char name[64];
	char boot[9]; /* the first eight digits of the kernel's boot id */
	long interval_ms;
	long dirty_mb_s;
	long wss_mb;
};

/* Shared by the three processes: how often the canary met foreign bytes. */
static volatile uint32_t *strange;

static void sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? 0 : -1;
}

/* The value of `key` on the kernel's command line, up to the next blank. */
static void setting(const char *cmdline, const char *key, char *value, size_t size)
{
	const char *at = strstr(cmdline, key);
	size_t n;

	if (!at)
		return;
	at += strlen(key);
	n = strcspn(at, " \n");
	if (n >= size)
		n = size - 1;
	memcpy(value, at, n);
	value[n] = '\0';
}

static long setting_number(const char *cmdline, const char *key, long otherwise)
{
	char value[24] = "";

	setting(cmdline, key, value, sizeof(value));
	return value[0] ? strtol(value, NULL, 10) : otherwise;
}

/* The virtio console, raw, so that a line leaves the guest in one piece. */
static int open_port(void)
{
	int fd = open("/dev/hvc0", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	struct termios raw;

	if (fd >= 0 && tcgetattr(fd, &raw) == 0) {
		cfmakeraw(&raw);
		tcsetattr(fd, TCSANOW, &raw);
	}
	return fd;
}

static void run_ticker(const struct guest *g)
{
	int port = open_port();

	for (unsigned long seq = 0;; seq++) {
		struct timespec up;
		char line[160];
		int n;

		clock_gettime(CLOCK_BOOTTIME, &up);
		n = snprintf(line, sizeof(line), "%s %s %lld.%03ld %lu %u\n", g->name, g->boot,
			     (long long)up.tv_sec, up.tv_nsec / 1000000, seq, *strange);
		if (write(port, line, (size_t)n) < 0)
			perror("tick: the port");
		sleep_ms(g->interval_ms);
	}
}

static void run_canary(const struct guest *g)
{
	char *wrote = aligned_alloc(BLOCK, BLOCK);
	char *found = aligned_alloc(BLOCK, BLOCK);
	int disk = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);

	if (disk < 0 || !wrote || !found)
		return;
	for (unsigned long count = 0;; count++) {
		if (pread(disk, found, BLOCK, 0) == BLOCK && count > 0 &&
		    memcmp(found, wrote, BLOCK) != 0)
			++*strange;
		memset(wrote, 0, BLOCK);
		snprintf(wrote, BLOCK, "%s %s %lu\n", g->name, g->boot, count);
		if (pwrite(disk, wrote, BLOCK, 0) != BLOCK || fdatasync(disk) < 0)
			perror("tick: the disk");
		sleep_ms(CANARY_MS);
	}
}

static void run_dirtier(const struct guest *g)
{
	size_t size = (size_t)g->wss_mb << 20, at = 0;
	size_t slice = (size_t)g->dirty_mb_s * 1000000 * DIRTY_SLICE_MS / 1000;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return;
	for (;;) {
		for (size_t done = 0; done < slice; done += PAGE, at = (at + PAGE) % size)
			memory[at]++;
		sleep_ms(DIRTY_SLICE_MS);
	}
}

static void spawn(void (*work)(const struct guest *), const struct guest *g)
{
	if (fork() == 0) {
		work(g);
		_exit(1);
	}
}

int main(void)
{
	struct guest g = {.name = "nameless", .boot = "00000000"};
	char cmdline[2048] = "", boot_id[64] = "";

	read_text("/proc/cmdline", cmdline, sizeof(cmdline));
	if (read_text("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)) == 0)
		memcpy(g.boot, boot_id, sizeof(g.boot) - 1);
	setting(cmdline, "tick.name=", g.name, sizeof(g.name));
	g.interval_ms = setting_number(cmdline, "tick.interval_ms=", 100);
	g.dirty_mb_s = setting_number(cmdline, "tick.dirty_mb_s=", 0);
	g.wss_mb = setting_number(cmdline, "tick.wss_mb=", 32);

	strange = mmap(NULL, sizeof(*strange), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (strange == MAP_FAILED)
		return 1;
	spawn(run_canary, &g);
	if (g.dirty_mb_s > 0 && g.wss_mb > 0)
		spawn(run_dirtier, &g);
	run_ticker(&g);
}
