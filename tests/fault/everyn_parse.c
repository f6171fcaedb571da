/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everyn_parse lets each allocation fail, in turn, of what reads something from outside: requests
 * of operators as JSON, answers to them, definitions of VMs as XML, secrets. jansson, libxml2,
 * gnutls and libprotobuf-c have no memory then either. Held is that the process ends in the one
 * way, or that what comes out is what comes out with memory, or a refusal; never half of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/core.h"
#include "clusterd/shell/operator_write.h"
#include "clusterd/shell/seal.h"
#include "clusterd/shell/shell.h"
#include "domain/metadata.h"
#include "domain/xml.h"
#include "tests/fault/nth.h"
#include "tests/unit/data.h"
#include "tests/unit/small.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

enum { RESULT_MAX = 1 << 20, CHILD_S = 60 };

static char dir[] = "/tmp/clusterd-test-everyn-XXXXXX", key_path[64], agent_path[64];

struct task {
	const char *name;
	void (*act)(struct buf *out);
	const char *text;
	bool may_refuse;		/* gnutls says so when it has no memory */
};

static struct {
	const struct task *task;
	struct core *core;
	struct buf xml;
	struct buf out;
} now;

/* Of the run that had all memory. */
static struct {
	size_t size;
	char text[RESULT_MAX];
} *right;

static unsigned tried;
static bool all;

static _Noreturn void wrong(const char *what, unsigned n)
{
	printf("everyn_parse: %s, allocation %u: %s\n", now.task->name, n, what);
	exit(1);
}

/* ---------------------------------------------------------------- nothing by chance */

ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags);
void __wrap_shell_uuid(char uuid[SHELL_UUID_SIZE]);

ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags)
{
	memset(data, 7, size);
	return (ssize_t)size;
}

void __wrap_shell_uuid(char uuid[SHELL_UUID_SIZE])
{
	snprintf(uuid, SHELL_UUID_SIZE, "%s", "12345678-9abc-4def-8123-456789abcdef");
}

/* As the daemon has it, operator_new. */
static void *sure_malloc(size_t size)
{
	return mem_array(size, 1);
}

/* ---------------------------------------------------------------- what is read */

static void refused(struct buf *out, const char *why)
{
	buf_reset(out);
	buf_printf(out, "refused: %s", why);
}

static json_t *parse(const char *text)
{
	_cleanup_(freep) char *copy = mem_strdup(text);
	json_t *request;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
	request = json_loadb(copy, strlen(copy), JSON_REJECT_DUPLICATES, NULL);
	if (!request)
		printf("everyn_parse: %s: not JSON\n", now.task->name);
	return request;
}

static void write_request(struct buf *out)
{
	static const char *const fence_dirs[] = { dir, NULL };
	const struct writing_source source = {
		.state = core_state(now.core), .secret_key = key_path, .fence_dirs = fence_dirs,
		.node = 1, .boot_id = 7, .wall_ms = 1000, .random = 99, .who = "root",
	};
	json_t *request = parse(now.task->text);
	struct refusal refusal = { .code = "" };
	_cleanup_(wire_freep) Wire__Command *command = NULL;

	if (writing_command(json_string_value(json_object_get(request, "do")), request, &source,
			    &command, &refusal) < 0)
		refused(out, refusal.text);
	else
		wire_pack(&command->base, out);
	json_decref(request);
}

static void read_request(struct buf *out)
{
	const struct reading_source source = { now.core, 1, 1000 };
	json_t *request = parse(now.task->text), *data = NULL;
	struct refusal refusal = { .code = "" };
	struct reading *reading = NULL;
	bool last = false;
	int error;

	error = reading_new(json_string_value(json_object_get(request, "do")), request, &reading,
			    &refusal);
	while (!error && !last) {
		char *text;

		error = reading_page(reading, &source, &data, &last, &refusal);
		if (error)
			break;
		text = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_append_str(out, text);
		free(text);
		json_decref(data);
	}
	if (error)
		refused(out, refusal.text);
	reading_free(reading);
	json_decref(request);
}

static void read_definition(struct buf *out)
{
	_cleanup_(domain_freep) struct domain *domain = NULL;
	const struct domain_rules rules = { .uuid = "12345678-9abc-4def-8123-456789abcdef" };
	_cleanup_(buf_free) struct buf canonical = { 0 };
	char why[DOMAIN_WHY_SIZE] = "";

	if (domain_read(buf_str(&now.xml), now.xml.len, &rules, &domain, why, sizeof(why)) < 0) {
		refused(out, why);
		return;
	}
	domain_canonical(domain, &canonical);
	wire_pack(&domain_essence(domain)->base, out);
	if (domain_for_start(buf_str(&canonical), canonical.len, 12, 34, "db", out) < 0)
		refused(out, "start");
}

#define DEFINITION(name, memory)                                                                   \
	"<domain type=`qemu`><name>" name "</name><memory>" memory "</memory><vcpu>2</vcpu>"       \
	"<os><type>hvm</type></os><description>a &lt;b&gt; <!-- no --> c</description></domain>"

