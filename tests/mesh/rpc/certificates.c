#include "tests/mesh/rpc/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void certificates_run(const char *format, ...)
{
    char command[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

void certificates_authority(const char *name)
{
    certificates_run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                     "-subj /CN=%s -keyout %s.key -out %s.pem 2>openssl.log",
                     name, name, name);
}

void certificates_make(const char *authority, const char *name, const char *names)
{
    certificates_run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s "
                     "-keyout %s.key -out %s.csr 2>openssl.log",
                     name, name, name);
    certificates_run("echo 'basicConstraints=CA:FALSE' >%s.ext", name);
    if (names[0] != '\0')
        certificates_run("echo 'subjectAltName=%s' >>%s.ext", names, name);
    certificates_run(
        "openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days 2 "
        "-extfile %s.ext -out %s.pem 2>openssl.log",
        name, authority, authority, name, name);
}
