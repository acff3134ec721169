#include "services/user/check.h"

#include <stdio.h>
#include <string.h>

enum {
    LABEL_MAX = 63, /* of a domain's name: RFC 1035, 2.3.4 */
    LABELS_MIN = 2
};

static const char LETTERS_AND_DIGITS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* RFC 5321, 4.1.2: Dot-string. */
static bool is_local_part(const char *text, size_t size)
{
    bool after_dot = true;
    for (size_t i = 0; i < size; i++) {
        bool dot = text[i] == '.';
        if (dot ? after_dot
                : strchr(LETTERS_AND_DIGITS, text[i]) == NULL &&
                      strchr("!#$%&'*+-/=?^_`{|}~", text[i]) == NULL)
            return false;
        after_dot = dot;
    }
    return size <= USER_EMAIL_LOCAL_MAX && !after_dot;
}

static bool is_label(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (strchr(LETTERS_AND_DIGITS, text[i]) == NULL && text[i] != '-')
            return false;
    return size >= 1 && size <= LABEL_MAX && text[0] != '-' && text[size - 1] != '-';
}

static bool is_domain(const char *text)
{
    size_t labels = 0;
    while (true) {
        size_t size = strcspn(text, ".");
        if (!is_label(text, size))
            return false;
        labels++;
        if (text[size] == '\0')
            return labels >= LABELS_MIN;
        text += size + 1;
    }
}

void user_check_username(mesh_check *check, const char *username)
{
    mesh_check_id(check, "username", username, USER_USERNAME_MAX);
}

void user_check_email(mesh_check *check, const char *email)
{
    const char *at = strchr(email, '@');
    bool right = at != NULL && strnlen(email, USER_EMAIL_MAX + 1) <= USER_EMAIL_MAX &&
                 is_local_part(email, (size_t)(at - email)) && is_domain(at + 1);
    mesh_check_that(check, right, "email", "must be an e-mail address, like name@example.com");
}

void user_check_password(mesh_check *check, const char *field, const char *password)
{
    size_t size = strnlen(password, USER_PASSWORD_MAX + 1);
    if (size < USER_PASSWORD_MIN || size > USER_PASSWORD_MAX)
        mesh_check_fail(check, field, "must have %d to %d bytes", USER_PASSWORD_MIN,
                        USER_PASSWORD_MAX);
}

/* One that somebody has, and that may be older than our limits. */
static void check_known_password(mesh_check *check, const char *field, const char *password)
{
    size_t size = strnlen(password, USER_PASSWORD_MAX + 1);
    if (size < 1 || size > USER_PASSWORD_MAX)
        mesh_check_fail(check, field, "must have 1 to %d bytes", USER_PASSWORD_MAX);
}

/* The kind that was chosen; UNSPECIFIED when nobody may choose that. */
static User__V1__User__Kind chosen_kind(const User__V1__SignUpRegularRequest *request)
{
    switch (request->kind) {
    case USER__V1__USER__KIND__KIND_UNSPECIFIED:
    case USER__V1__USER__KIND__CONSUMER:
        return USER__V1__USER__KIND__CONSUMER;
    case USER__V1__USER__KIND__CUSTOMER:
    case USER__V1__USER__KIND__EMPLOYEE:
        return request->kind;
    default:
        return USER__V1__USER__KIND__KIND_UNSPECIFIED;
    }
}

/* Who is looked for by name, and need not have an e-mail. */
static bool is_listed(User__V1__User__Kind kind)
{
    return kind == USER__V1__USER__KIND__CUSTOMER || kind == USER__V1__USER__KIND__EMPLOYEE;
}

mesh_code user_check_sign_up_regular(const User__V1__SignUpRegularRequest *request,
                                     User__V1__User__Kind *kind, mesh_error *err)
{
    mesh_check check = {.err = err};
    User__V1__User__Kind chosen = chosen_kind(request);
    bool listed = is_listed(chosen);
    user_check_username(&check, request->username);
    if (request->email[0] != '\0' || !listed)
        user_check_email(&check, request->email);
    user_check_password(&check, "password", request->password);
    mesh_check_that(&check, chosen != USER__V1__USER__KIND__KIND_UNSPECIFIED, "kind",
                    "must be CONSUMER, CUSTOMER or EMPLOYEE");
    mesh_check_text(&check, "first_name", request->first_name, listed, USER_NAME_MAX);
    mesh_check_text(&check, "last_name", request->last_name, listed, USER_NAME_MAX);
    if (check.code == MESH_OK)
        *kind = chosen;
    return check.code;
}

