/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the node can do and what it has: NodeFacts, told when they change. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "config.h"

#include "agents/vcpus.h"
#include "agents/vm.h"
#include "base/mem.h"
#include "migrate/driver/process.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	GATHER_MS = 10000,
	VOLUME_LATE_MS = 25000, /* not seen for so long: it is not there */
	VOLUME_FIRST_MS = 5000, /* facts wait for the first look at each volume, but not longer */
	STUCK_MS = 30000,       /* a call of ours that takes longer hangs */
	PATIENCE_MS = 2000,     /* for the first connection, before saying that there is none */
};

struct vm_facts {
	/* under agent->lock */
	Wire__NodeFacts *told;
	struct vm_volume **volumes; /* never freed while a look at one may be under way */
	size_t volumes_n;
	uint64_t born_ms, gathered_ms;
	uint64_t begun_n, told_n; /* gatherings begun; the one that was told last */
	bool queued, fresh;
	bool able, able_known; /* as told last */
	uint64_t watched_ms;   /* the first Watch came; 0: not yet */
	bool told_whole;       /* what was told last names the volumes of a Watch */
	struct capabilities *known; /* the last that were read; NULL: not yet */
};

/* What changes only with libvirt or QEMU. */
struct capabilities {
	char *vendor, *model, *emulator;
	uint32_t max_vcpus;
	bool kvm;
};

struct vm_facts *vm_facts_new(void)
{
	struct vm_facts *facts = mem_new(struct vm_facts);

	facts->born_ms = process_now_ms();
	facts->fresh = true;
	xmlInitParser();
	return facts;
}

/* ---------------------------------------------------------------- sorted lists of names */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_name(char ***list, size_t *n, const char *name)
{
	size_t len = strlen(name);

	if (*n >= WIRE_LIST_MAX || len > WIRE_NAME_MAX || !wire_text_ok(name, len, false))
		return;
	*list = mem_resize(*list, *n + 1, sizeof(char *));
	(*list)[(*n)++] = mem_strdup(name);
}

static void clear_names(char ***list, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free((*list)[i]);
	free(*list);
	*list = NULL;
	*n = 0;
}

static void sort_names(char **list, size_t n)
{
	if (n > 1)
		qsort(list, n, sizeof(*list), compare_names);
}

/* ---------------------------------------------------------------- of the kernel */

static void gather_memory(Wire__NodeFacts *facts)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[200];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	facts->memory_mib = kib / 1024;
}

static void gather_bridges(Wire__NodeFacts *facts)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;

	clear_names(&facts->bridges, &facts->n_bridges);
	while (dir && (entry = readdir(dir))) {
		char path[300];
		struct stat st;

		snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", entry->d_name);
		if (entry->d_name[0] != '.' && stat(path, &st) == 0)
			add_name(&facts->bridges, &facts->n_bridges, entry->d_name);
	}
	if (dir)
		closedir(dir);
	sort_names(facts->bridges, facts->n_bridges);
}

static void gather_kernel(Wire__NodeFacts *facts)
{
	struct utsname name;

	gather_memory(facts);
	gather_bridges(facts);
	facts->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	if (uname(&name) == 0)
		vm_set_text(&facts->kernel_version, name.release);
	wire_set(&facts->daemon_version, PACKAGE_VERSION);
}

/* ---------------------------------------------------------------- of libvirt */

static char *xpath_text(xmlDocPtr doc, const char *path)
{
	xmlXPathContextPtr context = xmlXPathNewContext(doc);
	xmlXPathObjectPtr found =
		context ? xmlXPathEvalExpression((const xmlChar *)path, context) : NULL;
	xmlChar *text = found ? xmlXPathCastToString(found) : NULL;
	char *copy = mem_strdup(text ? (const char *)text : "");

	xmlFree(text);
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	return copy;
}

static void capabilities_free(struct capabilities *capabilities)
{
	if (!capabilities)
		return;
	free(capabilities->vendor);
	free(capabilities->model);
	free(capabilities->emulator);
	free(capabilities);
}

static struct capabilities *read_capabilities(const char *xml, bool kvm)
{
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
				      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	struct capabilities *capabilities;

	if (!doc)
		return NULL;
	capabilities = mem_new(struct capabilities);
	capabilities->vendor =
		xpath_text(doc, "string(/domainCapabilities/cpu/mode[@name='host-model']/vendor)");
	capabilities->model =
		xpath_text(doc, "string(/domainCapabilities/cpu/mode[@name='host-model']/model)");
	capabilities->emulator = xpath_text(doc, "string(/domainCapabilities/path)");
	capabilities->kvm = kvm;
	xmlFreeDoc(doc);
	return capabilities;
}

