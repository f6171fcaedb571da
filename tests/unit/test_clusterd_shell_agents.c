/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Supervision of agents with real processes: this program is also the agents. Started under
 * the name of one, it behaves as the file "behaviour" beside it says.
 */
#include "clusterd/shell/agents.h"
#include "tests/unit/unit.h"

#include "base/mem.h"
#include "wire/frame.h"
#include "wire/message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STRIKE_MS = 2500 };

/* ---------------------------------------------------------------- the agents */

static void say(uint16_t type, uint64_t request, const ProtobufCMessage *body)
{
	const struct frame_header header = { .protocol = FRAME_PROTOCOL_ALWAYS, .type = type,
					     .request = request };
	struct buf frame = { 0 };

	if (frame_encode(&header, body, &frame) == 0 &&
	    send(3, frame.data, frame.len, MSG_NOSIGNAL) < 0)
		_exit(9);
	buf_free(&frame);
}

static void say_hello(void)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__AgentHello hello = WIRE__AGENT_HELLO__INIT;

	hello.kind = (char *)"vm";
	news.body_case = WIRE__AGENT_NEWS__BODY_HELLO;
	news.hello = &hello;
	say(FRAME_AGENT_NEWS, 0, &news.base);
}

static void say_facts(void)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;

	facts.agent_ok = true;
	news.body_case = WIRE__AGENT_NEWS__BODY_FACTS;
	news.facts = &facts;
	say(FRAME_AGENT_NEWS, 0, &news.base);
}

/* What it was asked, told back: the secret for a fence call, the XML for a start. */
static void reply(uint64_t request, const Wire__AgentRequest *asked)
{
	Wire__AgentReply answer = WIRE__AGENT_REPLY__INIT;
	char text[100] = "";

	if (asked->body_case == WIRE__AGENT_REQUEST__BODY_FENCE)
		snprintf(text, sizeof(text), "%.*s", (int)asked->fence->secret.len,
			 (const char *)asked->fence->secret.data);
	answer.text = text;
	answer.code = WIRE__AGENT_REPLY__CODE__OFF;
	say(FRAME_AGENT_REPLY, request, &answer.base);
}

static void read_behaviour(const char *self, char *word, size_t size)
{
	char path[200];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%.*s/behaviour", (int)(strrchr(self, '/') - self), self);
	fd = open(path, O_RDONLY);
	n = read(fd, word, size - 1);
	word[n < 0 ? 0 : n] = '\0';
	close(fd);
}

/* Descriptors of the daemon must not be here, nor its blocked signals. */
static bool surroundings_are_clean(void)
{
	sigset_t blocked;

	for (int fd = 4; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return false;
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	return !sigismember(&blocked, SIGTERM) && getpgrp() == getpid() && !getenv("CLUSTERD_TEST");
}

/*
 * One that has told somebody of its own to act, in STRIKE_MS. Whoever holds the fifo's other end
 * reads that it began, that it struck, and the end when nothing of it is left.
 */
static void work_for_long(const char *self)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%.*s/fifo", (int)(strrchr(self, '/') - self), self);
	fd = open(path, O_WRONLY);
	if (fork() == 0) {
		if (write(fd, "began ", 6) == 6)
			usleep(STRIKE_MS * 1000);
		_exit(write(fd, "struck ", 7) == 7 ? 0 : 9);
	}
}

