/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// The small parsers of what agents read: headers of images, qemu-img's JSON, command lines of
// processes, libvirt's capabilities, libvirt's and QEMU's errors, paths, names and quantities. The
// first byte of an input chooses; texts end at a zero byte. qemu-img is not run: run_program() is
// here.
//
// Covers: agents/chain.c agents/vcpus.c base/text.c clusterctl/secret.c domain/path.c
// migrate/driver/disk_fault.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agents/chain.h"
#include "agents/run.h"
#include "agents/vcpus.h"
#include "base/argv.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/secret.h"
#include "domain/path.h"
#include "migrate/driver/disk_fault.h"
#include "migrate/driver/image.h"
#include "migrate/driver/process.h"
#include "wire/check.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 20000;

static const char uuid[] = "00000000-0000-4000-8000-000000000001";

/* What says that nothing is below may be believed without asking anybody. */
static void try_header(struct fuzz_in in)
{
	enum chain_header judged = chain_judge_header(in.data, in.size);

	if (judged == CHAIN_NONE) {
		fuzz_must(in.size >= 72 && memcmp(in.data, "QFI\xfb", 4) == 0, "no qcow2");
		for (int i = 8; i < 16; i++)
			fuzz_must(in.data[i] == 0, "it names a backing file");
	}
	/* More of the file says nothing else, but where there was too little of it. */
	if (in.size > CHAIN_HEADER_SIZE)
		fuzz_must(chain_judge_header(in.data, CHAIN_HEADER_SIZE) == judged, "cut");
}

static void try_chain(struct fuzz_in in)
{
	_cleanup_(wire_freep) Wire__Disk *disk = wire_new(&wire__disk__descriptor);
	char digest[DOMAIN_CHAIN_DIGEST_SIZE], again[DOMAIN_CHAIN_DIGEST_SIZE];
	int r = chain_parse(in.size ? (const char *)in.data : "", in.size, disk);

	fuzz_must(r == 0 || r == -EBADMSG, "another error than promised");
	fuzz_must(disk->n_chain < 64, "a chain beyond its limit");
	for (size_t i = 0; i < disk->n_chain; i++)
		fuzz_must(disk->chain[i], "a file without a name");
	domain_chain_digest(&disk, 1, digest);
	domain_chain_digest(&disk, 1, again);
	fuzz_must(strlen(digest) < sizeof(digest) && strcmp(digest, again) == 0, "another digest");
	fuzz_must(chain_is_expected(digest, digest, "", &disk, 1), "accepted and not expected");
	fuzz_must(chain_is_expected(digest, "", digest, &disk, 1), "it ran so last");
	fuzz_must(chain_is_expected(digest, "", "", &disk, 1), "as declared");
}

/* ---------------------------------------------------------------- disks, and what qemu-img says */

static struct {
	struct fuzz_in said;
	uint8_t how;
	unsigned int runs;
} qemu_img;

int run_program(const struct run *run, const void *input, size_t len, uint64_t timeout_ms,
		struct run_result *ret)
{
	struct buf *out = qemu_img.how & 4 ? &ret->errors : &ret->output;

	fuzz_must(strcmp(run->argv->items[0], "/usr/bin/qemu-img") == 0, "another program");
	qemu_img.runs++;
	if (qemu_img.how & 1)
		return -EAGAIN;
	ret->timed_out = qemu_img.how & 2;
	ret->exited = !ret->timed_out;
	ret->status = qemu_img.how & 4 ? 1 : 0;
	buf_append(out, qemu_img.said.data, qemu_img.said.size);
	return 0;
}

void run_result_free(struct run_result *result)
{
	buf_free(&result->output);
	buf_free(&result->errors);
}

/* A disk of a file with these first bytes, and qemu-img that says the rest. */
static void try_disk(struct fuzz_in in)
{
	static const char *const formats[] = { "qcow2", "raw", "", "vmdk" };
	static const char *const kinds[] = { "file", "block", "network", "" };
	static int fd = -1;
	_cleanup_(wire_freep) Wire__Disk *disk = wire_new(&wire__disk__descriptor);
	char digest[DOMAIN_CHAIN_DIGEST_SIZE] = "", why[300] = "", path[40];
	uint8_t what = fuzz_byte(&in);
	struct fuzz_in header;
	int r;

	qemu_img.how = fuzz_byte(&in);
	qemu_img.runs = 0;
	header = fuzz_block(&in);
	qemu_img.said = in;
	if (fd < 0)
		fd = memfd_create("fuzz_disk", MFD_CLOEXEC);
	fuzz_must(ftruncate(fd, 0) == 0 &&
			  pwrite(fd, header.data, header.size, 0) == (ssize_t)header.size,
		  "the file cannot be written");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", what & 0x80 ? 1000000 : fd);
	wire_set(&disk->kind, kinds[what % 4]);
	wire_set(&disk->format, formats[what / 4 % 4]);
	wire_set(&disk->target, "vda");
	wire_set(&disk->source, what & 0x40 ? "" : path);
	disk->cdrom = what & 0x20;
	r = chain_read(&disk, 1, 1000, digest, why, sizeof(why));
	fuzz_must(qemu_img.runs <= 1, "asked twice");
	fuzz_must((r == 0) == !*why && (r == 0 || !*digest), "no reason, or no digest");
	fuzz_must(*digest || r < 0 || disk->cdrom || !*disk->source, "no digest");
	fuzz_must(!strpbrk(why, "\n\r"), "more than one line");
	/* What nobody has looked at is taken for one without anything below. */
	if (strcmp(disk->format, "raw") == 0 || !*disk->format || disk->cdrom)
		fuzz_must(r == 0 && qemu_img.runs == 0, "a raw disk was looked at");
	if (r == 0 && qemu_img.runs == 1)
		fuzz_must(!(qemu_img.how & 7), "believed although it failed");
}

