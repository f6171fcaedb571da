/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/sight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "migrate/driver/link.h"
#include "migrate/driver/process.h"

/*
 * A virtual CPU that never ran has used 0.5 ms; one that ran for 50 ms in an idle guest under TCG
 * 12 ms. The limit only decides for a guest that nobody watched arriving.
 */
enum { NEVER_RAN_NS = 3 * 1000 * 1000 };

static const char *const pause_reasons[] = {
	[VIR_DOMAIN_PAUSED_UNKNOWN] = "unknown",
	[VIR_DOMAIN_PAUSED_USER] = "user",
	[VIR_DOMAIN_PAUSED_MIGRATION] = "migration",
	[VIR_DOMAIN_PAUSED_SAVE] = "save",
	[VIR_DOMAIN_PAUSED_DUMP] = "dump",
	[VIR_DOMAIN_PAUSED_IOERROR] = "ioerror",
	[VIR_DOMAIN_PAUSED_WATCHDOG] = "watchdog",
	[VIR_DOMAIN_PAUSED_FROM_SNAPSHOT] = "snapshot",
	[VIR_DOMAIN_PAUSED_SHUTTING_DOWN] = "shutdown",
	[VIR_DOMAIN_PAUSED_SNAPSHOT] = "snapshot",
	[VIR_DOMAIN_PAUSED_CRASHED] = "crashed",
	[VIR_DOMAIN_PAUSED_STARTING_UP] = "starting",
	[VIR_DOMAIN_PAUSED_POSTCOPY] = "postcopy",
	[VIR_DOMAIN_PAUSED_POSTCOPY_FAILED] = "postcopy-failed",
};

const char *sight_pause_reason(int reason)
{
	size_t n = sizeof(pause_reasons) / sizeof(pause_reasons[0]);

	return reason >= 0 && (size_t)reason < n && pause_reasons[reason] ? pause_reasons[reason]
									  : "unknown";
}

/* libvirt has no such domain running; what has the kernel? */
static void look_for_process(const char *uuid, struct sight *sight)
{
	pid_t pid;
	int r = process_find(uuid, &pid);

	if (r == -ESRCH) {
		sight->state = SIGHT_ABSENT;
		return;
	}
	sight->state = SIGHT_UNKNOWN;
	if (r == 0)
		snprintf(sight->text, sizeof(sight->text),
			 "libvirt has no such domain running, but its QEMU process %d is there",
			 (int)pid);
	else
		snprintf(sight->text, sizeof(sight->text), "/proc cannot be read: %s",
			 strerror(-r));
}

static bool last_job_was_arrival(virDomainPtr domain)
{
	virTypedParameterPtr params = NULL;
	int n = 0, type = 0, operation = 0;

	if (virDomainGetJobStats(domain, &type, &params, &n,
				 VIR_DOMAIN_JOB_STATS_COMPLETED |
					 VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED) < 0)
		return false;
	if (virTypedParamsGetInt(params, n, VIR_DOMAIN_JOB_OPERATION, &operation) != 1)
		operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
	virTypedParamsFree(params, n);
	return operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN;
}

static bool never_ran(const char *uuid)
{
	struct process_vcpus vcpus;
	pid_t pid;

	return process_find(uuid, &pid) == 0 && process_vcpus_read(pid, &vcpus) == 0 &&
	       vcpus.most_ns < NEVER_RAN_NS;
}

static void judge_paused(virDomainPtr domain, const char *uuid, int reason,
			 const struct sight_hint *hint, struct sight *sight)
{
	virDomainJobInfo job = { .type = VIR_DOMAIN_JOB_NONE };

	sight->state = SIGHT_PAUSED;
	sight->reason = sight_pause_reason(reason);
	sight->job = hint->job;
	if (hint->job)
		return;
	if (virDomainGetJobInfo(domain, &job) < 0) {
		if (link_error_code() == VIR_ERR_OPERATION_UNSUPPORTED)
			sight->state = SIGHT_INCOMING;
		sight->job = true;
		return;
	}
	sight->job = job.type != VIR_DOMAIN_JOB_NONE;
	if (sight->job || reason != VIR_DOMAIN_PAUSED_USER)
		return;
	if (hint->arrived_id >= 0 && hint->arrived_id == sight->libvirt_id)
		sight->state = SIGHT_COMPLETE;
	else if (last_job_was_arrival(domain) && never_ran(uuid))
		sight->state = SIGHT_COMPLETE;
	if (sight->state == SIGHT_COMPLETE)
		sight->reason = "";
}

static void judge_running(virDomainPtr domain, const struct sight_hint *hint, struct sight *sight)
{
	virDomainJobInfo job = { .type = VIR_DOMAIN_JOB_NONE };

	sight->state = SIGHT_RUNNING;
	sight->job = hint->job;
	if (!hint->job && virDomainGetJobInfo(domain, &job) == 0)
		sight->job = job.type != VIR_DOMAIN_JOB_NONE;
}

static void judge(virDomainPtr domain, const char *uuid, const struct sight_hint *hint,
		  struct sight *sight)
{
	int state, reason;
	unsigned id;

	if (virDomainGetState(domain, &state, &reason, 0) < 0) {
		if (link_error_code() == VIR_ERR_NO_DOMAIN)
			look_for_process(uuid, sight);
		else
			snprintf(sight->text, sizeof(sight->text), "%.250s", link_error());
		return;
	}
	id = virDomainGetID(domain);
	sight->libvirt_id = id == (unsigned)-1 ? -1 : (int)id;
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
	case VIR_DOMAIN_PMSUSPENDED: /* asleep by its own will; it can wake at any time */
		judge_running(domain, hint, sight);
		break;
	case VIR_DOMAIN_PAUSED:
		judge_paused(domain, uuid, reason, hint, sight);
		break;
	case VIR_DOMAIN_SHUTDOWN:
		sight->state = SIGHT_SHUTTING;
		break;
	case VIR_DOMAIN_CRASHED: /* kept by on_crash=preserve */
		sight->state = SIGHT_PAUSED;
		sight->reason = "crashed";
		break;
	case VIR_DOMAIN_SHUTOFF:
		look_for_process(uuid, sight);
		break;
	default:
		snprintf(sight->text, sizeof(sight->text), "libvirt gives it the state %d", state);
	}
}

void sight_take(virConnectPtr conn, const char *why, const char *uuid,
		const struct sight_hint *hint, struct sight *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	struct sight sight = { .state = SIGHT_UNKNOWN, .reason = "", .libvirt_id = -1 };
	int r = conn ? link_domain(conn, uuid, &domain) : -EIO;

	if (r == 0)
		judge(domain, uuid, hint, &sight);
	else if (r == -ENOENT)
		look_for_process(uuid, &sight);
	else
		snprintf(sight.text, sizeof(sight.text), "%.250s", conn ? link_error() : why);
	*ret = sight;
}
