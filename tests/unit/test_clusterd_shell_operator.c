// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests of operators: what is understood, what is refused, and lists in pages. */
#include "clusterd/shell/operator_read.h"
#include "clusterd/shell/operator_view.h"
#include "clusterd/shell/operator_write.h"
#include "tests/unit/unit.h"

#include "agents/hook_ask.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/settings.h"
#include "clusterd/shell/seal.h"
#include "domain/metadata.h"
#include "wire/message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- a small cluster */

static void load(struct core *core, uint32_t table, uint64_t id, const ProtobufCMessage *record)
{
	_cleanup_(buf_free) struct buf packed = { 0 };

	wire_pack(record, &packed);
	CU_ASSERT_EQUAL_FATAL(core_load_record(core, table, id, packed.data, packed.len), 0);
}

static void load_node(struct core *core, uint32_t id, const char *name, bool witness)
{
	Wire__Node node = WIRE__NODE__INIT;

	node.id = id;
	node.name = (char *)name;
	node.witness = witness;
	node.state = WIRE__NODE__STATE__UP;
	load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

static void load_fence(struct core *core, uint64_t id, const char *name, uint32_t target)
{
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget aim = WIRE__FENCE_TARGET__INIT, *aims[] = { &aim };
	uint8_t secret[] = "sealed-secret";

	aim.node = target;
	fence.id = id;
	fence.name = (char *)name;
	fence.agent = (char *)"fence_ipmilan";
	fence.targets = aims;
	fence.n_targets = 1;
	fence.secret.data = secret;
	fence.secret.len = sizeof(secret);
	load(core, WIRE__TABLE__TABLE_FENCE, id, &fence.base);
}

static struct core *new_core(size_t vms, size_t xml_size)
{
	const struct core_config config = { .node = 1, .boot_id = 1, .disk_id = 1,
					    .kernel_boot_id = "k", .random = 1 };
	struct core *core = core_new(&config);
	char *xml = mem_array(xml_size + 1, 1);

	memset(xml, '"', xml_size);
	load_node(core, 1, "n1", false);
	load_node(core, 2, "n2", false);
	load_node(core, 3, "n3", true);
	load_fence(core, 90, "bmc1", 1);
	for (uint64_t i = 0; i < vms; i++) {
		Wire__Vm vm = WIRE__VM__INIT;
		Wire__Essence essence = WIRE__ESSENCE__INIT;
		char name[40], uuid[40];

		snprintf(name, sizeof(name), "web%" PRIu64, i);
		snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012" PRIx64, i);
		essence.memory_mib = 512;
		essence.digest = UINT64_C(0x1234567812345678);
		vm.id = 100 + 3 * i;
		vm.name = name;
		vm.uuid = uuid;
		vm.xml = xml;
		vm.essence = &essence;
		vm.owner = 1 + i % 2;
		vm.phase = WIRE__VM__PHASE__RUN;
		vm.wanted = WIRE__VM__WANTED__RUNNING;
		load(core, WIRE__TABLE__TABLE_VM, vm.id, &vm.base);
	}
	core_load_applied(core, 5000, 1);
	free(xml);
	return core;
}

/* A request, with ' for " and ` for ', because C makes the real ones hard to read. */
static json_t *parse(const char *text)
{
	_cleanup_(freep) char *quoted = mem_strdup(text);
	json_t *request;

	for (char *at = quoted; *at; at++)
		*at = *at == '\'' ? '"' : *at == '`' ? '\'' : *at;
	request = json_loads(quoted, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(request);
	return request;
}

/* ---------------------------------------------------------------- reading */

/* All pages of a request; each one is checked to fit. NULL and a refusal. */
static json_t *read_all(struct core *core, const char *text, size_t *ret_pages,
			struct refusal *refusal)
{
	const struct reading_source source = { core, 1 };
	json_t *request = parse(text), *all = json_array(), *data;
	struct reading *reading = NULL;
	bool last = false;
	int error;

	*refusal = (struct refusal){ .code = "" };
	error = reading_new(json_string_value(json_object_get(request, "do")), request, &reading,
			    refusal);
	json_decref(request);
	for (*ret_pages = 0; !error && !last; ++*ret_pages) {
		error = reading_page(reading, &source, &data, &last, refusal);
		if (error)
			break;
		CU_ASSERT_TRUE(json_dumpb(data, NULL, 0, JSON_COMPACT) <= PAGE_MAX);
		if (json_is_array(data)) {
			json_array_extend(all, data);
			json_decref(data);
		} else
			json_array_append_new(all, data);
	}
	reading_free(reading);
	if (!error)
		return all;
	json_decref(all);
	return NULL;
}

static void test_pages(void)
{
	struct core *core = new_core(700, 100);
	struct refusal refusal;
	size_t pages;
	json_t *vms = read_all(core, "{'do':'vms'}", &pages, &refusal);

	CU_ASSERT_PTR_NOT_NULL_FATAL(vms);
	CU_ASSERT_EQUAL(json_array_size(vms), 700);
	CU_ASSERT_TRUE(pages > 5);
	for (size_t i = 0; i < 700; i++) {
		const json_t *vm = json_array_get(vms, i);

		CU_ASSERT_EQUAL(json_integer_value(json_object_get(vm, "id")),
				(json_int_t)(100 + 3 * i));
		CU_ASSERT_PTR_NULL(json_object_get(vm, "xml"));
	}
	json_decref(vms);
	vms = read_all(core, "{'do':'operations'}", &pages, &refusal);
	CU_ASSERT_EQUAL(json_array_size(vms), 0);
	CU_ASSERT_EQUAL(pages, 1);
	json_decref(vms);
	core_free(core);
}

static void test_xml_in_parts(void)
{
	/* Every character of it needs two in JSON. */
	struct core *core = new_core(1, 40000);
	struct refusal refusal;
	size_t pages, total = 0;
	json_t *parts = read_all(core, "{'do':'dumpxml','name':'web0'}", &pages, &refusal);
	json_t *vm;

	CU_ASSERT_PTR_NOT_NULL_FATAL(parts);
	CU_ASSERT_EQUAL(pages, 2);
	for (size_t i = 0; i < pages; i++)
		total += json_string_length(json_object_get(json_array_get(parts, i), "xml"));
	CU_ASSERT_EQUAL(total, 40000);
	json_decref(parts);
	vm = read_all(core, "{'do':'vm','name':'web0'}", &pages, &refusal);
	CU_ASSERT_PTR_NULL(json_object_get(json_array_get(vm, 0), "xml"));
	CU_ASSERT_TRUE(json_is_true(json_object_get(json_array_get(vm, 0), "xml_left_out")));
	json_decref(vm);
	core_free(core);
}

static void test_bad_questions(void)
{
	static const struct {
		const char *text, *code;
	} cases[] = {
		{ "{'do':'vm'}", "bad-request" },
		{ "{'do':'vm','name':7}", "bad-request" },
		{ "{'do':'vm','name':''}", "bad-request" },
		{ "{'do':'vm','name':'nope'}", "no-such" },
		{ "{'do':'vm','name':'web0','x':1}", "bad-request" },
		{ "{'do':'vms','name':'web0'}", "bad-request" },
		{ "{'do':'node','name':'n9'}", "no-such" },
		{ "{'do':'dumpxml','name':'nope'}", "no-such" },
		{ "{'do':'progress','name':'nope'}", "no-such" },
		{ "{'do':'operation'}", "bad-request" },
		{ "{'do':'operation','operation':-1}", "bad-request" },
		{ "{'do':'operation','operation':12}", "no-such" },
		{ "{'do':'events','limit':-1}", "bad-request" },
		{ "{'do':'events','follow':1}", "bad-request" },
		{ "{'do':'events','after':'x'}", "bad-request" },
	};
	struct core *core = new_core(1, 10);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal refusal;
		size_t pages;

		CU_ASSERT_PTR_NULL(read_all(core, cases[i].text, &pages, &refusal));
		CU_ASSERT_STRING_EQUAL(refusal.code, cases[i].code);
	}
	CU_ASSERT_FALSE(reading_knows("vm-add"));
	core_free(core);
}

static void load_events(struct core *core, uint64_t from, uint64_t to)
{
	for (uint64_t id = from; id <= to; id++) {
		Wire__Event event = WIRE__EVENT__INIT;

		event.id = id;
		event.time_ms = 4000 + id;
		event.text = (char *)"something happened";
		load(core, WIRE__TABLE__TABLE_EVENT, id, &event.base);
	}
}

static void test_events(void)
{
	static const struct {
		const char *text;
		int64_t first, last;
	} cases[] = {
		{ "{'do':'events'}", 901, 1000 },
		{ "{'do':'events','limit':3}", 998, 1000 },
		{ "{'do':'events','limit':5000}", 1, 1000 },
		{ "{'do':'events','after':10,'limit':4}", 11, 14 },
		{ "{'do':'events','after':998}", 999, 1000 },
		{ "{'do':'events','after':1000}", 0, -1 },
		{ "{'do':'events','limit':0}", 0, -1 },
	};
	struct core *core = new_core(0, 0);

	load_events(core, 1, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal refusal;
		size_t pages;
		json_t *all = read_all(core, cases[i].text, &pages, &refusal);

		CU_ASSERT_EQUAL((int64_t)json_array_size(all), cases[i].last - cases[i].first + 1);
		CU_ASSERT_EQUAL(pages, json_array_size(all) > 600 ? 2 : 1);
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_array_get(all, 0), "id")),
				(json_int_t)cases[i].first);
		json_decref(all);
	}
	core_free(core);
}

