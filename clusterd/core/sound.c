/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/sound.h"

#include "clusterd/core/record.h"
#include "clusterd/core/settings.h"

enum { NODE_MAX = 64 };

/* All tables' records have one, and are found by it. */
static size_t place_of_id(uint32_t table)
{
	return protobuf_c_message_descriptor_get_field_by_name(state_table_descriptor(table),
							       "id")->offset;
}

static const char *ids_unsound(const struct state *state, uint32_t table)
{
	size_t place = place_of_id(table);

	for (size_t i = 0; i < state_count(state, table); i++) {
		const char *record = state_at(state, table, i);
		uint64_t id;

		state_packed(state, table, i, &id);
		if (id == 0 || *(const uint64_t *)(const void *)(record + place) != id)
			return "a record stands under another id";
	}
	return NULL;
}

static const char *cluster_unsound(const struct state *state)
{
	const Wire__Cluster *cluster = state_cluster(state);
	uint32_t last = 0;

	if (state_count(state, WIRE__TABLE__TABLE_CLUSTER) != (cluster ? 1 : 0))
		return "there is another cluster";
	for (size_t i = 0; cluster && i < cluster->n_voters; i++) {
		if (cluster->voters[i] <= last || cluster->voters[i] > NODE_MAX)
			return "voters that cannot be";
		last = cluster->voters[i];
	}
	return NULL;
}

static const char *nodes_unsound(const struct state *state)
{
	size_t n = state_count(state, WIRE__TABLE__TABLE_NODE);
	const Wire__Node *last = n ? state_at(state, WIRE__TABLE__TABLE_NODE, n - 1) : NULL;

	/* In the order of ids: the last one is the highest. */
	return last && last->id > NODE_MAX ? "a node that cannot be" : NULL;
}

static const char *vms_unsound(const struct state *state)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);
		struct vmop op;

		vm_to_op(vm, &op);
		if (!vm->essence)
			return "a VM without what matters of its definition";
		if (vmop_broken(&op))
			return "a VM in a phase that its holders contradict";
	}
	return NULL;
}

/* A newer version may have set what this one does not know. */
static const char *settings_unsound(const struct state *state)
{
	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_SETTING); i++) {
		const Wire__Setting *record = state_at(state, WIRE__TABLE__TABLE_SETTING, i);
		char why[200];

		if (record->id <= settings_n &&
		    setting_check(&settings[record->id - 1], record->value, why, sizeof(why)) < 0)
			return "a setting with a value that it cannot have";
	}
	return NULL;
}

static const char *requests_unsound(const struct state *state)
{
	return state_request_count(state) == state_count(state, WIRE__TABLE__TABLE_REQUEST)
		? NULL : "two requests were the same entry";
}

const char *state_unsound(const struct state *state)
{
	const char *(*const of[])(const struct state *state) = {
		cluster_unsound, nodes_unsound, vms_unsound, settings_unsound, requests_unsound,
	};
	const char *wrong = NULL;

	for (uint32_t table = 1; !wrong && state_table_descriptor(table); table++)
		wrong = ids_unsound(state, table);
	for (size_t i = 0; !wrong && i < sizeof(of) / sizeof(of[0]); i++)
		wrong = of[i](state);
	return wrong;
}
