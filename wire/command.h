/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WIRE_COMMAND_H
#define WIRE_COMMAND_H

/*
 * A command is an entry of the log: who wants what changed. It is packed once by its
 * proposer and stays these bytes on every member.
 */

#include "wire/message.h"
#include "wire/schema.pb-c.h"

/* The name of its body in the schema ("vm_add"), or "nothing" if there is none that is known. */
const char *wire_command_name(const Wire__Command *command);

/*
 * Appends to out. -EMSGSIZE: larger than WIRE_COMMAND_MAX or a field beyond its limit;
 * -EBADMSG: text that is not clean. ret_field, if not NULL, is the field at fault, or NULL
 * when the command as a whole is too large.
 */
int wire_command_pack(const Wire__Command *command, struct buf *out, const char **ret_field);

/* The same errors. */
int wire_command_unpack(const void *data, size_t size, Wire__Command **ret);

#endif
