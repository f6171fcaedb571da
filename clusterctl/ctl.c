/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/ctl.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/clock.h"
#include "clusterctl/field.h"
#include "clusterctl/hint.h"
#include "clusterctl/quorum.h"
#include "clusterctl/table.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { RETRY_PAUSE_MS = 200 };

/* ---- errors ---- */

struct ctl_error ctl_error_make(enum ctl_exit exit, const char *code, const char *format, ...)
{
	struct ctl_error error = { .exit = exit, .code = code };
	va_list args;

	va_start(args, format);
	error.own = mem_vprintf(format, args);
	va_end(args);
	error.text = error.own;
	return error;
}

void ctl_error_free(struct ctl_error *error)
{
	json_decref(error->json);
	free(error->own);
	*error = (struct ctl_error){ 0 };
}

/* Takes the error object over. */
static struct ctl_error error_of_daemon(json_t *json)
{
	const char *code = field_text(json, "code");

	return (struct ctl_error){
		.exit = exit_of_code(code),
		.code = code,
		.text = field_text(json, "text"),
		.json = json,
	};
}

static struct ctl_error error_of_errno(const struct ctl *ctl, int r)
{
	switch (r) {
	case -EACCES:
	case -EPERM:
		return ctl_error_make(EXIT_DENIED, "denied",
				      "no permission to use %s: be root or a member of the group "
				      "clusterd",
				      ctl->socket);
	case -E2BIG:
		return ctl_error_make(EXIT_FAILED, "limit",
				      "the request is larger than %d bytes: clusterd takes no more "
				      "at once",
				      CLIENT_REQUEST_MAX);
	case -EPROTO:
		return ctl_error_make(EXIT_NO_DAEMON, "no-daemon",
				      "what answers at %s does not speak as clusterd of this "
				      "version does",
				      ctl->socket);
	case -EINTR:
		return ctl_error_make(EXIT_UNKNOWN, "unknown-outcome", "interrupted");
	default:
		return ctl_error_make(
			EXIT_NO_DAEMON, "no-daemon",
			"clusterd does not answer at %s: %s; systemctl status clusterd",
			ctl->socket, strerror(-r));
	}
}

/* ---- asking ---- */

json_t *ctl_request(const char *verb)
{
	return json_pack("{s:s}", "do", verb);
}

void ctl_disconnect(struct ctl *ctl)
{
	client_free(ctl->client);
	ctl->client = NULL;
}

void ctl_close(struct ctl *ctl)
{
	ctl_disconnect(ctl);
}

bool ctl_connect(struct ctl *ctl, struct ctl_error *ret_error)
{
	int r = ctl->client ? 0 : client_open(ctl->socket, &ctl->client);

	if (r == 0)
		return true;
	*ret_error = error_of_errno(ctl, r);
	return false;
}

/* Whether the daemon was there and went away, or is about to be there. */
static bool is_absence(int r)
{
	return r == -ECONNRESET || r == -EPIPE || r == -ECONNREFUSED || r == -ENOENT ||
	       r == -ENOTCONN;
}

static uint64_t earlier(uint64_t end_ms, const struct ctl *ctl)
{
	return ctl->end_ms && ctl->end_ms < end_ms ? ctl->end_ms : end_ms;
}

/*
 * Asks until there is an answer. A daemon that was not there at the first try is not waited
 * for; one that went away after it had taken the request, is.
 */
static int ask_again(struct ctl *ctl, json_t *request, uint64_t end_ms, struct client_reply *ret)
{
	uint64_t retry_end_ms = 0;
	int r;

	for (;;) {
		r = ctl->client ? 0 : client_open(ctl->socket, &ctl->client);
		if (r == 0)
			r = client_ask(ctl->client, request, clock_until(end_ms), ret);
		else if (!retry_end_ms)
			return r;
		if (r == 0)
			return 0;
		ctl_disconnect(ctl);
		if (!is_absence(r))
			return r;
		if (!retry_end_ms)
			retry_end_ms = earlier(clock_ms() + CTL_RETRY_MS, ctl);
		if (clock_ms() >= retry_end_ms)
			return r;
		clock_sleep(RETRY_PAUSE_MS);
	}
}

static bool ask(struct ctl *ctl, json_t *request, int timeout_ms, json_t **ret_records,
		struct ctl_error *ret_error)
{
	struct client_reply reply = { 0 };
	uint64_t end_ms = earlier(clock_ms() + (uint64_t)timeout_ms, ctl);
	int r = ask_again(ctl, request, end_ms, &reply);

	json_decref(request);
	if (r < 0) {
		*ret_error = error_of_errno(ctl, r);
		return false;
	}
	if (reply.error) {
		*ret_error = error_of_daemon(reply.error);
		return false;
	}
	*ret_records = reply.records;
	return true;
}

bool ctl_ask(struct ctl *ctl, json_t *request, json_t **ret_records, struct ctl_error *ret_error)
{
	return ask(ctl, request, CTL_READ_MS, ret_records, ret_error);
}

bool ctl_ask_list(struct ctl *ctl, json_t *request, json_t **ret_list, struct ctl_error *ret_error)
{
	json_t *records = NULL, *list, *part;
	size_t i;

	if (!ctl_ask(ctl, request, &records, ret_error))
		return false;
	list = json_array();
	json_array_foreach(records, i, part) {
		if (json_array_extend(list, part) == 0)
			continue;
		*ret_error = error_of_errno(ctl, -EPROTO);
		json_decref(list);
		json_decref(records);
		return false;
	}
	json_decref(records);
	*ret_list = list;
	return true;
}

