/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd: the daemon of one node. Reads its configuration, makes sure that it is the only
 * one, and runs the loop; or, with --init, writes the first entry of a new cluster.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "clusterd/shell/conf.h"
#include "clusterd/shell/genesis.h"
#include "clusterd/shell/log.h"
#include "clusterd/shell/loop.h"
#include "clusterd/shell/seal.h"
#include "clusterd/shell/store.h"

enum { WHY_SIZE = 600, PATH_SIZE = 300, FILES_MAX = 4096, DISK_PAUSE_S = 5 };

struct options {
	const char *conf;
	bool conf_given, init;
	struct genesis genesis;
};

static const char usage[] =
	"Usage: clusterd [-c FILE]\n"
	"       clusterd [-c FILE] --init --name NAME --node ID=NAME,ADDRESS[,OPTION]… …\n"
	"\n"
	"Runs the cluster daemon of this node in the foreground, or writes the first entry of\n"
	"a new cluster on the node that it begins with.\n"
	"\n"
	"  -c, --config FILE  configuration instead of " CLUSTERD_CONF_DIR "/clusterd.conf\n"
	"      --init         begin a new cluster here\n"
	"      --name NAME    its name\n"
	"      --node …       each of its nodes: Corosync's node id, name, address for moves;\n"
	"                     options are domain=X (failure domain), learner (no vote),\n"
	"                     witness (votes, runs no VMs)\n"
	"  -V, --version\n"
	"  -h, --help\n";

static int complain(const char *why)
{
	fprintf(stderr, "clusterd: %s\n", why);
	return LOOP_EXIT_CONFIG;
}

/* ---------------------------------------------------------------- command line */

/* -1: go on; else the exit. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "init", no_argument, NULL, 'i' },
		{ "name", required_argument, NULL, 'n' },
		{ "node", required_argument, NULL, 'N' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char why[WHY_SIZE];
	int option;

	while ((option = getopt_long(argc, argv, "c:Vh", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->conf = optarg;
			options->conf_given = true;
			break;
		case 'i':
			options->init = true;
			break;
		case 'n':
			options->genesis.name = optarg;
			break;
		case 'N':
			if (genesis_add_node(&options->genesis, optarg, why, sizeof(why)) < 0)
				return complain(why);
			break;
		case 'V':
			printf("clusterd %s\n", PACKAGE_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return complain("see clusterd --help");
		}
	}
	if (optind < argc)
		return complain("there is an argument too many: see clusterd --help");
	if (!options->init && (options->genesis.name || options->genesis.nodes_n))
		return complain("--name and --node belong to --init");
	return -1;
}

/* ---------------------------------------------------------------- surroundings */

static int read_conf(const struct options *options, struct conf *conf)
{
	char why[WHY_SIZE];
	int error = conf_read(conf, options->conf, why, sizeof(why));

	if (error == 0 || (error == -ENOENT && !options->conf_given))
		return 0;
	if (error != -EINVAL)
		snprintf(why, sizeof(why), "%s cannot be read: %s", options->conf,
			 strerror(-error));
	return complain(why);
}

/* What is in memory may be a secret: no core file, no debugger of others. */
static void shut_windows(void)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files = { FILES_MAX, FILES_MAX };

	umask(077);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NOFILE, &files);
	prctl(PR_SET_DUMPABLE, 0);
}

static int make_dir(const char *path, mode_t mode)
{
	char why[WHY_SIZE];

	if (mkdir(path, mode) == 0) {
		/* Others must be able to reach the sockets in run_dir; umask is against it. */
		if (chmod(path, mode) == 0)
			return 0;
	} else if (errno == EEXIST)
		return 0;
	snprintf(why, sizeof(why), "%s cannot be made: %s", path, strerror(errno));
	return complain(why);
}

