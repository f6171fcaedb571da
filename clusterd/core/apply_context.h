/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_APPLY_CONTEXT_H
#define CLUSTERD_CORE_APPLY_CONTEXT_H

/*
 * The context of one command being applied, for the files apply*.c alone: verdict, events,
 * operations, and the one way a VM record is opened and closed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clusterd/core/record.h"
#include "clusterd/core/state.h"

enum { STOP_TIMEOUT_MAX_S = 86400 };	/* of a VM */

struct apply {
	struct state *state;
	struct update *update;
	const Wire__Command *command;
	uint64_t index;
	uint64_t clock_ms;		/* core/elapsed.h */
	Wire__Verdict__Code code;
	char text[1024];
	uint64_t op, id;
	char broken[256];		/* the invariant that would not hold; "" = none */
};

typedef void apply_fn(struct apply *apply);

/* Commands by their field number in Command; each in the file of its noun. */
apply_fn apply_genesis, apply_node_report, apply_node_verdict, apply_node_freeze, apply_node_set;
apply_fn apply_vm_add, apply_vm_edit, apply_vm_remove, apply_vm_set, apply_vm_want, apply_vm_move,
	apply_vm_cancel, apply_vm_accept, apply_vm_live;
apply_fn apply_vm_step, apply_vm_report;
apply_fn apply_fence_add, apply_fence_remove, apply_fence_test, apply_fence_begin,
	apply_fence_result, apply_went_alone;
apply_fn apply_volume_add, apply_volume_remove, apply_setting_set, apply_note;
apply_fn apply_leftover_report;
apply_fn apply_feature_raise;
apply_fn apply_voters_set, apply_node_add, apply_node_remove;
apply_fn apply_force;

/* Is the cluster at this feature's level (feature.h)? The one thing by which apply may differ. */
bool apply_has(const struct apply *apply, uint32_t feature);

void apply_refuse(struct apply *apply, Wire__Verdict__Code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* INVALID: key must be one of a few words (base/nearest.h). */
void apply_refuse_word(struct apply *apply, const char *key, const char *value,
		       const char *const *words, size_t words_n);

void apply_event(struct apply *apply, Wire__Event__Severity severity, uint64_t op,
		 const char *subject, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void apply_event_vm(struct apply *apply, Wire__Event__Severity severity, const Wire__Vm *vm,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
void apply_event_node(struct apply *apply, Wire__Event__Severity severity, uint32_t node,
		      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Operations. Begin returns the id. vm: NULL if it is about none. */
uint64_t apply_op_begin(struct apply *apply, Wire__Operation__Kind kind, const Wire__Vm *vm,
			uint32_t node, uint32_t to, const char *reason);
void apply_op_mark(struct apply *apply, uint64_t op, const char *what, uint32_t node,
		   uint64_t at_ms);
void apply_op_marks(struct apply *apply, uint64_t op, Wire__Mark **marks, size_t marks_n);
void apply_op_end(struct apply *apply, uint64_t op, Wire__Operation__Outcome outcome,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
bool apply_op_running(struct apply *apply, uint64_t op);

/* A private copy of a VM's record, or NULL and the verdict NO_SUCH. */
Wire__Vm *apply_vm_open(struct apply *apply, uint64_t vm);
Wire__Vm *apply_vm_open_named(struct apply *apply, const char *name);
/*
 * Puts it into the state and frees it. If it breaks the machine's invariant, the whole command
 * changes nothing, and is refused once its handler is through: one command that nobody thought of
 * must not end the daemons of all nodes, at each of their starts again.
 */
void apply_vm_close(struct apply *apply, Wire__Vm *vm);
/* This one would break it: what its handler does from now on is undone with all the rest. */
void apply_broken(struct apply *apply, const Wire__Vm *vm, const char *why);
/*
 * Moves the machine; owner, from, to and maybe of the record are set before. The same as above
 * holds for what the machine does not allow.
 */
void apply_vm_move_to(struct apply *apply, Wire__Vm *vm, enum vmop_phase next);
/* Ends the VM's operation, if one is under way. */
void apply_vm_op_end(struct apply *apply, Wire__Vm *vm, Wire__Operation__Outcome outcome,
		     const char *text);

/*
 * Who asked for a start and waits is told why there is none yet. The VM stays wanted: it is
 * started when that becomes possible.
 */
void apply_vm_tell_waiting(struct apply *apply, Wire__Vm *vm);

/*
 * The record names its image no more, and nothing is saved to it or restored from it by right:
 * the file is a leftover from now on. Nothing if it names none.
 */
void apply_image_unused(struct apply *apply, Wire__Vm *vm);
/* The volume is being removed: its leftovers are told of, for nobody will remove them. */
void apply_leftovers_forget(struct apply *apply, const Wire__Volume *volume);

/* How it is known that a node does not hold a VM any more (migrate/vmop.h). */
enum vm_end {
	VM_END_TOLD,		/* the node says so */
	VM_END_HANDED_OVER,	/* and that the guest stood still since it was copied */
	VM_END_DEATH,		/* the node died, the VM did nothing wrong */
};
/* A node is proven not to hold a VM any more, for a reason in words. */
void apply_vm_gone(struct apply *apply, Wire__Vm *vm, uint32_t node, enum vm_end end,
		   const char *why);
/*
 * The node holds the VM, and by the record it did not. True if nobody may run it any more for that
 * (migrate/vmop.h), which is told.
 */
bool apply_vm_two_places(struct apply *apply, Wire__Vm *vm, const Wire__Node *node);
/* The same as apply_vm_gone() for every VM that the node may hold. */
void apply_node_gone(struct apply *apply, uint32_t node, const char *why);
/*
 * No VM is on the node, may be on it or is bound to it. Else why not, as "NAME WHAT: …", and what
 * to do.
 */
bool apply_node_unbound(struct apply *apply, const Wire__Node *node, const char *what,
			char *ret_why, size_t size);
/* Nodes that were to be removed and are no voters any more. */
void apply_leaving_finish(struct apply *apply);
/* Refuses what is neither a host name nor an IP address, and what another node than id has. */
bool apply_address_ok(struct apply *apply, uint32_t id, const char *value);
/* A voter has taken part for the first time: it is one with this disk. Nothing for others. */
void apply_voter_joins(struct apply *apply, uint32_t node, uint64_t disk);
/* No daemon stands behind what the node said of VMs that it looked for. */
void apply_looks_forget(struct apply *apply, uint32_t node);
/* The node is no longer one that fence devices are asked about in vain. */
void apply_fences_forget(struct apply *apply, uint32_t node);
/* The node was proven off and is here with the kernel it had. */
void apply_fence_lied(struct apply *apply, const Wire__Node *node);
/* The node has joined the cluster that was forced, or is none of it any more. */
void apply_force_heard(struct apply *apply, uint32_t node);
/* The VM is found, and nobody knows whether what was wanted of it still is (apply_force.c). */
void apply_force_found(struct apply *apply, Wire__Vm *vm);
/* It was heard of again, up or not: no fencing of it goes on. */
void apply_fencing_over(struct apply *apply, uint32_t node);

#endif
