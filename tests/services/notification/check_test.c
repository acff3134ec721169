#include "services/notification/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/notification/feed.h"
#include "services/notification/store.h"
#include "tests/services/violations.h"

#define ID "0190a000-0000-7000-8000-000000000001"

static int make_arena(void **state)
{
    *state = mesh_arena_create(65536, 0);
    return *state == NULL;
}

static int free_arena(void **state)
{
    mesh_arena_destroy(*state);
    return 0;
}

static void a_page_token_belongs_to_its_filter(void **state)
{
    Notification__V1__ListNotificationsRequest request =
        NOTIFICATION__V1__LIST_NOTIFICATIONS_REQUEST__INIT;
    mesh_page page;
    for (int made_unread = 0; made_unread < 2; made_unread++)
        for (int asked_unread = 0; asked_unread < 2; asked_unread++) {
            mesh_error err;
            mesh_error_clear(&err);
            request.page_token = notification_page_token(*state, made_unread != 0, ID);
            request.unread_only = asked_unread;
            mesh_code code = notification_check_list(&request, &page, &err);
            if (made_unread == asked_unread) {
                assert_int_equal(code, MESH_OK);
                assert_string_equal(page.after, ID);
            } else {
                assert_int_equal(code, MESH_INVALID_ARGUMENT);
                assert_string_equal(violated_fields(&err), "page_token");
            }
        }
}

static void a_page_token_belongs_to_its_user(void **state)
{
    Notification__V1__ListUserNotificationsRequest request =
        NOTIFICATION__V1__LIST_USER_NOTIFICATIONS_REQUEST__INIT;
    mesh_page page;
    mesh_error err;
    mesh_error_clear(&err);
    request.user_id = (char *)"ada";
    request.page_token = notification_user_page_token(*state, "ada", ID);
    assert_int_equal(notification_check_list_user(&request, &page, &err), MESH_OK);
    assert_string_equal(page.after, ID);
    request.user_id = (char *)"bob";
    assert_int_equal(notification_check_list_user(&request, &page, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "page_token");
    mesh_error_clear(&err);
    request.page_token = notification_page_token(*state, false, ID);
    assert_int_equal(notification_check_list_user(&request, &page, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "page_token");
}

static char *repeat(mesh_arena *arena, const char *text, size_t count)
{
    char *all = mesh_arena_printf(arena, "%s", "");
    for (size_t i = 0; i < count; i++)
        all = mesh_arena_printf(arena, "%s%s", all, text);
    return all;
}

static void every_mistake_of_what_is_sent_is_named(void **state)
{
    char *const user = repeat(*state, "u", NOTIFICATION_USER_ID_MAX);
    char *const long_user = repeat(*state, "u", NOTIFICATION_USER_ID_MAX + 1);
    char *const text = repeat(*state, "ü", NOTIFICATION_TEXT_MAX);
    char *const long_text = repeat(*state, "u", NOTIFICATION_TEXT_MAX + 1);
    const struct {
        const char *user_id, *text, *request_id, *violated;
    } cases[] = {
        {user, text, ID, ""},           {"u", "u", "", ""},
        {"", "u", "", "user_id"},       {long_user, "u", "", "user_id"},
        {"u", "", "", "text"},          {"u", " \t", "", "text"},
        {"u", "a\nb", "", "text"},      {"u", long_text, "", "text"},
        {"u", "u", "17", "request_id"}, {"", "", "17", "user_id, text, request_id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Notification__V1__SendNotificationRequest request =
            NOTIFICATION__V1__SEND_NOTIFICATION_REQUEST__INIT;
        mesh_error err;
        mesh_error_clear(&err);
        request.user_id = (char *)cases[i].user_id;
        request.text = (char *)cases[i].text;
        request.request_id = (char *)cases[i].request_id;
        bool right = cases[i].violated[0] == '\0';
        assert_int_equal(notification_check_send(&request, &err),
                         right ? MESH_OK : MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(&err), cases[i].violated);
    }
}

static void the_user_of_a_list_is_named(void **state)
{
    const char *const users[] = {"", repeat(*state, "u", NOTIFICATION_USER_ID_MAX + 1)};
    for (size_t i = 0; i < 2; i++) {
        Notification__V1__ListUserNotificationsRequest request =
            NOTIFICATION__V1__LIST_USER_NOTIFICATIONS_REQUEST__INIT;
        mesh_page page;
        mesh_error err;
        mesh_error_clear(&err);
        request.user_id = (char *)users[i];
        request.page_size = -1;
        assert_int_equal(notification_check_list_user(&request, &page, &err),
                         MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(&err), "user_id, page_size");
    }
}

static void a_watch_begins_now_or_behind_its_token(void **state)
{
    Notification__V1__WatchNotificationsRequest request =
        NOTIFICATION__V1__WATCH_NOTIFICATIONS_REQUEST__INIT;
    static const char *const ids[] = {ID, NOTIFICATION_NONE};
    char after[MESH_UUID_TEXT_BYTES] = "x";
    assert_int_equal(notification_check_watch(&request, after, NULL), MESH_OK);
    assert_string_equal(after, "");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        request.resume_token = notification_feed_token(*state, ids[i]);
        assert_int_equal(notification_check_watch(&request, after, NULL), MESH_OK);
        assert_string_equal(after, ids[i]);
    }
}

static void what_is_no_resume_token_is_refused(void **state)
{
    static const char SCOPE[] = "notification.v1.NotificationService/WatchNotifications";
    const char *const tokens[] = {
        "x",
        notification_page_token(*state, false, ID),
        mesh_page_token(*state, SCOPE, "17"),
        mesh_page_token(*state, SCOPE, ID "0"),
    };
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        Notification__V1__WatchNotificationsRequest request =
            NOTIFICATION__V1__WATCH_NOTIFICATIONS_REQUEST__INIT;
        char after[MESH_UUID_TEXT_BYTES];
        mesh_error err;
        mesh_error_clear(&err);
        request.resume_token = (char *)tokens[i];
        assert_int_equal(notification_check_watch(&request, after, &err), MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(&err), "resume_token");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_token_belongs_to_its_filter),
        cmocka_unit_test(a_page_token_belongs_to_its_user),
        cmocka_unit_test(every_mistake_of_what_is_sent_is_named),
        cmocka_unit_test(the_user_of_a_list_is_named),
        cmocka_unit_test(a_watch_begins_now_or_behind_its_token),
        cmocka_unit_test(what_is_no_resume_token_is_refused),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
