/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/vm_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agents/chain.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "domain/metadata.h"
#include "migrate/driver/handover.h"
#include "migrate/driver/image.h"
#include "migrate/driver/inactive.h"
#include "migrate/driver/move.h"
#include "migrate/driver/power.h"

enum { JOBS_MAX = 4000 };

const char *const scene_uuids[SCENE_DOMAINS] = {
	"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000a",
	"00000000-0000-4000-8000-0000000000ff",
};

struct scene scene;

/* ---------------------------------------------------------------- what may be done */

struct asked *scene_asked_for(Wire__AgentRequest__BodyCase kind, const char *uuid)
{
	for (unsigned int i = scene.asked_n; i-- > 0;) {
		struct asked *asked = &scene.asked[i];

		if (asked->sound && asked->body->body_case == kind &&
		    (!uuid || strcasecmp(asked->body->domain->uuid, uuid) == 0))
			return asked;
	}
	return NULL;
}

/* Nothing may be done but what was asked. */
static struct asked *must_be_asked(Wire__AgentRequest__BodyCase kind, const char *uuid)
{
	struct asked *asked = scene_asked_for(kind, uuid);

	fuzz_must(asked, "something is done that nobody asked for");
	return asked;
}

/* What has been told since it was heard last may be of any look since then. */
static void note_gone(const char *uuid, bool gone)
{
	unsigned int i = 0;

	while (i < scene.seen_n && strcasecmp(scene.seen[i].uuid, uuid) != 0)
		i++;
	if (i == SCENE_SEEN_MAX)
		return;
	scene.seen_n += i == scene.seen_n;
	snprintf(scene.seen[i].uuid, DOMAIN_UUID_SIZE, "%s", uuid);
	scene.seen[i].gone = gone;
	scene.seen[i].was_gone |= gone;
}

/* ---------------------------------------------------------------- instead of threads and time */

uint64_t process_now_ms(void)
{
	return scene.now_ms;
}

void process_pause_ms(long ms)
{
	scene.now_ms += (uint64_t)ms;
}

static int submit(struct job *job)
{
	job->next = NULL;
	job->is_late = false;
	*scene.last = job;
	scene.last = &job->next;
	return 0;
}

int pool_submit(struct pool *pool, enum pool_lane lane, struct job *job)
{
	return scene.stuck >= POOL_STUCK_MAX ? -EBUSY : submit(job);
}

int pool_submit_anyway(struct pool *pool, enum pool_lane lane, struct job *job)
{
	return submit(job);
}

bool scene_run_one(void)
{
	struct job *job = scene.first;
	struct link link = { 0 };
	bool late = job && job->due_ms && job->due_ms <= scene.now_ms;

	if (!job)
		return false;
	fuzz_must(scene.jobs++ < JOBS_MAX, "it works for ever");
	scene.first = job->next;
	if (!scene.first)
		scene.last = &scene.first;
	if (late || fuzz_below(&scene.script, 16) == 15)
		job->late(job);
	if (!late)
		job->run(job, &link);
	job->free(job);
	return true;
}

/* Whoever waits here lets others work. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
			   const struct timespec *until)
{
	struct timespec now;
	int64_t left_ms;
	bool ran;

	pthread_mutex_unlock(mutex);
	ran = scene_run_one();
	pthread_mutex_lock(mutex);
	if (ran)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left_ms = (until->tv_sec - now.tv_sec) * 1000 + (until->tv_nsec - now.tv_nsec) / 1000000;
	scene.now_ms += left_ms > 0 ? (uint64_t)left_ms + 1 : 1;
	return ETIMEDOUT;
}

/* The agent gives up only when its daemon is gone. */
void _exit(int status)
{
	fuzz_must(!scene.agent, "the agent ends itself");
	syscall(SYS_exit_group, status);
	abort();
}

/* ---------------------------------------------------------------- instead of vm_facts.c */

void vm_facts_watch(struct agent *agent, const Wire__Watch *watch)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_WATCH, NULL);
}

/* ---------------------------------------------------------------- instead of libvirt */

struct _virDomain {
	char uuid[DOMAIN_UUID_SIZE];
	char *name;
};

static virDomainPtr make_domain(const char *uuid)
{
	virDomainPtr domain = mem_new(struct _virDomain);
	uint8_t how = fuzz_byte(&scene.script);

	snprintf(domain->uuid, sizeof(domain->uuid), "%s", uuid);
	domain->name = how & 1 ? fuzz_string(&scene.script) : mem_strdup("web1");
	return domain;
}

