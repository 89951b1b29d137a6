/* A tool that a filter names: one that nothing here knows is refused with the nearest name that is known, since an empty
 * list would look like good news. */
#pragma once
#include "handlers/request.h"

/* *tool: a name in any case, a catalogue id or an alias; becomes the name. ptr NULL: no tool is named. code: what a tool
 * that no hunt, finding or catalogue entry has is refused with. */
bool tool_resolve(struct request *request, enum err_code code, struct str *tool, struct err *err);
/* The same of ?tool=. */
bool tool_parameter(struct request *request, struct str *tool, struct err *err);
