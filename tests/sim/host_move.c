/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests that are moved, live or by way of a file. */
#include "tests/sim/host_private.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- moves */

static struct host *destination(struct host *host, const struct job *job)
{
	const char *at = strrchr(job->request->migrate->data_uri, 'n');
	unsigned long node = at ? strtoul(at + 1, NULL, 10) : 0;

	return node >= 1 && node <= host->world->nodes ? host->world->machines[node].host : NULL;
}

static bool linked(const struct host *host, const struct host *to)
{
	return to && net_reaches(host->world, host->node, to->node);
}

static struct guest *arriving(struct host *host, struct host *to, const struct job *job)
{
	struct guest *guest = to ? guest_find(to, job->request->domain->uuid) : NULL;

	return guest_is_here(guest) && guest->from == host->node ? guest : NULL;
}

/* The source keeps it, and the copy is given up if the destination hears of that. */
void job_give_up_move(struct host *host, struct job *job, const char *why)
{
	struct host *to = destination(host, job);
	struct guest *guest = job_subject(host, job), *copy = arriving(host, to, job);

	if (copy && copy->state == STATE(INCOMING) && linked(host, to))
		guest_end(to, copy, CAUSE(INCOMING_LOST));
	if (guest && guest->state == STATE(PAUSED) && strcmp(guest->reason, "postmigrate") == 0) {
		guest->job = 0;
		world_tell(host->world, "n%u: libvirt lets %s go on", host->node, guest->name);
		guest_become(host, guest, STATE(RUNNING), "");
		/* Some QEMU does not survive that for long. */
		if (world_permille(host->world, 150))
			host_guest_ends(host, guest->uuid, false);
	}
	job_done(host, job, job->cancelled ? CODE(CANCELLED) : guest ? CODE(FAILED) : CODE(ABSENT),
		 why);
}

static void move_begins(struct host *host, struct job *job)
{
	struct host *to = destination(host, job);
	struct guest *guest = guest_find(host, job->request->domain->uuid), *copy;

	if (!guest_is_here(guest) || guest->job || guest->state == STATE(INCOMING) ||
	    guest->state == STATE(UNKNOWN) || host_refuses(host, HOST_MOVES)) {
		job_done(host, job, guest_is_here(guest) ? CODE(FAILED) : CODE(ABSENT),
			 "it cannot be moved");
		return;
	}
	/* migrate/driver/inactive.h: QEMU would abort. */
	if (guest->state == STATE(COMPLETE)) {
		job_done(host, job, CODE(REFUSED), "it has not run since it came here");
		return;
	}
	if (!linked(host, to) || host_is_hung(to)) {
		job_done(host, job, CODE(FAILED), "cannot connect");
		return;
	}
	copy = guest_know(to, job->request->domain);
	if (guest_is_here(copy) || !host_hook_allows(to, guest->uuid, RIGHT_INCOMING)) {
		job_done(host, job, CODE(FAILED), "the other side says no");
		return;
	}
	world_tell(host->world, "n%u: %s is copied to n%u", host->node, guest->name, to->node);
	copy->from = host->node;
	guest_begin(to, copy, STATE(INCOMING), "");
	job->life = guest->life;
	guest->job = job->number;
	host_look_soon(host, guest);
	job_next(host, job, 20000 * host->world->job_ms, 200000 * host->world->job_ms);
}

static void move_switches(struct host *host, struct job *job, struct guest *guest)
{
	struct guest *copy = arriving(host, destination(host, job), job);

	if (!copy || host_refuses(host, HOST_MOVES)) {
		job_give_up_move(host, job, "the copy is lost");
		return;
	}
	if (guest->state == STATE(RUNNING))
		guest_become(host, guest, STATE(PAUSED), "postmigrate");
	copy->memory = guest->handed = guest->memory;
	guest_become(destination(host, job), copy, STATE(COMPLETE), "migration");
	host->world->counts.moves++;
	job_next(host, job, 2000, 50000);
}

/* The other side has said that it has it, if that is heard; then the source ends it. */
static void move_finishes(struct host *host, struct job *job, struct guest *guest)
{
	struct host *to = destination(host, job);
	bool heard = linked(host, to) && !host_refuses(host, HOST_REPLIES);

	if (job->step == 2 && !heard) {
		job_next(host, job, KEEPALIVE_US / 2, KEEPALIVE_US);
	} else if (job->step == 2) {
		world_tell(host->world, "n%u: libvirt ends %s, which is on n%u now", host->node,
			   guest->name, to->node);
		guest_end(host, guest, CAUSE(HANDED_OVER));
		job_done(host, job, CODE(OK), "");
	} else {
		job_give_up_move(host, job, "keepalive timeout");
	}
}

void job_migrate(struct host *host, struct job *job)
{
	struct guest *guest = job_subject(host, job);

	if (job->step == 0)
		move_begins(host, job);
	else if (!guest)
		job_give_up_move(host, job, "it is gone");
	else if (job->step == 1 && (job->cancelled || !linked(host, destination(host, job))))
		job_give_up_move(host, job, job->cancelled ? "cancelled" : "connection lost");
	else if (job->step == 1)
		move_switches(host, job, guest);
	else
		move_finishes(host, job, guest);
}

