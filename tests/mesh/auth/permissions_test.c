/* What the permission cache answers, from which load, and for how long. */
#include "mesh/auth/permissions.h"

#include <stdatomic.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "tests/fixtures/memory.h"
#include "tests/mesh/base/test.h"

/* --- time ------------------------------------------------------------------------------------- */

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS
};

static int64_t ahead_ns;

int64_t __real_mesh_clock_monotonic_ns(void);
int64_t __wrap_mesh_clock_monotonic_ns(void);

int64_t __wrap_mesh_clock_monotonic_ns(void)
{
    return __real_mesh_clock_monotonic_ns() + ahead_ns;
}

static void let_pass(int64_t ms)
{
    ahead_ns = mesh_clock_add_ms(ahead_ns, ms);
}

/* --- the loader ------------------------------------------------------------------------------- */

enum {
    LOADS_MAX = 16
};

/* Begins loads that the test ends, or ends them at once. */
typedef struct loader {
    mesh_permissions *cache;
    size_t begun;
    mesh_permission_load *loads[LOADS_MAX]; /* the latest begun, by their number */
    char asked[1024];                       /* what the last one asks for */
    bool at_once;
    mesh_code code; /* what is then said */
    bool allowed;
    void (*inside)(struct loader *loader); /* called in the next load; NULL: nothing is */
} loader;

static void load(void *self, const char *user, const char *permission, mesh_permission_load *load)
{
    loader *loader = self;
    void (*inside)(struct loader *) = loader->inside;

    loader->inside = NULL;
    loader->loads[loader->begun++ % LOADS_MAX] = load;
    snprintf(loader->asked, sizeof loader->asked, "%s %s", user, permission);
    if (inside != NULL)
        inside(loader);
    if (loader->at_once)
        mesh_permissions_loaded(load, loader->code, loader->allowed, NULL);
}

static void create(loader *loader, const mesh_permissions_options *given)
{
    mesh_permissions_options options = *given;

    *loader = (struct loader){.begun = 0};
    options.load = load;
    options.self = loader;
    assert_int_equal(mesh_permissions_create(&options, &loader->cache, NULL), MESH_OK);
}

static void end_load(loader *loader, size_t number, bool allowed)
{
    assert_true(number < loader->begun);
    mesh_permissions_loaded(loader->loads[number % LOADS_MAX], MESH_OK, allowed, NULL);
}

static void fail_load(loader *loader, size_t number)
{
    mesh_error err = {0};

    assert_true(number < loader->begun);
    mesh_error_set(&err, MESH_DEADLINE_EXCEEDED, "no answer within 2 s");
    mesh_permissions_loaded(loader->loads[number % LOADS_MAX], err.code, true, &err);
}

static mesh_permissions_stats stats_of(const loader *loader)
{
    mesh_permissions_stats stats;

    mesh_permissions_get_stats(loader->cache, &stats);
    return stats;
}

/* --- callers ---------------------------------------------------------------------------------- */

typedef struct caller {
    mesh_permission_query query;
    size_t told; /* calls of `done` */
    mesh_code code;
    bool allowed;
    mesh_error err;
    bool inside;                           /* its check has not returned yet */
    void (*when_told)(struct caller *one); /* NULL: nothing */
    loader *loader;                        /* for that, as the next */
    struct caller *other;
} caller;

static void done(void *context, mesh_code code, bool allowed, const mesh_error *err)
{
    caller *caller = context;

    assert_false(caller->inside);
    caller->told++;
    caller->code = code;
    caller->allowed = allowed;
    if (code != MESH_OK)
        caller->err = *err;
    else
        assert_null(err);
    if (caller->when_told != NULL)
        caller->when_told(caller);
}

static mesh_code check(loader *loader, caller *caller, const char *user, const char *permission,
                       mesh_permission_answer *answer)
{
    mesh_code code;

    caller->query.user = user;
    caller->query.permission = permission;
    caller->query.done = done;
    caller->query.context = caller;
    caller->told = 0;
    caller->inside = true;
    mesh_error_clear(&caller->err);
    code = mesh_permissions_check(loader->cache, &caller->query, answer, &caller->err);
    caller->inside = false;
    return code;
}

