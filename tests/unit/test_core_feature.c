/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The feature level: who may raise it and when, and that it alone decides what apply does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/voters.h"
#include "tests/unit/bench.h"
#include "tests/unit/unit.h"
#include "wire/command.h"
#include "wire/message.h"

static void know(struct bench *bench, uint32_t node, uint32_t level)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;

	report.kernel_boot_id = (char *)"first boot";
	report.feature_max = level;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	CU_ASSERT_EQUAL(bench_apply(bench, node, 100 + node, &command), 0);
}

static int raise_level(struct bench *bench, uint32_t level, const char *behind)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__FeatureRaise raise = WIRE__FEATURE_RAISE__INIT;
	char *names[] = { (char *)behind };

	raise.level = level;
	raise.leave_behind = names;
	raise.n_leave_behind = behind != NULL;
	command.body_case = WIRE__COMMAND__BODY_FEATURE_RAISE;
	command.feature_raise = &raise;
	return bench_apply(bench, 1, 101, &command);
}

static uint32_t level_of(const struct bench *bench)
{
	return feature_level(bench->state);
}

static void test_raised_when_all_know(void)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(level_of(bench), 1);
	CU_ASSERT_EQUAL(feature_possible(bench->state), 1);
	know(bench, 1, 3);
	know(bench, 3, 2);
	CU_ASSERT_EQUAL(raise_level(bench, 2, NULL), WIRE__VERDICT__CODE__NOT_READY);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "level 2 (n2 knows 1)"));
	CU_ASSERT_EQUAL(level_of(bench), 1);
	know(bench, 2, 2);
	CU_ASSERT_EQUAL(feature_possible(bench->state), 2);
	CU_ASSERT_EQUAL(raise_level(bench, 3, NULL), WIRE__VERDICT__CODE__NOT_READY);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "(n2 knows 2, n3 knows 2)"));
	CU_ASSERT_EQUAL(raise_level(bench, 2, NULL), 0);
	CU_ASSERT_EQUAL(level_of(bench), 2);
	CU_ASSERT_TRUE(bench_has_event(bench,
				       "feature level raised from 1 to 2 by : a clusterd that does "
				       "not know it takes part no more"));
	/* Twice is once, and there is no way back. */
	CU_ASSERT_EQUAL(raise_level(bench, 2, NULL), 0);
	CU_ASSERT_STRING_EQUAL(bench->text, "the cluster is at feature level 2 already");
	CU_ASSERT_EQUAL(raise_level(bench, 1, NULL), 0);
	CU_ASSERT_EQUAL(level_of(bench), 2);
	CU_ASSERT_EQUAL(raise_level(bench, 0, NULL), WIRE__VERDICT__CODE__INVALID);
	bench_free(bench);
}

