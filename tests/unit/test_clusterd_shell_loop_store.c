/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon's loop does when its store fails, at any write: a daemon of a cluster of one,
 * with its core, its sockets and its store, whose thread writes to a disk in memory that fails when
 * it is asked to. Only Corosync is replaced, by a group of one that hears itself.
 */
#include "clusterd/shell/loop.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "clusterd/shell/genesis.h"
#include "clusterd/shell/group.h"
#include "tests/fault/crashfs.h"
#include "tests/fault/load.h"

enum { HANG_S = 60, BATCHES_MAX = 64, BATCHES_WANTED = 6, FRAMES_MAX = 256 };

static struct {
	struct crashfs *fs;
	char dir[64];
	struct conf conf;

	/* The group. */
	const struct shell *shell;
	struct shell_timer timer;
	bool begun;
	struct buf frames[FRAMES_MAX];
	size_t frames_n;

	/* What was submitted: digests of what is there with the first so many batches. */
	struct disk model;
	uint64_t digests[BATCHES_MAX];
	size_t submitted, refuse;	/* the batch that finds the queue full; 0: none */
	uint64_t told;			/* durable, as the core knows */
	bool left, closed_first;
} test;

/* ---------------------------------------------------------------- a group of one */

struct group {
	bool there;
};

struct group *__wrap_group_new(const struct shell *shell,
			       void (*node_known)(void *context, uint32_t node), void *context);
void __wrap_group_free(struct group *group);
void __wrap_group_send(struct group *group, struct buf *frame);
int __wrap_store_submit(struct store *store, struct persist *persists, size_t n, uint64_t seq);
int __real_store_submit(struct store *store, struct persist *persists, size_t n, uint64_t seq);
int __wrap_store_poll(struct store *store, uint64_t *ret_durable, char *ret_why, size_t size);
int __real_store_poll(struct store *store, uint64_t *ret_durable, char *ret_why, size_t size);
_Noreturn void __wrap__exit(int status);
void __wrap_store_close(struct store *store);
void __real_store_close(struct store *store);

static void deliver(struct buf *frame)
{
	struct frame_header header;
	ProtobufCMessage *body = NULL;
	struct event event = { .kind = EVENT_FRAME };

	CU_ASSERT_EQUAL_FATAL(frame_decode(frame->data, frame->len, &header, &body), 0);
	event.frame = (struct event_frame){ 1, &header, body };
	test.shell->event(test.shell->context, &event);
	frame_body_free(body);
	buf_free(frame);
}

static void on_timer(void *context)
{
	static const uint32_t self = 1;
	struct event view = { .kind = EVENT_VIEW, .view = { &self, 1, &self, 1, false } };
	size_t n = test.frames_n;
	struct buf frames[FRAMES_MAX];

	shell_timer_fired(&test.timer);
	shell_timer_arm(test.shell, &test.timer, 1, on_timer, NULL);
	memcpy(frames, test.frames, sizeof(frames));
	test.frames_n = 0;
	if (!test.begun)
		test.shell->event(test.shell->context, &view);
	test.begun = true;
	for (size_t i = 0; i < n; i++)
		deliver(&frames[i]);
	/* It has written for long enough. */
	if (test.submitted >= BATCHES_WANTED && !test.left) {
		test.left = true;
		raise(SIGTERM);
	}
}

struct group *__wrap_group_new(const struct shell *shell,
			       void (*node_known)(void *context, uint32_t node), void *context)
{
	test.shell = shell;
	test.timer = (struct shell_timer){ 0 };
	shell_timer_arm(shell, &test.timer, 1, on_timer, NULL);
	return mem_new(struct group);
}

void __wrap_group_free(struct group *group)
{
	shell_timer_stop(test.shell, &test.timer);
	for (size_t i = 0; i < test.frames_n; i++)
		buf_free(&test.frames[i]);
	test.frames_n = 0;
	test.shell = NULL;
	free(group);
}

void __wrap_group_send(struct group *group, struct buf *frame)
{
	CU_ASSERT_FATAL(test.frames_n < FRAMES_MAX);
	test.frames[test.frames_n++] = *frame;
	*frame = (struct buf){ 0 };
}

/* ---------------------------------------------------------------- what is written */

int __wrap_store_submit(struct store *store, struct persist *persists, size_t n, uint64_t seq)
{
	CU_ASSERT_FATAL(test.submitted + 1 < BATCHES_MAX);
	if (test.refuse && test.submitted + 1 == test.refuse) {
		load_free(persists, n);
		return -ENOSPC;
	}
	for (size_t i = 0; i < n; i++)
		disk_write(&test.model, &persists[i]);
	test.digests[++test.submitted] = load_digest(&test.model);
	CU_ASSERT_EQUAL(seq, test.submitted);
	return __real_store_submit(store, persists, n, seq);
}

int __wrap_store_poll(struct store *store, uint64_t *ret_durable, char *ret_why, size_t size)
{
	int error = __real_store_poll(store, ret_durable, ret_why, size);

	if (!error)
		test.told = *ret_durable;
	return error;
}

/* The others are not to wait for our disk. */
void __wrap_store_close(struct store *store)
{
	test.closed_first |= test.shell != NULL;
	__real_store_close(store);
}

/* A daemon that leaves may end so when its disk hangs; none does here. */
_Noreturn void __wrap__exit(int status)
{
	abort();
}

/* ---------------------------------------------------------------- a daemon */

