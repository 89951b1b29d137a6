/* Bad records through the real server: rejected alone with their codes, kept as dead letters, shown, tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/event_fixture.h"

enum { CAP = 64 << 20 };

#define ROW_START "{\"category\":\"" CERTIFICATE "\",\"properties\":{"
#define AT "\"Timestamp\":\"2026-07-18T09:00:00Z\","
#define WHO "\"DeviceId\":\"poison\","
static const struct {
    const char *code, *record;
} bad[] = {
    {"bad_timestamp", ROW_START WHO "\"ReportId\":1,\"Timestamp\":\"yesterday\"}}"},
    {"bad_timestamp", ROW_START WHO "\"ReportId\":1}}"},
    {"bad_timestamp", ROW_START WHO "\"ReportId\":1,\"Timestamp\":null}}"},
    {"bad_timestamp", ROW_START WHO "\"ReportId\":1,\"Timestamp\":\"\"}}"},
    {"bad_timestamp", ROW_START WHO "\"ReportId\":1,\"Timestamp\":\"2026-02-30T00:00:00Z\"}}"},
    {"bad_timestamp", ROW_START WHO "\"ReportId\":1,\"Timestamp\":\"2026-07-18T25:00:00Z\"}}"},
    {"bad_timestamp", ROW_START WHO "\"ReportId\":1,\"Timestamp\":\"2026-07-18T00:00:00.00000001Z\"}}"},
    {"bad_timestamp", ROW_START WHO "\"ReportId\":1,\"Timestamp\":\"2026-07-18T00:00:00\"}}"},
    {"bad_device_id", ROW_START AT "\"ReportId\":1}}"},
    {"bad_device_id", ROW_START AT "\"ReportId\":1,\"DeviceId\":\"\"}}"},
    {"bad_device_id", ROW_START AT "\"ReportId\":1,\"DeviceId\":null}}"},
    {"bad_report_id", ROW_START AT WHO "\"ReportId\":1.5}}"},
    {"bad_report_id", ROW_START AT WHO "\"ReportId\":9223372036854775808}}"},
    {"bad_report_id", ROW_START AT WHO "\"ReportId\":\"abc\"}}"},
    {"bad_value", ROW_START AT WHO "\"ReportId\":1,\"IsSigned\":\"maybe\"}}"},
    {"bad_value", ROW_START AT WHO "\"ReportId\":1,\"CertificateCreationTime\":\"soon\"}}"},
    {"bad_value", "{\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"properties\":{" AT WHO
                  "\"ReportId\":1,\"ProcessId\":99999999999999999999}}"},
    {"bad_json", ROW_START AT WHO "\"ReportId\":1,\"Signer\":\"a\\u0000b\"}}"},
    {"bad_utf8", ROW_START AT WHO "\"ReportId\":1,\"Signer\":\"a\xff\xfe\"}}"},
    {"unknown_table", "{" AT WHO "\"ReportId\":1}"},
    {"bad_record", "{\"category\":\"" CERTIFICATE "\",\"properties\":[1,2]}"},
    {"bad_record", "42"},
    {"bad_json", ROW_START AT WHO "\"ReportId\":}}"},
    {"bad_json", ROW_START AT WHO "\"Signer\":\"\\ud800\"}}"},
    {"bad_json", ROW_START AT WHO "\"Signer\":\"cut"},
    {"bad_report_id", ROW_START AT WHO "\"ReportId\":[7]}}"},
    {"bad_record", "[\"text\"]"},
};
enum { BAD = sizeof bad / sizeof *bad, DEEP = BAD, LARGE, MANY_KEYS, ALL_BAD, GOOD = 1000, PLACES = GOOD + ALL_BAD };

static void add_bad(struct buf *out, size_t kind) {
    if (kind < BAD) {
        buf_add_str(out, str_from(bad[kind].record));
        return;
    }
    buf_add_str(out, STR(ROW_START AT WHO "\"ReportId\":1,"));
    for (size_t i = 0; kind == MANY_KEYS && i < 600; i++)
        buf_printf(out, "\"%zu\":1,", i);
    buf_add_str(out, kind == MANY_KEYS ? STR("\"New\":1") : STR("\"New\":"));
    for (size_t i = 0; kind == DEEP && i < 70; i++)
        buf_add_char(out, '[');
    for (size_t i = 0; kind == DEEP && i < 70; i++)
        buf_add_char(out, ']');
    if (kind == LARGE) {
        buf_add_char(out, '"');
        for (size_t i = 0; i < (1 << 20); i++)
            buf_add_char(out, 'x');
        buf_add_char(out, '"');
    }
    buf_add_str(out, STR("}}"));
}

static const char *bad_code(size_t kind) {
    static const char *const codes[] = {"too_deep", "record_too_large", "bad_record"};
    return kind < BAD ? bad[kind].code : codes[kind - DEEP];
}

/* The kinds at places that a fixed generator scatters. kinds[place]: -1 good. */
static void add_poisoned(struct buf *out, int kinds[PLACES]) {
    uint64_t random = 20260718;
    for (size_t i = 0; i < PLACES; i++)
        kinds[i] = -1;
    for (int kind = 0; kind < ALL_BAD; kind++) {
        size_t place;
        do {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            place = (size_t)(random >> 33) % PLACES;
        } while (kinds[place] >= 0);
        kinds[place] = kind;
    }
    for (unsigned i = 0; i < PLACES; i++) {
        if (kinds[i] < 0)
            event_add(out, "poison", i);
        else
            add_bad(out, (size_t)kinds[i]);
        buf_add_char(out, '\n');
    }
}

