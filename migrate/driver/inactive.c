/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/inactive.h"

#include "migrate/driver/link.h"
#include "migrate/driver/process.h"

/*
 * "user" is what libvirt says of one that a live migration brought, and of every pause by command;
 * a restored guest is at "migration" until it is resumed.
 */
static bool may_have_arrived_live(virConnectPtr conn, const char *uuid)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	int state, reason;

	if (link_domain(conn, uuid, &domain) < 0 ||
	    virDomainGetState(domain, &state, &reason, 0) < 0)
		return true;
	return state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_USER;
}

bool inactive_is(virConnectPtr conn, const char *uuid)
{
	struct process_vcpus vcpus;
	pid_t pid;

	return may_have_arrived_live(conn, uuid) && process_find(uuid, &pid) == 0 &&
	       process_is_arrival(pid) && (process_vcpus_read(pid, &vcpus) < 0 || !vcpus.ran);
}
