/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_STAGE_H
#define TESTS_UNIT_STAGE_H

/*
 * A stage is clusterctl as a whole against a daemon that follows a script: a process of its own
 * that speaks the protocol of doc/operator.md on a real socket. The script says which request
 * must come next and what is answered; a request that is another one is answered with a failure
 * that says so, and a script that is not played to its end is a failure too.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { STAGE_REPLIES_MAX = 6, STAGE_RECORD_MAX = 61440, STAGE_SCRIPT_END = 7 };

/*
 * One request. Replies are what stands behind {"id": N, "seq": K, in a record; "hang up" closes
 * the connection.
 */
struct exchange {
	const char *expect; /* JSON; the request must have all of it */
	const char *replies[STAGE_REPLIES_MAX];
};

#define OK(data) "\"last\":true,\"ok\":true,\"data\":" data "}"
#define MORE(data) "\"last\":false,\"ok\":true,\"data\":" data "}"
#define NO(code, text)                                                                             \
	"\"last\":true,\"ok\":false,\"error\":{\"code\":\"" code "\",\"text\":\"" text "\"}}"
#define HANG_UP "hang up"

/* Answers that many scenes have. */
#define VM1                                                                                        \
	"{\"id\":5,\"name\":\"web1\",\"state\":\"running\",\"wanted\":\"running\",\"owner\":1,"    \
	"\"owner_name\":\"n1\",\"priority\":\"high\",\"protected\":{\"ok\":true},"                 \
	"\"essence\":{\"digest\":\"0x1\"},\"in_force\":{\"memory_mib\":2048,\"vcpus\":2}}"
#define VM2                                                                                        \
	"{\"id\":6,\"name\":\"db1\",\"state\":\"failed\",\"wanted\":\"running\","                  \
	"\"detail\":\"evil \\u001b[2J\",\"protected\":{\"ok\":false},\"essence\":{}}"
#define NODES                                                                                      \
	"[{\"id\":1,\"name\":\"n1\",\"state\":\"up\"},{\"id\":2,\"name\":\"n2\",\"state\":\"up\"}]"
#define NOT_MEANT "{\"ok\":false,\"applies\":false,\"reason\":\"managed=no\"}"
#define DONE(op) OK("{\"id\":" op ",\"kind\":\"stop\",\"outcome\":\"done\",\"text\":\"it is off\"}")
#define RUNNING(op) OK("{\"id\":" op ",\"kind\":\"stop\",\"outcome\":\"running\"}")

/* How a command line ended; its texts are freed by outcome_free(). */
struct outcome {
	int exit;
	char *out, *err;
	uint64_t took_ms;
};

struct scene {
	bool terminal; /* of 40 columns; out is all that is seen there */
	const char *line, *input; /* input NULL: none */
	struct exchange script[8];
	int exit;
	const char *out, *err; /* parts that must be in it; NULL: nothing may be */
	const char *not_out, *not_err;
};

/* Where the socket and all temporary files are; removed at the end of the program. */
extern char stage_directory[], stage_socket[];

/* Once for all scenes; those below do it by themselves. */
void stage_set_up(void);
/* Plays one scene, or n of them in turn. What differs is printed, and a failed assertion. */
void stage_play(const struct scene *scene);
void stage_play_all(const struct scene *scenes, size_t n);

/*
 * The parts of it. The daemon is a process that exits with STAGE_SCRIPT_END if its script, which
 * ends with an exchange of NULLs, was followed; the caller waits for it. stage_run() is the
 * command line in a process of its own, with that text as its input; stage_run_line() is the
 * same in this process.
 */
pid_t stage_start_daemon(const struct exchange *script);
struct outcome stage_run(const char *line, const char *input);
int stage_run_line(const char *line);
void outcome_free(struct outcome *outcome);

/* For a daemon that the test plays itself: its socket, and one reply. */
int stage_listen(void);
void stage_reply(int fd, const json_t *id, int seq, const char *rest);

#endif
