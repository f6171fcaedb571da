/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_LOG_H
#define CLUSTERD_SHELL_LOG_H

/*
 * The log is what the daemon tells its administrator: one line of key=value for each
 * fact, on stderr, which under systemd is the journal. libqb carries it; its blackbox
 * keeps the last lines of every level in memory and is written to a file when the daemon
 * crashes, within 5 s or not at all, or is asked to (SIGUSR1). Not for threads: only the loop
 * logs.
 *
 * Never put a secret, a definition or a whole message into a line.
 */

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/* name: of the program, as journal and blackbox know it. */
void log_open(const char *name);
void log_close(void);

/* The lowest level that is shown: "error", "warning", "notice", "info" or "debug". */
int log_level_parse(const char *word, int *ret_level);
void log_set_level(int level);

/* From here on every line is also kept in the blackbox, which crashes write to path. */
void log_keep_blackbox(const char *path);
int log_write_blackbox(void);

void log_line(int level, const char *function, const char *file, uint32_t line,
	      const char *format, ...) __attribute__((format(printf, 5, 6)));

#define log_error(...) log_line(LOG_ERR, __func__, __FILE__, __LINE__, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __func__, __FILE__, __LINE__, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __func__, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __func__, __FILE__, __LINE__, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __func__, __FILE__, __LINE__, __VA_ARGS__)

/*
 * A stall is time the loop spent in one piece. Anything longer than LOG_STALL_MS is told
 * with what it was: nothing in the daemon may block.
 */
enum { LOG_STALL_MS = 50 };
uint64_t log_stall_begin(void);
void log_stall_end(uint64_t begun, const char *what);

#endif
