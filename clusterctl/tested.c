// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterctl/tested.h"

#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/advice.h"
#include "clusterctl/field.h"

/* "139 ms, asked from n2" */
static char *how_asked(const json_t *operation)
{
	json_int_t begun_ms = field_number(operation, "begun_ms");
	json_int_t ended_ms = field_number(operation, "ended_ms");
	char took[TEXT_QUANTITY_SIZE];

	return mem_printf("%s, asked from %s",
			  text_format_ms(took, ended_ms > begun_ms ? (uint64_t)(ended_ms - begun_ms)
								   : 0),
			  field_text(operation, "to_name"));
}

int tested_say(struct ctl *ctl, const json_t *operation, int exit)
{
	const char *device = field_text(operation, "device_name"),
		   *node = field_text(operation, "node_name"),
		   *text = field_text(operation, "text");
	const char *advice = advice_on_fencing(text);
	_cleanup_(freep) char *how = how_asked(operation);

	if (exit != EXIT_OK) {
		ctl_say("%s: the test of %s for %s failed (%s): %s; it cannot prove that %s is "
			"dead", ctl_cli.program, device, node, how, text, node);
		if (advice)
			ctl_say("%s", advice);
		return exit;
	}
	ctl_say("%s: %s is %s (%s); it can prove that %s is dead", device, node, text, how, node);
	return EXIT_OK;
}
