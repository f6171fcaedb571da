/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a file of saved memory becomes a leftover, and what it takes to be none any more. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/bench.h"
#include "tests/unit/unit.h"
#include "wire/check.h"

#define SAYS(x) WIRE__VM_REPORT__WHAT__##x
#define PHASE(x) WIRE__VM__PHASE__##x
#define LEFT(x) WIRE__LEFTOVER_REPORT__WHAT__##x
#define NONE WIRE__VM__ACTION__NO_ACTION

static const Wire__Volume *volume_of(const struct bench *bench)
{
	return state_volume_named(bench->state, "one");
}

static int move(struct bench *bench)
{
	uint32_t to = bench_vm(bench)->owner == 3 ? 2 : 3;

	return bench_move(bench, to, WIRE__VM_MOVE__HOW__QUICK, "/v/one/.clusterd/state/a");
}

static int say(struct bench *bench, uint32_t node, Wire__VmReport__What what)
{
	return bench_report_vm(bench, node, 100 + node, bench_vm(bench)->generation, what);
}

/* VM a is being saved by n2, for n3. */
static struct bench *begin_saving_as(Wire__VmReport__What seen)
{
	struct bench *bench = bench_new();

	CU_ASSERT_EQUAL(say(bench, 2, seen), 0);
	CU_ASSERT_EQUAL(bench_add_volume(bench, "one", "/v/one"), 0);
	for (uint32_t node = 1; node <= 3; node++)
		bench_tell_volume(bench, node, "one");
	CU_ASSERT_EQUAL(move(bench), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(SAVING));
	return bench;
}

static struct bench *begin_saving(void)
{
	return begin_saving_as(SAYS(RUNNING));
}

static struct bench *begin_saved(void)
{
	struct bench *bench = begin_saving();

	CU_ASSERT_EQUAL(say(bench, 2, SAYS(SAVED)), 0);
	return bench;
}

static void restore(struct bench *bench, uint32_t node)
{
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(RESTORING), node), 0);
	CU_ASSERT_EQUAL(say(bench, node, SAYS(RESTORED)), 0);
}

static struct bench *begin_given_up(void)
{
	struct bench *bench = begin_saved();

	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(FAILED), 0), 0);
	CU_ASSERT_NOT_EQUAL(bench_vm(bench)->image[0], '\0');
	return bench;
}

static int remove_vm(struct bench *bench)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmRemove body = WIRE__VM_REMOVE__INIT;

	body.name = (char *)"a";
	command.body_case = WIRE__COMMAND__BODY_VM_REMOVE;
	command.vm_remove = &body;
	return bench_apply(bench, 1, 101, &command);
}

static int want(struct bench *bench, Wire__Vm__Wanted wanted, bool force, bool cold)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmWant body = WIRE__VM_WANT__INIT;

	body.name = (char *)"a";
	body.wanted = wanted;
	body.force = force;
	body.cold = cold;
	command.body_case = WIRE__COMMAND__BODY_VM_WANT;
	command.vm_want = &body;
	return bench_apply(bench, 1, 101, &command);
}

/* ------------------------------------------------------------------ how it becomes one */

static void save_fails(struct bench *bench)
{
	CU_ASSERT_EQUAL(say(bench, 2, SAYS(SAVE_FAILED)), 0);
}

static void ends_while_saved(struct bench *bench)
{
	CU_ASSERT_EQUAL(say(bench, 2, SAYS(ABSENT)), 0);
}

static void source_dies(struct bench *bench)
{
	CU_ASSERT_EQUAL(bench_verdict(bench, 2, WIRE__NODE__STATE__LOST), 0);
	CU_ASSERT_EQUAL(bench_end_fence(bench, bench_begin_fence(bench, 2), true), 0);
}

static void runs(struct bench *bench)
{
	restore(bench, 3);
	CU_ASSERT_EQUAL(say(bench, 3, SAYS(RUNNING)), 0);
}

