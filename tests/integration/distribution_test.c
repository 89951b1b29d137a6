/* What docs/scale.md says of the tables holds of the schema: where tables go when one machine isn't enough, and that no key
 * stands in the way. A new table or statement has to be placed there and here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/embed.h"
#include "tests/support/cluster_fixture.h"

enum { LIMIT_MS = 30 * 1000, DOCUMENT_CAP = 1 << 20 };

/* D: rows divided by device. R: a copy everywhere. C: on the coordinator alone. Tables that kql/schema.def makes are known
 * by their schema: events D, dictionaries R. */
static const struct {
    const char *table, *place;
} places[] = {
    {"rmm.arrivals", "C"}, {"rmm.batches", "C"}, {"rmm.answered", "C"}, {"rmm.changes", "C"}, {"rmm.compacted", "C"}, {"rmm.days", "C"}, {"rmm.dead_letters", "C"},
    {"rmm.deleted_hits", "C"}, {"rmm.device_tools", "C"}, {"rmm.devices", "C"}, {"rmm.dictionary_epoch", "C"}, {"rmm.dropped_days", "C"}, {"rmm.facts", "C"},
    {"rmm.filled", "C"}, {"rmm.finding_days", "C"}, {"rmm.finding_runs", "C"}, {"rmm.findings", "C"}, {"rmm.hits", "C"}, {"rmm.hunt_versions", "C"}, {"rmm.hunts", "C"},
    {"rmm.instance", "C"}, {"rmm.ledger", "C"}, {"rmm.ledger_changed", "C"}, {"rmm.ledger_facts", "C"},
    {"rmm.ledger_found", "C"}, {"rmm.ledger_hunts", "C"}, {"rmm.ledger_new", "C"}, {"rmm.ledger_touched", "C"},
    {"rmm.migrations", "C"}, {"rmm.presence", "C"}, {"rmm.pulse", "C"}, {"rmm.reporters", "C"}, {"rmm.results", "C"},
    {"rmm.retention", "C"}, {"rmm.rotated", "C"}, {"rmm.runs", "C"}, {"rmm.schedules", "C"}, {"rmm.slots", "C"}, {"rmm.tool_facts", "C"},
    {"rmm.tool_processes", "C"}, {"rmm.tools", "C"}, {"rmm.webhook_deliveries", "C"}, {"rmm.webhook_old_secrets", "C"}, {"rmm.webhooks", "C"},
};
enum { PLACES = sizeof places / sizeof *places };

/* WITH placed (oid, place): every table that isn't a partition; place NULL: nobody has classified it. */
static void placed_add(struct buf *sql) {
    buf_add_str(sql, STR("WITH given (name, place) AS (VALUES "));
    for (size_t i = 0; i < PLACES; i++)
        buf_printf(sql, "%s('%s', '%s')", i ? ", " : "", places[i].table, places[i].place);
    buf_add_str(sql, STR("), placed AS (SELECT c.oid, c.oid::regclass::text AS name, CASE n.nspname WHEN 'data' THEN 'D' "
                         "WHEN 'dict' THEN 'R' ELSE g.place END AS place FROM pg_class c "
                         "JOIN pg_namespace n ON n.oid = c.relnamespace "
                         "LEFT JOIN given g ON g.name = n.nspname || '.' || c.relname "
                         "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' "
                         "AND n.nspname <> 'information_schema') "));
}

/* Fails the test with the rows of a statement over `placed` that should give none: texts. */
static void none(const char *select, const char *what) {
    struct err err = {0};
    BUF_AUTO sql = BUF(DOCUMENT_CAP);
    BUF_AUTO list = BUF(DOCUMENT_CAP);
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = db_take(db, mono_ms() + LIMIT_MS, &err);
    assert_non_null(conn);
    placed_add(&sql);
    buf_add_str(&sql, str_from(select));
    struct db_rows *rows = db_query(conn, buf_cstr(&sql), NULL, 0, mono_ms() + LIMIT_MS, &err);
    for (size_t r = 0; rows && r < db_count(rows); r++)
        buf_printf(&list, "\n  %.*s", STR_ARG(db_text(rows, r, 0)));
    bool asked = rows != NULL;
    db_rows_free(rows);
    db_give(conn);
    cluster_fixture_close(db);
    if (!asked)
        fail_msg("%s", err.text);
    if (list.len)
        fail_msg("%s:%s", what, buf_cstr(&list));
}

static void every_table_has_a_place_and_every_place_a_table(void **state) {
    (void)state;
    none("SELECT name FROM placed WHERE place IS NULL", "tables that are not in the list of this test");
    none("SELECT g.name FROM given g LEFT JOIN placed p ON p.oid = to_regclass(g.name) WHERE p.oid IS NULL",
         "tables in the list that are not there");
    none("SELECT 'no event tables' WHERE (SELECT count(*) FROM placed WHERE name ~ '^data') < 10", "events");
}

