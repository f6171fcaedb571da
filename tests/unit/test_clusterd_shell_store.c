/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store.h"
#include "tests/unit/unit.h"

#include "base/mem.h"
#include "clusterd/core/state.h"
#include "wire/message.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

/* ---------------------------------------------------------------- helpers */

static char dir[64];

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/clusterd-test-store-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static size_t files_like(const char *start, bool remove)
{
	DIR *all = opendir(dir);
	struct dirent *entry;
	size_t n = 0;
	char path[400];

	while (all && (entry = readdir(all)))
		if (entry->d_name[0] != '.' && strncmp(entry->d_name, start, strlen(start)) == 0) {
			snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
			if (remove)
				unlink(path);
			n++;
		}
	closedir(all);
	return n;
}

static void remove_dir(void)
{
	files_like("", true);
	rmdir(dir);
}

static struct store *open_store(void)
{
	struct store *store = NULL;
	char why[400] = "";
	int error = store_open(dir, &store, why, sizeof(why));

	if (error)
		printf("open: %d %s\n", error, why);
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return store;
}

static struct persist put_vm(uint64_t id, const char *name)
{
	Wire__Vm vm = WIRE__VM__INIT;
	struct persist persist = { .kind = PERSIST_PUT, .table = WIRE__TABLE__TABLE_VM, .id = id };

	vm.id = id;
	vm.name = (char *)name;
	vm.phase = WIRE__VM__PHASE__RUN;
	wire_pack(&vm.base, &persist.data);
	return persist;
}

static struct persist append(uint64_t index, uint64_t epoch, const char *text)
{
	struct persist persist = { .kind = PERSIST_APPEND, .index = index, .epoch = epoch };

	buf_append_str(&persist.data, text);
	return persist;
}

static void write_all(struct store *store, struct persist *persists, size_t n)
{
	CU_ASSERT_EQUAL(store_write_now(store, persists, n), 0);
	for (size_t i = 0; i < n; i++)
		buf_free(&persists[i].data);
}

static int list_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	_cleanup_(wire_freep) Wire__Vm *vm = NULL;

	CU_ASSERT_EQUAL(table, WIRE__TABLE__TABLE_VM);
	CU_ASSERT_EQUAL_FATAL(wire_unpack(&wire__vm__descriptor, data, size,
					  (ProtobufCMessage **)&vm), 0);
	CU_ASSERT_EQUAL(vm->id, id);
	buf_printf(context, "%" PRIu64 "=%s ", id, vm->name);
	return 0;
}

static int list_entry(void *context, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	buf_printf(context, "%" PRIu64 "/%" PRIu64 "=%.*s ", index, epoch, (int)size,
		   (const char *)data);
	return 0;
}

static void expect(struct store *store, const char *records, const char *entries)
{
	_cleanup_(buf_free) struct buf text = { 0 };

	CU_ASSERT_EQUAL(store_each_record(store, list_record, &text), 0);
	CU_ASSERT_STRING_EQUAL(buf_str(&text), records);
	buf_reset(&text);
	CU_ASSERT_EQUAL(store_each_entry(store, list_entry, &text), 0);
	CU_ASSERT_STRING_EQUAL(buf_str(&text), entries);
}

static int same_bytes(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	const struct buf *wanted = context;

	CU_ASSERT_EQUAL_FATAL(size, wanted->len);
	CU_ASSERT_EQUAL(memcmp(data, wanted->data, size), 0);
	return 0;
}

/* What another version put into a record comes back as it was, whatever the columns show. */
static void test_unknown_fields(void)
{
	static const uint8_t newer[] = { 0xa0, 0x1f, 0x07, 0xaa, 0x1f, 0x02, 'h', 'i' };
	struct persist persist = put_vm(7, "web1");
	_cleanup_(buf_free) struct buf wanted = { 0 };
	struct store *store;

	make_dir();
	store = open_store();
	buf_append(&persist.data, newer, sizeof(newer));
	buf_append(&wanted, persist.data.data, persist.data.len);
	write_all(store, &persist, 1);
	store_close(store);
	store = open_store();
	CU_ASSERT_EQUAL(store_each_record(store, same_bytes, &wanted), 0);
	store_close(store);
	remove_dir();
}

