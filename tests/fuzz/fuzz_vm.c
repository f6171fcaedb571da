/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What the daemon asks its vm agent, from the frame to the answer, while libvirt, its events and
// the time do what they like. An input is a script (fuzz.h) of requests and of what happens
// between them; what libvirt says comes from the rest of it, byte by byte.
//
// What calls libvirt and looks at processes (migrate/driver, chain.c), the threads and the node's
// facts (pool.c, vm_facts.c) are in this file instead: what was to be done there is written down,
// and judged by what was asked.
//
// Covers: agents/vm_request.c agents/vm_power.c agents/vm_move.c agents/vm_guest.c
// agents/vm_look.c agents/vm_watch.c agents/vm.c agents/channel.c
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agents/chain.h"
#include "agents/vm.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "domain/metadata.h"
#include "migrate/driver/handover.h"
#include "migrate/driver/image.h"
#include "migrate/driver/inactive.h"
#include "migrate/driver/move.h"
#include "migrate/driver/power.h"
#include "wire/check.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 1500;

enum {
	STEPS_MAX = 24, ASKED_MAX = 24, DOMAINS = 3, JOBS_MAX = 4000, SEEN_MAX = 64,
	DEADLINE_MAX_MS = 100000, FRAMES_MAX = 20000,
};

static const char *const uuids[DOMAINS] = {
	"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000a",
	"00000000-0000-4000-8000-0000000000ff",
};

struct asked {
	uint64_t id;
	Wire__AgentRequest *body;	/* as it was sent */
	bool sound;			/* a request that may be carried out */
	bool chain_ok, started;
	unsigned int replies;
};

static struct {
	struct fuzz_in script;
	uint64_t now_ms;
	struct agent *agent;
	int daemon;			/* the daemon's end of the channel */
	struct job *first, **last;
	unsigned int stuck, jobs;
	struct asked asked[ASKED_MAX];
	unsigned int asked_n;
	struct {
		char uuid[DOMAIN_UUID_SIZE];
		bool gone, was_gone;	/* there is, or was, proof that it does not run */
	} seen[SEEN_MAX];
	unsigned int seen_n;
	const char *made;	/* the guest of a start or a restore that has not come back */
} stage;

/* ---------------------------------------------------------------- what may be done */

static const Wire__DomainRef *ref_of(const struct asked *asked)
{
	return asked->body->domain;
}

/* The last request of that kind about that guest; nothing may be done but what was asked. */
static struct asked *asked_for(Wire__AgentRequest__BodyCase kind, const char *uuid)
{
	for (unsigned int i = stage.asked_n; i-- > 0;) {
		struct asked *asked = &stage.asked[i];

		if (asked->sound && asked->body->body_case == kind &&
		    (!uuid || strcasecmp(ref_of(asked)->uuid, uuid) == 0))
			return asked;
	}
	return NULL;
}

static struct asked *must_be_asked(Wire__AgentRequest__BodyCase kind, const char *uuid)
{
	struct asked *asked = asked_for(kind, uuid);

	fuzz_must(asked, "something is done that nobody asked for");
	return asked;
}

/* What has been told since it was heard last may be of any look since then. */
static void note_gone(const char *uuid, bool gone)
{
	unsigned int i = 0;

	while (i < stage.seen_n && strcasecmp(stage.seen[i].uuid, uuid) != 0)
		i++;
	if (i == SEEN_MAX)
		return;
	stage.seen_n += i == stage.seen_n;
	snprintf(stage.seen[i].uuid, DOMAIN_UUID_SIZE, "%s", uuid);
	stage.seen[i].gone = gone;
	stage.seen[i].was_gone |= gone;
}

static bool is_gone(const char *uuid)
{
	for (unsigned int i = 0; i < stage.seen_n; i++)
		if (strcasecmp(stage.seen[i].uuid, uuid) == 0)
			return stage.seen[i].was_gone;
	return stage.seen_n == SEEN_MAX;
}

/* ---------------------------------------------------------------- instead of threads and time */

uint64_t process_now_ms(void)
{
	return stage.now_ms;
}

