/* Names in requests, as hunts/names knows them: a tool in any spelling, and what nothing here knows refused. */
#pragma once
#include "handlers/request.h"
#include "hunts/names.h"

/* *tool becomes the tool's name; ptr NULL: no tool is named. code: what one that is unknown is refused with. */
bool tool_resolve(struct request *request, enum err_code code, struct str *tool, struct err *err);
/* The same of ?tool=. */
bool tool_parameter(struct request *request, struct str *tool, struct err *err);
/* False, with ERR_NOT_FOUND and the nearest that is there. */
bool hunt_refuse(struct request *request, struct str given, struct err *err);
/* For an answer with nothing in it: false when there can't be anything, as none such was ever seen. ptr NULL: not asked. */
bool group_seen(struct request *request, struct str group, struct err *err);
bool device_seen(struct request *request, struct str device, struct err *err);
