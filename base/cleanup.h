/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cleanup: locals that release themselves when their scope ends.
 *
 *	_cleanup_(freep) char *name = mem_strdup("web1");
 *	_cleanup_(buf_free) struct buf line = { 0 };
 *
 * An early return then needs no goto, and what is handed to the caller is taken out of the scope
 * with steal_ptr().
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>

/* Runs f(&variable) when the variable goes out of scope. Declare with an initial value, always. */
#define _cleanup_(f) __attribute__((cleanup(f)))

/*
 * Defines NAMEp(), fit for _cleanup_, from the NAME() that frees an object of a pointer type:
 *
 *	DEFINE_CLEANUP(struct thing *, thing_free)
 *	_cleanup_(thing_freep) struct thing *t = NULL;
 */
#define DEFINE_CLEANUP(type, func)                                                                 \
	static inline void func##p(type *variable)                                                 \
	{                                                                                          \
		if (*variable)                                                                     \
			func(*variable);                                                           \
	}                                                                                          \
	struct cleanup_wants_semicolon

/* The pointer's value; the variable itself becomes NULL, so that its cleanup finds nothing. */
#define steal_ptr(pointer)                                                                         \
	({                                                                                         \
		__typeof__(pointer) *steal_from = &(pointer);                                      \
		__typeof__(pointer) stolen = *steal_from;                                          \
		*steal_from = NULL;                                                                \
		stolen;                                                                            \
	})

/* Number of elements of an array; does not compile for a pointer. */
#define ARRAY_SIZE(array)                                                                          \
	(sizeof(array) / sizeof((array)[0]) +                                                      \
	 0 * sizeof(struct {                                                                       \
		 _Static_assert(!__builtin_types_compatible_p(__typeof__(array),                   \
							      __typeof__(&(array)[0])),            \
				"ARRAY_SIZE of a pointer");                                        \
		 int nothing;                                                                      \
	 }))

/* For anything that free() releases. */
static inline void freep(void *variable)
{
	free(*(void **)variable);
}

#endif
