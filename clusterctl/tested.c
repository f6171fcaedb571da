/* SPDX-License-Identifier: GPL-2.0-or-later */
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

/* What a test says is of when it ended: of a device that has gone since it proves nothing now. */
static void say_good(const json_t *operation, const char *how, bool looks_back)
{
	const char *device = field_text(operation, "device_name"),
		   *node = field_text(operation, "node_name"),
		   *text = field_text(operation, "text");

	if (!*device)
		ctl_say("A device that was removed since: %s was %s (%s); it could prove then that "
			"%s is dead", node, text, how, node);
	else if (looks_back)
		ctl_say("%s: %s was %s (%s); it could prove then that %s is dead", device, node,
			text, how, node);
	else
		ctl_say("%s: %s is %s (%s); it can prove that %s is dead", device, node, text, how,
			node);
}

int tested_say(struct ctl *ctl, const json_t *operation, bool looks_back, int exit)
{
	const char *device = field_text(operation, "device_name"),
		   *node = field_text(operation, "node_name"),
		   *text = field_text(operation, "text");
	const char *advice = advice_on_fencing(text);
	_cleanup_(freep) char *how = how_asked(operation);

	if (exit != EXIT_OK) {
		ctl_say("%s: the test of %s for %s failed (%s): %s; it %s prove %sthat %s is dead",
			ctl_cli.program, *device ? device : "a device that was removed since",
			node, how, text, looks_back ? "could not" : "cannot",
			looks_back ? "then " : "", node);
		if (advice)
			ctl_say("%s", advice);
		return exit;
	}
	say_good(operation, how, looks_back);
	return EXIT_OK;
}
