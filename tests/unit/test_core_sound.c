/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a store holds must be such as apply leaves it, or it is damaged. */
#include "clusterd/core/sound.h"

#include <errno.h>
#include <stdio.h>

#include "clusterd/core/core.h"
#include "clusterd/core/feature.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

struct records {
	uint32_t voters[3];
	Wire__Cluster cluster;
	Wire__Node node;
	Wire__Vm vm;
	Wire__Essence essence;
	Wire__Setting setting;
	uint64_t vm_at; /* the id it stands under */
	bool unread;	/* and a record that cannot be read at all */
};

static struct records good(void)
{
	struct records r = { .voters = { 1, 2, 3 }, .vm_at = 70 };

	wire__cluster__init(&r.cluster);
	wire__node__init(&r.node);
	wire__vm__init(&r.vm);
	wire__essence__init(&r.essence);
	wire__setting__init(&r.setting);
	r.cluster.id = r.setting.id = 1;
	r.setting.value = (char *)"tcp://%s";
	r.cluster.n_voters = 3;
	r.node.id = 64;
	r.vm.id = 70;
	return r;
}

static int put(struct core *core, uint32_t table, uint64_t id, const ProtobufCMessage *record)
{
	_cleanup_(buf_free) struct buf packed = { 0 };

	wire_pack(record, &packed);
	return core_load_record(core, table, id, packed.data, packed.len);
}

static int load(struct records *r)
{
	const struct core_config config = { .node = 1, .boot_id = 1, .disk_id = 1,
					    .kernel_boot_id = "k", .random = 1 };
	struct core *core = core_new(&config);
	int result;

	r->cluster.voters = r->voters;
	CU_ASSERT_EQUAL(put(core, WIRE__TABLE__TABLE_CLUSTER, 1, &r->cluster.base), 0);
	CU_ASSERT_EQUAL(put(core, WIRE__TABLE__TABLE_NODE, r->node.id, &r->node.base), 0);
	CU_ASSERT_EQUAL(put(core, WIRE__TABLE__TABLE_VM, r->vm_at, &r->vm.base), 0);
	CU_ASSERT_EQUAL(put(core, WIRE__TABLE__TABLE_SETTING, r->setting.id, &r->setting.base), 0);
	if (r->unread)
		CU_ASSERT_EQUAL(core_load_record(core, WIRE__TABLE__TABLE_REQUEST + 1, 1, "", 0),
				-EBADMSG);
	core_load_applied(core, 100, 1);
	result = core_load_done(core);
	core_free(core);
	return result;
}

static void test_good(void)
{
	Wire__Holder holder = WIRE__HOLDER__INIT, *maybe[] = { &holder };
	struct records r = good();

	holder.node = 2;
	r.vm.essence = &r.essence;
	CU_ASSERT_EQUAL(load(&r), 0);
	r.vm.phase = WIRE__VM__PHASE__RUN;
	r.vm.owner = 2;
	r.vm.maybe = maybe;
	r.vm.n_maybe = 1;
	CU_ASSERT_EQUAL(load(&r), 0);
	/* Of a newer version. */
	r.setting.id = 5000;
	r.setting.value = (char *)"whatever";
	CU_ASSERT_EQUAL(load(&r), 0);
}

static void no_essence(struct records *r)
{
	r->vm.essence = NULL;
}

static void runs_nowhere(struct records *r)
{
	r->vm.phase = WIRE__VM__PHASE__RUN;
}

static void phase_unknown(struct records *r)
{
	r->vm.phase = (Wire__Vm__Phase)99;
}

static void other_id(struct records *r)
{
	r->vm_at = 71;
}

static void node_beyond(struct records *r)
{
	r->node.id = 65;
}

static void voters_unordered(struct records *r)
{
	r->voters[1] = 1;
}

static void voter_beyond(struct records *r)
{
	r->voters[2] = 65;
}

static void cluster_elsewhere(struct records *r)
{
	r->cluster.id = 2;
}

static void setting_wrong(struct records *r)
{
	r->setting.value = (char *)"%n";
}

static void cannot_be_read(struct records *r)
{
	r->unread = true;
}

static void expect_all(uint32_t level, int error)
{
	static void (*const damages[])(struct records *r) = {
		no_essence, runs_nowhere, phase_unknown, other_id, node_beyond, voters_unordered,
		voter_beyond, cluster_elsewhere, setting_wrong, cannot_be_read,
	};

	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct records r = good();

		r.vm.essence = &r.essence;
		r.cluster.feature_level = level;
		damages[i](&r);
		if (load(&r) != error) {
			printf("damage %zu is not told as %d\n", i, error);
			CU_FAIL("told otherwise");
		}
	}
}

static void test_damaged(void)
{
	expect_all(0, -EBADMSG);
	expect_all(feature_table.max, -EBADMSG);
}

/* What looks like damage may be what a newer version wrote: it is not to be lost for that. */
static void test_of_a_newer_version(void)
{
	struct records r = good();

	r.vm.essence = &r.essence;
	r.cluster.feature_level = feature_table.max + 1;
	CU_ASSERT_EQUAL(load(&r), 0);
	expect_all(feature_table.max + 1, -EPROTO);
}

UNIT_MAIN("core/sound", { "good", test_good }, { "damaged", test_damaged },
	  { "of a newer version", test_of_a_newer_version })
