/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Powercut runs the real store on a crashfs: batches as of a daemon, whose process or power ends at
 * any point, on a disk that fails and lies. A cycle is one life of a store: it is opened, read,
 * written to, and ends in one of many ways. Held each time:
 *
 *  - nothing that the store told to be durable is lost, and what was read when it was opened is;
 *  - what is there is what the first so many batches made, each whole;
 *  - damage is told as such (-EBADMSG), and then an empty store takes its place; a disk that failed
 *    is not told as damage, and a store that is whole is never thrown away;
 *  - after the first failure nothing is told durable any more, for ever.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "clusterd/shell/store_schema.h"
#include "tests/fault/crashfs.h"
#include "tests/fault/load.h"

/* A sanitizer makes it ten times slower. */
#ifdef __SANITIZE_ADDRESS__
enum { CYCLES = 300 };
#else
enum { CYCLES = 2000 };
#endif

enum { LIVES = 12, HISTORY_MAX = 4096, WHY_SIZE = 400, NEWER = 2 };

struct run {
	uint64_t seed;
	struct rng rng;
	struct disk model;		/* all that was submitted */
	uint64_t disk_id;		/* 0: none was read yet */
	uint64_t seq, durable;		/* batches of this life; told */
	uint64_t before_last[2];	/* transaction told of, and the one before it */
	/* Digests: [0] as it was opened, [i] after batch i. */
	uint64_t *states;
	size_t states_cap;
	uint64_t history[HISTORY_MAX];	/* of all that this disk ever was */
	size_t history_n;
	bool failed;			/* the store said so */
};

static struct {
	unsigned cycles, cuts, faults, flips, seen, mixes, aside, checked;
	uint64_t batches;
} count;

static struct crashfs *fs;

/* What the store said last of a failure. */
static char last_why[WHY_SIZE];
/* What was damaged last. */
static char last_damage[200];

static _Noreturn void wrong(const struct run *run, const char *what)
{
	printf("seed %" PRIu64 ": %s (the store: %s; damaged last: %s)\n", run->seed, what,
	       last_why, last_damage);
	exit(1);
}

static uint32_t dice(struct run *run, uint32_t n)
{
	return rng_below(&run->rng, n);
}

/* ---------------------------------------------------------------- schemas */

/* What will come one day: the tables are changed, and their contents moved. */
static const char *const future[NEWER] = {
	"ALTER TABLE vm ADD COLUMN colour TEXT; UPDATE vm SET colour = 'red';"
	"CREATE TABLE extra (id INTEGER PRIMARY KEY, text TEXT);"
	"INSERT INTO extra SELECT idx, hex(command) FROM log;",
	"ALTER TABLE log RENAME TO old_log;"
	"CREATE TABLE log (idx INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, crc INTEGER NOT NULL,"
	"  command BLOB NOT NULL);"
	"INSERT INTO log SELECT * FROM old_log; DROP TABLE old_log; DROP TABLE extra;",
};

static const char *migrations[STORE_SCHEMA_VERSION + NEWER];
static char *creates[NEWER];

/* The daemon's, and those to come. */
static struct store_schema schemas[NEWER + 1];
static const struct store_schema *schema = schemas;

static void make_schemas(void)
{
	size_t n = store_schema.version - 1;

	memcpy(migrations, store_schema.migrations, n * sizeof(*migrations));
	schemas[0] = store_schema;
	for (unsigned i = 0; i < NEWER; i++) {
		migrations[n + i] = future[i];
		creates[i] = mem_printf("%s;%s", schemas[i].create, future[i]);
		schemas[i + 1] = (struct store_schema){ store_schema.version + i + 1, creates[i],
							migrations };
	}
}

static void free_schemas(void)
{
	for (unsigned i = 0; i < NEWER; i++)
		free(creates[i]);
}

/* ---------------------------------------------------------------- what it may hold */

