/* KQL against the rows it must give, through POST /v1/query of the real binary: our own cases in tests/kql/results.json,
 * the result columns of every published hunt in tests/kql/columns.json, and, when RMMHUNT_REFERENCE names a folder of
 * reference material, the recorded answers in its data/kql-cases. */
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "tests/support/server_fixture.h"

enum { STAGES = 12, PRINTED_STAGES = 3, QUERY_CAP = 1 << 20, WHY = 400, MANY = 5000, CURSOR = 512 };

/* How many cases of a stage must pass at least; raised whenever more do. A stage's index is its number. */
static const struct {
    int rows, refused;
} ratchet[STAGES] = {
    [1] = {73, 3}, [2] = {152, 9}, [3] = {117, 7}, [4] = {277, 11}, [5] = {130, 12}, [6] = {99, 1}, [7] = {33, 3}, [8] = {4, 0}, [11] = {25, 18},
};

struct tally {
    int rows, rows_passed, refused, refused_passed;
};

/* Why a case failed, for the one who reads the output. */
struct why {
    char text[WHY];
};

__attribute__((format(printf, 2, 3))) static bool because(struct why *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return false;
}

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static struct answer query_post(const char *query, bool strict) {
    json_t *root = json_pack("{s:s, s:b}", "query", query, "strict", strict);
    char *body = json_dumps(root, JSON_COMPACT);
    assert_non_null(body);
    struct answer answer = server_send(&server_fixture, &(struct send){.path = "/v1/query", .body = body});
    free(body);
    json_decref(root);
    return answer;
}

/* ---- comparison */

static bool value_equal(const json_t *got, const json_t *want, bool loose_arrays);

static bool number_equal(double got, double want) {
    return got == want || fabs(got - want) <= 1e-9 * fmax(fabs(got), fabs(want));
}

/* Recorded answers print times with as many digits as they need. */
static bool text_equal(const char *got, const char *want) {
    int64_t a, b;
    return !strcmp(got, want) || (ticks_parse(str_from(got), &a) && ticks_parse(str_from(want), &b) && a == b);
}

static bool list_equal_in_order(const json_t *got, const json_t *want, bool loose_arrays) {
    for (size_t i = 0; i < json_array_size(want); i++)
        if (!value_equal(json_array_get(got, i), json_array_get(want, i), loose_arrays))
            return false;
    return true;
}

static bool list_equal_as_set(const json_t *got, const json_t *want, bool loose_arrays) {
    size_t size = json_array_size(got);
    bool *taken = calloc(size + 1, sizeof *taken);
    bool all = taken != NULL;
    for (size_t i = 0; all && i < json_array_size(want); i++) {
        size_t k = 0;
        while (k < size && (taken[k] || !value_equal(json_array_get(got, k), json_array_get(want, i), loose_arrays)))
            k++;
        all = k < size;
        if (all)
            taken[k] = true;
    }
    free(taken);
    return all;
}

static bool list_equal(const json_t *got, const json_t *want, bool ordered, bool loose_arrays) {
    if (!json_is_array(got) || json_array_size(got) != json_array_size(want))
        return false;
    return ordered ? list_equal_in_order(got, want, loose_arrays) : list_equal_as_set(got, want, loose_arrays);
}

static bool object_equal(const json_t *got, const json_t *want, bool loose_arrays) {
    if (!json_is_object(got) || json_object_size(got) != json_object_size(want))
        return false;
    for (void *at = json_object_iter((json_t *)(uintptr_t)want); at; at = json_object_iter_next((json_t *)(uintptr_t)want, at)) {
        const json_t *other = json_object_get(got, json_object_iter_key(at));
        if (!other || !value_equal(other, json_object_iter_value(at), loose_arrays))
            return false;
    }
    return true;
}

