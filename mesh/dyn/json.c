#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mesh/dyn/internal.h"
#include "mesh/dyn/json_text.h"

enum {
    SCRATCH_BYTES = 4096, /* of a small message's arena, on the stack */
    PATH_BYTES = 160,
    FIELDS_BYTES = 150 /* of the names that are listed in an error */
};

static const mesh_dyn_json_options defaults;

static mesh_code out_of_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
}

/* "LINE:COLUMN: FIELD: why", with the field as a violation. The field is that of the name or value
 * before `position`; where it begins is the place when `at_field`, else the position itself is. */
static mesh_code bad_json(const char *json, size_t size, size_t position, bool at_field,
                          const char *why, mesh_arena *arena, mesh_error *err)
{
    unsigned line, column;
    mesh_text path = MESH_TEXT_INIT(arena, PATH_BYTES);
    size_t field = mesh_json_path(json, size, position, &path);
    mesh_json_locate(json, size, at_field ? field : position, &line, &column);
    if (path.size == 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%u:%u: %s", line, column, why);
    if (err != NULL) {
        mesh_error_clear(err);
        mesh_error_field(err, path.data, "%s", why);
        snprintf(err->message, sizeof err->message, "%u:%u: %s: %s", line, column, path.data, why);
    }
    return MESH_INVALID_ARGUMENT;
}

/* The message type that the last name of a path ("lines[2].quantity") belongs to; NULL when that
 * cannot be told (inside well-known types). */
static const upb_MessageDef *owner_of(const upb_MessageDef *type, const char *path)
{
    const char *dot;
    while (type != NULL && (dot = strchr(path, '.')) != NULL) {
        size_t size = strcspn(path, ".[");
        const upb_FieldDef *field = upb_MessageDef_FindByJsonNameWithSize(type, path, size);
        if (field == NULL || upb_FieldDef_CType(field) != kUpb_CType_Message)
            return NULL;
        type = upb_FieldDef_MessageSubDef(field);
        path = dot + 1;
        if (upb_FieldDef_IsMap(field)) {
            const upb_FieldDef *value = upb_MessageDef_FindFieldByNumber(type, 2);
            dot = strchr(path, '.'); /* behind the key, unless the key itself has one */
            if (dot == NULL || upb_FieldDef_CType(value) != kUpb_CType_Message)
                return NULL;
            type = upb_FieldDef_MessageSubDef(value);
            path = dot + 1;
        }
    }
    return type != NULL && upb_MessageDef_WellKnownType(type) == kUpb_WellKnown_Unspecified ? type
                                                                                            : NULL;
}

/* To "No such field: x" it adds which there are. */
static const char *with_fields(const char *why, const upb_MessageDef *type, const char *json,
                               size_t size, size_t position, mesh_arena *arena)
{
    mesh_text path = MESH_TEXT_INIT(arena, PATH_BYTES);
    mesh_json_path(json, size, position, &path);
    const upb_MessageDef *owner = path.failed ? NULL : owner_of(type, mesh_text_string(&path));
    if (owner == NULL || upb_MessageDef_FieldCount(owner) == 0)
        return why;
    mesh_text text = MESH_TEXT_INIT(arena, FIELDS_BYTES);
    mesh_text_printf(&text, "%s; there are", why);
    for (int i = 0; i < upb_MessageDef_FieldCount(owner); i++)
        mesh_text_printf(&text, "%s %s", i == 0 ? "" : ",",
                         upb_FieldDef_JsonName(upb_MessageDef_Field(owner, i)));
    if (text.failed)
        return mesh_arena_printf(arena, "%s, ...", mesh_text_string(&text));
    return mesh_text_string(&text);
}

/*
 * upb says "Error parsing JSON @LINE:COLUMN: why", where the column counts from 0 in the first line
 * and from 1 in the others, in bytes. Inside an Any whose "@type" is not its first field, the
 * column is that of a copy and means nothing.
 */
static mesh_code upb_said(const upb_Status *status, const upb_MessageDef *type, const char *json,
                          size_t size, mesh_arena *arena, mesh_error *err)
{
    unsigned line;
    int column;
    int why = 0;
    if (sscanf(status->msg, "Error parsing JSON @%u:%d: %n", &line, &column, &why) < 2 || why == 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s", status->msg);
    const char *begin = json;
    for (unsigned i = 1; i < line && begin != NULL; i++)
        begin = memchr(begin + (i > 1), '\n', size - (size_t)(begin + (i > 1) - json));
    if (begin == NULL || column < 0 || (size_t)column > size - (size_t)(begin - json))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s", status->msg + why);
    size_t position = (size_t)(begin - json) + (size_t)column;
    const char *reason = status->msg + why;
    if (strncmp(reason, "No such field", 13) == 0)
        reason = with_fields(reason, type, json, size, position, arena);
    return bad_json(json, size, position, true, reason, arena, err);
}

/* Everything that upb does not look at itself: strict syntax, what follows the value, depth. */
static mesh_code check_text(const char *json, size_t size, mesh_json_scan *scan, mesh_arena *arena,
                            mesh_error *err)
{
    mesh_json_scan rest;
    switch (mesh_json_scan_value(json, size, MESH_DYN_MAX_JSON_DEPTH, scan)) {
    case MESH_JSON_NOTHING:
        return MESH_OK;
    case MESH_JSON_PARTIAL:
    case MESH_JSON_BAD:
        return bad_json(json, size, scan->position, false, scan->why, arena, err);
    case MESH_JSON_VALUE:
        break;
    }
    if (scan->has_type && scan->depth > MESH_DYN_MAX_JSON_ANY_DEPTH)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "nested too deep for a text with an \"@type\"");
    if (mesh_json_scan_value(json + scan->end, size - scan->end, MESH_DYN_MAX_JSON_DEPTH, &rest) !=
        MESH_JSON_NOTHING)
        return bad_json(json, size, scan->end + rest.begin, false, "something follows the value",
                        arena, err);
    return MESH_OK;
}

static mesh_code encode(const upb_MessageDef *type, const upb_Message *message, upb_Arena *scratch,
                        mesh_arena *arena, const uint8_t **wire, size_t *wire_size, mesh_error *err)
{
    char *data = NULL;
    size_t size = 0;
    int status = upb_Encode(message, upb_MessageDef_MiniTable(type),
                            MESH_DYN_UPB_DEPTH(MESH_DYN_MAX_WIRE_DEPTH), scratch, &data, &size);
    if (status == kUpb_EncodeStatus_MaxDepthExceeded)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "nested too deep");
    if (status != kUpb_EncodeStatus_Ok)
        return out_of_memory(err);
    uint8_t *copy = mesh_arena_memdup(arena, data, size);
    if (copy == NULL)
        return out_of_memory(err);
    *wire = copy;
    *wire_size = size;
    return MESH_OK;
}

