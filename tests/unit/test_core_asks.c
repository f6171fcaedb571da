/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a core asks of its vm agent, when that is much, and when there is no answer. One core
 * alone, the only voter: its own frames are delivered to it, and its disk is never late.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/core.h"
#include "tests/unit/unit.h"
#include "wire/check.h"
#include "wire/message.h"

enum { VMS = 1200, STEPS_MAX = 2000 };

struct alone {
	struct core *core;
	uint64_t now_ms, deadline_ms;
	struct buf frames[STEPS_MAX];
	size_t first, last;
	uint64_t to_persist, persisted;
	Wire__AgentRequest *request; /* the last one */
	uint64_t ask;
	unsigned asks;
	char answer[WIRE_TEXT_MAX + 1]; /* to the last client's command */
};

static void step(struct alone *alone, struct event event)
{
	struct update update;

	event.now_ms = event.wall_ms = alone->now_ms;
	update_init(&update);
	core_step(alone->core, &event, &update);
	if (update.persists_n)
		alone->to_persist = update.persist_seq;
	CU_ASSERT_FATAL(alone->last + update.frames_n <= STEPS_MAX);
	for (size_t i = 0; i < update.frames_n; i++) {
		alone->frames[alone->last++] = update.frames[i];
		update.frames[i] = (struct buf){ 0 };
	}
	for (size_t i = 0; i < update.asks_n; i++) {
		wire_free(alone->request);
		alone->request = steal_ptr(update.asks[i].request);
		alone->ask = update.asks[i].id;
		alone->asks++;
	}
	for (size_t i = 0; i < update.answers_n; i++)
		snprintf(alone->answer, sizeof(alone->answer), "%s",
			 update.answers[i].verdict->text);
	alone->deadline_ms = update.deadline_ms;
	update_reset(&update);
}

static void deliver(struct alone *alone)
{
	struct buf frame = alone->frames[alone->first++];
	struct frame_header header;
	ProtobufCMessage *body = NULL;

	CU_ASSERT_EQUAL_FATAL(frame_decode(frame.data, frame.len, &header, &body), 0);
	step(alone, (struct event){ .kind = EVENT_FRAME, .frame = { 1, &header, body } });
	frame_body_free(body);
	buf_free(&frame);
}

/* All that is due now. */
static void go_on(struct alone *alone)
{
	while (alone->first < alone->last || alone->persisted < alone->to_persist)
		if (alone->first < alone->last)
			deliver(alone);
		else
			step(alone,
			     (struct event){ .kind = EVENT_PERSISTED,
					     .persisted = alone->persisted = alone->to_persist });
}

/* Lets so much time pass, tick by tick; how many asks there were. */
static unsigned pass(struct alone *alone, uint64_t ms)
{
	uint64_t end_ms = alone->now_ms + ms;
	unsigned before = alone->asks;

	while (alone->deadline_ms && alone->deadline_ms <= end_ms && alone->last < STEPS_MAX - 10) {
		alone->now_ms =
			alone->deadline_ms > alone->now_ms ? alone->deadline_ms : alone->now_ms + 1;
		step(alone, (struct event){ .kind = EVENT_TICK });
		go_on(alone);
	}
	alone->now_ms = end_ms;
	return alone->asks - before;
}

static void load(struct alone *alone, uint32_t table, uint64_t id, const ProtobufCMessage *record)
{
	struct buf packed = { 0 };

	wire_pack(record, &packed);
	CU_ASSERT_EQUAL_FATAL(core_load_record(alone->core, table, id, packed.data, packed.len), 0);
	buf_free(&packed);
}

static void load_vms(struct alone *alone, size_t n, Wire__Vm__Phase phase)
{
	for (size_t i = 0; i < n; i++) {
		Wire__Vm vm = WIRE__VM__INIT;
		Wire__Essence essence = WIRE__ESSENCE__INIT;
		Wire__Holder holder = WIRE__HOLDER__INIT, *holders = &holder;
		char name[64], uuid[40];

		snprintf(name, sizeof(name), "a-guest-with-a-name-as-long-as-they-get-%zu", i);
		snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012zu", i);
		essence.memory_mib = 1;
		holder.node = 1;
		vm.id = 100 + i;
		vm.name = name;
		vm.uuid = uuid;
		vm.xml = (char *)"<domain/>";
		vm.essence = &essence;
		vm.wanted = WIRE__VM__WANTED__RUNNING;
		vm.phase = phase;
		vm.owner = vm.from = 1;
		vm.generation = 1;
		vm.maybe = &holders;
		vm.n_maybe = 1;
		load(alone, WIRE__TABLE__TABLE_VM, vm.id, &vm.base);
	}
}

