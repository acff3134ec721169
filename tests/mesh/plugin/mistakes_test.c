/*
 * What the plugin says about mistakes in a contract: file, line and column, all of them at once.
 * Each case runs protoc with the plugin.
 */
#include "tests/mesh/base/test.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first five lines of each x.proto; the case begins on the sixth. */
#define START                                    \
    "syntax = \"proto3\";\n"                     \
    "package a;\n"                               \
    "import \"mesh/v1/options.proto\";\n"        \
    "import \"google/api/annotations.proto\";\n" \
    "message M { string id = 1; int64 n = 2; repeated string many = 3; optional string o = 4; }\n"

#define METHOD(options) "service S {\n  rpc Get(M) returns (M) {\n    " options "\n  }\n}\n"
#define POLICY(options) METHOD("option (mesh.v1.method) = { " options " };")
#define HTTP(rule) METHOD("option (google.api.http) = { " rule " };")
#define EVENT(options)                                           \
    "message E {\n  option (mesh.v1.event) = { " options " };\n" \
    "  string id = 1; int64 n = 2; repeated string many = 3; bytes b = 4;\n}\n"
#define ENUM(name, option, values)                                                                 \
    "enum " name " {\n  option (mesh.v1." option ") = true;\n  " name "_UNSPECIFIED = 0;\n" values \
    "}\n"
#define PERMISSIONS(values) ENUM("P", "permissions", values)
#define ROLES(value) ENUM("Q", "roles", "  " value " = 1;\n")
#define PROTO2 "syntax = \"proto2\";\npackage a;\n\n\n\n"

typedef struct mistake {
    const char *source;
    const char *said;
} mistake;

static const mistake policies[] = {
    {START POLICY("public: true authenticated: true"),
     "x.proto:8:5: a.S.Get: `public` and `authenticated` contradict each other: a method has one "
     "policy\n"},
    {START POLICY("roles: \"cook\" services: \"s\" permission: \"p\"") ROLES("COOK"),
     "x.proto:8:5: a.S.Get: `roles` and `permission` contradict each other: a method has one "
     "policy\n"
     "x.proto:8:5: a.S.Get: `roles` and `services` contradict each other: a method has one "
     "policy\n"},
    {START POLICY("public: true sensitive: true"),
     "x.proto:8:5: a.S.Get: `sensitive` needs `permission`\n"},
    {START POLICY("roles: [\"cook\", \"\"]") ROLES("COOK"),
     "x.proto:8:5: a.S.Get: `roles` has an empty name\n"},
    {START POLICY("services: [\"a\", \"b\", \"a\"]"),
     "x.proto:8:5: a.S.Get: `services` names \"a\" twice\n"},
    {START POLICY("deadline {}"), "x.proto:8:5: a.S.Get: `deadline` must be more than zero\n"},
    {START POLICY("deadline { seconds: -1 }"),
     "x.proto:8:5: a.S.Get: `deadline` must be more than zero\n"},
    {START POLICY("deadline { seconds: 1 nanos: -1 }"),
     "x.proto:8:5: a.S.Get: `deadline` is no duration: nanos have the sign of seconds and are less "
     "than a second\n"},
    {START POLICY("deadline { nanos: 1000000000 }"),
     "x.proto:8:5: a.S.Get: `deadline` is no duration: nanos have the sign of seconds and are less "
     "than a second\n"},
    {START POLICY("deadline { seconds: 9223372036854775807 }"),
     "x.proto:8:5: a.S.Get: `deadline` is no duration: nanos have the sign of seconds and are less "
     "than a second\n"},
    /* Written apart, the parts are one option all the same. */
    {START METHOD(
         "option (mesh.v1.method).public = true; option (mesh.v1.method).sensitive = true;"),
     "x.proto:8:5: a.S.Get: `sensitive` needs `permission`\n"},
    {START POLICY("open: true"),
     "x.proto:8:31: Error while parsing option value for \"method\": Message type "
     "\"mesh.v1.MethodOptions\" has no field named \"open\".\n"},
};

