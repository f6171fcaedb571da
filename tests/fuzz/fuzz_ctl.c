/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// clusterctl as a whole, with a daemon that answers whatever it likes: one that is newer, or
// hostile. An input is a script (fuzz.h): the command line, then what comes back, record by record.
//
// The daemon is in this process, behind connect() and send(), and time passes only where somebody
// sleeps: so nothing is waited for.
//
// Covers: clusterctl/client.c clusterctl/ctl.c clusterctl/show.c clusterctl/table.c
// clusterctl/health.c clusterctl/cmd_status.c clusterctl/cmd_vm.c clusterctl/cmd_node.c
// clusterctl/wait.c clusterctl/cmd_operation.c clusterctl/cmd_events.c clusterctl/cmd_cluster.c
// clusterctl/cmd_fence.c clusterctl/cmd_volume.c clusterctl/cmd_settings.c clusterctl/change.c
// clusterctl/complete.c clusterctl/quorum.c clusterctl/place.c clusterctl/started.c
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterctl/clock.h"
#include "clusterctl/ctl.h"
#include "wire/check.h"

const unsigned int fuzz_rounds = 4000;

/* Which of its descriptors are terminals. */
enum { TERMINAL_OUT = 1, TERMINAL_ERR = 2 };
enum { WORDS_MAX = 12, RECORDS_MAX = 6, ASKED_MAX = 300, TIME_MAX_MS = 3600000 };

static const char *const lines[] = {
	"status", "status --json", "node list", "node show n1", "node list --json", "vm list",
	"vm list --json", "vm show web1", "vm show web1 --json", "vm start web1", "vm stop web1",
	"vm migrate web1 n2", "vm set web1 ha=no", "vm remove web1", "vm dumpxml web1",
	"vm accept web1", "vm cancel web1", "vm pause web1 --json", "fence list", "fence test bmc1",
	"fence remove bmc1", "volume list", "volume add shared dir:/ --declared-shared",
	"operation list", "operation show 5", "operation wait 5", "operation cancel 5",
	"settings get", "settings set fence.budget 2", "events", "events --json --limit 3",
	"node set n1 placement=no", "__complete vm start w",
	"node add n4 --address 10.0.0.4 --witness", "node remove n1", "node set n1 witness=yes",
	"cluster upgrade", "cluster upgrade --yes", "cluster upgrade --yes --leave-behind n1",
	"events --follow", "events --follow --json", "vm stop web1 --force --timeout 3s",
	"vm start web1 --no-wait --json", "vm migrate web1", "vm migrate web1 n2 --quick",
	"vm reset web1", "vm reboot web1", "vm resume web1", "vm accept web1 --changed",
	"vm accept web1 --not-running", "vm dumpxml web1 --live", "volume list --json",
	"volume remove shared", "fence list --json", "fence test bmc1 n1 --json",
	"operation list --json", "operation show 5 --json", "operation wait 5 --timeout 5s --json",
	"settings get fence.budget --json", "node show n1 --json", "__complete node set n1 x",
	"__complete operation show ", "__complete settings set ", "__complete fence test b",
};

static struct {
	struct fuzz_in script;
	int peer;		/* the daemon's end; -1: nobody is connected */
	uint64_t now_ms;
	unsigned int asked;
	unsigned int terminals;
} stage = { .peer = -1 };

/* ---------------------------------------------------------------- instead of libc's and ours */

uint64_t clock_ms(void)
{
	return stage.now_ms;
}

int clock_until(uint64_t moment_ms)
{
	return moment_ms > stage.now_ms ? (int)(moment_ms - stage.now_ms) : 0;
}

void clock_sleep(uint64_t ms)
{
	stage.now_ms += ms;
	fuzz_must(stage.now_ms < TIME_MAX_MS, "it waits for ever");
}

int isatty(int fd)
{
	return fd == STDOUT_FILENO ? !!(stage.terminals & TERMINAL_OUT) :
	       fd == STDERR_FILENO ? !!(stage.terminals & TERMINAL_ERR) : 0;
}

static void hang_up(void)
{
	if (stage.peer >= 0)
		close(stage.peer);
	stage.peer = -1;
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int pair[2];

	hang_up();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	dup2(pair[0], fd);
	close(pair[0]);
	stage.peer = pair[1];
	return 0;
}

