/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What arrives on the operator socket, of somebody who may change things and of one who may only
// read, or not even that. An input is a script (fuzz.h): who it is, then one block a request.
//
// Covers: clusterd/shell/operator_client.c clusterd/shell/operator_read.c
// clusterd/shell/operator_write.c clusterd/shell/operator_write_vm.c
#include "tests/fuzz/fuzz.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply.h"
#include "clusterd/shell/operator_private.h"
#include "clusterd/shell/operator_write.h"
#include "clusterd/shell/seal.h"
#include "tests/fuzz/commands.h"
#include "wire/check.h"
#include "wire/command.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 3000;

enum { REQUESTS_MAX = 6, TURNS_MAX = 200, REFUSAL_MAX = 700 };

/* A request with this in its secret and nowhere else: it must never be seen again. */
static const char secret[] = "S3cr3tW0rd";

struct desk {
	struct shell shell;
	struct operator operator;
	struct client *client;
	int fd;			/* the other end */
	Wire__Command *command;	/* that the client has asked for */
	uint64_t tag;
	bool hidden;		/* the request has the secret in its place */
	json_int_t seq;
	bool answered;
};

/* ---------------------------------------------------------------- what there is */

static const struct core *cluster(void)
{
	const struct core_config config = { .node = 2, .boot_id = COMMANDS_BOOT + 2, .disk_id = 2,
					    .kernel_boot_id = "k", .random = 1 };
	static struct core *core;

	if (core)
		return core;
	core = core_new(&config);
	fuzz_must(commands_load(core) == 0, "the base cannot be loaded");
	return core;
}

static const char *key_file(void)
{
	static const uint8_t key[SEAL_KEY_SIZE] = "a key";
	static char path[40];
	int fd;

	if (*path)
		return path;
	fd = memfd_create("fuzz_key", MFD_CLOEXEC);
	fuzz_must(fchmod(fd, 0600) == 0 && write(fd, key, sizeof(key)) == sizeof(key), "no key");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static void take_event(void *context, struct event *event)
{
	struct desk *desk = context;

	fuzz_must(event->kind == EVENT_CLIENT && !desk->command, "another event");
	fuzz_must(desk->client->peer.trusted, "somebody who may only read asks for a change");
	desk->command = wire_dup(&event->client.command->base);
	desk->tag = event->client.tag;
}

static void desk_open(struct desk *desk, uint8_t who)
{
	static qb_loop_t *loop;
	int pair[2];

	if (!loop)
		loop = qb_loop_create();
	fuzz_must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "no sockets");
	*desk = (struct desk){ .shell = { loop, take_event, NULL, desk }, .fd = pair[1] };
	desk->operator = (struct operator){
		.shell = &desk->shell,
		.config = { "/run", key_file(), who & 2, COMMANDS_BOOT + 2 },
		.core = who & 4 ? NULL : cluster(), .node = 2, .listener = -1,
		.next_tag = 1, .clients_n = 1, .strangers_n = !(who & 1),
	};
	desk->client = mem_new(struct client);
	*desk->client = (struct client){ .operator = &desk->operator, .fd = pair[0],
					 .unsent_fd = -1, .id = json_null(),
					 .peer = { .trusted = who & 1 } };
	snprintf(desk->client->peer.name, sizeof(desk->client->peer.name), "somebody(7)");
	desk->operator.clients = desk->client;
	fuzz_must(qb_loop_poll_add(loop, QB_LOOP_MED, pair[0], POLLIN, desk->client,
				   operator_client_on_event) == 0, "no poll");
}

static void desk_close(struct desk *desk)
{
	operator_client_drop(desk->client);
	operator_client_free(desk->client);
	close(desk->fd);
	wire_free(desk->command);
}

/* ---------------------------------------------------------------- what comes back */

static void check_error(const json_t *error)
{
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "text"));

	fuzz_must(code && text, "a refusal without its reason");
	fuzz_sentence(code, 30, "a code");
	fuzz_must(*text && strlen(text) <= WIRE_TEXT_MAX + REFUSAL_MAX &&
			  wire_text_ok(text, strlen(text), true), "a refusal that is not clean");
}

static void check_record(struct desk *desk, const char *text, size_t size, const json_t *id)
{
	json_t *record = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const json_t *last = json_object_get(record, "last"), *ok = json_object_get(record, "ok");

	fuzz_must(record && json_is_boolean(last) && json_is_boolean(ok), "no record");
	fuzz_must(size <= OPERATOR_RECORD_MAX, "a record beyond its limit");
	fuzz_must(!desk->hidden || !memmem(text, size, secret, strlen(secret)), "a secret is told");
	fuzz_must(!desk->answered, "more after the last record");
	fuzz_must(json_integer_value(json_object_get(record, "seq")) == desk->seq++, "a gap");
	if (json_is_integer(id))
		fuzz_must(json_equal(json_object_get(record, "id"), id) ||
				  json_is_null(json_object_get(record, "id")), "another's answer");
	if (json_is_true(ok)) {
		fuzz_must(json_object_get(record, "data"), "a success without data");
		fuzz_must(desk->client->peer.trusted || desk->operator.config.read_all,
			  "told to somebody who may not read");
	} else {
		fuzz_must(json_is_true(last), "something after a refusal");
		check_error(json_object_get(record, "error"));
	}
	desk->answered = json_is_true(last);
	json_decref(record);
}

