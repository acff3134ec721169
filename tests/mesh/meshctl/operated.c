/*
 * A service that operators have work with, in the place of the notification service: it publishes
 * and consumes one event, whose name says what becomes of it, and has sagas.
 *
 *   bad...    the handler fails, until there is a row of that name in the table `mended`
 *   saga...   begins a saga of that name, whose second step fails until there is such a row; so
 *             does undoing that step of the saga saga-stuck
 *   else      a row in the table `heard`
 */
#include <string.h>

#include "demo/v1/demo.mesh.h"
#include "guarded/v1/guarded.mesh.h"
#include "mesh/service.h"

static const mesh_migration migrations[] = {
    {.number = 1,
     .name = "0001_create_tables",
     .sql = "CREATE TABLE heard (name text PRIMARY KEY);"
            "CREATE TABLE mended (name text PRIMARY KEY);"},
    {0},
};

static mesh_sagas *sagas;

static mesh_code look_whether_mended(mesh_tx *tx, const char *name, mesh_error *err)
{
    mesh_rows *rows;
    mesh_code code = mesh_tx_query(tx, "SELECT 1 FROM mended WHERE name = $1",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(name)), &rows, NULL, err);
    if (code != MESH_OK || mesh_rows_count(rows) > 0)
        return code;
    return mesh_error_set(err, MESH_INTERNAL, "%s is not mended", name);
}

static mesh_code keep(mesh_tx *tx, const char *name, mesh_error *err)
{
    return mesh_tx_query(tx, "INSERT INTO heard VALUES ($1)", MESH_SQL_PARAMS(MESH_SQL_TEXT(name)),
                         NULL, NULL, err);
}

static mesh_code on_added(void *self, mesh_tx *tx, const mesh_event *meta,
                          const Demo__V1__Added *event, mesh_error *err)
{
    mesh_code code = MESH_OK;
    (void)self;
    (void)meta;
    if (strncmp(event->name, "saga", 4) == 0)
        return mesh_saga_begin(sagas, tx,
                               MESH_OPTIONS(mesh_saga_beginning, .definition = "journey",
                                            .id = event->name, .context = "luggage",
                                            .context_size = 7),
                               NULL, err);
    if (strncmp(event->name, "bad", 3) == 0)
        code = look_whether_mended(tx, event->name, err);
    return code == MESH_OK ? keep(tx, event->name, err) : code;
}

static mesh_code pack(void *self, mesh_tx *tx, mesh_saga_run *run, mesh_error *err)
{
    (void)self;
    (void)tx;
    (void)run;
    (void)err;
    return MESH_OK;
}

static mesh_code leave(void *self, mesh_tx *tx, mesh_saga_run *run, mesh_error *err)
{
    (void)self;
    mesh_code code = look_whether_mended(tx, run->id, err);
    return code == MESH_OK ? keep(tx, run->id, err) : code;
}

static mesh_code come_back(void *self, mesh_tx *tx, mesh_saga_run *run, mesh_error *err)
{
    (void)self;
    return strcmp(run->id, "saga-stuck") == 0 ? look_whether_mended(tx, run->id, err) : MESH_OK;
}

static const mesh_saga_step steps[] = {
    {.name = "pack", .action = pack, .compensation = pack},
    {.name = "leave", .action = leave, .compensation = come_back, .attempts = 1},
    {.name = NULL},
};

static const mesh_saga_definition definitions[] = {{.name = "journey", .steps = steps},
                                                   {.name = NULL}};

static mesh_code start(void *self, mesh_app *app, mesh_error *err)
{
    (void)self;
    (void)err;
    sagas = mesh_app_sagas(app);
    return sagas != NULL ? MESH_OK : MESH_INTERNAL;
}

int main(int argc, char **argv)
{
    static const guarded__v1__guarded__handlers handlers = {.write = NULL};
    return mesh_service_main(argc, argv,
                             MESH_OPTIONS(mesh_service, .name = "notification",
                                          .apis = {guarded__v1__guarded__api(&handlers, NULL)},
                                          .consumers = {demo__v1__added__consumer(on_added, NULL)},
                                          .publishes = {&demo__v1__added__event},
                                          .migrations = migrations, .sagas = definitions,
                                          .on_start = start));
}
