/* dyn_make_expressible: what the JSON of well-known types cannot hold. */
#include <stdio.h>
#include <string.h>

#include "mesh/dyn/internal.h"

enum {
    PATH_BYTES = 160, /* longer paths are cut at their end */
    ANY_DEPTH = 64,   /* upb's own limit for what is packed in an Any */
    MAX_ANYS = 8      /* within each other: each is decoded and encoded once more */
};

typedef struct checker {
    const mesh_dyn_pool *pool;
    upb_Arena *scratch;
    mesh_arena *arena;
    const char **missing;
    mesh_error *err;
    unsigned depth;
    unsigned anys;
    char path[PATH_BYTES];
    size_t path_size;
} checker;

static size_t enter(checker *c, const char *name)
{
    size_t before = c->path_size;
    size_t size = strlen(name);
    size_t dot = before > 0 && name[0] != '[' ? 1 : 0;
    if (before + dot + size < sizeof c->path) {
        if (dot)
            c->path[c->path_size++] = '.';
        memcpy(c->path + c->path_size, name, size);
        c->path_size += size;
        c->path[c->path_size] = '\0';
    }
    return before;
}

static void leave(checker *c, size_t before)
{
    c->path_size = before;
    c->path[before] = '\0';
}

static mesh_code refuse(checker *c, const char *why)
{
    if (c->path_size == 0)
        return mesh_error_set(c->err, MESH_INVALID_ARGUMENT, "%s", why);
    if (c->err != NULL)
        mesh_error_clear(c->err); /* field adds to what is there */
    return mesh_error_field(c->err, c->path, "%s", why);
}

static upb_MessageValue get(const upb_MessageDef *type, const upb_Message *message, uint32_t number)
{
    return upb_Message_Get(message, upb_MessageDef_FindFieldByNumber(type, number));
}

static mesh_code check_message(checker *c, const upb_MessageDef *type, upb_Message *message);

static mesh_code check_timestamp(checker *c, int64_t seconds, int32_t nanos)
{
    /* Year 1 to year 9999: timestamp.proto. */
    bool good = seconds >= INT64_C(-62135596800) && seconds <= INT64_C(253402300799) &&
                nanos >= 0 && nanos <= 999999999;
    return good ? MESH_OK : refuse(c, "a timestamp out of the years 1 to 9999");
}

static mesh_code check_duration(checker *c, int64_t seconds, int32_t nanos)
{
    /* 10,000 years either way; both parts of one sign: duration.proto. */
    bool good = seconds >= INT64_C(-315576000000) && seconds <= INT64_C(315576000000) &&
                nanos >= -999999999 && nanos <= 999999999 && !(seconds > 0 && nanos < 0) &&
                !(seconds < 0 && nanos > 0);
    return good ? MESH_OK : refuse(c, "a duration out of range");
}

static mesh_code check_field_mask(checker *c, const upb_Array *paths)
{
    size_t count = paths == NULL ? 0 : upb_Array_Size(paths);
    for (size_t i = 0; i < count; i++) {
        upb_StringView path = upb_Array_Get(paths, i).str_val;
        for (size_t at = 0; at < path.size; at++) {
            char ch = path.data[at];
            if ((ch >= 'A' && ch <= 'Z') ||
                (ch == '_' &&
                 (at + 1 == path.size || path.data[at + 1] < 'a' || path.data[at + 1] > 'z')))
                return refuse(c, "a field mask whose path is not lower_snake_case");
        }
    }
    return MESH_OK;
}

/* The message type that an Any names; NULL, with *code, when it is unusable. */
static const upb_MessageDef *any_type(checker *c, upb_StringView url, mesh_code *code)
{
    const char *slash = url.size == 0 ? NULL : memrchr(url.data, '/', url.size);
    if (slash == NULL || slash == url.data) {
        *code = refuse(c, "an Any without a type (\"type.googleapis.com/NAME\")");
        return NULL;
    }
    upb_StringView name = {slash + 1, url.size - (size_t)(slash + 1 - url.data)};
    const upb_MessageDef *type = upb_DefPool_FindMessageByNameWithSize(c->pool->defs, name.data,
                                                                       name.size);
    if (type == NULL) {
        if (c->missing != NULL)
            *c->missing = mesh_arena_strndup(c->arena, name.data, name.size);
        char why[PATH_BYTES];
        snprintf(why, sizeof why, "an Any of the type %.*s, which is not known here",
                 (int)name.size, name.data);
        *code = refuse(c, why);
    }
    return type;
}

