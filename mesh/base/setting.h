/*
 * The values of settings: read from the form that a user writes, and shown in it. Private to
 * mesh/base; mesh/base/config.h is the public side.
 */
#ifndef MESH_BASE_SETTING_H
#define MESH_BASE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/config.h"

enum {
    MESH_SETTING_TEXT_BYTES = 32,    /* a number, duration or size with its unit */
    MESH_SETTING_MISTAKE_BYTES = 320 /* what is wrong with a value */
};

/* A secret NAME may be given as NAME_FILE, the file that holds it. */
#define MESH_SETTING_FILE_SUFFIX "_FILE"

typedef struct mesh_setting_value {
    const char *text; /* string types: borrowed from what was read */
    int64_t number;
    bool boolean;
} mesh_setting_value;

/*
 * Reads a value. False: `mistake` says what is wrong and what would be right; it never shows a
 * secret.
 */
bool mesh_setting_parse(const mesh_setting *setting, const char *text, mesh_setting_value *value,
                        char mistake[MESH_SETTING_MISTAKE_BYTES]);

/* The number in the setting's unit: "250ms", "64KiB", "7". */
void mesh_setting_format(mesh_setting_type type, int64_t number,
                         char text[MESH_SETTING_TEXT_BYTES]);

/* What a value looks like: "duration", "address", "a|b|c". */
const char *mesh_setting_form(const mesh_setting *setting);

#endif
