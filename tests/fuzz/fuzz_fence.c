/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What fence agents write, and the calls that they are given. An input is a script (fuzz.h): the
// secret, what an agent wrote, its metadata, its name, a plug and parameters.
//
// Covers: agents/fence_call.c agents/fence_kind.c
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/fence_call.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/check.h"
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

static void check_input(struct fuzz_in *in, const struct fuzz_in *secret)
{
	_cleanup_(wire_freep) Wire__FenceCall *call = wire_new(&wire__fence_call__descriptor);
	_cleanup_(buf_free) struct buf out = { 0 }, again = { 0 };
	_cleanup_(freep) char *plug = fuzz_string(in);
	int r;

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
	r = fence_input(call, "off", &out);
	fuzz_must(r == 0 || r == -EINVAL, "another error than promised");
	if (r < 0)
		return;
	fuzz_must(strlen(buf_str(&out)) == out.len, "a zero byte in what an agent reads");
	check_lines(buf_str(&out), plug);
	fuzz_must(fence_input(call, "off", &again) == 0 && again.len == out.len &&
			  memcmp(again.data, out.data, out.len) == 0, "another input");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct fuzz_in secret = fuzz_block(&in), wrote = fuzz_block(&in);
	struct fuzz_in metadata = fuzz_block(&in);
	_cleanup_(freep) char *agent = fuzz_string(&in);

	check_quote(&secret, &wrote);
	if (fence_name_ok(agent)) {
		fuzz_must(!strchr(agent, '/') && strlen(agent) <= WIRE_NAME_MAX, "a path");
		check_kind(agent, &metadata);
	}
	check_kind("fence_ipmilan", &metadata);
	check_input(&in, &secret);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
#define HEAD "<?xml version=\"1.0\" ?>\n<resource-agent name=\"fence_x\" shortdesc=\"X\" >\n"
#define PARAM(name) "<parameter name=\"" name "\"><content type=\"string\"/></parameter>"
#define ACTION(name) "<action name=\"" name "\" />"
	static const char *const seeds[][6] = {
		{ "password=hunter2\npasswd=hunter22\n",
		  "2026-01-31 10:20:30,456 ERROR: Failed: login with hunter22 failed\n\n"
		  "Please use '-h' for usage\n",
		  HEAD "<parameters>" PARAM("action") PARAM("ip") "</parameters><actions>"
		  "<action name=\"on\" automatic=\"0\"/>" ACTION("off") ACTION("reboot")
		  ACTION("status") "</actions></resource-agent>",
		  "fence_virt", "7", "ip" },
		{ "a=*\nb=*\nline\n", "*** a\tline\r\n\n \n", HEAD "</resource-agent>",
		  "fence_scsi", "", "action" },
		{ "x", "xx\xc3\xa9x", "<!DOCTYPE a [<!ENTITY b \"cc\"><!ENTITY d \"&b;&b;\">]>"
		  "<resource-agent><parameters><parameter name=\"&d;\"/></parameters>"
		  "</resource-agent>", "fence_sbd", "1", "power_wait" },
		{ "", "", HEAD "<actions><action name=\"on\" on_target=\"1\"/>" ACTION("off")
		  ACTION("reboot") ACTION("status") "</actions></resource-agent>", "fence_x", "",
		  "nodename" },
	};

	if (n >= ARRAY_SIZE(seeds))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(seeds[n]); i++)
		fuzz_put_block(out, seeds[n][i], strlen(seeds[n][i]));
	fuzz_put_block(out, "10.0.0.1", 8);
	return true;
}
