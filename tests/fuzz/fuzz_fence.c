/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What fence agents write, and the calls that they are given. An input is a script (fuzz.h): the
// secret, what an agent wrote, its metadata, its name, a plug, how its runs end, and parameters.
// No agent is run: run.c is here.
//
// Covers: agents/fence_call.c agents/fence_kind.c
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "agents/fence_call.h"
#include "agents/run.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/check.h"
#include "wire/frame.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 6000;

enum { PARAMS_MAX = 4, WHY_MAX = 400 };

/* The mask itself may hold a value of asterisks; and what is no letter is not said as it is. */
static bool can_be_seen(const char *value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!isgraph((unsigned char)value[i]) || value[i] == '*')
			return false;
	return size > 0;
}

static void check_hidden(const char *said, const struct fuzz_in *secret)
{
	const char *line = (const char *)secret->data, *stop = line + secret->size;

	while (line < stop) {
		const char *end = memchr(line, '\n', (size_t)(stop - line));
		const char *equals, *value;

		end = end ? end : stop;
		equals = memchr(line, '=', (size_t)(end - line));
		value = equals ? equals + 1 : line;
		if (can_be_seen(value, (size_t)(end - value)))
			fuzz_must(!memmem(said, strlen(said), value, (size_t)(end - value)),
				  "a secret is said");
		line = end + 1;
	}
}

static void check_quote(const struct fuzz_in *secret, const struct fuzz_in *wrote)
{
	const char *text = wrote->size ? (const char *)wrote->data : "";
	_cleanup_(freep) char *masked = fence_mask(text, wrote->size, secret->data, secret->size);
	_cleanup_(freep) char *said = fence_quote(text, wrote->size, secret->data, secret->size);

	check_hidden(masked, secret);
	check_hidden(said, secret);
	fuzz_clean(said, FENCE_QUOTE_MAX, "a quote");
}

static void check_params(const char *params)
{
	while (*params) {
		size_t len = strcspn(params, "\n");
		_cleanup_(freep) char *name = mem_strndup(params, len);

		fuzz_must(params[len] == '\n' && text_valid_name(name, WIRE_NAME_MAX),
			  "a parameter that none can be");
		params += len + 1;
	}
}

static void check_kind(const char *agent, const struct fuzz_in *metadata)
{
	const char *text = metadata->size ? (const char *)metadata->data : "";
	_cleanup_(freep) char *params = fence_kind_params(text, metadata->size);
	_cleanup_(freep) char *why = NULL, *why_again = NULL;
	enum fence_kind kind = fence_kind(agent, text, metadata->size, &why);

	check_params(params);
	fuzz_must((kind == FENCE_KIND_POWER) == !why, "a reason is there when it is not needed");
	if (why)
		fuzz_sentence(why, WHY_MAX, "why an agent is not taken");
	if (kind == FENCE_KIND_POWER)
		fuzz_must(memmem(text, metadata->size, "off", 3) &&
				  memmem(text, metadata->size, "status", 6),
			  "one that names neither off nor status is taken");
	fuzz_must(fence_kind(agent, text, metadata->size, &why_again) == kind, "another kind");
}

/* Each line is one key and its value, the action is ours, and ours alone. */
static void check_lines(const char *text, const char *plug)
{
	size_t actions = 0, nodes = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *equals = memchr(text, '=', len);

		fuzz_must(text[len] == '\n', "a line without an end");
		fuzz_must(len == 0 || equals, "a line without a value");
		actions += strncmp(text, "action=", 7) == 0 || strncmp(text, "option=", 7) == 0;
		nodes += strncmp(text, "nodename=", 9) == 0;
		text += len + 1;
	}
	fuzz_must(actions == 1 && nodes == 1, "an order that is not ours");
}

/* ---------------------------------------------------------------- instead of run.c */

static struct {
	struct fuzz_in script;	/* how runs end */
	struct fuzz_in wrote, metadata;
	unsigned int begun, ended;
	bool power;		/* its metadata were read, and it switches power */
	bool ordered, off_since, on_since;	/* what status said behind the last order */
	const Wire__FenceCall *call;
} stage;

struct running {
	size_t output_max;
};

int access(const char *path, int mode)
{
	fuzz_must(strncmp(path, "/usr/sbin/fence_", 16) == 0 ||
			  strncmp(path, "/sbin/fence_", 12) == 0, "another program");
	return fuzz_below(&stage.script, 8) == 7 ? -1 : 0;
}

int run_start(const struct run *run, struct running **ret)
{
	fuzz_must(stage.begun - stage.ended < 3, "too many at once");
	if (fuzz_below(&stage.script, 16) == 15)
		return -EAGAIN;
	*ret = mem_new(struct running);
	(*ret)->output_max = run->output_max;
	stage.begun++;
	return 0;
}

void run_drop(struct running *running)
{
	stage.ended += running != NULL;
	free(running);
}

static void write_it(struct buf *out, struct fuzz_in text, size_t max)
{
	buf_append(out, text.data, text.size < max ? text.size : max);
}

