#include "tests/mesh/events/publisher.h"

#include <stdio.h>

char url[POSTGRES_URL_BYTES];
instance publisher;

int publisher_begin(void **state)
{
    static int number;
    char name[32];
    (void)state;
    snprintf(name, sizeof name, "bus_%d", ++number);
    nats_restart_empty();
    bus_database(name, url);
    bus_has_relay(NULL);
    publisher = bus_open(&(instance_options){.service = "shop", .url = url});
    bus_has_relay(url);
    return 0;
}

int publisher_end(void **state)
{
    (void)state;
    bus_close_all();
    return 0;
}
