/* (mesh.v1.method): who may call, and for how long. */
#include <string.h>

#include "mesh/plugin/memory.h"
#include "mesh/plugin/options.h"
#include "mesh/v1/options.pb-c.h"

enum {
    OPTION_METHOD = 50100,
    METHOD_OPTIONS = 4, /* MethodDescriptorProto.options */
    NANOS_PER_MS = 1000000,
    NANOS_PER_S = 1000000000
};

/* google.protobuf.Duration's own limit, about 10,000 years. */
static const int64_t max_seconds = 315576000000;

static void read_names(const options_place *where, schema_method *method, const char *option,
                       char *const *names, size_t count)
{
    method->names = memory_take(where->all->arena, count, sizeof *method->names);
    method->name_count = count;
    for (size_t i = 0; i < count; i++) {
        method->names[i] = names[i];
        if (names[i][0] == '\0')
            options_mistake(where, "`%s` has an empty name", option);
        for (size_t k = 0; k < i; k++)
            if (names[i][0] != '\0' && strcmp(names[i], names[k]) == 0)
                options_mistake(where, "`%s` names \"%s\" twice", option, names[i]);
    }
}

static void read_policy(const options_place *where, schema_method *method,
                        const Mesh__V1__MethodOptions *options)
{
    static const char *const names[] = {
        [MESH_POLICY_PUBLIC] = "public",     [MESH_POLICY_AUTHENTICATED] = "authenticated",
        [MESH_POLICY_ROLES] = "roles",       [MESH_POLICY_PERMISSION] = "permission",
        [MESH_POLICY_SERVICES] = "services",
    };
    const bool given[] = {
        [MESH_POLICY_PUBLIC] = options->public_,
        [MESH_POLICY_AUTHENTICATED] = options->authenticated,
        [MESH_POLICY_ROLES] = options->n_roles > 0,
        [MESH_POLICY_PERMISSION] = options->permission[0] != '\0',
        [MESH_POLICY_SERVICES] = options->n_services > 0,
    };
    for (mesh_policy_kind kind = MESH_POLICY_PUBLIC; kind <= MESH_POLICY_SERVICES; kind++) {
        if (!given[kind])
            continue;
        if (method->policy != MESH_POLICY_UNDECLARED)
            options_mistake(where, "`%s` and `%s` contradict each other: a method has one policy",
                            names[method->policy], names[kind]);
        else
            method->policy = kind;
    }
    if (method->policy == MESH_POLICY_PERMISSION) {
        method->permission = options->permission;
        options_check_named(where, method->service->file, SCHEMA_PERMISSIONS, options->permission);
    }
    if (method->policy == MESH_POLICY_ROLES) {
        read_names(where, method, "roles", options->roles, options->n_roles);
        for (size_t i = 0; i < options->n_roles; i++)
            options_check_named(where, method->service->file, SCHEMA_ROLES, options->roles[i]);
    }
    if (method->policy == MESH_POLICY_SERVICES)
        read_names(where, method, "services", options->services, options->n_services);
    method->sensitive = options->sensitive;
    if (options->sensitive && !given[MESH_POLICY_PERMISSION])
        options_mistake(where, "`sensitive` needs `permission`");
}

static void read_deadline(const options_place *where, schema_method *method,
                          const Google__Protobuf__Duration *deadline)
{
    if (deadline == NULL)
        return;
    if (deadline->nanos <= -NANOS_PER_S || deadline->nanos >= NANOS_PER_S ||
        deadline->seconds > max_seconds || deadline->seconds < -max_seconds ||
        (deadline->seconds > 0 && deadline->nanos < 0) ||
        (deadline->seconds < 0 && deadline->nanos > 0))
        options_mistake(
            where, "`deadline` is no duration: nanos have the sign of seconds and are less than "
                   "a second");
    else if (deadline->seconds < 0 || deadline->nanos < 0 ||
             (deadline->seconds == 0 && deadline->nanos == 0))
        options_mistake(where, "`deadline` must be more than zero");
    else
        method->deadline_ms = deadline->seconds * 1000 +
                              (deadline->nanos + NANOS_PER_MS - 1) / NANOS_PER_MS;
}

void options_method(schema *all, schema_method *method, report *problems)
{
    const ProtobufCMessage *base = (const ProtobufCMessage *)method->proto->options;
    const options_place where = {
        .all = all,
        .file = method->service->file->proto,
        .owner = method->full_name,
        .path = schema_path_field(
            all->arena, schema_path_field(all->arena, method->path, METHOD_OPTIONS), OPTION_METHOD),
        .problems = problems};
    const ProtobufCMessage *message = options_read(&where, base, OPTION_METHOD, "mesh.v1.method",
                                                   &mesh__v1__method_options__descriptor);
    if (message == NULL)
        return;
    const Mesh__V1__MethodOptions *options = (const Mesh__V1__MethodOptions *)message;
    if (message->n_unknown_fields > 0)
        options_mistake(&where, "(mesh.v1.method) has a field %u that this plugin does not know",
                        message->unknown_fields[0].tag);
    read_policy(&where, method, options);
    read_deadline(&where, method, options->deadline);
}
