/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that take a running domain to another node: live, or by way of a file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agents/vm.h"
#include "base/mem.h"
#include "migrate/driver/handover.h"
#include "migrate/driver/image.h"
#include "migrate/driver/inactive.h"
#include "migrate/driver/move.h"
#include "migrate/driver/process.h"

enum {
	DROPS_MAX = POOL_STUCK_MAX / 2, /* they are asked for again and again, and may all hang */
	GONE_MS = 10000,
	LOOK_MS = 1000, /* for a look of another thread to end */
	LOCK_MS = 20,   /* a look that takes longer is held up by libvirt */
};

static void finish(struct request *request, struct link *link, const struct outcome *outcome)
{
	request_finish(request, link, request_code(outcome->code), outcome->text, NULL);
}

/* Everything but drop_image and cancel is done on a connection. NULL: answered. */
static virConnectPtr connect_or_finish(struct request *request, struct link *link)
{
	char why[VM_WHY_SIZE];
	virConnectPtr conn;

	if (agent_connect(request->agent, link, &conn, why) == 0)
		return conn;
	request_finish(request, link, WIRE__AGENT_REPLY__CODE__FAILED, why, NULL);
	return NULL;
}

/* What a look finds before its memory is taken away. */
struct stand {
	bool paused;
	bool ran;  /* in this life, certainly */
	bool torn; /* see struct guest */
	bool held; /* it cannot be told: another look hangs */
};

static struct stand look_how_it_stands(struct request *request, struct link *link)
{
	struct guest *guest = request->guest;
	struct stand stand = { 0 };

	if (guest_lock(guest, LOOK_MS) < 0) {
		stand.held = true;
		return stand;
	}
	guest_look_locked(request->agent, guest, link);
	stand.paused = guest->last.state == SIGHT_PAUSED;
	stand.ran = guest->ran_id >= 0 && guest->ran_id == guest->last.libvirt_id;
	/* What cannot be seen now has not run for all that is known. */
	stand.torn = guest->torn_id >= 0 && (guest->last.state == SIGHT_UNKNOWN ||
					     guest->torn_id == guest->last.libvirt_id);
	guest_unlock(guest);
	return stand;
}

/* False: answered, QEMU would end the guest instead. */
static bool check_active(struct request *request, struct link *link, virConnectPtr conn,
			 struct stand stand)
{
	struct outcome outcome;

	if (stand.held) {
		outcome_set(&outcome, OUTCOME_FAILED, "libvirt does not say how it is");
		finish(request, link, &outcome);
		return false;
	}
	if (!stand.torn && (stand.ran || !inactive_is(conn, request->guest->uuid)))
		return true;
	outcome_set(&outcome, OUTCOME_REFUSED,
		    "%s, and has not run since: QEMU would end it if it were moved again; resume "
		    "it first: clusterctl vm resume %s",
		    stand.torn ? "it is paused, its last live migration failed"
			       : "it came here paused, by a live migration",
		    request->body->domain->name);
	finish(request, link, &outcome);
	return false;
}

/* ---------------------------------------------------------------- live */

static void tell_progress(void *context, const struct move_progress *p)
{
	struct request *request = context;
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__Progress progress = WIRE__PROGRESS__INIT;

	if (channel_is_cluttered(request->agent->channel))
		return;
	progress.domain = request->body->domain;
	progress.total = p->total;
	progress.done = p->done;
	progress.rate = p->rate;
	progress.pass = p->pass;
	progress.eta_ms = p->eta_ms;
	news.body_case = WIRE__AGENT_NEWS__BODY_PROGRESS;
	news.progress = &progress;
	agent_send_news(request->agent, &news);
}

/* From here on the event loop notes what the hand-over has to know. -EBUSY: one is under way. */
static int begin_move(struct request *request, bool paused)
{
	struct guest *guest = request->guest;
	struct vm_move move = { .active = true, .paused_before = paused };
	int r = process_find(guest->uuid, &move.pid);

	if (r < 0)
		return r;
	process_vcpus_read(move.pid, &move.vcpus);
	pthread_mutex_lock(&request->agent->lock);
	if (guest->jobs) {
		r = -EBUSY;
	} else {
		move.life = request->agent->life;
		guest->jobs++;
		guest->move = move;
		guest->handed_over = false;
		atomic_store(&guest->cancel, false);
	}
	pthread_mutex_unlock(&request->agent->lock);
	return r;
}

