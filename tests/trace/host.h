/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TRACE_HOST_H
#define TESTS_TRACE_HOST_H

/*
 * A host is the hypervisor of one node of a world, with the vm agent in front of it: it runs
 * guests as libvirt would, answers asks and tells news. One act at a time, so that a test
 * can stop between any two.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/schema.pb-c.h"

struct host;

enum host_act_kind { HOST_START, HOST_MOVE, HOST_SAVE, HOST_RESTORE, HOST_DROP, HOST_ACTS };

struct host *host_new(void *world, unsigned node);
void host_free(struct host *host);
void host_meet(struct host *host, unsigned node, struct host *peer);

void host_agent_begins(struct host *host);	/* then the world tells the core */
void host_agent_up(struct host *host);
void host_agent_down(struct host *host);	/* guests run on */
void host_power_off(struct host *host);
void host_peer_gone(struct host *host, unsigned node);
void host_fail(struct host *host, enum host_act_kind kind, const char *why);
/*
 * Saves have no result by their deadline, or are said to have failed if they do, and go on until
 * they are called off or end.
 */
void host_save_slowly(struct host *host, bool yes);
void host_save_ends(struct host *host, uint64_t vm);	/* one of those, late and well */
bool host_is_saving(const struct host *host, uint64_t vm);
/* What is mounted in the volume's place is something else: there are no images in it. */
void host_lose_volume(struct host *host, bool yes);
/*
 * Started by other tools; vm 0: not the cluster's so far. By the cluster's mark the agent knows
 * it, without one only when a Watch names it.
 */
void host_run_outside(struct host *host, uint64_t vm, const char *uuid, const char *name,
		      bool marked);
void host_all_outside(struct host *host);	/* as if all here had been */
void host_pause_outside(struct host *host, uint64_t vm);
void host_guest_ends(struct host *host, uint64_t vm, Wire__VmReport__Cause cause);

void host_ask(struct host *host, uint64_t ask, const Wire__AgentRequest *request);
/* Carries out one step of one ask; false when there is nothing to do. */
bool host_act(struct host *host);

size_t host_running(const struct host *host, uint64_t *ret_vms, size_t max);
bool host_runs(const struct host *host, uint64_t vm);
/* The uuid of a guest here; was it started by other tools, and not taken over since? */
const char *host_uuid(const struct host *host, uint64_t vm);
bool host_is_outside(const struct host *host, uint64_t vm);

/* Given by the world, which has the volume: puts an image there, looks for it, removes it. */
void world_image_put(void *world, const char *path);
bool world_image_has(void *world, const char *path);
bool world_image_drop(void *world, const char *path);
void world_news(void *world, unsigned node, const Wire__AgentNews *news);
void world_reply(void *world, unsigned node, uint64_t ask, const Wire__AgentReply *reply);
void world_tell(void *world, const char *line);

#endif
