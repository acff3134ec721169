/* The program against a server of ours: what it does. What it prints is in golden_test.c. */
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/shop.h"

/* Runs meshctl and expects its exit code, output and part of what it says on stderr (NULL: none is
 * looked at). */
static void expect(const char *const *argv, const char *input, int status, const char *out,
                   const char *err)
{
    static program p;
    program_run(&p, argv, input);
    if (p.status != status || (out != NULL && strcmp(p.out, out) != 0) ||
        (err != NULL && strstr(p.err, err) == NULL))
        fail_msg("%s %s: exit %d\nout: %s\nerr: %s", argv[1], argv[2], p.status, p.out, p.err);
}

#define EXPECT(input, status, out, err, ...) \
    expect((const char *const[]){MESHCTL, __VA_ARGS__, NULL}, input, status, out, err)

static void calls_of_every_kind_bring_their_answers(void **state)
{
    (void)state;
    EXPECT(NULL, 0, "{\n  \"items\": 3\n}\n", NULL, "call", A, "StockService.Count");
    EXPECT(NULL, 0, "{\"items\":3}\n", NULL, "call", A, "StockService.Count", "{}", "--compact");
    EXPECT(NULL, 0, "{\"quantity\":1}\n{\"quantity\":2}\n", NULL, "call", A, "ShopService.Count",
           "{\"upTo\":2}");
    EXPECT(NULL, 0, "", NULL, "call", A, "ShopService.Count");
    EXPECT("{\"quantity\":2}\n{\"quantity\":3}", 0, "{\n  \"items\": 2,\n  \"quantity\": 5\n}\n",
           NULL, "call", A, "Fill");
    EXPECT(NULL, 0, "{\n  \"items\": 2,\n  \"quantity\": 7\n}\n", NULL, "call", A, "Fill",
           "{\"quantity\":3}{\"quantity\":4}");
    EXPECT("", 0, "{}\n", NULL, "call", A, "Fill");
    EXPECT("{\"quantity\":2} {\"quantity\":3}", 0, "{\"quantity\":4}\n{\"quantity\":6}\n", NULL,
           "call", A, "Double", "-");
}

static void options_choose_the_form_of_answers(void **state)
{
    (void)state;
    EXPECT(NULL, 0, "{\"item_id\":\"\",\"quantity\":1}\n", NULL, "call", A, "ShopService.Count",
           "{\"upTo\":1}", "--proto-names", "--emit-defaults");
}

/* An answer is printed before the next message is sent. */
static void bidi_answers_arrive_while_input_is_open(void **state)
{
    (void)state;
    static program p;
    program_start(&p, (const char *const[]){MESHCTL, "call", A, "Double", NULL});
    program_write(&p, "{\"quantity\":1}\n");
    program_expect(&p, "{\"quantity\":2}\n");
    program_write(&p, "{\"quantity\":5}");
    program_expect(&p, "{\"quantity\":10}\n");
    program_close_input(&p);
    program_wait(&p);
    assert_int_equal(p.status, 0);
}

/* The server ends the call while meshctl waits for input that never comes. */
static void a_call_that_ends_does_not_wait_for_input(void **state)
{
    (void)state;
    static program p;
    program_start(&p, (const char *const[]){MESHCTL, "call", A, "Double", NULL});
    program_write(&p, "{\"quantity\":-1}\n");
    program_expect(&p, "");
    program_wait(&p);
    assert_int_equal(p.status, 64 + 11);
    assert_non_null(strstr(p.err, "OUT_OF_RANGE: less than nothing"));
}

static void control_c_cancels_the_call_at_the_server(void **state)
{
    (void)state;
    static program p;
    program_start(&p, (const char *const[]){MESHCTL, "call", A, "ShopService.Count",
                                            "{\"upTo\":1,\"stay\":true}", NULL});
    program_expect(&p, "{\"quantity\":1}\n");
    assert_int_equal(kill(p.pid, SIGINT), 0);
    program_wait(&p);
    assert_int_equal(p.status, 64 + 1);
    assert_non_null(strstr(p.err, "CANCELLED: interrupted"));
    program_expect(&open_shop.server, "cancelled\n");

    /* Also while it waits for input. */
    program_start(&p, (const char *const[]){MESHCTL, "call", A, "Double", NULL});
    program_write(&p, "{\"quantity\":1}\n");
    program_expect(&p, "{\"quantity\":2}\n");
    assert_int_equal(kill(p.pid, SIGINT), 0);
    program_wait(&p);
    assert_int_equal(p.status, 64 + 1);
}