static const mistake rules[] = {
    {START HTTP("body: \"*\""), "x.proto:8:5: a.S.Get: an HTTP rule needs a verb and a path\n"},
    {START HTTP("get: \"things\""),
     "x.proto:8:5: a.S.Get: the HTTP path \"things\" does not begin with \"/\"\n"},
    {START HTTP("get: \"/things/{name}\""),
     "x.proto:8:5: a.S.Get: the HTTP path \"/things/{name}\" names the field \"name\" that a.M "
     "does "
     "not have\n"},
    {START HTTP("get: \"/things/{id.part}\""),
     "x.proto:8:5: a.S.Get: the HTTP path \"/things/{id.part}\" names the field \"id.part\" that "
     "a.M "
     "does not have\n"},
    {START HTTP("get: \"/things/{id\""),
     "x.proto:8:5: a.S.Get: the HTTP path \"/things/{id\" has an unpaired or empty brace\n"},
    {START HTTP("get: \"/things/{}\""),
     "x.proto:8:5: a.S.Get: the HTTP path \"/things/{}\" has an unpaired or empty brace\n"},
    {START HTTP("post: \"/things\" body: \"thing\" response_body: \"other\""),
     "x.proto:8:5: a.S.Get: `body` names the field \"thing\" that a.M does not have\n"
     "x.proto:8:5: a.S.Get: `response_body` names the field \"other\" that a.M does not have\n"},
    {START HTTP(
         "get: \"/a\" additional_bindings { get: \"/b\" additional_bindings { get: \"/c\" } }"),
     "x.proto:8:5: a.S.Get: an additional HTTP binding has additional bindings of its own\n"},
};

static const mistake events[] = {
    {START EVENT("aggregate: \"id\""),
     "x.proto:7:3: a.E: `subject` is \"\"; it has to be words of letters, digits, \"_\" and \"-\" "
     "with dots between\n"},
    {START EVENT("subject: \"a.*\" aggregate: \"id\""),
     "x.proto:7:3: a.E: `subject` is \"a.*\"; it has to be words of letters, digits, \"_\" and "
     "\"-\" with dots between\n"},
    {START EVENT("subject: \"a..E\" aggregate: \"id\""),
     "x.proto:7:3: a.E: `subject` is \"a..E\"; it has to be words of letters, digits, \"_\" and "
     "\"-\" with dots between\n"},
    {START EVENT("subject: \"a.E\""), "x.proto:7:3: a.E: `aggregate` is missing\n"},
    {START EVENT("subject: \"a.E\" aggregate: \"name\" version: \"v\""),
     "x.proto:7:3: a.E: `aggregate` names the field \"name\", which does not exist\n"
     "x.proto:7:3: a.E: `version` names the field \"v\", which does not exist\n"},
    {START EVENT("subject: \"a.E\" aggregate: \"b\" version: \"id\""),
     "x.proto:7:3: a.E: `aggregate` names the field \"b\", which is not a plain string\n"
     "x.proto:7:3: a.E: `version` names the field \"id\", which is not a plain int64\n"},
    {START EVENT("subject: \"a.E\" aggregate: \"many\""),
     "x.proto:7:3: a.E: `aggregate` names the field \"many\", which is not a plain string\n"},
    {"syntax = \"proto3\";\nimport \"mesh/v1/options.proto\";\n\n\n\n" EVENT(
         "subject: \"E\" aggregate: \"id\""),
     "x.proto:7:3: E: `aggregate_type` is missing, and there is no package to take it from\n"},
    {START EVENT("subject: \"a.E\" aggregate: \"id\" upcasts: \"a.Later\""),
     "x.proto:7:3: a.E: `upcasts` is \"a.Later\", which is no message of an import, nor one before "
     "this one\n"},
    {START EVENT("subject: \"a.E\" aggregate: \"id\" upcasts: \"a.E\""),
     "x.proto:7:3: a.E: `upcasts` is \"a.E\", which is no message of an import, nor one before "
     "this "
     "one\n"},
    {START EVENT("subject: \"a.E\" aggregate: \"id\" upcasts: \"a.M\""),
     "x.proto:7:3: a.E: `upcasts` is \"a.M\", which is no event\n"},
    {START "message O {\n  option (mesh.v1.event) = { subject: \"a.O\" aggregate: \"id\" "
           "aggregate_type: \"o\" };\n  string id = 1;\n}\n" EVENT(
               "subject: \"a.E\" aggregate: \"id\" upcasts: \"a.O\""),
     "x.proto:11:3: a.E: `upcasts` is \"a.O\", whose `aggregate_type` is \"o\", and not \"a\"\n"},
    {START "enum R {\n  option (mesh.v1.error_reasons) = true;\n  R_NONE = 0;\n  tooHot = 1;\n"
           "  TOO_COLD_ = 2;\n}\n",
     "x.proto:9:3: a.R: the reason \"tooHot\" is not UPPER_SNAKE_CASE of at most 63 characters\n"
     "x.proto:10:3: a.R: the reason \"TOO_COLD_\" is not UPPER_SNAKE_CASE of at most 63 "
     "characters\n"},
    {"syntax = \"proto3\";\nimport \"mesh/v1/options.proto\";\nenum R {\n"
     "  option (mesh.v1.error_reasons) = true;\n  R_NONE = 0;\n}\n",
     "x.proto:4:3: R: reasons need a package: it is the domain of the error\n"},
};

