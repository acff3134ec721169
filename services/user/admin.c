#include "services/user/admin.h"

#include <string.h>

#include "mesh/base/clock.h"
#include "services/user/check.h"
#include "services/user/store.h"

/* The first line, without its end; one that does not fit is too long for a password anyway. */
static void read_password(FILE *input, char *password, int size)
{
    setvbuf(input, NULL, _IONBF, 0); /* which would keep a copy */
    if (fgets(password, size, input) == NULL)
        password[0] = '\0';
    password[strcspn(password, "\r\n")] = '\0';
}

static mesh_code check(const char *username, const char *email, const char *password,
                       mesh_error *err)
{
    mesh_check check = {.err = err};
    user_check_username(&check, username);
    user_check_email(&check, email);
    user_check_password(&check, password);
    return check.code;
}

mesh_code user_create_admin(const user_service *service, const char *username, const char *email,
                            FILE *input, FILE *output, mesh_error *err)
{
    char password[USER_PASSWORD_MAX + 3]; /* one too many, the line's end and the NUL */
    char hash[USER_HASH_BYTES];
    read_password(input, password, sizeof password);
    mesh_code code = check(username, email, password, err);
    if (code == MESH_OK)
        code = user_password_hash(service->passwords, password, MESH_NO_DEADLINE, hash, err);
    user_password_wipe(password);
    if (code != MESH_OK)
        return code;

    User__V1__User admin = USER__V1__USER__INIT;
    const user_account account = {.username = username,
                                  .email = email,
                                  .password_hash = hash,
                                  .kind = USER__V1__USER__KIND__STAFF,
                                  .role = USER__V1__ROLE__ADMIN,
                                  .first_name = "",
                                  .last_name = "",
                                  .group = "admins"};
    const user_scope scope = {
        .db = service->db, .arena = mesh_arena_create(1024, 0), .deadline_ns = MESH_NO_DEADLINE};
    if (scope.arena == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    code = user_store_add(&scope, &account, &admin, err);
    if (code == MESH_OK)
        fprintf(output, "admin %s %s\n", admin.username, admin.id);
    mesh_arena_destroy(scope.arena);
    return code;
}
