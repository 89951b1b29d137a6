/* Events over HTTP into the real server: every record shape, encodings, counts, the status contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/support/database.h"
#include "tests/support/event_fixture.h"

enum { CAP = 64 << 20 };

/* The body is stored once, and sent again it is nothing but duplicates. */
static void check_shape_at(const char *path, const char *type, const char *body, size_t length, long long count) {
    ANSWER_AUTO first = events_post(path, type, body, length);
    events_check(&first, count, count, 0, 0, 0);
    ANSWER_AUTO again = events_post(path, type, body, length);
    events_check(&again, count, 0, count, 0, 0);
}

static void check_shape(const char *body, long long count) {
    check_shape_at("/v1/events", NULL, body, 0, count);
}

static void an_envelope_of_streaming_records_is_stored(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    buf_add_str(&body, STR("{\"records\":["));
    event_add(&body, "envelope", 1);
    buf_add_char(&body, ',');
    event_add(&body, "envelope", 2);
    buf_add_str(&body, STR("]}"));
    check_shape(buf_cstr(&body), 2);
    assert_int_equal(events_stored("envelope"), 2);
    ANSWER_AUTO rows =
        server_query(&server_fixture, "DeviceFileCertificateInfo | where DeviceId == 'envelope' | sort by "
                                      "Timestamp asc | project Timestamp, ReportId, Signer, IsSigned, "
                                      "MachineGroup, DeviceName");
    assert_string_equal(answer_text(&rows, "rows.0.0"), "2026-07-18T00:00:01.1234567Z");
    assert_int_equal(answer_int(&rows, "rows.0.1"), 2);
    assert_string_equal(answer_text(&rows, "rows.1.2"), "Example Corp");
    assert_true(json_is_true(answer_at(&rows, "rows.1.3")));
    assert_string_equal(answer_text(&rows, "rows.0.4"), "main");
    assert_string_equal(answer_text(&rows, "rows.0.5"), "envelope.example");
}

static void a_storage_blob_is_json_lines_with_crlf(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    buf_add_str(&body, STR("\xef\xbb\xbf"));
    for (unsigned i = 0; i < 3; i++) {
        event_add(&body, "blob", i);
        buf_add_str(&body, STR("\r\n"));
    }
    check_shape(buf_cstr(&body), 3);
}

static void an_event_hubs_batch_is_an_array_of_messages(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    buf_add_str(&body, STR("[{\"records\":["));
    event_add(&body, "batch", 1);
    buf_add_str(&body, STR("]},{\"records\":["));
    event_add(&body, "batch", 2);
    buf_add_char(&body, ',');
    event_add(&body, "batch", 3);
    buf_add_str(&body, STR("]}]"));
    check_shape(buf_cstr(&body), 3);
}

static void concatenated_objects_and_arrays_of_records_are_read(void **state) {
    (void)state;
    BUF_AUTO joined = BUF(CAP), array = BUF(CAP);
    event_add(&joined, "joined", 1);
    event_add(&joined, "joined", 2);
    check_shape(buf_cstr(&joined), 2);
    buf_add_char(&array, '[');
    event_add(&array, "array", 1);
    buf_add_char(&array, ',');
    event_add(&array, "array", 2);
    buf_add_char(&array, ']');
    check_shape(buf_cstr(&array), 2);
}

