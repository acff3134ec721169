#include "mesh/service/events_text.h"

#include <string.h>

#include "mesh/base/utf8.h"
#include "mesh/resource/timestamp.h"

/*
 * Others' events may say anything, and a message with a text that is no UTF-8 is none: what is not
 * becomes a question mark. A text that is stays where it is.
 */
static char *legible(mesh_arena *arena, const char *text)
{
    const size_t size = strlen(text);
    char *copy = NULL;
    for (size_t at = 0; at < size;) {
        size_t length = mesh_utf8_length((const uint8_t *)text + at, size - at);
        if (length == 0) {
            if (copy == NULL)
                copy = mesh_arena_strdup(arena, text);
            if (copy == NULL)
                return NULL;
            copy[at] = '?';
        }
        at += length > 0 ? length : 1;
    }
    return copy != NULL ? copy : (char *)text;
}

Google__Protobuf__Timestamp *mesh_events_text_time(mesh_arena *arena, int64_t wall_ns)
{
    return wall_ns != 0 ? mesh_timestamp(arena, wall_ns) : NULL;
}

Mesh__Events__V1__Event *mesh_events_text_stored(const mesh_stored_event *event, mesh_arena *arena)
{
    Mesh__Events__V1__Event *said = mesh_arena_alloc(arena, sizeof *said);
    if (said == NULL)
        return NULL;
    mesh__events__v1__event__init(said);
    said->sequence = event->sequence;
    said->store_time = mesh_events_text_time(arena, event->stored_ns);
    said->subject = legible(arena, event->subject);
    said->id = legible(arena, event->id);
    said->type = legible(arena, event->type);
    said->source = legible(arena, event->source);
    said->aggregate_type = legible(arena, event->aggregate_type);
    said->aggregate_id = legible(arena, event->aggregate_id);
    said->version = event->version;
    said->time = mesh_events_text_time(arena, event->time_ns);
    said->traceparent = legible(arena, event->traceparent);
    said->payload.data = (uint8_t *)event->payload;
    said->payload.len = event->payload_size;
    return mesh_arena_overflowed(arena) ? NULL : said;
}

Mesh__Events__V1__DeadLetter *mesh_events_text_letter(const mesh_dead_letter *letter,
                                                      mesh_arena *arena)
{
    Mesh__Events__V1__DeadLetter *said = mesh_arena_alloc(arena, sizeof *said);
    if (said == NULL)
        return NULL;
    mesh__events__v1__dead_letter__init(said);
    said->number = letter->number;
    said->event = mesh_events_text_stored(&letter->event, arena);
    said->give_up_time = mesh_events_text_time(arena, letter->given_up_ns);
    said->deliveries = letter->deliveries;
    said->code = legible(arena, letter->code);
    said->cause = legible(arena, letter->cause);
    said->history = legible(arena, letter->history);
    return mesh_arena_overflowed(arena) ? NULL : said;
}
