/* Text that means harm, in every field of every method. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/user/office.h"
#include "tests/services/violations.h"

#define ERR (&the_office.err)

/* Calls a method with this text in one of its fields, and nothing in the others. */
static mesh_code call_with(const mesh_method *method, const ProtobufCFieldDescriptor *field,
                           const char *text)
{
    ProtobufCMessage *request = calloc(1, method->request->sizeof_message);
    ProtobufCMessage *response;
    char *copy = strdup(text);
    assert_non_null(request);
    assert_non_null(copy);
    protobuf_c_message_init(method->request, request);
    char *at = (char *)request + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        char **list = &copy;
        const size_t one = 1;
        memcpy(at, &list, sizeof list);
        memcpy((char *)request + field->quantifier_offset, &one, sizeof one);
    } else {
        memcpy(at, &copy, sizeof copy);
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
            memcpy((char *)request + field->quantifier_offset, &field->id, sizeof field->id);
    }
    mesh_code code = mesh_unary_call(the_office.channel, method, request, &response, office_call(),
                                     ERR);
    free(copy);
    free(request);
    return code;
}

typedef void visit(const mesh_method *method, const ProtobufCFieldDescriptor *field,
                   const char *context);

/* Calls it for every text of every request of the service; how many these are. */
static size_t visit_texts(visit *fn, const char *context)
{
    const mesh_api_descriptor *api = &user__v1__user_service__descriptor;
    size_t count = 0;
    for (size_t i = 0; i < api->method_count; i++)
        for (unsigned j = 0; j < api->methods[i].request->n_fields; j++) {
            const ProtobufCFieldDescriptor *field = &api->methods[i].request->fields[j];
            if (field->type != PROTOBUF_C_TYPE_STRING)
                continue;
            fn(&api->methods[i], field, context);
            count++;
        }
    return count;
}

/* Any that the contract has. */
static void expect_an_answer(const mesh_method *method, const ProtobufCFieldDescriptor *field,
                             const char *text)
{
    switch (call_with(method, field, text)) {
    case MESH_OK:
    case MESH_INVALID_ARGUMENT:
    case MESH_NOT_FOUND:
    case MESH_UNAUTHENTICATED:
        break;
    default:
        fail_msg("%s, %s: %s %s", method->name, field->name, mesh_code_name(ERR->code),
                 ERR->message);
    }
}

/* S4.1, S4.11 */
static void what_means_something_to_sql_is_text_in_every_field(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "'; DROP TABLE users; --", "\" OR \"\" = \"", "\\'; SELECT pg_sleep(60); --",
        "$1 %s %n {\"a\",NULL} {} \\000", "0' UNION SELECT password_hash FROM users --"};
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_true(visit_texts(expect_an_answer, texts[i]) > 20);
    assert_string_equal(office_value("SELECT count(*) || ' ' || min(username) || ' ' ||"
                                     " min(version) FROM users"),
                        "1 ada 1");
    assert_string_equal(office_value("SELECT id FROM users"), id);
}

static void expect_a_violation(const mesh_method *method, const ProtobufCFieldDescriptor *field,
                               const char *text)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", field->name,
             field->label == PROTOBUF_C_LABEL_REPEATED ? "[0]" : "");
    mesh_code code = call_with(method, field, text);
    if (code != MESH_INVALID_ARGUMENT || strcmp(violated_fields(ERR), name) != 0)
        fail_msg("%s, %s: %s %s", method->name, field->name, mesh_code_name(ERR->code),
                 ERR->message);
}

/* S4.1, S4.11 */
static void what_is_not_utf_8_is_refused_in_every_field(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xff", "ada\xc3", "\xed\xa0\x80", "\xc0\xa7"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_true(visit_texts(expect_a_violation, texts[i]) > 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, office_begin, office_end)
    const struct CMUnitTest tests[] = {
        TEST(what_means_something_to_sql_is_text_in_every_field),
        TEST(what_is_not_utf_8_is_refused_in_every_field),
    };
    return cmocka_run_group_tests(tests, office_setup, office_teardown);
}
