#include "mesh/service/access.h"

#include <string.h>

#include "mesh/auth/authority.h"
#include "mesh/auth/explain.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/service/metrics.h"
#include "mesh/service/user_events.h"

enum {
    TOKEN_LIFE_MS = 60 * 60 * 1000, /* no token of a user lives longer */
    LATE_MS = 60 * 1000             /* clocks differ, and events take their time */
};

struct mesh_access {
    mesh_keys *keys, *service_keys;
    mesh_authority *authority;
    mesh_verifier *verifier, *service_verifier; /* the latter NULL: services have no tokens */
    mesh_users *users;
    mesh_permissions *permissions;
    mesh_guard *guard;
    mesh_explain *explain;
    mesh_feed *feed;
    mesh_user_events events;
    mesh_metrics *metrics; /* where the figures are shown; NULL: nowhere */
    uint64_t gaps;         /* of the feed, up to now; mesh_access_ready's, as the next */
    int64_t gap_ns;        /* when the last one was noticed; 0: there was none */
};

/* --- figures ---------------------------------------------------------------------------------- */

/* The order is that of read_figures. */
static const mesh_metric figures[] = {
    COUNTER("mesh_auth_permission_hits_total", "Checks of permissions answered by what was known."),
    COUNTER("mesh_auth_permission_misses_total", "Checks of permissions that were not."),
    COUNTER("mesh_auth_permission_loads_total", "Questions to the user service for permissions."),
    COUNTER("mesh_auth_permission_failures_total", "Of these, those that failed."),
    COUNTER("mesh_auth_permission_drops_total", "Known permissions dropped, as users changed."),
    COUNTER("mesh_auth_permission_evictions_total", "Known permissions that gave way to others."),
    GAUGE("mesh_auth_permissions", "Permissions that are known."),
    GAUGE("mesh_auth_permission_bytes", "Memory that these take."),
    GAUGE("mesh_auth_users", "Users who have changed since tokens were issued that may live."),
    COUNTER("mesh_auth_user_events_total", "Events of users that were heard."),
    COUNTER("mesh_auth_user_events_malformed_total", "Events of users that could not be read."),
};

static void read_figures(void *context, double *values)
{
    mesh_access *access = context;
    mesh_permissions_stats permissions;
    mesh_feed_stats feed;
    mesh_permissions_get_stats(access->permissions, &permissions);
    mesh_feed_get_stats(access->feed, &feed);
    *values++ = (double)permissions.hits;
    *values++ = (double)permissions.misses;
    *values++ = (double)permissions.loads;
    *values++ = (double)permissions.failures;
    *values++ = (double)permissions.drops;
    *values++ = (double)permissions.evictions;
    *values++ = (double)permissions.entries;
    *values++ = (double)permissions.bytes;
    *values++ = (double)mesh_users_count(access->users);
    *values++ = (double)feed.handled;
    *values++ = (double)feed.malformed;
}

static mesh_code show_figures(mesh_access *access, mesh_metrics *metrics, mesh_error *err)
{
    mesh_code code = mesh_metrics_read(metrics, figures, sizeof figures / sizeof figures[0],
                                       read_figures, access, err);
    if (code == MESH_OK)
        access->metrics = metrics;
    return code;
}

/* --- parts ------------------------------------------------------------------------------------ */

static mesh_code create_users_part(mesh_access *access, mesh_channel *users, mesh_error *err)
{
    mesh_code code = mesh_keys_create(&access->keys, err);
    if (code == MESH_OK)
        code = mesh_authority_create(
            MESH_OPTIONS(mesh_authority_options, .channel = users, .keys = access->keys,
                         .on_changed = mesh_user_events_take, .changed_ms = TOKEN_LIFE_MS + LATE_MS,
                         .self = &access->events),
            &access->authority, err);
    if (code == MESH_OK)
        code = mesh_verifier_create(
            MESH_OPTIONS(mesh_verifier_options, .keys = access->keys,
                         .issuer = MESH_CLAIMS_USER_ISSUER, .audience = MESH_CLAIMS_USER_AUDIENCE,
                         .max_lifetime_ms = TOKEN_LIFE_MS, .on_unknown_key = mesh_authority_ask,
                         .self = access->authority),
            &access->verifier, err);
    if (code == MESH_OK)
        code = mesh_permissions_create(
            &(mesh_permissions_options){.load = mesh_authority_load, .self = access->authority},
            &access->permissions, err);
    if (code != MESH_OK)
        return code;
    access->users = mesh_users_create(TOKEN_LIFE_MS + LATE_MS);
    return access->users != NULL ? MESH_OK
                                 : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
}

