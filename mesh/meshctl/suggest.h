/* "did you mean": the names nearest to one that does not exist. */
#ifndef MESH_MESHCTL_SUGGEST_H
#define MESH_MESHCTL_SUGGEST_H

#include <stddef.h>

enum {
    CTL_SUGGEST_MOST = 3,
    CTL_SUGGEST_NAME_BYTES = 128 /* longer names are compared by their beginning */
};

typedef struct ctl_suggestions {
    const char *wanted;
    const char *names[CTL_SUGGEST_MOST]; /* nearest first; borrowed */
    size_t distances[CTL_SUGGEST_MOST];
    size_t count;
} ctl_suggestions;

/* Number of characters to insert, delete, replace or swap with their neighbour to get from one to
 * the other, whatever their case. */
size_t ctl_distance(const char *a, const char *b);

/* Begins with a name that was not found, offers names that exist (once or more), and writes
 * "; did you mean A, B or C?" or "" when none is near. */
ctl_suggestions ctl_suggest_begin(const char *wanted);
void ctl_suggest_offer(ctl_suggestions *near, const char *name);
void ctl_suggest_end(const ctl_suggestions *near, char *text, size_t size);

#endif
