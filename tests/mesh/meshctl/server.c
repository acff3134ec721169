/*
 * The server that the tests of meshctl call. Prints its port and a line for each Count that was
 * cancelled, and ends with its standard input.
 *
 *   server [--no-reflection | --old-reflection] [--listen ADDRESS] [--mtls CA CERTIFICATE KEY]
 */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/health/health.h"
#include "mesh/reflection/reflection.h"
#include "mesh/rpc/server.h"
#include "meshctl_test/v1/shop.mesh.h"

static mesh_code fail(const MeshctlTest__V1__BuyRequest *request, mesh_error *err)
{
    mesh_code code = (mesh_code)request->fail_code;
    if (code == MESH_INVALID_ARGUMENT) {
        mesh_error_field(err, "item.quantity", "must be more than 0");
        return mesh_error_field(err, "item.item_id", "must not be empty");
    }
    mesh_error_reason(err, code, "meshctl_test.v1", "OUT_OF_STOCK", "no %s is left",
                      request->item == NULL ? "item" : request->item->item_id);
    mesh_error_metadata(err, "item_id", request->item == NULL ? "" : request->item->item_id);
    mesh_error_retry_after(err, 1500);
    mesh_error_detail(err, "meshctl_test.v1.Total", "\x08\x07", 2);
    mesh_error_detail(err, "meshctl_test.v1.Unheard", "\x08\x07", 2);
    return code;
}

static mesh_code buy(void *self, mesh_call *call, const MeshctlTest__V1__BuyRequest *request,
                     MeshctlTest__V1__BuyResponse *response, mesh_error *err)
{
    (void)self;
    if (request->fail_code != 0)
        return fail(request, err);
    mesh_arena *arena = mesh_call_arena(call);
    const mesh_metadata *note = mesh_call_metadata(call, "note", 0);
    const mesh_metadata *binary = mesh_call_metadata(call, "note-bin", 0);
    int64_t deadline = mesh_call_deadline_ns(call);
    response->receipt = mesh_arena_strdup(arena, "r-1");
    response->item = request->item;
    if (note != NULL)
        response->note = mesh_arena_strndup(arena, note->value, note->size);
    else if (binary != NULL)
        response->note = mesh_arena_printf(arena, "%zu bytes", binary->size);
    if (deadline != MESH_NO_DEADLINE)
        response->patience_ms = (deadline - mesh_clock_monotonic_ns()) / 1000000;
    if (request->item != NULL && strcmp(request->item->item_id, "proof") == 0) {
        response->proof = mesh_arena_alloc(arena, sizeof *response->proof);
        if (response->proof == NULL)
            return MESH_RESOURCE_EXHAUSTED;
        google__protobuf__any__init(response->proof);
        response->proof->type_url = mesh_arena_strdup(arena,
                                                      "type.googleapis.com/meshctl_test.v1.Total");
        response->proof->value.data = mesh_arena_memdup(arena, "\x10\x05", 2);
        response->proof->value.len = 2;
    }
    mesh_code code = mesh_call_add_header(call, "shop", "open", 4, err);
    return code != MESH_OK ? code : mesh_call_add_trailer(call, "till", "7", 1, err);
}

static void wake(void *context)
{
    sem_post(context);
}

static mesh_code count(void *self, mesh_call *call, const MeshctlTest__V1__CountRequest *request,
                       mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)err;
    for (int32_t i = 1; i <= request->up_to; i++) {
        MeshctlTest__V1__Item item = MESHCTL_TEST__V1__ITEM__INIT;
        item.quantity = i;
        if (meshctl_test__v1__shop_service__count__reply(stream, &item) != MESH_OK)
            return MESH_CANCELLED;
    }
    if (request->stay) {
        sem_t gone;
        sem_init(&gone, 0, 0);
        mesh_call_on_cancel(call, wake, &gone);
        while (sem_wait(&gone) != 0)
            continue;
        sem_destroy(&gone);
        printf("cancelled\n");
        fflush(stdout);
    }
    return MESH_OK;
}

