/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_SMALL_H
#define TESTS_UNIT_SMALL_H

/*
 * A small cluster is a core with records in it, for tests of what operators are told and may
 * ask: n1 and n2 are up, n3 is a witness, and bmc1 can fence n1. Further records are loaded over
 * it; one that is there already is replaced.
 */

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "clusterd/shell/operator_read.h"
#include "clusterd/shell/operator_view.h"

/*
 * With n VMs web0, web1, … that run on n1 and n2 in turn, with definitions of that size. The
 * caller frees it by core_free().
 */
struct core *small_core(size_t vms, size_t xml_size);

void small_load(struct core *core, uint32_t table, uint64_t id, const ProtobufCMessage *record);
/* A device whose last test was good. */
void small_fence(struct core *core, uint64_t id, const char *name, uint32_t target);
void small_voters(struct core *core, size_t voters_n);
void small_setting(struct core *core, const char *name, const char *value);
void small_events(struct core *core, uint64_t from, uint64_t to);
/* A node that says nothing of itself, in a state "because". */
void small_silent(struct core *core, uint32_t id, Wire__Node__State state);
/* A node that could run VMs. */
void small_host(struct core *core, uint32_t id, Wire__Node__State state, bool drained);

/* As node 1 sees it in an open epoch with all three. */
struct view_source small_source(const struct core *core);

/* A request, with ' for " and ` for ', because C makes the real ones hard to read. */
json_t *small_parse(const char *text);
/* All pages of a question; each one is checked to fit. NULL and a refusal. */
json_t *small_read(struct core *core, const char *text, size_t *ret_pages,
		   struct refusal *refusal);

#endif
