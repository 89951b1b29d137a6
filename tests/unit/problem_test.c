/* Problem documents: every member that clients read, and nothing that they must not see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>

#include "handlers/problem.h"

static json_t *make(struct request *request, struct reply *reply, const struct err *err) {
    json_error_t error;
    request->request_id = STR("req-1");
    *reply = (struct reply){.status = 200, .body = BUF(1024)};
    problem_reply(request, reply, err);
    json_t *document = json_loadb(reply->body.ptr, reply->body.len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(document);
    buf_free(&reply->body);
    return document;
}

static const char *text(const json_t *document, const char *name) {
    return json_string_value(json_object_get(document, name));
}

static void a_problem_has_the_members_that_clients_read(void **state) {
    struct request request = {.problem_field = "limit"};
    struct reply reply;
    struct err err;
    (void)state;
    err_set(&err, ERR_BAD_PARAMETER, "limit: 'x' is no number");
    json_t *document = make(&request, &reply, &err);
    assert_int_equal(reply.status, 400);
    assert_string_equal(reply.content_type, "application/problem+json");
    assert_int_equal(json_integer_value(json_object_get(document, "status")), 400);
    assert_string_equal(text(document, "code"), "bad_parameter");
    assert_string_equal(text(document, "detail"), "limit: 'x' is no number");
    assert_string_equal(text(document, "request_id"), "req-1");
    json_t *error = json_object_get(document, "error");
    assert_string_equal(text(error, "code"), "bad_parameter");
    assert_string_equal(text(error, "message"), "limit: 'x' is no number");
    assert_string_equal(text(error, "@message"), "limit: 'x' is no number");
    assert_string_equal(text(json_array_get(json_object_get(document, "errors"), 0), "field"), "limit");
    json_decref(document);
}

static void a_fault_of_ours_shows_no_detail(void **state) {
    struct request request = {0};
    struct reply reply;
    struct err err;
    (void)state;
    err_set(&err, ERR_INTERNAL, "secret detail");
    json_t *document = make(&request, &reply, &err);
    assert_int_equal(reply.status, 500);
    assert_null(strstr(text(document, "detail"), "secret"));
    json_decref(document);
}

static void a_query_error_points_with_a_caret(void **state) {
    struct request request = {.source = STR("DeviceInfo\n| wher a")};
    struct reply reply;
    struct err err;
    (void)state;
    err_set(&err, ERR_BAD_QUERY, "unknown operator 'wher'");
    err_place(&err, request.source, 13, 4);
    json_t *document = make(&request, &reply, &err);
    assert_int_equal(json_integer_value(json_object_get(document, "line")), 2);
    assert_int_equal(json_integer_value(json_object_get(document, "column")), 3);
    assert_string_equal(text(document, "excerpt"), "| wher a\n  ^~~~");
    json_decref(document);
}

static void passing_faults_ask_for_another_try(void **state) {
    static const enum err_code codes[] = {ERR_TOO_MANY, ERR_DATABASE, ERR_DISK_FULL, ERR_DRAINING, ERR_DEADLINE};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct request request = {0};
        struct reply reply;
        struct err err;
        err_set(&err, codes[i], "later");
        json_decref(make(&request, &reply, &err));
        assert_true(str_eq(reply.headers[0].name, STR("Retry-After")));
    }
}

static void quotes_and_bad_bytes_stay_valid_json(void **state) {
    struct request request = {0};
    struct reply reply;
    struct err err;
    (void)state;
    err_set(&err, ERR_BAD_REQUEST, "\"\\\n\x01\xFF</script>");
    json_decref(make(&request, &reply, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_has_the_members_that_clients_read), cmocka_unit_test(a_fault_of_ours_shows_no_detail),
        cmocka_unit_test(a_query_error_points_with_a_caret), cmocka_unit_test(passing_faults_ask_for_another_try),
        cmocka_unit_test(quotes_and_bad_bytes_stay_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
