/* EventsService: the consumer of a service, and what it has given up. */
#include <inttypes.h>
#include <stdlib.h>

#include "mesh/auth/caller.h"
#include "mesh/events/operate.h"
#include "mesh/resource/check.h"
#include "mesh/resource/page.h"
#include "mesh/service/events_text.h"
#include "mesh/service/operate_impl.h"

static const char LETTERS_SCOPE[] = "mesh.events.v1.EventsService/ListDeadLetters";

/* --- the consumer ----------------------------------------------------------------------------- */

static void add_gaps(const mesh_consumer_state *state, mesh_arena *arena,
                     Mesh__Events__V1__Consumer *response)
{
    Mesh__Events__V1__Gap *said = mesh_arena_calloc(arena, state->gap_count, sizeof *said);
    response->gaps = mesh_arena_calloc(arena, state->gap_count, sizeof *response->gaps);
    for (size_t i = 0; said != NULL && response->gaps != NULL && i < state->gap_count; i++) {
        const mesh_gap *gap = &state->gaps[i];
        mesh__events__v1__gap__init(&said[i]);
        said[i].aggregate_type = (char *)gap->aggregate_type;
        said[i].aggregate_id = (char *)gap->aggregate_id;
        said[i].missing_version = gap->missing;
        said[i].dead = gap->dead;
        said[i].events = (int64_t)gap->events;
        said[i].waits_ms = gap->waits_ms;
        response->gaps[response->n_gaps++] = &said[i];
    }
}

mesh_code mesh_operate_get_consumer(void *self, mesh_call *call,
                                    const Mesh__Events__V1__GetConsumerRequest *request,
                                    Mesh__Events__V1__Consumer *response, mesh_error *err)
{
    const mesh_operate *operate = self;
    mesh_consumer_state state;
    (void)request;
    mesh_code code = mesh_consumer_get_state(operate->events, mesh_call_arena(call), &state, err);
    if (code != MESH_OK)
        return code;
    response->name = (char *)state.name;
    response->paused = state.paused;
    response->pause_time = mesh_events_text_time(mesh_call_arena(call), state.paused_ns);
    response->stalled = state.stalled;
    response->waiting = state.waiting;
    response->unanswered = state.unanswered;
    response->delivered_sequence = state.delivered;
    response->answered_sequence = state.answered;
    response->dead_letters = state.dead_letters;
    response->oldest_held_ms = state.oldest_held_ms;
    response->held = state.held;
    add_gaps(&state, mesh_call_arena(call), response);
    return MESH_OK;
}

static mesh_code pause(void *self, mesh_call *call, bool paused,
                       Mesh__Events__V1__Consumer *response, mesh_error *err)
{
    const mesh_operate *operate = self;
    mesh_code code = mesh_consumer_pause(operate->events, paused, err);
    if (code != MESH_OK)
        return code;
    mesh_log(MESH_LOG_INFO,
             paused ? "an operator paused the consumer" : "an operator resumed the consumer",
             MESH_LOG_S("user", mesh_call_caller(call)->user));
    return mesh_operate_get_consumer(self, call, NULL, response, err);
}

mesh_code mesh_operate_pause_consumer(void *self, mesh_call *call,
                                      const Mesh__Events__V1__PauseConsumerRequest *request,
                                      Mesh__Events__V1__Consumer *response, mesh_error *err)
{
    (void)request;
    return pause(self, call, true, response, err);
}

mesh_code mesh_operate_resume_consumer(void *self, mesh_call *call,
                                       const Mesh__Events__V1__ResumeConsumerRequest *request,
                                       Mesh__Events__V1__Consumer *response, mesh_error *err)
{
    (void)request;
    return pause(self, call, false, response, err);
}

/* --- dead letters: looking -------------------------------------------------------------------- */

/* In order; one more than the page shows whether there is another one. */
mesh_code mesh_operate_list_dead_letters(void *self, mesh_call *call,
                                         const Mesh__Events__V1__ListDeadLettersRequest *request,
                                         Mesh__Events__V1__ListDeadLettersResponse *response,
                                         mesh_error *err)
{
    const mesh_operate *operate = self;
    mesh_arena *arena = mesh_call_arena(call);
    mesh_check check = {.err = err};
    mesh_dead_letter *letters;
    mesh_page page;
    size_t count;
    mesh_page_read(&page, &check, LETTERS_SCOPE, request->page_size, request->page_token);
    if (check.code != MESH_OK)
        return check.code;
    mesh_code code = mesh_dead_letters_list(operate->events, strtoull(page.after, NULL, 10),
                                            page.size + 1, arena, &letters, &count, err);
    if (code != MESH_OK)
        return code;
    const size_t shown = count > page.size ? page.size : count;
    response->letters = mesh_arena_calloc(arena, shown, sizeof *response->letters);
    for (size_t i = 0; response->letters != NULL && i < shown; i++) {
        letters[i].event.payload_size = 0;
        letters[i].history = "";
        response->letters[response->n_letters] = mesh_events_text_letter(&letters[i], arena);
        response->n_letters += response->letters[response->n_letters] != NULL;
    }
    if (count > shown)
        response->next_page_token = mesh_page_token(
            arena, LETTERS_SCOPE, mesh_arena_printf(arena, "%" PRIu64, letters[shown - 1].number));
    return MESH_OK;
}

mesh_code mesh_operate_get_dead_letter(void *self, mesh_call *call,
                                       const Mesh__Events__V1__GetDeadLetterRequest *request,
                                       Mesh__Events__V1__DeadLetter *response, mesh_error *err)
{
    const mesh_operate *operate = self;
    mesh_arena *arena = mesh_call_arena(call);
    mesh_dead_letter letter;
    mesh_code code = mesh_dead_letter_get(operate->events, request->number, arena, &letter, err);
    if (code != MESH_OK)
        return code;
    const Mesh__Events__V1__DeadLetter *said = mesh_events_text_letter(&letter, arena);
    if (said == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *response = *said;
    return MESH_OK;
}

/* --- dead letters: deciding ------------------------------------------------------------------- */

/* Who, and which, after it was done. */
static void note(mesh_call *call, const char *what, uint64_t number, bool force)
{
    mesh_log(MESH_LOG_INFO, what, MESH_LOG_I("number", (int64_t)number),
             MESH_LOG_S("force", force ? "yes" : "no"),
             MESH_LOG_S("user", mesh_call_caller(call)->user));
}

mesh_code mesh_operate_replay_dead_letter(void *self, mesh_call *call,
                                          const Mesh__Events__V1__ReplayDeadLetterRequest *request,
                                          Mesh__Events__V1__ReplayDeadLetterResponse *response,
                                          mesh_error *err)
{
    const mesh_operate *operate = self;
    (void)response;
    mesh_code code = mesh_dead_letter_replay(operate->events, request->number, request->force, err);
    if (code == MESH_OK)
        note(call, "an operator had a dead letter handled", request->number, request->force);
    return code;
}

mesh_code mesh_operate_drop_dead_letter(void *self, mesh_call *call,
                                        const Mesh__Events__V1__DropDeadLetterRequest *request,
                                        Mesh__Events__V1__DropDeadLetterResponse *response,
                                        mesh_error *err)
{
    const mesh_operate *operate = self;
    (void)response;
    mesh_code code = mesh_dead_letter_drop(operate->events, request->number, request->force, err);
    if (code == MESH_OK)
        note(call, "an operator dropped a dead letter", request->number, request->force);
    return code;
}
