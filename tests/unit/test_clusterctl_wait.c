/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pure parts of waiting, of places and of exits; waiting itself is in test_clusterctl_run. */
#include "base/mem.h"
#include "clusterctl/exits.h"
#include "clusterctl/place.h"
#include "clusterctl/wait.h"
#include "tests/unit/unit.h"

#include <string.h>

static void test_exit(void)
{
	static const struct {
		const char *outcome;
		bool cancels;
		enum ctl_exit exit;
	} cases[] = {
		{ "done", false, EXIT_OK },           { "failed", false, EXIT_FAILED },
		{ "cancelled", false, EXIT_FAILED },  { "unknown", false, EXIT_UNKNOWN },
		{ "something", false, EXIT_UNKNOWN }, { "cancelled", true, EXIT_OK },
		{ "done", true, EXIT_FAILED },        { "failed", true, EXIT_FAILED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *operation = json_pack("{s:s}", "outcome", cases[i].outcome);

		CU_ASSERT_EQUAL(wait_exit(operation, cases[i].cancels), cases[i].exit);
		json_decref(operation);
	}
}

static void test_codes(void)
{
	CU_ASSERT_EQUAL(exit_of_code("ok"), 0);
	CU_ASSERT_EQUAL(exit_of_code("busy"), 1);
	CU_ASSERT_EQUAL(exit_of_code("bad-request"), 1);
	CU_ASSERT_EQUAL(exit_of_code("no-such"), 3);
	CU_ASSERT_EQUAL(exit_of_code("no-quorum"), 5);
	CU_ASSERT_EQUAL(exit_of_code("not-ready"), 1);
	CU_ASSERT_EQUAL(exit_of_code("unknown-outcome"), 6);
	CU_ASSERT_EQUAL(exit_of_code("denied"), 7);
	CU_ASSERT_EQUAL(exit_of_code("never heard of"), 1);
	CU_ASSERT_EQUAL(exit_of_code(NULL), 1);
}

static void test_line(void)
{
	static const struct {
		const char *operation, *vm, *progress;
		uint64_t waited_ms;
		const char *line;
	} cases[] = {
		{ "{\"kind\": \"stop\", \"vm_name\": \"web1\"}", NULL,
		  "{\"total\": 10, \"done\": 5}", 1999, "web1: stop (1 s)" },
		{ "{\"kind\": \"live\", \"vm_name\": \"web1\", \"to_name\": \"n2\"}",
		  "{\"phase\": \"copying\"}",
		  "{\"total\": 1000, \"done\": 430, \"pass\": 2, \"eta_ms\": 3000}", 12000,
		  "web1: live to n2, copying 43 % pass 2, 3 s left (12 s)" },
		{ "{\"kind\": \"live\", \"vm_name\": \"web1\"}", NULL,
		  "{\"total\": 1000, \"done\": 2000}", 0, "web1: live 100 % (0 s)" },
		{ "{\"kind\": \"fence-test\", \"device_name\": \"bmc\", \"to_name\": \"n1\"}", NULL,
		  "{}", 0, "bmc: fence-test (0 s)" },
		{ "{\"kind\": \"st\\u001b[2J\"}", NULL, NULL, 0, "st?[2J (0 s)" },
		{ "{}", NULL, NULL, 0, " (0 s)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *operation = json_loads(cases[i].operation, 0, NULL);
		json_t *vm = cases[i].vm ? json_loads(cases[i].vm, 0, NULL) : NULL;
		json_t *progress =
			cases[i].progress ? json_loads(cases[i].progress, 0, NULL) : NULL;
		_cleanup_(freep) char *line =
			wait_line(operation, vm, NULL, progress, cases[i].waited_ms);

		if (strcmp(line, cases[i].line) != 0)
			printf("%s\n", line);
		CU_ASSERT_STRING_EQUAL(line, cases[i].line);
		json_decref(operation);
		json_decref(vm);
		json_decref(progress);
	}
}

/* What it waits for, where that is the node that has the VM. */
static void test_obstacle(void)
{
	static const struct {
		const char *node, *line;
	} cases[] = {
		{ "{'name': 'n2', 'state': 'up', 'facts': {'agent_ok': true}}", "big: stop (3 s)" },
		{ "{'name': 'n2', 'state': 'up', 'why': 'it does not answer', 'facts': "
		  "{'agent_ok': false}}",
		  "big: stop (3 s); libvirt on n2 is not ready: it does not answer" },
		{ "{'name': 'n2', 'state': 'lost', 'why': ''}", "big: stop (3 s); n2 is not up" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *operation = json_pack("{s:s,s:s}", "kind", "stop", "vm_name", "big");
		_cleanup_(freep) char *text = mem_strdup(cases[i].node), *line = NULL;
		json_t *node;

		for (char *c = text; (c = strchr(c, '\'')) != NULL;)
			*c = '"';
		node = json_loads(text, 0, NULL);
		line = wait_line(operation, NULL, node, NULL, 3000);
		CU_ASSERT_STRING_EQUAL(line, cases[i].line);
		json_decref(operation);
		json_decref(node);
	}
}

static void test_uri(void)
{
	static const struct {
		const char *pattern, *address, *uri;
	} cases[] = {
		{ "qemu+tcp://%s/system", "192.0.2.1", "qemu+tcp://192.0.2.1/system" },
		{ "qemu+tls://%s/system", "fd00::1", "qemu+tls://[fd00::1]/system" },
		{ "qemu+tls://%s/system", "[fd00::1]", "qemu+tls://[fd00::1]/system" },
		{ "qemu+ssh://[%s]/system", "fd00::1", "qemu+ssh://[fd00::1]/system" },
		{ "qemu+ssh://root@%s/system", "n1.example", "qemu+ssh://root@n1.example/system" },
		{ "qemu:///system", "192.0.2.1", NULL },
		{ "qemu+tcp://%s/%s", "192.0.2.1", NULL },
		{ "qemu+tcp://%d/system", "192.0.2.1", NULL },
		{ "qemu+tcp://%s/%n", "192.0.2.1", NULL },
		{ "qemu+tcp://%s/system", "", NULL },
		{ "", "192.0.2.1", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *uri = place_uri(cases[i].pattern, cases[i].address);

		if (cases[i].uri) {
			CU_ASSERT_PTR_NOT_NULL_FATAL(uri);
			CU_ASSERT_STRING_EQUAL(uri, cases[i].uri);
		} else {
			CU_ASSERT_PTR_NULL(uri);
		}
	}
}

UNIT_MAIN("clusterctl/wait", { "exit", test_exit }, { "codes", test_codes }, { "line", test_line },
	  { "obstacle", test_obstacle },
	  { "uri", test_uri })
