/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/fence_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agents/run.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	NAME_MAX_LEN = 63,
	TIMEOUT_DEFAULT_MS = 60000,
	STATUS_ON = 0,
	STATUS_OFF = 2,
};

static const char *const directories[] = { "/usr/sbin", "/sbin" };

/* ---------------------------------------------------------------- checks and input */

bool fence_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > strlen("fence_") && len <= NAME_MAX_LEN && strncmp(name, "fence_", 6) == 0 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static char *find_agent(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		_cleanup_(freep) char *path = mem_printf("%s/%s", directories[i], name);

		if (access(path, X_OK) == 0)
			return steal_ptr(path);
	}
	return NULL;
}

static bool key_ok(const char *key)
{
	size_t len =
		strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return len > 0 && key[len] == '\0' && strcmp(key, "action") != 0 &&
	       strcmp(key, "option") != 0 && strcmp(key, "nodename") != 0;
}

static bool value_ok(const char *value)
{
	return !strpbrk(value, "\n\r");
}

static int add_line(struct buf *out, const char *key, const char *value)
{
	if (!value_ok(value))
		return -EINVAL;
	buf_printf(out, "%s=%s\n", key, value);
	return 0;
}

/* The secret's lines as they are, each key=value. */
static int add_secret(struct buf *out, const char *secret, size_t len)
{
	while (len > 0) {
		const char *end = memchr(secret, '\n', len);
		size_t n = end ? (size_t)(end - secret) : len;
		const char *equals = memchr(secret, '=', n);
		_cleanup_(freep) char *key = NULL;

		if (n > 0) {
			key = mem_strndup(secret, equals ? (size_t)(equals - secret) : 0);
			if (!key_ok(key) || memchr(secret, '\0', n) || memchr(secret, '\r', n))
				return -EINVAL;
			buf_append(out, secret, n);
			buf_append_byte(out, '\n');
		}
		secret += end ? n + 1 : n;
		len -= end ? n + 1 : n;
	}
	return 0;
}

static bool has_param(const Wire__FenceCall *call, const char *key)
{
	for (size_t i = 0; i < call->n_params; i++) {
		if (strcmp(call->params[i]->key, key) == 0)
			return true;
	}
	return false;
}

int fence_input(const Wire__FenceCall *call, const char *action, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < call->n_params && r == 0; i++) {
		r = key_ok(call->params[i]->key) ? 0 : -EINVAL;
		if (r == 0)
			r = add_line(out, call->params[i]->key, call->params[i]->value);
	}
	if (r == 0)
		r = add_secret(out, (const char *)call->secret.data, call->secret.len);
	if (r == 0)
		r = add_line(out, "action", action);
	/*
	 * After an order many agents sleep 2 to 10 s before they look, on the chance. Their next
	 * step is to look every second until it is so, and then we look once more: nothing is
	 * gained by it.
	 */
	if (r == 0 && !has_param(call, "power_wait"))
		r = add_line(out, "power_wait", "0");
	/* The same thing by its new and its old name; each agent ignores what it does not know. */
	if (r == 0 && call->plug[0])
		r = add_line(out, "plug", call->plug);
	if (r == 0 && call->plug[0])
		r = add_line(out, "port", call->plug);
	if (r == 0 && call->node_name[0])
		r = add_line(out, "nodename", call->node_name);
	return r;
}

/* ---------------------------------------------------------------- masking */

static void wipe(struct buf *secret)
{
	if (secret->data)
		explicit_bzero(secret->data, secret->cap);
}

/* Marks all bytes of the text that belong to one value of the secret, wherever it is in it. */
static void mark_value(const char *text, size_t len, const char *value, size_t size, bool *hidden)
{
	const char *at = text, *hit;

	while ((hit = memmem(at, len - (size_t)(at - text), value, size)) != NULL) {
		memset(hidden + (hit - text), true, size);
		at = hit + 1;
	}
}

