/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_VM_SCENE_H
#define TESTS_FUZZ_VM_SCENE_H

/*
 * A scene is what the vm agent stands in when it is fuzzed: a libvirt that says what the input
 * says, orders that are written down and judged by what was asked, jobs that run in turn, and time
 * that passes when it is waited for. It takes the place of what calls libvirt and looks at
 * processes (migrate/driver, chain.c), of the threads and of the node's facts (pool.c, vm_facts.c).
 */

#include <stdbool.h>
#include <stdint.h>

#include "agents/vm.h"
#include "tests/fuzz/fuzz.h"

enum { SCENE_ASKED_MAX = 24, SCENE_DOMAINS = 3, SCENE_SEEN_MAX = 64 };

extern const char *const scene_uuids[SCENE_DOMAINS];

struct asked {
	uint64_t id;
	Wire__AgentRequest *body;	/* as it was sent */
	bool sound;			/* a request that may be carried out */
	bool chain_ok;
	unsigned int replies;
};

struct scene {
	struct fuzz_in script;
	uint64_t now_ms;
	struct agent *agent;
	int daemon;			/* the daemon's end of the channel */
	struct job *first, **last;
	unsigned int stuck, jobs;
	struct asked asked[SCENE_ASKED_MAX];
	unsigned int asked_n;
	struct {
		char uuid[DOMAIN_UUID_SIZE];
		bool gone, was_gone;	/* there is, or was, proof that it does not run */
	} seen[SCENE_SEEN_MAX];
	unsigned int seen_n;
	const char *made;	/* the guest of a start or a restore that has not come back */
};
extern struct scene scene;

/* The last request of that kind about that guest, or about any: NULL; NULL if there is none. */
struct asked *scene_asked_for(Wire__AgentRequest__BodyCase kind, const char *uuid);

/* One job that waits, in its turn; some are given up before they begin, or while they run. */
bool scene_run_one(void);

/* What the daemon is told, judged. The target's own, which is called while things are done. */
void scene_hear_all(void);

#endif
