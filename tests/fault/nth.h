/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FAULT_NTH_H
#define TESTS_FAULT_NTH_H

/*
 * The nth allocation fails: of this thread, from malloc, calloc and realloc, whoever calls them,
 * libraries too. With a sanitizer, which has an allocator of its own, only those of base/mem.h and
 * of SQLite.
 *
 * Memory that cannot be had ends the process by abort(). The linker's --wrap=abort brings it here
 * instead, and it goes on where nth_try was called, as the process that comes next; what was on the
 * heap stays there.
 */

#include <stdbool.h>
#include <stddef.h>

/* Not 0: what this thread takes is the test's own. */
extern _Thread_local unsigned nth_paused;

enum nth_end {
	NTH_THROUGH,		/* run ended, and n allocations were not made */
	NTH_DIED,		/* the nth failed and ended the process */
	NTH_BORNE,		/* the nth failed, and run ended all the same */
};

/* n from 1; 0: none fails. ret_count: how many there were. */
enum nth_end nth_try(unsigned n, void (*run)(void *context), void *context, unsigned *ret_count);

/* Before SQLite is used for the first time. */
void nth_watch_sqlite(void);
/* Whether there is memory that nothing points at; only a sanitizer knows. */
bool nth_leaks(void);

#endif