void process_pause_ms(long ms)
{
	stage.now_ms += (uint64_t)ms;
}

static int submit(struct job *job)
{
	job->next = NULL;
	job->is_late = false;
	*stage.last = job;
	stage.last = &job->next;
	return 0;
}

int pool_submit(struct pool *pool, enum pool_lane lane, struct job *job)
{
	return stage.stuck >= POOL_STUCK_MAX ? -EBUSY : submit(job);
}

int pool_submit_anyway(struct pool *pool, enum pool_lane lane, struct job *job)
{
	return submit(job);
}

/* One that waits, in its turn; some are given up before they begin, or while they run. */
static bool run_one(void)
{
	struct job *job = stage.first;
	struct link link = { 0 };
	bool late = job && job->due_ms && job->due_ms <= stage.now_ms;

	if (!job)
		return false;
	fuzz_must(stage.jobs++ < JOBS_MAX, "it works for ever");
	stage.first = job->next;
	if (!stage.first)
		stage.last = &stage.first;
	if (late || fuzz_below(&stage.script, 16) == 15)
		job->late(job);
	if (!late)
		job->run(job, &link);
	job->free(job);
	return true;
}

/* Whoever waits here lets others work. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
			   const struct timespec *until)
{
	struct timespec now;
	int64_t left_ms;
	bool ran;

	pthread_mutex_unlock(mutex);
	ran = run_one();
	pthread_mutex_lock(mutex);
	if (ran)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left_ms = (until->tv_sec - now.tv_sec) * 1000 + (until->tv_nsec - now.tv_nsec) / 1000000;
	stage.now_ms += left_ms > 0 ? (uint64_t)left_ms + 1 : 1;
	return ETIMEDOUT;
}

/* The agent gives up only when its daemon is gone. */
void _exit(int status)
{
	fuzz_must(!stage.agent, "the agent ends itself");
	syscall(SYS_exit_group, status);
	abort();
}

/* ---------------------------------------------------------------- instead of vm_facts.c */

void vm_facts_watch(struct agent *agent, const Wire__Watch *watch)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_WATCH, NULL);
}

/* ---------------------------------------------------------------- instead of libvirt */

struct _virDomain {
	char uuid[DOMAIN_UUID_SIZE];
	char *name;
};

static virDomainPtr make_domain(const char *uuid)
{
	virDomainPtr domain = mem_new(struct _virDomain);
	uint8_t how = fuzz_byte(&stage.script);

	snprintf(domain->uuid, sizeof(domain->uuid), "%s", uuid);
	domain->name = how & 1 ? fuzz_string(&stage.script) : mem_strdup("web1");
	return domain;
}

int virDomainFree(virDomainPtr domain)
{
	free(domain->name);
	free(domain);
	return 0;
}

const char *virDomainGetName(virDomainPtr domain)
{
	return domain->name;
}

int virDomainGetUUIDString(virDomainPtr domain, char *out)
{
	memcpy(out, domain->uuid, DOMAIN_UUID_SIZE);
	return 0;
}

char *virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
	uint8_t how = fuzz_byte(&stage.script);
	char *any = how & 1 ? fuzz_string(&stage.script) : NULL;

	if (any && *any)
		return any;
	free(any);
	if (how & 2)
		return NULL;
	return mem_printf("<domain type='kvm'><name>web1</name><uuid>%s</uuid><memory>1024</memory>"
			  "<os><type>hvm</type></os><description>%*s%d</description><metadata>"
			  "<c:vm xmlns:c='" DOMAIN_METADATA_NAMESPACE "' id='9' generation='1'/>"
			  "</metadata><devices><disk type='file'><source file='/v/a'/>"
			  "<target dev='vda'/></disk></devices></domain>", domain->uuid,
			  how & 4 ? 50000 : 1, " ", how);
}

int virConnectListAllDomains(virConnectPtr conn, virDomainPtr **ret, unsigned int flags)
{
	int n = (int)fuzz_below(&stage.script, DOMAINS + 2) - 1;

	if (n < 0)
		return -1;
	*ret = mem_new_array(virDomainPtr, (size_t)n + 1);
	for (int i = 0; i < n; i++)
		(*ret)[i] = make_domain(uuids[i]);
	return n;
}

