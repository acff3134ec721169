/*
 * A file of private keys, as the user service reads it, in the folder of the test. What cannot be
 * done fails the test.
 */
#ifndef TESTS_SERVICES_KEY_FILE_H
#define TESTS_SERVICES_KEY_FILE_H

#include <stddef.h>

#include "mesh/auth/key.h"

enum {
    KEY_FILE_PATH_BYTES = 1024
};

typedef struct key_text {
    char text[MESH_KEY_TEXT_BYTES];
} key_text;

/* A new private key. */
key_text key_file_key(void);

/* Where the file of that name is, or is to be. */
void key_file_path(const char *name, char path[KEY_FILE_PATH_BYTES]);

/* Puts these keys, or this text, in the place of the file's, as operators should: at once. */
void key_file_write(const char *path, const key_text *keys, size_t count);
void key_file_write_text(const char *path, const char *text);

#endif
