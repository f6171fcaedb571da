/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/voters.h"

#include <string.h>

#include "base/cleanup.h"
#include "wire/command.h"

enum { NODE_MAX = 64 };

bool voters_fill(struct voters *voters, uint64_t index, const uint32_t *nodes, size_t n,
		 const uint64_t *disks, size_t disks_n)
{
	if (n > VOTERS_MAX || n != disks_n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (nodes[i] == 0 || nodes[i] > NODE_MAX || (i > 0 && nodes[i] <= nodes[i - 1]))
			return false;
	*voters = (struct voters){ .index = index, .n = n };
	if (n) {
		memcpy(voters->nodes, nodes, n * sizeof(nodes[0]));
		memcpy(voters->disks, disks, n * sizeof(disks[0]));
	}
	return true;
}

bool voters_known(const struct voters *voters)
{
	for (size_t i = 0; i < voters->n; i++)
		if (voters->disks[i] == 0)
			return false;
	return voters->n > 0;
}

uint64_t voters_nodes(const struct voters *voters)
{
	uint64_t nodes = 0;

	for (size_t i = 0; i < voters->n; i++)
		nodes |= UINT64_C(1) << (voters->nodes[i] - 1);
	return nodes;
}

uint32_t voters_other(const struct voters *voters, uint32_t node)
{
	if (voters->n != 2 || (voters->nodes[0] != node && voters->nodes[1] != node))
		return 0;
	return voters->nodes[0] == node ? voters->nodes[1] : voters->nodes[0];
}

size_t voters_majority(const struct voters *voters)
{
	return voters->n / 2 + 1;
}

bool voters_read(const void *command, size_t size, struct voters *ret_voters, uint64_t *ret_base)
{
	Wire__Command *unpacked = NULL;
	bool found = false;

	if (wire_command_unpack(command, size, &unpacked) < 0)
		return false;
	if (unpacked->body_case == WIRE__COMMAND__BODY_VOTERS_SET && !unpacked->request) {
		const Wire__VotersSet *set = unpacked->voters_set;
		struct voters voters;

		found = voters_fill(&voters, 0, set->voters, set->n_voters, set->disks,
				    set->n_disks) && voters_known(&voters);
		if (found) {
			*ret_voters = voters;
			*ret_base = set->after;
		}
	}
	wire_free(unpacked);
	return found;
}
