/*
 * What a command has found, shown as aligned columns to people and as JSON to programs: rows of
 * cells, each with both of its faces. Everything is in the run's arena.
 *
 *   static const ctl_column columns[] = {{"SERVICE", "service"}, {"WAITING", "waiting"}};
 *   ctl_grid grid = CTL_GRID(run, columns);
 *   ctl_grid_text(&grid, name);
 *   ctl_grid_number(&grid, 17);
 *   ctl_grid_print(&grid);
 */
#ifndef MESH_MESHCTL_GRID_H
#define MESH_MESHCTL_GRID_H

#include "google/protobuf/timestamp.pb-c.h"
#include "mesh/dyn/text.h"
#include "mesh/meshctl/ctl.h"
#include "mesh/meshctl/style.h"

typedef struct ctl_column {
    const char *title;  /* of the table; NULL: for programs only */
    const char *member; /* of the JSON object; NULL: for people only */
} ctl_column;

typedef struct ctl_cell {
    const char *shown;
    const char *json;
} ctl_cell;

typedef struct ctl_grid {
    ctl *run;
    const ctl_column *columns;
    size_t width; /* columns */
    ctl_cell *cells;
    size_t count, capacity;
} ctl_grid;

#define CTL_GRID(run, columns) \
    ((ctl_grid){(run), (columns), sizeof(columns) / sizeof((columns)[0]), NULL, 0, 0})

/* The next cell, row by row from the left: */
void ctl_grid_add(ctl_grid *grid, const char *shown, const char *json); /* both borrowed */
void ctl_grid_text(ctl_grid *grid, const char *text);                   /* copied; "" as "-" */
void ctl_grid_number(ctl_grid *grid, uint64_t number);
void ctl_grid_flag(ctl_grid *grid, bool flag);                               /* "yes" or "-" */
void ctl_grid_time(ctl_grid *grid, const Google__Protobuf__Timestamp *time); /* NULL: "-", null */

/* A text in a colour, in the last column. */
void ctl_grid_coloured(ctl_grid *grid, ctl_colour colour, const char *text);

/* All rows: a table with titles, or a JSON array of objects. `nothing` is said to people instead
 * of a table without rows. */
void ctl_grid_print(const ctl_grid *grid, const char *nothing);

/* The array alone. */
const char *ctl_grid_json(const ctl_grid *grid);

/* One row: its cells below each other, or a JSON object, to which `more` (may be NULL) is added:
 * `"name":VALUE` and so on. */
void ctl_grid_print_record(const ctl_grid *grid, const char *more);

/* How long ago or how long, in words of the table: "3m 20s". */
const char *ctl_span(const ctl *run, int64_t ms);

/* "2026-11-30T09:41:00.123Z"; "-" for NULL. */
const char *ctl_moment(const ctl *run, const Google__Protobuf__Timestamp *time);

/* A text from elsewhere on one line of a terminal: control characters are blanks. In the arena. */
const char *ctl_legible(const ctl *run, const char *text);

/* `,"name":"TEXT"`, without the comma behind a '{'. */
void ctl_json_member(mesh_text *out, const char *name, const char *text);

#endif
