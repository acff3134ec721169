#include "mesh/plugin/comment.h"
#include "mesh/plugin/parts.h"

enum {
    ENUM_VALUE = 2
};

void access_header(text *out, const schema *all, const schema_type *type)
{
    const text_var vars[] = {{"lower", type->lower}, {"type", type->type}, {NULL, NULL}};
    text_fill(out, vars, "\n/* What policies call the values of $type$. */\n");
    for (size_t i = 0; i < type->enumeration->n_value; i++) {
        if (type->strings[i] == NULL)
            continue;
        comment_add(out, "",
                    schema_comment(type->file->proto, schema_path_add(all->arena, type->path,
                                                                      ENUM_VALUE, (int32_t)i)));
        text_addf(out, "#define %s__%s__NAME \"%s\"\n", type->upper,
                  type->enumeration->value[i]->name, type->strings[i]);
    }
    text_fill(out, vars,
              "\n/* The same of a value; NULL for 0 and for what the enum does not have. */\n"
              "MESH_API const char *$lower$__name($type$ value);\n");
}

void access_source(text *out, const schema_type *type)
{
    const text_var vars[] = {{"lower", type->lower}, {"type", type->type}, {NULL, NULL}};
    text_fill(out, vars,
              "\nconst char *$lower$__name($type$ value)\n"
              "{\n"
              "    switch (value) {\n");
    for (size_t i = 0; i < type->enumeration->n_value; i++)
        if (type->strings[i] != NULL)
            text_addf(out, "    case %s__%s:\n        return %s__%s__NAME;\n", type->upper,
                      type->enumeration->value[i]->name, type->upper,
                      type->enumeration->value[i]->name);
    text_add(out, "    default:\n"
                  "        return NULL;\n"
                  "    }\n"
                  "}\n");
}
