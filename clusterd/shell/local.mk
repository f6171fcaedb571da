# SPDX-License-Identifier: GPL-2.0-or-later
# clusterd/shell: the daemon's dealings with the outside; all of clusterd but main.c. Uses core.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_clusterd_shell_NAME (source beside it; links
# everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libshell.a
%C%_libshell_a_SOURCES = \
	%D%/agents.c \
	%D%/agents.h \
	%D%/child.c \
	%D%/child.h \
	%D%/conf.c \
	%D%/conf.h \
	%D%/force.c \
	%D%/force.h \
	%D%/genesis.c \
	%D%/genesis.h \
	%D%/group.c \
	%D%/group.h \
	%D%/hook.c \
	%D%/hook.h \
	%D%/local_socket.c \
	%D%/local_socket.h \
	%D%/log.c \
	%D%/log.h \
	%D%/loop.c \
	%D%/loop.h \
	%D%/operator.c \
	%D%/operator.h \
	%D%/operator_client.c \
	%D%/operator_judge.c \
	%D%/operator_judge.h \
	%D%/operator_private.h \
	%D%/operator_protect.c \
	%D%/operator_protect.h \
	%D%/operator_read.c \
	%D%/operator_read.h \
	%D%/operator_view.c \
	%D%/operator_view.h \
	%D%/operator_write.c \
	%D%/operator_write.h \
	%D%/operator_write_fence.c \
	%D%/operator_write_private.h \
	%D%/operator_write_vm.c \
	%D%/restore.c \
	%D%/restore.h \
	%D%/seal.c \
	%D%/seal.h \
	%D%/shell.c \
	%D%/shell.h \
	%D%/store.c \
	%D%/store.h \
	%D%/store_copy.c \
	%D%/store_copy.h \
	%D%/store_file.c \
	%D%/store_load.c \
	%D%/store_load.h \
	%D%/store_private.h \
	%D%/store_read.c \
	%D%/store_schema.c \
	%D%/store_schema.h \
	%D%/store_wal.c \
	%D%/store_write.c \
	%D%/store_write.h \
	%D%/tell.c \
	%D%/tell.h

unit_tests += \
	tests/unit/test_clusterd_shell_agents \
	tests/unit/test_clusterd_shell_conf \
	tests/unit/test_clusterd_shell_force \
	tests/unit/test_clusterd_shell_genesis \
	tests/unit/test_clusterd_shell_hook \
	tests/unit/test_clusterd_shell_local_socket \
	tests/unit/test_clusterd_shell_loop \
	tests/unit/test_clusterd_shell_loop_store \
	tests/unit/test_clusterd_shell_operator_judge \
	tests/unit/test_clusterd_shell_operator_protect \
	tests/unit/test_clusterd_shell_operator_read \
	tests/unit/test_clusterd_shell_operator_client \
	tests/unit/test_clusterd_shell_operator_write \
	tests/unit/test_clusterd_shell_seal \
	tests/unit/test_clusterd_shell_store \
	tests/unit/test_clusterd_shell_store_copy \
	tests/unit/test_clusterd_shell_store_schema
tests_unit_test_clusterd_shell_hook_LDADD = tests/trace/libtrace.a $(LDADD)
# On a disk that fails, and without Corosync.
tests_unit_test_clusterd_shell_loop_store_LDFLAGS = $(AM_LDFLAGS) $(fault_wraps) \
	-Wl,--wrap=group_new,--wrap=group_free,--wrap=group_send,--wrap=store_submit \
	-Wl,--wrap=store_poll,--wrap=store_close,--wrap=_exit
tests_unit_test_clusterd_shell_loop_store_LDADD = tests/fault/libfault.a tests/trace/libtrace.a \
	$(LDADD)

EXTRA_DIST += %D%/README.md