/* Ann wants to edit. */
static void expect(loader *loader, caller *caller, mesh_permission_answer expected)
{
    mesh_permission_answer answer;

    assert_int_equal(check(loader, caller, "ann", "edit", &answer), MESH_OK);
    assert_int_equal(answer, expected);
}

static void expect_told(const caller *caller, bool allowed)
{
    assert_int_equal(caller->told, 1);
    assert_int_equal(caller->code, MESH_OK);
    assert_int_equal(caller->allowed, allowed);
}

static void expect_unknown(const mesh_error *err, const char *cause)
{
    int64_t delay_ms;

    assert_int_equal(err->code, MESH_UNAVAILABLE);
    assert_string_equal(err->reason, "PERMISSION_UNKNOWN");
    assert_string_equal(err->domain, "mesh.v1");
    assert_non_null(strstr(err->message, "edit"));
    assert_non_null(strstr(err->message, cause));
    assert_true(mesh_error_retry_delay(err, &delay_ms));
}

static void expect_told_unknown(const caller *caller, const char *cause)
{
    assert_int_equal(caller->told, 1);
    assert_int_equal(caller->code, MESH_UNAVAILABLE);
    assert_false(caller->allowed);
    expect_unknown(&caller->err, cause);
}

static void expect_refused(loader *loader, caller *caller, const char *cause)
{
    mesh_permission_answer answer = MESH_ANSWER_PENDING;

    assert_int_equal(check(loader, caller, "ann", "edit", &answer), MESH_UNAVAILABLE);
    assert_int_equal(answer, MESH_ANSWER_PENDING);
    expect_unknown(&caller->err, cause);
    assert_int_equal(caller->told, 0);
}

/* Ann's answer is loaded and kept, as load 0. */
static void learn(loader *loader, bool allowed)
{
    caller caller = {.told = 0};

    expect(loader, &caller, MESH_ANSWER_PENDING);
    end_load(loader, loader->begun - 1, allowed);
    expect_told(&caller, allowed);
}

/* --- how long --------------------------------------------------------------------------------- */

/* S0.5 */
static void an_answer_is_kept_for_15_minutes_from_its_load_however_often_it_is_used(void **state)
{
    loader loader;
    caller one = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    expect(&loader, &one, MESH_ANSWER_PENDING);
    assert_string_equal(loader.asked, "ann edit");
    let_pass(30 * SECOND_MS); /* an answer may be as old as its load's begin */
    end_load(&loader, 0, true);
    expect_told(&one, true);
    for (int minute = 1; minute < 15; minute++) {
        let_pass(MINUTE_MS);
        expect(&loader, &one, MESH_ANSWER_ALLOWED);
    }
    let_pass(29 * SECOND_MS);
    expect(&loader, &one, MESH_ANSWER_ALLOWED);
    let_pass(2 * SECOND_MS);
    expect(&loader, &one, MESH_ANSWER_PENDING);
    assert_int_equal(loader.begun, 2);
    end_load(&loader, 1, false);
    expect_told(&one, false);
    expect(&loader, &one, MESH_ANSWER_DENIED);
    assert_int_equal(stats_of(&loader).hits, 16);
    assert_int_equal(stats_of(&loader).misses, 2);
    assert_int_equal(stats_of(&loader).loads, 2);
    assert_int_equal(stats_of(&loader).entries, 1);
    mesh_permissions_destroy(loader.cache);
}

/* S0.5 */
static void a_denial_is_kept_as_well(void **state)
{
    loader loader;
    caller one = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = MINUTE_MS});
    learn(&loader, false);
    expect(&loader, &one, MESH_ANSWER_DENIED);
    let_pass(59 * SECOND_MS);
    expect(&loader, &one, MESH_ANSWER_DENIED);
    let_pass(2 * SECOND_MS);
    expect(&loader, &one, MESH_ANSWER_PENDING);
    end_load(&loader, 1, true);
    assert_int_equal(loader.begun, 2);
    mesh_permissions_destroy(loader.cache);
}

