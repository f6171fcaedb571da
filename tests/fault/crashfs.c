/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fault/crashfs_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SECTOR = 512, NAMES_MAX = 64, DIR_BYTES = 24 };

struct name {
	char text[NAME_BYTES];
	struct inode *now, *durable;
};

struct crashfs {
	char dir[DIR_BYTES];
	struct rng rng;
	struct inode *inodes;
	struct name names[NAMES_MAX];
	bool off;
	struct {
		unsigned nth, times, come;
	} plan[CRASHFS_KINDS];
	unsigned end_nth;		/* 0: none is planned */
	bool end_by_power;
};

static struct crashfs *all[CRASHFS_MAX];

/* ---------------------------------------------------------------- all of them */

struct crashfs *crashfs_new(uint64_t seed)
{
	struct crashfs *fs = mem_new(struct crashfs);
	unsigned slot = 0;

	while (all[slot])
		slot++;
	assert(slot < CRASHFS_MAX);
	all[slot] = fs;
	snprintf(fs->dir, sizeof(fs->dir), CRASHFS_DIR "/%u", slot);
	fs->rng.state = seed;
	crashfs_register_vfs();
	return fs;
}

const char *crashfs_dir(const struct crashfs *fs)
{
	return fs->dir;
}

struct crashfs *crashfs_of(const char *path, const char **ret_name)
{
	const size_t n = strlen(CRASHFS_DIR "/");
	char *end;
	unsigned long slot;

	if (strncmp(path, CRASHFS_DIR "/", n) != 0)
		return NULL;
	slot = strtoul(path + n, &end, 10);
	assert(slot < CRASHFS_MAX && all[slot] && (*end == '/' || *end == '\0'));
	*ret_name = *end ? end + 1 : end;
	return all[slot];
}

/* ---------------------------------------------------------------- bytes */

static void set_size(struct buf *buf, size_t size)
{
	if (size > buf->len)
		memset(buf_reserve(buf, size - buf->len), 0, size - buf->len);
	buf->len = size;
}

static void set_bytes(struct buf *buf, size_t at, const uint8_t *data, size_t size)
{
	if (at + size > buf->len)
		set_size(buf, at + size);
	memcpy(buf->data + at, data, size);
}

static void copy_bytes(struct buf *to, const struct buf *from)
{
	buf_reset(to);
	buf_append(to, from->data, from->len);
}

static void carry_over(struct buf *to, const struct change *change)
{
	if (change->truncate)
		set_size(to, change->at);
	else
		set_bytes(to, change->at, change->data.data, change->data.len);
}

/* Each sector of a write is there or not. */
static void tear(struct crashfs *fs, struct buf *to, const struct change *change)
{
	size_t end = change->at + change->data.len;

	for (size_t at = change->at; at < end;) {
		size_t next = (at / SECTOR + 1) * SECTOR;

		if (next > end)
			next = end;
		if (rng_permille(&fs->rng, 500))
			set_bytes(to, at, change->data.data + (at - change->at), next - at);
		at = next;
	}
}

static void forget_changes(struct inode *inode)
{
	for (size_t i = 0; i < inode->changes_n; i++)
		buf_free(&inode->changes[i].data);
	inode->changes_n = 0;
}

static struct change *add_change(struct inode *inode)
{
	if (inode->changes_n == inode->changes_cap) {
		inode->changes_cap = inode->changes_cap ? 2 * inode->changes_cap : 16;
		inode->changes = mem_resize(inode->changes, inode->changes_cap,
					    sizeof(*inode->changes));
	}
	inode->changes[inode->changes_n] = (struct change){ 0 };
	return &inode->changes[inode->changes_n++];
}

