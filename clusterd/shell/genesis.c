/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/genesis.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/core/core.h"
#include "clusterd/core/feature.h"
#include "clusterd/shell/shell.h"
#include "wire/message.h"

enum { WORD_MAX = 256 };

/* ---------------------------------------------------------------- nodes */

/* The next word up to a comma; false at the end. */
static bool next_word(const char **at, char *word, size_t size)
{
	size_t len = strcspn(*at, ",");

	if (**at == '\0')
		return false;
	snprintf(word, size, "%.*s", (int)(len < size ? len : size - 1), *at);
	*at += len;
	if (**at == ',')
		++*at;
	return true;
}

static bool take_option(struct genesis_node *node, const char *word)
{
	if (strcmp(word, "learner") == 0)
		node->learner = true;
	else if (strcmp(word, "witness") == 0)
		node->witness = true;
	else
		return strncmp(word, "domain=", 7) == 0 &&
		       text_valid_name(word + 7, sizeof(node->domain) - 1) &&
		       text_copy(node->domain, sizeof(node->domain), word + 7) == 0;
	return true;
}

static bool parse(const char *text, struct genesis_node *node)
{
	const char *at = strchr(text, '=');
	char word[WORD_MAX];
	uint64_t id;

	if (!at || at == text || (size_t)(at - text) >= sizeof(word))
		return false;
	snprintf(word, sizeof(word), "%.*s", (int)(at - text), text);
	if (text_parse_uint(word, 1, GENESIS_NODES_MAX, &id) < 0)
		return false;
	node->id = (uint32_t)id;
	at++;
	if (!next_word(&at, word, sizeof(word)) || !text_valid_name(word, sizeof(node->name) - 1))
		return false;
	snprintf(node->name, sizeof(node->name), "%.63s", word);
	if (!next_word(&at, word, sizeof(word)) || !text_valid_address(word))
		return false;
	snprintf(node->address, sizeof(node->address), "%s", word);
	while (next_word(&at, word, sizeof(word)))
		if (!take_option(node, word))
			return false;
	return true;
}

int genesis_add_node(struct genesis *genesis, const char *text, char *ret_why, size_t size)
{
	struct genesis_node node = { 0 };
	const char *flaw;

	if (!parse(text, &node)) {
		snprintf(ret_why, size, "'%.100s' is no node: write ID=NAME,ADDRESS[,domain=X]"
			 "[,learner][,witness] with Corosync's node id, 1 to %d", text,
			 GENESIS_NODES_MAX);
		return -EINVAL;
	}
	flaw = text_address_flaw(node.address);
	if (flaw) {
		snprintf(ret_why, size, "The address %s of node %" PRIu32 " (%s) is %s: give one "
			 "by which the other nodes reach it", node.address, node.id, node.name,
			 flaw);
		return -EINVAL;
	}
	for (size_t i = 0; i < genesis->nodes_n; i++)
		if (genesis->nodes[i].id == node.id ||
		    strcmp(genesis->nodes[i].name, node.name) == 0 ||
		    text_same_address(genesis->nodes[i].address, node.address)) {
			snprintf(ret_why, size, "Node %" PRIu32 " (%s) has its id, name or address "
				 "in common with node %" PRIu32 " (%s): each must be different",
				 node.id, node.name, genesis->nodes[i].id, genesis->nodes[i].name);
			return -EINVAL;
		}
	if (genesis->nodes_n == GENESIS_NODES_MAX)
		return -EINVAL;
	/* In order of ids. */
	for (size_t i = 0; i <= genesis->nodes_n; i++)
		if (i == genesis->nodes_n || genesis->nodes[i].id > node.id) {
			memmove(&genesis->nodes[i + 1], &genesis->nodes[i],
				(genesis->nodes_n - i) * sizeof(node));
			genesis->nodes[i] = node;
			break;
		}
	genesis->nodes_n++;
	return 0;
}

static size_t count_able(const struct genesis *genesis)
{
	size_t able = 0;

	for (size_t i = 0; i < genesis->nodes_n; i++)
		able += !genesis->nodes[i].learner;
	return able;
}

bool genesis_is_of_two(const struct genesis *genesis)
{
	return count_able(genesis) == 2;
}

