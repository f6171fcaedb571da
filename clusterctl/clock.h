/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clock: the time for waiting, in ms since some moment; never set back, so no change of the
 * date shortens a wait.
 */
#ifndef CLUSTERCTL_CLOCK_H
#define CLUSTERCTL_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);

/* How long it is from now to a moment, as poll() wants it; 0 when it has passed. */
int clock_until(uint64_t moment_ms);

/* Sleeps; a signal that is handled ends it early. */
void clock_sleep(uint64_t ms);

#endif
