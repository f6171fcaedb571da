/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/next/build.h"

extern const ProtobufCMessageDescriptor next_wire__agent_news__descriptor,
	next_wire__agent_reply__descriptor, next_wire__command__descriptor;
__typeof__(core_new) next_core_new;
__typeof__(core_free) next_core_free;
__typeof__(core_load_promise) next_core_load_promise;
__typeof__(core_load_alone) next_core_load_alone;
__typeof__(core_load_together) next_core_load_together;
__typeof__(core_load_applied) next_core_load_applied;
__typeof__(core_load_record) next_core_load_record;
__typeof__(core_load_entry) next_core_load_entry;
__typeof__(core_load_done) next_core_load_done;
__typeof__(core_step) next_core_step;
__typeof__(update_init) next_update_init;
__typeof__(update_reset) next_update_reset;
__typeof__(frame_decode) next_frame_decode;
__typeof__(wire_unpack) next_wire_unpack;

const struct build build_next = BUILD(next_, "the next version");
