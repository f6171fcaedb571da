/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/power.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "domain/metadata.h"
#include "migrate/driver/link.h"
#include "migrate/driver/process.h"
#include "migrate/driver/sight.h"

/* 0 and the domain; else the outcome is set. */
static int find(virConnectPtr conn, const char *uuid, virDomainPtr *ret_domain,
		struct outcome *outcome)
{
	int r = link_domain(conn, uuid, ret_domain);

	if (r == -ENOENT)
		outcome_set(outcome, OUTCOME_ABSENT, "libvirt knows no such domain");
	else if (r < 0)
		outcome_set(outcome, OUTCOME_FAILED, "%s", link_error());
	return r;
}

/* What the call said, as an outcome. */
static void report(int r, struct outcome *outcome)
{
	if (r == 0)
		outcome_set(outcome, OUTCOME_OK, "%s", "");
	else if (link_error_code() == VIR_ERR_NO_DOMAIN)
		outcome_set(outcome, OUTCOME_ABSENT, "libvirt knows no such domain");
	else
		outcome_set(outcome, OUTCOME_FAILED, "%s", link_error());
}

/* Whether the domain was started under this right, here or elsewhere. -EIO: cannot be told. */
static int has_mark(virDomainPtr domain, uint64_t vm, uint64_t generation)
{
	_cleanup_(freep) char *xml = virDomainGetXMLDesc(domain, 0);
	struct domain_mark mark;

	if (!xml)
		return -EIO;
	return domain_metadata(xml, strlen(xml), &mark) == 0 && mark.vm == vm &&
	       mark.generation == generation;
}

/* Whether no try on this node would go better. */
static bool is_unfit(int error_code)
{
	return error_code == VIR_ERR_XML_ERROR || error_code == VIR_ERR_XML_DETAIL ||
	       error_code == VIR_ERR_XML_INVALID_SCHEMA ||
	       error_code == VIR_ERR_CONFIG_UNSUPPORTED || error_code == VIR_ERR_CPU_INCOMPATIBLE;
}

/* It was not started. Because it is there already: is that what we were asked for? */
static void judge_present(virConnectPtr conn, const char *uuid, uint64_t vm, uint64_t generation,
			  struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	int r;

	outcome_set(ret, is_unfit(link_error_code()) ? OUTCOME_REFUSED : OUTCOME_FAILED, "%s",
		    link_error());
	if (link_domain(conn, uuid, &domain) < 0 || virDomainIsActive(domain) != 1)
		return;
	r = has_mark(domain, vm, generation);
	if (r < 0)
		outcome_set(ret, OUTCOME_FAILED,
			    "it is there already, but what it is cannot be told: %s", link_error());
	else if (r > 0)
		outcome_set(ret, OUTCOME_OK, "it was running already");
	else
		outcome_set(
			ret, OUTCOME_FAILED,
			"a domain with this uuid runs here already that was not started by this "
			"order; it was left alone");
}

void power_on(virConnectPtr conn, const char *uuid, const char *xml, uint64_t vm,
	      uint64_t generation, struct outcome *ret)
{
	virDomainPtr domain = virDomainCreateXML(conn, xml, 0);

	if (domain) {
		virDomainFree(domain);
		outcome_set(ret, OUTCOME_OK, "%s", "");
	} else {
		judge_present(conn, uuid, vm, generation, ret);
	}
}

void power_button(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	int state, reason;

	if (find(conn, uuid, &domain, ret) < 0)
		return;
	if (virDomainGetState(domain, &state, &reason, 0) < 0) {
		report(-1, ret);
	} else if (state == VIR_DOMAIN_PAUSED || state == VIR_DOMAIN_CRASHED) {
		outcome_set(ret, OUTCOME_REFUSED,
			    "it is paused (%s) and cannot hear the power button",
			    sight_pause_reason(reason));
	} else {
		/* No flags: by the guest agent if it answers, else by ACPI. */
		report(virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_DEFAULT), ret);
		/* It may be off by itself in the meantime. */
		if (ret->code == OUTCOME_FAILED && virDomainIsActive(domain) == 0)
			ret->code = OUTCOME_ABSENT;
	}
}

/* 0: libvirt has ended it or never had it. */
static int destroy(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	int r = link_domain(conn, uuid, &domain);

	if (r == -ENOENT)
		return 0;
	if (r == 0 && virDomainDestroy(domain) == 0)
		return 0;
	if (r == 0 && (link_error_code() == VIR_ERR_NO_DOMAIN ||
		       link_error_code() == VIR_ERR_OPERATION_INVALID))
		return 0;
	outcome_set(ret, OUTCOME_FAILED, "%s", link_error());
	return -EIO;
}

/* The kernel's way. 0: no process is left. */
static int end_process(const char *uuid, uint64_t timeout_ms, const char *why, struct outcome *ret)
{
	int r = process_kill(uuid, timeout_ms);

	if (r == 0)
		outcome_set(ret, OUTCOME_OK, "%s", why);
	else if (r == -ETIMEDOUT)
		outcome_set(ret, OUTCOME_TIMEOUT,
			    "its QEMU process was killed but is still there, probably waiting for "
			    "storage");
	else
		outcome_set(ret, OUTCOME_FAILED, "its QEMU process cannot be killed: %s (%.300s)",
			    strerror(-r), why);
	return r;
}

void power_off(virConnectPtr conn, const char *uuid, enum power_off how, uint64_t timeout_ms,
	       struct outcome *ret)
{
	struct outcome why = { .text = "libvirtd does not answer; killed by its process id" };
	pid_t pid;

	if (how == POWER_OFF_AT_ONCE && end_process(uuid, timeout_ms, "", ret) < 0)
		return;
	if (conn && destroy(conn, uuid, &why) == 0 && process_find(uuid, &pid) == -ESRCH)
		outcome_set(ret, OUTCOME_OK, "%s", "");
	else
		end_process(uuid, timeout_ms, why.text, ret);
}

void power_pause(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	int state, reason;

	if (find(conn, uuid, &domain, ret) < 0)
		return;
	if (virDomainGetState(domain, &state, &reason, 0) == 0 && state == VIR_DOMAIN_PAUSED)
		outcome_set(ret, OUTCOME_OK, "it was paused already (%s)",
			    sight_pause_reason(reason));
	else
		report(virDomainSuspend(domain), ret);
}

void power_resume(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	_cleanup_(freep) char *error = NULL;
	int state = VIR_DOMAIN_NOSTATE, reason = 0;

	if (find(conn, uuid, &domain, ret) < 0)
		return;
	/* Resuming one that runs is no error to libvirt; success alone proves no life. */
	if (virDomainResume(domain) < 0)
		error = strdup(link_error());
	if (virDomainGetState(domain, &state, &reason, 0) < 0)
		report(-1, ret);
	else if (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED)
		outcome_set(ret, OUTCOME_OK, "%s", "");
	else if (state == VIR_DOMAIN_SHUTOFF)
		outcome_set(ret, OUTCOME_ABSENT, "%s",
			    error ? error : "it ended when it was resumed");
	else
		outcome_set(ret, OUTCOME_FAILED, "%s",
			    error ? error : "libvirt resumed it, but it does not run");
}

void power_reset(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;

	if (find(conn, uuid, &domain, ret) == 0)
		report(virDomainReset(domain, 0), ret);
}

void power_reboot(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;

	if (find(conn, uuid, &domain, ret) == 0)
		report(virDomainReboot(domain, VIR_DOMAIN_REBOOT_DEFAULT), ret);
}
