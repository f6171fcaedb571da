/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_CAP = 64 };

/* Far above anything we hold, far below where the arithmetic ends. */
#define MOST_BYTES ((size_t)PTRDIFF_MAX / 2)

static void check(const struct buf *b)
{
	assert(b->data ? b->len < b->cap : b->len == 0 && b->cap == 0);
}

uint8_t *buf_reserve(struct buf *b, size_t extra)
{
	size_t wanted, cap;

	check(b);
	assert(extra < MOST_BYTES - b->len);
	wanted = b->len + extra + 1;
	if (wanted > b->cap) {
		cap = b->cap > SMALLEST_CAP / 2 ? b->cap * 2 : SMALLEST_CAP;
		if (cap < wanted)
			cap = wanted;
		b->data = mem_resize(b->data, cap, 1);
		b->cap = cap;
	}
	b->data[b->len] = 0;
	return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
	uint8_t *end = buf_reserve(b, len);

	if (len)
		memcpy(end, data, len);
	end[len] = 0;
	b->len += len;
}

void buf_append_byte(struct buf *b, uint8_t byte)
{
	buf_append(b, &byte, 1);
}

void buf_append_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
	char *text = mem_vprintf(format, args);

	buf_append_str(b, text);
	free(text);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(b, format, args);
	va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
	check(b);
	assert(n <= b->len);
	if (n == 0)
		return;
	/* The zero byte behind the last one moves along. */
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

void buf_truncate(struct buf *b, size_t len)
{
	check(b);
	assert(len <= b->len);
	b->len = len;
	if (b->data)
		b->data[len] = 0;
}

const char *buf_str(const struct buf *b)
{
	check(b);
	return b->data ? (const char *)b->data : "";
}

char *buf_steal_str(struct buf *b)
{
	char *s;

	buf_reserve(b, 0);
	s = (char *)b->data;
	*b = (struct buf){ 0 };
	return s;
}

void buf_reset(struct buf *b)
{
	buf_truncate(b, 0);
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}
