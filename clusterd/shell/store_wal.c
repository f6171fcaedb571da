/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the write-ahead log ends where it does because power was lost, or because it is damaged.
 *
 * SQLite reads the log up to the first frame that is wrong and forgets the rest: after a loss of
 * power that rest was never told to be durable. If a bit of an older frame has turned, it was, and
 * would be lost without a word. The two look different (format: sqlite.org/fileformat2.html, 4):
 *
 *	header | frames of T1, commit | frames of T2, commit | ...
 *
 * Each transaction is synced before the next one is written, and the header before any frame. So
 * a header that is wrong before frames is damage, and so is a frame that is wrong if the end of its
 * transaction and a frame after that are there, by the salts they have in common with the header.
 * (A log that was cut off is emptied before anything is written, and then has other salts: so what
 * is there of one log was written once.) Of the last transaction, a frame of which all but one bit
 * is right was not cut off either. What is not found: more than that wrong in the last transaction,
 * or in the mark of the end of the one before it.
 */
#include "clusterd/shell/store_private.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum {
	SECTOR = 512,
	PAGE = STORE_PAGE_BYTES,
	HEADER = 32,
	FRAME_HEADER = 24,
	FRAME = FRAME_HEADER + PAGE,
};

struct sums {
	uint32_t a, b;
};

struct wal {
	sqlite3_file *file;
	sqlite3_int64 size;
	uint8_t header[HEADER];
	bool big;			/* words are summed up as big-endian */
	uint8_t frame[FRAME];
};

static uint32_t word(const uint8_t *at, bool big)
{
	return big ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
		   : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static struct sums sum(const struct wal *wal, struct sums from, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i += 8) {
		from.a += word(data + i, wal->big) + from.b;
		from.b += word(data + i + 4, wal->big) + from.a;
	}
	return from;
}

static struct sums stored(const uint8_t *at)
{
	return (struct sums){ word(at, true), word(at + 4, true) };
}

static bool same(struct sums one, struct sums other)
{
	return one.a == other.a && one.b == other.b;
}

/* ---------------------------------------------------------------- frames */

static struct sums sum_frame(const struct wal *wal, struct sums before)
{
	return sum(wal, sum(wal, before, wal->frame, 8), wal->frame + FRAME_HEADER, PAGE);
}

static bool of_this_log(const struct wal *wal)
{
	return memcmp(wal->frame + 8, wal->header + 16, 8) == 0;
}

static bool is_commit(const struct wal *wal)
{
	return of_this_log(wal) && word(wal->frame + 4, true) != 0;
}

static bool frame_right(const struct wal *wal, struct sums before)
{
	return word(wal->frame, true) != 0 && of_this_log(wal) &&
	       same(sum_frame(wal, before), stored(wal->frame + 16));
}

/* -ENODATA: the file ends before. */
static int read_frame(struct wal *wal, sqlite3_int64 number)
{
	sqlite3_int64 at = HEADER + number * FRAME;

	if (at + FRAME > wal->size)
		return -ENODATA;
	return store_error_of(wal->file->pMethods->xRead(wal->file, wal->frame, FRAME, at));
}

/* A sector of which nothing was written is zero; so is one that had but one bit, without it. */
static bool sector_empty(const struct wal *wal, sqlite3_int64 number, size_t at)
{
	/* Of the frame, in its first sector. */
	size_t begin = (size_t)((HEADER + number * FRAME) % SECTOR);
	size_t from = (begin + at) / SECTOR * SECTOR, to = from + SECTOR;

	from = from > begin ? from - begin : 0;
	to = to - begin < FRAME ? to - begin : FRAME;
	for (size_t i = from; i < to; i++)
		if (wal->frame[i] != 0)
			return false;
	return true;
}

/*
 * Whether the sums that are missing are those of one bit, at whatever place; but not if it was the
 * only one of a sector, which may then not have been written: that of the page's number often is,
 * where the frame begins at the end of a sector. A word x in a pair {x, y}
 * adds {x, x} to the sums, y {0, y}; and each pair after it turns what was added, {a, b}, into
 * {a + b, a + 2b}.
 */
