/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Outcome: how something that was asked of libvirt ended, with a sentence for people.
 *
 * It is what was found afterwards, not what a call returned: libvirt reports success for guests
 * that are dead and failure for moves that took place.
 */
#ifndef MIGRATE_DRIVER_OUTCOME_H
#define MIGRATE_DRIVER_OUTCOME_H

#include <stdarg.h>
#include <stdio.h>

enum outcome_code {
	OUTCOME_OK,
	OUTCOME_FAILED, /* it is as it was before */
	OUTCOME_ABSENT, /* the guest is gone and nothing is left of it */
	OUTCOME_TIMEOUT,
	OUTCOME_REFUSED,   /* it was not even tried */
	OUTCOME_CANCELLED, /* given up because somebody asked for that; as it was before */
	OUTCOME_RAN_ON,    /* the source ran again, or may have: nothing was ended */
};

struct outcome {
	enum outcome_code code;
	char text[600];
};

static inline void __attribute__((format(printf, 3, 4)))
outcome_set(struct outcome *outcome, enum outcome_code code, const char *format, ...)
{
	va_list args;

	outcome->code = code;
	va_start(args, format);
	vsnprintf(outcome->text, sizeof(outcome->text), format, args);
	va_end(args);
}

#endif
