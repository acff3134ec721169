#include "tests/mesh/events/logged.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mesh/base/log.h"
#include "tests/mesh/events/bus.h"

static FILE *log_file;

void log_to_file(void)
{
    log_file = tmpfile();
    assert_non_null(log_file);
    mesh_log_output(fileno(log_file));
}

bool logged(const char *text)
{
    static char said[64 * 1024];
    ssize_t size = pread(fileno(log_file), said, sizeof said - 1, 0);
    assert_true(size >= 0);
    said[size] = '\0';
    return strstr(said, text) != NULL;
}

void log_as_before(void)
{
    mesh_log_output(-1);
    fclose(log_file);
}
