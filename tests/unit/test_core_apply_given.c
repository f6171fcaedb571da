/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What administrators give, and is taken or refused: definitions, devices, volumes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "tests/unit/bench.h"
#include "tests/unit/unit.h"
#include "wire/check.h"

static int add_with_disk(struct bench *bench, const char *name, bool shareable)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm record = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Disk disk = WIRE__DISK__INIT, *disks = &disk;
	char uuid[40];

	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012u", (unsigned)bench->index);
	disk.target = (char *)"vda";
	disk.source = (char *)"/srv/one.raw";
	disk.shareable = shareable;
	essence.memory_mib = 64;
	essence.disks = &disks;
	essence.n_disks = 1;
	record.name = (char *)name;
	record.uuid = uuid;
	record.xml = (char *)"<domain/>";
	record.essence = &essence;
	add.vm = &record;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	return bench_apply(bench, 1, 101, &command);
}

/* Two guests on one disk would destroy it, wherever they run. */
static void test_one_disk(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(add_with_disk(bench, "b", false), 0);
	CU_ASSERT_EQUAL(add_with_disk(bench, "c", false), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "/srv/one.raw is VM b's"));
	CU_ASSERT_EQUAL(add_with_disk(bench, "c", true), WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_PTR_NULL(state_vm_named(bench->state, "c"));
	bench_free(bench);
	bench = bench_new();
	CU_ASSERT_EQUAL(add_with_disk(bench, "b", true), 0);
	CU_ASSERT_EQUAL(add_with_disk(bench, "c", true), 0);
	bench_free(bench);
}

/* An agent writes the image as root: nowhere but on a volume, whoever names the place. */
static void test_image(void)
{
	struct bench *bench = bench_new();
	static const char *const bad[] = { "", "/etc/passwd", "/v/one/a.sav",
					   "/v/one/.clusterd/state/../../../../etc/passwd",
					   "/v/one2/.clusterd/state/a.sav" };

	CU_ASSERT_EQUAL(bench_add_volume(bench, "one", "/v/one"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(bench_move(bench, 3, WIRE__VM_MOVE__HOW__QUICK, bad[i]),
				WIRE__VERDICT__CODE__NOT_READY);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__RUN);
	CU_ASSERT_EQUAL(
		bench_move(bench, 3, WIRE__VM_MOVE__HOW__QUICK, "/v/one/.clusterd/state/a.1.sav"),
		0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__SAVING);
	bench_free(bench);
}

/* What the lists of the agents' frames cannot hold must not be in the records. */
static void test_volumes(void)
{
	struct bench *bench = bench_new();
	char name[16], target[32];

	for (unsigned i = 0; i < WIRE_LIST_MAX; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		snprintf(target, sizeof(target), "/v/%u", i);
		CU_ASSERT_EQUAL(bench_add_volume(bench, name, target), 0);
	}
	CU_ASSERT_EQUAL(bench_add_volume(bench, "more", "/v/more"), WIRE__VERDICT__CODE__LIMIT);
	bench_free(bench);
}

static int set_cluster(struct bench *bench, Wire__Param *param)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__SettingSet set = WIRE__SETTING_SET__INIT;

	set.name = param->key;
	set.value = param->value;
	command.body_case = WIRE__COMMAND__BODY_SETTING_SET;
	command.setting_set = &set;
	return bench_apply(bench, 1, 101, &command);
}

static int set_vm(struct bench *bench, Wire__Param *param)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmSet set = WIRE__VM_SET__INIT;

	set.name = (char *)"a";
	set.changes = &param;
	set.n_changes = 1;
	command.body_case = WIRE__COMMAND__BODY_VM_SET;
	command.vm_set = &set;
	return bench_apply(bench, 1, 101, &command);
}

static int set_node(struct bench *bench, Wire__Param *param)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeSet set = WIRE__NODE_SET__INIT;

	set.name = (char *)"n2";
	set.changes = &param;
	set.n_changes = 1;
	command.body_case = WIRE__COMMAND__BODY_NODE_SET;
	command.node_set = &set;
	return bench_apply(bench, 1, 101, &command);
}

