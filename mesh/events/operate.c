#include "mesh/events/operate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mesh/events/dead.h"
#include "mesh/events/envelope.h"
#include "mesh/events/gaps.h"

enum {
    LINK_TIMEOUT_MS = 2000,
    LETTERS_MAX = 1000
};

/* What works on it. FAILED_PRECONDITION: the service has no consumers. */
static mesh_code consumption_of(mesh_events *events, const mesh_consumption_settings **settings,
                                mesh_error *err)
{
    mesh_consumption *consumption = mesh_events_consumption(events);
    if (consumption == NULL)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "this service consumes no events");
    *settings = &consumption->settings;
    return MESH_OK;
}

static mesh_code acquire(mesh_events *events, const mesh_consumption_settings **settings,
                         mesh_link **link, mesh_error *err)
{
    mesh_code code = consumption_of(events, settings, err);
    if (code != MESH_OK)
        return code;
    *link = mesh_broker_acquire((*settings)->broker, LINK_TIMEOUT_MS);
    if (*link == NULL)
        return mesh_error_set(err, MESH_UNAVAILABLE, "there is no connection to the broker");
    return MESH_OK;
}

static mesh_code not_asked(natsStatus status, mesh_error *err)
{
    return mesh_error_set(err, MESH_UNAVAILABLE, "the broker cannot be asked: %s",
                          natsStatus_GetText(status));
}

/* ---- dead letters: looking ---- */

mesh_code mesh_dead_letters_list(mesh_events *events, uint64_t after, size_t max, mesh_arena *arena,
                                 mesh_dead_letter **letters, size_t *count, mesh_error *err)
{
    const mesh_consumption_settings *settings = NULL;
    mesh_link *link = NULL;
    natsStatus status = NATS_OK;
    size_t found = 0;
    mesh_code code = acquire(events, &settings, &link, err);
    if (code != MESH_OK)
        return code;
    if (max > LETTERS_MAX)
        max = LETTERS_MAX;
    mesh_dead_letter *list = mesh_arena_calloc(arena, max, sizeof *list);
    while (list != NULL && found < max) {
        natsMsg *message = NULL;
        status = mesh_dead_next(link, settings->delivery.service, after + 1, &message);
        if (status != NATS_OK)
            break;
        mesh_dead_read(message, settings->delivery.service, arena, &list[found]);
        list[found].event.payload = NULL;
        after = list[found++].number;
        natsMsg_Destroy(message);
    }
    mesh_broker_release(settings->broker, link);
    if (status != NATS_OK && status != NATS_NOT_FOUND)
        return not_asked(status, err);
    if (mesh_arena_overflowed(arena))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *letters = list;
    *count = found;
    return MESH_OK;
}

/* The message of a letter, for the caller to destroy. */
static mesh_code find_letter(const mesh_consumption_settings *settings, mesh_link *link,
                             uint64_t number, natsMsg **message, mesh_error *err)
{
    natsMsg *found = NULL;
    natsStatus status = mesh_dead_next(link, settings->delivery.service, number, &found);
    if (status != NATS_OK && status != NATS_NOT_FOUND)
        return not_asked(status, err);
    if (status == NATS_NOT_FOUND || natsMsg_GetSequence(found) != number) {
        natsMsg_Destroy(found);
        return mesh_error_set(err, MESH_NOT_FOUND, "there is no dead letter %" PRIu64, number);
    }
    *message = found;
    return MESH_OK;
}

mesh_code mesh_dead_letter_get(mesh_events *events, uint64_t number, mesh_arena *arena,
                               mesh_dead_letter *letter, mesh_error *err)
{
    const mesh_consumption_settings *settings = NULL;
    mesh_link *link = NULL;
    natsMsg *message = NULL;
    mesh_code code = acquire(events, &settings, &link, err);
    if (code != MESH_OK)
        return code;
    code = find_letter(settings, link, number, &message, err);
    mesh_broker_release(settings->broker, link);
    if (code != MESH_OK)
        return code;
    mesh_dead_letter found;
    mesh_dead_read(message, settings->delivery.service, arena, &found);
    found.event.payload = mesh_arena_memdup(arena, found.event.payload, found.event.payload_size);
    natsMsg_Destroy(message);
    if (mesh_arena_overflowed(arena))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *letter = found;
    return MESH_OK;
}

