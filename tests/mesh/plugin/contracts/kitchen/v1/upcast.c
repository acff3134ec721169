#include "kitchen/v1/events.mesh.h"

mesh_code kitchen__v1__dish_served__upcast(mesh_arena *arena, const Kitchen__V1__DishCooked *from,
                                           Kitchen__V1__DishServed *event, mesh_error *err)
{
    (void)arena;
    (void)err;
    event->dish_id = from->dish_id;
    event->version = from->version;
    return MESH_OK;
}
