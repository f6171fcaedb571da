/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes something: commands and how they are waited for. vm edit: test_clusterctl_edit.c. */
#include "base/mem.h"
#include "tests/unit/stage.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLED_OFF                                                                                 \
	OK("{\"id\":9,\"kind\":\"live\",\"vm_name\":\"web1\",\"node_name\":\"n1\","                \
	   "\"outcome\":\"cancelled\",\"text\":\"it stays on n1\"}")

#define OFF(text)                                                                                  \
	OK("{\"id\":9,\"kind\":\"stop\",\"vm_name\":\"web1\",\"outcome\":\"done\","             \
	   "\"text\":\"" text "\"}")

#define MISSING                                                                                    \
	"disk vda (/srv/a) is not there on this node: mount its storage, or correct its path "     \
	"(cannot access storage file '/srv/a' (as uid:64055): No such file or directory)"
#define TESTED(outcome, text) TESTED_BY("bmc1", outcome, text)
#define TESTED_BY(device, outcome, text)                                                           \
	OK("{\"id\":3,\"kind\":\"fence-test\",\"device_name\":\"" device                        \
	   "\",\"node_name\":\"n1\","                                                             \
	   "\"to_name\":\"n2\",\"begun_ms\":1000,\"ended_ms\":1139,\"outcome\":\"" outcome         \
	   "\",\"text\":\"" text "\"}")

#define ADDS_V "{\"do\":\"command\",\"command\":{\"volume_add\":{\"volume\":{\"name\":\"v\"}}}}"
#define ADDS_VOLUME                                                                                \
	{                                                                                          \
		ADDS_V, {                                                                          \
			OK("{\"record\":7}")                                                       \
		}                                                                                  \
	}
#define VOLUMES(missing)                                                                           \
	{                                                                                          \
		"{\"do\":\"volumes\"}", {                                                          \
			OK("[{\"id\":6,\"missing_on\":[\"n9\"]},{\"id\":7,\"missing_on\":" missing \
			   "}]")                                                                   \
		}                                                                                  \
	}