static void flat_rows_name_their_table_by_type_or_path(void **state) {
    (void)state;
    static const char typed[] =
        "{\"TimeGenerated\":\"2026-07-18T01:00:00Z\",\"Timestamp\":\"2026-07-18T01:00:00Z\",\"Type\":"
        "\"DeviceProcessEvents\",\"DeviceId\":\"flat\",\"ReportId\":\"7\",\"FileName\":\"a.exe\",\"_ItemId\":\"x\"}";
    static const char untyped[] =
        "[{\"TimeGenerated\":\"2026-07-18T02:00:00Z\",\"DeviceId\":\"flat\",\"ReportId\":8,\"FileName\":\"b.exe\"}]";
    static const char mixed[] =
        "{\"records\":[{\"Timestamp\":\"2026-07-18T03:00:00Z\",\"Type\":\"DeviceProcessEvents\",\"DeviceId\":\"flat\","
        "\"ReportId\":9},{\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"time\":\"2026-07-18T03:00:00Z\","
        "\"properties\":{\"Timestamp\":\"2026-07-18T04:00:00Z\",\"DeviceId\":\"flat\",\"ReportId\":10}}]}";
    check_shape(typed, 1);
    check_shape_at("/v1/events/DeviceProcessEvents", NULL, untyped, 0, 1);
    check_shape(mixed, 2);
    ANSWER_AUTO rows =
        server_query(&server_fixture, "DeviceProcessEvents | where DeviceId == 'flat' | sort by Timestamp "
                                      "asc | project Timestamp, ReportId, FileName");
    assert_int_equal(json_array_size(answer_at(&rows, "rows")), 4);
    assert_string_equal(answer_text(&rows, "rows.1.0"), "2026-07-18T02:00:00.0000000Z");
    assert_int_equal(answer_int(&rows, "rows.0.1"), 7);
    assert_string_equal(answer_text(&rows, "rows.1.2"), "b.exe");
}

static void saved_query_answers_are_read_in_both_spellings(void **state) {
    (void)state;
    static const char upper[] =
        "{\"Stats\":{\"ExecutionTime\":0.1},\"Schema\":[{\"Name\":\"Timestamp\",\"Type\":\"DateTime\"},{\"Name\":"
        "\"DeviceId\",\"Type\":\"String\"},{\"Name\":\"ReportId\",\"Type\":\"Int64\"}],\"Results\":[{\"Timestamp\":"
        "\"2026-07-18T05:00:00Z\",\"DeviceId\":\"saved\",\"ReportId\":1},{\"Timestamp\":\"2026-07-18T05:00:01Z\","
        "\"DeviceId\":\"saved\",\"ReportId\":2}]}";
    static const char lower[] =
        "{\"schema\":[{\"name\":\"Timestamp\",\"type\":\"DateTime\"}],\"results\":[{\"Timestamp\":"
        "\"2026-07-18T06:00:00Z\",\"DeviceId\":\"saved\",\"ReportId\":3}]}";
    check_shape_at("/v1/events/DeviceFileCertificateInfo", NULL, upper, 0, 2);
    check_shape_at("/v1/events/DeviceFileCertificateInfo", NULL, lower, 0, 1);
    assert_int_equal(events_stored("saved"), 3);
}

static void csv_in_local_time_takes_a_zones_name(void **state) {
    static const char csv[] = "Timestamp [Local Time],DeviceId,ReportId\n"
                              "\"1/18/2026, 1:00:00 PM\",zonecsv,1\n\"7/18/2026, 1:00:00 PM\",zonecsv,2\n";
    struct send send = {.path = "/v1/events/DeviceFileCertificateInfo?tz=America/New_York", .body = csv};
    (void)state;
    ANSWER_AUTO taken = server_expect(&server_fixture, 200, &send);
    events_check(&taken, 2, 2, 0, 0, 0);
    ANSWER_AUTO rows =
        server_query(&server_fixture, "DeviceFileCertificateInfo | where DeviceId == 'zonecsv' | sort by "
                                      "ReportId asc | project Timestamp");
    assert_string_equal(answer_text(&rows, "rows.0.0"), "2026-01-18T18:00:00.0000000Z");
    assert_string_equal(answer_text(&rows, "rows.1.0"), "2026-07-18T17:00:00.0000000Z");
    static const char *const none[] = {"Mars/Olympus", "Foo/Bar3", "%2B2", "", "%27%3B--"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char path[128];
        snprintf(path, sizeof path, "/v1/events/DeviceFileCertificateInfo?tz=%s", none[i]);
        send.path = path;
        ANSWER_AUTO refused = server_expect(&server_fixture, 400, &send);
        assert_string_equal(answer_text(&refused, "errors.0.field"), "tz");
    }
}

