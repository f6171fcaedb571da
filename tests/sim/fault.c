/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum { AT_MAX_MS = 1000 * 1000 * 1000 };

/* How a kind is written, how often it is drawn, and what its numbers are: 0 … max, or a set. */
static const struct kind {
	const char *name;
	uint32_t weight;
	bool node;
	enum { NOTHING, SHORT_MS, LONG_MS, NODES, NUMBER, SEED } a, b;
	uint32_t a_max, b_max;
} kinds[] = {
	[FAULT_SPLIT] = { "split", 6, false, NODES, NODES, 0, 0 },
	[FAULT_HEAL] = { "heal", 8, false, NOTHING, NOTHING, 0, 0 },
	[FAULT_STORM] = { "storm", 2, false, NUMBER, NUMBER, 12, 400 },
	[FAULT_GHOST] = { "ghost", 1, true, LONG_MS, NOTHING, 0, 0 },
	[FAULT_LOSE] = { "lose", 1, false, NUMBER, LONG_MS, 60, 0 },
	[FAULT_LAG] = { "lag", 3, true, NUMBER, LONG_MS, 3000, 0 },
	[FAULT_POWER] = { "power", 6, true, LONG_MS, NUMBER, 0, 3 },
	[FAULT_BLACKOUT] = { "blackout", 1, false, NODES, LONG_MS, 0, 0 },
	[FAULT_KILL] = { "kill", 5, true, SHORT_MS, NOTHING, 0, 0 },
	[FAULT_STOP] = { "stop", 3, true, LONG_MS, NOTHING, 0, 0 },
	[FAULT_COROSYNC] = { "corosync", 2, true, LONG_MS, NOTHING, 0, 0 },
	[FAULT_FREEZE] = { "freeze", 3, true, SHORT_MS, NOTHING, 0, 0 },
	[FAULT_SUSPEND] = { "suspend", 2, true, SHORT_MS, NOTHING, 0, 0 },
	[FAULT_AGENT] = { "agent", 4, true, SHORT_MS, NOTHING, 0, 0 },
	[FAULT_LIBVIRT] = { "libvirt", 3, true, LONG_MS, NOTHING, 0, 0 },
	[FAULT_RESTART] = { "restart", 3, true, NOTHING, NOTHING, 0, 0 },
	[FAULT_GUEST] = { "guest", 5, false, SEED, NUMBER, 0, 3 },
	[FAULT_HAND] = { "hand", 3, true, SEED, NUMBER, 0, 5 },
	[FAULT_REFUSE] = { "refuse", 4, true, NUMBER, LONG_MS, 64, 0 },
	[FAULT_DEVICE] = { "device", 4, true, NUMBER, LONG_MS, 6, 0 },
	[FAULT_WIRING] = { "wiring", 3, true, SEED, LONG_MS, 0, 0 },
	[FAULT_SLOW] = { "slow", 3, true, NUMBER, LONG_MS, 5000, 0 },
	[FAULT_FULL] = { "full", 1, true, LONG_MS, NOTHING, 0, 0 },
	[FAULT_WIPE] = { "wipe", 1, true, LONG_MS, NOTHING, 0, 0 },
	[FAULT_COPY] = { "copy", 2, true, NOTHING, NOTHING, 0, 0 },
	[FAULT_BACK] = { "back", 2, true, LONG_MS, NOTHING, 0, 0 },
	[FAULT_TURN] = { "turn", 2, true, SEED, NOTHING, 0, 0 },
	[FAULT_SPOIL] = { "spoil", 2, true, SEED, NOTHING, 0, 0 },
	[FAULT_RATE] = { "rate", 2, true, NUMBER, NOTHING, 20000, 0 },
	[FAULT_WALL] = { "wall", 1, true, SEED, NOTHING, 0, 0 },
	[FAULT_ADMIN] = { "admin", 40, true, SEED, NOTHING, 0, 0 },
	[FAULT_ADD] = { "add", 3, true, SEED, NOTHING, 0, 0 },
	[FAULT_REMOVE] = { "remove", 1, true, LONG_MS, NUMBER, 0, 4 },
	[FAULT_LEND] = { "lend", 3, true, SEED, LONG_MS, 0, 0 },
	[FAULT_MEMBER] = { "member", 2, true, SEED, NOTHING, 0, 0 },
	[FAULT_INSTALL] = { "install", 3, true, SHORT_MS, NUMBER, 0, 3 },
	[FAULT_UPGRADE] = { "upgrade", 2, true, SEED, NOTHING, 0, 0 },
	[FAULT_DISK] = { "disk", 4, true, LONG_MS, NUMBER, 0, 5 },
	[FAULT_FLIP] = { "flip", 3, true, LONG_MS, SEED, 0, 0 },
};

