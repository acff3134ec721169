/* grpc.testing.TestService: what every server of the interoperability tests does. */
#ifndef TESTS_INTEROP_TEST_SERVICE_H
#define TESTS_INTEROP_TEST_SERVICE_H

#include "grpc/testing/test.mesh.h"

/* `server_id` is what requests with fill_server_id are answered; borrowed. */
mesh_api test_service_api(const char *server_id);

#endif
