/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <ini.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/shell/log.h"
#include "wire/check.h"

enum { CONF_LINE_MAX = 180, CONF_PATH_MAX = 90, CONF_KEYS_MAX = 8 };

struct reading {
	struct conf *conf;
	FILE *file;
	const char *path;
	int line;
	int given[CONF_KEYS_MAX];	/* the line of each key; 0: not yet */
	bool bad;
	char *why;
	size_t size;
};

void conf_init(struct conf *conf)
{
	*conf = (struct conf){
		.state_dir = mem_strdup(CLUSTERD_STATE_DIR),
		.run_dir = mem_strdup(CLUSTERD_RUN_DIR),
		.agent_dir = mem_strdup(CLUSTERD_AGENT_DIR),
		.libvirt_uri = mem_strdup("qemu:///system"),
		.secret_key = mem_strdup(CLUSTERD_CONF_DIR "/secret.key"),
		.log_level = LOG_INFO,
		.read_all = true,
	};
}

void conf_free(struct conf *conf)
{
	free(conf->state_dir);
	free(conf->run_dir);
	free(conf->agent_dir);
	free(conf->libvirt_uri);
	free(conf->secret_key);
	*conf = (struct conf){ 0 };
}

/* ---------------------------------------------------------------- values */

/* Each takes a value or answers with what a good one looks like. */

static void set(char **to, const char *value)
{
	free(*to);
	*to = mem_strdup(value);
}

/* Socket addresses have 108 bytes, hence the limit. */
static const char *take_path(char **to, const char *value)
{
	if (value[0] != '/' || strlen(value) > CONF_PATH_MAX)
		return "give an absolute path of at most 90 characters";
	set(to, value);
	return NULL;
}

static const char *take_state_dir(struct conf *conf, const char *value)
{
	return take_path(&conf->state_dir, value);
}

static const char *take_run_dir(struct conf *conf, const char *value)
{
	return take_path(&conf->run_dir, value);
}

static const char *take_agent_dir(struct conf *conf, const char *value)
{
	if (value[0] != '/')
		return "give an absolute path";
	set(&conf->agent_dir, value);
	return NULL;
}

static const char *take_secret_key(struct conf *conf, const char *value)
{
	if (value[0] != '/')
		return "give an absolute path";
	set(&conf->secret_key, value);
	return NULL;
}

static const char *take_libvirt_uri(struct conf *conf, const char *value)
{
	if (!strstr(value, "://"))
		return "give a libvirt address like qemu:///system";
	set(&conf->libvirt_uri, value);
	return NULL;
}

static const char *take_memory(struct conf *conf, const char *value)
{
	if (text_parse_uint(value, 0, UINT64_C(1) << 30, &conf->memory_mib) < 0)
		return "give a number of MiB, or 0 for what the node has";
	return NULL;
}

static const char *take_log_level(struct conf *conf, const char *value)
{
	if (log_level_parse(value, &conf->log_level) < 0)
		return "give error, warning, notice, info or debug";
	return NULL;
}

static const char *take_read_access(struct conf *conf, const char *value)
{
	if (strcmp(value, "all") != 0 && strcmp(value, "group") != 0)
		return "give all, or group for members of the group clusterd";
	conf->read_all = strcmp(value, "all") == 0;
	return NULL;
}

static const struct {
	const char *name;
	const char *(*take)(struct conf *conf, const char *value);
} keys[] = {
	{ "state_dir", take_state_dir },     { "run_dir", take_run_dir },
	{ "agent_dir", take_agent_dir },     { "libvirt_uri", take_libvirt_uri },
	{ "memory_mib", take_memory },	     { "secret_key", take_secret_key },
	{ "log_level", take_log_level },     { "read_access", take_read_access },
};

_Static_assert(ARRAY_SIZE(keys) <= CONF_KEYS_MAX, "a place for the line of each key");

/* ---------------------------------------------------------------- file */