int link_get(struct link *link, virConnectPtr *ret_conn)
{
	if (fuzz_below(&stage.script, 8) == 7)
		return -ENOTCONN;
	*ret_conn = (virConnectPtr)(void *)&stage;
	return 0;
}

/* What libvirt may say of what failed; not every byte of it is fit for others. */
const char *link_error(void)
{
	static char text[4000];
	_cleanup_(freep) char *said = NULL;

	if (fuzz_below(&stage.script, 2) == 0)
		return "internal error: it failed";
	said = fuzz_string(&stage.script);
	snprintf(text, sizeof(text), "%s", said);
	return text;
}

int link_domain(virConnectPtr conn, const char *uuid, virDomainPtr *ret)
{
	uint8_t how = fuzz_byte(&stage.script);

	if (how % 8 == 7)
		return how & 8 ? -ENOENT : -EIO;
	*ret = make_domain(uuid);
	return 0;
}

void sight_take(virConnectPtr conn, const char *why, const char *uuid,
		const struct sight_hint *hint, struct sight *ret)
{
	uint8_t how = fuzz_byte(&stage.script);

	*ret = (struct sight){ .state = how % 7, .reason = "", .libvirt_id = -1 };
	if (!conn && ret->state != SIGHT_ABSENT)
		ret->state = SIGHT_UNKNOWN;
	if (ret->state == SIGHT_UNKNOWN)
		snprintf(ret->text, sizeof(ret->text), "%.290s", conn ? link_error() : why);
	else if (ret->state != SIGHT_ABSENT)
		ret->libvirt_id = 1 + how / 64;
	if (ret->state == SIGHT_PAUSED)
		ret->reason = "user";
	note_gone(uuid, ret->state == SIGHT_ABSENT);
}

static void take_outcome(struct outcome *ret)
{
	outcome_set(ret, (enum outcome_code)fuzz_below(&stage.script, OUTCOME_RAN_ON + 1), "%s",
		    link_error());
}

bool inactive_is(virConnectPtr conn, const char *uuid)
{
	return fuzz_below(&stage.script, 4) == 3;
}

int process_find(const char *uuid, pid_t *ret_pid)
{
	uint8_t how = fuzz_below(&stage.script, 4);

	*ret_pid = 1000;
	return how == 3 ? -ESRCH : how == 2 ? -EIO : 0;
}

int process_vcpus_read(pid_t pid, struct process_vcpus *ret)
{
	return -ESRCH;
}

/* ---------------------------------------------------------------- orders, written down */

static void hear_all(void);

/* While libvirt makes a guest others work, and what they say of it must not be that it is gone. */
static void make(const char *uuid)
{
	const char *before = stage.made;

	hear_all();
	stage.made = uuid;
	for (uint32_t n = fuzz_below(&stage.script, 4); n > 0; n--)
		run_one();
	hear_all();
	stage.made = before;
}

int chain_read(Wire__Disk *const *disks, size_t n, uint64_t timeout_ms,
	       char ret_digest[DOMAIN_CHAIN_DIGEST_SIZE], char *ret_why, size_t why_size)
{
	if (fuzz_below(&stage.script, 4) == 3) {
		snprintf(ret_why, why_size, "%s", link_error());
		return -EIO;
	}
	domain_chain_digest(disks, n, ret_digest);
	return 0;
}

bool chain_is_expected(const char *now, const char *accepted, const char *last,
		       Wire__Disk *const *declared, size_t n)
{
	bool expected = fuzz_below(&stage.script, 4) != 3;

	for (unsigned int i = 0; i < stage.asked_n; i++)
		if (stage.asked[i].body->body_case == WIRE__AGENT_REQUEST__BODY_START &&
		    strcmp(stage.asked[i].body->start->last_chain, last) == 0)
			stage.asked[i].chain_ok |= expected;
	return expected;
}