/* The end of a text that was cut may be the beginning of the value. */
static void mark_beginning(const char *text, size_t len, const char *value, size_t size,
			   bool *hidden)
{
	for (size_t n = size - 1 < len ? size - 1 : len; n > 0; n--)
		if (memcmp(text + len - n, value, n) == 0) {
			memset(hidden + len - n, true, n);
			return;
		}
}

static void mark_secret(const char *text, size_t len, const char *secret, size_t secret_len,
			bool cut, bool *hidden)
{
	while (secret_len > 0) {
		const char *end = memchr(secret, '\n', secret_len);
		size_t n = end ? (size_t)(end - secret) : secret_len;
		const char *equals = memchr(secret, '=', n);
		size_t value = equals ? (size_t)(secret + n - equals) - 1 : n;

		if (value > 0)
			mark_value(text, len, secret + n - value, value, hidden);
		if (value > 0 && cut)
			mark_beginning(text, len, secret + n - value, value, hidden);
		secret += end ? n + 1 : n;
		secret_len -= end ? n + 1 : n;
	}
}

/* Two values may overlap in the text: nothing of either may stay, so all are looked for first. */
static char *mask(const char *text, size_t len, const void *secret, size_t secret_len, bool cut)
{
	_cleanup_(freep) bool *hidden = mem_new_array(bool, len);
	struct buf out = { 0 };

	mark_secret(text, len, secret, secret_len, cut, hidden);
	for (size_t i = 0; i < len; i++)
		if (!hidden[i])
			buf_append_byte(&out, (uint8_t)text[i]);
		else if (i == 0 || !hidden[i - 1])
			buf_append_str(&out, "***");
	return buf_steal_str(&out);
}

char *fence_mask(const char *text, size_t len, const void *secret, size_t secret_len)
{
	return mask(text, len, secret, secret_len, false);
}

/* ---------------------------------------------------------------- steps */

enum said { SAID_NOTHING, SAID_DONE, SAID_OFF, SAID_LATE };

struct talk {
	const Wire__FenceCall *call;
	const int *stop_fds;
	char *path;
	uint32_t spent_ms; /* of the order's time, for finding out what it is given to */
	Wire__AgentReply *reply;
	char **params; /* where those that the metadata name go; NULL: nobody asks */
};

static void add_mark(struct talk *talk, const char *what)
{
	Wire__AgentReply *reply = talk->reply;
	Wire__Mark *mark = wire_new(&wire__mark__descriptor);
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	mark->at_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	wire_set(&mark->what, what);
	reply->marks = mem_resize(reply->marks, reply->n_marks + 1, sizeof(*reply->marks));
	reply->marks[reply->n_marks++] = mark;
}

static int start_step(const struct talk *talk, size_t output_max, struct running **ret)
{
	_cleanup_(argv_free) struct argv argv = { 0 };
	struct run run = { .argv = &argv,
			   .output_max = output_max,
			   .errors_max = FENCE_OUTPUT_MAX,
			   .stop_fds = { talk->stop_fds[0], talk->stop_fds[1] } };

	argv_add(&argv, talk->path);
	return run_start(&run, ret);
}

const char *fence_skip_time(const char *line)
{
	static const char form[] = "0000-00-00 00:00:00,000 ";
	size_t i = 0;

	while (form[i] && (form[i] == '0' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]))
		i++;
	return form[i] ? line : line + i;
}

const char *fence_last_line(char *text)
{
	size_t len = strlen(text);

	for (;;) {
		char *start, *line;

		while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
			len--;
		text[len] = '\0';
		start = strrchr(text, '\n');
		line = start ? start + 1 : text;
		if (!start || !strstr(line, "'-h' for usage"))
			return line;
		/* Above it may be nothing but empty lines. */
		if (strspn(text, " \n") >= (size_t)(start - text))
			return line;
		len = (size_t)(start - text);
	}
}

char *fence_quote(const char *text, size_t len, const void *secret, size_t secret_len)
{
	_cleanup_(freep) char *clean =
		mask(text, len, secret, secret_len, len >= FENCE_OUTPUT_MAX);

	for (char *c = clean; *c; c++) {
		if (((unsigned char)*c < ' ' && *c != '\n') || (unsigned char)*c > '~')
			*c = ' ';
	}
	return mem_strndup(fence_skip_time(fence_last_line(clean)), FENCE_QUOTE_MAX);
}

