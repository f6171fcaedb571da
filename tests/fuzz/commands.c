/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/commands.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "tests/fuzz/fuzz.h"
#include "wire/command.h"
#include "wire/json.h"

#define NODE(n) "{'id':" n ",'name':'n" n "','address':'n" n "'}"
#define BY(n) "{'node':" n ",'boot_id':'0x000000000000006" n "',"
#define ONE "'0x0000000000000001'"
#define REPORT(n)                                                                                  \
	BY(n) "'up_ms':9000,'node_report':{'disk_id':'0x"                                          \
	"000000000000000" n "','kernel_boot_id':'k" n "','facts':{'memory_mib':4096,'cpus':4,"     \
	"'agent_ok':true,'volumes':['shared']}}}"
#define FENCE(n)                                                                                   \
	"{'fence_add':{'fence':{'name':'bmc" n "','agent':'fence_ipmilan','targets':[{'node':" n   \
	",'plug':'7'}],'params':[{'key':'ip','value':'10.0.0." n "'}]}}}"
#define UUID "12345678-9abc-4def-8123-456789abcdef"
#define NEXT_UUID "10000000-0000-4000-8000-000000000000"
#define LAST_UUID "20000000-0000-4000-8000-000000000000"
#define FORCE(n, before, cluster)                                                                  \
	"'who':'root(0)','time_ms':9000,'force':{'cluster':'" cluster "','before':'" before       \
	"','node':" n ",'disk_id':'0x000000000000000" n "','last_ms':5}}"
#define VM(name, digit)                                                                            \
	"{'vm_add':{'vm':{'name':'" name "','uuid':'00000000-0000-4000-8000-00000000000" digit     \
	"','xml':'<domain/>','wanted':'running','essence':{'memory_mib':512,'vcpus':1,"            \
	"'virt_type':'kvm','digest':" ONE ",'disks':[{'target':'vda','source':"                    \
	"'/clusterstorage/shared/" digit ".qcow2','format':'qcow2','kind':'file'}]}}}}"

/* Entry 1 is the first; VMs have the index of theirs as their id. */
static const char *const base[] = {
	"{'genesis':{'cluster':{'id':1,'name':'fuzz','uuid':"
	"'" UUID "','voters':[1,2,3]},'nodes':[" NODE("1") "," NODE("2") "," NODE("3") "]}}",
	REPORT("1"),
	REPORT("2"),
	REPORT("3"),
	"{'volume_add':{'volume':{'name':'shared','driver':'dir','target':"
	"'/clusterstorage/shared','declared_shared':true}}}",
	FENCE("1"),
	FENCE("2"),
	FENCE("3"),
	VM("web1", "1"),
	VM("web2", "2"),
	VM("db", "3"),
};

/* Of what a story may do next; %u is a VM's id or such. */
#define STEP(vm, phase, next, node)                                                                \
	"{'vm_step':{'vm':" vm ",'phase':'" phase "','next':'" next "','node':" node "}}"

static const char *const stories[][12] = {
	{ "{'noop':{'epoch':2}}", "{'check':{'index':1,'digest':" ONE "}}",
	  "{'note':{'severity':'warning','subject':'vm web1','text':'a'}}",
	  "{'setting_set':{'name':'fence.budget','value':'2'}}",
	  "{'setting_set':{'name':'nothing','value':''}}" },
	{ REPORT("2"), "{'node_verdict':{'node':3,'incarnation':1,'state':'lost','reason':'r'}}",
	  "{'node_verdict':{'node':1,'incarnation':0,'state':'daemon-down'}}",
	  BY("2") "'node_freeze':{'freeze_ms':1000}}",
	  "{'node_set':{'name':'n1','changes':[{'key':'placement','value':'no'}]}}" },
	{ "{'vm_set':{'name':'web1','changes':[{'key':'prefer','value':'n1,n2'},{'key':'ha',"
	  "'value':'no'}]}}",
	  "{'vm_want':{'name':'web1','wanted':'stopped','force':true}}",
	  "{'vm_want':{'name':'web1','action':'reset'}}",
	  "{'vm_move':{'name':'web1','to':2,'how':'quick','image':"
	  "'/clusterstorage/shared/.clusterd/state/x'}}",
	  "{'vm_cancel':{'name':'web1'}}", "{'vm_accept':{'name':'web1','what':'not-running'}}",
	  "{'vm_edit':{'name':'web2','xml':'<a/>','essence':{'memory_mib':1},'digest':" ONE "}}",
	  "{'vm_remove':{'name':'db','force':true}}", VM("again", "4") },
	{ BY("1") "'vm_report':{'vm':9,'what':'absent','look':9}}",
	  BY("2") "'vm_report':{'vm':9,'what':'absent','look':9}}",
	  BY("3") "'vm_report':{'vm':9,'what':'absent','look':9}}",
	  STEP("9", "off", "starting", "1"),
	  BY("1") "'vm_report':{'vm':9,'generation':1,'what':'running',"
	  "'chain':'ab'}}",
	  "{'vm_move':{'name':'web1','to':2}}",
	  BY("2") "'vm_report':{'vm':9,'generation':1,'what':'ready'}}",
	  BY("1") "'vm_live':{'vm':9,'generation':1,'live':{'memory_mib':1},"
	  "'difference':'d','adopt':true,'xml':'<b/>'}}",
	  STEP("9", "copying", "go", "2") },
	{ "{'fence_test':{'name':'bmc1','node':1}}",
	  "{'fence_begin':{'node':3,'incarnation':1,'device':8,'executor':1}}",
	  "{'fence_result':{'op':13,'off':true,'text':'off','ok':true}}",
	  "{'fence_result':{'op':12,'off':false,'text':'no','unasked':true}}",
	  "{'fence_remove':{'name':'bmc1'}}", "{'volume_remove':{'name':'shared'}}",
	  "{'leftover_report':{'volume':5,'name':'x','what':'absent'}}" },
	/* Two vote, and one of them goes on alone. */
	{ "{'voters_set':{'after':0,'voters':[1,2],'disks':['0x0000000000000001',"
	  "'0x0000000000000002'],'reason':'two are enough'}}",
	  "{'fence_test':{'name':'bmc1','node':1}}",
	  "{'fence_result':{'op':2,'off':true,'text':'off','ok':true}}",
	  BY("2") "'went_alone':{'node':1,'incarnation':7,'device':6,'text':'off','off':true}}",
	  BY("2") "'went_alone':{'node':1,'incarnation':1,'device':6,'text':'off','off':true,"
	  "'marks':[{'what':'asked','node':2,'at_ms':5}]}}",
	  BY("2") "'went_alone':{'node':1,'incarnation':2,'device':99,'status_only':true,"
	  "'text':'off'}}" },
	/* One goes on as a new cluster, and once more from there. */
	{ "{'node_verdict':{'node':3,'incarnation':1,'state':'lost','reason':'r'}}",
	  "{'fence_begin':{'node':3,'incarnation':1,'device':8,'executor':1}}",
	  BY("1") FORCE("1", UUID, NEXT_UUID), REPORT("1"), REPORT("2"),
	  BY("1") "'vm_report':{'vm':9,'what':'present'}}",
	  BY("2") "'vm_report':{'vm':10,'what':'present',"
	  "'pause_reason':'user'}}", REPORT("3"), BY("2") FORCE("2", NEXT_UUID, LAST_UUID),
	  REPORT("2"), "{" FORCE("2", LAST_UUID, UUID) },
};