/* A directory must be here; that others lack it is said once they had time to look. */
static void test_volume_add(void)
{
	static const struct scene scenes[] = {
		{ .line = "volume add v dir:/tmp --declared-shared",
		  .script = { { "{\"do\":\"command\",\"command\":{\"volume_add\":{\"volume\":"
				"{\"name\":\"v\",\"driver\":\"dir\",\"target\":\"/tmp\","
				"\"declared_shared\":true}}}}",
				{ OK("{\"record\":7}") } },
			      VOLUMES("[\"n2\",\"n3\"]"), VOLUMES("[]") },
		  .err = "v is added\n",
		  .not_err = "Warning" },
		{ .line = "volume add v dir:/tmp",
		  .script = { ADDS_VOLUME, VOLUMES("[\"n2\",\"n3\"]"), VOLUMES("[\"n2\"]"),
			      { "{\"do\":\"volumes\"}", { NO("denied", "not you") } } },
		  .err = "v is added\nWarning: /tmp is not there, or not writable, on n2: VMs" },
		{ .line = "volume add v dir:/tmp --no-wait",
		  .script = { ADDS_VOLUME },
		  .err = "v is added\n" },
		{ .line = "volume add v dir:/tmp --json",
		  .script = { ADDS_VOLUME, VOLUMES("[]") },
		  .out = "{\n  \"record\": 7,\n  \"missing_on\": []\n}\n",
		  .err = "v is added\n" },
		{ .line = "volume add v dir:/nonexistent/v",
		  .script = { { "{\"do\":\"status\"}",
				{ OK("{\"node\":{\"id\":1},\"nodes\":[{\"id\":1},"
				     "{\"id\":2,\"witness\":true}]}") } } },
		  .exit = 1,
		  .err = "there is no directory /nonexistent/v on this node: a volume must be" },
		{ .line = "volume add v dir:/dev/null",
		  .script = { { "{\"do\":\"status\"}", { OK("{}") } } },
		  .exit = 1,
		  .err = "/dev/null is no directory" },
		{ .line = "volume add v dir:/nonexistent/v",
		  .script = { { "{\"do\":\"status\"}",
				{ OK("{\"node\":{\"id\":1},"
				     "\"nodes\":[{\"id\":1,\"witness\":true}]}") } },
			      ADDS_VOLUME, VOLUMES("[]") },
		  .err = "v is added\n" },
		{ .line = "volume list",
		  .script = { { "{\"do\":\"volumes\"}",
				{ OK("[{\"name\":\"v\",\"missing_on\":[\"n2\",\"n3\"]}]") } } },
		  .out = "MISSING ON\nv     -       -       no      n2, n3\n" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

static void test_node_member(void)
{
	static const struct scene scenes[] = {
		{ .line = "node add n4 --address 10.0.0.4",
		  .script = { { "{\"do\":\"command\",\"command\":{\"node_add\":"
				"{\"name\":\"n4\","
				"\"address\":\"10.0.0.4\"}}}",
				{ OK("{\"record\":4,"
				     "\"text\":\"n4 is added with id 4: and so on\"}") } } },
		  .err = "n4 is added with id 4: and so on\n" },
		{ .line = "node add n4 --address a --domain r2 --witness --learner --id 7 --json",
		  .script = { { "{\"do\":\"command\",\"command\":{\"node_add\":"
				"{\"name\":\"n4\","
				"\"address\":\"a\",\"domain\":\"r2\",\"witness\":true,"
				"\"no_vote\":true,\"id\":7}}}",
				{ OK("{\"record\":7,\"text\":\"\"}") } } },
		  .out = "{\n  \"record\": 7,\n  \"text\": \"\"\n}\n",
		  .err = "n4 is added\n" },
		{ .line = "node add n4", .exit = 2, .err = "the node needs an address" },
		{ .line = "node add n4 --address a --id 65", .exit = 2,
		  .err = "'65' is no node id: give Corosync's nodeid, 1 to 64" },
		{ .line = "node remove n4",
		  .script = { { "{\"do\":\"command\",\"command\":{\"node_remove\":{\"name\":"
				"\"n4\"}}}",
				{ OK("{\"record\":4,\"text\":\"\"}") } } },
		  .err = "n4 is removed\n" },
		{ .line = "node remove n4",
		  .script = { { "{\"do\":\"command\",\"command\":{\"node_remove\":{\"name\":"
				"\"n4\"}}}",
				{ NO("wrong-state", "n4 cannot be removed: VM a is there") } } },
		  .exit = 1,
		  .err = "n4 cannot be removed: VM a is there" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/* What is so already is done, for every command that wants a state. */
static void test_already(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm migrate web1 n1 --json",
		  .script = { { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"command\",\"command\":{\"vm_move\":{\"name\":\"web1\","
				"\"to\":1}}}",
				{ NO("wrong-state", "web1 runs on n1 already") } },
			      { "{\"do\":\"vm\",\"name\":\"web1\"}",
				{ OK("{\"id\":5,\"owner\":1,\"phase\":\"run\"}") } } },
		  .out = "{\n  \"op\": 0,\n  \"record\": 5,\n  \"text\": \"web1 runs on n1 "
			 "already\"\n}\n",
		  .err = "web1 runs on n1 already\n",
		  .not_err = "clusterctl" },
		{ .line = "vm migrate web1 n2",
		  .script = { { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"command\"}", { NO("wrong-state", "it is off") } },
			      { "{\"do\":\"vm\"}", { OK("{\"owner\":0,\"phase\":\"off\"}") } } },
		  .exit = 1,
		  .err = "clusterctl: it is off\n" },
		{ .line = "vm migrate web1",
		  .script = { { "{\"do\":\"command\"}", { NO("wrong-state", "it is off") } } },
		  .exit = 1,
		  .err = "clusterctl: it is off\n" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

#define START_FAILED                                                                               \
	OK("{\"id\":9,\"kind\":\"start\",\"vm_name\":\"web1\",\"outcome\":\"failed\","             \
	   "\"text\":\"n2: no disk\"}")
#define NOT_STARTED                                                                                \
	OK("[{\"op\":8,\"text\":\"not started on n3: old\"},"                                     \
	   "{\"op\":9,\"text\":\"not started on n1: no bridge\"},"                                \
	   "{\"op\":9,\"text\":\"not started on n2: no disk\"},"                                  \
	   "{\"op\":9,\"text\":\"not started on n1: no bridge\"},{\"op\":9,\"text\":\"given up\"}]")

/* Of a start that failed every node's words, whether the VM is in the cluster, and what next. */
static void test_start_failed(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm add -",
		  .input = "<domain/>",
		  .script = { { "{\"do\":\"vm-add\"}", { OK("{\"record\":5,\"op\":9}") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } },
			      { "{\"do\":\"operation\"}", { START_FAILED } },
			      { "{\"do\":\"events\"}", { NOT_STARTED } },
			      { "{\"do\":\"vm\",\"name\":\"web1\"}",
				{ OK("{\"state\":\"stopped\","
				     "\"retry\":{\"try\":3,\"of\":6,\"in_ms\":9000}}") } } },
		  .exit = 1,
		  .err = "clusterctl: web1 is in the cluster now, but its first start failed "
			 "(operation 9):\n"
			 "  n1: no bridge\n  n2: no disk\n"
			 "The cluster goes on: tries again in 9 s (try 3 of 6).\n"
			 "How it stands: clusterctl vm show web1. To take it out: clusterctl vm "
			 "stop web1, then clusterctl vm remove web1\n" },
		{ .line = "vm start web1 --json",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { START_FAILED } },
			      { "{\"do\":\"events\"}", { NO("denied", "not you") } },
			      { "{\"do\":\"vm\"}", { OK("{\"state\":\"failed\"}") } } },
		  .exit = 1,
		  .out = "\"not_started\": [\n    \"n2: no disk\"\n  ]\n}\n",
		  .err = "clusterctl: web1 was not started (operation 9):\n  n2: no disk\n"
			 "It is not tried again by itself: mend the cause, then clusterctl vm "
			 "start web1\n",
		  .not_err = "in the cluster now" },
		/* Both of a cluster's nodes miss a disk: one line, without libvirt's words. */
		{ .line = "operation wait 9",
		  .script = { { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"kind\":\"start\",\"vm_name\":\"web1\","
				     "\"outcome\":\"failed\",\"text\":\"n2: " MISSING "\"}") } },
			      { "{\"do\":\"events\"}",
				{ OK("[{\"op\":9,\"text\":\"not started on n1: " MISSING
				     "\"}]") } },
			      { "{\"do\":\"vm\"}", { NO("no-such", "gone") } } },
		  .exit = 1,
		  .err = "(operation 9):\n  n1, n2: disk vda (/srv/a) is not there on this node: "
			 "mount its storage, or correct its path\n" },
		/* Only the operation knows what to do about it. */
		{ .line = "operation wait 9",
		  .script = { { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"kind\":\"start\",\"vm_name\":\"web1\","
				     "\"outcome\":\"failed\","
				     "\"text\":\"n1: no bridge; do it\"}") } },
			      { "{\"do\":\"events\"}", { NOT_STARTED } },
			      { "{\"do\":\"vm\"}", { NO("no-such", "gone") } } },
		  .exit = 1,
		  .err = "(operation 9):\n  n1: no bridge; do it\n  n2: no disk\n" },
		{ .line = "operation wait 9",
		  .script = { { "{\"do\":\"operation\"}", { START_FAILED } },
			      { "{\"do\":\"events\"}", { OK("[]") } },
			      { "{\"do\":\"vm\"}", { NO("no-such", "gone") } } },
		  .exit = 1,
		  .err = "web1 was not started (operation 9):\n  n2: no disk\n",
		  .not_err = "It is" },
		{ .line = "operation wait 9",
		  .script = { { "{\"do\":\"operation\"}", { START_FAILED } },
			      { "{\"do\":\"events\"}", { OK("[]") } },
			      { "{\"do\":\"vm\"}", { OK("{\"state\":\"stopped\"}") } } },
		  .exit = 1,
		  .err = "no disk\nIt is started as soon as that is possible.\n" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

#define WARNED                                                                                     \
	"{\"id\":5,\"name\":\"web1\",\"warnings\":[\"disk vda (/a) lies on no volume\"]}"

/* What is taken into the cluster and should be mended is said, on stderr and as JSON. */
static void test_warnings(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm add - --stopped",
		  .input = "<domain/>",
		  .script = { { "{\"do\":\"vm-add\"}", { OK("{\"record\":5}") } },
			      { "{\"do\":\"vms\"}", { OK("[" WARNED "]") } } },
		  .err = "Warning: disk vda (/a) lies on no volume\nweb1 is added\n" },
		{ .line = "vm add - --stopped --json",
		  .input = "<domain/>",
		  .script = { { "{\"do\":\"vm-add\"}", { OK("{\"record\":5}") } },
			      { "{\"do\":\"vms\"}", { OK("[" WARNED "]") } } },
		  .out = "\"warnings\": [\n    \"disk vda (/a) lies on no volume\"\n  ]\n}\n",
		  .err = "Warning: disk vda (/a) lies on no volume\n" },
		{ .line = "vm show web1",
		  .script = { { "{\"do\":\"vm\"}", { OK(WARNED) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "warning                  disk vda (/a) lies on no volume\n" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/* What a device says of a node, and whether that would prove anything. */
static void test_fence_tests(void)
{
	static const struct scene scenes[] = {
		{ .line = "fence test bmc1",
		  .script = { { "{\"do\":\"command\",\"command\":{\"fence_test\":{\"name\":"
				"\"bmc1\",\"node\":0}}}",
				{ OK("{\"op\":3}") } },
			      { "{\"do\":\"operation\"}", { TESTED("done", "on") } } },
		  .err = "bmc1: n1 is on (139 ms, asked from n2); it can prove that n1 is dead\n" },
		{ .line = "operation wait 3",
		  .script = { { "{\"do\":\"operation\"}", { TESTED("done", "off") } } },
		  .err = "bmc1: n1 was off (139 ms, asked from n2); it could prove then that n1 is "
			 "dead\n" },
		{ .line = "operation wait 3", /* and its device is not there any more */
		  .script = { { "{\"do\":\"operation\"}", { TESTED_BY("", "done", "on") } } },
		  .err = "A device that was removed since: n1 was on (139 ms, asked from n2); it "
			 "could prove then that n1 is dead\n" },
		{ .line = "fence test bmc1",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":3}") } },
			      { "{\"do\":\"operation\"}", { TESTED("failed", "no route") } } },
		  .exit = 1,
		  .err = "clusterctl: the test of bmc1 for n1 failed (139 ms, asked from "
			 "n2): no route; it cannot prove that n1 is dead\n" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

#define VOUCHES(what)                                                                              \
	{ "{\"do\":\"command\",\"command\":{\"vm_accept\":{\"name\":\"web1\",\"what\":\"" what     \
	  "\"}}}",                                                                                 \
	  { OK("{\"text\":\"accepted\"}") } }
#define NOT_LOOKED(nodes)                                                                          \
	{ "{\"do\":\"vm\"}", { OK("{\"name\":\"web1\",\"not_looked\":[" nodes "]}") } }

/* Who vouches is told of which nodes nobody knows, and has to mean it. */
static void test_vm_accept(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm accept --not-running web1",
		  .input = "web1\n",
		  .script = { NOT_LOOKED("\"n2\",\"n3\"") },
		  .exit = 1,
		  .err = "about web1 was heard of n2, n3. If it runs there it will run twice, and "
			 "two guests write to its disks: look there first (virsh list).\nNothing "
			 "was changed: --yes" },
		{ .line = "vm accept web1",
		  .script = { NOT_LOOKED("\"n2\"") },
		  .exit = 1,
		  .err = "Nothing was changed: --yes" },
		{ .line = "vm accept --not-running --yes web1",
		  .script = { NOT_LOOKED("\"n2\""), VOUCHES("not-running") },
		  .err = "accepted\n" },
		{ .line = "vm accept web1",
		  .script = { NOT_LOOKED(""), VOUCHES("waiting") },
		  .err = "accepted\n" },
		{ .line = "vm accept --changed web1",
		  .script = { VOUCHES("changed") },
		  .err = "accepted\n" },
		{ .line = "vm accept web2",
		  .script = { { "{\"do\":\"vm\"}", { NO("no-such", "there is no VM 'web2'") } },
			      { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .exit = 3,
		  .err = "there is no VM 'web2'" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

#define ASKS_NODES { "{\"do\":\"nodes\"}", { OK(NODES) } }
#define LEVELS(possible, n2)                                                                       \
	"{\"cluster\":{\"feature_level\":1,\"feature_possible\":" possible "},"                    \
	"\"nodes\":[{\"name\":\"n1\",\"feature_max\":2},"                                          \
	"{\"name\":\"n2\",\"feature_max\":" n2 "}]}"
#define AT_LEVEL(possible, n2) { "{\"do\":\"status\"}", { OK(LEVELS(possible, n2)) } }
#define RAISES(behind)                                                                             \
	{ "{\"do\":\"command\",\"command\":{\"feature_raise\":{\"level\":2,\"leave_behind\":"    \
	  behind "}}}",                                                                            \
	  { OK("{\"text\":\"the cluster is at feature level 2 now\"}") } }

/* It is said before that there is no way back, and nothing is done without a yes. */
static void test_cluster_upgrade(void)
{
	static const struct scene scenes[] = {
		{ .line = "cluster upgrade --yes",
		  .script = { AT_LEVEL("2", "2"), RAISES("[]") },
		  .err = "the cluster is at feature level 2 now\n" },
		{ .line = "cluster upgrade",
		  .input = "y\n",
		  .script = { AT_LEVEL("2", "2") },
		  .exit = 1,
		  .err = "level from 1 to 2. There is no way back: a clusterd that does not know "
			 "it takes part no more.\nNothing was changed: --yes" },
		{ .line = "cluster upgrade --yes",
		  .script = { AT_LEVEL("1", "1") },
		  .exit = 1,
		  .err = "The cluster is at feature level 1 already; a higher one is not known to "
			 "all nodes:\nn2 knows levels up to 1: install a newer clusterd there "
			 "(--leave-behind n2 does without it)\n" },
		{ .line = "cluster upgrade --yes --leave-behind nope",
		  .script = { AT_LEVEL("1", "1"), ASKS_NODES },
		  .exit = 3,
		  .err = "there is no node 'nope'; clusterctl node list shows all\n" },
		{ .line = "cluster upgrade --yes --json --leave-behind n2 --leave-behind nope",
		  .script = { AT_LEVEL("2", "2"), ASKS_NODES },
		  .exit = 3,
		  .out = "\"code\": \"no-such\"",
		  .err = "there is no node 'nope'" },
		{ .line = "cluster upgrade --yes --leave-behind n2",
		  .script = { AT_LEVEL("1", "0"), RAISES("[\"n2\"]") },
		  .err = "the cluster is at feature level 2 now\n" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

#define ADDS_DEVICE { "{\"do\":\"fence-add\"}", { OK("{\"record\":5}") } }
#define BEGINS_TEST(node)                                                                          \
	{                                                                                          \
		"{\"do\":\"command\",\"command\":{\"fence_test\":{\"node\":" node "}}}", {         \
			OK("{\"op\":3}")                                                           \
		}                                                                                  \
	}
#define ENDS_TEST(outcome, text) { "{\"do\":\"operation\"}", { TESTED(outcome, text) } }

/* A device that did not pass its test stays, and it is said that it protects nothing. */
static void test_fence_add(void)
{
	static const struct scene scenes[] = {
		{ .line = "fence add bmc fence_x --node n1",
		  .script = { ADDS_DEVICE, ASKS_NODES, BEGINS_TEST("1"),
			      ENDS_TEST("failed", "Unable to connect/login to fencing device") },
		  .exit = 1,
		  .err = "dead\nCheck address, user name and password, and whether the device lets "
			 "this user in that way (SSH, telnet, HTTPS; on a BMC IPMI over LAN)\n"
			 "bmc is recorded, but protects nothing until it is mended: put that right "
			 "and clusterctl fence test bmc, or clusterctl fence remove bmc and add it "
			 "anew\n" },
		{ .line = "fence add bmc fence_x --node n1=4 --node n2=5",
		  .script = { ADDS_DEVICE, ASKS_NODES, BEGINS_TEST("1"), ENDS_TEST("done", "on"),
			      ASKS_NODES, BEGINS_TEST("2"), ENDS_TEST("failed", "no route") },
		  .exit = 1,
		  .err = "bmc is recorded, but protects nothing on n2 until it is mended: put that "
			 "right and clusterctl fence test bmc n2, or " },
		{ .line = "fence add bmc fence_x --node n1 --json",
		  .script = { ADDS_DEVICE, ASKS_NODES, BEGINS_TEST("1"),
			      ENDS_TEST("failed", "no route") },
		  .exit = 1,
		  .out = "{\n  \"record\": 5,\n  \"tests\": [\n    {\n      \"node\": \"n1\",\n"
			 "      \"op\": 3,\n      \"operation\": {\n        \"id\": 3,",
		  .err = "bmc is recorded" },
		{ .line = "fence add bmc fence_x --node n1 --no-test",
		  .script = { ADDS_DEVICE },
		  .err = "bmc is added; it protects nothing until it is tested: clusterctl fence "
			 "test bmc\n" },
		{ .line = "fence add bmc fence_x --node n1 --no-test --json",
		  .script = { ADDS_DEVICE },
		  .out = "{\n  \"record\": 5\n}\n",
		  .err = "bmc is added" },
		{ .line = "fence add bmc fence_x --node n1 --no-wait",
		  .script = { ADDS_DEVICE, ASKS_NODES, BEGINS_TEST("1") },
		  .err = "bmc is added\noperation 3 has begun; not waiting for it\n",
		  .not_err = "nothing" },
		/* The device is there, and whether it is any good is not known. */
		{ .line = "fence add bmc fence_x --node n1 --node n2 --json",
		  .script = { ADDS_DEVICE, ASKS_NODES,
			      { "{\"do\":\"command\"}", { NO("no-quorum", "1 of 3") } } },
		  .exit = 5,
		  .out = "\"error\": {\n        \"code\": \"no-quorum\",",
		  .err = "bmc is added\nbmc is recorded, but protects nothing until it is tested: "
			 "clusterctl fence test bmc\nclusterctl: 1 of 3\n" },
		{ .line = "fence add bmc fence_x --node n1",
		  .script = { { "{\"do\":\"fence-add\"}", { NO("exists", "there is one") } } },
		  .exit = 1,
		  .err = "clusterctl: there is one\n",
		  .not_err = "recorded" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

static void test_changes(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm stop web1 --force",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_want\":{\"name\":\"web1\","
				"\"wanted\":\"stopped\",\"force\":true}}}",
				{ OK("{\"text\":\"\",\"op\":9,\"record\":5}") } },
			      { "{\"do\":\"operation\",\"operation\":9}", { RUNNING("9") } },
			      { "{\"do\":\"operation\",\"operation\":9}", { RUNNING("9") } },
			      { "{\"do\":\"operation\",\"operation\":9}", { DONE("9") } } },
		  .err = "it is off\n" },
		{ .line = "vm stop web1",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { OFF("shut down in 2100 ms") } } },
		  .err = "web1 is off: shut down in 2100 ms\n" },
		{ .line = "vm stop web1",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { OFF("stopped") } } },
		  .err = "web1 is off\n" },
		{ .line = "vm stop web1 --no-wait",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } } },
		  .err = "operation 9 has begun" },
		{ .line = "vm stop web1 --json",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { DONE("9") } } },
		  .out = "{\n  \"op\": 9,\n  \"operation\": {",
		  .err = "it is off\n" },
		{ .line = "vm stop web1",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"outcome\":\"failed\",\"text\":\"stuck\"}") } } },
		  .exit = 1,
		  .err = "operation 9 failed: stuck" },
		{ .line = "operation wait 9",
		  .script = { { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"kind\":\"live\",\"vm_name\":\"web1\","
				     "\"node_name\":\"n1\",\"to_name\":\"n2\","
				     "\"outcome\":\"failed\","
				     "\"text\":\"unable to connect to server at 'x:16509'\"}") } },
			      { "{\"do\":\"vm\",\"name\":\"web1\"}",
				{ OK("{\"state\":\"running\",\"owner_name\":\"n1\"}") } } },
		  .exit = 1,
		  .err = "at 'x:16509'\nweb1 stays on n1\nCheck that libvirt on n2 is reached "
			 "from n1; another address: clusterctl node set n2 address=ADDRESS\n" },
		{ .line = "vm stop web1",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"outcome\":\"unknown\"}") } } },
		  .exit = 6,
		  .err = "not known" },
		{ .line = "vm cancel web1",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_cancel\":{\"name\":"
				"\"web1\"}}}",
				{ OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"outcome\":\"cancelled\"}") } } },
		  .err = "operation 9 was cancelled" },
		{ .line = "vm cancel web1",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { CALLED_OFF } } },
		  .err = "web1 stays on n1; the migration was cancelled\n",
		  .not_err = "clusterctl" },
		{ .line = "vm migrate web1 n2",
		  .script = { { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { CALLED_OFF } } },
		  .exit = 1,
		  .err = "web1 stays on n1; the migration was cancelled\n",
		  .not_err = "clusterctl" },
		{ .line = "vm start web1",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_want\":{\"wanted\":"
				"\"running\",\"cold\":false}}}",
				{ OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"kind\":\"start\",\"vm_name\":\"web1\","
				     "\"outcome\":\"done\"}") } },
			      { "{\"do\":\"vm\",\"name\":\"web1\"}", { OK(VM1) } } },
		  .err = "web1 runs on n1\n" },
		{ .line = "vm start web1",
		  .script = { { "{\"do\":\"command\"}",
				{ OK("{\"text\":\"runs already\",\"op\":0}") } } },
		  .err = "runs already\n" },
		{ .line = "vm set web1 ha=no owners=n1,n2",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_set\":{\"name\":\"web1\","
				"\"changes\":"
				"[{\"key\":\"ha\",\"value\":\"no\"},{\"key\":\"owners\","
				"\"value\":\"n1,n2\"}]}}}",
				{ OK("{\"text\":\"\",\"op\":0,\"record\":5}") } } },
		  .err = "web1 is changed\n" },
		{ .line = "vm migrate web1 n2 --quick",
		  .script = { { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"command\",\"command\":{\"vm_move\":{\"name\":"
				"\"web1\",\"to\":2,"
				"\"how\":\"quick\"}}}",
				{ OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { DONE("9") } } },
		  .err = "it is off" },
		{ .line = "vm add - --stopped --set priority=high --set owners=n1,n2 --set "
			  "stop_timeout=2m --set ha=no",
		  .input = "<domain/>",
		  .script = { { "{\"do\":\"vm-add\",\"xml\":\"<domain/>\",\"wanted\":\"stopped\","
				"\"priority\":\"high\",\"possible_owners\":[\"n1\",\"n2\"],"
				"\"stop_timeout_s\":120,\"ha\":false}",
				{ OK("{\"record\":5}") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } } },
		  .err = "web1 is added\n" },
		{ .line = "vm add - --set on_guest_shutdown=restart",
		  .input = "<domain/>",
		  .script = { { "{\"do\":\"vm-add\",\"wanted\":\"running\"}",
				{ OK("{\"record\":5,\"op\":9}") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } },
			      { "{\"do\":\"command\",\"command\":{\"vm_set\":{\"name\":\"web1\","
				"\"changes\":"
				"[{\"key\":\"on_guest_shutdown\",\"value\":\"restart\"}]}}}",
				{ OK("{}") } },
			      { "{\"do\":\"operation\"}", { DONE("9") } } },
		  .err = "it is off" },
		{ .line = "fence add bmc fence_ipmilan ip=1 --node n1=4 --node n2 --secret-stdin",
		  .input = "password=geheim",
		  .script = { { "{\"do\":\"fence-add\",\"name\":\"bmc\",\"agent\":"
				"\"fence_ipmilan\","
				"\"params\":{\"ip\":\"1\"},\"targets\":[{\"node\":\"n1\","
				"\"plug\":\"4\"},"
				"{\"node\":\"n2\",\"plug\":\"\"}],\"secret\":"
				"\"password=geheim\\n\"}",
				{ OK("{\"op\":0}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"command\",\"command\":{\"fence_test\":{\"name\":"
				"\"bmc\",\"node\":1}}}", { OK("{\"op\":3}") } },
			      { "{\"do\":\"operation\",\"operation\":3}",
				{ TESTED("done", "on") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"command\",\"command\":{\"fence_test\":{\"name\":"
				"\"bmc\",\"node\":2}}}", { OK("{\"op\":4}") } },
			      { "{\"do\":\"operation\",\"operation\":4}",
				{ TESTED("done", "on") } } },
		  .err = "bmc is added\nbmc1: n1 is on (139 ms, asked from n2); it can prove that "
			 "n1 is dead\nbmc1: n1 is on",
		  .not_err = "nothing" },
		{ .line = "operation cancel 9",
		  .script = { { "{\"do\":\"operation\",\"operation\":9}",
				{ OK("{\"id\":9,\"vm_name\":\"web1\",\"outcome\":\"running\"}") } },
			      { "{\"do\":\"command\",\"command\":{\"vm_cancel\":{\"name\":"
				"\"web1\"}}}",
				{ OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"outcome\":\"done\"}") } } },
		  .exit = 1,
		  .err = "was done before it could be cancelled" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/*
 * A daemon that is restarted between a request and its answer: the same change again, with the
 * same number.
 */
static void test_restart(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { HANG_UP } },
			      { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .err = "There are no VMs yet" },
		{ .line = "vm stop web1",
		  .script = { { "{\"do\":\"command\"}", { HANG_UP } },
			      { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { HANG_UP } },
			      { "{\"do\":\"operation\"}", { DONE("9") } } },
		  .err = "it is off" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/* Catches what clusterctl sends twice and compares the numbers. */
static void test_same_number(void)
{
	static char first[STAGE_RECORD_MAX], second[STAGE_RECORD_MAX];
	int listener = stage_listen(), fd;
	json_t *a, *b;
	const char *number;
	ssize_t n;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		close(listener);
		_exit(stage_run_line("vm stop web1 --no-wait"));
	}
	fd = accept(listener, NULL, NULL);
	n = recv(fd, first, sizeof(first), 0);
	close(fd);
	a = json_loadb(first, (size_t)n, 0, NULL);
	fd = accept(listener, NULL, NULL);
	n = recv(fd, second, sizeof(second), 0);
	b = json_loadb(second, (size_t)n, 0, NULL);
	stage_reply(fd, json_object_get(b, "id"), 0, OK("{\"op\":1}"));
	close(listener);
	waitpid(pid, NULL, 0);
	close(fd);
	number = json_string_value(json_object_get(a, "request"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(number);
	CU_ASSERT_TRUE(strncmp(number, "0x", 2) == 0 && strlen(number) == 18);
	CU_ASSERT_TRUE(json_equal(json_object_get(a, "request"), json_object_get(b, "request")));
	CU_ASSERT_TRUE(json_equal(json_object_get(a, "command"), json_object_get(b, "command")));
	json_decref(a);
	json_decref(b);
}

static void test_timeout(void)
{
	static const struct exchange script[] = {
		{ "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
		{ "{\"do\":\"operation\"}", { RUNNING("9") } },
		{ "{\"do\":\"operation\"}", { RUNNING("9") } },
		{ "{\"do\":\"operation\"}", { RUNNING("9") } },
		{ NULL },
	};
	pid_t daemon = stage_start_daemon(script);
	struct outcome outcome = stage_run("vm stop web1 --timeout 250ms", "");
	int status;

	waitpid(daemon, &status, 0);
	CU_ASSERT_EQUAL(outcome.exit, 6);
	CU_ASSERT_TRUE(outcome.took_ms >= 200 && outcome.took_ms < 5000);
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "has not ended within 250 ms"));
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "clusterctl operation wait 9"));
	outcome_free(&outcome);
}

UNIT_MAIN("clusterctl/change", { "changes", test_changes }, { "restart", test_restart },
	  { "same-number", test_same_number }, { "timeout", test_timeout },
	  { "fence-tests", test_fence_tests }, { "fence-add", test_fence_add },
	  { "already", test_already }, { "vm-accept", test_vm_accept },
	  { "cluster-upgrade", test_cluster_upgrade },
	  { "start-failed", test_start_failed }, { "warnings", test_warnings },
	  { "volume-add", test_volume_add }, { "node-add and remove", test_node_member })
