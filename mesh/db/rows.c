#include "mesh/db/rows.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/hex.h"
#include "mesh/db/time_text.h"

/* Object ids of the built-in types (pg_type.dat of PostgreSQL); they never change. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_TIMESTAMPTZ = 1184,
    OID_NUMERIC = 1700
};

/* "\\x0aff", two digits a byte, after two characters. */
static size_t decoded_size(const PGresult *result, int row, int column)
{
    return (size_t)PQgetlength(result, row, column) / 2 - 1;
}

static const uint8_t *decode_bytes(const PGresult *result, int row, int column, mesh_arena *arena)
{
    const char *text = PQgetvalue(result, row, column);
    assert(strncmp(text, "\\x", 2) == 0); /* the connection's bytea_output was changed */
    text += 2;
    size_t size = decoded_size(result, row, column);
    uint8_t *bytes = mesh_arena_alloc(arena, size);
    if (bytes == NULL)
        return NULL;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(mesh_hex_value(text[2 * i]) << 4 | mesh_hex_value(text[2 * i + 1]));
    return bytes;
}

/* Decodes all bytea columns that are text at once, so that reading them cannot fail. */
static bool decode_result(mesh_rows *rows, mesh_arena *arena)
{
    PGresult *result = rows->result;
    int row_count = PQntuples(result), column_count = PQnfields(result);
    for (int column = 0; column < column_count; column++) {
        if (PQftype(result, column) != OID_BYTEA || PQfformat(result, column) != 0 ||
            row_count == 0)
            continue;
        if (rows->bytes == NULL)
            rows->bytes = mesh_arena_calloc(arena, (size_t)row_count * (size_t)column_count,
                                            sizeof *rows->bytes);
        if (rows->bytes == NULL)
            return false;
        for (int row = 0; row < row_count; row++) {
            if (PQgetisnull(result, row, column))
                continue;
            const uint8_t *bytes = decode_bytes(result, row, column, arena);
            if (bytes == NULL)
                return false;
            rows->bytes[(size_t)row * (size_t)column_count + (size_t)column] = bytes;
        }
    }
    return true;
}

bool mesh_db_rows_add(mesh_rows **list, PGresult *result, mesh_arena *arena)
{
    mesh_rows *rows = mesh_arena_calloc(arena, 1, sizeof *rows);
    if (rows != NULL) {
        rows->result = result;
        if (decode_result(rows, arena)) {
            rows->next = *list;
            *list = rows;
            return true;
        }
    }
    PQclear(result);
    return false;
}

void mesh_db_rows_clear(mesh_rows *list)
{
    for (; list != NULL; list = list->next)
        PQclear(list->result);
}

size_t mesh_rows_count(const mesh_rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

/* The value as text, NULL for a null. */
static const char *cell(const mesh_rows *rows, size_t row, size_t column)
{
    assert(row < (size_t)PQntuples(rows->result));
    assert(column < (size_t)PQnfields(rows->result));
    if (PQgetisnull(rows->result, (int)row, (int)column))
        return NULL;
    return PQgetvalue(rows->result, (int)row, (int)column);
}

static Oid type_of(const mesh_rows *rows, size_t column)
{
    return PQftype(rows->result, (int)column);
}

/* The value is no text, but what the server has in memory, most significant byte first
 * (src/backend/utils/adt of PostgreSQL, the functions whose names end in "send"). */
static bool is_binary(const mesh_rows *rows, size_t column)
{
    return PQfformat(rows->result, (int)column) != 0;
}

static int64_t read_integer(const char *data, int size)
{
    uint64_t value = (signed char)data[0] < 0 ? UINT64_MAX : 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | (uint8_t)data[i];
    return (int64_t)value;
}

/* Microseconds since the year 2000. */
static int64_t read_time(const char *data)
{
    static const int64_t epoch_us = INT64_C(946684800000000);
    int64_t us = read_integer(data, 8);
    if (us > INT64_MAX / 1000 - epoch_us)
        return INT64_MAX;
    us += epoch_us;
    return us < INT64_MIN / 1000 ? INT64_MIN : us * 1000;
}

bool mesh_rows_is_null(const mesh_rows *rows, size_t row, size_t column)
{
    return cell(rows, row, column) == NULL;
}

const char *mesh_rows_text(const mesh_rows *rows, size_t row, size_t column)
{
    const char *text = cell(rows, row, column);
    assert(!is_binary(rows, column) || type_of(rows, column) == OID_TEXT);
    return text != NULL ? text : "";
}

int64_t mesh_rows_int(const mesh_rows *rows, size_t row, size_t column)
{
    const char *text = cell(rows, row, column);
    if (text == NULL)
        return 0;
    Oid type = type_of(rows, column);
    (void)type; /* without asserts */
    assert(type == OID_INT8 || type == OID_INT4 || type == OID_INT2 || type == OID_NUMERIC ||
           type == OID_OID);
    if (is_binary(rows, column)) {
        assert(type != OID_NUMERIC);
        return read_integer(text, PQgetlength(rows->result, (int)row, (int)column));
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    assert(*end == '\0'); /* a numeric without fraction */
    assert(errno == 0);   /* and within 64 bits */
    return value;
}

double mesh_rows_double(const mesh_rows *rows, size_t row, size_t column)
{
    const char *text = cell(rows, row, column);
    if (text == NULL)
        return 0;
    Oid type = type_of(rows, column);
    (void)type;
    assert(!is_binary(rows, column));
    assert(type == OID_FLOAT8 || type == OID_FLOAT4 || type == OID_NUMERIC);
    return strtod(text, NULL); /* reads PostgreSQL's "Infinity" and "NaN", too */
}

bool mesh_rows_bool(const mesh_rows *rows, size_t row, size_t column)
{
    const char *text = cell(rows, row, column);
    if (text == NULL)
        return false;
    assert(type_of(rows, column) == OID_BOOL);
    return text[0] == (is_binary(rows, column) ? 1 : 't');
}

int64_t mesh_rows_time(const mesh_rows *rows, size_t row, size_t column)
{
    const char *text = cell(rows, row, column);
    if (text == NULL)
        return 0;
    assert(type_of(rows, column) == OID_TIMESTAMPTZ);
    if (is_binary(rows, column))
        return read_time(text);
    int64_t wall_ns = 0;
    bool parsed = mesh_time_parse(text, &wall_ns);
    (void)parsed;
    assert(parsed); /* the connection's DateStyle was changed */
    return wall_ns;
}

const uint8_t *mesh_rows_bytes(const mesh_rows *rows, size_t row, size_t column, size_t *size)
{
    const char *value = cell(rows, row, column);
    *size = 0;
    if (value == NULL)
        return (const uint8_t *)"";
    assert(type_of(rows, column) == OID_BYTEA);
    if (is_binary(rows, column)) {
        *size = (size_t)PQgetlength(rows->result, (int)row, (int)column);
        return (const uint8_t *)value;
    }
    *size = decoded_size(rows->result, (int)row, (int)column);
    return rows->bytes[row * (size_t)PQnfields(rows->result) + column];
}