/* S0.5 */
static void a_peek_says_what_is_kept_and_how_old_it_is(void **state)
{
    loader loader;
    bool allowed = false;
    int64_t age_ms = -1;

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = MINUTE_MS});
    assert_false(mesh_permissions_peek(loader.cache, "ann", "edit", &allowed, &age_ms));
    learn(&loader, true);
    assert_false(mesh_permissions_peek(loader.cache, "ann", "view", &allowed, &age_ms));
    assert_false(mesh_permissions_peek(loader.cache, "", "edit", &allowed, &age_ms));
    let_pass(10 * SECOND_MS);
    mesh_permissions_stats before = stats_of(&loader);
    assert_true(mesh_permissions_peek(loader.cache, "ann", "edit", &allowed, &age_ms));
    assert_true(allowed);
    assert_in_range(age_ms, 10 * SECOND_MS, 15 * SECOND_MS);
    mesh_permissions_stats after = stats_of(&loader);
    assert_memory_equal(&before, &after, sizeof before);
    let_pass(51 * SECOND_MS);
    assert_false(mesh_permissions_peek(loader.cache, "ann", "edit", &allowed, &age_ms));
    assert_int_equal(loader.begun, 1);
    mesh_permissions_destroy(loader.cache);
}

static void each_permission_of_each_user_has_its_own_answer(void **state)
{
    static const char *const keys[][2] = {
        {"ann", "edit"}, {"ann", "edi"}, {"ann", "view"}, {"anne", "dit"}, {"bob", "edit"}};
    mesh_permission_answer answer;
    loader loader;
    caller one = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    loader.at_once = true;
    for (size_t i = 0; i < COUNT(keys); i++) {
        loader.allowed = i % 2 == 0;
        assert_int_equal(check(&loader, &one, keys[i][0], keys[i][1], &answer), MESH_OK);
    }
    assert_int_equal(loader.begun, COUNT(keys));
    for (size_t i = 0; i < COUNT(keys); i++) {
        assert_int_equal(check(&loader, &one, keys[i][0], keys[i][1], &answer), MESH_OK);
        assert_int_equal(answer, i % 2 == 0 ? MESH_ANSWER_ALLOWED : MESH_ANSWER_DENIED);
    }
    assert_int_equal(loader.begun, COUNT(keys));
    mesh_permissions_destroy(loader.cache);
}

/* --- who shares a load ------------------------------------------------------------------------ */

/* S0.5 */
static void callers_share_the_load_that_runs(void **state)
{
    loader loader;
    caller callers[3] = {{.told = 0}};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    for (size_t i = 0; i < COUNT(callers); i++)
        expect(&loader, &callers[i], MESH_ANSWER_PENDING);
    assert_int_equal(stats_of(&loader).loading, 1);
    end_load(&loader, 0, true);
    for (size_t i = 0; i < COUNT(callers); i++)
        expect_told(&callers[i], true);
    assert_int_equal(loader.begun, 1);
    assert_int_equal(stats_of(&loader).loading, 0);
    mesh_permissions_destroy(loader.cache);
}

/* `done` asserts that it is not called from inside the check. */
static void a_load_that_ends_at_once_is_answered_by_the_check(void **state)
{
    loader loader;
    caller one = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    loader.at_once = true;
    loader.allowed = true;
    expect(&loader, &one, MESH_ANSWER_ALLOWED);
    expect(&loader, &one, MESH_ANSWER_ALLOWED);
    assert_int_equal(loader.begun, 1);
    mesh_permissions_drop_all(loader.cache);
    loader.code = MESH_UNAVAILABLE;
    expect_refused(&loader, &one, "UNAVAILABLE");
    assert_int_equal(one.told, 0);
    mesh_permissions_destroy(loader.cache);
}

/* S0.5 */
static void a_fresh_check_takes_no_answer_that_is_kept(void **state)
{
    loader loader;
    caller fresh = {.query.fresh = true};
    caller other = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    learn(&loader, true);
    expect(&loader, &fresh, MESH_ANSWER_PENDING);
    expect(&loader, &other, MESH_ANSWER_ALLOWED); /* meanwhile */
    end_load(&loader, 1, false);
    expect_told(&fresh, false);
    expect(&loader, &other, MESH_ANSWER_DENIED);
    mesh_permissions_destroy(loader.cache);
}