static void csv_exports_are_read_with_their_dates(void **state) {
    (void)state;
    static const char csv[] = "\xef\xbb\xbf\"Timestamp [UTC]\",DeviceId,DeviceName,ReportId,Signer\r\n"
                              "\"10/25/2023, 9:43:21.990 AM\",csv,csv.example,11,\"He said \"\"hi\"\", twice\"\r\n"
                              "\"10/25/2023, 12:00:00.000 PM\",csv,csv.example,12,\"two\r\nlines\"\r\n";
    check_shape_at("/v1/events/DeviceFileCertificateInfo", "Content-Type: text/csv", csv, 0, 2);
    ANSWER_AUTO rows = server_query(&server_fixture, "DeviceFileCertificateInfo | where DeviceId == 'csv' | sort by "
                                                     "ReportId asc | project Timestamp, Signer");
    assert_string_equal(answer_text(&rows, "rows.0.0"), "2023-10-25T09:43:21.9900000Z");
    assert_string_equal(answer_text(&rows, "rows.0.1"), "He said \"hi\", twice");
    assert_string_equal(answer_text(&rows, "rows.1.0"), "2023-10-25T12:00:00.0000000Z");
}

static void csv_in_local_time_needs_the_offset(void **state) {
    (void)state;
    static const char csv[] = "\"Timestamp [Local Time]\",DeviceId,ReportId\r\n"
                              "\"10/25/2023, 1:00:00.000 AM\",localcsv,1\r\n";
    struct send send = {
        .path = "/v1/events/DeviceFileCertificateInfo", .headers = {"Content-Type: text/csv"}, .body = csv};
    ANSWER_AUTO refused = server_send(&server_fixture, &send);
    assert_true(refused.status == 422 || (refused.status == 200 && answer_int(&refused, "rejected") == 1));
    assert_int_equal(events_stored("localcsv"), 0);
    send.path = "/v1/events/DeviceFileCertificateInfo?tz=%2B02:00";
    ANSWER_AUTO taken = server_expect(&server_fixture, 200, &send);
    events_check(&taken, 1, 1, 0, 0, 0);
    ANSWER_AUTO rows =
        server_query(&server_fixture, "DeviceFileCertificateInfo | where DeviceId == 'localcsv' | project Timestamp");
    assert_string_equal(answer_text(&rows, "rows.0.0"), "2023-10-24T23:00:00.0000000Z");
}

static void shippers_wrappers_are_taken_off(void **state) {
    (void)state;
    static const char *const before[] = {
        "{\"@timestamp\":\"x\",\"event\":", "{\"value\":", "{\"body\":", "{\"tags\":[],\"message\":"};
    for (unsigned i = 0; i < 4; i++) {
        BUF_AUTO body = BUF(CAP), record = BUF(CAP);
        event_add(&record, "wrapped", i);
        buf_add_str(&body, str_from(before[i]));
        if (i < 3) {
            buf_add_str(&body, buf_str(&record));
        } else {
            json_t *text = json_string(buf_cstr(&record));
            char *quoted = json_dumps(text, JSON_ENCODE_ANY);
            buf_add_str(&body, str_from(quoted));
            free(quoted);
            json_decref(text);
        }
        buf_add_str(&body, STR(",\"host\":\"h\",\"date\":1.5}"));
        check_shape(buf_cstr(&body), 1);
    }
    assert_int_equal(events_stored("wrapped"), 4);
}

static void tables_that_are_not_kept_are_ignored_not_rejected(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    buf_add_str(&body,
                STR("{\"records\":[{\"time\":\"2026-07-18T00:00:00Z\",\"category\":\"AdvancedHunting-EmailEvents\","
                    "\"properties\":{\"Timestamp\":\"2026-07-18T00:00:00Z\"}},"));
    event_add(&body, "ignored", 1);
    buf_add_str(&body, STR("]}"));
    ANSWER_AUTO answer = events_post("/v1/events", NULL, buf_cstr(&body), 0);
    events_check(&answer, 2, 1, 0, 1, 0);
}

