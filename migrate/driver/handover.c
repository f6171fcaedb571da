/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/handover.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/driver/link.h"
#include "migrate/driver/process.h"

enum {
	FREEZE_MS = 500,
	/*
	 * What stopped virtual CPUs may use: threads woken to hand over their registers. Seen: 0.0
	 * to 0.3 ms; a guest that ran for 20 ms used more than 10 under TCG.
	 */
	VCPU_SLACK_NS = 2 * 1000 * 1000,
};

/* Before anything is touched: does libvirt take it for stopped by the move? */
static bool libvirt_agrees(virConnectPtr conn, const struct handover *h)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	int state, reason;

	if (link_domain(conn, h->uuid, &domain) < 0 ||
	    virDomainGetState(domain, &state, &reason, 0) < 0)
		return false;
	return state == VIR_DOMAIN_PAUSED &&
	       (reason == VIR_DOMAIN_PAUSED_MIGRATION || h->paused_before);
}

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
	if (vcpus.total_ns > h->vcpu_ns + VCPU_SLACK_NS)
		return "its virtual CPUs have run since they were stopped";
	if (h->ran_on(h->context))
		return "libvirt resumed it, or was away meanwhile";
	return NULL;
}

static void finish(int pidfd, const struct handover *h, struct outcome *ret)
{
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH) {
		process_thaw(pidfd);
		outcome_set(ret, OUTCOME_RAN_ON, "the source cannot be killed: %s", strerror(errno));
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

	if (r < 0) {
		if (process_wait(pidfd, 0) == 0)
			outcome_set(ret, OUTCOME_OK, "the source was gone already");
		else
			outcome_set(ret, OUTCOME_RAN_ON, "the source cannot be stopped: %s",
				    strerror(-r));
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
	pid_t pid;
	int pidfd, r = process_open(h->uuid, &pidfd, &pid);

	if (r == -ESRCH) {
		outcome_set(ret, OUTCOME_OK, "the source was gone already");
		return;
	}
	if (r < 0) {
		outcome_set(ret, OUTCOME_RAN_ON, "its process cannot be told: %s", strerror(-r));
		return;
	}
	if (!h->suspended && !h->paused_before)
		outcome_set(ret, OUTCOME_RAN_ON, "the move has not stopped the source");
	else if (!libvirt_agrees(conn, h) && process_wait(pidfd, 0) < 0)
		outcome_set(ret, OUTCOME_RAN_ON, "libvirt does not take the source for stopped by the move");
	else
		end_source(pidfd, pid, h, ret);
	close(pidfd);
}
