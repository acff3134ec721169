#include "tests/services/shop/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/auth/key.h"

enum {
    SERVICES = 8,
    NAME_BYTES = 32,
    SET_BYTES = 64 + SERVICES * MESH_KEY_TEXT_BYTES
};

#define SETTING "MESH_SERVICE_KEY="

static struct {
    char service[NAME_BYTES];
    char setting[sizeof SETTING + MESH_KEY_TEXT_BYTES];
} made[SERVICES];

/* A service's key has the service's name as its id. */
static void generate(const char *service, char *text, size_t size)
{
    static const char KID[] = "\"kid\":\"";
    char key[MESH_KEY_TEXT_BYTES];
    assert_int_equal(mesh_key_generate(key, NULL), MESH_OK);
    const char *id = strstr(key, KID);
    assert_non_null(id);
    id += strlen(KID);
    snprintf(text, size, "%.*s%s%s", (int)(id - key), key, service, strchr(id, '"'));
}

const char *keys_setting(const char *service)
{
    size_t i = 0;
    while (i < SERVICES && made[i].service[0] != '\0' && strcmp(made[i].service, service) != 0)
        i++;
    assert_true(i < SERVICES);
    if (made[i].service[0] == '\0') {
        char key[MESH_KEY_TEXT_BYTES];
        generate(service, key, sizeof key);
        snprintf(made[i].setting, sizeof made[i].setting, SETTING "%s", key);
        snprintf(made[i].service, sizeof made[i].service, "%s", service);
    }
    return made[i].setting;
}

const char *keys_set_setting(const char *const *services)
{
    static char setting[SET_BYTES];
    size_t used = 0;
    if (setting[0] != '\0')
        return setting;
    used += (size_t)snprintf(setting, sizeof setting, "MESH_SERVICE_KEYS={\"keys\":[");
    for (size_t i = 0; services[i] != NULL; i++) {
        const char *text = keys_setting(services[i]) + strlen(SETTING);
        mesh_key *key = NULL;
        assert_int_equal(mesh_key_load(text, strlen(text), &key, NULL), MESH_OK);
        used += (size_t)snprintf(setting + used, sizeof setting - used, "%s%s", i == 0 ? "" : ",",
                                 mesh_key_public(key));
        mesh_key_destroy(key);
        assert_true(used < sizeof setting - sizeof "]}");
    }
    snprintf(setting + used, sizeof setting - used, "]}");
    return setting;
}