static bool value_equal(const json_t *got, const json_t *want, bool loose_arrays) {
    if (json_is_array(want))
        return list_equal(got, want, !loose_arrays, loose_arrays);
    if (json_is_object(want))
        return object_equal(got, want, loose_arrays);
    if (json_is_integer(got) && json_is_integer(want))
        return json_integer_value(got) == json_integer_value(want);
    if (json_is_number(want))
        return json_is_number(got) && number_equal(json_number_value(got), json_number_value(want));
    if (json_is_string(want))
        return json_is_string(got) && text_equal(json_string_value(got), json_string_value(want));
    return got && json_typeof(got) == json_typeof(want);
}

static const char *type_class(const char *type) {
    if (!strcmp(type, "int"))
        return "long";
    return strcmp(type, "decimal") ? type : "real";
}

/* wanted: [[name, type]…] or [{name, type}…]; a type of null is not compared, nor are columns of null. */
static bool columns_match(const json_t *got, const json_t *wanted, bool classes, struct why *why) {
    if (!json_is_array(wanted))
        return true;
    if (json_array_size(got) != json_array_size(wanted))
        return because(why, "%zu columns, want %zu", json_array_size(got), json_array_size(wanted));
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *want = json_array_get(wanted, i), *column = json_array_get(got, i);
        bool pair = json_is_array(want);
        const char *name = json_string_value(pair ? json_array_get(want, 0) : json_object_get(want, "name"));
        const char *type = json_string_value(pair ? json_array_get(want, 1) : json_object_get(want, "type"));
        const char *has = text_of(column, "type");
        if (!name || strcmp(text_of(column, "name"), name) != 0)
            return because(why, "column %zu is %s, want %s", i, text_of(column, "name"), name ? name : "?");
        if (type && strcmp(classes ? type_class(has) : has, classes ? type_class(type) : type) != 0)
            return because(why, "column %s is %s, want %s", name, has, type);
    }
    return true;
}

static bool rows_match(const json_t *got, const json_t *want, bool ordered, bool loose_arrays, struct why *why) {
    bool equal = json_is_array(got) && json_array_size(got) == json_array_size(want);
    /* rows of a table are a list whose items keep their order */
    if (equal && ordered) {
        for (size_t i = 0; equal && i < json_array_size(want); i++)
            equal = list_equal(json_array_get(got, i), json_array_get(want, i), true, loose_arrays);
    } else if (equal) {
        equal = list_equal_as_set(got, want, loose_arrays);
    }
    if (equal)
        return true;
    char *has = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY), *wants = json_dumps(want, JSON_COMPACT | JSON_ENCODE_ANY);
    because(why, "rows %.180s, want %.180s", has ? has : "?", wants ? wants : "?");
    free(has);
    free(wants);
    return false;
}

static bool query_worked(const struct answer *answer, struct why *why) {
    if (answer->status == 200 && answer->json)
        return true;
    const char *detail = text_of(answer->json, "detail");
    return because(why, "%ld at %lld:%lld: %s", answer->status, json_integer_value(json_object_get(answer->json, "line")),
                   json_integer_value(json_object_get(answer->json, "column")), *detail ? detail : "no answer");
}

/* ---- our own cases */

static void every_case_of_ours_gives_its_rows(void **state) {
    (void)state;
    json_error_t error;
    json_auto_t *cases = json_load_file("tests/kql/results.json", JSON_REJECT_DUPLICATES, &error);
    if (!cases)
        fail_msg("tests/kql/results.json:%d: %s", error.line, error.text);
    size_t i, failed = 0;
    const json_t *item;
    json_array_foreach(cases, i, item) {
        struct why why = {""};
        ANSWER_AUTO answer = query_post(text_of(item, "query"), true);
        if (query_worked(&answer, &why) &&
            columns_match(json_object_get(answer.json, "columns"), json_object_get(item, "columns"), false, &why) &&
            rows_match(json_object_get(answer.json, "rows"), json_object_get(item, "rows"),
                       json_is_true(json_object_get(item, "ordered")), false, &why))
            continue;
        print_error("%s: %s\n", text_of(item, "name"), why.text);
        failed++;
    }
    assert_true(i > 0);
    assert_int_equal(failed, 0);
}

/* ---- recorded answers */