static void be_agent(const char *self, bool vm)
{
	static uint8_t data[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
	struct frame_header header;
	ProtobufCMessage *body;
	char word[40];
	ssize_t size;
	int asked = 0;

	if (!surroundings_are_clean())
		_exit(8);
	read_behaviour(self, word, sizeof(word));
	if (strcmp(word, "die") == 0)
		_exit(7);
	if (vm) {
		say_hello();
		say_facts();
	}
	while ((size = recv(3, data, sizeof(data), 0)) > 0) {
		if (frame_decode(data, (size_t)size, &header, &body) < 0)
			_exit(6);
		if (strcmp(word, "crash") == 0 && (!vm || ++asked == 2))
			raise(SIGKILL);
		if (strncmp(word, "long", 4) == 0)
			work_for_long(self);
		if (strcmp(word, "long, stubborn") == 0)
			signal(SIGTERM, SIG_IGN);
		if (vm && strcmp(word, "meddle") == 0)
			reply(header.request + 1, (const void *)body);
		if (strcmp(word, "well") == 0 || (vm && strcmp(word, "meddle") == 0))
			reply(header.request, (const void *)body);
		frame_body_free(body);
	}
	_exit(0);
}

__attribute__((constructor)) static void become_agent(void)
{
	if (strstr(program_invocation_name, "/clusterd-agent-vm"))
		be_agent(program_invocation_name, true);
	if (strstr(program_invocation_name, "/clusterd-agent-fence"))
		be_agent(program_invocation_name, false);
}

/* ---------------------------------------------------------------- the supervisor */

struct world {
	struct shell shell;
	struct agents *agents;
	char dir[60];
	struct buf told;	/* the events so far */
	const char *wanted;	/* the loop ends when told begins with it */
	struct shell_timer limit;
};

/* "7=NULL ", or "7=FAILED:exited-with-status-7,-without-an-answer " without the path. */
static void tell_reply(struct world *world, uint64_t ask, const Wire__AgentReply *reply)
{
	const char *text = reply ? reply->text : "NULL", *slash = strrchr(text, '/');

	buf_printf(&world->told, "%" PRIu64 "=", ask);
	if (reply && reply->code == WIRE__AGENT_REPLY__CODE__FAILED)
		buf_append_str(&world->told, "FAILED:");
	for (const char *c = slash ? slash + 1 : text; *c; c++)
		buf_append_byte(&world->told, (uint8_t)(*c == ' ' ? '-' : *c));
	buf_append_byte(&world->told, ' ');
}

static void on_event(void *context, struct event *event)
{
	struct world *world = context;

	switch (event->kind) {
	case EVENT_AGENT_UP:
		buf_append_str(&world->told, "up ");
		break;
	case EVENT_AGENT_DOWN:
		buf_append_str(&world->told, "down ");
		break;
	case EVENT_AGENT_NEWS:
		buf_append_str(&world->told, "news ");
		break;
	default:
		tell_reply(world, event->reply.ask, event->reply.reply);
		break;
	}
	if (world->wanted && strcmp(buf_str(&world->told), world->wanted) == 0)
		qb_loop_stop(world->shell.loop);
}

static void on_limit(void *context)
{
	struct world *world = context;

	shell_timer_fired(&world->limit);
	qb_loop_stop(world->shell.loop);
}

static void behave(struct world *world, const char *word)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/behaviour", world->dir);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	CU_ASSERT_EQUAL(write(fd, word, strlen(word)), (ssize_t)strlen(word));
	close(fd);
}

static void expect(struct world *world, const char *told)
{
	world->wanted = told;
	shell_timer_arm(&world->shell, &world->limit, 15000, on_limit, world);
	if (strcmp(buf_str(&world->told), told) != 0)
		qb_loop_run(world->shell.loop);
	shell_timer_stop(&world->shell, &world->limit);
	CU_ASSERT_STRING_EQUAL(buf_str(&world->told), told);
	if (strcmp(buf_str(&world->told), told) != 0)
		printf("told \"%s\", not \"%s\"\n", buf_str(&world->told), told);
	buf_reset(&world->told);
}

static void link_self(const struct world *world, const char *name, bool make)
{
	char self[400], path[100];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	CU_ASSERT_FATAL(n > 0);
	self[n] = '\0';
	snprintf(path, sizeof(path), "%s/%s", world->dir, name);
	CU_ASSERT_EQUAL(make ? symlink(self, path) : unlink(path), 0);
}

static void world_open(struct world *world, const char *behaviour)
{
	*world = (struct world){ 0 };
	snprintf(world->dir, sizeof(world->dir), "/tmp/clusterd-test-agents-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(world->dir));
	link_self(world, "clusterd-agent-vm", true);
	link_self(world, "clusterd-agent-fence", true);
	behave(world, behaviour);
	setenv("CLUSTERD_TEST", "1", 1);
	world->shell = (struct shell){ qb_loop_create(), on_event, NULL, world };
	world->agents = agents_new(&world->shell, world->dir, "test:///default");
}

static void world_close(struct world *world)
{
	char path[100];

	agents_free(world->agents);
	qb_loop_destroy(world->shell.loop);
	link_self(world, "clusterd-agent-vm", false);
	link_self(world, "clusterd-agent-fence", false);
	snprintf(path, sizeof(path), "%s/behaviour", world->dir);
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(world->dir), 0);
	buf_free(&world->told);
}

