/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thread for each guest that a live move has stopped here, until it is gone or runs again. */
#include <stdlib.h>
#include <unistd.h>

#include "agents/vm.h"
#include "base/mem.h"
#include "migrate/driver/vigil.h"

struct watch {
	struct agent *agent;
	struct guest *guest;
	uint64_t number; /* of the move */
	struct vigil vigil;
};

/* Under agent->lock. */
static bool is_over(const struct watch *watch)
{
	const struct vm_move *move = &watch->guest->move;

	return move->number != watch->number || !move->active || move->resumed ||
	       !watch->agent->connected || move->life != watch->agent->life;
}

static bool over(void *context)
{
	const struct watch *watch = context;
	bool yes;

	pthread_mutex_lock(&watch->agent->lock);
	yes = is_over(watch);
	pthread_mutex_unlock(&watch->agent->lock);
	return yes;
}

/* Without a descriptor libvirt's word is waited for. */
static void *keep(void *context)
{
	struct watch *watch = context;
	pid_t pid;

	if (process_open(watch->guest->uuid, &watch->vigil.pidfd, &pid) == 0 &&
	    pid == watch->vigil.pid && vigil_keep(&watch->vigil)) {
		pthread_mutex_lock(&watch->agent->lock);
		watch->guest->handed_over |= !is_over(watch);
		pthread_mutex_unlock(&watch->agent->lock);
	}
	if (watch->vigil.pidfd >= 0)
		close(watch->vigil.pidfd);
	free(watch);
	return NULL;
}

void vm_vigil_start(struct agent *agent, struct guest *guest)
{
	struct watch *watch = mem_new(struct watch);
	pthread_t thread;

	*watch = (struct watch){ .agent = agent, .guest = guest };
	watch->vigil = (struct vigil){ .pidfd = -1, .over = over, .context = watch };
	pthread_mutex_lock(&agent->lock);
	watch->number = guest->move.number;
	watch->vigil.pid = guest->move.pid;
	watch->vigil.stood = guest->move.vcpus;
	pthread_mutex_unlock(&agent->lock);
	if (pthread_create(&thread, NULL, keep, watch) == 0)
		pthread_detach(thread);
	else
		free(watch);
}
