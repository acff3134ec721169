#include "mesh/meshctl/method_name.h"

#include "mesh/meshctl/file.h"
#include "tests/mesh/base/test.h"

static mesh_arena *arena;
static mesh_dyn_pool *pool;
static const char *services[] = {"meshctl_test.v1.ShopService", "meshctl_test.v1.StockService"};
static ctl_catalog catalog = {.services = services, .service_count = COUNT(services)};

static int setup(void **state)
{
    (void)state;
    const char *data;
    size_t size;
    arena = mesh_arena_create(4096, 0);
    if (arena == NULL || mesh_dyn_pool_create(&pool, NULL) != MESH_OK ||
        ctl_file_read("tests/mesh/meshctl/shop_v1.protoset", arena, &data, &size) != 0 ||
        mesh_dyn_pool_add_set(pool, data, size, NULL) != MESH_OK)
        return -1;
    catalog.pool = pool;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mesh_dyn_pool_destroy(pool);
    mesh_arena_destroy(arena);
    return 0;
}

static void methods_are_found_by_any_form_of_their_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *service, *method;
    } cases[] = {
        {"meshctl_test.v1.ShopService/Buy", "meshctl_test.v1.ShopService", "Buy"},
        {"/meshctl_test.v1.ShopService/Buy", "meshctl_test.v1.ShopService", "Buy"},
        {"meshctl_test.v1.ShopService.Buy", "meshctl_test.v1.ShopService", "Buy"},
        {"v1.ShopService/Buy", "meshctl_test.v1.ShopService", "Buy"},
        {"ShopService.Buy", "meshctl_test.v1.ShopService", "Buy"},
        {"ShopService/Buy", "meshctl_test.v1.ShopService", "Buy"},
        {"Buy", "meshctl_test.v1.ShopService", "Buy"},
        {"StockService.Count", "meshctl_test.v1.StockService", "Count"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const mesh_dyn_method *method;
        ctl_failure failure;
        if (ctl_method_find(&catalog, cases[i].name, arena, &method, &failure) != MESH_OK)
            fail_msg("%s: %s", cases[i].name, failure.err.message);
        assert_string_equal(mesh_dyn_method_name(method), cases[i].method);
        assert_string_equal(mesh_dyn_service_name(mesh_dyn_method_service(method)),
                            cases[i].service);
    }
}

static void wrong_names_get_near_ones(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        mesh_code code;
        const char *message;
    } cases[] = {
        {"Count", MESH_INVALID_ARGUMENT,
         "Count is the name of several methods: meshctl_test.v1.ShopService/Count, "
         "meshctl_test.v1.StockService/Count"},
        {"buy", MESH_NOT_FOUND, "no method buy; did you mean Buy?"},
        {"Dobule", MESH_NOT_FOUND, "no method Dobule; did you mean Double?"},
        {"ShopService/Bye", MESH_NOT_FOUND,
         "no method ShopService.Bye; did you mean ShopService.Buy?"},
        {"ShapService.Buy", MESH_NOT_FOUND,
         "no method ShapService.Buy; did you mean ShopService.Buy?"},
        {"meshctl_test.v1.ShopService.Fil", MESH_NOT_FOUND,
         "no method meshctl_test.v1.ShopService.Fil; did you mean "
         "meshctl_test.v1.ShopService.Fill?"},
        {"hopService.Buy", MESH_NOT_FOUND,
         "no method hopService.Buy; did you mean ShopService.Buy?"},
        {"Completely.Else", MESH_NOT_FOUND, "no method Completely.Else"},
        {"", MESH_NOT_FOUND, "no method "},
        {".", MESH_NOT_FOUND, "no method "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const mesh_dyn_method *method;
        ctl_failure failure;
        assert_int_equal(ctl_method_find(&catalog, cases[i].name, arena, &method, &failure),
                         cases[i].code);
        assert_string_equal(failure.err.message, cases[i].message);
    }
}

/* A contract that imports another one brings its services, which another server has. */
static void methods_of_other_services_are_not_found(void **state)
{
    (void)state;
    const ctl_catalog shop_only = {.pool = pool, .services = services, .service_count = 1};
    const mesh_dyn_method *method;
    ctl_failure failure;
    assert_int_equal(ctl_method_find(&shop_only, "Count", arena, &method, &failure), MESH_OK);
    assert_string_equal(mesh_dyn_service_name(mesh_dyn_method_service(method)), services[0]);
    assert_int_equal(ctl_method_find(&shop_only, "StockService.Count", arena, &method, &failure),
                     MESH_NOT_FOUND);
    assert_string_equal(failure.err.message,
                        "no method StockService.Count; did you mean ShopService.Count?");
}

static void symbols_are_found_by_their_end(void **state)
{
    (void)state;
    static const struct {
        const char *name, *full;
    } cases[] = {
        {"meshctl_test.v1.Item", "meshctl_test.v1.Item"},
        {"Item", "meshctl_test.v1.Item"},
        {"v1.Reason", "meshctl_test.v1.Reason"},
        {"ShopService", "meshctl_test.v1.ShopService"},
        {"ShopService/Buy", "meshctl_test.v1.ShopService.Buy"},
        {"google.protobuf.Any", "google.protobuf.Any"},
    };
    const char *full;
    ctl_failure failure;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (ctl_symbol_find(pool, cases[i].name, arena, &full, &failure) != MESH_OK)
            fail_msg("%s: %s", cases[i].name, failure.err.message);
        assert_string_equal(full, cases[i].full);
    }
    assert_int_equal(ctl_symbol_find(pool, "Itme", arena, &full, &failure), MESH_NOT_FOUND);
    assert_string_equal(failure.err.message,
                        "no message, enum, service or method Itme; did you mean Item?");
    assert_int_equal(ctl_symbol_find(pool, "Count", arena, &full, &failure), MESH_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_found_by_any_form_of_their_name),
        cmocka_unit_test(wrong_names_get_near_ones),
        cmocka_unit_test(methods_of_other_services_are_not_found),
        cmocka_unit_test(symbols_are_found_by_their_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
