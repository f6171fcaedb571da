/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes that operators ask for: what becomes a command, and what is refused. */
#include "clusterd/shell/operator_write.h"
#include "tests/unit/small.h"
#include "tests/unit/unit.h"

#include "agents/hook_ask.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/shell/seal.h"
#include "domain/metadata.h"
#include "wire/message.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	return write_json(core, small_parse(text), refusal);
}

static void test_command(void)
{
	struct core *core = small_core(0, 0);
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
		{ "{'do':'command','command':{'vm_set':{'name':'a','changes':[{'key':'owners',"
		  "'value':'n1,n2,n1'}]}}}", "invalid" },
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
	struct core *core = small_core(1, 10);

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

/* One of a few words: which there are is said, and which one may have been meant. */
static void test_words(void)
{
	struct core *core = small_core(0, 0);
	struct refusal refusal;

	CU_ASSERT_PTR_NULL(write_one(core, "{'do':'vm-add','xml':'<a/>','priority':'hihg'}",
				     &refusal));
	CU_ASSERT_STRING_EQUAL(refusal.text, "priority is medium, high or low, not 'hihg'; did you "
					     "mean 'high'?");
	CU_ASSERT_PTR_NULL(write_one(core, "{'do':'vm-add','xml':'<a/>','wanted':7}", &refusal));
	CU_ASSERT_STRING_EQUAL(refusal.text, "wanted is stopped, running or paused, not ''");
	core_free(core);
}

/* What is not there is said in one way, by whatever is asked. */
static void test_same_words(void)
{
	static const char text[] =
		"there is no VM 'nope' in this cluster; clusterctl vm list shows all";
	static const char *const reads[] = {
		"{'do':'vm','name':'nope'}", "{'do':'dumpxml','name':'nope'}",
		"{'do':'progress','name':'nope'}",
	};
	struct core *core = small_core(1, 10);
	struct refusal refusal;
	size_t pages;

	for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
		CU_ASSERT_PTR_NULL(small_read(core, reads[i], &pages, &refusal));
		CU_ASSERT_STRING_EQUAL(refusal.text, text);
	}
	CU_ASSERT_PTR_NULL(write_one(core, "{'do':'vm-edit','name':'nope','xml':'<a/>'}",
				     &refusal));
	CU_ASSERT_STRING_EQUAL(refusal.text, text);
	CU_ASSERT_PTR_NULL(small_read(core, "{'do':'node','name':'n9'}", &pages, &refusal));
	CU_ASSERT_STRING_EQUAL(refusal.text,
			       "there is no node 'n9'; clusterctl node list shows all");
	CU_ASSERT_PTR_NULL(write_one(core, "{'do':'vm-add','xml':'<a/>','possible_owners':['n1',"
				     "'n2','n1']}", &refusal));
	CU_ASSERT_STRING_EQUAL(refusal.text, "owners names n1 twice: name it once");
	CU_ASSERT_PTR_NULL(write_one(core, "{'do':'vm-add','xml':'<a/>','possible_owners':['n9']}",
				     &refusal));
	CU_ASSERT_STRING_EQUAL(refusal.text,
			       "there is no node 'n9'; clusterctl node list shows all");
	core_free(core);
}

/* What this node would not find when it had to fence is refused; other nonsense is for apply. */
static void test_fence_agent(void)
{
	static const struct {
		const char *agent, *text;
	} cases[] = {
		{ "fence_ipmilan", NULL },
		{ "fence_nothere", "the fence agent fence_nothere is not installed on n1: " },
		{ "fence_text", "the fence agent fence_text is not installed on n1: " },
		{ "sh", NULL },
		{ "fence_../../bin/sh", NULL },
	};
	struct core *core = small_core(0, 0);

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

static void test_fence_add(void)
{
	static const char text[] =
		"{'do':'fence-add','name':'bmc','agent':'fence_ipmilan','params':"
		"{'ip':'10.0.0.9','lanplus':'1'},'targets':[{'node':'n2','plug':'7'},"
		"{'node':'n1'}],'secret':'password=geheim\\n'}";
	struct core *core = small_core(0, 0);
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
	struct core *core = small_core(0, 0);
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

/* What no node could ever run is not taken, nor waits for one that can. */
static void test_too_large(void)
{
	static const char *const requests[] = {
		"{'do':'vm-add','xml':'<domain type=`qemu`><name>db</name><memory>262144</memory>"
		"<vcpu>700</vcpu><os><type>hvm</type></os></domain>'}",
		"{'do':'vm-edit','name':'web0','xml':'<domain type=`qemu`><name>web0</name><memory>"
		"262144</memory><vcpu>700</vcpu><os><type>hvm</type></os></domain>'}",
	};
	struct core *core = small_core(1, 10);
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	struct refusal refusal;

	facts.max_vcpus = 288;
	for (uint32_t id = 1; id <= 2; id++) {
		Wire__Node node = *state_node(core_state(core), id);

		node.facts = &facts;
		small_load(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
	}
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		CU_ASSERT_PTR_NULL(write_one(core, requests[i], &refusal));
		CU_ASSERT_STRING_EQUAL(refusal.code, "no-capacity");
		CU_ASSERT_PTR_NOT_NULL(strstr(refusal.text, "at most 288 on any node"));
	}
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
	struct core *core = small_core(0, 0);
	Wire__Command *first, *second;
	Wire__Vm *vm = add_xml(core, plain, &first), *again;
	struct domain_mark mark;
	struct hook_guest guest;
	struct refusal refusal;
	json_t *parts;
	const char *xml;
	size_t pages;

	vm->id = 77;
	vm->generation = 3;
	small_load(core, WIRE__TABLE__TABLE_VM, vm->id, &vm->base);
	parts = small_read(core, "{'do':'dumpxml','name':'db'}", &pages, &refusal);
	CU_ASSERT_PTR_NOT_NULL_FATAL(parts);
	xml = json_string_value(json_object_get(json_array_get(parts, 0), "xml"));
	CU_ASSERT_EQUAL(domain_metadata(xml, strlen(xml), &mark), 0);
	CU_ASSERT_EQUAL(mark.vm, 77);
	CU_ASSERT_EQUAL(mark.generation, 0);
	CU_ASSERT_EQUAL(hook_read_xml(xml, strlen(xml), &guest), 0);
	CU_ASSERT(guest.marked);
	CU_ASSERT_EQUAL(guest.vm, 77);
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, "urn:o"));
	again = add_xml(core, xml, &second);
	CU_ASSERT_STRING_EQUAL(again->xml, vm->xml);
	CU_ASSERT_EQUAL(again->essence->digest, vm->essence->digest);
	wire_free(first);
	wire_free(second);
	json_decref(parts);
	core_free(core);
}

UNIT_MAIN("clusterd/shell/operator_write", { "command", test_command },
	  { "refused commands", test_refused_commands },
	  { "words", test_words }, { "same words", test_same_words },
	  { "fence-add", test_fence_add },
	  { "fence agent", test_fence_agent }, { "secret names", test_secret_names },
	  { "vm-add", test_vm_add }, { "too large", test_too_large }, { "marked", test_marked })