int virDomainFree(virDomainPtr domain)
{
	free(domain->name);
	free(domain);
	return 0;
}

const char *virDomainGetName(virDomainPtr domain)
{
	return domain->name;
}

int virDomainGetUUIDString(virDomainPtr domain, char *out)
{
	memcpy(out, domain->uuid, DOMAIN_UUID_SIZE);
	return 0;
}

char *virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
	uint8_t how = fuzz_byte(&scene.script);
	char *any = how & 1 ? fuzz_string(&scene.script) : NULL;

	if (any && *any)
		return any;
	free(any);
	if (how & 2)
		return NULL;
	return mem_printf("<domain type='kvm'><name>web1</name><uuid>%s</uuid><memory>1024</memory>"
			  "<os><type>hvm</type></os><description>%*s%d</description><metadata>"
			  "<c:vm xmlns:c='" DOMAIN_METADATA_NAMESPACE "' id='9' generation='1'/>"
			  "</metadata><devices><disk type='file'><source file='/v/a'/>"
			  "<target dev='vda'/></disk></devices></domain>", domain->uuid,
			  how & 4 ? 50000 : 1, " ", how);
}

int virConnectListAllDomains(virConnectPtr conn, virDomainPtr **ret, unsigned int flags)
{
	int n = (int)fuzz_below(&scene.script, SCENE_DOMAINS + 2) - 1;

	if (n < 0)
		return -1;
	*ret = mem_new_array(virDomainPtr, (size_t)n + 1);
	for (int i = 0; i < n; i++)
		(*ret)[i] = make_domain(scene_uuids[i]);
	return n;
}

int link_get(struct link *link, virConnectPtr *ret_conn)
{
	if (fuzz_below(&scene.script, 8) == 7)
		return -ENOTCONN;
	*ret_conn = (virConnectPtr)(void *)&scene;
	return 0;
}

/* What libvirt may say of what failed; not every byte of it is fit for others. */
const char *link_error(void)
{
	static char text[4000];
	_cleanup_(freep) char *said = NULL;

	if (fuzz_below(&scene.script, 2) == 0)
		return "internal error: it failed";
	said = fuzz_string(&scene.script);
	snprintf(text, sizeof(text), "%s", said);
	return text;
}

int link_domain(virConnectPtr conn, const char *uuid, virDomainPtr *ret)
{
	uint8_t how = fuzz_byte(&scene.script);

	if (how % 8 == 7)
		return how & 8 ? -ENOENT : -EIO;
	*ret = make_domain(uuid);
	return 0;
}

void sight_take(virConnectPtr conn, const char *why, const char *uuid,
		const struct sight_hint *hint, struct sight *ret)
{
	uint8_t how = fuzz_byte(&scene.script);

	*ret = (struct sight){ .state = how % 7, .reason = "", .libvirt_id = -1 };
	if (!conn && ret->state != SIGHT_ABSENT)
		ret->state = SIGHT_UNKNOWN;
	if (ret->state == SIGHT_UNKNOWN)
		snprintf(ret->text, sizeof(ret->text), "%.290s", conn ? link_error() : why);
	else if (ret->state != SIGHT_ABSENT)
		ret->libvirt_id = 1 + how / 64;
	if (ret->state == SIGHT_PAUSED)
		ret->reason = "user";
	note_gone(uuid, ret->state == SIGHT_ABSENT);
}

static void take_outcome(struct outcome *ret)
{
	outcome_set(ret, (enum outcome_code)fuzz_below(&scene.script, OUTCOME_RAN_ON + 1), "%s",
		    link_error());
}

bool inactive_is(virConnectPtr conn, const char *uuid)
{
	return fuzz_below(&scene.script, 4) == 3;
}

int process_find(const char *uuid, pid_t *ret_pid)
{
	uint8_t how = fuzz_below(&scene.script, 4);

	*ret_pid = 1000;
	return how == 3 ? -ESRCH : how == 2 ? -EIO : 0;
}

int process_vcpus_read(pid_t pid, struct process_vcpus *ret)
{
	return -ESRCH;
}

/* ---------------------------------------------------------------- orders, written down */

/* While libvirt makes a guest others work, and what they say of it must not be that it is gone. */
static void make(const char *uuid)
{
	const char *before = scene.made;

	scene_hear_all();
	scene.made = uuid;
	for (uint32_t n = fuzz_below(&scene.script, 4); n > 0; n--)
		scene_run_one();
	scene_hear_all();
	scene.made = before;
}

