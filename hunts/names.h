/* Names that people type: of tools, hunts and machine groups. One that nothing here knows is refused with the nearest that
 * is known, since an empty answer would look like good news. */
#pragma once
#include "base/arena.h"
#include "store/db.h"

/* *tool: a name in any case, a catalogue id or an alias; becomes the name. code: what a tool that no hunt, finding or
 * catalogue entry has is refused with. */
bool name_tool(struct db_conn *conn, struct arena *arena, enum err_code code, struct str *tool, struct err *err);
/* False, with the error that refuses the hunt. */
bool name_refuse_hunt(struct db_conn *conn, enum err_code code, struct str given, struct err *err);
/* Did any event or finding come from such a machine group? ERR_NOT_FOUND: none. "": those without one. */
bool name_group(struct db_conn *conn, struct str group, struct err *err);
/* The same of a device's id; given its name, the refusal tells the id, and given nearly one of them, both. */
bool name_device(struct db_conn *conn, struct str device, struct err *err);
