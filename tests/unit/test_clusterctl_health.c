/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "clusterctl/health.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cluster in which all is well, of which each case changes something. */
static const char status_well[] =
	"{\"cluster\": {\"name\": \"c\"}, \"standing\": {\"open\": true, \"why_not\": \"\"},"
	" \"quorum\": {\"voters\": [1, 2, 3], \"present\": 3, \"needed\": 2, \"have\": true}}";
static const char nodes_well[] =
	"[{\"name\": \"n1\", \"state\": \"up\", \"facts\": {\"agent_ok\": true}},"
	" {\"name\": \"n2\", \"state\": \"up\", \"facts\": {\"agent_ok\": true}}]";
static const char vms_well[] =
	"[{\"name\": \"web1\", \"state\": \"running\", \"wanted\": \"running\", \"owner\": 1,"
	"  \"owner_name\": \"n1\", \"protected\": {\"ok\": true}}]";

/* The rows of the table in clusterctl(8), EXIT STATUS. */
enum row {
	WELL,
	UNMANAGED,
	UNMEANT,
	NODE,
	NO_LIBVIRT,
	PASSING,
	RUNS_ON,
	UNPROTECTED,
	PLACE,
	NOT_OFF,
	CHANGED,
	FORCED,
	WEAK,
	NO_QUORUM,
	DISPUTED,
	DOWN,
	RETRIED,
	UNKNOWN,
	ROWS
};

static const struct {
	enum status_exit level;
	const char *text;
} rows[] = {
	[WELL] = { STATUS_WELL,
	  "Every VM does what it should: it runs or moves, is paused or off." },
	[UNMANAGED] = { STATUS_WELL,
	  "A VM is set managed=no, and does what it likes." },
	[UNMEANT] = { STATUS_WELL,
	  "A VM is set ha=no, so it needs no protection." },
	[NODE] = { STATUS_WARNING,
	  "A node is not up." },
	[NO_LIBVIRT] = { STATUS_WARNING,
	  "A node is up and cannot run VMs." },
	[PASSING] = { STATUS_WARNING,
	  "A VM that should run is on its way there: it starts for the first "
	  "time, or after its node died." },
	[RUNS_ON] = { STATUS_WARNING,
	  "A VM is unknown because clusterd on its node was stopped or does not "
	  "answer; as far as is known it runs on." },
	[UNPROTECTED] = { STATUS_WARNING,
	  "A VM is not protected." },
	[PLACE] = { STATUS_WARNING,
	  "A VM runs where its owners or prefer do not want it." },
	[NOT_OFF] = { STATUS_WARNING,
	  "A VM should be off or paused, and is not." },
	[CHANGED] = { STATUS_WARNING,
	  "A VM was changed outside of the cluster." },
	[FORCED] = { STATUS_WARNING,
	  "The cluster was forced anew, and not all of its nodes have joined it or were removed." },
	[WEAK] = { STATUS_WARNING,
	  "Of two nodes neither would go on alone, or only one node votes." },
	[NO_QUORUM] = { STATUS_CRITICAL,
	  "There is no quorum, or this node has not learnt of a cluster yet, or its version "
	  "keeps it out." },
	[DISPUTED] = { STATUS_CRITICAL,
	  "The nodes' copies of the state differ." },
	[DOWN] = { STATUS_CRITICAL,
	  "A VM should run and is stopped, saved or failed, or is paused by an "
	  "error of its disk." },
	[RETRIED] = { STATUS_CRITICAL,
	  "A VM should run and its start has failed, also while it is tried again." },
	[UNKNOWN] = { STATUS_CRITICAL,
	  "A VM should run and is unknown because its node is lost, or because a node that "
	  "has yet to look for it cannot." },
};

struct judge_case {
	const char *name;
	enum row row;
	const char *status, *nodes; /* merged over the good ones; of a list over its first */
	const char *vm;
	enum status_exit level;
	const char *line;
};

