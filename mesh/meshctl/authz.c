/* meshctl authz explain: may a user call a method, by which rule, and how is that known. */
#include <inttypes.h>
#include <string.h>

#include "mesh/access/v1/access.mesh.h"
#include "mesh/dyn/json_text.h"
#include "mesh/meshctl/method_name.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/session.h"
#include "mesh/meshctl/sign_in.h"
#include "mesh/meshctl/style.h"
#include "mesh/meshctl/table.h"

enum {
    WORDS = 4, /* explain USER TARGET METHOD; the target may be left out */
    COLUMNS = 3
};

typedef Mesh__Access__V1__ExplainResponse explanation;
typedef Mesh__Access__V1__Fact fact;

/* What is asked, and what came of it. */
typedef struct question {
    ctl *run;
    const char *user_id;
    const char *target;
    ctl_session session;
    const char *method;   /* "product.v1.ProductService/CreateProduct" */
    User__V1__User *user; /* as the user service has it; NULL: it did not say */
    const char **roles;   /* of the user */
    const char *why_not;  /* it did not say; NULL: there is none to be asked */
    explanation *said;
} question;

/* --- asking ----------------------------------------------------------------------------------- */

/* True when a service has the method; one that cannot be asked has none. */
static bool has_method(const question *q, const char *target, const char *word)
{
    const mesh_dyn_method *found;
    ctl_session session;
    ctl_failure ignored;
    bool has = ctl_session_open(q->run, target, &session, &ignored) == MESH_OK &&
               ctl_method_find(&session.catalog, word, q->run->arena, &found, &ignored) == MESH_OK;
    ctl_session_close(&session);
    return has;
}

/* The one service of the mesh that has the method. */
static mesh_code search_target(question *q, const char *word, ctl_failure *failure)
{
    ctl_services services;
    mesh_text names = MESH_TEXT_INIT(q->run->arena, 0);
    size_t count = 0;
    mesh_code code = ctl_services_read(q->run, &services, failure);
    if (code == MESH_OK && services.count > 0)
        code = ctl_sign_in_use(q->run, services.instances[0].name, failure);
    for (size_t i = 0; code == MESH_OK && i < services.count; i++) {
        const char *name = services.instances[i].name;
        if ((i > 0 && strcmp(name, services.instances[i - 1].name) == 0) ||
            !has_method(q, name, word))
            continue;
        mesh_text_printf(&names, "%s%s", count++ == 0 ? "" : ", ", name);
        q->target = name;
    }
    if (code != MESH_OK || count == 1)
        return code;
    if (count == 0)
        return ctl_fail(failure, MESH_NOT_FOUND,
                        "meshctl list TARGET SERVICE shows methods, meshctl status who answers",
                        "no service of the mesh that answers has a method %s", word);
    return ctl_fail(failure, MESH_INVALID_ARGUMENT, "write one of them before the method",
                    "%s is a method of several services: %s", word, mesh_text_string(&names));
}

static mesh_code find_method(question *q, ctl_failure *failure)
{
    const mesh_dyn_method *found;
    const ctl_args *args = &q->run->args;
    const char *word = args->words[args->word_count - 1];
    mesh_code code = MESH_OK;
    if (args->word_count == WORDS) {
        q->target = args->words[2];
        code = ctl_sign_in_use(q->run, q->target, failure);
    } else {
        code = search_target(q, word, failure);
    }
    if (code == MESH_OK)
        code = ctl_session_open(q->run, q->target, &q->session, failure);
    if (code == MESH_OK)
        code = ctl_method_find(&q->session.catalog, word, q->run->arena, &found, failure);
    if (code == MESH_OK)
        q->method = mesh_arena_printf(q->run->arena, "%s/%s",
                                      mesh_dyn_service_name(mesh_dyn_method_service(found)),
                                      mesh_dyn_method_name(found));
    return code;
}

/* As tokens name them. */
static mesh_code take_roles(question *q, ctl_failure *failure)
{
    const User__V1__User *user = q->user;
    q->roles = mesh_arena_calloc(q->run->arena, user->n_roles + 1, sizeof *q->roles);
    for (size_t i = 0; q->roles != NULL && i < user->n_roles; i++) {
        const char *name = user__v1__role__name(user->roles[i]);
        q->roles[i] = name != NULL ? name : "?";
    }
    return q->roles != NULL ? MESH_OK
                            : ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
}