/* What this QEMU can really give to a guest here, with KVM if there is any. */
static struct capabilities *gather_capabilities(virConnectPtr conn)
{
	static const char *const types[] = { "kvm", "qemu" };
	struct capabilities *capabilities = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(types) && !capabilities; i++) {
		_cleanup_(freep) char *xml =
			virConnectGetDomainCapabilities(conn, NULL, NULL, NULL, types[i], 0);

		if (xml)
			capabilities = read_capabilities(xml, i == 0);
	}
	if (capabilities) {
		_cleanup_(freep) char *xml = virConnectGetCapabilities(conn);

		capabilities->max_vcpus = xml ? vcpus_max(xml) : 0;
	}
	return capabilities;
}

/* Reads them anew if need be, and tells what is known. Two gatherings may be under way. */
static void tell_capabilities(struct agent *agent, Wire__NodeFacts *facts, virConnectPtr conn,
			      bool fresh)
{
	struct capabilities *found = NULL, *old = NULL;
	bool known;

	pthread_mutex_lock(&agent->lock);
	known = agent->facts->known != NULL;
	pthread_mutex_unlock(&agent->lock);
	if (fresh || !known)
		found = gather_capabilities(conn);
	pthread_mutex_lock(&agent->lock);
	if (found) {
		old = agent->facts->known;
		agent->facts->known = found;
	}
	if (agent->facts->known && (found || (known && !fresh))) {
		vm_set_text(&facts->cpu_vendor, agent->facts->known->vendor);
		vm_set_text(&facts->cpu_model, agent->facts->known->model);
		vm_set_text(&facts->emulator, agent->facts->known->emulator);
		facts->kvm = agent->facts->known->kvm;
		facts->max_vcpus = agent->facts->known->max_vcpus;
	}
	pthread_mutex_unlock(&agent->lock);
	capabilities_free(old);
}

static void format_version(char **field, unsigned long version)
{
	_cleanup_(freep) char *text =
		mem_printf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);

	wire_set(field, text);
}

static void gather_networks(Wire__NodeFacts *facts, virConnectPtr conn)
{
	virNetworkPtr *networks = NULL;
	int n = virConnectListAllNetworks(conn, &networks, VIR_CONNECT_LIST_NETWORKS_ACTIVE);

	clear_names(&facts->networks, &facts->n_networks);
	for (int i = 0; i < n; i++) {
		add_name(&facts->networks, &facts->n_networks, virNetworkGetName(networks[i]));
		virNetworkFree(networks[i]);
	}
	free(networks);
	sort_names(facts->networks, facts->n_networks);
}

static void gather_libvirt(struct agent *agent, Wire__NodeFacts *facts, virConnectPtr conn,
			   bool fresh)
{
	unsigned long version;

	if (virConnectGetLibVersion(conn, &version) == 0)
		format_version(&facts->libvirt_version, version);
	if (virConnectGetVersion(conn, &version) == 0)
		format_version(&facts->qemu_version, version);
	gather_networks(facts, conn);
	tell_capabilities(agent, facts, conn, fresh);
}

/* ---------------------------------------------------------------- of volumes */

struct volume_job {
	struct job job;
	struct agent *agent;
	struct vm_volume *volume;
};

/* stat() on a volume whose server is away may hang: this is its own job. */
static void run_volume(struct job *job, struct link *link)
{
	struct volume_job *look = (struct volume_job *)job;
	struct stat st;
	bool there = stat(look->volume->path, &st) == 0 && S_ISDIR(st.st_mode) &&
		     access(look->volume->path, W_OK) == 0;

	bool news;

	pthread_mutex_lock(&look->agent->lock);
	news = !look->volume->looked || (there && look->volume->there_ms == 0);
	look->volume->there_ms = there ? process_now_ms() : 0;
	look->volume->looked = true;
	look->volume->looking = false;
	pthread_mutex_unlock(&look->agent->lock);
	/* The gathering that asked may not have waited for it. */
	if (news)
		vm_facts_queue(look->agent, false);
}

static void ignore_late(struct job *job)
{
}

static void free_job(struct job *job)
{
	free(job);
}

static void look_at_volume(struct agent *agent, struct vm_volume *volume)
{
	struct volume_job *look = mem_new(struct volume_job);

	*look = (struct volume_job){
		.job = { .due_ms = process_now_ms() + STUCK_MS,
			 .run = run_volume,
			 .late = ignore_late,
			 .free = free_job },
		.agent = agent,
		.volume = volume,
	};
	if (pool_submit(agent->pool, POOL_LONG, &look->job) == 0)
		return;
	free(look);
	pthread_mutex_lock(&agent->lock);
	volume->looking = false;
	pthread_mutex_unlock(&agent->lock);
}