static void literal_add(struct buf *out, const json_t *value, const char *type) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    assert_non_null(text);
    if (json_is_null(value))
        buf_printf(out, !strcmp(type, "string") ? "''" : "%s(null)", type);
    else if (!strcmp(type, "string") || json_is_number(value) || json_is_boolean(value))
        buf_printf(out, "%s", text);
    else
        buf_printf(out, "%s(%s)", type, json_is_string(value) ? json_string_value(value) : text);
    free(text);
}

/* let name = datatable(…)[…]; in front of the query */
static void table_add(struct buf *out, const char *name, const json_t *table) {
    const json_t *columns = json_object_get(table, "columns"), *types = json_object_get(table, "types"), *row, *value;
    size_t i, k, written = 0;
    buf_printf(out, "let %s = datatable(", name);
    for (i = 0; i < json_array_size(columns); i++)
        buf_printf(out, "%s%s:%s", i ? ", " : "", json_string_value(json_array_get(columns, i)),
                   json_string_value(json_array_get(types, i)));
    buf_printf(out, ")[");
    json_array_foreach(json_object_get(table, "rows"), i, row) {
        json_array_foreach(row, k, value) {
            buf_printf(out, "%s", written++ ? ", " : "");
            literal_add(out, value, json_string_value(json_array_get(types, k)));
        }
    }
    buf_printf(out, "];\n");
}

static struct answer case_post(const json_t *item) {
    BUF_AUTO query = BUF(QUERY_CAP);
    const json_t *tables = json_object_get(item, "tables");
    for (void *at = json_object_iter((json_t *)(uintptr_t)tables); at; at = json_object_iter_next((json_t *)(uintptr_t)tables, at))
        table_add(&query, json_object_iter_key(at), json_object_iter_value(at));
    buf_printf(&query, "%s", text_of(item, "query"));
    return query_post(buf_cstr(&query), true);
}

/* The order of a set's items isn't defined unless it was sorted. */
static bool arrays_are_sets(const json_t *item) {
    const char *query = text_of(item, "query");
    return json_is_true(json_object_get(json_object_get(item, "expected"), "unordered_arrays")) ||
           (strstr(query, "make_set") && !strstr(query, "array_sort"));
}

static bool case_rows_match(const struct answer *answer, const json_t *item, struct why *why) {
    const json_t *expected = json_object_get(item, "expected"), *rows = json_object_get(expected, "rows");
    const json_t *got = json_object_get(answer->json, "rows"), *count = json_object_get(expected, "row_count");
    if (!query_worked(answer, why) ||
        !columns_match(json_object_get(answer->json, "columns"), json_object_get(expected, "columns"), true, why))
        return false;
    if (json_is_integer(count) && json_array_size(got) != (size_t)json_integer_value(count))
        return because(why, "%zu rows, want %lld", json_array_size(got), json_integer_value(count));
    return !json_is_array(rows) ||
           rows_match(got, rows, !strcmp(text_of(item, "order"), "as-listed"), arrays_are_sets(item), why);
}

static void case_check(const json_t *item, struct tally tally[STAGES]) {
    const char *name = text_of(item, "stage");
    long stage = *name == 'S' ? strtol(name + 1, NULL, 10) : 0;
    struct why why = {""};
    if (json_is_true(json_object_get(item, "nondeterministic")))
        return;
    assert_in_range(stage, 1, STAGES - 1);
    ANSWER_AUTO answer = case_post(item);
    struct tally *own = &tally[stage];
    bool error = json_is_true(json_object_get(json_object_get(item, "expected"), "error")), passed;
    if (error)
        passed = (answer.status >= 400 && answer.status < 500) || because(&why, "%ld, want a refusal", answer.status);
    else
        passed = case_rows_match(&answer, item, &why);
    *(error ? &own->refused : &own->rows) += 1;
    *(error ? &own->refused_passed : &own->rows_passed) += passed;
    if (!passed && (stage <= PRINTED_STAGES || getenv("V")))
        print_message("  %s %s: %s\n", name, text_of(item, "id"), why.text);
}

