/* The KQL compiler: the text cases of tests/kql/, and what text can't say: roles, bounds, windows, evidence. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "kql/kql.h"

enum { ARENA_BYTES = 64 * 1024 * 1024 };

static int64_t fixed_now(void) {
    int64_t ticks = 0;
    assert_true(ticks_parse(STR("2026-07-20T00:00:00Z"), &ticks));
    return ticks;
}

static struct kql_options options_default(void) {
    return (struct kql_options){.now = fixed_now(), .from = -1, .to = -1};
}

struct test {
    struct arena *arena;
    struct err err;
};

static int test_open(void **state) {
    struct test *test = calloc(1, sizeof *test);
    schema_init();
    if (test)
        test->arena = arena_new(ARENA_BYTES);
    *state = test;
    return test && test->arena ? 0 : -1;
}

static int test_close(void **state) {
    struct test *test = *state;
    arena_free(test->arena);
    free(test);
    return 0;
}

static struct kql_program *compile(struct test *test, const char *query, const struct kql_options *options) {
    struct kql_program *program = kql_compile(test->arena, str_from(query), options, &test->err);
    if (!program)
        print_message("%s\n", test->err.text);
    assert_non_null(program);
    return program;
}

static bool sql_has(const struct kql_program *program, const char *part) {
    return memmem(program->sql.ptr, program->sql.len, part, strlen(part)) != NULL;
}

/* ---- text cases ---- */

static void answer_write(struct buf *out, struct arena *arena, struct str query, bool strict) {
    struct kql_options options = options_default();
    struct err err;
    char excerpt[1024];
    options.strict = strict;
    struct kql_program *program = kql_compile(arena, query, &options, &err);
    if (!program) {
        err_excerpt(&err, query, excerpt, sizeof excerpt);
        buf_printf(out, "error %u:%u %s\n%s", err.line, err.column, err.text, excerpt);
        return;
    }
    buf_printf(out, "%.*s\n", STR_ARG(program->sql));
    for (size_t i = 0; i < program->param_count; i++)
        buf_printf(out, "$%zu = %.*s\n", i + 1, STR_ARG(program->params[i]));
    for (size_t i = 0; i < program->warning_count; i++)
        buf_printf(out, "warning %u:%u %.*s\n", program->warnings[i].line, program->warnings[i].column,
                   STR_ARG(program->warnings[i].text));
}

static struct str file_read(struct arena *arena, const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = arena_take(arena, 1 << 20);
    assert_non_null(file);
    assert_non_null(text);
    size_t length = fread(text, 1, 1 << 20, file);
    fclose(file);
    return (struct str){text, length};
}

/* The part of *rest before `mark` at a line's start; *rest goes on behind the mark. */
static bool part_take(struct str *rest, const char *mark, struct str *part) {
    size_t length = strlen(mark);
    for (size_t i = 0; i + length <= rest->len; i++)
        if ((i == 0 || rest->ptr[i - 1] == '\n') && memcmp(rest->ptr + i, mark, length) == 0) {
            *part = (struct str){rest->ptr, i};
            *rest = (struct str){rest->ptr + i + length, rest->len - i - length};
            return true;
        }
    *part = *rest;
    *rest = (struct str){rest->ptr + rest->len, 0};
    return false;
}

static void case_check(struct test *test, const char *path, struct str text) {
    const char *line = memchr(text.ptr, '\n', text.len);
    struct str name, query, body;
    assert_non_null(line);
    name = (struct str){text.ptr, (size_t)(line - text.ptr)};
    body = (struct str){line + 1, text.len - name.len - 1};
    assert_true(part_take(&body, "---\n", &query));
    BUF_AUTO answer = BUF(1 << 20);
    answer_write(&answer, test->arena, str_trim(query), str_ends(name, STR("(strict)")));
    if (!str_eq(str_trim(body), str_trim(buf_str(&answer)))) {
        print_message("%s: %.*s\n--- expected\n%.*s\n--- got\n%.*s\n", path, STR_ARG(name), STR_ARG(body),
                      STR_ARG(buf_str(&answer)));
        fail();
    }
}

