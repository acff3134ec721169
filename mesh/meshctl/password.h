/* A password, from whoever sits at the terminal or from a program that runs this one. */
#ifndef MESH_MESHCTL_PASSWORD_H
#define MESH_MESHCTL_PASSWORD_H

#include "mesh/meshctl/ctl.h"

enum {
    CTL_PASSWORD_BYTES = 256 /* with its NUL; the user service takes 128 */
};

/*
 * Standard input is a terminal: asks on stderr and reads a line that is not shown; a signal that
 * comes meanwhile finds the terminal as it was, if no other thread is there to take it. Else: reads
 * the first line of standard input. The caller overwrites `password` when it is not needed any
 * more. INVALID_ARGUMENT: there is no line, or it is too long, or it has a NUL.
 */
mesh_code ctl_password_read(ctl *run, const char *login, char password[CTL_PASSWORD_BYTES],
                            ctl_failure *failure);

#endif