static void headers_travel_and_answers_show_theirs(void **state)
{
    (void)state;
    static program p;
    program_run(&p,
                (const char *const[]){MESHCTL, "call", A, "Buy", "-H", "Note: hello", "-v", NULL},
                NULL);
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "\"note\": \"hello\""));
    assert_non_null(strstr(p.err, "< shop: open\n"));
    assert_non_null(strstr(p.err, "<< till: 7\n"));
    assert_non_null(strstr(p.err, "* OK in "));
    program_run(&p, (const char *const[]){MESHCTL, "call", A, "Buy", "-H", "note-bin: AP8=", NULL},
                NULL);
    assert_non_null(strstr(p.out, "\"note\": \"2 bytes\""));
}

static void exit_codes_tell_what_happened(void **state)
{
    (void)state;
    static program p;
    for (int code = 1; code <= 16; code++) {
        char message[64];
        snprintf(message, sizeof message, "{\"failCode\":%d}", code);
        EXPECT(NULL, 64 + code, "", NULL, "call", A, "Buy", message);
    }
    EXPECT(NULL, 1, "", "No such field", "call", A, "Buy", "{\"nothing\":1}");
    EXPECT(NULL, 1, "", "/nowhere: No such file", "call", A, "Buy", "@/nowhere");
    EXPECT(NULL, 2, "", "no command nothing", "help", "nothing");
    EXPECT(NULL, 0, NULL, NULL, "help", "--help");
    EXPECT(NULL, 2, "", "no option --no", "call", A, "Buy", "--no");
    EXPECT(NULL, 2, "", "has no colon: write -H 'key: value'", "call", A, "Buy", "-H", "note");
    EXPECT(NULL, 2, "", "has no colon: write -H 'key: value'", "status", "-H", "note");

    /* It waits for the message: there is no call yet that a signal could cancel. For a shell it is
     * the same whether the signal found it before it had a thread for signals, or after. */
    program_start(&p, (const char *const[]){MESHCTL, "call", A, "Buy", "-", NULL});
    assert_int_equal(kill(p.pid, SIGINT), 0);
    program_wait(&p);
    assert_true(p.status == 128 + SIGINT || p.status == 256 + SIGINT);
}

/* How to connect is no advice to who was connected. */
static void what_an_answering_server_says_gets_no_hint_about_the_connection(void **state)
{
    (void)state;
    static program p;
    static shop dying;
    program_run(&p, (const char *const[]){MESHCTL, "call", A, "Buy", "{\"failCode\":14}", NULL},
                NULL);
    assert_int_equal(p.status, 64 + 14);
    assert_non_null(strstr(p.err, "OUT_OF_STOCK"));
    assert_null(strstr(p.err, "does a server listen there?"));
    program_run(&p,
                (const char *const[]){MESHCTL, "call", A, "Buy", "{\"failCode\":14}", "--protoset",
                                      "tests/mesh/meshctl/shop_v1.protoset", NULL},
                NULL);
    assert_int_equal(p.status, 64 + 14);
    assert_null(strstr(p.err, "does a server listen there?"));

    shop_open(&dying, NULL);
    program_start(&p, (const char *const[]){MESHCTL, "call", dying.address, "ShopService.Count",
                                            "{\"upTo\":1,\"stay\":true}", NULL});
    program_expect(&p, "{\"quantity\":1}\n");
    assert_int_equal(kill(dying.server.pid, SIGKILL), 0);
    program_wait(&p);
    program_wait(&dying.server);
    assert_int_equal(p.status, 64 + 14);
    assert_null(strstr(p.err, "--tls"));
}

static void deadlines_are_kept(void **state)
{
    (void)state;
    static program p;
    EXPECT(NULL, 64 + 4, NULL, "DEADLINE_EXCEEDED", "call", A, "ShopService.Count",
           "{\"stay\":true}", "--deadline", "200ms");
    EXPECT(NULL, 64 + 4, NULL, "DEADLINE_EXCEEDED", "call", A, "ShopService.Count",
           "{\"stay\":true}", "--max-time", "300ms");
    /* Also while it waits for input. */
    program_start(&p,
                  (const char *const[]){MESHCTL, "call", A, "Double", "--max-time", "1s", NULL});
    program_wait(&p);
    assert_int_equal(p.status, 64 + 4);
    program_run(&p, (const char *const[]){MESHCTL, "call", A, "Buy", "--deadline", "5s", NULL},
                NULL);
    int64_t patience = 0;
    const char *at = strstr(p.out, "\"patienceMs\": \"");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"patienceMs\": \"%" SCNd64, &patience), 1);
    assert_in_range(patience, 1, 5200);
}

