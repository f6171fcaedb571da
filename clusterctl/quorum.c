/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/quorum.h"

#include "base/buf.h"
#include "base/mem.h"
#include "clusterctl/field.h"

/* The voters that are not here, as one may say them. The caller frees it. */
static char *absent_voters(const json_t *nodes, json_int_t needed)
{
	struct buf out = { 0 };
	const json_t *node;
	size_t i, n = 0, absent = 0;

	json_array_foreach(nodes, i, node)
		absent += field_true(node, "voter") && !field_true(node, "member");
	if (needed > 1 && (size_t)needed < absent)
		buf_printf(&out, "%" JSON_INTEGER_FORMAT " of ", needed);
	json_array_foreach(nodes, i, node) {
		if (!field_true(node, "voter") || field_true(node, "member"))
			continue;
		n++;
		buf_printf(&out, "%s%s",
			   n == 1         ? ""
			   : n < absent   ? ", "
			   : needed == 1  ? " or "
					  : " and ",
			   field_text(node, "name"));
	}
	return buf_steal_str(&out);
}

char *quorum_awaited(const json_t *status)
{
	const json_t *standing = json_object_get(status, "standing");
	const json_t *quorum = json_object_get(status, "quorum");
	json_int_t needed = field_number(quorum, "needed") - field_number(quorum, "present");
	_cleanup_(freep) char *absent = absent_voters(json_object_get(status, "nodes"), needed);

	if (!json_is_false(json_object_get(standing, "open")))
		return NULL;
	if (needed <= 0 || !*absent)
		return mem_printf("waiting up to %d s: %s", QUORUM_WAIT_S,
				  field_text(standing, "why_not"));
	return mem_printf("no quorum: waiting up to %d s for %s", QUORUM_WAIT_S, absent);
}

void quorum_say_awaited(struct ctl *ctl)
{
	struct ctl_error error = { 0 };
	json_t *status = NULL;
	char *text;

	/* Whatever is wrong, the change itself will say it. */
	if (!ctl_ask_object(ctl, ctl_request("status"), &status, &error)) {
		ctl_error_free(&error);
		return;
	}
	text = quorum_awaited(status);
	if (text)
		ctl_say("%s", text);
	free(text);
	json_decref(status);
}
