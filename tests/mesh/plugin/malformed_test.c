/*
 * Requests that protoc would never send do not crash the generator: they are answered or refused
 * with a message. The first argument names a file with a real request.
 */
#include "tests/mesh/base/test.h"

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "mesh/base/wire.h"
#include "mesh/plugin/generate.h"
#include "mesh/plugin/memory.h"
#include "mesh/rpc/unpack.h"

typedef Google__Protobuf__Compiler__CodeGeneratorRequest request;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse response;
typedef Google__Protobuf__FileDescriptorProto file_proto;

static const char *request_path;
static uint8_t *real;
static size_t real_size;

/* Runs the generator; true when it answered. `said` gets the error of the answer, or why not. */
static bool run(const uint8_t *data, size_t size, char *said, size_t said_size)
{
    text output = {0}, why = {0};
    bool answered = generate(data, size, &output, &why);
    said[0] = '\0';
    if (answered) {
        response *answer = google__protobuf__compiler__code_generator_response__unpack(
            NULL, output.size, (const uint8_t *)output.data);
        assert_non_null(answer);
        snprintf(said, said_size, "%s", answer->error != NULL ? answer->error : "");
        assert_true((answer->error != NULL) == (answer->n_file == 0));
        google__protobuf__compiler__code_generator_response__free_unpacked(answer, NULL);
    } else {
        assert_int_equal(output.size, 0);
        assert_true(why.size > 0);
        snprintf(said, said_size, "%s", why.data);
    }
    text_free(&output);
    text_free(&why);
    return answered;
}

static void the_real_request_is_answered(void **state)
{
    char said[256];
    (void)state;
    assert_true(run(real, real_size, said, sizeof said));
    assert_string_equal(said, "");
}

static void nothing_is_answered_with_nothing(void **state)
{
    text output = {0}, why = {0};
    (void)state;
    /* No file to generate: protoc-gen-c is asked for nothing and says nothing. */
    assert_true(generate(NULL, 0, &output, &why));
    text_free(&output);
    text_free(&why);
}

static void a_truncated_request_is_refused_or_answered(void **state)
{
    char said[256];
    size_t refused = 0, tried = 0;
    (void)state;
    for (size_t size = 1; size < real_size; size += 1 + real_size / 200, tried++)
        refused += !run(real, size, said, sizeof said);
    assert_true(refused > tried / 2);
}

/* xorshift64: the same damage in every run. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void a_damaged_request_is_refused_or_answered(void **state)
{
    char said[256];
    uint64_t seed = 4711;
    (void)state;
    uint8_t *data = malloc(real_size);
    assert_non_null(data);
    for (int i = 0; i < 300; i++) {
        memcpy(data, real, real_size);
        for (int k = 0; k < 1 + i % 6; k++)
            data[next_random(&seed) % real_size] = (uint8_t)next_random(&seed);
        run(data, real_size, said, sizeof said);
    }
    free(data);
}

static void random_bytes_are_refused(void **state)
{
    char said[256];
    uint64_t seed = 42;
    uint8_t data[512];
    (void)state;
    for (int i = 0; i < 400; i++) {
        for (size_t k = 0; k < sizeof data; k++)
            data[k] = (uint8_t)next_random(&seed);
        run(data, 1 + next_random(&seed) % sizeof data, said, sizeof said);
    }
    data[0] = 0xff;
    assert_false(run(data, 1, said, sizeof said));
    assert_non_null(strstr(said, "the input is no google.protobuf.compiler.CodeGeneratorRequest"));
}

/* 20,000 messages within each other would end protobuf-c's stack; 100 are enough for anybody. */
static void deep_nesting_is_refused(void **state)
{
    enum {
        DEPTH = 20000
    };
    char said[256];
    (void)state;
    uint8_t *data = malloc(16 * DEPTH);
    assert_non_null(data);
    uint8_t *at = data + 16 * DEPTH;
    size_t size = 0;
    for (int i = 0; i < DEPTH; i++) {
        /* nested_type (3) of DescriptorProto, message_type (4) of the file, proto_file (15). */
        uint32_t number = i == DEPTH - 1 ? 15 : i == DEPTH - 2 ? 4 : 3;
        uint8_t head[16];
        mesh_wire_writer writer = {.at = head, .end = head + sizeof head};
        mesh_wire_put_header(&writer, number, size);
        at -= writer.at - head;
        memcpy(at, head, (size_t)(writer.at - head));
        size += (size_t)(writer.at - head);
    }
    assert_false(run(at, size, said, sizeof said));
    free(data);
}

/* Changes of one thing that protoc guarantees, and what is said about it. */
typedef struct change {
    void (*apply)(request *whole, file_proto *file);
    bool answered;
    const char *said;
} change;

static char editions[] = "editions", strange[] = "x y", nowhere[] = ".nowhere.Type", empty[] = "";

static void set_editions(request *whole, file_proto *file)
{
    (void)whole;
    file->syntax = editions;
}

