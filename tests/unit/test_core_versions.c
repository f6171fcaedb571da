/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two versions in one cluster: this one, and the next (tests/next), each as it was compiled. After
 * every event the world compares the digests of their states.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/record.h"
#include "tests/next/build.h"
#include "tests/trace/world_private.h"
#include "tests/unit/unit.h"
#include "wire/command.h"

static const struct state *state_of(struct world *world, unsigned node)
{
	return core_state(world_core(world, node));
}

static bool is_open(struct world *world, unsigned node)
{
	struct core_standing standing;

	if (!world->machines[node].core)
		return false;
	core_standing(world_core(world, node), &standing);
	return standing.open;
}

static const char *why_not(struct world *world, unsigned node)
{
	struct core_standing standing;

	core_standing(world_core(world, node), &standing);
	return standing.why_not ? standing.why_not : "";
}

static bool says(const char *text, const char *part)
{
	if (strstr(text, part))
		return true;
	fprintf(stderr, "'%s' does not say '%s'\n", text, part);
	return false;
}

/* As a package does it: the daemon takes leave, and the new one begins. */
static void replace(struct world *world, unsigned node, const struct build *build)
{
	world_stop_daemon(world, node);
	for (unsigned i = 0; world->machines[node].core && i < 100000; i++)
		world_tick(world);
	world_install(world, node, build);
	world_start_daemon(world, node);
}

static const char *raise_to(struct world *world, unsigned node, uint32_t level, const char *behind)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FeatureRaise raise = WIRE__FEATURE_RAISE__INIT;
	char *names[] = { (char *)behind };

	raise.level = level;
	raise.leave_behind = names;
	raise.n_leave_behind = behind != NULL;
	command.body_case = WIRE__COMMAND__BODY_FEATURE_RAISE;
	command.feature_raise = &raise;
	return world_ask(world, node, &command);
}

/* Does what a node's agent of the next version tells besides stand in its record? */
static bool has_next_fact(struct world *world, unsigned node)
{
	const struct state *state = state_of(world, 1);
	_cleanup_(wire_freep) Wire__Node *record = NULL;
	const struct buf *packed = state_packed(state, WIRE__TABLE__TABLE_NODE, node - 1, NULL);
	int r = wire_unpack(&wire__node__descriptor, packed->data, packed->len,
			    (ProtobufCMessage **)&record);

	CU_ASSERT_EQUAL_FATAL(r, 0);
	return record->facts && record->facts->base.n_unknown_fields > 0;
}

/* All agree, nobody was fenced, and all guests run, each where it may. */
static void expect_well(struct world *world, const char *const *vms, size_t n)
{
	world_settle(world, 60000);
	CU_ASSERT_PTR_NULL(strstr(world_story(world), "power of"));
	for (size_t i = 0; i < n; i++) {
		if (!world_runs(world, vms[i]))
			fprintf(stderr, "%s does not run\n", vms[i]);
		CU_ASSERT_NOT_EQUAL(world_runs(world, vms[i]), 0);
	}
	for (unsigned node = 2; node <= world->nodes; node++)
		if (is_open(world, node)) {
			CU_ASSERT_EQUAL(state_index(state_of(world, node)),
					state_index(state_of(world, 1)));
			CU_ASSERT_EQUAL(state_digest(state_of(world, node)),
					state_digest(state_of(world, 1)));
		}
}

static const char *const guests[] = { "a", "b", "c", "d" };

static struct world *begin(unsigned nodes)
{
	struct world *world = world_new(nodes);

	for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
		world_add_vm(world, guests[i], 256);
	expect_well(world, guests, ARRAY_SIZE(guests));
	return world;
}

static void make_next(struct world *world)
{
	for (unsigned node = 1; node <= world->nodes; node++) {
		replace(world, node, &build_next);
		world_settle(world, 30000);
	}
}

/* The highest protocol of the frames of epochs that come by in a while. */
static unsigned protocol_spoken(struct world *world)
{
	unsigned highest = 0;

	world_move(world, guests[0], world_runs(world, guests[0]) % world->nodes + 1,
		   WIRE__VM_MOVE__HOW__LIVE);
	do {
		for (size_t f = world->first; f < world->last; f++) {
			const uint8_t *frame = world->flights[f].frame.data;

			if (!frame_type_is_always(frame[6]) && frame[4] > highest)
				highest = frame[4];
		}
	} while (world_step(world));
	return highest;
}

/* ------------------------------------------------------------------ one after the other */

