/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DOMAIN_WHY_H
#define DOMAIN_WHY_H

/*
 * Why: the sentence that goes with a refusal. For use inside of domain/ only.
 */

#include <stddef.h>

#include "base/buf.h"

/* Hands the sentence over, cut to fit, with bytes that are not clean text as '?'. -EINVAL. */
int why_give(const struct buf *why, char *ret_why, size_t size);

/* The sentence about a field of an essence that wire_check() refused. */
void why_field(struct buf *why, const char *field);

#endif