/* upb decodes the bytes again when it writes the JSON: they are put back as it can. */
static mesh_code put_back(checker *c, const upb_MessageDef *any, upb_Message *holder,
                          const upb_MessageDef *type, const upb_Message *message)
{
    char *data = NULL;
    size_t size = 0;
    upb_MessageValue value;
    if (upb_Encode(message, upb_MessageDef_MiniTable(type),
                   MESH_DYN_UPB_DEPTH(MESH_DYN_MAX_WIRE_DEPTH), c->scratch, &data,
                   &size) != kUpb_EncodeStatus_Ok ||
        !dyn_pad(type, data, size, c->arena, &value.str_val) ||
        !upb_Message_Set(holder, upb_MessageDef_FindFieldByNumber(any, 2), value, c->scratch))
        return mesh_error_set(c->err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return MESH_OK;
}

static mesh_code check_any(checker *c, const upb_MessageDef *any, upb_Message *holder)
{
    mesh_code code = MESH_OK;
    if (c->anys == MAX_ANYS)
        return refuse(c, "nested too deep");
    const upb_MessageDef *type = any_type(c, get(any, holder, 1).str_val, &code);
    if (type == NULL)
        return code;
    upb_StringView data = get(any, holder, 2).str_val;
    upb_Message *message = NULL;
    if (dyn_decode(type, data.data, data.size, NULL, ANY_DEPTH, c->scratch, c->arena, &message) !=
        kUpb_DecodeStatus_Ok)
        return refuse(c, "an Any whose bytes are not of its type");
    c->anys++;
    code = check_message(c, type, message);
    c->anys--;
    return code == MESH_OK ? put_back(c, any, holder, type, message) : code;
}

/* All of it was decoded by this module and is nobody else's. */
static upb_Message *mutable(const upb_Message *message)
{
    return (upb_Message *)(uintptr_t)message;
}

static mesh_code check_map(checker *c, const upb_FieldDef *field, const upb_Map *map)
{
    const upb_MessageDef *entry = upb_FieldDef_MessageSubDef(field);
    const upb_FieldDef *held = upb_MessageDef_FindFieldByNumber(entry, 2);
    if (upb_FieldDef_CType(held) != kUpb_CType_Message)
        return MESH_OK;
    mesh_code code = MESH_OK;
    size_t position = MESH_DYN_UPB_BEGIN;
    while (code == MESH_OK && upb_MapIterator_Next(map, &position))
        code = check_message(c, upb_FieldDef_MessageSubDef(held),
                             mutable(upb_MapIterator_Value(map, position).msg_val));
    return code;
}

static mesh_code check_array(checker *c, const upb_FieldDef *field, const upb_Array *array)
{
    mesh_code code = MESH_OK;
    for (size_t i = 0; code == MESH_OK && i < upb_Array_Size(array); i++) {
        char index[32];
        snprintf(index, sizeof index, "[%zu]", i);
        size_t before = enter(c, index);
        code = check_message(c, upb_FieldDef_MessageSubDef(field),
                             mutable(upb_Array_Get(array, i).msg_val));
        leave(c, before);
    }
    return code;
}

static mesh_code check_fields(checker *c, const upb_MessageDef *type, upb_Message *message)
{
    mesh_code code = MESH_OK;
    const upb_FieldDef *field;
    upb_MessageValue value;
    size_t position = MESH_DYN_UPB_BEGIN;
    while (code == MESH_OK &&
           upb_Message_Next(message, type, c->pool->defs, &field, &value, &position)) {
        if (upb_FieldDef_CType(field) != kUpb_CType_Message)
            continue;
        size_t before = enter(c, upb_FieldDef_Name(field));
        if (upb_FieldDef_IsMap(field))
            code = check_map(c, field, value.map_val);
        else if (upb_FieldDef_IsRepeated(field))
            code = check_array(c, field, value.array_val);
        else
            code = check_message(c, upb_FieldDef_MessageSubDef(field), mutable(value.msg_val));
        leave(c, before);
    }
    return code;
}

static mesh_code check_message(checker *c, const upb_MessageDef *type, upb_Message *message)
{
    if (c->depth >= MESH_DYN_MAX_WIRE_DEPTH)
        return refuse(c, "nested too deep");
    c->depth++;
    mesh_code code = MESH_OK;
    switch (upb_MessageDef_WellKnownType(type)) {
    case kUpb_WellKnown_Any:
        code = check_any(c, type, message);
        break;
    case kUpb_WellKnown_Timestamp:
        code = check_timestamp(c, get(type, message, 1).int64_val, get(type, message, 2).int32_val);
        break;
    case kUpb_WellKnown_Duration:
        code = check_duration(c, get(type, message, 1).int64_val, get(type, message, 2).int32_val);
        break;
    case kUpb_WellKnown_FieldMask:
        code = check_field_mask(c, get(type, message, 1).array_val);
        break;
    case kUpb_WellKnown_Value: {
        const upb_FieldDef *field;
        upb_MessageValue value;
        size_t position = MESH_DYN_UPB_BEGIN;
        if (!upb_Message_Next(message, type, NULL, &field, &value, &position))
            code = refuse(c, "a google.protobuf.Value that holds nothing");
        else
            code = check_fields(c, type, message);
        break;
    }
    default:
        code = check_fields(c, type, message);
        break;
    }
    c->depth--;
    return code;
}

mesh_code dyn_make_expressible(const mesh_dyn_pool *pool, const upb_MessageDef *type,
                               upb_Message *message, upb_Arena *scratch, mesh_arena *arena,
                               const char **missing, mesh_error *err)
{
    checker c = {.pool = pool, .scratch = scratch, .arena = arena, .missing = missing, .err = err};
    return check_message(&c, type, message);
}
