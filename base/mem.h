/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory: allocation that succeeds or ends the process.
 *
 * A node that runs out of memory half way through an event cannot know what it has done. It says so
 * on stderr and aborts; it is started again and rejoins from what is on disk. Therefore no caller
 * checks for NULL, and everything here is released with free(). Sizes that overflow end the process
 * the same way.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* One zeroed object, or an array of n of them. n = 0 gives a pointer that can be freed. */
#define mem_new(T) ((T *)mem_array(1, sizeof(T)))
#define mem_new_array(T, n) ((T *)mem_array((n), sizeof(T)))

/* n zeroed elements of the given size. */
void *mem_array(size_t n, size_t size) __attribute__((malloc, warn_unused_result));

/* Makes room for n elements at p, which may be NULL. Elements that are new are not zeroed. */
void *mem_resize(void *p, size_t n, size_t size) __attribute__((warn_unused_result));

/* A copy of len bytes; len = 0 gives a pointer that can be freed. */
void *mem_dup(const void *data, size_t len) __attribute__((malloc, warn_unused_result));

/* A copy of a string, NULL for NULL. */
char *mem_strdup(const char *s) __attribute__((malloc, warn_unused_result));

/* A string of the first len bytes of s, fewer if s ends before. */
char *mem_strndup(const char *s, size_t len) __attribute__((malloc, warn_unused_result));

/* A new string, formatted as by printf. */
char *mem_printf(const char *format, ...)
	__attribute__((malloc, warn_unused_result, format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list args)
	__attribute__((malloc, warn_unused_result, format(printf, 1, 0)));

/*
 * For tests: asked before every allocation, answers false to make it fail as if memory had run out.
 * May also leave by longjmp() or count. NULL, the initial value, takes it away. Not for more than
 * one thread.
 */
typedef bool (*mem_hook)(void *context, size_t bytes);
void mem_set_hook(mem_hook hook, void *context);

#endif
