#include "services/notification/sync.h"

#include "services/notification/users.h"
#include "user/v1/user.mesh.h"

enum {
    PAGE_SIZE = 500
};

static mesh_code tell_time(void *self, int64_t *now_ns, mesh_error *err)
{
    const notification_sync *sync = self;
    if (sync->events != NULL) {
        mesh_code code = mesh_events_ready(sync->events, err);
        if (code != MESH_OK)
            return code;
    }
    mesh_rows *rows;
    mesh_code code = mesh_db_query(sync->db, 0, "SELECT clock_timestamp()", MESH_SQL_NO_PARAMS,
                                   &rows, err);
    if (code != MESH_OK)
        return code;
    *now_ns = mesh_rows_time(rows, 0, 0);
    mesh_rows_end(rows);
    return MESH_OK;
}

static mesh_code fetch(void *self, mesh_arena *arena, const char *token, mesh_cancel *cancel,
                       reconciler_page *page, mesh_error *err)
{
    const notification_sync *sync = self;
    User__V1__SnapshotUsersRequest request = USER__V1__SNAPSHOT_USERS_REQUEST__INIT;
    User__V1__SnapshotUsersResponse *answer;
    request.page_size = PAGE_SIZE;
    request.page_token = (char *)token;
    mesh_code code = user__v1__user_service__snapshot_users(
        sync->users, &request, &answer, &(mesh_call_options){.arena = arena, .cancel = cancel},
        err);
    if (code != MESH_OK)
        return code;

    const char **ids = mesh_arena_calloc(arena, answer->n_users, sizeof *ids);
    if (ids == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "a page of users is too large");
    for (size_t i = 0; i < answer->n_users; i++)
        ids[i] = answer->users[i]->id;
    *page = (reconciler_page){.count = answer->n_users,
                              .ids = ids,
                              .records = answer->users,
                              .next = answer->next_page_token};
    return MESH_OK;
}

static mesh_code repair(void *self, mesh_arena *arena, const reconciler_page *page,
                        const reconciler_span *span, reconciler_counts *counts, mesh_error *err)
{
    (void)arena;
    const notification_sync *sync = self;
    mesh_tx *tx;
    mesh_code code = mesh_tx_begin(sync->db, NULL, &tx, err);
    if (code != MESH_OK)
        return code;
    code = notification_users_repair(tx, page->records, page->count, span, counts, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code finish(void *self, mesh_error *err)
{
    const notification_sync *sync = self;
    return notification_users_prune(sync->db, err);
}

mesh_code notification_sync_start(notification_sync *sync, int64_t interval_ms,
                                  mesh_metrics *metrics, reconciler **made, mesh_error *err)
{
    const reconciler_options options = {.name = "users",
                                        .interval_ms = interval_ms,
                                        .metrics = metrics,
                                        .clock = tell_time,
                                        .fetch = fetch,
                                        .repair = repair,
                                        .finish = finish,
                                        .self = sync};
    return reconciler_create(&options, made, err);
}
