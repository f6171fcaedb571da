/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/health.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"

#include <stdarg.h>

enum { SUBJECTS_NAMED = 5 };

/* What is wrong with one or more VMs for one reason. The strings are its own. */
struct cause {
	enum status_exit level;
	char *one, *many, *why; /* "is not protected", "are not protected", "no fence device" */
	json_t *subjects;
};

struct judging {
	json_t *critical, *warning;     /* problems */
	struct cause *causes;
	size_t causes_n;
	const json_t *nodes;
};

const char *health_word(enum status_exit level)
{
	static const char *const words[] = { "ok", "warning", "critical", "unknown" };

	return words[level];
}

static void add_problem(struct judging *judging, enum status_exit level, const char *subject,
			const char *text)
{
	json_array_append_new(level == STATUS_CRITICAL ? judging->critical : judging->warning,
			      json_pack("{s:s,s:s,s:s}", "level", health_word(level), "subject",
					subject, "text", text));
}

static struct cause *add_cause(struct judging *judging, enum status_exit level, const char *one,
			       const char *many, const char *why)
{
	struct cause *cause;

	judging->causes = mem_resize(judging->causes, judging->causes_n + 1,
				     sizeof(*judging->causes));
	cause = &judging->causes[judging->causes_n++];
	*cause = (struct cause){ level, mem_strdup(one), mem_strdup(many), mem_strdup(why),
				 json_array() };
	return cause;
}

/* Of anything but a VM: a cause of its own. */
static void __attribute__((format(printf, 4, 5)))
found(struct judging *judging, enum status_exit level, const char *subject, const char *format, ...)
{
	struct cause *cause;
	va_list args;
	char *text;

	va_start(args, format);
	text = mem_vprintf(format, args);
	va_end(args);
	add_problem(judging, level, subject, text);
	cause = add_cause(judging, level, text, "", "");
	json_array_append_new(cause->subjects, json_string(subject));
	free(text);
}

static struct cause *cause_of_vms(struct judging *judging, enum status_exit level,
				  const char *many, const char *why)
{
	for (size_t i = 0; i < judging->causes_n; i++) {
		struct cause *cause = &judging->causes[i];

		if (cause->level == level && strcmp(cause->many, many) == 0 &&
		    strcmp(cause->why, why) == 0)
			return cause;
	}
	return NULL;
}

/*
 * one and many: what follows "VM web1 " and "3 VMs ". VMs with the same are one cause. own_why: why
 * of this VM alone, with its name in it.
 */
static void found_vm_alone(struct judging *judging, enum status_exit level, const json_t *vm,
			   const char *one, const char *many, const char *why, const char *own_why)
{
	const char *name = field_text(vm, "name");
	_cleanup_(freep) char *text =
		mem_printf("VM %s %s%s%s", name, one, *own_why ? ": " : "", own_why);
	struct cause *cause = cause_of_vms(judging, level, many, why);

	if (!cause)
		cause = add_cause(judging, level, text, many, why);
	add_problem(judging, level, name, text);
	json_array_append_new(cause->subjects, json_string(name));
}

static void found_vm(struct judging *judging, enum status_exit level, const json_t *vm,
		     const char *one, const char *many, const char *why)
{
	found_vm_alone(judging, level, vm, one, many, why, why);
}

static void judge_quorum(struct judging *judging, const json_t *status)
{
	const json_t *standing = json_object_get(status, "standing");
	const json_t *quorum = json_object_get(status, "quorum");
	const char *why = field_text(standing, "why_not");

	if (!json_is_object(json_object_get(status, "cluster")))
		found(judging, STATUS_CRITICAL, "cluster",
		      "this node has not learnt of a cluster yet");
	else if (*field_text(standing, "outside"))
		found(judging, STATUS_CRITICAL, "cluster", "%s", field_text(standing, "outside"));
	else if (strncmp(why, "no quorum", strlen("no quorum")) == 0 ||
		 strncmp(why, "left out", strlen("left out")) == 0)
		found(judging, STATUS_CRITICAL, "cluster", "%s", why);
	else if (!field_true(quorum, "have") || !field_true(standing, "open"))
		found(judging, STATUS_CRITICAL, "cluster",
		      "no quorum: %" JSON_INTEGER_FORMAT
		      " of %zu voters present, %" JSON_INTEGER_FORMAT " needed%s%s",
		      field_number(quorum, "present"),
		      json_array_size(json_object_get(quorum, "voters")),
		      field_number(quorum, "needed"), *why ? "; " : "", why);
	else if (*field_text(standing, "disputed"))
		found(judging, STATUS_CRITICAL, "cluster", "%s", field_text(standing, "disputed"));
}