mesh_code mesh_dyn_json_to_wire(const mesh_dyn_pool *pool, const mesh_dyn_message *type,
                                const char *json, size_t size, const mesh_dyn_json_options *options,
                                mesh_arena *arena, const uint8_t **wire, size_t *wire_size,
                                mesh_error *err)
{
    if (options == NULL)
        options = &defaults;
    const upb_MessageDef *def = dyn_message(type);
    mesh_json_scan scan;
    mesh_code code = check_text(json, size, &scan, arena, err);
    if (code != MESH_OK)
        return code;

    char block[SCRATCH_BYTES];
    upb_Arena *scratch = upb_Arena_Init(block, sizeof block, &upb_alloc_global);
    upb_Message *message = scratch == NULL ? NULL : upb_Message_New(def, scratch);
    /* upb reads numbers with strtod, so the text has to end in a NUL. */
    char *text = mesh_arena_alloc(arena, scan.end + 1);
    if (message == NULL || text == NULL) {
        code = out_of_memory(err);
        goto done;
    }
    memcpy(text, json, scan.end);
    text[scan.end] = '\0';
    if (scan.end > scan.begin) {
        upb_Status status;
        upb_Status_Clear(&status);
        if (!upb_JsonDecode(text, scan.end, message, def, pool->defs,
                            options->ignore_unknown ? kUpb_JsonDecode_IgnoreUnknown : 0, scratch,
                            &status)) {
            code = upb_said(&status, def, text, scan.end, arena, err);
            goto done;
        }
    }
    code = encode(def, message, scratch, arena, wire, wire_size, err);

done:
    if (scratch != NULL)
        upb_Arena_Free(scratch);
    return code;
}

