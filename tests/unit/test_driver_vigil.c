/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/vigil.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

/* What the threads of a process that is watched, its virtual CPUs, do after a while. */
enum deed { STAND, RUN, END };

enum { DEED_MS = 40, ENOUGH_MS = 500 };

static enum deed deed;

static void *run_vcpu(void *context)
{
	(void)context;
	prctl(PR_SET_NAME, "CPU 0/TCG");
	process_pause_ms(DEED_MS);
	if (deed == RUN)
		for (uint64_t end = process_now_ms() + ENOUGH_MS; process_now_ms() < end;)
			;
	else if (deed == END)
		_exit(0);
	process_pause_ms(10 * ENOUGH_MS);
	return NULL;
}

static pid_t begin(enum deed what, struct vigil *ret)
{
	pid_t pid;

	deed = what;
	pid = fork();
	if (pid == 0) {
		pthread_t vcpu;

		if (pthread_create(&vcpu, NULL, run_vcpu, NULL) != 0)
			_exit(1);
		pthread_join(vcpu, NULL);
		_exit(0);
	}
	*ret = (struct vigil){ .pid = pid, .pidfd = pidfd_open(pid, 0) };
	for (int i = 0; i < 1000 && process_vcpus_read(pid, &ret->stood) < 0; i++)
		usleep(100);
	CU_ASSERT_EQUAL(ret->stood.count, 1);
	return pid;
}

static void end(pid_t pid, struct vigil *vigil)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(vigil->pidfd);
}

struct looks {
	int n, over_at, pause_at;
};

static bool over(void *context)
{
	struct looks *looks = context;

	looks->n++;
	/* As a thread that gets no time for so long. */
	if (looks->n == looks->pause_at)
		process_pause_ms(DEED_MS + 2 * VIGIL_GAP_MS);
	return looks->over_at && looks->n >= looks->over_at;
}

static bool keep(enum deed what, struct looks looks)
{
	struct vigil vigil;
	pid_t pid = begin(what, &vigil);
	bool stood;

	vigil.over = over;
	vigil.context = &looks;
	stood = vigil_keep(&vigil);
	end(pid, &vigil);
	return stood;
}

/* Where nobody gets time to look when it ends, that is not known; once it is. */
static void test_ends(void)
{
	bool stood = false;

	for (int i = 0; i < 50 && !stood; i++)
		stood = keep(END, (struct looks){ 0 });
	CU_ASSERT(stood);
}

static void test_runs(void)
{
	CU_ASSERT(!keep(RUN, (struct looks){ 0 }));
}

/* Nothing is known of an end that came while nobody looked. */
static void test_not_seen(void)
{
	CU_ASSERT(!keep(END, (struct looks){ .pause_at = 2 }));
}

static void test_over(void)
{
	CU_ASSERT(!keep(STAND, (struct looks){ .over_at = 3 }));
	CU_ASSERT(!keep(END, (struct looks){ .over_at = 1 }));
}

UNIT_MAIN("driver/vigil", { "ends", test_ends }, { "runs", test_runs },
	  { "not_seen", test_not_seen }, { "over", test_over })