static char *quote(const struct talk *talk, const struct run_result *result)
{
	const struct buf *from = result->errors.len ? &result->errors : &result->output;
	const Wire__FenceCall *call = talk->call;

	return fence_quote(buf_str(from), from->len, call->secret.data, call->secret.len);
}

static uint32_t timeout_ms(const struct talk *talk)
{
	return talk->call->timeout_ms ? talk->call->timeout_ms : TIMEOUT_DEFAULT_MS;
}

static enum said judge(const struct talk *talk, const struct run_result *result, const char *action,
		       char **ret_text)
{
	_cleanup_(freep) char *said = quote(talk, result);

	if (result->timed_out) {
		*ret_text = mem_printf("no answer within %u ms", timeout_ms(talk));
		return SAID_LATE;
	}
	if (result->exited && result->status == STATUS_ON)
		return SAID_DONE;
	if (result->exited && result->status == STATUS_OFF && strcmp(action, "status") == 0)
		return SAID_OFF;
	*ret_text = mem_printf("%s %d%s%s", result->exited ? "exit status" : "ended by signal",
			       result->status, said[0] ? ": " : "", said);
	return SAID_NOTHING;
}

/* Takes running. ret_text is set unless it went well: why not. */
static enum said finish_step(struct talk *talk, struct running *running, const char *action,
			     char **ret_text)
{
	_cleanup_(run_result_free) struct run_result result = { 0 };
	_cleanup_(buf_free) struct buf input = { 0 };
	_cleanup_(freep) char *mark = mem_printf("%s ended", action);
	int r;

	fence_input(talk->call, action, &input);
	r = run_finish(running, input.data, input.len, timeout_ms(talk) - talk->spent_ms, &result);
	talk->spent_ms = 0;
	wipe(&input);
	add_mark(talk, mark);
	if (r < 0) {
		*ret_text = mem_printf("it could not be given its input: %s", strerror(-r));
		return SAID_NOTHING;
	}
	return judge(talk, &result, action, ret_text);
}

static void set_reply(struct talk *talk, Wire__AgentReply__Code code, const char *text)
{
	_cleanup_(freep) char *cut = mem_strndup(text, WIRE_TEXT_MAX);

	cut[wire_text_fit(cut, WIRE_TEXT_MAX)] = '\0';
	talk->reply->code = code;
	wire_set(&talk->reply->text, cut);
}

/* Neither was answered: most often both for the same reason. */
static char *say_both_failed(const char *off_text, const char *status_text)
{
	if (strcmp(off_text, status_text) == 0)
		return mem_printf("the off command and the status command failed (%s)", off_text);
	return mem_printf("the off command failed (%s), and so did the status command (%s)",
			  off_text, status_text);
}

/* ---------------------------------------------------------------- what kind of agent it is */

/* What it wrote then, or why that is not known. */
static enum fence_kind judge_metadata(const struct talk *talk, const struct run_result *result,
				      char **ret_why)
{
	const char *metadata = buf_str(&result->output);
	_cleanup_(freep) char *text = NULL;

	if (judge(talk, result, "metadata", &text) == SAID_DONE) {
		if (talk->params)
			*talk->params = fence_kind_params(metadata, result->output.len);
		return fence_kind(talk->call->agent, metadata, result->output.len, ret_why);
	}
	*ret_why = mem_printf("metadata: %s, so it is not known whether %s switches power", text,
			      talk->call->agent);
	return FENCE_KIND_UNKNOWN;
}

/* Takes running, which has no input yet. */
static enum fence_kind find_kind(struct talk *talk, struct running *running, char **ret_why)
{
	static const char input[] = "action=metadata\n";
	_cleanup_(run_result_free) struct run_result result = { 0 };
	int r = run_finish(running, input, strlen(input), timeout_ms(talk), &result);