int chain_read(Wire__Disk *const *disks, size_t n, uint64_t timeout_ms,
	       char ret_digest[DOMAIN_CHAIN_DIGEST_SIZE], char *ret_why, size_t why_size)
{
	if (fuzz_below(&scene.script, 4) == 3) {
		snprintf(ret_why, why_size, "%s", link_error());
		return -EIO;
	}
	domain_chain_digest(disks, n, ret_digest);
	return 0;
}

bool chain_is_expected(const char *now, const char *accepted, const char *last,
		       Wire__Disk *const *declared, size_t n)
{
	bool expected = fuzz_below(&scene.script, 4) != 3;

	for (unsigned int i = 0; i < scene.asked_n; i++)
		if (scene.asked[i].body->body_case == WIRE__AGENT_REQUEST__BODY_START &&
		    strcmp(scene.asked[i].body->start->last_chain, last) == 0)
			scene.asked[i].chain_ok |= expected;
	return expected;
}

void power_on(virConnectPtr conn, const char *uuid, const char *xml, uint64_t vm,
	      uint64_t generation, struct outcome *ret)
{
	struct asked *asked = must_be_asked(WIRE__AGENT_REQUEST__BODY_START, uuid);
	struct domain_mark mark;

	fuzz_must(domain_metadata(xml, strlen(xml), &mark) == 0, "started without our mark");
	fuzz_must(mark.vm == vm && mark.generation == generation, "started as another one");
	fuzz_must(strcasecmp(mark.uuid, uuid) == 0, "another guest than was asked for is started");
	fuzz_must(asked->chain_ok, "started from disks that are not those of its last run");
	make(uuid);
	take_outcome(ret);
}

void power_button(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_STOP, uuid);
	take_outcome(ret);
	if (ret->code == OUTCOME_ABSENT)
		note_gone(uuid, true);
}

void power_off(virConnectPtr conn, const char *uuid, enum power_off how, uint64_t timeout_ms,
	       struct outcome *ret)
{
	must_be_asked(how == POWER_OFF_AT_ONCE ? WIRE__AGENT_REQUEST__BODY_KILL :
						 WIRE__AGENT_REQUEST__BODY_STOP, uuid);
	take_outcome(ret);
}

static void power(Wire__AgentRequest__BodyCase kind, const char *uuid, struct outcome *ret)
{
	must_be_asked(kind, uuid);
	take_outcome(ret);
}

void power_pause(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_PAUSE, uuid, ret);
}

void power_resume(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_RESUME, uuid, ret);
}

void power_reset(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_ACTION, uuid, ret);
}

void power_reboot(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_ACTION, uuid, ret);
}

void move_abort(virConnectPtr conn, const char *uuid, struct outcome *ret)
{
	power(WIRE__AGENT_REQUEST__BODY_CANCEL, uuid, ret);
}

/* While it lasts, others work, and its progress is told. */
void move_run(virConnectPtr conn, const struct move *move, struct outcome *ret)
{
	struct move_progress progress = { 0 };

	must_be_asked(WIRE__AGENT_REQUEST__BODY_MIGRATE, move->uuid);
	for (uint32_t n = fuzz_below(&scene.script, 4); n > 0; n--) {
		progress.total = fuzz_number(&scene.script);
		progress.done = fuzz_number(&scene.script);
		move->progress(move->context, &progress);
		scene_run_one();
	}
	take_outcome(ret);
	if (ret->code == OUTCOME_OK || ret->code == OUTCOME_ABSENT)
		note_gone(move->uuid, true);
}

void handover_run(virConnectPtr conn, const struct handover *handover, struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_HAND_OVER, handover->uuid);
	take_outcome(ret);
	if (ret->code == OUTCOME_OK && handover->ran_on(handover->context))
		outcome_set(ret, OUTCOME_RAN_ON, "it ran on");
	if (ret->code == OUTCOME_OK || ret->code == OUTCOME_ABSENT)
		note_gone(handover->uuid, true);
}

void image_save(virConnectPtr conn, const char *uuid, const char *path, const atomic_bool *cancel,
		struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_SAVE, uuid);
	scene_run_one();
	take_outcome(ret);
}

void image_restore(virConnectPtr conn, const char *uuid, const char *path, struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_RESTORE, uuid);
	make(uuid);
	take_outcome(ret);
}

void image_drop(const char *path, struct outcome *ret)
{
	must_be_asked(WIRE__AGENT_REQUEST__BODY_DROP_IMAGE, NULL);
	take_outcome(ret);
}