/* Runs SQL behind the store's back, which must be closed. */
static void sql(const char *statements)
{
	char path[100];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/cluster.db", dir);
	CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &db), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(db, statements, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* ---------------------------------------------------------------- one store */

static void test_new(void)
{
	struct store *store;
	uint64_t index = 9, epoch = 9, disk_id;
	struct stat st;
	char path[100];

	make_dir();
	store = open_store();
	disk_id = store_disk_id(store);
	CU_ASSERT_NOT_EQUAL(disk_id, 0);
	CU_ASSERT_EQUAL(store_promised(store), 0);
	CU_ASSERT_EQUAL(store_node(store), 0);
	store_applied(store, &index, &epoch);
	CU_ASSERT_EQUAL(index + epoch, 0);
	expect(store, "", "");
	CU_ASSERT_EQUAL(store_set_node(store, 3), 0);
	store_close(store);
	snprintf(path, sizeof(path), "%s/cluster.db", dir);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	store = open_store();
	CU_ASSERT_EQUAL(store_disk_id(store), disk_id);
	CU_ASSERT_EQUAL(store_node(store), 3);
	store_close(store);
	remove_dir();
}

static void test_every_kind(void)
{
	struct persist first[] = {
		{ .kind = PERSIST_PROMISE, .value = 5 },
		append(1, 1, "a"), append(2, 1, "b"), append(3, 2, ""), append(4, 2, "d"),
		put_vm(1, "web1"), put_vm(2, "web2"), put_vm(3, "web3"),
		{ .kind = PERSIST_APPLIED, .value = 3, .index = 3, .epoch = 2 },
	};
	struct persist second[] = {
		{ .kind = PERSIST_CUT, .value = 3 },
		append(4, 5, "D"),
		{ .kind = PERSIST_TRIM, .value = 2 },
		{ .kind = PERSIST_DEL, .table = WIRE__TABLE__TABLE_VM, .id = 1 },
		put_vm(2, "renamed"),
	};
	struct persist third[] = {
		{ .kind = PERSIST_WIPE },
		put_vm(7, "new"),
		{ .kind = PERSIST_APPLIED, .value = 70, .index = 70, .epoch = 9 },
	};
	uint64_t index, epoch;
	struct store *store;

	make_dir();
	store = open_store();
	write_all(store, first, ARRAY_SIZE(first));
	store_close(store);
	store = open_store();
	CU_ASSERT_EQUAL(store_promised(store), 5);
	expect(store, "1=web1 2=web2 3=web3 ", "1/1=a 2/1=b 3/2= 4/2=d ");
	write_all(store, second, ARRAY_SIZE(second));
	expect(store, "2=renamed 3=web3 ", "2/1=b 3/2= 4/5=D ");
	write_all(store, third, ARRAY_SIZE(third));
	store_close(store);
	store = open_store();
	expect(store, "7=new ", "");
	store_applied(store, &index, &epoch);
	CU_ASSERT_EQUAL(index, 70);
	CU_ASSERT_EQUAL(epoch, 9);
	/* The promise is not part of what a snapshot replaces. */
	CU_ASSERT_EQUAL(store_promised(store), 5);
	store_close(store);
	remove_dir();
}

static void test_readable_columns(void)
{
	struct persist vm[] = { put_vm(1, "web1") };
	struct store *store;

	make_dir();
	store = open_store();
	write_all(store, vm, 1);
	store_close(store);
	sql("CREATE TABLE proof (x CHECK (x = 1)); "
	    "INSERT INTO proof SELECT count(*) FROM vm WHERE id = 1 AND name = 'web1' "
	    "AND phase = 'RUN' AND wanted = 'STOPPED' AND owner = 0");
	remove_dir();
}

/* ---------------------------------------------------------------- the writing thread */

static uint64_t wait_durable(struct store *store, uint64_t seq)
{
	uint64_t durable = 0;
	char why[400];

	while (durable < seq) {
		struct pollfd p = { store_fd(store), POLLIN, 0 };

		CU_ASSERT_EQUAL_FATAL(poll(&p, 1, 20000), 1);
		CU_ASSERT_EQUAL_FATAL(store_poll(store, &durable, why, sizeof(why)), 0);
	}
	return durable;
}

static void submit(struct store *store, uint64_t seq)
{
	struct persist *persists = mem_new_array(struct persist, 2);
	char name[40];

	snprintf(name, sizeof(name), "vm%" PRIu64, seq);
	persists[0] = append(seq, 1, name);
	persists[1] = put_vm(seq, name);
	CU_ASSERT_EQUAL(store_submit(store, persists, 2, seq), 0);
}

static int count_entry(void *context, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	++*(uint64_t *)context;
	return 0;
}

static void test_thread(void)
{
	struct store *store;
	uint64_t n = 0;

	make_dir();
	store = open_store();
	CU_ASSERT_EQUAL_FATAL(store_start(store), 0);
	for (uint64_t seq = 1; seq <= 500; seq++)
		submit(store, seq);
	CU_ASSERT_EQUAL(wait_durable(store, 500), 500);
	/* What is submitted last is written by close. */
	submit(store, 501);
	store_close(store);
	store = open_store();
	CU_ASSERT_EQUAL(store_each_entry(store, count_entry, &n), 0);
	CU_ASSERT_EQUAL(n, 501);
	store_close(store);
	remove_dir();
}

/* Much more than the WAL may grow to, so that checkpoints come in between. */
static void test_checkpoints(void)
{
	struct store *store;
	struct stat st;
	char path[100], *text = mem_array(40001, 1);
	uint64_t n = 0;

	make_dir();
	memset(text, 'x', 40000);
	store = open_store();
	CU_ASSERT_EQUAL_FATAL(store_start(store), 0);
	for (uint64_t seq = 1; seq <= 1200; seq++) {
		struct persist *persists = mem_new_array(struct persist, 1);

		persists[0] = append(seq, 1, text);
		CU_ASSERT_EQUAL(store_submit(store, persists, 1, seq), 0);
		if (seq % 20 == 0)
			wait_durable(store, seq);
	}
	snprintf(path, sizeof(path), "%s/cluster.db-wal", dir);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_TRUE(st.st_size < 24 * 1024 * 1024);
	store_close(store);
	store = open_store();
	CU_ASSERT_EQUAL(store_each_entry(store, count_entry, &n), 0);
	CU_ASSERT_EQUAL(n, 1200);
	store_close(store);
	free(text);
	remove_dir();
}

static void submit_record(struct store *store, uint64_t seq)
{
	struct persist *persists = mem_new_array(struct persist, 1);

	persists[0] = put_vm(seq, "web");
	CU_ASSERT_EQUAL(store_submit(store, persists, 1, seq), 0);
}

/* What follows from the log waits for an entry, but not for ever, nor longer than the store. */
static void test_records_alone(void)
{
	_cleanup_(buf_free) struct buf records = { 0 };
	struct store *store;
	size_t n = 0;

	make_dir();
	store = open_store();
	CU_ASSERT_EQUAL_FATAL(store_start(store), 0);
	submit_record(store, 1);
	wait_durable(store, 1);
	submit_record(store, 2);
	submit(store, 3);
	wait_durable(store, 3);
	submit_record(store, 4);
	store_close(store);
	store = open_store();
	CU_ASSERT_EQUAL(store_each_record(store, list_record, &records), 0);
	for (size_t i = 0; i < records.len; i++)
		n += records.data[i] == ' ';
	CU_ASSERT_EQUAL(n, 4);
	store_close(store);
	remove_dir();
}

/*
 * A process that is killed at any moment leaves each batch whole or not at all, and none
 * missing that it had told of.
 */
static void write_until_killed(int told)
{
	struct store *store = open_store();
	uint64_t durable = 0, seq = 0;
	char why[400];

	if (store_start(store) < 0)
		_exit(1);
	for (;;) {
		struct pollfd p = { store_fd(store), POLLIN, 0 };

		for (int i = 0; i < 3; i++)
			submit(store, ++seq);
		poll(&p, 1, 1000);
		if (store_poll(store, &durable, why, sizeof(why)) < 0 ||
		    write(told, &durable, sizeof(durable)) < 0)
			_exit(1);
	}
}

static void check_after_kill(uint64_t told)
{
	_cleanup_(buf_free) struct buf records = { 0 };
	struct store *store = open_store();
	uint64_t entries = 0, n = 0;

	CU_ASSERT_EQUAL(store_each_entry(store, count_entry, &entries), 0);
	CU_ASSERT_TRUE(entries >= told);
	CU_ASSERT_EQUAL(store_each_record(store, list_record, &records), 0);
	for (size_t i = 0; i < records.len; i++)
		n += records.data[i] == ' ';
	CU_ASSERT_EQUAL(n, entries);
	store_close(store);
}

static void test_killed(void)
{
	for (int round = 0; round < 8; round++) {
		uint64_t told = 0, next;
		int pipes[2], status;
		pid_t pid;

		make_dir();
		CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
		pid = fork();
		if (pid == 0)
			write_until_killed(pipes[1]);
		close(pipes[1]);
		/* Every other one dies while it opens its store, or soon after. */
		while (round % 2 && told == 0 && read(pipes[0], &told, sizeof(told)) > 0)
			;
		usleep(7000 * (useconds_t)round);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(pipes[0], &next, sizeof(next)) == sizeof(next))
			told = next;
		close(pipes[0]);
		CU_ASSERT_TRUE(told > 0 || round % 2 == 0);
		check_after_kill(told);
		remove_dir();
	}
}