static mesh_code create_services_part(mesh_access *access, const char *name, const char *jwks,
                                      mesh_error *err)
{
    if (!mesh_setting_given(jwks))
        return MESH_OK;
    mesh_code code = mesh_keys_create(&access->service_keys, err);
    if (code != MESH_OK)
        return code;
    code = mesh_keys_replace(access->service_keys, jwks, strlen(jwks), err);
    if (code != MESH_OK) {
        mesh_error_prefix(err, "MESH_SERVICE_KEYS");
        return code;
    }
    return mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = access->service_keys,
                                             .self_issued = true, .audience = name),
                                &access->service_verifier, err);
}

static mesh_code create_guard(mesh_access *access, mesh_error *err)
{
    return mesh_guard_create(MESH_OPTIONS(mesh_guard_options, .verifier = access->verifier,
                                          .users = access->users,
                                          .permissions = access->permissions,
                                          .service_verifier = access->service_verifier),
                             &access->guard, err);
}

static mesh_code create_feed(mesh_access *access, const mesh_service *service, const char *url,
                             mesh_metrics *metrics, mesh_error *err)
{
    mesh_code code = mesh_user_events_init(&access->events, access->users, access->permissions,
                                           access->guard, metrics, err);
    if (code != MESH_OK)
        return code;
    code = mesh_feed_create(&(mesh_feed_options){.url = url,
                                                 .service = service->name,
                                                 .events = mesh_user_events_table,
                                                 .self = &access->events,
                                                 .since_ms = TOKEN_LIFE_MS + LATE_MS},
                            &access->feed, err);
    if (code != MESH_OK)
        mesh_error_prefix(err, "MESH_NATS_URL");
    access->events.feed = access->feed;
    return code;
}

mesh_code mesh_access_create(const mesh_service *service, const mesh_service_config *config,
                             mesh_channel *users, mesh_metrics *metrics, mesh_access **access,
                             mesh_error *err)
{
    mesh_access *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    mesh_code code = create_users_part(made, users, err);
    if (code == MESH_OK)
        code = create_services_part(made, service->name, config->service_keys, err);
    if (code == MESH_OK)
        code = create_guard(made, err);
    if (code == MESH_OK)
        code = create_feed(made, service, config->nats_url, metrics, err);
    if (code == MESH_OK)
        code = show_figures(made, metrics, err);
    if (code != MESH_OK) {
        mesh_access_destroy(made);
        return code;
    }
    *access = made;
    return MESH_OK;
}

mesh_interceptor mesh_access_interceptor(mesh_access *access)
{
    return mesh_guard_interceptor(access->guard);
}

mesh_code mesh_access_add(mesh_access *access, mesh_server *server, mesh_error *err)
{
    mesh_code code = mesh_explain_create(server, access->guard, &access->explain, err);
    return code == MESH_OK ? mesh_server_add(server, mesh_explain_api(access->explain), err) : code;
}

mesh_code mesh_access_start(mesh_access *access, mesh_error *err)
{
    mesh_code code = mesh_authority_start(access->authority, err);
    return code == MESH_OK ? mesh_feed_start(access->feed, err) : code;
}

/* What the broker may have lost, the user service tells. */
static mesh_code ask_for_gaps(mesh_access *access, mesh_error *err)
{
    const uint64_t gaps = mesh_feed_gaps(access->feed);
    if (gaps != access->gaps) {
        access->gaps = gaps;
        access->gap_ns = mesh_clock_monotonic_ns();
        mesh_authority_ask(access->authority);
    }
    mesh_code code = mesh_authority_told(access->authority, access->gap_ns, err);
    if (code != MESH_OK)
        mesh_error_prefix(err, "what changed in the last hour is not known");
    return code;
}

mesh_code mesh_access_ready(mesh_access *access, mesh_error *err)
{
    mesh_code code = mesh_feed_ready(access->feed, err);
    if (code == MESH_OK)
        code = ask_for_gaps(access, err);
    if (code == MESH_OK)
        mesh_guard_open(access->guard);
    return code;
}

void mesh_access_stop(mesh_access *access)
{
    if (access == NULL || access->metrics == NULL)
        return;
    mesh_metrics_forget(access->metrics, access);
    access->metrics = NULL;
}

/* Who feeds the others goes before them; the authority ends the loads that the cache waits for. */
void mesh_access_destroy(mesh_access *access)
{
    if (access == NULL)
        return;
    mesh_access_stop(access);
    mesh_feed_destroy(access->feed);
    mesh_authority_stop(access->authority);
    mesh_explain_destroy(access->explain);
    mesh_guard_destroy(access->guard);
    mesh_permissions_destroy(access->permissions);
    mesh_verifier_destroy(access->verifier);
    mesh_verifier_destroy(access->service_verifier);
    mesh_authority_destroy(access->authority);
    mesh_users_destroy(access->users);
    mesh_keys_destroy(access->keys);
    mesh_keys_destroy(access->service_keys);
    mesh_free(access);
}