static void test_follow(void)
{
	struct core *core = new_core(0, 0);
	const struct reading_source source = { core, 1 };
	json_t *request = json_pack("{s:s, s:b, s:i}", "do", "events", "follow", 1, "limit", 2);
	struct reading *reading = NULL;
	struct refusal refusal;
	json_t *data = NULL;
	bool last = true;

	load_events(core, 1, 10);
	CU_ASSERT_EQUAL_FATAL(reading_new("events", request, &reading, &refusal), 0);
	CU_ASSERT_EQUAL_FATAL(reading_page(reading, &source, &data, &last, &refusal), 0);
	CU_ASSERT_EQUAL(json_array_size(data), 2);
	CU_ASSERT_FALSE(last);
	json_decref(data);
	CU_ASSERT_EQUAL(reading_page(reading, &source, &data, &last, &refusal), -EAGAIN);
	load_events(core, 11, 13);
	CU_ASSERT_EQUAL_FATAL(reading_page(reading, &source, &data, &last, &refusal), 0);
	CU_ASSERT_EQUAL(json_array_size(data), 3);
	CU_ASSERT_FALSE(last);
	json_decref(data);
	CU_ASSERT_EQUAL(reading_page(reading, &source, &data, &last, &refusal), -EAGAIN);
	reading_free(reading);
	json_decref(request);
	core_free(core);
}

static void test_no_secrets(void)
{
	struct core *core = new_core(0, 0);
	struct refusal refusal;
	size_t pages;
	json_t *fences = read_all(core, "{'do':'fences'}", &pages, &refusal);
	json_t *fence = json_array_get(fences, 0);

	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(fence, "name")), "bmc1");
	CU_ASSERT_PTR_NULL(json_object_get(fence, "secret"));
	CU_ASSERT_TRUE(json_is_true(json_object_get(fence, "has_secret")));
	json_decref(fences);
	core_free(core);
}

/* ---------------------------------------------------------------- views */

/* As node 1 sees it in an open epoch with all three. */
static struct view_source source_of(const struct core *core)
{
	return (struct view_source){
		.state = core_state(core), .node = 1, .wall_ms = 1000000,
		.standing = { .open = true, .epoch = 1, .leader = 1, .why_not = "", .members = 7,
			      .ring = 7, .ready = 7, .agent_ok = true },
	};
}