static void gzip_zstd_and_chunked_bodies_are_the_same_events(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    for (unsigned i = 0; i < 500; i++) {
        event_add(&body, "packed", i);
        buf_add_char(&body, '\n');
    }
    unsigned char *gzip = malloc(body.len + 1024);
    z_stream stream = {.next_in = (unsigned char *)body.ptr,
                       .avail_in = (unsigned)body.len,
                       .next_out = gzip,
                       .avail_out = (unsigned)body.len + 1024};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    struct send send = {
        .path = "/v1/events", .headers = {"Content-Encoding: gzip"}, .body = gzip, .length = stream.total_out};
    ANSWER_AUTO first = server_expect(&server_fixture, 200, &send);
    deflateEnd(&stream);
    events_check(&first, 500, 500, 0, 0, 0);
    send.length = ZSTD_compress(gzip, body.len + 1024, body.ptr, body.len, 3);
    send.headers[0] = "Content-Encoding: zstd";
    ANSWER_AUTO second = server_expect(&server_fixture, 200, &send);
    events_check(&second, 500, 0, 500, 0, 0);
    free(gzip);
    send = (struct send){.path = "/v1/events", .body = body.ptr, .length = body.len, .chunked = true};
    ANSWER_AUTO third = server_expect(&server_fixture, 200, &send);
    events_check(&third, 500, 0, 500, 0, 0);
    send.headers[0] = "Expect: 100-continue";
    ANSWER_AUTO fourth = server_expect(&server_fixture, 200, &send);
    events_check(&fourth, 500, 0, 500, 0, 0);
    assert_int_equal(events_stored("packed"), 500);
}

static void the_same_event_by_another_route_is_a_duplicate(void **state) {
    (void)state;
    static const char stream[] =
        "{\"time\":\"2026-07-18T00:00:09Z\",\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"properties\":{"
        "\"Timestamp\":\"2026-07-18T07:00:00.5Z\",\"DeviceId\":\"route\",\"DeviceName\":\"r\",\"ReportId\":5,"
        "\"FileName\":"
        "\"a.exe\",\"AccountUpn\":\"\",\"ProcessVersionInfoCompanyName\":\"\",\"AdditionalFields\":null,\"ProcessId\":"
        "4,"
        "\"MachineGroup\":\"main\"}}";
    static const char api[] =
        "{\"Schema\":[],\"Results\":[{\"ReportId\":\"5\",\"Timestamp\":\"2026-07-18T07:00:00.5000000Z\",\"DeviceId\":"
        "\"route\",\"DeviceName\":\"r\",\"FileName\":\"a.exe\",\"AccountUpn\":null,\"ProcessId\":\"4\","
        "\"ProcessVersionInfoCompanyName\":null,\"AdditionalFields\":\"\"}]}";
    ANSWER_AUTO first = events_post("/v1/events", NULL, stream, 0);
    events_check(&first, 1, 1, 0, 0, 0);
    ANSWER_AUTO second = events_post("/v1/events/DeviceProcessEvents", NULL, api, 0);
    events_check(&second, 1, 0, 1, 0, 0);
}

static void one_triple_with_other_facts_is_another_event(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    buf_add_char(&body, '[');
    event_add_properties(&body, "triple", 5, "1", "A");
    buf_add_char(&body, ',');
    event_add_properties(&body, "triple", 5, "1", "B");
    buf_add_char(&body, ']');
    check_shape_at("/v1/events/DeviceFileCertificateInfo", NULL, buf_cstr(&body), 0, 2);
}

static void report_ids_of_eighteen_digits_stay_exact(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    event_add_properties(&body, "exact", 5, "639199803770463703", "A");
    check_shape_at("/v1/events/DeviceFileCertificateInfo", NULL, buf_cstr(&body), 0, 1);
    assert_true(server_query_int(&server_fixture, "DeviceFileCertificateInfo | where DeviceId == 'exact' | project "
                                                  "ReportId") == 639199803770463703LL);
}

static void unknown_columns_are_kept_and_readable(void **state) {
    (void)state;
    static const char row[] = "{\"Timestamp\":\"2026-07-18T08:00:00Z\",\"DeviceId\":\"extra\",\"ReportId\":1,"
                              "\"BrandNewColumn\":\"kept\",\"IsSigned\":1}";
    check_shape_at("/v1/events/DeviceFileCertificateInfo", NULL, row, 0, 1);
    ANSWER_AUTO rows =
        server_query(&server_fixture, "DeviceFileCertificateInfo | where DeviceId == 'extra' | extend X = "
                                      "tostring(AdditionalColumns.BrandNewColumn) | project X, IsSigned");
    assert_string_equal(answer_text(&rows, "rows.0.0"), "kept");
    assert_true(json_is_true(answer_at(&rows, "rows.0.1")));
}