/* ---------------------------------------------------------------- damage */

static void fill(void)
{
	struct store *store = open_store();
	struct persist persists[200];

	for (uint64_t i = 0; i < 100; i++) {
		persists[2 * i] = put_vm(i + 1, "a-name-that-takes-some-room-in-its-page");
		persists[2 * i + 1] = append(i + 1, 1, "command");
	}
	write_all(store, persists, ARRAY_SIZE(persists));
	store_close(store);
}

/* Opening or reading must say so; set aside, an empty one takes its place. */
static void expect_damage(void)
{
	_cleanup_(buf_free) struct buf text = { 0 };
	struct store *store = NULL;
	char why[400] = "", name[300];
	int error = store_open(dir, &store, why, sizeof(why));
	uint64_t disk_id;

	if (!error)
		error = store_each_record(store, list_record, &text);
	if (!error)
		error = store_each_entry(store, list_entry, &text);
	CU_ASSERT_EQUAL(error, -EBADMSG);
	disk_id = store ? store_disk_id(store) : 0;
	store_close(store);
	CU_ASSERT_EQUAL(store_set_aside(dir, name, sizeof(name)), 0);
	CU_ASSERT_EQUAL(access(name, F_OK), 0);
	CU_ASSERT_TRUE(files_like("cluster.db.damaged-", false) >= 1);
	store = open_store();
	expect(store, "", "");
	CU_ASSERT_NOT_EQUAL(store_disk_id(store), disk_id);
	store_close(store);
}

