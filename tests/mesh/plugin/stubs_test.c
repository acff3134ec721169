/*
 * What the plugin makes of a service: constant tables, adapters between the untyped runtime and
 * typed handlers, events, reasons, permissions and roles.
 */
#include "tests/mesh/base/test.h"

#include "kitchen/v1/access.mesh.h"
#include "kitchen/v1/events.mesh.h"
#include "kitchen/v1/kitchen.mesh.h"
#include "no_package.mesh.h"
#include "odd/int/class/v1/names.mesh.h"

#define METHOD(name) (&kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__##name])

/* What a handler was given, to be compared. */
static struct {
    int calls;
    void *self;
    const void *call, *request, *response, *stream, *err;
    mesh_code code;
} seen;

static mesh_code cook(void *self, mesh_call *call, const Kitchen__V1__CookRequest *request,
                      Kitchen__V1__Dish *response, mesh_error *err)
{
    seen.calls++;
    seen.self = self;
    seen.call = call;
    seen.request = request;
    seen.response = response;
    seen.err = err;
    return MESH_NOT_FOUND;
}

static mesh_code smell(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                       mesh_stream *stream, mesh_error *err)
{
    seen.calls++;
    seen.self = self;
    seen.call = call;
    seen.request = request;
    seen.stream = stream;
    seen.err = err;
    return MESH_ABORTED;
}

static mesh_code fill(void *self, mesh_call *call, mesh_stream *stream,
                      Kitchen__V1__Nothing *response, mesh_error *err)
{
    seen.calls++;
    seen.self = self;
    seen.call = call;
    seen.stream = stream;
    seen.response = response;
    seen.err = err;
    return MESH_DATA_LOSS;
}

static mesh_code do_both(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    seen.calls++;
    seen.self = self;
    seen.call = call;
    seen.stream = stream;
    seen.err = err;
    return MESH_OUT_OF_RANGE;
}

/* Addresses to hand around; nothing looks behind them. */
static char somewhere[8];
#define CALL ((mesh_call *)(void *)&somewhere[0])
#define STREAM ((mesh_stream *)(void *)&somewhere[1])
#define SELF ((void *)&somewhere[2])