static void a_body_with_nothing_to_read_says_what_was_there(void **state) {
    (void)state;
    ANSWER_AUTO refused =
        server_expect(&server_fixture, 422, &(struct send){.path = "/v1/events", .body = "first\n\xff\n[1]"});
    assert_int_equal(json_array_size(answer_at(&refused, "errors")), 3);
    assert_string_equal(answer_text(&refused, "errors.0.code"), "bad_record");
    assert_string_equal(answer_text(&refused, "errors.1.code"), "bad_utf8");
    assert_null(json_at(answer_at(&refused, "errors.0"), "dead_letter"));
    ANSWER_AUTO blank = server_expect(&server_fixture, 422, &(struct send){.path = "/v1/events", .body = " \n"});
    assert_string_equal(answer_text(&blank, "code"), "unprocessable");
    ANSWER_AUTO none = events_post("/v1/events", NULL, "{\"records\":[]}", 0);
    events_check(&none, 0, 0, 0, 0, 0);
}

static void a_body_of_millions_of_empty_objects_is_refused_cheaply(void **state) {
    BUF_AUTO body = BUF(CAP);
    (void)state;
    while (body.len < 12u << 20)
        buf_add_str(&body, STR("{},\n"));
    struct send send = {.path = "/v1/events", .body = body.ptr, .length = body.len};
    ANSWER_AUTO refused = server_expect(&server_fixture, 422, &send);
    assert_int_equal(json_array_size(answer_at(&refused, "errors")), 100);
    assert_non_null(strstr(answer_text(&refused, "detail"), "more than 50000"));
}

static void check_problem(long status, const char *code, const struct send *send) {
    ANSWER_AUTO answer = server_expect(&server_fixture, status, send);
    char type[128] = "";
    assert_true(answer_header(&answer, "Content-Type", type, sizeof type));
    assert_string_equal(type, "application/problem+json");
    assert_string_equal(answer_text(&answer, "code"), code);
    assert_int_equal(answer_int(&answer, "status"), status);
    assert_string_equal(answer_text(&answer, "error.code"), code);
}

static void refusals_have_their_status_and_code(void **state) {
    (void)state;
    static const char row[] = "{}";
    check_problem(415, "unsupported_media",
                  &(struct send){.path = "/v1/events", .headers = {"Content-Encoding: br"}, .body = row});
    check_problem(422, "unprocessable", &(struct send){.path = "/v1/events", .body = "this is no record"});
    check_problem(422, "unprocessable",
                  &(struct send){.path = "/v1/events", .headers = {"Content-Encoding: gzip"}, .body = row});
    check_problem(422, "unprocessable",
                  &(struct send){.path = "/v1/events", .headers = {"Content-Encoding: zstd"}, .body = row});
    check_problem(400, "bad_parameter", &(struct send){.path = "/v1/events?colour=blue", .body = row});
    check_problem(404, "not_found", &(struct send){.path = "/v1/events/NoSuchTable", .body = row});
    check_problem(404, "not_found", &(struct send){.path = "/v1/nothing"});
}

static void a_method_that_is_not_known_gives_allow(void **state) {
    (void)state;
    char allow[128] = "";
    ANSWER_AUTO answer = server_expect(&server_fixture, 405, &(struct send){.method = "DELETE", .path = "/v1/events"});
    assert_true(answer_header(&answer, "Allow", allow, sizeof allow));
    assert_non_null(strstr(allow, "POST"));
}

static void a_body_over_the_limit_is_refused(void **state) {
    (void)state;
    size_t length = 17 << 20;
    char *body = malloc(length);
    assert_non_null(body);
    memset(body, ' ', length);
    check_problem(413, "too_large", &(struct send){.path = "/v1/events", .body = body, .length = length});
    check_problem(413, "too_large",
                  &(struct send){.path = "/v1/events", .body = body, .length = length, .chunked = true});
    free(body);
}

static void request_ids_are_taken_and_given_back(void **state) {
    (void)state;
    char id[128] = "";
    ANSWER_AUTO taken =
        server_expect(&server_fixture, 200, &(struct send){.path = "/healthz", .headers = {"X-Request-Id: mine-1.2"}});
    assert_true(answer_header(&taken, "X-Request-Id", id, sizeof id));
    assert_string_equal(id, "mine-1.2");
    ANSWER_AUTO made =
        server_expect(&server_fixture, 200, &(struct send){.path = "/healthz", .headers = {"X-Request-Id: not good!"}});
    assert_true(answer_header(&made, "X-Request-Id", id, sizeof id));
    assert_string_not_equal(id, "not good!");
}

