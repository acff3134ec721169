#include "mesh/auth/members.h"

#include <string.h>

#include "mesh/dyn/json_text.h"

enum {
    NUMBER_DIGITS = 12
};

static const char not_json[] = "not JSON";

typedef struct cursor {
    const char *json;
    size_t size, at;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->size && memchr(" \t\r\n", c->json[c->at], 4) != NULL)
        c->at++;
}

/* Passes that character, and the blanks before it, if it comes next. */
static bool take(cursor *c, char wanted)
{
    skip_blanks(c);
    if (c->at == c->size || c->json[c->at] != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_value(cursor *c, mesh_slice *value)
{
    mesh_json_scan scan;

    if (mesh_json_scan_value(c->json + c->at, c->size - c->at, MESH_MEMBERS_DEPTH, &scan) !=
        MESH_JSON_VALUE)
        return false;
    *value = (mesh_slice){c->json + c->at + scan.begin, scan.end - scan.begin};
    c->at += scan.end;
    return true;
}

static bool is_same(mesh_slice a, mesh_slice b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static const char *take_name(cursor *c, const mesh_members *before, mesh_slice *name)
{
    mesh_slice value;

    if (!take_value(c, &value))
        return not_json;
    if (!mesh_slice_string(&value, name))
        return "the name of a member has an escape";
    for (size_t i = 0; i < before->count; i++)
        if (is_same(before->list[i].name, *name))
            return "a member is there twice";
    return take(c, ':') ? NULL : not_json;
}

static const char *take_member(cursor *c, bool named, mesh_members *members)
{
    mesh_slice name = {NULL, 0};
    const char *why = NULL;

    if (members->count == MESH_MEMBERS_MAX)
        return "too many members";
    if (named)
        why = take_name(c, members, &name);
    if (why == NULL && !take_value(c, &members->list[members->count].value))
        why = not_json;
    if (why == NULL)
        members->list[members->count++].name = name;
    return why;
}

static const char *read(cursor *c, bool named, mesh_members *members)
{
    const char *why = NULL;
    bool more;

    members->count = 0;
    if (!take(c, named ? '{' : '['))
        return named ? "not a JSON object" : "not a JSON array";
    more = !take(c, named ? '}' : ']');
    while (more && why == NULL) {
        why = take_member(c, named, members);
        more = take(c, ',');
        if (why == NULL && !more && !take(c, named ? '}' : ']'))
            why = not_json;
    }
    skip_blanks(c);
    if (why == NULL && c->at < c->size)
        why = "something follows the JSON";
    return why;
}

const char *mesh_members_read(const char *json, size_t size, mesh_members *members)
{
    return read(&(cursor){json, size, 0}, true, members);
}

const char *mesh_elements_read(const char *json, size_t size, mesh_members *elements)
{
    return read(&(cursor){json, size, 0}, false, elements);
}

const mesh_slice *mesh_members_find(const mesh_members *members, const char *name)
{
    const mesh_slice wanted = {name, strlen(name)};

    for (size_t i = 0; i < members->count; i++)
        if (is_same(members->list[i].name, wanted))
            return &members->list[i].value;
    return NULL;
}

bool mesh_slice_string(const mesh_slice *value, mesh_slice *text)
{
    if (value == NULL || value->data[0] != '"' || memchr(value->data, '\\', value->size) != NULL)
        return false;
    *text = (mesh_slice){value->data + 1, value->size - 2};
    return true;
}

bool mesh_slice_is(const mesh_slice *value, const char *text)
{
    mesh_slice inner;

    return mesh_slice_string(value, &inner) && is_same(inner, (mesh_slice){text, strlen(text)});
}

bool mesh_slice_number(const mesh_slice *value, int64_t *number)
{
    int64_t result = 0;

    if (value == NULL || value->size > NUMBER_DIGITS)
        return false;
    for (size_t i = 0; i < value->size; i++) {
        if (value->data[i] < '0' || value->data[i] > '9')
            return false;
        result = result * 10 + (value->data[i] - '0');
    }
    *number = result;
    return true;
}