static size_t take_records(struct desk *desk, const json_t *id)
{
	static char text[4 * OPERATOR_RECORD_MAX];
	size_t n = 0;
	ssize_t size;

	while ((size = recv(desk->fd, text, sizeof(text), MSG_DONTWAIT)) > 0) {
		check_record(desk, text, (size_t)size, id);
		n++;
	}
	return n;
}

/* What is asked of the core must be fit for the log, and no more than an operator may. */
static void check_command(struct desk *desk)
{
	static const unsigned int allowed[] = {
		WIRE__COMMAND__BODY_VM_REMOVE, WIRE__COMMAND__BODY_VM_SET,
		WIRE__COMMAND__BODY_VM_WANT, WIRE__COMMAND__BODY_VM_MOVE,
		WIRE__COMMAND__BODY_VM_CANCEL, WIRE__COMMAND__BODY_VM_ACCEPT,
		WIRE__COMMAND__BODY_FENCE_REMOVE, WIRE__COMMAND__BODY_FENCE_TEST,
		WIRE__COMMAND__BODY_VOLUME_ADD, WIRE__COMMAND__BODY_VOLUME_REMOVE,
		WIRE__COMMAND__BODY_SETTING_SET, WIRE__COMMAND__BODY_NODE_SET,
		WIRE__COMMAND__BODY_VM_ADD, WIRE__COMMAND__BODY_VM_EDIT,
		WIRE__COMMAND__BODY_FENCE_ADD,
	};
	_cleanup_(buf_free) struct buf packed = { 0 };
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		known |= desk->command->body_case == allowed[i];
	fuzz_must(known, "a command that no operator has");
	fuzz_must(wire_command_pack(desk->command, &packed, NULL) == 0, "unfit for the log");
	fuzz_must(!desk->hidden || !memmem(packed.data, packed.len, secret, strlen(secret)),
		  "a secret in clear");
	fuzz_must(desk->command->request && desk->command->node == 2 &&
			  strstr(desk->command->who, "somebody(7)"), "not signed");
}

static void carry_out(struct desk *desk)
{
	struct state *state = state_new();
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Entry entry = WIRE__ENTRY__INIT;
	Wire__Verdict *verdict = NULL;
	struct update update;
	uint64_t request;

	check_command(desk);
	commands_base(state);
	wire_pack(&desk->command->base, &packed);
	entry.index = state_index(state) + 1;
	entry.epoch = 2;
	entry.command.data = packed.data;
	entry.command.len = packed.len;
	update_init(&update);
	apply_entry(state, &entry, &update, &verdict, &request);
	wire_free(desk->command);
	desk->command = NULL;
	operator_answer(&desk->operator, desk->tag, verdict);
	wire_free(verdict);
	update_reset(&update);
	state_free(state);
}

/* ---------------------------------------------------------------- requests */

static bool has_hidden(const json_t *request, const struct fuzz_in *block)
{
	const char *value = json_string_value(json_object_get(request, "secret"));
	const uint8_t *first = memmem(block->data, block->size, secret, strlen(secret));
	size_t behind = first ? block->size - (size_t)(first + 1 - block->data) : 0;

	return value && strstr(value, secret) && first &&
	       !memmem(first + 1, behind, secret, strlen(secret));
}