static void each_kind_of_handler_gets_what_it_declares(void **state)
{
    const kitchen__v1__kitchen__handlers worker = {
        .cook = cook, .smell = smell, .fill = fill, .do_ = do_both};
    const kitchen__v1__kitchen__handlers inlined = {.cook__inline = cook};
    Kitchen__V1__CookRequest request = KITCHEN__V1__COOK_REQUEST__INIT;
    Kitchen__V1__Dish response = KITCHEN__V1__DISH__INIT;
    const struct {
        const mesh_method *method;
        const void *handlers;
        const ProtobufCMessage *request;
        ProtobufCMessage *response;
        mesh_stream *stream;
        mesh_code code;
    } cases[] = {
        {METHOD(COOK), &worker, &request.base, &response.base, NULL, MESH_NOT_FOUND},
        {METHOD(COOK), &inlined, &request.base, &response.base, NULL, MESH_NOT_FOUND},
        {METHOD(SMELL), &worker, &request.base, NULL, STREAM, MESH_ABORTED},
        {METHOD(FILL), &worker, NULL, &response.base, STREAM, MESH_DATA_LOSS},
        {METHOD(DO), &worker, NULL, NULL, STREAM, MESH_OUT_OF_RANGE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_error err;
        memset(&seen, 0, sizeof seen);
        assert_int_equal(cases[i].method->invoke(cases[i].handlers, SELF, CALL, cases[i].request,
                                                 cases[i].response, cases[i].stream, &err),
                         cases[i].code);
        assert_int_equal(seen.calls, 1);
        assert_ptr_equal(seen.self, SELF);
        assert_ptr_equal(seen.call, CALL);
        assert_ptr_equal(seen.request, cases[i].request);
        assert_ptr_equal(seen.response, cases[i].response);
        assert_ptr_equal(seen.stream, cases[i].stream);
        assert_ptr_equal(seen.err, &err);
    }
}

static void the_filled_slot_decides_the_style(void **state)
{
    static const kitchen__v1__kitchen__do__events events;
    const struct {
        kitchen__v1__kitchen__handlers handlers;
        mesh_handler_style cook, do_both;
    } cases[] = {
        {{.cook = NULL}, MESH_HANDLER_NONE, MESH_HANDLER_NONE},
        {{.cook = cook, .do_ = do_both}, MESH_HANDLER_WORKER, MESH_HANDLER_WORKER},
        {{.cook__inline = cook, .do__events = &events}, MESH_HANDLER_INLINE, MESH_HANDLER_EVENTS},
        {{.cook = cook, .cook__inline = cook, .do_ = do_both, .do__events = &events},
         MESH_HANDLER_CONFLICT,
         MESH_HANDLER_CONFLICT},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(METHOD(COOK)->style(&cases[i].handlers), cases[i].cook);
        assert_int_equal(METHOD(DO)->style(&cases[i].handlers), cases[i].do_both);
    }
}

static mesh_code smell_opened(void *self, mesh_stream *stream,
                              const Google__Protobuf__Empty *request, mesh_error *err)
{
    (void)err;
    seen.calls++;
    seen.self = self;
    seen.stream = stream;
    seen.request = request;
    return MESH_UNAVAILABLE;
}

static mesh_code do_opened(void *self, mesh_stream *stream, mesh_error *err)
{
    (void)err;
    seen.calls++;
    seen.self = self;
    seen.stream = stream;
    return MESH_UNAVAILABLE;
}

static mesh_code do_message(void *self, mesh_stream *stream,
                            const Kitchen__V1__CookRequest *message, mesh_error *err)
{
    (void)err;
    seen.calls++;
    seen.self = self;
    seen.stream = stream;
    seen.request = message;
    return MESH_ABORTED;
}

static void do_happened(void *self, mesh_stream *stream)
{
    seen.calls++;
    seen.self = self;
    seen.stream = stream;
}

static void do_closed(void *self, mesh_stream *stream, mesh_code code)
{
    seen.calls++;
    seen.self = self;
    seen.stream = stream;
    seen.code = code;
}

static void events_reach_their_callbacks(void **state)
{
    static const kitchen__v1__kitchen__smell__events smell_events = {.on_open = smell_opened};
    static const kitchen__v1__kitchen__do__events do_events = {
        do_opened, do_message, do_happened, do_happened, do_closed,
    };
    const kitchen__v1__kitchen__handlers handlers = {.smell__events = &smell_events,
                                                     .do__events = &do_events};
    const mesh_events_adapter *adapter = METHOD(DO)->events;
    Kitchen__V1__CookRequest message = KITCHEN__V1__COOK_REQUEST__INIT;
    Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    (void)state;

    memset(&seen, 0, sizeof seen);
    assert_int_equal(METHOD(SMELL)->events->on_open(&handlers, SELF, STREAM, &empty.base, NULL),
                     MESH_UNAVAILABLE);
    assert_ptr_equal(seen.request, &empty);
    assert_null(METHOD(SMELL)->events->on_message);
    assert_null(METHOD(SMELL)->events->on_end);

    assert_int_equal(adapter->on_open(&handlers, SELF, STREAM, NULL, NULL), MESH_UNAVAILABLE);
    assert_int_equal(adapter->on_message(&handlers, SELF, STREAM, &message.base, NULL),
                     MESH_ABORTED);
    assert_ptr_equal(seen.request, &message);
    adapter->on_end(&handlers, SELF, STREAM);
    adapter->on_writable(&handlers, SELF, STREAM);
    adapter->on_close(&handlers, SELF, STREAM, MESH_CANCELLED);
    assert_int_equal(seen.calls, 6);
    assert_int_equal(seen.code, MESH_CANCELLED);
    assert_ptr_equal(seen.self, SELF);
    assert_ptr_equal(seen.stream, STREAM);
}

static void absent_callbacks_are_skipped(void **state)
{
    static const kitchen__v1__kitchen__fill__events none;
    const kitchen__v1__kitchen__handlers handlers = {.fill__events = &none};
    const mesh_events_adapter *adapter = METHOD(FILL)->events;
    (void)state;
    assert_int_equal(adapter->on_open(&handlers, SELF, STREAM, NULL, NULL), MESH_OK);
    assert_int_equal(adapter->on_message(&handlers, SELF, STREAM, NULL, NULL), MESH_OK);
    adapter->on_end(&handlers, SELF, STREAM);
    adapter->on_writable(&handlers, SELF, STREAM);
    adapter->on_close(&handlers, SELF, STREAM, MESH_OK);
}

static void the_method_table_says_what_the_contract_says(void **state)
{
    static const struct {
        const char *path;
        mesh_method_kind kind;
        mesh_idempotency idempotency;
        mesh_policy_kind policy;
        int64_t deadline_ms;
        size_t http_count;
        bool deprecated;
    } methods[] = {
        {"Cook", MESH_UNARY, MESH_IDEMPOTENCY_UNKNOWN, MESH_POLICY_PERMISSION, 1501, 3, false},
        {"GetDish", MESH_UNARY, MESH_NO_SIDE_EFFECTS, MESH_POLICY_PUBLIC, 0, 1, false},
        {"Delete", MESH_UNARY, MESH_IDEMPOTENT, MESH_POLICY_ROLES, 0, 1, false},
        {"Smell", MESH_SERVER_STREAMING, 0, MESH_POLICY_AUTHENTICATED, 0, 0, false},
        {"Fill", MESH_CLIENT_STREAMING, 0, MESH_POLICY_SERVICES, 1, 0, false},
        {"Do", MESH_BIDI_STREAMING, 0, MESH_POLICY_PUBLIC, 0, 0, false},
        {"Ask", MESH_UNARY, 0, MESH_POLICY_UNDECLARED, 0, 0, true},
        {"Listen", MESH_SERVER_STREAMING, 0, MESH_POLICY_UNDECLARED, 0, 0, true},
    };
    const mesh_api_descriptor *api = &kitchen__v1__kitchen__descriptor;
    (void)state;
    assert_string_equal(api->name, "kitchen.v1.Kitchen");
    assert_ptr_equal(api->file, &kitchen__v1__kitchen_proto__file);
    assert_ptr_equal(api->methods, kitchen__v1__kitchen__methods);
    assert_int_equal(api->method_count, COUNT(methods));
    assert_int_equal(api->version, MESH_VERSION_NUMBER);
    for (size_t i = 0; i < COUNT(methods); i++) {
        const mesh_method *method = &api->methods[i];
        char path[64];
        snprintf(path, sizeof path, "/kitchen.v1.Kitchen/%s", methods[i].path);
        assert_string_equal(method->path, path);
        assert_string_equal(method->name, methods[i].path);
        assert_ptr_equal(method->api, api);
        assert_int_equal(method->kind, methods[i].kind);
        assert_int_equal(method->idempotency, methods[i].idempotency);
        assert_int_equal(method->policy.kind, methods[i].policy);
        assert_int_equal(method->deadline_ms, methods[i].deadline_ms);
        assert_int_equal(method->http_count, methods[i].http_count);
        assert_int_equal(method->deprecated, methods[i].deprecated);
        assert_int_equal(method->events != NULL, methods[i].kind != MESH_UNARY);
    }
    assert_ptr_equal(METHOD(FILL)->request, &pantry__v1__jar__descriptor);
    assert_ptr_equal(METHOD(FILL)->response, &kitchen__v1__nothing__descriptor);
    assert_int_equal(kitchen__v1__idle__descriptor.method_count, 0);
    assert_string_equal(bare__methods[BARE__GET].path, "/Bare/Get");
}

static void policies_and_http_rules_are_complete(void **state)
{
    static const mesh_http_rule rules[] = {
        {"POST", "/v1/{shelf=shelves/*}/dishes", "jar", ""},
        {"PUT", "/v1/dishes/{jar.label}", "*", "name"},
        {"HEAD", "/v1/dishes", "", ""},
    };
    (void)state;
    assert_string_equal(METHOD(COOK)->policy.permission, "dish.cook");
    assert_true(METHOD(COOK)->policy.sensitive);
    assert_null(METHOD(COOK)->policy.names);
    assert_string_equal(METHOD(DELETE)->policy.names[0], "cook");
    assert_string_equal(METHOD(DELETE)->policy.names[1], "sous_chef");
    assert_null(METHOD(DELETE)->policy.names[2]);
    assert_string_equal(METHOD(FILL)->policy.names[0], "pantry");
    assert_string_equal(METHOD(FILL)->policy.names[1], "shelf \"the\" best");
    for (size_t i = 0; i < COUNT(rules); i++) {
        assert_string_equal(METHOD(COOK)->http[i].verb, rules[i].verb);
        assert_string_equal(METHOD(COOK)->http[i].path, rules[i].path);
        assert_string_equal(METHOD(COOK)->http[i].body, rules[i].body);
        assert_string_equal(METHOD(COOK)->http[i].response_body, rules[i].response_body);
    }
}

/* Reflection hands these out: whole descriptors, all imports. */
static void files_describe_themselves(void **state)
{
    const mesh_file *file = &kitchen__v1__events_proto__file;
    (void)state;
    assert_string_equal(file->name, "kitchen/v1/events.proto");
    assert_int_equal(file->dependency_count, 1);
    assert_ptr_equal(file->dependencies[0], &mesh__v1__options_proto__file);

    Google__Protobuf__FileDescriptorProto *proto = google__protobuf__file_descriptor_proto__unpack(
        NULL, file->descriptor_size, file->descriptor);
    assert_non_null(proto);
    assert_string_equal(proto->package, "kitchen.v1");
    assert_int_equal(proto->n_message_type, 3);
    assert_null(proto->source_code_info);
    google__protobuf__file_descriptor_proto__free_unpacked(proto, NULL);
    assert_int_equal(kitchen__v1__kitchen_proto__file.dependency_count, 5);
}

static void reasons_fill_errors(void **state)
{
    mesh_error err;
    char longest[400];
    (void)state;
    assert_int_equal(kitchen__v1__error_reason__set(&err, MESH_ABORTED,
                                                    KITCHEN__V1__ERROR_REASON__DISH_BURNT,
                                                    "%s is %d %% black", "toast", 100),
                     MESH_ABORTED);
    assert_int_equal(err.code, MESH_ABORTED);
    assert_string_equal(err.reason, "DISH_BURNT");
    assert_string_equal(err.domain, "kitchen.v1");
    assert_string_equal(err.message, "toast is 100 % black");

    kitchen__v1__oven__reason__set(&err, MESH_INTERNAL, KITCHEN__V1__OVEN__REASON__TOO_HOT, "x");
    assert_string_equal(err.reason, "TOO_HOT");
    kitchen__v1__oven__reason__set(&err, MESH_INTERNAL, (Kitchen__V1__Oven__Reason)99, "x");
    assert_string_equal(err.reason, "");
    assert_int_equal(kitchen__v1__oven__reason__set(NULL, MESH_INTERNAL,
                                                    KITCHEN__V1__OVEN__REASON__TOO_HOT, "x"),
                     MESH_INTERNAL);

    /* Cut between characters: 128 of two bytes do not fit into 255. */
    for (size_t i = 0; i < sizeof longest - 1; i += 2)
        memcpy(longest + i, "\xc3\xa4", 2);
    longest[398] = '\0';
    kitchen__v1__oven__reason__set(&err, MESH_INTERNAL, KITCHEN__V1__OVEN__REASON__TOO_HOT, "%s",
                                   longest);
    assert_int_equal(strlen(err.message) % 2, 0);
    assert_true(strlen(err.message) > 250);
}

/* S0.5 */
static void permissions_and_roles_have_names(void **state)
{
    static const char *const constants[] = {
        KITCHEN__V1__PERMISSION__DISH_TASTE_ANY__NAME,
        KITCHEN__V1__PERMISSION__OVEN_2_HEAT__NAME,
        KITCHEN__V1__STAFF__ROLE__SOUS_CHEF__NAME,
    };
    (void)state;
    assert_string_equal(METHOD(COOK)->policy.permission, KITCHEN__V1__PERMISSION__DISH_COOK__NAME);
    assert_string_equal(constants[0], "dish.taste_any");
    assert_string_equal(constants[1], "oven.2_heat");
    assert_string_equal(constants[2], "sous_chef");
    assert_string_equal(kitchen__v1__permission__name(KITCHEN__V1__PERMISSION__DISH_TASTE_ANY),
                        constants[0]);
    assert_string_equal(kitchen__v1__staff__role__name(KITCHEN__V1__STAFF__ROLE__LEVEL2), "level2");
    assert_null(kitchen__v1__permission__name(KITCHEN__V1__PERMISSION__PERMISSION_UNSPECIFIED));
    assert_null(kitchen__v1__permission__name((Kitchen__V1__Permission)99));
    assert_null(kitchen__v1__no_role__name(KITCHEN__V1__NO_ROLE__NO_ROLE_UNSPECIFIED));
}

static mesh_code tasted(void *self, mesh_tx *tx, const mesh_event *meta,
                        const Kitchen__V1__DishCooked__Tasted *event, mesh_error *err)
{
    (void)tx;
    (void)err;
    seen.calls++;
    seen.self = self;
    seen.call = meta;
    seen.request = event;
    return MESH_DATA_LOSS;
}

static void events_know_their_aggregate_and_version(void **state)
{
    const mesh_event_descriptor *cooked = &kitchen__v1__dish_cooked__event;
    const mesh_event_descriptor *tasted_event = &kitchen__v1__dish_cooked__tasted__event;
    Kitchen__V1__DishCooked dish = KITCHEN__V1__DISH_COOKED__INIT;
    Kitchen__V1__DishCooked__Tasted taste = KITCHEN__V1__DISH_COOKED__TASTED__INIT;
    (void)state;
    dish.dish_id = "d1";
    dish.version = INT64_MAX;
    taste.class_ = "first";
    assert_string_equal(cooked->subject, "kitchen.v1.DishCooked");
    assert_string_equal(cooked->aggregate_type, "kitchen");
    assert_ptr_equal(cooked->message, &kitchen__v1__dish_cooked__descriptor);
    assert_string_equal(cooked->aggregate_id(&dish.base), "d1");
    assert_true(cooked->version(&dish.base) == INT64_MAX);
    assert_string_equal(tasted_event->aggregate_type, "taste");
    assert_string_equal(tasted_event->aggregate_id(&taste.base), "first");
    assert_null(tasted_event->version);
}

/* The runtime's function, here to see what the stub hands to it. */
mesh_code mesh_event_add(mesh_tx *tx, const mesh_event_descriptor *event,
                         const ProtobufCMessage *message, mesh_error *err)
{
    seen.calls++;
    seen.call = tx;
    seen.stream = event;
    seen.request = message;
    seen.err = err;
    return MESH_ALREADY_EXISTS;
}

static void add_hands_the_event_to_the_transaction(void **state)
{
    Kitchen__V1__DishCooked dish = KITCHEN__V1__DISH_COOKED__INIT;
    mesh_tx *tx = (mesh_tx *)(void *)&somewhere[3];
    mesh_error err;
    (void)state;
    memset(&seen, 0, sizeof seen);
    assert_int_equal(kitchen__v1__dish_cooked__add(tx, &dish, &err), MESH_ALREADY_EXISTS);
    assert_int_equal(seen.calls, 1);
    assert_ptr_equal(seen.call, tx);
    assert_ptr_equal(seen.stream, &kitchen__v1__dish_cooked__event);
    assert_ptr_equal(seen.request, &dish);
    assert_ptr_equal(seen.err, &err);
}

static void consumers_call_their_handler(void **state)
{
    mesh_consumer consumer = kitchen__v1__dish_cooked__tasted__consumer(tasted, SELF);
    Kitchen__V1__DishCooked__Tasted event = KITCHEN__V1__DISH_COOKED__TASTED__INIT;
    mesh_event meta = {.id = "x"};
    (void)state;
    memset(&seen, 0, sizeof seen);
    assert_ptr_equal(consumer.event, &kitchen__v1__dish_cooked__tasted__event);
    assert_int_equal(
        consumer.adapter(consumer.handler, consumer.self, NULL, &meta, &event.base, NULL),
        MESH_DATA_LOSS);
    assert_int_equal(seen.calls, 1);
    assert_ptr_equal(seen.self, SELF);
    assert_ptr_equal(seen.call, &meta);
    assert_ptr_equal(seen.request, &event);
}

/* The runtime's functions, for the array of what several events' handler is given. */
mesh_arena *mesh_tx_arena(mesh_tx *tx)
{
    return (mesh_arena *)(void *)tx;
}

static mesh_code tasted_all(void *self, mesh_tx *tx,
                            const kitchen__v1__dish_cooked__tasted__received *received,
                            size_t count, mesh_error *err)
{
    (void)tx;
    (void)err;
    seen.calls += (int)count;
    seen.self = self;
    seen.call = received[1].meta;
    seen.request = received[1].event;
    return MESH_DATA_LOSS;
}

static void consumers_of_several_hand_them_over_at_once(void **state)
{
    mesh_consumer consumer = kitchen__v1__dish_cooked__tasted__batch_consumer(tasted_all, SELF);
    Kitchen__V1__DishCooked__Tasted first = KITCHEN__V1__DISH_COOKED__TASTED__INIT, second = first;
    const mesh_event metas[] = {{.id = "x"}, {.id = "y"}};
    const mesh_received received[] = {{&metas[0], &first.base}, {&metas[1], &second.base}};
    mesh_arena *arena = mesh_arena_create(1024, 0);
    (void)state;
    memset(&seen, 0, sizeof seen);
    assert_ptr_equal(consumer.event, &kitchen__v1__dish_cooked__tasted__event);
    assert_null(consumer.adapter);
    assert_int_equal(consumer.batch_adapter(consumer.handler, consumer.self,
                                            (mesh_tx *)(void *)arena, received, 2, NULL),
                     MESH_DATA_LOSS);
    assert_int_equal(seen.calls, 2);
    assert_ptr_equal(seen.self, SELF);
    assert_ptr_equal(seen.call, &metas[1]);
    assert_ptr_equal(seen.request, &second);
    mesh_arena_destroy(arena);
}

static void an_api_is_its_descriptor_handlers_and_self(void **state)
{
    static const odd__int__class__v1__operator__handlers handlers = {.new_ = NULL,
                                                                     .delete__events = NULL};
    mesh_api api = odd__int__class__v1__operator__api(&handlers, SELF);
    (void)state;
    assert_ptr_equal(api.descriptor, &odd__int__class__v1__operator__descriptor);
    assert_ptr_equal(api.handlers, &handlers);
    assert_ptr_equal(api.self, SELF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_handler_gets_what_it_declares),
        cmocka_unit_test(the_filled_slot_decides_the_style),
        cmocka_unit_test(events_reach_their_callbacks),
        cmocka_unit_test(absent_callbacks_are_skipped),
        cmocka_unit_test(the_method_table_says_what_the_contract_says),
        cmocka_unit_test(policies_and_http_rules_are_complete),
        cmocka_unit_test(files_describe_themselves),
        cmocka_unit_test(reasons_fill_errors),
        cmocka_unit_test(permissions_and_roles_have_names),
        cmocka_unit_test(events_know_their_aggregate_and_version),
        cmocka_unit_test(add_hands_the_event_to_the_transaction),
        cmocka_unit_test(consumers_call_their_handler),
        cmocka_unit_test(consumers_of_several_hand_them_over_at_once),
        cmocka_unit_test(an_api_is_its_descriptor_handlers_and_self),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