/* Guests move while it goes on, some live, some by their saved memory. */
static void move_about(struct world *world, unsigned turn)
{
	const char *vm = guests[turn % ARRAY_SIZE(guests)];
	unsigned at = world_runs(world, vm), to = turn % world->nodes + 1;

	if (at && to != at)
		world_move(world, vm, to,
			   turn & 1 ? WIRE__VM_MOVE__HOW__LIVE : WIRE__VM_MOVE__HOW__QUICK);
	for (unsigned i = 0; i < 3 + turn % 11; i++)
		world_step(world);
}

/* A daemon dies at some point of it, and comes back as it was. */
static void crash(struct world *world, unsigned node)
{
	world_kill_daemon(world, node);
	for (unsigned i = 0; i < 40; i++)
		world_step(world);
	world_start_daemon(world, node);
	world_settle(world, 30000);
}

static void upgrade_under_load(unsigned nodes, unsigned seed)
{
	struct world *world = begin(nodes);
	unsigned turn = seed;

	for (unsigned done = 0; done < nodes; done++) {
		unsigned node = (seed + done) % nodes + 1, other = (node + seed) % nodes + 1;

		move_about(world, turn++);
		replace(world, node, &build_next);
		move_about(world, turn++);
		crash(world, done & 1 ? node : other);
		move_about(world, turn++);
		world_settle(world, 60000);
		/* What only some know, nobody does, and all say it alike. */
		CU_ASSERT_TRUE(says(world_set(world, "a", "note", "hello"), "note"));
		CU_ASSERT_FALSE(world_events(world, node, "note: hello"));
		CU_ASSERT_FALSE(has_next_fact(world, node));
		if (done + 1 < nodes)
			CU_ASSERT_TRUE(says(raise_to(world, node, 2, NULL), "knows 1"));
		CU_ASSERT_EQUAL(feature_level(state_of(world, node)), 1);
	}
	expect_well(world, guests, ARRAY_SIZE(guests));
	CU_ASSERT_EQUAL(feature_possible(state_of(world, 1)), 2);
	CU_ASSERT_TRUE(says(raise_to(world, 1, 2, NULL), "at feature level 2 now"));
	CU_ASSERT_STRING_EQUAL(world_set(world, "a", "note", "hello"), "");
	move_about(world, turn++);
	crash(world, 2);
	expect_well(world, guests, ARRAY_SIZE(guests));
	for (unsigned node = 1; node <= nodes; node++) {
		CU_ASSERT_EQUAL(feature_level(state_of(world, node)), 2);
		CU_ASSERT_EQUAL(world_events(world, node, "note: hello"), 1);
		CU_ASSERT_TRUE(has_next_fact(world, node));
	}
	world_free(world);
}

static void test_rolling_upgrade(void)
{
	for (unsigned seed = 1; seed <= 12; seed++)
		upgrade_under_load(seed % 3 ? 3 : 5, seed);
}

static void test_way_back_before(void)
{
	struct world *world = begin(3);

	CU_ASSERT_EQUAL(protocol_spoken(world), 1);
	make_next(world);
	CU_ASSERT_EQUAL(protocol_spoken(world), 2);
	CU_ASSERT_TRUE(says(raise_to(world, 1, 3, NULL), "n1 knows"));
	/* One goes back, and all are as it is; and so does the rest. */
	replace(world, 2, &build_this);
	world_settle(world, 30000);
	CU_ASSERT_TRUE(is_open(world, 2));
	CU_ASSERT_EQUAL(protocol_spoken(world), 1);
	CU_ASSERT_TRUE(says(raise_to(world, 1, 2, NULL), "n2 knows"));
	move_about(world, 1);
	replace(world, 1, &build_this);
	move_about(world, 2);
	replace(world, 3, &build_this);
	expect_well(world, guests, ARRAY_SIZE(guests));
	CU_ASSERT_EQUAL(feature_possible(state_of(world, 1)), 1);
	world_free(world);
}

/* ------------------------------------------------------------------ too old */

static void expect_left_out(struct world *world, unsigned node)
{
	const struct state *state = state_of(world, node == 1 ? 2 : 1);
	const Wire__Node *record = state_node(state, node);

	CU_ASSERT_FALSE(is_open(world, node));
	CU_ASSERT_TRUE(says(why_not(world, node),
			    "left out: the clusterd here (this version) knows feature levels up to "
			    "1, but the cluster is at 2: install a newer version here"));
	CU_ASSERT_NOT_EQUAL(record->state, WIRE__NODE__STATE__UP);
	CU_ASSERT_TRUE(says(record->left_out, "the clusterd there (this version) knows feature "
					      "levels up to 1, but the cluster is at 2"));
}