static void the_stream_route_answers_204(void **state) {
    (void)state;
    static const char path[] =
        "/dataCollectionRules/dcr-1/streams/Custom-DeviceFileCertificateInfo_CL?api-version=2023-01-01";
    BUF_AUTO body = BUF(CAP);
    buf_add_char(&body, '[');
    event_add_properties(&body, "stream", 1, "1", "A");
    buf_add_char(&body, ']');
    ANSWER_AUTO answer = server_expect(&server_fixture, 204, &(struct send){.path = path, .body = buf_cstr(&body)});
    assert_int_equal(answer.length, 0);
    assert_int_equal(events_stored("stream"), 1);
    ANSWER_AUTO none = server_expect(
        &server_fixture, 404, &(struct send){.path = "/dataCollectionRules/d/streams/Custom-Other", .body = "[]"});
    assert_string_equal(answer_text(&none, "code"), "not_found");
}

/* The database says so as it would of a key that comes into an index under way by two ways at once. */
static void a_key_that_others_write_at_the_same_moment_is_asked_for_again(void **state) {
    (void)state;
    BUF_AUTO body = BUF(CAP);
    char value[16];
    event_add(&body, "raced", 1);
    struct db *db = database_of(&server_fixture);
    database_do(db, "CREATE FUNCTION rmm.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'raced' "
                    "USING ERRCODE = '23505'; END $$");
    database_do(db, "CREATE TRIGGER refuse BEFORE INSERT ON data.device_file_certificate_info FOR EACH ROW EXECUTE FUNCTION "
                    "rmm.refuse()");
    ANSWER_AUTO refused =
        server_expect(&server_fixture, 503, &(struct send){.path = "/v1/events", .body = buf_cstr(&body)});
    assert_true(answer_header(&refused, "Retry-After", value, sizeof value));
    database_do(db, "DROP TRIGGER refuse ON data.device_file_certificate_info");
    db_close(db);
    ANSWER_AUTO again = events_post("/v1/events", NULL, buf_cstr(&body), 0);
    events_check(&again, 1, 1, 0, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_of_streaming_records_is_stored),
        cmocka_unit_test(a_storage_blob_is_json_lines_with_crlf),
        cmocka_unit_test(an_event_hubs_batch_is_an_array_of_messages),
        cmocka_unit_test(concatenated_objects_and_arrays_of_records_are_read),
        cmocka_unit_test(flat_rows_name_their_table_by_type_or_path),
        cmocka_unit_test(saved_query_answers_are_read_in_both_spellings),
        cmocka_unit_test(csv_in_local_time_takes_a_zones_name),
        cmocka_unit_test(csv_exports_are_read_with_their_dates),
        cmocka_unit_test(csv_in_local_time_needs_the_offset),
        cmocka_unit_test(shippers_wrappers_are_taken_off),
        cmocka_unit_test(tables_that_are_not_kept_are_ignored_not_rejected),
        cmocka_unit_test(gzip_zstd_and_chunked_bodies_are_the_same_events),
        cmocka_unit_test(the_same_event_by_another_route_is_a_duplicate),
        cmocka_unit_test(one_triple_with_other_facts_is_another_event),
        cmocka_unit_test(report_ids_of_eighteen_digits_stay_exact),
        cmocka_unit_test(unknown_columns_are_kept_and_readable),
        cmocka_unit_test(a_body_with_nothing_to_read_says_what_was_there),
        cmocka_unit_test(a_body_of_millions_of_empty_objects_is_refused_cheaply),
        cmocka_unit_test(refusals_have_their_status_and_code),
        cmocka_unit_test(a_method_that_is_not_known_gives_allow),
        cmocka_unit_test(a_body_over_the_limit_is_refused),
        cmocka_unit_test(request_ids_are_taken_and_given_back),
        cmocka_unit_test(the_stream_route_answers_204),
        cmocka_unit_test(a_key_that_others_write_at_the_same_moment_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, server_fixture_setup, server_fixture_teardown);
}
