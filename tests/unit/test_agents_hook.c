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
	} cases[] = {
		{ "<domain><name>a</name><uuid>" UUID
		  "</uuid><metadata><clusterd:vm xmlns:clusterd=\"" DOMAIN_METADATA_NAMESPACE
		  "\" id=\"1\" generation=\"1\"/></metadata></domain>",
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
		char uuid[HOOK_UUID_SIZE] = "";
		bool marked = false;

		CU_ASSERT_EQUAL(hook_read_xml(cases[i].xml, strlen(cases[i].xml), uuid, &marked),
				cases[i].r);
		CU_ASSERT_EQUAL(marked, cases[i].marked);
		if (cases[i].r == 0)
			CU_ASSERT_STRING_EQUAL(uuid, UUID);
	}
}

static void test_announcements(void)
{
	char dir[] = "/tmp/clusterd-hook-XXXXXX", path[100];
	FILE *file;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	CU_ASSERT_PTR_NULL(hook_announced(dir, UUID));
	hook_announce(dir, UUID, "incoming");
	CU_ASSERT_STRING_EQUAL(hook_announced(dir, UUID), "incoming");
	hook_announce(dir, UUID, "restore");
	CU_ASSERT_STRING_EQUAL(hook_announced(dir, UUID), "restore");
	hook_forget(dir, UUID);
	CU_ASSERT_PTR_NULL(hook_announced(dir, UUID));
	snprintf(path, sizeof(path), "%s/hook-%s", dir, UUID);
	file = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fprintf(file, "incoming %llu\n", (unsigned long long)hook_now_ms() - 11000);
	fclose(file);
	CU_ASSERT_PTR_NULL(hook_announced(dir, UUID)); /* stale */
	file = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fprintf(file, "start %llu\n", (unsigned long long)hook_now_ms());
	fclose(file);
	CU_ASSERT_PTR_NULL(hook_announced(dir, UUID)); /* nothing that announces */
	hook_forget(dir, UUID);
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
	  { "announcements", test_announcements }, { "asks", test_asks })
