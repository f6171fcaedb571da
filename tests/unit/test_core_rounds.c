/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rounds and epochs of small clusters, told as stories: "time node what". */
#include <stdio.h>
#include <string.h>

#include "tests/sim/swarm.h"
#include "tests/unit/unit.h"

/* What happened since the last story. */
static void story(struct swarm *swarm, int line, const char *expected)
{
	const char *told = buf_str(swarm->trace);

	if (strcmp(told, expected) != 0)
		fprintf(stderr, "%s:%d story:\n%s", __FILE__, line, told);
	CU_ASSERT_STRING_EQUAL(told, expected);
	CU_ASSERT_STRING_EQUAL(swarm->wrong, "");
	buf_reset(swarm->trace);
}

#define STORY(swarm, expected) story(swarm, __LINE__, expected)

/* Nodes 1 … 3; the cluster was born on those in `knowing`. */
static void begin(struct swarm *swarm, struct buf *trace, uint64_t knowing)
{
	swarm_init(swarm, 1, 3, 3);
	swarm_genesis(swarm, knowing, knowing == 7);
	for (uint32_t node = 1; node <= 3; node++)
		swarm_boot(swarm, node);
	swarm->trace = trace;
}

/* The same, with epoch 2 open and entry 2 committed; the story of that is not told. */
static void begin_open(struct swarm *swarm, struct buf *trace)
{
	begin(swarm, trace, 7);
	swarm_gather(swarm);
	swarm_run(swarm, 100);
	CU_ASSERT_EQUAL(swarm->truth_n, 2);
	buf_reset(trace);
}

static void end(struct swarm *swarm)
{
	buf_free(swarm->trace);
	swarm_free(swarm);
}

static void test_birth(void)
{
	struct swarm swarm;
	struct buf trace = { 0 };

	begin(&swarm, &trace, 1);
	swarm_gather(&swarm);
	swarm_run(&swarm, 50);
	STORY(&swarm,
	      "    1 n1 sees n1 n2 n3\n"
	      "    1 n1 sends sync-start\n"
	      "    1 n2 sees n1 n2 n3\n"
	      "    1 n3 sees n1 n2 n3\n"
	      "    1 n1 sends hello: promised 0, log 1:1, applied 1\n"
	      "    1 n2 sends hello: promised 0, log 0:0, applied 0\n"
	      "    1 n3 sends hello: promised 0, log 0:0, applied 0\n"
	      "    4 n1 sends close\n"
	      "    5 n1 sends log-chunk\n"
	      "    5 n1 sends ready\n"
	      "    6 n2 sends ready\n"
	      "    6 n3 sends ready\n"
	      "    8 n1 is in epoch 2, leader n1\n"
	      "    8 n2 is in epoch 2, leader n1\n"
	      "    8 n3 is in epoch 2, leader n1\n"
	      "    8 n1 sends ack 2\n"
	      "    8 n2 sends ack 2\n"
	      "    8 n3 sends ack 2\n"
	      "   11 n1 knows 2 committed\n"
	      "   11 n2 knows 2 committed\n"
	      "   11 n3 knows 2 committed\n");
	swarm_propose(&swarm, 2);
	swarm_run(&swarm, 100);
	STORY(&swarm,
	      "   50 n2 sends append\n"
	      "   50 n2 sends ack 3\n"
	      "   50 n3 sends ack 3\n"
	      "   51 n1 sends ack 3\n"
	      "   52 n2 knows 3 committed\n"
	      "   52 n3 knows 3 committed\n"
	      "   53 n1 knows 3 committed\n");
	end(&swarm);
}

static void test_waits_to_learn(void)
{
	struct swarm swarm;
	struct buf trace = { 0 };
	uint32_t of[] = { 1, 2, 2 };
	struct replica_standing standing;

	begin(&swarm, &trace, 1);
	evs_regroup(swarm.evs, of, false, 0, 0);
	swarm_run(&swarm, 50);
	swarm_standing(&swarm, 1, &standing);
	CU_ASSERT_STRING_EQUAL(standing.why_not,
			       "no quorum: of the voters, nodes 1, 2 and 3, only node 1 is here; "
			       "all must be, until nodes 1, 2 and 3 took part once");
	swarm_standing(&swarm, 3, &standing);
	CU_ASSERT_STRING_EQUAL(standing.why_not,
			       "no cluster yet: this node waits to learn of one");
	end(&swarm);
}

