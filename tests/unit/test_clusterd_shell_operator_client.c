/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One client on the operator socket. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "base/cleanup.h"
#include "clusterctl/ctl.h"
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
	small_voters(desk->core, 1);
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

/* ---------------------------------------------------------------- backup */

/* The daemon's store, in a directory of its own. */
struct cellar {
	struct desk *desk;
	char dir[64], file[80];
	struct store *store;
};

static int32_t on_store(int32_t fd, int32_t revents, void *context)
{
	struct cellar *cellar = context;
	uint64_t durable;
	char why[600];

	CU_ASSERT_EQUAL(store_poll(cellar->store, &durable, why, sizeof(why)), 0);
	operator_store_told(cellar->desk->operator);
	return 0;
}

static void cellar_open(struct cellar *cellar, struct desk *desk)
{
	char why[600];

	*cellar = (struct cellar){ .desk = desk };
	snprintf(cellar->dir, sizeof(cellar->dir), "/tmp/clusterd-cellar-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(cellar->dir));
	snprintf(cellar->file, sizeof(cellar->file), "%s.backup", cellar->dir);
	CU_ASSERT_EQUAL_FATAL(store_open(cellar->dir, &cellar->store, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL_FATAL(store_start(cellar->store), 0);
	qb_loop_poll_add(desk->shell.loop, QB_LOOP_MED, store_fd(cellar->store), POLLIN, cellar,
			 on_store);
	operator_set_store(desk->operator, cellar->store);
}

static void cellar_close(struct cellar *cellar)
{
	char path[100];

	qb_loop_poll_del(cellar->desk->shell.loop, store_fd(cellar->store));
	operator_set_store(cellar->desk->operator, NULL);
	store_close(cellar->store);
	snprintf(path, sizeof(path), "%s/cluster.db", cellar->dir);
	unlink(path);
	unlink(cellar->file);
	CU_ASSERT_EQUAL(rmdir(cellar->dir), 0);
}

/* clusterctl in a process of its own; what it ends with. */
static int backup(struct cellar *cellar, const char *option)
{
	char socket[100], out[] = "/dev/null";
	char *argv[] = { (char *)"clusterctl", (char *)"--socket", socket, (char *)"backup",
			 cellar->file, (char *)option, NULL };
	int status = 0;
	pid_t pid;

	snprintf(socket, sizeof(socket), "%s/operator.sock", cellar->desk->dir);
	pid = fork();
	if (pid == 0) {
		if (!freopen(out, "w", stdout) || !freopen(out, "w", stderr))
			_exit(99);
		_exit(ctl_main(option ? 6 : 5, argv));
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		run(cellar->desk, 20);
	return WEXITSTATUS(status);
}

/* The whole way, into a file that is a store. */
static void test_backup(void)
{
	static const char head[] = "SQLite format 3";
	char text[sizeof(head)] = "", part[100];
	struct cellar cellar;
	struct desk desk;
	struct stat st;
	FILE *file;

	desk_open(&desk);
	cellar_open(&cellar, &desk);
	CU_ASSERT_EQUAL(backup(&cellar, NULL), 0);
	CU_ASSERT_EQUAL(stat(cellar.file, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	file = fopen(cellar.file, "r");
	CU_ASSERT_EQUAL(fread(text, 1, sizeof(text), file), sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, head);
	fclose(file);
	/* A file that is there is not lost. */
	CU_ASSERT_EQUAL(truncate(cellar.file, 5), 0);
	CU_ASSERT_EQUAL(backup(&cellar, NULL), 1);
	CU_ASSERT_EQUAL(stat(cellar.file, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 5);
	CU_ASSERT_EQUAL(backup(&cellar, "--force"), 0);
	CU_ASSERT_EQUAL(stat(cellar.file, &st), 0);
	CU_ASSERT(st.st_size > 4096);
	snprintf(part, sizeof(part), "%s.tmp", cellar.file);
	CU_ASSERT_EQUAL(access(part, F_OK), -1);
	cellar_close(&cellar);
	desk_close(&desk);
}

/* Whoever asked is gone, or asks twice, or for something else; the next one gets his. */
static void test_backup_refused(void)
{
	struct cellar cellar;
	struct desk desk;
	char answer[1000] = "";

	desk_open(&desk);
	ask(&desk, "{\"id\":1,\"do\":\"backup\"}");
	run(&desk, 100);
	CU_ASSERT(recv(desk.fd, answer, sizeof(answer) - 1, MSG_DONTWAIT) > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"busy\""));
	cellar_open(&cellar, &desk);
	ask(&desk, "{\"id\":2,\"do\":\"backup\",\"file\":\"x\"}");
	run(&desk, 100);
	memset(answer, 0, sizeof(answer));
	CU_ASSERT(recv(desk.fd, answer, sizeof(answer) - 1, MSG_DONTWAIT) > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(answer, "backup takes no keys"));
	ask(&desk, "{\"id\":3,\"do\":\"backup\"}");
	run(&desk, 1);
	shutdown(desk.fd, SHUT_RDWR);
	run(&desk, 300);
	CU_ASSERT_EQUAL(backup(&cellar, NULL), 0);
	cellar_close(&cellar);
	desk_close(&desk);
}

UNIT_MAIN("clusterd/shell/operator_client", { "follow_is_quiet", test_follow_is_quiet },
	  { "backup", test_backup }, { "backup_refused", test_backup_refused })