/* S0.5 */
static const mistake listings[] = {
    {START POLICY("permission: \"dish.coko\"") PERMISSIONS("  DISH_EAT = 1;\n  DISH_COOK = 2;\n"),
     "x.proto:8:5: a.S.Get: \"dish.coko\" is no permission; the nearest one is \"dish.cook\" of "
     "a.P\n"},
    {START POLICY("permission: \"p.unspecified\"") PERMISSIONS("  DISH_COOK_ANY = 1;\n"),
     "x.proto:8:5: a.S.Get: \"p.unspecified\" is no permission; the nearest one is "
     "\"dish.cook_any\" of a.P\n"},
    {START POLICY("permission: \"dish.cook\""),
     "x.proto:8:5: a.S.Get: \"dish.cook\" is no permission: neither the file nor its imports have "
     "an enum with the option (mesh.v1.permissions); import the one that lists it\n"},
    {START POLICY("roles: [\"cook\", \"cooks\", \"COOK\"]") ROLES("COOK"),
     "x.proto:8:5: a.S.Get: \"cooks\" is no role; the nearest one is \"cook\" of a.Q\n"
     "x.proto:8:5: a.S.Get: \"COOK\" is no role; the nearest one is \"cook\" of a.Q\n"},
    {START POLICY("roles: \"dish.cook\"") PERMISSIONS("  DISH_COOK = 1;\n"),
     "x.proto:8:5: a.S.Get: \"dish.cook\" is no role: neither the file nor its imports have an "
     "enum with the option (mesh.v1.roles); import the one that lists it\n"},
    {START PERMISSIONS("  COOK = 1;\n  DISH__EAT = 2;\n  Dish_Cook = 3;\n"),
     "x.proto:9:3: a.P: the permission \"COOK\" is not AREA_ACTION\n"
     "x.proto:10:3: a.P: the permission \"DISH__EAT\" is not AREA_ACTION\n"
     "x.proto:11:3: a.P: the permission \"Dish_Cook\" is not UPPER_SNAKE_CASE of at most 63 "
     "characters\n"},
    {START "enum Q {\n  option (mesh.v1.roles) = true;\n  COOK = 0;\n}\n",
     "x.proto:8:3: a.Q: \"COOK\" is 0, which is no role: call that ..._UNSPECIFIED\n"},
    {START PERMISSIONS("  option allow_alias = true;\n  DISH_COOK = 1;\n  DISH_BAKE = 1;\n"),
     "x.proto:11:3: a.P: \"DISH_COOK\" and \"DISH_BAKE\" are the same number, but two "
     "permissions\n"},
    {START "message N {\n" ROLES("COOK") "}\n" ROLES("COOK"),
     "x.proto:16:3: a.Q: the role \"cook\" of \"COOK\" is there already, in a.N.Q\n"},
    {START "enum R {\n  option (mesh.v1.error_reasons) = true;\n"
           "  option (mesh.v1.permissions) = true;\n  R_UNSPECIFIED = 0;\n}\n",
     "x.proto:8:3: a.R: `error_reasons` and `permissions` contradict each other: an enum has one "
     "of them\n"},
    {START PERMISSIONS("  DISH_COOK = 1;\n  DISH_COOK__NAME = 2;\n"),
     "x.proto:6:1: enum \"a.P\" and enum \"a.P\" both need the name `A__P__DISH_COOK__NAME` in "
     "C\n"},
};