void power_on(virConnectPtr conn, const char *uuid, const char *xml, uint64_t vm,
	      uint64_t generation, struct outcome *ret)
{
	struct asked *asked = must_be_asked(WIRE__AGENT_REQUEST__BODY_START, uuid);
	struct domain_mark mark;

	fuzz_must(domain_metadata(xml, strlen(xml), &mark) == 0, "started without our mark");
	fuzz_must(mark.vm == vm && mark.generation == generation, "started as another one");
	fuzz_must(strcasecmp(mark.uuid, uuid) == 0, "another guest than was asked for is started");
	fuzz_must(asked->chain_ok, "started from disks that are not those of its last run");
	make(uuid);
	take_outcome(ret);
}

void power_button(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_STOP, uuid);
	take_outcome(ret);
	if (ret->code == OUTCOME_ABSENT)
		note_gone(uuid, true);
}

void power_off(virConnectPtr conn, const char *uuid, enum power_off how, uint64_t timeout_ms,
	       struct outcome *ret)
{
	must_be_asked(how == POWER_OFF_AT_ONCE ? WIRE__AGENT_REQUEST__BODY_KILL :
						 WIRE__AGENT_REQUEST__BODY_STOP, uuid);
	take_outcome(ret);
}

static void power(Wire__AgentRequest__BodyCase kind, const char *uuid, struct outcome *ret)
{
	must_be_asked(kind, uuid);
	take_outcome(ret);
}

void power_pause(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_PAUSE, uuid, ret);
}

void power_resume(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_RESUME, uuid, ret);
}

void power_reset(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_ACTION, uuid, ret);
}

void power_reboot(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_ACTION, uuid, ret);
}

void move_abort(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_CANCEL, uuid, ret);
}

/* While it lasts, others work, and its progress is told. */
void move_run(virConnectPtr conn, const struct move *move, struct outcome *ret)
{
	struct move_progress progress = { 0 };

	must_be_asked(WIRE__AGENT_REQUEST__BODY_MIGRATE, move->uuid);
	for (uint32_t n = fuzz_below(&stage.script, 4); n > 0; n--) {
		progress.total = fuzz_number(&stage.script);
		progress.done = fuzz_number(&stage.script);
		move->progress(move->context, &progress);
		run_one();
	}
	take_outcome(ret);
	if (ret->code == OUTCOME_OK || ret->code == OUTCOME_ABSENT)
		note_gone(move->uuid, true);
}

void handover_run(virConnectPtr conn, const struct handover *handover, struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_HAND_OVER, handover->uuid);
	take_outcome(ret);
	if (ret->code == OUTCOME_OK && handover->ran_on(handover->context))
		outcome_set(ret, OUTCOME_RAN_ON, "it ran on");
	if (ret->code == OUTCOME_OK || ret->code == OUTCOME_ABSENT)
		note_gone(handover->uuid, true);
}

void image_save(virConnectPtr conn, const char *uuid, const char *path, const atomic_bool *cancel,
		struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_SAVE, uuid);
	run_one();
	take_outcome(ret);
}

void image_restore(virConnectPtr conn, const char *uuid, const char *path, struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_RESTORE, uuid);
	make(uuid);
	take_outcome(ret);
}

void image_drop(const char *path, struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_DROP_IMAGE, NULL);
	take_outcome(ret);
}

/* ---------------------------------------------------------------- what the daemon hears */

static void hear_domain(const Wire__DomainNews *news)
{
	fuzz_must(news->domain && *news->domain->uuid, "news of nobody");
	if (news->state != WIRE__DOMAIN_NEWS__STATE__ABSENT)
		return;
	fuzz_must(is_gone(news->domain->uuid), "a guest is given up without proof");
	fuzz_must(!stage.made || strcasecmp(news->domain->uuid, stage.made) != 0,
		  "a guest is given up that is being made");
}

