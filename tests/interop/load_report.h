/* Load reports (ORCA, gRFC A51) on the server: with the answer of a call, and outside of calls. */
#ifndef TESTS_INTEROP_LOAD_REPORT_H
#define TESTS_INTEROP_LOAD_REPORT_H

#include "grpc/testing/messages.mesh.h"
#include "xds/service/orca/v3/orca.mesh.h"

/* Adds the report to the trailing metadata of a call. */
mesh_code load_report_answer(mesh_call *call, const Grpc__Testing__TestOrcaReport *report,
                             mesh_error *err);

/* What OpenRcaService says from now on. Any thread. */
mesh_code load_report_set(mesh_call *call, const Grpc__Testing__TestOrcaReport *report,
                          mesh_error *err);

/* xds.service.orca.v3.OpenRcaService. */
mesh_api load_report_api(void);

#endif