static void test_old_one_comes_back(void)
{
	struct world *world = begin(3);
	struct core_standing before, after;
	uint64_t index, disk;

	make_next(world);
	raise_to(world, 2, 2, NULL);
	CU_ASSERT_STRING_EQUAL(world_set(world, "a", "note", "hello"), "");
	world_settle(world, 30000);
	world_kill_daemon(world, 3);
	world_install(world, 3, &build_this);
	world_start_daemon(world, 3);
	index = world->machines[3].disk.index;
	disk = world->machines[3].disk.id;
	world_settle(world, 60000);
	expect_left_out(world, 3);
	/* Its guests run on there, its disk is as it was; and the others are left in peace. */
	core_standing(world_core(world, 1), &before);
	world_add_vm(world, "e", 64);
	expect_well(world, guests, ARRAY_SIZE(guests));
	world_settle(world, 3600000);
	core_standing(world_core(world, 1), &after);
	CU_ASSERT_TRUE(after.open);
	CU_ASSERT_EQUAL(before.epoch, after.epoch);
	CU_ASSERT_EQUAL(world->machines[3].disk.index, index);
	CU_ASSERT_EQUAL(world->machines[3].disk.id, disk);
	CU_ASSERT_EQUAL(world_events(world, 1, "takes no part, guests run on"), 1);
	/* What is on record is over when the daemon is. */
	world_kill_daemon(world, 3);
	world_settle(world, 30000);
	CU_ASSERT_STRING_EQUAL(state_node(state_of(world, 1), 3)->left_out, "");
	/* And with the right version all is well. */
	world_install(world, 3, &build_next);
	world_start_daemon(world, 3);
	expect_well(world, guests, ARRAY_SIZE(guests));
	CU_ASSERT_TRUE(is_open(world, 3));
	world_free(world);
}

/* Also one that leads, or has nothing on its disk. */
static void test_old_leader_and_new_disk(void)
{
	struct world *world = begin(3);

	make_next(world);
	raise_to(world, 2, 2, NULL);
	world_settle(world, 30000);
	world_kill_daemon(world, 1);
	world_install(world, 1, &build_this);
	disk_wipe(&world->machines[1].disk);
	world->machines[1].disk.promised = 0;
	world->machines[1].disk.index = world->machines[1].disk.epoch = 0;
	world->machines[1].disk.id += 100;
	world_start_daemon(world, 1);
	world_settle(world, 60000);
	expect_left_out(world, 1);
	CU_ASSERT_EQUAL(world->machines[1].disk.index, 0);
	CU_ASSERT_TRUE(is_open(world, 2));
	CU_ASSERT_TRUE(is_open(world, 3));
	world_free(world);
}

/* Without a majority that knows the level, nobody goes on, and says so. */
static void test_too_few_know(void)
{
	struct world *world = begin(3);

	make_next(world);
	raise_to(world, 2, 2, NULL);
	world_settle(world, 30000);
	for (unsigned node = 1; node <= 2; node++) {
		world_kill_daemon(world, node);
		world_install(world, node, &build_this);
		world_start_daemon(world, node);
	}
	world_settle(world, 60000);
	for (unsigned node = 1; node <= 3; node++) {
		CU_ASSERT_FALSE(is_open(world, node));
		CU_ASSERT_TRUE(says(why_not(world, node), "node 2 cannot take part: the clusterd "
							  "there (this version) knows feature "
							  "levels up to 1"));
	}
	world_kill_daemon(world, 2);
	world_install(world, 2, &build_next);
	world_start_daemon(world, 2);
	world_settle(world, 60000);
	CU_ASSERT_TRUE(is_open(world, 2));
	CU_ASSERT_TRUE(is_open(world, 3));
	world_free(world);
}

static void test_left_behind(void)
{
	struct world *world = begin(3);

	world_kill_node(world, 3);
	world_settle(world, 60000);
	replace(world, 1, &build_next);
	world_settle(world, 30000);
	replace(world, 2, &build_next);
	world_settle(world, 30000);
	CU_ASSERT_TRUE(says(raise_to(world, 1, 2, NULL), "(n3 knows 1)"));
	CU_ASSERT_TRUE(says(raise_to(world, 1, 2, "n2"), "n2 is up"));
	CU_ASSERT_TRUE(says(raise_to(world, 1, 2, "n3"), "at feature level 2 now"));
	CU_ASSERT_EQUAL(world_events(world, 2, "is left behind"), 1);
	world_start_node(world, 3);
	world_settle(world, 60000);
	expect_left_out(world, 3);
	replace(world, 3, &build_next);
	world_settle(world, 60000);
	CU_ASSERT_TRUE(is_open(world, 3));
	world_free(world);
}

