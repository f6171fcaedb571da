/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_HOST_H
#define TESTS_SIM_HOST_H

/*
 * A host is a node's hypervisor as a model, libvirt and QEMU, with the vm agent in front of it: it
 * answers what the daemon asks and tells what becomes of guests. Each thing takes its steps, and
 * between any two of them everything else may happen: guests die, libvirt hangs, the agent is
 * killed while libvirt goes on, the link between two hosts breaks in the middle of a move.
 *
 * Guests know what they have written: see truth.h. How a move ends is libvirt's peer-to-peer
 * protocol (migrate/README.md), lost replies included.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clusterd/core/update.h"

/* What a hypervisor can be told to fail at: bits. */
enum host_failure {
	HOST_STARTS = 1, HOST_MOVES = 2, HOST_SAVES = 4, HOST_RESTORES = 8, HOST_DROPS = 16,
	HOST_REPLIES = 32,	/* the source does not hear how its move ended */
};

struct host;
struct world;

/* Tags of what the hook asks its daemon for, apart from those of administrators. */
#define HOST_BARRIER (UINT64_C(1) << 63)

struct host *host_new(struct world *world, uint32_t node);
void host_free(struct host *host);

void host_refuse(struct host *host, unsigned failures, uint64_t for_us);
void host_hang(struct host *host, uint64_t for_us);
void host_restart(struct host *host);
void host_power_off(struct host *host);
/* The agent itself stands still: it says nothing. */
void host_agent_hang(struct host *host, uint64_t for_us);

void host_agent_up(struct host *host);
void host_agent_down(struct host *host);
void host_ask(struct host *host, const struct ask *ask);

void host_job_due(struct host *host, uint64_t number);
void host_look_due(struct host *host, uint64_t number);
void host_guest_due(struct host *host, uint64_t number);
void host_libvirt_due(struct host *host);
void host_overdue_due(struct host *host, uint64_t number);

/* A guest ends: by itself, or because its process dies. False: it does not run here. */
bool host_guest_ends(struct host *host, const char *uuid, bool shutdown);
/*
 * Somebody uses virsh. Starting asks the hook, as always, and is not tried for a guest that runs
 * elsewhere and is not the cluster's: whoever may do that, may also destroy it. Whether it is the
 * cluster's by now, the hook may have to wait for. A copy is
 * what a move that nobody knows of leaves behind, where the cluster has none.
 */
enum host_hand { HAND_DESTROY, HAND_SUSPEND, HAND_RESUME, HAND_START, HAND_COPY, HANDS };
void host_by_hand(struct host *host, enum host_hand what, const Wire__Vm *vm);
/* The daemon says that a barrier was passed, or that it was not. */
void host_barrier(struct host *host, uint64_t barrier, bool passed);
/* Who reaches whom has changed. */
void host_link_changed(struct host *host);
/* Its process exists here, in any form. */
bool host_has(const struct host *host, const char *uuid);
bool host_runs(const struct host *host, const char *uuid);
/*
 * Is it otherwise here than a report says that has just been believed, and did its daemon know when
 * it said so? By the machine's clock.
 */
bool host_contradicts(const struct host *host, const char *uuid, Wire__VmReport__What what,
		      uint64_t said_ms);
/* The stamp of the disk that it knows; 0: it knows none. */
uint64_t host_memory(const struct host *host, const char *uuid);

#endif
