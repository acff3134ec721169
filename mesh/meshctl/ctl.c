#include "mesh/meshctl/ctl.h"

#include <stdarg.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/channel.h"

mesh_code ctl_fail(ctl_failure *failure, mesh_code code, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mesh_error_vset(&failure->err, code, format, args);
    va_end(args);
    failure->remote = false;
    failure->hint = hint;
    return code;
}

int64_t ctl_time_left(const ctl *run, int64_t wanted_ms)
{
    int64_t left_ms = mesh_clock_left_ms(run->end_ns);
    return wanted_ms != 0 && wanted_ms < left_ms ? wanted_ms : mesh_timeout_left(left_ms);
}
