# SPDX-License-Identifier: GPL-2.0-or-later
# clusterd/core: state, apply, replica, conductor, duties; pure. Uses wire and all pure folders.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_core_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libcore.a
%C%_libcore_a_SOURCES = \
	%D%/agenda.c \
	%D%/agenda.h \
	%D%/alone.c \
	%D%/apply.c \
	%D%/apply.h \
	%D%/apply_context.h \
	%D%/apply_feature.c \
	%D%/apply_fence.c \
	%D%/apply_fence_device.c \
	%D%/apply_force.c \
	%D%/apply_leftover.c \
	%D%/apply_member.c \
	%D%/apply_misc.c \
	%D%/apply_node.c \
	%D%/apply_possession.c \
	%D%/apply_vm.c \
	%D%/apply_vm_accept.c \
	%D%/apply_vm_report.c \
	%D%/apply_vm_set.c \
	%D%/apply_vm_want.c \
	%D%/apply_voters.c \
	%D%/behind.c \
	%D%/behind.h \
	%D%/census.c \
	%D%/census.h \
	%D%/change.c \
	%D%/clients.c \
	%D%/commit.c \
	%D%/conduct.c \
	%D%/conduct.h \
	%D%/conduct_attempt.c \
	%D%/conduct_fence.c \
	%D%/conduct_node.c \
	%D%/conduct_vm.c \
	%D%/conduct_voters.c \
	%D%/conductor.c \
	%D%/conductor.h \
	%D%/core.c \
	%D%/core.h \
	%D%/core_private.c \
	%D%/core_private.h \
	%D%/decide.c \
	%D%/duties.c \
	%D%/duties.h \
	%D%/duty.c \
	%D%/duty.h \
	%D%/duty_ask.c \
	%D%/duty_fence.c \
	%D%/duty_leftover.c \
	%D%/duty_self.c \
	%D%/duty_vm.c \
	%D%/duty_watch.c \
	%D%/elapsed.c \
	%D%/elapsed.h \
	%D%/elect.c \
	%D%/elect.h \
	%D%/event.h \
	%D%/feature.c \
	%D%/feature.h \
	%D%/feature_table.c \
	%D%/force.c \
	%D%/force.h \
	%D%/leftover.c \
	%D%/leftover.h \
	%D%/log.c \
	%D%/log.h \
	%D%/look.c \
	%D%/look.h \
	%D%/machine.c \
	%D%/names.c \
	%D%/names.h \
	%D%/place.c \
	%D%/place.h \
	%D%/record.c \
	%D%/record.h \
	%D%/replica.c \
	%D%/replica.h \
	%D%/round.c \
	%D%/round.h \
	%D%/settings.c \
	%D%/settings.h \
	%D%/sound.c \
	%D%/sound.h \
	%D%/solo.c \
	%D%/solo.h \
	%D%/state.c \
	%D%/state.h \
	%D%/sync.c \
	%D%/sync.h \
	%D%/update.c \
	%D%/update.h \
	%D%/voters.c \
	%D%/voters.h \
	%D%/why.c

unit_tests += tests/unit/test_core_life
tests_unit_test_core_life_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_handover
tests_unit_test_core_handover_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_leftover
tests_unit_test_core_leftover_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_behind
tests_unit_test_core_behind_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_census
tests_unit_test_core_census_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_fencing
tests_unit_test_core_fencing_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_faults
tests_unit_test_core_faults_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_look
tests_unit_test_core_look_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_look_stale
tests_unit_test_core_look_stale_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_agenda
tests_unit_test_core_agenda_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_force
tests_unit_test_core_force_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_apply
unit_tests += tests/unit/test_core_apply_fence
unit_tests += tests/unit/test_core_apply_given
unit_tests += tests/unit/test_core_apply_phases
unit_tests += tests/unit/test_core_apply_broken
unit_tests += tests/unit/test_core_apply_late
unit_tests += tests/unit/test_core_place
unit_tests += tests/unit/test_core_apply_leftover
unit_tests += tests/unit/test_core_asks
unit_tests += tests/unit/test_core_log
unit_tests += tests/unit/test_core_hello
tests_unit_test_core_hello_LDADD = tests/sim/libsim.a $(LDADD)
unit_tests += tests/unit/test_core_member
tests_unit_test_core_member_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_storm
tests_unit_test_core_storm_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_voters
tests_unit_test_core_voters_LDADD = tests/sim/libsim.a $(LDADD)
unit_tests += tests/unit/test_core_hostile
tests_unit_test_core_hostile_LDADD = tests/sim/libsim.a $(LDADD)
unit_tests += tests/unit/test_core_replica
tests_unit_test_core_replica_LDADD = tests/sim/libsim.a $(LDADD)
unit_tests += tests/unit/test_core_rounds
tests_unit_test_core_rounds_LDADD = tests/sim/libsim.a $(LDADD)
unit_tests += tests/unit/test_core_snapshot
unit_tests += tests/unit/test_core_solo
tests_unit_test_core_solo_LDADD = tests/trace/libtrace.a $(LDADD)
unit_tests += tests/unit/test_core_sound
unit_tests += tests/unit/test_core_sync
tests_unit_test_core_sync_LDADD = tests/sim/libsim.a $(LDADD)
unit_tests += tests/unit/test_core_rolling
tests_unit_test_core_rolling_LDADD = tests/sim/libsim.a $(LDADD)
unit_tests += tests/unit/test_core_feature
