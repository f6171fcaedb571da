/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/params.h"

#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

json_t *params_changes(const struct cli_call *call, size_t first)
{
	json_t *changes = json_array();
	char key[PARAMS_KEY_MAX];
	const char *value;

	for (size_t i = first; i < call->words_n; i++)
		if (cli_split(call->words[i], key, sizeof(key), &value))
			json_array_append_new(changes,
					      json_pack("{s:s,s:s}", "key", key, "value", value));
	return changes;
}

json_t *params_object(const struct cli_call *call, size_t first)
{
	json_t *object = json_object();
	char key[PARAMS_KEY_MAX];
	const char *value;

	for (size_t i = first; i < call->words_n; i++)
		if (cli_split(call->words[i], key, sizeof(key), &value))
			json_object_set_new(object, key, json_string(value));
	return object;
}

bool params_node_id(struct ctl *ctl, const char *name, json_int_t *ret_id,
		    struct ctl_error *ret_error)
{
	json_t *nodes = NULL;
	json_int_t id;

	if (!ctl_ask_list(ctl, ctl_request("nodes"), &nodes, ret_error))
		return false;
	id = ctl_node_id(nodes, name);
	json_decref(nodes);
	if (id == 0) {
		*ret_error = ctl_error_make(EXIT_NO_SUCH, "no-such",
					    "there is no node '%s'; clusterctl node list shows all",
					    name);
		return false;
	}
	*ret_id = id;
	return true;
}

static int read_all(int fd, size_t max, struct buf *text)
{
	for (;;) {
		ssize_t n = read(fd, buf_reserve(text, 4096), 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		text->len += (size_t)n;
		if (text->len > max)
			return -EFBIG;
	}
}

int params_read_text(const char *path, size_t max, struct buf *ret)
{
	_cleanup_(buf_free) struct buf text = { 0 };
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	json_t *probe;
	int r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, max, &text);
	if (!is_stdin)
		close(fd);
	if (r < 0)
		return r;
	buf_append_byte(&text, '\0');
	text.len--;
	probe = strlen((char *)text.data) == text.len ? json_string((char *)text.data) : NULL;
	if (!probe)
		return -EILSEQ;
	json_decref(probe);
	*ret = text;
	text = (struct buf){ 0 };
	return 0;
}
