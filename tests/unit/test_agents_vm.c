/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/vm.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/check.h"
#include "wire/message.h"

#define UUID "00000000-0000-4000-8000-000000000001"
#define DEFINITION(more) "<domain type='kvm'><name>web1</name>" more "</domain>"

/* An agent that no libvirt has answered yet. */
static struct agent agent;
static int daemon_fd;

static void begin(void)
{
	int pair[2];

	agent = (struct agent){ .uri = "test:///default", .why = "libvirtd has not answered yet" };
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	CU_ASSERT_EQUAL_FATAL(channel_new(pair[0], &agent.channel), 0);
	daemon_fd = pair[1];
	pthread_mutex_init(&agent.lock, NULL);
}

static void end(void)
{
	for (size_t i = 0; i < agent.guests_n; i++) {
		free(agent.guests[i]->name);
		free(agent.guests[i]);
	}
	channel_free(agent.channel);
	close(daemon_fd);
}

static void *hear(enum frame_type type)
{
	uint8_t packet[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
	struct frame_header header;
	ProtobufCMessage *body = NULL;
	ssize_t size = recv(daemon_fd, packet, sizeof(packet), 0);

	CU_ASSERT_FATAL(size > 0);
	CU_ASSERT_EQUAL_FATAL(frame_decode(packet, (size_t)size, &header, &body), 0);
	CU_ASSERT_EQUAL_FATAL(header.type, type);
	return body;
}

/* Who copies a guest of ours by hand copies its mark, too, and may name the copy as he likes. */
static void test_long_name(void)
{
	Wire__DomainRef ref = WIRE__DOMAIN_REF__INIT;
	_cleanup_(wire_freep) Wire__DomainNews *about = NULL;
	_cleanup_(wire_freep) Wire__AgentNews *news = NULL;
	char name[201] = "";

	begin();
	memset(name, 'x', sizeof(name) - 1);
	memcpy(name + WIRE_NAME_MAX - 1, "\xc3\xa9", 2);
	ref.uuid = (char *)UUID;
	ref.name = name;
	about = guest_news_about(&agent, guest_of(&agent, &ref));
	guest_send_news(&agent, about);
	news = hear(FRAME_AGENT_NEWS);
	CU_ASSERT_EQUAL(strlen(news->domain->domain->name), WIRE_NAME_MAX - 1);
	CU_ASSERT_STRING_EQUAL(news->domain->domain->uuid, UUID);
	end();
}

static void test_uuid(void)
{
	static const char *const none[] = {
		"", "web1", UUID "0", "00000000-0000-4000-8000-00000000000",
		"00000000-0000-4000-8000-00000000000x", "00000000x0000-4000-8000-000000000001",
		"------------------------------------",
	};
	Wire__DomainRef ref = WIRE__DOMAIN_REF__INIT;

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		ref.uuid = (char *)none[i];
		CU_ASSERT_PTR_NULL(guest_of(&agent, &ref));
	}
	CU_ASSERT_EQUAL(agent.guests_n, 0);
	ref.uuid = (char *)UUID;
	CU_ASSERT_PTR_EQUAL(guest_of(&agent, &ref), guest_find(&agent, UUID));
	CU_ASSERT_PTR_NOT_NULL(guest_find(&agent, UUID));
	end();
}

static Wire__AgentReply *start(const char *xml)
{
	_cleanup_(wire_freep) Wire__AgentRequest *body = wire_new(&wire__agent_request__descriptor);
	struct request request = { .agent = &agent, .id = 5, .body = body };
	struct link link = { .uri = agent.uri };

	body->domain = wire_new(&wire__domain_ref__descriptor);
	wire_set(&body->domain->uuid, UUID);
	wire_set(&body->domain->name, "web1");
	body->body_case = WIRE__AGENT_REQUEST__BODY_START;
	body->start = wire_new(&wire__dom_start__descriptor);
	wire_set(&body->start->xml, xml);
	request.guest = guest_of(&agent, body->domain);
	vm_do_start(&request, &link);
	return hear(FRAME_AGENT_REPLY);
}

/* The right to run is that of one guest: by its definition no other one is started. */
static void test_start_another(void)
{
	static const struct {
		const char *xml;
		Wire__AgentReply__Code code;
	} starts[] = {
		/* As far as to libvirt, which is silent. */
		{ DEFINITION("<uuid>" UUID "</uuid>"), WIRE__AGENT_REPLY__CODE__FAILED },
		{ DEFINITION("<uuid>00000000-0000-4000-8000-000000000002</uuid>"),
		  WIRE__AGENT_REPLY__CODE__REFUSED },
		{ DEFINITION(""), WIRE__AGENT_REPLY__CODE__REFUSED },
	};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		_cleanup_(wire_freep) Wire__AgentReply *reply = start(starts[i].xml);

		CU_ASSERT_EQUAL(reply->code, starts[i].code);
		CU_ASSERT_TRUE(*reply->text);
	}
	end();
}

static Wire__AgentReply *ask_xml(struct link *link, size_t description)
{
	_cleanup_(freep) char *xml = mem_printf(
		"<domain type='test'><name>web1</name><uuid>" UUID "</uuid><memory>1024</memory>"
		"<description>x%*sx</description><os><type>hvm</type></os></domain>",
		(int)description, "");
	_cleanup_(wire_freep) Wire__AgentRequest *body = wire_new(&wire__agent_request__descriptor);
	struct request request = { .agent = &agent, .id = 5, .body = body };
	virDomainPtr domain = virDomainCreateXML(link->conn, xml, 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(domain);
	body->domain = wire_new(&wire__domain_ref__descriptor);
	wire_set(&body->domain->uuid, UUID);
	request.guest = guest_of(&agent, body->domain);
	vm_do_xml(&request, link);
	virDomainDestroy(domain);
	virDomainFree(domain);
	return hear(FRAME_AGENT_REPLY);
}

/* What is larger than can be told is not told as nothing. */
static void test_large_xml(void)
{
	struct link link = { .uri = "test:///default", .conn = virConnectOpen("test:///default") };
	_cleanup_(wire_freep) Wire__AgentReply *small = NULL, *large = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(link.conn);
	begin();
	agent.connected = true;
	small = ask_xml(&link, 10);
	CU_ASSERT_EQUAL(small->code, WIRE__AGENT_REPLY__CODE__OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(small->xml, UUID));
	large = ask_xml(&link, WIRE_XML_MAX);
	CU_ASSERT_EQUAL(large->code, WIRE__AGENT_REPLY__CODE__FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(large->text, "48 KiB"));
	link_close(&link);
	end();
}

UNIT_MAIN("agents/vm", { "long-name", test_long_name }, { "uuid", test_uuid },
	  { "start-another", test_start_another }, { "large-xml", test_large_xml })
