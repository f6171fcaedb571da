/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/place.h"

#include "base/mem.h"
#include "clusterctl/field.h"

char *place_uri(const char *pattern, const char *address)
{
	const char *hole = strchr(pattern, '%');
	bool is_ipv6;

	if (!hole || hole[1] != 's' || strchr(hole + 1, '%') || !*address)
		return NULL;
	is_ipv6 = strchr(address, ':') && address[0] != '[' &&
		  (hole == pattern || hole[-1] != '[');
	return mem_printf("%.*s%s%s%s%s", (int)(hole - pattern), pattern, is_ipv6 ? "[" : "",
			  address, is_ipv6 ? "]" : "", hole + 2);
}

void place_free(struct place *place)
{
	free(place->uuid);
	free(place->state);
	free(place->wanted);
	free(place->node);
	free(place->why);
	free(place->uri);
	*place = (struct place){ 0 };
}

bool place_is_alive(const struct place *place)
{
	static const char *const alive[] = { "running", "paused", "migrating", "stopping",
					     "starting" };

	for (size_t i = 0; place->uri && i < ARRAY_SIZE(alive); i++)
		if (strcmp(place->state, alive[i]) == 0)
			return true;
	return false;
}

static const char *value_of(const json_t *records, const char *name, const char *field)
{
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record)
		if (field_is(record, "name", name))
			return field_text(record, field);
	return "";
}

/* The address of another node's libvirt, from the setting and the node's record. */
static bool remote_uri(struct ctl *ctl, struct place *place, struct ctl_error *ret_error)
{
	json_t *settings = NULL, *nodes = NULL;
	const char *pattern, *address;

	if (!ctl_ask_list(ctl, ctl_request("settings"), &settings, ret_error))
		return false;
	if (!ctl_ask_list(ctl, ctl_request("nodes"), &nodes, ret_error)) {
		json_decref(settings);
		return false;
	}
	pattern = value_of(settings, "migration.connect_uri", "value");
	address = value_of(nodes, place->node, "address");
	place->uri = place_uri(pattern, address);
	if (!place->uri)
		*ret_error =
			ctl_error_make(EXIT_FAILED, "invalid",
				       "no way to reach libvirt on %s: its address is '%s' and "
				       "the setting migration.connect_uri '%s'",
				       place->node, address, pattern);
	json_decref(settings);
	json_decref(nodes);
	return place->uri;
}

bool place_find(struct ctl *ctl, const char *name, const char *libvirt_uri, struct place *ret,
		struct ctl_error *ret_error)
{
	_cleanup_(place_free) struct place place = { 0 };
	json_t *vm = NULL, *status = NULL;
	bool local;

	if (!ctl_ask_object(ctl, json_pack("{s:s,s:s}", "do", "vm", "name", name), &vm, ret_error))
		return false;
	place.uuid = mem_strdup(field_text(vm, "uuid"));
	/* Without quorum: libvirt there says whether it still is. */
	place.state = mem_strdup(*field_text(vm, "last_known") ? field_text(vm, "last_known")
							       : field_text(vm, "state"));
	place.wanted = mem_strdup(field_text(vm, "wanted"));
	place.node = mem_strdup(field_text(vm, "owner_name"));
	place.why = mem_strdup(field_text(vm, "why"));
	place.generation = field_number(vm, "generation");
	json_decref(vm);
	if (!ctl_ask_object(ctl, ctl_request("status"), &status, ret_error))
		return false;
	local = field_is(json_object_get(status, "node"), "name", place.node);
	json_decref(status);
	if (*place.node && local)
		place.uri = mem_strdup(libvirt_uri);
	else if (*place.node && !remote_uri(ctl, &place, ret_error))
		return false;
	*ret = place;
	place = (struct place){ 0 };
	return true;
}