static void test_damaged_page(void)
{
	char path[100], noise[4096];
	int fd;

	make_dir();
	fill();
	snprintf(path, sizeof(path), "%s/cluster.db", dir);
	fd = open(path, O_RDWR);
	memset(noise, 0xa5, sizeof(noise));
	for (off_t page = 1; page < 8; page++)
		CU_ASSERT_EQUAL(pwrite(fd, noise, sizeof(noise), page * 4096), sizeof(noise));
	close(fd);
	expect_damage();
	remove_dir();
}

/* Only the check of all pages sees it: which file it is and what is wrong is told. */
static void test_damaged_leaf(void)
{
	char path[100], name[300], why[400] = "";
	struct store *store = NULL;
	uint8_t page[4096];
	bool found = false;
	int fd;

	make_dir();
	fill();
	snprintf(path, sizeof(path), "%s/cluster.db", dir);
	fd = open(path, O_RDWR);
	for (off_t at = 4096; !found && pread(fd, page, sizeof(page), at) == sizeof(page);
	     at += 4096) {
		/* A leaf of a table, full of cells: they now lie beyond its end. */
		found = page[0] == 0x0d && page[4] > 10;
		memset(page + 8, 0xff, 8);
		if (found)
			CU_ASSERT_EQUAL(pwrite(fd, page, sizeof(page), at), sizeof(page));
	}
	close(fd);
	CU_ASSERT_TRUE_FATAL(found);
	CU_ASSERT_EQUAL(store_open(dir, &store, why, sizeof(why)), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, path));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "page"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "it is damaged"));
	CU_ASSERT_EQUAL(store_set_aside(dir, name, sizeof(name)), 0);
	remove_dir();
}