/* Held until the process ends, however it ends. */
static int lock_instance(const char *state_dir)
{
	char path[PATH_SIZE], why[WHY_SIZE];
	int fd;

	bool taken;

	snprintf(path, sizeof(path), "%s/lock", state_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	taken = fd >= 0 && errno == EWOULDBLOCK;
	if (taken)
		snprintf(why, sizeof(why), "another clusterd runs with %s: stop it first",
			 state_dir);
	else
		snprintf(why, sizeof(why), "%s cannot be locked: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	complain(why);
	/* The other one may be about to end: worth another try. */
	return taken ? LOOP_EXIT_FAILED : LOOP_EXIT_CONFIG;
}

/* With --init nothing takes the place of a damaged store: it may be that of a cluster. */
static int open_store(const struct conf *conf, bool init, struct store **ret)
{
	char why[WHY_SIZE] = "The store cannot be opened";
	int error = init ? store_open(conf->state_dir, ret, why, sizeof(why))
			 : loop_open_store(conf->state_dir, ret, why, sizeof(why));

	if (!error)
		return 0;
	complain(why);
	if (error == -EBUSY)
		return LOOP_EXIT_FAILED;
	if (error == -EPROTO || error == -ENOTSUP)
		return LOOP_EXIT_CONFIG;
	/* Systemd starts it again at once, and what is wrong with a disk takes longer. */
	if (getenv("NOTIFY_SOCKET"))
		sleep(DISK_PAUSE_S);
	return LOOP_EXIT_STORE;
}

/* ---------------------------------------------------------------- what it does */

static int make_key(const char *path)
{
	char why[WHY_SIZE];
	int error = seal_make_key(path);

	if (error == 0)
		printf("Made the key for secrets, %s: copy it to all nodes, mode 0400\n", path);
	if (error == 0 || error == -EEXIST)
		return 0;
	snprintf(why, sizeof(why), "the key file %s cannot be made: %s", path, strerror(-error));
	return complain(why);
}

static int init(const struct conf *conf, const struct genesis *genesis)
{
	uint32_t voters[GENESIS_VOTERS_MAX];
	struct store *store = NULL;
	char why[WHY_SIZE];
	size_t voters_n;
	int result;

	/* Before anything is made. */
	if (genesis_voters(genesis, voters, &voters_n, why, sizeof(why)) < 0)
		return complain(why);
	result = open_store(conf, true, &store);
	if (result)
		return result;
	result = genesis_write(genesis, store, why, sizeof(why)) < 0 ? complain(why) : 0;
	store_close(store);
	if (result)
		return result;
	printf("Cluster %s begins with %zu nodes; voters:", genesis->name, genesis->nodes_n);
	for (size_t i = 0; i < voters_n; i++)
		printf(" %u", voters[i]);
	printf("\n");
	if (genesis_is_of_two(genesis))
		printf("Node %u votes alone for now, so the cluster stops whenever it does, until "
		       "both nodes have a tested fence device (clusterctl fence add, fence test) "
		       "or a third node votes\n", voters[0]);
	return make_key(conf->secret_key);
}

static int run(const struct conf *conf)
{
	char path[PATH_SIZE];
	struct store *store = NULL;
	int result = make_dir(conf->run_dir, 0755);

	if (!result)
		result = open_store(conf, false, &store);
	if (result)
		return result;
	snprintf(path, sizeof(path), "%s/blackbox", conf->state_dir);
	log_keep_blackbox(path);
	return loop_run(conf, store);
}

int main(int argc, char **argv)
{
	static struct options options = { .conf = CLUSTERD_CONF_DIR "/clusterd.conf" };
	_cleanup_(conf_free) struct conf conf = { 0 };
	int result = parse_options(argc, argv, &options);

	if (result >= 0)
		return result;
	shut_windows();
	conf_init(&conf);
	result = read_conf(&options, &conf);
	if (result)
		return result;
	log_open("clusterd");
	log_set_level(conf.log_level);
	result = make_dir(conf.state_dir, 0700);
	if (!result)
		result = lock_instance(conf.state_dir);
	if (!result)
		result = options.init ? init(&conf, &options.genesis) : run(&conf);
	log_close();
	return result;
}
