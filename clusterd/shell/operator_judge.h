/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_OPERATOR_JUDGE_H
#define CLUSTERD_SHELL_OPERATOR_JUDGE_H

/*
 * A judgement is what operators want to know of a node or a VM and no record says by itself:
 * in a word how it is, and why that is not known. Pure functions of the state, of where this
 * node stands, and of the time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/core.h"
#include "wire/check.h"

/* What is looked at, from where, and when. */
struct view_source {
	const struct state *state;
	struct core_standing standing;
	uint32_t node;		/* own id */
	uint64_t wall_ms;	/* now */
	uint64_t closed_ms;	/* when the last open epoch ended; 0 = there was none here */
	struct look_sight sight;
	/* When the daemon of node n, at n-1, was last seen, if it is not; 0 = never; NULL: all. */
	const uint64_t *unseen_ms;
};

enum { JUDGE_NODES = 64 };

/* Holds a record's text and what is said about it. */
enum { JUDGE_WHY_SIZE = WIRE_TEXT_MAX + 300 };

/* A node's name; "" for none. */
const char *judge_name(const struct state *state, uint32_t node);

/*
 * Without an open epoch: the wall clock time up to which the state is what the cluster agreed
 * on, which is when this node last took part in that; 0 if nobody knows. With one: 0, so that
 * what does not change reads the same each time.
 */
uint64_t judge_as_of(const struct view_source *source);

/* It is up, and its daemon is seen. */
bool judge_node_here(const struct view_source *source, const Wire__Node *node);
/* In words of clusterctl(8): "up", "up, drained", "daemon-down", "not seen". */
const char *judge_node_state(const struct view_source *source, const Wire__Node *node);
/* When its daemon was last seen here, if it is not seen now; 0 = it is, or that is not known. */
uint64_t judge_node_unseen(const struct view_source *source, const Wire__Node *node);
/* Why, and what holds up its fencing; "" if there is nothing to say. */
void judge_node_why(const struct view_source *source, const Wire__Node *node, char *ret_why,
		    size_t size);

/* Whether what a node told of itself is so; if not, when it was, wall clock: 0 = nobody knows. */
bool judge_facts_current(const struct view_source *source, const Wire__Node *node);
uint64_t judge_facts_as_of(const struct view_source *source, const Wire__Node *node);

/*
 * What is wrong with the size of a VM, as a sentence: -ENOSPC if no node could ever run it, -EDOM
 * if none has so much, 0 and nothing if all is well, or a node has not told what it has.
 */
int judge_size(const struct state *state, const char *name, const Wire__Essence *essence,
	       struct buf *out);

/* Nobody runs it, nor is about to. */
bool judge_vm_at_rest(const Wire__Vm *vm);
/*
 * Is what the records say of VMs what is so, as far as the cluster knows? Without an open epoch
 * others may have done anything since, or this node's kernel may be another one; but while an epoch
 * merely gives way to the next, and a majority of the voters is here, nobody does.
 */
bool judge_knows(const struct view_source *source);

/* Nodes, bit n-1 each, that may run a VM which no node has by the record: they have yet to look. */
uint64_t judge_vm_not_looked(const struct view_source *source, const Wire__Vm *vm);
/* Are there any? */
bool judge_vm_sought(const struct view_source *source, const Wire__Vm *vm);
/* "running", "unknown", … */
const char *judge_vm_state(const struct view_source *source, const Wire__Vm *vm);
/* The state it had when that was known last; "": it is known, or its node alone is silent. */
const char *judge_vm_last_known(const struct view_source *source, const Wire__Vm *vm);
/*
 * Of one that is unknown: what it was last, or what is with the node that does not speak, and
 * what to do. Else "".
 */
void judge_vm_why(const struct view_source *source, const Wire__Vm *vm, char *ret_why,
		  size_t size);
/*
 * Why it is not as it should be, by its record; but whom it waits for until it may be started is
 * told as it is now.
 */
void judge_vm_detail(const struct view_source *source, const Wire__Vm *vm, char *ret_detail,
		     size_t size);

/*
 * The next try to start a VM that has failed: which one it is of how many, and in what time it
 * comes, as far as the clocks of two nodes agree. False if none is to come.
 */
struct judge_retry {
	uint64_t try, of, in_ms;
};
bool judge_vm_retry(const struct view_source *source, const Wire__Vm *vm,
		    struct judge_retry *ret_retry);

#endif
