# SPDX-License-Identifier: GPL-2.0-or-later
# tests: everything make check runs.
#
# A unit test is one file tests/unit/test_FOLDER_NAME.c, named by one line `unit_tests += ...` in
# the local.mk of the folder it tests. It ends with UNIT_MAIN (tests/unit/unit.h) and links all of
# our libraries, so nothing else is needed; one that wants something special sets its own _SOURCES
# and _LDADD.

check_LIBRARIES += %D%/unit/libunit.a
%C%_unit_libunit_a_SOURCES = \
	%D%/unit/bench.c \
	%D%/unit/bench.h \
	%D%/unit/cellar.c \
	%D%/unit/cellar.h \
	%D%/unit/small.c \
	%D%/unit/small.h \
	%D%/unit/stage.c \
	%D%/unit/stage.h \
	%D%/unit/story.h \
	%D%/unit/unit.c \
	%D%/unit/unit.h

check_PROGRAMS = $(unit_tests)
LDADD = %D%/unit/libunit.a clusterd/shell/libshell.a clusterd/core/libcore.a \
	clusterctl/libclusterctl.a agents/libagents.a migrate/driver/libmigratedriver.a \
	$(PURE_LIBS) $(COMMON_LIBS) \
	$(DAEMON_EXT) $(AGENT_EXT) $(CTL_EXT) $(CUNIT_LIBS)

checkers += %D%/daemon/check-daemon %D%/tools/test-checkers
TESTS = $(unit_tests) $(checkers)
dist_check_SCRIPTS += $(checkers)
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)'; export CC; \
	CHECK_CPPFLAGS='$(DEFS) $(INCLUDES_CPPFLAGS)'; export CHECK_CPPFLAGS; \
	CHECK_LDFLAGS='$(HARDEN_LDFLAGS)'; export CHECK_LDFLAGS; \
	CHECK_PROGRAMS='$(bin_PROGRAMS) $(sbin_PROGRAMS) $(pkglibexec_PROGRAMS)'; \
	export CHECK_PROGRAMS;

# The world of the trace tests: a cluster of cores in one process.
check_LIBRARIES += %D%/trace/libtrace.a
%C%_trace_libtrace_a_SOURCES = \
	%D%/trace/build.c \
	%D%/trace/build.h \
	%D%/trace/disk.c \
	%D%/trace/disk.h \
	%D%/trace/host.c \
	%D%/trace/host.h \
	%D%/trace/twin.c \
	%D%/trace/twin.h \
	%D%/trace/world.c \
	%D%/trace/world.h \
	%D%/trace/world_ask.c \
	%D%/trace/world_begin.c \
	%D%/trace/world_check.c \
	%D%/trace/world_faults.c \
	%D%/trace/world_volume.c \
	%D%/trace/world_private.h

# Talks to one agent by hand; see tests/agents.
check_PROGRAMS += %D%/agents/agentctl
%C%_agents_agentctl_SOURCES = %D%/agents/agentctl.c
%C%_agents_agentctl_LDADD = $(COMMON_LIBS) $(COMMON_EXT) $(JANSSON_LIBS)

# The simulator of the replicated log: many seeds, each a small cluster under faults.
check_LIBRARIES += %D%/sim/libsim.a
%C%_sim_libsim_a_SOURCES = \
	%D%/sim/disk.c \
	%D%/sim/disk.h \
	%D%/sim/evs.c \
	%D%/sim/evs.h \
	%D%/sim/oracle.c \
	%D%/sim/oracle.h \
	%D%/sim/rig.c \
	%D%/sim/rig.h \
	%D%/sim/rng.h \
	%D%/sim/swarm.c \
	%D%/sim/swarm.h \
	%D%/sim/toy.c \
	%D%/sim/toy.h
check_LIBRARIES += %D%/sim/libworld.a
%C%_sim_libworld_a_SOURCES = \
	%D%/sim/admin.c \
	%D%/sim/admin_loan.c \
	%D%/sim/admin_node.c \
	%D%/sim/admin_private.h \
	%D%/sim/admin_version.c \
	%D%/sim/bmc.c \
	%D%/sim/bmc.h \
	%D%/sim/fault.c \
	%D%/sim/fault.h \
	%D%/sim/host.c \
	%D%/sim/host.h \
	%D%/sim/host_agent.c \
	%D%/sim/host_move.c \
	%D%/sim/host_power.c \
	%D%/sim/host_private.h \
	%D%/sim/machine.c \
	%D%/sim/machine_memory.c \
	%D%/sim/medium.c \
	%D%/sim/medium.h \
	%D%/sim/net.c \
	%D%/sim/play.c \
	%D%/sim/play.h \
	%D%/sim/queue.c \
	%D%/sim/queue.h \
	%D%/sim/shrink.c \
	%D%/sim/truth.c \
	%D%/sim/truth.h \
	%D%/sim/truth_alone.c \
	%D%/sim/truth_asks.c \
	%D%/sim/truth_disks.c \
	%D%/sim/truth_guests.c \
	%D%/sim/truth_lies.c \
	%D%/sim/truth_records.c \
	%D%/sim/truth_private.h \
	%D%/sim/version.c \
	%D%/sim/version.h \
	%D%/sim/world.c \
	%D%/sim/world.h \
	%D%/sim/world_begin.c \
	%D%/sim/world_faults.c \
	%D%/sim/world_heal.c \
	%D%/sim/world_private.h
