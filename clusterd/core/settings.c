/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/text.h"

static const char *const voters_words[] = { "auto", "3", "5", NULL };

enum { PART_MIN = 4 };			/* letters by which a setting can be known */

const struct setting settings[] = {
	[SET_MIGRATION_CONNECT_URI] = {
		"migration.connect_uri", SETTING_URI, "qemu+tls://%s/system", 0, 0, "",
		"how one node's libvirt reaches another's; %s is the address",
	},
	[SET_MIGRATION_DATA_URI] = {
		"migration.data_uri", SETTING_URI, "tcp://%s", 0, 0, "",
		"where a guest's memory is sent; %s is the address",
	},
	[SET_MIGRATION_TLS] = {
		"migration.tls", SETTING_BOOL, "yes", 0, 1, "",
		"encrypt the memory of moving guests",
	},
	[SET_MIGRATION_BANDWIDTH_MIB_S] = {
		"migration.bandwidth_mib_s", SETTING_NUMBER, "0", 0, 1000000, "MiB/s",
		"limit for each move; 0 is none",
	},
	[SET_MIGRATION_MAX_DOWNTIME_MS] = {
		"migration.max_downtime_ms", SETTING_NUMBER, "300", 1, 60000, "ms",
		"pause that a live migration may end with",
	},
	[SET_MIGRATION_STALL_MS] = {
		"migration.stall_ms", SETTING_NUMBER, "10000", 1000, 600000, "ms",
		"a live migration without progress for so long is given up",
	},
	[SET_MIGRATION_GUARD_MS] = {
		"migration.guard_ms", SETTING_NUMBER, "2000", 500, 20000, "ms",
		"at the hand-over a source frozen for longer is not killed but asked",
	},
	[SET_VM_STOP_TIMEOUT_S] = {
		"vm.stop_timeout_s", SETTING_NUMBER, "180", 0, 86400, "s",
		"time for a guest to shut down before it is stopped hard",
	},
	[SET_VM_START_TIMEOUT_S] = {
		"vm.start_timeout_s", SETTING_NUMBER, "120", 5, 3600, "s",
		"time for libvirt to start a guest",
	},
	[SET_VM_SAVE_TIMEOUT_S] = {
		"vm.save_timeout_s", SETTING_NUMBER, "3600", 10, 86400, "s",
		"time to save or restore a guest's memory",
	},
	[SET_VM_STARTS_PER_NODE] = {
		"vm.starts_per_node", SETTING_NUMBER, "8", 1, 64, "",
		"guests that a node starts at the same time",
	},
	[SET_RESTART_TRIES_HERE] = {
		"restart.tries_here", SETTING_NUMBER, "2", 0, 100, "",
		"restarts in place before another node is taken",
	},
	[SET_RESTART_TRIES_TOTAL] = {
		"restart.tries_total", SETTING_NUMBER, "6", 1, 1000, "",
		"restarts and failed starts before a VM is given up",
	},
	[SET_RESTART_SETTLE_S] = {
		"restart.settle_s", SETTING_NUMBER, "600", 10, 86400, "s",
		"a VM that ran for so long has no failures behind it",
	},
	[SET_FENCE_TIMEOUT_S] = {
		"fence.timeout_s", SETTING_NUMBER, "60", 5, 600, "s",
		"limit of one fence call",
	},
	[SET_FENCE_BUDGET] = {
		"fence.budget", SETTING_NUMBER, "3", 0, 64, "",
		"nodes that may be powered off within the window; then only their state is asked",
	},
	[SET_FENCE_BUDGET_WINDOW_S] = {
		"fence.budget_window_s", SETTING_NUMBER, "600", 10, 86400, "s",
		"window of the fence budget",
	},
	[SET_NODE_FREEZE_S] = {
		"node.freeze_s", SETTING_NUMBER, "600", 10, 86400, "s",
		"a node that left cleanly is not suspected for so long",
	},
	[SET_NODE_JOIN_GRACE_S] = {
		"node.join_grace_s", SETTING_NUMBER, "60", 0, 3600, "s",
		"after a cold start, time for a node that was not seen yet to join before it is "
		"suspected",
	},
	[SET_DAEMON_GRACE_MS] = {
		"daemon.grace_ms", SETTING_NUMBER, "3000", 0, 600000, "ms",
		"time for a node's daemon to come back before the node is shown as daemon-down",
	},
	[SET_CLUSTER_VOTERS] = {
		"cluster.voters", SETTING_WORD, "auto", 0, 0, "",
		"nodes whose disks decide what is committed: 3, 5, or auto (5 from five nodes on)",
		.words = voters_words,
	},
	[SET_VOTERS_REPLACE_S] = {
		"voters.replace_s", SETTING_NUMBER, "600", 10, 86400, "s",
		"a voter proven dead for so long gives its vote to another node",
	},
	[SET_FENCE_DELAY_S] = {
		"fence.delay_s", SETTING_NUMBER, "5", 0, 600, "s",
		"of two voters that see each other no more, the one with fewer guests waits so "
		"long before it powers the other off",
	},
};
const size_t settings_n = sizeof(settings) / sizeof(settings[0]);
_Static_assert(ARRAY_SIZE(settings) == SETTINGS, "a row for each setting");