static void hear_reply(uint64_t id, const Wire__AgentReply *reply)
{
	struct asked *asked = NULL;

	for (unsigned int i = 0; i < stage.asked_n; i++)
		if (stage.asked[i].id == id)
			asked = &stage.asked[i];
	fuzz_must(asked, "a reply to what was not asked");
	fuzz_must(asked->replies++ == 0, "a second reply");
	if (!asked->sound)
		fuzz_must(reply->code == WIRE__AGENT_REPLY__CODE__REFUSED && *reply->text,
			  "a request that is none is not refused");
	if (reply->domain) {
		hear_domain(reply->domain);
		fuzz_must(strcasecmp(reply->domain->domain->uuid, ref_of(asked)->uuid) == 0,
			  "news of another guest");
	}
	if (asked->body->body_case == WIRE__AGENT_REQUEST__BODY_XML &&
	    reply->code == WIRE__AGENT_REPLY__CODE__OK)
		fuzz_must(*reply->xml, "a definition that is none");
}

static void hear_news(const Wire__AgentNews *news)
{
	fuzz_must(news->body_case != WIRE__AGENT_NEWS__BODY__NOT_SET, "news of nothing");
	if (news->body_case == WIRE__AGENT_NEWS__BODY_INVENTORY)
		fuzz_must(asked_for(WIRE__AGENT_REQUEST__BODY_WATCH, NULL), "nobody asked for it");
	if (news->body_case == WIRE__AGENT_NEWS__BODY_DOMAIN)
		hear_domain(news->domain);
}

static void hear_all(void)
{
	static uint8_t packet[FRAME_HEADER_SIZE + FRAME_BODY_MAX + 1];

	for (int n = 0;; n++) {
		ssize_t size = recv(stage.daemon, packet, sizeof(packet), MSG_DONTWAIT);
		struct frame_header header;
		ProtobufCMessage *body = NULL;

		fuzz_must(channel_flush(stage.agent->channel) == 0, "the daemon is there");
		if (size < 0)
			break;
		fuzz_must(frame_decode(packet, (size_t)size, &header, &body) == 0, "no frame");
		if (header.type == FRAME_AGENT_REPLY)
			hear_reply(header.request, (const Wire__AgentReply *)(const void *)body);
		else if (header.type == FRAME_AGENT_NEWS)
			hear_news((const Wire__AgentNews *)(const void *)body);
		else
			fuzz_must(false, "a frame that is not an agent's");
		frame_body_free(body);
		fuzz_must(n < FRAMES_MAX, "it tells for ever");
	}
	for (unsigned int i = 0; i < stage.seen_n; i++)
		stage.seen[i].was_gone = stage.seen[i].gone;
}

/* ---------------------------------------------------------------- what happens */

static bool uuid_is_one(const char *uuid)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i = 0;

	while (uuid[i] && i < strlen(form) &&
	       (form[i] == '-' ? uuid[i] == '-' : isxdigit((unsigned char)uuid[i])))
		i++;
	return i == strlen(form) && !uuid[i];
}

static bool is_sound(const Wire__AgentRequest *body)
{
	switch (body->body_case) {
	case WIRE__AGENT_REQUEST__BODY__NOT_SET:
	case WIRE__AGENT_REQUEST__BODY_FENCE:
		return false;
	case WIRE__AGENT_REQUEST__BODY_WATCH:
	case WIRE__AGENT_REQUEST__BODY_DROP_IMAGE:
		return true;
	default:
		return body->domain && uuid_is_one(body->domain->uuid);
	}
}

/* By the socket, as the daemon's; what is no request gets no answer and does no harm. */
static void take_frames(void)
{
	struct frame_header header;
	ProtobufCMessage *body = NULL;

	while (channel_receive(stage.agent->channel, &header, &body) == 0) {
		if (header.type == FRAME_AGENT_REQUEST)
			vm_request(stage.agent, header.request,
				   (Wire__AgentRequest *)(void *)body);
		else
			frame_body_free(body);
	}
}