static void load_silent(struct core *core, uint32_t id, Wire__Node__State state)
{
	_cleanup_(freep) char *name = mem_printf("n%u", id);
	Wire__Node node = WIRE__NODE__INIT;

	node.id = id;
	node.name = name;
	node.state = state;
	node.reason = (char *)"because";
	load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

static void load_cluster(struct core *core, size_t voters_n)
{
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	uint32_t voters[] = { 1, 2, 3, 4, 5 };

	cluster.id = 1;
	cluster.voters = voters;
	cluster.n_voters = voters_n;
	load(core, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster.base);
}

static void load_host(struct core *core, uint32_t id, Wire__Node__State state, bool drained)
{
	_cleanup_(freep) char *name = mem_printf("n%u", id);
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	Wire__Node node = WIRE__NODE__INIT;

	facts.agent_ok = true;
	node.id = id;
	node.name = name;
	node.state = state;
	node.facts = &facts;
	node.drained = drained;
	load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

static void load_tested_fence(struct core *core, uint32_t target, const char *result)
{
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget aim = WIRE__FENCE_TARGET__INIT, *aims[] = { &aim };

	aim.node = target;
	fence.id = 90;
	fence.name = (char *)"bmc1";
	fence.test_result = (char *)result;
	fence.targets = aims;
	fence.n_targets = 1;
	load(core, WIRE__TABLE__TABLE_FENCE, fence.id, &fence.base);
}

#define WANTED .wanted = WIRE__VM__WANTED__RUNNING

/* What differs from a VM that runs well on n1, in a cluster of three that are all up. */
struct protection_case {
	Wire__Vm vm;
	Wire__Node__State n1, n2;
	bool n2_drained, closed, device_failed;
	uint64_t gone;		/* neither members nor in the ring, bit n-1 */
	size_t voters;
	enum judge_protection protection;
	const char *why;
};

#define RUNS WANTED, .phase = WIRE__VM__PHASE__RUN
#define STATE(x) WIRE__NODE__STATE__##x
#define UP_BOTH STATE(UP), STATE(UP)

static void check_protection(const struct protection_case *c)
{
	struct core *core = new_core(0, 0);
	struct view_source source;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Vm vm = c->vm;
	char why[JUDGE_WHY_SIZE];

	load_cluster(core, c->voters);
	load_host(core, 1, c->n1, false);
	load_host(core, 2, c->n2, c->n2_drained);
	if (c->device_failed)
		load_tested_fence(core, 1, "no route");
	source = source_of(core);
	source.standing.open = !c->closed;
	source.standing.members &= ~c->gone;
	source.standing.ring &= ~c->gone;
	source.standing.ready &= ~c->gone;
	essence.virt_type = (char *)"qemu";
	vm.essence = &essence;
	CU_ASSERT_EQUAL(judge_vm_protection(&source, &vm, why, sizeof(why)), c->protection);
	CU_ASSERT_STRING_EQUAL(why, c->why);
	core_free(core);
}

static void test_protected(void)
{
	static uint32_t only_n1[] = { 1 };
	static const struct protection_case cases[] = {
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 0, 0, 3, PROTECTED, "" },
		{ { WANTED, .phase = WIRE__VM__PHASE__COPYING, .owner = 1 }, UP_BOTH, 0, 0, 0, 0,
		  3, PROTECTED, "" },
		/* Its death would still be seen. */
		{ { RUNS, .owner = 1 }, STATE(DAEMON_DOWN), STATE(UP), 0, 0, 0, 0, 3, PROTECTED,
		  "" },
		/* Not meant to be. */
		{ { .wanted = WIRE__VM__WANTED__STOPPED }, UP_BOTH, 0, 0, 0, 0, 3,
		  PROTECTION_NOT_MEANT, "off, as it is wanted" },
		{ { RUNS, .owner = 1, .unmanaged = 1 }, UP_BOTH, 0, 0, 0, 0, 3,
		  PROTECTION_NOT_MEANT, "managed=no" },
		{ { RUNS, .owner = 1, .no_ha = 1 }, UP_BOTH, 0, 0, 0, 0, 3, PROTECTION_NOT_MEANT,
		  "ha=no: bound to its node" },
		/* It runs nowhere. */
		{ { .wanted = WIRE__VM__WANTED__STOPPED, .phase = WIRE__VM__PHASE__RUN,
		    .owner = 1 }, UP_BOTH, 0, 0, 0, 0, 3, NOT_PROTECTED, "not wanted running" },
		{ { WANTED }, UP_BOTH, 0, 0, 0, 0, 3, NOT_PROTECTED, "it does not run" },
		{ { WANTED, .phase = WIRE__VM__PHASE__FAILED }, UP_BOTH, 0, 0, 0, 0, 3,
		  NOT_PROTECTED, "it does not run: given up" },
		{ { WANTED, .phase = WIRE__VM__PHASE__SAVED }, UP_BOTH, 0, 0, 0, 0, 3,
		  NOT_PROTECTED, "it does not run: saved" },
		/* No proof of its node's death. */
		{ { RUNS, .owner = 2 }, UP_BOTH, 0, 0, 0, 0, 3, NOT_PROTECTED,
		  "no proof possible for n2: no fence device" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 1, 0, 3, NOT_PROTECTED,
		  "no proof possible for n1: the last test of fence device bmc1 failed" },
		{ { RUNS, .owner = 1 }, STATE(LOST), STATE(UP), 0, 0, 0, 1, 3, NOT_PROTECTED,
		  "n1 is lost and not proven off" },
		{ { RUNS, .owner = 1 }, STATE(LEFT), STATE(UP), 0, 0, 0, 0, 3, NOT_PROTECTED,
		  "n1 has left: nobody would notice its death soon" },
		/* Nobody to take it, or to decide it. */
		{ { RUNS, .owner = 1, .possible_owners = only_n1, .n_possible_owners = 1 }, UP_BOTH,
		  0, 0, 0, 0, 3, NOT_PROTECTED, "only one node may run it" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 1, 0, 0, 0, 3, NOT_PROTECTED,
		  "no other node could take it: n2 takes no VMs (placement=no)" },
		{ { RUNS, .owner = 1 }, STATE(UP), STATE(LOST), 0, 0, 0, 2, 3, NOT_PROTECTED,
		  "no other node could take it: n2 is not up" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 1, 0, 0, 3, NOT_PROTECTED, "no quorum" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 0, 4, 3, NOT_PROTECTED,
		  "without n1 there would be no quorum" },
		{ { RUNS, .owner = 1 }, UP_BOTH, 0, 0, 0, 4, 1, NOT_PROTECTED,
		  "without n1 there would be no quorum" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_protection(&cases[i]);
}

/* With five voters a second loss leaves a quorum, and with four nodes it is half of them. */
static void test_protected_of_half(void)
{
	struct core *core = new_core(0, 0);
	struct view_source source = source_of(core);
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Vm vm = WIRE__VM__INIT;
	char why[JUDGE_WHY_SIZE];

	for (uint32_t id = 1; id <= 4; id++)
		load_host(core, id, id == 4 ? STATE(LOST) : STATE(UP), false);
	vm.phase = WIRE__VM__PHASE__RUN;
	vm.wanted = WIRE__VM__WANTED__RUNNING;
	vm.owner = 1;
	vm.essence = &essence;
	essence.virt_type = (char *)"qemu";
	CU_ASSERT_EQUAL(judge_vm_protection(&source, &vm, why, sizeof(why)), NOT_PROTECTED);
	CU_ASSERT_STRING_EQUAL(why, "with n1 half of the cluster would be lost, and nothing "
				    "fenced");
	load_host(core, 5, STATE(UP), false);
	source.standing.ring |= 1 << 4;
	CU_ASSERT_EQUAL(judge_vm_protection(&source, &vm, why, sizeof(why)), PROTECTED);
	source.standing.disputed = "two copies";
	CU_ASSERT_EQUAL(judge_vm_protection(&source, &vm, why, sizeof(why)), NOT_PROTECTED);
	CU_ASSERT_STRING_EQUAL(why, "the nodes' copies of the state differ, so nothing would be "
				    "done about it");
	core_free(core);
}

static void test_vm_state(void)
{
	static const struct {
		Wire__Vm__Phase phase;
		Wire__Vm__Seen seen;
		uint32_t owner;
		const char *state;
	} cases[] = {
		{ WIRE__VM__PHASE__OFF, 0, 0, "stopped" },
		{ WIRE__VM__PHASE__RUN, WIRE__VM__SEEN__ACTIVE, 1, "running" },
		{ WIRE__VM__PHASE__RUN, WIRE__VM__SEEN__SUSPENDED, 1, "paused" },
		{ WIRE__VM__PHASE__GO, WIRE__VM__SEEN__ACTIVE, 1, "migrating" },
		{ WIRE__VM__PHASE__RUN, WIRE__VM__SEEN__ACTIVE, 4, "unknown" },
		{ WIRE__VM__PHASE__FAILED, 0, 4, "failed" },
		{ (Wire__Vm__Phase)77, 0, 1, "unknown" },
	};
	struct core *core = new_core(0, 0);
	struct view_source source = source_of(core);

	load_silent(core, 4, WIRE__NODE__STATE__LOST);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Wire__Vm vm = WIRE__VM__INIT;

		vm.phase = cases[i].phase;
		vm.seen = cases[i].seen;
		vm.owner = cases[i].owner;
		CU_ASSERT_STRING_EQUAL(judge_vm_state(&source, &vm), cases[i].state);
	}
	core_free(core);
}

static void load_fencing(struct core *core, Wire__Operation__Outcome outcome, const char *text)
{
	Wire__Operation op = WIRE__OPERATION__INIT;

	op.id = 200;
	op.kind = WIRE__OPERATION__KIND__FENCE;
	op.node = 4;
	op.device = 91;
	op.outcome = outcome;
	op.text = (char *)text;
	load(core, WIRE__TABLE__TABLE_OPERATION, op.id, &op.base);
}

enum device { NO_DEVICE, UNUSED, ACTS, FAILED };

/* A VM nobody can say anything about is told with the cause, and with what helps. */
static void test_vm_unknown(void)
{
	static const struct {
		Wire__Node__State state;
		enum device device;
		bool closed, alone;
		const char *why;
	} cases[] = {
		{ WIRE__NODE__STATE__UP, NO_DEVICE, false, false, "" },
		{ WIRE__NODE__STATE__UP, NO_DEVICE, true, false,
		  "no quorum, and n4 is not seen by this node now; bring voters back, until a "
		  "majority is there" },
		{ WIRE__NODE__STATE__DAEMON_DOWN, NO_DEVICE, false, false,
		  "n4 is daemon-down: because; as far as is known it runs on there; start clusterd "
		  "on n4" },
		{ WIRE__NODE__STATE__LEFT, NO_DEVICE, false, false,
		  "n4 has left: because; as far as is known it runs on there; start clusterd on "
		  "n4" },
		{ WIRE__NODE__STATE__LOST, NO_DEVICE, false, false,
		  "n4 is lost and not fenced yet: no fence device; bring it back, or clusterctl "
		  "fence add" },
		{ WIRE__NODE__STATE__LOST, UNUSED, false, false,
		  "n4 is lost and about to be fenced through bmc4" },
		{ WIRE__NODE__STATE__LOST, ACTS, false, false,
		  "n4 is lost and being fenced through bmc4" },
		{ WIRE__NODE__STATE__LOST, FAILED, false, false,
		  "n4 is lost and not fenced yet, it is tried again: bmc4: no route; bring it "
		  "back, or mend the device" },
		{ WIRE__NODE__STATE__LOST, UNUSED, true, false,
		  "n4 is lost and not fenced yet: no quorum; bring voters back, until a majority "
		  "is there" },
		{ WIRE__NODE__STATE__LOST, UNUSED, false, true,
		  "n4 is lost and not fenced: half of the cluster or more is lost at once; bring "
		  "nodes back" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct core *core = new_core(0, 0);
		struct view_source source = source_of(core);
		char why[JUDGE_WHY_SIZE], node_why[JUDGE_WHY_SIZE];
		Wire__Vm vm = WIRE__VM__INIT;

		load_silent(core, 4, cases[i].state);
		if (cases[i].device != NO_DEVICE)
			load_fence(core, 91, "bmc4", 4);
		if (cases[i].device == ACTS)
			load_fencing(core, WIRE__OPERATION__OUTCOME__RUNNING, "");
		if (cases[i].device == FAILED)
			load_fencing(core, WIRE__OPERATION__OUTCOME__FAILED, "no route");
		source.standing.open = !cases[i].closed;
		if (cases[i].alone)
			source.standing.ring = 1;
		vm.phase = WIRE__VM__PHASE__RUN;
		vm.owner = 4;
		judge_vm_why(&source, &vm, why, sizeof(why));
		CU_ASSERT_STRING_EQUAL(why, cases[i].why);
		CU_ASSERT_EQUAL(strcmp(judge_vm_state(&source, &vm), "unknown") == 0, *why != 0);
		vm.phase = WIRE__VM__PHASE__FAILED;
		judge_vm_why(&source, &vm, why, sizeof(why));
		CU_ASSERT_STRING_EQUAL(why, "");
		/* Nothing of it can run there: nobody fences it, whatever there is. */
		judge_node_why(&source, state_node(core_state(core), 4), node_why,
			       sizeof(node_why));
		if (cases[i].state == WIRE__NODE__STATE__LOST)
			CU_ASSERT_STRING_EQUAL(node_why, "because; not fenced, because it holds no "
							 "VM");
		core_free(core);
	}
}

static void load_setting(struct core *core, const char *name, const char *value)
{
	Wire__Setting setting = WIRE__SETTING__INIT;

	CU_ASSERT_PTR_NOT_NULL_FATAL(setting_named(name, &setting.id));
	setting.name = (char *)name;
	setting.value = (char *)value;
	load(core, WIRE__TABLE__TABLE_SETTING, setting.id, &setting.base);
}

/* Which try comes next, and when; none of what is not to be tried, or is given up. */
static void test_vm_retry(void)
{
	static const struct {
		Wire__Vm vm;
		bool closed, retry;
		uint64_t try, in_ms;
	} cases[] = {
		{ { WANTED }, false, false, 0, 0 },
		{ { WANTED, .tries = 1, .since_ms = 999999 }, false, true,
		  2, 0 },
		{ { WANTED, .tries = 2, .since_ms = 998000 }, false, true,
		  3, 8000 },
		{ { WANTED, .tries = 3, .since_ms = 990000 }, false, true,
		  4, 50000 },
		{ { WANTED, .tries = 3, .since_ms = 900000 }, false, true,
		  4, 0 },
		/* The clock of who wrote it down is ahead of ours. */
		{ { WANTED, .tries = 2, .since_ms = 1005000 }, false, true,
		  3, 10000 },
		{ { WANTED, .tries = 4, .since_ms = 1000000 }, false,
		  false, 0, 0 },
		{ { WANTED, .tries = 2, .since_ms = 998000 }, true, false,
		  0, 0 },
		{ { WANTED, .tries = 2, .unmanaged = 1 }, false, false, 0,
		  0 },
		{ { .wanted = WIRE__VM__WANTED__STOPPED, .tries = 2 }, false, false,
		  0, 0 },
		{ { WANTED, .phase = WIRE__VM__PHASE__STARTING, .tries = 2 }, false,
		  false, 0, 0 },
	};
	struct core *core = new_core(0, 0);

	load_setting(core, "restart.tries_total", "4");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct view_source source = source_of(core);
		struct judge_retry retry = { 0 };

		source.standing.open = !cases[i].closed;
		CU_ASSERT_EQUAL(judge_vm_retry(&source, &cases[i].vm, &retry), cases[i].retry);
		CU_ASSERT_EQUAL(retry.try, cases[i].try);
		CU_ASSERT_EQUAL(retry.in_ms, cases[i].in_ms);
		CU_ASSERT_EQUAL(retry.of, cases[i].retry ? 4 : 0);
	}
	core_free(core);
}

/* The word and the reason for each state that a node can be in. */
static void test_node_state(void)
{
	static const struct {
		Wire__Node node;
		bool agent, closed, ring;
		const char *word, *why;
	} cases[] = {
		{ { .state = WIRE__NODE__STATE__UP }, true, false, true, "up", "" },
		{ { .state = WIRE__NODE__STATE__UP, .drained = 1 }, true, false, true,
		  "up, drained", "takes no VMs (placement=no)" },
		{ { .state = WIRE__NODE__STATE__UP, .witness = 1 }, false, false, true,
		  "up, witness", "" },
		{ { .state = WIRE__NODE__STATE__UP }, false, false, true, "up, libvirt not ready",
		  "no socket" },
		{ { .state = WIRE__NODE__STATE__UP }, true, true, false, "not seen",
		  "not seen by this node now; it was up" },
		{ { .state = WIRE__NODE__STATE__UP }, true, true, true, "not seen",
		  "not seen by this node now, though its corosync is; it was up" },
		{ { .state = WIRE__NODE__STATE__NEW }, false, false, false, "new",
		  "its clusterd has never reported" },
		{ { .state = WIRE__NODE__STATE__DAEMON_DOWN }, true, false, true, "daemon-down",
		  "because" },
		{ { .state = WIRE__NODE__STATE__LEFT }, true, false, true, "left", "because" },
		{ { .state = WIRE__NODE__STATE__OFF }, true, false, false, "off", "because" },
	};
	struct core *core = new_core(0, 0);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct view_source source = source_of(core);
		Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
		Wire__Node node = cases[i].node;
		char why[JUDGE_WHY_SIZE];

		facts.agent_ok = cases[i].agent;
		facts.agent_reason = (char *)"no socket";
		node.id = 5;
		node.facts = &facts;
		node.reason = (char *)"because";
		source.standing.open = !cases[i].closed;
		source.standing.ring |= cases[i].ring ? 1 << 4 : 0;
		judge_node_why(&source, &node, why, sizeof(why));
		CU_ASSERT_STRING_EQUAL(judge_node_state(&source, &node), cases[i].word);
		CU_ASSERT_STRING_EQUAL(why, cases[i].why);
		/* One sees oneself. */
		source.node = 5;
		if (cases[i].closed)
			CU_ASSERT_STRING_EQUAL(judge_node_state(&source, &node), "up");
	}
	core_free(core);
}

/* Without an epoch what is told is of when there was one; it is said in every view. */
static void test_as_of(void)
{
	struct core *core = new_core(1, 10);
	struct view_source source = source_of(core);
	json_t *view;

	CU_ASSERT_EQUAL(judge_as_of(&source), 0);
	source.standing.open = false;
	CU_ASSERT_EQUAL(judge_as_of(&source), 0);
	load_events(core, 1, 3);
	CU_ASSERT_EQUAL(judge_as_of(&source), 4003);
	source.closed_ms = 8000;
	CU_ASSERT_EQUAL(judge_as_of(&source), 8000);
	view = json_pack("[o, o, o]", view_status(&source),
			 view_node(&source, state_node(source.state, 2)),
			 view_vm(&source, state_vm_named(source.state, "web0"), false));
	for (size_t i = 0; i < 3; i++) {
		const json_t *part = json_array_get(view, i);

		CU_ASSERT_TRUE(json_is_false(json_object_get(part, "current")));
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(part, "as_of_ms")), 8000);
	}
	json_decref(view);
	core_free(core);
}

