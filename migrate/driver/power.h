/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power: the buttons of a guest: on, off, pause, resume, reset.
 *
 * Domains are transient and nothing of them stays behind. Each call finds out what is there and
 * does what is missing, so that repeating one is harmless.
 */
#ifndef MIGRATE_DRIVER_POWER_H
#define MIGRATE_DRIVER_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include <libvirt/libvirt.h>

#include "migrate/driver/outcome.h"

/*
 * Starts what xml defines. A guest that this very right has started already is OK; any other one,
 * also of this VM, is left alone and FAILED, for it must not be taken for what was asked for.
 */
void power_on(virConnectPtr conn, const char *uuid, const char *xml, uint64_t vm,
	      uint64_t generation, struct outcome *ret);

/* Presses the power button; returns at once. ABSENT: not there; REFUSED: it cannot hear it. */
void power_button(virConnectPtr conn, const char *uuid, struct outcome *ret);

/*
 * Ends the guest and makes sure that no process is left: through libvirt, which lets QEMU write out
 * what it has in hand, or at once by the kernel (5 ms instead of 200), libvirt then tidying up.
 * conn may be NULL when libvirt does not answer.
 */
enum power_off { POWER_OFF_ORDERLY, POWER_OFF_AT_ONCE };
void power_off(virConnectPtr conn, const char *uuid, enum power_off how, uint64_t timeout_ms,
	       struct outcome *ret);

void power_pause(virConnectPtr conn, const char *uuid, struct outcome *ret);
/* OK: libvirt says that it runs now. */
void power_resume(virConnectPtr conn, const char *uuid, struct outcome *ret);
void power_reset(virConnectPtr conn, const char *uuid, struct outcome *ret);
void power_reboot(virConnectPtr conn, const char *uuid, struct outcome *ret);

#endif
