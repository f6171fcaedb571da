/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs on record: nobody begins with one that another node may have, and what is believed of one is
 * so.
 */
#include "tests/sim/truth_private.h"

#include "clusterd/core/round.h"
#include "tests/sim/host.h"
#include "wire/command.h"
#include "wire/message.h"

#define PHASE(x) WIRE__VM__PHASE__##x

static bool was_idle(Wire__Vm__Phase phase)
{
	return phase == PHASE(OFF) || phase == PHASE(FAILED) || phase == PHASE(SAVED);
}

/* Who may have had it before it got into that phase. */
static void check_begin(struct truth *truth, const struct guest_truth *guest, const Wire__Vm *vm)
{
	bool begins = was_idle(guest->phase) && !was_idle(vm->phase);
	bool moves = guest->phase == PHASE(RUN) &&
		     (vm->phase == PHASE(COPYING) || vm->phase == PHASE(SAVING));

	if (begins && guest->held)
		world_fail(truth->world, "%s is given to n%u while n%u may have it", vm->name,
			   vm->owner, nodes_lowest(guest->held));
	if (moves && nodes_count(guest->held) != 1)
		world_fail(truth->world, "%s is moved while another node may have it as well",
			   vm->name);
}

static void check_report(struct truth *truth, const Wire__Command *command)
{
	const Wire__VmReport *report = command->vm_report;
	const Wire__Vm *vm = state_vm(truth->state, report->vm);
	const ProtobufCEnumValue *what =
		protobuf_c_enum_descriptor_get_value(&wire__vm_report__what__descriptor,
						     (int)report->what);

	/* What a look is still to find was made by hand. */
	if (vm && !vm->unmanaged && !vm->look && !truth->lies[command->node].told &&
	    host_contradicts(truth->world->machines[command->node].host, vm->uuid, report->what,
			      command->up_ms))
		world_fail(truth->world, "n%u says %s of %s, and that is not so", command->node,
			   what->name, vm->name);
}

void truth_check_records(struct truth *truth, const Wire__Entry *entry,
			 const Wire__Verdict *verdict)
{
	Wire__Command *command = wire_parse(&wire__command__descriptor, entry->command.data,
					    entry->command.len);

	if (command && command->body_case == WIRE__COMMAND__BODY_VM_REPORT &&
	    verdict->code == WIRE__VERDICT__CODE__OK)
		check_report(truth, command);
	wire_free(command);
	for (size_t i = 0; i < state_count(truth->state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(truth->state, WIRE__TABLE__TABLE_VM, i);
		struct guest_truth *guest = truth_guest(truth, vm->uuid);

		if (guest->phase != vm->phase)
			check_begin(truth, guest, vm);
		guest->phase = vm->phase;
		guest->held = 0;
		for (size_t k = 0; k < vm->n_maybe; k++)
			guest->held |= node_bit(vm->maybe[k]->node);
	}
}
