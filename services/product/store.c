#include "services/product/store.h"

#include <stdlib.h>
#include <string.h>

#include "mesh/db/array.h"
#include "services/product/convert.h"

static mesh_code not_found(const char *id, mesh_error *err)
{
    product__v1__error_reason__set(
        err, MESH_NOT_FOUND, PRODUCT__V1__ERROR_REASON__PRODUCT_NOT_FOUND, "no product %s", id);
    mesh_error_metadata(err, "product_id", id);
    return MESH_NOT_FOUND;
}

static mesh_code no_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
}

/* Why a product could not be added: the rows that are in its way decide. */
static mesh_code answer_conflict(const product_scope *scope, mesh_tx *tx, const char *id,
                                 const char *request_id, const uint8_t *bytes, size_t size,
                                 Product__V1__Product *product, mesh_error *err)
{
    static const char SQL[] = "SELECT " PRODUCT_COLUMNS
                              ", coalesce(request_id = nullif($2, '')::uuid, false), request"
                              " FROM product WHERE id = $1 OR request_id = nullif($2, '')::uuid";
    mesh_rows *rows;
    mesh_code code = mesh_tx_query(
        tx, SQL, MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_TEXT(request_id)), &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    for (size_t i = 0; i < mesh_rows_count(rows); i++) {
        if (!mesh_rows_bool(rows, i, 8))
            continue;
        size_t first_size;
        const uint8_t *first = mesh_rows_bytes(rows, i, 9, &first_size);
        if (first_size != size || memcmp(first, bytes, size) != 0)
            return product__v1__error_reason__set(
                err, MESH_ALREADY_EXISTS, PRODUCT__V1__ERROR_REASON__REQUEST_ID_REUSED,
                "request_id %s belongs to a request with another product", request_id);
        product_from_row(scope->service, scope->arena, rows, i, product);
        return MESH_OK;
    }
    if (mesh_rows_count(rows) == 0)
        return mesh_error_set(err, MESH_ABORTED, "product %s was deleted meanwhile, try again", id);
    product__v1__error_reason__set(err, MESH_ALREADY_EXISTS,
                                   PRODUCT__V1__ERROR_REASON__PRODUCT_ALREADY_EXISTS,
                                   "product %s exists already", id);
    mesh_error_metadata(err, "product_id", id);
    return MESH_ALREADY_EXISTS;
}

mesh_code product_store_add(const product_scope *scope, const Product__V1__Product *wanted,
                            const char *request_id, Product__V1__Product *product, mesh_error *err)
{
    static const char SQL[] =
        "INSERT INTO product (id, title, passenger_capacity, maximum_speed, in_stock, request_id,"
        " request) VALUES ($1, $2, $3, $4, $5, nullif($6, '')::uuid, $7)"
        " ON CONFLICT DO NOTHING RETURNING " PRODUCT_COLUMNS;
    const mesh_tx_options single = {.autocommit = true, .deadline_ns = scope->deadline_ns};
    mesh_tx *tx;
    mesh_rows *rows;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    if (request_id[0] != '\0') {
        bytes = product_request_bytes(scope->arena, wanted, &size);
        if (bytes == NULL)
            return no_memory(err);
    }

    mesh_code code = mesh_tx_begin(scope->service->db, &single, &tx, err);
    if (code != MESH_OK)
        return code;
    code = mesh_tx_query(tx, SQL,
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(wanted->id), MESH_SQL_TEXT(wanted->title),
                                         MESH_SQL_INT(wanted->passenger_capacity),
                                         MESH_SQL_INT(wanted->maximum_speed),
                                         MESH_SQL_INT(wanted->in_stock), MESH_SQL_TEXT(request_id),
                                         MESH_SQL_BYTES(bytes, size)),
                         &rows, NULL, err);
    if (code != MESH_OK)
        goto done;
    if (mesh_rows_count(rows) == 1)
        product_from_row(scope->service, scope->arena, rows, 0, product);
    else
        code = answer_conflict(scope, tx, wanted->id, request_id, bytes, size, product, err);
done:
    mesh_tx_rollback(tx);
    return code;
}

