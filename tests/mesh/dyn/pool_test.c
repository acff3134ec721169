#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "mesh/base/wire.h"

/* The files of a set, to add them one by one. */
typedef struct file_list {
    uint8_t *set;
    const uint8_t *data[32];
    size_t size[32];
    size_t count;
} file_list;

static file_list read_files(void)
{
    file_list files = {0};
    size_t size;
    files.set = fixture_read("types.binpb", &size);
    mesh_wire_reader reader = {files.set, files.set + size};
    mesh_wire_field field;
    while (mesh_wire_next(&reader, &field)) {
        files.data[files.count] = field.data;
        files.size[files.count++] = field.size;
    }
    assert_true(files.count > 5);
    return files;
}

static void a_set_with_its_imports_defines_everything(void **state)
{
    (void)state;
    mesh_dyn_pool *pool = fixture_pool();
    assert_null(mesh_dyn_pool_missing(pool));
    assert_non_null(mesh_dyn_find_message(pool, "dyn.test.Order"));
    assert_non_null(mesh_dyn_find_message(pool, "dyn.test.Order.Line"));
    assert_non_null(mesh_dyn_find_message(pool, "google.protobuf.Timestamp"));
    assert_null(mesh_dyn_find_message(pool, "dyn.test.Nothing"));
    assert_null(mesh_dyn_find_message(pool, "dyn.test.Status"));
    mesh_dyn_pool_destroy(pool);
}

static void missing_imports_are_named(void **state)
{
    (void)state;
    mesh_dyn_pool *pool;
    mesh_error err;
    size_t size;
    uint8_t *set = fixture_read("types_alone.binpb", &size);
    assert_int_equal(mesh_dyn_pool_create(&pool, &err), MESH_OK);
    assert_int_equal(mesh_dyn_pool_add_set(pool, set, size, &err), MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "tests/mesh/dyn/types.proto imports"));
    assert_non_null(strstr(err.message, "google/protobuf/any.proto, "));
    assert_non_null(mesh_dyn_pool_missing(pool));
    assert_null(mesh_dyn_find_message(pool, "dyn.test.Order"));
    free(set);
    mesh_dyn_pool_destroy(pool);
}

/* As from a reflection server: the file first, then what is missing, until nothing is. */
static void files_may_come_in_any_order_and_again(void **state)
{
    (void)state;
    file_list files = read_files();
    mesh_dyn_pool *pool;
    mesh_error err;
    assert_int_equal(mesh_dyn_pool_create(&pool, &err), MESH_OK);
    for (size_t i = files.count; i-- > 0;) {
        assert_int_equal(mesh_dyn_pool_add(pool, files.data[i], files.size[i], &err), MESH_OK);
        if (i > 0 && i + 1 == files.count)
            assert_non_null(mesh_dyn_pool_missing(pool));
    }
    assert_null(mesh_dyn_pool_missing(pool));
    assert_int_equal(mesh_dyn_pool_complete(pool, &err), MESH_OK);
    assert_non_null(mesh_dyn_find_message(pool, "dyn.test.Order"));
    for (size_t i = 0; i < files.count; i++)
        assert_int_equal(mesh_dyn_pool_add(pool, files.data[i], files.size[i], &err), MESH_OK);
    assert_int_equal(mesh_dyn_service_count(pool), 1);
    free(files.set);
    mesh_dyn_pool_destroy(pool);
}

