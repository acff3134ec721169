/* The user service: people, their accounts and what they are. */
#include "mesh/service.h"
#include "services/user/admin.h"
#include "services/user/user.h"
#include "services/user/user_migrations.h"

static user_service user;
static user_passwords_options hashing;

static const mesh_setting settings[] = {
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
     .help = "passwords hashed at once; twice as many calls may wait for that, so three times "
             "as many of MESH_WORKERS may be busy with passwords"},
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

static mesh_code start(void *self, mesh_app *app, mesh_error *err)
{
    user_service *service = self;
    service->db = mesh_app_db(app);
    return user_passwords_create(&hashing, &service->passwords, err);
}

static void stop(void *self)
{
    user_service *service = self;
    user_passwords_destroy(service->passwords);
}

int main(int argc, char **argv)
{
    return mesh_service_main(
        argc, argv,
        MESH_OPTIONS(mesh_service, .name = "user",
                     .apis = {user__v1__user_service__api(&user_handlers, &user)},
                     .migrations = user_migrations, .events = true, .settings = settings,
                     .setting_count = sizeof settings / sizeof settings[0], .on_start = start,
                     .on_stop = stop, .self = &user, .commands = commands));
}
