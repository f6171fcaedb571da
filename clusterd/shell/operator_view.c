/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "clusterd/shell/operator_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/record.h"
#include "clusterd/shell/operator_protect.h"
#include "domain/essence.h"
#include "wire/json.h"

enum { LIST_MAX = 20, WARNINGS_MAX = 10, WORD_SIZE = 40, DIFFERENCE_SIZE = 600 };

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text ? text : ""));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void set_bool(json_t *object, const char *key, bool yes)
{
	json_object_set_new(object, key, json_boolean(yes));
}

static bool has_bit(uint64_t set, uint64_t node)
{
	return node >= 1 && node <= 64 && (set >> (node - 1) & 1);
}

/* Walks a table of records in order of ids. */
#define each_record(state, table, i, record)                                                       \
	for (size_t i = 0; i < state_count(state, table) &&                                        \
	     ((record) = state_at(state, table, i));                                               \
	     i++)

static void add_as_of(json_t *json, const struct view_source *source)
{
	set_bool(json, "current", source->standing.open);
	set_number(json, "as_of_ms", judge_as_of(source));
}

/* ---------------------------------------------------------------- nodes */

/* What it runs with; of one that does not run, what it will. */
static const Wire__Essence *in_force(const Wire__Vm *vm)
{
	return judge_vm_at_rest(vm) || !vm->live ? vm->essence : vm->live;
}

/* VMs that it owns and the memory of those that run. */
static uint64_t count_vms(const struct state *state, uint64_t node, uint64_t *ret_memory_mib)
{
	const Wire__Vm *vm;
	uint64_t n = 0, memory = 0;

	each_record(state, WIRE__TABLE__TABLE_VM, i, vm) {
		if (vm->owner != node)
			continue;
		n++;
		if (in_force(vm) && !judge_vm_at_rest(vm))
			memory += in_force(vm)->memory_mib;
	}
	*ret_memory_mib = memory;
	return n;
}

static void add_standing(json_t *json, const struct view_source *source, const Wire__Node *node)
{
	uint64_t memory, vms = count_vms(source->state, node->id, &memory);
	char why[JUDGE_WHY_SIZE];

	judge_node_why(source, node, why, sizeof(why));
	set_text(json, "state_text", judge_node_state(source, node));
	set_text(json, "why", why);
	add_as_of(json, source);
	set_number(json, "seen_ms", judge_node_unseen(source, node));
	set_bool(json, "voter", state_voter(source->state, (uint32_t)node->id));
	set_bool(json, "member", has_bit(source->standing.members, node->id));
	set_bool(json, "ring", has_bit(source->standing.ring, node->id));
	set_bool(json, "ready", has_bit(source->standing.ready, node->id));
	set_number(json, "vms", vms);
	set_number(json, "memory_used_mib", memory);
}

json_t *view_node(const struct view_source *source, const Wire__Node *node)
{
	json_t *json = wire_to_json(&node->base, true);

	set_number(json, "feature_max", feature_known_by(node));
	add_standing(json, source, node);
	set_bool(json, "facts_current", judge_facts_current(source, node));
	set_number(json, "facts_as_of_ms", judge_facts_as_of(source, node));
	return json;
}

/* ---------------------------------------------------------------- VMs */

static json_t *retry_of(const struct view_source *source, const Wire__Vm *vm)
{
	struct judge_retry retry;
	json_t *json;

	if (!judge_vm_retry(source, vm, &retry))
		return json_null();
	json = json_object();
	set_number(json, "try", retry.try);
	set_number(json, "of", retry.of);
	set_number(json, "in_ms", retry.in_ms);
	return json;
}

static json_t *protection_of(const struct view_source *source, const Wire__Vm *vm)
{
	char why[JUDGE_WHY_SIZE];
	enum protection protection = protect_judge(source, vm, why, sizeof(why));
	json_t *json = json_object();

	set_bool(json, "ok", protection == PROTECTED);
	set_bool(json, "applies", protection != PROTECTION_NOT_MEANT);
	set_text(json, "reason", why);
	return json;
}

static json_t *warnings_of(const struct view_source *source, const Wire__Vm *vm)
{
	_cleanup_(buf_free) struct buf size = { 0 };
	json_t *list = json_array();

	if (vm->essence && judge_size(source->state, vm->name, vm->essence, &size) < 0)
		json_array_append_new(list, json_string(buf_str(&size)));
	for (size_t i = 0; i < PROTECT_ADVICES; i++) {
		_cleanup_(buf_free) struct buf text = { 0 };

		if (protect_advise(source->state, vm, i, &text))
			json_array_append_new(list, json_string(buf_str(&text)));
	}
	return list;
}

