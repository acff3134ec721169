/* Calls made for a call: waited for, cancelled with it, and never left behind by it. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/service.h"

enum {
    CHILDREN = 40
};

static testing_service front; /* whose handler fans out */
static testing_service back;  /* whom it calls */
static atomic_int answered;
static atomic_int cancelled;
static atomic_int why; /* of the last one */
static sem_t fanned_out;

static void on_child(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                     const mesh_error *err)
{
    mesh_call *parent = context;

    (void)response;
    (void)err;
    assert_non_null(mesh_call_method(parent)); /* not freed before its children ended */
    if (code == MESH_OK)
        atomic_fetch_add(&answered, 1);
    else {
        atomic_store(&why, code);
        atomic_fetch_add(&cancelled, 1);
    }
}

/* `forward` children; `hang`: they never answer; `defer`: their parent does not wait for them. */
static mesh_code fan_out(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                         Testing__V1__EchoResponse *response, mesh_error *err)
{
    const mesh_call_options options = {.parent = call};

    (void)self;
    for (int32_t i = 0; i < request->forward; i++) {
        Testing__V1__EchoRequest child = TESTING__V1__ECHO_REQUEST__INIT;
        mesh_code code;

        child.hang = request->hang;
        code = testing__v1__testing__echo__async(back.channel, &child, &options, on_child, call);
        if (code != MESH_OK)
            return mesh_error_set(err, code, "child %d", i);
    }
    sem_post(&fanned_out);
    if (!request->defer)
        mesh_join(call);
    response->left_ms = atomic_load(&answered);
    /* A child has a little less time than its parent, which may still answer. */
    if (!request->defer && atomic_load(&cancelled) > 0)
        return mesh_error_set(err, (mesh_code)atomic_load(&why), "a child failed");
    return MESH_OK;
}

static const testing__v1__testing__handlers fanning = {.echo = fan_out};

static int start(void **state)
{
    (void)state;
    sem_init(&fanned_out, 0, 0);
    atomic_store(&answered, 0);
    atomic_store(&cancelled, 0);
    atomic_store(&why, MESH_OK);
    testing_service_start(&back, TESTING_WORKER,
                          &(mesh_server_options){.worker_count = CHILDREN + 8}, NULL);
    testing_service_serve(&front, testing__v1__testing__api(&fanning, NULL), NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&front);
    testing_service_stop(&back);
    sem_destroy(&fanned_out);
    return 0;
}

static mesh_code call(int32_t children, bool hang, bool leave, int64_t timeout_ms, int64_t *seen)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_code code;

    request.forward = children;
    request.hang = hang;
    request.defer = leave;
    code = testing__v1__testing__echo(
        front.channel, &request, &response,
        &(mesh_call_options){.arena = front.arena, .timeout_ms = timeout_ms}, NULL);
    if (code == MESH_OK && seen != NULL)
        *seen = response->left_ms;
    return code;
}

static void wait_until_idle(void)
{
    while (mesh_server_active(front.server) + mesh_server_active(back.server) > 0)
        sched_yield();
}

static void join_returns_when_all_callbacks_have(void **state)
{
    static const int32_t counts[] = {0, 1, 2, CHILDREN};

    (void)state;
    for (int round = 0; round < 5; round++)
        for (size_t i = 0; i < 4; i++) {
            int64_t seen = -1;

            atomic_store(&answered, 0);
            assert_int_equal(call(counts[i], false, false, 0, &seen), MESH_OK);
            assert_int_equal(seen, counts[i]);
        }
    assert_int_equal(atomic_load(&cancelled), 0);
}

static void a_parents_deadline_ends_its_children(void **state)
{
    int begun, ended;

    (void)state;
    assert_int_equal(call(CHILDREN, true, false, 200, NULL), MESH_DEADLINE_EXCEEDED);
    wait_until_idle();
    assert_int_equal(atomic_load(&answered), 0);
    /* those whose handlers had begun have seen it, too */
    assert_int_equal(sem_getvalue(&back.hanging, &begun), 0);
    assert_int_equal(sem_getvalue(&back.cancelled, &ended), 0);
    assert_int_equal(begun, ended);
}

static void on_done(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                    const mesh_error *err)
{
    (void)code;
    (void)response;
    (void)err;
    sem_post(context);
}

static void a_cancelled_parent_cancels_its_children(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    mesh_channel *channel;
    static sem_t done; /* sem_post may look at it after the wait */

    (void)state;
    sem_init(&done, 0, 0);
    assert_int_equal(mesh_channel_create(front.address, NULL, &channel, NULL), MESH_OK);
    request.forward = CHILDREN;
    request.hang = true;
    assert_int_equal(testing__v1__testing__echo__async(channel, &request, NULL, on_done, &done),
                     MESH_OK);
    testing_wait(&fanned_out);
    mesh_channel_destroy(channel); /* cancels: there is no deadline here */
    testing_wait(&done);
    wait_until_idle();
    assert_int_equal(atomic_load(&cancelled), CHILDREN);
    sem_destroy(&done);
}

/* The parent is answered before its children: it lives until they ended. */
static void a_parent_outlives_children_that_it_does_not_wait_for(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++)
        assert_int_equal(call(CHILDREN, false, true, 0, NULL), MESH_OK);
    wait_until_idle();
    assert_int_equal(atomic_load(&answered) + atomic_load(&cancelled), 20 * CHILDREN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(join_returns_when_all_callbacks_have, start, stop),
        cmocka_unit_test_setup_teardown(a_parents_deadline_ends_its_children, start, stop),
        cmocka_unit_test_setup_teardown(a_cancelled_parent_cancels_its_children, start, stop),
        cmocka_unit_test_setup_teardown(a_parent_outlives_children_that_it_does_not_wait_for, start,
                                        stop),
    };

    return cmocka_run_group_tests_name("calls made for calls", tests, NULL, NULL);
}
