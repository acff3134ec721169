#include "mesh/base/wire.h"

bool mesh_wire_skip_group(mesh_wire_reader *reader, uint32_t number, size_t depth)
{
    uint32_t open[MESH_WIRE_MAX_DEPTH]; /* numbers of the groups that we are in */
    size_t level = 0;

    if (depth == 0)
        return false;
    if (depth > MESH_WIRE_MAX_DEPTH)
        depth = MESH_WIRE_MAX_DEPTH;
    open[level++] = number;
    while (level > 0) {
        uint32_t type;
        uint64_t value;
        const uint8_t *data;
        size_t size;
        bool good = true;

        if (!mesh_wire_tag(reader, &number, &type))
            return false;
        switch (type) {
        case MESH_WIRE_VARINT:
            good = mesh_wire_varint(reader, &value);
            break;
        case MESH_WIRE_FIXED64:
            good = mesh_wire_skip(reader, 8);
            break;
        case MESH_WIRE_BYTES:
            good = mesh_wire_bytes(reader, &data, &size);
            break;
        case MESH_WIRE_GROUP:
            good = level < depth;
            if (good)
                open[level++] = number;
            break;
        case MESH_WIRE_GROUP_END:
            good = open[--level] == number;
            break;
        default: /* MESH_WIRE_FIXED32 */
            good = mesh_wire_skip(reader, 4);
            break;
        }
        if (!good)
            return false;
    }
    return true;
}

/* Reads `size` bytes, little-endian. */
static bool fixed(mesh_wire_reader *reader, size_t size, uint64_t *value)
{
    const uint8_t *at = reader->at;

    if (!mesh_wire_skip(reader, size))
        return false;
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value |= (uint64_t)at[i] << (8 * i);
    return true;
}

bool mesh_wire_next(mesh_wire_reader *reader, mesh_wire_field *field)
{
    mesh_wire_reader at = *reader;
    bool good = false;

    if (at.at == at.end || !mesh_wire_tag(&at, &field->number, &field->type))
        return false;
    field->value = 0;
    field->data = at.at;
    field->size = 0;
    switch (field->type) {
    case MESH_WIRE_VARINT:
        good = mesh_wire_varint(&at, &field->value);
        break;
    case MESH_WIRE_FIXED64:
        good = fixed(&at, 8, &field->value);
        break;
    case MESH_WIRE_BYTES:
        good = mesh_wire_bytes(&at, &field->data, &field->size);
        break;
    case MESH_WIRE_GROUP:
        good = mesh_wire_skip_group(&at, field->number, MESH_WIRE_MAX_DEPTH);
        field->size = (size_t)(at.at - field->data);
        break;
    case MESH_WIRE_FIXED32:
        good = fixed(&at, 4, &field->value);
        break;
    }
    if (!good)
        return false;
    *reader = at;
    return true;
}