static void ask(struct fuzz_in *in)
{
	uint8_t which = fuzz_byte(in);
	struct fuzz_in block = fuzz_block(in);
	_cleanup_(wire_freep) Wire__AgentRequest *body =
		wire_parse(&wire__agent_request__descriptor, block.data, block.size);
	_cleanup_(buf_free) struct buf frame = { 0 };
	struct frame_header header = { .type = FRAME_AGENT_REQUEST,
				       .request = 100 + stage.asked_n };

	if (!body || stage.asked_n == ASKED_MAX)
		return;
	if (body->domain && which % 4 < DOMAINS)
		wire_set(&body->domain->uuid, uuids[which % 4]);
	body->deadline_ms %= DEADLINE_MAX_MS;
	if (frame_encode(&header, &body->base, &frame) < 0)
		return;
	stage.asked[stage.asked_n++] = (struct asked){
		.id = header.request, .body = body, .sound = is_sound(body),
	};
	fuzz_must(send(stage.daemon, frame.data, frame.len, MSG_DONTWAIT) == (ssize_t)frame.len,
		  "the request cannot be sent");
	take_frames();
	stage.asked[stage.asked_n - 1].body = steal_ptr(body);
}

static void noise(struct fuzz_in *in)
{
	struct fuzz_in block = fuzz_block(in);

	if (block.size && send(stage.daemon, block.data, block.size, MSG_DONTWAIT) >= 0)
		take_frames();
}

static void set_connected(struct fuzz_in *in)
{
	struct agent *agent = stage.agent;

	agent->connected = fuzz_byte(in) & 1;
	agent->life += agent->connected;
	guest_queue_all(agent, (struct guest_look){ .forced = agent->connected });
}

static void event(struct fuzz_in *in)
{
	const char *uuid = uuids[fuzz_below(in, DOMAINS)];
	struct guest *guest = guest_find(stage.agent, uuid);
	uint8_t how = fuzz_byte(in);

	if (!guest) {
		guest_queue_stranger(stage.agent, uuid);
		return;
	}
	guest->stopped = how & 1 ? how / 16 : guest->stopped;
	guest->move.suspended |= how & 2;
	guest->move.resumed |= how & 4;
	guest_queue_look(stage.agent, guest,
			 (struct guest_look){ .settle = how & 8, .live = true });
}

static void pass_time(struct fuzz_in *in)
{
	stage.now_ms += fuzz_number(in) % (2 * DEADLINE_MAX_MS);
	guest_queue_unsure(stage.agent, fuzz_byte(in) & 1);
}

static void work(struct fuzz_in *in)
{
	for (uint32_t n = 1 + fuzz_below(in, 8); n > 0 && run_one(); n--)
		hear_all();
}

static void hang(struct fuzz_in *in)
{
	stage.stuck = fuzz_below(in, POOL_STUCK_MAX + 1);
}

/* ---------------------------------------------------------------- a whole input */

static void begin(struct fuzz_in script)
{
	static struct agent agent;
	int pair[2], size = 8 * 1024 * 1024;

	memset(&stage, 0, sizeof(stage));
	memset(&agent, 0, sizeof(agent));
	stage.script = script;
	stage.now_ms = 1000;
	stage.last = &stage.first;
	stage.agent = &agent;
	fuzz_must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "no sockets");
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fuzz_must(channel_new(pair[0], &agent.channel) == 0, "no channel");
	stage.daemon = pair[1];
	agent.uri = "qemu:///system";
	agent.connected = fuzz_byte(&stage.script) & 1;
	snprintf(agent.why, sizeof(agent.why), "libvirtd has not answered yet");
	pthread_mutex_init(&agent.lock, NULL);
	pthread_mutex_init(&agent.watch_lock, NULL);
}

static void end(void)
{
	struct agent *agent = stage.agent;

	while (run_one())
		hear_all();
	hear_all();
	for (unsigned int i = 0; i < stage.asked_n; i++) {
		fuzz_must(stage.asked[i].replies == 1, "a request without an answer");
		wire_free(stage.asked[i].body);
	}
	for (size_t i = 0; i < agent->guests_n; i++) {
		fuzz_must(agent->guests[i]->jobs == 0, "a move that never ends");
		free(agent->guests[i]->name);
		free(agent->guests[i]);
	}
	fuzz_must(agent->drops == 0, "a removal that never ends");
	channel_free(agent->channel);
	close(stage.daemon);
	stage.agent = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct fuzz_in *in) = {
		ask, ask, ask, work, pass_time, set_connected, event, noise, hang,
	};
	struct fuzz_in *in = &stage.script;

	begin((struct fuzz_in){ data, size });
	for (int n = 0; n < STEPS_MAX && in->size > 0; n++) {
		steps[fuzz_below(in, ARRAY_SIZE(steps))](in);
		hear_all();
	}
	end();
	return 0;
}

