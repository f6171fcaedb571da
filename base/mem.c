/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mem_hook test_hook;
static void *test_hook_context;

void mem_set_hook(mem_hook hook, void *context)
{
	test_hook = hook;
	test_hook_context = context;
}

static _Noreturn void out_of_memory(size_t n, size_t size)
{
	fprintf(stderr, "out of memory: %zu x %zu bytes\n", n, size);
	abort();
}

/* The number of bytes to ask for: never 0, because malloc(0) may answer NULL. */
static size_t bytes_wanted(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		out_of_memory(n, size);
	if (test_hook && !test_hook(test_hook_context, bytes))
		out_of_memory(n, size);
	return bytes ? bytes : 1;
}

void *mem_array(size_t n, size_t size)
{
	void *p = calloc(1, bytes_wanted(n, size));

	if (!p)
		out_of_memory(n, size);
	return p;
}

void *mem_resize(void *p, size_t n, size_t size)
{
	void *moved = realloc(p, bytes_wanted(n, size));

	if (!moved)
		out_of_memory(n, size);
	return moved;
}

void *mem_dup(const void *data, size_t len)
{
	void *p = mem_resize(NULL, len, 1);

	/* memcpy() from NULL is undefined even for no bytes. */
	if (len)
		memcpy(p, data, len);
	return p;
}

char *mem_strdup(const char *s)
{
	return s ? mem_dup(s, strlen(s) + 1) : NULL;
}

char *mem_strndup(const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *copy = mem_resize(NULL, n + 1, 1);

	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *mem_vprintf(const char *format, va_list args)
{
	va_list again;
	char *s;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	/* Only a broken format or a text of 2 GiB gets here. */
	if (n < 0)
		out_of_memory(1, (size_t)-1);
	s = mem_resize(NULL, (size_t)n + 1, 1);
	vsnprintf(s, (size_t)n + 1, format, args);
	return s;
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *s;

	va_start(args, format);
	s = mem_vprintf(format, args);
	va_end(args);
	return s;
}
