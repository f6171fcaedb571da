/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everyn_store lets each allocation, and each read, write and sync fail in turn, of one thing that
 * is done with a store: each kind of write, a snapshot, genesis, force, making it, opening it after
 * a crash, bringing it up from an older schema, filling a core from it. Held is that
 *
 *  - it ends in the one way in which memory ends a process, or is refused with an error that is not
 *    damage, or is done;
 *  - what was refused is not half done: what is read then is what was there before, and it can be
 *    done again; nothing leaks (with a sanitizer);
 *  - after a restart all of it is there, or nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/core.h"
#include "clusterd/shell/force.h"
#include "clusterd/shell/genesis.h"
#include "clusterd/shell/shell.h"
#include "clusterd/shell/store_schema.h"
#include "tests/fault/crashfs.h"
#include "tests/fault/load.h"
#include "tests/fault/nth.h"
#include "wire/message.h"

/* Each search for leaks takes its time. */
#ifdef __SANITIZE_ADDRESS__
enum { SAMPLE = 3 };
#else
enum { SAMPLE = 12 };
#endif

enum { CREATE_SIZE = 8192, WHY_SIZE = 400, MEMORY = CRASHFS_KINDS, CHILD_S = 60 };

struct task {
	const char *name;
	/* What was there before, in a crashfs that is empty. */
	void (*before)(void);
	/* Done with an open store, or with none and opens it. */
	int (*act)(struct store **store);
	bool opens, keeps;		/* the content stays as it is */
};

static struct {
	const struct task *task;
	struct store *store;
	int error;
	uint64_t before, after;		/* digests of the content */
} now;

static struct crashfs *fs;
static unsigned tried;

static _Noreturn void wrong(const char *what, unsigned fault, unsigned n)
{
	printf("everyn_store: %s, fault %u at %u: %s\n", now.task->name, fault, n, what);
	exit(1);
}

/* ---------------------------------------------------------------- what is there before */

static struct store *open_store(void)
{
	struct store *store = NULL;
	char why[WHY_SIZE] = "";

	if (store_open(crashfs_dir(fs), &store, why, sizeof(why)) < 0) {
		printf("everyn_store: %s\n", why);
		exit(1);
	}
	return store;
}

static void nothing(void)
{
}

static void empty(void)
{
	store_close(open_store());
}

static struct persist put(uint64_t id, const char *name)
{
	struct persist persist = { .kind = PERSIST_PUT, .table = WIRE__TABLE__TABLE_VM, .id = id };
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;

	vm.id = id;
	vm.name = (char *)name;
	vm.essence = &essence;
	wire_pack(&vm.base, &persist.data);
	return persist;
}

static struct persist append(uint64_t index)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Noop noop = WIRE__NOOP__INIT;
	struct persist persist = { .kind = PERSIST_APPEND, .index = index, .epoch = 1 };

	command.body_case = WIRE__COMMAND__BODY_NOOP;
	command.noop = &noop;
	wire_pack(&command.base, &persist.data);
	return persist;
}

static int write_free(struct store *store, struct persist *persists, size_t n)
{
	int error = store_write_now(store, persists, n);

	for (size_t i = 0; i < n; i++)
		buf_free(&persists[i].data);
	return error;
}

static void fill(struct store *store)
{
	struct persist persists[] = {
		{ .kind = PERSIST_PROMISE, .value = 3 }, append(1), append(2), append(3), append(4),
		put(1, "one"), put(2, "two"),
		{ .kind = PERSIST_APPLIED, .value = 3, .index = 3, .epoch = 1 },
	};

	if (write_free(store, persists, ARRAY_SIZE(persists)) < 0)
		abort();
}

static void filled(void)
{
	struct store *store = open_store();

	fill(store);
	store_close(store);
}

/* Killed: all of it is in the log of the store, and not synced. */
static void killed(void)
{
	struct store *store = open_store();

	fill(store);
	crashfs_kill(fs);
	store_close(store);
	crashfs_boot(fs);
}

/* ---------------------------------------------------------------- what is done */

