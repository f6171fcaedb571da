/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests: from the daemon's frame to the one answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/vm.h"
#include "base/mem.h"
#include "migrate/driver/process.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	DEADLINE_DEFAULT_MS = 60000,
	ORDER_MS = 3000, /* for another look to end, before answering without news */
};

/* ---------------------------------------------------------------- answers */

Wire__AgentReply__Code request_code(enum outcome_code code)
{
	static const Wire__AgentReply__Code codes[] = {
		[OUTCOME_OK] = WIRE__AGENT_REPLY__CODE__OK,
		[OUTCOME_FAILED] = WIRE__AGENT_REPLY__CODE__FAILED,
		[OUTCOME_ABSENT] = WIRE__AGENT_REPLY__CODE__ABSENT,
		[OUTCOME_TIMEOUT] = WIRE__AGENT_REPLY__CODE__TIMEOUT,
		[OUTCOME_REFUSED] = WIRE__AGENT_REPLY__CODE__REFUSED,
		[OUTCOME_CANCELLED] = WIRE__AGENT_REPLY__CODE__CANCELLED,
		[OUTCOME_RAN_ON] = WIRE__AGENT_REPLY__CODE__RAN_ON,
	};

	return codes[code];
}

bool request_answer(struct request *request, Wire__AgentReply *reply)
{
	int r;

	if (atomic_exchange(&request->answered, true))
		return false;
	r = channel_send(request->agent->channel, FRAME_AGENT_REPLY, request->id, &reply->base);
	if (r == -EMSGSIZE || r == -EBADMSG) {
		/* Something in it is larger than may be; the answer itself counts. */
		Wire__AgentReply bare = WIRE__AGENT_REPLY__INIT;

		bare.code = reply->code;
		r = channel_send(request->agent->channel, FRAME_AGENT_REPLY, request->id,
				 &bare.base);
	}
	agent_sent(request->agent, r);
	return true;
}

static void answer_plainly(struct request *request, Wire__AgentReply__Code code, const char *text)
{
	_cleanup_(wire_freep) Wire__AgentReply *reply = wire_new(&wire__agent_reply__descriptor);

	reply->code = code;
	vm_set_text(&reply->text, text);
	request_answer(request, reply);
}

/* Also when the answer comes too late: then what is true is told all the same. */
static void answer_with_news(struct request *request, Wire__AgentReply *reply)
{
	if (atomic_load(&request->answered)) {
		guest_tell_locked(request->agent, request->guest, false);
		return;
	}
	reply->domain = guest_news_locked(request->agent, request->guest);
	if (!request_answer(request, reply))
		guest_tell_locked(request->agent, request->guest, true);
}

void request_finish(struct request *request, struct link *link, Wire__AgentReply__Code code,
		    const char *text, const char *chain)
{
	_cleanup_(wire_freep) Wire__AgentReply *reply = wire_new(&wire__agent_reply__descriptor);
	struct guest *guest = request->guest;

	reply->code = code;
	vm_set_text(&reply->text, text);
	if (chain)
		wire_set(&reply->chain, chain);
	if (!guest || guest_lock(guest, ORDER_MS) < 0) {
		request_answer(request, reply);
		return;
	}
	guest_look_locked(request->agent, guest, link);
	answer_with_news(request, reply);
	guest_unlock(guest);
}

void request_finish_told(struct request *request, Wire__AgentReply__Code code, const char *text,
			 const char *doubt)
{
	_cleanup_(wire_freep) Wire__AgentReply *reply = wire_new(&wire__agent_reply__descriptor);

	reply->code = code;
	vm_set_text(&reply->text, text);
	if (guest_lock(request->guest, 0) < 0) {
		request_answer(request, reply);
		return;
	}
	if (doubt)
		guest_doubt_locked(request->guest, doubt);
	answer_with_news(request, reply);
	guest_unlock(request->guest);
}

/* ---------------------------------------------------------------- the table */

