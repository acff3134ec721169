#include "mesh/plugin/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef Google__Protobuf__SourceCodeInfo__Location location;

static const location *find_location(const file_proto *file, schema_path path)
{
    if (file->source_code_info == NULL)
        return NULL;
    for (size_t i = 0; i < file->source_code_info->n_location; i++) {
        const location *here = file->source_code_info->location[i];
        if (here->n_path == path.count && here->n_span >= 3 &&
            (path.count == 0 ||
             memcmp(here->path, path.steps, path.count * sizeof *path.steps) == 0))
            return here;
    }
    return NULL;
}

static void add_place(text *out, const file_proto *file, schema_path path)
{
    text_addf(out, "%s:", file->name);
    for (;; path.count--) {
        const location *here = find_location(file, path);
        if (here != NULL) {
            text_addf(out, "%lld:%lld:", here->span[0] + 1LL, here->span[1] + 1LL);
            return;
        }
        if (path.count == 0)
            return;
    }
}

void report_add(report *problems, const file_proto *file, schema_path path, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (problems->count++ > 0)
        text_add(&problems->lines, "\n");
    if (file != NULL) {
        add_place(&problems->lines, file, path);
        text_add(&problems->lines, " ");
    }
    text_add(&problems->lines, message);
}

void report_free(report *problems)
{
    text_free(&problems->lines);
}
