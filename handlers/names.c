#include "handlers/names.h"

#include "base/clock.h"
#include "handlers/service.h"

enum { TAKE_MS = 10000 };

bool tool_resolve(struct request *request, enum err_code code, struct str *tool, struct err *err) {
    if (!tool->ptr)
        return true;
    struct db_conn *conn = db_take(request->service->db, mono_ms() + TAKE_MS, err);
    bool ok = conn && name_tool(conn, request->arena, code, tool, err);
    db_give(conn);
    if (!ok && err->code == code)
        request->problem_field = "tool";
    return ok;
}

bool tool_parameter(struct request *request, struct str *tool, struct err *err) {
    *tool = request_query(request, "tool");
    return tool_resolve(request, ERR_BAD_PARAMETER, tool, err);
}

bool hunt_refuse(struct request *request, struct str given, struct err *err) {
    struct db_conn *conn = db_take(request->service->db, mono_ms() + TAKE_MS, err);
    bool ok = conn && name_refuse_hunt(conn, ERR_NOT_FOUND, given, err);
    db_give(conn);
    return ok;
}

typedef bool name_check(struct db_conn *conn, struct str name, struct err *err);

static bool name_seen(struct request *request, const char *field, name_check *check, struct str name, struct err *err) {
    if (!name.ptr)
        return true;
    struct db_conn *conn = db_take(request->service->db, mono_ms() + TAKE_MS, err);
    bool ok = conn && check(conn, name, err);
    db_give(conn);
    if (!ok && err->code == ERR_NOT_FOUND)
        request->problem_field = field;
    return ok;
}

bool group_seen(struct request *request, struct str group, struct err *err) {
    return name_seen(request, "group", name_group, group, err);
}

bool device_seen(struct request *request, struct str device, struct err *err) {
    return name_seen(request, "device", name_device, device, err);
}
