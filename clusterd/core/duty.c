/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/duty.h"

#include <stdlib.h>

#include "base/mem.h"
#include "wire/message.h"

struct duty *duties_vm(struct duties *duties, uint64_t vm)
{
	struct duty *duty = idmap_get(&duties->vms, vm);

	if (duty)
		return duty;
	duty = mem_new(struct duty);
	duty->vm = vm;
	idmap_put(&duties->vms, vm, duty);
	return duty;
}

void duty_free(void *value)
{
	struct duty *duty = value;

	free(duty->reason);
	free(duty->text);
	wire_free(duty->live);
	free(duty->live_xml);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		free(duty->done[slot].text);
		free(duty->done[slot].chain);
	}
	free(duty);
}
