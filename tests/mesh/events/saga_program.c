/*
 * A process that runs the saga "order", to be killed: saga_program URL [STEP HOW]. With STEP it
 * does not come through that one; HOW is "stay" (after a log line "inside") or "die".
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "mesh/base/log.h"
#include "tests/mesh/events/orders.h"

static void stay(const mesh_saga_run *run)
{
    mesh_log(MESH_LOG_INFO, "inside", MESH_LOG_S("key", run->key));
    for (;;)
        pause();
}

static void die(const mesh_saga_run *run)
{
    (void)run;
    raise(SIGKILL);
}

int main(int argc, char **argv)
{
    static plan plan;
    mesh_db *db = NULL;
    if (argc == 4) {
        ending *ending = strcmp(argv[2], "lock") == 0  ? &plan.lock
                         : strcmp(argv[2], "pay") == 0 ? &plan.pay
                                                       : &plan.ship;
        ending->meanwhile = strcmp(argv[3], "stay") == 0 ? stay : die;
    }
    if (mesh_db_create(&(mesh_db_options){.url = argv[1]}, &db, NULL) != MESH_OK)
        return 1;
    mesh_log(MESH_LOG_INFO, "running"); /* before a step can kill it */
    (void)orders_start(
        &(orders_options){.db = db, .plan = &plan, .takeover_ms = 200, .attempt_timeout_ms = 2000});
    for (;;)
        pause();
}
