/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/secret.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

const char secret_advice[] =
	"a secret on the command line can be read by every user of this machine: "
	"leave it out and use --secret-stdin or --ask-secret";

static bool is_one_of(const char *key, size_t len, const char *const *words, size_t words_n)
{
	for (size_t i = 0; i < words_n; i++)
		if (strlen(words[i]) == len && strncasecmp(key, words[i], len) == 0)
			return true;
	return false;
}

static bool contains(const char *key, size_t len, const char *part)
{
	size_t part_len = strlen(part);

	for (size_t i = 0; i + part_len <= len; i++)
		if (strncasecmp(key + i, part, part_len) == 0)
			return true;
	return false;
}

static bool ends(const char *key, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && strncasecmp(key + len - end_len, end, end_len) == 0;
}

bool secret_is_key(const char *key, size_t len)
{
	static const char *const whole[] = { "pass", "pwd", "pw",  "kg",       "hexadecimal_kg",
					     "psk",  "key", "pin", "community" };
	static const char *const parts[] = { "passw",   "passphrase", "secret",  "token",
					     "api_key", "apikey",     "api-key", "private_key" };

	if (ends(key, len, "_script") || ends(key, len, "-script") || ends(key, len, "_file") ||
	    ends(key, len, "-file"))
		return false;
	if (is_one_of(key, len, whole, ARRAY_SIZE(whole)))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (contains(key, len, parts[i]))
			return true;
	return false;
}

/* Whether a line is KEY=VALUE with a key of letters, digits, '_' and '-'. */
static bool valid_line(const char *line, size_t len)
{
	size_t key = 0;

	while (key < len &&
	       (isalnum((unsigned char)line[key]) || line[key] == '_' || line[key] == '-'))
		key++;
	return key > 0 && key < len && line[key] == '=' && !memchr(line, '\0', len);
}

static int check_lines(struct buf *lines, unsigned *ret_line)
{
	unsigned number = 0;
	bool any = false;

	if (lines->len && lines->data[lines->len - 1] != '\n')
		buf_append_byte(lines, '\n');
	for (const char *at = buf_str(lines), *end; (end = strchr(at, '\n')); at = end + 1) {
		number++;
		if (end == at)
			continue;
		any = true;
		if (!valid_line(at, (size_t)(end - at))) {
			*ret_line = number;
			return -EINVAL;
		}
	}
	if (strlen(buf_str(lines)) != lines->len) {
		*ret_line = number + 1;
		return -EINVAL;
	}
	return any ? 0 : -ENODATA;
}

int secret_read(int fd, struct buf *ret_lines, unsigned *ret_line)
{
	/* All the room at once: a buf that grows leaves copies behind in freed memory. */
	_cleanup_(secret_wipe) struct buf lines = { 0 };
	int r;

	buf_reserve(&lines, SECRET_MAX + 2);
	for (;;) {
		ssize_t n = read(fd, lines.data + lines.len, SECRET_MAX + 1 - lines.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		lines.len += (size_t)n;
		if (lines.len > SECRET_MAX)
			return -E2BIG;
	}
	lines.data[lines.len] = '\0';
	r = check_lines(&lines, ret_line);
	if (r < 0)
		return r;
	*ret_lines = lines;
	lines = (struct buf){ 0 };
	return 0;
}

static int read_line(int fd, struct buf *line)
{
	for (;;) {
		char c;
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || c == '\n')
			return 0;
		if (line->len >= SECRET_MAX)
			return -E2BIG;
		buf_append_byte(line, (uint8_t)c);
	}
}

int secret_ask(const char *question, struct buf *ret_lines)
{
	static const char key[] = "password=";
	_cleanup_(secret_wipe) struct buf line = { 0 };
	struct termios loud, quiet;
	int fd, r;

	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -ENOTTY;
	if (tcgetattr(fd, &loud) < 0) {
		close(fd);
		return -ENOTTY;
	}
	buf_reserve(&line, SECRET_MAX + sizeof(key) + 1);
	buf_append_str(&line, key);
	quiet = loud;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* Signals are off as well: a Ctrl-C here would leave the terminal without echo. */
	quiet.c_lflag &= ~(tcflag_t)ISIG;
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s", question);
	r = read_line(fd, &line);
	tcsetattr(fd, TCSAFLUSH, &loud);
	dprintf(fd, "\n");
	close(fd);
	if (r == 0 && line.len == strlen(key))
		r = -ENODATA;
	if (r == 0 && memchr(line.data, 3, line.len))
		r = -EINTR;
	if (r < 0)
		return r;
	buf_append_byte(&line, '\n');
	*ret_lines = line;
	line = (struct buf){ 0 };
	return 0;
}

void secret_wipe(struct buf *lines)
{
	if (lines->data)
		explicit_bzero(lines->data, lines->cap);
	buf_free(lines);
}