void job_hand_over(struct host *host, struct job *job)
{
	struct guest *guest = guest_find(host, job->request->domain->uuid);

	if (guest_is_here(guest) &&
	    (guest->state != STATE(PAUSED) || guest->memory != guest->handed)) {
		job_done(host, job, CODE(RAN_ON), "it has run since");
		return;
	}
	if (!guest_is_here(guest)) {
		job_done(host, job, CODE(ABSENT), "the source was gone already");
		return;
	}
	world_tell(host->world, "n%u: %s is handed over", host->node, guest->name);
	guest_end(host, guest, CAUSE(HANDED_OVER));
	job_done(host, job, CODE(OK), "");
}

void job_cancel(struct host *host, struct job *job)
{
	struct guest *guest = guest_find(host, job->request->domain->uuid);
	struct job *other =
		guest_is_here(guest) && guest->job ? idmap_get(&host->jobs, guest->job) : NULL;

	if (other)
		other->cancelled = true;
	job_done(host, job, CODE(OK), "");
}

/* ---------------------------------------------------------------- by way of a file */

/* What the agent knows of its end, which is not that it was saved. */
static bool ended_otherwise(const struct guest *guest)
{
	return guest && guest->cause != CAUSE(UNKNOWN) && guest->cause != CAUSE(KILLED);
}

void job_save(struct host *host, struct job *job)
{
	struct truth *truth = host->world->truth;
	const char *path = job->request->save->path;
	struct guest *guest = guest_find(host, job->request->domain->uuid);
	bool consumed;

	if (job->step > 0)
		guest = job_subject(host, job);
	if (!guest_is_here(guest)) {
		bool whole = truth_image(truth, path, &consumed) && !consumed &&
			     !ended_otherwise(guest);

		job_done(host, job, whole ? CODE(OK) : CODE(ABSENT), whole ? "" : "it is gone");
	} else if (job->step == 0 && guest->job) {
		job_done(host, job, CODE(TIMEOUT), "it is being moved or saved still");
	} else if (job->step == 0 && (guest->state == STATE(INCOMING) ||
				      guest->state == STATE(COMPLETE) ||
				      guest->state == STATE(UNKNOWN))) {
		job_done(host, job, CODE(REFUSED), "it cannot be saved");
	} else if (job->step == 0 && truth_image_drop(truth, path)) {
		job_done(host, job, CODE(FAILED), "saving it before did not end it");
	} else if (job->step == 0) {
		job->life = guest->life;
		guest->job = job->number;
		job->paused = guest->state == STATE(RUNNING);
		if (job->paused)
			guest_become(host, guest, STATE(PAUSED), "user");
		job_next(host, job, 5000 * host->world->job_ms, 100000 * host->world->job_ms);
	} else if (job->cancelled || host_refuses(host, HOST_SAVES)) {
		guest->job = 0;
		if (job->paused)
			guest_become(host, guest, STATE(RUNNING), "");
		job_done(host, job, job->cancelled ? CODE(CANCELLED) : CODE(FAILED), "not saved");
	} else {
		world_tell(host->world, "n%u: %s is saved", host->node, guest->name);
		host->world->counts.saves++;
		truth_image_put(truth, path, guest->memory);
		guest_end(host, guest, CAUSE(KILLED));
		job_done(host, job, CODE(OK), "");
	}
}

/* As migrate/driver/image.c tells: a copy that a move left behind has not run, and is none. */
static bool was_restored(const struct guest *guest)
{
	return guest->state == STATE(RUNNING) ||
	       (guest->state == STATE(PAUSED) && strcmp(guest->reason, "postmigrate") != 0 &&
		strcmp(guest->reason, "migration") != 0);
}

void job_restore(struct host *host, struct job *job)
{
	struct truth *truth = host->world->truth;
	const char *path = job->request->restore->path;
	struct guest *guest = guest_know(host, job->request->domain);
	bool consumed = false;
	uint64_t memory = truth_image(truth, path, &consumed);

	if (guest_is_here(guest) && guest->state != STATE(UNKNOWN)) {
		bool restored = was_restored(guest);

		/* What has run is newer than the image. */
		if (restored && memory)
			truth_image_consume(truth, path);
		job_done(host, job, restored ? CODE(OK) : CODE(FAILED), "it is here already");
	} else if (job->step == 0 && (!memory || host_refuses(host, HOST_RESTORES))) {
		job_done(host, job, CODE(FAILED),
			 memory ? "out of memory" : "the image is missing");
	} else if (job->step == 0 && !host_hook_allows(host, guest->uuid, RIGHT_RESTORE)) {
		job_done(host, job, CODE(FAILED), "the hook says no");
	} else if (job->step == 0) {
		guest_begin(host, guest, STATE(UNKNOWN), "");
		job->life = guest->life;
		job_next(host, job, 5000 * host->world->job_ms, 100000 * host->world->job_ms);
	} else if (!job_subject(host, job) || !memory) {
		job_done(host, job, CODE(FAILED), "it was killed");
	} else {
		world_tell(host->world, "n%u: %s is restored", host->node, guest->name);
		guest->memory = memory;
		truth_image_consume(truth, path);
		guest_become(host, guest, STATE(PAUSED), "restored");
		job_done(host, job, CODE(OK), "");
	}
}

void job_drop(struct host *host, struct job *job)
{
	bool dropped;

	if (host_refuses(host, HOST_DROPS)) {
		job_done(host, job, CODE(FAILED), "permission denied");
		return;
	}
	dropped = truth_image_drop(host->world->truth, job->request->drop_image->path);
	job_done(host, job, dropped ? CODE(OK) : CODE(ABSENT), "");
}
