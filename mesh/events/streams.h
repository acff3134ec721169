/* What has to be at the broker before events can come and go: streams and the durable consumer. */
#ifndef MESH_EVENTS_STREAMS_H
#define MESH_EVENTS_STREAMS_H

#include "mesh/events/broker.h"

/* Makes what is missing; what operators changed in it stays. When it fails, `missing` (static) says
 * what is not there, and `reason` why. */
natsStatus mesh_streams_put_in_place(const mesh_broker_settings *settings, jsCtx *js,
                                     const char **missing, jsErrCode *reason);

#endif