static void every_text_case_compiles_to_what_it_says(void **state) {
    glob_t files;
    size_t cases = 0;
    assert_int_equal(glob("tests/kql/*.test", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct test *test = *state;
        struct str text = file_read(test->arena, files.gl_pathv[i]), part;
        part_take(&text, "=== ", &part);
        for (bool more = true; more; cases++) {
            more = part_take(&text, "=== ", &part);
            case_check(test, files.gl_pathv[i], part);
        }
    }
    globfree(&files);
    assert_true(cases > 20);
}

/* ---- what a program says of its result ---- */

static const char remotepc[] = "let Time_start = now(-5d);\nlet Time_end = now();\n//\nDeviceFileCertificateInfo\n"
                               "| where Timestamp between (Time_start..Time_end)\n| where Signer has 'idrive'\n"
                               "| summarize FirstSeen=min(Timestamp), LastSeen=max(Timestamp),\n"
                               "    Report=make_set(ReportId), Count=count() by DeviceId, DeviceName\n";

static void the_roles_of_columns_follow_their_expressions(void **state) {
    static const enum kql_role roles[] = {ROLE_DEVICE_ID, ROLE_DEVICE_NAME, ROLE_FIRST, ROLE_LAST, ROLE_REPORTS, ROLE_COUNT};
    struct kql_options options = options_default();
    struct kql_program *program = compile(*state, remotepc, &options);
    assert_int_equal(program->column_count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(program->columns[i].role, roles[i]);
    assert_true(str_eq(program->columns[2].name, STR("FirstSeen")));
}

static void the_window_is_what_the_query_says_of_time(void **state) {
    struct kql_options options = options_default();
    struct kql_program *program = compile(*state, remotepc, &options);
    assert_true(program->window_from == options.now - 5 * TICKS_DAY);
    assert_true(program->window_to == options.now);
}

static void the_window_is_narrowed_by_the_callers_bounds(void **state) {
    struct kql_options options = options_default();
    options.from = options.now - TICKS_DAY;
    options.to = options.now + TICKS_DAY;
    struct kql_program *program = compile(*state, remotepc, &options);
    assert_true(program->window_from == options.now - TICKS_DAY);
    assert_true(program->window_to == options.now);
    assert_true(sql_has(program, "t.ts >= $1::bigint AND t.ts <= $2::bigint"));
}

static void a_dictionary_decides_its_conditions_once(void **state) {
    struct kql_options options = options_default();
    struct kql_program *program = compile(*state, remotepc, &options);
    assert_true(sql_has(program, "t.cert = ANY(ARRAY(SELECT cert.id FROM dict.cert cert WHERE (cert.signer ~* $3::text)))"));
    assert_false(sql_has(program, "JOIN dict.cert"));
}

static void evidence_stops_before_the_events_are_folded(void **state) {
    struct kql_options options = options_default();
    options.device = STR("device-1");
    struct kql_program *program = compile(*state, remotepc, &options);
    assert_false(sql_has(program, "GROUP BY"));
    assert_true(sql_has(program, "(SELECT device.id FROM dict.device device WHERE device.device_id = "));
    assert_int_equal(program->column_count, 3);
    assert_true(str_eq(program->columns[0].name, STR("$time")));
    assert_true(str_eq(program->columns[2].name, STR("$table")));
}

static void a_mended_name_keeps_its_spelling_and_warns(void **state) {
    struct kql_options options = options_default();
    struct kql_program *program = compile(*state, "DeviceNetworkEvents\n| summarize count() by AccountUpn, Sha1 = initiatingprocesssha1", &options);
    assert_true(str_eq(program->columns[0].name, STR("AccountUpn")));
    assert_int_equal(program->warning_count, 2);
    assert_int_equal(program->warnings[0].line, 2);
    assert_int_equal(program->warnings[0].column, 24);
}

static void a_row_limit_is_one_more_than_asked(void **state) {
    struct kql_options options = options_default();
    options.max_rows = 100;
    assert_true(sql_has(compile(*state, "DeviceEvents | project DeviceId", &options), "LIMIT 101"));
}

static void tables_of_subqueries_are_counted(void **state) {
    struct kql_options options = options_default();
    struct kql_program *program = compile(*state, "let s = DeviceFileCertificateInfo | distinct SHA1;\n"
                                                  "DeviceProcessEvents | where SHA1 in (s) | count", &options);
    uint32_t cert = UINT32_C(1) << schema_table_index(schema_table_find(STR("DeviceFileCertificateInfo")));
    uint32_t process = UINT32_C(1) << schema_table_index(schema_table_find(STR("DeviceProcessEvents")));
    assert_int_equal(program->tables, cert | process);
}

static void a_sorted_result_says_so(void **state) {
    struct kql_options options = options_default();
    assert_true(compile(*state, "DeviceEvents | top 3 by Timestamp", &options)->ordered);
    assert_false(compile(*state, "DeviceEvents | take 3", &options)->ordered);
}

static void literals_never_reach_the_sql(void **state) {
    struct kql_options options = options_default();
    struct kql_program *program = compile(*state, "DeviceEvents | where FileName == \"x'); DROP TABLE data.t; --\" or FolderPath has \"$1' or 1=1\"", &options);
    assert_false(sql_has(program, "DROP"));
    assert_false(sql_has(program, "1=1"));
    assert_int_equal(program->param_count, 2);
}

static const char *const hostile[] = {
    "let f = (x:string) { DeviceEvents | where FileName == x }; f(\"'); DROP TABLE data.t; --\")",
    "DeviceEvents | parse FileName with \"') DROP \" a \"--\" b",
    "DeviceEvents | parse kind=regex FileName with @\"' DROP (?:x)\" a",
    "DeviceEvents | parse-kv FileName as (['DROP\"']:string) with (pair_delimiter=\"' DROP\", kv_delimiter=\"--\", quote=\"'\")",
    "DeviceEvents | extend [\"'DROP\"] = 1 | extend x = pack_all() | mv-expand [\"DROP;--\"] = x",
    "DeviceEvents | extend x = extract(@\"' DROP (a)\", 1, FileName), y = column_ifexists(\"' DROP\", \"DROP\")",
    "DeviceEvents | where FileName matches regex @\"' DROP\"",
    "DeviceEvents | mv-apply x = split(FileName, \"' DROP\") to typeof(string) on (top 2 by x | summarize [\"' DROP\"] = make_list(x), percentile(strlen(x), 5))",
    "DeviceEvents | extend x = format_datetime(Timestamp, strcat(\"DROP\", \"'\"))",
};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static void hostile_texts_of_functions_and_patterns_stay_parameters(void **state) {
    struct kql_options options = options_default();
    for (size_t i = 0; i < HOSTILE; i++)
        assert_false(sql_has(compile(*state, hostile[i], &options), "DROP"));
}

/* The matrix that users read has every name of the tables, in back-quotes. */
static void the_documentation_names_all_that_is_supported(void **state) {
    static const char *const names[] = {
#define FUNCTION(name, types, result, template) name,
#include "kql/functions.def"
#undef FUNCTION
#define AGGREGATE(name, types, result, prefix, template) name,
#include "kql/aggregates.def"
#undef AGGREGATE
#define OPERATOR(name, kind) name,
#define ALIAS(name, kind) name,
#include "kql/operators.def"
#undef OPERATOR
#undef ALIAS
    };
    struct test *test = *state;
    struct str page = file_read(test->arena, "docs/hunts.md");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct str quoted = arena_printf(test->arena, "`%s`", names[i]);
        if (!strchr(names[i], ' ') && !memmem(page.ptr, page.len, quoted.ptr, quoted.len))
            fail_msg("docs/hunts.md doesn't name %s", names[i]);
    }
}

static void deep_nesting_is_refused(void **state) {
    struct test *test = *state;
    struct kql_options options = options_default();
    BUF_AUTO query = BUF(1 << 20);
    buf_add_str(&query, STR("print x = "));
    for (int i = 0; i < 5000; i++)
        buf_add_char(&query, '(');
    assert_null(kql_compile(test->arena, buf_str(&query), &options, &test->err));
    assert_int_equal(test->err.code, ERR_BAD_QUERY);
    assert_non_null(strstr(test->err.text, "nested too deeply"));
}

static void lets_that_double_are_refused_in_time(void **state) {
    struct test *test = *state;
    struct kql_options options = options_default();
    BUF_AUTO query = BUF(1 << 20);
    buf_add_str(&query, STR("let a0 = strlen('x');\n"));
    for (int i = 1; i < 60; i++)
        buf_printf(&query, "let a%d = a%d + a%d;\n", i, i - 1, i - 1);
    buf_add_str(&query, STR("print a59"));
    assert_null(kql_compile(test->arena, buf_str(&query), &options, &test->err));
}

/* A run of all hunts has all their programs at once. */
static void a_thousand_programs_fit_into_eight_megabytes(void **state) {
    struct test *test = *state;
    struct kql_options options = options_default();
    struct arena *small = arena_new(8 << 20);
    for (int i = 0; i < 1000; i++)
        if (!kql_compile(small, str_from(remotepc), &options, &test->err))
            fail_msg("program %d: %s", i, test->err.text);
    arena_free(small);
}

static void a_small_arena_is_an_error_not_a_crash(void **state) {
    struct test *test = *state;
    struct kql_options options = options_default();
    for (size_t cap = 1024; cap < 200 * 1024; cap += 1024) {
        for (size_t i = 0; i <= HOSTILE; i++) {
            struct arena *small = arena_new(cap);
            assert_non_null(small);
            if (!kql_compile(small, str_from(i < HOSTILE ? hostile[i] : remotepc), &options, &test->err))
                if (test->err.code != ERR_OUT_OF_MEMORY)
                    fail_msg("%zu bytes: %s", cap, test->err.text);
            arena_free(small);
        }
    }
}

static void cut_queries_never_crash(void **state) {
    struct test *test = *state;
    struct kql_options options = options_default();
    for (size_t length = 0; length < sizeof remotepc; length++)
        kql_compile(test->arena, (struct str){remotepc, length}, &options, &test->err);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_open, test_close)
    const struct CMUnitTest tests[] = {
        TEST(every_text_case_compiles_to_what_it_says),
        TEST(the_roles_of_columns_follow_their_expressions),
        TEST(the_window_is_what_the_query_says_of_time),
        TEST(the_window_is_narrowed_by_the_callers_bounds),
        TEST(a_dictionary_decides_its_conditions_once),
        TEST(evidence_stops_before_the_events_are_folded),
        TEST(a_mended_name_keeps_its_spelling_and_warns),
        TEST(a_row_limit_is_one_more_than_asked),
        TEST(tables_of_subqueries_are_counted),
        TEST(a_sorted_result_says_so),
        TEST(literals_never_reach_the_sql),
        TEST(hostile_texts_of_functions_and_patterns_stay_parameters),
        TEST(the_documentation_names_all_that_is_supported),
        TEST(deep_nesting_is_refused),
        TEST(lets_that_double_are_refused_in_time),
        TEST(a_thousand_programs_fit_into_eight_megabytes),
        TEST(a_small_arena_is_an_error_not_a_crash),
        TEST(cut_queries_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
