/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/place.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/record.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

enum { ROOM_MIB = 4096 };

static void put_node(struct state *state, uint32_t id)
{
	struct update update;
	Wire__NodeFacts facts = WIRE__NODE_FACTS__INIT;
	Wire__Node node = WIRE__NODE__INIT;
	char name[8];

	snprintf(name, sizeof(name), "n%u", id);
	facts.agent_ok = true;
	facts.memory_mib = ROOM_MIB;
	node.id = id;
	node.name = name;
	node.state = WIRE__NODE__STATE__UP;
	node.facts = &facts;
	update_init(&update);
	state_put(state, WIRE__TABLE__TABLE_NODE, id, &node.base, &update);
	update_reset(&update);
}

/* live_mib: what it was started with, 0: it does not run. */
static const Wire__Vm *put_vm(struct state *state, uint64_t id, uint32_t owner, uint64_t mib,
			      uint64_t live_mib)
{
	struct update update;
	Wire__Essence essence = WIRE__ESSENCE__INIT, live = WIRE__ESSENCE__INIT;
	Wire__Holder holder = WIRE__HOLDER__INIT, *holders = &holder;
	Wire__Vm vm = WIRE__VM__INIT;
	char name[24];

	snprintf(name, sizeof(name), "vm%llu", (unsigned long long)id);
	essence.memory_mib = mib;
	essence.virt_type = (char *)"qemu";
	live.memory_mib = live_mib;
	vm.id = id;
	vm.name = name;
	vm.owner = owner;
	vm.essence = &essence;
	vm.live = live_mib ? &live : NULL;
	vm.phase = live_mib ? WIRE__VM__PHASE__RUN : WIRE__VM__PHASE__OFF;
	holder.node = owner;
	vm.maybe = &holders;
	vm.n_maybe = live_mib ? 1 : 0;
	update_init(&update);
	state_put(state, WIRE__TABLE__TABLE_VM, id, &vm.base, &update);
	update_reset(&update);
	return state_get(state, WIRE__TABLE__TABLE_VM, id);
}

/* An edit to less frees nothing before its process ends; one to more takes its room at once. */
static void test_edited(void)
{
	static const struct {
		uint64_t edited, live, new;
		bool fits;
	} cases[] = {
		{ 1024, 3072, 1024, true },
		{ 1024, 3072, 1025, false },
		{ 3072, 1024, 1024, true },
		{ 3072, 1024, 1025, false },
		{ 1024, 0, 4096, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct state *state = state_new();
		const Wire__Vm *vm;
		char why[1024] = "";

		put_node(state, 1);
		put_vm(state, 10, 1, cases[i].edited, cases[i].live);
		vm = put_vm(state, 11, 0, cases[i].new, 0);
		CU_ASSERT_EQUAL(place_fits(state, 1, vm, 1, why, sizeof(why)), cases[i].fits);
		CU_ASSERT_EQUAL(place_one(state, 1, vm, 0, why, sizeof(why)),
				cases[i].fits ? 1 : 0);
		if (!cases[i].fits)
			CU_ASSERT_PTR_NOT_NULL(strstr(why, "1024 MiB free of the 1025 MiB"));
		state_free(state);
	}
}

/* More than any machine has: such a guest takes all there is, and does not make room. */
static void test_nonsense(void)
{
	static const uint64_t mib[] = { UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
		struct state *state = state_new();
		const Wire__Vm *vm;
		char why[1024] = "";

		put_node(state, 1);
		put_vm(state, 10, 1, 512, mib[i]);
		put_vm(state, 11, 1, 512, mib[i]);
		vm = put_vm(state, 12, 0, 512, 0);
		CU_ASSERT_EQUAL(place_one(state, 1, vm, 0, why, sizeof(why)), 0);
		CU_ASSERT_FALSE(place_fits(state, 1, vm, 1, why, sizeof(why)));
		state_free(state);
	}
}

/* It is moved with what it has, not with what it will have. */
static void test_moved(void)
{
	struct state *state = state_new();
	const Wire__Vm *vm;
	char why[1024] = "";

	put_node(state, 1);
	put_node(state, 2);
	put_vm(state, 10, 2, 2048, 2048);
	vm = put_vm(state, 11, 1, 1024, 3072);
	CU_ASSERT_FALSE(place_fits(state, 3, vm, 2, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "2048 MiB free of the 3072 MiB"));
	state_free(state);
}

/* Once it is off, what it ran with before an edit to less keeps it from no node. */
static void test_off(void)
{
	struct state *state = state_new();
	Wire__Essence live = WIRE__ESSENCE__INIT;
	Wire__Vm *vm;
	char why[1024] = "";

	put_node(state, 1);
	put_vm(state, 10, 1, 2048, 2048);
	vm = record_copy(&put_vm(state, 11, 0, 1024, 0)->base);
	live.memory_mib = 3072;
	record_message((ProtobufCMessage **)&vm->live, &live.base);
	vm->pending_restart = true;
	CU_ASSERT(place_fits(state, 1, vm, 1, why, sizeof(why)));
	CU_ASSERT_EQUAL(place_one(state, 1, vm, 0, why, sizeof(why)), 1);
	vm->phase = WIRE__VM__PHASE__SAVED;
	CU_ASSERT_FALSE(place_fits(state, 1, vm, 1, why, sizeof(why)));
	record_free(vm);
	state_free(state);
}

UNIT_MAIN("core/place", { "edited", test_edited },
	  { "nonsense", test_nonsense }, { "moved", test_moved },
	  { "off", test_off })
