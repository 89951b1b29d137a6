/* Real answers against /openapi.json: every member of an answer is described, with its type, and none that must be there is
 * missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/server_fixture.h"

#define EVENTS                                                                                                         \
    "{\"Type\":\"DeviceFileCertificateInfo\",\"Timestamp\":\"2026-07-16T02:11:09.1234567Z\",\"DeviceId\":\"d\",\"DeviceName\":"  \
    "\"d.example\",\"ReportId\":1,\"Signer\":\"IDrive, Inc.\"}\n{\"Type\":\"DeviceInfo\",\"Timestamp\":\"yesterday\",\"DeviceId\":\"d\"}"
#define BROKEN "name: Broken\nid: 7c1f1d1e-0000-4000-8000-00000000c001\nquery: |\n  DeviceInfo\n  | evaluate x()\n"
#define RUN_ONE "{\"hunts\":[\"remotepc-file-signature\"],\"as_of\":\"2026-07-20T00:00:00Z\"}"
#define RUN_TOOL "{\"tool\":\"RemotePC\",\"as_of\":\"2026-07-20T00:00:00Z\",\"from\":\"2026-07-01T00:00:00Z\"}"

static json_t *document;

static int setup(void **state) {
    if (server_fixture_setup(state))
        return -1;
    struct answer answer = server_send(&server_fixture, &(struct send){.path = "/openapi.json"});
    document = json_incref(answer.json);
    answer_free(&answer);
    return document ? 0 : -1;
}

static int teardown(void **state) {
    json_decref(document);
    return server_fixture_teardown(state);
}

static const json_t *resolve(const json_t *schema) {
    static const char prefix[] = "#/components/schemas/";
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    if (!reference)
        return schema;
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    return json_object_get(schemas, reference + sizeof prefix - 1);
}

static bool type_is(const char *type, const json_t *value) {
    return !strcmp(type, "string")    ? json_is_string(value)
           : !strcmp(type, "integer") ? json_is_integer(value)
           : !strcmp(type, "number")  ? json_is_number(value)
           : !strcmp(type, "boolean") ? json_is_boolean(value)
           : !strcmp(type, "object")  ? json_is_object(value)
           : !strcmp(type, "array")   ? json_is_array(value)
                                      : json_is_null(value);
}

static bool type_fits(const json_t *type, const json_t *value) {
    size_t i;
    const json_t *one;
    bool fits = !type || (json_is_string(type) && type_is(json_string_value(type), value));
    json_array_foreach(type, i, one) fits = fits || type_is(json_string_value(one), value);
    return fits;
}

static const char *validate(const json_t *schema, const json_t *value);

/* NULL, or the name of what doesn't fit. */
static const char *validate_object(const json_t *schema, const json_t *value) {
    const json_t *properties = json_object_get(schema, "properties"), *name;
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i, name)
        if (!json_object_get(value, json_string_value(name)))
            return json_string_value(name);
    for (void *at = json_object_iter((json_t *)(uintptr_t)value); properties && at; // NOLINT: read only
         at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {              // NOLINT
        const char *key = json_object_iter_key(at);
        const json_t *known = json_object_get(properties, key);
        if (!known || validate(known, json_object_iter_value(at)))
            return key;
    }
    return NULL;
}

static const char *validate(const json_t *schema, const json_t *value) {
    const json_t *whole = resolve(schema), *either = json_object_get(whole, "anyOf"), *one;
    size_t i;
    const char *fault = json_array_size(either) ? "anyOf" : NULL;
    json_array_foreach(either, i, one)
        if (!validate(one, value))
            fault = NULL;
    if (fault || !whole)
        return fault ? fault : "no schema";
    if (!type_fits(json_object_get(whole, "type"), value))
        return "type";
    json_array_foreach(value, i, one)
        if (json_object_get(whole, "items") && (fault = validate(json_object_get(whole, "items"), one)))
            return fault;
    return json_is_object(value) ? validate_object(whole, value) : NULL;
}