static void note_state(struct run *run, uint64_t number)
{
	if (number >= run->states_cap) {
		run->states_cap = 2 * number + 16;
		run->states = mem_resize(run->states, run->states_cap, sizeof(*run->states));
	}
	run->states[number] = load_digest(&run->model);
	if (run->history_n == HISTORY_MAX)
		run->history_n = 0;
	run->history[run->history_n++] = run->states[number];
}

static bool is_prefix(const struct run *run, uint64_t digest, bool without_end)
{
	for (uint64_t i = without_end ? run->before_last[1] : run->durable; i <= run->seq; i++)
		if (run->states[i] == digest)
			return true;
	return false;
}

static bool ever_was(const struct run *run, uint64_t digest)
{
	for (size_t i = 0; i < run->history_n; i++)
		if (run->history[i] == digest)
			return true;
	return false;
}

/* A life begins with what was read: from now on that is durable. */
static void begin_with(struct run *run, struct disk *disk)
{
	disk_wipe(&run->model);
	run->model = *disk;
	run->disk_id = disk->id;
	run->seq = run->durable = 0;
	run->before_last[0] = run->before_last[1] = 0;
	run->failed = false;
	note_state(run, 0);
}

static void begin_empty(struct run *run)
{
	struct disk empty = { 0 };

	begin_with(run, &empty);
	run->history_n = 0;
	note_state(run, 0);
}

/* ---------------------------------------------------------------- opening */

static int open_and_read(struct store **ret, struct disk *ret_disk)
{
	struct store *store = NULL;
	int error = store_open_schema(crashfs_dir(fs), schema, &store, last_why, sizeof(last_why));

	if (!error) {
		error = load_read(store, ret_disk);
		snprintf(last_why, sizeof(last_why), "reading: %d", error);
	}
	if (error) {
		store_close(store);
		return error;
	}
	*ret = store;
	return 0;
}

/* As the daemon: set aside, and begin with an empty one. -EIO: power failed meanwhile. */
static int set_aside(struct store **ret, struct disk *ret_disk)
{
	char name[WHY_SIZE];
	int error = store_set_aside(crashfs_dir(fs), name, sizeof(name));

	count.aside++;
	return error ? error : open_and_read(ret, ret_disk);
}

static bool is_empty(const struct disk *disk)
{
	struct disk empty = { 0 };

	return load_digest(disk) == load_digest(&empty);
}

/* A store that nobody has damaged is opened: what it holds is what it should. */
static void check_whole(struct run *run, const struct disk *disk)
{
	count.checked++;
	if (run->disk_id && disk->id != run->disk_id)
		wrong(run, "the disk has another id");
	if (!is_prefix(run, load_digest(disk), false))
		wrong(run, "what was durable is lost, or a batch is not whole");
}

/* Until it is open, whatever comes in between. */
static struct store *open_at_last(struct run *run)
{
	struct store *store = NULL;
	struct disk disk;

	for (;;) {
		/* Where nothing was ever there, power fails again and again. */
		uint32_t faulty = run->disk_id || dice(run, 4) == 0 ? dice(run, 8) : CRASHFS_POWER;
		bool come, off;
		int error;

		if (faulty < CRASHFS_KINDS)
			crashfs_plan(fs, faulty, 1 + dice(run, 60), 1 + dice(run, 3));
		error = open_and_read(&store, &disk);
		off = crashfs_is_off(fs);
		come = crashfs_calm(fs);
		if (error == -EBADMSG)
			wrong(run, "a store is called damaged that is not");
		if (error && !come)
			wrong(run, "a store cannot be opened though the disk is well");
		if (!error && !off) {
			check_whole(run, &disk);
			begin_with(run, &disk);
			return store;
		}
		if (!error) {
			/* What it read was there, and power failed after it. */
			check_whole(run, &disk);
			begin_with(run, &disk);
			store_close(store);
			store = NULL;
		}
		count.cuts += off;
		count.faults += !off;
		crashfs_boot(fs);
	}
}

