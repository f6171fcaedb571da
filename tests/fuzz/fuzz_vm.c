/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What the daemon asks its vm agent, from the frame to the answer, while libvirt, its events and
// the time do what they like (vm_scene.h). An input is a script (fuzz.h) of requests and of what
// happens between them; what libvirt says comes from the rest of it, byte by byte.
//
// Covers: agents/vm_request.c agents/vm_power.c agents/vm_move.c agents/vm_guest.c
// agents/vm_look.c agents/vm_watch.c agents/vm.c agents/channel.c
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "tests/fuzz/vm_scene.h"
#include "wire/check.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 1500;

enum { STEPS_MAX = 24, DEADLINE_MAX_MS = 100000, FRAMES_MAX = 20000 };

/* ---------------------------------------------------------------- what the daemon hears */

static bool is_gone(const char *uuid)
{
	for (unsigned int i = 0; i < scene.seen_n; i++)
		if (strcasecmp(scene.seen[i].uuid, uuid) == 0)
			return scene.seen[i].was_gone;
	return scene.seen_n == SCENE_SEEN_MAX;
}

static void hear_domain(const Wire__DomainNews *news)
{
	fuzz_must(news->domain && *news->domain->uuid, "news of nobody");
	if (news->state != WIRE__DOMAIN_NEWS__STATE__ABSENT)
		return;
	fuzz_must(is_gone(news->domain->uuid), "a guest is given up without proof");
	fuzz_must(!scene.made || strcasecmp(news->domain->uuid, scene.made) != 0,
		  "a guest is given up that is being made");
}

