/* What the dictionaries decide beforehand is what the plain SQL decides: hostile values, hostile conditions, values that
 * come later, from several writers at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "store/ingest.h"
#include "store/verdict.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"

enum { LIMIT_MS = 60 * 1000, CAP = 8 << 20, WRITERS = 4, ROUNDS = 12 };

static struct err err;

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

/* Letters whose cases meet ASCII's, edges of terms, signs of patterns, separators of our own text. */
static const char *const values[] = {
    "", "IDrive, Inc.", "IDRIVE", "idrive", "STRATO HiDrive", "x_idrive_y", "xidrive", "idrive2", "\xD0\xB6idrive",
    "\xE2\x84\xAA" "elvin", "kelvin", "KELVIN", "\xC5\xBF" "ecure", "secure", "\xC4\xB0" "drive", "na\xC3\xAFve", "NA\xC3\x8FVE",
    "stra\xC3\x9F" "e", "STRASSE", "\xEF\xBC\xA1nydesk", "any\xC2\xAD" "desk", "anydesk\tx", "any\ndesk", "a.b", "a+b", "a\\b",
    "a%b", "a_b", "(a)", "[a]", "a|b", "^a$", "$1", "\\y", "e\xCC\x81", "\xC3\xA9", "\xF0\x9F\x98\x80 desk", "desk\xF0\x9F\x98\x80",
    "anydesk anydesk", "ANYDESK.EXE", "AnyDesk", "anydes", "nydesk", "anyanydesk", "0", "1.5", "Pro Softnet Corporation",
};
enum { VALUES = sizeof values / sizeof *values };

static const char *const conditions[] = {
    "has 'idrive'", "has 'IDrive, Inc.'", "!has 'idrive'", "has_cs 'IDrive'", "contains 'drive'", "!contains 'drive'",
    "contains_cs 'Drive'", "startswith 'idr'", "endswith 'DESK'", "=~ 'kelvin'", "== 'AnyDesk'", "!= 'AnyDesk'", "!~ 'anydesk'",
    "contains 'k'", "contains '\xE2\x84\xAA'", "has 'secure'", "contains 's'", "has 'na\xC3\xAFve'", "contains 'stra\xC3\x9F'",
    "in ('AnyDesk', 'kelvin')", "in~ ('anydesk', 'KELVIN')", "!in~ ('anydesk', 'KELVIN')", "has_any ('anydesk', 'idrive')",
    "has_all ('pro', 'softnet')", "!has_any ('anydesk', 'idrive')", "matches regex 'any.*desk'", "contains '.'", "contains '%'",
    "contains '_'", "contains '\\\\'", "has 'a+b'", "hasprefix 'any'", "hassuffix 'desk'", "contains 'any\\ndesk'", "has ''",
    "contains ''", "== ''", "has 'e\xCC\x81'", "contains '\xC3\xA9'", "hasprefix_cs 'Any'", "startswith_cs 'IDRIVE'",
    "has 'drive' and Signer has 'strato'", "has 'anydesk' or Issuer has 'idrive'", "has 'desk' or ReportId < 5",
    "has 'anydesk' and not(Signer has 'exe')", "contains 'desk' and Issuer !contains 'desk'",
};
enum { CONDITIONS = sizeof conditions / sizeof *conditions };

static void add_event(struct buf *out, unsigned number, const char *tail) {
    buf_printf(out, "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"Timestamp\":"
                    "\"2026-07-18T01:%02u:%02uZ\",\"DeviceId\":\"d\",\"ReportId\":%u,\"SHA1\":\"%u\"", number / 60 % 60, number % 60,
               number, number);
    json_add_key(out, "Signer");
    BUF_AUTO text = BUF(4096);
    buf_printf(&text, "%s%s", values[number % VALUES], tail);
    json_add_string(out, buf_str(&text));
    json_add_string_member(out, "Issuer", str_from(values[number * 7 / 3 % VALUES]));
    buf_add_str(out, STR("}}\n"));
}

static void post(struct ingest *ingest, unsigned first, unsigned count, const char *tail) {
    struct ingest_result result;
    struct err mine = {0};
    bool unknown;
    BUF_AUTO body = BUF(CAP);
    for (unsigned i = 0; i < count; i++)
        add_event(&body, first + i, tail);
    if (!ingest_body(ingest, buf_str(&body), &(struct reader_options){0}, false, later(), &result, &unknown, &mine))
        fail_msg("%s: %s", err_name(mine.code), mine.text);
    assert_int_equal(result.stored, count);
}