static void test_left_behind(void)
{
	struct bench *bench = bench_new();

	know(bench, 1, 2);
	know(bench, 2, 2);
	CU_ASSERT_EQUAL(raise_level(bench, 2, "n9"), WIRE__VERDICT__CODE__NO_SUCH);
	CU_ASSERT_EQUAL(raise_level(bench, 2, "n3"), WRONG_STATE);
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "n3 is up"));
	CU_ASSERT_EQUAL(bench_verdict(bench, 3, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(raise_level(bench, 2, NULL), WIRE__VERDICT__CODE__NOT_READY);
	CU_ASSERT_EQUAL(raise_level(bench, 2, "n3"), 0);
	CU_ASSERT_EQUAL(level_of(bench), 2);
	CU_ASSERT_TRUE(bench_has_event(bench,
				       "is left behind: its clusterd takes part again when it is "
				       "one that knows feature level 2"));
	bench_free(bench);
	/* Not a majority of the voters. */
	bench = bench_new();
	know(bench, 1, 2);
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(bench_verdict(bench, 3, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(raise_level(bench, 2, "n3"), WIRE__VERDICT__CODE__NOT_READY);
	{
		Wire__Command command = WIRE__COMMAND__INIT;
		Wire__FeatureRaise raise = WIRE__FEATURE_RAISE__INIT;
		char *names[] = { (char *)"n2", (char *)"n3" };

		raise.level = 2;
		raise.leave_behind = names;
		raise.n_leave_behind = 2;
		command.body_case = WIRE__COMMAND__BODY_FEATURE_RAISE;
		command.feature_raise = &raise;
		CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command),
				WIRE__VERDICT__CODE__NOT_READY);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(bench->text, "only 1 of 3 voters know feature level 2"));
	CU_ASSERT_EQUAL(level_of(bench), 1);
	bench_free(bench);
}

/* ------------------------------------------------------------------ what is not known */

/* Field 500 of a message, as a newer version might have put it there: tag, and 7. */
static const uint8_t newer_field[] = { 0xa0, 0x1f, 0x07 };

static Wire__Verdict *apply_bytes(struct bench *bench, const struct buf *packed)
{
	Wire__Entry entry = WIRE__ENTRY__INIT;
	Wire__Verdict *verdict;
	struct update update;
	uint64_t request;

	entry.index = ++bench->index;
	entry.epoch = 1;
	entry.command.data = packed->data;
	entry.command.len = packed->len;
	update_init(&update);
	apply_entry(bench->state, &entry, &update, &verdict, &request);
	update_reset(&update);
	return verdict;
}

/* The words are in the record of the request: they must not tell versions apart. */
static void expect_above_level(struct bench *bench, const struct buf *packed)
{
	uint64_t digest = state_digest(bench->state);
	Wire__Verdict *verdict = apply_bytes(bench, packed);

	CU_ASSERT_EQUAL(verdict->code, WIRE__VERDICT__CODE__INVALID);
	CU_ASSERT_STRING_EQUAL(verdict->text, "this needs a higher feature level than 1, which the "
					      "cluster is at");
	CU_ASSERT_EQUAL(state_digest(bench->state), digest);
	wire_free(verdict);
}

static void test_unknown_is_above_the_level(void)
{
	struct bench *bench = bench_new();
	_cleanup_(buf_free) struct buf body = { 0 }, inner = { 0 }, value = { 0 };
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Note note = WIRE__NOTE__INIT;

	/* A command that is not known at all. */
	buf_append(&body, newer_field, sizeof(newer_field));
	expect_above_level(bench, &body);
	/* One that is, with a field that is not. */
	buf_reset(&body);
	note.subject = (char *)"cluster";
	note.text = (char *)"what a newer version says";
	command.body_case = WIRE__COMMAND__BODY_NOTE;
	command.note = &note;
	wire_pack(&note.base, &inner);
	buf_append(&inner, newer_field, sizeof(newer_field));
	buf_append(&body, (const uint8_t[]){ 0x8a, 0x02, (uint8_t)inner.len }, 3);
	buf_append(&body, inner.data, inner.len);
	expect_above_level(bench, &body);
	CU_ASSERT_FALSE(bench_has_event(bench, "what a newer version says"));
	/* And a value. */
	note.severity = 7;
	wire_pack(&command.base, &value);
	expect_above_level(bench, &value);
	note.severity = WIRE__EVENT__SEVERITY__INFO;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	CU_ASSERT_TRUE(bench_has_event(bench, "what a newer version says"));
	bench_free(bench);
}

/*
 * By a change of voters the replicas count from the moment that it is in their logs, and they know
 * of no level: what they take for one, apply takes for one.
 */
static void test_voters_at_any_level(void)
{
	struct bench *bench = bench_new();
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VotersSet set = WIRE__VOTERS_SET__INIT;
	uint32_t nodes[] = { 1, 3 };
	uint64_t disks[] = { 1, 3 }, after;
	Wire__Verdict *verdict;
	struct voters voters;

	state_voters(bench->state, &voters);
	set.after = voters.index;
	set.n_voters = set.n_disks = 2;
	set.voters = nodes;
	set.disks = disks;
	command.body_case = WIRE__COMMAND__BODY_VOTERS_SET;
	command.voters_set = &set;
	wire_pack(&command.base, &packed);
	buf_append(&packed, newer_field, sizeof(newer_field));
	CU_ASSERT_TRUE(voters_read(packed.data, packed.len, &voters, &after));
	verdict = apply_bytes(bench, &packed);
	CU_ASSERT_EQUAL(verdict->code, WIRE__VERDICT__CODE__OK);
	wire_free(verdict);
	state_voters(bench->state, &voters);
	CU_ASSERT_EQUAL(voters_nodes(&voters), 5);
	CU_ASSERT_EQUAL(voters.index, bench->index);
	bench_free(bench);
}

/* It keeps what it does not know, if it ever is in a record. */
static void test_records_keep_what_is_not_known(void)
{
	struct bench *bench = bench_new();
	_cleanup_(buf_free) struct buf packed = { 0 };
	const Wire__Vm *vm = bench_vm(bench);
	uint64_t id = vm->id;

	wire_pack(&vm->base, &packed);
	buf_append(&packed, newer_field, sizeof(newer_field));
	CU_ASSERT_EQUAL(state_load(bench->state, WIRE__TABLE__TABLE_VM, id, packed.data,
				   packed.len), 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	vm = bench_vm(bench);
	CU_ASSERT_TRUE(vm->unmanaged);
	CU_ASSERT_EQUAL_FATAL(vm->base.n_unknown_fields, 1);
	CU_ASSERT_EQUAL(vm->base.unknown_fields[0].tag, 500);
	{
		const struct buf *row = state_packed(bench->state, WIRE__TABLE__TABLE_VM,
						     state_lower(bench->state,
								 WIRE__TABLE__TABLE_VM, id), NULL);

		CU_ASSERT_EQUAL(memcmp(row->data + row->len - sizeof(newer_field), newer_field,
				       sizeof(newer_field)), 0);
	}
	bench_free(bench);
}

/* What a newer agent tells is cut to what the level has a place for. */
static void test_strip(void)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	ProtobufCMessage *message;
	_cleanup_(buf_free) struct buf inner = { 0 };

	facts.cpus = 4;
	wire_pack(&facts.base, &inner);
	buf_append(&inner, newer_field, sizeof(newer_field));
	buf_append(&packed, (const uint8_t[]){ 0x0a, (uint8_t)inner.len }, 2);
	buf_append(&packed, inner.data, inner.len);
	buf_append(&packed, newer_field, sizeof(newer_field));
	CU_ASSERT_EQUAL_FATAL(wire_unpack(&wire__node_report__descriptor, packed.data, packed.len,
					  &message), 0);
	CU_ASSERT_EQUAL(feature_needed(message), UINT32_MAX);
	feature_strip(message, 1);
	CU_ASSERT_EQUAL(feature_needed(message), 1);
	report.facts = &facts;
	CU_ASSERT_TRUE(wire_equal(message, &report.base));
	wire_free(message);
}

UNIT_MAIN("core/feature", { "raised when all know", test_raised_when_all_know },
	  { "left behind", test_left_behind },
	  { "unknown is above the level", test_unknown_is_above_the_level },
	  { "voters at any level", test_voters_at_any_level },
	  { "records keep what is not known", test_records_keep_what_is_not_known },
	  { "strip", test_strip })
