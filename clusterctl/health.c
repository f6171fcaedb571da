// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterctl/health.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"

#include <stdarg.h>

struct judging {
	json_t *critical, *warning;
};

const char *health_word(enum status_exit level)
{
	static const char *const words[] = { "ok", "warning", "critical", "unknown" };

	return words[level];
}

static void __attribute__((format(printf, 4, 5)))
found(struct judging *judging, enum status_exit level, const char *subject, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = mem_vprintf(format, args);
	va_end(args);
	json_array_append_new(level == STATUS_CRITICAL ? judging->critical : judging->warning,
			      json_pack("{s:s,s:s,s:s}", "level", health_word(level), "subject",
					subject, "text", text));
	free(text);
}

static void judge_quorum(struct judging *judging, const json_t *status)
{
	const json_t *standing = json_object_get(status, "standing");
	const json_t *quorum = json_object_get(status, "quorum");
	const char *why = field_text(standing, "why_not");

	if (!json_is_object(json_object_get(status, "cluster")))
		found(judging, STATUS_CRITICAL, "cluster",
		      "this node has not learnt of a cluster yet");
	else if (strncmp(why, "no quorum", strlen("no quorum")) == 0)
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

/* A VM that is wanted running, by what it is doing. Returns whether it is on its way or well. */
static bool judge_wanted_vm(struct judging *judging, const json_t *vm)
{
	static const char *const dead[] = {
		"stopped", "failed", "saved", "unknown", "paused", NULL
	};
	static const char *const passing[] = { "starting", "stopping", NULL };
	const char *name = field_text(vm, "name"), *state = field_text(vm, "state");
	_cleanup_(freep) char *detail = show_vm_detail(vm);

	/* One that has just been asked for is stopped, and its operation is under way. */
	if (state_is_one_of(state, passing) ||
	    (strcmp(state, "stopped") == 0 && field_number(vm, "op")))
		found(judging, STATUS_WARNING, name, "VM %s should run and is %s%s%s", name,
		      *state ? state : "unknown", *detail ? ": " : "", detail);
	else if (!*state || state_is_one_of(state, dead))
		found(judging, STATUS_CRITICAL, name, "VM %s should run and is %s%s%s", name,
		      *state ? state : "unknown", *detail ? ": " : "", detail);
	return *state && !state_is_one_of(state, dead);
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
	const char *name = field_text(vm, "name");
	json_int_t owner = field_number(vm, "owner");

	if (!owner || !field_is(vm, "state", "running"))
		return;
	if (json_array_size(possible) && !has_id(possible, owner))
		found(judging, STATUS_WARNING, name,
		      "VM %s runs on %s, which is none of its owners", name,
		      field_text(vm, "owner_name"));
	else if (json_array_size(preferred) && !has_id(preferred, owner))
		found(judging, STATUS_WARNING, name,
		      "VM %s runs on %s, which is none of the nodes it prefers", name,
		      field_text(vm, "owner_name"));
}

static void judge_protection(struct judging *judging, const json_t *vm)
{
	const json_t *protected = json_object_get(vm, "protected");
	const char *reason = field_text(protected, "reason");

	if (!field_true(protected, "ok") && !json_is_false(json_object_get(protected, "applies")))
		found(judging, STATUS_WARNING, field_text(vm, "name"), "VM %s is not protected%s%s",
		      field_text(vm, "name"), *reason ? ": " : "", reason);
}

static void judge_vm(struct judging *judging, const json_t *vm)
{
	static const char *const off[] = { "stopped", "stopping", "failed", NULL };
	const char *name = field_text(vm, "name"), *state = field_text(vm, "state");

	if (field_true(vm, "unmanaged"))
		return;
	if (field_is(vm, "wanted", "running")) {
		bool is_alive = judge_wanted_vm(judging, vm);

		judge_place(judging, vm);
		/* Of one that is down, or of no quorum, this would only be the second word. */
		if (is_alive && !json_is_false(json_object_get(vm, "current")))
			judge_protection(judging, vm);
	} else if (field_is(vm, "wanted", "stopped")) {
		if (!state_is_one_of(state, off))
			found(judging, STATUS_WARNING, name, "VM %s should be off and is %s", name,
			      state);
	} else if (strcmp(state, "paused") != 0) {
		found(judging, STATUS_WARNING, name, "VM %s should be paused and is %s", name,
		      state);
	}
	if (*field_text(vm, "changed_outside"))
		found(judging, STATUS_WARNING, name, "VM %s was changed outside of the cluster: %s",
		      name, field_text(vm, "changed_outside"));
}

static char *first_line(const struct health *health, size_t nodes, size_t vms)
{
	static const char *const heads[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	size_t n = json_array_size(health->problems);

	if (n == 0)
		return mem_printf("OK: %zu node%s up, %zu VM%s as wanted", nodes,
				  nodes == 1 ? "" : "s", vms, vms == 1 ? "" : "s");
	if (n == 1)
		return mem_printf("%s: %s", heads[health->level],
				  field_text(json_array_get(health->problems, 0), "text"));
	return mem_printf("%s: %s (and %zu more)", heads[health->level],
			  field_text(json_array_get(health->problems, 0), "text"), n - 1);
}

void health_judge(const json_t *status, const json_t *nodes, const json_t *vms, struct health *ret)
{
	struct judging judging = { json_array(), json_array() };
	const json_t *item;
	size_t i;

	judge_quorum(&judging, status);
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
	ret->line = first_line(ret, json_array_size(nodes), json_array_size(vms));
}

void health_free(struct health *health)
{
	free(health->line);
	json_decref(health->problems);
	*health = (struct health){ 0 };
}