static const mistake names[] = {
    {START "service S {\n  rpc GetIt(M) returns (M);\n  rpc getIt(M) returns (M);\n}\n",
     "x.proto:8:3: method \"a.S.GetIt\" and method \"a.S.getIt\" both need the name `A__S__GET_IT` "
     "in C\n"},
    {START "message N { message Inner {} }\nmessage N_Inner {}\n",
     "x.proto:7:1: message \"a.N.Inner\" and message \"a.N_Inner\" both need the name "
     "`A__N__INNER__INIT` in C\n"},
    {START "message FooBar {}\nmessage foo_bar {}\n",
     "x.proto:7:1: message \"a.FooBar\" and message \"a.foo_bar\" both need the name "
     "`A__FOO_BAR__INIT` in C\n"},
    {START "service S {\n  rpc Methods(M) returns (M);\n}\n",
     "x.proto:7:3: service \"a.S\" and method \"a.S.Methods\" both need the name `a__s__methods` "
     "in "
     "C\n"},
    {START "service S {\n  rpc Get(M) returns (M);\n  rpc Get__async(M) returns (M);\n}\n",
     "x.proto:8:3: method \"a.S.Get\" and method \"a.S.Get__async\" both need the name "
     "`a__s__get__async` in C\n"},
    {START "service S {\n  rpc Get(M) returns (M);\n  rpc Get__inline(M) returns (M);\n}\n",
     "x.proto:8:3: a.S: methods \"Get\" and \"Get__inline\" both need the slot `get__inline` in "
     "C\n"},
    {START "message N {\n  string base = 1;\n  repeated int32 r = 2;\n  int32 n_r = 3;\n}\n",
     "x.proto:7:3: a.N: the struct's own member \"base\" and field \"base\" both become the member "
     "`base` in C\n"
     "x.proto:9:3: a.N: field \"r\" and field \"n_r\" both become the member `n_r` in C\n"},
    {START "message N {\n  oneof fooBar { int32 a = 1; }\n  optional int32 foo_bar = 2;\n}\n",
     "x.proto:8:3: oneof \"a.N.fooBar\" and field \"a.N.foo_bar\" both need the name "
     "`A__N__FooBarCase` in C\n"},
};

static const mistake features[] = {
    {PROTO2 "message N {\n  optional group Part = 1 { optional int32 a = 1; }\n}\n",
     "x.proto:7:3: the group \"Part\" is not supported: use a message\n"},
    {PROTO2
     "message N {\n  extensions 100 to 199;\n}\nextend N {\n  optional int32 more = 100;\n}\n",
     "x.proto:10:3: the extension \"more\" is not supported: protobuf-c has no extensions of "
     "messages\n"},
    {PROTO2 "message N {\n  option message_set_wire_format = true;\n  extensions 4 to max;\n}\n",
     "x.proto:7:3: a.N: message_set_wire_format is not supported\n"},
};

static char folder[256];