/* S0.5 */
static void fresh_checks_share_only_a_load_that_began_after_they_were_asked(void **state)
{
    loader loader;
    caller first = {.told = 0};
    caller fresh[2] = {{.query.fresh = true}, {.query.fresh = true}};
    caller last = {.query.fresh = true};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    expect(&loader, &first, MESH_ANSWER_PENDING);
    for (size_t i = 0; i < COUNT(fresh); i++)
        expect(&loader, &fresh[i], MESH_ANSWER_PENDING);
    assert_int_equal(loader.begun, 1);
    end_load(&loader, 0, true);
    expect_told(&first, true);
    assert_int_equal(loader.begun, 2);
    assert_int_equal(fresh[0].told + fresh[1].told, 0);
    expect(&loader, &last, MESH_ANSWER_PENDING);
    end_load(&loader, 1, false);
    for (size_t i = 0; i < COUNT(fresh); i++)
        expect_told(&fresh[i], false);
    assert_int_equal(last.told, 0);
    end_load(&loader, 2, true);
    expect_told(&last, true);
    assert_int_equal(loader.begun, 3);
    mesh_permissions_destroy(loader.cache);
}

static void ask_when_told(caller *one)
{
    expect(one->loader, one->other, MESH_ANSWER_PENDING);
}

/* S0.5 */
static void a_fresh_check_by_who_is_told_takes_no_part_of_the_load_that_just_ended(void **state)
{
    loader loader;
    caller fresh = {.query.fresh = true};
    caller first = {.when_told = ask_when_told, .loader = &loader, .other = &fresh};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    expect(&loader, &first, MESH_ANSWER_PENDING);
    end_load(&loader, 0, true);
    expect_told(&first, true);
    assert_int_equal(fresh.told, 0);
    assert_int_equal(loader.begun, 2);
    end_load(&loader, 1, false);
    expect_told(&fresh, false);
    mesh_permissions_destroy(loader.cache);
}

/* --- drops ------------------------------------------------------------------------------------ */

static void drop_ann(mesh_permissions *cache)
{
    mesh_permissions_drop_user(cache, "ann");
}

static void (*const drops[])(mesh_permissions *) = {drop_ann, mesh_permissions_drop_all};

/* S0.5 */
static void a_drop_forgets_all_permissions_of_a_user_at_once(void **state)
{
    static const char *const permissions[] = {"edit", "view", "delete"};
    mesh_permission_answer answer;
    caller one = {.told = 0};

    (void)state;
    for (size_t i = 0; i < COUNT(drops); i++) {
        loader loader;
        bool others = drops[i] == mesh_permissions_drop_all;

        /* so few that ann and bob share a list of the table */
        create(&loader, &(mesh_permissions_options){.max_entries = COUNT(permissions) + 1});
        loader.at_once = loader.allowed = true;
        for (size_t p = 0; p < COUNT(permissions); p++)
            assert_int_equal(check(&loader, &one, "ann", permissions[p], &answer), MESH_OK);
        assert_int_equal(check(&loader, &one, "bob", "edit", &answer), MESH_OK);
        drops[i](loader.cache);
        assert_int_equal(stats_of(&loader).drops, COUNT(permissions) + others);
        assert_int_equal(stats_of(&loader).entries, !others);
        loader.allowed = false;
        for (size_t p = 0; p < COUNT(permissions); p++) {
            assert_int_equal(check(&loader, &one, "ann", permissions[p], &answer), MESH_OK);
            assert_int_equal(answer, MESH_ANSWER_DENIED);
        }
        assert_int_equal(check(&loader, &one, "bob", "edit", &answer), MESH_OK);
        assert_int_equal(answer, others ? MESH_ANSWER_DENIED : MESH_ANSWER_ALLOWED);
        mesh_permissions_destroy(loader.cache);
    }
}

