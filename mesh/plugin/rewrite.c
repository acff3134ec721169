#include "mesh/plugin/rewrite.h"

#include <string.h>

#include "mesh/plugin/comment.h"
#include "mesh/plugin/schema.h"

static void rewrite_message(message_proto *message)
{
    for (size_t i = 0; i < message->n_field; i++)
        message->field[i]->has_proto3_optional = false;
    for (size_t i = 0; i < message->n_nested_type; i++)
        rewrite_message(message->nested_type[i]);
}

static char *rewrite_comment(mesh_arena *arena, const char *comment)
{
    if (comment == NULL)
        return NULL;
    text clean = {0};
    while (*comment != '\0') {
        size_t size = strcspn(comment, "\n");
        comment_add_line(&clean, comment, size);
        if (comment[size] == '\n')
            text_add(&clean, "\n");
        comment += size + (comment[size] == '\n');
    }
    char *copy = mesh_arena_strdup(arena, clean.data != NULL ? clean.data : "");
    text_free(&clean);
    return copy;
}

void rewrite_request(mesh_arena *arena, code_request *request)
{
    request->parameter = NULL;
    for (size_t i = 0; i < request->n_proto_file; i++) {
        file_proto *file = request->proto_file[i];
        file->n_service = 0;
        if (file->options != NULL)
            file->options->has_optimize_for = false; /* CODE_SIZE leaves the names out */
        for (size_t k = 0; k < file->n_message_type; k++)
            rewrite_message(file->message_type[k]);
        for (size_t k = 0; file->source_code_info != NULL && k < file->source_code_info->n_location;
             k++) {
            Google__Protobuf__SourceCodeInfo__Location *place = file->source_code_info->location[k];
            place->leading_comments = rewrite_comment(arena, place->leading_comments);
            place->trailing_comments = rewrite_comment(arena, place->trailing_comments);
            place->n_leading_detached_comments = 0;
        }
    }
}