static void compressed_messages_arrive(void **state)
{
    (void)state;
    EXPECT("{\"quantity\":2}", 0, "{\"quantity\":4}\n", NULL, "call", A, "Double", "--compress");
}

static void a_bad_message_in_a_stream_stops_it(void **state)
{
    (void)state;
    EXPECT("{\"quantity\":1}\n{\"quantity\":\"x\"}\n{\"quantity\":3}", 1, NULL,
           "message 2 (meshctl_test.v1.Item): 1:13: quantity: ", "call", A, "Fill");
    EXPECT("{\"quantity\":1}\n{\"quantity\"\n", 1, NULL, "standard input:3:1: expected ':'", "call",
           A, "Fill");
}

static void one_message_is_one_message(void **state)
{
    (void)state;
    EXPECT("{\"failCode\":5}", 0, NULL, "standard input is not read", "call", A, "Buy");
    EXPECT("{\"failCode\":5}", 64 + 5, "", NULL, "call", A, "Buy", "-");
    EXPECT(NULL, 1, "", "Buy takes one message", "call", A, "Buy", "{}", "{}");
}

/* An Any is shown with its type, also when its bytes come from the server. */
static void an_any_is_shown_by_its_type(void **state)
{
    (void)state;
    static program p;
    program_run(&p,
                (const char *const[]){MESHCTL, "call", A, "Buy",
                                      "{\"item\":{\"itemId\":\"proof\"}}", "--compact", NULL},
                NULL);
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.out, "\"proof\":{\"@type\":\"type.googleapis.com/"
                                  "meshctl_test.v1.Total\",\"quantity\":5}"));
}

static void a_template_can_be_sent_back(void **state)
{
    (void)state;
    static program p;
    static char message[PROGRAM_OUTPUT_BYTES];
    program_run(
        &p, (const char *const[]){MESHCTL, "describe", A, "ShopService.Buy", "--template", NULL},
        NULL);
    assert_int_equal(p.status, 0);
    memcpy(message, p.out, sizeof message);
    EXPECT(message, 0, NULL, NULL, "call", A, "Buy", "-");
}

static void servers_without_the_newest_reflection_work(void **state)
{
    (void)state;
    static shop old;
    shop_open(&old, (const char *const[]){"--old-reflection", NULL});
    EXPECT(NULL, 0, "{\"items\":3}\n", NULL, "call", old.address, "StockService.Count",
           "--compact");
    shop_close(&old);
}

static void servers_without_reflection_need_a_protoset(void **state)
{
    (void)state;
    static shop mute;
    const char *set = "tests/mesh/meshctl/shop_v1.protoset";
    shop_open(&mute, (const char *const[]){"--no-reflection", NULL});
    EXPECT(NULL, 64 + 12, "", "--protoset FILE", "call", mute.address, "StockService.Count");
    EXPECT(NULL, 0, "{\"items\":3}\n", NULL, "call", mute.address, "StockService.Count",
           "--compact", "--protoset", set);
    shop_close(&mute);
    EXPECT(NULL, 0, "meshctl_test.v1.ShopService\nmeshctl_test.v1.StockService\n", NULL, "list",
           "--protoset", set);
    EXPECT(NULL, 0, NULL, NULL, "describe", "Buy", "--protoset", set);
    EXPECT(NULL, 1, "", "No such file", "list", "--protoset", "/nowhere");
    EXPECT(NULL, 1, "", "not an encoded google.protobuf.FileDescriptorSet", "list", "--protoset",
           "tests/mesh/meshctl/server");
}

/* Runs openssl, which has to succeed. */
#define OPENSSL(...) openssl((const char *const[]){"/usr/bin/openssl", __VA_ARGS__, NULL})

static void openssl(const char *const *argv)
{
    static program p;
    program_run(&p, argv, NULL);
    if (p.status != 0)
        fail_msg("openssl %s: %s", argv[1], p.err);
}

/* A key and a certificate for localhost, which vouches for itself. */
static void make_certificate(const char *name, char *certificate, char *key, size_t size)
{
    snprintf(certificate, size, "%s/%s.pem", getenv("TEST_TMPDIR"), name);
    snprintf(key, size, "%s/%s.key", getenv("TEST_TMPDIR"), name);
    OPENSSL("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", key, "-out", certificate);
}

