/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TRACE_BUILD_H
#define TESTS_TRACE_BUILD_H

/*
 * A build is one version of the core, as a world runs it on a node: the functions by which it does
 * so. Between builds go bytes alone, as between nodes. All builds are of the same sources, so what
 * only looks at a state or its records, as the world does, can look at that of any of them.
 */

#include "clusterd/core/core.h"
#include "wire/message.h"

struct build {
	const char *name;
	struct core *(*core_new)(const struct core_config *config);
	void (*core_free)(struct core *core);
	void (*load_promise)(struct core *core, uint64_t promised);
	void (*load_alone)(struct core *core, uint64_t epoch, uint64_t voters);
	void (*load_together)(struct core *core, uint64_t boot, uint64_t voters);
	void (*load_applied)(struct core *core, uint64_t index, uint64_t epoch);
	int (*load_record)(struct core *core, uint32_t table, uint64_t id, const void *data,
			   size_t size);
	int (*load_entry)(struct core *core, uint64_t index, uint64_t epoch, const void *data,
			  size_t size);
	int (*load_done)(struct core *core);
	void (*core_step)(struct core *core, const struct event *event, struct update *update);
	void (*update_init)(struct update *update);
	void (*update_reset)(struct update *update);
	int (*frame_decode)(const void *data, size_t size, struct frame_header *ret_header,
			    ProtobufCMessage **ret_body);
	int (*wire_unpack)(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
			   ProtobufCMessage **ret);
	const ProtobufCMessageDescriptor *news, *reply, *command;
};

/* Its functions have this before their names; nothing, for the one that is built here. */
#define BUILD(prefix, what)                                                                        \
	{                                                                                          \
		.name = (what), .core_new = prefix##core_new, .core_free = prefix##core_free,      \
		.load_promise = prefix##core_load_promise,                                         \
		.load_alone = prefix##core_load_alone,                                             \
		.load_together = prefix##core_load_together,                                       \
		.load_applied = prefix##core_load_applied,                                         \
		.load_record = prefix##core_load_record, .load_entry = prefix##core_load_entry,    \
		.load_done = prefix##core_load_done, .core_step = prefix##core_step,               \
		.update_init = prefix##update_init, .update_reset = prefix##update_reset,          \
		.frame_decode = prefix##frame_decode, .wire_unpack = prefix##wire_unpack,          \
		.news = &prefix##wire__agent_news__descriptor,                                     \
		.reply = &prefix##wire__agent_reply__descriptor,                                   \
		.command = &prefix##wire__command__descriptor,                                     \
	}

/* The version that this tree is. */
extern const struct build build_this;

#endif
