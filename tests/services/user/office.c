#include "tests/services/user/office.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/uuid.h"
#include "mesh/db/migrate.h"
#include "mesh/events/feed.h"
#include "services/user/store.h"
#include "services/user/user_migrations.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/key_file.h"
#include "tests/services/serve.h"
#include "user/v1/events.mesh.h"

office the_office;

static serve here;
static mesh_events *publisher;
static mesh_feed *listener; /* and no consumer, which would drop a version that comes again */

/* --- what is heard ---------------------------------------------------------------------------- */

enum {
    HEARD_MAX = 2048
};

typedef struct heard {
    char user_id[MESH_UUID_TEXT_BYTES];
    int64_t version;
    char what[256];
} heard;

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static heard all_heard[HEARD_MAX]; /* guarded by mu, as is the next one */
static size_t heard_count;

static void describe(char *text, size_t size, const User__V1__User *user)
{
    const User__V1__Role last = user->roles[user->n_roles - 1];
    size_t used = (size_t)snprintf(text, size, " %s", user__v1__role__name(last));
    for (size_t i = 0; i < user->n_groups && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, " in %s", user->groups[i]);
    if (used < size)
        snprintf(text + used, size - used, "%s%s", user->banned ? " banned" : "",
                 user->confirmed ? "" : " unconfirmed");
}

static mesh_code hear(const char *what, const char *user_id, int64_t version,
                      const User__V1__User *user)
{
    char state[160] = "";
    if (user != NULL)
        describe(state, sizeof state, user);
    pthread_mutex_lock(&mu);
    if (heard_count < HEARD_MAX) {
        heard *one = &all_heard[heard_count++];
        one->version = version;
        snprintf(one->user_id, sizeof one->user_id, "%s", user_id);
        snprintf(one->what, sizeof one->what, "%s %d%s", what, (int)version, state);
        if (user != NULL && (user->version != version || strcmp(user->id, user_id) != 0))
            snprintf(one->what, sizeof one->what, "an event that contradicts itself");
    }
    pthread_mutex_unlock(&mu);
    return MESH_OK;
}