static void tls_verifies_both_sides(void **state)
{
    (void)state;
    enum {
        PATH_BYTES = 512
    };
    static shop secure;
    char mine[PATH_BYTES], my_key[PATH_BYTES], other[PATH_BYTES], other_key[PATH_BYTES];
    make_certificate("mine", mine, my_key, PATH_BYTES);
    make_certificate("other", other, other_key, PATH_BYTES);
    shop_open(&secure, (const char *const[]){"--mtls", mine, mine, my_key, NULL});
    EXPECT(NULL, 0, "{\"items\":3}\n", NULL, "call", secure.address, "StockService.Count",
           "--compact", "--ca", mine, "--cert", mine, "--key", my_key, "--servername", "localhost");
    /* Not plaintext, not another name, not another authority, not an unknown caller. */
    EXPECT(NULL, 64 + 14, "", "then --tls", "call", secure.address, "StockService.Count");
    EXPECT(NULL, 64 + 14, "", "--servername NAME", "call", secure.address, "StockService.Count",
           "--ca", mine, "--cert", mine, "--key", my_key, "--servername", "elsewhere");
    EXPECT(NULL, 64 + 14, "", "--ca FILE", "call", secure.address, "StockService.Count", "--ca",
           other, "--cert", mine, "--key", my_key, "--servername", "localhost");
    EXPECT(NULL, 64 + 14, "", NULL, "call", secure.address, "StockService.Count", "--ca", mine,
           "--cert", other, "--key", other_key, "--servername", "localhost");
    EXPECT(NULL, 64 + 14, "", "--cert and --key", "call", secure.address, "StockService.Count",
           "--ca", mine, "--servername", "localhost");
    EXPECT(NULL, 64 + 14, "", "leave --tls", "call", A, "StockService.Count", "--tls");
    EXPECT(NULL, 1, "", "/nowhere.pem", "call", secure.address, "StockService.Count", "--ca",
           "/nowhere.pem");
    shop_close(&secure);
}

static void unix_sockets_are_targets(void **state)
{
    (void)state;
    static shop local;
    char target[100]; /* sockets' paths are short */
    snprintf(target, sizeof target, "unix:/tmp/meshctl_test.%d", (int)getpid());
    shop_open(&local, (const char *const[]){"--listen", target, NULL});
    EXPECT(NULL, 0, "{\"items\":3}\n", NULL, "call", target, "StockService.Count", "--compact");
    shop_close(&local);
    unlink(target + 5);
}

static void services_of_the_mesh_are_targets_and_have_a_status(void **state)
{
    (void)state;
    char text[512], want[512];
    snprintf(text, sizeof text, "shop %s 127.0.0.1:2\n", A);
    write_services(text);
    EXPECT(NULL, 0, "{\"items\":3}\n", NULL, "call", "shop", "StockService.Count", "--compact");
    EXPECT(NULL, 1, "", "did you mean shop?", "call", "shoop", "StockService.Count");
    snprintf(
        want, sizeof want,
        "[{\"name\":\"shop\",\"address\":\"%s\",\"metrics\":\"127.0.0.1:2\",\"state\":\"SERVING\","
        "\"why\":\"\"}]\n",
        A);
    EXPECT(NULL, 0, want, NULL, "status", "--json");

    /* Port 1 refuses; the living instance answers for the service. */
    snprintf(text, sizeof text, "shop 127.0.0.1:1 127.0.0.1:2\nshop %s\n", A);
    write_services(text);
    EXPECT(NULL, 0, "{\"items\":3}\n", NULL, "call", "shop", "StockService.Count", "--compact");
    EXPECT(NULL, 1, NULL, NULL, "status");
    EXPECT(NULL, 1, "", "no service other", "status", "other");
    write_services("dead 127.0.0.1:1\n");
    EXPECT(NULL, 64 + 14, "", "is the mesh up?", "call", "dead", "Any");
    EXPECT(NULL, 1, "SERVICE  ADDRESS      METRICS  STATE\ndead     127.0.0.1:1  -        DOWN\n",
           NULL, "status");
    unsetenv("MESH_DATA");
}

/* A listener that never answers: each check takes its whole time. */
static void instances_that_hang_are_checked_at_the_same_time(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    char text[2048] = "";
    for (int i = 0; i < 20; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "s 127.0.0.1:%d\n",
                 ntohs(address.sin_port));
    snprintf(text + strlen(text), sizeof text - strlen(text), "shop %s\n", A);
    write_services(text);
    int64_t begin = mesh_clock_monotonic_ns();
    EXPECT(NULL, 1, NULL, NULL, "status");
    assert_in_range((mesh_clock_monotonic_ns() - begin) / 1000000, 2000, 20000); /* not 40,000 */
    unsetenv("MESH_DATA");
    close(fd);
}

