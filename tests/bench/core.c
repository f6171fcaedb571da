/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one core costs, in time and memory: the leader of a cluster of so many nodes and VMs. It is
 * a real one, with a store that is made up; of the other nodes there is nothing but the frames
 * that they would send. One more real core joins in the end, with an empty disk, for a snapshot.
 * See tests/bench/README.md.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/core.h"
#include "wire/command.h"
#include "wire/message.h"

enum {
	BOOT_ID = 100, DISK_ID = 500,	/* plus the node's id */
	STORE_INDEX = 1000, STORE_EPOCH = 5,
	VM_ID = 100,			/* plus its number */
	XML_BYTES = 6000,
	COMMANDS = 3000,
	CHANGE_EVERY = 4,		/* chunks of a snapshot */
};

struct series {
	uint64_t *ns;
	size_t n, cap;
};

/* A core, and what its steps have cost since it was asked last. */
struct subject {
	struct core *core;
	uint32_t node;
	uint64_t batch, total_ns, longest_ns;
};

struct flight {
	struct buf frame;
	uint32_t sender;
};

struct bench {
	uint32_t nodes, vms;
	struct subject leader, joiner;	/* a joiner without a core is not there */
	struct flight *flights;
	size_t first, last, cap;
	struct frame_round round;
	uint64_t epoch, now_ms, snapshot_bytes;
	size_t snapshot_chunks;
	struct series nothing, commit, command;
};

/* ------------------------------------------------------------------ numbers */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Of this process alone, whatever else the machine does; for steps beside which asking is cheap. */
static uint64_t worked_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void note(struct series *series, uint64_t ns)
{
	if (series->n == series->cap) {
		series->cap = series->cap ? series->cap * 2 : 1024;
		series->ns = mem_resize(series->ns, series->cap, sizeof(*series->ns));
	}
	series->ns[series->n++] = ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_series(const char *name, struct series *series)
{
	assert(series->n > 0);
	qsort(series->ns, series->n, sizeof(*series->ns), compare);
	printf("    \"%s\": {\"median\": %.2f, \"p99\": %.2f, \"n\": %zu},\n", name,
	       (double)series->ns[series->n / 2] / 1e3,
	       (double)series->ns[series->n * 99 / 100] / 1e3, series->n);
	free(series->ns);
	*series = (struct series){ 0 };
}

static double memory_mib(const char *which)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[200];
	unsigned long kib = 0;

	assert(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, which, strlen(which)) == 0)
			kib = strtoul(line + strlen(which), NULL, 10);
	fclose(file);
	assert(kib > 0);
	return (double)kib / 1024;
}

static double rss_mib(void)
{
	return memory_mib("VmRSS:");
}

/* The most since it was forgotten. */
static double peak_mib(void)
{
	return memory_mib("VmHWM:");
}

static void forget_peak(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "w");

	assert(file && fputs("5", file) >= 0);
	fclose(file);
}

/* ------------------------------------------------------------------ the store */

static void load_record(struct core *core, uint32_t table, uint64_t id,
			const ProtobufCMessage *record)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	int r;

	wire_pack(record, &packed);
	r = core_load_record(core, table, id, packed.data, packed.len);
	assert(r == 0);
}

static void load_cluster(struct core *core)
{
	Wire__Cluster cluster = WIRE__CLUSTER__INIT;
	uint32_t voters[] = { 1, 2, 3 };

	cluster.id = 1;
	cluster.name = (char *)"bench";
	cluster.uuid = (char *)"12345678-9abc-4def-8123-456789abcdef";
	cluster.voters = voters;
	cluster.n_voters = ARRAY_SIZE(voters);
	load_record(core, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster.base);
}

static void load_node(struct core *core, uint32_t id)
{
	Wire__Node node = WIRE__NODE__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	char name[16];

	snprintf(name, sizeof(name), "n%" PRIu32, id);
	node.id = id;
	node.name = node.address = name;
	node.state = WIRE__NODE__STATE__UP;
	node.incarnation = 1;
	node.kernel_boot_id = (char *)"first boot";
	node.boot_id = BOOT_ID + id;
	node.disk_id = DISK_ID + id;
	facts.memory_mib = 1024 * 1024;
	facts.agent_ok = true;
	node.facts = &facts;
	load_record(core, WIRE__TABLE__TABLE_NODE, id, &node.base);
}

