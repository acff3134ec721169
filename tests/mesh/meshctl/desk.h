/*
 * meshctl as people use it in front of a mesh whose services are real: with a data folder and a
 * place for sessions. Fails the test when something cannot be done.
 */
#ifndef TESTS_MESH_MESHCTL_DESK_H
#define TESTS_MESH_MESHCTL_DESK_H

#include <stddef.h>

#include "mesh/base/api.h"

#define MESHCTL "mesh/meshctl/meshctl"

enum {
    DESK_PATH_BYTES = 1024,
    DESK_OUTPUT_BYTES = 64 * 1024
};

/* The data folder, and what meshctl printed last. */
extern char desk_folder[DESK_PATH_BYTES];
extern char desk_output[DESK_OUTPUT_BYTES];

/* Another mesh, with this list of services; another list for it. */
void desk_make_mesh(const char *services);
void desk_list_services(const char *services);

/* "MESH_DATA=..." of it, for program_start. */
const char *const *desk_settings(void);

/* Runs meshctl with these words, as a shell reads them, and what it reads (as words of printf;
 * NULL: nothing); its status. */
int desk_run(const char *input, const char *words);

/* The same, and expects a status and a part of what it prints (NULL: any). */
void desk_expect(const char *input, int status, const char *part, const char *format, ...)
    MESH_PRINTF(4, 5);

/* Signs in with PEOPLE_PASSWORD; `login` may begin with options. */
void desk_sign_in(const char *login);

#endif