static void ends_when_consumed(struct bench *bench)
{
	restore(bench, 3);
	CU_ASSERT_EQUAL(say(bench, 3, SAYS(ABSENT)), 0);
}

static void is_stopped(struct bench *bench)
{
	CU_ASSERT_EQUAL(want(bench, WIRE__VM__WANTED__STOPPED, true, false), 0);
}

static void starts_cold(struct bench *bench)
{
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(OFF), 0), 0);
}

static void starts_cold_later(struct bench *bench)
{
	CU_ASSERT_EQUAL(want(bench, WIRE__VM__WANTED__RUNNING, false, true), 0);
}

static void is_removed(struct bench *bench)
{
	CU_ASSERT_EQUAL(remove_vm(bench), 0);
}

/* Somebody restored it by hand, while it was not the cluster's. */
static void is_found(struct bench *bench)
{
	CU_ASSERT_EQUAL(bench_set_managed(bench, "no"), 0);
	CU_ASSERT_EQUAL(bench_set_managed(bench, "yes"), 0);
	CU_ASSERT_EQUAL(say(bench, 3, SAYS(PRESENT)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(RUN));
}

static void test_becomes_one(void)
{
	static const struct {
		struct bench *(*begin)(void);
		void (*goes_on)(struct bench *bench);
	} ways[] = {
		{ begin_saving, save_fails },        { begin_saving, ends_while_saved },
		{ begin_saving, source_dies },       { begin_saved, runs },
		{ begin_saved, ends_when_consumed }, { begin_saved, is_stopped },
		{ begin_saved, starts_cold },        { begin_given_up, starts_cold_later },
		{ begin_given_up, is_removed },      { begin_given_up, is_found },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct bench *bench = ways[i].begin();
		char path[200], expected[200];

		snprintf(expected, sizeof(expected), "%s", bench_vm(bench)->image);
		CU_ASSERT_EQUAL(volume_of(bench)->n_leftovers, 0);
		ways[i].goes_on(bench);
		CU_ASSERT(!bench_vm(bench) || !bench_vm(bench)->image[0]);
		CU_ASSERT_EQUAL_FATAL(volume_of(bench)->n_leftovers, 1);
		snprintf(path, sizeof(path), "/v/one/.clusterd/state/%s",
			 volume_of(bench)->leftovers[0]->name);
		CU_ASSERT_STRING_EQUAL(path, expected);
		bench_free(bench);
	}
}

/* A version before this one left used images in the records of guests that run or are off. */
static void name_image(struct bench *bench)
{
	Wire__Vm *vm = record_copy(&bench_vm(bench)->base);
	struct update update;

	record_text(&vm->image, "/v/one/.clusterd/state/a.1.sav");
	update_init(&update);
	state_put(bench->state, WIRE__TABLE__TABLE_VM, vm->id, &vm->base, &update);
	update_reset(&update);
	record_free(vm);
}

static void test_older_record(void)
{
	struct bench *bench = begin_saved();

	runs(bench);
	name_image(bench);
	CU_ASSERT_EQUAL(move(bench), 0);
	CU_ASSERT_EQUAL_FATAL(volume_of(bench)->n_leftovers, 2);
	CU_ASSERT_STRING_EQUAL(volume_of(bench)->leftovers[1]->name, "a.1.sav");
	bench_free(bench);
	bench = begin_saving();
	ends_while_saved(bench);
	name_image(bench);
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(STARTING), 3), 0);
	CU_ASSERT_EQUAL_FATAL(volume_of(bench)->n_leftovers, 2);
	CU_ASSERT_STRING_EQUAL(volume_of(bench)->leftovers[1]->name, "a.1.sav");
	bench_free(bench);
}