static void test_back_after_a_crash(void)
{
	struct swarm swarm;
	struct buf trace = { 0 };

	begin_open(&swarm, &trace);
	swarm_crash(&swarm, 1, 0);
	swarm_gather(&swarm);
	swarm_run(&swarm, 150);
	swarm_propose(&swarm, 3);
	swarm_run(&swarm, 200);
	STORY(&swarm,
	      "  100 n1 crashes\n"
	      "  100 n2 sees n2 n3\n"
	      "  100 n2 sends sync-start\n"
	      "  100 n3 sees n2 n3\n"
	      "  100 n2 sends hello: promised 2, log 2:2, applied 2\n"
	      "  100 n3 sends hello: promised 2, log 2:2, applied 2\n"
	      "  102 n2 sends close\n"
	      "  103 n2 sends ready\n"
	      "  103 n3 sends ready\n"
	      "  105 n2 is in epoch 3, leader n2\n"
	      "  105 n3 is in epoch 3, leader n2\n"
	      "  105 n2 sends ack 3\n"
	      "  105 n3 sends ack 3\n"
	      "  107 n2 knows 3 committed\n"
	      "  107 n3 knows 3 committed\n"
	      "  150 n3 sends append\n"
	      "  150 n3 sends ack 4\n"
	      "  151 n2 sends ack 4\n"
	      "  152 n3 knows 4 committed\n"
	      "  153 n2 knows 4 committed\n");
	swarm_boot(&swarm, 1);
	swarm_gather(&swarm);
	swarm_run(&swarm, 250);
	STORY(&swarm,
	      "  200 n1 starts\n"
	      "  200 n1 sees n1 n2 n3\n"
	      "  200 n1 sends sync-start\n"
	      "  200 n2 sees n1 n2 n3\n"
	      "  200 n3 sees n1 n2 n3\n"
	      "  200 n1 sends hello: promised 2, log 2:2, applied 2\n"
	      "  200 n2 sends hello: promised 3, log 3:4, applied 4\n"
	      "  200 n3 sends hello: promised 3, log 3:4, applied 4\n"
	      "  203 n1 sends close\n"
	      "  204 n2 sends log-chunk\n"
	      "  204 n2 sends ready\n"
	      "  204 n3 sends ready\n"
	      "  206 n1 sends ready\n"
	      "  207 n2 is in epoch 4, leader n2\n"
	      "  207 n3 is in epoch 4, leader n2\n"
	      "  207 n2 sends ack 5\n"
	      "  207 n3 sends ack 5\n"
	      "  208 n1 is in epoch 4, leader n2\n"
	      "  208 n1 sends ack 5\n"
	      "  210 n2 knows 5 committed\n"
	      "  210 n3 knows 5 committed\n"
	      "  211 n1 knows 5 committed\n");
	end(&swarm);
}

/* An entry that only one node ever had is replaced when the others went on without it. */
static void test_tail_of_one(void)
{
	struct swarm swarm;
	struct buf trace = { 0 };

	begin_open(&swarm, &trace);
	swarm_propose(&swarm, 1);
	evs_place(swarm.evs, 1, false);
	evs_deliver(swarm.evs, 1);
	swarm_sync(&swarm, 1, 1);
	CU_ASSERT_EQUAL(disk_last(swarm.nodes[0].disk), 3);
	swarm_crash(&swarm, 1, 0);
	swarm_crash(&swarm, 2, 0);
	swarm_crash(&swarm, 3, 0);
	swarm_boot(&swarm, 2);
	swarm_boot(&swarm, 3);
	swarm_gather(&swarm);
	swarm_run(&swarm, 150);
	CU_ASSERT_EQUAL(swarm.truth_n, 3);
	buf_reset(&trace);
	swarm_boot(&swarm, 1);
	swarm_gather(&swarm);
	swarm_run(&swarm, 200);
	STORY(&swarm,
	      "  150 n1 starts\n"
	      "  150 n1 sees n1 n2 n3\n"
	      "  150 n1 sends sync-start\n"
	      "  150 n2 sees n1 n2 n3\n"
	      "  150 n3 sees n1 n2 n3\n"
	      "  150 n1 sends hello: promised 2, log 2:3, applied 2\n"
	      "  150 n2 sends hello: promised 3, log 3:3, applied 3\n"
	      "  150 n3 sends hello: promised 3, log 3:3, applied 3\n"
	      "  153 n1 sends close\n"
	      "  154 n2 sends log-chunk\n"
	      "  154 n2 sends ready\n"
	      "  154 n3 sends ready\n"
	      "  156 n1 sends ready\n"
	      "  157 n2 is in epoch 4, leader n2\n"
	      "  157 n3 is in epoch 4, leader n2\n"
	      "  157 n2 sends ack 4\n"
	      "  157 n3 sends ack 4\n"
	      "  158 n1 is in epoch 4, leader n2\n"
	      "  158 n1 sends ack 4\n"
	      "  160 n2 knows 4 committed\n"
	      "  160 n3 knows 4 committed\n"
	      "  161 n1 knows 4 committed\n");
	CU_ASSERT_EQUAL(swarm.counts.cuts, 1);
	CU_ASSERT_EQUAL(disk_epoch(swarm.nodes[0].disk, 3), 3);
	end(&swarm);
}