	add_mark(talk, "metadata ended");
	if (r < 0) {
		*ret_why = mem_printf("%s: %s", talk->call->agent, strerror(-r));
		return FENCE_KIND_UNKNOWN;
	}
	talk->spent_ms = result.took_ms < timeout_ms(talk) ? (uint32_t)result.took_ms : 0;
	return judge_metadata(talk, &result, ret_why);
}

/* ---------------------------------------------------------------- orders and questions */

/* The order has been given, well or badly; only what status says now counts. */
static void judge_off(struct talk *talk, enum said off, const char *off_text, enum said status,
		      const char *status_text)
{
	_cleanup_(freep) char *text = NULL;

	if (status == SAID_OFF && off == SAID_DONE)
		text = mem_strdup("power cut, verified by status");
	else if (status == SAID_OFF)
		text = mem_printf("the device reports that it is off; the off command failed (%s)",
				  off_text);
	else if (status == SAID_DONE && off == SAID_DONE)
		text = mem_strdup("the device took the off command, but reports that it is still "
				  "on");
	else if (status == SAID_DONE)
		text = mem_printf("the off command failed (%s); the device reports that it is on",
				  off_text);
	else if (off == SAID_DONE)
		text = mem_printf("the device took the off command, but then the status command "
				  "failed (%s)",
				  status_text);
	else
		text = say_both_failed(off_text, status_text);
	if (status == SAID_OFF)
		set_reply(talk, WIRE__AGENT_REPLY__CODE__OFF, text);
	else if (off == SAID_LATE || status == SAID_LATE)
		set_reply(talk, WIRE__AGENT_REPLY__CODE__TIMEOUT, text);
	else
		set_reply(talk, WIRE__AGENT_REPLY__CODE__FAILED, text);
}

static void set_not_run(struct talk *talk, int error)
{
	_cleanup_(freep) char *text = mem_printf("%s cannot be run on the node that asks: %s",
						 talk->call->agent, strerror(error));

	set_reply(talk, WIRE__AGENT_REPLY__CODE__FAILED, text);
}

/*
 * Starts the agent, and finds out first whether it switches power: another one is told nothing.
 * An interpreter takes its time to begin, so both do at once. False: the reply says why not.
 */
static bool start_known(struct talk *talk, struct running **ret)
{
	_cleanup_(freep) char *why = NULL;
	struct running *metadata = NULL, *running = NULL;
	enum fence_kind kind;
	int r = start_step(talk, FENCE_KIND_METADATA_MAX, &metadata);

	if (r == 0)
		r = start_step(talk, FENCE_OUTPUT_MAX, &running);
	if (r < 0) {
		run_drop(metadata);
		set_not_run(talk, -r);
		return false;
	}
	kind = find_kind(talk, metadata, &why);
	if (kind == FENCE_KIND_POWER) {
		*ret = running;
		return true;
	}
	run_drop(running);
	set_reply(talk,
		  kind == FENCE_KIND_OTHER ? WIRE__AGENT_REPLY__CODE__REFUSED
					   : WIRE__AGENT_REPLY__CODE__FAILED,
		  why);
	return false;
}

static void do_off(struct talk *talk)
{
	_cleanup_(freep) char *off_text = NULL, *status_text = NULL;
	struct running *off = NULL, *status = NULL;
	enum said off_said, status_said;
	int r;

	if (!start_known(talk, &off))
		return;
	/* It begins while the other one acts. */
	r = start_step(talk, FENCE_OUTPUT_MAX, &status);
	if (r < 0) {
		run_drop(off);
		set_not_run(talk, -r);
		return;
	}
	add_mark(talk, "off asked");
	off_said = finish_step(talk, off, "off", &off_text);
	status_said = finish_step(talk, status, "status", &status_text);
	judge_off(talk, off_said, off_text, status_said, status_text);
}

