/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/command.h"

#include <errno.h>

#include "wire/check.h"

const char *wire_command_name(const Wire__Command *command)
{
	const ProtobufCFieldDescriptor *field;

	if (command->body_case == WIRE__COMMAND__BODY__NOT_SET)
		return "nothing";
	field = protobuf_c_message_descriptor_get_field(&wire__command__descriptor,
							command->body_case);
	return field ? field->name : "nothing";
}

int wire_command_pack(const Wire__Command *command, struct buf *out, const char **ret_field)
{
	const char *field = NULL;
	int r;

	r = wire_check(&command->base, &field);
	if (r == 0 && protobuf_c_message_get_packed_size(&command->base) > WIRE_COMMAND_MAX)
		r = -EMSGSIZE;
	if (r == 0)
		wire_pack(&command->base, out);
	else if (ret_field)
		*ret_field = field;
	return r;
}

int wire_command_unpack(const void *data, size_t size, Wire__Command **ret)
{
	ProtobufCMessage *message;
	int r;

	if (size > WIRE_COMMAND_MAX)
		return -EMSGSIZE;
	r = wire_unpack(&wire__command__descriptor, data, size, &message);
	if (r < 0)
		return r;
	*ret = (Wire__Command *)message;
	return 0;
}
