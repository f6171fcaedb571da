/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the cluster's feature level is raised: there is no way back. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/feature.h"

bool apply_has(const struct apply *apply, uint32_t feature)
{
	return feature_level(apply->state) >= feature;
}

static bool is_named(const Wire__FeatureRaise *raise, const char *name)
{
	for (size_t i = 0; i < raise->n_leave_behind; i++)
		if (strcmp(raise->leave_behind[i], name) == 0)
			return true;
	return false;
}

/* Only nodes of this cluster, and none that takes part in it. */
static bool names_fit(struct apply *apply, const Wire__FeatureRaise *raise)
{
	for (size_t i = 0; i < raise->n_leave_behind; i++) {
		const char *name = raise->leave_behind[i];
		const Wire__Node *node = state_node_named(apply->state, name);

		if (!node)
			apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
				     "there is no node '%s'; clusterctl node list shows all", name);
		else if (node->state == WIRE__NODE__STATE__UP)
			apply_refuse(apply, WIRE__VERDICT__CODE__WRONG_STATE,
				     "%s is up, and only a node that is not can be left behind: "
				     "install a newer clusterd there", name);
		else
			continue;
		return false;
	}
	return true;
}

static void say_lacking(const Wire__Node *node, struct buf *text)
{
	uint32_t known = feature_known_by(node);

	if (text->len)
		buf_append_str(text, ", ");
	if (known)
		buf_printf(text, "%s knows %u", node->name, known);
	else
		buf_printf(text, "%s has never reported", node->name);
}

/* Every node must know the level, by what it told last, or be left behind by its name. */
static bool all_know(struct apply *apply, const Wire__FeatureRaise *raise)
{
	_cleanup_(buf_free) struct buf lacking = { 0 };
	size_t knowing = 0, voters = state_cluster(apply->state)->n_voters;

	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(apply->state, WIRE__TABLE__TABLE_NODE, i);
		bool knows = feature_known_by(node) >= raise->level;

		knowing += knows && state_voter(apply->state, (uint32_t)node->id);
		if (!knows && !is_named(raise, node->name))
			say_lacking(node, &lacking);
	}
	if (lacking.len)
		apply_refuse(apply, WIRE__VERDICT__CODE__NOT_READY,
			     "not all nodes know feature level %u (%s): install a newer clusterd "
			     "there; one that is down for long can be left behind: clusterctl "
			     "cluster upgrade --leave-behind NODE",
			     raise->level, buf_str(&lacking));
	else if (knowing < voters / 2 + 1)
		apply_refuse(apply, WIRE__VERDICT__CODE__NOT_READY,
			     "only %zu of %zu voters know feature level %u, and without a majority "
			     "of them the cluster stands still: install a newer clusterd on more",
			     knowing, voters, raise->level);
	else
		return true;
	return false;
}

static void tell_left_behind(struct apply *apply, const Wire__FeatureRaise *raise)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_NODE); i++) {
		const Wire__Node *node = state_at(apply->state, WIRE__TABLE__TABLE_NODE, i);

		if (feature_known_by(node) < raise->level)
			apply_event_node(apply, WIRE__EVENT__SEVERITY__WARNING, (uint32_t)node->id,
					 "is left behind: its clusterd takes part again when it "
					 "is one that knows feature level %u", raise->level);
	}
}

void apply_feature_raise(struct apply *apply)
{
	const Wire__FeatureRaise *raise = apply->command->feature_raise;
	uint32_t level = feature_level(apply->state);
	Wire__Cluster *cluster;

	if (raise->level == 0) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "feature levels begin with 1");
		return;
	}
	if (raise->level <= level) {
		snprintf(apply->text, sizeof(apply->text),
			 "the cluster is at feature level %u already", level);
		return;
	}
	if (!names_fit(apply, raise) || !all_know(apply, raise))
		return;
	cluster = record_copy(&state_cluster(apply->state)->base);
	cluster->feature_level = raise->level;
	state_put(apply->state, WIRE__TABLE__TABLE_CLUSTER, 1, &cluster->base, apply->update);
	record_free(cluster);
	snprintf(apply->text, sizeof(apply->text), "the cluster is at feature level %u now",
		 raise->level);
	apply_event(apply, WIRE__EVENT__SEVERITY__INFO, 0, "cluster",
		    "feature level raised from %u to %u by %s: a clusterd that does not know it "
		    "takes part no more", level, raise->level, apply->command->who);
	tell_left_behind(apply, raise);
}
