/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/commands.h"

#include "base/cleanup.h"
#include "clusterctl/cli.h"
#include "clusterctl/ctl.h"

#define YES_NO "yes no"

static const struct cli_key vm_keys[] = {
	{ "priority", "high medium low", "who starts first, and who gives way" },
	{ "ha", YES_NO, "start it on another node when its node dies" },
	{ "managed", YES_NO, "no: the cluster leaves it alone" },
	{ "owners", NULL, "nodes that may run it, with commas; empty: all", CLI_NODE },
	{ "prefer", NULL, "nodes it likes best, with commas, the best first", CLI_NODE },
	{ "stop_timeout", NULL, "time to shut down before it is stopped hard, like 90s or 5m" },
	{ "on_guest_shutdown", "stop restart", "what a shutdown from inside leads to" },
	{ "cold_start_on_lost_save", YES_NO, "start anew when its saved memory is lost" },
	{ 0 },
};

static const struct cli_key node_keys[] = {
	{ "address", NULL, "where other nodes send guests to" },
	{ "domain", NULL, "failure domain, like rack1" },
	{ "placement", YES_NO, "no: it takes no VMs; those it has stay" },
	{ "witness", YES_NO, "yes: it never runs VMs, but may vote" },
	{ "vote", YES_NO, "no: it never votes, and only learns what the others decide" },
	{ 0 },
};

static const struct cli_option globals[] = {
	{ "json", NULL, "write one JSON document to stdout" },
	{ "socket", "PATH", "talk to the daemon there, not at /run/clusterd/operator.sock",
	  CLI_FILE, false },
	{ "help", NULL, "say how it is used" },
	{ "version", NULL, "say which version this is" },
	{ 0 },
};

static const struct cli_option changing[] = {
	{ "wait", NULL, "wait until it is done (the default)" },
	{ "no-wait", NULL, "end when the cluster has agreed to it" },
	{ "timeout", "TIME", "stop waiting after a time like 60s, with exit 6" },
	{ 0 },
};