static mesh_code get_user(question *q, ctl_connection *users, ctl_failure *failure)
{
    User__V1__GetUserRequest request = USER__V1__GET_USER_REQUEST__INIT;
    mesh_code code;
    request.user_id = (char *)q->user_id;
    do {
        const mesh_call_options options = ctl_connection_options(users);
        code = user__v1__user_service__get_user(ctl_connection_channel(users), &request, &q->user,
                                                &options, &failure->err);
        if (code != MESH_OK)
            ctl_connection_failed(users, code, failure);
    } while (code != MESH_OK && ctl_sign_in_again(q->run, failure));
    if (code == MESH_NOT_FOUND || code == MESH_INVALID_ARGUMENT)
        failure->hint = "USER is an id: meshctl call user ListUsers shows them";
    return code == MESH_OK ? take_roles(q, failure) : code;
}

/*
 * The roles that a token of the user's would have now. Without them the service says what it knows
 * by itself; a user who does not exist is a failure.
 */
static mesh_code ask_user_service(question *q, ctl_failure *failure)
{
    ctl_sign_in in;
    ctl_connection *users = NULL;
    if (ctl_sign_in_header(q->run) == NULL)
        return MESH_OK;
    mesh_code code = ctl_sign_in_find(q->run, &in, failure);
    if (code == MESH_OK)
        code = ctl_sign_in_connect(q->run, &in, &users, failure);
    if (code != MESH_OK)
        return code == MESH_RESOURCE_EXHAUSTED ? code : MESH_OK;
    code = get_user(q, users, failure);
    ctl_connection_close(users);
    if (code == MESH_OK || code == MESH_NOT_FOUND || code == MESH_INVALID_ARGUMENT ||
        code == MESH_RESOURCE_EXHAUSTED)
        return code;
    q->why_not = mesh_arena_printf(q->run->arena, "%s: %s", mesh_code_name(code),
                                   failure->err.message);
    return MESH_OK;
}

static mesh_code ask_service(question *q, ctl_failure *failure)
{
    Mesh__Access__V1__ExplainRequest request = MESH__ACCESS__V1__EXPLAIN_REQUEST__INIT;
    ctl_connection *connection = q->session.connection;
    mesh_code code;
    request.user_id = (char *)q->user_id;
    request.method = (char *)q->method;
    request.token_roles = (char **)q->roles;
    request.n_token_roles = q->user == NULL ? 0 : q->user->n_roles;
    do {
        const mesh_call_options options = ctl_connection_options(connection);
        code = mesh__access__v1__access_service__explain(
            ctl_connection_channel(connection), &request, &q->said, &options, &failure->err);
        if (code == MESH_OK)
            return code;
        ctl_connection_failed(connection, code, failure);
    } while (ctl_sign_in_again(q->run, failure));
    if (code == MESH_UNIMPLEMENTED)
        failure->hint = "it has no guard of the mesh: either all of its methods are public, or it "
                        "decides by itself";
    return code;
}

/* --- showing ---------------------------------------------------------------------------------- */

static const char *decision_of(const explanation *said)
{
    static const char *const names[] = {"UNKNOWN", "ALLOWED", "DENIED", "UNKNOWN"};
    return names[(unsigned)said->decision < sizeof names / sizeof names[0] ? said->decision : 0];
}

static const char *source_of(const ctl *run, const fact *one)
{
    switch (one->source) {
    case MESH__ACCESS__V1__FACT__SOURCE__TOKEN:
        return "the user's token, as no event has changed it";
    case MESH__ACCESS__V1__FACT__SOURCE__EVENT:
        return "an event that the service has heard";
    case MESH__ACCESS__V1__FACT__SOURCE__CACHE:
        return one->age == NULL
                   ? "kept"
                   : mesh_arena_printf(run->arena, "kept for %" PRId64 ".%d s", one->age->seconds,
                                       (int)(one->age->nanos / 100000000));
    case MESH__ACCESS__V1__FACT__SOURCE__USER_SERVICE:
        return "the user service, asked now";
    default:
        return "?";
    }
}

/* What the user service says, which the one that is called may not know yet; NULL: nothing. */
static const char *account_of(const question *q)
{
    if (q->user == NULL)
        return NULL;
    mesh_text text = MESH_TEXT_INIT(q->run->arena, 0);
    for (size_t i = 0; i < q->user->n_roles; i++)
        mesh_text_printf(&text, "%s%s", i == 0 ? "" : ", ", q->roles[i]);
    mesh_text_puts(&text, q->user->banned ? "; banned" : "");
    return mesh_text_string(&text);
}

