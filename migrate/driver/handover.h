/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handover: the end of the source once the destination owns the guest.
 *
 * The destination holds the complete memory, paused, and its ownership is committed; it may run as
 * soon as the source cannot. Waiting for libvirt to end the source costs 200 ms; a SIGKILL costs 5.
 * But the source may have run on meanwhile: libvirtd resumes it when it loses the other libvirtd at
 * the wrong moment. Killing it then would throw away what it did since. Therefore it is stopped
 * first, which nothing but we can undo, and looked at while it stands still.
 */
#ifndef MIGRATE_DRIVER_HANDOVER_H
#define MIGRATE_DRIVER_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <libvirt/libvirt.h>

#include "migrate/driver/outcome.h"
#include "migrate/driver/process.h"

struct handover {
	const char *uuid;
	pid_t pid;             /* of its process when the move began */
	bool suspended;        /* libvirt told that the move stopped its virtual CPUs */
	bool paused_before;    /* they were stopped before the move began */
	uint64_t suspended_ms; /* process_now_ms() when that was told */
	struct process_vcpus vcpus; /* what they had run by then */
	uint32_t guard_ms;     /* libvirtd may resume it after so long */
	uint32_t timeout_ms;   /* to wait for the process to be gone */
	/*
	 * Asked while it stands still: was it resumed, or may it have been without our knowing? If
	 * not, it does not run any more, whatever becomes of it, unless the outcome is RAN_ON.
	 */
	bool (*ran_on)(void *context);
	void *context;
};

/*
 * OK: it had not run on, and no process is left. ABSENT: it was gone before that could be seen.
 * RAN_ON: it was left running, or continued as it was. TIMEOUT: nothing was found out yet, or it is
 * ending but not gone: ask again.
 */
void handover_run(virConnectPtr conn, const struct handover *handover, struct outcome *ret);

#endif
