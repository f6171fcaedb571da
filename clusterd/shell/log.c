/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <qb/qblog.h>

#include "base/cleanup.h"
#include "base/text.h"

enum { LINE_MAX_BYTES = 1500, BLACKBOX_BYTES = 512 * 1024, CRASH_S = 5 };

static struct {
	int32_t target;
	bool to_journal, blackbox;
	char blackbox_path[256];
} the_log = { .target = -1 };

static const struct {
	const char *word;
	int level;
} levels[] = {
	{ "error", LOG_ERR },	{ "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO },	{ "debug", LOG_DEBUG },
};

int log_level_parse(const char *word, int *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(levels[i].word, word) == 0) {
			*ret_level = levels[i].level;
			return 0;
		}
	return -EINVAL;
}

static const char *level_word(int level)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (levels[i].level >= level)
			return levels[i].word;
	return "debug";
}

/* The journal stamps lines itself and takes their level from <N>. */
static void write_line(int32_t target, struct qb_log_callsite *site, struct timespec *at,
		       const char *text)
{
	struct tm tm;
	char stamp[40] = "";

	(void)target;
	if (the_log.to_journal) {
		fprintf(stderr, "<%d>%s\n", site->priority, text);
		return;
	}
	if (localtime_r(&at->tv_sec, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(stderr, "%s.%03ld %-7s %s\n", stamp, at->tv_nsec / 1000000,
		level_word(site->priority), text);
}

void log_open(const char *name)
{
	qb_log_init(name, LOG_DAEMON, LOG_INFO);
	qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
	the_log.to_journal = getenv("JOURNAL_STREAM") != NULL;
	the_log.target = qb_log_custom_open(write_line, NULL, NULL, NULL);
	if (the_log.target < 0)
		return;
	qb_log_format_set(the_log.target, "%b");
	qb_log_filter_ctl(the_log.target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_INFO);
	qb_log_ctl(the_log.target, QB_LOG_CONF_MAX_LINE_LEN, LINE_MAX_BYTES);
	qb_log_ctl(the_log.target, QB_LOG_CONF_ENABLED, QB_TRUE);
}

void log_close(void)
{
	qb_log_fini();
	the_log.target = -1;
}

void log_set_level(int level)
{
	qb_log_filter_ctl(the_log.target, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*",
			  LOG_TRACE);
	qb_log_filter_ctl(the_log.target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*",
			  (uint8_t)level);
}

/* A disk that hangs, or a lock of whatever crashed, must not keep a dead daemon in its place. */
static void on_crash(int number)
{
	signal(number, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	alarm(CRASH_S);
	qb_log_blackbox_write_to_file(the_log.blackbox_path);
	raise(number);
}

void log_keep_blackbox(const char *path)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

	if (text_copy(the_log.blackbox_path, sizeof(the_log.blackbox_path), path) < 0)
		return;
	qb_log_filter_ctl(QB_LOG_BLACKBOX, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_DEBUG);
	qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_SIZE, BLACKBOX_BYTES);
	if (qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_ENABLED, QB_TRUE) < 0)
		return;
	the_log.blackbox = true;
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		signal(fatal[i], on_crash);
}

int log_write_blackbox(void)
{
	ssize_t written;

	if (!the_log.blackbox)
		return -ENOENT;
	written = qb_log_blackbox_write_to_file(the_log.blackbox_path);
	return written < 0 ? (int)written : 0;
}

void log_line(int level, const char *function, const char *file, uint32_t line,
	      const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* One fact, one line: what came from outside may not begin another. */
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	qb_log_from_external_source(function, file, "%s", (uint8_t)level, line, 0, text);
}

/* ---------------------------------------------------------------- stalls */

uint64_t log_stall_begin(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void log_stall_end(uint64_t begun, const char *what)
{
	uint64_t took = log_stall_begin() - begun;

	if (took > LOG_STALL_MS)
		log_warning("stall what=%s took_ms=%" PRIu64, what, took);
}