/* A restore that failed leaves it what it is: the guest. */
static void test_still_needed(void)
{
	struct bench *bench = begin_saved();

	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(RESTORING), 3), 0);
	CU_ASSERT_EQUAL(say(bench, 3, SAYS(ABSENT)), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(SAVED));
	CU_ASSERT_EQUAL(bench_step_vm(bench, PHASE(FAILED), 0), 0);
	CU_ASSERT_EQUAL(want(bench, WIRE__VM__WANTED__RUNNING, false, false), 0);
	CU_ASSERT_EQUAL(bench_vm(bench)->phase, PHASE(SAVED));
	CU_ASSERT_NOT_EQUAL(bench_vm(bench)->image[0], '\0');
	CU_ASSERT_EQUAL(volume_of(bench)->n_leftovers, 0);
	bench_free(bench);
}

/* No two saves have one file, whatever their proposers thought, even of a VM that is added anew. */
static void test_names(void)
{
	struct bench *bench = begin_saving();
	char first[100], second[100];

	snprintf(first, sizeof(first), "%s", bench_vm(bench)->image);
	save_fails(bench);
	CU_ASSERT_EQUAL(move(bench), 0);
	snprintf(second, sizeof(second), "%s", bench_vm(bench)->image);
	CU_ASSERT_STRING_NOT_EQUAL(first, second);
	CU_ASSERT_PTR_NOT_NULL(strstr(second, bench_vm(bench)->uuid));
	bench_free(bench);
}

/* ------------------------------------------------------------------ how it is none any more */

static int report(struct bench *bench, uint32_t node, uint64_t boot_id,
		  Wire__LeftoverReport__What what)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__LeftoverReport body = WIRE__LEFTOVER_REPORT__INIT;
	const Wire__Volume *volume = volume_of(bench);

	body.volume = volume->id;
	body.name = volume->n_leftovers ? volume->leftovers[0]->name : (char *)"none";
	body.what = what;
	body.text = (char *)"permission denied";
	command.body_case = WIRE__COMMAND__BODY_LEFTOVER_REPORT;
	command.leftover_report = &body;
	return bench_apply(bench, node, boot_id, &command);
}

static struct bench *begin_left(void)
{
	struct bench *bench = begin_saving();

	save_fails(bench);
	return bench;
}

static void test_removed(void)
{
	struct bench *bench = begin_left();

	CU_ASSERT_EQUAL(report(bench, 1, 99, LEFT(REMOVED)), STALE);
	CU_ASSERT_EQUAL(volume_of(bench)->n_leftovers, 1);
	CU_ASSERT_EQUAL(report(bench, 1, 101, LEFT(REMOVED)), 0);
	CU_ASSERT_EQUAL(volume_of(bench)->n_leftovers, 0);
	CU_ASSERT_EQUAL(report(bench, 1, 101, LEFT(REMOVED)), STALE);
	bench_free(bench);
}

/* That one node does not find it is no evidence; that no node does is. */
static void test_absent(void)
{
	struct bench *bench = begin_left();
	char text[300];

	snprintf(text, sizeof(text),
		 "/v/one/.clusterd/state/%s, saved memory that no VM needs any more, could not be "
		 "removed by n2: permission denied; this is tried again",
		 volume_of(bench)->leftovers[0]->name);
	CU_ASSERT_EQUAL(report(bench, 1, 101, LEFT(ABSENT)), 0);
	CU_ASSERT_EQUAL(report(bench, 1, 101, LEFT(ABSENT)), 0);
	CU_ASSERT_EQUAL(report(bench, 2, 102, LEFT(FAILED)), 0);
	CU_ASSERT(bench_has_event(bench, text));
	CU_ASSERT_EQUAL(report(bench, 3, 103, LEFT(ABSENT)), 0);
	CU_ASSERT_EQUAL(volume_of(bench)->n_leftovers, 1);
	CU_ASSERT_EQUAL(report(bench, 2, 102, LEFT(ABSENT)), 0);
	CU_ASSERT_EQUAL(volume_of(bench)->n_leftovers, 0);
	bench_free(bench);
}

