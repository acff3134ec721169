#include "services/notification/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/notification/feed.h"
#include "tests/services/violations.h"

static const char ID[] = "0190a000-0000-7000-8000-000000000001";

static int make_arena(void **state)
{
    *state = mesh_arena_create(1024, 0);
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

static void a_watch_begins_now_or_behind_its_token(void **state)
{
    Notification__V1__WatchNotificationsRequest request =
        NOTIFICATION__V1__WATCH_NOTIFICATIONS_REQUEST__INIT;
    static const int64_t positions[] = {0, 1, 4711, INT64_MAX};
    int64_t position = 7;
    assert_int_equal(notification_check_watch(&request, &position, NULL), MESH_OK);
    assert_int_equal(position, NOTIFICATION_FROM_NOW);
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        request.resume_token = notification_feed_token(*state, positions[i]);
        assert_int_equal(notification_check_watch(&request, &position, NULL), MESH_OK);
        assert_true(position == positions[i]);
    }
}

static void what_is_no_resume_token_is_refused(void **state)
{
    static const char SCOPE[] = "notification.v1.NotificationService/WatchNotifications";
    const char *const tokens[] = {
        "x",
        notification_page_token(*state, false, ID),
        mesh_page_token(*state, SCOPE, "-1"),
        mesh_page_token(*state, SCOPE, "1x"),
        mesh_page_token(*state, SCOPE, "9223372036854775808"),
    };
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        Notification__V1__WatchNotificationsRequest request =
            NOTIFICATION__V1__WATCH_NOTIFICATIONS_REQUEST__INIT;
        int64_t position;
        mesh_error err;
        mesh_error_clear(&err);
        request.resume_token = (char *)tokens[i];
        assert_int_equal(notification_check_watch(&request, &position, &err),
                         MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(&err), "resume_token");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_token_belongs_to_its_filter),
        cmocka_unit_test(a_watch_begins_now_or_behind_its_token),
        cmocka_unit_test(what_is_no_resume_token_is_refused),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
