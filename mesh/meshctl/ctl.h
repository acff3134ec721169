/*
 * What all of meshctl shares: one run of the program, its exit codes and how a failure travels from
 * where it happened to the one place that prints it (report.h).
 */
#ifndef MESH_MESHCTL_CTL_H
#define MESH_MESHCTL_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "mesh/base/arena.h"
#include "mesh/base/error.h"
#include "mesh/meshctl/args.h"
#include "mesh/rpc/call.h"

enum {
    CTL_EXIT_OK = 0,
    CTL_EXIT_FAILED = 1, /* anything but the following */
    CTL_EXIT_USAGE = 2,  /* the command line is wrong */
    CTL_EXIT_STATUS = 64 /* and the gRPC code of a call that failed */
};

typedef struct ctl {
    ctl_args args;
    mesh_arena *arena;            /* lives as long as the run */
    const mesh_metadata *headers; /* of args, read by ctl_headers */
    size_t header_count;
    const char *token;        /* of the session, which calls carry; NULL: none */
    unsigned token_renewals;  /* because its key was not known */
    const char *sign_in_hint; /* what who has no token, or a wrong one, does; NULL: nothing */
    FILE *out;
    FILE *err;
    bool colour_out;
    bool colour_err;
    int64_t end_ns; /* --max-time on the monotonic clock, MESH_NO_DEADLINE without */
} ctl;

typedef struct ctl_failure {
    mesh_error err;
    bool remote;      /* the code came from a call */
    const char *hint; /* what to do next; NULL: nothing to say. Static or of the run's arena */
} ctl_failure;

/* Fill a failure of meshctl's own and return its code. */
mesh_code ctl_fail(ctl_failure *failure, mesh_code code, const char *hint, const char *format, ...)
    MESH_PRINTF(4, 5);

/* The `timeout_ms` of a call: what is wanted (0: no limit), at most what is left of --max-time. */
int64_t ctl_time_left(const ctl *run, int64_t wanted_ms);

/* The subcommands; each returns the exit code. */
int ctl_list(ctl *run);
int ctl_describe(ctl *run);
int ctl_call(ctl *run);
int ctl_status(ctl *run);
int ctl_sign_in_command(ctl *run);
int ctl_sign_out_command(ctl *run);
int ctl_whoami(ctl *run);
int ctl_authz(ctl *run);
int ctl_events(ctl *run);
int ctl_consumers(ctl *run);
int ctl_dlq(ctl *run);
int ctl_outbox(ctl *run);
int ctl_saga(ctl *run);
int ctl_complete(ctl *run);
int ctl_completion(ctl *run);

#endif
