/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chain: the backing files below a guest's disks, as they are now.
 *
 * A disk whose chain is another than when the guest ran last has been snapshotted, merged or
 * rebased by somebody, and the definition on record may name an image that is no longer the newest:
 * starting from it would destroy data. Raw images have no chain and are not even opened, whatever a
 * guest wrote into their first bytes; of qcow2 images the header is read, and only for those that
 * have a backing file qemu-img is asked.
 */
#ifndef AGENTS_CHAIN_H
#define AGENTS_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/essence.h"
#include "wire/schema.pb-c.h"

/*
 * The digest of the chains that are there now. -errno with a sentence when a disk cannot be read.
 */
int chain_read(Wire__Disk *const *disks, size_t n, uint64_t timeout_ms,
	       char ret_digest[DOMAIN_CHAIN_DIGEST_SIZE], char *ret_why, size_t why_size);

/*
 * Whether now is what is expected: what an administrator accepted, else what ran last, else what
 * the definition declares. Where nothing is known anything is fine.
 */
bool chain_is_expected(const char *now, const char *accepted, const char *last,
		       Wire__Disk *const *declared, size_t n);

/* What a qcow2 header says. */
enum chain_header { CHAIN_NONE, CHAIN_BELOW, CHAIN_NOT_QCOW2 };
enum { CHAIN_HEADER_SIZE = 104 };
enum chain_header chain_judge_header(const uint8_t *data, size_t size);

/* The files below the first one in what qemu-img says; -EBADMSG. */
int chain_parse(const char *json, size_t size, Wire__Disk *into);

#endif
