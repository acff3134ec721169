#include <string.h>

#include "stock/v2/stock.mesh.h"

/* "fish-7" is the area "fish" and the shelf "7". */
mesh_code stock__v2__stock_lowered__upcast(mesh_arena *arena, const Stock__V1__StockLowered *from,
                                           Stock__V2__StockLowered *event, mesh_error *err)
{
    const char *dash = strchr(from->product_id, '-');
    if (dash == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s has no shelf", from->product_id);
    event->product_id = from->product_id;
    event->version = from->version;
    event->area = mesh_arena_strndup(arena, from->product_id, (size_t)(dash - from->product_id));
    event->shelf = (char *)dash + 1;
    return MESH_OK;
}

mesh_code stock__v2__stock_taken__upcast(mesh_arena *arena, const Stock__V2__StockLowered *from,
                                         Stock__V2__StockTaken *event, mesh_error *err)
{
    (void)err;
    event->product_id = from->product_id;
    event->version = from->version;
    event->place = mesh_arena_printf(arena, "%s, shelf %s", from->area, from->shelf);
    return MESH_OK;
}
