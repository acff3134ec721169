/*
 * Signing in with meshctl, against the user service itself, and what it then sends to whom: to a
 * shop in this process that tells which token came.
 */
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "mesh/base/clock.h"
#include "mesh/reflection/reflection.h"
#include "mesh/rpc/server.h"
#include "mesh/v1/reason.mesh.h"
#include "meshctl_test/v1/shop.mesh.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/desk.h"
#include "tests/services/shop/people.h"

enum {
    TOKEN_BYTES = 2048,
    AT_ONCE = 8
};

static const char *users; /* the address of the user service */
static instance hasty;    /* another one, whose tokens are about to expire at once */
static mesh_db *db;
static mesh_arena *arena;
static mesh_server *server;
static mesh_reflection *reflection;
static char shop_address[64];
static atomic_int
    forgetful; /* so many calls that it will refuse, since the token's key is unknown */

/* --- the shop --------------------------------------------------------------------------------- */

static mesh_code buy(void *self, mesh_call *call, const MeshctlTest__V1__BuyRequest *request,
                     MeshctlTest__V1__BuyResponse *response, mesh_error *err)
{
    const mesh_metadata *token = mesh_call_metadata(call, "authorization", 0);
    (void)self;
    if (atomic_load(&forgetful) > 0 && atomic_fetch_sub(&forgetful, 1) > 0)
        return mesh__v1__auth_error_reason__set(err, MESH_UNAUTHENTICATED,
                                                MESH__V1__AUTH_ERROR_REASON__TOKEN_KEY_UNKNOWN,
                                                "the token's key is not known");
    if (request->fail_code != 0)
        return mesh_error_set(err, (mesh_code)request->fail_code, "as you wish");
    response->note = token == NULL
                         ? (char *)"nobody"
                         : mesh_arena_strndup(mesh_call_arena(call), token->value, token->size);
    return mesh_call_metadata(call, "authorization", 1) == NULL ? MESH_OK : MESH_INTERNAL;
}

static const meshctl_test__v1__shop_service__handlers shop = {.buy = buy};

static void start_shop(void)
{
    const mesh_server_options options = {.size = sizeof options, .listen = "127.0.0.1:0"};
    assert_int_equal(mesh_server_create(&options, &server, NULL), MESH_OK);
    assert_int_equal(
        mesh_server_add(server, meshctl_test__v1__shop_service__api(&shop, NULL), NULL), MESH_OK);
    assert_int_equal(mesh_reflection_create(server, &reflection, NULL), MESH_OK);
    assert_int_equal(mesh_server_add(server, mesh_reflection_api(reflection), NULL), MESH_OK);
    assert_int_equal(mesh_server_start(server, NULL), MESH_OK);
    snprintf(shop_address, sizeof shop_address, "127.0.0.1:%d", mesh_server_port(server));
}

/* --- the mesh and its sessions ---------------------------------------------------------------- */

/* The list of a mesh that has the shop, and the user service at an address. */
static const char *with_users_at(const char *address)
{
    return mesh_arena_printf(arena, "shop %s\nuser %s\n", shop_address, address);
}

static void make_mesh(const char *user_address)
{
    desk_make_mesh(with_users_at(user_address));
}

static void list_services(const char *user_address)
{
    desk_list_services(with_users_at(user_address));
}

/* Where its session is kept; "" when it has none. */
static const char *session_file(void)
{
    char real[DESK_PATH_BYTES];
    char name[3 * DESK_PATH_BYTES], *at = name;
    assert_non_null(realpath(desk_folder, real));
    for (const char *c = real; *c != '\0'; c++)
        at += sprintf(at, *c == '/' ? "%%2F" : "%c", *c);
    const char *path = mesh_arena_printf(arena, "%s/meshctl/%s", getenv("XDG_STATE_HOME"), name);
    return access(path, F_OK) == 0 ? path : "";
}

static User__V1__Tokens *kept_tokens(void)
{
    uint8_t data[4096];
    FILE *in = fopen(session_file(), "r");
    assert_non_null(in);
    size_t size = fread(data, 1, sizeof data, in);
    fclose(in);
    User__V1__Tokens *tokens = user__v1__tokens__unpack(NULL, size, data);
    assert_non_null(tokens);
    return tokens;
}

