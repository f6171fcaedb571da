/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/vigil.h"

#include <errno.h>
#include <stdint.h>

enum {
	LOOK_MS = 2,
	HEAR_MS = 5, /* that it was resumed, libvirt may just be telling */
};

enum look { STANDS, RAN, GONE };

/* Fewer than there were: the process is ending, and the first of them are gone. */
static enum look look(const struct vigil *vigil)
{
	struct process_vcpus now;
	int r = process_vcpus_read(vigil->pid, &now);

	if (r == -ESRCH || (r == 0 && now.count < vigil->stood.count))
		return GONE;
	return r == 0 && process_vcpus_stood(&vigil->stood, &now) ? STANDS : RAN;
}

static bool is_lately(uint64_t stood_ms)
{
	return process_now_ms() <= stood_ms + VIGIL_GAP_MS;
}

bool vigil_keep(const struct vigil *vigil)
{
	uint64_t stood_ms = process_now_ms(), begun_ms = stood_ms;
	enum look seen;

	while ((seen = look(vigil)) == STANDS && !vigil->over(vigil->context) &&
	       process_wait(vigil->pidfd, LOOK_MS) < 0) {
		/* Only now it is certain that the pid was its own. */
		stood_ms = begun_ms;
		begun_ms = process_now_ms();
	}
	if (seen == RAN || !is_lately(stood_ms))
		return false;
	process_pause_ms(HEAR_MS);
	return !vigil->over(vigil->context);
}
