/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link: one thread's connection to libvirtd, opened when it is first needed and anew when it broke.
 *
 * A thread has its own because libvirtd takes only max_client_requests (5) calls at a time from one
 * connection and reads nothing more from it until one returns, its keepalives neither: five moves
 * on one connection would cut it. Keepalives (1 s, 3 times) end calls to a libvirtd that hangs;
 * they need libvirt's event loop to run in some thread (link_loop_start()).
 */
#ifndef MIGRATE_DRIVER_LINK_H
#define MIGRATE_DRIVER_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include <libvirt/libvirt.h>

#include "base/cleanup.h"

struct link {
	const char *uri; /* borrowed */
	virConnectPtr conn;
};

/* Starts libvirt's event loop in a thread of its own; once, before the first connection. */
int link_loop_start(void);

/* The connection; -ENOTCONN with link_error(). May block for as long as libvirtd hangs. */
int link_get(struct link *link, virConnectPtr *ret_conn);
void link_close(struct link *link);

/* What libvirt said about the last call of this thread that failed; good until the next call. */
const char *link_error(void);
/*
 * Of a message of libvirt's what is worth telling: not the environment of a hook that refused, nor
 * the times in QEMU's sentences, which make each of them look like a new one.
 */
void link_sentence(const char *message, bool of_hook, char *ret, size_t size);
/* Its code, VIR_ERR_... */
int link_error_code(void);
/* Whether that means that libvirtd itself does not answer, not that it refused. */
bool link_error_is_loss(void);

static inline void link_domain_freep(virDomainPtr *domain)
{
	if (*domain)
		virDomainFree(*domain);
}

/* 0; -ENOENT: libvirt knows no such domain; -EIO: it cannot be told, see link_error(). */
int link_domain(virConnectPtr conn, const char *uuid, virDomainPtr *ret_domain);

#endif