static void a_divided_table_has_the_device_never_null(void **state) {
    (void)state;
    none("SELECT name FROM placed p WHERE place = 'D' AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = p.oid "
         "AND a.attname = 'device' AND a.attnotnull AND a.atttypid = 'integer'::regtype)",
         "divided tables without a column device");
}

static void unique_indexes_of_divided_tables_contain_the_device(void **state) {
    (void)state;
    none("SELECT i.indexrelid::regclass::text FROM placed p JOIN pg_index i ON i.indrelid = p.oid "
         "WHERE p.place = 'D' AND (i.indisunique OR i.indisexclusion) AND NOT EXISTS (SELECT FROM pg_attribute a "
         "WHERE a.attrelid = p.oid AND a.attname = 'device' AND a.attnum = ANY (i.indkey))",
         "unique indexes that no single shard could keep");
}

/* Divided to divided only on the device; what has copies everywhere may point only at what has them too. */
static void foreign_keys_stay_within_what_one_node_has(void **state) {
    (void)state;
    none("SELECT k.conrelid::regclass || ' ' || k.conname FROM pg_constraint k JOIN placed a ON a.oid = k.conrelid "
         "JOIN placed b ON b.oid = k.confrelid WHERE k.contype = 'f' AND NOT (b.place = 'R' OR a.place = 'C' AND b.place = 'C' "
         "OR a.place = 'D' AND b.place = 'D' AND EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS u (own, other) "
         "JOIN pg_attribute x ON x.attrelid = a.oid AND x.attnum = u.own AND x.attname = 'device' "
         "JOIN pg_attribute y ON y.attrelid = b.oid AND y.attnum = u.other AND y.attname = 'device'))",
         "foreign keys that would cross nodes");
}

static void only_the_coordinator_has_triggers(void **state) {
    (void)state;
    none("SELECT p.name || ' ' || t.tgname FROM placed p JOIN pg_trigger t ON t.tgrelid = p.oid "
         "WHERE p.place <> 'C' AND NOT t.tgisinternal",
         "triggers that no other node may have");
}

/* An identity column is filled on one node: dictionaries get their ids on the coordinator, divided tables have none. */
static void divided_tables_make_no_numbers_of_their_own(void **state) {
    (void)state;
    none("SELECT p.name || '.' || a.attname FROM placed p JOIN pg_attribute a ON a.attrelid = p.oid AND a.attnum > 0 "
         "WHERE p.place = 'D' AND (a.attidentity <> '' OR a.attgenerated <> '' OR a.atthasdef AND EXISTS "
         "(SELECT FROM pg_attrdef d WHERE d.adrelid = p.oid AND d.adnum = a.attnum AND pg_get_expr(d.adbin, p.oid) ~ 'nextval'))",
         "numbers that would differ between shards");
}

static void document_read(struct buf *out) {
    char part[4096];
    FILE *file = fopen("docs/scale.md", "re");
    assert_non_null(file);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        buf_add(out, part, n);
    fclose(file);
    assert_non_null(buf_cstr(out));
}

static void word_find(const char *document, struct str name) {
    char word[128];
    snprintf(word, sizeof word, "`%.*s`", STR_ARG(name));
    if (!strstr(document, word))
        fail_msg("docs/scale.md doesn't say what becomes of %s", word);
}

static void the_document_names_every_table_and_every_statement(void **state) {
    (void)state;
    BUF_AUTO document = BUF(DOCUMENT_CAP);
    size_t statements = 0;
    document_read(&document);
    for (size_t i = 0; i < PLACES; i++)
        word_find(document.ptr, str_from(places[i].table + strlen("rmm.")));
    for (const struct embedded_file *file = embedded_files; file->name; file++) {
        struct str name = str_from(file->name), folder = STR("store/sql/");
        if (name.len < folder.len || memcmp(name.ptr, folder.ptr, folder.len) != 0)
            continue;
        word_find(document.ptr, (struct str){name.ptr + folder.len, name.len - folder.len - strlen(".sql")});
        statements++;
    }
    assert_true(statements > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_has_a_place_and_every_place_a_table),
        cmocka_unit_test(a_divided_table_has_the_device_never_null),
        cmocka_unit_test(unique_indexes_of_divided_tables_contain_the_device),
        cmocka_unit_test(foreign_keys_stay_within_what_one_node_has),
        cmocka_unit_test(only_the_coordinator_has_triggers),
        cmocka_unit_test(divided_tables_make_no_numbers_of_their_own),
        cmocka_unit_test(the_document_names_every_table_and_every_statement),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
