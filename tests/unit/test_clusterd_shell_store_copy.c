/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "tests/unit/cellar.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

enum { RECORDS = 1500, XML_BYTES = 4000, WAIT_MS = 60000 };

static char dir[64], other[64];

static void make_dirs(void)
{
	snprintf(dir, sizeof(dir), "/tmp/clusterd-test%%copy-XXXXXX");
	snprintf(other, sizeof(other), "/tmp/clusterd-test-copy-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(other));
}

static void remove_dirs(void)
{
	cellar_empty(dir);
	cellar_empty(other);
	rmdir(dir);
	rmdir(other);
}

/* Record n, and that n is applied: always in one batch. */
static struct persist *batch(uint64_t n)
{
	struct persist *persists = mem_new_array(struct persist, 2);
	Wire__Vm vm = WIRE__VM__INIT;
	_cleanup_(freep) char *xml = mem_array(1, XML_BYTES + 1);

	memset(xml, 'x', XML_BYTES);
	vm.id = n;
	vm.name = (char *)"web";
	vm.xml = xml;
	persists[0] = (struct persist){ .kind = PERSIST_PUT, .table = WIRE__TABLE__TABLE_VM,
					.id = n };
	wire_pack(&vm.base, &persists[0].data);
	persists[1] = (struct persist){ .kind = PERSIST_APPLIED, .value = n, .index = n,
					.epoch = 1 };
	return persists;
}

static struct store *begin(void)
{
	struct persist *all;
	struct store *store;

	make_dirs();
	store = cellar_open(dir);
	all = mem_new_array(struct persist, 2 * RECORDS);
	for (uint64_t n = 1; n <= RECORDS; n++) {
		struct persist *persists = batch(n);

		memcpy(&all[2 * n - 2], persists, 2 * sizeof(*all));
		free(persists);
	}
	CU_ASSERT_EQUAL(store_write_now(store, all, 2 * RECORDS), 0);
	for (size_t i = 0; i < 2 * RECORDS; i++)
		buf_free(&all[i].data);
	free(all);
	return store;
}

/* Until it is over, with more and more batches; all of those become durable. */
static int wait_for(struct store *store, bool writing, struct store_copy *ret, char *why,
		    size_t size)
{
	struct pollfd ready = { .fd = store_fd(store), .events = POLLIN };
	uint64_t n = RECORDS, durable;
	int error;

	while ((error = store_copy_poll(store, ret, why, size)) == -EAGAIN) {
		if (writing && n < RECORDS + 5000 &&
		    store_submit(store, batch(n + 1), 2, n + 1) == 0)
			n++;
		if (poll(&ready, 1, writing ? 1 : WAIT_MS) == 0 && !writing)
			break;
		CU_ASSERT_EQUAL(store_poll(store, &durable, why, size), 0);
	}
	if (error)
		printf("copy: %s\n", why);
	return error;
}

static void save(int fd)
{
	char path[100], data[65536];
	ssize_t size;
	int to;

	snprintf(path, sizeof(path), "%s/cluster.db", other);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	while ((size = read(fd, data, sizeof(data))) > 0)
		CU_ASSERT_EQUAL(write(to, data, (size_t)size), size);
	close(to);
	close(fd);
}

static int count(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	++*(uint64_t *)context;
	return 0;
}

/* While it is written to, the copy is what it was at one moment; it is a store of its own. */
static void test_whole(void)
{
	struct store *store = begin(), *copied;
	struct store_copy copy = { .fd = -1 };
	uint64_t records = 0, index, epoch;
	char why[600];

	CU_ASSERT_EQUAL(store_start(store), 0);
	CU_ASSERT_EQUAL(store_copy_poll(store, &copy, why, sizeof(why)), -ENOENT);
	CU_ASSERT_EQUAL(store_copy_begin(store), 0);
	CU_ASSERT_EQUAL(store_copy_begin(store), -EBUSY);
	CU_ASSERT_EQUAL(wait_for(store, true, &copy, why, sizeof(why)), 0);
	CU_ASSERT(copy.size > RECORDS * XML_BYTES && copy.index >= RECORDS && copy.epoch == 1);
	/* Nothing is beside the store and its log. */
	CU_ASSERT_EQUAL(cellar_count(dir), 2);
	CU_ASSERT_EQUAL_FATAL(copy.fd >= 0, true);
	save(copy.fd);
	copied = cellar_open(other);
	CU_ASSERT_EQUAL(store_each_record(copied, count, &records), 0);
	store_applied(copied, &index, &epoch);
	CU_ASSERT_EQUAL(index, copy.index);
	CU_ASSERT_EQUAL(records, copy.index);
	CU_ASSERT_EQUAL(store_disk_id(copied), store_disk_id(store));
	store_close(copied);
	/* Another one can be made. */
	CU_ASSERT_EQUAL(store_copy_begin(store), 0);
	CU_ASSERT_EQUAL(wait_for(store, false, &copy, why, sizeof(why)), 0);
	close(copy.fd);
	store_close(store);
	remove_dirs();
}

/* What is wrong on the disk of this node is no backup of it. */
static void test_damaged(void)
{
	struct store *store = begin();
	struct store_copy copy;
	char why[600] = "", path[100], page[4096];
	off_t at = 300 * 4096;
	int fd;

	store_close(store);
	store = cellar_open(dir);
	snprintf(path, sizeof(path), "%s/cluster.db", dir);
	fd = open(path, O_RDWR);
	/* A byte in the middle of a definition. */
	CU_ASSERT_EQUAL(pread(fd, page, sizeof(page), at), (ssize_t)sizeof(page));
	for (size_t i = 0; i < sizeof(page); i++)
		if (page[i] == 'x') {
			page[i] = 'y';
			break;
		}
	CU_ASSERT_EQUAL(pwrite(fd, page, sizeof(page), at), (ssize_t)sizeof(page));
	close(fd);
	CU_ASSERT_EQUAL(store_start(store), 0);
	CU_ASSERT_EQUAL(store_copy_begin(store), 0);
	CU_ASSERT_EQUAL(wait_for(store, false, &copy, why, sizeof(why)), -EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "what was copied is damaged"));
	/* The store itself goes on. */
	CU_ASSERT_EQUAL(store_submit(store, batch(1), 2, 1), 0);
	store_close(store);
	remove_dirs();
}

