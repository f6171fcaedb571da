/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands: those who carry commands out, by the noun they are about. The table that names them
 * is in commands.c.
 */
#ifndef CLUSTERCTL_COMMANDS_H
#define CLUSTERCTL_COMMANDS_H

struct ctl;
struct cli_call;

typedef int command_fn(struct ctl *ctl, const struct cli_call *call);

command_fn cmd_status;
command_fn cmd_backup;
command_fn cmd_cluster_upgrade;
command_fn cmd_node_list, cmd_node_show, cmd_node_set, cmd_node_add, cmd_node_remove;
command_fn cmd_vm_list, cmd_vm_show, cmd_vm_dumpxml;
command_fn cmd_vm_add, cmd_vm_edit, cmd_vm_remove, cmd_vm_set;
command_fn cmd_vm_start, cmd_vm_stop, cmd_vm_reset, cmd_vm_reboot, cmd_vm_pause, cmd_vm_resume;
command_fn cmd_vm_migrate, cmd_vm_cancel, cmd_vm_accept;
command_fn cmd_vm_console;
command_fn cmd_fence_list, cmd_fence_add, cmd_fence_test, cmd_fence_remove;
command_fn cmd_volume_list, cmd_volume_add, cmd_volume_remove;
command_fn cmd_settings_get, cmd_settings_set;
command_fn cmd_operation_list, cmd_operation_show, cmd_operation_wait, cmd_operation_cancel;
command_fn cmd_events;
command_fn cmd_help, cmd_complete;

#endif
