/*
 * meshctl events, against the services of the shop: events are seen as the broker has them, and
 * published as the services' own are.
 */
#include "mesh/events/v1/events.mesh.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/desk.h"
#include "tests/services/shop/people.h"

#define TYPES "gen/descriptors.protoset"
#define CREATED "order.v1.OrderCreated"
#define AN_ORDER(id, product)                                                            \
    "{\"order_id\":\"" id                                                                \
    "\",\"version\":\"1\",\"user_id\":\"someone\",\"lines\":[{\"product_id\":\"" product \
    "\",\"quantity\":3,\"price\":{\"currency\":\"EUR\",\"minor_units\":\"100\"}}]}"

enum {
    TAILS = 8 /* that an instance serves at once */
};

static instance products, orders;
static person merchant;
static mesh_arena *arena;
static char services[512];

/* --- help ------------------------------------------------------------------------------------- */

static int32_t in_stock(const char *id)
{
    mesh_arena_reset(arena);
    return shop_product(products.channel, arena, id)->in_stock;
}

static void offer(const char *id, int32_t count)
{
    mesh_error err;
    mesh_error_clear(&err);
    const person *before = shop_call_as(&merchant);
    assert_int_equal(shop_add_product(products.channel, arena, id, count, &err), MESH_OK);
    shop_call_as(before);
}

/* A tail at the product service. */
static mesh_stream *open_tail(const char *subject)
{
    const Mesh__Events__V1__TailEventsRequest request = {
        .base = PROTOBUF_C_MESSAGE_INIT(&mesh__events__v1__tail_events_request__descriptor),
        .subject = (char *)subject};
    mesh_stream *stream;
    assert_int_equal(mesh__events__v1__events_service__tail_events(
                         products.channel, &request, &stream,
                         &(mesh_call_options){.timeout_ms = MESH_NO_TIMEOUT}, NULL),
                     MESH_OK);
    return stream;
}

static const Mesh__Events__V1__TailEventsResponse *next(mesh_stream *stream)
{
    const Mesh__Events__V1__TailEventsResponse *said = NULL;
    assert_int_equal(mesh__events__v1__events_service__tail_events__next(stream, &said), MESH_OK);
    return said;
}

static mesh_code end(mesh_stream *stream, mesh_error *err)
{
    mesh_stream_cancel(stream);
    return mesh_stream_finish(stream, err);
}

/* Whether it is served; else it has ended. */
static bool is_taken(mesh_stream *stream)
{
    const Mesh__Events__V1__TailEventsResponse *said;
    if (mesh__events__v1__events_service__tail_events__next(stream, &said) == MESH_OK)
        return true;
    mesh_stream_finish(stream, NULL);
    return false;
}

/* The place in the stream of the next event. */
static unsigned long next_place(void)
{
    const person *before = shop_call_as(&merchant);
    mesh_stream *stream = open_tail("");
    const Mesh__Events__V1__TailEventsResponse *said = next(stream);
    assert_null(said->event);
    unsigned long place = said->next_sequence;
    end(stream, NULL);
    shop_call_as(before);
    return place;
}

static void begin(void)
{
    desk_make_mesh(services);
    desk_sign_in("--staff ada");
}

/* --- tail ------------------------------------------------------------------------------------- */