/* ---------------------------------------------------------------- seeds */

static const Wire__AgentRequest__BodyCase kinds[] = {
	WIRE__AGENT_REQUEST__BODY_START, WIRE__AGENT_REQUEST__BODY_STOP,
	WIRE__AGENT_REQUEST__BODY_KILL, WIRE__AGENT_REQUEST__BODY_PAUSE,
	WIRE__AGENT_REQUEST__BODY_RESUME, WIRE__AGENT_REQUEST__BODY_ACTION,
	WIRE__AGENT_REQUEST__BODY_MIGRATE, WIRE__AGENT_REQUEST__BODY_CANCEL,
	WIRE__AGENT_REQUEST__BODY_HAND_OVER, WIRE__AGENT_REQUEST__BODY_SAVE,
	WIRE__AGENT_REQUEST__BODY_RESTORE, WIRE__AGENT_REQUEST__BODY_DROP_IMAGE,
	WIRE__AGENT_REQUEST__BODY_WATCH, WIRE__AGENT_REQUEST__BODY_FENCE,
	WIRE__AGENT_REQUEST__BODY_XML,
};

static void put_request(struct buf *out, Wire__AgentRequest__BodyCase kind)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
		&wire__agent_request__descriptor, (unsigned int)kind);
	_cleanup_(wire_freep) Wire__AgentRequest *request =
		wire_new(&wire__agent_request__descriptor);
	_cleanup_(buf_free) struct buf packed = { 0 };

	request->deadline_ms = 20000;
	request->domain = wire_new(&wire__domain_ref__descriptor);
	request->domain->vm = 9;
	request->domain->generation = 1;
	wire_set(&request->domain->uuid, uuids[0]);
	wire_set(&request->domain->name, "web1");
	request->body_case = kind;
	request->start = wire_new(field->descriptor);	/* whichever it is */
	if (kind == WIRE__AGENT_REQUEST__BODY_START)
		wire_set(&request->start->xml, "<domain type='kvm'><name>a</name><uuid>"
			 "00000000-0000-4000-8000-000000000001</uuid></domain>");
	if (kind == WIRE__AGENT_REQUEST__BODY_STOP)
		request->stop->grace_ms = 5000;
	if (kind == WIRE__AGENT_REQUEST__BODY_WATCH) {
		request->watch->domains = mem_new_array(Wire__DomainRef *, 1);
		request->watch->domains[request->watch->n_domains++] =
			wire_dup(&request->domain->base);
	}
	if (kind == WIRE__AGENT_REQUEST__BODY_SAVE)
		wire_set(&request->save->path, "/v/.clusterd/state/web1");
	wire_pack(&request->base, &packed);
	buf_append_byte(out, 0);
	buf_append_byte(out, 0);
	fuzz_put_block(out, packed.data, packed.len);
}

/* A request of each kind: with a libvirt that answers to all, and with one that is silent. */
bool fuzz_seed(unsigned int n, struct buf *out)
{
	size_t kind = n % ARRAY_SIZE(kinds), round = n / ARRAY_SIZE(kinds);

	if (round > 2)
		return false;
	buf_append_byte(out, round != 1);
	put_request(out, kinds[kind]);
	if (round == 2)
		put_request(out, kinds[(kind + 5) % ARRAY_SIZE(kinds)]);
	buf_append(out, "\3\7", 2);
	for (int i = 0; i < 24; i++)
		buf_append_byte(out, (uint8_t)(round == 2 ? i % 5 : 0));
	return true;
}