static void test_damaged_content(void)
{
	static const char *const damages[] = {
		"UPDATE vm SET record = replace(record, 'room', 'roon') WHERE id = 50",
		"UPDATE log SET command = 'commanD' WHERE idx = 50",
		"UPDATE log SET epoch = 2 WHERE idx = 100",
		"UPDATE log SET idx = 1000 WHERE idx = 100",
		"DELETE FROM log WHERE idx = 50",
		"DELETE FROM meta WHERE key = 'disk_id'",
		"DROP TABLE vm",
	};

	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		make_dir();
		fill();
		sql(damages[i]);
		expect_damage();
		remove_dir();
	}
}

static void test_not_a_database(void)
{
	char path[100];
	FILE *file;

	make_dir();
	snprintf(path, sizeof(path), "%s/cluster.db", dir);
	file = fopen(path, "w");
	fprintf(file, "%05000d", 0);
	fclose(file);
	expect_damage();
	remove_dir();
}

static void test_newer_version(void)
{
	struct store *store = NULL;
	char why[400];

	make_dir();
	fill();
	sql("PRAGMA user_version = 99; PRAGMA application_id = 0x636c7563");
	CU_ASSERT_EQUAL(store_open(dir, &store, why, sizeof(why)), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "newer clusterd: install that version again"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "its schema is 99, this clusterd knows 3"));
	/* A version alone is a header that is damaged. */
	sql("PRAGMA application_id = 0x636c7502");
	CU_ASSERT_EQUAL(store_open(dir, &store, why, sizeof(why)), -EBADMSG);
	remove_dir();
}

static void test_opened_twice(void)
{
	struct store *first, *second = NULL;
	char why[400];

	make_dir();
	first = open_store();
	CU_ASSERT_EQUAL(store_set_node(first, 1), 0);
	CU_ASSERT_EQUAL(store_open(dir, &second, why, sizeof(why)), -EBUSY);
	store_close(first);
	remove_dir();
}

/* A write that failed is told for ever, and nothing is told durable after it. */
static void test_failed_write(void)
{
	struct store *store;
	uint64_t durable = 0;
	char why[400] = "";
	int error = 0;

	make_dir();
	store = open_store();
	CU_ASSERT_EQUAL_FATAL(store_start(store), 0);
	submit(store, 1);
	CU_ASSERT_EQUAL(wait_durable(store, 1), 1);
	/* SQLite without memory fails as it does with a sick disk. */
	sqlite3_hard_heap_limit64(1);
	submit(store, 2);
	for (int i = 0; !error && i < 100; i++) {
		struct pollfd p = { store_fd(store), POLLIN, 0 };

		poll(&p, 1, 100);
		error = store_poll(store, &durable, why, sizeof(why));
	}
	sqlite3_hard_heap_limit64(0);
	submit(store, 3);
	CU_ASSERT_EQUAL(error, -EIO);
	CU_ASSERT_EQUAL(store_poll(store, &durable, why, sizeof(why)), -EIO);
	CU_ASSERT_EQUAL(durable, 1);
	CU_ASSERT_NOT_EQUAL(why[0], '\0');
	store_close(store);
	remove_dir();
}

