/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's loop with a real store and in a group of its own: what it makes of a store that it
 * cannot go on with, at the start and while it runs.
 */
#include "clusterd/shell/loop.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/core.h"
#include "clusterd/core/feature.h"
#include "clusterd/shell/genesis.h"
#include "clusterd/shell/group.h"
#include "clusterd/shell/local_socket.h"
#include "tests/unit/unit.h"
#include "wire/frame.h"
#include "wire/message.h"

enum { NODE = 1, FRAMES_MAX = 256 };

/* ---------------------------------------------------------------- a group of one */

/* In place of Corosync: what is sent comes back, in its order. */
struct group {
	const struct shell *shell;
	void (*node_known)(void *context, uint32_t node);
	void *context;
	struct shell_timer timer;	/* armed while there is something to tell */
	bool view;
	struct buf frames[FRAMES_MAX];
	size_t first, n;
};

/* Once the first entry of the epoch is acknowledged. */
static void (*when_open)(struct group *group);
/* Promises and entries that were told to be on disk since the disk failed. */
static unsigned acknowledged;
static bool broken, leave_early;

static void tell_view(struct group *group)
{
	static const uint32_t self[] = { NODE };
	struct event event = { .kind = EVENT_VIEW };

	group->node_known(group->context, NODE);
	event.view.members = event.view.ring = self;
	event.view.members_n = event.view.ring_n = 1;
	group->shell->event(group->shell->context, &event);
	if (leave_early)
		raise(SIGTERM);
}

static void tell_frame(struct group *group)
{
	struct buf *frame = &group->frames[group->first++];
	struct event event = { .kind = EVENT_FRAME };
	struct frame_header header;
	ProtobufCMessage *body;

	CU_ASSERT_EQUAL_FATAL(frame_decode(frame->data, frame->len, &header, &body), 0);
	event.frame = (struct event_frame){ NODE, &header, body };
	group->shell->event(group->shell->context, &event);
	if (header.type == FRAME_ACK && when_open)
		steal_ptr(when_open)(group);
	frame_body_free(body);
}

static void tell_next(void *context);

static void arm(struct group *group)
{
	if (!group->timer.handle)
		shell_timer_arm(group->shell, &group->timer, 0, tell_next, group);
}

static void tell_next(void *context)
{
	struct group *group = context;

	shell_timer_fired(&group->timer);
	if (group->view) {
		group->view = false;
		tell_view(group);
	} else {
		tell_frame(group);
	}
	if (group->view || group->first < group->n)
		arm(group);
}

struct group *group_new(const struct shell *shell, void (*node_known)(void *context, uint32_t node),
			void *context)
{
	struct group *group = mem_new(struct group);

	*group = (struct group){ .shell = shell, .node_known = node_known, .context = context,
				 .view = true };
	arm(group);
	return group;
}

void group_free(struct group *group)
{
	if (!group)
		return;
	shell_timer_stop(group->shell, &group->timer);
	for (size_t i = 0; i < group->n; i++)
		buf_free(&group->frames[i]);
	free(group);
}

void group_send(struct group *group, struct buf *frame)
{
	struct frame_header header;
	ProtobufCMessage *body;

	CU_ASSERT_EQUAL_FATAL(frame_decode(frame->data, frame->len, &header, &body), 0);
	frame_body_free(body);
	acknowledged += broken && (header.type == FRAME_READY || header.type == FRAME_ACK);
	CU_ASSERT_FATAL(group->n < FRAMES_MAX);
	group->frames[group->n++] = *frame;
	*frame = (struct buf){ 0 };
	arm(group);
}

/* ---------------------------------------------------------------- its house */

struct house {
	char dir[64];
	struct conf conf;
};