struct asked {
    struct arena *arena;
    const struct kql_program *programs[CONDITIONS];
};

static void programs_compile(struct asked *asked) {
    struct kql_options options = {.now = ticks_now(), .from = -1, .to = -1};
    asked->arena = arena_new(256u << 20);
    assert_non_null(asked->arena);
    for (size_t i = 0; i < CONDITIONS; i++) {
        struct str query = arena_printf(asked->arena, "DeviceFileCertificateInfo | where Signer %s | summarize Ids=make_set(ReportId), "
                                        "N=count() by DeviceId", conditions[i]);
        asked->programs[i] = kql_compile(asked->arena, query, &options, &err);
        if (!asked->programs[i])
            fail_msg("%s: %s", conditions[i], err.text);
    }
}

static struct str answer_of(struct arena *arena, struct db_conn *conn, struct str sql, const struct str *params, size_t count,
                            const char *condition) {
    DB_ROWS_AUTO *rows = db_query(conn, sql.ptr, params, count, later(), &err);
    if (!rows)
        fail_msg("%s: %s", condition, err.text);
    return db_count(rows) ? arena_printf(arena, "%.*s %.*s", STR_ARG(db_text(rows, 0, 1)), STR_ARG(db_text(rows, 0, 2))) : STR("none");
}

/* All conditions in one snapshot, by the verdicts and by plain SQL. Gives how many found something. */
static size_t both_agree(struct db *db, const struct asked *asked) {
    struct verdict_ids **verdicts;
    size_t found = 0;
    struct db_conn *conn = db_take(db, later(), &err);
    assert_non_null(conn);
    assert_true(db_begin_snapshot(conn, LIMIT_MS, later(), &err));
    if (!verdicts_read(conn, asked->arena, asked->programs, CONDITIONS, &verdicts, later(), &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < CONDITIONS; i++) {
        const struct kql_program *program = asked->programs[i];
        struct str sql, *params;
        size_t count;
        assert_true(verdicts_bind(asked->arena, program, verdicts[i], &sql, &params, &count, &err));
        struct str decided = answer_of(asked->arena, conn, sql, params, count, conditions[i]);
        struct str plain = answer_of(asked->arena, conn, program->sql, program->params, program->param_count, conditions[i]);
        if (!str_eq(decided, plain))
            fail_msg("Signer %s: %.*s by verdicts, %.*s by SQL", conditions[i], STR_ARG(decided), STR_ARG(plain));
        found += !str_eq(plain, STR("none"));
    }
    db_rollback(conn);
    db_give(conn);
    return found;
}

static void verdicts_are_what_sql_says(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *ingest = database_ingest(db);
    struct asked asked;
    programs_compile(&asked);
    assert_int_equal(both_agree(db, &asked), 0);
    post(ingest, 0, 4 * VALUES, "");
    assert_true(both_agree(db, &asked) > CONDITIONS - 4);
    for (unsigned round = 1; round <= 3; round++) { /* values that come later */
        char tail[16];
        snprintf(tail, sizeof tail, " %u", round);
        post(ingest, round * 1000, 2 * VALUES, tail);
        both_agree(db, &asked);
        both_agree(db, &asked);
    }
    ingest_close(ingest);
    arena_free(asked.arena);
    cluster_fixture_close(db);
}

/* What breaks off loses no slice that was decided before. */
static void values_decided_slice_by_slice_are_the_same_and_are_kept(void **state) {
    enum { SLICE = 7 };
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *ingest = database_ingest(db);
    struct asked asked;
    bool more = true;
    programs_compile(&asked);
    post(ingest, 0, 4 * VALUES, "");
    long long slices = database_int(db, "SELECT max(id) FROM dict.cert") / SLICE, decided = 0;
    struct db_conn *conn = db_take(db, later(), &err);
    assert_non_null(conn);
    assert_true(slices > 5);
    for (; more && decided <= slices; decided++) {
        if (decided == slices / 2)
            assert_false(verdicts_advance(conn, asked.programs, CONDITIONS, SLICE, &more, mono_ms(), &err));
        db_give(conn);
        conn = db_take(db, later(), &err);
        if (!verdicts_advance(conn, asked.programs, CONDITIONS, SLICE, &more, later(), &err))
            fail_msg("%s", err.text);
    }
    assert_false(more);
    assert_int_equal(decided, slices + 1);
    assert_true(verdicts_advance(conn, asked.programs, CONDITIONS, SLICE, &more, later(), &err) && !more);
    db_give(conn);
    assert_true(both_agree(db, &asked) > CONDITIONS - 4);
    ingest_close(ingest);
    arena_free(asked.arena);
    cluster_fixture_close(db);
}

/* Asked alone while every value fulfils it, a condition is kept by those that don't; then it is searched for by its word. */
static void a_condition_that_all_values_fulfilled_holds_when_others_come(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *ingest = database_ingest(db);
    struct asked asked;
    programs_compile(&asked);
    post(ingest, 1, 1, "");
    struct db_conn *conn = db_take(db, later(), &err);
    DB_ROWS_AUTO *rows = verdicts_query(conn, asked.arena, asked.programs[0], later(), &err);
    assert_int_equal(db_count(rows), 1);
    db_give(conn);
    post(ingest, 1000, VALUES, "");
    both_agree(db, &asked);
    ingest_close(ingest);
    arena_free(asked.arena);
    cluster_fixture_close(db);
}

struct writer {
    pthread_t thread;
    struct ingest *ingest;
    unsigned number;
    atomic_bool done;
};

static void *write_values(void *argument) {
    const struct writer *writer = argument;
    for (unsigned round = 0; round < ROUNDS; round++) {
        char tail[32];
        snprintf(tail, sizeof tail, " %u %u", writer->number, round);
        post(writer->ingest, 100000 * (writer->number + 1) + round * 1000, VALUES, tail);
    }
    return NULL;
}

/* Two processes' worth of writers: ids that commit out of their order would be passed over for ever. */
static void no_value_is_passed_over_while_others_write(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(16);
    struct ingest *ingests[2] = {database_ingest(db), database_ingest(db)};
    struct writer writers[WRITERS];
    struct asked asked;
    programs_compile(&asked);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.ingest = ingests[i % 2], .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_values, &writers[i]), 0);
    }
    for (int i = 0; i < 8; i++)
        both_agree(db, &asked);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    assert_true(both_agree(db, &asked) > CONDITIONS / 2);
    ingest_close(ingests[0]);
    ingest_close(ingests[1]);
    arena_free(asked.arena);
    cluster_fixture_close(db);
}