/* ---------------------------------------------------------------- changes */

static char key_path[] = "/tmp/clusterd-test-key-XXXXXX";

/* A directory with two fence agents in it, until the program ends. */
static char agents_path[] = "/tmp/clusterd-test-fence-agents-XXXXXX";
static const char *const fence_dirs[] = { "/nonexistent", agents_path, NULL };

static void make_agent(const char *name, mode_t mode)
{
	_cleanup_(freep) char *path = mem_printf("%s/%s", agents_path, name);
	int fd = open(path, O_CREAT | O_CLOEXEC | O_WRONLY, mode);

	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
}

static void remove_agents(void)
{
	static const char *const names[] = { "fence_ipmilan", "fence_x", "fence_text" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(freep) char *path = mem_printf("%s/%s", agents_path, names[i]);

		unlink(path);
	}
	rmdir(agents_path);
}

static void make_agents(void)
{
	static bool made;

	if (made)
		return;
	made = true;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(agents_path));
	make_agent("fence_ipmilan", 0700);
	make_agent("fence_x", 0700);
	make_agent("fence_text", 0600);
	atexit(remove_agents);
}

/* Takes the request. */
static Wire__Command *write_json(struct core *core, json_t *request, struct refusal *refusal)
{
	const struct writing_source source = {
		.state = core_state(core), .secret_key = key_path, .fence_dirs = fence_dirs,
		.node = 1, .boot_id = 7,
		.wall_ms = 1000, .random = 99, .who = "root(0) via n1",
	};
	Wire__Command *command = NULL;

	make_agents();
	*refusal = (struct refusal){ .code = "" };
	if (writing_command(json_string_value(json_object_get(request, "do")), request, &source,
			    &command, refusal) < 0)
		command = NULL;
	json_decref(request);
	return command;
}