/* S4.8: any service shows the events of all, decoded by the types of the mesh. */
static void events_are_shown_with_what_they_say(void **state)
{
    person bob;
    (void)state;
    begin();
    unsigned long place = next_place();
    person_join(&bob, "tailed-bob");
    desk_expect(NULL, 0, "user.v1.UserCreated", "events tail product --from %lu --count 1", place);
    assert_non_null(strstr(desk_output, bob.id));
    assert_non_null(strstr(desk_output, "bytes of user.v1.UserCreated, a type that is not known"));
    desk_expect(NULL, 0, "\"username\":\"tailed-bob\"",
                "events tail product --from %lu --count 1 --protoset " TYPES, place);
    desk_expect(NULL, 0, "v1  {", "events tail --from %lu --count 1 --protoset " TYPES, place);

    /* For programs: one object a line, whole. */
    desk_expect(NULL, 0, "\"subject\":\"user.v1.UserCreated\"",
                "events tail --from %lu --count 1 --protoset " TYPES " --json", place);
    assert_non_null(strstr(desk_output, "\"source\":\"/user\",\"aggregate_type\":\"user\""));
    assert_non_null(strstr(desk_output, "\"version\":1,\"time\":\"2"));
    assert_non_null(strstr(desk_output, "\"payload\":{\"user_id\":\""));
    desk_expect(NULL, 0, "\"payload_base64\":\"", "events tail --from %lu --count 1 --json", place);

    /* What scripts/up leaves in the data folder is known without a word. */
    char copy[2 * DESK_PATH_BYTES];
    snprintf(copy, sizeof copy, "cp " TYPES " %s/descriptors.protoset", desk_folder);
    assert_int_equal(system(copy), 0);
    desk_expect(NULL, 0, "\"username\":\"tailed-bob\"", "events tail --from %lu --count 1", place);
}

static void a_tail_is_of_some_subjects_and_of_a_time(void **state)
{
    person bob;
    (void)state;
    begin();
    unsigned long place = next_place();
    offer("tailed", 100);
    person_join(&bob, "filtered-bob");
    desk_expect(NULL, 0, "#", "events tail --from %lu --count 1 --protoset " TYPES, place);
    desk_expect(NULL, 0, " of the stream", "events publish " CREATED " --protoset " TYPES " '%s'",
                AN_ORDER("tail-1", "tailed"));
    static const char *const subjects[] = {
        CREATED, "order", "order.v1", "order.", "'*.v1.OrderCreated'", "'order.>'"};
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        desk_expect(NULL, 0, "order tail-1 v1",
                    "events tail --from %lu --count 1 --protoset " TYPES " --subject %s", place,
                    subjects[i]);
        desk_expect(NULL, 0, "order tail-1 v1",
                    "events tail --from 1h --max-time 3s --protoset " TYPES " --subject %s",
                    subjects[i]);
    }
    desk_expect(NULL, 0, "order tail-1 v1",
                "events tail --from beginning --max-time 3s --subject order");
    desk_run(NULL, "events tail --from 1ms --max-time 1s");
    assert_null(strstr(desk_output, "tail-1"));
}

/* S4.8: as they come. */
static void a_tail_follows(void **state)
{
    (void)state;
    begin();
    offer("followed", 100);
    char from[32];
    snprintf(from, sizeof from, "%lu", next_place());
    program *tail = program_start(
        (const char *const[]){MESHCTL, "events", "tail", "--from", from, "--count", "2", NULL},
        desk_settings());
    for (int i = 0; i < 2; i++)
        desk_expect(NULL, 0, " of the stream",
                    "events publish " CREATED " --protoset " TYPES " '%s'",
                    i == 0 ? AN_ORDER("follow-1", "followed") : AN_ORDER("follow-2", "followed"));
    program_expect(tail, 0);
    assert_non_null(strstr(program_output(tail), "order follow-1 v1"));
    assert_non_null(strstr(program_output(tail), "order follow-2 v1"));
    program_free(tail);
}

/* S0.6: one tail too many is refused, and the next one may come when one has ended. */
static void there_is_a_limit_to_tails(void **state)
{
    mesh_stream *tails[TAILS];
    mesh_error err;
    (void)state;
    begin();
    const person *before = shop_call_as(&merchant);
    for (int i = 0; i < TAILS; i++) {
        tails[i] = open_tail("order.>");
        assert_null(next(tails[i])->event);
    }
    desk_expect(NULL, 64 + 8, "8 streams are served here already", "events tail product");
    assert_int_equal(end(tails[0], &err), MESH_CANCELLED);
    WAIT_FOR(is_taken(tails[0] = open_tail("order.>")));
    for (int i = 0; i < TAILS; i++)
        end(tails[i], NULL);
    shop_call_as(before);
}

/* --- publish ---------------------------------------------------------------------------------- */