static void try_cmdline(struct fuzz_in in)
{
	const char *text = in.size ? (const char *)in.data : "";
	bool ours = process_cmdline_matches(text, in.size, uuid);

	if (ours)
		fuzz_must(memmem(text, in.size, "-uuid", 5) && memmem(text, in.size, "-name", 5),
			  "a process that names no guest");
	if (process_cmdline_waits(text, in.size))
		fuzz_must(memmem(text, in.size, "-incoming", 9), "it does not wait");
}

static void try_fault(struct fuzz_in in)
{
	Wire__Disk disk = WIRE__DISK__INIT, *disks = &disk;
	_cleanup_(freep) char *said = mem_strndup(in.size ? (const char *)in.data : "", in.size);
	char text[300] = "", whole[300] = "";

	disk.target = (char *)"vda";
	disk.source = (char *)"/v/a.qcow2";
	disk_fault_say(&disk, "n1", said, text, sizeof(text));
	fuzz_must(strlen(text) < sizeof(text) && strstr(text, "disk vda (/v/a.qcow2)"), "which");
	fuzz_must(!strpbrk(text, "\n\r"), "more than one line");
	disk_fault_explain(&disks, 1, "n1", said, whole, sizeof(whole));
	fuzz_must(strlen(whole) < sizeof(whole), "too long");
	disk_fault_explain_xml(said, "n1", "'/v/a.qcow2': No such file or directory", whole,
			       sizeof(whole));
	fuzz_must(*whole, "nothing is said");
}

static void try_paths(struct fuzz_in in)
{
	_cleanup_(freep) char *path = fuzz_string(&in), *other = fuzz_string(&in);
	const char *volumes[] = { "/clusterstorage/a", other, "/clusterstorage/a/b" };
	size_t which = 77, again = 77;
	bool on = domain_path_on_volume(path, volumes, 3, &which);

	fuzz_must(on == domain_path_on_volume(path, volumes, 3, &again) && which == again,
		  "another answer");
	fuzz_must(on ? which < 3 : which == 77, "an output touched on failure");
	if (on) {
		fuzz_must(path[0] == '/' && volumes[which][0] == '/', "not absolute");
		fuzz_must(!strstr(path, "/../"), "it leads out");
	}
	if (image_path_ok(path)) {
		fuzz_must(path[0] == '/' && strstr(path, "/.clusterd/state/"), "not of a volume");
		fuzz_must(!strstr(path, "/../") && !strstr(path, "/./"), "it leads elsewhere");
	}
}

static void try_text(struct fuzz_in in)
{
	_cleanup_(freep) char *text = mem_strndup(in.size ? (const char *)in.data : "", in.size);
	char said[TEXT_QUANTITY_SIZE], number[32];
	uint64_t value = 77;
	bool yes = false;

	if (text_parse_uint(text, 0, UINT64_MAX, &value) == 0) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
		fuzz_must(strcmp(number, text) == 0, "another number");
	} else
		fuzz_must(value == 77, "an output touched on failure");
	value = 77;
	if (text_parse_duration(text, &value) < 0)
		fuzz_must(value == 77, "an output touched on failure");
	text_format_ms(said, value);
	fuzz_sentence(said, sizeof(said) - 1, "a time");
	value = 77;
	if (text_parse_size(text, &value) < 0)
		fuzz_must(value == 77, "an output touched on failure");
	if (text_parse_mib(text, &value) < 0)
		fuzz_must(value == 77 || text_parse_size(text, &value) == 0, "touched");
	text_format_mib(said, value);
	fuzz_sentence(said, sizeof(said) - 1, "a size");
	if (text_parse_bool(text, &yes) == 0)
		fuzz_must(strcmp(text, yes ? "yes" : "no") == 0, "another word");
	if (text_valid_name(text, WIRE_NAME_MAX))
		fuzz_sentence(text, WIRE_NAME_MAX, "a name");
}

static void try_capabilities(struct fuzz_in in)
{
	_cleanup_(freep) char *text = mem_strndup(in.size ? (const char *)in.data : "", in.size);
	uint32_t most = vcpus_max(text);

	fuzz_must(most == vcpus_max(text), "another number");
	fuzz_must(most == 0 || strstr(text, "maxCpus"), "a number from nowhere");
}

