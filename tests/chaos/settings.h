/*
 * What the programs of scripts/chaos are told by their environment (CHAOS_*), and how they open
 * what they need. A setting that is missing ends the program.
 */
#ifndef TESTS_CHAOS_SETTINGS_H
#define TESTS_CHAOS_SETTINGS_H

#include "mesh/events/events.h"

const char *setting_text(const char *name);
long setting_number(const char *name, long otherwise);

/* The pool of CHAOS_DATABASE. */
mesh_db *open_database(void);

/* Ends the program, with what happened, unless `code` is MESH_OK. */
void expect_ok(const char *what, mesh_code code, const mesh_error *err);

/* Lets SIGTERM and SIGINT wait for wait_for_end. Before any thread is started. */
void block_end(void);

/* Until one of them came. */
void wait_for_end(void);

/* Ends events and pool as a service does, and prints their figures, a JSON object in a line. */
void close_events(mesh_events *events, mesh_db *db);

#endif
