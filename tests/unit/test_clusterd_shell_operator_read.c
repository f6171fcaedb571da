/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions of operators: what is understood, what is refused, and lists in pages. */
#include "tests/unit/small.h"
#include "tests/unit/unit.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void test_pages(void)
{
	struct core *core = small_core(700, 100);
	struct refusal refusal;
	size_t pages;
	json_t *vms = small_read(core, "{'do':'vms'}", &pages, &refusal);

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
	vms = small_read(core, "{'do':'operations'}", &pages, &refusal);
	CU_ASSERT_EQUAL(json_array_size(vms), 0);
	CU_ASSERT_EQUAL(pages, 1);
	json_decref(vms);
	core_free(core);
}

static void test_xml_in_parts(void)
{
	/* Every character of it needs two in JSON. */
	struct core *core = small_core(1, 40000);
	struct refusal refusal;
	size_t pages, total = 0;
	json_t *parts = small_read(core, "{'do':'dumpxml','name':'web0'}", &pages, &refusal);
	json_t *vm;

	CU_ASSERT_PTR_NOT_NULL_FATAL(parts);
	CU_ASSERT_EQUAL(pages, 2);
	for (size_t i = 0; i < pages; i++)
		total += json_string_length(json_object_get(json_array_get(parts, i), "xml"));
	CU_ASSERT_EQUAL(total, 40000);
	json_decref(parts);
	vm = small_read(core, "{'do':'vm','name':'web0'}", &pages, &refusal);
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
	struct core *core = small_core(1, 10);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal refusal;
		size_t pages;

		CU_ASSERT_PTR_NULL(small_read(core, cases[i].text, &pages, &refusal));
		CU_ASSERT_STRING_EQUAL(refusal.code, cases[i].code);
	}
	CU_ASSERT_FALSE(reading_knows("vm-add"));
	core_free(core);
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
	struct core *core = small_core(0, 0);

	small_events(core, 1, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal refusal;
		size_t pages;
		json_t *all = small_read(core, cases[i].text, &pages, &refusal);

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
	struct core *core = small_core(0, 0);
	const struct reading_source source = { core, 1 };
	json_t *request = json_pack("{s:s, s:b, s:i}", "do", "events", "follow", 1, "limit", 2);
	struct reading *reading = NULL;
	struct refusal refusal;
	json_t *data = NULL;
	bool last = true;

	small_events(core, 1, 10);
	CU_ASSERT_EQUAL_FATAL(reading_new("events", request, &reading, &refusal), 0);
	CU_ASSERT_EQUAL_FATAL(reading_page(reading, &source, &data, &last, &refusal), 0);
	CU_ASSERT_EQUAL(json_array_size(data), 2);
	CU_ASSERT_FALSE(last);
	json_decref(data);
	CU_ASSERT_EQUAL(reading_page(reading, &source, &data, &last, &refusal), -EAGAIN);
	small_events(core, 11, 13);
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
	struct core *core = small_core(0, 0);
	struct refusal refusal;
	size_t pages;
	json_t *fences = small_read(core, "{'do':'fences'}", &pages, &refusal);
	json_t *fence = json_array_get(fences, 0);

	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(fence, "name")), "bmc1");
	CU_ASSERT_PTR_NULL(json_object_get(fence, "secret"));
	CU_ASSERT_TRUE(json_is_true(json_object_get(fence, "has_secret")));
	json_decref(fences);
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
	small_load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

/* Who has a volume is what the nodes say that can look; of a witness nobody asks that. */
static void test_volume_nodes(void)
{
	struct core *core = small_core(0, 0);
	Wire__Volume volume = WIRE__VOLUME__INIT;
	Wire__Leftover leftover = WIRE__LEFTOVER__INIT, *leftovers = &leftover;
	json_t *volumes, *there = json_pack("[s]", "n1"), *missing = json_pack("[s]", "n2");
	struct refusal refusal;
	size_t pages;

	volume.id = 95;
	volume.name = (char *)"data";
	leftover.name = (char *)"db.sav";
	volume.leftovers = &leftovers;
	volume.n_leftovers = 1;
	small_load(core, WIRE__TABLE__TABLE_VOLUME, 95, &volume.base);
	load_volume_report(core, 1, true, "data");
	load_volume_report(core, 2, true, "other");
	load_volume_report(core, 4, false, "other");
	small_silent(core, 5, WIRE__NODE__STATE__LOST);
	volumes = small_read(core, "{'do':'volumes'}", &pages, &refusal);
	CU_ASSERT_TRUE(json_equal(json_object_get(json_array_get(volumes, 0), "there_on"), there));
	CU_ASSERT_TRUE(
		json_equal(json_object_get(json_array_get(volumes, 0), "missing_on"), missing));
	CU_ASSERT_PTR_NULL(json_object_get(json_array_get(volumes, 0), "leftovers"));
	json_decref(volumes);
	json_decref(there);
	json_decref(missing);
	core_free(core);
}

