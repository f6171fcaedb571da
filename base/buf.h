/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buf: bytes that grow at the end.
 *
 * A value type: { 0 } is an empty one that owns nothing, buf_free() returns it to that. There is
 * always a zero byte behind the last one once something was reserved, so a buf of text can be
 * handed to who wants a string (buf_str()). Pointers into data are good until the next call that
 * may grow it. Nothing fails, see base/mem.h.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t len; /* bytes in use */
	size_t cap; /* bytes there is room for, the zero byte included */
};

/*
 * Makes room for extra bytes after the present ones and returns where they go; the caller then adds
 * to len.
 */
uint8_t *buf_reserve(struct buf *b, size_t extra);

/* Adds at the end. data must not point into b. */
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_byte(struct buf *b, uint8_t byte);
void buf_append_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Takes the first n bytes away; n may not exceed len. */
void buf_consume(struct buf *b, size_t n);

/* Shortens to len bytes; len may not exceed the present one. */
void buf_truncate(struct buf *b, size_t len);

/* The content as a string, "" when empty. */
const char *buf_str(const struct buf *b);

/* The content as a string that the caller owns (never NULL); b is empty afterwards. */
char *buf_steal_str(struct buf *b);

/* Empties b and keeps its memory, or gives that back too. */
void buf_reset(struct buf *b);
void buf_free(struct buf *b);

#endif