/* Takes the records over; their first is the object. */
static bool only_object(struct ctl *ctl, json_t *records, json_t **ret, struct ctl_error *ret_error)
{
	json_t *first = json_array_get(records, 0);

	if (json_is_object(first)) {
		*ret = json_incref(first);
		json_decref(records);
		return true;
	}
	json_decref(records);
	*ret_error = error_of_errno(ctl, -EPROTO);
	return false;
}

bool ctl_ask_object(struct ctl *ctl, json_t *request, json_t **ret, struct ctl_error *ret_error)
{
	json_t *records = NULL;

	return ctl_ask(ctl, request, &records, ret_error) &&
	       only_object(ctl, records, ret, ret_error);
}

bool ctl_ask_file(struct ctl *ctl, json_t *request, json_t **ret, int *ret_file,
		  struct ctl_error *ret_error)
{
	json_t *records = NULL;
	int file;

	if (!ask(ctl, request, CTL_FILE_MS, &records, ret_error) ||
	    !only_object(ctl, records, ret, ret_error))
		return false;
	file = client_take_file(ctl->client);
	if (file >= 0) {
		*ret_file = file;
		return true;
	}
	json_decref(*ret);
	*ret = NULL;
	*ret_error = error_of_errno(ctl, -EPROTO);
	return false;
}

static char *random_request(void)
{
	uint64_t number = 0;

	/* 63 bits, and never 0, which means none. */
	while (number == 0) {
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			number = clock_ms() << 20 ^ (uint64_t)getpid();
		number >>= 1;
	}
	return mem_printf("0x%016jx", (uintmax_t)number);
}

bool ctl_change(struct ctl *ctl, json_t *request, json_t **ret_verdict, struct ctl_error *ret_error)
{
	_cleanup_(freep) char *number = random_request();
	json_t *records = NULL;
	bool connected = ctl_connect(ctl, ret_error);

	if (connected && ctl->live) {
		quorum_say_awaited(ctl);
		connected = ctl_connect(ctl, ret_error);
	}
	if (!connected) {
		json_decref(request);
		return false;
	}
	json_object_set_new(request, "request", json_string(number));
	if (ask(ctl, request, CTL_CHANGE_MS, &records, ret_error))
		return only_object(ctl, records, ret_verdict, ret_error);
	/* It was asked; without an answer nobody can say that nothing happened. */
	if (ret_error->exit == EXIT_NO_DAEMON) {
		struct ctl_error error = ctl_error_make(
			EXIT_UNKNOWN, "unknown-outcome",
			"%s; whether the change was made is not known: look before you repeat it",
			ret_error->text);

		ctl_error_free(ret_error);
		*ret_error = error;
	}
	return false;
}

/* ---- answering ---- */

void ctl_say(const char *format, ...)
{
	_cleanup_(freep) char *text = NULL, *clean = NULL;
	va_list args;

	va_start(args, format);
	text = mem_vprintf(format, args);
	va_end(args);
	clean = table_clean(text);
	fprintf(stderr, "%s\n", clean);
}

int ctl_print_json(json_t *json)
{
	int r = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);

	json_decref(json);
	fputc('\n', stdout);
	return r == 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static void print_error(struct ctl *ctl, const struct ctl_error *error)
{
	if (!ctl->json || ctl->silent)
		return;
	ctl->silent = true;
	if (error->json)
		ctl_print_json(json_pack("{s:O}", "error", error->json));
	else
		ctl_print_json(json_pack("{s:{s:s,s:s}}", "error", "code", error->code, "text",
					 error->text));
}

int ctl_fail(struct ctl *ctl, struct ctl_error *error)
{
	int exit = error->exit == EXIT_OK ? EXIT_FAILED : (int)error->exit;

	ctl_say("%s: %s", ctl_cli.program, error->text);
	print_error(ctl, error);
	if (exit == EXIT_NO_SUCH)
		hint_say(ctl, error->text);
	ctl_error_free(error);
	return exit;
}

/* ---- looking up ---- */

bool ctl_names(struct ctl *ctl, enum cli_kind kind, json_t **ret_names)
{
	static const char *const verbs[] = {
		[CLI_VM] = "vms",           [CLI_NODE] = "nodes",
		[CLI_FENCE] = "fences",     [CLI_VOLUME] = "volumes",
		[CLI_SETTING] = "settings", [CLI_OPERATION] = "operations",
	};
	const char *verb = (size_t)kind < ARRAY_SIZE(verbs) ? verbs[kind] : NULL;
	struct ctl_error error = { 0 };
	json_t *list = NULL, *item;
	size_t i;

	if (!verb)
		return false;
	if (!ctl_ask_list(ctl, ctl_request(verb), &list, &error)) {
		ctl_error_free(&error);
		return false;
	}
	*ret_names = json_array();
	json_array_foreach(list, i, item) {
		if (kind == CLI_OPERATION)
			json_array_append_new(*ret_names, json_sprintf("%" JSON_INTEGER_FORMAT,
								       field_number(item, "id")));
		else if (*field_text(item, "name"))
			json_array_append(*ret_names, json_object_get(item, "name"));
	}
	json_decref(list);
	return true;
}

json_int_t ctl_node_id(const json_t *nodes, const char *name)
{
	const json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node)
		if (field_is(node, "name", name))
			return field_number(node, "id");
	return 0;
}
