/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leaving by ^] where no console is open, with a real terminal. */
#include "clusterctl/console.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* As clusterctl while it asks where a VM is now: it would never end by itself. */
static void __attribute__((noreturn)) play_waiting(const char *terminal, int ready)
{
	setsid();
	dup2(open(terminal, O_RDWR), STDIN_FILENO); /* the first that it opens controls it */
	console_watch_escape();
	if (write(ready, "", 1) != 1)
		_exit(9);
	for (;;)
		pause();
}

static void check_leaving(const char *key, int status_wanted)
{
	int keyboard = posix_openpt(O_RDWR | O_NOCTTY), terminal, ready[2], status = -1;
	struct termios before, after;
	char byte;
	pid_t pid;

	CU_ASSERT_FATAL(keyboard >= 0 && grantpt(keyboard) == 0 && unlockpt(keyboard) == 0);
	terminal = open(ptsname(keyboard), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CU_ASSERT_FATAL(terminal >= 0 && pipe(ready) == 0 && tcgetattr(terminal, &before) == 0);
	pid = fork();
	if (pid == 0)
		play_waiting(ptsname(keyboard), ready[1]);
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
	CU_ASSERT_EQUAL(write(keyboard, key, 1), 1);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, status_wanted);
	CU_ASSERT_EQUAL(tcgetattr(terminal, &after), 0);
	CU_ASSERT_EQUAL(after.c_lflag, before.c_lflag);
	CU_ASSERT_EQUAL(after.c_cc[VQUIT], before.c_cc[VQUIT]);
	close(ready[0]);
	close(ready[1]);
	close(terminal);
	close(keyboard);
}

static void test_escape(void)
{
	check_leaving("\x1d", 0);
}

static void test_interrupt(void)
{
	check_leaving("\x03", SIGINT);
}

UNIT_MAIN("clusterctl/console", { "escape", test_escape }, { "interrupt", test_interrupt })