#define HANDLER(name, type)                                                      \
    static mesh_code on_##name(void *self, const mesh_event *meta,               \
                               const ProtobufCMessage *message, mesh_error *err) \
    {                                                                            \
        const type *event = (const type *)message;                               \
        (void)self;                                                              \
        (void)meta;                                                              \
        (void)err;                                                               \
        return hear(#name, event->user_id, event->version, event->user);         \
    }

HANDLER(created, User__V1__UserCreated)
HANDLER(updated, User__V1__UserUpdated)
HANDLER(banned, User__V1__UserBanned)
HANDLER(unbanned, User__V1__UserUnbanned)

static mesh_code on_deleted(void *self, const mesh_event *meta, const ProtobufCMessage *message,
                            mesh_error *err)
{
    const User__V1__UserDeleted *event = (const User__V1__UserDeleted *)message;
    (void)self;
    (void)meta;
    (void)err;
    return hear(event->delete_time != NULL ? "deleted" : "deleted at no time", event->user_id,
                event->version, NULL);
}

static int by_version(const void *one, const void *other)
{
    const heard *a = one, *b = other;
    return (a->version > b->version) - (a->version < b->version);
}

/* The events of a user so far, copied and ordered. */
static size_t find_heard(const char *user_id, heard *found, size_t capacity)
{
    size_t count = 0;
    pthread_mutex_lock(&mu);
    for (size_t i = 0; i < heard_count && count < capacity; i++)
        if (strcmp(all_heard[i].user_id, user_id) == 0)
            found[count++] = all_heard[i];
    pthread_mutex_unlock(&mu);
    qsort(found, count, sizeof *found, by_version);
    return count;
}

static size_t count_added(const char *user_id)
{
    return strtoul(office_value(mesh_arena_printf(the_office.arena,
                                                  "SELECT count(*) FROM mesh_outbox"
                                                  " WHERE aggregate_id = '%s'",
                                                  user_id)),
                   NULL, 10);
}

const char *office_history(const char *user_id)
{
    const size_t count = count_added(user_id);
    heard *found = mesh_arena_calloc(the_office.arena, HEARD_MAX, sizeof *found);
    const char *history = "";
    size_t have;
    assert_non_null(found);
    WAIT_FOR((have = find_heard(user_id, found, HEARD_MAX)) >= count);
    for (size_t i = 0; i < have; i++)
        history = mesh_arena_printf(the_office.arena, "%s%s%s", history, i == 0 ? "" : ", ",
                                    found[i].what);
    return history;
}

/* --- around the tests ------------------------------------------------------------------------- */

static void migrate(mesh_db *db)
{
    mesh_error *err = &the_office.err;
    if (mesh_migrate(db, "mesh_events", mesh_events_migrations(), err) != MESH_OK ||
        mesh_migrate(db, "user", user_migrations, err) != MESH_OK)
        fail_msg("cannot migrate: %s", err->message);
}

static void start_publisher(mesh_db *db)
{
    const mesh_events_options options = {.url = nats_url(), .service = "user", .db = db};
    mesh_error *err = &the_office.err;
    assert_int_equal(mesh_events_create(&options, &publisher, err), MESH_OK);
    assert_int_equal(mesh_events_start(publisher, err), MESH_OK);
    WAIT_FOR(mesh_events_ready(publisher, err) == MESH_OK);
}

static void start_listener(void)
{
    const mesh_feed_event events[] = {{&user__v1__user_created__event, on_created},
                                      {&user__v1__user_updated__event, on_updated},
                                      {&user__v1__user_banned__event, on_banned},
                                      {&user__v1__user_unbanned__event, on_unbanned},
                                      {&user__v1__user_deleted__event, on_deleted},
                                      {NULL, NULL}};
    const mesh_feed_options options = {
        .url = nats_url(), .service = "listener", .events = events, .since_ms = 60000};
    mesh_error *err = &the_office.err;
    assert_int_equal(mesh_feed_create(&options, &listener, err), MESH_OK);
    assert_int_equal(mesh_feed_start(listener, err), MESH_OK);
    WAIT_FOR(mesh_feed_ready(listener, err) == MESH_OK);
}

static void start_service(void)
{
    static char path[KEY_FILE_PATH_BYTES];
    const key_text key = key_file_key();
    const user_signer_options signing = {.keys_file = path, .lifetime_ms = 900000};
    const user_passwords_options hashing = {
        .memory_bytes = USER_HASH_MEMORY_MIN, .passes = USER_HASH_PASSES_MIN, .concurrency = 1};
    user_service *service = &the_office.service;
    mesh_error *err = &the_office.err;
    service->session_ms = 3600000;
    service->limits = (user_limits){
        .login_max = 100000, .address_max = 100000, .sign_up_max = 100000, .window_ms = 900000};
    key_file_path("user.keys", path);
    key_file_write(path, &key, 1);
    assert_int_equal(user_signer_create(&signing, &service->signer, err), MESH_OK);
    assert_int_equal(user_passwords_create(&hashing, &service->passwords, err), MESH_OK);
}

int office_setup(void **state)
{
    static const mesh_interceptor open_door = {.name = "open door", .authorizes = true};
    user_service *service = &the_office.service;
    if (servers_setup(state) != 0)
        return -1;
    service->db = postgres_open("office", &(mesh_db_options){.pool_max = 12});
    migrate(service->db);
    start_publisher(service->db);
    start_listener();
    start_service();
    serve_start_with(&here, user__v1__user_service__api(&user_handlers, service), &open_door);
    the_office.channel = here.channel;
    return 0;
}

int office_teardown(void **state)
{
    user_service *service = &the_office.service;
    serve_stop(&here);
    while (!mesh_events_drain(publisher, 1000))
        continue;
    mesh_events_destroy(publisher);
    mesh_feed_destroy(listener);
    user_passwords_destroy(service->passwords);
    user_signer_destroy(service->signer);
    mesh_db_destroy(service->db);
    return servers_teardown(state);
}

int office_begin(void **state)
{
    (void)state;
    mesh_error_clear(&the_office.err);
    office_value("TRUNCATE users, profile, session, user_group, deleted_user, attempt");
    the_office.arena = mesh_arena_create(4096, 0);
    return the_office.arena == NULL;
}

int office_end(void **state)
{
    (void)state;
    mesh_arena_destroy(the_office.arena);
    return 0;
}

/* --- what tests do ---------------------------------------------------------------------------- */

const mesh_call_options *office_call(void)
{
    static mesh_call_options options;
    options = (mesh_call_options){.arena = the_office.arena};
    mesh_error_clear(&the_office.err);
    return &options;
}

const char *office_add(const char *username, User__V1__User__Kind kind, User__V1__Role role)
{
    const user_scope scope = {
        .db = the_office.service.db, .arena = the_office.arena, .deadline_ns = MESH_NO_DEADLINE};
    const user_account account = {.username = username,
                                  .email = mesh_arena_printf(scope.arena, "%s@a.example", username),
                                  .password_hash = "",
                                  .kind = kind,
                                  .role = role,
                                  .first_name = "Ada",
                                  .last_name = "Lovelace"};
    User__V1__User user = USER__V1__USER__INIT;
    if (user_store_add(&scope, &account, &user, &the_office.err) != MESH_OK)
        fail_msg("cannot add %s: %s", username, the_office.err.message);
    return user.id;
}

const char *office_value(const char *sql)
{
    return postgres_value(the_office.service.db, sql);
}
