/* The interface's description, written from the list of routes. */
#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/routes.h"
#include "handlers/service.h"

static void add_parameter(struct buf *out, struct str name, const char *in, bool swagger) {
    json_add_comma(out);
    buf_add_str(out, STR("{\"name\":"));
    json_add_string(out, name);
    buf_printf(out, ",\"in\":\"%s\",\"required\":%s,%s}", in, in[0] == 'p' ? "true" : "false",
               swagger ? "\"type\":\"string\"" : "\"schema\":{\"type\":\"string\"}");
}

static void add_path_parameters(struct buf *out, const char *pattern, bool swagger) {
    for (const char *open = strchr(pattern, '{'); open; open = strchr(open + 1, '{')) {
        const char *close = strchr(open, '}');
        add_parameter(out, (struct str){open + 1, (size_t)(close - open - 1)}, "path", swagger);
    }
}

static void add_query_parameters(struct buf *out, const char *names, bool swagger) {
    bool pretty = strstr(names, "pretty") != NULL;
    while (*names) {
        size_t length = strcspn(names, ",");
        add_parameter(out, (struct str){names, length}, "query", swagger);
        names += length + (names[length] == ',');
    }
    if (!pretty)
        add_parameter(out, STR("pretty"), "query", swagger);
}

static void add_body(struct buf *out, const struct route *route, bool swagger) {
    if (route->body_limit == BODY_NONE)
        return;
    if (swagger) {
        json_add_comma(out);
        buf_add_str(out, STR("{\"name\":\"body\",\"in\":\"body\",\"schema\":{}}"));
        return;
    }
    buf_add_str(out, STR(",\"requestBody\":{\"content\":{\"application/json\":{}}}"));
}

/* handle_events_post is "events_post". */
static void add_operation(struct buf *out, const struct route *route, const char *id, bool swagger) {
    char method[8] = "";
    for (size_t i = 0; route->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)(route->method[i] | 0x20);
    json_add_key(out, method);
    buf_add_str(out, STR("{\"operationId\":"));
    json_add_string(out, str_from(id + strlen("handle_")));
    json_add_key(out, "summary");
    json_add_string(out, str_from(route->title));
    json_add_key(out, "x-scope");
    json_add_string(out, str_from(scope_name(route->scope)));
    json_add_key(out, "parameters");
    buf_add_char(out, '[');
    add_path_parameters(out, route->pattern, swagger);
    add_query_parameters(out, route->parameters, swagger);
    if (swagger)
        add_body(out, route, true);
    buf_add_char(out, ']');
    if (!swagger)
        add_body(out, route, false);
    json_add_key(out, "responses");
    buf_add_str(out, STR("{\"default\":{\"description\":\"The answer, or a problem document\"}}}"));
}

static const char *const operation_ids[] = {
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
                add_operation(out, routes_at(k), operation_ids[k], swagger);
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
        buf_add_str(out, STR(",\"basePath\":\"/\",\"consumes\":[\"application/json\"],\"produces\":[\"application/json\"]"));
    add_paths(out, swagger);
    buf_add(out, "}\n", 2);
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
