/* Routes: matching, what is refused before a handler runs, decoding of targets, the documents made from the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "handlers/routes.h"
#include "handlers/service.h"

struct fixture {
    struct service service;
    struct request request;
    struct reply reply;
    struct err err;
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->service.version = "test";
    fixture->service.max_body = 1000;
    fixture->request.arena = arena_new(1024 * 1024);
    fixture->request.service = &fixture->service;
    fixture->request.request_id = STR("id");
    fixture->reply = (struct reply){.status = 200, .content_type = "application/json", .body = BUF(1024 * 1024)};
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    arena_free(fixture->request.arena);
    buf_free(&fixture->reply.body);
    free(fixture);
    return 0;
}

static bool find(struct fixture *fixture, const char *method, const char *target) {
    fixture->request.method = str_from(method);
    fixture->request.route = NULL;
    fixture->request.query_count = fixture->request.path_parameter_count = 0;
    return request_parse_target(&fixture->request, str_from(target), &fixture->err) &&
           routes_find(&fixture->request, &fixture->reply, &fixture->err);
}

static void a_path_finds_its_route_and_parameters(void **state) {
    struct fixture *fixture = *state;
    assert_true(find(fixture, "POST", "/dataCollectionRules/dcr-1/streams/Custom%2DDeviceInfo?api-version=2023-01-01"));
    assert_string_equal(fixture->request.route->pattern, "/dataCollectionRules/{id}/streams/{stream}");
    assert_true(str_eq(request_path_parameter(&fixture->request, "id"), STR("dcr-1")));
    assert_true(str_eq(request_path_parameter(&fixture->request, "stream"), STR("Custom-DeviceInfo")));
    assert_true(str_eq(request_query(&fixture->request, "api-version"), STR("2023-01-01")));
}

static void every_route_finds_itself(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < routes_count(); i++) {
        assert_true(find(fixture, routes_at(i)->method, routes_at(i)->pattern));
        assert_ptr_equal(fixture->request.route, routes_at(i));
        assert_int_equal(routes_index(routes_at(i)), i);
    }
}

static void head_is_taken_where_get_is(void **state) {
    assert_true(find(*state, "HEAD", "/healthz"));
}

static void unknown_paths_are_not_found(void **state) {
    static const char *const paths[] = {"/", "/healthz/", "/v1/eventsx", "/v1/events/", "/v1", "//healthz"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_false(find(fixture, "GET", paths[i]));
        assert_int_equal(err_status(fixture->err.code), 404);
    }
}

static void a_wrong_method_names_the_right_ones(void **state) {
    struct fixture *fixture = *state;
    assert_false(find(fixture, "PATCH", "/healthz"));
    assert_int_equal(fixture->err.code, ERR_METHOD_NOT_ALLOWED);
    assert_true(str_eq(fixture->reply.headers[0].name, STR("Allow")));
    assert_true(str_eq(fixture->reply.headers[0].value, STR("GET, HEAD, OPTIONS")));
}

static void an_unknown_parameter_is_an_error_that_names_the_known_ones(void **state) {
    struct fixture *fixture = *state;
    assert_false(find(fixture, "POST", "/v1/events?atomc=true"));
    assert_int_equal(fixture->err.code, ERR_BAD_PARAMETER);
    assert_string_equal(fixture->err.text, "unknown query parameter 'atomc'; known here: atomic,tz,pretty");
    assert_false(find(fixture, "POST", "/v1/events?tz=Z&tz=Z"));
    assert_true(find(fixture, "POST", "/v1/events?pretty&tz=Z&&atomic"));
}

static void escapes_are_decoded_and_bad_ones_refused(void **state) {
    static const char *const bad[] = {"%", "%2", "%zz", "%00", "%ff", "%C3", "a%"};
    struct fixture *fixture = *state;
    struct str out;
    assert_true(percent_decode(fixture->request.arena, STR("a%20b+c%C3%A9%41"), true, &out));
    assert_true(str_eq(out, STR("a b c\xC3\xA9" "A")));
    assert_true(percent_decode(fixture->request.arena, STR("a+b"), false, &out));
    assert_true(str_eq(out, STR("a+b")));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(percent_decode(fixture->request.arena, str_from(bad[i]), true, &out));
}

static void flags_and_numbers_of_the_query_are_checked(void **state) {
    struct fixture *fixture = *state;
    bool flag = false;
    long long number = 0;
    assert_true(find(fixture, "POST", "/v1/events?atomic&tz=50"));
    assert_true(request_flag(&fixture->request, "atomic", &flag, &fixture->err) && flag);
    assert_true(request_flag(&fixture->request, "absent", &flag, &fixture->err) && !flag);
    assert_true(request_number(&fixture->request, "tz", 1, 100, 7, &number, &fixture->err));
    assert_int_equal(number, 50);
    assert_true(request_number(&fixture->request, "absent", 1, 100, 7, &number, &fixture->err));
    assert_int_equal(number, 7);
    assert_false(request_number(&fixture->request, "tz", 1, 49, 7, &number, &fixture->err));
    assert_string_equal(fixture->request.problem_field, "tz");
    assert_false(request_flag(&fixture->request, "tz", &flag, &fixture->err));
}

static void the_body_limit_is_the_routes(void **state) {
    struct fixture *fixture = *state;
    assert_true(find(fixture, "POST", "/v1/events"));
    assert_int_equal(routes_body_limit(&fixture->request), 1000);
    assert_true(find(fixture, "GET", "/healthz"));
    assert_int_equal(routes_body_limit(&fixture->request), 0);
}

static void a_request_id_is_taken_or_made(void **state) {
    struct fixture *fixture = *state;
    request_identify(&fixture->request, STR("abc-1.2_X"));
    assert_true(str_eq(fixture->request.request_id, STR("abc-1.2_X")));
    request_identify(&fixture->request, STR("a b"));
    assert_int_equal(fixture->request.request_id.len, 32);
    request_identify(&fixture->request, STR(""));
    assert_int_equal(fixture->request.request_id.len, 32);
}

/* Both documents are JSON and hold an operation a route. */
static void check_document(struct fixture *fixture, const char *target, const char *member, const char *version) {
    json_error_t error;
    assert_true(find(fixture, "GET", target));
    routes_answer(&fixture->request, &fixture->reply);
    assert_int_equal(fixture->reply.status, 200);
    json_t *document = json_loadb(fixture->reply.body.ptr, fixture->reply.body.len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(document);
    assert_string_equal(json_string_value(json_object_get(document, member)), version);
    json_t *paths = json_object_get(document, "paths"), *path;
    const char *name;
    size_t operations = 0;
    json_object_foreach(paths, name, path)
        operations += json_object_size(path);
    assert_int_equal(operations, routes_count());
    json_decref(document);
}

static void openapi_lists_every_route(void **state) {
    check_document(*state, "/openapi.json", "openapi", "3.1.0");
}

static void swagger_lists_every_route(void **state) {
    check_document(*state, "/swagger.json?pretty", "swagger", "2.0");
}

static void every_metric_is_there_at_zero_from_the_start(void **state) {
    struct fixture *fixture = *state;
    assert_true(find(fixture, "GET", "/metrics"));
    routes_answer(&fixture->request, &fixture->reply);
    const char *text = buf_cstr(&fixture->reply.body);
    assert_non_null(text);
    assert_non_null(strstr(text, "\nrmmhunt_events_stored_total 0\n"));
    assert_non_null(strstr(text, "{method=\"POST\",route=\"/v1/events\",status=\"503\"} 0\n"));
    assert_non_null(strstr(text, "{method=\"\",route=\"none\",status=\"404\"} 0\n"));
}

static void health_needs_no_database_and_readiness_does(void **state) {
    struct fixture *fixture = *state;
    assert_true(find(fixture, "GET", "/healthz"));
    routes_answer(&fixture->request, &fixture->reply);
    assert_int_equal(fixture->reply.status, 200);
    assert_true(find(fixture, "GET", "/readyz"));
    routes_answer(&fixture->request, &fixture->reply);
    assert_int_equal(fixture->reply.status, 503);
}

static void a_draining_server_is_not_ready(void **state) {
    struct fixture *fixture = *state;
    fixture->service.draining = true;
    assert_true(find(fixture, "GET", "/readyz"));
    routes_answer(&fixture->request, &fixture->reply);
    assert_int_equal(fixture->reply.status, 503);
    assert_non_null(strstr(buf_cstr(&fixture->reply.body), "draining"));
}

static void ingest_while_draining_says_that_nothing_was_stored(void **state) {
    struct fixture *fixture = *state;
    fixture->service.draining = true;
    fixture->request.body = STR("{}");
    assert_true(find(fixture, "POST", "/v1/events"));
    routes_answer(&fixture->request, &fixture->reply);
    assert_int_equal(fixture->reply.status, 503);
    assert_non_null(strstr(buf_cstr(&fixture->reply.body), "\"outcome\":\"not_stored\""));
}

static void the_byte_budget_never_goes_over_its_limit(void **state) {
    struct budget budget = {.limit = 100};
    (void)state;
    assert_true(budget_take(&budget, 60));
    assert_false(budget_take(&budget, 41));
    assert_true(budget_take(&budget, 40));
    assert_false(budget_take(&budget, SIZE_MAX));
    budget_give(&budget, 100);
    assert_int_equal(budget.used, 0);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_path_finds_its_route_and_parameters), T(every_route_finds_itself), T(head_is_taken_where_get_is),
        T(unknown_paths_are_not_found), T(a_wrong_method_names_the_right_ones),
        T(an_unknown_parameter_is_an_error_that_names_the_known_ones), T(escapes_are_decoded_and_bad_ones_refused),
        T(flags_and_numbers_of_the_query_are_checked), T(the_body_limit_is_the_routes),
        T(a_request_id_is_taken_or_made), T(openapi_lists_every_route), T(swagger_lists_every_route),
        T(every_metric_is_there_at_zero_from_the_start), T(health_needs_no_database_and_readiness_does),
        T(a_draining_server_is_not_ready), T(ingest_while_draining_says_that_nothing_was_stored),
        T(the_byte_budget_never_goes_over_its_limit),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
