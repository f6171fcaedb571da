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
		{ "hunter2hunter2", "password=hunter2", "***" },
		{ "hunter2 or hunter22", "a=hunter2\nb=hunter22\n", "*** or ***" },
		{ "abcde", "a=abc\nb=cde\n", "***" },
		{ "*, twice", "a=*\nb=*\n", "***, twice" },
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

static void test_last_line(void)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
		{ "", "" },
		{ "\n \n", "" },
		{ "one", "one" },
		{ "one\n\ntwo \n\n", "two" },
		{ "one\n\nERROR: Please use '-h' for usage\n\n", "one" },
		{ "one\nPlease use '-h' for usage\nPlease use '-h' for usage", "one" },
		{ "Please use '-h' for usage\n", "Please use '-h' for usage" },
		{ "\n \nPlease use '-h' for usage\n", "Please use '-h' for usage" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *text = mem_strdup(cases[i].text);

		CU_ASSERT_STRING_EQUAL(fence_last_line(text), cases[i].line);
	}
}

/* Where the end of what an agent wrote is missing, part of the secret may be there. */
static void test_quote_cut(void)
{
	_cleanup_(buf_free) struct buf text = { 0 };
	_cleanup_(freep) char *said = NULL, *whole = NULL;

	while (text.len < FENCE_OUTPUT_MAX - 12)
		buf_append_byte(&text, '.');
	buf_append_str(&text, "\nlogin: hunt");
	said = fence_quote(buf_str(&text), text.len, "p=hunter2", 9);
	CU_ASSERT_STRING_EQUAL(said, "login: ***");
	whole = fence_quote(buf_str(&text) + 1, text.len - 1, "p=hunter2", 9);
	CU_ASSERT_STRING_EQUAL(whole, "login: hunt");
}

#define METADATA(actions)                                                                          \
	"<?xml version=\"1.0\" ?>\n<resource-agent name=\"fence_x\" shortdesc=\"X\" >\n"           \
	"<parameters>\n\t<parameter name=\"action\" unique=\"0\" required=\"1\">\n"               \
	"\t\t<content type=\"string\" default=\"reboot\"  />\n\t</parameter>\n"                   \
	"</parameters>\n<actions>\n" actions "\n</actions>\n</resource-agent>\n"
#define ACTION(name) "\t<action name=\"" name "\" />\n"
#define ON(how) "\t<action name=\"on\"" how "/>\n"
#define REST ACTION("monitor") ACTION("metadata") ACTION("validate-all")

/* As fence-agents 4.12 write them. What cannot be understood is no proof that power is switched. */
static void test_kinds(void)
{
	static const struct {
		const char *agent, *metadata, *why; /* NULL: it switches power */
	} cases[] = {
		{ "fence_ipmilan",
		  METADATA(ON(" automatic=\"0\"") ACTION("off") ACTION("reboot") ACTION("status")
				   REST ACTION("diag")),
		  NULL },
		{ "fence_x",
		  METADATA(ON("") ACTION("off") ACTION("reboot") ACTION("status")), NULL },
		{ "fence_scsi",
		  METADATA(ON(" on_target=\"1\" automatic=\"1\"") ACTION("off") ACTION("status")
				   REST),
		  "fence_scsi cuts a node off from storage" },
		{ "fence_brocade",
		  METADATA(ON(" automatic=\"1\"") ACTION("off") ACTION("status") REST),
		  "fence_brocade cuts a node off from storage" },
		{ "fence_x",
		  METADATA(ON(" automatic=\"1\"") ACTION("off") ACTION("reboot")
				   ACTION("status")),
		  "cuts a node off from" },
		{ "fence_x",
		  METADATA(ON("") ACTION("off") ACTION("status")), "cuts a node off from" },
		{ "fence_x",
		  METADATA(ON(" automatic=\"0\" on_target=\"1\"") ACTION("off") ACTION("reboot")
				   ACTION("status")),
		  "cuts a node off from" },
		{ "fence_kdump", METADATA(ACTION("off") REST), "tell that it is off" },
		{ "fence_heuristics_ping",
		  METADATA(ON(" automatic=\"0\"") ACTION("off") ACTION("reboot") REST),
		  "tell that it is off" },
		{ "fence_rcd_serial", METADATA(ACTION("reboot") REST), "tell that it is off" },
		{ "fence_sbd",
		  METADATA(ON(" automatic=\"0\"") ACTION("off") ACTION("reboot")
				   ACTION("status")),
		  "leaves a message" },
		{ "fence_x", "", "cannot be read" },
		{ "fence_x", "usage: fence_x NODE\n", "cannot be read" },
		{ "fence_x", "<resource-agent><actions>" ON("") ACTION("off") ACTION("reboot")
				     ACTION("status"), "cannot be read" },
		{ "fence_x", "<a><actions>" ON("") ACTION("off") ACTION("reboot") ACTION("status")
				     "</actions></a>", "cannot be read" },
		{ "fence_x", "<resource-agent>" ON("") ACTION("off") ACTION("reboot")
				     ACTION("status") "</resource-agent>", "tell that it is off" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *why = NULL;
		enum fence_kind kind = fence_kind(cases[i].agent, cases[i].metadata,
						  strlen(cases[i].metadata), &why);

		CU_ASSERT_EQUAL(kind, !cases[i].why ? FENCE_KIND_POWER
				: strstr(cases[i].why, "read") ? FENCE_KIND_UNKNOWN
							       : FENCE_KIND_OTHER);
		if (cases[i].why && (!why || !strstr(why, cases[i].why)))
			CU_FAIL(cases[i].why);
		if (!cases[i].why)
			CU_ASSERT_PTR_NULL(why);
	}
}

static void test_params(void)
{
	static const struct {
		const char *metadata, *params;
	} cases[] = {
		{ METADATA(ACTION("off")), "action\n" },
		{ "<resource-agent><parameters><parameter name=\"ip\"><getopt/></parameter>"
		  "<parameter name=\"\"/><parameter/><other name=\"x\"/><parameter "
		  "name=\"port\"/></parameters><actions><parameter name=\"y\"/></actions>"
		  "</resource-agent>", "ip\nport\n" },
		{ "<resource-agent/>", "" },
		{ "usage: fence_x NODE\n", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *params =
			fence_kind_params(cases[i].metadata, strlen(cases[i].metadata));

		CU_ASSERT_STRING_EQUAL(params, cases[i].params);
	}
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
	  { "time", test_time }, { "last_line", test_last_line },
	  { "quote_cut", test_quote_cut },
	  { "kinds", test_kinds }, { "params", test_params },
	  { "refusals", test_refusals })