/* A wrong word is answered with those that there are, and with the one that may be meant. */
static void test_words(void)
{
	static const struct {
		int (*set)(struct bench *bench, Wire__Param *param);
		const char *key, *value, *text;
	} cases[] = {
		{ set_vm, "priority", "hihg",
		  "priority is high, medium or low, not 'hihg'; did you mean 'high'?" },
		{ set_vm, "ha", "maybe", "ha is yes or no, not 'maybe'" },
		{ set_vm, "managed", "yse",
		  "managed is yes or no, not 'yse'; did you mean 'yes'?" },
		{ set_vm, "cold_start_on_lost_save", "",
		  "cold_start_on_lost_save is yes or no, not ''" },
		{ set_vm, "on_guest_shutdown", "retsart",
		  "on_guest_shutdown is stop or restart, not 'retsart'; did you mean 'restart'?" },
		{ set_node, "placement", "nope", "placement is yes or no, not 'nope'" },
		{ set_cluster, "migration.tls", "nope",
		  "migration.tls is yes or no, not 'nope'" },
		{ set_cluster, "fence.buget", "3",
		  "there is no setting 'fence.buget'; did you mean 'fence.budget'? clusterctl "
		  "settings get shows all" },
		{ set_cluster, "max_downtime", "3",
		  "there is no setting 'max_downtime'; did you mean 'migration.max_downtime_ms'? "
		  "clusterctl settings get shows all" },
		{ set_cluster, "migration", "3",
		  "there is no setting 'migration'; clusterctl settings get shows all" },
		{ set_cluster, "", "3",
		  "there is no setting ''; clusterctl settings get shows all" },
	};
	struct bench *bench = bench_new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Wire__Param param = WIRE__PARAM__INIT;

		param.key = (char *)cases[i].key;
		param.value = (char *)cases[i].value;
		CU_ASSERT_NOT_EQUAL(cases[i].set(bench, &param), 0);
		if (strcmp(bench->text, cases[i].text) != 0)
			printf("%s=%s: %s\n", cases[i].key, cases[i].value, bench->text);
		CU_ASSERT_STRING_EQUAL(bench->text, cases[i].text);
	}
	bench_free(bench);
}

/* What is said of a word is kept with the request: no character of it may be cut in two. */
static void test_cut(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__SettingSet set = WIRE__SETTING_SET__INIT;
	Wire__VolumeAdd add = WIRE__VOLUME_ADD__INIT;
	Wire__Volume volume = WIRE__VOLUME__INIT;
	char word[254], path[260];

	for (size_t shift = 0; shift < 2; shift++) {
		memset(word, 'a', sizeof(word));
		for (size_t i = shift; i + 2 < sizeof(word); i += 2)
			memcpy(word + i, "\xc3\xa4", 2);
		word[sizeof(word) - 1] = '\0';
		set.name = (char *)"fence.budget_window_s";
		set.value = word;
		command.body_case = WIRE__COMMAND__BODY_SETTING_SET;
		command.setting_set = &set;
		command.request = 10 * shift + 1;
		CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__INVALID);
		volume.name = (char *)"v";
		volume.driver = word;
		volume.target = (char *)"/v";
		add.volume = &volume;
		command.body_case = WIRE__COMMAND__BODY_VOLUME_ADD;
		command.volume_add = &add;
		command.request++;
		CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__INVALID);
		volume.driver = (char *)"dir";
		volume.target = word;
		command.request++;
		CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__INVALID);
		/* A path, but not declared shared; from an even or an odd place on. */
		snprintf(path, sizeof(path), "/%s%s", shift ? "a" : "", word + shift);
		volume.target = path;
		command.request++;
		CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__INVALID);
	}
	bench_free(bench);
}

static int edit(struct bench *bench, size_t xml_size, size_t devices)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmEdit body = WIRE__VM_EDIT__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	char *xml = mem_array(1, xml_size + 1), line[401], **lines = mem_new_array(char *, devices);
	int code;

	memset(xml, 'x', xml_size);
	memset(line, 'd', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (size_t i = 0; i < devices; i++)
		lines[i] = line;
	essence.memory_mib = 512;
	essence.digest = xml_size + devices;
	essence.devices = lines;
	essence.n_devices = devices;
	body.name = (char *)"a";
	body.xml = xml;
	body.essence = &essence;
	command.body_case = WIRE__COMMAND__BODY_VM_EDIT;
	command.vm_edit = &body;
	code = bench_apply(bench, 1, 101, &command);
	free(xml);
	free(lines);
	return code;
}

/* A record that no snapshot can carry would keep a node that lags behind out for ever. */
static void test_large(void)
{
	struct bench *bench = bench_new();
	const struct {
		size_t xml, devices;
		int code;
	} edits[] = {
		{ 20 * 1024, 70, 0 }, /* runs with this from now on */
		{ 48 * 1024, 4, 0 },
		{ 44 * 1024, 25, WIRE__VERDICT__CODE__LIMIT },
	};

	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		const struct buf *packed;

		CU_ASSERT_EQUAL(edit(bench, edits[i].xml, edits[i].devices), edits[i].code);
		packed = state_packed(bench->state, WIRE__TABLE__TABLE_VM, 0, NULL);
		CU_ASSERT(packed->len <= WIRE_RECORD_MAX);
		if (i == 0) {
			CU_ASSERT_EQUAL(bench_step_vm(bench, WIRE__VM__PHASE__STARTING, 2), 0);
			CU_ASSERT_EQUAL(
				bench_report_vm(bench, 2, 102, 2, WIRE__VM_REPORT__WHAT__RUNNING),
				0);
		}
	}
	bench_free(bench);
}

