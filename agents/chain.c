/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "agents/run.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "migrate/driver/disk_fault.h"
#include "wire/message.h"

enum { OUTPUT_MAX = 1024 * 1024, ERRORS_MAX = 1000, CHAIN_MAX = 64 };

static const char qemu_img[] = "/usr/bin/qemu-img";

struct disks {
	Wire__Disk **items;
	size_t n;
};

static void disks_free(struct disks *disks)
{
	for (size_t i = 0; i < disks->n; i++)
		wire_free(disks->items[i]);
	free(disks->items);
}

static uint64_t big_endian(const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* docs/interop/qcow2.txt of QEMU: magic, version, backing file offset and size; features from 72.
 */
enum chain_header chain_judge_header(const uint8_t *data, size_t size)
{
	enum { EXTERNAL_DATA = 1 << 2 };

	if (size < 72 || memcmp(data, "QFI\xfb", 4) != 0)
		return CHAIN_NOT_QCOW2;
	if (big_endian(data + 8, 8) != 0)
		return CHAIN_BELOW;
	if (big_endian(data + 4, 4) >= 3 && size >= 80 &&
	    (big_endian(data + 72, 8) & EXTERNAL_DATA))
		return CHAIN_BELOW;
	return CHAIN_NONE;
}

int chain_parse(const char *json, size_t size, Wire__Disk *into)
{
	json_t *images = json_loadb(json, size, 0, NULL);
	size_t n = json_array_size(images);
	int r = n >= 1 && n <= CHAIN_MAX ? 0 : -EBADMSG;

	if (r == 0)
		into->chain = mem_new_array(char *, n);
	for (size_t i = 1; r == 0 && i < n; i++) {
		const char *name =
			json_string_value(json_object_get(json_array_get(images, i), "filename"));

		if (name)
			into->chain[into->n_chain++] = mem_strdup(name);
		else
			r = -EBADMSG;
	}
	json_decref(images);
	return r;
}

static int ask_qemu_img(Wire__Disk *disk, uint64_t timeout_ms, char *ret_why, size_t why_size)
{
	_cleanup_(argv_free) struct argv argv = { 0 };
	_cleanup_(run_result_free) struct run_result result = { 0 };
	struct run run = { .argv = &argv,
			   .output_max = OUTPUT_MAX,
			   .errors_max = ERRORS_MAX,
			   .stop_fds = { -1, -1 } };
	int r;

	argv_add_all(&argv, qemu_img, "info", "-U", "--backing-chain", "--output=json", "-f",
		     disk->format, "--", disk->source, NULL);
	r = run_program(&run, NULL, 0, timeout_ms, &result);
	if (r < 0)
		snprintf(ret_why, why_size, "%s cannot be run: %s", qemu_img, strerror(-r));
	else if (result.timed_out)
		snprintf(ret_why, why_size, "%s did not end within %llu ms", qemu_img,
			 (unsigned long long)timeout_ms);
	else if (!result.exited || result.status != 0)
		snprintf(ret_why, why_size, "%s", buf_str(&result.errors));
	else if (chain_parse(buf_str(&result.output), result.output.len, disk) < 0)
		snprintf(ret_why, why_size, "%s gave no answer that can be understood", qemu_img);
	else
		return 0;
	return r < 0 ? r : -EIO;
}

static int read_header(const char *path, enum chain_header *ret)
{
	uint8_t data[CHAIN_HEADER_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pread(fd, data, sizeof(data), 0);
	close(fd);
	if (n < 0)
		return -errno;
	*ret = chain_judge_header(data, (size_t)n);
	return 0;
}

static bool may_have_chain(const Wire__Disk *disk)
{
	bool local = strcmp(disk->kind, "file") == 0 || strcmp(disk->kind, "block") == 0;

	/* Without a format libvirt takes an image for raw. */
	return local && !disk->cdrom && disk->source[0] && disk->format[0] &&
	       strcmp(disk->format, "raw") != 0;
}

static int read_disk(Wire__Disk *disk, uint64_t timeout_ms, char *ret_why, size_t why_size)
{
	enum chain_header header = CHAIN_NOT_QCOW2;
	int r = read_header(disk->source, &header);

	if (r < 0) {
		snprintf(ret_why, why_size, "%s", strerror(-r));
		return r;
	}
	if (strcmp(disk->format, "qcow2") == 0 && header == CHAIN_NONE)
		return 0;
	return ask_qemu_img(disk, timeout_ms, ret_why, why_size);
}

static void forget_chain(Wire__Disk *disk)
{
	for (size_t i = 0; i < disk->n_chain; i++)
		free(disk->chain[i]);
	free(disk->chain);
	disk->chain = NULL;
	disk->n_chain = 0;
}

int chain_read(Wire__Disk *const *disks, size_t n, uint64_t timeout_ms,
	       char ret_digest[DOMAIN_CHAIN_DIGEST_SIZE], char *ret_why, size_t why_size)
{
	_cleanup_(disks_free) struct disks now = { mem_new_array(Wire__Disk *, n), n };

	for (size_t i = 0; i < n; i++) {
		char why[400];
		int r = 0;

		now.items[i] = wire_dup(&disks[i]->base);
		forget_chain(now.items[i]);
		if (may_have_chain(disks[i]))
			r = read_disk(now.items[i], timeout_ms, why, sizeof(why));
		if (r < 0) {
			disk_fault_say(disks[i], "this node", why, ret_why, why_size);
			return r;
		}
	}
	domain_chain_digest(now.items, now.n, ret_digest);
	return 0;
}

bool chain_is_expected(const char *now, const char *accepted, const char *last,
		       Wire__Disk *const *declared, size_t n)
{
	char digest[DOMAIN_CHAIN_DIGEST_SIZE];
	bool declares = false;

	if (accepted[0] && strcmp(now, accepted) == 0)
		return true;
	if (last[0])
		return strcmp(now, last) == 0;
	for (size_t i = 0; i < n; i++)
		declares |= declared[i]->n_chain > 0;
	if (!declares)
		return !accepted[0];
	domain_chain_digest(declared, n, digest);
	return strcmp(now, digest) == 0;
}
