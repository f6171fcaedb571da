/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_BENCH_H
#define TESTS_UNIT_BENCH_H

/*
 * A bench is a bare state to which commands are applied one by one, as from the daemons of its
 * nodes. Nodes n1 to n3 are up, with boot ids 101 to 103 and the kernel "first boot"; VM a runs
 * on node 2; the device "bmc" fences node 2. Where no node is named, it is node 1 that proposes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/record.h"
#include "clusterd/core/state.h"

enum { DAY_MS = 86400 * 1000 };

struct bench {
	struct state *state;
	uint64_t index;
	uint64_t passed_ms;		/* since the first node booted */
	uint64_t booted_ms[4];		/* when, of each node */
	int64_t wrong_ms[4];		/* its wall clock */
	char text[1100];		/* of the last verdict */
};

#define STALE WIRE__VERDICT__CODE__STALE
#define WRONG_STATE WIRE__VERDICT__CODE__WRONG_STATE

struct bench *bench_new(void);
void bench_free(struct bench *bench);
/* VM a. */
const Wire__Vm *bench_vm(const struct bench *bench);
bool bench_has_event(const struct bench *bench, const char *text);

/* Those that return an int: the verdict's code. */
int bench_apply(struct bench *bench, uint32_t node, uint64_t boot_id, Wire__Command *command);

/* A node's daemon speaks; of VM a. */
void bench_report_node(struct bench *bench, uint32_t node, uint64_t boot_id, const char *kernel);
/* It names the volume, as those do who can take VMs. */
void bench_tell_volume(struct bench *bench, uint32_t node, const char *volume);
int bench_report_vm(struct bench *bench, uint32_t node, uint64_t boot_id, uint64_t generation,
		    Wire__VmReport__What what);
/* The node has looked for the VM, and it is not there. */
int bench_look(struct bench *bench, uint32_t node);

/* The conductor decides. */
int bench_step_vm(struct bench *bench, Wire__Vm__Phase next, uint32_t node);
int bench_verdict(struct bench *bench, uint32_t node, Wire__Node__State state);

/* An administrator asks; for VM a. */
int bench_want(struct bench *bench, Wire__Vm__Wanted wanted, Wire__Vm__Action action);
int bench_move(struct bench *bench, uint32_t to, Wire__VmMove__How how, const char *image);
int bench_set_managed(struct bench *bench, const char *value);
int bench_add_volume(struct bench *bench, const char *name, const char *target);

/* Fencing, by the first device, the named one, or "bmc"; begin returns the operation. */
void bench_add_fence(struct bench *bench, const char *name, uint32_t node);
void bench_remove_fence(struct bench *bench, const char *name);
uint64_t bench_begin_fence(struct bench *bench, uint32_t node);
int bench_try_device(struct bench *bench, const char *device, uint32_t node, bool status_only);
int bench_try_fence(struct bench *bench, uint32_t node, bool status_only);
int bench_end_fence(struct bench *bench, uint64_t op, bool off);
int bench_end_fence_saying(struct bench *bench, uint64_t op, bool off, const char *text);

#endif