static bool one_bit_missing(const struct wal *wal, sqlite3_int64 number, struct sums missing)
{
	struct sums of_x = { 1, 1 }, of_y = { 0, 1 };
	bool found = false;

	for (size_t at = FRAME; at > 0;) {
		at -= at == FRAME_HEADER ? FRAME_HEADER - 8 : 0;
		at -= 8;
		for (unsigned i = 0; i < 64; i++) {
			struct sums of = i < 32 ? of_x : of_y;
			uint32_t have = word(wal->frame + at + (i < 32 ? 0 : 4), wal->big);
			uint32_t bit = UINT32_C(1) << i % 32, add = have & bit ? -bit : bit;

			if (missing.a != add * of.a || missing.b != add * of.b)
				continue;
			if (!sector_empty(wal, number, at + (i < 32 ? 0 : 4)))
				found = true;
			else if (at == 0)
				return false;
		}
		of_x = (struct sums){ of_x.a + of_x.b, of_x.a + 2 * of_x.b };
		of_y = (struct sums){ of_y.a + of_y.b, of_y.a + 2 * of_y.b };
	}
	return found;
}

static bool one_bit_wrong(const struct wal *wal, sqlite3_int64 number, struct sums before)
{
	struct sums computed = sum_frame(wal, before), is = stored(wal->frame + 16);
	int salt = __builtin_popcount(word(wal->frame + 8, true) ^ word(wal->header + 16, true)) +
		   __builtin_popcount(word(wal->frame + 12, true) ^ word(wal->header + 20, true));
	int sums = __builtin_popcount(computed.a ^ is.a) + __builtin_popcount(computed.b ^ is.b);

	if (salt + sums == 1)
		return true;
	return salt == 0 &&
	       one_bit_missing(wal, number, (struct sums){ is.a - computed.a, is.b - computed.b });
}

/* A frame is wrong, which is in wal->frame: is it of a transaction that another one follows? */
static int judge_rest(struct wal *wal, sqlite3_int64 number, struct sums before)
{
	bool committed = is_commit(wal);
	int error;

	if (one_bit_wrong(wal, number, before))
		return -EBADMSG;
	while (!(error = read_frame(wal, ++number))) {
		if (committed && of_this_log(wal))
			return -EBADMSG;
		committed = committed || is_commit(wal);
	}
	return error == -ENODATA ? 0 : error;
}

static int judge(struct wal *wal)
{
	struct sums before;
	int error = store_error_of(wal->file->pMethods->xRead(wal->file, wal->header, HEADER, 0));

	if (error)
		return error;
	wal->big = wal->header[3] & 1;
	before = sum(wal, (struct sums){ 0 }, wal->header, HEADER - 8);
	if ((word(wal->header, true) & ~1u) != 0x377f0682 || word(wal->header + 8, true) != PAGE ||
	    !same(before, stored(wal->header + 24)))
		return -EBADMSG;
	for (sqlite3_int64 number = 0;; number++) {
		error = read_frame(wal, number);
		if (error)
			return error == -ENODATA ? 0 : error;
		if (!frame_right(wal, before))
			return judge_rest(wal, number, before);
		before = stored(wal->frame + 16);
	}
}

/* Its file, and the size of it; 0 if there is none. */
static int find(struct store *store, struct wal *wal)
{
	int result = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
					  &wal->file);

	if (result == SQLITE_OK && wal->file && wal->file->pMethods)
		result = wal->file->pMethods->xFileSize(wal->file, &wal->size);
	return store_error_of(result);
}

int store_wal_check(struct store *store, bool *ret_empty)
{
	_cleanup_(freep) struct wal *wal = mem_new(struct wal);
	int error = find(store, wal);

	if (!error && wal->size > HEADER)
		error = judge(wal);
	if (!error)
		*ret_empty = wal->size == 0;
	return error;
}

int store_wal_renew(struct store *store)
{
	_cleanup_(freep) struct wal *wal = mem_new(struct wal);
	int result = SQLITE_OK, error = find(store, wal);

	if (error || wal->size == 0)
		return error;
	for (sqlite3_int64 at = 0; result == SQLITE_OK && at < wal->size; at += FRAME) {
		int size = wal->size - at < FRAME ? (int)(wal->size - at) : FRAME;

		result = wal->file->pMethods->xRead(wal->file, wal->frame, size, at);
		if (result == SQLITE_OK)
			result = wal->file->pMethods->xWrite(wal->file, wal->frame, size, at);
	}
	return result == SQLITE_OK ? store_wal_sync(store) : store_error_of(result);
}

int store_wal_sync(struct store *store)
{
	_cleanup_(freep) struct wal *wal = mem_new(struct wal);
	int error = find(store, wal);

	if (error || !wal->file || !wal->file->pMethods)
		return error;
	return store_error_of(wal->file->pMethods->xSync(wal->file, SQLITE_SYNC_NORMAL));
}