static int write_one(struct store *store, struct persist persist)
{
	return write_free(store, &persist, 1);
}

static int promise(struct store **store)
{
	return write_one(*store, (struct persist){ .kind = PERSIST_PROMISE, .value = 9 });
}

static int append_some(struct store **store)
{
	struct persist persists[] = { append(5), append(6), append(7) };

	return write_free(*store, persists, ARRAY_SIZE(persists));
}

static int cut(struct store **store)
{
	struct persist persists[] = { { .kind = PERSIST_CUT, .value = 3 }, append(4), append(5) };

	persists[1].epoch = persists[2].epoch = 2;
	return write_free(*store, persists, ARRAY_SIZE(persists));
}

static int trim(struct store **store)
{
	return write_one(*store, (struct persist){ .kind = PERSIST_TRIM, .value = 3 });
}

static int put_some(struct store **store)
{
	struct persist persists[] = { put(2, "other"), put(3, "new"), put(4, "newer") };

	return write_free(*store, persists, ARRAY_SIZE(persists));
}

static int del(struct store **store)
{
	return write_one(*store, (struct persist){ .kind = PERSIST_DEL, .id = 1,
						   .table = WIRE__TABLE__TABLE_VM });
}

static int applied(struct store **store)
{
	return write_one(*store, (struct persist){ .kind = PERSIST_APPLIED, .value = 4,
						   .index = 4, .epoch = 1 });
}

static int snapshot(struct store **store)
{
	struct persist persists[] = {
		{ .kind = PERSIST_WIPE }, put(8, "eight"), put(9, "nine"),
		{ .kind = PERSIST_APPLIED, .value = 70, .index = 70, .epoch = 2 },
	};

	return write_free(*store, persists, ARRAY_SIZE(persists));
}

static int set_node(struct store **store)
{
	return store_set_node(*store, 3);
}

static int genesis(struct store **store)
{
	_cleanup_(freep) struct genesis *genesis = mem_new(struct genesis);
	char why[WHY_SIZE];

	genesis->name = "test";
	if (genesis_add_node(genesis, "1=n1,192.0.2.1", why, sizeof(why)) < 0)
		abort();
	return genesis_write(genesis, *store, why, sizeof(why));
}

/* A cluster of which this node is the only voter already; it is not its state that matters here. */
static void clustered(void)
{
	struct store *store = open_store();

	if (genesis(&store) < 0 || store_set_node(store, 1) < 0)
		abort();
	store_close(store);
}

static int force(struct store **store)
{
	struct forcing *forcing = NULL;
	char why[WHY_SIZE];
	int error = forcing_new(*store, false, &forcing, why, sizeof(why));

	if (!error)
		error = forcing_write(forcing, "root", why, sizeof(why));
	forcing_free(forcing);
	return error;
}

static int open_it(struct store **store)
{
	char why[WHY_SIZE];
	struct disk disk;
	int error = store_open(crashfs_dir(fs), store, why, sizeof(why));

	if (error) {
		*store = NULL;
		return error;
	}
	error = load_read(*store, &disk);
	disk_wipe(&disk);
	if (error)
		store_close(steal_ptr(*store));
	return error;
}

static int bring_up(struct store **store)
{
	static const char step[] =
		"ALTER TABLE vm ADD COLUMN colour TEXT; UPDATE vm SET colour = 'red';"
		"CREATE TABLE extra (id INTEGER PRIMARY KEY);"
		"INSERT INTO extra SELECT idx FROM log;";
	const char *steps[STORE_SCHEMA_VERSION] = { [STORE_SCHEMA_VERSION - 1] = step };
	static char create[CREATE_SIZE];
	const struct store_schema schema = { STORE_SCHEMA_VERSION + 1, create, steps };
	char why[WHY_SIZE];

	/* Not of the heap, which fails. */
	snprintf(create, sizeof(create), "%s;%s", store_schema.create, step);
	return store_open_schema(crashfs_dir(fs), &schema, store, why, sizeof(why));
}

static int to_core_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	core_load_record(context, table, id, data, size);
	return 0;
}