static void write_file(const char *name, const char *content)
{
    char path[320];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/*
 * Runs protoc on all files and gives its exit status; `said` gets what it wrote, without its
 * warnings.
 */
static int run_protoc(const char *options, char *said, size_t size)
{
    char command[1024], line[1024];
    static const char prefix[] = "--mesh_out: ";
    snprintf(command, sizeof command,
             "protoc --plugin=protoc-gen-mesh=mesh/plugin/protoc-gen-mesh --mesh_out=%s%s "
             "-I%s -Iproto %s/*.proto 2>&1",
             options, folder, folder, folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    said[0] = '\0';
    while (fgets(line, sizeof line, pipe) != NULL) {
        const char *start = line;
        if (strncmp(line, prefix, sizeof prefix - 1) == 0)
            start += sizeof prefix - 1;
        if (strstr(line, ": warning: ") == NULL)
            strncat(said, start, size - strlen(said) - 1);
    }
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check(const mistake *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char said[4096];
        write_file("x.proto", cases[i].source);
        assert_int_equal(run_protoc("", said, sizeof said), 1);
        assert_string_equal(said, cases[i].said);
    }
}

static void contradictory_policies_are_refused(void **state)
{
    (void)state;
    check(policies, COUNT(policies));
}

static void http_rules_that_cannot_work_are_refused(void **state)
{
    (void)state;
    check(rules, COUNT(rules));
}

static void events_and_reasons_that_cannot_work_are_refused(void **state)
{
    (void)state;
    check(events, COUNT(events));
}

static void unknown_permissions_and_roles_are_refused(void **state)
{
    (void)state;
    check(listings, COUNT(listings));
}

/* S0.5 */
static void permissions_are_those_of_the_imports(void **state)
{
    static const char listing[] =
        "syntax = \"proto3\";\npackage b;\n"
        "import \"mesh/v1/options.proto\";\n" PERMISSIONS("  DISH_COOK = 1;\n");
    char said[4096], path[320];
    (void)state;
    write_file("y.proto", listing);
    write_file("x.proto", START POLICY("permission: \"dish.cook\""));
    assert_int_equal(run_protoc("", said, sizeof said), 1);
    assert_string_equal(said,
                        "x.proto:8:5: a.S.Get: the permission \"dish.cook\" is of b.P: import "
                        "\"y.proto\"\n");

    /* Also of those that the imports import. */
    write_file("z.proto", "syntax = \"proto3\";\nimport \"y.proto\";\n");
    write_file("x.proto", START "import \"z.proto\";\n" POLICY("permission: \"dish.cook\""));
    assert_int_equal(run_protoc("", said, sizeof said), 0);
    assert_string_equal(said, "");
    for (char name = 'y'; name <= 'z'; name++) {
        snprintf(path, sizeof path, "%s/%c.proto", folder, name);
        assert_int_equal(unlink(path), 0);
    }
}

static void names_that_meet_in_c_are_refused(void **state)
{
    (void)state;
    check(names, COUNT(names));
}

static void features_that_c_cannot_carry_are_refused(void **state)
{
    (void)state;
    check(features, COUNT(features));
}

static void unknown_parameters_are_refused(void **state)
{
    char said[4096];
    (void)state;
    write_file("x.proto", START);
    assert_int_equal(run_protoc("speed=high,protoc_gen_c=,:", said, sizeof said), 1);
    assert_string_equal(said, "unknown parameter \"speed=high\"; known is protoc_gen_c=PATH\n"
                              "unknown parameter \"protoc_gen_c=\"; known is protoc_gen_c=PATH\n");
}

static void a_missing_protoc_gen_c_is_named(void **state)
{
    char said[4096];
    (void)state;
    write_file("x.proto", START);
    assert_int_equal(run_protoc("protoc_gen_c=/nowhere/gen:", said, sizeof said), 1);
    assert_non_null(strstr(said, "/nowhere/gen cannot be started: No such file or directory"));
    assert_int_equal(run_protoc("protoc_gen_c=false:", said, sizeof said), 1);
    assert_non_null(strstr(said, "false failed with status 1"));
    assert_int_equal(run_protoc("protoc_gen_c=/bin/echo:", said, sizeof said), 1);
    assert_non_null(strstr(said, "/bin/echo answered something that is no CodeGeneratorResponse"));
}

/* A contract that was written against later options: what they mean is not known here. */
static void options_of_the_future_are_refused(void **state)
{
    static const char *const later[][2] = {
        {"message E {\n  option (mesh.v1.event).later = 1;\n}\n",
         "x.proto:7:3: a.E: (mesh.v1.event) has a field 99 that this plugin does not know\n"
         "x.proto:7:3: a.E: `subject` is \"\"; it has to be words of letters, digits, \"_\" and "
         "\"-\" with dots between\n"
         "x.proto:7:3: a.E: `aggregate` is missing\n"},
        {METHOD("option (mesh.v1.method).later = 1;"),
         "x.proto:8:5: a.S.Get: (mesh.v1.method) has a field 99 that this plugin does not know\n"},
    };
    char said[4096], source[2048], path[320];
    (void)state;
    snprintf(path, sizeof path, "%s/mesh", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/mesh/v1", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("mesh/v1/options.proto",
               "syntax = \"proto3\";\npackage mesh.v1;\n"
               "import \"google/protobuf/descriptor.proto\";\n"
               "message Later { int32 later = 99; }\n"
               "extend google.protobuf.MethodOptions { Later method = 50100; }\n"
               "extend google.protobuf.MessageOptions { Later event = 50101; }\n");
    for (size_t i = 0; i < COUNT(later); i++) {
        snprintf(source, sizeof source, START "%s", later[i][0]);
        write_file("x.proto", source);
        assert_int_equal(run_protoc("", said, sizeof said), 1);
        assert_string_equal(said, later[i][1]);
    }
}

/* By hand, without protoc. */
static void the_program_explains_itself(void **state)
{
    static const struct {
        const char *arguments;
        int status;
        const char *said;
    } cases[] = {
        {"--version", 0, "protoc-gen-mesh 0.1.0\n"},
        {"--help", 0, "protoc --plugin=protoc-gen-mesh=PATH --mesh_out="},
        {"x.proto", 2, "unknown argument \"x.proto\""},
        {"</bin/sh", 1, "the input is no google.protobuf.compiler.CodeGeneratorRequest"},
        {"</dev/null", 0, ""},
        {"<proto", 1, "the request cannot be read: Is a directory"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char command[256], said[4096] = "";
        snprintf(command, sizeof command, "mesh/plugin/protoc-gen-mesh %s 2>&1",
                 cases[i].arguments);
        FILE *pipe = popen(command, "r");
        assert_non_null(pipe);
        said[fread(said, 1, sizeof said - 1, pipe)] = '\0';
        int status = pclose(pipe);
        assert_int_equal(WEXITSTATUS(status), cases[i].status);
        assert_non_null(strstr(said, cases[i].said));
    }
}

static void a_right_contract_is_generated(void **state)
{
    static const char *const suffixes[] = {"pb-c.h", "pb-c.c", "mesh.h", "mesh.c"};
    char said[4096], path[320];
    (void)state;
    write_file("x.proto", START POLICY("permission: \"dish.cook\" sensitive: true")
                              PERMISSIONS("  DISH_COOK = 1;\n"));
    assert_int_equal(run_protoc("protoc_gen_c=protoc-gen-c:", said, sizeof said), 0);
    assert_string_equal(said, "");
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        snprintf(path, sizeof path, "%s/x.%s", folder, suffixes[i]);
        assert_int_equal(access(path, R_OK), 0);
    }
}

static int set_up(void **state)
{
    const char *scratch = getenv("TEST_TMPDIR");
    (void)state;
    snprintf(folder, sizeof folder, "%s/mistakesXXXXXX", scratch != NULL ? scratch : "/tmp");
    return mkdtemp(folder) == NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contradictory_policies_are_refused),
        cmocka_unit_test(http_rules_that_cannot_work_are_refused),
        cmocka_unit_test(events_and_reasons_that_cannot_work_are_refused),
        cmocka_unit_test(unknown_permissions_and_roles_are_refused),
        cmocka_unit_test(permissions_are_those_of_the_imports),
        cmocka_unit_test(names_that_meet_in_c_are_refused),
        cmocka_unit_test(features_that_c_cannot_carry_are_refused),
        cmocka_unit_test(unknown_parameters_are_refused),
        cmocka_unit_test(a_missing_protoc_gen_c_is_named),
        cmocka_unit_test(the_program_explains_itself),
        cmocka_unit_test(a_right_contract_is_generated),
        cmocka_unit_test(options_of_the_future_are_refused), /* the last: it shadows the options */
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