const char commands_two_voters[] =
	"{'voters_set':{'after':0,'voters':[2,3],'disks':['0x0000000000000002',"
	"'0x0000000000000003']}}";

void commands_pack(const char *json, struct buf *out)
{
	_cleanup_(freep) char *quoted = mem_strdup(json);
	ProtobufCMessage *command = NULL;
	char why[300] = "no JSON";
	json_t *parsed;

	for (char *at = quoted; *at; at++)
		*at = *at == '\'' ? '"' : *at;
	parsed = json_loads(quoted, 0, NULL);
	fuzz_must(parsed && wire_from_json(parsed, &wire__command__descriptor, &command, why,
					   sizeof(why)) == 0, why);
	fuzz_must(wire_command_pack((const Wire__Command *)(const void *)command, out, NULL) == 0,
		  json);
	json_decref(parsed);
	wire_free(command);
}

void commands_put(const char *json, struct buf *out)
{
	_cleanup_(buf_free) struct buf packed = { 0 };

	commands_pack(json, &packed);
	fuzz_put_block(out, packed.data, packed.len);
}

bool commands_story(unsigned int n, struct buf *out)
{
	if (n >= ARRAY_SIZE(stories))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(stories[n]) && stories[n][i]; i++)
		commands_put(stories[n][i], out);
	return true;
}

/* ---------------------------------------------------------------- the base */

static void apply(struct state *state, const char *json)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Entry entry = WIRE__ENTRY__INIT;
	Wire__Verdict *verdict = NULL;
	struct update update;
	uint64_t request;

	commands_pack(json, &packed);
	entry.index = state_index(state) + 1;
	entry.epoch = 1;
	entry.command.data = packed.data;
	entry.command.len = packed.len;
	update_init(&update);
	apply_entry(state, &entry, &update, &verdict, &request);
	fuzz_must(verdict->code == WIRE__VERDICT__CODE__OK, verdict->text);
	wire_free(verdict);
	update_reset(&update);
}

/* Made once, and never changed then. */
static const struct state *made(void)
{
	static struct state *state;

	if (state)
		return state;
	state = state_new();
	for (size_t i = 0; i < ARRAY_SIZE(base); i++)
		apply(state, base[i]);
	for (size_t i = 0; i < ARRAY_SIZE(stories[3]) && stories[3][i] && i < 5; i++)
		apply(state, stories[3][i]);
	return state;
}

struct commands_position commands_position(void)
{
	const struct state *state = made();

	return (struct commands_position){ state_index(state), state_epoch(state),
					   state_digest(state) };
}

void commands_each(void (*take)(void *context, uint32_t table, uint64_t id, const struct buf *data),
		   void *context)
{
	const struct state *state = made();

	for (uint32_t table = 1; state_table_descriptor(table); table++)
		for (size_t i = 0; i < state_count(state, table); i++) {
			uint64_t id;
			const struct buf *packed = state_packed(state, table, i, &id);

			take(context, table, id, packed);
		}
}

static void into_state(void *context, uint32_t table, uint64_t id, const struct buf *data)
{
	fuzz_must(state_load(context, table, id, data->data, data->len) == 0, "the base");
}

static void into_core(void *context, uint32_t table, uint64_t id, const struct buf *data)
{
	fuzz_must(core_load_record(context, table, id, data->data, data->len) == 0, "the base");
}

void commands_base(struct state *state)
{
	struct commands_position position = commands_position();

	commands_each(into_state, state);
	state_set_position(state, position.index, position.epoch);
	fuzz_must(state_digest(state) == position.digest, "the same records, another digest");
}

int commands_load(struct core *core)
{
	struct commands_position position = commands_position();

	core_load_promise(core, position.epoch);
	core_load_applied(core, position.index, position.epoch);
	commands_each(into_core, core);
	return core_load_done(core);
}
