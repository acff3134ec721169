/* Colours, on a terminal only. */
#ifndef MESH_MESHCTL_STYLE_H
#define MESH_MESHCTL_STYLE_H

#include <stdbool.h>
#include <stdio.h>

typedef enum ctl_colour {
    CTL_PLAIN,
    CTL_BOLD,
    CTL_RED,
    CTL_GREEN,
    CTL_YELLOW
} ctl_colour;

/* True for a terminal, unless NO_COLOR is set (https://no-color.org) or TERM is dumb. */
bool ctl_style_wanted(FILE *stream);

/* The escape sequence, "" without colours. */
const char *ctl_style(bool coloured, ctl_colour colour);

#endif