static mesh_code fill(void *self, mesh_call *call, mesh_stream *stream,
                      MeshctlTest__V1__Total *response, mesh_error *err)
{
    (void)self;
    (void)call;
    const MeshctlTest__V1__Item *item;
    mesh_code code;
    while ((code = meshctl_test__v1__shop_service__fill__receive(stream, &item, err)) == MESH_OK) {
        response->items++;
        response->quantity += item->quantity;
    }
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code twice(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)call;
    const MeshctlTest__V1__Item *item;
    mesh_code code;
    while ((code = meshctl_test__v1__shop_service__double__receive(stream, &item, err)) ==
           MESH_OK) {
        MeshctlTest__V1__Item answer = *item;
        answer.quantity *= 2;
        if (item->quantity < 0)
            return mesh_error_set(err, MESH_OUT_OF_RANGE, "less than nothing");
        if (meshctl_test__v1__shop_service__double__reply(stream, &answer) != MESH_OK)
            return MESH_CANCELLED;
    }
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code count_stock(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                             MeshctlTest__V1__Total *response, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)request;
    (void)err;
    response->items = 3;
    return MESH_OK;
}

static const meshctl_test__v1__shop_service__handlers shop = {
    .buy = buy, .count = count, .fill = fill, .double_ = twice};
static const meshctl_test__v1__stock_service__handlers stock = {.count = count_stock};

typedef enum reflection_version {
    REFLECTION_NONE,
    REFLECTION_V1ALPHA,
    REFLECTION_BOTH
} reflection_version;

static mesh_code serve(const mesh_server_options *options, reflection_version reflect, bool stocked,
                       mesh_error *err)
{
    mesh_server *server = NULL;
    mesh_health *health = NULL;
    mesh_reflection *reflection = NULL;
    mesh_code code = mesh_server_create(options, &server, err);
    if (code == MESH_OK)
        code = mesh_server_add(server, meshctl_test__v1__shop_service__api(&shop, NULL), err);
    if (code == MESH_OK && stocked)
        code = mesh_server_add(server, meshctl_test__v1__stock_service__api(&stock, NULL), err);
    if (code == MESH_OK)
        code = mesh_health_create(&health, err);
    if (code == MESH_OK) {
        mesh_health_set_all(health, MESH_HEALTH_SERVING);
        code = mesh_server_add(server, mesh_health_api(health), err);
    }
    if (code == MESH_OK && reflect != REFLECTION_NONE)
        code = mesh_reflection_create(server, &reflection, err);
    if (code == MESH_OK && reflect != REFLECTION_NONE)
        code = mesh_server_add(server, mesh_reflection_api_v1alpha(reflection), err);
    if (code == MESH_OK && reflect == REFLECTION_BOTH)
        code = mesh_server_add(server, mesh_reflection_api(reflection), err);
    if (code == MESH_OK)
        code = mesh_server_start(server, err);
    if (code == MESH_OK) {
        printf("%d\n", mesh_server_port(server));
        fflush(stdout);
        while (getchar() != EOF)
            continue;
        mesh_server_drain(server, 2000);
    }
    mesh_server_destroy(server);
    mesh_reflection_destroy(reflection);
    mesh_health_destroy(health);
    return code;
}

int main(int argc, char **argv)
{
    mesh_tls_options tls = {.size = sizeof tls};
    mesh_server_options options = {.size = sizeof options, .listen = "127.0.0.1:0"};
    reflection_version reflect = REFLECTION_BOTH;
    bool stocked = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-reflection") == 0) {
            reflect = REFLECTION_NONE;
        } else if (strcmp(argv[i], "--old-reflection") == 0) {
            reflect = REFLECTION_V1ALPHA;
        } else if (strcmp(argv[i], "--no-stock") == 0) {
            stocked = false;
        } else if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc) {
            options.listen = argv[++i];
        } else if (strcmp(argv[i], "--mtls") == 0 && i + 3 < argc) {
            tls.ca_file = argv[++i];
            tls.certificate_file = argv[++i];
            tls.key_file = argv[++i];
            tls.require_client_certificate = true;
            options.tls = &tls;
        }
    }
    mesh_error err;
    if (serve(&options, reflect, stocked, &err) != MESH_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