static uint32_t owner_of(const struct bench *bench, uint32_t vm)
{
	return vm % bench->nodes + 1;
}

static void load_vm(const struct bench *bench, struct core *core, uint32_t number)
{
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	Wire__Disk disk = WIRE__DISK__INIT, *disks = &disk;
	Wire__Holder holder = WIRE__HOLDER__INIT, *holders = &holder;
	char name[32], uuid[40], source[80], xml[XML_BYTES + 1];

	snprintf(name, sizeof(name), "vm-%" PRIu32, number);
	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012" PRIx32, number);
	snprintf(source, sizeof(source), "/clusterstorage/shared/vm-%" PRIu32 ".qcow2", number);
	memset(xml, 'x', XML_BYTES);
	xml[XML_BYTES] = '\0';
	disk.target = (char *)"vda";
	disk.source = source;
	essence.memory_mib = 1024;
	essence.vcpus = 1;
	essence.virt_type = (char *)"kvm";
	essence.disks = &disks;
	essence.n_disks = 1;
	essence.digest = 1;
	holder.node = owner_of(bench, number);
	holder.incarnation = 1;
	vm.id = VM_ID + number;
	vm.name = name;
	vm.uuid = uuid;
	vm.xml = xml;
	vm.essence = &essence;
	vm.wanted = WIRE__VM__WANTED__RUNNING;
	vm.phase = WIRE__VM__PHASE__RUN;
	vm.owner = vm.last_node = holder.node;
	vm.generation = 1;
	vm.maybe = &holders;
	vm.n_maybe = 1;
	vm.seen = WIRE__VM__SEEN__ACTIVE;
	load_record(core, WIRE__TABLE__TABLE_VM, vm.id, &vm.base);
}

static struct core *new_core(uint32_t node, uint64_t disk_id)
{
	struct core_config config = {
		.node = node,
		.boot_id = BOOT_ID + node,
		.disk_id = disk_id,
		.kernel_boot_id = "first boot",
		.random = node,
	};

	return core_new(&config);
}

static struct core *load(const struct bench *bench)
{
	struct core *core = new_core(1, DISK_ID + 1);
	int r;

	core_load_promise(core, STORE_EPOCH);
	core_load_applied(core, STORE_INDEX, STORE_EPOCH);
	load_cluster(core);
	for (uint32_t id = 1; id <= bench->nodes; id++)
		load_node(core, id);
	for (uint32_t number = 0; number < bench->vms; number++)
		load_vm(bench, core, number);
	r = core_load_done(core);
	assert(r == 0);
	return core;
}

/* ------------------------------------------------------------------ steps */

static void send(struct bench *bench, uint32_t sender, struct buf *frame)
{
	if (bench->last == bench->cap) {
		bench->cap = bench->cap ? bench->cap * 2 : 64;
		bench->flights = mem_resize(bench->flights, bench->cap, sizeof(*bench->flights));
	}
	bench->flights[bench->last++] = (struct flight){ *frame, sender };
	*frame = (struct buf){ 0 };
}

/* A frame of a node that is made up. */
static void forge(struct bench *bench, uint32_t sender, uint16_t type,
		  const ProtobufCMessage *body)
{
	static const uint8_t cluster[16] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef,
					     0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	struct frame_header header = {
		.type = type,
		.round = bench->round,
		.epoch = type == FRAME_HELLO ? 0 : bench->epoch,
		.boot_id = BOOT_ID + sender,
	};
	struct buf frame = { 0 };
	int r;

	memcpy(header.cluster, cluster, sizeof(cluster));
	r = frame_encode(&header, body, &frame);
	assert(r == 0);
	send(bench, sender, &frame);
}

static void forge_command(struct bench *bench, uint32_t sender, Wire__Command *command)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Append append = WIRE__APPEND__INIT;
	int r;

	command->node = sender;
	command->boot_id = BOOT_ID + sender;
	command->who = (char *)"clusterd";
	command->time_ms = command->up_ms = bench->now_ms;
	r = wire_command_pack(command, &packed, NULL);
	assert(r == 0);
	append.command.data = packed.data;
	append.command.len = packed.len;
	forge(bench, sender, FRAME_APPEND, &append.base);
}

