#include "services/user/admin.h"

#include <sodium.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/utf8.h"
#include "services/user/check.h"
#include "services/user/store.h"

/* The first line, without its end; one that does not fit is too long for a password anyway. False:
 * it is no text that could come with a call, so nobody could sign in with it. */
static bool read_password(FILE *input, char *password, size_t size)
{
    size_t length = 0;
    int one;
    setvbuf(input, NULL, _IONBF, 0); /* which would keep a copy */
    while (length < size - 1 && (one = getc(input)) != EOF && one != '\n')
        password[length++] = (char)one;
    if (length > 0 && password[length - 1] == '\r')
        length--;
    password[length] = '\0';
    return mesh_utf8_is_text((const uint8_t *)password, length);
}

static mesh_code check(const char *username, const char *email, const char *password, bool text,
                       mesh_error *err)
{
    mesh_check check = {.err = err};
    user_check_username(&check, username);
    user_check_email(&check, email);
    if (text)
        user_check_password(&check, "password", password);
    else
        mesh_check_fail(&check, "password", "must be UTF-8 without a NUL character");
    return check.code;
}

mesh_code user_create_admin(const user_service *service, const char *username, const char *email,
                            FILE *input, FILE *output, mesh_error *err)
{
    char password[USER_PASSWORD_MAX + 3]; /* one too many, the line's end and the NUL */
    char hash[USER_HASH_BYTES];
    bool text = read_password(input, password, sizeof password);
    mesh_code code = check(username, email, password, text, err);
    if (code == MESH_OK) /* without a turn: nobody else is there */
        code = user_password_hash(service->passwords, password, hash, err);
    sodium_memzero(password, sizeof password); /* also what is behind a NUL */
    if (code != MESH_OK)
        return code;

    User__V1__User admin = USER__V1__USER__INIT;
    const user_account account = {.username = username,
                                  .email = email,
                                  .password_hash = hash,
                                  .kind = USER__V1__USER__KIND__STAFF,
                                  .role = USER__V1__ROLE__ADMIN,
                                  .first_name = "",
                                  .last_name = ""};
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