/* ------------------------------------------------------------------ what nobody should propose */

/* Of what is on its way from a node, the last command becomes another one; false: there is none. */
static bool exchange(struct world *world, unsigned node, const struct buf *command)
{
	for (size_t i = world->last; i-- > world->first;) {
		struct flight *flight = &world->flights[i];
		struct frame_header header;
		ProtobufCMessage *decoded;
		Wire__Append append = WIRE__APPEND__INIT;

		if (flight->sender != node || flight->frame.data[6] != FRAME_APPEND)
			continue;
		CU_ASSERT_EQUAL_FATAL(build_next.frame_decode(flight->frame.data,
							      flight->frame.len, &header,
							      &decoded), 0);
		wire_free(decoded);
		append.command.data = command->data;
		append.command.len = command->len;
		buf_reset(&flight->frame);
		CU_ASSERT_EQUAL(frame_encode(&header, &append.base, &flight->frame), 0);
		return true;
	}
	return false;
}

/* A node sends that, whatever it thinks of it. */
static void send_bytes(struct world *world, unsigned node, const struct buf *command)
{
	Wire__Command note = WIRE__COMMAND__INIT;
	Wire__Note body = WIRE__NOTE__INIT;
	struct event event = world_event(world, EVENT_CLIENT);

	body.subject = body.text = (char *)"x";
	note.body_case = WIRE__COMMAND__BODY_NOTE;
	note.note = &body;
	note.request = ++world->request;
	event.client = (struct event_client){ ++world->tag, &note };
	world_take(world, node, &event);
	CU_ASSERT_TRUE(exchange(world, node, command));
}

/* An older daemon is back, and has not said so by commit, when the level is raised. */
static void test_raised_before_it_was_told(void)
{
	struct world *world = begin(3);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FeatureRaise raise = WIRE__FEATURE_RAISE__INIT;
	_cleanup_(buf_free) struct buf packed = { 0 };
	uint64_t index;

	raise.level = 2;
	command.body_case = WIRE__COMMAND__BODY_FEATURE_RAISE;
	command.feature_raise = &raise;
	command.node = 1;
	CU_ASSERT_EQUAL(wire_command_pack(&command, &packed, NULL), 0);
	make_next(world);
	world_kill_daemon(world, 3);
	world_install(world, 3, &build_this);
	world_start_daemon(world, 3);
	/* One that is asked for where its version can be seen is refused. */
	CU_ASSERT_TRUE(says(raise_to(world, 1, 2, NULL), "n3 knows"));
	world_kill_daemon(world, 3);
	world_install(world, 3, &build_next);
	world_start_daemon(world, 3);
	world_settle(world, 60000);
	world_kill_daemon(world, 3);
	world_install(world, 3, &build_this);
	world_start_daemon(world, 3);
	world_story(world);
	/* The first thing that the leader says in the epoch that the older daemon is of. */
	for (unsigned i = 0; i < 100000 && !exchange(world, 1, &packed); i++)
		world_step(world);
	CU_ASSERT_EQUAL(feature_known_by(state_node(state_of(world, 1), 3)), 2);
	CU_ASSERT_TRUE(world_until(world, "n3: daemon ends: the cluster's feature level was "
					  "raised"));
	/* It has applied the entry that raised it, as all did, and nothing since. */
	index = world->machines[3].disk.index;
	world_settle(world, 60000);
	CU_ASSERT_EQUAL(feature_level(state_of(world, 1)), 2);
	world_start_daemon(world, 3);
	world_settle(world, 60000);
	expect_left_out(world, 3);
	CU_ASSERT_EQUAL(world->machines[3].disk.index, index);
	world_free(world);
}

/* Field 900 of a message: a number, and a text. */
static void add_number(struct buf *to)
{
	buf_append(to, (const uint8_t[]){ 0xa0, 0x38, 42 }, 3);
}

static void add_text(struct buf *to)
{
	buf_append(to, (const uint8_t[]){ 0xa2, 0x38, 2, 'h', 'i' }, 5);
}

/* A command that holds a message as field n, which itself has more bytes. */
static void wrap(unsigned n, const ProtobufCMessage *body, void (*add)(struct buf *to),
		 struct buf *out)
{
	_cleanup_(buf_free) struct buf inner = { 0 };
	unsigned tag = n << 3 | 2;

