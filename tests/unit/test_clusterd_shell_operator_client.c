/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One client on the operator socket. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "base/cleanup.h"
#include "clusterd/shell/operator.h"
#include "tests/unit/small.h"
#include "tests/unit/unit.h"

enum { EVENTS = 4000 };

struct desk {
	char dir[64];
	struct shell shell;
	struct core *core;
	struct operator *operator;
	int fd;
};

static void take_nothing(void *context, struct event *event)
{
	(void)context;
	(void)event;
}

static void stop_loop(void *context)
{
	qb_loop_stop(context);
}

/* The daemon's loop runs for so long. */
static void run(struct desk *desk, uint64_t ms)
{
	qb_loop_timer_handle timer;

	qb_loop_timer_add(desk->shell.loop, QB_LOOP_LOW, ms * UINT64_C(1000000), desk->shell.loop,
			  stop_loop, &timer);
	qb_loop_run(desk->shell.loop);
}

static void desk_open(struct desk *desk)
{
	struct operator_config config = { .read_all = true, .boot_id = 1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memset(desk, 0, sizeof(*desk));
	snprintf(desk->dir, sizeof(desk->dir), "/tmp/clusterd-operator-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(desk->dir));
	desk->shell = (struct shell){ qb_loop_create(), take_nothing, NULL, NULL };
	desk->core = small_core(1, 100);
	config.run_dir = desk->dir;
	config.secret_key = "/nonexistent";
	CU_ASSERT_EQUAL_FATAL(operator_new(&desk->shell, &config, &desk->operator), 0);
	operator_set_core(desk->operator, desk->core, 1);
	desk->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/operator.sock", desk->dir);
	CU_ASSERT_EQUAL_FATAL(connect(desk->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void desk_close(struct desk *desk)
{
	close(desk->fd);
	operator_free(desk->operator);
	qb_loop_destroy(desk->shell.loop);
	core_free(desk->core);
	rmdir(desk->dir);
}

static void ask(struct desk *desk, const char *request)
{
	CU_ASSERT_EQUAL(send(desk->fd, request, strlen(request), 0), (ssize_t)strlen(request));
}

/* How many events have come. */
static size_t events_in(struct desk *desk)
{
	static char answer[256 * 1024];
	size_t n = 0;
	ssize_t size;

	while ((size = recv(desk->fd, answer, sizeof(answer) - 1, MSG_DONTWAIT)) > 0) {
		json_t *record = json_loadb(answer, (size_t)size, 0, NULL);

		n += json_array_size(json_object_get(record, "data"));
		json_decref(record);
	}
	return n;
}

static uint64_t used_ms(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

/* One who follows the events and has them all costs nothing until there is another one. */
static void test_follow_is_quiet(void)
{
	struct desk desk;
	uint64_t before_ms;
	size_t n = 0;

	desk_open(&desk);
	small_events(desk.core, 1, 3);
	ask(&desk, "{\"id\":1,\"do\":\"events\",\"follow\":true}");
	run(&desk, 100);
	CU_ASSERT_EQUAL(events_in(&desk), 3);
	before_ms = used_ms();
	run(&desk, 1000);
	CU_ASSERT(used_ms() - before_ms < 500);
	/* However much comes at once, it all comes. */
	small_events(desk.core, 4, 3 + EVENTS);
	operator_news(desk.operator);
	for (unsigned turns = 0; turns < 500 && n < EVENTS; turns++) {
		run(&desk, 20);
		n += events_in(&desk);
	}
	CU_ASSERT_EQUAL(n, EVENTS);
	desk_close(&desk);
}

UNIT_MAIN("clusterd/shell/operator_client", { "follow_is_quiet", test_follow_is_quiet })