/* S4.8: what is published so reaches who consumes it. */
static void a_published_event_is_handled(void **state)
{
    (void)state;
    begin();
    offer("repaired", 100);
    desk_expect(NULL, 0, " of the stream; meshctl events tail --from ",
                "events publish " CREATED " --protoset " TYPES " '%s'",
                AN_ORDER("repair-1", "repaired"));
    WAIT_FOR(in_stock("repaired") == 97);
    desk_expect(AN_ORDER("repair-2", "repaired"), 0,
                "{\"target\":\"order\",\"subject\":\"order.v1.OrderCreated\",\"id\":\"",
                "events publish order " CREATED " - --protoset " TYPES " --json");
    /* There it is. */
    char id[64];
    unsigned long place;
    const char *said = strstr(desk_output, "\"id\":\"");
    assert_int_equal(sscanf(said, "\"id\":\"%36s\",\"sequence\":%lu}", id, &place), 2);
    desk_expect(NULL, 0, id, "events tail --from %lu --count 1 --json", place);
    WAIT_FOR(in_stock("repaired") == 94);
}

/* True when meshctl prints the text. */
static bool says(const char *words, const char *text)
{
    (void)desk_run(NULL, words);
    return strstr(desk_output, text) != NULL;
}

/* S0.6: who waits for what, until that is told. */
static void an_aggregate_that_waits_for_a_version_is_shown(void **state)
{
    (void)state;
    begin();
    offer("awaited", 100);
    desk_expect(NULL, 0, " of the stream",
                "events publish " CREATED " --protoset " TYPES
                " '{\"order_id\":\"gap-1\",\"version\":"
                "2,\"lines\":[{\"product_id\":\"awaited\",\"quantity\":1}]}'");
    WAIT_FOR(says("consumers", "product  order gap-1  1        -     1     "));
    assert_non_null(strstr(desk_output, "Held until this version of their aggregate comes"));
    WAIT_FOR(says("consumers product --json",
                  "\"gaps\":[{\"service\":\"product\",\"aggregate_type\":\"order\","
                  "\"aggregate_id\":\"gap-1\",\"missing_version\":1,\"dead\":false,\"events\":1,"
                  "\"waits_ms\":"));
    assert_non_null(strstr(desk_output, "\"held\":1,"));
    desk_expect(NULL, 0, " of the stream", "events publish " CREATED " --protoset " TYPES " '%s'",
                AN_ORDER("gap-1", "awaited"));
    WAIT_FOR(says("consumers product --json", "\"gaps\":[]"));
    WAIT_FOR(in_stock("awaited") < 100);
}

static void only_a_services_own_events_are_published(void **state)
{
    (void)state;
    begin();
    desk_expect(NULL, 64 + 5, "product publishes no event \"order.v1.OrderCreated\"",
                "events publish product " CREATED " --protoset " TYPES " '%s'",
                AN_ORDER("no", "no"));
    desk_expect(NULL, 64 + 5, "user publishes no event \"order.v1.OrderCreated\"; it has user.v1.",
                "events publish user " CREATED " --protoset " TYPES " '{}'");
    desk_expect(NULL, 64 + 3, "the id of its order is empty",
                "events publish " CREATED " --protoset " TYPES " '{}'");
    desk_expect(NULL, 64 + 3, "order.v1.OrderCreated: version is 0: it is the version of the order",
                "events publish " CREATED " --protoset " TYPES " '{\"order_id\":\"no\"}'");
    desk_expect(NULL, 0, "\"version\": \"1\"", "describe --protoset " TYPES " --template " CREATED);
    desk_expect(NULL, 1, "--template shows an example",
                "events publish " CREATED " --protoset " TYPES " '{\"order\":1}'");
    desk_expect(NULL, 1,
                "no event order.v1.OrderCreate is known here; did you mean order.v1.OrderCreated",
                "events publish order.v1.OrderCreate '{}' "
                "--protoset " TYPES);
    desk_expect(NULL, 1, "no service nobody in the running mesh",
                "events publish nobody.v1.Event '{}' --protoset " TYPES);
}

