/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/mem.h"

enum { VERSION = 1, NONCE_SIZE = 12, TAG_SIZE = 16 };
_Static_assert(SEAL_OVERHEAD == 1 + NONCE_SIZE + TAG_SIZE, "layout");

struct seal {
	gnutls_aead_cipher_hd_t cipher;
};

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* ---------------------------------------------------------------- key file */

/* Looks at the open file, not at the path: that may change in between. */
static int check_file(int fd, const char *path, char *ret_why, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & 07777 & ~(mode_t)0200) != 0400) {
		snprintf(ret_why, size, "The key file %s must belong to root with mode 0400, "
			 "because whoever reads it can open all secrets: chown root %s; "
			 "chmod 0400 %s", path, path, path);
		return -EPERM;
	}
	if (st.st_size != SEAL_KEY_SIZE) {
		snprintf(ret_why, size, "The key file %s must have %d bytes: copy it from another "
			 "node of the cluster", path, SEAL_KEY_SIZE);
		return -EINVAL;
	}
	return 0;
}

static int read_key(const char *path, uint8_t key[SEAL_KEY_SIZE], char *ret_why, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int error;

	if (fd < 0) {
		error = -errno;
		snprintf(ret_why, size, "The key file %s cannot be read (%s): copy it from another "
			 "node of the cluster", path, strerror(errno));
		return error;
	}
	error = check_file(fd, path, ret_why, size);
	if (error)
		return error;
	if (read(fd, key, SEAL_KEY_SIZE) != SEAL_KEY_SIZE)
		return -EIO;
	return 0;
}

int seal_load(const char *path, struct seal **ret, char *ret_why, size_t size)
{
	uint8_t key[SEAL_KEY_SIZE];
	const gnutls_datum_t datum = { key, sizeof(key) };
	struct seal *seal;
	int error;

	error = read_key(path, key, ret_why, size);
	if (error)
		return error;
	seal = mem_new(struct seal);
	error = gnutls_aead_cipher_init(&seal->cipher, GNUTLS_CIPHER_AES_256_GCM, &datum);
	explicit_bzero(key, sizeof(key));
	if (error < 0) {
		snprintf(ret_why, size, "AES-256-GCM is not to be had here: %s",
			 gnutls_strerror(error));
		free(seal);
		return -ENOSYS;
	}
	*ret = seal;
	return 0;
}

void seal_free(struct seal *seal)
{
	if (!seal)
		return;
	gnutls_aead_cipher_deinit(seal->cipher);
	free(seal);
}

int seal_make_key(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	uint8_t key[SEAL_KEY_SIZE];
	int error = 0;

	if (fd < 0)
		return -errno;
	if (getrandom(key, sizeof(key), 0) != sizeof(key) || write(fd, key, sizeof(key)) !=
	    sizeof(key) || fsync(fd) < 0)
		error = errno ? -errno : -EIO;
	explicit_bzero(key, sizeof(key));
	if (error)
		unlink(path);
	return error;
}

/* ---------------------------------------------------------------- seal and open */

int seal_close(const struct seal *seal, const char *name, const void *clear, size_t clear_size,
	       struct buf *out)
{
	uint8_t *to, nonce[NONCE_SIZE];
	size_t room = clear_size + TAG_SIZE;
	int error;

	if (clear_size > SEAL_CLEAR_MAX)
		return -EMSGSIZE;
	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		return -EIO;
	to = buf_reserve(out, clear_size + SEAL_OVERHEAD);
	to[0] = VERSION;
	memcpy(to + 1, nonce, NONCE_SIZE);
	error = gnutls_aead_cipher_encrypt(seal->cipher, nonce, NONCE_SIZE, name, strlen(name),
					   TAG_SIZE, clear, clear_size, to + 1 + NONCE_SIZE, &room);
	if (error < 0)
		return -EIO;
	out->len += 1 + NONCE_SIZE + room;
	return 0;
}

int seal_open(const struct seal *seal, const char *name, const void *sealed, size_t sealed_size,
	      uint8_t **ret_clear, size_t *ret_size)
{
	const uint8_t *from = sealed;
	size_t size = sealed_size - SEAL_OVERHEAD, room = size;
	uint8_t *clear;

	if (sealed_size < SEAL_OVERHEAD || size > SEAL_CLEAR_MAX || from[0] != VERSION)
		return -EBADMSG;
	clear = mem_array(size + 1, 1);
	if (gnutls_aead_cipher_decrypt(seal->cipher, from + 1, NONCE_SIZE, name, strlen(name),
				       TAG_SIZE, from + 1 + NONCE_SIZE, size + TAG_SIZE, clear,
				       &room) < 0 || room != size) {
		seal_wipe(clear, size);
		return -EBADMSG;
	}
	*ret_clear = clear;
	*ret_size = size;
	return 0;
}

void seal_wipe(uint8_t *clear, size_t size)
{
	if (!clear)
		return;
	explicit_bzero(clear, size);
	free(clear);
}
