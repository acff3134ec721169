/* What the program logs, for tests that look at it. */
#ifndef TESTS_MESH_EVENTS_LOGGED_H
#define TESTS_MESH_EVENTS_LOGGED_H

#include <stdbool.h>

/* From now on, until the other. */
void log_to_file(void);
void log_as_before(void);

/* Whether a text was logged since. */
bool logged(const char *text);

#endif
