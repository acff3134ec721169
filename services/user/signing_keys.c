#include "services/user/signing_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mesh/base/alloc.h"

static void publish(user_signing_keys *keys)
{
    size_t used = 0;
    for (size_t i = 0; i < keys->count; i++)
        used += (size_t)snprintf(keys->jwks + used, sizeof keys->jwks - used, "%s%s",
                                 i == 0 ? "{\"keys\":[" : ",", mesh_key_public(keys->keys[i]));
    snprintf(keys->jwks + used, sizeof keys->jwks - used, "]}");
}

/* By a signature, which is the same whenever this text is signed (RFC 8032), and which nobody is
 * shown. No token is signed as this text. */
static void derive(user_signing_keys *keys)
{
    static const char TEXT[] = "user.v1: key of digests";
    uint8_t signature[MESH_KEY_SIGNATURE_BYTES];
    mesh_key_sign(keys->keys[0], TEXT, sizeof TEXT, signature);
    crypto_generichash(keys->digest_key, sizeof keys->digest_key, signature, sizeof signature, NULL,
                       0);
    sodium_memzero(signature, sizeof signature);
}

static mesh_code parse(const char *text, size_t size, user_signing_keys **keys, mesh_error *err)
{
    user_signing_keys *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    mesh_code code = mesh_key_load_set(text, size, made->keys, &made->count, err);
    if (code != MESH_OK) {
        mesh_free(made);
        return code;
    }
    publish(made);
    derive(made);
    *keys = made;
    return MESH_OK;
}

/* All that is in there, as far as there is room; -1 with errno. */
static ssize_t read_all(int fd, char *text, size_t room)
{
    size_t size = 0;
    ssize_t more = 1;
    while (more > 0 && size < room) {
        more = read(fd, text + size, room - size);
        if (more > 0)
            size += (size_t)more;
        else if (more < 0 && errno == EINTR)
            more = 1;
    }
    return more < 0 ? -1 : (ssize_t)size;
}

static mesh_code read_keys(int fd, const struct stat *file, user_signing_keys **keys,
                           mesh_error *err)
{
    char text[MESH_KEYS_MAX_BYTES + 1];
    if (!S_ISREG(file->st_mode))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "it is no file");
    ssize_t size = read_all(fd, text, sizeof text);
    mesh_code code = size < 0 ? mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s", strerror(errno))
                              : parse(text, (size_t)size, keys, err);
    sodium_memzero(text, sizeof text);
    return code;
}

static bool is_same(const user_file_stamp *one, const user_file_stamp *other)
{
    return one->failure == other->failure && one->file.st_dev == other->file.st_dev &&
           one->file.st_ino == other->file.st_ino && one->file.st_size == other->file.st_size &&
           one->file.st_mtim.tv_sec == other->file.st_mtim.tv_sec &&
           one->file.st_mtim.tv_nsec == other->file.st_mtim.tv_nsec &&
           one->file.st_ctim.tv_sec == other->file.st_ctim.tv_sec &&
           one->file.st_ctim.tv_nsec == other->file.st_ctim.tv_nsec;
}

mesh_code user_signing_keys_read(const char *path, user_file_stamp *stamp, user_signing_keys **keys,
                                 mesh_error *err)
{
    user_file_stamp now = {.failure = 0};
    mesh_code code = MESH_OK;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    *keys = NULL;
    if (fd < 0 || fstat(fd, &now.file) != 0)
        now.failure = errno;
    if (is_same(&now, stamp))
        goto done;
    code = now.failure != 0
               ? mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s", strerror(now.failure))
               : read_keys(fd, &now.file, keys, err);
    if (code != MESH_OK)
        mesh_error_prefix(err, "%s", path);
    if (code != MESH_RESOURCE_EXHAUSTED)
        *stamp = now;
done:
    if (fd >= 0)
        close(fd);
    return code;
}

void user_signing_keys_destroy(user_signing_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        mesh_key_destroy(keys->keys[i]);
    sodium_memzero(keys->digest_key, sizeof keys->digest_key);
    mesh_free(keys);
}
