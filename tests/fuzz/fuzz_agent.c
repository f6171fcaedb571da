/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What agents tell a real core, in an epoch that is open: news and replies with any number, text
// and id in them. What it proposes is committed, so that what agents say gets into the records.
// Members come and go, and where two vote, a device's word lets one of them go on alone. An input
// is a script (fuzz.h).
//
// Covers: clusterd/core/duties.c clusterd/core/duty_vm.c clusterd/core/duty_watch.c
// clusterd/core/duty_fence.c clusterd/core/duty_self.c clusterd/core/duty_ask.c
// clusterd/core/apply_vm_report.c clusterd/core/solo.c clusterd/core/alone.c
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "tests/fuzz/commands.h"
#include "tests/fuzz/member.h"
#include "wire/check.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 400;

enum { THINGS_MAX = 60, FIRST_VM = 9, VMS = 3, SETTLE_MAX = 6, OF_MEMBERS = 0x80 };

/* What comes out of the decoder is within its limits; so is what is made here. */
static void tell(struct member *member, struct event *event, const ProtobufCMessage *message)
{
	if (!message || wire_check(message, NULL) == 0)
		member_take(member, event);
}

/* The VM as it is on record, or nearly. */
static Wire__DomainRef *make_ref(struct member *member, struct fuzz_in *in)
{
	Wire__DomainRef *ref = wire_new(&wire__domain_ref__descriptor);
	uint8_t how = fuzz_byte(in);
	const Wire__Vm *vm = state_vm(core_state(member->core), FIRST_VM + how % VMS);

	ref->vm = how & 0x40 ? fuzz_number(in) : (uint64_t)(FIRST_VM + how % VMS);
	ref->generation = how & 0x80 ? fuzz_number(in) : vm ? vm->generation : 0;
	wire_set(&ref->uuid, vm && !(how & 0x20) ? vm->uuid : "x");
	wire_set(&ref->name, vm && !(how & 0x10) ? vm->name : "web1");
	return ref;
}

static void set_string(char **field, struct fuzz_in *in)
{
	_cleanup_(freep) char *text = fuzz_string(in);

	wire_set(field, text);
}

static Wire__DomainNews *make_domain(struct member *member, struct fuzz_in *in)
{
	Wire__DomainNews *news = wire_new(&wire__domain_news__descriptor);
	uint8_t how = fuzz_byte(in);
	struct fuzz_in block;
	ProtobufCMessage *live = NULL;

	if (how & 1 || how & 2)
		news->domain = make_ref(member, in);
	news->state = (Wire__DomainNews__State)(how & 0x80 ? (int)fuzz_number(in) :
							      (int)fuzz_below(in, 7));
	news->cause = (Wire__VmReport__Cause)fuzz_byte(in);
	news->job = how & 4;
	news->watch = how & 8 && member->asks_n ?
			      member->asks[(member->asks_n - 1) % MEMBER_ASKS_MAX] :
			      fuzz_number(in);
	if (how & 16)
		set_string(&news->reason, in);
	if (how & 32)
		set_string(&news->text, in);
	if (how & 64) {
		block = fuzz_block(in);
		if (wire_unpack(&wire__essence__descriptor, block.data, block.size, &live) == 0)
			news->live = (Wire__Essence *)(void *)live;
		set_string(&news->live_xml, in);
	}
	return news;
}

static void do_domain(struct member *member, struct fuzz_in *in)
{
	_cleanup_(wire_freep) Wire__AgentNews *news = wire_new(&wire__agent_news__descriptor);
	struct event event = { .kind = EVENT_AGENT_NEWS, .news = news };

	news->body_case = WIRE__AGENT_NEWS__BODY_DOMAIN;
	news->domain = make_domain(member, in);
	tell(member, &event, &news->base);
}

static void do_news(struct member *member, struct fuzz_in *in)
{
	_cleanup_(wire_freep) ProtobufCMessage *news = NULL;
	struct event event = { .kind = EVENT_AGENT_NEWS };
	struct fuzz_in block = fuzz_block(in);

	if (wire_unpack(&wire__agent_news__descriptor, block.data, block.size, &news) < 0)
		return;
	event.news = (const Wire__AgentNews *)(const void *)news;
	tell(member, &event, news);
}