/* Of what was not synced some is there, whatever its order was. */
static void settle_by_chance(struct inode *inode)
{
	uint32_t lost = rng_below(&inode->fs->rng, 1001), torn = rng_below(&inode->fs->rng, 500);

	for (size_t i = 0; i < inode->changes_n; i++) {
		const struct change *change = &inode->changes[i];

		if (rng_permille(&inode->fs->rng, lost))
			continue;
		if (!change->truncate && rng_permille(&inode->fs->rng, torn))
			tear(inode->fs, &inode->durable, change);
		else
			carry_over(&inode->durable, change);
	}
	forget_changes(inode);
}

/* ---------------------------------------------------------------- names */

static struct name *find_name(struct crashfs *fs, const char *text)
{
	struct name *empty = NULL;

	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (strcmp(fs->names[i].text, text) == 0)
			return &fs->names[i];
		if (!empty && !fs->names[i].now && !fs->names[i].durable)
			empty = &fs->names[i];
	}
	assert(empty);
	snprintf(empty->text, sizeof(empty->text), "%s", text);
	return empty;
}

static struct inode *new_inode(struct crashfs *fs)
{
	struct inode *inode = mem_new(struct inode);

	inode->fs = fs;
	inode->next = fs->inodes;
	fs->inodes = inode;
	return inode;
}

struct inode *crashfs_temporary(struct crashfs *fs)
{
	return new_inode(fs);
}

struct inode *crashfs_find(struct crashfs *fs, const char *name)
{
	return find_name(fs, name)->now;
}

/* ---------------------------------------------------------------- faults */

void crashfs_plan(struct crashfs *fs, enum crashfs_fault fault, unsigned nth, unsigned times)
{
	fs->plan[fault].nth = nth;
	fs->plan[fault].times = times;
	fs->plan[fault].come = 0;
}

void crashfs_plan_end(struct crashfs *fs, unsigned nth, bool power)
{
	fs->end_nth = nth;
	fs->end_by_power = power;
}

bool crashfs_calm(struct crashfs *fs)
{
	bool come = false;

	fs->end_nth = 0;
	for (size_t i = 0; i < CRASHFS_KINDS; i++) {
		come = come || fs->plan[i].come;
		fs->plan[i].nth = fs->plan[i].times = fs->plan[i].come = 0;
	}
	return come;
}

static bool comes(struct crashfs *fs, enum crashfs_fault fault)
{
	if (fs->plan[fault].nth == 0 || --fs->plan[fault].nth > 0)
		return false;
	fs->plan[fault].come++;
	if (fs->plan[fault].come < fs->plan[fault].times)
		fs->plan[fault].nth = 1;
	return true;
}

void crashfs_cut(struct crashfs *fs)
{
	fs->off = true;
	for (struct inode *inode = fs->inodes; inode; inode = inode->next) {
		settle_by_chance(inode);
		copy_bytes(&inode->now, &inode->durable);
	}
	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct name *name = &fs->names[i];

		if (rng_permille(&fs->rng, 500))
			name->durable = name->now;
		name->now = name->durable;
	}
}

void crashfs_kill(struct crashfs *fs)
{
	fs->off = true;
}

void crashfs_boot(struct crashfs *fs)
{
	fs->off = false;
}

bool crashfs_is_off(const struct crashfs *fs)
{
	return fs->off;
}

static void end_now(struct crashfs *fs)
{
	fs->end_nth = 0;
	if (fs->end_by_power)
		crashfs_cut(fs);
	else
		crashfs_kill(fs);
}

/* The last change is not made. */
static void undo_last(struct inode *inode)
{
	if (inode->changes_n == 0)
		return;
	buf_free(&inode->changes[--inode->changes_n].data);
	copy_bytes(&inode->now, &inode->durable);
	for (size_t i = 0; i < inode->changes_n; i++)
		carry_over(&inode->now, &inode->changes[i]);
}

/* A change is about to be made. */
static bool power_fails(struct crashfs *fs)
{
	if (!fs->off && comes(fs, CRASHFS_POWER))
		crashfs_cut(fs);
	return fs->off;
}

