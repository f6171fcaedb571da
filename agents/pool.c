/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "migrate/driver/process.h"

enum { IDLE_S = 20, STACK_SIZE = 1024 * 1024 };

struct lane {
	struct pool *pool;
	pthread_cond_t more;
	struct job *first, **last;
	struct job *running; /* linked by next */
	unsigned queued, limit, threads, idle, stuck;
};

struct pool {
	const char *uri;
	pthread_mutex_t lock;
	struct lane lanes[POOL_LANES];
};

struct pool *pool_new(const char *uri)
{
	static const unsigned limits[POOL_LANES] = { POOL_SHORT_MAX, POOL_START_MAX,
						     POOL_LONG_MAX };
	struct pool *pool = mem_new(struct pool);
	pthread_condattr_t clock;

	pool->uri = uri;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	for (int i = 0; i < POOL_LANES; i++) {
		struct lane *lane = &pool->lanes[i];

		lane->pool = pool;
		lane->limit = limits[i];
		lane->last = &lane->first;
		pthread_cond_init(&lane->more, &clock);
	}
	pthread_condattr_destroy(&clock);
	return pool;
}

static struct job *take_first(struct lane *lane)
{
	struct job *job = lane->first;

	lane->first = job->next;
	if (!lane->first)
		lane->last = &lane->first;
	lane->queued--;
	return job;
}

static void take_out(struct job **list, struct job *job)
{
	while (*list != job)
		list = &(*list)->next;
	*list = job->next;
}

/* Waits for a job; NULL: none came for so long that the thread may go. Lock held. */
static struct job *wait_for_job(struct lane *lane)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_S;
	while (!lane->first) {
		int r;

		lane->idle++;
		r = pthread_cond_timedwait(&lane->more, &lane->pool->lock, &until);
		lane->idle--;
		if (r == ETIMEDOUT && !lane->first)
			return NULL;
	}
	return take_first(lane);
}

/* Runs one job, lock held before and after. False: it came back from being stuck. */
static bool run_job(struct lane *lane, struct job *job, struct link *link)
{
	bool was_late;

	job->next = lane->running;
	lane->running = job;
	pthread_mutex_unlock(&lane->pool->lock);
	job->run(job, link);
	pthread_mutex_lock(&lane->pool->lock);
	take_out(&lane->running, job);
	was_late = job->is_late;
	if (was_late)
		lane->stuck--;
	pthread_mutex_unlock(&lane->pool->lock);
	job->free(job);
	pthread_mutex_lock(&lane->pool->lock);
	return !was_late;
}

static void *work(void *context)
{
	struct lane *lane = context;
	struct link link = { .uri = lane->pool->uri };
	struct job *job;

	pthread_mutex_lock(&lane->pool->lock);
	/* One that was stuck has been replaced. */
	while ((job = wait_for_job(lane)) && run_job(lane, job, &link))
		;
	lane->threads--;
	pthread_mutex_unlock(&lane->pool->lock);
	link_close(&link);
	return NULL;
}

/* Without one, what waits is given up when it is due, and tried again at each look until then. */
static void add_thread(struct lane *lane)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, work, lane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	lane->threads += r == 0;
}

/* Sees to it that somebody takes what waits. Lock held. */
static void wake(struct lane *lane)
{
	if (lane->queued > lane->idle && lane->threads - lane->stuck < lane->limit)
		add_thread(lane);
	pthread_cond_signal(&lane->more);
}

static unsigned stuck_locked(const struct pool *pool)
{
	unsigned stuck = 0;

	for (int i = 0; i < POOL_LANES; i++)
		stuck += pool->lanes[i].stuck;
	return stuck;
}

static int submit(struct pool *pool, struct lane *lane, struct job *job, bool anyway)
{
	int r = 0;

	pthread_mutex_lock(&pool->lock);
	if (lane->queued >= POOL_QUEUE_MAX || (!anyway && stuck_locked(pool) >= POOL_STUCK_MAX))
		r = -EBUSY;
	if (r == 0) {
		job->next = NULL;
		job->is_late = false;
		*lane->last = job;
		lane->last = &job->next;
		lane->queued++;
		wake(lane);
	}
	pthread_mutex_unlock(&pool->lock);
	return r;
}

int pool_submit(struct pool *pool, enum pool_lane lane, struct job *job)
{
	return submit(pool, &pool->lanes[lane], job, false);
}

int pool_submit_anyway(struct pool *pool, enum pool_lane lane, struct job *job)
{
	return submit(pool, &pool->lanes[lane], job, true);
}

static bool is_due(const struct job *job, uint64_t now_ms, uint64_t *next_ms)
{
	if (job->is_late || job->due_ms == 0)
		return false;
	if (job->due_ms <= now_ms)
		return true;
	if (job->due_ms < *next_ms)
		*next_ms = job->due_ms;
	return false;
}

/* What nobody has begun yet is not begun any more. */
static void give_up_queued(struct lane *lane, uint64_t now_ms, uint64_t *next_ms)
{
	struct job **at = &lane->first;

	while (*at) {
		struct job *job = *at;

		if (!is_due(job, now_ms, next_ms)) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		lane->queued--;
		job->late(job);
		job->free(job);
	}
	lane->last = at;
}

static void give_up_running(struct lane *lane, uint64_t now_ms, uint64_t *next_ms)
{
	for (struct job *job = lane->running; job; job = job->next) {
		if (!is_due(job, now_ms, next_ms))
			continue;
		job->is_late = true;
		lane->stuck++;
		job->late(job);
	}
}

uint64_t pool_check(struct pool *pool, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;

	pthread_mutex_lock(&pool->lock);
	for (int i = 0; i < POOL_LANES; i++) {
		give_up_queued(&pool->lanes[i], now_ms, &next_ms);
		give_up_running(&pool->lanes[i], now_ms, &next_ms);
		if (pool->lanes[i].queued)
			wake(&pool->lanes[i]);
	}
	pthread_mutex_unlock(&pool->lock);
	return next_ms;
}

unsigned pool_stuck(struct pool *pool)
{
	unsigned stuck;

	pthread_mutex_lock(&pool->lock);
	stuck = stuck_locked(pool);
	pthread_mutex_unlock(&pool->lock);
	return stuck;
}
