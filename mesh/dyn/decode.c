/*
 * Decoding bytes from outside with upb.
 *
 * Where its input ends, upb goes on in a copy of the last 16 bytes. A map entry that has a field
 * which its type lacks, and that lies across that place, makes this version compute a length from
 * pointers into both (found by json_fuzz). So the bytes are followed by a field that the type does
 * not have and that is longer than the copy: what matters then lies in one piece. The last field
 * must not reach into what follows, so that is looked at before.
 */
#include "mesh/base/wire.h"
#include "mesh/dyn/internal.h"

enum {
    MAX_FIELD_NUMBER = (1 << 29) - 1,
    PADDING_BYTES = 32,
    HEADER_BYTES = 6 /* of a field with the greatest number and a short length */
};

static bool is_whole(const void *data, size_t size)
{
    if (size == 0) /* then `data` may be NULL, to which nothing may be added */
        return true;
    mesh_wire_reader reader = {data, (const uint8_t *)data + size};
    mesh_wire_field field;
    while (mesh_wire_next(&reader, &field))
        continue;
    return reader.at == reader.end;
}

bool dyn_pad(const upb_MessageDef *type, const void *data, size_t size, mesh_arena *arena,
             upb_StringView *padded)
{
    static const uint8_t zeros[PADDING_BYTES];
    uint32_t number = MAX_FIELD_NUMBER;
    while (upb_MessageDef_FindFieldByNumber(type, number) != NULL)
        number--;
    size_t room = size + HEADER_BYTES + PADDING_BYTES;
    uint8_t *copy = mesh_arena_alloc(arena, room);
    if (copy == NULL)
        return false;
    mesh_wire_writer out = {.at = copy, .end = copy + room};
    mesh_wire_put_raw(&out, data, size);
    mesh_wire_put_bytes(&out, number, zeros, sizeof zeros);
    *padded = (upb_StringView){(const char *)copy, (size_t)(out.at - copy)};
    return true;
}

int dyn_decode(const upb_MessageDef *type, const void *data, size_t size,
               const upb_ExtensionRegistry *extensions, int depth, upb_Arena *scratch,
               mesh_arena *arena, upb_Message **message)
{
    upb_StringView padded;
    if (!is_whole(data, size))
        return kUpb_DecodeStatus_Malformed;
    upb_Message *made = upb_Message_New(type, scratch);
    if (made == NULL || !dyn_pad(type, data, size, arena, &padded))
        return kUpb_DecodeStatus_OutOfMemory;
    *message = made;
    return upb_Decode(padded.data, padded.size, made, upb_MessageDef_MiniTable(type), extensions,
                      MESH_DYN_UPB_DEPTH(depth), scratch);
}
