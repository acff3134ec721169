#include "services/user/attempt_store.h"

#include "mesh/base/clock.h"

/* As in migrations/. Whatever locks several of an attempt's rows locks them in this order. */
enum {
    OF_LOGIN = 1,
    OF_ADDRESS,
    OF_SIGN_UPS,
    OF_CHANGES
};

enum {
    MOMENT_MS = 1000 /* by then what goes on has ended */
};

#define DIGEST(count) \
    MESH_SQL_BYTES((count)->kind != 0 ? (count)->digest : NULL, sizeof(count)->digest)
#define COUNT(count) MESH_SQL_INT((count)->kind), DIGEST(count), MESH_SQL_INT((count)->max)

static user_count count_of(const user_service *service, int64_t kind, const char *whose,
                           int64_t max)
{
    user_count count = {.kind = kind, .max = max};
    user_signer_digest(service->signer, whose, count.digest);
    return count;
}

user_attempt user_attempt_at_password(const user_service *service, const char *login,
                                      const char *address)
{
    return (user_attempt){
        .service = service,
        .refusal = "too many passwords were wrong",
        .counts = {count_of(service, OF_LOGIN, login, service->limits.login_max),
                   count_of(service, OF_ADDRESS, address, service->limits.address_max)}};
}

user_attempt user_attempt_to_sign_up(const user_service *service, const char *address)
{
    return (user_attempt){
        .service = service,
        .refusal = "too many sign-ups from one address",
        .counts = {count_of(service, OF_SIGN_UPS, address, service->limits.sign_up_max)}};
}

user_attempt user_attempt_to_change(const user_service *service, const char *user_id)
{
    return (user_attempt){
        .service = service,
        .refusal = "too many changes of one account",
        .counts = {count_of(service, OF_CHANGES, user_id, service->limits.change_max)}};
}

static mesh_code refuse(const user_attempt *attempt, int64_t wait_ms, mesh_error *err)
{
    user__v1__error_reason__set(err, MESH_RESOURCE_EXHAUSTED,
                                USER__V1__ERROR_REASON__TOO_MANY_ATTEMPTS, "%s", attempt->refusal);
    mesh_error_retry_after(err, wait_ms);
    return MESH_RESOURCE_EXHAUSTED;
}

/* Statements of a transaction that goes on, or each of its own: *own is to be rolled back then. */
static mesh_code enter(const user_attempt *attempt, mesh_tx **tx, int64_t deadline_ns,
                       mesh_tx **own, mesh_error *err)
{
    const mesh_tx_options options = {.autocommit = true, .deadline_ns = deadline_ns};
    *own = NULL;
    if (*tx != NULL)
        return MESH_OK;
    mesh_code code = mesh_tx_begin(attempt->service->db, &options, own, err);
    *tx = *own;
    return code;
}

mesh_code user_attempt_check(const user_attempt *attempt, mesh_tx *tx, int64_t deadline_ns,
                             mesh_error *err)
{
    static const char SQL[] =
        "SELECT (extract(epoch FROM max(end_time) - now()) * 1000)::bigint FROM attempt"
        " WHERE end_time > now() AND ((kind = $1 AND digest = $2 AND count - going >= $3)"
        "  OR (kind = $4 AND digest = $5 AND count - going >= $6))";
    const user_count *counts = attempt->counts;
    mesh_tx *own;
    mesh_rows *rows;
    mesh_code code = enter(attempt, &tx, deadline_ns, &own, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, SQL, MESH_SQL_PARAMS(COUNT(&counts[0]), COUNT(&counts[1])), &rows,
                             NULL, err);
    if (code == MESH_OK && !mesh_rows_is_null(rows, 0, 0))
        code = refuse(attempt, mesh_rows_int(rows, 0, 0) + 1, err);
    mesh_tx_rollback(own);
    return code;
}