static mesh_code decode(const upb_MessageDef *type, const void *wire, size_t wire_size,
                        upb_Arena *scratch, mesh_arena *arena, upb_Message **message,
                        mesh_error *err)
{
    if (scratch == NULL)
        return out_of_memory(err);
    const char *name = upb_MessageDef_FullName(type);
    switch (
        dyn_decode(type, wire, wire_size, NULL, MESH_DYN_MAX_WIRE_DEPTH, scratch, arena, message)) {
    case kUpb_DecodeStatus_Ok:
        return MESH_OK;
    case kUpb_DecodeStatus_OutOfMemory:
        return out_of_memory(err);
    case kUpb_DecodeStatus_BadUtf8:
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the message of type %s has a string that is not UTF-8", name);
    case kUpb_DecodeStatus_MaxDepthExceeded:
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the message of type %s is nested too deep", name);
    default:
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "%zu bytes are not an encoded message of type %s", wire_size, name);
    }
}

static int encode_options(const mesh_dyn_json_options *options)
{
    return (options->emit_defaults ? kUpb_JsonEncode_EmitDefaults : 0) |
           (options->proto_names ? kUpb_JsonEncode_UseProtoNames : 0) |
           (options->enum_numbers ? kUpb_JsonEncode_FormatEnumsAsIntegers : 0);
}

/* Writes into a guessed size first, then into the one that upb asked for. */
static mesh_code write_json(const mesh_dyn_pool *pool, const upb_MessageDef *type,
                            const upb_Message *message, size_t guess, size_t limit,
                            const mesh_dyn_json_options *options, mesh_arena *arena,
                            const char **json, size_t *size, mesh_error *err)
{
    for (size_t capacity = guess;;) {
        char *text = mesh_arena_alloc(arena, capacity);
        if (text == NULL)
            return out_of_memory(err);
        upb_Status status;
        upb_Status_Clear(&status);
        size_t needed = upb_JsonEncode(message, type, pool->defs, encode_options(options), text,
                                       capacity, &status);
        if (needed == SIZE_MAX)
            return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s", status.msg);
        if (needed > limit)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                                  "the JSON of a message of type %s has %zu bytes, more than the "
                                  "limit of %zu",
                                  upb_MessageDef_FullName(type), needed, limit);
        if (needed < capacity) {
            *json = text;
            *size = needed;
            return MESH_OK;
        }
        capacity = needed + 1;
    }
}

mesh_code mesh_dyn_wire_to_json(const mesh_dyn_pool *pool, const mesh_dyn_message *type,
                                const void *wire, size_t wire_size,
                                const mesh_dyn_json_options *options, mesh_arena *arena,
                                const char **json, size_t *size, mesh_error *err)
{
    if (options == NULL)
        options = &defaults;
    size_t limit = options->max_out_bytes == 0 ? MESH_DYN_MAX_OUTPUT_BYTES : options->max_out_bytes;
    const upb_MessageDef *def = dyn_message(type);
    char block[SCRATCH_BYTES];
    upb_Arena *scratch = upb_Arena_Init(block, sizeof block, &upb_alloc_global);
    upb_Message *message = NULL;
    const char *text = NULL;
    size_t text_size = 0;
    mesh_code code = decode(def, wire, wire_size, scratch, arena, &message, err);
    if (code == MESH_OK)
        code = dyn_make_expressible(pool, def, message, scratch, arena, NULL, err);
    if (code == MESH_OK) {
        size_t guess = wire_size < limit / 4 ? wire_size * 4 + 64 : limit + 1;
        code = write_json(pool, def, message, guess, limit, options, arena, &text, &text_size, err);
    }
    if (code != MESH_OK)
        goto done;
    if (options->indent > 0) {
        mesh_text laid_out = MESH_TEXT_INIT(arena, limit);
        mesh_json_indent(text, text_size, options->indent, &laid_out);
        if (laid_out.failed) {
            code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                                  "the JSON of a message of type %s is larger than the limit of "
                                  "%zu bytes",
                                  upb_MessageDef_FullName(def), limit);
            goto done;
        }
        text = laid_out.data;
        text_size = laid_out.size;
    }
    *json = text;
    *size = text_size;

done:
    if (scratch != NULL)
        upb_Arena_Free(scratch);
    return code;
}

const char *mesh_dyn_missing_type(const mesh_dyn_pool *pool, const mesh_dyn_message *type,
                                  const void *wire, size_t wire_size, mesh_arena *arena)
{
    const upb_MessageDef *def = dyn_message(type);
    upb_Arena *scratch = upb_Arena_Init(NULL, 0, &upb_alloc_global);
    upb_Message *message = NULL;
    const char *missing = NULL;
    if (decode(def, wire, wire_size, scratch, arena, &message, NULL) == MESH_OK)
        (void)dyn_make_expressible(pool, def, message, scratch, arena, &missing, NULL);
    if (scratch != NULL)
        upb_Arena_Free(scratch);
    return missing;
}
