/* Typed functions for callers, and for handlers of streams. */
#include "mesh/plugin/comment.h"
#include "mesh/plugin/parts.h"

static const char unary_header[] =
    "$mark$MESH_API mesh_code $method$(mesh_channel *channel,\n"
    "    const $request$ *request, $response$ **response,\n"
    "    const mesh_call_options *options, mesh_error *err);\n"
    "\n"
    "/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */\n"
    "typedef void $method$__done(void *context, mesh_code code,\n"
    "    const $response$ *response, const mesh_error *err);\n"
    "$mark$MESH_API mesh_code $method$__async(mesh_channel *channel,\n"
    "    const $request$ *request, const mesh_call_options *options,\n"
    "    $method$__done *done, void *context);\n";

static const char unary_source[] =
    "\nmesh_code $method$(mesh_channel *channel,\n"
    "    const $request$ *request, $response$ **response,\n"
    "    const mesh_call_options *options, mesh_error *err)\n"
    "{\n"
    "    ProtobufCMessage *answer = NULL;\n"
    "    mesh_code code = mesh_unary_call(channel, &$service$__methods[$index$],\n"
    "        (const ProtobufCMessage *)request, &answer, options, err);\n"
    "    if (code == MESH_OK && response != NULL)\n"
    "        *response = ($response$ *)answer;\n"
    "    return code;\n"
    "}\n"
    "\n"
    "static void $method$__answer(const mesh_answer *answer)\n"
    "{\n"
    "    $method$__done *done = ($method$__done *)answer->callback;\n"
    "    if (done != NULL)\n"
    "        done(answer->context, answer->code, (const $response$ *)answer->response,\n"
    "            answer->err);\n"
    "}\n"
    "\n"
    "mesh_code $method$__async(mesh_channel *channel,\n"
    "    const $request$ *request, const mesh_call_options *options,\n"
    "    $method$__done *done, void *context)\n"
    "{\n"
    "    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};\n"
    "    return mesh_unary_call_async(channel, &$service$__methods[$index$],\n"
    "        (const ProtobufCMessage *)request, options, &answer, $method$__answer);\n"
    "}\n";

static const char open_with_request[] =
    "$mark$static inline mesh_code $method$(mesh_channel *channel,\n"
    "    const $request$ *request, mesh_stream **stream,\n"
    "    const mesh_call_options *options, mesh_error *err)\n"
    "{\n"
    "    return mesh_stream_open(channel, &$service$__methods[$index$],\n"
    "        (const ProtobufCMessage *)request, options, stream, err);\n"
    "}\n";

static const char open_without_request[] =
    "$mark$static inline mesh_code $method$(mesh_channel *channel,\n"
    "    mesh_stream **stream, const mesh_call_options *options, mesh_error *err)\n"
    "{\n"
    "    return mesh_stream_open(channel, &$service$__methods[$index$],\n"
    "        NULL, options, stream, err);\n"
    "}\n";

static const char client_next[] = "\n/* Client: the next message, as mesh_stream_next. */\n"
                                  "static inline mesh_code $method$__next(\n"
                                  "    mesh_stream *stream, const $response$ **message)\n"
                                  "{\n"
                                  "    const ProtobufCMessage *next = NULL;\n"
                                  "    mesh_code code = mesh_stream_next(stream, &next, NULL);\n"
                                  "    if (code == MESH_OK)\n"
                                  "        *message = (const $response$ *)next;\n"
                                  "    return code;\n"
                                  "}\n";

static const char client_send[] =
    "\n/* Client: sends a message, as mesh_stream_send. */\n"
    "static inline mesh_code $method$__send(\n"
    "    mesh_stream *stream, const $request$ *message)\n"
    "{\n"
    "    return mesh_stream_send(stream, (const ProtobufCMessage *)message);\n"
    "}\n";

static const char client_finish[] =
    "\n/* Client: the one response, as mesh_stream_finish_response. */\n"
    "static inline mesh_code $method$__finish(\n"
    "    mesh_stream *stream, $response$ **response, mesh_error *err)\n"
    "{\n"
    "    ProtobufCMessage *answer = NULL;\n"
    "    mesh_code code = mesh_stream_finish_response(stream, &answer, err);\n"
    "    if (code == MESH_OK && response != NULL)\n"
    "        *response = ($response$ *)answer;\n"
    "    return code;\n"
    "}\n";

static const char server_receive[] =
    "\n/* Handler: the client's next message, as mesh_stream_next. */\n"
    "static inline mesh_code $method$__receive(\n"
    "    mesh_stream *stream, const $request$ **message, mesh_error *err)\n"
    "{\n"
    "    const ProtobufCMessage *next = NULL;\n"
    "    mesh_code code = mesh_stream_next(stream, &next, err);\n"
    "    if (code == MESH_OK)\n"
    "        *message = (const $request$ *)next;\n"
    "    return code;\n"
    "}\n";

static const char server_reply[] =
    "\n/* Handler: sends a message and waits for room, as mesh_stream_send. */\n"
    "static inline mesh_code $method$__reply(\n"
    "    mesh_stream *stream, const $response$ *message)\n"
    "{\n"
    "    return mesh_stream_send(stream, (const ProtobufCMessage *)message);\n"
    "}\n"
    "\n/* Handler: sends a message if there is room, as mesh_stream_try_send. */\n"
    "static inline mesh_code $method$__try_reply(\n"
    "    mesh_stream *stream, const $response$ *message)\n"
    "{\n"
    "    return mesh_stream_try_send(stream, (const ProtobufCMessage *)message);\n"
    "}\n";

static const char server_reply_once[] =
    "\n/* Handler with events: sends the one response, before mesh_stream_end. */\n"
    "static inline mesh_code $method$__reply(\n"
    "    mesh_stream *stream, const $response$ *response)\n"
    "{\n"
    "    return mesh_stream_try_send(stream, (const ProtobufCMessage *)response);\n"
    "}\n";

static void add_method(text *out, const schema_method *method)
{
    text_var vars[METHOD_VARS];
    method_vars(vars, method);
    text_add(out, "\n");
    comment_add(out, "", schema_comment(method->service->file->proto, method->path));
    switch (method->kind) {
    case MESH_UNARY:
        text_fill(out, vars, unary_header);
        break;
    case MESH_SERVER_STREAMING:
        text_fill(out, vars, open_with_request);
        text_fill(out, vars, client_next);
        text_fill(out, vars, server_reply);
        break;
    case MESH_CLIENT_STREAMING:
        text_fill(out, vars, open_without_request);
        text_fill(out, vars, client_send);
        text_fill(out, vars, client_finish);
        text_fill(out, vars, server_receive);
        text_fill(out, vars, server_reply_once);
        break;
    case MESH_BIDI_STREAMING:
        text_fill(out, vars, open_without_request);
        text_fill(out, vars, client_send);
        text_fill(out, vars, client_next);
        text_fill(out, vars, server_receive);
        text_fill(out, vars, server_reply);
        break;
    }
}

void client_header(text *out, const schema_service *service)
{
    for (size_t i = 0; i < service->method_count; i++)
        add_method(out, &service->methods[i]);
}

void client_source(text *out, const schema_service *service)
{
    for (size_t i = 0; i < service->method_count; i++) {
        text_var vars[METHOD_VARS];
        method_vars(vars, &service->methods[i]);
        if (service->methods[i].kind == MESH_UNARY)
            text_fill(out, vars, unary_source);
    }
}
