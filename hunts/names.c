#include "hunts/names.h"

#include <limits.h>

#include "base/clock.h"
#include "store/array.h"

enum { NAMES_MS = 10000, SHOWN = 64 };

static struct db_rows *names_read(struct db_conn *conn, const char *statement, struct str given, struct err *err) {
    return db_query(conn, db_statement(statement), &given, 1, mono_ms() + NAMES_MS, err);
}

/* Of rows (what it is called, its name, whether what was given is a part of that): the name of one that is called nearly so,
 * or longer so; "" when there is none. */
static struct str name_nearest(const struct db_rows *rows, struct str given) {
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

/* what: "tool", "hunt"; names: the statement that gives them; lists: where all of them are. */
static bool name_refuse(struct db_conn *conn, enum err_code code, const char *what, const char *names, struct str given,
                        const char *lists, struct err *err) {
    DB_ROWS_AUTO *rows = names_read(conn, names, given, err);
    if (!rows)
        return false;
    struct str nearest = name_nearest(rows, given);
    int shown = given.len > SHOWN ? SHOWN : (int)given.len;
    return nearest.len ? err_set(err, code, "%s: there is none called '%.*s'; did you mean '%.*s'? %s lists them", what,
                                 shown, given.ptr, STR_ARG(nearest), lists)
                       : err_set(err, code, "%s: there is none called '%.*s'; %s lists them", what, shown, given.ptr, lists);
}

bool name_tool(struct db_conn *conn, struct arena *arena, enum err_code code, struct str *tool, struct err *err) {
    DB_ROWS_AUTO *rows = names_read(conn, "tool_known", *tool, err);
    if (!rows)
        return false;
    if (db_is_null(rows, 0, 0))
        return name_refuse(conn, code, "tool", "tool_names", *tool, "GET /v1/tools", err);
    *tool = arena_copy(arena, db_text(rows, 0, 0));
    return tool->ptr || err_memory(err);
}

bool name_refuse_hunt(struct db_conn *conn, enum err_code code, struct str given, struct err *err) {
    return name_refuse(conn, code, "hunt", "hunt_names", given, "GET /v1/hunts", err);
}

bool name_group(struct db_conn *conn, struct str group, struct err *err) {
    DB_ROWS_AUTO *rows = names_read(conn, "group_known", group, err);
    if (!rows || str_eq(db_text(rows, 0, 0), STR("t")))
        return rows != NULL;
    return name_refuse(conn, ERR_NOT_FOUND, "group", "group_names", group, "GET /v1/coverage", err);
}

static bool name_refuse_device(struct db_conn *conn, struct str device, struct err *err) {
    int shown = device.len > SHOWN ? SHOWN : (int)device.len;
    BUF_AUTO names = BUF(1 << 20);
    array_add(&names, device);
    array_end(&names);
    DB_ROWS_AUTO *rows =
        names.failed ? (err_memory(err), NULL) : names_read(conn, "devices_named", buf_str(&names), err);
    if (!rows)
        return false;
    if (db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "device: '%.*s' is the name of device '%.*s'", shown, device.ptr,
                       STR_ARG(db_text(rows, 0, 1)));
    return name_refuse(conn, ERR_NOT_FOUND, "device", "device_names", device, "GET /v1/devices", err);
}

bool name_device(struct db_conn *conn, struct str device, struct err *err) {
    DB_ROWS_AUTO *rows = names_read(conn, "device_known", device, err);
    if (!rows || str_eq(db_text(rows, 0, 0), STR("t")))
        return rows != NULL;
    return name_refuse_device(conn, device, err);
}