static void do_inventory(struct member *member, struct fuzz_in *in)
{
	_cleanup_(wire_freep) Wire__AgentNews *news = wire_new(&wire__agent_news__descriptor);
	struct event event = { .kind = EVENT_AGENT_NEWS, .news = news };
	uint8_t which = fuzz_byte(in);

	news->body_case = WIRE__AGENT_NEWS__BODY_INVENTORY;
	news->inventory = wire_new(&wire__inventory_done__descriptor);
	news->inventory->watch = which < 64 ? member->asks[which % MEMBER_ASKS_MAX] :
					      fuzz_number(in);
	tell(member, &event, &news->base);
}

static void do_facts(struct member *member, struct fuzz_in *in)
{
	_cleanup_(wire_freep) Wire__AgentNews *news = wire_new(&wire__agent_news__descriptor);
	struct event event = { .kind = EVENT_AGENT_NEWS, .news = news };
	uint8_t how = fuzz_byte(in);

	news->body_case = WIRE__AGENT_NEWS__BODY_FACTS;
	news->facts = wire_new(&wire__node_facts__descriptor);
	news->whole = how & 1;
	news->facts->agent_ok = !(how & 2);
	news->facts->memory_mib = how & 4 ? fuzz_number(in) : 4096;
	news->facts->cpus = how & 8 ? (uint32_t)fuzz_number(in) : 4;
	if (how & 16)
		set_string(&news->facts->agent_reason, in);
	if (how & 32)
		set_string(&news->facts->cpu_model, in);
	news->facts->volumes = mem_new_array(char *, 1);
	news->facts->volumes[news->facts->n_volumes++] = mem_strdup("shared");
	tell(member, &event, &news->base);
}

static void do_reply(struct member *member, struct fuzz_in *in)
{
	_cleanup_(wire_freep) Wire__AgentReply *reply = wire_new(&wire__agent_reply__descriptor);
	struct event event = { .kind = EVENT_AGENT_REPLY };
	uint8_t which = fuzz_byte(in), how = fuzz_byte(in);
	size_t back = which % 8;

	event.reply.ask = which & 0x80 || member->asks_n <= back ? fuzz_number(in) :
			  member->asks[(member->asks_n - 1 - back) % MEMBER_ASKS_MAX];
	event.reply.reply = which & 0x40 ? NULL : reply;
	reply->code = (Wire__AgentReply__Code)(how & 0x80 ? (int)fuzz_number(in) : how % 10);
	if (how & 16)
		set_string(&reply->text, in);
	if (how & 32)
		reply->domain = make_domain(member, in);
	if (how & 64) {
		set_string(&reply->chain, in);
		set_string(&reply->xml, in);
	}
	tell(member, &event, event.reply.reply ? &reply->base : NULL);
}

static void do_up(struct member *member, struct fuzz_in *in)
{
	struct event event = { .kind = EVENT_AGENT_UP };

	member_take(member, &event);
}

static void do_down(struct member *member, struct fuzz_in *in)
{
	struct event event = { .kind = EVENT_AGENT_DOWN };

	member_take(member, &event);
}

static void do_tick(struct member *member, struct fuzz_in *in)
{
	uint64_t after_ms = fuzz_number(in);

	if (after_ms == 0 && member->deadline_ms > member->now_ms)
		after_ms = member->deadline_ms - member->now_ms;
	member_tick(member, after_ms);
}

static void do_commit(struct member *member, struct fuzz_in *in)
{
	struct fuzz_in block = fuzz_block(in);

	member_commit(member, block.data, block.size);
}

/* What it proposed is committed by the others, too. */
static void settle(struct member *member)
{
	for (int i = 0; i < SETTLE_MAX && (member->update.frames_n || i == 0); i++) {
		member_echo(member);
		member_persist(member);
		member_echo(member);
		/* What it has sent since must not be lost to what comes from others. */
		if (member->update.frames_n == 0)
			member_acks(member);
	}
}