/* S0.5 */
static void what_a_load_brings_that_ran_during_a_drop_is_neither_kept_nor_given_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(drops); i++) {
        loader loader;
        caller before = {.told = 0};
        caller after = {.told = 0};

        create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
        expect(&loader, &before, MESH_ANSWER_PENDING);
        drops[i](loader.cache);
        expect(&loader, &after, MESH_ANSWER_PENDING);
        end_load(&loader, 0, true);
        assert_int_equal(before.told + after.told, 0);
        assert_int_equal(loader.begun, 2);
        end_load(&loader, 1, false);
        expect_told(&before, false);
        expect_told(&after, false);
        expect(&loader, &after, MESH_ANSWER_DENIED);
        assert_int_equal(loader.begun, 2);
        mesh_permissions_destroy(loader.cache);
    }
}

/* S0.5 */
static void a_fresh_load_that_ran_during_a_drop_does_not_bring_the_old_answer_back(void **state)
{
    loader loader;
    caller fresh = {.query.fresh = true};
    caller other = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    learn(&loader, true);
    expect(&loader, &fresh, MESH_ANSWER_PENDING);
    drop_ann(loader.cache);
    expect(&loader, &other, MESH_ANSWER_PENDING);
    end_load(&loader, 1, true);
    assert_int_equal(fresh.told + other.told, 0);
    end_load(&loader, 2, false);
    expect_told(&fresh, false);
    expect_told(&other, false);
    mesh_permissions_destroy(loader.cache);
}

static void drop_when_told(caller *one)
{
    drop_ann(one->loader->cache);
}

/* S0.5 */
static void a_drop_between_two_who_wait_for_a_load_is_heeded_for_the_second(void **state)
{
    loader loader;
    caller callers[3] = {{.told = 0}};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    for (size_t i = 0; i < COUNT(callers); i++) {
        callers[i].when_told = drop_when_told; /* whoever is first */
        callers[i].loader = &loader;
        expect(&loader, &callers[i], MESH_ANSWER_PENDING);
    }
    end_load(&loader, 0, true);
    assert_int_equal(callers[0].told + callers[1].told + callers[2].told, 1);
    assert_int_equal(loader.begun, 2);
    for (size_t i = 0; i < COUNT(callers); i++)
        callers[i].when_told = NULL;
    end_load(&loader, 1, false);
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_int_equal(callers[i].told, 1);
    assert_int_equal(callers[0].allowed + callers[1].allowed + callers[2].allowed, 1);
    mesh_permissions_destroy(loader.cache);
}

static void drop_inside(loader *loader)
{
    drop_ann(loader->cache);
}

static void a_load_that_ends_at_once_heeds_a_drop_too(void **state)
{
    loader loader;
    caller one = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    loader.at_once = loader.allowed = true;
    loader.inside = drop_inside;
    expect(&loader, &one, MESH_ANSWER_ALLOWED);
    assert_int_equal(loader.begun, 2);
    mesh_permissions_destroy(loader.cache);
}

/* S0.5 */
static void who_is_dropped_during_every_load_is_told_so_in_the_end(void **state)
{
    loader loader;
    caller one = {.told = 0};
    caller other = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    expect(&loader, &one, MESH_ANSWER_PENDING);
    for (size_t i = 0; i < MESH_PERMISSION_TRIES; i++) {
        assert_int_equal(one.told, 0);
        assert_int_equal(loader.begun, i + 1);
        drop_ann(loader.cache);
        if (i == 0) /* it waits for the second, and that is its first */
            expect(&loader, &other, MESH_ANSWER_PENDING);
        end_load(&loader, i, true);
    }
    expect_told_unknown(&one, "changes");
    assert_int_equal(other.told, 0);
    end_load(&loader, MESH_PERMISSION_TRIES, true);
    expect_told(&other, true);
    assert_int_equal(loader.begun, MESH_PERMISSION_TRIES + 1);
    mesh_permissions_destroy(loader.cache);
}

/* --- failures --------------------------------------------------------------------------------- */