/* The dead letters' ids, in the order of the records. */
static void check_errors(const struct answer *answer, const int kinds[PLACES], long long letters[ALL_BAD]) {
    const json_t *errors = answer_at(answer, "errors");
    size_t next = 0;
    for (size_t i = 0; i < PLACES; i++) {
        if (kinds[i] < 0)
            continue;
        const json_t *error = json_array_get(errors, next);
        const char *code = json_string_value(json_at(error, "code"));
        if (!error || json_integer_value(json_at(error, "index")) != (long long)i || !code ||
            strcmp(code, bad_code((size_t)kinds[i])) != 0)
            fail_msg("record %zu, kind %d, should be %s; answered %s", i, kinds[i], bad_code((size_t)kinds[i]),
                     json_dumps(error, 0));
        assert_true(json_is_string(json_at(error, "dead_letter")));
        letters[next++] = atoll(json_string_value(json_at(error, "dead_letter")));
    }
    assert_int_equal(json_array_size(errors), ALL_BAD);
}

static void bad_records_are_rejected_alone_with_index_and_code(void **state) {
    (void)state;
    int kinds[PLACES];
    long long letters[ALL_BAD], again[ALL_BAD];
    BUF_AUTO body = BUF(CAP);
    assert_int_equal(ALL_BAD, 30);
    add_poisoned(&body, kinds);
    ANSWER_AUTO answer = events_post("/v1/events", NULL, body.ptr, body.len);
    check_errors(&answer, kinds, letters);
    events_check(&answer, PLACES, GOOD, 0, 0, ALL_BAD);
    assert_int_equal(events_stored("poison"), GOOD);
    ANSWER_AUTO second = events_post("/v1/events", NULL, body.ptr, body.len);
    check_errors(&second, kinds, again);
    events_check(&second, PLACES, 0, GOOD, 0, ALL_BAD);
    assert_memory_equal(letters, again, sizeof letters);
}

/* The letter that a body of one bad record made. */
static void letter_of(const char *path, const char *type, const char *body, size_t length, char id[32]) {
    ANSWER_AUTO answer = events_post(path, type, body, length);
    snprintf(id, 32, "%s", answer_text(&answer, "errors.0.dead_letter"));
}

static struct answer letter_get(const char *id) {
    char path[128];
    snprintf(path, sizeof path, "/v1/events/rejected/%s", id);
    return server_expect(&server_fixture, 200, &(struct send){.path = path});
}

static struct answer letter_retry(const char *id, const char *query, long status) {
    char path[256];
    snprintf(path, sizeof path, "/v1/events/rejected/%s/retry%s", id, query);
    return server_expect(&server_fixture, status, &(struct send){.method = "POST", .path = path});
}

