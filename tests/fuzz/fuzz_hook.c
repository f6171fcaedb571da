/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What libvirt's hook reads from libvirt, from the daemon and from its own files, and what the
// daemon reads from the hook. The first byte of an input chooses.
//
// The other end of each socket is in this process, behind connect(), send(), open(), libqb's loop
// and local_socket.h; nothing is waited for.
//
// Covers: agents/hook_ask.c clusterd/shell/hook.c domain/metadata.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "agents/hook_ask.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/hook.h"
#include "clusterd/shell/local_socket.h"
#include "domain/metadata.h"
#include "tests/fuzz/commands.h"

const unsigned int fuzz_rounds = 10000;

enum { WHY_SIZE = 600 };

static const char vm_uuid[] = "00000000-0000-4000-8000-000000000001";

static void try_definition(struct fuzz_in in)
{
	struct hook_guest guest, before;
	int r;

	memset(&guest, 0xaa, sizeof(guest));
	before = guest;
	r = hook_read_xml(in.size ? (const char *)in.data : "", in.size, &guest);
	if (r < 0) {
		fuzz_must(r == -EBADMSG, "another error than promised");
		fuzz_must(memcmp(&guest, &before, sizeof(guest)) == 0,
			  "an output touched on failure");
		return;
	}
	fuzz_must(strlen(guest.uuid) == HOOK_UUID_SIZE - 1, "no uuid");
	fuzz_must(strspn(guest.uuid, "0123456789abcdefABCDEF-") == HOOK_UUID_SIZE - 1, "a path");
	fuzz_must(guest.marked || (guest.vm == 0 && guest.generation == 0), "a mark from nowhere");
}

/* The short reader and the thorough one see the same mark in what libvirt writes. */
static void try_mark(struct fuzz_in in)
{
	uint64_t vm = fuzz_number(&in), generation = fuzz_number(&in);
	_cleanup_(buf_free) struct buf xml = { 0 };
	struct hook_guest guest;
	struct domain_mark mark;

	buf_printf(&xml, "<domain type='kvm'><name>a</name><uuid>%s</uuid><metadata>"
		   "<clusterd:vm xmlns:clusterd=\"https://clusterd.example/xmlns/domain/1\" "
		   "id=\"%llu\" generation=\"%llu\"/></metadata></domain>", vm_uuid,
		   (unsigned long long)vm, (unsigned long long)generation);
	fuzz_must(hook_read_xml(buf_str(&xml), xml.len, &guest) == 0, "a definition of ours");
	fuzz_must(guest.marked && guest.vm == vm && guest.generation == generation, "its mark");
	if (domain_metadata(buf_str(&xml), xml.len, &mark) == 0)
		fuzz_must(mark.vm == vm && mark.generation == generation &&
				  strcmp(mark.uuid, guest.uuid) == 0, "two readers differ");
}

static void try_reply(struct fuzz_in in)
{
	char why[WHY_SIZE] = "untouched";
	enum hook_answer answer = hook_judge(in.size ? (const char *)in.data : "", in.size, why,
					     sizeof(why));

	fuzz_must(strlen(why) < sizeof(why), "too long");
	fuzz_must((answer == HOOK_MAY) == (strcmp(why, "untouched") == 0) ||
			  answer == HOOK_MAY_NOT, "a reason for a yes, or none for silence");
}

static struct core *core_of_cluster(void)
{
	const struct core_config config = { .node = 2, .boot_id = COMMANDS_BOOT + 2, .disk_id = 2,
					    .kernel_boot_id = "k", .random = 1 };
	struct core *core = core_new(&config);

	fuzz_must(commands_load(core) == 0, "the base cannot be loaded");
	return core;
}

static void check_answer(const struct core *core, const struct fuzz_in *in)
{
	char reply[HOOK_REPLY_MAX], again[HOOK_REPLY_MAX];
	const char *text = in->size ? (const char *)in->data : "";
	size_t size = hook_answer(core, text, in->size, HOOK_NOT_ASKED, reply);
	json_t *json = json_loadb(reply, size, 0, NULL);
	const json_t *ok = json_object_get(json, "ok");
	const char *why = json_string_value(json_object_get(json, "why"));

	fuzz_must(json_is_boolean(ok) && why, "no answer");
	fuzz_clean(why, WHY_SIZE, "a reason");
	fuzz_must(json_is_true(ok) || *why, "a no without a reason");
	/* It runs on node 1, in an epoch that is not open: here it may not, whatever is said. */
	if (core && memmem(text, in->size, vm_uuid, strlen(vm_uuid)))
		fuzz_must(json_is_false(ok) ||
				  !json_is_true(json_object_get(json, "managed")),
			  "a guest may run twice");
	fuzz_must(hook_answer(core, text, in->size, HOOK_NOT_ASKED, again) == size &&
			  memcmp(reply, again, size) == 0, "another answer the second time");
	json_decref(json);
}

