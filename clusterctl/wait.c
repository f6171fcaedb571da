/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/wait.h"

#include "base/buf.h"
#include "base/text.h"
#include "clusterctl/clock.h"
#include "clusterctl/field.h"
#include "clusterctl/table.h"
#include "wire/check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { POLL_MS = 100, LINE_MS = 500 };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	interrupted = 1;
}

/* Ctrl-C ends the waiting with a sentence instead of the process without one. */
static void catch_interrupt(struct sigaction *ret_before)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	interrupted = 0;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, ret_before);
}

enum ctl_exit wait_exit(const json_t *operation, bool cancelled_is_good)
{
	const char *outcome = field_text(operation, "outcome");

	if (strcmp(outcome, "done") == 0)
		return cancelled_is_good ? EXIT_FAILED : EXIT_OK;
	if (strcmp(outcome, "cancelled") == 0)
		return cancelled_is_good ? EXIT_OK : EXIT_FAILED;
	return strcmp(outcome, "failed") == 0 ? EXIT_FAILED : EXIT_UNKNOWN;
}

static void append_subject(struct buf *line, const json_t *operation)
{
	if (*field_text(operation, "vm_name"))
		buf_printf(line, "%s: ", field_text(operation, "vm_name"));
	else if (*field_text(operation, "device_name"))
		buf_printf(line, "%s: ", field_text(operation, "device_name"));
	buf_append_str(line, field_text(operation, "kind"));
	if (*field_text(operation, "to_name") && *field_text(operation, "vm_name"))
		buf_printf(line, " to %s", field_text(operation, "to_name"));
}

/* How far a move is: of anything else, what the daemon last heard of a move says nothing. */
static void append_progress(struct buf *line, const json_t *operation, const json_t *progress)
{
	json_int_t total = field_number(progress, "total"), done = field_number(progress, "done");
	json_int_t eta_ms = field_number(progress, "eta_ms");
	char text[TEXT_QUANTITY_SIZE];

	if ((!field_is(operation, "kind", "live") && !field_is(operation, "kind", "quick")) ||
	    total <= 0 || done < 0)
		return;
	buf_printf(line, " %d %%", done >= total ? 100 : (int)((double)done * 100 / (double)total));
	if (field_number(progress, "pass") > 1)
		buf_printf(line, " pass %" JSON_INTEGER_FORMAT, field_number(progress, "pass"));
	if (eta_ms > 0)
		buf_printf(line, ", %s left", text_format_ms(text, (uint64_t)eta_ms));
}

/* A VM agent that waits for its libvirt has no deadline of its own: nothing else would be seen. */
static void append_obstacle(struct buf *line, const json_t *node)
{
	const json_t *facts = json_object_get(node, "facts");
	const char *name = field_text(node, "name"), *why = field_text(node, "why");

	if (!*name || field_true(node, "witness"))
		return;
	if (!field_is(node, "state", "up"))
		buf_printf(line, "; %s is not up%s%s", name, *why ? ": " : "", why);
	else if (json_is_object(facts) && !field_true(facts, "agent_ok"))
		buf_printf(line, "; libvirt on %s is not ready%s%s", name, *why ? ": " : "", why);
}

char *wait_line(const json_t *operation, const json_t *vm, const json_t *node,
		const json_t *progress, uint64_t waited_ms)
{
	struct buf line = { 0 };
	char *clean;

	append_subject(&line, operation);
	if (*field_text(vm, "phase"))
		buf_printf(&line, ", %s", field_text(vm, "phase"));
	append_progress(&line, operation, progress);
	buf_printf(&line, " (%" PRIu64 " s)", waited_ms / 1000);
	append_obstacle(&line, node);
	clean = table_clean(buf_str(&line));
	buf_free(&line);
	return clean;
}

static json_t *ask_quietly(struct ctl *ctl, const char *verb, const char *name)
{
	json_t *request = json_pack("{s:s,s:s}", "do", verb, "name", name);
	struct ctl_error error = { 0 };
	json_t *object = NULL;

	if (!ctl_ask_object(ctl, request, &object, &error))
		ctl_error_free(&error);
	return object;
}