static void services_and_methods_are_listed_with_their_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *name, *input, *output;
        bool client, server;
    } want[] = {
        {"GetOrder", "dyn.test.Order", "dyn.test.Order", false, false},
        {"Watch", "google.protobuf.Empty", "dyn.test.Order", false, true},
        {"Import", "dyn.test.Order", "google.protobuf.Empty", true, false},
        {"Chat", "dyn.test.Order", "dyn.test.Order", true, true},
    };
    mesh_dyn_pool *pool = fixture_pool();
    assert_int_equal(mesh_dyn_service_count(pool), 1);
    const mesh_dyn_service *service = mesh_dyn_service_at(pool, 0);
    assert_string_equal(mesh_dyn_service_name(service), "dyn.test.OrderService");
    assert_ptr_equal(mesh_dyn_find_service(pool, "dyn.test.OrderService"), service);
    assert_null(mesh_dyn_service_at(pool, 1));
    assert_int_equal(mesh_dyn_method_count(service), 4);
    for (size_t i = 0; i < 4; i++) {
        const mesh_dyn_method *method = mesh_dyn_method_at(service, i);
        assert_string_equal(mesh_dyn_method_name(method), want[i].name);
        assert_ptr_equal(mesh_dyn_find_method(service, want[i].name), method);
        assert_ptr_equal(mesh_dyn_method_service(method), service);
        assert_string_equal(mesh_dyn_message_name(mesh_dyn_method_input(method)), want[i].input);
        assert_string_equal(mesh_dyn_message_name(mesh_dyn_method_output(method)), want[i].output);
        assert_int_equal(mesh_dyn_method_client_streaming(method), want[i].client);
        assert_int_equal(mesh_dyn_method_server_streaming(method), want[i].server);
    }
    assert_null(mesh_dyn_method_at(service, 4));
    assert_null(mesh_dyn_find_method(service, "Nothing"));
    mesh_dyn_pool_destroy(pool);
}

typedef struct seen {
    bool service, method, message, nested, enumeration, map_entry;
} seen;

static bool see(void *context, const char *name)
{
    seen *all = context;
    all->service |= strcmp(name, "dyn.test.OrderService") == 0;
    all->method |= strcmp(name, "dyn.test.OrderService.Watch") == 0;
    all->message |= strcmp(name, "dyn.test.Order") == 0;
    all->nested |= strcmp(name, "dyn.test.Order.Line") == 0;
    all->enumeration |= strcmp(name, "dyn.test.Status") == 0;
    all->map_entry |= strstr(name, "Entry") != NULL;
    return true;
}

static bool see_first(void *context, const char *name)
{
    (void)name;
    ++*(size_t *)context;
    return false;
}

static void symbols_are_walked_without_map_entries(void **state)
{
    (void)state;
    mesh_dyn_pool *pool = fixture_pool();
    seen all = {false};
    mesh_dyn_each_symbol(pool, see, &all);
    assert_true(all.service && all.method && all.message && all.nested && all.enumeration);
    assert_false(all.map_entry);
    size_t calls = 0;
    mesh_dyn_each_symbol(pool, see_first, &calls);
    assert_int_equal(calls, 1);
    mesh_dyn_pool_destroy(pool);
}

static void bytes_that_are_no_descriptor_are_refused(void **state)
{
    (void)state;
    mesh_dyn_pool *pool;
    mesh_error err;
    assert_int_equal(mesh_dyn_pool_create(&pool, &err), MESH_OK);
    assert_int_equal(mesh_dyn_pool_add(pool, "\xff\xff", 2, &err), MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_dyn_pool_add(pool, "", 0, &err), MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_dyn_pool_add_set(pool, "\x0a\x7f", 2, &err), MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_dyn_pool_add_set(pool, "", 0, &err), MESH_OK);
    mesh_dyn_pool_destroy(pool);
}

/* A file is named in its own error: field "x" of a type that nobody defines. */
static void a_broken_file_is_named(void **state)
{
    (void)state;
    static const char file[] = "\x0a\x07"
                               "x.proto"
                               "\x22\x10"
                               "\x0a\x01"
                               "M"
                               "\x12\x0b"
                               "\x0a\x01"
                               "x"
                               "\x18\x01"
                               "\x32\x04"
                               ".No.";
    mesh_dyn_pool *pool;
    mesh_error err;
    assert_int_equal(mesh_dyn_pool_create(&pool, &err), MESH_OK);
    assert_int_equal(mesh_dyn_pool_add(pool, file, sizeof file - 1, &err), MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "x.proto: "));
    mesh_dyn_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_with_its_imports_defines_everything),
        cmocka_unit_test(missing_imports_are_named),
        cmocka_unit_test(files_may_come_in_any_order_and_again),
        cmocka_unit_test(services_and_methods_are_listed_with_their_kinds),
        cmocka_unit_test(symbols_are_walked_without_map_entries),
        cmocka_unit_test(bytes_that_are_no_descriptor_are_refused),
        cmocka_unit_test(a_broken_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