/* ---- dead letters: doing ---- */

/* What is done with a letter: MESH_OK removes it. */
typedef mesh_code act_fn(const mesh_consumption_settings *settings, mesh_delivery *delivery,
                         mesh_arena *arena, mesh_error *err);

/* Its version is past: of this event (somebody else may be replaying it), or of another one. */
static mesh_code check_past(const mesh_delivery_settings *settings, const mesh_delivery *delivery,
                            mesh_error *err)
{
    bool handled = false;
    const mesh_event *event = &delivery->meta;
    mesh_code code = mesh_inbox_knows(settings->db, settings->service, event->id, &handled, err);
    if (code != MESH_OK || handled)
        return code;
    if (delivery->begun_with != 0)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "the aggregate began with version %" PRId64 " here: only by force is "
                              "version %" PRId64 " applied now, out of its order",
                              delivery->begun_with, event->version);
    return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                          "version %" PRId64 " of the aggregate is past: it was handled with "
                          "another event, or skipped; drop the letter",
                          event->version);
}

static mesh_code replay(const mesh_consumption_settings *settings, mesh_delivery *delivery,
                        mesh_arena *arena, mesh_error *err)
{
    if (delivery->aggregate.type == NULL)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "nobody handles %s any more",
                              delivery->subject);
    mesh_code code = mesh_delivery_try(&settings->delivery, delivery, arena, err);
    if (code == MESH_OK && delivery->result == MESH_DELIVERY_PAST)
        code = check_past(&settings->delivery, delivery, err);
    return code;
}

static mesh_code skip_version(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregate,
                              const mesh_delivery *delivery, int64_t version, mesh_error *err)
{
    mesh_code code = mesh_inbox_lock(tx, consumer, aggregate, 1, err);
    if (code != MESH_OK || version <= aggregate->version)
        return code;
    bool first = aggregate->version == 0 && version == aggregate->begun;
    if (version != aggregate->version + 1 && !first && !delivery->forced)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "version %" PRId64 " of the aggregate is missing before version "
                              "%" PRId64 ": it has to be replayed or dropped first",
                              aggregate->version + 1, version);
    aggregate->reached = version;
    return mesh_inbox_advance(tx, consumer, aggregate, 1, err);
}

