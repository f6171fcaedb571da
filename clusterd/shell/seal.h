/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_SEAL_H
#define CLUSTERD_SHELL_SEAL_H

/*
 * A seal is the cluster's key for secrets: what it seals (AES-256-GCM) can be kept and
 * sent by everybody, and opened only by a node that has the key file, only under the name
 * it was sealed for.
 *
 * Sealed: version byte 1, nonce 12 bytes, ciphertext, tag 16 bytes. The name goes in as
 * associated data. Nonces are random; a cluster seals far fewer than the 2^32 messages
 * for which that is good (NIST SP 800-38D, 8.3).
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"

struct seal;

enum { SEAL_KEY_SIZE = 32, SEAL_OVERHEAD = 1 + 12 + 16, SEAL_CLEAR_MAX = 4000 };

/*
 * Reads the key: a file of exactly 32 bytes, owned by root (or by who runs this), mode
 * 0400 or 0600. A sentence in ret_why when it is not: -ENOENT there is none, -EPERM
 * owner or mode, -EINVAL size.
 */
int seal_load(const char *path, struct seal **ret, char *ret_why, size_t size);
void seal_free(struct seal *seal);
DEFINE_CLEANUP(struct seal *, seal_free);

/* Makes a key file, mode 0400. -EEXIST: there is something already, which stays. */
int seal_make_key(const char *path);

/* Appends to out. -EMSGSIZE: clear is longer than SEAL_CLEAR_MAX. */
int seal_close(const struct seal *seal, const char *name, const void *clear, size_t clear_size,
	       struct buf *out);

/*
 * ret_clear is allocated, ret_size bytes; wipe it with seal_wipe(). -EBADMSG: damaged, sealed
 * with another key or for another name.
 */
int seal_open(const struct seal *seal, const char *name, const void *sealed, size_t sealed_size,
	      uint8_t **ret_clear, size_t *ret_size);

/* Overwrites and frees. NULL is fine. */
void seal_wipe(uint8_t *clear, size_t size);

#endif
