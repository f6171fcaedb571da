/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_BMC_H
#define TESTS_SIM_BMC_H

/*
 * The power devices of a world, one a node, and the fence calls that are under way. A device
 * switches, refuses, hangs, answers late, says what is not so, or is dead with its node's mains.
 * Its cable may be in another machine: then it switches that one, and speaks of that one.
 */

#include <stdint.h>

#include "clusterd/core/update.h"

enum bmc_mode {
	BMC_WORKS,
	BMC_FAILS,	/* says no */
	BMC_HANGS,	/* says nothing */
	BMC_LATE,	/* does it, and says so when nobody waits any more */
	BMC_IDLE,	/* says that it did, but did not: a status tells */
	BMC_SLOW,	/* takes its time, and says late what it saw, while somebody still waits */
	BMC_MODES
};

struct world;
struct bmc;

struct bmc *bmc_new(struct world *world);
void bmc_free(struct bmc *bmc);
void bmc_set(struct bmc *bmc, uint32_t node, enum bmc_mode mode, uint64_t for_us);
/* The node's device is another machine's for so long. */
void bmc_miswire(struct bmc *bmc, uint32_t node, uint32_t machine, uint64_t for_us);
/* A daemon asks; takes nothing over. */
void bmc_call(struct bmc *bmc, uint32_t executor, const struct ask *ask);
void bmc_cancel(struct bmc *bmc, uint32_t executor, uint64_t ask);
/* The daemon of that node is gone, and its fence calls with it. */
void bmc_daemon_gone(struct bmc *bmc, uint32_t executor);
void bmc_due(struct bmc *bmc, uint64_t number);

#endif