/* Its owner sees that it is paused, or that it runs again. */
static void forge_report(struct bench *bench, uint32_t number, bool paused)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmReport report = WIRE__VM_REPORT__INIT;

	report.vm = VM_ID + number;
	report.generation = 1;
	report.what = paused ? WIRE__VM_REPORT__WHAT__PAUSED : WIRE__VM_REPORT__WHAT__RUNNING;
	report.pause_reason = (char *)(paused ? "user" : "");
	command.body_case = WIRE__COMMAND__BODY_VM_REPORT;
	command.vm_report = &report;
	forge_command(bench, owner_of(bench, number), &command);
}

static void answer_asks(struct bench *bench, struct subject *subject, struct update *update);

/* One step. Returns how long it took. */
static uint64_t take(struct bench *bench, struct subject *subject, struct event *event,
		     bool *ret_nothing, bool *ret_applied)
{
	struct update update;
	uint64_t ns, worked, index;

	event->now_ms = bench->now_ms;
	event->wall_ms = 1700000000000 + bench->now_ms;
	update_init(&update);
	index = state_index(core_state(subject->core));
	worked = worked_ns();
	ns = now_ns();
	core_step(subject->core, event, &update);
	ns = now_ns() - ns;
	worked = worked_ns() - worked;
	subject->total_ns += worked;
	if (worked > subject->longest_ns)
		subject->longest_ns = worked;
	*ret_applied = state_index(core_state(subject->core)) != index;
	*ret_nothing = !update.persists_n && !update.frames_n && !update.asks_n;
	for (size_t i = 0; i < update.frames_n; i++)
		send(bench, subject->node, &update.frames[i]);
	if (update.persists_n)
		subject->batch = update.persist_seq;
	assert(update.leave == LEAVE_NO);
	answer_asks(bench, subject, &update);
	update_reset(&update);
	return ns;
}

static uint64_t take_all(struct bench *bench, struct subject *subject, struct event *event)
{
	uint64_t batch = subject->batch, ns;
	bool nothing, applied;

	if (!subject->core)
		return 0;
	ns = take(bench, subject, event, &nothing, &applied);
	if (applied && event->kind == EVENT_FRAME)
		note(&bench->commit, ns);
	else if (nothing && event->kind == EVENT_FRAME)
		note(&bench->nothing, ns);
	if (subject->batch != batch) {
		struct event persisted = { .kind = EVENT_PERSISTED, .persisted = subject->batch };

		ns += take(bench, subject, &persisted, &nothing, &applied);
	}
	return ns;
}

/* The agent answers at once: all guests that are the node's run, and no others. */
static void answer_asks(struct bench *bench, struct subject *subject, struct update *update)
{
	for (size_t i = 0; i < update->asks_n; i++) {
		Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;
		Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
		Wire__InventoryDone inventory = WIRE__INVENTORY_DONE__INIT;
		struct event event = { .kind = EVENT_AGENT_NEWS, .news = &news };
		const Wire__AgentRequest *request = update->asks[i].request;

		for (size_t v = 0; request->watch && v < request->watch->n_domains; v++) {
			Wire__DomainNews domain = WIRE__DOMAIN_NEWS__INIT;

			domain.domain = request->watch->domains[v];
			domain.watch = update->asks[i].id;
			domain.state = owner_of(bench, (uint32_t)domain.domain->vm - VM_ID) ==
					subject->node ? WIRE__DOMAIN_NEWS__STATE__RUNNING
						      : WIRE__DOMAIN_NEWS__STATE__ABSENT;
			news.body_case = WIRE__AGENT_NEWS__BODY_DOMAIN;
			news.domain = &domain;
			take_all(bench, subject, &event);
		}
		inventory.watch = update->asks[i].id;
		news.body_case = WIRE__AGENT_NEWS__BODY_INVENTORY;
		news.inventory = &inventory;
		take_all(bench, subject, &event);
		reply.code = WIRE__AGENT_REPLY__CODE__OK;
		event.kind = EVENT_AGENT_REPLY;
		event.reply = (struct event_reply){ update->asks[i].id, &reply };
		take_all(bench, subject, &event);
	}
}

/* ------------------------------------------------------------------ the other nodes */

static bool made_up(const struct bench *bench, uint32_t node)
{
	return node != 1 && !(bench->joiner.core && node == bench->joiner.node);
}

