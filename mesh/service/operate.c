#include "mesh/service/operate.h"

#include <stdio.h>
#include <string.h>

#include "mesh/auth/caller.h"
#include "mesh/base/alloc.h"
#include "mesh/events/operate.h"
#include "mesh/events/outbox_look.h"
#include "mesh/resource/check.h"
#include "mesh/rpc/unpack.h"
#include "mesh/rpc/watchers.h"
#include "mesh/service/events_text.h"
#include "mesh/service/operate_impl.h"

/* --- tails ------------------------------------------------------------------------------------ */

static mesh_code check_tail(const Mesh__Events__V1__TailEventsRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_check_that(&check, mesh_tail_subject_valid(request->subject), "subject",
                    "must be empty or words of letters, digits, _ and - with dots between them; "
                    "* stands for any word, > at the end for all that follow");
    if (request->start_case == MESH__EVENTS__V1__TAIL_EVENTS_REQUEST__START_SEQUENCE)
        mesh_check_that(&check, request->sequence > 0, "sequence", "must not be 0");
    if (request->start_case == MESH__EVENTS__V1__TAIL_EVENTS_REQUEST__START_TIME)
        mesh_check_that(&check,
                        request->time->seconds > 0 &&
                            request->time->seconds < INT64_MAX / 1000000000 &&
                            request->time->nanos >= 0 && request->time->nanos < 1000000000,
                        "time", "must be after 1970 and before 2262");
    return check.code;
}

static mesh_code open_tail(void *self, mesh_stream *stream,
                           const Mesh__Events__V1__TailEventsRequest *request, mesh_error *err)
{
    const mesh_operate *operate = self;
    mesh_tail_start start = {.subject = request->subject};
    mesh_code code = check_tail(request, err);
    if (code != MESH_OK)
        return code;
    if (request->start_case == MESH__EVENTS__V1__TAIL_EVENTS_REQUEST__START_SEQUENCE)
        start.sequence = request->sequence;
    if (request->start_case == MESH__EVENTS__V1__TAIL_EVENTS_REQUEST__START_TIME)
        start.time_ns = request->time->seconds * 1000000000 + request->time->nanos;
    return mesh_tails_add(operate->tails, stream, &start, err);
}

static const mesh__events__v1__events_service__tail_events__events tail_events = {
    .on_open = open_tail,
    .on_writable = mesh_watchers_on_writable,
    .on_close = mesh_watchers_on_close,
};

/* --- the outbox ------------------------------------------------------------------------------- */

static mesh_code get_outbox(void *self, mesh_call *call,
                            const Mesh__Events__V1__GetOutboxRequest *request,
                            Mesh__Events__V1__Outbox *response, mesh_error *err)
{
    const mesh_operate *operate = self;
    mesh_arena *arena = mesh_call_arena(call);
    mesh_outbox_state state;
    (void)request;
    mesh_code code = mesh_outbox_look(operate->db, mesh_call_deadline_ns(call), arena, &state, err);
    if (code != MESH_OK)
        return code;
    response->pending = state.pending;
    response->oldest_pending_time = mesh_events_text_time(arena, state.oldest_ns);
    response->kept = state.kept;
    Mesh__Events__V1__RefusedAggregate *said = mesh_arena_calloc(arena, state.refused_count,
                                                                 sizeof *said);
    response->refused = mesh_arena_calloc(arena, state.refused_count, sizeof *response->refused);
    for (size_t i = 0; said != NULL && response->refused != NULL && i < state.refused_count; i++) {
        const mesh_outbox_refused *refused = &state.refused[i];
        mesh__events__v1__refused_aggregate__init(&said[i]);
        said[i].aggregate_type = (char *)refused->aggregate_type;
        said[i].aggregate_id = (char *)refused->aggregate_id;
        said[i].subject = (char *)refused->subject;
        said[i].event_id = (char *)refused->event_id;
        said[i].since = mesh_events_text_time(arena, refused->since_ns);
        said[i].attempts = refused->attempts;
        said[i].cause = (char *)refused->cause;
        response->refused[response->n_refused++] = &said[i];
    }
    return MESH_OK;
}

/* --- publishing ------------------------------------------------------------------------------- */

void mesh_operate_offer(mesh_error *err, size_t index, const char *name)
{
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, "%s%s",
             index == 0 ? "; it has " : ", ", name);
}