static void try_question(struct fuzz_in in)
{
	struct core *core = fuzz_byte(&in) % 4 ? core_of_cluster() : NULL;

	check_answer(core, &in);
	core_free(core);
}

/* ---------------------------------------------------------------- the hook asks */

static struct {
	int peer;	/* the daemon's end; -1: nobody is connected */
	int error;	/* of connect() */
	bool hangs_up;
	struct fuzz_in reply;
} daemon_of = { .peer = -1 };

static void hang_up(void)
{
	if (daemon_of.peer >= 0)
		close(daemon_of.peer);
	daemon_of.peer = -1;
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int pair[2];

	if (daemon_of.error) {
		errno = daemon_of.error;
		return -1;
	}
	hang_up();
	fuzz_must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "no sockets");
	dup2(pair[0], fd);
	close(pair[0]);
	daemon_of.peer = pair[1];
	return 0;
}

/* The answer is there as soon as it is asked for, or never. */
ssize_t send(int fd, const void *data, size_t size, int flags)
{
	json_t *question;

	if (daemon_of.peer < 0)
		return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
	question = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
	fuzz_must(json_is_object(question), "a question that no daemon understands");
	json_decref(question);
	if (!daemon_of.hangs_up)
		syscall(SYS_sendto, daemon_of.peer, daemon_of.reply.data, daemon_of.reply.size,
			MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	hang_up();
	return (ssize_t)size;
}

static void try_ask(struct fuzz_in in)
{
	static const int errors[] = { 0, 0, 0, ENOENT, EAGAIN, ECONNREFUSED };
	struct hook_question question = { .uuid = vm_uuid, .what = "start" };
	char why[WHY_SIZE] = "untouched";
	enum hook_answer answer;
	uint8_t how = fuzz_byte(&in);

	daemon_of.error = errors[fuzz_below(&in, ARRAY_SIZE(errors))];
	daemon_of.hangs_up = how & 1;
	daemon_of.reply = in;
	question.marked = how & 2;
	/* With no time left it does not wait. */
	question.deadline_ms = how & 4 || daemon_of.error ? 0 : hook_now_ms() + 2000;
	answer = hook_ask(how & 8 ? "/run/clusterd/hook.sock" :
		"/a/path/that/is/longer/than/what/has/a/place/in/the/address/of/a/local/socket/of/"
		"this/machine/of/all/machines/hook.sock", &question, why, sizeof(why));
	hang_up();
	fuzz_must(strlen(why) < sizeof(why), "too long");
	if (answer == HOOK_MAY)
		fuzz_must(how & 8 && !(how & 5) && !daemon_of.error && in.size > 0 &&
				  memmem(in.data, in.size, "true", 4), "a yes from nowhere");
	else
		fuzz_must(strcmp(why, "untouched") != 0, "no reason");
}

/* ---------------------------------------------------------------- its files */

static int kept = -1;		/* the file of the guest, whatever is in it */
static bool kept_is_there;

int open(const char *path, int flags, ...)
{
	static const char ours[] = "/run/fuzz/hook-";
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (strncmp(path, ours, strlen(ours)) != 0)
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (!kept_is_there && !(flags & O_CREAT)) {
		errno = ENOENT;
		return -1;
	}
	kept_is_there = true;
	if (flags & O_TRUNC)
		fuzz_must(ftruncate(kept, 0) == 0, "it cannot be cut");
	lseek(kept, 0, SEEK_SET);
	return dup(kept);
}

int unlink(const char *path)
{
	kept_is_there = false;
	return 0;
}

/* What is announced is found again by the same guest, with the same mark, and by no other. */
static void check_announced(struct hook_guest guest, const char *question)
{
	const char *found;

	hook_announce("/run/fuzz", &guest, question);
	found = hook_announced("/run/fuzz", &guest);
	fuzz_must(found && strcmp(found, question) == 0, "what was announced is lost");
	guest.generation++;
	fuzz_must(!hook_announced("/run/fuzz", &guest), "the start of another life");
	guest.generation--;
	hook_forget("/run/fuzz", &guest);
	fuzz_must(!hook_announced("/run/fuzz", &guest), "it is not forgotten");
}

static void try_announcement(struct fuzz_in in)
{
	struct hook_guest guest = { .marked = true };
	const char *found;

	snprintf(guest.uuid, sizeof(guest.uuid), "%s", vm_uuid);
	guest.vm = fuzz_number(&in);
	guest.generation = fuzz_number(&in);
	if (kept < 0)
		kept = memfd_create("fuzz_hook", MFD_CLOEXEC);
	fuzz_must(ftruncate(kept, 0) == 0 &&
			  pwrite(kept, in.data, in.size, 0) == (ssize_t)in.size, "the file");
	kept_is_there = true;
	found = hook_announced("/run/fuzz", &guest);
	fuzz_must(!found || strcmp(found, "incoming") == 0 || strcmp(found, "restore") == 0,
		  "announced is what nobody announces");
	check_announced(guest, "incoming");
	check_announced(guest, "restore");
}

/* ---------------------------------------------------------------- the daemon's socket */

enum { WATCHED_MAX = HOOK_CLIENTS_MAX + 1, STEPS_MAX = 60 };

static struct {
	struct {
		int fd;
		void *context;
		qb_loop_poll_dispatch_fn call;
	} watched[WATCHED_MAX];
	int clients[STEPS_MAX];
	unsigned int clients_n;
	bool trusted;
	time_t later_s;
} side;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock == CLOCK_BOOTTIME)
		ret->tv_sec += side.later_s;
	return r;
}

