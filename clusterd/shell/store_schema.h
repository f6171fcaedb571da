/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_STORE_SCHEMA_H
#define CLUSTERD_SHELL_STORE_SCHEMA_H

/*
 * A schema is what tables a store has, and the way there from each older one. The daemon's is
 * store_schema, compiled from sql/; tests bring others.
 */

#include <stddef.h>
#include <stdint.h>

#include "clusterd/shell/store.h"

struct store_schema {
	unsigned version;		/* 1 to 255; user_version of the file */
	const char *create;		/* SQL: an empty store of that version */
	const char *const *migrations;	/* version - 1; [i]: SQL, from version i + 1 to i + 2 */
};

extern const struct store_schema store_schema;

/* store_open with another schema than the daemon's. */
int store_open_schema(const char *dir, const struct store_schema *schema, struct store **ret,
		      char *ret_why, size_t size);

/*
 * Makes the tables, or brings them to this version: all steps and the new checksums are one
 * transaction. Looks at the structure of the file (quick_check) before. -EBADMSG, -EPROTO,
 * -ENOTSUP as store_open, with what was found in ret_found.
 */
int store_schema_bring(struct store *store, const struct store_schema *schema, char *ret_found,
		       size_t size);

/* What stands as application_id beside that user_version. */
uint64_t store_schema_mark(uint64_t version);

#endif