static Wire__Command *write_one(struct core *core, const char *text, struct refusal *refusal)
{
	return write_json(core, parse(text), refusal);
}

static void test_command(void)
{
	struct core *core = new_core(0, 0);
	struct refusal refusal;
	Wire__Command *command = write_one(core, "{'id':1,'do':'command','command':{'vm_want':"
					   "{'name':'web1','wanted':'running','node':2}}}",
					   &refusal);

	CU_ASSERT_PTR_NOT_NULL_FATAL(command);
	CU_ASSERT_EQUAL(command->request, 99);
	CU_ASSERT_EQUAL(command->time_ms, 1000);
	CU_ASSERT_EQUAL(command->node, 1);
	CU_ASSERT_EQUAL(command->boot_id, 7);
	CU_ASSERT_STRING_EQUAL(command->who, "root(0) via n1");
	CU_ASSERT_EQUAL_FATAL(command->body_case, WIRE__COMMAND__BODY_VM_WANT);
	CU_ASSERT_EQUAL(command->vm_want->wanted, WIRE__VM__WANTED__RUNNING);
	wire_free(command);
	command = write_one(core, "{'do':'command','request':'0xfedcba9876543210','command':"
			    "{'vm_cancel':{'name':'web1'}}}", &refusal);
	CU_ASSERT_PTR_NOT_NULL_FATAL(command);
	CU_ASSERT_EQUAL(command->request, UINT64_C(0xfedcba9876543210));
	wire_free(command);
	core_free(core);
}