/* Whatever a text is made of, it can be mended; and nothing of a clean one is changed. */
static void try_mend(struct fuzz_in in)
{
	_cleanup_(freep) char *text = mem_strndup(in.size ? (const char *)in.data : "", in.size);
	_cleanup_(freep) char *before = mem_strdup(text);
	size_t len = strlen(text), fit;
	bool good = wire_text_ok(text, len, true);

	wire_text_mend(text);
	fuzz_must(strlen(text) == len && wire_text_ok(text, len, true), "not mended");
	fuzz_must(!good || strcmp(text, before) == 0, "a clean text is changed");
	for (size_t max = 0; max <= len && max < 40; max++) {
		fit = wire_text_fit(text, max);
		fuzz_must(fit <= max && wire_text_ok(text, fit, true), "cut within a character");
	}
}

/* What an administrator pipes in as secrets. */
static void try_secret(struct fuzz_in in)
{
	static int fd = -1;
	struct buf lines = { 0 };
	unsigned int number = UINT32_MAX;
	int r;

	if (fd < 0)
		fd = memfd_create("fuzz_secret", MFD_CLOEXEC);
	fuzz_must(ftruncate(fd, 0) == 0 &&
			  pwrite(fd, in.data, in.size, 0) == (ssize_t)in.size &&
			  lseek(fd, 0, SEEK_SET) == 0, "the file cannot be written");
	r = secret_read(fd, &lines, &number);
	fuzz_must(r == 0 || r == -E2BIG || r == -ENODATA || r == -EINVAL, "another error");
	fuzz_must((r == -EINVAL) == (number != UINT32_MAX), "which line is wrong");
	fuzz_must(r == 0 || !lines.data, "an output touched on failure");
	for (const char *at = buf_str(&lines); *at; at += strcspn(at, "\n") + 1)
		fuzz_must(*at == '\n' || memchr(at, '=', strcspn(at, "\n")), "no key");
	secret_wipe(&lines);
}

static void (*const tries[])(struct fuzz_in in) = {
	try_header, try_chain, try_cmdline, try_fault, try_paths, try_text, try_capabilities,
	try_mend, try_secret, try_disk,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };

	tries[fuzz_below(&in, ARRAY_SIZE(tries))](in);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
#define TEXT(text) text, sizeof(text) - 1
#define ZERO8 "\0\0\0\0\0\0\0\0"
	static const struct {
		const char *text;
		size_t size;
	} seeds[] = {
		{ TEXT("\0QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\1\0\0\0\0\0\0\0\0"
		       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		       "\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ TEXT("\1[{\"filename\":\"/v/a\",\"format\":\"qcow2\"},"
		       "{\"filename\":\"/v/b\"}]") },
		{ TEXT("\1[{},{\"filename\":1}]") },
		{ TEXT("\2/usr/bin/qemu-system-x86_64\0-name\0guest=a\0-uuid\0"
		       "00000000-0000-4000-8000-000000000001\0-incoming\0defer\0") },
		{ TEXT("\3internal error: Could not open '/v/a.qcow2': Permission denied\nmore") },
		{ TEXT("\3Failed to get \"write\" lock\nIs another process using the image "
		       "[/v/b.raw]?") },
		{ TEXT("\3<domain type='kvm'><os><type>hvm</type></os><name>a</name>"
		       "<memory>1</memory><devices><disk type='file'><source file='/v/a.qcow2'/>"
		       "<target dev='vda'/></disk></devices></domain>") },
		{ TEXT("\4\x1a\0/clusterstorage/a//./b/c.img\2\0/x") },
		{ TEXT("\4\x20\0/v/.clusterd/state/abc.consumed/x\4\0/../") },
		{ TEXT("\5""18446744073709551615") },
		{ TEXT("\5""20GiB") },
		{ TEXT("\5""90m") },
		{ TEXT("\6<capabilities><guest><arch name='x'><machine maxCpus='255'>pc</machine>"
		       "<domain><machine maxCpus='4294967295'/></domain></arch></guest>"
		       "</capabilities>") },
		{ TEXT("\10password=a b\n\nkey-2=\n") },
		{ TEXT("\10no value\n") },
		{ TEXT("\x09\0\0\x10\0QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\1[{},"
		       "{\"filename\":\"/v/b\"}]") },
		{ TEXT("\x09\0\0\x48\0QFI\xfb\0\0\0\2\0\0\0\0\0\0\0\0" ZERO8 ZERO8 ZERO8 ZERO8
		       ZERO8 ZERO8 ZERO8) },
		{ TEXT("\x09\x0c\4\0\0qemu-img: Could not open '/v/a': No such file\nmore") },
		{ TEXT("\x09\x0c\1\0\0") },
		{ TEXT("\x09\x0c\2\0\0") },
		{ TEXT("\x09\x0c\0\0\0{}") },
		{ TEXT("\x09\4\0\0\0") },
		{ TEXT("\x09\x80\0\0\0") },
		{ TEXT("\7h\xc3\xa9\xe2\x82\xac \xed\xa0\x80\x7f\t\n\xf0\x9f\x98\x80") },
	};

	if (n >= ARRAY_SIZE(seeds))
		return false;
	buf_append(out, seeds[n].text, seeds[n].size);
	return true;
}
