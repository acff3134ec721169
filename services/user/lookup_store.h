/*
 * What users and groups are; as store.h. A page has the users whose ids come after `page->after`,
 * which is a UUID and need not be a user's, in ascending order, and one more than `page->size` when
 * there are more: which tells that another page follows.
 */
#ifndef SERVICES_USER_LOOKUP_STORE_H
#define SERVICES_USER_LOOKUP_STORE_H

#include "mesh/resource/page.h"
#include "services/user/store.h"

/* Users of a kind; KIND_UNSPECIFIED: of all. */
mesh_code user_store_list(const user_scope *scope, User__V1__User__Kind kind, const mesh_page *page,
                          User__V1__User ***users, size_t *count, mesh_error *err);

/* Users who have changed since then, and those who are deleted. */
mesh_code user_store_list_changed(const user_scope *scope, int64_t since_ns, const mesh_page *page,
                                  User__V1__ChangedUser ***users, size_t *count, mesh_error *err);

/* Employees who are confirmed and not banned. */
mesh_code user_store_list_employees(const user_scope *scope, const mesh_page *page,
                                    User__V1__Employee ***employees, size_t *count,
                                    mesh_error *err);

/* All groups. */
mesh_code user_store_list_groups(const user_scope *scope, User__V1__Group ***groups, size_t *count,
                                 mesh_error *err);

/* Whether the user has the permission, by a group or by the role; who is no user, or banned, has
 * none. */
mesh_code user_store_has_permission(const user_scope *scope, const char *user_id,
                                    const char *permission, bool *allowed, mesh_error *err);

#endif