_Static_assert(ARRAY_SIZE(kinds) == FAULT_KINDS, "every kind has its line");

void fault_mix_draw(struct fault_mix *ret_mix, struct rng *rng, bool of_stores)
{
	static const uint32_t gaps[] = { 200, 500, 1000, 2000, 5000, 10000, 30000 };
	uint32_t quiet = rng_below(rng, 80);
	bool versions = rng_below(rng, 4) == 0;

	*ret_mix = (struct fault_mix){ .gap_ms = gaps[rng_below(rng, ARRAY_SIZE(gaps))] };
	for (size_t kind = 0; kind < (of_stores ? FAULT_KINDS : FAULT_DISK); kind++) {
		uint32_t weight = kinds[kind].weight;

		/* Some kinds never, some often: what hides behind the others comes out. */
		if (kind != FAULT_HEAL && kind != FAULT_ADMIN && rng_below(rng, 100) < quiet)
			weight = 0;
		else if (rng_below(rng, 4) == 0)
			weight *= 5;
		/* While versions come and go, little else gets done. */
		if ((kind == FAULT_INSTALL || kind == FAULT_UPGRADE) && !versions)
			weight = 0;
		ret_mix->weight[kind] = weight;
		ret_mix->sum += weight;
	}
}

/* Mostly below a few seconds, now and then far above: each size is as likely as any other. */
static uint64_t some_ms(struct rng *rng, uint32_t bits)
{
	return rng_next(rng) >> (64 - 4 - rng_below(rng, bits - 3));
}

static uint64_t draw_number(struct rng *rng, int what, uint32_t max, uint32_t nodes)
{
	switch (what) {
	case SHORT_MS:
		return some_ms(rng, 14);
	case LONG_MS:
		return some_ms(rng, 16);
	case NODES:
		return rng_next(rng) >> (64 - nodes);
	case NUMBER:
		return rng_below(rng, max);
	case SEED:
		return rng_next(rng) >> 32;
	default:
		return 0;
	}
}

void fault_draw(const struct fault_mix *mix, struct rng *rng, uint32_t nodes, uint64_t after_ms,
		struct fault *ret_fault)
{
	uint32_t what = rng_below(rng, mix->sum);
	size_t kind = 0;

	/* Now and then, time to recover: else most of what follows finds nothing to break. */
	if (rng_below(rng, 16) == 0) {
		*ret_fault = (struct fault){ .kind = FAULT_HEAL,
					     .at_ms = after_ms + 20000 + rng_below(rng, 100000) };
		return;
	}
	while (what >= mix->weight[kind])
		what -= mix->weight[kind++];
	*ret_fault = (struct fault){
		.at_ms = after_ms + rng_below(rng, 2 * mix->gap_ms),
		.kind = (enum fault_kind)kind,
		.node = kinds[kind].node ? 1 + rng_below(rng, nodes) : 0,
	};
	ret_fault->a = draw_number(rng, kinds[kind].a, kinds[kind].a_max, nodes);
	ret_fault->b = draw_number(rng, kinds[kind].b, kinds[kind].b_max, nodes);
}

void fault_list_add(struct fault_list *list, const struct fault *fault)
{
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 64;
		list->faults = mem_resize(list->faults, list->cap, sizeof(*list->faults));
	}
	list->faults[list->n++] = *fault;
}

void fault_list_free(struct fault_list *list)
{
	free(list->faults);
	*list = (struct fault_list){ 0 };
}

void fault_write(const struct fault *fault, struct buf *out)
{
	buf_printf(out, "%" PRIu64 " %s n%" PRIu32 " %" PRIu64 " %" PRIu64 "\n", fault->at_ms,
		   kinds[fault->kind].name, fault->node, fault->a, fault->b);
}

int fault_read(const char *line, struct fault *ret_fault)
{
	struct fault fault = { 0 };
	char name[16];

	if (*line == '#' || *line == '\n' || *line == '\0')
		return 1;
	if (sscanf(line, "%" SCNu64 " %15s n%" SCNu32 " %" SCNu64 " %" SCNu64, &fault.at_ms, name,
		   &fault.node, &fault.a, &fault.b) != 5)
		return -EINVAL;
	for (size_t kind = 0; kind < FAULT_KINDS; kind++)
		if (strcmp(kinds[kind].name, name) == 0 && kinds[kind].node == (fault.node > 0) &&
		    fault.at_ms <= AT_MAX_MS) {
			fault.kind = (enum fault_kind)kind;
			*ret_fault = fault;
			return 0;
		}
	return -EINVAL;
}
