/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What looks, and what goes wrong before anything is done. Changes: test_clusterctl_change.c. */
#include "base/mem.h"
#include "clusterctl/quorum.h"
#include "tests/unit/stage.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNPROTECTED(why)                                                                           \
	"{\"name\":\"a\",\"state\":\"running\",\"protected\":{\"ok\":false,\"reason\":\"" why "\"}}"

#define EDITED                                                                                     \
	"\"pending_restart\":true,\"pending\":\"memory 512 -> 1024 MiB; vcpus 2 -> 4\","          \
	"\"in_force\":{\"memory_mib\":512,\"vcpus\":2},"                                           \
	"\"at_next_start\":{\"memory_mib\":1024,\"vcpus\":4}"

#define UNMANAGED                                                                                  \
	"{\"name\":\"a\",\"unmanaged\":true,\"state\":\"running\",\"owner_name\":\"n3\"}"

static void test_lists(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { MORE("[" VM1 "]"), OK("[" VM2 "]") } } },
		  .out = "NAME  STATE    NODE  WANTED   MEMORY  VCPUS  PRIORITY  PROTECTED  "
			 "DETAIL\n"
			 "web1  running  n1    running   2 GiB      2  high      yes        -\n"
			 "db1   failed   -     running       -      0  -         no         "
			 "evil ?[2J (given up; clusterctl vm start to try again)\n" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { OK("[" UNMANAGED "]") } } },
		  .out = "not managed; known last: running on n3 since -",
		  .not_out = "running  n3" },
		{ .line = "vm show a",
		  .script = { { "{\"do\":\"vm\"}", { OK(UNMANAGED) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "state                    not managed; known last: running on n3 since" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .err = "There are no VMs yet" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}",
				{ OK("[{\"name\":\"a\",\"detail\":\"n1: no disk\","
				     "\"retry\":{\"try\":3,\"of\":6,\"in_ms\":7200}}]") } } },
		  .not_out = "yes",
		  .out = "tries again in 8 s (try 3 of 6): n1: no disk\n" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}",
				{ OK("[{\"name\":\"a\",\"protected\":" NOT_MEANT "}]") } } },
		  .out = "PROTECTED  DETAIL\n"
			 "a     -      -     -            -      0  -         -          -\n" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}",
				{ OK("[" UNPROTECTED("no quorum") "," UNPROTECTED("no device") ","
				     UNPROTECTED("no device") "]") } } },
		  .out = "running",
		  .err = "Not protected: no device; and for other reasons: clusterctl status\n" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { OK("[" UNPROTECTED("no device") "]") } } },
		  .out = "running",
		  .err = "Not protected: no device\n" },
		{ .line = "vm show a",
		  .script = { { "{\"do\":\"vm\"}",
				{ OK("{\"name\":\"a\",\"protected\":" NOT_MEANT "}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "protected                - (managed=no)\n" },
		{ .line = "vm show a",
		  .script = { { "{\"do\":\"vm\"}",
				{ OK("{\"name\":\"a\",\"detail\":\"n1: no disk\","
				     "\"retry\":{\"try\":2,\"of\":6,\"in_ms\":0}}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "retry                    try 2 of 6 is next\n" },
		{ .line = "vm show a",
		  .script = { { "{\"do\":\"vm\"}",
				{ OK("{\"name\":\"a\",\"state\":\"failed\",\"tries\":6,"
				     "\"detail\":\"n1: no disk\"}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "detail                   n1: no disk\n"
			 "retry                    given up after 6 failed tries; clusterctl vm "
			 "start a to try again\n" },
		{ .line = "vm show a",
		  .script = { { "{\"do\":\"vm\"}",
				{ OK("{\"name\":\"a\",\"state\":\"failed\",\"tries\":1,"
				     "\"image\":\"/v/a.sav\"}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "given up after 1 failed try; clusterctl vm start a to try again, with "
			 "--cold to do without its saved memory\n" },
		{ .line = "vm show a",
		  .script = { { "{\"do\":\"vm\"}",
				{ OK("{\"name\":\"a\",\"pending_restart\":true,"
				     "\"pending\":\"memory 512 -> 1024 MiB\"}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "pending                  an edit (memory 512 -> 1024 MiB) waits for the "
			 "next start; a reboot or a migration is none: clusterctl vm stop a, then "
			 "clusterctl vm start a\n" },
		{ .line = "vm show a",
		  .script = { { "{\"do\":\"vm\"}", { OK("{\"name\":\"a\"," EDITED "}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "memory                   512 MiB; pending: 1 GiB\n"
			 "vcpus                    2; pending: 4\n" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { OK("[{\"name\":\"a\"," EDITED "}]") } } },
		  .out = "a     -      -     -       512 MiB      2  -         no         an edit "
			 "waits for the next start: memory 512 -> 1024 MiB; vcpus 2 -> 4\n" },
		{ .line = "node show n2",
		  .script = { { "{\"do\":\"node\"}",
				{ OK("{\"id\":2,\"name\":\"n2\",\"facts\":{\"cpus\":4},"
				     "\"facts_current\":false,"
				     "\"facts_as_of_ms\":1500000000000}") } },
			      { "{\"do\":\"fences\"}", { OK("[]") } } },
		  .out = "last known  what follows is as of 2017-07-1" },
		{ .line = "node show n2",
		  .script = { { "{\"do\":\"node\"}",
				{ OK("{\"name\":\"n2\",\"state_text\":\"not seen\","
				     "\"since_ms\":1400000000000,"
				     "\"seen_ms\":1500000000000}") } },
			      { "{\"do\":\"fences\"}", { OK("[]") } } },
		  .out = "not seen since 2017-07-1" },
		{ .line = "node show n2",
		  .script = { { "{\"do\":\"node\"}",
				{ OK("{\"name\":\"n2\",\"state_text\":\"not seen\","
				     "\"since_ms\":1400000000000,\"seen_ms\":0}") } },
			      { "{\"do\":\"fences\"}", { OK("[]") } } },
		  .out = "not seen since clusterd began on this node",
		  .not_out = "2014" },
		{ .line = "vm show a",
		  .script = { { "{\"do\":\"vm\"}",
				{ OK("{\"name\":\"a\",\"state\":\"unknown\","
				     "\"last_known\":\"running\",\"owner_name\":\"n2\","
				     "\"since_ms\":1400000000000,"
				     "\"why\":\"last known: running on n2; no quorum\"}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "unknown because          last known: running on n2; no quorum",
		  .not_out = "since" },
		{ .line = "node show n2",
		  .script = { { "{\"do\":\"node\"}",
				{ OK("{\"id\":2,\"name\":\"n2\",\"facts\":{\"cpus\":4},"
				     "\"facts_current\":true,\"facts_as_of_ms\":0}") } },
			      { "{\"do\":\"fences\"}", { OK("[]") } } },
		  .out = "cpus ",
		  .not_out = "last known" },
		{ .line = "vm list --json",
		  .script = { { "{\"do\":\"vms\"}", { MORE("[{\"a\":1}]"),
		  OK("[{\"a\":2}]") } } },
		  .out = "[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 2\n  }\n]\n" },
		{ .line = "vm list --json",
		  .script = { { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .out = "[]\n" },
		{ .line = "settings get fence.budget",
		  .script = { { "{\"do\":\"settings\"}",
				{ OK("[{\"name\":\"fence.budget\",\"value\":\"3\"}]") } } },
		  .out = "3\n" },
		{ .line = "node list",
		  .script = { { "{\"do\":\"fences\"}",
				{ OK("[{\"name\":\"bmc\",\"targets\":[{\"node\":1}]}]") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "bmc (untested)" },
		{ .line = "node list",
		  .script = { { "{\"do\":\"fences\"}",
				{ OK("[{\"name\":\"bmc\",\"tested_ms\":5,"
				     "\"targets\":[{\"node\":1,\"failed_ms\":4},"
				     "{\"node\":2,\"tested_ms\":5}]}]") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "bmc (test failed)" },
		{ .line = "fence list",
		  .script = { { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"fences\"}",
				{ OK("[{\"name\":\"a\",\"test_result\":\"no route\","
				     "\"test_node\":1,\"targets\":[{\"node\":1,"
				     "\"failed_ms\":86400000}]},"
				     "{\"name\":\"b\",\"targets\":[{\"node\":2}]},"
				     "{\"name\":\"c\",\"test_result\":\"on\",\"test_node\":2,"
				     "\"targets\":[{\"node\":1,\"plug\":\"4\"},"
				     "{\"node\":2,\"plug\":\"5\",\"tested_ms\":86400000}]},"
				     "{\"name\":\"d\",\"test_result\":\"on\",\"test_node\":2,"
				     "\"targets\":[{\"node\":1,\"failed_ms\":86400000},"
				     "{\"node\":2,\"tested_ms\":172800000}]},"
				     "{\"name\":\"e\",\"targets\":[{\"node\":1,\"tested_ms\":"
				     "86400000},{\"node\":2,\"tested_ms\":172800000}]}]") } } },
		  .out = "NAME  AGENT  NODES       TESTED                      RESULT    PARAMS\n"
			 "a     -      n1          failed 1970-01-02 00:00:00  no route  -\n"
			 "b     -      n2          never                       -         -\n"
			 "c     -      n1=4, n2=5  not for all                 n2: on    -\n"
			 "d     -      n1, n2      failed 1970-01-02 00:00:00  n2: on    -\n"
			 "e     -      n1, n2      1970-01-02 00:00:00         -         -\n" },
		{ .line = "operation show 7",
		  .script = { { "{\"do\":\"operation\",\"operation\":7}",
				{ OK("{\"id\":7,\"kind\":\"live\",\"begun_ms\":1000,\"marks\":"
				     "[{\"what\":\"copied\",\"at_ms\":1250,\"node\":2}]}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "+250 ms  copied on n2" },
		{ .line = "operation list",
		  .script = { { "{\"do\":\"operations\"}",
				{ OK("[{\"id\":7,\"kind\":\"live\",\"subject\":\"web1\","
				     "\"node_name\":\"n1\",\"to_name\":\"n2\","
				     "\"on_name\":\"n1\",\"outcome\":\"running\","
				     "\"reason\":\"root\"},{\"id\":8,\"kind\":\"fence\","
				     "\"subject\":\"n3\",\"node_name\":\"n3\","
				     "\"to_name\":\"n1\",\"on_name\":\"n1\","
				     "\"device_name\":\"bmc3\",\"outcome\":\"done\","
				     "\"reason\":\"it left the totem ring without a word\","
				     "\"text\":\"off\"}]") } } },
		  .out = "ID  BEGUN  KIND   SUBJECT  NODE      OUTCOME  TOOK  "
			 "ASKED BY                           TEXT\n"
			 " 7  -      live   web1     n1 -> n2  running  -     "
			 "root                               -\n"
			 " 8  -      fence  n3       n1        done     -     "
			 "it left the totem ring without a…  bmc3: off\n" },
		{ .line = "events --limit 2",
		  .script = { { "{\"do\":\"events\",\"limit\":2}",
				{ OK("[{\"id\":1,\"severity\":\"error\",\"subject\":\"vm web1\","
				     "\"text\":\"died\"}]") } } },
		  .out = "ERROR  vm web1  died" },
		{ .line = "vm dumpxml web1",
		  .script = { { "{\"do\":\"dumpxml\",\"name\":\"web1\"}",
				{ MORE("{\"name\":\"web1\",\"xml\":\"<domain>\"}"),
				  OK("{\"name\":\"web1\",\"xml\":\"</domain>\"}") } } },
		  .out = "<domain></domain>\n" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/* What is said of a table on stderr stands below it, also where both go into one pipe. */
static void test_order(void)
{
	static const struct exchange script[] = {
		{ "{\"do\":\"vms\"}", { OK("[" UNPROTECTED("no device") "]") } },
		{ NULL },
	};
	pid_t daemon = stage_start_daemon(script), pid;
	static char buffer[4096];
	char all[1000] = "", *table, *reason;
	size_t len = 0;
	ssize_t n;
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(pipe(pair), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(pair[1], STDOUT_FILENO);
		dup2(pair[1], STDERR_FILENO);
		/* As it is in a program of its own. */
		setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
		stage_run_line("vm list");
		fflush(NULL);
		_exit(0);
	}
	close(pair[1]);
	while ((n = read(pair[0], all + len, sizeof(all) - 1 - len)) > 0)
		len += (size_t)n;
	close(pair[0]);
	waitpid(pid, NULL, 0);
	waitpid(daemon, NULL, 0);
	table = strstr(all, "PROTECTED");
	reason = strstr(all, "Not protected: no device");
	CU_ASSERT(table && reason && table < reason);
}

static void test_errors(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm show wbe1",
		  .script = { { "{\"do\":\"vm\",\"name\":\"wbe1\"}",
				{ NO("no-such", "no VM 'wbe1'") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "," VM2 "]") } } },
		  .exit = 3,
		  .err = "clusterctl: no VM 'wbe1'\nDid you mean 'web1'?\n" },
		{ .line = "vm show web2 --json",
		  .script = { { "{\"do\":\"vm\"}", { NO("no-such", "no VM 'web2'") } },
			      { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .exit = 3,
		  .out = "{\n  \"error\": {\n    \"code\": \"no-such\",\n    \"text\": \"no VM "
			 "'web2'\"\n  }\n}\n",
		  .err = "no VM 'web2'" },
		{ .line = "vm pause web1",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_want\":{\"name\":\"web1\","
				"\"wanted\":\"paused\"}}}",
				{ NO("no-quorum", "1 of 3") } } },
		  .exit = 5,
		  .err = "1 of 3" },
		{ .line = "vm pause web1",
		  .script = { { "{\"do\":\"command\"}", { NO("denied", "no") } } },
		  .exit = 7,
		  .err = "no" },
		{ .line = "vm pause web1",
		  .script = { { "{\"do\":\"command\"}", { NO("unknown-outcome", "hm") } } },
		  .exit = 6,
		  .err = "hm" },
		{ .line = "vm pause web1",
		  .script = { { "{\"do\":\"command\"}",
				{ NO("busy", "is \\u001b[31mbeing moved") } } },
		  .exit = 1,
		  .err = "is ?[31mbeing moved" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { "\"ok\":true}" } } },
		  .exit = 4,
		  .err = "does not speak as clusterd" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { OK("{}") } } },
		  .exit = 4,
		  .err = "does not speak as clusterd" },
		{ .line = "vm list", /* a failure behind a page that was good */
		  .script = { { "{\"do\":\"vms\"}",
				{ MORE("[" VM1 "]"), NO("no-quorum", "resync") } } },
		  .exit = 5,
		  .err = "resync" },
		{ .line = "vm migrate web1 n3",
		  .script = { { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .exit = 3,
		  .err = "there is no node 'n3'; clusterctl node list shows all\n",
		  .not_err = "mean" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/* A name that is missing, of several on the line: the hint is of its kind, or there is none. */
static void test_hints(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm set web1 ha=no owners=n1,n9",
		  .script = { { "{\"do\":\"command\"}", { NO("no-such", "no node 'n9'; see") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .exit = 3,
		  .err = "no node 'n9'; see\n",
		  .not_err = "mean" },
		{ .line = "vm set wbe1 owners=n1",
		  .script = { { "{\"do\":\"command\"}", { NO("no-such", "no VM 'wbe1'") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } } },
		  .exit = 3,
		  .err = "no VM 'wbe1'\nDid you mean 'web1'?\n" },
		/* web1 would be near, but it is a VM. */
		{ .line = "vm set web1 owners=web2",
		  .script = { { "{\"do\":\"command\"}", { NO("no-such", "no node 'web2'") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .exit = 3,
		  .err = "clusterctl: no node 'web2'\n",
		  .not_err = "mean" },
		{ .line = "vm set n1 owners=n1,n3",
		  .script = { { "{\"do\":\"command\"}", { NO("no-such", "no VM 'n1'") } },
			      { "{\"do\":\"vms\"}", { OK("[]") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .exit = 3,
		  .err = "clusterctl: no VM 'n1'\n",
		  .not_err = "mean" },
		{ .line = "fence add bmc fence_x --node n9=4",
		  .script = { { "{\"do\":\"fence-add\"}", { NO("no-such", "no node 'n9'") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .exit = 3,
		  .err = "no node 'n9'\n",
		  .not_err = "mean" },
		/* Of a short name, any letter may be what it is told by. */
		{ .line = "vm set web1 owners=nx",
		  .script = { { "{\"do\":\"command\"}", { NO("no-such", "no node 'nx'") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .exit = 3,
		  .err = "no node 'nx'\n",
		  .not_err = "mean" },
		/* Only the number is another. */
		{ .line = "vm set web2 owners=n2",
		  .script = { { "{\"do\":\"command\"}", { NO("no-such", "no VM 'web2'") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } } },
		  .exit = 3,
		  .err = "no VM 'web2'\n",
		  .not_err = "mean" },
		/* The daemon knows best, and said it. */
		{ .line = "settings set fence.buget 3",
		  .script = { { "{\"do\":\"command\"}",
				{ NO("no-such", "no setting 'fence.buget'; did you mean x?") } } },
		  .exit = 3,
		  .err = "clusterctl: no setting 'fence.buget'; did you mean x?\n",
		  .not_err = "Did" },
		{ .line = "operation show 8",
		  .script = { { "{\"do\":\"operation\"}",
				{ NO("no-such", "no operation '8'") } } },
		  .exit = 3,
		  .err = "clusterctl: no operation '8'\n",
		  .not_err = "mean" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

#define GUEST(state, wanted)                                                                       \
	OK("{\"uuid\":\"5c0ffee5-0000-4000-8000-0000000000ff\",\"state\":\"" state                \
	   "\",\"wanted\":\"" wanted "\",\"owner_name\":\"n2\","                                 \
	   "\"why\":\"n2 is daemon-down\"}")
#define CONSOLE_OF(state, wanted)                                                                  \
	.line = "vm console a", .exit = 1,                                                         \
	.script = { { "{\"do\":\"vm\"}", { GUEST(state, wanted) } },                             \
		    { "{\"do\":\"status\"}", { OK("{\"node\":{\"name\":\"n1\"}}") } },           \
		    { "{\"do\":\"settings\"}",                                                   \
		      { OK("[{\"name\":\"migration.connect_uri\",\"value\":"                     \
			   "\"qemu+unix:///system?socket=/nonexistent/%s\"}]") } },                \
		    { "{\"do\":\"nodes\"}", { OK("[{\"name\":\"n2\",\"address\":\"x\"}]") } } }

/* A VM without a console is answered with what it does, not with libvirt's words. */
static void test_console(void)
{
	static const struct scene scenes[] = {
		{ CONSOLE_OF("stopped", "stopped"),
		  .err = "a is stopped, so it has no console: clusterctl vm start a\n" },
		{ CONSOLE_OF("failed", "running"),
		  .err = "a is failed, so it has no console: clusterctl vm start a\n" },
		{ CONSOLE_OF("stopped", "running"),
		  .err = "a does not run yet, so it has no console; why: clusterctl vm show a\n" },
		{ CONSOLE_OF("stopping", "stopped"),
		  .err = "a is being stopped, so it has no console any more (" },
		{ CONSOLE_OF("starting", "running"),
		  .err = "a is only starting, so it has no console yet: try again soon (" },
		{ CONSOLE_OF("unknown", "running"),
		  .err = "no console of a now: its state is unknown, on n2: n2 is daemon-down\n" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/* Nothing of these reaches the daemon: their scripts are empty. */
static void test_usage(void)
{
	static const struct scene scenes[] = {
		{ .line = "fence add bmc fence_x --node n1 --secret-stdin",
		  .input = "hunter2\n",
		  .exit = 2,
		  .err = "line 1 of stdin is not of the form KEY=VALUE" },
		{ .line = "fence add bmc fence_x --node n1 --secret-stdin",
		  .exit = 2,
		  .err = "empty" },
		{ .line = "fence add bmc fence_x", .exit = 2, .err = "--node NODE" },
		{ .line = "volume add v /srv/v", .exit = 2, .err = "give dir:/PATH" },
		{ .line = "vm migrate web1 --live --quick",
		  .exit = 2,
		  .err = "exclude each other" },
		{ .line = "vm stop web1 --timeout 5", .exit = 2, .err = "--timeout is a time" },
		{ .line = "vm add - --set priority=hihg",
		  .input = "<a/>",
		  .exit = 1,
		  .err = "clusterctl: priority is high, medium or low, not 'hihg'; did you mean "
			 "'high'?\n" },
		{ .line = "vm add - --set on_guest_shutdown=retsart",
		  .input = "<a/>",
		  .exit = 1,
		  .err = "on_guest_shutdown is stop or restart, not 'retsart'; did you mean "
			 "'restart'?\n" },
		{ .line = "vm add - --set ha=maybe",
		  .input = "<a/>",
		  .exit = 1,
		  .err = "ha is yes or no, not 'maybe'\n" },
		{ .line = "vm add - --set stop_timeout=90x",
		  .input = "<a/>",
		  .exit = 1,
		  .err = "stop_timeout is a time like 90s or 5m, at most 24h, not '90x'\n" },
		{ .line = "vm add /nonexistent/x.xml", .exit = 1, .err = "No such file" },
		{ .line = "vm add -", .exit = 1, .err = "nothing in it" },
		{ .line = "vm add -", .input = "\xff", .exit = 1, .err = "not UTF-8" },
		{ .line = "vm show \xff", .exit = 2, .err = "not UTF-8" },
		{ .line = "operation show x", .exit = 2, .err = "no operation" },
		{ .line = "events --limit 0", .exit = 2, .err = "--limit is a number" },
		{ .line = "status --wrong", .exit = 3, .err = "unknown option --wrong" },
		{ .line = "--version", .out = "clusterctl " },
		{ .line = "help vm stop", .out = "Usage: clusterctl vm stop" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/* A program that asked for JSON gets it, whatever is wrong, once, and nothing else on stdout. */
static void test_usage_in_json(void)
{
	static const struct {
		const char *line, *text;
		int exit;
	} cases[] = {
		{ "--json", "a command is missing", 2 },
		{ "vm --json", "'vm' wants another word", 2 },
		{ "vm strat a --json", "unknown command 'vm strat'; did you mean 'start'?", 2 },
		{ "--json xyzzy", "unknown command 'xyzzy'", 2 },
		{ "vm start --json", "vm start: NAME is missing", 2 },
		{ "vm start a b --json", "vm start: 'b' is too much", 2 },
		{ "vm set a priorty=1 --json",
		  "vm set: unknown key 'priorty'; did you mean 'priority'?", 2 },
		{ "vm list --json --froce", "vm list: unknown option --froce", 2 },
		{ "vm list --json=yes --json", "vm list: --json takes no value", 2 },
		{ "vm stop a --json --timeout", "vm stop: --timeout wants TIME", 2 },
		{ "vm stop a --json --timeout 5", "--timeout is a time like 60s or 5m, not '5'",
		  2 },
		{ "vm migrate a --live --quick --json", "--live and --quick exclude each other",
		  2 },
		{ "help xyzzy --json", "unknown command 'xyzzy'", 2 },
		{ "vm show \xff --json", "an argument is not UTF-8 text", 2 },
		{ "vm show -\xc3\xa9 --json",
		  "vm show: unknown option -?; options are written out, as in --json", 2 },
		{ "status --json --wrong", "status: unknown option --wrong", 3 },
	};

	stage_set_up();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *out = mem_printf(
			"{\n  \"error\": {\n    \"code\": \"invalid\",\n    \"text\": \"%s\"\n"
			"  }\n}\n", cases[i].text);
		struct outcome outcome = stage_run(cases[i].line, "");

		if (strcmp(outcome.out, out) != 0 || outcome.exit != cases[i].exit) {
			printf("%s: %d\n%s", cases[i].line, outcome.exit, outcome.out);
			CU_FAIL("as JSON");
		}
		CU_ASSERT_NOT_EQUAL(outcome.err[0], '\0');
		outcome_free(&outcome);
	}
}

static void test_no_daemon(void)
{
	struct outcome outcome;

	stage_set_up();
	unlink(stage_socket);
	outcome = stage_run("vm list", "");
	CU_ASSERT_EQUAL(outcome.exit, 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "clusterd does not answer at "));
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "; systemctl status clusterd\n"));
	outcome_free(&outcome);
	outcome = stage_run("vm stop web1", "");
	CU_ASSERT_EQUAL(outcome.exit, 4);
	outcome_free(&outcome);
	outcome = stage_run("vm list --json", "");
	CU_ASSERT_EQUAL(outcome.exit, 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.out, "\"code\": \"no-daemon\""));
	outcome_free(&outcome);
	outcome = stage_run("status", "");
	CU_ASSERT_EQUAL(outcome.exit, 3);
	CU_ASSERT_TRUE(strncmp(outcome.out, "UNKNOWN: clusterd does not answer", 33) == 0);
	outcome_free(&outcome);
	outcome = stage_run("__complete vm show", "");
	CU_ASSERT_EQUAL(outcome.exit, 0);
	CU_ASSERT_STRING_EQUAL(outcome.out, "show\n");
	outcome_free(&outcome);
	outcome = stage_run(
		"--socket /tmp/a-path-that-is-longer-than-any-address-of-a-socket-in-this-system-"
		"may-be-which-is-one-hundred-and-eight-bytes vm list",
		"");
	CU_ASSERT_EQUAL(outcome.exit, 4);
	outcome_free(&outcome);
}

#define STATUS                                                                                     \
	"{\"cluster\":{\"name\":\"c\"},\"node\":{\"name\":\"n1\"},\"standing\":{\"open\":true},"   \
	"\"quorum\":{\"voters\":[1,2],\"present\":2,\"needed\":2,\"have\":true},"                  \
	"\"vms\":{\"total\":1}}"

static void test_status(void)
{
	static const struct scene scenes[] = {
		{ .line = "status",
		  .script = { { "{\"do\":\"status\"}", { OK(STATUS) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } } },
		  .out = "OK: 2 nodes up, 1 VM as wanted\n" },
		{ .line = "status",
		  .script = { { "{\"do\":\"status\"}", { OK(STATUS) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "," VM2 "]") } } },
		  .exit = 2,
		  .out = "CRITICAL: VM db1 should run and is failed: evil ?[2J (given up; "
			 "clusterctl vm start to try again)\n" },
		{ .line = "status --json",
		  .script = { { "{\"do\":\"status\"}", { OK(STATUS) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"vms\"}", { OK("[" VM2 "]") } } },
		  .exit = 2,
		  .out = "\"level\": \"critical\"" },
		{ .line = "status",
		  .script = { { "{\"do\":\"status\"}", { NO("denied", "not you") } } },
		  .exit = 3,
		  .out = "UNKNOWN: not you\n",
		  .not_err = "not you" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

#define OLD "\"current\":false,\"as_of_ms\":1000"
#define GONE                                                                                       \
	"[{\"name\":\"n3\",\"state\":\"up\",\"state_text\":\"not seen\","                          \
	"\"why\":\"not seen by this node now; it was up\"," OLD "}]"
#define SILENT                                                                                     \
	"{\"id\":7,\"name\":\"mail\",\"state\":\"unknown\",\"wanted\":\"running\","                \
	"\"detail\":\"x\",\"why\":\"n3 is lost\",\"protected\":{}," OLD "}"

/* Without quorum nothing is shown as if it were so now; JSON has no more than the daemon said. */
static void test_without_quorum(void)
{
	static const struct scene scenes[] = {
		{ .line = "node list",
		  .script = { { "{\"do\":\"fences\"}", { OK("[]") } },
			      { "{\"do\":\"nodes\"}", { OK(GONE) } } },
		  .out = "not seen by this node now; it was up\n",
		  .err = "No quorum here: this is as of 1970-01-01 00:00:01; " },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { OK("[" SILENT "]") } } },
		  .out = "n3 is lost\n",
		  .err = "as of 1970-01-01 00:00:01" },
		{ .line = "vm list --json",
		  .script = { { "{\"do\":\"vms\"}", { OK("[" SILENT "]") } } },
		  .out = "\"as_of_ms\": 1000" },
		{ .line = "vm show mail",
		  .script = { { "{\"do\":\"vm\"}", { OK(SILENT) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "as of                    1970-01-01 00:00:01; what happened since is not "
			 "known on this node\nunknown because          n3 is lost\n" },
		{ .line = "status",
		  .script = { { "{\"do\":\"status\"}",
				{ OK("{\"cluster\":{},"
				     "\"standing\":{\"why_not\":\"no quorum: alone\"}," OLD
				     "}") } },
			      { "{\"do\":\"nodes\"}", { OK(GONE) } },
			      { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .exit = 2,
		  .out = "as of    1970-01-01 00:00:01; what happened since is not known" },
	};

	setenv("TZ", "UTC", 1);
	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

#define LONG_SETTING                                                                               \
	"[{\"name\":\"fence.budget\",\"value\":\"3\",\"unit\":\"nodes\",\"help\":"                 \
	"\"how many, or something like it\"}]"

#define WAITS(nodes)                                                                               \
	OK("{\"standing\":{\"open\":false,\"why_not\":\"alone\"},\"quorum\":{\"needed\":2,"        \
	   "\"present\":1},\"nodes\":" nodes "}")
#define VOTER(name, member) "{\"name\":\"" name "\",\"voter\":true,\"member\":" member "}"

/* People at a terminal are told at once what is waited for, and read what fits. */
static void test_terminal(void)
{
	static const struct scene scenes[] = {
		{ .terminal = true,
		  .line = "vm pause web1",
		  .script = { { "{\"do\":\"status\"}",
				{ WAITS("[" VOTER("n1", "true") "," VOTER("n2",
				  "false") "," VOTER(
					"n3", "false") "]") } },
			      { "{\"do\":\"command\"}", { NO("no-quorum", "not so") } } },
		  .exit = 5,
		  .out = "no quorum: waiting up to 5 s for n2 or n3\r\nclusterctl: not so\r\n",
		},
		{ .terminal = true,
		  .line = "vm pause web1",
		  .script = { { "{\"do\":\"status\"}", { OK(STATUS) } },
			      { "{\"do\":\"command\"}", { OK("{\"text\":\"is paused\"}") } } },
		  .out = "is paused\r\n",
		  .not_out = "waiting" },
		{ .terminal = true,
		  .line = "vm pause web1",
		  .script = { { "{\"do\":\"status\"}", { NO("denied", "not you") } },
			      { "{\"do\":\"command\"}", { NO("denied", "not you") } } },
		  .exit = 7,
		  .out = "clusterctl: not you\r\n" },
		{ .terminal = true,
		  .line = "settings get",
		  .script = { { "{\"do\":\"settings\"}", { OK(LONG_SETTING) } } },
		  .out = "fence.budget      3  nodes  -        how man…\r\n" },
		{ .line = "settings get",
		  .script = { { "{\"do\":\"settings\"}", { OK(LONG_SETTING) } } },
		  .out = "how many, or something like it\n" },
	};

	unsetenv("COLUMNS");
	stage_play_all(scenes, ARRAY_SIZE(scenes));
	/* What the environment says of terminals means nothing for a pipe. */
	setenv("COLUMNS", "40", 1);
	stage_play(&scenes[4]);
	unsetenv("COLUMNS");
}

static void test_quorum_awaited(void)
{
	static const struct {
		const char *status, *text;
	} cases[] = {
		{ "{\"standing\":{\"open\":true}}", NULL },
		{ "{}", NULL },
		{ "{\"standing\":{\"open\":false,\"why_not\":\"joining: soon\"},\"quorum\":"
		  "{\"needed\":2,\"present\":2}}",
		  "waiting up to 5 s: joining: soon" },
		{ "{\"standing\":{\"open\":false},\"quorum\":{\"needed\":2,\"present\":0},"
		  "\"nodes\":[" VOTER("a", "false") "," VOTER("b", "false") ",{\"name\":\"c\"}]}",
		  "no quorum: waiting up to 5 s for a and b" },
		{ "{\"standing\":{\"open\":false},\"quorum\":{\"needed\":3,\"present\":1},"
		  "\"nodes\":[" VOTER("a", "false") "," VOTER("b", "false") "," VOTER(
			  "c", "true") "," VOTER("d", "false") "," VOTER("e", "false") "]}",
		  "no quorum: waiting up to 5 s for 2 of a, b, d and e" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *status = json_loads(cases[i].status, 0, NULL);
		_cleanup_(freep) char *text = quorum_awaited(status);

		CU_ASSERT_PTR_NOT_NULL_FATAL(status);
		if (cases[i].text)
			CU_ASSERT_STRING_EQUAL(text, cases[i].text);
		CU_ASSERT_EQUAL(text == NULL, cases[i].text == NULL);
		json_decref(status);
	}
}

/* Goes on where it was when the daemon comes back. */
static void test_follow(void)
{
	static const struct scene scenes[] = {
		{ .line = "events --follow --json --limit 3",
		  .script = { { "{\"do\":\"events\",\"limit\":3,\"follow\":true}",
				{ MORE("[{\"id\":4,\"text\":\"a\"}]"), MORE("[]"),
				  MORE("[{\"id\":5,\"text\":\"b\"}]"), HANG_UP } },
			      { "{\"do\":\"events\",\"after\":5,\"follow\":true}",
				{ MORE("[{\"id\":6,\"text\":\"c\"}]"), NO("denied",
				  "enough") } } },
		  .exit = 7,
		  .out = "{\"id\":4,\"text\":\"a\"}\n{\"id\":5,\"text\":\"b\"}\n{\"id\":6,"
			 "\"text\":\"c\"}\n",
		  .not_out = "error",
		  .err = "enough" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

UNIT_MAIN("clusterctl/run", { "lists", test_lists }, { "order", test_order },
	  { "errors", test_errors },
	  { "hints", test_hints },
	  { "usage", test_usage }, { "usage-in-json", test_usage_in_json },
	  { "console", test_console }, { "no-daemon", test_no_daemon },
	  { "status", test_status },
	  { "follow", test_follow },
	  { "without-quorum", test_without_quorum },
	  { "terminal", test_terminal },
	  { "quorum-awaited", test_quorum_awaited })
