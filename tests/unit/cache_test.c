/* The cache of finished answers without a database: its pulse is set by hand. And the workers that make answers, and the
 * turns in which kept ones are given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "handlers/cache.h"
#include "handlers/format.h"
#include "handlers/service.h"
#include "server/pace.h"
#include "server/workers.h"
#include "store/internal.h"
#include "store/pulse.h"

enum { BODY = 1000, LIMIT = 8 * BODY, CALLERS = 16, LIMIT_MS = 20000 };

static struct db db;
static struct service service = {.db = &db, .database_ms = LIMIT_MS};
static atomic_int made_times, inside;
static atomic_bool hold;
static enum err_code outcome;

static int begin(void **state) {
    (void)state;
    db.pulse = pulse_new();
    service.cache = cache_new(LIMIT);
    atomic_store(&made_times, 0);
    atomic_store(&hold, false);
    outcome = ERR_NONE;
    return db.pulse && service.cache ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    cache_free(service.cache);
    pulse_free(db.pulse);
    return 0;
}

static void learn(int64_t n) {
    struct pulse_look look = pulse_begin(&db);
    pulse_learn(&db, &look, n);
}

/* A body of BODY bytes that names the pulse in its first one; waits while it is held up. */
static bool make(struct request *request, struct str known, struct made *made, struct err *err) {
    struct buf body = BUF(BODY);
    (void)request, (void)known;
    atomic_fetch_add(&made_times, 1);
    atomic_fetch_add(&inside, 1);
    for (int64_t deadline = mono_ms() + LIMIT_MS; atomic_load(&hold) && ms_left(deadline);)
        sleep_ms(1);
    atomic_fetch_sub(&inside, 1);
    pulse_now(&db, &made->pulse);
    if (outcome != ERR_NONE)
        return err_set(err, outcome, "as the test wants");
    char *text = buf_reserve(&body, BODY);
    memset(text, 'a' + (int)made->pulse, BODY);
    body.len = BODY;
    made->finished = finished_new(&body, "text/plain", (struct finished_origin){.source = STR("source")}, false, err);
    return made->finished != NULL;
}

static char ask(const char *key) {
    struct request request = {.service = &service};
    struct finished *finished;
    struct err err = {0};
    bool ok = cache_get(&request, str_from(key), make, &finished, &err);
    char first = ok ? finished->body.ptr[0] : 0;
    if (ok)
        finished_release(finished);
    return first;
}

static void an_answer_is_made_once_and_again_when_the_pulse_has_risen(void **state) {
    (void)state;
    learn(1);
    assert_int_equal(ask("k"), 'b');
    assert_int_equal(ask("k"), 'b');
    assert_int_equal(made_times, 1);
    learn(2);
    assert_int_equal(ask("k"), 'c');
    assert_int_equal(made_times, 2);
}

static void nothing_counts_while_a_change_is_being_committed_nor_what_was_asked_before(void **state) {
    int64_t n;
    (void)state;
    learn(1);
    struct pulse_look before = pulse_begin(&db);
    assert_true(pulse_now(&db, &n));
    pulse_change_begin(&db);
    learn(1);
    assert_false(pulse_now(&db, &n));
    pulse_change_end(&db);
    pulse_learn(&db, &before, 1);
    assert_false(pulse_now(&db, &n));
    learn(2);
    assert_true(pulse_now(&db, &n) && n == 2);
    learn(1);
    assert_true(pulse_now(&db, &n) && n == 2);
}

static void *caller(void *key) {
    return ask(key) ? key : NULL;
}

static void those_who_come_together_share_one_making(void **state) {
    static char key[] = "k";
    pthread_t threads[CALLERS];
    (void)state;
    learn(1);
    atomic_store(&hold, true);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, caller, key), 0);
    for (int64_t deadline = mono_ms() + LIMIT_MS; !atomic_load(&inside) && ms_left(deadline);)
        sleep_ms(1);
    atomic_store(&hold, false);
    for (int i = 0; i < CALLERS; i++) {
        void *answered;
        pthread_join(threads[i], &answered);
        assert_non_null(answered);
    }
    assert_int_equal(made_times, 1);
}

