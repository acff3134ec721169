#include "tests/mesh/events/stored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fixtures/nats.h"

stored stored_open(void)
{
    stored self = {.js = NULL};
    assert_int_equal(natsConnection_ConnectTo(&self.connection, nats_url_of("admin")), NATS_OK);
    assert_int_equal(natsConnection_JetStream(&self.js, self.connection, NULL), NATS_OK);
    return self;
}

void stored_close(stored *self)
{
    jsCtx_Destroy(self->js);
    natsConnection_Destroy(self->connection);
}

uint64_t stored_count(stored *self)
{
    jsStreamInfo *info = NULL;
    if (js_GetStreamInfo(&info, self->js, "EVENTS", NULL, NULL) != NATS_OK)
        return UINT64_MAX;
    uint64_t count = info->State.Msgs;
    jsStreamInfo_Destroy(info);
    return count;
}

natsMsg *stored_message(stored *self, uint64_t sequence)
{
    natsMsg *message = NULL;
    assert_int_equal(js_GetMsg(&message, self->js, "EVENTS", sequence, NULL, NULL), NATS_OK);
    return message;
}

const char *stored_header(natsMsg *message, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : "(none)";
}

int64_t stored_version(stored *self, uint64_t sequence)
{
    natsMsg *message = stored_message(self, sequence);
    int64_t version = strtoll(stored_header(message, "ce-aggregateversion"), NULL, 10);
    natsMsg_Destroy(message);
    return version;
}