static const struct send_case {
    const char *pattern, *method, *path, *body;
    long status;
} cases[] = {
    {"/v1/events", "post", "/v1/events", EVENTS, 200},
    {"/v1/events", "post", "/v1/events?atomic", EVENTS, 422},
    {"/v1/events/rejected", "get", "/v1/events/rejected", NULL, 200},
    {"/v1/events/rejected/{id}", "get", "/v1/events/rejected/1", NULL, 200},
    {"/healthz", "get", "/healthz", NULL, 200},
    {"/readyz", "get", "/readyz", NULL, 200},
    {"/version", "get", "/version", NULL, 200},
    {"/v1/hunts/import", "post", "/v1/hunts/import", BROKEN, 201},
    {"/v1/hunts/import", "post", "/v1/hunts/import", BROKEN "---\nid: nonsense\nquery: x\n", 200},
    {"/v1/hunts/check", "post", "/v1/hunts/check", BROKEN, 200},
    {"/v1/hunts", "get", "/v1/hunts?limit=1000", NULL, 200},
    {"/v1/hunts", "get", "/v1/hunts?state=bogus", NULL, 400},
    {"/v1/hunts/{id}", "get", "/v1/hunts/broken", NULL, 200},
    {"/v1/hunts/{id}", "get", "/v1/hunts/remotepc-file-signature", NULL, 200},
    {"/v1/hunts/{id}", "get", "/v1/hunts/nope", NULL, 404},
    {"/v1/hunts/{id}/explain", "get", "/v1/hunts/remotepc-file-signature/explain", NULL, 200},
    {"/v1/hunts/{id}/explain", "get", "/v1/hunts/broken/explain", NULL, 400},
    {"/v1/tools", "get", "/v1/tools?limit=1000", NULL, 200},
    {"/v1/tools/{tool}", "get", "/v1/tools/remotepc", NULL, 200},
    {"/v1/query", "post", "/v1/query", "{\"query\":\"DeviceFileCertificateInfo | where signer has 'idrive'\"}", 200},
    {"/v1/query", "post", "/v1/query", "{\"query\":\"x\"}", 400},
    {"/v1/runs", "post", "/v1/runs", RUN_ONE, 201},
    {"/v1/runs", "post", "/v1/runs", RUN_TOOL, 201},
    {"/v1/runs", "post", "/v1/runs", "{\"hunts\":[\"broken\"]}", 201},
    {"/v1/runs", "get", "/v1/runs", NULL, 200},
    {"/v1/runs/{id}", "get", "/v1/runs/1", NULL, 200},
    {"/v1/runs/{id}", "get", "/v1/runs/3", NULL, 200},
    {"/v1/runs/{id}/results", "get", "/v1/runs/1/results", NULL, 200},
    {"/v1/runs/{id}/results", "get", "/v1/runs/2/results", NULL, 200},
    {"/v1/runs/{id}", "delete", "/v1/runs/1", NULL, 200},
    {"/v1/hunts/{id}/results", "get", "/v1/hunts/remotepc-file-signature/results", NULL, 200},
    {"/v1/devices", "get", "/v1/devices", NULL, 200},
    {"/v1/findings", "get", "/v1/findings", NULL, 200},
    {"/v1/coverage", "get", "/v1/coverage", NULL, 200},
    {"/v1/coverage/silent", "get", "/v1/coverage/silent?since=3650d", NULL, 200},
    {"/v1/changes", "get", "/v1/changes", NULL, 200},
    {"/v1/runs/{a}/diff/{b}", "get", "/v1/runs/1/diff/2", NULL, 200},
    {"/v1/devices/{device_id}/evidence", "get", "/v1/devices/d/evidence", NULL, 200},
    {"/v1/devices/{device_id}/evidence", "get", "/v1/devices/d/evidence?run=99", NULL, 404},
};

static void answers_are_as_the_description_says(void **state) {
    char status[16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct send_case *one = &cases[i];
        const char *method = one->body ? "POST" : !strcmp(one->method, "delete") ? "DELETE" : "GET";
        ANSWER_AUTO answer = server_expect(&server_fixture, one->status,
                                           &(struct send){.method = method, .path = one->path, .body = one->body});
        const json_t *path = json_object_get(json_object_get(document, "paths"), one->pattern);
        const json_t *responses = json_object_get(json_object_get(path, one->method), "responses");
        snprintf(status, sizeof status, "%ld", one->status);
        const json_t *response = json_object_get(responses, status);
        const char *type = response ? "application/json" : "application/problem+json";
        const json_t *content = json_object_get(response ? response : json_object_get(responses, "default"), "content");
        const json_t *schema = json_object_get(json_object_get(content, type), "schema");
        const char *fault = schema ? validate(schema, answer.json) : "no schema";
        if (fault)
            fail_msg("%s: %s isn't as described: %.1500s", one->path, fault, answer.body);
    }
}

static void a_validator_that_takes_anything_would_be_noticed(void **state) {
    (void)state;
    const json_t *schema = json_object_get(json_object_get(json_object_get(document, "components"), "schemas"), "Column");
    static const char *const wrong[] = {"{\"name\":\"a\"}", "{\"name\":\"a\",\"type\":1}", "{\"name\":\"a\",\"type\":\"b\",\"x\":1}", "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_auto_t *value = json_loads(wrong[i], 0, NULL);
        assert_non_null(validate(schema, value));
    }
    json_auto_t *right = json_loads("{\"name\":\"a\",\"type\":\"long\"}", 0, NULL);
    assert_null(validate(schema, right));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_as_the_description_says),
        cmocka_unit_test(a_validator_that_takes_anything_would_be_noticed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
