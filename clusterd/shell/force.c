/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/force.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/core/look.h"
#include "clusterd/core/record.h"
#include "clusterd/shell/shell.h"
#include "clusterd/shell/store_load.h"

enum { TIME_SIZE = 40 };

struct forcing {
	struct store *store;
	struct core *core;
	struct force_end end;
	uint32_t node;
	bool restore;
};

/* ---------------------------------------------------------------- reading */

/* Its daemon start and kernel are nobody's: it never takes a step. */
static struct core *new_core(const struct store *store, uint32_t node)
{
	const struct core_config config = {
		.node = node,
		.boot_id = shell_random(),
		.disk_id = store_disk_id(store),
		.kernel_boot_id = "",
		.random = shell_random(),
	};

	return core_new(&config);
}

static int read_store(struct forcing *forcing, char *ret_why, size_t size)
{
	int error = store_load(forcing->store, forcing->core);

	if (error == -EBADMSG)
		snprintf(ret_why, size, "A checksum in the store is wrong, or what it holds does "
			 "not fit together: choose another node to go on with, or a backup");
	else if (error == -EPROTO)
		snprintf(ret_why, size, "It holds what a newer clusterd wrote, after the cluster's "
			 "feature level was raised: install that version first");
	else if (error)
		snprintf(ret_why, size, "The store cannot be read: %s", strerror(-error));
	if (error)
		return error;
	error = core_force_load(forcing->core, &forcing->end, ret_why, size);
	return error == -ENOENT || error == -ENODEV ? -ENODATA : error;
}

int forcing_new(struct store *store, bool restore, struct forcing **ret, char *ret_why, size_t size)
{
	uint32_t node = store_node(store);
	struct forcing *forcing;
	int error;

	if (!node) {
		snprintf(ret_why, size, "There is nothing to go on with: the store does not belong "
			 "to any node yet, as its clusterd has never run with Corosync");
		return -ENODATA;
	}
	forcing = mem_new(struct forcing);
	forcing->store = store;
	forcing->node = node;
	forcing->restore = restore;
	forcing->core = new_core(store, node);
	error = read_store(forcing, ret_why, size);
	if (error) {
		forcing_free(forcing);
		return error;
	}
	*ret = forcing;
	return 0;
}

void forcing_free(struct forcing *forcing)
{
	if (!forcing)
		return;
	core_free(forcing->core);
	free(forcing);
}

const char *forcing_name(const struct forcing *forcing)
{
	return state_cluster(core_state(forcing->core))->name;
}

/* ---------------------------------------------------------------- telling */

static const char *format_time(char out[TIME_SIZE], uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(out, TIME_SIZE, "%Y-%m-%d %H:%M:%S %z", &tm))
		snprintf(out, TIME_SIZE, "-");
	return out;
}

static void say_time(const struct forcing *forcing, uint64_t wall_ms, FILE *out)
{
	uint64_t last_ms = forcing->end.wall_ms;
	char text[TIME_SIZE], age[TEXT_QUANTITY_SIZE];

	fprintf(out, "  last entry     %" PRIu64, forcing->end.index);
	if (last_ms)
		fprintf(out, ", of %s", format_time(text, last_ms));
	if (last_ms && wall_ms >= last_ms)
		fprintf(out, ", %s ago",
			text_format_ms(age, (wall_ms - last_ms) / 1000 * 1000));
	fprintf(out, "\n");
}

static void add_name(struct buf *list, const char *name)
{
	buf_printf(list, "%s%s", list->len ? ", " : "", name);
}

static void say_list(const char *what, const struct buf *list, FILE *out)
{
	fprintf(out, "  %-14s %s\n", what, list->len ? buf_str((struct buf *)list) : "none");
}

static void say_voters(const struct forcing *forcing, FILE *out)
{
	const struct state *state = core_state(forcing->core);
	const Wire__Cluster *cluster = state_cluster(state);
	_cleanup_(buf_free) struct buf all = { 0 };

	for (size_t i = 0; i < cluster->n_voters; i++)
		if (cluster->voters[i] != forcing->node)
			add_name(&all, node_name(state, cluster->voters[i]));
	say_list("not asked more", &all, out);
}

static void say_nodes(const struct forcing *forcing, FILE *out)
{
	const struct state *state = core_state(forcing->core);
	_cleanup_(buf_free) struct buf up = { 0 }, rest = { 0 };

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(state, WIRE__TABLE__TABLE_NODE, i);

		add_name(node->state == WIRE__NODE__STATE__UP ? &up : &rest, node->name);
	}
	say_list("last up", &up, out);
	say_list("last not up", &rest, out);
}