	wire_pack(body, &inner);
	if (add)
		add(&inner);
	CU_ASSERT_FATAL(inner.len < 128);
	if (tag < 128)
		buf_append_byte(out, (uint8_t)tag);
	else
		buf_append(out, (const uint8_t[]){ (uint8_t)(tag | 0x80), (uint8_t)(tag >> 7) }, 2);
	buf_append_byte(out, (uint8_t)inner.len);
	buf_append(out, inner.data, inner.len);
}

static void make_above_level(unsigned which, struct buf *out)
{
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	_cleanup_(buf_free) struct buf inner = { 0 };

	vm.name = (char *)"z";
	vm.uuid = (char *)"00000000-0000-4000-8000-00000000000f";
	vm.xml = (char *)"<domain/>";
	switch (which) {
	case 0: /* a command that only the next version knows */
		add_text(out);
		break;
	case 1: /* a field of a record */
		wrap(1, &vm.base, add_text, &inner);
		buf_append(out, (const uint8_t[]){ 0x82, 0x01, (uint8_t)inner.len }, 3);
		buf_append(out, inner.data, inner.len);
		break;
	case 2: /* a value */
		vm.priority = 9;
		add.vm = &vm;
		wrap(WIRE__COMMAND__BODY_VM_ADD, &add.base, NULL, out);
		break;
	case 3: /* a fact */
		wrap(1, &facts.base, add_number, &inner);
		buf_append_str(&inner, "\x12\x04" "boot");
		buf_append(out, (const uint8_t[]){ 0x6a, (uint8_t)inner.len }, 2);
		buf_append(out, inner.data, inner.len);
		break;
	}
}

enum { ABOVE_LEVEL = 4 };

/* What is above the level and in the log all the same changes nothing, whoever can read it. */
static void test_above_the_level(void)
{
	struct world *world = begin(3);

	replace(world, 2, &build_next);
	world_settle(world, 30000);
	for (unsigned which = 0; which < ABOVE_LEVEL; which++) {
		_cleanup_(buf_free) struct buf command = { 0 };
		uint64_t index = state_index(state_of(world, 1));

		make_above_level(which, &command);
		send_bytes(world, 1, &command);
		world_settle(world, 5000);
		CU_ASSERT_TRUE(state_index(state_of(world, 1)) > index);
	}
	CU_ASSERT_PTR_NULL(state_vm_named(state_of(world, 1), "z"));
	CU_ASSERT_PTR_NULL(state_vm_named(state_of(world, 2), "z"));
	CU_ASSERT_FALSE(has_next_fact(world, 1));
	expect_well(world, guests, ARRAY_SIZE(guests));
	world_free(world);
}

/* The verdict is on record with a request: its words are the same, too. */
static void test_same_verdicts(void)
{
	struct world *world = begin(3);
	struct state *one = state_new(), *two = next_state_new();

	for (unsigned which = 0; which < ABOVE_LEVEL; which++) {
		_cleanup_(buf_free) struct buf command = { 0 };
		Wire__Entry entry = WIRE__ENTRY__INIT;
		Wire__Verdict *a, *b;
		struct update update;
		uint64_t request;

		make_above_level(which, &command);
		entry.index = which + 1;
		entry.epoch = 1;
		entry.command.data = command.data;
		entry.command.len = command.len;
		update_init(&update);
		apply_entry(one, &entry, &update, &a, &request);
		update_reset(&update);
		update_init(&update);
		next_apply_entry(two, &entry, &update, &b, &request);
		update_reset(&update);
		CU_ASSERT_EQUAL(a->code, WIRE__VERDICT__CODE__INVALID);
		CU_ASSERT_EQUAL(a->code, b->code);
		CU_ASSERT_STRING_EQUAL(a->text, b->text);
		wire_free(a);
		wire_free(b);
	}
	state_free(one);
	next_state_free(two);
	world_free(world);
}

UNIT_MAIN("core/versions", { "rolling upgrade", test_rolling_upgrade },
	  { "way back before", test_way_back_before },
	  { "old one comes back", test_old_one_comes_back },
	  { "old leader and new disk", test_old_leader_and_new_disk },
	  { "too few know", test_too_few_know }, { "left behind", test_left_behind },
	  { "raised before it was told", test_raised_before_it_was_told },
	  { "above the level", test_above_the_level }, { "same verdicts", test_same_verdicts })
