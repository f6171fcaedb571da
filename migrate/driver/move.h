/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Move: one live migration away from this node, from the call to its end.
 *
 * Peer to peer, and always with VIR_MIGRATE_PAUSED: the destination's vCPUs stay stopped until the
 * cluster has agreed who owns the guest. libvirt alone can leave two running copies when the link
 * breaks at the wrong moment; a copy that nobody resumes cannot run.
 *
 * move_run() blocks to the end of the migration; a second thread watches it (progress, no progress,
 * deadline, wish to cancel) and aborts the job. libvirt's error codes do not tell an abort from a
 * failure, so it keeps in mind why it aborted.
 */
#ifndef MIGRATE_DRIVER_MOVE_H
#define MIGRATE_DRIVER_MOVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libvirt/libvirt.h>

#include "migrate/driver/outcome.h"

struct move_progress {
	uint64_t total, done, rate; /* bytes, bytes, bytes per second */
	uint32_t pass;
	uint64_t eta_ms;
};

struct move {
	const char *libvirt_uri; /* of this node */
	const char *uuid;
	const char *connect_uri; /* the other node's libvirtd */
	const char *data_uri;    /* where memory goes */
	bool tls;
	uint32_t bandwidth_mib_s; /* 0: no limit */
	uint32_t max_downtime_ms; /* 0: QEMU's */
	uint32_t stall_ms;        /* no progress for so long: give up; 0: never */
	uint64_t due_ms;          /* process_now_ms() at which to give up */
	const char *const *shared_paths;
	size_t shared_n;

	atomic_bool *cancel; /* set by another thread: give up */
	/* Four times a second, from the second thread. */
	void (*progress)(void *context, const struct move_progress *progress);
	void *context;
};

/*
 * OK: the guest is gone from here. FAILED, TIMEOUT, CANCELLED: it is still here. REFUSED: nothing
 * was begun. ABSENT: it is gone, though libvirt calls the move failed.
 */
void move_run(virConnectPtr conn, const struct move *move, struct outcome *ret);

/* Aborts the job of libvirt that is on the guest: move or save. OK also when there is none. */
void move_abort(virConnectPtr conn, const char *uuid, struct outcome *ret);

/*
 * Whether libvirt's refusal to move without shared storage may be overruled: of each disk that the
 * guest writes, the files must lie on one of the paths declared shared, and be opened past the page
 * cache. -EPERM with a sentence that names the disk, and what to do if it is the cache; name is the
 * guest's. Pure but for symbolic links.
 */
int move_judge_unsafe(const char *name, const char *live_xml, const char *const *shared_paths,
		      size_t n, char *ret_why, size_t why_size);

/*
 * What to put before libvirt's error when a move failed: "" or what it was that wants
 * certificates, and which, because libvirt names at most one file and never says whose. Static.
 */
const char *move_tls_advice(bool tls, const char *error);

#endif