static void load_cluster(struct alone *alone)
{
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	Wire__Node node = WIRE__NODE__INIT;
	uint32_t voters[] = { 1 };

	cluster.id = 1;
	cluster.uuid = (char *)"12345678-9abc-4def-8123-456789abcdef";
	cluster.voters = voters;
	cluster.n_voters = 1;
	load(alone, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster.base);
	node.id = 1;
	node.name = (char *)"n1";
	load(alone, WIRE__TABLE__TABLE_NODE, 1, &node.base);
}

/* Node 1 alone with so many guests, its agent up; it is in no group yet. */
static struct alone *alone_begin(size_t vms, Wire__Vm__Phase phase)
{
	const struct core_config config = {
		.node = 1, .boot_id = 11, .disk_id = 12, .kernel_boot_id = "boot"
	};
	struct alone *alone = mem_new(struct alone);

	alone->now_ms = 1000;
	alone->core = core_new(&config);
	core_load_applied(alone->core, 5, 1);
	load_cluster(alone);
	load_vms(alone, vms, phase);
	CU_ASSERT_EQUAL_FATAL(core_load_done(alone->core), 0);
	step(alone, (struct event){ .kind = EVENT_AGENT_UP });
	return alone;
}

static void open_epoch(struct alone *alone)
{
	static const uint32_t members[] = { 1 };

	step(alone,
	     (struct event){ .kind = EVENT_VIEW, .view = { members, 1, members, 1, false } });
	go_on(alone);
}

/* The Watch has been asked. */
static struct alone *alone_new(size_t vms)
{
	struct alone *alone = alone_begin(vms, WIRE__VM__PHASE__RUN);

	open_epoch(alone);
	return alone;
}

static void alone_free(struct alone *alone)
{
	core_free(alone->core);
	while (alone->first < alone->last)
		buf_free(&alone->frames[alone->first++]);
	wire_free(alone->request);
	free(alone);
}

static void test_watch_size(void)
{
	struct alone *alone = alone_new(VMS);
	const struct frame_header header = { .type = FRAME_AGENT_REQUEST,
					     .request = 1,
					     .protocol = FRAME_PROTOCOL_ALWAYS };
	struct buf frame = { 0 };

	CU_ASSERT_PTR_NOT_NULL_FATAL(alone->request);
	CU_ASSERT_EQUAL(alone->request->body_case, WIRE__AGENT_REQUEST__BODY_WATCH);
	CU_ASSERT(alone->request->watch->n_domains > 100);
	CU_ASSERT_EQUAL(frame_encode(&header, &alone->request->base, &frame), 0);
	buf_free(&frame);
	alone_free(alone);
}

static void tell(struct alone *alone, Wire__AgentNews__BodyCase what, void *body)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;

	news.body_case = what;
	news.facts = body;
	step(alone, (struct event){ .kind = EVENT_AGENT_NEWS, .news = &news });
}

/* Each guest that the Watch names runs. */
static size_t tell_page(struct alone *alone)
{
	Wire__AgentRequest *request = steal_ptr(alone->request);
	Wire__InventoryDone done = WIRE__INVENTORY_DONE__INIT;
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;
	uint64_t ask = alone->ask;
	size_t n = request->watch->n_domains;

	for (size_t i = 0; i < n; i++) {
		Wire__DomainNews news = WIRE__DOMAIN_NEWS__INIT;

		news.domain = request->watch->domains[i];
		news.state = WIRE__DOMAIN_NEWS__STATE__RUNNING;
		news.watch = ask;
		tell(alone, WIRE__AGENT_NEWS__BODY_DOMAIN, &news);
	}
	done.watch = ask;
	tell(alone, WIRE__AGENT_NEWS__BODY_INVENTORY, &done);
	step(alone, (struct event){ .kind = EVENT_AGENT_REPLY, .reply = { ask, &reply } });
	go_on(alone);
	wire_free(request);
	return n;
}