/* All say what the leader says. */
static void say_the_same(struct bench *bench, uint16_t type, const ProtobufCMessage *body)
{
	for (uint32_t node = 2; node <= bench->nodes; node++) {
		Wire__Hello hello;

		if (!made_up(bench, node))
			continue;
		if (type != FRAME_HELLO) {
			forge(bench, node, type, body);
			continue;
		}
		hello = *(const Wire__Hello *)body;
		hello.disk_id = DISK_ID + node;
		forge(bench, node, type, &hello.base);
	}
}

/* The copies of the other two voters are as the leader's is. */
static void confirm(struct bench *bench, const Wire__Append *append)
{
	Wire__Command *command =
		wire__command__unpack(NULL, append->command.len, append->command.data);

	for (uint32_t node = 2; node <= 3; node++) {
		Wire__Command same = WIRE__COMMAND__INIT;
		Wire__CheckDigest check = WIRE__CHECK_DIGEST__INIT;

		if (command->body_case != WIRE__COMMAND__BODY_CHECK || !made_up(bench, node))
			continue;
		check.index = command->check->index;
		check.digest = command->check->digest;
		check.disk_id = DISK_ID + node;
		same.body_case = WIRE__COMMAND__BODY_CHECK;
		same.check = &check;
		forge_command(bench, node, &same);
	}
	wire_free(command);
}

static void follow(struct bench *bench, const struct frame_header *header,
		   const ProtobufCMessage *body)
{
	switch (header->type) {
	case FRAME_SYNC_START:
		bench->round = header->round;
		break;
	case FRAME_HELLO:
		say_the_same(bench, FRAME_HELLO, body);
		break;
	case FRAME_READY:
		bench->epoch = header->epoch;
		say_the_same(bench, FRAME_READY, body);
		break;
	case FRAME_ACK:
		say_the_same(bench, FRAME_ACK, body);
		break;
	case FRAME_APPEND:
		confirm(bench, (const Wire__Append *)body);
		break;
	default:
		break;
	}
}

/* The cluster goes on while one is copied: what is sent last is changed first. */
static void saw_chunk(struct bench *bench, size_t size)
{
	bench->snapshot_bytes += size;
	if (bench->snapshot_chunks++ % CHANGE_EVERY == 0)
		forge_report(bench, bench->vms - 1 - bench->snapshot_chunks % bench->vms, true);
}

/* Delivers all that was sent. Returns what that cost the leader. */
static uint64_t deliver(struct bench *bench)
{
	uint64_t ns = 0;

	while (bench->first < bench->last) {
		struct flight flight = bench->flights[bench->first++];
		struct frame_header header;
		ProtobufCMessage *body;
		struct event event = { .kind = EVENT_FRAME };
		int r = frame_decode(flight.frame.data, flight.frame.len, &header, &body);

		assert(r == 0);
		event.frame = (struct event_frame){ flight.sender, &header, body };
		if (header.type == FRAME_SNAP_CHUNK)
			saw_chunk(bench, flight.frame.len);
		ns += take_all(bench, &bench->leader, &event);
		take_all(bench, &bench->joiner, &event);
		if (flight.sender == 1)
			follow(bench, &header, body);
		frame_body_free(body);
		buf_free(&flight.frame);
	}
	bench->first = bench->last = 0;
	return ns;
}

static void tick(struct bench *bench, uint64_t ms)
{
	struct event event = { .kind = EVENT_TICK };

	bench->now_ms += ms;
	take_all(bench, &bench->leader, &event);
	take_all(bench, &bench->joiner, &event);
	deliver(bench);
}

static void meet(struct bench *bench)
{
	struct event event = { .kind = EVENT_VIEW };
	struct core_standing standing;
	uint32_t members[64];

	for (uint32_t i = 0; i < bench->nodes; i++)
		members[i] = i + 1;
	event.view = (struct event_view){ members, bench->nodes, members, bench->nodes, false };
	take_all(bench, &bench->leader, &event);
	take_all(bench, &bench->joiner, &event);
	deliver(bench);
	for (unsigned turn = 0; turn < 20; turn++)
		tick(bench, 1000);
	core_standing(bench->leader.core, &standing);
	assert(standing.open && standing.leader == 1 && !standing.disputed);
}