/* In a process of its own, on a file system of that size; the exit status is the error. */
static int open_with_room(unsigned long long bytes)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct store *store;
		char why[400] = "", options[40];
		int error;

		snprintf(options, sizeof(options), "size=%llu", bytes);
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", dir, "tmpfs", 0, options) < 0)
			_exit(EPERM);
		error = store_open(dir, &store, why, sizeof(why));
		if (error == -ENOSPC && !strstr(why, "the file system is full: make room"))
			_exit(EINVAL);
		_exit(-error);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Where it could not write for long it does not even begin. */
static void test_room(void)
{
	make_dir();
	if (open_with_room(2 * STORE_ROOM) == EPERM)
		fprintf(stderr, "room: not tried, small file systems cannot be mounted here\n");
	else {
		CU_ASSERT_EQUAL(open_with_room(STORE_ROOM - 4096), ENOSPC);
		CU_ASSERT_EQUAL(open_with_room(2 * STORE_ROOM), 0);
	}
	remove_dir();
}

static void make_file(const char *name)
{
	char path[400];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fclose(file);
}

static bool is_there(const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void list_removed(void *context, const char *name)
{
	buf_printf(context, "%s ", name);
}

/* As many are kept as help anybody, with all their files; and nothing of somebody else's goes. */
static void test_thin_out(void)
{
	static const char *const names[] = {
		"cluster.db.damaged-20250101T000000.000000001",
		"cluster.db.damaged-20250101T000000.000000001-wal",
		"cluster.db.damaged-20260101T000000.000000000-wal",
		"cluster.db.damaged-20260102T000000.000000000",
		"cluster.db.damaged-20260102T000000.000000000-wal",
		"cluster.db.damaged-20260103T000000.000000000",
		"cluster.db.damaged-20260104T000000.000000000",
		"cluster.db", "cluster.db.damaged-20250101", "cluster.db.damaged-mine",
		"cluster.db.damaged-20250101T000000.000000001.gz",
	};
	_cleanup_(buf_free) struct buf text = { 0 };
	char now[400];

	make_dir();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		make_file(names[i]);
	/* The clock was set back meanwhile: what was just set aside stays all the same. */
	snprintf(now, sizeof(now), "%s/%s", dir, names[0]);
	store_thin_out(dir, now, list_removed, &text);
	CU_ASSERT_STRING_EQUAL(buf_str(&text),
			       "cluster.db.damaged-20260101T000000.000000000-wal ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CU_ASSERT_EQUAL(is_there(names[i]), i != 2);
	buf_reset(&text);
	snprintf(now, sizeof(now), "%s/%s", dir, names[6]);
	store_thin_out(dir, now, list_removed, &text);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CU_ASSERT_EQUAL(is_there(names[i]), i > 2);
	CU_ASSERT_STRING_EQUAL(buf_str(&text),
			       "cluster.db.damaged-20250101T000000.000000001-wal "
			       "cluster.db.damaged-20250101T000000.000000001 ");
	remove_dir();
}

UNIT_MAIN("clusterd/shell/store", { "new", test_new }, { "every kind", test_every_kind },
	  { "unknown fields", test_unknown_fields },
	  { "readable columns", test_readable_columns }, { "thread", test_thread },
	  { "checkpoints", test_checkpoints }, { "records_alone", test_records_alone },
	  { "killed", test_killed },
	  { "damaged page", test_damaged_page }, { "damaged leaf", test_damaged_leaf },
	  { "damaged content", test_damaged_content },
	  { "not a database", test_not_a_database }, { "newer version", test_newer_version },
	  { "opened twice", test_opened_twice }, { "failed write", test_failed_write },
	  { "room", test_room }, { "thin out", test_thin_out })
