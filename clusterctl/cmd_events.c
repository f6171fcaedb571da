/* SPDX-License-Identifier: GPL-2.0-or-later */
/* events: what happened, and with --follow what happens. */
#include "base/text.h"
#include "clusterctl/clock.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"

#include <errno.h>

enum { DEFAULT_LIMIT = 50, LIMIT_MAX = 5000, COME_BACK_MS = 60000, TRY_MS = 500 };

static const char *mark_of(const json_t *event)
{
	if (field_is(event, "severity", "error"))
		return "ERROR";
	return field_is(event, "severity", "warning") ? "WARN" : "info";
}

static enum table_tone tone_of(const json_t *event)
{
	if (field_is(event, "severity", "error"))
		return TABLE_BAD;
	return field_is(event, "severity", "warning") ? TABLE_WARN : TABLE_PLAIN;
}

static void row_of_event(struct table *table, const json_t *event, void *context)
{
	char text[SHOW_TIME_SIZE];

	table_cell(table, show_time(text, field_number(event, "time_ms")));
	table_cell_toned(table, tone_of(event), mark_of(event));
	table_cell(table, field_text(event, "subject"));
	table_cell(table, field_text(event, "text"));
}

/* ---- following ---- */

struct follow {
	struct ctl *ctl;
	json_int_t last; /* id of the newest event seen */
	json_int_t limit;
};

/* One line an event, so that columns cannot be aligned with what is yet to come. */
static int print_event(struct follow *follow, json_t *event)
{
	_cleanup_(freep) char *subject = table_clean(field_text(event, "subject"));
	_cleanup_(freep) char *words = table_clean(field_text(event, "text"));
	char text[SHOW_TIME_SIZE];

	if (field_number(event, "id") > follow->last)
		follow->last = field_number(event, "id");
	if (follow->ctl->json) {
		json_dumpf(event, stdout, JSON_COMPACT);
		fputc('\n', stdout);
	} else {
		printf("%s  %-5s  %-16s  %s\n", show_time(text, field_number(event, "time_ms")),
		       mark_of(event), subject, words);
	}
	return fflush(stdout) == 0 ? 0 : -EPIPE;
}

static int print_events(struct follow *follow, json_t *data)
{
	json_t *event;
	size_t i;
	int r = 0;

	if (json_is_object(data))
		return print_event(follow, data);
	json_array_foreach(data, i, event)
		if (r == 0)
			r = print_event(follow, event);
	return r;
}

/*
 * Prints what comes until the connection ends or the daemon says no. -EPIPE of stdout comes as
 * -ESPIPE.
 */
static int listen_on(struct follow *follow, json_t **ret_refusal)
{
	json_t *request =
		json_pack("{s:s,s:I,s:b}", "do", "events", "limit", follow->limit, "follow", 1);
	struct client_record record = { 0 };
	int r;

	if (follow->last)
		json_object_set_new(request, "after", json_integer(follow->last));
	r = client_send(follow->ctl->client, request);
	json_decref(request);
	while (r == 0) {
		r = client_next(follow->ctl->client, -1, &record);
		if (r == 0 && record.error)
			*ret_refusal = json_incref(record.error);
		if (r == 0 && print_events(follow, record.data) < 0)
			r = -ESPIPE;
		if (r == 0 && record.last)
			r = -ECONNRESET;
		client_record_free(&record);
		if (*ret_refusal)
			return 0;
	}
	return r;
}

/* The daemon went away: waits for it to come back. */
static bool reconnect(struct ctl *ctl, struct ctl_error *ret_error)
{
	uint64_t end_ms = clock_ms() + COME_BACK_MS;

	ctl_disconnect(ctl);
	ctl_say("The daemon closed the connection; trying again.");
	for (;;) {
		clock_sleep(TRY_MS);
		if (ctl_connect(ctl, ret_error))
			return true;
		if (clock_ms() >= end_ms)
			return false;
		ctl_error_free(ret_error);
	}
}

static int follow_events(struct ctl *ctl, json_int_t limit)
{
	struct follow follow = { .ctl = ctl, .limit = limit };
	struct ctl_error error = { 0 };
	json_t *refusal = NULL;
	int r;

	if (!ctl_connect(ctl, &error))
		return ctl_fail(ctl, &error);
	for (;;) {
		r = listen_on(&follow, &refusal);
		if (refusal) {
			error = ctl_error_make(exit_of_code(field_text(refusal, "code")), "failed",
					       "%s", field_text(refusal, "text"));
			json_decref(refusal);
			break;
		}
		if (r == -ESPIPE)
			return EXIT_FAILED;
		if (r != -ECONNRESET && r != -EPIPE) {
			error = ctl_error_make(EXIT_NO_DAEMON, "no-daemon", "%s", strerror(-r));
			break;
		}
		if (!reconnect(ctl, &error))
			break;
	}
	/* Each line was a document of its own; an error is not one more of them. */
	ctl->silent = true;
	return ctl_fail(ctl, &error);
}

/* ---- events ---- */

int cmd_events(struct ctl *ctl, const struct cli_call *call)
{
	static const char *const columns[] = { "TIME", "LEVEL", "SUBJECT", "EVENT", NULL };
	struct show_list list = { .columns = columns,
				  .row = row_of_event,
				  .empty = "There were no events yet." };
	const char *given = cli_value(call, "limit");
	struct ctl_error error = { 0 };
	uint64_t limit = DEFAULT_LIMIT;
	json_t *events = NULL;
	int exit;

	if (given && text_parse_uint(given, 1, LIMIT_MAX, &limit) < 0) {
		error = ctl_error_make(EXIT_USAGE, "invalid", "--limit is a number from 1 to %d",
				       LIMIT_MAX);
		return ctl_fail(ctl, &error);
	}
	if (cli_has(call, "follow"))
		return follow_events(ctl, (json_int_t)limit);
	if (!ctl_ask_list(ctl, json_pack("{s:s,s:I}", "do", "events", "limit", (json_int_t)limit),
			  &events, &error))
		return ctl_fail(ctl, &error);
	exit = show_records(ctl, &list, events);
	json_decref(events);
	return exit;
}