/* ---------------------------------------------------------------- calls */

int crashfs_open(struct crashfs *fs, const char *text, bool make, bool fresh, struct inode **ret)
{
	struct name *name = find_name(fs, text);

	if (fs->off || (!name->now && make && power_fails(fs)))
		return EIO;
	if (!name->now && !make)
		return ENOENT;
	if (!name->now) {
		name->now = new_inode(fs);
		name->now->fresh = fresh;
	}
	*ret = name->now;
	return 0;
}

int crashfs_read(struct inode *inode, void *data, size_t size, size_t at, size_t *ret_read)
{
	struct crashfs *fs = inode->fs;
	size_t have = at < inode->now.len ? inode->now.len - at : 0;

	if (fs->off || comes(fs, CRASHFS_READ))
		return EIO;
	*ret_read = have < size ? have : size;
	if (*ret_read)
		memcpy(data, inode->now.data + at, *ret_read);
	return 0;
}

static void write_bytes(struct inode *inode, const void *data, size_t size, size_t at)
{
	struct change *change = add_change(inode);

	change->at = at;
	buf_append(&change->data, data, size);
	set_bytes(&inode->now, at, data, size);
}

int crashfs_write(struct inode *inode, const void *data, size_t size, size_t at)
{
	struct crashfs *fs = inode->fs;
	bool full, fails;

	if (!fs->off && fs->end_nth && --fs->end_nth == 0)
		end_now(fs);
	if (fs->off)
		return EIO;
	full = comes(fs, CRASHFS_FULL);
	fails = comes(fs, CRASHFS_WRITE);
	if (full || fails) {
		size_t part = rng_below(&fs->rng, (uint32_t)size + 1) / SECTOR * SECTOR;

		if (part)
			write_bytes(inode, data, part, at);
		return full ? ENOSPC : EIO;
	}
	write_bytes(inode, data, size, at);
	return power_fails(fs) ? EIO : 0;
}

int crashfs_truncate(struct inode *inode, size_t size)
{
	struct crashfs *fs = inode->fs;
	struct change *change;

	if (fs->off)
		return EIO;
	change = add_change(inode);
	change->truncate = true;
	change->at = size;
	set_size(&inode->now, size);
	return power_fails(fs) ? EIO : 0;
}

int crashfs_sync(struct inode *inode)
{
	struct crashfs *fs = inode->fs;

	if (!fs->off && fs->end_nth) {
		undo_last(inode);
		end_now(fs);
	}
	if (fs->off || power_fails(fs))
		return EIO;
	if (comes(fs, CRASHFS_SYNC)) {
		settle_by_chance(inode);
		return EIO;
	}
	for (size_t i = 0; i < inode->changes_n; i++)
		carry_over(&inode->durable, &inode->changes[i]);
	forget_changes(inode);
	if (inode->fresh) {
		inode->fresh = false;
		return crashfs_sync_dir(fs);
	}
	return 0;
}

int crashfs_sync_dir(struct crashfs *fs)
{
	if (fs->off || power_fails(fs) || comes(fs, CRASHFS_SYNC))
		return EIO;
	for (size_t i = 0; i < NAMES_MAX; i++)
		fs->names[i].durable = fs->names[i].now;
	return 0;
}

int crashfs_rename(struct crashfs *fs, const char *from, const char *to)
{
	struct inode *inode = find_name(fs, from)->now;

	if (fs->off || power_fails(fs))
		return EIO;
	if (!inode)
		return ENOENT;
	find_name(fs, to)->now = inode;
	find_name(fs, from)->now = NULL;
	return power_fails(fs) ? EIO : 0;
}

int crashfs_remove(struct crashfs *fs, const char *name)
{
	if (fs->off || power_fails(fs))
		return EIO;
	if (!find_name(fs, name)->now)
		return ENOENT;
	find_name(fs, name)->now = NULL;
	return power_fails(fs) ? EIO : 0;
}

