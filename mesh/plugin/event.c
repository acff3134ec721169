#include "mesh/plugin/comment.h"
#include "mesh/plugin/parts.h"

/* What turns the event whose place this one takes into this one. */
static void upcaster_header(text *out, const schema_type *type)
{
    const text_var vars[] = {{"lower", type->lower},
                             {"type", type->type},
                             {"older", type->older->type},
                             {"older_name", type->older->full_name},
                             {NULL, NULL}};
    text_fill(out, vars,
              "\n/* The upcaster, written by hand: fills `event`, initialised, from a\n"
              " * $older_name$; strings may be borrowed from that one, the rest is the\n"
              " * arena's. Not MESH_OK: the delivery failed. */\n"
              "mesh_code $lower$__upcast(\n"
              "    mesh_arena *arena, const $older$ *from, $type$ *event, mesh_error *err);\n");
}

/* For handlers that take several at once. */
static void batch_header(text *out, const schema_type *type)
{
    const text_var vars[] = {{"lower", type->lower}, {"type", type->type}, {NULL, NULL}};
    text_fill(out, vars,
              "\n"
              "typedef struct $lower$__received {\n"
              "    const mesh_event *meta;\n"
              "    const $type$ *event;\n"
              "} $lower$__received;\n"
              "\n"
              "/* Handles 1 to MESH_BATCH_MAX events, in their order: as many of this kind as\n"
              " * follow each other in the transaction. When it fails, each comes again alone. */\n"
              "typedef mesh_code $lower$__batch_handler(void *self, mesh_tx *tx,\n"
              "    const $lower$__received *received, size_t count, mesh_error *err);\n"
              "\n"
              "/* Between the runtime and a handler; not called by hand. */\n"
              "extern mesh_consume_batch_fn $lower$__consume_batch;\n"
              "\n"
              "static inline mesh_consumer $lower$__batch_consumer(\n"
              "    $lower$__batch_handler *handler, void *self)\n"
              "{\n"
              "    return mesh_batch_consumer_make(\n"
              "        &$lower$__event, $lower$__consume_batch, (void (*)(void))handler, self);\n"
              "}\n");
}

void event_header(text *out, const schema_type *type)
{
    const text_var vars[] = {
        {"lower", type->lower}, {"type", type->type}, {"subject", type->subject}, {NULL, NULL}};
    text_fill(out, vars,
              "\n/* Event $subject$: added to a transaction, handled by a consumer. */\n");
    comment_add(out, "", schema_comment(type->file->proto, type->path));
    text_fill(out, vars,
              "extern const mesh_event_descriptor $lower$__event;\n"
              "\n"
              "MESH_API mesh_code $lower$__add(\n"
              "    mesh_tx *tx, const $type$ *event, mesh_error *err);\n"
              "\n"
              "typedef mesh_code $lower$__handler(void *self, mesh_tx *tx,\n"
              "    const mesh_event *meta, const $type$ *event, mesh_error *err);\n"
              "\n"
              "/* Between the runtime and a handler; not called by hand. */\n"
              "extern mesh_consume_fn $lower$__consume;\n"
              "\n"
              "static inline mesh_consumer $lower$__consumer(\n"
              "    $lower$__handler *handler, void *self)\n"
              "{\n"
              "    return mesh_consumer_make(\n"
              "        &$lower$__event, $lower$__consume, (void (*)(void))handler, self);\n"
              "}\n");
    batch_header(out, type);
    if (type->older != NULL)
        upcaster_header(out, type);
}

static void upcaster_source(text *out, const schema_type *type)
{
    const text_var vars[] = {
        {"lower", type->lower}, {"type", type->type}, {"older", type->older->type}, {NULL, NULL}};
    text_fill(out, vars,
              "\nstatic mesh_code $lower$__upcast_from(mesh_arena *arena, const ProtobufCMessage "
              "*from,\n"
              "    ProtobufCMessage *event, mesh_error *err)\n"
              "{\n"
              "    return $lower$__upcast(\n"
              "        arena, (const $older$ *)from, ($type$ *)event, err);\n"
              "}\n");
}

static void batch_source(text *out, const schema_type *type)
{
    const text_var vars[] = {{"lower", type->lower}, {"type", type->type}, {NULL, NULL}};
    text_fill(out, vars,
              "\nmesh_code $lower$__consume_batch(void (*handler)(void), void *self,\n"
              "    mesh_tx *tx, const mesh_received *received, size_t count, mesh_error *err)\n"
              "{\n"
              "    $lower$__received *typed =\n"
              "        mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *typed);\n"
              "    if (typed == NULL)\n"
              "        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, \"out of memory\");\n"
              "    for (size_t i = 0; i < count; i++) {\n"
              "        typed[i].meta = received[i].meta;\n"
              "        typed[i].event = (const $type$ *)received[i].event;\n"
              "    }\n"
              "    return (($lower$__batch_handler *)handler)(self, tx, typed, count, err);\n"
              "}\n");
}

void event_source(text *out, const schema_type *type)
{
    const text_var vars[] = {{"lower", type->lower},
                             {"type", type->type},
                             {"subject", type->subject},
                             {"aggregate", type->aggregate},
                             {"version", type->version != NULL ? type->version : ""},
                             {"aggregate_type", type->aggregate_type},
                             {NULL, NULL}};
    text_fill(out, vars,
              "\nstatic const char *$lower$__aggregate_id(const ProtobufCMessage *event)\n"
              "{\n"
              "    return ((const $type$ *)event)->$aggregate$;\n"
              "}\n");
    if (type->version != NULL)
        text_fill(out, vars,
                  "\nstatic int64_t $lower$__version(const ProtobufCMessage *event)\n"
                  "{\n"
                  "    return ((const $type$ *)event)->$version$;\n"
                  "}\n");
    if (type->older != NULL)
        upcaster_source(out, type);
    text_fill(out, vars,
              "\nconst mesh_event_descriptor $lower$__event = {\n"
              "    .subject = \"$subject$\",\n"
              "    .message = &$lower$__descriptor,\n");
    text_add(out, "    .aggregate_type = ");
    text_add_literal(out, type->aggregate_type);
    text_fill(out, vars, ",\n    .aggregate_id = $lower$__aggregate_id,\n");
    if (type->version != NULL)
        text_fill(out, vars,
                  "    .version = $lower$__version,\n"
                  "    .version_field = \"$version$\",\n");
    if (type->older != NULL)
        text_addf(out, "    .older = &%s__event,\n    .upcast = %s__upcast_from,\n",
                  type->older->lower, type->lower);
    text_fill(
        out, vars,
        "};\n"
        "\n"
        "mesh_code $lower$__add(\n"
        "    mesh_tx *tx, const $type$ *event, mesh_error *err)\n"
        "{\n"
        "    return mesh_event_add(tx, &$lower$__event, (const ProtobufCMessage *)event, err);\n"
        "}\n"
        "\n"
        "mesh_code $lower$__consume(void (*handler)(void), void *self, mesh_tx *tx,\n"
        "    const mesh_event *meta, const ProtobufCMessage *event, mesh_error *err)\n"
        "{\n"
        "    return (($lower$__handler *)handler)(\n"
        "        self, tx, meta, (const $type$ *)event, err);\n"
        "}\n");
    batch_source(out, type);
}
