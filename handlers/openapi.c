/* The interface's description, written from the list of routes and openapi.def. */
#include <stdio.h>

#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/openapi_schema.h"
#include "handlers/routes.h"
#include "handlers/service.h"

static const struct parameter {
    const char *name, *where, *type, *more, *description;
} parameters[] = {
#define PARAMETER(name, where, type, more, description) {name, where, type, more, description},
#include "handlers/openapi.def"
};

static const struct body {
    const char *handler, *types, *type, *description;
} bodies[] = {
#define BODY(handler, types, type, description) {#handler, types, type, description},
#include "handlers/openapi.def"
};

static const struct answer {
    const char *handler;
    int status;
    const char *type, *description;
} answers[] = {
#define ANSWER(handler, status, type, description) {#handler, status, type, description},
#include "handlers/openapi.def"
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* What is known of a parameter; one that openapi.def doesn't name is a text. */
static const struct parameter *parameter_find(struct str name, const char *pattern) {
    static const struct parameter unknown = {"", "", "string", "", ""};
    for (size_t i = 0; i < COUNT(parameters); i++)
        if (str_eq(name, str_from(parameters[i].name)) && strstr(pattern, parameters[i].where))
            return &parameters[i];
    return &unknown;
}

static void add_parameter(struct buf *out, struct str name, const char *in, const char *pattern, bool swagger) {
    const struct parameter *parameter = parameter_find(name, pattern);
    json_add_comma(out);
    buf_add_str(out, STR("{\"name\":"));
    json_add_string(out, name);
    buf_printf(out, ",\"in\":\"%s\",\"required\":%s", in, in[0] == 'p' ? "true" : "false");
    json_add_string_member(out, "description", str_from(parameter->description));
    if (swagger) {
        buf_printf(out, ",\"type\":\"%s\"%s}", parameter->type, parameter->more);
        return;
    }
    json_add_key(out, "schema");
    schema_add_type(out, parameter->type, parameter->more, false);
    buf_add_char(out, '}');
}

static void add_path_parameters(struct buf *out, const char *pattern, bool swagger) {
    for (const char *open = strchr(pattern, '{'); open; open = strchr(open + 1, '{')) {
        const char *close = strchr(open, '}');
        add_parameter(out, (struct str){open + 1, (size_t)(close - open - 1)}, "path", pattern, swagger);
    }
}

static void add_query_parameters(struct buf *out, const struct route *route, bool swagger) {
    const char *names = route->parameters;
    bool pretty = strstr(names, "pretty") != NULL;
    while (*names) {
        size_t length = strcspn(names, ",");
        add_parameter(out, (struct str){names, length}, "query", route->pattern, swagger);
        names += length + (names[length] == ',');
    }
    if (!pretty)
        add_parameter(out, STR("pretty"), "query", route->pattern, swagger);
}

/* {"<media type>":{"schema":…},…} of types that stand comma separated. */
static void add_content(struct buf *out, const char *types, const char *type) {
    json_add_key(out, "content");
    buf_add_char(out, '{');
    while (*types) {
        size_t length = strcspn(types, ",");
        json_add_comma(out);
        json_add_string(out, (struct str){types, length});
        buf_add_str(out, STR(":{\"schema\":"));
        schema_add_type(out, type, "", false);
        buf_add_char(out, '}');
        types += length + (types[length] == ',');
    }
    buf_add_char(out, '}');
}

/* ["a","b"] of names that stand comma separated. */
static void add_names(struct buf *out, const char *key, const char *names) {
    json_add_key(out, key);
    buf_add_char(out, '[');
    while (*names) {
        size_t length = strcspn(names, ",");
        json_add_comma(out);
        json_add_string(out, (struct str){names, length});
        names += length + (names[length] == ',');
    }
    buf_add_char(out, ']');
}

static const struct body *body_find(const char *handler) {
    for (size_t i = 0; i < COUNT(bodies); i++)
        if (!strcmp(bodies[i].handler, handler))
            return &bodies[i];
    return NULL;
}

static void add_body(struct buf *out, const struct body *body) {
    json_add_key(out, "requestBody");
    buf_add_str(out, STR("{\"required\":true,\"description\":"));
    json_add_string(out, str_from(body->description));
    add_content(out, body->types, body->type);
    buf_add_char(out, '}');
}

static void add_swagger_body(struct buf *out, const struct body *body) {
    json_add_comma(out);
    buf_add_str(out, STR("{\"name\":\"body\",\"in\":\"body\",\"required\":true,\"description\":"));
    json_add_string(out, str_from(body->description));
    json_add_key(out, "schema");
    schema_add_type(out, body->type, "", true);
    buf_add_char(out, '}');
}

static const char *media_types(const struct route *route, const char *type) {
    if (route->handler == handle_device_get)
        return "application/json,text/plain";
    if (strstr(route->parameters, "format"))
        return "application/json,application/x-ndjson,text/csv,text/plain";
    return strcmp(type, "string") ? "application/json" : "text/plain";
}

static void add_response(struct buf *out, const char *status, const char *types, const char *type,
                         const char *description, bool swagger) {
    json_add_key(out, status);
    buf_add_str(out, STR("{\"description\":"));
    json_add_string(out, str_from(description));
    if (*type && swagger) {
        json_add_key(out, "schema");
        schema_add_type(out, type, "", true);
    } else if (*type) {
        add_content(out, types, type);
    }
    buf_add_char(out, '}');
}

static void add_responses(struct buf *out, const struct route *route, const char *handler, bool swagger) {
    char status[16];
    json_add_key(out, "responses");
    buf_add_char(out, '{');
    for (size_t i = 0; i < COUNT(answers); i++)
        if (!strcmp(answers[i].handler, handler)) {
            snprintf(status, sizeof status, "%d", answers[i].status);
            add_response(out, status, media_types(route, answers[i].type), answers[i].type, answers[i].description, swagger);
        }
    if (!strcmp(route->method, "GET") && route->scope == SCOPE_READ)
        add_response(out, "304", "", "", "Unchanged since If-None-Match", swagger);
    add_response(out, "default", "application/problem+json", "Problem", "A problem document", swagger);
    buf_add_char(out, '}');
}

static void add_swagger_types(struct buf *out, const struct route *route, const struct body *body) {
    if (body)
        add_names(out, "consumes", body->types);
    add_names(out, "produces", media_types(route, ""));
}

/* handle_events_post is "events_post". */
static void add_operation(struct buf *out, const struct route *route, const char *handler, bool swagger) {
    const struct body *body = body_find(handler);
    char method[8] = "";
    for (size_t i = 0; route->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)(route->method[i] | 0x20);
    json_add_key(out, method);
    buf_add_str(out, STR("{\"operationId\":"));
    json_add_string(out, str_from(handler + strlen("handle_")));
    json_add_string_member(out, "summary", str_from(route->title));
    json_add_string_member(out, "x-scope", str_from(scope_name(route->scope)));
    json_add_key(out, "parameters");
    buf_add_char(out, '[');
    add_path_parameters(out, route->pattern, swagger);
    add_query_parameters(out, route, swagger);
    if (swagger && body)
        add_swagger_body(out, body);
    buf_add_char(out, ']');
    if (swagger)
        add_swagger_types(out, route, body);
    else if (body)
        add_body(out, body);
    add_responses(out, route, handler, swagger);
    buf_add_char(out, '}');
}

static const char *const handler_names[] = {
#define ROUTE(method, pattern, body, scope, handler, parameters, title) #handler,
#include "handlers/routes.def"
#undef ROUTE
};

static bool seen_before(size_t index) {
    for (size_t i = 0; i < index; i++)
        if (!strcmp(routes_at(i)->pattern, routes_at(index)->pattern))
            return true;
    return false;
}

static void add_paths(struct buf *out, bool swagger) {
    json_add_key(out, "paths");
    buf_add_char(out, '{');
    for (size_t i = 0; i < routes_count(); i++) {
        if (seen_before(i))
            continue;
        json_add_key(out, routes_at(i)->pattern);
        buf_add_char(out, '{');
        for (size_t k = i; k < routes_count(); k++)
            if (!strcmp(routes_at(k)->pattern, routes_at(i)->pattern))
                add_operation(out, routes_at(k), handler_names[k], swagger);
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}

static void write_document(const struct request *request, struct buf *out, bool swagger) {
    const char *version = request->service->version;
    buf_add_str(out, swagger ? STR("{\"swagger\":\"2.0\"") : STR("{\"openapi\":\"3.1.0\""));
    json_add_key(out, "info");
    buf_add_str(out, STR("{\"title\":\"rmmhunt\",\"version\":"));
    json_add_string(out, str_from(version ? version : "unknown"));
    buf_add_char(out, '}');
    if (swagger)
        buf_add_str(out, STR(",\"basePath\":\"/\""));
    add_paths(out, swagger);
    json_add_key(out, swagger ? "definitions" : "components");
    buf_add_str(out, swagger ? STR("") : STR("{\"schemas\":"));
    schema_add_all(out, swagger);
    buf_add_str(out, swagger ? STR("}\n") : STR("}}\n"));
}

bool handle_openapi(struct request *request, struct reply *reply, struct err *err) {
    (void)err;
    write_document(request, &reply->body, false);
    return true;
}

bool handle_swagger(struct request *request, struct reply *reply, struct err *err) {
    (void)err;
    write_document(request, &reply->body, true);
    return true;
}
