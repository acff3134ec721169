#include "services/user/guess.h"

#include <inttypes.h>

#include "mesh/base/address.h"
#include "services/user/attempt_store.h"

const char *user_guess_of_user(mesh_arena *arena, const char *user_id)
{
    return mesh_arena_printf(arena, "user %s", user_id);
}

const char *user_guess_of_login(mesh_arena *arena, const char *login, bool staff)
{
    return mesh_arena_printf(arena, "%s %s", staff ? "staff" : "regular", login);
}

const char *user_address_of(mesh_call *call)
{
    const mesh_network network = mesh_network_parse(mesh_call_peer(call)->address);
    return mesh_arena_printf(mesh_call_arena(call), "%d %" PRIx64, network.family, network.bits);
}

user_waiter *user_waiter_of(mesh_call *call, const char *login)
{
    user_waiter *waiter = mesh_arena_calloc(mesh_call_arena(call), 1, sizeof *waiter);
    if (waiter == NULL)
        return NULL;
    waiter->login = login;
    waiter->address = user_address_of(call);
    return waiter;
}

/* In its turn. */
static mesh_code try(const user_service *service, mesh_call *call, user_attempt *attempt,
                     const user_guess *guess, char *hash, mesh_error *err)
{
    bool right = false, outdated = false;
    mesh_code code = user_attempt_begin(attempt, NULL, mesh_call_deadline_ns(call), err);
    if (code != MESH_OK)
        return code;
    code = user_password_verify(service->passwords, guess->password, guess->known, &right,
                                &outdated, err);
    const mesh_code ended = user_attempt_end(attempt,
                                             code != MESH_OK ? USER_ATTEMPT_UNKNOWN
                                             : right         ? USER_ATTEMPT_SUCCEEDED
                                                             : USER_ATTEMPT_FAILED,
                                             code == MESH_OK ? err : NULL);
    if (code == MESH_OK)
        code = ended;
    if (code != MESH_OK)
        return code;
    if (!right)
        return user_wrong_credentials(err);
    if (guess->next != NULL)
        return user_password_hash(service->passwords, guess->next, hash, err);
    return outdated ? user_password_hash(service->passwords, guess->password, hash, err) : MESH_OK;
}

mesh_code user_guess_try(const user_service *service, mesh_call *call, const user_guess *guess,
                         char hash[USER_HASH_BYTES], mesh_error *err)
{
    user_waiter *waiter = user_waiter_of(call, guess->whose);
    user_attempt attempt = user_attempt_at_password(service, guess->whose, user_address_of(call));
    hash[0] = '\0';

    /* 1. Who has failed too often does not get to try. */
    mesh_code code = user_attempt_check(&attempt, NULL, mesh_call_deadline_ns(call), err);

    /* 2. It is an attempt once it is our turn, and not before: who is sent away has tried nothing.
     */
    if (code == MESH_OK)
        code = user_password_turn_take(service->passwords, USER_HASH_KNOWN, call, waiter, err);
    if (code != MESH_OK)
        return code;
    code = try(service, call, &attempt, guess, hash, err);
    user_turn_end(waiter);
    return code;
}