/* All may be well now, but the next fault ends it. */
static void judge_voters(struct judging *judging, const json_t *status)
{
	const char *weak = field_text(json_object_get(status, "quorum"), "weak");

	if (*weak)
		found(judging, STATUS_WARNING, "cluster", "%s", weak);
}

/* Until each node of before has joined it or was removed. */
static void judge_forced(struct judging *judging, const json_t *status)
{
	const json_t *forced = json_object_get(json_object_get(status, "cluster"), "forced");
	const json_t *unheard = json_object_get(forced, "unheard"), *name;
	_cleanup_(buf_free) struct buf names = { 0 };
	char time[SHOW_TIME_SIZE];
	size_t i;

	if (!json_is_object(forced))
		return;
	json_array_foreach(unheard, i, name)
		buf_printf(&names, "%s%s", i ? ", " : "", json_string_value(name));
	found(judging, STATUS_WARNING, "cluster",
	      "forced anew on %s at %s by %s%s, from entry %" JSON_INTEGER_FORMAT
	      " on: what others did since is not known; not heard of so far: %s (bring them back "
	      "without their old cluster.db, or clusterctl node remove)",
	      field_text(forced, "node"), show_time(time, field_number(forced, "time_ms")),
	      field_text(forced, "who"), field_true(forced, "restore") ? ", from a backup" : "",
	      field_number(forced, "last"), buf_str(&names));
}

static void judge_node(struct judging *judging, const json_t *node)
{
	const json_t *facts = json_object_get(node, "facts");
	const char *name = field_text(node, "name"), *why = field_text(node, "why");
	const char *text = field_text(node, "state_text");

	if (strcmp(text, "not seen") == 0)
		found(judging, STATUS_WARNING, name, "node %s is %s", name, why);
	else if (!field_is(node, "state", "up"))
		found(judging, STATUS_WARNING, name, "node %s is %s%s%s", name,
		      *text ? text : field_text(node, "state"), *why ? ": " : "", why);
	else if (json_is_object(facts) && !field_true(facts, "agent_ok") &&
		 !field_true(node, "witness"))
		found(judging, STATUS_WARNING, name, "node %s cannot run VMs: %s", name, why);
}

static bool state_is_one_of(const char *state, const char *const *states)
{
	for (; *states; states++)
		if (strcmp(state, *states) == 0)
			return true;
	return false;
}

static bool node_is_silent(const struct judging *judging, const char *name)
{
	const json_t *node;
	size_t i;

	json_array_foreach(judging->nodes, i, node)
		if (field_is(node, "name", name))
			return field_is(node, "state", "left") ||
			       field_is(node, "state", "daemon-down");
	return false;
}

/* The nodes have yet to say whether it runs somewhere already, and no node has it by the record. */
static bool is_asked_for(const json_t *vm)
{
	return field_is(vm, "state", "unknown") && field_is(vm, "phase", "off");
}

/*
 * How bad it is that a VM that should run is not seen running. One that has just been asked for,
 * or whose node has just died, is stopped or starting while its operation is under way, and that
 * passes; one whose start has failed, or that waits for something, is down.
 */
static enum status_exit level_of_down(const struct judging *judging, const json_t *vm)
{
	bool has_op = field_number(vm, "op"), has_failed = field_number(vm, "tries");

