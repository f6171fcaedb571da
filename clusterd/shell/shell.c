/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/shell.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t shell_boot_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

uint64_t shell_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

uint64_t shell_random(void)
{
	uint64_t number = 0;

	while (number == 0)
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			number = 0;
	return number;
}

void shell_uuid(char uuid[SHELL_UUID_SIZE])
{
	uint64_t a = shell_random(), b = shell_random();

	snprintf(uuid, SHELL_UUID_SIZE, "%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(a >> 32),
		 (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
		 (unsigned)(0x8000 | (b >> 48 & 0x3fff)), b & UINT64_C(0xffffffffffff));
}

void shell_timer_arm(const struct shell *shell, struct shell_timer *timer, uint64_t in_ms,
		     void (*fire)(void *context), void *context)
{
	int32_t error;

	shell_timer_stop(shell, timer);
	error = qb_loop_timer_add(shell->loop, QB_LOOP_MED, in_ms * 1000000, context, fire,
				  &timer->handle);
	assert(error == 0);
}

void shell_timer_stop(const struct shell *shell, struct shell_timer *timer)
{
	if (timer->handle)
		qb_loop_timer_del(shell->loop, timer->handle);
	timer->handle = 0;
}

void shell_timer_fired(struct shell_timer *timer)
{
	timer->handle = 0;
}

void shell_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