/* More guests than one Watch can name: none of them is taken to be gone before it was asked for. */
static void test_watch_pages(void)
{
	struct alone *alone = alone_new(VMS);
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	const struct state *state = core_state(alone->core);
	size_t told = 0;

	facts.agent_ok = true;
	facts.memory_mib = 10000;
	tell(alone, WIRE__AGENT_NEWS__BODY_FACTS, &facts);
	while (told < VMS && alone->request &&
	       alone->request->body_case == WIRE__AGENT_REQUEST__BODY_WATCH) {
		told += tell_page(alone);
		pass(alone, 1000);
	}
	CU_ASSERT(told >= VMS);
	pass(alone, 2000);
	for (size_t i = 0; i < VMS; i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		if (vm->phase != WIRE__VM__PHASE__RUN || vm->owner != 1) {
			CU_FAIL("a guest that runs was given up");
			break;
		}
	}
	alone_free(alone);
}

static void no_answer(struct alone *alone)
{
	step(alone, (struct event){ .kind = EVENT_AGENT_REPLY, .reply = { alone->ask, NULL } });
	go_on(alone);
}

/* The agent answers the Watch: libvirt works, and there is nothing here. */
static void take_inventory(struct alone *alone)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	Wire__InventoryDone done = WIRE__INVENTORY_DONE__INIT;
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;

	done.watch = alone->ask;
	step(alone, (struct event){ .kind = EVENT_AGENT_REPLY, .reply = { alone->ask, &reply } });
	facts.agent_ok = true;
	facts.memory_mib = 1000;
	news.body_case = WIRE__AGENT_NEWS__BODY_FACTS;
	news.facts = &facts;
	news.whole = true;
	step(alone, (struct event){ .kind = EVENT_AGENT_NEWS, .news = &news });
	news.body_case = WIRE__AGENT_NEWS__BODY_INVENTORY;
	news.inventory = &done;
	step(alone, (struct event){ .kind = EVENT_AGENT_NEWS, .news = &news });
	go_on(alone);
}

/* An ask that could not even be sent is answered with nothing, at once. */
static void test_no_answer(void)
{
	struct alone *alone = alone_new(1);
	unsigned before = alone->asks;

	no_answer(alone);
	CU_ASSERT_EQUAL(alone->asks, before);
	CU_ASSERT_EQUAL(pass(alone, 1000), 1);
	CU_ASSERT_EQUAL(alone->request->body_case, WIRE__AGENT_REQUEST__BODY_WATCH);
	take_inventory(alone);
	/* The guest is gone, so it is started anew; that ask is not answered, either. */
	pass(alone, 20000);
	CU_ASSERT_EQUAL_FATAL(alone->request->body_case, WIRE__AGENT_REQUEST__BODY_START);
	before = alone->asks;
	no_answer(alone);
	CU_ASSERT_EQUAL(alone->asks, before);
	CU_ASSERT_EQUAL(pass(alone, 1000), 1);
	CU_ASSERT_EQUAL(alone->request->body_case, WIRE__AGENT_REQUEST__BODY_START);
	alone_free(alone);
}

static void add_vm(struct alone *alone)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;

	essence.memory_mib = 1;
	vm.name = (char *)"a";
	vm.uuid = (char *)"00000000-0000-4000-8000-000000000001";
	vm.xml = (char *)"<domain/>";
	vm.essence = &essence;
	vm.wanted = WIRE__VM__WANTED__RUNNING;
	add.vm = &vm;
	command.request = 77;
	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	step(alone, (struct event){ .kind = EVENT_CLIENT, .client = { 1, &command } });
	go_on(alone);
}