/* A member that says nothing costs two seconds, once; it may be the lowest one. */
static void test_ghost(void)
{
	struct swarm swarm;
	struct buf trace = { 0 };
	uint32_t of[] = { 1, 1, 1 };

	begin_open(&swarm, &trace);
	swarm_crash(&swarm, 3, 0);
	evs_regroup(swarm.evs, of, false, 4, 4);
	swarm_run(&swarm, 3000);
	STORY(&swarm,
	      "  100 n3 crashes\n"
	      "  100 n1 sees n1 n2 n3\n"
	      "  100 n1 sends sync-start\n"
	      "  100 n2 sees n1 n2 n3\n"
	      "  100 n1 sends hello: promised 2, log 2:2, applied 2\n"
	      "  100 n2 sends hello: promised 2, log 2:2, applied 2\n"
	      " 2102 n1 sends close\n"
	      " 2103 n1 sends ready\n"
	      " 2103 n2 sends ready\n"
	      " 2105 n1 is in epoch 3, leader n1\n"
	      " 2105 n2 is in epoch 3, leader n1\n"
	      " 2105 n1 sends ack 3\n"
	      " 2105 n2 sends ack 3\n"
	      " 2107 n1 knows 3 committed\n"
	      " 2107 n2 knows 3 committed\n");
	swarm_crash(&swarm, 1, 0);
	swarm_boot(&swarm, 3);
	evs_regroup(swarm.evs, of, false, 1, 1);
	swarm_run(&swarm, 20000);
	STORY(&swarm,
	      " 3000 n1 crashes\n"
	      " 3000 n3 starts\n"
	      " 3000 n2 sees n1 n2 n3\n"
	      " 3000 n3 sees n1 n2 n3\n"
	      " 9000 n2 sends sync-start\n"
	      " 9001 n2 sends hello: promised 3, log 3:3, applied 3\n"
	      " 9001 n3 sends hello: promised 2, log 2:2, applied 2\n"
	      "11003 n2 sends close\n"
	      "11004 n2 sends log-chunk\n"
	      "11004 n2 sends ready\n"
	      "11005 n3 sends ready\n"
	      "11007 n2 is in epoch 4, leader n2\n"
	      "11007 n3 is in epoch 4, leader n2\n"
	      "11007 n2 sends ack 4\n"
	      "11007 n3 sends ack 4\n"
	      "11009 n2 knows 4 committed\n"
	      "11009 n3 knows 4 committed\n");
	end(&swarm);
}

