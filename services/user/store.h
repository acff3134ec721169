/*
 * The users' tables. What is returned is allocated from the arena. `deadline_ns` is the call's
 * (CLOCK_MONOTONIC); each function returns mesh/db's codes when the database fails. Thread-safe.
 */
#ifndef SERVICES_USER_STORE_H
#define SERVICES_USER_STORE_H

#include "services/user/user.h"

/* What the store needs of a call. */
typedef struct user_scope {
    mesh_db *db;
    mesh_arena *arena;
    int64_t deadline_ns;
} user_scope;

/* An account to be made; borrowed. What is in it fits the contract's limits. */
typedef struct user_account {
    const char *username;
    const char *email; /* "": none */
    const char *password_hash;
    User__V1__User__Kind kind;
    User__V1__Role role; /* one that the kind may have, see migrations/ */
    const char *first_name, *last_name;
} user_account;

/*
 * Stores a new user, the profile and UserCreated, all or nothing, and fills `user`.
 * ALREADY_EXISTS: USERNAME_TAKEN or EMAIL_TAKEN.
 */
mesh_code user_store_add(const user_scope *scope, const user_account *account, User__V1__User *user,
                         mesh_error *err);

/* The user as it is. NOT_FOUND: USER_NOT_FOUND. */
mesh_code user_store_get(const user_scope *scope, const char *user_id, User__V1__User *user,
                         mesh_error *err);

/* NOT_FOUND: USER_NOT_FOUND, with the id as metadata. */
mesh_code user_not_found(const char *user_id, mesh_error *err);

/* ALREADY_EXISTS: the reason of the contract for the constraint that a statement broke. */
mesh_code user_taken(const char *constraint, mesh_error *err);

#endif