/* The first complaint counts. */
__attribute__((format(printf, 2, 3)))
static void complain(struct reading *reading, const char *format, ...)
{
	va_list args;
	int n;

	if (reading->bad)
		return;
	reading->bad = true;
	n = snprintf(reading->why, reading->size, "%s:%d: ", reading->path, reading->line);
	if (n < 0 || (size_t)n >= reading->size)
		return;
	va_start(args, format);
	vsnprintf(reading->why + n, reading->size - (size_t)n, format, args);
	va_end(args);
	/* The file is quoted in it, and may be anything. */
	wire_text_line(reading->why);
}

static void complain_about_key(struct reading *reading, const char *name)
{
	const char *names[ARRAY_SIZE(keys)];
	_cleanup_(freep) char *known = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		names[i] = keys[i].name;
	known = text_join(names, ARRAY_SIZE(keys), ", ");
	complain(reading, "there is no key '%s': remove the line or use one of %s", name, known);
}

/* "/var/lib/x # mine" would be a directory of that name, with an empty store in it. */
static bool has_comment(const char *value)
{
	for (const char *at = value; *at; at++)
		if ((*at == '#' || *at == ';') && (at == value || isspace((unsigned char)at[-1])))
			return true;
	return false;
}

static int take_key(struct reading *reading, size_t key, const char *value)
{
	const char *remedy;

	if (reading->given[key]) {
		complain(reading, "%s was given in line %d already: remove one of the two lines",
			 keys[key].name, reading->given[key]);
		return 0;
	}
	reading->given[key] = reading->line;
	if (has_comment(value)) {
		complain(reading, "%s = %s is not possible: a comment may not follow a value, give "
			 "it a line of its own", keys[key].name, value);
		return 0;
	}
	remedy = keys[key].take(reading->conf, value);
	if (remedy)
		complain(reading, "%s = %s is not possible: %s", keys[key].name, value, remedy);
	return !remedy;
}

static int take(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;

	if (strcmp(section, "clusterd") != 0) {
		complain(reading, "'%s' stands in no section: write [clusterd] above it", name);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return take_key(reading, i, value);
	complain_about_key(reading, name);
	return 0;
}

/* inih tells of a section only by the keys in it, and one without any counts, too. */
static bool check_section(struct reading *reading, const char *line)
{
	static const char mark[] = "\xef\xbb\xbf";	/* editors begin files with it */
	const char *end;

	if (reading->line == 1 && strncmp(line, mark, strlen(mark)) == 0)
		line += strlen(mark);
	while (isspace((unsigned char)*line))
		line++;
	end = *line == '[' ? strchr(line, ']') : NULL;
	if (!end || (end - line == 9 && memcmp(line, "[clusterd", 9) == 0))
		return true;
	complain(reading, "there is no section %.*s: the only one is [clusterd]",
		 (int)(end + 1 - line), line);
	return false;
}

/* inih does not tell lines to its callers, so they are counted where it reads them. */
static char *read_line(char *line, int size, void *user)
{
	struct reading *reading = user;
	size_t len;

	if (reading->bad || !fgets(line, size, reading->file))
		return NULL;
	reading->line++;
	len = strlen(line);
	if (len > CONF_LINE_MAX || (len > 0 && line[len - 1] != '\n' && !feof(reading->file))) {
		complain(reading, "the line is too long: at most %d characters", CONF_LINE_MAX);
		return NULL;
	}
	return check_section(reading, line) ? line : NULL;
}

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

int conf_read(struct conf *conf, const char *path, char *ret_why, size_t size)
{
	_cleanup_(close_file) FILE *file = fopen(path, "re");
	struct reading reading = { .conf = conf, .file = file, .path = path, .why = ret_why,
				   .size = size };
	int result;

	if (!file)
		return -errno;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	result = ini_parse_stream(read_line, &reading, take, &reading);
	if (reading.bad)
		return -EINVAL;
	if (ferror(file))
		return -EIO;
	if (result != 0) {
		reading.line = result;
		complain(&reading, "not understood: write [clusterd], then lines key = value");
		return -EINVAL;
	}
	return 0;
}