static int to_core_entry(void *context, uint64_t index, uint64_t epoch, const void *data,
			 size_t size)
{
	return core_load_entry(context, index, epoch, data, size);
}

/* As the loop does it. */
static int fill_core(struct store **store)
{
	const struct core_config config = { .node = 1, .boot_id = 1, .disk_id = 1,
					    .kernel_boot_id = "", .random = 1 };
	struct core *core = core_new(&config);
	uint64_t index, epoch, boot, voters;
	int error;

	core_load_promise(core, store_promised(*store));
	store_alone(*store, &epoch, &voters);
	core_load_alone(core, epoch, voters);
	store_together(*store, &boot, &voters);
	core_load_together(core, boot, voters);
	store_applied(*store, &index, &epoch);
	core_load_applied(core, index, epoch);
	error = store_each_record(*store, to_core_record, core);
	if (!error)
		error = store_each_entry(*store, to_core_entry, core);
	if (!error)
		error = core_load_done(core);
	core_free(core);
	return error;
}

/* A cluster that begins is always the same. */
uint64_t __wrap_shell_random(void);
uint64_t __wrap_shell_wall_ms(void);
void __wrap_shell_uuid(char uuid[SHELL_UUID_SIZE]);

uint64_t __wrap_shell_random(void)
{
	return 4711;
}

uint64_t __wrap_shell_wall_ms(void)
{
	return UINT64_C(1700000000000);
}

void __wrap_shell_uuid(char uuid[SHELL_UUID_SIZE])
{
	/* The one that is forced needs another one. */
	snprintf(uuid, SHELL_UUID_SIZE, "%s",
		 now.task->act == force && now.store ? "22345678-9abc-4def-8123-456789abcdef"
						     : "12345678-9abc-4def-8123-456789abcdef");
}

static const struct task tasks[] = {
	{ "promise", filled, promise, false, false },
	{ "append", filled, append_some, false, false },
	{ "cut", filled, cut, false, false },
	{ "trim", filled, trim, false, false },
	{ "put", filled, put_some, false, false },
	{ "del", filled, del, false, false },
	{ "applied", filled, applied, false, false },
	{ "snapshot", filled, snapshot, false, false },
	{ "node", filled, set_node, false, true },
	{ "genesis", empty, genesis, false, false },
	{ "force", clustered, force, false, false },
	{ "make", nothing, open_it, true, true },
	{ "open", filled, open_it, true, true },
	{ "open after a crash", killed, open_it, true, true },
	{ "migrate", filled, bring_up, true, true },
	{ "fill a core", filled, fill_core, false, true },
};

/* ---------------------------------------------------------------- at every n */

static uint64_t content(struct store *store)
{
	struct disk disk;
	uint64_t digest = 0;

	if (load_read(store, &disk) == 0)
		digest = load_digest(&disk);
	disk_wipe(&disk);
	return digest;
}

static void act(void *context)
{
	now.error = now.task->act(&now.store);
}

/* With a newer schema it is opened by that. */
static uint64_t content_of_disk(unsigned fault, unsigned n)
{
	struct store *store = NULL;
	char why[WHY_SIZE] = "";
	uint64_t digest;
	int error;

	if (now.task->act == bring_up)
		error = bring_up(&store);
	else
		error = store_open(crashfs_dir(fs), &store, why, sizeof(why));
	if (error)
		wrong("the store cannot be opened after it", fault, n);
	digest = content(store);
	store_close(store);
	return digest;
}

/* It was refused: the same store, or the same file, is as it was. */
static void check_refused(unsigned fault, unsigned n)
{
	bool memory = fault == MEMORY;

	if (memory ? now.error != -ENOMEM : now.error != -EIO && now.error != -ENOSPC)
		wrong(now.error == -EBADMSG ? "it is called damage" : "it is called something else",
		      fault, n);
	if (now.task->opens && now.store)
		wrong("a store that was not opened", fault, n);
	if (!memory || now.task->opens)
		return;
	if (content(now.store) != now.before)
		wrong("it is half done", fault, n);
	if (now.task->act(&now.store) < 0)
		wrong("it cannot be done again", fault, n);
	if (content(now.store) != now.after)
		wrong("done again it is something else", fault, n);
}

