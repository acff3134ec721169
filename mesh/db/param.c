#include "mesh/db/param.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const size_t max_bytes = (size_t)1 << 30;

mesh_code mesh_db_params_encode(mesh_params params, mesh_db_params *out, mesh_error *err)
{
    assert(params.count <= MESH_SQL_MAX_PARAMS);
    out->count = (int)params.count;
    for (size_t i = 0; i < params.count; i++) {
        const mesh_param *param = &params.items[i];
        char *number = out->numbers[i];
        out->values[i] = number;
        out->lengths[i] = 0;
        out->formats[i] = 0;
        switch (param->type) {
        case MESH_PARAM_NULL:
            out->values[i] = NULL;
            break;
        case MESH_PARAM_TEXT:
            out->values[i] = param->data;
            break;
        case MESH_PARAM_INT:
            snprintf(number, sizeof out->numbers[i], "%" PRId64, param->integer);
            break;
        case MESH_PARAM_DOUBLE:
            /* 17 digits bring every double back; PostgreSQL reads "inf" and "nan", too. */
            snprintf(number, sizeof out->numbers[i], "%.17g", param->number);
            break;
        case MESH_PARAM_BOOL:
            snprintf(number, sizeof out->numbers[i], "%s", param->integer != 0 ? "t" : "f");
            break;
        case MESH_PARAM_BYTES:
            if (param->size > max_bytes)
                return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a value is larger than 1 GiB");
            /* A NULL pointer is the SQL null, as for text. */
            out->values[i] = param->data;
            out->lengths[i] = (int)param->size;
            out->formats[i] = 1;
            break;
        case MESH_PARAM_TIME:
            mesh_clock_format(param->integer, number);
            break;
        }
    }
    return MESH_OK;
}
