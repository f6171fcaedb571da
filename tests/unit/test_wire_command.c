/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/command.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/check.h"

static Wire__Command *sample(const char *name)
{
	Wire__Command *command = wire_new(&wire__command__descriptor);

	command->request = 77;
	command->body_case = WIRE__COMMAND__BODY_VM_WANT;
	command->vm_want = wire_new(&wire__vm_want__descriptor);
	command->vm_want->wanted = WIRE__VM__WANTED__RUNNING;
	wire_set(&command->who, "root via n1");
	wire_set(&command->vm_want->name, name);
	return command;
}

static void test_name(void)
{
	_cleanup_(wire_freep) Wire__Command *command = sample("web1");
	Wire__Command none = WIRE__COMMAND__INIT;

	CU_ASSERT_STRING_EQUAL(wire_command_name(command), "vm_want");
	CU_ASSERT_STRING_EQUAL(wire_command_name(&none), "nothing");
	none.body_case = (Wire__Command__BodyCase)4000;
	CU_ASSERT_STRING_EQUAL(wire_command_name(&none), "nothing");
}

static void test_round_trip(void)
{
	_cleanup_(wire_freep) Wire__Command *command = sample("web1");
	_cleanup_(wire_freep) Wire__Command *back = NULL;
	_cleanup_(wire_freep) Wire__Command *copy = NULL;
	_cleanup_(buf_free) struct buf packed = { 0 };

	buf_append_str(&packed, "before");
	CU_ASSERT_EQUAL(wire_command_pack(command, &packed, NULL), 0);
	buf_consume(&packed, strlen("before"));
	CU_ASSERT_EQUAL_FATAL(wire_command_unpack(packed.data, packed.len, &back), 0);
	CU_ASSERT_EQUAL(back->request, 77);
	CU_ASSERT_STRING_EQUAL(back->who, "root via n1");
	CU_ASSERT_STRING_EQUAL(back->vm_want->name, "web1");
	CU_ASSERT(wire_equal(&command->base, &back->base));
	copy = wire_dup(&back->base);
	CU_ASSERT(wire_equal(&command->base, &copy->base));
	wire_set(&copy->vm_want->name, "web2");
	CU_ASSERT_FALSE(wire_equal(&command->base, &copy->base));
	CU_ASSERT_STRING_EQUAL(back->vm_want->name, "web1");
}

static void test_set(void)
{
	char *field = (char *)protobuf_c_empty_string;

	wire_set(&field, "one");
	CU_ASSERT_STRING_EQUAL(field, "one");
	wire_set(&field, "two");
	CU_ASSERT_STRING_EQUAL(field, "two");
	wire_set(&field, "");
	CU_ASSERT_PTR_EQUAL(field, (char *)protobuf_c_empty_string);
	wire_set(&field, NULL);
	CU_ASSERT_STRING_EQUAL(field, "");
}

static void test_refused(void)
{
	static const char garbage[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
	_cleanup_(wire_freep) Wire__Command *command = sample("web\n1");
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Command *back = command;
	const char *field = "untouched";

	CU_ASSERT_EQUAL(wire_command_pack(command, &packed, &field), -EBADMSG);
	CU_ASSERT_STRING_EQUAL(field, "name");
	CU_ASSERT_EQUAL(packed.len, 0);
	wire_pack(&command->base, &packed);
	CU_ASSERT_EQUAL(wire_command_unpack(packed.data, packed.len, &back), -EBADMSG);
	CU_ASSERT_EQUAL(wire_command_unpack(garbage, sizeof(garbage) - 1, &back), -EBADMSG);
	CU_ASSERT_EQUAL(wire_command_unpack(garbage, WIRE_COMMAND_MAX + 1, &back), -EMSGSIZE);
	CU_ASSERT_PTR_EQUAL(back, command);
}

/* Every field is within its limit, and still the whole is too large. */
static void test_too_large(void)
{
	_cleanup_(wire_freep) Wire__Command *command = wire_new(&wire__command__descriptor);
	_cleanup_(buf_free) struct buf packed = { 0 };
	const char *field = "untouched";
	Wire__Vm *vm = wire_new(&wire__vm__descriptor);
	char line[500];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	command->body_case = WIRE__COMMAND__BODY_VM_ADD;
	command->vm_add = wire_new(&wire__vm_add__descriptor);
	command->vm_add->vm = vm;
	vm->essence = wire_new(&wire__essence__descriptor);
	vm->essence->devices = mem_array(120, sizeof(char *));
	vm->essence->n_devices = 120;
	for (size_t i = 0; i < 120; i++)
		vm->essence->devices[i] = mem_strdup(line);
	CU_ASSERT_EQUAL(wire_command_pack(command, &packed, &field), -EMSGSIZE);
	CU_ASSERT_PTR_NULL(field);
}

/* An empty body is a valid command: nothing is asked. */
static void test_empty(void)
{
	_cleanup_(wire_freep) Wire__Command *command = NULL;

	CU_ASSERT_EQUAL_FATAL(wire_command_unpack(NULL, 0, &command), 0);
	CU_ASSERT_STRING_EQUAL(wire_command_name(command), "nothing");
}

UNIT_MAIN("wire/command", { "name", test_name }, { "round_trip", test_round_trip },
	  { "set", test_set }, { "refused", test_refused }, { "too_large", test_too_large },
	  { "empty", test_empty })