/* A condition's program, run on a connection. */
struct asking {
    pthread_t thread;
    struct db_conn *conn;
    struct arena *arena;
    const struct kql_program *program;
    int64_t found;
};

static void *ask_verdicts(void *argument) {
    struct asking *asking = argument;
    struct err mine;
    DB_ROWS_AUTO *rows = verdicts_query(asking->conn, asking->arena, asking->program, later(), &mine);
    asking->found = db_count(rows) ? db_int(rows, 0, 2) : -1;
    return NULL;
}

static void asking_start(struct asking *asking, struct db *db, bool before_all) {
    struct kql_options options = {.now = ticks_now(), .from = -1, .to = -1};
    asking->arena = arena_new(64u << 20);
    asking->conn = db_take(db, later(), &err);
    assert_true(asking->arena && asking->conn);
    asking->program = kql_compile(asking->arena, STR("DeviceFileCertificateInfo | where Signer contains 'late' | summarize "
                                                     "make_set(ReportId), N=count() by DeviceId"), &options, &err);
    assert_non_null(asking->program);
    if (before_all)
        assert_true(db_begin_snapshot(asking->conn, LIMIT_MS, later(), &err) &&
                    db_exec(asking->conn, "SELECT 1", NULL, 0, later(), NULL, &err));
}

static void asking_end(struct asking *asking) {
    pthread_join(asking->thread, NULL);
    db_give(asking->conn);
    arena_free(asking->arena);
}

static void *lock_and_leave(void *argument) {
    struct db_conn *conn = argument;
    struct err mine;
    if (db_begin(conn, "", later(), &mine))
        db_exec(conn, "LOCK TABLE dict.cert IN ACCESS EXCLUSIVE MODE", NULL, 0, later(), NULL, &mine);
    db_give(conn);
    return NULL;
}

