/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vigil: watching that the source of a live move stands still, from when the move has stopped its
 * virtual CPUs to its end.
 *
 * When all goes well, libvirtd ends the source itself, some milliseconds after its memory is
 * complete at the destination, but says so only 200 ms later, and for as long the guest would stand
 * still. Whoever has seen it stand still all the time until its end need not wait for that.
 */
#ifndef MIGRATE_DRIVER_VIGIL_H
#define MIGRATE_DRIVER_VIGIL_H

#include <stdbool.h>
#include <sys/types.h>

#include "migrate/driver/process.h"

struct vigil {
	pid_t pid;
	int pidfd;                  /* of it */
	struct process_vcpus stood; /* as they were when they were stopped */
	/* Asked at every look: may it have been resumed, or does nobody want to know any more? */
	bool (*over)(void *context);
	void *context;
};

/*
 * Blocks. True: its virtual CPUs are gone and will not run again, and they were seen standing still
 * until then, but for VIGIL_GAP_MS at most. False: they were not, or it is over.
 */
enum { VIGIL_GAP_MS = 20 };
bool vigil_keep(const struct vigil *vigil);

#endif