mesh_code user_check_sign_up_staff(const User__V1__SignUpStaffRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    user_check_username(&check, request->username);
    user_check_email(&check, request->email);
    user_check_password(&check, "password", request->password);
    mesh_check_text(&check, "first_name", request->first_name, 1, USER_NAME_MAX);
    mesh_check_text(&check, "last_name", request->last_name, 1, USER_NAME_MAX);
    return check.code;
}

mesh_code user_check_update(const User__V1__UpdateUserRequest *request, User__V1__User__Kind kind,
                            mesh_error *err)
{
    mesh_check check = {.err = err};
    bool named = kind != USER__V1__USER__KIND__CONSUMER;
    if (request->email != NULL && (request->email[0] != '\0' || !is_listed(kind)))
        user_check_email(&check, request->email);
    if (request->first_name != NULL)
        mesh_check_text(&check, "first_name", request->first_name, named, USER_NAME_MAX);
    if (request->last_name != NULL)
        mesh_check_text(&check, "last_name", request->last_name, named, USER_NAME_MAX);
    return check.code;
}

mesh_code user_check_change_password(const User__V1__ChangePasswordRequest *request,
                                     mesh_error *err)
{
    mesh_check check = {.err = err};
    check_known_password(&check, "old_password", request->old_password);
    user_check_password(&check, "new_password", request->new_password);
    mesh_check_that(&check, strcmp(request->old_password, request->new_password) != 0,
                    "new_password", "must not be the old password");
    return check.code;
}

mesh_code user_check_sign_in(const User__V1__SignInRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    size_t login = strnlen(request->login, USER_LOGIN_MAX + 1);
    if (login < 1 || login > USER_LOGIN_MAX)
        mesh_check_fail(&check, "login", "must have 1 to %d bytes", USER_LOGIN_MAX);
    check_known_password(&check, "password", request->password);
    return check.code;
}

/* What users' ids are beyond that is nobody's business: one that cannot be any is of no user. */
static void check_id(mesh_check *check, const char *user_id)
{
    const size_t size = strnlen(user_id, USER_ID_MAX + 1);
    if (size < 1 || size > USER_ID_MAX)
        mesh_check_fail(check, "user_id", "must have 1 to %d bytes", USER_ID_MAX);
}

mesh_code user_check_id(const char *user_id, mesh_error *err)
{
    mesh_check check = {.err = err};
    check_id(&check, user_id);
    return check.code;
}

mesh_code user_check_role(const User__V1__ChangeRoleRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    check_id(&check, request->user_id);
    mesh_check_that(
        &check, request->role == USER__V1__ROLE__CONSUMER || request->role == USER__V1__ROLE__PRO,
        "role", "must be CONSUMER or PRO");
    return check.code;
}

mesh_code user_check_level(const User__V1__ChangeLevelRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    check_id(&check, request->user_id);
    mesh_check_that(&check,
                    request->level == USER__V1__ROLE__ADMIN ||
                        request->level == USER__V1__ROLE__LEVEL2 ||
                        request->level == USER__V1__ROLE__LEVEL1,
                    "level", "must be ADMIN, LEVEL2 or LEVEL1");
    return check.code;
}

mesh_code user_check_groups(const User__V1__ChangeGroupsRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    check_id(&check, request->user_id);
    if (request->n_groups > USER_GROUPS_MAX)
        mesh_check_fail(&check, "groups", "must be %d names at most", USER_GROUPS_MAX);
    for (size_t i = 0; i < request->n_groups && i < USER_GROUPS_MAX; i++) {
        char field[32];
        snprintf(field, sizeof field, "groups[%zu]", i);
        mesh_check_text(&check, field, request->groups[i], 1, USER_GROUP_MAX);
    }
    return check.code;
}

static bool is_permission(const char *text)
{
    const ProtobufCEnumDescriptor *all = &user__v1__permission__descriptor;
    for (unsigned i = 0; i < all->n_values; i++) {
        const char *name = user__v1__permission__name((User__V1__Permission)all->values[i].value);
        if (name != NULL && strcmp(name, text) == 0)
            return true;
    }
    return false;
}

mesh_code user_check_permission(const User__V1__CheckPermissionRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    check_id(&check, request->user_id);
    mesh_check_that(&check, is_permission(request->permission), "permission",
                    "must be a permission, like product.write");
    return check.code;
}
