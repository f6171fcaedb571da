// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterctl/health.h"
#include "tests/unit/unit.h"

#include <stdio.h>
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

struct judge_case {
	const char *name;
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

static void check(const struct judge_case *c)
{
	json_t *status = load(status_well), *nodes = load(nodes_well), *vms = load(vms_well);
	struct health health = { 0 };

	merge(status, c->status);
	merge(json_array_get(nodes, 0), c->nodes);
	merge(json_array_get(vms, 0), c->vm);
	health_judge(status, nodes, vms, &health);
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
		{ "well", NULL, NULL, NULL, STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "no quorum", "{\"quorum\": {\"have\": false, \"present\": 1}}", NULL, NULL,
		  STATUS_CRITICAL, "CRITICAL: no quorum: 1 of 3 voters present, 2 needed" },
		{ "not open", "{\"standing\": {\"open\": false, \"why_not\": \"syncing\"}}", NULL,
		  NULL, STATUS_CRITICAL,
		  "CRITICAL: no quorum: 3 of 3 voters present, 2 needed; syncing" },
		{ "in the daemon's words",
		  "{\"standing\": {\"open\": false, \"why_not\": \"no quorum: n1 is alone\"}}",
		  NULL, NULL, STATUS_CRITICAL, "CRITICAL: no quorum: n1 is alone" },
		{ "copies differ",
		  "{\"standing\": {\"open\": true, \"disputed\": \"they differ\"}}",
		  NULL, NULL, STATUS_CRITICAL, "CRITICAL: they differ" },
		{ "no cluster", "{\"cluster\": null}", NULL, NULL, STATUS_CRITICAL,
		  "CRITICAL: this node has not learnt of a cluster yet" },
		{ "node lost", NULL, "{\"state\": \"lost\", \"why\": \"left the ring\"}", NULL,
		  STATUS_WARNING, "WARNING: node n1 is lost: left the ring" },
		{ "node without libvirt", NULL,
		  "{\"facts\": {\"agent_ok\": false}, \"why\": \"no libvirt\"}", NULL,
		  STATUS_WARNING, "WARNING: node n1 cannot run VMs: no libvirt" },
		{ "node not seen", NULL,
		  "{\"state_text\": \"not seen\", \"why\": \"not seen by this node now\"}", NULL,
		  STATUS_WARNING, "WARNING: node n1 is not seen by this node now" },
		{ "witness", NULL, "{\"witness\": true, \"facts\": {\"agent_ok\": false}}", NULL,
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "failed", NULL, NULL, "{\"state\": \"failed\", \"detail\": \"no disk\"}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is failed: no disk" },
		{ "unknown", NULL, NULL, "{\"state\": \"unknown\"}", STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is unknown" },
		{ "unknown, and why", NULL, NULL,
		  "{\"state\": \"unknown\", \"detail\": \"old\", \"why\": \"n2 is lost\"}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is unknown: n2 is lost" },
		{ "suspended", NULL, NULL, "{\"state\": \"paused\", \"seen_reason\": \"ioerror\"}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is paused: ioerror" },
		{ "just asked for", NULL, NULL, "{\"state\": \"stopped\", \"op\": 4}",
		  STATUS_WARNING, "WARNING: VM web1 should run and is stopped" },
		{ "stopped", NULL, NULL, "{\"state\": \"stopped\", \"op\": 0}", STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is stopped" },
		{ "tried again", NULL, NULL,
		  "{\"state\": \"stopped\", \"op\": 0, \"detail\": \"no disk\","
		  " \"retry\": {\"try\": 4, \"of\": 6, \"in_ms\": 59001}}",
		  STATUS_CRITICAL,
		  "CRITICAL: VM web1 should run and is stopped: tries again in 1 min (try 4 of 6): "
		  "no disk" },
		{ "starting", NULL, NULL, "{\"state\": \"starting\"}", STATUS_WARNING,
		  "WARNING: VM web1 should run and is starting" },
		{ "moving", NULL, NULL, "{\"state\": \"migrating\"}", STATUS_WELL,
		  "OK: 2 nodes up, 1 VM as wanted" },
		{ "unprotected", NULL, NULL,
		  "{\"protected\": {\"ok\": false, \"reason\": \"no fence\"}}", STATUS_WARNING,
		  "WARNING: VM web1 is not protected: no fence" },
		{ "ha=no", NULL, NULL, "{\"protected\": {\"ok\": false, \"applies\": false}}",
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "unprotected without quorum", "{\"quorum\": {\"have\": false, \"present\": 1}}",
		  NULL, "{\"current\": false, \"protected\": {\"ok\": false}}", STATUS_CRITICAL,
		  "CRITICAL: no quorum: 1 of 3 voters present, 2 needed" },
		{ "unmanaged", NULL, NULL, "{\"unmanaged\": true, \"state\": \"failed\"}",
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "off as wanted", NULL, NULL,
		  "{\"wanted\": \"stopped\", \"state\": \"stopped\", \"protected\": {\"ok\": "
		  "false}}",
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "on though off", NULL, NULL, "{\"wanted\": \"stopped\"}", STATUS_WARNING,
		  "WARNING: VM web1 should be off and is running" },
		{ "paused as wanted", NULL, NULL, "{\"wanted\": \"paused\", \"state\": \"paused\"}",
		  STATUS_WELL, "OK: 2 nodes up, 1 VM as wanted" },
		{ "not preferred", NULL, NULL, "{\"preferred_owners\": [2, 3]}", STATUS_WARNING,
		  "WARNING: VM web1 runs on n1, which is none of the nodes it prefers" },
		{ "preferred", NULL, NULL, "{\"preferred_owners\": [2, 1]}", STATUS_WELL,
		  "OK: 2 nodes up, 1 VM as wanted" },
		{ "not allowed", NULL, NULL, "{\"possible_owners\": [2]}", STATUS_WARNING,
		  "WARNING: VM web1 runs on n1, which is none of its owners" },
		{ "changed", NULL, NULL, "{\"changed_outside\": \"memory 1 -> 2\"}", STATUS_WARNING,
		  "WARNING: VM web1 was changed outside of the cluster: memory 1 -> 2" },
		{ "the worst first", NULL, "{\"state\": \"off\", \"reason\": \"\"}",
		  "{\"state\": \"unknown\", \"protected\": {\"ok\": false, \"reason\": \"\"}}",
		  STATUS_CRITICAL, "CRITICAL: VM web1 should run and is unknown (and 1 more)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
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

UNIT_MAIN("clusterctl/health", { "cases", test_cases }, { "nonsense", test_nonsense })
