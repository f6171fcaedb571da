/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

#define UUID "5c0ffee5-0000-4000-8000-00000000beef"

#define LINE(text) text, sizeof(text) - 1

static void test_cmdline(void)
{
	static const struct {
		const char *what, *cmdline;
		size_t len;
		bool matches;
	} cases[] = {
		{ "as libvirt writes it",
		  LINE("/usr/bin/qemu\0-name\0guest=a\0-S\0-uuid\0" UUID "\0-x\0"), true },
		{ "any order", LINE("q\0-uuid\0" UUID "\0-name\0a\0"), true },
		{ "no last zero", LINE("q\0-name\0a\0-uuid\0" UUID), true },
		{ "capitals",
		  LINE("q\0-name\0a\0-uuid\0"
		       "5C0FFEE5-0000-4000-8000-00000000BEEF\0"),
		  true },
		{ "another's",
		  LINE("q\0-name\0a\0-uuid\0"
		       "5c0ffee5-0000-4000-8000-00000000beee\0"),
		  false },
		{ "longer", LINE("q\0-name\0a\0-uuid\0" UUID "0\0"), false },
		{ "no option", LINE("q\0-name\0a\0" UUID "\0"), false },
		{ "in a text", LINE("sh\0-c\0-name -uuid " UUID "\0"), false },
		{ "no name", LINE("grep\0-uuid\0" UUID "\0"), false },
		{ "cut off", LINE("q\0-name\0a\0-uuid\0"), false },
		{ "empty", "", 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (process_cmdline_matches(cases[i].cmdline, cases[i].len, UUID) !=
		    cases[i].matches)
			CU_FAIL(cases[i].what);
	}
}

static void test_waiting(void)
{
	CU_ASSERT(process_cmdline_waits(LINE("q\0-name\0a\0-incoming\0defer\0-S\0")));
	CU_ASSERT(process_cmdline_waits(LINE("q\0-incoming")));
	CU_ASSERT(!process_cmdline_waits(LINE("q\0-name\0a -incoming\0-incomings\0-incomin\0")));
	CU_ASSERT(!process_cmdline_waits("", 0));
}

/* Of this run alone: another one on this machine must not find, and kill, what is ours. */
static const char *own_uuid(void)
{
	static char uuid[37];

	if (!*uuid)
		snprintf(uuid, sizeof(uuid), "5c0ffee5-0000-4000-8000-%012x", (unsigned)getpid());
	return uuid;
}

/*
 * A process that bears the uuid and runs the Python text; what python3 names may be a script that
 * executes others in turn, and in between such a process has no command line.
 */
static pid_t start(const char *text)
{
	_cleanup_(freep) char *all = mem_printf("import os; os.write(1, b'!')\n%s", text);
	const char *uuid = own_uuid();
	int begun[2];
	char byte;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(begun), 0);
	pid = fork();
	if (pid == 0) {
		dup2(begun[1], STDOUT_FILENO);
		execlp("python3", "python3", "-c", all, "-name", "guest=x", "-uuid", uuid, NULL);
		_exit(127);
	}
	close(begun[1]);
	CU_ASSERT_EQUAL_FATAL(read(begun[0], &byte, 1), 1);
	close(begun[0]);
	return pid;
}

static void test_finds_and_kills(void)
{
	pid_t found = 0, pid;

	CU_ASSERT_EQUAL(process_find(own_uuid(), &found), -ESRCH);
	CU_ASSERT_EQUAL(process_kill(own_uuid(), 100), 0);
	pid = start("import time; time.sleep(60)");
	CU_ASSERT_EQUAL_FATAL(process_find(own_uuid(), &found), 0);
	CU_ASSERT_EQUAL(found, pid);
	CU_ASSERT_EQUAL(process_kill(own_uuid(), 5000), 0);
	/* Dead, though nobody has reaped it. */
	CU_ASSERT_EQUAL(process_find(own_uuid(), &found), -ESRCH);
	waitpid(pid, NULL, 0);
}

