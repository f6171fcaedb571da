/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Definitions of VMs that operators hand in. */
#include "clusterd/shell/operator_write_private.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/shell/operator_judge.h"
#include "clusterd/shell/shell.h"
#include "domain/essence.h"
#include "domain/xml.h"

/* Reads the definition of the request. What lies on a volume of the cluster is not local. */
static int read_definition(struct writing *writing, const char *uuid, bool local_is_fine,
			   struct domain **ret)
{
	const struct state *state = writing->source->state;
	size_t n = state_count(state, WIRE__TABLE__TABLE_VOLUME);
	_cleanup_(freep) const char **volumes = mem_new_array(const char *, n);
	struct domain_rules rules = { .uuid = uuid, .volumes = volumes, .volumes_n = n,
				      .refuse_local_state = !local_is_fine };
	_cleanup_(domain_freep) struct domain *domain = NULL;
	_cleanup_(buf_free) struct buf size = { 0 };
	char why[DOMAIN_WHY_SIZE];
	const char *xml;
	int error = writing_need_text(writing, "xml", &xml);

	if (error)
		return error;
	for (size_t i = 0; i < n; i++)
		volumes[i] = ((const Wire__Volume *)state_at(state, WIRE__TABLE__TABLE_VOLUME, i))
				     ->target;
	error = domain_read(xml, strlen(xml), &rules, &domain, why, sizeof(why));
	if (error)
		return REFUSE(writing, "invalid", "%s", why);
	if (judge_size(state, domain_name(domain), domain_essence(domain), &size) == -ENOSPC)
		return REFUSE(writing, "no-capacity", "%s", buf_str(&size));
	*ret = steal_ptr(domain);
	return 0;
}

static char *canonical(const struct domain *domain)
{
	struct buf xml = { 0 };

	domain_canonical(domain, &xml);
	return buf_steal_str(&xml);
}

static int take_vm_keys(struct writing *writing, Wire__Vm *vm)
{
	bool managed = true, ha = true;
	int error, wanted = WIRE__VM__WANTED__RUNNING, priority = WIRE__VM__PRIORITY__MEDIUM;

	error = writing_take_word(writing, "wanted", &wire__vm__wanted__descriptor, &wanted);
	if (!error)
		error = writing_take_word(writing, "priority", &wire__vm__priority__descriptor,
					  &priority);
	if (!error)
		error = writing_take_bool(writing, "managed", &managed);
	if (!error)
		error = writing_take_bool(writing, "ha", &ha);
	if (!error)
		error = writing_take_number(writing, "stop_timeout_s", &vm->stop_timeout_s);
	if (!error)
		error = writing_take_nodes(writing, "possible_owners", &vm->n_possible_owners,
				   &vm->possible_owners);
	if (!error)
		error = writing_take_nodes(writing, "preferred_owners", &vm->n_preferred_owners,
				   &vm->preferred_owners);
	vm->wanted = (Wire__Vm__Wanted)wanted;
	vm->priority = (Wire__Vm__Priority)priority;
	vm->unmanaged = !managed;
	vm->no_ha = !ha;
	return error;
}

int writing_vm_add(struct writing *writing)
{
	static const char *const keys[] = { "xml", "wanted", "managed", "ha", "priority",
					    "possible_owners", "preferred_owners",
					    "stop_timeout_s", NULL };
	_cleanup_(domain_freep) struct domain *domain = NULL;
	Wire__VmAdd *add = wire_new(&wire__vm_add__descriptor);
	char uuid[SHELL_UUID_SIZE];
	int error;

	writing->command->body_case = WIRE__COMMAND__BODY_VM_ADD;
	writing->command->vm_add = add;
	add->vm = wire_new(&wire__vm__descriptor);
	error = writing_only_keys(writing, keys);
	if (!error)
		error = take_vm_keys(writing, add->vm);
	shell_uuid(uuid);
	if (!error)
		error = read_definition(writing, uuid, add->vm->no_ha, &domain);
	if (error)
		return error;
	wire_set(&add->vm->name, domain_name(domain));
	wire_set(&add->vm->uuid, domain_uuid(domain));
	add->vm->xml = canonical(domain);
	add->vm->essence = wire_dup(&domain_essence(domain)->base);
	return 0;
}

/* The digest that apply compares is of the text; what the edit began with may be told by either. */
static int check_digest(struct writing *writing, const Wire__Vm *vm, uint64_t *ret)
{
	uint64_t of_text = digest_bytes(vm->xml, strlen(vm->xml)), told = 0;
	int error = writing_take_id(writing, "digest", &told);

	if (error || !told)
		return error;
	if (told != of_text && !(vm->essence && told == vm->essence->digest))
		return REFUSE(writing, "stale", "the definition of %s was changed by somebody "
			      "else meanwhile: edit again, from the new one", vm->name);
	*ret = of_text;
	return 0;
}

int writing_vm_edit(struct writing *writing)
{
	static const char *const keys[] = { "name", "xml", "digest", NULL };
	_cleanup_(domain_freep) struct domain *domain = NULL;
	Wire__VmEdit *edit = wire_new(&wire__vm_edit__descriptor);
	const Wire__Vm *vm = NULL;
	const char *name;
	int error;

	writing->command->body_case = WIRE__COMMAND__BODY_VM_EDIT;
	writing->command->vm_edit = edit;
	error = writing_only_keys(writing, keys);
	if (!error)
		error = writing_need_text(writing, "name", &name);
	if (error)
		return error;
	vm = state_vm_named(writing->source->state, name);
	if (!vm) {
		refuse_vm(writing->refusal, name);
		return -EINVAL;
	}
	error = check_digest(writing, vm, &edit->digest);
	if (!error)
		error = read_definition(writing, vm->uuid, vm->no_ha, &domain);
	if (error)
		return error;
	if (strcmp(domain_uuid(domain), vm->uuid) != 0 ||
	    strcmp(domain_name(domain), vm->name) != 0)
		return REFUSE(writing, "invalid", "the name and the uuid of %s stay as they are: "
			      "put them back, or add another VM", vm->name);
	wire_set(&edit->name, vm->name);
	edit->xml = canonical(domain);
	edit->essence = wire_dup(&domain_essence(domain)->base);
	return 0;
}
