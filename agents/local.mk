# SPDX-License-Identifier: GPL-2.0-or-later
# agents: the processes that may block; all of them but their main files.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_agents_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libagents.a
%C%_libagents_a_SOURCES = \
	%D%/chain.c \
	%D%/chain.h \
	%D%/channel.c \
	%D%/channel.h \
	%D%/fence_call.c \
	%D%/fence_call.h \
	%D%/fence_kind.c \
	%D%/fence_kind.h \
	%D%/hook_ask.c \
	%D%/hook_ask.h \
	%D%/pool.c \
	%D%/pool.h \
	%D%/run.c \
	%D%/run.h \
	%D%/vcpus.c \
	%D%/vcpus.h \
	%D%/vm.c \
	%D%/vm.h \
	%D%/vm_agent.c \
	%D%/vm_facts.c \
	%D%/vm_guest.c \
	%D%/vm_link.c \
	%D%/vm_look.c \
	%D%/vm_move.c \
	%D%/vm_power.c \
	%D%/vm_request.c \
	%D%/vm_watch.c

pkglibexec_PROGRAMS += %D%/clusterd-agent-vm
%C%_clusterd_agent_vm_SOURCES = %D%/vm_main.c
%C%_clusterd_agent_vm_LDADD = $(AGENT_LIBS) $(AGENT_EXT)

pkglibexec_PROGRAMS += %D%/clusterd-agent-fence
%C%_clusterd_agent_fence_SOURCES = %D%/fence_main.c
%C%_clusterd_agent_fence_LDADD = $(AGENT_LIBS) $(AGENT_EXT)

# Runs three times for each start of a guest: links next to nothing.
pkglibexec_PROGRAMS += %D%/clusterd-qemu-hook
%C%_clusterd_qemu_hook_SOURCES = %D%/qemu_hook.c
%C%_clusterd_qemu_hook_LDADD = %D%/libagents.a $(JANSSON_LIBS) $(INIH_LIBS)

EXTRA_DIST += \
	%D%/README.md \
	tests/agents/agents.py \
	tests/agents/hookd.py \
	tests/agents/prove.py

unit_tests += \
	tests/unit/test_agents_chain \
	tests/unit/test_agents_channel \
	tests/unit/test_agents_fence \
	tests/unit/test_agents_hook \
	tests/unit/test_agents_pool \
	tests/unit/test_agents_run \
	tests/unit/test_agents_vcpus \
	tests/unit/test_agents_vm

# What misbehaves, in namespaces of its own.
checkers += tests/agents/check-limits
