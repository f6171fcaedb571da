/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_STATE_H
#define CLUSTERD_CORE_STATE_H

/*
 * The replicated state: tables of records by id, the same on every member at the same log
 * index. Only apply (clusterd/core/apply.h) changes it, through the writers below, which
 * also write the change into the update and keep the digest.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "clusterd/core/settings.h"
#include "clusterd/core/update.h"
#include "clusterd/core/voters.h"
#include "wire/schema.pb-c.h"

struct state;

/*
 * How large it may become. A node that lags behind gets all of it: in chunks (sync.c), then as one
 * batch of its store (shell/store.h). What an administrator adds is refused beyond STATE_VMS_BYTES.
 * A VM's record then grows by less than 8 KiB, and by what runs there if that differs, which is
 * left out beyond STATE_LIVE_BYTES. The other tables have limits of their own that leave them
 * far below the rest.
 */
enum {
	STATE_VMS_MAX = 10000,
	STATE_VMS_BYTES = 80 * 1024 * 1024,
	STATE_LIVE_BYTES = 168 * 1024 * 1024,
	STATE_BYTES_MAX = 232 * 1024 * 1024,
};

_Static_assert(STATE_VMS_BYTES + STATE_VMS_MAX * 8 * 1024 <= STATE_LIVE_BYTES, "it can grow");

struct state *state_new(void);
void state_free(struct state *state);

uint64_t state_index(const struct state *state);	/* last applied entry */
uint64_t state_epoch(const struct state *state);	/* of that entry */
uint64_t state_digest(const struct state *state);	/* of all records */

/* Readers. Records stay owned by the state. NULL if there is none. */
const Wire__Cluster *state_cluster(const struct state *state);
const Wire__Node *state_node(const struct state *state, uint32_t node);
const Wire__Node *state_node_named(const struct state *state, const char *name);
const Wire__Vm *state_vm(const struct state *state, uint64_t vm);
const Wire__Vm *state_vm_named(const struct state *state, const char *name_or_uuid);
const Wire__Fence *state_fence_named(const struct state *state, const char *name);
const Wire__Volume *state_volume_named(const struct state *state, const char *name);
const Wire__Operation *state_operation(const struct state *state, uint64_t operation);
/* In id order: at() of 0 … count()-1. table is a WIRE__TABLE__ value. */
size_t state_count(const struct state *state, uint32_t table);
const void *state_at(const struct state *state, uint32_t table, size_t position);
/* Of all records of a table, packed. */
size_t state_bytes(const struct state *state, uint32_t table);
const void *state_get(const struct state *state, uint32_t table, uint64_t id);
/* Position of the first record with an id of at least `id`; count() if there is none. */
size_t state_lower(const struct state *state, uint32_t table, uint64_t id);
/* The operations under way, in id order. */
size_t state_running_count(const struct state *state);
const Wire__Operation *state_running_at(const struct state *state, size_t position);
/*
 * The requests remembered, as many as there are entries that were one; and the one of the first
 * such entry, NULL if there is none.
 */
size_t state_request_count(const struct state *state);
const Wire__Request *state_request_oldest(const struct state *state);
/* A setting's value, or its default, as text and as a number. */
const char *state_setting(const struct state *state, enum setting_id setting);
uint64_t state_setting_number(const struct state *state, enum setting_id setting);
bool state_voter(const struct state *state, uint32_t node);
/* The node that was removed with this id and this disk; NULL if none was, or it is long ago. */
const Wire__NodeGone *state_node_gone(const struct state *state, uint32_t node, uint64_t disk);
/* All of them; none without a cluster. */
void state_voters(const struct state *state, struct voters *ret_voters);

/*
 * Writers, for apply and for loading. A record passed in is copied by packing it, and is within its
 * limits unless what began is undone.
 */
void state_put(struct state *state, uint32_t table, uint64_t id, const ProtobufCMessage *record,
	       struct update *update);
void state_del(struct state *state, uint32_t table, uint64_t id, struct update *update);

/*
 * All or nothing: what is put and deleted from begin to end can be undone by the end. The update is
 * the caller's to cut.
 */
void state_begin(struct state *state);
void state_end(struct state *state, bool undo);
/*
 * Since begin a record was put that is beyond a limit, which nobody could load: the name of its
 * table, and of the field; both static. False: none was. The end must undo it.
 */
bool state_beyond(const struct state *state, const char **ret_table, const char **ret_field);
/* -EBADMSG if the bytes are not a valid record of that table. */
int state_load(struct state *state, uint32_t table, uint64_t id, const void *data, size_t size);
void state_set_position(struct state *state, uint64_t index, uint64_t epoch);

/* A private copy of a record, to be changed and put back; NULL if there is none. */
void *state_open(const struct state *state, uint32_t table, uint64_t id);

/* What was put and deleted since this was asked last; vms is good until the next writer. */
struct state_changes {
	uint64_t tables;		/* bit n = table n */
	const uint64_t *vms;		/* ids, in order of the changes; one may come twice */
	size_t vms_n;
};
struct state_changes state_take_changes(struct state *state);

/*
 * A snapshot: all records as they are at its begin, to be read one by one in the order of tables
 * and ids while the state goes on changing. What is put or deleted before it was read is kept for
 * it, and nothing else. A state has one at a time: the next begin ends it, and so does the end of
 * the state.
 */
void state_snap_begin(struct state *state);
void state_snap_end(struct state *state);
/* The record that comes next, packed, good until the next writer; NULL: that was all. */
const struct buf *state_snap_at(struct state *state, uint32_t *ret_table, uint64_t *ret_id);
void state_snap_next(struct state *state);
/* Of the state at its begin. */
void state_snap_position(const struct state *state, uint64_t *ret_index, uint64_t *ret_epoch,
			 uint64_t *ret_digest);
/* Packed bytes that are kept for it alone. */
size_t state_snap_kept(const struct state *state);

/*
 * A state of many records takes long to free. One that is discarded goes onto a pile, which is
 * cleared away bit by bit: so many packed bytes at a time. False: something is left of it. An empty
 * pile is NULL.
 */
void state_discard(struct state **pile, struct state *state);
bool state_clear_away(struct state **pile, size_t bytes);

/* Packed bytes of a record, as digested and stored; NULL if there is none. */
const struct buf *state_packed(const struct state *state, uint32_t table, size_t position,
			       uint64_t *ret_id);
/* The descriptor of a table's records; NULL for an unknown table. */
const ProtobufCMessageDescriptor *state_table_descriptor(uint32_t table);

#endif