int32_t qb_loop_poll_add(qb_loop_t *loop, enum qb_loop_priority priority, int32_t fd,
			 int32_t events, void *context, qb_loop_poll_dispatch_fn call)
{
	for (size_t i = 0; i < WATCHED_MAX; i++)
		if (!side.watched[i].call) {
			side.watched[i].fd = fd;
			side.watched[i].context = context;
			side.watched[i].call = call;
			return 0;
		}
	fuzz_must(false, "more callers than there are places");
	return -1;
}

int32_t qb_loop_poll_del(qb_loop_t *loop, int32_t fd)
{
	for (size_t i = 0; i < WATCHED_MAX; i++)
		if (side.watched[i].call && side.watched[i].fd == fd)
			side.watched[i].call = NULL;
	return 0;
}

long local_group(const char *name)
{
	return LOCAL_GROUP_NONE;
}

int local_listen(const char *path, mode_t mode, long group, int *ret_fd)
{
	fuzz_must(mode == 0600, "others may ask, too");
	*ret_fd = eventfd(0, EFD_CLOEXEC);
	return 0;
}

int local_accept(int listener, long group, struct local_peer *ret_peer, int *ret_fd)
{
	int pair[2];

	if (side.clients_n == STEPS_MAX ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -EAGAIN;
	*ret_peer = (struct local_peer){ .trusted = side.trusted };
	*ret_fd = pair[0];
	side.clients[side.clients_n++] = pair[1];
	return 0;
}

/* Whatever is ready is looked at, as the loop does. */
static void turn(void)
{
	for (size_t i = 1; i < WATCHED_MAX; i++)
		if (side.watched[i].call)
			side.watched[i].call(side.watched[i].fd, 0, side.watched[i].context);
}

/* Each question got one answer; who may not ask gets none. */
static void check_reply(int client, bool asked)
{
	char reply[HOOK_REPLY_MAX + 1];
	ssize_t size = recv(client, reply, sizeof(reply), MSG_DONTWAIT);
	json_t *json = size > 0 ? json_loadb(reply, (size_t)size, 0, NULL) : NULL;

	fuzz_must(size <= 0 || (asked && json_is_boolean(json_object_get(json, "ok"))),
		  "an answer that nobody understands");
	fuzz_must(recv(client, reply, sizeof(reply), MSG_DONTWAIT) <= 0, "two answers");
	json_decref(json);
}

static void ask(struct fuzz_in *in)
{
	struct fuzz_in block = fuzz_block(in);
	int client = side.clients_n ? side.clients[fuzz_byte(in) % side.clients_n] : -1;

	if (client < 0 || block.size == 0)
		return;
	send(client, block.data, block.size, MSG_DONTWAIT | MSG_NOSIGNAL);
	turn();
	check_reply(client, true);
}

static void come(struct fuzz_in *in)
{
	side.trusted = fuzz_below(in, 4) != 3;
	side.watched[0].call(side.watched[0].fd, 0, side.watched[0].context);
	if (side.clients_n && !side.trusted)
		fuzz_must(recv(side.clients[side.clients_n - 1], &(char){ 0 }, 1, 0) == 0,
			  "somebody else is heard");
}

static void leave(struct fuzz_in *in)
{
	if (side.clients_n)
		shutdown(side.clients[fuzz_byte(in) % side.clients_n], SHUT_RDWR);
	turn();
}

static void pass(struct fuzz_in *in)
{
	side.later_s += fuzz_byte(in);
}

static void try_daemon(struct fuzz_in in)
{
	static void (*const steps[])(struct fuzz_in *in) = { come, ask, leave, pass };
	const struct shell shell = { 0 };
	struct hook *hook = NULL;

	memset(&side, 0, sizeof(side));
	fuzz_must(hook_new(&shell, "/run/fuzz", &hook) == 0, "no socket");
	for (int n = 0; n < STEPS_MAX && in.size > 0; n++)
		steps[fuzz_below(&in, ARRAY_SIZE(steps))](&in);
	hook_free(hook);
	for (size_t i = 0; i < WATCHED_MAX; i++)
		fuzz_must(!side.watched[i].call, "one is waited for still");
	for (unsigned int i = 0; i < side.clients_n; i++)
		close(side.clients[i]);
}

static void (*const tries[])(struct fuzz_in in) = {
	try_definition, try_mark, try_reply, try_question, try_ask, try_announcement, try_daemon,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };

	tries[fuzz_below(&in, ARRAY_SIZE(tries))](in);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
#define UUID "00000000-0000-4000-8000-000000000001"
#define QUESTION(op, more) "{\"do\":\"may-run\",\"uuid\":\"" UUID "\",\"op\":\"" op "\"" more "}"
#define TEXT(text) text, sizeof(text) - 1
#define COME8 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	static const struct {
		uint8_t kind;
		const char *text;
		size_t size;
	} seeds[] = {
		{ 0, TEXT("<domain type='kvm' id='3'>\n  <name>web1</name>\n  <uuid>" UUID
			  "</uuid>\n  <metadata>\n    <clusterd:vm xmlns:clusterd=\"https://"
			  "clusterd.example/xmlns/domain/1\" id=\"9\" generation=\"1\"/>\n"
			  "  </metadata>\n</domain>") },
		{ 0, TEXT("<domain><uuid>" UUID "</uuid><metadata></metadata></domain>") },
		{ 1, TEXT("\x09\x01") },
		{ 2, TEXT("{\"ok\":true,\"why\":\"\",\"managed\":true}") },
		{ 2, TEXT("{\"ok\":false,\"why\":\"it runs on n1\"}") },
		{ 2, TEXT("{\"ok\":false}") },
		{ 3, TEXT("\x01" QUESTION("start", "")) },
		{ 3, TEXT("\x01" QUESTION("restore", ",\"marked\":true")) },
		{ 3, TEXT("\x01" QUESTION("incoming", ",\"marked\":false")) },
		{ 3, TEXT("\x01{\"do\":\"may-run\",\"uuid\":\"x\",\"op\":\"start\","
			  "\"marked\":true}") },
		{ 3, TEXT("\x04" QUESTION("start", "")) },
		{ 3, TEXT("\x01[]") },
		{ 4, TEXT("\x08\0{\"ok\":true,\"why\":\"\"}") },
		{ 4, TEXT("\x08\0{\"ok\":false,\"why\":\"it runs on n1\"}") },
		{ 4, TEXT("\x09\0") },
		{ 4, TEXT("\x0c\0") },
		{ 4, TEXT("\0\0") },
		{ 4, TEXT("\x08\3") },
		{ 4, TEXT("\x08\4") },
		{ 5, TEXT("\x09\1incoming 1 9 1\n") },
		{ 5, TEXT("\x09\1start 1 9 1\n") },
		{ 6, TEXT("\0\0\1\x05\0hello\0\1\x02\0{}\0\2\0\0\3") },
		/* More than there are places for, and one when the oldest had its time. */
		{ 6, TEXT(COME8 COME8 COME8 COME8 COME8 "\3\x50\0\0\1\x02\0{}\x13") },
	};

	if (n >= ARRAY_SIZE(seeds))
		return false;
	buf_append_byte(out, seeds[n].kind);
	buf_append(out, seeds[n].text, seeds[n].size);
	return true;
}
