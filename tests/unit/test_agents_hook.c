/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/hook_ask.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "domain/metadata.h"
#include "tests/unit/unit.h"

#define UUID "5c0ffee5-0000-4000-8000-00000000beef"

static void test_questions(void)
{
	static const char *const passing[] = { "reconnect", "stopped", "release", "started",
					       "attach",    "Prepare", "" };

	CU_ASSERT_STRING_EQUAL(hook_question_of("prepare"), "start");
	CU_ASSERT_STRING_EQUAL(hook_question_of("start"), "start");
	CU_ASSERT_STRING_EQUAL(hook_question_of("migrate"), "incoming");
	CU_ASSERT_STRING_EQUAL(hook_question_of("restore"), "restore");
	for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
		CU_ASSERT_PTR_NULL(hook_question_of(passing[i]));
	CU_ASSERT(hook_announces("migrate") && hook_announces("restore"));
	CU_ASSERT(!hook_announces("prepare") && !hook_announces("start"));
}

static void test_xml(void)
{
	/* The namespace is spelled by its one definition: the hook's own copy must be the same. */
	static const struct {
		const char *xml;
		int r;
		bool marked;
		uint64_t vm, generation;
	} cases[] = {
		{ "<domain><name>a</name><uuid>" UUID
		  "</uuid><metadata><clusterd:vm xmlns:clusterd=\"" DOMAIN_METADATA_NAMESPACE
		  "\" id=\"12\" generation=\"3\"/></metadata></domain>",
		  0, true, 12, 3 },
		{ "<domain><uuid>" UUID "</uuid><metadata><x id=\"7\" generation=\"8\"/>"
		  "<clusterd:vm id=\"12\" generation=\"3\" "
		  "xmlns:clusterd=\"" DOMAIN_METADATA_NAMESPACE
		  "\"/><y id=\"9\"/></metadata></domain>",
		  0, true, 12, 3 },
		{ "<domain><uuid>" UUID
		  "</uuid><metadata><clusterd:vm xmlns:clusterd=\"" DOMAIN_METADATA_NAMESPACE
		  "\"/><y id=\"9\" generation=\"8\"/></metadata></domain>",
		  0, true },
		{ "<domain><uuid>" UUID "</uuid><metadata>" DOMAIN_METADATA_NAMESPACE
		  "</metadata></domain>",
		  0, true },
		{ "<domain><uuid>" UUID "</uuid></domain>", 0, false },
		{ "<domain><uuid>" UUID "</uuid><metadata><x/></metadata></domain>", 0, false },
		{ "<domain><uuid>" UUID "</uuid><description>" DOMAIN_METADATA_NAMESPACE
		  "</description><metadata><x/></metadata></domain>",
		  0, false },
		{ "<domain><uuid>" UUID "</uuid><metadata>" DOMAIN_METADATA_NAMESPACE, 0, false },
		{ "<domain><uuid>5c0ffee5</uuid></domain>                                   ",
		  -EBADMSG, false },
		{ "<domain><uuid>", -EBADMSG, false },
		{ "", -EBADMSG, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct hook_guest guest = { .vm = 0 };

		CU_ASSERT_EQUAL(hook_read_xml(cases[i].xml, strlen(cases[i].xml), &guest),
				cases[i].r);
		CU_ASSERT_EQUAL(guest.marked, cases[i].marked);
		CU_ASSERT_EQUAL(guest.vm, cases[i].vm);
		CU_ASSERT_EQUAL(guest.generation, cases[i].generation);
		if (cases[i].r == 0)
			CU_ASSERT_STRING_EQUAL(guest.uuid, UUID);
	}
}

/* The mark as it is set at each start. */
static void test_mark(void)
{
	static const char xml[] = "<domain type='kvm'><name>a</name><uuid>" UUID "</uuid><metadata>"
				  "<o:x xmlns:o='urn:o' id='1'/></metadata></domain>";
	_cleanup_(buf_free) struct buf started = { 0 };
	struct hook_guest guest;

	CU_ASSERT_EQUAL_FATAL(domain_for_start(xml, strlen(xml), 77, 4, NULL, &started), 0);
	CU_ASSERT_EQUAL(hook_read_xml(buf_str(&started), started.len, &guest), 0);
	CU_ASSERT(guest.marked);
	CU_ASSERT_EQUAL(guest.vm, 77);
	CU_ASSERT_EQUAL(guest.generation, 4);
}

static void write_announcement(const char *path, const char *question, uint64_t at_ms)
{
	FILE *file = fopen(path, "we");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fprintf(file, "%s %llu 12 3\n", question, (unsigned long long)at_ms);
	fclose(file);
}

static void test_announcements(void)
{
	static const struct hook_guest guest = { .uuid = UUID, .vm = 12, .generation = 3 };
	char dir[] = "/tmp/clusterd-hook-XXXXXX", path[100];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	CU_ASSERT_PTR_NULL(hook_announced(dir, &guest));
	hook_announce(dir, &guest, "incoming");
	CU_ASSERT_STRING_EQUAL(hook_announced(dir, &guest), "incoming");
	hook_announce(dir, &guest, "restore");
	CU_ASSERT_STRING_EQUAL(hook_announced(dir, &guest), "restore");
	hook_forget(dir, &guest);
	CU_ASSERT_PTR_NULL(hook_announced(dir, &guest));
	snprintf(path, sizeof(path), "%s/hook-%s", dir, UUID);
	write_announcement(path, "incoming", hook_now_ms());
	CU_ASSERT_STRING_EQUAL(hook_announced(dir, &guest), "incoming");
	write_announcement(path, "incoming", hook_now_ms() - 11000);
	CU_ASSERT_PTR_NULL(hook_announced(dir, &guest)); /* stale */
	write_announcement(path, "start", hook_now_ms());
	CU_ASSERT_PTR_NULL(hook_announced(dir, &guest)); /* nothing that announces */
	hook_forget(dir, &guest);
	rmdir(dir);
}

/* What was announced failed before its start: the next cold start is not the end of it. */
static void test_announced_of_another_run(void)
{
	static const struct hook_guest announced = { .uuid = UUID, .vm = 12, .generation = 3 };
	static const struct hook_guest others[] = {
		{ .uuid = UUID, .vm = 12, .generation = 4 },
		{ .uuid = UUID, .vm = 13, .generation = 3 },
		{ .uuid = UUID },
	};
	static const struct hook_guest stranger = { .uuid = UUID };
	char dir[] = "/tmp/clusterd-hook-XXXXXX";

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	hook_announce(dir, &announced, "restore");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		CU_ASSERT_PTR_NULL(hook_announced(dir, &others[i]));
	CU_ASSERT_STRING_EQUAL(hook_announced(dir, &announced), "restore");
	/* Nor of a guest that was started before it was the cluster's, and so is unmarked. */
	hook_announce(dir, &stranger, "incoming");
	CU_ASSERT_PTR_NULL(hook_announced(dir, &announced));
	CU_ASSERT_STRING_EQUAL(hook_announced(dir, &stranger), "incoming");
	hook_forget(dir, &announced);
	rmdir(dir);
}

struct server {
	int listener;
	const char *reply; /* NULL: none; "": hangs up */
	char asked[300];
};

static void *serve(void *context)
{
	struct server *server = context;
	int fd = accept(server->listener, NULL, NULL);
	ssize_t n = recv(fd, server->asked, sizeof(server->asked) - 1, 0);

	server->asked[n > 0 ? n : 0] = '\0';
	if (server->reply && server->reply[0])
		send(fd, server->reply, strlen(server->reply), 0);
	else if (!server->reply)
		usleep(400000);
	close(fd);
	return NULL;
}

static void test_asks(void)
{
	static const struct {
		const char *reply, *why;
		enum hook_answer answer;
	} cases[] = {
		{ "{\"ok\":true,\"why\":\"\",\"managed\":true}", "", HOOK_MAY },
		{ "{\"ok\":true,\"managed\":false}", "", HOOK_MAY },
		{ "{\"ok\":false,\"why\":\"it is \\\"elsewhere\\\"\"}", "it is \"elsewhere\"",
		  HOOK_MAY_NOT },
		{ "{\"ok\":false}", "clusterd on this node gave no reason", HOOK_MAY_NOT },
		{ "{\"ok\":1}", "its answer cannot be understood", HOOK_NO_ANSWER },
		{ "{}", "its answer cannot be understood", HOOK_NO_ANSWER },
		{ "rubbish", "its answer cannot be understood", HOOK_NO_ANSWER },
		{ "", NULL, HOOK_NO_ANSWER },
		{ NULL, NULL, HOOK_NO_ANSWER },
	};
	char dir[] = "/tmp/clusterd-hook-XXXXXX", why[300];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct hook_question q = { .uuid = UUID, .what = "start", .marked = true };

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/hook.sock", dir);
	q.deadline_ms = hook_now_ms() + 200;
	CU_ASSERT_EQUAL(hook_ask(address.sun_path, &q, why, sizeof(why)), HOOK_NO_ANSWER);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct server server = { .reply = cases[i].reply };
		pthread_t thread;

		server.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		CU_ASSERT_EQUAL_FATAL(
			bind(server.listener, (struct sockaddr *)&address, sizeof(address)), 0);
		CU_ASSERT_EQUAL_FATAL(listen(server.listener, 1), 0);
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, serve, &server), 0);
		q.deadline_ms = hook_now_ms() + (cases[i].reply ? 5000 : 200);
		why[0] = '\0';
		CU_ASSERT_EQUAL(hook_ask(address.sun_path, &q, why, sizeof(why)), cases[i].answer);
		if (cases[i].why)
			CU_ASSERT_STRING_EQUAL(why, cases[i].why);
		pthread_join(thread, NULL);
		CU_ASSERT_STRING_EQUAL(server.asked, "{\"do\":\"may-run\",\"uuid\":\"" UUID
						     "\",\"op\":\"start\",\"marked\":true}");
		close(server.listener);
		unlink(address.sun_path);
	}
	rmdir(dir);
}

UNIT_MAIN("agents/hook", { "questions", test_questions }, { "xml", test_xml },
	  { "mark", test_mark }, { "announcements", test_announcements },
	  { "announced of another run", test_announced_of_another_run }, { "asks", test_asks })
