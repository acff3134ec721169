/* --help, for meshctl and for each command. */
#ifndef MESH_MESHCTL_HELP_H
#define MESH_MESHCTL_HELP_H

#include <stdio.h>

#include "mesh/meshctl/args.h"

/* CTL_HELP: all commands. `verb` (may be NULL): with the options of that alone. */
void ctl_help(FILE *out, ctl_command command, const char *verb);

#endif