check_PROGRAMS += %D%/sim/sim
%C%_sim_sim_SOURCES = %D%/sim/medium_sqlite.c %D%/sim/sim.c %D%/sim/version_next.c
%C%_sim_sim_LDFLAGS = $(AM_LDFLAGS) $(fault_wraps)
%C%_sim_sim_LDADD = %D%/sim/libworld.a %D%/sim/libsim.a %D%/fault/libfault.a \
	%D%/next/libbuild.a %D%/next/next.o $(DAEMON_LIBS) $(DAEMON_EXT)
check_PROGRAMS += %D%/sim/repsim
%C%_sim_repsim_SOURCES = %D%/sim/repsim.c
%C%_sim_repsim_LDADD = %D%/sim/libsim.a clusterd/core/libcore.a $(PURE_LIBS) $(COMMON_LIBS) \
	$(COMMON_EXT)
TESTS += %D%/sim/repsim
checkers += %D%/sim/check-sim
EXTRA_DIST += %D%/sim/README.md %D%/sim/mutants %D%/sim/campaign %D%/regress

# What one core costs; see tests/bench.
check_PROGRAMS += %D%/bench/core
%C%_bench_core_SOURCES = %D%/bench/core.c
%C%_bench_core_LDADD = clusterd/core/libcore.a $(PURE_LIBS) $(COMMON_LIBS) $(COMMON_EXT)
check_PROGRAMS += %D%/bench/floor
%C%_bench_floor_SOURCES = %D%/bench/floor.c
%C%_bench_floor_LDADD = $(CPG_LIBS)
EXTRA_DIST += %D%/models/README.md %D%/models/run %D%/models/solo.pml

# The store on a disk that fails and lies. What the store asks of the system is taken to the crashfs.
check_LIBRARIES += %D%/fault/libfault.a
%C%_fault_libfault_a_SOURCES = \
	%D%/fault/crashfs.c \
	%D%/fault/crashfs.h \
	%D%/fault/crashfs_private.h \
	%D%/fault/crashfs_vfs.c \
	%D%/fault/crashfs_wrap.c \
	%D%/fault/load.c \
	%D%/fault/load.h \
	%D%/fault/nth.c \
	%D%/fault/nth.h
fault_wraps = -Wl,--wrap=open,--wrap=close,--wrap=fsync,--wrap=fchmod,--wrap=posix_fallocate \
	-Wl,--wrap=unlink,--wrap=rename,--wrap=pthread_create,--wrap=pthread_cond_wait \
	-Wl,--wrap=pthread_cond_timedwait,--wrap=getrandom
check_PROGRAMS += %D%/fault/powercut
%C%_fault_powercut_SOURCES = %D%/fault/powercut.c
%C%_fault_powercut_LDFLAGS = $(AM_LDFLAGS) $(fault_wraps)
%C%_fault_powercut_LDADD = %D%/fault/libfault.a %D%/trace/libtrace.a $(DAEMON_LIBS) $(DAEMON_EXT)
TESTS += %D%/fault/powercut

# Memory that fails at every n, in a cluster of cores.
check_PROGRAMS += %D%/fault/everyn
%C%_fault_everyn_SOURCES = %D%/fault/everyn.c
%C%_fault_everyn_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=abort,--wrap=core_step,--wrap=apply_command \
	-Wl,--wrap=twin_differs
%C%_fault_everyn_LDADD = %D%/fault/libfault.a %D%/trace/libtrace.a $(DAEMON_LIBS) $(DAEMON_EXT)
TESTS += %D%/fault/everyn

# The same, and the disk, for all that is done with a store.
check_PROGRAMS += %D%/fault/everyn_store
%C%_fault_everyn_store_SOURCES = %D%/fault/everyn_store.c
%C%_fault_everyn_store_LDFLAGS = $(AM_LDFLAGS) $(fault_wraps) \
	-Wl,--wrap=abort,--wrap=shell_random,--wrap=shell_wall_ms,--wrap=shell_uuid
%C%_fault_everyn_store_LDADD = %D%/fault/libfault.a %D%/trace/libtrace.a $(DAEMON_LIBS) \
	$(DAEMON_EXT)
TESTS += %D%/fault/everyn_store

# Memory, for what reads something from outside.
check_PROGRAMS += %D%/fault/everyn_parse
%C%_fault_everyn_parse_SOURCES = %D%/fault/everyn_parse.c
%C%_fault_everyn_parse_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=abort,--wrap=getrandom,--wrap=shell_uuid
%C%_fault_everyn_parse_LDADD = %D%/fault/libfault.a $(LDADD)
TESTS += %D%/fault/everyn_parse

EXTRA_DIST += %D%/fault/README.md %D%/fault/mutants

EXTRA_DIST += %D%/README.md %D%/lab
# Each by itself: of a folder, what was built there would be taken, too.
EXTRA_DIST += %D%/bench/README.md %D%/bench/benchlib.py %D%/bench/commit
EXTRA_DIST += %D%/bench/failover %D%/bench/migrate
