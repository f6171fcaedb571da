/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that start, end, stop and let run a domain. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agents/chain.h"
#include "agents/vm.h"
#include "base/mem.h"
#include "migrate/driver/disk_fault.h"
#include "migrate/driver/power.h"
#include "migrate/driver/process.h"
#include "wire/check.h"

enum {
	CHAIN_MS = 10000,  /* for qemu-img */
	KILL_MS = 10000,   /* for a killed process to be gone */
	RESERVE_MS = 5000, /* of a stop's deadline, for the hard end */
	TIDY_MS = 1000,    /* for libvirt to notice a kill */
	PRESS_MS = 10000,  /* a guest that boots does not hear the first time */
};

static void finish(struct request *request, struct link *link, const struct outcome *outcome)
{
	request_finish(request, link, request_code(outcome->code), outcome->text, NULL);
}

static void set_ending(struct request *request, bool ending)
{
	pthread_mutex_lock(&request->agent->lock);
	request->guest->ending = ending;
	pthread_mutex_unlock(&request->agent->lock);
}

static uint64_t time_left(const struct request *request)
{
	uint64_t now_ms = process_now_ms();

	return request->job.due_ms > now_ms ? request->job.due_ms - now_ms : 0;
}

/* ---------------------------------------------------------------- start */

/* False: answered, it may not start. */
static bool check_chain(struct request *request, struct link *link,
			char chain[DOMAIN_CHAIN_DIGEST_SIZE])
{
	const Wire__DomStart *start = request->body->start;
	char why[WIRE_TEXT_MAX + 1];

	if (chain_read(start->disks, start->n_disks, CHAIN_MS, chain, why, sizeof(why)) < 0) {
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__FAILED, why, NULL);
		return false;
	}
	if (chain_is_expected(chain, start->chain_accepted, start->last_chain, start->disks,
			      start->n_disks))
		return true;
	request_finish(request, link, WIRE__AGENT_REPLY__CODE__CHAIN_CHANGED,
		       "the disks' backing files are not those of its last run; starting it might "
		       "destroy newer data",
		       chain);
	return false;
}

/* False: answered. By another uuid another guest would be started, which may run elsewhere. */
static bool check_guest(struct request *request, struct link *link, const struct buf *xml)
{
	struct domain_mark mark;

	if (domain_metadata(buf_str(xml), xml->len, &mark) == 0 &&
	    strcasecmp(mark.uuid, request->guest->uuid) == 0)
		return true;
	request_finish(request, link, WIRE__AGENT_REPLY__CODE__REFUSED,
		       "its definition is that of another guest: the uuid in it is not its own",
		       NULL);
	return false;
}

void vm_do_start(struct request *request, struct link *link)
{
	const Wire__DomainRef *ref = request->body->domain;
	const Wire__DomStart *start = request->body->start;
	_cleanup_(buf_free) struct buf xml = { 0 };
	char chain[DOMAIN_CHAIN_DIGEST_SIZE] = "", why[VM_WHY_SIZE], text[WIRE_TEXT_MAX + 1];
	struct outcome outcome;
	virConnectPtr conn;

	if (!check_chain(request, link, chain))
		return;
	if (domain_for_start(start->xml, strlen(start->xml), ref->vm, ref->generation, ref->name,
			     &xml) < 0) {
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__REFUSED,
			       "its definition cannot be read", NULL);
		return;
	}
	if (!check_guest(request, link, &xml))
		return;
	if (agent_connect(request->agent, link, &conn, why) < 0) {
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__FAILED, why, NULL);
		return;
	}
	if (guest_making(request->agent, request->guest) < 0) {
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__FAILED,
			       "libvirt does not say how it is", NULL);
		return;
	}
	/* Given up while its disks were looked at: nobody expects it any more. */
	if (atomic_load(&request->answered))
		outcome_set(&outcome, OUTCOME_TIMEOUT, "%s", "");
	else
		power_on(conn, request->guest->uuid, buf_str(&xml), ref->vm, ref->generation,
			 &outcome);
	guest_made(request->agent, request->guest);
	disk_fault_explain(start->disks, start->n_disks, "this node", outcome.text, text,
			   sizeof(text));
	request_finish(request, link, request_code(outcome.code), text, chain);
	guest_queue_look(request->agent, request->guest, (struct guest_look){ .live = true });
}

/* ---------------------------------------------------------------- stop */

/* What is there is known before its end is ordered, else the order would count for its next life.
 */
static void look_first(struct request *request, struct link *link)
{
	if (guest_lock(request->guest, 1000) < 0)
		return;
	guest_look_locked(request->agent, request->guest, link);
	guest_tell_locked(request->agent, request->guest, false);
	guest_unlock(request->guest);
}

/* True: it shut down by itself. */
static bool wait_for_guest(struct request *request, struct link *link, uint64_t until_ms,
			   struct outcome *ret)
{
	char why[VM_WHY_SIZE];
	virConnectPtr conn;

	for (;;) {
		uint64_t now_ms = process_now_ms(), next_ms = now_ms + PRESS_MS;

		if (now_ms >= until_ms)
			return false;
		if (agent_connect(request->agent, link, &conn, why) == 0) {
			power_button(conn, request->guest->uuid, ret);
			if (ret->code == OUTCOME_ABSENT)
				return true;
			if (ret->code == OUTCOME_REFUSED)
				return false;
		}
		if (guest_wait_absent(request->agent, request->guest,
				      next_ms < until_ms ? next_ms : until_ms))
			return true;
	}
}

