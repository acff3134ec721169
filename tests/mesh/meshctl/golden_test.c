/*
 * What meshctl prints, word for word: golden/NAME.txt holds the command line, the exit code and
 * both outputs of each case. After a change that is meant:
 *
 *   bazel run //tests/mesh/meshctl:golden_test -- --update
 */
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/shop.h"

static bool update;

typedef struct golden_case {
    const char *name;
    const char *argv[8]; /* "ADDRESS" stands for the server's */
} golden_case;

static const golden_case cases[] = {
    {"help", {"--help"}},
    {"help_list", {"list", "--help"}},
    {"help_describe", {"describe", "--help"}},
    {"help_call", {"call", "--help"}},
    {"help_status", {"help", "status"}},
    {"help_sign_in", {"sign-in", "--help"}},
    {"help_sign_out", {"sign-out", "--help"}},
    {"help_whoami", {"whoami", "--help"}},
    {"help_authz", {"authz", "--help"}},
    {"help_events", {"events", "--help"}},
    {"help_events_publish", {"events", "publish", "--help"}},
    {"help_consumers", {"consumers", "--help"}},
    {"help_dlq", {"dlq", "--help"}},
    {"help_outbox", {"outbox", "--help"}},
    {"help_saga", {"saga", "--help"}},
    {"help_completion", {"completion", "--help"}},
    {"completion_bash", {"completion", "bash"}},
    {"list", {"list", "ADDRESS"}},
    {"list_methods", {"list", "ADDRESS", "ShopService"}},
    {"list_json", {"list", "ADDRESS", "StockService", "--json"}},
    {"describe", {"describe", "ADDRESS"}},
    {"describe_method", {"describe", "ADDRESS", "Buy"}},
    {"describe_enum", {"describe", "ADDRESS", "Reason"}},
    {"describe_json", {"describe", "ADDRESS", "Total", "--json"}},
    {"error_details", {"call", "ADDRESS", "Buy", "{\"failCode\":5,\"item\":{\"itemId\":\"x\"}}"}},
    {"error_details_json",
     {"call", "ADDRESS", "Buy", "{\"failCode\":5,\"item\":{\"itemId\":\"x\"}}", "--json"}},
    {"error_fields", {"call", "ADDRESS", "Buy", "{\"failCode\":3}"}},
    {"error_fields_json", {"call", "ADDRESS", "Buy", "{\"failCode\":3}", "--json"}},
    {"error_unimplemented", {"call", "ADDRESS", "Later"}},
    {"error_message", {"call", "ADDRESS", "Buy", "{\"item\":{\"quantity\":\"two\"}}"}},
    {"error_message_json",
     {"call", "ADDRESS", "Buy", "{\"item\":{\"quantity\":\"two\"}}", "--json"}},
    {"error_syntax", {"call", "ADDRESS", "Buy", "{\"item\":}"}},
    {"error_method", {"call", "ADDRESS", "ShopService.Bye"}},
    {"error_several", {"call", "ADDRESS", "Count"}},
    {"error_symbol", {"describe", "ADDRESS", "Itme"}},
    {"error_not_a_service", {"list", "ADDRESS", "Item"}},
    {"error_no_mesh", {"call", "shop", "Buy"}},
    {"usage_command", {"cal"}},
    {"usage_sign_up", {"sign-up", "ada"}},
    {"usage_option", {"call", "--deadlin"}},
    {"usage_call", {"call", "ADDRESS"}},
    {"usage_describe", {"describe"}},
    {"usage_sign_in", {"sign-in", "ada", "secret"}},
    {"usage_authz", {"authz", "explain", "ada"}},
    {"usage_events", {"events", "publish", "{}"}},
    {"usage_verb", {"events", "tial"}},
    {"usage_consumers", {"consumers", "pause"}},
    {"usage_dlq", {"dlq", "replay", "order"}},
    {"usage_saga", {"saga", "resolve", "order", "order", "1"}},
    {"usage_saga_step", {"saga", "resolve", "order", "order", "1", "--as=done"}},
    {"usage_completion", {"completion", "tcsh"}},
};

/* Copies text with the server's port replaced, since it is another one each time. */
static void put(FILE *out, const char *text)
{
    const char *at;
    while ((at = strstr(text, open_shop.port)) != NULL) {
        fwrite(text, 1, (size_t)(at - text), out);
        fputs("PORT", out);
        text = at + strlen(open_shop.port);
    }
    fputs(text, out);
}

static char *run_case(const golden_case *one)
{
    static program p;
    const char *argv[COUNT(one->argv) + 2] = {MESHCTL};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fputs("$ meshctl", out);
    for (size_t i = 0; i < COUNT(one->argv) && one->argv[i] != NULL; i++) {
        bool address = strcmp(one->argv[i], "ADDRESS") == 0;
        argv[i + 1] = address ? open_shop.address : one->argv[i];
        fprintf(out, strpbrk(one->argv[i], "{ ") != NULL ? " '%s'" : " %s", one->argv[i]);
    }
    program_run(&p, argv, NULL);
    fprintf(out, "\n# exit %d\n# stdout\n", p.status);
    put(out, p.out);
    fputs("# stderr\n", out);
    put(out, p.err);
    fclose(out);
    return text;
}

static void write_golden(const golden_case *one, const char *text)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/mesh/meshctl/golden/%s.txt",
             getenv("BUILD_WORKSPACE_DIRECTORY"), one->name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void output_is_as_recorded(void **state)
{
    (void)state;
    size_t different = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = run_case(&cases[i]);
        if (update) {
            write_golden(&cases[i], text);
        } else {
            char path[256];
            static char want[PROGRAM_OUTPUT_BYTES];
            snprintf(path, sizeof path, "tests/mesh/meshctl/golden/%s.txt", cases[i].name);
            FILE *in = fopen(path, "r");
            size_t size = in == NULL ? 0 : fread(want, 1, sizeof want - 1, in);
            if (in != NULL)
                fclose(in);
            want[size] = '\0';
            if (strcmp(text, want) != 0) {
                different++;
                print_error("%s differs; now it is:\n%s\n", path, text);
            }
        }
        free(text);
    }
    if (different > 0)
        fail_msg("if that is meant: bazel run //tests/mesh/meshctl:golden_test -- --update");
}

static int setup(void **state)
{
    /* Where no mesh is found, whatever runs on this machine; relative paths stay as they are. */
    setenv("MESH_DATA", "/nowhere", 1);
    return open_shop_setup(state);
}

int main(int argc, char **argv)
{
    update = argc > 1 && strcmp(argv[1], "--update") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_is_as_recorded),
    };
    return cmocka_run_group_tests(tests, setup, open_shop_teardown);
}