static void look_at_volumes(struct agent *agent)
{
	for (size_t i = 0;; i++) {
		struct vm_volume *volume = NULL;
		bool looking = true;

		pthread_mutex_lock(&agent->lock);
		if (i < agent->facts->volumes_n) {
			volume = agent->facts->volumes[i];
			looking = volume->looking;
			volume->looking = true;
		}
		pthread_mutex_unlock(&agent->lock);
		if (!volume)
			return;
		if (!looking)
			look_at_volume(agent, volume);
	}
}

/* Gives those that are being looked at a moment, so that the first facts name them. */
static void await_volumes(struct agent *agent)
{
	for (int i = 0; i < 20; i++) {
		bool looking = false;

		pthread_mutex_lock(&agent->lock);
		for (size_t v = 0; v < agent->facts->volumes_n; v++)
			looking |= agent->facts->volumes[v]->looking;
		pthread_mutex_unlock(&agent->lock);
		if (!looking)
			return;
		process_pause_ms(5);
	}
}

/* True: each volume of a Watch is among the facts, or is known not to be there. */
static bool gather_volumes(struct agent *agent, Wire__NodeFacts *facts)
{
	uint64_t now_ms;
	bool whole, late;

	look_at_volumes(agent);
	await_volumes(agent);
	clear_names(&facts->volumes, &facts->n_volumes);
	now_ms = process_now_ms();
	pthread_mutex_lock(&agent->lock);
	whole = agent->facts->watched_ms != 0;
	/* What hangs must not keep the node from all the rest. */
	late = now_ms >= agent->facts->watched_ms + VOLUME_FIRST_MS;
	for (size_t i = 0; i < agent->facts->volumes_n; i++) {
		const struct vm_volume *volume = agent->facts->volumes[i];

		whole &= volume->looked || late;
		if (volume->there_ms && now_ms - volume->there_ms < VOLUME_LATE_MS)
			add_name(&facts->volumes, &facts->n_volumes, volume->name);
	}
	pthread_mutex_unlock(&agent->lock);
	sort_names(facts->volumes, facts->n_volumes);
	return whole;
}

/* Replaces the list. One that is being looked at is left to itself: its job still points to it. */
void vm_facts_watch(struct agent *agent, const Wire__Watch *watch)
{
	struct vm_volume **volumes = mem_new_array(struct vm_volume *, watch->n_volumes);

	for (size_t i = 0; i < watch->n_volumes; i++) {
		volumes[i] = mem_new(struct vm_volume);
		volumes[i]->name = mem_strdup(watch->volumes[i]->name);
		volumes[i]->path = mem_strdup(watch->volumes[i]->target);
	}
	pthread_mutex_lock(&agent->lock);
	for (size_t i = 0; i < watch->n_volumes; i++)
		for (size_t o = 0; o < agent->facts->volumes_n; o++)
			if (strcmp(volumes[i]->path, agent->facts->volumes[o]->path) == 0) {
				volumes[i]->there_ms = agent->facts->volumes[o]->there_ms;
				volumes[i]->looked = agent->facts->volumes[o]->looked;
			}
	for (size_t i = 0; i < agent->facts->volumes_n; i++) {
		struct vm_volume *old = agent->facts->volumes[i];

		if (old->looking)
			continue;
		free(old->name);
		free(old->path);
		free(old);
	}
	free(agent->facts->volumes);
	agent->facts->volumes = volumes;
	agent->facts->volumes_n = watch->n_volumes;
	if (!agent->facts->watched_ms)
		agent->facts->watched_ms = process_now_ms();
	pthread_mutex_unlock(&agent->lock);
	vm_facts_queue(agent, false);
}

/* ---------------------------------------------------------------- telling */

/* Whether requests can be carried out now; else why not. */
static bool is_able(struct agent *agent, char why[VM_WHY_SIZE])
{
	unsigned stuck = pool_stuck(agent->pool);
	bool connected;

	pthread_mutex_lock(&agent->lock);
	connected = agent->connected;
	snprintf(why, VM_WHY_SIZE, "%s", agent->why);
	pthread_mutex_unlock(&agent->lock);
	if (connected && stuck >= POOL_STUCK_MAX)
		snprintf(why, VM_WHY_SIZE, "libvirt hung: %u calls have not come back", stuck);
	return connected && stuck < POOL_STUCK_MAX;
}