static void ask(struct desk *desk, const struct fuzz_in *block)
{
	json_t *request = json_loadb((const char *)block->data, block->size,
				     JSON_REJECT_DUPLICATES, NULL);
	json_t *id = json_object_get(request, "id");
	struct client *client = desk->client;

	desk->seq = 0;
	desk->answered = false;
	desk->hidden = has_hidden(request, block);
	fuzz_must(send(desk->fd, block->data, block->size, MSG_DONTWAIT) == (ssize_t)block->size,
		  "cannot ask");
	operator_client_on_event(client->fd, POLLIN, client);
	if (desk->command)
		carry_out(desk);
	for (int turns = 0; turns < TURNS_MAX; turns++) {
		size_t n = take_records(desk, id);

		if (client->dead || client->state == IDLE || (n == 0 && client->caught_up))
			break;
		operator_client_on_event(client->fd, POLLOUT, client);
	}
	take_records(desk, id);
	fuzz_must(!client->dead, "somebody who asks is hung up on");
	fuzz_must(desk->answered || client->state == READING, "no answer");
	json_decref(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct desk desk;

	desk_open(&desk, fuzz_byte(&in));
	for (int i = 0; i < REQUESTS_MAX && in.size > 0 && desk.client->state == IDLE; i++) {
		struct fuzz_in block = fuzz_block(&in);

		/* An empty record is the end of a connection. */
		if (block.size > 0)
			ask(&desk, &block);
	}
	desk_close(&desk);
	return 0;
}

/* ---------------------------------------------------------------- seeds */

#define XML(name)                                                                                  \
	"<domain type='kvm'><os><type>hvm</type></os><name>" name "</name><memory>4096</memory>"   \
	"<devices><disk type='file'><driver name='qemu' type='raw'/><source "                      \
	"file='/clusterstorage/shared/x'/><target dev='vda'/></disk></devices></domain>"

static const struct {
	uint8_t who;
	const char *requests[4];
} seeds[] = {
	{ 3, { "{\"id\":1,\"do\":\"status\"}", "{\"id\":2,\"do\":\"nodes\"}",
	       "{\"id\":3,\"do\":\"vms\"}", "{\"id\":4,\"do\":\"settings\"}" } },
	{ 2, { "{\"id\":1,\"do\":\"node\",\"name\":\"n1\"}",
	       "{\"id\":2,\"do\":\"vm\",\"name\":\"web1\"}",
	       "{\"id\":3,\"do\":\"dumpxml\",\"name\":\"web1\"}",
	       "{\"id\":4,\"do\":\"progress\",\"name\":\"web1\"}" } },
	{ 2, { "{\"id\":1,\"do\":\"fences\"}", "{\"id\":2,\"do\":\"volumes\"}",
	       "{\"id\":3,\"do\":\"operations\"}",
	       "{\"id\":4,\"do\":\"operation\",\"operation\":13}" } },
	{ 2, { "{\"id\":1,\"do\":\"events\",\"after\":5,\"limit\":2}",
	       "{\"id\":2,\"do\":\"events\",\"follow\":true}" } },
	{ 3, { "{\"id\":1,\"do\":\"vm-add\",\"xml\":\"" XML("new") "\",\"wanted\":\"stopped\","
	       "\"ha\":false,\"priority\":\"high\",\"possible_owners\":[\"n1\",\"n2\"]}",
	       "{\"id\":2,\"do\":\"vm-edit\",\"name\":\"web1\",\"xml\":\"" XML("web1") "\"}" } },
	{ 3, { "{\"id\":1,\"do\":\"fence-add\",\"name\":\"f\",\"agent\":\"fence_ipmilan\","
	       "\"params\":{\"ip\":\"10.0.0.1\"},\"targets\":[{\"node\":\"n1\",\"plug\":\"7\"}],"
	       "\"secret\":\"password=S3cr3tW0rd\\n\"}",
	       "{\"id\":2,\"do\":\"fence-add\",\"name\":\"f\",\"agent\":\"fence_x\",\"secret\":"
	       "\"S3cr3tW0rd\",\"targets\":[]}",
	       "{\"id\":3,\"do\":\"fence-add\",\"name\":\"f\",\"params\":{\"passwd\":\"a\"}}" } },
	{ 3, { "{\"id\":1,\"do\":\"command\",\"command\":{\"vm_want\":{\"name\":\"web1\","
	       "\"wanted\":\"stopped\"}},\"request\":\"0x12\"}",
	       "{\"id\":2,\"do\":\"command\",\"command\":{\"vm_set\":{\"name\":\"web1\","
	       "\"changes\":[{\"key\":\"prefer\",\"value\":\"n1,n2\"}]}}}",
	       "{\"id\":3,\"do\":\"command\",\"command\":{\"genesis\":{}}}",
	       "{\"id\":4,\"do\":\"command\",\"command\":{\"setting_set\":{\"name\":"
	       "\"fence.budget\",\"value\":\"3\"}}}" } },
	{ 1, { "{\"id\":-1,\"do\":\"status\"}", "[]", "{", "{\"id\":1,\"do\":\"nothing\"}" } },
	{ 0, { "{\"id\":1,\"do\":\"status\"}" } },
	{ 7, { "{\"id\":1,\"do\":\"status\"}" } },
};

bool fuzz_seed(unsigned int n, struct buf *out)
{
	if (n >= ARRAY_SIZE(seeds))
		return false;
	buf_append_byte(out, seeds[n].who);
	for (size_t i = 0; i < ARRAY_SIZE(seeds[n].requests) && seeds[n].requests[i]; i++)
		fuzz_put_block(out, seeds[n].requests[i], strlen(seeds[n].requests[i]));
	return true;
}
