/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/exits.h"

#include "base/cleanup.h"

#include <stddef.h>
#include <string.h>

enum ctl_exit exit_of_code(const char *code)
{
	static const struct {
		const char *code;
		enum ctl_exit exit;
	} table[] = {
		{ "ok", EXIT_OK },
		{ "no-such", EXIT_NO_SUCH },
		{ "no-quorum", EXIT_NO_QUORUM },
		{ "unknown-outcome", EXIT_UNKNOWN },
		{ "denied", EXIT_DENIED },
	};

	for (size_t i = 0; code && i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].code, code) == 0)
			return table[i].exit;
	return EXIT_FAILED;
}
