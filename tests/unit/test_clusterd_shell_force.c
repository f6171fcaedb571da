/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node that goes on alone, by its own store or by a backup. */
#include "clusterd/shell/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/state.h"
#include "clusterd/shell/genesis.h"
#include "clusterd/shell/shell.h"
#include "clusterd/shell/store_load.h"
#include "tests/unit/cellar.h"
#include "tests/unit/unit.h"

enum { STEPS = 40, STEP_BYTES = 16 * 1024, KILLS = 30 };

static char dir[64], backup[100];
static uint64_t disk_id;

/* n1's store, of a cluster with n2 and n3. */
static void begin(void)
{
	_cleanup_(freep) struct genesis *genesis = mem_new(struct genesis);
	struct store *store;
	char why[600];

	snprintf(dir, sizeof(dir), "/tmp/clusterd-test-force-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(backup, sizeof(backup), "%s.backup", dir);
	genesis->name = "demo";
	CU_ASSERT_EQUAL(genesis_add_node(genesis, "1=n1,10.0.0.1", why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(genesis_add_node(genesis, "2=n2,10.0.0.2", why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(genesis_add_node(genesis, "3=n3,10.0.0.3", why, sizeof(why)), 0);
	store = cellar_open(dir);
	CU_ASSERT_EQUAL(genesis_write(genesis, store, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(store_set_node(store, 1), 0);
	disk_id = store_disk_id(store);
	store_close(store);
}

static void end(void)
{
	char inner[100];

	snprintf(inner, sizeof(inner), "%s/restore", dir);
	cellar_empty(inner);
	cellar_empty(dir);
	rmdir(dir);
	unlink(backup);
}

static void move_store(const char *from_suffix, const char *to)
{
	char from[100];

	snprintf(from, sizeof(from), "%s%s", dir, from_suffix);
	CU_ASSERT_EQUAL(rename(from, to), 0);
}

/* The node's store becomes the backup. */
static void begin_restore(void)
{
	begin();
	move_store("/cluster.db", backup);
	CU_ASSERT_EQUAL(cellar_count(dir), 0);
}

/* It is what a daemon begins with. */
static void expect_forced(uint32_t node, bool restored)
{
	struct store *store = cellar_open(dir);
	const struct core_config config = { .node = node, .boot_id = 1,
					    .disk_id = store_disk_id(store),
					    .kernel_boot_id = "" };
	struct core *core = core_new(&config);
	const Wire__Cluster *cluster;

	CU_ASSERT_EQUAL(store_node(store), node);
	CU_ASSERT_EQUAL(store_disk_id(store) == disk_id, !restored);
	CU_ASSERT_EQUAL(store_load(store, core), 0);
	cluster = state_cluster(core_state(core));
	CU_ASSERT_PTR_NOT_NULL_FATAL(cluster);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cluster->forced);
	CU_ASSERT_STRING_EQUAL(cluster->name, "demo");
	CU_ASSERT_STRING_NOT_EQUAL(cluster->uuid, cluster->forced->before);
	CU_ASSERT_EQUAL(cluster->n_voters, 1);
	CU_ASSERT_EQUAL(cluster->voters[0], node);
	CU_ASSERT_EQUAL(cluster->voter_disks[0], store_disk_id(store));
	CU_ASSERT_EQUAL(cluster->forced->restore, restored);
	CU_ASSERT_EQUAL(state_index(core_state(core)), 1 + FORCE_JUMP);
	core_free(core);
	store_close(store);
}

static void expect_told(const struct forcing *forcing, const char *const *texts)
{
	char text[4000] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	forcing_tell(forcing, shell_wall_ms(), "clusterd --this", out);
	fclose(out);
	for (; *texts; texts++) {
		if (!strstr(text, *texts))
			printf("not told: %s\n%s", *texts, text);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, *texts));
	}
}

/* ---------------------------------------------------------------- its own store */

static void test_force(void)
{
	static const char *const texts[] = { "Cluster demo, as n1 has it:\n",
					     "last entry     1, of ",
					     "not asked more n2, n3\n",
					     "last not up    n1, n2, n3\n",
					     "VMs that are to run: none\n",
					     "Nothing was changed.",
					     "  clusterd --this --yes demo\n", NULL };
	struct forcing *forcing = NULL;
	struct store *store;
	char why[600];

	begin();
	store = cellar_open(dir);
	CU_ASSERT_EQUAL_FATAL(forcing_new(store, false, &forcing, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(forcing_name(forcing), "demo");
	expect_told(forcing, texts);
	CU_ASSERT_EQUAL(forcing_write(forcing, "root", why, sizeof(why)), 0);
	forcing_free(forcing);
	store_close(store);
	expect_forced(1, false);
	end();
}

/* Once more is another cluster once more, and that is no thing to be done by mistake. */
static void test_force_again(void)
{
	static const char *const texts[] = { "Cluster demo was forced already, on n1 "
					     "by root at 20", "must join anew", NULL };
	struct forcing *forcing = NULL;
	struct store *store;
	char why[600], text[4000] = "";
	FILE *out;

	begin();
	store = cellar_open(dir);
	CU_ASSERT_EQUAL_FATAL(forcing_new(store, false, &forcing, why, sizeof(why)), 0);
	out = fmemopen(text, sizeof(text), "w");
	CU_ASSERT_FALSE(forcing_tell_again(forcing, out));
	fclose(out);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_EQUAL(forcing_write(forcing, "root", why, sizeof(why)), 0);
	forcing_free(forcing);
	CU_ASSERT_EQUAL_FATAL(forcing_new(store, false, &forcing, why, sizeof(why)), 0);
	expect_told(forcing, texts);
	forcing_free(forcing);
	store_close(store);
	end();
}

static void test_nothing(void)
{
	struct forcing *forcing = NULL;
	struct store *store;
	char why[600];

	begin();
	end();
	mkdir(dir, 0700);
	store = cellar_open(dir);
	CU_ASSERT_EQUAL(forcing_new(store, false, &forcing, why, sizeof(why)), -ENODATA);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "There is nothing to go on with"));
	CU_ASSERT_EQUAL(store_set_node(store, 1), 0);
	CU_ASSERT_EQUAL(forcing_new(store, false, &forcing, why, sizeof(why)), -ENODATA);
	store_close(store);
	end();
}

/* ---------------------------------------------------------------- a backup */

static int restore_here(const char *as, uint32_t node, const char *host, char *why, size_t size)
{
	const struct restore_here here = { node, host };
	struct restore *restore = NULL;
	int error = restore_open(dir, backup, as, &here, &restore, why, size);

	if (!error)
		error = forcing_write(restore_forcing(restore), "root", why, size);
	if (!error)
		error = restore_finish(restore, why, size);
	restore_free(restore);
	return error;
}

/* On the node that it is to be. */
static int restore_as(const char *as, char *why, size_t size)
{
	return restore_here(as, as && strcmp(as, "n3") == 0 ? 3 : 1, "", why, size);
}

/* The store of another node would end the daemon at each start: that is not even begun. */
static void test_restore_elsewhere(void)
{
	static const struct {
		const char *as;
		uint32_t node;
		const char *host;
		int error;
		const char *text;
	} cases[] = {
		{ NULL, 2, "n1", -EXDEV, "It was made on n1 (1), and Corosync calls this node 2: "
		  "give --as n2, or restore it there; there are n1 (1), n2 (2), n3 (3)" },
		{ "n3", 2, "n3", -EXDEV, "Corosync calls this node 2, and n3 is 3: give --as n2" },
		{ NULL, 7, "n1", -EXDEV, "Corosync calls this node 7, which is none of its nodes" },
		{ "n1", 7, "n1", -EXDEV, "Corosync calls this node 7, which is none of its nodes" },
		{ NULL, 0, "n2", -EXDEV, "say which node it is to be with --as NODE; there are n1 "
		  "(1), n2 (2), n3 (3)" },
		{ NULL, 0, "", -EXDEV, "Corosync does not run" },
		{ "n2", 2, "", 0, "" },
		{ "n2", 0, "", 0, "" },
		{ NULL, 1, "other", 0, "" },
		{ NULL, 0, "n1", 0, "" },
		{ NULL, 0, "n1.example.org", 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[1000] = "";
		int error;

		begin_restore();
		error = restore_here(cases[i].as, cases[i].node, cases[i].host, why, sizeof(why));
		if (error != cases[i].error || !strstr(why, cases[i].text))
			printf("case %zu: %d %s\n", i, error, why);
		CU_ASSERT_EQUAL(error, cases[i].error);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, cases[i].text));
		CU_ASSERT_EQUAL(cellar_count(dir), error ? 0 : 1);
		end();
	}
}

static void test_restore(void)
{
	static const char *const texts[] = { "Cluster demo, as n1 has it in this backup:\n",
					     "not asked more n2, n3\n", NULL };
	const struct restore_here here = { 1, "" };
	struct restore *restore = NULL;
	char why[1000];

	begin_restore();
	/* Told of, and not done: nothing is left. */
	CU_ASSERT_EQUAL_FATAL(restore_open(dir, backup, NULL, &here, &restore, why,
					   sizeof(why)), 0);
	expect_told(restore_forcing(restore), texts);
	restore_free(restore);
	CU_ASSERT_EQUAL(cellar_count(dir), 0);
	CU_ASSERT_EQUAL(restore_as(NULL, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(cellar_count(dir), 1);
	expect_forced(1, true);
	/* And now there is a store. */
	CU_ASSERT_EQUAL(restore_as(NULL, why, sizeof(why)), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "This node has a store"));
	end();
}

static void test_restore_as(void)
{
	char why[1000];

	begin_restore();
	CU_ASSERT_EQUAL(restore_as("n9", why, sizeof(why)), -ENODATA);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "no node 'n9'"));
	CU_ASSERT_EQUAL(cellar_count(dir), 0);
	CU_ASSERT_EQUAL(restore_as("n3", why, sizeof(why)), 0);
	expect_forced(3, true);
	end();
}

static void run_sql(const char *sql)
{
	sqlite3 *db = NULL;

	CU_ASSERT_EQUAL(sqlite3_open(backup, &db), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void write_backup(const char *text)
{
	FILE *file = fopen(backup, "w");

	fputs(text, file);
	fclose(file);
}

static void no_change(void) { }
static void cut_short(void) { CU_ASSERT_EQUAL(truncate(backup, 20480), 0); }
static void empty(void) { write_backup(""); }
static void no_database(void) { write_backup("this is no database at all, but a file"); }
static void newer(void)
{
	run_sql("PRAGMA user_version = 9; PRAGMA application_id = 0x636c7509");
}
static void spoilt(void) { run_sql("UPDATE cluster SET record = x'00' WHERE id = 1"); }
static void row_lost(void) { run_sql("DELETE FROM node WHERE id = 2"); }
static void no_cluster(void)
{
	struct store *store = cellar_open(dir);

	store_close(store);
	move_store("/cluster.db", backup);
}
static void foreign(void)
{
	unlink(backup);
	run_sql("CREATE TABLE some (thing TEXT)");
}
static void not_there(void) { unlink(backup); }
static void no_file(void)
{
	unlink(backup);
	snprintf(backup, sizeof(backup), "/dev/null");
}

/* Nothing is changed by what cannot be restored, and it is told why. */
static void test_bad_files(void)
{
	static const struct {
		void (*spoil)(void);
		int error;
		const char *text;
	} cases[] = {
		{ cut_short, -EBADMSG, "is damaged or none of a cluster" },
		{ empty, -EBADMSG, "is no backup of a cluster" },
		{ no_database, -EBADMSG, "is no backup of a cluster" },
		{ newer, -EPROTO, "its schema is 9, this clusterd knows" },
		{ spoilt, -EBADMSG, "A checksum in the store is wrong" },
		{ row_lost, -EBADMSG, "A checksum in the store is wrong" },
		{ no_cluster, -ENODATA, "There is nothing to go on with" },
		{ foreign, -EBADMSG, "is damaged or none of a cluster" },
		{ not_there, -ENOENT, "cannot be read: No such file" },
		{ no_file, -EINVAL, "it is no file" },
		{ no_change, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[1000] = "";
		int error;

		begin_restore();
		cases[i].spoil();
		error = restore_as(NULL, why, sizeof(why));
		if (error != cases[i].error || !strstr(why, cases[i].text))
			printf("case %zu: %d %s\n", i, error, why);
		CU_ASSERT_EQUAL(error, cases[i].error);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, cases[i].text));
		CU_ASSERT_EQUAL(cellar_count(dir), error ? 0 : 1);
		if (strcmp(backup, "/dev/null") == 0)
			backup[0] = '\0';
		end();
	}
}

static bool has_store(void)
{
	char path[100];
	struct stat st;

	snprintf(path, sizeof(path), "%s/cluster.db", dir);
	return lstat(path, &st) == 0;
}

/* A disk that takes only so much, at every so many bytes: it is refused whole. */
static void test_full_disk(void)
{
	unsigned done = 0;

	signal(SIGXFSZ, SIG_IGN);
	for (unsigned n = 1; n <= STEPS; n++) {
		char why[1000];
		int status;
		pid_t pid;

		begin_restore();
		pid = fork();
		if (pid == 0) {
			const struct rlimit size = { n * STEP_BYTES, n * STEP_BYTES };

			setrlimit(RLIMIT_FSIZE, &size);
			_exit(restore_as(NULL, why, sizeof(why)) ? 1 : 0);
		}
		waitpid(pid, &status, 0);
		CU_ASSERT(WIFEXITED(status));
		CU_ASSERT_EQUAL(has_store(), WEXITSTATUS(status) == 0);
		CU_ASSERT_EQUAL(cellar_count(dir), WEXITSTATUS(status) == 0 ? 1 : 0);
		if (has_store())
			expect_forced(1, true);
		done += has_store();
		end();
	}
	signal(SIGXFSZ, SIG_DFL);
	CU_ASSERT(done > 0 && done < STEPS);
}

/* Ended at any moment, there is none or a whole one, and it can be done again. */
static void test_killed(void)
{
	for (unsigned n = 0; n < KILLS; n++) {
		char why[1000];
		int status;
		pid_t pid;

		begin_restore();
		pid = fork();
		if (pid == 0)
			_exit(restore_as(NULL, why, sizeof(why)) ? 1 : 0);
		usleep(n * 1000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (!has_store())
			CU_ASSERT_EQUAL(restore_as(NULL, why, sizeof(why)), 0);
		expect_forced(1, true);
		end();
	}
}

UNIT_MAIN("shell/force", { "force", test_force },
	  { "force_again", test_force_again }, { "nothing", test_nothing },
	  { "restore", test_restore }, { "restore_as", test_restore_as },
	  { "restore_elsewhere", test_restore_elsewhere },
	  { "bad_files", test_bad_files }, { "full_disk", test_full_disk },
	  { "killed", test_killed })
