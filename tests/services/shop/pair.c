#include "tests/services/shop/pair.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/uuid.h"

instance here, there;
mesh_db *db;
mesh_arena *arena;
mesh_error err;

void pair_start(const char *service, const char *products, const char *const *settings)
{
    instance_start(&here, service, products, settings);
    instance_start(&there, service, products, settings);
    db = shop_open(service);
}

void pair_stop(void)
{
    mesh_db_destroy(db);
    instance_stop(&here);
    instance_stop(&there);
}

int pair_begin(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    shop_call_as(NULL);
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

int pair_end(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

const mesh_call_options *in_arena(void)
{
    static mesh_call_options options;
    options = (mesh_call_options){.arena = arena};
    mesh_error_clear(&err);
    return &options;
}

bool is_refused(mesh_code code, const char *reason)
{
    return code != MESH_OK && strcmp(err.domain, "mesh.v1") == 0 && strcmp(err.reason, reason) == 0;
}

enum {
    RACERS = 8
};

void pair_race(void *(*send)(void *racer))
{
    char id[MESH_UUID_TEXT_BYTES];
    pair_racer racers[RACERS];
    pthread_t threads[RACERS];
    mesh_uuid_v7(id);
    for (size_t i = 0; i < RACERS; i++) {
        racers[i] = (pair_racer){.channel = i % 2 == 0 ? here.channel : there.channel,
                                 .arena = mesh_arena_create(1024, 0),
                                 .request_id = id};
        assert_int_equal(pthread_create(&threads[i], NULL, send, &racers[i]), 0);
    }
    for (size_t i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        mesh_arena_destroy(racers[i].arena);
    }
    for (size_t i = 0; i < RACERS; i++) {
        assert_int_equal(racers[i].code, MESH_OK);
        assert_string_equal(racers[i].id, racers[0].id);
    }
}