static void test_refused_commands(void)
{
	static const struct {
		const char *text, *code;
	} cases[] = {
		{ "{'do':'command'}", "bad-request" },
		{ "{'do':'command','command':{}}", "bad-request" },
		{ "{'do':'command','command':{'noop':{}}}", "bad-request" },
		{ "{'do':'command','command':{'fence_result':{'op':1,'off':true}}}",
		  "bad-request" },
		{ "{'do':'command','command':{'node_verdict':{'node':1}}}", "bad-request" },
		{ "{'do':'command','command':{'who':'root'}}", "bad-request" },
		{ "{'do':'command','command':{'vm_cancel':{'name':'a'},'who':'x'}}",
		  "bad-request" },
		{ "{'do':'command','command':{'vm_cancel':null}}", "bad-request" },
		{ "{'do':'command','command':{'vm_cancel':{'nam':'a'}}}", "invalid" },
		{ "{'do':'command','command':{'vm_want':{'wanted':'dancing'}}}", "invalid" },
		{ "{'do':'command','command':{'vm_cancel':{'name':'a'}},'request':0}",
		  "bad-request" },
		{ "{'do':'command','command':{'vm_cancel':{'name':'a'}},'request':'7'}",
		  "bad-request" },
		{ "{'do':'command','command':{'vm_cancel':{'name':'a'}},'x':7}",
		  "bad-request" },
		{ "{'do':'fly'}", "bad-request" },
		{ "{'do':'fence-add','name':'f'}", "bad-request" },
		{ "{'do':'fence-add','name':'f','agent':'fence_x','targets':[{'node':"
		  "'n9'}]}", "no-such" },
		{ "{'do':'fence-add','name':'f','agent':'fence_x','targets':[],'params':"
		  "{'passwd':'geheim'}}", "invalid" },
		{ "{'do':'fence-add','name':'f','agent':'fence_x','targets':[],'params':"
		  "{'ip':'a\\nb'}}", "invalid" },
		{ "{'do':'fence-add','name':'f','agent':'fence_x','targets':[],'secret':"
		  "'geheim'}", "invalid" },
		{ "{'do':'fence-add','name':'f','agent':'fence_x','targets':[],'secret':"
		  "'pass word=geheim'}", "invalid" },
		{ "{'do':'vm-add'}", "bad-request" },
		{ "{'do':'vm-add','xml':'<domain'}", "invalid" },
		{ "{'do':'vm-add','xml':'<domain/>','priority':'huge'}", "invalid" },
		{ "{'do':'vm-add','xml':'<domain/>','possible_owners':['n9']}", "no-such" },
		{ "{'do':'vm-add','xml':'<domain/>','possible_owners':[1]}", "no-such" },
		{ "{'do':'vm-edit','name':'nope','xml':'<domain/>'}", "no-such" },
		{ "{'do':'vm-edit','name':'web0','xml':'<domain/>','digest':'0x1'}",
		  "stale" },
		{ "{'do':'vm-edit','name':'web0','xml':'<domain/>','digest':"
		  "'0x1234567812345678'}", "invalid" },
	};
	struct core *core = new_core(1, 10);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal refusal;

		CU_ASSERT_PTR_NULL(write_one(core, cases[i].text, &refusal));
		CU_ASSERT_STRING_EQUAL(refusal.code, cases[i].code);
		if (strcmp(refusal.code, cases[i].code) != 0)
			printf("case %zu: %s %s\n", i, refusal.code, refusal.text);
		/* A refusal never repeats a secret. */
		CU_ASSERT_PTR_NULL(strstr(refusal.text, "geheim"));
	}
	core_free(core);
}

