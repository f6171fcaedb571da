/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Show: answers of the daemon as people read them.
 *
 * A list command asks, and writes either the JSON as it came or a table; which cells make a row
 * is all that differs from one list to the next.
 */
#ifndef CLUSTERCTL_SHOW_H
#define CLUSTERCTL_SHOW_H

#include "clusterctl/ctl.h"
#include "clusterctl/table.h"

enum { SHOW_TIME_SIZE = 32 };

struct show_list {
	const char *verb;
	const char *const *columns;
	unsigned right; /* bit n: column n holds numbers */
	void (*row)(struct table *table, const json_t *record, void *context);
	void *context;
	const char *empty; /* what to say of a list without anything */
};

/* Asks, writes and returns the exit. Of a list that is old, stderr says so. */
int show_list(struct ctl *ctl, const struct show_list *list);

/* The same for a list that is there already, which stays the caller's. */
int show_records(struct ctl *ctl, const struct show_list *list, json_t *records);

/* A line "label: value" of a table with two columns. Lines without a value are left out. */
void show_line(struct table *table, const char *label, const char *value);
void show_linef(struct table *table, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Whether a node, a VM or the status is what was known when this node last took part in the
 * cluster, and not what is now. The line that says so, if it is.
 */
bool show_is_old(const json_t *record);
void show_as_of(struct table *table, const json_t *record);

/*
 * A sentence for lists: without the words of libvirt and QEMU that a fault of a disk has in
 * brackets behind what they mean, and cut where it is long and names no command. The caller frees
 * it.
 */
char *show_brief(const char *text);

/*
 * What is worth knowing of a VM in a few words, the most urgent first; "" if nothing is. name: its
 * own, for commands that are advised, or "": the same for all that have the same. The caller frees
 * it.
 */
char *show_vm_detail(const json_t *vm, const char *name);

/* Why a VM is paused and what to do; "" if it is not, or should be. The caller frees it. */
char *show_vm_paused(const json_t *vm, const char *name);

/*
 * "given up after 6 failed tries; clusterctl vm start web1 to try again"; NULL if it is not failed.
 * name "": of no certain VM. The caller frees it.
 */
char *show_vm_given_up(const json_t *vm, const char *name);

/* "tries again in 8 s (try 3 of 6)"; NULL if it is not to be tried again. The caller frees it. */
char *show_vm_retry(const json_t *vm);

/* "n1", where an operation is carried out, or "n1 -> n2" of a move. The caller frees it. */
char *show_operation_place(const json_t *operation);

/* The cell with the state of a node. */
void show_node_state(struct table *table, const json_t *node);

/*
 * Texts of an array, or the names of nodes whose ids are in it, with a comma in between; the
 * caller frees them.
 */
char *show_texts(const json_t *array);
char *show_nodes(const json_t *ids, const json_t *nodes);
const char *show_node(json_int_t id, const json_t *nodes);

/* "2024-05-01 12:30:00" in local time; "-" for 0. Returns out. */
const char *show_time(char out[SHOW_TIME_SIZE], json_int_t wall_ms);

#endif