/* over: libvirt has finished it and ended the guest here. Gives whether it was handed over. */
static bool end_move(struct request *request, bool over)
{
	struct guest *guest = request->guest;
	bool handed_over;

	pthread_mutex_lock(&request->agent->lock);
	guest->jobs--;
	guest->move.active = false;
	guest->handed_over |= over;
	handed_over = guest->handed_over;
	pthread_mutex_unlock(&request->agent->lock);
	return handed_over;
}

static void run_move(struct request *request, virConnectPtr conn, struct outcome *ret)
{
	const Wire__DomMigrate *ask = request->body->migrate;
	struct move move = {
		.libvirt_uri = request->agent->uri,
		.uuid = request->guest->uuid,
		.connect_uri = ask->connect_uri,
		.data_uri = ask->data_uri,
		.tls = ask->tls,
		.bandwidth_mib_s = ask->bandwidth_mib_s,
		.max_downtime_ms = ask->max_downtime_ms,
		.stall_ms = ask->stall_ms,
		.due_ms = request->job.due_ms,
		.shared_paths = (const char *const *)ask->shared_paths,
		.shared_n = ask->n_shared_paths,
		.cancel = &request->guest->cancel,
		.progress = tell_progress,
		.context = request,
	};

	move_run(conn, &move, ret);
}

/* Its memory may have been complete there: then its block devices are inactive, see inactive.h. */
static void note_failed(struct request *request, struct link *link, bool paused)
{
	struct guest *guest = request->guest;

	if (guest_lock(guest, LOOK_MS) < 0)
		return;
	guest_look_locked(request->agent, guest, link);
	if (guest->last.state == SIGHT_PAUSED)
		guest->torn_id = guest->last.libvirt_id;
	else if (guest->last.state == SIGHT_UNKNOWN && paused)
		guest->torn_id = guest->present_id;
	guest_unlock(guest);
}

void vm_do_migrate(struct request *request, struct link *link)
{
	virConnectPtr conn = connect_or_finish(request, link);
	struct outcome outcome;
	struct stand stand;
	int r;

	if (!conn)
		return;
	stand = look_how_it_stands(request, link);
	if (!check_active(request, link, conn, stand))
		return;
	r = begin_move(request, stand.paused);
	if (r < 0) {
		outcome_set(&outcome, r == -ESRCH ? OUTCOME_ABSENT : OUTCOME_REFUSED, "%s",
			    r == -ESRCH   ? "it is not here"
			    : r == -EBUSY ? "it is being moved or saved already"
					  : strerror(-r));
		finish(request, link, &outcome);
		return;
	}
	run_move(request, conn, &outcome);
	/* libvirt calls it a failure when we ended the source before it could. */
	if (end_move(request, outcome.code == OUTCOME_OK) && outcome.code == OUTCOME_ABSENT)
		outcome_set(&outcome, OUTCOME_OK, "handed over");
	if (outcome.code != OUTCOME_OK && outcome.code != OUTCOME_REFUSED)
		note_failed(request, link, stand.paused);
	finish(request, link, &outcome);
}

/* ---------------------------------------------------------------- hand-over */

/* It stands still, and is killed if there is no doubt: its end may be seen before we are back. */
static bool ran_on(void *context)
{
	struct request *request = context;
	struct agent *agent = request->agent;
	const struct vm_move *move = &request->guest->move;
	bool doubt;

	pthread_mutex_lock(&agent->lock);
	doubt = move->resumed || !move->active || !agent->connected || move->life != agent->life;
	request->guest->handed_over = !doubt;
	pthread_mutex_unlock(&agent->lock);
	return doubt;
}

static void run_hand_over(struct request *request, virConnectPtr conn, struct outcome *ret)
{
	struct agent *agent = request->agent;
	struct guest *guest = request->guest;
	struct handover handover = {
		.uuid = guest->uuid,
		.guard_ms = request->body->hand_over->guard_ms,
		.timeout_ms = GONE_MS,
		.ran_on = ran_on,
		.context = request,
	};

	pthread_mutex_lock(&agent->lock);
	handover.pid = guest->move.pid;
	handover.suspended = guest->move.suspended && guest->move.active;
	handover.paused_before = guest->move.paused_before && guest->move.active;
	handover.suspended_ms = guest->move.suspended_ms;
	handover.vcpus = guest->move.vcpus;
	pthread_mutex_unlock(&agent->lock);
	handover_run(conn, &handover, ret);
	if (ret->code != OUTCOME_RAN_ON)
		return;
	pthread_mutex_lock(&agent->lock);
	guest->handed_over = false;
	pthread_mutex_unlock(&agent->lock);
}