static void drop_file_name(request *whole, file_proto *file)
{
    (void)whole;
    file->name = NULL;
}

static void drop_imports(request *whole, file_proto *file)
{
    (void)file;
    whole->n_proto_file = 1;
}

static void reverse_files(request *whole, file_proto *file)
{
    (void)file;
    file_proto *first = whole->proto_file[0];
    whole->proto_file[0] = whole->proto_file[whole->n_proto_file - 1];
    whole->proto_file[whole->n_proto_file - 1] = first;
}

static void repeat_file(request *whole, file_proto *file)
{
    (void)file;
    whole->proto_file[0] = whole->proto_file[whole->n_proto_file - 1];
}

static void rename_message(request *whole, file_proto *file)
{
    (void)whole;
    file->message_type[0]->name = strange;
}

static void drop_message_name(request *whole, file_proto *file)
{
    (void)whole;
    file->message_type[0]->name = NULL;
}

static void drop_field_type(request *whole, file_proto *file)
{
    (void)whole;
    file->message_type[0]->field[0]->has_type = false;
}

static void change_oneof(request *whole, file_proto *file)
{
    (void)whole;
    file->message_type[0]->field[0]->has_oneof_index = true;
    file->message_type[0]->field[0]->oneof_index = 7;
}

static void change_request_type(request *whole, file_proto *file)
{
    (void)whole;
    file->service[0]->method[0]->input_type = nowhere;
}

static void drop_response_type(request *whole, file_proto *file)
{
    (void)whole;
    file->service[0]->method[0]->output_type = NULL;
}

static void drop_method_name(request *whole, file_proto *file)
{
    (void)whole;
    file->service[0]->method[0]->name = empty;
}

static void change_package(request *whole, file_proto *file)
{
    (void)whole;
    file->package = strange;
}

static void change_field_type(request *whole, file_proto *file)
{
    (void)whole;
    file->message_type[0]->field[1]->type_name = nowhere;
}

static void what_protoc_guarantees_is_checked(void **state)
{
    static const change changes[] = {
        {set_editions, true,
         "kitchen/v1/kitchen.proto:2:1: syntax \"editions\" is not supported: write proto3"},
        {drop_file_name, false, "the request is malformed: proto_file: a file without a name"},
        {drop_imports, false, "file_to_generate: a file that the request does not bring"},
        {reverse_files, false, "an import is missing or comes after its user"},
        {repeat_file, false, "an import is missing or comes after its user"},
        {rename_message, false, "a message without a name"},
        {drop_message_name, false, "a message without a name"},
        {drop_field_type, false, "a field without a type"},
        {change_oneof, false, "a field of a oneof that does not exist"},
        {change_request_type, true,
         "kitchen/v1/kitchen.proto:19:3: kitchen.v1.Kitchen.Cook has a request or response that is "
         "not there"},
        {drop_response_type, false, "a method without a name or message types"},
        {drop_method_name, false, "a method without a name or message types"},
        {change_package, false, "the package is no name"},
        {change_field_type, true,
         "kitchen.v1.CookRequest.jar has a type \".nowhere.Type\" that is not there"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        /* Its memory is not given back one by one, since changes make it a graph. */
        mesh_arena *arena = mesh_arena_create(1 << 20, 0);
        assert_non_null(arena);
        ProtobufCAllocator allocator = mesh_arena_allocator(arena);
        request *whole = google__protobuf__compiler__code_generator_request__unpack(
            &allocator, real_size, real);
        assert_non_null(whole);
        file_proto *file = NULL;
        for (size_t k = 0; k < whole->n_proto_file; k++)
            if (strcmp(whole->proto_file[k]->name, "kitchen/v1/kitchen.proto") == 0)
                file = whole->proto_file[k];
        assert_non_null(file);
        changes[i].apply(whole, file);
        size_t size = google__protobuf__compiler__code_generator_request__get_packed_size(whole);
        uint8_t *data = memory_take(arena, size, 1);
        google__protobuf__compiler__code_generator_request__pack(whole, data);
        char said[1024];
        assert_int_equal(run(data, size, said, sizeof said), changes[i].answered);
        if (strstr(said, changes[i].said) == NULL)
            fail_msg("change %zu said \"%s\"", i, said);
        mesh_arena_destroy(arena);
    }
}

static int set_up(void **state)
{
    (void)state;
    FILE *file = fopen(request_path, "rb");
    if (file == NULL)
        return 1;
    real = malloc(1 << 20);
    real_size = real != NULL ? fread(real, 1, 1 << 20, file) : 0;
    fclose(file);
    return real_size == 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(real);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_request_is_answered),
        cmocka_unit_test(nothing_is_answered_with_nothing),
        cmocka_unit_test(a_truncated_request_is_refused_or_answered),
        cmocka_unit_test(a_damaged_request_is_refused_or_answered),
        cmocka_unit_test(random_bytes_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(what_protoc_guarantees_is_checked),
    };
    request_path = argc > 1 ? argv[1] : "request.bin";
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
