/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/fence_call.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

static void test_names(void)
{
	static const struct {
		const char *name;
		bool ok;
	} cases[] = {
		{ "fence_ipmilan", true },
		{ "fence_ilo4_ssh", true },
		{ "fence_", false },
		{ "ipmilan", false },
		{ "fence_a/b", false },
		{ "../fence_x", false },
		{ "/usr/sbin/fence_x", false },
		{ "fence_A", false },
		{ "fence_x y", false },
		{ "fence_x;id", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (fence_name_ok(cases[i].name) != cases[i].ok)
			CU_FAIL(cases[i].name);
	}
}

static Wire__FenceCall *new_call(const char *key, const char *value, const char *secret)
{
	Wire__FenceCall *call = wire_new(&wire__fence_call__descriptor);

	call->params = mem_new_array(Wire__Param *, 1);
	call->params[call->n_params++] = wire_new(&wire__param__descriptor);
	wire_set(&call->params[0]->key, key);
	wire_set(&call->params[0]->value, value);
	call->secret.data = mem_dup(secret, strlen(secret));
	call->secret.len = strlen(secret);
	wire_set(&call->node_name, "n2");
	return call;
}

static void test_input(void)
{
	static const struct {
		const char *key, *value, *secret, *plug, *text; /* NULL: refused */
	} cases[] = {
		{ "ip", "10.0.0.1", "password=x\n", "",
		  "ip=10.0.0.1\npassword=x\naction=off\npower_wait=0\nnodename=n2\n" },
		{ "ip", "a", "a=1\n\nb=2", "7",
		  "ip=a\na=1\nb=2\naction=off\npower_wait=0\nplug=7\nport=7\nnodename=n2\n" },
		{ "power_wait", "4", "", "", "power_wait=4\naction=off\nnodename=n2\n" },
		{ "ip", "a\naction=on", "", "", NULL },
		{ "ip", "a\r", "", "", NULL },
		{ "action", "on", "", "", NULL },
		{ "option", "on", "", "", NULL },
		{ "nodename", "n1", "", "", NULL },
		{ "a=b", "c", "", "", NULL },
		{ "", "c", "", "", NULL },
		{ "ip", "a", "action=on\n", "", NULL },
		{ "ip", "a", "no value\n", "", NULL },
		{ "ip", "a", "password=x\ry\n", "", NULL },
		{ "ip", "a", "", "7\naction=on", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(wire_freep) Wire__FenceCall *call =
			new_call(cases[i].key, cases[i].value, cases[i].secret);
		_cleanup_(buf_free) struct buf out = { 0 };
		int r;

		wire_set(&call->plug, cases[i].plug);
		r = fence_input(call, "off", &out);
		CU_ASSERT_EQUAL(r, cases[i].text ? 0 : -EINVAL);
		if (cases[i].text)
			CU_ASSERT_STRING_EQUAL(buf_str(&out), cases[i].text);
	}
}

static void test_mask(void)
{
	static const struct {
		const char *text, *secret, *masked;
	} cases[] = {
		{ "login with hunter2 failed", "password=hunter2\n", "login with *** failed" },
		{ "hunter2hunter2", "password=hunter2", "******" },
		{ "a=b=c", "key=b=c\n", "a=***" },
		{ "one two three", "a=one\nb=three\n", "*** two ***" },
		{ "nothing to hide", "password=\n", "nothing to hide" },
		{ "nothing to hide", "", "nothing to hide" },
		{ "bare line", "line\n", "bare ***" },
		{ "", "password=x", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *masked =
			fence_mask(cases[i].text, strlen(cases[i].text), cases[i].secret,
				   strlen(cases[i].secret));

		CU_ASSERT_STRING_EQUAL(masked, cases[i].masked);
	}
}

/* The same failure is the same text, at whatever time. */
static void test_time(void)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{ "2026-01-31 10:20:30,456 ERROR: Failed: no route", "ERROR: Failed: no route" },
		{ "2026-01-31 10:20:30,456 ", "" },
		{ "2026-01-31 10:20:30,456", "2026-01-31 10:20:30,456" },
		{ "2026-01-31 is a date", "2026-01-31 is a date" },
		{ "no route", "no route" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_STRING_EQUAL(fence_skip_time(cases[i].line), cases[i].said);
}

/* What may not be called is refused before anything is run. */
static void test_refusals(void)
{
	const int stop_fds[2] = { -1, -1 };
	_cleanup_(wire_freep) Wire__FenceCall *call = new_call("ip", "a", "");
	Wire__AgentReply *reply;

	wire_set(&call->agent, "../../bin/sh");
	reply = fence_call(call, stop_fds);
	CU_ASSERT_EQUAL(reply->code, WIRE__AGENT_REPLY__CODE__REFUSED);
	wire_free(reply);
	wire_set(&call->agent, "fence_that_nobody_has");
	reply = fence_call(call, stop_fds);
	CU_ASSERT_EQUAL(reply->code, WIRE__AGENT_REPLY__CODE__FAILED);
	wire_free(reply);
	wire_set(&call->params[0]->value, "a\nb");
	reply = fence_call(call, stop_fds);
	CU_ASSERT_EQUAL(reply->code, WIRE__AGENT_REPLY__CODE__REFUSED);
	CU_ASSERT_EQUAL(reply->n_marks, 0);
	wire_free(reply);
}

UNIT_MAIN("agents/fence", { "names", test_names }, { "input", test_input }, { "mask", test_mask },
	  { "time", test_time }, { "refusals", test_refusals })
