#include "mesh/base/log.h"
#include "services/product/store.h"

mesh_code product_lower_stock(void *self, mesh_tx *tx, const mesh_event *meta,
                              const Order__V1__OrderCreated *event, mesh_error *err)
{
    (void)self;
    (void)meta;

    /* 1. What was sold. */
    product_taking *takings = mesh_arena_calloc(mesh_tx_arena(tx), event->n_lines, sizeof *takings);
    if (takings == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < event->n_lines; i++)
        takings[i] = (product_taking){.product_id = event->lines[i]->product_id,
                                      .quantity = event->lines[i]->quantity};

    /* 2. Taken off the stock, with the event's inbox row in the same transaction: once. */
    size_t missing;
    mesh_code code = product_store_take(tx, takings, event->n_lines, &missing, err);
    if (code != MESH_OK)
        return code;

    /* 3. A product deleted since has no stock to lower; the order stands. */
    if (missing != 0)
        mesh_log(MESH_LOG_INFO, "sold products exist no more",
                 MESH_LOG_S("order_id", event->order_id), MESH_LOG_I("products", (int64_t)missing));
    return MESH_OK;
}