/* S0.5 */
static void a_load_that_fails_allows_nobody_and_is_not_kept(void **state)
{
    loader loader;
    caller callers[2] = {{.told = 0}, {.query.fresh = true}};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    for (size_t i = 0; i < COUNT(callers); i++)
        expect(&loader, &callers[i], MESH_ANSWER_PENDING);
    fail_load(&loader, 0);
    for (size_t i = 0; i < COUNT(callers); i++)
        expect_told_unknown(&callers[i], "DEADLINE_EXCEEDED: no answer within 2 s");
    assert_int_equal(stats_of(&loader).failures, 1);
    let_pass(MESH_PERMISSION_PAUSE_MS);
    learn(&loader, true);
    expect(&loader, &callers[0], MESH_ANSWER_ALLOWED);
    assert_int_equal(loader.begun, 2);
    mesh_permissions_destroy(loader.cache);
}

static void after_a_failure_there_is_no_load_of_the_same_for_a_moment(void **state)
{
    mesh_permission_answer answer;
    loader loader;
    caller one = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    expect(&loader, &one, MESH_ANSWER_PENDING);
    fail_load(&loader, 0);
    expect_refused(&loader, &one, "a moment ago");
    one.query.fresh = true;
    expect_refused(&loader, &one, "a moment ago");
    one.query.fresh = false;
    assert_int_equal(loader.begun, 1);
    assert_int_equal(check(&loader, &one, "ann", "view", &answer), MESH_OK); /* but of others */
    end_load(&loader, 1, true);
    let_pass(MESH_PERMISSION_PAUSE_MS);
    expect(&loader, &one, MESH_ANSWER_PENDING);
    end_load(&loader, 2, true);
    expect_told(&one, true);
    mesh_permissions_destroy(loader.cache);
}

/* S0.5 */
static void a_failure_leaves_what_was_known_before(void **state)
{
    loader loader;
    caller fresh = {.query.fresh = true};
    caller other = {.told = 0};

    (void)state;
    create(&loader, &(mesh_permissions_options){.ttl_ms = 0});
    learn(&loader, true);
    expect(&loader, &fresh, MESH_ANSWER_PENDING);
    fail_load(&loader, 1);
    expect_told_unknown(&fresh, "no answer");
    expect(&loader, &other, MESH_ANSWER_ALLOWED);
    let_pass(15 * MINUTE_MS);
    expect(&loader, &other, MESH_ANSWER_PENDING);
    fail_load(&loader, 2);
    expect_told_unknown(&other, "no answer");
    mesh_permissions_destroy(loader.cache);
}

/* --- limits ----------------------------------------------------------------------------------- */

static mesh_permission_answer check_number(loader *loader, size_t number)
{
    caller one = {.told = 0};
    mesh_permission_answer answer;
    char user[64];

    snprintf(user, sizeof user, "user-%zu", number);
    assert_int_equal(check(loader, &one, user, "edit", &answer), MESH_OK);
    return answer;
}

static void when_full_the_entry_loaded_longest_ago_goes(void **state)
{
    enum {
        MOST = 100
    };
    loader loader;

    (void)state;
    create(&loader, &(mesh_permissions_options){.max_entries = MOST});
    loader.at_once = true;
    for (size_t i = 0; i < MOST; i++)
        (void)check_number(&loader, i);
    (void)check_number(&loader, 0); /* use does not make it younger */
    assert_int_equal(loader.begun, MOST);
    (void)check_number(&loader, MOST);
    assert_int_equal(stats_of(&loader).evictions, 1);
    for (size_t i = 1; i <= MOST; i++)
        (void)check_number(&loader, i);
    assert_int_equal(loader.begun, MOST + 1);
    (void)check_number(&loader, 0);
    assert_int_equal(loader.begun, MOST + 2);
    mesh_permissions_destroy(loader.cache);
}

