/* meshctl: the entry, and nothing else. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/meshctl/ctl.h"
#include "mesh/meshctl/header.h"
#include "mesh/meshctl/help.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/style.h"

enum {
    ARENA_BYTES = 4096 /* the first block of what a run needs */
};

static int dispatch(ctl *run)
{
    ctl_failure failure;
    if (run->args.help) {
        ctl_help(run->out, run->args.command, ctl_verb(&run->args));
        return CTL_EXIT_OK;
    }
    mesh_code code = ctl_headers(run, &failure);
    if (code == MESH_INVALID_ARGUMENT)
        return ctl_report_usage(run, "%s: %s", failure.err.message, failure.hint);
    if (code != MESH_OK)
        return ctl_report(run, &failure, NULL);
    switch (run->args.command) {
    case CTL_LIST:
        return ctl_list(run);
    case CTL_DESCRIBE:
        return ctl_describe(run);
    case CTL_CALL:
        return ctl_call(run);
    case CTL_STATUS:
        return ctl_status(run);
    case CTL_SIGN_IN:
        return ctl_sign_in_command(run);
    case CTL_SIGN_OUT:
        return ctl_sign_out_command(run);
    case CTL_WHOAMI:
        return ctl_whoami(run);
    case CTL_AUTHZ:
        return ctl_authz(run);
    case CTL_EVENTS:
        return ctl_events(run);
    case CTL_CONSUMERS:
        return ctl_consumers(run);
    case CTL_DLQ:
        return ctl_dlq(run);
    case CTL_OUTBOX:
        return ctl_outbox(run);
    case CTL_SAGA:
        return ctl_saga(run);
    case CTL_COMPLETION:
        return ctl_completion(run);
    case CTL_COMPLETE:
        return ctl_complete(run);
    case CTL_VERSION:
        fprintf(run->out, "meshctl %s\n", MESH_VERSION);
        return CTL_EXIT_OK;
    case CTL_HELP:
        break;
    }
    /* help events tail */
    ctl_args about = {.command = CTL_HELP};
    if (run->args.word_count > 0) {
        about.command = ctl_command_find(run->args.words[0]);
        about.words = run->args.words + 1;
        about.word_count = run->args.word_count - 1;
    }
    ctl_help(run->out, about.command, ctl_verb(&about));
    return CTL_EXIT_OK;
}

int main(int argc, char **argv)
{
    ctl run = {.arena = mesh_arena_create(ARENA_BYTES, 0),
               .out = stdout,
               .err = stderr,
               .colour_out = ctl_style_wanted(stdout),
               .colour_err = ctl_style_wanted(stderr),
               .end_ns = MESH_NO_DEADLINE};
    if (run.arena == NULL) {
        fprintf(stderr, "meshctl: out of memory\n");
        return CTL_EXIT_FAILED;
    }
    /* The gRPC core logs each failed connection by itself; what matters is in the call's status. */
    (void)setenv("GRPC_VERBOSITY", "NONE", 0);
    char message[CTL_MESSAGE_BYTES];
    int exit_code;
    if (!ctl_args_parse(argc - 1, argv + 1, run.arena, &run.args, message)) {
        exit_code = ctl_report_usage(&run, "%s", message);
    } else {
        if (run.args.max_time_ms > 0)
            run.end_ns = mesh_clock_deadline_ns(run.args.max_time_ms);
        exit_code = dispatch(&run);
    }
    if (fflush(stdout) != 0 && exit_code == CTL_EXIT_OK)
        exit_code = CTL_EXIT_FAILED;
    if (mesh_arena_overflowed(run.arena)) { /* texts may be empty that should not */
        fprintf(stderr, "meshctl: out of memory\n");
        exit_code = CTL_EXIT_FAILED;
    }
    mesh_arena_destroy(run.arena);
    return exit_code;
}
