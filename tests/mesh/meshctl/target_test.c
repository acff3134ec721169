#include "mesh/meshctl/target.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/mesh/base/test.h"

static ctl run;

static int setup(void **state)
{
    (void)state;
    run.arena = mesh_arena_create(4096, 0);
    return run.arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    mesh_arena_destroy(run.arena);
    return 0;
}

static const char file[] = "product 127.0.0.1:40101 127.0.0.1:40102\n"
                           "\n"
                           "# a comment\n"
                           "order 127.0.0.1:40103 127.0.0.1:40104\r\n"
                           "order 127.0.0.1:40105 127.0.0.1:40106\n"
                           "chat  unix:/tmp/chat\n"
                           "chat host:1 host:2";

static void the_file_of_the_mesh_is_read(void **state)
{
    (void)state;
    ctl_services services;
    ctl_failure failure;
    assert_int_equal(ctl_services_parse(file, "f", run.arena, &services, &failure), MESH_OK);
    assert_int_equal(services.count, 5);
    assert_string_equal(services.instances[1].name, "order");
    assert_string_equal(services.instances[1].address, "127.0.0.1:40103");
    assert_string_equal(services.instances[1].metrics, "127.0.0.1:40104");
    assert_string_equal(services.instances[3].metrics, "");
    assert_int_equal(ctl_services_parse("", "f", run.arena, &services, &failure), MESH_OK);
    assert_int_equal(services.count, 0);
    assert_int_equal(ctl_services_parse("a b\nc\n", "f", run.arena, &services, &failure),
                     MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(failure.err.message, "f:2: "));
}

static void a_name_becomes_the_addresses_of_its_instances(void **state)
{
    (void)state;
    static const struct {
        const char *name, *address;
    } cases[] = {
        {"product", "127.0.0.1:40101"},
        {"order", "ipv4:127.0.0.1:40103,127.0.0.1:40105"},
        {"chat", "unix:/tmp/chat"},
    };
    ctl_services services;
    ctl_target target;
    ctl_failure failure;
    assert_int_equal(ctl_services_parse(file, "f", run.arena, &services, &failure), MESH_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(ctl_target_find(&services, cases[i].name, run.arena, &target, &failure),
                         MESH_OK);
        assert_string_equal(target.address, cases[i].address);
        assert_true(target.named);
    }
    assert_int_equal(ctl_target_find(&services, "prodct", run.arena, &target, &failure),
                     MESH_NOT_FOUND);
    assert_string_equal(failure.err.message,
                        "no service prodct in the running mesh; did you mean product?");
}

static void addresses_are_taken_as_they_are(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1:1", "[::1]:1", "unix:/a/b",
                                            "dns:///a:1",  "host:1",  "xds:///order"};
    for (size_t i = 0; i < COUNT(addresses); i++) {
        ctl_target target;
        ctl_failure failure;
        assert_true(ctl_target_is_address(addresses[i]));
        assert_int_equal(ctl_target_resolve(&run, addresses[i], &target, &failure), MESH_OK);
        assert_string_equal(target.address, addresses[i]);
        assert_false(target.named);
    }
    assert_false(ctl_target_is_address("order"));
}

static void the_file_is_found_above_or_where_the_environment_says(void **state)
{
    (void)state;
    const char *root = mesh_arena_printf(run.arena, "%s/target_test", getenv("TEST_TMPDIR"));
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(mkdir(root, 0700), 0);
    assert_int_equal(chdir(root), 0);
    unsetenv("MESH_DATA");

    ctl_target target;
    ctl_failure failure;
    assert_int_equal(ctl_target_resolve(&run, "product", &target, &failure), MESH_NOT_FOUND);
    assert_non_null(strstr(failure.hint, "scripts/up"));

    assert_int_equal(mkdir(".mesh", 0700), 0);
    assert_int_equal(mkdir("a", 0700), 0);
    FILE *out = fopen(".mesh/services", "w");
    assert_non_null(out);
    fputs(file, out);
    fclose(out);
    assert_int_equal(chdir("a"), 0);
    assert_int_equal(ctl_target_resolve(&run, "product", &target, &failure), MESH_OK);
    assert_string_equal(target.address, "127.0.0.1:40101");

    setenv("MESH_DATA", "/nowhere", 1);
    assert_int_equal(ctl_target_resolve(&run, "product", &target, &failure), MESH_NOT_FOUND);
    assert_non_null(strstr(failure.err.message, "/nowhere/services"));
    setenv("MESH_DATA", mesh_arena_printf(run.arena, "%s/.mesh", root), 1);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(ctl_target_resolve(&run, "product", &target, &failure), MESH_OK);
    assert_int_equal(chdir(before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_of_the_mesh_is_read),
        cmocka_unit_test(a_name_becomes_the_addresses_of_its_instances),
        cmocka_unit_test(addresses_are_taken_as_they_are),
        cmocka_unit_test(the_file_is_found_above_or_where_the_environment_says),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