const struct setting *setting_named(const char *name, uint64_t *ret_id)
{
	for (size_t i = 0; i < settings_n; i++)
		if (strcmp(settings[i].name, name) == 0) {
			if (ret_id)
				*ret_id = i + 1;
			return &settings[i];
		}
	return NULL;
}

bool setting_is_there(const struct setting *setting, uint32_t level)
{
	return setting->level <= level;
}

/* "max_downtime": the only one that has this in its name. */
static const struct setting *setting_with(const char *part, uint32_t level)
{
	const struct setting *found = NULL;

	for (size_t i = 0; strlen(part) >= PART_MIN && i < settings_n; i++)
		if (setting_is_there(&settings[i], level) && strstr(settings[i].name, part)) {
			if (found)
				return NULL;
			found = &settings[i];
		}
	return found;
}

const struct setting *setting_near(const char *name, uint32_t level)
{
	const char *names[sizeof(settings) / sizeof(settings[0])], *near;
	size_t n = 0;

	for (size_t i = 0; i < settings_n; i++)
		if (setting_is_there(&settings[i], level))
			names[n++] = settings[i].name;
	near = nearest_word(name, names, n);
	return near ? setting_named(near, NULL) : setting_with(name, level);
}

static int check_bool(const struct setting *setting, const char *value, char *ret_why, size_t size)
{
	static const char *const words[] = { "yes", "no" };
	_cleanup_(buf_free) struct buf why = { 0 };
	bool yes;

	if (text_parse_bool(value, &yes) == 0)
		return 0;
	nearest_explain(setting->name, value, words, ARRAY_SIZE(words), &why);
	snprintf(ret_why, size, "%s", buf_str(&why));
	return -EINVAL;
}

static int check_word(const struct setting *setting, const char *value, char *ret_why, size_t size)
{
	_cleanup_(buf_free) struct buf why = { 0 };
	size_t n = 0;

	for (; setting->words[n]; n++)
		if (strcmp(value, setting->words[n]) == 0)
			return 0;
	nearest_explain(setting->name, value, setting->words, n, &why);
	snprintf(ret_why, size, "%s", buf_str(&why));
	return -EINVAL;
}

static int check_uri(const char *value, char *ret_why, size_t size)
{
	const char *hole = strstr(value, "%s");

	if (strstr(value, "://") && hole && !strchr(hole + 1, '%') &&
	    strchr(value, '%') == hole && strlen(value) <= 200)
		return 0;
	snprintf(ret_why, size, "'%s' is no address pattern: give one like qemu+tls://%%s/system "
		 "with one %%s where the node's address goes", value);
	return -EINVAL;
}

uint64_t setting_number(const char *value)
{
	uint64_t number;
	bool yes;

	if (text_parse_uint(value, 0, UINT64_MAX, &number) == 0)
		return number;
	return text_parse_bool(value, &yes) == 0 && yes;
}

int setting_check(const struct setting *setting, const char *value, char *ret_why, size_t size)
{
	uint64_t number;

	switch (setting->kind) {
	case SETTING_URI:
		return check_uri(value, ret_why, size);
	case SETTING_BOOL:
		return check_bool(setting, value, ret_why, size);
	case SETTING_WORD:
		return check_word(setting, value, ret_why, size);
	case SETTING_NUMBER:
		if (text_parse_uint(value, setting->min, setting->max, &number) == 0)
			return 0;
		snprintf(ret_why, size, "%s takes a whole number from %llu to %llu%s%s, not '%s'",
			 setting->name, (unsigned long long)setting->min,
			 (unsigned long long)setting->max, *setting->unit ? " " : "",
			 setting->unit, value);
		return -EINVAL;
	}
	return -EINVAL;
}