	if (field_is(vm, "state", "unknown") && node_is_silent(judging, field_text(vm,
										   "owner_name")))
		return STATUS_WARNING;
	if (field_is(vm, "state", "stopping") || (field_is(vm, "state", "saved") && has_op))
		return STATUS_WARNING;
	if (field_is(vm, "state", "starting") && !has_failed)
		return STATUS_WARNING;
	if ((field_is(vm, "state", "stopped") || is_asked_for(vm)) && has_op && !has_failed &&
	    !*field_text(vm, "detail"))
		return STATUS_WARNING;
	return STATUS_CRITICAL;
}

/* A VM that is wanted running, by what it is doing. Returns whether it runs or moves. */
static bool judge_wanted_vm(struct judging *judging, const json_t *vm)
{
	static const char *const alive[] = { "running", "migrating", "saving", "restoring", NULL };
	const char *state = *field_text(vm, "state") ? field_text(vm, "state") : "unknown";
	_cleanup_(freep) char *why = show_vm_detail(vm, "");
	_cleanup_(freep) char *own_why = show_vm_detail(vm, field_text(vm, "name"));
	_cleanup_(freep) char *one = mem_printf("should run and is %s", state);
	_cleanup_(freep) char *many = mem_printf("should run and are %s", state);

	if (state_is_one_of(state, alive))
		return true;
	found_vm_alone(judging, level_of_down(judging, vm), vm, one, many, why, own_why);
	return false;
}

static bool has_id(const json_t *ids, json_int_t id)
{
	const json_t *item;
	size_t i;

	json_array_foreach(ids, i, item)
		if (json_integer_value(item) == id)
			return true;
	return false;
}

static void judge_place(struct judging *judging, const json_t *vm)
{
	const json_t *possible = json_object_get(vm, "possible_owners");
	const json_t *preferred = json_object_get(vm, "preferred_owners");
	json_int_t owner = field_number(vm, "owner");
	const char *which = NULL;

	if (!owner || !field_is(vm, "state", "running"))
		return;
	if (json_array_size(possible) && !has_id(possible, owner))
		which = "none of its owners";
	else if (json_array_size(preferred) && !has_id(preferred, owner))
		which = "none of the nodes it prefers";
	if (which) {
		const char *node = field_text(vm, "owner_name");
		_cleanup_(freep) char *one = mem_printf("runs on %s, which is %s", node, which);
		_cleanup_(freep) char *many = mem_printf("run on %s, which is %s", node, which);

		found_vm(judging, STATUS_WARNING, vm, one, many, "");
	}
}

static void judge_protection(struct judging *judging, const json_t *vm)
{
	const json_t *protected = json_object_get(vm, "protected");

	if (!field_true(protected, "ok") && !json_is_false(json_object_get(protected, "applies")))
		found_vm(judging, STATUS_WARNING, vm, "is not protected", "are not protected",
			 field_text(protected, "reason"));
}

static void judge_unwanted_vm(struct judging *judging, const json_t *vm, const char *wanted)
{
	const char *state = field_text(vm, "state");
	_cleanup_(freep) char *one = mem_printf("should be %s and is %s", wanted, state);
	_cleanup_(freep) char *many = mem_printf("should be %s and are %s", wanted, state);

	found_vm(judging, STATUS_WARNING, vm, one, many, field_text(vm, "why"));
}

/* Without quorum: one line for all of them, whatever each of them did last. */
static void judge_unsure_vm(struct judging *judging, const json_t *vm)
{
	if (field_is(vm, "wanted", "running"))
		found_vm_alone(judging, STATUS_CRITICAL, vm, "should run and is unknown",
			       "should run and are unknown",
			       "clusterctl vm list says what is known last", field_text(vm, "why"));
}