static void print_table(const question *q)
{
    const ctl *run = q->run;
    const explanation *said = q->said;
    const char *account = account_of(q), *decision = decision_of(said);
    const char **cells = mesh_arena_calloc(run->arena, said->n_facts + 3, COLUMNS * sizeof *cells);
    size_t rows = 0;
    if (cells == NULL)
        return;
    ctl_colour colour = strcmp(decision, "ALLOWED") == 0  ? CTL_GREEN
                        : strcmp(decision, "DENIED") == 0 ? CTL_RED
                                                          : CTL_YELLOW;
    fprintf(run->out, "%s%s%s%s%s: %s, signed in, calls %s at %s\n",
            ctl_style(run->colour_out, colour), decision, ctl_style(run->colour_out, CTL_PLAIN),
            said->reason[0] == '\0' ? "" : " ", said->reason,
            q->user != NULL ? q->user->username : q->user_id, q->method, q->target);
#define ROW(...) \
    memcpy(cells + COLUMNS * rows++, (const char *[]){__VA_ARGS__}, COLUMNS * sizeof *cells)
    ROW("FACT", "VALUE", "KNOWN FROM");
    ROW("rule", said->rule, "the contract");
    for (size_t i = 0; i < said->n_facts; i++)
        ROW(said->facts[i]->what, said->facts[i]->result, source_of(run, said->facts[i]));
    if (account != NULL)
        ROW("account", account, "the user service, asked now");
    else if (q->why_not != NULL)
        ROW("account", "not known", q->why_not);
#undef ROW
    ctl_table_print(run->out, cells, COLUMNS, rows);
}

static void add_member(mesh_text *out, const char *name, const char *value)
{
    mesh_text_printf(out, "%s\"%s\":", out->data[out->size - 1] == '{' ? "" : ",", name);
    mesh_json_quote(value, strlen(value), out);
}

static void add_fact(mesh_text *out, const fact *one)
{
    const ProtobufCEnumValue *source = protobuf_c_enum_descriptor_get_value(
        &mesh__access__v1__fact__source__descriptor, (int)one->source);
    mesh_text_puts(out, "{");
    add_member(out, "what", one->what);
    add_member(out, "result", one->result);
    add_member(out, "source", source == NULL ? "?" : source->name);
    if (one->age != NULL)
        mesh_text_printf(out, ",\"age_ms\":%" PRId64,
                         one->age->seconds * 1000 + one->age->nanos / 1000000);
    mesh_text_puts(out, "}");
}

static void print_json(const question *q)
{
    const explanation *said = q->said;
    const char *account = account_of(q);
    mesh_text out = MESH_TEXT_INIT(q->run->arena, 0);
    mesh_text_puts(&out, "{");
    add_member(&out, "decision", decision_of(said));
    add_member(&out, "reason", said->reason);
    add_member(&out, "user_id", q->user_id);
    add_member(&out, "target", q->target);
    add_member(&out, "method", q->method);
    add_member(&out, "rule", said->rule);
    mesh_text_puts(&out, ",\"facts\":[");
    for (size_t i = 0; i < said->n_facts; i++) {
        mesh_text_puts(&out, i == 0 ? "" : ",");
        add_fact(&out, said->facts[i]);
    }
    mesh_text_puts(&out, "]");
    if (account != NULL)
        add_member(&out, "account", account);
    else if (q->why_not != NULL)
        add_member(&out, "account_error", q->why_not);
    fprintf(q->run->out, "%s}\n", mesh_text_string(&out));
}

int ctl_authz(ctl *run)
{
    const ctl_args *args = &run->args;
    question q = {.run = run};
    ctl_failure failure;
    if (args->word_count < WORDS - 1 || args->word_count > WORDS ||
        strcmp(args->words[0], "explain") != 0)
        return ctl_report_usage(run, "authz needs a user and a method: meshctl authz explain USER "
                                     "[TARGET] SERVICE.METHOD");
    q.user_id = args->words[1];
    mesh_code code = find_method(&q, &failure);
    if (code == MESH_OK)
        code = ask_user_service(&q, &failure);
    if (code == MESH_OK)
        code = ask_service(&q, &failure);
    if (code == MESH_OK && args->json)
        print_json(&q);
    else if (code == MESH_OK)
        print_table(&q);
    int exit_code = code != MESH_OK ? ctl_report(run, &failure, q.session.catalog.pool)
                    : q.said->decision == MESH__ACCESS__V1__EXPLAIN_RESPONSE__DECISION__ALLOWED
                        ? CTL_EXIT_OK
                        : CTL_EXIT_FAILED;
    ctl_session_close(&q.session);
    return exit_code;
}