static void do_view(struct member *member, struct fuzz_in *in)
{
	uint8_t members = fuzz_byte(in), ring = fuzz_byte(in);

	member_view(member, members, ring, members & 0x80);
}

static void do_open(struct member *member, struct fuzz_in *in)
{
	member_open(member, fuzz_byte(in) & 1);
}

static void (*const things[])(struct member *member, struct fuzz_in *in) = {
	do_domain, do_domain, do_reply, do_reply, do_news, do_facts, do_inventory, do_tick,
	do_commit, do_up, do_down,
};
static void (*const of_members[])(struct member *member, struct fuzz_in *in) = { do_view, do_open };

static void play(struct member *member, struct fuzz_in in, bool eager)
{
	uint8_t how = fuzz_byte(&in);

	member_init(member, MEMBER_SELF, false);
	member->eager = eager;
	fuzz_must(member_start(member) == 0, "the base cannot be loaded");
	member_open(member, how & 1);
	member_agree(member);
	if (how & 2)
		do_up(member, &in);
	for (int i = 0; i < THINGS_MAX && in.size > 0 && !member->gone; i++) {
		uint8_t what = fuzz_byte(&in);

		if (what & OF_MEMBERS)
			of_members[what % ARRAY_SIZE(of_members)](member, &in);
		else
			things[what % 64 % ARRAY_SIZE(things)](member, &in);
		if (!(what & 0x40))
			settle(member);
	}
	member_check(member);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct member member, same;

	play(&member, in, false);
	/* What it does not look at again would have come to the same. */
	if (size % 4 == 0) {
		play(&same, in, size % 8);
		fuzz_must(same.digest == member.digest, "the same events, another outcome");
		member_free(&same);
	}
	member_free(&member);
	return 0;
}

/* ---------------------------------------------------------------- seeds */

enum {
	DOMAIN = 0, REPLY = 2, NEWS = 4, FACTS, INVENTORY, TICK, COMMIT, UP, DOWN,
	VIEW = OF_MEMBERS, OPEN,
};

/* What happens between commits, by a letter. */
static const struct {
	char letter;
	uint8_t bytes[8], size;
} letters[] = {
	{ 'w', { FACTS, 1, INVENTORY, 0, INVENTORY, 1 }, 6 },		 /* the Watch is done */
	{ 't', { TICK, 0 }, 2 },					 /* the deadline */
	{ 's', { TICK, 0xca }, 2 },					 /* 5 s and more */
	{ 'o', { REPLY, 0, 0 }, 3 },					 /* the last ask: OK */
	{ 'O', { REPLY, 1, 0 }, 3 },					 /* the one before it */
	{ 'f', { REPLY, 0, 17, 2, 0, 'n', 'o' }, 7 },			 /* failed: no */
	{ 'n', { REPLY, 0x40, 0 }, 3 },					 /* no answer at all */
	{ 'p', { REPLY, 0, 8 }, 3 },					 /* power is off */
	{ '1', { DOMAIN, 1, 1, 1, 0, 0 }, 6 },				 /* VM 10 runs */
	{ '0', { DOMAIN, 1, 1, 0, 0, 0 }, 6 },				 /* it is absent */
	{ '2', { DOMAIN, 1, 1, 2, 0, 0 }, 6 },				 /* it is paused */
	{ '3', { DOMAIN, 1, 0, 3, 0, 0 }, 6 },				 /* VM 9 comes in */
	{ '4', { DOMAIN, 1, 0, 4, 0, 0 }, 6 },				 /* its memory is there */
	{ '5', { DOMAIN, 1, 0, 1, 0, 0 }, 6 },				 /* it runs */
	{ '9', { DOMAIN, 1, 0, 0, 0, 0 }, 6 },				 /* it is absent */
	{ 'a', { VIEW, 2, 2 }, 3 },					 /* alone */
	{ 'l', { VIEW, 2, 6 }, 3 },					 /* n3's daemon is gone */
	{ 'b', { OPEN, 1 }, 2 },					 /* both, n3 and n2 */
	{ 'u', { UP }, 1 },
	{ 'd', { DOWN }, 1 },
};

