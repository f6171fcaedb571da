/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "clusterd/shell/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/core.h"
#include "clusterd/core/record.h"
#include "clusterd/shell/agents.h"
#include "clusterd/shell/group.h"
#include "clusterd/shell/hook.h"
#include "clusterd/shell/log.h"
#include "clusterd/shell/operator.h"
#include "clusterd/shell/seal.h"
#include "clusterd/shell/shell.h"
#include "clusterd/shell/store_load.h"
#include "clusterd/shell/tell.h"
#include "wire/message.h"

enum { LEAVE_MS = 5500, LEAVE_HARD_S = 6, WHY_SIZE = 500, BOOT_ID_SIZE = 64 };

struct loop {
	struct shell shell;
	const struct conf *conf;
	struct store *store;
	struct core *core;
	struct update update;
	struct group *group;
	struct agents *agents;
	struct operator *operator;
	struct hook *hook;
	struct tell *tell;
	int deadline_fd;
	uint64_t deadline_ms;		/* for which it is set; 0: for none, or it has come */
	uint32_t node;			/* own id; 0 = not known yet */
	uint64_t boot_id, durable;
	bool stepping, leaving, ended, damaged;
	int exit;
	struct shell_timer leave_timer, watchdog_timer, running_timer, settle_timer;
	uint64_t watchdog_ms;
	uint64_t view_us;		/* when the members changed; 0: an epoch is open again */
	qb_loop_signal_handle signals[4];
};

/* ---------------------------------------------------------------- the end */

static void end(struct loop *loop, int exit)
{
	if (loop->ended)
		return;
	loop->ended = true;
	loop->exit = exit;
	qb_loop_stop(loop->shell.loop);
}

static void on_fatal(void *context, const char *why)
{
	struct loop *loop = context;

	log_error("fatal reason=\"%s\"", why);
	end(loop, LOOP_EXIT_FAILED);
}

static void leave(struct loop *loop, const struct update *update)
{
	const char *why = update->leave_why ? update->leave_why : "";

	switch (update->leave) {
	case LEAVE_NO:
		return;
	case LEAVE_CLEAN:
		log_info("leaving reason=\"%s\"", why);
		end(loop, LOOP_EXIT_CLEAN);
		return;
	case LEAVE_RESYNC:
		log_error("leaving to join anew reason=\"%s\"", why);
		end(loop, LOOP_EXIT_AGAIN);
		return;
	case LEAVE_DAMAGED:
		log_error("leaving, the store is set aside reason=\"%s\"", why);
		loop->damaged = true;
		end(loop, LOOP_EXIT_AGAIN);
		return;
	}
}

/* ---------------------------------------------------------------- carrying out */

static void persist(struct loop *loop, struct update *update)
{
	int error;

	if (update->persists_n == 0)
		return;
	error = store_submit(loop->store, update->persists, update->persists_n,
			     update->persist_seq);
	update->persists = NULL;
	update->persists_n = update->persists_cap = 0;
	if (error) {
		log_error("store full reason=\"the disk does not keep up\"");
		end(loop, LOOP_EXIT_STORE);
	}
}

/* The request then holds the secret in clear; agents_ask wipes it. A sentence for each failure. */
static int open_secret(struct loop *loop, const struct ask *ask, char *why, size_t size)
{
	_cleanup_(seal_freep) struct seal *seal = NULL;
	const ProtobufCBinaryData *sealed = ask->sealed;
	Wire__AgentRequest *request = ask->request;
	int error;

	assert(request->body_case == WIRE__AGENT_REQUEST__BODY_FENCE);
	snprintf(why, size, "The key file %s cannot be read", loop->conf->secret_key);
	error = seal_load(loop->conf->secret_key, &seal, why, size);
	if (error)
		return error;
	error = seal_open(seal, ask->sealed_name, sealed->data, sealed->len,
			  &request->fence->secret.data, &request->fence->secret.len);
	if (error)
		snprintf(why, size, "The secret of %s cannot be opened: %s was not the key it "
			 "was sealed with: copy the key from another node of the cluster",
			 ask->sealed_name, loop->conf->secret_key);
	return error;
}