int crashfs_room(struct crashfs *fs)
{
	return fs->off ? EIO : comes(fs, CRASHFS_FULL) ? ENOSPC : 0;
}

/* ---------------------------------------------------------------- what lies in it */

static void forget_all(struct crashfs *fs)
{
	while (fs->inodes) {
		struct inode *inode = fs->inodes;

		fs->inodes = inode->next;
		forget_changes(inode);
		free(inode->changes);
		buf_free(&inode->now);
		buf_free(&inode->durable);
		free(inode);
	}
	memset(fs->names, 0, sizeof(fs->names));
}

void crashfs_reset(struct crashfs *fs, uint64_t seed)
{
	forget_all(fs);
	memset(fs->plan, 0, sizeof(fs->plan));
	fs->end_nth = 0;
	fs->off = false;
	fs->rng.state = seed;
}

void crashfs_free(struct crashfs *fs)
{
	if (!fs)
		return;
	forget_all(fs);
	for (unsigned slot = 0; slot < CRASHFS_MAX; slot++)
		if (all[slot] == fs)
			all[slot] = NULL;
	free(fs);
}

struct crashfs_copy {
	struct {
		char text[NAME_BYTES];
		struct buf data;
	} files[NAMES_MAX];
	size_t n;
};

struct crashfs_copy *crashfs_save(struct crashfs *fs)
{
	struct crashfs_copy *copy = mem_new(struct crashfs_copy);

	for (size_t i = 0; i < NAMES_MAX; i++) {
		const struct name *name = &fs->names[i];

		if (!name->now || strstr(name->text, "damaged"))
			continue;
		snprintf(copy->files[copy->n].text, NAME_BYTES, "%s", name->text);
		copy_bytes(&copy->files[copy->n++].data, &name->now->now);
	}
	return copy;
}

void crashfs_restore_file(struct crashfs *fs, const struct crashfs_copy *copy, const char *text)
{
	struct name *name = find_name(fs, text);

	name->now = name->durable = NULL;
	for (size_t i = 0; i < copy->n; i++)
		if (strcmp(copy->files[i].text, text) == 0) {
			name->now = name->durable = new_inode(fs);
			copy_bytes(&name->now->now, &copy->files[i].data);
			copy_bytes(&name->now->durable, &copy->files[i].data);
		}
}

void crashfs_restore(struct crashfs *fs, const struct crashfs_copy *copy)
{
	forget_all(fs);
	for (size_t i = 0; i < copy->n; i++)
		crashfs_restore_file(fs, copy, copy->files[i].text);
}

void crashfs_copy_free(struct crashfs_copy *copy)
{
	for (size_t i = 0; copy && i < copy->n; i++)
		buf_free(&copy->files[i].data);
	free(copy);
}

void crashfs_forget_damaged(struct crashfs *fs)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (strstr(fs->names[i].text, "damaged"))
			fs->names[i] = (struct name){ 0 };
}

size_t crashfs_size(struct crashfs *fs, const char *name)
{
	const struct inode *inode = crashfs_find(fs, name);

	return inode ? inode->now.len : 0;
}

bool crashfs_flip(struct crashfs *fs, const char *name, size_t bit)
{
	struct inode *inode = crashfs_find(fs, name);
	size_t from = bit / 8 / SECTOR * SECTOR;
	bool any = false;

	inode->now.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	for (size_t i = from; i < from + SECTOR && i < inode->now.len; i++)
		any = any || inode->now.data[i];
	copy_bytes(&inode->durable, &inode->now);
	return any;
}

void crashfs_noise(struct crashfs *fs, const char *name, size_t at, size_t size)
{
	struct inode *inode = crashfs_find(fs, name);

	for (size_t i = at; i < at + size && i < inode->now.len; i++)
		inode->now.data[i] = (uint8_t)rng_next(&fs->rng);
	copy_bytes(&inode->durable, &inode->now);
}
