/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/why.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/check.h"

int why_give(const struct buf *why, char *ret_why, size_t size)
{
	size_t n;

	if (size == 0)
		return -EINVAL;
	snprintf(ret_why, size, "%s", buf_str(why));
	n = strlen(ret_why);
	/* It was cut in the middle of a character, perhaps. */
	ret_why[wire_text_fit(buf_str(why), n)] = 0;
	if (wire_text_ok(ret_why, strlen(ret_why), false))
		return -EINVAL;
	/* A parser quotes what it stumbles over. */
	for (char *at = ret_why; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	return -EINVAL;
}

void why_field(struct buf *why, const char *field)
{
	buf_printf(why,
		   "something in the definition is too long, too many or holds control characters "
		   "(%s): shorten it",
		   field);
}