/* More of them than there is room for: the oldest is told of, and no request is refused. */
static void test_full(void)
{
	struct bench *bench = begin_left();
	size_t max = wire_list_max(&wire__volume__descriptor, "leftovers");
	char second[64], text[400];

	while (volume_of(bench)->n_leftovers < max) {
		CU_ASSERT_EQUAL_FATAL(move(bench), 0);
		save_fails(bench);
	}
	snprintf(second, sizeof(second), "%s", volume_of(bench)->leftovers[1]->name);
	snprintf(text, sizeof(text),
		 "saved memory that no VM needs any more is not removed, for too many of such "
		 "files wait for that: /v/one/.clusterd/state/%s; remove it by hand",
		 volume_of(bench)->leftovers[0]->name);
	CU_ASSERT_EQUAL(move(bench), 0);
	save_fails(bench);
	CU_ASSERT_EQUAL(volume_of(bench)->n_leftovers, max);
	CU_ASSERT_STRING_EQUAL(volume_of(bench)->leftovers[0]->name, second);
	CU_ASSERT(bench_has_event(bench, text));
	CU_ASSERT(protobuf_c_message_get_packed_size(&volume_of(bench)->base) + WIRE_PATH_MAX <
		  WIRE_RECORD_MAX);
	bench_free(bench);
}

static void test_volume_removed(void)
{
	struct bench *bench = begin_left();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VolumeRemove body = WIRE__VOLUME_REMOVE__INIT;
	char text[400];

	snprintf(text, sizeof(text),
		 "saved memory that no VM needs any more is not removed, for its volume was "
		 "removed: /v/one/.clusterd/state/%s; remove it by hand",
		 volume_of(bench)->leftovers[0]->name);
	body.name = (char *)"one";
	command.body_case = WIRE__COMMAND__BODY_VOLUME_REMOVE;
	command.volume_remove = &body;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	CU_ASSERT(bench_has_event(bench, text));
	CU_ASSERT_PTR_NULL(volume_of(bench));
	bench_free(bench);
}

/* Nobody has files removed by adding a volume. */
static void test_given(void)
{
	struct bench *bench = bench_new();
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VolumeAdd add = WIRE__VOLUME_ADD__INIT;
	Wire__Volume volume = WIRE__VOLUME__INIT;
	Wire__Leftover leftover = WIRE__LEFTOVER__INIT, *leftovers = &leftover;

	leftover.name = (char *)"db.sav";
	volume.name = (char *)"one";
	volume.driver = (char *)"dir";
	volume.target = (char *)"/v/one";
	volume.declared_shared = true;
	volume.leftovers = &leftovers;
	volume.n_leftovers = 1;
	add.volume = &volume;
	command.body_case = WIRE__COMMAND__BODY_VOLUME_ADD;
	command.volume_add = &add;
	CU_ASSERT_EQUAL(bench_apply(bench, 1, 101, &command), 0);
	CU_ASSERT_EQUAL(volume_of(bench)->n_leftovers, 0);
	bench_free(bench);
}

/* It was paused to be saved. Who had paused it before keeps it so. */
static void test_goes_on(void)
{
	static const Wire__VmReport__What seen[] = { SAYS(RUNNING), SAYS(PAUSED) };

	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		struct bench *bench = begin_saving_as(seen[i]);

		CU_ASSERT_EQUAL(say(bench, 2, SAYS(SAVE_FAILED)), 0);
		CU_ASSERT_EQUAL(bench_vm(bench)->phase, WIRE__VM__PHASE__RUN);
		CU_ASSERT_EQUAL(bench_vm(bench)->unpause, seen[i] == SAYS(RUNNING));
		bench_free(bench);
	}
}

UNIT_MAIN("core/apply_leftover", { "becomes_one", test_becomes_one },
	  { "older_record", test_older_record }, { "still_needed", test_still_needed },
	  { "names", test_names }, { "removed", test_removed }, { "absent", test_absent },
	  { "full", test_full }, { "volume_removed", test_volume_removed }, { "given", test_given },
	  { "goes_on", test_goes_on })
