/* The user service: people, their accounts and what they are. */
#include <inttypes.h>

#include "mesh/service.h"
#include "services/user/admin.h"
#include "services/user/user.h"
#include "services/user/user_migrations.h"
#include "user/v1/events.mesh.h"

static user_service user = {.limits.window_ms = 15 * 60 * 1000};
static user_passwords_options hashing;
static user_signer_options signing;

static const mesh_setting settings[] = {
    {.name = "USER_SIGNING_KEYS_FILE",
     .type = MESH_SETTING_STRING,
     .target = &signing.keys_file,
     .help = "file of private keys (a JSON Web Key Set, Ed25519): the first signs access tokens, "
             "those of all are believed; read again when it is replaced"},
    {.name = "USER_ACCESS_LIFETIME",
     .type = MESH_SETTING_DURATION,
     .target = &signing.lifetime_ms,
     .fallback = "15m",
     .min = 1000,
     .max = 3600000,
     .help = "how long an access token is valid"},
    {.name = "USER_SESSION_LIFETIME",
     .type = MESH_SETTING_DURATION,
     .target = &user.session_ms,
     .fallback = "720h",
     .min = 1000,
     .max = INT64_C(366) * 24 * 3600000,
     .help = "how long a session lasts that is not refreshed"},
    {.name = "USER_LOGIN_FAILURES",
     .type = MESH_SETTING_INTEGER,
     .target = &user.limits.login_max,
     .fallback = "10",
     .min = 1,
     .max = 1000000,
     .help =
         "wrong passwords for one login in 15 minutes; then it is refused for the rest of them"},
    {.name = "USER_ADDRESS_FAILURES",
     .type = MESH_SETTING_INTEGER,
     .target = &user.limits.address_max,
     .fallback = "100",
     .min = 1,
     .max = 1000000,
     .help = "the same from one address; a gateway is one"},
    {.name = "USER_ADDRESS_SIGN_UPS",
     .type = MESH_SETTING_INTEGER,
     .target = &user.limits.sign_up_max,
     .fallback = "50",
     .min = 1,
     .max = 1000000,
     .help = "accounts that one address may try to make in 15 minutes; a gateway is one"},
    {.name = "USER_CHANGES",
     .type = MESH_SETTING_INTEGER,
     .target = &user.limits.change_max,
     .fallback = "30",
     .min = 1,
     .max = 1000000,
     .help = "changes that a user may make to the own account in 15 minutes"},
    {.name = "USER_HASH_MEMORY",
     .type = MESH_SETTING_BYTES,
     .target = &hashing.memory_bytes,
     .fallback = "64MiB",
     .min = USER_HASH_MEMORY_MIN,
     .max = INT64_C(1) << 30,
     .help = "memory that hashing a password takes (argon2id)"},
    {.name = "USER_HASH_PASSES",
     .type = MESH_SETTING_INTEGER,
     .target = &hashing.passes,
     .fallback = "2",
     .min = USER_HASH_PASSES_MIN,
     .max = 100,
     .help = "how often hashing a password goes over that memory"},
    {.name = "USER_HASH_CONCURRENCY",
     .type = MESH_SETTING_INTEGER,
     .target = &hashing.concurrency,
     .fallback = "2",
     .min = 1,
     .max = 256,
     .help = "passwords hashed at once of those who sign in, and half as many of those who sign "
             "up; twice as many calls may wait for each, and some of MESH_WORKERS must be left"},
};

static mesh_code create_admin(void *self, mesh_app *app, const char *const *arguments,
                              mesh_error *err)
{
    (void)app;
    return user_create_admin(self, arguments[0], arguments[1], stdin, stdout, err);
}

static const mesh_command commands[] = {
    {.name = "create-admin",
     .arguments = "USERNAME EMAIL",
     .help = "makes an admin; the password is the first line of stdin",
     .run = create_admin},
    {0},
};

static void stop(void *self)
{
    user_service *service = self;
    user_passwords_destroy(service->passwords);
    user_signer_destroy(service->signer);
}

/* Workers are left for other calls, however many passwords come. */
static mesh_code check(void *self, int64_t workers, mesh_error *err)
{
    (void)self;
    const int64_t busy = user_hashes_at_once(hashing.concurrency, USER_HASH_USES) *
                         (1 + USER_HASH_WAITING);
    if (busy < workers)
        return MESH_OK;
    return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                          "USER_HASH_CONCURRENCY %" PRId64 " can keep %" PRId64
                          " workers busy, and MESH_WORKERS is %" PRId64
                          ": give MESH_WORKERS %" PRId64 " or more, or a smaller "
                          "USER_HASH_CONCURRENCY",
                          hashing.concurrency, busy, workers, busy + 1);
}

static mesh_code start(void *self, mesh_app *app, mesh_error *err)
{
    user_service *service = self;
    service->db = mesh_app_db(app);
    mesh_code code = user_signer_create(&signing, &service->signer, err);
    if (code != MESH_OK)
        mesh_error_prefix(err, "USER_SIGNING_KEYS_FILE");
    if (code == MESH_OK)
        code = user_passwords_create(&hashing, &service->passwords, err);
    if (code != MESH_OK)
        stop(service);
    return code;
}

int main(int argc, char **argv)
{
    return mesh_service_main(
        argc, argv,
        MESH_OPTIONS(mesh_service, .name = "user",
                     .apis = {user__v1__user_service__api(&user_handlers, &user)},
                     .migrations = user_migrations,
                     .publishes = {&user__v1__user_created__event, &user__v1__user_updated__event,
                                   &user__v1__user_banned__event, &user__v1__user_unbanned__event,
                                   &user__v1__user_deleted__event},
                     .settings = settings, .setting_count = sizeof settings / sizeof settings[0],
                     .on_start = start, .on_stop = stop, .self = &user, .commands = commands,
                     .on_check = check));
}
