#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "mesh/auth/claims_impl.h"
#include "mesh/auth/members.h"
#include "mesh/base/utf8.h"

#define LAST_TIME_S INT64_C(253402300799)  /* of the year 9999 */
#define LAST_VERSION INT64_C(999999999999) /* that can be read */

/* The claims that are one text each; the last one may be missing. */
static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    {"iss", offsetof(mesh_claims, issuer)},     {"aud", offsetof(mesh_claims, audience)},
    {"sub", offsetof(mesh_claims, subject)},    {"jti", offsetof(mesh_claims, token_id)},
    {"sid", offsetof(mesh_claims, session_id)},
};

enum {
    TEXT_COUNT = sizeof texts / sizeof texts[0],
    REQUIRED_COUNT = TEXT_COUNT - 1
};

static const char *text_of(const mesh_claims *claims, size_t i)
{
    const char *text;

    memcpy(&text, (const char *)claims + texts[i].offset, sizeof text);
    return text != NULL ? text : "";
}

static void set_text(mesh_claims *claims, size_t i, const char *text)
{
    memcpy((char *)claims + texts[i].offset, &text, sizeof text);
}

static bool is_text(const char *text)
{
    size_t size = strnlen(text, MESH_CLAIM_MAX_BYTES + 1);

    if (size == 0 || size > MESH_CLAIM_MAX_BYTES || !mesh_utf8_is_text((const uint8_t *)text, size))
        return false;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7f || *at == '"' || *at == '\\')
            return false;
    return true;
}

const char *mesh_claims_check(const mesh_claims *claims)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (!is_text(text_of(claims, i)) && (i < REQUIRED_COUNT || *text_of(claims, i) != '\0'))
            return "a text is missing, too long, or has characters that it may not have";
    if (claims->role_count > MESH_CLAIMS_ROLES)
        return "too many roles";
    for (size_t i = 0; i < claims->role_count; i++)
        if (claims->roles[i] == NULL || !is_text(claims->roles[i]))
            return "a role is missing, too long, or has characters that it may not have";
    if (claims->version < 0 || claims->version > LAST_VERSION)
        return "a version is out of range";
    if (claims->issued_s < 0 || claims->expires_s > LAST_TIME_S)
        return "a time is out of range";
    if (claims->expires_s <= claims->issued_s)
        return "it expires before it is issued";
    return NULL;
}

size_t mesh_claims_write(const mesh_claims *claims, char *json)
{
    char *at = json, *end = json + MESH_CLAIMS_JSON_BYTES;

    *at++ = '{';
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (*text_of(claims, i) != '\0')
            at += snprintf(at, (size_t)(end - at), "\"%s\":\"%s\",", texts[i].name,
                           text_of(claims, i));
    at += snprintf(at, (size_t)(end - at), "\"roles\":[");
    for (size_t i = 0; i < claims->role_count; i++)
        at += snprintf(at, (size_t)(end - at), "%s\"%s\"", i > 0 ? "," : "", claims->roles[i]);
    at += snprintf(at, (size_t)(end - at), "],");
    if (claims->version != 0)
        at += snprintf(at, (size_t)(end - at), "\"ver\":%" PRId64 ",", claims->version);
    at += snprintf(at, (size_t)(end - at), "\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}",
                   claims->issued_s, claims->expires_s);
    return (size_t)(at - json);
}

/* The string of a value, ended by a NUL in the place of its second quote (JSON has none within
 * strings); NULL: it is no string. */
static const char *end_string(const mesh_slice *value, char *json)
{
    mesh_slice text;

    if (!mesh_slice_string(value, &text))
        return NULL;
    json[text.data + text.size - json] = '\0';
    return text.data;
}

static const char *read_roles(const mesh_members *members, char *json, mesh_claims *claims)
{
    const mesh_slice *value = mesh_members_find(members, "roles");
    mesh_members roles;
    const char *why = NULL;

    if (value == NULL)
        return NULL;
    why = mesh_elements_read(value->data, value->size, &roles);
    if (why == NULL && roles.count > MESH_CLAIMS_ROLES)
        why = "too many roles";
    for (size_t i = 0; why == NULL && i < roles.count; i++) {
        claims->roles[i] = end_string(&roles.list[i].value, json);
        claims->role_count = i + 1;
    }
    return why;
}

const char *mesh_claims_read(char *json, size_t size, mesh_claims *claims)
{
    mesh_members members;
    const char *why = mesh_members_read(json, size, &members);

    memset(claims, 0, sizeof *claims);
    if (why == NULL && (!mesh_slice_number(mesh_members_find(&members, "iat"), &claims->issued_s) ||
                        !mesh_slice_number(mesh_members_find(&members, "exp"), &claims->expires_s)))
        why = "iat or exp is no time";
    if (why == NULL && mesh_members_find(&members, "ver") != NULL &&
        !mesh_slice_number(mesh_members_find(&members, "ver"), &claims->version))
        why = "ver is no version";
    if (why == NULL && mesh_members_find(&members, "nbf") != NULL)
        why = "nbf is not known here";
    if (why == NULL)
        why = read_roles(&members, json, claims);
    for (size_t i = 0; why == NULL && i < TEXT_COUNT; i++) {
        const mesh_slice *value = mesh_members_find(&members, texts[i].name);
        const char *text = value != NULL ? end_string(value, json) : "";

        if (text == NULL)
            why = "a claim is no text";
        else
            set_text(claims, i, text);
    }
    return why != NULL ? why : mesh_claims_check(claims);
}

size_t mesh_claims_text_bytes(const mesh_claims *claims)
{
    size_t bytes = 0;

    for (size_t i = 0; i < TEXT_COUNT; i++)
        bytes += strlen(text_of(claims, i)) + 1;
    for (size_t i = 0; i < claims->role_count; i++)
        bytes += strlen(claims->roles[i]) + 1;
    return bytes;
}

/* Copies a text and passes it. */
static const char *put(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);

    *at += size;
    return copy;
}

void mesh_claims_copy(const mesh_claims *from, char *text, mesh_claims *to)
{
    *to = *from;
    for (size_t i = 0; i < TEXT_COUNT; i++)
        set_text(to, i, put(&text, text_of(from, i)));
    for (size_t i = 0; i < from->role_count; i++)
        to->roles[i] = put(&text, from->roles[i]);
}

const mesh_claims *mesh_claims_dup(const mesh_claims *from, mesh_arena *arena)
{
    mesh_claims *copy = mesh_arena_alloc(arena, sizeof *copy + mesh_claims_text_bytes(from));

    if (copy != NULL)
        mesh_claims_copy(from, (char *)(copy + 1), copy);
    return copy;
}

const mesh_claims *mesh_claims_dup_block(const mesh_claims *from, const char *block, size_t size,
                                         mesh_arena *arena)
{
    mesh_claims *copy = mesh_arena_alloc(arena, sizeof *copy + size);
    char *text = (char *)(copy + 1);

    if (copy == NULL)
        return NULL;
    *copy = *from;
    memcpy(text, block, size);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        set_text(copy, i, text + (text_of(from, i) - block));
    for (size_t i = 0; i < from->role_count; i++)
        copy->roles[i] = text + (from->roles[i] - block);
    return copy;
}
