/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sight: what is true about one guest on this node, right now, from libvirt and the kernel.
 *
 * ABSENT is said only when libvirt answered that it has no such domain running and no process of it
 * exists. Whoever believes it will start the guest elsewhere, so everything that could not be told
 * is UNKNOWN.
 *
 * How libvirt 9.0 shows a destination (tried out): while memory still arrives it is paused and
 * virDomainGetJobInfo() fails with "only on the source host"; when complete (VIR_MIGRATE_PAUSED) it
 * is paused (user), without a job, the last completed job is an incoming migration, and its virtual
 * CPUs have run less than a millisecond since they exist (setting themselves up).
 */
#ifndef MIGRATE_DRIVER_SIGHT_H
#define MIGRATE_DRIVER_SIGHT_H

#include <stdbool.h>

#include <libvirt/libvirt.h>

enum sight_state {
	SIGHT_ABSENT,
	SIGHT_RUNNING,
	SIGHT_PAUSED,
	SIGHT_INCOMING,
	SIGHT_COMPLETE,
	SIGHT_SHUTTING,
	SIGHT_UNKNOWN,
};

struct sight {
	enum sight_state state;
	const char *reason; /* of PAUSED; static, "" for the rest */
	bool job;           /* a libvirt job is on it */
	int libvirt_id;     /* differs between two lives of a guest; -1 if not active */
	char text[300];     /* of UNKNOWN: why; "" for the rest */
};

/* What the caller knows already; saves calls that may block. */
struct sight_hint {
	int arrived_id; /* libvirt_id that was INCOMING and has not run since; -1: none */
	bool job;       /* we have a job on it: do not ask QEMU, it may be busy */
};

/* conn NULL: libvirt does not answer, why tells more. */
void sight_take(virConnectPtr conn, const char *why, const char *uuid,
		const struct sight_hint *hint, struct sight *ret);

/* The word for a pause's reason of libvirt, "user", "ioerror", ... */
const char *sight_pause_reason(int reason);

#endif