/* ---------------------------------------------------------------- a life */

static void poll_store(struct run *run, struct store *store)
{
	uint64_t durable = 0;
	char why[WHY_SIZE] = "";
	int error = store_poll(store, &durable, why, sizeof(why));

	if (durable < run->durable || durable > run->seq)
		wrong(run, "durable goes backwards, or ahead");
	if (run->failed && (!error || durable != run->durable))
		wrong(run, "a store that had failed goes on");
	if (error && (error != -EIO || !strstr(why, CRASHFS_DIR)))
		wrong(run, "a failure without a sentence");
	run->failed = error != 0;
	if (durable > run->durable) {
		run->before_last[1] = run->before_last[0];
		run->before_last[0] = run->durable;
	}
	run->durable = durable;
}

static void submit(struct run *run, struct store *store, bool big)
{
	struct persist *persists;
	size_t n;

	persists = load_batch(&run->rng, &run->model, big, &n);
	note_state(run, ++run->seq);
	crashfs_work();
	if (store_submit(store, persists, n, run->seq) < 0)
		wrong(run, "the queue is full");
	count.batches++;
}

/* Something is submitted while the disk is in a sync that takes for ever. */
static void step_slow(struct run *run, struct store *store, bool big)
{
	for (uint32_t n = dice(run, 5); n > 0; n--)
		submit(run, store, big);
	if (dice(run, 8) > 0)
		crashfs_pass();
}

static void step_idle(struct run *run, struct store *store, bool big)
{
	if (dice(run, 6) == 0)
		crashfs_wait_long();
	else
		submit(run, store, big);
}

static void live(struct run *run, struct store *store)
{
	bool big = dice(run, 80) == 0;
	uint32_t steps = 1 + dice(run, big ? 250 : dice(run, 8) == 0 ? 40 : 8);

	crashfs_shut_gate(dice(run, 2) == 0);
	if (store_start(store) < 0)
		wrong(run, "no thread");
	for (enum crashfs_thread is = crashfs_wait(); steps > 0; steps--) {
		if (is == CRASHFS_ENDED)
			break;
		if (is == CRASHFS_AT_GATE)
			step_slow(run, store, big);
		else
			step_idle(run, store, big);
		is = crashfs_wait();
		poll_store(run, store);
	}
}

/* Closed in peace everything is durable, and the log is empty. */
static void close_well(struct run *run, struct store *store)
{
	crashfs_shut_gate(false);
	store_close(store);
	if (!run->failed && !crashfs_is_off(fs))
		run->durable = run->seq;
	crashfs_boot(fs);
}

static void end_life(struct run *run, struct store *store)
{
	bool off = crashfs_is_off(fs);

	if (!off && dice(run, 3) > 0) {
		off = true;
		if (dice(run, 3) > 0)
			crashfs_cut(fs);
		else
			crashfs_kill(fs);
	}
	while (!off && crashfs_wait() == CRASHFS_AT_GATE) {
		crashfs_pass();
		crashfs_wait();
		poll_store(run, store);
	}
	crashfs_shut_gate(false);
	if (off) {
		/* The thread ends with the first write; what it says then counts, too. */
		count.cuts++;
		for (int i = 0; crashfs_wait() != CRASHFS_ENDED; i++) {
			if (i == 20)
				wrong(run, "the store goes on without power");
			submit(run, store, false);
		}
		poll_store(run, store);
		if (!run->failed)
			wrong(run, "a store without power has not failed");
		store_close(store);
		crashfs_boot(fs);
		crashfs_calm(fs);
		return;
	}
	crashfs_wait();
	poll_store(run, store);
	if (crashfs_calm(fs) && !crashfs_is_off(fs) && dice(run, 2)) {
		/* The fault is over: whatever the store has told holds. */
		submit(run, store, false);
		crashfs_wait();
		poll_store(run, store);
	}
	close_well(run, store);
}