static void carry_ask(struct loop *loop, struct ask *ask)
{
	const ProtobufCBinaryData *sealed = ask->sealed;
	char why[WHY_SIZE], text[WHY_SIZE + 100];

	if (sealed && sealed->len > 0 && open_secret(loop, ask, why, sizeof(why)) < 0) {
		log_error("fence ask=%" PRIu64 " not-possible reason=\"%s\"", ask->id, why);
		snprintf(text, sizeof(text), "on %s: %s",
			 node_name(core_state(loop->core), loop->node), why);
		wire_free(steal_ptr(ask->request));
		agents_refuse(loop->agents, ask->id, ask->agent, text);
		return;
	}
	agents_ask(loop->agents, ask->id, ask->agent, ask->deadline_ms,
		   steal_ptr(ask->request));
}

static void set_deadline(struct loop *loop, uint64_t at_ms)
{
	const struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(at_ms / 1000),
			      .tv_nsec = (long)(at_ms % 1000) * 1000000 },
	};

	if (at_ms == loop->deadline_ms)
		return;
	loop->deadline_ms = at_ms;
	timerfd_settime(loop->deadline_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void carry_out(struct loop *loop, struct update *update)
{
	persist(loop, update);
	for (size_t i = 0; i < update->frames_n; i++)
		group_send(loop->group, &update->frames[i]);
	for (size_t i = 0; i < update->cancels_n; i++)
		agents_cancel(loop->agents, update->cancels[i]);
	for (size_t i = 0; i < update->asks_n; i++)
		carry_ask(loop, &update->asks[i]);
	for (size_t i = 0; i < update->answers_n; i++)
		if (!hook_take_answer(loop->hook, update->answers[i].tag,
				      update->answers[i].verdict))
			operator_answer(loop->operator, update->answers[i].tag,
					update->answers[i].verdict);
	set_deadline(loop, update->deadline_ms);
	leave(loop, update);
}

static const char *event_name(enum event_kind kind)
{
	static const char *const names[] = {
		[EVENT_TICK] = "tick",
		[EVENT_VIEW] = "view",
		[EVENT_FRAME] = "frame",
		[EVENT_PERSISTED] = "persisted",
		[EVENT_AGENT_UP] = "agent-up",
		[EVENT_AGENT_DOWN] = "agent-down",
		[EVENT_AGENT_NEWS] = "agent-news",
		[EVENT_AGENT_REPLY] = "agent-reply",
		[EVENT_CLIENT] = "client",
		[EVENT_LEAVE] = "leave",
	};

	return kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

static void on_settled(void *context)
{
	struct loop *loop = context;

	shell_timer_fired(&loop->settle_timer);
	tell_waiting(loop->tell);
}

static void tell(struct loop *loop)
{
	operator_stepped(loop->operator);
	if (tell_step(loop->tell, loop->core))
		operator_news(loop->operator);
	if (tell_is_waiting(loop->tell) && !loop->settle_timer.handle)
		shell_timer_arm(&loop->shell, &loop->settle_timer, TELL_SETTLE_MS, on_settled,
				loop);
}

static uint64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* For how long nothing could be decided here, from the first of the views that closed the epoch. */
static void note_gap(struct loop *loop, const struct event *event)
{
	if (event->kind == EVENT_VIEW && !event->view.ring_only && !loop->view_us)
		loop->view_us = monotonic_us();
	if (!loop->update.opened || !loop->view_us)
		return;
	log_info("epoch opened after_view_us=%" PRIu64, monotonic_us() - loop->view_us);
	loop->view_us = 0;
}

static void on_event(void *context, struct event *event)
{
	struct loop *loop = context;
	uint64_t begun = log_stall_begin();

	if (!loop->core || loop->ended)
		return;
	assert(!loop->stepping);
	loop->stepping = true;
	event->now_ms = shell_boot_ms();
	event->wall_ms = shell_wall_ms();
	core_step(loop->core, event, &loop->update);
	note_gap(loop, event);
	carry_out(loop, &loop->update);
	update_reset(&loop->update);
	loop->stepping = false;
	tell(loop);
	log_stall_end(begun, event_name(event->kind));
}

/* ---------------------------------------------------------------- what wakes the loop */

static int32_t on_deadline(int32_t fd, int32_t revents, void *context)
{
	struct loop *loop = context;
	struct event event = { .kind = EVENT_TICK };
	uint64_t count;

	if (read(loop->deadline_fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	loop->deadline_ms = 0;
	on_event(loop, &event);
	return 0;
}

static int32_t on_durable(int32_t fd, int32_t revents, void *context)
{
	struct loop *loop = context;
	struct event event = { .kind = EVENT_PERSISTED };
	char why[WHY_SIZE];

	if (store_poll(loop->store, &event.persisted, why, sizeof(why)) < 0) {
		log_error("store failed reason=\"%s\"", why);
		end(loop, LOOP_EXIT_STORE);
		return 0;
	}
	if (event.persisted > loop->durable) {
		loop->durable = event.persisted;
		on_event(loop, &event);
	}
	operator_store_told(loop->operator);
	return 0;
}

static void on_leave_time(void *context)
{
	struct loop *loop = context;

	shell_timer_fired(&loop->leave_timer);
	log_warning("leaving reason=\"no majority took note within %d ms\"", LEAVE_MS);
	end(loop, LOOP_EXIT_CLEAN);
}

/* A disk that hangs must not hold the process: systemd would kill it, and that is no leave. */
static void on_alarm(int number)
{
	_exit(LOOP_EXIT_CLEAN);
}

static int32_t on_stop(int32_t number, void *context)
{
	struct loop *loop = context;
	struct event event = { .kind = EVENT_LEAVE };

	log_notice("stopping signal=%d", number);
	sd_notify(0, "STOPPING=1\nSTATUS=Leaving the cluster");
	if (loop->leaving || !loop->core) {
		end(loop, LOOP_EXIT_CLEAN);
		return 0;
	}
	loop->leaving = true;
	signal(SIGALRM, on_alarm);
	alarm(LEAVE_HARD_S);
	shell_timer_arm(&loop->shell, &loop->leave_timer, LEAVE_MS, on_leave_time, loop);
	on_event(loop, &event);
	return 0;
}

static int32_t on_usr1(int32_t number, void *context)
{
	int error = log_write_blackbox();

	log_notice("blackbox result=\"%s\"", error ? strerror(-error) : "written");
	return 0;
}

/* Nothing is read anew: what can change while it runs are settings of the cluster. */
static int32_t on_hup(int32_t number, void *context)
{
	log_notice("reload ignored: restart clusterd after editing clusterd.conf");
	return 0;
}

static void on_watchdog(void *context)
{
	struct loop *loop = context;

	shell_timer_fired(&loop->watchdog_timer);
	sd_notify(0, "WATCHDOG=1");
	shell_timer_arm(&loop->shell, &loop->watchdog_timer, loop->watchdog_ms, on_watchdog, loop);
}

static void on_running(void *context)
{
	struct loop *loop = context;

	shell_timer_fired(&loop->running_timer);
	sd_notify(0, "READY=1\nSTATUS=Waiting for Corosync");
	log_info("running");
}

/* ---------------------------------------------------------------- birth of the core */

static struct core *new_core(const struct loop *loop, uint32_t node)
{
	char boot_id[BOOT_ID_SIZE] = "";
	const struct core_config config = {
		.node = node,
		.boot_id = loop->boot_id,
		.disk_id = store_disk_id(loop->store),
		.kernel_boot_id = boot_id,
		.memory_mib = loop->conf->memory_mib,
		.random = shell_random(),
		.version = PACKAGE_VERSION,
	};
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, boot_id, sizeof(boot_id) - 1);

	if (fd >= 0)
		close(fd);
	boot_id[size < 0 ? 0 : (size_t)size] = '\0';
	boot_id[strcspn(boot_id, "\n")] = '\0';
	return core_new(&config);
}

static void say_removed(void *context, const char *name)
{
	log_warning("store removed=%s/%s reason=\"of those that were set aside, the newest %d are "
		    "kept\"", (const char *)context, name, (int)STORE_ASIDE_KEPT);
}

static int set_aside(const char *dir, char *why, size_t size)
{
	char name[300];
	int error = store_set_aside(dir, name, sizeof(name));

	if (error)
		snprintf(why, size, "The damaged store in %s cannot be renamed: %s", dir,
			 strerror(-error));
	if (error)
		return error;
	log_error("store damaged, kept as=%s: this node begins with an empty one and "
		  "learns from the others; look at its disk", name);
	store_thin_out(dir, name, say_removed, (void *)dir);
	return 0;
}

int loop_open_store(const char *dir, struct store **ret, char *ret_why, size_t size)
{
	int error = store_open(dir, ret, ret_why, size);

	if (error != -EBADMSG)
		return error;
	log_error("store damaged reason=\"%s\"", ret_why);
	error = set_aside(dir, ret_why, size);
	return error ? error : store_open(dir, ret, ret_why, size);
}

/* A store whose content does not fit together is as damaged as one that cannot be read. */
static int load_core(struct loop *loop, uint32_t node, char *why, size_t size)
{
	int error;

	loop->core = new_core(loop, node);
	error = store_load(loop->store, loop->core);
	if (error == -EPROTO)
		snprintf(why, size, "The store %s/cluster.db holds what a newer clusterd wrote, "
			 "after the cluster's feature level was raised: install that version again",
			 loop->conf->state_dir);
	else if (error != -EBADMSG)
		snprintf(why, size, "The store cannot be read: %s", strerror(-error));
	if (error != -EBADMSG)
		return error;
	log_error("store damaged reason=\"a checksum in %s/cluster.db is wrong, or what it holds "
		  "does not fit together\"", loop->conf->state_dir);
	core_free(steal_ptr(loop->core));
	store_close(steal_ptr(loop->store));
	error = set_aside(loop->conf->state_dir, why, size);
	if (!error)
		error = store_open(loop->conf->state_dir, &loop->store, why, size);
	if (error)
		return error;
	loop->core = new_core(loop, node);
	return store_load(loop->store, loop->core);
}

static int start_core(struct loop *loop, uint32_t node, char *why, size_t size)
{
	int error = load_core(loop, node, why, size);

	if (!error && store_node(loop->store) != node)
		error = store_set_node(loop->store, node);
	if (!error)
		error = store_start(loop->store);
	if (!error)
		error = qb_loop_poll_add(loop->shell.loop, QB_LOOP_MED, store_fd(loop->store),
					 POLLIN, loop, on_durable);
	if (error)
		return error;
	loop->node = node;
	loop->tell = tell_new(loop->core);
	operator_set_core(loop->operator, loop->core, node);
	operator_set_store(loop->operator, loop->store);
	hook_set_core(loop->hook, loop->core);
	agents_start(loop->agents);
	log_info("core node=%u boot=0x%016" PRIx64 " index=%" PRIu64, node, loop->boot_id,
		 state_index(core_state(loop->core)));
	return 0;
}

/* With another version of clusterd it starts; else trying again may do. */
static enum loop_exit exit_of(int error, enum loop_exit other)
{
	return error == -EPROTO ? LOOP_EXIT_CONFIG : other;
}

static void on_node_known(void *context, uint32_t node)
{
	struct loop *loop = context;
	char why[WHY_SIZE] = "";
	int error;

	if (loop->node == node)
		return;
	if (loop->node != 0) {
		log_error("fatal reason=\"Corosync calls this node %u, its store is of node %u: "
			  "put nodeid back in corosync.conf, or move %s/cluster.db away to join "
			  "as another node\"", node, loop->node, loop->conf->state_dir);
		end(loop, LOOP_EXIT_CONFIG);
		return;
	}
	if (node < 1 || node > 64) {
		log_error("fatal reason=\"Corosync's id of this node is %u: set nodeid in "
			  "corosync.conf to a number from 1 to 64\"", node);
		end(loop, LOOP_EXIT_CONFIG);
		return;
	}
	error = start_core(loop, node, why, sizeof(why));
	if (error) {
		log_error("fatal reason=\"%s\"", why);
		end(loop, exit_of(error, LOOP_EXIT_STORE));
	}
}

/* ---------------------------------------------------------------- life */

static void watch_signals(struct loop *loop)
{
	const struct {
		int number;
		qb_loop_signal_dispatch_fn call;
	} all[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGUSR1, on_usr1 },
		    { SIGHUP, on_hup } };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		qb_loop_signal_add(loop->shell.loop, QB_LOOP_HIGH, all[i].number, loop, all[i].call,
				   &loop->signals[i]);
}

static void watch_service(struct loop *loop)
{
	uint64_t usec = 0;

	shell_timer_arm(&loop->shell, &loop->running_timer, 0, on_running, loop);
	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	loop->watchdog_ms = usec / 2000;
	shell_timer_arm(&loop->shell, &loop->watchdog_timer, 0, on_watchdog, loop);
}

static int start(struct loop *loop, char *why, size_t size)
{
	const struct operator_config config = {
		.run_dir = loop->conf->run_dir,
		.secret_key = loop->conf->secret_key,
		.read_all = loop->conf->read_all,
		.boot_id = loop->boot_id,
	};
	uint32_t node = store_node(loop->store);
	int error;

	loop->deadline_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->deadline_fd < 0)
		return -errno;
	error = qb_loop_poll_add(loop->shell.loop, QB_LOOP_MED, loop->deadline_fd, POLLIN, loop,
				 on_deadline);
	if (!error)
		error = operator_new(&loop->shell, &config, &loop->operator);
	if (!error)
		error = hook_new(&loop->shell, loop->conf->run_dir, &loop->hook);
	if (error == -EADDRINUSE) {
		snprintf(why, size, "Another clusterd serves in %s, with another state_dir than "
			 "this one: stop it first, or give this one a run_dir of its own",
			 loop->conf->run_dir);
		return error;
	}
	if (error) {
		snprintf(why, size, "The sockets in %s cannot be made: %s", loop->conf->run_dir,
			 strerror(-error));
		return error;
	}
	loop->agents = agents_new(&loop->shell, loop->conf->agent_dir, loop->conf->libvirt_uri);
	if (node) {
		error = start_core(loop, node, why, size);
		if (error)
			return error;
	}
	loop->group = group_new(&loop->shell, on_node_known, loop);
	watch_signals(loop);
	watch_service(loop);
	return 0;
}

static void stop(struct loop *loop)
{
	char why[WHY_SIZE];

	/* Leaving the group comes first: the others need not wait for our disk. */
	group_free(loop->group);
	agents_free(loop->agents);
	hook_free(loop->hook);
	operator_free(loop->operator);
	store_close(loop->store);
	tell_free(loop->tell);
	update_reset(&loop->update);
	core_free(loop->core);
	if (loop->deadline_fd >= 0)
		close(loop->deadline_fd);
	qb_loop_destroy(loop->shell.loop);
	if (loop->damaged && set_aside(loop->conf->state_dir, why, sizeof(why)) < 0)
		log_error("store reason=\"%s\"", why);
}

int loop_run(const struct conf *conf, struct store *store)
{
	struct loop loop = {
		.conf = conf, .store = store, .deadline_fd = -1, .boot_id = shell_random(),
		.exit = LOOP_EXIT_CLEAN,
	};
	char why[WHY_SIZE] = "";
	int error;

	update_init(&loop.update);
	loop.shell = (struct shell){ qb_loop_create(), on_event, on_fatal, &loop };
	error = start(&loop, why, sizeof(why));
	if (error) {
		log_error("fatal reason=\"%s\"", why[0] ? why : strerror(-error));
		loop.exit = exit_of(error, LOOP_EXIT_FAILED);
	} else
		qb_loop_run(loop.shell.loop);
	stop(&loop);
	log_info("stopped exit=%d", loop.exit);
	return loop.exit;
}
