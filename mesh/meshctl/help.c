#include "mesh/meshctl/help.h"

#include <string.h>

static const struct {
    ctl_command command;
    const char *usage;
    const char *brief;
    const char *text;
    const char *examples;
} pages[] = {
    {CTL_LIST, "meshctl list [TARGET [SERVICE]]", "services of the mesh, of a server; methods",
     "Without a target: the services of the running mesh. With one: the services that it has.\n"
     "With a service: its methods.\n",
     "  meshctl list\n"
     "  meshctl list product\n"
     "  meshctl list 127.0.0.1:50051 product.v1.ProductService\n"
     "  meshctl list --protoset all.binpb\n"},
    {CTL_DESCRIBE, "meshctl describe TARGET [SYMBOL]", "contracts as .proto text, or a template",
     "Shows a service, method, message or enum in .proto syntax; all services without a symbol.\n"
     "A symbol is a full name or an end of it that only one has.\n",
     "  meshctl describe product\n"
     "  meshctl describe product ProductService.CreateProduct\n"
     "  meshctl describe product CreateProduct --template >product.json\n"
     "  meshctl describe --protoset all.binpb order.v1.Order\n"},
    {CTL_CALL, "meshctl call TARGET METHOD [JSON | @FILE | -]...", "call a method",
     "Sends JSON, prints the answers as JSON: a unary answer laid out, those of a stream one a\n"
     "line as they arrive. What a client streams are JSON values one after another; without any\n"
     "given they are read from standard input while answers are printed. A call with one message\n"
     "reads standard input only for -, and sends {} when there is none. Ctrl-C cancels.\n"
     "METHOD: package.Service/Method, Service.Method or Method, as long as only one has that "
     "name.\n"
     "\n"
     "Exit code: 0, or 64 + the gRPC code of a call that failed (69: NOT_FOUND, 78: UNAVAILABLE);\n"
     "meshctl --help has the others.\n",
     "  meshctl call product ProductService.GetProduct '{\"id\":\"odyssey\"}'\n"
     "  meshctl call product CreateProduct @product.json --deadline 2s\n"
     "  meshctl call 127.0.0.1:50051 GetProduct -H 'authorization: Bearer ...' '{}'\n"
     "  meshctl call notification WatchNotifications\n"
     "  generate | meshctl call shop Import -\n"},
    {CTL_STATUS, "meshctl status [SERVICE]", "is everything up?",
     "Every instance of the mesh, its address and its health. Exit code 0 when all serve.\n",
     "  meshctl status\n"
     "  meshctl status --json\n"},
    {CTL_SIGN_IN, "meshctl sign-in [--staff] LOGIN", "begin a session in the mesh",
     "Signs in at the user service of the running mesh with a username or e-mail. The password is\n"
     "asked for at the terminal; else it is the first line of standard input. From then on call "
     "and\n"
     "whoami say who calls, to services of this mesh only. The session is renewed while it is "
     "used;\n"
     "its tokens are kept, for you alone, in $XDG_STATE_HOME/meshctl or ~/.local/state/meshctl.\n",
     "  meshctl sign-in ada\n"
     "  meshctl sign-in --staff root <password-file\n"},
    {CTL_SIGN_OUT, "meshctl sign-out", "end it",
     "Ends the session and forgets its tokens; what was handed out is valid for some minutes.\n",
     "  meshctl sign-out\n"},
    {CTL_WHOAMI, "meshctl whoami", "who is signed in",
     "The account as the user service has it now.\n",
     "  meshctl whoami\n"
     "  meshctl whoami --json\n"},
    {CTL_AUTHZ, "meshctl authz explain USER [TARGET] METHOD", "may a user call a method, and why",
     "Asks the service that would be called whether it would let the user in: by which rule of "
     "its\n"
     "contract, by what it knows of the user, and where that is known from: the user's token, "
     "events\n"
     "of the user, a kept answer or the user service. Without TARGET the service of the mesh is\n"
     "asked that has the method. Each instance knows its own; TARGET may be the address of one.\n"
     "USER is an id. Only who may read users is told.\n"
     "\n"
     "Exit code: 0 when the call is allowed, 1 when it is not or that is not known.\n",
     "  meshctl authz explain 01981c3e-7b1f-7d6a-9c55-1f0a8d1b2c3d CreateProduct\n"
     "  meshctl authz explain $ID 127.0.0.1:20012 ProductService.CreateProduct --json\n"},
    {CTL_EVENTS,
     "meshctl events tail [TARGET]\n"
     "meshctl events publish [TARGET] SUBJECT JSON | @FILE | -",
     "see events as they happen; publish one",
     "tail shows events of all services, from now on or from a place or time, as they are stored "
     "in\n"
     "the broker, and leaves the consumers alone. Any service can show them; without TARGET the\n"
     "first one does that can. Each is a line: when it was added, #place in the stream, subject,\n"
     "aggregate and version, and what it says. Ctrl-C ends it, and so does --max-time.\n"
     "\n"
     "publish adds an event to the outbox of the service that it is of, to repair what was told\n"
     "wrongly or not at all, and prints its new id and its place in the stream. Aggregate and\n"
     "version, 1 at least, are what the JSON says: consumers leave out a version that they have "
     "had,\n"
     "and hold one that is too high. meshctl describe --template makes the JSON.\n"
     "\n"
     "Types come from --protoset, else from descriptors.protoset in the mesh's data folder and "
     "the\n"
     "reflection of the service. To tail takes the permission event.read, to publish "
     "event.operate.\n",
     "  meshctl events tail\n"
     "  meshctl events tail --subject order --from 10m\n"
     "  meshctl events tail --from beginning --max-time 5s --json | jq .payload\n"
     "  meshctl events publish order.v1.OrderCreated @event.json\n"},
    {CTL_CONSUMERS,
     "meshctl consumers [list] [TARGET]\n"
     "meshctl consumers pause | resume TARGET",
     "who lags, is paused or stalled",
     "How services stand to the stream of events, all of the mesh or one:\n"
     "  WAITING     events that no instance was given yet: the lag\n"
     "  UNANSWERED  given to an instance, or sent back for later\n"
     "  HELD        of these, kept in the instance that was asked until an earlier version of\n"
     "              their aggregate comes; which ones is told below\n"
     "  OLDEST      how long the oldest of them waits in the instance that was asked\n"
     "  DELIVERED   place in the stream of the last event that was given out\n"
     "  DONE        all up to this place are done\n"
     "  DEAD        dead letters: meshctl dlq list\n"
     "  STATE       RUNNING, PAUSED, or STALLED: there is work, and none gets done\n"
     "pause stops all instances of a service from taking events, until resume; it outlasts their\n"
     "restarts. To look takes the permission event.read, to pause and resume event.operate.\n",
     "  meshctl consumers\n"
     "  meshctl consumers pause notification\n"
     "  meshctl consumers resume notification\n"},
    {CTL_DLQ,
     "meshctl dlq list [TARGET]\n"
     "meshctl dlq show | replay | drop TARGET NUMBER",
     "events that services have given up",
     "What a service could not handle, however often it tried, it keeps as a dead letter; what\n"
     "follows it in its aggregate waits. show tells what it says and how each attempt ended. When\n"
     "the cause is mended, replay handles it now; drop skips it for good. The first letter of an\n"
     "aggregate comes first. To look takes the permission event.read, to change event.operate.\n",
     "  meshctl dlq list\n"
     "  meshctl dlq show notification 3\n"
     "  meshctl dlq replay notification 3\n"
     "  meshctl dlq drop notification 3\n"},
    {CTL_OUTBOX, "meshctl outbox [TARGET]", "what waits to be published",
     "Events that are committed in a service and not in the broker yet, when the oldest of them "
     "was\n"
     "added, how many are kept for the case that the broker loses them, and the aggregates of "
     "which\n"
     "the broker has refused an event. It takes the permission event.read.\n",
     "  meshctl outbox\n"
     "  meshctl outbox order --json\n"},
    {CTL_SAGA,
     "meshctl saga list [TARGET]\n"
     "meshctl saga show | retry | resolve TARGET SAGA ID",
     "where sagas stand, and moving on those that are parked",
     "A saga whose step has failed too often is parked: it waits for an operator. show tells how "
     "it\n"
     "came to that. retry tries the step again; resolve goes on without it, as --as says,\n"
     "and changes nothing when another step than --step is at hand by then.\n"
     "To look takes the permission event.read, to change event.operate.\n",
     "  meshctl saga list --status parked\n"
     "  meshctl saga show order order 01981c3e-7b1f-7d6a-9c55-1f0a8d1b2c3d\n"
     "  meshctl saga retry order order $ID --reason 'the bank is back'\n"
     "  meshctl saga resolve order order $ID --step pay --as back\n"},
    {CTL_COMPLETION, "meshctl completion bash", "completion for the shell",
     "Prints a script for the shell. It completes commands, options, services of the mesh and,\n"
     "by asking the server, services, methods and types.\n",
     "  source <(meshctl completion bash)\n"},
};