static void tell(const char *text, size_t size)
{
	/* What the socket does not take is lost, as with a daemon that is killed. */
	syscall(SYS_sendto, stage.peer, text, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

/* One record of the script. False: the reply ends with it. */
static bool tell_record(json_int_t id, int seq)
{
	uint8_t how = fuzz_byte(&stage.script);
	struct fuzz_in block = fuzz_block(&stage.script);
	_cleanup_(buf_free) struct buf record = { 0 };
	bool more = how & 2;

	if (how & 4) {
		hang_up();
		return false;
	}
	if (how & 1) {
		tell((const char *)block.data, block.size);
		return true;
	}
	buf_printf(&record, "{\"id\":%lld,\"seq\":%d,\"last\":%s,\"ok\":%s,\"%s\":", (long long)id,
		   seq, more ? "false" : "true", how & 8 ? "false" : "true",
		   how & 8 ? "error" : "data");
	buf_append(&record, block.data, block.size);
	buf_append_byte(&record, '}');
	tell(buf_str(&record), record.len);
	return more && !(how & 8);
}

/* What was not the end of a reply is followed by one, so that nobody waits. */
static void tell_end(json_int_t id, int seq)
{
	_cleanup_(freep) char *record =
		mem_printf("{\"id\":%lld,\"seq\":%d,\"last\":true,\"ok\":false,\"error\":{\"code\":"
			   "\"no-such\",\"text\":\"there is nothing\"}}", (long long)id, seq);

	if (stage.peer >= 0)
		tell(record, strlen(record));
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	json_t *request = json_loadb(data, size, 0, NULL);
	json_int_t id = json_integer_value(json_object_get(request, "id"));
	bool more = true;
	int seq = 0;

	fuzz_must(json_is_object(request) && json_object_get(request, "do") && id > 0,
		  "a request that no daemon takes");
	fuzz_must(stage.asked++ < ASKED_MAX, "it asks for ever");
	while (more && seq < RECORDS_MAX && stage.script.size > 0 && stage.peer >= 0)
		more = tell_record(id, seq++);
	if (more)
		tell_end(id, seq);
	json_decref(request);
	return (ssize_t)size;
}

/* ---------------------------------------------------------------- what is said */

/* What clusterctl itself says to a terminal: colours, and where a line begins anew. */
static void take_out(char *text, const char *sequence)
{
	for (char *at = text; (at = strstr(at, sequence));)
		memmove(at, at + strlen(sequence), strlen(at + strlen(sequence)) + 1);
}

static void check_said(char *text, size_t size, bool json, bool terminal)
{
	static const char *const ours[] = { "\r\033[K", "\033[32m", "\033[33m", "\033[31m",
					    "\033[0m" };

	fuzz_must(strlen(text) == size, "a zero byte is written");
	for (size_t i = 0; terminal && i < ARRAY_SIZE(ours); i++)
		take_out(text, ours[i]);
	if (!json)
		fuzz_must(wire_text_ok(text, strlen(text), true),
			  "what is written can drive a terminal");
}

static void check_json(const char *text, size_t size)
{
	json_t *json;
	size_t at = 0;

	/* Events are one document after the other. */
	while (at < size && strspn(text + at, " \n") < size - at) {
		json_error_t error;

		json = json_loadb(text + at, size - at, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY,
				  &error);
		fuzz_must(json, "no JSON is written");
		json_decref(json);
		at += (size_t)error.position;
	}
}

static int run(const char *line)
{
	_cleanup_(freep) char *copy = mem_strdup(line);
	char *argv[WORDS_MAX + 1] = { (char *)"clusterctl" }, *rest = NULL;
	int argc = 1;

	for (char *word = strtok_r(copy, " ", &rest); word && argc < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	return ctl_main(argc, argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static_assert(ARRAY_SIZE(lines) <= 256 / (2 * TERMINAL_ERR), "one byte chooses");
	struct fuzz_in in = { data, size };
	uint8_t first = fuzz_byte(&in);
	const char *line = lines[first % ARRAY_SIZE(lines)];
	FILE *const out = stdout, *const err = stderr;
	char *out_text = NULL, *err_text = NULL;
	size_t out_size = 0, err_size = 0;
	int exit;

	setenv("CLUSTERD_SOCKET", "/run/x", 1);
	setenv("TERM", "xterm", 1);
	setenv("COLUMNS", "60", 1);
	stage.terminals = first / ARRAY_SIZE(lines);
	stage.script = in;
	stage.asked = 0;
	stage.now_ms = 1000;
	stdout = open_memstream(&out_text, &out_size);
	stderr = open_memstream(&err_text, &err_size);
	exit = run(line);
	fclose(stdout);
	fclose(stderr);
	stdout = out;
	stderr = err;
	hang_up();
	fuzz_must(exit >= EXIT_OK && exit <= EXIT_DENIED, "another exit than promised");
	check_said(out_text, out_size, strstr(line, "--json") || strstr(line, "dumpxml"),
		   stage.terminals & TERMINAL_OUT);
	check_said(err_text, err_size, false, stage.terminals & TERMINAL_ERR);
	if (strstr(line, "--json"))
		check_json(out_text, out_size);
	fuzz_must(exit == EXIT_OK || strncmp(line, "status", 6) == 0 || out_size + err_size > 0 ||
			  strncmp(line, "__", 2) == 0, "it fails without a word");
	free(out_text);
	free(err_text);
	return 0;
}

/* ---------------------------------------------------------------- seeds */

#define NODE1                                                                                      \
	"{\"id\":1,\"name\":\"n1\",\"state\":\"up\",\"member\":true,\"voter\":true,\"facts\":{"    \
	"\"memory_mib\":4096,\"cpus\":4,\"bridges\":[\"br0\"]},\"why\":\"\",\"vms\":2,"            \
	"\"memory_used_mib\":512}"
#define WEB1                                                                                       \
	"{\"id\":5,\"name\":\"web1\",\"state\":\"running\",\"wanted\":\"running\",\"owner\":1,"    \
	"\"owner_name\":\"n1\",\"priority\":\"high\",\"protected\":{\"ok\":false,\"reason\":"      \
	"\"no fence device\"},\"essence\":{\"memory_mib\":512,\"vcpus\":1,\"disks\":[{\"target\":" \
	"\"vda\",\"source\":\"/v/a\"}]},\"in_force\":{\"memory_mib\":2048,\"vcpus\":2},"           \
	"\"possible_owners\":[1,2],\"detail\":\"h\\u00e9 \\u001b[2J\",\"op\":7}"
#define OPERATION                                                                                  \
	"{\"id\":7,\"kind\":\"live\",\"outcome\":\"running\",\"vm\":5,\"vm_name\":\"web1\","       \
	"\"node\":1,\"to\":2,\"begun_ms\":1700000000000,\"text\":\"t\",\"marks\":[{\"what\":"      \
	"\"go\",\"at_ms\":1700000000005}]}"
#define MOVE                                                                                       \
	"{\"id\":7,\"kind\":\"live\",\"outcome\":\"running\",\"vm\":5,\"vm_name\":\"www" NAME    \
	NAME NAME "\",\"node\":1}"
#define NAME "h\u00e9h\u00e9h\u00e9h\u00e9h\u00e9h\u00e9h\u00e9h\u00e9h\u00e9h\u00e9h\u00e9h"
#define DONE "{\"id\":7,\"kind\":\"live\",\"outcome\":\"done\",\"vm\":5,\"vm_name\":\"web1\"}"
#define EVENT                                                                                      \
	"{\"id\":3,\"time_ms\":1700000000000,\"severity\":\"warning\",\"subject\":\"vm web1\","    \
	"\"text\":\"x\"}"

bool fuzz_seed(unsigned int n, struct buf *out)
{
	static const struct {
		const char *line;
		const char *data[14];
	} seeds[] = {
		{ "status",
		  { "{\"node\":1,\"name\":\"n1\",\"open\":true,\"leader\":1,\"epoch\":3,"
		    "\"members\":[1,2],\"warnings\":[\"w\"],\"unprotected\":[],\"voters\":3}",
		    "[" NODE1 "]", "[" WEB1 "]", "[" OPERATION "]" } },
		{ "status --json", { "{\"open\":false,\"why_not\":\"no quorum\"}", "[]", "[]" } },
		{ "node list", { "[" NODE1 "," NODE1 "]", "[]" } },
		{ "node show n1", { NODE1, "[" WEB1 "]", "[]" } },
		{ "vm list", { "[" WEB1 "]", "[" NODE1 "]" } },
		{ "vm list --json", { "[" WEB1 "]" } },
		{ "vm show web1", { WEB1, "[" NODE1 "]", "[]", OPERATION } },
		{ "vm start web1", { "{\"op\":7,\"record\":5,\"text\":\"\"}", OPERATION, WEB1,
				     "[" NODE1 "]" } },
		{ "vm migrate web1 n2", { "[" NODE1 ",{\"id\":2,\"name\":\"n2\"}]",
					  "{\"op\":7}", OPERATION, "{\"total\":10,\"done\":5}" } },
		{ "vm set web1 ha=no", { "{\"op\":0,\"text\":\"done\"}", WEB1 } },
		{ "vm dumpxml web1", { "{\"name\":\"web1\",\"xml\":\"<domain/>\"}" } },
		{ "fence list", { "[{\"id\":6,\"name\":\"bmc1\",\"agent\":\"fence_ipmilan\","
				  "\"targets\":[{\"node\":1,\"plug\":\"7\"}],\"tested_ms\":5}]",
				  "[" NODE1 "]" } },
		{ "fence test bmc1", { "{\"op\":7}", OPERATION } },
		{ "volume list", { "[{\"id\":5,\"name\":\"shared\",\"driver\":\"dir\",\"target\":"
				   "\"/v\",\"leftovers\":[{\"name\":\"x\"}]}]", "[" NODE1 "]" } },
		{ "operation list", { "[" OPERATION "]", "[" NODE1 "]", "[" WEB1 "]" } },
		{ "operation show 5", { OPERATION, "[" NODE1 "]" } },
		{ "operation wait 5", { OPERATION, OPERATION, OPERATION, OPERATION } },
		{ "settings get", { "[{\"name\":\"fence.budget\",\"value\":\"2\",\"default\":\"1\","
				    "\"set\":true,\"unit\":\"\",\"help\":\"h\"}]" } },
		{ "events", { "[{\"id\":1,\"time_ms\":1700000000000,\"severity\":\"error\","
			      "\"subject\":\"vm web1\",\"text\":\"x\\ny\"}]" } },
		{ "events --json --limit 3", { "[{\"id\":1}]" } },
		{ "__complete vm start w", { "[" WEB1 "]" } },
		{ "events --follow", { EVENT, EVENT, EVENT } },
		{ "events --follow --json", { EVENT, EVENT } },
		{ "vm dumpxml web1 --live", { "{\"xml\":\"<domain/>\"}" } },
		{ "node add n4 --address 10.0.0.4 --witness", { "[" NODE1 "]", "{\"op\":0}" } },
		{ "node remove n1", { "[" NODE1 "]", "{\"op\":7}", OPERATION } },
		{ "cluster upgrade --yes", { "{\"level\":1,\"levels\":[{\"level\":2}]}",
					     "[" NODE1 "]", "{\"op\":0}" } },
		{ "vm accept web1 --changed", { WEB1, "{\"op\":0}", WEB1 } },
		{ "volume remove shared", { "{\"op\":0}" } },
		{ "settings get fence.budget --json", { "[{\"name\":\"fence.budget\"}]" } },
		{ "operation wait 5 --timeout 5s --json", { OPERATION, OPERATION } },
		{ "operation wait 5", { MOVE, MOVE, MOVE, MOVE, MOVE, MOVE, WEB1,
					"{\"total\":10,\"done\":5,\"pass\":2,"
					"\"eta_ms\":7000}", NODE1, MOVE, DONE } },
		{ "vm stop web1 --force --timeout 3s",
		  { "{\"op\":7}", OPERATION, OPERATION, DONE, WEB1, "[" NODE1 "]" } },
		{ "volume add shared dir:/ --declared-shared",
		  { "{\"node\":1}", "{\"op\":0}",
		    "[{\"name\":\"shared\",\"missing_on\":[\"n1\"]}]" } },
	};
	/* The second time on terminals. */
	uint8_t line = n >= ARRAY_SIZE(seeds) ? 3 * ARRAY_SIZE(lines) : 0;

	if (n >= 2 * ARRAY_SIZE(seeds))
		return false;
	n %= ARRAY_SIZE(seeds);
	while (strcmp(lines[line % ARRAY_SIZE(lines)], seeds[n].line) != 0)
		line++;
	buf_append_byte(out, line);
	for (size_t i = 0; i < ARRAY_SIZE(seeds[n].data) && seeds[n].data[i]; i++) {
		buf_append_byte(out, 0);
		fuzz_put_block(out, seeds[n].data[i], strlen(seeds[n].data[i]));
	}
	buf_append_byte(out, 8);
	fuzz_put_block(out, "{\"code\":\"busy\",\"text\":\"later\"}", 31);
	return true;
}
