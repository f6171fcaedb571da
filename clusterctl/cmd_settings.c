/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"

static void row_of_setting(struct table *table, const json_t *setting, void *context)
{
	table_cell(table, field_text(setting, "name"));
	table_cell(table, field_text(setting, "value"));
	table_cell(table, field_text(setting, "unit"));
	table_cell(table, field_text(setting, "default"));
	table_cell(table, field_text(setting, "help"));
}

/* The one of that name as a list of one, or nothing and the error. */
static bool pick(const json_t *settings, const char *name, json_t **ret,
		 struct ctl_error *ret_error)
{
	json_t *setting;
	size_t i;

	json_array_foreach(settings, i, setting)
		if (field_is(setting, "name", name)) {
			*ret = json_incref(setting);
			return true;
		}
	*ret_error =
		ctl_error_make(EXIT_NO_SUCH, "no-such",
			       "there is no setting '%s'; clusterctl settings get shows all", name);
	return false;
}

static int get_one(struct ctl *ctl, const json_t *settings, const char *name)
{
	struct ctl_error error = { 0 };
	json_t *setting = NULL;

	if (!pick(settings, name, &setting, &error))
		return ctl_fail(ctl, &error);
	if (ctl->json)
		return ctl_print_json(setting);
	/* Nothing but the value: that is what a script wants. */
	printf("%s\n", field_text(setting, "value"));
	json_decref(setting);
	return EXIT_OK;
}

int cmd_settings_get(struct ctl *ctl, const struct cli_call *call)
{
	static const char *const columns[] = {
		"NAME", "VALUE", "UNIT", "DEFAULT", "MEANING", NULL
	};
	struct show_list list = {
		.verb = "settings",
		.columns = columns,
		.right = 1u << 1,
		.row = row_of_setting,
		.empty = "There are no settings.",
	};
	const char *name = cli_word(call, 0);
	struct ctl_error error = { 0 };
	json_t *settings = NULL;
	int exit;

	if (!ctl_ask_list(ctl, ctl_request("settings"), &settings, &error))
		return ctl_fail(ctl, &error);
	exit = name ? get_one(ctl, settings, name) : show_records(ctl, &list, settings);
	json_decref(settings);
	return exit;
}

int cmd_settings_set(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s is set" };

	return change_command(
		ctl, "setting_set",
		json_pack("{s:s,s:s}", "name", change.name, "value", cli_word(call, 1)), &change);
}
