/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd: the daemon of one node. Reads its configuration, makes sure that it is the only
 * one, and runs the loop; or, with --init, writes the first entry of a new cluster, or goes on
 * alone from its own store (--force-new-cluster) or a backup (--restore).
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
#include "base/text.h"
#include "clusterd/shell/conf.h"
#include "clusterd/shell/force.h"
#include "clusterd/shell/genesis.h"
#include "clusterd/shell/group.h"
#include "clusterd/shell/log.h"
#include "clusterd/shell/loop.h"
#include "clusterd/shell/restore.h"
#include "clusterd/shell/seal.h"
#include "clusterd/shell/shell.h"
#include "clusterd/shell/store.h"

enum { WHY_SIZE = 600, PATH_SIZE = 300, FILES_MAX = 4096, DISK_PAUSE_S = 5 };
enum { HOST_NAME_SIZE = 256 };

struct options {
	const char *conf;
	bool conf_given, init, force;
	const char *restore, *as, *yes;
	struct genesis genesis;
};

static const char usage[] =
	"Usage: clusterd [-c FILE]\n"
	"       clusterd [-c FILE] --init --name NAME --node ID=NAME,ADDRESS[,OPTION]… …\n"
	"       clusterd [-c FILE] --force-new-cluster [--yes NAME]\n"
	"       clusterd [-c FILE] --restore FILE [--as NODE] [--yes NAME]\n"
	"\n"
	"Runs the cluster daemon of this node in the foreground; or writes the first entry of\n"
	"a new cluster on the node that it begins with; or, when a majority of the voters is\n"
	"gone for good, makes this node the only voter, with what it has or with a backup.\n"
	"\n"
	"  -c, --config FILE  configuration instead of " CLUSTERD_CONF_DIR "/clusterd.conf\n"
	"      --init         begin a new cluster here\n"
	"      --name NAME    its name\n"
	"      --node …       each of its nodes: Corosync's node id, name, address for moves;\n"
	"                     options are domain=X (failure domain), learner (no vote),\n"
	"                     witness (votes, runs no VMs)\n"
	"      --force-new-cluster  go on alone with this node's store; clusterd is stopped\n"
	"      --restore FILE       go on alone with a backup; this node has no store\n"
	"      --as NODE            … as that node, not the one that the backup was made on\n"
	"      --yes NAME           do it, not only tell what would be; NAME: of the cluster\n"
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
		{ "force-new-cluster", no_argument, NULL, 'F' },
		{ "restore", required_argument, NULL, 'R' },
		{ "as", required_argument, NULL, 'A' },
		{ "yes", required_argument, NULL, 'Y' },
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
		case 'F':
			options->force = true;
			break;
		case 'R':
			options->restore = optarg;
			break;
		case 'A':
			options->as = optarg;
			break;
		case 'Y':
			options->yes = optarg;
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
	if (options->init + options->force + (options->restore != NULL) > 1)
		return complain("--init, --force-new-cluster and --restore exclude each other");
	if (options->yes && !options->force && !options->restore)
		return complain("--yes belongs to --force-new-cluster or --restore");
	if (options->as && !options->restore)
		return complain("--as belongs to --restore");
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

/* Who is at the keyboard, as far as can be told; one word, for events. */
static void name_caller(char *ret, size_t size)
{
	const char *user = getenv("SUDO_USER");

	if (user && text_valid_name(user, 32))
		snprintf(ret, size, "%s as uid %u", user, (unsigned)getuid());
	else
		snprintf(ret, size, getuid() == 0 ? "root" : "uid %u", (unsigned)getuid());
}

/* Told of without --yes; -1: it is meant, and is to be done. */
static int ask_for_name(const struct forcing *forcing, const struct options *options,
			const char *command)
{
	char why[WHY_SIZE];

	if (!options->yes) {
		forcing_tell(forcing, shell_wall_ms(), command, stdout);
		return LOOP_EXIT_FAILED;
	}
	if (strcmp(options->yes, forcing_name(forcing)) == 0) {
		forcing_tell_again(forcing, stdout);
		return -1;
	}
	snprintf(why, sizeof(why), "this is cluster %s, and not %.100s: nothing was changed",
		 forcing_name(forcing), options->yes);
	return complain(why);
}

static int write_forced(struct forcing *forcing, char *why, size_t size)
{
	char who[100];

	name_caller(who, sizeof(who));
	return forcing_write(forcing, who, why, size);
}

static int end_forced(const char *name)
{
	printf("Cluster %s begins anew, with this node as its only voter. Start clusterd here; on "
	       "each other node,\nmove its cluster.db away before clusterd is started there.\n",
	       name);
	return 0;
}

static int force(const struct conf *conf, const struct options *options)
{
	struct forcing *forcing = NULL;
	struct store *store = NULL;
	char why[WHY_SIZE], command[WHY_SIZE];
	int result;

	/* Opening makes one where there is none. */
	snprintf(why, sizeof(why), "%s/cluster.db", conf->state_dir);
	if (access(why, F_OK) < 0) {
		snprintf(why, sizeof(why), "there is no store in %s to go on with: choose another "
			 "node, or a backup (--restore)", conf->state_dir);
		return complain(why);
	}
	result = open_store(conf, true, &store);
	if (result)
		return result;
	snprintf(command, sizeof(command), "clusterd%s%s --force-new-cluster",
		 options->conf_given ? " -c " : "", options->conf_given ? options->conf : "");
	if (forcing_new(store, false, &forcing, why, sizeof(why)) < 0)
		result = complain(why);
	else
		result = ask_for_name(forcing, options, command);
	if (result < 0)
		result = write_forced(forcing, why, sizeof(why)) < 0
				 ? complain(why)
				 : end_forced(forcing_name(forcing));
	forcing_free(forcing);
	store_close(store);
	return result;
}

static int restore(const struct conf *conf, const struct options *options)
{
	char why[WHY_SIZE + 400], command[WHY_SIZE], host[HOST_NAME_SIZE] = "";
	struct restore_here here = { .node = group_ask_node(), .host = host };
	struct restore *restore = NULL;
	int result = -1;

	gethostname(host, sizeof(host) - 1);

	snprintf(command, sizeof(command), "clusterd%s%s --restore %s%s%s",
		 options->conf_given ? " -c " : "", options->conf_given ? options->conf : "",
		 options->restore, options->as ? " --as " : "", options->as ? options->as : "");
	if (restore_open(conf->state_dir, options->restore, options->as, &here, &restore, why,
			 sizeof(why)) < 0)
		return complain(why);
	result = ask_for_name(restore_forcing(restore), options, command);
	if (result < 0 && (write_forced(restore_forcing(restore), why, sizeof(why)) < 0 ||
			   restore_finish(restore, why, sizeof(why)) < 0))
		result = complain(why);
	restore_free(restore);
	return result < 0 ? end_forced(options->yes) : result;
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
		result = options.init	   ? init(&conf, &options.genesis)
			 : options.force   ? force(&conf, &options)
			 : options.restore ? restore(&conf, &options)
					   : run(&conf);
	log_close();
	return result;
}