static void check_after(unsigned fault, unsigned n, bool died)
{
	uint64_t digest;

	if (died) {
		/* What it held is nobody's any more. */
		crashfs_kill(fs);
		crashfs_boot(fs);
	} else {
		if (now.error)
			check_refused(fault, n);
		store_close(steal_ptr(now.store));
	}
	digest = content_of_disk(fault, n);
	if (digest != now.before && digest != now.after)
		wrong("it is half there", fault, n);
	if (!died && !now.error && digest != now.after)
		wrong("it is not there", fault, n);
	if (!died && nth_leaks())
		wrong("memory is lost", fault, n);
}

/* In a process of its own, which was forked; false: there is no nth. */
static bool fail_at(unsigned fault, unsigned n)
{
	bool died = false, come;
	unsigned count;
	enum nth_end end;

	alarm(CHILD_S);
	if (!now.task->opens)
		now.store = open_store();
	if (fault == MEMORY) {
		end = nth_try(n, act, NULL, &count);
		come = end != NTH_THROUGH;
		died = end == NTH_DIED;
	} else {
		crashfs_plan(fs, (enum crashfs_fault)fault, n, 1);
		act(NULL);
		come = crashfs_calm(fs);
	}
	check_after(fault, n, died);
	return come;
}

/* A sample, the first ones closely, is what there is time for; or all. */
static unsigned next(unsigned n, bool all)
{
	return n + (all || n < SAMPLE ? 1 : n / SAMPLE);
}

static void fail_each(unsigned fault, bool all)
{
	for (unsigned n = 1;; n = next(n, all)) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(fail_at(fault, n) ? 0 : 77);
		waitpid(pid, &status, 0);
		if (!WIFEXITED(status))
			wrong("it did not end as it should", fault, n);
		if (WEXITSTATUS(status) == 77)
			return;
		if (WEXITSTATUS(status) != 0)
			exit(1);
		tried++;
	}
}

static void learn(void)
{
	struct crashfs_copy *copy = crashfs_save(fs);

	now.store = NULL;
	now.before = content_of_disk(MEMORY, 0);
	crashfs_restore(fs, copy);
	crashfs_copy_free(copy);
	if (!now.task->opens)
		now.store = open_store();
	act(NULL);
	if (now.error)
		wrong("it does not work", MEMORY, 0);
	now.after = content(now.store);
	store_close(steal_ptr(now.store));
	if ((now.before == now.after) != now.task->keeps)
		wrong("it does nothing", MEMORY, 0);
}

static void begin(const struct task *task)
{
	now.task = task;
	crashfs_reset(fs, 1);
	task->before();
	learn();
	crashfs_reset(fs, 1);
	task->before();
}

/* -a: at each n. "make" 5 248: one fault of one task, in this process, for a debugger. */
int main(int argc, char **argv)
{
	static const enum crashfs_fault faults[] = { CRASHFS_READ, CRASHFS_WRITE, CRASHFS_FULL,
						     CRASHFS_SYNC };
	bool all = argc == 2 && strcmp(argv[1], "-a") == 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	nth_watch_sqlite();
	fs = crashfs_new(1);
	/* Done again it is to be the same: the id of the disk, which voters are known by, too. */
	crashfs_next_id(UINT64_C(0x0707070707070707));
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		if (argc == 4 && strcmp(argv[1], tasks[i].name) != 0)
			continue;
		begin(&tasks[i]);
		if (argc == 4)
			return fail_at((unsigned)strtoul(argv[2], NULL, 10),
				       (unsigned)strtoul(argv[3], NULL, 10)) ? 0 : 77;
		fail_each(MEMORY, all);
		for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
			fail_each(faults[f], all);
	}
	crashfs_free(fs);
	printf("everyn_store: %zu tasks, %u faults\n", ARRAY_SIZE(tasks), tried);
	return 0;
}