static int add_large(struct bench *bench, unsigned number, size_t xml_size)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm given = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	char *xml = mem_array(1, xml_size + 1), name[20], uuid[40];
	int code;

	memset(xml, 'x', xml_size);
	snprintf(name, sizeof(name), "large%u", number);
	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-9000-%012u", number);
	essence.memory_mib = 512;
	given.name = name;
	given.uuid = uuid;
	given.xml = xml;
	given.essence = &essence;
	add.vm = &given;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	code = bench_apply(bench, 1, 101, &command);
	free(xml);
	return code;
}

/* What no node that lags behind could ever be given is not taken. */
static void test_full(void)
{
	struct bench *bench = bench_new();
	unsigned n = 0;

	while (n < STATE_VMS_BYTES / WIRE_XML_MAX + 2 && add_large(bench, n, WIRE_XML_MAX) == 0)
		n++;
	CU_ASSERT(n > STATE_VMS_BYTES / WIRE_XML_MAX - 10);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "all of them together"));
	CU_ASSERT(state_bytes(bench->state, WIRE__TABLE__TABLE_VM) <= STATE_VMS_BYTES);
	/* Nor may what is there grow; but it may become smaller, and make room. */
	CU_ASSERT_EQUAL(edit(bench, WIRE_XML_MAX, 0), WIRE__VERDICT__CODE__LIMIT);
	CU_ASSERT_EQUAL(edit(bench, 5, 0), 0);
	bench_free(bench);
}

/* What is added to a device's record later has room. */
static void test_large_device(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;
	Wire__Param param = WIRE__PARAM__INIT, *params[WIRE_LIST_MAX];
	char value[256];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	param.key = param.value = value;
	for (size_t i = 0; i < WIRE_LIST_MAX; i++)
		params[i] = &param;
	fence.name = (char *)"large";
	fence.agent = (char *)"fence_ipmilan";
	fence.targets = &targets;
	fence.n_targets = 1;
	target.node = 2;
	fence.params = params;
	fence.n_params = WIRE_LIST_MAX;
	add.fence = &fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.fence_add = &add;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__LIMIT);
	fence.n_params = WIRE_LIST_MAX / 2;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	bench_free(bench);
}

/* Beyond these, milliseconds would not fit into the fields of an ask. */
static void test_timeouts(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FenceAdd add = WIRE__FENCE_ADD__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__FenceTarget target = WIRE__FENCE_TARGET__INIT, *targets = &target;
	Wire__VmAdd vm_add = WIRE__VM_ADD__INIT;
	Wire__Vm given = *bench_vm(bench);

	fence.name = (char *)"slow";
	fence.agent = (char *)"fence_ipmilan";
	fence.timeout_s = 2147484;
	fence.targets = &targets;
	fence.n_targets = 1;
	target.node = 2;
	add.fence = &fence;
	command.body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	command.fence_add = &add;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__INVALID);
	given.name = (char *)"b";
	given.uuid = (char *)"00000000-0000-4000-8000-000000000002";
	given.stop_timeout_s = 4294968;
	vm_add.vm = &given;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &vm_add;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), WIRE__VERDICT__CODE__INVALID);
	bench_free(bench);
}

/* Who edits a VM that runs is told that it does not follow at once, and what to do. */
static void test_edit_pending(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(edit(bench, 100, 1), 0);
	CU_ASSERT_STRING_EQUAL(bench->text, "a is changed; it runs on as it was until it is "
					    "stopped and started: clusterctl vm stop a, then "
					    "clusterctl vm start a");
	CU_ASSERT(bench_vm(bench)->pending_restart);
	CU_ASSERT_EQUAL(bench_report_vm(bench, 2, 102, 1, WIRE__VM_REPORT__WHAT__ABSENT), 0);
	CU_ASSERT_EQUAL(edit(bench, 200, 1), 0);
	CU_ASSERT_STRING_EQUAL(bench->text, "");
	bench_free(bench);
}

UNIT_MAIN("core/apply_given", { "one_disk", test_one_disk }, { "image", test_image },
	  { "volumes", test_volumes }, { "words", test_words }, { "cut", test_cut },
	  { "large", test_large }, { "full", test_full },
	  { "large_device", test_large_device }, { "timeouts", test_timeouts },
	  { "edit_pending", test_edit_pending })