static json_t *load(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	return json;
}

static void merge(json_t *into, const char *changes)
{
	json_t *json;

	if (!changes)
		return;
	json = load(changes);
	json_object_update_recursive(into, json);
	json_decref(json);
}

static bool row_is_tried[ROWS];

static void check(const struct judge_case *c)
{
	json_t *status = load(status_well), *nodes = load(nodes_well), *vms = load(vms_well);
	struct health health = { 0 };

	merge(status, c->status);
	merge(json_array_get(nodes, 0), c->nodes);
	merge(json_array_get(vms, 0), c->vm);
	health_judge(status, nodes, vms, &health);
	CU_ASSERT_EQUAL(rows[c->row].level, c->level);
	row_is_tried[c->row] = true;
	if (health.level != c->level || strcmp(health.line, c->line) != 0) {
		printf("%s: %d %s\n", c->name, (int)health.level, health.line);
		CU_FAIL("judgement");
	}
	health_free(&health);
	json_decref(status);
	json_decref(nodes);
	json_decref(vms);
}

static void test_cases(void)
{
	static const struct judge_case cases[] = {
		{ "well", WELL, NULL, NULL, NULL, STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "no quorum", NO_QUORUM, "{\"quorum\": {\"have\": false, \"present\": 1}}", NULL,
		  NULL,
		  STATUS_CRITICAL, "CRITICAL: no quorum: 1 of 3 voters present, 2 needed" },
		{ "not open", NO_QUORUM,
		  "{\"standing\": {\"open\": false, \"why_not\": \"syncing\"}}", NULL,
		  NULL, STATUS_CRITICAL,
		  "CRITICAL: no quorum: 3 of 3 voters present, 2 needed; syncing" },
		{ "in the daemon's words", NO_QUORUM,
		  "{\"standing\": {\"open\": false, \"why_not\": \"no quorum: n1 is alone\"}}",
		  NULL, NULL, STATUS_CRITICAL, "CRITICAL: no quorum: n1 is alone" },
		{ "left out", NO_QUORUM,
		  "{\"standing\": {\"open\": false, \"why_not\": \"left out: too old\"}}",
		  NULL, NULL, STATUS_CRITICAL, "CRITICAL: left out: too old" },
		{ "forced", FORCED,
		  "{\"cluster\": {\"forced\": {\"node\": \"n1\", \"time_ms\": 0, \"who\": "
		  "\"root\", \"restore\": true, \"last\": 7, \"unheard\": [\"n2\", \"n3\"]}}}",
		  NULL, NULL, STATUS_WARNING,
		  "WARNING: forced anew on n1 at - by root, from a backup, from entry 7 on: what "
		  "others did since is not known; not heard of so far: n2, n3 (bring them back "
		  "without their old cluster.db, or clusterctl node remove)" },
		{ "two nodes", WEAK, "{\"quorum\": {\"weak\": \"neither goes on\"}}", NULL, NULL,
		  STATUS_WARNING, "WARNING: neither goes on" },
		{ "copies differ", DISPUTED,
		  "{\"standing\": {\"open\": true, \"disputed\": \"they differ\"}}",
		  NULL, NULL, STATUS_CRITICAL, "CRITICAL: they differ" },
		{ "no cluster", NO_QUORUM, "{\"cluster\": null}", NULL, NULL, STATUS_CRITICAL,
		  "CRITICAL: this node has not learnt of a cluster yet" },
		{ "node lost", NODE, NULL, "{\"state\": \"lost\", \"why\": \"left the ring\"}",
		  NULL,
		  STATUS_WARNING, "WARNING: node n1 is lost: left the ring" },
		{ "node without libvirt", NO_LIBVIRT, NULL,
		  "{\"facts\": {\"agent_ok\": false}, \"why\": \"no libvirt\"}", NULL,
		  STATUS_WARNING, "WARNING: node n1 cannot run VMs: no libvirt" },
		{ "node not seen", NODE, NULL,
		  "{\"state_text\": \"not seen\", \"why\": \"not seen by this node now\"}", NULL,
		  STATUS_WARNING, "WARNING: node n1 is not seen by this node now" },
		{ "witness", WELL, NULL, "{\"witness\": true, \"facts\": {\"agent_ok\": false}}",
		  NULL,
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "failed", DOWN, NULL, NULL, "{\"state\": \"failed\", \"detail\": \"no disk\"}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is failed: no disk (given up; "
		  "clusterctl vm start to try again)" },
		{ "unknown", UNKNOWN, NULL, NULL, "{\"state\": \"unknown\"}", STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is unknown" },
		{ "without quorum", UNKNOWN, NULL, NULL,
		  "{\"state\": \"unknown\", \"last_known\": \"running\", \"why\": \"last "
		  "known: running on n1; no quorum\", \"protected\": {\"ok\": false}}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is unknown: last known: "
		  "running on n1; no quorum" },
		{ "is being looked for", PASSING, NULL, NULL,
		  "{\"state\": \"unknown\", \"phase\": \"off\", \"op\": 7, \"why\": \"asked\"}",
		  STATUS_WARNING, "WARNING: VM web1 should run and is unknown: asked" },
		{ "waits for a look", UNKNOWN, NULL, NULL,
		  "{\"state\": \"unknown\", \"phase\": \"off\", \"op\": 7, \"detail\": "
		  "\"waits until n2 (and 1 more) has looked whether it runs there already: it "
		  "was off, and no fence device says that it still is, repair its device or start "
		  "it; or vouch that it runs nowhere: "
		  "clusterctl vm accept --not-running web1\"}",
		  STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is unknown: waits until n2 (and 1 more) has "
		  "looked whether it runs there already: it was off, and no fence device says that "
		  "it still is, repair its device or start it; or vouch that it runs nowhere: "
		  "clusterctl vm accept --not-running web1" },
		{ "unknown, and why", UNKNOWN, NULL, NULL,
		  "{\"state\": \"unknown\", \"detail\": \"old\", \"why\": \"n2 is lost\"}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is unknown: n2 is lost" },
		{ "a fault of a disk", DOWN, NULL, NULL,
		  "{\"state\": \"stopped\", \"detail\": \"n1: disk vda (/a) is not there (no "
		  "'/a' (uid:6): No such file)\"}",
		  STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is stopped: n1: disk vda (/a) is not there" },
		{ "suspended", DOWN, NULL, NULL,
		  "{\"state\": \"paused\", \"seen_reason\": \"ioerror\"}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is paused: an I/O error of a "
		  "disk; when that is mended: clusterctl vm resume web1" },
		{ "suspended from outside", DOWN, NULL, NULL,
		  "{\"state\": \"paused\", \"seen_reason\": \"user\"}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is paused: from outside, by "
		  "virsh or another tool; clusterctl vm resume web1" },
		{ "suspended, nobody knows why", DOWN, NULL, NULL,
		  "{\"state\": \"paused\", \"seen_reason\": \"unknown\"}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is paused" },
		{ "just asked for", PASSING, NULL, NULL, "{\"state\": \"stopped\", \"op\": 4}",
		  STATUS_WARNING, "WARNING: VM web1 should run and is stopped" },
		{ "stopped", DOWN, NULL, NULL, "{\"state\": \"stopped\", \"op\": 0}",
		  STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is stopped" },
		{ "tried again", RETRIED, NULL, NULL,
		  "{\"state\": \"stopped\", \"op\": 0, \"detail\": \"no disk\","
		  " \"retry\": {\"try\": 4, \"of\": 6, \"in_ms\": 59001}}",
		  STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is stopped: tries again in 1 min (try 4 of 6): "
		  "no disk" },
		/* Between two tries it is as much down as during them. */
		{ "tried now", RETRIED, NULL, NULL, "{\"state\": \"starting\", \"tries\": 2}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is starting" },
		{ "tried under the same operation", RETRIED, NULL, NULL,
		  "{\"state\": \"stopped\", \"op\": 4, \"tries\": 1}", STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is stopped" },
		{ "waits for room", DOWN, NULL, NULL,
		  "{\"state\": \"stopped\", \"op\": 4, \"detail\": \"no node has room\"}",
		  STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is stopped: no node has room" },
		{ "saved on its way", PASSING, NULL, NULL, "{\"state\": \"saved\", \"op\": 4}",
		  STATUS_WARNING, "WARNING: VM web1 should run and is saved" },
		{ "clusterd stopped", RUNS_ON, NULL,
		  "{\"state\": \"left\", \"why\": \"stopped\"}",
		  "{\"state\": \"unknown\", \"why\": \"n1 has left\"}", STATUS_WARNING,
		  "WARNING: node n1 is left: stopped (and 1 more)" },
		{ "clusterd away", RUNS_ON, NULL, "{\"state\": \"daemon-down\"}",
		  "{\"state\": \"unknown\"}", STATUS_WARNING,
		  "WARNING: node n1 is daemon-down (and 1 more)" },
		{ "its node is lost", UNKNOWN, NULL, "{\"state\": \"lost\"}",
		  "{\"state\": \"unknown\"}", STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is unknown (and 1 more)" },
		{ "starting", PASSING, NULL, NULL, "{\"state\": \"starting\"}", STATUS_WARNING,
		  "WARNING: VM web1 should run and is starting" },
		{ "moving", WELL, NULL, NULL, "{\"state\": \"migrating\"}", STATUS_WELL,
		  "OK: 2 nodes up, 1 VM as wanted" },
		{ "unprotected", UNPROTECTED, NULL, NULL,
		  "{\"protected\": {\"ok\": false, \"reason\": \"no fence\"}}", STATUS_WARNING,
		  "WARNING: VM web1 is not protected: no fence" },
		{ "ha=no", UNMEANT, NULL, NULL,
		  "{\"protected\": {\"ok\": false, \"applies\": false}}",
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "unprotected without quorum", NO_QUORUM,
		  "{\"quorum\": {\"have\": false, \"present\": 1}}",
		  NULL, "{\"current\": false, \"protected\": {\"ok\": false}}", STATUS_CRITICAL,
		  "CRITICAL: no quorum: 1 of 3 voters present, 2 needed" },
		{ "unmanaged", UNMANAGED, NULL, NULL,
		  "{\"unmanaged\": true, \"state\": \"failed\"}",
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "off as wanted", WELL, NULL, NULL,
		  "{\"wanted\": \"stopped\", \"state\": \"stopped\", \"protected\": {\"ok\": "
		  "false}}",
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "on though off", NOT_OFF, NULL, NULL, "{\"wanted\": \"stopped\"}",
		  STATUS_WARNING,
		  "WARNING: VM web1 should be off and is running" },
		{ "paused as wanted", WELL, NULL, NULL,
		  "{\"wanted\": \"paused\", \"state\": \"paused\"}",
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "not preferred", PLACE, NULL, NULL, "{\"preferred_owners\": [2, 3]}",
		  STATUS_WARNING,
		  "WARNING: VM web1 runs on n1, which is none of the nodes it prefers" },
		{ "preferred", WELL, NULL, NULL, "{\"preferred_owners\": [2, 1]}", STATUS_WELL,
		  "OK: 2 nodes up, 1 VM as wanted" },
		{ "not allowed", PLACE, NULL, NULL, "{\"possible_owners\": [2]}", STATUS_WARNING,
		  "WARNING: VM web1 runs on n1, which is none of its owners" },
		{ "changed", CHANGED, NULL, NULL, "{\"changed_outside\": \"memory 1 -> 2\"}",
		  STATUS_WARNING,
		  "WARNING: VM web1 was changed outside of the cluster: memory 1 -> 2" },
		{ "the worst first", UNKNOWN, NULL, "{\"state\": \"off\", \"reason\": \"\"}",
		  "{\"state\": \"unknown\", \"protected\": {\"ok\": false, \"reason\": \"\"}}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is unknown (and 1 more)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
	for (size_t i = 0; i < ROWS; i++)
		CU_ASSERT_TRUE(row_is_tried[i]);
}

/* The rows of the page are these, no more and no less: a line ".It 1", and one with the text. */
static void test_page(void)
{
	const char *srcdir = getenv("srcdir");
	_cleanup_(freep) char *path = mem_printf("%s/doc/clusterctl.8.in", srcdir ? srcdir : ".");
	char line[400], expected[400];
	FILE *file = fopen(path, "r");
	size_t n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	while (fgets(line, sizeof(line), file) && strcmp(line, ".Sh EXIT STATUS\n") != 0)
		;
	while (fgets(line, sizeof(line), file) && strcmp(line, ".Ic status\n") != 0)
		;
	while (fgets(line, sizeof(line), file) && strcmp(line, ".It 3\n") != 0) {
		if (strncmp(line, ".It ", 4) != 0)
			continue;
		CU_ASSERT_FATAL(n < ROWS);
		CU_ASSERT_EQUAL(line[4] - '0', (int)rows[n].level);
		CU_ASSERT_PTR_NOT_NULL_FATAL(fgets(line, sizeof(line), file));
		snprintf(expected, sizeof(expected), "%s\n", rows[n++].text);
		CU_ASSERT_STRING_EQUAL(line, expected);
	}
	CU_ASSERT_EQUAL(n, ROWS);
	fclose(file);
}

/* One line for a reason, however many VMs it hits; a program still gets each VM. */
static void test_causes(void)
{
	json_t *status = load(status_well), *nodes = load(nodes_well), *vms = json_array();
	struct health health = { 0 };
	const json_t *cause;

	for (int i = 1; i <= 8; i++)
		json_array_append_new(
			vms, json_pack("{s:o,s:s,s:s,s:{s:b,s:s}}", "name",
				       json_sprintf("web%d", i), "state",
				       i == 8 ? "failed" : "running", "wanted", "running",
				       "protected", "ok", 0, "reason", "no device"));
	health_judge(status, nodes, vms, &health);
	CU_ASSERT_STRING_EQUAL(health.line,
			       "CRITICAL: VM web8 should run and is failed: given up; "
			       "clusterctl vm start to try again (and 1 more)");
	CU_ASSERT_EQUAL(json_array_size(health.problems), 8);
	CU_ASSERT_EQUAL_FATAL(json_array_size(health.causes), 2);
	cause = json_array_get(health.causes, 1);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(cause, "text")),
			       "7 VMs are not protected: no device (web1, web2, web3, web4, web5 "
			       "and 2 more)");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(cause, "level")), "warning");
	CU_ASSERT_EQUAL(json_array_size(json_object_get(cause, "subjects")), 7);
	health_free(&health);
	json_decref(status);
	json_decref(nodes);
	json_decref(vms);
}

/* Whatever a daemon says, there is a judgement, and never that all is well. */
static void test_nonsense(void)
{
	json_t *nothing = json_object(), *number = json_integer(1);
	struct health health = { 0 };

	health_judge(nothing, number, nothing, &health);
	CU_ASSERT_EQUAL(health.level, STATUS_CRITICAL);
	health_free(&health);
	health_judge(NULL, NULL, NULL, &health);
	CU_ASSERT_EQUAL(health.level, STATUS_CRITICAL);
	health_free(&health);
	json_decref(nothing);
	json_decref(number);
}

UNIT_MAIN("clusterctl/health", { "cases", test_cases }, { "nonsense", test_nonsense },
	  { "page", test_page }, { "causes", test_causes })
