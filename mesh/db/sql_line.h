/*
 * Where in a script something went wrong. Only for messages: nothing is decided by it.
 */
#ifndef MESH_DB_SQL_LINE_H
#define MESH_DB_SQL_LINE_H

#include <stddef.h>

/* The line (from 1) of the `position`-th character (from 1) of UTF-8 text. */
size_t mesh_db_line_of_position(const char *sql, size_t position);

/* The line on which the `index`-th statement (from 0) begins. Statements end with a semicolon that
 * is outside of quotes, dollar quotes and comments; empty ones do not count, as at the server. */
size_t mesh_db_line_of_statement(const char *sql, size_t index);

#endif
