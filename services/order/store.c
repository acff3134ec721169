#include "services/order/store.h"

#include "mesh/base/uuid.h"
#include "mesh/db/array.h"
#include "mesh/resource/page.h"
#include "mesh/resource/timestamp.h"
#include "services/order/convert.h"

#define ORDER_PAGE_LIMIT "101" /* a page of the largest size, and one more */
_Static_assert(MESH_PAGE_SIZE_MAX == 100, "one less than ORDER_PAGE_LIMIT");

static mesh_code no_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
}

/* Order and lines with one statement. No row comes back: another order of the user's has the
 * request_id. */
static mesh_code insert(mesh_tx *tx, mesh_arena *arena, Order__V1__Order *order,
                        const char *request_id, bool *taken, mesh_error *err)
{
    static const char SQL[] =
        "WITH added AS (INSERT INTO orders (id, currency, total, request_id, user_id)"
        "  VALUES ($1, $2, $3, nullif($4, '')::uuid, $5) ON CONFLICT DO NOTHING"
        "  RETURNING id, version, create_time),"
        " lines AS (INSERT INTO order_line (order_id, position, product_id, title, price, quantity)"
        "  SELECT added.id, line.* FROM added, unnest($6::smallint[], $7::text[], $8::text[],"
        "   $9::bigint[], $10::integer[]) AS line)"
        " SELECT version, create_time FROM added";
    size_t count = order->n_lines;
    const char **products = mesh_arena_calloc(arena, count, sizeof *products);
    const char **titles = mesh_arena_calloc(arena, count, sizeof *titles);
    int64_t *positions = mesh_arena_calloc(arena, count, sizeof *positions);
    int64_t *prices = mesh_arena_calloc(arena, count, sizeof *prices);
    int64_t *quantities = mesh_arena_calloc(arena, count, sizeof *quantities);
    if (products == NULL || titles == NULL || positions == NULL || prices == NULL ||
        quantities == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        positions[i] = (int64_t)i;
        products[i] = order->lines[i]->product_id;
        titles[i] = order->lines[i]->title;
        prices[i] = order->lines[i]->price->minor_units;
        quantities[i] = order->lines[i]->quantity;
    }

    mesh_rows *rows;
    mesh_code code = mesh_tx_query(
        tx, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(order->id), MESH_SQL_TEXT(order->total->currency),
                        MESH_SQL_INT(order->total->minor_units), MESH_SQL_TEXT(request_id),
                        MESH_SQL_TEXT(order->user_id),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, positions, count)),
                        MESH_SQL_TEXT(mesh_array_of_texts(arena, products, count)),
                        MESH_SQL_TEXT(mesh_array_of_texts(arena, titles, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, prices, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, quantities, count))),
        &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    *taken = mesh_rows_count(rows) == 0;
    if (!*taken) {
        order->version = mesh_rows_int(rows, 0, 0);
        order->create_time = mesh_timestamp(arena, mesh_rows_time(rows, 0, 1));
    }
    return MESH_OK;
}

mesh_code order_store_add(const order_scope *scope, Order__V1__Order *order, const char *request_id,
                          bool *taken, mesh_error *err)
{
    const mesh_tx_options options = {.deadline_ns = scope->deadline_ns};
    Order__V1__OrderCreated event = ORDER__V1__ORDER_CREATED__INIT;
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(scope->service->db, &options, &tx, err);
    if (code != MESH_OK)
        return code;
    code = insert(tx, scope->arena, order, request_id, taken, err);
    if (code != MESH_OK || *taken)
        goto done;
    if (!order_to_event(scope->arena, order, &event)) {
        code = no_memory(err);
        goto done;
    }
    code = order__v1__order_created__add(tx, &event, err);
    if (code != MESH_OK)
        goto done;
    code = mesh_tx_commit(tx, err);
    tx = NULL;
done:
    mesh_tx_rollback(tx);
    return code;
}