static void show_line(struct ctl *ctl, const json_t *operation, uint64_t waited_ms)
{
	const char *name = field_text(operation, "vm_name");
	json_t *vm = *name ? ask_quietly(ctl, "vm", name) : NULL;
	json_t *progress = *name ? ask_quietly(ctl, "progress", name) : NULL;
	const char *owner = field_text(vm, "owner_name");
	json_t *node = *owner ? ask_quietly(ctl, "node", owner) : NULL;
	_cleanup_(freep) char *line = wait_line(operation, vm, node, progress, waited_ms);
	struct winsize size = { 0 };
	int columns = 79;

	/*
	 * A line that wraps can not be overwritten. Cut by bytes, between characters: shorter than
	 * it could be is fine.
	 */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		columns = size.ws_col - 1;
	fprintf(stderr, "\r\033[K%.*s", (int)wire_text_fit(line, (size_t)columns), line);
	fflush(stderr);
	json_decref(vm);
	json_decref(node);
	json_decref(progress);
}

static bool give_up(struct ctl *ctl, json_int_t id, struct ctl_error *ret_error)
{
	char text[TEXT_QUANTITY_SIZE];
	const char *goes_on = "it goes on: clusterctl operation wait";

	if (interrupted) {
		*ret_error = ctl_error_make(EXIT_UNKNOWN, "unknown-outcome",
					    "no longer waiting for operation %" JSON_INTEGER_FORMAT
					    "; %s %" JSON_INTEGER_FORMAT,
					    id, goes_on, id);
		return true;
	}
	if (ctl->end_ms && clock_ms() >= ctl->end_ms) {
		*ret_error = ctl_error_make(EXIT_UNKNOWN, "unknown-outcome",
					    "operation %" JSON_INTEGER_FORMAT
					    " has not ended within %s; %s %" JSON_INTEGER_FORMAT,
					    id, text_format_ms(text, ctl->timeout_ms), goes_on, id);
		return true;
	}
	return false;
}

/* Errors that a question about an operation may meet while all is well with the operation. */
static bool passes_by(const struct ctl_error *error)
{
	return error->exit == EXIT_NO_QUORUM || error->exit == EXIT_UNKNOWN;
}

static bool look(struct ctl *ctl, json_int_t id, json_t **ret_operation,
		 struct ctl_error *ret_error)
{
	json_t *request = json_pack("{s:s,s:I}", "do", "operation", "operation", id);
	struct ctl_error error = { 0 };
	json_t *operation = NULL;

	if (ctl_ask_object(ctl, request, &operation, &error)) {
		json_decref(*ret_operation);
		*ret_operation = operation;
		return true;
	}
	if (passes_by(&error)) {
		ctl_error_free(&error);
		return true;
	}
	*ret_error = error;
	return false;
}

/* To the next question, or to the end of our time if that comes first. */
static uint64_t pause_ms(const struct ctl *ctl)
{
	uint64_t left_ms = ctl->end_ms ? (uint64_t)clock_until(ctl->end_ms) : POLL_MS;

	return left_ms < POLL_MS ? left_ms : POLL_MS;
}

static bool wait_for_end(struct ctl *ctl, json_int_t id, json_t **operation,
			 struct ctl_error *ret_error)
{
	uint64_t begun_ms = clock_ms(), shown_ms = begun_ms;

	for (;;) {
		struct ctl_error late = { 0 };

		if (!look(ctl, id, operation, ret_error)) {
			/*
			 * With its time over, a question that had no time for an answer is no
			 * fault of the daemon.
			 */
			if (give_up(ctl, id, &late)) {
				ctl_error_free(ret_error);
				*ret_error = late;
			}
			return false;
		}
		if (*operation && !field_is(*operation, "outcome", "running"))
			return true;
		if (give_up(ctl, id, ret_error))
			return false;
		if (ctl->live && *operation && clock_ms() - shown_ms >= LINE_MS) {
			shown_ms = clock_ms();
			show_line(ctl, *operation, shown_ms - begun_ms);
		}
		clock_sleep(pause_ms(ctl));
	}
}

bool wait_operation(struct ctl *ctl, json_int_t id, json_t **ret_operation,
		    struct ctl_error *ret_error)
{
	json_t *operation = NULL;
	struct sigaction before;
	bool ended;

	catch_interrupt(&before);
	ended = wait_for_end(ctl, id, &operation, ret_error);
	sigaction(SIGINT, &before, NULL);
	if (ctl->live)
		fprintf(stderr, "\r\033[K");
	if (ended)
		*ret_operation = operation;
	else
		json_decref(operation);
	return ended;
}
