# SPDX-License-Identifier: GPL-2.0-or-later
# clusterctl: the command line; all of it but main.c. Uses domain, base, JSON and libvirt.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_clusterctl_NAME (source: the same with .c).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libclusterctl.a
%C%_libclusterctl_a_SOURCES = \
	%D%/advice.c \
	%D%/advice.h \
	%D%/agent.c \
	%D%/agent.h \
	%D%/change.c \
	%D%/change.h \
	%D%/cli.c \
	%D%/cli.h \
	%D%/cli_help.c \
	%D%/client.c \
	%D%/client.h \
	%D%/clock.c \
	%D%/clock.h \
	%D%/cmd_backup.c \
	%D%/cmd_cluster.c \
	%D%/cmd_events.c \
	%D%/cmd_fence.c \
	%D%/cmd_fence_add.c \
	%D%/cmd_node.c \
	%D%/cmd_operation.c \
	%D%/cmd_settings.c \
	%D%/cmd_status.c \
	%D%/cmd_vm.c \
	%D%/cmd_vm_add.c \
	%D%/cmd_vm_console.c \
	%D%/cmd_vm_edit.c \
	%D%/cmd_volume.c \
	%D%/commands.c \
	%D%/commands.h \
	%D%/complete.c \
	%D%/complete.h \
	%D%/conf.c \
	%D%/conf.h \
	%D%/console.c \
	%D%/console.h \
	%D%/ctl.c \
	%D%/ctl.h \
	%D%/definition.h \
	%D%/exits.c \
	%D%/exits.h \
	%D%/field.h \
	%D%/health.c \
	%D%/health.h \
	%D%/hint.c \
	%D%/hint.h \
	%D%/meant.c \
	%D%/meant.h \
	%D%/params.c \
	%D%/params.h \
	%D%/place.c \
	%D%/place.h \
	%D%/quorum.c \
	%D%/quorum.h \
	%D%/run.c \
	%D%/secret.c \
	%D%/secret.h \
	%D%/show.c \
	%D%/show.h \
	%D%/started.c \
	%D%/started.h \
	%D%/table.c \
	%D%/table.h \
	%D%/tested.c \
	%D%/tested.h \
	%D%/wait.c \
	%D%/wait.h

bin_PROGRAMS += %D%/clusterctl
%C%_clusterctl_SOURCES = %D%/main.c
%C%_clusterctl_LDADD = $(CTL_LIBS) $(LIBVIRT_LIBS) $(CTL_EXT)

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = %D%/completion/clusterctl

EXTRA_DIST += %D%/README.md

unit_tests += \
	tests/unit/test_clusterctl_agent \
	tests/unit/test_clusterctl_change \
	tests/unit/test_clusterctl_cli \
	tests/unit/test_clusterctl_complete \
	tests/unit/test_clusterctl_console \
	tests/unit/test_clusterctl_edit \
	tests/unit/test_clusterctl_health \
	tests/unit/test_clusterctl_man \
	tests/unit/test_clusterctl_run \
	tests/unit/test_clusterctl_secret \
	tests/unit/test_clusterctl_table \
	tests/unit/test_clusterctl_wait

# The completion in a real bash, with the program that was built.
checkers += %D%/completion/check