static void plan_faults(struct run *run)
{
	static const unsigned within[CRASHFS_KINDS] = {
		[CRASHFS_POWER] = 120, [CRASHFS_READ] = 20, [CRASHFS_WRITE] = 120,
		[CRASHFS_FULL] = 120, [CRASHFS_SYNC] = 12,
	};
	uint32_t fault = dice(run, CRASHFS_KINDS + 2);

	if (fault < CRASHFS_KINDS)
		crashfs_plan(fs, fault, 1 + dice(run, within[fault]), 1 + dice(run, 4));
}

/* ---------------------------------------------------------------- damage */

enum allowed { NOT_LESS, WITHOUT_END, ANYTHING_WHOLE };

/* What was damaged and not noticed does no harm either when it is written to. */
static void write_on(struct run *run, struct store *store, struct disk *disk)
{
	struct disk again;
	uint64_t digest;

	for (int i = 0; i < 6; i++) {
		size_t n;
		struct persist *persists = load_batch(&run->rng, disk, false, &n);

		if (store_write_now(store, persists, n) < 0)
			wrong(run, "damage that was not seen is in the way");
		load_free(persists, n);
	}
	store_close(store);
	digest = load_digest(disk);
	disk_wipe(disk);
	if (open_and_read(&store, &again) < 0 || load_digest(&again) != digest)
		wrong(run, "damage that was not seen comes out later");
	disk_wipe(&again);
	store_close(store);
}

/* The damaged store is opened; or power fails in the middle of that. */
static void open_damaged(struct run *run, enum allowed allowed)
{
	struct store *store = NULL;
	struct disk disk;
	bool aside = false;
	int error;

	if (dice(run, 4) == 0)
		crashfs_plan(fs, CRASHFS_POWER, 1 + dice(run, 60), 1);
	error = open_and_read(&store, &disk);
	for (int tries = 0; error && tries < 8; tries++) {
		if (crashfs_is_off(fs))
			crashfs_boot(fs);
		else if (error != -EBADMSG)
			wrong(run, "damage is called something else");
		if (error == -EBADMSG) {
			aside = true;
			error = set_aside(&store, &disk);
		} else
			error = open_and_read(&store, &disk);
	}
	if (error)
		wrong(run, "no store after damage");
	crashfs_calm(fs);
	if (is_empty(&disk) && disk.id != run->disk_id)
		count.seen += aside;
	else if (run->disk_id && disk.id != run->disk_id)
		wrong(run, "a damaged store has another id");
	else if (!is_prefix(run, load_digest(&disk), allowed == WITHOUT_END) &&
		 !(allowed == ANYTHING_WHOLE && ever_was(run, load_digest(&disk))))
		wrong(run, "damage is not seen");
	if (!crashfs_is_off(fs))
		write_on(run, store, &disk);
	else
		store_close(store);
	disk_wipe(&disk);
	crashfs_boot(fs);
}

/* Anywhere, but often where a bit says much: in the header and the numbers of a database. */
static size_t where(struct run *run, const char *name, size_t size)
{
	uint32_t region = strcmp(name, "cluster.db") == 0 && size > 8192 ? dice(run, 6) : 5;

	/* Of it, its versions. */
	if (region == 0)
		return dice(run, 2) ? 60 + dice(run, 12) : dice(run, 100);
	if (region == 1)
		return 8191 - dice(run, 250);
	return dice(run, (uint32_t)size);
}