static void names_are_completed(void **state)
{
    (void)state;
    char text[512];
    snprintf(text, sizeof text, "shop %s\nshop 127.0.0.1:1\nstore 127.0.0.1:1\n", A);
    write_services(text);
    EXPECT(NULL, 0, "describe\n", NULL, "complete", "--", "de");
    EXPECT(NULL, 0, "--deadline\n", NULL, "complete", "--", "call", "--de");
    EXPECT(NULL, 0, "shop\nstore\n", NULL, "complete", "--", "call", "");
    EXPECT(NULL, 0, "ShopService.Buy\n", NULL, "complete", "--", "call", "shop", "ShopService.B");
    EXPECT(NULL, 0, "meshctl_test.v1.StockService/Count\n", NULL, "complete", "--", "call",
           "--json", A, "meshctl_test.v1.St");
    EXPECT(NULL, 0, "meshctl_test.v1.ShopService\nmeshctl_test.v1.StockService\n", NULL, "complete",
           "--", "list", "shop", "mesh");
    EXPECT(NULL, 0, "meshctl_test.v1.Total\n", NULL, "complete", "--", "describe", "shop",
           "meshctl_test.v1.To");
    EXPECT(NULL, 0, "", NULL, "complete", "--", "call", "store", "Any");
    EXPECT(NULL, 0, "bash\n", NULL, "complete", "--", "completion", "");
    unsetenv("MESH_DATA");
}

/* Its reflection describes another service, too, in the same file. */
static void what_a_server_has_not_is_neither_offered_nor_called(void **state)
{
    (void)state;
    static shop small;
    shop_open(&small, (const char *const[]){"--no-stock", NULL});
    EXPECT(NULL, 0, "", NULL, "complete", "--", "call", small.address, "StockService.");
    EXPECT(NULL, 0, "ShopService.Count\n", NULL, "complete", "--", "call", small.address,
           "ShopService.C");
    EXPECT(NULL, 0, "{\"quantity\":1}\n", NULL, "call", small.address, "Count", "{\"upTo\":1}");
    EXPECT(NULL, 1, "", "no method StockService.Count", "call", small.address,
           "StockService.Count");
    shop_close(&small);
}

static void the_completion_script_works_in_bash(void **state)
{
    (void)state;
    char script[1024];
    snprintf(script, sizeof script,
             "source <(" MESHCTL " completion bash)\n"
             "try() { COMP_LINE=$1; COMP_POINT=${#1}; _meshctl; echo \"${COMPREPLY[@]}\"; }\n"
             "try '" MESHCTL " stat'\n"
             "alias meshctl=" MESHCTL "\n"
             "try 'meshctl comp'\n"
             "try '" MESHCTL " call %s StockService.'\n",
             A);
    static program p;
    program_run(&p, (const char *const[]){"/bin/bash", "-c", script, NULL}, NULL);
    assert_string_equal(p.err, "");
    assert_string_equal(p.out, "status\ncompletion\nStockService.Count\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_every_kind_bring_their_answers),
        cmocka_unit_test(options_choose_the_form_of_answers),
        cmocka_unit_test(bidi_answers_arrive_while_input_is_open),
        cmocka_unit_test(a_call_that_ends_does_not_wait_for_input),
        cmocka_unit_test(control_c_cancels_the_call_at_the_server),
        cmocka_unit_test(headers_travel_and_answers_show_theirs),
        cmocka_unit_test(exit_codes_tell_what_happened),
        cmocka_unit_test(what_an_answering_server_says_gets_no_hint_about_the_connection),
        cmocka_unit_test(deadlines_are_kept),
        cmocka_unit_test(compressed_messages_arrive),
        cmocka_unit_test(a_bad_message_in_a_stream_stops_it),
        cmocka_unit_test(one_message_is_one_message),
        cmocka_unit_test(an_any_is_shown_by_its_type),
        cmocka_unit_test(a_template_can_be_sent_back),
        cmocka_unit_test(servers_without_the_newest_reflection_work),
        cmocka_unit_test(servers_without_reflection_need_a_protoset),
        cmocka_unit_test(tls_verifies_both_sides),
        cmocka_unit_test(unix_sockets_are_targets),
        cmocka_unit_test(services_of_the_mesh_are_targets_and_have_a_status),
        cmocka_unit_test(instances_that_hang_are_checked_at_the_same_time),
        cmocka_unit_test(names_are_completed),
        cmocka_unit_test(what_a_server_has_not_is_neither_offered_nor_called),
        cmocka_unit_test(the_completion_script_works_in_bash),
    };
    return cmocka_run_group_tests(tests, open_shop_setup, open_shop_teardown);
}