static void do_one(struct talk *talk, const char *action)
{
	_cleanup_(freep) char *why = NULL, *text = NULL;
	struct running *running = NULL;
	enum said said;

	if (!start_known(talk, &running))
		return;
	said = finish_step(talk, running, action, &why);
	if (said == SAID_DONE) {
		set_reply(talk, WIRE__AGENT_REPLY__CODE__ON, "on");
		return;
	}
	if (said == SAID_OFF) {
		set_reply(talk, WIRE__AGENT_REPLY__CODE__OFF, "off");
		return;
	}
	text = mem_printf("the %s command failed (%s)", action, why);
	set_reply(talk,
		  said == SAID_LATE ? WIRE__AGENT_REPLY__CODE__TIMEOUT
				    : WIRE__AGENT_REPLY__CODE__FAILED,
		  text);
}

static void act(struct talk *talk)
{
	switch (talk->call->action) {
	case WIRE__FENCE_CALL__ACTION__OFF_VERIFIED:
		do_off(talk);
		break;
	case WIRE__FENCE_CALL__ACTION__STATUS:
		do_one(talk, "status");
		break;
	case WIRE__FENCE_CALL__ACTION__ON:
		do_one(talk, "on");
		break;
	default:
		set_reply(talk, WIRE__AGENT_REPLY__CODE__REFUSED,
			  "the agent does not know this action");
	}
}

static void find_and_act(struct talk *talk)
{
	_cleanup_(freep) char *text = NULL;

	talk->path = find_agent(talk->call->agent);
	if (talk->path) {
		act(talk);
		return;
	}
	text = mem_printf(
		"%s is not installed on the node that asks: install it there (Debian: apt "
		"install fence-agents)",
		talk->call->agent);
	set_reply(talk, WIRE__AGENT_REPLY__CODE__FAILED, text);
}

enum fence_kind fence_call_kind(const char *agent, uint32_t timeout_ms, char **ret_text)
{
	static const int no_fds[] = { -1, -1 };
	_cleanup_(freep) char *params = NULL;
	Wire__FenceCall call = WIRE__FENCE_CALL__INIT;
	struct talk talk = { .call = &call, .stop_fds = no_fds, .params = &params };
	enum fence_kind kind = FENCE_KIND_UNKNOWN;
	struct running *running;
	int r;

	call.agent = (char *)agent;
	call.timeout_ms = timeout_ms;
	talk.path = fence_name_ok(agent) ? find_agent(agent) : NULL;
	if (!talk.path) {
		*ret_text = mem_printf("there is no fence agent %s on this node", agent);
		return FENCE_KIND_UNKNOWN;
	}
	talk.reply = wire_new(&wire__agent_reply__descriptor);
	r = start_step(&talk, FENCE_KIND_METADATA_MAX, &running);
	if (r < 0)
		*ret_text = mem_printf("%s: %s", agent, strerror(-r));
	else
		kind = find_kind(&talk, running, ret_text);
	if (kind == FENCE_KIND_POWER)
		*ret_text = steal_ptr(params);
	wire_free(talk.reply);
	free(talk.path);
	return kind;
}

Wire__AgentReply *fence_call(const Wire__FenceCall *call, const int stop_fds[2])
{
	struct talk talk = { .call = call,
			     .stop_fds = stop_fds,
			     .reply = wire_new(&wire__agent_reply__descriptor) };
	_cleanup_(buf_free) struct buf input = { 0 };

	if (!fence_name_ok(call->agent)) {
		set_reply(&talk, WIRE__AGENT_REPLY__CODE__REFUSED,
			  "the name of the fence agent is not of the form fence_NAME");
		return talk.reply;
	}
	if (fence_input(call, "status", &input) < 0)
		set_reply(&talk, WIRE__AGENT_REPLY__CODE__REFUSED,
			  "a parameter of the fence device has an unfit name, or a value with a "
			  "line break: remove the device, and add it again");
	else if (input.len > RUN_INPUT_MAX)
		set_reply(&talk, WIRE__AGENT_REPLY__CODE__REFUSED,
			  "the parameters of the fence device are longer than 64 KiB: remove the "
			  "device, and add it again");
	else
		find_and_act(&talk);
	wipe(&input);
	free(talk.path);
	return talk.reply;
}