/* Whoever asked is gone; nothing is left, and the next one gets one. */
static void test_cancelled(void)
{
	struct store *store = begin();
	struct store_copy copy;
	char why[600];

	CU_ASSERT_EQUAL(store_start(store), 0);
	for (unsigned n = 0; n < 3; n++) {
		int error;

		while ((error = store_copy_begin(store)) == -EBUSY)
			poll(NULL, 0, 1);
		CU_ASSERT_EQUAL(error, 0);
		poll(NULL, 0, (int)n * 5);
		store_copy_cancel(store);
		CU_ASSERT_EQUAL(store_copy_poll(store, &copy, why, sizeof(why)), -ENOENT);
	}
	while (store_copy_begin(store) == -EBUSY)
		poll(NULL, 0, 1);
	CU_ASSERT_EQUAL(wait_for(store, false, &copy, why, sizeof(why)), 0);
	close(copy.fd);
	store_close(store);
	remove_dirs();
}

/* The daemon may end at any time. */
static void test_closed(void)
{
	struct store *store = begin();

	store_close(store);
	for (int ms = 0; ms < 40; ms += 3) {
		store = cellar_open(dir);
		CU_ASSERT_EQUAL(store_start(store), 0);
		CU_ASSERT_EQUAL(store_copy_begin(store), 0);
		poll(NULL, 0, ms);
		store_close(store);
		CU_ASSERT_EQUAL(cellar_count(dir), 1);
	}
	remove_dirs();
}

UNIT_MAIN("shell/store_copy", { "whole", test_whole }, { "damaged", test_damaged },
	  { "cancelled", test_cancelled }, { "closed", test_closed })
