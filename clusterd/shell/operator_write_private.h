/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_OPERATOR_WRITE_PRIVATE_H
#define CLUSTERD_SHELL_OPERATOR_WRITE_PRIVATE_H

/*
 * A writing is a command of the log on its way, out of an operator's request: the keys of the
 * request are taken one by one. Only for operator_write*.c.
 *
 * Functions that return int return 0, or -EINVAL with the refusal of the writing. A key that is
 * not there leaves the value as it was.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "clusterd/shell/operator_write.h"
#include "wire/check.h"
#include "wire/json.h"
#include "wire/message.h"

enum { WHY_SIZE = 500 };

struct writing {
	const struct writing_source *source;
	const json_t *request;
	Wire__Command *command;
	struct refusal *refusal;
};

#define REFUSE(writing, ...) (refuse((writing)->refusal, __VA_ARGS__), -EINVAL)

bool writing_given(const struct writing *writing, const char *key);
/* Borrowed from the request; NULL: there is none, or one with a zero byte in it. */
const char *writing_text(const struct writing *writing, const char *key);
int writing_need_text(struct writing *writing, const char *key, const char **ret);
int writing_take_bool(struct writing *writing, const char *key, bool *value);
int writing_take_number(struct writing *writing, const char *key, uint32_t *value);
/* "0x" and 16 hex digits, or a number; what the reader writes may come back. */
int writing_take_id(struct writing *writing, const char *key, uint64_t *value);
int writing_take_word(struct writing *writing, const char *key,
		      const ProtobufCEnumDescriptor *type, int *value);
/* A list of node names as node ids, which the caller frees. */
int writing_take_nodes(struct writing *writing, const char *key, size_t *n, uint32_t **nodes);
int writing_find_node(struct writing *writing, const char *name, uint32_t *ret);
/* No other keys than these, and those that every request has. Ends with NULL. */
int writing_only_keys(struct writing *writing, const char *const *keys);

/* What makes the command of a request; each is one verb. */
int writing_vm_add(struct writing *writing);
int writing_vm_edit(struct writing *writing);
int writing_fence_add(struct writing *writing);

#endif