static void ask_vm(struct world *world, uint64_t id, uint32_t deadline_ms)
{
	Wire__AgentRequest *request = wire_new(&wire__agent_request__descriptor);

	request->body_case = WIRE__AGENT_REQUEST__BODY_KILL;
	request->kill = wire_new(&wire__dom_kill__descriptor);
	agents_ask(world->agents, id, AGENT_VM, deadline_ms, request);
}

static void ask_fence(struct world *world, uint64_t id, uint32_t deadline_ms, const char *secret)
{
	Wire__AgentRequest *request = wire_new(&wire__agent_request__descriptor);

	request->body_case = WIRE__AGENT_REQUEST__BODY_FENCE;
	request->fence = wire_new(&wire__fence_call__descriptor);
	request->fence->secret.data = mem_dup(secret, strlen(secret));
	request->fence->secret.len = strlen(secret);
	agents_ask(world->agents, id, AGENT_FENCE, deadline_ms, request);
}

/* ---------------------------------------------------------------- tests */

static void test_vm_answers(void)
{
	struct world world;

	world_open(&world, "well");
	agents_start(world.agents);
	expect(&world, "up news ");
	ask_vm(&world, 1, 5000);
	ask_vm(&world, 2, 5000);
	expect(&world, "1= 2= ");
	world_close(&world);
}

static void test_vm_is_not_there(void)
{
	struct world world;

	world_open(&world, "well");
	ask_vm(&world, 1, 5000);
	agents_refuse(world.agents, 2, AGENT_FENCE, "no key");
	/* Nothing is answered from within. */
	CU_ASSERT_EQUAL(world.told.len, 0);
	expect(&world, "1=NULL 2=FAILED:no-key ");
	world_close(&world);
}

static void test_vm_dies(void)
{
	struct world world;

	world_open(&world, "crash");
	agents_start(world.agents);
	expect(&world, "up news ");
	ask_vm(&world, 1, 5000);
	ask_vm(&world, 2, 5000);
	/* Death stands for all answers that it owed; then it is started again. */
	expect(&world, "down up news ");
	behave(&world, "well");
	ask_vm(&world, 3, 5000);
	ask_vm(&world, 4, 5000);
	expect(&world, "down up news ");
	ask_vm(&world, 5, 5000);
	expect(&world, "5= ");
	world_close(&world);
}

static void test_vm_never_starts(void)
{
	struct world world;

	uint64_t begun = shell_boot_ms();

	world_open(&world, "die");
	agents_start(world.agents);
	ask_vm(&world, 1, 5000);
	/* Not after so many tries to start it. */
	expect(&world, "1=NULL ");
	CU_ASSERT_TRUE(shell_boot_ms() - begun < 4000);
	behave(&world, "well");
	expect(&world, "up news ");
	world_close(&world);
}

static void test_vm_is_mute(void)
{
	struct world world;
	uint64_t begun;

	world_open(&world, "mute");
	agents_start(world.agents);
	expect(&world, "up news ");
	begun = shell_boot_ms();
	ask_vm(&world, 7, 100);
	expect(&world, "7=NULL ");
	CU_ASSERT_TRUE(shell_boot_ms() - begun >= 100 + AGENTS_OVERDUE_MS);
	world_close(&world);
}

static void test_fence_answers(void)
{
	struct world world;

	world_open(&world, "well");
	ask_fence(&world, 1, 5000, "password=geheim");
	expect(&world, "1=password=geheim ");
	world_close(&world);
}

static void test_fence_fails(void)
{
	struct world world;

	world_open(&world, "die");
	ask_fence(&world, 1, 60000, "x=y");
	expect(&world, "1=FAILED:clusterd-agent-fence-exited-with-status-7,-without-an-answer ");
	behave(&world, "crash");
	ask_fence(&world, 2, 60000, "x=y");
	expect(&world, "2=FAILED:clusterd-agent-fence-ended-by-signal-9,-without-an-answer ");
	link_self(&world, "clusterd-agent-fence", false);
	ask_fence(&world, 3, 60000, "x=y");
	expect(&world, "3=FAILED:clusterd-agent-fence-could-not-be-run,-without-an-answer ");
	link_self(&world, "clusterd-agent-fence", true);
	world_close(&world);
}