#define ABSENT(node, vm)                                                                           \
	"{'node':" node ",'boot_id':'0x000000000000006" node "','vm_report':{'vm':" vm             \
	",'what':'absent','look':" vm "}}"
#define SAID(node, vm, generation, what)                                                           \
	"{'node':" node ",'boot_id':'0x000000000000006" node "','vm_report':{'vm':" vm             \
	",'generation':" generation ",'what':'" what "'}}"
#define STEP(vm, generation, phase, next, node)                                                    \
	"{'vm_step':{'vm':" vm ",'generation':" generation ",'phase':'" phase "','next':'" next    \
	"','node':" node "}}"

static const char *const scenes[][14] = {
	{ "uwtt1050d", "u" },
	{ "uwt", ABSENT("1", "10"), ABSENT("3", "10"), "t", STEP("10", "0", "off", "starting", "2"),
	  "too1t", "{'vm_want':{'name':'web2','action':'reset'}}", "toot",
	  "{'vm_want':{'name':'web2','wanted':'stopped'}}", "to0t" },
	{ "uwt", ABSENT("1", "10"), ABSENT("3", "10"), "t", STEP("10", "0", "off", "starting", "2"),
	  "to1t", "{'vm_move':{'name':'web2','to':1}}", "to",
	  SAID("1", "10", "1", "ready"), "t", STEP("10", "1", "copying", "go", "1"), "too0t" },
	{ "uwt", ABSENT("1", "10"), ABSENT("3", "10"), "t", STEP("10", "0", "off", "starting", "2"),
	  "to1t", "{'vm_move':{'name':'web2','to':1,'how':'quick','image':"
	  "'/clusterstorage/shared/.clusterd/state/x'}}", "too0t", "{'vm_cancel':{'name':'web2'}}",
	  "tftnt" },
	{ "uwt", ABSENT("1", "10"), ABSENT("3", "10"), "t", STEP("10", "0", "off", "starting", "2"),
	  "tf0t", "sf", "st" },
	{ "uwt", "{'vm_move':{'name':'web1','to':2}}", "t34t", STEP("9", "1", "copying", "go", "2"),
	  SAID("1", "9", "2", "absent"), "to5t", "{'vm_want':{'name':'web1','wanted':'paused'}}",
	  "tot" },
	{ "uwt", "{'vm_move':{'name':'web1','to':2,'how':'quick','image':"
	  "'/clusterstorage/shared/.clusterd/state/x'}}", SAID("1", "9", "1", "saved"), "t",
	  STEP("9", "1", "saved", "restoring", "2"), "to2t",
	  STEP("9", "2", "restoring", "consumed", "2"), "to5t" },
	{ "uwt", "{'node_verdict':{'node':1,'incarnation':1,'state':'lost','reason':'r'}}", "ts",
	  "{'fence_begin':{'node':1,'incarnation':1,'device':6,'executor':2}}", "tpt",
	  "{'fence_test':{'name':'bmc3','node':3}}", "tntof" },
	{ "uwt", commands_two_voters, "batttfttptttt", "bt" },
	{ "uwt", commands_two_voters, "bltatttofttptt", "attt" },
};

static void put_scene(const char *const *scene, size_t max, struct buf *out)
{
	for (size_t i = 0; i < max && scene[i]; i++) {
		if (scene[i][0] == '{') {
			buf_append_byte(out, COMMIT);
			commands_put(scene[i], out);
			continue;
		}
		for (const char *at = scene[i]; *at; at++)
			for (size_t n = 0; n < ARRAY_SIZE(letters); n++)
				if (letters[n].letter == *at)
					buf_append(out, letters[n].bytes, letters[n].size);
	}
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
	if (n >= 2 * ARRAY_SIZE(scenes))
		return false;
	buf_append_byte(out, (uint8_t)(n % 2));
	put_scene(scenes[n / 2], ARRAY_SIZE(scenes[0]), out);
	return true;
}
