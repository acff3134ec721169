/*
 * What the services of a test prove to each other who they are with: a key for each, and the set of
 * the public halves; made once, and kept for the process. Functions fail the test when they cannot.
 */
#ifndef TESTS_SERVICES_SHOP_KEYS_H
#define TESTS_SERVICES_SHOP_KEYS_H

/* "MESH_SERVICE_KEY=...", the service's own. */
const char *keys_setting(const char *service);

/* "MESH_SERVICE_KEYS=...", of these services (ended by NULL), the same at each call. */
const char *keys_set_setting(const char *const *services);

#endif