/* What this node would not find when it had to fence is refused; other nonsense is for apply. */
static void test_fence_agent(void)
{
	static const struct {
		const char *agent, *text;
	} cases[] = {
		{ "fence_ipmilan", NULL },
		{ "fence_nothere", "The fence agent fence_nothere is not installed on n1: " },
		{ "fence_text", "The fence agent fence_text is not installed on n1: " },
		{ "sh", NULL },
		{ "fence_../../bin/sh", NULL },
	};
	struct core *core = new_core(0, 0);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *request =
			mem_printf("{'do':'fence-add','name':'f','agent':'%s','targets':[{'node':"
				   "'n1'}]}", cases[i].agent);
		struct refusal refusal;
		Wire__Command *command = write_one(core, request, &refusal);

		CU_ASSERT_EQUAL(command == NULL, cases[i].text != NULL);
		if (cases[i].text) {
			CU_ASSERT_STRING_EQUAL(refusal.code, "invalid");
			CU_ASSERT_PTR_EQUAL(strstr(refusal.text, cases[i].text), refusal.text);
		}
		wire_free(command);
	}
	core_free(core);
}

static void load_volume_report(struct core *core, uint32_t id, bool agent_ok, const char *volume)
{
	_cleanup_(freep) char *name = mem_printf("n%u", id);
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	Wire__Node node = WIRE__NODE__INIT;
	char *volumes[] = { (char *)volume };

	facts.agent_ok = agent_ok;
	facts.volumes = volumes;
	facts.n_volumes = 1;
	node.id = id;
	node.name = name;
	node.state = WIRE__NODE__STATE__UP;
	node.facts = &facts;
	load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

/* Who has a volume is what the nodes say that can look; of a witness nobody asks that. */
static void test_volume_nodes(void)
{
	struct core *core = new_core(0, 0);
	Wire__Volume volume = WIRE__VOLUME__INIT;
	json_t *volumes, *there = json_pack("[s]", "n1"), *missing = json_pack("[s]", "n2");
	struct refusal refusal;
	size_t pages;

	volume.id = 95;
	volume.name = (char *)"data";
	load(core, WIRE__TABLE__TABLE_VOLUME, 95, &volume.base);
	load_volume_report(core, 1, true, "data");
	load_volume_report(core, 2, true, "other");
	load_volume_report(core, 4, false, "other");
	load_silent(core, 5, WIRE__NODE__STATE__LOST);
	volumes = read_all(core, "{'do':'volumes'}", &pages, &refusal);
	CU_ASSERT_TRUE(json_equal(json_object_get(json_array_get(volumes, 0), "there_on"), there));
	CU_ASSERT_TRUE(
		json_equal(json_object_get(json_array_get(volumes, 0), "missing_on"), missing));
	json_decref(volumes);
	json_decref(there);
	json_decref(missing);
	core_free(core);
}

static void test_fence_add(void)
{
	static const char text[] =
		"{'do':'fence-add','name':'bmc','agent':'fence_ipmilan','params':"
		"{'ip':'10.0.0.9','lanplus':'1'},'targets':[{'node':'n2','plug':'7'},"
		"{'node':'n1'}],'secret':'password=geheim\\n'}";
	struct core *core = new_core(0, 0);
	struct refusal refusal;
	Wire__Command *command;
	Wire__Fence *fence;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	uint8_t *clear;
	size_t size;
	char why[400];

	close(mkstemp(key_path));
	unlink(key_path);
	/* Without the key there is nothing to seal it with. */
	CU_ASSERT_PTR_NULL(write_one(core, text, &refusal));
	CU_ASSERT_STRING_EQUAL(refusal.code, "not-ready");
	CU_ASSERT_EQUAL_FATAL(seal_make_key(key_path), 0);
	command = write_one(core, text, &refusal);
	CU_ASSERT_PTR_NOT_NULL_FATAL(command);
	CU_ASSERT_EQUAL_FATAL(command->body_case, WIRE__COMMAND__BODY_FENCE_ADD);
	fence = command->fence_add->fence;
	CU_ASSERT_EQUAL(fence->n_params, 2);
	CU_ASSERT_EQUAL_FATAL(fence->n_targets, 2);
	CU_ASSERT_EQUAL(fence->targets[0]->node, 2);
	CU_ASSERT_STRING_EQUAL(fence->targets[0]->plug, "7");
	CU_ASSERT_STRING_EQUAL(fence->targets[1]->plug, "");
	CU_ASSERT_PTR_NULL(memmem(fence->secret.data, fence->secret.len, "geheim", 6));
	CU_ASSERT_EQUAL_FATAL(seal_load(key_path, &seal, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL_FATAL(seal_open(seal, "bmc", fence->secret.data, fence->secret.len, &clear,
					&size), 0);
	CU_ASSERT_EQUAL(size, 16);
	CU_ASSERT_EQUAL(memcmp(clear, "password=geheim\n", 16), 0);
	seal_wipe(clear, size);
	wire_free(command);
	unlink(key_path);
	core_free(core);
}

static void test_secret_names(void)
{
	static const struct {
		const char *name;
		bool secret;
	} cases[] = {
		{ "password", true },	 { "passwd", true },	    { "PASSWD", true },
		{ "snmp_priv_passwd", true }, { "passphrase", true }, { "session_token", true },
		{ "ip", false },	 { "passwd_script", false }, { "username", false },
		{ "identity_file", false }, { "community", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_EQUAL(writing_is_secret(cases[i].name), cases[i].secret);
}

static void test_vm_add(void)
{
	struct core *core = new_core(0, 0);
	struct refusal refusal;
	Wire__Command *command;
	Wire__Vm *vm;

	command = write_one(core,
			    "{'do':'vm-add','xml':'<domain type=`qemu`><name>db</name><memory>"
			    "262144</memory><vcpu>1</vcpu><os><type arch=`x86_64`>hvm</type></os>"
			    "</domain>','ha':true,'managed':true,'wanted':'stopped','priority':"
			    "'high','possible_owners':['n2','n1'],'stop_timeout_s':30}",
			    &refusal);
	if (!command)
		printf("%s: %s\n", refusal.code, refusal.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(command);
	vm = command->vm_add->vm;
	CU_ASSERT_STRING_EQUAL(vm->name, "db");
	CU_ASSERT_EQUAL(strlen(vm->uuid), 36);
	CU_ASSERT_EQUAL(vm->uuid[14], '4');
	CU_ASSERT_EQUAL(vm->essence->memory_mib, 256);
	CU_ASSERT_PTR_NOT_NULL(strstr(vm->xml, vm->uuid));
	CU_ASSERT_EQUAL(vm->wanted, WIRE__VM__WANTED__STOPPED);
	CU_ASSERT_EQUAL(vm->priority, WIRE__VM__PRIORITY__HIGH);
	CU_ASSERT_FALSE(vm->no_ha);
	CU_ASSERT_FALSE(vm->unmanaged);
	CU_ASSERT_EQUAL(vm->stop_timeout_s, 30);
	CU_ASSERT_EQUAL_FATAL(vm->n_possible_owners, 2);
	CU_ASSERT_EQUAL(vm->possible_owners[0], 2);
	wire_free(command);
	core_free(core);
}

/* Definition of a VM that vm-add would make of a text; the caller frees the command. */
static Wire__Vm *add_xml(struct core *core, const char *xml, Wire__Command **ret)
{
	json_t *request = json_pack("{s:s, s:s}", "do", "vm-add", "xml", xml);
	struct refusal refusal = { .code = "" };

	*ret = write_json(core, request, &refusal);
	if (!*ret)
		printf("%s: %s\n", refusal.code, refusal.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(*ret);
	return (*ret)->vm_add->vm;
}

/* A definition is told with a mark, by which libvirt's hook knows it; taken back, it has none. */
static void test_marked(void)
{
	static const char plain[] =
		"<domain type='qemu'><name>db</name><uuid>5c0ffee5-0000-4000-8000-00000000beef"
		"</uuid><metadata><o:x xmlns:o='urn:o'/></metadata><memory>262144</memory>"
		"<vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os></domain>";
	struct core *core = new_core(0, 0);
	Wire__Command *first, *second;
	Wire__Vm *vm = add_xml(core, plain, &first), *again;
	char uuid[HOOK_UUID_SIZE];
	struct domain_mark mark;
	struct refusal refusal;
	bool marked = false;
	json_t *parts;
	const char *xml;
	size_t pages;

	vm->id = 77;
	vm->generation = 3;
	load(core, WIRE__TABLE__TABLE_VM, vm->id, &vm->base);
	parts = read_all(core, "{'do':'dumpxml','name':'db'}", &pages, &refusal);
	CU_ASSERT_PTR_NOT_NULL_FATAL(parts);
	xml = json_string_value(json_object_get(json_array_get(parts, 0), "xml"));
	CU_ASSERT_EQUAL(domain_metadata(xml, strlen(xml), &mark), 0);
	CU_ASSERT_EQUAL(mark.vm, 77);
	CU_ASSERT_EQUAL(mark.generation, 0);
	CU_ASSERT_EQUAL(hook_read_xml(xml, strlen(xml), uuid, &marked), 0);
	CU_ASSERT(marked);
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, "urn:o"));
	again = add_xml(core, xml, &second);
	CU_ASSERT_STRING_EQUAL(again->xml, vm->xml);
	CU_ASSERT_EQUAL(again->essence->digest, vm->essence->digest);
	wire_free(first);
	wire_free(second);
	json_decref(parts);
	core_free(core);
}

UNIT_MAIN("clusterd/shell/operator", { "pages", test_pages }, { "xml in parts", test_xml_in_parts },
	  { "bad questions", test_bad_questions }, { "events", test_events },
	  { "follow", test_follow }, { "no secrets", test_no_secrets },
	  { "protected", test_protected },
	  { "protected of half", test_protected_of_half }, { "vm state", test_vm_state },
	  { "vm unknown", test_vm_unknown }, { "vm retry", test_vm_retry },
	  { "node state", test_node_state }, { "as of", test_as_of },
	  { "command", test_command }, { "refused commands", test_refused_commands },
	  { "fence-add", test_fence_add }, { "fence agent", test_fence_agent },
	  { "volume nodes", test_volume_nodes }, { "secret names", test_secret_names },
	  { "vm-add", test_vm_add }, { "marked", test_marked })