static mesh_code no_event(const mesh_service *service, const char *subject, mesh_error *err)
{
    mesh_error_set(err, MESH_NOT_FOUND, "%s publishes no event \"%.*s\"", service->name,
                   MESH_TAIL_SUBJECT_BYTES, subject);
    for (size_t i = 0; i < MESH_SERVICE_MAX_EVENTS && service->publishes[i] != NULL; i++)
        mesh_operate_offer(err, i, service->publishes[i]->subject);
    return MESH_NOT_FOUND;
}

static const mesh_event_descriptor *find_event(const mesh_service *service, const char *subject)
{
    for (size_t i = 0; i < MESH_SERVICE_MAX_EVENTS && service->publishes[i] != NULL; i++)
        if (strcmp(service->publishes[i]->subject, subject) == 0)
            return service->publishes[i];
    return NULL;
}

static mesh_code publish_event(void *self, mesh_call *call,
                               const Mesh__Events__V1__PublishEventRequest *request,
                               Mesh__Events__V1__PublishEventResponse *response, mesh_error *err)
{
    const mesh_operate *operate = self;
    const mesh_event_descriptor *event = find_event(operate->service, request->subject);
    ProtobufCMessage *message;
    mesh_published published;
    if (event == NULL)
        return no_event(operate->service, request->subject, err);
    mesh_code code = mesh_unpack(event->message, request->payload.data, request->payload.len,
                                 mesh_call_arena(call), &message, err);
    if (code == MESH_INVALID_ARGUMENT) {
        mesh_error_prefix(err, "the payload");
        return code;
    }
    if (code == MESH_OK)
        code = mesh_event_publish(operate->db, event, message, mesh_call_deadline_ns(call),
                                  &published, err);
    if (code != MESH_OK)
        return code;
    response->id = mesh_arena_strdup(mesh_call_arena(call), published.id);
    response->sequence = published.sequence;
    mesh_log(MESH_LOG_INFO, "an operator published an event", MESH_LOG_S("event_id", published.id),
             MESH_LOG_S("subject", event->subject),
             MESH_LOG_S("aggregate_id", event->aggregate_id(message)),
             MESH_LOG_I("version", event->version != NULL ? event->version(message) : 0),
             MESH_LOG_S("user", mesh_call_caller(call)->user));
    return MESH_OK;
}

/* --- life ------------------------------------------------------------------------------------- */

static const mesh__events__v1__events_service__handlers handlers = {
    .tail_events__events = &tail_events,
    .get_outbox = get_outbox,
    .publish_event = publish_event,
    .get_consumer = mesh_operate_get_consumer,
    .pause_consumer = mesh_operate_pause_consumer,
    .resume_consumer = mesh_operate_resume_consumer,
    .list_dead_letters = mesh_operate_list_dead_letters,
    .get_dead_letter = mesh_operate_get_dead_letter,
    .replay_dead_letter = mesh_operate_replay_dead_letter,
    .drop_dead_letter = mesh_operate_drop_dead_letter,
    .list_sagas = mesh_operate_list_sagas,
    .get_saga = mesh_operate_get_saga,
    .retry_saga = mesh_operate_retry_saga,
    .resolve_saga = mesh_operate_resolve_saga,
};

mesh_code mesh_operate_create(const mesh_service *service, mesh_db *db, mesh_events *events,
                              mesh_sagas *sagas, mesh_operate **operate, mesh_error *err)
{
    mesh_operate *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->service = service;
    made->db = db;
    made->events = events;
    made->sagas = sagas;
    mesh_code code = mesh_tails_create(events, &made->tails, err);
    if (code != MESH_OK) {
        mesh_operate_destroy(made);
        return code;
    }
    *operate = made;
    return MESH_OK;
}

mesh_api mesh_operate_api(mesh_operate *operate)
{
    return mesh__events__v1__events_service__api(&handlers, operate);
}

void mesh_operate_end(mesh_operate *operate)
{
    if (operate != NULL)
        mesh_tails_end(operate->tails);
}

void mesh_operate_destroy(mesh_operate *operate)
{
    if (operate == NULL)
        return;
    mesh_tails_destroy(operate->tails);
    mesh_free(operate);
}
