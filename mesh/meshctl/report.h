/* The one place where a failure is shown, and becomes the exit code. */
#ifndef MESH_MESHCTL_REPORT_H
#define MESH_MESHCTL_REPORT_H

#include "mesh/dyn/dyn.h"
#include "mesh/meshctl/ctl.h"

/*
 * Shows a failure on stderr, with its details (as JSON with --json), and returns the exit code.
 * `pool` (may be NULL) knows the types of details.
 */
int ctl_report(const ctl *run, const ctl_failure *failure, const mesh_dyn_pool *pool);

/* A mistake in the command line. */
int ctl_report_usage(const ctl *run, const char *format, ...) MESH_PRINTF(2, 3);

/* The first word is none of the command's verbs, or there is no word. */
int ctl_report_verb(const ctl *run);

#endif
