/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/clock.h"

#include <limits.h>
#include <time.h>

uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int clock_until(uint64_t moment_ms)
{
	uint64_t now = clock_ms();

	if (moment_ms <= now)
		return 0;
	return moment_ms - now > INT_MAX ? INT_MAX : (int)(moment_ms - now);
}

void clock_sleep(uint64_t ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1000),
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}