static mesh_code drop(const mesh_consumption_settings *settings, mesh_delivery *delivery,
                      mesh_arena *arena, mesh_error *err)
{
    mesh_tx *tx = NULL;
    int64_t version = mesh_envelope_version(delivery->message);
    mesh_aggregate aggregate = {.type = delivery->aggregate.type,
                                .id = mesh_envelope_read_aggregate_id(delivery->message, arena),
                                .before = -1};
    if (mesh_arena_overflowed(arena))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (version == 0 || aggregate.type == NULL || aggregate.id == NULL)
        return MESH_OK; /* no version is missing without it */
    mesh_code code = mesh_tx_begin(settings->delivery.db, NULL, &tx, err);
    if (code == MESH_OK)
        code = skip_version(tx, settings->delivery.service, &aggregate, delivery, version, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code act_on(const mesh_consumption_settings *settings, natsMsg *message, bool force,
                        act_fn *act, mesh_error *err)
{
    mesh_arena *arena = mesh_arena_create(MESH_EVENT_ARENA_BYTES, MESH_EVENT_ARENA_LIMIT_BYTES);
    mesh_arena *texts = mesh_arena_create(MESH_EVENT_ARENA_BYTES, 0);
    mesh_dead_letter letter;
    mesh_code code;
    if (arena == NULL || texts == NULL) {
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        goto done;
    }
    mesh_dead_read(message, settings->delivery.service, texts, &letter);
    mesh_delivery delivery = {
        .message = message,
        .subject = letter.event.subject,
        .sequence = letter.event.sequence,
        .number = letter.deliveries + 1,
        .forced = force,
    };
    mesh_delivery_address(&delivery, settings->consumers);
    code = act(settings, &delivery, arena, err);
done:
    mesh_arena_destroy(texts);
    mesh_arena_destroy(arena);
    return code;
}

static mesh_code settle(mesh_events *events, uint64_t number, bool force, act_fn *act,
                        mesh_error *err)
{
    const mesh_consumption_settings *settings = NULL;
    mesh_link *link = NULL;
    natsMsg *message = NULL;
    mesh_code code = acquire(events, &settings, &link, err);
    if (code != MESH_OK)
        return code;
    code = find_letter(settings, link, number, &message, err);
    if (code == MESH_OK)
        code = act_on(settings, message, force, act, err);
    natsMsg_Destroy(message);
    if (code == MESH_OK) {
        natsStatus status = mesh_dead_remove(link, settings->delivery.service, number);
        if (status != NATS_OK)
            code = mesh_error_set(err, MESH_UNAVAILABLE,
                                  "it is done, but the letter could not be removed: %s",
                                  natsStatus_GetText(status));
    }
    mesh_broker_release(settings->broker, link);
    return code;
}

mesh_code mesh_dead_letter_replay(mesh_events *events, uint64_t number, bool force, mesh_error *err)
{
    return settle(events, number, force, replay, err);
}

mesh_code mesh_dead_letter_drop(mesh_events *events, uint64_t number, bool force, mesh_error *err)
{
    return settle(events, number, force, drop, err);
}

/* ---- the consumer ---- */

mesh_code mesh_consumer_pause(mesh_events *events, bool paused, mesh_error *err)
{
    static const char sql[] =
        "INSERT INTO mesh_inbox_control AS c (consumer, paused) VALUES ($1, $2)"
        " ON CONFLICT (consumer) DO UPDATE SET paused = excluded.paused, changed_at = now()"
        " WHERE c.paused <> excluded.paused";
    const mesh_consumption_settings *settings = NULL;
    mesh_code code = consumption_of(events, &settings, err);
    if (code != MESH_OK)
        return code;
    return mesh_db_exec(
        settings->delivery.db, 0, sql,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(settings->delivery.service), MESH_SQL_BOOL(paused)), NULL,
        err);
}

static natsStatus read_broker(jsCtx *js, const char *service, mesh_consumer_state *state)
{
    char name[MESH_DEAD_STREAM_BYTES];
    jsConsumerInfo *consumer = NULL;
    jsStreamInfo *dead = NULL;
    snprintf(name, sizeof name, MESH_DEAD_STREAM "%s", service);
    natsStatus status = js_GetConsumerInfo(&consumer, js, MESH_EVENTS_STREAM, service, NULL, NULL);
    if (status == NATS_OK)
        status = js_GetStreamInfo(&dead, js, name, NULL, NULL);
    if (status == NATS_OK) {
        state->waiting = consumer->NumPending;
        state->unanswered = (uint64_t)consumer->NumAckPending;
        state->delivered = consumer->Delivered.Stream;
        state->answered = consumer->AckFloor.Stream;
        state->dead_letters = dead->State.Msgs;
    }
    jsConsumerInfo_Destroy(consumer);
    jsStreamInfo_Destroy(dead);
    return status;
}

mesh_code mesh_consumer_get_state(mesh_events *events, mesh_arena *arena, mesh_consumer_state *out,
                                  mesh_error *err)
{
    const mesh_consumption_settings *settings = NULL;
    mesh_link *link = NULL;
    mesh_events_stats stats;
    mesh_code code = acquire(events, &settings, &link, err);
    if (code != MESH_OK)
        return code;
    mesh_consumer_state state = {.name = settings->delivery.service};
    natsStatus status = read_broker(link->js, state.name, &state);
    mesh_broker_release(settings->broker, link);
    if (status != NATS_OK)
        return not_asked(status, err);
    code = mesh_inbox_read_control(settings->delivery.db, state.name, &state.paused,
                                   &state.paused_ns, err);
    if (code != MESH_OK)
        return code;
    mesh_events_get_stats(events, &stats);
    state.stalled = stats.stalled;
    state.oldest_held_ms = stats.oldest_held_ms;
    state.held = stats.held;
    if (!mesh_gaps_list(mesh_events_consumption(events), arena, &state.gaps, &state.gap_count))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *out = state;
    return MESH_OK;
}
