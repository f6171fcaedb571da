/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/argv.h"

#include "base/buf.h"
#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Adds an argument and takes it over. */
static void take(struct argv *a, char *argument)
{
	if (a->count + 1 >= a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 16;

		a->items = mem_resize(a->items, cap, sizeof(*a->items));
		a->cap = cap;
	}
	a->items[a->count++] = argument;
	a->items[a->count] = NULL;
}

void argv_add(struct argv *a, const char *argument)
{
	assert(argument);
	take(a, mem_strdup(argument));
}

void argv_addf(struct argv *a, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	take(a, mem_vprintf(format, args));
	va_end(args);
}

void argv_add_all(struct argv *a, ...)
{
	const char *argument;
	va_list args;

	va_start(args, a);
	while ((argument = va_arg(args, const char *)))
		argv_add(a, argument);
	va_end(args);
}

char *const *argv_items(const struct argv *a)
{
	static char *const none[] = { NULL };

	return a->items ? a->items : none;
}

static void append_quoted(struct buf *out, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=./:,@%";

	if (s[0] && s[strspn(s, plain)] == '\0') {
		buf_append_str(out, s);
		return;
	}
	buf_append_byte(out, '\'');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '\'')
			buf_append_str(out, "'\\''");
		else if (c < ' ' || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_append_byte(out, c);
	}
	buf_append_byte(out, '\'');
}

char *argv_text(const struct argv *a)
{
	struct buf out = { 0 };

	for (size_t i = 0; i < a->count; i++) {
		if (i > 0)
			buf_append_byte(&out, ' ');
		append_quoted(&out, a->items[i]);
	}
	return buf_steal_str(&out);
}

void argv_free(struct argv *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->items[i]);
	free(a->items);
	*a = (struct argv){ 0 };
}
