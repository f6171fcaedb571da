/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/round.h"

/* Why nothing is open here, in words for an administrator. */

/* "1, 2 and 5" */
static void say_nodes(struct buf *text, uint64_t nodes)
{
	if (!nodes) {
		buf_append_str(text, "none");
		return;
	}
	buf_append_str(text, nodes_count(nodes) == 1 ? "node " : "nodes ");
	for (uint64_t left = nodes; left; left &= left - 1) {
		const char *before = left == nodes ? "" : left & (left - 1) ? ", " : " and ";

		buf_printf(text, "%s%" PRIu32, before, nodes_lowest(left));
	}
}

/* Voters of whose disk nobody knows yet. */
static uint64_t new_voters(const struct voters *voters)
{
	uint64_t nodes = 0;

	for (size_t i = 0; i < voters->n; i++)
		if (voters->disks[i] == 0)
			nodes |= node_bit(voters->nodes[i]);
	return nodes;
}

void round_say_left_out(const struct round *round, uint32_t node, const char *there,
			struct buf *text)
{
	const struct hello *hello = &round->hello[node - 1];
	const struct able *able = &round->able;

	buf_printf(text, "the clusterd %s", there);
	if (*hello->version)
		buf_printf(text, " (%s)", hello->version);
	if (hello->feature_max < able->level)
		buf_printf(text,
			   " knows feature levels up to %" PRIu32 ", but the cluster is at %" PRIu32
			   ": install a newer version %s",
			   hello->feature_max, able->level, there);
	else
		buf_printf(text,
			   " speaks protocols %u to %u, but the others speak %u: install a version "
			   "%s that speaks it",
			   hello->proto_min, hello->proto_max, able->protocol, there);
}

/* Those who are here, but of no use together with the others. */
static void say_unable(const struct round *round, struct buf *text)
{
	for (uint64_t left = round->heard & ~round->able.nodes; left; left &= left - 1) {
		buf_printf(text, "; node %" PRIu32 " cannot take part: ", nodes_lowest(left));
		round_say_left_out(round, nodes_lowest(left), "there", text);
	}
}

/* Of a set of voters that has no majority here. */
static void say_lack(const struct round *round, const struct electorate *electorate, size_t set,
		     struct buf *text)
{
	uint64_t voters = voters_nodes(&electorate->voters[set]);
	uint64_t anew = new_voters(&electorate->voters[set]);
	uint64_t here = electorate->counted[set] | (anew & round->able.nodes);
	uint64_t forgetful = voters & round->able.nodes & ~here;

	buf_printf(text, "no quorum: of the %svoters, ",
		   set == 1 ? "new " : electorate->n == 2 ? "old " : "");
	say_nodes(text, voters);
	buf_append_str(text, here ? ", only " : ", ");
	say_nodes(text, here);
	buf_append_str(text, nodes_count(here) == 1 ? " is here" : " are here");
	if (forgetful) {
		buf_append_str(text, "; not with the disk it joined with: ");
		say_nodes(text, forgetful);
	}
	if (anew) {
		buf_append_str(text, "; all must be, until ");
		say_nodes(text, anew);
		buf_append_str(text, " took part once");
	}
	if (electorate->n == 2)
		buf_append_str(text, "; a change of voters is under way and needs both");
}

static void say_waiting(const struct replica *replica, struct buf *text)
{
	const struct round *round = &replica->round;
	struct electorate electorate;
	size_t set = 0;

	round_electorate_so_far(round, &electorate);
	if (electorate.n == 0) {
		buf_append_str(text, "no cluster yet: this node waits to learn of one");
		return;
	}
	if (electorate.n == 2 && nodes_count(electorate.counted[0]) >= electorate.needed[0])
		set = 1;
	say_lack(round, &electorate, set, text);
	say_unable(round, text);
}

