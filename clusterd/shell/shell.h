/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_SHELL_H
#define CLUSTERD_SHELL_SHELL_H

/*
 * What the parts of the shell share: the libqb loop they wait in, where the events go
 * that they make, and the clocks. The sink fills in the time of an event, steps the core
 * and carries the update out, which comes back to the parts; so a part calls the sink only
 * from the loop, never from a call that carries an update out.
 */

#include <stdint.h>

#include <qb/qbloop.h>

#include "clusterd/core/event.h"

struct shell {
	qb_loop_t *loop;
	void (*event)(void *context, struct event *event);
	/* The daemon cannot go on: why is a sentence. Returns; the loop then ends. */
	void (*fatal)(void *context, const char *why);
	void *context;
};

uint64_t shell_boot_ms(void);	/* CLOCK_BOOTTIME: for everything that is measured */
uint64_t shell_wall_ms(void);	/* for display */
uint64_t shell_random(void);	/* never 0 */

enum { SHELL_UUID_SIZE = 37 };
void shell_uuid(char uuid[SHELL_UUID_SIZE]);	/* random, RFC 4122 version 4 */

/* A timer that is armed or not. Arming it again replaces the time. */
struct shell_timer {
	qb_loop_timer_handle handle;
};
void shell_timer_arm(const struct shell *shell, struct shell_timer *timer, uint64_t in_ms,
		     void (*fire)(void *context), void *context);
void shell_timer_stop(const struct shell *shell, struct shell_timer *timer);
/* To be said by fire() first: libqb's handle is spent. */
void shell_timer_fired(struct shell_timer *timer);

void shell_close_fd(int *fd);	/* closes it unless negative; sets it to -1 */

#endif