static void the_least_recently_used_go_over_the_budget(void **state) {
    (void)state;
    learn(1);
    ask("first");
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        ask(key);
        ask("first");
        assert_true(cache_count(service.cache).bytes <= LIMIT);
    }
    int before = made_times;
    ask("first");
    ask("k19");
    assert_int_equal(made_times, before);
    ask("k0");
    assert_int_equal(made_times, before + 1);
}

static void what_fails_is_told_and_not_kept(void **state) {
    static const enum err_code codes[] = {ERR_NOT_FOUND, ERR_DATABASE};
    (void)state;
    learn(1);
    for (size_t i = 0; i < 2; i++) {
        outcome = codes[i];
        assert_int_equal(ask("k"), 0);
        assert_int_equal(cache_count(service.cache).bytes, 0);
    }
    outcome = ERR_NONE;
    assert_int_equal(ask("k"), 'b');
}

static void gzip_is_taken_as_accept_encoding_says(void **state) {
    static const struct {
        const char *text;
        bool taken;
    } cases[] = {{"gzip", true}, {"br, GZIP;q=0.1", true}, {"x-gzip", true}, {"*", true}, {"", false}, {"identity", false},
                 {"gzip;q=0", false}, {"gzip; q=0.000, *", false}, {"*;q=0", false}, {"gzip;q=1", true}, {"xgzip", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair header = {STR("Accept-Encoding"), str_from(cases[i].text)};
        struct request request = {.headers = &header, .header_count = 1};
        if (format_gzip(&request) != cases[i].taken)
            fail_msg("'%s'", cases[i].text);
    }
}

/* Waits until all of them are inside at once. */
static void work_together(struct work *work) {
    (void)work;
    atomic_fetch_add(&inside, 1);
    for (int64_t deadline = mono_ms() + LIMIT_MS; atomic_load(&inside) < CALLERS && ms_left(deadline);)
        sleep_ms(1);
}

static void workers_do_all_at_once_and_finish_before_they_go(void **state) {
    struct work works[CALLERS], late = {.run = work_together};
    (void)state;
    struct workers *workers = workers_open(CALLERS);
    atomic_store(&inside, 0);
    for (int i = 0; i < CALLERS; i++) {
        works[i].run = work_together;
        assert_true(workers_give(workers, &works[i]));
    }
    int64_t started = mono_ms();
    workers_finish(workers);
    assert_int_equal(inside, CALLERS);
    assert_true(mono_ms() - started < LIMIT_MS);
    assert_false(workers_give(workers, &late));
    workers_free(workers);
    atomic_store(&inside, 0);
}

static void *turn_take(void *pace) {
    pace_wait(pace);
    return NULL;
}

static void turns_of_threads_begin_at_steps(void **state) {
    pthread_t threads[CALLERS];
    struct pace pace;
    (void)state;
    pace_init(&pace, 4);
    int64_t started = mono_us();
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, turn_take, &pace), 0);
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(pace.step_us, 325);
    assert_true(mono_us() - started >= (CALLERS - 1) * pace.step_us);
}

static void a_thread_alone_waits_for_no_turn(void **state) {
    struct pace pace;
    (void)state;
    pace_init(&pace, 4);
    for (int64_t until = mono_us() + 20000, now; (now = mono_us()) < until;) {
        pace_wait(&pace);
        assert_true(atomic_load(&pace.free_us) <= mono_us() + pace.step_us);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_made_once_and_again_when_the_pulse_has_risen, begin, end),
        cmocka_unit_test_setup_teardown(nothing_counts_while_a_change_is_being_committed_nor_what_was_asked_before, begin,
                                        end),
        cmocka_unit_test_setup_teardown(those_who_come_together_share_one_making, begin, end),
        cmocka_unit_test_setup_teardown(the_least_recently_used_go_over_the_budget, begin, end),
        cmocka_unit_test_setup_teardown(what_fails_is_told_and_not_kept, begin, end),
        cmocka_unit_test(gzip_is_taken_as_accept_encoding_says),
        cmocka_unit_test(workers_do_all_at_once_and_finish_before_they_go),
        cmocka_unit_test(turns_of_threads_begin_at_steps),
        cmocka_unit_test(a_thread_alone_waits_for_no_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
