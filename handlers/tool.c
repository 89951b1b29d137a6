#include "handlers/tool.h"

#include <limits.h>

#include "handlers/list.h"

/* Rows of tool_names.sql. A tool that is called nearly so, or longer so; "" when there is none. */
static struct str tool_nearest(const struct db_rows *rows, struct str given) {
    unsigned least = UINT_MAX, near = 1 + (unsigned)given.len / 4;
    struct str best = STR("");
    for (size_t r = 0; r < db_count(rows); r++) {
        unsigned distance = str_distance(db_text(rows, r, 0), given);
        bool part = str_eq(db_text(rows, r, 2), STR("t"));
        if ((part || distance <= near) && distance < least) {
            least = distance;
            best = db_text(rows, r, 1);
        }
    }
    return best;
}

static bool tool_refuse(struct request *request, enum err_code code, struct str given, struct err *err) {
    DB_ROWS_AUTO *rows = statement_run(request, "tool_names", &given, 1, err);
    if (!rows)
        return false;
    struct str nearest = tool_nearest(rows, given);
    int shown = given.len > 64 ? 64 : (int)given.len;
    request->problem_field = "tool";
    return nearest.len ? err_set(err, code, "tool: there is none called '%.*s'; did you mean '%.*s'? GET /v1/tools lists them",
                                 shown, given.ptr, STR_ARG(nearest))
                       : err_set(err, code, "tool: there is none called '%.*s'; GET /v1/tools lists them", shown, given.ptr);
}

bool tool_resolve(struct request *request, enum err_code code, struct str *tool, struct err *err) {
    if (!tool->ptr)
        return true;
    DB_ROWS_AUTO *rows = statement_run(request, "tool_known", tool, 1, err);
    if (!rows)
        return false;
    if (db_is_null(rows, 0, 0))
        return tool_refuse(request, code, *tool, err);
    *tool = arena_copy(request->arena, db_text(rows, 0, 0));
    return tool->ptr || err_memory(err);
}

bool tool_parameter(struct request *request, struct str *tool, struct err *err) {
    *tool = request_query(request, "tool");
    return tool_resolve(request, ERR_BAD_PARAMETER, tool, err);
}