/* The HELLO of node 3 gets lost: it is left out, and asks for another round. */
static void test_left_out(void)
{
	struct swarm swarm;
	struct buf trace = { 0 };

	begin(&swarm, &trace, 7);
	swarm_gather(&swarm);
	evs_place(swarm.evs, 1, false);
	evs_deliver(swarm.evs, 3);
	evs_place(swarm.evs, 3, true);
	buf_reset(&trace);
	swarm_run(&swarm, 8000);
	STORY(&swarm,
	      "    1 n1 sends hello: promised 0, log 1:1, applied 1\n"
	      "    1 n2 sends hello: promised 0, log 1:1, applied 1\n"
	      " 2003 n1 sends close\n"
	      " 2004 n1 sends ready\n"
	      " 2004 n2 sends ready\n"
	      " 2006 n1 is in epoch 2, leader n1\n"
	      " 2006 n2 is in epoch 2, leader n1\n"
	      " 2006 n1 sends ack 2\n"
	      " 2006 n2 sends ack 2\n"
	      " 2008 n1 knows 2 committed\n"
	      " 2008 n2 knows 2 committed\n"
	      " 7004 n3 sends rejoin\n"
	      " 7006 n1 sends sync-start\n"
	      " 7007 n1 sends hello: promised 2, log 2:2, applied 2\n"
	      " 7007 n2 sends hello: promised 2, log 2:2, applied 2\n"
	      " 7007 n3 sends hello: promised 0, log 1:1, applied 1\n"
	      " 7010 n1 sends close\n"
	      " 7011 n1 sends log-chunk\n"
	      " 7011 n1 sends ready\n"
	      " 7011 n2 sends ready\n"
	      " 7012 n3 sends ready\n"
	      " 7014 n1 is in epoch 3, leader n1\n"
	      " 7014 n2 is in epoch 3, leader n1\n"
	      " 7014 n3 is in epoch 3, leader n1\n"
	      " 7014 n1 sends ack 3\n"
	      " 7014 n2 sends ack 3\n"
	      " 7014 n3 sends ack 3\n"
	      " 7017 n1 knows 3 committed\n"
	      " 7017 n2 knows 3 committed\n"
	      " 7017 n3 knows 3 committed\n");
	end(&swarm);
}

/* Too far behind for the log: the state, and what comes after it. */
static void test_snapshot(void)
{
	struct swarm swarm;
	struct buf trace = { 0 };

	begin(&swarm, &trace, 7);
	swarm_crash(&swarm, 3, 0);
	for (uint32_t node = 1; node <= 2; node++) {
		swarm_crash(&swarm, node, 0);
		swarm.keep = 4;
		swarm_boot(&swarm, node);
	}
	swarm_gather(&swarm);
	for (uint32_t i = 1; i <= 20; i++) {
		swarm_run(&swarm, 20 * i);
		swarm_propose(&swarm, 1);
	}
	swarm_run(&swarm, 500);
	buf_reset(&trace);
	swarm_boot(&swarm, 3);
	swarm_gather(&swarm);
	swarm_run(&swarm, 600);
	STORY(&swarm,
	      "  500 n3 starts\n"
	      "  500 n1 sees n1 n2 n3\n"
	      "  500 n1 sends sync-start\n"
	      "  500 n2 sees n1 n2 n3\n"
	      "  500 n3 sees n1 n2 n3\n"
	      "  500 n1 sends hello: promised 2, log 2:22, applied 22\n"
	      "  500 n2 sends hello: promised 2, log 2:22, applied 22\n"
	      "  500 n3 sends hello: promised 0, log 1:1, applied 1\n"
	      "  503 n1 sends close\n"
	      "  504 n1 sends snap-chunk\n"
	      "  504 n1 sends snap-chunk\n"
	      "  504 n1 sends snap-chunk\n"
	      "  504 n1 sends ready\n"
	      "  504 n2 sends ready\n"
	      "  508 n3 knows 22 committed\n"
	      "  508 n3 sends ready\n"
	      "  509 n1 is in epoch 3, leader n1\n"
	      "  509 n2 is in epoch 3, leader n1\n"
	      "  509 n3 is in epoch 3, leader n1\n"
	      "  509 n1 sends ack 23\n"
	      "  509 n2 sends ack 23\n"
	      "  509 n3 sends ack 23\n"
	      "  512 n1 knows 23 committed\n"
	      "  512 n2 knows 23 committed\n"
	      "  512 n3 knows 23 committed\n");
	CU_ASSERT_EQUAL(swarm.counts.snapshots, 1);
	CU_ASSERT_EQUAL(swarm.nodes[2].toy->index, swarm.truth_n);
	end(&swarm);
}

UNIT_MAIN("core/rounds", { "birth", test_birth }, { "waits to learn", test_waits_to_learn },
	  { "back after a crash", test_back_after_a_crash }, { "tail of one", test_tail_of_one },
	  { "ghost", test_ghost }, { "left out", test_left_out }, { "snapshot", test_snapshot })
