#include "mesh/meshctl/args.h"

#include "tests/mesh/base/test.h"

static mesh_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

static bool parse(ctl_args *args, char *message, const char *const *argv)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    return ctl_args_parse(argc, (char *const *)argv, arena, args, message);
}

#define PARSE(args, message, ...) parse(args, message, (const char *const[]){__VA_ARGS__, NULL})

static void options_and_words_stand_in_any_order(void **state)
{
    (void)state;
    ctl_args args;
    char message[CTL_MESSAGE_BYTES] = "";
    assert_true(PARSE(&args, message, "call", "--deadline", "2s", "shop", "-H", "a: b", "-Hc: d",
                      "Buy", "--max-time=250ms", "-v", "--header", "e: f", "{}", "-", "--json",
                      "--compress", "--emit-defaults", "--proto-names", "--compact", "--",
                      "--not-an-option"));
    assert_int_equal(args.command, CTL_CALL);
    assert_int_equal(args.word_count, 5);
    assert_string_equal(args.words[0], "shop");
    assert_string_equal(args.words[1], "Buy");
    assert_string_equal(args.words[2], "{}");
    assert_string_equal(args.words[3], "-");
    assert_string_equal(args.words[4], "--not-an-option");
    assert_int_equal(args.deadline_ms, 2000);
    assert_int_equal(args.max_time_ms, 250);
    assert_int_equal(args.header_count, 3);
    assert_string_equal(args.headers[1], "c: d");
    assert_true(args.verbose && args.json && args.compress && args.emit_defaults &&
                args.proto_names && args.compact);
    assert_false(args.tls);
}

static void a_file_for_tls_implies_tls(void **state)
{
    (void)state;
    ctl_args args;
    char message[CTL_MESSAGE_BYTES];
    assert_true(PARSE(&args, message, "list", "--ca", "ca.pem", "x:1"));
    assert_true(args.tls);
    assert_string_equal(args.ca_file, "ca.pem");
    assert_true(PARSE(&args, message, "list", "--cert", "c", "--key", "k", "--servername=n"));
    assert_true(args.tls);
    assert_string_equal(args.server_name, "n");
}

static void help_is_found_in_all_forms(void **state)
{
    (void)state;
    ctl_args args;
    char message[CTL_MESSAGE_BYTES];
    assert_true(ctl_args_parse(0, NULL, arena, &args, message));
    assert_int_equal(args.command, CTL_HELP);
    assert_true(PARSE(&args, message, "--help"));
    assert_int_equal(args.command, CTL_HELP);
    assert_true(PARSE(&args, message, "list", "-h"));
    assert_true(args.help);
    assert_true(PARSE(&args, message, "--version"));
    assert_int_equal(args.command, CTL_VERSION);
}

static void an_option_is_for_some_verbs(void **state)
{
    (void)state;
    ctl_args args;
    char message[CTL_MESSAGE_BYTES] = "";
    assert_true(PARSE(&args, message, "dlq", "--force", "replay", "order", "3"));
    assert_string_equal(ctl_verb(&args), "replay");
    assert_true(PARSE(&args, message, "dlq", "drop", "order", "3", "--force"));
    assert_true(PARSE(&args, message, "saga", "--reason", "so", "retry", "a", "b", "c"));
    assert_true(PARSE(&args, message, "consumers", "order"));
    assert_null(ctl_verb(&args));
}

static void words_to_complete_are_left_alone(void **state)
{
    (void)state;
    ctl_args args;
    char message[CTL_MESSAGE_BYTES];
    assert_true(PARSE(&args, message, "complete", "--", "call", "--dea"));
    assert_int_equal(args.word_count, 3);
    assert_string_equal(args.words[2], "--dea");
}

static void mistakes_say_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *argv[5], *message;
    } cases[] = {
        {{"calls"}, "no command calls; did you mean call?"},
        {{"xyzzy"}, "no command xyzzy"},
        {{"--json", "call"}, "--json: the command comes first, options follow it"},
        {{"call", "--deadlin", "2s"}, "no option --deadlin for call; did you mean --deadline?"},
        {{"list", "--template"}, "no option --template for list"},
        {{"call", "-x"}, "no option -x for call"},
        {{"sign-in", "--stuff"}, "no option --stuff for sign-in; did you mean --staff?"},
        {{"sign-in", "-H", "a: b"}, "no option -H for sign-in"},
        {{"call", "--deadline"}, "--deadline needs a value: --deadline DURATION"},
        {{"call", "--deadline", "soon"}, "--deadline soon: a duration looks like"},
        {{"call", "--deadline", "0s"}, "--deadline 0s: a duration looks like"},
        {{"call", "--json=yes"}, "--json takes no value"},
        {{"call", "--cert", "c"}, "--cert and --key belong together"},
        {{"events", "publish", "--count", "1"}, "no option --count for events publish; it is one"},
        {{"dlq", "--force", "list"}, "no option --force for dlq list; it is one of replay, drop"},
        {{"saga", "show", "--as=done"}, "no option --as for saga show; it is one of resolve"},
        {{"help", "evnts"}, "no command evnts; did you mean events?"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ctl_args args;
        char message[CTL_MESSAGE_BYTES] = "";
        assert_false(parse(&args, message, cases[i].argv));
        if (strncmp(message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s", message);
    }
}

static void every_option_has_its_help(void **state)
{
    (void)state;
    size_t count;
    const ctl_option *options = ctl_options(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(options[i].commands != 0);
        assert_true(strlen(options[i].help) > 10);
    }
    for (unsigned bit = 1; bit <= CTL_VERSION; bit <<= 1)
        assert_int_equal(ctl_command_find(ctl_command_name((ctl_command)bit)), bit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_stand_in_any_order),
        cmocka_unit_test(a_file_for_tls_implies_tls),
        cmocka_unit_test(help_is_found_in_all_forms),
        cmocka_unit_test(an_option_is_for_some_verbs),
        cmocka_unit_test(words_to_complete_are_left_alone),
        cmocka_unit_test(mistakes_say_what_would_be_right),
        cmocka_unit_test(every_option_has_its_help),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