static void a_bad_record_sent_again_is_the_same_letter(void **state) {
    static const char row[] = "{\"Type\":\"DeviceEvents\",\"DeviceId\":\"again\"}";
    static const char twice[] =
        "{\"Type\":\"DeviceEvents\",\"DeviceId\":\"again\"}\n{\"Type\":\"DeviceEvents\",\"DeviceId\":"
        "\"again\"}";
    char first[32], second[32];
    (void)state;
    letter_of("/v1/events", NULL, row, 0, first);
    letter_of("/v1/events", NULL, row, 0, second);
    assert_string_equal(first, second);
    ANSWER_AUTO both = events_post("/v1/events", NULL, twice, 0);
    assert_string_equal(answer_text(&both, "errors.0.dead_letter"), first);
    assert_string_equal(answer_text(&both, "errors.1.dead_letter"), first);
    ANSWER_AUTO letter = letter_get(first);
    assert_int_equal(answer_int(&letter, "seen"), 4);
    assert_true(strcmp(answer_text(&letter, "last_seen_at"), answer_text(&letter, "received_at")) > 0);
}

static void a_record_without_a_table_is_stored_under_the_one_a_retry_names(void **state) {
    static const char row[] = "{\"Timestamp\":\"2026-07-18T10:00:00Z\",\"DeviceId\":\"tableless\",\"ReportId\":1}";
    char id[32];
    (void)state;
    letter_of("/v1/events", NULL, row, 0, id);
    ANSWER_AUTO still = letter_retry(id, "", 422);
    assert_string_equal(answer_text(&still, "code"), "unknown_table");
    assert_string_equal(answer_text(&still, "errors.0.dead_letter"), id);
    ANSWER_AUTO unknown = letter_retry(id, "?table=DeviceNothing", 400);
    assert_string_equal(answer_text(&unknown, "errors.0.field"), "table");
    ANSWER_AUTO stored = letter_retry(id, "?table=DeviceFileCertificateInfo", 200);
    events_check(&stored, 1, 1, 0, 0, 0);
    assert_int_equal(answer_int(&stored, "tables.DeviceFileCertificateInfo.stored"), 1);
    assert_int_equal(events_stored("tableless"), 1);
    ANSWER_AUTO letter = letter_get(id);
    assert_string_equal(answer_text(&letter, "state"), "stored");
    ANSWER_AUTO list = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/events/rejected?state=stored"});
    assert_string_equal(answer_text(&list, "rejected.0.id"), id);
}

static void a_row_of_csv_is_tried_again_with_its_header_and_zone(void **state) {
    static const char csv[] = "DeviceId,Timestamp [Local Time],ReportId\r\nrowletter,\"7/18/2026, 1:00:00 AM\",4\r\n";
    char id[32];
    (void)state;
    letter_of("/v1/events?tz=Europe/Berlin", "Content-Type: text/csv", csv, 0, id);
    ANSWER_AUTO letter = letter_get(id);
    assert_string_equal(answer_text(&letter, "csv_header"), "DeviceId,Timestamp [Local Time],ReportId");
    ANSWER_AUTO stored = letter_retry(id, "?table=DeviceFileCertificateInfo", 200);
    events_check(&stored, 1, 1, 0, 0, 0);
    ANSWER_AUTO rows =
        server_query(&server_fixture, "DeviceFileCertificateInfo | where DeviceId == 'rowletter' | project Timestamp");
    assert_string_equal(answer_text(&rows, "rows.0.0"), "2026-07-17T23:00:00.0000000Z");
}

static void a_lone_record_that_is_not_utf8_is_a_letter_shown_byte_by_byte(void **state) {
    static const char row[] = "{\"DeviceId\":\"\xff\"}";
    char id[32];
    (void)state;
    letter_of("/v1/events/DeviceEvents", NULL, row, 0, id);
    ANSWER_AUTO letter = letter_get(id);
    assert_string_equal(answer_text(&letter, "code"), "bad_utf8");
    assert_string_equal(answer_text(&letter, "table"), "DeviceEvents");
    assert_true(json_is_null(answer_at(&letter, "record")));
    assert_string_equal(answer_text(&letter, "record_base64"), "eyJEZXZpY2VJZCI6Iv8ifQ==");
}