static void house_open(struct house *house)
{
	snprintf(house->dir, sizeof(house->dir), "/tmp/clusterd-loop-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(house->dir));
	house->conf = (struct conf){ .state_dir = house->dir, .run_dir = house->dir,
				     .agent_dir = (char *)"/nonexistent",
				     .libvirt_uri = (char *)"test:///default",
				     .secret_key = (char *)"/nonexistent" };
	when_open = NULL;
	broken = leave_early = false;
	acknowledged = 0;
}

/* How many files begin like that. */
static unsigned files(const struct house *house, const char *start)
{
	DIR *dir = opendir(house->dir);
	struct dirent *entry;
	unsigned n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir)) != NULL)
		n += strncmp(entry->d_name, start, strlen(start)) == 0;
	closedir(dir);
	return n;
}

static void house_close(struct house *house)
{
	DIR *dir = opendir(house->dir);
	struct dirent *entry;
	char path[400];

	while ((entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", house->dir, entry->d_name);
		unlink(path);
	}
	closedir(dir);
	rmdir(house->dir);
	/* Of a leave that might have hung. */
	alarm(0);
}

static struct store *open_store(const struct house *house)
{
	struct store *store = NULL;
	char why[500];

	CU_ASSERT_EQUAL_FATAL(store_open(house->dir, &store, why, sizeof(why)), 0);
	return store;
}

static void add_vm(struct update *update, Wire__Vm__Phase phase)
{
	struct persist *persist = update_persist(update, PERSIST_PUT);
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Vm vm = WIRE__VM__INIT;

	vm.id = persist->id = 7;
	vm.name = (char *)"a";
	vm.essence = &essence;
	vm.phase = phase;
	persist->table = WIRE__TABLE__TABLE_VM;
	wire_pack(&vm.base, &persist->data);
}

/* A cluster of this node alone, at that feature level, with a VM in that phase. */
static void begin_cluster(const struct house *house, uint32_t level, Wire__Vm__Phase phase)
{
	struct store *store = open_store(house);
	_cleanup_(wire_freep) Wire__Command *command = NULL;
	struct genesis genesis = { .name = "demo" };
	struct update update;
	char why[400];

	CU_ASSERT_EQUAL(genesis_add_node(&genesis, "1=n1,192.0.2.1", why, sizeof(why)), 0);
	CU_ASSERT_EQUAL_FATAL(genesis_command(&genesis, "12345678-9abc-4def-8123-456789abcdef", 1,
					      &command, why, sizeof(why)), 0);
	command->genesis->cluster->feature_level = level;
	update_init(&update);
	CU_ASSERT_EQUAL(core_genesis(command, &update), 0);
	add_vm(&update, phase);
	CU_ASSERT_EQUAL(store_write_now(store, update.persists, update.persists_n), 0);
	CU_ASSERT_EQUAL(store_set_node(store, NODE), 0);
	update_reset(&update);
	store_close(store);
}

/* ---------------------------------------------------------------- at the start */

static void leave(struct group *group)
{
	raise(SIGTERM);
}

static void test_good(void)
{
	struct house house;

	house_open(&house);
	begin_cluster(&house, 1, WIRE__VM__PHASE__OFF);
	when_open = leave;
	CU_ASSERT_EQUAL(loop_run(&house.conf, open_store(&house)), LOOP_EXIT_CLEAN);
	CU_ASSERT_PTR_NULL(when_open);
	CU_ASSERT_EQUAL(files(&house, "cluster.db.damaged"), 0);
	house_close(&house);
}

/* After the level was raised, somebody has gone back to this version: nothing is lost for that. */
static void test_newer(void)
{
	struct house house;

	house_open(&house);
	begin_cluster(&house, feature_table.max + 1, (Wire__Vm__Phase)99);
	CU_ASSERT_EQUAL(loop_run(&house.conf, open_store(&house)), LOOP_EXIT_CONFIG);
	CU_ASSERT_EQUAL(files(&house, "cluster.db.damaged"), 0);
	house_close(&house);
}

/* At a level that is known, it is damage. */
static void test_damaged(void)
{
	struct house house;

	house_open(&house);
	begin_cluster(&house, 1, (Wire__Vm__Phase)99);
	/* With an empty store no epoch opens. */
	leave_early = true;
	CU_ASSERT_EQUAL(loop_run(&house.conf, open_store(&house)), LOOP_EXIT_CLEAN);
	CU_ASSERT_EQUAL(files(&house, "cluster.db.damaged"), 1);
	house_close(&house);
}

/* ---------------------------------------------------------------- while it runs */

static void limit_files(rlim_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* From now on nothing can be written, and there is something to write. */
static void fail_disk(struct group *group)
{
	limit_files(0);
	broken = true;
	group->view = true;
}

/*
 * What could not be written is not acknowledged, nothing is tried again, and the daemon ends: it
 * is started anew, and goes on from what its disk holds.
 */
static void test_disk_fails(void)
{
	struct house house;

	house_open(&house);
	begin_cluster(&house, 1, WIRE__VM__PHASE__OFF);
	when_open = fail_disk;
	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_EQUAL(loop_run(&house.conf, open_store(&house)), LOOP_EXIT_STORE);
	limit_files(RLIM_INFINITY);
	CU_ASSERT_TRUE(broken);
	CU_ASSERT_EQUAL(acknowledged, 0);
	CU_ASSERT_EQUAL(files(&house, "cluster.db.damaged"), 0);
	broken = false;
	when_open = leave;
	CU_ASSERT_EQUAL(loop_run(&house.conf, open_store(&house)), LOOP_EXIT_CLEAN);
	CU_ASSERT_PTR_NULL(when_open);
	house_close(&house);
}

/* With another state_dir, no lock keeps two daemons apart: the one that serves goes on to. */
static void test_served(void)
{
	struct house house;
	struct stat before, after;
	char path[100], hook[100];
	int fd = -1;

	house_open(&house);
	snprintf(path, sizeof(path), "%s/operator.sock", house.dir);
	snprintf(hook, sizeof(hook), "%s/hook.sock", house.dir);
	CU_ASSERT_EQUAL_FATAL(local_listen(path, 0600, LOCAL_GROUP_NONE, &fd), 0);
	CU_ASSERT_EQUAL(lstat(path, &before), 0);
	begin_cluster(&house, 1, WIRE__VM__PHASE__OFF);
	CU_ASSERT_EQUAL(loop_run(&house.conf, open_store(&house)), LOOP_EXIT_FAILED);
	CU_ASSERT_EQUAL(lstat(path, &after), 0);
	CU_ASSERT_EQUAL(before.st_ino, after.st_ino);
	CU_ASSERT_EQUAL(access(hook, F_OK), -1);
	close(fd);
	house_close(&house);
}

static mode_t mode_of(const char *dir, const char *name)
{
	struct stat st = { 0 };
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	CU_ASSERT_EQUAL(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/*
 * Everybody may enter run_dir, so each socket keeps out by itself whom it is not for. Whoever comes
 * to the operator's is judged there, by the kernel's word.
 */
static void test_modes(void)
{
	static const char entry[] = "d " CLUSTERD_RUN_DIR " 0755 root ";
	FILE *file = fopen("clusterd/tmpfiles.d/clusterd.conf", "re");
	struct house house;
	char line[300];
	bool found = false;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	while (fgets(line, sizeof(line), file))
		found = found || strncmp(line, entry, strlen(entry)) == 0;
	fclose(file);
	CU_ASSERT_TRUE(found);
	house_open(&house);
	begin_cluster(&house, 1, WIRE__VM__PHASE__OFF);
	for (int all = 0; all <= 1; all++) {
		house.conf.read_all = all;
		when_open = leave;
		CU_ASSERT_EQUAL(loop_run(&house.conf, open_store(&house)), LOOP_EXIT_CLEAN);
		CU_ASSERT_EQUAL(mode_of(house.dir, "hook.sock"), 0600);
		CU_ASSERT_EQUAL(mode_of(house.dir, "operator.sock"),
				all ? 0666 : local_group("clusterd") < 0 ? 0600 : 0660);
	}
	house_close(&house);
}

UNIT_MAIN("clusterd/shell/loop", { "good", test_good }, { "newer", test_newer },
	  { "damaged", test_damaged }, { "disk fails", test_disk_fails },
	  { "served", test_served }, { "modes", test_modes })