/* The first thread is gone and a zombie without a command line; another one lives. */
static void test_headless(void)
{
	char path[64], state = 0;
	pid_t found = 0, pid = start("import threading, time, ctypes\n"
				     "threading.Thread(target=time.sleep, args=(60,)).start()\n"
				     "time.sleep(0.3)\n"
				     "ctypes.CDLL(None).syscall(60, 0)\n");

	CU_ASSERT_EQUAL_FATAL(process_find(own_uuid(), &found), 0);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 500 && state != 'Z'; i++) {
		FILE *file = fopen(path, "re");

		usleep(10000);
		if (file) {
			CU_ASSERT_EQUAL(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
			fclose(file);
		}
	}
	CU_ASSERT_EQUAL(state, 'Z');
	CU_ASSERT_EQUAL(process_find(own_uuid(), &found), 0);
	CU_ASSERT_EQUAL(found, pid);
	CU_ASSERT_EQUAL(process_kill(own_uuid(), 5000), 0);
	CU_ASSERT_EQUAL(process_find(own_uuid(), &found), -ESRCH);
	waitpid(pid, NULL, 0);
}

/* Threads are told by their names; a stopped one uses nothing. */
static void test_virtual_cpus(void)
{
	struct process_vcpus before, after;
	int pidfd = -1;
	pid_t pid = 0, child = start("import threading\n"
				     "def spin():\n"
				     "    open('/proc/thread-self/comm', 'w').write('CPU 0/TCG')\n"
				     "    while True: pass\n"
				     "threading.Thread(target=spin).start()\n"
				     "spin\n");

	CU_ASSERT_EQUAL_FATAL(process_find(own_uuid(), &pid), 0);
	CU_ASSERT_EQUAL_FATAL(process_open(own_uuid(), &pidfd, &pid), 0);
	for (int i = 0; i < 500 && process_vcpus_read(pid, &before) < 0; i++)
		usleep(10000);
	usleep(50000);
	CU_ASSERT_EQUAL(process_vcpus_read(pid, &before), 0);
	CU_ASSERT_EQUAL(before.count, 1);
	CU_ASSERT_FALSE(before.stopped);
	CU_ASSERT_TRUE(before.ran);
	CU_ASSERT_FALSE(process_is_arrival(pid));
	CU_ASSERT(before.total_ns > 0 && before.most_ns == before.total_ns);
	CU_ASSERT_EQUAL(process_freeze(pidfd, pid, 2000), 0);
	CU_ASSERT_EQUAL(process_vcpus_read(pid, &before), 0);
	CU_ASSERT_TRUE(before.stopped);
	usleep(50000);
	CU_ASSERT_EQUAL(process_vcpus_read(pid, &after), 0);
	CU_ASSERT_EQUAL(before.total_ns, after.total_ns);
	CU_ASSERT_EQUAL(process_thaw(pidfd), 0);
	usleep(100000);
	CU_ASSERT_EQUAL(process_vcpus_read(pid, &after), 0);
	CU_ASSERT(after.total_ns > before.total_ns);
	CU_ASSERT_EQUAL(process_wait(pidfd, 10), -ETIMEDOUT);
	CU_ASSERT_EQUAL(process_kill(own_uuid(), 5000), 0);
	CU_ASSERT_EQUAL(process_wait(pidfd, 0), 0);
	CU_ASSERT_EQUAL(process_vcpus_read(pid, &after), -ESRCH);
	close(pidfd);
	waitpid(child, NULL, 0);
}

/* What a thread of KVM does besides running the guest proves nothing. */
static void test_never_in_the_guest(void)
{
	struct process_vcpus vcpus = { 0 };
	pid_t pid = 0, child = start("import threading\n"
				     "def spin():\n"
				     "    open('/proc/thread-self/comm', 'w').write('CPU 0/KVM')\n"
				     "    while True: pass\n"
				     "threading.Thread(target=spin).start()\n"
				     "spin\n");

	CU_ASSERT_EQUAL_FATAL(process_find(own_uuid(), &pid), 0);
	for (int i = 0; i < 500 && vcpus.most_ns < 50 * 1000 * 1000; i++) {
		usleep(10000);
		process_vcpus_read(pid, &vcpus);
	}
	CU_ASSERT(vcpus.most_ns >= 50 * 1000 * 1000);
	CU_ASSERT_FALSE(vcpus.ran);
	CU_ASSERT_EQUAL(process_kill(own_uuid(), 5000), 0);
	/* What cannot be read may be one. */
	waitpid(child, NULL, 0);
	CU_ASSERT_TRUE(process_is_arrival(pid));
}

UNIT_MAIN("driver/process", { "cmdline", test_cmdline }, { "waiting", test_waiting },
	  { "finds-and-kills", test_finds_and_kills }, { "headless", test_headless },
	  { "virtual-cpus", test_virtual_cpus }, { "never-in-the-guest", test_never_in_the_guest })