static void agent_comes(struct bench *bench)
{
	struct event up = { .kind = EVENT_AGENT_UP }, told = { .kind = EVENT_AGENT_NEWS };
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;

	facts.memory_mib = 1024 * 1024;
	facts.agent_ok = true;
	news.whole = true;
	news.body_case = WIRE__AGENT_NEWS__BODY_FACTS;
	news.facts = &facts;
	told.news = &news;
	take_all(bench, &bench->leader, &up);
	take_all(bench, &bench->leader, &told);
	deliver(bench);
}

static uint64_t report_vm(struct bench *bench, uint32_t number, bool paused)
{
	forge_report(bench, number, paused);
	return deliver(bench);
}

/* ------------------------------------------------------------------ measuring */

static void measure_commands(struct bench *bench)
{
	struct core_standing before, after;

	bench->nothing.n = bench->commit.n = bench->command.n = 0;
	core_standing(bench->leader.core, &before);
	for (uint32_t n = 0; n < COMMANDS; n++) {
		uint32_t number = n / 2 * 7919 % bench->vms;

		if (owner_of(bench, number) == 1)
			number = (number + 1) % bench->vms;
		bench->now_ms += 10;
		note(&bench->command, report_vm(bench, number, n % 2 == 0));
	}
	core_standing(bench->leader.core, &after);
	assert(after.index >= before.index + COMMANDS);
	print_series("nothing_us", &bench->nothing);
	print_series("commit_us", &bench->commit);
	print_series("command_us", &bench->command);
}

static void measure_snapshot(struct bench *bench)
{
	struct core_standing standing;
	double before_mib;
	int r;

	bench->joiner = (struct subject){ .core = new_core(bench->nodes, DISK_ID * 2),
					  .node = bench->nodes };
	r = core_load_done(bench->joiner.core);
	assert(r == 0);
	bench->leader.total_ns = bench->leader.longest_ns = 0;
	forget_peak();
	before_mib = rss_mib();
	meet(bench);
	core_standing(bench->joiner.core, &standing);
	assert(standing.open && bench->snapshot_bytes > 0);
	printf("    \"snapshot_mib\": %.1f, \"snapshot_memory_mib\": %.1f,\n",
	       (double)bench->snapshot_bytes / (1024 * 1024), peak_mib() - before_mib);
	printf("    \"snapshot_out_ms\": %.1f, \"snapshot_out_longest_step_ms\": %.2f,\n",
	       (double)bench->leader.total_ns / 1e6, (double)bench->leader.longest_ns / 1e6);
	printf("    \"snapshot_in_ms\": %.1f, \"snapshot_in_longest_step_ms\": %.2f\n",
	       (double)bench->joiner.total_ns / 1e6, (double)bench->joiner.longest_ns / 1e6);
}

static void measure(uint32_t nodes, uint32_t vms)
{
	struct bench bench = { .nodes = nodes, .vms = vms, .now_ms = 1000 };
	double before_mib = rss_mib();
	uint64_t ns = now_ns();

	bench.leader = (struct subject){ .core = load(&bench), .node = 1 };
	printf("  {\n    \"nodes\": %" PRIu32 ", \"vms\": %" PRIu32 ",\n", nodes, vms);
	printf("    \"load_ms\": %.1f, \"memory_mib\": %.1f,\n", (double)(now_ns() - ns) / 1e6,
	       rss_mib() - before_mib);
	meet(&bench);
	agent_comes(&bench);
	tick(&bench, 60000);
	measure_commands(&bench);
	measure_snapshot(&bench);
	printf("  }");
	core_free(bench.leader.core);
	core_free(bench.joiner.core);
	free(bench.flights);
	free(bench.nothing.ns);
	free(bench.commit.ns);
}

/* In a process of its own, so that its memory can be told. */
static int measure_apart(uint32_t nodes, uint32_t vms)
{
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		measure(nodes, vms);
		exit(EXIT_SUCCESS);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return status == 0 ? 0 : -1;
}

int main(void)
{
	static const struct {
		uint32_t nodes, vms;
	} cases[] = { { 3, 20 }, { 64, 8000 } };

	printf("[\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (measure_apart(cases[i].nodes, cases[i].vms) < 0)
			return EXIT_FAILURE;
		printf(i + 1 < ARRAY_SIZE(cases) ? ",\n" : "\n]\n");
	}
	return EXIT_SUCCESS;
}
