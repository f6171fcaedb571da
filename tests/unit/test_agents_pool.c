/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/pool.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/mem.h"
#include "migrate/driver/process.h"
#include "tests/unit/unit.h"

static atomic_int ran, late, freed;
static sem_t go;

struct work {
	struct job job;
	bool waits;
};

static void run_work(struct job *job, struct link *link)
{
	if (((struct work *)job)->waits)
		sem_wait(&go);
	atomic_fetch_add(&ran, 1);
}

static void work_is_late(struct job *job)
{
	atomic_fetch_add(&late, 1);
}

static void free_work(struct job *job)
{
	atomic_fetch_add(&freed, 1);
	free(job);
}

static struct work *new_work(uint64_t due_ms, bool waits)
{
	struct work *work = mem_new(struct work);

	work->job = (struct job){
		.due_ms = due_ms, .run = run_work, .late = work_is_late, .free = free_work
	};
	work->waits = waits;
	return work;
}

static void submit(struct pool *pool, enum pool_lane lane, uint64_t due_ms, bool waits)
{
	CU_ASSERT_EQUAL_FATAL(pool_submit(pool, lane, &new_work(due_ms, waits)->job), 0);
}

static bool becomes(atomic_int *count, int wanted)
{
	for (int i = 0; i < 1000 && atomic_load(count) < wanted; i++)
		usleep(5000);
	return atomic_load(count) == wanted;
}

static void begin(void)
{
	ran = late = freed = 0;
	sem_init(&go, 0, 0);
}

static void let_go(int n)
{
	while (n-- > 0)
		sem_post(&go);
}

static void test_runs_all(void)
{
	struct pool *pool = pool_new("test:///default");

	begin();
	for (int i = 0; i < 200; i++)
		submit(pool, (enum pool_lane)(i % POOL_LANES), 0, false);
	CU_ASSERT_TRUE(becomes(&freed, 200));
	CU_ASSERT_EQUAL(ran, 200);
	CU_ASSERT_EQUAL(pool_check(pool, process_now_ms()), UINT64_MAX);
}

/* A lane that is full holds up no other. */
static void test_lanes(void)
{
	struct pool *pool = pool_new("test:///default");

	begin();
	for (int i = 0; i < POOL_SHORT_MAX + 5; i++)
		submit(pool, POOL_SHORT, 0, true);
	submit(pool, POOL_LONG, 0, false);
	submit(pool, POOL_START, 0, false);
	CU_ASSERT_TRUE(becomes(&ran, 2));
	let_go(POOL_SHORT_MAX + 5);
	CU_ASSERT_TRUE(becomes(&freed, POOL_SHORT_MAX + 7));
}

/* What hangs is told of once, and what waits behind it goes on in its place. */
static void test_stuck(void)
{
	struct pool *pool = pool_new("test:///default");
	uint64_t now_ms = process_now_ms();

	begin();
	for (int i = 0; i < POOL_SHORT_MAX; i++)
		submit(pool, POOL_SHORT, now_ms + 100000 + (uint64_t)i, true);
	submit(pool, POOL_SHORT, 0, false);
	usleep(100000);
	CU_ASSERT_EQUAL(ran, 0);
	CU_ASSERT_EQUAL(pool_check(pool, now_ms), now_ms + 100000);
	CU_ASSERT_EQUAL(late, 0);
	CU_ASSERT_EQUAL(pool_check(pool, now_ms + 100000), now_ms + 100001);
	CU_ASSERT_EQUAL(late, 1);
	CU_ASSERT_EQUAL(pool_stuck(pool), 1);
	CU_ASSERT_TRUE(becomes(&ran, 1));
	pool_check(pool, now_ms + 200000);
	CU_ASSERT_EQUAL(late, POOL_SHORT_MAX);
	CU_ASSERT_EQUAL(pool_stuck(pool), POOL_SHORT_MAX);
	/* Now nothing new is taken, except what must be. */
	{
		struct work *work = new_work(0, false);

		CU_ASSERT_EQUAL(pool_submit(pool, POOL_LONG, &work->job), -EBUSY);
		CU_ASSERT_EQUAL(pool_submit_anyway(pool, POOL_SHORT, &work->job), 0);
	}
	CU_ASSERT_TRUE(becomes(&ran, 2));
	let_go(POOL_SHORT_MAX);
	CU_ASSERT_TRUE(becomes(&freed, POOL_SHORT_MAX + 2));
	CU_ASSERT_EQUAL(pool_stuck(pool), 0);
	submit(pool, POOL_SHORT, 0, false);
	CU_ASSERT_TRUE(becomes(&ran, POOL_SHORT_MAX + 3));
	CU_ASSERT_EQUAL(late, POOL_SHORT_MAX);
}

/* What nobody has begun by its deadline is not begun any more. */
static void test_never_begun(void)
{
	struct pool *pool = pool_new("test:///default");
	uint64_t now_ms = process_now_ms();

	begin();
	for (int i = 0; i < POOL_START_MAX; i++)
		submit(pool, POOL_START, 0, true);
	submit(pool, POOL_START, now_ms + 100000, false);
	submit(pool, POOL_START, 0, false);
	pool_check(pool, now_ms + 100000);
	CU_ASSERT(late == 1 && freed == 1 && ran == 0);
	CU_ASSERT_EQUAL(pool_stuck(pool), 0);
	let_go(POOL_START_MAX);
	CU_ASSERT_TRUE(becomes(&freed, POOL_START_MAX + 2));
	CU_ASSERT_EQUAL(ran, POOL_START_MAX + 1);
}

UNIT_MAIN("agents/pool", { "runs-all", test_runs_all }, { "lanes", test_lanes },
	  { "stuck", test_stuck }, { "never-begun", test_never_begun })