/* A guest that is added may run already: agents look first, and what they find is kept. */
static void test_runs_already(void)
{
	struct alone *alone = alone_new(0);
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__DomainNews domain = WIRE__DOMAIN_NEWS__INIT;
	const Wire__Watch *watch;
	const Wire__Vm *vm;

	take_inventory(alone);
	pass(alone, 10000);
	add_vm(alone);
	vm = state_vm_named(core_state(alone->core), "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(vm);
	CU_ASSERT_EQUAL(vm->phase, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL_FATAL(alone->request->body_case, WIRE__AGENT_REQUEST__BODY_WATCH);
	watch = alone->request->watch;
	CU_ASSERT_EQUAL_FATAL(watch->n_domains, 1);
	domain.domain = watch->domains[0];
	domain.state = WIRE__DOMAIN_NEWS__STATE__RUNNING;
	news.body_case = WIRE__AGENT_NEWS__BODY_DOMAIN;
	news.domain = &domain;
	step(alone, (struct event){ .kind = EVENT_AGENT_NEWS, .news = &news });
	go_on(alone);
	CU_ASSERT_EQUAL(pass(alone, 10000), 0);
	vm = state_vm_named(core_state(alone->core), "a");
	CU_ASSERT_EQUAL(vm->phase, WIRE__VM__PHASE__RUN);
	CU_ASSERT_EQUAL(vm->owner, 1);
	alone_free(alone);
}

/* Why a VM does not start is told, whatever libvirt said, and only once. */
static void test_foreign_text(void)
{
	for (unsigned shift = 0; shift < 3; shift++) {
		struct alone *alone = alone_new(0);
		Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
		Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
		char reason[WIRE_TEXT_MAX + 1] = "";
		uint64_t index;

		take_inventory(alone);
		memset(reason, '\t', shift);
		for (unsigned i = 0; i < 300; i++)
			memcpy(reason + shift + 3 * i, "\u20ac", 4);
		facts.agent_reason = reason;
		news.body_case = WIRE__AGENT_NEWS__BODY_FACTS;
		news.facts = &facts;
		step(alone, (struct event){ .kind = EVENT_AGENT_NEWS, .news = &news });
		pass(alone, 10000);
		add_vm(alone);
		pass(alone, 5000);
		CU_ASSERT_PTR_NOT_NULL(strstr(state_vm_named(core_state(alone->core), "a")->detail,
					      "has no working libvirt"));
		index = state_index(core_state(alone->core));
		pass(alone, 20000);
		CU_ASSERT_EQUAL(state_index(core_state(alone->core)), index);
		alone_free(alone);
	}
}

/* Asked for while there is no quorum yet: what is missing is filled in when there is one. */
static void test_early_move(void)
{
	struct alone *alone = alone_begin(1, WIRE__VM__PHASE__RUN);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmMove move = WIRE__VM_MOVE__INIT;

	move.name = (char *)"a-guest-with-a-name-as-long-as-they-get-0";
	command.request = 77;
	command.body_case = WIRE__COMMAND__BODY_VM_MOVE;
	command.vm_move = &move;
	step(alone, (struct event){ .kind = EVENT_CLIENT, .client = { 1, &command } });
	CU_ASSERT_STRING_EQUAL(alone->answer, "");
	open_epoch(alone);
	CU_ASSERT_PTR_NOT_NULL(strstr(alone->answer, "has no working libvirt: not heard of"));
	alone_free(alone);
}

static bool hears_progress(uint32_t sender, uint8_t first_byte, int64_t later)
{
	struct alone *alone = alone_begin(1, WIRE__VM__PHASE__SAVING);
	struct frame_header header = { .type = FRAME_PROGRESS,
				       .boot_id = 5,
				       .cluster = { first_byte, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d,
						    0xef, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
						    0xef } };
	Wire__Progress progress = WIRE__PROGRESS__INIT;
	Wire__DomainRef ref = WIRE__DOMAIN_REF__INIT;
	bool heard;

	open_epoch(alone);
	ref.vm = 100;
	ref.generation = state_vm(core_state(alone->core), 100)->generation + (uint64_t)later;
	progress.domain = &ref;
	step(alone, (struct event){ .kind = EVENT_FRAME,
				    .frame = { sender, &header, &progress.base } });
	heard = core_progress(alone->core, 100) != NULL;
	alone_free(alone);
	return heard;
}

/* Only members say how far a move is, and only of this one. */
static void test_progress(void)
{
	CU_ASSERT(hears_progress(1, 0x12, 0));
	CU_ASSERT_FALSE(hears_progress(2, 0x12, 0));
	CU_ASSERT_FALSE(hears_progress(0, 0x12, 0));
	CU_ASSERT_FALSE(hears_progress(1, 0x13, 0));
	CU_ASSERT_FALSE(hears_progress(1, 0x12, -1));
	CU_ASSERT_FALSE(hears_progress(1, 0x12, 1));
}

UNIT_MAIN("core/asks", { "watch_size", test_watch_size },
	  { "watch_pages", test_watch_pages }, { "no_answer", test_no_answer },
	  { "early_move", test_early_move }, { "progress", test_progress },
	  { "runs_already", test_runs_already }, { "foreign_text", test_foreign_text })