static const char *say_vm(const struct state *state, const Wire__Vm *vm, char *text, size_t size)
{
	if (vm->phase == WIRE__VM__PHASE__SAVED)
		snprintf(text, size, "its saved memory is given up");
	else if (vm->n_maybe)
		snprintf(text, size, "was on %s%s", node_name(state, vm->maybe[0]->node),
			 vm->n_maybe > 1 ? ", or on another one" : "");
	else if (look_sought(vm))
		snprintf(text, size, "not known: not all nodes have looked for it");
	else
		snprintf(text, size, "was not running");
	return text;
}

static void say_vms(const struct forcing *forcing, FILE *out)
{
	const struct state *state = core_state(forcing->core);
	char text[200];
	size_t n = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		if (vm->unmanaged || vm->wanted == WIRE__VM__WANTED__STOPPED)
			continue;
		if (n++ == 0)
			fprintf(out, "  VMs that are to run:\n");
		fprintf(out, "    %-20s %s\n", vm->name, say_vm(state, vm, text, sizeof(text)));
	}
	if (n == 0)
		fprintf(out, "  VMs that are to run: none\n");
}

bool forcing_tell_again(const struct forcing *forcing, FILE *out)
{
	const struct state *state = core_state(forcing->core);
	const Wire__Cluster *cluster = state_cluster(state);
	const Wire__Forced *forced = cluster->forced;
	char time[TIME_SIZE];

	if (!forced)
		return false;
	fprintf(out,
		"Cluster %s was forced already, on %s by %s at %s%s.\n"
		"It was %s, and is %s since.\n"
		"Forced again, it is another one once more: every node that has joined it since "
		"must join anew,\n"
		"without its cluster.db; VMs that do not run here are looked for anew; and what "
		"was done since on\n"
		"other nodes, if this one has not seen it, is lost. It brings nothing where VMs or "
		"nodes are only\n"
		"waited for: clusterctl status says for what, and what to do.\n\n",
		cluster->name, node_name(state, forced->node), forced->who,
		format_time(time, forced->time_ms), forced->restore ? ", from a backup" : "",
		forced->before, cluster->uuid);
	return true;
}

void forcing_tell(const struct forcing *forcing, uint64_t wall_ms, const char *command, FILE *out)
{
	const struct state *state = core_state(forcing->core);
	const Wire__Cluster *cluster = state_cluster(state);

	forcing_tell_again(forcing, out);
	fprintf(out, "Cluster %s, as %s has it%s:\n", cluster->name,
		node_name(state, forcing->node), forcing->restore ? " in this backup" : "");
	fprintf(out, "  uuid           %s\n", cluster->uuid);
	say_time(forcing, wall_ms, out);
	say_voters(forcing, out);
	say_nodes(forcing, out);
	say_vms(forcing, out);
	fprintf(out,
		"It would go on from there as a new cluster of that name, with %s as its only "
		"voter.\n"
		"\n"
		"What is lost: all that was changed after the last entry, saved memory, what is "
		"under way, and what\n"
		"is known of nodes and devices. What runs anywhere runs on. A VM that is found "
		"running is taken over\n"
		"where it is; any other is started when each node above has joined and looked for "
		"it, or its fence\n"
		"device says that it is off, or you vouch for it (clusterctl vm accept "
		"--not-running).\n"
		"\n"
		"Only do this if no majority of the voters can be brought back. Before: make sure "
		"that clusterd is\n"
		"stopped on all other nodes and starts on none of them, or that they are off. "
		"After: on each that\n"
		"comes back, move its cluster.db away before clusterd is started there.\n"
		"\n"
		"Nothing was changed. To do it:\n"
		"  %s --yes %s\n",
		node_name(state, forcing->node), command, cluster->name);
}

/* ---------------------------------------------------------------- doing it */

int forcing_write(struct forcing *forcing, const char *who, char *ret_why, size_t size)
{
	char uuid[SHELL_UUID_SIZE];
	const struct force_order order = {
		.cluster = uuid,
		.who = who,
		.wall_ms = shell_wall_ms(),
		.random = shell_random(),
		.restore = forcing->restore,
	};
	struct update update;
	int error;

	shell_uuid(uuid);
	update_init(&update);
	error = core_force(forcing->core, &order, &update, ret_why, size);
	if (!error) {
		error = store_write_now(forcing->store, update.persists, update.persists_n);
		if (error)
			snprintf(ret_why, size, "The store could not be written, and is as it was: "
				 "%s", strerror(-error));
	}
	update_reset(&update);
	return error;
}