/* One with several shards, and one where bytes are the limit. */
static void no_limit_is_exceeded_by_ten_times_as_many_keys(void **state)
{
    static const mesh_permissions_options limits[] = {
        {.max_entries = 4096, .max_bytes = 16 << 20},
        {.max_entries = 1 << 20, .max_bytes = 64 << 10},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++) {
        loader loader;
        size_t most_entries = 0;

        create(&loader, &limits[i]);
        loader.at_once = true;
        for (size_t number = 0; number < 40960; number++) {
            mesh_permissions_stats stats;

            (void)check_number(&loader, number);
            stats = stats_of(&loader);
            assert_true(stats.entries <= limits[i].max_entries);
            assert_true(stats.bytes <= limits[i].max_bytes);
            assert_int_equal(stats.entries + stats.evictions, number + 1);
            most_entries = stats.entries > most_entries ? stats.entries : most_entries;
        }
        print_message("at most %zu entries, %zu bytes\n", most_entries, stats_of(&loader).bytes);
        assert_true(most_entries > 300);
        mesh_permissions_drop_all(loader.cache);
        assert_int_equal(stats_of(&loader).entries, 0);
        assert_int_equal(stats_of(&loader).bytes, 0);
        mesh_permissions_destroy(loader.cache);
    }
}

static void failures_do_not_push_answers_out(void **state)
{
    enum {
        MOST = 10
    };
    loader loader;

    (void)state;
    create(&loader, &(mesh_permissions_options){.max_entries = MOST});
    loader.at_once = true;
    for (size_t i = 0; i < MOST; i++)
        (void)check_number(&loader, i);
    loader.code = MESH_UNAVAILABLE;
    for (size_t i = 0; i < 100; i++) {
        caller one = {.told = 0};
        mesh_permission_answer answer;
        char user[64];

        snprintf(user, sizeof user, "other-%zu", i);
        assert_int_equal(check(&loader, &one, user, "edit", &answer), MESH_UNAVAILABLE);
    }
    for (size_t i = 1; i < MOST; i++) /* but for one, whose place the failures took in turn */
        assert_int_equal(check_number(&loader, i), MESH_ANSWER_DENIED);
    mesh_permissions_destroy(loader.cache);
}