static void await_waiting(struct db *db, int count) {
    database_await(db, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'dict.cert'::regclass", count,
                   LIMIT_MS);
}

/* Both begin when nothing is kept; the first sees few values that fulfil the condition, the second mostly such. Locks let
 * them end one after the other. */
static void who_decides_a_condition_the_other_way_round_meanwhile_spoils_nothing(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *ingest = database_ingest(db);
    struct asking first = {0}, second = {0}, third = {0};
    pthread_t between;
    post(ingest, 0, 3, " one");
    asking_start(&first, db, true);
    asking_start(&second, db, false);
    post(ingest, 1000, VALUES, " late");
    struct db_conn *holder = db_take(db, later(), &err), *other = db_take(db, later(), &err);
    assert_true(db_begin(holder, "", later(), &err) &&
                db_exec(holder, "LOCK TABLE dict.cert IN ACCESS EXCLUSIVE MODE", NULL, 0, later(), NULL, &err));
    assert_int_equal(pthread_create(&first.thread, NULL, ask_verdicts, &first), 0);
    await_waiting(db, 1);
    assert_int_equal(pthread_create(&between, NULL, lock_and_leave, other), 0);
    await_waiting(db, 2);
    assert_int_equal(pthread_create(&second.thread, NULL, ask_verdicts, &second), 0);
    await_waiting(db, 3);
    db_give(holder);
    asking_end(&first);
    pthread_join(between, NULL);
    asking_end(&second);
    asking_start(&third, db, false);
    assert_int_equal(pthread_create(&third.thread, NULL, ask_verdicts, &third), 0);
    asking_end(&third);
    assert_int_equal(first.found, -1);
    assert_int_equal(second.found, VALUES);
    assert_int_equal(third.found, VALUES);
    ingest_close(ingest);
    cluster_fixture_close(db);
}

static void *write_once(void *argument) {
    struct writer *writer = argument;
    post(writer->ingest, 900000, 1, " late");
    atomic_store(&writer->done, true);
    return NULL;
}

/* While one has taken an id and not committed, another's value waits: a higher id must not be seen before a lower one. */
static void values_get_their_ids_in_the_order_of_commits(void **state) {
    (void)state;
    static const char take[] = "SELECT id FROM dict.cert WHERE id = 0 FOR UPDATE";
    static const char waiting[] = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%dict.cert%'";
    struct db *db = cluster_fixture_database(8);
    struct writer writer = {.ingest = database_ingest(db)};
    struct db_conn *conn = db_take(db, later(), &err);
    bool unknown;
    assert_true(db_begin(conn, "", later(), &err) && db_exec(conn, take, NULL, 0, later(), NULL, &err));
    assert_int_equal(pthread_create(&writer.thread, NULL, write_once, &writer), 0);
    int64_t deadline = later();
    while (!atomic_load(&writer.done) && database_int(db, waiting) == 0 && mono_ms() < deadline)
        sleep_ms(10);
    assert_false(atomic_load(&writer.done));
    assert_int_equal(database_int(db, "SELECT count(*) FROM dict.cert WHERE id > 0"), 0);
    assert_true(db_commit(conn, later(), &unknown, &err));
    db_give(conn);
    pthread_join(writer.thread, NULL);
    assert_int_equal(database_int(db, "SELECT count(*) FROM dict.cert WHERE id > 0"), 1);
    ingest_close(writer.ingest);
    cluster_fixture_close(db);
}

static int setup(void **state) {
    schema_init();
    return cluster_fixture_start(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_what_sql_says),
        cmocka_unit_test(values_decided_slice_by_slice_are_the_same_and_are_kept),
        cmocka_unit_test(a_condition_that_all_values_fulfilled_holds_when_others_come),
        cmocka_unit_test(who_decides_a_condition_the_other_way_round_meanwhile_spoils_nothing),
        cmocka_unit_test(values_get_their_ids_in_the_order_of_commits),
        cmocka_unit_test(no_value_is_passed_over_while_others_write),
    };
    return cmocka_run_group_tests(tests, setup, cluster_fixture_stop);
}
