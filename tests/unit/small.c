/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/small.h"

#include "base/buf.h"
#include "base/mem.h"
#include "clusterd/core/settings.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

#include <inttypes.h>
#include <string.h>

void small_load(struct core *core, uint32_t table, uint64_t id, const ProtobufCMessage *record)
{
	_cleanup_(buf_free) struct buf packed = { 0 };

	wire_pack(record, &packed);
	CU_ASSERT_EQUAL_FATAL(core_load_record(core, table, id, packed.data, packed.len), 0);
}

static void small_node(struct core *core, uint32_t id, const char *name, bool witness)
{
	Wire__Node node = WIRE__NODE__INIT;

	node.id = id;
	node.name = (char *)name;
	node.witness = witness;
	node.state = WIRE__NODE__STATE__UP;
	small_load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

void small_fence(struct core *core, uint64_t id, const char *name, uint32_t target)
{
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget aim = WIRE__FENCE_TARGET__INIT, *aims[] = { &aim };
	uint8_t secret[] = "sealed-secret";

	aim.node = target;
	aim.tested_ms = 4000;
	fence.id = id;
	fence.name = (char *)name;
	fence.agent = (char *)"fence_ipmilan";
	fence.targets = aims;
	fence.n_targets = 1;
	fence.secret.data = secret;
	fence.secret.len = sizeof(secret);
	small_load(core, WIRE__TABLE__TABLE_FENCE, id, &fence.base);
}

void small_silent(struct core *core, uint32_t id, Wire__Node__State state)
{
	_cleanup_(freep) char *name = mem_printf("n%u", id);
	Wire__Node node = WIRE__NODE__INIT;

	node.id = id;
	node.name = name;
	node.state = state;
	node.reason = (char *)"because";
	small_load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

void small_host(struct core *core, uint32_t id, Wire__Node__State state, bool drained)
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
	small_load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

void small_voters(struct core *core, size_t voters_n)
{
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	uint32_t voters[] = { 1, 2, 3, 4, 5 };

	cluster.id = 1;
	cluster.voters = voters;
	cluster.n_voters = voters_n;
	small_load(core, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster.base);
}

void small_setting(struct core *core, const char *name, const char *value)
{
	Wire__Setting setting = WIRE__SETTING__INIT;

	CU_ASSERT_PTR_NOT_NULL_FATAL(setting_named(name, &setting.id));
	setting.name = (char *)name;
	setting.value = (char *)value;
	small_load(core, WIRE__TABLE__TABLE_SETTING, setting.id, &setting.base);
}

void small_events(struct core *core, uint64_t from, uint64_t to)
{
	for (uint64_t id = from; id <= to; id++) {
		Wire__Event event = WIRE__EVENT__INIT;

		event.id = id;
		event.time_ms = 4000 + id;
		event.text = (char *)"something happened";
		small_load(core, WIRE__TABLE__TABLE_EVENT, id, &event.base);
	}
}

struct core *small_core(size_t vms, size_t xml_size)
{
	const struct core_config config = { .node = 1, .boot_id = 1, .disk_id = 1,
					    .kernel_boot_id = "k", .random = 1 };
	struct core *core = core_new(&config);
	char *xml = mem_array(xml_size + 1, 1);

	memset(xml, '"', xml_size);
	small_node(core, 1, "n1", false);
	small_node(core, 2, "n2", false);
	small_node(core, 3, "n3", true);
	small_fence(core, 90, "bmc1", 1);
	for (uint64_t i = 0; i < vms; i++) {
		Wire__Vm vm = WIRE__VM__INIT;
		Wire__Essence essence = WIRE__ESSENCE__INIT;
		_cleanup_(freep) char *name = mem_printf("web%" PRIu64, i);
		_cleanup_(freep) char *uuid =
			mem_printf("00000000-0000-4000-8000-%012" PRIx64, i);

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
		small_load(core, WIRE__TABLE__TABLE_VM, vm.id, &vm.base);
	}
	core_load_applied(core, 5000, 1);
	free(xml);
	return core;
}

struct view_source small_source(const struct core *core)
{
	return (struct view_source){
		.state = core_state(core), .node = 1, .wall_ms = 1000000,
		.standing = { .open = true, .epoch = 1, .leader = 1, .why_not = "", .members = 7,
			      .ring = 7, .ready = 7, .agent_ok = true },
	};
}

json_t *small_parse(const char *text)
{
	_cleanup_(freep) char *quoted = mem_strdup(text);
	json_t *request;

	for (char *at = quoted; *at; at++)
		*at = *at == '\'' ? '"' : *at == '`' ? '\'' : *at;
	request = json_loads(quoted, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(request);
	return request;
}

json_t *small_read(struct core *core, const char *text, size_t *ret_pages,
			struct refusal *refusal)
{
	const struct reading_source source = { core, 1 };
	json_t *request = small_parse(text), *all = json_array(), *data;
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