static void judge_vm(struct judging *judging, const json_t *vm)
{
	static const char *const off[] = { "stopped", "stopping", "failed", NULL };
	const char *state = field_text(vm, "state");

	if (field_true(vm, "unmanaged"))
		return;
	if (*field_text(vm, "last_known")) {
		judge_unsure_vm(judging, vm);
		return;
	}
	if (field_is(vm, "wanted", "running")) {
		bool is_alive = judge_wanted_vm(judging, vm);

		judge_place(judging, vm);
		/* Of one that is down, or of no quorum, this would only be the second word. */
		if (is_alive && !json_is_false(json_object_get(vm, "current")))
			judge_protection(judging, vm);
	} else if (field_is(vm, "wanted", "stopped")) {
		if (!state_is_one_of(state, off))
			judge_unwanted_vm(judging, vm, "off");
	} else if (strcmp(state, "paused") != 0) {
		judge_unwanted_vm(judging, vm, "paused");
	}
	if (*field_text(vm, "changed_outside"))
		found_vm(judging, STATUS_WARNING, vm, "was changed outside of the cluster",
			 "were changed outside of the cluster", field_text(vm, "changed_outside"));
}

/* ---- what is told ---- */

static char *some_names(const json_t *names)
{
	struct buf out = { 0 };
	size_t n = json_array_size(names);

	for (size_t i = 0; i < n && i < SUBJECTS_NAMED; i++)
		buf_printf(&out, "%s%s", i ? ", " : "",
			   json_string_value(json_array_get(names, i)));
	if (n > SUBJECTS_NAMED)
		buf_printf(&out, " and %zu more", n - SUBJECTS_NAMED);
	return buf_steal_str(&out);
}

static json_t *json_of_cause(const struct cause *cause)
{
	size_t n = json_array_size(cause->subjects);
	_cleanup_(freep) char *names = some_names(cause->subjects), *text = NULL;

	if (n > 1)
		text = mem_printf("%zu VMs %s%s%s (%s)", n, cause->many, *cause->why ? ": " : "",
				  cause->why, names);
	return json_pack("{s:s,s:s,s:O}", "level", health_word(cause->level), "text",
			 text ? text : cause->one, "subjects", cause->subjects);
}

static json_t *take_causes(struct judging *judging)
{
	static const enum status_exit levels[] = { STATUS_CRITICAL, STATUS_WARNING };
	json_t *list = json_array();

	for (size_t l = 0; l < ARRAY_SIZE(levels); l++)
		for (size_t i = 0; i < judging->causes_n; i++)
			if (judging->causes[i].level == levels[l])
				json_array_append_new(list, json_of_cause(&judging->causes[i]));
	for (size_t i = 0; i < judging->causes_n; i++) {
		struct cause *cause = &judging->causes[i];

		free(cause->one);
		free(cause->many);
		free(cause->why);
		json_decref(cause->subjects);
	}
	free(judging->causes);
	return list;
}

static char *first_line(const struct health *health, size_t nodes, size_t vms)
{
	static const char *const heads[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	size_t n = json_array_size(health->causes);

	if (n == 0)
		return mem_printf("OK: %zu node%s up, %zu VM%s as wanted", nodes,
				  nodes == 1 ? "" : "s", vms, vms == 1 ? "" : "s");
	if (n == 1)
		return mem_printf("%s: %s", heads[health->level],
				  field_text(json_array_get(health->causes, 0), "text"));
	return mem_printf("%s: %s (and %zu more)", heads[health->level],
			  field_text(json_array_get(health->causes, 0), "text"), n - 1);
}

void health_judge(const json_t *status, const json_t *nodes, const json_t *vms, struct health *ret)
{
	struct judging judging = { json_array(), json_array(), NULL, 0, nodes };
	const json_t *item;
	size_t i;

	judge_quorum(&judging, status);
	judge_forced(&judging, status);
	judge_voters(&judging, status);
	json_array_foreach(nodes, i, item)
		judge_node(&judging, item);
	json_array_foreach(vms, i, item)
		judge_vm(&judging, item);
	ret->level = json_array_size(judging.critical)  ? STATUS_CRITICAL
		     : json_array_size(judging.warning) ? STATUS_WARNING
							: STATUS_WELL;
	ret->problems = judging.critical;
	json_array_extend(ret->problems, judging.warning);
	json_decref(judging.warning);
	ret->causes = take_causes(&judging);
	ret->line = first_line(ret, json_array_size(nodes), json_array_size(vms));
}

void health_free(struct health *health)
{
	free(health->line);
	json_decref(health->problems);
	json_decref(health->causes);
	*health = (struct health){ 0 };
}
