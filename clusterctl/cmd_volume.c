/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cleanup.h"
#include "clusterctl/change.h"
#include "clusterctl/clock.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"

#include <errno.h>
#include <sys/stat.h>

enum { LOOK_MS = 3000, LOOK_PAUSE_MS = 100 };

static void row_of_volume(struct table *table, const json_t *volume, void *context)
{
	_cleanup_(freep) char *missing = show_texts(json_object_get(volume, "missing_on"));

	table_cell(table, field_text(volume, "name"));
	table_cell(table, field_text(volume, "driver"));
	table_cell(table, field_text(volume, "target"));
	table_cell(table, field_true(volume, "declared_shared") ? "declared" : "no");
	table_cell_toned(table, *missing ? TABLE_WARN : TABLE_PLAIN, missing);
}

int cmd_volume_list(struct ctl *ctl, const struct cli_call *call)
{
	static const char *const columns[] = { "NAME",   "DRIVER",     "TARGET",
					       "SHARED", "MISSING ON", NULL };

	return show_list(
		ctl, &(struct show_list){
			     .verb = "volumes",
			     .columns = columns,
			     .row = row_of_volume,
			     .empty = "There are no volumes yet; clusterctl volume add adds one.",
		     });
}

/* ---- volume add ---- */

/* A witness runs no VMs, so it need not have what they need. */
static bool is_witness(struct ctl *ctl)
{
	struct ctl_error error = { 0 };
	json_t *status = NULL, *node;
	bool witness = false;
	size_t i;

	if (!ctl_ask_object(ctl, ctl_request("status"), &status, &error))
		ctl_error_free(&error);
	json_array_foreach(json_object_get(status, "nodes"), i, node)
		if (field_number(node, "id") ==
		    field_number(json_object_get(status, "node"), "id"))
			witness = field_true(node, "witness");
	json_decref(status);
	return witness;
}

/*
 * Looked at here and not by the daemon, which may not wait for a file server. What cannot be
 * looked at may be there.
 */
static bool may_be_there(struct ctl *ctl, const char *path, struct ctl_error *ret_error)
{
	struct stat st;
	int error = stat(path, &st) < 0 ? errno : 0;
	bool is_missing = error == ENOENT || error == ENOTDIR;

	if (error ? !is_missing : S_ISDIR(st.st_mode))
		return true;
	if (is_witness(ctl))
		return true;
	*ret_error = ctl_error_make(
		EXIT_FAILED, "invalid",
		is_missing ? "there is no directory %s on this node: a volume must be there on "
			     "every node that runs VMs; mount it or make it first"
			   : "%s is no directory, and a volume is one",
		path);
	return false;
}

/* What the nodes say of the volume of that id: who lacks it. NULL if there is none any more. */
static json_t *missing_on(struct ctl *ctl, json_int_t id)
{
	struct ctl_error error = { 0 };
	json_t *volumes = NULL, *volume, *missing = NULL;
	size_t i;

	if (!ctl_ask_list(ctl, ctl_request("volumes"), &volumes, &error))
		ctl_error_free(&error);
	json_array_foreach(volumes, i, volume)
		if (field_number(volume, "id") == id)
			missing = json_incref(json_object_get(volume, "missing_on"));
	json_decref(volumes);
	return missing;
}

/* Nodes look at a new volume at once; one that says nothing of it for a while does not have it. */
static json_t *wait_for_nodes(struct ctl *ctl, json_int_t id)
{
	uint64_t end_ms = clock_ms() + LOOK_MS;
	json_t *missing = missing_on(ctl, id);

	if (ctl->end_ms && ctl->end_ms < end_ms)
		end_ms = ctl->end_ms;
	while (json_array_size(missing) && clock_ms() < end_ms) {
		json_t *now;

		clock_sleep(LOOK_PAUSE_MS);
		now = missing_on(ctl, id);
		if (!now)
			break;
		json_decref(missing);
		missing = now;
	}
	return missing;
}

static void warn_missing(const char *name, const char *path, const json_t *missing)
{
	_cleanup_(freep) char *nodes = show_texts(missing);

	if (json_array_size(missing))
		ctl_say("Warning: %s is not there, or not writable, on %s: VMs with a disk on %s "
			"cannot run there until it is.",
			path, nodes, name);
}

int cmd_volume_add(struct ctl *ctl, const struct cli_call *call)
{
	static const char driver[] = "dir:";
	struct change change = { .name = cli_word(call, 0), .done = "%s is added" };
	const char *target = cli_word(call, 1), *path = target + strlen(driver);
	json_t *request, *verdict = NULL, *missing;
	struct ctl_error error;
	int exit;

	if (strncmp(target, driver, strlen(driver)) != 0 || *path != '/') {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "'%s' is no volume this version knows: give dir:/PATH, a "
				       "directory that is the same on every node",
				       target);
		return ctl_fail(ctl, &error);
	}
	if (!may_be_there(ctl, path, &error))
		return ctl_fail(ctl, &error);
	request = json_pack("{s:s,s:{s:{s:{s:s,s:s,s:s,s:b}}}}", "do", "command", "command",
			    "volume_add", "volume", "name", change.name, "driver", "dir", "target",
			    path, "declared_shared", cli_has(call, "declared-shared"));
	if (!ctl_change(ctl, request, &verdict, &error))
		return ctl_fail(ctl, &error);
	missing = ctl->wait ? wait_for_nodes(ctl, field_number(verdict, "record")) : NULL;
	if (missing)
		json_object_set(verdict, "missing_on", missing);
	exit = change_finish(ctl, verdict, &change);
	warn_missing(change.name, path, missing);
	json_decref(missing);
	return exit;
}

int cmd_volume_remove(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0),
				 .done = "%s is removed; its files stay" };

	return change_command(ctl, "volume_remove", json_pack("{s:s}", "name", change.name),
			      &change);
}