/* --- who may ---------------------------------------------------------------------------------- */

/* S0.5: events hold what users did. */
static void who_lacks_the_permission_is_refused(void **state)
{
    static const char *const commands[] = {"events tail product",
                                           "events publish " CREATED
                                           " '{\"order_id\":\"x\"}' --protoset " TYPES};
    person bob;
    (void)state;
    desk_make_mesh(services);
    person_join(&bob, "curious-bob");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        desk_expect(NULL, 64 + 16, "nobody is signed in", "%s", commands[i]);
        desk_expect(NULL, 64 + 7, i == 0 ? "event.read" : "event.operate",
                    "%s -H 'authorization: %s'", commands[i], bob.authorization);
        assert_non_null(strstr(desk_output, "members of the group operators"));
    }
    person_change_groups(&bob, (const char *const[]){"operators", NULL});
    char words[4096];
    snprintf(words, sizeof words,
             "events tail product --from beginning --count 1 -H 'authorization: %s'",
             bob.authorization);
    WAIT_FOR(desk_run(NULL, words) == 0);
}

static void mistakes_are_told(void **state)
{
    (void)state;
    begin();
    desk_expect(NULL, 2, "events needs to know what", "events");
    desk_expect(NULL, 2, "events: there is no tial, but publish or tail; did you mean tail?",
                "events tial");
    desk_expect(NULL, 0, "(no event of ordr is known here; did you mean order?)",
                "events tail --subject ordr --max-time 1s --protoset " TYPES);
    assert_non_null(strstr(desk_output, "(no event came within --max-time; --from beginning"));
    desk_expect(NULL, 64 + 4, "product: timeout_ms", "events tail product --max-time 1ms");
    assert_non_null(strstr(desk_output, "the 1 ms of --max-time are over: give it more"));
    desk_expect(NULL, 2, "--from yesterday: it is beginning, a place",
                "events tail --from yesterday");
    desk_expect(NULL, 2, "--count 0", "events tail --count 0");
    desk_expect(NULL, 2, "events tail takes one target", "events tail a b");
    desk_expect(NULL, 2, "events publish needs a subject", "events publish");
    desk_expect(NULL, 2, "events publish needs a subject", "events publish order '{}'");
    desk_expect(NULL, 64 + 3, "subject", "events tail --subject 'order.>.x' --max-time 5s");
    desk_expect(NULL, 1, "did you mean product?", "events tail produkt");
    desk_expect(NULL, 0, "publish\ntail\n", "complete -- events ''");
    desk_expect(NULL, 0, "order\nproduct\nuser\n", "complete -- events tail ''");
    desk_expect(NULL, 0, "--from\n", "complete -- events tail --f");
    assert_int_equal(desk_run(NULL, "complete -- events publish --f"), 0);
    assert_string_equal(desk_output, "");
    desk_expect(NULL, 0, "meshctl events tail --subject order --from 10m", "events --help");
}

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    people_make_admin("ada", "ada@example.com");
    person_join_staff(&merchant, "merchant", USER__V1__ROLE__ADMIN);
    arena = mesh_arena_create(4096, 0);
    instance_start(&products, "product", NULL, NULL);
    instance_start(&orders, "order", products.address, NULL);
    snprintf(services, sizeof services, "order %s\nproduct %s\nuser %s\n", orders.address,
             products.address, mesh_channel_target(shop_users()));
    return 0;
}

static int close_all(void **state)
{
    instance_stop(&orders);
    instance_stop(&products);
    mesh_arena_destroy(arena);
    return shop_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_shown_with_what_they_say),
        cmocka_unit_test(a_tail_is_of_some_subjects_and_of_a_time),
        cmocka_unit_test(a_tail_follows),
        cmocka_unit_test(there_is_a_limit_to_tails),
        cmocka_unit_test(a_published_event_is_handled),
        cmocka_unit_test(an_aggregate_that_waits_for_a_version_is_shown),
        cmocka_unit_test(only_a_services_own_events_are_published),
        cmocka_unit_test(who_lacks_the_permission_is_refused),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