static void file_check(const char *folder, const char *name, struct tally tally[STAGES]) {
    char path[PATH_MAX];
    json_error_t error;
    size_t i;
    const json_t *item;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    json_auto_t *cases = json_load_file(path, 0, &error);
    if (!cases)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    json_array_foreach(cases, i, item)
        case_check(item, tally);
}

static void recorded_answers_are_given_as_often_as_before(void **state) {
    (void)state;
    const char *reference = getenv("RMMHUNT_REFERENCE");
    struct tally tally[STAGES] = {0};
    char folder[PATH_MAX / 2];
    if (!reference || !*reference) {
        print_message("the reference cases are not here (RMMHUNT_REFERENCE): only our own were run\n");
        return;
    }
    snprintf(folder, sizeof folder, "%s/data/kql-cases", reference);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (str_ends(str_from(entry->d_name), STR(".json")))
            file_check(folder, entry->d_name, tally);
    closedir(dir);
    for (int i = 1; i < STAGES; i++)
        print_message("  S%d: rows %d of %d, refusals %d of %d\n", i, tally[i].rows_passed, tally[i].rows,
                      tally[i].refused_passed, tally[i].refused);
    for (int i = 1; i < STAGES; i++) {
        assert_true(tally[i].rows_passed >= ratchet[i].rows);
        assert_true(tally[i].refused_passed >= ratchet[i].refused);
    }
}

/* ---- columns of the published hunts */

struct pages {
    size_t hunts, failed;
};

static bool hunt_matches(const char *slug, const json_t *wanted, struct why *why) {
    char path[CURSOR + 64];
    snprintf(path, sizeof path, "/v1/hunts/%s", slug);
    ANSWER_AUTO hunt = server_expect(&server_fixture, 200, &(struct send){.path = path});
    const char *query = answer_text(&hunt, "query");
    ANSWER_AUTO answer = query_post(query, true);
    if (json_is_array(wanted))
        return query_worked(&answer, why) && columns_match(json_object_get(answer.json, "columns"), wanted, false, why);
    return answer.status == 400 || because(why, "%ld, want a refusal", answer.status);
}

/* A page of the list; the next one's cursor into cursor, false behind the last page. */
static bool page_check(const json_t *table, char cursor[CURSOR], struct pages *pages) {
    char path[CURSOR + 64];
    size_t i;
    const json_t *hunt;
    snprintf(path, sizeof path, "/v1/hunts?limit=50%s%s", *cursor ? "&cursor=" : "", cursor);
    ANSWER_AUTO list = server_expect(&server_fixture, 200, &(struct send){.path = path});
    json_array_foreach(answer_at(&list, "hunts"), i, hunt) {
        const char *name = text_of(hunt, "slug");
        const json_t *wanted = json_object_get(table, name);
        struct why why = {""};
        pages->hunts++;
        if (wanted ? hunt_matches(name, wanted, &why) : because(&why, "it isn't in tests/kql/columns.json"))
            continue;
        print_error("%s: %s\n", name, why.text);
        pages->failed++;
    }
    snprintf(cursor, CURSOR, "%s", text_of(list.json, "next"));
    return *cursor;
}

/* Every hunt of a new server comes from its catalogue. */
static void published_hunts_have_the_columns_that_kusto_gives(void **state) {
    (void)state;
    json_error_t error;
    json_auto_t *table = json_load_file("tests/kql/columns.json", JSON_REJECT_DUPLICATES, &error);
    if (!table)
        fail_msg("tests/kql/columns.json:%d: %s", error.line, error.text);
    char cursor[CURSOR] = "";
    struct pages pages = {0};
    while (page_check(table, cursor, &pages))
        assert_true(pages.hunts < MANY);
    assert_int_equal(pages.failed, 0);
    assert_int_equal(pages.hunts, json_object_size(table));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_ours_gives_its_rows),
        cmocka_unit_test(published_hunts_have_the_columns_that_kusto_gives),
        cmocka_unit_test(recorded_answers_are_given_as_often_as_before),
    };
    return cmocka_run_group_tests(tests, server_fixture_setup, server_fixture_teardown);
}