static json_t *size_of(const Wire__Essence *essence)
{
	json_t *json = json_object();

	set_number(json, "memory_mib", essence ? essence->memory_mib : 0);
	set_number(json, "vcpus", essence ? essence->vcpus : 0);
	return json;
}

/* What the next start will change of how it runs now. */
static void add_pending(json_t *json, const Wire__Vm *vm)
{
	char text[DIFFERENCE_SIZE] = "";

	if (vm->pending_restart && vm->live && vm->essence)
		domain_essence_diff(vm->live, vm->essence, text, sizeof(text));
	set_text(json, "pending", text);
	json_object_set_new(json, "in_force", size_of(in_force(vm)));
	json_object_set_new(json, "at_next_start", size_of(vm->essence));
}

/* Nodes that may run it for all that is known, and have yet to look. */
static json_t *not_looked(const struct view_source *source, const Wire__Vm *vm)
{
	uint64_t missing = judge_vm_not_looked(source, vm);
	json_t *names = json_array();

	for (uint32_t node = 1; node <= 64; node++)
		if (has_bit(missing, node))
			json_array_append_new(names, json_string(judge_name(source->state, node)));
	return names;
}

json_t *view_vm(const struct view_source *source, const Wire__Vm *vm, bool xml)
{
	const struct state *state = source->state;
	json_t *json = wire_to_json(&vm->base, true);
	char why[JUDGE_WHY_SIZE];

	if (!xml)
		json_object_del(json, "xml");
	set_text(json, "owner_name", judge_name(state, vm->owner));
	set_text(json, "from_name", judge_name(state, vm->from));
	set_text(json, "to_name", judge_name(state, vm->to));
	set_text(json, "state", judge_vm_state(source, vm));
	set_text(json, "last_known", judge_vm_last_known(source, vm));
	judge_vm_why(source, vm, why, sizeof(why));
	set_text(json, "why", why);
	judge_vm_detail(source, vm, why, sizeof(why));
	set_text(json, "detail", why);
	json_object_set_new(json, "not_looked", not_looked(source, vm));
	add_as_of(json, source);
	json_object_set_new(json, "retry", retry_of(source, vm));
	json_object_set_new(json, "protected", protection_of(source, vm));
	json_object_set_new(json, "warnings", warnings_of(source, vm));
	add_pending(json, vm);
	return json;
}

/* ---------------------------------------------------------------- the others */

json_t *view_fence(const struct view_source *source, const Wire__Fence *fence)
{
	json_t *json = wire_to_json(&fence->base, true), *names = json_array();

	json_object_del(json, "secret");
	for (size_t i = 0; i < fence->n_targets; i++)
		json_array_append_new(names, json_string(judge_name(source->state,
								 fence->targets[i]->node)));
	json_object_set_new(json, "node_names", names);
	set_bool(json, "has_secret", fence->secret.len > 0);
	return json;
}

static bool reports_volume(const Wire__NodeFacts *facts, const char *name)
{
	for (size_t i = 0; i < facts->n_volumes; i++)
		if (strcmp(facts->volumes[i], name) == 0)
			return true;
	return false;
}

/* Nodes that run VMs and can look, by what they have said last. */
json_t *view_volume(const struct view_source *source, const Wire__Volume *volume)
{
	json_t *json = wire_to_json(&volume->base, true);
	json_t *there = json_array(), *missing = json_array();
	const Wire__Node *node;

	each_record(source->state, WIRE__TABLE__TABLE_NODE, i, node) {
		if (node->witness || node->state != WIRE__NODE__STATE__UP || !node->facts ||
		    !node->facts->agent_ok)
			continue;
		json_array_append_new(reports_volume(node->facts, volume->name) ? there : missing,
				      json_string(node->name));
	}
	/* What clusterd has yet to tidy up there is its own affair. */
	json_object_del(json, "leftovers");
	json_object_set_new(json, "there_on", there);
	json_object_set_new(json, "missing_on", missing);
	return json;
}

static bool is_fencing(const Wire__Operation *operation)
{
	return operation->kind == WIRE__OPERATION__KIND__FENCE ||
	       operation->kind == WIRE__OPERATION__KIND__FENCE_TEST;
}

/* What it is about: a VM, or the node that is to be off. The record of a VM goes before it does. */
static json_t *subject_of(const struct state *state, const Wire__Operation *operation)
{
	const Wire__Vm *vm = operation->vm ? state_vm(state, operation->vm) : NULL;

	if (is_fencing(operation))
		return json_string(judge_name(state, operation->node));
	if (!vm && operation->vm)
		return json_sprintf("%s (removed)", operation->vm_name);
	return json_string(vm ? vm->name : "");
}