static void a_long_record_is_cut_in_the_list_between_characters(void **state) {
    BUF_AUTO row = BUF(CAP);
    char id[32];
    (void)state;
    buf_add_str(&row,
                STR("{\"Type\":\"DeviceEvents\",\"FileName\":\"")); /* an odd start: 4096 falls within a character */
    for (size_t i = 0; i < 4096; i++)
        buf_add_str(&row, STR("\xc3\xa9"));
    buf_add_str(&row, STR("\"}"));
    letter_of("/v1/events", NULL, row.ptr, row.len, id);
    ANSWER_AUTO list = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/events/rejected?limit=1"});
    assert_string_equal(answer_text(&list, "rejected.0.id"), id);
    assert_int_equal(strlen(answer_text(&list, "rejected.0.record")), row.len % 2 ? 4095 : 4096);
    assert_true(json_is_true(answer_at(&list, "rejected.0.truncated")));
    assert_int_equal(answer_int(&list, "rejected.0.bytes"), row.len);
    ANSWER_AUTO letter = letter_get(id);
    assert_string_equal(answer_text(&letter, "record"), buf_cstr(&row));
}

static void rejected_records_are_listed_and_can_be_tried_again(void **state) {
    (void)state;
    static const char row[] =
        "{\"category\":\"" CERTIFICATE "\",\"properties\":{\"Timestamp\":\"letter\",\"DeviceId\":\"d\"}}";
    ANSWER_AUTO answer = events_post("/v1/events", NULL, row, 0);
    events_check(&answer, 1, 0, 0, 0, 1);
    const char *id = answer_text(&answer, "errors.0.dead_letter");
    ANSWER_AUTO list = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/events/rejected?limit=1"});
    assert_string_equal(answer_text(&list, "rejected.0.id"), id);
    assert_string_equal(answer_text(&list, "rejected.0.code"), "bad_timestamp");
    assert_string_equal(answer_text(&list, "rejected.0.record"), row);
    char path[128];
    snprintf(path, sizeof path, "/v1/events/rejected/%s/retry", id);
    ANSWER_AUTO still = server_expect(&server_fixture, 422, &(struct send){.method = "POST", .path = path});
    assert_string_equal(answer_text(&still, "code"), "bad_timestamp");
    ANSWER_AUTO after = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/events/rejected?limit=1"});
    assert_string_equal(answer_text(&after, "rejected.0.id"), id);
}

static void atomic_bodies_are_stored_whole_or_not_at_all(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    event_add(&body, "atomic", 1);
    buf_add_str(&body, STR("\n" ROW_START WHO "\"Timestamp\":\"never\"}}\n"));
    struct send send = {.path = "/v1/events?atomic=true", .body = body.ptr, .length = body.len};
    ANSWER_AUTO refused = server_expect(&server_fixture, 422, &send);
    assert_int_equal(json_array_size(answer_at(&refused, "errors")), 1);
    assert_int_equal(answer_int(&refused, "errors.0.index"), 1);
    assert_string_equal(answer_text(&refused, "errors.0.code"), "bad_timestamp");
    assert_string_equal(answer_text(&refused, "errors.0.message"), "Timestamp: 'never' is not RFC 3339");
    assert_int_equal(events_stored("atomic"), 0);
    send.path = "/v1/events";
    ANSWER_AUTO taken = server_expect(&server_fixture, 200, &send);
    events_check(&taken, 2, 1, 0, 0, 1);
}

static void filters_of_dead_letters_are_checked(void **state) {
    (void)state;
    static const char *const fields[] = {"state", "code"};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "/v1/events/rejected?%s=nonsense", fields[i]);
        ANSWER_AUTO refused = server_expect(&server_fixture, 400, &(struct send){.path = path});
        assert_string_equal(answer_text(&refused, "errors.0.field"), fields[i]);
    }
    ANSWER_AUTO none = server_expect(&server_fixture, 404, &(struct send){.path = "/v1/events/rejected/999999"});
    assert_string_equal(answer_text(&none, "code"), "not_found");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_records_are_rejected_alone_with_index_and_code),
        cmocka_unit_test(rejected_records_are_listed_and_can_be_tried_again),
        cmocka_unit_test(a_bad_record_sent_again_is_the_same_letter),
        cmocka_unit_test(a_record_without_a_table_is_stored_under_the_one_a_retry_names),
        cmocka_unit_test(a_row_of_csv_is_tried_again_with_its_header_and_zone),
        cmocka_unit_test(a_lone_record_that_is_not_utf8_is_a_letter_shown_byte_by_byte),
        cmocka_unit_test(a_long_record_is_cut_in_the_list_between_characters),
        cmocka_unit_test(filters_of_dead_letters_are_checked),
        cmocka_unit_test(atomic_bodies_are_stored_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, server_fixture_setup, server_fixture_teardown);
}