int genesis_voters(const struct genesis *genesis, uint32_t voters[GENESIS_VOTERS_MAX],
		   size_t *ret_n, char *ret_why, size_t size)
{
	size_t able = count_able(genesis), n = 0, want;

	if (able == 0) {
		snprintf(ret_why, size, "A cluster needs nodes that are no learners: give --node");
		return -EINVAL;
	}
	want = able >= 5 ? 5 : able >= 3 ? 3 : 1;
	for (size_t i = 0; i < genesis->nodes_n && n < want; i++)
		if (!genesis->nodes[i].learner)
			voters[n++] = genesis->nodes[i].id;
	*ret_n = n;
	return 0;
}

/* ---------------------------------------------------------------- the entry */

static Wire__Node *make_node(const struct genesis_node *from)
{
	Wire__Node *node = wire_new(&wire__node__descriptor);

	node->id = from->id;
	wire_set(&node->name, from->name);
	wire_set(&node->address, from->address);
	wire_set(&node->failure_domain, from->domain);
	node->witness = from->witness;
	node->no_vote = from->learner;
	return node;
}

static Wire__Cluster *make_cluster(const struct genesis *genesis, const char *uuid,
				   uint64_t wall_ms, const uint32_t *voters, size_t voters_n)
{
	Wire__Cluster *cluster = wire_new(&wire__cluster__descriptor);

	cluster->id = 1;
	wire_set(&cluster->uuid, uuid);
	wire_set(&cluster->name, genesis->name);
	cluster->voters = mem_dup(voters, voters_n * sizeof(*voters));
	cluster->n_voters = voters_n;
	cluster->feature_level = feature_table.max;
	cluster->born_ms = wall_ms;
	return cluster;
}

int genesis_command(const struct genesis *genesis, const char *uuid, uint64_t wall_ms,
		    Wire__Command **ret, char *ret_why, size_t size)
{
	uint32_t voters[GENESIS_VOTERS_MAX];
	size_t voters_n;
	Wire__Command *command;
	Wire__Genesis *birth;
	int error;

	if (!genesis->name || !text_valid_name(genesis->name, 63)) {
		snprintf(ret_why, size, "A cluster needs a name of letters, digits, '.', '_' and "
			 "'-': give --name");
		return -EINVAL;
	}
	error = genesis_voters(genesis, voters, &voters_n, ret_why, size);
	if (error)
		return error;
	command = wire_new(&wire__command__descriptor);
	birth = wire_new(&wire__genesis__descriptor);
	command->body_case = WIRE__COMMAND__BODY_GENESIS;
	command->genesis = birth;
	command->request = shell_random();
	command->time_ms = wall_ms;
	command->boot_id = shell_random();
	wire_set(&command->who, "clusterd --init");
	birth->cluster = make_cluster(genesis, uuid, wall_ms, voters, voters_n);
	birth->nodes = mem_new_array(Wire__Node *, genesis->nodes_n);
	for (size_t i = 0; i < genesis->nodes_n; i++)
		birth->nodes[birth->n_nodes++] = make_node(&genesis->nodes[i]);
	*ret = command;
	return 0;
}

static int found_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	return -EEXIST;
}

static int found_entry(void *context, uint64_t index, uint64_t epoch, const void *data,
		       size_t size)
{
	return -EEXIST;
}

/* -EEXIST: there is something. */
static int expect_empty(struct store *store)
{
	uint64_t index, epoch;
	int error;

	store_applied(store, &index, &epoch);
	if (index != 0 || store_promised(store) != 0)
		return -EEXIST;
	error = store_each_record(store, found_record, NULL);
	return error ? error : store_each_entry(store, found_entry, NULL);
}

int genesis_write(const struct genesis *genesis, struct store *store, char *ret_why, size_t size)
{
	_cleanup_(wire_freep) Wire__Command *command = NULL;
	struct update update;
	char uuid[SHELL_UUID_SIZE];
	int error;

	error = expect_empty(store);
	if (error && error != -EEXIST) {
		snprintf(ret_why, size, "The store could not be read: %s", strerror(-error));
		return error;
	}
	if (error) {
		snprintf(ret_why, size, "This node is part of a cluster already; a new one would "
			 "lose it. If that is what you want, stop clusterd and move cluster.db "
			 "away");
		return -EEXIST;
	}
	shell_uuid(uuid);
	error = genesis_command(genesis, uuid, shell_wall_ms(), &command, ret_why, size);
	if (error)
		return error;
	update_init(&update);
	error = core_genesis(command, &update);
	if (!error)
		error = store_write_now(store, update.persists, update.persists_n);
	if (error)
		snprintf(ret_why, size, "The first entry could not be written: %s",
			 strerror(-error));
	update_reset(&update);
	return error;
}
