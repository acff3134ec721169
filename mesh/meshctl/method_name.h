/*
 * Names as people write them: a method as PACKAGE.SERVICE/METHOD, SERVICE/METHOD, SERVICE.METHOD or
 * METHOD, any other symbol by its full name or an end of it ("v1.Order", "Order"), each as long as
 * only one thing has that name.
 */
#ifndef MESH_MESHCTL_METHOD_NAME_H
#define MESH_MESHCTL_METHOD_NAME_H

#include "mesh/meshctl/catalog.h"

/*
 * A method of the catalog's services; those of others whose types are known do not count.
 * NOT_FOUND: none; the message suggests near ones. INVALID_ARGUMENT: several; it names them.
 */
mesh_code ctl_method_find(const ctl_catalog *catalog, const char *name, mesh_arena *arena,
                          const mesh_dyn_method **method, ctl_failure *failure);

/* The full name of a message, enum, service or method (SERVICE.METHOD). The same errors. */
mesh_code ctl_symbol_find(const mesh_dyn_pool *pool, const char *name, mesh_arena *arena,
                          const char **full, ctl_failure *failure);

/* True for the services that every server has: reflection and health. */
bool ctl_is_standard_service(const char *service);

#endif