static bool is_action(const char *input, size_t len, const char *action)
{
	_cleanup_(freep) char *line = mem_printf("action=%s\n", action);

	return memmem(input, len, line, strlen(line));
}

/* What was ordered and what the device said of it, as far as it may be believed. */
static void note_run(const char *input, size_t len, const struct run_result *result)
{
	bool answered = result->exited && !result->timed_out;

	if (is_action(input, len, "metadata"))
		return;
	fuzz_must(stage.power, "one that switches no power is told something");
	if (is_action(input, len, "status")) {
		stage.off_since = answered && result->status == 2;
		stage.on_since = answered && result->status == 0;
	} else {
		fuzz_must(is_action(input, len, "off") || is_action(input, len, "on"), "what?");
		stage.ordered = true;
		stage.off_since = false;
		stage.on_since = answered && result->status == 0;
	}
}

int run_finish(struct running *running, const void *input, size_t len, uint64_t timeout_ms,
	       struct run_result *ret)
{
	uint8_t how = fuzz_byte(&stage.script);
	bool metadata = is_action(input, len, "metadata");
	size_t max = running->output_max;

	run_drop(running);
	if (how % 16 == 15)
		return -EPIPE;
	ret->timed_out = how % 16 == 14;
	ret->exited = how % 16 < 12;
	ret->took_ms = fuzz_number(&stage.script);
	ret->status = metadata ? how % 16 == 11 : how % 16 == 11 ? 1 : how % 3;
	write_it(&ret->output, metadata ? stage.metadata : stage.wrote, max);
	if (how & 0x80)
		write_it(&ret->errors, stage.wrote, FENCE_OUTPUT_MAX);
	note_run(input, len, ret);
	if (metadata && ret->exited && ret->status == 0) {
		_cleanup_(freep) char *why = NULL;

		stage.power = fence_kind(stage.call->agent, buf_str(&ret->output),
					 ret->output.len, &why) == FENCE_KIND_POWER;
	}
	return 0;
}

void run_result_free(struct run_result *result)
{
	buf_free(&result->output);
	buf_free(&result->errors);
}

/* ---------------------------------------------------------------- calls */

/* OFF is believed to mean that a machine is dead. */
static void check_proof(const Wire__FenceCall *call, Wire__AgentReply__Code code)
{
	bool off = call->action == WIRE__FENCE_CALL__ACTION__OFF_VERIFIED;

	if (code == WIRE__AGENT_REPLY__CODE__OFF)
		fuzz_must(stage.power && stage.off_since && stage.ordered == off,
			  "a machine is called dead without proof");
	else if (code == WIRE__AGENT_REPLY__CODE__ON)
		fuzz_must(!off && stage.on_since, "it is called on, and did not say so");
	else
		fuzz_must(code == WIRE__AGENT_REPLY__CODE__FAILED ||
				  code == WIRE__AGENT_REPLY__CODE__TIMEOUT ||
				  code == WIRE__AGENT_REPLY__CODE__REFUSED, "another answer");
}

static void check_call(const Wire__FenceCall *call)
{
	static const int no_fds[] = { -1, -1 };
	struct frame_header header = { .type = FRAME_AGENT_REPLY };
	_cleanup_(wire_freep) Wire__AgentReply *reply = NULL;
	_cleanup_(buf_free) struct buf frame = { 0 };

	stage.call = call;
	stage.begun = stage.ended = 0;
	stage.power = stage.ordered = stage.off_since = stage.on_since = false;
	reply = fence_call(call, no_fds);
	fuzz_must(stage.begun == stage.ended, "one is left running");
	fuzz_must(stage.begun <= 3, "more runs than steps");
	fuzz_sentence(reply->text, WIRE_TEXT_MAX, "an answer");
	check_proof(call, reply->code);
	fuzz_must(frame_encode(&header, &reply->base, &frame) == 0, "it cannot be answered");
}

static void check_asked_kind(const Wire__FenceCall *call)
{
	_cleanup_(freep) char *text = NULL;

	stage.power = false;
	if (fence_call_kind(call->agent, 1000, &text) == FENCE_KIND_POWER)
		check_params(text);
	else if (fence_name_ok(call->agent))
		fuzz_sentence(text, WIRE_TEXT_MAX, "why an agent is not taken");
	fuzz_must(stage.begun == stage.ended, "one is left running");
}

static void check_input(const Wire__FenceCall *call)
{
	_cleanup_(buf_free) struct buf out = { 0 }, again = { 0 };
	int r = fence_input(call, "off", &out);

	fuzz_must(r == 0 || r == -EINVAL, "another error than promised");
	if (r < 0)
		return;
	fuzz_must(strlen(buf_str(&out)) == out.len, "a zero byte in what an agent reads");
	check_lines(buf_str(&out), call->plug);
	fuzz_must(fence_input(call, "off", &again) == 0 && again.len == out.len &&
			  memcmp(again.data, out.data, out.len) == 0, "another input");
}