/* The node that a start was tried on last. */
static uint32_t placed_on(const Wire__Operation *operation)
{
	for (size_t i = operation->n_marks; i-- > 0;)
		if (strcmp(operation->marks[i]->what, "placed") == 0)
			return operation->marks[i]->node;
	return 0;
}

/* The node that carries it out; of a move the one that the VM leaves. */
static uint32_t carried_out_on(const Wire__Operation *operation)
{
	if (is_fencing(operation))
		return operation->to;
	if (operation->kind == WIRE__OPERATION__KIND__START ||
	    operation->kind == WIRE__OPERATION__KIND__RESTART)
		return placed_on(operation);
	return operation->node;
}

json_t *view_operation(const struct view_source *source, const Wire__Operation *operation)
{
	const struct state *state = source->state;
	json_t *json = wire_to_json(&operation->base, true);
	const Wire__Vm *vm = operation->vm ? state_vm(state, operation->vm) : NULL;
	const Wire__Fence *device = state_get(state, WIRE__TABLE__TABLE_FENCE, operation->device);

	set_text(json, "vm_name", vm ? vm->name : "");
	set_text(json, "node_name", judge_name(state, operation->node));
	set_text(json, "to_name", judge_name(state, operation->to));
	set_text(json, "device_name", device ? device->name : "");
	json_object_set_new(json, "subject", subject_of(state, operation));
	set_text(json, "on_name", judge_name(state, carried_out_on(operation)));
	return json;
}

/* ---------------------------------------------------------------- status */

/* As long as it matters: some node has yet to join what it was made, or to be removed. */
static json_t *status_forced(const struct state *state, const Wire__Forced *forced)
{
	json_t *json, *unheard;

	if (!forced || !forced->unheard)
		return json_null();
	json = json_object();
	unheard = json_array();
	set_number(json, "time_ms", forced->time_ms);
	set_text(json, "who", forced->who);
	set_text(json, "node", node_name(state, forced->node));
	set_bool(json, "restore", forced->restore);
	set_text(json, "before", forced->before);
	set_number(json, "last", forced->last);
	set_number(json, "last_ms", forced->last_ms);
	for (uint32_t id = 1; id <= 64; id++)
		if (node_is_unheard(state, id))
			json_array_append_new(unheard, json_string(node_name(state, id)));
	json_object_set_new(json, "unheard", unheard);
	return json;
}

static json_t *status_cluster(const struct state *state)
{
	const Wire__Cluster *cluster = state_cluster(state);
	json_t *json;

	if (!cluster)
		return json_null();
	json = json_object();
	set_text(json, "name", cluster->name);
	set_text(json, "uuid", cluster->uuid);
	set_number(json, "feature_level", feature_level(state));
	set_number(json, "feature_possible", feature_possible(state));
	set_number(json, "born_ms", cluster->born_ms);
	json_object_set_new(json, "forced", status_forced(state, cluster->forced));
	return json;
}

static json_t *status_node(const struct view_source *source)
{
	json_t *json = json_object();

	set_number(json, "id", source->node);
	set_text(json, "name", judge_name(source->state, source->node));
	set_text(json, "version", PACKAGE_VERSION);
	return json;
}

static json_t *status_standing(const struct view_source *source)
{
	const struct core_standing *standing = &source->standing;
	json_t *json = json_object();

	set_bool(json, "open", standing->open);
	set_number(json, "epoch", standing->epoch);
	set_number(json, "index", standing->index);
	set_number(json, "committed", standing->committed);
	set_number(json, "leader", standing->leader);
	set_text(json, "leader_name", judge_name(source->state, standing->leader));
	set_text(json, "why_not", standing->why_not);
	set_text(json, "disputed", standing->disputed);
	set_text(json, "outside", standing->outside);
	set_bool(json, "agent_ok", standing->agent_ok);
	return json;
}

static json_t *status_quorum(const struct view_source *source)
{
	const Wire__Cluster *cluster = state_cluster(source->state);
	json_t *json = json_object(), *voters = json_array();
	char weak[JUDGE_WHY_SIZE];
	size_t present = 0, n = cluster ? cluster->n_voters : 0;
	size_t needed = source->standing.alone ? 1 : n / 2 + 1;

	for (size_t i = 0; i < n; i++) {
		json_array_append_new(voters, json_integer(cluster->voters[i]));
		present += has_bit(source->standing.members & ~source->standing.left_out,
				   cluster->voters[i]);
	}
	json_object_set_new(json, "voters", voters);
	set_number(json, "present", present);
	set_number(json, "needed", needed);
	set_bool(json, "have", n > 0 && present >= needed);
	protect_voters(source, weak, sizeof(weak));
	set_text(json, "weak", weak);
	return json;
}