static void end_now(struct request *request, struct link *link, enum power_off how,
		    struct outcome *ret)
{
	virConnectPtr conn = NULL;
	char why[VM_WHY_SIZE];

	if (agent_connect(request->agent, link, &conn, why) < 0)
		conn = NULL;
	power_off(conn, request->guest->uuid, how, KILL_MS, ret);
}

/* What end_now() found, with how it came to that. */
static void end_after(struct request *request, struct link *link, const char *what)
{
	struct outcome outcome;
	_cleanup_(freep) char *text = NULL;

	end_now(request, link, POWER_OFF_ORDERLY, &outcome);
	text = mem_printf("%s%s%s", what, outcome.text[0] ? "; " : "", outcome.text);
	request_finish(request, link, request_code(outcome.code), text, NULL);
}

void vm_do_stop(struct request *request, struct link *link)
{
	const Wire__DomStop *stop = request->body->stop;
	uint64_t begun_ms = process_now_ms(), left_ms = time_left(request);
	uint64_t grace_ms = stop->grace_ms;
	struct outcome outcome = { .code = OUTCOME_OK };
	char text[700];

	look_first(request, link);
	set_ending(request, true);
	if (stop->force || grace_ms == 0) {
		end_after(request, link, "powered off");
		return;
	}
	if (grace_ms + RESERVE_MS > left_ms)
		grace_ms = left_ms > RESERVE_MS ? left_ms - RESERVE_MS : 0;
	if (wait_for_guest(request, link, begun_ms + grace_ms, &outcome)) {
		snprintf(text, sizeof(text), "shut down in %llu ms",
			 (unsigned long long)(process_now_ms() - begun_ms));
		end_after(request, link, text);
	} else if (outcome.code == OUTCOME_REFUSED) {
		snprintf(text, sizeof(text), "powered off: %s", outcome.text);
		end_after(request, link, text);
	} else {
		snprintf(text, sizeof(text), "did not shut down within %llu ms; powered off",
			 (unsigned long long)grace_ms);
		end_after(request, link, text);
	}
}

/*
 * The process before anything else, and the answer as soon as that is gone: libvirt may hang. It
 * tidies up by itself when it sees the monitor's end, within some milliseconds; asked to, it sleeps
 * 200.
 */
void vm_do_kill(struct request *request, struct link *link)
{
	struct outcome outcome;
	bool tidy;

	set_ending(request, true);
	power_off(NULL, request->guest->uuid, POWER_OFF_AT_ONCE, KILL_MS, &outcome);
	if (outcome.code != OUTCOME_OK) {
		finish(request, link, &outcome);
		return;
	}
	guest_queue_look(request->agent, request->guest, (struct guest_look){ 0 });
	tidy = guest_wait_absent(request->agent, request->guest, process_now_ms() + TIDY_MS);
	request_finish_told(request, WIRE__AGENT_REPLY__CODE__OK, "",
			    tidy ? NULL : "its process is gone, but libvirt has not noticed yet");
	if (!tidy) {
		end_now(request, link, POWER_OFF_AT_ONCE, &outcome);
		guest_queue_look(request->agent, request->guest, (struct guest_look){ 0 });
	}
}

/* ---------------------------------------------------------------- the rest */

static void do_simply(struct request *request, struct link *link,
		      void (*power)(virConnectPtr conn, const char *uuid, struct outcome *ret))
{
	struct outcome outcome;
	char why[VM_WHY_SIZE];
	virConnectPtr conn;

	if (agent_connect(request->agent, link, &conn, why) < 0)
		outcome_set(&outcome, OUTCOME_FAILED, "%s", why);
	else
		power(conn, request->guest->uuid, &outcome);
	finish(request, link, &outcome);
}

void vm_do_pause(struct request *request, struct link *link)
{
	do_simply(request, link, power_pause);
}

void vm_do_resume(struct request *request, struct link *link)
{
	do_simply(request, link, power_resume);
}

void vm_do_action(struct request *request, struct link *link)
{
	switch (request->body->action->action) {
	case WIRE__VM__ACTION__RESET:
		do_simply(request, link, power_reset);
		break;
	case WIRE__VM__ACTION__REBOOT:
		do_simply(request, link, power_reboot);
		break;
	default:
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__REFUSED,
			       "the agent does not know this action", NULL);
	}
}

void vm_do_xml(struct request *request, struct link *link)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;
	_cleanup_(freep) char *xml = NULL;
	char why[VM_WHY_SIZE];
	virConnectPtr conn;
	int r = agent_connect(request->agent, link, &conn, why);

	if (r == 0)
		r = link_domain(conn, request->guest->uuid, &domain);
	if (r == 0)
		xml = virDomainGetXMLDesc(domain, 0);
	if (!xml) {
		request_finish(request, link,
			       r == -ENOENT ? WIRE__AGENT_REPLY__CODE__ABSENT
					    : WIRE__AGENT_REPLY__CODE__FAILED,
			       r == -ENOTCONN ? why : link_error(), NULL);
		return;
	}
	if (strlen(xml) > WIRE_XML_MAX || !wire_text_ok(xml, strlen(xml), true)) {
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__FAILED,
			       "its live definition is larger than 48 KiB, more than clusterd can "
			       "tell: see it with virsh dumpxml on the node where it runs", NULL);
		return;
	}
	reply.xml = xml;
	request_answer(request, &reply);
}
