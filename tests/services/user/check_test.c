#include "services/user/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/violations.h"

#define LETTERS_50 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
#define LETTERS_63 LETTERS_50 "abcdefghijklm"
#define LETTERS_64 LETTERS_50 "abcdefghijklmn"
#define KIND(name) USER__V1__USER__KIND__##name

static mesh_error err;

/* All fields right; a test changes what it is about. */
static User__V1__SignUpRegularRequest right_request(void)
{
    User__V1__SignUpRegularRequest request = USER__V1__SIGN_UP_REGULAR_REQUEST__INIT;
    request.username = (char *)"ada";
    request.email = (char *)"ada@example.com";
    request.password = (char *)"correct horse";
    request.first_name = (char *)"Ada";
    request.last_name = (char *)"Lovelace";
    return request;
}

/* The fields that a request breaks. */
static const char *mistakes(const User__V1__SignUpRegularRequest *request)
{
    User__V1__User__Kind kind;
    mesh_error_clear(&err);
    mesh_code code = user_check_sign_up_regular(request, &kind, &err);
    assert_int_equal(code, err.code);
    return violated_fields(&err);
}

static void a_username_has_32_plain_characters_at_most(void **state)
{
    (void)state;
    static const struct {
        const char *username;
        bool right;
    } cases[] = {
        {"a", true},
        {"Ada.Lovelace_1815-x", true},
        {"abcdefghijklmnopqrstuvwxyz012345", true},
        {"abcdefghijklmnopqrstuvwxyz0123456", false},
        {"", false},
        {" ada", false},
        {"-ada", false},
        {"ada@example.com", false}, /* would be taken for an e-mail at sign-in */
        {"ad\xc3\xa4", false},
        {"a' OR '1'='1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__SignUpRegularRequest request = right_request();
        request.username = (char *)cases[i].username;
        assert_string_equal(mistakes(&request), cases[i].right ? "" : "username");
    }
}

/* S4.1 */
static void an_email_has_the_form_of_rfc_5321(void **state)
{
    (void)state;
    static const struct {
        const char *email;
        bool right;
    } cases[] = {
        {"a@b.c", true},
        {"ada.lovelace+tickets@mail.example.com", true},
        {"!#$%&'*+-/=?^_`{|}~@example.com", true},
        {LETTERS_64 "@example.com", true},
        {LETTERS_64 "x@example.com", false},
        {"a@" LETTERS_63 ".com", true},
        {"a@" LETTERS_63 "x.com", false},
        {"a@" LETTERS_63 "." LETTERS_63 "." LETTERS_63 "." LETTERS_50 "0123456789", true}, /* 254 */
        {"ab@" LETTERS_63 "." LETTERS_63 "." LETTERS_63 "." LETTERS_50 "0123456789", false},
        {"", false},
        {"ada", false},
        {"@example.com", false},
        {"ada@", false},
        {"ada@localhost", false},
        {"ada@@example.com", false},
        {"ada@example..com", false},
        {"ada@.example.com", false},
        {"ada@example.com.", false},
        {"ada@-example.com", false},
        {"ada@example-.com", false},
        {"ada@exa_mple.com", false},
        {".ada@example.com", false},
        {"ada.@example.com", false},
        {"a..da@example.com", false},
        {"a da@example.com", false},
        {"ada@example.com\n", false},
        {"ada@example.com\r\nBcc: all@example.com", false},
        {"\"ada\"@example.com", false},
        {"ada@[127.0.0.1]", false},
        {"\xc3\xa4@example.com", false},
        {"ada@ex\xc3\xa4mple.com", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__SignUpRegularRequest request = right_request();
        request.email = (char *)cases[i].email;
        if (strcmp(mistakes(&request), cases[i].right ? "" : "email") != 0)
            fail_msg("%s: '%s'", cases[i].email, violated_fields(&err));
    }
}

/* S4.1 */
static void a_password_has_8_to_128_bytes_of_any_kind(void **state)
{
    (void)state;
    static const struct {
        const char *password;
        bool right;
    } cases[] = {
        {"1234567", false},
        {"12345678", true},
        {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", true},
        {"'; DROP TABLE users; --\t\n", true},
        {LETTERS_64 LETTERS_64, true},
        {LETTERS_64 LETTERS_64 "x", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__SignUpRegularRequest request = right_request();
        request.password = (char *)cases[i].password;
        assert_string_equal(mistakes(&request), cases[i].right ? "" : "password");
        assert_null(cases[i].password[0] != '\0' ? strstr(err.message, cases[i].password) : NULL);
    }
}

/* S4.1: no more than a look at its first bytes. */
static void a_password_of_a_megabyte_is_refused(void **state)
{
    (void)state;
    enum {
        SIZE = 1024 * 1024
    };
    char *large = malloc(SIZE + 1);
    assert_non_null(large);
    memset(large, 'x', SIZE);
    large[SIZE] = '\0';
    User__V1__SignUpRegularRequest request = right_request();
    request.password = large;
    assert_string_equal(mistakes(&request), "password");
    request.username = request.email = request.first_name = request.last_name = large;
    assert_string_equal(mistakes(&request), "username, email, password, first_name, last_name");
    free(large);
}

/* S0.1, S2.1: a sign-up that everybody may call never makes staff. */
static void one_chooses_between_consumer_customer_and_employee_alone(void **state)
{
    (void)state;
    static const struct {
        int chosen, kind;
    } cases[] = {
        {KIND(KIND_UNSPECIFIED), KIND(CONSUMER)},
        {KIND(CONSUMER), KIND(CONSUMER)},
        {KIND(CUSTOMER), KIND(CUSTOMER)},
        {KIND(EMPLOYEE), KIND(EMPLOYEE)},
        {KIND(STAFF), -1},
        {KIND(STAFF) + 1, -1},
        {-1, -1},
        {0x7fffffff, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__SignUpRegularRequest request = right_request();
        User__V1__User__Kind kind = KIND(KIND_UNSPECIFIED);
        request.kind = (User__V1__User__Kind)cases[i].chosen;
        mesh_error_clear(&err);
        mesh_code code = user_check_sign_up_regular(&request, &kind, &err);
        if (cases[i].kind < 0) {
            assert_int_equal(code, MESH_INVALID_ARGUMENT);
            assert_string_equal(violated_fields(&err), "kind");
            assert_int_equal(kind, KIND(KIND_UNSPECIFIED));
        } else {
            assert_int_equal(code, MESH_OK);
            assert_int_equal(kind, cases[i].kind);
        }
    }
}

/* S0.1, S2.1: what a caller could write into a sign-up is this, and nothing else. */
static void a_sign_up_has_no_field_for_a_role_level_or_group(void **state)
{
    (void)state;
    static const char *const fields[] = {"username", "email",      "password",
                                         "kind",     "first_name", "last_name"};
    const ProtobufCMessageDescriptor *message = &user__v1__sign_up_regular_request__descriptor;
    assert_int_equal(message->n_fields, sizeof fields / sizeof fields[0]);
    for (size_t i = 0; i < message->n_fields; i++)
        assert_string_equal(message->fields[i].name, fields[i]);
}

/* S2.1: an account of the barber shop has names and needs no e-mail. */
static void what_must_be_given_depends_on_the_kind(void **state)
{
    (void)state;
    static const struct {
        int kind;
        const char *mistakes;
    } cases[] = {
        {KIND(CONSUMER), "email"},
        {KIND(CUSTOMER), "first_name, last_name"},
        {KIND(EMPLOYEE), "first_name, last_name"},
        {KIND(STAFF), "email, kind"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__SignUpRegularRequest request = right_request();
        request.kind = (User__V1__User__Kind)cases[i].kind;
        request.email = request.first_name = request.last_name = (char *)"";
        assert_string_equal(mistakes(&request), cases[i].mistakes);
    }
    User__V1__SignUpRegularRequest request = right_request();
    request.kind = KIND(CUSTOMER);
    request.email = (char *)"not one";
    assert_string_equal(mistakes(&request), "email");
}

static void names_are_text_of_up_to_100_characters(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool right;
    } cases[] = {
        {LETTERS_50 LETTERS_50, true},
        {LETTERS_50 LETTERS_50 "x", false},
        {"O'Neill; DROP TABLE users; --", true},
        {"Zo\xc3\xab \xe5\xb1\xb1", true},
        {" ", false},
        {"\u00A0\u200B", false}, /* nothing to see */
        {"\u202Enimda", false},  /* shows as "admin" */
        {"a\nb", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__SignUpRegularRequest request = right_request();
        request.kind = KIND(CUSTOMER);
        request.first_name = (char *)cases[i].name;
        assert_string_equal(mistakes(&request), cases[i].right ? "" : "first_name");
        request = right_request();
        request.kind = KIND(EMPLOYEE);
        request.last_name = (char *)cases[i].name;
        assert_string_equal(mistakes(&request), cases[i].right ? "" : "last_name");
    }
}

static void every_mistake_is_told_at_once(void **state)
{
    (void)state;
    User__V1__SignUpRegularRequest request = USER__V1__SIGN_UP_REGULAR_REQUEST__INIT;
    request.kind = KIND(STAFF);
    request.first_name = request.last_name = (char *)"\x01";
    assert_string_equal(mistakes(&request),
                        "username, email, password, kind, first_name, last_name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_username_has_32_plain_characters_at_most),
        cmocka_unit_test(an_email_has_the_form_of_rfc_5321),
        cmocka_unit_test(a_password_has_8_to_128_bytes_of_any_kind),
        cmocka_unit_test(a_password_of_a_megabyte_is_refused),
        cmocka_unit_test(one_chooses_between_consumer_customer_and_employee_alone),
        cmocka_unit_test(a_sign_up_has_no_field_for_a_role_level_or_group),
        cmocka_unit_test(what_must_be_given_depends_on_the_kind),
        cmocka_unit_test(names_are_text_of_up_to_100_characters),
        cmocka_unit_test(every_mistake_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