/* Makes the kept access token one that expires that many seconds from now. */
static void let_token_expire_in(int64_t seconds)
{
    uint8_t data[4096];
    User__V1__Tokens *tokens = kept_tokens();
    tokens->access_expire_time->seconds = mesh_clock_wall_ns() / 1000000000 + seconds;
    size_t size = user__v1__tokens__pack(tokens, data);
    user__v1__tokens__free_unpacked(tokens, NULL);
    FILE *out = fopen(session_file(), "w");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, size, out), size);
    fclose(out);
}

#define CALL "call shop Buy --compact"
#define OUTSIDE "call ipv4:%s Buy --compact"
#define WITH_TOKEN "{\"note\":\"Bearer ey"
#define WITHOUT_TOKEN "{\"note\":\"nobody\"}"

static const char *sessions(void)
{
    return postgres_value(db, "SELECT count(*) FROM session");
}

/* --- tests ------------------------------------------------------------------------------------ */

/* S0.1, S0.4 */
static void who_signed_in_is_sent_along_from_then_on(void **state)
{
    struct stat found;
    (void)state;
    make_mesh(users);
    desk_expect(NULL, 0, WITHOUT_TOKEN, CALL);
    desk_expect(PEOPLE_PASSWORD "\\nmore", 0, "Ada", "sign-in ADA@example.com");
    assert_non_null(strstr(desk_output, "REGULAR, CONSUMER"));
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    desk_expect(NULL, 0, "roles          REGULAR, CONSUMER\n", "whoami");
    assert_non_null(strstr(desk_output, "session until  20"));
    desk_expect(NULL, 0,
                "\"roles\":[\"REGULAR\",\"CONSUMER\"],\"groups\":[],\"session_until\":\"20",
                "whoami --json");
    desk_expect(NULL, 0, "{\"signed_out\":true}\n", "sign-out --json");
    desk_expect(NULL, 0, WITHOUT_TOKEN, CALL);
    desk_expect(NULL, 0, "nobody was signed in", "sign-out");
    assert_string_equal(sessions(), "0");

    desk_expect(PEOPLE_PASSWORD, 0, "{\"username\":\"Ada\",\"id\":\"", "sign-in ada --json");
    assert_int_equal(stat(session_file(), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
}

/* S0.4 */
static void a_token_stays_in_its_mesh(void **state)
{
    (void)state;
    make_mesh(users);
    desk_sign_in("ada");
    desk_expect(NULL, 0, WITH_TOKEN, "call %s Buy --compact", shop_address);
    desk_expect(NULL, 0, WITHOUT_TOKEN, OUTSIDE, shop_address);
    desk_expect(NULL, 64 + 16, "-H 'authorization: Bearer TOKEN' sends a token",
                OUTSIDE " '{\"failCode\":16}'", shop_address);
    desk_expect(NULL, 0, "{\"note\":\"Bearer mine\"}", OUTSIDE " -H 'Authorization: Bearer mine'",
                shop_address);
    desk_expect(NULL, 0, "{\"note\":\"Bearer mine\"}", CALL " -H 'authorization: Bearer mine'");

    make_mesh(users); /* has no session, whatever others have */
    desk_expect(NULL, 0, WITHOUT_TOKEN, CALL);
}

/* S0.4 */
static void a_token_is_not_shown(void **state)
{
    (void)state;
    make_mesh(users);
    desk_sign_in("ada");
    assert_null(strstr(desk_output, "eyJ"));
    desk_expect(NULL, 64 + 9, "> meshctl_test.v1.ShopService/Buy", CALL " -v '{\"failCode\":9}'");
    assert_null(strstr(desk_output, "eyJ"));
    desk_expect(NULL, 64 + 16, "meshctl sign-in LOGIN begins another session",
                CALL " -v '{\"failCode\":16}'");
    assert_null(strstr(desk_output, "eyJ"));
}

static void who_is_not_signed_in_is_told_how(void **state)
{
    (void)state;
    make_mesh(users);
    desk_expect(NULL, 64 + 16, "  nobody is signed in: meshctl sign-in LOGIN\n",
                CALL " '{\"failCode\":16}'");
    desk_expect(NULL, 64 + 16, "\"hint\":\"nobody is signed in: meshctl sign-in LOGIN\"",
                CALL " '{\"failCode\":16}' --json");
    desk_expect(NULL, 1, "nobody is signed in", "whoami");
    desk_expect(NULL, 64 + 16, "TOKEN_INVALID", "whoami -H 'authorization: Bearer mine'");
    assert_null(strstr(desk_output, "sign-in"));
    desk_expect("wrong password\\n", 64 + 16, "staff signs in with --staff", "sign-in ada");
    desk_expect(PEOPLE_PASSWORD, 64 + 16, "WRONG_CREDENTIALS", "sign-in root");
    desk_expect("\\n", 1, "there is no password", "sign-in ada");
    desk_expect("a\\000b\\n", 1, "the password has a NUL", "sign-in ada");
    desk_expect("%0300d", 1, "the password is too long", "sign-in ada");
    desk_expect(NULL, 1, "there is no password", "sign-in ada");
    desk_expect(NULL, 2, "sign-in needs one name", "sign-in");
    assert_string_equal(session_file(), "");
    desk_expect(PEOPLE_PASSWORD, 0, "STAFF, ADMIN", "sign-in --staff root");
}

/* S0.4: a refresh token is taken once, so each renewal has to be kept. */
static void an_expired_token_is_renewed(void **state)
{
    (void)state;
    make_mesh(users);
    desk_sign_in("ada");
    User__V1__Tokens *first = kept_tokens();
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    assert_non_null(strstr(desk_output, first->access_token));
    for (int i = 0; i < 3; i++) {
        let_token_expire_in(-1);
        desk_expect(NULL, 0, WITH_TOKEN, CALL);
        User__V1__Tokens *now = kept_tokens();
        assert_non_null(strstr(desk_output, now->access_token));
        assert_string_not_equal(now->refresh_token, first->refresh_token);
        user__v1__tokens__free_unpacked(first, NULL);
        first = now;
    }
    user__v1__tokens__free_unpacked(first, NULL);
    assert_string_equal(sessions(), "1");
}

/* S0.4: who has no time to wait for the new tokens keeps them all the same. */
static void a_short_max_time_ends_no_session(void **state)
{
    (void)state;
    make_mesh(users);
    desk_sign_in("ada");
    for (int ms = 1; ms <= 5; ms++) {
        char words[64];
        let_token_expire_in(-1);
        snprintf(words, sizeof words, CALL " --max-time %dms", ms);
        (void)desk_run(NULL, words);
    }
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    assert_string_equal(sessions(), "1");
}

/* S0.4: after a change of keys the session goes on with a token of the new one. */
static void a_token_whose_key_is_forgotten_is_renewed(void **state)
{
    (void)state;
    make_mesh(users);
    desk_sign_in("ada");
    User__V1__Tokens *first = kept_tokens();
    atomic_store(&forgetful, 1);
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    assert_null(strstr(desk_output, first->access_token));
    User__V1__Tokens *now = kept_tokens();
    assert_non_null(strstr(desk_output, now->access_token));
    assert_string_not_equal(now->refresh_token, first->refresh_token);
    user__v1__tokens__free_unpacked(first, NULL);
    user__v1__tokens__free_unpacked(now, NULL);

    atomic_store(&forgetful, 2); /* it learns the key a moment later */
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    atomic_store(&forgetful, 3);
    desk_expect(NULL, 64 + 16, "TOKEN_KEY_UNKNOWN", CALL);
    assert_int_equal(atomic_load(&forgetful), 0);
    atomic_store(&forgetful, 1);
    desk_expect(NULL, 64 + 16, "TOKEN_KEY_UNKNOWN", CALL " -H 'authorization: Bearer mine'");
    assert_string_equal(sessions(), "1");
}

/* Runs several calls at the same time; what each printed. */
static void call_at_once(char tokens[AT_ONCE][TOKEN_BYTES])
{
    program *running[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
        running[i] = program_start(
            (const char *[]){MESHCTL, "call", "shop", "Buy", "--compact", NULL}, desk_settings());
    for (int i = 0; i < AT_ONCE; i++) {
        program_expect(running[i], 0);
        snprintf(tokens[i], TOKEN_BYTES, "%s", program_output(running[i]));
        if (strncmp(tokens[i], WITH_TOKEN, strlen(WITH_TOKEN)) != 0)
            fail_msg("%s", tokens[i]);
        program_free(running[i]);
    }
}

/* S0.4 */
static void two_at_a_time_do_not_end_the_session(void **state)
{
    static char tokens[AT_ONCE][TOKEN_BYTES];
    (void)state;
    make_mesh(users);
    desk_sign_in("ada");
    let_token_expire_in(-1);
    call_at_once(tokens); /* one renews it for all */
    for (int i = 1; i < AT_ONCE; i++)
        assert_string_equal(tokens[i], tokens[0]);

    list_services(hasty.address); /* each renews what the one before it has left */
    let_token_expire_in(-1);
    call_at_once(tokens);
    assert_string_equal(sessions(), "1");
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
}

/* S0.4 */
static void a_session_that_has_ended_says_so(void **state)
{
    (void)state;
    make_mesh(hasty.address);
    desk_sign_in("ada");
    postgres_value(db, "TRUNCATE session");
    desk_expect(NULL, 64 + 16,
                "the session has ended; meshctl sign-in LOGIN begins another session",
                CALL " '{\"failCode\":16}'");
    desk_expect(NULL, 64 + 16, "nobody is signed in", CALL " '{\"failCode\":16}'");

    /* What everybody may call works. */
    desk_sign_in("ada");
    postgres_value(db, "TRUNCATE session");
    desk_expect(NULL, 0, WITHOUT_TOKEN, CALL);
}

static void without_the_user_service_a_token_is_used_while_it_lives(void **state)
{
    (void)state;
    make_mesh(users);
    desk_sign_in("ada");
    list_services("127.0.0.1:1"); /* which refuses */
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    let_token_expire_in(5);
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    let_token_expire_in(-1);
    desk_expect(NULL, 0, WITHOUT_TOKEN, CALL);
    desk_expect(NULL, 64 + 16, "no token was sent: ", CALL " '{\"failCode\":16}'");
    desk_expect(PEOPLE_PASSWORD, 64 + 14, "is the mesh up?", "sign-in ada");

    /* Nothing was lost. */
    list_services(users);
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    list_services("127.0.0.1:1");
    desk_expect(NULL, 64 + 14, "it is forgotten here; at the user service it ends at 20",
                "sign-out");
    assert_string_equal(session_file(), "");
}

/* A file that is no session, and a place that cannot be written. */
static void what_is_kept_may_be_damaged(void **state)
{
    (void)state;
    make_mesh(users);
    desk_sign_in("ada");
    FILE *out = fopen(session_file(), "w");
    assert_non_null(out);
    fputs("nonsense", out);
    fclose(out);
    desk_expect(NULL, 0, WITHOUT_TOKEN, CALL);
    desk_expect(NULL, 64 + 16, "it holds no session", CALL " '{\"failCode\":16}'");
    desk_sign_in("ada");
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    list_services("");
    desk_expect(NULL, 1, "services:2: expected NAME ADDRESS", "sign-out");
}

static void without_a_mesh_or_a_place_nobody_signs_in(void **state)
{
    (void)state;
    make_mesh(users);
    setenv("XDG_STATE_HOME", "/proc/nowhere", 1);
    desk_expect(PEOPLE_PASSWORD, 1, "No such file or directory", "sign-in ada");
    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", "", 1);
    desk_expect(PEOPLE_PASSWORD, 1, "there is no place to keep a session in", "sign-in ada");
    desk_expect(NULL, 0, WITHOUT_TOKEN, CALL);
    setenv("HOME", mesh_arena_printf(arena, "%s/home", getenv("TEST_TMPDIR")), 1);
    desk_sign_in("ada");
    desk_expect(NULL, 0, WITH_TOKEN, CALL);
    assert_int_equal(
        access(mesh_arena_printf(arena, "%s/.local/state/meshctl", getenv("HOME")), F_OK), 0);
    desk_list_services("shop 127.0.0.1:1\n");
    desk_expect(NULL, 1, "no service user in the running mesh", "whoami");
    snprintf(desk_folder, sizeof desk_folder, "/nowhere");
    desk_expect(PEOPLE_PASSWORD, 1, "is the mesh up?", "sign-in ada");
}

/* --- at a terminal ---------------------------------------------------------------------------- */

typedef struct terminal {
    int master, slave;
    pid_t pid;
    char shown[4096];
    size_t size;
} terminal;

/* Runs `meshctl sign-in ada` with a terminal for all three of its streams. */
static void open_terminal(terminal *at)
{
    memset(at, 0, sizeof *at);
    assert_int_equal(openpty(&at->master, &at->slave, NULL, NULL, NULL), 0);
    fcntl(at->master, F_SETFL, O_NONBLOCK);
    at->pid = fork();
    assert_true(at->pid >= 0);
    if (at->pid == 0) {
        close(at->master);
        setenv("MESH_DATA", desk_folder, 1);
        if (login_tty(at->slave) == 0)
            execl(MESHCTL, "meshctl", "sign-in", "ada", NULL);
        _exit(127);
    }
}

static bool shows(terminal *at, const char *text)
{
    ssize_t got = read(at->master, at->shown + at->size, sizeof at->shown - 1 - at->size);
    if (got > 0)
        at->size += (size_t)got;
    return strstr(at->shown, text) != NULL;
}

static bool echoes(const terminal *at)
{
    struct termios now;
    assert_int_equal(tcgetattr(at->slave, &now), 0);
    return (now.c_lflag & ECHO) != 0;
}

static void type(const terminal *at, const char *text)
{
    assert_int_equal(write(at->master, text, strlen(text)), strlen(text));
}

static int close_terminal(terminal *at)
{
    int status;
    WAIT_FOR(waitpid(at->pid, &status, WNOHANG) == at->pid);
    (void)shows(at, "");
    assert_true(echoes(at));
    close(at->master);
    close(at->slave);
    return status;
}

/* S4.1 */
static void a_password_is_typed_unseen(void **state)
{
    static terminal at;
    (void)state;
    make_mesh(users);
    open_terminal(&at);
    WAIT_FOR(shows(&at, "Password of ada: ") && !echoes(&at));
    type(&at, PEOPLE_PASSWORD "\n");
    WAIT_FOR(shows(&at, "session until"));
    assert_int_equal(close_terminal(&at), 0);
    assert_null(strstr(at.shown, PEOPLE_PASSWORD));
}

/* Who gives up while typing has a terminal that shows what is typed, and no session. */
static void a_signal_leaves_the_terminal_as_it_was(void **state)
{
    static terminal at;
    (void)state;
    make_mesh(users);
    open_terminal(&at);
    WAIT_FOR(shows(&at, "Password of ada: ") && !echoes(&at));
    type(&at, "Corr\003");
    assert_int_equal(WTERMSIG(close_terminal(&at)), SIGINT);
    assert_string_equal(session_file(), "");

    open_terminal(&at);
    WAIT_FOR(shows(&at, "Password of ada: ") && !echoes(&at));
    type(&at, "\004"); /* the end of the input */
    assert_int_equal(WEXITSTATUS(close_terminal(&at)), 1);
}

/* --- all -------------------------------------------------------------------------------------- */

static int open_all(void **state)
{
    static const char *const short_lived[] = {"USER_ACCESS_LIFETIME=5s", NULL};
    if (shop_setup(state) != 0)
        return -1;
    arena = mesh_arena_create(4096, 0);
    users = mesh_channel_target(shop_users());
    instance_start(&hasty, "user", NULL, people_settings(short_lived));
    db = shop_open("user");
    people_sign_up(shop_users(), arena, "Ada", "ada@example.com");
    people_make_admin("root", "root@example.com");
    start_shop();
    return 0;
}

static int close_all(void **state)
{
    mesh_server_destroy(server);
    mesh_reflection_destroy(reflection);
    mesh_arena_destroy(arena);
    mesh_db_destroy(db);
    instance_stop(&hasty);
    return shop_teardown(state);
}

static int begin_test(void **state)
{
    (void)state;
    postgres_value(db, "TRUNCATE session");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_signed_in_is_sent_along_from_then_on, begin_test),
        cmocka_unit_test_setup(a_token_stays_in_its_mesh, begin_test),
        cmocka_unit_test_setup(a_token_is_not_shown, begin_test),
        cmocka_unit_test_setup(who_is_not_signed_in_is_told_how, begin_test),
        cmocka_unit_test_setup(an_expired_token_is_renewed, begin_test),
        cmocka_unit_test_setup(a_short_max_time_ends_no_session, begin_test),
        cmocka_unit_test_setup(a_token_whose_key_is_forgotten_is_renewed, begin_test),
        cmocka_unit_test_setup(two_at_a_time_do_not_end_the_session, begin_test),
        cmocka_unit_test_setup(a_session_that_has_ended_says_so, begin_test),
        cmocka_unit_test_setup(without_the_user_service_a_token_is_used_while_it_lives, begin_test),
        cmocka_unit_test_setup(what_is_kept_may_be_damaged, begin_test),
        cmocka_unit_test_setup(without_a_mesh_or_a_place_nobody_signs_in, begin_test),
        cmocka_unit_test_setup(a_password_is_typed_unseen, begin_test),
        cmocka_unit_test_setup(a_signal_leaves_the_terminal_as_it_was, begin_test),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