static void test_fence_hangs(void)
{
	struct world world;
	uint64_t begun = shell_boot_ms(), took;

	world_open(&world, "mute");
	ask_fence(&world, 1, 300, "x=y");
	expect(&world, "1=NULL ");
	took = shell_boot_ms() - begun;
	CU_ASSERT_TRUE(took >= 300 && took < 300 + AGENTS_OVERDUE_MS);
	world_close(&world);
}

/* Reads until it is that much; false: all who wrote are gone. */
static bool read_fifo(struct world *world, int fd, size_t len, struct buf *to)
{
	uint64_t begun = shell_boot_ms();

	while (to->len < len && shell_boot_ms() - begun < 15000) {
		char chunk[40];
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n > 0)
			buf_append(to, chunk, (size_t)n);
		else if (n == 0 && to->len > 0)
			return false;
		shell_timer_arm(&world->shell, &world->limit, 20, on_limit, world);
		qb_loop_run(world->shell.loop);
	}
	return true;
}

/* One that is given up ends with all that it started, before that has done anything. */
static void test_fence_is_cancelled(void)
{
	static const char *const behaviours[] = { "long", "long, stubborn" };
	struct world world;

	for (size_t i = 0; i < ARRAY_SIZE(behaviours); i++) {
		_cleanup_(buf_free) struct buf read_so_far = { 0 };
		char path[100];
		int fd;

		world_open(&world, behaviours[i]);
		snprintf(path, sizeof(path), "%s/fifo", world.dir);
		CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
		fd = open(path, O_RDONLY | O_NONBLOCK);
		ask_fence(&world, 1, 60000, "x=y");
		CU_ASSERT_TRUE(read_fifo(&world, fd, 6, &read_so_far));
		agents_cancel(world.agents, 1);
		agents_cancel(world.agents, 1);
		agents_cancel(world.agents, 77);
		CU_ASSERT_FALSE(read_fifo(&world, fd, 100, &read_so_far));
		CU_ASSERT_STRING_EQUAL(buf_str(&read_so_far), "began ");
		CU_ASSERT_EQUAL(world.told.len, 0);
		behave(&world, "well");
		ask_fence(&world, 2, 5000, "x=y");
		expect(&world, "2=x=y ");
		close(fd);
		unlink(path);
		world_close(&world);
	}
}

/* A vm agent that answers what a fence agent was asked proves nothing. */
static void test_vm_meddles(void)
{
	struct world world;

	world_open(&world, "meddle");
	agents_start(world.agents);
	expect(&world, "up news ");
	ask_fence(&world, 8, 20000, "");
	ask_vm(&world, 7, 20000);
	expect(&world, "7= ");
	ask_vm(&world, 9, 20000);
	expect(&world, "9= ");
	world_close(&world);
}

static void test_too_many_fences(void)
{
	struct world world;
	size_t none = 0;

	world_open(&world, "mute");
	for (uint64_t i = 1; i <= AGENTS_FENCE_MAX + 3; i++)
		ask_fence(&world, i, 60000, "x=y");
	shell_timer_arm(&world.shell, &world.limit, 300, on_limit, &world);
	qb_loop_run(world.shell.loop);
	for (const char *at = buf_str(&world.told); (at = strstr(at, "too-many")); at++)
		none++;
	CU_ASSERT_EQUAL(none, 3);
	world_close(&world);
}

UNIT_MAIN("clusterd/shell/agents", { "vm answers", test_vm_answers },
	  { "vm is not there", test_vm_is_not_there }, { "vm dies", test_vm_dies },
	  { "vm never starts", test_vm_never_starts }, { "vm is mute", test_vm_is_mute },
	  { "fence answers", test_fence_answers }, { "fence fails", test_fence_fails },
	  { "fence hangs", test_fence_hangs },
	  { "fence is cancelled", test_fence_is_cancelled },
	  { "vm meddles", test_vm_meddles }, { "too many fences", test_too_many_fences })
