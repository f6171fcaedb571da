// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"

static void row_of_volume(struct table *table, const json_t *volume, void *context)
{
	table_cell(table, field_text(volume, "name"));
	table_cell(table, field_text(volume, "driver"));
	table_cell(table, field_text(volume, "target"));
	table_cell(table, field_true(volume, "declared_shared") ? "declared" : "no");
}

int cmd_volume_list(struct ctl *ctl, const struct cli_call *call)
{
	static const char *const columns[] = { "NAME", "DRIVER", "TARGET", "SHARED", NULL };

	return show_list(
		ctl, &(struct show_list){
			     .verb = "volumes",
			     .columns = columns,
			     .row = row_of_volume,
			     .empty = "There are no volumes yet; clusterctl volume add adds one.",
		     });
}

int cmd_volume_add(struct ctl *ctl, const struct cli_call *call)
{
	static const char driver[] = "dir:";
	struct change change = { .name = cli_word(call, 0), .done = "%s is added" };
	const char *target = cli_word(call, 1);
	struct ctl_error error;

	if (strncmp(target, driver, strlen(driver)) != 0 || target[strlen(driver)] != '/') {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "'%s' is no volume this version knows: give dir:/PATH, a "
				       "directory that is the same on every node",
				       target);
		return ctl_fail(ctl, &error);
	}
	return change_command(ctl, "volume_add",
			      json_pack("{s:{s:s,s:s,s:s,s:b}}", "volume", "name", change.name,
					"driver", "dir", "target", target + strlen(driver),
					"declared_shared", cli_has(call, "declared-shared")),
			      &change);
}

int cmd_volume_remove(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0),
				 .done = "%s is removed; its files stay" };

	return change_command(ctl, "volume_remove", json_pack("{s:s}", "name", change.name),
			      &change);
}
