/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clusterd-agent-vm --uri URI: does with libvirt what the daemon asks on descriptor 3. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agents/vm.h"

int main(int argc, char **argv)
{
	int r;

	if (argc != 3 || strcmp(argv[1], "--uri") != 0) {
		fprintf(stderr, "usage: clusterd-agent-vm --uri URI (started by clusterd, which "
				"talks to it "
				"on descriptor 3)\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	r = agent_run(argv[2]);
	if (r < 0)
		fprintf(stderr, "agent kind=vm ended reason=\"%s\"\n", strerror(-r));
	/* No exit handlers: threads that hang in libvirt would hang them. */
	_exit(r < 0 ? 1 : 0);
}