/* Of a daemon that is not ours, too: its name may be a path, its action none. */
static Wire__FenceCall *take_call(struct fuzz_in *in, const struct fuzz_in *secret,
				  const char *agent)
{
	Wire__FenceCall *call = wire_new(&wire__fence_call__descriptor);
	_cleanup_(freep) char *plug = fuzz_string(in);

	stage.script = fuzz_block(in);
	call->action = (Wire__FenceCall__Action)fuzz_below(&stage.script, 5);
	call->timeout_ms = (uint32_t)fuzz_number(&stage.script);
	wire_set(&call->agent, fuzz_below(&stage.script, 4) == 3 ? agent : "fence_ipmilan");
	call->params = mem_new_array(Wire__Param *, PARAMS_MAX);
	while (in->size > 0 && call->n_params < PARAMS_MAX) {
		_cleanup_(freep) char *key = fuzz_string(in), *value = fuzz_string(in);

		call->params[call->n_params] = wire_new(&wire__param__descriptor);
		wire_set(&call->params[call->n_params]->key, key);
		wire_set(&call->params[call->n_params++]->value, value);
	}
	call->secret.data = mem_dup(secret->data, secret->size);
	call->secret.len = secret->size;
	wire_set(&call->plug, plug);
	wire_set(&call->node_name, "n2");
	return call;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct fuzz_in secret = fuzz_block(&in), wrote = fuzz_block(&in);
	struct fuzz_in metadata = fuzz_block(&in);
	_cleanup_(freep) char *agent = fuzz_string(&in);
	_cleanup_(wire_freep) Wire__FenceCall *call = NULL;

	check_quote(&secret, &wrote);
	if (fence_name_ok(agent)) {
		fuzz_must(!strchr(agent, '/') && strlen(agent) <= WIRE_NAME_MAX, "a path");
		check_kind(agent, &metadata);
	}
	check_kind("fence_ipmilan", &metadata);
	stage.wrote = wrote;
	stage.metadata = metadata;
	call = take_call(&in, &secret, agent);
	check_input(call);
	check_call(call);
	check_asked_kind(call);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
#define HEAD "<?xml version=\"1.0\" ?>\n<resource-agent name=\"fence_x\" shortdesc=\"X\" >\n"
#define PARAM(name) "<parameter name=\"" name "\"><content type=\"string\"/></parameter>"
#define ACTION(name) "<action name=\"" name "\" />"
#define POWER                                                                                      \
	HEAD "<actions><action name=\"on\" automatic=\"0\"/>"                                      \
	ACTION("off") ACTION("reboot") ACTION("status") "</actions></resource-agent>"
#define TEXT(text) text, sizeof(text) - 1
	static const struct {
		const char *texts[5];
		const char *runs;
		size_t runs_size;
	} seeds[] = {
		{ { "password=hunter2\npasswd=hunter22\n",
		    "2026-01-31 10:20:30,456 ERROR: Failed: login with hunter22 failed\n\n"
		    "Please use '-h' for usage\n",
		    HEAD "<parameters>" PARAM("action") PARAM("ip") "</parameters><actions>"
		    "<action name=\"on\" automatic=\"0\"/>" ACTION("off") ACTION("reboot")
		    ACTION("status") "</actions></resource-agent>",
		    "fence_virt", "7" }, TEXT("") },
		{ { "a=*\nb=*\nline\n", "*** a\tline\r\n\n \n", HEAD "</resource-agent>",
		    "fence_scsi", "" }, TEXT("\1\5\3") },
		{ { "x", "xx\xc3\xa9x", "<!DOCTYPE a [<!ENTITY b \"cc\"><!ENTITY d \"&b;&b;\">]>"
		    "<resource-agent><parameters><parameter name=\"&d;\"/></parameters>"
		    "</resource-agent>", "fence_sbd", "1" }, TEXT("\2\5\3") },
		{ { "", "", POWER, "fence_x", "" }, TEXT("") },
		/* action, timeout, name, and then for each run: begins, ends so, took so long */
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\0\5\0\0\0\0\0\0\0\0\0\2") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\0\5\0\0\0\0\0\0\0\1\0\2") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\0\5\0\0\0\0\0\0\0\x0e\0\x8e") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\0\5\0\0\0\0\0\0\0\0\0\0") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\0\5\0\0\0\0\0\0\0\x8b\0\0") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\0\5\0\0\0\0\0\0\x0f") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\1\5\0\0\0\0\0\0\2") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\2\5\0\0\0\0\0\0\0") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\2\5\0\0\0\0\x0b") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\2\5\0\0\x0f") },
		{ { "", "said", POWER, "fence_x", "" }, TEXT("\2\5\0\7") },
		{ { "", "said", POWER, "x/fence_x", "" }, TEXT("\0\5\3") },
		{ { "a\rb", "said", POWER, "fence_x", "" }, TEXT("\0\5") },
	};

	if (n >= ARRAY_SIZE(seeds))
		return false;
	for (size_t i = 0; i < 5; i++)
		fuzz_put_block(out, seeds[n].texts[i], strlen(seeds[n].texts[i]));
	fuzz_put_block(out, seeds[n].runs, seeds[n].runs_size);
	fuzz_put_block(out, "ip", 2);
	fuzz_put_block(out, "10.0.0.1", 8);
	return true;
}