static const struct handler {
	Wire__AgentRequest__BodyCase body;
	enum pool_lane lane;
	bool about_domain;
	bool without_libvirt; /* has something to do even if libvirt does not answer */
	void (*run)(struct request *request, struct link *link);
} handlers[] = {
	{ WIRE__AGENT_REQUEST__BODY_START, POOL_START, true, false, vm_do_start },
	{ WIRE__AGENT_REQUEST__BODY_STOP, POOL_LONG, true, true, vm_do_stop },
	{ WIRE__AGENT_REQUEST__BODY_KILL, POOL_SHORT, true, true, vm_do_kill },
	{ WIRE__AGENT_REQUEST__BODY_PAUSE, POOL_SHORT, true, false, vm_do_pause },
	{ WIRE__AGENT_REQUEST__BODY_RESUME, POOL_SHORT, true, false, vm_do_resume },
	{ WIRE__AGENT_REQUEST__BODY_ACTION, POOL_SHORT, true, false, vm_do_action },
	{ WIRE__AGENT_REQUEST__BODY_MIGRATE, POOL_LONG, true, false, vm_do_migrate },
	{ WIRE__AGENT_REQUEST__BODY_CANCEL, POOL_SHORT, true, false, vm_do_cancel },
	{ WIRE__AGENT_REQUEST__BODY_HAND_OVER, POOL_SHORT, true, false, vm_do_hand_over },
	{ WIRE__AGENT_REQUEST__BODY_SAVE, POOL_LONG, true, false, vm_do_save },
	{ WIRE__AGENT_REQUEST__BODY_RESTORE, POOL_LONG, true, false, vm_do_restore },
	{ WIRE__AGENT_REQUEST__BODY_DROP_IMAGE, POOL_LONG, false, true, vm_do_drop_image },
	{ WIRE__AGENT_REQUEST__BODY_WATCH, POOL_SHORT, false, true, vm_do_watch },
	{ WIRE__AGENT_REQUEST__BODY_XML, POOL_SHORT, true, false, vm_do_xml },
};

static const struct handler *find_handler(const Wire__AgentRequest *body)
{
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (handlers[i].body == body->body_case)
			return &handlers[i];
	}
	return NULL;
}

/* ---------------------------------------------------------------- life of a request */

static void run_request(struct job *job, struct link *link)
{
	struct request *request = (struct request *)job;
	const struct handler *handler = find_handler(request->body);
	char why[VM_WHY_SIZE];
	virConnectPtr conn;

	if (!handler->without_libvirt && agent_connect(request->agent, link, &conn, why) < 0)
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__FAILED, why, NULL);
	else if (atomic_load(&request->answered))
		/* Given up while libvirt was waited for: a save that begins now, nobody expects. */
		request_finish(request, link, WIRE__AGENT_REPLY__CODE__TIMEOUT, "", NULL);
	else
		handler->run(request, link);
}

static void request_is_late(struct job *job)
{
	answer_plainly((struct request *)job, WIRE__AGENT_REPLY__CODE__TIMEOUT,
		       "no result by its deadline; what became of it will be told as news");
}

static void free_request(struct job *job)
{
	struct request *request = (struct request *)job;

	wire_free(request->body);
	free(request);
}

static const char *prepare(struct request *request, const struct handler *handler)
{
	const Wire__DomainRef *ref = request->body->domain;

	if (!handler)
		return "the agent does not know this request";
	if (!handler->about_domain)
		return NULL;
	if (!ref)
		return "the request names no domain";
	request->guest = guest_of(request->agent, ref);
	return request->guest ? NULL : "the domain's uuid is none";
}

void vm_request(struct agent *agent, uint64_t id, Wire__AgentRequest *body)
{
	struct request *request = mem_new(struct request);
	const struct handler *handler = find_handler(body);
	uint32_t deadline_ms = body->deadline_ms ? body->deadline_ms : DEADLINE_DEFAULT_MS;
	const char *wrong;
	int r;

	*request = (struct request){
		.job = { .due_ms = process_now_ms() + deadline_ms,
			 .run = run_request,
			 .late = request_is_late,
			 .free = free_request },
		.agent = agent,
		.id = id,
		.body = body,
	};
	wrong = prepare(request, handler);
	if (wrong) {
		answer_plainly(request, WIRE__AGENT_REPLY__CODE__REFUSED, wrong);
		free_request(&request->job);
		return;
	}
	r = handler->without_libvirt ? pool_submit_anyway(agent->pool, handler->lane, &request->job)
				     : pool_submit(agent->pool, handler->lane, &request->job);
	if (r < 0) {
		answer_plainly(request, WIRE__AGENT_REPLY__CODE__FAILED,
			       "libvirt hung: too many calls have not come back");
		free_request(&request->job);
	}
}