/* Voters that the epoch waits for. */
static uint64_t missing_voters(const struct round *round)
{
	uint64_t nodes = 0;

	for (size_t i = 0; i < round->electorate.n; i++)
		nodes |= round->electorate.counted[i];
	return nodes & ~round->ready;
}

static void say_phase(const struct replica *replica, struct buf *text)
{
	const struct round *round = &replica->round;
	uint64_t missing = round_awaited(replica) & ~round->heard;

	switch (round->phase) {
	case PHASE_IDLE:
		buf_append_str(text, replica->members ? "joining: the members are about to meet" :
							"not in the group yet");
		break;
	case PHASE_HELLO:
		if (!round->said_hello) {
			buf_append_str(text, "waiting for the disk of this node");
			break;
		}
		if (!missing) {
			buf_printf(text, "joining: all have answered, node %" PRIu32 " goes on",
				   round->id.node);
			break;
		}
		buf_append_str(text, "joining: waiting for an answer of ");
		say_nodes(text, missing);
		break;
	case PHASE_WAIT:
		say_waiting(replica, text);
		break;
	case PHASE_OUT:
		if (round->able.nodes) {
			buf_append_str(text, "left out: ");
			round_say_left_out(round, replica->config.node, "here", text);
			buf_append_str(text, "; until then its guests run on, and nothing is "
					     "changed here");
			break;
		}
		buf_append_str(text, "joining: this node answered too late; it asks again");
		break;
	case PHASE_SYNC:
		if (round->contradicted) {
			buf_append_str(text, "the logs of this node and of ");
			say_nodes(text, replica->against);
			buf_printf(text,
				   " exclude each other (%s): an old copy of a disk is in use, "
				   "and no majority tells where yet; if that lasts, stop clusterd "
				   "there",
				   round->contradicted);
			break;
		}
		buf_printf(text, "joining: copying the log from node %" PRIu32 "%s", round->source,
			   replica->sync.lost ? "; that went wrong, it asks again" : "");
		break;
	case PHASE_STORE:
		buf_append_str(text, "waiting for the disk of this node");
		break;
	case PHASE_READY:
		buf_append_str(text, "waiting until a majority of voters is ready; missing: ");
		say_nodes(text, missing_voters(round));
		break;
	}
}

/* Which of the two clusters is the one to go on with, nobody here can tell. */
static void say_foreigners(uint64_t nodes, struct buf *text)
{
	buf_append_str(text, " (");
	say_nodes(text, nodes);
	buf_printf(text, " belong%s to another cluster; where clusterd is stopped and its "
			 "cluster.db moved away, the node joins the other one when it is started "
			 "again, with an empty disk)", nodes_count(nodes) == 1 ? "s" : "");
}

/* By the word of its administrator it is the newer one, and may run any VM by now. */
static void say_superseded(uint64_t nodes, struct buf *text)
{
	bool one = nodes_count(nodes) == 1;

	say_nodes(text, nodes);
	buf_printf(text, " go%s on with a new cluster that was forced from this one, so nothing is "
			 "done here any more: to join it, stop clusterd here, move its cluster.db "
			 "away and start it again; if that was a mistake, stop clusterd there",
			 one ? "es" : "");
}

void round_why(const struct replica *replica, char *ret_why, size_t size)
{
	_cleanup_(buf_free) struct buf text = { 0 };

	if (replica->gone)
		buf_append_str(&text, "this node is about to leave");
	else if (replica->superseders)
		say_superseded(replica->superseders, &text);
	else
		say_phase(replica, &text);
	if (replica->foreigners & ~replica->superseders)
		say_foreigners(replica->foreigners & ~replica->superseders, &text);
	if (replica->stranger)
		buf_printf(&text, " (node %" PRIu32 " is ignored: ids go from 1 to %d)",
			   replica->stranger, REPLICA_NODE_MAX);
	buf_append_byte(&text, 0);
	memcpy(ret_why, text.data, text.len < size ? text.len : size);
	ret_why[size - 1] = 0;
}
