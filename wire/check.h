/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WIRE_CHECK_H
#define WIRE_CHECK_H

/*
 * The limits of the schema: how long each text, how large each byte string and how many
 * elements each list may be. One table in check.c holds them; everything that is decoded
 * or encoded as a frame, and every record that is loaded, passes wire_check().
 *
 * Text is UTF-8 without control characters; only fields for XML and for free text may
 * hold line breaks and tabs.
 *
 * Unknown values of an enum are tolerated, but for Record.table: a newer version may have
 * written them, and they must survive the way through an older one. Who acts on an enum
 * treats what it does not know as invalid.
 */

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

enum {
	WIRE_NAME_MAX = 63,           /* bytes; names of nodes, VMs, volumes, … */
	WIRE_STRING_MAX = 255,        /* bytes; a string without a limit of its own */
	WIRE_TEXT_MAX = 1000,         /* bytes; free text for people */
	WIRE_PATH_MAX = 1024,         /* bytes; paths and disk sources */
	WIRE_XML_MAX = 48 * 1024,     /* bytes; a canonical definition */
	WIRE_SECRET_MAX = 4096,       /* bytes; a sealed secret */
	WIRE_COMMAND_MAX = 56 * 1024, /* bytes; a packed command */
	WIRE_RECORD_MAX = 58 * 1024,  /* bytes; a packed record, as a snapshot carries it */
	WIRE_LIST_MAX = 64,           /* elements; a list without a limit of its own */
	WIRE_DEPTH_MAX = 8,           /* messages within messages */
};

/*
 * 0, or -EMSGSIZE: a field is beyond its limit; -EBADMSG: text that is not clean UTF-8, an
 * unknown table, or a field number that cannot be. ret_field, if not NULL, is then the
 * field's name (static).
 */
int wire_check(const ProtobufCMessage *message, const char **ret_field);

/* The most bytes a text or byte field may have, and the most elements a list; 0: no such field. */
size_t wire_field_max(const ProtobufCMessageDescriptor *type, const char *field);
size_t wire_list_max(const ProtobufCMessageDescriptor *type, const char *field);

/* Clean UTF-8: shortest form, no surrogates, no control characters but, if lines, \n and \t. */
bool wire_text_ok(const char *text, size_t size, bool lines);

/* Length of the longest start of text with at most max bytes that does not cut a character. */
size_t wire_text_fit(const char *text, size_t max);

/* What is no clean UTF-8, such as half a character at a cut, becomes blanks; \n and \t stay. */
void wire_text_mend(char *text);
/* The same, and line breaks and tabs become blanks, too. */
void wire_text_line(char *text);

#endif
