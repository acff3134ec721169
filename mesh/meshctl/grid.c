#include "mesh/meshctl/grid.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "mesh/dyn/json_text.h"
#include "mesh/meshctl/table.h"

enum {
    FIRST_CELLS = 64
};

/* --- faces of values -------------------------------------------------------------------------- */

static const char *quoted(const ctl *run, const char *text)
{
    mesh_text out = MESH_TEXT_INIT(run->arena, 0);
    mesh_json_quote(text, strlen(text), &out);
    return mesh_text_string(&out);
}

const char *ctl_legible(const ctl *run, const char *text)
{
    char *copy = mesh_arena_strdup(run->arena, text);
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    return copy != NULL ? copy : "";
}

const char *ctl_moment(const ctl *run, const Google__Protobuf__Timestamp *time)
{
    char text[32];
    struct tm parts;
    if (time == NULL)
        return "-";
    time_t seconds = (time_t)time->seconds;
    if (gmtime_r(&seconds, &parts) == NULL)
        return "?";
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return mesh_arena_printf(run->arena, "%s.%03dZ", text, (int)(time->nanos / 1000000));
}

const char *ctl_span(const ctl *run, int64_t ms)
{
    const int64_t s = ms / 1000, minute = 60, hour = 60 * minute, day = 24 * hour;
    if (ms < 1000)
        return mesh_arena_printf(run->arena, "%" PRId64 "ms", ms);
    if (s < minute)
        return mesh_arena_printf(run->arena, "%" PRId64 ".%ds", s, (int)(ms % 1000 / 100));
    if (s < hour)
        return mesh_arena_printf(run->arena, "%" PRId64 "m %" PRId64 "s", s / minute, s % minute);
    if (s < day)
        return mesh_arena_printf(run->arena, "%" PRId64 "h %" PRId64 "m", s / hour,
                                 s % hour / minute);
    return mesh_arena_printf(run->arena, "%" PRId64 "d %" PRId64 "h", s / day, s % day / hour);
}

void ctl_json_member(mesh_text *out, const char *name, const char *text)
{
    mesh_text_printf(out, "%s\"%s\":", out->size > 0 && out->data[out->size - 1] == '{' ? "" : ",",
                     name);
    mesh_json_quote(text, strlen(text), out);
}

/* --- cells ------------------------------------------------------------------------------------ */

/* Out of memory the arena has overflowed, which main looks at. */
void ctl_grid_add(ctl_grid *grid, const char *shown, const char *json)
{
    if (grid->count == grid->capacity) {
        size_t capacity = grid->capacity == 0 ? FIRST_CELLS : 2 * grid->capacity;
        ctl_cell *cells = mesh_arena_calloc(grid->run->arena, capacity, sizeof *cells);
        if (cells == NULL)
            return;
        if (grid->count > 0)
            memcpy(cells, grid->cells, grid->count * sizeof *cells);
        grid->cells = cells;
        grid->capacity = capacity;
    }
    grid->cells[grid->count++] = (ctl_cell){shown != NULL ? shown : "", json != NULL ? json : ""};
}

void ctl_grid_text(ctl_grid *grid, const char *text)
{
    ctl_grid_add(grid, text[0] == '\0' ? "-" : ctl_legible(grid->run, text),
                 quoted(grid->run, text));
}

void ctl_grid_number(ctl_grid *grid, uint64_t number)
{
    const char *text = mesh_arena_printf(grid->run->arena, "%" PRIu64, number);
    ctl_grid_add(grid, text, text);
}

void ctl_grid_flag(ctl_grid *grid, bool flag)
{
    ctl_grid_add(grid, flag ? "yes" : "-", flag ? "true" : "false");
}

void ctl_grid_time(ctl_grid *grid, const Google__Protobuf__Timestamp *time)
{
    const char *text = ctl_moment(grid->run, time);
    ctl_grid_add(grid, text, time == NULL ? "null" : quoted(grid->run, text));
}

void ctl_grid_coloured(ctl_grid *grid, ctl_colour colour, const char *text)
{
    bool coloured = grid->run->colour_out;
    ctl_grid_add(grid,
                 mesh_arena_printf(grid->run->arena, "%s%s%s", ctl_style(coloured, colour),
                                   ctl_legible(grid->run, text), ctl_style(coloured, CTL_PLAIN)),
                 quoted(grid->run, text));
}

/* --- printing --------------------------------------------------------------------------------- */

static void add_object(const ctl_grid *grid, size_t row, const char *more, mesh_text *out)
{
    mesh_text_puts(out, "{");
    for (size_t c = 0; c < grid->width; c++) {
        if (grid->columns[c].member == NULL)
            continue;
        mesh_text_printf(out, "%s\"%s\":", out->data[out->size - 1] == '{' ? "" : ",",
                         grid->columns[c].member);
        mesh_text_puts(out, grid->cells[row * grid->width + c].json);
    }
    if (more != NULL && more[0] != '\0')
        mesh_text_printf(out, ",%s", more);
    mesh_text_puts(out, "}");
}

const char *ctl_grid_json(const ctl_grid *grid)
{
    mesh_text out = MESH_TEXT_INIT(grid->run->arena, 0);
    mesh_text_puts(&out, "[");
    for (size_t r = 0; r < grid->count / grid->width; r++) {
        mesh_text_puts(&out, r == 0 ? "" : ",");
        add_object(grid, r, NULL, &out);
    }
    mesh_text_puts(&out, "]");
    return mesh_text_string(&out);
}

/* A table of the columns that have a title. */
static void print_table(const ctl_grid *grid, size_t rows)
{
    size_t width = 0;
    const char **cells = mesh_arena_calloc(grid->run->arena, rows + 1, grid->width * sizeof *cells);
    if (cells == NULL)
        return;
    for (size_t c = 0; c < grid->width; c++)
        width += grid->columns[c].title != NULL;
    for (size_t c = 0, to = 0; c < grid->width; c++) {
        if (grid->columns[c].title == NULL)
            continue;
        cells[to] = grid->columns[c].title;
        for (size_t r = 0; r < rows; r++)
            cells[(r + 1) * width + to] = grid->cells[r * grid->width + c].shown;
        to++;
    }
    ctl_table_print(grid->run->out, cells, width, rows + 1);
}

void ctl_grid_print(const ctl_grid *grid, const char *nothing)
{
    const size_t rows = grid->count / grid->width;
    if (grid->run->args.json)
        fprintf(grid->run->out, "%s\n", ctl_grid_json(grid));
    else if (rows == 0)
        fprintf(grid->run->out, "%s\n", nothing);
    else
        print_table(grid, rows);
}

void ctl_grid_print_record(const ctl_grid *grid, const char *more)
{
    if (grid->count < grid->width)
        return; /* out of memory */
    if (grid->run->args.json) {
        mesh_text out = MESH_TEXT_INIT(grid->run->arena, 0);
        add_object(grid, 0, more, &out);
        fprintf(grid->run->out, "%s\n", mesh_text_string(&out));
        return;
    }
    const char **cells = mesh_arena_calloc(grid->run->arena, grid->width, 2 * sizeof *cells);
    size_t rows = 0;
    for (size_t c = 0; cells != NULL && c < grid->width; c++) {
        if (grid->columns[c].title == NULL)
            continue;
        cells[2 * rows] = grid->columns[c].title;
        cells[2 * rows++ + 1] = grid->cells[c].shown;
    }
    if (cells != NULL)
        ctl_table_print(grid->run->out, cells, 2, rows);
}