/* What began before that which was told last is older news. */
static void tell(struct agent *agent, Wire__NodeFacts *facts, uint64_t n, bool whole)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__NodeFacts *old;
	char why[VM_WHY_SIZE];
	bool same;

	facts->agent_ok = is_able(agent, why);
	if (!facts->agent_ok)
		vm_set_text(&facts->agent_reason, why);
	pthread_mutex_lock(&agent->lock);
	if (n < agent->facts->told_n || (!facts->agent_ok && !agent->facts->able_known &&
					 process_now_ms() < agent->facts->born_ms + PATIENCE_MS)) {
		pthread_mutex_unlock(&agent->lock);
		return;
	}
	agent->facts->told_n = n;
	old = agent->facts->told;
	same = old && wire_equal(&old->base, &facts->base) && agent->facts->told_whole == whole;
	agent->facts->told_whole = whole;
	agent->facts->told = wire_dup(&facts->base);
	agent->facts->able = facts->agent_ok;
	agent->facts->able_known = true;
	wire_free(old);
	pthread_mutex_unlock(&agent->lock);
	if (same)
		return;
	news.body_case = WIRE__AGENT_NEWS__BODY_FACTS;
	news.facts = facts;
	news.whole = whole;
	agent_send_news(agent, &news);
}

struct facts_job {
	struct job job;
	struct agent *agent;
};

static void run_gather(struct job *job, struct link *link)
{
	struct agent *agent = ((struct facts_job *)job)->agent;
	_cleanup_(wire_freep) Wire__NodeFacts *facts = wire_new(&wire__node_facts__descriptor);
	char why[VM_WHY_SIZE];
	virConnectPtr conn;
	uint64_t n;
	bool fresh, whole, asked;

	pthread_mutex_lock(&agent->lock);
	n = ++agent->facts->begun_n;
	fresh = agent->facts->fresh;
	agent->facts->queued = agent->facts->fresh = false;
	agent->facts->gathered_ms = process_now_ms();
	pthread_mutex_unlock(&agent->lock);
	gather_kernel(facts);
	whole = gather_volumes(agent, facts);
	asked = agent_connect(agent, link, &conn, why) == 0;
	if (asked)
		gather_libvirt(agent, facts, conn, fresh);
	/* If libvirt has come since, the gathering that this queued tells all of it. */
	if (asked || !is_able(agent, why))
		tell(agent, facts, n, whole);
}

static void gather_is_late(struct job *job)
{
	struct agent *agent = ((struct facts_job *)job)->agent;

	pthread_mutex_lock(&agent->lock);
	agent->facts->queued = false;
	pthread_mutex_unlock(&agent->lock);
}

void vm_facts_queue(struct agent *agent, bool fresh)
{
	struct facts_job *gather;
	bool queued;

	pthread_mutex_lock(&agent->lock);
	queued = agent->facts->queued;
	agent->facts->queued = true;
	agent->facts->fresh |= fresh;
	pthread_mutex_unlock(&agent->lock);
	if (queued)
		return;
	gather = mem_new(struct facts_job);
	*gather = (struct facts_job){
		.job = { .due_ms = process_now_ms() + STUCK_MS,
			 .run = run_gather,
			 .late = gather_is_late,
			 .free = free_job },
		.agent = agent,
	};
	if (pool_submit(agent->pool, POOL_SHORT, &gather->job) < 0) {
		gather_is_late(&gather->job);
		free(gather);
	}
}

/* What was told last, with another verdict: nothing here may block. */
static void tell_verdict(struct agent *agent)
{
	Wire__NodeFacts *facts;
	uint64_t n;
	bool whole;

	pthread_mutex_lock(&agent->lock);
	n = agent->facts->told_n;
	whole = agent->facts->told_whole;
	facts = agent->facts->told ? wire_dup(&agent->facts->told->base)
				   : wire_new(&wire__node_facts__descriptor);
	pthread_mutex_unlock(&agent->lock);
	wire_set(&facts->agent_reason, "");
	if (facts->memory_mib == 0)
		gather_kernel(facts);
	tell(agent, facts, n, whole);
	wire_free(facts);
}

void vm_facts_check(struct agent *agent, uint64_t now_ms)
{
	char why[VM_WHY_SIZE];
	bool able = is_able(agent, why), changed, due;

	pthread_mutex_lock(&agent->lock);
	/* Becoming able is told by the gathering that follows: with what libvirt says. */
	changed = agent->facts->able_known ? agent->facts->able && !able
					   : !able && now_ms > agent->facts->born_ms + PATIENCE_MS;
	due = now_ms >= agent->facts->gathered_ms + GATHER_MS ||
	      (!agent->facts->told_whole && agent->facts->watched_ms &&
	       now_ms >= agent->facts->watched_ms + VOLUME_FIRST_MS);
	pthread_mutex_unlock(&agent->lock);
	if (changed)
		tell_verdict(agent);
	if (due)
		vm_facts_queue(agent, false);
}