static const struct task tasks[] = {
	{ "command", write_request, "{'id':1,'do':'command','command':{'vm_want':{'name':'web0',"
				    "'wanted':'running','node':2}}}" },
	{ "settings", write_request, "{'do':'command','command':{'setting_set':{'name':"
				     "'vm.stop_timeout_s','value':'30'}}}" },
	{ "vm-add", write_request, "{'do':'vm-add','xml':'" DEFINITION("db", "262144") "',"
				   "'priority':'high','possible_owners':['n1','n2']}" },
	{ "vm-edit", write_request, "{'do':'vm-edit','name':'web0','xml':'"
				    DEFINITION("web0", "262144") "'}" },
	{ "not XML", write_request, "{'do':'vm-add','xml':'<domain type=`qemu`><name></domain>'}" },
	{ "fence-add", write_request, "{'do':'fence-add','name':'bmc','agent':'fence_x','params':"
				      "{'ip':'10.0.0.9'},'targets':[{'node':'n2','plug':'7'}],"
				      "'secret':'password=geheim\\n'}", true },
	{ "unknown", write_request, "{'do':'vm-edit','name':'wep0','xml':'<a/>'}" },
	{ "vms", read_request, "{'do':'vms'}" },
	{ "vm", read_request, "{'do':'vm','name':'web0'}" },
	{ "nodes", read_request, "{'do':'nodes'}" },
	{ "fences", read_request, "{'do':'fences'}" },
	{ "events", read_request, "{'do':'events'}" },
	{ "dumpxml", read_request, "{'do':'dumpxml','name':'web1'}" },
	{ "plain", read_definition, "domain/plain.xml" },
	{ "full", read_definition, "domain/full.xml" },
	{ "firmware", read_definition, "domain/firmware.xml" },
};

/* ---------------------------------------------------------------- at every n */

static void act(void *context)
{
	now.task->act(&now.out);
}

/* In a process of its own, so that libraries begin anew, too. */
static void learn(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		act(NULL);
		right->size = now.out.len;
		if (now.out.len > sizeof(right->text))
			wrong("too much", 0);
		memcpy(right->text, now.out.data, now.out.len);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		wrong("it does not work", 0);
}

/* False: there is no nth. */
static bool fail_at(unsigned n)
{
	unsigned count;
	enum nth_end end = nth_try(n, act, NULL, &count);

	if (end == NTH_DIED)
		return true;
	if (now.out.len == right->size && memcmp(now.out.data, right->text, right->size) == 0)
		return end != NTH_THROUGH;
	if (end == NTH_BORNE && now.task->may_refuse &&
	    strncmp(buf_str(&now.out), "refused: ", strlen("refused: ")) == 0)
		return true;
	printf("(%.*s)\n", (int)now.out.len, buf_str(&now.out));
	wrong("something else comes out", n);
}

static void fail_each(void)
{
	for (unsigned n = 1;; n += all || n < 40 ? 1 : n / 20) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			alarm(CHILD_S);
			_exit(fail_at(n) ? 0 : 77);
		}
		waitpid(pid, &status, 0);
		if (!WIFEXITED(status))
			wrong("it did not end as it should", n);
		if (WEXITSTATUS(status) == 77)
			return;
		if (WEXITSTATUS(status) != 0)
			exit(1);
		tried++;
	}
}

static void make_files(void)
{
	FILE *agent;

	if (!mkdtemp(dir))
		abort();
	snprintf(key_path, sizeof(key_path), "%s/key", dir);
	snprintf(agent_path, sizeof(agent_path), "%s/fence_x", dir);
	agent = fopen(agent_path, "we");
	if (!agent || seal_make_key(key_path) < 0)
		abort();
	fclose(agent);
	chmod(agent_path, 0700);
}

static void remove_files(void)
{
	unlink(key_path);
	unlink(agent_path);
	rmdir(dir);
}

static void every_n(void)
{
	make_files();
	json_set_alloc_funcs(sure_malloc, free);
	right = mmap(NULL, sizeof(*right), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (right == MAP_FAILED)
		abort();
	now.core = small_core(2, 3000);
	small_events(now.core, 1, 30);
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
		now.task = &tasks[i];
		buf_reset(&now.xml);
		if (tasks[i].act == read_definition)
			data_read(tasks[i].text, &now.xml);
		learn();
		fail_each();
	}
	core_free(now.core);
	buf_free(&now.xml);
	remove_files();
	printf("everyn_parse: %zu tasks, %u allocations that failed\n", ARRAY_SIZE(tasks), tried);
}

/* -a: at each n, not at a sample of them. */
int main(int argc, char **argv)
{
	static const struct unit_test tests[] = { { "every n", every_n } };

	all = argc > 1 && strcmp(argv[1], "-a") == 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	return unit_run("fault/everyn_parse", tests, ARRAY_SIZE(tests), 1, argv);
}