enum {
    PAGE_COUNT = sizeof pages / sizeof pages[0]
};

static void overview(FILE *out)
{
    fputs("meshctl: look at a mesh of gRPC services and call them.\n\n", out);
    for (size_t i = 0; i < PAGE_COUNT; i++)
        fprintf(out, "  meshctl %-11s %s\n", ctl_command_name(pages[i].command), pages[i].brief);
    fputs(
        "\n"
        "TARGET is the name of a service of the running mesh (scripts/up), HOST:PORT or\n"
        "unix:PATH. Types come from the server's reflection, or from --protoset FILE.\n"
        "\n"
        "  meshctl COMMAND --help   more about a command, with examples; events tail --help: the\n"
        "                           options of that alone\n"
        "  meshctl version\n"
        "\n"
        "Exit codes:\n"
        "  0        done; of status: all serve; of authz: allowed\n"
        "  1        anything else went wrong; of status: not all serve; of authz: not allowed\n"
        "  2        the command line is wrong\n"
        "  64 + N   the call failed with gRPC code N\n"
        "  128 + N  ended by signal N; Ctrl-C while a call runs cancels it: 65\n"
        "\n"
        "Environment:\n"
        "  MESH_DATA       data folder of the mesh; else .mesh here or in a folder above\n"
        "  XDG_STATE_HOME  where sessions are kept, in meshctl/; default ~/.local/state\n"
        "  NO_COLOR        no colours; there are none with TERM=dumb and off a terminal either\n"
        "  GRPC_VERBOSITY  debug, info or error: the gRPC core logs on stderr; default none\n",
        out);
}

