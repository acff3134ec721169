/* The order service: what was bought. */
#include "mesh/service.h"
#include "order/v1/events.mesh.h"
#include "services/order/order.h"
#include "services/order/order_migrations.h"

static order_service order;

static mesh_code start(void *self, mesh_app *app, mesh_error *err)
{
    (void)err;
    order_service *service = self;
    service->db = mesh_app_db(app);
    service->products = mesh_app_peer(app, "product");
    return MESH_OK;
}

int main(int argc, char **argv)
{
    return mesh_service_main(argc, argv,
                             &(mesh_service){
                                 .name = "order",
                                 .apis = {order__v1__order_service__api(&order_handlers, &order)},
                                 .peers = {"product"},
                                 .migrations = order_migrations,
                                 .publishes = {&order__v1__order_created__event},
                                 .on_start = start,
                                 .self = &order,
                             });
}