static const struct cli_command commands[] = {
	{
		.words = "status",
		.run = cmd_status,
		.brief = "whether all is well, for people and for monitoring",
		.help = "Says in one line whether all is well, then what is not, then the nodes. "
			"It exits as a monitoring plugin does, unlike every other command: 0 all "
			"is well, 1 warning (a node is not up, a VM is not protected or not "
			"where it is wanted), 2 critical (no quorum, or a VM that should run "
			"is down), 3 unknown (the daemon does not answer). clusterctl(8) has "
			"the whole table.",
		.example = "  clusterctl status",
	},

	{
		.words = "backup",
		.args = { { "FILE", CLI_FILE, CLI_ONE } },
		.options = { { "force", NULL, "take the place of a file that is there" } },
		.run = cmd_backup,
		.brief = "write what the cluster knows into a file",
		.help = "Writes a copy of this node's store, checked, into a file that only its "
			"owner may read: definitions, settings, what is wanted of each VM, and "
			"the history. Nothing waits for it, and no quorum is needed. Not in it "
			"are the key file that opens its secrets, clusterd.conf, disks, and saved "
			"memory. clusterd --restore makes a cluster of it when there is none any "
			"more: clusterd(8).",
		.example = "  clusterctl backup /root/cluster-$(date +%F).backup",
	},
	{
		.words = "cluster upgrade",
		.options = {
			{ "leave-behind", "NODE", "go on without a node that is down", CLI_NODE,
			  true },
			{ "yes", NULL, "do not ask whether it is meant" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_cluster_upgrade,
		.brief = "use what a newer clusterd on all nodes can do",
		.help = "Raises the cluster's feature level to the highest that all nodes know. It "
			"is the last step of an upgrade, when every node has its new clusterd: "
			"until then the newer ones do what the older ones do, and each may go "
			"back. Afterwards there is no way back: a clusterd that does not know the "
			"level takes part no more. So it asks first.",
		.example = "  clusterctl cluster upgrade",
	},

	/* ---- nodes ---- */
	{
		.words = "node list",
		.run = cmd_node_list,
		.brief = "all nodes",
		.help = "Lists the nodes with their state, whether they are members of the "
			"cluster now, what they run and which fence device can prove their "
			"death. States: new (never reported), up (drained: takes no VMs), "
			"daemon-down (its VMs run on), left (its clusterd was stopped), lost "
			"(perhaps dead), off (proven off), not seen (by this node, without "
			"quorum).",
		.example = "  clusterctl node list",
	},
	{
		.words = "node show",
		.args = { { "NAME", CLI_NODE, CLI_ONE } },
		.run = cmd_node_show,
		.brief = "one node, with all that it tells about itself",
		.help = "Shows the record of a node and what the node reported: processors, "
			"memory, versions, bridges, networks and volumes.",
		.example = "  clusterctl node show n1",
	},
	{
		.words = "node set",
		.args = { { "NAME", CLI_NODE, CLI_ONE }, { "KEY=VALUE", CLI_KEYS, CLI_MANY } },
		.keys = node_keys,
		.flags = CLI_CHANGES,
		.run = cmd_node_set,
		.brief = "change what the cluster knows of a node",
		.help = "Changes one or more things about a node. placement=no keeps VMs away "
			"from it without touching those it runs.",
		.example = "  clusterctl node set n2 domain=rack1 placement=no",
	},
	{
		.words = "node add",
		.args = { { "NAME", CLI_TEXT, CLI_ONE } },
		.options = {
			{ "address", "ADDRESS", "where other nodes send guests to" },
			{ "domain", "NAME", "failure domain, like rack1" },
			{ "witness", NULL, "it never runs VMs, but may vote" },
			{ "learner", NULL, "it never votes, and only learns" },
			{ "id", "ID",
			  "Corosync's nodeid, 1 to 64; else the lowest that no node had" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_node_add,
		.brief = "let one more node be of the cluster",
		.help = "Makes a node known to the cluster. corosync.conf is not changed by that: "
			"the node must be in it, with the same nodeid, on all nodes; then its "
			"clusterd, with an empty store, learns what the others know. Whether it "
			"becomes a voter the cluster decides (cluster.voters).",
		.example = "  clusterctl node add n4 --address 10.0.0.4 --domain rack2",
	},
	{
		.words = "node remove",
		.args = { { "NAME", CLI_NODE, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_node_remove,
		.brief = "let a node be of the cluster no more",
		.help = "Removes a node that has nothing: no VM may be on it or bound to it, no "
			"fence device be for it, and while it is up it must be drained "
			"(placement=no). A voter first gives its vote to another node. A removed "
			"node that comes back does nothing and says why. To replace a node, "
			"remove it and add another; one that only lost its disk comes back by "
			"itself.",
		.example = "  clusterctl node set n2 placement=no\n"
			   "  clusterctl node remove n2",
	},

	/* ---- VMs ---- */
	{
		.words = "vm list",
		.run = cmd_vm_list,
		.brief = "all VMs",
		.help = "Lists the VMs: what each does, where, what is wanted of it, its size, "
			"and whether it would survive the death of its node (PROTECTED; vm show "
			"says why not). A VM is stopped, starting, running, paused, stopping, "
			"migrating, saving, saved, restoring, failed (given up) or unknown (its "
			"node does not speak; the detail says what is with it).",
		.example = "  clusterctl vm list --json |\n"
			   "      jq -r '.[] | select(.protected | .applies and (.ok | not)).name'",
	},
	{
		.words = "vm show",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.run = cmd_vm_show,
		.brief = "one VM, with its settings",
		.help = "Shows what a VM does and why, its disks and network cards, and its "
			"settings.",
		.example = "  clusterctl vm show web1",
	},
	{
		.words = "vm add",
		.args = { { "FILE", CLI_FILE, CLI_ONE } },
		.options = {
			{ "set", "KEY=VALUE", "as with vm set; may be repeated", CLI_KEYS, true },
			{ "stopped", NULL, "do not start it" },
		},
		.keys = vm_keys,
		.flags = CLI_CHANGES,
		.run = cmd_vm_add,
		.brief = "take a VM into the cluster",
		.help = "Reads a libvirt domain definition from FILE, or from stdin for '-', "
			"gives it to the cluster and starts it. The disks must be where every "
			"node can reach them. A definition without a <uuid> gets one.",
		.example = "  clusterctl vm add web1.xml --set priority=high --set owners=n1,n2\n"
			   "  virsh dumpxml web1 | clusterctl vm add - --stopped",
	},
	{
		.words = "vm start",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.options = {
			{ "cold", NULL, "give up memory that was saved, start anew" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_vm_start,
		.brief = "have it run",
		.help = "Wants a VM running. The cluster chooses the node. From then on it is "
			"started again whenever it is found not to run.",
		.example = "  clusterctl vm start web1",
	},
	{
		.words = "vm stop",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.options = {
			{ "force", NULL, "at once, as if its plug was pulled" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_vm_stop,
		.brief = "have it off",
		.help = "Wants a VM off. The guest is asked to shut down; when its stop_timeout "
			"has passed, it is stopped hard.",
		.example = "  clusterctl vm stop web1 --timeout 5m",
	},
	{
		.words = "vm reset",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_vm_reset,
		.brief = "press its reset button",
		.help = "Resets the machine without asking the guest. What was not on its disks "
			"is lost.",
		.example = "  clusterctl vm reset web1",
	},
	{
		.words = "vm reboot",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_vm_reboot,
		.brief = "ask the guest to reboot",
		.help = "Asks the guest to reboot by itself. It is done when the guest was asked.",
		.example = "  clusterctl vm reboot web1",
	},
	{
		.words = "vm pause",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_vm_pause,
		.brief = "stop its processors",
		.help = "Stops the processors of a VM. Its memory stays where it is; vm resume "
			"goes on.",
		.example = "  clusterctl vm pause web1",
	},
	{
		.words = "vm resume",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_vm_resume,
		.brief = "let a paused VM go on",
		.help = "Lets a paused VM go on, whether it was paused by vm pause or by a disk "
			"error.",
		.example = "  clusterctl vm resume web1",
	},
	{
		.words = "vm migrate",
		.args = { { "NAME", CLI_VM, CLI_ONE }, { "NODE", CLI_NODE, CLI_OPTIONAL } },
		.options = {
			{ "live", NULL, "while it runs (the default)" },
			{ "quick", NULL, "save its memory, restore it there" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_vm_migrate,
		.brief = "move it to another node",
		.help = "Moves a VM to NODE, or to the node that the cluster finds best. --live "
			"copies its memory while it runs and pauses it for a moment at the end. "
			"--quick saves the memory to a shared volume and restores it there: the "
			"guest stands still meanwhile, but it always ends.",
		.example = "  clusterctl vm migrate web1 n2",
	},
	{
		.words = "vm cancel",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_vm_cancel,
		.brief = "call off a migration that is under way",
		.help = "Calls off the migration of a VM; it stays where it is. Too late once "
			"the hand-over has begun. Exits 0 when it stays, 1 when it had moved; a vm "
			"migrate that waits for it exits 1.",
		.example = "  clusterctl vm cancel web1",
	},
	{
		.words = "vm accept",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.options = {
			{ "changed", NULL, "definition and disks are right as they are now" },
			{ "not-running", NULL, "it does not run where nobody has looked" },
			{ "yes", NULL, "do not ask whether it is meant" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_vm_accept,
		.brief = "give your word about what it waits for",
		.help = "Takes your word for what the cluster will not decide; vm show says what "
			"that is. --changed: a change that was made outside of the cluster is "
			"right, in the definition by virsh, or in the backing chain of its disks. "
			"--not-running: it does not run on the nodes that have not looked for it; "
			"if it does, two guests write to its disks; so it names them and asks for "
			"the VM's name, or wants --yes where there is no terminal. The option may "
			"be left out when one of the two waits.",
		.example = "  clusterctl vm accept --changed web1",
	},
	{
		.words = "vm set",
		.args = { { "NAME", CLI_VM, CLI_ONE }, { "KEY=VALUE", CLI_KEYS, CLI_MANY } },
		.keys = vm_keys,
		.flags = CLI_CHANGES,
		.run = cmd_vm_set,
		.brief = "change its settings",
		.help = "Changes one or more settings of a VM, all of them or none.",
		.example = "  clusterctl vm set web1 priority=high owners=n1,n2 stop_timeout=90s",
	},
	{
		.words = "vm edit",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_vm_edit,
		.brief = "change its definition in an editor",
		.help = "Opens the definition of a VM in $VISUAL or $EDITOR. When the cluster "
			"refuses it, the text is kept and the editor offered again. If somebody "
			"else changed it meanwhile, it is refused. What a running VM cannot take "
			"over waits for its next start.",
		.example = "  EDITOR=nano clusterctl vm edit web1",
	},
	{
		.words = "vm dumpxml",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.run = cmd_vm_dumpxml,
		.brief = "write its definition",
		.help = "Writes the definition that the cluster keeps of a VM to stdout.",
		.example = "  clusterctl vm dumpxml web1 > web1.xml",
	},
	{
		.words = "vm console",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.options = {
			{ "force", NULL, "end the session of somebody else" },
		},
		.run = cmd_vm_console,
		.brief = "its serial console, wherever it runs",
		.help = "Connects to the serial console of a VM; ^] ends it. When the VM moves "
			"to another node, the console follows. Without a terminal stdin and "
			"stdout are passed through.",
		.example = "  clusterctl vm console web1",
	},
	{
		.words = "vm remove",
		.args = { { "NAME", CLI_VM, CLI_ONE } },
		.options = {
			{ "force", NULL, "also while it runs, if it is set managed=no" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_vm_remove,
		.brief = "take it out of the cluster",
		.help = "Takes a VM that is off out of the cluster. Its disks stay.",
		.example = "  clusterctl vm remove web1",
	},

	/* ---- fence devices ---- */
	{
		.words = "fence add",
		.args = { { "NAME", CLI_TEXT, CLI_ONE },
			  { "AGENT", CLI_TEXT, CLI_ONE },
			  { "KEY=VALUE", CLI_KEYS, CLI_SOME } },
		.options = {
			{ "node", "NODE[=PLUG]", "node that it fences, with the plug; may be "
						 "repeated",
			  CLI_NODE, true },
			{ "secret-stdin", NULL, "read lines KEY=VALUE with secrets from stdin" },
			{ "ask-secret", NULL, "ask for the password at the terminal" },
			{ "no-test", NULL, "do not test it yet: it protects nothing until then" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_fence_add,
		.brief = "add a device that can cut a node's power",
		.help = "Adds a fence device and tests it: AGENT is one of the ClusterLabs fence "
			"agents, KEY=VALUE its parameters. If the test fails, the device is "
			"recorded all the same, but protects nothing, and the exit is 1. A "
			"password never stands on the command line, where every user of the "
			"machine can read it: --secret-stdin or --ask-secret take it.",
		.example = "  clusterctl fence add ipmi-n1 fence_ipmilan ip=192.0.2.11 "
			   "username=admin "
			   "lanplus=1 \\\n      --node n1 --ask-secret\n"
			   "  printf 'password=%s\\n' \"$PW\" | clusterctl fence add pdu fence_apc "
			   "ip=192.0.2.9 \\\n      --node n1=4 --node n2=5 --secret-stdin",
	},
	{
		.words = "fence list",
		.run = cmd_fence_list,
		.brief = "all fence devices",
		.help = "Lists the fence devices with the nodes they fence and how their last "
			"test went. Secrets are never shown.",
		.example = "  clusterctl fence list",
	},
	{
		.words = "fence test",
		.args = { { "NAME", CLI_FENCE, CLI_ONE }, { "NODE", CLI_NODE, CLI_OPTIONAL } },
		.flags = CLI_CHANGES,
		.run = cmd_fence_test,
		.brief = "ask a device for the power of a node",
		.help = "Asks a fence device whether a node (its first, if none is given) has "
			"power. It changes nothing, but shows that address, password and plug "
			"are right, so that it can prove that the node is dead.",
		.example = "  clusterctl fence test ipmi-n1",
	},
	{
		.words = "fence remove",
		.args = { { "NAME", CLI_FENCE, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_fence_remove,
		.brief = "remove a fence device",
		.help = "Removes a fence device. VMs on a node that nothing else fences are no "
			"longer protected.",
		.example = "  clusterctl fence remove ipmi-n1",
	},

	/* ---- volumes ---- */
	{
		.words = "volume add",
		.args = { { "NAME", CLI_TEXT, CLI_ONE }, { "dir:PATH", CLI_TEXT, CLI_ONE } },
		.options = {
			{ "declared-shared", NULL, "you vouch that all nodes have the same there" },
		},
		.flags = CLI_CHANGES,
		.run = cmd_volume_add,
		.brief = "add a place for disks",
		.help = "Adds a directory that is the same on every node. The cluster cannot see "
			"by itself that two directories are one, so --declared-shared says that "
			"you vouch for it. The directory must be here; of other nodes a warning "
			"says who lacks it.",
		.example = "  clusterctl volume add data1 dir:/clusterstorage/data1 "
			   "--declared-shared",
	},
	{
		.words = "volume list",
		.run = cmd_volume_list,
		.brief = "all volumes",
		.help = "Lists the volumes, and which nodes lack the directory.",
		.example = "  clusterctl volume list",
	},
	{
		.words = "volume remove",
		.args = { { "NAME", CLI_VOLUME, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_volume_remove,
		.brief = "forget a volume",
		.help = "Removes a volume from the cluster. What is in the directory stays.",
		.example = "  clusterctl volume remove data1",
	},

	/* ---- what happened ---- */
	{
		.words = "events",
		.options = {
			{ "follow", NULL, "go on with each new one" },
			{ "limit", "N", "how many of the newest (50)" },
		},
		.run = cmd_events,
		.brief = "what happened, and why",
		.help = "Shows the newest events, oldest first. With --follow it goes on until "
			"Ctrl-C, and with --json each event is a line of its own then.",
		.example = "  clusterctl events --follow",
	},
	{
		.words = "operation list",
		.run = cmd_operation_list,
		.brief = "what was done and is being done",
		.help = "Lists the operations that are under way and those that have ended, "
			"oldest first.",
		.example = "  clusterctl operation list",
	},
	{
		.words = "operation show",
		.args = { { "ID", CLI_OPERATION, CLI_ONE } },
		.run = cmd_operation_show,
		.brief = "one operation, with its timeline",
		.help = "Shows an operation: who asked for it, how it ended, and what happened "
			"when.",
		.example = "  clusterctl operation show 42",
	},
	{
		.words = "operation wait",
		.args = { { "ID", CLI_OPERATION, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_operation_wait,
		.brief = "wait until an operation has ended",
		.help = "Waits for an operation that was begun with --no-wait, or by somebody "
			"else, and exits as the command that began it would have.",
		.example = "  clusterctl operation wait 42 --timeout 10m",
	},
	{
		.words = "operation cancel",
		.args = { { "ID", CLI_OPERATION, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_operation_cancel,
		.brief = "call off an operation",
		.help = "Calls off a migration by its number; the same as vm cancel.",
		.example = "  clusterctl operation cancel 42",
	},

	/* ---- settings ---- */
	{
		.words = "settings get",
		.args = { { "NAME", CLI_SETTING, CLI_OPTIONAL } },
		.run = cmd_settings_get,
		.brief = "the settings of the cluster",
		.help = "Lists all settings with their meaning, or writes the value of one of "
			"them.",
		.example = "  clusterctl settings get migration.max_downtime_ms",
	},
	{
		.words = "settings set",
		.args = { { "NAME", CLI_SETTING, CLI_ONE }, { "VALUE", CLI_TEXT, CLI_ONE } },
		.flags = CLI_CHANGES,
		.run = cmd_settings_set,
		.brief = "change a setting of the cluster",
		.help = "Changes a setting on all nodes at once.",
		.example = "  clusterctl settings set vm.stop_timeout_s 90",
	},

	/* ---- the command line itself ---- */
	{
		.words = "help",
		.args = { { "COMMAND", CLI_TEXT, CLI_SOME } },
		.run = cmd_help,
		.brief = "say how a command is used",
		.help = "The same as COMMAND --help.",
		.example = "  clusterctl help vm migrate",
	},
	{
		.words = "__complete",
		.args = { { "WORD", CLI_TEXT, CLI_SOME } },
		.flags = CLI_HIDDEN | CLI_RAW,
		.run = cmd_complete,
		.brief = "candidates for the shell's completion",
		.help = "Writes what may stand in place of the last WORD, one candidate a line.",
	},
};

const struct cli ctl_cli = {
	.program = "clusterctl",
	.brief = "Looks after a cluster of KVM hosts through the clusterd of this node.",
	.commands = commands,
	.commands_n = ARRAY_SIZE(commands),
	.globals = globals,
	.changing = changing,
};