static void begin(void)
{
	struct genesis genesis = { .name = "one" };
	struct store *store;
	char why[300] = "";

	memset(&test, 0, sizeof(test));
	test.fs = crashfs_new(1);
	snprintf(test.dir, sizeof(test.dir), "/tmp/clusterd-loop-store-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(test.dir));
	conf_init(&test.conf);
	free(test.conf.state_dir);
	free(test.conf.run_dir);
	free(test.conf.agent_dir);
	test.conf.state_dir = mem_strdup(crashfs_dir(test.fs));
	test.conf.run_dir = mem_strdup(test.dir);
	test.conf.agent_dir = mem_strdup("/nonexistent");
	CU_ASSERT_EQUAL_FATAL(genesis_add_node(&genesis, "1=n1,192.0.2.1", why, sizeof(why)), 0);
	CU_ASSERT_EQUAL_FATAL(store_open(test.conf.state_dir, &store, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL_FATAL(genesis_write(&genesis, store, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL_FATAL(store_set_node(store, 1), 0);
	__real_store_close(store);
}

static void end(void)
{
	DIR *dir = opendir(test.dir);
	struct dirent *entry;
	char path[400];

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", test.dir, entry->d_name);
		unlink(path);
	}
	closedir(dir);
	CU_ASSERT_EQUAL(rmdir(test.dir), 0);
	conf_free(&test.conf);
	disk_wipe(&test.model);
	crashfs_free(test.fs);
}

static struct store *open_store(void)
{
	struct store *store = NULL;
	char why[300] = "";

	CU_ASSERT_EQUAL_FATAL(loop_open_store(test.conf.state_dir, &store, why, sizeof(why)), 0);
	return store;
}

/* One life, from what is on the disk. fault: at the nth of its kind, so many times; nth 0: none. */
static int live(enum crashfs_fault fault, unsigned nth, unsigned times)
{
	struct store *store = open_store();
	int exit;

	disk_wipe(&test.model);
	CU_ASSERT_EQUAL_FATAL(load_read(store, &test.model), 0);
	test.digests[0] = load_digest(&test.model);
	test.submitted = test.told = 0;
	test.begun = test.left = test.closed_first = false;
	if (nth)
		crashfs_plan(test.fs, fault, nth, times);
	alarm(HANG_S);
	exit = loop_run(&test.conf, store);
	alarm(0);
	signal(SIGALRM, SIG_DFL);
	return exit;
}

/* Of the batches all are there that the core was told of, in order, and each as a whole. */
static void check_disk(bool all)
{
	struct store *store = open_store();
	struct disk disk;
	size_t i;

	CU_ASSERT_EQUAL_FATAL(load_read(store, &disk), 0);
	for (i = test.told; i < test.submitted; i++)
		if (load_digest(&disk) == test.digests[i])
			break;
	CU_ASSERT_EQUAL(load_digest(&disk), test.digests[i]);
	CU_ASSERT(!all || i == test.submitted);
	disk_wipe(&disk);
	__real_store_close(store);
}

/* ---------------------------------------------------------------- tests */

static void test_leaves_cleanly(void)
{
	begin();
	CU_ASSERT_EQUAL(live(CRASHFS_POWER, 0, 0), LOOP_EXIT_CLEAN);
	CU_ASSERT(test.submitted >= BATCHES_WANTED);
	CU_ASSERT(!test.closed_first);
	check_disk(true);
	end();
}

/* Whatever fails, and when: the daemon ends, and the next one finds what it knew to be there. */
static void test_disk_fails(void)
{
	static const enum crashfs_fault faults[] = { CRASHFS_WRITE, CRASHFS_FULL, CRASHFS_SYNC };

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		for (unsigned nth = 1; nth <= 4; nth++) {
			begin();
			CU_ASSERT_EQUAL(live(faults[i], nth, 1000), LOOP_EXIT_STORE);
			CU_ASSERT(!test.closed_first);
			CU_ASSERT(test.told < test.submitted);
			CU_ASSERT(crashfs_calm(test.fs));
			check_disk(false);
			/* As systemd starts it again. */
			if (nth == 2) {
				CU_ASSERT_EQUAL(live(CRASHFS_POWER, 0, 0), LOOP_EXIT_CLEAN);
				check_disk(true);
			}
			end();
		}
}

/* It is never tried again, not even if the disk is well a moment later. */
static void test_disk_fails_once(void)
{
	begin();
	CU_ASSERT_EQUAL(live(CRASHFS_SYNC, 3, 1), LOOP_EXIT_STORE);
	CU_ASSERT(test.told < test.submitted);
	check_disk(false);
	end();
}

static void test_queue_is_full(void)
{
	begin();
	test.refuse = 3;
	CU_ASSERT_EQUAL(live(CRASHFS_POWER, 0, 0), LOOP_EXIT_STORE);
	CU_ASSERT_EQUAL(test.submitted, 2);
	/* What was taken is written all the same. */
	check_disk(true);
	end();
}

/* Without room a daemon does not begin: it would end at its first write, and join again. */
static void test_no_room(void)
{
	struct store *store = NULL;
	char why[300] = "";

	begin();
	crashfs_plan(test.fs, CRASHFS_FULL, 1, 1);
	CU_ASSERT_EQUAL(loop_open_store(test.conf.state_dir, &store, why, sizeof(why)), -ENOSPC);
	CU_ASSERT_PTR_NULL(store);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "make room"));
	end();
}

UNIT_MAIN("clusterd/shell/loop_store",
	  { "leaves-cleanly", test_leaves_cleanly },
	  { "disk-fails", test_disk_fails },
	  { "disk-fails-once", test_disk_fails_once },
	  { "queue-is-full", test_queue_is_full },
	  { "no-room", test_no_room })