static void hear_reply(uint64_t id, const Wire__AgentReply *reply)
{
	struct asked *asked = NULL;

	for (unsigned int i = 0; i < scene.asked_n; i++)
		if (scene.asked[i].id == id)
			asked = &scene.asked[i];
	fuzz_must(asked, "a reply to what was not asked");
	fuzz_must(asked->replies++ == 0, "a second reply");
	if (!asked->sound)
		fuzz_must(reply->code == WIRE__AGENT_REPLY__CODE__REFUSED && *reply->text,
			  "a request that is none is not refused");
	if (reply->domain) {
		hear_domain(reply->domain);
		fuzz_must(strcasecmp(reply->domain->domain->uuid, asked->body->domain->uuid) == 0,
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
		fuzz_must(scene_asked_for(WIRE__AGENT_REQUEST__BODY_WATCH, NULL),
			  "nobody asked for it");
	if (news->body_case == WIRE__AGENT_NEWS__BODY_DOMAIN)
		hear_domain(news->domain);
}

void scene_hear_all(void)
{
	static uint8_t packet[FRAME_HEADER_SIZE + FRAME_BODY_MAX + 1];

	for (int n = 0;; n++) {
		ssize_t size = recv(scene.daemon, packet, sizeof(packet), MSG_DONTWAIT);
		struct frame_header header;
		ProtobufCMessage *body = NULL;

		fuzz_must(channel_flush(scene.agent->channel) == 0, "the daemon is there");
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
	for (unsigned int i = 0; i < scene.seen_n; i++)
		scene.seen[i].was_gone = scene.seen[i].gone;
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

	while (channel_receive(scene.agent->channel, &header, &body) == 0) {
		if (header.type == FRAME_AGENT_REQUEST)
			vm_request(scene.agent, header.request,
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
				       .request = 100 + scene.asked_n };

	if (!body || scene.asked_n == SCENE_ASKED_MAX)
		return;
	if (body->domain && which % 4 < SCENE_DOMAINS)
		wire_set(&body->domain->uuid, scene_uuids[which % 4]);
	body->deadline_ms %= DEADLINE_MAX_MS;
	if (frame_encode(&header, &body->base, &frame) < 0)
		return;
	scene.asked[scene.asked_n++] = (struct asked){
		.id = header.request, .body = body, .sound = is_sound(body),
	};
	fuzz_must(send(scene.daemon, frame.data, frame.len, MSG_DONTWAIT) == (ssize_t)frame.len,
		  "the request cannot be sent");
	take_frames();
	scene.asked[scene.asked_n - 1].body = steal_ptr(body);
}

static void noise(struct fuzz_in *in)
{
	struct fuzz_in block = fuzz_block(in);

	if (block.size && send(scene.daemon, block.data, block.size, MSG_DONTWAIT) >= 0)
		take_frames();
}

static void set_connected(struct fuzz_in *in)
{
	struct agent *agent = scene.agent;

	agent->connected = fuzz_byte(in) & 1;
	agent->life += agent->connected;
	guest_queue_all(agent, (struct guest_look){ .forced = agent->connected });
}

static void event(struct fuzz_in *in)
{
	const char *uuid = scene_uuids[fuzz_below(in, SCENE_DOMAINS)];
	struct guest *guest = guest_find(scene.agent, uuid);
	uint8_t how = fuzz_byte(in);

	if (!guest) {
		guest_queue_stranger(scene.agent, uuid);
		return;
	}
	guest->stopped = how & 1 ? how / 16 : guest->stopped;
	guest->move.suspended |= how & 2;
	guest->move.resumed |= how & 4;
	guest_queue_look(scene.agent, guest,
			 (struct guest_look){ .settle = how & 8, .live = true });
}

static void pass_time(struct fuzz_in *in)
{
	scene.now_ms += fuzz_number(in) % (2 * DEADLINE_MAX_MS);
	guest_queue_unsure(scene.agent, fuzz_byte(in) & 1);
}

static void work(struct fuzz_in *in)
{
	for (uint32_t n = 1 + fuzz_below(in, 8); n > 0 && scene_run_one(); n--)
		scene_hear_all();
}

static void hang(struct fuzz_in *in)
{
	scene.stuck = fuzz_below(in, POOL_STUCK_MAX + 1);
}

/* ---------------------------------------------------------------- a whole input */

static void begin(struct fuzz_in script)
{
	static struct agent agent;
	int pair[2], size = 8 * 1024 * 1024;

	memset(&scene, 0, sizeof(scene));
	memset(&agent, 0, sizeof(agent));
	scene.script = script;
	scene.now_ms = 1000;
	scene.last = &scene.first;
	scene.agent = &agent;
	fuzz_must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "no sockets");
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fuzz_must(channel_new(pair[0], &agent.channel) == 0, "no channel");
	scene.daemon = pair[1];
	agent.uri = "qemu:///system";
	agent.connected = fuzz_byte(&scene.script) & 1;
	snprintf(agent.why, sizeof(agent.why), "libvirtd has not answered yet");
	pthread_mutex_init(&agent.lock, NULL);
	pthread_mutex_init(&agent.watch_lock, NULL);
}

static void end(void)
{
	struct agent *agent = scene.agent;

	while (scene_run_one())
		scene_hear_all();
	scene_hear_all();
	for (unsigned int i = 0; i < scene.asked_n; i++) {
		fuzz_must(scene.asked[i].replies == 1, "a request without an answer");
		wire_free(scene.asked[i].body);
	}
	for (size_t i = 0; i < agent->guests_n; i++) {
		fuzz_must(agent->guests[i]->jobs == 0, "a move that never ends");
		free(agent->guests[i]->name);
		free(agent->guests[i]);
	}
	fuzz_must(agent->drops == 0, "a removal that never ends");
	channel_free(agent->channel);
	close(scene.daemon);
	scene.agent = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct fuzz_in *in) = {
		ask, ask, ask, work, pass_time, set_connected, event, noise, hang,
	};
	struct fuzz_in *in = &scene.script;

	begin((struct fuzz_in){ data, size });
	for (int n = 0; n < STEPS_MAX && in->size > 0; n++) {
		steps[fuzz_below(in, ARRAY_SIZE(steps))](in);
		scene_hear_all();
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
	wire_set(&request->domain->uuid, scene_uuids[0]);
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