/* Each is a transaction of its own, so that whoever has one row waits for no other. A success takes
 * all back but what goes on, where it is the login's, and itself where it is the address's. */
static mesh_code end(const user_attempt *attempt, mesh_tx *tx, user_attempt_result result,
                     mesh_error *err)
{
    static const char SQL[] = "UPDATE attempt SET going = going - 1,"
                              "  count = CASE WHEN $4 THEN going - 1 ELSE count - $5 END"
                              " WHERE kind = $1 AND digest = $2 AND end_time = $3";
    const bool right = result == USER_ATTEMPT_SUCCEEDED;
    mesh_code code = MESH_OK;
    for (size_t i = 0; i < 2 && code == MESH_OK; i++) {
        const user_count *count = &attempt->counts[i];
        if (count->end_ns != 0)
            code = mesh_tx_query(tx, SQL,
                                 MESH_SQL_PARAMS(MESH_SQL_INT(count->kind), DIGEST(count),
                                                 MESH_SQL_TIME(count->end_ns),
                                                 MESH_SQL_BOOL(right && count->kind == OF_LOGIN),
                                                 MESH_SQL_INT(result != USER_ATTEMPT_FAILED)),
                                 NULL, NULL, err);
    }
    return code;
}

mesh_code user_attempt_begin(user_attempt *attempt, mesh_tx *tx, int64_t deadline_ns,
                             mesh_error *err)
{
    /* A row whose window has passed begins another one. */
    static const char SQL[] =
        "INSERT INTO attempt AS a (kind, digest, count, going, end_time)"
        " SELECT kind, digest, 1, $8::integer, now() + $7 * interval '1 millisecond'"
        " FROM (VALUES ($1::smallint, $2::bytea), ($4::smallint, $5::bytea)) v (kind, digest)"
        " WHERE kind <> 0"
        " ON CONFLICT (kind, digest) DO UPDATE SET"
        "  count = CASE WHEN a.end_time > now() THEN a.count + 1 ELSE 1 END,"
        "  going = CASE WHEN a.end_time > now() THEN a.going + $8 ELSE $8 END,"
        "  end_time = CASE WHEN a.end_time > now() THEN a.end_time ELSE excluded.end_time END"
        " WHERE a.end_time <= now() OR a.count < CASE a.kind WHEN $1 THEN $3::integer ELSE $6 END"
        " RETURNING kind, end_time";
    user_count *counts = attempt->counts;
    const size_t wanted = 1 + (counts[1].kind != 0);
    size_t counted = 0;
    mesh_tx *own;
    mesh_rows *rows;
    counts[0].end_ns = counts[1].end_ns = 0;
    mesh_code code = enter(attempt, &tx, deadline_ns, &own, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, SQL,
                             MESH_SQL_PARAMS(COUNT(&counts[0]), COUNT(&counts[1]),
                                             MESH_SQL_INT(attempt->service->limits.window_ms),
                                             MESH_SQL_INT(counts[0].kind == OF_LOGIN)),
                             &rows, NULL, err);
    if (code == MESH_OK)
        counted = mesh_rows_count(rows);
    for (size_t i = 0; i < counted; i++)
        counts[mesh_rows_int(rows, i, 0) != counts[0].kind].end_ns = mesh_rows_time(rows, i, 1);
    if (code == MESH_OK && counted < wanted)
        code = end(attempt, tx, USER_ATTEMPT_UNKNOWN, err);
    if (code == MESH_OK && counted < wanted)
        code = refuse(attempt, MOMENT_MS, err);
    mesh_tx_rollback(own);
    return code;
}

mesh_code user_attempt_end(const user_attempt *attempt, user_attempt_result result, mesh_error *err)
{
    mesh_tx *tx = NULL, *own;
    mesh_code code = enter(attempt, &tx, MESH_NO_DEADLINE, &own, err);
    if (code == MESH_OK)
        code = end(attempt, tx, result, err);
    mesh_tx_rollback(own);
    return code;
}
