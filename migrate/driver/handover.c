/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "migrate/driver/link.h"
#include "migrate/driver/process.h"

enum {
	ANSWER_MS = 150, /* for libvirt to say what it thinks */
	FREEZE_MS = 500,
};

/* ---------------------------------------------------------------- what libvirt thinks */

/*
 * libvirtd keeps the domain locked, sometimes for 200 ms, while it ends the very process we look
 * at. So it is asked in a thread, and the process watched meanwhile.
 */
struct question {
	virConnectPtr conn;
	char uuid[VIR_UUID_STRING_BUFLEN];
	bool paused_before;
	int bell; /* eventfd; the answer is 2 for yes, 1 for no */
};

/* Does libvirt take it for stopped by the move? */
static bool libvirt_agrees(const struct question *q)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	int state, reason;

	if (link_domain(q->conn, q->uuid, &domain) < 0 ||
	    virDomainGetState(domain, &state, &reason, 0) < 0)
		return false;
	return state == VIR_DOMAIN_PAUSED &&
	       (reason == VIR_DOMAIN_PAUSED_MIGRATION || q->paused_before);
}

static void *ask_libvirt(void *context)
{
	struct question *q = context;

	eventfd_write(q->bell, libvirt_agrees(q) ? 2 : 1);
	close(q->bell);
	virConnectClose(q->conn);
	free(q);
	return NULL;
}

/* Takes bell. */
static int start_asking(virConnectPtr conn, const struct handover *h, int bell)
{
	struct question *q = mem_new(struct question);
	pthread_t thread;
	int r;

	*q = (struct question){ .conn = conn, .paused_before = h->paused_before, .bell = bell };
	snprintf(q->uuid, sizeof(q->uuid), "%s", h->uuid);
	virConnectRef(conn);
	r = pthread_create(&thread, NULL, ask_libvirt, q);
	if (r == 0) {
		pthread_detach(thread);
		return 0;
	}
	virConnectClose(conn);
	close(bell);
	free(q);
	return -r;
}

enum answer { ANSWER_NONE, ANSWER_NO, ANSWER_YES, ANSWER_GONE };

static enum answer await_answer(int pidfd, int bell)
{
	uint64_t end_ms = process_now_ms() + ANSWER_MS, now_ms;

	while ((now_ms = process_now_ms()) <= end_ms) {
		struct pollfd fds[2] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = bell, .events = POLLIN },
		};
		eventfd_t said;

		if (poll(fds, 2, (int)(end_ms - now_ms)) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			return ANSWER_GONE;
		if (fds[1].revents && eventfd_read(bell, &said) == 0)
			return said == 2 ? ANSWER_YES : ANSWER_NO;
	}
	return ANSWER_NONE;
}

/* Before anything is touched. GONE: the process ended while libvirt was asked. */
static enum answer consult_libvirt(virConnectPtr conn, const struct handover *h, int pidfd)
{
	int bell = eventfd(0, EFD_CLOEXEC), theirs = fcntl(bell, F_DUPFD_CLOEXEC, 3);
	enum answer answer = ANSWER_NONE;

	if (theirs >= 0 && start_asking(conn, h, theirs) == 0)
		answer = await_answer(pidfd, bell);
	/* "No" may be because it was gone by then. */
	if (answer != ANSWER_YES && process_wait(pidfd, 0) == 0)
		answer = ANSWER_GONE;
	if (bell >= 0)
		close(bell);
	return answer;
}

/* ---------------------------------------------------------------- what the kernel knows */

/* It stands still. What speaks against its having stood still all the time? NULL: nothing. */
static const char *find_doubt(const struct handover *h, pid_t pid)
{
	struct process_vcpus vcpus;

	if (pid != h->pid)
		return "its process is another one than when the move began";
	if (!h->paused_before && process_now_ms() >= h->suspended_ms + h->guard_ms)
		return "it has been stopped for so long that libvirtd may have resumed it";
	if (process_vcpus_read(pid, &vcpus) < 0)
		return "what its virtual CPUs did cannot be read";
	if (!process_vcpus_stood(&h->vcpus, &vcpus))
		return "its virtual CPUs have run since they were stopped";
	if (h->ran_on(h->context))
		return "libvirt resumed it, or was away meanwhile";
	return NULL;
}

/* It has no virtual CPUs any more. To free a large memory takes seconds. */
static bool is_ending(pid_t pid)
{
	struct process_vcpus vcpus;

	return process_vcpus_read(pid, &vcpus) == -ESRCH;
}

static void await_end(int pidfd, const struct handover *h, struct outcome *ret)
{
	if (process_wait(pidfd, h->timeout_ms) == 0)
		outcome_set(ret, OUTCOME_ABSENT, "the source was gone already");
	else
		outcome_set(ret, OUTCOME_TIMEOUT, "the source is ending, but is not gone yet");
}

static void finish(int pidfd, const struct handover *h, struct outcome *ret)
{
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH) {
		process_thaw(pidfd);
		outcome_set(ret, OUTCOME_RAN_ON, "the source cannot be killed: %s",
			    strerror(errno));
	} else if (process_wait(pidfd, h->timeout_ms) < 0) {
		outcome_set(ret, OUTCOME_TIMEOUT, "the source was killed but is not gone yet");
	} else {
		outcome_set(ret, OUTCOME_OK, "%s", "");
	}
}

static void end_source(int pidfd, pid_t pid, const struct handover *h, struct outcome *ret)
{
	const char *doubt;
	int r = process_freeze(pidfd, pid, FREEZE_MS);

	if (r == -ESRCH) {
		await_end(pidfd, h, ret);
		return;
	}
	if (r < 0) {
		outcome_set(ret, OUTCOME_RAN_ON, "the source cannot be stopped: %s", strerror(-r));
		return;
	}
	doubt = find_doubt(h, pid);
	if (doubt) {
		process_thaw(pidfd);
		outcome_set(ret, OUTCOME_RAN_ON, "the source was left as it is: %s", doubt);
		return;
	}
	finish(pidfd, h, ret);
}

void handover_run(virConnectPtr conn, const struct handover *h, struct outcome *ret)
{
	enum answer answer;
	pid_t pid;
	int pidfd, r = process_open(h->uuid, &pidfd, &pid);

	if (r == -ESRCH) {
		outcome_set(ret, OUTCOME_ABSENT, "the source was gone already");
		return;
	}
	if (r < 0) {
		outcome_set(ret, OUTCOME_RAN_ON, "its process cannot be told: %s", strerror(-r));
		return;
	}
	answer = consult_libvirt(conn, h, pidfd);
	if (answer == ANSWER_GONE || (answer != ANSWER_YES && is_ending(pid)))
		await_end(pidfd, h, ret);
	else if (!h->suspended && !h->paused_before)
		outcome_set(ret, OUTCOME_RAN_ON, "the move has not stopped the source");
	else if (answer == ANSWER_NONE)
		outcome_set(ret, OUTCOME_TIMEOUT, "libvirt does not say how the source is");
	else if (answer == ANSWER_NO)
		outcome_set(ret, OUTCOME_RAN_ON,
			    "libvirt does not take the source for stopped by the move");
	else
		end_source(pidfd, pid, h, ret);
	close(pidfd);
}
