/* The product service: what is for sale, and how much of it is left. */
#include "mesh/service.h"
#include "services/product/product.h"
#include "services/product/product_migrations.h"

static product_service product;

static const mesh_setting settings[] = {
    {.name = "PRODUCT_IMAGE_ROOT",
     .type = MESH_SETTING_STRING,
     .target = &product.image_root,
     .fallback = "http://localhost:8080/images",
     .help = "address of the folder with the products' pictures, without a slash at its end"},
};

static mesh_code start(void *self, mesh_app *app, mesh_error *err)
{
    (void)err;
    product_service *service = self;
    service->db = mesh_app_db(app);
    return MESH_OK;
}

int main(int argc, char **argv)
{
    return mesh_service_main(
        argc, argv,
        &(mesh_service){
            .name = "product",
            .apis = {product__v1__product_service__api(&product_handlers, &product)},
            .consumers = {order__v1__order_created__consumer(product_lower_stock, &product)},
            .migrations = product_migrations,
            .settings = settings,
            .setting_count = sizeof settings / sizeof settings[0],
            .on_start = start,
            .self = &product,
        });
}