static void a_cache_full_of_running_loads_refuses(void **state)
{
    mesh_permission_answer answer;
    loader loader;
    caller callers[3] = {{.told = 0}};

    (void)state;
    create(&loader, &(mesh_permissions_options){.max_entries = 2});
    assert_int_equal(check(&loader, &callers[0], "ann", "edit", &answer), MESH_OK);
    assert_int_equal(check(&loader, &callers[1], "bob", "edit", &answer), MESH_OK);
    assert_int_equal(check(&loader, &callers[2], "cid", "edit", &answer), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(check(&loader, &callers[2], "bob", "edit", &answer), MESH_OK);
    end_load(&loader, 0, true);
    end_load(&loader, 1, true);
    for (size_t i = 0; i < COUNT(callers); i++)
        expect_told(&callers[i], true);
    assert_int_equal(check(&loader, &callers[2], "cid", "edit", &answer), MESH_OK);
    end_load(&loader, 2, true);
    assert_int_equal(stats_of(&loader).evictions, 1);
    mesh_permissions_destroy(loader.cache);
}

static void texts_have_limits(void **state)
{
    char user[MESH_PERMISSION_USER_MAX + 2], name[MESH_PERMISSION_NAME_MAX + 2];
    mesh_permission_answer answer;
    loader loader;
    caller one = {.told = 0};

    (void)state;
    memset(user, 'u', sizeof user);
    memset(name, 'n', sizeof name);
    user[MESH_PERMISSION_USER_MAX + 1] = name[MESH_PERMISSION_NAME_MAX + 1] = '\0';
    create(&loader, &(mesh_permissions_options){.max_bytes = MESH_PERMISSIONS_BYTES_MIN});
    loader.at_once = true;
    assert_int_equal(check(&loader, &one, user, "edit", &answer), MESH_INVALID_ARGUMENT);
    assert_int_equal(check(&loader, &one, "", "edit", &answer), MESH_INVALID_ARGUMENT);
    assert_int_equal(check(&loader, &one, "ann", name, &answer), MESH_INVALID_ARGUMENT);
    assert_int_equal(check(&loader, &one, "ann", "", &answer), MESH_INVALID_ARGUMENT);
    mesh_permissions_drop_user(loader.cache, user);
    assert_int_equal(loader.begun, 0);
    user[MESH_PERMISSION_USER_MAX] = name[MESH_PERMISSION_NAME_MAX] = '\0';
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(check(&loader, &one, user, name, &answer), MESH_OK);
    assert_int_equal(loader.begun, 1);
    mesh_permissions_drop_user(loader.cache, user);
    assert_int_equal(stats_of(&loader).entries, 0);
    mesh_permissions_destroy(loader.cache);
}

static void limits_out_of_range_are_refused(void **state)
{
    static const mesh_permissions_options wrong[] = {
        {.load = load, .ttl_ms = -1},
        {.load = load, .max_bytes = MESH_PERMISSIONS_BYTES_MIN - 1},
        {.load = load, .max_entries = MESH_PERMISSIONS_ENTRIES_MAX + 1},
    };
    mesh_permissions *cache;
    mesh_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(mesh_permissions_create(&wrong[i], &cache, &err), MESH_INVALID_ARGUMENT);
    mesh_permissions_destroy(NULL);
}

static mesh_code run_checks(void *context)
{
    static const mesh_permissions_options options = {.ttl_ms = MINUTE_MS};
    loader loader = {.at_once = true, .allowed = true};
    mesh_permissions_options given = options;
    mesh_permission_answer answer;
    mesh_code code;

    (void)context;
    given.load = load;
    given.self = &loader;
    code = mesh_permissions_create(&given, &loader.cache, NULL);
    for (size_t i = 0; i < 2 && code == MESH_OK; i++) {
        caller one = {.told = 0};

        code = check(&loader, &one, i == 0 ? "ann" : "bob", "edit", &answer);
        if (code == MESH_OK)
            assert_int_equal(answer, MESH_ANSWER_ALLOWED);
    }
    mesh_permissions_destroy(loader.cache);
    return code;
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    assert_int_equal(memory_fail_in_turn(run_checks, NULL), 4); /* one for each entry */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_kept_for_15_minutes_from_its_load_however_often_it_is_used),
        cmocka_unit_test(a_denial_is_kept_as_well),
        cmocka_unit_test(a_peek_says_what_is_kept_and_how_old_it_is),
        cmocka_unit_test(each_permission_of_each_user_has_its_own_answer),
        cmocka_unit_test(callers_share_the_load_that_runs),
        cmocka_unit_test(a_load_that_ends_at_once_is_answered_by_the_check),
        cmocka_unit_test(a_fresh_check_takes_no_answer_that_is_kept),
        cmocka_unit_test(fresh_checks_share_only_a_load_that_began_after_they_were_asked),
        cmocka_unit_test(a_fresh_check_by_who_is_told_takes_no_part_of_the_load_that_just_ended),
        cmocka_unit_test(a_drop_forgets_all_permissions_of_a_user_at_once),
        cmocka_unit_test(what_a_load_brings_that_ran_during_a_drop_is_neither_kept_nor_given_out),
        cmocka_unit_test(a_fresh_load_that_ran_during_a_drop_does_not_bring_the_old_answer_back),
        cmocka_unit_test(a_drop_between_two_who_wait_for_a_load_is_heeded_for_the_second),
        cmocka_unit_test(a_load_that_ends_at_once_heeds_a_drop_too),
        cmocka_unit_test(who_is_dropped_during_every_load_is_told_so_in_the_end),
        cmocka_unit_test(a_load_that_fails_allows_nobody_and_is_not_kept),
        cmocka_unit_test(after_a_failure_there_is_no_load_of_the_same_for_a_moment),
        cmocka_unit_test(a_failure_leaves_what_was_known_before),
        cmocka_unit_test(when_full_the_entry_loaded_longest_ago_goes),
        cmocka_unit_test(no_limit_is_exceeded_by_ten_times_as_many_keys),
        cmocka_unit_test(failures_do_not_push_answers_out),
        cmocka_unit_test(a_cache_full_of_running_loads_refuses),
        cmocka_unit_test(texts_have_limits),
        cmocka_unit_test(limits_out_of_range_are_refused),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };

    return cmocka_run_group_tests_name("permissions", tests, NULL, NULL);
}
