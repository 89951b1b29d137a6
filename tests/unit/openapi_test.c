/* The two documents against the list of routes: every operation, its parameters with types, its bodies and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "handlers/routes.h"
#include "handlers/service.h"

static json_t *document_read(const char *target) {
    struct service service = {.version = "test"};
    struct request request = {.arena = arena_new(1 << 20), .service = &service, .method = STR("GET"), .request_id = STR("id")};
    struct reply reply = {.status = 200, .content_type = "application/json", .body = BUF(16 << 20)};
    struct err err;
    assert_true(request_parse_target(&request, str_from(target), &err) && routes_find(&request, &reply, &err));
    routes_answer(&request, &reply);
    assert_int_equal(reply.status, 200);
    json_t *document = json_loadb(reply.body.ptr, reply.body.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(document);
    buf_free(&reply.body);
    arena_free(request.arena);
    return document;
}

static const json_t *operation_of(const json_t *document, const struct route *route) {
    char method[8] = "";
    for (size_t i = 0; route->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)(route->method[i] | 0x20);
    return json_object_get(json_object_get(json_object_get(document, "paths"), route->pattern), method);
}

static const json_t *parameter_of(const json_t *operation, struct str name, const char *in) {
    size_t i;
    const json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), i, parameter)
        if (str_eq(str_from(json_string_value(json_object_get(parameter, "name"))), name) &&
            !strcmp(json_string_value(json_object_get(parameter, "in")), in))
            return parameter;
    return NULL;
}

/* There, with a type and a description: else handlers/openapi.def lacks a line. */
static void check_parameter(const struct route *route, const json_t *operation, struct str name, const char *in) {
    const json_t *parameter = parameter_of(operation, name, in), *schema = json_object_get(parameter, "schema");
    const char *type = json_string_value(json_object_get(schema ? schema : parameter, "type"));
    const char *description = json_string_value(json_object_get(parameter, "description"));
    if (!parameter || !type || !description || !description[0])
        fail_msg("%s: PARAMETER(\"%.*s\", …) is missing in handlers/openapi.def", route->pattern, STR_ARG(name));
}

static size_t check_parameters(const struct route *route, const json_t *operation) {
    size_t count = 1;
    const char *names = route->parameters;
    check_parameter(route, operation, STR("pretty"), "query");
    for (size_t length; *names; names += length + (names[length] == ',')) {
        length = strcspn(names, ",");
        check_parameter(route, operation, (struct str){names, length}, "query");
        count += !str_eq((struct str){names, length}, STR("pretty"));
    }
    for (const char *open = strchr(route->pattern, '{'); open; open = strchr(open + 1, '{'), count++)
        check_parameter(route, operation, (struct str){open + 1, strcspn(open + 1, "}")}, "path");
    return count;
}

static void check_operation(const json_t *document, const struct route *route, bool swagger) {
    const json_t *operation = operation_of(document, route), *responses = json_object_get(operation, "responses");
    size_t count = check_parameters(route, operation);
    bool body = route->body_limit != BODY_NONE;
    bool described = swagger ? parameter_of(operation, STR("body"), "body") != NULL
                             : json_object_get(operation, "requestBody") != NULL;
    if (described != body)
        fail_msg("%s %s: BODY is missing in handlers/openapi.def, or too many", route->method, route->pattern);
    assert_int_equal(json_array_size(json_object_get(operation, "parameters")), count + (swagger && body));
    if (json_object_size(responses) < 2 || !json_object_get(responses, "default"))
        fail_msg("%s %s: ANSWER is missing in handlers/openapi.def", route->method, route->pattern);
}

/* Every "$ref" below names something that is there. */
static void check_references(const json_t *document, const json_t *at, const char *prefix, const json_t *schemas) {
    const char *key;
    size_t i;
    const json_t *value;
    if (json_is_array(at))
        json_array_foreach(at, i, value) check_references(document, value, prefix, schemas);
    json_object_foreach((json_t *)(uintptr_t)at, key, value) { // NOLINT: read only
        if (!strcmp(key, "$ref")) {
            const char *name = json_string_value(value);
            assert_memory_equal(name, prefix, strlen(prefix));
            if (!json_object_get(schemas, name + strlen(prefix)))
                fail_msg("%s isn't there", name);
        } else {
            check_references(document, value, prefix, schemas);
        }
    }
}

static void check_document(const char *target, bool swagger) {
    json_t *document = document_read(target);
    const json_t *schemas = swagger ? json_object_get(document, "definitions")
                                    : json_object_get(json_object_get(document, "components"), "schemas");
    for (size_t i = 0; i < routes_count(); i++)
        check_operation(document, routes_at(i), swagger);
    check_references(document, document, swagger ? "#/definitions/" : "#/components/schemas/", schemas);
    assert_non_null(json_object_get(schemas, "Problem"));
    json_decref(document);
}

static void openapi_describes_every_route_whole(void **state) {
    (void)state;
    check_document("/openapi.json", false);
}

static void swagger_describes_every_route_whole(void **state) {
    (void)state;
    check_document("/swagger.json", true);
}

static void swagger_says_nothing_that_it_has_no_words_for(void **state) {
    json_t *document = document_read("/swagger.json");
    char *text = json_dumps(document, JSON_COMPACT);
    (void)state;
    assert_null(strstr(text, "anyOf"));
    assert_null(strstr(text, "\"null\""));
    assert_null(strstr(text, "requestBody"));
    free(text);
    json_decref(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openapi_describes_every_route_whole),
        cmocka_unit_test(swagger_describes_every_route_whole),
        cmocka_unit_test(swagger_says_nothing_that_it_has_no_words_for),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