static void show_options(FILE *out, ctl_command command, const char *verb)
{
    size_t count;
    const ctl_option *options = ctl_options(&count);
    fputs("\nOptions:\n", out);
    for (size_t i = 0; i < count; i++) {
        if (!(options[i].commands & command) ||
            (verb != NULL && !ctl_option_is_of(&options[i], verb)))
            continue;
        const char *verbs = verb == NULL ? options[i].verbs : NULL;
        char name[64];
        snprintf(
            name, sizeof name, "%s%s%s%s%s", options[i].letter == NULL ? "" : options[i].letter,
            options[i].letter == NULL ? "" : ", ", options[i].name,
            options[i].value == NULL ? "" : " ", options[i].value == NULL ? "" : options[i].value);
        fprintf(out, "  %-26s %s%s%s\n", name, verbs != NULL ? verbs : "",
                verbs != NULL ? ": " : "", options[i].help);
    }
}

void ctl_help(FILE *out, ctl_command command, const char *verb)
{
    for (size_t i = 0; i < PAGE_COUNT; i++) {
        if (pages[i].command != command)
            continue;
        fprintf(out, "%s\n\n%s", pages[i].usage, pages[i].text);
        show_options(out, command, verb);
        fprintf(out, "\nExamples:\n%s", pages[i].examples);
        return;
    }
    overview(out);
}