static json_t *status_nodes(const struct view_source *source)
{
	json_t *list = json_array();
	const Wire__Node *node;
	char word[WORD_SIZE];

	each_record(source->state, WIRE__TABLE__TABLE_NODE, i, node) {
		json_t *json = json_object();

		set_number(json, "id", node->id);
		set_text(json, "name", node->name);
		set_text(json, "state",
			 wire_enum_word(&wire__node__state__descriptor, (int)node->state, word,
					sizeof(word)));
		set_text(json, "reason", node->reason);
		set_bool(json, "witness", node->witness);
		set_bool(json, "drained", node->drained);
		set_number(json, "feature_max", feature_known_by(node));
		set_text(json, "left_out", node->left_out);
		set_bool(json, "agent_ok", node->facts && node->facts->agent_ok);
		set_text(json, "agent_reason", node->facts ? node->facts->agent_reason : "");
		add_standing(json, source, node);
		json_array_append_new(list, json);
	}
	return list;
}

static void count_word(json_t *counts, const char *word)
{
	set_number(counts, word, (uint64_t)json_integer_value(json_object_get(counts, word)) + 1);
}

static json_t *status_vms(const struct view_source *source, json_t *unprotected)
{
	const struct state *state = source->state;
	json_t *json = json_object(), *phases = json_object(), *states = json_object();
	json_t *known = json_object();
	uint64_t protected = 0;
	const Wire__Vm *vm;
	char word[WORD_SIZE], why[JUDGE_WHY_SIZE];
	enum protection protection;

	each_record(state, WIRE__TABLE__TABLE_VM, i, vm) {
		const char *phase = wire_enum_word(&wire__vm__phase__descriptor, (int)vm->phase,
						   word, sizeof(word));

		count_word(phases, phase ? phase : "unknown");
		count_word(states, judge_vm_state(source, vm));
		if (!judge_knows(source))
			count_word(known, judge_vm_last_known(source, vm));
		protection = protect_judge(source, vm, why, sizeof(why));
		protected += protection == PROTECTED;
		if (protection == NOT_PROTECTED && json_array_size(unprotected) < LIST_MAX)
			json_array_append_new(unprotected, json_pack("{s:s, s:s}", "name", vm->name,
								     "reason", why));
	}
	set_number(json, "total", state_count(state, WIRE__TABLE__TABLE_VM));
	set_number(json, "protected", protected);
	json_object_set_new(json, "phases", phases);
	json_object_set_new(json, "states", states);
	json_object_set_new(json, "last_known", known);
	return json;
}

static json_t *status_operations(const struct view_source *source)
{
	json_t *list = json_array();
	const Wire__Operation *operation;

	each_record(source->state, WIRE__TABLE__TABLE_OPERATION, i, operation)
		if (operation->outcome == WIRE__OPERATION__OUTCOME__RUNNING &&
		    json_array_size(list) < LIST_MAX)
			json_array_append_new(list, view_operation(source, operation));
	return list;
}

static json_t *status_warnings(const struct state *state)
{
	json_t *list = json_array();
	size_t i = state_count(state, WIRE__TABLE__TABLE_EVENT);

	while (i > 0 && json_array_size(list) < WARNINGS_MAX) {
		const Wire__Event *event = state_at(state, WIRE__TABLE__TABLE_EVENT, --i);

		if (event->severity != WIRE__EVENT__SEVERITY__INFO)
			json_array_insert_new(list, 0, wire_to_json(&event->base, true));
	}
	return list;
}

json_t *view_status(const struct view_source *source)
{
	json_t *json = json_object(), *unprotected = json_array();

	add_as_of(json, source);
	json_object_set_new(json, "cluster", status_cluster(source->state));
	json_object_set_new(json, "node", status_node(source));
	json_object_set_new(json, "standing", status_standing(source));
	json_object_set_new(json, "quorum", status_quorum(source));
	json_object_set_new(json, "nodes", status_nodes(source));
	json_object_set_new(json, "vms", status_vms(source, unprotected));
	json_object_set_new(json, "unprotected", unprotected);
	json_object_set_new(json, "operations", status_operations(source));
	json_object_set_new(json, "warnings", status_warnings(source->state));
	return json;
}