void vm_do_hand_over(struct request *request, struct link *link)
{
	virConnectPtr conn = connect_or_finish(request, link);
	struct outcome outcome;

	if (!conn)
		return;
	run_hand_over(request, conn, &outcome);
	/* One that was gone before may have been ended by libvirt, which then says so, and how. */
	if (outcome.code != OUTCOME_OK) {
		finish(request, link, &outcome);
		return;
	}
	/*
	 * The destination waits for this word, so libvirt is not asked: it keeps the domain
	 * locked for 200 ms while it ends a process that is gone already.
	 */
	if (guest_lock(request->guest, LOCK_MS) == 0) {
		guest_gone_locked(request->agent, request->guest);
		guest_unlock(request->guest);
	}
	request_finish_told(request, WIRE__AGENT_REPLY__CODE__OK, outcome.text, NULL);
	guest_queue_look(request->agent, request->guest, (struct guest_look){ 0 });
}

void vm_do_cancel(struct request *request, struct link *link)
{
	virConnectPtr conn = connect_or_finish(request, link);
	struct outcome outcome;

	if (!conn)
		return;
	atomic_store(&request->guest->cancel, true);
	move_abort(conn, request->guest->uuid, &outcome);
	finish(request, link, &outcome);
}

/* ---------------------------------------------------------------- by way of a file */

/* After it was saved it went on, and ended in another way: the image is older than its disks. */
static bool ended_otherwise(struct agent *agent, struct guest *guest)
{
	bool otherwise;

	pthread_mutex_lock(&agent->lock);
	otherwise = guest->stopped >= 0 && guest->stopped != VIR_DOMAIN_EVENT_STOPPED_SAVED;
	pthread_mutex_unlock(&agent->lock);
	return otherwise;
}

void vm_do_save(struct request *request, struct link *link)
{
	virConnectPtr conn = connect_or_finish(request, link);
	struct agent *agent = request->agent;
	struct guest *guest = request->guest;
	struct outcome outcome;
	bool busy;

	if (!conn || !check_active(request, link, conn, look_how_it_stands(request, link)))
		return;
	pthread_mutex_lock(&agent->lock);
	busy = guest->jobs > 0;
	guest->jobs++;
	if (!busy)
		atomic_store(&guest->cancel, false);
	pthread_mutex_unlock(&agent->lock);
	if (busy)
		outcome_set(&outcome, OUTCOME_TIMEOUT,
			    "it is being moved or saved still; what became of that is not known");
	else
		image_save(conn, guest->uuid, request->body->save->path, &guest->cancel, &outcome);
	if (outcome.code == OUTCOME_OK && ended_otherwise(agent, guest))
		outcome_set(&outcome, OUTCOME_ABSENT,
			    "it ended in another way than by being saved");
	pthread_mutex_lock(&agent->lock);
	guest->jobs--;
	pthread_mutex_unlock(&agent->lock);
	finish(request, link, &outcome);
}

void vm_do_restore(struct request *request, struct link *link)
{
	virConnectPtr conn = connect_or_finish(request, link);
	struct outcome outcome;

	if (!conn)
		return;
	if (guest_making(request->agent, request->guest) < 0) {
		outcome_set(&outcome, OUTCOME_FAILED, "libvirt does not say how it is");
	} else {
		image_restore(conn, request->guest->uuid, request->body->restore->path, &outcome);
		guest_made(request->agent, request->guest);
	}
	finish(request, link, &outcome);
	guest_queue_look(request->agent, request->guest, (struct guest_look){ .live = true });
}

void vm_do_drop_image(struct request *request, struct link *link)
{
	struct agent *agent = request->agent;
	struct outcome outcome;
	bool busy;

	pthread_mutex_lock(&agent->lock);
	busy = agent->drops >= DROPS_MAX;
	agent->drops += !busy;
	pthread_mutex_unlock(&agent->lock);
	if (busy) {
		outcome_set(&outcome, OUTCOME_FAILED, "%d removals are under way already",
			    DROPS_MAX);
		finish(request, link, &outcome);
		return;
	}
	image_drop(request->body->drop_image->path, &outcome);
	pthread_mutex_lock(&agent->lock);
	agent->drops--;
	pthread_mutex_unlock(&agent->lock);
	finish(request, link, &outcome);
}