mesh_code product_store_get(const product_scope *scope, const char *id,
                            Product__V1__Product *product, mesh_error *err)
{
    static const char SQL[] = "SELECT " PRODUCT_COLUMNS " FROM product WHERE id = $1";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->service->db, scope->deadline_ns, SQL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(id)), &rows, err);
    if (code != MESH_OK)
        return code;
    if (mesh_rows_count(rows) == 0)
        code = not_found(id, err);
    else
        product_from_row(scope->service, scope->arena, rows, 0, product);
    mesh_rows_end(rows);
    return code;
}

/* Runs a statement that answers with PRODUCT_COLUMNS. */
static mesh_code select_many(const product_scope *scope, const char *sql, mesh_params params,
                             Product__V1__Product ***products, size_t *found, mesh_error *err)
{
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->service->db, scope->deadline_ns, sql, params, &rows, err);
    if (code != MESH_OK)
        return code;

    size_t count = mesh_rows_count(rows);
    Product__V1__Product *items = mesh_arena_calloc(scope->arena, count, sizeof *items);
    Product__V1__Product **list = mesh_arena_calloc(scope->arena, count, sizeof *list);
    if (items == NULL || list == NULL) {
        code = no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        product__v1__product__init(&items[i]);
        product_from_row(scope->service, scope->arena, rows, i, &items[i]);
        list[i] = &items[i];
    }
    if (mesh_arena_overflowed(scope->arena)) {
        code = no_memory(err);
        goto done;
    }
    *products = list;
    *found = count;
done:
    mesh_rows_end(rows);
    return code;
}

mesh_code product_store_get_many(const product_scope *scope, const char *const *ids, size_t count,
                                 Product__V1__Product ***products, size_t *found, mesh_error *err)
{
    /*
     * LATERAL keeps this one index lookup for each id: a plan that was made, and kept, while the
     * table was small would otherwise read all of it for a hash join when it is large.
     */
    static const char SQL[] =
        "SELECT " PRODUCT_COLUMNS
        " FROM unnest($1::text[]) WITH ORDINALITY AS wanted (wanted_id, place)"
        " CROSS JOIN LATERAL (SELECT * FROM product WHERE id = wanted_id LIMIT 1) found"
        " ORDER BY place";
    const char *array = mesh_array_of_texts(scope->arena, ids, count);
    return select_many(scope, SQL, MESH_SQL_PARAMS(MESH_SQL_TEXT(array)), products, found, err);
}

mesh_code product_store_list(const product_scope *scope, const char *after, size_t limit,
                             Product__V1__Product ***products, size_t *found, mesh_error *err)
{
    static const char SQL[] = "SELECT " PRODUCT_COLUMNS
                              " FROM product WHERE id > $1 ORDER BY id LIMIT $2";
    return select_many(scope, SQL,
                       MESH_SQL_PARAMS(MESH_SQL_TEXT(after), MESH_SQL_INT((int64_t)limit)),
                       products, found, err);
}

mesh_code product_store_delete(const product_scope *scope, const char *id, mesh_error *err)
{
    static const char SQL[] = "DELETE FROM product WHERE id = $1";
    int64_t affected;
    mesh_code code = mesh_db_exec(scope->service->db, scope->deadline_ns, SQL,
                                  MESH_SQL_PARAMS(MESH_SQL_TEXT(id)), &affected, err);
    if (code == MESH_OK && affected == 0)
        code = not_found(id, err);
    return code;
}

static int by_product(const void *one, const void *other)
{
    return strcmp(((const product_taking *)one)->product_id,
                  ((const product_taking *)other)->product_id);
}

mesh_code product_store_take(mesh_tx *tx, product_taking *takings, size_t count, size_t *missing,
                             mesh_error *err)
{
    static const char SQL[] =
        "UPDATE product SET in_stock = greatest(in_stock - $2::bigint, 0)::integer,"
        " backordered = backordered + greatest($2::bigint - in_stock, 0),"
        " update_time = now() WHERE id = $1";
    /* Rows are locked in the order of their ids, so that two events never wait for each other. */
    if (count > 1)
        qsort(takings, count, sizeof *takings, by_product);
    size_t absent = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t affected;
        mesh_code code = mesh_tx_query(tx, SQL,
                                       MESH_SQL_PARAMS(MESH_SQL_TEXT(takings[i].product_id),
                                                       MESH_SQL_INT(takings[i].quantity)),
                                       NULL, &affected, err);
        if (code != MESH_OK)
            return code;
        absent += affected == 0;
    }
    *missing = absent;
    return MESH_OK;
}