/* One order at most. */
static mesh_code select_one(const order_scope *scope, const char *sql, mesh_params params,
                            Order__V1__Order *order, bool *found, mesh_error *err)
{
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->service->db, scope->deadline_ns, sql, params, &rows, err);
    if (code != MESH_OK)
        return code;
    size_t count = mesh_rows_count(rows);
    if (count != 0 && !order_from_rows(scope->arena, rows, 0, count, order))
        code = no_memory(err);
    else
        *found = count != 0;
    mesh_rows_end(rows);
    return code;
}

mesh_code order_store_get(const order_scope *scope, const char *user_id, const char *id,
                          Order__V1__Order *order, mesh_error *err)
{
    static const char SQL[] = "SELECT " ORDER_COLUMNS
                              " FROM orders o JOIN order_line l ON l.order_id = o.id"
                              " WHERE o.id = $1 AND o.user_id = $2 ORDER BY l.position";
    bool found = false;
    if (mesh_uuid_valid(id)) {
        mesh_code code = select_one(scope, SQL,
                                    MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_TEXT(user_id)),
                                    order, &found, err);
        if (code != MESH_OK || found)
            return code;
    }
    order__v1__error_reason__set(err, MESH_NOT_FOUND, ORDER__V1__ERROR_REASON__ORDER_NOT_FOUND,
                                 "no order %s", id);
    mesh_error_metadata(err, "order_id", id);
    return MESH_NOT_FOUND;
}

mesh_code order_store_find_request(const order_scope *scope, const char *user_id,
                                   const char *request_id, Order__V1__Order *order, bool *found,
                                   mesh_error *err)
{
    static const char SQL[] = "SELECT " ORDER_COLUMNS
                              " FROM orders o JOIN order_line l ON l.order_id = o.id"
                              " WHERE o.request_id = $1 AND o.user_id = $2 ORDER BY l.position";
    return select_one(scope, SQL,
                      MESH_SQL_PARAMS(MESH_SQL_TEXT(request_id), MESH_SQL_TEXT(user_id)), order,
                      found, err);
}

mesh_code order_store_list(const order_scope *scope, const char *user_id, const char *after,
                           size_t limit, order_list *list, mesh_error *err)
{
    /*
     * What is read is the end of a range of orders_user_id, and as a range it is asked for. With
     * user_id = $3 a plan that is made without knowing whose orders these are may go along the
     * primary key, through everybody's, where it thinks that most are of one user; so the limit of
     * a page is written down, too. LATERAL keeps the lines' part an index lookup for each order.
     */
    static const char SQL[] =
        "SELECT " ORDER_COLUMNS " FROM (SELECT * FROM (SELECT * FROM orders"
        "   WHERE (user_id, id) < ($3, $1) AND user_id >= $3 ORDER BY user_id DESC, id DESC"
        "   LIMIT " ORDER_PAGE_LIMIT ") newest LIMIT $2) o"
        " CROSS JOIN LATERAL (SELECT * FROM order_line WHERE order_id = o.id"
        "  ORDER BY position) l ORDER BY o.id DESC, l.position";
    static const char NEWEST[] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->service->db, scope->deadline_ns, SQL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(after[0] == '\0' ? NEWEST : after),
                                                   MESH_SQL_INT((int64_t)limit),
                                                   MESH_SQL_TEXT(user_id)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;

    size_t count = 0;
    Order__V1__Order *items = mesh_arena_calloc(scope->arena, limit, sizeof *items);
    Order__V1__Order **orders = mesh_arena_calloc(scope->arena, limit, sizeof *orders);
    if (items == NULL || orders == NULL) {
        code = no_memory(err);
        goto done;
    }
    for (size_t row = 0; row < mesh_rows_count(rows); count++) {
        size_t lines = order_rows_of_one(rows, row);
        order__v1__order__init(&items[count]);
        if (!order_from_rows(scope->arena, rows, row, lines, &items[count])) {
            code = no_memory(err);
            goto done;
        }
        orders[count] = &items[count];
        row += lines;
    }
    *list = (order_list){.orders = orders, .count = count};
done:
    mesh_rows_end(rows);
    return code;
}