static void damage_bits(struct run *run)
{
	struct crashfs_copy *copy = crashfs_save(fs);

	for (int i = 0; i < 3; i++) {
		enum allowed allowed = NOT_LESS;
		const char *name = dice(run, 2) && crashfs_size(fs, "cluster.db-wal") ?
			"cluster.db-wal" : "cluster.db";
		size_t size = crashfs_size(fs, name);
		size_t at = where(run, name, size);
		unsigned bit = dice(run, 8);

		if (size == 0)
			break;
		if (dice(run, 4) == 0) {
			snprintf(last_damage, sizeof(last_damage), "%s, noise at %zu of %zu", name,
				 at / 512 * 512, size);
			/* The end of a log is told from a loss of power only by single bits. */
			if (strcmp(name, "cluster.db") != 0)
				allowed = WITHOUT_END;
			crashfs_noise(fs, name, at / 512 * 512,
				      512 * (allowed == WITHOUT_END ? 1 : 1 + dice(run, 16)));
		} else {
			snprintf(last_damage, sizeof(last_damage), "%s, bit %u of %zu of %zu", name,
				 bit, at, size);
			/* The only bit of a sector of the log might not have been written, too. */
			if (!crashfs_flip(fs, name, 8 * at + bit))
				allowed = WITHOUT_END;
		}
		count.flips++;
		open_damaged(run, allowed);
		crashfs_restore(fs, copy);
	}
	crashfs_copy_free(copy);
}

/* The database of one time and the log of another. */
static void mix(struct run *run, const struct crashfs_copy *old)
{
	struct crashfs_copy *copy = crashfs_save(fs);
	static const char *const names[] = { "cluster.db", "cluster.db-wal" };

	for (size_t i = 0; i < 3; i++) {
		if (i < 2)
			crashfs_restore_file(fs, old, names[i]);
		else
			crashfs_restore(fs, old);
		snprintf(last_damage, sizeof(last_damage), "older %s", i < 2 ? names[i] : "both");
		count.mixes++;
		open_damaged(run, ANYTHING_WHOLE);
		crashfs_restore(fs, copy);
	}
	crashfs_copy_free(copy);
}

/* ---------------------------------------------------------------- all of it */

static unsigned run_seed(uint64_t seed, unsigned lives)
{
	struct run run = { .seed = seed, .rng.state = seed };
	struct crashfs_copy *old = NULL;
	unsigned life;

	crashfs_reset(fs, rng_next(&run.rng));
	crashfs_same_chance(seed);
	begin_empty(&run);
	schema = schemas;
	for (life = 0; life < lives; life++) {
		struct store *store;

		if (schema < &schemas[NEWER] && dice(&run, 8) == 0)
			schema++;
		store = open_at_last(&run);
		plan_faults(&run);
		live(&run, store);
		end_life(&run, store);
		if (dice(&run, 5) == 0)
			damage_bits(&run);
		if (old && dice(&run, 8) == 0)
			mix(&run, old);
		if (!old || dice(&run, 3) == 0) {
			crashfs_copy_free(old);
			old = crashfs_save(fs);
		}
	}
	crashfs_copy_free(old);
	disk_wipe(&run.model);
	free(run.states);
	count.cycles += life;
	return life;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned long cycles = CYCLES;
	uint64_t seed = 1;
	bool one = false;
	double begun = seconds(), took;
	int option;

	while ((option = getopt(argc, argv, "n:s:1")) != -1)
		if (option == 'n')
			cycles = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (option == '1')
			one = true;
		else {
			fprintf(stderr, "usage: powercut [-n CYCLES] [-s SEED] [-1]\n");
			return 2;
		}
	fs = crashfs_new(seed);
	make_schemas();
	setvbuf(stdout, NULL, _IOLBF, 0);
	do
		run_seed(seed++, LIVES);
	while (!one && count.cycles < cycles);
	crashfs_free(fs);
	free_schemas();
	took = seconds() - begun;
	printf("powercut: %u cycles in %.1f s (%.0f/s), %" PRIu64 " batches, %u ends by power or "
	       "kill, %u faults while opening, %u stores checked; %u damages, %u mixes, %u seen, "
	       "%u set aside; next seed %" PRIu64 "\n", count.cycles, took, count.cycles / took,
	       count.batches, count.cuts, count.faults, count.checked, count.flips, count.mixes,
	       count.seen, count.aside, seed);
	return 0;
}