/* Without an epoch what is told is of when there was one; it is said in every view. */
static void test_as_of(void)
{
	struct core *core = small_core(1, 10);
	struct view_source source = small_source(core);
	json_t *view;

	CU_ASSERT_EQUAL(judge_as_of(&source), 0);
	source.standing.open = false;
	CU_ASSERT_EQUAL(judge_as_of(&source), 0);
	small_events(core, 1, 3);
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

/* What an operation is about and where it is done are the same words for every kind of it. */
static void test_operations(void)
{
	static const struct {
		Wire__Operation__Kind kind;
		uint64_t vm;
		uint32_t node, to;
		const char *subject, *on;
	} cases[] = {
		{ WIRE__OPERATION__KIND__STOP, 100, 1, 0, "web0", "n1" },
		{ WIRE__OPERATION__KIND__LIVE, 100, 1, 2, "web0", "n1" },
		{ WIRE__OPERATION__KIND__START, 100, 0, 0, "web0", "n2" },
		{ WIRE__OPERATION__KIND__RESTART, 100, 1, 0, "web0", "n2" },
		{ WIRE__OPERATION__KIND__STOP, 77, 1, 0, "old (removed)", "n1" },
		{ WIRE__OPERATION__KIND__FENCE, 0, 1, 2, "n1", "n2" },
		{ WIRE__OPERATION__KIND__FENCE_TEST, 0, 1, 2, "n1", "n2" },
	};
	struct core *core = small_core(1, 10);
	const struct view_source source = small_source(core);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Wire__Operation operation = WIRE__OPERATION__INIT;
		Wire__Mark first = WIRE__MARK__INIT, last = WIRE__MARK__INIT;
		Wire__Mark *marks[] = { &first, &last };
		json_t *view;

		first.what = last.what = (char *)"placed";
		first.node = 1;
		last.node = 2;
		operation.kind = cases[i].kind;
		operation.vm = cases[i].vm;
		operation.vm_name = (char *)(cases[i].vm == 77 ? "old" : "web0");
		operation.node = cases[i].node;
		operation.to = cases[i].to;
		operation.marks = marks;
		operation.n_marks = 2;
		view = view_operation(&source, &operation);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(view, "subject")),
				       cases[i].subject);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(view, "on_name")),
				       cases[i].on);
		json_decref(view);
	}
	core_free(core);
}

/* Of an edit that waits, what the next start will change. */
static void check_size(const json_t *size, json_int_t memory_mib, json_int_t vcpus)
{
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(size, "memory_mib")), memory_mib);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(size, "vcpus")), vcpus);
}

/* What an edit will change is never told as what is so. */
static void test_pending(void)
{
	struct core *core = small_core(1, 10);
	const struct view_source source = small_source(core);
	Wire__Vm vm = *state_vm_named(source.state, "web0");
	Wire__Essence live = *vm.essence, edited = *vm.essence;
	json_t *view;

	live.vcpus = 2;
	edited.memory_mib = 1024;
	edited.vcpus = 4;
	vm.essence = &edited;
	vm.live = &live;
	for (int pending = 0; pending <= 1; pending++) {
		vm.pending_restart = pending;
		view = view_vm(&source, &vm, false);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(view, "pending")),
				       pending ? "memory 512 -> 1024 MiB; vcpus 2 -> 4" : "");
		check_size(json_object_get(view, "in_force"), 512, 2);
		check_size(json_object_get(view, "at_next_start"), 1024, 4);
		json_decref(view);
	}
	/* Off, it has nothing but what it will start with. */
	vm.phase = WIRE__VM__PHASE__OFF;
	view = view_vm(&source, &vm, false);
	check_size(json_object_get(view, "in_force"), 1024, 4);
	json_decref(view);
	/* The record that most of it was copied from goes by this. */
	vm.phase = WIRE__VM__PHASE__RUN;
	small_load(core, WIRE__TABLE__TABLE_VM, vm.id, &vm.base);
	view = view_node(&source, state_node(source.state, 1));
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(view, "memory_used_mib")), 512);
	json_decref(view);
	core_free(core);
}

UNIT_MAIN("clusterd/shell/operator_read", { "pages", test_pages },
	  { "xml in parts", test_xml_in_parts }, { "bad questions", test_bad_questions },
	  { "events", test_events }, { "follow", test_follow }, { "no secrets", test_no_secrets },
	  { "volume nodes", test_volume_nodes }, { "as of", test_as_of },
	  { "operations", test_operations }, { "pending", test_pending })
